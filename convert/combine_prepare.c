// SPDX-License-Identifier: Apache-2.0
/*
 * What is made of rows before the trees of forests that become one see them: the operations of each
 * forest's preparation join the whole's, and a forest's nodes then test values of that. Strings get
 * numbers common to all forests; a forest that knew others sees its own again. See combine.h. May
 * include include/, preparation.h and libc.
 */
#include "convert/combine.h"

#include "convert/preparation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the whole's preparation ----------------------------------------------------------------- */

/* The whole's, made if there is none yet. */
static espalier_preparation *open_preparation(espalier_forest *whole)
{
    if (whole->preparation == NULL) {
        whole->preparation = calloc(1, sizeof *whole->preparation);
        if (whole->preparation != NULL) {
            whole->preparation->feature_count = whole->feature_count;
            whole->preparation->value_count = whole->feature_count;
        }
    }
    return whole->preparation;
}

static espalier_status report(espalier_status status)
{
    return status == ESPALIER_ERROR_LIMIT ? ESPALIER_ERROR_SOURCE_LIMIT : status;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Adds a forest's strings to the whole's list of the feature: numbers[] gets their numbers there.
 * *moved_out: some have others than their own. */
static espalier_status join_strings(espalier_forest *whole, const espalier_category_list *own,
                                    uint32_t feature, double *numbers, bool *moved_out)
{
    espalier_status status = ESPALIER_OK;
    *moved_out = false;
    for (uint32_t i = 0; i < own->count && status == ESPALIER_OK; i++) {
        uint32_t number = 0;
        status = espalier_categories_add(&whole->categories, feature, own->texts[i],
                                         own->text_bytes[i], &number);
        numbers[i] = (double)number;
        *moved_out = *moved_out || number != i;
    }
    return report(status);
}

/* The value that stands for a feature of the forest's own strings: where these have other numbers
 * in the whole's list, or strings that are none of them mean something, that of an INDEX. */
static espalier_status place_strings(espalier_combine *combine, const espalier_category_list *own,
                                     uint32_t feature, uint32_t *value)
{
    bool moved = false;
    espalier_status status =
        espalier_combine_charge(combine, own->count * (uint64_t)(6 * sizeof(double)));
    double *const numbers =
        status == ESPALIER_OK ? calloc(own->count + (size_t)1, sizeof *numbers) : NULL;
    if (numbers == NULL) {
        return status == ESPALIER_OK ? ESPALIER_ERROR_MEMORY : status;
    }
    status = join_strings(combine->whole, own, feature, numbers, &moved);
    if (status == ESPALIER_OK && (moved || own->refuses || own->unknown != -1.0)) {
        status =
            report(espalier_preparation_add_places(combine->whole->preparation, feature, numbers,
                                                   own->count, own->unknown, own->refuses, value));
    }
    free(numbers);
    return status;
}

/* ---- a forest -------------------------------------------------------------------------------- */

/* Where the forest's features are in the whole, and those of its strings behind an INDEX. */
static espalier_status place_features(espalier_combine *combine, const espalier_forest *forest,
                                      const espalier_combine_features *features, uint32_t *values)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < forest->feature_count && status == ESPALIER_OK; i++) {
        const bool known = features == NULL || i < features->count;
        values[i] = features == NULL || !known ? i : features->numbers[i];
        status = known && values[i] < combine->whole->feature_count ? ESPALIER_OK
                                                                    : ESPALIER_ERROR_SOURCE_TREE;
    }
    for (uint32_t i = 0; i < forest->categories.count && status == ESPALIER_OK; i++) {
        const espalier_category_list *const own = &forest->categories.lists[i];
        if (own->feature >= forest->feature_count) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        status = place_strings(combine, own, values[own->feature], &values[own->feature]);
    }
    return status;
}

static espalier_status add_operations(espalier_combine *combine, const espalier_forest *forest,
                                      uint32_t *values)
{
    const espalier_preparation *const from = forest->preparation;
    espalier_preparation *const to = combine->whole->preparation;
    espalier_status status =
        espalier_combine_charge(combine, from->operation_count * (uint64_t)64 +
                                             from->number_count * (uint64_t)sizeof(double));
    for (uint32_t i = 0; i < from->operation_count && status == ESPALIER_OK; i++) {
        const espalier_file_operation *const operation = &from->operations[i];
        uint32_t value = 0;
        status =
            report(espalier_preparation_copy(to, from, i, values[operation->input], false, &value));
        for (uint32_t k = 0; k < operation->count; k++) {
            values[operation->output + k] = value + k;
        }
    }
    return status;
}

espalier_status espalier_combine_prepare(espalier_combine *combine, const espalier_forest *forest,
                                         const espalier_combine_features *features,
                                         uint32_t **values_out)
{
    *values_out = NULL;
    combine->takes_missing = combine->takes_missing || forest->missing_allowed;
    if (forest->preparation == NULL) {
        combine->refuses |= (forest->missing_allowed ? 0 : ESPALIER_PREPARE_REFUSE_NAN) |
                            (forest->infinite_allowed ? 0 : ESPALIER_PREPARE_REFUSE_INFINITE);
        combine->rounds = combine->rounds || forest->input == ESPALIER_FOREST_INPUT_FLOAT32;
    }
    if (forest->preparation == NULL && forest->categories.count == 0) {
        return ESPALIER_OK;
    }
    const uint32_t value_count = espalier_forest_tested_count(forest);
    espalier_status status =
        espalier_combine_charge(combine, value_count * (uint64_t)sizeof **values_out);
    uint32_t *const values =
        status == ESPALIER_OK ? calloc(value_count + (size_t)1, sizeof *values) : NULL;
    if (values == NULL || open_preparation(combine->whole) == NULL) {
        free(values);
        return status == ESPALIER_OK ? ESPALIER_ERROR_MEMORY : status;
    }
    status = place_features(combine, forest, features, values);
    if (status == ESPALIER_OK && forest->preparation != NULL) {
        status = add_operations(combine, forest, values);
    }
    if (status != ESPALIER_OK) {
        free(values);
        return status;
    }
    *values_out = values;
    return ESPALIER_OK;
}

espalier_status espalier_combine_close_preparation(espalier_combine *combine)
{
    espalier_forest *const whole = combine->whole;
    espalier_status status = ESPALIER_OK;
    if (whole->preparation == NULL) {
        return ESPALIER_OK;
    }
    const uint32_t flags =
        combine->refuses | (combine->rounds ? (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT32 |
                                                  (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT64
                                            : 0);
    for (uint32_t i = 0; i < whole->feature_count && combine->refuses != 0 && status == ESPALIER_OK;
         i++) {
        status = espalier_preparation_add(whole->preparation, ESPALIER_PREPARE_CHECK, flags, i, 0,
                                          NULL, NULL);
    }
    /* Operations refuse what is to be refused; trees that know nothing missing send it right. */
    whole->missing_allowed = combine->takes_missing;
    whole->infinite_allowed = true;
    return report(status);
}
