// SPDX-License-Identifier: Apache-2.0
/*
 * XGBoost's old binary format made by hand: what is read of it in a file, in a pickle of 1.0 and in
 * one of a version before, and every count in it that can lie.
 */
#include "tests/unit/test_xgboost.h"

#include <math.h>
#include <stdbool.h>

#define BYTES_MAX 4096u

/* A model that is being written; `at` some places to lie in. */
typedef struct binary_writer {
    uint8_t data[BYTES_MAX];
    size_t bytes;
    size_t booster_at; /* its parameters */
    size_t tree_at;    /* the first tree's */
    size_t info_at;
    size_t attributes_at;
} binary_writer;

static void put_number(binary_writer *writer, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_true(writer->bytes < BYTES_MAX);
        writer->data[writer->bytes++] = (uint8_t)(number >> (8 * i));
    }
}

static void put_float(binary_writer *writer, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_number(writer, bits, 4);
}

static void put_zeros(binary_writer *writer, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        put_number(writer, 0, 1);
    }
}

static void put_string(binary_writer *writer, const char *text)
{
    put_number(writer, strlen(text), 8);
    for (size_t i = 0; text[i] != '\0'; i++) {
        put_number(writer, (uint8_t)text[i], 1);
    }
}

static void put_node(binary_writer *writer, int32_t left, int32_t right, uint32_t feature,
                     float value)
{
    put_number(writer, 0, 4);
    put_number(writer, (uint32_t)left, 4);
    put_number(writer, (uint32_t)right, 4);
    put_number(writer, feature, 4);
    put_float(writer, value);
}

/* Three nodes, and two more that are pruned, if so asked. */
static void put_tree(binary_writer *writer, bool pruned)
{
    const uint32_t count = pruned ? 5 : 3;
    put_number(writer, 1, 4);
    put_number(writer, count, 4);
    put_number(writer, pruned ? 2 : 0, 4);
    put_number(writer, 1, 4);
    put_number(writer, 2, 4);
    put_zeros(writer, 148 - 20);
    if (pruned) {
        put_node(writer, 3, 4, 0, -1.5F);
        put_node(writer, -1, -1, UINT32_MAX, 0);
        put_node(writer, -1, -1, UINT32_MAX, 0);
    } else {
        put_node(writer, 1, 2, UINT32_C(1) | UINT32_C(1) << 31, 0.5F);
    }
    put_node(writer, -1, -1, 0, 0.1F);
    put_node(writer, -1, -1, 0, -2.5F);
    for (uint32_t i = 0; i < count; i++) {
        put_float(writer, 3);
        put_float(writer, (float)i + 10);
        put_zeros(writer, 8);
    }
}

/* Two trees; version 0 as 0.90 writes. */
static void put_model(binary_writer *writer, float base, uint32_t major, uint32_t minor,
                      const char *objective, const char *booster)
{
    put_float(writer, base);
    put_number(writer, 2, 4);
    put_number(writer, 0, 4);
    put_number(writer, 1, 4);
    put_number(writer, 0, 4);
    put_number(writer, major, 4);
    put_number(writer, minor, 4);
    put_zeros(writer, 136 - 28);
    put_string(writer, objective);
    put_string(writer, booster);
    writer->booster_at = writer->bytes;
    put_number(writer, 2, 4);
    put_number(writer, 1, 4);
    put_zeros(writer, 160 - 8);
    writer->tree_at = writer->bytes;
    put_tree(writer, false);
    put_tree(writer, true);
    writer->info_at = writer->bytes;
    put_zeros(writer, 8);
    if (strcmp(booster, "dart") == 0) {
        put_number(writer, 2, 8);
        put_float(writer, 0.25F);
        put_float(writer, 1);
    }
    writer->attributes_at = writer->bytes;
    put_number(writer, 3, 8);
    put_string(writer, "best_iteration");
    put_string(writer, "1");
    put_string(writer, "objective");
    put_string(writer, "{\"name\":\"binary:logistic\"}");
    put_string(writer, "note");
    put_string(writer, "\xff");
}

static void make_model(binary_writer *writer)
{
    memset(writer, 0, sizeof *writer);
    put_model(writer, 0.25F, 1, 2, "binary:logistic", "gbtree");
}

static espalier_status load_writer(const binary_writer *writer, size_t bytes,
                                   espalier_forest *forest)
{
    uint8_t *const copy = malloc(bytes == 0 ? 1 : bytes); /* its end is seen by the sanitizer */
    assert_non_null(copy);
    memcpy(copy, writer->data, bytes);
    const espalier_status status = load_bytes((const char *)copy, bytes, MEMORY_MAX, forest);
    free(copy);
    return status;
}

static void load_good(const binary_writer *writer, espalier_forest *forest)
{
    if (load_writer(writer, writer->bytes, forest) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

static void refuse_writer(const binary_writer *writer, espalier_status status, const char *words)
{
    espalier_forest forest;
    const espalier_status got = load_writer(writer, writer->bytes, &forest);
    if (got != status || strstr(error.message, words) == NULL) {
        fail_msg("status %d, not %d, or no '%s' in: %s", (int)got, (int)status, words,
                 error.message);
    }
}

static void set_number(binary_writer *writer, size_t at, uint64_t number, size_t bytes)
{
    const size_t end = writer->bytes;
    writer->bytes = at;
    put_number(writer, number, bytes);
    writer->bytes = end;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void check_trees(const espalier_forest *forest)
{
    assert_int_equal(forest->tree_count, 2);
    assert_int_equal(forest->feature_count, 2);
    assert_int_equal(forest->node_count, 6);
    assert_int_equal(forest->feature[0], 1);
    assert_int_equal(forest->missing_left[0], 1);
    assert_true(forest->threshold[0] == (double)nextafterf(0.5F, 0.0F));
    assert_true(forest->cover[1] == 11);
    assert_int_equal(forest->feature[3], 0);
    assert_int_equal(forest->missing_left[3], 0);
    assert_true(forest->leaf_values[1] == -2.5);
    assert_int_equal(forest->number[5], 4); /* pruned nodes keep their numbers */
}

static void test_file(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    make_model(&writer);
    load_good(&writer, &forest);
    check_trees(&forest);
    assert_null(forest.start); /* 1.2 adds the base score last */
    assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_ADD);
    assert_true(forest.constants[0] == (double)-logf(1.0F / 0.25F - 1.0F));
    assert_string_equal(summary.format, "XGBoost binary");
    assert_string_equal(summary.version, "1.2.0");
    assert_int_equal(forest.default_iterations, 0); /* no wrapper */
    assert_non_null(strstr(forest.parameters_json, "\"best_iteration\":\"1\""));
    assert_null(strstr(forest.parameters_json, "note"));
    espalier_forest_free(&forest);
    /* With the word that save_model writes first since 1.3. */
    memmove(writer.data + 4, writer.data, writer.bytes);
    memcpy(writer.data, "binf", 4);
    writer.bytes += 4;
    load_good(&writer, &forest);
    check_trees(&forest);
    espalier_forest_free(&forest);
}

static void test_unversioned(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    memset(&writer, 0, sizeof writer);
    put_model(&writer, -0.75F, 0, 0, "binary:logistic", "gbtree");
    load_good(&writer, &forest);
    check_trees(&forest);
    assert_null(forest.start);
    assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_ADD);
    assert_true(forest.constants[0] == -0.75); /* through the link already */
    assert_string_equal(forest.version, "before 1.0");
    assert_int_equal(forest.stages[1].operation, ESPALIER_FOREST_EXPIT);
    espalier_forest_free(&forest);
    memset(&writer, 0, sizeof writer);
    put_model(&writer, NAN, 0, 0, "binary:logistic", "gbtree");
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_TREE, "base score");
}

static void test_dart(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    memset(&writer, 0, sizeof writer);
    put_model(&writer, 0.5F, 1, 0, "reg:squarederror", "dart");
    load_good(&writer, &forest);
    assert_true(forest.leaf_values[1] == -2.5 * 0.25);
    assert_true(forest.leaf_values[3] == -2.5);
    espalier_forest_free(&forest);
    set_number(&writer, 12, 0, 4); /* no attributes */
    set_number(&writer, writer.attributes_at - 16, 1, 8);
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_TREE, "weight_drop has 1 items");
    set_number(&writer, writer.attributes_at - 16, UINT64_C(1) << 62, 8);
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early");
}

/* As 1.0 pickles: the configuration behind knows the whole version. */
static void make_snapshot(binary_writer *to, const char *configuration)
{
    static binary_writer model;
    make_model(&model);
    memset(to, 0, sizeof *to);
    memcpy(to->data, "CONFIG-offset:", 14);
    to->bytes = 14;
    put_number(to, model.bytes, 8);
    memcpy(to->data + to->bytes, model.data, model.bytes);
    to->bytes += model.bytes;
    memcpy(to->data + to->bytes, configuration, strlen(configuration));
    to->bytes += strlen(configuration);
}

static void test_snapshot(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    make_snapshot(&writer, "{\"learner\":{\"gradient_booster\":{\"gbtree\":{\"gbtree_train_param\":"
                           "{\"num_parallel_tree\":\"2\"}}}},\"version\":[1,2,1]}");
    load_good(&writer, &forest);
    check_trees(&forest);
    assert_string_equal(forest.version, "1.2.1");
    assert_int_equal(espalier_forest_iterations(&forest), 1);
    espalier_forest_free(&forest);
    set_number(&writer, 14, UINT64_MAX, 8);
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_TRUNCATED, "before its configuration");
    set_number(&writer, 14, 10, 8);
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early");
    make_snapshot(&writer, "[]");
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_SYNTAX, "");
    make_snapshot(&writer, "{\"version\":[1,2]}");
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_SYNTAX, "2 numbers instead of three");
}

/* What is known of a linear model is its name. */
static void test_linear(void **state)
{
    (void)state;
    static binary_writer writer;
    memset(&writer, 0, sizeof writer);
    put_model(&writer, 0.5F, 1, 0, "reg:squarederror", "gblinear");
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "gblinear is a linear model");
}

/* The wrapper's note, as save_model writes it. */
static void test_note(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    make_model(&writer);
    writer.bytes = writer.attributes_at;
    put_number(&writer, 2, 8);
    put_string(&writer, "best_iteration");
    put_string(&writer, "0");
    put_string(&writer, "scikit_learn");
    put_string(&writer, "{\"type\":\"XGBClassifier\"}");
    load_good(&writer, &forest);
    assert_string_equal(forest.class_name, "xgboost.XGBClassifier");
    assert_int_equal(forest.default_iterations, 1);
    espalier_forest_free(&forest);
    writer.data[writer.bytes - 1] = 'x';
    refuse_writer(&writer, ESPALIER_ERROR_SOURCE_SYNTAX, "no JSON object");
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_lies(void **state)
{
    (void)state;
    static binary_writer writer;
    static const struct {
        size_t at; /* from one of the places */
        int place; /* 0 start, 1 booster, 2 tree, 3 tree_info, 4 attributes */
        uint64_t number;
        size_t bytes;
        espalier_status status;
        const char *words;
    } lies[] = {
        {4, 0, UINT32_MAX, 4, ESPALIER_ERROR_SOURCE_TREE, "num_feature"},
        {8, 0, UINT32_C(1) << 30, 4, ESPALIER_ERROR_SOURCE_LIMIT, "too many classes"},
        {20, 0, 4, 4, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "saved by XGBoost 4.2"},
        {0, 1, INT32_MAX, 4, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early"},
        {0, 1, 1, 4, ESPALIER_ERROR_SOURCE_LIMIT, "too many attributes"},
        {0, 1, UINT32_MAX, 4, ESPALIER_ERROR_SOURCE_TREE, "fewer than no trees"},
        {28, 1, 3, 4, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "vector leaves"},
        {4, 2, INT32_MAX, 4, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early"},
        {4, 2, UINT32_MAX, 4, ESPALIER_ERROR_SOURCE_TREE, "without nodes"},
        {4, 2, 0, 4, ESPALIER_ERROR_SOURCE_TREE, "without nodes"},
        {8, 2, 1, 4, ESPALIER_ERROR_SOURCE_TREE, "num_deleted"},
        {20, 2, 2, 4, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "vector leaves"},
        {148 + 4, 2, 7, 4, ESPALIER_ERROR_SOURCE_TREE, "out of range"},
        {148 + 8, 2, 1, 4, ESPALIER_ERROR_SOURCE_TREE, "another path"},
        {148 + 4, 2, 0, 4, ESPALIER_ERROR_SOURCE_TREE, "another path"},
        {148 + 12, 2, 9, 4, ESPALIER_ERROR_SOURCE_TREE, "feature"},
        {4, 3, 1, 4, ESPALIER_ERROR_SOURCE_TREE, "adds to output 1 of 1"},
        {0, 4, UINT64_MAX, 8, ESPALIER_ERROR_SOURCE_LIMIT, "too many attributes"},
        {0, 4, 4, 8, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early"},
        {8, 4, UINT64_C(1) << 63, 8, ESPALIER_ERROR_SOURCE_TRUNCATED, "ends too early"},
        {38, 4, 'x', 1, ESPALIER_ERROR_SOURCE_SYNTAX, "best_iteration is no integer"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        make_model(&writer);
        const size_t places[] = {0, writer.booster_at, writer.tree_at, writer.info_at,
                                 writer.attributes_at};
        set_number(&writer, places[lies[i].place] + lies[i].at, lies[i].number, lies[i].bytes);
        refuse_writer(&writer, lies[i].status, lies[i].words);
    }
}

/* Names are what the format is told by where it does not begin with its word. */
static void test_recognised(void **state)
{
    (void)state;
    static binary_writer writer;
    make_model(&writer);
    assert_true(espalier_xgboost_kind.recognise(writer.data, writer.bytes));
    for (size_t bytes = 0; bytes < 136 + 8 + 15 + 8 + 6; bytes++) {
        assert_false(espalier_xgboost_kind.recognise(writer.data, bytes));
    }
    set_number(&writer, 136, UINT64_MAX, 8);
    assert_false(espalier_xgboost_kind.recognise(writer.data, writer.bytes));
    make_model(&writer);
    writer.data[136 + 8] = ' ';
    assert_false(espalier_xgboost_kind.recognise(writer.data, writer.bytes));
    make_model(&writer);
    writer.data[136 + 8 + 15 + 8] = 'x';
    assert_false(espalier_xgboost_kind.recognise(writer.data, writer.bytes));
}

/* Cut anywhere before the last attribute's end; and every byte changed. */
static void test_damage(void **state)
{
    (void)state;
    static binary_writer writer;
    espalier_forest forest;
    make_model(&writer);
    for (size_t bytes = 0; bytes < writer.bytes; bytes++) {
        assert_int_not_equal(load_writer(&writer, bytes, &forest), ESPALIER_OK);
    }
    for (size_t at = 0; at < writer.bytes; at++) {
        static const uint8_t changes[] = {0xFF, 0x80, 1};
        for (size_t i = 0; i < sizeof changes; i++) {
            writer.data[at] ^= changes[i];
            if (load_writer(&writer, writer.bytes, &forest) == ESPALIER_OK) {
                espalier_forest_free(&forest);
            }
            writer.data[at] ^= changes[i];
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),   cmocka_unit_test(test_unversioned),
        cmocka_unit_test(test_dart),   cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_linear), cmocka_unit_test(test_note),
        cmocka_unit_test(test_lies),   cmocka_unit_test(test_recognised),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("xgboost binary", tests, NULL, NULL);
}
