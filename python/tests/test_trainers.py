# SPDX-License-Identifier: Apache-2.0
"""Every fixture of every trainer through Python: what the trainer answered, bit for bit.

ESPALIER_FIXTURES_NTH takes every n-th line of the manifest; its README says what the lines mean.
"""
import collections
import csv
import os

import pytest

numpy = pytest.importorskip("numpy")

import espalier  # noqa: E402
import run_fixtures  # noqa: E402
from conftest import FIXTURES  # noqa: E402


def read_groups():
    lines = run_fixtures.read_manifest(str(FIXTURES / "manifest.tsv"))
    groups = collections.defaultdict(list)
    for line in lines[::max(1, int(os.environ.get("ESPALIER_FIXTURES_NTH", "1")))]:
        groups[line.path.split("/")[0]].append(line)
    return groups


GROUPS = read_groups()


def ask(model, kind, rows, iterations):
    """Through the method that a user would call, when there are no iterations to choose."""
    if iterations:
        first, _, end = iterations.partition(":")
        count = model.info["iteration_count"]
        return model.predict(rows, output=kind, iterations=(int(first or 0), int(end or count)))
    if kind == "probability":
        found = model.predict_proba(rows)
        return numpy.concatenate(found, axis=1) if isinstance(found, list) else found
    if kind == "leaf":
        return model.apply(rows)
    if kind == "score":
        return model.score_samples(rows)
    if kind == "margin" and hasattr(model, "decision_function"):
        return model.decision_function(rows)
    return model.predict(rows, output=kind)


def read_csv(model, path):
    """Rows with text: of features without categories of text the fields are numbers."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return [[None if field == "" else field if categories is not None else float(field)
             for field, categories in zip(row, model.categories_)] for row in rows]


def describe(array):
    """As run_fixtures has it."""
    return run_fixtures.Array(array.dtype.str, array.shape, array.ravel().tolist())


def compare(kind, expected, found, linked):
    found = numpy.asarray(found)
    same = (expected.dtype == found.dtype and expected.shape == found.shape
            and expected.tobytes() == found.tobytes())
    if not same:
        run_fixtures.compare(kind, describe(expected), describe(found), linked)


def check_rows(model, path, wanted, estimator):
    rows = read_csv(model, path) if path.suffix == ".csv" else numpy.load(path)
    if isinstance(wanted, str):
        with pytest.raises((espalier.InputError, ValueError)) as caught:
            model.predict(rows)
        run_fixtures.check_words(wanted, str(caught.value))
        return
    for name, file in wanted.items():
        kind, _, iterations = name.strip("~").partition("@")
        expected = numpy.load(path.parent / file)
        compare(kind, expected, ask(model, kind, rows, iterations), name.endswith("~"))
    # Without an output: the trainer's own predict.
    order = ("value", "value~", "class") if estimator.startswith("Booster") else (
        "class", "value", "value~")
    name = next((one for one in order if one in wanted), None)
    if name is not None:
        expected = numpy.load(path.parent / wanted[name])
        compare(name.strip("~"), expected, model.predict(rows), name.endswith("~"))


def check_line(line, folder):
    source = FIXTURES / line.path
    target = folder / "model.espalier"
    select = None if line.select == "-" else line.select
    if line.refused != "-":
        with pytest.raises(espalier.Error) as caught:
            espalier.convert(source, target, select=select)
        run_fixtures.check_words(line.refused, str(caught.value))
        assert source.name in str(caught.value)
        assert list(folder.iterdir()) == [], "a failed conversion left something behind"
        return
    espalier.convert(source, target, select=select)
    with espalier.load(target) as model:
        for rows, wanted in run_fixtures.parse_cases(line.cases):
            for name in rows:
                check_rows(model, source.parent / name, wanted, line.estimator)
    target.unlink()


@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_the_trainers(group, tmp_path):
    failures = []
    for line in GROUPS[group]:
        try:
            check_line(line, tmp_path)
        except (run_fixtures.Failure, espalier.Error, AssertionError, AttributeError) as error:
            failures.append("%s (%s): %s: %s" % (line.path, line.purpose, type(error).__name__,
                                                 error))
        except pytest.fail.Exception as error:
            failures.append("%s (%s): %s" % (line.path, line.purpose, error))
        for left in tmp_path.iterdir():
            left.unlink()
    assert not failures, "\n".join(failures[:20])
