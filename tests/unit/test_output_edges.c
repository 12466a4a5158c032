// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of MODEL and OUTPUTS, which a reader checks at open: groups, dtypes and slots of outputs,
 * limits of the head, and the number that stands for what is missing.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "format/rules.h"
#include "tests/unit/test_edges.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

static void test_dtypes_of_groups(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    assert_int_equal(outputs[0].kind, outputs[1].kind);
    outputs[1].dtype = ESPALIER_DTYPE_FLOAT32;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_DTYPE,
                               "OUTPUTS[1]: wrong dtype");
}

/* Every kind has its groups once and in order; what is refused is the first that is wrong. */
static void test_groups_of_outputs(void **state)
{
    (void)state;
    synthetic_options three = classifier;
    three.group_count = 3;
    model_bytes m = make_walk(&three);
    espalier_file_output *outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    assert_int_equal(outputs[0].kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_int_equal(outputs[2].kind, ESPALIER_OUTPUT_PROBABILITY);
    outputs[1].group = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_ORDER,
                               "OUTPUTS[1]: out of order");
    m = make_walk(&three);
    RECORD(&m, OUTPUTS, espalier_file_output)[2].group = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_ORDER,
                               "OUTPUTS[2]: out of order");
    /* The last group alone. */
    m = make_walk(&three);
    outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    outputs[0].kind = ESPALIER_OUTPUT_MARGIN;
    outputs[0].group = 2;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_GROUPS,
                               "OUTPUTS[0]: a group is missing");
    /* One group more than there are. */
    m = make_walk(&three);
    outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    outputs[3].kind = ESPALIER_OUTPUT_PROBABILITY;
    outputs[3].group = 3;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_GROUPS,
                               "OUTPUTS[2]: a group is missing");
}

/* Each kind has its own dtype; float32 is one of numbers only. */
static void test_dtypes_of_kinds(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    const uint64_t count = SECTION(&m, OUTPUTS)->bytes / sizeof(espalier_file_output);
    model_bytes_free(&m);
    for (uint64_t i = 0; i < count; i++) {
        m = make_walk(&classifier);
        espalier_file_output *const output = &RECORD(&m, OUTPUTS, espalier_file_output)[i];
        const bool is_number = output->kind < ESPALIER_OUTPUT_CLASS;
        output->dtype = is_number ? ESPALIER_DTYPE_INT32 : ESPALIER_DTYPE_FLOAT32;
        char what[32];
        (void)snprintf(what, sizeof what, "OUTPUTS[%u]: wrong dtype", (unsigned)i);
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_DTYPE, what);
    }
}

/* Probabilities of classes that have no names. */
static void test_probabilities_without_labels(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    const size_t count = (size_t)SECTION(&m, OUTPUTS)->bytes / sizeof *outputs;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].kind != ESPALIER_OUTPUT_CLASS) {
            outputs[kept++] = outputs[i];
        }
    }
    assert_int_equal(kept, count - 1);
    RECORD(&m, MODEL, espalier_file_model)->default_output = ESPALIER_OUTPUT_PROBABILITY;
    SECTION(&m, CLASS_LABELS)->encoding = 2; /* which no reader knows, nor needs */
    SECTION(&m, CLASS_LABELS)->flags = 0;
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof *outputs);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_LABELS,
                               "do not fit each other");
}

/* A value is one, however many groups of classes there are. */
static void test_a_value_beside_groups(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    espalier_file_output *const last = last_output(&m);
    assert_int_equal(last->kind, ESPALIER_OUTPUT_LEAF);
    *last = (espalier_file_output){.kind = ESPALIER_OUTPUT_VALUE,
                                   .dtype = ESPALIER_DTYPE_FLOAT64,
                                   .slot_count = 1};
    model_bytes_expect_opens(&m, ESPALIER_OPEN_VERIFY);
}

static void test_default_output(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    RECORD(&m, MODEL, espalier_file_model)->default_output = ESPALIER_OUTPUT_SCORE;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_DEFAULT_OUTPUT,
                               "MODEL[0]: the default output is none");
}

/* Float32 of two numbers, the second of which is float64. */
static void test_float32_of_the_first_slot(void **state)
{
    (void)state;
    synthetic_options narrow = linked;
    narrow.trainer = SYNTHETIC_XGBOOST;
    model_bytes m = make_walk(&narrow);
    espalier_file_stage *const stage = &RECORD(&m, STAGES, espalier_file_stage)[LINKED_TWO_CLASSES];
    espalier_file_output *output = RECORD(&m, OUTPUTS, espalier_file_output);
    while (output->kind != ESPALIER_OUTPUT_PROBABILITY) {
        output++;
    }
    assert_int_equal(stage->arithmetic, ESPALIER_ARITHMETIC_FLOAT32);
    assert_int_equal(output->dtype, ESPALIER_DTYPE_FLOAT32);
    assert_int_equal(output->first_slot, stage->output_slot);
    stage->arithmetic = ESPALIER_ARITHMETIC_FLOAT64;
    output->first_slot--;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_DTYPE,
                               "float32 of numbers that are float64");
}

/* As many features as may be, and slots, of which no step writes most. */
static void test_limits_of_the_head(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    RECORD(&m, MODEL, espalier_file_model)->feature_count = ESPALIER_LIMIT_FEATURES;
    model_bytes_expect_opens(&m, 0);
    m = make_walk(&counts);
    RECORD(&m, MODEL, espalier_file_model)->slot_count = ESPALIER_LIMIT_SLOTS;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                               "MODEL[0]: a slot that no step writes");
}

static void set_missing_number(model_bytes *m, double number)
{
    espalier_file_model *const head = RECORD(m, MODEL, espalier_file_model);
    head->input_rule |= ESPALIER_INPUT_MISSING_NUMBER | ESPALIER_INPUT_MISSING_ALLOWED;
    head->missing_number = number;
}

/* Of features in float32, a number of float32 up to the largest stands for what is missing; of
 * those in float64 any does. */
static void test_missing_numbers(void **state)
{
    (void)state;
    model_bytes m = make_walk(&categories);
    assert_true(RECORD(&m, MODEL, espalier_file_model)->input_rule & ESPALIER_INPUT_FLOAT32);
    set_missing_number(&m, (double)FLT_MAX);
    model_bytes_expect_opens(&m, 0);
    m = make_walk(&categories);
    set_missing_number(&m, nextafter((double)FLT_MAX, INFINITY));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_MISSING_NUMBER,
                               "MODEL[0]: missing number");
    m = make_walk(&linked);
    assert_false(RECORD(&m, MODEL, espalier_file_model)->input_rule & ESPALIER_INPUT_FLOAT32);
    set_missing_number(&m, 0.1);
    model_bytes_expect_opens(&m, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes_of_groups),
        cmocka_unit_test(test_groups_of_outputs),
        cmocka_unit_test(test_dtypes_of_kinds),
        cmocka_unit_test(test_probabilities_without_labels),
        cmocka_unit_test(test_a_value_beside_groups),
        cmocka_unit_test(test_default_output),
        cmocka_unit_test(test_float32_of_the_first_slot),
        cmocka_unit_test(test_limits_of_the_head),
        cmocka_unit_test(test_missing_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
