// SPDX-License-Identifier: Apache-2.0
/*
 * From a file to a forest, and the list of models in a file: containers, limits, options, errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/source.h"
#include "tests/support/fake_sklearn.h"
#include "tests/support/own_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define FILE_NAME "test_source.pkl"

static const fake_node stump[] = {{1, 2, 0, 0.1, 10, 0},
                                  {-1, -1, -2, -2, 4, 0},
                                  {-1, -1, -2, -2, 6, 0}};
static const double stump_values[] = {0, 1.5, -2.5};
static const fake_tree stump_tree = {.nodes = stump, .node_count = 3, .values = stump_values};
static const fake_estimator regressor = {.module = "sklearn.ensemble._forest",
                                         .name = "RandomForestRegressor",
                                         .inner = "DecisionTreeRegressor",
                                         .version = "1.2.2",
                                         .features = 1,
                                         .outputs = 1,
                                         .trees = &stump_tree,
                                         .tree_count = 1};

/* {"a": regressor, "b": [LogisticRegression(), regressor]} */
static void write_bundle(pickle_writer *writer)
{
    put_start(writer);
    put_bytes(writer, "}(", 2);
    put_text(writer, "a");
    put_estimator(writer, &regressor);
    put_text(writer, "b");
    put_bytes(writer, "](", 2);
    put_global(writer, "sklearn.linear_model._logistic", "LogisticRegression");
    put_bytes(writer, ")\x81}", 3);
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.2.2");
    put_bytes(writer, "sb", 2);
    put_estimator(writer, &regressor);
    put_bytes(writer, "eu", 2);
    put_stop(writer);
}

static void write_file(const pickle_writer *writer)
{
    assert_int_equal(write_pickle_file(writer, FILE_NAME), 0);
}

static int remove_file(void **state)
{
    (void)state;
    (void)unlink(FILE_NAME);
    return 0;
}

static void test_loads_a_file(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    put_start(&writer);
    put_estimator(&writer, &regressor);
    put_stop(&writer);
    const size_t bytes = writer.bytes;
    put_bytes(&writer, "behind", 6);
    write_file(&writer);
    espalier_forest forest;
    espalier_source_facts facts;
    espalier_error error;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, &facts, &error),
                     ESPALIER_OK);
    assert_int_equal(forest.trees[0].depth, 1);
    assert_true(forest.trees[0].preorder);
    assert_true(forest.leaf_values[1] == -2.5);
    assert_string_equal(facts.format, "pickle, protocol 3");
    assert_string_equal(facts.place, "");
    assert_int_equal(facts.file_bytes, bytes + 6);
    assert_int_equal(facts.expanded_bytes, bytes + 6);
    assert_int_equal(facts.trailing_bytes, 6);
    espalier_forest_free(&forest);
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, NULL),
                     ESPALIER_OK);
    espalier_forest_free(&forest);
    pickle_writer_free(&writer);
}

static void test_loads_a_compressed_file(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    pickle_writer packed = {0};
    put_start(&writer);
    put_estimator(&writer, &regressor);
    put_stop(&writer);
    uLongf bytes = compressBound((uLong)writer.bytes);
    uint8_t *const data = malloc(bytes);
    assert_non_null(data);
    assert_int_equal(compress(data, &bytes, writer.data, (uLong)writer.bytes), Z_OK);
    put_bytes(&packed, data, bytes);
    write_file(&packed);
    espalier_forest forest;
    espalier_source_facts facts;
    espalier_error error;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, &facts, &error),
                     ESPALIER_OK);
    assert_string_equal(facts.format, "pickle, protocol 3, zlib");
    assert_int_equal(facts.file_bytes, bytes);
    assert_int_equal(facts.expanded_bytes, writer.bytes);
    espalier_forest_free(&forest);
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.expanded_bytes_max = writer.bytes - 1;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    assert_null(forest.trees);
    free(data);
    pickle_writer_free(&writer);
    pickle_writer_free(&packed);
}

static void test_options(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    write_bundle(&writer);
    write_file(&writer);
    espalier_forest forest;
    espalier_source_facts facts;
    espalier_error error;
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_ERROR_SOURCE_AMBIGUOUS);
    assert_non_null(strstr(error.message, FILE_NAME));
    assert_non_null(strstr(error.message, "[\"a\"], [\"b\"][1]"));
    options.select = "b";
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_OK);
    assert_string_equal(facts.place, "b[1]");
    espalier_forest_free(&forest);
    options.memory_bytes_max = 64;
    assert_int_equal(espalier_source_load_forest(FILE_NAME, &options, &forest, &facts, &error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    pickle_writer_free(&writer);
}

/* Cut short anywhere, the file is refused, and nothing is left behind. */
static void test_cut_short(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    put_start(&writer);
    put_estimator(&writer, &regressor);
    put_stop(&writer);
    const size_t whole = writer.bytes;
    for (writer.bytes = 0; writer.bytes < whole; writer.bytes++) {
        write_file(&writer);
        espalier_forest forest;
        espalier_error error = {0};
        assert_int_not_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, &error),
                             ESPALIER_OK);
        assert_null(forest.trees);
        assert_int_not_equal(error.message[0], '\0');
    }
    pickle_writer_free(&writer);
}

/* One byte changed: an error or a forest that is one, never a crash. */
static void test_changed_bytes(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    put_start(&writer);
    put_estimator(&writer, &regressor);
    put_stop(&writer);
    uint32_t accepted = 0;
    for (size_t i = 0; i < writer.bytes; i++) {
        const uint8_t kept = writer.data[i];
        static const uint8_t changes[] = {0x01, 0xFF};
        for (size_t k = 0; k < sizeof changes; k++) {
            writer.data[i] = kept ^ changes[k];
            write_file(&writer);
            espalier_forest forest;
            const espalier_status status =
                espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, NULL);
            accepted += status == ESPALIER_OK;
            espalier_forest_free(&forest);
        }
        writer.data[i] = kept;
    }
    assert_true(accepted > 0);
    assert_true(accepted < writer.bytes * 2);
    pickle_writer_free(&writer);
}

static void test_arguments(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error;
    assert_int_equal(espalier_source_load_forest(NULL, NULL, &forest, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, NULL, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    (void)unlink(FILE_NAME);
    assert_int_equal(espalier_source_load_forest(FILE_NAME, NULL, &forest, NULL, &error),
                     ESPALIER_ERROR_OPEN);
    assert_null(forest.trees);
}

static void test_lists_models(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    write_bundle(&writer);
    write_file(&writer);
    espalier_source *source = NULL;
    espalier_error error;
    assert_int_equal(espalier_source_open(FILE_NAME, NULL, &source, &error), ESPALIER_OK);
    assert_int_equal(espalier_source_estimator_count(source), 3);
    espalier_source_estimator model;
    assert_int_equal(espalier_source_estimator_get(source, 0, &model), ESPALIER_OK);
    assert_string_equal(model.path, "[\"a\"]");
    assert_string_equal(model.class_name, "sklearn.ensemble._forest.RandomForestRegressor");
    assert_string_equal(model.version, "1.2.2");
    assert_int_equal(model.supported, 1);
    assert_int_equal(espalier_source_estimator_get(source, 1, &model), ESPALIER_OK);
    assert_string_equal(model.path, "[\"b\"][0]");
    assert_int_equal(model.supported, 0);
    assert_int_equal(espalier_source_estimator_get(source, 2, &model), ESPALIER_OK);
    assert_string_equal(model.path, "[\"b\"][1]");
    espalier_source_close(source);
    pickle_writer_free(&writer);
}

/* One model under a million paths: the list has an end, and is not refused. */
static void test_list_of_models_is_bounded(void **state)
{
    (void)state;
    pickle_writer writer = {0};
    put_start(&writer);
    for (int i = 0; i < 2000; i++) {
        put_bytes(&writer, "]0", 2); /* values give the walk its budget */
    }
    put_bytes(&writer, "](", 2);
    put_estimator(&writer, &regressor);
    put_bytes(&writer, "r\xe8\x03\0\0", 5);
    for (int i = 0; i < 999; i++) {
        put_bytes(&writer, "j\xe8\x03\0\0", 5);
    }
    put_bytes(&writer,
              "er\xe9\x03\0\0"
              "0](",
              9);
    for (int i = 0; i < 1000; i++) {
        put_bytes(&writer, "j\xe9\x03\0\0", 5);
    }
    put_bytes(&writer, "e", 1);
    put_stop(&writer);
    write_file(&writer);
    espalier_source *source = NULL;
    espalier_error error;
    assert_int_equal(espalier_source_open(FILE_NAME, NULL, &source, &error), ESPALIER_OK);
    assert_int_equal(espalier_source_estimator_count(source), 4096);
    espalier_source_close(source);
    pickle_writer_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_loads_a_file, remove_file),
        cmocka_unit_test_teardown(test_loads_a_compressed_file, remove_file),
        cmocka_unit_test_teardown(test_options, remove_file),
        cmocka_unit_test_teardown(test_cut_short, remove_file),
        cmocka_unit_test_teardown(test_changed_bytes, remove_file),
        cmocka_unit_test_teardown(test_arguments, remove_file),
        cmocka_unit_test_teardown(test_lists_models, remove_file),
        cmocka_unit_test_teardown(test_list_of_models_is_bounded, remove_file),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
