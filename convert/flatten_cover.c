// SPDX-License-Identifier: Apache-2.0
/*
 * COVER: for every value that nodes test, what the trainer counted at those nodes, added up. Part
 * of flatten.h. Nothing that predicts reads it, so it may be left out where sums mean nothing.
 */
#include "convert/flatten_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* covers[tested_count], in the order of trees and nodes. False: a tree does not say, or the sums
 * leave the range of a double. */
static bool add_covers(const espalier_forest *forest, uint32_t tested_count, double *covers)
{
    for (uint32_t t = 0; t < forest->tree_count; t++) {
        const espalier_forest_tree *const tree = &forest->trees[t];
        if (tree->node_count > 1 && !(forest->cover[tree->first_node] > 0.0)) {
            return false; /* files that others write hold no counts, or zeroes */
        }
        for (uint64_t i = tree->first_node; i < tree->first_node + tree->node_count; i++) {
            if (forest->left[i] != ESPALIER_FOREST_LEAF) {
                covers[forest->feature[i]] += forest->cover[i];
            }
        }
    }
    for (uint32_t i = 0; i < tested_count; i++) {
        if (!isfinite(covers[i])) {
            return false;
        }
    }
    return true;
}

/* Those of the values that columns hold, ascending. */
static espalier_status store_covers(espalier_flattening *work, uint32_t tested_count,
                                    const double *covers, uint8_t *has_column)
{
    const espalier_file_column *const columns = work->flat->columns.data;
    const uint64_t column_count = work->flat->columns.bytes / sizeof *columns;
    uint64_t count = 0;
    for (uint64_t i = 0; i < column_count; i++) {
        if (columns[i].kind != ESPALIER_COLUMN_LEAF) {
            count += has_column[columns[i].feature] == 0;
            has_column[columns[i].feature] = 1;
        }
    }
    if (count == 0) {
        return ESPALIER_OK;
    }
    const espalier_file_cover head = {(uint32_t)work->forest->cover_unit, 0};
    uint8_t *const data =
        espalier_flatten_table(&work->flat->cover, sizeof head + count * sizeof *covers, 1);
    if (data == NULL) {
        return espalier_flatten_fail_memory(work, "covers");
    }
    memcpy(data, &head, sizeof head);
    uint8_t *place = data + sizeof head;
    for (uint32_t i = 0; i < tested_count; i++) {
        if (has_column[i] != 0) {
            memcpy(place, &covers[i], sizeof covers[i]);
            place += sizeof covers[i];
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_flatten_cover(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint32_t tested_count = espalier_forest_tested_count(forest);
    if (forest->cover_unit == ESPALIER_FOREST_COVER_NONE || forest->cover == NULL) {
        return ESPALIER_OK;
    }
    double *const covers = calloc(tested_count, sizeof *covers);
    uint8_t *const has_column = calloc(tested_count, sizeof *has_column);
    espalier_status status = ESPALIER_OK;
    if (covers == NULL || has_column == NULL) {
        status = espalier_flatten_fail_memory(work, "covers");
    } else if (add_covers(forest, tested_count, covers)) {
        status = store_covers(work, tested_count, covers, has_column);
    }
    free(covers);
    free(has_column);
    return status;
}
