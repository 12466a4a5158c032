// SPDX-License-Identifier: Apache-2.0
/*
 * VotingClassifier (soft and hard) and VotingRegressor: weighted means of what the members give, by
 * the arithmetic of numpy.average; hard votes are counted. See sklearn_members.h and
 * docs/semantics.md.
 */
#include "convert/sources/sklearn_members.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One conversion. */
typedef struct voting {
    espalier_sklearn_import *import;
    const espalier_pickle_value *members;
    uint32_t count;
    uint32_t width; /* classes, or 1 */
    bool hard;
    bool narrow;         /* every member answers in float32, and there are no weights */
    bool narrow_weights; /* of a type that leaves float32 as it is */
    double *weights;     /* [count] or NULL */
    double *slots;       /* [count] the first slot of each member's answer */
    uint32_t sum;
} voting;

/* ---- weights --------------------------------------------------------------------------------- */

/* estimators: pairs of a name and an estimator, or what takes one out. */
static bool is_dropped(const espalier_pickle_value *pair)
{
    const espalier_pickle_value *const estimator = espalier_pickle_item(pair, 1);
    return estimator == NULL || espalier_pickle_kind_of(estimator) == ESPALIER_PICKLE_NONE ||
           espalier_pickle_text_equal(estimator, "drop");
}

/* Whether float32 times this type is float64 in NumPy: floats of 8 bytes, integers of 4 or 8. */
static bool widens_float32(const espalier_pickle_dtype *dtype)
{
    return dtype != NULL &&
           (dtype->item_bytes == 8 || (dtype->kind != 'f' && dtype->item_bytes == 4));
}

/* Of each weight; scikit-learn makes a list of them. Numbers of Python become float64 and int64. */
static bool are_wide(const espalier_pickle_value *weights)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(weights);
    if (array != NULL) {
        return widens_float32(array->form->dtype);
    }
    bool wide = true;
    for (size_t i = 0; i < espalier_pickle_item_count(weights); i++) {
        const espalier_pickle_value *const item = espalier_pickle_item(weights, i);
        const espalier_pickle_kind kind = espalier_pickle_kind_of(item);
        wide = wide && (kind == ESPALIER_PICKLE_INTEGER || kind == ESPALIER_PICKLE_FLOAT ||
                        widens_float32(espalier_pickle_scalar_dtype(item)));
    }
    return wide;
}

/* The weights of those that are not dropped. */
static espalier_status read_weights(voting *work)
{
    espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *pairs = NULL;
    const espalier_pickle_value *value = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "weights", false, &value);
    if (status != ESPALIER_OK || value == NULL ||
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    work->narrow_weights = !are_wide(value);
    status = espalier_sklearn_attribute(import, import->estimator, "estimators", true, &pairs);
    const size_t all = espalier_pickle_item_count(pairs);
    void *weights = NULL;
    if (status == ESPALIER_OK && (all < work->count || all > UINT32_MAX)) {
        status = espalier_sklearn_fail(import, pairs, ESPALIER_ERROR_SOURCE_TREE,
                                       "estimators has fewer items than estimators_");
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, all, sizeof *work->weights, &weights);
        work->weights = weights;
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_numbers(import, import->estimator, "weights", (uint32_t)all,
                                               work->weights);
    }
    uint32_t kept = 0;
    for (size_t i = 0; status == ESPALIER_OK && i < all; i++) {
        if (!is_dropped(espalier_pickle_item(pairs, i))) {
            work->weights[kept++] = work->weights[i];
        }
    }
    return status != ESPALIER_OK || kept == work->count
               ? status
               : espalier_sklearn_fail(import, pairs, ESPALIER_ERROR_SOURCE_TREE,
                                       "%" PRIu32 " weights for %" PRIu32 " estimators", kept,
                                       work->count);
}

/* ---- members --------------------------------------------------------------------------------- */

/* Members are fitted to the places of all classes. */
static espalier_status check_classes(const voting *work, const espalier_sklearn_member *member)
{
    const espalier_forest_labels *const own = member->forest.labels;
    bool good = own != NULL && member->forest.group_count == 1 && own->count == work->width &&
                own->kind == ESPALIER_LABEL_INT;
    for (uint32_t i = 0; good && i < work->width; i++) {
        good = own->numbers[i] == i;
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(work->import, member->value,
                                        ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                        "its classes are not the places of the %" PRIu32
                                        " of the VotingClassifier around it",
                                        work->width);
}

/* The first slot of what a member gives to the mean or the count. */
static uint32_t find_answer(voting *work, const espalier_sklearn_member *member, uint32_t index)
{
    const espalier_sklearn_import *const import = work->import;
    const bool classifies = import->class->classifier;
    if (work->hard) {
        const double vote[2] = {work->weights != NULL ? work->weights[index] : 1.0, 0.0};
        const uint32_t class = espalier_sklearn_member_class(import, member, 0);
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_CHOOSE, class, work->width, vote);
    }
    const espalier_forest_output *const output = espalier_sklearn_find_output(
        member, classifies ? ESPALIER_OUTPUT_PROBABILITY : ESPALIER_OUTPUT_VALUE, 0);
    work->narrow = work->narrow && output != NULL && output->narrow;
    if (classifies) {
        return espalier_sklearn_member_probability(import, member, 0);
    }
    return output != NULL && output->slot_count == 1 ? output->first_slot : ESPALIER_PLAN_NO_SLOT;
}

static espalier_status use_member(void *user, espalier_sklearn_member *member, uint32_t index)
{
    voting *const work = user;
    espalier_sklearn_import *const import = work->import;
    espalier_status status = import->class->classifier ? check_classes(work, member) : ESPALIER_OK;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_add_member(import, member);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const uint32_t slot = find_answer(work, member, index);
    work->slots[index] = (double)slot;
    return slot != ESPALIER_PLAN_NO_SLOT
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "it has no %s to vote with",
                                       import->class->classifier ? "probabilities or classes"
                                                                 : "single value");
}

/* ---- the mean -------------------------------------------------------------------------------- */

/* numpy.average: without weights the sum by the number; with, the products' sum by the weights'. */
static bool add_mean(voting *work)
{
    const espalier_sklearn_import *const import = work->import;
    const bool weighs = work->weights != NULL && !work->hard;
    bool good = true;
    work->narrow = work->narrow && !weighs;
    for (uint32_t i = 0; i < work->count && good; i++) {
        uint32_t slot = (uint32_t)work->slots[i];
        if (weighs) {
            slot = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_MULTIPLY, slot, work->width,
                                                work->weights[i], false);
        }
        good = espalier_sklearn_accumulate(import, &work->sum, slot, work->width, work->narrow);
    }
    if (!good || work->hard) {
        return good;
    }
    const double divisor =
        weighs ? espalier_sklearn_sum_pairwise(work->weights, work->count) : (double)work->count;
    work->sum = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_DIVIDE, work->sum, work->width,
                                             divisor, work->narrow);
    return work->sum != ESPALIER_PLAN_NO_SLOT;
}

static bool add_outputs(voting *work)
{
    const espalier_sklearn_import *const import = work->import;
    const bool classifies = import->class->classifier;
    const espalier_forest_output answer = {
        .kind = classifies ? ESPALIER_OUTPUT_PROBABILITY : ESPALIER_OUTPUT_VALUE,
        .first_slot = work->sum,
        .slot_count = work->width,
        .narrow = work->narrow,
    };
    return (work->hard || espalier_plan_add_output(import->forest, &answer)) &&
           (!classifies || espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, work->sum,
                                                       work->width, ESPALIER_FOREST_FIRST_MAXIMUM));
}

static espalier_status read_voting(voting *work)
{
    espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    if (!import->class->classifier) {
        work->width = 1;
        return ESPALIER_OK;
    }
    work->width = import->forest->labels[0].count;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "voting", true, &value);
    work->hard = value != NULL && espalier_pickle_text_equal(value, "hard");
    return status != ESPALIER_OK || work->hard || espalier_pickle_text_equal(value, "soft")
               ? status
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "voting is neither hard nor soft");
}

/* numpy.average of float32 with such weights is float32, its sums by another rule. */
static espalier_status check_weights(const voting *work)
{
    return !work->narrow || !work->narrow_weights
               ? ESPALIER_OK
               : espalier_sklearn_fail(work->import, work->import->estimator,
                                       ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "weights of a type of NumPy as narrow as float32, beside "
                                       "members that all answer in float32, as XGBoost's, are not "
                                       "converted; numbers of Python are");
}

espalier_status espalier_sklearn_load_voting(espalier_sklearn_import *import)
{
    voting work = {.import = import, .narrow = true, .sum = ESPALIER_PLAN_NO_SLOT};
    void *slots = NULL;
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    if (status == ESPALIER_OK) {
        status = read_voting(&work);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_list_members(import, "estimators_", &work.members, &work.count);
    }
    if (status == ESPALIER_OK) {
        status = read_weights(&work);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, work.count, sizeof *work.slots, &slots);
        work.slots = slots;
    }
    for (uint32_t i = 0; i < work.count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_read_member(import, work.members, i, NULL, use_member, &work);
    }
    status = espalier_sklearn_close_members(import, status);
    if (status == ESPALIER_OK) {
        work.narrow = work.narrow && !work.hard;
        status = check_weights(&work);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_finish_plan(import, add_mean(&work) && add_outputs(&work));
    }
    free(work.weights);
    free(work.slots);
    return status;
}
