// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying GOLDEN: rows whose answers the file holds are predicted again. Bounds first: the file
 * may change while it is verified.
 */
#include "engine/predictor.h"
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"

#include <stdlib.h>
#include <string.h>

/* The golden section, its three arrays found and their sizes checked. */
typedef struct golden {
    espalier_file_golden head;
    const uint8_t *rows;
    const uint8_t *slots;
    const uint8_t *leaves;
    uint64_t offset;
} golden;

static espalier_status find_golden(const espalier_verify *v, const espalier_file_section *section,
                                   golden *golden_out)
{
    const espalier_model *const model = v->model;
    golden g = {.offset = section->offset};
    uint64_t bytes = section->bytes;
    const uint64_t row_bytes =
        8 * ((uint64_t)model->head->feature_count + model->head->slot_count) +
        4 * (uint64_t)model->tree_count;
    if (bytes >= sizeof g.head) {
        memcpy(&g.head, espalier_verify_data(v, section), sizeof g.head);
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
    g.rows = espalier_verify_data(v, section) + sizeof g.head;
    g.slots = g.rows + (size_t)g.head.row_count * g.head.feature_count * 8;
    g.leaves = g.slots + (size_t)g.head.row_count * g.head.slot_count * 8;
    *golden_out = g;
    return ESPALIER_OK;
}

static espalier_status refuse_golden(const espalier_verify *v, const golden *g, uint32_t row,
                                     const char *what)
{
    return espalier_error_set(v->error_out, ESPALIER_ERROR_GOLDEN, RULE_GOLDEN_VALUES, g->offset,
                              "%s: golden row %u: another %s", v->name, (unsigned)row, what);
}

/* Compares one row that was just run: all slots, and the leaves of every part. */
static espalier_status compare_golden(const espalier_verify *v, const golden *g,
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

static espalier_status run_golden(const espalier_verify *v, const golden *g,
                                  espalier_predictor *predictor, int64_t *leaves)
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

espalier_status espalier_verify_golden(const espalier_verify *v)
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
        status = espalier_verify_no_memory(v);
    } else {
        status = run_golden(v, &g, predictor, leaves);
    }
    espalier_predictor_destroy(predictor);
    free(leaves);
    return status;
}
