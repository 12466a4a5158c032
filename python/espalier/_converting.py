# SPDX-License-Identifier: Apache-2.0
"""convert and dump: from saved and live models to model files. Load the parsers when called."""
from __future__ import annotations

import os

from ._inputs import find_names, find_twice_rounded, make_array, select_columns

ALLOW_FLAGGED = 1
LAYOUTS = {None: 0, "walk": 1, "heap": 2, "select": 3, "bits": 4, "mask": 255}
PICKLE_PROTOCOL = 5


class Report:
    """What a conversion did; its text is one line for people.

    Attributes:
        path: of the model file.
        source_bytes, model_bytes: sizes.
        summary: the line.
        proof: a dict: rows, values and leaves that were compared with a plain evaluation of the
            source before the file was published, all equal bit for bit; and of `check` the rows,
            values, values that differ, and the largest difference in units in the last place.
    """

    __slots__ = ("path", "source_bytes", "model_bytes", "summary", "proof")

    def __init__(self, path, facts):
        self.path = path
        self.source_bytes = facts.pop("source_bytes")
        self.model_bytes = facts.pop("model_bytes")
        self.summary = facts.pop("summary")
        self.proof = facts

    def __repr__(self):
        return "<espalier.Report %s>" % self.summary


def convert(source, path: str | os.PathLike, *, select: str | None = None,
            meta: dict | None = None, model_version: str | None = None, check=None,
            missing: float | None = None, categorical=None, allow_flagged: bool = False,
            layout: str | None = None, memory_bytes_max: int = 0,
            expanded_bytes_max: int = 0) -> Report:
    """Convert a saved model to a model file. Nothing in the source is executed.

    The file at `path` appears when it is complete, proved and synced; a failure leaves what was
    there.

    Parameters
    ----------
    source : str, os.PathLike, or bytes
        A pickle or joblib file of scikit-learn, XGBoost or LightGBM (compressed or not), XGBoost's
        JSON, UBJSON or binary file, LightGBM's text file; or the bytes of one.
    path : str or os.PathLike
        The model file to write.
    select : str, optional
        Where the model is inside the source, as `["model"][0]`, when it holds several.
    meta : dict, optional
        What the metadata shall say under "user"; values that are no text are written as JSON.
    model_version : str, optional
        The metadata's "model_version".
    check : (X, expected), optional
        Rows, and the trainer's own predict_proba, predict or apply of them, to compare with. A data
        frame's columns are bound by name, as when predicting. Where columns have names or the rows
        hold text, the model is converted twice, to learn its features and categories.
    missing : float, optional
        XGBoost: what else than NaN means missing.
    categorical : iterable of str or int, optional
        LightGBM: the columns that pandas had as categories, ordered ones too, in their order, by
        name or number, where the model leaves open which they are:
        `frame.select_dtypes("category").columns`; or one text, "pclass,sex".
    allow_flagged : bool, default False
        Go on when a pickle names something that would run code in Python. It never runs here.
    layout : "walk", "heap", "select", "bits" or "mask", optional
        How trees lie in the file; without it the converter chooses.
    memory_bytes_max, expanded_bytes_max : int, optional
        Limits of working memory and of the decompressed source.

    Raises
    ------
    ConvertError
        The source is no model that is supported, or the answers of `check` differ.

    Examples
    --------
    >>> import espalier
    >>> report = espalier.convert(SOURCE_PATH, "forest.espalier", meta={"auc": 0.93})
    >>> espalier.load("forest.espalier").metadata["user"]
    {'auc': '0.93'}
    """
    data = None
    name = source
    if not isinstance(source, (str, os.PathLike)):
        data = take_bytes(source)
        name = "<%s>" % type(source).__name__
    if check is not None and not (isinstance(check, (tuple, list)) and len(check) == 2):
        raise TypeError("check is a pair of rows and the trainer's answers, not %s" %
                        type(check).__name__)
    return write_model(path, name, data, check, select=select, meta=meta,
                       model_version=model_version, missing=missing, categorical=categorical,
                       allow_flagged=allow_flagged, layout=layout,
                       memory_bytes_max=memory_bytes_max, expanded_bytes_max=expanded_bytes_max)


def dump(estimator, path: str | os.PathLike, *, check=None, select: str | None = None,
         meta: dict | None = None, model_version: str | None = None, missing: float | None = None,
         categorical=None, allow_flagged: bool = False, layout: str | None = None,
         memory_bytes_max: int = 0, expanded_bytes_max: int = 0) -> Report:
    """Write a fitted estimator to a model file, as joblib.dump would to a pickle.

    Takes fitted estimators and pipelines of scikit-learn, estimators and Boosters of XGBoost and
    LightGBM. The estimator is pickled in memory, and the pickle is read as data.

    Parameters
    ----------
    estimator : object
    path : str or os.PathLike
    check : rows, optional
        Let the estimator predict these (probabilities if it has them), and compare. A data frame's
        columns are bound by name, in any order. What differs by more than rounding fails; how many
        values differ at all, and by how many units in the last place, is `check_differing` and
        `check_ulp_max` of the report's proof.
    select, meta, model_version, missing, categorical, allow_flagged, layout
        As of `convert`.
    memory_bytes_max, expanded_bytes_max : int, optional
        As of `convert`.

    Examples
    --------
    >>> import espalier
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> forest = RandomForestRegressor(n_estimators=10, random_state=0)
    >>> forest = forest.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0])
    >>> report = espalier.dump(forest, "regressor.espalier", check=[[0.5], [1.5]])
    >>> report.proof["check_differing"]
    0
    >>> espalier.load("regressor.espalier").predict([[1.5]]) == forest.predict([[1.5]])
    array([ True])
    """
    import pickle

    try:
        data = pickle.dumps(estimator, protocol=PICKLE_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError("%s cannot be pickled: %s" % (type(estimator).__name__, error)) from error
    answers = None if check is None else (check, Asked(estimator))
    return write_model(path, "<%s>" % type(estimator).__name__, data, answers, select=select,
                       meta=meta, model_version=model_version, missing=missing,
                       categorical=categorical, allow_flagged=allow_flagged, layout=layout,
                       memory_bytes_max=memory_bytes_max, expanded_bytes_max=expanded_bytes_max)


# --- inside ---

def take_bytes(source):
    """What `source` holds, as the extension reads it: without the interpreter's lock and in one
    piece, so what may change, or is in pieces, is copied."""
    try:
        view = memoryview(source)
    except TypeError:
        raise TypeError("source is a path or bytes, not %s" % type(source).__name__) from None
    if view.itemsize != 1:
        raise TypeError("source is a path or bytes, not %s with items of %d bytes" % (
            type(source).__name__, view.itemsize))
    return view if view.readonly and view.c_contiguous else view.tobytes()


def write_model(path, name, data, check, *, select, meta, model_version, missing, categorical,
                allow_flagged, layout, memory_bytes_max, expanded_bytes_max):
    """The file `name`, or the bytes `data` that messages call so, to a model file.

    check: (rows, expected), where expected may be Asked.
    """
    from . import _convert

    if layout not in LAYOUTS:
        raise ValueError("layout is one of walk, heap, select, bits, mask, not %r" % (layout,))
    for option, limit in (("memory_bytes_max", memory_bytes_max),
                          ("expanded_bytes_max", expanded_bytes_max)):
        if not 0 <= limit < 1 << 64:
            raise ValueError("%s is a number of bytes, 0 for the default, not %r" % (
                option, limit))
    flags = ALLOW_FLAGGED if allow_flagged else 0

    def write(target, wanted):
        return _convert.convert(target, name, data, select, make_meta(meta), model_version, flags,
                                memory_bytes_max, expanded_bytes_max, LAYOUTS[layout], missing,
                                join_columns(categorical), make_check(wanted))

    if check is not None:
        check = prepare_check(*check, write)
    return Report(os.fspath(path), write(path, check))


def join_columns(columns):
    """Names and numbers of columns as one text; LightGBM's names have no commas."""
    return columns if columns is None or isinstance(columns, str) else ",".join(map(str, columns))


class Asked:
    """Answers that a live estimator shall give."""

    def __init__(self, estimator):
        self.estimator = estimator

    def has_columns_of(self, rows):
        """Whether the columns of a data frame are known to be its features, in their order."""
        names = find_names(rows)
        known = getattr(self.estimator, "feature_names_in_", None)
        if known is None:
            # What was trained without names goes by places.
            return hasattr(self.estimator, "n_features_in_") and names == tuple(range(len(names)))
        return tuple(map(str, names)) == tuple(known)

    def answer(self, rows):
        """Its probabilities if it has them, or what it predicts."""
        estimator = self.estimator
        if type(estimator).__module__.startswith("xgboost") and not hasattr(estimator, "fit"):
            from xgboost import DMatrix

            return estimator.predict(DMatrix(rows, enable_categorical=True))
        ask = getattr(estimator, "predict_proba", None) or getattr(estimator, "predict", None)
        if ask is None:
            raise TypeError("check needs an estimator that predicts, not %s" %
                            type(estimator).__name__)
        return ask(rows)


def holds_text(rows):
    import numpy

    rows = numpy.asarray(rows)
    return rows.dtype.kind in "UT" or (
        rows.dtype.kind == "O" and any(isinstance(one, str) for one in rows.ravel().tolist()))


def prepare_check(rows, expected, write):
    """(rows, expected) in the order of the model's features, with its numbers for text. Where that
    takes a model, it is converted once more; an estimator sees the frame with ordered columns."""
    import tempfile

    from ._model import load

    asked = expected if isinstance(expected, Asked) else None
    has_text = holds_text(rows)
    is_ordered = find_names(rows) is None or (asked is not None and asked.has_columns_of(rows))
    if is_ordered and not has_text and find_twice_rounded(rows) is None:
        return rows, expected if asked is None else asked.answer(rows)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        path = os.path.join(folder, "unchecked.espalier")
        write(path, None)
        with load(path) as model:
            order = model._order_columns(rows)
            if asked is not None:
                is_sorted = order is None or order == tuple(range(len(order)))
                expected = asked.answer(rows if is_sorted else select_columns(rows, order))
            return model._order_rows(rows, has_text), expected


def make_meta(meta):
    """Pairs of text; what is no text as JSON."""
    import json

    for key in meta or {}:
        if not isinstance(key, str):
            raise TypeError("keys of meta are text, not %r" % (key,))
    return tuple((key, value if isinstance(value, str) else json.dumps(value))
                 for key, value in (meta or {}).items())


def make_check(check):
    """(rows, bytes of the answers, kind, item bytes, rows, columns), as _convert takes it."""
    if check is None:
        return None
    import numpy

    rows, expected = check
    rows = make_array(rows)
    if rows.dtype not in (numpy.float32, numpy.float64):
        rows = rows.astype(numpy.float64)
    if isinstance(expected, list) and expected and getattr(expected[0], "ndim", 0) == 2:
        expected = numpy.concatenate(expected, axis=1)  # of several outputs, side by side
    expected = numpy.asarray(expected)
    if expected.dtype.kind in "OT":
        expected = expected.astype(str)
    expected = expected.astype(expected.dtype.newbyteorder("="), copy=False)
    if expected.ndim != 2:
        expected = expected.reshape(expected.shape[0] if expected.ndim else 1, -1)
    expected = numpy.ascontiguousarray(expected)
    return (rows, expected.tobytes(), expected.dtype.kind, expected.dtype.itemsize,
            expected.shape[0], expected.shape[1])
