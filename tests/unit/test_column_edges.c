// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of the columns that a row is made into: banks of pairs with other columns than features in
 * them, or with none; tiny values of pairs; segments of two-byte codes; refusals of rows in
 * float64; and what stages VALUES read of rows of either width. The files are changed in their
 * tables, so answers are compared with those to rows that must be the same.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/model.h"
#include "espalier.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS     70u /* more than a group, and not whole ones */
#define FEATURES 6u

/* Gives COLUMNS so many records, and the plan too. */
static espalier_file_column *set_column_count(model_bytes *m, uint32_t count)
{
    const int64_t bytes = (int64_t)count * (int64_t)sizeof(espalier_file_column);
    const int64_t before = (int64_t)SECTION(m, COLUMNS)->bytes;
    model_bytes_resize(m, ESPALIER_SECTION_COLUMNS, bytes - before);
    RECORD(m, STEPS, espalier_file_step)->count = count;
    return RECORD(m, COLUMNS, espalier_file_column);
}

/* Seals and opens; frees the file with the model by close_all. */
static espalier_model *open_model(model_bytes *m)
{
    espalier_model *model = NULL;
    espalier_error error;
    model_bytes_seal(m);
    if (espalier_model_open_memory(m->data, m->bytes, NULL, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return model;
}

/* The values of rows, at any level this machine has: all alike, together and one by one. */
static void predict_all(const espalier_model *model, espalier_output_kind kind,
                        const espalier_rows *rows, double *answers, size_t width)
{
    for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
        double again[ROWS * 4];
        espalier_predictor *predictor = NULL;
        espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        options.isa = isa;
        if (espalier_isa_supported((espalier_isa)isa) == 0 ||
            espalier_predictor_create(model, &options, &predictor) != ESPALIER_OK) {
            continue;
        }
        double *const to = isa == ESPALIER_ISA_SCALAR ? answers : again;
        espalier_outputs outputs = {.data = to, .data_bytes = sizeof again};
        assert_int_equal(espalier_predict(predictor, kind, rows, &outputs), ESPALIER_OK);
        assert_memory_equal(to, answers, rows->row_count * width * sizeof *to);
        for (size_t r = 0; r < rows->row_count; r++) {
            espalier_rows one = *rows;
            const size_t bytes = rows->dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
            one.row_count = 1;
            one.data = (const uint8_t *)rows->data + r * (size_t)rows->row_stride * bytes;
            outputs = (espalier_outputs){.data = again, .data_bytes = sizeof again};
            assert_int_equal(espalier_predict(predictor, kind, &one, &outputs), ESPALIER_OK);
            assert_memory_equal(again, answers + r * width, width * sizeof *again);
        }
        espalier_predictor_destroy(predictor);
    }
}

static const synthetic_options ranks = {.seed = 71,
                                        .trainer = SYNTHETIC_LIGHTGBM,
                                        .tree_count = 8,
                                        .feature_count = 2,
                                        .decision_count_max = 40,
                                        .group_count = 1,
                                        .shape = SYNTHETIC_BEST_FIRST};

static void make_rows(float *rows, size_t count)
{
    static const float odd[] = {NAN, 0.0F, -0.0F, 1e-36F, 1.0F, -2.5F, 1e30F};
    uint64_t seed = 9;
    for (size_t i = 0; i < count; i++) {
        const uint64_t next = synthetic_next(&seed);
        rows[i] = next % 5 == 0 ? odd[next / 5 % 7] : (float)(int64_t)(next % 4000) / 900.0F - 2.0F;
    }
}

/* Two lists of ranks, one for NaN right and one for NaN left: pairs, but none of features. */
static void test_pairs_of_ranks(void **state)
{
    (void)state;
    float data[ROWS * 2];
    double answers[ROWS * 4];
    model_bytes m = model_bytes_synthetic(&ranks, ESPALIER_LAYOUT_WALK);
    const espalier_file_column list = RECORD(&m, COLUMNS, espalier_file_column)[1];
    assert_int_equal(list.kind, ESPALIER_COLUMN_CODE);
    espalier_file_column *const columns = set_column_count(&m, 4);
    columns[0] = (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
    columns[1] = columns[0];
    for (uint32_t i = 2; i < 4; i++) {
        columns[i] = list;
        columns[i].missing = i == 2 ? ESPALIER_MISSING_RIGHT : ESPALIER_MISSING_LEFT;
    }
    espalier_model *const model = open_model(&m);
    assert_true(model->banks[ESPALIER_BANK_WORD].paired);
    make_rows(data, ROWS * 2);
    const espalier_rows rows = espalier_rows_float32(data, ROWS, 2);
    predict_all(model, ESPALIER_OUTPUT_MARGIN, &rows, answers, 1);
    espalier_model_close(model);
    model_bytes_free(&m);
}

static const synthetic_options paired = {.seed = 72,
                                         .tree_count = 6,
                                         .feature_count = 3,
                                         .decision_count_max = 20,
                                         .group_count = 1,
                                         .class_count = 2,
                                         .missing_allowed = true};

/* Two lists that differ in anything but where NaN goes are no pair. */
static void test_lists_that_are_no_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        model_bytes m = model_bytes_synthetic(&ranks, ESPALIER_LAYOUT_WALK);
        model_bytes_resize(&m, ESPALIER_SECTION_CUTS, ESPALIER_ALIGNMENT_MIN);
        const espalier_file_column list = RECORD(&m, COLUMNS, espalier_file_column)[1];
        espalier_file_column *const columns = set_column_count(&m, 4);
        columns[0] =
            (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
        columns[1] = columns[0];
        columns[2] = columns[3] = list;
        columns[2].missing = ESPALIER_MISSING_RIGHT;
        columns[3].missing = ESPALIER_MISSING_LEFT;
        columns[3].feature ^= i == 1;
        columns[3].first_cut += i == 2 ? ESPALIER_ALIGNMENT_MIN : 0;
        columns[3].cut_count -= i == 3;
        espalier_model *const model = open_model(&m);
        assert_int_equal(model->banks[ESPALIER_BANK_WORD].paired, i == 0);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
}

/* What keeps a node's column inside of its bank: the least 2^k - 1 that names all columns; a byte
 * names 256, however few there are. */
static void test_masks_of_banks(void **state)
{
    (void)state;
    for (uint32_t count = 2; count <= 9; count++) {
        model_bytes m = model_bytes_synthetic(&ranks, ESPALIER_LAYOUT_WALK);
        const espalier_file_column list = RECORD(&m, COLUMNS, espalier_file_column)[1];
        espalier_file_column *const columns = set_column_count(&m, count);
        for (uint32_t i = 1; i < count; i++) {
            columns[i] = list;
        }
        uint32_t mask = 0;
        while (mask + 1 < count) {
            mask = 2 * mask + 1;
        }
        espalier_model *const model = open_model(&m);
        assert_int_equal(model->banks[ESPALIER_BANK_WORD].count, count);
        assert_int_equal(model->banks[ESPALIER_BANK_WORD].mask, mask);
        assert_int_equal(model->banks[ESPALIER_BANK_BYTE].mask, UINT8_MAX);
        assert_int_equal(model->banks[ESPALIER_BANK_SHORT].mask, 0);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
}

/* A bank of pairs with no feature in it: every row is alike. */
static void test_pairs_without_features(void **state)
{
    (void)state;
    float data[ROWS * 3];
    double answers[ROWS * 4];
    model_bytes m = model_bytes_synthetic(&paired, ESPALIER_LAYOUT_WALK);
    espalier_file_column *const columns = set_column_count(&m, 2);
    columns[1] = columns[0];
    assert_int_equal(columns[0].kind, ESPALIER_COLUMN_LEAF);
    espalier_model *const model = open_model(&m);
    assert_true(model->banks[ESPALIER_BANK_WORD].paired);
    make_rows(data, ROWS * 3);
    for (size_t i = 0; i < ROWS * 3; i++) {
        data[i] = isfinite(data[i]) ? data[i] : 1.0F;
    }
    const espalier_rows rows = espalier_rows_float32(data, ROWS, 3);
    predict_all(model, ESPALIER_OUTPUT_PROBABILITY, &rows, answers, 2);
    for (size_t r = 1; r < ROWS; r++) {
        assert_memory_equal(answers, answers + 2 * r, 2 * sizeof *answers);
    }
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* A number beside the words of a set is no pair. */
static void test_a_number_beside_a_set(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 77,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 2,
                                       .feature_count = 2,
                                       .set_features = 1,
                                       .decision_count_max = 4,
                                       .group_count = 1};
    model_bytes m = model_bytes_synthetic(&options, ESPALIER_LAYOUT_WALK);
    espalier_file_column *columns = RECORD(&m, COLUMNS, espalier_file_column);
    assert_int_equal(SECTION(&m, COLUMNS)->bytes, 3 * sizeof *columns);
    columns = set_column_count(&m, 4);
    /* A second column of leaves moves the others back. */
    memmove(columns + 2, columns + 1, 2 * sizeof *columns);
    columns[1] = columns[0];
    assert_int_not_equal(columns[2].kind, ESPALIER_COLUMN_SET);
    assert_int_equal(columns[3].kind, ESPALIER_COLUMN_SET);
    const uint32_t child_bits = RECORD(&m, PARTS, espalier_file_part)->child_bits;
    espalier_file_node *const nodes = RECORD(&m, NODES, espalier_file_node);
    for (uint64_t i = 0; i < SECTION(&m, NODES)->bytes / sizeof *nodes; i++) {
        nodes[i].word += nodes[i].word >> child_bits != 0 ? 1u << child_bits : 0;
    }
    espalier_model *const model = open_model(&m);
    assert_false(model->banks[ESPALIER_BANK_WORD].paired);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
    float data[ROWS * 2];
    double answers[ROWS * 4];
    make_rows(data, ROWS * 2);
    const espalier_rows rows = espalier_rows_float32(data, ROWS, 2);
    predict_all(model, ESPALIER_OUTPUT_MARGIN, &rows, answers, 1);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* With the rule FLUSH_TINY a tiny value is zero, in pairs too; without it, it need not be. */
static void test_tiny_values_of_pairs(void **state)
{
    (void)state;
    float data[2][ROWS * 3];
    double answers[2][ROWS * 4];
    model_bytes m = model_bytes_synthetic(&paired, ESPALIER_LAYOUT_WALK);
    const espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
    assert_int_equal(columns[1].kind, ESPALIER_COLUMN_LEAF); /* so they are pairs */
    RECORD(&m, MODEL, espalier_file_model)->input_rule |= ESPALIER_INPUT_FLUSH_TINY;
    espalier_model *const model = open_model(&m);
    assert_true(model->banks[ESPALIER_BANK_WORD].paired);
    make_rows(data[0], ROWS * 3);
    for (size_t i = 0; i < ROWS * 3; i++) {
        /* No NaN, with which there are no pairs. */
        data[0][i] =
            i % 2 == 0 ? (i % 4 == 0 ? 9e-36F : -9e-36F) : (isnan(data[0][i]) ? 0.5F : data[0][i]);
        data[1][i] = i % 2 == 0 ? 0.0F : data[0][i];
    }
    for (unsigned i = 0; i < 2; i++) {
        const espalier_rows rows = espalier_rows_float32(data[i], ROWS, 3);
        predict_all(model, ESPALIER_OUTPUT_PROBABILITY, &rows, answers[i], 2);
    }
    assert_memory_equal(answers[0], answers[1], ROWS * 2 * sizeof answers[0][0]);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Neighbours that are no pair, since neither is for NaN left: rows without NaN cannot tell. */
static void test_neighbours_that_are_no_pair(void **state)
{
    (void)state;
    float data[ROWS * 3];
    double answers[3][ROWS * 4];
    make_rows(data, ROWS * 3);
    for (size_t i = 0; i < ROWS * 3; i++) {
        data[i] = isfinite(data[i]) ? data[i] : 1.0F;
    }
    const espalier_rows rows = espalier_rows_float32(data, ROWS, 3);
    for (unsigned i = 0; i < 3; i++) {
        model_bytes m = model_bytes_synthetic(&paired, ESPALIER_LAYOUT_WALK);
        espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
        assert_int_equal(columns[3].missing, ESPALIER_MISSING_LEFT);
        columns[3].missing = i == 1 ? ESPALIER_MISSING_RIGHT : ESPALIER_MISSING_LEFT;
        columns[2].missing = i == 2 ? ESPALIER_MISSING_LEFT : ESPALIER_MISSING_RIGHT;
        espalier_model *const model = open_model(&m);
        assert_int_equal(model->banks[ESPALIER_BANK_WORD].paired, i == 0);
        predict_all(model, ESPALIER_OUTPUT_PROBABILITY, &rows, answers[i], 2);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
    assert_memory_equal(answers[0], answers[1], ROWS * 2 * sizeof answers[0][0]);
    assert_memory_equal(answers[0], answers[2], ROWS * 2 * sizeof answers[0][0]);
}

/* A list of more cuts than two bytes hold: two segments. All cuts are zero, so a value is above all
 * of them or none. */
static void test_segments_of_shorts(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 73,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 20,
                                       .feature_count = 1,
                                       .decision_count_max = 60,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    float data[ROWS];
    double answers[ROWS * 4];
    const uint32_t cut_count = 70000;
    model_bytes m = model_bytes_synthetic(&options, ESPALIER_LAYOUT_SELECT);
    model_bytes_resize(&m, ESPALIER_SECTION_CUTS, (int64_t)cut_count * 10);
    memset(RECORD(&m, CUTS, uint8_t), 0, (size_t)SECTION(&m, CUTS)->bytes);
    espalier_file_column *const columns = set_column_count(&m, 2);
    columns[0].bank = ESPALIER_BANK_SHORT;
    columns[0].cut_count = cut_count;
    columns[0].segment = 0;
    columns[1] = columns[0];
    columns[1].segment = 1;
    RECORD(&m, PARTS, espalier_file_part)->bank = ESPALIER_BANK_SHORT;
    espalier_model *const model = open_model(&m);
    for (size_t i = 0; i < ROWS; i++) {
        data[i] = i % 3 == 0 ? -1.0F - (float)i : 1.0F + (float)i;
    }
    const espalier_rows rows = espalier_rows_float32(data, ROWS, 1);
    predict_all(model, ESPALIER_OUTPUT_MARGIN, &rows, answers, 1);
    for (size_t i = 2; i < ROWS; i++) {
        assert_memory_equal(&answers[i], &answers[i % 3 == 0 ? 0 : 1], sizeof *answers);
    }
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Rows in float64 of a model that refuses what is missing; by row and by column. */
static void test_refusals_of_float64(void **state)
{
    (void)state;
    double data[ROWS * 2];
    double answers[ROWS];
    model_bytes m = model_bytes_synthetic(&ranks, ESPALIER_LAYOUT_WALK);
    RECORD(&m, MODEL, espalier_file_model)->input_rule &= ~ESPALIER_INPUT_MISSING_ALLOWED;
    espalier_model *const model = open_model(&m);
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    for (unsigned i = 0; i < 2; i++) {
        espalier_rows rows = espalier_rows_float64(data, ROWS, 2);
        if (i == 1) {
            rows.row_stride = 1;
            rows.feature_stride = (ptrdiff_t)ROWS;
        }
        for (size_t k = 0; k < ROWS * 2; k++) {
            data[k] = 0.25 * (double)(k % 9);
        }
        espalier_outputs outputs = {.data = answers, .data_bytes = sizeof answers};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &rows, &outputs),
                         ESPALIER_OK);
        data[i == 0 ? 66 * 2 + 1 : ROWS + 66] = (double)NAN;
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &rows, &outputs),
                         ESPALIER_ERROR_MISSING);
        assert_int_equal(outputs.refused_row, 66);
        assert_int_equal(outputs.refused_feature, 1);
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Lines read features as nodes do: a number that says missing is NaN to them, and in float32
 * models a float64 value is rounded first. */
static void test_values_that_lines_read(void **state)
{
    (void)state;
    static const char source[] = ESPALIER_TEST_SOURCE_DIR "/fixtures/lightgbm-4.7.0/linear.txt";
    static float narrow[2][ROWS * FEATURES];
    static double wide[2][ROWS * FEATURES];
    double answers[4][ROWS * 4];
    make_rows(narrow[0], ROWS * FEATURES);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        narrow[1][i] = isnan(narrow[0][i]) ? -999.0F : narrow[0][i];
        wide[0][i] = (double)narrow[0][i];
        wide[1][i] = isnan(wide[0][i]) ? -999.0 : wide[0][i] * (1.0 + 1e-12);
    }
    for (unsigned k = 0; k < 2; k++) {
        model_bytes m = model_bytes_convert(source);
        espalier_file_model *const head = RECORD(&m, MODEL, espalier_file_model);
        head->input_rule |= ESPALIER_INPUT_MISSING_NUMBER;
        head->input_rule |= k == 1 ? ESPALIER_INPUT_FLOAT32 : 0;
        head->missing_number = -999.0;
        espalier_model *const model = open_model(&m);
        for (unsigned i = 0; i < 2; i++) {
            const espalier_rows rows32 = espalier_rows_float32(narrow[i], ROWS, FEATURES);
            const espalier_rows rows64 = espalier_rows_float64(wide[i], ROWS, FEATURES);
            predict_all(model, ESPALIER_OUTPUT_VALUE, &rows32, answers[i], 1);
            predict_all(model, ESPALIER_OUTPUT_VALUE, &rows64, answers[2 + i], 1);
        }
        assert_memory_equal(answers[0], answers[1], ROWS * sizeof(double));
        assert_memory_equal(answers[0], answers[2], ROWS * sizeof(double));
        if (k == 1) {
            assert_memory_equal(answers[0], answers[3], ROWS * sizeof(double));
        }
        espalier_model_close(model);
        model_bytes_free(&m);
    }
}

/* Four values side by side in each row, but a number among them is read as NaN: one by one. */
static void test_a_number_that_is_missing_in_fours(void **state)
{
    (void)state;
    float data[2][ROWS * FEATURES];
    double answers[2][ROWS * 4];
    synthetic_options options = paired;
    options.feature_count = FEATURES;
    model_bytes m = model_bytes_synthetic(&options, ESPALIER_LAYOUT_WALK);
    espalier_file_model *const head = RECORD(&m, MODEL, espalier_file_model);
    head->input_rule |= ESPALIER_INPUT_MISSING_NUMBER;
    head->missing_number = -999.0;
    espalier_model *const model = open_model(&m);
    assert_true(model->banks[ESPALIER_BANK_WORD].paired);
    make_rows(data[0], ROWS * FEATURES);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        data[1][i] = isnan(data[0][i]) ? -999.0F : data[0][i];
    }
    for (unsigned i = 0; i < 2; i++) {
        const espalier_rows rows = espalier_rows_float32(data[i], ROWS, FEATURES);
        predict_all(model, ESPALIER_OUTPUT_PROBABILITY, &rows, answers[i], 2);
    }
    assert_memory_equal(answers[0], answers[1], ROWS * 2 * sizeof answers[0][0]);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Values side by side whose words are not: a column of ranks lies between them. */
static void predict_ranks_between_fours(uint32_t more_rules)
{
    float data[ROWS * FEATURES];
    double answers[ROWS * 4];
    synthetic_options options = ranks;
    options.feature_count = FEATURES;
    model_bytes m = model_bytes_synthetic(&options, ESPALIER_LAYOUT_WALK);
    const uint32_t before = (uint32_t)(SECTION(&m, COLUMNS)->bytes / sizeof(espalier_file_column));
    espalier_file_column *const columns = set_column_count(&m, before + 4);
    assert_int_equal(columns[1].kind, ESPALIER_COLUMN_CODE);
    espalier_file_model *const head = RECORD(&m, MODEL, espalier_file_model);
    head->input_rule &= ~ESPALIER_INPUT_FLUSH_TINY;
    head->input_rule |= ESPALIER_INPUT_FLOAT32 | more_rules;
    memmove(columns + 6, columns + 2, (before - 2) * sizeof *columns);
    columns[3] = columns[1];
    for (uint32_t i = 0; i < 4; i++) {
        columns[i < 2 ? 1 + i : 2 + i] = (espalier_file_column){.kind = ESPALIER_COLUMN_FEATURE,
                                                                .feature = i,
                                                                .missing = ESPALIER_MISSING_RIGHT,
                                                                .bank = ESPALIER_BANK_WORD};
    }
    espalier_model *const model = open_model(&m);
    make_rows(data, ROWS * FEATURES);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        data[i] = isnan(data[i]) ? 0.5F : data[i];
    }
    const espalier_rows rows = espalier_rows_float32(data, ROWS, FEATURES);
    predict_all(model, ESPALIER_OUTPUT_MARGIN, &rows, answers, 1);
    espalier_model_close(model);
    model_bytes_free(&m);
}

static void test_ranks_between_fours(void **state)
{
    (void)state;
    predict_ranks_between_fours(0);
    predict_ranks_between_fours(ESPALIER_INPUT_FLUSH_TINY); /* each value is looked at */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_of_ranks),
        cmocka_unit_test(test_lists_that_are_no_pair),
        cmocka_unit_test(test_masks_of_banks),
        cmocka_unit_test(test_pairs_without_features),
        cmocka_unit_test(test_a_number_beside_a_set),
        cmocka_unit_test(test_tiny_values_of_pairs),
        cmocka_unit_test(test_neighbours_that_are_no_pair),
        cmocka_unit_test(test_segments_of_shorts),
        cmocka_unit_test(test_refusals_of_float64),
        cmocka_unit_test(test_values_that_lines_read),
        cmocka_unit_test(test_a_number_that_is_missing_in_fours),
        cmocka_unit_test(test_ranks_between_fours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
