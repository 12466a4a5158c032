// SPDX-License-Identifier: Apache-2.0
/*
 * XGBoost documents as UBJSON, damaged, and in files: every truncation, every changed byte, every
 * limit of memory; how they are recognised, listed and loaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/source.h"
#include "tests/support/own_folder.h"
#include "tests/unit/test_ubjson.h"
#include "tests/unit/test_xgboost.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "test_xgboost.json"

/* ---- UBJSON --------------------------------------------------------------------------------- */

static void test_ubjson_gives_the_same_forest(void **state)
{
    (void)state;
    static ubjson_writer writer;
    espalier_forest json;
    espalier_forest ubjson;
    ubjson_put_document(&writer, whole);
    load_text(whole, &json);
    if (load_bytes(writer.bytes, writer.count, MEMORY_MAX, &ubjson) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(summary.format, "XGBoost UBJSON");
    assert_int_equal(summary.consumed_bytes, writer.count);
    assert_int_equal(json.node_count, ubjson.node_count);
    assert_int_equal(json.leaf_count, ubjson.leaf_count);
    const size_t nodes = (size_t)json.node_count;
    assert_int_equal(json.tree_count, ubjson.tree_count);
    for (uint32_t i = 0; i < json.tree_count; i++) {
        /* Field by field: a tree ends in padding. */
        assert_int_equal(json.trees[i].first_node, ubjson.trees[i].first_node);
        assert_int_equal(json.trees[i].first_leaf, ubjson.trees[i].first_leaf);
        assert_int_equal(json.trees[i].node_count, ubjson.trees[i].node_count);
        assert_int_equal(json.trees[i].leaf_count, ubjson.trees[i].leaf_count);
        assert_int_equal(json.trees[i].depth, ubjson.trees[i].depth);
        assert_int_equal(json.trees[i].preorder, ubjson.trees[i].preorder);
    }
    assert_memory_equal(json.left, ubjson.left, nodes * sizeof *json.left);
    assert_memory_equal(json.right, ubjson.right, nodes * sizeof *json.right);
    assert_memory_equal(json.feature, ubjson.feature, nodes * sizeof *json.feature);
    assert_memory_equal(json.threshold, ubjson.threshold, nodes * sizeof *json.threshold);
    assert_memory_equal(json.cover, ubjson.cover, nodes * sizeof *json.cover);
    assert_memory_equal(json.missing_left, ubjson.missing_left, nodes);
    assert_memory_equal(json.number, ubjson.number, nodes * sizeof *json.number);
    assert_memory_equal(json.leaf_values, ubjson.leaf_values,
                        (size_t)json.leaf_count * sizeof *json.leaf_values);
    assert_true(json.start[0] == ubjson.start[0]);
    assert_string_equal(json.parameters_json, ubjson.parameters_json);
    assert_string_equal(json.feature_names[1], ubjson.feature_names[1]);
    espalier_forest_free(&json);
    espalier_forest_free(&ubjson);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void check_truncations(const char *text, size_t bytes)
{
    espalier_forest forest;
    for (size_t i = 0; i < bytes; i++) {
        char *const part = malloc(i > 0 ? i : 1);
        assert_non_null(part);
        memcpy(part, text, i);
        /* Without the key there is no telling that it is one. */
        if (espalier_xgboost_kind.recognise((const uint8_t *)part, i)) {
            assert_int_equal(load_bytes(part, i, MEMORY_MAX, &forest),
                             ESPALIER_ERROR_SOURCE_TRUNCATED);
            assert_int_equal(error.file_offset, i);
        }
        free(part);
    }
}

static void check_changes(const char *text, size_t bytes)
{
    static const char others[] = {0, ' ', '"', ',', '0', '9', ']', '}', 'Z', '\xFF'};
    char *const changed = malloc(bytes);
    size_t refused = 0;
    assert_non_null(changed);
    memcpy(changed, text, bytes);
    for (size_t i = 0; i < bytes; i++) {
        for (size_t k = 0; k < sizeof others + 8; k++) {
            espalier_forest forest;
            const char other =
                (char)(k < sizeof others ? others[k] : text[i] ^ (1 << (k - sizeof others)));
            changed[i] = other;
            if (!espalier_xgboost_kind.recognise((const uint8_t *)changed, bytes)) {
                continue;
            }
            if (load_bytes(changed, bytes, MEMORY_MAX, &forest) == ESPALIER_OK) {
                espalier_forest_free(&forest);
            } else {
                refused++;
                assert_true(error.message[0] != '\0');
            }
        }
        changed[i] = text[i];
    }
    assert_true(refused > bytes);
    free(changed);
}

static void test_every_truncation_and_change(void **state)
{
    (void)state;
    static ubjson_writer writer;
    ubjson_put_document(&writer, whole);
    check_truncations(whole, strlen(whole));
    check_truncations(writer.bytes, writer.count);
    check_changes(whole, strlen(whole));
    check_changes(writer.bytes, writer.count);
}

/* Every limit of memory up to what is needed is refused cleanly. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    espalier_forest forest;
    uint64_t memory = 0;
    espalier_status status = ESPALIER_ERROR_SOURCE_LIMIT;
    while (status != ESPALIER_OK) {
        assert_int_equal(status, ESPALIER_ERROR_SOURCE_LIMIT);
        assert_true(memory < 8192);
        memory += 8;
        status = load_bytes(whole, strlen(whole), memory, &forest);
    }
    assert_true(memory > 512);
    espalier_forest_free(&forest);
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool is_recognised(const char *text, size_t bytes)
{
    return espalier_xgboost_kind.recognise((const uint8_t *)text, bytes);
}

static void test_recognises_content(void **state)
{
    (void)state;
    assert_true(is_recognised("{\"learner\":", 11));
    assert_true(is_recognised(" \n{ \"version\":[1,0,0], \"learner\"", 33));
    assert_true(is_recognised("{L\0\0\0\0\0\0\0\7learner{", 18));
    assert_true(is_recognised("{i\7learner{", 11));
    assert_true(is_recognised("binf", 4));
    assert_true(is_recognised("[\n  { \"nodeid\": 0", 17));
    assert_false(is_recognised("", 0));
    assert_false(is_recognised("{", 1));
    assert_false(is_recognised("{}", 2));
    assert_false(is_recognised("{\"model\":1}", 11));
    assert_false(is_recognised("\x80\x04\x95learner", 10));
    assert_false(is_recognised("]\"learner\"", 10));
    assert_false(is_recognised("tree\nversion=v4\n", 16));
}

static void write_file(const char *text, size_t bytes)
{
    FILE *const file = fopen(FILE_NAME, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static int remove_file(void **state)
{
    (void)state;
    (void)unlink(FILE_NAME);
    return 0;
}

static void check_listed(const char *text, size_t bytes, const char *format, const char *version,
                         bool supported)
{
    espalier_source *source = NULL;
    espalier_source_estimator model;
    write_file(text, bytes);
    assert_int_equal(espalier_source_open(FILE_NAME, NULL, &source, &error), ESPALIER_OK);
    assert_string_equal(espalier_source_format(source), format);
    assert_int_equal(espalier_source_name_count(source), 0);
    assert_int_equal(espalier_source_trailing_bytes(source), 0);
    assert_int_equal(espalier_source_estimator_count(source), 1);
    assert_int_equal(espalier_source_estimator_get(source, 0, &model), ESPALIER_OK);
    assert_string_equal(model.path, "");
    assert_string_equal(model.class_name, "xgboost.Booster");
    assert_string_equal(model.version, version);
    assert_int_equal(model.supported, supported);
    espalier_source_close(source);
}

static void test_files_are_listed(void **state)
{
    (void)state;
    static ubjson_writer writer;
    char *const unsupported = replace(whole, "\"name\":\"gbtree\"", "\"name\":\"gblinear\"");
    char *const spaced = replace(whole, "[3,0,5]}", "[3,0,5]\n}\n\n");
    ubjson_put_document(&writer, whole);
    check_listed(whole, strlen(whole), "XGBoost JSON", "3.0.5", true);
    check_listed(spaced, strlen(spaced), "XGBoost JSON", "3.0.5", true);
    check_listed(writer.bytes, writer.count, "XGBoost UBJSON", "3.0.5", true);
    check_listed(unsupported, strlen(unsupported), "XGBoost JSON", "3.0.5", false);
    check_listed("[ {\"nodeid\":0}]", 15, "XGBoost dump, JSON", "", false);
    free(unsupported);
    free(spaced);
}

static void test_files_are_loaded(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_source_facts facts;
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    char behind[sizeof whole + 4];
    (void)snprintf(behind, sizeof behind, "%s\n{}", whole);
    write_file(behind, strlen(behind));
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, &facts, &error),
                     ESPALIER_OK);
    assert_string_equal(facts.format, "XGBoost JSON");
    assert_string_equal(facts.place, "");
    assert_int_equal(facts.trailing_bytes, 2);
    espalier_forest_free(&forest);
    options.select = ".learner";
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_ERROR_SOURCE_NONE);
    assert_non_null(strstr(error.message, "nothing at .learner"));
    options.select = NULL;
    options.memory_bytes_max = 100;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    options.memory_bytes_max = 0;
    write_file("[ {\"nodeid\":0}]", 15);
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, &error),
                     ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "save_model(\"model.json\")"));
    write_file("binf", 4); /* the old format, cut */
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, &error),
                     ESPALIER_ERROR_SOURCE_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ubjson_gives_the_same_forest),
        cmocka_unit_test(test_every_truncation_and_change),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_recognises_content),
        cmocka_unit_test_teardown(test_files_are_listed, remove_file),
        cmocka_unit_test_teardown(test_files_are_loaded, remove_file),
    };
    own_folder_enter();
    return cmocka_run_group_tests_name("xgboost damage", tests, NULL, NULL);
}
