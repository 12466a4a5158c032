// SPDX-License-Identifier: Apache-2.0
/*
 * The type espalier._core.Table: columns of a data frame where they lie, and what keeps them there;
 * and tables of a buffer, a list of text or a dictionary a column.
 */
#include "py_core.h"

#include <stdlib.h>
#include <string.h>

static void free_table(PyObject *object)
{
    espalier_py_table *const self = (espalier_py_table *)object;
    PyTypeObject *const type = Py_TYPE(object);
    espalier_py_arrays_release(self->arrays, self->batch_count);
    for (size_t i = 0; i < self->view_count; i++) {
        PyBuffer_Release(&self->views[i]);
    }
    for (size_t i = 0; self->batches != NULL && i < self->batch_count; i++) {
        free(self->batches[i].columns);
        free(self->batches[i].dictionaries);
    }
    for (size_t i = 0; i < self->kept_count; i++) {
        free(self->kept[i]);
    }
    free(self->kept);
    free(self->batches);
    free(self->arrays);
    free(self->views);
    Py_CLEAR(self->names);
    Py_CLEAR(self->formats);
    ESPALIER_PY_FREE(object, type);
}

bool espalier_py_is_table(PyObject *object)
{
    return PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == ESPALIER_PY_SLOT(free_table);
}

espalier_py_table *espalier_py_table_new(PyObject *type, size_t batch_count, size_t column_count)
{
    const allocfunc allocate =
        (allocfunc)(uintptr_t)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    espalier_py_table *const self = (espalier_py_table *)allocate((PyTypeObject *)type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->column_count = column_count;
    self->batches = calloc(batch_count + 1, sizeof *self->batches);
    self->batch_count = self->batches != NULL ? batch_count : 0;
    bool ok = self->batches != NULL;
    for (size_t i = 0; ok && i < batch_count; i++) {
        self->batches[i].columns = calloc(column_count + 1, sizeof(espalier_feature_column));
        self->batches[i].dictionaries = calloc(column_count + 1, sizeof(espalier_feature_column));
        ok = self->batches[i].columns != NULL && self->batches[i].dictionaries != NULL;
    }
    if (!ok) {
        PyErr_NoMemory();
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

bool espalier_py_lacks(const uint8_t *bits, size_t first, size_t count)
{
    bool lacks = false;
    for (size_t bit = first; bits != NULL && bit < first + count && !lacks; bit++) {
        lacks = (bits[bit / 8] >> (bit % 8) & 1u) == 0;
    }
    return lacks;
}

void *espalier_py_table_keep(espalier_py_table *self, size_t bytes)
{
    void **const more = realloc(self->kept, (self->kept_count + 1) * sizeof *more);
    if (more != NULL) {
        self->kept = more;
        self->kept[self->kept_count] = calloc(1, bytes > 0 ? bytes : 1);
        if (self->kept[self->kept_count] != NULL) {
            return self->kept[self->kept_count++];
        }
    }
    PyErr_NoMemory();
    return NULL;
}

/* ---- a buffer, a list or a pair a column ---- */

/* The dtype of a buffer's items; 0: none that is taken. */
static uint32_t find_dtype(const Py_buffer *view)
{
    static const uint8_t whole[2][4] = {{ESPALIER_DTYPE_INT8, ESPALIER_DTYPE_INT16,
                                         ESPALIER_DTYPE_INT32, ESPALIER_DTYPE_INT64},
                                        {ESPALIER_DTYPE_UINT8, ESPALIER_DTYPE_UINT16,
                                         ESPALIER_DTYPE_UINT32, ESPALIER_DTYPE_UINT64}};
    const uint32_t dtype = espalier_py_dtype(view);
    const char *format = view->format != NULL ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == '<') {
        format++;
    }
    const char letter = *format;
    if (dtype != 0 || letter == '\0' || format[1] != '\0') {
        return dtype;
    }
    if (letter == '?' && view->itemsize == 1) {
        return ESPALIER_DTYPE_BOOL;
    }
    const bool is_signed = strchr("bhilqn", letter) != NULL;
    const size_t place = view->itemsize == 1   ? 0
                         : view->itemsize == 2 ? 1
                         : view->itemsize == 4 ? 2
                         : view->itemsize == 8 ? 3
                                               : 4;
    return place < 4 && (is_signed || strchr("BHILQN", letter) != NULL)
               ? whole[is_signed ? 0 : 1][place]
               : 0;
}

/* The items of a one-dimensional buffer; false with an exception. */
static bool take_buffer(espalier_py_table *self, size_t index, PyObject *source,
                        espalier_feature_column *column, size_t *count_out)
{
    Py_buffer *const view = &self->views[self->view_count];
    if (PyObject_GetBuffer(source, view, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
        return false;
    }
    self->view_count++;
    const uint32_t dtype = find_dtype(view);
    if (dtype == 0 || view->ndim != 1 || view->strides[0] % view->itemsize != 0) {
        PyErr_Format(PyExc_TypeError, "column %zu has items of format '%s' in %d dimensions", index,
                     view->format != NULL ? view->format : "B", view->ndim);
        return false;
    }
    *count_out = (size_t)view->shape[0];
    *column = (espalier_feature_column){.data = view->buf,
                                        .stride = view->strides[0] / view->itemsize,
                                        .dtype = dtype};
    return true;
}

static bool take_values(espalier_py_table *self, size_t index, PyObject *source,
                        espalier_feature_column *column, size_t *count_out)
{
    return PyList_Check(source) ? espalier_py_take_text(self, index, source, column, count_out)
                                : take_buffer(self, index, source, column, count_out);
}

/* One column; false with an exception. */
static bool take_column(espalier_py_table *self, size_t index, PyObject *source)
{
    const bool is_pair = PyTuple_Check(source) && PyTuple_Size(source) == 2;
    espalier_feature_column *const column = &self->batches[0].columns[index];
    espalier_feature_column *const dictionary = &self->batches[0].dictionaries[index];
    size_t row_count = 0;
    if (!take_values(self, index, is_pair ? PyTuple_GetItem(source, 0) : source, column,
                     &row_count)) {
        return false;
    }
    if (is_pair) {
        if (!take_values(self, index, PyTuple_GetItem(source, 1), dictionary,
                         &column->dictionary_count)) {
            return false;
        }
        column->dictionary = dictionary;
    }
    if (index > 0 && row_count != self->row_count) {
        PyErr_Format(PyExc_ValueError, "column %zu has %zu rows, the first one %zu", index,
                     row_count, self->row_count);
        return false;
    }
    self->row_count = row_count;
    self->batches[0].row_count = row_count;
    return true;
}

PyObject *espalier_py_table_from_columns(PyObject *module, PyObject *args)
{
    const espalier_py_state *const state = PyModule_GetState(module);
    PyObject *columns = NULL;
    PyObject *names = Py_None;
    if (!PyArg_ParseTuple(args, "O|O:table_from_columns", &columns, &names)) {
        return NULL;
    }
    const Py_ssize_t count = PySequence_Size(columns);
    if (count < 0) {
        return NULL;
    }
    espalier_py_table *const self = espalier_py_table_new(state->table_type, 1, (size_t)count);
    if (self == NULL) {
        return NULL;
    }
    self->names = names != Py_None ? PySequence_Tuple(names) : NULL;
    self->views = calloc(2 * (size_t)count + 1, sizeof *self->views); /* two of a pair */
    bool ok = self->views != NULL && (names == Py_None || self->names != NULL);
    if (self->views == NULL) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; ok && i < count; i++) {
        PyObject *const source = PySequence_GetItem(columns, i);
        ok = source != NULL && take_column(self, (size_t)i, source);
        Py_XDECREF(source);
    }
    if (!ok) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the type ---- */

static PyObject *give_object(PyObject *object)
{
    PyObject *const given = object != NULL ? object : Py_None;
    Py_INCREF(given);
    return given;
}

static PyObject *get_table_names(PyObject *object, void *unused)
{
    (void)unused;
    return give_object(((espalier_py_table *)object)->names);
}

static PyObject *get_formats(PyObject *object, void *unused)
{
    (void)unused;
    return give_object(((espalier_py_table *)object)->formats);
}

static PyObject *get_row_count(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(((espalier_py_table *)object)->row_count);
}

static PyObject *get_column_count(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(((espalier_py_table *)object)->column_count);
}

/* What a batch's column holds, or numbers: its dictionary's values, if it has one. */
static espalier_feature_column *find_values(const espalier_py_batch *batch, size_t place,
                                            size_t *count_out)
{
    espalier_feature_column *const column = &batch->columns[place];
    const bool has_dictionary = column->dictionary != NULL;
    *count_out = has_dictionary ? column->dictionary_count : batch->row_count;
    return has_dictionary ? &batch->dictionaries[place] : column;
}

/* The place of a column that there is; false with an exception. */
static bool take_place(const espalier_py_table *self, PyObject *number, size_t *place_out)
{
    *place_out = PyLong_AsSize_t(number);
    if (*place_out == (size_t)-1 && PyErr_Occurred() != NULL) {
        return false;
    }
    if (*place_out >= self->column_count) {
        PyErr_Format(PyExc_IndexError, "column %zu of %zu", *place_out, self->column_count);
        return false;
    }
    return true;
}

static PyObject *lacks(PyObject *object, PyObject *number)
{
    const espalier_py_table *const self = (const espalier_py_table *)object;
    size_t place = 0;
    if (!take_place(self, number, &place)) {
        return NULL;
    }
    bool found = false;
    for (size_t i = 0; i < self->batch_count && !found; i++) {
        size_t count = 0;
        const espalier_feature_column *const values = find_values(&self->batches[i], place, &count);
        found = espalier_py_lacks(values->validity, values->bit_offset, count);
    }
    return PyBool_FromLong(found);
}

/* Whole numbers of 64 bits as float64, copied; others, which float64 has, stay. False with an
 * exception. */
static bool widen(espalier_py_table *self, espalier_feature_column *values, size_t count)
{
    const bool is_signed = values->dtype == ESPALIER_DTYPE_INT64;
    if (!is_signed && values->dtype != ESPALIER_DTYPE_UINT64) {
        return true;
    }
    double *const numbers = espalier_py_table_keep(self, count * sizeof *numbers);
    for (size_t r = 0; numbers != NULL && r < count; r++) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)values->data + (ptrdiff_t)r * values->stride * 8, sizeof bits);
        numbers[r] = is_signed ? (double)(int64_t)bits : (double)bits;
    }
    values->data = numbers;
    values->stride = 1;
    values->dtype = ESPALIER_DTYPE_FLOAT64;
    return numbers != NULL;
}

/* METH_VARARGS: places of columns. */
static PyObject *be_single(PyObject *object, PyObject *wide)
{
    espalier_py_table *const self = (espalier_py_table *)object;
    const Py_ssize_t wide_count = PyTuple_Size(wide);
    for (Py_ssize_t w = 0; w < wide_count; w++) {
        size_t place = 0;
        if (!take_place(self, PyTuple_GetItem(wide, w), &place)) {
            return NULL;
        }
        for (size_t i = 0; i < self->batch_count; i++) {
            size_t count = 0;
            espalier_feature_column *const values = find_values(&self->batches[i], place, &count);
            if (!widen(self, values, count)) {
                return NULL;
            }
        }
    }
    self->dtype = ESPALIER_DTYPE_FLOAT32;
    Py_RETURN_NONE;
}

static PyMethodDef table_methods[] = {
    {"lacks", lacks, METH_O, "lacks(column): whether a value of the column is null."},
    {"be_single", be_single, METH_VARARGS,
     "be_single(*columns): every number becomes float32 at once, whatever the columns' types;\n"
     "only those of the given columns by way of float64."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef table_members[] = {
    {"names", get_table_names, NULL, "The columns' names, or None.", NULL},
    {"formats", get_formats, NULL, "The columns' Arrow formats, or None.", NULL},
    {"row_count", get_row_count, NULL, "Rows of all batches.", NULL},
    {"column_count", get_column_count, NULL, "Columns.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot table_slots[] = {
    {Py_tp_dealloc, ESPALIER_PY_SLOT(free_table)},
    {Py_tp_getset, table_members},
    {Py_tp_methods, table_methods},
    {Py_tp_doc, (void *)"Columns where they lie, for Model._run."},
    {0, NULL},
};

static PyType_Spec table_spec = {
    .name = ESPALIER_PY_TABLE,
    .basicsize = (int)sizeof(espalier_py_table),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = table_slots,
};

PyObject *espalier_py_table_type(PyObject *module)
{
    return PyType_FromModuleAndSpec(module, &table_spec, NULL);
}
