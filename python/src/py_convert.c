// SPDX-License-Identifier: Apache-2.0
/*
 * The extension module espalier._convert: espalier_convert and espalier_convert_memory. It is
 * imported by espalier.convert and espalier.dump alone, since it brings all parsers. May include:
 * py_core.h for its errors, espalier_convert.h.
 */
#include "py_core.h"

#include "espalier_convert.h"

#include <stdlib.h>
#include <string.h>

/* The arguments of one conversion, and what they hold on to. */
typedef struct convert_call {
    PyObject *path;      /* bytes: of the model */
    PyObject *source;    /* bytes: a path, or what messages call the bytes */
    Py_buffer bytes;     /* obj is NULL when the source is a file */
    Py_buffer rows_view; /* obj is NULL without a check */
    Py_buffer expected_view;
    espalier_rows rows;
    espalier_array expected;
    espalier_meta *meta;
    double missing;
    espalier_convert_options options;
} convert_call;

static void free_call(convert_call *call)
{
    Py_buffer *const views[] = {&call->bytes, &call->rows_view, &call->expected_view};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if (views[i]->obj != NULL) {
            PyBuffer_Release(views[i]);
        }
    }
    free(call->meta);
    Py_XDECREF(call->path);
    Py_XDECREF(call->source);
}

/* A str as C has it, which the caller keeps alive; NULL with an exception. */
static const char *take_text(PyObject *item)
{
    Py_ssize_t bytes = 0;
    const char *const text = PyUnicode_AsUTF8AndSize(item, &bytes);
    if (text != NULL && strlen(text) != (size_t)bytes) {
        PyErr_Format(PyExc_ValueError, "metadata with a NUL character: %R", item);
        return NULL;
    }
    return text;
}

/* A tuple of (key, value), which the caller keeps alive. */
static bool take_meta(convert_call *call, PyObject *meta)
{
    const Py_ssize_t count = PyTuple_Size(meta);
    if (count < 0) {
        return false;
    }
    call->meta = calloc((size_t)count + 1, sizeof *call->meta);
    if (call->meta == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *const pair = PyTuple_GetItem(meta, i);
        PyObject *const key = pair == NULL ? NULL : PyTuple_GetItem(pair, 0);
        PyObject *const value = key == NULL ? NULL : PyTuple_GetItem(pair, 1);
        call->meta[i].key = value == NULL ? NULL : take_text(key);
        call->meta[i].value = call->meta[i].key == NULL ? NULL : take_text(value);
        if (call->meta[i].value == NULL) {
            return false;
        }
    }
    call->options.meta = call->meta;
    call->options.meta_count = (size_t)count;
    return true;
}

static bool take_buffer_of(PyObject *source, int flags, Py_buffer *view)
{
    if (PyObject_GetBuffer(source, view, flags) != 0) {
        view->obj = NULL;
        return false;
    }
    return true;
}

/* check: (rows, bytes of the answers, kind, item_bytes, row_count, column_count). */
static bool take_check(convert_call *call, PyObject *check)
{
    PyObject *rows = NULL;
    PyObject *answers = NULL;
    int kind = 0;
    unsigned int item_bytes = 0;
    Py_ssize_t row_count = 0;
    Py_ssize_t column_count = 0;
    if (!PyArg_ParseTuple(check, "OOCInn", &rows, &answers, &kind, &item_bytes, &row_count,
                          &column_count) ||
        !take_buffer_of(rows, PyBUF_STRIDES | PyBUF_FORMAT, &call->rows_view) ||
        !espalier_py_rows_of(&call->rows_view, &call->rows) ||
        !take_buffer_of(answers, PyBUF_SIMPLE, &call->expected_view)) {
        return false;
    }
    if (row_count < 0 || column_count < 0 || item_bytes == 0 ||
        (column_count != 0 && row_count > call->expected_view.len / column_count / item_bytes)) {
        PyErr_SetString(PyExc_ValueError, "answers of another shape than their bytes");
        return false;
    }
    call->expected = (espalier_array){.data = call->expected_view.buf,
                                      .kind = (char)kind,
                                      .item_bytes = item_bytes,
                                      .row_count = (size_t)row_count,
                                      .column_count = (size_t)column_count};
    call->options.check_rows = &call->rows;
    call->options.check_expected = &call->expected;
    return true;
}

/* Everything the Python side gives; false with an exception. */
static bool take_call(convert_call *call, PyObject *args)
{
    PyObject *bytes = NULL;
    PyObject *meta = NULL;
    PyObject *check = NULL;
    PyObject *missing = NULL;
    unsigned long long flags = 0;
    unsigned long long memory_bytes_max = 0;
    unsigned long long expanded_bytes_max = 0;
    unsigned int layout = 0;
    if (!PyArg_ParseTuple(args, "O&O&OzO!zKKKIOzO:convert", PyUnicode_FSConverter, &call->path,
                          PyUnicode_FSConverter, &call->source, &bytes, &call->options.select,
                          &PyTuple_Type, &meta, &call->options.model_version, &flags,
                          &memory_bytes_max, &expanded_bytes_max, &layout, &missing,
                          &call->options.categorical, &check)) {
        return false;
    }
    call->options.flags = flags;
    call->options.memory_bytes_max = memory_bytes_max;
    call->options.expanded_bytes_max = expanded_bytes_max;
    call->options.layout = layout;
    if (missing != Py_None) {
        call->missing = PyFloat_AsDouble(missing);
        call->options.missing = &call->missing;
        if (PyErr_Occurred() != NULL) {
            return false;
        }
    }
    return take_meta(call, meta) && (check == Py_None || take_check(call, check)) &&
           (bytes == Py_None || take_buffer_of(bytes, PyBUF_SIMPLE, &call->bytes));
}

static PyObject *make_report(const espalier_convert_report *report)
{
    const espalier_proof *const proof = &report->proof;
    return Py_BuildValue("{sK sK ss sK sK sK sK sK sK sK}", "source_bytes", report->source_bytes,
                         "model_bytes", report->model_bytes, "summary", report->summary,
                         "rows_compared", proof->rows_compared, "values_compared",
                         proof->values_compared, "leaves_compared", proof->leaves_compared,
                         "check_rows", proof->check_rows, "check_values", proof->check_values,
                         "check_differing", proof->check_differing, "check_ulp_max",
                         proof->check_ulp_max);
}

static PyObject *convert_model(PyObject *module, PyObject *args)
{
    (void)module;
    const espalier_convert_options defaults = ESPALIER_CONVERT_OPTIONS_INIT;
    convert_call call = {.path = NULL};
    call.options = defaults;
    espalier_convert_report report;
    espalier_error error = {0};
    espalier_status status = ESPALIER_OK;
    if (!take_call(&call, args)) {
        free_call(&call);
        return NULL;
    }
    const char *const path = PyBytes_AsString(call.path);
    const char *const source = PyBytes_AsString(call.source);
    Py_BEGIN_ALLOW_THREADS status =
        call.bytes.obj != NULL
            ? espalier_convert_memory(call.bytes.buf, (size_t)call.bytes.len, source, path,
                                      &call.options, &report, &error)
            : espalier_convert(source, path, &call.options, &report, &error);
    Py_END_ALLOW_THREADS free_call(&call);
    return status == ESPALIER_OK ? make_report(&report) : espalier_py_raise(status, &error);
}

static PyMethodDef convert_functions[] = {
    {"convert", convert_model, METH_VARARGS,
     "convert(path, source, bytes, select, meta, model_version, flags, memory_bytes_max,\n"
     "expanded_bytes_max, layout, missing, categorical, check): what was done, as a dict"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot convert_slots[] = {
    {0, NULL},
};

static PyModuleDef convert_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "espalier._convert",
    .m_doc = "Convert saved models; use espalier.convert and espalier.dump instead.",
    .m_size = 0,
    .m_methods = convert_functions,
    .m_slots = convert_slots,
};

PyMODINIT_FUNC PyInit__convert(void);
PyMODINIT_FUNC PyInit__convert(void)
{
    return PyModuleDef_Init(&convert_definition);
}
