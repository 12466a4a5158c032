// SPDX-License-Identifier: Apache-2.0
/*
 * GradientBoosting whose `init` is another estimator: that one becomes parts of the model, its
 * values or probabilities go through the loss's link, and the sums of the trees start from them.
 * What the versions compute is in docs/semantics.md. See sklearn_members.h.
 */
#include "convert/preparation.h"
#include "convert/sources/sklearn_members.h"

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From this minor version on trees are added wherever the classes of a row lie. */
#define FIRST_MINOR_OF_COLUMNS 3

/* ---- the estimator --------------------------------------------------------------------------- */

/* The estimator was fitted to the places of the classes: as integers, from 1.4 on as floats. */
static bool numbers_classes(const espalier_forest_labels *labels, uint32_t count)
{
    const bool is_float = labels != NULL && labels->kind == ESPALIER_LABEL_FLOAT;
    bool good = labels != NULL && labels->count == count && labels->kind != ESPALIER_LABEL_STRING;
    for (uint32_t i = 0; good && i < count; i++) {
        const double place = (double)i;
        uint64_t bits = 0;
        memcpy(&bits, &place, sizeof bits);
        good = labels->numbers[i] == (is_float ? bits : i);
    }
    return good;
}

static espalier_status check_init(const espalier_sklearn_import *import,
                                  const espalier_sklearn_member *member, uint32_t class_count)
{
    if (member->forest.preparation != NULL && member->forest.codes != NULL) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a first guess whose categories come from a Pipeline is not "
                                     "converted");
    }
    if (member->forest.missing_marked) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a first guess that takes %g for missing is not converted",
                                     member->forest.missing_number);
    }
    if (class_count > 0 && !numbers_classes(member->forest.labels, class_count)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "its classes are not the places of the %" PRIu32
                                     " of the %s around it",
                                     class_count, import->class->name);
    }
    return ESPALIER_OK;
}

/* What a preparation reads of a forest's features, rounded to float32: values[f] stands for those
 * that operations or nodes ask for. */
static espalier_status round_features(const espalier_forest *forest, espalier_preparation *made,
                                      uint8_t *marks, uint32_t *values)
{
    const espalier_preparation *const from = forest->preparation;
    espalier_status status = ESPALIER_OK;
    espalier_forest_mark_tested(forest, from->value_count, marks);
    for (uint32_t i = 0; i < from->operation_count; i++) {
        marks[from->operations[i].input] = 1;
    }
    for (uint32_t i = 0; i < from->feature_count && status == ESPALIER_OK; i++) {
        values[i] = i;
        if (marks[i] != 0) {
            status = espalier_preparation_add(made, ESPALIER_PREPARE_COPY,
                                              (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT32 |
                                                  (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT64,
                                              i, 1, NULL, &values[i]);
        }
    }
    return status;
}

/* The operations behind these, as they are for rows of float32. */
static espalier_status narrow_operations(const espalier_preparation *from,
                                         espalier_preparation *made, uint32_t *values)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < from->operation_count && status == ESPALIER_OK; i++) {
        const espalier_file_operation *const operation = &from->operations[i];
        uint32_t value = 0;
        status = espalier_preparation_copy(made, from, i, values[operation->input], true, &value);
        for (uint32_t k = 0; k < operation->count; k++) {
            values[operation->output + k] = value + k;
        }
    }
    return status;
}

/* What a Pipeline makes of rows, made of rows that were rounded to float32 first. */
static espalier_status narrow_preparation(espalier_sklearn_import *import,
                                          const espalier_pickle_value *at, espalier_forest *forest)
{
    espalier_preparation *const from = forest->preparation;
    void *values = NULL;
    void *marks = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, from->value_count, sizeof(uint32_t), &values);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, from->value_count, 1, &marks);
    }
    if (status != ESPALIER_OK) {
        free(values);
        return status;
    }
    espalier_preparation *const made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->feature_count = from->feature_count;
        made->value_count = from->feature_count;
        status = round_features(forest, made, marks, values);
        status = status == ESPALIER_OK ? narrow_operations(from, made, values) : status;
        espalier_forest_rename_tested(forest, values, from->value_count);
        for (uint32_t i = 0; i < forest->set_count; i++) {
            uint32_t *const feature = &forest->sets[i].feature;
            *feature = *feature < from->value_count ? ((uint32_t *)values)[*feature] : *feature;
        }
        espalier_preparation_free(from);
        free(from);
        forest->preparation = made;
    }
    free(values);
    free(marks);
    return made != NULL && status == ESPALIER_OK
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, at, made == NULL ? ESPALIER_ERROR_MEMORY : status,
                                       "the operations of a first guess's Pipeline pass a limit, "
                                       "or there is no memory");
}

/* The trees around it refuse all that an encoder in front of it refuses, and more. */
static void drop_checks(espalier_forest *forest)
{
    if (forest->preparation != NULL && espalier_preparation_only_checks(forest->preparation)) {
        espalier_preparation_free(forest->preparation);
        free(forest->preparation);
        forest->preparation = NULL;
    }
}

/* The estimator sees rows that were rounded to float32, and none that the trees refuse. */
static espalier_status add_init(espalier_sklearn_import *import, espalier_sklearn_member *member,
                                const espalier_pickle_value *init, uint32_t class_count)
{
    espalier_forest *const whole = import->forest;
    espalier_status status = espalier_sklearn_load_member(import, init, NULL, member);
    if (status == ESPALIER_OK) {
        drop_checks(&member->forest);
        status = check_init(import, member, class_count);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (member->forest.preparation != NULL) {
        status = narrow_preparation(import, member->value, &member->forest);
    } else {
        member->forest.input = ESPALIER_FOREST_INPUT_FLOAT32;
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_add_member(import, member);
    }
    espalier_sklearn_refuse_rows(import);
    import->combine.rounds = true;
    for (uint32_t i = 0; i < whole->part_count; i++) {
        whole->parts[i].all_iterations = true;
    }
    return status;
}

/* ---- its answers ----------------------------------------------------------------------------- */

/* What the versions keep probabilities within. */
static uint32_t clamp_probabilities(const espalier_sklearn_import *import, uint32_t slot,
                                    uint32_t count)
{
    const double least =
        espalier_sklearn_version_from(import->version, 1, 8) ? DBL_EPSILON : (double)FLT_EPSILON;
    const double bounds[2] = {least, 1.0 - least};
    return espalier_sklearn_add_stage(import, ESPALIER_FOREST_CLAMP, slot, count, bounds);
}

/* From probabilities to the sums' start, as the first guess of a dummy goes there. */
static uint32_t link_classes(const espalier_sklearn_import *import,
                             const espalier_sklearn_member *member, uint32_t slot, uint32_t count)
{
    static const double half[1] = {0.5};
    const bool newer = espalier_sklearn_version_from(import->version, 1, 4);
    const uint32_t kept = clamp_probabilities(import, slot, count);
    if (count == 1) {
        const bool exact = espalier_sklearn_version_from(import->version, 1, 6);
        const uint32_t logit =
            espalier_sklearn_add_stage(import,
                                       exact ? ESPALIER_FOREST_LOGIT : ESPALIER_FOREST_LOG_ODDS,
                                       kept, 1, NULL);
        return strcmp(import->forest->objective, "exponential") == 0
                   ? espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, logit, 1, half)
                   : logit;
    }
    if (!newer) {
        return espalier_sklearn_add_stage(import, ESPALIER_FOREST_LOG, kept, count, NULL);
    }
    /* NumPy adds a row's classes pairwise where they lie side by side. */
    const espalier_forest_stage centred = {
        .operation = ESPALIER_FOREST_LOG_CENTRED,
        .input_slot = kept,
        .count = count,
        .pairwise = !member->forest.probability_by_class,
    };
    return espalier_sklearn_add_typed_stage(import, &centred, NULL);
}

/* The first of the slots that the sums start from. */
static espalier_status find_start(const espalier_sklearn_import *import,
                                  const espalier_sklearn_member *member, uint32_t count,
                                  uint32_t *slot_out)
{
    const bool classifies = import->class->classifier;
    const espalier_forest_output *const output = espalier_sklearn_find_output(
        member, classifies ? ESPALIER_OUTPUT_PROBABILITY : ESPALIER_OUTPUT_VALUE, 0);
    if (output == NULL || (!classifies && output->slot_count != 1)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "it has no %s for the sums to start from",
                                     classifies ? "probabilities" : "single value");
    }
    if (classifies && output->narrow && !espalier_sklearn_version_from(import->version, 1, 4)) {
        return espalier_sklearn_fail(import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a first guess of float32 probabilities, as XGBoost's, whose "
                                     "logarithms scikit-learn takes in float32 up to 1.3, is not "
                                     "converted");
    }
    if (count > 1 && member->forest.probability_by_class &&
        !espalier_sklearn_version_from(import->version, 1, FIRST_MINOR_OF_COLUMNS)) {
        return espalier_sklearn_fail(
            import, member->value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
            "a first guess by a %s of several classes is not converted: "
            "scikit-learn up to 1.%d adds its trees to the wrong rows then",
            member->class->name, FIRST_MINOR_OF_COLUMNS - 1);
    }
    const bool second = classifies && count == 1 && output->slot_count == 2;
    const uint32_t slot = output->first_slot + (second ? 1 : 0);
    *slot_out = classifies ? link_classes(import, member, slot, count) : slot;
    return espalier_sklearn_finish_plan(import, *slot_out != ESPALIER_PLAN_NO_SLOT);
}

/* ---- the trees ------------------------------------------------------------------------------- */

/* Takes the trees out of the forest, which keeps what says how it answers. */
static espalier_forest take_trees(espalier_forest *forest)
{
    espalier_forest trees = {
        .trees = forest->trees,
        .tree_count = forest->tree_count,
        .node_count = forest->node_count,
        .leaf_count = forest->leaf_count,
        .left = forest->left,
        .right = forest->right,
        .feature = forest->feature,
        .threshold = forest->threshold,
        .cover = forest->cover,
        .cover_unit = forest->cover_unit,
        .missing_left = forest->missing_left,
        .leaf_values = forest->leaf_values,
        .leaf_width = forest->leaf_width,
        .slot_count = forest->slot_count,
        .tree_slot = forest->tree_slot,
        .start = forest->start,
        .tree_iteration = forest->tree_iteration,
        .iteration_count = forest->iteration_count,
        .feature_count = forest->feature_count,
        .input = forest->input,
        .task = ESPALIER_FOREST_TASK_MARGIN,
    };
    espalier_forest rest = *forest;
    rest.trees = NULL;
    rest.left = NULL;
    rest.right = NULL;
    rest.feature = NULL;
    rest.threshold = NULL;
    rest.cover = NULL;
    rest.missing_left = NULL;
    rest.leaf_values = NULL;
    rest.tree_slot = NULL;
    rest.start = NULL;
    rest.tree_iteration = NULL;
    rest.tree_count = 0;
    rest.node_count = 0;
    rest.leaf_count = 0;
    rest.leaf_width = 0;
    rest.slot_count = 0;
    rest.iteration_count = 0;
    *forest = rest;
    return trees;
}

/* The trees as the last part. */
static espalier_status add_trees(espalier_sklearn_import *import, const espalier_forest *trees,
                                 uint32_t start_slot, uint32_t *sums_out)
{
    espalier_forest *const whole = import->forest;
    espalier_sklearn_member member = {.value = import->estimator, .forest = *trees};
    const espalier_status status = espalier_sklearn_add_member(import, &member);
    espalier_plan_free(&member.plan);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_forest_part *const part = &whole->parts[whole->part_count - 1];
    free(part->start);
    part->start = NULL;
    part->from_slots = true;
    part->start_slot = start_slot;
    whole->leaf_part = whole->part_count - 1;
    *sums_out = part->first_slot;
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_start_from(espalier_sklearn_import *import,
                                            const espalier_pickle_value *init, uint32_t *sums_out)
{
    const size_t path_bytes = import->path.bytes;
    const uint32_t count = import->forest->slot_count;
    const uint32_t classes = import->class->classifier ? import->forest->labels[0].count : 0;
    espalier_forest trees = take_trees(import->forest);
    espalier_sklearn_member member = {0};
    uint32_t slot = 0;
    espalier_source_path_attribute(&import->path, "init_");
    espalier_status status = add_init(import, &member, init, classes);
    if (status == ESPALIER_OK) {
        status = find_start(import, &member, count, &slot);
        /* The trees are added to a copy, which lies as what it was copied from. */
        import->forest->probability_by_class = count > 1 && member.forest.probability_by_class;
    }
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
        status = add_trees(import, &trees, slot, sums_out);
    }
    status = espalier_sklearn_close_members(import, status);
    espalier_sklearn_free_member(&member);
    espalier_forest_free(&trees);
    return status;
}
