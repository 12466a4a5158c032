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

#define BATCHES_FIRST   8u
#define FORMAT_VIEW     "vu" /* strings, each where it lies or in its view */
#define VIEW_BYTES      16u  /* int32 length, then the text or where it is */
#define VIEW_TEXT_BYTES 12   /* of text that fits into its view */
#define FORMAT_HALF     "e"  /* float16 */
#define HALF_BYTES      2u

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

/* The dtype of a format and the bytes of its items (bits: 0); 0: none that is taken. Views of
 * strings become offsets, and float16 becomes float32. */
static uint32_t find_format(const char *format, size_t *bytes_out)
{
    static const struct {
        char text[3];
        uint8_t bytes;
        uint8_t dtype;
    } formats[] = {
        {"f", 4, ESPALIER_DTYPE_FLOAT32},
        {"g", 8, ESPALIER_DTYPE_FLOAT64},
        {"c", 1, ESPALIER_DTYPE_INT8},
        {"s", 2, ESPALIER_DTYPE_INT16},
        {"i", 4, ESPALIER_DTYPE_INT32},
        {"l", 8, ESPALIER_DTYPE_INT64},
        {"C", 1, ESPALIER_DTYPE_UINT8},
        {"S", 2, ESPALIER_DTYPE_UINT16},
        {"I", 4, ESPALIER_DTYPE_UINT32},
        {"L", 8, ESPALIER_DTYPE_UINT64},
        {"b", 0, ESPALIER_DTYPE_BOOL_BIT},
        {"u", 4, ESPALIER_DTYPE_STRING32},
        {"U", 8, ESPALIER_DTYPE_STRING64},
        {FORMAT_VIEW, VIEW_BYTES, ESPALIER_DTYPE_STRING64},
        {FORMAT_HALF, HALF_BYTES, ESPALIER_DTYPE_FLOAT32},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(format, formats[i].text) == 0) {
            *bytes_out = formats[i].bytes;
            return formats[i].dtype;
        }
    }
    return 0;
}

static bool has_format(const struct ArrowSchema *child)
{
    return child != NULL && child->format != NULL &&
           (child->dictionary == NULL || child->dictionary->format != NULL);
}

/* Of a table: a struct with a child a column. */
static bool check_schema(const struct ArrowSchema *schema)
{
    if (schema->format == NULL || strcmp(schema->format, "+s") != 0 || schema->n_children < 0 ||
        (schema->n_children > 0 && schema->children == NULL)) {
        PyErr_Format(PyExc_TypeError, "Arrow data of format '%s' are no table of columns",
                     schema->format != NULL ? schema->format : "");
        return false;
    }
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (!has_format(schema->children[i])) {
            PyErr_Format(PyExc_ValueError, "Arrow column %lld has no format", (long long)i);
            return false;
        }
    }
    return true;
}

/* A column's name, or its format: of a dictionary "dictionary:" and the format of its values. */
static PyObject *make_text(const struct ArrowSchema *child, bool is_format)
{
    const char *const text = is_format ? child->format : child->name;
    if (is_format && child->dictionary != NULL) {
        return PyUnicode_FromFormat("dictionary:%s", child->dictionary->dictionary != NULL
                                                         ? ""
                                                         : child->dictionary->format);
    }
    return PyUnicode_DecodeUTF8(text != NULL ? text : "",
                                text != NULL ? (Py_ssize_t)strlen(text) : 0, "replace");
}

/* A tuple of such. */
static PyObject *make_texts(const struct ArrowSchema *schema, bool is_format)
{
    PyObject *const texts = PyTuple_New((Py_ssize_t)schema->n_children);
    for (int64_t i = 0; texts != NULL && i < schema->n_children; i++) {
        PyObject *const item = make_text(schema->children[i], is_format);
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

/* The text that offsets lead to; how long it is, the last offset says. */
static bool find_text(const struct ArrowSchema *schema, const struct ArrowArray *array,
                      size_t count, espalier_feature_column *column)
{
    const char *const offsets = column->data;
    int64_t end = 0;
    int32_t narrow = 0;
    if (count > 0 && column->dtype == ESPALIER_DTYPE_STRING64) {
        memcpy(&end, offsets + count * sizeof end, sizeof end);
    } else if (count > 0) {
        memcpy(&narrow, offsets + count * sizeof narrow, sizeof narrow);
        end = narrow;
    }
    if (end < 0 || (end > 0 && array->buffers[2] == NULL)) {
        return fail_array(schema, "offsets without a text");
    }
    column->text = array->buffers[2];
    column->text_bytes = (size_t)end;
    return true;
}

/* Where the text of a view is; NULL: nowhere. */
static const char *find_view(const struct ArrowArray *array, const char *view, size_t *bytes_out)
{
    int32_t length = 0;
    int32_t place[2] = {0, 0}; /* the buffer, and the offset there */
    int64_t buffer_bytes = 0;
    memcpy(&length, view, sizeof length);
    if (length <= VIEW_TEXT_BYTES) {
        *bytes_out = (size_t)length;
        return length < 0 ? NULL : view + sizeof length;
    }
    const char *const lengths = array->buffers[array->n_buffers - 1];
    memcpy(place, view + VIEW_BYTES - sizeof place, sizeof place);
    if (place[0] < 0 || place[0] >= array->n_buffers - 3 || place[1] < 0 || lengths == NULL) {
        return NULL;
    }
    memcpy(&buffer_bytes, lengths + (size_t)place[0] * sizeof buffer_bytes, sizeof buffer_bytes);
    const char *const text = array->buffers[2 + place[0]];
    *bytes_out = (size_t)length;
    return text == NULL || (int64_t)place[1] + length > buffer_bytes ? NULL : text + place[1];
}

/* The text of row `row`, none where it is missing; NULL: a view that leads nowhere. */
static const char *read_view(const struct ArrowArray *array, const espalier_feature_column *column,
                             size_t row, size_t *bytes_out)
{
    const size_t bit = column->bit_offset + row;
    if (column->validity != NULL && (column->validity[bit / 8] >> (bit % 8) & 1u) == 0) {
        *bytes_out = 0;
        return "";
    }
    return find_view(array, (const char *)column->data + row * VIEW_BYTES, bytes_out);
}

/* Views become offsets and a text of their own. */
static bool copy_views(espalier_py_table *self, const struct ArrowSchema *schema,
                       const struct ArrowArray *array, size_t count,
                       espalier_feature_column *column)
{
    int64_t *const offsets = espalier_py_table_keep(self, (count + 1) * sizeof *offsets);
    size_t bytes = 0;
    if (offsets == NULL) {
        return false;
    }
    for (size_t r = 0; r < count; r++) {
        if (read_view(array, column, r, &bytes) == NULL) {
            return fail_array(schema, "a view of text that is not there");
        }
        offsets[r + 1] = offsets[r] + (int64_t)bytes;
    }
    char *const text = espalier_py_table_keep(self, (size_t)offsets[count]);
    for (size_t r = 0; text != NULL && r < count; r++) {
        const char *const from = read_view(array, column, r, &bytes);
        if (from == NULL || (int64_t)bytes != offsets[r + 1] - offsets[r]) {
            return fail_array(schema, "views that change while they are read");
        }
        memcpy(text + offsets[r], from, bytes);
    }
    column->data = offsets;
    column->text = text;
    column->text_bytes = (size_t)offsets[count];
    return text != NULL;
}

/* float16 (IEEE 754's binary16) as the same number in float32. */
static float widen_half(uint16_t half)
{
    const int exponent = half >> 10 & 0x1F;
    const int fraction = half & 0x3FF;
    const float size = exponent == 0x1F ? (fraction != 0 ? NAN : INFINITY)
                       : exponent == 0  ? ldexpf((float)fraction, -24)
                                        : ldexpf((float)(fraction | 0x400), exponent - 25);
    return half >> 15 != 0 ? -size : size;
}

static bool copy_halves(espalier_py_table *self, size_t count, espalier_feature_column *column)
{
    float *const numbers = espalier_py_table_keep(self, count * sizeof *numbers);
    for (size_t r = 0; numbers != NULL && r < count; r++) {
        uint16_t half = 0;
        memcpy(&half, (const char *)column->data + r * HALF_BYTES, sizeof half);
        numbers[r] = widen_half(half);
    }
    column->data = numbers;
    return numbers != NULL;
}

/* `count` values from an offset on, numbers or text; dtype 0 where the format is not taken. */
static bool take_values(espalier_py_table *self, const struct ArrowSchema *schema,
                        const struct ArrowArray *array, size_t offset, size_t count,
                        espalier_feature_column *column)
{
    size_t item_bytes = 0;
    const uint32_t dtype = find_format(schema->format, &item_bytes);
    const bool is_view = item_bytes == VIEW_BYTES;
    const bool is_text = dtype == ESPALIER_DTYPE_STRING32 || dtype == ESPALIER_DTYPE_STRING64;
    if (dtype == 0) {
        return true; /* refused when it is asked for */
    }
    if ((is_view ? array->n_buffers < 3 : array->n_buffers != (is_text ? 3 : 2)) ||
        (array->buffers[1] == NULL && count > 0)) {
        return fail_array(schema, "no values");
    }
    *column =
        (espalier_feature_column){.data =
                                      array->buffers[1] == NULL
                                          ? NULL
                                          : (const char *)array->buffers[1] + offset * item_bytes,
                                  .validity = array->null_count != 0 ? array->buffers[0] : NULL,
                                  .bit_offset = offset,
                                  .stride = 1,
                                  .dtype = dtype};
    return is_view   ? copy_views(self, schema, array, count, column)
           : is_text ? find_text(schema, array, count, column)
           : strcmp(schema->format, FORMAT_HALF) == 0 ? copy_halves(self, count, column)
                                                      : true;
}

/* What a column of integers numbers. */
static bool take_dictionary(espalier_py_table *self, const struct ArrowSchema *schema,
                            const struct ArrowArray *child, espalier_feature_column *column,
                            espalier_feature_column *dictionary)
{
    const struct ArrowArray *const values = child->dictionary;
    if (values == NULL || values->length < 0 || values->offset < 0) {
        return fail_array(schema, "no dictionary");
    }
    if (schema->dictionary->dictionary == NULL &&
        !take_values(self, schema->dictionary, values, (size_t)values->offset,
                     (size_t)values->length, dictionary)) {
        return false;
    }
    column->dtype = dictionary->dtype != 0 ? column->dtype : 0;
    column->dictionary = dictionary;
    column->dictionary_count = (size_t)values->length;
    return true;
}

/* One child of one batch. The rows are those of the batch, which has an offset of its own. */
static bool take_child(espalier_py_table *self, const struct ArrowSchema *schema,
                       const struct ArrowArray *batch, const struct ArrowArray *child,
                       espalier_feature_column *column, espalier_feature_column *dictionary)
{
    static const float missing_value = NAN;
    if (strcmp(schema->format, "n") == 0) {
        *column =
            (espalier_feature_column){.data = &missing_value, .dtype = ESPALIER_DTYPE_FLOAT32};
        return true; /* nothing but nulls, and no buffers */
    }
    if (child->offset < 0 || batch->offset < 0 || child->length < batch->offset ||
        child->length - batch->offset < batch->length) {
        return fail_array(schema, "fewer values than rows");
    }
    return take_values(self, schema, child, (size_t)(child->offset + batch->offset),
                       (size_t)batch->length, column) &&
           (schema->dictionary == NULL || column->dtype == 0 ||
            take_dictionary(self, schema, child, column, dictionary));
}

/* Whether a batch lacks whole rows. Its producer need not have counted them (null_count -1). */
static bool lacks_rows(const struct ArrowArray *array)
{
    const uint8_t *const validity =
        array->null_count != 0 && array->n_buffers > 0 ? array->buffers[0] : NULL;
    return array->null_count > 0 ||
           espalier_py_lacks(validity, (size_t)array->offset, (size_t)array->length);
}

static bool take_batches(espalier_py_table *self, const struct ArrowSchema *schema)
{
    const struct ArrowArray *const arrays = self->arrays;
    for (size_t i = 0; i < self->batch_count; i++) {
        const struct ArrowArray *const array = &arrays[i];
        if (array->length < 0 || array->offset < 0 || array->n_children != schema->n_children) {
            return fail_array(schema, "a batch of another shape than its schema");
        }
        if (lacks_rows(array)) {
            return fail_array(schema, "whole rows are missing");
        }
        self->batches[i].row_count = (size_t)array->length;
        self->row_count += (size_t)array->length;
        for (int64_t child = 0; child < schema->n_children; child++) {
            if (!take_child(self, schema->children[child], array, array->children[child],
                            &self->batches[i].columns[child],
                            &self->batches[i].dictionaries[child])) {
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
