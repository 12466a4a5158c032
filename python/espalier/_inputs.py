# SPDX-License-Identifier: Apache-2.0
"""From what callers have (arrays, data frames, Arrow, lists) to what the extension reads in place.

NumPy and pandas are used when the caller's rows are theirs, and never imported for anything else.
"""
from __future__ import annotations

import sys

from . import _core
from ._errors import refuse_features

NAMES_SHOWN = 5  # of a list of names in a message


def find_numpy():
    """NumPy, or None where it is not installed."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        try:
            import numpy
        except ImportError:
            return None
    return numpy


class Rows:
    """What _core.Model._run takes: a buffer and None, or a Table and the order of its columns."""

    __slots__ = ("source", "order", "row_count")

    def __init__(self, source, order, row_count):
        self.source = source
        self.order = order
        self.row_count = row_count


class Binder:
    """Column names to the model's features. The last order is kept: most callers have but one."""

    def __init__(self, names, feature_count, is_lightgbm):
        self.names = names
        self.feature_count = feature_count
        self.is_lightgbm = is_lightgbm
        # What LightGBM calls features that had no names.
        self.is_automatic = is_lightgbm and names == tuple(
            "Column_%d" % i for i in range(feature_count))
        self.last = None
        self.last_order = None

    def order(self, names):
        """order[i] is the column of feature i. Names must be the model's, each of them once."""
        if names == self.last:
            return self.last_order
        if self.names is None or not all(isinstance(name, str) for name in names):
            order = self.by_position(names)
        else:
            order = self.by_name(names)
        self.last, self.last_order = names, order
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


def show_names(names):
    names = [repr(name) for name in names]
    left = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (" and %d more" % left if left > 0 else "")


def take_rows(data, binder) -> Rows:
    """The rows of any kind of table that is known here."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, numpy.ndarray):
        return take_array(numpy, data, binder)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return take_pandas(data, binder)
    if hasattr(data, "__arrow_c_stream__"):
        return take_table(_core.table_from_stream(data.__arrow_c_stream__()), binder)
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
        raise TypeError("rows are an array, a data frame, an Arrow table or a list of rows, not %s"
                        % type(data).__name__) from None
    check_shape(view.shape, binder)
    return Rows(view, None, view.shape[0])


def check_shape(shape, binder):
    if len(shape) != 2:
        raise refuse_features(
            "rows have two dimensions, not %d: one row is [[...]], or predict_one([...])"
            % len(shape))
    if shape[1] != binder.feature_count:
        raise refuse_features("rows of %d features, but the model has %d" % (
            shape[1], binder.feature_count))


def take_array(numpy, data, binder):
    """float32 and float64 where they lie, whatever the strides; other numbers are converted."""
    check_shape(data.shape, binder)
    dtype = data.dtype
    if dtype.kind not in "fiubO":
        raise TypeError("rows of dtype %s are no numbers" % dtype)
    if dtype.kind == "f" and dtype.itemsize in (4, 8) and dtype.isnative:
        item = dtype.itemsize
        if data.strides[0] % item or data.strides[1] % item:
            data = numpy.ascontiguousarray(data)
        return Rows(data, None, data.shape[0])
    if dtype.kind == "f":
        wanted = numpy.float32 if dtype.itemsize <= 4 else numpy.float64
    else:
        # LightGBM makes float32 of arrays that hold no floats; the others take them as they are.
        wanted = numpy.float32 if binder.is_lightgbm and dtype.kind != "O" else numpy.float64
    return Rows(data.astype(wanted), None, data.shape[0])


def take_list(data, binder):
    numpy = find_numpy()
    if numpy is not None:
        try:
            array = numpy.asarray(data)
        except ValueError as error:
            raise refuse_features("rows of different lengths: %s" % error) from None
        return take_array(numpy, array, binder)
    from array import array as make_array

    numbers = make_array("d")
    for index, row in enumerate(data):
        if len(row) != binder.feature_count:
            raise refuse_features("row %d has %d features, but the model has %d" % (
                index, len(row), binder.feature_count))
        numbers.extend(float("nan") if item is None else item for item in row)
    if not data:
        return Rows(_core.table_from_buffers([numbers] * binder.feature_count),
                    tuple(range(binder.feature_count)), 0)
    shape = (len(data), binder.feature_count)
    return Rows(memoryview(numbers).cast("B").cast("d", shape), None, len(data))


def take_table(table, binder):
    """Columns of an Arrow table."""
    order = binder.order(table.names)
    for place in order:
        kind = table.formats[place]
        if kind not in ("f", "g", "c", "s", "i", "l", "C", "S", "I", "L", "b", "n"):
            raise TypeError("column %r holds no numbers (Arrow format %r): encode it as the model "
                            "was trained with" % (table.names[place], kind))
    return Rows(table, order, table.row_count)


def take_pandas(frame, binder):
    """A block of floats as it lies; otherwise column by column, so that dtypes may differ."""
    order = binder.order(tuple(frame.columns))
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and order == tuple(range(len(order))):
        kind = next(iter(kinds))
        if getattr(kind, "char", "") in ("f", "d"):
            values = frame.to_numpy()
            return Rows(values, None, values.shape[0])
    columns = [take_series(frame.iloc[:, place]) for place in order]
    table = _core.table_from_buffers(columns)
    return Rows(table, tuple(range(len(order))), len(frame))


def take_series(series):
    """One column as a buffer of numbers; nulls of pandas' own dtypes become NaN."""
    dtype = series.dtype
    kind = getattr(dtype, "char", "")
    if kind in "fd?bhilqBHILQ" and kind:
        return series.to_numpy()
    if kind == "e":
        return series.to_numpy(dtype="float32")
    try:
        if getattr(dtype, "name", "") == "category":
            raise ValueError("a category")
        return series.to_numpy(dtype="float64", na_value=float("nan"))
    except (TypeError, ValueError):
        raise TypeError("column %r of dtype %s holds no numbers: encode it as the model was "
                        "trained with" % (series.name, dtype)) from None
