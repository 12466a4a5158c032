// SPDX-License-Identifier: Apache-2.0
/*
 * Real files of every importer, cut at every byte, and trees of scikit-learn's that are changed to
 * lie: each conversion is refused with a message that names the file, and writes no model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/containers/container.h"
#include "espalier_convert.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURES  ESPALIER_TEST_SOURCE_DIR "/fixtures/"
#define MODEL     "test_refused_sources.espalier"
#define BYTES_MAX 65536u

static uint8_t bytes[BYTES_MAX];

static size_t read_source(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, FIXTURES "%s", name);
    FILE *const stream = fopen(path, "rb");
    if (stream == NULL) {
        fail_msg("%s: cannot be opened", path);
    }
    const size_t count = fread(bytes, 1, sizeof bytes, stream);
    assert_int_equal(fclose(stream), 0);
    assert_true(count > 0 && count < sizeof bytes);
    return count;
}

/* The same without its compression. */
static size_t read_expanded(const char *name)
{
    const size_t count = read_source(name);
    espalier_container_limits limits = {0};
    espalier_container container;
    espalier_error error;
    assert_int_equal(espalier_container_open_memory(bytes, count, name, &limits, &container,
                                                    &error),
                     ESPALIER_OK);
    const size_t expanded = (size_t)container.bytes;
    uint8_t *const copy = malloc(expanded);
    assert_non_null(copy);
    memcpy(copy, container.data, expanded);
    espalier_container_close(&container);
    assert_true(expanded <= sizeof bytes);
    memcpy(bytes, copy, expanded);
    free(copy);
    return expanded;
}

/* Converts exactly so many bytes, in memory of their own so that sanitizers see a read behind. */
static espalier_status convert_bytes(size_t count, const char *name, espalier_error *error)
{
    uint8_t *const own = malloc(count > 0 ? count : 1);
    assert_non_null(own);
    memcpy(own, bytes, count);
    memset(error, 0, sizeof *error);
    const espalier_status status =
        espalier_convert_memory(own, count, name, MODEL, NULL, NULL, error);
    free(own);
    return status;
}

static void check_refused(espalier_status status, const char *name, const espalier_error *error)
{
    if (status == ESPALIER_OK || error->status != status ||
        strncmp(error->message, name, strlen(name)) != 0 || access(MODEL, F_OK) == 0) {
        fail_msg("%s: status %d, message: %s", name, (int)status, error->message);
    }
}

/* ---- cut at every byte ---- */

/* `rest`: what a model is whole without; text that comes behind its trees. NULL: nothing. */
static const struct {
    const char *name;
    const char *rest;
} sources[] = {
    {"sklearn-1.9.1/tree_single_class.pkl", NULL},
    {"sklearn-1.9.1/small_zlib.joblib", NULL},
    {"boosting-1.9.1/isolation_one.joblib", NULL},
    {"boosting-1.9.1/gradient_quantile.joblib", NULL},
    {"boosting-1.9.1/histogram_binary.joblib", NULL},
    {"ensembles-1.9.1/bagging.joblib", NULL},
    {"pipelines-1.9.1/chosen.joblib", NULL},
    {"xgboost-3.4.1/small.json", NULL},
    {"xgboost-3.4.1/one_tree.ubj", NULL},
    {"xgboost-1.7.6/old.model", NULL},
    {"boosted-1.7.6-3.3.5/xgb_dart.joblib", NULL},
    {"categories-1.9.1/xgb_numbers.json", NULL},
    {"categories-1.9.1/xgb_numbers.ubj", NULL},
    {"lightgbm-4.7.0/one_leaf.txt", "end of trees"},
    {"lightgbm-4.7.0/linear.txt", "end of trees"},
    {"boosted-3.4.1-4.7.0/lgb_counts.joblib", NULL},
};

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        size_t count = read_expanded(sources[i].name);
        espalier_error error;
        if (convert_bytes(count, sources[i].name, &error) != ESPALIER_OK) {
            fail_msg("%s", error.message);
        }
        assert_int_equal(unlink(MODEL), 0);
        if (sources[i].rest != NULL) {
            const uint8_t *const rest =
                memmem(bytes, count, sources[i].rest, strlen(sources[i].rest));
            assert_non_null(rest);
            count = (size_t)(rest - bytes);
        }
        for (size_t cut = 0; cut < count; cut++) {
            check_refused(convert_bytes(cut, sources[i].name, &error), sources[i].name, &error);
        }
    }
}

/* ---- trees that lie ---- */

/* What stands at the beginning of a node: both children, the feature, the threshold. */
enum {
    LEFT = 0,
    RIGHT = 8,
    FEATURE = 16,
    THRESHOLD = 24
};

/* The last node of the file that could be a root, since a pipeline's model comes last: node 1 and
 * one behind it are its children, and node 1 is a leaf or the parent of node 2. A record has 64
 * bytes. */
static size_t find_root(size_t count)
{
    for (size_t at = count - 128; at > 0; at--) {
        int64_t words[9];
        memcpy(words, bytes + at, sizeof words);
        if (words[0] == 1 && words[1] > 1 && words[1] < 100 && words[2] >= 0 && words[2] < 100 &&
            (words[8] == 2 || words[8] == -1)) {
            return at;
        }
    }
    return count;
}

static int64_t nan_bits(void)
{
    const double nan = (double)NAN;
    int64_t bits = 0;
    memcpy(&bits, &nan, sizeof bits);
    return bits;
}

static void test_trees_that_lie(void **state)
{
    (void)state;
    static const char *const names[] = {
        "sklearn-1.9.1/labels_bool_tree.pkl",      "sklearn-1.9.1/small_zlib.joblib",
        "boosting-1.9.1/gradient_quantile.joblib", "boosting-1.9.1/isolation_features.joblib",
        "ensembles-1.9.1/bagging.joblib",          "ensembles-1.9.1/adaboost.joblib",
        "ensembles-1.9.1/adaboost_values.joblib",  "ensembles-1.9.1/isotonic.joblib",
        "ensembles-1.9.1/outputs.joblib",          "ensembles-1.9.1/rest.joblib",
        "ensembles-1.9.1/transformed.joblib",      "ensembles-1.9.1/voting_pipelines.joblib",
        "pipelines-1.9.1/chosen.joblib",           "pipelines-1.9.1/columns.joblib",
    };
    const struct {
        size_t place;
        int64_t word;
        const char *words;
    } lies[] = {
        {LEFT, 0, "node 0"},        /* a cycle, and a tree that has no leaf */
        {RIGHT, 1, "node"},         /* two parents, or the same child twice */
        {LEFT, 1000000, "1000000"}, /* out of range */
        {RIGHT, INT64_MAX, "9223372036854775807"},
        {RIGHT, INT64_MIN, "-9223372036854775808"},
        {FEATURE, 1000000, "1000000"},
        {FEATURE, INT64_MIN, "-9223372036854775808"},
        {THRESHOLD, nan_bits(), "NaN"},
    };
    (void)unlink(MODEL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t count = read_expanded(names[i]);
        const size_t root = find_root(count);
        assert_true(root < count);
        for (size_t k = 0; k < sizeof lies / sizeof lies[0]; k++) {
            espalier_error error;
            (void)read_expanded(names[i]);
            memcpy(bytes + root + lies[k].place, &lies[k].word, sizeof lies[k].word);
            const espalier_status status = convert_bytes(count, names[i], &error);
            check_refused(status, names[i], &error);
            if (strstr(error.message, lies[k].words) == NULL) {
                fail_msg("no '%s' in: %s", lies[k].words, error.message);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_trees_that_lie),
    };
    return cmocka_run_group_tests_name("refused sources", tests, NULL, NULL);
}
