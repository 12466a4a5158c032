// SPDX-License-Identifier: Apache-2.0
/*
 * A batch on several threads: one model, a predictor for each thread, the rows split among them.
 * Reads raw float64 rows from standard input and writes the raw probabilities or values (float64,
 * or float32 of XGBoost) to standard output. THREADS 1 is the plain batch: one call for all rows.
 *
 *     cc threads.c -pthread $(pkg-config --cflags --libs espalier) -o threads
 *     ./threads MODEL 4 < rows.f64 > outputs.bin
 */
#include <espalier.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "threads: %s: %s\n", what, why);
    return 1;
}

/* What a thread does: its part of the rows, and how that went. */
typedef struct {
    const espalier_model *model;
    espalier_output_kind kind;
    espalier_rows rows;
    espalier_outputs outputs;
    espalier_status status;
    pthread_t thread;
} part;

static void *predict_part(void *argument)
{
    part *own = argument;
    espalier_predictor *predictor;
    own->status = espalier_predictor_create(own->model, NULL, &predictor);
    if (own->status == ESPALIER_OK) {
        own->status = espalier_predict(predictor, own->kind, &own->rows, &own->outputs);
        espalier_predictor_destroy(predictor);
    }
    return NULL;
}

/* All of standard input, to be freed; NULL without memory, or when it cannot be read. */
static double *read_values(size_t *count_out)
{
    size_t count = 0;
    size_t capacity = 1 << 16;
    double *values = malloc(capacity * sizeof *values);
    while (values != NULL) {
        count += fread(values + count, sizeof *values, capacity - count, stdin);
        if (ferror(stdin)) {
            free(values);
            return NULL;
        }
        if (count < capacity) {
            break;
        }
        capacity *= 2;
        double *more = realloc(values, capacity * sizeof *values);
        if (more == NULL) {
            free(values);
        }
        values = more;
    }
    *count_out = count;
    return values;
}

/* Splits the rows evenly; the first failure of a thread is the failure of all. */
static int predict_parts(const espalier_model *model, const espalier_output_info *output,
                         const espalier_rows *rows, char *to, size_t thread_count)
{
    static part parts[THREADS_MAX];
    const size_t element_bytes = output->dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
    const size_t output_bytes = output->width * element_bytes;
    size_t started = 0;
    for (size_t first = 0; started < thread_count; started++) {
        const size_t end = rows->row_count * (started + 1) / thread_count;
        part *own = &parts[started];
        own->model = model;
        own->kind = (espalier_output_kind)output->kind;
        own->rows = *rows;
        own->rows.data = (const double *)rows->data + first * rows->feature_count;
        own->rows.row_count = end - first;
        own->outputs = (espalier_outputs){.data = to + first * output_bytes,
                                          .data_bytes = (end - first) * output_bytes};
        if (pthread_create(&own->thread, NULL, predict_part, own) != 0) {
            break;
        }
        first = end;
    }
    int code = started < thread_count ? fail("predict", "a thread cannot be started") : 0;
    size_t rows_before = 0;
    for (size_t i = 0; i < started; i++) {
        pthread_join(parts[i].thread, NULL);
        if (parts[i].status != ESPALIER_OK && code == 0) {
            const espalier_status status = parts[i].status;
            char place[64] = "predict";
            if (status == ESPALIER_ERROR_MISSING || status == ESPALIER_ERROR_INFINITE ||
                status == ESPALIER_ERROR_CATEGORY) {
                snprintf(place, sizeof place, "row %zu, feature %zu",
                         rows_before + parts[i].outputs.refused_row,
                         parts[i].outputs.refused_feature);
            }
            code = fail(place, espalier_status_message(status));
        }
        rows_before += parts[i].rows.row_count;
    }
    return code;
}

static int predict_input(const espalier_model *model, size_t thread_count)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_output_info output;
    espalier_status status = espalier_model_info_get(model, &info);
    if (espalier_model_output(model, ESPALIER_OUTPUT_PROBABILITY, &output) != ESPALIER_OK) {
        status = espalier_model_output(model, ESPALIER_OUTPUT_VALUE, &output);
    }
    if (status != ESPALIER_OK) {
        return fail("model", espalier_status_message(status));
    }
    size_t count = 0;
    double *values = read_values(&count);
    const espalier_rows rows =
        espalier_rows_float64(values, count / info.feature_count, info.feature_count);
    const size_t element_bytes = output.dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
    char *to = calloc(rows.row_count + 1, output.width * element_bytes);
    int code = values == NULL || to == NULL ? fail("input", "unreadable, or not enough memory")
               : count % info.feature_count != 0
                   ? fail("input", "not a whole number of rows")
                   : predict_parts(model, &output, &rows, to, thread_count);
    const size_t bytes = rows.row_count * output.width * element_bytes;
    if (code == 0 && (fwrite(to, 1, bytes, stdout) != bytes || fflush(stdout) != 0)) {
        code = fail("output", "cannot be written");
    }
    free(to);
    free(values);
    return code;
}

int main(int argc, char **argv)
{
    const long thread_count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (thread_count < 1 || thread_count > THREADS_MAX) {
        return fail("usage", "threads MODEL THREADS < ROWS > OUTPUTS, of 1 to 64 threads");
    }
    espalier_model *model;
    espalier_error error;
    if (espalier_model_open(argv[1], NULL, &model, &error) != ESPALIER_OK) {
        return fail("open", error.message);
    }
    const int code = predict_input(model, (size_t)thread_count);
    espalier_model_close(model);
    return code;
}
