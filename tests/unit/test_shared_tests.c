// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of rows through complete trees that share their tests: every depth, trainer and ISA level,
 * every number of rows around groups and blocks, gives the bits of single rows by plain C; so do
 * several parts that share, or not, in one model, and columns at rest; and when a predictor shares.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/combine.h"
#include "convert/plan.h"
#include "convert/preparation.h"
#include "engine/answers.h"
#include "engine/predictor.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/share_tests.h"
#include "tests/support/synthetic.h"

#include <math.h>
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

/* Everything else of a fixture that has a forest. */
static void fixture_finish(fixture *f, espalier_output_kind kind, uint64_t seed)
{
    f->bytes = model_bytes_of_layout(&f->forest, 0, ESPALIER_LAYOUT_HEAP);
    f->kind = kind;
    assert_int_equal(espalier_model_open_memory(f->bytes.data, f->bytes.bytes, NULL, &f->model,
                                                NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_output(f->model, f->kind, &f->output), ESPALIER_OK);
    f->row_bytes = f->output.width * (f->output.dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8);
    f->rows = model_rows_make(&f->forest, seed, ROWS, 1);
    f->want = malloc(ROWS * f->row_bytes);
    assert_non_null(f->want);
}

/* What single rows give by plain C, once the rows are as they shall be. */
static void fixture_answer(fixture *f)
{
    espalier_predictor *const plain = make_predictor(f->model, ESPALIER_ISA_SCALAR, 1);
    for (size_t r = 0; r < ROWS; r++) {
        predict(f, plain, r, 1, f->want + r * f->row_bytes);
    }
    espalier_predictor_destroy(plain);
}

static void fixture_make(fixture *f, const synthetic_options *options)
{
    memset(f, 0, sizeof *f);
    synthetic_forest_make(options, &f->forest);
    fixture_finish(f,
                   f->forest.task != ESPALIER_FOREST_TASK_FOREST ? ESPALIER_OUTPUT_MARGIN
                   : f->forest.classifier                        ? ESPALIER_OUTPUT_PROBABILITY
                                                                 : ESPALIER_OUTPUT_VALUE,
                   options->seed);
    fixture_answer(f);
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

/* One row of shallow trees went as a block of 64 at levels without bytes' permutes: ten times the
 * work. Blocks begin at half of what kernels say of six levels, at least. */
static void test_one_row_is_no_block(void **state)
{
    (void)state;
    for (uint32_t levels = 1; levels <= 3; levels++) {
        const synthetic_options options = {.seed = 700 + levels,
                                           .trainer = SYNTHETIC_LIGHTGBM,
                                           .tree_count = 40,
                                           .feature_count = 20,
                                           .decision_count_max = (1u << levels) - 1,
                                           .group_count = 1,
                                           .missing_allowed = true,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = levels};
        fixture f;
        fixture_make(&f, &options);
        for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
            if (!espalier_isa_supported((espalier_isa)isa)) {
                continue;
            }
            espalier_predictor *const predictor = make_predictor(f.model, isa, 0);
            assert_int_equal(predictor->parts[0].part->layout, ESPALIER_FILE_HEAP);
            assert_true(predictor->least_rows >= predictor->parts[0].kernel->least_rows / 2);
            assert_true(predictor->least_rows > 1);
            espalier_predictor_destroy(predictor);
        }
        fixture_free(&f);
    }
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

/* ---- several parts ---- */

#define PARTS_MAX 3u

/* Forests of the same features side by side, and an output of what all of them say; `prepare`
 * changes the first, or is NULL. */
static void fixture_combine(fixture *f, const synthetic_options *options, uint32_t count,
                            void (*prepare)(espalier_forest *forest))
{
    espalier_forest forests[PARTS_MAX];
    double slots[64];
    uint32_t slot_count = 0;
    espalier_forest *const whole = &f->forest;
    memset(f, 0, sizeof *f);
    *whole = (espalier_forest){.feature_count = options[0].feature_count,
                               .missing_allowed = true,
                               .infinite_allowed = true,
                               .leaf_hidden = true,
                               .group_count = 1,
                               .group_width = calloc(1, sizeof *whole->group_width),
                               .default_output = ESPALIER_OUTPUT_VALUE};
    assert_non_null(whole->group_width);
    whole->group_width[0] = 1;
    espalier_combine combine = {.whole = whole, .memory_left = UINT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = 0;
        synthetic_forest_make(&options[i], &forests[i]);
        if (i == 0 && prepare != NULL) {
            prepare(&forests[i]);
        }
        assert_int_equal(espalier_combine_add(&combine, &forests[i], NULL, &offset), ESPALIER_OK);
        const uint32_t sums = espalier_forest_part_at(&forests[i], 0).slot_count;
        assert_true(sums > 0);
        for (uint32_t k = 0; k < sums; k++) {
            slots[slot_count++] = (double)(offset + k);
        }
    }
    assert_int_equal(espalier_combine_close(&combine), ESPALIER_OK);
    const uint32_t picked =
        espalier_plan_add_stage(whole,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_PICK,
                                                         .count = slot_count},
                                slots);
    assert_true(
        espalier_plan_add_output(whole, &(espalier_forest_output){.kind = ESPALIER_OUTPUT_VALUE,
                                                                  .first_slot = picked,
                                                                  .slot_count = slot_count}));
    espalier_error error;
    if (espalier_forest_validate(whole, "whole", &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    for (uint32_t i = 0; i < count; i++) {
        espalier_forest_free(&forests[i]);
    }
    fixture_finish(f, ESPALIER_OUTPUT_VALUE, options[0].seed);
}

/* Every level, in blocks of the usual size and of odd ones; part p shares as shared[p] says, but in
 * plain C; with `all`, whatever it costs. */
static void check_parts(const fixture *f, const bool *shared, uint32_t count, bool all)
{
    static const uint32_t block_rows[] = {0, 300, 512};
    assert_int_equal(f->model->part_count, count);
    for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
        for (size_t i = 0; espalier_isa_supported((espalier_isa)isa) && i < 3; i++) {
            espalier_predictor *const predictor = make_predictor(f->model, isa, block_rows[i]);
            assert_true(!all || share_tests(predictor));
            for (uint32_t p = 0; p < count; p++) {
                assert_int_equal(predictor->model->parts[p].layout, ESPALIER_FILE_HEAP);
                assert_int_equal(predictor->parts[p].block.answers != NULL,
                                 (shared[p] || all) && isa != ESPALIER_ISA_SCALAR);
            }
            check_counts(f, predictor);
            espalier_predictor_destroy(predictor);
        }
    }
}

#define PART(of, with_seed, trees, levels, classes)                                                \
    {                                                                                              \
        .trainer = SYNTHETIC_##of, .seed = (with_seed), .tree_count = (trees), .feature_count = 5, \
        .decision_count_max = (1u << (levels)) - 1, .group_count = 1, .class_count = (classes),    \
        .shape = SYNTHETIC_BEST_FIRST, .depth_max = (levels), .cut_count = 4                       \
    }

/*
 * One table of answers serves all parts of a model, and one room for sums, of the part with most of
 * those that are brought together: float32 and float64 ones, more than there is room for, of trees
 * of other depths.
 */
static void test_two_parts(void **state)
{
    (void)state;
    static const synthetic_options pairs[][2] = {
        {PART(XGBOOST, 701, 60, 6, 0), PART(XGBOOST, 702, 90, 4, 3)},
        {PART(LIGHTGBM, 703, 60, 5, 0), PART(XGBOOST, 704, 60, 8, 2)},
        {PART(XGBOOST, 705, 51, 7, 17), PART(LIGHTGBM, 706, 90, 3, 3)},
        {PART(FOREST, 707, 40, 6, 0), PART(LIGHTGBM, 708, 80, 2, 16)},
    };
    static const bool shared[] = {true, true};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        fixture f;
        fixture_combine(&f, pairs[i], 2, NULL);
        fixture_answer(&f);
        check_parts(&f, shared, 2, false);
        fixture_free(&f);
    }
}

/* Between two that share, a part of two trees, for which answers cost more than they save. */
static void test_parts_that_do_not_share(void **state)
{
    (void)state;
    static const synthetic_options options[] = {PART(LIGHTGBM, 711, 70, 6, 0),
                                                PART(LIGHTGBM, 712, 2, 1, 2),
                                                PART(LIGHTGBM, 713, 60, 5, 4)};
    static const bool shared[] = {true, false, true};
    fixture f;
    fixture_combine(&f, options, 3, NULL);
    fixture_answer(&f);
    check_parts(&f, shared, 3, false);
    check_parts(&f, shared, 3, true);
    fixture_free(&f);
}

/* ---- columns at rest ---- */

#define CATEGORIES 12u

/* The first feature is one of many categories, each with a column of its own that half of the
 * nodes ask for; the others are as they were. */
static void prepare_categories(espalier_forest *forest)
{
    double places[CATEGORIES];
    uint32_t place = 0, hot = 0;
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    forest->preparation = p;
    p->feature_count = forest->feature_count;
    p->value_count = forest->feature_count;
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        places[i] = (double)i;
    }
    assert_int_equal(espalier_preparation_add_places(p, 0, places, CATEGORIES, -1.0, false, &place),
                     ESPALIER_OK);
    assert_int_equal(espalier_preparation_add(p, ESPALIER_PREPARE_ONE_HOT, 0, place, CATEGORIES,
                                              NULL, &hot),
                     ESPALIER_OK);
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF && (forest->feature[i] == 0 || i % 2 == 0)) {
            forest->feature[i] = hot + (uint32_t)(i % CATEGORIES);
            forest->threshold[i] = i % 7 == 0 ? -0.5 : 0.5;
            if (forest->missing_rule != NULL) { /* else zero may be missing, and nothing rests */
                forest->missing_rule[i] = ESPALIER_FOREST_MISSING_NAN;
            }
        }
    }
}

/* Rows of every category, of none and of a missing one, in no order. */
static void fill_categories(const fixture *f)
{
    uint64_t state = 31;
    for (size_t r = 0; r < ROWS; r++) {
        const uint64_t category = synthetic_next(&state) % (CATEGORIES + 2);
        f->rows[r * f->forest.feature_count] = category <= CATEGORIES ? (float)category : NAN;
    }
}

/* Cells that stay from block to block, but for the one that is hot, have answers like others. */
static void test_columns_at_rest(void **state)
{
    (void)state;
    static const synthetic_options options[] = {PART(XGBOOST, 721, 60, 6, 0),
                                                PART(LIGHTGBM, 722, 60, 7, 3),
                                                PART(FOREST, 723, 50, 5, 0)};
    static const bool shared[] = {true, true};
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t parts = 1; parts <= 2; parts++) {
            const synthetic_options both[] = {options[i], options[(i + 1) % 3]};
            fixture f;
            fixture_combine(&f, both, parts, prepare_categories);
            fill_categories(&f);
            fixture_answer(&f);
            espalier_predictor *const predictor = make_predictor(f.model, ESPALIER_ISA_AUTO, 0);
            assert_int_equal(predictor->rest.group_count, 1);
            assert_true(predictor->rest.cell_count >= CATEGORIES);
            espalier_predictor_destroy(predictor);
            check_parts(&f, shared, parts, false);
            fixture_free(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_depths),      cmocka_unit_test(test_many_cuts),
        cmocka_unit_test(test_ranges),          cmocka_unit_test(test_when_it_pays),
        cmocka_unit_test(test_many_columns),    cmocka_unit_test(test_whatever_it_costs),
        cmocka_unit_test(test_many_classes),    cmocka_unit_test(test_different_tests),
        cmocka_unit_test(test_two_parts),       cmocka_unit_test(test_parts_that_do_not_share),
        cmocka_unit_test(test_columns_at_rest), cmocka_unit_test(test_one_row_is_no_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
