# SPDX-License-Identifier: Apache-2.0
"""predict_one: every form of a row gives what a batch gives; whatever else is refused."""
import array
import threading

import pytest

import espalier
from conftest import FIXTURES

ROW = (6.3, 2.5, 4.9, 1.5)


def test_every_form_of_a_row(iris):
    expected = iris.predict_one(ROW, "probability")
    assert expected == (0.0, 0.875, 0.125)
    single = array.array("f", ROW)
    for row in (list(ROW), array.array("d", ROW), memoryview(array.array("d", ROW)), single,
                memoryview(array.array("d", [9.0, *reversed(ROW)]))[:0:-1]):
        assert iris.predict_one(row, output="probability") == expected
    assert iris.predict_one(ROW) == 1 and type(iris.predict_one(ROW)) is int
    assert iris.predict_one([6, 2, True, 1]) == iris.predict_one((6.0, 2.0, 1.0, 1.0))
    leaves = iris.predict_one(row=ROW, output="leaf")
    assert len(leaves) == 200 and all(type(leaf) is int for leaf in leaves)


def test_numpy_rows(iris):
    numpy = pytest.importorskip("numpy")
    rows = numpy.load(FIXTURES / "sklearn-1.2.2" / "random_forest_model.rows64.npy")
    expected = iris.predict_proba(rows)
    for index, row in enumerate(rows):
        assert iris.predict_one(row, "probability") == tuple(expected[index])
        assert iris.predict_one(row[numpy.newaxis], "probability") == tuple(expected[index])
        assert iris.predict_one([*row], "probability") == tuple(expected[index])
    whole = numpy.arange(4)
    assert iris.predict_one(whole) == iris.predict(whole[numpy.newaxis])[0]


@pytest.mark.parametrize("name", [
    "sklearn-1.4.2/forest_7.joblib", "sklearn-1.4.2/multi_strings.joblib",
    "boosting-1.4.2/gradient_binary.joblib"])
def test_every_output_of_a_batch(converted, name):
    numpy = pytest.importorskip("numpy")
    if not (FIXTURES / name).exists():
        pytest.fail("the fixture %s is gone" % name)
    rows = numpy.load((FIXTURES / name).with_suffix(".rows64.npy"))[:5]
    model = espalier.load(converted(name))
    for output in model.info["outputs"]:
        batch = model.predict_proba(rows) if output == "probability" else model.predict(
            rows, output=output)
        for index, row in enumerate(rows):
            found = model.predict_one(tuple(row), output)
            if isinstance(batch, list):
                assert found == tuple(tuple(one[index]) for one in batch)
            else:
                assert numpy.asarray(found).ravel().tolist() == batch[index].ravel().tolist()


def test_dicts_are_bound_by_name(converted):
    model = espalier.load(converted("sklearn-1.4.2/named_forest.joblib"))
    names = model._names()
    row = {name: 0.25 * i for i, name in enumerate(names)}
    expected = model.predict_one(tuple(row.values()))
    assert model.predict_one(dict(reversed(row.items()))) == expected
    with pytest.raises(KeyError, match="no feature 'more'"):
        model.predict_one({**row, "more": 1.0})
    row.popitem()
    with pytest.raises(KeyError, match="the row has no feature"):
        model.predict_one(row)


def test_what_is_no_row_is_refused(iris):
    for row, kind, words in (
            ((1.0, 2.0), espalier.InputError, "2 features, but the model has 4"),
            ((1.0, 2.0, 3.0, "4"), TypeError, "feature 3 is no number"),
            (array.array("d", [1.0] * 5), espalier.InputError, "5 features"),
            (memoryview(array.array("d", ROW * 2)).cast("B").cast("d", (2, 4)), ValueError,
             "one row, not 2"),
            ({"a": 1.0}, TypeError, "no feature names"), (7, TypeError, None),
            ((None, 1.0, 1.0, 1.0), espalier.InputError, "row 0, feature 0: a missing value"),
            ((1.0, float("inf"), 1.0, 1.0), espalier.InputError, "feature 1: infinity"),
            ((1.0, 10 ** 400, 1.0, 1.0), OverflowError, None)):
        with pytest.raises(kind, match=words):
            iris.predict_one(row)
    for arguments, words in (((), {}), "a row"), (((ROW, "class", 1), {}), "2 arguments"), (
            ((ROW,), {"row": ROW}), "repeated"), (((ROW,), {"kind": 1}), "unexpected"):
        with pytest.raises(TypeError, match=words):
            iris.predict_one(*arguments[0], **arguments[1])
    with pytest.raises(ValueError, match="output is one of"):
        iris.predict_one(ROW, "mean")
    with pytest.raises(espalier.InputError):
        iris.predict_one(ROW, "value")


def test_rows_whose_items_do_what_they_like(converted):
    """An item's own code may change the row, call the model again, or close it."""
    path = converted("sklearn-1.2.2/random_forest_model.pkl")
    model = espalier.load(path)

    class Item:
        def __init__(self, action):
            self.action = action

        def __float__(self):
            self.action()
            return 1.5

    row = [6.3, 2.5, Item(lambda: None), 1.5]
    row[2] = Item(row.clear)
    with pytest.raises(IndexError):
        model.predict_one(row)
    again = (6.3, 2.5, Item(lambda: model.predict_one((0.0, 0.0, 0.0, 0.0))), 1.5)
    assert model.predict_one(again, "probability") == model.predict_one((6.3, 2.5, 1.5, 1.5),
                                                                        "probability")
    with pytest.raises(ValueError, match="closed"):
        model.predict_one((6.3, 2.5, Item(model.close), 1.5))
    with pytest.raises(ValueError, match="closed"):
        model.predict_one(ROW)


def test_what_has_another_order_than_the_features_is_refused(iris):
    import collections
    import types

    row = dict(zip("abcd", ROW))
    for given in (set(ROW), frozenset(ROW), "6315", b"6315", types.MappingProxyType(row),
                  collections.UserDict(row)):
        with pytest.raises(TypeError, match="a row is a tuple, list, dict or buffer, not <class"):
            iris.predict_one(given)
    assert iris.predict_one(collections.deque(ROW)) == iris.predict_one(ROW)
    assert iris.predict_one(row.values()) == iris.predict_one(ROW)


def test_series_are_no_rows(iris):
    """Their values were taken in their own order, whatever the index says."""
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"dict\(row\)"):
        iris.predict_one(pandas.Series(ROW, index=list("dcba")))


def test_threads_share_a_model(iris):
    expected = iris.predict_one(ROW, "probability")
    failures = []

    def work():
        for _ in range(500):
            if iris.predict_one(ROW, "probability") != expected or iris.predict(
                    [ROW] * 70, n_threads=2)[69] != 1:
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_unchecked_models_take_everything(converted):
    model = espalier.load(converted("sklearn-1.2.2/random_forest_model.pkl"), check_input=False)
    assert model.predict_one((None, float("inf"), 1.0, 1.0)) in (0, 1, 2)
    assert model.predict([[float("nan"), 1.0, 1.0, 1.0]])[0] in (0, 1, 2)


def test_what_is_refused_may_change(converted):
    """check_input was taken when the model was loaded alone; set later, it did nothing."""
    model = espalier.load(converted("sklearn-1.2.2/random_forest_model.pkl"))
    bad = (float("inf"), 1.0, 1.0, 1.0)
    asks = (lambda: model.predict_one(bad), lambda: model.predict_one(bad, "leaf"),
            lambda: model.predict([bad]), lambda: model.apply([bad]))
    for check_input in (True, False, True):
        assert model.set_params(check_input=check_input).check_input is check_input
        assert model.get_params()["check_input"] is check_input
        for ask in asks:
            if check_input:
                with pytest.raises(espalier.InputError, match="infinity"):
                    ask()
            else:
                ask()
    with pytest.raises(ValueError, match="path of an open model"):
        model.set_params(check_input=False, path="elsewhere")
    assert model.check_input
