// SPDX-License-Identifier: Apache-2.0
/*
 * What LightGBM answers with: the objective's text, and the stages and outputs that its
 * ConvertOutput stands for. See lightgbm_internal.h. Everything is float64, as in LightGBM.
 */
#include "convert/plan.h"
#include "convert/sources/lightgbm_internal.h"
#include "format/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An objective's text is kept whole, if it is not longer than any that LightGBM writes. */
#define OBJECTIVE_BYTES_MAX 256u
/* LightGBM writes six digits. */
#define DIGITS_MAX 15u

/* What predict makes of the sums. */
typedef enum link_kind {
    LINK_UNKNOWN = 0,
    LINK_IDENTITY = 1, /* "sqrt" behind the name: its square, the sign kept */
    LINK_EXP = 2,
    LINK_LOG1P_EXP = 3,
    LINK_SIGMOID = 4,
    LINK_BINARY = 5, /* sigmoid of a multiple: the probability of the second class */
    LINK_EACH = 6,   /* the same for each class */
    LINK_SOFTMAX = 7
} link_kind;

static const struct {
    const char *name;
    link_kind link;
} objectives[] = {
    {"binary", LINK_BINARY},
    {"cross_entropy", LINK_SIGMOID},
    {"cross_entropy_lambda", LINK_LOG1P_EXP},
    {"custom", LINK_IDENTITY},
    {"fair", LINK_IDENTITY},
    {"gamma", LINK_EXP},
    {"huber", LINK_IDENTITY},
    {"lambdarank", LINK_IDENTITY},
    {"mape", LINK_IDENTITY},
    {"multiclass", LINK_SOFTMAX},
    {"multiclassova", LINK_EACH},
    {"poisson", LINK_EXP},
    {"quantile", LINK_IDENTITY},
    {"rank_xendcg", LINK_IDENTITY},
    {"regression", LINK_IDENTITY},
    {"regression_l1", LINK_IDENTITY},
    {"tweedie", LINK_EXP},
    {"xentlambda", LINK_LOG1P_EXP}, /* up to 2.2 */
    {"xentropy", LINK_SIGMOID},
};

/* The objective's words, read. */
typedef struct objective {
    link_kind link;
    bool squares;
    double sigmoid; /* 0: not said */
} objective;

/* Ten to a power of at most 308, multiplied as LightGBM does. */
static double raise_ten(uint32_t power)
{
    double scale = 1.0;
    for (; power >= 50; power -= 50) {
        scale *= 1e50;
    }
    for (; power >= 8; power -= 8) {
        scale *= 1e8;
    }
    for (; power > 0; power--) {
        scale *= 10.0;
    }
    return scale;
}

/*
 * A number as LightGBM's own Atof reads it: a whole number, and the digits behind the point as a
 * whole number by a power of ten, added; then times or by ten to the exponent. False when it is
 * written in another way.
 */
static bool read_number(const char *text, size_t bytes, double *number_out)
{
    double whole = 0.0;
    double part = 0.0;
    uint32_t behind = 0; /* digits */
    size_t at = 0;
    bool point = false;
    for (; at < bytes && text[at] != 'e'; at++) {
        const char c = text[at];
        if (c == '.' && !point) {
            point = true;
        } else if (c < '0' || c > '9' || at > DIGITS_MAX) {
            return false;
        } else if (point) {
            part = part * 10.0 + (double)(c - '0');
            behind++;
        } else {
            whole = whole * 10.0 + (double)(c - '0');
        }
    }
    double number = behind > 0 ? whole + part / raise_ten(behind) : whole;
    if (at < bytes) {
        const bool divides = at + 1 < bytes && text[at + 1] == '-';
        int64_t power = 0;
        at += divides ? 2 : 1;
        if (!espalier_decimal_to_int64(text + at, bytes - at, &power) || power < 0 || power > 308) {
            return false;
        }
        const double scale = raise_ten((uint32_t)power);
        number = divides ? number / scale : number * scale;
    }
    *number_out = number;
    return bytes > 0;
}

/* Words that change the link; others belong to training. */
static espalier_status read_word(const espalier_lightgbm_import *import,
                                 const espalier_text_slice *word, objective *objective_out)
{
    static const char sigmoid[] = "sigmoid:";
    const size_t name_bytes = sizeof sigmoid - 1;
    if (espalier_text_is(word, "sqrt")) {
        objective_out->squares = true;
    }
    if (!espalier_text_begins(word, sigmoid)) {
        return ESPALIER_OK;
    }
    if (!read_number(word->text + name_bytes, word->bytes - name_bytes, &objective_out->sigmoid) ||
        !(objective_out->sigmoid > 0.0)) {
        return espalier_lightgbm_fail(import, word, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "'%.*s' is no positive number of at most %u digits",
                                      espalier_lightgbm_shown(word), word->text, DIGITS_MAX);
    }
    return ESPALIER_OK;
}

static espalier_status read_objective(const espalier_lightgbm_import *import,
                                      objective *objective_out)
{
    espalier_text_slice rest = import->header.objective;
    espalier_text_slice name;
    espalier_text_slice word;
    *objective_out = (objective){LINK_IDENTITY, false, 0.0};
    if (rest.text == NULL || !espalier_text_word(&rest, &name)) {
        return ESPALIER_OK; /* a function of the caller's: predict gives the sums */
    }
    objective_out->link = LINK_UNKNOWN;
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        if (espalier_text_is(&name, objectives[i].name)) {
            objective_out->link = objectives[i].link;
        }
    }
    espalier_status status = ESPALIER_OK;
    while (status == ESPALIER_OK && espalier_text_word(&rest, &word)) {
        status = read_word(import, &word, objective_out);
    }
    const bool needs_sigmoid =
        objective_out->link == LINK_BINARY || objective_out->link == LINK_EACH;
    if (status == ESPALIER_OK && needs_sigmoid && objective_out->sigmoid == 0.0) {
        return espalier_lightgbm_fail(import, &import->header.objective,
                                      ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "the objective '%.*s' has no sigmoid",
                                      espalier_lightgbm_shown(&name), name.text);
    }
    return status;
}

/* ---- stages and outputs ---------------------------------------------------------------------- */

/* A stage of count slots from `slot` on; returns where it writes. */
static uint32_t add_stage(espalier_forest *forest, espalier_forest_operation operation,
                          uint32_t slot, const double *constants)
{
    const espalier_forest_stage stage = {.operation = operation,
                                         .input_slot = slot,
                                         .count = forest->slot_count};
    return slot == ESPALIER_PLAN_NO_SLOT ? slot
                                         : espalier_plan_add_stage(forest, &stage, constants);
}

/* A stage with the same constant for each sum. */
static uint32_t add_constant_stage(espalier_lightgbm_import *import,
                                   espalier_forest_operation operation, uint32_t slot,
                                   double constant)
{
    const uint32_t count = import->forest->slot_count;
    void *constants = NULL;
    if (slot == ESPALIER_PLAN_NO_SLOT ||
        espalier_lightgbm_allocate(import, count, sizeof(double), &constants) != ESPALIER_OK) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    for (uint32_t i = 0; i < count; i++) {
        ((double *)constants)[i] = constant;
    }
    slot = add_stage(import->forest, operation, slot, constants);
    free(constants);
    return slot;
}

/* The sigmoid of each sum times a factor. */
static uint32_t add_sigmoids(espalier_lightgbm_import *import, uint32_t slot, double factor)
{
    if (factor != 1.0) {
        slot = add_constant_stage(import, ESPALIER_FOREST_MULTIPLY, slot, factor);
    }
    return add_stage(import->forest, ESPALIER_FOREST_SIGMOID, slot, NULL);
}

/*
 * Whether cross_entropy_lambda is log(1 + exp(x)), as up to LightGBM 3.2; from 3.3.0 on, whose
 * parameters first have precise_float_parser, it is log1p(exp(x)). Without parameters a text of v3
 * counts as the newer one.
 */
static bool adds_before_log(const espalier_lightgbm_import *import)
{
    static const char block[] = "\nparameters:";
    static const char newer[] = "\n[precise_float_parser:";
    const char *const end = import->lines.data + import->lines.bytes;
    if (!espalier_text_is(&import->header.version, "v3")) {
        return espalier_text_is(&import->header.version, "v2");
    }
    const char *const parameters =
        memmem(import->lines.data, import->lines.bytes, block, sizeof block - 1);
    return parameters != NULL &&
           memmem(parameters, (size_t)(end - parameters), newer, sizeof newer - 1) == NULL;
}

/* log(1 + exp(x)) of each sum. */
static uint32_t add_log_of_one_more(espalier_lightgbm_import *import, uint32_t slot)
{
    slot = add_stage(import->forest, ESPALIER_FOREST_EXP, slot, NULL);
    slot = add_constant_stage(import, ESPALIER_FOREST_ADD, slot, 1.0);
    return add_stage(import->forest, ESPALIER_FOREST_LOG, slot, NULL);
}

/* What Booster.predict gives: the average, if there is one, behind the link. */
static uint32_t add_value(espalier_lightgbm_import *import, const objective *own)
{
    espalier_forest *const forest = import->forest;
    uint32_t slot = 0;
    if (import->header.average_output.text != NULL) {
        slot = add_stage(forest, ESPALIER_FOREST_DIVIDE_ITERATIONS, slot, NULL);
    }
    switch (own->link) {
    case LINK_IDENTITY:
        return own->squares ? add_stage(forest, ESPALIER_FOREST_SIGNED_SQUARE, slot, NULL) : slot;
    case LINK_EXP:
        return add_stage(forest, ESPALIER_FOREST_EXP, slot, NULL);
    case LINK_LOG1P_EXP:
        return adds_before_log(import) ? add_log_of_one_more(import, slot)
                                       : add_stage(forest, ESPALIER_FOREST_LOG1P_EXP, slot, NULL);
    case LINK_SIGMOID:
        return add_sigmoids(import, slot, 1.0);
    case LINK_BINARY:
    case LINK_EACH:
        return add_sigmoids(import, slot, own->sigmoid);
    case LINK_SOFTMAX:
        return add_stage(forest, ESPALIER_FOREST_SOFTMAX, slot, NULL);
    default:
        return slot;
    }
}

static bool add_output(espalier_forest *forest, espalier_output_kind kind, uint32_t slot,
                       uint32_t count)
{
    const espalier_forest_output output = {.kind = kind,
                                           .first_slot = slot,
                                           .slot_count = count,
                                           .decision = kind == ESPALIER_OUTPUT_CLASS
                                                           ? ESPALIER_FOREST_FIRST_MAXIMUM
                                                           : ESPALIER_FOREST_NO_DECISION};
    return espalier_plan_add_output(forest, &output);
}

/*
 * Probabilities and classes as LGBMClassifier gives them: the class is the first maximum of the
 * probabilities, of which two classes have 1 - p and p. Labels are 0, 1, ... as in training.
 */
static bool add_classes(espalier_forest *forest, link_kind link, uint32_t value)
{
    uint32_t slot = value;
    uint32_t count = forest->slot_count;
    if (link == LINK_BINARY) {
        slot = add_stage(forest, ESPALIER_FOREST_TWO_CLASSES, value, NULL);
        count *= 2;
    }
    return slot != ESPALIER_PLAN_NO_SLOT && espalier_plan_number_labels(forest, count) &&
           add_output(forest, ESPALIER_OUTPUT_PROBABILITY, slot, count) &&
           add_output(forest, ESPALIER_OUTPUT_CLASS, slot, count);
}

static espalier_status fail_outputs(const espalier_lightgbm_import *import)
{
    return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_MEMORY, "no memory for the outputs");
}

espalier_status espalier_lightgbm_add_outputs(espalier_lightgbm_import *import)
{
    const espalier_text_slice *const text = &import->header.objective;
    espalier_forest *const forest = import->forest;
    objective own;
    if (text->text != NULL && text->bytes > OBJECTIVE_BYTES_MAX) {
        return espalier_lightgbm_fail(import, text, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "the objective has %zu characters, more than %u", text->bytes,
                                      OBJECTIVE_BYTES_MAX);
    }
    espalier_status status = read_objective(import, &own);
    if (status == ESPALIER_OK && text->text != NULL) {
        status = espalier_lightgbm_copy_text(import, text, &forest->objective);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (own.link == LINK_BINARY && forest->slot_count != 1) {
        return espalier_lightgbm_fail(import, text, ESPALIER_ERROR_SOURCE_TREE,
                                      "a binary objective with %" PRIu32 " classes",
                                      forest->slot_count);
    }
    forest->classifier =
        own.link == LINK_BINARY || own.link == LINK_EACH || own.link == LINK_SOFTMAX;
    const uint32_t value = add_value(import, &own);
    if (value == ESPALIER_PLAN_NO_SLOT ||
        !add_output(forest, ESPALIER_OUTPUT_MARGIN, 0, forest->slot_count) ||
        (forest->classifier && !add_classes(forest, own.link, value))) {
        return fail_outputs(import);
    }
    /* What an objective that is not known predicts is not known either. */
    const bool known = own.link != LINK_UNKNOWN;
    forest->default_output = known ? ESPALIER_OUTPUT_VALUE : ESPALIER_OUTPUT_MARGIN;
    return !known || add_output(forest, ESPALIER_OUTPUT_VALUE, value, forest->slot_count)
               ? ESPALIER_OK
               : fail_outputs(import);
}
