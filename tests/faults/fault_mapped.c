// SPDX-License-Identifier: Apache-2.0
/*
 * What docs/security.md says of a file that is replaced, deleted, cut short or written to while a
 * model of it is open, in each way to open. Replaced and deleted files stay as they were for who
 * has them open. A copy never notices anything. A mapping whose file is cut raises SIGBUS, here in
 * a child; a sealed memfd cannot be cut.
 */
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH  "fault_mapped.espalier"
#define OTHER "fault_mapped.other"
#define ROWS  33u

/* LOCK needs a right that not every machine gives, and maps like the rest. */
typedef struct open_way {
    uint64_t flags;
    bool by_descriptor;
    bool copies;
} open_way;

static const open_way ways[] = {
    {0, false, false},
    {0, true, false},
    {ESPALIER_OPEN_PREFAULT, false, false},
    {ESPALIER_OPEN_VERIFY, true, false},
    {ESPALIER_OPEN_LOCK, false, false},
    {ESPALIER_OPEN_COPY, false, true},
    {ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY, true, true},
    {ESPALIER_OPEN_HUGE_PAGES, false, true},
};
#define WAYS (sizeof ways / sizeof ways[0])

static model_bytes sound;
static model_bytes other; /* another model of the same shape */
static float *values;
static uint32_t feature_count;
static float want[ROWS];

static espalier_status predict(const espalier_model *model, float margins[ROWS])
{
    espalier_predictor *predictor = NULL;
    espalier_status status = espalier_predictor_create(model, NULL, &predictor);
    if (status == ESPALIER_OK) {
        const espalier_rows rows = espalier_rows_float32(values, ROWS, feature_count);
        espalier_outputs outputs = {.data = margins, .data_bytes = ROWS * sizeof *margins};
        status = espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &rows, &outputs);
    }
    espalier_predictor_destroy(predictor);
    return status;
}

static int make_models(void **state)
{
    (void)state;
    synthetic_options options = {.seed = 31,
                                 .trainer = SYNTHETIC_XGBOOST,
                                 .tree_count = 30,
                                 .feature_count = 6,
                                 .decision_count_max = 200,
                                 .group_count = 1};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    sound = model_bytes_of(&forest, 2);
    values = model_rows_make(&forest, 3, ROWS, 1);
    feature_count = forest.feature_count;
    espalier_forest_free(&forest);
    options.seed = 32;
    synthetic_forest_make(&options, &forest);
    other = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(sound.data, sound.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    assert_int_equal(predict(model, want), ESPALIER_OK);
    espalier_model_close(model);
    return 0;
}

static int free_models(void **state)
{
    (void)state;
    model_bytes_free(&sound);
    model_bytes_free(&other);
    free(values);
    (void)unlink(PATH);
    (void)unlink(OTHER);
    return 0;
}

/* NULL where memory may not be locked. */
static espalier_model *open_way_of(const open_way *way)
{
    const espalier_open_options options = {sizeof options, way->flags, 0, {0}};
    espalier_model *model = NULL;
    espalier_status status = ESPALIER_OK;
    if (way->by_descriptor) {
        const int descriptor = open(PATH, O_RDONLY | O_CLOEXEC);
        assert_true(descriptor >= 0);
        status = espalier_model_open_fd(descriptor, &options, &model, NULL);
        assert_int_equal(close(descriptor), 0);
    } else {
        status = espalier_model_open(PATH, &options, &model, NULL);
    }
    if ((way->flags & ESPALIER_OPEN_LOCK) != 0 && status == ESPALIER_ERROR_MAP) {
        return NULL;
    }
    assert_int_equal(status, ESPALIER_OK);
    return model;
}

static void expect_old_answers(const espalier_model *model)
{
    float got[ROWS];
    assert_int_equal(predict(model, got), ESPALIER_OK);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
}

static void test_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        model_bytes_write(&sound, PATH);
        espalier_model *const model = open_way_of(&ways[i]);
        model_bytes_write(&other, OTHER);
        assert_int_equal(rename(OTHER, PATH), 0);
        if (model != NULL) {
            expect_old_answers(model);
        }
        espalier_model_close(model);
    }
}

static void test_deleted(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        model_bytes_write(&sound, PATH);
        espalier_model *const model = open_way_of(&ways[i]);
        assert_int_equal(unlink(PATH), 0);
        if (model != NULL) {
            expect_old_answers(model);
        }
        espalier_model_close(model);
        assert_int_equal(espalier_model_open(PATH, NULL, &(espalier_model *){NULL}, NULL),
                         ESPALIER_ERROR_OPEN);
    }
}

/* How a child ends that predicts: its signal, or 0 for the old answers, or -1. */
static int signal_of_prediction(const espalier_model *model)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGBUS, SIG_DFL);
        (void)signal(SIGSEGV, SIG_DFL);
        float got[ROWS];
        const espalier_status status = predict(model, got);
        _exit(status == ESPALIER_OK && memcmp(got, want, sizeof got) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Cut to its private tables: the nodes are lost. A locked mapping loses its pages as well. */
static void test_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        model_bytes_write(&sound, PATH);
        espalier_model *const model = open_way_of(&ways[i]);
        assert_int_equal(truncate(PATH, 4096), 0);
        espalier_error error;
        assert_int_equal(espalier_model_open(PATH, NULL, &(espalier_model *){NULL}, &error),
                         ESPALIER_ERROR_TRUNCATED);
        if (model != NULL) {
            assert_int_equal(signal_of_prediction(model), ways[i].copies ? 0 : SIGBUS);
        }
        if (model != NULL && ways[i].copies) {
            expect_old_answers(model);
        }
        espalier_model_close(model);
    }
}

/* Cut and made as long again: zeroes are no model, and no danger. */
static void test_cut_and_grown(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        model_bytes_write(&sound, PATH);
        espalier_model *const model = open_way_of(&ways[i]);
        assert_int_equal(truncate(PATH, 4096), 0);
        assert_int_equal(truncate(PATH, (off_t)sound.bytes), 0);
        float got[ROWS];
        if (model != NULL && !ways[i].copies) {
            assert_int_equal(predict(model, got), ESPALIER_OK);
            assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_ERROR_CHECKSUM);
        } else if (model != NULL) {
            expect_old_answers(model);
        }
        espalier_model_close(model);
    }
}

/* Written over in place, which no publisher should do: a mapping sees it, a copy does not. */
static void test_written_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        model_bytes_write(&sound, PATH);
        espalier_model *const model = open_way_of(&ways[i]);
        const int descriptor = open(PATH, O_WRONLY | O_CLOEXEC);
        assert_true(descriptor >= 0);
        for (size_t at = 4096; at < sound.bytes; at += 997) {
            const uint8_t byte = (uint8_t)(sound.data[at] ^ 0xFF);
            assert_int_equal(pwrite(descriptor, &byte, 1, (off_t)at), 1);
        }
        assert_int_equal(close(descriptor), 0);
        float got[ROWS];
        if (model != NULL && !ways[i].copies) {
            assert_int_equal(predict(model, got), ESPALIER_OK);
            assert_int_not_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
        } else if (model != NULL) {
            expect_old_answers(model);
        }
        espalier_model_close(model);
    }
}

/* What was verified cannot be cut or changed afterwards. */
static void test_sealed(void **state)
{
    (void)state;
    const int descriptor = memfd_create("model", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, sound.data, sound.bytes), (ssize_t)sound.bytes);
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    assert_int_equal(fcntl(descriptor, F_ADD_SEALS, seals), 0);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_fd(descriptor, &options, &model, NULL), ESPALIER_OK);
    assert_int_equal(ftruncate(descriptor, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(descriptor, "x", 1, 8192), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(close(descriptor), 0);
    expect_old_answers(model);
    espalier_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaced),     cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_cut_short),    cmocka_unit_test(test_cut_and_grown),
        cmocka_unit_test(test_written_over), cmocka_unit_test(test_sealed),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_models, free_models);
}
