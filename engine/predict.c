// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_predict and espalier_predict_columns: check the call, then block by block: columns,
 * plan, outputs. Nothing here allocates, locks or enters the kernel.
 */
#include "engine/columns.h"
#include "engine/feature_columns.h"
#include "engine/predictor.h"
#include "engine/stages.h"

#include <string.h>

/* One call, checked. */
typedef struct call {
    espalier_predictor *predictor;
    espalier_output_kind kind;
    size_t row_count;
    uint8_t *data;
    size_t item_bytes;
    size_t width;      /* elements of a row */
    size_t row_stride; /* elements between rows */
    bool is_float32;
} call;

static size_t dtype_bytes(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_INT32 || dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
}

/* |count - 1| x stride x bytes as a signed distance; false when it does not fit. */
static bool span_fits(size_t count, ptrdiff_t stride, size_t bytes, ptrdiff_t *span_out)
{
    ptrdiff_t span = 0;
    if (count > (size_t)PTRDIFF_MAX) {
        return false;
    }
    const ptrdiff_t steps = count > 0 ? (ptrdiff_t)count - 1 : 0;
    if (__builtin_mul_overflow(steps, stride, &span) ||
        __builtin_mul_overflow(span, (ptrdiff_t)bytes, &span)) {
        return false;
    }
    *span_out = span;
    return true;
}

espalier_status espalier_predict_check_rows(const espalier_model *model, const espalier_rows *rows)
{
    if (rows->reserved != 0 || (rows->data == NULL && rows->row_count > 0)) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (rows->dtype != ESPALIER_DTYPE_FLOAT32 && rows->dtype != ESPALIER_DTYPE_FLOAT64) {
        return ESPALIER_ERROR_DTYPE;
    }
    if (rows->feature_count != model->head->feature_count) {
        return ESPALIER_ERROR_FEATURE_COUNT;
    }
    const size_t bytes = rows->dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    ptrdiff_t row_span = 0, feature_span = 0, low = 0, high = 0;
    if (!span_fits(rows->row_count, rows->row_stride, bytes, &row_span) ||
        !span_fits(rows->feature_count, rows->feature_stride, bytes, &feature_span)) {
        return ESPALIER_ERROR_STRIDE;
    }
    /* The lowest and highest element, from data; both must be addresses. */
    if (__builtin_add_overflow(row_span < 0 ? row_span : 0, feature_span < 0 ? feature_span : 0,
                               &low) ||
        __builtin_add_overflow(row_span > 0 ? row_span : 0, feature_span > 0 ? feature_span : 0,
                               &high) ||
        __builtin_add_overflow(high, (ptrdiff_t)bytes, &high)) {
        return ESPALIER_ERROR_STRIDE;
    }
    uintptr_t end = 0;
    const uintptr_t data = (uintptr_t)rows->data;
    const uintptr_t below = (uintptr_t)0 - (uintptr_t)low;
    if (below > data || __builtin_add_overflow(data, (uintptr_t)high, &end)) {
        return rows->row_count > 0 ? ESPALIER_ERROR_STRIDE : ESPALIER_OK;
    }
    return ESPALIER_OK;
}

static espalier_status check_outputs(call *c, const espalier_outputs *outputs)
{
    espalier_output_info info;
    const espalier_status status = espalier_model_output(c->predictor->model, c->kind, &info);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (c->kind == ESPALIER_OUTPUT_LEAF && (c->predictor->flags & ESPALIER_PREDICTOR_LEAF) == 0) {
        return ESPALIER_ERROR_OUTPUT_KIND;
    }
    c->item_bytes = dtype_bytes(info.dtype);
    c->is_float32 = info.dtype == ESPALIER_DTYPE_FLOAT32;
    c->width = info.width;
    c->row_stride = outputs->row_stride != 0 ? outputs->row_stride : info.width;
    c->data = outputs->data;
    if (c->row_stride < c->width) {
        return ESPALIER_ERROR_STRIDE;
    }
    if (c->row_count == 0) {
        return ESPALIER_OK;
    }
    if (outputs->data == NULL || (uintptr_t)outputs->data % c->item_bytes != 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    size_t elements = 0;
    size_t bytes = 0;
    if (__builtin_mul_overflow(c->row_count - 1, c->row_stride, &elements) ||
        __builtin_add_overflow(elements, c->width, &elements) ||
        __builtin_mul_overflow(elements, c->item_bytes, &bytes)) {
        return ESPALIER_ERROR_STRIDE;
    }
    return bytes <= outputs->data_bytes ? ESPALIER_OK : ESPALIER_ERROR_OUTPUT_SIZE;
}

/* Copies one row's values from its slots to the caller. */
static void write_slots(const call *c, const double *slots, uint8_t *out)
{
    const espalier_model *const model = c->predictor->model;
    for (uint32_t i = 0; i < model->output_count; i++) {
        const espalier_file_output *const output = &model->outputs[i];
        if (output->kind != (uint32_t)c->kind) {
            continue;
        }
        const double *const values = slots + output->first_slot;
        if (c->kind == ESPALIER_OUTPUT_CLASS) {
            const int32_t best = espalier_decide(output->decision, values, output->slot_count);
            memcpy(out, &best, sizeof best);
            out += sizeof best;
        } else if (c->is_float32) {
            for (uint32_t k = 0; k < output->slot_count; k++) {
                const float value = (float)values[k];
                memcpy(out, &value, sizeof value);
                out += sizeof value;
            }
        } else {
            memcpy(out, values, output->slot_count * sizeof *values);
            out += output->slot_count * sizeof *values;
        }
    }
}

static void write_leaves(const call *c, bool paired, uint8_t *out)
{
    const espalier_model *const model = c->predictor->model;
    for (uint32_t i = 0; i < model->output_count; i++) {
        if (model->outputs[i].kind == ESPALIER_OUTPUT_LEAF) {
            void *const leaves = out;
            espalier_predictor_leaves(c->predictor, model->outputs[i].part, paired, leaves);
        }
    }
}

/* Row `row` of `rows`, which is the caller's number `number`. */
static void predict_row(const call *c, const espalier_rows *rows, size_t row, size_t number)
{
    espalier_predictor *const predictor = c->predictor;
    uint8_t *const out = c->data + number * c->row_stride * c->item_bytes;
    const bool paired = espalier_coder_fill_row(&predictor->coder, rows, row, &predictor->row);
    if (c->kind == ESPALIER_OUTPUT_LEAF) {
        write_leaves(c, paired, out);
        return;
    }
    espalier_coder_fill_slots(&predictor->coder, rows, row, 1, predictor->slots);
    espalier_predictor_run_row(predictor, paired);
    write_slots(c, predictor->slots, out);
}

/* How many of so many rows go as a block; the others go one by one. */
static uint32_t rows_together(const espalier_predictor *predictor, uint32_t count)
{
    const uint32_t rest = count % predictor->flight_rows;
    const uint32_t least = predictor->least_rows;
    return count < least ? 0 : rest < least ? count - rest : count;
}

/* Predicts rows [from, from + count), count <= block_rows, all of them acceptable, of `rows`; the
 * caller's number of the first is `first`. */
static void predict_block(const call *c, const espalier_rows *rows, size_t from, size_t first,
                          uint32_t count)
{
    espalier_predictor *const predictor = c->predictor;
    const size_t slot_count = predictor->model->head->slot_count;
    uint32_t together = rows_together(predictor, count);
    if (c->kind == ESPALIER_OUTPUT_LEAF || predictor->room_rows == 1) {
        together = 0;
    }
    if (together > 0) {
        const bool paired =
            espalier_coder_fill_block(&predictor->coder, rows, from, together, &predictor->block);
        espalier_coder_fill_slots(&predictor->coder, rows, from, together, predictor->slots);
        espalier_predictor_run_block(predictor, together, paired);
    }
    for (uint32_t r = 0; r < together; r++) {
        write_slots(c, predictor->slots + r * slot_count,
                    c->data + (first + r) * c->row_stride * c->item_bytes);
    }
    for (uint32_t r = together; r < count; r++) {
        predict_row(c, rows, from + r, first + r);
    }
}

/* Predicts rows [from, from + count) of `rows`, count <= block_rows, up to the first that is
 * refused; returns how many. The caller's number of the first is `first`. */
static size_t predict_some(const call *c, const espalier_rows *rows, size_t from, size_t first,
                           size_t count, espalier_refusal *refusal)
{
    const espalier_predictor *const predictor = c->predictor;
    const bool unchecked = (predictor->flags & ESPALIER_PREDICTOR_UNCHECKED) != 0;
    size_t good = count;
    if (predictor->preparer.model != NULL) {
        const espalier_rows prepared = espalier_preparer_run(&predictor->preparer, rows, from,
                                                             count, !unchecked, &good, refusal);
        predict_block(c, &prepared, 0, first, (uint32_t)good);
    } else {
        if (!unchecked) {
            good = espalier_coder_check(&predictor->coder, rows, from, count, refusal);
        }
        if (good > 0) {
            predict_block(c, rows, from, first, (uint32_t)good);
        }
    }
    if (good < count) {
        refusal->row += first - from;
    }
    return good;
}

/* All rows up to the first one that is refused. */
static size_t predict_rows(const call *c, const espalier_rows *rows, espalier_refusal *refusal)
{
    size_t done = 0;
    while (done < c->row_count && refusal->status == ESPALIER_OK) {
        const size_t left = c->row_count - done;
        const size_t block = c->predictor->block_rows;
        done += predict_some(c, rows, done, done, left < block ? left : block, refusal);
    }
    return done;
}

/* The same for columns, by way of rows of `dtype`. */
static size_t predict_columns(const call *c, const espalier_feature_columns *columns,
                              uint32_t dtype, espalier_refusal *refusal)
{
    const espalier_predictor *const predictor = c->predictor;
    const bool checks = (predictor->flags & ESPALIER_PREDICTOR_UNCHECKED) == 0;
    size_t done = 0;
    while (done < c->row_count && refusal->status == ESPALIER_OK) {
        const size_t left = c->row_count - done;
        const size_t count = left < predictor->number_rows ? left : predictor->number_rows;
        size_t good = count;
        espalier_refusal unknown = {ESPALIER_OK, 0, 0};
        const espalier_rows rows =
            espalier_feature_columns_fill(predictor->model, columns, done, count, dtype, checks,
                                          predictor->numbers, &good, &unknown);
        const size_t taken = predict_some(c, &rows, 0, done, good, refusal);
        if (taken == good && good < count) {
            *refusal = unknown;
            refusal->row += done;
        }
        done += taken;
    }
    return done;
}

espalier_status espalier_predict(espalier_predictor *predictor, espalier_output_kind kind,
                                 const espalier_rows *rows, espalier_outputs *outputs)
{
    if (predictor == NULL || rows == NULL || outputs == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    call c = {predictor, kind, rows->row_count, NULL, 0, 0, 0, false};
    espalier_status status = espalier_predict_check_rows(predictor->model, rows);
    if (status == ESPALIER_OK) {
        status = check_outputs(&c, outputs);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_refusal refusal = {ESPALIER_OK, 0, 0};
    outputs->rows_written = predict_rows(&c, rows, &refusal);
    outputs->refused_row = refusal.row;
    outputs->refused_feature = refusal.feature;
    return refusal.status;
}

espalier_status espalier_predict_columns(espalier_predictor *predictor, espalier_output_kind kind,
                                         const espalier_feature_columns *columns,
                                         espalier_outputs *outputs)
{
    if (predictor == NULL || columns == NULL || outputs == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    call c = {predictor, kind, columns->row_count, NULL, 0, 0, 0, false};
    uint32_t dtype = 0;
    espalier_status status = espalier_feature_columns_check(predictor->model, columns, &dtype,
                                                            &outputs->refused_feature);
    if (status == ESPALIER_OK) {
        status = check_outputs(&c, outputs);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_refusal refusal = {ESPALIER_OK, 0, 0};
    outputs->rows_written = predict_columns(&c, columns, dtype, &refusal);
    outputs->refused_row = refusal.row;
    outputs->refused_feature = refusal.feature;
    return refusal.status;
}
