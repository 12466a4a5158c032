// SPDX-License-Identifier: Apache-2.0
/*
 * Ways to hold a model: mapped, prefaulted, locked, copied, on huge pages, from a file and from
 * memory. All answer alike; what the system refuses is an error with its errno, and leaves nothing
 * behind.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/model.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/sanitized.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATH "test_open_ways.espalier"

#define MLOCK_WORKS (!SANITIZED) /* sanitizers replace it by nothing */

static model_bytes bytes;
static float *values;
static uint32_t feature_count;

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 9,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 300,
                                       .feature_count = 6,
                                       .decision_count_max = 120,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 8};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    bytes = model_bytes_of_layout(&forest, 2, ESPALIER_LAYOUT_SELECT);
    values = model_rows_make(&forest, 3, 70, 1);
    feature_count = forest.feature_count;
    espalier_forest_free(&forest);
    model_bytes_write(&bytes, PATH);
    return 0;
}

static int drop_model(void **state)
{
    (void)state;
    model_bytes_free(&bytes);
    free(values);
    return unlink(PATH);
}

static void predict(const espalier_model *model, float margins[70])
{
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const espalier_rows rows = espalier_rows_float32(values, 70, feature_count);
    espalier_outputs outputs = {.data = margins, .data_bytes = 70 * sizeof *margins};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &rows, &outputs),
                     ESPALIER_OK);
    espalier_predictor_destroy(predictor);
}

/* Pages of the model that are in memory. */
static size_t resident_pages(const espalier_model *model)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t pages = (bytes.bytes + page - 1) / page;
    unsigned char *const flags = calloc(pages, 1);
    assert_non_null(flags);
    uint8_t *const base = (uint8_t *)(uintptr_t)model->map.base;
    assert_int_equal(mincore(base, bytes.bytes, flags), 0);
    size_t count = 0;
    for (size_t i = 0; i < pages; i++) {
        count += flags[i] & 1;
    }
    free(flags);
    return count;
}

static void test_all_ways_answer_alike(void **state)
{
    (void)state;
    static const uint64_t flags[] = {
        0,
        ESPALIER_OPEN_COPY,
        ESPALIER_OPEN_PREFAULT,
        ESPALIER_OPEN_HUGE_PAGES,
        ESPALIER_OPEN_HUGE_PAGES | ESPALIER_OPEN_PREFAULT | ESPALIER_OPEN_VERIFY,
        ESPALIER_OPEN_COPY | ESPALIER_OPEN_PREFAULT,
    };
    float want[70], got[70];
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        for (int from_memory = 0; from_memory < 2; from_memory++) {
            const espalier_open_options options = {sizeof options, flags[i], 0, {0}};
            espalier_model *model = NULL;
            const espalier_status status =
                from_memory
                    ? espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, NULL)
                    : espalier_model_open(PATH, &options, &model, NULL);
            assert_int_equal(status, ESPALIER_OK);
            espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
            assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
            const bool copied = (flags[i] & (ESPALIER_OPEN_COPY | ESPALIER_OPEN_HUGE_PAGES)) != 0;
            assert_int_equal(info.mapping == ESPALIER_MAPPING_COPY, copied);
            assert_int_equal(info.infinite_allowed, 1);
            assert_int_equal(info.input_dtype, ESPALIER_DTYPE_FLOAT32);
            if ((flags[i] & ESPALIER_OPEN_HUGE_PAGES) != 0 && info.huge_bytes != 0) {
                assert_int_equal(info.huge_bytes % ((uint64_t)2 << 20), 0);
                assert_true(info.huge_bytes >= info.file_bytes);
                assert_int_equal((uintptr_t)model->map.base % ((uintptr_t)2 << 20), 0);
            } else {
                assert_int_equal(info.huge_bytes, 0);
            }
            predict(model, i == 0 && from_memory == 0 ? want : got);
            if (i != 0 || from_memory != 0) {
                assert_memory_equal(want, got, sizeof got);
            }
            espalier_model_close(model);
        }
    }
}

static void test_prefault_brings_every_page(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_PREFAULT;
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open(PATH, &options, &model, NULL), ESPALIER_OK);
    assert_int_equal(resident_pages(model), (bytes.bytes + page - 1) / page);
    struct rusage before, after;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    const volatile uint8_t *const base = model->map.base;
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.bytes; i += page) {
        sum += base[i];
    }
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(sum > 0);
    /* A sanitizer may fault in pages of its own meanwhile. */
    assert_true(after.ru_minflt - before.ru_minflt < (long)(bytes.bytes / page / 4));
    espalier_model_close(model);
}

/* A file that lost its end after it was read: an error instead of a signal. */
static void test_prefault_of_a_cut_file(void **state)
{
    (void)state;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *const file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)page), 0);
    const espalier_input input = {"cut", fileno(file), NULL, 9 * page};
    const espalier_map_request request = {.file_bytes = 9 * page,
                                          .readable_bytes = 9 * page,
                                          .prefault = true};
    espalier_map map;
    espalier_error error;
    const espalier_status status = espalier_map_open(&input, &request, &map, &error);
    assert_true(status == ESPALIER_ERROR_MAP || status == ESPALIER_ERROR_TRUNCATED);
    assert_true(status != ESPALIER_ERROR_MAP || error.system_errno == EFAULT);
    assert_int_equal(fclose(file), 0);
}

static void test_lock(void **state)
{
    (void)state;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_LOCK;
    for (int from_memory = 0; from_memory < 2; from_memory++) {
        espalier_model *model = NULL;
        espalier_error error;
        const espalier_status status =
            from_memory
                ? espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, &error)
                : espalier_model_open(PATH, &options, &model, &error);
        if (status == ESPALIER_OK) {
            float got[70];
            predict(model, got);
            espalier_model_close(model);
        } else {
            assert_int_equal(status, ESPALIER_ERROR_MAP);
            assert_true(error.system_errno == ENOMEM || error.system_errno == EPERM);
        }
    }
}

/* Without the right and with a limit of one page, locking fails with the system's reason. */
static void test_lock_beyond_the_limit(void **state)
{
    (void)state;
    if (MLOCK_WORKS == 0) {
        skip();
    }
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    const struct rlimit own = {4096, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &own), 0);
    const bool is_root = geteuid() == 0;
    if (is_root) {
        assert_int_equal(seteuid(65534), 0);
    }
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_LOCK;
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_status status =
        espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, &error);
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
    }
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    assert_int_equal(status, ESPALIER_ERROR_MAP);
    assert_null(model);
    assert_true(error.system_errno == ENOMEM || error.system_errno == EPERM);
    assert_non_null(strstr(error.message, "cannot lock"));
}

static void test_unknown_flags(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = 1u << 5;
    assert_int_equal(espalier_model_open(PATH, &options, &model, NULL), ESPALIER_ERROR_OPTIONS);
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_ways_answer_alike),
        cmocka_unit_test(test_prefault_brings_every_page),
        cmocka_unit_test(test_prefault_of_a_cut_file),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_lock_beyond_the_limit),
        cmocka_unit_test(test_unknown_flags),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
