// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of rows through complete trees that share their tests: every depth, trainer and ISA level,
 * every number of rows around groups and blocks, gives the bits of single rows by plain C; and when
 * a predictor shares.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/answers.h"
#include "engine/predictor.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/share_tests.h"
#include "tests/support/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 1100u

typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
    espalier_output_kind kind;
    espalier_output_info output;
    size_t row_bytes;
    float *rows;
    uint8_t *want; /* [ROWS][row_bytes], of single rows by plain C */
} fixture;

static espalier_predictor *make_predictor(const espalier_model *model, uint32_t isa,
                                          uint32_t block_rows)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    options.isa = isa;
    options.block_rows_max = block_rows;
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    return predictor;
}

static void predict(const fixture *f, espalier_predictor *predictor, size_t first, size_t count,
                    uint8_t *out)
{
    const size_t features = f->forest.feature_count;
    const espalier_rows rows = espalier_rows_float32(f->rows + first * features, count, features);
    espalier_outputs outputs = {.data = out, .data_bytes = count * f->row_bytes};
    assert_int_equal(espalier_predict(predictor, f->kind, &rows, &outputs), ESPALIER_OK);
}

static void fixture_make(fixture *f, const synthetic_options *options)
{
    memset(f, 0, sizeof *f);
    synthetic_forest_make(options, &f->forest);
    f->bytes = model_bytes_of_layout(&f->forest, 0, ESPALIER_LAYOUT_HEAP);
    f->kind = f->forest.task != ESPALIER_FOREST_TASK_FOREST ? ESPALIER_OUTPUT_MARGIN
              : f->forest.classifier                        ? ESPALIER_OUTPUT_PROBABILITY
                                                            : ESPALIER_OUTPUT_VALUE;
    assert_int_equal(espalier_model_open_memory(f->bytes.data, f->bytes.bytes, NULL, &f->model,
                                                NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_output(f->model, f->kind, &f->output), ESPALIER_OK);
    f->row_bytes = f->output.width * (f->output.dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8);
    f->rows = model_rows_make(&f->forest, options->seed, ROWS, 1);
    f->want = malloc(ROWS * f->row_bytes);
    assert_non_null(f->want);
    espalier_predictor *const plain = make_predictor(f->model, ESPALIER_ISA_SCALAR, 1);
    for (size_t r = 0; r < ROWS; r++) {
        predict(f, plain, r, 1, f->want + r * f->row_bytes);
    }
    espalier_predictor_destroy(plain);
}

static void fixture_free(fixture *f)
{
    espalier_model_close(f->model);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
    free(f->rows);
    free(f->want);
}

/* Rows [first, first + count) for all counts around groups and blocks. */
static void check_counts(const fixture *f, espalier_predictor *predictor)
{
    static const size_t counts[] = {1,   63,  64,  65,  127, 128, 129, 191, 192,  193,  255,
                                    256, 257, 320, 447, 448, 511, 512, 513, 1000, 1024, ROWS};
    uint8_t *const out = malloc(ROWS * f->row_bytes);
    assert_non_null(out);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const size_t first = (ROWS - counts[i]) / 2;
        memset(out, 0xA5, ROWS * f->row_bytes);
        predict(f, predictor, first, counts[i], out);
        if (memcmp(out, f->want + first * f->row_bytes, counts[i] * f->row_bytes) != 0) {
            fail_msg("%s: %zu rows", espalier_predictor_kernel(predictor), counts[i]);
        }
    }
    free(out);
}

static bool shares(const espalier_predictor *predictor)
{
    return predictor->answers != NULL && predictor->parts[0].block.answers != NULL;
}

/* Every level, in blocks of the usual size, of fewer rows than share, of odd ones and of many. */
static void check_forest(const synthetic_options *options)
{
    static const uint32_t block_rows[] = {0, 64, 300, 512, 4096};
    fixture f;
    fixture_make(&f, options);
    for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
        for (size_t i = 0; espalier_isa_supported((espalier_isa)isa) && i < 5; i++) {
            espalier_predictor *const predictor = make_predictor(f.model, isa, block_rows[i]);
            assert_int_equal(shares(predictor), isa != ESPALIER_ISA_SCALAR && block_rows[i] != 64);
            assert_int_equal(predictor->block_rows, block_rows[i] != 0           ? block_rows[i]
                                                    : isa != ESPALIER_ISA_SCALAR ? 512
                                                                                 : 256);
            check_counts(&f, predictor);
            espalier_predictor_destroy(predictor);
        }
    }
    fixture_free(&f);
}

static void test_all_depths(void **state)
{
    (void)state;
    for (uint32_t depth = 1; depth <= ESPALIER_HEAP_LEVELS; depth++) {
        for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
            const synthetic_options options = {.seed = 300 + depth,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = depth < 3 ? 90 : 41,
                                               .feature_count = 3,
                                               .decision_count_max = (1u << depth) - 1,
                                               .group_count = 1,
                                               .class_count = depth % 2 == 0 ? 3 : 0,
                                               .missing_allowed = true,
                                               .shape = SYNTHETIC_BEST_FIRST,
                                               .depth_max = depth,
                                               .cut_count = 3};
            check_forest(&options);
        }
    }
}

/* As many columns as a level looks up in one, two and four pairs of registers, and all. */
static void test_many_columns(void **state)
{
    (void)state;
    static const uint32_t features[] = {31, 63, 64, 65, 127, 128, 200, 256};
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        const synthetic_options options = {.seed = 400 + features[i],
                                           .trainer = SYNTHETIC_FOREST,
                                           .tree_count = 60,
                                           .feature_count = features[i],
                                           .decision_count_max = 120,
                                           .group_count = 1,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = 7,
                                           .cut_count = 4};
        check_forest(&options);
    }
}

/* Columns of a byte's cuts and of more, which are columns of several segments. */
static void test_many_cuts(void **state)
{
    (void)state;
    static const uint32_t cuts[] = {254, 255, 256, 700};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const synthetic_options options = {.seed = 800 + i,
                                           .trainer = (synthetic_trainer)(i % 3),
                                           .tree_count = 120,
                                           .feature_count = 2,
                                           .decision_count_max = 255,
                                           .group_count = 1,
                                           .missing_allowed = true,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = 8,
                                           .cut_count = cuts[i]};
        check_forest(&options);
    }
}

/* Ranges of iterations: what pays for all trees need not for a few, and none may be left. */
static void test_ranges(void **state)
{
    (void)state;
    static const uint32_t ranges[][2] = {{0, 60}, {1, 40}, {57, 3}, {60, 0}, {59, 1}};
    const synthetic_options made = {.seed = 91,
                                    .trainer = SYNTHETIC_XGBOOST,
                                    .tree_count = 180,
                                    .feature_count = 5,
                                    .decision_count_max = 63,
                                    .group_count = 1,
                                    .class_count = 3,
                                    .shape = SYNTHETIC_BEST_FIRST,
                                    .depth_max = 6,
                                    .cut_count = 5};
    fixture f;
    fixture_make(&f, &made);
    uint8_t *const alone = malloc(ROWS * f.row_bytes);
    uint8_t *const together = malloc(ROWS * f.row_bytes);
    assert_true(alone != NULL && together != NULL);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        options.flags = ESPALIER_PREDICTOR_UNCHECKED;
        options.iteration_first = ranges[i][1] != 0 ? ranges[i][0] : 0;
        options.iteration_count = ranges[i][1];
        espalier_predictor *sharing = NULL;
        espalier_predictor *plain = NULL;
        assert_int_equal(espalier_predictor_create(f.model, &options, &sharing), ESPALIER_OK);
        options.isa = ESPALIER_ISA_SCALAR;
        options.block_rows_max = 1;
        assert_int_equal(espalier_predictor_create(f.model, &options, &plain), ESPALIER_OK);
        assert_true(share_tests(sharing));
        predict(&f, plain, 0, ROWS, alone);
        predict(&f, sharing, 0, ROWS, together);
        assert_memory_equal(alone, together, ROWS * f.row_bytes);
        espalier_predictor_destroy(sharing);
        espalier_predictor_destroy(plain);
    }
    free(alone);
    free(together);
    fixture_free(&f);
}

/* When sharing pays: cost x answers + 2 x nodes < groups x nodes. */
static void test_when_it_pays(void **state)
{
    (void)state;
    const espalier_kernel kernel = {.answer_cost = 4};
    const espalier_kernel none = {.answer_cost = 0};
    const espalier_kernel_tree trees[2] = {{.depth = 6}, {.depth = 8}};
    const espalier_kernel_tree deep = {.depth = 70}; /* of another layout */
    assert_int_equal(espalier_answers_least(&kernel, 63, trees, 1), 7);
    assert_int_equal(espalier_answers_least(&kernel, 1, trees, 1), 3);
    assert_int_equal(espalier_answers_least(&kernel, 94, trees, 1), 8);
    assert_int_equal(espalier_answers_least(&kernel, 95, trees, 1), 9);
    assert_int_equal(espalier_answers_least(&kernel, 79, trees, 2), 3);
    assert_int_equal(espalier_answers_least(&kernel, 80, trees, 2), 4);
    assert_int_equal(espalier_answers_least(&kernel, 0, trees, 2), 9);
    assert_int_equal(espalier_answers_least(&kernel, 5, trees, 0), 9);
    assert_int_equal(espalier_answers_least(&none, 5, &deep, 1), 9);
}

/* Few trees, which share by themselves in large blocks at most: what tests of small models do. */
static void test_whatever_it_costs(void **state)
{
    (void)state;
    for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
        const synthetic_options options = {.seed = 600 + isa,
                                           .trainer = SYNTHETIC_LIGHTGBM,
                                           .tree_count = 3,
                                           .feature_count = 90,
                                           .decision_count_max = 63,
                                           .group_count = 1,
                                           .class_count = 3,
                                           .missing_allowed = true,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = 6};
        if (!espalier_isa_supported((espalier_isa)isa)) {
            continue;
        }
        fixture f;
        fixture_make(&f, &options);
        espalier_predictor *const predictor = make_predictor(f.model, isa, 0);
        assert_true(share_tests(predictor));
        assert_int_equal(shares(predictor), isa != ESPALIER_ISA_SCALAR);
        check_counts(&f, predictor);
        espalier_predictor_destroy(predictor);
        fixture_free(&f);
    }
}

/* More classes than sums are brought into lanes for. */
static void test_many_classes(void **state)
{
    (void)state;
    for (uint32_t classes = 15; classes <= 18; classes++) {
        const synthetic_options options = {.seed = 500 + classes,
                                           .trainer = classes % 2 == 0 ? SYNTHETIC_XGBOOST
                                                                       : SYNTHETIC_LIGHTGBM,
                                           .tree_count = 4 * classes,
                                           .feature_count = 3,
                                           .decision_count_max = 31,
                                           .group_count = 1,
                                           .class_count = classes,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = 5,
                                           .cut_count = 3};
        check_forest(&options);
    }
}

/* Trees that hardly ask the same: sharing costs more than it saves. */
static void test_different_tests(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 7,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 2,
                                       .feature_count = 40,
                                       .decision_count_max = 63,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 6};
    fixture f;
    fixture_make(&f, &options);
    espalier_predictor *const predictor = make_predictor(f.model, ESPALIER_ISA_AUTO, 0);
    assert_false(shares(predictor));
    assert_int_equal(predictor->block_rows, 256);
    check_counts(&f, predictor);
    espalier_predictor_destroy(predictor);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_depths),   cmocka_unit_test(test_many_cuts),
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_when_it_pays),
        cmocka_unit_test(test_many_columns), cmocka_unit_test(test_whatever_it_costs),
        cmocka_unit_test(test_many_classes), cmocka_unit_test(test_different_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
