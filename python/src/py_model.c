// SPDX-License-Identifier: Apache-2.0
/*
 * The type espalier._core.Model: an open model and what it says of itself. Python's Model derives
 * from it. Everything here runs with the interpreter's lock but the body of verify.
 */
#include "py_core.h"

#include "espalier_inspect.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static uint32_t fork_count; /* of this process and those it comes from; a child has one thread */

static void count_fork(void)
{
    fork_count++;
}

bool espalier_py_watch_forks(void)
{
    static bool is_watching; /* under the interpreter's lock */
    if (!is_watching && pthread_atfork(NULL, NULL, count_fork) != 0) {
        (void)PyErr_NoMemory();
        return false;
    }
    is_watching = true;
    return true;
}

/* In a forked child: the calls of other threads will never return, and hold nothing any more. */
static void forget_parent(espalier_py_model *self)
{
    if (self->fork_count != fork_count) {
        self->fork_count = fork_count;
        self->was_busy = self->was_busy || self->busy_count > 0;
        self->busy_count = 0;
    }
}

bool espalier_py_is_open(const espalier_py_model *self)
{
    if (self->model == NULL) {
        PyErr_SetString(PyExc_ValueError, "the model is closed");
        return false;
    }
    return true;
}

bool espalier_py_hold(espalier_py_model *self)
{
    const bool is_open = espalier_py_is_open(self);
    forget_parent(self);
    self->busy_count += is_open ? 1 : 0;
    return is_open;
}

void espalier_py_release(espalier_py_model *self)
{
    self->busy_count -= self->busy_count > 0 ? 1 : 0; /* 0: forked within the call */
}

/* ---- opening and closing ---- */

static void close_model(espalier_py_model *self)
{
    for (uint32_t i = 0; i < self->idle_count; i++) {
        espalier_predictor_destroy(self->idle[i].predictor);
    }
    self->idle_count = 0;
    for (size_t i = 0; i < sizeof self->one / sizeof self->one[0]; i++) {
        espalier_predictor_destroy(self->one[i]);
        self->one[i] = NULL;
    }
    if (!self->was_busy) {
        espalier_model_close(self->model);
    }
    self->model = NULL;
}

static void find_outputs(espalier_py_model *self)
{
    for (uint32_t kind = 1; kind < ESPALIER_PY_KINDS; kind++) {
        espalier_output_info info;
        if (espalier_model_output(self->model, (espalier_output_kind)kind, &info) == ESPALIER_OK) {
            self->outputs[kind] = info;
        }
    }
}

static PyObject *open_model(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    PyObject *path = NULL;
    unsigned long long flags = 0;
    unsigned long long visits_per_row_max = 0;
    unsigned long long predictor_flags = 0;
    if (!PyArg_ParseTuple(args, "O&KKK:_open", PyUnicode_FSConverter, &path, &flags,
                          &visits_per_row_max, &predictor_flags)) {
        return NULL;
    }
    /* What is kept of a model (names, labels, predictors) is kept of one. */
    if (self->was_opened) {
        Py_DECREF(path);
        PyErr_SetString(PyExc_ValueError, "the model is open, or was");
        return NULL;
    }
    self->was_opened = true; /* at once: another thread may come here while the file is opened */
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.visits_per_row_max = visits_per_row_max;
    espalier_model *model = NULL;
    espalier_error error = {0};
    espalier_status status = ESPALIER_OK;
    const char *const name = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS status = espalier_model_open(name, &options, &model, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (status != ESPALIER_OK) {
        self->was_opened = false;
        return espalier_py_raise(status, &error);
    }
    const espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    self->model = model;
    self->info = info;
    self->flags = predictor_flags;
    self->fork_count = fork_count;
    (void)espalier_model_info_get(model, &self->info);
    find_outputs(self);
    Py_RETURN_NONE;
}

/* _set_flags(predictor_flags): of the predictions from now on */
static PyObject *set_flags(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    unsigned long long flags = 0;
    if (!PyArg_ParseTuple(args, "K:_set_flags", &flags)) {
        return NULL;
    }
    self->flags = flags;
    Py_RETURN_NONE;
}

static PyObject *close_call(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    forget_parent(self);
    if (self->busy_count > 0) {
        PyErr_SetString(PyExc_RuntimeError, "the model is in use: another call has not returned");
        return NULL;
    }
    close_model(self);
    Py_RETURN_NONE;
}

static void free_model(PyObject *object)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    PyTypeObject *const type = Py_TYPE(object);
    close_model(self);
    Py_CLEAR(self->labels);
    Py_CLEAR(self->names);
    ESPALIER_PY_FREE(object, type);
}

static PyObject *verify_model(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    if (!espalier_py_hold(self)) {
        return NULL;
    }
    espalier_error error = {0};
    espalier_status status = ESPALIER_OK;
    Py_BEGIN_ALLOW_THREADS status = espalier_model_verify(self->model, &error);
    Py_END_ALLOW_THREADS espalier_py_release(self);
    if (status != ESPALIER_OK) {
        return espalier_py_raise(status, &error);
    }
    Py_RETURN_NONE;
}

/* ---- what it says of itself ---- */

/* Names and labels of a file that was not verified may be any bytes. */
static PyObject *make_text(const char *text, size_t bytes)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)bytes, "replace");
}

static PyObject *make_label(const espalier_label *label)
{
    switch (label->kind) {
    case ESPALIER_LABEL_INT:
        return PyLong_FromLongLong(label->integer);
    case ESPALIER_LABEL_UINT:
        return PyLong_FromUnsignedLongLong((unsigned long long)label->integer);
    case ESPALIER_LABEL_FLOAT:
        return PyFloat_FromDouble(label->real);
    case ESPALIER_LABEL_BOOL:
        return PyBool_FromLong(label->integer != 0);
    default:
        return make_text(label->text, label->text_bytes);
    }
}

/* The labels of one output as a tuple. */
static PyObject *make_labels(const espalier_model *model, uint32_t output_index)
{
    espalier_label_info info;
    if (espalier_model_labels(model, output_index, &info) != ESPALIER_OK) {
        return PyTuple_New(0);
    }
    PyObject *const labels = PyTuple_New((Py_ssize_t)info.count);
    for (uint32_t i = 0; labels != NULL && i < info.count; i++) {
        espalier_label label;
        const espalier_status status = espalier_model_class_label(model, output_index, i, &label);
        PyObject *const item = status == ESPALIER_OK ? make_label(&label) : NULL;
        if (item == NULL) {
            Py_DECREF(labels);
            return PyErr_Occurred() ? NULL : espalier_py_raise(status, NULL);
        }
        (void)PyTuple_SetItem(labels, (Py_ssize_t)i, item);
    }
    return labels;
}

/* Of all outputs: a tuple of tuples. */
static PyObject *make_all_labels(espalier_py_model *self)
{
    const uint32_t count = self->info.output_count;
    PyObject *const all = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; all != NULL && i < count; i++) {
        PyObject *const labels = make_labels(self->model, i);
        if (labels == NULL) {
            Py_DECREF(all);
            return NULL;
        }
        (void)PyTuple_SetItem(all, (Py_ssize_t)i, labels);
    }
    return all;
}

static PyObject *make_names(espalier_py_model *self)
{
    if (self->info.feature_count == 0 || espalier_model_feature_name(self->model, 0) == NULL) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    PyObject *const names = PyTuple_New((Py_ssize_t)self->info.feature_count);
    for (uint32_t i = 0; names != NULL && i < self->info.feature_count; i++) {
        const char *const text = espalier_model_feature_name(self->model, i);
        PyObject *name = make_text(text != NULL ? text : "", text != NULL ? strlen(text) : 0);
        if (name == NULL) {
            Py_DECREF(names);
            return NULL;
        }
        PyUnicode_InternInPlace(&name); /* as the keys of the rows that come will be */
        (void)PyTuple_SetItem(names, (Py_ssize_t)i, name);
    }
    return names;
}

/* What `make` gives is kept at *place. Making objects may run finalizers, which may close the model
 * or come here themselves; what was kept first stays. */
static PyObject *keep(espalier_py_model *self, PyObject **place,
                      PyObject *(*make)(espalier_py_model *))
{
    if (*place == NULL && espalier_py_hold(self)) {
        PyObject *const made = make(self);
        espalier_py_release(self);
        if (made == NULL || *place != NULL) {
            Py_XDECREF(made);
            return made == NULL ? NULL : *place;
        }
        *place = made;
    }
    return *place;
}

PyObject *espalier_py_labels(espalier_py_model *self)
{
    return keep(self, &self->labels, make_all_labels);
}

PyObject *espalier_py_names(espalier_py_model *self)
{
    return keep(self, &self->names, make_names);
}

const espalier_output_info *espalier_py_output(const espalier_py_model *self, unsigned long kind)
{
    if (kind >= ESPALIER_PY_KINDS || self->outputs[kind].kind == 0) {
        (void)espalier_py_raise(ESPALIER_ERROR_OUTPUT_KIND, NULL);
        return NULL;
    }
    return &self->outputs[kind];
}

static const char *find_cause(espalier_status status)
{
    switch (status) {
    case ESPALIER_ERROR_MISSING:
        return "a missing value (NaN), which the trainer refuses";
    case ESPALIER_ERROR_INFINITE:
        return "infinity, or beyond float32, which the trainer refuses";
    case ESPALIER_ERROR_DTYPE:
        return "a column of a type that this feature does not take";
    case ESPALIER_ERROR_ARGUMENT:
        return "a column whose offsets descend or leave its text";
    default:
        return espalier_status_message(status);
    }
}

/* A name for a message of one line: no control characters, and cut between characters of UTF-8. */
static void copy_name(const char *name, char shown[ESPALIER_PY_NAME_TEXT + 1])
{
    size_t bytes = strnlen(name, ESPALIER_PY_NAME_TEXT + 1);
    if (bytes > ESPALIER_PY_NAME_TEXT) {
        bytes = ESPALIER_PY_NAME_TEXT;
        while (bytes > 0 && ((unsigned char)name[bytes] & 0xC0u) == 0x80u) {
            bytes--;
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        shown[i] = (unsigned char)name[i] < ' ' || name[i] == '\x7f' ? '?' : name[i];
    }
    shown[bytes] = '\0';
}

void espalier_py_describe(const espalier_py_model *self, espalier_status status, size_t row,
                          size_t feature, char *text, size_t text_bytes)
{
    const char *const name = espalier_model_feature_name(self->model, (uint32_t)feature);
    char place[32] = "";
    char shown[ESPALIER_PY_NAME_TEXT + 1];
    if (row != ESPALIER_PY_NO_ROW) {
        (void)snprintf(place, sizeof place, "row %zu, ", row);
    }
    if (name != NULL) {
        copy_name(name, shown);
        (void)snprintf(text, text_bytes, "%sfeature %zu \"%s\": %s", place, feature, shown,
                       find_cause(status));
    } else {
        (void)snprintf(text, text_bytes, "%sfeature %zu: %s", place, feature, find_cause(status));
    }
}

static PyObject *get_names(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    PyObject *const names = espalier_py_is_open(self) ? espalier_py_names(self) : NULL;
    Py_XINCREF(names);
    return names;
}

/* _labels(output): (kind, item_bytes, labels), or None when there are none. */
static PyObject *get_labels(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    unsigned int output_index = 0;
    espalier_label_info info;
    if (!PyArg_ParseTuple(args, "I:_labels", &output_index) || !espalier_py_is_open(self)) {
        return NULL;
    }
    if (espalier_model_labels(self->model, output_index, &info) != ESPALIER_OK) {
        Py_RETURN_NONE;
    }
    PyObject *const all = espalier_py_labels(self);
    PyObject *const labels = all == NULL ? NULL : PyTuple_GetItem(all, (Py_ssize_t)output_index);
    return labels == NULL ? NULL : Py_BuildValue("(IIO)", info.kind, info.item_bytes, labels);
}

/* _takes_text(feature): of categories, or any since a pipeline drops it */
static PyObject *takes_text(PyObject *object, PyObject *args)
{
    const espalier_py_model *const self = (const espalier_py_model *)object;
    unsigned int feature = 0;
    double number = 0.0;
    if (!PyArg_ParseTuple(args, "I:_takes_text", &feature) || !espalier_py_is_open(self)) {
        return NULL;
    }
    return PyBool_FromLong(espalier_model_category_number(self->model, feature, "", 0, &number) !=
                           ESPALIER_ERROR_ARGUMENT);
}

static PyObject *make_categories(espalier_py_model *self, uint32_t feature)
{
    const uint32_t count = espalier_model_category_count(self->model, feature);
    if (count == 0) {
        Py_RETURN_NONE;
    }
    PyObject *const categories = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; categories != NULL && i < count; i++) {
        size_t bytes = 0;
        const char *const text = espalier_model_category(self->model, feature, i, &bytes);
        PyObject *const item = make_text(text != NULL ? text : "", text != NULL ? bytes : 0);
        if (item == NULL) {
            Py_DECREF(categories);
            return NULL;
        }
        (void)PyTuple_SetItem(categories, (Py_ssize_t)i, item);
    }
    return categories;
}

/* _categories(feature): a tuple of its categories of text, or None when it takes numbers only. */
static PyObject *get_categories(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    unsigned int feature = 0;
    if (!PyArg_ParseTuple(args, "I:_categories", &feature) || !espalier_py_hold(self)) {
        return NULL;
    }
    PyObject *const categories = make_categories(self, feature);
    espalier_py_release(self);
    return categories;
}

static PyObject *make_output(espalier_py_model *self, unsigned int kind)
{
    if (kind >= ESPALIER_PY_KINDS || self->outputs[kind].kind == 0) {
        Py_RETURN_NONE;
    }
    const espalier_output_info *const info = &self->outputs[kind];
    PyObject *const groups = PyTuple_New((Py_ssize_t)info->group_count);
    for (uint32_t i = 0; groups != NULL && i < info->group_count; i++) {
        size_t first = 0;
        size_t count = info->width;
        (void)espalier_model_output_group(self->model, (espalier_output_kind)kind, i, &first,
                                          &count);
        PyObject *const group = Py_BuildValue("(nn)", (Py_ssize_t)first, (Py_ssize_t)count);
        if (group == NULL) {
            Py_DECREF(groups);
            return NULL;
        }
        (void)PyTuple_SetItem(groups, (Py_ssize_t)i, group);
    }
    return groups == NULL ? NULL
                          : Py_BuildValue("(InN)", info->dtype, (Py_ssize_t)info->width, groups);
}

/* _output(kind): (dtype, width, ((first, count), ...)), or None when there is no such output. */
static PyObject *get_output(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    unsigned int kind = 0;
    if (!PyArg_ParseTuple(args, "I:_output", &kind) || !espalier_py_hold(self)) {
        return NULL;
    }
    PyObject *const output = make_output(self, kind);
    espalier_py_release(self);
    return output;
}

/* _trees(): of every tree (part, iteration) */
static PyObject *get_trees(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    if (!espalier_py_hold(self)) {
        return NULL;
    }
    PyObject *const trees = PyTuple_New((Py_ssize_t)self->info.tree_count);
    bool ok = trees != NULL;
    for (uint32_t i = 0; ok && i < self->info.tree_count; i++) {
        espalier_tree_info info = {0};
        (void)espalier_model_tree(self->model, i, &info);
        PyObject *const tree = Py_BuildValue("(II)", info.part_index, info.iteration);
        ok = tree != NULL && PyTuple_SetItem(trees, (Py_ssize_t)i, tree) == 0;
    }
    espalier_py_release(self);
    if (!ok) {
        Py_XDECREF(trees);
        return NULL;
    }
    return trees;
}

static PyObject *get_info(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    if (!espalier_py_is_open(self)) {
        return NULL;
    }
    const espalier_model_info *const info = &self->info;
    return Py_BuildValue("{sK sK sK sK sK s(II) sI sI sI sI sI sI sI sI sI sI sI sI sI sK sy#}",
                         "file_bytes", (unsigned long long)info->file_bytes, "mapped_bytes",
                         (unsigned long long)info->mapped_bytes, "node_count",
                         (unsigned long long)info->node_count, "leaf_count",
                         (unsigned long long)info->leaf_count, "visits_per_row",
                         (unsigned long long)info->visits_per_row, "format", info->format_major,
                         info->format_minor, "feature_count", info->feature_count, "value_count",
                         espalier_model_value_count(self->model), "column_count",
                         info->column_count, "tree_count", info->tree_count, "part_count",
                         info->part_count, "depth_max", info->depth_max, "output_count",
                         info->output_count, "default_output", info->default_output,
                         "missing_allowed", info->missing_allowed, "infinite_allowed",
                         info->infinite_allowed, "mapping", info->mapping, "iteration_count",
                         info->iteration_count, "input_dtype", info->input_dtype, "huge_bytes",
                         (unsigned long long)info->huge_bytes, "root_digest",
                         (const char *)info->root_digest, (Py_ssize_t)sizeof info->root_digest);
}

static PyObject *get_metadata(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    const char *text = NULL;
    size_t bytes = 0;
    if (!espalier_py_is_open(self)) {
        return NULL;
    }
    const espalier_status status = espalier_model_metadata(self->model, &text, &bytes);
    return status == ESPALIER_OK ? PyBytes_FromStringAndSize(text, (Py_ssize_t)bytes)
                                 : espalier_py_raise(status, NULL);
}

static PyObject *get_proof(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    espalier_proof proof;
    if (!espalier_py_is_open(self)) {
        return NULL;
    }
    const espalier_status status = espalier_model_proof(self->model, &proof);
    if (status != ESPALIER_OK) {
        return espalier_py_raise(status, NULL);
    }
    return Py_BuildValue("{sK sK sK sK sK sK sK}", "rows_compared", proof.rows_compared,
                         "values_compared", proof.values_compared, "leaves_compared",
                         proof.leaves_compared, "check_rows", proof.check_rows, "check_values",
                         proof.check_values, "check_differing", proof.check_differing,
                         "check_ulp_max", proof.check_ulp_max);
}

static PyObject *get_kernel(PyObject *object, PyObject *unused)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    (void)unused;
    if (!espalier_py_is_open(self)) {
        return NULL;
    }
    espalier_predictor *predictor = NULL;
    const espalier_status status = espalier_predictor_create(self->model, NULL, &predictor);
    if (status != ESPALIER_OK) {
        return espalier_py_raise(status, NULL);
    }
    PyObject *const name = PyUnicode_FromString(espalier_predictor_kernel(predictor));
    espalier_predictor_destroy(predictor);
    return name;
}

static PyObject *get_closed(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((espalier_py_model *)object)->model == NULL);
}

/* ---- the type ---- */

static PyMethodDef model_methods[] = {
    {"_open", open_model, METH_VARARGS,
     "_open(path, open_flags, visits_per_row_max, predictor_flags)"},
    {"_set_flags", set_flags, METH_VARARGS,
     "_set_flags(predictor_flags): of predict_one, from now on"},
    {"_info", get_info, METH_NOARGS, "_info(): what the C interface's info says, as a dict"},
    {"_output", get_output, METH_VARARGS, "_output(kind): (dtype, width, groups) or None"},
    {"_labels", get_labels, METH_VARARGS, "_labels(output): (kind, item_bytes, labels) or None"},
    {"_names", get_names, METH_NOARGS, "_names(): the features' names, a tuple or None"},
    {"_takes_text", takes_text, METH_VARARGS, "_takes_text(feature)"},
    {"_categories", get_categories, METH_VARARGS, "_categories(feature): a tuple of str, or None"},
    {"_category_number", espalier_py_category_number, METH_VARARGS,
     "_category_number(feature, text): the number that stands for the text in rows"},
    {"_trees", get_trees, METH_NOARGS, "_trees(): of every tree (part, iteration)"},
    {"_metadata", get_metadata, METH_NOARGS, "_metadata(): the JSON text, as bytes"},
    {"_proof", get_proof, METH_NOARGS, "_proof(): what was compared before the file was published"},
    {"_kernel", get_kernel, METH_NOARGS, "_kernel(): what predicts on this machine"},
    {"_run", espalier_py_run, METH_VARARGS, espalier_py_run_doc},
    {"predict_one", (PyCFunction)(void (*)(void))espalier_py_predict_one,
     METH_FASTCALL | METH_KEYWORDS, espalier_py_predict_one_doc},
    {"verify", verify_model, METH_NOARGS,
     "verify($self, /)\n--\n\n"
     "Read the whole file and check that its bytes are the right ones: checksums, every index,\n"
     "and that the rows with known answers are reproduced. Raises `FormatError` if not."},
    {"close", close_call, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Unmap the file. Later calls raise ValueError; closing twice does nothing."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef model_members[] = {
    {"closed", get_closed, NULL, "Whether the model is closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot model_slots[] = {
    {Py_tp_dealloc, ESPALIER_PY_SLOT(free_model)},
    {Py_tp_methods, model_methods},
    {Py_tp_getset, model_members},
    {Py_tp_doc, (void *)"An open model; espalier.Model derives from it."},
    {0, NULL},
};

static PyType_Spec model_spec = {
    .name = ESPALIER_PY_MODEL,
    .basicsize = (int)sizeof(espalier_py_model),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = model_slots,
};

PyObject *espalier_py_model_type(PyObject *module)
{
    return PyType_FromModuleAndSpec(module, &model_spec, NULL);
}
