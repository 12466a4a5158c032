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
    return work->flat->part.accumulator == ESPALIER_ACCUMULATOR_FLOAT32 ? sizeof(float)
                                                                        : sizeof(double);
}

espalier_status espalier_flatten_make_leaves(espalier_flattening *work, uint64_t row_count)
{
    const uint64_t row_bytes = work->forest->leaf_width * count_value_bytes(work);
    if (row_count > ESPALIER_LIMIT_FILE_BYTES / row_bytes) {
        return espalier_flatten_fail_limit(work, "leaf rows", row_count,
                                           ESPALIER_LIMIT_FILE_BYTES / row_bytes);
    }
    work->flat->part.leaf_count = (uint32_t)row_count;
    return espalier_flatten_table(&work->flat->leaves, row_count, (size_t)row_bytes) != NULL
               ? ESPALIER_OK
               : espalier_flatten_fail_memory(work, "leaves");
}

void espalier_flatten_store_leaf(const espalier_flattening *work, uint64_t to, uint64_t from)
{
    const size_t width = work->forest->leaf_width;
    const double *const values = work->forest->leaf_values + from * width;
    if (count_value_bytes(work) == sizeof *values) {
        memcpy((double *)work->flat->leaves.data + to * width, values, width * sizeof *values);
        return;
    }
    float *const row = (float *)work->flat->leaves.data + to * width;
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
    return status == ESPALIER_ERROR_MEMORY ? espalier_flatten_fail_memory(work, "names")
           : status == ESPALIER_ERROR_LIMIT
               ? espalier_flatten_fail_limit(work, "bytes or more of names", UINT32_MAX, UINT32_MAX)
               : status;
}

static espalier_status place_trees(espalier_flattening *work)
{
    return work->flat->part.layout == ESPALIER_FILE_WALK ? espalier_flatten_walk(work)
                                                         : espalier_flatten_mask(work);
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
        make_names,   espalier_flatten_preparation, espalier_flatten_make_start,
        place_trees};

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
    espalier_flat_bytes *const sections[] = {
        &flat->stages,      &flat->outputs,       &flat->columns,      &flat->trees,
        &flat->constants,   &flat->feature_names, &flat->class_labels, &flat->nodes,
        &flat->leaves,      &flat->cuts,          &flat->node_numbers, &flat->sets,
        &flat->preparation,
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
        {ESPALIER_SECTION_STEPS, ESPALIER_SECTION_REQUIRED, flat->steps,
         flat->step_count * sizeof flat->steps[0]},
        {ESPALIER_SECTION_PARTS, ESPALIER_SECTION_REQUIRED, &flat->part, sizeof flat->part},
#define FLAT_SECTION(type, flags, field) {type, flags, flat->field.data, flat->field.bytes}
        FLAT_SECTION(ESPALIER_SECTION_STAGES, ESPALIER_SECTION_REQUIRED, stages),
        FLAT_SECTION(ESPALIER_SECTION_OUTPUTS, ESPALIER_SECTION_REQUIRED, outputs),
        FLAT_SECTION(ESPALIER_SECTION_COLUMNS, ESPALIER_SECTION_REQUIRED, columns),
        FLAT_SECTION(ESPALIER_SECTION_TREES, ESPALIER_SECTION_REQUIRED, trees),
        FLAT_SECTION(ESPALIER_SECTION_CONSTANTS, ESPALIER_SECTION_REQUIRED, constants),
        FLAT_SECTION(ESPALIER_SECTION_FEATURE_NAMES, 0, feature_names),
        FLAT_SECTION(ESPALIER_SECTION_CLASS_LABELS, ESPALIER_SECTION_REQUIRED, class_labels),
        FLAT_SECTION(ESPALIER_SECTION_PREPARATION, ESPALIER_SECTION_REQUIRED, preparation),
        FLAT_SECTION(ESPALIER_SECTION_NODES, ESPALIER_SECTION_REQUIRED, nodes),
        FLAT_SECTION(ESPALIER_SECTION_LEAVES, ESPALIER_SECTION_REQUIRED, leaves),
        FLAT_SECTION(ESPALIER_SECTION_CUTS, ESPALIER_SECTION_REQUIRED, cuts),
        FLAT_SECTION(ESPALIER_SECTION_NODE_NUMBERS, ESPALIER_SECTION_REQUIRED, node_numbers),
        FLAT_SECTION(ESPALIER_SECTION_SETS, ESPALIER_SECTION_REQUIRED, sets),
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
