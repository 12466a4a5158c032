// SPDX-License-Identifier: Apache-2.0
/*
 * Decimal text to numbers: every result is compared, in big integers, with the two half-way points
 * around it. The big integers share nothing with the code under test or with libc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the four above first.
#include <cmocka.h>

#include "convert/sources/decimal.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 512u /* 16,384 bits: 767 digits x 10^400 x 2^1100 takes 5,000 */

/* ---- big integers ---------------------------------------------------------------------------- */

typedef struct big {
    uint32_t words[WORDS];
    size_t count;
} big;

static void big_set(big *number, uint64_t value)
{
    number->count = 0;
    for (; value != 0; value >>= 32) {
        number->words[number->count++] = (uint32_t)value;
    }
}

/* number = number x factor + add */
static void big_multiply(big *number, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < number->count; i++) {
        carry += (uint64_t)number->words[i] * factor;
        number->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        assert_true(number->count < WORDS);
        number->words[number->count++] = (uint32_t)carry;
    }
}

static void big_scale(big *number, uint32_t base, int power)
{
    for (int i = 0; i < power; i++) {
        big_multiply(number, base, 0);
    }
}

static int big_compare(const big *left, const big *right)
{
    if (left->count != right->count) {
        return left->count < right->count ? -1 : 1;
    }
    for (size_t i = left->count; i-- > 0;) {
        if (left->words[i] != right->words[i]) {
            return left->words[i] < right->words[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Divides by ten and returns the remainder. */
static uint32_t big_divide(big *number)
{
    uint64_t rest = 0;
    for (size_t i = number->count; i-- > 0;) {
        rest = rest << 32 | number->words[i];
        number->words[i] = (uint32_t)(rest / 10);
        rest %= 10;
    }
    while (number->count > 0 && number->words[number->count - 1] == 0) {
        number->count--;
    }
    return (uint32_t)rest;
}

/* ---- the two number formats ------------------------------------------------------------------ */

/* A positive value, zero or infinity as its ordinal among those of its width. */
typedef struct binary {
    int fraction_bits; /* 52 or 23 */
    int bias;          /* exponent of the unit in the last place of ordinal 0 */
    uint64_t ordinal;
} binary;

static binary binary_of_float64(double value)
{
    binary number = {52, -1074, 0};
    memcpy(&number.ordinal, &value, sizeof number.ordinal);
    return number;
}

static binary binary_of_float32(float value)
{
    binary number = {23, -149, 0};
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    number.ordinal = bits;
    return number;
}

/* The half-way point between an ordinal and the next: mantissa x 2^exponent. */
static void find_middle(const binary *number, uint64_t ordinal, uint64_t *mantissa, int *exponent)
{
    const uint64_t hidden = UINT64_C(1) << number->fraction_bits;
    const uint64_t field = ordinal >> number->fraction_bits;
    const uint64_t value = (ordinal & (hidden - 1)) | (field == 0 ? 0 : hidden);
    *mantissa = value * 2 + 1;
    *exponent = number->bias + (field == 0 ? 0 : (int)field - 1) - 1;
}

/* The sign of |text| - mantissa x 2^exponent, for text of digits with a point and an exponent. */
static int compare_text(const char *text, uint64_t mantissa, int exponent)
{
    static big left;
    static big right;
    int power = 0;
    bool fraction = false;
    big_set(&left, 0);
    for (; *text == '-' || *text == '+'; text++) {}
    for (; *text != '\0' && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            fraction = true;
            continue;
        }
        big_multiply(&left, 10, (uint32_t)(*text - '0'));
        power -= fraction ? 1 : 0;
    }
    if (*text != '\0') {
        power += atoi(text + 1);
    }
    big_set(&right, mantissa);
    big_scale(&left, 10, power);
    big_scale(&right, 10, -power);
    big_scale(&right, 2, exponent);
    big_scale(&left, 2, -exponent);
    return big_compare(&left, &right);
}

/* Asserts that `number` is the nearest to text, ties to even. */
static void check_nearest(const char *text, const binary *number)
{
    uint64_t mantissa;
    int exponent;
    const uint64_t infinity =
        number->fraction_bits == 52 ? UINT64_C(0x7FF) << 52 : UINT64_C(0xFF) << 23;
    const bool even = (number->ordinal & 1) == 0;
    assert_true(number->ordinal <= infinity);
    if (number->ordinal < infinity) {
        find_middle(number, number->ordinal, &mantissa, &exponent);
        const int above = compare_text(text, mantissa, exponent);
        if (above > 0 || (above == 0 && !even)) {
            fail_msg("%s was rounded down", text);
        }
    }
    if (number->ordinal > 0) {
        find_middle(number, number->ordinal - 1, &mantissa, &exponent);
        const int below = compare_text(text, mantissa, exponent);
        if (below < 0 || (below == 0 && !even)) {
            fail_msg("%s was rounded up", text);
        }
    }
}

static void check_text(const espalier_decimal *decimal, const char *text)
{
    double wide;
    float narrow;
    /* Not NUL-terminated, and with bytes behind it that must not count. */
    char copy[ESPALIER_DECIMAL_BYTES_MAX + 8];
    const size_t bytes = strlen(text);
    memcpy(copy, text, bytes);
    memset(copy + bytes, '7', 8);
    assert_true(espalier_decimal_to_float64(decimal, copy, bytes, &wide));
    assert_true(espalier_decimal_to_float32(decimal, copy, bytes, &narrow));
    assert_int_equal(signbit(wide) != 0, text[0] == '-');
    assert_int_equal(signbit(narrow) != 0, text[0] == '-');
    const binary number64 = binary_of_float64(fabs(wide));
    check_nearest(text, &number64);
    const binary number32 = binary_of_float32(fabsf(narrow));
    check_nearest(text, &number32);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The exact decimal text of mantissa x 2^exponent, and of its neighbours in the last digit. */
static size_t write_exact(uint64_t mantissa, int exponent, char *text, size_t capacity)
{
    static big number;
    char reversed[ESPALIER_DECIMAL_BYTES_MAX];
    size_t count = 0;
    big_set(&number, mantissa);
    big_scale(&number, 2, exponent);
    big_scale(&number, 5, -exponent);
    while (number.count > 0) {
        assert_true(count < sizeof reversed);
        reversed[count++] = (char)('0' + big_divide(&number));
    }
    assert_true(count > 0 && count + 16 < capacity);
    for (size_t i = 0; i < count; i++) {
        text[i] = reversed[count - 1 - i];
    }
    (void)snprintf(text + count, capacity - count, "e%d", exponent < 0 ? exponent : 0);
    return count;
}

static void check_around(const espalier_decimal *decimal, const binary *number)
{
    static char text[ESPALIER_DECIMAL_BYTES_MAX];
    uint64_t mantissa;
    int exponent;
    find_middle(number, number->ordinal, &mantissa, &exponent);
    const size_t digits = write_exact(mantissa, exponent, text, sizeof text);
    check_text(decimal, text);
    /* An odd multiple of a power of two ends with 5, or is even and does not end with 9 or 0. */
    const char last = text[digits - 1];
    if (last > '0' && last < '9') {
        text[digits - 1] = (char)(last + 1);
        check_text(decimal, text);
        text[digits - 1] = (char)(last - 1);
        check_text(decimal, text);
    }
}

static void test_random_text(void **state)
{
    const espalier_decimal *const decimal = *state;
    uint64_t seed = 0x9E3779B97F4A7C15u;
    char text[64];
    for (int i = 0; i < 60000; i++) {
        /* Every length and exponent, mostly those that fit one of the types. */
        const int digits = 1 + (int)(next_random(&seed) % 21);
        const int point = (int)(next_random(&seed) % (uint64_t)(digits + 1));
        const uint64_t width = next_random(&seed) % 3 == 0 ? 680 : 100;
        const int exponent = (int)(next_random(&seed) % width) - (int)width / 2;
        size_t at = 0;
        if (next_random(&seed) % 4 == 0) {
            text[at++] = '-';
        }
        for (int j = 0; j < digits; j++) {
            if (j == point) {
                text[at++] = '.';
            }
            text[at++] = (char)('0' + next_random(&seed) % 10);
        }
        (void)snprintf(text + at, sizeof text - at, "%c%+d", i % 2 == 0 ? 'e' : 'E', exponent);
        check_text(decimal, text);
    }
}

/* What trainers write: seventeen and nine digits of their own numbers come back. */
static void test_written_numbers(void **state)
{
    const espalier_decimal *const decimal = *state;
    uint64_t seed = 1;
    char text[64];
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = next_random(&seed);
        double wide;
        float narrow;
        double wide_back;
        float narrow_back;
        const uint32_t low = (uint32_t)bits;
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &low, sizeof narrow);
        if (isfinite(wide)) {
            const int length = snprintf(text, sizeof text, "%.17g", wide);
            assert_true(espalier_decimal_to_float64(decimal, text, (size_t)length, &wide_back));
            assert_memory_equal(&wide_back, &wide, sizeof wide);
        }
        if (isfinite(narrow)) {
            const int length = snprintf(text, sizeof text, "%.9g", (double)narrow);
            assert_true(espalier_decimal_to_float32(decimal, text, (size_t)length, &narrow_back));
            assert_memory_equal(&narrow_back, &narrow, sizeof narrow);
        }
    }
}

static void test_halfway(void **state)
{
    const espalier_decimal *const decimal = *state;
    static const double values64[] = {0.0,
                                      DBL_TRUE_MIN,
                                      DBL_MIN,
                                      1.0,
                                      0.5,
                                      DBL_MAX,
                                      9007199254740991,
                                      1e22,
                                      1e-22,
                                      123456789.0,
                                      1e-35,
                                      2.2250738585072011e-308,
                                      1e300};
    static const float values32[] = {0.0f,    FLT_TRUE_MIN, FLT_MIN, 1.0f,  0.5f,
                                     FLT_MAX, 16777215.0f,  1e-35f,  1e10f, 3e-39f};
    for (size_t i = 0; i < sizeof values64 / sizeof values64[0]; i++) {
        const binary number = binary_of_float64(values64[i]);
        check_around(decimal, &number);
    }
    for (size_t i = 0; i < sizeof values32 / sizeof values32[0]; i++) {
        const binary number = binary_of_float32(values32[i]);
        check_around(decimal, &number);
    }
    uint64_t seed = 77;
    for (int i = 0; i < 400; i++) {
        const binary number64 = {52, -1074, next_random(&seed) % (UINT64_C(0x7FF) << 52)};
        check_around(decimal, &number64);
        const binary number32 = {23, -149, next_random(&seed) % (UINT64_C(0xFF) << 23)};
        check_around(decimal, &number32);
    }
    /* Near 1 and just above integers of 24 bits, where short text is half-way between float32s. */
    for (uint64_t i = 0; i < 400; i++) {
        const binary number = {23, -149, (UINT64_C(127) << 23) + next_random(&seed) % (24u << 23)};
        check_around(decimal, &number);
    }
}

/* Half-way between two float64s in up to 19 digits, and one unit of the last to each side: where
 * twice the precision cannot decide, and where it just can. */
static void test_short_halfway(void **state)
{
    const espalier_decimal *const decimal = *state;
    uint64_t seed = 5;
    char text[64];
    for (int i = 0; i < 3000; i++) {
        const uint64_t middle =
            (UINT64_C(1) << 53) + 1 + next_random(&seed) % (UINT64_C(1) << 52) * 2;
        for (uint64_t scale = 1; scale <= 100; scale *= 10) {
            for (int side = -1; side <= 1; side++) {
                const int power = scale == 1 ? 0 : scale == 10 ? 1 : 2;
                (void)snprintf(text, sizeof text, "%" PRIu64 "e-%d",
                               middle * scale + (uint64_t)(int64_t)side, power);
                check_text(decimal, text);
            }
        }
    }
}

/* Through a float64 these would be another float32. */
static void test_no_double_rounding(void **state)
{
    const espalier_decimal *const decimal = *state;
    float narrow;
    const char *const just_above = "1.00000005960464477540";
    assert_true(espalier_decimal_to_float32(decimal, just_above, strlen(just_above), &narrow));
    assert_true(narrow == nextafterf(1.0f, 2.0f));
    assert_true((float)strtod(just_above, NULL) == 1.0f);
    const char *const just_below = "1.00000017881393432617187499";
    assert_true(espalier_decimal_to_float32(decimal, just_below, strlen(just_below), &narrow));
    assert_true(narrow == nextafterf(1.0f, 2.0f));
    assert_true((float)strtod(just_below, NULL) != narrow);
}

static void test_special(void **state)
{
    const espalier_decimal *const decimal = *state;
    static const struct {
        const char *text;
        double value;
    } special[] = {{"inf", (double)INFINITY},
                   {"-inf", -(double)INFINITY},
                   {"+Infinity", (double)INFINITY},
                   {"-INFINITY", -(double)INFINITY},
                   {"1e400", (double)INFINITY},
                   {"-1e400", -(double)INFINITY},
                   {"1e-400", 0.0},
                   {"0e99999999999999999999", 0.0},
                   {"1e-99999999999999999999", 0.0},
                   {"1e99999999999999999999", (double)INFINITY},
                   {"1.", 1.0},
                   {".5", 0.5},
                   {"-0", -0.0},
                   {"-0.0e5", -0.0},
                   {"-1e-400", -0.0},
                   {"00012", 12.0},
                   {"1e+05", 1e5},
                   {"1E5", 1e5},
                   {"18446744073709551616", 18446744073709551616.0}};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        double wide;
        float narrow;
        const size_t bytes = strlen(special[i].text);
        assert_true(espalier_decimal_to_float64(decimal, special[i].text, bytes, &wide));
        assert_memory_equal(&wide, &special[i].value, sizeof wide);
        assert_true(espalier_decimal_to_float32(decimal, special[i].text, bytes, &narrow));
        const float expected = (float)special[i].value;
        assert_memory_equal(&narrow, &expected, sizeof narrow);
    }
    static const char *const nans[] = {"nan", "-nan", "NaN", "+NAN"};
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
        double wide = 0;
        float narrow = 0;
        assert_true(espalier_decimal_to_float64(decimal, nans[i], strlen(nans[i]), &wide));
        assert_true(isnan(wide) && !signbit(wide));
        assert_true(espalier_decimal_to_float32(decimal, nans[i], strlen(nans[i]), &narrow));
        assert_true(isnan(narrow) && !signbit(narrow));
    }
}

static void test_refused(void **state)
{
    const espalier_decimal *const decimal = *state;
    static const char *const bad[] = {"",      ".",       "+",     "-",       "e5",    "1e",
                                      "1e+",   "1e5.0",   " 1",    "1 ",      "1,5",   "0x10",
                                      "0x1p3", "1p3",     "--1",   "+-1",     "infin", "nan(1)",
                                      "nanx",  "infinit", "1.2.3", "1e5e5",   "\t1",   "1\n",
                                      "1_000", "1d5",     "i",     "n",       "-",     "1f",
                                      ".e1",   "inf ",    "٣",     "1e\0005", "0x",    "infinityy"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double wide = 42;
        float narrow = 42;
        int64_t whole = 42;
        assert_false(espalier_decimal_to_float64(decimal, bad[i], strlen(bad[i]), &wide));
        assert_false(espalier_decimal_to_float32(decimal, bad[i], strlen(bad[i]), &narrow));
        assert_false(espalier_decimal_to_int64(bad[i], strlen(bad[i]), &whole));
        assert_true(wide == 42 && narrow == 42 && whole == 42);
    }
    double wide = 42;
    assert_false(espalier_decimal_to_float64(decimal, "1\0002", 3, &wide));
    /* The longest text, and one longer. */
    char text[ESPALIER_DECIMAL_BYTES_MAX + 1];
    memset(text, '0', sizeof text);
    text[1] = '.';
    text[ESPALIER_DECIMAL_BYTES_MAX - 1] = '1';
    assert_true(espalier_decimal_to_float64(decimal, text, ESPALIER_DECIMAL_BYTES_MAX, &wide));
    assert_true(wide == 0.0);
    assert_false(espalier_decimal_to_float64(decimal, text, sizeof text, &wide));
}

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"0012", 12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"9223372036854775808", "-9223372036854775809",
                                      "99999999999999999999999", "1.0", "1e3"};
    int64_t value = 42;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(espalier_decimal_to_int64(good[i].text, strlen(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    value = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(espalier_decimal_to_int64(bad[i], strlen(bad[i]), &value));
    }
    assert_int_equal(value, 42);
    assert_true(espalier_decimal_to_int64("123", 2, &value));
    assert_int_equal(value, 12);
}

/* A process whose numbers have commas reads the same. */
static void test_foreign_locale(void **state)
{
    const espalier_decimal *const decimal = *state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                        "fr_FR.utf8"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
        found = setlocale(LC_ALL, names[i]) != NULL;
    }
    if (!found) {
        skip();
    }
    double wide = 0;
    float narrow = 0;
    const char *const text = "0.10000000000000000555";
    const bool read = espalier_decimal_to_float64(decimal, text, strlen(text), &wide) &&
                      espalier_decimal_to_float32(decimal, text, strlen(text), &narrow);
    assert_non_null(setlocale(LC_ALL, "C"));
    assert_true(read);
    assert_true(wide == 0.1 && narrow == 0.1f);
}

static int open_decimal(void **state)
{
    static espalier_decimal decimal;
    *state = &decimal;
    return espalier_decimal_open(&decimal) ? 0 : -1;
}

static int close_decimal(void **state)
{
    espalier_decimal_close(*state);
    espalier_decimal_close(*state); /* twice does no harm */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_text),   cmocka_unit_test(test_written_numbers),
        cmocka_unit_test(test_halfway),       cmocka_unit_test(test_no_double_rounding),
        cmocka_unit_test(test_special),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_whole_numbers), cmocka_unit_test(test_foreign_locale),
        cmocka_unit_test(test_short_halfway),
    };
    return cmocka_run_group_tests(tests, open_decimal, close_decimal);
}
