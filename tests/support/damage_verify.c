// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules that only verify looks at, and sizes it shares with open ([F-160] on).
 */
#include "tests/support/damage.h"

#include <string.h>

DAMAGE(node_column)
{
    RECORD(m, NODES, espalier_file_node)[0].word |= UINT32_C(0xFFFF) << 16;
}

DAMAGE(leaf_row)
{
    first_leaf(m)->threshold = ESPALIER_LIMIT_LEAVES - 1;
}

DAMAGE(leaf_other_column)
{
    first_leaf(m)->word |= 1u << 16;
}

DAMAGE(leaf_child)
{
    first_leaf(m)->word ^= 1;
}

DAMAGE(child_odd)
{
    RECORD(m, NODES, espalier_file_node)[0].word |= 1;
}

DAMAGE(child_far)
{
    RECORD(m, NODES, espalier_file_node)[0].word |= 0xFFFE;
}

DAMAGE(child_before)
{
    second_inner(m)->word &= 0xFFFF0000u;
}

/* Not a word that a number has: of NaN, of -0, between the numbers and NaN. */
DAMAGE(threshold_nan)
{
    RECORD(m, NODES, espalier_file_node)[0].threshold = 0;
}

DAMAGE(threshold_zero)
{
    RECORD(m, NODES, espalier_file_node)[0].threshold = 0x80000000u;
}

DAMAGE(threshold_above)
{
    RECORD(m, NODES, espalier_file_node)[0].threshold = UINT32_MAX - 0xFF800001u;
}

DAMAGE(two_parents)
{
    second_inner(m)->word = (second_inner(m)->word & 0xFFFF0000u) | used_child(m);
}

DAMAGE(node_unreached)
{
    RECORD(m, TREES, espalier_file_tree)[0].source_node_count -= 2;
    RECORD(m, MODEL, espalier_file_model)->node_count -= 2;
}

DAMAGE(depth)
{
    RECORD(m, TREES, espalier_file_tree)[0].depth -= 1;
    RECORD(m, MODEL, espalier_file_model)->visits_per_row -= 1;
}

DAMAGE(filler_row)
{
    RECORD(m, NODES, espalier_file_node)[1].threshold = 1;
}

DAMAGE(filler_node)
{
    espalier_file_node *const nodes = RECORD(m, NODES, espalier_file_node);
    nodes[1] = (espalier_file_node){nodes[0].threshold, 2u | (nodes[0].word & 0xFFFF0000u)};
}

DAMAGE(leaves_bytes)
{
    SECTION(m, LEAVES)->bytes += 8;
}

DAMAGE(numbers_bytes)
{
    SECTION(m, NODE_NUMBERS)->bytes -= 1;
}

DAMAGE(numbers_twice)
{
    const espalier_file_node *const nodes = RECORD(m, NODES, espalier_file_node);
    uint8_t *const numbers = RECORD(m, NODE_NUMBERS, uint8_t);
    const ptrdiff_t first = first_leaf(m) - nodes;
    ptrdiff_t second = first + 1;
    while (nodes[second].word >> 16 != 0) {
        second++;
    }
    numbers[second] = numbers[first];
}

DAMAGE(numbers_filler)
{
    RECORD(m, NODE_NUMBERS, uint8_t)[1] = 1;
}

DAMAGE(golden_rows)
{
    RECORD(m, GOLDEN, espalier_file_golden)->row_count = 0;
}

DAMAGE(golden_shape)
{
    RECORD(m, GOLDEN, espalier_file_golden)->slot_count++;
}

DAMAGE(golden_leaf)
{
    section_end(m, ESPALIER_SECTION_GOLDEN)[-4] ^= 1;
}

DAMAGE(golden_value)
{
    RECORD(m, LEAVES, uint8_t)[SECTION(m, LEAVES)->bytes - 1] ^= 1;
    double *const leaves = RECORD(m, LEAVES, double);
    for (uint64_t i = 0; i < SECTION(m, LEAVES)->bytes / 8; i++) {
        leaves[i] += 1.0;
    }
}

DAMAGE(metadata)
{
    RECORD(m, METADATA, char)[0] = 91;
}

DAMAGE(proof)
{
    RECORD(m, PROOF, espalier_file_proof)->check_kind = 7;
    RECORD(m, PROOF, espalier_file_proof)->check_rows = 1;
}

DAMAGE(proof_no_rows)
{
    RECORD(m, PROOF, espalier_file_proof)->check_values = 1;
}

const rule_case rule_cases_verify[] = {
    {"F-160", damage_node_column, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-161", damage_leaf_row, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-161", damage_leaf_child, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-161", damage_leaf_other_column, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_child_odd, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_child_far, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_child_before, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_threshold_nan, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_threshold_zero, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-162", damage_threshold_above, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-163", damage_two_parents, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-163", damage_node_unreached, ESPALIER_ERROR_INDEX, VERIFY, COUNTS},
    {"F-164", damage_depth, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-165", damage_filler_row, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-165", damage_filler_node, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-170", damage_leaves_bytes, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
    {"F-175", damage_numbers_bytes, ESPALIER_ERROR_SECTION, SEALED, CLASSIFIER},
    {"F-176", damage_numbers_twice, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-176", damage_numbers_filler, ESPALIER_ERROR_INDEX, VERIFY, CLASSIFIER},
    {"F-180", damage_golden_rows, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
    {"F-180", damage_golden_shape, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
    {"F-181", damage_golden_leaf, ESPALIER_ERROR_GOLDEN, VERIFY, CLASSIFIER},
    {"F-181", damage_golden_value, ESPALIER_ERROR_GOLDEN, VERIFY, CLASSIFIER},
    {"F-185", damage_metadata, ESPALIER_ERROR_VALUE, VERIFY, CLASSIFIER},
    {"F-190", damage_proof, ESPALIER_ERROR_VALUE, VERIFY, CLASSIFIER},
    {"F-190", damage_proof_no_rows, ESPALIER_ERROR_VALUE, VERIFY, CLASSIFIER},
};

const size_t rule_cases_verify_count = sizeof rule_cases_verify / sizeof rule_cases_verify[0];
