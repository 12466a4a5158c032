// SPDX-License-Identifier: Apache-2.0
/*
 * Opening in every way, what is refused before a byte is read, and what a model says about itself.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/text_check.h"
#include "espalier_inspect.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    char directory[40];
    char path[64];
} fixture;

static int setup(void **state)
{
    const synthetic_options options = {.seed = 41,
                                       .tree_count = 5,
                                       .feature_count = 6,
                                       .decision_count_max = 30,
                                       .group_count = 2,
                                       .class_count = 2,
                                       .named = true,
                                       .label_kind = ESPALIER_LABEL_STRING};
    fixture *const f = calloc(1, sizeof *f);
    assert_non_null(f);
    synthetic_forest_make(&options, &f->forest);
    f->bytes = model_bytes_of(&f->forest, 3);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/espalier-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof f->path, "%s/model", f->directory);
    model_bytes_write(&f->bytes, f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *const f = *state;
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->directory), 0);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
    free(f);
    return 0;
}

static uint32_t mapping_of(const espalier_model *model)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_true(info.mapped_bytes >= info.file_bytes);
    return info.mapping;
}

/* The same answers whatever way the model was opened; reads the farthest byte it may. */
static void check_opened(espalier_model *model, uint32_t mapping)
{
    assert_int_equal(mapping_of(model), mapping);
    espalier_error error;
    assert_int_equal(espalier_model_verify(model, &error), ESPALIER_OK);
    espalier_model_close(model);
}

static void test_ways_to_open(void **state)
{
    const fixture *const f = *state;
    espalier_model *model = NULL;
    espalier_open_options copy = ESPALIER_OPEN_OPTIONS_INIT;
    copy.flags = ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY;
    assert_int_equal(espalier_model_open(f->path, NULL, &model, NULL), ESPALIER_OK);
    check_opened(model, ESPALIER_MAPPING_RESERVED);
    assert_int_equal(espalier_model_open(f->path, &copy, &model, NULL), ESPALIER_OK);
    check_opened(model, ESPALIER_MAPPING_COPY);
    assert_int_equal(espalier_model_open_memory(f->bytes.data, f->bytes.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    check_opened(model, ESPALIER_MAPPING_COPY);

    /* Memory that is long enough by itself is used as it is. */
    const size_t padded = f->bytes.bytes + ((size_t)2 << 20);
    uint8_t *const long_enough = aligned_alloc(64, (padded + 63) / 64 * 64);
    assert_non_null(long_enough);
    memset(long_enough, 0, padded);
    memcpy(long_enough, f->bytes.data, f->bytes.bytes);
    assert_int_equal(espalier_model_open_memory(long_enough, padded, NULL, &model, NULL),
                     ESPALIER_OK);
    check_opened(model, ESPALIER_MAPPING_CALLER);
    assert_int_equal(espalier_model_open_memory(long_enough, padded, &copy, &model, NULL),
                     ESPALIER_OK);
    check_opened(model, ESPALIER_MAPPING_COPY);
    free(long_enough);
}

/* What was opened stays what it was when its name gets another file, or none. */
static void test_descriptor(void **state)
{
    const fixture *const f = *state;
    const int descriptor = open(f->path, O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(unlink(f->path), 0);
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open_fd(descriptor, NULL, &model, &error), ESPALIER_OK);
    assert_int_equal(close(descriptor), 0);
    check_opened(model, ESPALIER_MAPPING_RESERVED);

    const int sealed = memfd_create("model", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    assert_true(sealed >= 0);
    assert_int_equal(write(sealed, f->bytes.data, f->bytes.bytes), f->bytes.bytes);
    assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_int_equal(espalier_model_open_fd(sealed, NULL, &model, &error), ESPALIER_OK);
    assert_int_equal(close(sealed), 0);
    check_opened(model, ESPALIER_MAPPING_RESERVED);
    assert_int_equal(espalier_model_open_fd(-1, NULL, &model, &error), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_open_fd(9999, NULL, &model, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, EBADF);
}

static void test_no_regular_file(void **state)
{
    const fixture *const f = *state;
    espalier_model *model = NULL;
    espalier_error error;
    char fifo[64];
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", f->directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const char *const paths[] = {fifo, f->directory, "/dev/zero", "/dev/null"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(espalier_model_open(paths[i], NULL, &model, &error), ESPALIER_ERROR_OPEN);
        assert_non_null(strstr(error.message, paths[i]));
    }
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(espalier_model_open("/nonexistent/model", NULL, &model, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ENOENT);
    assert_non_null(strstr(error.message, "/nonexistent/model"));
    assert_null(model);
}

/* A message names file and cause, however long the path. (The cause used to be cut away.) */
static void test_long_path(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 4; extra++) {
        char path[3000] = "nowhere/....";
        const size_t begin = 8 + extra;
        for (size_t i = 0; i < 1400; i++) {
            memcpy(path + begin + 2 * i, "\xC3\xA4", 2);
        }
        path[begin + 2800] = '\0';
        espalier_model *model = NULL;
        espalier_error error;
        assert_int_equal(espalier_model_open(path, NULL, &model, &error), ESPALIER_ERROR_OPEN);
        assert_int_equal(strncmp(error.message, "nowhere/", 8), 0);
        assert_non_null(strstr(error.message, "..."));
        assert_non_null(strstr(error.message, ": cannot open: "));
        assert_true(strlen(error.message) > sizeof error.message - 4);
        assert_true(espalier_text_is_utf8(error.message, strlen(error.message)));
    }
}

static void test_arguments(void **state)
{
    const fixture *const f = *state;
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open(NULL, NULL, &model, &error), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_open(f->path, NULL, NULL, &error), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_open_memory(NULL, 10, NULL, &model, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_open_memory(f->bytes.data + 8, f->bytes.bytes - 8, NULL, &model,
                                                NULL),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.struct_bytes--;
    assert_int_equal(espalier_model_open(f->path, &options, &model, NULL), ESPALIER_ERROR_OPTIONS);
    options.struct_bytes++;
    options.flags = 1u << 20;
    assert_int_equal(espalier_model_open(f->path, &options, &model, NULL), ESPALIER_ERROR_OPTIONS);
    options.flags = 0;
    options.reserved[4] = 1;
    assert_int_equal(espalier_model_open(f->path, &options, &model, NULL), ESPALIER_ERROR_OPTIONS);
    options.reserved[4] = 0;
    /* A newer caller's struct: accepted while what is unknown is zero. */
    struct {
        espalier_open_options known;
        uint64_t newer;
    } larger = {{sizeof larger, 0, 0, {0}}, 0};
    assert_int_equal(espalier_model_open(f->path, &larger.known, &model, NULL), ESPALIER_OK);
    espalier_model_close(model);
    model = NULL;
    larger.newer = 1;
    assert_int_equal(espalier_model_open(f->path, &larger.known, &model, NULL),
                     ESPALIER_ERROR_OPTIONS);
    larger.known.struct_bytes = SIZE_MAX;
    assert_int_equal(espalier_model_open(f->path, &larger.known, &model, NULL),
                     ESPALIER_ERROR_OPTIONS);
    options.visits_per_row_max = 1;
    assert_int_equal(espalier_model_open(f->path, &options, &model, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, 56);
    assert_null(model);
    assert_int_equal(espalier_model_verify(NULL, &error), ESPALIER_ERROR_ARGUMENT);
    espalier_model_close(NULL);
}

static void check_groups(const espalier_model *model, const espalier_forest *forest)
{
    espalier_output_info output;
    assert_int_equal(espalier_model_output(model, ESPALIER_OUTPUT_PROBABILITY, &output),
                     ESPALIER_OK);
    assert_int_equal(output.width, forest->leaf_width);
    assert_int_equal(output.group_count, 2);
    size_t first = 0;
    size_t count = 0;
    assert_int_equal(espalier_model_output_group(model, ESPALIER_OUTPUT_PROBABILITY, 1, &first,
                                                 &count),
                     ESPALIER_OK);
    assert_int_equal(first, forest->group_width[0]);
    assert_int_equal(count, forest->group_width[1]);
    assert_int_equal(espalier_model_output_group(model, ESPALIER_OUTPUT_CLASS, 1, &first, &count),
                     ESPALIER_OK);
    assert_int_equal(first, 1);
    assert_int_equal(count, 1);
    assert_int_equal(espalier_model_output_group(model, ESPALIER_OUTPUT_CLASS, 2, &first, &count),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_output_group(model, ESPALIER_OUTPUT_VALUE, 0, &first, &count),
                     ESPALIER_ERROR_OUTPUT_KIND);
    assert_int_equal(espalier_model_output(model, ESPALIER_OUTPUT_MARGIN, &output),
                     ESPALIER_ERROR_OUTPUT_KIND);
}

static void test_what_a_model_says(void **state)
{
    const fixture *const f = *state;
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open(f->path, NULL, &model, NULL), ESPALIER_OK);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.file_bytes, f->bytes.bytes);
    assert_int_equal(info.feature_count, 6);
    assert_int_equal(info.tree_count, 5);
    assert_int_equal(info.node_count, f->forest.node_count);
    assert_int_equal(info.output_count, 2);
    assert_int_equal(info.default_output, ESPALIER_OUTPUT_CLASS);
    info.struct_bytes = 3;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_ERROR_OPTIONS);
    for (uint32_t i = 0; i < 6; i++) {
        assert_string_equal(espalier_model_feature_name(model, i), f->forest.feature_names[i]);
    }
    assert_null(espalier_model_feature_name(model, 6));
    for (uint32_t group = 0; group < 2; group++) {
        espalier_label_info labels;
        assert_int_equal(espalier_model_labels(model, group, &labels), ESPALIER_OK);
        assert_int_equal(labels.count, f->forest.labels[group].count);
        for (uint32_t i = 0; i < labels.count; i++) {
            espalier_label label;
            assert_int_equal(espalier_model_class_label(model, group, i, &label), ESPALIER_OK);
            assert_int_equal(label.text_bytes, f->forest.labels[group].text_bytes[i]);
            assert_memory_equal(label.text, f->forest.labels[group].texts[i], label.text_bytes + 1);
        }
        espalier_label label;
        assert_int_equal(espalier_model_class_label(model, group, labels.count, &label),
                         ESPALIER_ERROR_ARGUMENT);
    }
    espalier_proof proof;
    assert_int_equal(espalier_model_proof(model, &proof), ESPALIER_OK);
    assert_int_equal(proof.rows_compared, 3);
    check_groups(model, &f->forest);
    espalier_model_close(model);
}

/* Walks every tree through the public nodes and finds the forest again. */
static void test_nodes(void **state)
{
    const fixture *const f = *state;
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open(f->path, NULL, &model, NULL), ESPALIER_OK);
    for (uint32_t t = 0; t < f->forest.tree_count; t++) {
        const espalier_forest_tree *const tree = &f->forest.trees[t];
        uint32_t ours[256] = {0};   /* positions to look at */
        uint32_t theirs[256] = {0}; /* their nodes in the forest */
        uint32_t count = 1;
        for (uint32_t i = 0; i < count; i++) {
            espalier_node node;
            const uint64_t at = tree->first_node + theirs[i];
            assert_int_equal(espalier_model_node(model, t, ours[i], &node), ESPALIER_OK);
            if (f->forest.left[at] == ESPALIER_FOREST_LEAF) {
                double values[8];
                assert_int_equal(node.feature, ESPALIER_FEATURE_NONE);
                assert_int_equal(espalier_model_leaf(model, 0, node.leaf_index, values, 8),
                                 ESPALIER_OK);
                assert_memory_equal(values,
                                    f->forest.leaf_values +
                                        (tree->first_leaf + f->forest.right[at]) *
                                            f->forest.leaf_width,
                                    f->forest.leaf_width * sizeof *values);
                continue;
            }
            assert_int_equal(node.feature, f->forest.feature[at]);
            assert_true((double)node.threshold <= f->forest.threshold[at]);
            assert_true(count + 2 <= 256);
            ours[count] = node.left;
            theirs[count++] = f->forest.left[at];
            ours[count] = node.right;
            theirs[count++] = f->forest.right[at];
        }
        assert_int_equal(count, tree->node_count);
    }
    espalier_node node;
    double values[8];
    assert_int_equal(espalier_model_node(model, 99, 0, &node), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_node(model, 0, 1u << 20, &node), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_leaf(model, 0, 0, values, 1), ESPALIER_ERROR_OUTPUT_SIZE);
    assert_int_equal(espalier_model_leaf(model, 1, 0, values, 8), ESPALIER_ERROR_ARGUMENT);
    espalier_model_close(model);
}

/* A part that starts from constants and divides by constants ([F-087], [F-088], [F-245],
 * [F-246]). */
static void use_constants(espalier_flat *flat)
{
    const double constants[] = {0.25, -1.0, 3.0, 7.0};
    flat->constants.data = malloc(sizeof constants);
    assert_non_null(flat->constants.data);
    memcpy(flat->constants.data, constants, sizeof constants);
    flat->constants.bytes = sizeof constants;
    flat->parts[0].start = ESPALIER_START_CONSTANTS;
    flat->parts[0].start_index = 0;
    flat->parts[0].divisor = ESPALIER_DIVISOR_CONSTANTS;
    flat->parts[0].divisor_index = 2;
}

static void test_constants(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 42,
                                       .tree_count = 1,
                                       .feature_count = 2,
                                       .decision_count_max = 0,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes bytes = model_bytes_of_changed(&forest, 0, ESPALIER_LAYOUT_WALK, use_constants);
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const float row[2] = {0.0f, 0.0f};
    double out[2];
    const espalier_rows rows = espalier_rows_float32(row, 1, 2);
    espalier_outputs outputs = {.data = out, .data_bytes = sizeof out};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_OK);
    const double want[2] = {(0.25 + forest.leaf_values[0]) / 3.0,
                            (-1.0 + forest.leaf_values[1]) / 7.0};
    assert_memory_equal(out, want, sizeof out);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(espalier_version(), "0.1.0");
    assert_string_equal(espalier_status_name(ESPALIER_ERROR_TRUNCATED), "ESPALIER_ERROR_TRUNCATED");
    assert_string_equal(espalier_status_name((espalier_status)12345), "ESPALIER_ERROR_UNKNOWN");
    for (int status = 0; status < 100; status++) {
        assert_true(strlen(espalier_status_message((espalier_status)status)) > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ways_to_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_regular_file, setup, teardown),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_model_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
