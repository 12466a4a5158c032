// SPDX-License-Identifier: Apache-2.0
/*
 * SimpleImputer and MissingIndicator. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_prepare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* missing_values: a number, NaN or None, which are one, or text. */
typedef struct missing_mark {
    const espalier_pickle_value *at;
    double number;
    espalier_pickle_slice text; /* data NULL: none */
} missing_mark;

static espalier_status read_missing(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object, missing_mark *mark_out)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "missing_values", false, &value);
    *mark_out = (missing_mark){value, NAN, {NULL, 0}};
    if (status != ESPALIER_OK || value == NULL || espalier_sklearn_is_missing(value)) {
        return status;
    }
    if (!espalier_pickle_get_double(value, &mark_out->number) &&
        !espalier_pickle_get_text(value, &mark_out->text)) {
        return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "missing_values is neither number nor text");
    }
    return status;
}

static bool is_nan(const missing_mark *mark)
{
    return mark->text.data == NULL && isnan(mark->number);
}

/* The number that is missing in a column. */
static espalier_status number_missing(espalier_sklearn_prepare *prepare, const missing_mark *mark,
                                      uint32_t value, double *number_out)
{
    *number_out = mark->number;
    return mark->text.data == NULL
               ? ESPALIER_OK
               : espalier_sklearn_number_text(prepare, mark->at, value, mark->text.data,
                                              mark->text.bytes, number_out);
}

/* What is missing of columns, which must be dense and have no other values that are refused. */
static espalier_status find_missing(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_sklearn_table *in, missing_mark *mark_out)
{
    if (in->sparse) {
        return espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "missing values of sparse columns are not converted");
    }
    const espalier_status status = read_missing(prepare, object, mark_out);
    return status == ESPALIER_OK
               ? espalier_sklearn_refuse_values(prepare, in, !is_nan(mark_out), true, 0)
               : status;
}

/* features_ as column numbers. */
static espalier_status read_features(espalier_sklearn_prepare *prepare,
                                     const espalier_pickle_value *object, uint32_t column_count,
                                     uint32_t *count_out, double **features_out)
{
    uint32_t count = 0;
    double *features = NULL;
    espalier_status status =
        espalier_sklearn_numbers(prepare, object, "features_", true, &count, &features);
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        if (!(features[i] >= 0.0 && features[i] < (double)column_count)) {
            status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_TREE,
                                           "features_ names a column that is not there");
        }
    }
    *count_out = count;
    *features_out = features;
    return status;
}

/* A column of 1 and 0 for each of the indicator's features. */
static espalier_status add_indicators(espalier_sklearn_prepare *prepare,
                                      const espalier_sklearn_table *in, const double *features,
                                      uint32_t count, const missing_mark *mark,
                                      espalier_sklearn_table *out)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        uint32_t value = in->values[(uint32_t)features[i]];
        double missing = NAN;
        status = number_missing(prepare, mark, value, &missing);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_IS_MISSING, 0, &missing, 1,
                                              espalier_sklearn_rounding(in), &value);
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, out, value);
        }
    }
    return status;
}

/* What error_on_new makes an error: a missing value where there was none at fit. */
static espalier_status refuse_new(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *object,
                                  const espalier_sklearn_table *in, const double *features,
                                  uint32_t count, const missing_mark *mark)
{
    espalier_sklearn_table others = {0};
    espalier_status status = espalier_sklearn_spend(prepare, (uint64_t)in->count * count);
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        bool known = false;
        for (uint32_t k = 0; k < count && !known; k++) {
            known = features[k] == (double)i;
        }
        status = known ? status : espalier_sklearn_table_add(prepare, &others, in->values[i]);
    }
    if (status == ESPALIER_OK && others.count > 0 && !is_nan(mark)) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "error_on_new with missing_values other than NaN is not "
                                       "converted; set error_on_new=False");
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_refuse_values(prepare, &others, true, false, 0);
    }
    espalier_sklearn_table_free(&others);
    return status;
}

espalier_status espalier_sklearn_apply_indicator(espalier_sklearn_prepare *prepare,
                                                 const espalier_pickle_value *object,
                                                 const espalier_sklearn_table *in,
                                                 espalier_sklearn_table *out)
{
    missing_mark missing = {0};
    double *features = NULL;
    uint32_t count = 0;
    bool error_on_new = true;
    espalier_status status = find_missing(prepare, object, in, &missing);
    if (status == ESPALIER_OK) {
        status = read_features(prepare, object, in->count, &count, &features);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "error_on_new", true, &error_on_new);
    }
    if (status == ESPALIER_OK && error_on_new &&
        espalier_sklearn_has_text(prepare, object, "features", "missing-only")) {
        status = refuse_new(prepare, object, in, features, count, &missing);
    }
    if (status == ESPALIER_OK) {
        status = add_indicators(prepare, in, features, count, &missing, out);
    }
    free(features);
    out->narrow = ESPALIER_SKLEARN_BOOL;
    out->wide = ESPALIER_SKLEARN_BOOL;
    return status;
}

/* statistics_ as numbers, those that are text as numbers of categories of their columns. *objects:
 * they are Python objects. */
static espalier_status read_statistics(espalier_sklearn_prepare *prepare,
                                       const espalier_pickle_value *object,
                                       const espalier_sklearn_table *in, bool *objects_out,
                                       double **statistics_out)
{
    const espalier_pickle_value *value = NULL;
    uint32_t count = in->count;
    void *numbers = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "statistics_", true, &value);
    const espalier_pickle_array *const array =
        status == ESPALIER_OK ? espalier_pickle_get_array(value) : NULL;
    *objects_out = array != NULL && array->items != NULL && array->form->dim_count == 1 &&
                   array->form->element_count == count;
    if (status != ESPALIER_OK || !*objects_out) {
        return status != ESPALIER_OK ? status
                                     : espalier_sklearn_numbers(prepare, object, "statistics_",
                                                                true, &count, statistics_out);
    }
    status = espalier_sklearn_allocate(&prepare->import, count, sizeof(double), &numbers);
    *statistics_out = numbers;
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        const espalier_pickle_value *const item = espalier_pickle_array_item(array, i);
        espalier_pickle_slice text;
        double *const number = &(*statistics_out)[i];
        *number = NAN;
        if (espalier_pickle_get_text(item, &text)) {
            status = espalier_sklearn_number_text(prepare, value, in->values[i], text.data,
                                                  text.bytes, number);
        } else if (espalier_pickle_get_double(item, number) && !isnan(*number)) {
            espalier_sklearn_mark_number(prepare, in->values[i]);
        } else if (!espalier_sklearn_is_missing(item)) {
            status =
                espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "statistics_ holds something that is neither number nor "
                                      "text");
        }
    }
    return status;
}

/* The columns of *in with their statistics in place of what is missing. */
static espalier_status fill_columns(espalier_sklearn_prepare *prepare,
                                    const espalier_sklearn_table *in, const double *statistics,
                                    const missing_mark *mark, bool keeps_empty,
                                    espalier_sklearn_table *out)
{
    const uint32_t rounding = espalier_sklearn_rounding(out);
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        double numbers[2] = {statistics[i], NAN};
        uint32_t value = in->values[i];
        if (isnan(statistics[i]) && !keeps_empty) {
            continue; /* never seen at fit: the column is dropped */
        }
        status = number_missing(prepare, mark, value, &numbers[1]);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_FILL, 0, numbers, 2,
                                              rounding, &value);
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, out, value);
        }
    }
    return status;
}

/* From 1.8 on statistics are brought to the type that there was at fit. */
static espalier_status round_statistics(espalier_sklearn_prepare *prepare,
                                        const espalier_pickle_value *object, double *statistics,
                                        uint32_t count)
{
    espalier_sklearn_dtype dtype = ESPALIER_SKLEARN_FLOAT64;
    const espalier_status status =
        espalier_sklearn_read_dtype(prepare, object, "_fill_dtype", &dtype);
    for (uint32_t i = 0; status == ESPALIER_OK && dtype == ESPALIER_SKLEARN_FLOAT32 && i < count;
         i++) {
        statistics[i] = (double)(float)statistics[i];
    }
    return status;
}

/* The columns of SimpleImputer(add_indicator=True) behind its own. */
static espalier_status add_own_indicator(espalier_sklearn_prepare *prepare,
                                         const espalier_pickle_value *object,
                                         const espalier_sklearn_table *in,
                                         const missing_mark *missing, espalier_sklearn_table *out)
{
    const espalier_pickle_value *indicator = NULL;
    double *features = NULL;
    uint32_t count = 0;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "indicator_", false, &indicator);
    if (status != ESPALIER_OK || indicator == NULL ||
        espalier_pickle_kind_of(indicator) == ESPALIER_PICKLE_NONE) {
        return status;
    }
    status = read_features(prepare, indicator, in->count, &count, &features);
    if (status == ESPALIER_OK) {
        status = add_indicators(prepare, in, features, count, missing, out);
    }
    free(features);
    return status;
}

espalier_status espalier_sklearn_apply_imputer(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *object,
                                               const espalier_sklearn_table *in,
                                               espalier_sklearn_table *out)
{
    const bool constant = espalier_sklearn_has_text(prepare, object, "strategy", "constant");
    const bool exact =
        constant || espalier_sklearn_has_text(prepare, object, "strategy", "most_frequent");
    missing_mark missing = {0};
    double *statistics = NULL;
    bool keeps_empty = false;
    bool objects = false;
    espalier_status status = find_missing(prepare, object, in, &missing);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "keep_empty_features", false, &keeps_empty);
    }
    if (status == ESPALIER_OK) {
        status = read_statistics(prepare, object, in, &objects, &statistics);
    }
    if (status == ESPALIER_OK && !objects) {
        status = round_statistics(prepare, object, statistics, in->count);
    }
    if (status == ESPALIER_OK && exact &&
        (in->narrow == ESPALIER_SKLEARN_BOOL || in->wide == ESPALIER_SKLEARN_BOOL)) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "SimpleImputer takes no boolean columns");
    }
    if (status == ESPALIER_OK) {
        out->narrow = exact ? in->narrow : espalier_sklearn_as_float(in->narrow);
        out->wide = exact ? in->wide : espalier_sklearn_as_float(in->wide);
        keeps_empty =
            keeps_empty || (constant && !espalier_sklearn_version_from(prepare->version, 1, 8));
        status = fill_columns(prepare, in, statistics, &missing, keeps_empty, out);
    }
    if (status == ESPALIER_OK) {
        status = add_own_indicator(prepare, object, in, &missing, out);
    }
    free(statistics);
    return status;
}
