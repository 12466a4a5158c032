// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_convert from a real joblib file to a published model: metadata, proof, determinism, what
 * a failed conversion leaves behind.
 */
#include "espalier_convert.h"
#include "espalier_inspect.h"
#include "espalier_publish.h"
#include "format/layout.h"

#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SOURCE ESPALIER_TEST_SOURCE_DIR "/fixtures/sklearn-1.4.2/random_forest_model.pkl"

static char folder[] = "test_convert.XXXXXX";
static char path[64];
static char other_path[64];

static int make_folder(void **state)
{
    (void)state;
    (void)unsetenv("SOURCE_DATE_EPOCH");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/model.espalier", folder);
    (void)snprintf(other_path, sizeof other_path, "%s/other.espalier", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(other_path);
    return rmdir(folder); /* fails when a temporary file was left behind */
}

static void convert_to(const char *model_path, const espalier_convert_options *options,
                       espalier_convert_report *report)
{
    espalier_error error;
    if (espalier_convert(SOURCE, model_path, options, report, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

static espalier_model *open_verified(const char *model_path)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_model *model = NULL;
    espalier_error error;
    if (espalier_model_open(model_path, &options, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return model;
}

static json_t *read_metadata(const char *model_path)
{
    espalier_model *const model = open_verified(model_path);
    const char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(espalier_model_metadata(model, &text, &bytes), ESPALIER_OK);
    json_t *const root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    espalier_model_close(model);
    return root;
}

static const char *text_at(const json_t *root, const char *outer, const char *inner)
{
    const json_t *const object = json_object_get(root, outer);
    return json_string_value(inner != NULL ? json_object_get(object, inner) : object);
}

/* The whole file in memory. */
static uint8_t *read_file(const char *name, size_t *bytes_out)
{
    FILE *const stream = fopen(name, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    *bytes_out = (size_t)ftell(stream);
    rewind(stream);
    uint8_t *const data = malloc(*bytes_out);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes_out, stream), *bytes_out);
    (void)fclose(stream);
    return data;
}

/* Both files, byte for byte. */
static void assert_same_models(void)
{
    size_t bytes[2];
    uint8_t *const first = read_file(path, &bytes[0]);
    uint8_t *const second = read_file(other_path, &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(first, second, bytes[0]);
    free(first);
    free(second);
}

/* F-281. */
static bool has_section(uint32_t type)
{
    size_t bytes = 0;
    uint8_t *const data = read_file(path, &bytes);
    espalier_file_header header;
    memcpy(&header, data, sizeof header);
    bool found = false;
    for (uint32_t i = 0; i < header.section_count; i++) {
        espalier_file_section section;
        memcpy(&section, data + sizeof header + i * sizeof section, sizeof section);
        found = found || section.type == type;
    }
    free(data);
    return found;
}

/* [F-281]: golden rows, metadata and proof are there. */
static void test_converts_the_tutorial_forest(void **state)
{
    (void)state;
    espalier_convert_report report;
    convert_to(path, NULL, &report);
    struct stat status;
    assert_int_equal(stat(SOURCE, &status), 0);
    assert_int_equal(report.source_bytes, status.st_size);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(report.model_bytes, status.st_size);
    assert_true(report.model_bytes < report.source_bytes / 2);
    assert_non_null(strstr(report.summary, "200 trees"));
    assert_non_null(strstr(report.summary, "equal bit for bit"));

    espalier_model *const model = open_verified(path);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.tree_count, 200);
    assert_int_equal(info.feature_count, 4);
    assert_int_equal(info.node_count, 2526);
    assert_int_equal(info.default_output, ESPALIER_OUTPUT_CLASS);
    espalier_proof proof;
    assert_int_equal(espalier_model_proof(model, &proof), ESPALIER_OK);
    assert_memory_equal(&proof, &report.proof, sizeof proof);
    assert_in_range(proof.rows_compared, 1000, 4096);
    assert_int_equal(proof.values_compared, proof.rows_compared * 4);
    assert_int_equal(proof.leaves_compared, proof.rows_compared * 200);
    assert_int_equal(proof.check_rows, 0);
    espalier_model_close(model);
    assert_true(has_section(ESPALIER_SECTION_GOLDEN));
    assert_true(has_section(ESPALIER_SECTION_METADATA));
    assert_true(has_section(ESPALIER_SECTION_PROOF));
    assert_int_equal(espalier_digest_verify(path, NULL, NULL), ESPALIER_OK);
}

/* A layout is asked for, kept, and explained; one that does not exist is refused. */
static void test_layouts_can_be_asked_for(void **state)
{
    (void)state;
    const struct {
        uint32_t asked;
        uint32_t given;
        const char *name;
        const char *why;
    } cases[] = {
        {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_WALK, "walk", "walk, as asked for"},
        {ESPALIER_LAYOUT_HEAP, ESPALIER_LAYOUT_HEAP, "heap", "as asked for: at most 8 levels"},
        {ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_SELECT, "select", "at most 12 leaves"},
        {ESPALIER_LAYOUT_BITS, ESPALIER_LAYOUT_BITS, "bits", "as asked for: at most 12 leaves"},
        {ESPALIER_LAYOUT_MASK, ESPALIER_LAYOUT_BITS, "bits", "8 byte columns"},
        {ESPALIER_LAYOUT_ANY, ESPALIER_LAYOUT_BITS, "bits", "trees of any shape: at most 12"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
        options.layout = cases[i].asked;
        convert_to(path, &options, NULL);
        espalier_model *const model = open_verified(path);
        espalier_part_info part = ESPALIER_PART_INFO_INIT;
        assert_int_equal(espalier_model_part(model, 0, &part), ESPALIER_OK);
        assert_int_equal(part.layout, cases[i].given);
        /* A walk shares the three kinds of leaves. */
        assert_true((part.leaf_count == 3) == (part.layout == ESPALIER_LAYOUT_WALK));
        espalier_model_close(model);
        json_t *const root = read_metadata(path);
        assert_string_equal(text_at(root, "layout", "chosen"), cases[i].name);
        assert_non_null(strstr(text_at(root, "layout", "why"), cases[i].why));
        json_decref(root);
    }
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.layout = 5;
    assert_int_equal(espalier_convert(SOURCE, path, &options, NULL, NULL), ESPALIER_ERROR_OPTIONS);
    options.layout = ESPALIER_LAYOUT_ANY;
    options.reserved0 = 1;
    assert_int_equal(espalier_convert(SOURCE, path, &options, NULL, NULL), ESPALIER_ERROR_OPTIONS);
}

/* A trainer that takes no number for missing is not told of one. */
static void test_missing_is_for_xgboost(void **state)
{
    (void)state;
    const double missing = -999.0;
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.missing = &missing;
    espalier_error error;
    assert_int_equal(espalier_convert(SOURCE, path, &options, NULL, &error),
                     ESPALIER_ERROR_OPTIONS);
    assert_non_null(strstr(error.message, "only XGBoost is told what means missing"));
}

static void test_metadata_says_where_it_came_from(void **state)
{
    (void)state;
    convert_to(path, NULL, NULL);
    json_t *const root = read_metadata(path);
    assert_string_equal(text_at(root, "format", NULL), "espalier");
    /* Not the file's name: the same bytes under another name must give the same model. */
    assert_null(json_object_get(json_object_get(root, "source"), "file_name"));
    assert_non_null(strstr(text_at(root, "source", "format"), "joblib"));
    assert_string_equal(text_at(root, "trainer", "framework"), "scikit-learn");
    assert_string_equal(text_at(root, "trainer", "version"), "1.4.2");
    assert_string_equal(text_at(root, "trainer", "class"),
                        "sklearn.ensemble._forest.RandomForestClassifier");
    assert_string_equal(text_at(root, "outputs", "leaf_shape"), "rows,trees");
    assert_string_equal(text_at(root, "converter", "version"), espalier_version());
    assert_string_equal(text_at(root, "layout", "chosen"), "bits");
    const json_t *const parameters =
        json_object_get(json_object_get(root, "trainer"), "parameters");
    assert_int_equal(json_integer_value(json_object_get(parameters, "n_estimators")), 200);
    assert_null(json_object_get(root, "created"));
    assert_null(json_object_get(root, "user"));
    assert_null(json_object_get(root, "model_version"));

    size_t bytes = 0;
    uint8_t *const source = read_file(SOURCE, &bytes);
    uint8_t digest[32];
    char hex[65];
    (void)crypto_generichash(digest, sizeof digest, source, bytes, NULL, 0);
    assert_string_equal(text_at(root, "source", "blake2b"),
                        sodium_bin2hex(hex, sizeof hex, digest, sizeof digest));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "source"), "bytes")),
                     bytes);
    free(source);
    json_decref(root);
}

static void test_the_user_adds_metadata(void **state)
{
    (void)state;
    const espalier_meta meta[] = {{"trained", "2024-05-01"}, {"auc", "0.93"}, {"n\xC3\xA4me", ""}};
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.meta = meta;
    options.meta_count = 3;
    options.model_version = "7";
    assert_int_equal(setenv("SOURCE_DATE_EPOCH", "1700000000", 1), 0);
    convert_to(path, &options, NULL);
    json_t *const root = read_metadata(path);
    assert_string_equal(text_at(root, "user", "auc"), "0.93");
    assert_string_equal(text_at(root, "user", "n\xC3\xA4me"), "");
    assert_string_equal(text_at(root, "model_version", NULL), "7");
    assert_string_equal(text_at(root, "created", NULL), "2023-11-14T22:13:20Z");
    json_decref(root);

    espalier_error error;
    assert_int_equal(setenv("SOURCE_DATE_EPOCH", "yesterday", 1), 0);
    assert_int_equal(espalier_convert(SOURCE, path, NULL, NULL, &error), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "SOURCE_DATE_EPOCH"));
    assert_int_equal(unsetenv("SOURCE_DATE_EPOCH"), 0);
}

/* [F-280] */
static void test_same_source_same_bytes(void **state)
{
    (void)state;
    convert_to(path, NULL, NULL);
    convert_to(other_path, NULL, NULL);
    assert_same_models();
}

/* A model that is pickled in memory: the file's bytes, without the file. */
static void test_bytes_give_the_same_model(void **state)
{
    (void)state;
    convert_to(path, NULL, NULL);
    size_t source_bytes = 0;
    uint8_t *const source = read_file(SOURCE, &source_bytes);
    espalier_convert_report report;
    espalier_error error;
    assert_int_equal(espalier_convert_memory(source, source_bytes, "a live model", other_path, NULL,
                                             &report, &error),
                     ESPALIER_OK);
    assert_int_equal(report.source_bytes, source_bytes);
    assert_same_models();

    assert_int_equal(espalier_convert_memory(source, source_bytes / 2, "a live model", other_path,
                                             NULL, NULL, &error),
                     ESPALIER_ERROR_SOURCE_TRUNCATED);
    assert_non_null(strstr(error.message, "a live model"));
    assert_int_equal(espalier_convert_memory(source, 0, "nothing", other_path, NULL, NULL, &error),
                     ESPALIER_ERROR_SOURCE_FORMAT);
    assert_int_equal(espalier_convert_memory(NULL, 1, "nothing", other_path, NULL, NULL, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_convert_memory(source, 1, NULL, other_path, NULL, NULL, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    free(source);
}

/* Each must be refused, and leave the file that was there. */
static void expect_failure(const char *source, const espalier_convert_options *options,
                           espalier_status expected, const char *part)
{
    size_t bytes[2];
    uint8_t *const before = read_file(path, &bytes[0]);
    espalier_error error;
    memset(&error, 0, sizeof error);
    assert_int_equal(espalier_convert(source, path, options, NULL, &error), expected);
    assert_int_equal(error.status, expected);
    if (strstr(error.message, part) == NULL) {
        fail_msg("%s", error.message);
    }
    uint8_t *const after = read_file(path, &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(before, after, bytes[0]);
    free(before);
    free(after);
}

static void test_failures_leave_the_old_model(void **state)
{
    (void)state;
    convert_to(path, NULL, NULL);
    expect_failure("no such file", NULL, ESPALIER_ERROR_OPEN, "no such file");
    expect_failure(path, NULL, ESPALIER_ERROR_ARGUMENT, "its own source");
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    const espalier_meta twice[] = {{"a", "1"}, {"a", "2"}};
    options.meta = twice;
    options.meta_count = 2;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_ARGUMENT, "given twice: a");
    const espalier_meta broken[] = {{"a", "\xFF"}};
    options.meta = broken;
    options.meta_count = 1;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_ARGUMENT, "not UTF-8");
    options.meta_count = 0;
    options.model_version = "\xC3";
    expect_failure(SOURCE, &options, ESPALIER_ERROR_ARGUMENT, "not UTF-8");
    options.model_version = NULL;
    options.reserved[1] = 1;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_OPTIONS, "unknown");
    options.reserved[1] = 0;
    options.flags = 1u << 17;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_OPTIONS, "unknown");
    options.flags = 0;
    options.struct_bytes = 8;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_OPTIONS, "unknown");
    assert_int_equal(espalier_convert(NULL, path, NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_convert(SOURCE, NULL, NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
}

static void test_the_trainers_answers_are_checked(void **state)
{
    (void)state;
    convert_to(path, NULL, NULL);
    const float data[2][4] = {{5.1F, 3.5F, 1.4F, 0.2F}, {6.7F, 3.0F, 5.2F, 2.3F}};
    int64_t labels[2] = {0, 2};
    const espalier_rows rows = espalier_rows_float32(&data[0][0], 2, 4);
    const espalier_array expected = {labels, 'i', 8, 2, 1};
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.check_rows = &rows;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_ARGUMENT, "without answers");
    options.check_expected = &expected;
    labels[1] = 1;
    expect_failure(SOURCE, &options, ESPALIER_ERROR_CHECK, "row 1, column 0: the trainer gave 1");
    labels[1] = 2;
    espalier_convert_report report;
    convert_to(path, &options, &report);
    assert_non_null(strstr(report.summary, "all 2 classes are the trainer's"));
    espalier_model *const model = open_verified(path);
    espalier_proof proof;
    assert_int_equal(espalier_model_proof(model, &proof), ESPALIER_OK);
    assert_int_equal(proof.check_rows, 2);
    assert_int_equal(proof.check_values, 2);
    assert_int_equal(proof.check_kind, ESPALIER_OUTPUT_CLASS);
    espalier_model_close(model);
}

typedef struct heard {
    int calls;
    char last[32];
} heard;

static void hear(void *context, const char *what, uint64_t done, uint64_t total)
{
    heard *const h = context;
    assert_true(done <= total);
    h->calls++;
    (void)snprintf(h->last, sizeof h->last, "%s", what);
}

static void test_progress_is_told(void **state)
{
    (void)state;
    heard h = {0, ""};
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.progress = hear;
    options.progress_context = &h;
    convert_to(path, &options, NULL);
    assert_true(h.calls >= 6);
    assert_string_equal(h.last, "published");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converts_the_tutorial_forest),
        cmocka_unit_test(test_layouts_can_be_asked_for),
        cmocka_unit_test(test_missing_is_for_xgboost),
        cmocka_unit_test(test_metadata_says_where_it_came_from),
        cmocka_unit_test(test_the_user_adds_metadata),
        cmocka_unit_test(test_same_source_same_bytes),
        cmocka_unit_test(test_bytes_give_the_same_model),
        cmocka_unit_test(test_failures_leave_the_old_model),
        cmocka_unit_test(test_the_trainers_answers_are_checked),
        cmocka_unit_test(test_progress_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
