// SPDX-License-Identifier: Apache-2.0
/*
 * From columns to rows: a block of rows is gathered column after column, so that one column's bytes
 * are read in one go and the block stays in the cache. Needs no interpreter's lock.
 */
#include "py_core.h"

#include <math.h>
#include <string.h>

/* Where one column's values go. */
typedef struct gather_place {
    unsigned char *rows;
    uint32_t dtype;
    size_t row_stride; /* items */
    size_t feature;
} gather_place;

static void put_value(const gather_place *place, size_t row, double value)
{
    const size_t at = row * place->row_stride + place->feature;
    if (place->dtype == ESPALIER_DTYPE_FLOAT32) {
        const float narrow = (float)value;
        memcpy(place->rows + at * sizeof narrow, &narrow, sizeof narrow);
    } else {
        memcpy(place->rows + at * sizeof value, &value, sizeof value);
    }
}

/* A loop for each type: values may lie at any address. Integers become the nearest float64. */
#define GATHER(TYPE)                                                      \
    do {                                                                  \
        for (size_t row = 0; row < count; row++) {                        \
            TYPE value;                                                   \
            memcpy(&value, from + (ptrdiff_t)row * stride, sizeof value); \
            put_value(place, row, (double)value);                         \
        }                                                                 \
    } while (0)

static void gather_bits(const espalier_py_column *column, size_t first, size_t count,
                        const gather_place *place)
{
    const uint8_t *const bits = column->data;
    for (size_t row = 0; row < count; row++) {
        const size_t bit = column->offset + first + row;
        put_value(place, row, (double)(bits[bit / 8] >> (bit % 8) & 1u));
    }
}

static void gather_column(const espalier_py_column *column, size_t first, size_t count,
                          const gather_place *place)
{
    const ptrdiff_t stride = column->stride_bytes;
    const char *const from =
        column->type == ESPALIER_PY_BITS
            ? NULL
            : (const char *)column->data + (ptrdiff_t)(column->offset + first) * stride;
    switch (column->type) {
    case ESPALIER_PY_FLOAT32:
        GATHER(float);
        break;
    case ESPALIER_PY_FLOAT64:
        GATHER(double);
        break;
    case ESPALIER_PY_INT8:
        GATHER(int8_t);
        break;
    case ESPALIER_PY_INT16:
        GATHER(int16_t);
        break;
    case ESPALIER_PY_INT32:
        GATHER(int32_t);
        break;
    case ESPALIER_PY_INT64:
        GATHER(int64_t);
        break;
    case ESPALIER_PY_UINT8:
    case ESPALIER_PY_BOOL8:
        GATHER(uint8_t);
        break;
    case ESPALIER_PY_UINT16:
        GATHER(uint16_t);
        break;
    case ESPALIER_PY_UINT32:
        GATHER(uint32_t);
        break;
    case ESPALIER_PY_UINT64:
        GATHER(uint64_t);
        break;
    case ESPALIER_PY_BITS:
        gather_bits(column, first, count, place);
        break;
    }
}

/* Missing ones over what was gathered. */
static void mark_missing(const espalier_py_column *column, size_t first, size_t count,
                         const gather_place *place)
{
    for (size_t row = 0; row < count; row++) {
        const size_t bit = column->offset + first + row;
        if ((column->validity[bit / 8] >> (bit % 8) & 1u) == 0) {
            put_value(place, row, (double)NAN);
        }
    }
}

void espalier_py_gather(const espalier_py_column *const *columns, size_t feature_count,
                        size_t first, size_t count, uint32_t dtype, void *rows)
{
    gather_place place = {.rows = rows, .dtype = dtype, .row_stride = feature_count};
    for (place.feature = 0; place.feature < feature_count; place.feature++) {
        const espalier_py_column *const column = columns[place.feature];
        gather_column(column, first, count, &place);
        if (column->validity != NULL) {
            mark_missing(column, first, count, &place);
        }
    }
}
