// SPDX-License-Identifier: Apache-2.0
/*
 * See check.h. The reference is compared, block by block, with what the trainer said; of each
 * block's answers a hash is kept, so that the written model can be held against the same bits later
 * without keeping them or evaluating the forest again.
 */
#include "convert/check.h"

#include "convert/check_labels.h"
#include "convert/plan.h"
#include "convert/preparation.h"
#include "convert/reference.h"
#include "format/checksum.h"
#include "format/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS_MAX  256u
#define BLOCK_BYTES_MAX ((uint64_t)32 << 20)
/* A difference beyond this many units in the last place is a wrong forest, unless the order of
 * additions explains it (sums that cancel lose more than that). */
#define SMALL_ULP 64u
/* Two trees give the same sum in either order. */
#define REORDERED_TREES_MIN 3u

/* What the expected answers might be, and how well that fits. */
typedef struct candidate {
    espalier_output_kind kind;
    size_t column_count;
    size_t item_bytes;
    const uint32_t *slots; /* [column_count]; NULL for CLASS and LEAF */
    uint64_t differing;
    uint64_t unexplained;
    uint64_t refused;
    uint64_t ulp_max;
    uint64_t *hashes;  /* [block_count] */
    char refusal[256]; /* the first refused difference */
} candidate;

/* A block of rows, evaluated. */
typedef struct check_block {
    const espalier_check *check;
    size_t rows_max;
    size_t row_count;
    size_t first_row;
    double *rows; /* as the trainer compares them */
    double *slots;
    uint32_t *leaves;
    int32_t *classes;
    double *magnitudes;   /* of the sums of row magnitude_row */
    size_t magnitude_row; /* SIZE_MAX: none yet */
    void *answers;        /* [row_count][columns] as the model's output gives them */
    size_t answer_bytes;
} check_block;

/* One value that is not as expected. */
typedef struct difference {
    uint64_t ulp;
    bool explained; /* by adding the trees in another order */
    bool small;     /* as rounding is */
} difference;

static const char *name_answers(espalier_output_kind kind)
{
    return kind == ESPALIER_OUTPUT_PROBABILITY ? "probabilities"
           : kind == ESPALIER_OUTPUT_MARGIN    ? "margins"
           : kind == ESPALIER_OUTPUT_CLASS     ? "classes"
           : kind == ESPALIER_OUTPUT_VALUE     ? "values"
           : kind == ESPALIER_OUTPUT_SCORE     ? "scores"
                                               : "leaves";
}

/* ---- rows ---- */

/* How many rows are evaluated at a time; both passes must cut the same blocks. */
static size_t count_block_rows(const espalier_forest *forest)
{
    const uint64_t slots = espalier_reference_slot_count(forest);
    const uint64_t row_bytes =
        forest->feature_count * UINT64_C(8) + slots * 16 + forest->tree_count * UINT64_C(12);
    const uint64_t rows = BLOCK_BYTES_MAX / row_bytes;
    return rows == 0 ? 1 : rows < BLOCK_ROWS_MAX ? (size_t)rows : BLOCK_ROWS_MAX;
}

static size_t count_blocks(const espalier_check *check)
{
    const size_t rows = count_block_rows(check->forest);
    return (check->rows->row_count + rows - 1) / rows;
}

static const uint8_t *find_row(const espalier_rows *rows, size_t row)
{
    const ptrdiff_t value_bytes = rows->dtype == ESPALIER_DTYPE_FLOAT64 ? 8 : 4;
    return (const uint8_t *)rows->data + (ptrdiff_t)row * rows->row_stride * value_bytes;
}

static espalier_status refuse_value(const check_block *block, espalier_status status, size_t row,
                                    size_t feature, const char *name, espalier_error *error_out)
{
    const char *const *const names = (const char *const *)block->check->forest->feature_names;
    return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                              "%s: rows to check: row %zu, feature %zu%s%s%s is %s, which the "
                              "trainer refuses",
                              name, row, feature, names != NULL ? " (" : "",
                              names != NULL ? names[feature] : "", names != NULL ? ")" : "",
                              status == ESPALIER_ERROR_MISSING    ? "missing"
                              : status == ESPALIER_ERROR_CATEGORY ? "no category it knows"
                              : block->check->forest->input == ESPALIER_FOREST_INPUT_FLOAT64
                                  ? "infinite"
                                  : "infinite as a float32");
}

/* Reads the block's rows as the trainer compares them, refusing what it refuses. */
static espalier_status read_rows(check_block *block, const char *name, espalier_error *error_out)
{
    const espalier_forest *const forest = block->check->forest;
    const espalier_rows *const rows = block->check->rows;
    const bool wide = rows->dtype == ESPALIER_DTYPE_FLOAT64;
    const bool prepares = forest->preparation != NULL;
    const bool keeps = forest->input == ESPALIER_FOREST_INPUT_FLOAT64 || prepares;
    const ptrdiff_t stride = rows->feature_stride * (wide ? 8 : 4);
    for (size_t row = 0; row < block->row_count; row++) {
        const uint8_t *const first = find_row(rows, block->first_row + row);
        double *const to = block->rows + row * rows->feature_count;
        for (size_t feature = 0; feature < rows->feature_count; feature++) {
            const uint8_t *const item = first + (ptrdiff_t)feature * stride;
            if (wide) {
                memcpy(&to[feature], item, sizeof to[feature]);
                to[feature] = keeps ? to[feature] : (double)(float)to[feature];
            } else {
                float value = 0.0F;
                memcpy(&value, item, sizeof value);
                to[feature] = (double)value;
            }
            const bool is_missing = !prepares && isnan(to[feature]) && !forest->missing_allowed;
            const bool is_infinite = !prepares && isinf(to[feature]) && !forest->infinite_allowed;
            if (is_missing || is_infinite) {
                return refuse_value(block,
                                    is_missing ? ESPALIER_ERROR_MISSING : ESPALIER_ERROR_INFINITE,
                                    block->first_row + row, feature, name, error_out);
            }
        }
        uint32_t refused = 0;
        const espalier_status status =
            prepares ? espalier_preparation_check(forest->preparation, to, !wide, &refused)
                     : ESPALIER_OK;
        if (status != ESPALIER_OK) {
            return refuse_value(block, status, block->first_row + row, refused, name, error_out);
        }
    }
    return ESPALIER_OK;
}

/* Rows of float32 were widened when they were read. */
static void evaluate_block(const espalier_forest *forest, const espalier_rows *rows,
                           const check_block *block)
{
    if (rows->dtype == ESPALIER_DTYPE_FLOAT32) {
        espalier_reference_evaluate_widened(forest, block->rows, block->row_count, block->slots,
                                            block->leaves);
    } else {
        espalier_reference_evaluate_float64(forest, block->rows, block->row_count, block->slots,
                                            block->leaves);
    }
}

static void free_block(check_block *block)
{
    free(block->rows);
    free(block->slots);
    free(block->leaves);
    free(block->classes);
    free(block->magnitudes);
    free(block->answers);
}

static espalier_status make_block(check_block *block, const espalier_check *check,
                                  espalier_error *error_out)
{
    const espalier_forest *const forest = check->forest;
    const size_t rows = count_block_rows(forest);
    const size_t slots = espalier_reference_slot_count(forest);
    const size_t trees = forest->tree_count;
    memset(block, 0, sizeof *block);
    block->check = check;
    block->rows_max = rows;
    block->magnitude_row = SIZE_MAX;
    const size_t groups = forest->group_count;
    const size_t widest = slots > groups ? slots : groups;
    block->answer_bytes = rows * (widest > trees ? widest : trees) * sizeof(double);
    block->rows = malloc(rows * forest->feature_count * sizeof *block->rows);
    block->slots = malloc(rows * slots * sizeof *block->slots);
    block->leaves = malloc(rows * trees * sizeof *block->leaves);
    block->classes = malloc(rows * forest->group_count * sizeof *block->classes);
    block->magnitudes = malloc(slots * sizeof *block->magnitudes);
    block->answers = malloc(block->answer_bytes);
    if (block->rows == NULL || block->slots == NULL || block->leaves == NULL ||
        block->classes == NULL || block->magnitudes == NULL || block->answers == NULL) {
        free_block(block);
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "no memory to compare with the trainer's answers");
    }
    return ESPALIER_OK;
}

/* ---- differences ---- */

/* Distance in the order of all float64, or of all float32, -0.0 directly below 0.0. */
static uint64_t count_ulp(double a, double b, bool narrow)
{
    if (isnan(a) || isnan(b)) {
        return UINT64_MAX;
    }
    const double values[2] = {a, b};
    uint64_t places[2];
    for (size_t i = 0; i < 2; i++) {
        const float value = (float)values[i];
        uint32_t bits = 0;
        memcpy(&bits, &value, sizeof bits);
        memcpy(&places[i], &values[i], sizeof values[i]);
        const uint64_t sign = UINT64_C(1) << (narrow ? 31 : 63);
        places[i] = narrow ? bits : places[i];
        places[i] = (places[i] & sign) != 0 ? ~places[i] & (sign - 1) : places[i] | sign;
    }
    return places[0] > places[1] ? places[0] - places[1] : places[1] - places[0];
}

/*
 * The most that two orders of adding the trees can differ in a slot: each sum of n numbers is off
 * by at most (n - 1) half ulps of the sum of their magnitudes, and each division rounds once more.
 * Only forests are added in an order that threads change.
 */
static double bound_reordering(check_block *block, size_t row, size_t slot)
{
    const espalier_forest *const forest = block->check->forest;
    if (forest->tree_count < REORDERED_TREES_MIN || forest->task != ESPALIER_FOREST_TASK_FOREST ||
        forest->divide != ESPALIER_FOREST_DIVIDE_TREES) {
        return 0.0;
    }
    if (block->magnitude_row != block->first_row + row) {
        espalier_reference_magnitudes(forest, block->rows + row * forest->feature_count,
                                      block->magnitudes);
        block->magnitude_row = block->first_row + row;
    }
    const double trees = (double)forest->tree_count;
    return block->magnitudes[slot] / trees * (2.0 * trees) * 0x1p-53;
}

static difference compare_reals(check_block *block, const candidate *as, size_t row, size_t column,
                                double expected, double actual)
{
    const espalier_forest *const forest = block->check->forest;
    const bool narrow = as->item_bytes == sizeof(float);
    const uint64_t ulp = count_ulp(expected, actual, narrow);
    const bool explained = fabs(expected - actual) <= bound_reordering(block, row, column);
    /* What is 1 less a number keeps that number's rounding, however small it is itself. */
    const double unit = narrow ? 0x1p-23 : 0x1p-52;
    const bool small = forest->task == ESPALIER_FOREST_TASK_PLAN &&
                       as->kind != ESPALIER_OUTPUT_MARGIN &&
                       fabs(expected - actual) <= SMALL_ULP * unit;
    return (difference){ulp, explained, ulp <= SMALL_ULP || small};
}

/* Another class may win when two are equal but for rounding. */
static difference compare_classes(check_block *block, size_t row, size_t group, uint32_t actual)
{
    const espalier_check *const check = block->check;
    const espalier_forest *const forest = check->forest;
    const espalier_forest_labels *const labels = &forest->labels[group];
    uint32_t expected = 0;
    while (expected < labels->count &&
           !espalier_check_is_label(check->expected, block->first_row + row, group, labels,
                                    expected)) {
        expected++;
    }
    if (expected == labels->count) {
        return (difference){UINT64_MAX, false, false};
    }
    if (forest->task != ESPALIER_FOREST_TASK_FOREST) {
        return (difference){UINT64_MAX, false, false};
    }
    size_t first = 0;
    for (size_t i = 0; i < group; i++) {
        first += forest->group_width[i];
    }
    const double *const slots = block->slots + row * espalier_reference_slot_count(forest) + first;
    const double bound = bound_reordering(block, row, first + expected) +
                         bound_reordering(block, row, first + actual);
    const uint64_t ulp = count_ulp(slots[expected], slots[actual], false);
    return (difference){ulp, fabs(slots[expected] - slots[actual]) <= bound, ulp <= SMALL_ULP};
}

/* A leaf number; XGBoost gives them as float32. */
static bool read_leaf(const espalier_array *expected, size_t row, size_t column, int64_t *out)
{
    if (expected->kind != 'f') {
        return espalier_check_integer(expected, row, column, out);
    }
    const double number = espalier_check_real(expected, row, column);
    const bool fits = number >= 0.0 && number <= (double)UINT32_MAX && number == floor(number);
    *out = fits ? (int64_t)number : 0;
    return fits;
}

/* An answer of the block that is a number with a fraction. */
static double read_answer(const check_block *block, const candidate *as, size_t index)
{
    return as->item_bytes == sizeof(float) ? (double)((const float *)block->answers)[index]
                                           : ((const double *)block->answers)[index];
}

/* True when the value is as expected; else *out says how far it is off. */
static bool compare_value(check_block *block, const candidate *as, size_t row, size_t column,
                          difference *out)
{
    const espalier_check *const check = block->check;
    const espalier_array *const expected = check->expected;
    const size_t at = block->first_row + row;
    const size_t index = row * as->column_count + column;
    if (as->kind == ESPALIER_OUTPUT_LEAF) {
        int64_t number = 0;
        *out = (difference){UINT64_MAX, false, false};
        return read_leaf(expected, at, column, &number) &&
               number == ((const int64_t *)block->answers)[index];
    }
    if (as->kind == ESPALIER_OUTPUT_CLASS) {
        const uint32_t actual = (uint32_t)((const int32_t *)block->answers)[index];
        if (espalier_check_is_label(expected, at, column, &check->forest->labels[column], actual)) {
            return true;
        }
        *out = compare_classes(block, row, column, actual);
        return false;
    }
    const double actual = read_answer(block, as, index);
    const double wanted = espalier_check_real(expected, at, column);
    if (memcmp(&actual, &wanted, sizeof actual) == 0 || (isnan(actual) && isnan(wanted))) {
        return true;
    }
    *out = compare_reals(block, as, row, column, wanted, actual);
    return false;
}

static void print_actual(const check_block *block, const candidate *as, size_t row, size_t column,
                         char *text, size_t text_bytes)
{
    const size_t index = row * as->column_count + column;
    if (as->kind == ESPALIER_OUTPUT_LEAF) {
        (void)snprintf(text, text_bytes, "%lld",
                       (long long)((const int64_t *)block->answers)[index]);
    } else if (as->kind == ESPALIER_OUTPUT_CLASS) {
        const uint32_t label = (uint32_t)((const int32_t *)block->answers)[index];
        espalier_check_print_label(&block->check->forest->labels[column], label, text, text_bytes);
    } else {
        (void)snprintf(text, text_bytes, as->item_bytes == sizeof(float) ? "%.9g" : "%.17g",
                       read_answer(block, as, index));
    }
}

static void note_refusal(const check_block *block, candidate *as, size_t row, size_t column)
{
    char wanted[64];
    char actual[64];
    espalier_check_print_item(block->check->expected, block->first_row + row, column, wanted,
                              sizeof wanted);
    print_actual(block, as, row, column, actual, sizeof actual);
    (void)snprintf(as->refusal, sizeof as->refusal,
                   "row %zu, column %zu: the trainer gave %s, the forest gives %s",
                   block->first_row + row, column, wanted, actual);
}

/* The block's answers in the form of the candidate's output, and their hash. */
static void pack_answers(check_block *block, const candidate *as)
{
    const espalier_forest *const forest = block->check->forest;
    const size_t slots = espalier_reference_slot_count(forest);
    const uint32_t first_tree = espalier_forest_part_at(forest, forest->leaf_part).first_tree;
    for (size_t row = 0; row < block->row_count; row++) {
        for (size_t column = 0; column < as->column_count; column++) {
            const size_t index = row * as->column_count + column;
            if (as->kind == ESPALIER_OUTPUT_LEAF) {
                ((int64_t *)block->answers)[index] =
                    block->leaves[row * forest->tree_count + first_tree + column];
            } else if (as->kind == ESPALIER_OUTPUT_CLASS) {
                ((int32_t *)block->answers)[index] = block->classes[index];
            } else {
                const double value = block->slots[row * slots + as->slots[column]];
                if (as->item_bytes == sizeof(float)) {
                    ((float *)block->answers)[index] = (float)value;
                } else {
                    ((double *)block->answers)[index] = value;
                }
            }
        }
    }
}

static uint64_t hash_answers(const check_block *block, const candidate *as)
{
    return espalier_checksum64(block->answers,
                               block->row_count * as->column_count * as->item_bytes);
}

static void compare_block(check_block *block, candidate *as)
{
    pack_answers(block, as);
    as->hashes[block->first_row / block->rows_max] = hash_answers(block, as);
    /* Leaves may be those of the first trees alone. */
    const size_t width = block->check->expected->column_count;
    for (size_t row = 0; row < block->row_count; row++) {
        for (size_t column = 0; column < width; column++) {
            difference found = {0, true, true};
            if (compare_value(block, as, row, column, &found)) {
                continue;
            }
            as->differing++;
            as->unexplained += !found.explained;
            as->ulp_max = found.ulp > as->ulp_max ? found.ulp : as->ulp_max;
            if (!found.explained && !found.small) {
                as->refused++;
                if (as->refused == 1) {
                    note_refusal(block, as, row, column);
                }
            }
        }
    }
}

/* ---- what the answers are ---- */

static bool classes_fit(const espalier_forest *forest, const espalier_array *expected)
{
    bool fit = forest->labels != NULL && expected->column_count == forest->group_count;
    for (uint32_t group = 0; fit && group < forest->group_count; group++) {
        fit = espalier_check_labels_fit(expected, &forest->labels[group]);
    }
    return fit;
}

/* How many of the leaves the trainer's apply gives: those of the first trees. */
static size_t count_leaves(const espalier_forest *forest, size_t width)
{
    size_t count = 0;
    if (forest->leaf_iterations == 0) {
        return width;
    }
    while (count < width &&
           espalier_forest_iteration_of(forest, (uint32_t)count) < forest->leaf_iterations) {
        count++;
    }
    return count;
}

/* Whether dtype and shape of the expected answers allow a kind of output. */
static bool answers_fit(const espalier_check *check, const espalier_plan_columns *output)
{
    const espalier_array *const expected = check->expected;
    const bool is_boosted = check->forest->task != ESPALIER_FOREST_TASK_FOREST;
    const bool is_narrow = output->dtype == ESPALIER_DTYPE_FLOAT32;
    const bool is_real = expected->kind == 'f' &&
                         (expected->item_bytes == 8 || (expected->item_bytes == 4 && is_narrow));
    const bool is_integer = (expected->kind == 'i' || expected->kind == 'u') &&
                            (expected->item_bytes == 4 || expected->item_bytes == 8);
    const bool is_leaf = is_integer || (is_boosted && expected->kind == 'f' &&
                                        (expected->item_bytes == 4 || expected->item_bytes == 8));
    const size_t width = output->kind == ESPALIER_OUTPUT_LEAF
                             ? count_leaves(check->forest, output->width)
                             : output->width;
    if (expected->column_count != width && expected->column_count != output->width) {
        return false;
    }
    return output->kind == ESPALIER_OUTPUT_CLASS  ? classes_fit(check->forest, expected)
           : output->kind == ESPALIER_OUTPUT_LEAF ? is_leaf
                                                  : is_real;
}

/* Lists the output kinds that dtype and shape allow. */
static uint32_t list_candidates(const espalier_check *check, const espalier_plan_columns *outputs,
                                uint32_t output_count, candidate *candidates)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < output_count; i++) {
        if (answers_fit(check, &outputs[i])) {
            const bool is_short = outputs[i].dtype == ESPALIER_DTYPE_FLOAT32 ||
                                  outputs[i].dtype == ESPALIER_DTYPE_INT32;
            candidates[count].kind = outputs[i].kind;
            candidates[count].item_bytes = is_short ? 4 : 8;
            candidates[count].column_count = outputs[i].width;
            candidates[count++].slots = outputs[i].slots;
        }
    }
    return count;
}

static espalier_status check_arguments(const espalier_check *check, const char *name,
                                       espalier_error *error_out)
{
    const espalier_rows *const rows = check->rows;
    const espalier_array *const expected = check->expected;
    if (rows->dtype != ESPALIER_DTYPE_FLOAT32 && rows->dtype != ESPALIER_DTYPE_FLOAT64) {
        return espalier_error_set(error_out, ESPALIER_ERROR_DTYPE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: rows to check are neither float32 nor float64", name);
    }
    if (rows->feature_count != check->forest->feature_count) {
        return espalier_error_set(error_out, ESPALIER_ERROR_FEATURE_COUNT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: rows to check have %zu features, the model has %u", name,
                                  rows->feature_count, (unsigned)check->forest->feature_count);
    }
    if (rows->row_count == 0 || rows->row_count != expected->row_count || rows->data == NULL ||
        expected->data == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: %zu rows to check, and answers for %zu", name,
                                  rows->row_count, expected->row_count);
    }
    return ESPALIER_OK;
}

static espalier_status refuse_shape(const espalier_check *check,
                                    const espalier_plan_columns *outputs, uint32_t output_count,
                                    const char *name, espalier_error *error_out)
{
    char list[256] = "";
    for (uint32_t i = 0; i < output_count; i++) {
        const espalier_plan_columns *const output = &outputs[i];
        const bool is_class = output->kind == ESPALIER_OUTPUT_CLASS;
        const char *const type = is_class                                  ? "class"
                                 : output->kind == ESPALIER_OUTPUT_LEAF    ? "integer"
                                 : output->dtype == ESPALIER_DTYPE_FLOAT32 ? "float32"
                                                                           : "float64";
        const size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, "%s%u %s %s", used > 0 ? ", " : "",
                       (unsigned)output->width, type,
                       is_class ? "labels" : name_answers(output->kind));
    }
    return espalier_error_set(
        error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
        "%s: the expected answers have %zu columns of kind '%c' with %u bytes; a row has %s", name,
        check->expected->column_count, check->expected->kind, (unsigned)check->expected->item_bytes,
        list);
}

static const candidate *choose_candidate(const candidate *candidates, uint32_t count)
{
    const candidate *best = &candidates[0];
    for (uint32_t i = 1; i < count; i++) {
        const candidate *const other = &candidates[i];
        /* Where the link is the identity, values are what people save. */
        const bool ties = other->refused == best->refused && other->differing == best->differing;
        if (other->refused < best->refused ||
            (other->refused == best->refused && other->differing < best->differing) ||
            (ties && best->kind == ESPALIER_OUTPUT_MARGIN &&
             other->kind == ESPALIER_OUTPUT_VALUE)) {
            best = other;
        }
    }
    return best;
}

static espalier_status judge_candidate(espalier_check *check, const candidate *as, const char *name,
                                       espalier_error *error_out)
{
    check->kind = as->kind;
    check->item_bytes = as->item_bytes;
    check->column_count = as->column_count;
    check->values = (uint64_t)check->rows->row_count * check->expected->column_count;
    check->differing = as->differing;
    check->ulp_max = as->ulp_max;
    check->cause = as->differing == 0     ? ESPALIER_CHECK_NONE
                   : as->unexplained == 0 ? ESPALIER_CHECK_THREADS
                                          : ESPALIER_CHECK_UNKNOWN;
    if (as->refused == 0) {
        return ESPALIER_OK;
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_CHECK, 0, ESPALIER_OFFSET_NONE,
                              "%s: not the trainer's answers: %s; %llu of %llu %s differ", name,
                              as->refusal, (unsigned long long)as->differing,
                              (unsigned long long)check->values, name_answers(as->kind));
}

static espalier_status compare_all(const espalier_check *check, candidate *candidates,
                                   uint32_t count, const char *name, espalier_error *error_out)
{
    check_block block;
    espalier_status status = make_block(&block, check, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const size_t row_count = check->rows->row_count;
    for (size_t first = 0; first < row_count && status == ESPALIER_OK; first += block.rows_max) {
        block.first_row = first;
        block.row_count = row_count - first < block.rows_max ? row_count - first : block.rows_max;
        status = read_rows(&block, name, error_out);
        if (status == ESPALIER_OK) {
            evaluate_block(check->forest, check->rows, &block);
            espalier_reference_classes(check->forest, block.slots, block.row_count, block.classes);
            for (uint32_t i = 0; i < count; i++) {
                compare_block(&block, &candidates[i]);
            }
        }
    }
    free_block(&block);
    return status;
}

/* Compares with every kind of output that the answers can be, and keeps the one that fits best. */
static espalier_status check_outputs(espalier_check *check, const espalier_plan_columns *outputs,
                                     uint32_t output_count, const char *name,
                                     espalier_error *error_out)
{
    candidate candidates[ESPALIER_PLAN_KINDS_MAX];
    memset(candidates, 0, sizeof candidates);
    const uint32_t count = list_candidates(check, outputs, output_count, candidates);
    if (count == 0) {
        return refuse_shape(check, outputs, output_count, name, error_out);
    }
    const size_t block_count = count_blocks(check);
    uint64_t *const hashes = calloc(block_count * count, sizeof *hashes);
    if (hashes == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "no memory to compare with the trainer's answers");
    }
    for (uint32_t i = 0; i < count; i++) {
        candidates[i].hashes = hashes + i * block_count;
    }
    espalier_status status = compare_all(check, candidates, count, name, error_out);
    if (status == ESPALIER_OK) {
        const candidate *const best = choose_candidate(candidates, count);
        memmove(hashes, best->hashes, block_count * sizeof *hashes);
        status = judge_candidate(check, best, name, error_out);
    }
    check->block_hashes = hashes;
    return status;
}

espalier_status espalier_check_forest(espalier_check *check, const espalier_forest *forest,
                                      const espalier_rows *rows, const espalier_array *expected,
                                      const char *name, espalier_error *error_out)
{
    memset(check, 0, sizeof *check);
    check->forest = forest;
    check->rows = rows;
    check->expected = expected;
    espalier_status status = check_arguments(check, name, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_plan_columns outputs[ESPALIER_PLAN_KINDS_MAX];
    uint32_t output_count = 0;
    status = espalier_plan_list(forest, outputs, &output_count, error_out);
    if (status == ESPALIER_OK) {
        status = check_outputs(check, outputs, output_count, name, error_out);
        espalier_plan_list_free(outputs, output_count);
    }
    return status;
}

/* ---- the model ---- */

static espalier_status compare_model_blocks(const espalier_check *check,
                                            espalier_predictor *predictor, check_block *block,
                                            const candidate *as, const char *name,
                                            espalier_error *error_out)
{
    const size_t row_count = check->rows->row_count;
    for (size_t first = 0; first < row_count; first += block->rows_max) {
        block->first_row = first;
        block->row_count =
            row_count - first < block->rows_max ? row_count - first : block->rows_max;
        espalier_rows rows = *check->rows;
        rows.data = find_row(check->rows, first);
        rows.row_count = block->row_count;
        espalier_outputs outputs = {.data = block->answers, .data_bytes = block->answer_bytes};
        const espalier_status status = espalier_predict(predictor, as->kind, &rows, &outputs);
        if (status != ESPALIER_OK) {
            return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                      "%s: rows to check: %s", name,
                                      espalier_status_message(status));
        }
        if (hash_answers(block, as) != check->block_hashes[first / block->rows_max]) {
            return espalier_error_set(error_out, ESPALIER_ERROR_PROOF, 0, ESPALIER_OFFSET_NONE,
                                      "%s: rows %zu to %zu to check: the model's %s are not its "
                                      "forest's; not published",
                                      name, first, first + block->row_count - 1,
                                      name_answers(as->kind));
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_check_model(const espalier_check *check, const espalier_model *model,
                                     const char *name, espalier_error *error_out)
{
    const candidate as = {.kind = check->kind,
                          .column_count = check->column_count,
                          .item_bytes = check->item_bytes};
    espalier_predictor *predictor = NULL;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = check->kind == ESPALIER_OUTPUT_LEAF ? ESPALIER_PREDICTOR_LEAF : 0;
    check_block block;
    espalier_status status = make_block(&block, check, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_predictor_create(model, &options, &predictor);
    if (status == ESPALIER_OK) {
        status = compare_model_blocks(check, predictor, &block, &as, name, error_out);
    } else {
        (void)espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE, "%s: predictor: %s",
                                 name, espalier_status_message(status));
    }
    espalier_predictor_destroy(predictor);
    free_block(&block);
    return status;
}

void espalier_check_free(espalier_check *check)
{
    free(check->block_hashes);
    check->block_hashes = NULL;
}

void espalier_check_describe(const espalier_check *check, char *text, size_t text_bytes)
{
    const unsigned long long values = check->values;
    const char *const answers = name_answers(check->kind);
    if (check->differing == 0) {
        (void)snprintf(text, text_bytes, "all %llu %s are the trainer's", values, answers);
        return;
    }
    (void)snprintf(text, text_bytes,
                   "%llu of %llu %s differ from the trainer's, at most %llu ulp%s",
                   (unsigned long long)check->differing, values, answers,
                   (unsigned long long)check->ulp_max,
                   check->cause == ESPALIER_CHECK_THREADS
                       ? ", as when it predicted with several threads (n_jobs)"
                       : ", cause unknown");
}
