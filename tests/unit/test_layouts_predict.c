// SPDX-License-Identifier: Apache-2.0
/*
 * Forests of every trainer in every layout, predicted from their files: every ISA level this
 * machine has, every count of rows around groups and flights, float32 and float64 rows, row- and
 * column-major, backwards and unaligned, give the bits of the reference evaluator. Rules F-172,
 * F-240, F-243, F-245, F-255.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/reference.h"
#include "espalier_inspect.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 203u

/* A model, its rows, and what the reference says about them. */
typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
    float *narrow;
    double *wide;
    double *slots[2]; /* of the narrow and of the wide rows */
    uint32_t *leaves[2];
    uint32_t slot_count;
    uint32_t answer_slot;
} fixture;

static void fixture_make(fixture *f, const synthetic_options *options, uint32_t layout)
{
    memset(f, 0, sizeof *f);
    synthetic_forest_make(options, &f->forest);
    f->bytes = model_bytes_of_layout(&f->forest, 5, layout);
    espalier_error error;
    espalier_open_options open = ESPALIER_OPEN_OPTIONS_INIT;
    open.flags = ESPALIER_OPEN_VERIFY;
    if (espalier_model_open_memory(f->bytes.data, f->bytes.bytes, &open, &f->model, &error) !=
        ESPALIER_OK) {
        fail_msg("layout %u, seed %llu: %s", (unsigned)layout, (unsigned long long)options->seed,
                 error.message);
    }
    f->narrow = model_rows_make(&f->forest, options->seed, ROWS, 1);
    f->wide = model_rows_make_float64(&f->forest, options->seed, ROWS, 1);
    f->slot_count = espalier_reference_slot_count(&f->forest);
    f->answer_slot = f->forest.normalise ? f->slot_count / 2 : 0;
    for (int i = 0; i < 2; i++) {
        f->slots[i] = calloc((size_t)ROWS * f->slot_count, sizeof(double));
        f->leaves[i] = calloc((size_t)ROWS * f->forest.tree_count, sizeof(uint32_t));
        assert_true(f->slots[i] != NULL && f->leaves[i] != NULL);
    }
    espalier_reference_evaluate(&f->forest, f->narrow, ROWS, f->slots[0], f->leaves[0]);
    espalier_reference_evaluate_float64(&f->forest, f->wide, ROWS, f->slots[1], f->leaves[1]);
}

static void fixture_free(fixture *f)
{
    espalier_model_close(f->model);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
    free(f->narrow);
    free(f->wide);
    for (int i = 0; i < 2; i++) {
        free(f->slots[i]);
        free(f->leaves[i]);
    }
}

/* The same rows somewhere else: `way` says how they lie. */
enum {
    ROW_MAJOR,
    COLUMN_MAJOR,
    BACKWARDS,
    UNALIGNED,
    WAYS
};

static espalier_rows place_rows(const fixture *f, bool wide, size_t row_count, int way,
                                uint8_t *memory)
{
    const size_t features = f->forest.feature_count;
    const size_t item = wide ? sizeof(double) : sizeof(float);
    const uint8_t *const from = wide ? (const uint8_t *)f->wide : (const uint8_t *)f->narrow;
    espalier_rows rows = {memory,   wide ? ESPALIER_DTYPE_FLOAT64 : ESPALIER_DTYPE_FLOAT32,
                          0,        row_count,
                          features, (ptrdiff_t)features,
                          1};
    uint8_t *data = memory;
    if (way == COLUMN_MAJOR) {
        rows.row_stride = 1;
        rows.feature_stride = (ptrdiff_t)row_count;
    } else if (way == BACKWARDS) {
        rows.row_stride = -(ptrdiff_t)features * 2;
        rows.feature_stride = -2;
        data += (row_count * features * 2 - 1) * item;
    } else if (way == UNALIGNED) {
        rows.row_stride = (ptrdiff_t)features + 1;
        data += 1;
    }
    rows.data = data;
    for (size_t r = 0; r < row_count; r++) {
        for (size_t c = 0; c < features; c++) {
            const ptrdiff_t at =
                (ptrdiff_t)r * rows.row_stride + (ptrdiff_t)c * rows.feature_stride;
            memcpy(data + at * (ptrdiff_t)item, from + (r * features + c) * item, item);
        }
    }
    return rows;
}

/* Two values with the same bits, or both NaN: the sign of a NaN that arithmetic makes is open. */
static bool same_number(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void check_sums(const fixture *f, espalier_predictor *predictor, bool wide,
                       const espalier_rows *rows, const char *what)
{
    const espalier_output_kind kind = f->forest.task != ESPALIER_FOREST_TASK_FOREST
                                          ? ESPALIER_OUTPUT_MARGIN
                                      : f->forest.classifier ? ESPALIER_OUTPUT_PROBABILITY
                                                             : ESPALIER_OUTPUT_VALUE;
    espalier_output_info info;
    assert_int_equal(espalier_model_output(f->model, kind, &info), ESPALIER_OK);
    const bool narrow = info.dtype == ESPALIER_DTYPE_FLOAT32;
    assert_int_equal(narrow, f->forest.accumulator == ESPALIER_FOREST_SUM_FLOAT32);
    const size_t bytes = rows->row_count * info.width * (narrow ? 4 : 8);
    uint8_t *const out = malloc(bytes);
    assert_non_null(out);
    espalier_outputs outputs = {.data = out, .data_bytes = bytes};
    assert_int_equal(espalier_predict(predictor, kind, rows, &outputs), ESPALIER_OK);
    for (size_t i = 0; i < rows->row_count * info.width; i++) {
        const size_t row = i / info.width;
        const double want = f->slots[wide][row * f->slot_count + f->answer_slot + i % info.width];
        double got = 0.0;
        float got_narrow = 0.0f;
        memcpy(&got, out + (narrow ? 0 : i * 8), 8 <= bytes ? 8 : 0);
        memcpy(&got_narrow, out + (narrow ? i * 4 : 0), 4);
        got = narrow ? (double)got_narrow : got;
        if (!same_number(got, want)) {
            fail_msg("%s: %zu rows, row %zu, value %zu: %a, not %a", what, rows->row_count, row,
                     i % info.width, got, want);
        }
    }
    free(out);
}

static void check_leaves(const fixture *f, espalier_predictor *predictor, bool wide,
                         const espalier_rows *rows, const char *what)
{
    const size_t trees = f->forest.tree_count;
    int64_t *const out = malloc(rows->row_count * trees * sizeof *out);
    assert_non_null(out);
    espalier_outputs outputs = {.data = out, .data_bytes = rows->row_count * trees * sizeof *out};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_LEAF, rows, &outputs),
                     ESPALIER_OK);
    for (size_t i = 0; i < rows->row_count * trees; i++) {
        if (out[i] != (int64_t)f->leaves[wide][i]) {
            fail_msg("%s: row %zu, tree %zu: leaf %lld, not %u", what, i / trees, i % trees,
                     (long long)out[i], (unsigned)f->leaves[wide][i]);
        }
    }
    free(out);
}

static void check_level(const fixture *f, uint32_t isa, const char *what)
{
    static const size_t counts[] = {1, 2, 3, 7, 8, 9, 31, 63, 64, 65, 100, 127, 128, ROWS};
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    options.isa = isa;
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor), ESPALIER_OK);
    uint8_t *const memory = malloc(ROWS * (f->forest.feature_count + 1) * 2 * sizeof(double) + 8);
    assert_non_null(memory);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (int way = 0; way < WAYS * 2; way++) {
            const bool wide = way >= WAYS;
            const espalier_rows rows = place_rows(f, wide, counts[i], way % WAYS, memory);
            char where[96];
            (void)snprintf(where, sizeof where, "%s, %s, %s, way %d", what,
                           espalier_predictor_kernel(predictor), wide ? "float64" : "float32",
                           way % WAYS);
            check_sums(f, predictor, wide, &rows, where);
            if (i % 4 == 0) {
                check_leaves(f, predictor, wide, &rows, where);
            }
        }
    }
    free(memory);
    espalier_predictor_destroy(predictor);
}

/* The layout that was asked for, at every level there is. */
static void check_forest(const synthetic_options *options, uint32_t layout)
{
    fixture f;
    fixture_make(&f, options, layout);
    espalier_part_info part = ESPALIER_PART_INFO_INIT;
    assert_int_equal(espalier_model_part(f.model, 0, &part), ESPALIER_OK);
    assert_int_equal(part.layout, layout);
    for (uint32_t isa = ESPALIER_ISA_AUTO; isa < ESPALIER_ISA_COUNT; isa++) {
        char what[64];
        (void)snprintf(what, sizeof what, "layout %u, seed %llu, trainer %d", (unsigned)layout,
                       (unsigned long long)options->seed, (int)options->trainer);
        if (espalier_isa_supported((espalier_isa)isa)) {
            check_level(&f, isa, what);
        }
    }
    fixture_free(&f);
}

static void test_shallow_trees(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
            const synthetic_options options = {.seed = seed,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = 5 + (uint32_t)seed * 3,
                                               .feature_count = 1 + (uint32_t)seed * 2,
                                               .decision_count_max = 3 + (uint32_t)seed * 8,
                                               .group_count = 1,
                                               .class_count = (uint32_t)(seed % 4),
                                               .missing_allowed = true,
                                               .shape = SYNTHETIC_BEST_FIRST,
                                               .depth_max = 1 + (uint32_t)seed % 8};
            check_forest(&options, ESPALIER_LAYOUT_WALK);
            check_forest(&options, ESPALIER_LAYOUT_HEAP);
            check_forest(&options, ESPALIER_LAYOUT_SELECT);
        }
    }
}

/* Up to 256 columns: what a level keeps in registers, and more. */
static void test_few_leaves(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
            const synthetic_options options = {.seed = 70 + seed,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = 1 + (uint32_t)seed * 5,
                                               .feature_count = 1 + (uint32_t)seed * 4,
                                               .decision_count_max = 31,
                                               .group_count = 1,
                                               .class_count = (uint32_t)(seed % 4),
                                               .missing_allowed = seed < 8,
                                               .shape = seed % 3 == 0 ? SYNTHETIC_CHAIN
                                                                      : SYNTHETIC_BEST_FIRST};
            check_forest(&options, ESPALIER_LAYOUT_BITS);
        }
    }
}

static void test_chains(void **state)
{
    (void)state;
    for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        const synthetic_options options = {.seed = 21,
                                           .trainer = (synthetic_trainer)trainer,
                                           .tree_count = 9,
                                           .feature_count = 4,
                                           .decision_count_max = 255,
                                           .group_count = 1,
                                           .shape = SYNTHETIC_CHAIN,
                                           .missing_allowed = true};
        check_forest(&options, ESPALIER_LAYOUT_WALK);
        check_forest(&options, ESPALIER_LAYOUT_SELECT);
    }
}

/* More than 256 columns, or more cuts than a byte counts: segments and two-byte codes. */
static void test_many_columns(void **state)
{
    (void)state;
    for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        for (uint32_t features = 3; features <= 420; features += 139) {
            const synthetic_options options = {.seed = 40 + features,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = 24,
                                               .feature_count = features,
                                               .decision_count_max = 120,
                                               .group_count = 1,
                                               .missing_allowed = true,
                                               .shape = SYNTHETIC_BEST_FIRST,
                                               .depth_max = 8};
            check_forest(&options, ESPALIER_LAYOUT_WALK);
            check_forest(&options, ESPALIER_LAYOUT_HEAP);
            check_forest(&options, ESPALIER_LAYOUT_SELECT);
        }
    }
}

/* Features with categories, beside others and alone, of some and of many sets; F-304, F-306. */
static void test_sets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 9; seed++) {
        for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
            const synthetic_options options = {.seed = 90 + seed,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = 3 + (uint32_t)seed * 7,
                                               .feature_count = (uint32_t)seed,
                                               .set_features = 1 + (uint32_t)seed / 3,
                                               .decision_count_max = 2 + (uint32_t)seed * 12,
                                               .group_count = 1,
                                               .class_count = (uint32_t)(seed % 3),
                                               .missing_allowed = seed < 6,
                                               .shape = seed % 2 == 0 ? SYNTHETIC_PREORDER
                                                                      : SYNTHETIC_BEST_FIRST};
            check_forest(&options, ESPALIER_LAYOUT_WALK);
        }
    }
}

/* F-172: the leaves of SELECT trees follow each other, and the last has 256 rows. */
static void test_rows_behind_the_last_leaf(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 61,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 7,
                                       .feature_count = 4,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    fixture f;
    fixture_make(&f, &options, ESPALIER_LAYOUT_SELECT);
    const espalier_file_tree *const trees = model_bytes_data(&f.bytes, ESPALIER_SECTION_TREES);
    const float *const leaves = model_bytes_data(&f.bytes, ESPALIER_SECTION_LEAVES);
    uint32_t row = 0;
    for (uint32_t i = 0; i < f.forest.tree_count; i++) {
        assert_int_equal(trees[i].first_leaf, row);
        row += trees[i].leaf_count;
    }
    const uint32_t end = trees[f.forest.tree_count - 1].first_leaf + ESPALIER_SELECT_LEAVES;
    const espalier_file_part *const part = model_bytes_data(&f.bytes, ESPALIER_SECTION_PARTS);
    assert_int_equal(part->leaf_count, end);
    assert_int_equal(part->leaf_width, 1);
    for (; row < end; row++) {
        assert_true(leaves[row] == 0.0f);
    }
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shallow_trees), cmocka_unit_test(test_few_leaves),
        cmocka_unit_test(test_chains),        cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_sets),          cmocka_unit_test(test_rows_behind_the_last_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
