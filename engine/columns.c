// SPDX-License-Identifier: Apache-2.0
/*
 * See columns.h. Rows need not be aligned, so elements are copied out; compilers make loads of
 * that.
 */
#include "engine/columns.h"

#include <float.h>
#include <math.h>
#include <string.h>

static inline float load_float32(const uint8_t *element)
{
    float value;
    memcpy(&value, element, sizeof value);
    return value;
}

/* To nearest, ties to even; beyond float32 becomes infinity: the conversion the hardware does. */
static inline float load_float64(const uint8_t *element)
{
    double value;
    memcpy(&value, element, sizeof value);
    return (float)value;
}

static inline float load_element(const espalier_rows *rows, const uint8_t *element)
{
    return rows->dtype == ESPALIER_DTYPE_FLOAT32 ? load_float32(element) : load_float64(element);
}

static size_t element_bytes(const espalier_rows *rows)
{
    return rows->dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
}

static const uint8_t *row_data(const espalier_rows *rows, size_t row)
{
    return (const uint8_t *)rows->data +
           (ptrdiff_t)row * rows->row_stride * (ptrdiff_t)element_bytes(rows);
}

/* Bytes between features. A single feature's stride is never used and may be anything. */
static ptrdiff_t feature_step(const espalier_rows *rows)
{
    return rows->feature_count > 1 ? rows->feature_stride * (ptrdiff_t)element_bytes(rows) : 0;
}

/* True when every feature of the row is finite as float32; the loops have no early exit, so that
 * they vectorise. */
static bool row_is_finite(const espalier_rows *rows, const uint8_t *row)
{
    const size_t count = rows->feature_count;
    const ptrdiff_t step = feature_step(rows);
    unsigned bad = 0;
    if (rows->dtype == ESPALIER_DTYPE_FLOAT32 && rows->feature_stride == 1) {
        for (size_t i = 0; i < count; i++) {
            bad |= !(fabsf(load_float32(row + i * sizeof(float))) <= FLT_MAX);
        }
    } else if (rows->dtype == ESPALIER_DTYPE_FLOAT64 && rows->feature_stride == 1) {
        for (size_t i = 0; i < count; i++) {
            bad |= !(fabsf(load_float64(row + i * sizeof(double))) <= FLT_MAX);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            bad |= !(fabsf(load_element(rows, row + (ptrdiff_t)i * step)) <= FLT_MAX);
        }
    }
    return bad == 0;
}

/* Looks for the first feature to refuse in a row that is not finite. */
static bool find_refusal(const espalier_rows *rows, const uint8_t *row, bool missing_allowed,
                         espalier_refusal *refusal)
{
    const ptrdiff_t step = feature_step(rows);
    for (size_t i = 0; i < rows->feature_count; i++) {
        const float value = load_element(rows, row + (ptrdiff_t)i * step);
        if (isnan(value) ? !missing_allowed : isinf(value)) {
            refusal->status = isnan(value) ? ESPALIER_ERROR_MISSING : ESPALIER_ERROR_INFINITE;
            refusal->feature = i;
            return true;
        }
    }
    return false;
}

size_t espalier_columns_check(const espalier_rows *rows, size_t first, size_t count,
                              bool missing_allowed, espalier_refusal *refusal_out)
{
    for (size_t r = 0; r < count; r++) {
        const uint8_t *const row = row_data(rows, first + r);
        if (!row_is_finite(rows, row) && find_refusal(rows, row, missing_allowed, refusal_out)) {
            refusal_out->row = first + r;
            return r;
        }
    }
    return count;
}

static inline float place_missing(float value, uint32_t missing)
{
    return missing == ESPALIER_MISSING_LEFT && isnan(value) ? -INFINITY : value;
}

void espalier_columns_fill(const espalier_rows *rows, size_t first, size_t count,
                           const espalier_file_column *columns, uint32_t column_count, float *cells,
                           size_t cell_stride)
{
    const ptrdiff_t step = feature_step(rows);
    for (size_t r = 0; r < count; r++) {
        const uint8_t *const row = row_data(rows, first + r);
        float *const out = cells + r * cell_stride;
        out[0] = -INFINITY; /* the leaf column */
        if (rows->dtype == ESPALIER_DTYPE_FLOAT32) {
            for (uint32_t c = 1; c < column_count; c++) {
                const float value = load_float32(row + (ptrdiff_t)columns[c].feature * step);
                out[c] = place_missing(value, columns[c].missing);
            }
        } else {
            for (uint32_t c = 1; c < column_count; c++) {
                const float value = load_float64(row + (ptrdiff_t)columns[c].feature * step);
                out[c] = place_missing(value, columns[c].missing);
            }
        }
    }
}
