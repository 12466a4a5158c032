# SPDX-License-Identifier: Apache-2.0
# pyright: strict
"""A program that uses everything public, for type checkers alone; check_package.py runs them."""
import os
import pathlib
from typing import Any

import espalier


def convert_all(source: str, estimator: object, rows: Any) -> str:
    report: espalier.Report = espalier.convert(
        source, "a.espalier", select='["model"]', meta={"auc": 0.93}, model_version="7",
        check=(rows, rows), missing=-1.0, allow_flagged=True, layout="walk",
        memory_bytes_max=1 << 30, expanded_bytes_max=1 << 30)
    espalier.convert(b"", os.path.join("a", "b"))
    again = espalier.dump(estimator, "b.espalier", check=rows, meta={})
    espalier.dump(estimator, "b.espalier", chekc=rows)  # type: ignore[call-arg]
    espalier.dump(estimator, "b.espalier", layout="round")  # type: ignore[arg-type]
    differing: int = again.proof["check_differing"]
    size: int = report.model_bytes + report.source_bytes
    return "%s %d %d" % (report.summary, differing, size) + report.path


def predict_all(model: espalier.Model, rows: Any) -> None:
    for array in (model.predict(rows), model.predict(rows, output="margin", iterations=(0, 3)),
                  model.predict_proba(rows, n_threads=-1), model.predict_log_proba(rows),
                  model.decision_function(rows), model.score_samples(rows), model.apply(rows)):
        print(array.shape)
    score: float = model.score(rows, [1], sample_weight=None)
    label: Any = model.predict_one((1.0, None, "a"), "class")
    row: dict[str, float] = {"a": 1.0}
    model.predict_one(row, output="probability")
    model.predict_one([1.0], "probabilities")  # type: ignore[arg-type]
    print(score, label, espalier.__version__)


def look(path: os.PathLike[str]) -> list[str]:
    with espalier.load(path, n_threads=2, check_input=False, copy=True, verify=True,
                       prefault=True, lock=True, huge_pages=True) as model:
        model.verify()
        digest: str = model.digest
        count: int = model.n_features_in_ + model.n_outputs_
        facts: dict[str, Any] = {**model.info, **model.metadata, **model.get_params()}
        names = [str(one) for one in model.feature_names_in_]
        classes = [str(one) for one in model.classes_]
        categories = [one for one in model.categories_ if one is not None]
        model.check_input = model.n_threads == 1
        frozen: espalier.Model = model.set_params(n_threads=1).fit(None, None)
        print(count, facts, categories, model.n_classes_, frozen.closed)
    return [digest, *names, *classes]


class Service:
    """One that closes its model."""

    def __init__(self, model: espalier.Model) -> None:
        self.model = model

    def __enter__(self) -> "Service":
        self.model.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.model.__exit__(*raised)


def fail(path: pathlib.Path) -> tuple[str, int | None, int | None]:
    try:
        look(path)
    except (espalier.InputError, espalier.ConvertError, espalier.LimitError) as error:
        return error.name, error.row, error.feature
    except espalier.MissingFileError as error:
        return str(error), error.errno, error.offset
    except espalier.Error as error:
        status: int = error.status
        return error.name, status, error.rule
    return "", None, None
