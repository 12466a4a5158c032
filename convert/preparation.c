// SPDX-License-Identifier: Apache-2.0
/*
 * See preparation.h.
 */
#include "convert/preparation.h"

#include "convert/reference_stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

/* Makes room for `more` items behind `count`. */
static bool grow(void **items, uint32_t *room, uint64_t count, uint64_t more, size_t item_bytes)
{
    if (count + more <= *room) {
        return true;
    }
    uint64_t wanted = *room == 0 ? 64 : (uint64_t)*room * 2;
    wanted = wanted > count + more ? wanted : count + more;
    void *const grown = wanted <= UINT32_MAX ? realloc(*items, (size_t)wanted * item_bytes) : NULL;
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = (uint32_t)wanted;
    return true;
}

static espalier_status take_numbers(espalier_preparation *preparation, uint32_t count,
                                    uint32_t *first_out)
{
    void *numbers = preparation->numbers;
    if (count > ESPALIER_LIMIT_PREPARED * UINT32_C(8) - preparation->number_count) {
        return ESPALIER_ERROR_LIMIT;
    }
    if (!grow(&numbers, &preparation->number_room, preparation->number_count, count,
              sizeof *preparation->numbers)) {
        return ESPALIER_ERROR_MEMORY;
    }
    preparation->numbers = numbers;
    *first_out = preparation->number_count;
    preparation->number_count += count;
    return ESPALIER_OK;
}

static espalier_status put_numbers(espalier_preparation *preparation, const double *numbers,
                                   uint32_t count, bool rounded, uint32_t *first_out)
{
    const espalier_status status = take_numbers(preparation, count, first_out);
    for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
        preparation->numbers[*first_out + i] = rounded ? (double)(float)numbers[i] : numbers[i];
    }
    return status;
}

espalier_status espalier_preparation_add_numbers(espalier_preparation *preparation,
                                                 const double *numbers, uint32_t count,
                                                 uint32_t flags, espalier_prepare_numbers *out)
{
    bool differ = false;
    for (uint32_t i = 0; i < count; i++) {
        const double narrow = (double)(float)numbers[i];
        differ = differ || memcmp(&narrow, &numbers[i], sizeof narrow) != 0;
    }
    const bool wide_rounded = differ && (flags & ESPALIER_PREPARE_ROUND_FLOAT64) != 0;
    const bool narrow_rounded = differ && (flags & ESPALIER_PREPARE_ROUND_FLOAT32) != 0;
    *out = (espalier_prepare_numbers){count, 0, 0};
    espalier_status status = put_numbers(preparation, numbers, count, wide_rounded, &out->wide);
    out->narrow = out->wide;
    if (status == ESPALIER_OK && narrow_rounded != wide_rounded) {
        status = put_numbers(preparation, numbers, count, narrow_rounded, &out->narrow);
    }
    return status;
}

/* The same numbers for the same kind of rows, bit for bit. */
static bool numbers_agree(const espalier_preparation *preparation, uint32_t a, uint32_t b,
                          uint32_t count)
{
    return count == 0 || memcmp(preparation->numbers + a, preparation->numbers + b,
                                count * sizeof *preparation->numbers) == 0;
}

/* Whether a value is read a second time in the same way, by one of the last operations. */
static bool find_twin(const espalier_preparation *preparation,
                      const espalier_file_operation *wanted, uint32_t *value_out)
{
    const uint32_t count = preparation->operation_count;
    for (uint32_t i = count; i-- > 0 && count - i <= 64;) {
        const espalier_file_operation *const other = &preparation->operations[i];
        if (other->operation == wanted->operation && other->flags == wanted->flags &&
            other->input == wanted->input && other->count == wanted->count &&
            other->number_count == wanted->number_count &&
            numbers_agree(preparation, other->numbers32, wanted->numbers32, other->number_count) &&
            numbers_agree(preparation, other->numbers64, wanted->numbers64, other->number_count)) {
            *value_out = other->output;
            return true;
        }
    }
    return false;
}

espalier_status espalier_preparation_add(espalier_preparation *preparation, uint32_t operation,
                                         uint32_t flags, uint32_t input, uint32_t count,
                                         const espalier_prepare_numbers *numbers,
                                         uint32_t *value_out)
{
    espalier_file_operation made = {.operation = operation,
                                    .flags = flags,
                                    .input = input,
                                    .output = count > 0 ? preparation->value_count : 0,
                                    .count = count};
    uint32_t value = made.output;
    if (numbers != NULL && numbers->count > 0) {
        made.number_count = numbers->count;
        made.numbers32 = numbers->narrow;
        made.numbers64 = numbers->wide;
    }
    if (!find_twin(preparation, &made, &value)) {
        void *operations = preparation->operations;
        void *writers = preparation->writers;
        const uint32_t written = preparation->value_count - preparation->feature_count;
        if (preparation->operation_count == ESPALIER_LIMIT_OPERATIONS ||
            count > ESPALIER_LIMIT_PREPARED - preparation->value_count) {
            return ESPALIER_ERROR_LIMIT;
        }
        const bool grown = grow(&operations, &preparation->operation_room,
                                preparation->operation_count, 1, sizeof made);
        preparation->operations = operations;
        const bool all = grown && grow(&writers, &preparation->writer_room, written, count,
                                       sizeof *preparation->writers);
        preparation->writers = writers;
        if (!all) {
            return ESPALIER_ERROR_MEMORY;
        }
        for (uint32_t k = 0; k < count; k++) {
            preparation->writers[written + k] = preparation->operation_count;
        }
        preparation->operations[preparation->operation_count++] = made;
        preparation->value_count += count;
    }
    if (value_out != NULL) {
        *value_out = value;
    }
    return ESPALIER_OK;
}

/* The same; numbers that were added for an operation that is there already go again. */
static espalier_status add_with_numbers(espalier_preparation *preparation,
                                        const espalier_file_operation *wanted, const double *narrow,
                                        const double *wide, uint32_t *value_out)
{
    const uint32_t operation_count = preparation->operation_count;
    const uint32_t number_count = preparation->number_count;
    espalier_prepare_numbers numbers = {0, 0, 0};
    espalier_prepare_numbers others = {0, 0, 0};
    espalier_status status = ESPALIER_OK;
    if (wanted->number_count > 0) {
        status =
            espalier_preparation_add_numbers(preparation, wide, wanted->number_count, 0, &numbers);
        others = numbers;
    }
    if (status == ESPALIER_OK && narrow != wide) {
        status =
            espalier_preparation_add_numbers(preparation, narrow, wanted->number_count, 0, &others);
    }
    numbers.narrow = others.wide;
    if (status == ESPALIER_OK) {
        status = espalier_preparation_add(preparation, wanted->operation, wanted->flags,
                                          wanted->input, wanted->count, &numbers, value_out);
    }
    if (preparation->operation_count == operation_count) {
        preparation->number_count = number_count;
    }
    return status;
}

espalier_status espalier_preparation_copy(espalier_preparation *preparation,
                                          const espalier_preparation *from, uint32_t index,
                                          uint32_t input, bool narrow, uint32_t *value_out)
{
    espalier_file_operation wanted = from->operations[index];
    const double *const narrow_numbers = from->numbers + wanted.numbers32;
    const double *const wide_numbers = from->numbers + wanted.numbers64;
    const uint32_t rounding =
        (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT32 | (uint32_t)ESPALIER_PREPARE_ROUND_FLOAT64;
    wanted.input = input;
    if (narrow) {
        wanted.flags = (wanted.flags & ~rounding) |
                       ((wanted.flags & ESPALIER_PREPARE_ROUND_FLOAT32) != 0 ? rounding : 0);
    }
    return add_with_numbers(preparation, &wanted, narrow_numbers,
                            narrow ? narrow_numbers : wide_numbers, value_out);
}

/* A number and its place. */
typedef struct number_place {
    double number;
    double place;
} number_place;

static int compare_numbers(const void *left, const void *right)
{
    const double a = ((const number_place *)left)->number;
    const double b = ((const number_place *)right)->number;
    return (a > b) - (a < b);
}

/* The keys of INDEX, ascending and NaN the last, and behind them what each becomes. */
static espalier_status sort_places(const double *numbers, uint32_t count, double other,
                                   number_place *places, double *sorted)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(numbers[i])) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        places[i] = (number_place){numbers[i], (double)i};
    }
    qsort(places, count, sizeof *places, compare_numbers);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && places[i].number == places[i - 1].number) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        sorted[i] = places[i].number;
        sorted[count + 1 + i] = places[i].place;
    }
    sorted[count] = (double)NAN;
    sorted[2 * (size_t)count + 1] = (double)NAN;
    sorted[2 * (size_t)count + 2] = other;
    return ESPALIER_OK;
}

espalier_status espalier_preparation_add_places(espalier_preparation *preparation, uint32_t input,
                                                const double *numbers, uint32_t count, double other,
                                                bool refuses, uint32_t *value_out)
{
    if (count > ESPALIER_LIMIT_PREPARED) {
        return ESPALIER_ERROR_LIMIT;
    }
    number_place *const places = calloc((size_t)count + 1, sizeof *places);
    double *const sorted = calloc(2 * (size_t)count + 3, sizeof *sorted);
    espalier_status status = places != NULL && sorted != NULL
                                 ? sort_places(numbers, count, other, places, sorted)
                                 : ESPALIER_ERROR_MEMORY;
    if (status == ESPALIER_OK) {
        const espalier_file_operation wanted = {
            .operation = ESPALIER_PREPARE_INDEX,
            .flags = refuses ? (uint32_t)ESPALIER_PREPARE_REFUSE_UNKNOWN : 0,
            .input = input,
            .count = 1,
            .number_count = 2 * count + 3};
        status = add_with_numbers(preparation, &wanted, sorted, sorted, value_out);
    }
    free(places);
    free(sorted);
    return status;
}

/* ---- pruning ---- */

static bool may_refuse(const espalier_file_operation *operation)
{
    return (operation->flags &
            ~(ESPALIER_PREPARE_ROUND_FLOAT32 | ESPALIER_PREPARE_ROUND_FLOAT64)) != 0;
}

static bool is_needed(const espalier_file_operation *operation, const uint8_t *needed)
{
    bool found = may_refuse(operation);
    for (uint32_t k = 0; k < operation->count && !found; k++) {
        found = needed[operation->output + k] != 0;
    }
    return found;
}

/* Moves an operation's numbers to where the new ones end; from and to never cross. */
static uint32_t move_numbers(double *to, uint32_t *count, const double *from,
                             const espalier_file_operation *operation, uint32_t first)
{
    const uint32_t place = *count;
    if (operation->number_count > 0) {
        memcpy(to + place, from + first, operation->number_count * sizeof *to);
    }
    *count += operation->number_count;
    return place;
}

espalier_status espalier_preparation_prune(espalier_preparation *preparation, uint8_t *needed,
                                           uint32_t *values_out)
{
    for (uint32_t i = preparation->operation_count; i-- > 0;) {
        if (is_needed(&preparation->operations[i], needed)) {
            needed[preparation->operations[i].input] = 1;
        }
    }
    /* Operations that share their numbers get some of their own again: twice as many at most. */
    uint64_t room = 1;
    for (uint32_t i = 0; i < preparation->operation_count; i++) {
        room += 2 * (uint64_t)preparation->operations[i].number_count;
    }
    double *const numbers = room <= UINT32_MAX ? malloc((size_t)room * sizeof *numbers) : NULL;
    if (numbers == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    uint32_t kept = 0;
    uint32_t number_count = 0;
    uint32_t next = preparation->feature_count;
    for (uint32_t i = 0; i < preparation->feature_count; i++) {
        values_out[i] = i;
    }
    for (uint32_t i = 0; i < preparation->operation_count; i++) {
        espalier_file_operation made = preparation->operations[i];
        if (!is_needed(&made, needed)) {
            continue;
        }
        for (uint32_t k = 0; k < made.count; k++) {
            values_out[made.output + k] = next + k;
            preparation->writers[next + k - preparation->feature_count] = kept;
        }
        const bool shared = made.numbers32 == made.numbers64;
        made.numbers64 = move_numbers(numbers, &number_count, preparation->numbers, &made,
                                      preparation->operations[i].numbers64);
        made.numbers32 = shared ? made.numbers64
                                : move_numbers(numbers, &number_count, preparation->numbers, &made,
                                               preparation->operations[i].numbers32);
        if (made.number_count == 0) {
            made.numbers32 = 0;
            made.numbers64 = 0;
        }
        made.input = values_out[made.input];
        made.output = made.count > 0 ? next : 0;
        next += made.count;
        preparation->operations[kept++] = made;
    }
    free(preparation->numbers);
    preparation->numbers = numbers;
    preparation->number_room = (uint32_t)room;
    preparation->number_count = number_count;
    preparation->operation_count = kept;
    preparation->value_count = next;
    return ESPALIER_OK;
}

/* ---- evaluating ---- */

/* The operations between a value and its feature, or a known value, the last first. */
typedef struct value_way {
    uint32_t operations[ESPALIER_PREPARATION_DEPTH_MAX];
    uint32_t outputs[ESPALIER_PREPARATION_DEPTH_MAX]; /* which of its values each is left by */
    uint32_t count;
    uint32_t feature;
} value_way;

static void find_way(const espalier_preparation *preparation, uint32_t value, const uint8_t *known,
                     value_way *way)
{
    way->count = 0;
    while (value >= preparation->feature_count && (known == NULL || known[value] == 0) &&
           way->count < ESPALIER_PREPARATION_DEPTH_MAX) {
        const uint32_t writer = preparation->writers[value - preparation->feature_count];
        way->operations[way->count] = writer;
        way->outputs[way->count++] = value - preparation->operations[writer].output;
        value = preparation->operations[writer].input;
    }
    way->feature = value;
}

bool espalier_preparation_only_checks(const espalier_preparation *preparation)
{
    bool only = true;
    for (uint32_t i = 0; i < preparation->operation_count; i++) {
        only = only && preparation->operations[i].operation == ESPALIER_PREPARE_CHECK;
    }
    return only;
}

uint32_t espalier_preparation_root(const espalier_preparation *preparation, uint32_t value)
{
    value_way way;
    find_way(preparation, value, NULL, &way);
    return way.feature;
}

static bool are_same(double x, double y)
{
    return x == y || (isnan(x) && isnan(y));
}

/* The place of x among n sorted keys, NaN the last; n: it is none. */
static uint32_t find_place(const double *c, uint32_t n, double x)
{
    uint32_t first = 0;
    uint32_t end = n;
    while (end - first > 1) {
        const uint32_t middle = first + (end - first) / 2;
        if (isnan(x) || c[middle] <= x) {
            first = middle;
        } else {
            end = middle;
        }
    }
    return n > 0 && are_same(c[first], x) ? first : n;
}

static double round_if(double x, bool rounds)
{
    return rounds ? (double)(float)x : x;
}

static double apply(const espalier_file_operation *operation, uint32_t output, const double *c,
                    double x, bool rounds)
{
    switch (operation->operation) {
    case ESPALIER_PREPARE_NUDGE:
        return x + round_if(c[0] + round_if(c[1] * fabs(x), rounds), rounds);
    case ESPALIER_PREPARE_SUBTRACT:
        return x - c[0];
    case ESPALIER_PREPARE_ADD:
        return x + c[0];
    case ESPALIER_PREPARE_MULTIPLY:
        return x * c[0];
    case ESPALIER_PREPARE_DIVIDE:
        return x / c[0];
    case ESPALIER_PREPARE_CLIP:
        x = x < c[0] ? c[0] : x;
        return x > c[1] ? c[1] : x;
    case ESPALIER_PREPARE_FILL:
        return are_same(x, c[1]) ? c[0] : x;
    case ESPALIER_PREPARE_IS_MISSING:
        return are_same(x, c[0]);
    case ESPALIER_PREPARE_ABOVE:
        return x > c[0];
    case ESPALIER_PREPARE_RANK: {
        uint32_t rank = 0;
        while (rank < operation->number_count && c[rank] <= x) {
            rank++;
        }
        return rank;
    }
    case ESPALIER_PREPARE_INDEX:
        return c[operation->number_count / 2 + find_place(c, operation->number_count / 2, x)];
    case ESPALIER_PREPARE_ONE_HOT:
        return x == (double)output;
    case ESPALIER_PREPARE_LOG1P:
        return rounds ? (double)log1pf((float)x) : log1p(x);
    case ESPALIER_PREPARE_EXPM1:
        return rounds ? (double)expm1f((float)x) : expm1(x);
    case ESPALIER_PREPARE_LOG:
        return rounds ? (double)espalier_reference_log_numpy((float)x) : log(x);
    case ESPALIER_PREPARE_EXP:
        return rounds ? (double)espalier_reference_exp_numpy((float)x) : exp(x);
    case ESPALIER_PREPARE_SQRT:
        return sqrt(x);
    case ESPALIER_PREPARE_ABS:
        return fabs(x);
    default:
        return x;
    }
}

/* One step of a way, from what it reads. */
static double take_step(const espalier_preparation *preparation, const value_way *way,
                        uint32_t step, double x, bool narrow)
{
    const uint32_t rounding =
        narrow ? ESPALIER_PREPARE_ROUND_FLOAT32 : ESPALIER_PREPARE_ROUND_FLOAT64;
    const espalier_file_operation *const operation =
        &preparation->operations[way->operations[step]];
    const double *const c =
        preparation->numbers + (narrow ? operation->numbers32 : operation->numbers64);
    const bool rounds = (operation->flags & rounding) != 0;
    return round_if(apply(operation, way->outputs[step], c, x, rounds), rounds);
}

double espalier_preparation_evaluate(const espalier_preparation *preparation, uint32_t value,
                                     double feature, bool narrow)
{
    value_way way;
    find_way(preparation, value, NULL, &way);
    double x = feature;
    for (uint32_t i = way.count; i-- > 0;) {
        x = take_step(preparation, &way, i, x, narrow);
    }
    return x;
}

double espalier_preparation_recall(const espalier_preparation *preparation,
                                   const espalier_prepared_row *row, uint32_t value)
{
    value_way way;
    find_way(preparation, value, row->known, &way);
    const uint32_t first = way.feature;
    double x = first >= preparation->feature_count ? row->values[first]
               : row->narrow != NULL               ? (double)row->narrow[first]
                                                   : row->wide[first];
    for (uint32_t i = way.count; i-- > 0;) {
        x = take_step(preparation, &way, i, x, row->as_narrow);
        const uint32_t made = preparation->operations[way.operations[i]].output + way.outputs[i];
        row->values[made] = x;
        row->known[made] = 1;
    }
    return x;
}

/* What an operation that reads x says to the row. */
static espalier_status judge(const espalier_preparation *preparation,
                             const espalier_file_operation *operation, double x, bool narrow)
{
    const double *const c =
        preparation->numbers + (narrow ? operation->numbers32 : operation->numbers64);
    const uint32_t keys = operation->number_count / 2;
    const bool known =
        (operation->flags & ESPALIER_PREPARE_REFUSE_UNKNOWN) == 0 || find_place(c, keys, x) < keys;
    const double rounded =
        round_if(x, (operation->flags & (narrow ? ESPALIER_PREPARE_ROUND_FLOAT32
                                                : ESPALIER_PREPARE_ROUND_FLOAT64)) != 0);
    return !known ? ESPALIER_ERROR_CATEGORY
           : isnan(rounded) && (operation->flags & ESPALIER_PREPARE_REFUSE_NAN) != 0
               ? ESPALIER_ERROR_MISSING
           : isinf(rounded) && (operation->flags & ESPALIER_PREPARE_REFUSE_INFINITE) != 0
               ? ESPALIER_ERROR_INFINITE
               : ESPALIER_OK;
}

espalier_status espalier_preparation_check(const espalier_preparation *preparation,
                                           const double *row, bool narrow, uint32_t *feature_out)
{
    for (uint32_t i = 0; i < preparation->operation_count; i++) {
        const espalier_file_operation *const operation = &preparation->operations[i];
        if (!may_refuse(operation)) {
            continue;
        }
        const uint32_t feature = espalier_preparation_root(preparation, operation->input);
        const double x =
            espalier_preparation_evaluate(preparation, operation->input, row[feature], narrow);
        const espalier_status status = judge(preparation, operation, x, narrow);
        if (status != ESPALIER_OK) {
            *feature_out = feature;
            return status;
        }
    }
    return ESPALIER_OK;
}

/* ---- the way back ---- */

static double undo(const espalier_file_operation *operation, const double *c, double y,
                   uint32_t pick)
{
    const uint32_t n = operation->number_count;
    switch (operation->operation) {
    case ESPALIER_PREPARE_SUBTRACT:
        return y + c[0];
    case ESPALIER_PREPARE_ADD:
        return y - c[0];
    case ESPALIER_PREPARE_MULTIPLY:
        return y / c[0];
    case ESPALIER_PREPARE_DIVIDE:
        return y * c[0];
    case ESPALIER_PREPARE_FILL:
        return pick % 8 == 0 ? c[1] : y;
    case ESPALIER_PREPARE_IS_MISSING:
        return pick % 2 == 0 ? c[0] : (double)(pick % 64);
    case ESPALIER_PREPARE_ABOVE:
    case ESPALIER_PREPARE_RANK:
        return pick / 4 % 4 == 0 ? nextafter(c[pick % n], pick % 8 == 0 ? INFINITY : -INFINITY)
                                 : c[pick % n];
    case ESPALIER_PREPARE_INDEX:
        return n == 1 || pick % 16 == 0 ? (double)(pick % 64) - 0.5 : c[pick / 16 % (n / 2)];
    case ESPALIER_PREPARE_LOG1P:
    case ESPALIER_PREPARE_EXPM1:
    case ESPALIER_PREPARE_LOG:
    case ESPALIER_PREPARE_EXP:
        return NAN;
    case ESPALIER_PREPARE_SQRT:
        return y * y;
    case ESPALIER_PREPARE_ABS:
        return pick % 2 == 0 ? y : -y;
    default:
        return y;
    }
}

double espalier_preparation_invert(const espalier_preparation *preparation, uint32_t value,
                                   double target, uint32_t pick)
{
    value_way way;
    find_way(preparation, value, NULL, &way);
    double y = target;
    for (uint32_t i = 0; i < way.count; i++) {
        const espalier_file_operation *const operation =
            &preparation->operations[way.operations[i]];
        y = undo(operation, preparation->numbers + operation->numbers64, y, pick);
    }
    return y;
}

void espalier_preparation_free(espalier_preparation *preparation)
{
    free(preparation->operations);
    free(preparation->numbers);
    free(preparation->writers);
    memset(preparation, 0, sizeof *preparation);
}
