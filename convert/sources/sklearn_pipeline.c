// SPDX-License-Identifier: Apache-2.0
/*
 * See sklearn_pipeline.h.
 */
#include "convert/sources/sklearn_pipeline.h"

#include "convert/plan.h"
#include "convert/sets.h"
#include "convert/sources/sklearn_compose.h"
#include "format/error.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pipelines and searches at the end of each other; nobody honest goes deeper. */
#define ENDS_MAX 8u

bool espalier_sklearn_is_pipeline(const espalier_pickle_value *value)
{
    return espalier_pickle_kind_of(value) == ESPALIER_PICKLE_OBJECT &&
           espalier_pickle_is(value, "sklearn.pipeline", "Pipeline");
}

static const espalier_pickle_value *find_steps(const espalier_pickle *pickle,
                                               const espalier_pickle_value *pipeline)
{
    const espalier_pickle_value *steps = NULL;
    (void)espalier_pickle_attribute(pickle, pipeline, "steps", &steps, NULL);
    return steps;
}

/* The last step of a pipeline; of a search, the estimator it found. */
static const espalier_pickle_value *step_towards_end(const espalier_pickle *pickle,
                                                     const espalier_pickle_value *pipeline,
                                                     espalier_source_path *path)
{
    const espalier_pickle_value *const steps = find_steps(pickle, pipeline);
    const size_t count = espalier_pickle_item_count(steps);
    if (count == 0) {
        return NULL;
    }
    espalier_source_path_attribute(path, "steps");
    espalier_source_path_item(path, count - 1);
    espalier_source_path_item(path, 1);
    const espalier_pickle_value *const last =
        espalier_pickle_item(espalier_pickle_item(steps, count - 1), 1);
    return last != NULL ? espalier_sklearn_best_of(pickle, last, path) : NULL;
}

const espalier_pickle_value *espalier_sklearn_pipeline_end(const espalier_pickle *pickle,
                                                           const espalier_pickle_value *value,
                                                           espalier_source_path *path)
{
    for (uint32_t i = 0; i < ENDS_MAX && espalier_sklearn_is_pipeline(value); i++) {
        value = step_towards_end(pickle, value, path);
    }
    return espalier_sklearn_is_pipeline(value) ? NULL : value;
}

/* ---- the preparation ------------------------------------------------------------------------ */

/* All features of the caller as they come. */
static espalier_status begin_table(espalier_sklearn_prepare *prepare, uint32_t width,
                                   espalier_sklearn_table *table)
{
    espalier_status status = ESPALIER_OK;
    table->narrow = ESPALIER_SKLEARN_FLOAT32;
    table->wide = ESPALIER_SKLEARN_FLOAT64;
    prepare->preparation->feature_count = width;
    prepare->preparation->value_count = width;
    for (uint32_t i = 0; i < width && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_table_add(prepare, table, i);
    }
    return status;
}

/* All steps of one pipeline but the last; *table is replaced by what they make of it. */
static espalier_status apply_steps(espalier_sklearn_prepare *prepare,
                                   const espalier_pickle_value *pipeline,
                                   espalier_sklearn_table *table)
{
    const espalier_pickle_value *const steps = find_steps(prepare->import.pickle, pipeline);
    const size_t count = espalier_pickle_item_count(steps);
    const size_t path_bytes = prepare->import.path.bytes;
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i + 1 < count && status == ESPALIER_OK; i++) {
        espalier_sklearn_table made = {0};
        espalier_source_path_attribute(&prepare->import.path, "steps");
        espalier_source_path_item(&prepare->import.path, i);
        espalier_source_path_item(&prepare->import.path, 1);
        status = espalier_sklearn_apply_transformer(
            prepare, espalier_pickle_item(espalier_pickle_item(steps, i), 1), table, &made);
        if (status == ESPALIER_OK) {
            espalier_sklearn_table_free(table);
            *table = made;
            espalier_source_path_cut(&prepare->import.path, path_bytes);
        } else {
            espalier_sklearn_table_free(&made);
        }
    }
    return status;
}

/* The pipelines at the end of each other. */
static espalier_status apply_all(espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *pipeline,
                                 espalier_sklearn_table *table)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0;
         i < ENDS_MAX && espalier_sklearn_is_pipeline(pipeline) && status == ESPALIER_OK; i++) {
        status = apply_steps(prepare, pipeline, table);
        pipeline = status == ESPALIER_OK
                       ? step_towards_end(prepare->import.pickle, pipeline, &prepare->import.path)
                       : NULL;
    }
    return status;
}

/* What the model itself does with sparse columns. */
static espalier_status settle_sparse(espalier_sklearn_prepare *prepare,
                                     const espalier_pickle_value *end,
                                     espalier_sklearn_table *table)
{
    /* XGBoost takes for missing what a sparse matrix leaves out. */
    static const double numbers[2] = {(double)NAN, 0.0};
    const espalier_sklearn_class *const class = espalier_sklearn_class_of(end);
    const espalier_pickle_name *const name = espalier_pickle_class(end);
    espalier_status status = ESPALIER_OK;
    if (!table->sparse) {
        return status;
    }
    if (class != NULL && class->kind == ESPALIER_SKLEARN_HISTOGRAM) {
        return espalier_sklearn_fail(&prepare->import, end, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s refuses the sparse columns of this pipeline", class->name);
    }
    const bool zero_is_missing =
        name != NULL && name->module.bytes >= 8 && memcmp(name->module.data, "xgboost.", 8) == 0;
    for (uint32_t i = 0; zero_is_missing && i < table->count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_FILL, 0, numbers, 2, 0,
                                          &table->values[i]);
    }
    return status;
}

/* The rows that the model itself refuses, by what was prepared; it knows no missing values in
 * sparse columns, but for isolation forests, which look at nothing. */
static espalier_status refuse_as_model(espalier_sklearn_prepare *prepare,
                                       const espalier_pickle_value *end,
                                       const espalier_sklearn_table *table)
{
    const espalier_forest *const forest = prepare->import.forest;
    const espalier_sklearn_class *const class = espalier_sklearn_class_of(end);
    const bool strict = table->sparse && class != NULL && class->kind != ESPALIER_SKLEARN_ISOLATION;
    return espalier_sklearn_refuse_values(prepare, table, !forest->missing_allowed || strict,
                                          !forest->infinite_allowed,
                                          forest->input == ESPALIER_FOREST_INPUT_FLOAT32
                                              ? ESPALIER_SKLEARN_ROUNDS
                                              : 0);
}

/* The values that linear leaves take, likewise. */
static espalier_status mark_taken(const espalier_sklearn_prepare *prepare,
                                  const espalier_sklearn_table *table, uint8_t *marks)
{
    espalier_forest *const forest = prepare->import.forest;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const espalier_forest_stage *const stage = &forest->stages[i];
        double *const numbers = forest->constants + stage->first_constant;
        for (uint32_t k = 0; espalier_plan_takes_values(stage) && k < stage->count; k++) {
            if (table->values == NULL || !(numbers[k] < (double)table->count)) {
                return espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_TREE,
                                             "a leaf takes feature %.0f of %" PRIu32, numbers[k],
                                             table->count);
            }
            const uint32_t value = table->values[(uint32_t)numbers[k]];
            numbers[k] = (double)value;
            marks[value] = 1;
        }
    }
    return ESPALIER_OK;
}

/* The values that nodes test, marked: what the last step gave. The forest is not validated yet. */
static espalier_status mark_tested(const espalier_sklearn_prepare *prepare,
                                   const espalier_sklearn_table *table, uint8_t *marks)
{
    espalier_forest *const forest = prepare->import.forest;
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] == ESPALIER_FOREST_LEAF) {
            continue;
        }
        if (table->values == NULL || forest->feature[i] >= table->count) {
            return espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_TREE,
                                         "a node tests feature %" PRIu32 " of %" PRIu32,
                                         forest->feature[i], table->count);
        }
        forest->feature[i] = table->values[forest->feature[i]];
        marks[forest->feature[i]] = 1;
    }
    return mark_taken(prepare, table, marks);
}

static bool are_codes_equal(const espalier_forest_codes *a, const espalier_forest_codes *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->values, b->values, a->count * sizeof *a->values) == 0);
}

/* Sets ask for values instead of columns of the last step, and codes are those of values. */
static espalier_status move_sets(espalier_sklearn_prepare *prepare,
                                 const espalier_sklearn_table *table, const uint32_t *numbers)
{
    espalier_forest *const forest = prepare->import.forest;
    const uint32_t value_count = prepare->preparation->value_count;
    void *memory = NULL;
    const espalier_status status = forest->codes != NULL
                                       ? espalier_sklearn_allocate(&prepare->import, value_count,
                                                                   sizeof *forest->codes, &memory)
                                       : ESPALIER_OK;
    espalier_forest_codes *const moved = memory;
    bool good = status == ESPALIER_OK;
    for (uint32_t i = 0; i < forest->set_count && good; i++) {
        const uint32_t column = forest->sets[i].feature; /* below table->count: a node's was */
        assert(table->values != NULL);
        const uint32_t value = numbers[table->values[column]];
        forest->sets[i].feature = value;
        if (moved == NULL) {
            continue;
        }
        espalier_forest_codes *const from = &forest->codes[column];
        if (moved[value].count == 0) {
            moved[value] = *from;
            *from = (espalier_forest_codes){NULL, 0};
        }
        good = from->count == 0 || are_codes_equal(from, &moved[value]);
    }
    if (moved != NULL) {
        for (uint32_t i = 0; i < forest->code_count; i++) {
            free(forest->codes[i].values);
        }
        free(forest->codes);
        forest->codes = moved;
        forest->code_count = value_count;
    }
    return good || status != ESPALIER_OK
               ? status
               : espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "two columns of the last step are the same numbers, and the "
                                       "model has other categories for each");
}

/* Nodes test what the last step gave; operations that do nothing for them, and cannot refuse a
 * row, go. */
static espalier_status join_forest(espalier_sklearn_prepare *prepare,
                                   const espalier_sklearn_table *table)
{
    espalier_forest *const forest = prepare->import.forest;
    const uint32_t value_count = prepare->preparation->value_count;
    void *needed = NULL;
    void *numbers = NULL;
    espalier_status status = espalier_sklearn_allocate(&prepare->import, value_count, 1, &needed);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(&prepare->import, value_count, sizeof(uint32_t), &numbers);
    }
    if (status == ESPALIER_OK) {
        status = mark_tested(prepare, table, needed);
    }
    if (status == ESPALIER_OK) {
        status = espalier_preparation_prune(prepare->preparation, needed, numbers);
        if (status != ESPALIER_OK) {
            status = espalier_sklearn_fail(&prepare->import, NULL, status,
                                           "no memory for the pipeline's operations");
        }
    }
    if (status == ESPALIER_OK) {
        espalier_forest_rename_tested(forest, numbers, value_count);
        status = move_sets(prepare, table, numbers);
    }
    free(needed);
    free(numbers);
    return status;
}

/* The model's own features are the last step's columns; the file has the caller's. */
static espalier_status name_features(espalier_sklearn_prepare *prepare, uint32_t width)
{
    espalier_sklearn_import *const import = &prepare->import;
    espalier_forest *const forest = import->forest;
    for (uint32_t i = 0; forest->feature_names != NULL && i < forest->feature_count; i++) {
        free(forest->feature_names[i]);
    }
    free(forest->feature_names);
    forest->feature_names = NULL;
    forest->feature_count = width;
    const espalier_pickle_array *const array =
        prepare->names != NULL ? espalier_pickle_get_array(prepare->names) : NULL;
    if (array == NULL || array->form->dim_count != 1 || array->form->element_count != width) {
        return ESPALIER_OK;
    }
    void *names = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, width, sizeof *forest->feature_names, &names);
    forest->feature_names = names;
    for (uint32_t i = 0; i < width && status == ESPALIER_OK; i++) {
        size_t bytes = 0;
        status = espalier_sklearn_text(import, prepare->names, array, i, "feature name",
                                       &forest->feature_names[i], &bytes);
        if (status == ESPALIER_OK && memchr(forest->feature_names[i], '\0', bytes) != NULL) {
            status =
                espalier_sklearn_fail(import, prepare->names, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "feature name %" PRIu32 " holds a NUL", i);
        }
    }
    return status;
}

/* Strings of the model's features become those of the rows' features that the steps pass on. Where
 * steps change a feature, its numbers remain: pandas' codes to LightGBM; scikit-learn's own strings
 * cannot come out of a step that is converted. */
static espalier_status move_strings(espalier_sklearn_prepare *prepare,
                                    const espalier_sklearn_table *table, uint32_t width,
                                    espalier_categories *own)
{
    espalier_forest *const forest = prepare->import.forest;
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < own->count && status == ESPALIER_OK; i++) {
        espalier_category_list *const list = &own->lists[i];
        const bool given = table->values != NULL && list->feature < table->count;
        const uint32_t value = given ? table->values[list->feature] : width;
        if (value < width && espalier_categories_at(&forest->categories, value) == NULL) {
            const bool fits =
                list->count <= ESPALIER_LIMIT_CATEGORIES - forest->categories.string_count;
            espalier_category_list *const moved =
                fits ? espalier_categories_of(&forest->categories, value) : NULL;
            if (moved == NULL) {
                status = espalier_sklearn_fail(
                    &prepare->import, NULL,
                    fits ? ESPALIER_ERROR_MEMORY : ESPALIER_ERROR_SOURCE_LIMIT,
                    "the categories of text are more than a model has, or memory");
            } else {
                list->feature = value;
                forest->categories.string_count += list->count;
                *moved = *list;
                *list = (espalier_category_list){0};
            }
        } else if (espalier_forest_has_codes(forest, list->feature)) {
            status =
                espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "categories of the model are text, and come from a step "
                                      "that makes numbers of its column %" PRIu32,
                                      value);
        }
    }
    return status;
}

/* Whether a preparation only makes places of categories, or refuses rows, which it does behind
 * steps as well. */
static bool only_places(const espalier_preparation *inner)
{
    bool only = true;
    for (uint32_t i = 0; i < inner->operation_count; i++) {
        only = only &&
               (inner->operations[i].operation == ESPALIER_PREPARE_INDEX ||
                inner->operations[i].operation == ESPALIER_PREPARE_CHECK) &&
               (inner->operations[i].flags & ESPALIER_SKLEARN_ROUNDS) == 0;
    }
    return only;
}

/* What the model itself makes of the columns of the last step, as columns behind these. */
static espalier_status append_inner(espalier_sklearn_prepare *prepare,
                                    espalier_sklearn_table *table)
{
    const espalier_preparation *const inner = prepare->inner;
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; inner != NULL && i < inner->operation_count && status == ESPALIER_OK;
         i++) {
        const espalier_file_operation *const operation = &inner->operations[i];
        uint32_t value = 0;
        assert(table->values != NULL && operation->input < table->count);
        status = espalier_preparation_copy(prepare->preparation, inner, i,
                                           table->values[operation->input], false, &value);
        if (status != ESPALIER_OK) {
            return espalier_sklearn_fail(&prepare->import, NULL, status,
                                         "the categories pass a limit, or there is no memory");
        }
        for (uint32_t k = 0; k < operation->count && status == ESPALIER_OK; k++) {
            status = espalier_sklearn_table_add(prepare, table, value + k);
        }
    }
    return status;
}

static espalier_status prepare_table(espalier_sklearn_prepare *prepare,
                                     const espalier_pickle_value *pipeline,
                                     espalier_source_path *path, espalier_categories *own)
{
    espalier_sklearn_import *const import = &prepare->import;
    espalier_forest *const forest = import->forest;
    espalier_sklearn_table table = {0};
    const espalier_pickle_value *const end =
        espalier_sklearn_pipeline_end(import->pickle, pipeline, path);
    uint32_t width = espalier_sklearn_transformer_width(import->pickle, pipeline, &prepare->names);
    void *is_number = NULL;
    espalier_status status =
        width != 0
            ? ESPALIER_OK
            : espalier_sklearn_selector_width(
                  prepare, espalier_sklearn_first_transformer(import->pickle, pipeline), &width);
    width = width != 0 ? width : forest->feature_count;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, width, 1, &is_number);
    }
    prepare->is_number = is_number;
    if (status == ESPALIER_OK) {
        status = begin_table(prepare, width, &table);
    }
    if (status == ESPALIER_OK) {
        status = apply_all(prepare, pipeline, &table);
    }
    if (status == ESPALIER_OK && table.count != forest->feature_count) {
        status = espalier_sklearn_fail(import, pipeline, ESPALIER_ERROR_SOURCE_TREE,
                                       "the steps give %" PRIu32 " features, and the model was "
                                       "trained on %" PRIu32,
                                       table.count, forest->feature_count);
    }
    if (status == ESPALIER_OK) {
        status = settle_sparse(prepare, end, &table);
    }
    if (status == ESPALIER_OK) {
        status = refuse_as_model(prepare, end, &table);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_check_text(prepare, &table);
    }
    if (status == ESPALIER_OK) {
        status = move_strings(prepare, &table, width, own);
    }
    if (status == ESPALIER_OK) {
        status = append_inner(prepare, &table);
    }
    if (status == ESPALIER_OK) {
        status = join_forest(prepare, &table);
    }
    if (status == ESPALIER_OK) {
        status = name_features(prepare, width);
    }
    espalier_sklearn_table_free(&table);
    free(is_number);
    return status;
}

static espalier_status prepare_forest(espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *pipeline)
{
    espalier_sklearn_import *const import = &prepare->import;
    espalier_source_path *const path = calloc(1, sizeof *path);
    espalier_categories own = import->forest->categories; /* of the model's features */
    import->forest->categories = (espalier_categories){0};
    const espalier_status status =
        path != NULL
            ? prepare_table(prepare, pipeline, path, &own)
            : espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_MEMORY, "no memory for a path");
    espalier_categories_free(&own);
    free(path);
    return status;
}

/* Whether pipelines have nothing in front of the estimator at their end. */
static bool is_end_alone(const espalier_pickle *pickle, const espalier_pickle_value *pipeline)
{
    const espalier_pickle_value *const steps = find_steps(pickle, pipeline);
    return espalier_pickle_item_count(steps) == 1 &&
           !espalier_sklearn_is_pipeline(espalier_pickle_item(espalier_pickle_item(steps, 0), 1));
}

espalier_status espalier_sklearn_prepare_forest(const espalier_pickle *pickle, const char *source,
                                                const char *path,
                                                const espalier_pickle_value *pipeline,
                                                uint64_t memory_bytes_max, uint64_t *work_left,
                                                espalier_forest *forest, espalier_error *error_out)
{
    espalier_sklearn_prepare *const prepare = calloc(1, sizeof *prepare);
    espalier_preparation *const preparation = calloc(1, sizeof *preparation);
    if (prepare == NULL || preparation == NULL) {
        free(prepare);
        free(preparation);
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory for the pipeline's operations", source);
    }
    /* A forest owns what it points to, also when reading fails. */
    espalier_preparation *const inner = forest->preparation;
    const bool joins = inner == NULL || only_places(inner);
    forest->preparation = joins ? preparation : inner;
    prepare->preparation = preparation;
    prepare->inner = joins ? inner : NULL;
    prepare->work_left = work_left;
    prepare->import = (espalier_sklearn_import){.pickle = pickle,
                                                .source = source,
                                                .error = error_out,
                                                .forest = forest,
                                                .estimator = pipeline,
                                                .memory_bytes_max = memory_bytes_max,
                                                .memory_left = memory_bytes_max};
    (void)snprintf(prepare->import.path.text, sizeof prepare->import.path.text, "%s", path);
    prepare->import.path.bytes = strlen(prepare->import.path.text);
    const uint32_t own_count = forest->feature_count;
    espalier_status status = ESPALIER_OK;
    if (joins) {
        status = prepare_forest(prepare, pipeline);
        if (inner != NULL) {
            espalier_preparation_free(inner);
            free(inner);
        }
    } else if (!is_end_alone(pickle, pipeline)) {
        status =
            espalier_sklearn_fail(&prepare->import, pipeline, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                  "a pipeline in front of an estimator that holds pipelines is "
                                  "not converted; put its steps into theirs");
    }
    if (!joins) {
        free(preparation);
    } else if (status == ESPALIER_OK && preparation->operation_count == 0) {
        /* A pipeline that passes on what it gets refuses nothing either: as if it were not there,
         * which the checks of every model rule out. What it drops may be anything. */
        espalier_preparation_free(preparation);
        free(preparation);
        forest->preparation = NULL;
        forest->chosen = own_count < forest->feature_count;
    }
    free(prepare);
    return status;
}
