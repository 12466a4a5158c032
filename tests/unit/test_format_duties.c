// SPDX-License-Identifier: Apache-2.0
/*
 * Duties of docs/format.md that no broken file can show: what a reader accepts or must not depend
 * on, and what a writer must do.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 30u

static model_bytes make_model(const synthetic_options *options, espalier_forest *forest,
                              void (*change)(espalier_flat *flat))
{
    synthetic_forest_make(options, forest);
    return model_bytes_of_changed(forest, 0, ESPALIER_LAYOUT_WALK, change);
}

static const synthetic_options classifier = {.seed = 51,
                                             .tree_count = 9,
                                             .feature_count = 40,
                                             .decision_count_max = 25,
                                             .group_count = 1,
                                             .class_count = 3,
                                             .missing_allowed = true};

/* Probabilities of ROWS rows; the caller frees. */
static double *predict_rows(const espalier_model *model, const espalier_forest *forest,
                            const float *values)
{
    double *const out = malloc(ROWS * forest->leaf_width * sizeof *out);
    assert_non_null(out);
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const espalier_rows rows = espalier_rows_float32(values, ROWS, forest->feature_count);
    espalier_outputs outputs = {.data = out, .data_bytes = ROWS * forest->leaf_width * sizeof *out};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_OK);
    espalier_predictor_destroy(predictor);
    return out;
}

/* F-002: tables that change after they were read change nothing; the mapping is the caller's
 * here. */
static void test_tables_are_copied(void **state)
{
    (void)state;
    espalier_forest forest;
    model_bytes bytes = make_model(&classifier, &forest, NULL);
    const size_t padded = (bytes.bytes + ((size_t)1 << 20)) / 64 * 64;
    uint8_t *const memory = aligned_alloc(64, padded);
    assert_non_null(memory);
    memset(memory, 0, padded);
    memcpy(memory, bytes.data, bytes.bytes);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(memory, padded, NULL, &model, NULL), ESPALIER_OK);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.mapping, ESPALIER_MAPPING_CALLER);
    float *const values = model_rows_make(&forest, 1, ROWS, 0);
    double *const before = predict_rows(model, &forest, values);
    const espalier_file_header *const header = (const void *)bytes.data;
    memset(memory, 0xFF, (size_t)header->private_end);
    double *const after = predict_rows(model, &forest, values);
    assert_memory_equal(before, after, ROWS * forest.leaf_width * sizeof *before);
    free(before);
    free(after);
    free(values);
    espalier_model_close(model);
    free(memory);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

/* F-014, F-017, F-031: what a newer minor version may add is accepted. */
static void test_newer_minor_versions(void **state)
{
    (void)state;
    espalier_forest forest;
    model_bytes bytes = make_model(&classifier, &forest, NULL);
    espalier_file_header *const header = (void *)bytes.data;
    header->format_minor = 77;
    header->optional_features = UINT64_MAX;
    espalier_file_section *const metadata = model_bytes_section(&bytes, ESPALIER_SECTION_METADATA);
    metadata->type = 1000; /* optional, and unknown here */
    metadata->encoding = 9;
    model_bytes_seal(&bytes);
    const espalier_open_options options = {sizeof options, ESPALIER_OPEN_VERIFY, 0, {0}};
    espalier_model *model = NULL;
    espalier_error error;
    const espalier_status status =
        espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, &error);
    if (status != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.format_minor, 77);
    const char *text = NULL;
    size_t text_bytes = 1;
    assert_int_equal(espalier_model_metadata(model, &text, &text_bytes), ESPALIER_OK);
    assert_int_equal(text_bytes, 0);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

static void sum_sequentially(espalier_flat *flat)
{
    espalier_file_stage *const stage = flat->stages.data;
    stage->order = ESPALIER_ORDER_SEQUENTIAL;
}

/* F-248, F-249: the sequential order, where it differs from the pairwise one; a zero sum. */
static void test_sequential_normalise(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 52,
                                       .tree_count = 1,
                                       .feature_count = 3,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .class_count = 40,
                                       .normalise = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    for (uint32_t i = 0; i < forest.leaf_width; i++) {
        forest.leaf_values[i] = 0.0; /* leaf 0 is all zero */
    }
    for (uint64_t i = forest.leaf_width; i < forest.leaf_count * forest.leaf_width; i++) {
        forest.leaf_values[i] = 1.0 / (double)(i % 97 + 3);
    }
    model_bytes bytes = model_bytes_of_changed(&forest, 0, ESPALIER_LAYOUT_WALK, sum_sequentially);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    float *const values = model_rows_make(&forest, 3, ROWS, 0);
    double *const got = predict_rows(model, &forest, values);
    for (size_t r = 0; r < ROWS; r++) {
        uint64_t node = forest.trees[0].first_node;
        while (forest.left[node] != ESPALIER_FOREST_LEAF) {
            const float x = values[r * 3 + forest.feature[node]];
            node = (double)x <= forest.threshold[node] ? forest.left[node] : forest.right[node];
        }
        const double *const leaf = forest.leaf_values + forest.right[node] * forest.leaf_width;
        double sum = 0.0;
        for (uint32_t i = 0; i < forest.leaf_width; i++) {
            sum += leaf[i];
        }
        sum = sum == 0.0 ? 1.0 : sum;
        for (uint32_t i = 0; i < forest.leaf_width; i++) {
            const double want = leaf[i] / sum;
            assert_memory_equal(&got[r * forest.leaf_width + i], &want, sizeof want);
        }
    }
    free(got);
    free(values);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

/* F-123: feature columns ascend by feature, then missing, and some node tests each or the other of
 * its pair. */
static void check_columns(const model_bytes *bytes, bool missing_allowed)
{
    const espalier_file_column *const columns = model_bytes_data(bytes, ESPALIER_SECTION_COLUMNS);
    const espalier_file_part *const part = model_bytes_data(bytes, ESPALIER_SECTION_PARTS);
    const espalier_file_node *const nodes = model_bytes_data(bytes, ESPALIER_SECTION_NODES);
    const uint64_t count =
        model_bytes_section(bytes, ESPALIER_SECTION_COLUMNS)->bytes / sizeof *columns;
    const uint64_t node_count =
        model_bytes_section(bytes, ESPALIER_SECTION_NODES)->bytes / sizeof *nodes;
    const uint64_t leaves = 1u + (columns[1].kind == ESPALIER_COLUMN_LEAF);
    for (uint64_t i = leaves; i < count; i++) {
        bool tested = false;
        for (uint64_t n = 0; n < node_count; n++) {
            const uint64_t column = nodes[n].word >> part->child_bits;
            tested = tested || column == i || (leaves == 2 && column == (i ^ 1));
        }
        assert_true(tested);
        assert_true(missing_allowed || columns[i].missing == ESPALIER_MISSING_RIGHT);
        if (i > leaves) {
            const uint64_t key = columns[i].feature * 2ull + columns[i].missing;
            assert_true(key > columns[i - 1].feature * 2ull + columns[i - 1].missing);
        }
    }
}

/* F-050: no version, feature or flag that is not used; F-136: tree numbers differ; F-092: no
 * constants without use; F-281: converted files are checked in test_convert. */
static void test_writer_sets_no_more_than_needed(void **state)
{
    (void)state;
    for (int missing = 0; missing < 2; missing++) {
        synthetic_options options = classifier;
        options.missing_allowed = missing != 0;
        espalier_forest forest;
        model_bytes bytes = make_model(&options, &forest, NULL);
        const espalier_file_header *const header = (const void *)bytes.data;
        assert_int_equal(header->format_minor, 0);
        assert_int_equal(header->required_features, 0);
        assert_int_equal(header->optional_features, 0);
        assert_null(model_bytes_section(&bytes, ESPALIER_SECTION_CONSTANTS));
        assert_null(model_bytes_section(&bytes, ESPALIER_SECTION_STAGES));
        const espalier_file_tree *const trees = model_bytes_data(&bytes, ESPALIER_SECTION_TREES);
        for (uint32_t i = 0; i < forest.tree_count; i++) {
            assert_int_equal(trees[i].number, i);
            assert_int_equal(trees[i].iteration, i);
        }
        check_columns(&bytes, missing != 0);
        model_bytes_free(&bytes);
        espalier_forest_free(&forest);
    }
}

/* F-166, and F-160 for nodes of 16 bytes. */
static void test_wide_nodes(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 53,
                                       .tree_count = 20,
                                       .feature_count = 90000,
                                       .decision_count_max = 9000,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    model_bytes bytes = make_model(&options, &forest, NULL);
    espalier_file_node_wide *const nodes = model_bytes_data(&bytes, ESPALIER_SECTION_NODES);
    assert_int_equal(
        ((const espalier_file_part *)model_bytes_data(&bytes, ESPALIER_SECTION_PARTS))->node_bytes,
        16);
    const espalier_open_options verify = {sizeof verify, ESPALIER_OPEN_VERIFY, 0, {0}};
    for (int damage = 0; damage < 4; damage++) {
        const espalier_file_node_wide sound = nodes[0];
        nodes[0].reserved = damage == 1;
        nodes[0].child |= damage == 2 ? UINT32_C(1) << 31 : 0;
        nodes[0].column = damage == 3 ? UINT32_C(1) << 20 : nodes[0].column;
        model_bytes_seal(&bytes);
        espalier_model *model = NULL;
        espalier_error error = {0};
        const espalier_status status =
            espalier_model_open_memory(bytes.data, bytes.bytes, &verify, &model, &error);
        assert_int_equal(status, damage == 0 ? ESPALIER_OK : ESPALIER_ERROR_INDEX);
        assert_int_equal(error.format_rule, damage == 0 ? 0 : damage == 3 ? 160 : 166);
        espalier_model_close(model);
        nodes[0] = sound;
    }
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_copied),
        cmocka_unit_test(test_newer_minor_versions),
        cmocka_unit_test(test_sequential_normalise),
        cmocka_unit_test(test_writer_sets_no_more_than_needed),
        cmocka_unit_test(test_wide_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
