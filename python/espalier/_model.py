# SPDX-License-Identifier: Apache-2.0
"""Model: a mapped model file that behaves as a fitted scikit-learn estimator."""
from __future__ import annotations

import os

from . import _core
from ._errors import build
from ._inputs import (Binder, check_shape, find_names, find_numpy, find_twice_rounded, make_array,
                      take_rows)

MARGIN, PROBABILITY, CLASS, VALUE, LEAF, SCORE = range(1, 7)
KINDS = {"margin": MARGIN, "probability": PROBABILITY, "class": CLASS, "value": VALUE,
         "leaf": LEAF, "score": SCORE}
KIND_NAMES = {kind: name for name, kind in KINDS.items()}
FLOAT32 = 1
LIGHTGBM_CLASSIFIER = "lightgbm.sklearn.LGBMClassifier"
DTYPES = {1: "f", 2: "d", 3: "i", 4: "q"}
LABEL_LETTERS = {1: "i", 2: "u", 3: "f", 4: "b", 5: "U"}
OPEN_FLAGS = {"copy": 1, "verify": 2, "prefault": 4, "lock": 8, "huge_pages": 16}
PREDICTOR_UNCHECKED, PREDICTOR_LEAF = 1, 2


class _Available:
    """A method, or with is_property a property, that only some models have: hasattr tells."""

    def __init__(self, function, is_there, is_property=False):
        self.function = function
        self.is_there = is_there
        self.is_property = is_property
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __get__(self, model, owner=None):
        if model is None:
            return self if self.is_property else self.function
        if not self.is_there(model):
            raise AttributeError("this model has no %s" % self.__name__)
        return self.function(model) if self.is_property else self.function.__get__(model, owner)


def _available(is_there, is_property=False):
    return lambda function: _Available(function, is_there, is_property)


class Model(_core.Model):
    """A model file, mapped, as a fitted estimator with scikit-learn's names.

    Make one with `espalier.load`. Any number of threads may use one model. It pickles as its path
    and digest, so that every process that gets it maps the same file.

    Rows (`X`) are NumPy arrays of numbers in two dimensions (float32 and float64 are read where
    they lie, whatever their strides), pandas or polars data frames, Arrow tables, anything with the
    Arrow PyCapsule interface, or lists of rows. Columns with names are bound by name, in any order.
    Nulls and None are missing values. Features that have categories of text (`categories_`) take
    text: str in arrays of objects and lists, columns of strings or of categories. Results are NumPy
    arrays, or without NumPy memoryviews of the same shape and lists of labels.

    Parameters
    ----------
    path : str or os.PathLike
        The model file.
    n_threads : int, default 1
        Threads of batches: -1 is one a CPU, as joblib counts.
    check_input : bool, default True
        Refuse what the trainer refuses: NaN, infinities, numbers beyond float32.
    copy, verify, prefault, lock, huge_pages : bool, default False
        A private copy instead of a mapping; `verify()` before the call returns; all pages in before
        it returns; all pages locked in memory; a copy on huge pages.

    Examples
    --------
    >>> import espalier
    >>> with espalier.load(MODEL_PATH) as model:
    ...     model.predict([[6.3, 2.5, 4.9, 1.5]])
    array([1])
    """

    def __init__(self, path: str | os.PathLike, *, n_threads: int = 1, check_input: bool = True,
                 copy: bool = False, verify: bool = False, prefault: bool = False,
                 lock: bool = False, huge_pages: bool = False):
        absolute = os.path.abspath(os.fsdecode(path))
        self.path = path if isinstance(path, str) and path == absolute else absolute
        self.n_threads = n_threads
        self.check_input = check_input
        self._open_options = {"copy": copy, "verify": verify, "prefault": prefault, "lock": lock,
                              "huge_pages": huge_pages}
        open_flags = sum(OPEN_FLAGS[name] for name, wanted in self._open_options.items() if wanted)
        self._open(absolute, open_flags, 0, self._predictor_flags)
        self._facts = self._info()
        self._kinds: dict = {kind: self._output(kind) for kind in KIND_NAMES}
        self._default = self._facts["default_output"]
        self._binder = None
        self._categories_value: list | None = None
        self._metadata_value: dict | None = None
        self._classes = None

    # --- what it is ---

    def __repr__(self):
        state = ", closed" if self.closed else ""
        return "<espalier.Model %r%s>" % (self.path, state)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def __reduce__(self):
        return _reopen, (self.path, self.digest, self.get_params())

    @property
    def digest(self) -> str:
        """The root digest that names the model, in hexadecimal: equal files have equal digests."""
        return self._facts["root_digest"].hex()

    @property
    def info(self) -> dict:
        """What the C library says of the file: counts, sizes, versions, and the kernel in use."""
        facts = dict(self._facts, kernel=self._kernel(), proof=self._proof())
        facts["root_digest"] = self.digest
        facts["default_output"] = KIND_NAMES[self._default]
        facts["outputs"] = [KIND_NAMES[kind] for kind in KIND_NAMES if self._kinds[kind]]
        return facts

    @property
    def metadata(self) -> dict:
        """The file's metadata: trainer, version, parameters, source, and what the user added."""
        if self._metadata_value is None:
            import json

            self._metadata_value = json.loads(self._metadata())
        return self._metadata_value

    @property
    def check_input(self) -> bool:
        """Whether what the trainer refuses is refused; may be set, for later calls of all threads.
        """
        return not self._predictor_flags & PREDICTOR_UNCHECKED

    @check_input.setter
    def check_input(self, value: bool) -> None:
        self._predictor_flags = 0 if value else PREDICTOR_UNCHECKED
        self._set_flags(self._predictor_flags)

    def _trainer(self, key):
        trainer = self.metadata.get("trainer")
        return trainer.get(key, "") if isinstance(trainer, dict) else ""

    # --- scikit-learn's attributes ---

    @property
    def n_features_in_(self) -> int:
        """Features of a row."""
        return self._facts["feature_count"]

    @property
    def n_outputs_(self) -> int:
        """Outputs that were trained."""
        return self._facts["output_count"]

    @property
    def _estimator_type(self):
        if self._kinds[SCORE]:
            return "outlier_detector"
        return "classifier" if self._default == CLASS else "regressor"

    @_available(lambda self: self._names() is not None, is_property=True)
    def feature_names_in_(self):
        """Names of the features, in their order; only where the model has names."""
        numpy = find_numpy()
        names = self._names()
        return list(names) if numpy is None else numpy.array(names, dtype=object)

    @property
    def categories_(self) -> list:
        """Of each feature its categories of text, or None where it takes numbers only.

        Rows of numbers have the place of a category here where rows with text have the text.
        """
        if self._categories_value is None:
            self._categories_value = [self._categories(i) for i in range(self.n_features_in_)]
        numpy = find_numpy()
        return [None if one is None else
                list(one) if numpy is None else numpy.array(one, dtype=object)
                for one in self._categories_value]

    @_available(lambda self: self._default == CLASS and not self._kinds[SCORE], is_property=True)
    def classes_(self):
        """The class labels; of several outputs a list of them."""
        return self._find_classes()

    def _find_classes(self):
        if self._classes is None:
            self._classes = [self._make_classes(i) for i in range(self.n_outputs_)]
        return self._classes[0] if len(self._classes) == 1 else list(self._classes)

    @_available(lambda self: self._default == CLASS and not self._kinds[SCORE], is_property=True)
    def n_classes_(self):
        """The number of classes; of several outputs a list of them."""
        classes = self.classes_
        return [len(one) for one in classes] if self.n_outputs_ > 1 else len(classes)

    def _make_classes(self, output):
        kind, item_bytes, labels = self._labels(output)
        numpy = find_numpy()
        if numpy is None:
            return list(labels)
        size = item_bytes // 4 if LABEL_LETTERS[kind] == "U" else item_bytes
        return numpy.array(labels, dtype="%s%d" % (LABEL_LETTERS[kind], size))

    def __sklearn_is_fitted__(self):
        return not self.closed

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        kind = self._estimator_type
        several = self.n_outputs_ > 1
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=False, multi_output=several),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
            input_tags=InputTags(allow_nan=bool(self._facts["missing_allowed"])),
        )

    def get_params(self, deep: bool = True) -> dict:
        """What `load` was given, and the path."""
        return {"path": self.path, "n_threads": self.n_threads, "check_input": self.check_input,
                **self._open_options}

    def set_params(self, **params) -> "Model":
        """Change `n_threads` or `check_input`; nothing else of an open model can change."""
        for name in params:
            if name not in ("n_threads", "check_input"):
                raise ValueError("%s of an open model cannot be changed; load it again" % name)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(self, X=None, y=None, **unused) -> "Model":
        """Do nothing: the model is frozen, as in scikit-learn's FrozenEstimator.

        It exists since scikit-learn takes only what has it for an estimator.
        """
        return self

    # --- predicting ---

    def predict(self, X, *, output: str | None = None, iterations: tuple | None = None,
                n_threads: int | None = None):
        """What the trainer's own predict gives: labels, values, or +1 and -1.

        Parameters
        ----------
        X : rows, (rows, n_features_in_)
        output : "margin", "probability", "class", "value", "leaf" or "score", optional
            Something else than the trainer's predict; `info["outputs"]` lists what there is.
        iterations : (first, end), optional
            Only the trees of these iterations, counted from 0; of leaves their columns.
        n_threads : int, optional
            Threads of this call.

        Returns
        -------
        array (rows,) or (rows, width), in the trainer's dtype

        Examples
        --------
        >>> model.predict([[6.3, 2.5, 4.9, 1.5], [5.1, 3.5, 1.4, 0.2]])
        array([1, 0])
        """
        kind = self._default if output is None else KINDS.get(output)
        if kind is None:
            raise ValueError("output is one of %s, not %r" % (", ".join(KINDS), output))
        found = self._predict_kind(X, kind, iterations, n_threads)
        return self._name_classes(found) if kind == CLASS else found

    @_available(lambda self: self._kinds[PROBABILITY] is not None)
    def predict_proba(self, X, *, iterations: tuple | None = None, n_threads: int | None = None):
        """Probabilities of the classes: (rows, classes) float, in the trainer's dtype.

        Of several outputs a list of such arrays, as scikit-learn gives. Parameters as of `predict`.

        Examples
        --------
        >>> model.predict_proba([[5.1, 3.5, 1.4, 0.2]])
        array([[1., 0., 0.]])
        """
        found = self._predict_kind(X, PROBABILITY, iterations, n_threads)
        groups = self._kinds[PROBABILITY][2]
        if len(groups) == 1 or all(count == 1 for _, count in groups):
            return found
        return [found[:, first:first + count] for first, count in groups]

    @_available(lambda self: self._kinds[PROBABILITY] is not None)
    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`, by NumPy."""
        numpy = find_numpy()
        found = self.predict_proba(X)
        with numpy.errstate(divide="ignore"):
            if isinstance(found, list):
                return [numpy.log(one) for one in found]
            return numpy.log(found)

    @_available(lambda self: self._kinds[MARGIN] is not None and self._default == CLASS
                and (self._trainer("framework") == "scikit-learn"
                     or self._trainer("class") == LIGHTGBM_CLASSIFIER))
    def decision_function(self, X, *, iterations: tuple | None = None,
                          n_threads: int | None = None):
        """Margins of classifiers and outlier detectors: (rows,) or (rows, classes).

        Of scikit-learn's, and of LGBMClassifier, which has it from LightGBM 4.7 on. Those of
        XGBoost and of Boosters: `predict(X, output="margin")`.
        """
        return self._predict_kind(X, MARGIN, iterations, n_threads)

    @_available(lambda self: self._kinds[SCORE] is not None)
    def score_samples(self, X, *, n_threads: int | None = None):
        """Anomaly scores, (rows,) float64: the lower, the more abnormal."""
        return self._predict_kind(X, SCORE, None, n_threads)

    @_available(lambda self: self._kinds[LEAF] is not None)
    def apply(self, X, *, iterations: tuple | None = None, n_threads: int | None = None):
        """The trainer's number of the leaf that each row ends in: int64, in the trainer's shape.

        After early stopping of the trees that `predict` uses, where the trainer's `apply` does so;
        with `iterations` of the trees of these alone.
        """
        return self._predict_kind(X, LEAF, iterations, n_threads)

    @_available(lambda self: not self._kinds[SCORE])
    def score(self, X, y, sample_weight=None) -> float:
        """scikit-learn's score: accuracy of a classifier, R² of a regressor. Needs NumPy."""
        from ._scores import score_accuracy, score_r2

        measure = score_accuracy if self._default == CLASS else score_r2
        return measure(find_numpy(), y, self.predict(X), sample_weight)

    # --- inside ---

    def _bind(self):
        if self._binder is None:
            has_text = [self._takes_text(i) for i in range(self.n_features_in_)]
            numbers = self._trainer("category_numbers")
            numbers = numbers if isinstance(numbers, list) else ()
            numbers = frozenset(one for one in numbers if isinstance(one, int))
            self._binder = Binder(self._names(), self.n_features_in_, self._trainer("framework"),
                                  has_text, numbers,
                                  self._facts["input_dtype"] == FLOAT32,
                                  self._facts["value_count"] > self.n_features_in_)
        return self._binder

    def _order_columns(self, rows):
        """The order that brings a data frame's columns into the features'; None of others."""
        names = find_names(rows)
        return None if names is None else self._bind().order(names)

    def _order_rows(self, rows, has_text):
        """Rows as an array in the features' order; has_text: as float64, with text as numbers."""
        numpy = find_numpy()
        order = self._order_columns(rows)
        if order is None and not has_text:
            return take_rows(rows, self._bind()).source
        twice = find_twice_rounded(rows) if self._bind().frames_are_single else None
        if twice is not None:
            raise build(14, "ESPALIER_ERROR_DTYPE", "column %r of check has %d, which is another "
                        "float32 by way of float64: give the column as float32" % twice)
        array = make_array(rows, object if has_text else None)
        if order is not None:
            array = array[:, order]
        check_shape(array.shape, self._bind())
        if not has_text:
            return array
        numbers = numpy.empty(array.shape)
        for feature, column in enumerate(array.T):
            for row, one in enumerate(column):
                is_text = isinstance(one, str)
                numbers[row, feature] = (self._category_number(feature, one) if is_text else
                                         numpy.nan if one is None else one)
        return numbers

    def _predict_kind(self, X, kind, iterations, n_threads):
        output = self._kinds[kind]
        if output is None:
            raise build(12, "ESPALIER_ERROR_OUTPUT_KIND", "the model has no output %r, only %s" % (
                KIND_NAMES[kind], ", ".join(self.info["outputs"])))
        rows = take_rows(X, self._bind())
        dtype, width, _ = output
        flags = self._predictor_flags | (PREDICTOR_LEAF if kind == LEAF else 0)
        first, count = self._take_iterations(iterations)
        threads = self.n_threads if n_threads is None else n_threads
        if threads == 0:
            raise ValueError("n_threads is 1 or more, or -1 for one a CPU; 0 has no meaning")
        numpy = find_numpy()
        if kind == LEAF and not count:
            count = self._leaf_iterations()
        columns = self._find_leaf_columns(first, count) if kind == LEAF and count else None
        shape = (self._find_shape(kind, rows.row_count, width) if columns is None else
                 (rows.row_count, width))
        if numpy is None:
            found = make_view(DTYPES[dtype], shape)
        else:
            found = numpy.empty(shape, DTYPES[dtype])
        self._run(kind, rows.source, rows.order, found, threads, flags, first, count)
        if columns is not None:
            shape = self._find_shape(kind, rows.row_count, len(columns))
            found = (keep_columns(found, columns, shape) if numpy is None else
                     found[:, columns].reshape(shape))
        return found

    def _leaf_iterations(self):
        """Of how many iterations the trainer's apply gives the leaves; 0: of all."""
        outputs = self.metadata.get("outputs")
        count = outputs.get("leaf_iterations", 0) if isinstance(outputs, dict) else 0
        return count if isinstance(count, int) and 0 < count < self._facts["iteration_count"] else 0

    def _find_leaf_columns(self, first, count):
        """Of the leaves, which are every tree's of one part, the columns of these iterations."""
        width = self._kinds[LEAF][1]
        trees = self._trees()
        parts = [part for part, _ in trees]
        # The last part with so many trees, behind those that answer a first guess.
        leaf_part = max(part for part in set(parts) if parts.count(part) == width)
        iterations = [iteration for part, iteration in trees if part == leaf_part]
        return [i for i, one in enumerate(iterations) if first <= one < first + count]

    def _take_iterations(self, iterations):
        if iterations is None:
            return 0, 0
        try:
            first, end = iterations
        except (TypeError, ValueError):
            raise TypeError("iterations is a pair, (first, end), not %r" % (iterations,)) from None
        count = self._facts["iteration_count"]
        if not 0 <= first < end <= count:
            raise ValueError("iterations %d to %d of a model that has %d" % (first, end, count))
        return first, end - first

    def _find_shape(self, kind, row_count, width):
        outputs = self.metadata.get("outputs")
        outputs = outputs if isinstance(outputs, dict) else {}
        if kind == LEAF:
            classes = outputs.get("leaf_classes", 0)
            if width == 1 and outputs.get("leaf_shape") == "rows":
                return (row_count,)
            if isinstance(classes, int) and 0 < classes <= width and width % classes == 0:
                return (row_count, width // classes, classes)
            return (row_count, width)
        is_flat = kind != PROBABILITY and outputs.get("answer_shape") != "rows,outputs"
        return (row_count,) if width == 1 and is_flat else (row_count, width)

    def _name_classes(self, found):
        """Class numbers as labels."""
        classes = self._find_classes()
        every = classes if self.n_outputs_ > 1 else [classes]
        numpy = find_numpy()
        if numpy is None:
            if found.ndim == 1:
                return [classes[i] for i in found]
            return [[labels[i] for labels, i in zip(every, row)] for row in found.tolist()]
        if found.ndim == 1:
            return classes.take(found)
        return numpy.stack([labels.take(found[:, i]) for i, labels in enumerate(every)], axis=1)


def make_view(code, shape):
    """Room for results without NumPy: a memoryview of this shape."""
    count = 1
    for one in shape:
        count *= one
    item_bytes = 4 if code in "fi" else 8
    view = memoryview(bytearray(count * item_bytes))
    return view.cast(code, shape) if count else view.cast(code)


def keep_columns(view, columns, shape):
    """Columns of a view without NumPy, as make_view makes them."""
    row_count, width = view.shape if view.ndim == 2 else (0, 0)
    kept = make_view(view.format, shape)
    if row_count:
        every, some = view.cast("B").cast(view.format), kept.cast("B").cast(view.format)
        for place, column in enumerate(columns):
            some[place::len(columns)] = every[column::width]
    return kept


def load(path: str | os.PathLike, *, n_threads: int = 1, check_input: bool = True,
         copy: bool = False, verify: bool = False, prefault: bool = False, lock: bool = False,
         huge_pages: bool = False) -> Model:
    """Open a model file by mapping it: microseconds, whatever the number of trees.

    The file may come from anyone: it either fails to open, with the reason, or its predictions stay
    inside it. Options and the rest are described at `Model`.

    Raises
    ------
    FileError, MissingFileError
        The file cannot be opened or read.
    FormatError
        It is no model file, or a damaged one; `offset` and `rule` say where and what.

    Examples
    --------
    >>> import espalier
    >>> model = espalier.load(MODEL_PATH)
    >>> model.n_features_in_
    4
    """
    return Model(path, n_threads=n_threads, check_input=check_input, copy=copy, verify=verify,
                 prefault=prefault, lock=lock, huge_pages=huge_pages)


def _reopen(path, digest, params):
    """What a pickled model is: the file of that path, if it still is the same model."""
    params = dict(params)
    params.pop("path", None)
    model = Model(path, **params)
    if model.digest != digest:
        model.close()
        raise build(51, "ESPALIER_ERROR_DIGEST",
                    "%s: another model than the one that was pickled: digest %s, not %s" % (
                        path, model.digest, digest))
    return model
