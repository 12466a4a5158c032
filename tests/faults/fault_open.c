// SPDX-License-Identifier: Apache-2.0
/*
 * Opening a model, creating a predictor and verifying, in each way to open, while the n-th call to
 * the system fails, for n from the first to the last; and under every limit of address space. All
 * goes well without what failed, with the same answers, or an error says what failed; nothing is
 * left open.
 */
#include "tests/faults/fault_calls.h"

#ifdef HAS_OTHER_ALLOCATOR

int main(void)
{
    return 77;
}

#else

#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#define PATH "fault_open.espalier"
#define ROWS 40u

static const uint64_t ways[] = {
    0,
    ESPALIER_OPEN_COPY,
    ESPALIER_OPEN_PREFAULT,
    ESPALIER_OPEN_LOCK,
    ESPALIER_OPEN_HUGE_PAGES,
    ESPALIER_OPEN_VERIFY,
    ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY | ESPALIER_OPEN_LOCK,
};

static struct {
    model_bytes bytes;
    float *rows;
    uint32_t feature_count;
    espalier_output_kind kind;
    double want[ROWS * 3];
    size_t answer_bytes;
} subject;

typedef struct outcome {
    espalier_status status;
    espalier_error error;
    double answer[ROWS * 3]; /* of whatever type the output has */
} outcome;

static espalier_status predict(const espalier_model *model, outcome *out)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF;
    espalier_predictor *predictor = NULL;
    espalier_status status = espalier_predictor_create(model, &options, &predictor);
    if (status != ESPALIER_OK) {
        out->error.status = status; /* it has no error of its own: the status says all */
        (void)snprintf(out->error.message, sizeof out->error.message, "predictor");
        return status;
    }
    const espalier_rows rows = espalier_rows_float32(subject.rows, ROWS, subject.feature_count);
    espalier_outputs outputs = {.data = out->answer, .data_bytes = sizeof out->answer};
    status = espalier_predict(predictor, subject.kind, &rows, &outputs);
    espalier_predictor_destroy(predictor);
    return status;
}

/* Open, predict, verify, close. from: 0 a path, 1 memory. */
static void go_through(uint64_t flags, int from, outcome *out)
{
    const espalier_open_options options = {sizeof options, flags, 0, {0}};
    espalier_model *model = NULL;
    memset(out, 0, sizeof *out);
    out->status = from == 0 ? espalier_model_open(PATH, &options, &model, &out->error)
                            : espalier_model_open_memory(subject.bytes.data, subject.bytes.bytes,
                                                         &options, &model, &out->error);
    if (out->status != ESPALIER_OK) {
        return;
    }
    out->status = predict(model, out);
    if (out->status == ESPALIER_OK) {
        out->status = espalier_model_verify(model, &out->error);
    }
    espalier_model_close(model);
}

static bool is_fine(const outcome *out)
{
    return out->status == ESPALIER_OK &&
           memcmp(out->answer, subject.want, subject.answer_bytes) == 0;
}

static bool is_told(const outcome *out)
{
    const bool known = out->status == ESPALIER_ERROR_MEMORY || out->status == ESPALIER_ERROR_MAP ||
                       out->status == ESPALIER_ERROR_OPEN || out->status == ESPALIER_ERROR_READ;
    return known && out->error.status == out->status && out->error.message[0] != '\0' &&
           out->error.format_rule == 0; /* no file is at fault */
}

static void fail_each_call(uint64_t flags, int from)
{
    outcome out;
    fault_start(0);
    go_through(flags, from, &out);
    assert_true(fault_stop());
    const bool refused = (flags & ESPALIER_OPEN_LOCK) != 0 && out.status == ESPALIER_ERROR_MAP;
    assert_true(is_fine(&out) || refused); /* no right to lock memory here */
    const uint64_t total = fault.calls;
    uint64_t told = 0;
    assert_true(total > 10);
    for (uint64_t n = 1; n <= total; n++) {
        fault_start(n);
        go_through(flags, from, &out);
        const bool clean = fault_stop();
        if (!clean || !(is_fine(&out) || is_told(&out))) {
            fail_msg("flags %llu, call %llu, %s: status %s, %lld blocks, %lld files, %lld maps: %s",
                     (unsigned long long)flags, (unsigned long long)n,
                     fault.failed != NULL ? fault.failed : "none", espalier_status_name(out.status),
                     (long long)fault.blocks, (long long)fault.descriptors, (long long)fault.maps,
                     out.error.message);
        }
        told += out.status != ESPALIER_OK;
    }
    assert_true(told >= total / 2);
}

static void make_subject(const synthetic_options *options, uint32_t layout)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    subject.bytes = model_bytes_of_layout(&forest, 2, layout);
    subject.rows = model_rows_make(&forest, 3, ROWS, 0);
    subject.feature_count = forest.feature_count;
    subject.kind = ESPALIER_OUTPUT_MARGIN;
    subject.answer_bytes = ROWS * sizeof(float);
    espalier_forest_free(&forest);
    model_bytes_write(&subject.bytes, PATH);
    outcome out;
    go_through(0, 1, &out);
    assert_int_equal(out.status, ESPALIER_OK);
    memcpy(subject.want, out.answer, sizeof subject.want);
}

/* A trainer's model: every answer of it by rows that repeat a few numbers. */
static void make_converted(const char *source)
{
    espalier_model *model = NULL;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    outcome out;
    subject.bytes = model_bytes_convert(source);
    assert_int_equal(espalier_model_open_memory(subject.bytes.data, subject.bytes.bytes, NULL,
                                                &model, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    espalier_model_close(model);
    subject.feature_count = info.feature_count;
    subject.kind = (espalier_output_kind)info.default_output;
    subject.rows = calloc((size_t)ROWS * info.feature_count, sizeof *subject.rows);
    assert_non_null(subject.rows);
    for (size_t i = 0; i < (size_t)ROWS * info.feature_count; i++) {
        subject.rows[i] = 0.25F * (float)(i % 11);
    }
    subject.answer_bytes = sizeof subject.want;
    model_bytes_write(&subject.bytes, PATH);
    go_through(0, 1, &out);
    assert_int_equal(out.status, ESPALIER_OK);
    memcpy(subject.want, out.answer, sizeof subject.want);
}

static void free_subject(void)
{
    model_bytes_free(&subject.bytes);
    free(subject.rows);
    (void)unlink(PATH);
}

static const synthetic_options boosted = {.seed = 21,
                                          .trainer = SYNTHETIC_XGBOOST,
                                          .tree_count = 12,
                                          .feature_count = 6,
                                          .decision_count_max = 30,
                                          .group_count = 1,
                                          .shape = SYNTHETIC_BEST_FIRST,
                                          .depth_max = 7};

static void test_every_call_fails(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_HEAP,
                                       ESPALIER_LAYOUT_SELECT};
    for (size_t l = 0; l < sizeof layouts / sizeof layouts[0]; l++) {
        make_subject(&boosted, layouts[l]);
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            fail_each_call(ways[i], 0);
            fail_each_call(ways[i], 1);
        }
        free_subject();
    }
}

static void test_sets_of_categories(void **state)
{
    (void)state;
    synthetic_options options = boosted;
    options.set_features = 2;
    make_subject(&options, ESPALIER_LAYOUT_WALK);
    fail_each_call(0, 0);
    fail_each_call(ESPALIER_OPEN_VERIFY, 1);
    free_subject();
}

/* Predictors whose blocks share tests. */
static void test_shared_tests(void **state)
{
    (void)state;
    synthetic_options options = boosted;
    options.tree_count = 40;
    options.cut_count = 2;
    make_subject(&options, ESPALIER_LAYOUT_HEAP);
    fail_each_call(0, 0);
    free_subject();
}

/* What takes memory of its own: a preparation, leaves that are lines, and tables of more than the
 * first read. */
static void test_what_few_models_have(void **state)
{
    (void)state;
    static const char *const sources[] = {
        ESPALIER_TEST_SOURCE_DIR "/fixtures/pipelines-1.9.1/scaled.joblib",
        ESPALIER_TEST_SOURCE_DIR "/fixtures/lightgbm-4.7.0/linear.txt",
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        make_converted(sources[i]);
        fail_each_call(0, 0);
        fail_each_call(ESPALIER_OPEN_VERIFY, 1);
        free_subject();
    }
    synthetic_options options = boosted;
    options.tree_count = 450;
    options.decision_count_max = 5;
    make_subject(&options, ESPALIER_LAYOUT_WALK);
    fail_each_call(0, 0);
    free_subject();
}

/* Pages of address space in use. */
static size_t used_bytes(void)
{
    unsigned long pages = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* From no room at all to more than enough: a file that wants half a megabyte behind its nodes. */
static void test_every_limit_of_address_space(void **state)
{
    (void)state;
    make_subject(&boosted, ESPALIER_LAYOUT_WALK);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    uint32_t refused = 0, fine = 0;
    for (size_t more = 0; more < (size_t)4 << 20; more += 12288) {
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            outcome out;
            struct rlimit limit = before;
            limit.rlim_cur = used_bytes() + more;
            assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
            fault_start(0);
            go_through(ways[i], 0, &out);
            const bool clean = fault_stop();
            assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
            assert_true(clean && (is_fine(&out) || is_told(&out)));
            refused += out.status != ESPALIER_OK;
            fine += out.status == ESPALIER_OK;
        }
    }
    assert_true(refused > 10 && fine > 10);
    free_subject();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_sets_of_categories),
        cmocka_unit_test(test_shared_tests),
        cmocka_unit_test(test_what_few_models_have),
        cmocka_unit_test(test_every_limit_of_address_space),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
