// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that open the same file, ask, verify, predict and close at the same time, each a model of
 * its own, then all of them also one that they share; for the thread sanitizer. What the library
 * asks the machine once is asked by all of them at once.
 */
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH    "test_threads.espalier"
#define THREADS 4
#define ROUNDS  24
#define ROWS    40u
#define CLASSES 3u

typedef struct worker {
    const espalier_model *shared; /* NULL: none */
    unsigned index;
    unsigned wrong;
} worker;

static float *values;
static uint32_t feature_count;
static double want[ROWS * CLASSES];
static pthread_barrier_t start;

static espalier_status predict(const espalier_model *model, double answers[ROWS * CLASSES])
{
    espalier_predictor *predictor = NULL;
    espalier_status status = espalier_predictor_create(model, NULL, &predictor);
    if (status == ESPALIER_OK) {
        const espalier_rows rows = espalier_rows_float32(values, ROWS, feature_count);
        espalier_outputs outputs = {.data = answers,
                                    .data_bytes = ROWS * CLASSES * sizeof *answers};
        status = espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs);
        espalier_predictor_destroy(predictor);
    }
    return status;
}

static unsigned is_wrong(const espalier_model *model)
{
    double answers[ROWS * CLASSES];
    return predict(model, answers) != ESPALIER_OK || memcmp(answers, want, sizeof want) != 0;
}

static void *work(void *argument)
{
    static const uint64_t ways[] = {0, ESPALIER_OPEN_COPY, ESPALIER_OPEN_VERIFY,
                                    ESPALIER_OPEN_PREFAULT};
    worker *const w = argument;
    (void)pthread_barrier_wait(&start);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const espalier_open_options options = {
            sizeof options, ways[(round + w->index) % (sizeof ways / sizeof ways[0])], 0, {0}};
        espalier_model *model = NULL;
        espalier_error error;
        if (espalier_model_open(PATH, &options, &model, &error) != ESPALIER_OK) {
            w->wrong++;
            continue;
        }
        const espalier_model *const other = w->shared != NULL ? w->shared : model;
        w->wrong += is_wrong(model) + is_wrong(other);
        w->wrong += espalier_model_verify(round % 2 == 0 ? model : other, &error) != ESPALIER_OK;
        espalier_model_close(model);
    }
    return NULL;
}

static void run_threads(const espalier_model *shared)
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (worker){shared, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    assert_int_equal(pthread_barrier_destroy(&start), 0);
}

/* The first test: nothing of the library has run in this process. */
static void test_opening_and_closing_at_the_same_time(void **state)
{
    (void)state;
    run_threads(NULL);
}

static void test_a_model_that_all_share(void **state)
{
    (void)state;
    espalier_model *shared = NULL;
    assert_int_equal(espalier_model_open(PATH, NULL, &shared, NULL), ESPALIER_OK);
    run_threads(shared);
    espalier_model_close(shared);
}

static void make_in_child(const espalier_forest *forest, int result)
{
    espalier_model *model = NULL;
    const model_bytes bytes = model_bytes_of(forest, 2);
    model_bytes_write(&bytes, PATH);
    const bool done =
        espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, NULL) == ESPALIER_OK &&
        predict(model, want) == ESPALIER_OK &&
        write(result, want, sizeof want) == (ssize_t)sizeof want;
    _exit(done ? 0 : 1);
}

/* The model comes from another process, so that here nobody has asked the machine anything. */
static int make_file(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 61,
                                       .tree_count = 8,
                                       .feature_count = 5,
                                       .decision_count_max = 40,
                                       .group_count = 1,
                                       .class_count = CLASSES};
    espalier_forest forest;
    int ends[2], status = 0;
    synthetic_forest_make(&options, &forest);
    values = model_rows_make(&forest, 5, ROWS, 0);
    feature_count = forest.feature_count;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        make_in_child(&forest, ends[1]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], want, sizeof want), sizeof want);
    assert_int_equal(close(ends[0]) + close(ends[1]), 0);
    espalier_forest_free(&forest);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    free(values);
    return unlink(PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening_and_closing_at_the_same_time),
        cmocka_unit_test(test_a_model_that_all_share),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
