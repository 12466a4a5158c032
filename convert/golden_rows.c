// SPDX-License-Identifier: Apache-2.0
/*
 * Drawing golden rows; see golden.h. A row starts with random values in the range of each feature's
 * thresholds. Then it is walked down some trees, and features met on the way are set on or beside
 * the threshold they meet: so the odd values sit where they are decided on, not somewhere aside.
 */
#include "convert/golden.h"

#include "convert/preparation.h"
#include "convert/sets.h"
#include "format/error.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(0x657370616C696572) /* "espalier" */
/* Trees a row is walked down; later ones find most of their features set. */
#define WALKS_MAX       24u
#define STORED_ROWS_MAX 64u
/* Two of each theme are always stored; more only up to a quarter of the bytes the nodes take. */
#define STORED_ROWS_FEW  16u
#define STORED_BYTES_MAX ((uint64_t)256 << 10)
/* Wide models store a few rows though they take more. */
#define STORED_ROWS_WIDE      4u
#define STORED_BYTES_WIDE_MAX ((uint64_t)1 << 20)
#define COMPARED_ROWS_MAX     4096u
#define COMPARED_VISITS_MAX   (UINT64_C(1) << 23)
#define COMPARED_VALUES_MAX   (UINT64_C(1) << 24) /* features and sums of all rows */
/* Each tree also costs its turn, seven times over: 100 ns, of which 256 trees take 0.1 s in 4,096
 * rows; a source of 20,000 stumps, 6 MB, has 0.18 s for all. Every theme stays. */
#define COMPARED_TREES_MAX (UINT64_C(1) << 20)
#define COMPARED_ROWS_WIDE 64u
/* A line's record and its terms come from memory, and a product follows the other: measured. */
#define LINE_VISITS 32u

/* What a row is about. Rows take turns, so that a few hold the most telling ones. */
typedef enum row_theme {
    THEME_MIXED = 0,
    THEME_MISSING,
    THEME_EXACT,   /* the trainer's threshold, a float64 */
    THEME_STEP64,  /* one float64 beside it */
    THEME_STEP32,  /* one float32 beside it */
    THEME_SPECIAL, /* infinities, zeroes, denormals, the ends of float32 */
    THEME_NEAREST, /* the float32 nearest to it */
    THEME_RANDOM,
    THEME_COUNT
} row_theme;

/* Counter-based: the n-th number of a row is a hash of seed, row and n. */
typedef struct row_random {
    uint64_t key;
    uint64_t counter;
} row_random;

static uint64_t mix_bits(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t draw_bits(row_random *random)
{
    random->counter++;
    return mix_bits(random->key + random->counter * UINT64_C(0x9E3779B97F4A7C15));
}

static uint32_t draw_index(row_random *random, uint32_t count)
{
    return (uint32_t)((draw_bits(random) >> 32) * count >> 32);
}

/* In [0, 1). */
static double draw_fraction(row_random *random)
{
    return (double)(draw_bits(random) >> 11) * 0x1p-53;
}

/* The caller's feature that a node tests, and what it is where the node's number is `target`. */
static uint32_t find_root(const espalier_forest *forest, uint32_t tested)
{
    return forest->preparation != NULL ? espalier_preparation_root(forest->preparation, tested)
                                       : tested;
}

static double find_before(const espalier_forest *forest, uint32_t tested, double target,
                          uint32_t pick)
{
    return forest->preparation != NULL
               ? espalier_preparation_invert(forest->preparation, tested, target, pick)
               : target;
}

/* The range of a feature with categories goes from one below the least that is named to one above
 * the largest. */
static void widen_to_set(espalier_golden *golden, const espalier_forest_set *set)
{
    const espalier_forest *const forest = golden->forest;
    const uint32_t feature = find_root(forest, set->feature);
    for (uint64_t i = 0;
         i<set->member_count; i += set->member_count> 1 ? set->member_count - 1 : 1) {
        const double category =
            espalier_forest_value_of(forest, set->feature, forest->members[set->first_member + i]);
        const double value = find_before(forest, set->feature, category, 5);
        if (isfinite(value)) {
            golden->low[feature] = fmin(golden->low[feature], value - 1.0);
            golden->high[feature] = fmax(golden->high[feature], value + 1.0);
        }
    }
}

espalier_status espalier_golden_init(espalier_golden *golden, const espalier_forest *forest,
                                     espalier_error *error_out)
{
    const size_t count = forest->feature_count;
    golden->forest = forest;
    golden->low = malloc(count * sizeof *golden->low);
    golden->high = malloc(count * sizeof *golden->high);
    golden->pinned = calloc(count, sizeof *golden->pinned);
    if (golden->low == NULL || golden->high == NULL || golden->pinned == NULL) {
        espalier_golden_free(golden);
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "no memory for golden rows of %zu features", count);
    }
    for (size_t i = 0; i < count; i++) {
        golden->low[i] = DBL_MAX;
        golden->high[i] = -DBL_MAX;
    }
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] == ESPALIER_FOREST_LEAF) {
            continue;
        }
        const double threshold = find_before(forest, forest->feature[i], forest->threshold[i], 5);
        if (espalier_forest_has_set(forest, i)) {
            widen_to_set(golden, &forest->sets[forest->set[i]]);
        } else if (isfinite(threshold)) {
            const uint32_t feature = find_root(forest, forest->feature[i]);
            golden->low[feature] = fmin(golden->low[feature], threshold);
            golden->high[feature] = fmax(golden->high[feature], threshold);
        }
    }
    return ESPALIER_OK;
}

void espalier_golden_free(espalier_golden *golden)
{
    free(golden->low);
    free(golden->high);
    free(golden->pinned);
    memset(golden, 0, sizeof *golden);
}

/* A little beyond the thresholds on both sides; the form cannot overflow between them. */
static double draw_in_range(const espalier_golden *golden, uint32_t feature, row_random *random)
{
    const double place = draw_fraction(random) * 1.25 - 0.125;
    if (golden->low[feature] > golden->high[feature]) {
        return place;
    }
    const double low = golden->low[feature];
    const double high = golden->high[feature];
    return low == high ? low + place - 0.5 : low * (1.0 - place) + high * place;
}

/* Whether anything in the forest asks for magnitudes up to 1e-35f. */
static bool minds_tiny(const espalier_forest *forest)
{
    return forest->flush_tiny || forest->missing_rule != NULL;
}

static double draw_special(const espalier_forest *forest, row_random *random)
{
    static const double specials[] = {
        INFINITY, -INFINITY, 0.0,       -0.0,       FLT_MAX,  -FLT_MAX, 0x1p-149, -0x1p-149,
        0x1p-130, -0x1p-130, 0x1p-1074, -0x1p-1074, 0x1p-150, 1e300,    -1e300,   0x1.ffffffp127,
    };
    const double edge = (double)1e-35F;
    if (minds_tiny(forest) && draw_index(random, 2) != 0) {
        const double beside[] = {edge, nextafter(edge, 1.0), (double)nextafterf(1e-35F, 1.0F), 0.0};
        const double value = beside[draw_index(random, 4)];
        return draw_index(random, 2) != 0 ? -value : value;
    }
    return specials[draw_index(random, (uint32_t)(sizeof specials / sizeof specials[0]))];
}

/* A value on or beside a threshold. */
static double draw_beside(double threshold, row_theme theme, row_random *random)
{
    const bool up = draw_index(random, 2) != 0;
    switch (theme) {
    case THEME_STEP64:
        return nextafter(threshold, up ? INFINITY : -INFINITY);
    case THEME_STEP32:
        return (double)nextafterf(espalier_round_threshold(threshold), up ? INFINITY : -INFINITY);
    case THEME_NEAREST:
        return (double)(float)threshold;
    default:
        return threshold;
    }
}

/* What a feature that meets a threshold is set to in a row of this theme. */
static double draw_pinned(const espalier_forest *forest, double threshold, row_theme theme,
                          row_random *random)
{
    static const row_theme mixture[] = {THEME_EXACT, THEME_STEP64, THEME_STEP32, THEME_NEAREST};
    const uint32_t odd = draw_index(random, 16);
    if (theme == THEME_SPECIAL && odd < 4) {
        return draw_special(forest, random);
    }
    if (forest->missing_marked && theme == THEME_MISSING && odd < 8) {
        return odd < 6 ? forest->missing_number : nextafter(forest->missing_number, 0.0);
    }
    if ((theme == THEME_MISSING && odd < 4) || (theme == THEME_MIXED && odd == 0)) {
        return (double)NAN;
    }
    const bool is_mixed = theme == THEME_MIXED || theme == THEME_MISSING || theme == THEME_SPECIAL;
    const row_theme beside =
        is_mixed ? mixture[draw_index(random, (uint32_t)(sizeof mixture / sizeof mixture[0]))]
                 : theme;
    return draw_beside(threshold, beside, random);
}

/* The trainer's decision, as reference.c makes it. */
static bool decide_left(const espalier_forest *forest, uint64_t node, double given)
{
    if (forest->preparation != NULL) {
        given =
            espalier_preparation_evaluate(forest->preparation, forest->feature[node], given, false);
    }
    const double edge = (double)1e-35F;
    const uint8_t rule = forest->missing_rule != NULL ? forest->missing_rule[node] : 0;
    double value = forest->input == ESPALIER_FOREST_INPUT_FLOAT32 ? (double)(float)given : given;
    if (forest->missing_marked && value == forest->missing_number) {
        value = (double)NAN;
    }
    if ((forest->flush_tiny && fabs(value) <= edge) ||
        (rule == ESPALIER_FOREST_MISSING_NEVER && isnan(value))) {
        value = 0.0;
    }
    if (espalier_forest_has_set(forest, node)) {
        return espalier_forest_set_left(forest, forest->set[node], value);
    }
    const bool is_missing =
        isnan(value) || (rule == ESPALIER_FOREST_MISSING_ZERO && fabs(value) <= edge);
    return is_missing ? forest->missing_allowed && forest->missing_left[node] != 0
                      : value <= forest->threshold[node];
}

/* A number for a node with a set: a member, the category before or behind one, or what is beside a
 * category: a fraction, a negative number, one that is too large. */
static double draw_category(const espalier_forest *forest, const espalier_forest_set *set,
                            row_random *random)
{
    if (set->member_count == 0) {
        return (double)draw_index(random, 4) - 1.0;
    }
    const uint32_t member =
        forest->members[set->first_member + draw_index(random, set->member_count)];
    const double value = espalier_forest_value_of(forest, set->feature, member);
    switch (draw_index(random, 16)) {
    case 0:
        return value + draw_fraction(random);
    case 1:
        return nextafter(value, draw_index(random, 2) != 0 ? INFINITY : -INFINITY);
    case 2:
        return -value - draw_fraction(random);
    case 3:
        return value + 256.0 * (1.0 + (double)draw_index(random, 1U << 24));
    case 4:
    case 5:
    case 6:
    case 7:
        return value + (draw_index(random, 2) != 0 ? 1.0 : -1.0);
    default:
        return value;
    }
}

/* What a row's feature is set to where it meets a node. */
static double draw_at_node(const espalier_forest *forest, uint64_t node, row_theme theme,
                           row_random *random)
{
    if (espalier_forest_has_set(forest, node) && theme != THEME_SPECIAL &&
        draw_index(random, theme == THEME_MISSING ? 4 : 16) != 0) {
        return draw_category(forest, &forest->sets[forest->set[node]], random);
    }
    return draw_pinned(forest, forest->threshold[node], theme, random);
}

/* Sets the feature that a node tests; behind a function of a library, not near the threshold, where
 * another library might decide otherwise. */
static void pin_feature(const espalier_golden *golden, uint64_t node, row_theme theme,
                        row_random *random, double *feature)
{
    const espalier_forest *const forest = golden->forest;
    const double drawn = draw_at_node(forest, node, theme, random);
    if (forest->preparation == NULL) {
        *feature = drawn;
        return;
    }
    const uint32_t pick = (uint32_t)draw_bits(random);
    const double before = find_before(forest, forest->feature[node], drawn, pick);
    if (!isnan(before) || (isnan(drawn) && pick % 2 == 0)) {
        *feature = before;
    }
}

static void walk_row(espalier_golden *golden, const espalier_forest_tree *tree, uint64_t index,
                     row_theme theme, row_random *random, double *row)
{
    const espalier_forest *const forest = golden->forest;
    uint64_t node = tree->first_node;
    while (forest->left[node] != ESPALIER_FOREST_LEAF) {
        const uint32_t tested = forest->feature[node];
        const uint32_t feature = find_root(forest, tested);
        if (golden->pinned[feature] != index + 1 && draw_index(random, 4) != 0) {
            pin_feature(golden, node, theme, random, &row[feature]);
            golden->pinned[feature] = index + 1;
        }
        const bool left = decide_left(forest, node, row[feature]);
        node = tree->first_node + (left ? forest->left[node] : forest->right[node]);
    }
}

void espalier_golden_row(espalier_golden *golden, uint64_t index, double *row)
{
    const espalier_forest *const forest = golden->forest;
    const row_theme theme = (row_theme)(index % THEME_COUNT);
    row_random random = {mix_bits(SEED ^ index * UINT64_C(0xD1342543DE82EF95)), 0};
    for (uint32_t i = 0; i < forest->feature_count; i++) {
        row[i] = draw_in_range(golden, i, &random);
        /* Features that no tree tests must not matter, whatever they hold. */
        const bool is_odd = draw_index(&random, 32) == 0;
        if (is_odd && theme == THEME_MISSING) {
            row[i] = (double)NAN;
        } else if (is_odd && (theme == THEME_SPECIAL || theme == THEME_MIXED)) {
            row[i] = draw_special(forest, &random);
        }
    }
    if (theme == THEME_RANDOM) {
        return;
    }
    const uint32_t walks = forest->tree_count < WALKS_MAX ? forest->tree_count : WALKS_MAX;
    for (uint32_t i = 0; i < walks; i++) {
        const uint32_t tree = draw_index(&random, forest->tree_count);
        walk_row(golden, &forest->trees[tree], index, theme, &random, row);
    }
}

/* ---- how many ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Numbers of a row: its features, and what comes of them. */
static uint64_t count_values(const espalier_forest *forest)
{
    return forest->feature_count + espalier_forest_all_slots(forest);
}

uint32_t espalier_golden_stored_count(const espalier_forest *forest)
{
    const uint64_t row_bytes =
        count_values(forest) * sizeof(double) + forest->tree_count * (uint64_t)sizeof(uint32_t);
    const uint64_t quarter = forest->node_count * sizeof(espalier_file_node) / 4 / row_bytes;
    const uint64_t worth = quarter > STORED_ROWS_FEW ? quarter : STORED_ROWS_FEW;
    const uint64_t rows = smaller(STORED_BYTES_MAX / row_bytes, smaller(worth, STORED_ROWS_MAX));
    if (rows >= STORED_ROWS_WIDE) {
        return (uint32_t)rows;
    }
    return (uint32_t)smaller(STORED_BYTES_WIDE_MAX / row_bytes, STORED_ROWS_WIDE);
}

/* What the leaves that are lines cost which a row reaches, about, in visits. */
static uint64_t count_lines(const espalier_forest *forest)
{
    uint64_t trees = 0;
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        trees += part.linear ? part.tree_count : 0;
    }
    return trees == 0 ? 0 : trees * (forest->term_count / forest->line_count + LINE_VISITS);
}

/* What sorting the sums of weighted medians costs, about, in visits. */
static uint64_t count_sorts(const espalier_forest *forest)
{
    uint64_t visits = 0;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const uint64_t count = forest->stages[i].count;
        const bool sorts = forest->stages[i].operation == ESPALIER_FOREST_WEIGHTED_MEDIAN;
        for (uint64_t rest = sorts ? count : 0; rest > 0; rest /= 2) {
            visits += 2 * count;
        }
    }
    return visits;
}

uint32_t espalier_golden_compared_count(const espalier_forest *forest)
{
    uint64_t visits = 1;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        /* A tree of one node costs its turn and its addition. */
        visits += forest->trees[i].depth + 1 + forest->leaf_width / 8;
    }
    visits += forest->stage_slots + count_lines(forest) + count_sorts(forest);
    const uint64_t by_trees =
        forest->tree_count == 0 ? COMPARED_TREES_MAX : COMPARED_TREES_MAX / forest->tree_count;
    const uint64_t by_work =
        smaller(by_trees > COMPARED_ROWS_WIDE ? by_trees : COMPARED_ROWS_WIDE,
                smaller(COMPARED_VISITS_MAX / visits, COMPARED_VALUES_MAX / count_values(forest)));
    const uint32_t stored = espalier_golden_stored_count(forest);
    const uint32_t least = stored > STORED_ROWS_WIDE ? stored : STORED_ROWS_WIDE;
    const uint64_t rows = smaller(by_work, COMPARED_ROWS_MAX);
    return rows > least ? (uint32_t)rows : least;
}

void espalier_golden_counts(const espalier_forest *forest, espalier_proof *proof)
{
    const uint64_t rows = espalier_golden_compared_count(forest);
    const bool decides = forest->task == ESPALIER_FOREST_TASK_FOREST && forest->classifier;
    const uint64_t classes = decides ? forest->group_count : 0;
    proof->rows_compared = rows;
    const bool is_plan = forest->task == ESPALIER_FOREST_TASK_PLAN;
    uint64_t values = is_plan ? 0 : espalier_forest_slots(forest) + classes;
    for (uint32_t i = 0; i < forest->output_count; i++) {
        const espalier_forest_output *const output = &forest->outputs[i];
        values += output->kind == ESPALIER_OUTPUT_CLASS ? 1 : output->slot_count;
    }
    proof->values_compared = rows * values;
    proof->leaves_compared = rows * forest->tree_count;
}
