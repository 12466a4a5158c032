// SPDX-License-Identifier: Apache-2.0
/*
 * From a status to an exception: espalier._errors.build makes it, so that the classes are Python.
 */
#include "py_core.h"

#include <string.h>

static PyObject *none_or_number(bool is_there, uint64_t number)
{
    if (!is_there) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    return PyLong_FromUnsignedLongLong(number);
}

/* build(status, name, message, errno, offset, rule, row, feature), raised. */
static PyObject *raise_built(espalier_status status, const espalier_error *error,
                             const char *message, size_t row, size_t feature)
{
    PyObject *const module = PyImport_ImportModule("espalier._errors");
    PyObject *const build = module == NULL ? NULL : PyObject_GetAttrString(module, "build");
    Py_XDECREF(module);
    if (build == NULL) {
        return NULL;
    }
    const bool is_row = row != ESPALIER_PY_NO_ROW;
    PyObject *const text =
        PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "surrogateescape");
    PyObject *exception = NULL;
    if (text != NULL) {
        exception =
            PyObject_CallFunction(build, "isNiNNNN", (int)status, espalier_status_name(status),
                                  text, error != NULL ? error->system_errno : 0,
                                  none_or_number(error != NULL &&
                                                     error->file_offset != ESPALIER_OFFSET_NONE,
                                                 error != NULL ? error->file_offset : 0),
                                  none_or_number(error != NULL && error->format_rule != 0,
                                                 error != NULL ? error->format_rule : 0),
                                  none_or_number(is_row, row), none_or_number(is_row, feature));
    }
    Py_DECREF(build);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

PyObject *espalier_py_raise(espalier_status status, const espalier_error *error)
{
    /* Calls that are given a place for the error fill it whenever they fail. */
    const bool is_filled = error != NULL && error->status == status;
    return raise_built(status, is_filled ? error : NULL,
                       is_filled ? error->message : espalier_status_message(status),
                       ESPALIER_PY_NO_ROW, 0);
}

PyObject *espalier_py_raise_rows(espalier_status status, const char *message, size_t row,
                                 size_t feature)
{
    return raise_built(status, NULL, message != NULL ? message : espalier_status_message(status),
                       row, feature);
}
