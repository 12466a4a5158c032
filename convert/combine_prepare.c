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

/* An operation with numbers for rows of both types; one that is there already adds none. */
static espalier_status add_operation(espalier_preparation *preparation,
                                     const espalier_file_operation *operation, uint32_t input,
                                     const double *narrow, const double *wide, uint32_t *value_out)
{
    const uint32_t operation_count = preparation->operation_count;
    const uint32_t number_count = preparation->number_count;
    espalier_prepare_numbers numbers = {0, 0, 0};
    espalier_prepare_numbers others = {0, 0, 0};
    espalier_status status = ESPALIER_OK;
    if (operation->number_count > 0) {
        status = espalier_preparation_add_numbers(preparation, wide, operation->number_count, 0,
                                                  &numbers);
        others = numbers;
    }
    if (status == ESPALIER_OK && narrow != wide) {
        status = espalier_preparation_add_numbers(preparation, narrow, operation->number_count, 0,
                                                  &others);
    }
    numbers.narrow = others.wide;
    if (status == ESPALIER_OK) {
        status = espalier_preparation_add(preparation, operation->operation, operation->flags,
                                          input, operation->count, &numbers, value_out);
    }
    if (preparation->operation_count == operation_count) {
        preparation->number_count = number_count;
    }
    return report(status);
}

/* ---- strings --------------------------------------------------------------------------------- */

/* An own string's number in the whole's list. */
typedef struct string_place {
    double whole;
    double own;
} string_place;

static int compare_places(const void *a, const void *b)
{
    const double x = ((const string_place *)a)->whole;
    const double y = ((const string_place *)b)->whole;
    return (x > y) - (x < y);
}

/*
 * Adds a forest's strings to the whole's list of the feature. Where these have other numbers there,
 * *numbers_out gets those of an INDEX that brings the forest's back, the missing value as it is and
 * -1 for all others; else NULL.
 */
static espalier_status join_strings(espalier_forest *whole, const espalier_category_list *own,
                                    uint32_t feature, double **numbers_out)
{
    const size_t count = own->count;
    string_place *const places = calloc(count + 1, sizeof *places);
    double *const numbers = calloc(2 * count + 3, sizeof *numbers);
    espalier_category_list *list = espalier_categories_of(&whole->categories, feature);
    bool moved = false;
    espalier_status status =
        places != NULL && numbers != NULL && list != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        uint32_t number = 0;
        status = espalier_categories_add(&whole->categories, feature, own->texts[i],
                                         own->text_bytes[i], &number);
        places[i] = (string_place){(double)number, (double)i};
        moved = moved || number != i;
    }
    if (status == ESPALIER_OK && moved) {
        qsort(places, count, sizeof *places, compare_places);
        for (size_t i = 0; i < count; i++) {
            numbers[i] = places[i].whole;
            numbers[count + 1 + i] = places[i].own;
        }
        numbers[count] = (double)NAN;
        numbers[2 * count + 1] = (double)NAN;
        numbers[2 * count + 2] = -1.0;
        *numbers_out = numbers;
    } else {
        free(numbers);
    }
    free(places);
    return report(status);
}

/* The value that stands for a feature of the forest's own strings. */
static espalier_status place_strings(espalier_combine *combine, const espalier_category_list *own,
                                     uint32_t feature, uint32_t *value)
{
    espalier_forest *const whole = combine->whole;
    double *numbers = NULL;
    /* Strings that are unknown are refused, or numbered, by operations: the lists are alike. */
    if (own->refuses || own->unknown != -1.0) {
        return ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    }
    espalier_status status =
        espalier_combine_charge(combine, own->count * (uint64_t)(4 * sizeof *numbers));
    if (status == ESPALIER_OK) {
        status = join_strings(whole, own, feature, &numbers);
    }
    if (status == ESPALIER_OK && numbers != NULL) {
        const espalier_file_operation operation = {.operation = ESPALIER_PREPARE_INDEX,
                                                   .count = 1,
                                                   .number_count = 2 * own->count + 3};
        status = add_operation(whole->preparation, &operation, feature, numbers, numbers, value);
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
        status = add_operation(to, operation, values[operation->input],
                               from->numbers + operation->numbers32,
                               from->numbers + operation->numbers64, &value);
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
    if (forest->preparation == NULL && forest->categories.count > 0 && forest->codes != NULL) {
        return ESPALIER_ERROR_SOURCE_UNSUPPORTED; /* numbers of strings: each forest has its own */
    }
    if (forest->preparation == NULL) {
        combine->refuses |= (forest->missing_allowed ? 0 : ESPALIER_PREPARE_REFUSE_NAN) |
                            (forest->infinite_allowed ? 0 : ESPALIER_PREPARE_REFUSE_INFINITE);
        combine->rounds = combine->rounds || forest->input == ESPALIER_FOREST_INPUT_FLOAT32;
        combine->plain_strings = combine->plain_strings || forest->categories.count > 0;
        return ESPALIER_OK;
    }
    const uint32_t value_count = forest->preparation->value_count;
    espalier_status status =
        espalier_combine_charge(combine, value_count * (uint64_t)sizeof **values_out);
    uint32_t *const values =
        status == ESPALIER_OK ? calloc(value_count + (size_t)1, sizeof *values) : NULL;
    if (values == NULL || open_preparation(combine->whole) == NULL) {
        free(values);
        return status == ESPALIER_OK ? ESPALIER_ERROR_MEMORY : status;
    }
    status = place_features(combine, forest, features, values);
    if (status == ESPALIER_OK) {
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
    if (combine->plain_strings && whole->categories.count > 0) {
        return ESPALIER_ERROR_SOURCE_UNSUPPORTED;
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
