// SPDX-License-Identifier: Apache-2.0
/*
 * What the sums of a GradientBoosting model start from: `init_`, a dummy estimator that answers the
 * same for every row, or 'zero', through the loss's link as the version computes it. Others are for
 * sklearn_fitted_guess.c.
 */
#include "convert/sources/sklearn_internal.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the dummy answers ----------------------------------------------------------------- */

/* A regressor's constant_, of one value. */
static espalier_status read_constant(const espalier_sklearn_import *import,
                                     const espalier_pickle_value *init, double *out)
{
    const espalier_pickle_value *value;
    const espalier_status status =
        espalier_sklearn_attribute(import, init, "constant_", true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    const bool good = array != NULL ? array->form->element_count == 1 &&
                                          espalier_pickle_array_double(array, 0, out)
                                    : espalier_pickle_get_double(value, out);
    if (!good || !isfinite(*out)) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "constant_ of init_ is no finite number");
    }
    return ESPALIER_OK;
}

/* An array of a number a class. */
static espalier_status read_class_numbers(const espalier_sklearn_import *import,
                                          const espalier_pickle_value *init, const char *name,
                                          uint32_t count, double *out)
{
    const espalier_pickle_value *value;
    const espalier_status status = espalier_sklearn_attribute(import, init, name, true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    bool good = array != NULL && array->form->dim_count == 1 && array->form->element_count == count;
    for (uint32_t i = 0; i < count && good; i++) {
        good = espalier_pickle_array_double(array, i, &out[i]) && isfinite(out[i]);
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                        "%s of init_ is no array of %" PRIu32 " finite numbers",
                                        name, count);
}

/* One where the class is the constant, of which `out` holds the classes. */
static espalier_status choose_constant(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *init, uint32_t count,
                                       double *out)
{
    const espalier_pickle_value *value;
    double constant = 0;
    espalier_status status = espalier_sklearn_attribute(import, init, "constant", true, &value);
    if (status == ESPALIER_OK) {
        status = read_class_numbers(import, init, "classes_", count, out);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    const bool good = array != NULL ? array->form->element_count == 1 &&
                                          espalier_pickle_array_double(array, 0, &constant)
                                    : espalier_pickle_get_double(value, &constant);
    bool found = false;
    for (uint32_t i = 0; i < count && good; i++) {
        out[i] = out[i] == constant ? 1.0 : 0.0;
        found = found || out[i] != 0;
    }
    return found ? ESPALIER_OK
                 : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                         "constant of init_ is none of its classes");
}

static void choose_first_maximum(uint32_t count, double *values)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = i == best ? 1.0 : 0.0;
    }
}

/* What predict_proba of the dummy gives, for every row the same. */
static espalier_status read_probabilities(const espalier_sklearn_import *import,
                                          const espalier_pickle_value *init, uint32_t count,
                                          double *out)
{
    const espalier_pickle_value *strategy;
    espalier_status status = espalier_sklearn_attribute(import, init, "strategy", true, &strategy);
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool most_frequent = espalier_pickle_text_equal(strategy, "most_frequent");
    if (most_frequent || espalier_pickle_text_equal(strategy, "prior")) {
        status = read_class_numbers(import, init, "class_prior_", count, out);
        if (status == ESPALIER_OK && most_frequent) {
            choose_first_maximum(count, out);
        }
        return status;
    }
    if (espalier_pickle_text_equal(strategy, "constant")) {
        return choose_constant(import, init, count, out);
    }
    if (espalier_pickle_text_equal(strategy, "uniform")) {
        for (uint32_t i = 0; i < count; i++) {
            out[i] = 1.0 / (double)count;
        }
        return ESPALIER_OK;
    }
    return espalier_sklearn_fail(import, strategy, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "the first guess is a DummyClassifier whose strategy answers at "
                                 "random or is not known");
}

/* ---- links ---------------------------------------------------------------------------------- */

/* Up to 1.3 log(p / (1 - p)), then SciPy's logit: the same up to 1.14, exact near one half from
 * 1.15 on, of January 2025, which is a month younger than 1.6.0 and a week older than 1.6.1. */
static double find_logit(const espalier_sklearn_import *import, double p)
{
    if (!espalier_sklearn_version_from(import->version, 1, 6) || p < 0.3 || p > 0.65) {
        return log(p / (1.0 - p));
    }
    const double s = 2.0 * (p - 0.5);
    return log1p(s) - log1p(-s);
}

/* From 1.4 on by the geometric mean, so that the margins of all classes add up to about zero. */
static void link_classes(const espalier_sklearn_import *import, uint32_t count, double *values,
                         double *logarithms)
{
    for (uint32_t i = 0; i < count; i++) {
        logarithms[i] = log(values[i]);
    }
    if (!espalier_sklearn_version_from(import->version, 1, 4)) {
        memcpy(values, logarithms, count * sizeof *values);
        return;
    }
    const double mean = exp(espalier_sklearn_sum_pairwise(logarithms, count) / (double)count);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = log(values[i] / mean);
    }
}

static void clip_probabilities(const espalier_sklearn_import *import, uint32_t count,
                               double *values)
{
    const double least =
        espalier_sklearn_version_from(import->version, 1, 8) ? DBL_EPSILON : (double)FLT_EPSILON;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = values[i] < least ? least : values[i];
        values[i] = values[i] > 1.0 - least ? 1.0 - least : values[i];
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

static espalier_status guess_classes(espalier_sklearn_import *import,
                                     const espalier_pickle_value *init)
{
    espalier_forest *const forest = import->forest;
    const uint32_t count = forest->labels[0].count;
    void *scratch = NULL;
    espalier_status status = espalier_sklearn_allocate(import, count, 2 * sizeof(double), &scratch);
    double *const values = scratch;
    if (status == ESPALIER_OK) {
        status = read_probabilities(import, init, count, values);
    }
    if (status == ESPALIER_OK) {
        clip_probabilities(import, count, values);
        if (forest->slot_count > 1) {
            link_classes(import, count, values, values + count);
            memcpy(forest->start, values, count * sizeof *values);
        } else {
            const double logit = find_logit(import, values[1]);
            forest->start[0] = strcmp(forest->objective, "exponential") == 0 ? 0.5 * logit : logit;
        }
    }
    free(scratch);
    return status;
}

espalier_status espalier_sklearn_read_first_guess(espalier_sklearn_import *import,
                                                  const espalier_pickle_value **fitted_out)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *init;
    void *start = NULL;
    *fitted_out = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "init_", true, &init);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, forest->slot_count, sizeof *forest->start, &start);
        forest->start = start;
    }
    if (status != ESPALIER_OK || espalier_pickle_text_equal(init, "zero")) {
        return status;
    }
    if (forest->classifier && espalier_pickle_is(init, "sklearn.dummy", "DummyClassifier")) {
        return guess_classes(import, init);
    }
    if (!forest->classifier && espalier_pickle_is(init, "sklearn.dummy", "DummyRegressor")) {
        return read_constant(import, init, &forest->start[0]);
    }
    *fitted_out = init;
    return ESPALIER_OK;
}
