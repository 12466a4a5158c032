// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of categories in a forest: adding them, checking them, and what a number is to one. See
 * forest.h. May include public headers only.
 */
#ifndef ESPALIER_CONVERT_SETS_H
#define ESPALIER_CONVERT_SETS_H

#include "convert/forest.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether an inner node asks for a category. */
static inline bool espalier_forest_has_set(const espalier_forest *forest, uint64_t node)
{
    return forest->set != NULL && forest->set[node] != ESPALIER_FOREST_NO_SET;
}

/* Makes forest->set for all nodes, none with a set, if it is not there. False: no memory. */
bool espalier_forest_reserve_sets(espalier_forest *forest);

/*
 * Adds a set of `count` members, in any order and more than once, to the end of forest->sets; of
 * *set, first_member and member_count are filled here. Amortised O(count log count). Status: LIMIT
 * (sets), MEMORY.
 */
espalier_status espalier_forest_add_set(espalier_forest *forest, const espalier_forest_set *set,
                                        const uint32_t *members, uint32_t count);

/* What is wrong with sets, members and codes by themselves, or NULL. */
const char *espalier_forest_find_set_fault(const espalier_forest *forest);

/* Whether numbers of a feature stand for its categories by their place alone. */
static inline bool espalier_forest_has_codes(const espalier_forest *forest, uint32_t feature)
{
    return forest->codes != NULL && feature < forest->code_count &&
           forest->codes[feature].count > 0;
}

/* The number that stands for a category of a feature. */
double espalier_forest_value_of(const espalier_forest *forest, uint32_t feature, uint32_t category);

/* Whether numbers between -1 and 0 are category 0. */
static inline bool espalier_forest_truncates(const espalier_forest *forest)
{
    return forest->category == ESPALIER_FOREST_CATEGORY_INT32 ||
           forest->category == ESPALIER_FOREST_CATEGORY_UINT8;
}

/* Where a number goes: as the forest compares it, rounded and flushed already. */
bool espalier_forest_set_left(const espalier_forest *forest, uint32_t set, double value);

#endif
