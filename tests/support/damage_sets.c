// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules of sets of categories ([F-300] to [F-303]). The model has one list of sets of one
 * word, and one of several, the last columns of the file.
 */
#include "tests/support/damage.h"

#include <string.h>

/* The columns of the second list. */
static espalier_file_column *last_column(const model_bytes *m)
{
    return (espalier_file_column *)(void *)section_end(m, ESPALIER_SECTION_COLUMNS) - 1;
}

/* The first column of sets. */
static espalier_file_column *first_set(const model_bytes *m)
{
    espalier_file_column *column = RECORD(m, COLUMNS, espalier_file_column);
    while (column->kind != ESPALIER_COLUMN_SET) {
        column++;
    }
    return column;
}

/* The first node of tree 0 that asks for a set. */
static espalier_file_node *set_node(const model_bytes *m)
{
    const uint32_t first = (uint32_t)(first_set(m) - RECORD(m, COLUMNS, espalier_file_column));
    espalier_file_node *node = RECORD(m, NODES, espalier_file_node);
    while (node->word >> 16 < first) {
        node++;
    }
    return node;
}

DAMAGE(set_missing)
{
    first_set(m)->missing = ESPALIER_MISSING_LEFT;
}

DAMAGE(set_bank)
{
    last_column(m)->bank = ESPALIER_BANK_BYTE;
}

DAMAGE(set_in_front)
{
    espalier_file_column *const first = first_set(m);
    const espalier_file_column before = first[-1];
    first[-1] = first[0];
    first[0] = before;
}

DAMAGE(set_segment)
{
    last_column(m)->segment++;
}

DAMAGE(set_segment_first)
{
    first_set(m)->segment = 1;
}

DAMAGE(set_segment_feature)
{
    last_column(m)->feature = 0;
}

DAMAGE(set_cut_count)
{
    first_set(m)->cut_count = 0;
}

DAMAGE(set_cuts_far)
{
    last_column(m)->first_cut = UINT64_MAX - 63;
}

DAMAGE(sets_short)
{
    const uint32_t feature = first_set(m)->feature;
    for (espalier_file_column *c = first_set(m); c->feature == feature; c++) {
        c->cut_count--;
    }
}

DAMAGE(sets_absent)
{
    rename_section(m, ESPALIER_SECTION_SETS, ESPALIER_SECTION_SETS + 90);
}

DAMAGE(node_bit)
{
    set_node(m)->threshold = ESPALIER_SET_TEST + ESPALIER_SET_BITS;
}

DAMAGE(node_bit_low)
{
    set_node(m)->threshold = ESPALIER_SET_TEST - 1;
}

const rule_case rule_cases_sets[] = {
    {"F-300", damage_set_missing, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-300", damage_set_bank, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-300", damage_set_in_front, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-301", damage_set_segment, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-301", damage_set_segment_first, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-301", damage_set_segment_feature, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-127", damage_set_cut_count, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-127", damage_set_cuts_far, ESPALIER_ERROR_VALUE, SEALED, CATEGORIES},
    {"F-302", damage_sets_short, ESPALIER_ERROR_SECTION, SEALED, CATEGORIES},
    {"F-047", damage_sets_absent, ESPALIER_ERROR_SECTION_MISSING, SEALED, CATEGORIES},
    {"F-303", damage_node_bit, ESPALIER_ERROR_INDEX, VERIFY, CATEGORIES},
    {"F-303", damage_node_bit_low, ESPALIER_ERROR_INDEX, VERIFY, CATEGORIES},
};
const size_t rule_cases_sets_count = sizeof rule_cases_sets / sizeof rule_cases_sets[0];
