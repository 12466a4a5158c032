// SPDX-License-Identifier: Apache-2.0
/*
 * See decimal.h. Short numbers are one exact multiplication or division by a power of ten; of up to
 * 19 digits, a few, in twice the precision, with a test that what was lost cannot matter; the rest
 * is libc's strtod_l and strtof_l in the C locale, which round correctly (glibc since 2.17, musl,
 * macOS). The text is checked here first: libc would take blanks, hexadecimal and locale's points.
 */
#include "convert/sources/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "numbers are read by arithmetic that rounds each step to float64"
#endif

/* Powers of ten up to this are float64s, so one operation with them rounds once. */
#define POWER_MAX 22

/* Integers up to this are float64s. */
#define DIGITS_VALUE_MAX (UINT64_C(1) << 53)

/* Up to this another digit fits into 64 bits. */
#define DIGITS_ROOM (UINT64_MAX / 10 - 1)

/* Powers of ten that are made of several: no step of theirs underflows. */
#define POWER_STEPS_MAX (3 * POWER_MAX)

/* A step in twice the precision loses less than 2^-103 of the number, and there are three. */
#define PAIR_LOSS 0x1p-100

/* Parts a float64 in two halves. */
#define HALVES 0x1.0000002p27

/* Exponents beyond these bounds are cut; no text within the limit comes back from them. */
#define EXPONENT_MAX 100000

/* Checked text: digits x 10^exponent, when exact. */
typedef struct decimal_parts {
    uint64_t digits;
    int32_t exponent;
    bool exact; /* digits holds all of them */
    bool negative;
    bool finite; /* false: inf or nan */
    bool nan;
} decimal_parts;

bool espalier_decimal_open(espalier_decimal *decimal)
{
    decimal->locale = (void *)newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return decimal->locale != NULL;
}

void espalier_decimal_close(espalier_decimal *decimal)
{
    if (decimal->locale != NULL) {
        freelocale((locale_t)decimal->locale);
    }
    decimal->locale = NULL;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Whether text[bytes] is the lower-case word, in any case. */
static bool is_word(const char *text, size_t bytes, const char *word)
{
    if (bytes != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if ((text[i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

/* A run of digits from text[at]; returns where it ends. */
static size_t take_digits(const char *text, size_t bytes, size_t at, bool fraction,
                          decimal_parts *parts)
{
    const size_t first = at;
    uint64_t digits = parts->digits;
    for (; at < bytes && is_digit(text[at]); at++) {
        if (digits <= DIGITS_ROOM) {
            digits = digits * 10 + (uint64_t)(text[at] - '0');
        } else {
            parts->exact = false;
        }
    }
    parts->digits = digits;
    parts->exponent -= fraction ? (int32_t)(at - first) : 0;
    return at;
}

/* "e-12" from text[at] to the end. */
static bool take_exponent(const char *text, size_t bytes, size_t at, decimal_parts *parts)
{
    if (at == bytes) {
        return true;
    }
    if ((text[at] | 0x20) != 'e') {
        return false;
    }
    at++;
    const bool negative = at < bytes && text[at] == '-';
    if (at < bytes && (text[at] == '-' || text[at] == '+')) {
        at++;
    }
    if (at == bytes) {
        return false;
    }
    int32_t exponent = 0;
    for (; at < bytes; at++) {
        if (!is_digit(text[at])) {
            return false;
        }
        exponent = exponent >= EXPONENT_MAX ? EXPONENT_MAX : exponent * 10 + (text[at] - '0');
    }
    parts->exponent += negative ? -exponent : exponent;
    return true;
}

static bool split_text(const char *text, size_t bytes, decimal_parts *parts)
{
    *parts = (decimal_parts){.exact = true, .finite = true};
    if (bytes == 0 || bytes > ESPALIER_DECIMAL_BYTES_MAX) {
        return false;
    }
    size_t at = 0;
    if (text[0] == '-' || text[0] == '+') {
        parts->negative = text[0] == '-';
        at = 1;
    }
    if (at < bytes && !is_digit(text[at]) && text[at] != '.') {
        parts->finite = false;
        parts->nan = is_word(text + at, bytes - at, "nan");
        return parts->nan || is_word(text + at, bytes - at, "inf") ||
               is_word(text + at, bytes - at, "infinity");
    }
    const size_t whole = at;
    at = take_digits(text, bytes, at, false, parts);
    size_t digit_count = at - whole;
    if (at < bytes && text[at] == '.') {
        const size_t fraction = at + 1;
        at = take_digits(text, bytes, fraction, true, parts);
        digit_count += at - fraction;
    }
    return digit_count > 0 && take_exponent(text, bytes, at, parts);
}

static const double powers[POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* The correctly rounded magnitude by one operation; false where that is not exact arithmetic. */
static bool scale_digits(const decimal_parts *parts, double *value_out)
{
    if (!parts->exact || parts->digits > DIGITS_VALUE_MAX || parts->exponent > POWER_MAX ||
        parts->exponent < -POWER_MAX) {
        return false;
    }
    const double digits = (double)parts->digits;
    *value_out =
        parts->exponent < 0 ? digits / powers[-parts->exponent] : digits * powers[parts->exponent];
    return true;
}

/* A number as the sum of two, the second at most half a unit in the last place of the first. */
typedef struct number_pair {
    double high;
    double low;
} number_pair;

/* a + b, of which a is not the smaller one. */
static number_pair add_exactly(double a, double b)
{
    const double sum = a + b;
    return (number_pair){sum, b - (sum - a)};
}

/* a b (Dekker, Veltkamp). */
static number_pair multiply_exactly(double a, double b)
{
    const double product = a * b;
    const double large_a = HALVES * a - (HALVES * a - a);
    const double large_b = HALVES * b - (HALVES * b - b);
    const double small_a = a - large_a;
    const double small_b = b - large_b;
    const double low =
        ((large_a * large_b - product) + large_a * small_b + small_a * large_b) + small_a * small_b;
    return (number_pair){product, low};
}

static number_pair multiply_pair(number_pair x, double power)
{
    const number_pair product = multiply_exactly(x.high, power);
    return add_exactly(product.high, product.low + x.low * power);
}

/* What is left of a correctly rounded division is a float64, so the first two steps are exact. */
static number_pair divide_pair(number_pair x, double power)
{
    const double quotient = x.high / power;
    const number_pair product = multiply_exactly(quotient, power);
    const double rest = (x.high - product.high) - product.low + x.low;
    return add_exactly(quotient, rest / power);
}

/* The correctly rounded magnitude; false where the pair is too near to where rounding changes. */
static bool scale_pair(const decimal_parts *parts, double *value_out)
{
    int32_t exponent = parts->exponent;
    if (!parts->exact || parts->digits > INT64_MAX || exponent > POWER_STEPS_MAX ||
        exponent < -POWER_STEPS_MAX) {
        return false;
    }
    const double whole = (double)parts->digits;
    const uint64_t back = (uint64_t)whole;
    number_pair pair = {whole, parts->digits >= back ? (double)(parts->digits - back)
                                                     : -(double)(back - parts->digits)};
    while (exponent != 0) {
        const int32_t some = exponent > POWER_MAX    ? POWER_MAX
                             : exponent < -POWER_MAX ? -POWER_MAX
                                                     : exponent;
        pair = some > 0 ? multiply_pair(pair, powers[some]) : divide_pair(pair, powers[-some]);
        exponent -= some;
    }
    const double lost = pair.high * PAIR_LOSS;
    *value_out = pair.high + (pair.low + lost);
    return *value_out == pair.high + (pair.low - lost);
}

static bool scale_parts(const decimal_parts *parts, double *value_out)
{
    return scale_digits(parts, value_out) || scale_pair(parts, value_out);
}

/* What libc reads is NUL-terminated. */
static void copy_text(const char *text, size_t bytes, char *copy)
{
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
}

bool espalier_decimal_to_float64(const espalier_decimal *decimal, const char *text, size_t bytes,
                                 double *value_out)
{
    decimal_parts parts;
    if (!split_text(text, bytes, &parts)) {
        return false;
    }
    double value;
    if (!parts.finite) {
        const double infinite = parts.negative ? -(double)INFINITY : (double)INFINITY;
        *value_out = parts.nan ? (double)NAN : infinite;
    } else if (scale_parts(&parts, &value)) {
        *value_out = parts.negative ? -value : value;
    } else {
        char copy[ESPALIER_DECIMAL_BYTES_MAX + 1];
        copy_text(text, bytes, copy);
        *value_out = strtod_l(copy, NULL, (locale_t)decimal->locale);
    }
    return true;
}

/*
 * Rounding a float64 that was itself rounded is right unless it lies half-way between two float32s:
 * half-way points are float64s, and rounding to float64 never passes one.
 */
static bool narrow_value(double value, float *value_out)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t below_float32 = bits & ((UINT64_C(1) << 29) - 1);
    if (value < (double)FLT_MIN || value >= (double)FLT_MAX || below_float32 == UINT64_C(1) << 28) {
        return false;
    }
    *value_out = (float)value;
    return true;
}

bool espalier_decimal_to_float32(const espalier_decimal *decimal, const char *text, size_t bytes,
                                 float *value_out)
{
    decimal_parts parts;
    if (!split_text(text, bytes, &parts)) {
        return false;
    }
    double wide;
    float value;
    if (!parts.finite) {
        const float infinite = parts.negative ? -INFINITY : INFINITY;
        *value_out = parts.nan ? NAN : infinite;
    } else if (scale_parts(&parts, &wide) && narrow_value(wide, &value)) {
        *value_out = parts.negative ? -value : value;
    } else {
        char copy[ESPALIER_DECIMAL_BYTES_MAX + 1];
        copy_text(text, bytes, copy);
        *value_out = strtof_l(copy, NULL, (locale_t)decimal->locale);
    }
    return true;
}

bool espalier_decimal_to_int64(const char *text, size_t bytes, int64_t *value_out)
{
    const bool negative = bytes > 0 && text[0] == '-';
    size_t at = bytes > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    if (at == bytes || bytes > ESPALIER_DECIMAL_BYTES_MAX) {
        return false;
    }
    int64_t value = 0; /* negative or zero: INT64_MIN has no counterpart */
    for (; at < bytes; at++) {
        if (!is_digit(text[at])) {
            return false;
        }
        const int64_t digit = text[at] - '0';
        if (value < (INT64_MIN + digit) / 10) {
            return false;
        }
        value = value * 10 - digit;
    }
    if (!negative && value == INT64_MIN) {
        return false;
    }
    *value_out = negative ? value : -value;
    return true;
}
