// SPDX-License-Identifier: Apache-2.0
/*
 * Small models with every truncation and with changes at every byte, as they are and sealed again:
 * open refuses with a status of its own kind and a message, or verify and predict work within their
 * bounds. The bytes end at an inaccessible page.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/model_look.h"
#include "tests/support/sanitized.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FEATURES 4u
#define STEP     (SANITIZED ? 3u : 1u) /* of so many changes of a byte one is tried */

/* How often each status came out: a check that reached nothing would be no check. */
static unsigned long status_counts[128];

static void count_status(espalier_status status)
{
    assert_in_range(status, 0, 127);
    status_counts[status]++;
}

/* Pages whose last byte is the last byte before an inaccessible page; 64-byte aligned data in front
 * of it must still be aligned, so models are placed at the start and the end is checked by size. */
typedef struct page_range {
    uint8_t *data;
    size_t bytes;
} page_range;

static page_range pages_make(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    page_range range = {NULL, (bytes + page - 1) / page * page};
    range.data =
        mmap(NULL, range.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(range.data != MAP_FAILED);
    assert_int_equal(mprotect(range.data + range.bytes, page, PROT_NONE), 0);
    return range;
}

static void pages_free(page_range *range)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap(range->data, range->bytes + page), 0);
}

static const float odd_rows[][FEATURES] = {
    {0.0f, -0.0f, 1.0f, -1.0f},
    {NAN, INFINITY, -INFINITY, NAN},
    {3.4028235e38f, -3.4028235e38f, 1e-45f, -1e-45f},
    {0.5f, 1.5f, -2.5f, 3.5f},
    {NAN, NAN, NAN, NAN},
    {-INFINITY, -INFINITY, -INFINITY, -INFINITY},
    {INFINITY, INFINITY, INFINITY, INFINITY},
    {1.0f, 2.0f, 3.0f, 4.0f},
    {-1.0f, -2.0f, -3.0f, -4.0f},
};
#define ROWS (sizeof odd_rows / sizeof odd_rows[0])

/* Predicts every kind the opened model claims to have. */
static void predict_all(const espalier_model *model)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    espalier_predictor *predictor = NULL;
    const espalier_status created = espalier_predictor_create(model, &options, &predictor);
    if (created != ESPALIER_OK) {
        assert_int_equal(created, ESPALIER_ERROR_MEMORY);
        return;
    }
    float *const values = calloc(ROWS * info.feature_count, sizeof *values);
    assert_non_null(values);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t f = 0; f < info.feature_count && f < FEATURES; f++) {
            values[r * info.feature_count + f] = odd_rows[r][f];
        }
    }
    for (int kind = 0; kind <= 7; kind++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kind, &output) != ESPALIER_OK) {
            continue;
        }
        const size_t row_bytes = output.width * (output.dtype == ESPALIER_DTYPE_INT32 ? 4 : 8);
        for (size_t count = 1; count <= ROWS; count += ROWS - 1) {
            uint8_t *const out = malloc(count * row_bytes);
            assert_non_null(out);
            espalier_outputs outputs = {.data = out, .data_bytes = count * row_bytes};
            const espalier_rows rows = espalier_rows_float32(values, count, info.feature_count);
            assert_int_equal(espalier_predict(predictor, (espalier_output_kind)kind, &rows,
                                              &outputs),
                             ESPALIER_OK);
            free(out);
        }
    }
    free(values);
    espalier_predictor_destroy(predictor);
}

/* Of what is the same but for checksums, one is looked at: the others are opened and verified. */
static void try_model(const uint8_t *data, size_t bytes, bool looked_at)
{
    espalier_model *model = NULL;
    espalier_error error;
    error.message[0] = '\0';
    const espalier_status status = espalier_model_open_memory(data, bytes, NULL, &model, &error);
    count_status(status);
    if (status != ESPALIER_OK) {
        assert_null(model);
        assert_int_equal(error.status, status);
        assert_true(strlen(error.message) > 8);
        assert_string_not_equal(espalier_status_name(status), "ESPALIER_ERROR_UNKNOWN");
        return;
    }
    error.message[0] = '\0';
    const espalier_status verified = espalier_model_verify(model, &error);
    count_status(verified);
    if (verified != ESPALIER_OK) {
        assert_true(strlen(error.message) > 8);
        assert_int_not_equal(error.format_rule, 0);
    }
    if (looked_at) {
        model_look(model);
        predict_all(model);
    }
    espalier_model_close(model);
}

/* Every length the file could be cut to. */
static void cut_everywhere(const model_bytes *model)
{
    page_range range = pages_make(model->bytes);
    for (size_t bytes = 0; bytes < model->bytes; bytes++) {
        memcpy(range.data, model->data, bytes);
        memset(range.data + bytes, 0xA5, range.bytes - bytes);
        espalier_model *opened = NULL;
        const espalier_status status =
            espalier_model_open_memory(range.data, bytes, NULL, &opened, NULL);
        assert_int_equal(status,
                         bytes == 0 ? ESPALIER_ERROR_NOT_A_MODEL : ESPALIER_ERROR_TRUNCATED);
        /* Sealed: the header says the shorter size, and nothing but the size is wrong. */
        model_bytes cut = {range.data, bytes};
        if (bytes >= sizeof(espalier_file_header)) {
            ((espalier_file_header *)(void *)range.data)->file_bytes = bytes;
            model_bytes_seal(&cut);
            try_model(range.data, bytes, true);
        }
    }
    pages_free(&range);
}

/* Every byte changed in several ways, once as it is and once sealed again. */
static void change_everywhere(const model_bytes *model)
{
    static const uint8_t masks[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF, 0x7F};
    page_range range = pages_make(model->bytes);
    for (size_t at = 0; at < model->bytes; at++) {
        const size_t mask_count = sizeof masks / sizeof masks[0];
        /* Long stretches of padding need no ten tries each. */
        const size_t step = model->data[at] == 0 && at % 16 != 0 ? 5 : STEP;
        for (size_t m = at % step; m < mask_count; m += step) {
            memcpy(range.data, model->data, model->bytes);
            range.data[at] ^= masks[m];
            try_model(range.data, model->bytes, false);
            model_bytes changed = {range.data, model->bytes};
            model_bytes_seal(&changed);
            try_model(range.data, model->bytes, true);
        }
    }
    pages_free(&range);
}

static void attack(const synthetic_options *options, uint32_t layout)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    model_bytes model = model_bytes_of_layout(&forest, 3, layout);
    cut_everywhere(&model);
    change_everywhere(&model);
    model_bytes_free(&model);
    espalier_forest_free(&forest);
}

static void test_classifier(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 1,
                                       .tree_count = 3,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 9,
                                       .group_count = 2,
                                       .class_count = 2,
                                       .missing_allowed = true,
                                       .named = true,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .label_kind = ESPALIER_LABEL_STRING};
    attack(&options, ESPALIER_LAYOUT_WALK);
}

static void test_counts_tree(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 2,
                                       .tree_count = 1,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 12,
                                       .group_count = 1,
                                       .class_count = 9,
                                       .normalise = true,
                                       .label_kind = ESPALIER_LABEL_BOOL};
    attack(&options, ESPALIER_LAYOUT_WALK);
}

static void test_regressor(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 3,
                                       .tree_count = 20,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 5,
                                       .group_count = 1};
    attack(&options, ESPALIER_LAYOUT_WALK);
}

static void test_heap(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 4,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 4,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 4};
    attack(&options, ESPALIER_LAYOUT_HEAP);
}

static void test_select(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 5,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 4,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 12,
                                       .group_count = 1,
                                       .class_count = 2,
                                       .shape = SYNTHETIC_BEST_FIRST};
    attack(&options, ESPALIER_LAYOUT_SELECT);
}

static void test_bits(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 7,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 4,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 14,
                                       .group_count = 1,
                                       .class_count = 2,
                                       .shape = SYNTHETIC_BEST_FIRST};
    attack(&options, ESPALIER_LAYOUT_BITS);
}

static void test_ranks(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 6,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 2,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    attack(&options, ESPALIER_LAYOUT_WALK);
}

/* Features with categories: cuts, words and bits that lie. */
static void test_sets(void **state)
{
    (void)state;
    for (uint32_t trainer = SYNTHETIC_XGBOOST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        const synthetic_options options = {.seed = 17 + trainer,
                                           .trainer = (synthetic_trainer)trainer,
                                           .tree_count = 2,
                                           .feature_count = FEATURES,
                                           .set_features = 2,
                                           .decision_count_max = 9,
                                           .group_count = 1,
                                           .missing_allowed = true};
        attack(&options, ESPALIER_LAYOUT_WALK);
    }
}

/* Stages behind the sums, in both arithmetics. */
static void test_linked(void **state)
{
    (void)state;
    for (uint32_t trainer = SYNTHETIC_XGBOOST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        const synthetic_options options = {.seed = 7 + trainer,
                                           .trainer = (synthetic_trainer)trainer,
                                           .tree_count = 2,
                                           .feature_count = FEATURES,
                                           .decision_count_max = 4,
                                           .group_count = 1,
                                           .linked = true};
        attack(&options, ESPALIER_LAYOUT_WALK);
    }
}

/* Every status that a changed byte can cause was caused: the changes reached all the checks. */
static void test_every_check_was_reached(void **state)
{
    (void)state;
    static const espalier_status reached[] = {
        ESPALIER_OK,
        ESPALIER_ERROR_NOT_A_MODEL,
        ESPALIER_ERROR_VALUE,
        ESPALIER_ERROR_VERSION,
        ESPALIER_ERROR_REQUIRED_FEATURE,
        ESPALIER_ERROR_TRUNCATED,
        ESPALIER_ERROR_CHECKSUM,
        ESPALIER_ERROR_SECTION,
        ESPALIER_ERROR_SECTION_MISSING,
        ESPALIER_ERROR_INDEX,
        ESPALIER_ERROR_GOLDEN,
        ESPALIER_ERROR_LIMIT,
    };
    for (size_t i = 0; i < sizeof reached / sizeof reached[0]; i++) {
        if (status_counts[reached[i]] == 0) {
            fail_msg("%s never came out", espalier_status_name(reached[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifier), cmocka_unit_test(test_counts_tree),
        cmocka_unit_test(test_regressor),  cmocka_unit_test(test_heap),
        cmocka_unit_test(test_select),     cmocka_unit_test(test_bits),
        cmocka_unit_test(test_ranks),      cmocka_unit_test(test_sets),
        cmocka_unit_test(test_linked),     cmocka_unit_test(test_every_check_was_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
