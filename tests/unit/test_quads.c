// SPDX-License-Identifier: Apache-2.0
/*
 * engine/quads.h: words of four rows at a time are espalier_word_of of each value, whatever their
 * bits, wherever they lie.
 */
#include "engine/quads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALUES_MAX 23u
#define SPACING    7u
#define ROW_ROOM   (VALUES_MAX * sizeof(float) + 11)

static uint32_t random_state = 3;

static uint32_t random_next(void)
{
    random_state = random_state * UINT32_C(1664525) + UINT32_C(1013904223);
    return random_state ^ random_state >> 15;
}

/* Bits of any kind, often those where signs, denormals, infinities and NaN begin and end. */
static float random_float(bool with_nan)
{
    static const uint32_t edges[] = {0,          0x80000000, 1,          0x80000001, 0x007FFFFF,
                                     0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001,
                                     0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000};
    float value;
    do {
        const uint32_t bits = random_next() % 3 == 0
                                  ? edges[random_next() % (sizeof edges / sizeof edges[0])]
                                  : random_next();
        memcpy(&value, &bits, sizeof value);
    } while (!with_nan && isnan(value));
    return value;
}

static void check(uint32_t count, ptrdiff_t row_step, bool with_nan)
{
    uint8_t rows[4 * ROW_ROOM + 1];
    uint32_t words[VALUES_MAX * SPACING + 4];
    float values[4][VALUES_MAX];
    uint8_t *const first = rows + 1 + (row_step < 0 ? 3 * ROW_ROOM : 0);
    bool nan = false;
    for (uint32_t r = 0; r < 4; r++) {
        for (uint32_t i = 0; i < count; i++) {
            values[r][i] = random_float(with_nan);
            memcpy(first + (ptrdiff_t)r * row_step + i * sizeof(float), &values[r][i],
                   sizeof(float));
            nan = nan || isnan(values[r][i]);
        }
    }
    memset(words, 0xA5, sizeof words);
    assert_int_equal(espalier_quads_fill(first, row_step, count, words, SPACING), !nan);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t r = 0; r < SPACING; r++) {
            const uint32_t got = words[i * SPACING + r];
            if (r >= 4) {
                assert_int_equal(got, 0xA5A5A5A5);
            } else if (!isnan(values[r][i])) {
                assert_int_equal(got, espalier_word_of(values[r][i]));
            }
        }
    }
}

static void test_words_of_four_rows(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 400; round++) {
        const bool with_nan = round % 4 == 0;
        for (uint32_t count = ESPALIER_QUAD; count <= VALUES_MAX; count++) {
            check(count, (ptrdiff_t)(round % 2 == 0 ? ROW_ROOM : ROW_ROOM - 8), with_nan);
            check(count, -(ptrdiff_t)ROW_ROOM, with_nan);
        }
    }
}

/* One NaN among many values is seen wherever it is. */
static void test_every_place_of_a_nan(void **state)
{
    (void)state;
    for (uint32_t count = ESPALIER_QUAD; count <= VALUES_MAX; count++) {
        for (uint32_t at = 0; at < 4 * count; at++) {
            float rows[4 * VALUES_MAX] = {0};
            uint32_t words[VALUES_MAX * 4];
            const ptrdiff_t step = (ptrdiff_t)(count * sizeof(float));
            assert_true(espalier_quads_fill((const uint8_t *)rows, step, count, words, 4));
            rows[at] = at % 2 == 0 ? NAN : -NAN;
            assert_false(espalier_quads_fill((const uint8_t *)rows, step, count, words, 4));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_four_rows),
        cmocka_unit_test(test_every_place_of_a_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
