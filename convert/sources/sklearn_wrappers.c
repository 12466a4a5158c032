// SPDX-License-Identifier: Apache-2.0
/*
 * MultiOutputClassifier and MultiOutputRegressor, a member for each output; OneVsRestClassifier,
 * one for each class or label; TransformedTargetRegressor, one whose values are brought back. See
 * sklearn_members.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_members.h"

#include "convert/plan.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One conversion of an estimator with a list of members. */
typedef struct wrapper {
    espalier_sklearn_import *import;
    const espalier_pickle_value *members;
    uint32_t count;
    double *values;  /* [count] slots of values, margins or probabilities of the second class */
    double *margins; /* [count] of margins; -1: there is none */
    bool narrow;     /* values of all members so far are float32 */
    uint32_t first;  /* OneVsRest: the first member that is no constant */
    espalier_forest_output *outputs; /* [2][count] probabilities, then classes */
} wrapper;

/* Every member is added, if it has one output. */
static espalier_status add_member(const wrapper *work, espalier_sklearn_member *member)
{
    return member->forest.group_count == 1
               ? espalier_sklearn_add_member(work->import, member)
               : espalier_sklearn_fail(work->import, member->value,
                                       ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "a member of several outputs");
}

static espalier_status open_wrapper(wrapper *work)
{
    espalier_sklearn_import *const import = work->import;
    void *arrays[3] = {NULL};
    const uint64_t sizes[3] = {sizeof *work->values, sizeof *work->margins,
                               2 * sizeof *work->outputs};
    espalier_status status =
        espalier_sklearn_list_members(import, "estimators_", &work->members, &work->count);
    for (size_t i = 0; i < 3 && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_allocate(import, work->count, sizes[i], &arrays[i]);
    }
    work->values = arrays[0];
    work->margins = arrays[1];
    work->outputs = arrays[2];
    return status;
}

static espalier_status close_wrapper(wrapper *work, espalier_status status)
{
    free(work->values);
    free(work->margins);
    free(work->outputs);
    return espalier_sklearn_close_members(work->import, status);
}

/* ---- a member for each output ---------------------------------------------------------------- */

/* The member's labels become those of its output. */
static espalier_status take_output(void *user, espalier_sklearn_member *member, uint32_t index)
{
    wrapper *const work = user;
    espalier_sklearn_import *const import = work->import;
    espalier_forest *const whole = import->forest;
    const espalier_status status = add_member(work, member);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!import->class->classifier) {
        const espalier_forest_output *const value =
            espalier_sklearn_find_output(member, ESPALIER_OUTPUT_VALUE, 0);
        if (value == NULL || value->slot_count != 1) {
            return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "a member that does not give one value");
        }
        work->values[index] = (double)value->first_slot;
        work->narrow = (index == 0 || work->narrow) && value->narrow;
        return ESPALIER_OK;
    }
    const espalier_forest_output *const class =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_CLASS, 0);
    const uint32_t slot = espalier_sklearn_member_probability(import, member, 0);
    if (class == NULL || slot == ESPALIER_PLAN_NO_SLOT || member->forest.labels == NULL) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a member without classes and probabilities");
    }
    const espalier_forest_output *const probability =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_PROBABILITY, 0);
    const uint32_t labels = member->forest.labels[0].count;
    work->outputs[index] = (espalier_forest_output){.kind = ESPALIER_OUTPUT_PROBABILITY,
                                                    .group = index,
                                                    .first_slot = slot,
                                                    .slot_count = labels,
                                                    .narrow = probability->narrow};
    work->outputs[work->count + index] = *class;
    work->outputs[work->count + index].group = index;
    whole->group_width[index] = labels;
    whole->labels[index] = member->forest.labels[0];
    free(member->forest.labels);
    member->forest.labels = NULL;
    return ESPALIER_OK;
}

/* float32 and float64 members together: the trainer's lists keep both, an output has one type. */
static bool are_types_alike(const wrapper *work)
{
    bool alike = true;
    for (uint32_t i = 1; i < work->count; i++) {
        alike = alike && work->outputs[i].narrow == work->outputs[0].narrow;
    }
    return alike;
}

static espalier_status finish_outputs(wrapper *work)
{
    espalier_sklearn_import *const import = work->import;
    bool good = true;
    if (!import->class->classifier) {
        const uint32_t values =
            espalier_sklearn_pick_slots(import, work->values, work->count, work->narrow);
        good = espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_VALUE, values, work->count,
                                                 work->narrow);
        return espalier_sklearn_finish_plan(import, good);
    }
    if (!are_types_alike(work)) {
        return espalier_sklearn_fail(import, work->members, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "members that give float32 beside others");
    }
    for (uint32_t i = 0; i < 2 * work->count && good; i++) {
        good = espalier_plan_add_output(import->forest, &work->outputs[i]);
    }
    return espalier_sklearn_finish_plan(import, good);
}

static espalier_status open_groups(wrapper *work)
{
    espalier_sklearn_import *const import = work->import;
    espalier_forest *const whole = import->forest;
    const bool classifies = import->class->classifier;
    void *widths = NULL;
    void *labels = NULL;
    const uint32_t groups = classifies ? work->count : 1;
    espalier_status status =
        espalier_sklearn_allocate(import, groups, sizeof *whole->group_width, &widths);
    whole->group_width = widths;
    if (status == ESPALIER_OK && classifies) {
        status = espalier_sklearn_allocate(import, groups, sizeof *whole->labels, &labels);
        whole->labels = labels;
    }
    if (status == ESPALIER_OK) {
        whole->group_count = groups;
        whole->group_width[0] = work->count;
        whole->classifier = classifies;
        whole->keeps_axis = work->count == 1;
        whole->leaf_hidden = true;
        whole->default_output = classifies ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE;
    }
    return status;
}

espalier_status espalier_sklearn_load_multi_output(espalier_sklearn_import *import)
{
    wrapper work = {.import = import};
    espalier_status status = open_wrapper(&work);
    if (status == ESPALIER_OK) {
        status = open_groups(&work);
    }
    for (uint32_t i = 0; i < work.count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_read_member(import, work.members, i, NULL, take_output, &work);
    }
    if (status == ESPALIER_OK) {
        status = finish_outputs(&work);
    }
    if (status == ESPALIER_OK && !espalier_sklearn_version_from(import->version, 0, 24)) {
        espalier_sklearn_refuse_rows(import); /* 0.23 and older look at rows themselves */
    }
    return close_wrapper(&work, status);
}

/* ---- a member for each class ----------------------------------------------------------------- */

/* Its score is its decision function, or the probability of its second class. */
static espalier_status take_score(void *user, espalier_sklearn_member *member, uint32_t index)
{
    wrapper *const work = user;
    espalier_sklearn_import *const import = work->import;
    const espalier_status status = add_member(work, member);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_forest_output *const margin = espalier_sklearn_member_margin(member);
    const espalier_forest_output *const probability =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_PROBABILITY, 0);
    const uint32_t labels = member->forest.labels != NULL ? member->forest.labels[0].count : 0;
    if (labels != 2 || probability == NULL || (margin != NULL && margin->slot_count != 1)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "no classifier of two classes with probabilities");
    }
    work->values[index] =
        (double)probability->first_slot + (probability->slot_count == 2 ? 1.0 : 0.0);
    work->margins[index] = margin != NULL ? (double)margin->first_slot : -1.0;
    work->narrow = (index == work->first || work->narrow) && probability->narrow;
    return ESPALIER_OK;
}

/* A stage in the type of the members' probabilities. */
static uint32_t add_stage(const wrapper *work, espalier_forest_operation operation, uint32_t slot,
                          uint32_t count)
{
    return espalier_sklearn_add_typed_stage(work->import,
                                            &(espalier_forest_stage){.operation = operation,
                                                                     .input_slot = slot,
                                                                     .count = count,
                                                                     .narrow = work->narrow},
                                            NULL);
}

/* One member: two classes. The sum of 1 - p and p may not be 1. */
static bool add_two_classes(const wrapper *work)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t second = espalier_sklearn_pick_slots(import, work->values, 1, work->narrow);
    const uint32_t both = add_stage(work, ESPALIER_FOREST_TWO_CLASSES, second, 1);
    const uint32_t shares = add_stage(work, ESPALIER_FOREST_NORMALISE, both, 2);
    const bool scored = work->margins[0] >= 0;
    return (!scored ||
            espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, (uint32_t)work->margins[0],
                                        1, ESPALIER_FOREST_NO_DECISION)) &&
           espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_PROBABILITY, shares, 2,
                                             work->narrow) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS,
                                       scored ? (uint32_t)work->margins[0] : second, 1,
                                       scored ? ESPALIER_FOREST_ABOVE_ZERO
                                              : ESPALIER_FOREST_ABOVE_HALF);
}

/* A tie is the last class up to 1.7. */
static bool add_scores(const wrapper *work)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t second =
        espalier_sklearn_pick_slots(import, work->values, work->count, work->narrow);
    const uint32_t shares = add_stage(work, ESPALIER_FOREST_NORMALISE, second, work->count);
    const espalier_forest_decision decision = espalier_sklearn_version_from(import->version, 1, 8)
                                                  ? ESPALIER_FOREST_FIRST_MAXIMUM
                                                  : ESPALIER_FOREST_LAST_MAXIMUM;
    bool scored = true;
    for (uint32_t i = 0; i < work->count; i++) {
        scored = scored && work->margins[i] >= 0;
    }
    const uint32_t scores =
        scored ? espalier_sklearn_pick_slots(import, work->margins, work->count, false) : second;
    return (!scored || espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, scores,
                                                   work->count, ESPALIER_FOREST_NO_DECISION)) &&
           espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_PROBABILITY, shares,
                                             work->count, work->narrow) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, scores, work->count,
                                       decision);
}

/* ---- a member for each label of rows that may have several ---------------------------------- */

/* The groups are the labels: each is there, 1, or not, 0. */
static espalier_status open_labels(const wrapper *work)
{
    espalier_sklearn_import *const import = work->import;
    espalier_forest *const whole = import->forest;
    void *widths = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(import, work->count, sizeof *whole->group_width, &widths);
    if (status != ESPALIER_OK) {
        return status;
    }
    whole->group_width = widths;
    whole->group_count = work->count;
    whole->classifier = true;
    whole->keeps_axis = work->count == 1;
    whole->leaf_hidden = true;
    whole->default_output = ESPALIER_OUTPUT_CLASS;
    for (uint32_t i = 0; i < work->count; i++) {
        whole->group_width[i] = 1;
    }
    return espalier_sklearn_finish_plan(import, espalier_plan_number_labels(whole, 2));
}

/* A label that all rows of training had, or none: sklearn.multiclass's own predictor, of which 0 or
 * 1 is kept. */
static const espalier_pickle_value *constant_at(const wrapper *work, uint32_t index)
{
    const espalier_pickle_value *const member = espalier_pickle_item(work->members, index);
    return member != NULL && espalier_pickle_kind_of(member) == ESPALIER_PICKLE_OBJECT &&
                   espalier_pickle_is(member, "sklearn.multiclass", "_ConstantPredictor")
               ? member
               : NULL;
}

static espalier_status add_constant(wrapper *work, uint32_t index)
{
    const espalier_sklearn_import *const import = work->import;
    double value = 0.0;
    const espalier_status status =
        espalier_sklearn_read_numbers(import, constant_at(work, index), "y_", 1, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    const uint32_t slot =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_CONSTANTS, 0, 1, &value);
    work->values[index] = (double)slot;
    work->margins[index] = (double)slot;
    work->narrow = false;
    return espalier_sklearn_finish_plan(import, slot != ESPALIER_PLAN_NO_SLOT);
}

/* Each of the labels' records of a kind, one slot each. */
static bool add_records(const wrapper *work, espalier_output_kind kind, uint32_t slot,
                        espalier_forest_decision decision)
{
    bool good = slot != ESPALIER_PLAN_NO_SLOT;
    for (uint32_t i = 0; i < work->count && good; i++) {
        const espalier_forest_output output = {.kind = kind,
                                               .group = i,
                                               .first_slot = slot + i,
                                               .slot_count = 1,
                                               .decision = decision,
                                               .narrow = kind == ESPALIER_OUTPUT_PROBABILITY &&
                                                         work->narrow};
        good = espalier_plan_add_output(work->import->forest, &output);
    }
    return good;
}

/* All are compared with the number that is the first one's: of a constant one half. */
static bool add_labels(const wrapper *work)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t values =
        espalier_sklearn_pick_slots(import, work->values, work->count, work->narrow);
    const bool scored = work->margins[work->first] >= 0;
    const uint32_t scores =
        scored ? espalier_sklearn_pick_slots(import, work->margins, work->count, false) : values;
    return (!scored ||
            add_records(work, ESPALIER_OUTPUT_MARGIN, scores, ESPALIER_FOREST_NO_DECISION)) &&
           add_records(work, ESPALIER_OUTPUT_PROBABILITY, values, ESPALIER_FOREST_NO_DECISION) &&
           add_records(work, ESPALIER_OUTPUT_CLASS, scores,
                       scored && work->first == 0 ? ESPALIER_FOREST_ABOVE_ZERO
                                                  : ESPALIER_FOREST_ABOVE_HALF);
}

static espalier_status load_labels(wrapper *work)
{
    espalier_sklearn_import *const import = work->import;
    espalier_status status = open_wrapper(work);
    if (status == ESPALIER_OK) {
        status = open_labels(work);
    }
    while (status == ESPALIER_OK && work->first < work->count &&
           constant_at(work, work->first) != NULL) {
        work->first++;
    }
    if (status == ESPALIER_OK && work->first == work->count) {
        return espalier_sklearn_fail(import, work->members, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "every label is constant: there is no tree to convert");
    }
    for (uint32_t i = work->first; i < work->count && status == ESPALIER_OK; i++) {
        if (constant_at(work, i) == NULL) {
            status = espalier_sklearn_read_member(import, work->members, i, NULL, take_score, work);
        }
        if (status == ESPALIER_OK && constant_at(work, i) == NULL &&
            (work->margins[i] >= 0) != (work->margins[work->first] >= 0)) {
            status = espalier_sklearn_fail(import, work->members, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                           "members with decision_function beside others");
        }
    }
    for (uint32_t i = 0; i < work->count && status == ESPALIER_OK; i++) {
        status = constant_at(work, i) != NULL ? add_constant(work, i) : status;
    }
    return status == ESPALIER_OK ? espalier_sklearn_finish_plan(import, add_labels(work)) : status;
}

/* ---- both ----------------------------------------------------------------------------------- */

static espalier_status check_classes(const wrapper *work, const espalier_pickle_value *binarizer,
                                     const espalier_pickle_value *type)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t classes = import->forest->labels[0].count;
    const bool several = espalier_pickle_text_equal(type, "multiclass");
    import->forest->probability_by_class = several;
    if (classes == 1 && espalier_pickle_text_equal(type, "binary")) {
        return espalier_sklearn_fail(import, binarizer, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a OneVsRestClassifier of one class");
    }
    if (several ? classes != work->count
                : !espalier_pickle_text_equal(type, "binary") || classes != 2 || work->count != 1) {
        return espalier_sklearn_fail(import, binarizer, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a OneVsRestClassifier of another sort of classes, or with "
                                     "another number of members than these");
    }
    return ESPALIER_OK;
}

/* Of rows with one class each. */
static espalier_status load_classes(wrapper *work, const espalier_pickle_value *binarizer,
                                    const espalier_pickle_value *type)
{
    espalier_sklearn_import *const import = work->import;
    /* Before 1.0 classes_ is the binarizer's alone. */
    const espalier_pickle_value *const estimator = import->estimator;
    import->estimator =
        espalier_sklearn_is_set(import, estimator, "classes_") ? estimator : binarizer;
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    import->estimator = estimator;
    if (status == ESPALIER_OK) {
        status = open_wrapper(work);
    }
    if (status == ESPALIER_OK) {
        status = check_classes(work, binarizer, type);
    }
    for (uint32_t i = 0; i < work->count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_read_member(import, work->members, i, NULL, take_score, work);
    }
    return status == ESPALIER_OK
               ? espalier_sklearn_finish_plan(import, work->count == 1 ? add_two_classes(work)
                                                                       : add_scores(work))
               : status;
}

espalier_status espalier_sklearn_load_one_vs_rest(espalier_sklearn_import *import)
{
    wrapper work = {.import = import};
    const espalier_pickle_value *binarizer = NULL;
    const espalier_pickle_value *type = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "label_binarizer_", true, &binarizer);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, binarizer, "y_type_", true, &type);
    }
    if (status == ESPALIER_OK) {
        status = espalier_pickle_text_equal(type, "multilabel-indicator")
                     ? load_labels(&work)
                     : load_classes(&work, binarizer, type);
    }
    return close_wrapper(&work, status);
}

/* ---- values that are brought back ------------------------------------------------------------ */

/* NumPy's functions, by the names they are pickled under. */
static const struct {
    const char *name;
    espalier_forest_operation operation;
} functions[] = {
    {"exp", ESPALIER_FOREST_EXP},     {"expm1", ESPALIER_FOREST_EXPM1},
    {"exp2", ESPALIER_FOREST_EXP2},   {"square", ESPALIER_FOREST_SQUARE},
    {"sqrt", ESPALIER_FOREST_SQRT},   {"log", ESPALIER_FOREST_LOG},
    {"log1p", ESPALIER_FOREST_LOG1P},
};

#define FUNCTIONS "exp, expm1, exp2, square, sqrt, log and log1p of NumPy"

/* The regressor's values on their way back. */
typedef struct target {
    uint32_t slot; /* the first of them */
    uint32_t count;
    bool narrow;         /* they are float32, */
    bool rounds_numbers; /* and so are the scaler's numbers first, not what comes of both */
} target;

/* A stage of the values; constants in the type that `narrow` says. */
static void add_target_stage(const espalier_sklearn_import *import,
                             espalier_forest_operation operation, bool narrow, target *values,
                             const double *constants)
{
    values->slot =
        espalier_sklearn_add_typed_stage(import,
                                         &(espalier_forest_stage){.operation = operation,
                                                                  .input_slot = values->slot,
                                                                  .count = values->count,
                                                                  .narrow = narrow},
                                         constants);
}

/* FunctionTransformer: a function of NumPy, or none. */
static espalier_status add_function(espalier_sklearn_import *import,
                                    const espalier_pickle_value *transformer, target *values)
{
    const espalier_pickle_value *value = NULL;
    const espalier_pickle_value *arguments = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, transformer, "inverse_func", false, &value);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, transformer, "inv_kw_args", false, &arguments);
    }
    if (status != ESPALIER_OK || value == NULL ||
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    if (arguments != NULL && espalier_pickle_pair_count(arguments) > 0) {
        return espalier_sklearn_fail(import, arguments, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "an inverse_func with arguments is not converted");
    }
    espalier_pickle_slice name = {"of another kind", 15};
    const bool found = espalier_sklearn_numpy_function(value, &name);
    for (size_t i = 0; found && i < sizeof functions / sizeof functions[0]; i++) {
        if (espalier_pickle_slice_equal(name, functions[i].name)) {
            const bool own = values->narrow && functions[i].operation == ESPALIER_FOREST_EXP;
            add_target_stage(import, own ? ESPALIER_FOREST_NUMPY_EXP : functions[i].operation,
                             values->narrow, values, NULL);
            return ESPALIER_OK;
        }
    }
    return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "the inverse_func %.*s is not converted; " FUNCTIONS " are",
                                 name.bytes < 64 ? (int)name.bytes : 64, name.data);
}

/* Whether the parameter `with` of a scaler is true as Python sees it: None and 0 are not. */
static espalier_status read_with(const espalier_sklearn_import *import,
                                 const espalier_pickle_value *transformer, const char *with,
                                 bool *used_out)
{
    const espalier_pickle_value *value = NULL;
    int64_t number = 0;
    (void)espalier_pickle_attribute(import->pickle, transformer, with, &value, NULL);
    *used_out = value == NULL;
    if (value == NULL || espalier_pickle_get_bool(value, used_out) ||
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return ESPALIER_OK;
    }
    *used_out = espalier_pickle_get_int64(value, &number) && number != 0;
    return *used_out || espalier_pickle_get_int64(value, &number)
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "the target's %s is neither true nor false", with);
}

/* x - c is x + -c, exactly. float32 numbers are rounded to it before they meet it. */
static bool settle_numbers(double *numbers, uint32_t count, bool negative, bool narrow)
{
    bool finite = true;
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = negative ? -numbers[i] : numbers[i];
        numbers[i] = narrow ? (double)(float)numbers[i] : numbers[i];
        finite = finite && isfinite(numbers[i]);
    }
    return finite;
}

/* One thing that a scaler undoes: by an array, where it is set and the parameter `with` is true: a
 * StandardScaler knows its mean_ without using it. */
typedef struct scaler_step {
    const char *name; /* NULL: there is no such step */
    const char *with;
    espalier_forest_operation operation;
    bool negative;
} scaler_step;

static espalier_status add_scaler_step(espalier_sklearn_import *import,
                                       const espalier_pickle_value *transformer,
                                       const scaler_step *step, target *values)
{
    bool used = true;
    espalier_status status = read_with(import, transformer, step->with, &used);
    if (status != ESPALIER_OK || !used ||
        !espalier_sklearn_is_set(import, transformer, step->name)) {
        return status;
    }
    double *const numbers = malloc(values->count * sizeof *numbers);
    if (numbers == NULL) {
        return espalier_sklearn_fail(import, transformer, ESPALIER_ERROR_MEMORY, "no memory");
    }
    status = espalier_sklearn_read_numbers(import, transformer, step->name, values->count, numbers);
    if (status == ESPALIER_OK &&
        !settle_numbers(numbers, values->count, step->negative, values->rounds_numbers)) {
        status = espalier_sklearn_fail(import, transformer, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "%s of the target is beyond float32, in which it is used",
                                       step->name);
    }
    if (status == ESPALIER_OK) {
        add_target_stage(import, step->operation, values->rounds_numbers, values, numbers);
    }
    if (status == ESPALIER_OK && values->narrow && !values->rounds_numbers) {
        add_target_stage(import, ESPALIER_FOREST_ROUND, true, values, NULL);
    }
    free(numbers);
    return status;
}

/* Scalers undo what they did, in the reverse order; False in *known: another transformer. */
static espalier_status add_scaler(espalier_sklearn_import *import,
                                  const espalier_pickle_value *transformer, target *values,
                                  bool *known)
{
    static const struct {
        const char *name;
        scaler_step steps[2];
    } scalers[] = {
        {"StandardScaler",
         {{"scale_", "with_std", ESPALIER_FOREST_MULTIPLY, false},
          {"mean_", "with_mean", ESPALIER_FOREST_ADD, false}}},
        {"RobustScaler",
         {{"scale_", "with_scaling", ESPALIER_FOREST_MULTIPLY, false},
          {"center_", "with_centering", ESPALIER_FOREST_ADD, false}}},
        {"MaxAbsScaler", {{"scale_", "", ESPALIER_FOREST_MULTIPLY, false}, {NULL, NULL, 0, false}}},
        {"MinMaxScaler",
         {{"min_", "", ESPALIER_FOREST_ADD, true}, {"scale_", "", ESPALIER_FOREST_DIVIDE, false}}},
    };
    *known = false;
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < sizeof scalers / sizeof scalers[0] && !*known; i++) {
        *known = espalier_pickle_is(transformer, "sklearn.preprocessing._data", scalers[i].name);
        /* From 1.8 on StandardScaler's numbers are float32 there. */
        values->rounds_numbers =
            values->narrow && i == 0 && espalier_sklearn_version_from(import->version, 1, 8);
        for (size_t k = 0; k < 2 && *known && status == ESPALIER_OK; k++) {
            const scaler_step *const step = &scalers[i].steps[k];
            status = step->name != NULL ? add_scaler_step(import, transformer, step, values)
                                        : ESPALIER_OK;
        }
    }
    return status;
}

static espalier_status add_inverse(espalier_sklearn_import *import, target *values)
{
    const espalier_pickle_value *transformer = NULL;
    bool known = false;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "transformer_", true, &transformer);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_source_path_attribute(&import->path, "transformer_");
    if (espalier_pickle_is(transformer, "sklearn.preprocessing._function_transformer",
                           "FunctionTransformer")) {
        return add_function(import, transformer, values);
    }
    status = add_scaler(import, transformer, values, &known);
    if (status != ESPALIER_OK || known) {
        return status;
    }
    const espalier_pickle_name *const name = espalier_pickle_class(transformer);
    const espalier_pickle_slice text =
        name != NULL ? name->name : (espalier_pickle_slice){"no estimator", 12};
    return espalier_sklearn_fail(import, transformer, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "the target's %.*s is not converted; functions and Standard, "
                                 "Robust, MaxAbs and MinMaxScaler are, and regressor_ alone",
                                 text.bytes < 64 ? (int)text.bytes : 64, text.data);
}

/* Targets that had an axis of outputs at training have it in predict, be there but one. */
static bool had_axis(const espalier_sklearn_import *import)
{
    const espalier_pickle_value *value = NULL;
    int64_t axes = 0;
    (void)espalier_pickle_attribute(import->pickle, import->estimator, "_training_dim", &value,
                                    NULL);
    return value != NULL && espalier_pickle_get_int64(value, &axes) && axes == 2;
}

espalier_status espalier_sklearn_load_transformed(espalier_sklearn_import *import)
{
    const size_t path_bytes = import->path.bytes;
    const espalier_pickle_value *value = NULL;
    espalier_sklearn_member member = {0};
    target values = {0};
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, import->estimator, "regressor_", true, &value);
    }
    if (status == ESPALIER_OK) {
        espalier_source_path_attribute(&import->path, "regressor_");
        status = espalier_sklearn_load_member(import, value, NULL, &member);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_add_member(import, &member);
    }
    if (status == ESPALIER_OK) {
        const espalier_forest_output *const output =
            espalier_sklearn_find_output(&member, ESPALIER_OUTPUT_VALUE, 0);
        if (output == NULL) {
            status = espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                           "a regressor without values");
        } else {
            values = (target){output->first_slot, output->slot_count, output->narrow, false};
        }
    }
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
        status = add_inverse(import, &values);
    }
    espalier_sklearn_free_member(&member);
    status = espalier_sklearn_close_members(import, status);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_source_path_cut(&import->path, path_bytes);
    import->forest->group_width[0] = values.count;
    import->forest->keeps_axis = values.count == 1 && had_axis(import);
    return espalier_sklearn_finish_plan(
        import, espalier_sklearn_add_typed_output(import, ESPALIER_OUTPUT_VALUE, values.slot,
                                                  values.count, values.narrow));
}
