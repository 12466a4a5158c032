// SPDX-License-Identifier: Apache-2.0
/*
 * A LightGBM text made by hand, and loading it and what a test makes of it. For test_lightgbm*.c.
 */
#ifndef TESTS_UNIT_TEST_LIGHTGBM_H
#define TESTS_UNIT_TEST_LIGHTGBM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/reference.h"
#include "convert/sources/lightgbm.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test need not use all of them. */
#define HELPER static __attribute__((unused))

#define MEMORY_MAX (UINT64_C(1) << 20)

/* ---- texts ---------------------------------------------------------------------------------- */

/* Three kinds of missing, both default directions, leaf numbers that are no preorder count. */
#define TREE_0                                        \
    "Tree=0\n"                                        \
    "num_leaves=4\n"                                  \
    "num_cat=0\n"                                     \
    "split_feature=1 0 1\n"                           \
    "split_gain=9.5 3 2\n"                            \
    "threshold=0.5 -1.25 1.0000000180025095e-35\n"    \
    "decision_type=10 2 4\n"                          \
    "left_child=1 -1 -2\n"                            \
    "right_child=2 -3 -4\n"                           \
    "leaf_value=0.10000000000000001 -2.5 1e-3 7e+1\n" \
    "leaf_weight=1 2 3 4\n"                           \
    "leaf_count=10 20 30 40\n"                        \
    "internal_value=0 1 2\n"                          \
    "internal_weight=0 0 0\n"                         \
    "internal_count=100 40 60\n"                      \
    "is_linear=0\n"                                   \
    "shrinkage=1\n"                                   \
    "\n\n"
/* One leaf, as 2.x writes it: empty arrays, and a shrinkage that was never set. */
#define TREE_1             \
    "Tree=1\n"             \
    "num_leaves=1\n"       \
    "num_cat=0\n"          \
    "split_feature=\n"     \
    "split_gain=\n"        \
    "threshold=\n"         \
    "decision_type=\n"     \
    "left_child=\n"        \
    "right_child=\n"       \
    "leaf_value=-0\n"      \
    "leaf_count=\n"        \
    "internal_value=\n"    \
    "internal_count=\n"    \
    "shrinkage=1.4e+219\n" \
    "\n\n"
#define HEADER                                                                                    \
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n" \
    "objective=regression\nfeature_names=width na=me\nfeature_infos=[-3:4] none\n"                \
    "monotone_constraints=0 1\n"
#define TAIL                                                                                  \
    "end of trees\n\nfeature_importances:\nwidth=2\n\nparameters:\n[boosting: gbdt]\n"        \
    "[learning_rate: 0.1]\n[num_leaves: 31]\n[metric: l2,\"q\"]\n[data: ]\nnot a parameter\n" \
    "end of parameters\n\npandas_categorical:null\n"

static const char good_text[] = HEADER "\n" TREE_0 TREE_1 TAIL;

/* `text` with the first `from` replaced, malloc'ed; both NULL: a copy. */
HELPER char *replace_text(const char *text, const char *from, const char *to)
{
    const char *const at = from == NULL ? text : strstr(text, from);
    assert_non_null(at);
    const size_t from_bytes = from == NULL ? 0 : strlen(from);
    const size_t capacity = strlen(text) + (to == NULL ? 0 : strlen(to)) + 1;
    char *const result = malloc(capacity);
    assert_non_null(result);
    (void)snprintf(result, capacity, "%.*s%s%s", (int)(at - text), text, to == NULL ? "" : to,
                   at + from_bytes);
    return result;
}

/* Loads exactly `bytes` bytes, in memory of their own so that sanitizers see a read behind them. */
/* categorical: what the caller says of columns, or NULL. */
HELPER espalier_status load_told(const char *text, size_t bytes, uint64_t memory_bytes_max,
                                 espalier_source_categorical *categorical, espalier_forest *forest,
                                 espalier_source_summary *summary, espalier_error *error)
{
    uint8_t *const copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    const espalier_source_input input = {copy, bytes,      "here.txt", memory_bytes_max,
                                         NULL, categorical};
    *forest = (espalier_forest){0};
    *summary = (espalier_source_summary){0};
    espalier_status status = espalier_lightgbm_kind.load(&input, forest, summary, error);
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(forest, "here.txt", error);
    }
    if (status != ESPALIER_OK) {
        espalier_forest_free(forest);
    }
    free(copy);
    return status;
}

HELPER espalier_status load_bytes(const char *text, size_t bytes, uint64_t memory_bytes_max,
                                  espalier_forest *forest, espalier_source_summary *summary,
                                  espalier_error *error)
{
    return load_told(text, bytes, memory_bytes_max, NULL, forest, summary, error);
}

HELPER void loads(const char *text, espalier_forest *forest)
{
    espalier_error error = {0};
    espalier_source_summary summary;
    if (load_bytes(text, strlen(text), MEMORY_MAX, forest, &summary, &error) != ESPALIER_OK) {
        fail_msg("refused: %s", error.message);
    }
}

HELPER void refuses(const char *text, espalier_status status, const char *words)
{
    espalier_forest forest;
    espalier_error error = {0};
    espalier_source_summary summary;
    const espalier_status got =
        load_bytes(text, strlen(text), MEMORY_MAX, &forest, &summary, &error);
    if (got == ESPALIER_OK) {
        espalier_forest_free(&forest);
    }
    if (got != status || error.status != status || strstr(error.message, words) == NULL ||
        strncmp(error.message, "here.txt: ", 10) != 0) {
        fail_msg("status %d, not %d, or no '%s' in: %s", (int)got, (int)status, words,
                 error.message);
    }
}

/* ---- tables of refusals ---- */

typedef struct refusal {
    const char *from;
    const char *to;
    espalier_status status;
    const char *words;
} refusal;

HELPER void refuse_all(const refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *const text = replace_text(good_text, cases[i].from, cases[i].to);
        refuses(text, cases[i].status, cases[i].words);
        free(text);
    }
}

#endif
