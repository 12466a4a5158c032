// SPDX-License-Identifier: Apache-2.0
/*
 * The O(file) check that a model's bytes are the right ones: what open leaves out because it is
 * safe without. Bounds first all the same: the file may change while it is verified.
 */
#include "engine/columns.h"
#include "engine/predictor.h"
#include "engine/text_check.h"
#include "format/checksum.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What all checks share. */
typedef struct verify {
    const espalier_model *model;
    const char *name;
    espalier_error *error_out;
} verify;

static espalier_status out_of_memory(const verify *v)
{
    return espalier_error_set(v->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "%s: no memory to verify", v->name);
}

static const uint8_t *section_data(const verify *v, const espalier_file_section *section)
{
    return v->model->map.base + section->offset;
}

/* Zero padding and checksums of every section, private ones too: the mapping must agree. */
static espalier_status verify_sections(const verify *v)
{
    const espalier_file *const file = &v->model->file;
    uint64_t end =
        sizeof(espalier_file_header) + file->section_count * sizeof(espalier_file_section);
    for (uint32_t i = 0; i <= file->section_count; i++) {
        const espalier_file_section *const section =
            i < file->section_count ? espalier_file_section_at(file, i) : NULL;
        const uint64_t offset = section != NULL ? section->offset : file->file_bytes;
        for (uint64_t at = end; at < offset; at++) {
            if (v->model->map.base[at] != 0) {
                return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_PADDING_ZERO,
                                          at, "%s: padding before section %u is not zero", v->name,
                                          (unsigned)i);
            }
        }
        if (section == NULL) {
            break;
        }
        const espalier_checksum128 checksum =
            espalier_checksum128_of(section_data(v, section), (size_t)section->bytes);
        if (checksum.low != section->checksum_low || checksum.high != section->checksum_high) {
            return espalier_error_set(v->error_out, ESPALIER_ERROR_CHECKSUM, RULE_SECTION_CHECKSUM,
                                      offset, "%s: section %u (%s): checksum differs", v->name,
                                      (unsigned)i, espalier_section_name(section->type));
        }
        end = section->offset + section->bytes;
    }
    return ESPALIER_OK;
}

/* One tree under check: what was learnt of each position so far. */
typedef struct tree_check {
    const espalier_file_part *part;
    const espalier_file_tree *tree;
    uint32_t tree_index;
    uint64_t number_first; /* index of position 0 in the numbers */
    uint32_t *depths;      /* [node_count] 1 + steps from the root; 0: not reached */
    uint8_t *seen;         /* [node_count] numbers that some node has */
} tree_check;

static espalier_status refuse_node(const verify *v, const tree_check *c, uint32_t position,
                                   uint32_t rule, const char *what)
{
    const uint64_t offset = (uint64_t)(v->model->nodes - v->model->map.base) +
                            (c->tree->first_node + position) * (uint64_t)c->part->node_bytes;
    return espalier_error_set(v->error_out, ESPALIER_ERROR_INDEX, rule, offset,
                              "%s: tree %u, position %u: %s", v->name, (unsigned)c->tree_index,
                              (unsigned)position, what);
}

/* The parts of a stored node that loading masks away must hold nothing. */
static bool node_has_excess(const verify *v, const tree_check *c, uint32_t position,
                            uint32_t *rule_out)
{
    const uint8_t *const node =
        v->model->nodes + (c->tree->first_node + position) * (size_t)c->part->node_bytes;
    uint32_t words[4] = {0, 0, 0, 0};
    memcpy(words, node, c->part->node_bytes);
    uint32_t column = words[2];
    *rule_out = RULE_NODE_WIDE;
    if (c->part->node_bytes == 8) {
        column = words[1] >> c->part->child_bits;
    } else if (words[3] != 0 || words[1] >> c->part->child_bits != 0) {
        return true;
    }
    *rule_out = RULE_NODE_COLUMN;
    return column >= v->model->column_count;
}

static espalier_status verify_inner(const verify *v, const tree_check *c, uint32_t position,
                                    const espalier_walk_node *node)
{
    float threshold;
    memcpy(&threshold, &node->threshold, sizeof threshold);
    if (isnan(threshold)) {
        return refuse_node(v, c, position, RULE_NODE_CHILD, "threshold is NaN");
    }
    if (node->child <= position || node->child % 2 != 0 || node->child >= c->tree->node_count - 1) {
        return refuse_node(v, c, position, RULE_NODE_CHILD,
                           "children out of range, or not after their parent");
    }
    if (c->depths[position] == 0) {
        return refuse_node(v, c, position, RULE_NODE_FILLER, "a filler that is no leaf");
    }
    if (c->depths[node->child] != 0) {
        return refuse_node(v, c, position, RULE_NODE_PARENT, "a node with two parents");
    }
    c->depths[node->child] = c->depths[position] + 1;
    c->depths[node->child + 1] = c->depths[position] + 1;
    return ESPALIER_OK;
}

static espalier_status verify_number(const verify *v, const tree_check *c, uint32_t position)
{
    if (v->model->numbers == NULL) {
        return ESPALIER_OK;
    }
    const uint32_t number = espalier_model_stored_number(v->model, c->number_first + position);
    if (c->depths[position] == 0) {
        return number == 0 ? ESPALIER_OK
                           : refuse_node(v, c, position, RULE_NUMBERS_VALUES, "a filler's number");
    }
    if (number >= c->tree->source_node_count || c->seen[number] != 0) {
        return refuse_node(v, c, position, RULE_NUMBERS_VALUES,
                           "a node number twice or out of range");
    }
    c->seen[number] = 1;
    return ESPALIER_OK;
}

static espalier_status verify_position(const verify *v, const tree_check *c, uint32_t position)
{
    uint32_t rule = 0;
    if (node_has_excess(v, c, position, &rule)) {
        return refuse_node(v, c, position, rule, "column or unused bits out of range");
    }
    const espalier_walk_node node = espalier_model_load_node(v->model, c->part, c->tree, position);
    if (node.column != 0) {
        const espalier_status status = verify_inner(v, c, position, &node);
        return status != ESPALIER_OK ? status : verify_number(v, c, position);
    }
    if (node.child != position || node.threshold < ESPALIER_LEAF_BIAS ||
        node.threshold - ESPALIER_LEAF_BIAS >= c->part->leaf_count) {
        return refuse_node(v, c, position, RULE_NODE_LEAF, "a leaf whose row is out of range");
    }
    if (c->depths[position] == 0 && node.threshold != ESPALIER_LEAF_BIAS) {
        return refuse_node(v, c, position, RULE_NODE_FILLER, "a filler with a leaf row");
    }
    return verify_number(v, c, position);
}

/* Children come after their parents, so one pass in order sees every parent first. */
static espalier_status verify_tree(const verify *v, const tree_check *c)
{
    const uint32_t node_count = c->tree->node_count;
    memset(c->depths, 0, node_count * sizeof *c->depths);
    memset(c->seen, 0, node_count);
    c->depths[0] = 1;
    uint32_t reached = 0;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        const espalier_status status = verify_position(v, c, i);
        if (status != ESPALIER_OK) {
            return status;
        }
        reached += c->depths[i] != 0;
        depth = c->depths[i] > depth ? c->depths[i] : depth;
    }
    if (c->depths[1] != 0) {
        return refuse_node(v, c, 1, RULE_NODE_FILLER, "position 1 is a node");
    }
    if (reached != c->tree->source_node_count) {
        return refuse_node(v, c, 0, RULE_NODE_PARENT,
                           "another number of nodes than its record says");
    }
    if (depth - 1 != c->tree->depth) {
        return refuse_node(v, c, 0, RULE_NODE_DEPTH, "another depth than its record says");
    }
    return ESPALIER_OK;
}

static espalier_status verify_trees(const verify *v, uint32_t *depths, uint8_t *seen)
{
    const espalier_model *const model = v->model;
    uint64_t number_first = 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            const tree_check check = {part, &model->trees[i], i, number_first, depths, seen};
            const espalier_status status = verify_tree(v, &check);
            if (status != ESPALIER_OK) {
                return status;
            }
            number_first += model->trees[i].node_count;
        }
    }
    return ESPALIER_OK;
}

static espalier_status verify_nodes(const verify *v)
{
    uint32_t node_count_max = 1;
    for (uint32_t i = 0; i < v->model->tree_count; i++) {
        const uint32_t node_count = v->model->trees[i].node_count;
        node_count_max = node_count > node_count_max ? node_count : node_count_max;
    }
    uint32_t *const depths = malloc(node_count_max * sizeof *depths);
    uint8_t *const seen = malloc(node_count_max);
    const espalier_status status =
        depths != NULL && seen != NULL ? verify_trees(v, depths, seen) : out_of_memory(v);
    free(depths);
    free(seen);
    return status;
}

static espalier_status verify_leaves(const verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_LEAVES);
    uint64_t end = 0;
    for (uint32_t p = 0; p < v->model->part_count; p++) {
        const espalier_file_part *const part = &v->model->parts[p];
        const uint64_t part_end =
            part->leaf_offset + (uint64_t)part->leaf_count * part->leaf_width * sizeof(double);
        end = part_end > end ? part_end : end;
    }
    if (end != section->bytes) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LEAVES_BYTES,
                                  section->offset, "%s: section LEAVES is not what its parts use",
                                  v->name);
    }
    return ESPALIER_OK;
}

static bool strings_are_utf8(const espalier_strings *strings)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        size_t bytes = 0;
        const char *const text = espalier_strings_at(strings, i, &bytes);
        if (!espalier_text_is_utf8(text, bytes)) {
            return false;
        }
    }
    return true;
}

static espalier_status verify_labels(const verify *v)
{
    const espalier_model *const model = v->model;
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_CLASS_LABELS);
    uint64_t end = 8 + (uint64_t)model->label_group_count * sizeof(espalier_file_labels);
    for (uint32_t group = 0; group < model->label_group_count; group++) {
        const espalier_file_labels *const labels = espalier_model_label_group(model, group);
        if (labels->offset - end >= 8) {
            return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                      section->offset, "%s: section CLASS_LABELS has a hole",
                                      v->name);
        }
        for (; end < labels->offset; end++) {
            if (model->labels[end] != 0) {
                return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                          section->offset + end,
                                          "%s: padding in section CLASS_LABELS is not zero",
                                          v->name);
            }
        }
        end += labels->bytes;
        for (uint32_t i = 0; labels->kind == ESPALIER_LABEL_STRING && i < labels->count; i++) {
            espalier_label label;
            (void)espalier_model_class_label(model, group, i, &label);
            if (!espalier_text_is_utf8(label.text, label.text_bytes)) {
                return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_STRINGS_UTF8,
                                          section->offset, "%s: a class label is not UTF-8",
                                          v->name);
            }
        }
    }
    if (section != NULL && end != section->bytes) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                  section->offset, "%s: section CLASS_LABELS ends elsewhere",
                                  v->name);
    }
    if (!strings_are_utf8(&model->feature_names)) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_STRINGS_UTF8,
                                  ESPALIER_OFFSET_NONE, "%s: a feature name is not UTF-8", v->name);
    }
    return ESPALIER_OK;
}

static espalier_status verify_metadata(const verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_METADATA);
    if (section != NULL && !espalier_text_is_json_object((const char *)section_data(v, section),
                                                         (size_t)section->bytes)) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_METADATA,
                                  section->offset, "%s: section METADATA is not a JSON object",
                                  v->name);
    }
    return ESPALIER_OK;
}

static espalier_status verify_proof(const verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_PROOF);
    if (section == NULL) {
        return ESPALIER_OK;
    }
    espalier_file_proof proof;
    if (section->bytes != sizeof proof) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                                  section->offset, "%s: section PROOF is not one record", v->name);
    }
    memcpy(&proof, section_data(v, section), sizeof proof);
    const bool none = proof.check_rows == 0;
    const bool empty = proof.check_values == 0 && proof.check_differing == 0 &&
                       proof.check_ulp_max == 0 && proof.check_kind == 0 && proof.check_cause == 0;
    const bool kind_known =
        proof.check_kind == 0 || (proof.check_kind >= ESPALIER_OUTPUT_PROBABILITY &&
                                  proof.check_kind <= ESPALIER_OUTPUT_LEAF);
    if ((none && !empty) || !kind_known || proof.check_cause > ESPALIER_CHECK_UNKNOWN ||
        proof.check_differing > proof.check_values) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_PROOF, section->offset,
                                  "%s: section PROOF contradicts itself", v->name);
    }
    return ESPALIER_OK;
}

/* The golden section, its three arrays found and their sizes checked. */
typedef struct golden {
    espalier_file_golden head;
    const uint8_t *rows;
    const uint8_t *slots;
    const uint8_t *leaves;
    uint64_t offset;
} golden;

static espalier_status find_golden(const verify *v, const espalier_file_section *section,
                                   golden *golden_out)
{
    const espalier_model *const model = v->model;
    golden g = {.offset = section->offset};
    uint64_t bytes = section->bytes;
    const uint64_t row_bytes =
        8 * ((uint64_t)model->head->feature_count + model->head->slot_count) +
        4 * (uint64_t)model->tree_count;
    if (bytes >= sizeof g.head) {
        memcpy(&g.head, section_data(v, section), sizeof g.head);
        bytes -= sizeof g.head;
    }
    /* Counts are bounded by limits, so one row's bytes are far below 2^32. */
    if (g.head.row_count == 0 || g.head.feature_count != model->head->feature_count ||
        g.head.slot_count != model->head->slot_count || g.head.tree_count != model->tree_count ||
        bytes / row_bytes != g.head.row_count || bytes % row_bytes != 0) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_GOLDEN_SHAPE,
                                  section->offset, "%s: section GOLDEN has another shape", v->name);
    }
    uint64_t work = model->head->visits_per_row;
    for (uint32_t p = 0; p < model->part_count; p++) {
        work += (uint64_t)model->parts[p].tree_count * model->parts[p].leaf_width;
    }
    if (work > ESPALIER_LIMIT_GOLDEN_WORK / g.head.row_count) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_LIMIT, RULE_GOLDEN_WORK,
                                  section->offset,
                                  "%s: section GOLDEN has more rows than verify has time for",
                                  v->name);
    }
    g.rows = section_data(v, section) + sizeof g.head;
    g.slots = g.rows + (size_t)g.head.row_count * g.head.feature_count * 8;
    g.leaves = g.slots + (size_t)g.head.row_count * g.head.slot_count * 8;
    *golden_out = g;
    return ESPALIER_OK;
}

static espalier_status refuse_golden(const verify *v, const golden *g, uint32_t row,
                                     const char *what)
{
    return espalier_error_set(v->error_out, ESPALIER_ERROR_GOLDEN, RULE_GOLDEN_VALUES, g->offset,
                              "%s: golden row %u: another %s", v->name, (unsigned)row, what);
}

/* Compares one row that was just run: all slots, and the leaves of every part. */
static espalier_status compare_golden(const verify *v, const golden *g,
                                      espalier_predictor *predictor, uint32_t row, int64_t *leaves)
{
    const espalier_model *const model = v->model;
    const size_t slots_bytes = (size_t)g->head.slot_count * sizeof(double);
    if (memcmp(predictor->slots, g->slots + row * slots_bytes, slots_bytes) != 0) {
        return refuse_golden(v, g, row, "value");
    }
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        espalier_predictor_leaves(predictor, p, leaves);
        for (uint32_t i = 0; i < part->tree_count; i++) {
            const size_t index = (size_t)row * g->head.tree_count + part->first_tree + i;
            uint32_t stored;
            memcpy(&stored, g->leaves + index * sizeof stored, sizeof stored);
            if (leaves[i] != (int64_t)stored) {
                return refuse_golden(v, g, row, "leaf");
            }
        }
    }
    return ESPALIER_OK;
}

static espalier_status run_golden(const verify *v, const golden *g, espalier_predictor *predictor,
                                  int64_t *leaves)
{
    for (uint32_t row = 0; row < g->head.row_count; row++) {
        const size_t row_bytes = (size_t)g->head.feature_count * sizeof(double);
        const espalier_rows rows = {
            g->rows + row * row_bytes, ESPALIER_DTYPE_FLOAT64, 0, 1, g->head.feature_count, 0, 1};
        espalier_coder_fill_row(&predictor->coder, &rows, 0, &predictor->row);
        espalier_predictor_run_row(predictor);
        const espalier_status status = compare_golden(v, g, predictor, row, leaves);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return ESPALIER_OK;
}

static espalier_status verify_golden(const verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_GOLDEN);
    if (section == NULL) {
        return ESPALIER_OK;
    }
    golden g = {{0, 0, 0, 0}, NULL, NULL, NULL, 0};
    espalier_status status = find_golden(v, section, &g);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF;
    options.isa = ESPALIER_ISA_SCALAR; /* whatever the environment says */
    options.block_rows_max = 1;
    espalier_predictor *predictor = NULL;
    int64_t *const leaves = malloc(v->model->tree_count * sizeof *leaves);
    if (leaves == NULL ||
        espalier_predictor_create(v->model, &options, &predictor) != ESPALIER_OK) {
        status = out_of_memory(v);
    } else {
        status = run_golden(v, &g, predictor, leaves);
    }
    espalier_predictor_destroy(predictor);
    free(leaves);
    return status;
}

espalier_status espalier_model_verify_named(const espalier_model *model, const char *name,
                                            espalier_error *error_out)
{
    const verify v = {model, name, error_out};
    espalier_status (*const checks[])(const verify *) = {
        verify_sections, verify_leaves, verify_nodes,  verify_labels,
        verify_metadata, verify_proof,  verify_golden,
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const espalier_status status = checks[i](&v);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_verify(const espalier_model *model, espalier_error *error_out)
{
    if (model == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_verify: NULL model");
    }
    return espalier_model_verify_named(model, "model", error_out);
}
