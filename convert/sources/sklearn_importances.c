// SPDX-License-Identifier: Apache-2.0
/*
 * What SelectFromModel asks its estimator for: coefficients of a linear model, or the importances
 * of features, which trees compute from impurities when they are asked, and XGBoost and LightGBM
 * from what their splits gained. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_prepare.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of one tree. */
typedef struct tree_records {
    espalier_pickle_view left;
    espalier_pickle_view right;
    espalier_pickle_view feature;
    espalier_pickle_view impurity;
    espalier_pickle_view weight;
    uint64_t count;
} tree_records;

static espalier_status fail_tree(const espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *at)
{
    return espalier_sklearn_fail(&prepare->import, at, ESPALIER_ERROR_SOURCE_TREE,
                                 "the selector's estimator holds something that is no fitted tree "
                                 "of these columns");
}

static espalier_status find_records(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *estimator, tree_records *records)
{
    const espalier_pickle_value *tree = NULL;
    const espalier_pickle_value *nodes = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, estimator, "tree_", true, &tree);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(&prepare->import, tree, "nodes", true, &nodes);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(nodes);
    if (array == NULL || array->data == NULL || array->form->dtype->field_count == 0 ||
        !espalier_pickle_view_field(array, "left_child", &records->left) ||
        !espalier_pickle_view_field(array, "right_child", &records->right) ||
        !espalier_pickle_view_field(array, "feature", &records->feature) ||
        !espalier_pickle_view_field(array, "impurity", &records->impurity) ||
        !espalier_pickle_view_field(array, "weighted_n_node_samples", &records->weight) ||
        array->form->element_count == 0) {
        return fail_tree(prepare, nodes);
    }
    records->count = array->form->element_count;
    return ESPALIER_OK;
}

static bool weigh_node(const tree_records *records, int64_t node, double *out)
{
    double weight = 0.0;
    double impurity = 0.0;
    const bool read =
        node >= 0 && (uint64_t)node < records->count &&
        espalier_pickle_view_doubles(&records->weight, (uint64_t)node, 1, &weight) &&
        espalier_pickle_view_doubles(&records->impurity, (uint64_t)node, 1, &impurity);
    *out = weight * impurity;
    return read;
}

/* scores[count]: by how much the splits of each feature lower the impurity. */
static espalier_status weigh_tree(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *estimator, uint32_t count,
                                  double *scores, uint64_t *node_count_out)
{
    tree_records records = {0};
    espalier_status status = find_records(prepare, estimator, &records);
    if (status == ESPALIER_OK) {
        /* A pickle may name one tree a million times. */
        status = espalier_sklearn_spend(prepare, records.count + count);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    memset(scores, 0, count * sizeof *scores);
    *node_count_out = records.count;
    double root = 0.0;
    if (!espalier_pickle_view_doubles(&records.weight, 0, 1, &root)) {
        return fail_tree(prepare, estimator);
    }
    for (uint64_t i = 0; i < records.count; i++) {
        int64_t left = -1;
        int64_t right = -1;
        int64_t feature = -1;
        double own = 0.0;
        double lower = 0.0;
        double upper = 0.0;
        if (!espalier_pickle_view_int64s(&records.left, i, 1, &left)) {
            return fail_tree(prepare, estimator);
        }
        if (left < 0) {
            continue;
        }
        if (!espalier_pickle_view_int64s(&records.right, i, 1, &right) ||
            !espalier_pickle_view_int64s(&records.feature, i, 1, &feature) || feature < 0 ||
            feature >= count || !weigh_node(&records, (int64_t)i, &own) ||
            !weigh_node(&records, left, &lower) || !weigh_node(&records, right, &upper)) {
            return fail_tree(prepare, estimator);
        }
        scores[feature] += own - lower - upper;
    }
    for (uint32_t i = 0; i < count; i++) {
        scores[i] /= root;
    }
    return ESPALIER_OK;
}

static void normalise(double *scores, uint32_t count)
{
    const double sum = espalier_sklearn_sum_pairwise(scores, count);
    for (uint32_t i = 0; i < count && sum > 0.0; i++) {
        scores[i] /= sum;
    }
}

/* Trees in a list or an array, as all ensembles keep them. */
static const espalier_pickle_value *tree_at(const espalier_pickle_value *estimators, uint64_t index)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(estimators);
    return array != NULL ? espalier_pickle_array_item(array, index)
                         : espalier_pickle_item(estimators, (size_t)index);
}

/* The mean of the trees that split at all. In forests each counts the same, in GradientBoosting by
 * what it lowers. */
static espalier_status weigh_ensemble(espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *estimator, bool by_tree,
                                      uint32_t count, double *scores)
{
    const espalier_pickle_value *estimators = NULL;
    void *own = NULL;
    uint64_t used = 0;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, estimator, "estimators_", true, &estimators);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, count, sizeof(double), &own);
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(estimators);
    const uint64_t trees =
        array != NULL ? array->form->element_count : espalier_pickle_item_count(estimators);
    for (uint64_t i = 0; i < trees && status == ESPALIER_OK; i++) {
        double *const one = own;
        uint64_t nodes = 0;
        const espalier_pickle_value *const tree = tree_at(estimators, i);
        status = tree == NULL ? fail_tree(prepare, estimator)
                              : weigh_tree(prepare, tree, count, one, &nodes);
        if (status != ESPALIER_OK || nodes < 2) {
            continue;
        }
        if (by_tree) {
            normalise(one, count);
        }
        for (uint32_t k = 0; k < count; k++) {
            scores[k] += one[k];
        }
        used++;
    }
    for (uint32_t k = 0; k < count && used > 0; k++) {
        scores[k] /= (double)used;
    }
    normalise(scores, count);
    free(own);
    return status;
}

/* How the coefficients of a column are put together where there are several. */
typedef enum column_norm {
    NORM_SUM = 1, /* of magnitudes: norm_order 1 */
    NORM_LENGTH,  /* the root of the sum of squares: 2 */
    NORM_GREATEST /* the greatest magnitude: infinity */
} column_norm;

static espalier_status read_norm(const espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *object, column_norm *norm_out)
{
    const espalier_pickle_value *order = NULL;
    double number = 1.0;
    (void)espalier_pickle_attribute(prepare->import.pickle, object, "norm_order", &order, NULL);
    const bool read = order == NULL || espalier_pickle_get_double(order, &number);
    *norm_out = number == 1.0 ? NORM_SUM : number == 2.0 ? NORM_LENGTH : NORM_GREATEST;
    return read && (number == 1.0 || number == 2.0 || number == INFINITY)
               ? ESPALIER_OK
               : espalier_sklearn_fail(&prepare->import, order, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "norm_order of a SelectFromModel is none of 1, 2 and "
                                       "infinity");
}

/* More rows in Fortran order NumPy sums in pieces, as many as its version says. */
#define PAIRED_ROWS_MAX 8192u

static double weigh_number(double number, column_norm norm)
{
    return norm == NORM_LENGTH ? number * number : fabs(number);
}

/* Row by row, as NumPy sums arrays in C order. */
static void sum_rows(const double *numbers, uint64_t number_count, column_norm norm, uint32_t count,
                     double *scores)
{
    for (uint64_t i = 0; i < number_count; i++) {
        double *const score = &scores[i % count];
        const double weight = weigh_number(numbers[i], norm);
        *score = norm == NORM_GREATEST ? fmax(*score, weight) : *score + weight;
    }
}

/* Column by column in pairs, as NumPy sums arrays in Fortran order. column: [row_count]. */
static void sum_columns(const double *numbers, uint32_t row_count, column_norm norm, uint32_t count,
                        double *column, double *scores)
{
    for (uint32_t k = 0; k < count; k++) {
        for (uint32_t r = 0; r < row_count; r++) {
            column[r] = weigh_number(numbers[(uint64_t)r * count + k], norm);
        }
        scores[k] = espalier_sklearn_sum_pairwise(column, row_count);
    }
}

static espalier_status read_coefficients(const espalier_sklearn_prepare *prepare,
                                         const espalier_pickle_value *coefficients,
                                         const espalier_pickle_array *array, double *numbers)
{
    for (uint64_t i = 0; i < array->form->element_count; i++) {
        if (!espalier_pickle_array_double(array, i, &numbers[i])) {
            return espalier_sklearn_fail(&prepare->import, coefficients, ESPALIER_ERROR_SOURCE_TREE,
                                         "coef_ holds no numbers");
        }
    }
    return ESPALIER_OK;
}

static bool is_narrow(const espalier_pickle_array *array)
{
    return array->form->dtype->kind == 'f' && array->form->dtype->item_bytes < 8;
}

/* Magnitudes of float32 are exact, and so are the greatest of them; sums, squares and roots are
 * rounded, here after the last step. Squares of what is much smaller or larger are 0 or infinite
 * there. */
static espalier_status doubt_narrow(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *coefficients, uint64_t row_count,
                                    column_norm norm, uint32_t count,
                                    espalier_sklearn_scores *scores)
{
    scores->narrow = true;
    if (norm == NORM_LENGTH || (norm == NORM_SUM && row_count > 1)) {
        scores->doubt = ESPALIER_SKLEARN_DOUBT_FLOAT32 + (double)row_count * (double)FLT_EPSILON;
    }
    for (uint32_t i = 0; i < count && norm == NORM_LENGTH; i++) {
        const double length = scores->numbers[i];
        if (length != 0.0 && !(length > 1e-16 && length < 1e18)) {
            return espalier_sklearn_fail(&prepare->import, coefficients,
                                         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "a SelectFromModel of norm_order 2 over coef_ of float32 "
                                         "whose squares float32 does not hold, as %g of column "
                                         "%" PRIu32,
                                         length, i);
        }
    }
    return ESPALIER_OK;
}

/* Magnitudes of coefficients; of several rows of them, their norm. */
static espalier_status weigh_coefficients(espalier_sklearn_prepare *prepare,
                                          const espalier_pickle_value *object,
                                          const espalier_pickle_value *coefficients, uint32_t count,
                                          espalier_sklearn_scores *scores)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(coefficients);
    column_norm norm = NORM_SUM;
    if (array == NULL || array->form->dim_count == 0 || array->form->dim_count > 2 ||
        array->form->shape[array->form->dim_count - 1] != count || count == 0) {
        return espalier_sklearn_fail(&prepare->import, coefficients, ESPALIER_ERROR_SOURCE_TREE,
                                     "coef_ has not one number a column");
    }
    espalier_status status =
        array->form->dim_count == 2 ? read_norm(prepare, object, &norm) : ESPALIER_OK;
    const bool paired =
        array->form->dim_count == 2 && norm != NORM_GREATEST && array->form->strides[0] == 1;
    const uint64_t row_count = array->form->dim_count == 2 ? array->form->shape[0] : 1;
    if (status == ESPALIER_OK && paired && row_count > PAIRED_ROWS_MAX) {
        return espalier_sklearn_fail(
            &prepare->import, coefficients, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
            "a SelectFromModel of more than %u rows of coef_ in Fortran order, whose sums depend "
            "on NumPy's version, is not converted; norm_order of infinity is",
            PAIRED_ROWS_MAX);
    }
    void *numbers = NULL;
    void *column = NULL;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_spend(prepare, array->form->element_count);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, array->form->element_count,
                                           sizeof(double), &numbers);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, row_count, sizeof(double), &column);
    }
    if (status == ESPALIER_OK) {
        status = read_coefficients(prepare, coefficients, array, numbers);
    }
    if (status == ESPALIER_OK && paired) {
        sum_columns(numbers, (uint32_t)row_count, norm, count, column, scores->numbers);
    } else if (status == ESPALIER_OK) {
        sum_rows(numbers, array->form->element_count, norm, count, scores->numbers);
    }
    for (uint32_t i = 0; i < count && norm == NORM_LENGTH && status == ESPALIER_OK; i++) {
        scores->numbers[i] = sqrt(scores->numbers[i]);
    }
    if (status == ESPALIER_OK && is_narrow(array)) {
        status = doubt_narrow(prepare, coefficients, row_count, norm, count, scores);
    }
    free(numbers);
    free(column);
    return status;
}

/* AdaBoost: those of its trees by the weights of these. */
static espalier_status weigh_boosted(espalier_sklearn_prepare *prepare,
                                     const espalier_pickle_value *estimator, uint32_t count,
                                     double *scores)
{
    const espalier_pickle_value *estimators = NULL;
    const espalier_pickle_value *weights = NULL;
    void *own = NULL;
    void *all = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, estimator, "estimators_", true, &estimators);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(&prepare->import, estimator, "estimator_weights_", true,
                                            &weights);
    }
    const espalier_pickle_array *const array =
        weights != NULL ? espalier_pickle_get_array(weights) : NULL;
    const uint64_t trees = espalier_pickle_item_count(estimators);
    if (status == ESPALIER_OK &&
        (array == NULL || array->form->element_count < trees || trees == 0)) {
        return fail_tree(prepare, estimator);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, count, sizeof(double), &own);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_spend(prepare, array->form->element_count);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, array->form->element_count,
                                           sizeof(double), &all);
    }
    for (uint64_t i = 0; status == ESPALIER_OK && i < array->form->element_count; i++) {
        if (!espalier_pickle_array_double(array, i, (double *)all + i)) {
            status = fail_tree(prepare, estimator);
        }
    }
    for (uint64_t i = 0; i < trees && status == ESPALIER_OK; i++) {
        uint64_t nodes = 0;
        const espalier_pickle_value *const tree = tree_at(estimators, i);
        status = tree == NULL ? fail_tree(prepare, estimator)
                              : weigh_tree(prepare, tree, count, own, &nodes);
        if (status == ESPALIER_OK) {
            normalise(own, count);
        }
        for (uint32_t k = 0; k < count && status == ESPALIER_OK; k++) {
            scores[k] += ((const double *)all)[i] * ((const double *)own)[k];
        }
    }
    if (status == ESPALIER_OK) {
        const double sum = espalier_sklearn_sum_pairwise(all, (size_t)array->form->element_count);
        for (uint32_t k = 0; k < count; k++) {
            scores[k] /= sum;
        }
    }
    free(own);
    free(all);
    return status;
}

/* XGBoost: the mean of what splits gained, or their sum or number, in float32, by the sum of all,
 * which is left in float64: whoever compares keeps away from the difference. That takes numbers of
 * one sign; XGBoost divides by the sum wherever it is not 0, also by an infinite one. */
static espalier_status share_splits(const espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *estimator,
                                    const espalier_source_splits *splits, bool sums, bool counts,
                                    double *scores)
{
    for (uint32_t i = 0; i < splits->feature_count; i++) {
        const float count = splits->counts[i] > 1.0 ? (float)splits->counts[i] : 1.0F;
        const float mean = (float)splits->gains[i] / count;
        scores[i] = counts ? splits->counts[i] : sums ? splits->gains[i] : (double)mean;
        if (scores[i] < 0.0) {
            return espalier_sklearn_fail(&prepare->import, estimator,
                                         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "a SelectFromModel by XGBoost's gains that are negative, "
                                         "as %g of column %" PRIu32 ", is not converted",
                                         scores[i], i);
        }
    }
    const double sum = espalier_sklearn_sum_pairwise(scores, splits->feature_count);
    if (!(sum < (double)FLT_MAX * (1.0 - ESPALIER_SKLEARN_DOUBT_FLOAT32))) {
        return espalier_sklearn_fail(&prepare->import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a SelectFromModel by XGBoost's gains whose sum float32 does "
                                     "not hold, %g, is not converted",
                                     sum);
    }
    normalise(scores, splits->feature_count);
    return ESPALIER_OK;
}

/* The path of what the selector asks; cut by the caller, but after a failure. */
static void enter_estimator(espalier_sklearn_import *import, const espalier_pickle_value *object)
{
    const char *const name =
        espalier_sklearn_is_set(import, object, "estimator_") ? "estimator_" : "estimator";
    const espalier_pickle_value *estimator = NULL;
    espalier_source_path_attribute(&import->path, name);
    (void)espalier_pickle_attribute(import->pickle, object, name, &estimator, NULL);
    (void)espalier_sklearn_thaw(import->pickle, estimator, &import->path);
}

/* *splits has the place for them, or a feature_count of 0, which then becomes the model's. */
static espalier_status read_splits(espalier_sklearn_prepare *prepare,
                                   const espalier_pickle_value *object,
                                   const espalier_pickle_value *estimator,
                                   espalier_source_splits *splits)
{
    espalier_sklearn_import *const import = &prepare->import;
    const size_t path_bytes = import->path.bytes;
    const espalier_sklearn_object boosted = {.pickle = import->pickle,
                                             .source = import->source,
                                             .path = import->path.text,
                                             .value = estimator,
                                             .memory_bytes_max = import->memory_left,
                                             .work_left = prepare->work_left,
                                             .depth = 1};
    enter_estimator(import, object);
    const espalier_status status = espalier_sklearn_boosted_splits(&boosted, splits, import->error);
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
    }
    return status;
}

espalier_status espalier_sklearn_selector_width(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *selector,
                                                uint32_t *width_out)
{
    const espalier_pickle *const pickle = prepare->import.pickle;
    const espalier_pickle_value *estimator = NULL;
    *width_out = 0;
    if (selector == NULL || espalier_pickle_kind_of(selector) != ESPALIER_PICKLE_OBJECT) {
        return ESPALIER_OK;
    }
    (void)espalier_pickle_attribute(pickle, selector, "estimator_", &estimator, NULL);
    if (estimator == NULL) {
        (void)espalier_pickle_attribute(pickle, selector, "estimator", &estimator, NULL);
    }
    estimator = espalier_sklearn_thaw(pickle, estimator, NULL);
    if (estimator == NULL ||
        espalier_sklearn_boosted_classify(pickle, estimator) != ESPALIER_SOURCE_SUPPORTED) {
        return ESPALIER_OK;
    }
    espalier_source_splits splits = {0};
    const espalier_status status = read_splits(prepare, selector, estimator, &splits);
    *width_out = splits.feature_count;
    return status;
}

static espalier_status refuse_type(const espalier_sklearn_import *import,
                                   const espalier_pickle_value *value, const char *known)
{
    espalier_pickle_slice text = {"", 0};
    const bool named = espalier_pickle_get_text(value, &text) && text.bytes <= 64;
    const char *const kind = espalier_pickle_kind_name(espalier_pickle_kind_of(value));
    return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "a SelectFromModel by importance_type %s%.*s is not converted; %s "
                                 "are",
                                 named ? "" : "of type ",
                                 named ? (int)text.bytes : (int)strlen(kind),
                                 named ? text.data : kind, known);
}

/* Estimators of XGBoost and LightGBM, by their importance_type. */
static espalier_status weigh_splits(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_pickle_value *estimator, uint32_t count,
                                    espalier_sklearn_scores *scores)
{
    static const char *const types[2][4] = {{"split", "gain", "", ""},
                                            {"gain", "total_gain", "weight", ""}};
    espalier_sklearn_import *const import = &prepare->import;
    const bool xgboost = espalier_sklearn_boosted_is_xgboost(estimator);
    const espalier_pickle_value *value = NULL;
    size_t type = 0;
    espalier_status status =
        espalier_sklearn_attribute(import, estimator, "importance_type", false, &value);
    while (status == ESPALIER_OK && value != NULL && type < 4 &&
           espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE &&
           !espalier_pickle_text_equal(value, types[xgboost][type])) {
        type++;
    }
    if (status == ESPALIER_OK && (type == 4 || types[xgboost][type][0] == '\0')) {
        return refuse_type(import, value,
                           xgboost ? "gain, total_gain and weight" : "split and gain");
    }
    void *gains = NULL;
    void *counts = NULL;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, count, sizeof(double), &gains);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, count, sizeof(double), &counts);
    }
    espalier_source_splits splits = {.feature_count = count, .gains = gains, .counts = counts};
    if (status == ESPALIER_OK) {
        status = read_splits(prepare, object, estimator, &splits);
    }
    if (status == ESPALIER_OK && xgboost) {
        scores->narrow = true;
        scores->doubt = ESPALIER_SKLEARN_DOUBT_FLOAT32;
        status = share_splits(prepare, estimator, &splits, type == 1, type == 2, scores->numbers);
    } else if (status == ESPALIER_OK) {
        memcpy(scores->numbers, type == 0 ? splits.counts : splits.gains,
               count * sizeof *scores->numbers);
    }
    free(gains);
    free(counts);
    return status;
}

/* Whether the selector asks for the attribute: by name, or for what the estimator has. */
static bool asks_for(const espalier_sklearn_prepare *prepare, const espalier_pickle_value *object,
                     const char *name)
{
    return !espalier_sklearn_is_set(&prepare->import, object, "importance_getter") ||
           espalier_sklearn_has_text(prepare, object, "importance_getter", "auto") ||
           espalier_sklearn_has_text(prepare, object, "importance_getter", name);
}

/* One of XGBoost or LightGBM that cannot be asked has its own reasons. */
static espalier_status refuse_estimator(espalier_sklearn_prepare *prepare,
                                        const espalier_pickle_value *object,
                                        const espalier_pickle_value *estimator)
{
    const espalier_pickle *const pickle = prepare->import.pickle;
    const espalier_source_class kind = espalier_sklearn_boosted_classify(pickle, estimator);
    const espalier_pickle_name *const name = espalier_pickle_class(estimator);
    char text[256];
    enter_estimator(&prepare->import, object);
    if ((kind == ESPALIER_SOURCE_UNFITTED || kind == ESPALIER_SOURCE_UNSUPPORTED) &&
        espalier_sklearn_boosted_explain(pickle, estimator, prepare->import.path.text, text,
                                         sizeof text)) {
        return espalier_sklearn_fail(&prepare->import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a SelectFromModel cannot ask it: %s", text);
    }
    return espalier_sklearn_fail(
        &prepare->import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
        "a SelectFromModel that asks %.*s is not converted: only trees, forests, GradientBoosting, "
        "AdaBoost, XGBoost, LightGBM and linear models are, for coef_ or feature_importances_",
        name != NULL ? (int)name->name.bytes : 7, name != NULL ? name->name.data : "nothing");
}

espalier_status espalier_sklearn_importances(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *object,
                                             const espalier_pickle_value *estimator, uint32_t count,
                                             espalier_sklearn_scores *scores)
{
    estimator = espalier_sklearn_thaw(prepare->import.pickle, estimator, NULL);
    const espalier_pickle_value *coefficients = NULL;
    void *memory = NULL;
    uint64_t nodes = 0;
    const espalier_sklearn_class *const class = espalier_sklearn_class_of(estimator);
    const bool asked = asks_for(prepare, object, "feature_importances_");
    espalier_status status =
        espalier_sklearn_allocate(&prepare->import, count, sizeof(double), &memory);
    double *const numbers = memory;
    scores->numbers = numbers;
    (void)espalier_pickle_attribute(prepare->import.pickle, estimator, "coef_", &coefficients,
                                    NULL);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (coefficients != NULL && asks_for(prepare, object, "coef_")) {
        return weigh_coefficients(prepare, object, coefficients, count, scores);
    }
    if (asked && class != NULL && class->kind == ESPALIER_SKLEARN_TREE) {
        status = weigh_tree(prepare, estimator, count, numbers, &nodes);
        if (status == ESPALIER_OK) {
            normalise(numbers, count);
        }
        return status;
    }
    if (asked && class != NULL &&
        (class->kind == ESPALIER_SKLEARN_FOREST || class->kind == ESPALIER_SKLEARN_BOOSTING)) {
        return weigh_ensemble(prepare, estimator, class->kind == ESPALIER_SKLEARN_FOREST, count,
                              numbers);
    }
    if (asked && class != NULL && class->kind == ESPALIER_SKLEARN_ADABOOST) {
        return weigh_boosted(prepare, estimator, count, numbers);
    }
    if (asked && espalier_sklearn_boosted_classify(prepare->import.pickle, estimator) ==
                     ESPALIER_SOURCE_SUPPORTED) {
        return weigh_splits(prepare, object, estimator, count, scores);
    }
    return refuse_estimator(prepare, object, estimator);
}
