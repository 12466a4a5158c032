# SPDX-License-Identifier: Apache-2.0
"""Rows in every form that Python has them in give the same bits; columns are bound by name."""
import array
import threading
import time
import tracemalloc

import pytest

numpy = pytest.importorskip("numpy")

import espalier  # noqa: E402
from conftest import FIXTURES  # noqa: E402

NAMES = ("red", "green", "blue", "tall")


@pytest.fixture
def rows():
    return numpy.load(FIXTURES / "sklearn-1.2.2" / "random_forest_model.rows64.npy")


@pytest.fixture
def single():
    return numpy.load(FIXTURES / "sklearn-1.2.2" / "random_forest_model.rows32.npy")


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A forest with feature names that takes missing values, its rows and its answers."""
    pandas = pytest.importorskip("pandas")
    ensemble = pytest.importorskip("sklearn.ensemble")
    random = numpy.random.default_rng(3)
    data = random.normal(size=(300, 4))
    data[random.random(data.shape) < 0.1] = numpy.nan
    frame = pandas.DataFrame(data, columns=list(NAMES))
    labels = numpy.where(numpy.nan_to_num(data[:, 0]) > 0, "yes", "no")
    forest = ensemble.RandomForestClassifier(20, random_state=0).fit(frame, labels)
    path = tmp_path_factory.mktemp("named") / "named.espalier"
    espalier.dump(forest, path, check=frame)
    return espalier.load(path), frame, forest.predict_proba(frame)


def expect_equal(found, expected):
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


# --- NumPy --------------------------------------------------------------------------------------

def test_views_of_any_strides_are_read_in_place(iris, rows):
    expected = iris.predict_proba(rows)
    wide = numpy.zeros((2 * len(rows), 9))
    wide[::2, 1::2] = rows
    backwards = rows[::-1, ::-1].copy()[::-1, ::-1]
    read_only = rows.copy()
    read_only.flags.writeable = False
    for view in (numpy.asfortranarray(rows), wide[::2, 1::2], backwards, read_only):
        expect_equal(iris.predict_proba(view), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_views_are_not_copied(iris, dtype):
    """What is allocated while many rows are predicted is less than a copy of them."""
    wide = numpy.ones((100_000, 8), dtype)
    for view in (wide[:, :4].copy(), numpy.asfortranarray(wide[:, :4]), wide[::2, ::2],
                 wide[::-2, 4:]):
        iris.predict_proba(view[:1])
        tracemalloc.start()
        try:
            answers = iris.predict_proba(view)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < answers.nbytes + view.nbytes // 4, (view.strides, peak)


def test_batches_let_go_of_the_interpreters_lock(iris):
    """Another thread goes on while a batch is predicted; with the lock it would wait for it."""
    rows, spent, gaps = numpy.ones((100_000, 4), "f4"), 0.0, []
    while spent < 0.5:  # a batch that takes its time
        begin = time.perf_counter()
        iris.predict(rows)
        spent = time.perf_counter() - begin
        if spent < 0.5:
            rows = numpy.ones((int(len(rows) * min(0.7 / spent, 10)) + 1, 4), "f4")
    ended = threading.Event()
    worker = threading.Thread(target=lambda: (iris.predict(rows), ended.set()))
    worker.start()
    last = begin = time.perf_counter()
    while not ended.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    worker.join()
    assert max(gaps) < (last - begin) / 2, (max(gaps), last - begin)


def test_float32_and_other_numbers(iris, single):
    expected = iris.predict_proba(single.astype("f8"))
    expect_equal(iris.predict_proba(single), expected)
    expect_equal(iris.predict_proba(single.astype(">f8")), expected)
    whole = numpy.arange(40).reshape(10, 4) % 8
    for dtype in ("i1", "u2", "i4", "i8", "f2", "O", "b1"):
        typed = whole.astype(dtype)
        expect_equal(iris.predict_proba(typed), iris.predict_proba(typed.astype("f8")))
    records = numpy.zeros(10, dtype=[("a", "u1"), ("x", "f8", 4)])
    records["x"] = whole
    expect_equal(iris.predict_proba(records["x"]), iris.predict_proba(whole))


def test_lists_and_buffers(iris, rows):
    expected = iris.predict_proba(rows)
    expect_equal(iris.predict_proba(rows.tolist()), expected)
    expect_equal(iris.predict_proba([tuple(row) for row in rows]), expected)
    flat = array.array("d", rows.ravel())
    view = memoryview(flat).cast("B").cast("d", rows.shape)
    expect_equal(iris.predict_proba(view), expected)


def test_no_rows(iris):
    assert iris.predict(numpy.empty((0, 4))).shape == (0,)
    assert iris.predict_proba(numpy.empty((0, 4))).shape == (0, 3)


def test_threads_give_the_same_bits(iris, rows):
    many = numpy.tile(rows, (40, 1))
    expected = iris.predict_proba(many)
    for threads in (2, 3, 7, -1):
        expect_equal(iris.predict_proba(many, n_threads=threads), expected)
    many[777, 2] = numpy.nan
    many[1500, 1] = numpy.inf
    for threads in (1, 3):
        with pytest.raises(espalier.InputError, match="row 777, feature 2") as caught:
            iris.predict(many, n_threads=threads)
        assert (caught.value.row, caught.value.feature) == (777, 2)


@pytest.mark.parametrize("bad, words", [
    ([1.0, 2.0, 3.0, 4.0], "two dimensions"),
    ([[1.0, 2.0, 3.0]], "X has 3 features, but Model is expecting 4 features"),
    ([[1.0, 2.0, 3.0, 4.0], [1.0]], "different lengths"),
    ([["a", "b", "c", "d"]], "no numbers"),
    (7, "two dimensions|rows are"),
    (object(), "rows are"),
    ([{"a": 1.0}], "rows are no dicts: give a data frame"),
])
def test_what_is_no_table_is_refused(iris, bad, words):
    with pytest.raises((TypeError, ValueError), match=words):
        iris.predict(bad)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_series_are_refused(iris, library):
    """They have the Arrow interface, too, and were refused for a format 'g'."""
    series = pytest.importorskip(library).Series([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(espalier.InputError, match=r"a Series has one: .* frame.iloc\[\[i\]\]"):
        iris.predict(series)


def test_lazy_frames_are_to_be_collected(iris):
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"not LazyFrame; collect\(\) it"):
        iris.predict(polars.DataFrame({"a": [1.0]}).lazy())


def test_sparse_matrices_are_refused(iris):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="sparse"):
        iris.predict(sparse.csr_matrix(numpy.eye(4)))


def test_masked_arrays_are_refused(iris, rows):
    """What is under the mask was predicted for."""
    for ask in (lambda: iris.predict(numpy.ma.masked_less(rows, 1.0)),
                lambda: iris.predict_one(numpy.ma.masked_less(rows[0], 1.0))):
        with pytest.raises(TypeError, match="filled"):
            ask()


def test_whole_numbers_are_rounded_once(tmp_path):
    """Arrays and frames of int64 become float32 at once, as the trainer's do; lists by float64."""
    pandas = pytest.importorskip("pandas")
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor()
    tree.fit(numpy.array([[2.0**60], [2.0**60 + 2.0**37]]), [0.0, 1.0])
    espalier.dump(tree, tmp_path / "m")
    number = numpy.array([[2**60 + 2**36 + 1]])
    with espalier.load(tmp_path / "m") as model:
        for given in (number, number.astype("u8"), pandas.DataFrame(number), number.tolist()):
            assert model.predict(given).tolist() == tree.predict(given).tolist()


def test_whole_numbers_reach_a_pipeline_whole(tmp_path):
    """Its steps compute in float64: numbers beyond 2^24 must not have become float32 before."""
    pandas = pytest.importorskip("pandas")
    trees = pytest.importorskip("sklearn.tree")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    ids = 1_700_000_000 + numpy.arange(200).reshape(-1, 2)
    for step in (StandardScaler(), OrdinalEncoder()):
        pipeline = make_pipeline(step, trees.DecisionTreeRegressor()).fit(ids, ids[:, 0] % 7)
        espalier.dump(pipeline, tmp_path / "m")
        with espalier.load(tmp_path / "m") as model:
            for given in (ids, ids.astype("i4"), pandas.DataFrame(ids), ids.tolist()):
                assert model.predict(given).tolist() == pipeline.predict(given).tolist()


NEAR = 2**60 + 2**36 + 1  # by way of float64 it would become another float32


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """Trees that tell which float32 a number became, and how the trainer takes frames."""
    trees = pytest.importorskip("sklearn.tree")
    pandas = pytest.importorskip("pandas")
    X = numpy.array([[2.0**60, 0.0], [2.0**60 + 2.0**37, 0.0]])
    tree = trees.DecisionTreeRegressor().fit(pandas.DataFrame(X, columns=["a", "b"]), [0.0, 1.0])
    path = tmp_path_factory.mktemp("far") / "m"
    espalier.dump(tree, path)
    return espalier.load(path), tree


def test_whole_numbers_of_frames_are_rounded_as_the_trainer_does(far):
    """Frames whose columns were in another order, or of two types, went through float64."""
    pandas = pytest.importorskip("pandas")
    model, tree = far
    for kinds in (("i8", "i8"), ("i8", "i4"), ("u8", "u1"), ("i8", "f8"), ("i8", "f4"),
                  ("i8", "u8"), ("i8", "?"), ("Int64", "Int64"), ("Int64", "f8"), ("i8", "Float64"),
                  ("u8", "boolean"), ("i8", "Sparse[float64]"), ("Sparse[int64]", "f8"),
                  ("Sparse[int64]", "i4"), ("i8", "Sparse[int64]"), ("Sparse[int64]", "Int64"),
                  ("i8", "Sparse[bool]"), ("Sparse[uint64]", "i8")):
        frame = pandas.DataFrame({"a": pandas.Series([NEAR, 5]).astype(kinds[0]),
                                  "b": pandas.Series([1, 0]).astype(kinds[1])})
        expected = tree.predict(frame).tolist()
        assert model.predict(frame).tolist() == expected, kinds
        assert model.predict(frame[["b", "a"]]).tolist() == expected, kinds
    frame = pandas.DataFrame({"b": pandas.array([1, 2], "Int64"),
                              "a": pandas.array([NEAR, 3], "Int64")})
    assert model.predict(frame)[0] == 1.0
    frame.iloc[1, 0] = None
    model.check_input = False
    assert model.predict(frame)[0] == 1.0
    model.check_input = True


def test_whole_numbers_of_polars_are_rounded_as_the_trainer_does(far):
    """They went through float64, which has 53 bits. A frame becomes one array."""
    polars = pytest.importorskip("polars")
    model, tree = far
    for kinds in (("Int64", "Int64"), ("Int32", "Int64"), ("UInt8", "UInt64"), ("Float64", "Int64"),
                  ("Float32", "Int64"), ("UInt64", "Int64"), ("Boolean", "Int64")):
        for b in ([1, 0], [1, None]):
            values = {"b": b, "a": [NEAR, 5]}
            frame = polars.DataFrame({name: polars.Series(values[name]).cast(getattr(polars, kind))
                                      for name, kind in zip(values, kinds)})
            expected = tree.predict(frame.select("a", "b")).tolist()
            assert model.predict(frame).tolist() == expected, (kinds, b)


def test_whole_numbers_of_arrow_are_rounded_as_the_trainer_does(far):
    """Tables were taken as polars' frames are, which one column of floats makes float64."""
    pyarrow = pytest.importorskip("pyarrow")
    model, tree = far
    found = set()
    for kind in ("int64", "uint64"):
        for a in ([NEAR, 5], [NEAR, None], [5, NEAR, None, NEAR]):
            for other in ("int64", "uint64", "int8", "float64", "float32", "bool"):
                for is_missing in (False, True):
                    b = [None if is_missing and i == 1 else i % 2 for i in range(len(a))]
                    table = pyarrow.table({"a": pyarrow.array(a, kind),
                                           "b": pyarrow.array(b).cast(other)})
                    halves = pyarrow.concat_tables([table.slice(0, 1), table.slice(1)])
                    for given in (table, table.slice(0, 1), table.to_batches()[0], halves):
                        expected = tree.predict(given).tolist()
                        assert model.predict(given.select(["b", "a"])).tolist() == expected, given
                    found.add(expected[0])
    assert found == {0.0, 1.0}


def test_dictionaries_of_whole_numbers_are_rounded_as_the_trainer_does(far):
    """By way of float64 where the dictionary holds a null, whether or not a row has it."""
    pyarrow = pytest.importorskip("pyarrow")
    model, tree = far
    for values, expected in (([NEAR, 5], [1.0, 0.0]), ([NEAR, 5, None], [0.0, 0.0])):
        column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1], "int8"),
                                                     pyarrow.array(values, "int64"))
        table = pyarrow.table({"a": column, "b": [1.5, 2.5]})
        assert tree.predict(table).tolist() == expected
        assert model.predict(table).tolist() == expected


def test_whole_numbers_of_frames_in_xgboost(tmp_path):
    """It takes every column by itself."""
    xgboost = pytest.importorskip("xgboost")
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    X = numpy.array([[2.0**60, 0.0], [2.0**60 + 2.0**37, 0.0]] * 20)
    booster = xgboost.XGBRegressor(n_estimators=1, tree_method="exact").fit(
        pandas.DataFrame(X, columns=["a", "b"]), [0.0, 1.0] * 20)
    espalier.dump(booster, tmp_path / "m")
    with espalier.load(tmp_path / "m") as model:
        assert len(set(booster.predict(X[:2]).tolist())) == 2
        for other in ([1, 0], [1.5, 0.0], [None, 2], [None, 2.5]):
            values = {"a": [NEAR, 5], "b": other}
            for frame in (polars.DataFrame(values), pyarrow.table(values), pandas.DataFrame(values),
                          pandas.DataFrame(values).astype({"a": "Int64"})):
                assert model.predict(frame).tolist() == booster.predict(frame).tolist(), frame


def test_half_floats_of_arrow(iris):
    """Columns of float16 were refused; every one of them is some float32."""
    pyarrow = pytest.importorskip("pyarrow")
    every = numpy.arange(1 << 16, dtype="u2").view("f2")
    every = every[numpy.isfinite(every)].reshape(-1, 4)
    table = pyarrow.table({name: pyarrow.array(every[:, i]) for i, name in enumerate("abcd")})
    expect_equal(iris.apply(table), iris.apply(every.astype("f8")))
    expect_equal(iris.apply(table.slice(7, 90)), iris.apply(every.astype("f8")[7:97]))
    for value, word in ((numpy.inf, "infinity"), (numpy.nan, "missing")):
        odd = pyarrow.table({name: pyarrow.array(numpy.array([value], "f2")) for name in "abcd"})
        with pytest.raises(espalier.InputError, match=word):
            iris.predict(odd)


# --- data frames --------------------------------------------------------------------------------

def test_pandas_by_name_in_any_order(named):
    model, frame, expected = named
    expect_equal(model.predict_proba(frame), expected)
    expect_equal(model.predict_proba(frame[list(reversed(NAMES))]), expected)
    expect_equal(model.predict_proba(frame.to_numpy()), expected)
    assert model.predict(frame).tolist() == model.classes_[expected.argmax(axis=1)].tolist()
    assert model.feature_names_in_.tolist() == list(NAMES)


def test_pandas_dtypes(named):
    pandas = pytest.importorskip("pandas")
    model, frame, _ = named
    mixed = pandas.DataFrame({
        "red": pandas.array([1, None, 3], dtype="Int64"),
        "green": numpy.array([1, 0, 1], dtype=bool),
        "blue": pandas.array([0.5, None, 2.0], dtype="Float64"),
        "tall": numpy.array([1, 2, 3], dtype="u1")})
    plain = numpy.array([[1, 1, 0.5, 1], [numpy.nan, 0, numpy.nan, 2], [3, 1, 2, 3]])
    expect_equal(model.predict_proba(mixed), model.predict_proba(plain))
    mixed["tall"] = ["a", "b", "c"]
    with pytest.raises(TypeError, match="tall"):
        model.predict(mixed)
    mixed["tall"] = pandas.to_datetime(["2024-01-01"] * 3)
    with pytest.raises(TypeError, match="tall"):
        model.predict(mixed)
    mixed["tall"] = pandas.Categorical([3, None, 1.5], categories=[1.5, 2, 3])
    plain[:, 3] = [3, numpy.nan, 1.5]
    expect_equal(model.predict_proba(mixed), model.predict_proba(plain))


def test_pandas_columns_of_any_bytes(named):
    """In the other order of bytes, and between the items of records."""
    pandas = pytest.importorskip("pandas")
    model, frame, expected = named
    swapped = frame.astype(">f8")
    expect_equal(model.predict_proba(swapped), expected)
    expect_equal(model.predict_proba(frame.assign(red=swapped["red"])), expected)
    records = numpy.zeros(len(frame), dtype=[("odd", "u1"), ("red", "f8")])
    records["red"] = frame["red"]
    single = frame["tall"].astype("f4")
    apart = pandas.DataFrame({"red": pandas.Series(records["red"], copy=False),
                              "green": frame["green"], "blue": frame["blue"], "tall": single},
                             copy=False)
    expect_equal(model.predict_proba(apart), model.predict_proba(frame.assign(tall=single)))


def test_columns_with_numbers_for_names(tmp_path):
    """XGBoost writes them as text; columns in another order were taken as they came."""
    pandas = pytest.importorskip("pandas")
    xgboost = pytest.importorskip("xgboost")
    data = numpy.random.default_rng(5).normal(size=(100, 3))
    frame = pandas.DataFrame(data)
    booster = xgboost.XGBRegressor(n_estimators=4).fit(frame, data[:, 0])
    espalier.dump(booster, tmp_path / "m")
    with espalier.load(tmp_path / "m") as model:
        for given in (frame, frame[[2, 0, 1]], data):
            expect_equal(model.predict(given), booster.predict(frame))
        unnamed = pandas.DataFrame(data, columns=[7, 8, 9])
        expect_equal(model.predict(unnamed), booster.predict(frame))


def test_wrong_names_are_named(named):
    model, frame, _ = named
    with pytest.raises(espalier.InputError, match="missing: 'tall'; unknown: 'large'"):
        model.predict(frame.rename(columns={"tall": "large"}))
    with pytest.raises(espalier.InputError, match="unknown: 'more'"):
        model.predict(frame.assign(more=1.0))
    with pytest.raises(espalier.InputError, match="missing: 'red'"):
        model.predict(frame[["green", "blue", "tall"]])
    doubled = frame[["red", "red", "green", "blue", "tall"]]
    with pytest.raises(espalier.InputError, match="twice: 'red'"):
        model.predict(doubled)


def test_models_without_names_take_columns_as_they_come(iris, rows):
    pandas = pytest.importorskip("pandas")
    expected = iris.predict_proba(rows)
    expect_equal(iris.predict_proba(pandas.DataFrame(rows, columns=list("wxyz"))), expected)
    expect_equal(iris.predict_proba(pandas.DataFrame(rows)), expected)
    with pytest.raises(espalier.InputError, match="3 columns"):
        iris.predict(pandas.DataFrame(rows[:, :3]))


# --- Arrow --------------------------------------------------------------------------------------

def test_polars(named):
    polars = pytest.importorskip("polars")
    model, frame, expected = named
    table = polars.DataFrame({name: frame[name].to_numpy() for name in reversed(NAMES)})
    expect_equal(model.predict_proba(table), expected)
    nulls = table.with_columns([polars.col(name).fill_nan(None) for name in NAMES])
    assert nulls.null_count().sum_horizontal()[0] > 0
    expect_equal(model.predict_proba(nulls), expected)
    sliced = nulls[13:200]
    expect_equal(model.predict_proba(sliced), expected[13:200])
    with pytest.raises(TypeError, match="'red'.*no numbers"):
        model.predict(table.with_columns(polars.lit("a").alias("red")))
    with pytest.raises(espalier.InputError, match="missing: 'red'"):
        model.predict(table.drop("red"))


def test_pyarrow_tables_of_several_batches(named):
    pyarrow = pytest.importorskip("pyarrow")
    model, frame, expected = named
    whole = pyarrow.Table.from_pandas(frame, preserve_index=False)
    assert whole.column(0).null_count > 0
    expect_equal(model.predict_proba(whole), expected)
    expect_equal(model.predict_proba(whole.slice(7, 90)), expected[7:97])
    pieces = pyarrow.concat_tables([whole.slice(0, 100), whole.slice(100, 1), whole.slice(101)])
    expect_equal(model.predict_proba(pieces, n_threads=2), expected)
    batch = whole.combine_chunks().to_batches()[0]
    expect_equal(model.predict_proba(batch), expected)
    expect_equal(model.predict_proba(batch.slice(5, 20)), expected[5:25])


def test_arrow_types(named):
    pyarrow = pytest.importorskip("pyarrow")
    model, _, _ = named
    bits = [bool(i % 3) if i % 5 else None for i in range(70)]
    small = [i if i % 7 else None for i in range(70)]
    plain = numpy.array([[numpy.nan if value is None else float(value) for value in row]
                         for row in zip(bits, small, small, [None] * 70)])
    for kind in ("int8", "uint16", "int32", "int64", "uint64", "float32", "float16"):
        if kind == "float16":
            small = [None if value is None else numpy.float16(value) for value in small]
        table = pyarrow.table({
            "red": pyarrow.array(bits, pyarrow.bool_()), "green": pyarrow.array(small, kind),
            "blue": pyarrow.array(small, kind), "tall": pyarrow.nulls(70)})
        expect_equal(model.predict_proba(table), model.predict_proba(plain))
        expect_equal(model.predict_proba(table.slice(11, 30)), model.predict_proba(plain[11:41]))


def test_refused_rows_of_later_batches_are_numbered(iris, rows):
    pyarrow = pytest.importorskip("pyarrow")
    columns = {name: rows[:, i].astype("f8") for i, name in enumerate("abcd")}
    whole = pyarrow.table(columns)
    broken = pyarrow.concat_tables([whole, whole.slice(0, 3), pyarrow.table(
        {name: pyarrow.array([1.0, None if name == "c" else 2.0]) for name in "abcd"})])
    with pytest.raises(espalier.InputError) as caught:
        iris.predict(broken)
    assert (caught.value.row, caught.value.feature) == (len(rows) + 4, 2)


def test_batches_that_lack_whole_rows(named):
    """A producer that has not counted its missing rows says -1; they were taken for values."""
    pyarrow = pytest.importorskip("pyarrow")
    model, frame, _ = named
    columns = [pyarrow.array(frame[name].to_numpy()[:20]) for name in NAMES]
    for lost in (None, 0, 7, 11, 19):
        mask = pyarrow.array([row == lost for row in range(20)])
        struct = pyarrow.StructArray.from_arrays(columns, NAMES, mask=mask)
        for part, first in ((struct, 0), (struct.slice(8, 5), 8)):
            if lost is not None and first <= lost < first + len(part):
                with pytest.raises(ValueError, match="whole rows are missing"):
                    model.predict(part)
            else:
                expected = model.predict(frame.iloc[first:first + len(part)])
                assert model.predict(part).tolist() == expected.tolist()


# --- names --------------------------------------------------------------------------------------

def test_orders_of_other_columns_do_not_mix(named):
    """A thread that asks for another order while names are compared must not change the answer."""
    model, frame, expected = named
    other = frame[list(NAMES[::-1])]

    class Names(tuple):
        def __eq__(self, names):
            same = tuple.__eq__(self, names)
            binder.order(tuple(other.columns))
            return same

        __hash__ = tuple.__hash__

    expect_equal(model.predict_proba(frame), expected)
    binder = model._bind()
    assert binder.order(Names(NAMES)) == (0, 1, 2, 3)
    expect_equal(model.predict_proba(other), expected)


def test_keys_that_change_the_dict_they_are_in(named):
    model = named[0]

    class Key:
        def __hash__(self):
            return 1

        def __eq__(self, name):
            row.clear()
            return False

        def __repr__(self):
            return "<a key that was freed>"

    row = dict.fromkeys(NAMES, 1.0)
    row[Key()] = 2.0
    with pytest.raises(KeyError, match="no feature <a key that was freed>"):
        model.predict_one(row)
    assert not row


def test_names_in_messages_are_one_line_of_text(tmp_path):
    """Names are a stranger's: no control characters, and no half of a character where they end."""
    pandas = pytest.importorskip("pandas")
    ensemble = pytest.importorskip("sklearn.ensemble")
    names = ["a\nb\x1b[31m", "x" + "\u00fc" * 150, "\u20ac" * 80]
    frame = pandas.DataFrame([[0.0, 1.0, 2.0], [1.0, 0.0, 0.5]], columns=names)
    espalier.dump(ensemble.ExtraTreesClassifier(3).fit(frame, [0, 1]), tmp_path / "m",
                  layout="walk")
    with espalier.load(tmp_path / "m") as model:
        for feature, shown in enumerate(("a?b?[31m", "x" + "\u00fc" * 99, "\u20ac" * 66)):
            row = [float("inf") if i == feature else 0.0 for i in range(3)]
            for ask in (lambda: model.predict_one(row), lambda: model.predict([row])):
                with pytest.raises(espalier.InputError) as caught:
                    ask()
                assert 'feature %d "%s": ' % (feature, shown) in str(caught.value)
                assert str(caught.value).encode() and caught.value.feature == feature
