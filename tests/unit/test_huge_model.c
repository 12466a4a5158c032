// SPDX-License-Identifier: Apache-2.0
/*
 * A model of 24 GiB with 3 x 2^30 nodes, as a sparse file: places beyond 4 GiB and beyond 2^31
 * nodes must be reached, and opening must not look at what lies between.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/reference.h"
#include "espalier_inspect.h"
#include "format/checksum.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREES     3u
#define FEATURES  3u /* four columns fit beside 30 bits of child */
#define HUGE_BITS 30u
#define ROWS      50u

static bool write_at(int descriptor, const void *data, size_t bytes, uint64_t offset)
{
    const ssize_t written = pwrite(descriptor, data, bytes, (off_t)offset);
    return written == (ssize_t)bytes;
}

/* Writes the small model as one whose trees have 2^30 positions each, holes for the most part. */
static bool write_huge(model_bytes *small, int descriptor, uint64_t *bytes_out)
{
    espalier_file_header *const header = (void *)small->data;
    espalier_file_tree *const trees = model_bytes_data(small, ESPALIER_SECTION_TREES);
    espalier_file_section *const nodes = model_bytes_section(small, ESPALIER_SECTION_NODES);
    espalier_file_section *const leaves = model_bytes_section(small, ESPALIER_SECTION_LEAVES);
    espalier_file_section *const metadata = model_bytes_section(small, ESPALIER_SECTION_METADATA);
    const uint64_t old_leaves = leaves->offset;
    const uint64_t old_metadata = metadata->offset;
    model_bytes_widen_children(small, HUGE_BITS);
    for (uint32_t i = 0; i < TREES; i++) {
        espalier_file_node *const own =
            (espalier_file_node *)(void *)(small->data + nodes->offset) + trees[i].first_node;
        const uint64_t offset = nodes->offset + ((uint64_t)i << HUGE_BITS) * sizeof *own;
        if (!write_at(descriptor, own, trees[i].node_count * sizeof *own, offset)) {
            return false;
        }
        trees[i].first_node = (uint64_t)i << HUGE_BITS;
        trees[i].node_count = UINT32_C(1) << HUGE_BITS;
    }
    nodes->bytes = ((uint64_t)TREES << HUGE_BITS) * sizeof(espalier_file_node);
    leaves->offset = nodes->offset + nodes->bytes + ESPALIER_ALIGNMENT_HOT;
    leaves->offset -= leaves->offset % ESPALIER_ALIGNMENT_HOT;
    metadata->offset = leaves->offset + leaves->bytes + ESPALIER_HOT_TAIL_BYTES;
    metadata->offset = (metadata->offset + 63) / 64 * 64;
    header->file_bytes = metadata->offset + metadata->bytes;
    *bytes_out = header->file_bytes;
    model_bytes tables = {small->data, (size_t)header->private_end};
    model_bytes_seal(&tables);
    return write_at(descriptor, small->data + old_leaves, leaves->bytes, leaves->offset) &&
           write_at(descriptor, small->data + old_metadata, metadata->bytes, metadata->offset) &&
           write_at(descriptor, small->data, (size_t)header->private_end, 0);
}

static void test_sparse_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 21,
                                       .tree_count = TREES,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 200,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes small = model_bytes_of(&forest, 0);
    char path[] = "/tmp/espalier-huge-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(unlink(path), 0);
    uint64_t bytes = 0;
    if (!write_huge(&small, descriptor, &bytes)) {
        print_message("no sparse file of 24 GiB here: %s\n", strerror(errno));
        skip();
    }
    assert_true(bytes > UINT64_C(24) << 30);
    struct stat facts;
    assert_int_equal(fstat(descriptor, &facts), 0);
    assert_true(facts.st_blocks < 10000); /* mostly holes */

    espalier_model *model = NULL;
    espalier_error error;
    const espalier_status status = espalier_model_open_fd(descriptor, NULL, &model, &error);
    if (status != ESPALIER_OK) {
        fail_msg("open: %s", error.message);
    }
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.file_bytes, bytes);
    espalier_tree_info tree;
    assert_int_equal(espalier_model_tree(model, TREES - 1, &tree), ESPALIER_OK);
    assert_int_equal(tree.position_count, UINT32_C(1) << HUGE_BITS);

    float *const values = model_rows_make(&forest, 5, ROWS, 0);
    double want[ROWS * 2];
    double got[ROWS * 2];
    espalier_reference_evaluate(&forest, values, ROWS, want, NULL);
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const espalier_rows rows = espalier_rows_float32(values, ROWS, FEATURES);
    espalier_outputs outputs = {.data = got, .data_bytes = sizeof got};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_OK);
    assert_memory_equal(got, want, sizeof got);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    assert_int_equal(close(descriptor), 0);
    free(values);
    model_bytes_free(&small);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sparse_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
