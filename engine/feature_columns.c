// SPDX-License-Identifier: Apache-2.0
/*
 * See feature_columns.h. A loop for each dtype that columns come in, times the two that rows have;
 * elements need not be aligned, so they are copied out, and compilers make loads of that.
 */
#include "engine/feature_columns.h"

#include "engine/category_lists.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Reads `count` elements, `step` bytes apart. */
typedef void load_function(const uint8_t *data, ptrdiff_t step, size_t count, void *values);

#define LOADER(name, type, number)                                                           \
    static void load_##name##_as_##number(const uint8_t *data, ptrdiff_t step, size_t count, \
                                          void *values)                                      \
    {                                                                                        \
        for (size_t r = 0; r < count; r++) {                                                 \
            type element;                                                                    \
            memcpy(&element, data + (ptrdiff_t)r * step, sizeof element);                    \
            const number value = (number)element;                                            \
            memcpy((uint8_t *)values + r * sizeof value, &value, sizeof value);              \
        }                                                                                    \
    }
#define LOADERS(name, type)   \
    LOADER(name, type, float) \
    LOADER(name, type, double)

LOADERS(float32, float)
LOADERS(float64, double)
LOADERS(int8, int8_t)
LOADERS(int16, int16_t)
LOADERS(int32, int32_t)
LOADERS(int64, int64_t)
LOADERS(uint8, uint8_t)
LOADERS(uint16, uint16_t)
LOADERS(uint32, uint32_t)
LOADERS(uint64, uint64_t)

static void load_bool_as_float(const uint8_t *data, ptrdiff_t step, size_t count, void *values)
{
    float *const to = values;
    for (size_t r = 0; r < count; r++) {
        to[r] = data[(ptrdiff_t)r * step] != 0 ? 1.0f : 0.0f;
    }
}

static void load_bool_as_double(const uint8_t *data, ptrdiff_t step, size_t count, void *values)
{
    double *const to = values;
    for (size_t r = 0; r < count; r++) {
        to[r] = data[(ptrdiff_t)r * step] != 0 ? 1.0 : 0.0;
    }
}

/* What a dtype is. */
typedef struct dtype_facts {
    uint8_t bytes;   /* of an element; BOOL_BIT: 0 */
    bool is_integer; /* may number a dictionary */
    bool is_narrow;  /* with float32 numbers, NumPy makes float32 of it */
    load_function *load_float;
    load_function *load_double;
} dtype_facts;

#define LOADS(name) load_##name##_as_float, load_##name##_as_double

/* NULL: there is no such dtype, or it is none of numbers. */
static const dtype_facts *facts_of(uint32_t dtype)
{
    static const dtype_facts all[] = {
        [ESPALIER_DTYPE_FLOAT32] = {4, false, true, LOADS(float32)},
        [ESPALIER_DTYPE_FLOAT64] = {8, false, false, LOADS(float64)},
        [ESPALIER_DTYPE_INT8] = {1, true, true, LOADS(int8)},
        [ESPALIER_DTYPE_INT16] = {2, true, true, LOADS(int16)},
        [ESPALIER_DTYPE_INT32] = {4, true, false, LOADS(int32)},
        [ESPALIER_DTYPE_INT64] = {8, true, false, LOADS(int64)},
        [ESPALIER_DTYPE_UINT8] = {1, true, true, LOADS(uint8)},
        [ESPALIER_DTYPE_UINT16] = {2, true, true, LOADS(uint16)},
        [ESPALIER_DTYPE_UINT32] = {4, true, false, LOADS(uint32)},
        [ESPALIER_DTYPE_UINT64] = {8, true, false, LOADS(uint64)},
        [ESPALIER_DTYPE_BOOL] = {1, false, true, LOADS(bool)},
        [ESPALIER_DTYPE_BOOL_BIT] = {0, false, true, NULL, NULL},
    };
    return dtype >= ESPALIER_DTYPE_FLOAT32 && dtype < sizeof all / sizeof all[0] ? &all[dtype]
                                                                                 : NULL;
}

static inline bool bit_of(const uint8_t *bits, size_t index)
{
    return (bits[index / 8] >> (index % 8) & 1u) != 0;
}

static bool is_string(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_STRING32 || dtype == ESPALIER_DTYPE_STRING64;
}

/* A string's place in the text; false: it has none. */
static bool find_string(const espalier_feature_column *column, size_t row, size_t *begin_out,
                        size_t *end_out)
{
    const bool wide = column->dtype == ESPALIER_DTYPE_STRING64;
    const size_t bytes = wide ? sizeof(int64_t) : sizeof(int32_t);
    const uint8_t *const offsets =
        (const uint8_t *)column->data + (ptrdiff_t)row * column->stride * (ptrdiff_t)bytes;
    int64_t ends[2] = {0, 0};
    int32_t narrow[2] = {0, 0};
    memcpy(wide ? (void *)ends : (void *)narrow, offsets, 2 * bytes);
    const int64_t begin = wide ? ends[0] : narrow[0];
    const int64_t end = wide ? ends[1] : narrow[1];
    *begin_out = (size_t)begin;
    *end_out = (size_t)end;
    return begin >= 0 && begin <= end && (uint64_t)end <= column->text_bytes;
}

/* ---- checking ---- */

/* Whether `count` elements of so many bytes, behind whose last `more` are read, are addresses;
 * without any, data may be NULL. */
static espalier_status check_span(const void *data, size_t count, ptrdiff_t stride, size_t bytes,
                                  size_t more)
{
    ptrdiff_t step = 0;
    ptrdiff_t span = 0;
    uintptr_t end = 0;
    if (count == 0) {
        return ESPALIER_OK;
    }
    if (data == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (count > (size_t)PTRDIFF_MAX || __builtin_mul_overflow(stride, (ptrdiff_t)bytes, &step) ||
        __builtin_mul_overflow((ptrdiff_t)count - 1, step, &span)) {
        return ESPALIER_ERROR_STRIDE;
    }
    const uintptr_t first = (uintptr_t)data;
    const bool fits = span < 0
                          ? (uintptr_t)0 - (uintptr_t)span <= first
                          : !__builtin_add_overflow(first, (uintptr_t)span + bytes + more, &end);
    return fits ? ESPALIER_OK : ESPALIER_ERROR_STRIDE;
}

static espalier_status check_strings(const espalier_feature_column *column, size_t count)
{
    const size_t bytes =
        column->dtype == ESPALIER_DTYPE_STRING64 ? sizeof(int64_t) : sizeof(int32_t);
    const espalier_status status = check_span(column->data, count, column->stride, bytes, bytes);
    if (status != ESPALIER_OK || (column->text == NULL && column->text_bytes > 0)) {
        return status != ESPALIER_OK ? status : ESPALIER_ERROR_ARGUMENT;
    }
    bool there = true;
    for (size_t r = 0; r < count && there; r++) {
        size_t begin = 0;
        size_t end = 0;
        there = find_string(column, r, &begin, &end);
    }
    return there ? ESPALIER_OK : ESPALIER_ERROR_ARGUMENT;
}

/* Values by themselves, no dictionary looked at. */
static espalier_status check_values(const espalier_feature_column *column, size_t count,
                                    bool strings)
{
    const dtype_facts *const facts = facts_of(column->dtype);
    if (column->reserved != 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (facts == NULL && !(strings && is_string(column->dtype))) {
        return ESPALIER_ERROR_DTYPE;
    }
    if (column->bit_offset > SIZE_MAX - count) {
        return ESPALIER_ERROR_STRIDE;
    }
    if (facts == NULL) {
        return check_strings(column, count);
    }
    if (column->dtype == ESPALIER_DTYPE_BOOL_BIT) {
        return column->stride != 1                 ? ESPALIER_ERROR_STRIDE
               : column->data == NULL && count > 0 ? ESPALIER_ERROR_ARGUMENT
                                                   : ESPALIER_OK;
    }
    return check_span(column->data, count, column->stride, facts->bytes, 0);
}

static espalier_status check_dictionary(const espalier_feature_column *column, bool strings)
{
    const espalier_feature_column *const dictionary = column->dictionary;
    const dtype_facts *const facts = facts_of(column->dtype);
    if (dictionary == NULL) {
        return column->dictionary_count == 0 ? ESPALIER_OK : ESPALIER_ERROR_ARGUMENT;
    }
    if (dictionary->dictionary != NULL || dictionary->dictionary_count != 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (facts == NULL || !facts->is_integer) {
        return ESPALIER_ERROR_DTYPE;
    }
    if (dictionary->stride != 1) {
        return ESPALIER_ERROR_STRIDE;
    }
    return check_values(dictionary, column->dictionary_count, strings);
}

/* The dtype that NumPy gives an array of all columns, but for those of strings. */
static uint32_t common_dtype(const espalier_feature_columns *columns)
{
    bool narrow = true;
    bool some = false;
    for (size_t i = 0; i < columns->feature_count; i++) {
        const espalier_feature_column *const column = &columns->columns[i];
        const uint32_t dtype =
            column->dictionary != NULL ? column->dictionary->dtype : column->dtype;
        const dtype_facts *const facts = facts_of(dtype);
        narrow = narrow && (facts == NULL || facts->is_narrow);
        some = some || dtype == ESPALIER_DTYPE_FLOAT32;
    }
    return narrow && some ? ESPALIER_DTYPE_FLOAT32 : ESPALIER_DTYPE_FLOAT64;
}

/* Whether strings, if the column has them, stand for anything: none do of most features. */
static bool takes_strings(const espalier_model *model, const espalier_feature_column *column,
                          uint32_t feature)
{
    const uint32_t dtype = column->dictionary != NULL ? column->dictionary->dtype : column->dtype;
    return is_string(dtype) && (espalier_category_list_of(model, feature) != NULL ||
                                espalier_feature_is_dropped(model, feature));
}

espalier_status espalier_feature_columns_check(const espalier_model *model,
                                               const espalier_feature_columns *columns,
                                               uint32_t *dtype_out, size_t *feature_out)
{
    *feature_out = columns->feature_count;
    if (columns->reserved != 0 || columns->columns == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (columns->dtype > ESPALIER_DTYPE_FLOAT64) {
        return ESPALIER_ERROR_DTYPE;
    }
    if (columns->feature_count != model->head->feature_count) {
        return ESPALIER_ERROR_FEATURE_COUNT;
    }
    for (size_t i = 0; i < columns->feature_count; i++) {
        const bool strings = takes_strings(model, &columns->columns[i], (uint32_t)i);
        espalier_status status = check_values(&columns->columns[i], columns->row_count, strings);
        if (status == ESPALIER_OK) {
            status = check_dictionary(&columns->columns[i], strings);
        }
        if (status != ESPALIER_OK) {
            *feature_out = i;
            return status;
        }
    }
    *dtype_out = columns->dtype != 0 ? columns->dtype : common_dtype(columns);
    return ESPALIER_OK;
}

/* ---- filling ---- */

static inline void put_number(void *values, size_t index, bool is_float32, double value)
{
    if (is_float32) {
        ((float *)values)[index] = (float)value;
    } else {
        ((double *)values)[index] = value;
    }
}

/* Numbers of rows [first, first + count), whatever validity says. */
static void fill_numbers(const espalier_feature_column *column, size_t first, size_t count,
                         bool is_float32, void *values)
{
    const dtype_facts *const facts = facts_of(column->dtype);
    load_function *const load = facts == NULL ? NULL
                                : is_float32  ? facts->load_float
                                              : facts->load_double;
    if (load == NULL) { /* BOOL_BIT, since the column was checked */
        const uint8_t *const bits = column->data;
        for (size_t r = 0; r < count; r++) {
            const bool bit = bit_of(bits, column->bit_offset + first + r);
            put_number(values, r, is_float32, bit ? 1.0 : 0.0);
        }
        return;
    }
    const ptrdiff_t step = column->stride * (ptrdiff_t)facts->bytes;
    const uint8_t *const data = (const uint8_t *)column->data + (ptrdiff_t)first * step;
    load(data, step, count, values);
}

static bool is_valid(const espalier_feature_column *column, size_t row)
{
    return column->validity == NULL || bit_of(column->validity, column->bit_offset + row);
}

static void fill_missing(const espalier_feature_column *column, size_t first, size_t count,
                         bool is_float32, void *values)
{
    for (size_t r = 0; r < count; r++) {
        if (!is_valid(column, first + r)) {
            put_number(values, r, is_float32, (double)NAN);
        }
    }
}

/* The place in its dictionary that a row names; the dictionary's count: none. No dictionary has
 * 2^53 entries, so that a number rounded to float64 names the same one or none. */
static size_t place_of(const espalier_feature_column *column, size_t row)
{
    double number = 0.0;
    fill_numbers(column, row, 1, false, &number);
    return is_valid(column, row) && number >= 0.0 && number < (double)column->dictionary_count
               ? (size_t)number
               : column->dictionary_count;
}

/* Where numbers of a block go, and the row that is refused. */
typedef struct fill {
    const espalier_model *model;
    const espalier_feature_column *column;
    uint32_t feature;
    size_t first;
    size_t count; /* rows to be filled; fewer once one is refused */
    bool is_float32;
    bool checks;
    void *values;
    espalier_refusal *refusal;
} fill;

/* The number of string `row` of `column`, which is the feature's or its dictionary, for row r of
 * the block; without a list nothing looks at it. */
static void put_category(fill *f, const espalier_file_category_list *list,
                         const espalier_feature_column *column, size_t row, size_t r)
{
    size_t begin = 0;
    size_t end = 0;
    if (list == NULL) {
        put_number(f->values, r, f->is_float32, (double)NAN);
        return;
    }
    (void)find_string(column, row, &begin, &end);
    const char *const text = column->text != NULL ? column->text + begin : "";
    const uint32_t found = espalier_category_find(f->model, list, text, end - begin);
    const bool known = found < list->count;
    put_number(f->values, r, f->is_float32, known ? (double)found : list->unknown);
    if (!known && f->checks && (list->flags & ESPALIER_CATEGORY_REFUSE_UNKNOWN) != 0) {
        *f->refusal = (espalier_refusal){ESPALIER_ERROR_CATEGORY, r, f->feature};
        f->count = r;
    }
}

static void fill_strings(fill *f)
{
    const espalier_file_category_list *const list = espalier_category_list_of(f->model, f->feature);
    for (size_t r = 0; r < f->count; r++) {
        if (is_valid(f->column, f->first + r)) {
            put_category(f, list, f->column, f->first + r, r);
        }
    }
}

static void fill_by_dictionary(fill *f)
{
    const espalier_feature_column *const column = f->column;
    const espalier_file_category_list *const list = espalier_category_list_of(f->model, f->feature);
    const size_t bytes = f->is_float32 ? sizeof(float) : sizeof(double);
    for (size_t r = 0; r < f->count; r++) {
        const size_t place = place_of(column, f->first + r);
        if (place == column->dictionary_count || !is_valid(column->dictionary, place)) {
            put_number(f->values, r, f->is_float32, (double)NAN);
        } else if (is_string(column->dictionary->dtype)) {
            put_category(f, list, column->dictionary, place, r);
        } else {
            fill_numbers(column->dictionary, place, 1, f->is_float32,
                         (uint8_t *)f->values + r * bytes);
        }
    }
}

espalier_rows espalier_feature_columns_fill(const espalier_model *model,
                                            const espalier_feature_columns *columns, size_t first,
                                            size_t count, uint32_t dtype, bool checks, void *values,
                                            size_t *good_out, espalier_refusal *refusal_out)
{
    const bool is_float32 = dtype == ESPALIER_DTYPE_FLOAT32;
    const size_t step = count * (is_float32 ? sizeof(float) : sizeof(double));
    fill f = {.model = model,
              .first = first,
              .count = count,
              .is_float32 = is_float32,
              .checks = checks,
              .refusal = refusal_out};
    for (size_t i = 0; i < columns->feature_count; i++) {
        f.column = &columns->columns[i];
        f.feature = (uint32_t)i;
        f.values = (uint8_t *)values + i * step;
        if (f.column->dictionary != NULL) {
            fill_by_dictionary(&f);
            continue;
        }
        if (is_string(f.column->dtype)) {
            fill_strings(&f);
        } else {
            fill_numbers(f.column, first, f.count, is_float32, f.values);
        }
        if (f.column->validity != NULL) {
            fill_missing(f.column, first, f.count, is_float32, f.values);
        }
    }
    *good_out = f.count;
    return (espalier_rows){.data = values,
                           .dtype = dtype,
                           .row_count = count,
                           .feature_count = columns->feature_count,
                           .row_stride = 1,
                           .feature_stride = (ptrdiff_t)count};
}
