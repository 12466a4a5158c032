// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_source: format, sizes, names and models of a saved file; nothing in it is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "espalier_convert.h"

static espalier_source *open_fixture(const char *name)
{
    char path[512];
    espalier_source *source = NULL;
    espalier_error error;
    const int bytes = snprintf(path, sizeof path, "%s/fixtures/%s", ESPALIER_TEST_SOURCE_DIR, name);
    assert_true(bytes > 0 && (size_t)bytes < sizeof path);
    if (espalier_source_open(path, NULL, &source, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return source;
}

static espalier_source_name find_name(const espalier_source *source, const char *module,
                                      const char *name)
{
    espalier_source_name found;
    for (size_t i = 0; i < espalier_source_name_count(source); i++) {
        assert_int_equal(espalier_source_name_get(source, i, &found), ESPALIER_OK);
        if (strcmp(found.module, module) == 0 && strcmp(found.name, name) == 0) {
            return found;
        }
    }
    fail_msg("no name %s.%s", module, name);
    return found;
}

static void expect_format(const char *fixture, const char *format)
{
    espalier_source *const source = open_fixture(fixture);
    assert_string_equal(espalier_source_format(source), format);
    espalier_source_close(source);
}

static void test_formats(void **state)
{
    (void)state;
    expect_format("sklearn-1.6.1/small.joblib", "joblib, protocol 4");
    expect_format("sklearn-1.6.1/small_p5.joblib", "joblib, protocol 5");
    expect_format("sklearn-1.6.1/small_p0.pkl", "pickle, protocol 0");
    expect_format("sklearn-1.6.1/small_p2.pkl", "pickle, protocol 2");
    expect_format("sklearn-1.6.1/small_zlib.joblib", "joblib, protocol 4, zlib");
    expect_format("sklearn-1.6.1/container_gzip.joblib", "joblib, protocol 4, gzip");
    expect_format("sklearn-1.6.1/container_bz2.joblib", "joblib, protocol 4, bzip2");
    expect_format("sklearn-1.6.1/container_lzma.joblib", "joblib, protocol 4, lzma");
    expect_format("sklearn-1.6.1/container_xz.joblib", "joblib, protocol 4, xz");
    expect_format("sklearn-1.6.1/container_lz4.joblib", "joblib, protocol 4, lz4");
}

static void test_forest(void **state)
{
    (void)state;
    espalier_source *const source = open_fixture("sklearn-1.6.1/small_zlib.joblib");
    espalier_source_estimator estimator;
    assert_true(espalier_source_expanded_bytes(source) > espalier_source_bytes(source));
    assert_int_equal(espalier_source_trailing_bytes(source), 0);
    assert_int_equal(espalier_source_estimator_count(source), 1);
    assert_int_equal(espalier_source_estimator_get(source, 0, &estimator), ESPALIER_OK);
    assert_string_equal(estimator.path, "");
    assert_string_equal(estimator.version, "1.6.1");
    assert_string_equal(estimator.class_name, "sklearn.ensemble._forest.RandomForestClassifier");
    assert_int_equal(estimator.supported, 1);
    assert_int_equal(espalier_source_estimator_get(source, 1, &estimator), ESPALIER_ERROR_ARGUMENT);
    const espalier_source_name name = find_name(source, "sklearn.tree._tree", "Tree");
    assert_int_equal(name.policy, ESPALIER_NAME_INTERPRETED);
    assert_int_equal(name.import_count, 1);
    assert_true(name.call_count >= 1);
    assert_null(name.call_text);
    espalier_source_name beyond;
    assert_int_equal(espalier_source_name_get(source, espalier_source_name_count(source), &beyond),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_source_close(source);
}

static void test_trailing(void **state)
{
    (void)state;
    espalier_source *const source = open_fixture("sklearn-1.6.1/small_trailing.pkl");
    assert_int_equal(espalier_source_trailing_bytes(source), 21);
    assert_int_equal(espalier_source_bytes(source), espalier_source_expanded_bytes(source));
    espalier_source_close(source);
}

static void expect_listed(const char *fixture, const char *module, const char *name,
                          const char *call)
{
    espalier_source *const source = open_fixture(fixture);
    const espalier_source_name found = find_name(source, module, name);
    assert_int_equal(found.policy, ESPALIER_NAME_FLAGGED);
    assert_non_null(found.call_text);
    assert_string_equal(found.call_text, call);
    espalier_source_close(source);
}

/* Flagged names are listed, in plain files, beside a model, and inside a nested pickle. */
static void test_flagged_are_listed(void **state)
{
    (void)state;
    expect_listed("refused/system_p0.pkl", "os", "system",
                  "os.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_p2.pkl", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_p4.pkl", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_by_memo.pkl", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_memo_overwritten.pkl", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_beside_p4.pkl", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_nested.joblib", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/system_nested_zlib.joblib", "posix", "system",
                  "posix.system(\"touch espalier-was-here\")");
    expect_listed("refused/popen_p2.pkl", "subprocess", "Popen",
                  "subprocess.Popen([\"touch\", \"espalier-was-here\"])");
}

static void expect_failure(const char *path, const espalier_convert_options *options,
                           espalier_status wanted)
{
    espalier_source *source = NULL;
    espalier_error error;
    assert_int_equal(espalier_source_open(path, options, &source, &error), wanted);
    assert_null(source);
    assert_int_equal(error.status, wanted);
}

static void test_failures(void **state)
{
    (void)state;
    const char *const folder = ESPALIER_TEST_SOURCE_DIR "/fixtures/";
    char path[512];
    espalier_source *source = NULL;
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    expect_failure(NULL, NULL, ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_source_open("x", NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    expect_failure("no/such/file", NULL, ESPALIER_ERROR_OPEN);
    (void)snprintf(path, sizeof path, "%srefused/empty.pkl", folder);
    expect_failure(path, NULL, ESPALIER_ERROR_SOURCE_FORMAT);
    (void)snprintf(path, sizeof path, "%srefused/text.pkl", folder);
    expect_failure(path, NULL, ESPALIER_ERROR_SOURCE_FORMAT);
    (void)snprintf(path, sizeof path, "%srefused/half.joblib", folder);
    expect_failure(path, NULL, ESPALIER_ERROR_SOURCE_TRUNCATED);
    (void)snprintf(path, sizeof path, "%srefused/half_zlib.joblib", folder);
    expect_failure(path, NULL, ESPALIER_ERROR_SOURCE_TRUNCATED);
    (void)snprintf(path, sizeof path, "%srefused/buffers_outside.pkl", folder);
    expect_failure(path, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    (void)snprintf(path, sizeof path, "%ssklearn-1.6.1/small_zlib.joblib", folder);
    options.expanded_bytes_max = 1000;
    expect_failure(path, &options, ESPALIER_ERROR_SOURCE_LIMIT);
    options.expanded_bytes_max = 0;
    options.memory_bytes_max = 1000;
    expect_failure(path, &options, ESPALIER_ERROR_SOURCE_LIMIT);
    options.memory_bytes_max = 0;
    options.reserved[1] = 1;
    expect_failure(path, &options, ESPALIER_ERROR_OPTIONS);
    options.reserved[1] = 0;
    options.struct_bytes = 8;
    expect_failure(path, &options, ESPALIER_ERROR_OPTIONS);
    options.struct_bytes = sizeof options;
    assert_int_equal(espalier_source_open(path, &options, &source, NULL), ESPALIER_OK);
    espalier_source_close(source);
    espalier_source_close(NULL);
}

static void test_null_source(void **state)
{
    (void)state;
    espalier_source_name name;
    espalier_source_estimator estimator;
    assert_string_equal(espalier_source_format(NULL), "");
    assert_int_equal(espalier_source_bytes(NULL), 0);
    assert_int_equal(espalier_source_expanded_bytes(NULL), 0);
    assert_int_equal(espalier_source_trailing_bytes(NULL), 0);
    assert_int_equal(espalier_source_name_count(NULL), 0);
    assert_int_equal(espalier_source_estimator_count(NULL), 0);
    assert_int_equal(espalier_source_name_get(NULL, 0, &name), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_source_estimator_get(NULL, 0, &estimator), ESPALIER_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),  cmocka_unit_test(test_forest),
        cmocka_unit_test(test_trailing), cmocka_unit_test(test_flagged_are_listed),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_null_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
