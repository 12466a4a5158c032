// SPDX-License-Identifier: Apache-2.0
/*
 * See prepare.h. Values lie one after the other, each for all rows of a block, so that most
 * operations are one loop over numbers side by side. What a model decides is looked at once per
 * operation and block. docs/format.md, 18.2, has the formulas.
 */
#include "engine/prepare.h"

#include "engine/numpy_exp.h"
#include "engine/rest.h"
#include "engine/stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS  (ESPALIER_PREPARE_ROUND_FLOAT32 | ESPALIER_PREPARE_ROUND_FLOAT64)
#define TESTED  2u /* of values that rest */
#define REFUSES (ESPALIER_PREPARE_REFUSE_NAN | ESPALIER_PREPARE_REFUSE_INFINITE)

bool espalier_prepare_describe(uint32_t operation, espalier_prepare_shape *shape_out)
{
    static const espalier_prepare_shape shapes[] = {
        [ESPALIER_PREPARE_COPY] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_SUBTRACT] = {1, 1, ROUNDS},
        [ESPALIER_PREPARE_ADD] = {1, 1, ROUNDS},
        [ESPALIER_PREPARE_MULTIPLY] = {1, 1, ROUNDS},
        [ESPALIER_PREPARE_DIVIDE] = {1, 1, ROUNDS},
        [ESPALIER_PREPARE_CLIP] = {1, 2, ROUNDS},
        [ESPALIER_PREPARE_FILL] = {1, 2, ROUNDS},
        [ESPALIER_PREPARE_IS_MISSING] = {1, 1, 0},
        [ESPALIER_PREPARE_ABOVE] = {1, 1, 0},
        [ESPALIER_PREPARE_RANK] = {1, 0, 0},
        [ESPALIER_PREPARE_INDEX] = {1, 0, ROUNDS | ESPALIER_PREPARE_REFUSE_UNKNOWN},
        [ESPALIER_PREPARE_ONE_HOT] = {0, 0, 0},
        [ESPALIER_PREPARE_LOG1P] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_EXPM1] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_LOG] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_EXP] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_SQRT] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_ABS] = {1, 0, ROUNDS},
        [ESPALIER_PREPARE_CHECK] = {0, 0, ROUNDS | REFUSES},
        [ESPALIER_PREPARE_NUDGE] = {1, 2, ROUNDS},
    };
    if (operation == 0 || operation >= sizeof shapes / sizeof shapes[0]) {
        return false;
    }
    *shape_out = shapes[operation];
    return true;
}

/* ---- making ---- */

/* Everything that a column or a stage reads, or a row may be refused for, and what these are made
 * of. */
static void mark_needed(espalier_preparer *preparer)
{
    const espalier_model *const model = preparer->model;
    uint32_t *const places = preparer->places;
    for (uint32_t i = 0; i < model->value_count; i++) {
        places[i] = ESPALIER_PREPARE_UNUSED;
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        const uint32_t value = model->columns[i].feature;
        if (model->columns[i].kind != ESPALIER_COLUMN_LEAF && preparer->resting[value] != 0) {
            preparer->resting[value] = TESTED;
        } else if (model->columns[i].kind != ESPALIER_COLUMN_LEAF) {
            places[value] = 0;
        }
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        for (uint32_t k = 0; espalier_stage_takes_values(stage) && k < stage->slot_count; k++) {
            places[(uint32_t)model->constants[stage->table + k]] = 0;
        }
    }
    for (uint32_t i = model->operation_count; i-- > 0;) {
        const espalier_file_operation *const operation = &model->operations[i];
        bool needed = (operation->flags & (REFUSES | ESPALIER_PREPARE_REFUSE_UNKNOWN)) != 0 &&
                      preparer->resting[operation->input] == 0;
        for (uint32_t k = 0; k < operation->count && !needed; k++) {
            needed = places[operation->output + k] == 0 ||
                     preparer->resting[operation->output + k] == TESTED;
        }
        if (needed) {
            places[operation->input] = 0;
        }
    }
}

static void give_places(espalier_preparer *preparer)
{
    const espalier_model *const model = preparer->model;
    for (uint32_t i = 0; i < model->value_count; i++) {
        if (preparer->places[i] != ESPALIER_PREPARE_UNUSED) {
            preparer->places[i] = preparer->place_count++;
            if (i < model->head->feature_count) {
                preparer->features[preparer->feature_count++] = i;
            }
        }
    }
}

/* Operations that read something needed; ONE_HOT only where some value of it has a place. */
static void list_runs(espalier_preparer *preparer)
{
    const espalier_model *const model = preparer->model;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        bool runs = preparer->places[operation->input] != ESPALIER_PREPARE_UNUSED;
        if (operation->operation == ESPALIER_PREPARE_ONE_HOT && runs) {
            runs = false;
            for (uint32_t k = 0; k < operation->count && !runs; k++) {
                runs = preparer->places[operation->output + k] != ESPALIER_PREPARE_UNUSED;
            }
        }
        if (runs) {
            preparer->runs[preparer->run_count++] = i;
        }
    }
}

/* The root of a value is that of the operation that writes it; a feature is its own. Outputs are in
 * order, so the writer of an operation's input is found by halving. */
static void find_roots(espalier_preparer *preparer)
{
    const espalier_model *const model = preparer->model;
    uint32_t *const firsts = preparer->roots; /* not known yet: the first value not written */
    uint32_t next = model->head->feature_count;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        next += model->operations[i].count;
        firsts[i] = next;
    }
    uint32_t *const writers = malloc((size_t)model->operation_count * sizeof *writers);
    if (writers == NULL) {
        free(preparer->roots);
        preparer->roots = NULL;
        return;
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const uint32_t input = model->operations[i].input;
        uint32_t low = 0;
        uint32_t high = i;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (firsts[middle] <= input) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        writers[i] = low;
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const uint32_t input = model->operations[i].input;
        preparer->roots[i] =
            input < model->head->feature_count ? input : preparer->roots[writers[i]];
    }
    free(writers);
}

espalier_status espalier_preparer_create(espalier_preparer *preparer, const espalier_model *model)
{
    const size_t values = model->value_count;
    const size_t operations = model->operation_count;
    memset(preparer, 0, sizeof *preparer);
    preparer->model = model;
    preparer->places = calloc(values, sizeof *preparer->places);
    preparer->features = calloc(model->head->feature_count, sizeof *preparer->features);
    preparer->roots = calloc(operations, sizeof *preparer->roots);
    preparer->runs = calloc(operations, sizeof *preparer->runs);
    preparer->resting = calloc(values, sizeof *preparer->resting);
    if (preparer->places == NULL || preparer->features == NULL || preparer->roots == NULL ||
        preparer->runs == NULL || preparer->resting == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    espalier_rest_mark(model, preparer->resting);
    mark_needed(preparer);
    give_places(preparer);
    list_runs(preparer);
    find_roots(preparer);
    preparer->memory_bytes =
        (values + 2 * operations + model->head->feature_count) * sizeof *preparer->places + values;
    return preparer->roots != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

espalier_status espalier_preparer_reserve(espalier_preparer *preparer, size_t row_count)
{
    const size_t places = preparer->place_count > 0 ? preparer->place_count : 1;
    if (row_count > SIZE_MAX / sizeof *preparer->values / places) {
        return ESPALIER_ERROR_MEMORY;
    }
    preparer->values = calloc(places * row_count, sizeof *preparer->values);
    preparer->memory_bytes += places * row_count * sizeof *preparer->values;
    return preparer->values != NULL ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

void espalier_preparer_free(espalier_preparer *preparer)
{
    free(preparer->places);
    free(preparer->roots);
    free(preparer->runs);
    free(preparer->resting);
    free(preparer->features);
    free(preparer->values);
    memset(preparer, 0, sizeof *preparer);
}

/* ---- running ---- */

/* One operation on one block. */
typedef struct prepare_step {
    const espalier_file_operation *operation;
    const double *numbers;
    const double *in; /* [count] */
    double *out;      /* [count]; of ONE_HOT the first that is needed */
    size_t count;
    bool rounds;
} prepare_step;

static inline bool is_same(double x, double y)
{
    return x == y || (x != x && y != y);
}

static void copy_features(const espalier_preparer *preparer, const espalier_rows *rows,
                          size_t first, size_t count)
{
    const bool narrow = rows->dtype == ESPALIER_DTYPE_FLOAT32;
    const ptrdiff_t bytes = narrow ? (ptrdiff_t)sizeof(float) : (ptrdiff_t)sizeof(double);
    const ptrdiff_t row_step = rows->row_count > 1 ? rows->row_stride * bytes : 0;
    const ptrdiff_t feature_step = rows->feature_count > 1 ? rows->feature_stride * bytes : 0;
    const uint8_t *const data = (const uint8_t *)rows->data + (ptrdiff_t)first * row_step;
    for (uint32_t i = 0; i < preparer->feature_count; i++) {
        const uint32_t feature = preparer->features[i];
        const uint8_t *const from = data + (ptrdiff_t)feature * feature_step;
        double *const to = preparer->values + preparer->places[feature] * count;
        for (size_t r = 0; r < count && narrow; r++) {
            float value;
            memcpy(&value, from + (ptrdiff_t)r * row_step, sizeof value);
            to[r] = (double)value;
        }
        for (size_t r = 0; r < count && !narrow; r++) {
            memcpy(&to[r], from + (ptrdiff_t)r * row_step, sizeof to[r]);
        }
    }
}

/* How many of count sorted numbers are at most x; of others, what halving gives. */
static uint32_t find_rank(const double *numbers, uint32_t count, double x)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (numbers[middle] <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The place of x among count sorted keys, NaN the last; count: it is none. */
static uint32_t find_key(const double *keys, uint32_t count, double x)
{
    if (x != x) {
        return count > 0 && keys[count - 1] != keys[count - 1] ? count - 1 : count;
    }
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (keys[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && keys[low] == x ? low : count;
}

static void run_arithmetic(const prepare_step *step)
{
    const double c = step->numbers[0];
    const double *const in = step->in;
    double *const out = step->out;
    switch (step->operation->operation) {
    case ESPALIER_PREPARE_SUBTRACT:
        for (size_t r = 0; r < step->count; r++) {
            out[r] = in[r] - c;
        }
        break;
    case ESPALIER_PREPARE_ADD:
        for (size_t r = 0; r < step->count; r++) {
            out[r] = in[r] + c;
        }
        break;
    case ESPALIER_PREPARE_MULTIPLY:
        for (size_t r = 0; r < step->count; r++) {
            out[r] = in[r] * c;
        }
        break;
    default:
        for (size_t r = 0; r < step->count; r++) {
            out[r] = in[r] / c;
        }
        break;
    }
}

static void run_choice(const prepare_step *step)
{
    const double *const c = step->numbers;
    for (size_t r = 0; r < step->count; r++) {
        const double x = step->in[r];
        switch (step->operation->operation) {
        case ESPALIER_PREPARE_CLIP: {
            const double raised = x < c[0] ? c[0] : x;
            step->out[r] = raised > c[1] ? c[1] : raised;
            break;
        }
        case ESPALIER_PREPARE_FILL:
            step->out[r] = is_same(x, c[1]) ? c[0] : x;
            break;
        case ESPALIER_PREPARE_IS_MISSING:
            step->out[r] = is_same(x, c[0]) ? 1.0 : 0.0;
            break;
        default:
            step->out[r] = x > c[0] ? 1.0 : 0.0;
            break;
        }
    }
}

static void run_search(const prepare_step *step)
{
    const double *const c = step->numbers;
    const uint32_t keys = step->operation->number_count / 2;
    for (size_t r = 0; r < step->count; r++) {
        step->out[r] = step->operation->operation == ESPALIER_PREPARE_RANK
                           ? (double)find_rank(c, step->operation->number_count, step->in[r])
                           : c[keys + find_key(c, keys, step->in[r])];
    }
}

static double compute_function(uint32_t operation, double x)
{
    switch (operation) {
    case ESPALIER_PREPARE_LOG1P:
        return log1p(x);
    case ESPALIER_PREPARE_EXPM1:
        return expm1(x);
    case ESPALIER_PREPARE_LOG:
        return log(x);
    case ESPALIER_PREPARE_EXP:
        return exp(x);
    case ESPALIER_PREPARE_SQRT:
        return sqrt(x);
    case ESPALIER_PREPARE_ABS:
        return fabs(x);
    default:
        return x;
    }
}

/* On float32 NumPy has an exp and a log of its own, and calls the C library's other functions of
 * float32. */
static double compute_narrow(uint32_t operation, double x)
{
    switch (operation) {
    case ESPALIER_PREPARE_LOG1P:
        return (double)log1pf((float)x);
    case ESPALIER_PREPARE_EXPM1:
        return (double)expm1f((float)x);
    case ESPALIER_PREPARE_LOG:
        return (double)espalier_numpy_log((float)x);
    case ESPALIER_PREPARE_EXP:
        return (double)espalier_numpy_exp((float)x);
    default:
        return compute_function(operation, x);
    }
}

static void run_function(const prepare_step *step)
{
    const uint32_t operation = step->operation->operation;
    for (size_t r = 0; r < step->count; r++) {
        step->out[r] = step->rounds ? compute_narrow(operation, step->in[r])
                                    : compute_function(operation, step->in[r]);
    }
}

/* Of the values that are needed, the one that a row's number names becomes 1, all others 0. */
static void run_one_hot(const espalier_preparer *preparer, const prepare_step *step)
{
    const espalier_file_operation *const operation = step->operation;
    const uint32_t *const places = preparer->places + operation->output;
    for (uint32_t k = 0; k < operation->count; k++) {
        if (places[k] != ESPALIER_PREPARE_UNUSED) {
            memset(preparer->values + places[k] * step->count, 0, step->count * sizeof(double));
        }
    }
    for (size_t r = 0; r < step->count; r++) {
        const double x = step->in[r];
        if (x >= 0.0 && x < (double)operation->count) {
            const uint32_t k = (uint32_t)x;
            if ((double)k == x && places[k] != ESPALIER_PREPARE_UNUSED) {
                preparer->values[places[k] * step->count + r] = 1.0;
            }
        }
    }
}

static void run_nudge(const prepare_step *step)
{
    const double *const c = step->numbers;
    for (size_t r = 0; r < step->count; r++) {
        const double x = step->in[r];
        double more = c[1] * fabs(x);
        more = step->rounds ? (double)(float)more : more;
        more = c[0] + more;
        more = step->rounds ? (double)(float)more : more;
        step->out[r] = x + more;
    }
}

static void run_step(const espalier_preparer *preparer, const prepare_step *step)
{
    switch (step->operation->operation) {
    case ESPALIER_PREPARE_SUBTRACT:
    case ESPALIER_PREPARE_ADD:
    case ESPALIER_PREPARE_MULTIPLY:
    case ESPALIER_PREPARE_DIVIDE:
        run_arithmetic(step);
        break;
    case ESPALIER_PREPARE_CLIP:
    case ESPALIER_PREPARE_FILL:
    case ESPALIER_PREPARE_IS_MISSING:
    case ESPALIER_PREPARE_ABOVE:
        run_choice(step);
        break;
    case ESPALIER_PREPARE_RANK:
    case ESPALIER_PREPARE_INDEX:
        run_search(step);
        break;
    case ESPALIER_PREPARE_NUDGE:
        run_nudge(step);
        break;
    case ESPALIER_PREPARE_ONE_HOT:
        run_one_hot(preparer, step);
        return;
    default:
        run_function(step);
        break;
    }
    for (size_t r = 0; step->rounds && r < step->count; r++) {
        step->out[r] = (double)(float)step->out[r];
    }
}

/* ---- refusals ---- */

static espalier_status find_refusal(const prepare_step *step, double given)
{
    const uint32_t flags = step->operation->flags;
    const double x = step->rounds ? (double)(float)given : given;
    if (step->operation->operation == ESPALIER_PREPARE_INDEX) {
        const uint32_t keys = step->operation->number_count / 2;
        return find_key(step->numbers, keys, given) == keys ? ESPALIER_ERROR_CATEGORY : ESPALIER_OK;
    }
    if (x != x) {
        return (flags & ESPALIER_PREPARE_REFUSE_NAN) != 0 ? ESPALIER_ERROR_MISSING : ESPALIER_OK;
    }
    return (flags & ESPALIER_PREPARE_REFUSE_INFINITE) != 0 && isinf(x) ? ESPALIER_ERROR_INFINITE
                                                                       : ESPALIER_OK;
}

/* The first of `good` rows that is refused, told in *refusal; else `good`. */
static size_t check_step(const prepare_step *step, size_t good, uint32_t feature,
                         espalier_refusal *refusal)
{
    for (size_t r = 0; r < good; r++) {
        const espalier_status status = find_refusal(step, step->in[r]);
        if (status != ESPALIER_OK) {
            *refusal = (espalier_refusal){status, r, feature};
            return r;
        }
    }
    return good;
}

espalier_rows espalier_preparer_run(const espalier_preparer *preparer, const espalier_rows *rows,
                                    size_t first, size_t count, bool checks, size_t *good_out,
                                    espalier_refusal *refusal_out)
{
    const espalier_model *const model = preparer->model;
    const bool narrow = rows->dtype == ESPALIER_DTYPE_FLOAT32;
    const uint32_t rounding =
        narrow ? ESPALIER_PREPARE_ROUND_FLOAT32 : ESPALIER_PREPARE_ROUND_FLOAT64;
    size_t good = count;
    copy_features(preparer, rows, first, count);
    for (uint32_t run = 0; run < preparer->run_count; run++) {
        const uint32_t i = preparer->runs[run];
        const espalier_file_operation *const operation = &model->operations[i];
        const bool writes = operation->operation != ESPALIER_PREPARE_CHECK;
        const uint32_t input = preparer->places[operation->input];
        const uint32_t output = writes ? preparer->places[operation->output] : 0;
        const prepare_step step = {
            .operation = operation,
            .numbers =
                model->prepare_numbers + (narrow ? operation->numbers32 : operation->numbers64),
            .in = preparer->values + input * count,
            .out = preparer->values + (output != ESPALIER_PREPARE_UNUSED ? output : 0) * count,
            .count = count,
            .rounds = (operation->flags & rounding) != 0,
        };
        if (checks && (operation->flags & (REFUSES | ESPALIER_PREPARE_REFUSE_UNKNOWN)) != 0) {
            good = check_step(&step, good, preparer->roots[i], refusal_out);
        }
        if (writes && (output != ESPALIER_PREPARE_UNUSED ||
                       operation->operation == ESPALIER_PREPARE_ONE_HOT)) {
            run_step(preparer, &step);
        }
    }
    if (good < count) {
        refusal_out->row += first;
    }
    *good_out = good;
    return (espalier_rows){.data = preparer->values,
                           .dtype = ESPALIER_DTYPE_FLOAT64,
                           .row_count = count,
                           .feature_count = preparer->place_count,
                           .row_stride = 1,
                           .feature_stride = (ptrdiff_t)count};
}
