// SPDX-License-Identifier: Apache-2.0
/*
 * Storing golden rows and comparing them with an open model; see golden.h. The model is used
 * through the public API alone, as any caller would.
 */
#include "convert/golden.h"

#include "convert/plan.h"
#include "convert/reference.h"
#include "format/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Rows predicted in one call: enough for a kernel's blocks and an odd rest, and at most so many
 * bytes, which are what a small source costs besides its own size: 4 MiB were more than all of
 * 12,000 stumps of XGBoost. Blocks of all kernels begin with at most 64 rows, but those of gathers
 * in deep trees, with 160; so 64 rows may take as much as the nodes do, or 2 MiB, and where 160 do
 * not fit the predictor is told that its blocks have 64.
 */
#define CALL_ROWS_MAX  500u
#define CALL_ROWS_DEEP 160u
#define CALL_ROWS_MIN  64u
#define CALL_BYTES     ((uint64_t)1 << 20)
#define CALL_BYTES_MAX ((uint64_t)2 << 20)
/* The forest's leaves are kept of a run of these rows at a time: thousands of trees have more of
 * them than a row has numbers. The reference goes through a tree for a run, so not of too few. */
#define RUN_BYTES    ((uint64_t)1 << 20)
#define RUN_ROWS_MIN 16u
/* Leaves are asked for by fewer rows at a time; the model finds them row by row in any case. */
#define LEAF_BYTES_MAX ((uint64_t)256 << 10)

/* Some rows of a block. */
typedef struct row_run {
    uint32_t first;
    uint32_t count;
} row_run;

/* A block of rows, the reference's answers for them, and room for the model's. */
typedef struct golden_block {
    espalier_golden *golden;
    uint32_t rows_max;
    uint32_t row_count;
    uint64_t first_row;
    double *rows64; /* [row_count][feature_count] */
    float *rows32;
    double *columns64; /* [feature_count][row_count]; of one row: the row itself */
    float *columns32;
    /* What the reference says; of float32 rows from row `narrow_row` on. */
    double *slots;
    int32_t *classes;
    uint32_t narrow_row; /* 0 where the trainer rounds to float32 anyway, else rows_max */
    /* Of the rows of `run` alone; of float32 rows behind the run_rows_max of the others. */
    uint32_t *leaves;
    row_run run;
    uint32_t run_rows_max;
    bool is_narrow[CALL_ROWS_MAX]; /* of each row of the run whether it is another one in float32 */
    void *answers; /* [row_count][width] of the widest output; LEAF: [leaf_rows][width] */
    size_t answer_bytes;
    uint32_t leaf_rows;
} golden_block;

static espalier_status fail_block_memory(espalier_error *error_out)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "no memory to compare golden rows");
}

static void free_block(golden_block *block)
{
    if (block->rows_max > 1) {
        free(block->columns64);
        free(block->columns32);
    }
    free(block->rows64);
    free(block->rows32);
    free(block->slots);
    free(block->classes);
    free(block->leaves);
    free(block->answers);
}

/* Rounding a row to float32 changes the answers of a trainer that does not. */
static uint32_t count_kinds(const espalier_forest *forest)
{
    return forest->input == ESPALIER_FOREST_INPUT_FLOAT64 || forest->preparation != NULL ? 2 : 1;
}

/* As many rows of so many bytes as fit, or as there must be. */
static uint32_t count_fitting(uint64_t bytes, uint64_t row_bytes, uint32_t most)
{
    const uint64_t fitting = bytes / row_bytes;
    return fitting == 0 ? 1 : fitting < most ? (uint32_t)fitting : most;
}

uint32_t espalier_golden_call_rows(const espalier_forest *forest)
{
    const uint64_t slots = espalier_reference_slot_count(forest);
    const uint64_t row_bytes =
        forest->feature_count * UINT64_C(24) + slots * 8 * (count_kinds(forest) + 1);
    const uint64_t node_bytes = forest->node_count * sizeof(espalier_file_node);
    const uint64_t most = node_bytes > CALL_BYTES_MAX ? node_bytes : CALL_BYTES_MAX;
    const uint64_t least = CALL_ROWS_MIN * row_bytes < most ? CALL_ROWS_MIN * row_bytes : most;
    const uint32_t rows =
        count_fitting(least > CALL_BYTES ? least : CALL_BYTES, row_bytes, CALL_ROWS_MAX);
    const uint32_t compared = espalier_golden_compared_count(forest);
    return rows < compared ? rows : compared;
}

void espalier_golden_options(const espalier_forest *forest, espalier_predictor_options *options)
{
    const uint32_t rows = espalier_golden_call_rows(forest);
    options->flags = ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF;
    options->block_rows_max = rows < CALL_ROWS_DEEP && rows >= CALL_ROWS_MIN ? CALL_ROWS_MIN : 0;
}

static uint32_t count_run_rows(const espalier_forest *forest, uint32_t rows)
{
    const uint64_t row_bytes = forest->tree_count * sizeof(uint32_t) * count_kinds(forest);
    const uint64_t least = RUN_ROWS_MIN * row_bytes;
    return count_fitting(least > RUN_BYTES ? least : RUN_BYTES, row_bytes, rows);
}

static espalier_status make_block(golden_block *block, espalier_golden *golden,
                                  espalier_error *error_out)
{
    const espalier_forest *const forest = golden->forest;
    const size_t features = forest->feature_count;
    const size_t slots = espalier_reference_slot_count(forest);
    const size_t trees = forest->tree_count;
    const size_t kinds = count_kinds(forest);
    const size_t rows = espalier_golden_call_rows(forest);
    const size_t widest = slots > forest->group_count ? slots : forest->group_count;
    const uint64_t leaf_rows = LEAF_BYTES_MAX / (trees * sizeof(int64_t));
    memset(block, 0, sizeof *block);
    block->golden = golden;
    block->rows_max = (uint32_t)rows;
    block->narrow_row = kinds == 2 ? (uint32_t)rows : 0;
    block->run_rows_max = count_run_rows(forest, block->rows_max);
    block->leaf_rows = (uint32_t)(leaf_rows == 0 ? 1 : leaf_rows < rows ? leaf_rows : rows);
    block->answer_bytes = rows * widest * sizeof(double);
    if (block->answer_bytes < block->leaf_rows * trees * sizeof(int64_t)) {
        block->answer_bytes = block->leaf_rows * trees * sizeof(int64_t);
    }
    block->rows64 = malloc(rows * features * sizeof *block->rows64);
    block->rows32 = malloc(rows * features * sizeof *block->rows32);
    block->columns64 = block->rows64;
    block->columns32 = block->rows32;
    if (rows > 1) {
        block->columns64 = malloc(rows * features * sizeof *block->columns64);
        block->columns32 = malloc(rows * features * sizeof *block->columns32);
    }
    block->slots = malloc(kinds * rows * slots * sizeof *block->slots);
    block->classes = malloc(kinds * rows * forest->group_count * sizeof *block->classes);
    block->leaves = malloc(kinds * block->run_rows_max * trees * sizeof *block->leaves);
    block->answers = malloc(block->answer_bytes);
    if (block->rows64 == NULL || block->rows32 == NULL || block->columns64 == NULL ||
        block->columns32 == NULL || block->slots == NULL || block->classes == NULL ||
        block->leaves == NULL || block->answers == NULL) {
        free_block(block);
        return fail_block_memory(error_out);
    }
    return ESPALIER_OK;
}

/* Puts the float32 rows of the run that are other numbers than the float64 ones into the room of
 * the columns, and returns how many. A preparation's arithmetic goes by the type, so with one all
 * are. */
static uint32_t gather_narrow(golden_block *block)
{
    const espalier_forest *const forest = block->golden->forest;
    const size_t features = forest->feature_count;
    uint32_t count = 0;
    for (uint32_t row = 0; row < block->run.count; row++) {
        const float *const narrow = block->rows32 + (block->run.first + row) * features;
        const double *const wide = block->rows64 + (block->run.first + row) * features;
        size_t equal = 0;
        while (equal < features && (double)narrow[equal] == wide[equal]) {
            equal++;
        }
        block->is_narrow[row] = equal < features || forest->preparation != NULL;
        if (block->is_narrow[row] && block->columns32 != block->rows32) {
            memcpy(block->columns32 + count * features, narrow, features * sizeof *narrow);
        }
        count += block->is_narrow[row];
    }
    return count;
}

/* Moves the answers of `count` float32 rows to where they belong, from the last on, and gives the
 * others those of the float64 rows that they are. */
static void spread_narrow(const golden_block *block, uint32_t count, const void *wide_answers,
                          void *narrow_answers, size_t row_bytes)
{
    const uint8_t *const wide = wide_answers;
    uint8_t *const narrow = narrow_answers;
    for (uint32_t row = block->run.count; row-- > 0;) {
        count -= block->is_narrow[row];
        const void *const from =
            block->is_narrow[row] ? narrow + count * row_bytes : wide + row * row_bytes;
        memmove(narrow + row * row_bytes, from, row_bytes);
    }
}

static void evaluate_narrow(golden_block *block)
{
    const espalier_forest *const forest = block->golden->forest;
    const size_t slots = espalier_reference_slot_count(forest);
    const size_t trees = forest->tree_count;
    const size_t first = (size_t)block->narrow_row + block->run.first;
    const uint32_t count = gather_narrow(block);
    double *const narrow = block->slots + first * slots;
    uint32_t *const leaves = block->leaves + block->run_rows_max * trees;
    espalier_reference_evaluate(forest, block->columns32, count, narrow, leaves);
    spread_narrow(block, count, block->slots + block->run.first * slots, narrow,
                  slots * sizeof *narrow);
    spread_narrow(block, count, block->leaves, leaves, trees * sizeof *leaves);
    espalier_reference_classes(forest, narrow, block->run.count,
                               block->classes + first * forest->group_count);
}

/* Asks the reference about some rows: slots, classes, and the leaves in place of others'. */
static void evaluate_run(golden_block *block, row_run run)
{
    const espalier_forest *const forest = block->golden->forest;
    double *const slots = block->slots + run.first * (size_t)espalier_reference_slot_count(forest);
    block->run = run;
    espalier_reference_evaluate_float64(forest,
                                        block->rows64 + run.first * (size_t)forest->feature_count,
                                        run.count, slots, block->leaves);
    espalier_reference_classes(forest, slots, run.count,
                               block->classes + run.first * (size_t)forest->group_count);
    if (block->narrow_row != 0) {
        evaluate_narrow(block);
    }
}

static void draw_rows(golden_block *block, uint64_t first_row, uint32_t row_count)
{
    const size_t features = block->golden->forest->feature_count;
    block->first_row = first_row;
    block->row_count = row_count;
    for (uint32_t row = 0; row < row_count; row++) {
        espalier_golden_row(block->golden, first_row + row, block->rows64 + row * features);
        for (size_t feature = 0; feature < features; feature++) {
            const double value = block->rows64[row * features + feature];
            block->rows32[row * features + feature] = (float)value;
        }
    }
}

static void fill_columns(golden_block *block)
{
    const size_t features = block->golden->forest->feature_count;
    const size_t row_count = block->row_count;
    for (size_t row = 0; block->columns32 != block->rows32 && row < row_count; row++) {
        for (size_t feature = 0; feature < features; feature++) {
            const size_t from = row * features + feature;
            block->columns64[feature * row_count + row] = block->rows64[from];
            block->columns32[feature * row_count + row] = block->rows32[from];
        }
    }
}

/* Moves slots and leaves up to where fewer rows than there was room for end. */
static void close_gaps(uint8_t *data, const espalier_file_golden *head, uint32_t room,
                       espalier_flat_bytes *section_out)
{
    const size_t rows = head->row_count;
    const size_t row_bytes = head->feature_count * sizeof(double);
    const size_t slot_bytes = head->slot_count * sizeof(double);
    const size_t leaf_bytes = head->tree_count * sizeof(uint32_t);
    uint8_t *const rows_at = data + sizeof *head;
    if (rows == 0) {
        free(data);
        return;
    }
    memcpy(data, head, sizeof *head);
    memmove(rows_at + rows * row_bytes, rows_at + room * row_bytes, rows * slot_bytes);
    memmove(rows_at + rows * (row_bytes + slot_bytes), rows_at + room * (row_bytes + slot_bytes),
            rows * leaf_bytes);
    *section_out =
        (espalier_flat_bytes){data, sizeof *head + rows * (row_bytes + slot_bytes + leaf_bytes)};
}

/* Of every slot whether it holds what a row has; NULL: no memory. */
static uint8_t *mark_of_row(const espalier_forest *forest)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    uint8_t *const of_row = calloc((size_t)slot_count + 1, 1);
    for (uint32_t i = 0; of_row != NULL && i < forest->stage_count; i++) {
        const espalier_forest_stage *const stage = &forest->stages[i];
        if (espalier_plan_takes_values(stage)) {
            memset(of_row + stage->output_slot, 1, stage->count);
        }
    }
    return of_row;
}

/* Whether some slot is NaN but for what a row has: its sign would depend on the machine. */
static bool gives_nan(const double *slots, const uint8_t *of_row, size_t count)
{
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        found = isnan(slots[i]) && of_row[i] == 0;
    }
    return found;
}

espalier_status espalier_golden_section(espalier_golden *golden, espalier_flat_bytes *section_out,
                                        espalier_error *error_out)
{
    const espalier_forest *const forest = golden->forest;
    const uint32_t row_count = espalier_golden_stored_count(forest);
    const size_t features = forest->feature_count;
    const size_t slots = espalier_reference_slot_count(forest);
    const size_t trees = forest->tree_count;
    if (row_count == 0) {
        return ESPALIER_OK;
    }
    espalier_file_golden head = {0, forest->feature_count, (uint32_t)slots, forest->tree_count};
    const uint64_t bytes = sizeof head + row_count * (features + slots) * sizeof(double) +
                           row_count * trees * sizeof(uint32_t);
    golden_block block;
    const espalier_status status = make_block(&block, golden, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint8_t *const data = malloc(bytes);
    uint8_t *const of_row = mark_of_row(forest);
    if (data == NULL || of_row == NULL) {
        free(data);
        free(of_row);
        free_block(&block);
        return fail_block_memory(error_out);
    }
    uint8_t *const rows_at = data + sizeof head;
    uint8_t *const slots_at = rows_at + row_count * features * sizeof(double);
    uint8_t *const leaves_at = slots_at + row_count * slots * sizeof(double);
    for (uint32_t first = 0; first < row_count; first += block.row_count) {
        const uint32_t left = row_count - first;
        draw_rows(&block, first, left < block.run_rows_max ? left : block.run_rows_max);
        evaluate_run(&block, (row_run){0, block.row_count});
        for (uint32_t row = 0; row < block.row_count; row++) {
            if (gives_nan(block.slots + row * slots, of_row, slots)) {
                continue;
            }
            const size_t at = head.row_count++;
            memcpy(rows_at + at * features * sizeof(double), block.rows64 + row * features,
                   features * sizeof(double));
            memcpy(slots_at + at * slots * sizeof(double), block.slots + row * slots,
                   slots * sizeof(double));
            memcpy(leaves_at + at * trees * sizeof(uint32_t), block.leaves + row * trees,
                   trees * sizeof(uint32_t));
        }
    }
    free(of_row);
    free_block(&block);
    close_gaps(data, &head, row_count, section_out);
    return ESPALIER_OK;
}

/* ---- comparing ---- */

/* A way to hand rows over. */
typedef struct row_shape {
    const char *name;
    espalier_dtype dtype;
    bool by_column;
    bool one_by_one;
} row_shape;

static const row_shape row_shapes[] = {
    {"float64 rows", ESPALIER_DTYPE_FLOAT64, false, false},
    {"float32 rows", ESPALIER_DTYPE_FLOAT32, false, false},
    {"float64 columns", ESPALIER_DTYPE_FLOAT64, true, false},
    {"float32 columns", ESPALIER_DTYPE_FLOAT32, true, false},
    {"float64, one row at a time", ESPALIER_DTYPE_FLOAT64, false, true},
    {"float32, one row at a time", ESPALIER_DTYPE_FLOAT32, false, true},
};

static espalier_rows describe_rows(const golden_block *block, const row_shape *shape, row_run run)
{
    const size_t features = block->golden->forest->feature_count;
    const bool wide = shape->dtype == ESPALIER_DTYPE_FLOAT64;
    const size_t skipped = shape->by_column ? run.first : run.first * features;
    espalier_rows rows = wide ? espalier_rows_float64(block->rows64 + skipped, run.count, features)
                              : espalier_rows_float32(block->rows32 + skipped, run.count, features);
    if (shape->by_column) {
        rows.data = wide ? (const void *)(block->columns64 + skipped)
                         : (const void *)(block->columns32 + skipped);
        rows.row_stride = 1;
        rows.feature_stride = (ptrdiff_t)block->row_count;
    }
    return rows;
}

static size_t item_bytes_of(const espalier_plan_columns *output)
{
    return output->dtype == ESPALIER_DTYPE_INT32 || output->dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
}

/* Predicts the rows in one call, or row by row. */
static espalier_status predict_rows(const golden_block *block, espalier_predictor *predictor,
                                    const espalier_plan_columns *output, const row_shape *shape,
                                    row_run run)
{
    espalier_rows rows = describe_rows(block, shape, run);
    const size_t row_bytes = output->width * item_bytes_of(output);
    espalier_outputs outputs = {.data = block->answers, .data_bytes = block->answer_bytes};
    if (!shape->one_by_one) {
        return espalier_predict(predictor, output->kind, &rows, &outputs);
    }
    const size_t value_bytes = shape->dtype == ESPALIER_DTYPE_FLOAT64 ? 8 : 4;
    const uint8_t *const first = rows.data;
    rows.row_count = 1;
    espalier_status status = ESPALIER_OK;
    for (uint32_t row = 0; row < run.count && status == ESPALIER_OK; row++) {
        rows.data = first + row * rows.feature_count * value_bytes;
        outputs.data = (uint8_t *)block->answers + row * row_bytes;
        outputs.data_bytes = row_bytes;
        status = espalier_predict(predictor, output->kind, &rows, &outputs);
    }
    return status;
}

/* What the model and the reference say about one value; as numbers, for a message. */
typedef struct two_values {
    double model;
    double forest;
} two_values;

/* The first column of a row that differs, or the output's width. */
static size_t compare_leaves(const golden_block *block, const espalier_plan_columns *output,
                             const int64_t *given, size_t asked, two_values *values)
{
    const espalier_forest *const forest = block->golden->forest;
    const uint32_t first = forest->parts != NULL ? forest->parts[forest->leaf_part].first_tree : 0;
    const uint32_t *const expected =
        block->leaves + (asked - block->run.first) * forest->tree_count + first;
    size_t column = 0;
    while (column < output->width && given[column] == (int64_t)expected[column]) {
        column++;
    }
    if (column < output->width) {
        *values = (two_values){(double)given[column], (double)expected[column]};
    }
    return column;
}

static size_t compare_classes(const golden_block *block, const espalier_plan_columns *output,
                              const int32_t *given, size_t asked, two_values *values)
{
    const int32_t *const expected = block->classes + asked * block->golden->forest->group_count;
    for (size_t column = 0; column < output->width; column++) {
        if (given[column] != expected[column]) {
            *values = (two_values){given[column], expected[column]};
            return column;
        }
    }
    return output->width;
}

static size_t compare_slots(const golden_block *block, const espalier_plan_columns *output,
                            const void *given, size_t asked, two_values *values)
{
    const double *const slots =
        block->slots + asked * espalier_reference_slot_count(block->golden->forest);
    const bool narrow = output->dtype == ESPALIER_DTYPE_FLOAT32;
    for (size_t column = 0; column < output->width; column++) {
        const double expected = slots[output->slots[column]];
        const float rounded = (float)expected; /* of a narrow output it is one already */
        const uint8_t *const value = (const uint8_t *)given + column * (narrow ? 4 : 8);
        if (narrow ? memcmp(value, &rounded, sizeof rounded) != 0
                   : memcmp(value, &expected, sizeof expected) != 0) {
            *values = (two_values){narrow ? (double)((const float *)given)[column]
                                          : ((const double *)given)[column],
                                   expected};
            return column;
        }
    }
    return output->width;
}

static espalier_status compare_rows(const golden_block *block, const espalier_plan_columns *output,
                                    const row_shape *shape, row_run run, const char *name,
                                    espalier_error *error_out)
{
    static const char *const kinds[] = {
        [ESPALIER_OUTPUT_MARGIN] = "margin", [ESPALIER_OUTPUT_PROBABILITY] = "probability",
        [ESPALIER_OUTPUT_CLASS] = "class",   [ESPALIER_OUTPUT_VALUE] = "value",
        [ESPALIER_OUTPUT_LEAF] = "leaf",     [ESPALIER_OUTPUT_SCORE] = "score"};
    const uint32_t narrow_row = output->kind == ESPALIER_OUTPUT_LEAF && block->narrow_row != 0
                                    ? block->run_rows_max
                                    : block->narrow_row;
    const size_t narrow = shape->dtype == ESPALIER_DTYPE_FLOAT32 ? narrow_row : 0;
    const size_t row_bytes = output->width * item_bytes_of(output);
    for (uint32_t i = 0; i < run.count; i++) {
        const size_t asked = run.first + i + narrow;
        const void *const given = (const uint8_t *)block->answers + i * row_bytes;
        two_values values = {0.0, 0.0};
        const size_t column = output->kind == ESPALIER_OUTPUT_LEAF
                                  ? compare_leaves(block, output, given, asked, &values)
                              : output->kind == ESPALIER_OUTPUT_CLASS
                                  ? compare_classes(block, output, given, asked, &values)
                                  : compare_slots(block, output, given, asked, &values);
        if (column < output->width) {
            return espalier_error_set(
                error_out, ESPALIER_ERROR_PROOF, 0, ESPALIER_OFFSET_NONE,
                "%s: golden row %llu (%s), %s %zu: the model gives %.17g, its forest %.17g; "
                "not published",
                name, (unsigned long long)(block->first_row + run.first + i), shape->name,
                kinds[output->kind], column, values.model, values.forest);
        }
    }
    return ESPALIER_OK;
}

/* One output in one shape, for some rows. */
static espalier_status prove_output(const golden_block *block, espalier_predictor *predictor,
                                    const espalier_plan_columns *output, const row_shape *shape,
                                    row_run rows, const char *name, espalier_error *error_out)
{
    const uint32_t most = output->kind == ESPALIER_OUTPUT_LEAF ? block->leaf_rows : rows.count;
    const uint32_t end = rows.first + rows.count;
    espalier_status status = ESPALIER_OK;
    for (row_run run = rows; run.first < end && status == ESPALIER_OK; run.first += run.count) {
        run.count = end - run.first < most ? end - run.first : most;
        status = predict_rows(block, predictor, output, shape, run);
        if (status != ESPALIER_OK) {
            return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                      "%s: golden rows (%s): %s", name, shape->name,
                                      espalier_status_message(status));
        }
        status = compare_rows(block, output, shape, run, name, error_out);
    }
    return status;
}

/* What is asked of a model, and its name. */
typedef struct proved_outputs {
    const espalier_plan_columns *columns;
    uint32_t count;
    const char *name;
} proved_outputs;

/* The model must have the outputs of its forest, in their shape. */
static espalier_status check_outputs(const espalier_model *model,
                                     const espalier_plan_columns *outputs, uint32_t output_count,
                                     const char *name, espalier_error *error_out)
{
    for (uint32_t i = 0; i < output_count; i++) {
        espalier_output_info info;
        const espalier_status status = espalier_model_output(model, outputs[i].kind, &info);
        if (status != ESPALIER_OK || info.width != outputs[i].width ||
            info.dtype != (uint32_t)outputs[i].dtype) {
            return espalier_error_set(error_out, ESPALIER_ERROR_PROOF, 0, ESPALIER_OFFSET_NONE,
                                      "%s: output kind %d is not that of the forest; not published",
                                      name, (int)outputs[i].kind);
        }
    }
    return ESPALIER_OK;
}

/*
 * What stages make of sums is the same for all ways to hand rows over: two ways do. So are leaves,
 * which are found row by row in any case, and whose cells the sums of all ways have shown to be
 * right.
 */
static bool is_asked(const espalier_forest *forest, const espalier_plan_columns *output,
                     size_t shape)
{
    const bool linked =
        forest->task == ESPALIER_FOREST_TASK_PLAN &&
        (output->kind == ESPALIER_OUTPUT_PROBABILITY || output->kind == ESPALIER_OUTPUT_CLASS ||
         output->kind == ESPALIER_OUTPUT_VALUE);
    return (!linked && output->kind != ESPALIER_OUTPUT_LEAF) || shape < 2;
}

/* The leaves, or every other output, in every shape, for some rows. */
static espalier_status prove_rows(const golden_block *block, espalier_predictor *predictor,
                                  const proved_outputs *outputs, bool of_leaves, row_run rows,
                                  espalier_error *error_out)
{
    for (size_t i = 0; i < sizeof row_shapes / sizeof row_shapes[0]; i++) {
        for (uint32_t j = 0; j < outputs->count; j++) {
            const espalier_plan_columns *const output = &outputs->columns[j];
            if ((output->kind == ESPALIER_OUTPUT_LEAF) != of_leaves ||
                !is_asked(block->golden->forest, output, i)) {
                continue;
            }
            const espalier_status status = prove_output(block, predictor, output, &row_shapes[i],
                                                        rows, outputs->name, error_out);
            if (status != ESPALIER_OK) {
                return status;
            }
        }
    }
    return ESPALIER_OK;
}

/* Leaves run by run, as the reference finds them; all else of the whole block. */
static espalier_status prove_block(golden_block *block, espalier_predictor *predictor,
                                   const proved_outputs *outputs, espalier_error *error_out)
{
    espalier_status status = ESPALIER_OK;
    for (row_run run = {0, 0}; run.first < block->row_count && status == ESPALIER_OK;
         run.first += run.count) {
        const uint32_t left = block->row_count - run.first;
        run.count = left < block->run_rows_max ? left : block->run_rows_max;
        evaluate_run(block, run);
        status = prove_rows(block, predictor, outputs, true, run, error_out);
    }
    if (status == ESPALIER_OK) {
        fill_columns(block);
        status =
            prove_rows(block, predictor, outputs, false, (row_run){0, block->row_count}, error_out);
    }
    return status;
}

espalier_status espalier_golden_compare(espalier_golden *golden, const espalier_model *model,
                                        const char *name, espalier_progress *progress,
                                        void *progress_context, espalier_error *error_out)
{
    const uint32_t row_count = espalier_golden_compared_count(golden->forest);
    espalier_plan_columns outputs[ESPALIER_PLAN_KINDS_MAX];
    uint32_t output_count = 0;
    espalier_predictor *predictor = NULL;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    espalier_golden_options(golden->forest, &options);

    golden_block block;
    espalier_status status = make_block(&block, golden, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_plan_list(golden->forest, outputs, &output_count, error_out);
    if (status == ESPALIER_OK) {
        status = check_outputs(model, outputs, output_count, name, error_out);
    }
    if (status != ESPALIER_OK) {
        goto out;
    }
    status = espalier_predictor_create(model, &options, &predictor);
    if (status != ESPALIER_OK) {
        (void)espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE, "%s: predictor: %s",
                                 name, espalier_status_message(status));
        goto out;
    }
    for (uint32_t first = 0; first < row_count && status == ESPALIER_OK; first += block.row_count) {
        if (progress != NULL) {
            progress(progress_context, "comparing", first, row_count);
        }
        const uint32_t left = row_count - first;
        const proved_outputs asked = {outputs, output_count, name};
        draw_rows(&block, first, left < block.rows_max ? left : block.rows_max);
        status = prove_block(&block, predictor, &asked, error_out);
    }

out:
    espalier_predictor_destroy(predictor);
    espalier_plan_list_free(outputs, output_count);
    free_block(&block);
    return status;
}
