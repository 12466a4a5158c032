// SPDX-License-Identifier: Apache-2.0
/*
 * Every kernel of the walk layout against the reference evaluator, bit for bit: many shapes of
 * forests, every way rows can lie in memory, every number of rows around the sizes kernels work in,
 * odd values; inputs and outputs end on an inaccessible page. Rules F-240, F-243, F-245,
 * F-251, F-252, F-253.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/reference.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory that ends where an inaccessible page begins. */
typedef struct guarded {
    uint8_t *pages;
    size_t bytes; /* accessible, whole pages */
    uint8_t *data;
} guarded;

static guarded guarded_make(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t rounded = (bytes + page - 1) / page * page;
    uint8_t *const pages =
        mmap(NULL, rounded + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + rounded, page, PROT_NONE), 0);
    const guarded memory = {pages, rounded, pages + rounded - bytes};
    return memory;
}

static void guarded_free(guarded *memory)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap(memory->pages, memory->bytes + page), 0);
}

/* How rows lie in memory. */
typedef enum arrangement {
    ROW_MAJOR = 0,
    COLUMN_MAJOR = 1,
    PADDED = 2,   /* row-major with cells between rows */
    REVERSED = 3, /* negative strides */
    ARRANGEMENT_COUNT = 4
} arrangement;

static guarded arrange_rows(const float *values, size_t row_count, size_t feature_count,
                            arrangement how, uint32_t dtype, espalier_rows *rows_out)
{
    const size_t item = dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
    const ptrdiff_t rows = (ptrdiff_t)row_count;
    const ptrdiff_t features = (ptrdiff_t)feature_count;
    ptrdiff_t row_stride = how == COLUMN_MAJOR ? 1 : how == PADDED ? features + 3 : features;
    ptrdiff_t feature_stride = how == COLUMN_MAJOR ? rows : 1;
    size_t first = 0;
    size_t elements = row_count * feature_count;
    if (how == PADDED) {
        elements = (row_count - 1) * (size_t)row_stride + feature_count;
    }
    if (how == REVERSED) {
        row_stride = -row_stride;
        feature_stride = -1;
        first = elements - 1;
    }
    const guarded memory = guarded_make(elements * item);
    for (ptrdiff_t r = 0; r < rows; r++) {
        for (ptrdiff_t f = 0; f < features; f++) {
            const ptrdiff_t at = (ptrdiff_t)first + r * row_stride + f * feature_stride;
            const float value = values[r * features + f];
            const double wide = value;
            memcpy(memory.data + (size_t)at * item, item == 4 ? (const void *)&value : &wide, item);
        }
    }
    *rows_out = (espalier_rows){
        memory.data + first * item, dtype, 0, row_count, feature_count, row_stride, feature_stride};
    return memory;
}

/* What the reference says of some rows. */
typedef struct answers {
    double *slots;
    uint32_t *leaves;
    int32_t *classes;
    uint32_t slot_count;
} answers;

static answers evaluate(const espalier_forest *forest, const float *rows, size_t row_count)
{
    answers a = {NULL, NULL, NULL, espalier_reference_slot_count(forest)};
    a.slots = calloc(row_count * a.slot_count + 1, sizeof *a.slots);
    a.leaves = calloc(row_count * forest->tree_count + 1, sizeof *a.leaves);
    a.classes = calloc(row_count * forest->group_count + 1, sizeof *a.classes);
    assert_true(a.slots != NULL && a.leaves != NULL && a.classes != NULL);
    espalier_reference_evaluate(forest, rows, row_count, a.slots, a.leaves);
    espalier_reference_classes(forest, a.slots, row_count, a.classes);
    return a;
}

static void answers_free(answers *a)
{
    free(a->slots);
    free(a->leaves);
    free(a->classes);
}

/* Predicts one kind into guarded memory and compares every row. */
static void compare_kind(espalier_predictor *predictor, const espalier_forest *forest,
                         espalier_output_kind kind, const espalier_rows *rows, const answers *want)
{
    const size_t row_count = rows->row_count;
    const size_t item = kind == ESPALIER_OUTPUT_CLASS ? 4 : 8;
    const size_t width = kind == ESPALIER_OUTPUT_CLASS  ? forest->group_count
                         : kind == ESPALIER_OUTPUT_LEAF ? forest->tree_count
                                                        : forest->leaf_width;
    guarded memory = guarded_make(row_count * width * item);
    espalier_outputs outputs = {.data = memory.data, .data_bytes = row_count * width * item};
    assert_int_equal(espalier_predict(predictor, kind, rows, &outputs), ESPALIER_OK);
    assert_int_equal(outputs.rows_written, row_count);
    const uint32_t answer = forest->normalise ? espalier_forest_slots(forest) : 0;
    for (size_t r = 0; r < row_count; r++) {
        const uint8_t *const got = memory.data + r * width * item;
        if (kind == ESPALIER_OUTPUT_CLASS) {
            assert_memory_equal(got, want->classes + r * width, width * item);
        } else if (kind == ESPALIER_OUTPUT_LEAF) {
            for (size_t t = 0; t < width; t++) {
                int64_t number;
                memcpy(&number, got + t * item, item);
                assert_int_equal(number, want->leaves[r * width + t]);
            }
        } else {
            assert_memory_equal(got, want->slots + r * want->slot_count + answer, width * item);
        }
    }
    guarded_free(&memory);
}

static void compare_rows(espalier_predictor *predictor, const espalier_forest *forest,
                         const float *values, size_t row_count, const answers *want)
{
    for (int how = 0; how < ARRANGEMENT_COUNT; how++) {
        for (uint32_t dtype = ESPALIER_DTYPE_FLOAT32; dtype <= ESPALIER_DTYPE_FLOAT64; dtype++) {
            espalier_rows rows;
            guarded memory = arrange_rows(values, row_count, forest->feature_count,
                                          (arrangement)how, dtype, &rows);
            compare_kind(predictor, forest, ESPALIER_OUTPUT_LEAF, &rows, want);
            if (forest->classifier) {
                compare_kind(predictor, forest, ESPALIER_OUTPUT_PROBABILITY, &rows, want);
                compare_kind(predictor, forest, ESPALIER_OUTPUT_CLASS, &rows, want);
            } else {
                compare_kind(predictor, forest, ESPALIER_OUTPUT_VALUE, &rows, want);
            }
            guarded_free(&memory);
        }
    }
}

static void check_forest(const synthetic_options *options)
{
    static const uint32_t block_rows[] = {0, 1, 3, 8, 17, 64};
    static const size_t row_counts[] = {1, 2, 7, 8, 9, 15, 16, 17, 33, 65};
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    model_bytes bytes = model_bytes_of(&forest, 8);
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_open_options open_options = {sizeof open_options, ESPALIER_OPEN_VERIFY, 0, {0}};
    const espalier_status opened =
        espalier_model_open_memory(bytes.data, bytes.bytes, &open_options, &model, &error);
    if (opened != ESPALIER_OK) {
        fail_msg("open: %s", error.message);
    }
    float *const odd = model_rows_make(&forest, options->seed + 1, 65, 1);
    float *const even = model_rows_make(&forest, options->seed + 2, 65, 0);
    answers want_odd = evaluate(&forest, odd, 65);
    answers want_even = evaluate(&forest, even, 65);
    for (size_t b = 0; b < 2 * sizeof block_rows / sizeof block_rows[0]; b++) {
        espalier_predictor_options predictor_options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        predictor_options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
        predictor_options.block_rows_max = block_rows[b / 2];
        predictor_options.isa = b % 2 == 0 ? ESPALIER_ISA_SCALAR : ESPALIER_ISA_AUTO;
        espalier_predictor *predictor = NULL;
        assert_int_equal(espalier_predictor_create(model, &predictor_options, &predictor),
                         ESPALIER_OK);
        for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++) {
            /* In turn: what rows with NaN left behind must not show. */
            compare_rows(predictor, &forest, odd, row_counts[i], &want_odd);
            compare_rows(predictor, &forest, even, row_counts[i], &want_even);
        }
        espalier_predictor_destroy(predictor);
    }
    answers_free(&want_odd);
    answers_free(&want_even);
    free(odd);
    free(even);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

static void check_classifiers(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        const synthetic_options options = {.seed = seed,
                                           .tree_count = 1 + (uint32_t)(seed * 7 % 40),
                                           .feature_count = 1 + (uint32_t)(seed * 5 % 23),
                                           .decision_count_max = (uint32_t)(seed * 11 % 90),
                                           .group_count = 1,
                                           .class_count = 1 + (uint32_t)seed,
                                           .shape = (synthetic_shape)(seed % 3),
                                           .missing_allowed = seed % 2 == 0};
        check_forest(&options);
    }
}

static void check_regressors(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 108; seed++) {
        const synthetic_options options = {.seed = seed,
                                           .tree_count = 1 + (uint32_t)(seed % 35),
                                           .feature_count = 1 + (uint32_t)(seed % 9),
                                           .decision_count_max = (uint32_t)(seed % 50),
                                           .group_count = 1 + (uint32_t)(seed % 3),
                                           .class_count = 0,
                                           .missing_allowed = seed % 2 == 0};
        check_forest(&options);
    }
}

static void check_groups_and_counts(void **state)
{
    (void)state;
    for (uint32_t classes = 1; classes < 300; classes = classes * 3 + 2) {
        const synthetic_options options = {.seed = 200 + classes,
                                           .tree_count = 1,
                                           .feature_count = 6,
                                           .decision_count_max = 40,
                                           .group_count = 2,
                                           .class_count = classes,
                                           .normalise = true,
                                           .label_kind = ESPALIER_LABEL_STRING};
        check_forest(&options);
    }
}

static void check_single_nodes(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 7,
                                       .tree_count = 19,
                                       .feature_count = 3,
                                       .decision_count_max = 0,
                                       .group_count = 1,
                                       .class_count = 2};
    check_forest(&options);
}

/* More columns than a narrow node's 16 bits can name: 16-byte nodes. */
static void check_wide_nodes(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 9,
                                       .tree_count = 20,
                                       .feature_count = 90000,
                                       .decision_count_max = 9000,
                                       .group_count = 1,
                                       .class_count = 2,
                                       .missing_allowed = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes bytes = model_bytes_of(&forest, 2);
    const espalier_file_part *const part = model_bytes_data(&bytes, ESPALIER_SECTION_PARTS);
    assert_int_equal(part->node_bytes, 16);
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_open_options open_options = {sizeof open_options, ESPALIER_OPEN_VERIFY, 0, {0}};
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, &open_options, &model,
                                                &error),
                     ESPALIER_OK);
    float *const values = model_rows_make(&forest, 3, 20, 1);
    answers want = evaluate(&forest, values, 20);
    espalier_predictor_options predictor_options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    predictor_options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, &predictor_options, &predictor), ESPALIER_OK);
    compare_rows(predictor, &forest, values, 20, &want);
    compare_rows(predictor, &forest, values, 1, &want);
    espalier_predictor_destroy(predictor);
    answers_free(&want);
    free(values);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_classifiers),       cmocka_unit_test(check_regressors),
        cmocka_unit_test(check_groups_and_counts), cmocka_unit_test(check_single_nodes),
        cmocka_unit_test(check_wide_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
