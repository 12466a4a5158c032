// SPDX-License-Identifier: Apache-2.0
/*
 * See exhaust_try.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/exhaustive/exhaust_try.h"

#include "engine/model.h"
#include "engine/predictor.h"
#include "tests/exhaustive/exhaust_memory.h"
#include "tests/support/model_look.h"
#include "tests/support/same_rows.h"
#include "tests/support/share_tests.h"

#include <math.h>
#include <string.h>

/* More than kernels take together by other ways than fewer; of further kinds, which are made from
 * the same sums, and of leaves, which kernels find row by row, the first of them. */
#define ROWS         80u
#define SHARED_ROWS  150u /* of HEAP, whose trees share tests from 129 rows on */
#define FURTHER_ROWS 4u
#define ODD_ROWS     9u
#define LEAF_ROWS    (2 * ODD_ROWS)
/* Models of more features, and answers of more bytes, are tried with one row. */
#define FEATURES_MAX 256u
#define ANSWER_MAX   ((size_t)4 << 20)

/* Row r's feature f is odd[r][f % 8]; the rows behind are shifted by a feature every nine. */
static const double odd[ODD_ROWS][8] = {
    {0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 4.0, 5.0},
    {(double)NAN, (double)INFINITY, -(double)INFINITY, (double)NAN, 0.0, 1.0, (double)NAN, 2.0},
    {3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -1e-45, 1e308, -1e308, 5e-324, -5e-324},
    {0.5, 1.5, -2.5, 3.5, 1e-35, -1e-35, 0.25, 7.0},
    {(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN,
     (double)NAN},
    {-(double)INFINITY, -(double)INFINITY, -(double)INFINITY, -(double)INFINITY, -(double)INFINITY,
     -(double)INFINITY, -(double)INFINITY, -(double)INFINITY},
    {(double)INFINITY, (double)INFINITY, (double)INFINITY, (double)INFINITY, (double)INFINITY,
     (double)INFINITY, (double)INFINITY, (double)INFINITY},
    {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0},
    {16777216.0, 2147483648.0, -2147483649.0, 31.0, 32.0, 255.0, 256.0, 65536.0},
};

/* Rows of either width, kept while the number of features stays. */
static struct {
    exhaust_range range;
    size_t feature_count;
    const void *data;
} inputs[2];

static exhaust_range answers;
static exhaust_range alone;
static exhaust_range first_answers; /* of the first level, to compare with */
static size_t first_bytes;

/* Answers of the sound model, by width of rows and kind of output. */
static struct {
    exhaust_range range;
    const uint8_t *data;
    size_t bytes;
} noted[2][ESPALIER_OUTPUT_SCORE + 1];

uint32_t exhaust_levels(const uint32_t **levels_out)
{
    /* Asking takes a virtual machine longer than a prediction. */
    static uint32_t levels[ESPALIER_ISA_COUNT];
    static uint32_t count = 0;
    const bool asked = count != 0;
    for (uint32_t isa = ESPALIER_ISA_SCALAR; !asked && isa < ESPALIER_ISA_COUNT; isa++) {
        if (espalier_isa_supported((espalier_isa)isa) != 0) {
            levels[count++] = isa;
        }
    }
    *levels_out = levels;
    return count;
}

static size_t rows_of(size_t feature_count, size_t rows)
{
    return feature_count <= FEATURES_MAX ? rows : 1;
}

static const void *take_rows(size_t feature_count, bool wide)
{
    if (inputs[wide].feature_count == feature_count) {
        return inputs[wide].data;
    }
    exhaust_range *const range = &inputs[wide].range;
    const size_t row_count = rows_of(feature_count, SHARED_ROWS);
    uint8_t *const data = exhaust_range_take(range, row_count * feature_count * (wide ? 8 : 4));
    exhaust_range_protect(range, true);
    for (size_t r = 0; r < row_count; r++) {
        for (size_t f = 0; f < feature_count && f < FEATURES_MAX; f++) {
            const double value = odd[r % ODD_ROWS][(f + r / ODD_ROWS) % 8];
            const float narrow = (float)value;
            const size_t place = r * feature_count + f;
            memcpy(data + place * (wide ? 8 : 4), wide ? (const void *)&value : &narrow,
                   wide ? 8 : 4);
        }
    }
    exhaust_range_protect(range, false);
    inputs[wide].feature_count = feature_count;
    inputs[wide].data = data;
    return data;
}

static espalier_rows rows_at(const void *data, bool wide, size_t first, size_t count,
                             size_t feature_count)
{
    return wide ? espalier_rows_float64((const double *)data + first * feature_count, count,
                                        feature_count)
                : espalier_rows_float32((const float *)data + first * feature_count, count,
                                        feature_count);
}

/* Rows of a block. */
static uint32_t block_rows_of(const espalier_model *model)
{
    bool shares = false;
    for (uint32_t p = 0; p < model->part_count; p++) {
        shares = shares || model->parts[p].layout == ESPALIER_FILE_HEAP;
    }
    return shares ? SHARED_ROWS : ROWS;
}

/* Notes the first level's answers, or compares with what was noted. */
static void look_at_noted(const uint8_t *together, size_t bytes, const espalier_output_info *output,
                          const exhaust_way *way, bool is_first)
{
    if (way->answers == EXHAUST_NOTED && is_first) {
        uint8_t *const data = exhaust_range_take(&noted[way->wide][output->kind].range, bytes);
        memcpy(data, together, bytes);
        noted[way->wide][output->kind].data = data;
        noted[way->wide][output->kind].bytes = bytes;
    }
    if (way->answers == EXHAUST_SAME) {
        assert_true(noted[way->wide][output->kind].bytes >= bytes);
        assert_true(
            rows_are_same(together, noted[way->wide][output->kind].data, bytes, output->dtype));
    }
}

/* One kind: `rows_most` rows together, and one of them alone; compared with the first level's as
 * far as that predicted. */
static void predict_kind(espalier_predictor *predictor, const espalier_output_info *output,
                         size_t feature_count, size_t rows_most, const exhaust_way *way,
                         bool is_first, exhaust_counts *counts)
{
    const size_t row_bytes = output->width * dtype_bytes(output->dtype);
    const size_t row_count =
        row_bytes <= ANSWER_MAX / SHARED_ROWS ? rows_of(feature_count, rows_most) : 1;
    const size_t bytes = row_count * row_bytes;
    const void *const data = take_rows(feature_count, way->wide);
    const espalier_output_kind kind = (espalier_output_kind)output->kind;
    uint8_t *const together = exhaust_range_take(is_first ? &first_answers : &answers, bytes);
    first_bytes = is_first ? bytes : first_bytes;
    espalier_outputs outputs = {.data = together, .data_bytes = bytes};
    espalier_rows rows = rows_at(data, way->wide, 0, row_count, feature_count);
    assert_int_equal(espalier_predict(predictor, kind, &rows, &outputs), ESPALIER_OK);
    const size_t which = (size_t)(counts->cases % row_count);
    uint8_t *const own = exhaust_range_take(&alone, row_bytes);
    outputs = (espalier_outputs){.data = own, .data_bytes = row_bytes};
    rows = rows_at(data, way->wide, which, 1, feature_count);
    assert_int_equal(espalier_predict(predictor, kind, &rows, &outputs), ESPALIER_OK);
    counts->predictions += row_count + 1;
    if (way->changing) {
        return;
    }
    assert_true(rows_are_same(own, together + which * row_bytes, row_bytes, output->dtype));
    if (!is_first) {
        const uint8_t *const first = exhaust_range_take(&first_answers, first_bytes);
        const size_t both = bytes < first_bytes ? bytes : first_bytes;
        assert_true(rows_are_same(together, first, both, output->dtype));
    }
    look_at_noted(together, bytes, output, way, is_first);
}

/* The level of predictor i. */
static uint32_t level_of(const exhaust_way *way, uint32_t i)
{
    const uint32_t *levels = NULL;
    (void)exhaust_levels(&levels);
    return way->only != 0 ? way->only - 1 : levels[i];
}

static bool is_of_few(const exhaust_way *way, uint32_t isa)
{
    return way->few || (way->whole != 0 && way->whole != isa + 1);
}

/* How many rows of one kind: blocks of what is summed first, few of what other stages make of the
 * same sums, and of leaves. */
static size_t rows_of_kind(const espalier_model *model, uint32_t kind, bool is_further,
                           const exhaust_way *way, uint32_t isa)
{
    size_t rows = is_further ? FURTHER_ROWS : block_rows_of(model);
    rows = kind == ESPALIER_OUTPUT_LEAF ? LEAF_ROWS : rows;
    if (way->answers == EXHAUST_NOTED) {
        return block_rows_of(model);
    }
    return is_of_few(way, isa) && rows > ODD_ROWS ? ODD_ROWS : rows;
}

/* False when there is no memory for a predictor. Every second one, from case to case another, has
 * blocks share tests if it can, whether that pays or not. */
static bool make_predictors(const espalier_model *model, const exhaust_way *way,
                            espalier_predictor *predictors[ESPALIER_ISA_COUNT], uint32_t *count_out,
                            exhaust_counts *counts)
{
    const uint32_t *levels = NULL;
    const uint32_t level_count = exhaust_levels(&levels);
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    *count_out = 0;
    for (uint32_t i = 0; i < level_count; i++) {
        if (way->only != 0 && way->only != levels[i] + 1) {
            continue;
        }
        options.isa = levels[i];
        options.block_rows_max = is_of_few(way, levels[i]) ? ODD_ROWS : block_rows_of(model);
        const espalier_status status =
            espalier_predictor_create(model, &options, &predictors[*count_out]);
        if (status != ESPALIER_OK) {
            assert_int_equal(status, ESPALIER_ERROR_MEMORY);
            return false;
        }
        counts->sharing += predictors[*count_out]->answers != NULL;
        *count_out += 1;
        if ((counts->cases + i) % 2 == 0 && !share_tests(predictors[*count_out - 1])) {
            return false;
        }
    }
    return true;
}

static void predict_all(const espalier_model *model, const exhaust_way *way, exhaust_counts *counts)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    espalier_predictor *predictors[ESPALIER_ISA_COUNT] = {NULL};
    uint32_t count = 0;
    const bool made = make_predictors(model, way, predictors, &count, counts);
    counts->no_memory += !made;
    bool has_summed = false;
    for (int kind = ESPALIER_OUTPUT_MARGIN; made && kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        espalier_output_info output;
        if (way->brief && kind != (int)info.default_output) {
            continue;
        }
        if (espalier_model_output(model, (espalier_output_kind)kind, &output) != ESPALIER_OK) {
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            const size_t rows = rows_of_kind(model, output.kind, has_summed, way, level_of(way, i));
            predict_kind(predictors[i], &output, info.feature_count, rows, way, i == 0, counts);
        }
        has_summed = has_summed || kind != ESPALIER_OUTPUT_LEAF;
    }
    for (uint32_t i = 0; i < count; i++) {
        espalier_predictor_destroy(predictors[i]);
    }
}

void exhaust_try_model(espalier_model *model, const exhaust_way *way, exhaust_counts *counts)
{
    espalier_error error;
    error.message[0] = '\0';
    const espalier_status verified = espalier_model_verify(model, &error);
    assert_in_range(verified, 0, 127);
    counts->opened++;
    counts->verified += verified == ESPALIER_OK;
    counts->statuses[verified]++;
    if (verified != ESPALIER_OK) {
        assert_true(strlen(error.message) > 8);
        assert_true(error.format_rule != 0 || verified == ESPALIER_ERROR_MEMORY);
    }
    if (!way->brief) {
        model_look(model);
    }
    predict_all(model, way, counts);
    espalier_model_close(model);
}

espalier_status exhaust_try(const uint8_t *data, size_t bytes, const exhaust_way *way,
                            exhaust_counts *counts)
{
    espalier_model *model = NULL;
    espalier_error error;
    error.message[0] = '\0';
    counts->cases++;
    exhaust_heap_enter();
    const espalier_status status = espalier_model_open_memory(data, bytes, NULL, &model, &error);
    assert_in_range(status, 0, 127);
    if (status == ESPALIER_OK) {
        exhaust_try_model(model, way, counts);
    } else {
        counts->refused++;
        counts->statuses[status]++;
        assert_null(model);
        assert_int_equal(error.status, status);
        assert_true(strlen(error.message) > 8);
    }
    assert_int_equal(exhaust_heap_leave(), 0);
    return status;
}
