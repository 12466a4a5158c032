// SPDX-License-Identifier: Apache-2.0
/*
 * Decimal text to numbers, correctly rounded to the nearest value, ties to even, whatever the
 * process's locale is. Float32 is rounded once, from the text: 1.00000017881393432617187499 through
 * a float64 would be another float32.
 * May include: libc. Must never: read behind the text it is given, touch global state.
 */
#ifndef ESPALIER_CONVERT_SOURCES_DECIMAL_H
#define ESPALIER_CONVERT_SOURCES_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer text is refused: the longest exact float64 has 1,077 characters. */
#define ESPALIER_DECIMAL_BYTES_MAX 2047u

/* What reading numbers needs; made once for a file. Read-only then, so threads may share it. */
typedef struct espalier_decimal {
    void *locale; /* the C locale */
} espalier_decimal;

/* False: no memory. espalier_decimal_close takes what was opened or is zero. */
bool espalier_decimal_open(espalier_decimal *decimal);
void espalier_decimal_close(espalier_decimal *decimal);

/*
 * text[bytes], which needs no NUL, must be [+-]digits[.digits][e[+-]digits] from end to end, with a
 * digit before or behind the point, or [+-]inf, [+-]infinity, [+-]nan in any case; no blanks, no
 * hexadecimal. What is too large becomes infinite, what is too small 0 with its sign; NaN is the
 * positive quiet one. False: no such number, *value_out is untouched.
 */
bool espalier_decimal_to_float64(const espalier_decimal *decimal, const char *text, size_t bytes,
                                 double *value_out);
bool espalier_decimal_to_float32(const espalier_decimal *decimal, const char *text, size_t bytes,
                                 float *value_out);

/* The same for [+-]digits within int64. */
bool espalier_decimal_to_int64(const char *text, size_t bytes, int64_t *value_out);

#endif
