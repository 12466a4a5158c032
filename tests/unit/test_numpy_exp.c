// SPDX-License-Identifier: Apache-2.0
/* The exponential and the logarithm of NumPy's float32 loops: the engine's and the reference
 * evaluator's against NumPy's own answers and each other, alone, as operations that prepare a
 * column, as stages, and through a softmax; SciPy's lines of float32. Rules F-259, F-381, F-515 to
 * F-517. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/preparation.h"
#include "convert/reference_stages.h"
#include "engine/numpy_exp.h"
#include "engine/stages.h"

#include <math.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* F-259: x, and np.exp of it as NumPy 2.5.5 has it (AVX2), mostly where the C library's is another:
 * 1 and 2 ulp beside it, numbers that are not normal, both ends. */
static const float numpy_powers[][2] = {
    {-0x1.3322b0p-3f, 0x1.b8b248p-1f},
    {-0x1.c5b500p+2f, 0x1.b54d54p-11f},
    {-0x1.4daa7ep+3f, 0x1.f0f0c8p-16f},
    {-0x1.8f9b58p+3f, 0x1.fa5de0p-19f},
    {-0x1.8bea98p+1f, 0x1.739974p-5f},
    {-0x1.f97c78p+2f, 0x1.8571cep-12f},
    {-0x1.19b436p+2f, 0x1.91a6a8p-7f},
    {-0x1.d432f6p+3f, 0x1.daf164p-22f},
    {-0x1.feac86p-1f, 0x1.79af7ap-2f},
    {-0x1.ec9b2ep+3f, 0x1.bb05aap-23f},
    {-0x1.2794d4p+4f, 0x1.45cf86p-27f},
    {-0x1.676b08p+3f, 0x1.bc763ap-17f},
    {-0x1.5f0676p+6f, 0x1.507cb8p-127f},
    {-0x1.61f400p+6f, 0x1.43ac70p-128f},
    {-0x1.5ffc9ep+6f, 0x1.089678p-127f},
    {0x1.595c24p+6f, 0x1.7a0158p+124f},
    {0x1.8cd01cp+5f, 0x1.796a0ep+71f},
    {0x1.2cd7b0p+6f, 0x1.6b8c8ep+108f},
    {0.0f, 0x1.000000p+0f},
    {-0x1.9fe368p+6f, 0x1.000000p-149f},
    {-0x1.9fe36ap+6f, 0.0f},
    {0x1.62e430p+6f, INFINITY},
};

/* F-381: x, and np.log of it, of the same NumPy, where the C library's is another by up to 4 ulp;
 * numbers that are not normal, both ends. */
static const float numpy_logarithms[][2] = {
    {0x1.24f05ap+0f, 0x1.140af6p-3f},
    {0x1.339854p+33f, 0x1.70eb60p+4f},
    {0x1.55ddc4p-1f, -0x1.9d9946p-2f},
    {0x1.1b1d18p+0f, 0x1.9c5928p-4f},
    {0x1.32d784p-1f, -0x1.0623d4p-1f},
    {0x1.1eb810p+0f, 0x1.d02e0ep-4f},
    {0x1.96d4c0p-1f, -0x1.d6e3c8p-3f},
    {0x1.53057cp+0f, 0x1.1fa08cp-2f},
    {0x1.96144cp-1f, -0x1.daad74p-3f},
    {0x1.8f4cc0p-1f, -0x1.fd2850p-3f},
    {0x1.8ecc58p-1f, -0x1.ffbb60p-3f},
    {0x1.107368p+0f, 0x1.fe33eap-5f},
    {0x1.91c12cp-1f, -0x1.f09b06p-3f},
    {0x1.903c86p-1f, -0x1.f85c02p-3f},
    {0x1.912c14p-127f, -0x1.5e526ap+6f},
    {0x1.457b20p-130f, -0x1.6779dep+6f},
    {1.0f, 0.0f},
    {0.0f, -INFINITY},
    {-0.0f, -INFINITY},
    {INFINITY, INFINITY},
};

/* The operation alone, of a row of float32: rounded, or as the C library has it. */
static double prepare(uint32_t operation, double x, bool rounded)
{
    espalier_file_operation operations[] = {
        {.operation = operation,
         .flags = rounded ? ESPALIER_PREPARE_ROUND_FLOAT32 : ESPALIER_PREPARE_ROUND_FLOAT64,
         .count = 1,
         .output = 1}};
    uint32_t writers[] = {0};
    const espalier_preparation preparation = {.feature_count = 1,
                                              .value_count = 2,
                                              .operations = operations,
                                              .operation_count = 1,
                                              .writers = writers};
    return espalier_preparation_evaluate(&preparation, 1, x, true);
}

static void test_logarithms_of_numpy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numpy_logarithms); i++) {
        const float x = numpy_logarithms[i][0];
        const float found[] = {espalier_numpy_log(x), espalier_reference_log_numpy(x),
                               (float)prepare(ESPALIER_PREPARE_LOG, (double)x, true)};
        for (size_t k = 0; k < COUNT(found); k++) {
            assert_memory_equal(&found[k], &numpy_logarithms[i][1], sizeof found[k]);
        }
    }
    const float outside[] = {NAN, -1.0f, -INFINITY, -0x1p-149f};
    for (size_t i = 0; i < COUNT(outside); i++) {
        assert_true(isnan(espalier_numpy_log(outside[i])));
        assert_true(isnan(espalier_reference_log_numpy(outside[i])));
    }
}

/* Only what is rounded to float32 is NumPy's. */
static void test_operations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numpy_powers); i++) {
        const double x = (double)numpy_powers[i][0];
        assert_true(prepare(ESPALIER_PREPARE_EXP, x, true) == (double)numpy_powers[i][1]);
        assert_true(prepare(ESPALIER_PREPARE_EXP, x, false) == exp(x));
    }
    assert_true(prepare(ESPALIER_PREPARE_LOG, 0.7, false) == log(0.7));
}

/* Of float32 NumPy calls log1pf and expm1f; log1p and expm1, rounded, once had another last bit for
 * one number in 400 (glibc 2.36). */
static void test_narrow_functions(void **state)
{
    (void)state;
    for (int32_t i = -115; i < 10240; i++) {
        const float x = (float)i / 128.0f + 0.001f;
        const float found[] = {(float)prepare(ESPALIER_PREPARE_LOG1P, (double)x, true),
                               (float)prepare(ESPALIER_PREPARE_EXPM1, (double)x, true)};
        const float wanted[] = {log1pf(x), expm1f(x)};
        assert_memory_equal(found, wanted, sizeof wanted);
        assert_true(prepare(ESPALIER_PREPARE_LOG1P, (double)x, false) == log1p((double)x));
    }
}

/* From 0 over all that is finite. */
static void test_logarithms_agree(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < UINT32_C(0x7f800000); bits += 40009) {
        float x = 0.0f;
        memcpy(&x, &bits, sizeof x);
        const float found = espalier_numpy_log(x);
        const float wanted = espalier_reference_log_numpy(x);
        assert_memory_equal(&found, &wanted, sizeof found);
    }
}

static void test_answers_of_numpy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numpy_powers); i++) {
        const float found = espalier_numpy_exp(numpy_powers[i][0]);
        assert_memory_equal(&found, &numpy_powers[i][1], sizeof found);
    }
    assert_true(isnan(espalier_numpy_exp(NAN)));
}

/* Slots 2 and 3 are the softmax of 0 and of numbers down to -105. */
static void test_engine_and_reference_agree(void **state)
{
    (void)state;
    const espalier_file_stage stage = {.operation = ESPALIER_STAGE_SOFTMAX,
                                       .output_slot = 2,
                                       .slot_count = 2,
                                       .order = ESPALIER_ORDER_PAIRWISE,
                                       .arithmetic = ESPALIER_ARITHMETIC_FLOAT32};
    const espalier_forest_stage same = {.operation = ESPALIER_FOREST_SOFTMAX,
                                        .output_slot = 2,
                                        .count = 2,
                                        .narrow = true,
                                        .pairwise = true};
    const espalier_forest forest = {.constant_count = 0};
    for (uint32_t i = 0; i < 20000; i++) {
        double slots[4] = {0.0, (double)(float)(-105.0 * (double)i / 20000.0), 0.0, 0.0};
        double again[4];
        memcpy(again, slots, sizeof again);
        espalier_stage_run(&stage, NULL, 1.0, slots, 4, 1);
        espalier_reference_stage(&forest, &same, 1.0, again);
        assert_memory_equal(slots, again, sizeof again);
    }
}

/* An operation of float32 on slot 0 into slot 1, by the engine and by the reference. */
static double run_both(uint32_t operation, const double *c, uint32_t count, double x)
{
    double slots[2] = {x};
    double again[2] = {x};
    double own[6] = {0.0};
    if (c != NULL) {
        memcpy(own, c, 2 * (size_t)count * sizeof *own);
    }
    const espalier_file_stage stage = {.operation = operation,
                                       .output_slot = 1,
                                       .slot_count = count,
                                       .arithmetic = ESPALIER_ARITHMETIC_FLOAT32};
    const espalier_forest_stage same = {.operation = (espalier_forest_operation)operation,
                                        .output_slot = 1,
                                        .count = count,
                                        .narrow = true};
    const espalier_forest forest = {.constants = own, .constant_count = 6};
    espalier_stage_run(&stage, own, 1.0, slots, 2, 1);
    espalier_reference_stage(&forest, &same, 1.0, again);
    assert_memory_equal(slots, again, sizeof slots);
    return slots[1];
}

/* F-346, F-515, F-516: ties between two float32, NumPy's bits, a sigmoid without a bound. */
static void test_functions(void **state)
{
    (void)state;
    assert_true(run_both(ESPALIER_STAGE_ROUND, NULL, 1, 0x1.000001p+0) == 1.0);
    assert_true(run_both(ESPALIER_STAGE_ROUND, NULL, 1, 0x1.000003p+0) == 0x1.000004p+0);
    assert_true(run_both(ESPALIER_STAGE_ROUND, NULL, 1, -1e300) == -(double)INFINITY);
    assert_true(run_both(ESPALIER_STAGE_EXPIT, NULL, 1, -100.0) == 0.0);
    for (size_t i = 0; i < COUNT(numpy_powers); i++) {
        assert_true(run_both(ESPALIER_STAGE_NUMPY_EXP, NULL, 1, (double)numpy_powers[i][0]) ==
                    (double)numpy_powers[i][1]);
    }
    for (size_t i = 0; i < COUNT(numpy_logarithms); i++) {
        assert_true(run_both(ESPALIER_STAGE_LOG, NULL, 1, (double)numpy_logarithms[i][0]) ==
                    (double)numpy_logarithms[i][1]);
    }
}

/* F-517: x, and what SciPy 1.17 and 1.18 say of it on the float32 knots below. */
static const double scipy_lines[][3] = {
    {-0x1.0p+0, 0x1.1eb852p-4, 0x1.1eb852p-4},     {0x1.99999ap-4, 0x1.1eb852p-4, 0x1.1eb852p-4},
    {0x1.666666p-2, 0x1.333334p-2, 0x1.333334p-2}, {0x1.ccccccp-1, 0x1.e66666p-1, 0x1.e66666p-1},
    {0x1.0p+1, 0x1.e66666p-1, 0x1.e66666p-1},      {0x1.bc064p-2, 0x1.98647cp-2, 0x1.98647cp-2},
    {0x1.5a3eb2p-1, 0x1.5f0448p-1, 0x1.5f0448p-1}, {0x1.99f98cp-4, 0x1.1f1098p-4, 0x1.1f1096p-4},
    {0x1.5e1222p-2, 0x1.2b8986p-2, 0x1.2b8984p-2}, {0x1.bd3eaep-3, 0x1.6c91bcp-3, 0x1.6c91bap-3},
    {0x1.64166ap-3, 0x1.1a8b68p-3, 0x1.1a8b68p-3}, {0x1.fdf7fep-3, 0x1.a81d8p-3, 0x1.a81d7ep-3},
    {0x1.817bbcp-2, 0x1.533526p-2, 0x1.533528p-2}, {0x1.ab6e92p-2, 0x1.84c88p-2, 0x1.84c882p-2}};

static void test_lines_of_scipy(void **state)
{
    (void)state;
    const double knots[6] = {(double)0.1f,  (double)0.35f, (double)0.9f,
                             (double)0.07f, (double)0.3f,  (double)0.95f};
    for (size_t i = 0; i < COUNT(scipy_lines); i++) {
        const double x = scipy_lines[i][0];
        assert_true(run_both(ESPALIER_STAGE_ISOTONIC, knots, 3, x) == scipy_lines[i][1]);
        assert_true(run_both(ESPALIER_STAGE_ISOTONIC_SHARES, knots, 3, x) == scipy_lines[i][2]);
    }
    assert_true(isnan(run_both(ESPALIER_STAGE_ISOTONIC_SHARES, knots, 3, (double)NAN)));
    assert_true(run_both(ESPALIER_STAGE_ISOTONIC, knots, 1, 0.5) == knots[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_numpy), cmocka_unit_test(test_logarithms_of_numpy),
        cmocka_unit_test(test_operations),       cmocka_unit_test(test_narrow_functions),
        cmocka_unit_test(test_logarithms_agree), cmocka_unit_test(test_engine_and_reference_agree),
        cmocka_unit_test(test_functions),        cmocka_unit_test(test_lines_of_scipy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
