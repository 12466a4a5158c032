// SPDX-License-Identifier: Apache-2.0
/*
 * How near a golden answer must be: of each slot of models of many stages and of two parts, the
 * last difference that verify takes and the first that it does not. And the work of golden rows,
 * to the last step. F-181, F-182, F-341, F-469.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/combine.h"
#include "convert/plan.h"
#include "espalier.h"
#include "format/rules.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list)    (sizeof(list) / sizeof(list)[0])
#define CONSTANTS_MAX  2u
#define GOLDEN_ROWS    4u
#define WIDE           53
#define NARROW         24
#define LINKED_UNITS   2.0
#define COMPOSED_UNITS 4096.0
#define ANY_UNITS      1e30

/* ---- moving golden answers ---- */

static double *golden_slots(const model_bytes *m)
{
    espalier_file_golden *const head = RECORD(m, GOLDEN, espalier_file_golden);
    return (double *)(void *)(head + 1) + (size_t)head->row_count * head->feature_count;
}

/* Opens, which must do, and verifies; a refusal is of golden values. */
static espalier_status verify(model_bytes *m)
{
    espalier_model *model = NULL;
    espalier_error error = {0};
    model_bytes_seal(m);
    if (espalier_model_open_memory(m->data, m->bytes, NULL, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    const espalier_status status = espalier_model_verify(model, &error);
    if (status == ESPALIER_ERROR_GOLDEN) {
        assert_int_equal(error.format_rule, RULE_GOLDEN_VALUES);
    }
    espalier_model_close(model);
    return status;
}

/* What verify says when the first row's answer in a slot is another by so much. */
static espalier_status verify_moved(model_bytes *m, uint32_t slot, double difference)
{
    double *const value = &golden_slots(m)[slot];
    const double before = *value;
    *value = before + difference;
    assert_true(*value - before == difference || fabs(difference) > 1e9);
    assert_true(*value != before);
    const espalier_status status = verify(m);
    *value = before;
    return status;
}

/* A slot may differ by so many units in the last place of numbers of a magnitude; of 0 units it is
 * exact, of ANY_UNITS anything goes. */
static void expect_slot(model_bytes *m, uint32_t slot, double units, double magnitude, int digits)
{
    int exponent = 0;
    (void)frexp(magnitude, &exponent);
    const double unit = ldexp(1.0, exponent - digits);
    for (int sign = -1; sign <= 1; sign += 2) {
        if (units > 0.0 && verify_moved(m, slot, sign * units * unit) != ESPALIER_OK) {
            fail_msg("slot %u: refuses %g units", slot, sign * units);
        }
        const double value = golden_slots(m)[slot];
        const double next = nextafter(value, sign * (double)INFINITY) - value;
        const double beyond = units > 0.0 ? sign * (units + 1) * unit : next;
        if (units < ANY_UNITS && verify_moved(m, slot, beyond) != ESPALIER_ERROR_GOLDEN) {
            fail_msg("slot %u: takes %g", slot, beyond);
        }
    }
}

/* ---- stages ---- */

/* The slots of a linked forest, and of what the table below appends. */
enum {
    SUM = 0,
    PROBABILITY = 2,
    CLASSES = 3,
    FIRST = 5
};

/* One stage, and by how many units of which magnitude its slot number `checked` may differ. */
typedef struct stage_case {
    espalier_forest_operation operation;
    uint32_t input_slot;
    uint32_t count;
    double constants[CONSTANTS_MAX];
    uint32_t output_count;
    uint32_t checked;
    double units;
    double magnitude;
    uint32_t other_slot;
} stage_case;

/* In an order that counts: constants behind and before a list are those of its neighbours. */
static const stage_case cases[] = {
    /* The largest constant decides, wherever it stands, and none behind the list. */
    {ESPALIER_FOREST_MULTIPLY, CLASSES, 2, {1000.0, 0.001}, 2, 1, LINKED_UNITS, 1000.0, 0},
    {ESPALIER_FOREST_MULTIPLY, CLASSES, 2, {0.001, 1000.0}, 2, 0, LINKED_UNITS, 1000.0, 0},
    {ESPALIER_FOREST_MULTIPLY, PROBABILITY, 1, {0.5}, 1, 0, LINKED_UNITS, 1.0, 0},
    {ESPALIER_FOREST_MULTIPLY, SUM, 1, {1e9}, 1, 0, 0.0, 1.0, 0},
    {ESPALIER_FOREST_DIVIDE, PROBABILITY, 1, {1000.0}, 1, 0, LINKED_UNITS, 1000.0, 0},
    /* Of numbers of slots none is one; a slot that is not exact counts wherever it is named. */
    {ESPALIER_FOREST_MULTIPLY, SUM, 1, {-1.0}, 1, 0, 0.0, 1.0, 0},
    {ESPALIER_FOREST_PICK, 0, 2, {SUM, PROBABILITY}, 2, 1, COMPOSED_UNITS, 1.0, 0},
    {ESPALIER_FOREST_PICK, 0, 1, {SUM}, 1, 0, 0.0, 1.0, 0},
    {ESPALIER_FOREST_MULTIPLY, SUM, 1, {PROBABILITY}, 1, 0, 0.0, 1.0, 0},
    {ESPALIER_FOREST_ADD_SLOTS, PROBABILITY, 1, {0}, 1, 0, COMPOSED_UNITS, 1.0, PROBABILITY},
    {ESPALIER_FOREST_ADD_SLOTS, SUM, 1, {0}, 1, 0, 0.0, 1.0, SUM},
    {ESPALIER_FOREST_SQUARE, PROBABILITY, 1, {0}, 1, 0, COMPOSED_UNITS, 1.0, 0},
    /* Steep functions of what is not exact. */
    {ESPALIER_FOREST_LOG, PROBABILITY, 1, {0}, 1, 0, ANY_UNITS, 1.0, 0},
    {ESPALIER_FOREST_CLAMP, PROBABILITY, 1, {0.125, 0.875}, 1, 0, ANY_UNITS, 1.0, 0},
    {ESPALIER_FOREST_LOG_ODDS, PROBABILITY, 1, {0}, 1, 0, ANY_UNITS, 1.0, 0},
    {ESPALIER_FOREST_LOGIT, PROBABILITY, 1, {0}, 1, 0, ANY_UNITS, 1.0, 0},
    {ESPALIER_FOREST_LOG_CENTRED, CLASSES, 2, {0}, 2, 1, ANY_UNITS, 1.0, 0},
    {ESPALIER_FOREST_CLAMP, SUM, 1, {-0.5, 0.5}, 1, 0, 0.0, 1.0, 0},
};

static uint32_t add_stage(espalier_forest *forest, const stage_case *one, bool narrow)
{
    const espalier_forest_stage stage = {.operation = one->operation,
                                         .input_slot = one->input_slot,
                                         .count = one->count,
                                         .narrow = narrow,
                                         .other_slot = one->other_slot};
    const uint32_t slot = espalier_plan_add_stage(forest, &stage, one->constants);
    assert_int_not_equal(slot, ESPALIER_PLAN_NO_SLOT);
    return slot;
}

static void make_linked(synthetic_trainer trainer, espalier_forest *forest)
{
    const synthetic_options options = {.seed = 61,
                                       .trainer = trainer,
                                       .tree_count = 9,
                                       .feature_count = 4,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .linked = true};
    synthetic_forest_make(&options, forest);
}

static void test_every_stage(void **state)
{
    (void)state;
    espalier_forest forest;
    make_linked(SYNTHETIC_LIGHTGBM, &forest);
    uint32_t slots[COUNT(cases)];
    for (size_t i = 0; i < COUNT(cases); i++) {
        slots[i] = add_stage(&forest, &cases[i], false);
        assert_int_equal(slots[i], i == 0 ? FIRST : slots[i - 1] + cases[i - 1].output_count);
    }
    /* What a stage reads counts too: 1000 times a probability, made small again. */
    const stage_case small = {ESPALIER_FOREST_MULTIPLY, FIRST, 1, {0.001}, 1, 0, 0, 0, 0};
    const uint32_t last = add_stage(&forest, &small, false);
    model_bytes m = model_bytes_of(&forest, GOLDEN_ROWS);
    assert_int_equal(verify(&m), ESPALIER_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_slot(&m, slots[i] + cases[i].checked, cases[i].units, cases[i].magnitude, WIDE);
    }
    assert_true(golden_slots(&m)[FIRST] > 2.0);
    expect_slot(&m, last, LINKED_UNITS, golden_slots(&m)[FIRST], WIDE);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* Exponentials may be larger than what they are of: then their own magnitude decides, in the
 * arithmetic of their stage, the last one or not. */
static void test_large_exponentials(void **state)
{
    (void)state;
    static const stage_case three = {ESPALIER_FOREST_CONSTANTS, 0, 1, {3.0}, 1, 0, 0, 0, 0};
    espalier_forest forest;
    make_linked(SYNTHETIC_XGBOOST, &forest);
    stage_case exponential = {ESPALIER_FOREST_EXP, 0, 1, {0}, 1, 0, 0, 0, 0};
    exponential.input_slot = add_stage(&forest, &three, true);
    const uint32_t first = add_stage(&forest, &exponential, true);
    const uint32_t wide = add_stage(&forest, &exponential, false);
    (void)add_stage(&forest, &three, false);
    const uint32_t last = add_stage(&forest, &exponential, true);
    model_bytes m = model_bytes_of(&forest, GOLDEN_ROWS);
    assert_int_equal(verify(&m), ESPALIER_OK);
    expect_slot(&m, first, LINKED_UNITS, exp(3.0), NARROW);
    expect_slot(&m, wide, LINKED_UNITS, exp(3.0), WIDE);
    expect_slot(&m, last, LINKED_UNITS, exp(3.0), NARROW);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* Slots 0 and PROBABILITY change places: of the part, stages, what PICK names, outputs, answers. */
static void swap_slots(const model_bytes *m, uint32_t stage_count)
{
    static const uint32_t others[] = {PROBABILITY, 1, SUM};
    RECORD(m, PARTS, espalier_file_part)->first_slot = PROBABILITY;
    espalier_file_stage *const stages = RECORD(m, STAGES, espalier_file_stage);
    for (uint32_t i = 0; i < stage_count; i++) {
        uint32_t *const in = &stages[i].input_slot;
        uint32_t *const out = &stages[i].output_slot;
        *in = *in < COUNT(others) ? others[*in] : *in;
        *out = *out < COUNT(others) ? others[*out] : *out;
    }
    assert_int_equal(stages[stage_count - 1].operation, ESPALIER_STAGE_PICK);
    stages[stage_count - 1].input_slot = 0;
    RECORD(m, CONSTANTS, double)[stages[stage_count - 1].table] = 0.0;
    espalier_file_output *const outputs = RECORD(m, OUTPUTS, espalier_file_output);
    for (uint64_t i = 0; i < SECTION(m, OUTPUTS)->bytes / sizeof *outputs; i++) {
        uint32_t *const first = &outputs[i].first_slot;
        *first = *first < COUNT(others) && outputs[i].slot_count > 0 ? others[*first] : *first;
    }
    const uint32_t slot_count = RECORD(m, MODEL, espalier_file_model)->slot_count;
    for (uint32_t row = 0; row < GOLDEN_ROWS; row++) {
        double *const slots = golden_slots(m) + (size_t)row * slot_count;
        const double sum = slots[SUM];
        slots[SUM] = slots[PROBABILITY];
        slots[PROBABILITY] = sum;
    }
}

/* Slot 0 is a slot like others, and need not be a sum. */
static void test_pick_of_slot_0(void **state)
{
    (void)state;
    static const stage_case pick = {ESPALIER_FOREST_PICK, 0, 1, {PROBABILITY}, 1, 0, 0, 0, 0};
    espalier_forest forest;
    make_linked(SYNTHETIC_LIGHTGBM, &forest);
    const uint32_t slot = add_stage(&forest, &pick, false);
    model_bytes m = model_bytes_of(&forest, GOLDEN_ROWS);
    swap_slots(&m, LINKED_TWO_CLASSES + 2);
    assert_int_equal(verify(&m), ESPALIER_OK);
    expect_slot(&m, 0, LINKED_UNITS, fmax(1.0, fabs(golden_slots(&m)[1])), WIDE);
    expect_slot(&m, slot, COMPOSED_UNITS, 1.0, WIDE);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* What stands behind the last step is none: here it would be a part that starts from what a sigmoid
 * wrote, and a sum that need not be exact. */
static void test_table_behind_the_steps(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 63,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 1,
                                       .feature_count = 1,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 4,
                                       .linked = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes m =
        model_bytes_of_changed(&forest, GOLDEN_ROWS, ESPALIER_LAYOUT_HEAP, model_bytes_widen_codes);
    espalier_forest_free(&forest);
    assert_true(SECTION(&m, CONSTANTS)->bytes <= offsetof(espalier_file_part, first_slot));
    model_bytes_resize(&m, ESPALIER_SECTION_CONSTANTS, sizeof(espalier_file_part));
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, sizeof(espalier_file_step));
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof(espalier_file_output));
    espalier_file_step *const steps = RECORD(&m, STEPS, espalier_file_step);
    steps[3] = steps[2];
    steps[3].first++;
    steps[3].count--;
    steps[2].count = 1;
    /* The part follows the steps: its layout reads as the kind, its node_bytes as a number. */
    espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    assert_ptr_equal(steps + 4, part);
    assert_int_equal(part->layout, ESPALIER_STEP_TREES);
    espalier_file_part *const behind = part + part->node_bytes;
    assert_ptr_equal(behind, RECORD(&m, CONSTANTS, espalier_file_part));
    behind->first_slot = SUM;
    behind->slot_count = 1;
    behind->start = ESPALIER_START_SLOTS;
    behind->start_index = PROBABILITY;
    assert_int_equal(verify(&m), ESPALIER_OK);
    expect_slot(&m, SUM, 0.0, 1.0, NARROW);
    model_bytes_free(&m);
}

/* ---- sums that start from slots ---- */

typedef struct two_parts {
    espalier_forest first;
    espalier_forest second;
    espalier_forest whole;
    espalier_combine combine;
} two_parts;

static void begin_two(two_parts *two, synthetic_trainer trainer, bool linked, uint32_t second_sums)
{
    const synthetic_options options = {.seed = 62,
                                       .trainer = trainer,
                                       .tree_count = 4,
                                       .feature_count = 4,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 4};
    synthetic_options other = options;
    other.class_count = second_sums > 1 ? second_sums : 0;
    memset(two, 0, sizeof *two);
    if (linked) {
        make_linked(SYNTHETIC_LIGHTGBM, &two->first);
    } else {
        synthetic_forest_make(&options, &two->first);
    }
    synthetic_forest_make(&other, &two->second);
    two->whole =
        (espalier_forest){.feature_count = 4, .missing_allowed = true, .infinite_allowed = true};
    two->combine = (espalier_combine){.whole = &two->whole, .memory_left = UINT64_MAX};
    uint32_t offset = 0;
    assert_int_equal(espalier_combine_add(&two->combine, &two->first, NULL, &offset), ESPALIER_OK);
    two->whole.parts[0].all_iterations = true;
}

/* Adds the second part; its first slot. start: from which slots, or ESPALIER_PLAN_NO_SLOT. */
static uint32_t add_second(two_parts *two, uint32_t start)
{
    uint32_t offset = 0;
    assert_int_equal(espalier_combine_add(&two->combine, &two->second, NULL, &offset), ESPALIER_OK);
    espalier_forest_part *const part = &two->whole.parts[1];
    part->all_iterations = false;
    if (start != ESPALIER_PLAN_NO_SLOT) {
        free(part->start);
        part->start = NULL;
        part->from_slots = true;
        part->start_slot = start;
    }
    two->whole.leaf_part = 1;
    return offset;
}

static model_bytes end_two(two_parts *two, uint32_t layout, uint32_t output_slot,
                           uint32_t golden_count)
{
    espalier_error error = {0};
    espalier_forest *const whole = &two->whole;
    assert_int_equal(espalier_combine_close(&two->combine), ESPALIER_OK);
    whole->group_count = 1;
    whole->group_width = calloc(1, sizeof *whole->group_width);
    assert_non_null(whole->group_width);
    whole->group_width[0] = 1;
    whole->default_output = ESPALIER_OUTPUT_VALUE;
    const espalier_forest_output output = {.kind = ESPALIER_OUTPUT_VALUE,
                                           .first_slot = output_slot,
                                           .slot_count = 1};
    assert_true(espalier_plan_add_output(whole, &output));
    if (espalier_forest_validate(whole, "whole", &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    const model_bytes m = model_bytes_of_layout(whole, golden_count, layout);
    espalier_forest_free(whole);
    espalier_forest_free(&two->first);
    espalier_forest_free(&two->second);
    return m;
}

/* Two sums that start from two slots are exact unless one of these is not. */
static void test_sums_from_slots(void **state)
{
    (void)state;
    static const stage_case before[] = {
        {ESPALIER_FOREST_MULTIPLY, SUM, 1, {3.0}, 1, 0, 0, 0, 0},
        {ESPALIER_FOREST_MULTIPLY, PROBABILITY, 1, {3.0}, 1, 0, 0, 0, 0},
        {ESPALIER_FOREST_MULTIPLY, SUM, 1, {5.0}, 1, 0, 0, 0, 0},
        {ESPALIER_FOREST_MULTIPLY, SUM, 1, {7.0}, 1, 0, 0, 0, 0},
        {ESPALIER_FOREST_MULTIPLY, PROBABILITY, 1, {5.0}, 1, 0, 0, 0, 0},
    };
    static const struct {
        uint32_t start;
        double units;
    } starts[] = {{FIRST, ANY_UNITS},
                  {FIRST + 1, ANY_UNITS},
                  {FIRST + 2, 0.0},
                  {ESPALIER_PLAN_NO_SLOT, 0.0}};
    for (size_t i = 0; i < COUNT(starts); i++) {
        two_parts two;
        begin_two(&two, SYNTHETIC_LIGHTGBM, true, 2);
        for (size_t k = 0; k < COUNT(before); k++) {
            assert_int_equal(add_stage(&two.whole, &before[k], false), FIRST + k);
        }
        const uint32_t sums = add_second(&two, starts[i].start);
        const uint32_t behind = add_stage(&two.whole, &before[0], false);
        assert_int_equal(behind, sums + 2);
        model_bytes m = end_two(&two, ESPALIER_LAYOUT_WALK, sums, GOLDEN_ROWS);
        assert_int_equal(verify(&m), ESPALIER_OK);
        expect_slot(&m, sums, starts[i].units, 1.0, WIDE);
        expect_slot(&m, sums + 1, starts[i].units, 1.0, WIDE);
        expect_slot(&m, behind, 0.0, 1.0, WIDE);
        expect_slot(&m, FIRST + 4, LINKED_UNITS, 5.0, WIDE);
        /* Every leaf of every part is compared. */
        uint8_t *const end = section_end(&m, ESPALIER_SECTION_GOLDEN);
        end[-4] ^= 1;
        assert_int_equal(verify(&m), ESPALIER_ERROR_GOLDEN);
        /* And every node of every part: a root below itself. */
        const uint64_t tree_count = SECTION(&m, TREES)->bytes / sizeof(espalier_file_tree);
        const espalier_file_tree *const tree =
            RECORD(&m, TREES, espalier_file_tree) + tree_count - 1;
        const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part) + 1;
        assert_int_equal(part->node_bytes, sizeof(espalier_file_node));
        espalier_file_node *const node = &RECORD(&m, NODES, espalier_file_node)[tree->first_node];
        node->word = node->word >> part->child_bits << part->child_bits;
        assert_int_equal(verify(&m), ESPALIER_ERROR_INDEX);
        model_bytes_free(&m);
    }
}

/* The same behind the only stage. */
static void test_sums_from_the_only_stage(void **state)
{
    (void)state;
    static const stage_case only = {ESPALIER_FOREST_SIGMOID, SUM, 1, {0}, 1, 0, 0, 0, 0};
    two_parts two;
    begin_two(&two, SYNTHETIC_LIGHTGBM, false, 1);
    const uint32_t start = add_stage(&two.whole, &only, false);
    const uint32_t sum = add_second(&two, start);
    model_bytes m = end_two(&two, ESPALIER_LAYOUT_WALK, sum, GOLDEN_ROWS);
    assert_int_equal(SECTION(&m, STAGES)->bytes, sizeof(espalier_file_stage));
    assert_int_equal(verify(&m), ESPALIER_OK);
    expect_slot(&m, sum, ANY_UNITS, 1.0, WIDE);
    expect_slot(&m, SUM, 0.0, 1.0, WIDE);
    model_bytes_free(&m);
}

/* Leaves below fillers are compared with each other in the second part too. */
static void test_heaps_of_two_parts(void **state)
{
    (void)state;
    two_parts two;
    begin_two(&two, SYNTHETIC_XGBOOST, false, 1);
    const uint32_t sum = add_second(&two, ESPALIER_PLAN_NO_SLOT);
    model_bytes m = end_two(&two, ESPALIER_LAYOUT_HEAP, sum, GOLDEN_ROWS);
    const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part) + 1;
    assert_int_equal(part->layout, ESPALIER_FILE_HEAP);
    assert_int_equal(part->node_bytes, 2); /* columns, then thresholds, of a byte each */
    assert_int_equal(part->accumulator, ESPALIER_ACCUMULATOR_FLOAT32);
    assert_true(part->leaf_offset > 0);
    assert_int_equal(verify(&m), ESPALIER_OK);
    uint32_t *const leaves =
        (uint32_t *)(void *)(RECORD(&m, LEAVES, uint8_t) + part->leaf_offset); /* bits of them */
    uint32_t filler_count = 0;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const espalier_file_tree *const tree =
            &RECORD(&m, TREES, espalier_file_tree)[part->first_tree + i];
        const uint8_t *const thresholds =
            RECORD(&m, NODES, uint8_t) + tree->first_node * part->node_bytes + tree->node_count;
        for (uint32_t h = tree->leaf_count / 2; h < tree->leaf_count; h++) {
            uint32_t *const second = &leaves[tree->first_leaf + 2 * h - tree->leaf_count + 1];
            if (thresholds[h] == UINT8_MAX) {
                *second ^= 1;
                assert_int_equal(verify(&m), ESPALIER_ERROR_INDEX);
                *second ^= 1;
                filler_count++;
            }
        }
    }
    assert_true(filler_count > 0);
    model_bytes_free(&m);
}

/* ---- work ---- */

#define MANY_ROWS  1025u
#define MANY_SLOTS 2048u

/* Two parts and stages that read so many slots altogether, of one golden row. */
static model_bytes make_work(uint64_t stage_work)
{
    static double zeroes[MANY_SLOTS];
    two_parts two;
    begin_two(&two, SYNTHETIC_LIGHTGBM, false, 1);
    const uint32_t sum = add_second(&two, ESPALIER_PLAN_NO_SLOT);
    espalier_forest_stage stage = {.operation = ESPALIER_FOREST_CONSTANTS,
                                   .count = MANY_SLOTS,
                                   .narrow = true};
    stage.input_slot = espalier_plan_add_stage(&two.whole, &stage, zeroes);
    assert_int_not_equal(stage.input_slot, ESPALIER_PLAN_NO_SLOT);
    stage.operation = ESPALIER_FOREST_INDEX;
    stage.narrow = false;
    for (uint64_t left = stage_work - MANY_SLOTS; left > 0; left -= stage.count) {
        stage.count = left < MANY_SLOTS ? (uint32_t)left : MANY_SLOTS;
        assert_int_not_equal(espalier_plan_add_stage(&two.whole, &stage, NULL),
                             ESPALIER_PLAN_NO_SLOT);
    }
    return end_two(&two, ESPALIER_LAYOUT_WALK, sum, 1);
}

/* F-182: visits, leaves of every part and slots of every stage are counted. Rows that are too many
 * by one step are not run; otherwise they are, and those of zeroes are found to be wrong. */
static void test_work_of_golden_rows(void **state)
{
    (void)state;
    const uint64_t most = ESPALIER_LIMIT_GOLDEN_WORK / MANY_ROWS;
    uint64_t trees = 0; /* the work of all but stages, found from a first model */
    for (uint32_t round = 0; round < 3; round++) {
        const uint64_t work = round == 0 ? MANY_SLOTS + 1 : most + (round - 1) - trees;
        model_bytes m = make_work(work);
        const espalier_file_model *const head = RECORD(&m, MODEL, espalier_file_model);
        trees = head->visits_per_row + SECTION(&m, TREES)->bytes / sizeof(espalier_file_tree);
        if (round > 0) {
            const uint64_t row_bytes = SECTION(&m, GOLDEN)->bytes - sizeof(espalier_file_golden);
            model_bytes_resize(&m, ESPALIER_SECTION_GOLDEN, (int64_t)((MANY_ROWS - 1) * row_bytes));
            RECORD(&m, GOLDEN, espalier_file_golden)->row_count = MANY_ROWS;
            assert_int_equal(verify(&m), round == 1 ? ESPALIER_ERROR_GOLDEN : ESPALIER_ERROR_LIMIT);
        }
        model_bytes_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_stage),        cmocka_unit_test(test_large_exponentials),
        cmocka_unit_test(test_pick_of_slot_0),     cmocka_unit_test(test_table_behind_the_steps),
        cmocka_unit_test(test_sums_from_slots),    cmocka_unit_test(test_sums_from_the_only_stage),
        cmocka_unit_test(test_heaps_of_two_parts), cmocka_unit_test(test_work_of_golden_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
