// SPDX-License-Identifier: Apache-2.0
/*
 * The leaves of LightGBM's linear trees: leaf_const, and for each leaf num_features items of
 * leaf_features and leaf_coeff. Where one of its features is NaN a leaf answers its leaf_value.
 */
#include "convert/linear_leaves.h"
#include "convert/sources/lightgbm_internal.h"
#include "format/layout.h"

#include <inttypes.h>

espalier_status espalier_lightgbm_count_lines(espalier_lightgbm_import *import,
                                              const espalier_lightgbm_block *block)
{
    espalier_forest *const forest = import->forest;
    const uint64_t count = espalier_text_word_count(&block->leaf_coeff);
    import->linear = true;
    if (count > UINT32_MAX - (uint64_t)forest->term_count) {
        return espalier_lightgbm_fail(import, &block->leaf_coeff, ESPALIER_ERROR_SOURCE_LIMIT,
                                      "linear trees have more than %" PRIu32 " coefficients",
                                      UINT32_MAX);
    }
    forest->term_count += (uint32_t)count;
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_make_lines(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    void *leaves = NULL;
    void *terms = NULL;
    espalier_status status = espalier_lightgbm_allocate(import, forest->leaf_count,
                                                        sizeof *forest->linear_leaves, &leaves);
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, (uint64_t)forest->term_count + 1,
                                            sizeof *forest->terms, &terms);
    }
    forest->linear_leaves = leaves;
    forest->line_count = leaves != NULL ? forest->leaf_count : 0;
    forest->terms = terms;
    return status;
}

/* The terms of the leaves, of which the constants are read. */
static espalier_status read_terms(espalier_lightgbm_import *import,
                                  const espalier_lightgbm_block *block,
                                  const espalier_forest_tree *tree,
                                  espalier_forest_linear_leaf *leaves)
{
    espalier_forest *const forest = import->forest;
    const int64_t feature_count = (int64_t)forest->feature_count;
    const uint64_t count = espalier_text_word_count(&block->leaf_coeff); /* as they were counted */
    espalier_text_slice counts = block->num_features;
    espalier_text_slice features = block->leaf_features;
    espalier_text_slice coefficients = block->leaf_coeff;
    int64_t number = 0;
    uint64_t at = 0;
    espalier_status status =
        espalier_lightgbm_words(import, &block->leaf_features, "leaf_features", count);
    for (uint32_t leaf = 0; leaf < tree->leaf_count && status == ESPALIER_OK; leaf++) {
        status = espalier_lightgbm_item(import, &counts, "num_features", leaf, 0, feature_count,
                                        &number);
        if (status == ESPALIER_OK && (uint64_t)number > count - at) {
            return espalier_lightgbm_fail(import, &counts, ESPALIER_ERROR_SOURCE_TREE,
                                          "num_features ask for more than the %" PRIu64
                                          " items of leaf_coeff",
                                          count);
        }
        leaves[leaf].first_term = import->terms_read;
        leaves[leaf].term_count = status == ESPALIER_OK ? (uint32_t)number : 0;
        for (uint32_t i = 0; i < leaves[leaf].term_count && status == ESPALIER_OK; i++, at++) {
            espalier_forest_term *const term = &forest->terms[import->terms_read++];
            status = espalier_lightgbm_item(import, &features, "leaf_features", at, 0,
                                            feature_count - 1, &number);
            term->place = (uint32_t)number;
            if (status == ESPALIER_OK) {
                status = espalier_lightgbm_real(import, &coefficients, "leaf_coeff", at, false,
                                                &term->coefficient);
            }
        }
    }
    return status != ESPALIER_OK || at == count
               ? status
               : espalier_lightgbm_fail(import, &block->leaf_coeff, ESPALIER_ERROR_SOURCE_TREE,
                                        "leaf_coeff has %" PRIu64
                                        " items, num_features ask for %" PRIu64,
                                        count, at);
}

espalier_status espalier_lightgbm_read_lines(espalier_lightgbm_import *import,
                                             const espalier_lightgbm_block *block,
                                             const espalier_forest_tree *tree)
{
    espalier_forest *const forest = import->forest;
    espalier_forest_linear_leaf *const leaves = forest->linear_leaves + tree->first_leaf;
    double *const values = forest->leaf_values + tree->first_leaf;
    for (uint32_t leaf = 0; leaf < tree->leaf_count; leaf++) {
        leaves[leaf] =
            (espalier_forest_linear_leaf){values[leaf], values[leaf], import->terms_read, 0};
    }
    if (!block->linear) {
        return ESPALIER_OK;
    }
    /* The constants pass by where the values were, which the leaves keep. */
    espalier_status status = espalier_lightgbm_reals(import, &block->leaf_const, "leaf_const",
                                                     tree->leaf_count, false, values);
    if (status == ESPALIER_OK) {
        status =
            espalier_lightgbm_words(import, &block->num_features, "num_features", tree->leaf_count);
    }
    for (uint32_t leaf = 0; leaf < tree->leaf_count; leaf++) {
        leaves[leaf].constant = values[leaf];
    }
    return status == ESPALIER_OK ? read_terms(import, block, tree, leaves) : status;
}

espalier_status espalier_lightgbm_lift_lines(espalier_lightgbm_import *import)
{
    const espalier_status status = espalier_linear_lift(import->forest);
    switch (status) {
    case ESPALIER_OK:
        return status;
    case ESPALIER_ERROR_SOURCE_TREE:
        return espalier_lightgbm_fail(import, NULL, status,
                                      "leaf_features name a feature twice in a leaf");
    case ESPALIER_ERROR_SOURCE_LIMIT:
        return espalier_lightgbm_fail(import, NULL, status,
                                      "linear trees, their features and classes are more than %u",
                                      ESPALIER_LIMIT_SLOTS);
    default:
        return espalier_lightgbm_fail(import, NULL, status, "no memory for linear trees");
    }
}
