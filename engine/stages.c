// SPDX-License-Identifier: Apache-2.0
/*
 * See stages.h. Every operation is rounded once, in the order the format prescribes; float32
 * operations are those of float32 numbers kept in float64 slots. Needs exp and log of libm, whose
 * last bit may differ from machine to machine.
 */
#include "engine/stages.h"

#include "engine/numpy_exp.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "stages are computed in float32 and float64, step by step"
#endif

/* XGBoost keeps the argument of exp below this, so that a sigmoid is never 0. */
#define SIGMOID_EXPONENT_MAX 88.7f
/* How much further than its softplus XGBoost puts an expectile behind the one before. */
#define EXPECTILE_STEP 1e-6f
/* How far above 1 scikit-learn takes a calibrated probability for 1. */
#define CUT_ONE_MAX (1.0 + 1e-5)
/* Between these SciPy computes a logit through the difference from one half. */
#define LOGIT_LOW  0.3
#define LOGIT_HIGH 0.65

/* What an operation reads and writes, in terms of n = slot_count. */
typedef struct operation {
    bool reads;     /* n slots, but for SPREAD */
    uint8_t writes; /* times n; 0: one slot */
    bool constants; /* n of them */
    bool adds;      /* has an order of additions */
    bool narrow;    /* may be float32 */
    bool wide;      /* may be float64 */
    bool linked;    /* its result depends on libm's last bit */
} operation;

static const operation operations[ESPALIER_STAGE_LAST + 1] = {
    [ESPALIER_STAGE_NORMALISE] = {true, 1, false, true, true, true, false},
    [ESPALIER_STAGE_ADD] = {true, 1, true, false, true, true, false},
    [ESPALIER_STAGE_MULTIPLY] = {true, 1, true, false, true, true, false},
    [ESPALIER_STAGE_DIVIDE] = {true, 1, true, false, true, true, false},
    [ESPALIER_STAGE_DIVIDE_ITERATIONS] = {.reads = true, .writes = 1, .wide = true},
    [ESPALIER_STAGE_SIGMOID] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_SOFTMAX] = {true, 1, false, true, true, true, true},
    [ESPALIER_STAGE_SOFTMAX_LOG] = {true, 1, false, true, false, true, true},
    [ESPALIER_STAGE_EXP] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_LOG1P_EXP] = {true, 1, false, false, false, true, true},
    [ESPALIER_STAGE_SIGNED_SQUARE] = {.reads = true, .writes = 1, .wide = true},
    [ESPALIER_STAGE_NEGATIVE_POWER] = {true, 1, false, false, false, true, true},
    [ESPALIER_STAGE_TWO_CLASSES] = {true, 2, false, false, true, true, false},
    [ESPALIER_STAGE_STEP] = {true, 1, false, false, true, true, false},
    [ESPALIER_STAGE_INDEX] = {true, 0, false, false, true, true, false},
    [ESPALIER_STAGE_SORT] = {true, 1, false, false, true, true, false},
    [ESPALIER_STAGE_SPREAD] = {.reads = true, .writes = 1, .constants = true, .wide = true},
    [ESPALIER_STAGE_PRODUCTS] = {.reads = true, .constants = true, .wide = true},
    [ESPALIER_STAGE_CONSTANTS] = {false, 1, true, false, true, true, false},
    [ESPALIER_STAGE_EXPECTILES] = {true, 1, false, false, true, false, true},
    [ESPALIER_STAGE_PICK] = {false, 1, true, false, true, true, false},
    [ESPALIER_STAGE_ADD_SLOTS] = {true, 1, false, false, true, true, false},
    [ESPALIER_STAGE_CHOOSE] = {.reads = true, .writes = 1, .constants = true, .wide = true},
    [ESPALIER_STAGE_ISOTONIC] = {true, 0, true, false, true, true, false},
    [ESPALIER_STAGE_NORMALISE_EVEN] = {.reads = true, .writes = 1, .adds = true, .wide = true},
    [ESPALIER_STAGE_CUT_ONE] = {.reads = true, .writes = 1, .wide = true},
    [ESPALIER_STAGE_WEIGHTED_MEDIAN] = {true, 1, true, false, true, true, false},
    [ESPALIER_STAGE_EXPM1] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_EXP2] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_SQUARE] = {true, 1, false, false, true, true, false},
    [ESPALIER_STAGE_SQRT] = {true, 1, false, false, true, true, false},
    [ESPALIER_STAGE_LOG] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_LOG1P] = {true, 1, false, false, true, true, true},
    [ESPALIER_STAGE_VALUES] = {.writes = 1, .constants = true, .wide = true},
    [ESPALIER_STAGE_LINEAR] = {.reads = true, .constants = true, .wide = true},
    [ESPALIER_STAGE_CLAMP] = {.reads = true, .writes = 1, .constants = true, .wide = true},
    [ESPALIER_STAGE_LOG_ODDS] = {true, 1, false, false, false, true, true},
    [ESPALIER_STAGE_LOGIT] = {true, 1, false, false, false, true, true},
    [ESPALIER_STAGE_LOG_CENTRED] = {true, 1, false, true, false, true, true},
    [ESPALIER_STAGE_FLUSHED_VALUES] = {false, 1, true, false, true, true, false},
    [ESPALIER_STAGE_ROUND] = {.reads = true, .writes = 1, .narrow = true},
    [ESPALIER_STAGE_EXPIT] = {true, 1, false, false, true, false, true},
    [ESPALIER_STAGE_NUMPY_EXP] = {true, 1, false, false, true, false, true},
    [ESPALIER_STAGE_ISOTONIC_SHARES] = {.reads = true, .constants = true, .narrow = true},
};

bool espalier_stage_describe(const espalier_file_stage *stage, espalier_stage_shape *shape_out)
{
    if (stage->operation == 0 || stage->operation > ESPALIER_STAGE_LAST) {
        return false;
    }
    const operation *const known = &operations[stage->operation];
    const bool chooses = stage->operation == ESPALIER_STAGE_CHOOSE;
    const bool is_line = stage->operation == ESPALIER_STAGE_ISOTONIC ||
                         stage->operation == ESPALIER_STAGE_ISOTONIC_SHARES;
    const bool is_median = stage->operation == ESPALIER_STAGE_WEIGHTED_MEDIAN;
    const bool is_linear = stage->operation == ESPALIER_STAGE_LINEAR;
    const bool reads_one = stage->operation == ESPALIER_STAGE_SPREAD || chooses || is_line;
    const bool pairs = chooses || stage->operation == ESPALIER_STAGE_CLAMP;
    const uint64_t constants = pairs       ? 2
                               : is_linear ? ESPALIER_LINEAR_CONSTANTS
                               : is_line   ? 2 * (uint64_t)stage->slot_count
                                           : stage->slot_count;
    if (!known->narrow && !known->wide) {
        return false; /* a number between those of operations */
    }
    *shape_out = (espalier_stage_shape){
        .input_count = reads_one      ? 1
                       : known->reads ? stage->slot_count
                                      : 0,
        .output_count = known->writes != 0 ? (uint64_t)known->writes * stage->slot_count : 1,
        .constant_count = known->constants ? constants : 0,
        .picks = stage->operation == ESPALIER_STAGE_PICK,
        .jumps = chooses || is_line || is_median || is_linear,
        .of_row = espalier_stage_takes_values(stage),
        .of_leaves = is_linear,
        .adds = known->adds,
        .rounds = stage->operation == ESPALIER_STAGE_ROUND,
        .narrow = known->narrow,
        .wide = known->wide,
        .linked = known->linked,
    };
    return true;
}

/* A result in the stage's arithmetic: float32 operations on float32 numbers round alike whether
 * they are rounded to float64 before or not. */
static double round_result(bool narrow, double value)
{
    return narrow ? (double)(float)value : value;
}

/* ---- sums ---- */

static double sum_sequential(const double *values, uint32_t count, bool narrow)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        sum = round_result(narrow, sum + values[i]);
    }
    return sum;
}

/* Up to 128 values, as NumPy's pairwise sum adds a block; with float32 sums or float64 ones. */
#define DEFINE_SUM_BLOCK(name, type)                                                 \
    static double name(const double *values, uint32_t count)                         \
    {                                                                                \
        type sum = 0;                                                                \
        uint32_t i = 0;                                                              \
        if (count >= 8) {                                                            \
            type r[8];                                                               \
            for (; i < 8; i++) {                                                     \
                r[i] = (type)values[i];                                              \
            }                                                                        \
            for (; i + 8 <= count; i += 8) {                                         \
                for (uint32_t j = 0; j < 8; j++) {                                   \
                    r[j] += (type)values[i + j];                                     \
                }                                                                    \
            }                                                                        \
            sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7])); \
        }                                                                            \
        for (; i < count; i++) {                                                     \
            sum += (type)values[i];                                                  \
        }                                                                            \
        return (double)sum;                                                          \
    }

DEFINE_SUM_BLOCK(sum_block_float32, float)
DEFINE_SUM_BLOCK(sum_block_float64, double)
#undef DEFINE_SUM_BLOCK

/* A half that waits, or whose left sum waits for the right one. */
typedef struct pairwise_frame {
    const double *values;
    uint32_t count;
    uint32_t visited;
    double left;
} pairwise_frame;

/* Slots are at most 2^20, and a half has at least 64 values, so 20 frames are more than enough. */
#define PAIRWISE_FRAMES_MAX 32

/* NumPy's pairwise sum: blocks of at most 128, halves split at a multiple of eight. */
static double sum_pairwise(const double *values, uint32_t count, bool narrow)
{
    pairwise_frame frames[PAIRWISE_FRAMES_MAX];
    frames[0] = (pairwise_frame){values, count, 0, 0.0};
    uint32_t depth = 1;
    double result = 0.0;
    while (depth > 0) {
        pairwise_frame *const frame = &frames[depth - 1];
        const uint32_t half = frame->count / 2 - frame->count / 2 % 8;
        if (frame->count <= 128) {
            result = (narrow ? sum_block_float32 : sum_block_float64)(frame->values, frame->count);
            depth--;
        } else if (frame->visited == 0) {
            frame->visited = 1;
            frames[depth++] = (pairwise_frame){frame->values, half, 0, 0.0};
        } else if (frame->visited == 1) {
            frame->visited = 2;
            frame->left = result;
            frames[depth++] = (pairwise_frame){frame->values + half, frame->count - half, 0, 0.0};
        } else {
            result = round_result(narrow, frame->left + result);
            depth--;
        }
    }
    return result;
}

static double sum_in_order(const espalier_file_stage *stage, const double *values, bool narrow)
{
    return stage->order == ESPALIER_ORDER_PAIRWISE
               ? sum_pairwise(values, stage->slot_count, narrow)
               : sum_sequential(values, stage->slot_count, narrow);
}

/* ---- operations on the slots of one row ---- */

static void run_normalise(const espalier_file_stage *stage, const double *x, double *y)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    double sum = sum_in_order(stage, x, narrow);
    if (sum == 0.0 && stage->operation == ESPALIER_STAGE_NORMALISE_EVEN) {
        for (uint32_t i = 0; i < stage->slot_count; i++) {
            y[i] = 1.0 / (double)stage->slot_count;
        }
        return;
    }
    sum = sum == 0.0 ? 1.0 : sum;
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = round_result(narrow, x[i] / sum);
    }
}

static double exp_rounded(bool narrow, double value)
{
    return narrow ? (double)expf((float)value) : exp(value);
}

static double find_maximum(const double *x, uint32_t count)
{
    double most = x[0];
    for (uint32_t i = 1; i < count; i++) {
        most = x[i] > most ? x[i] : most;
    }
    return most;
}

/* In sequential order float32 exponentials are added up in float64, and the sum rounded; pairwise
 * they are NumPy's. */
static void run_softmax(const espalier_file_stage *stage, const double *x, double *y)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    const bool is_numpy = narrow && stage->order == ESPALIER_ORDER_PAIRWISE;
    const double most = find_maximum(x, stage->slot_count);
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        const double above = round_result(narrow, x[i] - most);
        y[i] = is_numpy ? (double)espalier_numpy_exp((float)above) : exp_rounded(narrow, above);
    }
    const double sum = round_result(narrow, sum_in_order(stage, y, is_numpy));
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = round_result(narrow, y[i] / sum);
    }
}

static void run_softmax_log(const espalier_file_stage *stage, const double *x, double *y)
{
    const double most = find_maximum(x, stage->slot_count);
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = exp(x[i] - most);
    }
    const double total = log(sum_in_order(stage, y, false)) + most;
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = exp(x[i] - total);
    }
}

static double sigmoid(bool narrow, double x)
{
    if (!narrow) {
        return 1.0 / (1.0 + exp(-x));
    }
    const float exponent = -(float)x;
    const float e = expf(SIGMOID_EXPONENT_MAX < exponent ? SIGMOID_EXPONENT_MAX : exponent);
    return (double)(1.0f / (e + 1.0f));
}

/* NumPy's 2 ** x is pow's. Volatile, or compilers make exp2 of it: another last bit in 1 of 950. */
static double power_of_two(double x)
{
    const volatile double two = 2.0;
    return pow(two, x);
}

static double signed_square(double x)
{
    const double sign = (double)((x > 0.0) - (x < 0.0));
    return sign * x * x;
}

static float softplus(float x)
{
    const float over = x > 0.0f ? x : 0.0f;
    return over + log1pf(expf(-fabsf(x)));
}

static void run_expectiles(const espalier_file_stage *stage, const double *x, double *y)
{
    float sum = (float)x[0];
    y[0] = x[0];
    for (uint32_t i = 1; i < stage->slot_count; i++) {
        sum += EXPECTILE_STEP + softplus((float)x[i]);
        y[i] = (double)sum;
    }
}

/* -0.0 before 0.0, NaN behind all numbers: the order is the same for any bits. */
static bool is_before(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return !isnan(a) && isnan(b);
    }
    return a < b || (a == b && signbit(a) != 0 && signbit(b) == 0);
}

/* Makes a heap below `root` whose last item is the largest of it and its descendants. */
static void sift_down(double *y, uint32_t root, uint32_t count)
{
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        child += child + 1 < count && is_before(y[child], y[child + 1]) ? 1 : 0;
        if (!is_before(y[root], y[child])) {
            return;
        }
        const double value = y[root];
        y[root] = y[child];
        y[child] = value;
        root = child;
    }
}

/* By a heap: slots are up to 2^20, and no order of them may cost more than n log n. */
static void run_sort(const double *x, double *y, uint32_t count)
{
    memcpy(y, x, count * sizeof *y);
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(y, i - 1, count);
    }
    for (uint32_t last = count; last > 1; last--) {
        const double value = y[0];
        y[0] = y[last - 1];
        y[last - 1] = value;
        sift_down(y, 0, last - 1);
    }
}

static double sum_products(const double *x, const double *c, uint32_t count)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        const double product = x[i] * c[i];
        sum += product;
    }
    return sum;
}

/* On the line through knots: c are their places, then their values. Halving ends whatever their
 * order. */
static double interpolate(const double *c, uint32_t count, double x)
{
    const double *const values = c + count;
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (c[middle] <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (isnan(x)) {
        return x;
    }
    if (low == 0 || low == count || c[low - 1] == x) {
        return values[low == 0 ? 0 : low - 1];
    }
    const double slope = (values[low] - values[low - 1]) / (c[low] - c[low - 1]);
    const double rise = slope * (x - c[low - 1]);
    return rise + values[low - 1];
}

/* SciPy's interp1d on float32 knots: x is brought between the ends, and the knots beside it are the
 * first that it is not above and the one before. */
static double interpolate_narrow(const espalier_file_stage *stage, const double *c, double x)
{
    const uint32_t count = stage->slot_count;
    if (isnan(x) || count == 1) {
        return isnan(x) ? x : c[1];
    }
    const double raised = x < c[0] ? c[0] : x;
    const float place = (float)(raised > c[count - 1] ? c[count - 1] : raised);
    uint32_t low = 1;
    uint32_t high = count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if ((double)place <= c[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const float before = (float)c[low - 1];
    const float behind = (float)c[low];
    const float first = (float)c[count + low - 1];
    const float second = (float)c[count + low];
    const float width = behind - before;
    const float way = place - before;
    if (stage->operation == ESPALIER_STAGE_ISOTONIC) {
        const float rise = (second - first) / width * way;
        return (double)(rise + first);
    }
    const float share = way / width * second;
    const float rest = (behind - place) / width * first;
    return (double)(share + rest);
}

/* By value, equal ones by their number; NaN behind all. */
static bool comes_before(const double *x, double a, double b)
{
    const double left = x[(size_t)a];
    const double right = x[(size_t)b];
    if (left < right || right < left) {
        return left < right;
    }
    return isnan(left) != isnan(right) ? isnan(right) : a < b;
}

/* As sift_down, of numbers of values. */
static void sift_numbers(const double *x, double *y, uint32_t root, uint32_t count)
{
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        child += child + 1 < count && comes_before(x, y[child], y[child + 1]) ? 1 : 0;
        if (!comes_before(x, y[root], y[child])) {
            return;
        }
        const double number = y[root];
        y[root] = y[child];
        y[child] = number;
        root = child;
    }
}

/* y holds the numbers of the values, sorted by a heap as in run_sort; at the end the median. */
static void run_weighted_median(const double *x, const double *weights, double *y, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        y[i] = (double)i;
    }
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_numbers(x, y, i - 1, count);
    }
    for (uint32_t last = count; last > 1; last--) {
        const double number = y[0];
        y[0] = y[last - 1];
        y[last - 1] = number;
        sift_numbers(x, y, 0, last - 1);
    }
    double total = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        total += weights[(size_t)y[i]];
    }
    double sum = 0.0;
    uint32_t found = count;
    for (uint32_t i = 0; i < count && found == count; i++) {
        sum += weights[(size_t)y[i]];
        found = sum >= 0.5 * total ? i : found;
    }
    const double median = x[(size_t)y[found < count ? found : 0]];
    memset(y, 0, count * sizeof *y);
    y[0] = median;
}

/* SciPy's, from 1.15 on: near one half through the difference from it. */
static double logit(double x)
{
    if (x < LOGIT_LOW || x > LOGIT_HIGH) {
        return log(x / (1.0 - x));
    }
    const double s = 2.0 * (x - 0.5);
    return log1p(s) - log1p(-s);
}

/* Logarithms of x by the geometric mean of all x. */
static void run_log_centred(const espalier_file_stage *stage, const double *x, double *y)
{
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = log(x[i]);
    }
    const double mean = exp(sum_in_order(stage, y, false) / (double)stage->slot_count);
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        y[i] = log(x[i] / mean);
    }
}

static void run_clamp(const double *c, uint32_t count, const double *x, double *y)
{
    for (uint32_t i = 0; i < count; i++) {
        const double raised = x[i] < c[0] ? c[0] : x[i];
        y[i] = raised > c[1] ? c[1] : raised;
    }
}

/* One item of an operation that goes item by item. */
static double run_item(const espalier_file_stage *stage, double x, double c, double iterations)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    switch (stage->operation) {
    case ESPALIER_STAGE_ADD:
        return round_result(narrow, x + c);
    case ESPALIER_STAGE_MULTIPLY:
        return round_result(narrow, x * c);
    case ESPALIER_STAGE_DIVIDE:
        return round_result(narrow, x / c);
    case ESPALIER_STAGE_DIVIDE_ITERATIONS:
        return x / iterations;
    case ESPALIER_STAGE_SIGMOID:
        return sigmoid(narrow, x);
    case ESPALIER_STAGE_EXP:
        return exp_rounded(narrow, x);
    case ESPALIER_STAGE_LOG1P_EXP:
        return log1p(exp(x));
    case ESPALIER_STAGE_SIGNED_SQUARE:
        return signed_square(x);
    case ESPALIER_STAGE_NEGATIVE_POWER:
        return -power_of_two(-x);
    case ESPALIER_STAGE_CUT_ONE:
        return x > 1.0 && x <= CUT_ONE_MAX ? 1.0 : x;
    case ESPALIER_STAGE_EXPM1:
        return narrow ? (double)expm1f((float)x) : expm1(x);
    case ESPALIER_STAGE_EXP2:
        return narrow ? (double)exp2f((float)x) : exp2(x);
    case ESPALIER_STAGE_SQUARE:
        return round_result(narrow, x * x);
    case ESPALIER_STAGE_SQRT:
        return round_result(narrow, sqrt(x));
    case ESPALIER_STAGE_LOG:
        return narrow ? (double)espalier_numpy_log((float)x) : log(x);
    case ESPALIER_STAGE_LOG1P:
        return narrow ? (double)log1pf((float)x) : log1p(x);
    case ESPALIER_STAGE_LOG_ODDS:
        return log(x / (1.0 - x));
    case ESPALIER_STAGE_LOGIT:
        return logit(x);
    case ESPALIER_STAGE_ROUND:
        return (double)(float)x;
    case ESPALIER_STAGE_EXPIT:
        return (double)(1.0f / (1.0f + expf(-(float)x)));
    case ESPALIER_STAGE_NUMPY_EXP:
        return (double)espalier_numpy_exp((float)x);
    default:
        return x > 0.0 ? 1.0 : 0.0; /* STEP */
    }
}

static void run_row(const espalier_file_stage *stage, const double *c, double iterations,
                    const double *x, double *y)
{
    const uint32_t count = stage->slot_count;
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    switch (stage->operation) {
    case ESPALIER_STAGE_NORMALISE:
    case ESPALIER_STAGE_NORMALISE_EVEN:
        run_normalise(stage, x, y);
        break;
    case ESPALIER_STAGE_SOFTMAX:
        run_softmax(stage, x, y);
        break;
    case ESPALIER_STAGE_SOFTMAX_LOG:
        run_softmax_log(stage, x, y);
        break;
    case ESPALIER_STAGE_EXPECTILES:
        run_expectiles(stage, x, y);
        break;
    case ESPALIER_STAGE_SORT:
        run_sort(x, y, count);
        break;
    case ESPALIER_STAGE_INDEX:
        y[0] = (double)espalier_decide(ESPALIER_DECISION_FIRST_MAXIMUM, x, count);
        break;
    case ESPALIER_STAGE_CHOOSE:
        assert(c != NULL);
        for (uint32_t i = 0; i < count; i++) {
            y[i] = x[0] == (double)i ? c[0] : c[1];
        }
        break;
    case ESPALIER_STAGE_ISOTONIC:
    case ESPALIER_STAGE_ISOTONIC_SHARES:
        assert(c != NULL);
        y[0] = narrow ? interpolate_narrow(stage, c, x[0]) : interpolate(c, count, x[0]);
        break;
    case ESPALIER_STAGE_CLAMP:
        assert(c != NULL);
        run_clamp(c, count, x, y);
        break;
    case ESPALIER_STAGE_LOG_CENTRED:
        run_log_centred(stage, x, y);
        break;
    case ESPALIER_STAGE_WEIGHTED_MEDIAN:
        assert(c != NULL);
        run_weighted_median(x, c, y, count);
        break;
    case ESPALIER_STAGE_PRODUCTS:
        assert(c != NULL);
        y[0] = sum_products(x, c, count);
        break;
    case ESPALIER_STAGE_CONSTANTS:
        assert(c != NULL);
        memcpy(y, c, count * sizeof *y);
        break;
    case ESPALIER_STAGE_TWO_CLASSES:
        for (uint32_t i = 0; i < count; i++) {
            y[2 * (size_t)i] = round_result(narrow, 1.0 - x[i]);
            y[2 * (size_t)i + 1] = x[i];
        }
        break;
    case ESPALIER_STAGE_SPREAD:
        assert(c != NULL);
        for (uint32_t i = 0; i < count; i++) {
            y[i] = x[0] * c[i];
        }
        break;
    default:
        for (uint32_t i = 0; i < count; i++) {
            y[i] = run_item(stage, x[i], c != NULL ? c[i] : 0.0, iterations);
        }
        break;
    }
}

/* The operations that read other slots than those from input_slot on; false: none of them. */
static bool run_gathering(const espalier_file_stage *stage, const double *c, double *row)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    double *const y = row + stage->output_slot;
    if (stage->operation == ESPALIER_STAGE_PICK) {
        assert(c != NULL);
        for (uint32_t i = 0; i < stage->slot_count; i++) {
            y[i] = c[i] < 0.0 ? 0.0 : row[(size_t)c[i]];
        }
        return true;
    }
    if (stage->operation == ESPALIER_STAGE_ADD_SLOTS) {
        for (uint32_t i = 0; i < stage->slot_count; i++) {
            y[i] = round_result(narrow, row[stage->input_slot + i] + row[stage->table + i]);
        }
        return true;
    }
    return false;
}

void espalier_stage_run(const espalier_file_stage *stage, const double *constants,
                        double iterations, double *slots, size_t slot_stride, size_t row_count)
{
    const operation *const known = &operations[stage->operation];
    const double *const c = known->constants ? constants + stage->table : NULL;
    for (size_t r = 0; r < row_count; r++) {
        double *const row = slots + r * slot_stride;
        if (!run_gathering(stage, c, row)) {
            run_row(stage, c, iterations, row + stage->input_slot, row + stage->output_slot);
        }
    }
}

/* ---- decisions ---- */

int32_t espalier_decide(uint32_t decision, const double *values, uint32_t count)
{
    uint32_t best = 0;
    switch (decision) {
    case ESPALIER_DECISION_ABOVE_ZERO:
        return values[0] > 0.0 ? 1 : 0;
    case ESPALIER_DECISION_AT_LEAST_ZERO:
        return values[0] >= 0.0 ? 1 : 0;
    case ESPALIER_DECISION_ABOVE_HALF:
        return values[0] > 0.5 ? 1 : 0;
    case ESPALIER_DECISION_LAST_MAXIMUM:
        for (uint32_t i = 1; i < count; i++) {
            best = values[i] >= values[best] ? i : best;
        }
        return (int32_t)best;
    default:
        for (uint32_t i = 1; i < count; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return (int32_t)best;
    }
}
