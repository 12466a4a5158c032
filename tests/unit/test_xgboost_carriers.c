// SPDX-License-Identifier: Apache-2.0
/*
 * Every lie about an XGBoost document, told by what else carries such documents: UBJSON, and JSON
 * and UBJSON inside pickled estimators and Boosters. Each is refused in the same words.
 */
#include "tests/unit/test_boosted.h"
#include "tests/unit/test_ubjson.h"
#include "tests/unit/test_xgboost_lies.h"

#include <math.h>
#include <stdio.h>

/* ---- carriers ------------------------------------------------------------------------------- */

/* An XGBRegressor around a Booster with this model, or the Booster alone. */
static void put_model(pickle_writer *file, bool estimator, const char *model, size_t bytes)
{
    start_file(file);
    if (estimator) {
        open_xgboost(file, "XGBRegressor", model, bytes);
    } else {
        open_xgboost_booster(file, model, bytes);
    }
    close_object(file);
}

/* Refused by itself and inside pickles. */
static void check_refused(const char *model, size_t bytes, espalier_status status,
                          const xgboost_lie *lie, bool alone)
{
    pickle_writer file;
    if (alone) {
        espalier_forest forest;
        const espalier_status found = load_bytes(model, bytes, MEMORY_MAX, &forest);
        if (found != status || strstr(error.message, lie->words) == NULL) {
            fail_msg("%s -> %s: %d instead of %d, %s", lie->from, lie->to, (int)found, (int)status,
                     error.message);
        }
    }
    put_model(&file, true, model, bytes);
    refuse_file(&file, status, lie->words);
    put_model(&file, false, model, bytes);
    refuse_file(&file, status, lie->words);
}

static void check_lies(const xgboost_lie *lies, size_t count, espalier_status status)
{
    static ubjson_writer writer;
    for (size_t i = 0; i < count; i++) {
        char *const text = replace(whole, lies[i].from, lies[i].to);
        check_refused(text, strlen(text), status, &lies[i], false);
        if (strstr(text, "\\u0000") == NULL) { /* which no text of C holds */
            ubjson_put_document(&writer, text);
            check_refused(writer.bytes, writer.count, status, &lies[i], true);
        }
        free(text);
    }
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_carriers_are_read(void **state)
{
    (void)state;
    static ubjson_writer writer;
    pickle_writer file;
    boosted_result result;
    espalier_forest forest;
    ubjson_put_document(&writer, whole);
    assert_int_equal(load_bytes(writer.bytes, writer.count, MEMORY_MAX, &forest), ESPALIER_OK);
    espalier_forest_free(&forest);
    for (int estimator = 0; estimator < 2; estimator++) {
        put_model(&file, estimator != 0, whole, strlen(whole));
        load_file(&file, NULL, &result);
        assert_int_equal(result.forest.tree_count, 3);
        free_result(&result);
        put_model(&file, estimator != 0, writer.bytes, writer.count);
        load_file(&file, NULL, &result);
        assert_int_equal(result.forest.tree_count, 3);
        free_result(&result);
    }
}

static void test_trees_that_lie(void **state)
{
    (void)state;
    check_lies(xgboost_lying_trees, LIE_COUNT(xgboost_lying_trees), ESPALIER_ERROR_SOURCE_TREE);
}

static void test_members_doubled(void **state)
{
    (void)state;
    check_lies(xgboost_doubled_members, LIE_COUNT(xgboost_doubled_members),
               ESPALIER_ERROR_SOURCE_SYNTAX);
}

static void test_values_of_another_kind(void **state)
{
    (void)state;
    check_lies(xgboost_other_kinds, LIE_COUNT(xgboost_other_kinds), ESPALIER_ERROR_SOURCE_SYNTAX);
}

/* Thresholds may be NaN and infinite, in every carrier: the forest is that of the plain text. */
static void test_thresholds_that_are_no_numbers(void **state)
{
    (void)state;
    static ubjson_writer writer;
    static const char *const conditions[] = {"[NaN,1E-1,", "[-Infinity,1E-1,", "[Infinity,1E-1,"};
    for (size_t i = 0; i < 6; i++) {
        espalier_forest plain;
        pickle_writer file;
        boosted_result result;
        char *const text = replace(whole, "[5E-1,1E-1,", conditions[i / 2]);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &plain), ESPALIER_OK);
        ubjson_put_document(&writer, text);
        for (size_t k = 0; k < 2; k++) {
            put_model(&file, i % 2 == 0, k == 0 ? text : writer.bytes,
                      k == 0 ? strlen(text) : writer.count);
            load_file(&file, NULL, &result);
            assert_int_equal(result.forest.node_count, plain.node_count);
            assert_true(isinf(result.forest.threshold[0]) == (i < 4)); /* no value is below */
            assert_memory_equal(result.forest.threshold, plain.threshold,
                                plain.node_count * sizeof *plain.threshold);
            assert_memory_equal(result.forest.missing_left, plain.missing_left, plain.node_count);
            free_result(&result);
        }
        espalier_forest_free(&plain);
        free(text);
    }
}

static void test_places_of_no_numbers(void **state)
{
    (void)state;
    check_lies(xgboost_not_numbers, LIE_COUNT(xgboost_not_numbers), ESPALIER_ERROR_SOURCE_SYNTAX);
}

/* ---- counts and depth ----------------------------------------------------------------------- */

/* The document with one array exchanged, whose bytes may hold anything. */
static char *exchange_array(const ubjson_writer *writer, const void *array, size_t bytes,
                            size_t *count_out)
{
    static const char key[] = "L\0\0\0\0\0\0\0\x09tree_info[";
    const char *const at = memmem(writer->bytes, writer->count, key, sizeof key - 1);
    assert_non_null(at);
    const size_t before = (size_t)(at - writer->bytes) + sizeof key - 2;
    const char *const end = memchr(writer->bytes + before, ']', writer->count - before);
    assert_non_null(end);
    const size_t after = writer->count - (size_t)(end + 1 - writer->bytes);
    char *const made = malloc(before + bytes + after);
    assert_non_null(made);
    memcpy(made, writer->bytes, before);
    memcpy(made + before, array, bytes);
    memcpy(made + before + bytes, end + 1, after);
    *count_out = before + bytes + after;
    return made;
}

static void check_array(const void *array, size_t bytes, espalier_status status, const char *words)
{
    static ubjson_writer writer;
    const xgboost_lie lie = {"tree_info", "an array that lies", words};
    size_t count = 0;
    ubjson_put_document(&writer, whole);
    char *const model = exchange_array(&writer, array, bytes, &count);
    check_refused(model, count, status, &lie, true);
    free(model);
}

/* Arrays of one type claim more elements than there are bytes. */
static void test_counts(void **state)
{
    (void)state;
    static const struct {
        char bytes[13];
        espalier_status status;
        const char *words;
    } arrays[] = {
        {"[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff", ESPALIER_ERROR_SOURCE_TRUNCATED, ""},
        {"[$l#L\x40\0\0\0\0\0\0\0", ESPALIER_ERROR_SOURCE_TRUNCATED, ""},
        {"[$l#L\x80\0\0\0\0\0\0\0", ESPALIER_ERROR_SOURCE_SYNTAX, ""},
        {"[$l#L\xff\xff\xff\xff\xff\xff\xff\xff", ESPALIER_ERROR_SOURCE_SYNTAX, ""},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        check_array(arrays[i].bytes, sizeof arrays[i].bytes, arrays[i].status, arrays[i].words);
    }
}

static void test_nested_a_million_deep(void **state)
{
    (void)state;
    enum {
        DEPTH = 1000000
    };
    char *const array = malloc(2 * (size_t)DEPTH);
    assert_non_null(array);
    memset(array, '[', DEPTH);
    memset(array + DEPTH, ']', DEPTH);
    check_array(array, 2 * (size_t)DEPTH, ESPALIER_ERROR_SOURCE_SYNTAX, "");
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carriers_are_read),
        cmocka_unit_test(test_trees_that_lie),
        cmocka_unit_test(test_members_doubled),
        cmocka_unit_test(test_values_of_another_kind),
        cmocka_unit_test(test_thresholds_that_are_no_numbers),
        cmocka_unit_test(test_places_of_no_numbers),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_nested_a_million_deep),
    };
    return cmocka_run_group_tests_name("xgboost carriers", tests, NULL, NULL);
}
