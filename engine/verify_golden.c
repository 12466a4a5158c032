// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying GOLDEN: rows whose answers the file holds are predicted again. Bounds first: the file
 * may change while it is verified.
 */
#include "engine/predictor.h"
#include "engine/stages.h"
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Exponentials and logarithms of two machines may differ in their last bits. */
#define LINKED_ULP_MAX 2
/* Where models of several forests add up what was made of such. */
#define COMPOSED_ULP_MAX 4096

enum {
    SPREAD_LINKED = 0,   /* by LINKED_ULP_MAX */
    SPREAD_COMPOSED = 1, /* by COMPOSED_ULP_MAX */
    SPREAD_ANY = 2       /* a step or a steep line makes any difference of a small one */
};

/* The golden section, its three arrays found and their sizes checked. */
typedef struct golden {
    espalier_file_golden head;
    const uint8_t *rows;
    const uint8_t *slots;
    const uint8_t *leaves;
    uint64_t offset;
    uint32_t *writers; /* [slot_count] for a slot that is not exact: 1 + the stage that writes it,
                          or 1 + how many stages there are: a part */
    uint8_t *spreads;  /* [slot_count] how far differences may have grown: SPREAD_... */
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
    for (uint32_t i = 0; i < model->stage_count; i++) {
        work += model->stages[i].slot_count;
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

/* Takes note of a slot that a stage reads. */
static void read_slot(const golden *g, uint32_t slot, bool *linked, uint8_t *spread)
{
    *linked = *linked || g->writers[slot] != 0;
    *spread = g->spreads[slot] > *spread ? g->spreads[slot] : *spread;
}

/* Whether the values that VALUES writes may go through exp or log. */
static bool prepares_links(const espalier_model *model)
{
    bool linked = false;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const uint32_t operation = model->operations[i].operation;
        linked =
            linked || (operation >= ESPALIER_PREPARE_LOG1P && operation <= ESPALIER_PREPARE_EXP);
    }
    return linked;
}

/* Sums that start from a slot that is not exact. */
static void find_part_writer(const espalier_model *model, const golden *g, uint32_t part_index)
{
    const espalier_file_part *const part = &model->parts[part_index];
    bool linked = false;
    uint8_t spread = SPREAD_ANY; /* by leaves and a divisor of any size */
    for (uint32_t k = 0; part->start == ESPALIER_START_SLOTS && k < part->slot_count; k++) {
        read_slot(g, part->start_index + k, &linked, &spread);
    }
    for (uint32_t k = 0; linked && k < part->slot_count; k++) {
        g->writers[part->first_slot + k] = 1 + model->stage_count;
        g->spreads[part->first_slot + k] = spread;
    }
}

/* Stages that go through exp, log or pow, or are made of such. */
static void find_stage_writers(const espalier_model *model, const golden *g, bool prepared,
                               const espalier_file_step *step)
{
    for (uint32_t i = step->first; i < step->first + step->count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        espalier_stage_shape shape = {0};
        (void)espalier_stage_describe(stage, &shape); /* known: open checked it */
        const bool composes = stage->operation >= ESPALIER_STAGE_PICK;
        /* Of a probability near 0 or 1 a logarithm makes any difference large. */
        const bool magnifies = stage->operation == ESPALIER_STAGE_LOG ||
                               (stage->operation >= ESPALIER_STAGE_CLAMP &&
                                stage->operation <= ESPALIER_STAGE_LOG_CENTRED);
        bool linked = shape.of_row && prepared;
        uint8_t spread = SPREAD_LINKED;
        for (uint32_t k = 0; k < shape.input_count; k++) {
            read_slot(g, stage->input_slot + k, &linked, &spread);
            if (stage->operation == ESPALIER_STAGE_ADD_SLOTS) {
                read_slot(g, stage->table + k, &linked, &spread);
            }
        }
        for (uint32_t k = 0; shape.picks && k < stage->slot_count; k++) {
            const double slot = model->constants[stage->table + k];
            if (slot >= 0.0) {
                read_slot(g, (uint32_t)slot, &linked, &spread);
            }
        }
        if (linked && (shape.jumps || shape.of_row || magnifies)) {
            spread = SPREAD_ANY;
        } else if (composes && spread < SPREAD_COMPOSED) {
            spread = SPREAD_COMPOSED;
        }
        for (uint64_t k = 0; k < shape.output_count && (linked || shape.linked); k++) {
            g->writers[stage->output_slot + k] = i + 1;
            g->spreads[stage->output_slot + k] = spread;
        }
    }
}

/* Which slots are not exact, and what became of differences. */
static void find_writers(const espalier_model *model, const golden *g)
{
    const bool prepared = prepares_links(model); /* once: steps may be many */
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            find_part_writer(model, g, step->first);
        } else if (step->kind == ESPALIER_STEP_STAGES) {
            find_stage_writers(model, g, prepared, step);
        }
    }
}

/* One unit in the last place of numbers of this magnitude. */
static double unit_of(double magnitude, bool narrow)
{
    int exponent = 0;
    (void)frexp(magnitude, &exponent);
    return ldexp(1.0, exponent - (narrow ? FLT_MANT_DIG : DBL_MANT_DIG));
}

/* The largest magnitude among numbers and one more; NaN is none. Of fmax() in its place gcc 12.2
 * for AArch64 makes vectors with an internal error. */
static double largest_of(const double *numbers, uint64_t count, double largest)
{
    for (uint64_t k = 0; k < count; k++) {
        const double magnitude = fabs(numbers[k]);
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

/*
 * By how much a slot of this stage may differ from what the file has: two units of the largest of
 * 1 and of what the stage reads, by which all it writes is bounded but for exponentials. What is
 * counted from such numbers may differ in any way.
 */
static double find_stage_tolerance(const espalier_model *model, const espalier_file_stage *stage,
                                   uint32_t ulp_max, const double *slots)
{
    if (stage->operation == ESPALIER_STAGE_STEP || stage->operation == ESPALIER_STAGE_INDEX) {
        return INFINITY;
    }
    espalier_stage_shape shape = {0};
    (void)espalier_stage_describe(stage, &shape);
    double magnitude = largest_of(slots + stage->input_slot, shape.input_count, 1.0);
    if (shape.constant_count > 0 && !shape.picks) {
        magnitude = largest_of(model->constants + stage->table, shape.constant_count, magnitude);
    }
    return ulp_max * unit_of(magnitude, stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32);
}

/* The same of any writer of such a slot. */
static double find_tolerance(const espalier_model *model, uint32_t writer, uint8_t spread,
                             const double *slots)
{
    const uint32_t ulp_max = spread == SPREAD_COMPOSED ? COMPOSED_ULP_MAX : LINKED_ULP_MAX;
    if (spread == SPREAD_ANY) {
        return INFINITY;
    }
    return find_stage_tolerance(model, &model->stages[writer - 1], ulp_max, slots);
}

static bool is_near(bool narrow, double tolerance, double found, double stored)
{
    const double own = LINKED_ULP_MAX * unit_of(fmax(fabs(found), fabs(stored)), narrow);
    return isinf(tolerance) || fabs(found - stored) <= fmax(tolerance, own);
}

/* Slots that go through no exp, log or pow have the bits of the file; others are near. */
static bool slots_agree(const espalier_verify *v, const golden *g, const double *slots,
                        const uint8_t *stored_slots)
{
    const espalier_model *const model = v->model;
    if (memcmp(slots, stored_slots, (size_t)g->head.slot_count * sizeof(double)) == 0) {
        return true;
    }
    uint32_t writer = 0; /* the slots of a stage are neighbours: one tolerance for them all */
    double tolerance = 0.0;
    for (uint32_t i = 0; i < g->head.slot_count; i++) {
        double stored = 0.0;
        memcpy(&stored, stored_slots + i * sizeof stored, sizeof stored);
        if (memcmp(&stored, &slots[i], sizeof stored) == 0) {
            continue;
        }
        if (g->writers[i] == 0) {
            return false;
        }
        if (g->writers[i] != writer) {
            writer = g->writers[i];
            tolerance = find_tolerance(model, writer, g->spreads[i], slots);
        }
        const bool narrow = writer <= model->stage_count &&
                            model->stages[writer - 1].arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
        if (!is_near(narrow, tolerance, slots[i], stored)) {
            return false;
        }
    }
    return true;
}

/* Compares one row that was just run: all slots, and the leaves of every part. */
static espalier_status compare_golden(const espalier_verify *v, const golden *g,
                                      espalier_predictor *predictor, uint32_t row, bool paired,
                                      int64_t *leaves)
{
    const espalier_model *const model = v->model;
    const size_t slots_bytes = (size_t)g->head.slot_count * sizeof(double);
    if (!slots_agree(v, g, predictor->slots, g->slots + row * slots_bytes)) {
        return refuse_golden(v, g, row, "value");
    }
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        espalier_predictor_leaves(predictor, p, paired, leaves);
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
        const bool paired = espalier_predictor_fill_row(predictor, &rows);
        espalier_predictor_run_row(predictor, paired);
        const espalier_status status = compare_golden(v, g, predictor, row, paired, leaves);
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
    golden g = {{0, 0, 0, 0}, NULL, NULL, NULL, 0, NULL, NULL};
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
    g.writers = calloc(g.head.slot_count, sizeof *g.writers);
    g.spreads = calloc(g.head.slot_count, sizeof *g.spreads);
    if (leaves == NULL || g.writers == NULL || g.spreads == NULL ||
        espalier_predictor_create(v->model, &options, &predictor) != ESPALIER_OK) {
        status = espalier_verify_no_memory(v);
    } else {
        find_writers(v->model, &g);
        status = run_golden(v, &g, predictor, leaves);
    }
    espalier_predictor_destroy(predictor);
    free(g.spreads);
    free(g.writers);
    free(leaves);
    return status;
}
