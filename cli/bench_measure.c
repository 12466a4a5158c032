// SPDX-License-Identifier: Apache-2.0
/*
 * Runs every kernel of a model in turn, round by round, so that what disturbs the machine disturbs
 * all of them. Includes bench.h, workers.h and libc.
 */
#include "bench.h"
#include "workers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMES_MAX      (1u << 20) /* one-row times kept of a kernel */
#define ROUNDS_MAX     1000u
#define ROUNDS_MIN     5u
#define ROW_PART       0.5 /* of a round's time goes to single rows */
#define ROUND_NS       100e6
#define ONE_ROW_CALLS  64u /* calls between looks at the clock's budget */
#define NAME_BYTES_MAX 1024u

static uint64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* What the measuring shares. */
typedef struct measuring {
    const espalier_model *model;
    const espalier_rows *rows;
    const espalier_bench_options *options;
    espalier_bench *bench;
    espalier_workers **workers; /* [kernel_count] */
    size_t row_bytes;           /* of the output */
    unsigned char *expected;    /* the first kernel's batch */
    unsigned char *answers;
    size_t next_row; /* single rows go on where they were */
} measuring;

static int compare_times(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static espalier_bench_quantiles find_quantiles(uint32_t *times, size_t count)
{
    espalier_bench_quantiles found = {.count = count};
    if (count == 0) {
        return found;
    }
    qsort(times, count, sizeof *times, compare_times);
    const size_t last = count - 1;
    const size_t above_p99 = last / 100;
    const size_t above_p999 = last / 1000;
    const size_t middle = count / 2;
    found.p50 = times[middle];
    found.p99 = times[last - above_p99];
    found.p999 = times[last - above_p999];
    return found;
}

static double find_median(double *values, size_t count)
{
    if (count == 0) {
        return 0.0;
    }
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* The kernels of all parts, each named once. */
static char *name_kernels(const espalier_predictor *predictor, uint32_t part_count)
{
    char text[NAME_BYTES_MAX] = "";
    size_t length = 0;
    const char *last = "";
    for (uint32_t p = 0; p < part_count; p++) {
        const char *const name = espalier_predictor_part_kernel(predictor, p);
        if (name == NULL || strcmp(name, last) == 0) {
            continue;
        }
        const int written =
            snprintf(text + length, sizeof text - length, "%s%s", length > 0 ? "; " : "", name);
        if (written < 0 || (size_t)written >= sizeof text - length) {
            break;
        }
        length += (size_t)written;
        last = name;
    }
    return strdup(text);
}

/* A level whose kernels and ranker are those of a lower level adds nothing. */
static bool is_known(const espalier_bench *bench, const char *name, const char *ranker)
{
    for (size_t i = 0; i < bench->kernel_count; i++) {
        espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
        assert(bench->kernels[i].name != NULL); /* kernels are counted once they are named */
        if (strcmp(bench->kernels[i].name, name) == 0 &&
            espalier_predictor_info_get(bench->kernels[i].predictor, &info) == ESPALIER_OK &&
            strcmp(info.ranker, ranker) == 0) {
            return true;
        }
    }
    return false;
}

static bool open_kernel(measuring *m, espalier_isa isa, uint32_t part_count,
                        espalier_message *message)
{
    espalier_bench *const bench = m->bench;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
    espalier_predictor *predictor = NULL;
    options.isa = isa;
    espalier_status status = espalier_predictor_create(m->model, &options, &predictor);
    if (status == ESPALIER_OK) {
        status = espalier_predictor_info_get(predictor, &info);
    }
    if (status != ESPALIER_OK) {
        espalier_predictor_destroy(predictor);
        return espalier_message_set(message, "%s: %s", espalier_isa_name(isa),
                                    espalier_status_message(status));
    }
    char *const name = name_kernels(predictor, part_count);
    if (name == NULL || is_known(bench, name, info.ranker)) {
        const bool is_short = name == NULL;
        free(name);
        espalier_predictor_destroy(predictor);
        return !is_short || espalier_message_set(message, "not enough memory");
    }
    espalier_bench_kernel *const kernel = &bench->kernels[bench->kernel_count++];
    kernel->isa = isa;
    kernel->name = name;
    kernel->predictor = predictor;
    kernel->agrees = true;
    kernel->times = malloc(TIMES_MAX * sizeof *kernel->times);
    kernel->batch_times = malloc(ROUNDS_MAX * sizeof *kernel->batch_times);
    kernel->threads_times = malloc(ROUNDS_MAX * sizeof *kernel->threads_times);
    if (kernel->times == NULL || kernel->batch_times == NULL || kernel->threads_times == NULL) {
        return espalier_message_set(message, "not enough memory");
    }
    return espalier_workers_open(m->model, &options, m->options->thread_count,
                                 &m->workers[bench->kernel_count - 1], message);
}

/* Marks the kernel that a predictor without options takes. */
static bool mark_default(measuring *m, uint32_t part_count, espalier_message *message)
{
    espalier_predictor *predictor = NULL;
    espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
    const espalier_status status = espalier_predictor_create(m->model, NULL, &predictor);
    if (status != ESPALIER_OK) {
        return espalier_message_set(message, "%s", espalier_status_message(status));
    }
    char *const name = name_kernels(predictor, part_count);
    const bool is_found =
        name != NULL && espalier_predictor_info_get(predictor, &info) == ESPALIER_OK;
    for (size_t i = 0; is_found && i < m->bench->kernel_count; i++) {
        espalier_predictor_info own = ESPALIER_PREDICTOR_INFO_INIT;
        (void)espalier_predictor_info_get(m->bench->kernels[i].predictor, &own);
        m->bench->kernels[i].is_default = strcmp(m->bench->kernels[i].name, name) == 0 &&
                                          own.ranker != NULL &&
                                          strcmp(own.ranker, info.ranker) == 0;
    }
    free(name);
    espalier_predictor_destroy(predictor);
    return is_found || espalier_message_set(message, "not enough memory");
}

static bool open_kernels(measuring *m, espalier_message *message)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    if (espalier_model_info_get(m->model, &info) != ESPALIER_OK) {
        return espalier_message_set(message, "the model's info cannot be read");
    }
    m->bench->kernels = calloc(ESPALIER_ISA_COUNT, sizeof *m->bench->kernels);
    m->workers = calloc(ESPALIER_ISA_COUNT, sizeof *m->workers);
    m->bench->empty_times = malloc(TIMES_MAX * sizeof *m->bench->empty_times);
    if (m->bench->kernels == NULL || m->workers == NULL || m->bench->empty_times == NULL) {
        return espalier_message_set(message, "not enough memory");
    }
    for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
        if (espalier_isa_supported((espalier_isa)isa) &&
            !open_kernel(m, (espalier_isa)isa, info.part_count, message)) {
            return false;
        }
    }
    return mark_default(m, info.part_count, message);
}

/* ---- agreement ------------------------------------------------------------------------------- */

static espalier_outputs whole_outputs(const measuring *m, unsigned char *data)
{
    return (espalier_outputs){.data = data, .data_bytes = m->rows->row_count * m->row_bytes};
}

static espalier_rows single_row(const measuring *m, size_t row)
{
    const size_t item = m->rows->dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    espalier_rows single = *m->rows;
    single.data =
        (const char *)m->rows->data + (ptrdiff_t)row * m->rows->row_stride * (ptrdiff_t)item;
    single.row_count = 1;
    return single;
}

static bool check_answers(measuring *m, espalier_bench_kernel *kernel)
{
    const size_t bytes = m->rows->row_count * m->row_bytes;
    const bool is_same = memcmp(m->answers, m->expected, bytes) == 0;
    kernel->agrees = kernel->agrees && is_same;
    memset(m->answers, 0xA5, bytes);
    return is_same;
}

/* Batch, threads and every row by itself give the same bits. */
static bool check_kernel(measuring *m, size_t index, espalier_message *message)
{
    espalier_bench_kernel *const kernel = &m->bench->kernels[index];
    const espalier_output_kind kind = m->options->kind;
    espalier_outputs outputs = whole_outputs(m, index == 0 ? m->expected : m->answers);
    espalier_status status = espalier_predict(kernel->predictor, kind, m->rows, &outputs);
    if (status == ESPALIER_ERROR_MISSING || status == ESPALIER_ERROR_INFINITE ||
        status == ESPALIER_ERROR_CATEGORY) {
        return espalier_message_set(message, "row %zu, feature %zu: %s", outputs.refused_row,
                                    outputs.refused_feature, espalier_status_message(status));
    }
    if (status == ESPALIER_OK && index > 0) {
        (void)check_answers(m, kernel);
    }
    if (status == ESPALIER_OK) {
        assert(m->workers != NULL); /* or there are no kernels */
        outputs = whole_outputs(m, m->answers);
        status = espalier_workers_predict(m->workers[index], kind, m->rows, &outputs);
        (void)check_answers(m, kernel);
    }
    for (size_t row = 0; status == ESPALIER_OK && row < m->rows->row_count; row++) {
        const espalier_rows single = single_row(m, row);
        outputs =
            (espalier_outputs){.data = m->answers + row * m->row_bytes, .data_bytes = m->row_bytes};
        status = espalier_predict(kernel->predictor, kind, &single, &outputs);
    }
    if (status != ESPALIER_OK) {
        return espalier_message_set(message, "%s", espalier_status_message(status));
    }
    (void)check_answers(m, kernel);
    return true;
}

/* ---- times ----------------------------------------------------------------------------------- */

/* Single rows until the time is over; with predictor NULL an empty loop. */
static size_t time_rows(measuring *m, espalier_predictor *predictor, double budget, uint32_t *times,
                        size_t room)
{
    const uint64_t start = now();
    size_t count = 0;
    while (count + ONE_ROW_CALLS <= room && (double)(now() - start) < budget) {
        for (uint32_t i = 0; i < ONE_ROW_CALLS; i++) {
            const espalier_rows single = single_row(m, m->next_row);
            espalier_outputs outputs = {.data = m->answers, .data_bytes = m->row_bytes};
            m->next_row = m->next_row + 1 < m->rows->row_count ? m->next_row + 1 : 0;
            const uint64_t before = now();
            if (predictor != NULL) {
                (void)espalier_predict(predictor, m->options->kind, &single, &outputs);
            }
            const uint64_t taken = now() - before;
            times[count++] = taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX;
        }
    }
    return count;
}

static double time_batch(measuring *m, espalier_bench_kernel *kernel, espalier_workers *workers)
{
    espalier_outputs outputs = whole_outputs(m, m->answers);
    const uint64_t before = now();
    if (workers != NULL) {
        (void)espalier_workers_predict(workers, m->options->kind, m->rows, &outputs);
    } else {
        (void)espalier_predict(kernel->predictor, m->options->kind, m->rows, &outputs);
    }
    return (double)(now() - before) / (double)m->rows->row_count;
}

static void run_round(measuring *m)
{
    espalier_bench *const bench = m->bench;
    for (size_t i = 0; i < bench->kernel_count; i++) {
        espalier_bench_kernel *const kernel = &bench->kernels[i];
        if (kernel->round_count == ROUNDS_MAX) {
            continue;
        }
        /* Or the kernel could not be opened, and nothing is run. */
        assert(m->workers != NULL && kernel->batch_times != NULL && kernel->threads_times != NULL &&
               kernel->times != NULL);
        kernel->batch_times[kernel->round_count] = time_batch(m, kernel, NULL);
        kernel->threads_times[kernel->round_count] = time_batch(m, kernel, m->workers[i]);
        kernel->round_count++;
        kernel->time_count +=
            time_rows(m, kernel->predictor, ROUND_NS * ROW_PART, kernel->times + kernel->time_count,
                      TIMES_MAX - kernel->time_count);
    }
    bench->empty_count +=
        time_rows(m, NULL, ROUND_NS * ROW_PART / 10, bench->empty_times + bench->empty_count,
                  TIMES_MAX - bench->empty_count);
}

static void find_results(espalier_bench *bench)
{
    for (size_t i = 0; i < bench->kernel_count; i++) {
        espalier_bench_kernel *const kernel = &bench->kernels[i];
        kernel->one_row = find_quantiles(kernel->times, kernel->time_count);
        kernel->batch = find_median(kernel->batch_times, kernel->round_count);
        kernel->threads = find_median(kernel->threads_times, kernel->round_count);
    }
    bench->empty = find_quantiles(bench->empty_times, bench->empty_count);
}

static bool run(measuring *m, espalier_message *message)
{
    espalier_output_info output;
    if (espalier_model_output(m->model, m->options->kind, &output) != ESPALIER_OK) {
        return espalier_message_set(message, "the model has no such output");
    }
    const bool is_wide =
        output.dtype == ESPALIER_DTYPE_FLOAT64 || output.dtype == ESPALIER_DTYPE_INT64;
    m->row_bytes = output.width * (is_wide ? 8 : 4);
    m->expected = calloc(m->rows->row_count, m->row_bytes);
    m->answers = calloc(m->rows->row_count, m->row_bytes);
    if (m->expected == NULL || m->answers == NULL) {
        return espalier_message_set(message, "not enough memory for the answers");
    }
    if (!open_kernels(m, message)) {
        return false;
    }
    for (size_t i = 0; i < m->bench->kernel_count; i++) {
        if (!check_kernel(m, i, message)) {
            return false;
        }
    }
    const uint64_t start = now();
    const double budget = m->options->seconds * 1e9 * (double)m->bench->kernel_count;
    for (uint32_t round = 0;
         round < ROUNDS_MIN || (round < ROUNDS_MAX && (double)(now() - start) < budget); round++) {
        run_round(m);
    }
    find_results(m->bench);
    return true;
}

bool espalier_bench_run(const espalier_model *model, const espalier_rows *rows,
                        const espalier_bench_options *options, espalier_bench *bench_out,
                        espalier_message *message)
{
    *bench_out = (espalier_bench){0};
    measuring m = {.model = model, .rows = rows, .options = options, .bench = bench_out};
    const bool done = run(&m, message);
    for (size_t i = 0; m.workers != NULL && i < ESPALIER_ISA_COUNT; i++) {
        espalier_workers_close(m.workers[i]);
    }
    free(m.workers);
    free(m.expected);
    free(m.answers);
    if (!done) {
        espalier_bench_close(bench_out);
    }
    return done;
}

void espalier_bench_close(espalier_bench *bench)
{
    for (size_t i = 0; i < bench->kernel_count; i++) {
        espalier_predictor_destroy(bench->kernels[i].predictor);
        free(bench->kernels[i].name);
        free(bench->kernels[i].times);
        free(bench->kernels[i].batch_times);
        free(bench->kernels[i].threads_times);
    }
    free(bench->kernels);
    free(bench->empty_times);
    *bench = (espalier_bench){0};
}
