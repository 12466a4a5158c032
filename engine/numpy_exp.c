// SPDX-License-Identifier: Apache-2.0
/*
 * See numpy_exp.h. exp(x) = 2^k * P(r) / Q(r), k the whole number next to x / log(2), r what is
 * left of x; a rational minimax function by Horner's scheme, fused multiplications and additions.
 * log(x) = k * log(2) + P(m - 1) / Q(m - 1), x = 2^k * m, m next to 1. fmaf is exact on every
 * machine, with the instruction or without.
 */
#include "engine/numpy_exp.h"

#include <math.h>

#define LOG2_E    1.44269504088896340736f
#define LOG_2_TOP 6.93145752e-1f /* log(2) in two parts; k times the first is exact */
#define LOG_2_LOW 1.42860677e-6f
#define LOG_2     0.693147180559945309f
#define SQRT_HALF 0.707106781186547524f
/* Added and taken away again, it leaves the nearest whole number. */
#define ROUNDER 12582912.0f

#define OVERFLOWS_ABOVE  88.72283935546875f
#define UNDERFLOWS_BELOW (-103.97208404541015625f)

float espalier_numpy_exp(float x)
{
    if (x != x || x > OVERFLOWS_ABOVE) {
        return x > OVERFLOWS_ABOVE ? INFINITY : x;
    }
    if (x < UNDERFLOWS_BELOW) {
        return 0.0f;
    }
    /* Rounded twice, so that it cannot be one operation to a compiler. */
    const float scaled = x * LOG2_E;
    const float k = (scaled + ROUNDER) - ROUNDER;
    const float r = fmaf(k, -LOG_2_LOW, fmaf(k, -LOG_2_TOP, x));
    float above = 5.082762527590693718096e-04f;
    above = fmaf(above, r, 6.757896990527504603057e-03f);
    above = fmaf(above, r, 5.114512081637298353406e-02f);
    above = fmaf(above, r, 2.473615434895520810817e-01f);
    above = fmaf(above, r, 7.257664613233124478488e-01f);
    above = fmaf(above, r, 9.999999999980870924916e-01f);
    float below = 2.159509375685829852307e-02f;
    below = fmaf(below, r, -2.742335390411667452936e-01f);
    below = fmaf(below, r, 1.0f);
    return ldexpf(above / below, (int)k);
}

float espalier_numpy_log(float x)
{
    if (!(x > 0.0f) || isinf(x)) {
        return x == 0.0f ? -INFINITY : x > 0.0f ? x : NAN;
    }
    int k = 0;
    float m = frexpf(x, &k);
    if (m <= SQRT_HALF) {
        m += m;
        k--;
    }
    const float r = m - 1.0f;
    float above = 2.589979117907922693523e-02f;
    above = fmaf(above, r, 3.808837741388407920751e-01f);
    above = fmaf(above, r, 1.480000633576506585156e+00f);
    above = fmaf(above, r, 2.112677543073053063722e+00f);
    above = fmaf(above, r, 9.999999999999998702752e-01f);
    above *= r;
    float below = 5.875095403124574342950e-03f;
    below = fmaf(below, r, 1.546476374983906719538e-01f);
    below = fmaf(below, r, 9.864942958519418960339e-01f);
    below = fmaf(below, r, 2.453006071784736363091e+00f);
    below = fmaf(below, r, 2.612677543073109236779e+00f);
    below = fmaf(below, r, 1.0f);
    return fmaf((float)k, LOG_2, above / below);
}
