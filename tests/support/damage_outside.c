// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules of header and section table ([F-006] to [F-048]).
 */
#include "tests/support/damage.h"

#include <string.h>

DAMAGE(reserved_model)
{
    RECORD(m, MODEL, espalier_file_model)->reserved[5] = 1;
}

DAMAGE(reserved_step)
{
    RECORD(m, STEPS, espalier_file_step)[1].reserved = 1;
}

DAMAGE(reserved_part)
{
    RECORD(m, PARTS, espalier_file_part)->reserved[5] = 1;
}

DAMAGE(reserved_output)
{
    RECORD(m, OUTPUTS, espalier_file_output)->reserved = 1;
}

DAMAGE(reserved_column)
{
    RECORD(m, COLUMNS, espalier_file_column)[1].segment = 1;
}

DAMAGE(reserved_labels)
{
    labels_of(m)->reserved = 1;
}

DAMAGE(reserved_stage)
{
    RECORD(m, STAGES, espalier_file_stage)->reserved = 1;
}

DAMAGE(short)
{
    m->bytes = 127;
}

DAMAGE(magic)
{
    m->data[4] = 0;
}

DAMAGE(text)
{
    memcpy(m->data, "not a model at all", 18);
}

DAMAGE(empty)
{
    m->bytes = 0;
}

DAMAGE(byte_order)
{
    HEADER(m)->byte_order = UINT32_C(0x0D0C0B0A);
}

DAMAGE(byte_order_mark)
{
    HEADER(m)->byte_order = 0;
}

DAMAGE(newer_major)
{
    HEADER(m)->format_major = 2;
}

DAMAGE(older_major)
{
    HEADER(m)->format_major = 0;
}

DAMAGE(cut)
{
    m->bytes--;
}

DAMAGE(required_feature)
{
    HEADER(m)->required_features = UINT64_C(1) << 33;
}

DAMAGE(header_bytes)
{
    HEADER(m)->header_bytes = 136;
}

DAMAGE(no_sections)
{
    HEADER(m)->section_count = 0;
}

DAMAGE(many_sections)
{
    HEADER(m)->section_count = 65;
}

DAMAGE(entry_bytes)
{
    HEADER(m)->section_entry_bytes = 104;
}

DAMAGE(reserved0)
{
    HEADER(m)->reserved0 = 1;
}

DAMAGE(reserved1)
{
    HEADER(m)->reserved1[23] = 1;
}

DAMAGE(private_end)
{
    HEADER(m)->private_end += 64;
}

DAMAGE(private_end_early)
{
    HEADER(m)->private_end -= 64;
}

DAMAGE(private_end_far)
{
    HEADER(m)->private_end = HEADER(m)->file_bytes + 1;
}

DAMAGE(header_checksum)
{
    HEADER(m)->checksum ^= 1;
}

DAMAGE(header_bit)
{
    HEADER(m)->optional_features ^= 1;
}

DAMAGE(order)
{
    SECTION(m, STEPS)->type = ESPALIER_SECTION_MODEL;
}

DAMAGE(type_zero)
{
    SECTION(m, MODEL)->type = 0, ENTRY(m, 0)->flags = 0;
}

DAMAGE(unknown_required)
{
    SECTION(m, PROOF)->flags = 1;
    SECTION(m, PROOF)->type = 99;
}

DAMAGE(encoding)
{
    SECTION(m, TREES)->encoding = 2;
}

DAMAGE(flags)
{
    SECTION(m, TREES)->flags |= 4;
}

DAMAGE(alignment)
{
    SECTION(m, TREES)->alignment = 96;
}

DAMAGE(alignment_small)
{
    SECTION(m, TREES)->alignment = 32;
}

DAMAGE(alignment_large)
{
    SECTION(m, TREES)->alignment = 131072;
}

DAMAGE(offset)
{
    SECTION(m, TREES)->offset += 8;
}

DAMAGE(section_empty)
{
    SECTION(m, TREES)->bytes = 0;
}

DAMAGE(section_far)
{
    SECTION(m, NODES)->bytes = UINT64_MAX - 4096;
}

DAMAGE(section_offset_far)
{
    SECTION(m, NODES)->offset = UINT64_C(1) << 63;
}

DAMAGE(overlap)
{
    SECTION(m, TREES)->offset = SECTION(m, COLUMNS)->offset;
}

DAMAGE(overlap_table)
{
    SECTION(m, MODEL)->offset = 64;
}

DAMAGE(hole)
{
    SECTION(m, MODEL)->offset += 192;
}

DAMAGE(padding_private)
{
    uint8_t *const end = section_end(m, ESPALIER_SECTION_TREES);
    *end = 1;
}

DAMAGE(padding)
{
    *section_end(m, ESPALIER_SECTION_LEAVES) = 1;
}

DAMAGE(hot_tail)
{
    SECTION(m, NODES)->bytes = SECTION(m, LEAVES)->offset - SECTION(m, NODES)->offset - 63;
}

DAMAGE(hot_alignment)
{
    SECTION(m, NODES)->alignment = 2048;
}

DAMAGE(end)
{
    SECTION(m, PROOF)->bytes -= 1;
}

DAMAGE(entry_reserved)
{
    SECTION(m, TREES)->reserved[15] = 1;
}

DAMAGE(private_checksum)
{
    RECORD(m, TREES, espalier_file_tree)->number ^= 1;
}

DAMAGE(hot_checksum)
{
    RECORD(m, NODES, espalier_file_node)->threshold ^= 1;
}

DAMAGE(no_trees)
{
    rename_section(m, ESPALIER_SECTION_CLASS_LABELS, 15);
    rename_section(m, ESPALIER_SECTION_FEATURE_NAMES, 14);
    rename_section(m, ESPALIER_SECTION_TREES, 13);
}

DAMAGE(labels_missing)
{
    rename_section(m, ESPALIER_SECTION_CLASS_LABELS, 15);
}

DAMAGE(numbers_missing)
{
    rename_section(m, ESPALIER_SECTION_NODE_NUMBERS, 23);
}

DAMAGE(numbers_unused)
{
    RECORD(m, MODEL, espalier_file_model)->number_bytes = 0;
}

DAMAGE(no_whole_record)
{
    SECTION(m, STEPS)->bytes -= 4;
}

DAMAGE(part_of_a_model)
{
    SECTION(m, MODEL)->bytes = 56;
}

DAMAGE(proof_record)
{
    SECTION(m, PROOF)->bytes -= 8;
    HEADER(m)->file_bytes -= 8;
    m->bytes -= 8;
}

const rule_case rule_cases_outside[] = {
    {"F-006", damage_reserved_model, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-006", damage_reserved_step, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-006", damage_reserved_part, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-006", damage_reserved_output, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-125", damage_reserved_column, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-006", damage_reserved_labels, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-006", damage_reserved_stage, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-010", damage_short, ESPALIER_ERROR_TRUNCATED, RAW, CLASSIFIER},
    {"F-011", damage_magic, ESPALIER_ERROR_NOT_A_MODEL, RAW, CLASSIFIER},
    {"F-011", damage_text, ESPALIER_ERROR_NOT_A_MODEL, RAW, CLASSIFIER},
    {"F-011", damage_empty, ESPALIER_ERROR_NOT_A_MODEL, RAW, CLASSIFIER},
    {"F-012", damage_byte_order, ESPALIER_ERROR_BYTE_ORDER, SEALED, CLASSIFIER},
    {"F-012", damage_byte_order_mark, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-013", damage_newer_major, ESPALIER_ERROR_VERSION, SEALED, CLASSIFIER},
    {"F-013", damage_older_major, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-015", damage_cut, ESPALIER_ERROR_TRUNCATED, RAW, CLASSIFIER},
    {"F-016", damage_required_feature, ESPALIER_ERROR_REQUIRED_FEATURE, SEALED, CLASSIFIER},
    {"F-018", damage_header_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-019", damage_no_sections, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-019", damage_many_sections, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-020", damage_entry_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-022", damage_reserved0, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-022", damage_reserved1, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-023", damage_private_end, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-023", damage_private_end_early, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-023", damage_private_end_far, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-024", damage_header_checksum, ESPALIER_ERROR_CHECKSUM, RAW, CLASSIFIER},
    {"F-024", damage_header_bit, ESPALIER_ERROR_CHECKSUM, RAW, CLASSIFIER},
    {"F-030", damage_order, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-030", damage_type_zero, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-031", damage_unknown_required, ESPALIER_ERROR_REQUIRED_FEATURE, SEALED, CLASSIFIER},
    {"F-032", damage_encoding, ESPALIER_ERROR_REQUIRED_FEATURE, SEALED, CLASSIFIER},
    {"F-033", damage_flags, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-034", damage_alignment, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-034", damage_alignment_small, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-034", damage_alignment_large, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-035", damage_offset, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-036", damage_section_empty, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-036", damage_section_far, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-036", damage_section_offset_far, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-037", damage_overlap, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-037", damage_overlap_table, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-038", damage_hole, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-039", damage_padding_private, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-039", damage_padding, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
    {"F-040", damage_hot_tail, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-041", damage_hot_alignment, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-042", damage_end, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-043", damage_entry_reserved, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-044", damage_private_checksum, ESPALIER_ERROR_CHECKSUM, RAW, CLASSIFIER},
    {"F-044", damage_hot_checksum, ESPALIER_ERROR_CHECKSUM, RAW_VERIFY, CLASSIFIER},
    {"F-046", damage_no_trees, ESPALIER_ERROR_SECTION_MISSING, SEALED, CLASSIFIER},
    {"F-047", damage_labels_missing, ESPALIER_ERROR_SECTION_MISSING, SEALED, CLASSIFIER},
    {"F-047", damage_numbers_missing, ESPALIER_ERROR_SECTION_MISSING, SEALED, CLASSIFIER},
    {"F-047", damage_numbers_unused, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-048", damage_no_whole_record, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-048", damage_part_of_a_model, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-048", damage_proof_record, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
};

const size_t rule_cases_outside_count = sizeof rule_cases_outside / sizeof rule_cases_outside[0];
