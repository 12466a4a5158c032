// SPDX-License-Identifier: Apache-2.0
/*
 * publish/digest: a digest names every byte of a file; whoever changes one and makes all checksums
 * right again is found out.
 */
#include "espalier_publish.h"
#include "format/layout.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "test_publish.espalier"

static model_bytes original;

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 31,
                                       .tree_count = 6,
                                       .feature_count = 5,
                                       .decision_count_max = 50,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .named = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    original = model_bytes_of(&forest, 8);
    espalier_forest_free(&forest);
    return 0;
}

static int free_model(void **state)
{
    (void)state;
    model_bytes_free(&original);
    (void)unlink(PATH);
    return 0;
}

static espalier_status verify_bytes(const model_bytes *model, espalier_error *error)
{
    (void)unlink(PATH);
    model_bytes_write(model, PATH);
    memset(error, 0, sizeof *error);
    return espalier_digest_verify(PATH, NULL, error);
}

static void test_a_written_file_is_itself(void **state)
{
    (void)state;
    (void)unlink(PATH);
    model_bytes_write(&original, PATH);
    uint8_t digest[32];
    espalier_error error;
    assert_int_equal(espalier_digest_verify(PATH, digest, &error), ESPALIER_OK);
    espalier_file_header header;
    memcpy(&header, original.data, sizeof header);
    assert_memory_equal(digest, header.root_digest, sizeof digest);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open(PATH, NULL, &model, &error), ESPALIER_OK);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_memory_equal(digest, info.root_digest, sizeof digest);
    espalier_model_close(model);
    assert_int_equal(espalier_digest_verify(PATH, NULL, NULL), ESPALIER_OK);
}

/* F-045. */
/* [F-045] */
static void test_one_changed_bit_is_found_in_every_section(void **state)
{
    (void)state;
    const struct {
        uint32_t type;
        const char *name;
    } sections[] = {
        {ESPALIER_SECTION_MODEL, "MODEL"},
        {ESPALIER_SECTION_TREES, "TREES"},
        {ESPALIER_SECTION_NODES, "NODES"},
        {ESPALIER_SECTION_LEAVES, "LEAVES"},
        {ESPALIER_SECTION_NODE_NUMBERS, "NODE_NUMBERS"},
        {ESPALIER_SECTION_GOLDEN, "GOLDEN"},
        {ESPALIER_SECTION_METADATA, "METADATA"},
        {ESPALIER_SECTION_PROOF, "PROOF"},
    };
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        const uint64_t bytes = model_bytes_section(&original, sections[i].type)->bytes;
        const uint64_t places[] = {0, bytes / 2, bytes - 1};
        for (size_t j = 0; j < 3; j++) {
            model_bytes changed = model_bytes_copy(&original);
            ((uint8_t *)model_bytes_data(&changed, sections[i].type))[places[j]] ^= 0x10;
            model_bytes_seal(&changed);
            espalier_error error;
            assert_int_equal(verify_bytes(&changed, &error), ESPALIER_ERROR_DIGEST);
            char expected[96];
            (void)snprintf(expected, sizeof expected, PATH ": section %s (type %u): digest differs",
                           sections[i].name, (unsigned)sections[i].type);
            assert_string_equal(error.message, expected);
            model_bytes_free(&changed);
        }
    }
}

/* F-025. */
/* [F-025] */
static void test_header_and_table_are_covered(void **state)
{
    (void)state;
    espalier_error error;
    /* The stored root digest, and what readers ignore. */
    const size_t places[] = {offsetof(espalier_file_header, root_digest) + 5,
                             offsetof(espalier_file_header, optional_features),
                             offsetof(espalier_file_header, format_minor)};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        model_bytes changed = model_bytes_copy(&original);
        changed.data[places[i]] ^= 1;
        model_bytes_seal(&changed);
        assert_int_equal(verify_bytes(&changed, &error), ESPALIER_ERROR_DIGEST);
        assert_non_null(strstr(error.message, "root digest"));
        model_bytes_free(&changed);
    }
    /* A section changed together with its digest: the root sees it. */
    model_bytes forged = model_bytes_copy(&original);
    espalier_file_section *const section = model_bytes_section(&forged, ESPALIER_SECTION_LEAVES);
    uint8_t *const leaves = model_bytes_data(&forged, ESPALIER_SECTION_LEAVES);
    leaves[0] ^= 1;
    assert_int_equal(crypto_generichash(section->digest, sizeof section->digest, leaves,
                                        section->bytes, NULL, 0),
                     0);
    model_bytes_seal(&forged);
    assert_int_equal(verify_bytes(&forged, &error), ESPALIER_ERROR_DIGEST);
    assert_non_null(strstr(error.message, "root digest"));
    model_bytes_free(&forged);
    /* Without sealing, the checksum says it first. */
    model_bytes changed = model_bytes_copy(&original);
    changed.data[places[0]] ^= 1;
    assert_int_equal(verify_bytes(&changed, &error), ESPALIER_ERROR_CHECKSUM);
    model_bytes_free(&changed);
}

static void test_padding_must_be_zero(void **state)
{
    (void)state;
    const espalier_file_section *const nodes =
        model_bytes_section(&original, ESPALIER_SECTION_NODES);
    const uint64_t places[] = {nodes->offset - 1, nodes->offset + nodes->bytes,
                               nodes->offset + nodes->bytes + 63};
    for (size_t i = 0; i < 3; i++) {
        model_bytes changed = model_bytes_copy(&original);
        changed.data[places[i]] = 1;
        espalier_error error;
        assert_int_equal(verify_bytes(&changed, &error), ESPALIER_ERROR_DIGEST);
        assert_non_null(strstr(error.message, "between or behind sections"));
        model_bytes_free(&changed);
    }
}

/* The original without the sections behind LEAVES: it ends with a hot one and its zeroes. */
static model_bytes make_cut(void)
{
    model_bytes cut = model_bytes_copy(&original);
    espalier_file_header *const header = (void *)cut.data;
    espalier_file_section *const table = (void *)(cut.data + sizeof *header);
    const espalier_file_section *const leaves = model_bytes_section(&cut, ESPALIER_SECTION_LEAVES);
    const uint32_t count = (uint32_t)(leaves - table) + 1;
    const size_t dropped = (header->section_count - count) * sizeof *table;
    assert_int_equal(dropped % ESPALIER_ALIGNMENT_MIN, 0);
    /* The private sections move up to the shorter table. */
    const uint64_t begin = table[0].offset;
    memmove(cut.data + begin - dropped, cut.data + begin, header->private_end - begin);
    memset(cut.data + header->private_end - dropped, 0, dropped);
    for (uint32_t i = 0; table[i].type < ESPALIER_SECTION_NODES; i++) {
        table[i].offset -= dropped;
    }
    header->private_end -= dropped;
    header->section_count = count;
    cut.bytes = (size_t)(leaves->offset + leaves->bytes) + ESPALIER_HOT_TAIL_BYTES;
    memset(cut.data + cut.bytes - ESPALIER_HOT_TAIL_BYTES, 0, ESPALIER_HOT_TAIL_BYTES);
    header->file_bytes = cut.bytes;
    memset(header->root_digest, 0, sizeof header->root_digest);
    header->checksum = 0;
    uint8_t digest[sizeof header->root_digest];
    assert_int_equal(crypto_generichash(digest, sizeof digest, cut.data,
                                        sizeof *header + count * sizeof *table, NULL, 0),
                     0);
    memcpy(header->root_digest, digest, sizeof digest);
    model_bytes_seal(&cut);
    return cut;
}

/* The 64 zero bytes at a file's end belong to no section. (They were not looked at: files that
 * differ there had one digest.) */
static void test_the_last_padding_must_be_zero(void **state)
{
    (void)state;
    model_bytes cut = make_cut();
    espalier_error error;
    const espalier_status status = verify_bytes(&cut, &error);
    if (status != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    for (size_t i = 1; i <= ESPALIER_HOT_TAIL_BYTES; i += ESPALIER_HOT_TAIL_BYTES - 1) {
        model_bytes changed = model_bytes_copy(&cut);
        changed.data[cut.bytes - i] = 1;
        assert_int_equal(verify_bytes(&changed, &error), ESPALIER_ERROR_DIGEST);
        assert_int_equal(error.file_offset, cut.bytes - ESPALIER_HOT_TAIL_BYTES);
        model_bytes_free(&changed);
    }
    model_bytes_free(&cut);
}

static void test_what_is_no_model_is_refused(void **state)
{
    (void)state;
    espalier_error error;
    assert_int_equal(espalier_digest_verify(NULL, NULL, &error), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_digest_verify("no such file", NULL, &error), ESPALIER_ERROR_OPEN);
    assert_non_null(strstr(error.message, "no such file: cannot open"));
    assert_int_equal(espalier_digest_verify(".", NULL, &error), ESPALIER_ERROR_OPEN);
    model_bytes cut = model_bytes_copy(&original);
    cut.bytes /= 2;
    assert_int_equal(verify_bytes(&cut, &error), ESPALIER_ERROR_TRUNCATED);
    cut.bytes = 300;
    memset(cut.data, 'x', cut.bytes);
    assert_int_equal(verify_bytes(&cut, &error), ESPALIER_ERROR_NOT_A_MODEL);
    model_bytes_free(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_written_file_is_itself),
        cmocka_unit_test(test_one_changed_bit_is_found_in_every_section),
        cmocka_unit_test(test_header_and_table_are_covered),
        cmocka_unit_test(test_padding_must_be_zero),
        cmocka_unit_test(test_the_last_padding_must_be_zero),
        cmocka_unit_test(test_what_is_no_model_is_refused),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_model, free_model);
}
