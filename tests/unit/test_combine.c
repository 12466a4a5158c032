// SPDX-License-Identifier: Apache-2.0
/*
 * Several forests in one: thresholds for float64 rows that decide as float32 ones do, parts with
 * slots and stages moved, features mapped, and the whole flattened, proved and predicted in every
 * layout.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/combine.h"
#include "convert/flatten.h"
#include "convert/linear_leaves.h"
#include "convert/plan.h"
#include "convert/reference.h"
#include "convert/sets.h"
#include "tests/support/synthetic.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a float64 row goes left, by the threshold of a float32 trainer and by the translation. */
static void compare_sides(double threshold, double wide, double x)
{
    const bool left = (double)(float)x <= threshold;
    if (left != (x <= wide)) {
        fail_msg("%a <= %a is %d, but %a <= %a is not", x, threshold, left, x, wide);
    }
}

static void compare_around(double threshold)
{
    const double wide = espalier_combine_widen(threshold);
    const float down = espalier_round_threshold(threshold);
    const double centres[] = {threshold,
                              wide,
                              (double)down,
                              (double)nextafterf(down, INFINITY),
                              (double)nextafterf(down, -INFINITY),
                              0x1.ffffffp127,
                              -0x1.ffffffp127,
                              (double)FLT_MAX,
                              -(double)FLT_MAX,
                              0.0,
                              -0.0,
                              0x1p-150,
                              0x1p-149,
                              -0x1p-150,
                              (double)INFINITY,
                              -(double)INFINITY,
                              (double)NAN};
    for (size_t i = 0; i < sizeof centres / sizeof centres[0]; i++) {
        compare_sides(threshold, wide, centres[i]);
        compare_sides(threshold, wide, nextafter(centres[i], (double)INFINITY));
        compare_sides(threshold, wide, nextafter(centres[i], -(double)INFINITY));
    }
}

static void test_widen(void **state)
{
    (void)state;
    const double odd[] = {0.0,
                          -0.0,
                          0x1p-149,
                          -0x1p-149,
                          0x1p-150,
                          -0x1p-150,
                          1e-46,
                          FLT_MAX,
                          -FLT_MAX,
                          1e300,
                          -1e300,
                          INFINITY,
                          0.1,
                          1.0 / 3,
                          -2.5,
                          0x1p-126,
                          0x1.fffffefp0,
                          -INFINITY,
                          FLT_MIN,
                          -FLT_MIN,
                          1e-40,
                          -1e-40,
                          0x1.fffffe0000001p127};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        compare_around(odd[i]);
    }
    uint64_t random = 11;
    for (uint32_t i = 0; i < 200000; i++) {
        const uint64_t bits = synthetic_next(&random);
        double threshold = 0.0;
        const uint32_t half = (uint32_t)bits;
        float narrow = 0.0F;
        memcpy(&narrow, &half, sizeof narrow);
        memcpy(&threshold, &bits, sizeof threshold);
        threshold = i % 2 == 0 ? (double)narrow : ldexp(threshold, i % 3 == 0 ? 0 : (int)(i % 200));
        if (!isnan(threshold)) {
            compare_around(threshold);
        }
    }
}

/* The two in one, what they say picked side by side; returns the first slot of that. */
static uint32_t combine_two(espalier_forest *whole, const espalier_forest *first,
                            const espalier_forest *second,
                            const espalier_combine_features *features)
{
    espalier_combine combine = {.whole = whole, .memory_left = UINT64_MAX};
    uint32_t offsets[2] = {9, 9};
    whole->feature_count = 4;
    whole->missing_allowed = true;
    whole->infinite_allowed = true;
    whole->leaf_hidden = true;
    assert_int_equal(espalier_combine_add(&combine, first, NULL, &offsets[0]), ESPALIER_OK);
    assert_int_equal(espalier_combine_add(&combine, second, features, &offsets[1]), ESPALIER_OK);
    (void)espalier_combine_close(&combine);
    whole->group_count = 1;
    whole->group_width = calloc(1, sizeof *whole->group_width);
    assert_non_null(whole->group_width);
    whole->group_width[0] = 1;
    whole->default_output = ESPALIER_OUTPUT_VALUE;
    const double slots[2] = {(double)offsets[0], (double)offsets[1]};
    const uint32_t both = espalier_plan_add_stage(
        whole, &(espalier_forest_stage){.operation = ESPALIER_FOREST_PICK, .count = 2}, slots);
    assert_true(
        espalier_plan_add_output(whole, &(espalier_forest_output){.kind = ESPALIER_OUTPUT_VALUE,
                                                                  .first_slot = both,
                                                                  .slot_count = 2}));
    return both;
}

/* A forest of float32 features behind one of float64: the second part answers as it did alone. */
static void test_two_parts(void **state)
{
    (void)state;
    const synthetic_options first_options = {.seed = 5,
                                             .trainer = SYNTHETIC_LIGHTGBM,
                                             .tree_count = 7,
                                             .feature_count = 4,
                                             .decision_count_max = 12,
                                             .group_count = 1};
    const synthetic_options second_options = {
        .seed = 6, .tree_count = 5, .feature_count = 2, .decision_count_max = 9, .group_count = 1};
    const uint32_t numbers[2] = {3, 1};
    const espalier_combine_features features = {numbers, 2};
    espalier_forest first = {0};
    espalier_forest second = {0};
    synthetic_forest_make(&first_options, &first);
    synthetic_forest_make(&second_options, &second);
    espalier_forest whole = {0};
    const uint32_t both = combine_two(&whole, &first, &second, &features);
    espalier_error error;
    assert_int_equal(espalier_forest_validate(&whole, "whole", &error), ESPALIER_OK);
    assert_int_equal(whole.input, ESPALIER_FOREST_INPUT_FLOAT64);
    assert_int_equal(espalier_forest_part_count(&whole), 2);

    const uint32_t slot_count = espalier_reference_slot_count(&whole);
    double *const answers = calloc(slot_count, sizeof *answers);
    double *const alone = calloc(espalier_reference_slot_count(&second) + 1, sizeof *alone);
    assert_non_null(answers);
    assert_non_null(alone);
    uint64_t random = 3;
    for (uint32_t i = 0; i < 2000; i++) {
        double row[4];
        for (uint32_t k = 0; k < 4; k++) {
            row[k] = ldexp((double)(int64_t)synthetic_next(&random), -62);
        }
        const double seen[2] = {row[3], row[1]};
        espalier_reference_evaluate_float64(&whole, row, 1, answers, NULL);
        espalier_reference_evaluate_float64(&second, seen, 1, alone, NULL);
        assert_memory_equal(&answers[both + 1], &alone[0], sizeof *alone);
    }
    free(answers);
    free(alone);

    const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_MASK, ESPALIER_LAYOUT_ANY};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        espalier_flat flat;
        assert_int_equal(espalier_flatten_to(&whole, layouts[i], "whole", &flat, &error),
                         ESPALIER_OK);
        assert_int_equal(flat.part_count, 2);
        assert_int_equal(flat.parts[1].leaf_offset % ESPALIER_ALIGNMENT_MIN, 0);
        assert_int_equal(flat.parts[1].first_tree, 7);
        espalier_flat_free(&flat);
    }
    espalier_forest_free(&whole);
    espalier_forest_free(&first);
    espalier_forest_free(&second);
}

/* F-469 to F-471: the second part starts from a stage of the first, which keeps its iterations. */
static void test_starts_from_slots(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 5,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 6,
                                       .feature_count = 4,
                                       .decision_count_max = 12,
                                       .group_count = 1};
    espalier_forest first = {0};
    espalier_forest second = {0};
    synthetic_options other = options;
    other.seed = 9;
    synthetic_forest_make(&options, &first);
    synthetic_forest_make(&other, &second);
    espalier_forest whole = {.feature_count = 4, .missing_allowed = true, .infinite_allowed = true};
    espalier_combine combine = {.whole = &whole, .memory_left = UINT64_MAX};
    uint32_t offset = 0;
    assert_int_equal(espalier_combine_add(&combine, &first, NULL, &offset), ESPALIER_OK);
    const double three[1] = {3.0};
    const uint32_t start = espalier_plan_add_stage(
        &whole, &(espalier_forest_stage){.operation = ESPALIER_FOREST_MULTIPLY, .count = 1}, three);
    assert_int_equal(espalier_combine_add(&combine, &second, NULL, &offset), ESPALIER_OK);
    whole.parts[0].all_iterations = true;
    free(whole.parts[1].start);
    whole.parts[1].start = NULL;
    whole.parts[1].from_slots = true;
    whole.parts[1].start_slot = start;
    whole.leaf_part = 1;
    (void)espalier_combine_close(&combine);
    whole.group_count = 1;
    whole.group_width = calloc(1, sizeof *whole.group_width);
    assert_non_null(whole.group_width);
    whole.group_width[0] = 1;
    whole.default_output = ESPALIER_OUTPUT_VALUE;
    assert_true(
        espalier_plan_add_output(&whole, &(espalier_forest_output){.kind = ESPALIER_OUTPUT_VALUE,
                                                                   .first_slot = offset,
                                                                   .slot_count = 1}));
    espalier_error error;
    assert_int_equal(espalier_forest_validate(&whole, "whole", &error), ESPALIER_OK);

    espalier_flat flat;
    assert_int_equal(espalier_flatten_to(&whole, ESPALIER_LAYOUT_WALK, "whole", &flat, &error),
                     ESPALIER_OK);
    const espalier_file_step *const steps = flat.steps.data;
    assert_int_equal(flat.steps.bytes / sizeof *steps, 4);
    assert_int_equal(steps[2].kind, ESPALIER_STEP_STAGES);
    assert_int_equal(steps[3].kind, ESPALIER_STEP_TREES);
    assert_int_equal(flat.parts[1].start, ESPALIER_START_SLOTS);
    assert_int_equal(flat.parts[1].start_index, start);
    assert_int_equal(flat.parts[0].range, ESPALIER_RANGE_DEFAULT);
    assert_int_equal(flat.parts[1].range, ESPALIER_RANGE_ASKED);
    espalier_flat_free(&flat);

    whole.parts[1].start_slot = whole.parts[1].first_slot; /* its own */
    assert_int_equal(espalier_forest_validate(&whole, "whole", &error), ESPALIER_ERROR_SOURCE_TREE);
    whole.parts[1].start_slot = start;
    whole.parts[1].all_iterations = true; /* and so no part has a caller's */
    assert_int_equal(espalier_forest_validate(&whole, "whole", &error), ESPALIER_ERROR_SOURCE_TREE);
    espalier_forest_free(&whole);
    espalier_forest_free(&first);
    espalier_forest_free(&second);
}

/* A LightGBM forest of linear trees: leaf i is a line of i % 3 of the four features. */
static void make_lines(uint64_t seed, espalier_forest *forest)
{
    const synthetic_options options = {.seed = seed,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 5,
                                       .feature_count = 4,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .linked = true};
    synthetic_forest_make(&options, forest);
    forest->line_count = forest->leaf_count;
    forest->linear_leaves = calloc(forest->leaf_count, sizeof *forest->linear_leaves);
    forest->terms = calloc(forest->leaf_count * 2, sizeof *forest->terms);
    assert_non_null(forest->linear_leaves);
    assert_non_null(forest->terms);
    for (uint64_t i = 0; i < forest->leaf_count; i++) {
        const double sign = i % 2 == 0 ? 1.0 : -1.0;
        const uint32_t count = (uint32_t)(i % 3);
        /* Without a constant what is tiny decides. */
        forest->linear_leaves[i] =
            (espalier_forest_linear_leaf){i % 4 == 1 ? 0.0 : sign / 3, (double)i,
                                          forest->term_count, count};
        for (uint32_t k = 0; k < count; k++) {
            forest->terms[forest->term_count++] =
                (espalier_forest_term){sign * 0.7 + (double)k, (uint32_t)((i + k) % 4)};
        }
    }
    assert_int_equal(espalier_linear_lift(forest), ESPALIER_OK);
    espalier_error error;
    assert_int_equal(espalier_forest_validate(forest, "lines", &error), ESPALIER_OK);
}

/* Numbers that are no float32, tiny ones, what rounding makes tiny, none. */
static void fill_row(uint64_t *random, double row[4])
{
    static const double odd[] = {1e-36,   -1e-35, 1.0000001e-35, -0.0,
                                 1.0 / 3, 5e-324, (double)NAN,   9.9999999e-36};
    for (uint32_t k = 0; k < 4; k++) {
        const uint64_t bits = synthetic_next(random);
        row[k] = bits % 3 == 0 ? odd[bits / 3 % (sizeof odd / sizeof odd[0])]
                               : ldexp((double)(int64_t)bits, -62);
    }
}

/* What a forest's slots hold is what they hold in the whole, from slot `offset` on. */
static void compare_slots(const espalier_forest *whole, const espalier_forest *alone,
                          uint32_t offset)
{
    const uint32_t count = espalier_reference_slot_count(alone);
    double *const answers = calloc(espalier_reference_slot_count(whole), sizeof *answers);
    double *const own = calloc(count, sizeof *own);
    assert_non_null(answers);
    assert_non_null(own);
    uint64_t random = 12;
    for (uint32_t i = 0; i < 2000; i++) {
        double row[4];
        fill_row(&random, row);
        espalier_reference_evaluate_float64(whole, row, 1, answers, NULL);
        espalier_reference_evaluate_float64(alone, row, 1, own, NULL);
        assert_memory_equal(answers + offset, own, count * sizeof *own);
    }
    free(answers);
    free(own);
}

/* F-474: lines beside trees that compare otherwise take what they would alone, also where the
 * whole becomes a part of another. */
static void test_lines(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 6,
                                       .tree_count = 3,
                                       .feature_count = 4,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .missing_allowed = true};
    espalier_forest plain = {0};
    synthetic_forest_make(&options, &plain);
    for (uint32_t rounded = 0; rounded < 2; rounded++) {
        espalier_forest lines = {0};
        espalier_forest others = {0};
        espalier_forest whole = {0};
        espalier_forest outer = {0};
        make_lines(21, &lines);
        make_lines(22, &others);
        lines.input = rounded != 0 ? ESPALIER_FOREST_INPUT_FLOAT32 : ESPALIER_FOREST_INPUT_FLOAT64;
        (void)combine_two(&whole, &lines, rounded != 0 ? &others : &plain, NULL);
        compare_slots(&whole, &lines, 0);
        if (rounded != 0) {
            compare_slots(&whole, &others, espalier_reference_slot_count(&lines));
        }
        (void)combine_two(&outer, &plain, &whole, NULL);
        const uint32_t offset = espalier_reference_slot_count(&plain);
        compare_slots(&outer, &lines, offset);
        assert_int_equal(outer.part_count, 3);
        assert_int_equal(outer.parts[1].linear, true);
        assert_int_equal(outer.parts[1].first_line, 0);
        assert_int_equal(outer.parts[2].linear, rounded != 0);
        assert_int_equal(outer.parts[2].first_line, rounded != 0 ? lines.line_count : 0);
        assert_int_equal(outer.line_count,
                         lines.line_count + (rounded != 0 ? others.line_count : 0));

        espalier_error error;
        espalier_flat flat;
        assert_int_equal(espalier_forest_validate(&outer, "outer", &error), ESPALIER_OK);
        assert_int_equal(espalier_flatten_to(&outer, ESPALIER_LAYOUT_ANY, "outer", &flat, &error),
                         ESPALIER_OK);
        espalier_flat_free(&flat);
        outer.parts[1].first_line++;
        assert_int_equal(espalier_forest_validate(&outer, "outer", &error),
                         ESPALIER_ERROR_SOURCE_TREE);
        espalier_forest_free(&outer);
        espalier_forest_free(&whole);
        espalier_forest_free(&others);
        espalier_forest_free(&lines);
    }
    espalier_forest_free(&plain);
}

/* A feature beyond those that are seen, and memory that ends at any place. */
/* Two forests with sets of feature 0, the second as HistGradientBoosting has them: codes, and
 * numbers below 256. texts: the feature's categories are strings. */
static espalier_status combine_sets(bool texts, espalier_forest *whole)
{
    espalier_forest forests[2];
    espalier_combine combine = {.whole = whole, .memory_left = UINT64_MAX};
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < 2; i++) {
        const synthetic_options options = {.seed = 11 + i,
                                           .trainer = SYNTHETIC_LIGHTGBM,
                                           .tree_count = 4,
                                           .feature_count = 3,
                                           .decision_count_max = 12,
                                           .group_count = 1,
                                           .missing_allowed = true,
                                           .set_features = 1};
        synthetic_forest_make(&options, &forests[i]);
        uint32_t most = 0;
        for (uint32_t k = 0; k < forests[i].member_count; k++) {
            most = forests[i].members[k] > most ? forests[i].members[k] : most;
        }
        uint32_t number = 0;
        for (uint32_t k = 0; texts && k <= most; k++) {
            char text[16];
            const int bytes = snprintf(text, sizeof text, "%u", (k * 7 + i) % (most + 1));
            assert_int_equal(espalier_categories_add(&forests[i].categories, 0, text, (size_t)bytes,
                                                     &number),
                             ESPALIER_OK);
        }
        if (texts) {
            espalier_categories_of(&forests[i].categories, 0)->unknown = (double)NAN;
        }
        if (i == 1) {
            forests[i].category = ESPALIER_FOREST_CATEGORY_8;
            forests[i].codes = calloc(3, sizeof *forests[i].codes);
            assert_non_null(forests[i].codes);
            forests[i].code_count = 3;
            forests[i].codes[0].count = most + 1;
            forests[i].codes[0].values = calloc(most + (size_t)1, sizeof(double));
            assert_non_null(forests[i].codes[0].values);
            for (uint32_t k = 0; k <= most; k++) {
                forests[i].codes[0].values[k] = (double)k;
            }
        }
    }
    /* In either order. */
    for (uint32_t i = 0; i < 2 && status == ESPALIER_OK; i++) {
        uint32_t offset = 0;
        status = espalier_combine_add(&combine, &forests[texts ? 1 - i : i], NULL, &offset);
    }
    (void)espalier_combine_close(&combine);
    espalier_forest_free(&forests[0]);
    espalier_forest_free(&forests[1]);
    return status;
}

/* Sets of strings are the same to every trainer, and once were refused beside those of another; of
 * numbers they still are. */
static void test_sets_of_strings(void **state)
{
    (void)state;
    espalier_forest whole = {.feature_count = 3, .missing_allowed = true, .infinite_allowed = true};
    assert_int_equal(combine_sets(true, &whole), ESPALIER_OK);
    assert_int_equal(whole.category, ESPALIER_FOREST_CATEGORY_INT32);
    assert_true(whole.set_count > 0 && whole.preparation != NULL);
    for (uint32_t i = 0; i < whole.set_count; i++) {
        assert_true(whole.sets[i].feature >= 3); /* behind an INDEX */
        assert_false(espalier_forest_has_codes(&whole, whole.sets[i].feature));
    }
    espalier_forest_free(&whole);
    whole =
        (espalier_forest){.feature_count = 3, .missing_allowed = true, .infinite_allowed = true};
    assert_int_equal(combine_sets(false, &whole), ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    espalier_forest_free(&whole);
}

static void test_refused(void **state)
{
    (void)state;
    const synthetic_options options = {
        .seed = 8, .tree_count = 3, .feature_count = 4, .decision_count_max = 9, .group_count = 1};
    const uint32_t numbers[1] = {0};
    const espalier_combine_features features = {numbers, 1};
    espalier_forest forest = {0};
    synthetic_forest_make(&options, &forest);
    uint32_t offset = 0;
    espalier_forest whole = {0};
    espalier_combine combine = {.whole = &whole, .memory_left = UINT64_MAX};
    assert_int_equal(espalier_combine_add(&combine, &forest, &features, &offset),
                     ESPALIER_ERROR_SOURCE_TREE);
    (void)espalier_combine_close(&combine);
    espalier_forest_free(&whole);
    for (uint64_t memory = 0; memory < 2000; memory += 50) {
        combine = (espalier_combine){.whole = &whole, .memory_left = memory};
        const espalier_status status = espalier_combine_add(&combine, &forest, NULL, &offset);
        assert_true(status == ESPALIER_OK || status == ESPALIER_ERROR_SOURCE_LIMIT);
        (void)espalier_combine_close(&combine);
        espalier_forest_free(&whole);
    }
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widen),
        cmocka_unit_test(test_two_parts),
        cmocka_unit_test(test_starts_from_slots),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_sets_of_strings),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
