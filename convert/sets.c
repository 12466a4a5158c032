// SPDX-License-Identifier: Apache-2.0
/*
 * See sets.h. Arrays grow by half, so that all copying together stays within twice the whole; how
 * much they hold follows from their counts.
 */
#include "convert/sets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX    (UINT32_C(1) << 30)
#define MEMBERS_MAX (UINT64_C(1) << 40)

/* The capacity of an array of count items that is only ever grown through this. */
static uint64_t capacity_of(uint64_t count)
{
    uint64_t capacity = 0;
    while (capacity < count) {
        capacity = capacity < 16 ? 16 : capacity + capacity / 2;
    }
    return capacity;
}

/* Room for `more` items behind `count`; NULL when there is no memory: the old array stays. */
static void *grow(void *items, uint64_t count, uint64_t more, size_t item_bytes)
{
    const uint64_t capacity = capacity_of(count + more);
    if (capacity == capacity_of(count) && items != NULL) {
        return items;
    }
    return capacity <= SIZE_MAX / item_bytes
               ? realloc(items, (size_t)(capacity > 0 ? capacity : 1) * item_bytes)
               : NULL;
}

bool espalier_forest_reserve_sets(espalier_forest *forest)
{
    if (forest->set != NULL) {
        return true;
    }
    const uint64_t count = forest->node_count > 0 ? forest->node_count : 1;
    forest->set = count <= SIZE_MAX / sizeof *forest->set
                      ? malloc((size_t)count * sizeof *forest->set)
                      : NULL;
    if (forest->set != NULL) {
        memset(forest->set, 0xFF, (size_t)count * sizeof *forest->set);
    }
    return forest->set != NULL;
}

static int compare_members(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static bool ascends(const uint32_t *members, uint32_t count)
{
    bool ascending = true;
    for (uint32_t i = 1; i < count && ascending; i++) {
        ascending = members[i] > members[i - 1];
    }
    return ascending;
}

/* Sorts, and keeps each once. */
static uint32_t sort_members(uint32_t *members, uint32_t count)
{
    if (ascends(members, count)) {
        return count;
    }
    qsort(members, count, sizeof *members, compare_members);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || members[i] > members[kept - 1]) {
            members[kept++] = members[i];
        }
    }
    return kept;
}

espalier_status espalier_forest_add_set(espalier_forest *forest, const espalier_forest_set *set,
                                        const uint32_t *members, uint32_t count)
{
    if (forest->set_count >= SETS_MAX || forest->member_count > MEMBERS_MAX - count) {
        return ESPALIER_ERROR_LIMIT;
    }
    espalier_forest_set *const sets =
        grow(forest->sets, forest->set_count, 1, sizeof *forest->sets);
    if (sets == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    forest->sets = sets;
    uint32_t *const all =
        grow(forest->members, forest->member_count, count, sizeof *forest->members);
    if (all == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    forest->members = all;
    uint32_t *const own = all + forest->member_count;
    if (count > 0) {
        memcpy(own, members, count * sizeof *own);
    }
    espalier_forest_set *const added = &sets[forest->set_count++];
    *added = *set;
    added->first_member = forest->member_count;
    added->member_count = sort_members(own, count);
    forest->member_count += added->member_count;
    return ESPALIER_OK;
}

/* ---- categories ---- */

/* The first number that is no category, and the last in front of category 0. */
static void find_range(const espalier_forest *forest, double *below_out, double *end_out)
{
    static const double ends[] = {0x1p31, 0x1p24, 0x1p8, 0x1p8}; /* by category */
    *below_out = espalier_forest_truncates(forest) ? -1.0 : -0x1p-1074;
    *end_out = ends[forest->category];
}

double espalier_forest_value_of(const espalier_forest *forest, uint32_t feature, uint32_t category)
{
    return espalier_forest_has_codes(forest, feature) ? forest->codes[feature].values[category]
                                                      : (double)category;
}

/* The category that a number is. */
static bool find_category(const espalier_forest *forest, uint32_t feature, double value,
                          uint32_t *category_out)
{
    double below = 0.0;
    double end = 0.0;
    if (espalier_forest_has_codes(forest, feature)) {
        const espalier_forest_codes *const codes = &forest->codes[feature];
        uint32_t low = 0;
        uint32_t high = codes->count;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (codes->values[middle] < value) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        *category_out = low;
        return low < codes->count && codes->values[low] == value;
    }
    find_range(forest, &below, &end);
    if (!(value > below && value < end)) {
        return false;
    }
    *category_out = (uint32_t)trunc(value);
    return true;
}

static bool has_member(const espalier_forest *forest, const espalier_forest_set *set,
                       uint32_t category)
{
    const uint32_t *members = forest->members + set->first_member;
    /* Without a branch on what is found: a set of hundreds is asked for by every golden row. */
    for (uint32_t left = set->member_count; left > 1;) {
        const uint32_t half = left / 2;
        members += members[half] <= category ? half : 0;
        left -= half;
    }
    return set->member_count > 0 && *members == category;
}

bool espalier_forest_set_left(const espalier_forest *forest, uint32_t set, double value)
{
    const espalier_forest_set *const own = &forest->sets[set];
    uint32_t category = 0;
    if (isnan(value)) {
        return own->missing_left;
    }
    const bool is_member =
        find_category(forest, own->feature, value, &category) && has_member(forest, own, category);
    return is_member == own->members_left;
}

/* ---- checking ---- */

static const char *find_codes_fault(const espalier_forest *forest)
{
    for (uint32_t i = 0; forest->codes != NULL && i < forest->code_count; i++) {
        const espalier_forest_codes *const codes = &forest->codes[i];
        for (uint32_t k = 0; k < codes->count; k++) {
            if (!isfinite(codes->values[k]) ||
                (k > 0 && codes->values[k] <= codes->values[k - 1])) {
                return "the numbers of a feature's categories do not ascend";
            }
        }
    }
    return NULL;
}

const char *espalier_forest_find_set_fault(const espalier_forest *forest)
{
    double below = 0.0;
    double end = 0.0;
    find_range(forest, &below, &end);
    for (uint32_t i = 0; i < forest->set_count; i++) {
        const espalier_forest_set *const set = &forest->sets[i];
        if (set->feature >= espalier_forest_tested_count(forest)) {
            return "a set of categories of a feature that is not there";
        }
        if (set->first_member > forest->member_count ||
            set->member_count > forest->member_count - set->first_member ||
            !ascends(forest->members + set->first_member, set->member_count)) {
            return "a set of categories whose members are out of order";
        }
        if (set->missing_left && !forest->missing_allowed) {
            return "a set of categories for missing values, where nothing may be missing";
        }
        const double last = set->member_count > 0
                                ? forest->members[set->first_member + set->member_count - 1]
                                : 0.0;
        if (last >= (espalier_forest_has_codes(forest, set->feature)
                         ? (double)forest->codes[set->feature].count
                         : end)) {
            return "a set of categories with one out of range";
        }
    }
    return find_codes_fault(forest);
}
