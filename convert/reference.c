// SPDX-License-Identifier: Apache-2.0
/*
 * See reference.h.
 */
#include "convert/reference.h"

#include "convert/plan.h"
#include "convert/preparation.h"
#include "convert/reference_stages.h"
#include "convert/sets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LightGBM's kZeroThreshold: magnitudes up to it are zero. */
#define TINY ((double)1e-35F)

/* Rows of either type; the other pointer is NULL. */
typedef struct row_block {
    const float *narrow;
    const double *wide;
    size_t row_count;
    bool widened; /* `wide` are float32 numbers */
    /* What a preparation has made of the rows so far; NULL: nothing is kept. */
    double *values; /* [row_count][value_count] */
    uint8_t *known;
} row_block;

/* Values of a preparation that are kept, 9 bytes each: of some rows, or of one where there are
 * many; where even those are too many, of none. */
#define KEPT_VALUES     ((size_t)1 << 17)
#define KEPT_VALUES_MAX ((size_t)1 << 20)

static uint32_t count_sums(const espalier_forest *forest)
{
    return espalier_forest_slots(forest);
}

uint32_t espalier_reference_slot_count(const espalier_forest *forest)
{
    return (forest->normalise ? count_sums(forest) * 2 : count_sums(forest)) + forest->stage_slots;
}

/* What a preparation makes of a row. */
static double read_prepared(const espalier_forest *forest, const row_block *rows, size_t row,
                            uint32_t tested)
{
    const espalier_preparation *const preparation = forest->preparation;
    const size_t first = row * forest->feature_count;
    const espalier_prepared_row prepared = {
        .narrow = rows->narrow != NULL ? rows->narrow + first : NULL,
        .wide = rows->narrow == NULL ? rows->wide + first : NULL,
        .as_narrow = rows->narrow != NULL || rows->widened,
        .values = rows->known != NULL ? rows->values + row * preparation->value_count : NULL,
        .known = rows->known != NULL ? rows->known + row * preparation->value_count : NULL};
    if (rows->known != NULL) {
        return espalier_preparation_recall(preparation, &prepared, tested);
    }
    const uint32_t root = espalier_preparation_root(preparation, tested);
    const double feature =
        rows->narrow != NULL ? (double)rows->narrow[first + root] : rows->wide[first + root];
    return espalier_preparation_evaluate(preparation, tested, feature, prepared.as_narrow);
}

/* A feature as the trainer compares it. */
static double read_value(const espalier_forest *forest, const row_block *rows, size_t row,
                         uint32_t feature)
{
    const size_t index = row * forest->feature_count + feature;
    double value = forest->preparation != NULL ? read_prepared(forest, rows, row, feature)
                   : rows->narrow != NULL      ? (double)rows->narrow[index]
                                               : rows->wide[index];
    if (forest->input == ESPALIER_FOREST_INPUT_FLOAT32) {
        value = (double)(float)value;
    }
    if (forest->missing_marked && value == forest->missing_number) {
        return (double)NAN;
    }
    return forest->flush_tiny && fabs(value) <= TINY ? 0.0 : value;
}

static bool goes_left(const espalier_forest *forest, uint64_t index, double value)
{
    if (espalier_forest_has_set(forest, index)) {
        return espalier_forest_set_left(forest, forest->set[index], value);
    }
    const uint8_t rule = forest->missing_rule != NULL ? forest->missing_rule[index]
                                                      : (uint8_t)ESPALIER_FOREST_MISSING_NAN;
    const bool missing_left = forest->missing_allowed && forest->missing_left[index] != 0;
    if (rule == ESPALIER_FOREST_MISSING_NEVER) {
        value = isnan(value) ? 0.0 : value;
    } else if (isnan(value) || (rule == ESPALIER_FOREST_MISSING_ZERO && fabs(value) <= TINY)) {
        return missing_left;
    }
    return value <= forest->threshold[index];
}

/* The index in its tree of the leaf that a row reaches. */
static uint32_t find_leaf(const espalier_forest *forest, const espalier_forest_tree *tree,
                          const row_block *rows, size_t row)
{
    const uint64_t first = tree->first_node;
    uint32_t node = 0;
    /* Children come after their parents, so this ends. */
    while (forest->left[first + node] != ESPALIER_FOREST_LEAF) {
        const uint64_t index = first + node;
        const double value = read_value(forest, rows, row, forest->feature[index]);
        node = goes_left(forest, index, value) ? forest->left[index] : forest->right[index];
    }
    return node;
}

static const double *find_values(const espalier_forest *forest, const espalier_forest_part *part,
                                 const espalier_forest_tree *tree, uint32_t leaf)
{
    const uint64_t row = tree->first_leaf + forest->right[tree->first_node + leaf];
    return forest->leaf_values + part->first_value + row * part->leaf_width;
}

/* Probabilities from stored counts, behind them. */
static void normalise_row(const espalier_forest *forest, double *slots)
{
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        const uint32_t width = forest->group_width[group];
        const double sum = espalier_reference_sum(slots + slot, width, true, false);
        const double divisor = sum == 0.0 ? 1.0 : sum;
        for (uint32_t i = slot; i < slot + width; i++) {
            slots[count_sums(forest) + i] = slots[i] / divisor;
        }
        slot += width;
    }
}

static bool is_used(const espalier_forest *forest, const espalier_forest_part *part,
                    uint32_t tree_index)
{
    const uint32_t iteration =
        forest->tree_iteration != NULL ? forest->tree_iteration[tree_index] : tree_index;
    return iteration < part->default_iterations;
}

static double add_rounded(const espalier_forest_part *part, double sum, double value)
{
    return part->accumulator == ESPALIER_FOREST_SUM_FLOAT32 ? (double)((float)sum + (float)value)
                                                            : sum + value;
}

/*
 * Adds one tree to all rows. What a single tree answers is its leaf as it is: 0.0 + -0.0 is not
 * -0.0. A boosted tree is added to the start.
 */
static void add_tree(const espalier_forest *forest, const espalier_forest_part *part,
                     uint32_t tree_index, const row_block *rows, double *slots, uint32_t *leaves)
{
    const espalier_forest_tree *const tree = &forest->trees[tree_index];
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    const uint32_t first_slot =
        part->first_slot + (forest->tree_slot != NULL ? forest->tree_slot[tree_index] : 0);
    const bool takes = part->as_it_is && tree_index == part->first_tree;
    const bool adds = is_used(forest, part, tree_index);
    for (size_t row = 0; row < rows->row_count; row++) {
        const uint32_t leaf = find_leaf(forest, tree, rows, row);
        const double *const values = find_values(forest, part, tree, leaf);
        double *const sums = slots + row * slot_count + first_slot;
        for (uint32_t i = 0; adds && i < part->leaf_width; i++) {
            sums[i] = takes ? values[i] : add_rounded(part, sums[i], values[i]);
        }
        if (leaves != NULL) {
            leaves[row * forest->tree_count + tree_index] =
                forest->number != NULL ? forest->number[tree->first_node + leaf] : leaf;
        }
    }
}

/* The sums of one part, of all rows. */
static void add_part(const espalier_forest *forest, const espalier_forest_part *part,
                     const row_block *rows, double *slots, uint32_t *leaves)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    for (size_t row = 0; row < rows->row_count; row++) {
        double *const own = slots + row * slot_count;
        const double *const start = part->from_slots ? own + part->start_slot : part->start;
        if (start != NULL) {
            memcpy(own + part->first_slot, start, part->slot_count * sizeof *slots);
        }
    }
    for (uint32_t i = 0; i < part->tree_count; i++) {
        add_tree(forest, part, part->first_tree + i, rows, slots, leaves);
    }
    if (part->divide != ESPALIER_FOREST_DIVIDE_TREES) {
        return;
    }
    for (size_t row = 0; row < rows->row_count; row++) {
        double *const sums = slots + row * slot_count + part->first_slot;
        for (uint32_t i = 0; i < part->slot_count; i++) {
            sums[i] /= (double)part->default_iterations;
        }
    }
}

/* A leaf that is a line, of the values x. */
static double evaluate_line(const espalier_forest *forest, uint64_t index, const double *x)
{
    const espalier_forest_linear_leaf *const leaf = &forest->linear_leaves[index];
    double sum = leaf->constant;
    for (uint32_t i = 0; i < leaf->term_count; i++) {
        const espalier_forest_term *const term = &forest->terms[leaf->first_term + i];
        const double product = term->coefficient * x[term->place];
        if (isnan(x[term->place])) {
            return leaf->missing_value;
        }
        sum += product;
    }
    return sum;
}

/* The stages that need more than slots: the row, or leaves. False: another one. */
static bool run_linear(const espalier_forest *forest, const espalier_forest_stage *stage,
                       const row_block *rows, size_t row, double *own)
{
    if (forest->constants == NULL) {
        return false; /* both have some */
    }
    const double *const c = forest->constants + stage->first_constant;
    double *const y = own + stage->output_slot;
    if (espalier_plan_takes_values(stage)) {
        const bool flushes = stage->operation == ESPALIER_FOREST_FLUSHED_VALUES;
        for (uint32_t i = 0; i < stage->count; i++) {
            double value = read_value(forest, rows, row, (uint32_t)c[i]);
            value = stage->narrow ? (double)(float)value : value;
            value = flushes && fabs(value) <= TINY ? 0.0 : value;
            y[i] = isnan(value) ? (double)NAN : value; /* one and the same NaN */
        }
        return true;
    }
    if (stage->operation != ESPALIER_FOREST_LINEAR) {
        return false;
    }
    const espalier_forest_part part = espalier_forest_part_at(forest, (uint32_t)c[0]);
    y[0] = 0.0;
    for (uint32_t i = (uint32_t)c[2]; i < part.tree_count; i += (uint32_t)c[1]) {
        if (is_used(forest, &part, part.first_tree + i)) {
            const uint64_t number = (uint64_t)own[part.first_slot + i];
            const uint64_t first = forest->trees[part.first_tree + i].first_leaf;
            y[0] +=
                evaluate_line(forest, part.first_line + first + number, own + stage->input_slot);
        }
    }
    return true;
}

/* Stages from number `first` on whose slots come before end_slot, of all rows; returns the next. */
static uint32_t run_stages(const espalier_forest *forest, const row_block *rows, double *slots,
                           uint32_t first, uint32_t end_slot)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    uint32_t end = first;
    while (end < forest->stage_count && forest->stages[end].output_slot < end_slot) {
        end++;
    }
    for (size_t row = 0; row < rows->row_count; row++) {
        double *const own = slots + row * slot_count;
        for (uint32_t i = first; i < end; i++) {
            const espalier_forest_stage *const stage = &forest->stages[i];
            const espalier_forest_part part = espalier_forest_part_at(forest, stage->part);
            if (!run_linear(forest, stage, rows, row, own)) {
                espalier_reference_stage(forest, stage, (double)part.default_iterations, own);
            }
        }
    }
    return end;
}

static void evaluate_block(const espalier_forest *forest, const row_block *rows, double *slots,
                           uint32_t *leaves)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    uint32_t done = 0;
    memset(slots, 0, rows->row_count * slot_count * sizeof *slots);
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        if (part.from_slots) {
            done = run_stages(forest, rows, slots, done, part.first_slot);
        }
        add_part(forest, &part, rows, slots, leaves);
    }
    for (size_t row = 0; forest->normalise && row < rows->row_count; row++) {
        normalise_row(forest, slots + row * slot_count);
    }
    (void)run_stages(forest, rows, slots, done, UINT32_MAX);
}

/* As many rows at a time as values are kept of. */
static void evaluate(const espalier_forest *forest, row_block rows, double *slots, uint32_t *leaves)
{
    const espalier_preparation *const preparation = forest->preparation;
    const size_t values = preparation != NULL ? preparation->value_count : 0;
    if (values == 0 || values > KEPT_VALUES_MAX) {
        evaluate_block(forest, &rows, slots, leaves);
        return;
    }
    const size_t fitting = values < KEPT_VALUES ? KEPT_VALUES / values : 1;
    const size_t most = fitting < rows.row_count ? fitting : rows.row_count;
    row_block some = rows;
    some.values = malloc(most * values * sizeof *some.values);
    some.known = some.values != NULL ? malloc(most * values) : NULL; /* without, nothing is kept */
    for (size_t first = 0; first < rows.row_count; first += some.row_count) {
        const size_t left = rows.row_count - first;
        const size_t skipped = first * forest->feature_count;
        some.row_count = left < most ? left : most;
        some.narrow = rows.narrow != NULL ? rows.narrow + skipped : NULL;
        some.wide = rows.narrow == NULL ? rows.wide + skipped : NULL;
        if (some.known != NULL) {
            memset(some.known, 0, some.row_count * values);
        }
        evaluate_block(forest, &some, slots + first * espalier_reference_slot_count(forest),
                       leaves != NULL ? leaves + first * forest->tree_count : NULL);
    }
    free(some.values);
    free(some.known);
}

void espalier_reference_evaluate(const espalier_forest *forest, const float *rows, size_t row_count,
                                 double *slots, uint32_t *leaves)
{
    evaluate(forest, (row_block){.narrow = rows, .row_count = row_count}, slots, leaves);
}

void espalier_reference_evaluate_float64(const espalier_forest *forest, const double *rows,
                                         size_t row_count, double *slots, uint32_t *leaves)
{
    evaluate(forest, (row_block){.wide = rows, .row_count = row_count}, slots, leaves);
}

void espalier_reference_evaluate_widened(const espalier_forest *forest, const double *rows,
                                         size_t row_count, double *slots, uint32_t *leaves)
{
    evaluate(forest, (row_block){.wide = rows, .row_count = row_count, .widened = true}, slots,
             leaves);
}

/* The class of one group: by its output's rule, or the first maximum of its sums. */
static uint32_t find_class(espalier_forest_decision decision, const double *values, uint32_t count)
{
    if (decision == ESPALIER_FOREST_ABOVE_ZERO) {
        return values[0] > 0.0;
    }
    if (decision == ESPALIER_FOREST_AT_LEAST_ZERO) {
        return values[0] >= 0.0;
    }
    if (decision == ESPALIER_FOREST_ABOVE_HALF) {
        return values[0] > 0.5;
    }
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        const bool wins = decision == ESPALIER_FOREST_LAST_MAXIMUM ? values[i] >= values[best]
                                                                   : values[i] > values[best];
        best = wins ? i : best;
    }
    return best;
}

void espalier_reference_classes(const espalier_forest *forest, const double *slots,
                                size_t row_count, int32_t *classes)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    for (size_t row = 0; row < row_count; row++) {
        const double *values = slots + row * slot_count;
        int32_t *const own = classes + row * forest->group_count;
        for (uint32_t group = 0; group < forest->group_count; group++) {
            const bool is_sum = forest->task != ESPALIER_FOREST_TASK_PLAN;
            own[group] = is_sum ? (int32_t)find_class(ESPALIER_FOREST_FIRST_MAXIMUM, values,
                                                      forest->group_width[group])
                                : 0;
            values += is_sum ? forest->group_width[group] : 0;
        }
        for (uint32_t i = 0; i < forest->output_count; i++) {
            const espalier_forest_output *const output = &forest->outputs[i];
            if (output->kind == ESPALIER_OUTPUT_CLASS) {
                own[output->group] =
                    (int32_t)find_class(output->decision,
                                        slots + row * slot_count + output->first_slot,
                                        output->slot_count);
            }
        }
    }
}

void espalier_reference_magnitudes(const espalier_forest *forest, const double *row,
                                   double *magnitudes)
{
    const row_block block = {.wide = row, .row_count = 1};
    const espalier_forest_part part = espalier_forest_part_at(forest, 0);
    for (uint32_t i = 0; i < part.slot_count; i++) {
        magnitudes[i] = part.start != NULL ? fabs(part.start[i]) : 0.0;
    }
    for (uint32_t i = 0; i < part.tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[i];
        if (is_used(forest, &part, i)) {
            const double *const values =
                find_values(forest, &part, tree, find_leaf(forest, tree, &block, 0));
            const uint32_t slot = forest->tree_slot != NULL ? forest->tree_slot[i] : 0;
            for (uint32_t j = 0; j < part.leaf_width; j++) {
                magnitudes[slot + j] += fabs(values[j]);
            }
        }
    }
}
