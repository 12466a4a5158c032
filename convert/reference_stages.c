// SPDX-License-Identifier: Apache-2.0
/*
 * See reference_stages.h. Float32 is computed in C's float here, so that another way of rounding
 * than the engine's stands against it.
 */
#include "convert/reference_stages.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NumPy adds blocks of up to this many values with eight accumulators and halves longer runs. */
#define PAIRWISE_BLOCK 128u
#define PAIRWISE_LANES 8u
/* Halving a run of 2^32 values 32 times leaves one. */
#define PAIRWISE_DEPTH_MAX 32u

/* ---- sums ------------------------------------------------------------------------------------ */

static double add(bool narrow, double a, double b)
{
    return narrow ? (double)((float)a + (float)b) : a + b;
}

/* NumPy's sum of up to 128 values. */
static double sum_block(const double *values, uint64_t count, bool narrow)
{
    if (count < PAIRWISE_LANES) {
        double sum = 0.0;
        for (uint64_t i = 0; i < count; i++) {
            sum = add(narrow, sum, values[i]);
        }
        return sum;
    }
    double lanes[PAIRWISE_LANES];
    memcpy(lanes, values, sizeof lanes);
    uint64_t i = PAIRWISE_LANES;
    for (; i + PAIRWISE_LANES <= count; i += PAIRWISE_LANES) {
        for (uint64_t lane = 0; lane < PAIRWISE_LANES; lane++) {
            lanes[lane] = add(narrow, lanes[lane], values[i + lane]);
        }
    }
    const double low =
        add(narrow, add(narrow, lanes[0], lanes[1]), add(narrow, lanes[2], lanes[3]));
    const double high =
        add(narrow, add(narrow, lanes[4], lanes[5]), add(narrow, lanes[6], lanes[7]));
    double sum = add(narrow, low, high);
    for (; i < count; i++) {
        sum = add(narrow, sum, values[i]);
    }
    return sum;
}

/* NumPy's pairwise sum: a longer run is the sum of its two halves, the left a multiple of eight. */
static double sum_pairwise(const double *values, uint64_t count, bool narrow)
{
    /* Runs whose left half is being summed (left_done false), or was. */
    struct {
        uint64_t first;
        uint64_t count;
        double left;
        bool left_done;
    } runs[PAIRWISE_DEPTH_MAX];
    uint32_t depth = 0;
    uint64_t first = 0;
    for (;;) {
        while (count > PAIRWISE_BLOCK) {
            runs[depth].first = first;
            runs[depth].count = count;
            runs[depth].left_done = false;
            depth++;
            count = count / 2 - count / 2 % PAIRWISE_LANES;
        }
        double sum = sum_block(values + first, count, narrow);
        while (depth > 0 && runs[depth - 1].left_done) {
            depth--;
            sum = add(narrow, runs[depth].left, sum);
        }
        if (depth == 0) {
            return sum;
        }
        const uint64_t half = runs[depth - 1].count / 2;
        const uint64_t left_count = half - half % PAIRWISE_LANES;
        runs[depth - 1].left = sum;
        runs[depth - 1].left_done = true;
        first = runs[depth - 1].first + left_count;
        count = runs[depth - 1].count - left_count;
    }
}

double espalier_reference_sum(const double *values, uint64_t count, bool pairwise, bool narrow)
{
    if (pairwise) {
        return sum_pairwise(values, count, narrow);
    }
    double sum = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        sum = add(narrow, sum, values[i]);
    }
    return sum;
}

/* ---- float32 --------------------------------------------------------------------------------- */

static float find_maximum_narrow(const double *x, uint32_t count)
{
    float most = (float)x[0];
    for (uint32_t i = 1; i < count; i++) {
        most = (float)x[i] > most ? (float)x[i] : most;
    }
    return most;
}

/* [F-261] is pow, not exp2, which compilers would make of it. */
static double power_of_two(double x)
{
    const volatile double two = 2.0;
    return pow(two, x);
}

/* docs/format.md [F-259] */
float espalier_reference_exp_numpy(float x)
{
    static const float above[] = {5.082762527590693718096e-04F, 6.757896990527504603057e-03F,
                                  5.114512081637298353406e-02F, 2.473615434895520810817e-01F,
                                  7.257664613233124478488e-01F, 9.999999999980870924916e-01F};
    static const float below[] = {2.159509375685829852307e-02F, -2.742335390411667452936e-01F,
                                  1.0F};
    if (isnan(x) || x < -103.97208404541015625F || x > 88.72283935546875F) {
        return x < 0.0F ? 0.0F : x > 0.0F ? INFINITY : x;
    }
    const float scaled = x * 1.44269504088896340736F;
    const float whole = rintf(scaled);
    const float rest = fmaf(whole, -1.42860677e-6F, fmaf(whole, -6.93145752e-1F, x));
    float p = above[0];
    for (int i = 1; i < 6; i++) {
        p = fmaf(p, rest, above[i]);
    }
    const float q = fmaf(fmaf(below[0], rest, below[1]), rest, below[2]);
    return ldexpf(p / q, (int)whole);
}

/* docs/format.md [F-381] */
float espalier_reference_log_numpy(float x)
{
    static const float above[] = {2.589979117907922693523e-02F, 3.808837741388407920751e-01F,
                                  1.480000633576506585156e+00F, 2.112677543073053063722e+00F,
                                  9.999999999999998702752e-01F, 0.0F};
    static const float below[] = {5.875095403124574342950e-03F, 1.546476374983906719538e-01F,
                                  9.864942958519418960339e-01F, 2.453006071784736363091e+00F,
                                  2.612677543073109236779e+00F, 1.0F};
    if (isnan(x) || x <= 0.0F || isinf(x)) {
        return x == 0.0F ? -INFINITY : x < 0.0F ? NAN : x;
    }
    int power = 0;
    const float half = frexpf(x, &power); /* at least 1/2, below 1 */
    const bool doubled = half <= 0.707106781186547524F;
    const float rest = (doubled ? 2.0F * half : half) - 1.0F;
    float p = above[0];
    float q = below[0];
    for (int i = 1; i < 6; i++) {
        p = fmaf(p, rest, above[i]);
        q = fmaf(q, rest, below[i]);
    }
    return fmaf((float)(doubled ? power - 1 : power), 0.693147180559945309F, p / q);
}

/* XGBoost adds float32 exponentials in float64; NumPy, with its own exp, in float32, pairwise. */
static void softmax_narrow(const espalier_forest_stage *stage, const double *x, double *y)
{
    const float most = find_maximum_narrow(x, stage->count);
    for (uint32_t i = 0; i < stage->count; i++) {
        const float rest = (float)x[i] - most;
        y[i] = (double)(stage->pairwise ? espalier_reference_exp_numpy(rest) : expf(rest));
    }
    const float sum =
        (float)espalier_reference_sum(y, stage->count, stage->pairwise, stage->pairwise);
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = (double)((float)y[i] / sum);
    }
}

static void expectiles(const espalier_forest_stage *stage, const double *x, double *y)
{
    y[0] = x[0];
    for (uint32_t i = 1; i < stage->count; i++) {
        const float margin = (float)x[i];
        const float soft = fmaxf(margin, 0.0F) + log1pf(expf(-fabsf(margin)));
        const float step = 1e-6F + soft;
        y[i] = (double)((float)y[i - 1] + step);
    }
}

static float run_item_narrow(espalier_forest_operation operation, float x, float c)
{
    switch (operation) {
    case ESPALIER_FOREST_ADD:
        return x + c;
    case ESPALIER_FOREST_MULTIPLY:
        return x * c;
    case ESPALIER_FOREST_DIVIDE:
        return x / c;
    case ESPALIER_FOREST_EXP:
        return expf(x);
    case ESPALIER_FOREST_SIGMOID:
        return 1.0F / (1.0F + expf(-x > 88.7F ? 88.7F : -x));
    case ESPALIER_FOREST_STEP:
        return x > 0.0F ? 1.0F : 0.0F;
    case ESPALIER_FOREST_EXPM1:
        return expm1f(x);
    case ESPALIER_FOREST_EXP2:
        return exp2f(x);
    case ESPALIER_FOREST_SQUARE:
        return x * x;
    case ESPALIER_FOREST_SQRT:
        return sqrtf(x);
    case ESPALIER_FOREST_LOG:
        return espalier_reference_log_numpy(x);
    case ESPALIER_FOREST_LOG1P:
        return log1pf(x);
    case ESPALIER_FOREST_ROUND:
        return x;
    case ESPALIER_FOREST_EXPIT:
        return 1.0F / (expf(-x) + 1.0F);
    case ESPALIER_FOREST_NUMPY_EXP:
        return espalier_reference_exp_numpy(x);
    default:
        return NAN; /* none that a forest is checked to have */
    }
}

/* ---- float64 --------------------------------------------------------------------------------- */

static double find_maximum(const double *x, uint32_t count)
{
    double most = x[0];
    for (uint32_t i = 1; i < count; i++) {
        most = x[i] > most ? x[i] : most;
    }
    return most;
}

static void normalise(const espalier_forest_stage *stage, const double *x, double *y)
{
    const bool evenly = stage->operation == ESPALIER_FOREST_NORMALISE_EVEN;
    const double sum = espalier_reference_sum(x, stage->count, stage->pairwise, stage->narrow);
    for (uint32_t i = 0; i < stage->count; i++) {
        const double share = stage->narrow ? (double)((float)x[i] / (float)sum) : x[i] / sum;
        y[i] = sum != 0.0 ? share : evenly ? 1.0 / (double)stage->count : x[i];
    }
}

static void softmax(const espalier_forest_stage *stage, const double *x, double *y)
{
    const double most = find_maximum(x, stage->count);
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = exp(x[i] - most);
    }
    const double sum = espalier_reference_sum(y, stage->count, stage->pairwise, false);
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = stage->operation == ESPALIER_FOREST_SOFTMAX ? y[i] / sum
                                                           : exp(x[i] - (log(sum) + most));
    }
}

/* Of the geometric mean, which is exp of the mean of all logarithms. */
static void centre_logarithms(const espalier_forest_stage *stage, const double *x, double *y)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = log(x[i]);
    }
    const double sum = espalier_reference_sum(y, stage->count, stage->pairwise, false);
    const double mean = exp(sum / (double)stage->count);
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = log(x[i] / mean);
    }
}

static double run_item(espalier_forest_operation operation, double x, double c, double iterations)
{
    switch (operation) {
    case ESPALIER_FOREST_ADD:
        return x + c;
    case ESPALIER_FOREST_MULTIPLY:
        return x * c;
    case ESPALIER_FOREST_DIVIDE:
        return x / c;
    case ESPALIER_FOREST_DIVIDE_ITERATIONS:
        return x / iterations;
    case ESPALIER_FOREST_EXP:
        return exp(x);
    case ESPALIER_FOREST_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case ESPALIER_FOREST_LOG1P_EXP:
        return log1p(exp(x));
    case ESPALIER_FOREST_SIGNED_SQUARE:
        return (x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0) * x * x;
    case ESPALIER_FOREST_NEGATIVE_POWER:
        return -power_of_two(-x);
    case ESPALIER_FOREST_STEP:
        return x > 0.0 ? 1.0 : 0.0;
    case ESPALIER_FOREST_CUT_ONE:
        return x > 1.0 && x <= 1.0 + 1e-5 ? 1.0 : x;
    case ESPALIER_FOREST_EXPM1:
        return expm1(x);
    case ESPALIER_FOREST_EXP2:
        return exp2(x);
    case ESPALIER_FOREST_SQUARE:
        return x * x;
    case ESPALIER_FOREST_SQRT:
        return sqrt(x);
    case ESPALIER_FOREST_LOG:
        return log(x);
    case ESPALIER_FOREST_LOG1P:
        return log1p(x);
    case ESPALIER_FOREST_LOG_ODDS:
        return log(x / (1.0 - x));
    case ESPALIER_FOREST_LOGIT:
        return x < 0.3 || x > 0.65 ? log(x / (1.0 - x))
                                   : log1p(2.0 * (x - 0.5)) - log1p(-2.0 * (x - 0.5));
    default:
        return (double)NAN; /* none that a forest is checked to have */
    }
}

/* ---- either ---------------------------------------------------------------------------------- */

/* Numbers ascend, -0.0 before 0.0. */
static int compare_values(const void *a, const void *b)
{
    double x = 0.0;
    double y = 0.0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x != y ? (x > y) - (x < y) : (signbit(x) == 0) - (signbit(y) == 0);
}

static double find_index(const double *x, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return (double)best;
}

static void run_items(const espalier_forest_stage *stage, const double *c, double iterations,
                      const double *x, double *y)
{
    const bool has_constants = stage->operation == ESPALIER_FOREST_ADD ||
                               stage->operation == ESPALIER_FOREST_MULTIPLY ||
                               stage->operation == ESPALIER_FOREST_DIVIDE;
    for (uint32_t i = 0; i < stage->count; i++) {
        assert(!has_constants || c != NULL);
        const double constant = has_constants ? c[i] : 0.0;
        y[i] = stage->narrow
                   ? (double)run_item_narrow(stage->operation, (float)x[i], (float)constant)
                   : run_item(stage->operation, x[i], constant, iterations);
    }
}

static void two_classes(const espalier_forest_stage *stage, const double *x, double *y)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        y[(size_t)2 * i] = stage->narrow ? (double)(1.0F - (float)x[i]) : 1.0 - x[i];
        y[(size_t)2 * i + 1] = x[i];
    }
}

/* ---- for models of several forests ----------------------------------------------------------- */

/* As np.interp, by halves. */
static double interpolate(const double *knots, uint32_t count, double x)
{
    const double *const values = knots + count;
    if (isnan(x)) {
        return x;
    }
    if (x < knots[0]) {
        return values[0];
    }
    uint32_t k = 0; /* the last knot up to x */
    for (uint32_t end = count; end - k > 1;) {
        const uint32_t middle = k + (end - k) / 2;
        if (knots[middle] <= x) {
            k = middle;
        } else {
            end = middle;
        }
    }
    if (k + 1 == count || knots[k] == x) {
        return values[k];
    }
    const double slope = (values[k + 1] - values[k]) / (knots[k + 1] - knots[k]);
    return slope * (x - knots[k]) + values[k];
}

/* As SciPy's interp1d of float32 numbers, up to 1.17 by slopes: knot after knot from the left. */
static double interpolate_narrow(const double *knots, uint32_t count, float x, bool slopes)
{
    const double *const values = knots + count;
    if (isnan(x) || count == 1) {
        return isnan(x) ? (double)x : values[0];
    }
    const float first = (float)knots[0];
    const float last = (float)knots[count - 1];
    const float raised = x < first ? first : x;
    const float place = raised > last ? last : raised;
    uint32_t k = 1;
    while (k + 1 < count && (float)knots[k] < place) {
        k++;
    }
    const float left[2] = {(float)knots[k - 1], (float)values[k - 1]};
    const float right[2] = {(float)knots[k], (float)values[k]};
    if (slopes) {
        const float slope = (right[1] - left[1]) / (right[0] - left[0]);
        const float rise = slope * (place - left[0]);
        return (double)(rise + left[1]);
    }
    const float of_right = (place - left[0]) / (right[0] - left[0]);
    const float of_left = (right[0] - place) / (right[0] - left[0]);
    const float parts[2] = {of_right * right[1], of_left * left[1]};
    return (double)(parts[0] + parts[1]);
}

/* A value and where it stood. */
typedef struct placed_value {
    double value;
    uint32_t place;
} placed_value;

/* NaN is last, equal values stay in their order. */
static int compare_placed(const void *left, const void *right)
{
    const placed_value *const a = left;
    const placed_value *const b = right;
    const int by_nan = (isnan(a->value) != 0) - (isnan(b->value) != 0);
    const int by_value = by_nan != 0 ? by_nan : (a->value > b->value) - (a->value < b->value);
    return by_value != 0 ? by_value : (a->place > b->place) - (a->place < b->place);
}

/* The smallest value up to which (in the order of the values) half of the weights lie. */
static void find_weighted_median(const double *x, const double *weights, uint32_t count, double *y)
{
    placed_value *const order = malloc(count * sizeof *order);
    memset(y, 0, count * sizeof *y);
    y[0] = (double)NAN;
    if (order == NULL) {
        return; /* the comparison with the model fails then */
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = (placed_value){x[i], i};
    }
    qsort(order, count, sizeof *order, compare_placed);
    double total = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        total += weights[order[i].place];
    }
    double sum = 0.0;
    uint32_t found = 0;
    for (; found < count; found++) {
        sum += weights[order[found].place];
        if (sum >= 0.5 * total) {
            break;
        }
    }
    y[0] = order[found < count ? found : 0].value;
    free(order);
}

static void pick(const espalier_forest_stage *stage, const double *c, const double *slots,
                 double *y)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        y[i] = c[i] < 0.0 ? 0.0 : slots[(size_t)c[i]];
    }
}

/* False: none of them. */
static bool run_composed(const espalier_forest_stage *stage, const double *c, const double *slots,
                         double *y)
{
    const double *const x = slots + stage->input_slot;
    switch (stage->operation) {
    case ESPALIER_FOREST_PICK:
        assert(c != NULL);
        pick(stage, c, slots, y);
        return true;
    case ESPALIER_FOREST_ADD_SLOTS:
        for (uint32_t i = 0; i < stage->count; i++) {
            y[i] = add(stage->narrow, x[i], slots[stage->other_slot + i]);
        }
        return true;
    case ESPALIER_FOREST_CHOOSE:
        assert(c != NULL);
        for (uint32_t i = 0; i < stage->count; i++) {
            y[i] = x[0] == (double)i ? c[0] : c[1];
        }
        return true;
    case ESPALIER_FOREST_ISOTONIC:
    case ESPALIER_FOREST_ISOTONIC_SHARES:
        assert(c != NULL);
        y[0] = stage->narrow ? interpolate_narrow(c, stage->count, (float)x[0],
                                                  stage->operation == ESPALIER_FOREST_ISOTONIC)
                             : interpolate(c, stage->count, x[0]);
        return true;
    case ESPALIER_FOREST_CLAMP:
        assert(c != NULL);
        for (uint32_t i = 0; i < stage->count; i++) {
            y[i] = x[i] < c[0] ? c[0] : x[i];
            y[i] = y[i] > c[1] ? c[1] : y[i];
        }
        return true;
    case ESPALIER_FOREST_WEIGHTED_MEDIAN:
        assert(c != NULL);
        find_weighted_median(x, c, stage->count, y);
        return true;
    default:
        return false;
    }
}

void espalier_reference_stage(const espalier_forest *forest, const espalier_forest_stage *stage,
                              double iterations, double *slots)
{
    const double *const x = slots + stage->input_slot;
    const double *const c =
        forest->constants != NULL ? forest->constants + stage->first_constant : NULL;
    double *const y = slots + stage->output_slot;
    if (run_composed(stage, c, slots, y)) {
        return;
    }
    switch (stage->operation) {
    case ESPALIER_FOREST_NORMALISE:
    case ESPALIER_FOREST_NORMALISE_EVEN:
        normalise(stage, x, y);
        break;
    case ESPALIER_FOREST_SOFTMAX:
    case ESPALIER_FOREST_SOFTMAX_LOG:
        (stage->narrow ? softmax_narrow : softmax)(stage, x, y);
        break;
    case ESPALIER_FOREST_EXPECTILES:
        expectiles(stage, x, y);
        break;
    case ESPALIER_FOREST_LOG_CENTRED:
        centre_logarithms(stage, x, y);
        break;
    case ESPALIER_FOREST_TWO_CLASSES:
        two_classes(stage, x, y);
        break;
    case ESPALIER_FOREST_INDEX:
        y[0] = find_index(x, stage->count);
        break;
    case ESPALIER_FOREST_SORT:
        memcpy(y, x, stage->count * sizeof *y);
        qsort(y, stage->count, sizeof *y, compare_values);
        break;
    case ESPALIER_FOREST_SPREAD:
        assert(c != NULL);
        for (uint32_t i = 0; i < stage->count; i++) {
            y[i] = x[0] * c[i];
        }
        break;
    case ESPALIER_FOREST_PRODUCTS:
        assert(c != NULL);
        y[0] = 0.0;
        for (uint32_t i = 0; i < stage->count; i++) {
            y[0] += x[i] * c[i];
        }
        break;
    case ESPALIER_FOREST_CONSTANTS:
        assert(c != NULL);
        memcpy(y, c, stage->count * sizeof *y);
        break;
    default:
        run_items(stage, c, iterations, x, y);
        break;
    }
}
