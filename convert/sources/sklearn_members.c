// SPDX-License-Identifier: Apache-2.0
/*
 * See sklearn_members.h. A member is loaded by the importer of its own class, as if it were alone,
 * and then added to the whole; so estimators may be inside each other, to a depth that is bounded.
 */
#include "convert/sources/sklearn_members.h"

#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_pipeline.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading --------------------------------------------------------------------------------- */

static espalier_status load_object(const espalier_sklearn_import *import,
                                   const espalier_sklearn_object *object,
                                   espalier_sklearn_member *member)
{
    espalier_source_summary summary = {0};
    if (espalier_sklearn_boosted_classify(import->pickle, object->value) != ESPALIER_SOURCE_OTHER) {
        /* LightGBM's classifiers have decision_function from 4.7 on, as this attribute. */
        member->boosted = true;
        member->scoreless =
            !espalier_sklearn_is_set(import, object->value, "_fitted_with_feature_names");
        return espalier_sklearn_boosted_load(object, &member->forest, &summary, import->error);
    }
    return espalier_sklearn_load(object, &member->forest, import->error);
}

/* A model, or a pipeline with one at its end. */
static espalier_status load_estimator(espalier_sklearn_import *import,
                                      espalier_sklearn_object *object,
                                      const espalier_pickle_value *value,
                                      espalier_sklearn_member *member)
{
    espalier_source_path *const end_path = malloc(sizeof *end_path);
    if (end_path == NULL) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_MEMORY, "no memory for a path");
    }
    *end_path = import->path;
    object->value = espalier_sklearn_pipeline_end(import->pickle, value, end_path);
    object->path = end_path->text;
    member->class = espalier_sklearn_class_of(object->value);
    espalier_status status = load_object(import, object, member);
    if (status == ESPALIER_OK && object->value != value) {
        status = espalier_sklearn_prepare_forest(import->pickle, import->source, import->path.text,
                                                 value, object->memory_bytes_max, object->work_left,
                                                 &member->forest, import->error);
    }
    free(end_path);
    return status;
}

/* What is no model, or one that is not converted. */
static espalier_status refuse_member(const espalier_sklearn_import *import,
                                     const espalier_pickle_value *value)
{
    char text[240];
    if (value == NULL) {
        return espalier_sklearn_fail(import, import->estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "there is no estimator here");
    }
    espalier_sklearn_explain(import->pickle, value, import->path.text, text, sizeof text);
    return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "a %s holds this: %s", import->class->name, text);
}

/* The features a member sees, as numbers of the whole's. */
static espalier_status read_subset(espalier_sklearn_import *import,
                                   const espalier_pickle_value *subset,
                                   espalier_sklearn_member *member)
{
    const espalier_forest *const whole = import->forest;
    const espalier_pickle_array *const array = espalier_pickle_get_array(subset);
    void *numbers = NULL;
    if (array == NULL || array->form->dim_count != 1 || array->form->element_count == 0 ||
        array->form->element_count != member->forest.feature_count) {
        return espalier_sklearn_fail(import, subset, ESPALIER_ERROR_SOURCE_TREE,
                                     "estimators_features_ has no array of the %" PRIu32
                                     " features of this estimator",
                                     member->forest.feature_count);
    }
    const espalier_status status = espalier_sklearn_allocate(import, array->form->element_count,
                                                             sizeof *member->numbers, &numbers);
    if (status != ESPALIER_OK) {
        return status;
    }
    member->numbers = numbers;
    for (uint64_t i = 0; i < array->form->element_count; i++) {
        int64_t number = 0;
        if (!espalier_pickle_array_int64(array, i, &number) || number < 0 ||
            number >= whole->feature_count) {
            return espalier_sklearn_fail(import, subset, ESPALIER_ERROR_SOURCE_TREE,
                                         "estimators_features_ names no feature of the %" PRIu32
                                         " for number %" PRIu64,
                                         whole->feature_count, i);
        }
        member->numbers[i] = (uint32_t)number;
    }
    member->features =
        (espalier_combine_features){member->numbers, (uint32_t)array->form->element_count};
    return ESPALIER_OK;
}

/* What rows the whole accepts. */
static espalier_status settle_member(espalier_sklearn_import *import,
                                     const espalier_pickle_value *subset,
                                     espalier_sklearn_member *member)
{
    espalier_forest *const whole = import->forest;
    const espalier_forest *const forest = &member->forest;
    const bool first = import->combine.whole == NULL;
    if (first) {
        import->combine = (espalier_combine){.whole = whole, .memory_left = import->memory_left};
        whole->missing_allowed = true;
        whole->infinite_allowed = true;
        whole->missing_marked = forest->missing_marked;
        whole->missing_number = forest->missing_number;
        whole->feature_count =
            whole->feature_count != 0 ? whole->feature_count : forest->feature_count;
    }
    if (forest->missing_marked != whole->missing_marked ||
        forest->missing_number != whole->missing_number) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a member that takes %g for missing beside one that does not "
                                     "is not converted; by itself it is",
                                     forest->missing_marked ? forest->missing_number
                                                            : whole->missing_number);
    }
    whole->missing_allowed = whole->missing_allowed && forest->missing_allowed;
    whole->infinite_allowed = whole->infinite_allowed && forest->infinite_allowed;
    if (subset != NULL) {
        return read_subset(import, subset, member);
    }
    return forest->feature_count == whole->feature_count
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_TREE,
                                       "%" PRIu32 " features inside an estimator of %" PRIu32,
                                       forest->feature_count, whole->feature_count);
}

espalier_status espalier_sklearn_load_member(espalier_sklearn_import *import,
                                             const espalier_pickle_value *value,
                                             const espalier_pickle_value *subset,
                                             espalier_sklearn_member *member)
{
    if (value != NULL) {
        value = espalier_sklearn_resolve(import->pickle, value, &import->path);
    }
    if (value == NULL ||
        espalier_sklearn_classify(import->pickle, value) != ESPALIER_SOURCE_SUPPORTED) {
        return refuse_member(import, value);
    }
    if (import->object->depth >= ESPALIER_SKLEARN_DEPTH_MAX) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "more than %u estimators inside each other",
                                     ESPALIER_SKLEARN_DEPTH_MAX);
    }
    espalier_sklearn_object object = *import->object;
    object.memory_bytes_max =
        import->combine.whole != NULL ? import->combine.memory_left : import->memory_left;
    object.depth++;
    member->value = value;
    espalier_status status = load_estimator(import, &object, value, member);
    if (status == ESPALIER_OK) {
        status = settle_member(import, subset, member);
    }
    return status;
}

void espalier_sklearn_free_member(espalier_sklearn_member *member)
{
    espalier_forest_free(&member->forest);
    espalier_plan_free(&member->plan);
    free(member->numbers);
    *member = (espalier_sklearn_member){0};
}

espalier_status espalier_sklearn_read_member(espalier_sklearn_import *import,
                                             const espalier_pickle_value *members, uint32_t index,
                                             const espalier_pickle_value *subset,
                                             espalier_sklearn_member_use *use, void *work)
{
    const size_t path_bytes = import->path.bytes;
    espalier_sklearn_member member = {0};
    espalier_source_path_attribute(&import->path, "estimators_");
    espalier_source_path_item(&import->path, index);
    espalier_status status =
        espalier_sklearn_load_member(import, espalier_pickle_item(members, index), subset, &member);
    if (status == ESPALIER_OK) {
        status = use(work, &member, index);
    }
    espalier_sklearn_free_member(&member);
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
    }
    return status;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static espalier_status explain_combine(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *at, espalier_status status)
{
    return status == ESPALIER_OK ? ESPALIER_OK
           : status == ESPALIER_ERROR_SOURCE_TREE
               ? espalier_sklearn_fail(import, at, status,
                                       "a node tests a feature that is not there")
           : status == ESPALIER_ERROR_SOURCE_UNSUPPORTED
               ? espalier_sklearn_fail(import, at, status,
                                       "its categories beside those of another estimator of the %s "
                                       "are not converted: they read numbers in different ways",
                                       import->class->name)
           : status == ESPALIER_ERROR_MEMORY
               ? espalier_sklearn_fail(import, at, status, "no memory for all the forests together")
               : espalier_sklearn_fail(import, at, status,
                                       "the forests together pass a limit: %" PRIu64
                                       " bytes of working memory, %u trees, %u parts or %u values",
                                       import->memory_bytes_max, ESPALIER_LIMIT_TREES,
                                       ESPALIER_LIMIT_PARTS, ESPALIER_LIMIT_SLOTS);
}

static const espalier_combine_features *find_features(const espalier_sklearn_member *member)
{
    return member->numbers != NULL ? &member->features : NULL;
}

espalier_status espalier_sklearn_add_member(espalier_sklearn_import *import,
                                            espalier_sklearn_member *member)
{
    uint32_t offset = 0;
    espalier_status status =
        espalier_combine_add(&import->combine, &member->forest, find_features(member), &offset);
    if (status == ESPALIER_OK) {
        status = espalier_plan_make(&member->forest, &member->plan, NULL);
    }
    for (uint32_t i = 0; status == ESPALIER_OK && i < member->plan.output_count; i++) {
        member->plan.outputs[i].first_slot += offset;
    }
    return explain_combine(import, member->value, status);
}

espalier_status espalier_sklearn_close_members(espalier_sklearn_import *import,
                                               espalier_status status)
{
    const espalier_status closed = espalier_combine_close(&import->combine);
    return status != ESPALIER_OK || closed == ESPALIER_OK
               ? status
               : explain_combine(import, import->estimator, closed);
}

void espalier_sklearn_refuse_rows(espalier_sklearn_import *import)
{
    import->forest->missing_allowed = false;
    import->forest->infinite_allowed = false;
    import->combine.refuses |= ESPALIER_PREPARE_REFUSE_NAN | ESPALIER_PREPARE_REFUSE_INFINITE;
}

espalier_status espalier_sklearn_open_joint(espalier_sklearn_import *import,
                                            const espalier_forest_part *part)
{
    return explain_combine(import, import->estimator,
                           espalier_combine_open(&import->combine, part,
                                                 ESPALIER_FOREST_INPUT_FLOAT32));
}

espalier_status espalier_sklearn_join_member(espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member,
                                             const double *leaf_rows, uint32_t slot,
                                             uint32_t iteration)
{
    return explain_combine(import, member->value,
                           espalier_combine_join(&import->combine, &member->forest,
                                                 find_features(member), leaf_rows, slot,
                                                 iteration));
}

bool espalier_sklearn_is_single_tree(const espalier_sklearn_member *member)
{
    return member->class != NULL && member->class->kind == ESPALIER_SKLEARN_TREE &&
           member->forest.preparation == NULL;
}

/* ---- slots ----------------------------------------------------------------------------------- */

const espalier_forest_output *espalier_sklearn_find_output(const espalier_sklearn_member *member,
                                                           espalier_output_kind kind,
                                                           uint32_t group)
{
    for (uint32_t i = 0; i < member->plan.output_count; i++) {
        const espalier_forest_output *const output = &member->plan.outputs[i];
        if (output->kind == kind && output->group == group) {
            return output;
        }
    }
    return NULL;
}

uint32_t espalier_sklearn_add_typed_stage(const espalier_sklearn_import *import,
                                          const espalier_forest_stage *stage,
                                          const double *constants)
{
    return stage->input_slot == ESPALIER_PLAN_NO_SLOT
               ? ESPALIER_PLAN_NO_SLOT
               : espalier_plan_add_stage(import->forest, stage, constants);
}

uint32_t espalier_sklearn_member_probability(const espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member, uint32_t group)
{
    const espalier_forest_output *const output =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_PROBABILITY, group);
    if (output == NULL) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    const uint32_t labels = member->forest.labels != NULL ? member->forest.labels[group].count : 0;
    if (output->slot_count != 1 || labels != 2) {
        return output->first_slot;
    }
    return espalier_sklearn_add_typed_stage(
        import,
        &(espalier_forest_stage){.operation = ESPALIER_FOREST_TWO_CLASSES,
                                 .input_slot = output->first_slot,
                                 .count = 1,
                                 .narrow = output->narrow},
        NULL);
}

uint32_t espalier_sklearn_member_class(const espalier_sklearn_import *import,
                                       const espalier_sklearn_member *member, uint32_t group)
{
    static const double half[1] = {-0.5};
    static const double minus[1] = {-1.0};
    const espalier_forest_output *const output =
        espalier_sklearn_find_output(member, ESPALIER_OUTPUT_CLASS, group);
    const espalier_forest_decision decision =
        output != NULL ? output->decision : ESPALIER_FOREST_NO_DECISION;
    uint32_t slot = output != NULL ? output->first_slot : ESPALIER_PLAN_NO_SLOT;
    switch (decision) {
    case ESPALIER_FOREST_FIRST_MAXIMUM:
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_INDEX, slot, output->slot_count,
                                          NULL);
    case ESPALIER_FOREST_ABOVE_HALF: /* the sign of a difference is exact */
        slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_ADD, slot, 1, half);
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_STEP, slot, 1, NULL);
    case ESPALIER_FOREST_ABOVE_ZERO:
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_STEP, slot, 1, NULL);
    case ESPALIER_FOREST_AT_LEAST_ZERO: /* not: -x > 0 */
        slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, slot, 1, minus);
        slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_STEP, slot, 1, NULL);
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_TWO_CLASSES, slot, 1, NULL);
    default:
        return ESPALIER_PLAN_NO_SLOT;
    }
}

const espalier_forest_output *espalier_sklearn_member_margin(const espalier_sklearn_member *member)
{
    return !member->scoreless ? espalier_sklearn_find_output(member, ESPALIER_OUTPUT_MARGIN, 0)
                              : NULL;
}

uint32_t espalier_sklearn_pick_slots(const espalier_sklearn_import *import, const double *slots,
                                     uint32_t count, bool narrow)
{
    return espalier_sklearn_add_typed_stage(import,
                                            &(espalier_forest_stage){.operation =
                                                                         ESPALIER_FOREST_PICK,
                                                                     .count = count,
                                                                     .narrow = narrow},
                                            slots);
}

bool espalier_sklearn_add_typed_output(const espalier_sklearn_import *import,
                                       espalier_output_kind kind, uint32_t slot, uint32_t count,
                                       bool narrow)
{
    return slot != ESPALIER_PLAN_NO_SLOT &&
           espalier_plan_add_output(import->forest, &(espalier_forest_output){.kind = kind,
                                                                              .first_slot = slot,
                                                                              .slot_count = count,
                                                                              .narrow = narrow});
}

bool espalier_sklearn_accumulate(const espalier_sklearn_import *import, uint32_t *sum,
                                 uint32_t slot, uint32_t count, bool narrow)
{
    *sum = *sum == ESPALIER_PLAN_NO_SLOT
               ? slot
               : espalier_sklearn_add_typed_stage(
                     import,
                     &(espalier_forest_stage){.operation = ESPALIER_FOREST_ADD_SLOTS,
                                              .input_slot = *sum,
                                              .other_slot = slot,
                                              .count = count,
                                              .narrow = narrow},
                     NULL);
    return slot != ESPALIER_PLAN_NO_SLOT && *sum != ESPALIER_PLAN_NO_SLOT;
}

uint32_t espalier_sklearn_add_uniform(const espalier_sklearn_import *import,
                                      espalier_forest_operation operation, uint32_t slot,
                                      uint32_t count, double number, bool narrow)
{
    double *const numbers = malloc(count * sizeof *numbers);
    if (numbers == NULL) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = number;
    }
    const uint32_t result =
        espalier_sklearn_add_typed_stage(import,
                                         &(espalier_forest_stage){.operation = operation,
                                                                  .input_slot = slot,
                                                                  .count = count,
                                                                  .narrow = narrow},
                                         numbers);
    free(numbers);
    return result;
}

/* ---- the whole ------------------------------------------------------------------------------- */

espalier_status espalier_sklearn_open_whole(espalier_sklearn_import *import, uint32_t width)
{
    espalier_forest *const forest = import->forest;
    void *widths = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(import, 1, sizeof *forest->group_width, &widths);
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->group_count = 1;
    forest->group_width = widths;
    forest->group_width[0] = width;
    forest->leaf_hidden = true;
    forest->classifier = import->class->classifier;
    forest->default_output = forest->classifier ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE;
    return forest->classifier ? espalier_sklearn_read_classes(import) : ESPALIER_OK;
}

static double label_number(const espalier_forest_labels *labels, uint32_t index)
{
    const uint64_t bits = labels->numbers[index];
    double number = 0.0;
    memcpy(&number, &bits, sizeof number);
    return labels->kind == ESPALIER_LABEL_FLOAT  ? number
           : labels->kind == ESPALIER_LABEL_UINT ? (double)bits
                                                 : (double)(int64_t)bits;
}

/* By value, as NumPy compares: XGBoost's classes are integers, those around it may be booleans. */
static bool are_labels_equal(const espalier_forest_labels *a, uint32_t i,
                             const espalier_forest_labels *b, uint32_t k)
{
    const bool text = a->kind == ESPALIER_LABEL_STRING;
    if (text != (b->kind == ESPALIER_LABEL_STRING)) {
        return false;
    }
    return text ? a->text_bytes[i] == b->text_bytes[k] &&
                      memcmp(a->texts[i], b->texts[k], a->text_bytes[i]) == 0
           : a->kind == b->kind ? a->numbers[i] == b->numbers[k]
                                : label_number(a, i) == label_number(b, k);
}

espalier_status espalier_sklearn_map_classes(const espalier_sklearn_import *import,
                                             const espalier_sklearn_member *member,
                                             uint32_t *places)
{
    const espalier_forest_labels *const labels = &import->forest->labels[0];
    const espalier_forest_labels *const own = member->forest.labels;
    const uint32_t count = own != NULL ? own->count : 0;
    uint32_t place = 0; /* both are sorted */
    for (uint32_t i = 0; i < count; i++) {
        while (place < labels->count && !are_labels_equal(labels, place, own, i)) {
            place++;
        }
        if (place == labels->count) {
            break;
        }
        places[i] = place;
    }
    return count > 0 && place < labels->count
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "its classes are not among those of the %s around it",
                                       import->class->name);
}

espalier_status espalier_sklearn_list_members(const espalier_sklearn_import *import,
                                              const char *name,
                                              const espalier_pickle_value **list_out,
                                              uint32_t *count_out)
{
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, name, true, list_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const size_t count = espalier_pickle_item_count(*list_out);
    if (count == 0 || count > ESPALIER_LIMIT_TREES) {
        return espalier_sklearn_fail(import, *list_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is no list of 1 to %u estimators", name,
                                     ESPALIER_LIMIT_TREES);
    }
    *count_out = (uint32_t)count;
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_read_numbers(const espalier_sklearn_import *import,
                                              const espalier_pickle_value *object, const char *name,
                                              uint32_t count, double *out)
{
    const espalier_pickle_value *value;
    const espalier_status status = espalier_sklearn_attribute(import, object, name, true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    bool good = array != NULL ? array->form->dim_count == 1 && array->form->element_count >= count
                              : espalier_pickle_item_count(value) >= count;
    for (uint32_t i = 0; i < count && good; i++) {
        const espalier_pickle_value *const item =
            array == NULL ? espalier_pickle_item(value, i) : NULL;
        good = (array != NULL ? espalier_pickle_array_double(array, i, &out[i])
                              : item != NULL && espalier_pickle_get_double(item, &out[i])) &&
               isfinite(out[i]);
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                        "%s does not hold %" PRIu32 " finite numbers", name, count);
}

espalier_status espalier_sklearn_read_number(const espalier_sklearn_import *import,
                                             const espalier_pickle_value *object, const char *name,
                                             double *out)
{
    const espalier_pickle_value *value;
    const espalier_status status = espalier_sklearn_attribute(import, object, name, true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    return espalier_pickle_get_double(value, out) && isfinite(*out)
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                       "%s is no finite number", name);
}
