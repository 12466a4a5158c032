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

/* values[f]: what stands for feature f from now on. */
static espalier_status add_operations(const espalier_category_values *categories,
                                      const espalier_forest *forest, const uint8_t *tested,
                                      bool refuses, uint32_t *values, uint32_t *feature_out)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < categories->count && status == ESPALIER_OK; i++) {
        const espalier_category_numbers *const own = &categories->features[i];
        *feature_out = own->feature;
        if (own->feature >= forest->feature_count) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        if (refuses || tested[own->feature] != 0) {
            status = espalier_preparation_add_places(forest->preparation, own->feature,
                                                     own->numbers, own->count, (double)NAN, refuses,
                                                     &values[own->feature]);
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
                                               uint32_t *feature_out)
{
    const uint32_t count = forest->feature_count;
    *feature_out = 0;
    if (values->count == 0) {
        return ESPALIER_OK;
    }
    espalier_preparation *const preparation = calloc(1, sizeof *preparation);
    uint32_t *const places = calloc((size_t)count + 1, sizeof *places);
    uint8_t *const tested = calloc((size_t)count + 1, 1);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (preparation != NULL && places != NULL && tested != NULL) {
        *preparation = (espalier_preparation){.feature_count = count, .value_count = count};
        forest->preparation = preparation; /* the forest's, also after a failure */
        for (uint32_t i = 0; i < count; i++) {
            places[i] = i;
        }
        espalier_forest_mark_tested(forest, count, tested);
        status = add_operations(values, forest, tested, refuses, places, feature_out);
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
