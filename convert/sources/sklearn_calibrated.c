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

/* From so many numbers on NumPy's pairwise sum is another than one after the other. */
#define PAIRWISE_LANES 8u

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

/* A number of the calibrator; *narrow says whether it meets float32, and then whether both make
 * float32: a float64 of NumPy 2 does not, one of NumPy 1 and a number of Python do, rounded. */
static espalier_status read_factor(const calibration *work, const espalier_pickle_value *calibrator,
                                   const char *name, bool *narrow, double *out)
{
    const espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    const espalier_status status = espalier_sklearn_read_number(import, calibrator, name, out);
    if (status != ESPALIER_OK || !*narrow) {
        return status;
    }
    (void)espalier_pickle_attribute(import->pickle, calibrator, name, &value, NULL);
    const espalier_pickle_dtype *const dtype = espalier_pickle_scalar_dtype(value);
    const bool newer = espalier_pickle_is(value, "numpy._core.multiarray", "scalar");
    *narrow = dtype == NULL || dtype->item_bytes <= sizeof(float) || !newer;
    *out = *narrow ? (double)(float)*out : *out;
    return dtype != NULL && dtype->kind != 'f'
               ? espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "%s is no float", name)
           : isfinite(*out)
               ? ESPALIER_OK
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                       "%s is beyond float32, in which it is used", name);
}

/* A stage in one type or the other. */
static uint32_t add_stage(const calibration *work, espalier_forest_operation operation, bool narrow,
                          uint32_t slot, uint32_t count, const double *constants)
{
    return espalier_sklearn_add_typed_stage(work->import,
                                            &(espalier_forest_stage){.operation = operation,
                                                                     .input_slot = slot,
                                                                     .count = count,
                                                                     .narrow = narrow},
                                            constants);
}

/* expit(-(a x + b)). */
static espalier_status add_sigmoid(const calibration *work, const espalier_pickle_value *calibrator,
                                   bool narrow, uint32_t slot, uint32_t *slot_out)
{
    static const double minus[1] = {-1.0};
    double slope = 0.0;
    double shift = 0.0;
    espalier_status status = read_factor(work, calibrator, "a_", &narrow, &slope);
    slot = add_stage(work, ESPALIER_FOREST_MULTIPLY, narrow, slot, 1, &slope);
    if (status == ESPALIER_OK) {
        status = read_factor(work, calibrator, "b_", &narrow, &shift);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    slot = add_stage(work, ESPALIER_FOREST_ADD, narrow, slot, 1, &shift);
    slot = add_stage(work, ESPALIER_FOREST_MULTIPLY, narrow, slot, 1, minus);
    *slot_out = add_stage(work, narrow ? ESPALIER_FOREST_EXPIT : ESPALIER_FOREST_SIGMOID, narrow,
                          slot, 1, NULL);
    return espalier_sklearn_finish_plan(work->import, *slot_out != ESPALIER_PLAN_NO_SLOT);
}

/* An array of knots, of which the calibrator has two of one type: float64, or where its input is
 * float32 that. */
static espalier_status read_knots(const calibration *work, const espalier_pickle_value *calibrator,
                                  const char *name, bool narrow, const espalier_pickle_array **out)
{
    const espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *value = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, calibrator, name, true, &value);
    *out = value != NULL ? espalier_pickle_get_array(value) : NULL;
    return status != ESPALIER_OK || (*out != NULL && (*out)->form->dim_count == 1 &&
                                     (*out)->form->element_count > 0 &&
                                     (*out)->form->element_count <= ESPALIER_LIMIT_STAGE_SLOTS &&
                                     (*out)->form->dtype->kind == 'f' &&
                                     ((*out)->form->dtype->item_bytes == sizeof(double) ||
                                      (narrow && (*out)->form->dtype->item_bytes == sizeof(float))))
               ? status
               : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "%s of an isotonic calibrator is no array of float%s", name,
                                       narrow ? "32 or float64" : "64");
}

/* X_thresholds_ and y_thresholds_, up to 0.23 _necessary_X_ and _necessary_y_. */
static espalier_status add_isotonic(const calibration *work,
                                    const espalier_pickle_value *calibrator, bool narrow,
                                    uint32_t slot, uint32_t *slot_out)
{
    espalier_sklearn_import *const import = work->import;
    const bool newer = espalier_sklearn_is_set(import, calibrator, "X_thresholds_");
    const espalier_pickle_array *x = NULL;
    const espalier_pickle_array *y = NULL;
    const espalier_pickle_value *bounds = NULL;
    espalier_status status =
        read_knots(work, calibrator, newer ? "X_thresholds_" : "_necessary_X_", narrow, &x);
    if (status == ESPALIER_OK) {
        status =
            read_knots(work, calibrator, newer ? "y_thresholds_" : "_necessary_y_", narrow, &y);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, calibrator, "out_of_bounds", true, &bounds);
    }
    if (status != ESPALIER_OK || x == NULL || y == NULL) {
        return status;
    }
    if (x->form->element_count != y->form->element_count ||
        x->form->dtype->item_bytes != y->form->dtype->item_bytes ||
        !espalier_pickle_text_equal(bounds, "clip")) {
        return espalier_sklearn_fail(import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "an isotonic calibrator that does not clip, or whose knots "
                                     "are not as many values of their type");
    }
    const uint32_t count = (uint32_t)x->form->element_count;
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
        /* float32 is SciPy's interp1d, of another formula from 1.18 on, of the time of 1.9. */
        const bool rounds = x->form->dtype->item_bytes == sizeof(float);
        const bool shares = rounds && espalier_sklearn_version_from(import->version, 1, 9);
        *slot_out =
            add_stage(work, shares ? ESPALIER_FOREST_ISOTONIC_SHARES : ESPALIER_FOREST_ISOTONIC,
                      rounds, slot, count, knots);
        status = espalier_sklearn_finish_plan(import, *slot_out != ESPALIER_PLAN_NO_SLOT);
    } else if (status == ESPALIER_OK) {
        status = espalier_sklearn_fail(import, calibrator, ESPALIER_ERROR_SOURCE_TREE,
                                       "the knots of an isotonic calibrator do not ascend, or are "
                                       "not finite");
    }
    free(knots);
    return status;
}

static espalier_status add_calibrator(const calibration *work,
                                      const espalier_pickle_value *calibrator, bool narrow,
                                      uint32_t slot, uint32_t *slot_out)
{
    if (espalier_pickle_is(calibrator, "sklearn.calibration", "_SigmoidCalibration")) {
        return add_sigmoid(work, calibrator, narrow, slot, slot_out);
    }
    if (espalier_pickle_is(calibrator, "sklearn.isotonic", "IsotonicRegression")) {
        return add_isotonic(work, calibrator, narrow, slot, slot_out);
    }
    return espalier_sklearn_fail(work->import, calibrator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "a calibrator that is not converted; sigmoid, isotonic and "
                                 "temperature are");
}

/* ---- one classifier -------------------------------------------------------------------------- */

/* Of probabilities their logarithms, of one margin it and its negative. */
static uint32_t add_logits(const calibration *work, const calibrated *one)
{
    static const double signs[2] = {-1.0, 1.0};
    const espalier_sklearn_import *const import = work->import;
    const bool narrow = one->narrow;
    if (one->from_margin) {
        return work->classes == 2
                   ? add_stage(work, ESPALIER_FOREST_SPREAD, false, one->response, 2, signs)
                   : one->response;
    }
    /* Of two classes the trainer keeps the second's probability and takes 1 - p again. */
    const uint32_t chances =
        work->classes == 2
            ? add_stage(work, ESPALIER_FOREST_TWO_CLASSES, narrow, one->response, 1, NULL)
            : espalier_sklearn_member_probability(import, &one->member, 0);
    const uint32_t above =
        espalier_sklearn_add_uniform(import, ESPALIER_FOREST_ADD, chances, work->classes,
                                     narrow ? (double)1e-12F : 1e-12, narrow);
    return add_stage(work, ESPALIER_FOREST_LOG, narrow, above, work->classes, NULL);
}

/* NumPy's softmax of float32 that lie class by class, which it adds up one after the other: x less
 * the last of x when sorted, NumPy's exp of that, by the sum. */
static uint32_t add_softmax_by_class(const calibration *work, uint32_t slot)
{
    const espalier_sklearn_import *const import = work->import;
    const uint32_t count = work->classes;
    const uint32_t sorted = add_stage(work, ESPALIER_FOREST_SORT, true, slot, count, NULL);
    if (sorted == ESPALIER_PLAN_NO_SLOT) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    double *const last = malloc(count * sizeof *last);
    if (last == NULL) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    for (uint32_t i = 0; i < count; i++) {
        last[i] = (double)sorted + count - 1;
    }
    const uint32_t most = espalier_sklearn_pick_slots(import, last, count, true);
    free(last);
    uint32_t rest =
        espalier_sklearn_add_uniform(import, ESPALIER_FOREST_MULTIPLY, most, count, -1.0, true);
    if (!espalier_sklearn_accumulate(import, &rest, slot, count, true)) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    const uint32_t raised = add_stage(work, ESPALIER_FOREST_NUMPY_EXP, true, rest, count, NULL);
    return add_stage(work, ESPALIER_FOREST_NORMALISE, true, raised, count, NULL);
}

/* softmax(beta logits). */
static espalier_status add_temperature(const calibration *work, calibrated *one, uint32_t *slot_out)
{
    const espalier_sklearn_import *const import = work->import;
    const espalier_pickle_value *const calibrator = espalier_pickle_item(one->calibrators, 0);
    const bool by_class = one->member.forest.probability_by_class && work->classes > 2;
    bool narrow = one->narrow;
    double beta = 0;
    const espalier_status status = read_factor(work, calibrator, "beta_", &narrow, &beta);
    if (status != ESPALIER_OK) {
        return status;
    }
    const uint32_t raised =
        espalier_sklearn_add_uniform(import, ESPALIER_FOREST_MULTIPLY, add_logits(work, one),
                                     work->classes, beta, narrow);
    /* Fewer are added up alike in either order; in order, float32 would be XGBoost's softmax. */
    *slot_out = narrow && by_class && work->classes >= PAIRWISE_LANES
                    ? add_softmax_by_class(work, raised)
                    : espalier_sklearn_add_typed_stage(
                          import,
                          &(espalier_forest_stage){.operation = ESPALIER_FOREST_SOFTMAX,
                                                   .input_slot = raised,
                                                   .count = work->classes,
                                                   .narrow = narrow,
                                                   .pairwise = narrow || !by_class},
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
