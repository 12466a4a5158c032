// SPDX-License-Identifier: Apache-2.0
/*
 * BaggingClassifier and BaggingRegressor: the mean of their members, each of which sees its own
 * features. Single trees become one part, whose leaves are as wide as there are classes; anything
 * else is a part for each member. See sklearn_members.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_members.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One conversion. */
typedef struct bagging {
    espalier_sklearn_import *import;
    const espalier_pickle_value *members;
    const espalier_pickle_value *subsets;
    uint32_t count;
    uint32_t width;  /* classes, or values of a row */
    bool joint;      /* all are single trees */
    bool narrow;     /* the sum of values so far is float32, as all of its members are */
    uint32_t sum;    /* running, of probabilities or values */
    uint32_t margin; /* the same of decision functions; NO_SLOT: there are none */
    uint32_t margin_width;
} bagging;

/* Members are fitted to the places of classes: where member's class i is. */
static espalier_status map_places(const bagging *work, const espalier_sklearn_member *member,
                                  uint32_t *places)
{
    const espalier_forest_labels *const own = member->forest.labels;
    const uint32_t count = own != NULL ? own->count : 0;
    bool good = count > 0 && count <= work->width;
    for (uint32_t i = 0; i < count && good; i++) {
        places[i] = count == work->width ? i : (uint32_t)own->numbers[i];
        good = count == work->width ||
               (own->kind == ESPALIER_LABEL_INT && own->numbers[i] < work->width);
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(work->import, member->value,
                                        ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                        "its classes are no places among the %" PRIu32
                                        " of the %s around it",
                                        work->width, work->import->class->name);
}

/* ---- trees ----------------------------------------------------------------------------------- */

/* What predict_proba of a tree gives, at the places of its classes; of a regressor its values. */
static void fill_rows(const bagging *work, const espalier_sklearn_member *member,
                      const uint32_t *places, double *rows)
{
    const espalier_forest *const forest = &member->forest;
    for (uint64_t leaf = 0; leaf < forest->leaf_count; leaf++) {
        const double *const from = forest->leaf_values + leaf * forest->leaf_width;
        double *const to = rows + leaf * work->width;
        const double sum =
            forest->normalise ? espalier_sklearn_sum_pairwise(from, forest->leaf_width) : 1.0;
        for (uint32_t i = 0; i < forest->leaf_width; i++) {
            to[places != NULL ? places[i] : i] = from[i] / (sum == 0 ? 1.0 : sum);
        }
    }
}

static espalier_status join_tree(bagging *work, const espalier_sklearn_member *member,
                                 uint32_t index)
{
    const espalier_forest *const forest = &member->forest;
    const bool classifies = work->import->class->classifier;
    double *const rows = calloc(forest->leaf_count, work->width * sizeof *rows);
    uint32_t *const places = calloc(work->width, sizeof *places);
    if (rows == NULL || places == NULL) {
        free(places);
        free(rows);
        return espalier_sklearn_fail(work->import, member->value, ESPALIER_ERROR_MEMORY,
                                     "no memory for the leaves of a tree");
    }
    espalier_status status = classifies ? map_places(work, member, places) : ESPALIER_OK;
    if (status == ESPALIER_OK) {
        fill_rows(work, member, classifies ? places : NULL, rows);
        status = espalier_sklearn_join_member(work->import, member, rows, 0, index);
    }
    free(places);
    free(rows);
    return status;
}

/* ---- anything else --------------------------------------------------------------------------- */

/* Slots at the places of their classes; elsewhere 0. */
static uint32_t spread_classes(const bagging *work, const espalier_sklearn_member *member,
                               uint32_t slot, const uint32_t *places)
{
    const uint32_t count = member->forest.labels[0].count;
    double *const numbers = malloc(work->width * sizeof *numbers);
    if (numbers == NULL || slot == ESPALIER_PLAN_NO_SLOT) {
        free(numbers);
        return ESPALIER_PLAN_NO_SLOT;
    }
    for (uint32_t i = 0; i < work->width; i++) {
        numbers[i] = -1.0;
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[places[i]] = (double)slot + i;
    }
    const uint32_t spread = espalier_sklearn_pick_slots(work->import, numbers, work->width, false);
    free(numbers);
    return spread;
}

static uint32_t find_probability(const bagging *work, const espalier_sklearn_member *member,
                                 const uint32_t *places)
{
    static const double vote[2] = {1.0, 0.0};
    const uint32_t count = member->forest.labels[0].count;
    uint32_t slot = espalier_sklearn_member_probability(work->import, member, 0);
    if (slot == ESPALIER_PLAN_NO_SLOT) {
        /* Without predict_proba members vote. */
        slot = espalier_sklearn_member_class(work->import, member, 0);
        slot = espalier_sklearn_add_stage(work->import, ESPALIER_FOREST_CHOOSE, slot, count, vote);
    }
    return count == work->width ? slot : spread_classes(work, member, slot, places);
}

/* Where one of the members has no decision_function, or misses a class, the whole has none. */
static bool add_margin(bagging *work, const espalier_sklearn_member *member, bool first)
{
    const espalier_forest_output *const output = espalier_sklearn_member_margin(member);
    if (output == NULL || (!first && work->margin == ESPALIER_PLAN_NO_SLOT) ||
        member->forest.labels[0].count != work->width) {
        work->margin = ESPALIER_PLAN_NO_SLOT;
        return true;
    }
    work->margin_width = output->slot_count;
    return espalier_sklearn_accumulate(work->import, &work->margin, output->first_slot,
                                       output->slot_count, false);
}

static bool add_classes(bagging *work, const espalier_sklearn_member *member,
                        const uint32_t *places, bool first)
{
    const uint32_t slot = find_probability(work, member, places);
    return espalier_sklearn_accumulate(work->import, &work->sum, slot, work->width, false) &&
           add_margin(work, member, first);
}

/* The trainer's sum starts from the integer 0, which makes 0 of -0, and is float32 until a member
 * is float64; probabilities are added to zeroes of float64. */
static bool add_value(bagging *work, const espalier_sklearn_member *member)
{
    const espalier_forest_output *const output =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_VALUE, 0);
    uint32_t slot = output != NULL && output->slot_count == work->width ? output->first_slot
                                                                        : ESPALIER_PLAN_NO_SLOT;
    const bool first = work->sum == ESPALIER_PLAN_NO_SLOT;
    work->narrow = (first || work->narrow) && output != NULL && output->narrow;
    if (first && slot != ESPALIER_PLAN_NO_SLOT) {
        slot = espalier_sklearn_add_uniform(work->import, ESPALIER_FOREST_ADD, slot, work->width,
                                            0.0, work->narrow);
    }
    return espalier_sklearn_accumulate(work->import, &work->sum, slot, work->width, work->narrow);
}

static espalier_status add_member(bagging *work, espalier_sklearn_member *member, uint32_t index)
{
    uint32_t *const places = calloc(work->width, sizeof *places);
    if (places == NULL) {
        return espalier_sklearn_fail(work->import, NULL, ESPALIER_ERROR_MEMORY,
                                     "no memory for a member's classes");
    }
    espalier_status status =
        work->import->class->classifier ? map_places(work, member, places) : ESPALIER_OK;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_add_member(work->import, member);
    }
    if (status == ESPALIER_OK) {
        const bool good = work->import->class->classifier
                              ? add_classes(work, member, places, index == 0)
                              : add_value(work, member);
        status = espalier_sklearn_finish_plan(work->import, good);
    }
    free(places);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* What the first member says of all: whether they are trees, and how wide answers are. */
static espalier_status open_bagging(bagging *work, const espalier_sklearn_member *member)
{
    espalier_sklearn_import *const import = work->import;
    const espalier_forest *const forest = &member->forest;
    work->joint = espalier_sklearn_is_single_tree(member);
    work->width = import->class->classifier ? import->forest->labels[0].count
                  : work->joint             ? forest->leaf_width
                                            : 1;
    import->forest->group_width[0] = work->width;
    if (!work->joint) {
        return ESPALIER_OK;
    }
    const espalier_forest_part part = {.leaf_width = work->width,
                                       .slot_count = work->width,
                                       .divide = ESPALIER_FOREST_DIVIDE_TREES,
                                       .iteration_count = work->count,
                                       .default_iterations = work->count};
    work->sum = (uint32_t)espalier_forest_all_slots(import->forest);
    return espalier_sklearn_open_joint(import, &part);
}

static bool is_like_others(const bagging *work, const espalier_sklearn_member *member)
{
    const bool classifies = work->import->class->classifier;
    return espalier_sklearn_is_single_tree(member) == work->joint &&
           member->forest.classifier == classifies &&
           (classifies ? member->forest.group_count == 1
                       : !work->joint || member->forest.leaf_width == work->width);
}

static espalier_status use_member(void *user, espalier_sklearn_member *member, uint32_t index)
{
    bagging *const work = user;
    espalier_sklearn_import *const import = work->import;
    espalier_status status = index == 0 ? open_bagging(work, member) : ESPALIER_OK;
    if (status == ESPALIER_OK && !is_like_others(work, member)) {
        status = espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "not of the sort of the other estimators of a %s",
                                       import->class->name);
    }
    if (status == ESPALIER_OK) {
        status = work->joint ? join_tree(work, member, index) : add_member(work, member, index);
    }
    return status;
}

static bool add_outputs(bagging *work)
{
    const espalier_sklearn_import *const import = work->import;
    const double count = (double)work->count;
    if (!work->joint) {
        work->sum = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_DIVIDE, work->sum,
                                                 work->width, count, work->narrow);
    }
    if (!import->class->classifier) {
        return espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_VALUE, work->sum,
                                                 work->width, work->narrow);
    }
    bool good = true;
    if (work->margin != ESPALIER_PLAN_NO_SLOT) {
        const uint32_t margin =
            espalier_sklearn_add_uniform(import, ESPALIER_FOREST_DIVIDE, work->margin,
                                         work->margin_width, count, false);
        good = espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, margin,
                                           work->margin_width, ESPALIER_FOREST_NO_DECISION);
    }
    return good &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, work->sum, work->width,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, work->sum, work->width,
                                       ESPALIER_FOREST_FIRST_MAXIMUM);
}

/* What float32 divided by an integer of NumPy is, depends on NumPy; by Python's it is float32. */
static espalier_status check_divisor(const bagging *work)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status = espalier_sklearn_attribute(work->import, work->import->estimator,
                                                              "n_estimators", true, &value);
    return status != ESPALIER_OK || !work->narrow ||
                   espalier_pickle_kind_of(value) == ESPALIER_PICKLE_INTEGER
               ? status
               : espalier_sklearn_fail(work->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "n_estimators is no integer of Python: what a mean of "
                                       "float32 members, as XGBoost's, is then depends on NumPy");
}

espalier_status espalier_sklearn_load_bagging(espalier_sklearn_import *import)
{
    bagging work = {.import = import,
                    .sum = ESPALIER_PLAN_NO_SLOT,
                    .margin = ESPALIER_PLAN_NO_SLOT};
    uint32_t divisor = 0;
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_list_members(import, "estimators_", &work.members, &work.count);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, import->estimator, "estimators_features_", true,
                                            &work.subsets);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_count(import, import->estimator, "n_estimators", UINT32_MAX - 1,
                                        &divisor);
    }
    if (status == ESPALIER_OK &&
        (divisor != work.count || espalier_pickle_item_count(work.subsets) != work.count)) {
        status = espalier_sklearn_fail(import, import->estimator, ESPALIER_ERROR_SOURCE_TREE,
                                       "n_estimators, estimators_ and estimators_features_ are not "
                                       "of one number");
    }
    for (uint32_t i = 0; i < work.count && status == ESPALIER_OK; i++) {
        status =
            espalier_sklearn_read_member(import, work.members, i,
                                         espalier_pickle_item(work.subsets, i), use_member, &work);
    }
    status = espalier_sklearn_close_members(import, status);
    if (status == ESPALIER_OK) {
        status = check_divisor(&work);
    }
    return status == ESPALIER_OK ? espalier_sklearn_finish_plan(import, add_outputs(&work))
                                 : status;
}
