// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of reading a model that no other test comes to: limits of header and tables that no small
 * file has, the widths of labels, the questions about names with nothing to answer them, and bytes
 * behind a model in memory.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "format/checksum.h"
#include "format/map.h"
#include "format/reader.h"
#include "format/rules.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static model_bytes sound;

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 33,
                                       .tree_count = 3,
                                       .feature_count = 4,
                                       .decision_count_max = 12,
                                       .group_count = 2,
                                       .class_count = 2,
                                       .named = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    sound = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    return 0;
}

static int free_model(void **state)
{
    (void)state;
    model_bytes_free(&sound);
    return 0;
}

/* The rule that a sealed copy breaks at open; 0: it opens. Frees the copy. */
static uint32_t rule_of(model_bytes *m, espalier_status *status_out)
{
    espalier_model *model = NULL;
    espalier_error error;
    memset(&error, 0, sizeof error);
    model_bytes_seal(m);
    *status_out = espalier_model_open_memory(m->data, m->bytes, NULL, &model, &error);
    espalier_model_close(model);
    model_bytes_free(m);
    return *status_out == ESPALIER_OK ? 0 : error.format_rule;
}

/* ---- header ---- */

/* A header that is refused: of a file of so many bytes, of which only the first are there. */
static espalier_error header_error(void (*change)(espalier_file_header *header),
                                   uint64_t file_bytes)
{
    const size_t bytes = (size_t)1 << 16; /* more than the first read */
    uint8_t *const data = aligned_alloc(64, bytes);
    espalier_file_header *const header = (espalier_file_header *)(void *)data;
    espalier_file file;
    espalier_error error;
    assert_non_null(data);
    memset(data, 0, bytes);
    memcpy(data, sound.data, sound.bytes < bytes ? sound.bytes : bytes);
    memset(&error, 0, sizeof error);
    header->file_bytes = file_bytes;
    change(header);
    const espalier_input input = {"large", -1, data, file_bytes};
    assert_int_not_equal(espalier_file_read(&input, &file, &error), ESPALIER_OK);
    free(data);
    return error;
}

static void change_nothing(espalier_file_header *header)
{
    (void)header;
}

static void widen_header(espalier_file_header *header)
{
    header->header_bytes++;
}

static void widen_entries(espalier_file_header *header)
{
    header->section_entry_bytes++;
}

static void drop_sections(espalier_file_header *header)
{
    header->section_count = 0;
}

static void set_reserve(espalier_file_header *header)
{
    header->reserved1[23] = 1;
}

static void end_private_late(espalier_file_header *header)
{
    header->private_end = ESPALIER_LIMIT_PRIVATE_BYTES + 1;
}

/* Whatever is refused of the header is told with its place. */
static void test_limits_of_the_header(void **state)
{
    (void)state;
    static const struct {
        void (*change)(espalier_file_header *header);
        uint64_t file_bytes;
        uint32_t rule;
        size_t offset;
    } faults[] = {
        {widen_header, 1 << 16, RULE_HEADER_BYTES, offsetof(espalier_file_header, header_bytes)},
        {widen_entries, 1 << 16, RULE_SECTION_ENTRY_BYTES,
         offsetof(espalier_file_header, section_entry_bytes)},
        {drop_sections, 1 << 16, RULE_SECTION_COUNT, offsetof(espalier_file_header, section_count)},
        {change_nothing, ESPALIER_LIMIT_FILE_BYTES + 1, RULE_LIMITS,
         offsetof(espalier_file_header, file_bytes)},
        {set_reserve, 1 << 16, RULE_HEADER_RESERVED, offsetof(espalier_file_header, reserved0)},
        {end_private_late, ESPALIER_LIMIT_FILE_BYTES, RULE_PRIVATE_END,
         offsetof(espalier_file_header, private_end)},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const espalier_error error = header_error(faults[i].change, faults[i].file_bytes);
        assert_int_equal(error.status, ESPALIER_ERROR_VALUE);
        assert_int_equal(error.format_rule, faults[i].rule);
        assert_int_equal(error.file_offset, faults[i].offset);
    }
}

/* As many bytes of tables as may be are asked for; here the file ends before they do. */
static void test_all_private_bytes(void **state)
{
    (void)state;
    char path[] = "/tmp/espalier-test-XXXXXX";
    const int descriptor = mkstemp(path);
    espalier_file file;
    espalier_error error;
    model_bytes m = model_bytes_copy(&sound);
    HEADER(&m)->file_bytes = ESPALIER_LIMIT_PRIVATE_BYTES;
    HEADER(&m)->private_end = ESPALIER_LIMIT_PRIVATE_BYTES;
    model_bytes_write(&m, path);
    assert_int_equal(truncate(path, 1 << 16), 0); /* more than the first read */
    const espalier_input input = {"large", descriptor, NULL, ESPALIER_LIMIT_PRIVATE_BYTES};
    const espalier_status status = espalier_file_read(&input, &file, &error);
    assert_true(status == ESPALIER_ERROR_TRUNCATED || status == ESPALIER_ERROR_MEMORY);
    assert_true(status == ESPALIER_ERROR_MEMORY || error.file_offset == 1 << 16);
    model_bytes_free(&m);
    assert_int_equal(close(descriptor), 0);
    assert_int_equal(unlink(path), 0);
}

/* In memory a model may be followed by anything; a file may not. */
static void test_bytes_behind_a_model_in_memory(void **state)
{
    (void)state;
    const size_t bytes = sound.bytes + 128;
    uint8_t *const more = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(more);
    memset(more, 0xA5, bytes);
    memcpy(more, sound.data, sound.bytes);
    espalier_model *model = NULL;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    assert_int_equal(espalier_model_open_memory(more, bytes, &options, &model, NULL), ESPALIER_OK);
    espalier_model_close(model);
    free(more);
}

/* What is kept are the bytes of the file, those of its checksum too. */
static void test_bytes_that_are_kept(void **state)
{
    (void)state;
    espalier_file file;
    const espalier_input input = {"sound", -1, sound.data, sound.bytes};
    assert_int_equal(espalier_file_read(&input, &file, NULL), ESPALIER_OK);
    assert_int_equal(file.private_bytes, HEADER(&sound)->private_end);
    assert_int_equal(file.file_bytes, sound.bytes);
    assert_memory_equal(file.bytes, sound.data, file.private_bytes);
    espalier_file_free(&file);
    assert_null(file.bytes);
}

static void test_reads_beyond_the_end(void **state)
{
    (void)state;
    uint8_t byte = 7;
    espalier_error error;
    const espalier_input input = {"short", -1, sound.data, 10};
    assert_int_equal(espalier_input_fetch(&input, 9, &byte, 1, &error), ESPALIER_OK);
    assert_int_equal(byte, sound.data[9]);
    assert_int_equal(espalier_input_fetch(&input, 10, &byte, 0, &error), ESPALIER_OK);
    assert_int_equal(espalier_input_fetch(&input, 10, &byte, 1, &error), ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(espalier_input_fetch(&input, 11, &byte, 0, &error), ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(espalier_input_fetch(&input, UINT64_MAX, &byte, 1, &error),
                     ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(espalier_input_fetch(&input, 5, &byte, SIZE_MAX, &error),
                     ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(error.format_rule, RULE_FILE_BYTES);
    assert_int_equal(error.file_offset, 10);
}

static void test_more_than_the_address_space(void **state)
{
    (void)state;
    espalier_map map;
    espalier_error error;
    const espalier_input input = {"large", -1, sound.data, sound.bytes};
    const espalier_map_request request = {.file_bytes = sound.bytes,
                                          .readable_bytes = (uint64_t)PTRDIFF_MAX,
                                          .readable_bytes_least = sound.bytes};
    assert_int_equal(espalier_map_open(&input, &request, &map, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "address space"));
}

/* ---- tables ---- */

static void test_sections_that_are_missing(void **state)
{
    (void)state;
    static const uint32_t types[] = {ESPALIER_SECTION_MODEL, ESPALIER_SECTION_STEPS,
                                     ESPALIER_SECTION_PARTS, ESPALIER_SECTION_OUTPUTS,
                                     ESPALIER_SECTION_TREES, ESPALIER_SECTION_COLUMNS};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        model_bytes m = model_bytes_copy(&sound);
        /* A section that no reader knows; only where the order allows it: as another encoding. */
        espalier_file_section *const section = model_bytes_section(&m, types[i]);
        assert_non_null(section);
        section->encoding = 2;
        section->flags = 0;
        espalier_status status = ESPALIER_OK;
        assert_int_equal(rule_of(&m, &status), RULE_SECTIONS_NEEDED);
        assert_int_equal(status, ESPALIER_ERROR_SECTION_MISSING);
    }
    for (uint32_t type = ESPALIER_SECTION_NODES; type <= ESPALIER_SECTION_LEAVES; type++) {
        model_bytes m = model_bytes_copy(&sound);
        espalier_file_section *const section = model_bytes_section(&m, type);
        section->encoding = 2;
        section->flags = 0;
        espalier_status status = ESPALIER_OK;
        assert_int_equal(rule_of(&m, &status), RULE_SECTIONS_NEEDED);
        assert_int_equal(status, ESPALIER_ERROR_SECTION_MISSING);
    }
}

/* ---- labels ---- */

static void test_widths_of_labels(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {ESPALIER_LABEL_INT, ESPALIER_LABEL_UINT, ESPALIER_LABEL_FLOAT,
                                     ESPALIER_LABEL_BOOL, ESPALIER_LABEL_STRING};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint32_t bytes = 0; bytes <= 16; bytes++) {
            model_bytes m = model_bytes_copy(&sound);
            const bool is_power = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
            const bool allowed = kinds[k] == ESPALIER_LABEL_BOOL     ? bytes == 1
                                 : kinds[k] == ESPALIER_LABEL_FLOAT  ? is_power && bytes != 1
                                 : kinds[k] == ESPALIER_LABEL_STRING ? bytes > 0 && bytes % 4 == 0
                                                                     : is_power;
            espalier_file_labels *const labels = labels_of(&m);
            labels->kind = kinds[k];
            labels->item_bytes = bytes;
            espalier_status status = ESPALIER_OK;
            assert_int_equal(rule_of(&m, &status) != RULE_LABEL_ITEM_BYTES, allowed);
        }
    }
}

static void test_heads_of_labels(void **state)
{
    (void)state;
    espalier_status status = ESPALIER_OK;
    for (int i = 0; i < 5; i++) {
        model_bytes m = model_bytes_copy(&sound);
        uint32_t *const head = RECORD(&m, CLASS_LABELS, uint32_t);
        espalier_file_section *const section = SECTION(&m, CLASS_LABELS);
        if (i == 0) {
            head[1] = 1; /* reserved */
        } else if (i == 1) {
            head[0]++; /* one group more than outputs */
        } else {
            /* Cut short; it is the last private section, so the private end moves. Inside the head,
             * inside a record, and behind the records. */
            section->bytes = i == 2 ? 4 : i == 3 ? 16 : 8 + head[0] * sizeof(espalier_file_labels);
            HEADER(&m)->private_end = section->offset + section->bytes;
        }
        assert_int_equal(rule_of(&m, &status), i < 4 ? RULE_LABEL_GROUPS : RULE_LABEL_OFFSET);
        assert_int_equal(status, ESPALIER_ERROR_VALUE);
    }
}

/* Where the values of a group may lie: whole numbers of 8 bytes into the section, behind those of
 * the group before. */
static void test_places_of_labels(void **state)
{
    (void)state;
    const struct {
        uint32_t group;
        int64_t move;
        uint64_t bytes;
        uint32_t rule;
    } cases[] = {
        {0, 4, 16, RULE_LABEL_OFFSET},   {1, -8, 24, RULE_LABEL_OFFSET},
        {1, -16, 24, RULE_LABEL_OFFSET}, {1, 0, 32, RULE_LABEL_OFFSET},
        {1, 24, 0, RULE_LABEL_BYTES}, /* of no bytes at the end of the section */
        {1, 32, 0, RULE_LABEL_OFFSET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_status status = ESPALIER_OK;
        model_bytes m = model_bytes_copy(&sound);
        espalier_file_labels *const labels = &labels_of(&m)[cases[i].group];
        assert_int_equal(labels_of(&m)[1].offset + 24, SECTION(&m, CLASS_LABELS)->bytes);
        labels->offset += (uint64_t)cases[i].move;
        labels->bytes = cases[i].bytes;
        assert_int_equal(rule_of(&m, &status), cases[i].rule);
    }
}

/* Labels of each kind, told one by one; those of a group behind booleans are none. */
static void test_values_of_labels(void **state)
{
    (void)state;
    static const double reals[] = {-0.5, 1e300, 7.25};
    static const int64_t integers[] = {-5, 0, INT64_MAX};
    espalier_model *model = NULL;
    espalier_label label;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_labels *const labels = labels_of(&m);
    uint8_t *const data = RECORD(&m, CLASS_LABELS, uint8_t);
    memset(data + labels[0].offset, 0, labels[0].bytes);
    for (uint32_t kind = ESPALIER_LABEL_INT; kind <= ESPALIER_LABEL_FLOAT; kind++) {
        labels[0].kind = ESPALIER_LABEL_BOOL;
        labels[0].item_bytes = 1;
        labels[1].kind = kind;
        labels[1].item_bytes = 8;
        const bool is_real = kind == ESPALIER_LABEL_FLOAT;
        memcpy(data + labels[1].offset, is_real ? (const void *)reals : integers, sizeof reals);
        model_bytes_seal(&m);
        assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL),
                         ESPALIER_OK);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(espalier_model_class_label(model, 1, i, &label), ESPALIER_OK);
            assert_int_equal(label.kind, kind);
            assert_int_equal(label.integer, is_real ? 0 : integers[i]);
            assert_true(label.real == (is_real ? reals[i] : 0.0));
            assert_null(label.text);
            assert_int_equal(label.text_bytes, 0);
            assert_int_equal(label.reserved, 0);
        }
        espalier_model_close(model);
    }
    espalier_status status = ESPALIER_OK;
    data[labels[0].offset] = 2; /* the first boolean is none */
    assert_int_equal(rule_of(&m, &status), RULE_LABEL_BOOL);
}

/* As many slots as classes, but that one slot tells between two: of a probability always, of a
 * class by its decision. */
static void test_slots_of_classes(void **state)
{
    (void)state;
    const struct {
        uint32_t output;
        uint32_t slot_count;
        uint32_t decision;
        uint32_t rule;
    } cases[] = {
        {0, 1, ESPALIER_DECISION_NONE, 0},
        {1, 1, ESPALIER_DECISION_NONE, RULE_OUTPUT_LABELS}, /* between three */
        {1, 2, ESPALIER_DECISION_NONE, RULE_OUTPUT_LABELS},
        {2, 1, ESPALIER_DECISION_FIRST_MAXIMUM, RULE_OUTPUT_LABELS},
        {2, 1, ESPALIER_DECISION_LAST_MAXIMUM, RULE_OUTPUT_LABELS},
        {2, 1, ESPALIER_DECISION_LAST_MAXIMUM + 1, 0},
        {3, 1, ESPALIER_DECISION_LAST_MAXIMUM + 1, RULE_OUTPUT_LABELS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_status status = ESPALIER_OK;
        model_bytes m = model_bytes_copy(&sound);
        espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
        assert_int_equal(outputs[1].kind, ESPALIER_OUTPUT_PROBABILITY);
        assert_int_equal(outputs[2].kind, ESPALIER_OUTPUT_CLASS);
        outputs[cases[i].output].slot_count = cases[i].slot_count;
        outputs[cases[i].output].decision = cases[i].decision;
        assert_int_equal(rule_of(&m, &status), cases[i].rule);
    }
    /* The probability of the only class; one slot does not decide between less than two. */
    for (unsigned i = 0; i < 2; i++) {
        espalier_status status = ESPALIER_OK;
        model_bytes m = model_bytes_copy(&sound);
        espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
        labels_of(&m)->count = 1;
        labels_of(&m)->bytes = 8;
        outputs[0].slot_count = 1;
        outputs[2].slot_count = 1;
        outputs[2].decision =
            i == 0 ? ESPALIER_DECISION_FIRST_MAXIMUM : ESPALIER_DECISION_LAST_MAXIMUM + 1;
        assert_int_equal(rule_of(&m, &status), i == 0 ? 0 : RULE_OUTPUT_LABELS);
    }
}

/* Names of which there is nothing but a count, which is another than that of features. */
static void test_names_without_a_text(void **state)
{
    (void)state;
    espalier_status status = ESPALIER_OK;
    model_bytes m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_FEATURE_NAMES,
                       (int64_t)sizeof(espalier_file_strings) -
                           (int64_t)SECTION(&m, FEATURE_NAMES)->bytes);
    RECORD(&m, FEATURE_NAMES, espalier_file_strings)->count++;
    assert_int_equal(rule_of(&m, &status), RULE_FEATURE_NAMES);
}

/* A name may be empty, the first one too. */
static void test_an_empty_name(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_strings *const head = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    uint32_t *const ends = (uint32_t *)(void *)(head + 1);
    ((char *)(ends + head->count))[0] = '\0';
    ends[0] = 1;
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_string_equal(espalier_model_feature_name(model, 0), "");
    assert_true(strlen(espalier_model_feature_name(model, 1)) > 0);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* The last name ends before the text does. */
static void test_text_behind_the_last_name(void **state)
{
    (void)state;
    espalier_status status = ESPALIER_OK;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_strings *const head = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    uint32_t *const ends = (uint32_t *)(void *)(head + 1);
    char *const text = (char *)(ends + head->count);
    text[ends[head->count - 1] - 2] = '\0';
    ends[head->count - 1]--;
    assert_int_equal(rule_of(&m, &status), RULE_STRINGS_ENDS);
}

static void test_names_without_an_answer(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    espalier_label_info info;
    espalier_label label;
    assert_int_equal(espalier_model_open_memory(sound.data, sound.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    assert_null(espalier_model_feature_name(NULL, 0));
    assert_null(espalier_model_feature_name(model, 4));
    assert_non_null(espalier_model_feature_name(model, 3));
    assert_int_equal(espalier_model_labels(NULL, 0, &info), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_labels(model, 0, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_labels(model, 2, &info), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_labels(model, UINT32_MAX, &info), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_labels(model, 1, &info), ESPALIER_OK);
    assert_int_equal(info.count, 3);
    assert_int_equal(info.reserved, 0);
    assert_int_equal(espalier_model_class_label(NULL, 0, 0, &label), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, 0, 0, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, 2, 0, &label), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, UINT32_MAX, 0, &label),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, 1, 3, &label), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, 1, 4, &label), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_class_label(model, 1, 2, &label), ESPALIER_OK);
    espalier_model_close(model);
}

/* ---- names ---- */

/* A name that holds a NUL was compared beyond the end of the caller's. */
static void test_names_that_hold_a_nul(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_strings *const head = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    const uint32_t *const ends = (const uint32_t *)(const void *)(head + 1);
    char *const text = (char *)(head + 1) + head->count * sizeof *ends;
    assert_true(ends[0] > 3);
    char first[64] = {text[0]}; /* zero bytes behind its end, as if they belonged to it */
    text[1] = '\0';
    model_bytes_seal(&m);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    const char *names[4] = {first};
    for (uint32_t i = 1; i < 4; i++) {
        names[i] = espalier_model_feature_name(model, i);
    }
    size_t order[4] = {9, 9, 9, 9};
    uint32_t missing = 9;
    assert_int_equal(espalier_model_feature_order(model, names, 4, order, &missing),
                     ESPALIER_ERROR_FEATURE_COUNT);
    assert_int_equal(missing, 0);
    assert_int_equal(order[1], 9);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Features of one name take the caller's columns of that name in turn; what is left over is passed
 * over, and the search goes around the end. */
static void test_names_that_are_alike(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_strings *const head = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    const uint32_t *const ends = (const uint32_t *)(const void *)(head + 1);
    char *const text = (char *)(head + 1) + head->count * sizeof *ends;
    assert_int_equal(head->count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        memcpy(text + ends[i] - 3, i == 2 ? "zz" : "aa", 2);
    }
    const uint32_t begin = ends[1] - ends[0];
    assert_true(begin == ends[0] && begin == ends[2] - ends[1] && begin == ends[3] - ends[2]);
    for (uint32_t i = 1; i < 4; i++) {
        memcpy(text + ends[i - 1], text, begin - 3);
    }
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    const char *const one = espalier_model_feature_name(model, 0);
    const char *const other = espalier_model_feature_name(model, 2);
    const char *const names[] = {"left over", one, one, other, one};
    size_t order[4] = {0};
    assert_int_equal(espalier_model_feature_order(model, names, 5, order, NULL), ESPALIER_OK);
    const size_t in_turn[] = {1, 2, 3, 4};
    assert_memory_equal(order, in_turn, sizeof order);
    const char *const around[] = {one, one, "left over", other};
    assert_int_equal(espalier_model_feature_order(model, around, 4, order, NULL), ESPALIER_OK);
    const size_t again[] = {0, 1, 3, 0};
    assert_memory_equal(order, again, sizeof order);
    espalier_model_close(model);
    model_bytes_free(&m);
}

static void test_orders_without_an_answer(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    const synthetic_options nameless = {
        .seed = 35, .tree_count = 1, .feature_count = 2, .decision_count_max = 3, .group_count = 1};
    size_t order[4];
    uint32_t missing = 0;
    espalier_model *model = NULL;
    model_bytes m = model_bytes_synthetic(&nameless, ESPALIER_LAYOUT_WALK);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(espalier_model_feature_order(model, names, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_model_close(model);
    model_bytes_free(&m);
    m = model_bytes_copy(&sound);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(espalier_model_feature_order(NULL, names, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(model, NULL, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(model, names, 2, NULL, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    const char *const none[] = {NULL, NULL};
    assert_int_equal(espalier_model_feature_order(model, none, 2, order, NULL),
                     ESPALIER_ERROR_FEATURE_COUNT);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* ---- one by one beyond ---- */

/* Opens a copy that is freed, sealed or not: the status, and the rule. */
static void expect_open(model_bytes *m, espalier_status expected, uint32_t rule)
{
    espalier_status status = ESPALIER_OK;
    assert_int_equal(rule_of(m, &status), rule);
    assert_int_equal(status, expected);
}

/* A file that ends with its header; an empty one, which is told from one that is no model. */
static void test_short_files(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open_memory(sound.data, sizeof(espalier_file_header), NULL,
                                                &model, &error),
                     ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(error.format_rule, RULE_FILE_BYTES);
    assert_int_equal(espalier_model_open_memory(sound.data, 0, NULL, &model, &error),
                     ESPALIER_ERROR_NOT_A_MODEL);
    assert_non_null(strstr(error.message, "empty file"));
    assert_int_equal(error.file_offset, 0);
    assert_int_equal(espalier_model_open_memory(sound.data + 64, sound.bytes - 64, NULL, &model,
                                                &error),
                     ESPALIER_ERROR_NOT_A_MODEL);
    assert_null(strstr(error.message, "empty file"));
}

/* A copy that is freed is refused at a section's entry, for this reason. */
static void expect_entry(model_bytes *m, uint32_t index, uint32_t rule, const char *what)
{
    espalier_model *model = NULL;
    espalier_error error;
    model_bytes_seal(m);
    assert_int_equal(espalier_model_open_memory(m->data, m->bytes, NULL, &model, &error),
                     ESPALIER_ERROR_SECTION);
    assert_int_equal(error.format_rule, rule);
    assert_int_equal(error.file_offset,
                     sizeof(espalier_file_header) + index * sizeof(espalier_file_section));
    assert_non_null(strstr(error.message, what));
    model_bytes_free(m);
}

/* A fault of any entry is told of that entry; of one that ends a byte too late, in the file or
 * among the private ones, before anything else is made of its end. */
static void test_places_of_entries(void **state)
{
    (void)state;
    const uint32_t count = HEADER(&sound)->section_count;
    uint32_t private_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        model_bytes m = model_bytes_copy(&sound);
        private_count += ENTRY(&m, i)->type < ESPALIER_SECTION_NODES;
        ENTRY(&m, i)->flags |= 4;
        expect_entry(&m, i, RULE_SECTION_FLAGS, "unknown flags");
    }
    model_bytes m = model_bytes_copy(&sound);
    ENTRY(&m, count - 1)->bytes++;
    expect_entry(&m, count - 1, RULE_SECTION_BYTES, "beyond the end of the file");
    m = model_bytes_copy(&sound);
    assert_true(private_count > 1 && private_count < count);
    ENTRY(&m, private_count - 1)->bytes++;
    expect_entry(&m, private_count - 1, RULE_PRIVATE_END, "ends after the private end");
}

/* As many sections as may be, of which the file has no place; no private one at all. */
static void test_last_counts_of_the_header(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    HEADER(&m)->section_count = ESPALIER_LIMIT_SECTIONS;
    HEADER(&m)->private_end = sizeof(espalier_file_header);
    expect_open(&m, ESPALIER_ERROR_VALUE, RULE_PRIVATE_END);
    m = model_bytes_copy(&sound);
    HEADER(&m)->private_end =
        sizeof(espalier_file_header) + HEADER(&m)->section_count * sizeof(espalier_file_section);
    expect_open(&m, ESPALIER_ERROR_SECTION, RULE_PRIVATE_END);
}

/* The type of the last section is below that of the one before, not only the same. */
static void test_order_of_types(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_section *const last = ENTRY(&m, HEADER(&m)->section_count - 1);
    assert_true(last[-1].type > ESPALIER_SECTION_CUTS + 2);
    last->type = ESPALIER_SECTION_CUTS + 1;
    last->flags = 0;
    expect_open(&m, ESPALIER_ERROR_SECTION, RULE_SECTION_ORDER);
}

/* The largest hole that alignment and the tail of a hot section explain, and one byte more. */
static void test_hole_before_a_section(void **state)
{
    (void)state;
    for (uint32_t beyond = 0; beyond < 2; beyond++) {
        model_bytes m = model_bytes_copy(&sound);
        model_bytes_resize(&m, ESPALIER_SECTION_METADATA, 512);
        espalier_file_section *const section = SECTION(&m, METADATA);
        const espalier_file_section *const next = section + 1;
        section->bytes =
            next->offset - section->offset - next->alignment - ESPALIER_HOT_TAIL_BYTES + 1 - beyond;
        expect_open(&m, beyond == 0 ? ESPALIER_OK : ESPALIER_ERROR_SECTION,
                    beyond == 0 ? 0 : RULE_SECTION_GAP);
    }
}

/* CUTS is hot: what follows it leaves 64 bytes. */
static void test_tail_of_cuts(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 34,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 3,
                                       .feature_count = 4,
                                       .decision_count_max = 12,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes m = model_bytes_of_layout(&forest, 0, ESPALIER_LAYOUT_SELECT);
    espalier_forest_free(&forest);
    espalier_file_section *const next = SECTION(&m, CUTS) + 1;
    assert_true(next->offset - SECTION(&m, CUTS)->offset - SECTION(&m, CUTS)->bytes >=
                ESPALIER_HOT_TAIL_BYTES);
    next->offset = SECTION(&m, CUTS)->offset + SECTION(&m, CUTS)->bytes;
    assert_int_equal(next->offset % next->alignment, 0);
    expect_open(&m, ESPALIER_ERROR_SECTION, RULE_HOT_TAIL);
}

/* The first section that is not private need not be NODES for open to leave its bytes alone. */
static void test_checksum_behind_private_sections(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    espalier_model *model = NULL;
    espalier_error error;
    espalier_file_section *const section = SECTION(&m, NODES);
    assert_int_equal(section[1].type, ESPALIER_SECTION_LEAVES);
    assert_true(section[2].type > ESPALIER_SECTION_CUTS);
    section[1].type = ESPALIER_SECTION_CUTS;
    section[0].type = ESPALIER_SECTION_LEAVES;
    model_bytes_seal(&m);
    section[0].checksum_low ^= 1;
    espalier_file_header *const header = HEADER(&m);
    header->checksum = 0;
    header->checksum =
        espalier_checksum64(m.data,
                            sizeof *header + header->section_count * sizeof(espalier_file_section));
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, &error),
                     ESPALIER_ERROR_SECTION_MISSING);
    model_bytes_free(&m);
}

/* Files: the first descriptor is one like others, one that cannot be read is refused, and so is
 * what follows the model. */
static void test_descriptors(void **state)
{
    (void)state;
    char path[] = "/tmp/espalier-test-XXXXXX";
    espalier_model *model = NULL;
    espalier_error error;
    const int input = fcntl(STDIN_FILENO, F_DUPFD, 3);
    assert_true(input >= 3);
    (void)close(STDIN_FILENO);
    const int descriptor = mkstemp(path);
    assert_int_equal(descriptor, 0);
    assert_int_equal(write(descriptor, sound.data, sound.bytes), sound.bytes);
    const espalier_status first = espalier_model_open_fd(descriptor, NULL, &model, &error);
    espalier_model_close(model);
    model = NULL;
    assert_int_equal(write(descriptor, "", 1), 1);
    const espalier_status followed = espalier_model_open_fd(descriptor, NULL, &model, &error);
    espalier_model_close(model);
    assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO); /* before anything can fail */
    (void)close(input);
    assert_int_equal(first, ESPALIER_OK);
    assert_int_equal(followed, ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_FILE_BYTES);
    assert_int_equal(espalier_model_open(path, NULL, &model, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_FILE_BYTES);
    const int unreadable = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(unreadable >= 0);
    assert_int_equal(espalier_model_open_fd(unreadable, NULL, &model, &error), ESPALIER_ERROR_READ);
    (void)close(unreadable);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_the_header),
        cmocka_unit_test(test_all_private_bytes),
        cmocka_unit_test(test_bytes_behind_a_model_in_memory),
        cmocka_unit_test(test_bytes_that_are_kept),
        cmocka_unit_test(test_reads_beyond_the_end),
        cmocka_unit_test(test_more_than_the_address_space),
        cmocka_unit_test(test_sections_that_are_missing),
        cmocka_unit_test(test_widths_of_labels),
        cmocka_unit_test(test_heads_of_labels),
        cmocka_unit_test(test_places_of_labels),
        cmocka_unit_test(test_values_of_labels),
        cmocka_unit_test(test_slots_of_classes),
        cmocka_unit_test(test_names_without_a_text),
        cmocka_unit_test(test_an_empty_name),
        cmocka_unit_test(test_text_behind_the_last_name),
        cmocka_unit_test(test_names_without_an_answer),
        cmocka_unit_test(test_names_that_hold_a_nul),
        cmocka_unit_test(test_names_that_are_alike),
        cmocka_unit_test(test_orders_without_an_answer),
        cmocka_unit_test(test_short_files),
        cmocka_unit_test(test_places_of_entries),
        cmocka_unit_test(test_last_counts_of_the_header),
        cmocka_unit_test(test_order_of_types),
        cmocka_unit_test(test_hole_before_a_section),
        cmocka_unit_test(test_tail_of_cuts),
        cmocka_unit_test(test_checksum_behind_private_sections),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
