// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of the verifier that mutants of it walked over: which half of a checksum differs, every
 * value a proof may have, holes and padding of labels of just the size that counts, each golden
 * answer, and the place in the file that an error names.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/cuts.h"
#include "espalier.h"
#include "format/checksum.h"
#include "format/rules.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const synthetic_options classifier = {.seed = 51,
                                             .tree_count = 3,
                                             .feature_count = 4,
                                             .decision_count_max = 12,
                                             .group_count = 2,
                                             .class_count = 2,
                                             .named = true,
                                             .label_kind = ESPALIER_LABEL_STRING};

static model_bytes make_model(const synthetic_options *options, uint32_t layout,
                              void (*change)(espalier_flat *flat))
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    const model_bytes bytes = model_bytes_of_changed(&forest, 2, layout, change);
    espalier_forest_free(&forest);
    return bytes;
}

/* Opens, which must do, and verifies. */
static espalier_status verify(const model_bytes *m, espalier_error *error)
{
    espalier_model *model = NULL;
    memset(error, 0, sizeof *error);
    assert_int_equal(espalier_model_open_memory(m->data, m->bytes, NULL, &model, error),
                     ESPALIER_OK);
    const espalier_status status = espalier_model_verify(model, error);
    espalier_model_close(model);
    return status;
}

static void seal_header(const model_bytes *m)
{
    espalier_file_header *const header = HEADER(m);
    header->checksum = 0;
    header->checksum =
        espalier_checksum64(m->data,
                            sizeof *header + header->section_count * sizeof(espalier_file_section));
}

/* A checksum differs when either half does. */
static void test_halves_of_checksums(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    const uint32_t count = HEADER(&m)->section_count;
    for (uint32_t i = 0; i < 2 * count; i++) {
        espalier_file_section *const entry = ENTRY(&m, i / 2);
        uint64_t *const half = i % 2 == 0 ? &entry->checksum_low : &entry->checksum_high;
        *half ^= UINT64_C(1) << (i % 64);
        seal_header(&m);
        espalier_model *model = NULL;
        espalier_error error;
        const espalier_open_options options = {sizeof options, ESPALIER_OPEN_VERIFY, 0, {0}};
        if (entry->type < ESPALIER_SECTION_NODES) { /* private: always */
            assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, &error),
                             ESPALIER_ERROR_CHECKSUM);
            assert_int_equal(error.file_offset, entry->offset);
        }
        assert_int_equal(espalier_model_open_memory(m.data, m.bytes, &options, &model, &error),
                         ESPALIER_ERROR_CHECKSUM);
        assert_int_equal(error.format_rule, RULE_SECTION_CHECKSUM);
        assert_int_equal(error.file_offset, entry->offset);
        *half ^= UINT64_C(1) << (i % 64);
    }
    model_bytes_free(&m);
}

/* Padding is named by its own place, the first that is not 0: every byte between two sections. */
static void test_place_of_padding(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    espalier_error error;
    const uint64_t end = SECTION(&m, LEAVES)->offset;
    for (uint64_t at = SECTION(&m, NODES)->offset + SECTION(&m, NODES)->bytes; at < end; at++) {
        m.data[end - 1] = 1;
        m.data[at] = 0x80;
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_SECTION);
        assert_int_equal(error.format_rule, RULE_PADDING_ZERO);
        assert_int_equal(error.file_offset, at);
        m.data[at] = 0;
        m.data[end - 1] = 0;
    }
    assert_int_equal(verify(&m, &error), ESPALIER_OK);
    model_bytes_free(&m);
}

static espalier_status verify_proof(model_bytes *m, const espalier_file_proof *proof)
{
    espalier_error error;
    memcpy(RECORD(m, PROOF, espalier_file_proof), proof, sizeof *proof);
    model_bytes_seal(m);
    return verify(m, &error);
}

/* What a proof may say, and the first thing beyond it. */
static void test_values_of_proofs(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    for (uint32_t kind = 0; kind <= ESPALIER_OUTPUT_SCORE + 1; kind++) {
        const espalier_file_proof proof = {.check_rows = 1, .check_values = 1, .check_kind = kind};
        assert_int_equal(verify_proof(&m, &proof),
                         kind <= ESPALIER_OUTPUT_SCORE ? ESPALIER_OK : ESPALIER_ERROR_VALUE);
    }
    for (uint32_t cause = 0; cause <= ESPALIER_CHECK_UNKNOWN + 1; cause++) {
        const espalier_file_proof proof = {.check_rows = 1, .check_cause = cause};
        assert_int_equal(verify_proof(&m, &proof),
                         cause <= ESPALIER_CHECK_UNKNOWN ? ESPALIER_OK : ESPALIER_ERROR_VALUE);
    }
    for (uint32_t differing = 4; differing <= 6; differing++) {
        const espalier_file_proof proof = {.check_rows = 1,
                                           .check_values = 5,
                                           .check_differing = differing};
        assert_int_equal(verify_proof(&m, &proof),
                         differing <= 5 ? ESPALIER_OK : ESPALIER_ERROR_VALUE);
    }
    /* Without rows nothing was compared, and nothing is said of it. */
    static const espalier_file_proof empty[] = {
        {.check_values = 1},  {.check_values = 1, .check_differing = 1},
        {.check_ulp_max = 1}, {.check_kind = 1},
        {.check_cause = 1},   {.check_differing = 1},
    };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        assert_int_equal(verify_proof(&m, &empty[i]), ESPALIER_ERROR_VALUE);
    }
    model_bytes_free(&m);
}

/* Bytes before the first label's data: of whole items that belong to nobody. */
static void leave_bytes(espalier_flat *flat, size_t hole)
{
    uint32_t group_count = 0;
    memcpy(&group_count, flat->class_labels.data, sizeof group_count);
    const size_t head = 8 + group_count * sizeof(espalier_file_labels);
    const size_t bytes = (size_t)flat->class_labels.bytes;
    uint8_t *const larger = calloc(bytes + hole, 1);
    assert_non_null(larger);
    memcpy(larger, flat->class_labels.data, head);
    memcpy(larger + head + hole, (const uint8_t *)flat->class_labels.data + head, bytes - head);
    espalier_file_labels *const labels = (espalier_file_labels *)(void *)(larger + 8);
    for (uint32_t i = 0; i < group_count; i++) {
        labels[i].offset += hole;
    }
    free(flat->class_labels.data);
    flat->class_labels = (espalier_flat_bytes){larger, bytes + hole};
}

static void leave_a_hole(espalier_flat *flat)
{
    leave_bytes(flat, 8);
}

static void leave_a_large_hole(espalier_flat *flat)
{
    leave_bytes(flat, 16);
}

static void test_hole_in_labels(void **state)
{
    (void)state;
    void (*const holes[])(espalier_flat *) = {leave_a_hole, leave_a_large_hole};
    for (size_t i = 0; i < sizeof holes / sizeof holes[0]; i++) {
        model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, holes[i]);
        espalier_error error;
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_SECTION);
        assert_int_equal(error.format_rule, RULE_LABEL_END);
        assert_int_equal(error.file_offset, SECTION(&m, CLASS_LABELS)->offset);
        model_bytes_free(&m);
    }
}

/* The first text of a table counts as well as the others. */
static void test_first_text(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    const espalier_file_strings *const names = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    const espalier_file_labels *const labels = labels_of(&m);
    const espalier_file_strings *const group =
        (const void *)(RECORD(&m, CLASS_LABELS, uint8_t) + labels[0].offset);
    const espalier_file_strings *const tables[] = {names, group};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        espalier_error error;
        uint8_t *const first = (uint8_t *)(uintptr_t)(tables[i] + 1) + tables[i]->count * 4;
        const uint8_t before = *first;
        *first = 0xFF;
        model_bytes_seal(&m);
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
        assert_int_equal(error.format_rule, RULE_STRINGS_UTF8);
        *first = before;
    }
    model_bytes_free(&m);
}

/* No model breaks no rule. */
static void test_no_model(void **state)
{
    (void)state;
    espalier_error error = {.format_rule = 9};
    assert_int_equal(espalier_model_verify(NULL, &error), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(error.format_rule, 0);
}

/* Behind the strings of the first group, up to where the second may begin. */
static void test_padding_of_labels(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    const espalier_file_labels *const labels = labels_of(&m);
    const uint64_t end = labels[0].offset + labels[0].bytes;
    assert_true(labels[1].offset > end);
    for (uint64_t at = end; at < labels[1].offset; at++) {
        espalier_error error;
        RECORD(&m, CLASS_LABELS, uint8_t)[at] = 1;
        model_bytes_seal(&m);
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_SECTION);
        assert_int_equal(error.format_rule, RULE_LABEL_END);
        assert_int_equal(error.file_offset, SECTION(&m, CLASS_LABELS)->offset + at);
        RECORD(&m, CLASS_LABELS, uint8_t)[at] = 0;
    }
    model_bytes_free(&m);
}

/* One golden row is enough. */
static void test_one_golden_row(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error;
    synthetic_forest_make(&classifier, &forest);
    model_bytes m = model_bytes_of(&forest, 1);
    assert_int_equal(verify(&m, &error), ESPALIER_OK);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* Every golden answer counts, the first as well as the last. */
static void test_every_golden_answer(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    const espalier_file_golden *const head = RECORD(&m, GOLDEN, espalier_file_golden);
    uint8_t *const end = section_end(&m, ESPALIER_SECTION_GOLDEN);
    const size_t leaves = (size_t)head->row_count * head->tree_count * 4;
    const size_t slots = (size_t)head->row_count * head->slot_count * 8;
    for (size_t back = 4; back <= leaves + slots; back += 4) {
        espalier_error error;
        end[-(ptrdiff_t)back] ^= 1;
        model_bytes_seal(&m);
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_GOLDEN);
        end[-(ptrdiff_t)back] ^= 1;
    }
    model_bytes_free(&m);
}

/* The number of any leaf of a tree, the last one too, is its own. */
static void test_every_number(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 53,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 2,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    const uint32_t layouts[] = {ESPALIER_LAYOUT_BITS, ESPALIER_LAYOUT_SELECT};
    for (size_t l = 0; l < sizeof layouts / sizeof layouts[0]; l++) {
        model_bytes m = make_model(&options, layouts[l], NULL);
        uint8_t *const numbers = RECORD(&m, NODE_NUMBERS, uint8_t);
        const uint32_t leaf_count = RECORD(&m, TREES, espalier_file_tree)[0].leaf_count;
        assert_true(leaf_count > 2);
        for (uint32_t k = 1; k < leaf_count; k++) {
            espalier_error error;
            const uint8_t before = numbers[k];
            numbers[k] = numbers[0];
            model_bytes_seal(&m);
            assert_int_equal(verify(&m, &error), ESPALIER_ERROR_INDEX);
            numbers[k] = before;
        }
        model_bytes_free(&m);
    }
}

/* A cut that is out of order is named by its own place. */
static void test_place_of_a_cut(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 52,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 2,
                                       .feature_count = 1,
                                       .decision_count_max = 12,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    model_bytes m = make_model(&options, ESPALIER_LAYOUT_SELECT, NULL);
    double *const cuts = RECORD(&m, CUTS, double);
    const espalier_file_column *const column = RECORD(&m, COLUMNS, espalier_file_column);
    assert_true(column->cut_count > 3 && column->cut_count <= ESPALIER_CUT_BLOCK);
    for (uint32_t i = 1; i < 3; i++) {
        espalier_error error;
        const double before = cuts[i];
        cuts[i] = (double)NAN;
        model_bytes_seal(&m);
        assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
        assert_int_equal(error.format_rule, RULE_CUTS_ORDER);
        assert_int_equal(error.file_offset, SECTION(&m, CUTS)->offset + i * sizeof(double));
        cuts[i] = before;
    }
    model_bytes_free(&m);
}

/* Every item of every level of every list counts, and is named by its own place. */
static void test_every_item_of_cuts(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 54,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 4,
                                       .feature_count = 2,
                                       .decision_count_max = 40,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    model_bytes m = make_model(&options, ESPALIER_LAYOUT_SELECT, NULL);
    const espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
    const uint64_t column_count = SECTION(&m, COLUMNS)->bytes / sizeof *columns;
    espalier_error error;
    uint32_t deep_count = 0; /* behind another list, of levels of several items */
    for (uint32_t c = 0; c < column_count; c++) {
        if (columns[c].kind != ESPALIER_COLUMN_CODE || columns[c].segment != 0) {
            continue;
        }
        const espalier_cut_shape shape = espalier_cut_shape_of(columns[c].cut_count, 8);
        deep_count += columns[c].first_cut > 0 && shape.level_count > 1 && shape.blocks[1] > 1;
        for (uint32_t level = 0; level < shape.level_count; level++) {
            const uint64_t offset = columns[c].first_cut + shape.offsets[level];
            double *const items = (double *)(void *)(RECORD(&m, CUTS, uint8_t) + offset);
            for (uint32_t i = 0; i < shape.blocks[level] * ESPALIER_CUT_BLOCK; i++) {
                const double before = items[i];
                items[i] = (double)NAN;
                model_bytes_seal(&m);
                assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
                assert_int_equal(error.file_offset,
                                 SECTION(&m, CUTS)->offset + offset + i * sizeof(double));
                items[i] = before;
            }
        }
    }
    assert_true(deep_count > 0);
    const uint64_t bytes = SECTION(&m, CUTS)->bytes;
    model_bytes_resize(&m, ESPALIER_SECTION_CUTS, 64);
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_CUTS_BYTES);
    assert_int_equal(error.file_offset, SECTION(&m, CUTS)->offset + bytes);
    model_bytes_free(&m);
}

/* Levels between the first and the last are looked at. */
static void test_middle_level_of_cuts(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 57,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 200,
                                       .feature_count = 1,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    model_bytes m = make_model(&options, ESPALIER_LAYOUT_SELECT, NULL);
    const espalier_file_column *column = RECORD(&m, COLUMNS, espalier_file_column);
    while (column->kind != ESPALIER_COLUMN_CODE) {
        column++;
    }
    const espalier_cut_shape shape = espalier_cut_shape_of(column->cut_count, sizeof(double));
    assert_true(shape.level_count > 2);
    const uint64_t offset = column->first_cut + shape.offsets[1];
    *(double *)(void *)(RECORD(&m, CUTS, uint8_t) + offset) = 0.375;
    espalier_error error;
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_CUTS_LEVELS);
    assert_int_equal(error.file_offset, SECTION(&m, CUTS)->offset + offset);
    model_bytes_free(&m);
}

/* Lists stand in the order of their columns: two that have changed places are refused, though each
 * is sound and together they fill the section. */
static void test_order_of_lists(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 56,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 2,
                                       .feature_count = 2,
                                       .decision_count_max = 4,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    model_bytes m = make_model(&options, ESPALIER_LAYOUT_SELECT, NULL);
    espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
    double *const cuts = RECORD(&m, CUTS, double);
    uint32_t swapped = 0;
    for (uint32_t i = 0; i < ESPALIER_CUT_BLOCK; i++) {
        const double cut = cuts[i];
        cuts[i] = cuts[ESPALIER_CUT_BLOCK + i];
        cuts[ESPALIER_CUT_BLOCK + i] = cut;
    }
    for (uint64_t i = 0; i < SECTION(&m, COLUMNS)->bytes / sizeof *columns; i++) {
        if (columns[i].kind == ESPALIER_COLUMN_CODE && columns[i].first_cut <= 64) {
            assert_true(columns[i].cut_count <= ESPALIER_CUT_BLOCK); /* one block, of 64 bytes */
            columns[i].first_cut = 64 - columns[i].first_cut;
            swapped++;
        }
    }
    assert_true(swapped >= 2);
    espalier_error error;
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_CUTS_BYTES);
    assert_int_equal(error.file_offset, SECTION(&m, CUTS)->offset + 64);
    assert_non_null(strstr(error.message, ", cut 0:"));
    model_bytes_free(&m);
}

/* The bytes behind the last section of a file without numbers, which is hot, are zero too. */
static void test_tail_of_the_file(void **state)
{
    (void)state;
    model_bytes m = make_model(&classifier, ESPALIER_LAYOUT_WALK, NULL);
    espalier_error error;
    model_bytes_cut(&m, ESPALIER_SECTION_NODE_NUMBERS);
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_OK);
    m.data[m.bytes - 1] = 1;
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_SECTION);
    assert_int_equal(error.format_rule, RULE_PADDING_ZERO);
    assert_int_equal(error.file_offset, m.bytes - 1);
    model_bytes_free(&m);
}

/* ---- golden answers behind an exponential ---- */

static const synthetic_options linked = {.seed = 54,
                                         .trainer = SYNTHETIC_LIGHTGBM,
                                         .tree_count = 8,
                                         .feature_count = 2,
                                         .decision_count_max = 30,
                                         .group_count = 1,
                                         .linked = true};

/* The golden slots of row 0. */
static double *golden_slots(const model_bytes *m)
{
    espalier_file_golden *const head = RECORD(m, GOLDEN, espalier_file_golden);
    double *const rows = (double *)(void *)(head + 1);
    return rows + (size_t)head->row_count * head->feature_count;
}

static espalier_status verify_sealed(model_bytes *m)
{
    espalier_error error;
    model_bytes_seal(m);
    return verify(m, &error);
}

/* Neighbours that one stage writes have one tolerance, and each must keep it. */
static void test_neighbours_behind_a_sigmoid(void **state)
{
    (void)state;
    model_bytes m = make_model(&linked, ESPALIER_LAYOUT_WALK, NULL);
    const espalier_file_stage *const stage =
        &RECORD(&m, STAGES, espalier_file_stage)[LINKED_TWO_CLASSES];
    double *const slots = golden_slots(&m) + stage->output_slot;
    assert_int_equal(stage->operation, ESPALIER_STAGE_TWO_CLASSES);
    const double before[2] = {slots[0], slots[1]};
    slots[0] = nextafter(before[0], 2.0);
    slots[1] = nextafter(before[1], 2.0);
    assert_int_equal(verify_sealed(&m), ESPALIER_OK);
    slots[1] = before[1] + 1e-9;
    assert_int_equal(verify_sealed(&m), ESPALIER_ERROR_GOLDEN);
    slots[1] = before[1];
    slots[0] = before[0] + 1e-9;
    assert_int_equal(verify_sealed(&m), ESPALIER_ERROR_GOLDEN);
    model_bytes_free(&m);
}

/* Puts STEP of two slots, or INDEX of one and then of it again, where the two classes were. */
static model_bytes make_counting(uint32_t operation, uint32_t input_slot)
{
    model_bytes m = make_model(&linked, ESPALIER_LAYOUT_WALK, NULL);
    const bool twice = operation == ESPALIER_STAGE_INDEX;
    if (twice) {
        model_bytes_resize(&m, ESPALIER_SECTION_STAGES, (int64_t)sizeof(espalier_file_stage));
        RECORD(&m, STEPS, espalier_file_step)[2].count++;
    }
    espalier_file_stage *const stage = &RECORD(&m, STAGES, espalier_file_stage)[LINKED_TWO_CLASSES];
    stage->operation = operation;
    stage->slot_count = twice ? 1 : 2;
    stage->input_slot = input_slot;
    if (twice) {
        stage[1] = stage[0];
        stage[1].output_slot++;
    }
    const espalier_file_golden *const head = RECORD(&m, GOLDEN, espalier_file_golden);
    for (uint32_t row = 0; row < head->row_count; row++) {
        double *const slots = golden_slots(&m) + (size_t)row * head->slot_count;
        slots[stage->output_slot] = 7.5;
        slots[stage->output_slot + 1] = -7.5;
    }
    return m;
}

/* What is counted from a number that is not exact may be any other; of the exact sum it may not. */
static void test_steps_behind_a_sigmoid(void **state)
{
    (void)state;
    static const uint32_t operations[] = {ESPALIER_STAGE_STEP, ESPALIER_STAGE_INDEX};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        model_bytes m = make_counting(operations[i], 0); /* sums */
        assert_int_equal(verify_sealed(&m), ESPALIER_ERROR_GOLDEN);
        model_bytes_free(&m);
        m = make_counting(operations[i], i == 0 ? 1 : 2); /* and what the sigmoid writes */
        assert_int_equal(verify_sealed(&m), ESPALIER_OK);
        model_bytes_free(&m);
    }
}

/* ---- trees of HEAP that are one leaf ---- */

/* Makes the first tree of a HEAP part a leaf alone, of as many levels as before. */
static void empty_first_tree(model_bytes *m)
{
    espalier_file_tree *const tree = RECORD(m, TREES, espalier_file_tree);
    espalier_file_part *const part = RECORD(m, PARTS, espalier_file_part);
    espalier_file_model *const head = RECORD(m, MODEL, espalier_file_model);
    uint8_t *const nodes = RECORD(m, NODES, uint8_t);
    uint8_t *const numbers = RECORD(m, NODE_NUMBERS, uint8_t);
    assert_int_equal(part->layout, ESPALIER_FILE_HEAP);
    assert_int_equal(part->node_bytes, 2);
    assert_true(tree->depth > 1);
    const size_t row_bytes = (size_t)part->leaf_width * 4; /* float32 sums */
    uint8_t *const leaves = RECORD(m, LEAVES, uint8_t) + part->leaf_offset;
    for (uint32_t k = 1; k < tree->leaf_count; k++) {
        memcpy(leaves + (tree->first_leaf + k) * row_bytes, leaves + tree->first_leaf * row_bytes,
               row_bytes);
        memcpy(numbers + (size_t)k * head->number_bytes, numbers, head->number_bytes);
        nodes[k] = 0;                       /* columns first, */
        nodes[tree->node_count + k] = 0xFF; /* then thresholds */
    }
    head->node_count -= tree->source_node_count - 1;
    tree->source_node_count = 1;
}

static void test_a_heap_of_one_leaf(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 55,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 4,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 4};
    espalier_error error;
    model_bytes m = make_model(&options, ESPALIER_LAYOUT_HEAP, NULL);
    empty_first_tree(&m);
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_INDEX);
    assert_int_equal(error.format_rule, RULE_MASK_DEPTH);
    assert_int_equal(error.file_offset, /* the root */
                     SECTION(&m, NODES)->offset +
                         (RECORD(&m, TREES, espalier_file_tree)->first_node + 1) *
                             RECORD(&m, PARTS, espalier_file_part)->node_bytes);
    /* The same without numbers, and so without the output that needs them. */
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof(espalier_file_output));
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 0;
    SECTION(&m, NODE_NUMBERS)->encoding = 2; /* which no reader knows, nor needs */
    SECTION(&m, NODE_NUMBERS)->flags = 0;
    model_bytes_seal(&m);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_INDEX);
    assert_int_equal(error.format_rule, RULE_MASK_DEPTH);
    model_bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves_of_checksums),
        cmocka_unit_test(test_place_of_padding),
        cmocka_unit_test(test_values_of_proofs),
        cmocka_unit_test(test_hole_in_labels),
        cmocka_unit_test(test_first_text),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_padding_of_labels),
        cmocka_unit_test(test_place_of_a_cut),
        cmocka_unit_test(test_every_item_of_cuts),
        cmocka_unit_test(test_middle_level_of_cuts),
        cmocka_unit_test(test_order_of_lists),
        cmocka_unit_test(test_tail_of_the_file),
        cmocka_unit_test(test_one_golden_row),
        cmocka_unit_test(test_every_golden_answer),
        cmocka_unit_test(test_every_number),
        cmocka_unit_test(test_neighbours_behind_a_sigmoid),
        cmocka_unit_test(test_steps_behind_a_sigmoid),
        cmocka_unit_test(test_a_heap_of_one_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
