// SPDX-License-Identifier: Apache-2.0
/* The exponential and the logarithm of NumPy's float32 loops: the engine's and the reference
 * evaluator's against NumPy's own answers and each other, alone, as operations that prepare a
 * column, and through a softmax. Rules F-259 and F-381. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_numpy),
        cmocka_unit_test(test_logarithms_of_numpy),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_logarithms_agree),
        cmocka_unit_test(test_engine_and_reference_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
