// SPDX-License-Identifier: Apache-2.0
/*
 * One row for a service: predict_one. Nothing is allocated for rows and outputs of usual widths,
 * and the interpreter's lock is kept, since letting go of it costs more than most models take.
 */
#include "py_core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_ON_STACK  256u
#define RESULTS_ON_STACK 64u

const char espalier_py_predict_one_doc[] =
    "predict_one($self, row, output=None)\n--\n\n"
    "Predict for one row, with as little around the prediction as Python allows.\n\n"
    "row: a tuple or list of numbers in the features' order (None is missing), a dict from\n"
    "feature name to number that has every feature, or a buffer of float32 or float64, as\n"
    "array.array or a NumPy array. Python's numbers are float64. Features that have categories\n"
    "of text (`categories_`) take str.\n\n"
    "output: \"class\", \"value\", \"probability\", \"margin\", \"leaf\" or \"score\"; without\n"
    "it, what the trainer's own predict gives.\n\n"
    "Returns a number or class label where predict would give one a row, else a tuple; the\n"
    "probabilities of several outputs are a tuple for each. Labels and numbers are Python's own.\n"
    "Raises InputError for a row that the trainer refuses.";

/* A row on its way in, and what came out. */
typedef struct one_row {
    espalier_py_model *self;
    double stack[VALUES_ON_STACK];
    double *values; /* stack, or allocated */
    Py_buffer view; /* view.obj is NULL unless the row is a buffer */
    espalier_rows rows;
} one_row;

/* ---- floats where they lie ---- */

/*
 * The limited API reads a tuple's item and a float's value by two calls, which is most of the time
 * of a row of fifty features. In the versions that are listed below, and in no other, a float is an
 * object's head and a double, and a tuple and a list are as is read here. What is found that way is
 * compared with the API once, when the module is made. Other versions, and what is no float, go by
 * the API.
 */
static bool is_layout_known;

static PyObject *const *find_items(PyObject *source, bool is_tuple)
{
    const char *const after_head = (const char *)source + sizeof(PyVarObject);
    PyObject *const *items = NULL;
    if (is_tuple) {
        return (PyObject *const *)(const void *)after_head;
    }
    memcpy(&items, after_head, sizeof items);
    return items;
}

static double read_float(const PyObject *item)
{
    double value = 0;
    memcpy(&value, (const char *)item + sizeof *item, sizeof value);
    return value;
}

void espalier_py_one_prepare(void)
{
    const unsigned long version = Py_Version >> 16;
    PyObject *const tuple = Py_BuildValue("(dd)", 1.5, -2.25e300);
    PyObject *const list = Py_BuildValue("[dd]", 7.0, 1e-300);
    bool is_known = tuple != NULL && list != NULL && version >= 0x030b && version <= 0x030d;
    for (Py_ssize_t i = 0; is_known && i < 2; i++) {
        PyObject *const one = PyTuple_GetItem(tuple, i);
        PyObject *const other = PyList_GetItem(list, i);
        is_known = find_items(tuple, true)[i] == one && find_items(list, false)[i] == other &&
                   read_float(one) == PyFloat_AsDouble(one) &&
                   read_float(other) == PyFloat_AsDouble(other);
    }
    Py_XDECREF(tuple);
    Py_XDECREF(list);
    PyErr_Clear();
    is_layout_known = is_known;
}

/* The values of the leading floats, and how many they are. Runs no code of Python's. */
static Py_ssize_t take_floats(PyObject *source, bool is_tuple, Py_ssize_t count, double *values)
{
    if (!is_layout_known) {
        return 0;
    }
    PyObject *const *const items = find_items(source, is_tuple);
    Py_ssize_t taken = 0;
    while (taken < count && PyFloat_CheckExact(items[taken])) {
        values[taken] = read_float(items[taken]);
        taken++;
    }
    return taken;
}

/* ---- the row ---- */

/* The number of a category, or what the trainer takes others for. */
static bool take_category(const espalier_py_model *self, PyObject *item, size_t index,
                          double *value_out)
{
    Py_ssize_t bytes = 0;
    const char *const text = PyUnicode_AsUTF8AndSize(item, &bytes);
    /* The row's own code may have closed the model. */
    if (text == NULL || !espalier_py_is_open(self)) {
        return false;
    }
    const espalier_status status = espalier_model_category_number(self->model, (uint32_t)index,
                                                                  text, (size_t)bytes, value_out);
    if (status == ESPALIER_ERROR_CATEGORY) {
        char cause[512];
        espalier_py_describe(self, status, 0, index, cause, sizeof cause);
        (void)espalier_py_raise_rows(status, cause, 0, index);
    } else if (status != ESPALIER_OK) {
        PyErr_Format(PyExc_TypeError, "feature %zu is no number: %R", index, item);
    }
    return status == ESPALIER_OK;
}

PyObject *espalier_py_category_number(PyObject *self, PyObject *args)
{
    unsigned int feature = 0;
    PyObject *text = NULL;
    double number = 0.0;
    if (!PyArg_ParseTuple(args, "IU:_category_number", &feature, &text) ||
        !take_category((const espalier_py_model *)self, text, feature, &number)) {
        return NULL;
    }
    return PyFloat_FromDouble(number);
}

/* Everything but floats: integers, NumPy's scalars, None, text. */
static bool take_slow(const espalier_py_model *self, PyObject *item, size_t index,
                      double *value_out)
{
    if (item == Py_None) {
        *value_out = (double)NAN;
        return true;
    }
    if (PyUnicode_Check(item)) {
        return take_category(self, item, index, value_out);
    }
    Py_INCREF(item); /* its own code may take it out of the row */
    *value_out = PyFloat_AsDouble(item);
    const bool is_bad = *value_out == -1.0 && PyErr_Occurred() != NULL;
    if (is_bad && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "feature %zu is no number: %R", index, item);
    }
    Py_DECREF(item);
    return !is_bad;
}

static bool fail_count(const espalier_py_model *self, Py_ssize_t found)
{
    char text[128];
    (void)snprintf(text, sizeof text, "the row has %zd features, but the model has %u", found,
                   (unsigned)self->info.feature_count);
    (void)espalier_py_raise_rows(ESPALIER_ERROR_FEATURE_COUNT, text, ESPALIER_PY_NO_ROW, 0);
    return false;
}

static bool take_items(one_row *row, PyObject *source, bool is_tuple)
{
    const Py_ssize_t count = is_tuple ? PyTuple_Size(source) : PyList_Size(source);
    if ((size_t)count != row->self->info.feature_count) {
        return fail_count(row->self, count);
    }
    for (Py_ssize_t i = take_floats(source, is_tuple, count, row->values); i < count; i++) {
        /* A list may shrink while an item's own code runs; then this fails. */
        PyObject *const item = is_tuple ? PyTuple_GetItem(source, i) : PyList_GetItem(source, i);
        if (item == NULL) {
            return false;
        }
        if (PyFloat_CheckExact(item)) {
            row->values[i] = PyFloat_AsDouble(item);
        } else if (!take_slow(row->self, item, (size_t)i, &row->values[i])) {
            return false;
        }
    }
    return true;
}

/* Names a key of the dict that is no feature. */
static bool fail_unknown(PyObject *source, PyObject *names)
{
    PyObject *key = NULL;
    PyObject *value = NULL;
    Py_ssize_t at = 0;
    while (PyDict_Next(source, &at, &key, &value)) {
        Py_INCREF(key); /* its own comparison may take it out of the dict */
        const int is_known = PySequence_Contains(names, key);
        if (is_known == 0) {
            PyErr_Format(PyExc_KeyError, "the model has no feature %R", key);
        }
        Py_DECREF(key);
        if (is_known <= 0) {
            return false;
        }
    }
    PyErr_SetString(PyExc_KeyError, "the model's features have the same name twice");
    return false;
}

static bool take_dict(one_row *row, PyObject *source)
{
    PyObject *const names = espalier_py_names(row->self);
    if (names == NULL) {
        return false;
    }
    if (names == Py_None) {
        PyErr_SetString(PyExc_TypeError, "the model has no feature names: give a tuple or list");
        return false;
    }
    const Py_ssize_t count = PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *const name = PyTuple_GetItem(names, i);
        PyObject *const item = PyDict_GetItemWithError(source, name);
        if (item == NULL) {
            if (PyErr_Occurred() == NULL) {
                PyErr_Format(PyExc_KeyError, "the row has no feature %R", name);
            }
            return false;
        }
        Py_INCREF(item);
        const bool ok = take_slow(row->self, item, (size_t)i, &row->values[i]);
        Py_DECREF(item);
        if (!ok) {
            return false;
        }
    }
    return PyDict_Size(source) == count || fail_unknown(source, names);
}

/* What has an order of its own, or none, that need not be the features'. */
static bool fail_source(PyObject *source, const char *advice)
{
    PyErr_Format(PyExc_TypeError, "a row is a tuple, list, dict or buffer, not %R: %s",
                 (PyObject *)Py_TYPE(source), advice);
    return false;
}

/* Any other sequence, NumPy's of integers too. */
static bool take_sequence(one_row *row, PyObject *source)
{
    if (PyUnicode_Check(source) || PyBytes_Check(source) || PyAnySet_Check(source)) {
        return fail_source(source, "give the values in the features' order");
    }
    if (PyObject_HasAttrString(source, "keys")) { /* pandas' Series, and mappings */
        return fail_source(source, "dict(row) has the values by name");
    }
    PyObject *const list = PySequence_List(source);
    const bool ok = list != NULL && take_items(row, list, false);
    Py_XDECREF(list);
    return ok;
}

/* Whether it may be a masked array, and is to be asked, which costs more than all the rest: not
 * NumPy's own type, which is no heap type, and not array.array, which derives from object. */
static bool may_be_masked(PyObject *source)
{
    PyTypeObject *const type = Py_TYPE(source);
    return (PyType_GetFlags(type) & Py_TPFLAGS_HEAPTYPE) != 0 &&
           PyType_GetSlot(type, Py_tp_base) != (void *)&PyBaseObject_Type;
}

/* A buffer of floats in one dimension, or in two with one row. */
static bool take_buffer(one_row *row, PyObject *source)
{
    if (may_be_masked(source) && PyObject_HasAttrString(source, "mask")) {
        return fail_source(source, "row.filled(numpy.nan) has what is masked as missing");
    }
    if (PyObject_GetBuffer(source, &row->view, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
        row->view.obj = NULL;
        return false;
    }
    if (espalier_py_dtype(&row->view) == 0) {
        PyBuffer_Release(&row->view);
        row->view.obj = NULL;
        return take_sequence(row, source);
    }
    if (!espalier_py_rows_of(&row->view, &row->rows)) {
        return false;
    }
    if (row->rows.row_count != 1) {
        PyErr_Format(PyExc_ValueError, "predict_one takes one row, not %zu", row->rows.row_count);
        return false;
    }
    return row->rows.feature_count == row->self->info.feature_count ||
           fail_count(row->self, (Py_ssize_t)row->rows.feature_count);
}

static bool take_row(one_row *row, PyObject *source)
{
    const size_t count = row->self->info.feature_count;
    row->values = row->stack;
    if (count > VALUES_ON_STACK) {
        row->values = malloc(count * sizeof *row->values);
        if (row->values == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    row->rows = espalier_rows_float64(row->values, 1, count);
    if (PyTuple_Check(source)) {
        return take_items(row, source, true);
    }
    if (PyList_Check(source)) {
        return take_items(row, source, false);
    }
    if (PyDict_Check(source)) {
        return take_dict(row, source);
    }
    return PyObject_CheckBuffer(source) ? take_buffer(row, source) : take_sequence(row, source);
}

static void free_row(one_row *row)
{
    if (row->view.obj != NULL) {
        PyBuffer_Release(&row->view);
    }
    if (row->values != row->stack) {
        free(row->values);
    }
}

/* ---- the output ---- */

/* The kind by its name; 0 with an exception. */
static unsigned long find_kind(const espalier_py_model *self, PyObject *name)
{
    static const char *const kinds[ESPALIER_PY_KINDS] = {"",      "margin", "probability", "class",
                                                         "value", "leaf",   "score"};
    if (name == NULL || name == Py_None) {
        return self->info.default_output;
    }
    const char *const text = PyUnicode_AsUTF8AndSize(name, NULL);
    if (text == NULL) {
        return 0;
    }
    for (unsigned long kind = 1; kind < ESPALIER_PY_KINDS; kind++) {
        if (strcmp(text, kinds[kind]) == 0) {
            return kind;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "output is one of margin, probability, class, value, leaf, score, not %R", name);
    return 0;
}

/* The label of a class index. */
static PyObject *find_label(espalier_py_model *self, size_t output_index, int32_t class_index)
{
    PyObject *const all = espalier_py_labels(self);
    PyObject *const labels = all == NULL ? NULL : PyTuple_GetItem(all, (Py_ssize_t)output_index);
    PyObject *const label = labels == NULL ? NULL : PyTuple_GetItem(labels, class_index);
    Py_XINCREF(label);
    return label;
}

static PyObject *make_item(espalier_py_model *self, const espalier_output_info *output,
                           const void *results, size_t index)
{
    switch (output->dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        return PyFloat_FromDouble((double)((const float *)results)[index]);
    case ESPALIER_DTYPE_FLOAT64:
        return PyFloat_FromDouble(((const double *)results)[index]);
    case ESPALIER_DTYPE_INT64:
        return PyLong_FromLongLong(((const int64_t *)results)[index]);
    default:
        return output->kind == ESPALIER_OUTPUT_CLASS
                   ? find_label(self, index, ((const int32_t *)results)[index])
                   : PyLong_FromLong(((const int32_t *)results)[index]);
    }
}

static PyObject *make_tuple(espalier_py_model *self, const espalier_output_info *output,
                            const void *results, size_t first, size_t count)
{
    PyObject *const items = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; items != NULL && i < count; i++) {
        PyObject *const item = make_item(self, output, results, first + i);
        if (item == NULL) {
            Py_DECREF(items);
            return NULL;
        }
        (void)PyTuple_SetItem(items, (Py_ssize_t)i, item);
    }
    return items;
}

static PyObject *make_groups(espalier_py_model *self, const espalier_output_info *output,
                             const void *results)
{
    PyObject *const groups = PyTuple_New((Py_ssize_t)output->group_count);
    for (uint32_t i = 0; groups != NULL && i < output->group_count; i++) {
        size_t first = 0;
        size_t count = 0;
        (void)espalier_model_output_group(self->model, ESPALIER_OUTPUT_PROBABILITY, i, &first,
                                          &count);
        PyObject *const group = make_tuple(self, output, results, first, count);
        if (group == NULL) {
            Py_DECREF(groups);
            return NULL;
        }
        (void)PyTuple_SetItem(groups, (Py_ssize_t)i, group);
    }
    return groups;
}

static PyObject *make_result(espalier_py_model *self, const espalier_output_info *output,
                             const void *results)
{
    const bool is_probability = output->kind == ESPALIER_OUTPUT_PROBABILITY;
    if (is_probability && output->group_count > 1) {
        return make_groups(self, output, results);
    }
    return output->width == 1 && !is_probability && output->kind != ESPALIER_OUTPUT_LEAF
               ? make_item(self, output, results, 0)
               : make_tuple(self, output, results, 0, output->width);
}

/* ---- the prediction ---- */

/* The predictor for single rows, made at its first use: one of four, since those that give leaves
 * and those that refuse nothing are others. */
static espalier_predictor *find_predictor(espalier_py_model *self, uint32_t kind)
{
    const bool is_unchecked = (self->flags & ESPALIER_PREDICTOR_UNCHECKED) != 0;
    const bool is_leaf = kind == ESPALIER_OUTPUT_LEAF;
    const size_t place = (is_leaf ? 1u : 0u) + (is_unchecked ? 2u : 0u);
    if (self->one[place] == NULL) {
        espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        options.flags = self->flags | (is_leaf ? (uint64_t)ESPALIER_PREDICTOR_LEAF : 0);
        options.block_rows_max = 1;
        const espalier_status status =
            espalier_predictor_create(self->model, &options, &self->one[place]);
        if (status != ESPALIER_OK) {
            (void)espalier_py_raise(status, NULL);
        }
    }
    return self->one[place];
}

/* The model is held. */
static PyObject *predict_row(espalier_py_model *self, const espalier_output_info *output,
                             const espalier_rows *rows)
{
    double stack[RESULTS_ON_STACK];
    void *results = stack;
    PyObject *result = NULL;
    espalier_predictor *const predictor = find_predictor(self, output->kind);
    if (predictor == NULL) {
        return NULL;
    }
    if (output->width > RESULTS_ON_STACK) {
        results = malloc(output->width * sizeof stack[0]);
        if (results == NULL) {
            return PyErr_NoMemory();
        }
    }
    espalier_outputs outputs = {.data = results,
                                .data_bytes =
                                    (output->width > RESULTS_ON_STACK ? output->width
                                                                      : RESULTS_ON_STACK) *
                                    sizeof stack[0]};
    const espalier_status status =
        espalier_predict(predictor, (espalier_output_kind)output->kind, rows, &outputs);
    if (status == ESPALIER_OK) {
        result = make_result(self, output, results);
    } else if (status == ESPALIER_ERROR_MISSING || status == ESPALIER_ERROR_INFINITE ||
               status == ESPALIER_ERROR_CATEGORY) {
        char text[512];
        espalier_py_describe(self, status, 0, outputs.refused_feature, text, sizeof text);
        (void)espalier_py_raise_rows(status, text, 0, outputs.refused_feature);
    } else {
        (void)espalier_py_raise_rows(status, NULL, ESPALIER_PY_NO_ROW, 0);
    }
    if (results != stack) {
        free(results);
    }
    return result;
}

/* Its arguments: row, output; either by name. False with an exception. */
static bool take_arguments(PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                           PyObject **row_out, PyObject **output_out)
{
    const Py_ssize_t named = keywords == NULL ? 0 : PyTuple_Size(keywords);
    PyObject **const places[2] = {row_out, output_out};
    static const char *const names[2] = {"row", "output"};
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "predict_one takes 2 arguments, not %zd", count + named);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        *places[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *const key = PyTuple_GetItem(keywords, i);
        const size_t place = PyUnicode_CompareWithASCIIString(key, names[0]) == 0   ? 0
                             : PyUnicode_CompareWithASCIIString(key, names[1]) == 0 ? 1
                                                                                    : 2;
        if (place == 2 || *places[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "predict_one got an unexpected or repeated argument %R",
                         key);
            return false;
        }
        *places[place] = args[count + i];
    }
    if (*row_out == NULL) {
        PyErr_SetString(PyExc_TypeError, "predict_one needs a row");
        return false;
    }
    return true;
}

PyObject *espalier_py_predict_one(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    PyObject *source = NULL;
    PyObject *name = NULL;
    if (!take_arguments(args, count, keywords, &source, &name) || !espalier_py_is_open(self)) {
        return NULL;
    }
    const unsigned long kind = find_kind(self, name);
    const espalier_output_info *const output = kind != 0 ? espalier_py_output(self, kind) : NULL;
    if (output == NULL) {
        return NULL;
    }
    one_row row;
    row.self = self;
    row.view.obj = NULL;
    PyObject *result = NULL;
    /* The row's own code may have closed the model; from here on it cannot. */
    if (take_row(&row, source) && espalier_py_hold(self)) {
        result = predict_row(self, output, &row.rows);
        espalier_py_release(self);
    }
    free_row(&row);
    return result;
}
