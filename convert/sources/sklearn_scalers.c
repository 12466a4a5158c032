// SPDX-License-Identifier: Apache-2.0
/*
 * Transformers that compute each column from itself: scalers, Binarizer, FunctionTransformer. See
 * sklearn_prepare.h.
 */
#include "convert/sources/sklearn_prepare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A step of a scaler: x by c[column]. */
typedef struct column_step {
    uint32_t operation;
    const double *numbers; /* [count]; NULL: left out */
    uint32_t number_flags; /* where the numbers themselves are float32 */
} column_step;

/* The columns after one step after the other, each rounded to the table's type. */
static espalier_status run_steps(espalier_sklearn_prepare *prepare,
                                 const espalier_sklearn_table *in, const column_step *steps,
                                 uint32_t step_count, espalier_sklearn_table *out)
{
    espalier_status status = ESPALIER_OK;
    out->narrow = espalier_sklearn_as_float(in->narrow);
    out->wide = espalier_sklearn_as_float(in->wide);
    out->sparse = in->sparse;
    const uint32_t rounding = espalier_sklearn_rounding(out);
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        uint32_t value = in->values[i];
        for (uint32_t k = 0; k < step_count && status == ESPALIER_OK; k++) {
            if (steps[k].numbers != NULL) {
                status = espalier_sklearn_operate(prepare, steps[k].operation, rounding,
                                                  &steps[k].numbers[i], 1,
                                                  steps[k].number_flags & rounding, &value);
            }
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, out, value);
        }
    }
    return status;
}

/* Sparse columns are multiplied by the reciprocal. */
static void invert_numbers(double *numbers, uint32_t count)
{
    for (uint32_t i = 0; numbers != NULL && i < count; i++) {
        numbers[i] = 1.0 / numbers[i];
    }
}

/* x less `center`, by `scale`; either may be left out. */
static espalier_status shift_and_scale(espalier_sklearn_prepare *prepare,
                                       const espalier_pickle_value *object,
                                       const espalier_sklearn_table *in, const char *center,
                                       const char *scale, uint32_t number_flags,
                                       espalier_sklearn_table *out)
{
    double *centers = NULL;
    double *scales = NULL;
    uint32_t count = in->count;
    espalier_status status = espalier_sklearn_refuse_values(prepare, in, false, true, 0);
    if (status == ESPALIER_OK && center != NULL) {
        status = espalier_sklearn_numbers(prepare, object, center, true, &count, &centers);
    }
    if (status == ESPALIER_OK && scale != NULL) {
        status = espalier_sklearn_numbers(prepare, object, scale, true, &count, &scales);
    }
    if (status == ESPALIER_OK && in->sparse && centers != NULL) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "sparse columns cannot be centred");
    }
    if (status == ESPALIER_OK && in->sparse) {
        invert_numbers(scales, count);
    }
    if (status == ESPALIER_OK) {
        const column_step steps[] = {
            {ESPALIER_PREPARE_SUBTRACT, centers, number_flags},
            {in->sparse ? ESPALIER_PREPARE_MULTIPLY : ESPALIER_PREPARE_DIVIDE, scales,
             in->sparse ? 0 : number_flags},
        };
        status = run_steps(prepare, in, steps, 2, out);
    }
    free(centers);
    free(scales);
    return status;
}

espalier_status espalier_sklearn_apply_standard(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *object,
                                                const espalier_sklearn_table *in,
                                                espalier_sklearn_table *out)
{
    bool with_mean = true;
    bool with_std = true;
    espalier_status status = espalier_sklearn_flag(prepare, object, "with_mean", true, &with_mean);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "with_std", true, &with_std);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    /* From 1.8 on what is float32 is computed in float32 alone. */
    const bool narrow = espalier_sklearn_version_from(prepare->version, 1, 8);
    return shift_and_scale(prepare, object, in, with_mean ? "mean_" : NULL,
                           with_std ? "scale_" : NULL, narrow ? ESPALIER_SKLEARN_ROUNDS : 0, out);
}

espalier_status espalier_sklearn_apply_robust(espalier_sklearn_prepare *prepare,
                                              const espalier_pickle_value *object,
                                              const espalier_sklearn_table *in,
                                              espalier_sklearn_table *out)
{
    bool centers = true;
    bool scales = true;
    espalier_status status =
        espalier_sklearn_flag(prepare, object, "with_centering", true, &centers);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "with_scaling", true, &scales);
    }
    /* Sparse columns are never centred, whatever the parameter says. */
    return status != ESPALIER_OK
               ? status
               : shift_and_scale(prepare, object, in, centers && !in->sparse ? "center_" : NULL,
                                 scales ? "scale_" : NULL, 0, out);
}

/* Keeps every column between two numbers. */
static espalier_status clip_columns(espalier_sklearn_prepare *prepare,
                                    espalier_sklearn_table *table, const double *bounds)
{
    const uint32_t rounding = espalier_sklearn_rounding(table);
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < table->count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_CLIP, rounding, bounds, 2,
                                          rounding, &table->values[i]);
    }
    return status;
}

espalier_status espalier_sklearn_apply_magnitude(espalier_sklearn_prepare *prepare,
                                                 const espalier_pickle_value *object,
                                                 const espalier_sklearn_table *in,
                                                 espalier_sklearn_table *out)
{
    static const double bounds[2] = {-1.0, 1.0};
    bool clips = false;
    espalier_status status = espalier_sklearn_flag(prepare, object, "clip", false, &clips);
    if (status == ESPALIER_OK) {
        status = shift_and_scale(prepare, object, in, NULL, "scale_", 0, out);
    }
    return status == ESPALIER_OK && clips ? clip_columns(prepare, out, bounds) : status;
}

/* feature_range: a pair of numbers. */
static espalier_status read_range(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *object, double *bounds)
{
    const espalier_pickle_value *range = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "feature_range", true, &range);
    if (status == ESPALIER_OK &&
        (espalier_pickle_item_count(range) != 2 ||
         !espalier_pickle_get_double(espalier_pickle_item(range, 0), &bounds[0]) ||
         !espalier_pickle_get_double(espalier_pickle_item(range, 1), &bounds[1]))) {
        return espalier_sklearn_fail(&prepare->import, range, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "feature_range is no pair of numbers");
    }
    return status;
}

espalier_status espalier_sklearn_apply_range(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *object,
                                             const espalier_sklearn_table *in,
                                             espalier_sklearn_table *out)
{
    double *scales = NULL;
    double *shifts = NULL;
    double bounds[2] = {0.0, 0.0};
    uint32_t count = in->count;
    bool clips = false;
    espalier_status status = espalier_sklearn_refuse_values(prepare, in, false, true, 0);
    if (status == ESPALIER_OK && in->sparse) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "MinMaxScaler takes no sparse columns");
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "clip", false, &clips);
    }
    if (status == ESPALIER_OK && clips) {
        status = read_range(prepare, object, bounds);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_numbers(prepare, object, "scale_", true, &count, &scales);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_numbers(prepare, object, "min_", true, &count, &shifts);
    }
    if (status == ESPALIER_OK) {
        const column_step steps[] = {{ESPALIER_PREPARE_MULTIPLY, scales, 0},
                                     {ESPALIER_PREPARE_ADD, shifts, 0}};
        status = run_steps(prepare, in, steps, 2, out);
    }
    free(scales);
    free(shifts);
    return status == ESPALIER_OK && clips ? clip_columns(prepare, out, bounds) : status;
}

/* Every column of *in through one operation with the same numbers; the table's types stay. */
static espalier_status map_columns(espalier_sklearn_prepare *prepare,
                                   const espalier_sklearn_table *in, uint32_t operation,
                                   uint32_t flags, const double *number, uint32_t number_flags,
                                   espalier_sklearn_table *out)
{
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
        uint32_t value = in->values[i];
        status = espalier_sklearn_operate(prepare, operation, flags, number, number != NULL,
                                          number_flags, &value);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, out, value);
        }
    }
    return status;
}

espalier_status espalier_sklearn_apply_binarizer(espalier_sklearn_prepare *prepare,
                                                 const espalier_pickle_value *object,
                                                 const espalier_sklearn_table *in,
                                                 espalier_sklearn_table *out)
{
    uint32_t count = 1;
    double *threshold = NULL;
    espalier_status status =
        espalier_sklearn_numbers(prepare, object, "threshold", true, &count, &threshold);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_refuse_values(prepare, in, true, true, 0);
    }
    out->narrow = in->narrow;
    out->wide = in->wide;
    out->sparse = in->sparse;
    if (status == ESPALIER_OK && in->sparse && !(threshold[0] >= 0.0)) {
        status = espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "a threshold below 0 on sparse columns");
    }
    if (status == ESPALIER_OK) {
        status = map_columns(prepare, in, ESPALIER_PREPARE_ABOVE, 0, threshold,
                             espalier_sklearn_rounding(in), out);
    }
    free(threshold);
    return status;
}

/* ---- FunctionTransformer -------------------------------------------------------------------- */

static uint32_t function_of(espalier_pickle_slice name)
{
    static const struct {
        const char *name;
        uint32_t operation;
    } functions[] = {
        {"log1p", ESPALIER_PREPARE_LOG1P},  {"expm1", ESPALIER_PREPARE_EXPM1},
        {"log", ESPALIER_PREPARE_LOG},      {"exp", ESPALIER_PREPARE_EXP},
        {"sqrt", ESPALIER_PREPARE_SQRT},    {"abs", ESPALIER_PREPARE_ABS},
        {"absolute", ESPALIER_PREPARE_ABS}, {"fabs", ESPALIER_PREPARE_ABS},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (espalier_pickle_slice_equal(name, functions[i].name)) {
            return functions[i].operation;
        }
    }
    return 0;
}

/* Whether NumPy's functions answer in float16, or in float32 of what is none. */
static bool is_below_float(espalier_sklearn_dtype dtype)
{
    return dtype == ESPALIER_SKLEARN_BOOL || dtype == ESPALIER_SKLEARN_SMALL ||
           dtype == ESPALIER_SKLEARN_UINT8 || dtype == ESPALIER_SKLEARN_UINT16;
}

static espalier_status refuse_function(const espalier_sklearn_prepare *prepare,
                                       const espalier_pickle_value *at, espalier_pickle_slice name)
{
    return espalier_sklearn_fail(
        &prepare->import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
        "a FunctionTransformer of %.*s is not converted: only None, numpy.log1p, expm1, log, exp, "
        "sqrt and abs are, without kw_args",
        name.bytes > 64 ? 64 : (int)name.bytes, name.data);
}

espalier_status espalier_sklearn_apply_function(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *object,
                                                const espalier_sklearn_table *in,
                                                espalier_sklearn_table *out)
{
    const espalier_pickle_value *function = NULL;
    const espalier_pickle_value *arguments = NULL;
    espalier_pickle_slice name = {"a function of its own", 21};
    bool validates = false;
    espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, "func", true, &function);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(&prepare->import, object, "kw_args", false, &arguments);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_flag(prepare, object, "validate", false, &validates);
    }
    if (status == ESPALIER_OK && validates) {
        status = espalier_sklearn_refuse_values(prepare, in, true, true, 0);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool identity = espalier_pickle_kind_of(function) == ESPALIER_PICKLE_NONE;
    const uint32_t operation = !identity && espalier_sklearn_numpy_function(function, &name)
                                   ? function_of(name)
                                   : ESPALIER_PREPARE_COPY;
    if ((arguments != NULL && espalier_pickle_pair_count(arguments) > 0) ||
        (!identity && (operation == 0 || operation == ESPALIER_PREPARE_COPY))) {
        return refuse_function(prepare, function, name);
    }
    *out = (espalier_sklearn_table){.narrow = in->narrow, .wide = in->wide, .sparse = in->sparse};
    if (identity) {
        for (uint32_t i = 0; i < in->count && status == ESPALIER_OK; i++) {
            status = espalier_sklearn_table_add(prepare, out, in->values[i]);
        }
        return status;
    }
    if (is_below_float(in->narrow) || is_below_float(in->wide) || in->sparse) {
        return espalier_sklearn_fail(&prepare->import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a function of boolean or sparse columns is not converted, "
                                     "nor one of integers of one or two bytes");
    }
    if (operation != ESPALIER_PREPARE_ABS) {
        out->narrow = espalier_sklearn_as_float(in->narrow);
        out->wide = espalier_sklearn_as_float(in->wide);
    }
    return map_columns(prepare, in, operation, espalier_sklearn_rounding(out), NULL, 0, out);
}
