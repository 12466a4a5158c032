// SPDX-License-Identifier: Apache-2.0
/*
 * AdaBoostClassifier (SAMME, SAMME.R) and AdaBoostRegressor (R2). What a single tree adds to the
 * sums depends on its leaf alone, so single trees are one part whose leaves hold just that; the
 * regressor's have a slot each, and the weighted median is a stage. Other members are parts of
 * their own. See sklearn_members.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_members.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many sums NumPy runs side by side, and how many numbers it does not halve. */
#define PAIRWISE_WIDTH 8u
#define PAIRWISE_MAX   128u

/* One conversion. */
typedef struct boost {
    espalier_sklearn_import *import;
    const espalier_pickle_value *members;
    uint32_t count;
    uint32_t classes;
    bool real;       /* SAMME.R */
    bool takes_off;  /* SAMME: from the classes that were not voted for */
    bool joint;      /* all are single trees */
    bool narrow;     /* values of all members so far are float32 */
    double *weights; /* [count] estimator_weights_ of the members */
    double total;    /* of all of estimator_weights_ */
    double *values;  /* [count] the slot of each member's value: of a regressor */
    uint32_t sum;    /* running: of a classifier */
} boost;

/* ---- what a tree adds ------------------------------------------------------------------------ */

/* From 1.3.1 on a class that was not voted for loses weight / (classes - 1). */
static bool takes_off(const espalier_sklearn_import *import)
{
    char version[16];
    espalier_sklearn_version_text(import->pickle, import->estimator, version, sizeof version);
    return espalier_sklearn_version_from(import->version, 1, 3) && strcmp(version, "1.3.0") != 0;
}

static double find_other_weight(const boost *work, double weight)
{
    return work->takes_off ? -1.0 / ((double)work->classes - 1.0) * weight : 0.0 * weight;
}

static void vote_row(const boost *work, double weight, uint32_t width, const uint32_t *places,
                     const double *from, double *to)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < width; i++) {
        best = from[i] > from[best] ? i : best;
    }
    for (uint32_t i = 0; i < work->classes; i++) {
        to[i] = i == places[best] ? weight : find_other_weight(work, weight);
    }
}

/* SAMME.R: logarithms of the probabilities, less their mean. */
static void estimate_row(const boost *work, double divisor, const double *from, double *to)
{
    const uint32_t classes = work->classes;
    for (uint32_t i = 0; i < classes; i++) {
        const double p = from[i] / divisor;
        to[i] = log(p < DBL_EPSILON ? DBL_EPSILON : p);
    }
    const double mean = 1.0 / (double)classes * espalier_sklearn_sum_pairwise(to, classes);
    for (uint32_t i = 0; i < classes; i++) {
        to[i] = (double)(classes - 1) * (to[i] - mean);
    }
}

static void fill_rows(const boost *work, const espalier_sklearn_member *member, uint32_t index,
                      const uint32_t *places, double *rows)
{
    const espalier_forest *const forest = &member->forest;
    const uint32_t width = forest->leaf_width;
    for (uint64_t leaf = 0; leaf < forest->leaf_count; leaf++) {
        const double *const from = forest->leaf_values + leaf * width;
        double *const to = rows + leaf * work->classes;
        if (work->real) {
            const double sum = forest->normalise ? espalier_sklearn_sum_pairwise(from, width) : 1.0;
            estimate_row(work, sum == 0 ? 1.0 : sum, from, to);
        } else {
            vote_row(work, work->weights[index], width, places, from, to);
        }
    }
}

/* A classifying tree into the common part. */
static espalier_status join_tree(const boost *work, const espalier_sklearn_member *member,
                                 uint32_t index, const uint32_t *places)
{
    double *const rows = calloc(member->forest.leaf_count, work->classes * sizeof *rows);
    if (rows == NULL) {
        return espalier_sklearn_fail(work->import, member->value, ESPALIER_ERROR_MEMORY,
                                     "no memory for the leaves of a tree");
    }
    fill_rows(work, member, index, places, rows);
    const espalier_status status = espalier_sklearn_join_member(work->import, member, rows, 0, 0);
    free(rows);
    return status;
}

/* ---- what another member adds ---------------------------------------------------------------- */

/* Half of `count` slots added to the other half, each to its neighbour. */
static uint32_t add_neighbours(const espalier_sklearn_import *import, uint32_t slot, uint32_t count)
{
    double places[2][PAIRWISE_WIDTH / 2];
    for (uint32_t i = 0; i < count; i++) {
        places[i % 2][i / 2] = (double)slot + i;
    }
    uint32_t sums = espalier_sklearn_pick_slots(import, places[0], count / 2, false);
    const uint32_t others = espalier_sklearn_pick_slots(import, places[1], count / 2, false);
    return espalier_sklearn_accumulate(import, &sums, others, count / 2, false)
               ? sums
               : ESPALIER_PLAN_NO_SLOT;
}

/* The sum of up to PAIRWISE_MAX slots as NumPy adds up a row: eight running sums, which are added
 * in pairs, and then what is left; below eight, and where a row's classes do not lie side by side,
 * one after the other. */
static uint32_t add_up(const boost *work, uint32_t slot, bool pairwise)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t count = work->classes;
    double ones[PAIRWISE_MAX];
    for (uint32_t k = 0; k < PAIRWISE_MAX; k++) {
        ones[k] = 1.0;
    }
    if (!pairwise || count < PAIRWISE_WIDTH) {
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_PRODUCTS, slot, count, ones);
    }
    uint32_t sums = slot;
    uint32_t i = PAIRWISE_WIDTH;
    bool good = true;
    for (; i + PAIRWISE_WIDTH <= count && good; i += PAIRWISE_WIDTH) {
        good = espalier_sklearn_accumulate(import, &sums, slot + i, PAIRWISE_WIDTH, false);
    }
    for (uint32_t width = PAIRWISE_WIDTH; width > 1 && good; width /= 2) {
        sums = add_neighbours(import, sums, width);
        good = sums != ESPALIER_PLAN_NO_SLOT;
    }
    for (; i < count && good; i++) {
        good = espalier_sklearn_accumulate(import, &sums, slot + i, 1, false);
    }
    return good ? sums : ESPALIER_PLAN_NO_SLOT;
}

/* SAMME.R: logarithms of the member's probabilities, less their mean. */
static uint32_t add_logarithms(const boost *work, const espalier_sklearn_member *member)
{
    static const double bounds[2] = {DBL_EPSILON, DBL_MAX};
    const espalier_sklearn_import *const import = work->import;
    const uint32_t count = work->classes;
    const double share = 1.0 / (double)count;
    double minus[PAIRWISE_MAX];
    for (uint32_t i = 0; i < PAIRWISE_MAX; i++) {
        minus[i] = -1.0;
    }
    uint32_t slot = espalier_sklearn_member_probability(import, member, 0);
    slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_CLAMP, slot, count, bounds);
    uint32_t logs = espalier_sklearn_add_stage(import, ESPALIER_FOREST_LOG, slot, count, NULL);
    if (logs == ESPALIER_PLAN_NO_SLOT) {
        return logs;
    }
    uint32_t mean = add_up(work, logs, !member->forest.probability_by_class);
    mean = espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, mean, 1, &share);
    mean = espalier_sklearn_add_stage(import, ESPALIER_FOREST_SPREAD, mean, count, minus);
    return espalier_sklearn_accumulate(import, &logs, mean, count, false)
               ? espalier_sklearn_add_uniform(import, ESPALIER_FOREST_MULTIPLY, logs, count,
                                              (double)count - 1.0, false)
               : ESPALIER_PLAN_NO_SLOT;
}

/* What a member that is no tree adds: of its class's number weights by that, or by SAMME.R of its
 * probabilities. */
static espalier_status add_votes(boost *work, espalier_sklearn_member *member, uint32_t index)
{
    espalier_sklearn_import *const import = work->import;
    const double vote[2] = {work->weights[index], find_other_weight(work, work->weights[index])};
    if (member->forest.labels == NULL || member->forest.labels[0].count != work->classes) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a member that saw some classes only; members with all "
                                     "classes are converted, and SAMME of single trees with some");
    }
    const espalier_status status = espalier_sklearn_add_member(import, member);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_forest_output *const output =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_PROBABILITY, 0);
    if (work->real && (output == NULL || output->narrow || work->classes > PAIRWISE_MAX)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "SAMME.R of a member without probabilities, with those of "
                                     "float32, or of more than 128 classes; SAMME of it is "
                                     "converted");
    }
    uint32_t votes = ESPALIER_PLAN_NO_SLOT;
    if (work->real) {
        import->forest->probability_by_class |=
            work->classes > 2 && member->forest.probability_by_class;
        votes = add_logarithms(work, member);
    } else {
        const uint32_t class = espalier_sklearn_member_class(import, member, 0);
        votes =
            espalier_sklearn_add_stage(import, ESPALIER_FOREST_CHOOSE, class, work->classes, vote);
    }
    return espalier_sklearn_finish_plan(import,
                                        espalier_sklearn_accumulate(import, &work->sum, votes,
                                                                    work->classes, false));
}

static espalier_status add_classifier(boost *work, espalier_sklearn_member *member, uint32_t index)
{
    const uint32_t count = member->forest.labels != NULL ? member->forest.labels[0].count : 0;
    if (count == 0 || count > work->classes || (work->real && count != work->classes)) {
        return espalier_sklearn_fail(work->import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     work->real ? "SAMME.R with a member that saw some classes only"
                                                : "a member with other classes than the whole");
    }
    uint32_t *const places = calloc(count, sizeof *places);
    if (places == NULL) {
        return espalier_sklearn_fail(work->import, member->value, ESPALIER_ERROR_MEMORY,
                                     "no memory for its classes");
    }
    espalier_status status = espalier_sklearn_map_classes(work->import, member, places);
    if (status == ESPALIER_OK) {
        status =
            work->joint ? join_tree(work, member, index, places) : add_votes(work, member, index);
    }
    free(places);
    return status;
}

/* Values of the members are slots of their own. */
static espalier_status add_regressor(boost *work, espalier_sklearn_member *member, uint32_t index)
{
    espalier_sklearn_import *const import = work->import;
    if (work->joint) {
        const espalier_forest_part *const part = &import->forest->parts[0];
        work->values[index] = (double)part->first_slot + index;
        return espalier_sklearn_join_member(import, member, member->forest.leaf_values, index, 0);
    }
    const espalier_status status = espalier_sklearn_add_member(import, member);
    const espalier_forest_output *const output =
        status == ESPALIER_OK ? espalier_sklearn_find_output(member, ESPALIER_OUTPUT_VALUE, 0)
                              : NULL;
    if (status == ESPALIER_OK && (output == NULL || output->slot_count != 1)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a member that does not give one value");
    }
    work->values[index] = output != NULL ? (double)output->first_slot : 0.0;
    work->narrow = (index == 0 || work->narrow) && output != NULL && output->narrow;
    return status;
}

/* ---- all members ----------------------------------------------------------------------------- */

static espalier_status open_boost(boost *work, const espalier_sklearn_member *member)
{
    const bool classifies = work->import->class->classifier;
    work->joint = espalier_sklearn_is_single_tree(member);
    if (!work->joint) {
        return ESPALIER_OK;
    }
    /* A part of a common range: a share of the members means nothing without their weights. The
     * value of a regressing tree is its leaf as it is, -0.0 too. */
    double *const start = classifies ? NULL : malloc(work->count * sizeof *start);
    for (uint32_t i = 0; start != NULL && i < work->count; i++) {
        start[i] = -0.0;
    }
    const espalier_forest_part part = {.leaf_width = classifies ? work->classes : 1,
                                       .slot_count = classifies ? work->classes : work->count,
                                       .start = start,
                                       .iteration_count = 1,
                                       .default_iterations = 1};
    work->sum = (uint32_t)espalier_forest_all_slots(work->import->forest);
    const espalier_status status = espalier_sklearn_open_joint(work->import, &part);
    free(start);
    return status;
}

static espalier_status use_member(void *user, espalier_sklearn_member *member, uint32_t index)
{
    boost *const work = user;
    espalier_sklearn_import *const import = work->import;
    assert(work->weights != NULL && work->values != NULL);
    espalier_status status = index == 0 ? open_boost(work, member) : ESPALIER_OK;
    if (status == ESPALIER_OK && (espalier_sklearn_is_single_tree(member) != work->joint ||
                                  member->forest.classifier != import->class->classifier ||
                                  member->forest.group_count != 1)) {
        status = espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "not of the sort of the other estimators of an %s",
                                       import->class->name);
    }
    if (status == ESPALIER_OK) {
        status = import->class->classifier ? add_classifier(work, member, index)
                                           : add_regressor(work, member, index);
    }
    return status;
}

/* estimator_weights_ may be longer than the list: boosting that ended early leaves zeroes. */
static espalier_status read_weights(boost *work)
{
    espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "estimator_weights_", true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    const uint64_t all = array != NULL ? array->form->element_count : 0;
    if (all < work->count || all > UINT32_MAX) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "estimator_weights_ has no weight for each of %" PRIu32
                                     " estimators",
                                     work->count);
    }
    void *weights = NULL;
    void *values = NULL;
    status = espalier_sklearn_allocate(import, all, sizeof *work->weights, &weights);
    work->weights = weights;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, work->count, sizeof *work->values, &values);
        work->values = values;
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_numbers(import, import->estimator, "estimator_weights_",
                                               (uint32_t)all, work->weights);
    }
    work->total =
        status == ESPALIER_OK ? espalier_sklearn_sum_pairwise(work->weights, (size_t)all) : 0;
    return status;
}

/* SAMME.R until told otherwise; 1.6 removed it. */
static espalier_status read_algorithm(boost *work)
{
    espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "algorithm", false, &value);
    work->takes_off = takes_off(import);
    work->real = value != NULL && espalier_pickle_text_equal(value, "SAMME.R");
    const bool known = work->real || value == NULL || espalier_pickle_text_equal(value, "SAMME") ||
                       espalier_pickle_text_equal(value, "deprecated");
    return status != ESPALIER_OK || known
               ? status
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "an algorithm that is neither SAMME nor SAMME.R");
}

/* ---- outputs --------------------------------------------------------------------------------- */

static bool link_two(const boost *work, uint32_t scaled)
{
    static const double signs[2] = {-1.0, 1.0};
    static const double halves[2] = {-0.5, 0.5};
    const espalier_sklearn_import *const import = work->import;
    const uint32_t margin =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_PRODUCTS, scaled, 2, signs);
    const uint32_t both =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_SPREAD, margin, 2, halves);
    const uint32_t linked =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_SOFTMAX, both, 2, NULL);
    return espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, margin, 1,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, linked, 2,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, margin, 1,
                                       ESPALIER_FOREST_ABOVE_ZERO);
}

static bool link_several(const boost *work, uint32_t margins)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t count = work->classes;
    const uint32_t shares = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_DIVIDE, margins,
                                                         count, (double)count - 1.0, false);
    const espalier_forest_stage softmax = {
        .operation = ESPALIER_FOREST_SOFTMAX,
        .input_slot = shares,
        .count = count,
        .pairwise = !import->forest->probability_by_class,
    };
    const uint32_t linked = espalier_sklearn_add_typed_stage(import, &softmax, NULL);
    return espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, margins, count,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, linked, count,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, margins, count,
                                       ESPALIER_FOREST_FIRST_MAXIMUM);
}

static bool link_median(const boost *work)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t values =
        work->joint ? import->forest->parts[0].first_slot
                    : espalier_sklearn_pick_slots(import, work->values, work->count, work->narrow);
    const espalier_forest_stage stage = {.operation = ESPALIER_FOREST_WEIGHTED_MEDIAN,
                                         .input_slot = values,
                                         .count = work->count,
                                         .narrow = work->narrow};
    const uint32_t median = espalier_sklearn_add_typed_stage(import, &stage, work->weights);
    return espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_VALUE, median, 1,
                                             work->narrow);
}

static bool add_outputs(const boost *work)
{
    if (!work->import->class->classifier) {
        return link_median(work);
    }
    const uint32_t scaled =
        espalier_sklearn_add_uniform(work->import, ESPALIER_FOREST_DIVIDE, work->sum, work->classes,
                                     work->total, false);
    return work->classes == 2 ? link_two(work, scaled) : link_several(work, scaled);
}

espalier_status espalier_sklearn_load_adaboost(espalier_sklearn_import *import)
{
    boost work = {.import = import, .sum = ESPALIER_PLAN_NO_SLOT};
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    if (status == ESPALIER_OK && import->class->classifier) {
        work.classes = import->forest->labels[0].count;
        status = read_algorithm(&work);
    }
    if (status == ESPALIER_OK && import->class->classifier && work.classes < 2) {
        status = espalier_sklearn_fail(import, import->estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "an AdaBoostClassifier of one class");
    }
    import->forest->probability_by_class = work.classes > 2 && !work.real;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_list_members(import, "estimators_", &work.members, &work.count);
    }
    if (status == ESPALIER_OK) {
        status = read_weights(&work);
    }
    for (uint32_t i = 0; i < work.count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_read_member(import, work.members, i, NULL, use_member, &work);
    }
    espalier_sklearn_refuse_rows(import); /* what a tree alone would take */
    status = espalier_sklearn_close_members(import, status);
    if (status == ESPALIER_OK) {
        memset(import->forest->missing_left, 0, (size_t)import->forest->node_count);
        status = espalier_sklearn_finish_plan(import, add_outputs(&work));
    }
    free(work.weights);
    free(work.values);
    return status;
}
