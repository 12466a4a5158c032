// SPDX-License-Identifier: Apache-2.0
/*
 * A batch whose columns lie apart, as in a data frame: strides say so, and nothing is copied. Makes
 * ROWS rows of random numbers, column after column, predicts them in one call, and once more row by
 * row; says how long both took and that every bit is the same.
 *
 *     cc batch.c $(pkg-config --cflags --libs espalier) -o batch
 *     ./batch MODEL 10000
 */
#include <espalier.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "batch: %s: %s\n", what, why);
    return 1;
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Column after column, numbers of 0 to 8: the same ones in every run. */
static void fill_columns(float *columns, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        columns[i] = (float)(state >> 8) * (8.0f / 16777216.0f);
    }
}

/* The same rows one by one, to other memory. */
static espalier_status predict_rows(espalier_predictor *predictor, espalier_output_kind kind,
                                    const espalier_rows *all, char *to, size_t output_bytes)
{
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < all->row_count && status == ESPALIER_OK; i++) {
        espalier_rows one = *all;
        one.data = (const float *)all->data + i;
        one.row_count = 1;
        espalier_outputs outputs = {.data = to + i * output_bytes, .data_bytes = output_bytes};
        status = espalier_predict(predictor, kind, &one, &outputs);
    }
    return status;
}

static int predict_both(espalier_predictor *predictor, const espalier_output_info *output,
                        const espalier_rows *rows)
{
    const espalier_output_kind kind = (espalier_output_kind)output->kind;
    const size_t output_bytes = output->width * (output->dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8);
    const size_t bytes = rows->row_count * output_bytes;
    char *batch = calloc(2, bytes);
    if (batch == NULL) {
        return fail("outputs", "not enough memory");
    }
    espalier_outputs outputs = {.data = batch, .data_bytes = bytes};
    const double start = seconds();
    espalier_status status = espalier_predict(predictor, kind, rows, &outputs);
    const double middle = seconds();
    if (status == ESPALIER_OK) {
        status = predict_rows(predictor, kind, rows, batch + bytes, output_bytes);
    }
    const double end = seconds();
    int code = 0;
    if (status != ESPALIER_OK) {
        code = fail("predict", espalier_status_message(status));
    } else if (memcmp(batch, batch + bytes, bytes) != 0) {
        code = fail("predict", "a batch and single rows differ");
    } else {
        const double row_count = (double)rows->row_count;
        printf("%zu rows: %.3f us a row in a batch, %.3f us alone, every bit the same\n",
               rows->row_count, (middle - start) * 1e6 / row_count,
               (end - middle) * 1e6 / row_count);
    }
    free(batch);
    return code;
}

static int run(const espalier_model *model, size_t row_count)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_output_info output;
    espalier_predictor *predictor;
    espalier_status status = espalier_model_info_get(model, &info);
    if (espalier_model_output(model, ESPALIER_OUTPUT_PROBABILITY, &output) != ESPALIER_OK) {
        status = espalier_model_output(model, ESPALIER_OUTPUT_VALUE, &output);
    }
    if (status == ESPALIER_OK) {
        status = espalier_predictor_create(model, NULL, &predictor);
    }
    if (status != ESPALIER_OK) {
        return fail("model", espalier_status_message(status));
    }
    float *columns = calloc(row_count * info.feature_count, sizeof *columns);
    int code = 1;
    if (columns == NULL) {
        fail("rows", "not enough memory");
    } else {
        fill_columns(columns, row_count * info.feature_count);
        espalier_rows rows = espalier_rows_float32(columns, row_count, info.feature_count);
        rows.row_stride = 1;
        rows.feature_stride = (ptrdiff_t)row_count;
        code = predict_both(predictor, &output, &rows);
    }
    free(columns);
    espalier_predictor_destroy(predictor);
    return code;
}

int main(int argc, char **argv)
{
    const long row_count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (row_count < 1 || row_count > 10000000) {
        return fail("usage", "batch MODEL ROWS, of 1 to 10000000 rows");
    }
    espalier_model *model;
    espalier_error error;
    if (espalier_model_open(argv[1], NULL, &model, &error) != ESPALIER_OK) {
        return fail("open", error.message);
    }
    const int code = run(model, (size_t)row_count);
    espalier_model_close(model);
    return code;
}
