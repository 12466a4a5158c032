// SPDX-License-Identifier: Apache-2.0
/*
 * The type of columns side by side: NumPy's, whatever their order. int16 beside uint16 was once an
 * integer that float32 holds, and float32 behind both float64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/sklearn_prepare.h"

#define BOOL     ESPALIER_SKLEARN_BOOL
#define FLOAT32  ESPALIER_SKLEARN_FLOAT32
#define FLOAT64  ESPALIER_SKLEARN_FLOAT64
#define INTEGER  ESPALIER_SKLEARN_INTEGER
#define UNSIGNED ESPALIER_SKLEARN_UNSIGNED
#define SMALL    ESPALIER_SKLEARN_SMALL
#define UINT8    ESPALIER_SKLEARN_UINT8
#define UINT16   ESPALIER_SKLEARN_UINT16

enum {
    TYPE_COUNT = 8
};

/* numpy.promote_types, int16 for SMALL, by number of the types. Whole numbers of 4 or 8 bytes are
 * INTEGER beside others: what follows is the same for both kinds. */
static const espalier_sklearn_dtype pairs[TYPE_COUNT][TYPE_COUNT] = {
    {BOOL, FLOAT32, FLOAT64, INTEGER, UNSIGNED, SMALL, UINT8, UINT16},
    {FLOAT32, FLOAT32, FLOAT64, FLOAT64, FLOAT64, FLOAT32, FLOAT32, FLOAT32},
    {FLOAT64, FLOAT64, FLOAT64, FLOAT64, FLOAT64, FLOAT64, FLOAT64, FLOAT64},
    {INTEGER, FLOAT64, FLOAT64, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER},
    {UNSIGNED, FLOAT64, FLOAT64, INTEGER, UNSIGNED, INTEGER, INTEGER, INTEGER},
    {SMALL, FLOAT32, FLOAT64, INTEGER, INTEGER, SMALL, SMALL, INTEGER},
    {UINT8, FLOAT32, FLOAT64, INTEGER, INTEGER, SMALL, UINT8, UINT16},
    {UINT16, FLOAT32, FLOAT64, INTEGER, INTEGER, INTEGER, UINT16, UINT16},
};

static void test_two_types(void **state)
{
    (void)state;
    for (uint32_t a = 0; a < TYPE_COUNT; a++) {
        for (uint32_t b = 0; b < TYPE_COUNT; b++) {
            const espalier_sklearn_dtype got =
                espalier_sklearn_promote(ESPALIER_SKLEARN_TYPE(a) | ESPALIER_SKLEARN_TYPE(b));
            if (got != pairs[a][b]) {
                fail_msg("types %u and %u: %d, not %d", a, b, (int)got, (int)pairs[a][b]);
            }
        }
    }
}

/* numpy.result_type takes them all at once. */
static void test_several_types(void **state)
{
    (void)state;
    const uint32_t small = ESPALIER_SKLEARN_TYPE(SMALL) | ESPALIER_SKLEARN_TYPE(UINT16);
    assert_int_equal(espalier_sklearn_promote(small), INTEGER);
    assert_int_equal(espalier_sklearn_promote(small | ESPALIER_SKLEARN_TYPE(UINT8)), INTEGER);
    assert_int_equal(espalier_sklearn_promote(small | ESPALIER_SKLEARN_TYPE(FLOAT32)), FLOAT32);
    assert_int_equal(espalier_sklearn_promote(small | ESPALIER_SKLEARN_TYPE(FLOAT32) |
                                              ESPALIER_SKLEARN_TYPE(BOOL)),
                     FLOAT32);
    assert_int_equal(espalier_sklearn_promote(small | ESPALIER_SKLEARN_TYPE(FLOAT64)), FLOAT64);
    assert_int_equal(espalier_sklearn_promote(ESPALIER_SKLEARN_TYPE(INTEGER) |
                                              ESPALIER_SKLEARN_TYPE(FLOAT32) |
                                              ESPALIER_SKLEARN_TYPE(UINT8)),
                     FLOAT64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_types),
        cmocka_unit_test(test_several_types),
    };
    return cmocka_run_group_tests_name("types of columns", tests, NULL, NULL);
}
