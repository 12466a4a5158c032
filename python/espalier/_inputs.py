# SPDX-License-Identifier: Apache-2.0
"""From what callers have (arrays, data frames, Arrow, lists) to what the extension reads in place.

NumPy and pandas are used when the caller's rows are theirs, and never imported for anything else.
"""
from __future__ import annotations

import sys

from . import _core
from ._errors import refuse_features

NAMES_SHOWN = 5  # of a list of names in a message
# Formats of Arrow columns; of a dictionary that of its values follows.
ARROW_NUMBERS = ("e", "f", "g", "c", "s", "i", "l", "C", "S", "I", "L", "b", "n")
ARROW_TEXTS = ("u", "U", "vu")
ARROW_SIGNED, ARROW_WHOLE = frozenset("csil"), frozenset("csilCSILb")
ARROW_LONG = ("l", "L")  # what float64 does not have all of
ARROW_DICTIONARY = "dictionary:"


def find_numpy():
    """NumPy, or None where it is not installed."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        try:
            import numpy
        except ImportError:
            return None
    return numpy


def find_names(rows):
    """What a data frame calls its columns, text or not; None of what has no columns."""
    names = getattr(rows, "column_names", None)  # pyarrow's columns are the values
    if names is None:
        names = getattr(rows, "columns", None)
    return None if names is None else tuple(names)


def select_columns(frame, order):
    """The same frame with its columns in this order."""
    if hasattr(frame, "iloc"):
        return frame.iloc[:, list(order)]
    names = find_names(frame)
    return frame.select([names[place] for place in order])


def split_columns(rows):
    """(name, array of what is there) of each column of a data frame, or of all rows of others."""
    numpy = find_numpy()
    names = find_names(rows)
    if names is None:
        yield None, numpy.asarray(rows)
        return
    for place, name in enumerate(names):
        column = (rows.iloc[:, place] if hasattr(rows, "iloc") else
                  rows.column(place) if hasattr(rows, "column") else rows[name])
        drop = next(method for method in ("dropna", "drop_nulls", "drop_null")
                    if hasattr(column, method))
        yield name, numpy.asarray(getattr(column, drop)())


def find_twice_rounded(rows):
    """(name of the column, number) of a whole number that is another float32 by way of float64."""
    numpy = find_numpy()
    for name, array in split_columns(rows):
        if array.dtype.kind == "O":
            whole = [one for one in array.ravel().tolist()
                     if isinstance(one, int) and -1 << 63 <= one < 1 << 63]
            array = numpy.array(whole, dtype=numpy.int64)
        if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
            twice = array.astype(numpy.float64).astype(numpy.float32)
            wrong = array[twice != array.astype(numpy.float32)]
            if wrong.size > 0:
                return name, int(wrong[0])
    return None


class Rows:
    """What _core.Model._run takes: a buffer and None, or a Table and the order of its columns."""

    __slots__ = ("source", "order", "row_count")

    def __init__(self, source, order, row_count):
        self.source = source
        self.order = order
        self.row_count = row_count


class Binder:
    """Column names to the model's features. The last order is kept: most callers have but one."""

    def __init__(self, names, feature_count, framework, has_text, with_numbers, is_single,
                 is_prepared):
        self.names = names
        self.feature_count = feature_count
        self.has_text = has_text  # of each feature: whether it takes text
        self.with_numbers = with_numbers  # features whose numbers may be what pandas called so
        self.framework = framework
        self.is_lightgbm = is_lightgbm = framework == "LightGBM"
        # Whether whole numbers become float32 as they are given: where the trees compare in float32
        # (is_single), and LightGBM's arrays and lists; but what rows are prepared by (a pipeline's
        # steps, categories) is computed in float64.
        self.frames_are_single = is_single and not is_prepared
        self.arrays_are_single = (is_single or is_lightgbm) and not is_prepared
        # What LightGBM calls features that had no names.
        self.is_automatic = is_lightgbm and names == tuple(
            "Column_%d" % i for i in range(feature_count))
        self.last = None, None  # one object, so that threads cannot mix names with others' order

    def order(self, names):
        """order[i] is the column of feature i. Names must be the model's, each of them once."""
        last, order = self.last
        if names == last:
            return order
        if self.names is None or not all(isinstance(name, str) for name in names):
            # XGBoost and LightGBM write numbers as names; a frame's may come in another order.
            texts = tuple(str(name) for name in names)
            is_model = self.names is not None and sorted(texts) == sorted(self.names)
            order = self.by_name(texts) if is_model else self.by_position(names)
        else:
            order = self.by_name(names)
        self.last = names, order
        return order

    def by_position(self, names):
        if len(names) != self.feature_count:
            raise refuse_features("%d columns, but the model has %d features" % (
                len(names), self.feature_count))
        return tuple(range(self.feature_count))

    def by_name(self, names):
        places = {name: i for i, name in enumerate(names)}
        if self.is_lightgbm and not set(self.names) <= set(places):
            # LightGBM writes spaces in names as underscores.
            places = {name.replace(" ", "_"): i for i, name in enumerate(names)}
        if len(places) != len(names):
            raise refuse_features("columns that are there twice: " + show_names(
                name for i, name in enumerate(names) if name in names[:i]))
        missing = [name for name in self.names if name not in places]
        known = set(self.names)
        unknown = [name for name in places if name not in known]
        if self.is_automatic and missing:
            return self.by_position(names)
        if missing or unknown:
            said = ["missing: " + show_names(missing)] if missing else []
            said += ["unknown: " + show_names(unknown)] if unknown else []
            raise refuse_features("the columns are not the model's features; " + "; ".join(said))
        return tuple(places[name] for name in self.names)

    def round_table(self, table, order, is_polars):
        """Lets an Arrow table's whole numbers become float32 at once where the trainer's do.

        XGBoost takes every column by itself. scikit-learn has pyarrow convert each column by
        itself, one with nulls by way of float64; of polars' frames it makes one array: of whole
        numbers where all columns are that, without nulls, and have a type in common.
        """
        if not self.frames_are_single:
            return
        if self.framework == "XGBoost":
            table.be_single()
        elif is_polars:
            kinds = {table.formats[place] for place in order}
            if (kinds <= ARROW_WHOLE and not ("L" in kinds and kinds & ARROW_SIGNED)
                    and not any(table.lacks(place) for place in order)):
                table.be_single()
        else:
            long = [place for place in order if table.formats[place].endswith(ARROW_LONG)]
            wide = [place for place in long if table.lacks(place)]
            if len(wide) < len(long):
                table.be_single(*wide)

    def rounds_frame_once(self, dtypes):
        """Whether a pandas frame's numbers become float32 at once, as the trainer has them:
        scikit-learn converts by columns where one may have NA, and otherwise makes one array."""
        if not self.frames_are_single or self.framework == "XGBoost":
            return self.frames_are_single
        if any(kind_of(one) == "b" or is_nullable(one) for one in dtypes):
            return True
        if not all(kind_of(one) in ("i", "u") for one in dtypes):
            return False
        return find_numpy().result_type(*map(dense_of, dtypes)).kind in "iu"

    def titles(self):
        """What columns without names are called: the features' names, or numbers."""
        return self.names or tuple(range(self.feature_count))

    def expect_text(self, feature, name):
        """Refuses a column of text for a feature without categories of text."""
        if not self.has_text[feature]:
            raise TypeError("column %r holds text, no numbers, but the model has no categories of "
                            "text for it: encode it as the model was trained with" % (name,))

    def expect_values(self, feature, name):
        """Refuses categories that are numbers where the trainer takes their places instead."""
        if self.framework in ("LightGBM", "XGBoost") and feature not in self.with_numbers:
            raise TypeError(
                "column %r has categories that are numbers; %s goes by their places at training, "
                "which this model does not keep: give those places as numbers" % (
                    name, self.framework))


def show_names(names):
    names = [repr(name) for name in names]
    left = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (" and %d more" % left if left > 0 else "")


def kind_of(dtype):
    """NumPy's letter of pandas' dtypes; "" where it has none, as of categories."""
    return getattr(dtype, "kind", "")


def dense_of(dtype):
    """The dtype of the values of pandas' sparse columns; others as they are."""
    return getattr(dtype, "subtype", dtype)


def is_nullable(dtype):
    """Whether it is one of pandas' own dtypes of numbers, as Int64."""
    return kind_of(dtype) in ("i", "u", "f", "b") and not hasattr(dense_of(dtype), "char")


def make_array(rows, dtype=None):
    """Rows of any kind as an array; what pandas calls missing beside others is None there."""
    numpy = find_numpy()
    pandas = sys.modules.get("pandas")
    array = numpy.asarray(rows, dtype=dtype)
    if array.dtype.kind == "O" and pandas is not None and isinstance(rows, pandas.DataFrame):
        return rows.to_numpy(dtype=object, na_value=None)
    return array


def take_rows(data, binder) -> Rows:
    """The rows of any kind of table that is known here."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, numpy.ndarray):
        return take_array(numpy, data, binder)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return take_pandas(data, binder)
    if type(data).__name__ == "Series":  # pandas' and polars' have the Arrow interface, too
        raise refuse_features("rows have two dimensions, and a Series has one: of a data frame one "
                              "row is frame.iloc[[i]] or frame[i:i + 1]; or predict_one(dict(row))")
    if hasattr(data, "__arrow_c_stream__"):
        polars = sys.modules.get("polars")
        return take_table(_core.table_from_stream(data.__arrow_c_stream__()), binder,
                          polars is not None and isinstance(data, polars.DataFrame))
    if hasattr(data, "__arrow_c_array__"):
        return take_table(_core.table_from_array(*data.__arrow_c_array__()), binder)
    if hasattr(data, "tocsr"):
        raise TypeError("sparse matrices are not taken: whether an absent value is 0 or missing "
                        "depends on the trainer; give X.toarray()")
    if isinstance(data, (list, tuple)):
        return take_list(data, binder)
    if hasattr(data, "__array__"):
        numpy = find_numpy()
        if numpy is not None:
            return take_array(numpy, numpy.asarray(data), binder)
    try:
        view = memoryview(data)
    except TypeError:
        hint = "; collect() it" if hasattr(data, "collect") else ""
        raise TypeError("rows are an array, a data frame, an Arrow table or a list of rows, "
                        "not %s%s" % (type(data).__name__, hint)) from None
    check_shape(view.shape, binder)
    return Rows(view, None, len(view))


def check_shape(shape, binder):
    """In scikit-learn's words, which its users and checks know."""
    if len(shape) != 2:
        raise refuse_features("rows have two dimensions, not %d. Reshape your data: one row is "
                              "[[...]], or predict_one([...])" % len(shape))
    if shape[1] != binder.feature_count:
        raise refuse_features("X has %d features, but Model is expecting %d features as input" % (
            shape[1], binder.feature_count))


def take_array(numpy, data, binder):
    """float32 and float64 where they lie, whatever the strides; other numbers are converted."""
    if type(data) is not numpy.ndarray and hasattr(data, "mask"):
        raise TypeError("masked arrays are not taken, since trainers read what is under the mask; "
                        "give X.filled(numpy.nan), or X.data")
    check_shape(data.shape, binder)
    dtype = data.dtype
    if dtype.kind in "UT":
        data = data.astype(object)
    elif dtype.kind not in "fiubO":
        raise TypeError("rows of dtype %s are no numbers" % dtype)
    if data.dtype.kind == "O" and any(isinstance(one, str) for one in data.ravel().tolist()):
        return take_objects(data.T, binder, lambda column: column.astype(numpy.float64))
    if dtype.kind == "f" and dtype.itemsize in (4, 8) and dtype.isnative:
        item = dtype.itemsize
        if data.strides[0] % item or data.strides[1] % item:
            data = numpy.ascontiguousarray(data)
        return Rows(data, None, data.shape[0])
    if dtype.kind == "f":
        wanted = numpy.float32 if dtype.itemsize <= 4 else numpy.float64
    else:
        # By way of float64 whole numbers beyond 2^53 would be rounded twice.
        is_single = binder.arrays_are_single and dtype.kind != "O"
        wanted = numpy.float32 if is_single else numpy.float64
    return Rows(data.astype(wanted), None, data.shape[0])


def take_list(data, binder):
    if data and isinstance(data[0], dict):
        raise TypeError("rows are no dicts: give a data frame, as pandas.DataFrame(rows); "
                        "predict_one takes one dict")
    numpy = find_numpy()
    if numpy is not None:
        try:
            array = numpy.asarray(data)
            if array.dtype.kind == "U":
                array = numpy.array(data, dtype=object)  # numbers beside text stay numbers
            elif array.dtype.kind in "iu" and not (binder.is_lightgbm and binder.arrays_are_single):
                array = array.astype(numpy.float64)  # as scikit-learn's lists are
        except ValueError as error:
            raise refuse_features("rows of different lengths: %s" % error) from None
        return take_array(numpy, array, binder)
    for index, row in enumerate(data):
        if len(row) != binder.feature_count:
            raise refuse_features("row %d has %d features, but the model has %d" % (
                index, len(row), binder.feature_count))
    if not data or any(isinstance(item, str) for row in data for item in row):
        columns = list(zip(*data)) if data else [()] * binder.feature_count
        return take_objects(columns, binder, make_numbers)
    numbers = make_numbers(item for row in data for item in row)
    shape = (len(data), binder.feature_count)
    return Rows(memoryview(numbers).cast("B").cast("d", shape), None, len(data))


def make_numbers(items):
    """Python's numbers as float64, None as NaN, without NumPy."""
    from array import array as make_array

    return make_array("d", (float("nan") if item is None else item for item in items))


def take_objects(columns, binder, make_column):
    """Columns of objects: those that hold text as text, the others by make_column."""
    names = binder.titles()
    sources = []
    for feature, column in enumerate(columns):
        if any(isinstance(one, str) for one in column):
            binder.expect_text(feature, names[feature])
            sources.append(list(column))
        else:
            sources.append(make_column(column))
    table = _core.table_from_columns(sources, names)
    return Rows(table, tuple(range(len(sources))), table.row_count)


def take_table(table, binder, is_polars=False):
    """Columns of an Arrow table; is_polars: it is one of polars' frames."""
    order = binder.order(table.names)
    for feature, place in enumerate(order):
        name, kind = table.names[place], table.formats[place]
        is_dictionary = kind.startswith(ARROW_DICTIONARY)
        values = kind.removeprefix(ARROW_DICTIONARY)
        if values in ARROW_TEXTS:
            binder.expect_text(feature, name)
        elif values not in ARROW_NUMBERS or (is_dictionary and values == "n"):
            raise TypeError("column %r holds no numbers and no text (Arrow format %r)" % (
                name, kind))
        elif is_dictionary:
            binder.expect_values(feature, name)
    binder.round_table(table, order, is_polars)
    return Rows(table, order, table.row_count)


def take_pandas(frame, binder):
    """A block of floats as it lies; otherwise column by column, so that dtypes may differ."""
    order = binder.order(tuple(frame.columns))
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and order == tuple(range(len(order))):
        kind = next(iter(kinds))
        char = getattr(kind, "char", "")
        if char in ("f", "d") or (char in tuple("lqLQ") and binder.frames_are_single):
            return take_array(find_numpy(), frame.to_numpy(), binder)
    is_once = binder.rounds_frame_once(kinds)
    columns = [take_series(frame.iloc[:, place], binder, feature, is_once)
               for feature, place in enumerate(order)]
    table = _core.table_from_columns(columns, [frame.columns[place] for place in order])
    if is_once:
        table.be_single()
    return Rows(table, tuple(range(len(order))), len(frame))


def take_series(series, binder, feature, is_once):
    """One column as table_from_columns takes it; nulls of pandas' own dtypes are missing."""
    dtype = series.dtype
    kind = getattr(dtype, "char", "")
    if kind in "fd?bhilqBHILQ" and kind:
        values = series.to_numpy()
        # In place but where bytes are in another order, or between the items of records.
        is_plain = dtype.isnative and values.strides[0] % dtype.itemsize == 0
        return values if is_plain else values.astype(dtype.newbyteorder("="))
    if kind == "e":
        return series.to_numpy(dtype="float32")
    if getattr(dtype, "name", "") == "category":
        return take_categories(series, binder, feature)
    if getattr(dtype, "kind", "") in ("O", "U", "T"):
        values = series.to_numpy(dtype=object, na_value=None).tolist()
        if any(isinstance(one, str) for one in values):
            binder.expect_text(feature, series.name)
            return values
    return make_floats(series, series, "float32" if is_once else "float64")


def take_categories(series, binder, feature):
    """The places of categories, and the categories: all text, or all numbers."""
    codes, known = series.cat.codes.to_numpy(), series.cat.categories
    values = known.tolist()
    if values and all(isinstance(one, str) for one in values):
        binder.expect_text(feature, series.name)
        return codes, values
    if any(isinstance(one, str) for one in values):
        raise TypeError("column %r has categories of text and others" % (series.name,))
    if values:
        binder.expect_values(feature, series.name)
    return codes, make_floats(known, series, "float64")


def make_floats(values, series, dtype):
    try:
        if getattr(values.dtype, "kind", "") in ("m", "M"):
            raise ValueError("times")
        return values.to_numpy(dtype=dtype, na_value=float("nan"))
    except (TypeError, ValueError):
        raise TypeError("column %r of dtype %s holds no numbers and no text" % (
            series.name, series.dtype)) from None
