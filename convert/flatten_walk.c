// SPDX-License-Identifier: Apache-2.0
/*
 * The walk layout: nodes by flatten_place.c, leaf rows shared where that pays, node numbers. Inside
 * convert/flatten*.
 */
#include "convert/flatten_leaves.h"
#include "convert/flatten_place.h"
#include "convert/flatten_work.h"

#include <stdlib.h>
#include <string.h>

/* The leaves of the part's trees, repeated ones counted each time. */
static uint64_t count_leaves(const espalier_flattening *work)
{
    const espalier_forest_tree *const trees = work->forest->trees + work->part->first_tree;
    uint64_t count = 0;
    for (uint32_t i = 0; i < work->part->tree_count; i++) {
        count += ((uint64_t)trees[i].node_count + 1) / 2;
    }
    return count;
}

/* Writes every tree, and fills the table of distinct leaves. */
static espalier_status place_trees(espalier_flattening *work, espalier_leaf_table *leaves,
                                   espalier_place_item *stack)
{
    const espalier_file_part *const part = work->part;
    const uint64_t number_bytes = work->flat->model.number_bytes;
    const espalier_placer placer = {
        .work = work,
        .leaves = leaves,
        .stack = stack,
        .node_bytes = part->node_bytes,
        .child_bits = part->child_bits,
        .number_bytes = work->flat->model.number_bytes,
    };
    const espalier_file_tree *const trees =
        (const espalier_file_tree *)work->flat->trees.data + part->first_tree;
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < part->tree_count && status == ESPALIER_OK; i++) {
        const uint64_t first = trees[i].first_node - trees[0].first_node;
        status =
            espalier_place_tree(&placer, &work->forest->trees[part->first_tree + i],
                                work->nodes + first * part->node_bytes,
                                number_bytes != 0 ? work->numbers + first * number_bytes : NULL);
    }
    return status == ESPALIER_ERROR_MEMORY ? espalier_flatten_fail_memory(work, "leaves")
           : status == ESPALIER_ERROR_LIMIT
               ? espalier_flatten_fail_limit(work, "distinct leaves", (uint64_t)leaves->count + 1,
                                             ESPALIER_LIMIT_LEAVES)
               : status;
}

/*
 * Sharing rows costs locality: a leaf's values no longer lie in the order in which leaves are
 * reached. It has to save an eighth of the rows.
 */
static bool sharing_pays(uint64_t leaf_count, uint64_t distinct_count)
{
    return leaf_count > ESPALIER_LIMIT_LEAVES || (leaf_count - distinct_count) * 8 >= leaf_count;
}

/* Gives every leaf a row of its own, in the order of the positions. */
static void unshare_leaves(const espalier_flattening *work, const espalier_leaf_table *leaves)
{
    const espalier_file_part *const part = work->part;
    const espalier_file_tree *const trees =
        (const espalier_file_tree *)work->flat->trees.data + part->first_tree;
    const uint64_t stride = part->node_bytes;
    const bool wide = stride == sizeof(espalier_file_node_wide);
    const uint32_t mask = wide ? UINT32_MAX : (UINT32_C(1) << part->child_bits) - 1;
    uint32_t next = 0;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        uint8_t *const nodes = work->nodes + (trees[i].first_node - trees[0].first_node) * stride;
        /* A tree of n nodes fills position 0 and positions 2 to n. */
        const uint64_t end = (uint64_t)trees[i].source_node_count + 1;
        for (uint64_t position = 0; position < end; position++) {
            espalier_file_node node; /* a wide node begins with the same threshold */
            memcpy(&node, nodes + position * stride, sizeof node);
            if ((node.word & mask) == position && position != 1) {
                espalier_flatten_store_leaf(work, next, leaves->rows[node.threshold]);
                node.threshold = next++;
                memcpy(nodes + position * stride, &node, sizeof node);
            }
        }
    }
}

static espalier_status make_leaves(espalier_flattening *work, espalier_leaf_table *leaves)
{
    const uint64_t leaf_count = count_leaves(work);
    const bool shared = sharing_pays(leaf_count, leaves->count);
    const uint64_t row_count = shared ? leaves->count : leaf_count;
    espalier_leaf_table_close(leaves);
    const espalier_status status = espalier_flatten_make_leaves(work, row_count);
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint64_t i = 0; shared && i < row_count; i++) {
        espalier_flatten_store_leaf(work, i, leaves->rows[i]);
    }
    if (!shared) {
        unshare_leaves(work, leaves);
    }
    return ESPALIER_OK;
}

espalier_status espalier_flatten_walk(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_leaf_table leaves;
    espalier_status status =
        espalier_leaf_table_init(&leaves, forest->leaf_values + work->source_part.first_value,
                                 work->part->leaf_width);
    espalier_place_item *const stack =
        malloc(((size_t)work->node_count_max / 2 + 8) * sizeof *stack);
    if (status != ESPALIER_OK || stack == NULL) {
        status = espalier_flatten_fail_memory(work, "leaves");
        goto out;
    }
    status = place_trees(work, &leaves, stack);
    if (status == ESPALIER_OK) {
        status = make_leaves(work, &leaves);
    }

out:
    free(stack);
    espalier_leaf_table_free(&leaves);
    return status;
}
