// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten_sets.h. A category is an interval of numbers, so its bits are found as a code is: by
 * rank among cuts. Between two categories that are not neighbours lies an interval of numbers that
 * are none of those named; intervals next to each other with the same bits are one.
 */
#include "convert/flatten_sets.h"

#include "convert/sets.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY UINT32_MAX

/* ---- distinct sets ---- */

static uint64_t hash_set(const espalier_forest *forest, const espalier_forest_set *set)
{
    const uint32_t *const members = forest->members + set->first_member;
    const size_t pairs = set->member_count / 2;
    uint64_t hash = (uint64_t)set->feature << 2 | (uint64_t)set->members_left << 1 |
                    (uint64_t)set->missing_left;
    for (size_t i = 0; i < pairs; i++) {
        const uint64_t pair = (uint64_t)members[2 * i] << 32 | members[2 * i + 1];
        hash = (hash ^ pair) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    if (set->member_count % 2 != 0) {
        hash = (hash ^ members[set->member_count - 1]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return hash;
}

static bool are_equal(const espalier_forest *forest, const espalier_forest_set *a,
                      const espalier_forest_set *b)
{
    return a->feature == b->feature && a->members_left == b->members_left &&
           a->missing_left == b->missing_left && a->member_count == b->member_count &&
           (a->member_count == 0 ||
            memcmp(forest->members + a->first_member, forest->members + b->first_member,
                   a->member_count * sizeof *forest->members) == 0);
}

/* Gives every set its bit: that of an equal one before it, or the feature's next. firsts[i] is the
 * first set equal to set i. */
static espalier_status find_distinct(espalier_set_columns *columns, uint32_t *counts,
                                     uint32_t *firsts)
{
    const espalier_forest *const forest = columns->forest;
    uint64_t room = 16;
    while (room < (uint64_t)forest->set_count * 2) {
        room *= 2;
    }
    uint32_t *const table = malloc((size_t)room * sizeof *table);
    if (table == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    memset(table, 0xFF, (size_t)room * sizeof *table);
    for (uint32_t i = 0; i < forest->set_count; i++) {
        const espalier_forest_set *const set = &forest->sets[i];
        uint64_t place = hash_set(forest, set) & (room - 1);
        /* At most half of the table is full. */
        while (table[place] != EMPTY && !are_equal(forest, set, &forest->sets[table[place]])) {
            place = (place + 1) & (room - 1);
        }
        if (table[place] == EMPTY) {
            table[place] = i;
            columns->bit_of[i] = counts[set->feature]++;
        } else {
            columns->bit_of[i] = columns->bit_of[table[place]];
        }
        firsts[i] = table[place];
    }
    free(table);
    return ESPALIER_OK;
}

/* ---- one feature ---- */

/* Sets of one feature, their categories, and the bits of each of these. */
typedef struct set_work {
    const espalier_forest *forest;
    espalier_set_list *list;
    const uint32_t *own; /* [own_count] distinct sets, by bit */
    uint32_t own_count;
    uint32_t *categories; /* [category_count] ascending */
    uint32_t category_count;
    uint32_t *index_of; /* by category, where they are not far apart; or NULL */
    uint32_t
        *bits; /* [category_count + 1][word_count] the last row: of no category that is named */
} set_work;

static int compare_categories(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Every member's index, by marks: where no category is larger than there are members, `end`. */
static espalier_status mark_categories(set_work *work, uint64_t end)
{
    const espalier_forest *const forest = work->forest;
    work->index_of = calloc((size_t)end, sizeof *work->index_of);
    if (work->index_of == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < work->own_count; i++) {
        const espalier_forest_set *const set = &forest->sets[work->own[i]];
        const uint32_t *const members = forest->members + set->first_member;
        for (uint32_t k = 0; k < set->member_count; k++) {
            assert(members[k] < end && (k == 0 || members[k] > members[k - 1]));
            work->index_of[members[k]] = 1;
        }
    }
    for (uint64_t category = 0; category < end; category++) {
        work->category_count += work->index_of[category];
    }
    work->categories = malloc(((size_t)work->category_count + 1) * sizeof *work->categories);
    if (work->categories == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    uint32_t index = 0;
    for (uint64_t category = 0; category < end; category++) {
        if (work->index_of[category] != 0) {
            work->categories[index] = (uint32_t)category;
            work->index_of[category] = index++;
        }
    }
    return ESPALIER_OK;
}

/* How many members all sets have, and the first number above them. */
static uint64_t count_members(const set_work *work, uint64_t *end_out)
{
    const espalier_forest *const forest = work->forest;
    uint64_t count = 0;
    *end_out = 0;
    for (uint32_t i = 0; i < work->own_count; i++) {
        const espalier_forest_set *const set = &forest->sets[work->own[i]];
        const uint64_t end =
            set->member_count > 0
                ? (uint64_t)forest->members[set->first_member + set->member_count - 1] + 1
                : 0;
        *end_out = end > *end_out ? end : *end_out;
        count += set->member_count;
    }
    return count;
}

static espalier_status find_categories(set_work *work)
{
    const espalier_forest *const forest = work->forest;
    uint64_t end = 0;
    uint64_t count = count_members(work, &end);
    if (end > 0 && end <= count) {
        return mark_categories(work, end);
    }
    work->categories = malloc((size_t)(count + 1) * sizeof *work->categories);
    if (work->categories == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    count = 0;
    for (uint32_t i = 0; i < work->own_count; i++) {
        const espalier_forest_set *const set = &forest->sets[work->own[i]];
        if (set->member_count > 0) {
            memcpy(work->categories + count, forest->members + set->first_member,
                   set->member_count * sizeof *work->categories);
        }
        count += set->member_count;
    }
    qsort(work->categories, (size_t)count, sizeof *work->categories, compare_categories);
    for (uint64_t i = 0; i < count; i++) {
        if (work->category_count == 0 ||
            work->categories[i] > work->categories[work->category_count - 1]) {
            work->categories[work->category_count++] = work->categories[i];
        }
    }
    return ESPALIER_OK;
}

static uint32_t *row_of(const set_work *work, uint32_t category_index)
{
    return work->bits + (size_t)category_index * work->list->word_count;
}

static uint32_t find_index(const set_work *work, uint32_t category)
{
    if (work->index_of != NULL) {
        return work->index_of[category];
    }
    uint32_t low = 0;
    uint32_t high = work->category_count; /* the index is in [low, high) */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (work->categories[middle] <= category) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Bit `bit` of a row: where it is set, the row goes right. */
static void flip_bit(uint32_t *row, uint32_t bit)
{
    row[bit / ESPALIER_SET_BITS] ^= ESPALIER_SET_TEST >> bit % ESPALIER_SET_BITS;
}

/* Every row is that of no category at first; then each set's members go to the other side. */
static void fill_bits(const set_work *work)
{
    const espalier_forest *const forest = work->forest;
    const size_t row_bytes = work->list->word_count * sizeof *work->bits;
    uint32_t *const others = row_of(work, work->category_count);
    for (uint32_t i = 0; i < work->own_count; i++) {
        if (forest->sets[work->own[i]].members_left) {
            flip_bit(others, i);
        }
    }
    for (uint32_t k = 0; k < work->category_count; k++) {
        memcpy(row_of(work, k), others, row_bytes);
    }
    for (uint32_t i = 0; i < work->own_count; i++) {
        const espalier_forest_set *const set = &forest->sets[work->own[i]];
        for (uint32_t k = 0; k < set->member_count; k++) {
            const uint32_t index = find_index(work, forest->members[set->first_member + k]);
            flip_bit(row_of(work, index), i);
        }
    }
}

/* The last number below x that the forest can compare. */
static double step_below(const espalier_forest *forest, double x)
{
    return forest->input == ESPALIER_FOREST_INPUT_FLOAT32 ? (double)nextafterf((float)x, -INFINITY)
                                                          : nextafter(x, -INFINITY);
}

/* A category is the numbers above *low_out and up to *high_out. */
static void find_interval(const espalier_forest *forest, uint32_t feature, uint32_t category,
                          double *low_out, double *high_out)
{
    const double value = espalier_forest_value_of(forest, feature, category);
    if (espalier_forest_has_codes(forest, feature)) {
        *low_out = step_below(forest, value);
        *high_out = value;
        return;
    }
    *low_out =
        category == 0 && espalier_forest_truncates(forest) ? -1.0 : step_below(forest, value);
    *high_out = step_below(forest, value + 1.0);
}

/* Ends the interval in front at `cut`, and begins one with these bits, unless they are the same. */
static void begin_interval(espalier_set_list *list, double cut, const uint32_t *row)
{
    const size_t row_bytes = list->word_count * sizeof *row;
    uint32_t *const last = list->matrix + (size_t)list->cut_count * list->word_count;
    if (memcmp(last, row, row_bytes) == 0) {
        return;
    }
    list->cuts[list->cut_count++] = cut;
    memcpy(last + list->word_count, row, row_bytes);
}

static void fill_matrix(const set_work *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_set_list *const list = work->list;
    const uint32_t *const others = row_of(work, work->category_count);
    double end = -INFINITY; /* of the category before */
    memcpy(list->matrix, others, list->word_count * sizeof *others);
    for (uint32_t k = 0; k < work->category_count; k++) {
        double low = 0.0;
        double high = 0.0;
        find_interval(forest, list->feature, work->categories[k], &low, &high);
        if (k > 0 && low > end) {
            begin_interval(list, end, others);
        }
        begin_interval(list, low, row_of(work, k));
        end = high;
    }
    if (work->category_count > 0) {
        begin_interval(list, end, others);
    }
    if (list->cut_count == 0) {
        /* Nothing depends on the category; a list has a cut at least. */
        list->cuts[list->cut_count++] = 0.0;
        memcpy(list->matrix + list->word_count, others, list->word_count * sizeof *others);
    }
    uint32_t *const missing = list->matrix + (size_t)(list->cut_count + 1) * list->word_count;
    for (uint32_t i = 0; i < work->own_count; i++) {
        if (!forest->sets[work->own[i]].missing_left) {
            flip_bit(missing, i);
        }
    }
}

/* The list of a feature whose distinct sets are own[set_count]; adds to *bytes. */
static espalier_status make_list(const espalier_forest *forest, espalier_set_list *list,
                                 const uint32_t *own, uint64_t *bytes)
{
    set_work work = {forest, list, own, list->set_count, NULL, 0, NULL, NULL};
    espalier_status status = find_categories(&work);
    if (status != ESPALIER_OK) {
        goto out;
    }
    /* Each category begins an interval and may be followed by one of no category. */
    const uint64_t cuts_max = (uint64_t)work.category_count * 2 + 1;
    const uint64_t rows_max = cuts_max + 2;
    const uint64_t row_bytes = (uint64_t)list->word_count * sizeof *list->matrix;
    *bytes += cuts_max > ESPALIER_LIMIT_CUTS ? ESPALIER_SET_BYTES_MAX : 0; /* too many ranks */
    *bytes += rows_max * row_bytes;
    if (*bytes > ESPALIER_SET_BYTES_MAX) {
        status = ESPALIER_ERROR_LIMIT;
        goto out;
    }
    list->cuts = malloc((size_t)cuts_max * sizeof *list->cuts);
    list->matrix = calloc((size_t)rows_max, (size_t)row_bytes);
    work.bits = calloc((size_t)work.category_count + 1, (size_t)row_bytes);
    if (list->cuts == NULL || list->matrix == NULL || work.bits == NULL) {
        status = ESPALIER_ERROR_MEMORY;
        goto out;
    }
    fill_bits(&work);
    fill_matrix(&work);

out:
    free(work.categories);
    free(work.index_of);
    free(work.bits);
    return status;
}

/* ---- all features ---- */

static espalier_status make_lists(espalier_set_columns *columns, const uint32_t *counts,
                                  const uint32_t *firsts, uint64_t *bytes)
{
    const espalier_forest *const forest = columns->forest;
    const uint32_t tested = espalier_forest_tested_count(forest);
    uint32_t *const own = calloc(forest->set_count, sizeof *own);
    uint32_t *const starts = calloc((size_t)tested + 1, sizeof *starts);
    espalier_status status = own != NULL && starts != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
    for (uint32_t f = 0; status == ESPALIER_OK && f < tested; f++) {
        starts[f + 1] = starts[f] + counts[f];
    }
    for (uint32_t i = 0; status == ESPALIER_OK && i < forest->set_count; i++) {
        if (firsts[i] == i) {
            own[starts[forest->sets[i].feature] + columns->bit_of[i]] = i;
        }
    }
    for (uint32_t f = 0; status == ESPALIER_OK && f < tested; f++) {
        if (counts[f] > 0) {
            espalier_set_list *const list = &columns->lists[columns->list_count++];
            columns->list_of[f] = columns->list_count;
            list->feature = f;
            list->set_count = counts[f];
            list->word_count = (counts[f] + ESPALIER_SET_BITS - 1) / ESPALIER_SET_BITS;
            columns->column_count += list->word_count;
            status = make_list(forest, list, own + starts[f], bytes);
        }
    }
    free(own);
    free(starts);
    return status;
}

espalier_status espalier_set_columns_init(espalier_set_columns *columns,
                                          const espalier_forest *forest, uint64_t *bytes_out)
{
    memset(columns, 0, sizeof *columns);
    columns->forest = forest;
    *bytes_out = 0;
    if (forest->set == NULL || forest->set_count == 0) {
        return ESPALIER_OK;
    }
    const uint32_t tested = espalier_forest_tested_count(forest);
    uint32_t *const counts = calloc(tested, sizeof *counts);
    uint32_t *const firsts = calloc(forest->set_count, sizeof *firsts);
    columns->list_of = calloc(tested, sizeof *columns->list_of);
    columns->bit_of = calloc(forest->set_count, sizeof *columns->bit_of);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (counts != NULL && firsts != NULL && columns->list_of != NULL && columns->bit_of != NULL) {
        status = find_distinct(columns, counts, firsts);
    }
    uint32_t used = 0;
    for (uint32_t f = 0; status == ESPALIER_OK && f < tested; f++) {
        used += counts[f] > 0;
    }
    if (status == ESPALIER_OK) {
        columns->lists = calloc(used, sizeof *columns->lists);
        status = columns->lists != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
    }
    if (status == ESPALIER_OK) {
        status = make_lists(columns, counts, firsts, bytes_out);
    }
    free(counts);
    free(firsts);
    return status;
}

void espalier_set_columns_free(espalier_set_columns *columns)
{
    for (uint32_t i = 0; i < columns->list_count; i++) {
        free(columns->lists[i].cuts);
        free(columns->lists[i].matrix);
    }
    free(columns->lists);
    free(columns->list_of);
    free(columns->bit_of);
    memset(columns, 0, sizeof *columns);
}
