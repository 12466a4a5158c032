// SPDX-License-Identifier: Apache-2.0
/*
 * Categories that are text: their strings get numbers in the list of the feature that a column is
 * made of, and the encoders' keys are these numbers. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_prepare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

espalier_status espalier_sklearn_number_text(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *at, uint32_t value,
                                             const char *text, size_t bytes, double *number_out)
{
    const uint32_t feature = espalier_preparation_root(prepare->preparation, value);
    uint32_t number = 0;
    const espalier_status status =
        espalier_categories_add(&prepare->import.forest->categories, feature, text, bytes, &number);
    *number_out = (double)number;
    return status == ESPALIER_OK
               ? status
               : espalier_sklearn_fail(
                     &prepare->import, at, status,
                     "the categories of text are more than a model has, or memory");
}

bool espalier_sklearn_is_missing(const espalier_pickle_value *item)
{
    double number = 0.0;
    return item != NULL && (espalier_pickle_kind_of(item) == ESPALIER_PICKLE_NONE ||
                            (espalier_pickle_get_double(item, &number) && isnan(number)));
}

bool espalier_sklearn_has_texts(const espalier_pickle_array *array)
{
    size_t bytes = 0;
    return array->form->element_count > 0 &&
           (array->form->dtype->kind == 'U' || array->items != NULL) &&
           espalier_pickle_array_text(array, 0, NULL, 0, &bytes);
}

espalier_status espalier_sklearn_number_item(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *at, uint32_t value,
                                             const espalier_pickle_array *array, uint64_t index,
                                             double *number_out)
{
    char *text = NULL;
    size_t bytes = 0;
    espalier_status status =
        espalier_sklearn_text(&prepare->import, at, array, index, "category", &text, &bytes);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_number_text(prepare, at, value, text, bytes, number_out);
    }
    free(text);
    return status;
}

/* ---- keys ----------------------------------------------------------------------------------- */

typedef struct key_pair {
    double key;
    double value;
} key_pair;

/* Ascending, NaN the last. */
static int compare_keys(const void *left, const void *right)
{
    const double a = ((const key_pair *)left)->key;
    const double b = ((const key_pair *)right)->key;
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
}

espalier_status espalier_sklearn_sort_keys(espalier_sklearn_prepare *prepare,
                                           const espalier_pickle_value *at, double *numbers,
                                           uint32_t *count)
{
    void *memory = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(&prepare->import, *count, sizeof(key_pair), &memory);
    key_pair *const pairs = memory;
    const double other = numbers[2 * (size_t)*count];
    uint32_t kept = 0;
    bool doubled = false;
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint32_t i = 0; i < *count; i++) {
        pairs[i] = (key_pair){numbers[i], numbers[*count + i]};
    }
    qsort(pairs, *count, sizeof *pairs, compare_keys);
    for (uint32_t i = 0; i < *count; i++) {
        doubled = doubled || (i > 0 && pairs[i].key == pairs[i - 1].key);
        /* None and NaN are one: whichever stands last. */
        if (i + 1 == *count || !isnan(pairs[i].key)) {
            pairs[kept++] = pairs[i];
        }
    }
    for (uint32_t i = 0; i < kept; i++) {
        numbers[i] = pairs[i].key;
        numbers[kept + i] = pairs[i].value;
    }
    numbers[2 * (size_t)kept] = other;
    *count = kept;
    free(pairs);
    return doubled ? espalier_sklearn_fail(&prepare->import, at, ESPALIER_ERROR_SOURCE_TREE,
                                           "a category stands twice")
                   : ESPALIER_OK;
}

/* ---- what may become of text ---------------------------------------------------------------- */

/* Whether an operation makes sense of a category's number; what FILL gives is such a number again.
 */
static bool takes_text(const espalier_file_operation *operation)
{
    return operation->operation == ESPALIER_PREPARE_FILL ||
           operation->operation == ESPALIER_PREPARE_INDEX ||
           operation->operation == ESPALIER_PREPARE_IS_MISSING ||
           operation->operation == ESPALIER_PREPARE_CHECK;
}

static espalier_status refuse_feature(const espalier_sklearn_prepare *prepare, uint32_t feature)
{
    return espalier_sklearn_fail(&prepare->import, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "column %" PRIu32
                                 " is text for one step and a number for another, "
                                 "which is not converted; encode it to numbers before the pipeline",
                                 feature);
}

espalier_status espalier_sklearn_check_text(espalier_sklearn_prepare *prepare,
                                            const espalier_sklearn_table *table)
{
    const espalier_preparation *const preparation = prepare->preparation;
    const espalier_categories *const categories = &prepare->import.forest->categories;
    void *memory = NULL;
    if (categories->count == 0) {
        return ESPALIER_OK;
    }
    espalier_status status =
        espalier_sklearn_allocate(&prepare->import, preparation->value_count, 1, &memory);
    uint8_t *const is_text = memory;
    for (uint32_t i = 0; i < categories->count && status == ESPALIER_OK; i++) {
        const uint32_t feature = categories->lists[i].feature;
        is_text[feature] = 1;
        status = prepare->is_number != NULL && prepare->is_number[feature] != 0
                     ? refuse_feature(prepare, feature)
                     : status;
    }
    for (uint32_t i = 0; i < preparation->operation_count && status == ESPALIER_OK; i++) {
        const espalier_file_operation *const operation = &preparation->operations[i];
        if (is_text[operation->input] == 0) {
            continue;
        }
        if (!takes_text(operation)) {
            status =
                refuse_feature(prepare, espalier_preparation_root(preparation, operation->input));
        } else if (operation->operation == ESPALIER_PREPARE_FILL) {
            is_text[operation->output] = 1;
        }
    }
    for (uint32_t i = 0; i < table->count && status == ESPALIER_OK; i++) {
        if (is_text[table->values[i]] != 0) {
            status =
                refuse_feature(prepare, espalier_preparation_root(preparation, table->values[i]));
        }
    }
    free(memory);
    return status;
}

void espalier_sklearn_mark_number(espalier_sklearn_prepare *prepare, uint32_t value)
{
    if (prepare->is_number != NULL) {
        prepare->is_number[espalier_preparation_root(prepare->preparation, value)] = 1;
    }
}
