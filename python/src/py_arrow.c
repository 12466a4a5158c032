// SPDX-License-Identifier: Apache-2.0
/*
 * Tables from the Arrow PyCapsule interface: __arrow_c_stream__ and __arrow_c_array__. Arrow's two
 * structs and its stream are part of its specification, and are repeated here; nothing of Arrow is
 * linked. What a producer says is checked where it is used.
 */
#include "py_core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_FIRST 8u

/* Names and members as the Arrow C data interface has them. */
struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

void espalier_py_arrays_release(void *arrays, size_t count)
{
    struct ArrowArray *const all = arrays;
    for (size_t i = 0; all != NULL && i < count; i++) {
        if (all[i].release != NULL) {
            all[i].release(&all[i]);
        }
    }
}

/* ---- schemas ---- */

/* The dtype of a format and the bytes of its items (bits: 0); 0: none that is taken. */
static uint32_t find_format(const struct ArrowSchema *schema, size_t *bytes_out)
{
    static const struct {
        char letter;
        uint8_t bytes;
        uint32_t dtype;
    } formats[] = {
        {'f', 4, ESPALIER_DTYPE_FLOAT32},  {'g', 8, ESPALIER_DTYPE_FLOAT64},
        {'c', 1, ESPALIER_DTYPE_INT8},     {'s', 2, ESPALIER_DTYPE_INT16},
        {'i', 4, ESPALIER_DTYPE_INT32},    {'l', 8, ESPALIER_DTYPE_INT64},
        {'C', 1, ESPALIER_DTYPE_UINT8},    {'S', 2, ESPALIER_DTYPE_UINT16},
        {'I', 4, ESPALIER_DTYPE_UINT32},   {'L', 8, ESPALIER_DTYPE_UINT64},
        {'b', 0, ESPALIER_DTYPE_BOOL_BIT},
    };
    if (schema->dictionary == NULL && strlen(schema->format) == 1) {
        for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
            if (schema->format[0] == formats[i].letter) {
                *bytes_out = formats[i].bytes;
                return formats[i].dtype;
            }
        }
    }
    return 0;
}

/* Of a table: a struct with a child a column. */
static bool check_schema(const struct ArrowSchema *schema)
{
    if (schema->format == NULL || strcmp(schema->format, "+s") != 0 || schema->n_children < 0) {
        PyErr_Format(PyExc_TypeError, "Arrow data of format '%s' are no table of columns",
                     schema->format != NULL ? schema->format : "");
        return false;
    }
    return true;
}

/* A tuple of the columns' names, or of what they are. */
static PyObject *make_texts(const struct ArrowSchema *schema, bool is_format)
{
    PyObject *const texts = PyTuple_New((Py_ssize_t)schema->n_children);
    for (int64_t i = 0; texts != NULL && i < schema->n_children; i++) {
        const struct ArrowSchema *const child = schema->children[i];
        const char *const kind = child->dictionary != NULL ? "dictionary" : child->format;
        const char *const text = is_format ? kind : child->name;
        PyObject *const item =
            PyUnicode_DecodeUTF8(text != NULL ? text : "",
                                 text != NULL ? (Py_ssize_t)strlen(text) : 0, "replace");
        if (item == NULL) {
            Py_DECREF(texts);
            return NULL;
        }
        (void)PyTuple_SetItem(texts, (Py_ssize_t)i, item);
    }
    return texts;
}

/* ---- batches ---- */

static bool fail_array(const struct ArrowSchema *schema, const char *cause)
{
    PyErr_Format(PyExc_ValueError, "Arrow column \"%s\": %s",
                 schema->name != NULL ? schema->name : "", cause);
    return false;
}

/* One child of one batch. The rows are those of the batch, which has an offset of its own. */
static bool take_child(const struct ArrowSchema *schema, const struct ArrowArray *batch,
                       const struct ArrowArray *child, espalier_feature_column *column)
{
    static const float missing_value = NAN;
    if (strcmp(schema->format, "n") == 0) {
        *column =
            (espalier_feature_column){.data = &missing_value, .dtype = ESPALIER_DTYPE_FLOAT32};
        return true; /* nothing but nulls, and no buffers */
    }
    size_t item_bytes = 0;
    const uint32_t dtype = find_format(schema, &item_bytes);
    if (dtype == 0) {
        return true; /* refused when it is asked for */
    }
    if (child->offset < 0 || batch->offset < 0 || child->length < batch->length + batch->offset) {
        return fail_array(schema, "fewer values than rows");
    }
    if (child->n_buffers != 2 || (child->buffers[1] == NULL && batch->length > 0)) {
        return fail_array(schema, "no values");
    }
    const size_t offset = (size_t)(child->offset + batch->offset);
    *column =
        (espalier_feature_column){.data =
                                      child->buffers[1] == NULL
                                          ? NULL
                                          : (const char *)child->buffers[1] + offset * item_bytes,
                                  .validity = child->null_count != 0 ? child->buffers[0] : NULL,
                                  .bit_offset = offset,
                                  .stride = 1,
                                  .dtype = dtype};
    return true;
}

static bool take_batches(espalier_py_table *self, const struct ArrowSchema *schema)
{
    const struct ArrowArray *const arrays = self->arrays;
    for (size_t i = 0; i < self->batch_count; i++) {
        const struct ArrowArray *const array = &arrays[i];
        if (array->length < 0 || array->n_children != schema->n_children) {
            return fail_array(schema, "a batch of another shape than its schema");
        }
        if (array->null_count > 0) {
            return fail_array(schema, "whole rows are missing");
        }
        self->batches[i].row_count = (size_t)array->length;
        self->row_count += (size_t)array->length;
        for (int64_t child = 0; child < schema->n_children; child++) {
            if (!take_child(schema->children[child], array, array->children[child],
                            &self->batches[i].columns[child])) {
                return false;
            }
        }
    }
    return true;
}

/* The table takes the arrays, on failure too. */
static PyObject *make_table(PyObject *module, const struct ArrowSchema *schema,
                            struct ArrowArray *arrays, size_t count)
{
    const espalier_py_state *const state = PyModule_GetState(module);
    espalier_py_table *const self =
        check_schema(schema)
            ? espalier_py_table_new(state->table_type, count, (size_t)schema->n_children)
            : NULL;
    if (self == NULL) {
        espalier_py_arrays_release(arrays, count);
        free(arrays);
        return NULL;
    }
    self->arrays = arrays;
    self->names = make_texts(schema, false);
    self->formats = self->names == NULL ? NULL : make_texts(schema, true);
    if (self->formats == NULL || !take_batches(self, schema)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- capsules ---- */

static bool fail_stream(struct ArrowArrayStream *stream, const char *what)
{
    const char *const cause = stream->get_last_error(stream);
    PyErr_Format(PyExc_RuntimeError, "Arrow stream: no %s: %s", what,
                 cause != NULL ? cause : "no reason given");
    return false;
}

/* All batches of a stream, which Python code may produce. */
static bool read_stream(struct ArrowArrayStream *stream, struct ArrowArray **arrays_out,
                        size_t *count_out)
{
    struct ArrowArray *arrays = NULL;
    size_t room = 0;
    size_t count = 0;
    for (;;) {
        if (count == room) {
            room = room == 0 ? BATCHES_FIRST : room * 2;
            struct ArrowArray *const more = realloc(arrays, room * sizeof *arrays);
            if (more == NULL) {
                PyErr_NoMemory();
                break;
            }
            arrays = more;
        }
        memset(&arrays[count], 0, sizeof arrays[count]);
        if (stream->get_next(stream, &arrays[count]) != 0) {
            (void)fail_stream(stream, "next batch");
            break;
        }
        if (arrays[count].release == NULL) {
            *arrays_out = arrays;
            *count_out = count;
            return true;
        }
        count++;
    }
    espalier_py_arrays_release(arrays, count);
    free(arrays);
    return false;
}

PyObject *espalier_py_table_from_stream(PyObject *module, PyObject *capsule)
{
    struct ArrowArrayStream *const stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream == NULL) {
        return NULL;
    }
    if (stream->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the Arrow stream was read before");
        return NULL;
    }
    struct ArrowSchema schema = {0};
    struct ArrowArray *arrays = NULL;
    size_t count = 0;
    if (stream->get_schema(stream, &schema) != 0) {
        (void)fail_stream(stream, "schema");
        return NULL;
    }
    PyObject *const table =
        read_stream(stream, &arrays, &count) ? make_table(module, &schema, arrays, count) : NULL;
    if (schema.release != NULL) {
        schema.release(&schema);
    }
    return table;
}

PyObject *espalier_py_table_from_array(PyObject *module, PyObject *args)
{
    PyObject *schema_capsule = NULL;
    PyObject *array_capsule = NULL;
    if (!PyArg_ParseTuple(args, "OO:table_from_array", &schema_capsule, &array_capsule)) {
        return NULL;
    }
    const struct ArrowSchema *const schema = PyCapsule_GetPointer(schema_capsule, "arrow_schema");
    struct ArrowArray *const source =
        schema == NULL ? NULL : PyCapsule_GetPointer(array_capsule, "arrow_array");
    if (source == NULL) {
        return NULL;
    }
    if (schema->release == NULL || source->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the Arrow array was taken before");
        return NULL;
    }
    struct ArrowArray *const arrays = malloc(sizeof *arrays);
    if (arrays == NULL) {
        return PyErr_NoMemory();
    }
    *arrays = *source;
    source->release = NULL; /* moved */
    return make_table(module, schema, arrays, 1);
}
