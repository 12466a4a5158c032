// SPDX-License-Identifier: Apache-2.0
/*
 * What boosting models make of their sums: probabilities, classes and values, as the version that
 * wrote the file computes and decides them. See sklearn_internal.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_internal.h"

#include "convert/plan.h"

#include <string.h>

/* ---- adding to the plan --------------------------------------------------------------------- */

uint32_t espalier_sklearn_add_stage(const espalier_sklearn_import *import,
                                    espalier_forest_operation operation, uint32_t slot,
                                    uint32_t count, const double *constants)
{
    if (slot == ESPALIER_PLAN_NO_SLOT) {
        return slot; /* what it would read is not there */
    }
    const espalier_forest_stage stage = {.operation = operation,
                                         .input_slot = slot,
                                         .count = count};
    return espalier_plan_add_stage(import->forest, &stage, constants);
}

bool espalier_sklearn_add_output(const espalier_sklearn_import *import, espalier_output_kind kind,
                                 uint32_t slot, uint32_t count, espalier_forest_decision decision)
{
    return slot != ESPALIER_PLAN_NO_SLOT &&
           espalier_plan_add_output(import->forest,
                                    &(espalier_forest_output){.kind = kind,
                                                              .first_slot = slot,
                                                              .slot_count = count,
                                                              .decision = decision});
}

espalier_status espalier_sklearn_finish_plan(const espalier_sklearn_import *import, bool good)
{
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                        "no memory for the outputs");
}

/* ---- classifiers ---------------------------------------------------------------------------- */

/* Where two classes are decided: on both probabilities, or on the margin. */
static espalier_forest_decision decide_two(const espalier_sklearn_import *import, bool exponential)
{
    if (import->class->kind == ESPALIER_SKLEARN_HISTOGRAM) {
        return espalier_sklearn_version_from(import->version, 1, 5) ? ESPALIER_FOREST_ABOVE_ZERO
                                                                    : ESPALIER_FOREST_FIRST_MAXIMUM;
    }
    return exponential || espalier_sklearn_version_from(import->version, 1, 4)
               ? ESPALIER_FOREST_AT_LEAST_ZERO
               : ESPALIER_FOREST_FIRST_MAXIMUM;
}

static bool link_two(const espalier_sklearn_import *import, uint32_t sum)
{
    static const double two[1] = {2.0};
    const bool exponential = strcmp(import->forest->objective, "exponential") == 0;
    const uint32_t margin =
        exponential ? espalier_sklearn_add_stage(import, ESPALIER_FOREST_MULTIPLY, sum, 1, two)
                    : sum;
    const uint32_t second =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_SIGMOID, margin, 1, NULL);
    const uint32_t both =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_TWO_CLASSES, second, 1, NULL);
    const espalier_forest_decision decision = decide_two(import, exponential);
    const bool on_both = decision == ESPALIER_FOREST_FIRST_MAXIMUM;
    return espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, sum, 1,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, both, 2,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, on_both ? both : sum,
                                       on_both ? 2 : 1, decision);
}

/*
 * Several classes. The exponentials were divided by their sum from 1.4 on, of histograms from 1.1
 * on; before, the logarithm of the sum was taken off first. NumPy adds a row's classes pairwise
 * where they lie side by side, and they do in a GradientBoosting whose sums do not start from
 * others.
 */
static bool link_several(const espalier_sklearn_import *import, uint32_t sums, uint32_t count)
{
    const bool histogram = import->class->kind == ESPALIER_SKLEARN_HISTOGRAM;
    import->forest->probability_by_class = histogram || import->forest->probability_by_class;
    const bool divides = espalier_sklearn_version_from(import->version, 1, histogram ? 1 : 4);
    const bool on_margins = espalier_sklearn_version_from(import->version, 1, histogram ? 5 : 4);
    const espalier_forest_stage softmax = {
        .operation = divides ? ESPALIER_FOREST_SOFTMAX : ESPALIER_FOREST_SOFTMAX_LOG,
        .input_slot = sums,
        .count = count,
        .pairwise = !import->forest->probability_by_class,
    };
    const uint32_t linked = espalier_plan_add_stage(import->forest, &softmax, NULL);
    return espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, sums, count,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_PROBABILITY, linked, count,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, on_margins ? sums : linked,
                                       count, ESPALIER_FOREST_FIRST_MAXIMUM);
}

/* ---- all ------------------------------------------------------------------------------------ */

/* A regressor's value: the sum itself, or its exponential. */
static bool link_value(const espalier_sklearn_import *import, uint32_t sum, bool logarithmic)
{
    const uint32_t value =
        logarithmic ? espalier_sklearn_add_stage(import, ESPALIER_FOREST_EXP, sum, 1, NULL) : sum;
    return espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, sum, 1,
                                       ESPALIER_FOREST_NO_DECISION) &&
           espalier_sklearn_add_output(import, ESPALIER_OUTPUT_VALUE, value, 1,
                                       ESPALIER_FOREST_NO_DECISION);
}

espalier_status espalier_sklearn_link_boosting(const espalier_sklearn_import *import, uint32_t sums)
{
    espalier_forest *const forest = import->forest;
    const bool logarithmic =
        strcmp(forest->objective, "poisson") == 0 || strcmp(forest->objective, "gamma") == 0;
    const uint32_t count = forest->group_width[0];
    bool good = true;
    if (forest->classifier) {
        good = count == 1 ? link_two(import, sums) : link_several(import, sums, count);
        forest->default_output = ESPALIER_OUTPUT_CLASS;
    } else if (logarithmic || forest->parts != NULL) {
        good = link_value(import, sums, logarithmic);
        forest->default_output = ESPALIER_OUTPUT_VALUE;
    } else {
        forest->task = ESPALIER_FOREST_TASK_VALUE;
    }
    return espalier_sklearn_finish_plan(import, good);
}
