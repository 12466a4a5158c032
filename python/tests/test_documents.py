# SPDX-License-Identifier: Apache-2.0
"""The docstrings' examples, and every Python snippet of the package's documents, in their order.

Those of other documents are run by tests/docs/run_documents.py."""
import doctest
import importlib
import re

import pytest

pytest.importorskip("numpy")
pytest.importorskip("sklearn")

import espalier  # noqa: E402
from conftest import FIXTURES, ROOT  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402

MODULES = ("espalier", "espalier._model", "espalier._converting", "espalier._errors",
           "espalier._inputs", "espalier._scores")
DOCUMENTS = ("python/README.md", "docs/python.md")


def test_docstrings(iris, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {"MODEL_PATH": iris.path, "model": iris,
             "SOURCE_PATH": FIXTURES / "sklearn-1.2.2" / "random_forest_model.pkl"}
    tried = 0
    for name in MODULES:
        result = doctest.testmod(importlib.import_module(name), extraglobs=known,
                                 optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0, name
        tried += result.attempted
    assert tried > 15


def test_package_example(tmp_path, monkeypatch):
    """What stands at the head of the package's docstring."""
    monkeypatch.chdir(tmp_path)
    rows, labels = load_iris(return_X_y=True)
    program = "\n".join(re.findall(r"^    (.*)$", espalier.__doc__, re.MULTILINE))
    names = {"forest": RandomForestClassifier(5).fit(rows, labels), "X": rows}
    exec(compile(program, "espalier", "exec"), names)
    assert names["model"].n_features_in_ == 4


def test_everything_public_has_a_docstring():
    for name in espalier.__all__:
        assert getattr(espalier, name).__doc__, name
    for name, member in vars(espalier.Model).items():
        if not name.startswith("_"):
            assert member.__doc__, name
    for name in ("predict_one", "verify", "close", "closed"):
        assert getattr(espalier.Model, name).__doc__, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_snippets(document, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(.*?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    # No other block than Python's but those that scripts/documents.sh runs.
    assert {language for language, _ in blocks} <= {"python", "sh in=tree"}
    assert not re.search(r"\n\n(?: {4}|\t)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    snippets = [block for language, block in blocks if language == "python"]
    assert snippets
    rows, labels = load_iris(return_X_y=True)
    names = {"__name__": "__main__"}
    if document == "python/README.md":
        names.update(X=rows, forest=RandomForestClassifier(5).fit(rows, labels))
    for snippet in snippets:
        exec(compile(snippet, document, "exec"), names)
