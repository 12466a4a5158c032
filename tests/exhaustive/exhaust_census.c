// SPDX-License-Identifier: Apache-2.0
/*
 * What the models of the exhaustive run have between them, against what readers know: see
 * exhaust_models_check in exhaust_models.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/exhaustive/exhaust_models.h"

#include "engine/model.h"
#include "engine/prepare.h"
#include "engine/stages.h"

#include <stdio.h>
#include <string.h>

#define VALUES 256u

/* What is counted; a value is a field's number in the file, two of them packed where it says so. */
typedef enum census_field {
    SECTION,
    LAYOUT_BANK, /* 8 layout + bank */
    LAYOUT_SUM,  /* 8 layout + accumulator */
    NODE_BYTES,
    PARTS, /* 1 or 2: more */
    START,
    DIVISOR,
    STAGE, /* 2 operation + arithmetic */
    ORDER,
    OPERATION,
    COLUMN,
    MISSING,
    OUTPUT,
    DECISION,
    LABEL,
    WALK_ROUNDS, /* 2: a walk deeper than blocks go before they look at which have ended */
    FIELD_COUNT
} census_field;

static const char *const field_names[FIELD_COUNT] = {
    "section",
    "8 layout + bank",
    "8 layout + accumulator",
    "node size",
    "parts",
    "start",
    "divisor",
    "2 stage + arithmetic",
    "order",
    "operation of a preparation",
    "kind of column",
    "missing rule",
    "output",
    "decision",
    "kind of labels",
    "rounds of a walk",
};

static bool census[FIELD_COUNT][VALUES];

static void note(census_field field, uint64_t value)
{
    assert_true(value < VALUES);
    census[field][value] = true;
}

/* Levels of walks whose blocks do not look at which have ended; see walk_block.inc. */
#define LEVELS_FIRST 14u

static void note_model(const espalier_model *model)
{
    for (uint32_t i = 0; i < model->file.section_count; i++) {
        note(SECTION, espalier_file_section_at(&model->file, i)->type);
    }
    note(PARTS, model->part_count > 1 ? 2 : 1);
    for (uint32_t i = 0; i < model->part_count; i++) {
        const espalier_file_part *const part = &model->parts[i];
        note(LAYOUT_BANK, 8 * (uint64_t)part->layout + part->bank);
        note(LAYOUT_SUM, 8 * (uint64_t)part->layout + part->accumulator);
        note(NODE_BYTES, part->node_bytes);
        note(START, part->start);
        note(DIVISOR, part->divisor);
    }
    for (uint32_t i = 0; i < model->tree_count; i++) {
        const bool walks = model->parts[0].layout == ESPALIER_FILE_WALK;
        note(WALK_ROUNDS, walks && model->trees[i].depth > LEVELS_FIRST + 3 ? 2 : 1);
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        note(STAGE, 2 * (uint64_t)model->stages[i].operation + model->stages[i].arithmetic);
        note(ORDER, model->stages[i].order);
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        note(OPERATION, model->operations[i].operation);
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        note(COLUMN, model->columns[i].kind);
        note(MISSING, model->columns[i].missing);
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        note(OUTPUT, model->outputs[i].kind);
        note(DECISION, model->outputs[i].decision);
    }
    for (uint32_t i = 0; i < model->label_group_count; i++) {
        note(LABEL, espalier_model_label_group(model, i)->kind);
    }
}

/* Values that have no function to ask. */
static const struct {
    census_field field;
    uint32_t value;
} wanted[] = {
    {LAYOUT_BANK, 8 * ESPALIER_FILE_WALK + ESPALIER_BANK_WORD},
    {LAYOUT_BANK, 8 * ESPALIER_FILE_HEAP + ESPALIER_BANK_BYTE},
    {LAYOUT_BANK, 8 * ESPALIER_FILE_HEAP + ESPALIER_BANK_SHORT},
    {LAYOUT_BANK, 8 * ESPALIER_FILE_SELECT + ESPALIER_BANK_BYTE},
    {LAYOUT_BANK, 8 * ESPALIER_FILE_SELECT + ESPALIER_BANK_SHORT},
    {LAYOUT_BANK, 8 * ESPALIER_FILE_BITS + ESPALIER_BANK_BYTE},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_WALK + ESPALIER_ACCUMULATOR_FLOAT32},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_WALK + ESPALIER_ACCUMULATOR_FLOAT64},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_HEAP + ESPALIER_ACCUMULATOR_FLOAT32},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_HEAP + ESPALIER_ACCUMULATOR_FLOAT64},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_SELECT + ESPALIER_ACCUMULATOR_FLOAT32},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_SELECT + ESPALIER_ACCUMULATOR_FLOAT64},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_BITS + ESPALIER_ACCUMULATOR_FLOAT32},
    {LAYOUT_SUM, 8 * ESPALIER_FILE_BITS + ESPALIER_ACCUMULATOR_FLOAT64},
    {NODE_BYTES, sizeof(espalier_file_node)},
    {NODE_BYTES, sizeof(espalier_file_node_wide)},
    {PARTS, 2},
    {START, ESPALIER_START_ZERO},
    {START, ESPALIER_START_CONSTANTS},
    {START, ESPALIER_START_SLOTS},
    {DIVISOR, ESPALIER_DIVISOR_NONE},
    {DIVISOR, ESPALIER_DIVISOR_CONSTANTS},
    {DIVISOR, ESPALIER_DIVISOR_ITERATIONS},
    {ORDER, ESPALIER_ORDER_SEQUENTIAL},
    {ORDER, ESPALIER_ORDER_PAIRWISE},
    {COLUMN, ESPALIER_COLUMN_LEAF},
    {COLUMN, ESPALIER_COLUMN_FEATURE},
    {COLUMN, ESPALIER_COLUMN_CODE},
    {COLUMN, ESPALIER_COLUMN_SET},
    {MISSING, ESPALIER_MISSING_RIGHT},
    {MISSING, ESPALIER_MISSING_LEFT},
    {MISSING, ESPALIER_MISSING_AS_ZERO},
    {MISSING, ESPALIER_MISSING_ZERO_RIGHT},
    {MISSING, ESPALIER_MISSING_ZERO_LEFT},
    {OUTPUT, ESPALIER_OUTPUT_MARGIN},
    {OUTPUT, ESPALIER_OUTPUT_PROBABILITY},
    {OUTPUT, ESPALIER_OUTPUT_CLASS},
    {OUTPUT, ESPALIER_OUTPUT_VALUE},
    {OUTPUT, ESPALIER_OUTPUT_LEAF},
    {OUTPUT, ESPALIER_OUTPUT_SCORE},
    {DECISION, ESPALIER_DECISION_FIRST_MAXIMUM},
    {DECISION, ESPALIER_DECISION_ABOVE_ZERO},
    {DECISION, ESPALIER_DECISION_AT_LEAST_ZERO},
    {DECISION, ESPALIER_DECISION_ABOVE_HALF},
    {LABEL, ESPALIER_LABEL_INT},
    {LABEL, ESPALIER_LABEL_STRING},
    {LABEL, ESPALIER_LABEL_BOOL},
    {WALK_ROUNDS, 2},
};

static bool has(census_field field, uint32_t value)
{
    if (!census[field][value]) {
        (void)fprintf(stderr, "exhaust: no model of the list has %s %u\n", field_names[field],
                      (unsigned)value);
    }
    return census[field][value];
}

bool exhaust_models_check(void)
{
    for (uint32_t i = 0; i < exhaust_model_count(); i++) {
        model_bytes bytes = exhaust_model_make(i);
        espalier_model *model = NULL;
        assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, NULL),
                         ESPALIER_OK);
        note_model(model);
        espalier_model_close(model);
        model_bytes_free(&bytes);
    }
    bool complete = true;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        complete = has(wanted[i].field, wanted[i].value) && complete;
    }
    for (uint32_t value = 1; value < VALUES; value++) {
        espalier_prepare_shape form;
        espalier_stage_shape shape;
        const espalier_file_stage stage = {.operation = value, .slot_count = 1};
        if (strcmp(espalier_section_name(value), "unknown") != 0) {
            complete = has(SECTION, value) && complete;
        }
        if (espalier_prepare_describe(value, &form)) {
            complete = has(OPERATION, value) && complete;
        }
        if (value < VALUES / 2 && espalier_stage_describe(&stage, &shape)) {
            complete = (!shape.wide || has(STAGE, 2 * value)) && complete;
            complete = (!shape.narrow || has(STAGE, 2 * value + 1)) && complete;
        }
    }
    return complete;
}
