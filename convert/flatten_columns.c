// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten_columns.h. Cuts are collected by counting: the tests of each key, then their
 * thresholds side by side, sorted, equal ones once. Eight bytes for each decision, no more.
 */
#include "convert/flatten_columns.h"

#include "convert/sets.h"
#include "format/word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cuts between two tops: eight lines of a cache, after a search among tops that stay in it. */
#define TOP_SPAN 64u

#define MISSING_RULES ((uint64_t)ESPALIER_MISSING_ZERO_LEFT + 1)

static uint32_t find_missing(const espalier_forest *forest, uint64_t node)
{
    const uint8_t rule = forest->missing_rule != NULL ? forest->missing_rule[node]
                                                      : (uint8_t)ESPALIER_FOREST_MISSING_NAN;
    const bool left = forest->missing_allowed && forest->missing_left[node] != 0;
    switch (rule) {
    case ESPALIER_FOREST_MISSING_NEVER:
        return ESPALIER_MISSING_AS_ZERO;
    case ESPALIER_FOREST_MISSING_ZERO:
        return left ? ESPALIER_MISSING_ZERO_LEFT : ESPALIER_MISSING_ZERO_RIGHT;
    default:
        return left ? ESPALIER_MISSING_LEFT : ESPALIER_MISSING_RIGHT;
    }
}

/* Whether a node compares its feature with a threshold. */
static bool has_threshold(const espalier_forest *forest, uint64_t node)
{
    return forest->left[node] != ESPALIER_FOREST_LEAF && !espalier_forest_has_set(forest, node);
}

static uint64_t find_place(const espalier_forest *forest, uint64_t node)
{
    return forest->feature[node] * MISSING_RULES + find_missing(forest, node);
}

static espalier_column_key *find_key(const espalier_columns *columns, uint64_t node)
{
    return &columns->keys[columns->key_of[find_place(columns->forest, node)] - 1];
}

/* Places of tests: what is claimed and never tested needs none. */
static uint64_t count_places(const espalier_forest *forest)
{
    uint32_t last = 0;
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (has_threshold(forest, i) && forest->feature[i] > last) {
            last = forest->feature[i];
        }
    }
    return ((uint64_t)last + 1) * MISSING_RULES;
}

espalier_status espalier_columns_init(espalier_columns *columns, const espalier_forest *forest,
                                      uint64_t *count_out)
{
    const uint64_t place_count = count_places(forest);
    memset(columns, 0, sizeof *columns);
    columns->forest = forest;
    columns->key_of = calloc((size_t)place_count, sizeof *columns->key_of);
    if (columns->key_of == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (has_threshold(forest, i)) {
            columns->key_of[find_place(forest, i)] = 1;
        }
    }
    uint64_t count = 0;
    for (uint64_t place = 0; place < place_count; place++) {
        count += columns->key_of[place];
    }
    *count_out = count + 1;
    if (count + 1 > ESPALIER_LIMIT_COLUMNS) {
        return ESPALIER_ERROR_LIMIT;
    }
    columns->keys = calloc((size_t)count + 1, sizeof *columns->keys);
    if (columns->keys == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint64_t place = 0; place < place_count; place++) {
        if (columns->key_of[place] != 0) {
            columns->keys[columns->key_count].feature = (uint32_t)(place / MISSING_RULES);
            columns->keys[columns->key_count].missing = (uint32_t)(place % MISSING_RULES);
            columns->key_of[place] = ++columns->key_count;
        }
    }
    return ESPALIER_OK;
}

void espalier_columns_free(espalier_columns *columns)
{
    free(columns->key_of);
    free(columns->keys);
    free(columns->cuts);
    free(columns->tops);
    espalier_set_columns_free(&columns->sets);
    memset(columns, 0, sizeof *columns);
}

/* ---- cuts ---- */

/* The threshold that values are ranked by; zeroes of both signs are one. */
static double find_cut(const espalier_forest *forest, uint64_t node)
{
    const double threshold = forest->threshold[node];
    return (forest->input == ESPALIER_FOREST_INPUT_FLOAT32
                ? (double)espalier_round_threshold(threshold)
                : threshold) +
           0.0;
}

static int compare_cuts(const void *left, const void *right)
{
    double a = 0.0;
    double b = 0.0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return (a > b) - (a < b);
}

/* Sorts a key's thresholds, and keeps each once. */
static uint32_t sort_cuts(double *cuts, uint64_t count)
{
    qsort(cuts, (size_t)count, sizeof *cuts, compare_cuts);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (kept == 0 || cuts[i] > cuts[kept - 1]) {
            cuts[kept++] = cuts[i];
        }
    }
    return kept < UINT32_MAX ? (uint32_t)kept : UINT32_MAX;
}

espalier_status espalier_columns_collect(espalier_columns *columns)
{
    const espalier_forest *const forest = columns->forest;
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (has_threshold(forest, i)) {
            find_key(columns, i)->test_count++;
        }
    }
    uint64_t total = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        const uint64_t count = columns->keys[i].test_count;
        columns->keys[i].test_count = total;
        total += count;
    }
    columns->cuts = malloc((total > 0 ? (size_t)total : 1) * sizeof *columns->cuts);
    if (columns->cuts == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (has_threshold(forest, i)) {
            columns->cuts[find_key(columns, i)->test_count++] = find_cut(forest, i);
        }
    }
    /* Every key's count has moved on to where the next key begins. */
    uint64_t first = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        espalier_column_key *const key = &columns->keys[i];
        const uint64_t end = key->test_count;
        key->cut_count = sort_cuts(columns->cuts + first, end - first);
        key->test_count = first;
        first = end;
    }
    return ESPALIER_OK;
}

static uint32_t count_segments(uint32_t cut_count, uint32_t code_max)
{
    return cut_count / code_max + (cut_count % code_max != 0);
}

uint64_t espalier_columns_count(const espalier_columns *columns, uint32_t code_max)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        count += count_segments(columns->keys[i].cut_count, code_max);
    }
    return count;
}

uint32_t espalier_columns_features(const espalier_columns *columns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        count += i == 0 || columns->keys[i].feature != columns->keys[i - 1].feature;
    }
    return count;
}

uint32_t espalier_columns_cuts_max(const espalier_columns *columns)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        most = columns->keys[i].cut_count > most ? columns->keys[i].cut_count : most;
    }
    return most;
}

/* ---- columns ---- */

/* How many cuts two lists have together, equal ones once. */
static uint32_t count_together(const double *a, uint32_t a_count, const double *b, uint32_t b_count)
{
    uint32_t i = 0;
    uint32_t j = 0;
    uint32_t together = 0;
    for (; i < a_count && j < b_count; together++) {
        const double cut = a[i] < b[j] ? a[i] : b[j];
        i += a[i] <= cut;
        j += b[j] <= cut;
    }
    return together + (a_count - i) + (b_count - j);
}

/*
 * Where a feature is tested with NaN right and with NaN left, one list serves both, so that rows
 * are ranked once: unless it would take more columns than the two have.
 */
static void share_lists(espalier_columns *columns)
{
    for (uint32_t i = 1; i < columns->key_count; i++) {
        espalier_column_key *const right = &columns->keys[i - 1];
        espalier_column_key *const left = &columns->keys[i];
        if (right->feature != left->feature || right->missing != ESPALIER_MISSING_RIGHT ||
            left->missing != ESPALIER_MISSING_LEFT) {
            continue;
        }
        double *const cuts = columns->cuts + right->test_count;
        const double *const others = columns->cuts + left->test_count;
        const uint32_t segments =
            count_segments(count_together(cuts, right->cut_count, others, left->cut_count),
                           columns->code_max);
        if (segments != count_segments(right->cut_count, columns->code_max) ||
            segments != count_segments(left->cut_count, columns->code_max)) {
            continue;
        }
        memmove(cuts + right->cut_count, others, left->cut_count * sizeof *cuts);
        right->cut_count = sort_cuts(cuts, (uint64_t)right->cut_count + left->cut_count);
        left->cut_count = right->cut_count;
        left->test_count = right->test_count;
        left->shares = true;
    }
}

/*
 * Whether every feature gets both columns: rows without NaN, which is most of them, then share one
 * cell for the two, at the price of columns that no node tests. A quarter more is worth it. Sets
 * have no pairs.
 */
static bool pairs_pay(const espalier_columns *columns)
{
    uint32_t features = 0;
    if (columns->sets.list_count > 0) {
        return false;
    }
    for (uint32_t i = 0; i < columns->key_count; i++) {
        const espalier_column_key *const key = &columns->keys[i];
        if (key->missing > ESPALIER_MISSING_LEFT) {
            return false;
        }
        features += i == 0 || key->feature != columns->keys[i - 1].feature;
    }
    return features < columns->key_count &&
           (uint64_t)features * 8 <= (uint64_t)columns->key_count * 5;
}

static void place_pairs(espalier_columns *columns)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        espalier_column_key *const key = &columns->keys[i];
        next += i == 0 || key->feature != columns->keys[i - 1].feature ? 2 : 0;
        key->first_column = next + (key->missing == ESPALIER_MISSING_LEFT);
    }
    columns->column_count = next + 2;
}

static uint32_t count_tops(const espalier_column_key *key)
{
    return key->cut_count / TOP_SPAN + (key->cut_count % TOP_SPAN != 0);
}

/* A search goes without tops where there is no memory for them. */
static void make_tops(espalier_columns *columns)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        columns->keys[i].first_top = total;
        total += count_tops(&columns->keys[i]);
    }
    columns->tops = malloc((total > 0 ? (size_t)total : 1) * sizeof *columns->tops);
    for (uint32_t i = 0; columns->tops != NULL && i < columns->key_count; i++) {
        const espalier_column_key *const key = &columns->keys[i];
        for (uint32_t k = 0; k < count_tops(key); k++) {
            columns->tops[key->first_top + k] =
                columns->cuts[key->test_count + (uint64_t)k * TOP_SPAN];
        }
    }
}

void espalier_columns_place(espalier_columns *columns, uint32_t bank, uint32_t code_max)
{
    uint32_t next = bank == ESPALIER_BANK_WORD ? 1 : 0; /* behind the leaf column */
    columns->bank = bank;
    columns->code_max = code_max;
    columns->paired = bank == ESPALIER_BANK_WORD && code_max == 0 && pairs_pay(columns);
    if (columns->paired) {
        place_pairs(columns);
        return;
    }
    if (code_max != 0) {
        share_lists(columns);
        make_tops(columns);
    }
    for (uint32_t i = 0; i < columns->key_count; i++) {
        espalier_column_key *const key = &columns->keys[i];
        key->first_column = next;
        next += code_max != 0 ? count_segments(key->cut_count, code_max) : 1;
    }
    for (uint32_t i = 0; i < columns->sets.list_count; i++) {
        columns->sets.lists[i].first_column = next;
        next += columns->sets.lists[i].word_count;
    }
    columns->column_count = next;
}

/* The last of sorted numbers that is at most `cut`, which is not below the first. Halving without a
 * branch: half of them would be guessed wrong. */
static uint32_t find_last(const double *sorted, uint32_t count, double cut)
{
    uint32_t low = 0;
    uint32_t span = count; /* it is in [low, low + span) */
    while (span > 1) {
        const uint32_t half = span / 2;
        low += sorted[low + half] <= cut ? half : 0;
        span -= half;
    }
    return low;
}

/* The rank of a cut that is in the list. */
static uint32_t find_rank(const espalier_columns *columns, const espalier_column_key *key,
                          double cut)
{
    const double *const cuts = columns->cuts + key->test_count;
    if (columns->tops == NULL) {
        return find_last(cuts, key->cut_count, cut);
    }
    const uint32_t top_count = count_tops(key);
    const uint32_t first = TOP_SPAN * find_last(columns->tops + key->first_top, top_count, cut);
    const uint32_t left = key->cut_count - first;
    return first + find_last(cuts + first, left < TOP_SPAN ? left : TOP_SPAN, cut);
}

/* The word of a set's feature, and the bit in it. */
static espalier_column_test find_set_test(const espalier_set_columns *sets, uint64_t node)
{
    const uint32_t set = sets->forest->set[node];
    const uint32_t bit = sets->bit_of[set];
    const espalier_set_list *const list =
        &sets->lists[sets->list_of[sets->forest->sets[set].feature] - 1];
    return (espalier_column_test){list->first_column + bit / ESPALIER_SET_BITS,
                                  ESPALIER_SET_TEST + bit % ESPALIER_SET_BITS};
}

espalier_column_test espalier_columns_test(const espalier_columns *columns, uint64_t node)
{
    if (espalier_forest_has_set(columns->forest, node)) {
        return find_set_test(&columns->sets, node);
    }
    const espalier_column_key *const key = find_key(columns, node);
    espalier_column_test test = {key->first_column, 0};
    if (columns->code_max == 0) {
        const float rounded = espalier_round_threshold(columns->forest->threshold[node]);
        test.threshold = espalier_word_of(rounded);
    } else {
        const uint32_t rank = find_rank(columns, key, find_cut(columns->forest, node));
        test.column += rank / columns->code_max;
        test.threshold = rank % columns->code_max;
    }
    if (columns->bank == ESPALIER_BANK_WORD) {
        test.threshold = UINT32_MAX - test.threshold;
    }
    return test;
}

/* ---- sections ---- */

/* Items of a level, full blocks, that lies above `count` of them; the lowest: above the cuts. */
static uint64_t pad_to_block(uint64_t count)
{
    return (count + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK * ESPALIER_CUT_BLOCK;
}

/* Items of all levels of a list. */
static uint64_t count_items(uint32_t cut_count)
{
    uint64_t level = pad_to_block(cut_count);
    uint64_t total = level;
    while (level > ESPALIER_CUT_BLOCK) {
        level = pad_to_block(level / ESPALIER_CUT_BLOCK);
        total += level;
    }
    return total;
}

static void store_cut(uint8_t *list, uint64_t item, double cut, bool narrow)
{
    const float rounded = (float)cut; /* it is one already */
    if (narrow) {
        memcpy(list + item * sizeof rounded, &rounded, sizeof rounded);
    } else {
        memcpy(list + item * sizeof cut, &cut, sizeof cut);
    }
}

/*
 * Writes a list from its last level up, each level in front of the one below it. Item i of a level
 * whose items are each the last of `span` cuts is cut (i + 1) span - 1, or infinity behind the end.
 */
static void store_list(uint8_t *list, const double *cuts, uint32_t cut_count, bool narrow)
{
    uint64_t end = count_items(cut_count);
    uint64_t level = pad_to_block(cut_count);
    uint64_t span = 1;
    for (;;) {
        for (uint64_t i = 0; i < level; i++) {
            const uint64_t index = (i + 1) * span - 1;
            store_cut(list, end - level + i, index < cut_count ? cuts[index] : (double)INFINITY,
                      narrow);
        }
        end -= level;
        if (level <= ESPALIER_CUT_BLOCK) {
            return;
        }
        level = pad_to_block(level / ESPALIER_CUT_BLOCK);
        span *= ESPALIER_CUT_BLOCK;
    }
}

static espalier_status make_cuts(const espalier_columns *columns, espalier_flat *flat)
{
    const bool narrow = columns->forest->input == ESPALIER_FOREST_INPUT_FLOAT32;
    const uint64_t item_bytes = narrow ? sizeof(float) : sizeof(double);
    uint64_t items = 0;
    for (uint32_t i = 0; columns->code_max != 0 && i < columns->key_count; i++) {
        items += columns->keys[i].shares ? 0 : count_items(columns->keys[i].cut_count);
    }
    for (uint32_t i = 0; i < columns->sets.list_count; i++) {
        items += count_items(columns->sets.lists[i].cut_count);
    }
    if (items == 0) {
        return ESPALIER_OK;
    }
    uint8_t *const data = malloc((size_t)(items * item_bytes));
    if (data == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    flat->cuts = (espalier_flat_bytes){data, items * item_bytes};
    uint64_t first = 0;
    for (uint32_t i = 0; columns->code_max != 0 && i < columns->key_count; i++) {
        const espalier_column_key *const key = &columns->keys[i];
        if (key->shares) {
            continue;
        }
        store_list(data + first * item_bytes, columns->cuts + key->test_count, key->cut_count,
                   narrow);
        first += count_items(key->cut_count);
    }
    for (uint32_t i = 0; i < columns->sets.list_count; i++) {
        const espalier_set_list *const list = &columns->sets.lists[i];
        store_list(data + first * item_bytes, list->cuts, list->cut_count, narrow);
        first += count_items(list->cut_count);
    }
    return ESPALIER_OK;
}

/* The matrices of all features, one behind the other. */
static espalier_status make_sets(const espalier_set_columns *sets, espalier_flat *flat)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < sets->list_count; i++) {
        const espalier_set_list *const list = &sets->lists[i];
        bytes += espalier_set_bytes(list->cut_count, list->word_count);
    }
    if (bytes == 0) {
        return ESPALIER_OK;
    }
    uint8_t *const data = malloc((size_t)bytes);
    if (data == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    flat->sets = (espalier_flat_bytes){data, bytes};
    uint64_t first = 0;
    for (uint32_t i = 0; i < sets->list_count; i++) {
        const espalier_set_list *const list = &sets->lists[i];
        const uint64_t own = espalier_set_bytes(list->cut_count, list->word_count);
        memcpy(data + first, list->matrix, (size_t)own);
        first += own;
    }
    return ESPALIER_OK;
}

/* The records of the columns of sets, whose cuts begin at first_cut. */
static void store_set_records(const espalier_set_columns *sets, uint64_t first_cut, bool narrow,
                              espalier_file_column *records)
{
    for (uint32_t i = 0; i < sets->list_count; i++) {
        const espalier_set_list *const list = &sets->lists[i];
        for (uint32_t word = 0; word < list->word_count; word++) {
            records[list->first_column + word] = (espalier_file_column){
                .kind = ESPALIER_COLUMN_SET,
                .feature = list->feature,
                .bank = ESPALIER_BANK_WORD,
                .first_cut = first_cut,
                .cut_count = list->cut_count,
                .segment = word,
            };
        }
        first_cut += count_items(list->cut_count) * (narrow ? 4 : 8);
    }
}

espalier_status espalier_columns_sections(const espalier_columns *columns, espalier_flat *flat)
{
    const bool codes = columns->code_max != 0;
    const bool narrow = columns->forest->input == ESPALIER_FOREST_INPUT_FLOAT32;
    espalier_file_column *const records = calloc((size_t)columns->column_count, sizeof *records);
    if (records == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    flat->columns =
        (espalier_flat_bytes){records, (uint64_t)columns->column_count * sizeof *records};
    for (uint32_t i = 0; columns->bank == ESPALIER_BANK_WORD && i < 1u + columns->paired; i++) {
        records[i].kind = ESPALIER_COLUMN_LEAF;
        records[i].bank = ESPALIER_BANK_WORD;
    }
    uint64_t first_cut = 0;
    for (uint32_t i = 0; i < columns->key_count; i++) {
        const espalier_column_key *const key = &columns->keys[i];
        const uint32_t count = codes ? count_segments(key->cut_count, columns->code_max) : 1;
        const uint64_t list_bytes = codes ? count_items(key->cut_count) * (narrow ? 4 : 8) : 0;
        for (uint32_t segment = 0; segment < count; segment++) {
            records[key->first_column + segment] = (espalier_file_column){
                .kind = codes ? ESPALIER_COLUMN_CODE : ESPALIER_COLUMN_FEATURE,
                .feature = key->feature,
                .missing = key->missing,
                .bank = columns->bank,
                .first_cut = key->shares ? first_cut - list_bytes : first_cut,
                .cut_count = codes ? key->cut_count : 0,
                .segment = segment,
            };
        }
        first_cut += key->shares ? 0 : list_bytes;
        if (columns->paired) {
            espalier_file_column *const other = &records[key->first_column ^ 1u];
            *other = records[key->first_column];
            other->missing = ESPALIER_MISSING_RIGHT + (key->first_column % 2 == 0);
        }
    }
    store_set_records(&columns->sets, first_cut, narrow, records);
    const espalier_status status = make_cuts(columns, flat);
    return status == ESPALIER_OK ? make_sets(&columns->sets, flat) : status;
}
