// SPDX-License-Identifier: Apache-2.0
/*
 * What predict_one of the Python package is compared with: the same call from C, again and again.
 * run_python.sh compiles it with the library, measure_overhead.py loads it.
 */
#define _POSIX_C_SOURCE 200809L

#include "espalier.h"

#include <stdlib.h>
#include <time.h>

typedef struct call_loop {
    espalier_model *model;
    espalier_predictor *predictor;
    espalier_output_kind kind;
    espalier_rows rows;
    double output[64];
} call_loop;

/* NULL if the model cannot be opened or its answer has more than 64 values; `row` stays the
 * caller's, and must live as long. */
void *call_loop_open(const char *path, const float *row, size_t feature_count)
{
    call_loop *const loop = calloc(1, sizeof *loop);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.block_rows_max = 1; /* as predict_one's */
    if (loop == NULL || espalier_model_open(path, NULL, &loop->model, NULL) != ESPALIER_OK ||
        espalier_model_info_get(loop->model, &info) != ESPALIER_OK ||
        espalier_predictor_create(loop->model, &options, &loop->predictor) != ESPALIER_OK) {
        return NULL;
    }
    loop->kind = (espalier_output_kind)info.default_output;
    loop->rows = espalier_rows_float32(row, 1, feature_count);
    espalier_outputs outputs = {.data = loop->output, .data_bytes = sizeof loop->output};
    return espalier_predict(loop->predictor, loop->kind, &loop->rows, &outputs) == ESPALIER_OK
               ? loop
               : NULL;
}

/* Nanoseconds a call. */
double call_loop_run(void *opened, unsigned calls)
{
    call_loop *const loop = opened;
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < calls; i++) {
        espalier_outputs outputs = {.data = loop->output, .data_bytes = sizeof loop->output};
        (void)espalier_predict(loop->predictor, loop->kind, &loop->rows, &outputs);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
           calls;
}
