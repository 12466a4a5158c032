// SPDX-License-Identifier: Apache-2.0
/*
 * CalibratedClassifierCV: the mean of calibrated classifiers, each a member whose decision function
 * or probabilities go through a sigmoid, an isotonic line or a temperature. See sklearn_members.h
 * and docs/semantics.md.
 */
#include "convert/sources/sklearn_members.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One conversion. */
typedef struct calibration {
    espalier_sklearn_import *import;
    const espalier_pickle_value *members; /* calibrated_classifiers_ */
    uint32_t count;
    uint32_t classes;
    uint32_t sum;
} calibration;

/* One calibrated classifier. */
typedef struct calibrated {
    const espalier_pickle_value *object;
    const espalier_pickle_value *calibrators; /* a list */
    espalier_sklearn_member member;
    uint32_t response;       /* first slot of what is calibrated, */
    uint32_t response_count; /* and how many: 1 for two classes */
    bool from_margin;
    bool narrow;      /* it is float32 */
    uint32_t *places; /* [classes] of the member's classes among all */
    double *slots;    /* [classes] of calibrated numbers, -1: none */
} calibrated;

/* ---- calibrators ----------------------------------------------------------------------------- */

/* Why a sigmoid of such numbers over float32 is not known, or NULL. float32 beside a float64 of
 * NumPy 2 becomes float64. Beside one of NumPy 1, or a number of Python, it stays float32. */
static const char *explain_sigmoid(const espalier_sklearn_import *import,
                                   const espalier_pickle_value *calibrator, const char *name)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(import->pickle, calibrator, name, &value, NULL);
    const espalier_pickle_dtype *const dtype =
        value != NULL ? espalier_pickle_scalar_dtype(value) : NULL;
    if (dtype == NULL) {
        return "is a number of Python, none of NumPy's";
    }
    if (dtype->kind != 'f' || dtype->item_bytes != 8) {
        return "is no float64";
    }
    return espalier_pickle_is(value, "numpy._core.multiarray", "scalar")
               ? NULL
               : "was saved by NumPy 1, and NumPy 2 computes it in another type; load it there and "
                 "save it again";
}

/* expit(-(a x + b)). */
static espalier_status add_sigmoid(const calibration *work, const espalier_pickle_value *calibrator,
                                   bool narrow, uint32_t slot, uint32_t *slot_out)
{
    const espalier_sklearn_import *const import = work->import;
    static const char *const names[] = {"a_", "b_"};
    static const double minus[1] = {-1.0};
    double numbers[2] = {0.0, 0.0};
    for (size_t i = 0; i < 2; i++) {
        const espalier_status status =
            espalier_sklearn_read_number(import, calibrator, names[i], &numbers[i]);
        const char *const cause =
            status == ESPALIER_OK && narrow ? explain_sigmoid(import, calibrator, names[i]) : NULL;
        if (cause != NULL) {
            return espalier_sklearn_fail(import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "a sigmoid over probabilities of float32, as XGBoost's, "
                                         "is not converted where its %s %s; the classifier alone "
                                         "is",
                                         names[i], cause);
        }
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, slot, 1, &numbers[0]);
    slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_ADD, slot, 1, &numbers[1]);
    slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, slot, 1, minus);
    *slot_out = espalier_sklearn_add_stage(import, ESPALIER_FOREST_SIGMOID, slot, 1, NULL);
    return espalier_sklearn_finish_plan(import, *slot_out != ESPALIER_PLAN_NO_SLOT);
}

/* An array of knots, in float64: another type means another arithmetic. */
static espalier_status read_knots(const calibration *work, const espalier_pickle_value *calibrator,
                                  const char *name, const espalier_pickle_array **out)
{
    const espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, calibrator, name, true, &value);
    *out = value != NULL ? espalier_pickle_get_array(value) : NULL;
    return status != ESPALIER_OK ||
                   (*out != NULL && (*out)->dim_count == 1 && (*out)->element_count > 0 &&
                    (*out)->element_count <= ESPALIER_LIMIT_STAGE_SLOTS &&
                    (*out)->dtype->kind == 'f' && (*out)->dtype->item_bytes == 8)
               ? status
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "%s of an isotonic calibrator is no array of float64", name);
}

/* X_thresholds_ and y_thresholds_, up to 0.23 _necessary_X_ and _necessary_y_. */
static espalier_status add_isotonic(const calibration *work,
                                    const espalier_pickle_value *calibrator, uint32_t slot,
                                    uint32_t *slot_out)
{
    espalier_sklearn_import *const import = work->import;
    const bool newer = espalier_sklearn_is_set(import, calibrator, "X_thresholds_");
    const espalier_pickle_array *x = NULL;
    const espalier_pickle_array *y = NULL;
    const espalier_pickle_value *bounds = NULL;
    espalier_status status =
        read_knots(work, calibrator, newer ? "X_thresholds_" : "_necessary_X_", &x);
    if (status == ESPALIER_OK) {
        status = read_knots(work, calibrator, newer ? "y_thresholds_" : "_necessary_y_", &y);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, calibrator, "out_of_bounds", true, &bounds);
    }
    if (status != ESPALIER_OK || x == NULL || y == NULL) {
        return status;
    }
    if (x->element_count != y->element_count || !espalier_pickle_text_equal(bounds, "clip")) {
        return espalier_sklearn_fail(import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "an isotonic calibrator that does not clip, or whose knots "
                                     "are not as many values");
    }
    const uint32_t count = (uint32_t)x->element_count;
    void *knots_out = NULL;
    status = espalier_sklearn_allocate(import, count, 2 * sizeof(double), &knots_out);
    double *const knots = knots_out;
    bool good = status == ESPALIER_OK;
    for (uint32_t i = 0; i < count && good; i++) {
        good = espalier_pickle_array_double(x, i, &knots[i]) && isfinite(knots[i]) &&
               (i == 0 || knots[i] > knots[i - 1]) &&
               espalier_pickle_array_double(y, i, &knots[count + i]) && isfinite(knots[count + i]);
    }
    if (good) {
        *slot_out =
            espalier_sklearn_add_stage(import, ESPALIER_FOREST_ISOTONIC, slot, count, knots);
        status = espalier_sklearn_finish_plan(import, *slot_out != ESPALIER_PLAN_NO_SLOT);
    } else if (status == ESPALIER_OK) {
        status = espalier_sklearn_fail(import, calibrator, ESPALIER_ERROR_SOURCE_TREE,
                                       "the knots of an isotonic calibrator do not ascend, or are "
                                       "not finite");
    }
    free(knots);
    return status;
}

/* What is calibrated in float32 by other means than a sigmoid. */
static espalier_status refuse_narrow_calibrator(const calibration *work,
                                                const espalier_pickle_value *calibrator,
                                                const char *what)
{
    return espalier_sklearn_fail(work->import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "%s over probabilities of float32, as XGBoost's, is not "
                                 "converted; method=\"sigmoid\" is, and the classifier alone",
                                 what);
}

static espalier_status add_calibrator(const calibration *work,
                                      const espalier_pickle_value *calibrator, bool narrow,
                                      uint32_t slot, uint32_t *slot_out)
{
    if (espalier_pickle_is(calibrator, "sklearn.calibration", "_SigmoidCalibration")) {
        return add_sigmoid(work, calibrator, narrow, slot, slot_out);
    }
    if (espalier_pickle_is(calibrator, "sklearn.isotonic", "IsotonicRegression")) {
        /* SciPy's interp1d, which computes it, differs from version to version in float32. */
        return narrow ? refuse_narrow_calibrator(work, calibrator, "an isotonic line")
                      : add_isotonic(work, calibrator, slot, slot_out);
    }
    return espalier_sklearn_fail(work->import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "a calibrator that is not converted; sigmoid, isotonic and "
                                 "temperature are");
}

/* ---- one classifier -------------------------------------------------------------------------- */

/* softmax(beta logits): of probabilities their logarithms, of one margin it and its negative. */
static espalier_status add_temperature(const calibration *work, calibrated *one, uint32_t *slot_out)
{
    static const double signs[2] = {-1.0, 1.0};
    const espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *const calibrator = espalier_pickle_item(one->calibrators, 0);
    double beta = 0;
    if (one->narrow) {
        return refuse_narrow_calibrator(work, calibrator,
                                        "a temperature"); /* NumPy's logarithm of float32 */
    }
    const espalier_status status = espalier_sklearn_read_number(import, calibrator, "beta_", &beta);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint32_t logits = one->response;
    if (!one->from_margin) {
        /* Of two classes the trainer keeps the second's probability and takes 1 - p again. */
        logits = work->classes == 2
                     ? espalier_sklearn_add_stage(import, ESPALIER_FOREST_TWO_CLASSES,
                                                  one->response, 1, NULL)
                     : espalier_sklearn_member_probability(import, &one->member, 0);
        logits = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_ADD, logits, work->classes,
                                              1e-12, false);
        logits =
            espalier_sklearn_add_stage(import, ESPALIER_FOREST_LOG, logits, work->classes, NULL);
    } else if (work->classes == 2) {
        logits = espalier_sklearn_add_stage(import, ESPALIER_FOREST_SPREAD, logits, 2, signs);
    }
    logits = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_MULTIPLY, logits, work->classes,
                                          beta, false);
    *slot_out =
        espalier_sklearn_add_typed_stage(import,
                                         &(espalier_forest_stage){.operation =
                                                                      ESPALIER_FOREST_SOFTMAX,
                                                                  .input_slot = logits,
                                                                  .count = work->classes,
                                                                  .pairwise = true},
                                         NULL);
    return espalier_sklearn_finish_plan(import, *slot_out != ESPALIER_PLAN_NO_SLOT);
}

/* One calibrator a class, or one for two; then the row is brought to a sum of one. */
static espalier_status add_each_class(const calibration *work, calibrated *one, uint32_t *slot_out)
{
    espalier_sklearn_import *const import = work->import;
    const uint32_t own = one->member.forest.labels[0].count;
    const uint32_t count = work->classes == 2 ? 1 : own;
    if (espalier_pickle_item_count(one->calibrators) != count || one->response_count != count) {
        return espalier_sklearn_fail(import, one->calibrators, ESPALIER_ERROR_SOURCE_TREE,
                                     "%zu calibrators and %" PRIu32 " numbers for %" PRIu32
                                     " classes",
                                     espalier_pickle_item_count(one->calibrators),
                                     one->response_count, own);
    }
    for (uint32_t i = 0; i < work->classes; i++) {
        one->slots[i] = -1.0;
    }
    const size_t path_bytes = import->path.bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = 0;
        espalier_source_path_item(&import->path, i);
        const espalier_status status =
            add_calibrator(work, espalier_pickle_item(one->calibrators, i), one->narrow,
                           one->response + i, &slot);
        if (status != ESPALIER_OK) {
            return status;
        }
        espalier_source_path_cut(&import->path, path_bytes);
        one->slots[work->classes == 2 ? 1 : one->places[i]] = (double)slot;
    }
    if (work->classes == 2) {
        *slot_out = espalier_sklearn_add_stage(import, ESPALIER_FOREST_TWO_CLASSES,
                                               (uint32_t)one->slots[1], 1, NULL);
        return ESPALIER_OK;
    }
    const uint32_t picked = espalier_sklearn_pick_slots(import, one->slots, work->classes, false);
    *slot_out = espalier_sklearn_add_typed_stage(
        import,
        &(espalier_forest_stage){.operation = ESPALIER_FOREST_NORMALISE_EVEN,
                                 .input_slot = picked,
                                 .count = work->classes,
                                 .pairwise = true},
        NULL);
    return ESPALIER_OK;
}

/* The decision function if the member has one, else its probabilities: of two classes the second's.
 */
static espalier_status find_response(const calibration *work, calibrated *one)
{
    const espalier_forest_output *const margin = espalier_sklearn_member_margin(&one->member);
    const espalier_forest_output *const output =
        margin != NULL ? margin
                       : espalier_sklearn_find_output(&one->member, ESPALIER_OUTPUT_PROBABILITY, 0);
    one->from_margin = margin != NULL;
    if (output == NULL || one->member.forest.group_count != 1) {
        return espalier_sklearn_fail(work->import, one->member.value,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a member without probabilities of one output");
    }
    one->narrow = output->narrow;
    const bool second = !one->from_margin && output->slot_count == 2;
    one->response = output->first_slot + (second ? 1 : 0);
    one->response_count = second ? 1 : output->slot_count;
    return ESPALIER_OK;
}

static bool has_temperature(const calibrated *one)
{
    return espalier_pickle_is(espalier_pickle_item(one->calibrators, 0), "sklearn.calibration",
                              "_TemperatureScaling");
}

/* A fold may lack some of many classes. With a temperature members are fitted to places. */
static espalier_status map_classes(const calibration *work, calibrated *one)
{
    const espalier_forest *const forest = &one->member.forest;
    const uint32_t count = forest->labels != NULL ? forest->labels[0].count : 0;
    const bool some = count > 2 && count < work->classes && !has_temperature(one);
    if (count != work->classes && !some) {
        return espalier_sklearn_fail(work->import, one->member.value,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "it has not the classes of the CalibratedClassifierCV around "
                                     "it");
    }
    return has_temperature(one)
               ? ESPALIER_OK
               : espalier_sklearn_map_classes(work->import, &one->member, one->places);
}

/* By the names of each version: the member, its calibrators and its classes. */
static espalier_status load_calibrated(const calibration *work, calibrated *one)
{
    espalier_sklearn_import *const import = work->import;
    const size_t path_bytes = import->path.bytes;
    const bool newer = espalier_sklearn_is_set(import, one->object, "estimator");
    const bool listed = espalier_sklearn_is_set(import, one->object, "calibrators");
    const espalier_pickle_value *value = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, one->object, listed ? "calibrators" : "calibrators_",
                                   true, &one->calibrators);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, one->object,
                                            newer ? "estimator" : "base_estimator", true, &value);
    }
    if (status == ESPALIER_OK) {
        espalier_source_path_attribute(&import->path, newer ? "estimator" : "base_estimator");
        status = espalier_sklearn_load_member(import, value, NULL, &one->member);
    }
    if (status == ESPALIER_OK) {
        status = map_classes(work, one);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_add_member(import, &one->member);
    }
    if (status == ESPALIER_OK) {
        status = find_response(work, one);
    }
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
        espalier_source_path_attribute(&import->path, listed ? "calibrators" : "calibrators_");
    }
    return status;
}

static espalier_status add_calibrated(calibration *work, calibrated *one)
{
    espalier_sklearn_import *const import = work->import;
    uint32_t slot = ESPALIER_PLAN_NO_SLOT;
    espalier_status status = load_calibrated(work, one);
    if (status == ESPALIER_OK) {
        status = has_temperature(one) ? add_temperature(work, one, &slot)
                                      : add_each_class(work, one, &slot);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    slot = espalier_sklearn_add_stage(import, ESPALIER_FOREST_CUT_ONE, slot, work->classes, NULL);
    return espalier_sklearn_finish_plan(import,
                                        espalier_sklearn_accumulate(import, &work->sum, slot,
                                                                    work->classes, false));
}

static espalier_status read_calibrated(calibration *work, uint32_t index)
{
    espalier_sklearn_import *const import = work->import;
    const size_t path_bytes = import->path.bytes;
    calibrated one = {.object = espalier_pickle_item(work->members, index),
                      .places = calloc(work->classes, sizeof *one.places),
                      .slots = calloc(work->classes, sizeof *one.slots)};
    espalier_source_path_attribute(&import->path, "calibrated_classifiers_");
    espalier_source_path_item(&import->path, index);
    espalier_status status = ESPALIER_OK;
    if (one.places == NULL || one.slots == NULL) {
        status = espalier_sklearn_fail(import, one.object, ESPALIER_ERROR_MEMORY,
                                       "no memory for its classes");
    } else if (one.object == NULL ||
               espalier_pickle_kind_of(one.object) != ESPALIER_PICKLE_OBJECT) {
        status = espalier_sklearn_fail(import, work->members, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "there is no calibrated classifier");
    } else {
        status = add_calibrated(work, &one);
    }
    espalier_sklearn_free_member(&one.member);
    free(one.places);
    free(one.slots);
    if (status == ESPALIER_OK) {
        espalier_source_path_cut(&import->path, path_bytes);
    }
    return status;
}

espalier_status espalier_sklearn_load_calibrated(espalier_sklearn_import *import)
{
    calibration work = {.import = import, .sum = ESPALIER_PLAN_NO_SLOT};
    espalier_status status = espalier_sklearn_open_whole(import, 1);
    if (status == ESPALIER_OK) {
        work.classes = import->forest->labels[0].count;
        status = espalier_sklearn_list_members(import, "calibrated_classifiers_", &work.members,
                                               &work.count);
    }
    if (status == ESPALIER_OK && work.classes < 2) {
        status = espalier_sklearn_fail(import, import->estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "a CalibratedClassifierCV of one class");
    }
    for (uint32_t i = 0; i < work.count && status == ESPALIER_OK; i++) {
        status = read_calibrated(&work, i);
    }
    status = espalier_sklearn_close_members(import, status);
    if (status != ESPALIER_OK) {
        return status;
    }
    const uint32_t mean = espalier_sklearn_add_uniform(import, ESPALIER_FOREST_DIVIDE, work.sum,
                                                       work.classes, (double)work.count, false);
    const bool good = espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, mean,
                                                  work.classes, ESPALIER_FOREST_NO_DECISION) &&
                      espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, mean, work.classes,
                                                  ESPALIER_FOREST_FIRST_MAXIMUM);
    return espalier_sklearn_finish_plan(import, good);
}
