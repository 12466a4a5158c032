// SPDX-License-Identifier: Apache-2.0
/*
 * What the Go package calls instead of the library: plain arguments, so that no struct with a Go
 * pointer inside is passed to C, and results by value, so that none of them is allocated. Includes
 * the installed headers.
 */
#ifndef ESPALIER_GO_SHIM_H
#define ESPALIER_GO_SHIM_H

#include <espalier.h>
#include <espalier_inspect.h>
#include <espalier_slot.h>
#include <stdlib.h>

typedef struct {
    espalier_status status;
    size_t rows_written;
    size_t refused_row;
    size_t refused_feature;
} shim_result;

static inline shim_result shim_predict(void *predictor, uint32_t kind, const void *data,
                                       uint32_t dtype, size_t row_count, size_t feature_count,
                                       ptrdiff_t row_stride, ptrdiff_t feature_stride, void *out,
                                       size_t out_bytes)
{
    const espalier_rows rows = {data,       dtype,         0, row_count, feature_count,
                                row_stride, feature_stride};
    espalier_outputs outputs = {out, out_bytes, 0, 0, 0, 0};
    shim_result result;
    result.status = espalier_predict((espalier_predictor *)predictor, (espalier_output_kind)kind,
                                     &rows, &outputs);
    result.rows_written = outputs.rows_written;
    result.refused_row = outputs.refused_row;
    result.refused_feature = outputs.refused_feature;
    return result;
}

static inline espalier_status shim_values(void *predictor, const void *data, uint32_t dtype,
                                          size_t row_count, size_t feature_count,
                                          ptrdiff_t row_stride, ptrdiff_t feature_stride,
                                          double *values, size_t value_count)
{
    const espalier_rows rows = {data,       dtype,         0, row_count, feature_count,
                                row_stride, feature_stride};
    return espalier_predictor_values((espalier_predictor *)predictor, &rows, values, value_count);
}

static inline shim_result shim_predict_columns(void *predictor, uint32_t kind, const void *columns,
                                               void *out, size_t out_bytes)
{
    espalier_outputs outputs = {out, out_bytes, 0, 0, 0, 0};
    shim_result result;
    result.status =
        espalier_predict_columns((espalier_predictor *)predictor, (espalier_output_kind)kind,
                                 (const espalier_feature_columns *)columns, &outputs);
    result.rows_written = outputs.rows_written;
    result.refused_row = outputs.refused_row;
    result.refused_feature = outputs.refused_feature;
    return result;
}

static inline espalier_status shim_slot_open(const char *path, uint64_t flags,
                                             uint32_t reader_count_max, uint64_t version_min,
                                             const espalier_open_options *open,
                                             const espalier_predictor_options *predictor,
                                             espalier_slot **slot_out, espalier_error *error_out)
{
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.flags = flags;
    options.reader_count_max = reader_count_max;
    options.version_min = version_min;
    options.open = open;
    options.predictor = predictor;
    return espalier_slot_open(path, &options, slot_out, error_out);
}

/* cgo knows no const. */
static inline espalier_model *shim_lease_model(const espalier_lease *lease)
{
    return (espalier_model *)lease->model;
}

/* A copy of bytes as espalier_model_open_memory wants it; NULL without memory. */
static inline void *shim_copy(const void *data, size_t bytes)
{
    const size_t whole = bytes / 64 * 64 + 64;
    unsigned char *copy = whole > bytes ? aligned_alloc(64, whole) : NULL;
    for (size_t i = 0; copy != NULL && i < bytes; i++)
        copy[i] = ((const unsigned char *)data)[i];
    return copy;
}

#endif
