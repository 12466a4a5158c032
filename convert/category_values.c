// SPDX-License-Identifier: Apache-2.0
/*
 * See category_values.h. May include: include/, forest.h, preparation.h, sets.h.
 */
#include "convert/category_values.h"

#include "convert/preparation.h"

#include <math.h>
#include <stdlib.h>

espalier_status espalier_category_values_add(espalier_category_values *values,
                                             const espalier_category_numbers *numbers)
{
    if (values->count == values->room) {
        const uint32_t room = values->room == 0 ? 8 : values->room * 2;
        espalier_category_numbers *const features =
            values->room < ESPALIER_LIMIT_FEATURES
                ? realloc(values->features, room * sizeof *features)
                : NULL;
        if (features == NULL) {
            free(numbers->numbers);
            return ESPALIER_ERROR_MEMORY;
        }
        values->features = features;
        values->room = room;
    }
    values->features[values->count++] = *numbers;
    return ESPALIER_OK;
}

void espalier_category_values_free(espalier_category_values *values)
{
    for (uint32_t i = 0; i < values->count; i++) {
        free(values->features[i].numbers);
    }
    free(values->features);
    *values = (espalier_category_values){0};
}

/* A number and its place in a list. */
typedef struct placed_number {
    double number;
    uint32_t place;
} placed_number;

static int compare_placed(const void *left, const void *right)
{
    const placed_number *const a = left;
    const placed_number *const b = right;
    const int order = (a->number > b->number) - (a->number < b->number);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* Two places of one number, if there are such and all are finite: NaN has no place in an order.
 * Status: SOURCE_TREE, MEMORY. */
static espalier_status find_twins(const espalier_category_numbers *own,
                                  espalier_category_fault *fault)
{
    for (uint32_t i = 0; i < own->count; i++) {
        if (!isfinite(own->numbers[i])) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
    }
    placed_number *const placed = calloc((size_t)own->count + 1, sizeof *placed);
    if (placed == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < own->count; i++) {
        placed[i] = (placed_number){own->numbers[i], i};
    }
    qsort(placed, own->count, sizeof *placed, compare_placed);
    for (uint32_t i = 1; i < own->count && fault->first == fault->second; i++) {
        if (placed[i].number == placed[i - 1].number) {
            fault->first = placed[i - 1].place;
            fault->second = placed[i].place;
        }
    }
    free(placed);
    return ESPALIER_ERROR_SOURCE_TREE;
}

/* values[f]: what stands for feature f from now on. */
static espalier_status add_operations(const espalier_category_values *categories,
                                      const espalier_forest *forest, const uint8_t *tested,
                                      bool refuses, uint32_t *values,
                                      espalier_category_fault *fault)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < categories->count && status == ESPALIER_OK; i++) {
        const espalier_category_numbers *const own = &categories->features[i];
        *fault = (espalier_category_fault){.feature = own->feature, .list = i};
        if (own->feature >= forest->feature_count) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        forest->category_numbers[own->feature] = 1;
        if (refuses || tested[own->feature] != 0) {
            status = espalier_preparation_add_places(forest->preparation, own->feature,
                                                     own->numbers, own->count, (double)NAN, refuses,
                                                     &values[own->feature]);
        }
        if (status == ESPALIER_ERROR_SOURCE_TREE) {
            status = find_twins(own, fault);
        }
    }
    return status;
}

/* Places that nothing asks for only refuse; without any the forest prepares nothing. */
static void settle(espalier_forest *forest, const uint32_t *values)
{
    if (forest->preparation->operation_count > 0) {
        espalier_forest_rename_tested(forest, values, forest->feature_count);
        for (uint32_t i = 0; i < forest->set_count; i++) {
            uint32_t *const feature = &forest->sets[i].feature;
            *feature = *feature < forest->feature_count ? values[*feature] : *feature;
        }
    } else {
        espalier_preparation_free(forest->preparation);
        free(forest->preparation);
        forest->preparation = NULL;
    }
}

espalier_status espalier_category_values_apply(const espalier_category_values *values,
                                               espalier_forest *forest, bool refuses,
                                               espalier_category_fault *fault_out)
{
    const uint32_t count = forest->feature_count;
    *fault_out = (espalier_category_fault){0};
    if (values->count == 0) {
        return ESPALIER_OK;
    }
    espalier_preparation *const preparation = calloc(1, sizeof *preparation);
    uint32_t *const places = calloc((size_t)count + 1, sizeof *places);
    uint8_t *const tested = calloc((size_t)count + 1, 1);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (forest->category_numbers == NULL) {
        forest->category_numbers = calloc((size_t)count + 1, 1);
        forest->category_number_count = forest->category_numbers != NULL ? count : 0;
    }
    if (preparation != NULL && places != NULL && tested != NULL &&
        forest->category_numbers != NULL) {
        *preparation = (espalier_preparation){.feature_count = count, .value_count = count};
        forest->preparation = preparation; /* the forest's, also after a failure */
        for (uint32_t i = 0; i < count; i++) {
            places[i] = i;
        }
        espalier_forest_mark_tested(forest, count, tested);
        status = add_operations(values, forest, tested, refuses, places, fault_out);
    } else {
        free(preparation);
    }
    if (status == ESPALIER_OK) {
        settle(forest, places);
    }
    free(places);
    free(tested);
    return status;
}

bool espalier_category_values_clash(const espalier_forest *forest, uint32_t *feature_out)
{
    const double place = forest->missing_number;
    bool clashes = false;
    if (!forest->missing_marked || place < 0.0 || place != floor(place)) {
        return false;
    }
    for (uint32_t i = 0; i < forest->categories.count && !clashes; i++) {
        const espalier_category_list *const list = &forest->categories.lists[i];
        clashes = place < (double)list->count;
        *feature_out = list->feature;
    }
    const espalier_preparation *const preparation = forest->preparation;
    for (uint32_t i = 0; preparation != NULL && i < preparation->operation_count && !clashes; i++) {
        const espalier_file_operation *const operation = &preparation->operations[i];
        const uint32_t keys = operation->number_count / 2; /* the last one is NaN */
        clashes = operation->operation == ESPALIER_PREPARE_INDEX && place + 1.0 < (double)keys;
        *feature_out = espalier_preparation_root(preparation, operation->input);
    }
    return clashes;
}
