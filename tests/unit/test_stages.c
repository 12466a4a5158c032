// SPDX-License-Identifier: Apache-2.0
/*
 * Stages and decisions: the engine and the reference evaluator against numbers worked out apart, in
 * both arithmetics. Rules F-248 to F-250, F-256 to F-267.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/plan.h"
#include "convert/reference_stages.h"
#include "engine/stages.h"
#include "espalier.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define ITEMS       4u
#define ITERATIONS  5.0

/* x of every case below; c where there are constants. */
static const double inputs[ITEMS] = {1.5, -2.25, 0.5, 0.5};
static const double constants[3 * ITEMS] = {-1.0, 2.0, 0.25, 3.0,
                                            /* knots, and their values */
                                            -2.0, 0.5, 1.0, 3.0, 0.25, 0.5, 2.0, -1.0};

typedef struct stage_case {
    uint32_t operation;
    uint32_t order;
    uint32_t arithmetic;
    uint32_t output_count;
    bool linked; /* to 2 ulp, else exact */
    double expected[2 * ITEMS];
} stage_case;

#define WIDE       ESPALIER_ARITHMETIC_FLOAT64
#define NARROW     ESPALIER_ARITHMETIC_FLOAT32
#define SEQUENTIAL ESPALIER_ORDER_SEQUENTIAL
#define PAIRWISE   ESPALIER_ORDER_PAIRWISE

static const stage_case cases[] = {
    {ESPALIER_STAGE_NORMALISE, SEQUENTIAL, WIDE, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_NORMALISE, PAIRWISE, WIDE, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_NORMALISE, SEQUENTIAL, NARROW, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_NORMALISE, PAIRWISE, NARROW, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_ADD, 0, WIDE, 4, false, {0.5, -0.25, 0.75, 3.5}},
    {ESPALIER_STAGE_ADD, 0, NARROW, 4, false, {0.5, -0.25, 0.75, 3.5}},
    {ESPALIER_STAGE_MULTIPLY, 0, WIDE, 4, false, {-1.5, -4.5, 0.125, 1.5}},
    {ESPALIER_STAGE_MULTIPLY, 0, NARROW, 4, false, {-1.5, -4.5, 0.125, 1.5}},
    {ESPALIER_STAGE_DIVIDE, 0, WIDE, 4, false, {-1.5, -1.125, 2.0, 0x1.5555555555555p-3}},
    {ESPALIER_STAGE_DIVIDE, 0, NARROW, 4, false, {-1.5, -1.125, 2.0, 0x1.555556p-3}},
    {ESPALIER_STAGE_DIVIDE_ITERATIONS,
     0,
     WIDE,
     4,
     false,
     {0x1.3333333333333p-2, -0x1.ccccccccccccdp-2, 0x1.999999999999ap-4, 0x1.999999999999ap-4}},
    {ESPALIER_STAGE_SIGMOID,
     0,
     WIDE,
     4,
     true,
     {0x1.a2991f2a97914p-1, 0x1.868d2916eca5bp-4, 0x1.3eb2fd4d34391p-1, 0x1.3eb2fd4d34391p-1}},
    {ESPALIER_STAGE_SIGMOID,
     0,
     NARROW,
     4,
     true,
     {0x1.a2992p-1, 0x1.868d2ap-4, 0x1.3eb2fep-1, 0x1.3eb2fep-1}},
    {ESPALIER_STAGE_SOFTMAX,
     SEQUENTIAL,
     WIDE,
     4,
     true,
     {0x1.230759410887dp-1, 0x1.b609a7047a96dp-7, 0x1.ac410045cb1b9p-3, 0x1.ac410045cb1b9p-3}},
    {ESPALIER_STAGE_SOFTMAX,
     PAIRWISE,
     NARROW,
     4,
     true,
     {0x1.23075ap-1, 0x1.b609a8p-7, 0x1.ac41p-3, 0x1.ac41p-3}},
    {ESPALIER_STAGE_SOFTMAX,
     SEQUENTIAL,
     NARROW,
     4,
     true,
     {0x1.23075ap-1, 0x1.b609a8p-7, 0x1.ac41p-3, 0x1.ac41p-3}},
    {ESPALIER_STAGE_SOFTMAX_LOG,
     SEQUENTIAL,
     WIDE,
     4,
     true,
     {0x1.230759410887dp-1, 0x1.b609a7047a96dp-7, 0x1.ac410045cb1b9p-3, 0x1.ac410045cb1b9p-3}},
    {ESPALIER_STAGE_EXP,
     0,
     WIDE,
     4,
     true,
     {0x1.1ed3fe64fc541p+2, 0x1.afb718e8457f7p-4, 0x1.a61298e1e069cp+0, 0x1.a61298e1e069cp+0}},
    {ESPALIER_STAGE_EXP,
     0,
     NARROW,
     4,
     true,
     {0x1.1ed3fep+2, 0x1.afb718p-4, 0x1.a61298p+0, 0x1.a61298p+0}},
    {ESPALIER_STAGE_LOG1P_EXP,
     0,
     WIDE,
     4,
     true,
     {0x1.b38fd211ea842p+0, 0x1.9a72315646266p-4, 0x1.f2ba37edae032p-1, 0x1.f2ba37edae032p-1}},
    {ESPALIER_STAGE_SIGNED_SQUARE, 0, WIDE, 4, false, {2.25, -5.0625, 0.25, 0.25}},
    {ESPALIER_STAGE_NEGATIVE_POWER,
     0,
     WIDE,
     4,
     true,
     {-0x1.6a09e667f3bcdp-2, -0x1.306fe0a31b715p+2, -0x1.6a09e667f3bcdp-1, -0x1.6a09e667f3bcdp-1}},
    {ESPALIER_STAGE_TWO_CLASSES, 0, WIDE, 8, false, {-0.5, 1.5, 3.25, -2.25, 0.5, 0.5, 0.5, 0.5}},
    {ESPALIER_STAGE_TWO_CLASSES, 0, NARROW, 8, false, {-0.5, 1.5, 3.25, -2.25, 0.5, 0.5, 0.5, 0.5}},
    {ESPALIER_STAGE_STEP, 0, WIDE, 4, false, {1.0, 0.0, 1.0, 1.0}},
    {ESPALIER_STAGE_STEP, 0, NARROW, 4, false, {1.0, 0.0, 1.0, 1.0}},
    {ESPALIER_STAGE_INDEX, 0, WIDE, 1, false, {0.0}},
    {ESPALIER_STAGE_INDEX, 0, NARROW, 1, false, {0.0}},
    {ESPALIER_STAGE_SORT, 0, WIDE, 4, false, {-2.25, 0.5, 0.5, 1.5}},
    {ESPALIER_STAGE_SORT, 0, NARROW, 4, false, {-2.25, 0.5, 0.5, 1.5}},
    {ESPALIER_STAGE_SPREAD, 0, WIDE, 4, false, {-1.5, 3.0, 0.375, 4.5}},
    {ESPALIER_STAGE_PRODUCTS, 0, WIDE, 1, false, {-4.375}},
    {ESPALIER_STAGE_CONSTANTS, 0, WIDE, 4, false, {-1.0, 2.0, 0.25, 3.0}},
    {ESPALIER_STAGE_CONSTANTS, 0, NARROW, 4, false, {-1.0, 2.0, 0.25, 3.0}},
    {ESPALIER_STAGE_EXPECTILES,
     0,
     NARROW,
     4,
     true,
     {0x1.8p+0, 0x1.99a734p+0, 0x1.49823p+1, 0x1.c630c6p+1}},
    {ESPALIER_STAGE_PICK, 0, WIDE, 4, false, {0.0, 0.5, 1.5, 0.5}},
    {ESPALIER_STAGE_PICK, 0, NARROW, 4, false, {0.0, 0.5, 1.5, 0.5}},
    {ESPALIER_STAGE_ADD_SLOTS, 0, WIDE, 4, false, {3.0, -4.5, 1.0, 1.0}},
    {ESPALIER_STAGE_ADD_SLOTS, 0, NARROW, 4, false, {3.0, -4.5, 1.0, 1.0}},
    {ESPALIER_STAGE_CHOOSE, 0, WIDE, 4, false, {2.0, 2.0, 2.0, 2.0}},
    {ESPALIER_STAGE_ISOTONIC, 0, WIDE, 1, false, {1.25}},
    {ESPALIER_STAGE_ISOTONIC, 0, NARROW, 1, false, {1.25}},
    {ESPALIER_STAGE_ISOTONIC_SHARES, 0, NARROW, 1, false, {1.25}},
    {ESPALIER_STAGE_NORMALISE_EVEN, SEQUENTIAL, WIDE, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_NORMALISE_EVEN, PAIRWISE, WIDE, 4, false, {6.0, -9.0, 2.0, 2.0}},
    {ESPALIER_STAGE_CUT_ONE, 0, WIDE, 4, false, {1.5, -2.25, 0.5, 0.5}},
    {ESPALIER_STAGE_WEIGHTED_MEDIAN, 0, WIDE, 4, false, {0.5, 0.0, 0.0, 0.0}},
    {ESPALIER_STAGE_WEIGHTED_MEDIAN, 0, NARROW, 4, false, {0.5, 0.0, 0.0, 0.0}},
    {ESPALIER_STAGE_EXPM1,
     0,
     WIDE,
     4,
     true,
     {3.4816890703380646, -0.8946007754381357, 0.6487212707001282, 0.6487212707001282}},
    {ESPALIER_STAGE_EXP2,
     0,
     WIDE,
     4,
     true,
     {2.8284271247461903, 0.21022410381342863, 1.4142135623730951, 1.4142135623730951}},
    {ESPALIER_STAGE_SQUARE, 0, WIDE, 4, false, {2.25, 5.0625, 0.25, 0.25}},
    {ESPALIER_STAGE_SQRT,
     0,
     WIDE,
     4,
     false,
     {1.224744871391589, (double)NAN, 0.7071067811865476, 0.7071067811865476}},
    {ESPALIER_STAGE_LOG,
     0,
     WIDE,
     4,
     true,
     {0.4054651081081644, (double)NAN, -0.6931471805599453, -0.6931471805599453}},
    {ESPALIER_STAGE_LOG1P,
     0,
     WIDE,
     4,
     true,
     {0.9162907318741551, (double)NAN, 0.4054651081081644, 0.4054651081081644}},
    {ESPALIER_STAGE_EXPM1,
     0,
     NARROW,
     4,
     true,
     {0x1.bda7fcp+1, -0x1.ca0918p-1, 0x1.4c2532p-1, 0x1.4c2532p-1}},
    {ESPALIER_STAGE_EXP2,
     0,
     NARROW,
     4,
     true,
     {0x1.6a09e6p+1, 0x1.ae89fap-3, 0x1.6a09e6p+0, 0x1.6a09e6p+0}},
    {ESPALIER_STAGE_SQUARE, 0, NARROW, 4, false, {2.25, 5.0625, 0.25, 0.25}},
    {ESPALIER_STAGE_SQRT,
     0,
     NARROW,
     4,
     false,
     {0x1.3988e2p+0, (double)NAN, 0x1.6a09e6p-1, 0x1.6a09e6p-1}},
    {ESPALIER_STAGE_LOG,
     0,
     NARROW,
     4,
     true,
     {0x1.9f323ep-2, (double)NAN, -0x1.62e43p-1, -0x1.62e43p-1}},
    {ESPALIER_STAGE_LOG1P,
     0,
     NARROW,
     4,
     true,
     {0x1.d5240ep-1, (double)NAN, 0x1.9f323ep-2, 0x1.9f323ep-2}},
    {ESPALIER_STAGE_ROUND, 0, NARROW, 4, false, {1.5, -2.25, 0.5, 0.5}},
    {ESPALIER_STAGE_EXPIT,
     0,
     NARROW,
     4,
     true,
     {0x1.a2992p-1, 0x1.868d2ap-4, 0x1.3eb2fep-1, 0x1.3eb2fep-1}},
    {ESPALIER_STAGE_NUMPY_EXP,
     0,
     NARROW,
     4,
     true,
     {0x1.1ed3fep+2, 0x1.afb718p-4, 0x1.a61298p+0, 0x1.a61298p+0}},
};

static void expect_near(double found, const stage_case *one, uint32_t item)
{
    const double expected = one->expected[item];
    const int digits = one->arithmetic == NARROW ? 24 : 53;
    int exponent = 0;
    (void)frexp(expected, &exponent);
    if (isnan(expected)) {
        assert_true(isnan(found));
        return;
    }
    const double bound = one->linked ? 2.0 * ldexp(1.0, exponent - digits) : 0.0;
    if (!(fabs(found - expected) <= bound)) {
        fail_msg("operation %u, arithmetic %u, item %u: %a, not %a", (unsigned)one->operation,
                 (unsigned)one->arithmetic, (unsigned)item, found, expected);
    }
}

/* ISOTONIC and ISOTONIC_SHARES have the knots; ADD_SLOTS adds slots 0 to 3 again. */
static uint32_t find_table(const stage_case *one)
{
    return one->operation == ESPALIER_STAGE_ISOTONIC ||
                   one->operation == ESPALIER_STAGE_ISOTONIC_SHARES
               ? ITEMS
               : 0;
}

/* A stage of slots 0 to 3 into slots 4.. by the engine. */
static void run_engine(const stage_case *one, const double *x, double *slots)
{
    const bool is_constants =
        one->operation == ESPALIER_STAGE_CONSTANTS || one->operation == ESPALIER_STAGE_PICK;
    const espalier_file_stage stage = {.operation = one->operation,
                                       .output_slot = ITEMS,
                                       .slot_count = ITEMS,
                                       .order = one->order,
                                       .arithmetic = one->arithmetic,
                                       .table = find_table(one)};
    espalier_stage_shape shape;
    assert_true(espalier_stage_describe(&stage, &shape));
    assert_int_equal(shape.output_count, one->output_count);
    assert_int_equal(shape.linked, one->linked);
    assert_true(is_constants ? shape.input_count == 0 : shape.input_count > 0);
    memcpy(slots, x, ITEMS * sizeof *slots);
    espalier_stage_run(&stage, constants, ITERATIONS, slots, 3 * ITEMS, 1);
}

static void run_reference(const stage_case *one, const double *x, double *slots)
{
    double own[3 * ITEMS];
    memcpy(own, constants, sizeof own);
    const espalier_forest forest = {.constants = own, .constant_count = 3 * ITEMS};
    const espalier_forest_stage stage = {.operation = (espalier_forest_operation)one->operation,
                                         .output_slot = ITEMS,
                                         .count = ITEMS,
                                         .narrow = one->arithmetic == NARROW,
                                         .pairwise = one->order == PAIRWISE,
                                         .first_constant = find_table(one)};
    assert_int_equal(espalier_plan_stage_outputs(&stage), one->output_count);
    memcpy(slots, x, ITEMS * sizeof *slots);
    espalier_reference_stage(&forest, &stage, ITERATIONS, slots);
}

/* F-248, F-249, F-256, F-257, F-258, F-259, F-260, F-261, F-262, F-263, F-264, F-265, F-266, F-342,
 * F-343, F-344, F-345, F-346, F-515, F-516, F-517. */
static void test_every_operation(void **state)
{
    (void)state;
    bool seen[ESPALIER_STAGE_LAST + 1] = {false};
    for (size_t i = 0; i < COUNT(cases); i++) {
        double slots[3 * ITEMS];
        run_engine(&cases[i], inputs, slots);
        for (uint32_t k = 0; k < cases[i].output_count; k++) {
            expect_near(slots[ITEMS + k], &cases[i], k);
        }
        run_reference(&cases[i], inputs, slots);
        for (uint32_t k = 0; k < cases[i].output_count; k++) {
            expect_near(slots[ITEMS + k], &cases[i], k);
        }
        seen[cases[i].operation] = true;
    }
    for (uint32_t i = 1; i <= ESPALIER_STAGE_LAST; i++) {
        espalier_stage_shape shape;
        const espalier_file_stage stage = {.operation = i, .slot_count = 1};
        /* Those that take what the row has, and starts, are tested apart. */
        const bool apart = i >= ESPALIER_STAGE_VALUES && i <= ESPALIER_STAGE_FLUSHED_VALUES;
        assert_int_equal(seen[i], !apart && espalier_stage_describe(&stage, &shape));
    }
}

/* Runs one stage on slots 0.. of a row by engine and by reference, which must agree. */
static void run_both(espalier_file_stage stage, const double *c, uint32_t constant_count,
                     double *row, uint32_t slot_count)
{
    double again[16];
    double own[16];
    memcpy(again, row, slot_count * sizeof *row);
    memcpy(own, c, constant_count * sizeof *c);
    espalier_stage_run(&stage, c, ITERATIONS, row, slot_count, 1);
    const espalier_forest forest = {.constants = own, .constant_count = constant_count};
    const espalier_forest_stage same = {.operation = (espalier_forest_operation)stage.operation,
                                        .input_slot = stage.input_slot,
                                        .output_slot = stage.output_slot,
                                        .count = stage.slot_count,
                                        .narrow = stage.arithmetic == NARROW,
                                        .pairwise = stage.order == PAIRWISE};
    espalier_reference_stage(&forest, &same, ITERATIONS, again);
    assert_memory_equal(row, again, slot_count * sizeof *row);
}

/* F-472: what sums start from; on both sides of every bound, and nine classes added either way. */
static void test_starts(void **state)
{
    (void)state;
    const double bounds[2] = {0.125, 0.875};
    double kept[10] = {0.0, 0.125, 0.5, 1.0, (double)NAN};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_CLAMP,
                                   .output_slot = 5,
                                   .slot_count = 5},
             bounds, 2, kept, 10);
    assert_memory_equal(&kept[5], ((double[]){0.125, 0.125, 0.5, 0.875}), 4 * sizeof *kept);
    assert_true(isnan(kept[9]));

    const double p[5] = {0.3, nextafter(0.3, 0.0), 0.5, 0.65, nextafter(0.65, 1.0)};
    double odds[10];
    double logits[10];
    memcpy(odds, p, sizeof p);
    memcpy(logits, p, sizeof p);
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_LOG_ODDS,
                                   .output_slot = 5,
                                   .slot_count = 5},
             bounds, 0, odds, 10);
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_LOGIT,
                                   .output_slot = 5,
                                   .slot_count = 5},
             bounds, 0, logits, 10);
    for (uint32_t i = 0; i < 5; i++) {
        const double s = 2.0 * (p[i] - 0.5);
        const bool outside = i == 1 || i == 4;
        assert_true(odds[5 + i] == log(p[i] / (1.0 - p[i])));
        assert_true(logits[5 + i] == (outside ? odds[5 + i] : log1p(s) - log1p(-s)));
    }
    for (uint32_t order = SEQUENTIAL; order <= PAIRWISE; order++) {
        double shares[18] = {0.01, 0.2, 0.04, 0.1, 0.3, 0.05, 0.15, 0.1, 0.05};
        double again[9];
        double sum = 0.0;
        /* run_both has room for 16 slots: here the formula stands against both. */
        espalier_stage_run(&(espalier_file_stage){.operation = ESPALIER_STAGE_LOG_CENTRED,
                                                  .output_slot = 9,
                                                  .slot_count = 9,
                                                  .order = order},
                           NULL, 0.0, shares, 18, 1);
        for (uint32_t i = 0; i < 9; i++) {
            again[i] = log(shares[i]);
            sum += shares[9 + i];
        }
        const double total = espalier_reference_sum(again, 9, order == PAIRWISE, false);
        const double mean = exp(total / 9.0);
        for (uint32_t i = 0; i < 9; i++) {
            assert_true(shares[9 + i] == log(shares[i] / mean));
        }
        assert_true(fabs(sum) < 1e-12);
    }
}

/* F-342 to F-345 where they turn: a vote, knots and beside them, a sum of nothing, one and a bit,
 * a median among equals and on the edge. */
static void test_composing(void **state)
{
    (void)state;
    const double vote[2] = {0.75, -0.25};
    double votes[4] = {2.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_CHOOSE,
                                   .output_slot = 1,
                                   .slot_count = 3},
             vote, 2, votes, 4);
    assert_memory_equal(&votes[1], ((double[]){-0.25, -0.25, 0.75}), 3 * sizeof *votes);

    const double knots[6] = {0.0, 0.5, 2.0, 0.125, 0.25, 0.75};
    const double places[][2] = {{-1.0, 0.125}, {0.0, 0.125},     {0.25, 0.1875},
                                {0.5, 0.25},   {1.25, 0.5},      {2.0, 0.75},
                                {3.0, 0.75},   {INFINITY, 0.75}, {-INFINITY, 0.125}};
    for (size_t i = 0; i < COUNT(places); i++) {
        double row[2] = {places[i][0]};
        run_both((espalier_file_stage){.operation = ESPALIER_STAGE_ISOTONIC,
                                       .output_slot = 1,
                                       .slot_count = 3},
                 knots, 6, row, 2);
        assert_true(row[1] == places[i][1]);
    }
    double row[2] = {(double)NAN};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_ISOTONIC,
                                   .output_slot = 1,
                                   .slot_count = 3},
             knots, 6, row, 2);
    assert_true(isnan(row[1]));

    double shares[8] = {0.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_NORMALISE_EVEN,
                                   .output_slot = 4,
                                   .slot_count = 4,
                                   .order = PAIRWISE},
             vote, 0, shares, 8);
    assert_true(shares[4] == 0.25 && shares[7] == 0.25);

    double cut[8] = {1.0, 1.000009, 1.00001, 1.000011};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_CUT_ONE,
                                   .output_slot = 4,
                                   .slot_count = 4},
             vote, 0, cut, 8);
    assert_memory_equal(&cut[4], ((double[]){1.0, 1.0, 1.0, 1.000011}), 4 * sizeof *cut);

    const double weights[4] = {0.5, 0.25, 0.25, 1.0};
    double median[8] = {3.0, -1.0, 2.0, 2.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_WEIGHTED_MEDIAN,
                                   .output_slot = 4,
                                   .slot_count = 4},
             weights, 4, median, 8);
    assert_memory_equal(&median[4], ((double[]){2.0, 0.0, 0.0, 0.0}), 4 * sizeof *median);
    const double halves[4] = {1.0, 1.0, 1.0, 1.0};
    double even[8] = {4.0, 1.0, 3.0, 2.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_WEIGHTED_MEDIAN,
                                   .output_slot = 4,
                                   .slot_count = 4},
             halves, 4, even, 8);
    assert_true(even[4] == 2.0);
    const double lost[4] = {(double)NAN, 1.0, 1.0, 1.0};
    double none[8] = {4.0, 1.0, 3.0, 2.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_WEIGHTED_MEDIAN,
                                   .output_slot = 4,
                                   .slot_count = 4},
             lost, 4, none, 8);
    assert_true(none[4] == 1.0);
}

/* NumPy's 2 ** x is pow's; exp2, which was here once, differs in one of 950. */
static void test_powers_of_two(void **state)
{
    (void)state;
    static const double no_constants[1] = {0.0};
    volatile double two = 2.0; /* or the compiler makes exp2 of it */
    for (uint32_t i = 1; i <= 20000; i++) {
        double slots[2] = {(double)i / 997.0};
        const double wanted = -pow(two, -slots[0]);
        run_both((espalier_file_stage){.operation = ESPALIER_STAGE_NEGATIVE_POWER,
                                       .output_slot = 1,
                                       .slot_count = 1},
                 no_constants, 0, slots, 2);
        assert_true(slots[1] == wanted);
    }
}

/* F-248, F-345 in float32, where float64 would give something else: sums that drop what is below
 * half a unit, quotients that are rounded, and weights that no float32 is. */
static void test_composing_narrow(void **state)
{
    (void)state;
    for (uint32_t order = SEQUENTIAL; order <= PAIRWISE; order++) {
        double shares[8] = {1.0, 0x1p-25, 0x1p-25, 0x1.8p-1};
        run_both((espalier_file_stage){.operation = ESPALIER_STAGE_NORMALISE,
                                       .output_slot = 4,
                                       .slot_count = 4,
                                       .order = order,
                                       .arithmetic = NARROW},
                 shares, 0, shares, 8);
        assert_true(shares[4] == (double)(1.0F / 1.75F) && shares[4] != 1.0 / 1.75);
        double one[6] = {1.0, 0x1p-25, 0x1p-25};
        run_both((espalier_file_stage){.operation = ESPALIER_STAGE_NORMALISE,
                                       .output_slot = 3,
                                       .slot_count = 3,
                                       .order = order,
                                       .arithmetic = NARROW},
                 one, 0, one, 6);
        assert_true(one[3] == 1.0 && one[4] == 0x1p-25);
    }
    /* Three do not reach half of the sum; with weights of float32 they would. */
    const double weights[4] = {1.0, 1.0, 1.0, 3.0 + 0x1p-50};
    double median[8] = {3.0, 2.0, 1.0, 4.0};
    run_both((espalier_file_stage){.operation = ESPALIER_STAGE_WEIGHTED_MEDIAN,
                                   .output_slot = 4,
                                   .slot_count = 4,
                                   .arithmetic = NARROW},
             weights, 4, median, 8);
    assert_true(median[4] == 4.0);
}

/* Engine and reference on odd numbers: the same bits, since both ask the same libm. */
static void test_odd_numbers(void **state)
{
    (void)state;
    static const double odd[] = {0.0,   -0.0,   0x1p-149, -0x1p-149, 1e-30, 88.6,
                                 -88.8, -104.0, 3.4e38,   -3e38,     20.5,  -0x1p-24,
                                 1.0,   -1.0,   INFINITY, -INFINITY};
    uint64_t random = 7;
    for (uint32_t round = 0; round < 4000; round++) {
        const stage_case *const one = &cases[round % COUNT(cases)];
        double x[ITEMS];
        double engine[3 * ITEMS] = {0};
        double reference[3 * ITEMS] = {0};
        for (uint32_t k = 0; k < ITEMS; k++) {
            const uint64_t bits = synthetic_next(&random);
            const double any = ldexp((double)(int64_t)bits, (int)(bits % 12) - 64);
            x[k] = bits % 3 == 0 ? odd[bits / 16 % COUNT(odd)] : any;
            x[k] = one->arithmetic == NARROW ? (double)(float)x[k] : x[k];
        }
        run_engine(one, x, engine);
        run_reference(one, x, reference);
        for (uint32_t k = 0; k < ITEMS + one->output_count; k++) {
            if (memcmp(&engine[k], &reference[k], sizeof engine[k]) != 0 &&
                !(isnan(engine[k]) && isnan(reference[k]))) {
                fail_msg("operation %u, arithmetic %u: %a and %a", (unsigned)one->operation,
                         (unsigned)one->arithmetic, engine[k], reference[k]);
            }
        }
    }
}

/* F-250, F-259: float32 sums of many, in NumPy's order. */
static void test_wide_stages(void **state)
{
    (void)state;
    enum {
        WIDTH = 1000
    };
    double *const slots = calloc(4 * WIDTH, sizeof *slots);
    double *const other = calloc(4 * WIDTH, sizeof *other);
    assert_non_null(slots);
    assert_non_null(other);
    uint64_t random = 3;
    for (uint32_t i = 0; i < WIDTH; i++) {
        slots[i] = (double)((float)(int32_t)synthetic_next(&random) * 0x1p-29F);
    }
    memcpy(other, slots, WIDTH * sizeof *other);
    const uint32_t operations[] = {ESPALIER_STAGE_SOFTMAX, ESPALIER_STAGE_SORT};
    for (uint32_t i = 0; i < 4; i++) {
        const espalier_file_stage stage = {.operation = operations[i / 2],
                                           .output_slot = WIDTH,
                                           .slot_count = WIDTH - 3 * (i % 2),
                                           .order = i < 2 ? PAIRWISE : 0,
                                           .arithmetic = NARROW};
        const espalier_forest forest = {.constant_count = 0};
        const espalier_forest_stage own = {.operation = (espalier_forest_operation)stage.operation,
                                           .output_slot = WIDTH,
                                           .count = stage.slot_count,
                                           .narrow = true,
                                           .pairwise = i < 2};
        espalier_stage_run(&stage, NULL, 1.0, slots, 4 * WIDTH, 1);
        espalier_reference_stage(&forest, &own, 1.0, other);
        assert_memory_equal(slots, other, 2 * WIDTH * sizeof *slots);
        for (uint32_t k = 1; i >= 2 && k < stage.slot_count; k++) {
            assert_true(slots[WIDTH + k - 1] <= slots[WIDTH + k]);
        }
    }
    free(slots);
    free(other);
}

/* Every operation on more items than a vector has: compilers make other loops of these. */
static void test_many_items(void **state)
{
    (void)state;
    enum {
        WIDTH = 203
    };
    static double c[2 * WIDTH]; /* so many has ISOTONIC */
    static double slots[4 * WIDTH];
    static double other[4 * WIDTH];
    uint64_t random = 11;
    for (uint32_t i = 0; i < WIDTH; i++) {
        slots[i] = (double)((float)(int32_t)synthetic_next(&random) * 0x1p-28F);
        const float step = (float)(1 + synthetic_next(&random) % 65536) * 0x1p-21F;
        c[i] = (double)((i == 0 ? -2.0F : (float)c[i - 1]) + step); /* knots ascend */
        c[WIDTH + i] = (double)i;
    }
    const espalier_forest forest = {.constants = c, .constant_count = 2 * WIDTH};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const espalier_file_stage stage = {.operation = cases[i].operation,
                                           .output_slot = WIDTH,
                                           .slot_count = WIDTH,
                                           .order = cases[i].order,
                                           .arithmetic = cases[i].arithmetic};
        const espalier_forest_stage own = {.operation =
                                               (espalier_forest_operation)cases[i].operation,
                                           .output_slot = WIDTH,
                                           .count = WIDTH,
                                           .narrow = cases[i].arithmetic == NARROW,
                                           .pairwise = cases[i].order == PAIRWISE};
        memset(slots + WIDTH, 0, 3 * WIDTH * sizeof *slots);
        memcpy(other, slots, sizeof other);
        espalier_stage_run(&stage, c, ITERATIONS, slots, 4 * WIDTH, 1);
        espalier_reference_stage(&forest, &own, ITERATIONS, other);
        if (memcmp(slots, other, sizeof slots) != 0) {
            fail_msg("operation %u, order %u, arithmetic %u", (unsigned)cases[i].operation,
                     (unsigned)cases[i].order, (unsigned)cases[i].arithmetic);
        }
    }
}

/* F-252, F-267. */
static void test_decisions(void **state)
{
    (void)state;
    static const struct {
        double values[3];
        uint32_t count;
        int32_t classes[6]; /* by decision */
    } rows[] = {
        {{0.5, 0.5, 0.25}, 3, {0, 0, 1, 0, 0, 0}},
        {{0.1, 0.2, 0.2}, 3, {0, 1, 2, 0, 0, 0}},
        {{0.0}, 1, {0, 0, 0, 0, 1, 0}},
        {{-0.0}, 1, {0, 0, 0, 0, 1, 0}},
        {{0x1p-1074}, 1, {0, 0, 0, 1, 1, 0}},
        {{-0x1p-1074}, 1, {0, 0, 0, 0, 0, 0}},
        {{0.5}, 1, {0, 0, 0, 1, 1, 0}},
        {{0x1.0000000000001p-1}, 1, {0, 0, 0, 1, 1, 1}},
        {{(double)NAN}, 1, {0, 0, 0, 0, 0, 0}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (uint32_t decision = 1; decision <= ESPALIER_DECISION_ABOVE_HALF; decision++) {
            if (rows[i].count == 1 || decision <= ESPALIER_DECISION_LAST_MAXIMUM) {
                assert_int_equal(espalier_decide(decision, rows[i].values, rows[i].count),
                                 rows[i].classes[decision]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation), cmocka_unit_test(test_composing),
        cmocka_unit_test(test_odd_numbers),     cmocka_unit_test(test_wide_stages),
        cmocka_unit_test(test_many_items),      cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_starts),          cmocka_unit_test(test_composing_narrow),
        cmocka_unit_test(test_powers_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
