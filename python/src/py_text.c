// SPDX-License-Identifier: Apache-2.0
/*
 * Columns of text from lists of Python's str: copied once, as UTF-8 behind offsets. What is missing
 * (None, or any number that is NaN) has no bit of validity.
 */
#include "py_core.h"

#include <math.h>
#include <string.h>

/* False, with an exception, for what is neither. */
static bool is_missing(const espalier_py_table *self, size_t index, PyObject *item, Py_ssize_t row)
{
    const double value = item == Py_None ? (double)NAN : PyFloat_AsDouble(item);
    if (isnan(value)) {
        return true;
    }
    if (value == -1.0 && PyErr_Occurred() != NULL && !PyErr_ExceptionMatches(PyExc_TypeError)) {
        return false;
    }
    PyErr_Clear();
    PyObject *const name = self->names != NULL ? PySequence_GetItem(self->names, (Py_ssize_t)index)
                                               : PyLong_FromSize_t(index);
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "column %R holds text, but in row %zd %R", name, row, item);
        Py_DECREF(name);
    }
    return false;
}

static bool take_items(espalier_py_table *self, size_t index, PyObject *items,
                       espalier_feature_column *column)
{
    const Py_ssize_t count = PyTuple_Size(items);
    int64_t *const offsets = espalier_py_table_keep(self, ((size_t)count + 1) * sizeof *offsets);
    uint8_t *const validity =
        offsets == NULL ? NULL : espalier_py_table_keep(self, (size_t)count / 8 + 1);
    if (validity == NULL) {
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *const item = PyTuple_GetItem(items, i);
        Py_ssize_t bytes = 0;
        if (!PyUnicode_Check(item)) {
            if (!is_missing(self, index, item, i)) {
                return false;
            }
        } else if (PyUnicode_AsUTF8AndSize(item, &bytes) == NULL) {
            return false;
        } else {
            validity[i / 8] = (uint8_t)(validity[i / 8] | 1u << (i % 8));
        }
        offsets[i + 1] = offsets[i] + bytes;
    }
    char *const text = espalier_py_table_keep(self, (size_t)offsets[count]);
    for (Py_ssize_t i = 0; text != NULL && i < count; i++) {
        const size_t bytes = (size_t)(offsets[i + 1] - offsets[i]);
        if (bytes > 0) { /* str keeps its UTF-8 since it was asked for above */
            memcpy(text + offsets[i], PyUnicode_AsUTF8AndSize(PyTuple_GetItem(items, i), NULL),
                   bytes);
        }
    }
    *column = (espalier_feature_column){.data = offsets,
                                        .text = text,
                                        .text_bytes = (size_t)offsets[count],
                                        .validity = validity,
                                        .stride = 1,
                                        .dtype = ESPALIER_DTYPE_STRING64};
    return text != NULL;
}

bool espalier_py_take_text(espalier_py_table *self, size_t index, PyObject *list,
                           espalier_feature_column *column, size_t *count_out)
{
    PyObject *const items = PyList_AsTuple(list); /* an item's own code may change the list */
    const bool ok = items != NULL && take_items(self, index, items, column);
    *count_out = ok ? (size_t)PyTuple_Size(items) : 0;
    Py_XDECREF(items);
    return ok;
}
