// SPDX-License-Identifier: Apache-2.0
/*
 * A small XGBoost document for the tests of its importer, and how they load and change it. Included
 * by tests/unit/test_xgboost*.c alone.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_XGBOOST_H
#define ESPALIER_TESTS_UNIT_TEST_XGBOOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/xgboost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (UINT64_C(1) << 20)

/* ---- documents ------------------------------------------------------------------------------ */

/* Both directions of missing values, and two kinds of leaves. */
#define TREE_0                                                                           \
    "{\"base_weights\":[0,0.1,0,-2.5,7],\"categories\":[],\"categories_nodes\":[],"      \
    "\"categories_segments\":[],\"categories_sizes\":[],\"default_left\":[1,0,0,0,0],"   \
    "\"id\":0,\"left_children\":[1,-1,3,-1,-1],\"loss_changes\":[3E0,0E0,1E0,0E0,0E0],"  \
    "\"parents\":[2147483647,0,0,2,2],\"right_children\":[2,-1,4,-1,-1],"                \
    "\"split_conditions\":[5E-1,1E-1,-1.25E0,-2.5E0,7E0],\"split_indices\":[1,0,0,0,0]," \
    "\"split_type\":[0,0,0,0,0],\"sum_hessian\":[1E1,4E0,6E0,5E0,Infinity],"             \
    "\"tree_param\":{\"num_deleted\":\"0\",\"num_feature\":\"2\",\"num_nodes\":\"5\","   \
    "\"size_leaf_vector\":\"1\"}}"
/* One leaf, as 1.0 writes it. */
#define TREE_1                                                                            \
    "{\"default_left\":[false],\"id\":1,\"leaf_child_counts\":[0],\"left_children\":[-1]" \
    ",\"right_children\":[-1],\"split_conditions\":[2.50000000000000000e-01],"            \
    "\"split_indices\":[0],\"sum_hessian\":[1.00000000000000000e+00],"                    \
    "\"tree_param\":{\"num_nodes\":\"1\",\"size_leaf_vector\":\"0\"}}"
/* Nodes 1 and 2 are pruned, 3 and 4 come before their parent 5. */
#define TREE_2                                                                                \
    "{\"default_left\":[0,0,0,0,0,1,0],\"id\":2,\"left_children\":[5,-1,-1,-1,-1,3,-1],"      \
    "\"right_children\":[6,-1,-1,-1,-1,4,-1],\"split_conditions\":[1,0,0,3E-1,-5E-1,2,4E-1]," \
    "\"split_indices\":[0,2147483647,2147483647,0,0,1,0],\"split_type\":[0,0,0,0,0,0,0],"     \
    "\"sum_hessian\":[9,0,0,1,4,5,4],\"tree_param\":{\"num_deleted\":2,\"num_nodes\":\"7\","  \
    "\"size_leaf_vector\":\"1\"}}"
#define TREES "\"trees\":[" TREE_0 "," TREE_1 "," TREE_2 "]"
#define MODEL                                                                       \
    "\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\",\"num_trees\":" \
    "\"3\"},\"iteration_indptr\":[0,1,2,3],\"tree_info\":[0,0,0]," TREES "}"
#define WHOLE                                                                                   \
    "{\"learner\":{\"attributes\":{\"best_score\":\"0.5\"},\"feature_names\":[\"a\",\"b\\t\"]," \
    "\"feature_types\":[\"float\",\"int\"],\"gradient_booster\":{" MODEL                        \
    ",\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"2E-1\","                   \
    "\"boost_from_average\":\"1\",\"num_class\":\"0\",\"num_feature\":\"2\","                   \
    "\"num_target\":\"1\"},\"objective\":{\"name\":\"binary:logistic\",\"reg_loss_param\":"     \
    "{\"scale_pos_weight\":\"1\"}}},\"version\":[3,0,5]}"

static const char whole[] = WHOLE;

static espalier_error error;
static espalier_source_summary summary;

/* A copy with the first `from` replaced; `from` must be there. */
static inline char *replace(const char *text, const char *from, const char *to)
{
    const char *const at = strstr(text, from);
    assert_non_null(at);
    const size_t bytes = strlen(text) - strlen(from) + strlen(to) + 1;
    char *const made = malloc(bytes);
    assert_non_null(made);
    (void)snprintf(made, bytes, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return made;
}

static inline espalier_status load_bytes(const char *text, size_t bytes, uint64_t memory,
                                         espalier_forest *forest)
{
    const espalier_source_input input = {.data = (const uint8_t *)text,
                                         .bytes = bytes,
                                         .path = "test",
                                         .memory_bytes_max = memory};
    memset(forest, 0, sizeof *forest);
    memset(&error, 0, sizeof error);
    memset(&summary, 0, sizeof summary);
    espalier_status status = espalier_xgboost_kind.load(&input, forest, &summary, &error);
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(forest, "test", &error);
    }
    if (status != ESPALIER_OK) {
        assert_int_equal(error.status, status);
        assert_memory_equal(error.message, "test: ", 6);
        espalier_forest_free(forest);
    }
    return status;
}

static inline void load_text(const char *text, espalier_forest *forest)
{
    const espalier_status status = load_bytes(text, strlen(text), MEMORY_MAX, forest);
    if (status != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

/* The base document with one change must be refused, with these words. */
static inline void check_change_refused(const char *from, const char *to, espalier_status status,
                                        const char *message)
{
    espalier_forest forest;
    char *const text = replace(whole, from, to);
    const espalier_status found = load_bytes(text, strlen(text), MEMORY_MAX, &forest);
    if (found != status || strstr(error.message, message) == NULL) {
        fail_msg("%s -> %s: %d instead of %d, %s", from, to, (int)found, (int)status,
                 error.message);
    }
    free(text);
}

#endif
