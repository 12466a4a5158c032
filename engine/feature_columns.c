// SPDX-License-Identifier: Apache-2.0
/*
 * See feature_columns.h. A loop for each dtype that columns come in, times the two that rows have;
 * elements need not be aligned, so they are copied out, and compilers make loads of that.
 */
#include "engine/feature_columns.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Reads `count` elements, `step` bytes apart. */
typedef void load_function(const uint8_t *data, ptrdiff_t step, size_t count, void *values);

#define LOADER(name, type, number)                                                           \
    static void load_##name##_as_##number(const uint8_t *data, ptrdiff_t step, size_t count, \
                                          void *values)                                      \
    {                                                                                        \
        number *const to = values;                                                           \
        for (size_t r = 0; r < count; r++) {                                                 \
            type element;                                                                    \
            memcpy(&element, data + (ptrdiff_t)r * step, sizeof element);                    \
            to[r] = (number)element;                                                         \
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

/* ---- checking ---- */

/* Whether `count` elements of so many bytes are addresses; without any, data may be NULL. */
static espalier_status check_span(const void *data, size_t count, ptrdiff_t stride, size_t bytes)
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
    const bool fits = span < 0 ? (uintptr_t)0 - (uintptr_t)span <= first
                               : !__builtin_add_overflow(first, (uintptr_t)span + bytes, &end);
    return fits ? ESPALIER_OK : ESPALIER_ERROR_STRIDE;
}

/* Values by themselves, no dictionary looked at. */
static espalier_status check_values(const espalier_feature_column *column, size_t count)
{
    const dtype_facts *const facts = facts_of(column->dtype);
    if (column->reserved != 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (facts == NULL) {
        return ESPALIER_ERROR_DTYPE;
    }
    if (column->bit_offset > SIZE_MAX - count) {
        return ESPALIER_ERROR_STRIDE;
    }
    if (column->dtype == ESPALIER_DTYPE_BOOL_BIT) {
        return column->stride != 1                 ? ESPALIER_ERROR_STRIDE
               : column->data == NULL && count > 0 ? ESPALIER_ERROR_ARGUMENT
                                                   : ESPALIER_OK;
    }
    return check_span(column->data, count, column->stride, facts->bytes);
}

static espalier_status check_dictionary(const espalier_feature_column *column)
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
    return check_values(dictionary, column->dictionary_count);
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
        espalier_status status = check_values(&columns->columns[i], columns->row_count);
        if (status == ESPALIER_OK) {
            status = check_dictionary(&columns->columns[i]);
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
    if (column->dtype == ESPALIER_DTYPE_BOOL_BIT) {
        const uint8_t *const bits = column->data;
        for (size_t r = 0; r < count; r++) {
            const bool bit = bit_of(bits, column->bit_offset + first + r);
            put_number(values, r, is_float32, bit ? 1.0 : 0.0);
        }
        return;
    }
    const ptrdiff_t step = column->stride * (ptrdiff_t)facts->bytes;
    const uint8_t *const data = (const uint8_t *)column->data + (ptrdiff_t)first * step;
    (is_float32 ? facts->load_float : facts->load_double)(data, step, count, values);
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

static void fill_by_dictionary(const espalier_feature_column *column, size_t first, size_t count,
                               bool is_float32, void *values)
{
    const size_t bytes = is_float32 ? sizeof(float) : sizeof(double);
    for (size_t r = 0; r < count; r++) {
        const size_t place = place_of(column, first + r);
        if (place == column->dictionary_count || !is_valid(column->dictionary, place)) {
            put_number(values, r, is_float32, (double)NAN);
            continue;
        }
        fill_numbers(column->dictionary, place, 1, is_float32, (uint8_t *)values + r * bytes);
    }
}

espalier_rows espalier_feature_columns_fill(const espalier_feature_columns *columns, size_t first,
                                            size_t count, uint32_t dtype, void *values)
{
    const bool is_float32 = dtype == ESPALIER_DTYPE_FLOAT32;
    const size_t step = count * (is_float32 ? sizeof(float) : sizeof(double));
    for (size_t i = 0; i < columns->feature_count; i++) {
        const espalier_feature_column *const column = &columns->columns[i];
        uint8_t *const to = (uint8_t *)values + i * step;
        if (column->dictionary != NULL) {
            fill_by_dictionary(column, first, count, is_float32, to);
            continue;
        }
        fill_numbers(column, first, count, is_float32, to);
        if (column->validity != NULL) {
            fill_missing(column, first, count, is_float32, to);
        }
    }
    return (espalier_rows){.data = values,
                           .dtype = dtype,
                           .row_count = count,
                           .feature_count = columns->feature_count,
                           .row_stride = 1,
                           .feature_stride = (ptrdiff_t)count};
}
