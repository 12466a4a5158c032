// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten.h. Columns and cuts first, since the layout and the width of a node follow from them;
 * then the tables; then the trees, one behind the other, with the leaf table they fill.
 */
#include "convert/flatten.h"

#include "convert/flatten_names.h"
#include "convert/flatten_work.h"
#include "format/error.h"

#include <stdlib.h>
#include <string.h>

espalier_status espalier_flatten_fail_memory(const espalier_flattening *work, const char *what)
{
    return espalier_error_set(work->error, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "%s: no memory for the model's %s", work->source, what);
}

espalier_status espalier_flatten_fail_limit(const espalier_flattening *work, const char *what,
                                            uint64_t count, uint64_t limit)
{
    return espalier_error_set(work->error, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                              "%s: %llu %s; a model has at most %llu", work->source,
                              (unsigned long long)count, what, (unsigned long long)limit);
}

void *espalier_flatten_table(espalier_flat_bytes *section, uint64_t count, size_t record_bytes)
{
    void *const data = calloc((size_t)count, record_bytes);
    if (data != NULL) {
        section->data = data;
        section->bytes = count * record_bytes;
    }
    return data;
}

void espalier_flatten_store(uint8_t *place, uint32_t number, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        place[i] = (uint8_t)(number >> (8 * i));
    }
}

uint32_t espalier_flatten_number(const espalier_flattening *work, uint64_t index, uint32_t node)
{
    if (!work->own_numbers) {
        return node;
    }
    return work->forest->left[index] == ESPALIER_FOREST_LEAF ? work->forest->number[index] : 0;
}

/* ---- leaves ---- */

static uint64_t count_value_bytes(const espalier_flattening *work)
{
    return work->part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32 ? sizeof(float) : sizeof(double);
}

/* The table goes behind those of the parts before. */
espalier_status espalier_flatten_make_leaves(espalier_flattening *work, uint64_t row_count)
{
    espalier_flat_bytes *const leaves = &work->flat->leaves;
    const uint64_t row_bytes = work->part->leaf_width * count_value_bytes(work);
    const uint64_t offset = (leaves->bytes + ESPALIER_ALIGNMENT_MIN - 1) / ESPALIER_ALIGNMENT_MIN *
                            ESPALIER_ALIGNMENT_MIN;
    if (row_count > (ESPALIER_LIMIT_FILE_BYTES - offset) / row_bytes) {
        return espalier_flatten_fail_limit(work, "leaf rows", row_count,
                                           ESPALIER_LIMIT_FILE_BYTES / row_bytes);
    }
    const uint64_t bytes = offset + row_count * row_bytes;
    uint8_t *const data = realloc(leaves->data, (size_t)bytes);
    if (data == NULL) {
        return espalier_flatten_fail_memory(work, "leaves");
    }
    memset(data + leaves->bytes, 0, (size_t)(bytes - leaves->bytes));
    *leaves = (espalier_flat_bytes){data, bytes};
    work->leaves = (double *)(void *)(data + offset);
    work->part->leaf_offset = offset;
    work->part->leaf_count = (uint32_t)row_count;
    return ESPALIER_OK;
}

void espalier_flatten_store_leaf(const espalier_flattening *work, uint64_t to, uint64_t from)
{
    const size_t width = work->part->leaf_width;
    const double *const values =
        work->forest->leaf_values + work->source_part.first_value + from * width;
    if (count_value_bytes(work) == sizeof *values) {
        memcpy(work->leaves + to * width, values, width * sizeof *values);
        return;
    }
    float *const row = (float *)(void *)work->leaves + to * width;
    for (size_t i = 0; i < width; i++) {
        row[i] = (float)values[i];
    }
}

/* ---- steps ---- */

static espalier_status find_columns(espalier_flattening *work)
{
    uint64_t count = 0;
    const espalier_status status = espalier_columns_init(&work->columns, work->forest, &count);
    return status == ESPALIER_ERROR_LIMIT
               ? espalier_flatten_fail_limit(work, "columns", count, ESPALIER_LIMIT_COLUMNS)
           : status == ESPALIER_ERROR_MEMORY ? espalier_flatten_fail_memory(work, "columns")
                                             : status;
}

static espalier_status find_sets(espalier_flattening *work)
{
    uint64_t bytes = 0;
    const espalier_status status =
        espalier_set_columns_init(&work->columns.sets, work->forest, &bytes);
    return status == ESPALIER_ERROR_LIMIT
               ? espalier_flatten_fail_limit(work, "bytes of categories by sets", bytes,
                                             ESPALIER_SET_BYTES_MAX)
           : status == ESPALIER_ERROR_MEMORY ? espalier_flatten_fail_memory(work, "categories")
                                             : status;
}

static espalier_status make_columns(espalier_flattening *work)
{
    if (work->columns.column_count > ESPALIER_LIMIT_COLUMNS) {
        return espalier_flatten_fail_limit(work, "columns", work->columns.column_count,
                                           ESPALIER_LIMIT_COLUMNS);
    }
    return espalier_columns_sections(&work->columns, work->flat) == ESPALIER_OK
               ? ESPALIER_OK
               : espalier_flatten_fail_memory(work, "columns");
}

static espalier_status make_names(espalier_flattening *work)
{
    espalier_status status =
        espalier_flatten_feature_names(work->forest, &work->flat->feature_names);
    if (status == ESPALIER_OK) {
        status = espalier_flatten_labels(work->forest, &work->flat->class_labels);
    }
    if (status == ESPALIER_OK) {
        status = espalier_flatten_categories(work->forest, &work->flat->categories);
    }
    return status == ESPALIER_ERROR_MEMORY ? espalier_flatten_fail_memory(work, "names")
           : status == ESPALIER_ERROR_LIMIT
               ? espalier_flatten_fail_limit(work, "bytes or more of names", UINT32_MAX, UINT32_MAX)
               : status;
}

/* Leaves that are lines, in the order of their trees, then all terms. */
static espalier_status make_linear(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    if (forest->linear_leaves == NULL) {
        return ESPALIER_OK;
    }
    const uint64_t leaf_bytes = forest->line_count * sizeof(espalier_file_linear_leaf);
    uint8_t *const data =
        espalier_flatten_table(&work->flat->linear,
                               leaf_bytes + forest->term_count * sizeof(espalier_file_term), 1);
    if (data == NULL) {
        return espalier_flatten_fail_memory(work, "linear leaves");
    }
    for (uint64_t i = 0; i < forest->line_count; i++) {
        const espalier_forest_linear_leaf *const leaf = &forest->linear_leaves[i];
        const espalier_file_linear_leaf stored = {leaf->constant, leaf->missing_value,
                                                  leaf->first_term, leaf->term_count};
        memcpy(data + i * sizeof stored, &stored, sizeof stored);
    }
    for (uint32_t i = 0; i < forest->term_count; i++) {
        const espalier_file_term stored = {forest->terms[i].coefficient, forest->terms[i].place, 0};
        memcpy(data + leaf_bytes + i * sizeof stored, &stored, sizeof stored);
    }
    return ESPALIER_OK;
}

/* Bytes of nodes, and numbers, of a part. */
static uint64_t count_part_bytes(const espalier_flat *flat, const espalier_file_part *part,
                                 uint64_t *numbers_out)
{
    const espalier_file_tree *const trees = flat->trees.data;
    uint64_t bytes = 0;
    *numbers_out = 0;
    for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
        bytes += (uint64_t)trees[i].node_count * part->node_bytes;
        *numbers_out +=
            part->layout == ESPALIER_FILE_WALK ? trees[i].node_count : trees[i].leaf_count;
    }
    return bytes;
}

/* NODES and NODE_NUMBERS of all parts, zeroed. */
static espalier_status make_nodes(espalier_flattening *work)
{
    espalier_flat *const flat = work->flat;
    uint64_t bytes = 0;
    uint64_t numbers = 0;
    for (uint32_t i = 0; i < flat->part_count; i++) {
        uint64_t count = 0;
        bytes += count_part_bytes(flat, &flat->parts[i], &count);
        numbers += count * flat->model.number_bytes;
    }
    if (bytes > ESPALIER_LIMIT_FILE_BYTES || numbers > ESPALIER_LIMIT_FILE_BYTES) {
        return espalier_flatten_fail_limit(work, "bytes of nodes", bytes,
                                           ESPALIER_LIMIT_FILE_BYTES);
    }
    return espalier_flatten_table(&flat->nodes, bytes, 1) == NULL ||
                   (numbers > 0 && espalier_flatten_table(&flat->node_numbers, numbers, 1) == NULL)
               ? espalier_flatten_fail_memory(work, "nodes")
               : ESPALIER_OK;
}

static espalier_status place_parts(espalier_flattening *work)
{
    espalier_flat *const flat = work->flat;
    uint64_t node_byte = 0;
    uint64_t number_byte = 0;
    espalier_status status = make_nodes(work);
    for (uint32_t i = 0; i < flat->part_count && status == ESPALIER_OK; i++) {
        uint64_t numbers = 0;
        const uint64_t bytes = count_part_bytes(flat, &flat->parts[i], &numbers);
        work->source_part = espalier_forest_part_at(work->forest, i);
        work->part = &flat->parts[i];
        work->nodes = (uint8_t *)flat->nodes.data + node_byte;
        work->numbers = flat->node_numbers.data != NULL
                            ? (uint8_t *)flat->node_numbers.data + number_byte
                            : NULL;
        status = work->part->layout == ESPALIER_FILE_WALK ? espalier_flatten_walk(work)
                                                          : espalier_flatten_mask(work);
        node_byte += bytes;
        number_byte += numbers * flat->model.number_bytes;
    }
    return status;
}

espalier_status espalier_flatten_to(const espalier_forest *forest, uint32_t layout,
                                    const char *source, espalier_flat *flat_out,
                                    espalier_error *error_out)
{
    espalier_flat flat;
    memset(&flat, 0, sizeof flat);
    espalier_flattening work = {.forest = forest,
                                .source = source,
                                .error = error_out,
                                .flat = &flat};
    espalier_status (*const steps[])(espalier_flattening *) = {
        make_columns, espalier_flatten_make_trees,  espalier_flatten_make_plan,
        make_names,   espalier_flatten_preparation, espalier_flatten_make_constants,
        make_linear,  espalier_flatten_cover,       place_parts};

    espalier_status status = espalier_flatten_check_limits(&work);
    if (status == ESPALIER_OK) {
        status = find_columns(&work);
    }
    if (status == ESPALIER_OK) {
        status = find_sets(&work);
    }
    if (status == ESPALIER_OK) {
        status = espalier_flatten_choose(&work, layout);
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == ESPALIER_OK; i++) {
        status = steps[i](&work);
    }
    espalier_columns_free(&work.columns);
    if (status != ESPALIER_OK) {
        espalier_flat_free(&flat);
        return status;
    }
    *flat_out = flat;
    return ESPALIER_OK;
}

espalier_status espalier_flatten(const espalier_forest *forest, const char *source,
                                 espalier_flat *flat_out, espalier_error *error_out)
{
    return espalier_flatten_to(forest, ESPALIER_LAYOUT_WALK, source, flat_out, error_out);
}

void espalier_flat_free(espalier_flat *flat)
{
    free(flat->parts);
    espalier_flat_bytes *const sections[] = {
        &flat->steps, &flat->stages,      &flat->outputs,       &flat->columns,
        &flat->trees, &flat->constants,   &flat->feature_names, &flat->class_labels,
        &flat->nodes, &flat->leaves,      &flat->cuts,          &flat->node_numbers,
        &flat->sets,  &flat->preparation, &flat->linear,        &flat->categories,
        &flat->cover,
    };
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        free(sections[i]->data);
    }
    memset(flat, 0, sizeof *flat);
}

uint32_t espalier_flat_sections(const espalier_flat *flat, espalier_writer_section *sections)
{
    const struct {
        uint32_t type;
        uint16_t flags;
        const void *data;
        uint64_t bytes;
    } all[ESPALIER_FLAT_SECTIONS_MAX] = {
        {ESPALIER_SECTION_MODEL, ESPALIER_SECTION_REQUIRED, &flat->model, sizeof flat->model},
#define FLAT_SECTION(type, flags, field) {type, flags, flat->field.data, flat->field.bytes}
        FLAT_SECTION(ESPALIER_SECTION_STEPS, ESPALIER_SECTION_REQUIRED, steps),
        {ESPALIER_SECTION_PARTS, ESPALIER_SECTION_REQUIRED, flat->parts,
         flat->part_count * sizeof *flat->parts},
        FLAT_SECTION(ESPALIER_SECTION_STAGES, ESPALIER_SECTION_REQUIRED, stages),
        FLAT_SECTION(ESPALIER_SECTION_OUTPUTS, ESPALIER_SECTION_REQUIRED, outputs),
        FLAT_SECTION(ESPALIER_SECTION_COLUMNS, ESPALIER_SECTION_REQUIRED, columns),
        FLAT_SECTION(ESPALIER_SECTION_TREES, ESPALIER_SECTION_REQUIRED, trees),
        FLAT_SECTION(ESPALIER_SECTION_CONSTANTS, ESPALIER_SECTION_REQUIRED, constants),
        FLAT_SECTION(ESPALIER_SECTION_FEATURE_NAMES, 0, feature_names),
        FLAT_SECTION(ESPALIER_SECTION_CLASS_LABELS, ESPALIER_SECTION_REQUIRED, class_labels),
        FLAT_SECTION(ESPALIER_SECTION_CATEGORIES, ESPALIER_SECTION_REQUIRED, categories),
        FLAT_SECTION(ESPALIER_SECTION_PREPARATION, ESPALIER_SECTION_REQUIRED, preparation),
        FLAT_SECTION(ESPALIER_SECTION_NODES, ESPALIER_SECTION_REQUIRED, nodes),
        FLAT_SECTION(ESPALIER_SECTION_LEAVES, ESPALIER_SECTION_REQUIRED, leaves),
        FLAT_SECTION(ESPALIER_SECTION_CUTS, ESPALIER_SECTION_REQUIRED, cuts),
        FLAT_SECTION(ESPALIER_SECTION_NODE_NUMBERS, ESPALIER_SECTION_REQUIRED, node_numbers),
        FLAT_SECTION(ESPALIER_SECTION_SETS, ESPALIER_SECTION_REQUIRED, sets),
        FLAT_SECTION(ESPALIER_SECTION_LINEAR, ESPALIER_SECTION_REQUIRED, linear),
        FLAT_SECTION(ESPALIER_SECTION_COVER, 0, cover),
#undef FLAT_SECTION
    };
    uint32_t count = 0;
    for (uint32_t i = 0; i < ESPALIER_FLAT_SECTIONS_MAX; i++) {
        if (all[i].bytes != 0) {
            sections[count++] =
                (espalier_writer_section){all[i].type, all[i].flags, all[i].data, all[i].bytes};
        }
    }
    return count;
}
