// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_predict allocates nothing and enters the kernel never, nor do espalier_slot_acquire and
 * espalier_slot_release: proved by malloc made to fail the test while they run, and by a process
 * that is killed at its first system call but read, write and exit (seccomp strict mode).
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier_slot.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/sanitized.h"
#include "tests/support/synthetic.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 700u
#define PATH "test_predict_pure.espalier"

#if !SANITIZED
/* Counts what the C library is asked for while `counting`. */
static volatile bool counting;
static volatile unsigned long call_count;

static void count_call(void)
{
    if (counting) {
        call_count++;
    }
}

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void __libc_free(void *memory);
extern void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    count_call();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_call();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count_call();
    return __libc_realloc(memory, bytes);
}

void free(void *memory)
{
    count_call();
    __libc_free(memory);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_call();
    return __libc_memalign(alignment, bytes);
}
#endif

/* A model with all that a prediction can pass through. */
typedef struct subject {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
    espalier_slot *slot; /* of the same bytes in a file */
    espalier_reader *reader;
    float *values;
    double *wide;
    void *out;
    size_t out_bytes;
} subject;

/* Which model: forests that average and that normalise, masks, a walk over ranks. */
enum {
    AVERAGES,
    NORMALISES,
    HEAP,
    SELECT,
    BITS,
    RANKS,
    SUBJECTS
};

static void subject_make(subject *s, int which)
{
    static const uint32_t layouts[SUBJECTS] = {
        [AVERAGES] = ESPALIER_LAYOUT_WALK, [NORMALISES] = ESPALIER_LAYOUT_WALK,
        [HEAP] = ESPALIER_LAYOUT_HEAP,     [SELECT] = ESPALIER_LAYOUT_SELECT,
        [BITS] = ESPALIER_LAYOUT_BITS,     [RANKS] = ESPALIER_LAYOUT_WALK,
    };
    const synthetic_options options = {.seed = 3,
                                       .trainer = which == HEAP     ? SYNTHETIC_XGBOOST
                                                  : which >= SELECT ? SYNTHETIC_LIGHTGBM
                                                                    : SYNTHETIC_FOREST,
                                       .tree_count = which == NORMALISES ? 1 : 37,
                                       .feature_count = 11,
                                       .decision_count_max = which == BITS ? 31 : 70,
                                       .group_count = which >= HEAP ? 1 : 2,
                                       .class_count = 3,
                                       .shape = which >= HEAP ? SYNTHETIC_BEST_FIRST
                                                              : SYNTHETIC_PREORDER,
                                       .depth_max = which == HEAP ? 8 : 0,
                                       .normalise = which == NORMALISES,
                                       .missing_allowed = which != NORMALISES};
    synthetic_forest_make(&options, &s->forest);
    s->bytes = model_bytes_of_layout(&s->forest, 0, layouts[which]);
    assert_int_equal(espalier_model_open_memory(s->bytes.data, s->bytes.bytes, NULL, &s->model,
                                                NULL),
                     ESPALIER_OK);
    espalier_predictor_options predictor = ESPALIER_PREDICTOR_OPTIONS_INIT;
    predictor.flags = ESPALIER_PREDICTOR_LEAF;
    espalier_slot_options slot = ESPALIER_SLOT_OPTIONS_INIT;
    slot.predictor = &predictor;
    (void)unlink(PATH);
    model_bytes_write(&s->bytes, PATH);
    assert_int_equal(espalier_slot_open(PATH, &slot, &s->slot, NULL), ESPALIER_OK);
    assert_int_equal(espalier_slot_register(s->slot, &s->reader), ESPALIER_OK);
    (void)unlink(PATH);
    s->values = model_rows_make(&s->forest, 4, ROWS, 0);
    s->wide = malloc(ROWS * 11 * sizeof *s->wide);
    s->out_bytes = ROWS * 64 * sizeof(double);
    s->out = malloc(s->out_bytes);
    assert_true(s->wide != NULL && s->out != NULL);
    for (size_t i = 0; i < ROWS * 11; i++) {
        s->wide[i] = s->values[i];
    }
}

static void subject_free(subject *s)
{
    free(s->values);
    free(s->wide);
    free(s->out);
    assert_int_equal(espalier_slot_unregister(s->reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(s->slot), ESPALIER_OK);
    espalier_model_close(s->model);
    model_bytes_free(&s->bytes);
    espalier_forest_free(&s->forest);
}

/* Every kind, dtype and order, one row and many, accepted and refused; false when one went
 * wrong. */
static bool predict_everything(const subject *s)
{
    static const espalier_output_kind kinds[] = {ESPALIER_OUTPUT_MARGIN,
                                                 ESPALIER_OUTPUT_PROBABILITY, ESPALIER_OUTPUT_CLASS,
                                                 ESPALIER_OUTPUT_LEAF};
    bool good = true;
    espalier_lease lease;
    if (espalier_slot_acquire(s->reader, &lease) != ESPALIER_OK) {
        return false;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        espalier_output_info info;
        if (espalier_model_output(s->model, kinds[i], &info) != ESPALIER_OK) {
            continue;
        }
        for (size_t count = 1; count <= ROWS; count += 233) {
            espalier_rows rows = espalier_rows_float32(s->values, count, 11);
            espalier_outputs outputs = {.data = s->out, .data_bytes = s->out_bytes};
            good &= espalier_predict(lease.predictor, kinds[i], &rows, &outputs) == ESPALIER_OK;
            rows = espalier_rows_float64(s->wide, count, 11);
            good &= espalier_predict(lease.predictor, kinds[i], &rows, &outputs) == ESPALIER_OK;
            rows.row_stride = 1;
            rows.feature_stride = (ptrdiff_t)count;
            good &= espalier_predict(lease.predictor, kinds[i], &rows, &outputs) == ESPALIER_OK;
            rows.feature_count = 12;
            good &= espalier_predict(lease.predictor, kinds[i], &rows, &outputs) ==
                    ESPALIER_ERROR_FEATURE_COUNT;
        }
    }
    espalier_slot_release(s->reader);
    return good;
}

static void check_no_allocation(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* the sanitizer owns malloc */
#else
    for (int which = 0; which < SUBJECTS; which++) {
        subject s;
        subject_make(&s, which);
        call_count = 0;
        counting = true;
        void *volatile probe = malloc(1);
        free(probe);
        counting = false;
        assert_int_equal(call_count, 2); /* the counter counts */
        call_count = 0;
        counting = true;
        const bool good = predict_everything(&s);
        counting = false;
        assert_true(good);
        assert_int_equal(call_count, 0);
        subject_free(&s);
    }
#endif
}

/* In a child: strict mode, then predict, then exit with the plain system call. */
static int run_in_strict_mode(const subject *s, bool with_system_call)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
            _exit(77);
        }
        if (with_system_call) {
            (void)syscall(SYS_getppid);
        }
        const bool good = predict_everything(s);
        (void)syscall(SYS_exit, good ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check_no_system_call(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* sanitizers call the kernel on their own */
#else
    for (int which = 0; which < SUBJECTS; which++) {
        subject s;
        subject_make(&s, which);
        const int caught = run_in_strict_mode(&s, true);
        if (WIFEXITED(caught) && WEXITSTATUS(caught) == 77) {
            print_message("no seccomp on this kernel\n");
            subject_free(&s);
            skip();
        }
        assert_true(WIFSIGNALED(caught)); /* the trap works */
        const int status = run_in_strict_mode(&s, false);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        subject_free(&s);
    }
#endif
}

/* One model, several threads, each with its own predictor: the same bits everywhere. */
typedef struct worker {
    const espalier_model *model;
    espalier_output_kind kind;
    const float *values;
    double out[ROWS * 7];
    espalier_status status;
} worker;

static void *work(void *argument)
{
    worker *const w = argument;
    espalier_predictor *predictor = NULL;
    w->status = espalier_predictor_create(w->model, NULL, &predictor);
    const espalier_rows rows = espalier_rows_float32(w->values, ROWS, 11);
    espalier_outputs outputs = {.data = w->out, .data_bytes = sizeof w->out};
    for (int i = 0; i < 20 && w->status == ESPALIER_OK; i++) {
        w->status = espalier_predict(predictor, w->kind, &rows, &outputs);
    }
    espalier_predictor_destroy(predictor);
    return NULL;
}

static void check_threads_of(int which)
{
    enum {
        THREADS = 4
    };
    subject s;
    subject_make(&s, which);
    worker *const workers = calloc(THREADS, sizeof *workers);
    assert_non_null(workers);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].model = s.model;
        workers[i].kind = which >= HEAP ? ESPALIER_OUTPUT_MARGIN : ESPALIER_OUTPUT_PROBABILITY;
        workers[i].values = s.values;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].status, ESPALIER_OK);
        assert_memory_equal(workers[i].out, workers[0].out, sizeof workers[0].out);
    }
    free(workers);
    subject_free(&s);
}

static void check_threads(void **state)
{
    (void)state;
    for (int which = 0; which < SUBJECTS; which++) {
        check_threads_of(which);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_no_allocation),
        cmocka_unit_test(check_no_system_call),
        cmocka_unit_test(check_threads),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
