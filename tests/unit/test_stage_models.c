// SPDX-License-Identifier: Apache-2.0
/*
 * Models whose outputs lie behind stages: what they answer, which damage verify finds behind exp,
 * and how much stages may read. Rules F-105, F-181, F-182, F-256, F-341.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/plan.h"
#include "convert/reference.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
} fixture;

static void make_model(fixture *f, synthetic_trainer trainer, bool averaged)
{
    const synthetic_options options = {.seed = 41,
                                       .trainer = trainer,
                                       .tree_count = 9,
                                       .feature_count = 3,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .averaged = averaged,
                                       .linked = true};
    synthetic_forest_make(&options, &f->forest);
    f->bytes = model_bytes_of(&f->forest, 8);
    f->model = NULL;
    const espalier_open_options verified = {sizeof verified, ESPALIER_OPEN_VERIFY, 0, {0}};
    espalier_error error;
    if (espalier_model_open_memory(f->bytes.data, f->bytes.bytes, &verified, &f->model, &error) !=
        ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

static void free_model(fixture *f)
{
    espalier_model_close(f->model);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
}

static void predict(const espalier_model *model, const espalier_predictor_options *options,
                    espalier_output_kind kind, const float *rows, size_t row_count, void *out,
                    size_t out_bytes)
{
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, options, &predictor), ESPALIER_OK);
    const espalier_rows input = espalier_rows_float32(rows, row_count, 3);
    espalier_outputs outputs = {.data = out, .data_bytes = out_bytes};
    assert_int_equal(espalier_predict(predictor, kind, &input, &outputs), ESPALIER_OK);
    espalier_predictor_destroy(predictor);
}

/* Outputs of a linked model: kinds, dtypes, widths, and what the reference says. */
static void test_linked_model(void **state)
{
    (void)state;
    enum {
        ROWS = 700
    };
    fixture f;
    make_model(&f, SYNTHETIC_XGBOOST, false);
    float *const rows = model_rows_make(&f.forest, 5, ROWS, 1);
    static double slots[ROWS * 5];
    static int32_t classes[ROWS];
    static float both[ROWS * 2];
    static float one[ROWS];
    static int32_t found[ROWS];
    assert_int_equal(espalier_reference_slot_count(&f.forest), 5);
    espalier_reference_evaluate(&f.forest, rows, ROWS, slots, NULL);
    espalier_reference_classes(&f.forest, slots, ROWS, classes);
    espalier_output_info info;
    assert_int_equal(espalier_model_output(f.model, ESPALIER_OUTPUT_PROBABILITY, &info),
                     ESPALIER_OK);
    assert_true(info.dtype == ESPALIER_DTYPE_FLOAT32 && info.width == 2);
    predict(f.model, NULL, ESPALIER_OUTPUT_PROBABILITY, rows, ROWS, both, sizeof both);
    predict(f.model, NULL, ESPALIER_OUTPUT_VALUE, rows, ROWS, one, sizeof one);
    predict(f.model, NULL, ESPALIER_OUTPUT_CLASS, rows, ROWS, found, sizeof found);
    uint32_t positive = 0;
    for (size_t i = 0; i < ROWS; i++) {
        assert_true((double)both[2 * i] == slots[5 * i + 3]);
        assert_true((double)both[2 * i + 1] == slots[5 * i + 4]);
        assert_true((double)one[i] == slots[5 * i + 2]);
        assert_int_equal(found[i], classes[i]);
        assert_int_equal(found[i], one[i] > 0.5F);
        positive += found[i] != 0;
    }
    assert_true(positive > 0 && positive < ROWS);
    espalier_model_info model_info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(f.model, &model_info), ESPALIER_OK);
    assert_int_equal(model_info.default_output, ESPALIER_OUTPUT_CLASS);
    free(rows);
    free_model(&f);
}

/* F-256: DIVIDE_ITERATIONS divides by the iterations that the caller asks for. */
static void test_iterations(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 42,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 7,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1};
    fixture f;
    synthetic_forest_make(&options, &f.forest);
    const espalier_forest_stage stage = {.operation = ESPALIER_FOREST_DIVIDE_ITERATIONS,
                                         .count = 1};
    const espalier_forest_output outputs[] = {
        {ESPALIER_OUTPUT_MARGIN, 0, 0, 1, ESPALIER_FOREST_NO_DECISION, false},
        {ESPALIER_OUTPUT_SCORE, 0, 1, 1, ESPALIER_FOREST_NO_DECISION, false},
    };
    assert_int_equal(espalier_plan_add_stage(&f.forest, &stage, NULL), 1);
    assert_true(espalier_plan_add_output(&f.forest, &outputs[0]));
    assert_true(espalier_plan_add_output(&f.forest, &outputs[1]));
    f.forest.default_output = ESPALIER_OUTPUT_SCORE;
    assert_int_equal(espalier_forest_validate(&f.forest, "forest", NULL), ESPALIER_OK);
    f.bytes = model_bytes_of(&f.forest, 4);
    assert_int_equal(espalier_model_open_memory(f.bytes.data, f.bytes.bytes, NULL, &f.model, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_verify(f.model, NULL), ESPALIER_OK);
    float *const rows = model_rows_make(&f.forest, 5, 20, 0);
    for (uint32_t count = 0; count <= 7; count++) {
        espalier_predictor_options asked = ESPALIER_PREDICTOR_OPTIONS_INIT;
        asked.iteration_count = count;
        double sums[20];
        double scores[20];
        predict(f.model, &asked, ESPALIER_OUTPUT_MARGIN, rows, 20, sums, sizeof sums);
        predict(f.model, &asked, ESPALIER_OUTPUT_SCORE, rows, 20, scores, sizeof scores);
        for (uint32_t i = 0; i < 20; i++) {
            assert_true(scores[i] == sums[i] / (double)(count == 0 ? 7 : count));
        }
    }
    free(rows);
    free_model(&f);
}

static double *golden_slot(const model_bytes *bytes, uint32_t row, uint32_t slot)
{
    uint8_t *const data = model_bytes_data(bytes, ESPALIER_SECTION_GOLDEN);
    const espalier_file_golden *const head = (const void *)data;
    double *const rows = (double *)(void *)(data + sizeof *head);
    return rows + head->row_count * head->feature_count + row * head->slot_count + slot;
}

/* Verify of the model with one golden slot moved by so many units in its last place. */
static espalier_status verify_moved(const model_bytes *bytes, uint32_t slot, int64_t units)
{
    model_bytes copy = model_bytes_copy(bytes);
    double *const value = golden_slot(&copy, 3, slot);
    uint64_t bits = 0;
    memcpy(&bits, value, sizeof bits);
    bits += (uint64_t)units;
    memcpy(value, &bits, sizeof bits);
    model_bytes_seal(&copy);
    espalier_model *model = NULL;
    const espalier_open_options verified = {sizeof verified, ESPALIER_OPEN_VERIFY, 0, {0}};
    espalier_error error;
    const espalier_status status =
        espalier_model_open_memory(copy.data, copy.bytes, &verified, &model, &error);
    if (status != ESPALIER_OK) {
        assert_int_equal(error.format_rule, 181);
    }
    espalier_model_close(model);
    model_bytes_free(&copy);
    return status;
}

/* F-341: what several forests make of such slots may be further off; a line makes anything of it.
 * Of exact slots all is exact. */
static void test_composed_tolerance(void **state)
{
    (void)state;
    static const double knots[4] = {0.25, 0.75, 0.0, 1.0};
    enum {
        SUM = 0,
        PROBABILITY = 2
    };
    fixture f;
    make_model(&f, SYNTHETIC_LIGHTGBM, false);
    espalier_forest *const forest = &f.forest;
    const double picked[1] = {PROBABILITY};
    const uint32_t near = espalier_plan_add_stage(
        forest, &(espalier_forest_stage){.operation = ESPALIER_FOREST_PICK, .count = 1}, picked);
    const uint32_t line =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_ISOTONIC,
                                                         .input_slot = near,
                                                         .count = 2},
                                knots);
    const uint32_t behind =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_ADD_SLOTS,
                                                         .input_slot = SUM,
                                                         .other_slot = line,
                                                         .count = 1},
                                NULL);
    const uint32_t exact =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_ADD_SLOTS,
                                                         .input_slot = SUM,
                                                         .other_slot = SUM,
                                                         .count = 1},
                                NULL);
    const uint32_t exact_line =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_ISOTONIC,
                                                         .input_slot = SUM,
                                                         .count = 2},
                                knots);
    const model_bytes bytes = model_bytes_of(forest, 8);
    assert_int_equal(verify_moved(&bytes, near, 1000), ESPALIER_OK);
    assert_int_equal(verify_moved(&bytes, near, -1000), ESPALIER_OK);
    assert_int_equal(verify_moved(&bytes, near, INT64_C(1) << 45), ESPALIER_ERROR_GOLDEN);
    assert_int_equal(verify_moved(&bytes, line, INT64_C(1) << 45), ESPALIER_OK);
    assert_int_equal(verify_moved(&bytes, behind, INT64_C(1) << 45), ESPALIER_OK);
    assert_int_equal(verify_moved(&bytes, exact, 1), ESPALIER_ERROR_GOLDEN);
    assert_int_equal(verify_moved(&bytes, exact_line, 1), ESPALIER_ERROR_GOLDEN);
    model_bytes copy = bytes;
    model_bytes_free(&copy);
    free_model(&f);
}

/* F-181: sums and what is added to them are exact; what goes through exp is near. */
static void test_golden_tolerance(void **state)
{
    (void)state;
    fixture f;
    make_model(&f, SYNTHETIC_LIGHTGBM, false);
    enum {
        SUM,
        SHIFTED,
        PROBABILITY,
        FIRST
    };
    assert_int_equal(verify_moved(&f.bytes, SUM, 1), ESPALIER_ERROR_GOLDEN);
    assert_int_equal(verify_moved(&f.bytes, SHIFTED, -1), ESPALIER_ERROR_GOLDEN);
    assert_int_equal(verify_moved(&f.bytes, PROBABILITY, 1), ESPALIER_OK);
    assert_int_equal(verify_moved(&f.bytes, PROBABILITY, -1), ESPALIER_OK);
    assert_int_equal(verify_moved(&f.bytes, FIRST, 1), ESPALIER_OK);
    assert_int_equal(verify_moved(&f.bytes, PROBABILITY, INT64_C(1) << 51), ESPALIER_ERROR_GOLDEN);
    assert_int_equal(verify_moved(&f.bytes, FIRST, -(INT64_C(1) << 61)), ESPALIER_ERROR_GOLDEN);
    free_model(&f);
}

/* F-105: what all stages read is bounded, however few slots there are. */
static void test_stage_work(void **state)
{
    (void)state;
    enum {
        WIDE_SLOTS = 1 << 19
    };
    const synthetic_options options = {.seed = 43,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 1,
                                       .feature_count = 3,
                                       .group_count = 1};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    double *const zeroes = calloc(WIDE_SLOTS, sizeof *zeroes);
    assert_non_null(zeroes);
    espalier_forest_stage stage = {.operation = ESPALIER_FOREST_CONSTANTS, .count = WIDE_SLOTS};
    assert_int_equal(espalier_plan_add_stage(&forest, &stage, zeroes), 1);
    stage = (espalier_forest_stage){.operation = ESPALIER_FOREST_INDEX, .count = WIDE_SLOTS};
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(espalier_plan_add_stage(&forest, &stage, NULL), 1 + WIDE_SLOTS + i);
    }
    const espalier_forest_output output = {ESPALIER_OUTPUT_VALUE,       0,    0, 1,
                                           ESPALIER_FOREST_NO_DECISION, false};
    assert_true(espalier_plan_add_output(&forest, &output));
    forest.default_output = ESPALIER_OUTPUT_VALUE;
    assert_int_equal(espalier_forest_validate(&forest, "forest", NULL), ESPALIER_OK);
    model_bytes bytes = model_bytes_of(&forest, 0);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    espalier_model_close(model);
    espalier_file_stage *const stages = model_bytes_data(&bytes, ESPALIER_SECTION_STAGES);
    stages[7].slot_count++;
    model_bytes_seal(&bytes);
    espalier_error error;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, &error),
                     ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, 105);
    model_bytes_free(&bytes);
    assert_int_equal(espalier_plan_add_stage(&forest, &stage, NULL), 8 + WIDE_SLOTS);
    espalier_flat flat;
    assert_int_equal(espalier_flatten(&forest, "x.json", &flat, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "values of stages"));
    free(zeroes);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linked_model),       cmocka_unit_test(test_iterations),
        cmocka_unit_test(test_composed_tolerance), cmocka_unit_test(test_golden_tolerance),
        cmocka_unit_test(test_stage_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
