// SPDX-License-Identifier: Apache-2.0
/*
 * Fitted selectors: which columns they keep. They compute nothing, so what they keep costs nothing;
 * what they drop may still refuse a row. See sklearn_prepare.h.
 */
#include "convert/sources/decimal.h"
#include "convert/sources/sklearn_prepare.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what all selectors do ------------------------------------------------------------------ */

/* Keeps the columns for which keeps[column] is not 0. */
static espalier_status keep_columns(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_sklearn_table *in, const uint8_t *keeps,
                                    bool missing_allowed, espalier_sklearn_table *out)
{
    espalier_status status =
        espalier_sklearn_refuse_values(prepare, in, !missing_allowed, !missing_allowed, 0);
    out->narrow = in->narrow;
    out->wide = in->wide;
    out->sparse = in->sparse;
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        status = keeps[i] != 0 ? espalier_sklearn_table_add(prepare, out, in->values[i]) : status;
    }
    if (status == ESPALIER_OK && out->count == 0) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "the selector keeps no feature");
    }
    return status;
}

static espalier_status make_keeps(espalier_sklearn_prepare *prepare,
                                  const espalier_sklearn_table *in, uint8_t **keeps_out)
{
    void *keeps = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(&prepare->import, in->count, 1, &keeps);
    *keeps_out = keeps;
    return status;
}

static bool is_below(espalier_pickle_slice module, const char *top)
{
    const size_t bytes = strlen(top);
    return module.bytes >= bytes && memcmp(module.data, top, bytes) == 0;
}

/* Whether an estimator says of itself that it takes NaN: a selector that asks it then checks
 * nothing. Of trees since 1.3, by their parameters; others of scikit-learn do not. */
static bool takes_missing(const espalier_sklearn_prepare *prepare,
                          const espalier_pickle_value *outer)
{
    const espalier_pickle_value *const estimator =
        espalier_sklearn_thaw(prepare->import.pickle, outer, NULL);
    const espalier_pickle_name *const name =
        estimator != NULL ? espalier_pickle_class(estimator) : NULL;
    if (name == NULL) {
        return false;
    }
    const espalier_sklearn_class *const class = espalier_sklearn_class_of(estimator);
    if (class == NULL) {
        return is_below(name->module, "xgboost.") || is_below(name->module, "lightgbm.");
    }
    if (class->kind == ESPALIER_SKLEARN_HISTOGRAM) {
        return true;
    }
    const espalier_pickle_value *criterion = NULL;
    espalier_pickle_slice text = {"", 0};
    char own[32] = "";
    (void)espalier_pickle_attribute(prepare->import.pickle, estimator, "criterion", &criterion,
                                    NULL);
    if (criterion != NULL && espalier_pickle_get_text(criterion, &text) &&
        text.bytes < sizeof own) {
        memcpy(own, text.data, text.bytes);
    }
    const bool forest = class->kind == ESPALIER_SKLEARN_FOREST;
    const bool tree = class->kind == ESPALIER_SKLEARN_TREE;
    const espalier_sklearn_tree_facts facts = {
        .classifier = class->classifier,
        .extra = class->extra,
        .in_forest = forest,
        .splitter_best = forest ? !class->extra
                                : espalier_sklearn_has_text(prepare, estimator, "splitter", "best"),
        .splitter_random =
            forest ? class->extra
                   : espalier_sklearn_has_text(prepare, estimator, "splitter", "random"),
        .criterion_missing = espalier_sklearn_criterion_missing(class->classifier, own),
    };
    return (forest || tree) && espalier_sklearn_missing_allowed(prepare->version, &facts);
}

/* ---- VarianceThreshold, RFE and kin ---------------------------------------------------------- */

espalier_status espalier_sklearn_apply_variance(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *object,
                                                const espalier_sklearn_table *in,
                                                espalier_sklearn_table *out)
{
    double *variances = NULL;
    double *threshold = NULL;
    uint8_t *keeps = NULL;
    uint32_t count = in->count;
    uint32_t one = 1;
    espalier_status status =
        espalier_sklearn_numbers(prepare, object, "variances_", true, &count, &variances);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_numbers(prepare, object, "threshold", true, &one, &threshold);
    }
    if (status == ESPALIER_OK) {
        status = make_keeps(prepare, in, &keeps);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        keeps[i] = variances[i] > threshold[0];
    }
    if (status == ESPALIER_OK) {
        status = keep_columns(prepare, object, in, keeps, true, out);
    }
    free(variances);
    free(threshold);
    free(keeps);
    return status;
}

espalier_status espalier_sklearn_apply_support(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *object,
                                               const espalier_sklearn_table *in,
                                               espalier_sklearn_table *out)
{
    const espalier_pickle_value *estimator = NULL;
    double *support = NULL;
    uint8_t *keeps = NULL;
    uint32_t count = in->count;
    espalier_status status =
        espalier_sklearn_numbers(prepare, object, "support_", true, &count, &support);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_attribute(&prepare->import, object, "estimator", false, &estimator);
    }
    if (status == ESPALIER_OK) {
        status = make_keeps(prepare, in, &keeps);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        keeps[i] = support[i] != 0.0;
    }
    if (status == ESPALIER_OK) {
        status = keep_columns(prepare, object, in, keeps, takes_missing(prepare, estimator), out);
    }
    free(support);
    free(keeps);
    return status;
}

/* ---- SelectKBest and kin --------------------------------------------------------------------- */

/* Scores or p-values of all columns, and what decides on them. */
typedef struct score_choice {
    const char *mode; /* "k_best", .. */
    const char *parameter;
    bool p_values;
} score_choice;

static const score_choice *find_choice(const espalier_sklearn_prepare *prepare,
                                       const espalier_pickle_value *object)
{
    static const struct {
        const char *class;
        score_choice choice;
    } choices[] = {
        {"SelectKBest", {"k_best", "k", false}},
        {"SelectPercentile", {"percentile", "percentile", false}},
        {"SelectFpr", {"fpr", "alpha", true}},
        {"SelectFdr", {"fdr", "alpha", true}},
        {"SelectFwe", {"fwe", "alpha", true}},
    };
    const espalier_pickle_name *const name = espalier_pickle_class(object);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (espalier_pickle_slice_equal(name->name, choices[i].class) ||
            espalier_sklearn_has_text(prepare, object, "mode", choices[i].choice.mode)) {
            return &choices[i].choice;
        }
    }
    return NULL;
}

/* A score and where it stands. */
typedef struct ranked_score {
    double score;
    uint32_t column;
} ranked_score;

static int compare_scores(const void *left, const void *right)
{
    const ranked_score *const a = left;
    const ranked_score *const b = right;
    return a->score != b->score ? (a->score > b->score) - (a->score < b->score)
                                : (a->column > b->column) - (a->column < b->column);
}

/* NumPy's percentile by linear interpolation of sorted scores. */
static double find_percentile(const ranked_score *sorted, uint32_t count, double percent)
{
    const double place = percent / 100.0 * (double)(count - 1);
    const uint32_t below = (uint32_t)floor(place);
    const uint32_t above = below + 1 < count ? below + 1 : below;
    const double part = place - (double)below;
    const double difference = sorted[above].score - sorted[below].score;
    return part >= 0.5 ? sorted[above].score - difference * (1.0 - part)
                       : sorted[below].score + difference * part;
}

static void keep_percentile(const double *scores, const ranked_score *sorted, uint32_t count,
                            double percent, uint8_t *keeps)
{
    const double threshold = find_percentile(sorted, count, 100.0 - percent);
    int64_t ties = (int64_t)((double)count * percent / 100.0);
    for (uint32_t i = 0; i < count; i++) {
        keeps[i] = scores[i] > threshold;
        ties -= keeps[i];
    }
    if (ties < 0) {
        /* A slice that ends at a negative place leaves out the last ones. */
        int64_t all = 0;
        for (uint32_t i = 0; i < count; i++) {
            all += scores[i] == threshold;
        }
        ties = all + ties;
    }
    for (uint32_t i = 0; i < count && ties > 0; i++) {
        if (scores[i] == threshold) {
            keeps[i] = 1;
            ties--;
        }
    }
}

/* By p-values, sorted where the rule asks for it. */
static void keep_significant(const char *mode, const double *values, const ranked_score *sorted,
                             uint32_t count, double alpha, uint8_t *keeps)
{
    double most = -INFINITY; /* fdr: the largest that is selected */
    for (uint32_t i = 0; i < count; i++) {
        if (sorted[i].score <= alpha / (double)count * (double)(i + 1)) {
            most = sorted[i].score;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        keeps[i] = strcmp(mode, "fdr") == 0   ? values[i] <= most
                   : strcmp(mode, "fpr") == 0 ? values[i] < alpha
                                              : values[i] < alpha / (double)count;
    }
}

static void keep_by_choice(const score_choice *choice, const double *scores,
                           const ranked_score *sorted, uint32_t count, double parameter,
                           uint8_t *keeps)
{
    const bool best = strcmp(choice->mode, "k_best") == 0;
    if (choice->p_values) {
        keep_significant(choice->mode, scores, sorted, count, parameter, keeps);
    } else if (best && parameter < (double)count) {
        for (uint32_t i = count - (uint32_t)parameter; i < count; i++) {
            keeps[sorted[i].column] = 1;
        }
    } else if (!best && parameter < 100.0 && parameter > 0.0) {
        keep_percentile(scores, sorted, count, parameter, keeps);
    } else {
        memset(keeps, best || parameter >= 100.0, count);
    }
}

/* k, percentile or alpha; "all": infinity. */
static espalier_status read_parameter(const espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *object, const char *name,
                                      double *parameter)
{
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, name, true, &value);
    *parameter = INFINITY;
    if (status != ESPALIER_OK || espalier_pickle_text_equal(value, "all")) {
        return status;
    }
    if (!espalier_pickle_get_double(value, parameter) || !(*parameter >= 0.0)) {
        return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is no number from 0 on", name);
    }
    return status;
}

espalier_status espalier_sklearn_apply_scores(espalier_sklearn_prepare *prepare,
                                              const espalier_pickle_value *object,
                                              const espalier_sklearn_table *in,
                                              espalier_sklearn_table *out)
{
    const score_choice *const choice = find_choice(prepare, object);
    double *scores = NULL;
    void *sorted = NULL;
    uint8_t *keeps = NULL;
    double parameter = 0.0;
    uint32_t count = in->count;
    if (choice == NULL) {
        return espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a mode of selection that is not known");
    }
    const bool general =
        espalier_sklearn_is_set(&prepare->import, object, "mode"); /* GenericUnivariateSelect */
    espalier_status status =
        read_parameter(prepare, object, general ? "param" : choice->parameter, &parameter);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_numbers(prepare, object, choice->p_values ? "pvalues_" : "scores_",
                                     true, &count, &scores);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, count, sizeof(ranked_score), &sorted);
    }
    if (status == ESPALIER_OK) {
        status = make_keeps(prepare, in, &keeps);
    }
    if (status == ESPALIER_OK && count > 0) {
        ranked_score *const ranked = sorted;
        for (uint32_t i = 0; i < count; i++) {
            scores[i] = isnan(scores[i]) && !choice->p_values ? -DBL_MAX : scores[i];
            ranked[i] = (ranked_score){isnan(scores[i]) ? INFINITY : scores[i], i};
        }
        qsort(ranked, count, sizeof *ranked, compare_scores);
        keep_by_choice(choice, scores, ranked, count, parameter, keeps);
        status = keep_columns(prepare, object, in, keeps, false, out);
    }
    free(scores);
    free(sorted);
    free(keeps);
    return status;
}

/* ---- SelectFromModel ------------------------------------------------------------------------- */

static int compare_numbers(const void *left, const void *right)
{
    double a = 0.0;
    double b = 0.0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return (a > b) - (a < b);
}

static double find_median(const double *scores, uint32_t count, double *scratch)
{
    memcpy(scratch, scores, count * sizeof *scratch);
    qsort(scratch, count, sizeof *scratch, compare_numbers);
    return count % 2 != 0 ? scratch[count / 2]
                          : (scratch[count / 2 - 1] + scratch[count / 2]) / 2.0;
}

/* Whether a ratio of penalties, or all of several, is 1 as numpy.isclose has it. */
static bool is_all_l1(const espalier_sklearn_prepare *prepare,
                      const espalier_pickle_value *estimator, const char *name)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(prepare->import.pickle, estimator, name, &value, NULL);
    const espalier_pickle_array *const array =
        value != NULL ? espalier_pickle_get_array(value) : NULL;
    double ratio = 0.0;
    bool all = value != NULL && (array != NULL ? array->form->element_count > 0
                                               : espalier_pickle_get_double(value, &ratio));
    for (uint64_t i = 0; array != NULL && i < array->form->element_count && all; i++) {
        all = espalier_pickle_array_double(array, i, &ratio) && fabs(ratio - 1.0) <= 1e-8 + 1e-5;
    }
    return all && fabs(ratio - 1.0) <= 1e-8 + 1e-5;
}

/* Whether `part` is in the name of a class. */
static bool names(espalier_pickle_slice name, const char *part)
{
    const size_t bytes = strlen(part);
    for (size_t i = 0; i + bytes <= name.bytes; i++) {
        if (memcmp(name.data + i, part, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether it is of a class that is asked for its ratio: all elastic nets before 1.8, then two of
 * them, and logistic regression, which has no penalty by name any more. */
static bool is_ratio_l1(const espalier_sklearn_prepare *prepare,
                        const espalier_pickle_value *estimator)
{
    const espalier_pickle_slice name = espalier_pickle_class(estimator)->name;
    if (!espalier_sklearn_version_from(prepare->version, 1, 8)) {
        return names(name, "ElasticNet") && (is_all_l1(prepare, estimator, "l1_ratio_") ||
                                             is_all_l1(prepare, estimator, "l1_ratio"));
    }
    const bool fitted = espalier_pickle_slice_equal(name, "ElasticNetCV") ||
                        espalier_pickle_slice_equal(name, "LogisticRegressionCV");
    const bool given = espalier_pickle_slice_equal(name, "ElasticNet") ||
                       espalier_pickle_slice_equal(name, "LogisticRegression");
    return (fitted && is_all_l1(prepare, estimator, "l1_ratio_")) ||
           (given && is_all_l1(prepare, estimator, "l1_ratio"));
}

/* An estimator with an L1 penalty drops what is about zero, others what is below the mean. A frozen
 * one has its attributes but not its class. */
static bool is_sparse_model(const espalier_sklearn_prepare *prepare,
                            const espalier_pickle_value *estimator)
{
    const espalier_pickle_value *const inner =
        espalier_sklearn_thaw(prepare->import.pickle, estimator, NULL);
    return names(espalier_pickle_class(estimator)->name, "Lasso") ||
           espalier_sklearn_has_text(prepare, inner, "penalty", "l1") ||
           (espalier_sklearn_version_from(prepare->version, 1, 1) &&
            is_ratio_l1(prepare, estimator));
}

/* text without blanks at its ends */
static espalier_pickle_slice trim(espalier_pickle_slice text)
{
    while (text.bytes > 0 && text.data[0] == ' ') {
        text.data++;
        text.bytes--;
    }
    while (text.bytes > 0 && text.data[text.bytes - 1] == ' ') {
        text.bytes--;
    }
    return text;
}

/* "mean", "median", or a number, "*", and one of them; false: none of these, or no memory. */
static bool parse_threshold(espalier_pickle_slice text, double *factor, bool *starred, bool *median)
{
    espalier_pickle_slice reference = text;
    const char *const star = text.bytes > 0 ? memchr(text.data, '*', text.bytes) : NULL;
    bool good = true;
    *starred = star != NULL;
    *factor = 1.0;
    if (star != NULL) {
        espalier_decimal decimal = {0};
        const size_t before = (size_t)(star - text.data);
        const espalier_pickle_slice number = trim((espalier_pickle_slice){text.data, before});
        reference = (espalier_pickle_slice){star + 1, text.bytes - before - 1};
        good = espalier_decimal_open(&decimal) &&
               espalier_decimal_to_float64(&decimal, number.data, number.bytes, factor);
        espalier_decimal_close(&decimal);
    }
    reference = trim(reference);
    *median = espalier_pickle_slice_equal(reference, "median");
    return good && (*median || espalier_pickle_slice_equal(reference, "mean"));
}

/* *is_score_out: it is one of the scores. A number of Python is rounded to float32 to be compared
 * with such; one of NumPy is only by NumPy 1. */
static espalier_status find_threshold(espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *object,
                                      const espalier_pickle_value *estimator,
                                      const espalier_sklearn_scores *scores, uint32_t count,
                                      double *threshold_out, bool *is_score_out)
{
    const espalier_pickle_value *value = NULL;
    espalier_pickle_slice text = {"mean", 4};
    double factor = 1.0;
    bool starred = false;
    bool median = false;
    void *scratch = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "threshold", false, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (value != NULL && espalier_pickle_get_double(value, threshold_out)) {
        if (scores->narrow && espalier_pickle_scalar_dtype(value) == NULL &&
            fabs(*threshold_out) <= (double)FLT_MAX) {
            *threshold_out = (double)(float)*threshold_out;
        }
        return status;
    }
    const bool none = value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE;
    if (none && is_sparse_model(prepare, estimator)) {
        *threshold_out = 1e-5;
        return status;
    }
    if ((!none && !espalier_pickle_get_text(value, &text)) ||
        !parse_threshold(text, &factor, &starred, &median)) {
        return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "threshold is neither a number nor one of mean and median");
    }
    status = espalier_sklearn_allocate(&prepare->import, count, sizeof(double), &scratch);
    if (status == ESPALIER_OK) {
        const double reference =
            median ? find_median(scores->numbers, count, scratch)
                   : espalier_sklearn_sum_pairwise(scores->numbers, count) / (double)count;
        *threshold_out = factor * reference;
        *is_score_out = !starred && (median ? count % 2 != 0 : count == 1);
    }
    free(scratch);
    return status;
}

/* ---- float32 --------------------------------------------------------------------------------- */

/* Whether another order of the two is possible, `share` of them being in doubt. Zeroes are exact,
 * beside float32's smallest numbers nothing is. */
static bool are_near(double a, double b, double share)
{
    return isfinite(b) && fabs(a - b) <= share * fabs(b) + 8.0 * 0x1p-149 && (a != 0.0 || b != 0.0);
}

static espalier_status refuse_near(const espalier_sklearn_prepare *prepare,
                                   const espalier_pickle_value *estimator, uint32_t column,
                                   const char *what)
{
    return espalier_sklearn_fail(
        &prepare->import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
        "a SelectFromModel that asks for coef_ of float32 or XGBoost's importances, which are "
        "compared in float32, with column %" PRIu32 " next to %s is not converted; another "
        "threshold or max_features is",
        column, what);
}

/* float32 is compared in float32: the same but where a score is next to the threshold. */
static espalier_status check_near(const espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *estimator,
                                  const espalier_sklearn_scores *scores, uint32_t count,
                                  double threshold, bool is_score)
{
    const double share = scores->doubt > ESPALIER_SKLEARN_DOUBT_FLOAT32
                             ? scores->doubt
                             : ESPALIER_SKLEARN_DOUBT_FLOAT32;
    for (uint32_t i = 0; i < count && scores->narrow; i++) {
        const double score = scores->numbers[i];
        if (are_near(score, threshold, share) && !(is_score && score == threshold)) {
            return refuse_near(prepare, estimator, i, "the threshold");
        }
    }
    return ESPALIER_OK;
}

/* The columns with the highest scores, as many as max_features says; all without. */
static espalier_status keep_highest(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *object,
                                    const espalier_pickle_value *estimator,
                                    const espalier_sklearn_scores *scores, uint32_t count,
                                    uint8_t *keeps)
{
    const espalier_pickle_value *value = NULL;
    int64_t most = count;
    void *sorted = NULL;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "max_features_", false, &value);
    if (status == ESPALIER_OK && value == NULL) {
        status =
            espalier_sklearn_attribute(&prepare->import, object, "max_features", false, &value);
    }
    if (status == ESPALIER_OK && value != NULL &&
        espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE &&
        (!espalier_pickle_get_int64(value, &most) || most < 0)) {
        status = espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "max_features is no number");
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(&prepare->import, count, sizeof(ranked_score), &sorted);
    }
    ranked_score *const ranked = sorted;
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        ranked[i] = (ranked_score){-scores->numbers[i], i};
    }
    if (status == ESPALIER_OK) {
        qsort(ranked, count, sizeof *ranked, compare_scores);
    }
    if (status == ESPALIER_OK && most > 0 && most < (int64_t)count && scores->doubt > 0.0 &&
        ranked[most].score != ranked[most - 1].score &&
        are_near(ranked[most].score, ranked[most - 1].score, scores->doubt)) {
        status = refuse_near(prepare, estimator, ranked[most].column, "the last one kept");
    }
    for (uint32_t i = 0; i < count && (int64_t)i < most && status == ESPALIER_OK; i++) {
        keeps[ranked[i].column] = 1;
    }
    free(sorted);
    return status;
}

espalier_status espalier_sklearn_apply_importance(espalier_sklearn_prepare *prepare,
                                                  const espalier_pickle_value *object,
                                                  const espalier_sklearn_table *in,
                                                  espalier_sklearn_table *out)
{
    const espalier_pickle_value *fitted = NULL;
    const espalier_pickle_value *given = NULL;
    espalier_sklearn_scores scores = {0};
    uint8_t *keeps = NULL;
    double threshold = 0.0;
    bool is_score = false;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "estimator_", false, &fitted);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(&prepare->import, object, "estimator", true, &given);
    }
    const espalier_pickle_value *const estimator = fitted != NULL ? fitted : given;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_importances(prepare, object, estimator, in->count, &scores);
    }
    if (status == ESPALIER_OK) {
        status =
            find_threshold(prepare, object, estimator, &scores, in->count, &threshold, &is_score);
    }
    if (status == ESPALIER_OK) {
        status = check_near(prepare, estimator, &scores, in->count, threshold, is_score);
    }
    if (status == ESPALIER_OK) {
        status = make_keeps(prepare, in, &keeps);
    }
    if (status == ESPALIER_OK) {
        status = keep_highest(prepare, object, estimator, &scores, in->count, keeps);
    }
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        keeps[i] = keeps[i] != 0 && !(scores.numbers[i] < threshold);
    }
    if (status == ESPALIER_OK) {
        status = keep_columns(prepare, object, in, keeps, takes_missing(prepare, given), out);
    }
    free(scores.numbers);
    free(keeps);
    return status;
}
