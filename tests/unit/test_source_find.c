// SPDX-License-Identifier: Apache-2.0
/*
 * Finding the one model in a saved object, the paths that name places in it, and the version rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/sklearn.h"
#include "convert/sources/sklearn_pipeline.h"
#include "convert/sources/sklearn_version.h"
#include "convert/sources/source_find.h"
#include "tests/support/fake_sklearn.h"

#include <stdlib.h>
#include <string.h>

/* ---- helpers -------------------------------------------------------------------------------- */

static const fake_node leaf_nodes[] = {{-1, -1, -2, -2, 1, 0}};
static const double leaf_values[] = {2.5};
static const fake_tree leaf_tree = {.nodes = leaf_nodes, .node_count = 1, .values = leaf_values};
static const fake_estimator regressor = {.module = "sklearn.tree.tree", /* as 0.21 named it */
                                         .name = "DecisionTreeRegressor",
                                         .version = "0.22.2",
                                         .features = 1,
                                         .outputs = 1,
                                         .trees = &leaf_tree,
                                         .tree_count = 1};

/* What a test has loaded. */
typedef struct opened {
    pickle_writer writer;
    espalier_pickle *pickle;
    espalier_source_path path;
    espalier_error error;
} opened;

static opened *start_file(void)
{
    opened *const file = calloc(1, sizeof *file);
    assert_non_null(file);
    put_start(&file->writer);
    return file;
}

static void end_file(opened *file)
{
    put_stop(&file->writer);
    const espalier_pickle_options options = {.source_name = "here.pkl"};
    if (espalier_pickle_parse(file->writer.data, file->writer.bytes, &options, &file->pickle,
                              &file->error) != ESPALIER_OK) {
        fail_msg("not parsed: %s", file->error.message);
    }
}

static void close_file(opened *file)
{
    espalier_pickle_free(file->pickle);
    pickle_writer_free(&file->writer);
    free(file);
}

static void put_pairs(opened *file)
{
    put_bytes(&file->writer, "}(", 2);
}

/* An object of a class with a version, as every estimator has, and one more attribute open. */
static void open_versioned(opened *file, const char *module, const char *name)
{
    open_object(&file->writer, module, name);
    put_text(&file->writer, "_sklearn_version");
    put_text(&file->writer, "1.2.2");
}

static void finds(opened *file, const char *select, const char *path)
{
    const espalier_pickle_value *value = NULL;
    memset(&file->path, 0, sizeof file->path);
    if (espalier_source_choose(file->pickle, "here.pkl", select, &value, &file->path,
                               &file->error) != ESPALIER_OK) {
        fail_msg("not found: %s", file->error.message);
    }
    assert_string_equal(file->path.text, path);
    assert_true(espalier_sklearn_class_of(value) != NULL || espalier_sklearn_is_pipeline(value));
    /* The path leads back to the same object. */
    const espalier_pickle_value *again = NULL;
    assert_int_equal(espalier_source_path_follow(file->pickle, "here.pkl", path, &again,
                                                 &file->error),
                     ESPALIER_OK);
    assert_ptr_equal(again, value);
}

static void misses(opened *file, const char *select, espalier_status status, const char *word)
{
    const espalier_pickle_value *value = NULL;
    memset(&file->path, 0, sizeof file->path);
    const espalier_status got =
        espalier_source_choose(file->pickle, "here.pkl", select, &value, &file->path, &file->error);
    if (got != status || strstr(file->error.message, word) == NULL) {
        fail_msg("status %d, not %d, or no '%s' in: %s", (int)got, (int)status, word,
                 file->error.message);
    }
    assert_null(value);
}

/* ---- the search ----------------------------------------------------------------------------- */

static void test_model_alone(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_estimator(&file->writer, &regressor);
    end_file(file);
    finds(file, NULL, "");
    finds(file, "", "");
    close_file(file);
}

static void test_model_in_containers(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_pairs(file);
    put_text(&file->writer, "columns");
    put_bytes(&file->writer, "](", 2);
    put_text(&file->writer, "a");
    put_int(&file->writer, 7);
    put_opcode(&file->writer, 'e');
    put_text(&file->writer, "the \"best\"\n");
    put_bytes(&file->writer, "(", 1);
    put_none(&file->writer);
    put_bytes(&file->writer, "}", 1);
    put_int(&file->writer, -5);
    put_estimator(&file->writer, &regressor);
    put_bytes(&file->writer, "st", 2);
    put_bytes(&file->writer, "u", 1);
    end_file(file);
    finds(file, NULL, "[\"the \\\"best\\\"\\x0a\"][1][-5]");
    finds(file, "['the \\x22best\"\\n'][1]", "['the \\x22best\"\\n'][1][-5]");
    finds(file, "[#1]", "[#1][1][-5]");
    finds(file, "[#1].1[#0]", "[#1].1[#0]");
    misses(file, "columns", ESPALIER_ERROR_SOURCE_NONE, "no model in this list");
    misses(file, "columns[2]", ESPALIER_ERROR_SOURCE_NONE, "columns[2]");
    misses(file, "columns.0.x", ESPALIER_ERROR_SOURCE_NONE, "a str");
    misses(file, "other", ESPALIER_ERROR_SOURCE_NONE, "other");
    close_file(file);
}

static void test_malformed_paths(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_pairs(file);
    put_text(&file->writer, "a");
    put_estimator(&file->writer, &regressor);
    put_opcode(&file->writer, 'u');
    end_file(file);
    static const char *const bad[] = {
        "[",   "[\"a\"", "[\"a",     "[\"a\\q\"]", "[\"a\\x2\"]", "[]",  "[x]",
        "..a", "a.",     "[\"a\"]b", "[\"a\\",     "['a\"]",      "a[1", "[99999999999999999999]",
        "[#]", "[#-]",   "]",        "a]",         "\"a\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        misses(file, bad[i], ESPALIER_ERROR_ARGUMENT, "malformed");
    }
    misses(file, "[#-1]", ESPALIER_ERROR_SOURCE_NONE, "nothing");
    misses(file, "[1]", ESPALIER_ERROR_SOURCE_NONE, "nothing");
    misses(file, "a.nothing", ESPALIER_ERROR_SOURCE_NONE, "nothing");
    finds(file, "a", "a");
    finds(file, ".a", ".a");
    finds(file, "[\"\\x61\"]", "[\"\\x61\"]");
    close_file(file);
}

static void test_several_models(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_pairs(file);
    put_text(&file->writer, "first");
    put_estimator(&file->writer, &regressor);
    put_bytes(&file->writer, "q\x05", 2);
    put_text(&file->writer, "second");
    put_bytes(&file->writer, "](", 2);
    put_estimator(&file->writer, &regressor);
    put_bytes(&file->writer, "h\x05", 2); /* the first again */
    put_bytes(&file->writer, "eu", 2);
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_AMBIGUOUS, "[\"first\"], [\"second\"][0]");
    finds(file, "first", "first");
    finds(file, "second[0]", "second[0]");
    close_file(file);
}

/* The same object under two keys is one model. */
static void test_one_model_twice(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_bytes(&file->writer, "](", 2);
    put_estimator(&file->writer, &regressor);
    put_bytes(&file->writer, "q\x05h\x05h\x05", 6);
    put_opcode(&file->writer, 'e');
    end_file(file);
    finds(file, NULL, "[0]");
    close_file(file);
}

static void test_object_arrays(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_objects_open(&file->writer, 2);
    put_none(&file->writer);
    put_estimator(&file->writer, &regressor);
    put_objects_close(&file->writer);
    end_file(file);
    finds(file, NULL, "[1]");
    close_file(file);
}

/* ---- what is not converted ------------------------------------------------------------------ */

static void test_pipeline(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_bytes(&file->writer, "](", 2);
    open_versioned(file, "sklearn.pipeline", "Pipeline");
    put_text(&file->writer, "steps");
    put_bytes(&file->writer, "](", 2);
    put_text(&file->writer, "scale");
    open_versioned(file, "sklearn.preprocessing._data", "StandardScaler");
    close_object(&file->writer);
    put_opcode(&file->writer, '\x86');
    put_text(&file->writer, "model");
    put_estimator(&file->writer, &regressor);
    put_bytes(&file->writer,
              "\x86"
              "e",
              2);
    close_object(&file->writer);
    put_opcode(&file->writer, 'e');
    end_file(file);
    finds(file, NULL, "[0]"); /* with all its steps */
    finds(file, "[0].steps[1][1]", "[0].steps[1][1]");
    misses(file, "[0].steps[0]", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "StandardScaler");
    close_file(file);
}

static void test_search_wrapper(void **state)
{
    (void)state;
    opened *const file = start_file();
    open_versioned(file, "sklearn.model_selection._search", "GridSearchCV");
    put_text(&file->writer, "best_estimator_");
    put_estimator(&file->writer, &regressor);
    close_object(&file->writer);
    end_file(file);
    finds(file, NULL, ".best_estimator_"); /* what it predicts with */
    finds(file, ".best_estimator_", ".best_estimator_");
    close_file(file);
}

static void test_other_objects(void **state)
{
    (void)state;
    opened *file = start_file();
    open_versioned(file, "sklearn.linear_model._logistic", "LogisticRegression");
    close_object(&file->writer);
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
           "sklearn.linear_model._logistic.LogisticRegression is not converted");
    close_file(file);

    file = start_file(); /* a scaler beside a model is no second model */
    put_bytes(&file->writer, "](", 2);
    open_versioned(file, "sklearn.preprocessing._data", "StandardScaler");
    close_object(&file->writer);
    put_estimator(&file->writer, &regressor);
    put_opcode(&file->writer, 'e');
    end_file(file);
    finds(file, NULL, "[1]");
    close_file(file);

    file = start_file(); /* somebody's own class */
    open_object(&file->writer, "company.models", "Wrapper");
    put_text(&file->writer, "forest");
    put_estimator(&file->writer, &regressor);
    close_object(&file->writer);
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "company.models.Wrapper");
    finds(file, ".forest", ".forest");
    close_file(file);

    file = start_file(); /* of scikit-learn, around a model */
    open_versioned(file, "sklearn.model_selection._classification_threshold",
                   "FixedThresholdClassifier");
    put_text(&file->writer, "estimator_");
    put_estimator(&file->writer, &regressor);
    close_object(&file->writer);
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
           "FixedThresholdClassifier is not converted; the model in it, whose predict may differ, "
           "is --select '.estimator_'");
    finds(file, ".estimator_", ".estimator_");
    close_file(file);

    file = start_file();
    put_int(&file->writer, 5);
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_NONE, "no model in this");
    close_file(file);
}

static void test_unfitted(void **state)
{
    (void)state;
    fake_estimator unfitted = regressor;
    unfitted.unfitted = true;
    opened *const file = start_file();
    put_bytes(&file->writer, "](", 2);
    put_estimator(&file->writer, &unfitted);
    put_estimator(&file->writer, &regressor);
    put_opcode(&file->writer, 'e');
    end_file(file);
    finds(file, NULL, "[1]");
    misses(file, "[0]", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "never fitted");
    close_file(file);
}

/* ---- hostile shapes ------------------------------------------------------------------------- */

static void test_nested_too_deep(void **state)
{
    (void)state;
    opened *const file = start_file();
    for (int i = 0; i < 500; i++) {
        put_opcode(&file->writer, ']');
    }
    put_estimator(&file->writer, &regressor);
    for (int i = 0; i < 500; i++) {
        put_opcode(&file->writer, 'a');
    }
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "");
    close_file(file);
}

/* A list that holds itself, and the model besides. */
static void test_self_reference(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_bytes(&file->writer, "]q\x05(h\x05", 6);
    put_estimator(&file->writer, &regressor);
    put_opcode(&file->writer, 'e');
    end_file(file);
    finds(file, NULL, "[1]");
    close_file(file);
}

/* Thirty lists, each holding the one before twice: a billion leaves in 200 bytes. */
static void test_shared_lists(void **state)
{
    (void)state;
    opened *const file = start_file();
    put_bytes(&file->writer, "]q\x05", 3);
    for (int i = 0; i < 30; i++) {
        put_bytes(&file->writer,
                  "0](h\x05h\x05"
                  "eq\x05",
                  10);
    }
    end_file(file);
    misses(file, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "");
    close_file(file);
}

/* Keys too long to spell are counted instead, and the path still leads there. */
static void test_long_keys(void **state)
{
    (void)state;
    char key[900];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    opened *const file = start_file();
    for (int i = 0; i < 60; i++) {
        put_pairs(file);
        put_text(&file->writer, key);
    }
    put_estimator(&file->writer, &regressor);
    for (int i = 0; i < 60; i++) {
        put_opcode(&file->writer, 'u');
    }
    end_file(file);
    char path[60 * 4 + 1] = "";
    for (int i = 0; i < 60; i++) {
        memcpy(path + (size_t)i * 4, "[#0]", 5);
    }
    finds(file, NULL, path);
    close_file(file);
}

/* ---- versions ------------------------------------------------------------------------------- */

static void test_version_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool known;
        uint32_t major;
        uint32_t minor;
    } cases[] = {{"1.4.2", true, 1, 4},      {"0.22.2.post1", true, 0, 22},
                 {"1.10.dev0", true, 1, 10}, {"1.3", true, 1, 3},
                 {"2", false, 0, 0},         {"", false, 0, 0},
                 {"1.", false, 0, 0},        {".4", false, 0, 0},
                 {"v1.4", false, 0, 0},      {"99999999999.1", false, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const espalier_sklearn_version version = espalier_sklearn_version_parse(cases[i].text);
        assert_int_equal(version.known, cases[i].known);
        assert_int_equal(version.major, cases[i].major);
        assert_int_equal(version.minor, cases[i].minor);
    }
}

static void check_missing(const espalier_sklearn_tree_facts *facts, const char *allowed)
{
    /* One letter a version, 1.2 to 1.10. */
    for (uint32_t minor = 2; minor <= 10; minor++) {
        const espalier_sklearn_version version = {true, 1, minor};
        if (espalier_sklearn_missing_allowed(version, facts) != (allowed[minor - 2] == 'y')) {
            fail_msg("1.%u of %s", (unsigned)minor, allowed);
        }
    }
    assert_false(espalier_sklearn_missing_allowed((espalier_sklearn_version){0}, facts));
}

static void test_missing_table(void **state)
{
    (void)state;
    espalier_sklearn_tree_facts facts = {.classifier = true,
                                         .splitter_best = true,
                                         .criterion_missing = true};
    check_missing(&facts, "nyyyyyyyy"); /* DecisionTreeClassifier() */
    facts.monotonic = true;
    check_missing(&facts, "nynnnnnyy");
    facts.monotonic = false;
    facts.criterion_missing = false;
    check_missing(&facts, "nnnnnnnyy");
    facts.criterion_missing = true;
    facts.in_forest = true;
    check_missing(&facts, "nnyyyyyyy"); /* RandomForestClassifier() */
    facts.splitter_best = false;
    facts.splitter_random = true;
    facts.in_forest = false;
    check_missing(&facts, "nnnnyyyyy"); /* DecisionTreeClassifier(splitter="random") */
    facts.extra = true;
    check_missing(&facts, "nnnnyyyyy"); /* ExtraTreeClassifier() */
    facts.in_forest = true;
    check_missing(&facts, "nnnnyyyyy"); /* ExtraTreesClassifier() */
    facts.in_forest = false;
    facts.splitter_random = false;
    facts.splitter_best = true;
    check_missing(&facts, "nyyynnnnn"); /* ExtraTreeClassifier(splitter="best") */
    facts.classifier = false;
    check_missing(&facts, "nyyyynnnn"); /* ExtraTreeRegressor(splitter="best"): 1.6's slip */
    assert_true(espalier_sklearn_criterion_missing(true, "entropy"));
    assert_false(espalier_sklearn_criterion_missing(false, "gini"));
    assert_true(espalier_sklearn_criterion_missing(false, "poisson"));
    assert_false(espalier_sklearn_criterion_missing(false, "absolute_error"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_alone),     cmocka_unit_test(test_model_in_containers),
        cmocka_unit_test(test_malformed_paths), cmocka_unit_test(test_several_models),
        cmocka_unit_test(test_one_model_twice), cmocka_unit_test(test_object_arrays),
        cmocka_unit_test(test_pipeline),        cmocka_unit_test(test_search_wrapper),
        cmocka_unit_test(test_other_objects),   cmocka_unit_test(test_unfitted),
        cmocka_unit_test(test_nested_too_deep), cmocka_unit_test(test_self_reference),
        cmocka_unit_test(test_shared_lists),    cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_version_texts),   cmocka_unit_test(test_missing_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
