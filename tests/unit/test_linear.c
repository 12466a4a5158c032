// SPDX-License-Identifier: Apache-2.0
/*
 * Leaves that are lines: every rule of LINEAR and of the stages VALUES and LINEAR that a file can
 * break is found, at open (F-460 to F-463) or by verify (F-466, F-467), at the edge of what is
 * allowed; and a section that lies is harmless to predictions (F-465).
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/linear.h"
#include "engine/tables.h"
#include "engine/verify.h"
#include "espalier.h"
#include "format/rules.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 6u

static model_bytes sound;
static uint64_t leaf_count;
static uint32_t term_count;

/* The records of a copy. */
typedef struct parts_of_file {
    espalier_file_stage *values; /* the stage VALUES */
    espalier_file_stage *stage;  /* the stage LINEAR */
    double *numbers;             /* constants of VALUES */
    double *constants;           /* of LINEAR */
    espalier_file_part *part;
    espalier_file_tree *trees;
    espalier_file_linear_leaf *leaves;
    espalier_file_term *terms;
    double *table; /* the part's leaf table */
    uint64_t most; /* leaves of the largest tree */
} parts_of_file;

static parts_of_file take_apart(const model_bytes *m)
{
    parts_of_file p;
    memset(&p, 0, sizeof p);
    espalier_file_stage *const stages = RECORD(m, STAGES, espalier_file_stage);
    double *const constants = RECORD(m, CONSTANTS, double);
    for (uint64_t i = 0; i < SECTION(m, STAGES)->bytes / sizeof *stages; i++) {
        if (stages[i].operation == ESPALIER_STAGE_VALUES) {
            p.values = &stages[i];
            p.numbers = constants + stages[i].table;
        }
        if (stages[i].operation == ESPALIER_STAGE_LINEAR) {
            p.stage = &stages[i];
            p.constants = constants + stages[i].table;
        }
    }
    assert_non_null(p.values);
    assert_non_null(p.stage);
    p.part = RECORD(m, PARTS, espalier_file_part) + (size_t)p.constants[0];
    p.trees = RECORD(m, TREES, espalier_file_tree) + p.part->first_tree;
    p.leaves = RECORD(m, LINEAR, espalier_file_linear_leaf);
    p.terms = (espalier_file_term *)(void *)(p.leaves + leaf_count);
    p.table = (double *)(void *)(RECORD(m, LEAVES, uint8_t) + p.part->leaf_offset);
    for (uint32_t i = 0; i < p.part->tree_count; i++) {
        const uint64_t count = espalier_tree_source_leaves(&p.trees[i]);
        p.most = count > p.most ? count : p.most;
    }
    return p;
}

static int make_model(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    sound = model_bytes_convert(ESPALIER_TEST_SOURCE_DIR "/fixtures/lightgbm-4.7.0/linear.txt");
    assert_int_equal(espalier_model_open_memory(sound.data, sound.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
    leaf_count = model->linear_leaf_count;
    term_count = model->linear_term_count;
    espalier_model_close(model);
    assert_true(leaf_count > 3 && term_count > 3);
    return 0;
}

static int free_model(void **state)
{
    (void)state;
    model_bytes_free(&sound);
    return 0;
}

/* ---- what predictions of a file that opens may do ---- */

static void predict(const espalier_model *model)
{
    static const float rows[3][FEATURES] = {{0},
                                            {1e30f, -1e30f, NAN, INFINITY, -INFINITY, 5},
                                            {NAN, NAN, NAN, NAN, NAN, NAN}};
    double values[3];
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const espalier_rows given = espalier_rows_float32(&rows[0][0], 3, FEATURES);
    espalier_outputs outputs = {.data = values, .data_bytes = sizeof values};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &given, &outputs),
                     ESPALIER_OK);
    espalier_predictor_destroy(predictor);
}

typedef void (*change_of_file)(model_bytes *m, const parts_of_file *p);

/* Opens a copy after a change; refused at open by the rule, or when `verify` then. */
static void expect(change_of_file change, espalier_status status, uint32_t rule, bool verify)
{
    model_bytes m = model_bytes_copy(&sound);
    const parts_of_file p = take_apart(&m);
    change(&m, &p);
    model_bytes_seal(&m);
    espalier_model *model = NULL;
    espalier_error error;
    memset(&error, 0, sizeof error);
    espalier_status answer = espalier_model_open_memory(m.data, m.bytes, NULL, &model, &error);
    if (verify) {
        assert_int_equal(answer, ESPALIER_OK);
        predict(model);
        answer = espalier_model_verify(model, &error);
        espalier_model_close(model);
    }
    if (answer != status || error.format_rule != rule) {
        fail_msg("status %d, F-%u instead of F-%u: %s", (int)answer, (unsigned)error.format_rule,
                 (unsigned)rule, error.message);
    }
    if (rule == RULE_LINEAR_TERMS || rule == RULE_LINEAR_NUMBERS || rule == RULE_LINEAR_BYTES) {
        assert_int_equal(error.file_offset, SECTION(&m, LINEAR)->offset);
    }
    model_bytes_free(&m);
}

#define CHANGE(name) static void name(model_bytes *m, const parts_of_file *p)
#define UNUSED       ((void)m, (void)p)

/* ---- verify: F-466, F-467 ---- */

CHANGE(move_first_term)
{
    UNUSED;
    p->leaves[0].first_term++;
}

CHANGE(move_later_term)
{
    UNUSED;
    p->leaves[leaf_count - 1].first_term--;
}

/* All terms in their order, `first` of them for leaf 0, `last` for the last, and the others full as
 * far as terms are left: nothing but those two counts can be wrong. */
static void deal_terms(const parts_of_file *p, uint32_t first, uint32_t last)
{
    uint32_t next = 0;
    for (uint64_t i = 0; i < leaf_count; i++) {
        const uint32_t left = term_count - next - (i + 1 < leaf_count ? last : 0);
        const uint32_t full = left < p->stage->slot_count ? left : p->stage->slot_count;
        p->leaves[i].first_term = next;
        p->leaves[i].term_count = i == 0 ? first : full;
        next += p->leaves[i].term_count;
    }
    assert_int_equal(next, term_count);
}

CHANGE(more_terms_than_slots)
{
    UNUSED;
    deal_terms(p, p->stage->slot_count + 1, 0);
}

CHANGE(more_terms_than_there_are)
{
    UNUSED;
    deal_terms(p, p->stage->slot_count, 0);
    p->leaves[leaf_count - 1].term_count = 1;
}

CHANGE(terms_behind_the_last)
{
    UNUSED;
    p->leaves[leaf_count - 1].term_count++;
}

CHANGE(a_term_of_no_leaf)
{
    UNUSED;
    p->leaves[leaf_count - 1].term_count--;
}

CHANGE(all_terms_of_no_leaf)
{
    UNUSED;
    for (uint64_t i = 0; i < leaf_count; i++) {
        p->leaves[i].first_term = 0;
        p->leaves[i].term_count = 0;
    }
}

CHANGE(wild_terms)
{
    UNUSED;
    for (uint64_t i = 0; i < leaf_count; i++) {
        p->leaves[i].first_term = UINT32_MAX - (uint32_t)i;
        p->leaves[i].term_count = UINT32_MAX;
    }
}

CHANGE(place_behind_the_slots)
{
    UNUSED;
    p->terms[term_count - 1].place = p->stage->slot_count;
}

CHANGE(wild_place)
{
    UNUSED;
    for (uint32_t i = 0; i < term_count; i++) {
        p->terms[i].place = UINT32_MAX - i;
    }
}

/* The verifier knows the part by the stage LINEAR, not by another stage's constants. */
CHANGE(wild_place_of_other_features)
{
    p->numbers[0] = 1.0;
    wild_place(m, p);
}

CHANGE(reserved_of_a_term)
{
    UNUSED;
    p->terms[0].reserved = 1;
}

static double bad_number;

CHANGE(number_of_no_leaf)
{
    UNUSED;
    /* Wherever the number stands, as leaves below a filler must be alike. */
    const double last = p->table[p->part->leaf_count - 1];
    for (uint32_t i = 0; i < p->part->leaf_count; i++) {
        p->table[i] = p->table[i] == last ? bad_number : p->table[i];
    }
}

CHANGE(number_behind_the_last_leaf)
{
    UNUSED;
    bad_number = (double)p->most;
    number_of_no_leaf(m, p);
}

static void test_terms(void **state)
{
    (void)state;
    static const change_of_file changes[] = {
        move_first_term,
        move_later_term,
        more_terms_than_slots,
        more_terms_than_there_are,
        terms_behind_the_last,
        a_term_of_no_leaf,
        all_terms_of_no_leaf,
        wild_terms,
        place_behind_the_slots,
        wild_place,
        wild_place_of_other_features,
        reserved_of_a_term,
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        expect(changes[i], ESPALIER_ERROR_VALUE, RULE_LINEAR_TERMS, true);
    }
}

static void test_numbers_of_leaves(void **state)
{
    (void)state;
    static const double bad[] = {-1.0, 0.5, NAN, INFINITY, -INFINITY, 1e300, 4294967296.0};
    expect(number_behind_the_last_leaf, ESPALIER_ERROR_VALUE, RULE_LINEAR_NUMBERS, true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad_number = bad[i];
        expect(number_of_no_leaf, ESPALIER_ERROR_VALUE, RULE_LINEAR_NUMBERS, true);
    }
}

/* ---- open: F-460, F-461, F-463 ---- */

static double bad_constant;
static uint32_t bad_place;

CHANGE(set_number)
{
    UNUSED;
    p->numbers[bad_place] = bad_constant;
}

CHANGE(set_constant)
{
    UNUSED;
    p->constants[bad_place] = bad_constant;
}

CHANGE(trees_from_behind_the_step)
{
    UNUSED;
    p->constants[1] = 2.0;
    p->constants[2] = 2.0;
}

CHANGE(trees_of_one_slot)
{
    UNUSED;
    p->trees[1].slot = 0;
}

static void shorten(model_bytes *m, uint64_t bytes)
{
    model_bytes_resize(m, ESPALIER_SECTION_LINEAR, -(int64_t)bytes);
}

CHANGE(section_of_part_of_a_term)
{
    UNUSED;
    shorten(m, 8);
}

CHANGE(section_shorter_than_its_leaves)
{
    UNUSED;
    shorten(m, (term_count + UINT64_C(1)) * sizeof(espalier_file_term));
}

static void test_constants(void **state)
{
    (void)state;
    static const double bad[] = {-1.0, 0.5, NAN, INFINITY, -INFINITY, 1e300};
    model_bytes m = model_bytes_copy(&sound);
    const parts_of_file p = take_apart(&m);
    const uint64_t part_count = SECTION(&m, PARTS)->bytes / sizeof(espalier_file_part);
    const double parts = (double)part_count;
    const uint32_t slots = p.values->slot_count;
    model_bytes_free(&m);
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        const bool is_edge = i == sizeof bad / sizeof bad[0];
        for (bad_place = 0; bad_place < slots; bad_place++) {
            bad_constant = is_edge ? (double)FEATURES : bad[i];
            expect(set_number, ESPALIER_ERROR_VALUE, RULE_STAGE_VALUES, false);
        }
        for (bad_place = 0; bad_place < ESPALIER_LINEAR_CONSTANTS; bad_place++) {
            const double edges[] = {parts, (double)ESPALIER_LIMIT_TREES + 1, 1.0};
            bad_constant = is_edge ? edges[bad_place] : bad[i];
            expect(set_constant, ESPALIER_ERROR_VALUE, RULE_STAGE_LINEAR, false);
        }
    }
    bad_place = 1;
    bad_constant = 0.0; /* a step of no tree */
    expect(set_constant, ESPALIER_ERROR_VALUE, RULE_STAGE_LINEAR, false);
    expect(trees_from_behind_the_step, ESPALIER_ERROR_VALUE, RULE_STAGE_LINEAR, false);
}

CHANGE(section_without_terms)
{
    UNUSED;
    shorten(m, term_count * sizeof(espalier_file_term));
}

static void test_section_bytes(void **state)
{
    (void)state;
    /* No leaf needs to have a term. */
    expect(section_without_terms, ESPALIER_ERROR_VALUE, RULE_LINEAR_TERMS, true);
    expect(section_of_part_of_a_term, ESPALIER_ERROR_SECTION, RULE_LINEAR_BYTES, false);
    expect(section_shorter_than_its_leaves, ESPALIER_ERROR_SECTION, RULE_LINEAR_BYTES, false);
}

/* ---- plans of more than one part ---- */

static espalier_status open_sealed(model_bytes *m, const espalier_open_options *options,
                                   espalier_error *error)
{
    espalier_model *model = NULL;
    memset(error, 0, sizeof *error);
    model_bytes_seal(m);
    const espalier_status status =
        espalier_model_open_memory(m->data, m->bytes, options, &model, error);
    espalier_model_close(model);
    return status;
}

/* A stage behind LINEAR, here VALUES once more, changes nothing of LINEAR. */
static void test_a_stage_behind_the_linear_one(void **state)
{
    (void)state;
    espalier_error error;
    model_bytes m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_STAGES, sizeof(espalier_file_stage));
    const parts_of_file p = take_apart(&m);
    espalier_file_stage *const last =
        (espalier_file_stage *)(void *)section_end(&m, ESPALIER_SECTION_STAGES) - 1;
    espalier_file_step *const steps_end =
        (espalier_file_step *)(void *)section_end(&m, ESPALIER_SECTION_STEPS);
    espalier_file_model *const head = RECORD(&m, MODEL, espalier_file_model);
    assert_int_equal(steps_end[-1].kind, ESPALIER_STEP_STAGES);
    steps_end[-1].count++;
    *last = *p.values;
    last->output_slot = head->slot_count;
    head->slot_count += last->slot_count;
    if (open_sealed(&m, NULL, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    model_bytes_free(&m);
}

/* Two stages LINEAR may read one part: its slots are looked at once. */
static void test_a_part_that_two_stages_read(void **state)
{
    (void)state;
    espalier_error error;
    model_bytes m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_STAGES, sizeof(espalier_file_stage));
    const parts_of_file p = take_apart(&m);
    espalier_file_stage *const last =
        (espalier_file_stage *)(void *)section_end(&m, ESPALIER_SECTION_STAGES) - 1;
    espalier_file_step *const steps_end =
        (espalier_file_step *)(void *)section_end(&m, ESPALIER_SECTION_STEPS);
    steps_end[-1].count++;
    *last = *p.stage;
    last->output_slot = RECORD(&m, MODEL, espalier_file_model)->slot_count++;
    if (open_sealed(&m, NULL, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    model_bytes_free(&m);
}

/* The last tree in a part of its own, which is not linear: its leaves are none of LINEAR. */
static void test_a_part_that_is_not_linear(void **state)
{
    (void)state;
    espalier_error error;
    espalier_model *model = NULL;
    model_bytes m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_PARTS, sizeof(espalier_file_part));
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, sizeof(espalier_file_step));
    parts_of_file p = take_apart(&m);
    const uint64_t last_count = espalier_tree_source_leaves(&p.trees[p.part->tree_count - 1]);
    /* What was its leaves becomes terms, in whole numbers of them. */
    model_bytes_resize(&m, ESPALIER_SECTION_LINEAR,
                       (int64_t)(last_count * sizeof(espalier_file_linear_leaf) %
                                 sizeof(espalier_file_term)));
    p = take_apart(&m);
    espalier_file_part *const parts = RECORD(&m, PARTS, espalier_file_part);
    espalier_file_step *const steps_end =
        (espalier_file_step *)(void *)section_end(&m, ESPALIER_SECTION_STEPS);
    assert_ptr_equal(p.part, parts);
    assert_true(parts[0].tree_count > 1);
    parts[1] = parts[0];
    parts[0].tree_count--;
    parts[0].slot_count--;
    parts[1].first_tree = parts[0].tree_count;
    parts[1].tree_count = 1;
    parts[1].slot_count = 1;
    parts[1].first_slot = parts[0].first_slot + parts[0].slot_count; /* where it always went */
    p.trees[parts[1].first_tree].slot = 0;
    steps_end[-1] = (espalier_file_step){.kind = ESPALIER_STEP_TREES, .first = 1, .count = 1};
    if (open_sealed(&m, NULL, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(leaf_count - model->linear_leaf_count, last_count);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* LINEAR before the trees whose leaves it reads. */
static void test_linear_before_its_trees(void **state)
{
    (void)state;
    espalier_error error;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_step *const steps = RECORD(&m, STEPS, espalier_file_step);
    assert_int_equal(steps[1].kind, ESPALIER_STEP_TREES);
    assert_int_equal(steps[2].kind, ESPALIER_STEP_STAGES);
    const espalier_file_step trees = steps[1];
    steps[1] = steps[2];
    steps[2] = trees;
    assert_int_equal(open_sealed(&m, NULL, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_SLOTS_WRITTEN);
    assert_non_null(strstr(error.message, "reads a slot that no earlier step writes"));
    model_bytes_free(&m);
}

/* Work beyond the limit is told as a limit, which the caller may raise. */
static void test_work_of_a_file(void **state)
{
    (void)state;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    model_bytes m = model_bytes_copy(&sound);
    options.visits_per_row_max = RECORD(&m, MODEL, espalier_file_model)->visits_per_row;
    assert_int_equal(open_sealed(&m, &options, &error), ESPALIER_OK);
    take_apart(&m).stage->slot_count = ESPALIER_LIMIT_STAGE_SLOTS / 2;
    assert_int_equal(open_sealed(&m, &options, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_LINEAR_WORK);
    /* As much as may be, and a product a tree more: the slots are too many either way. */
    const parts_of_file p = take_apart(&m);
    const uint64_t most = options.visits_per_row_max * ESPALIER_LIMIT_ADDITIONS_PER_VISIT;
    const uint64_t tree_count = p.part->tree_count;
    assert_true(p.constants[1] == 1.0 && p.constants[2] == 0.0);
    p.stage->slot_count = (uint32_t)(most / tree_count - 1);
    assert_int_equal(open_sealed(&m, &options, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_STAGE_SLOTS);
    p.stage->slot_count++;
    assert_int_equal(open_sealed(&m, &options, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_LINEAR_WORK);
    model_bytes_free(&m);
}

/* ---- the check itself, at its edges: F-461, F-462 ---- */

typedef struct linear_case {
    espalier_file_part part;
    espalier_file_tree trees[5];
    double constants[3];
    espalier_file_stage stage;
    espalier_model model;
    uint8_t known[1];
} linear_case;

/* A linear part of five trees, one of ten and every third tree of it. */
static linear_case *make_case(void)
{
    linear_case *const one = calloc(1, sizeof *one);
    assert_non_null(one);
    one->part.accumulator = ESPALIER_ACCUMULATOR_FLOAT64;
    one->part.leaf_width = 1;
    one->part.slot_count = 5;
    one->part.tree_count = 5;
    one->part.start = ESPALIER_START_ZERO;
    one->part.divisor = ESPALIER_DIVISOR_NONE;
    for (uint32_t i = 0; i < 5; i++) {
        one->trees[i].slot = i;
    }
    one->constants[0] = 0.0;
    one->constants[1] = 3.0;
    one->constants[2] = 1.0;
    one->stage.operation = ESPALIER_STAGE_LINEAR;
    one->stage.slot_count = 6;
    one->model.parts = &one->part;
    one->model.part_count = 1;
    one->model.trees = one->trees;
    one->model.constants = one->constants;
    return one;
}

/* The rule that is broken, or 0; frees the case. */
static uint32_t fault_of(linear_case *one, uint64_t work, uint64_t *left_out)
{
    uint32_t rule = 0;
    uint64_t left = work;
    const char *const fault =
        espalier_table_linear_fault(&one->model, &one->stage, one->known, &left, &rule);
    if (left_out != NULL) {
        *left_out = left;
    }
    free(one);
    return fault != NULL ? rule : 0;
}

/* Trees 1 and 4 are two, six terms and a constant each; with a later start tree 2 alone. */
static void test_work(void **state)
{
    (void)state;
    uint64_t left = 99;
    assert_int_equal(fault_of(make_case(), 14, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(fault_of(make_case(), 100, &left), 0);
    assert_int_equal(left, 86);
    assert_int_equal(fault_of(make_case(), 13, &left), RULE_LINEAR_WORK);
    linear_case *one = make_case();
    one->constants[2] = 2.0;
    assert_int_equal(fault_of(one, 7, &left), 0);
    assert_int_equal(left, 0);
    for (unsigned start = 4; start < 9; start++) { /* the last tree; behind all: as one */
        one = make_case();
        one->constants[1] = 9.0;
        one->constants[2] = (double)start;
        assert_int_equal(fault_of(one, 7, &left), 0);
        assert_int_equal(left, 0);
    }
    one = make_case();
    one->constants[1] = 1.0;
    one->constants[2] = 0.0;
    assert_int_equal(fault_of(one, 35, &left), 0);
    assert_int_equal(left, 0);
}

static void test_which_parts_are_linear(void **state)
{
    (void)state;
    linear_case *one = make_case();
    one->part.accumulator = ESPALIER_ACCUMULATOR_FLOAT32;
    assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    one = make_case();
    one->part.leaf_width = 2;
    assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    one = make_case();
    one->part.slot_count = 6;
    assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    one = make_case();
    one->part.start = ESPALIER_START_CONSTANTS;
    assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    one = make_case();
    one->part.divisor = ESPALIER_DIVISOR_CONSTANTS;
    assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    for (uint32_t i = 0; i < 5; i++) {
        one = make_case();
        one->trees[i].slot = (i + 1) % 5;
        assert_int_equal(fault_of(one, 99, NULL), RULE_STAGE_LINEAR);
    }
    /* A part that was found to be linear is not looked at again. */
    one = make_case();
    one->trees[4].slot = 0;
    one->known[0] = 1;
    assert_int_equal(fault_of(one, 99, NULL), 0);
    /* Behind other parts' trees, the part's own count. */
    one = make_case();
    one->part.first_tree = 1;
    one->part.tree_count = 4;
    one->part.slot_count = 4;
    for (uint32_t i = 1; i < 5; i++) {
        one->trees[i].slot = i - 1;
    }
    assert_int_equal(fault_of(one, 99, NULL), 0);
    one = make_case();
    one->constants[1] = (double)ESPALIER_LIMIT_TREES; /* as many as there may be */
    assert_int_equal(fault_of(one, 99, NULL), 0);
}

static void test_parts_in_files(void **state)
{
    (void)state;
    expect(trees_of_one_slot, ESPALIER_ERROR_VALUE, RULE_STAGE_LINEAR, false);
}

/* ---- verify by itself, of tables with more around them than a small file has ---- */

/* A part that is not linear, one that is, and behind each table a record that is none of its: the
 * linear part has trees of three and two leaves, two stages read two and one of its slots. */
typedef struct verify_case {
    espalier_file_part parts[2];
    espalier_file_tree trees[5];
    espalier_file_stage stages[4];
    double constants[9];
    double leaves[10];
    struct {
        espalier_file_linear_leaf leaves[5];
        espalier_file_term terms[4];
    } linear;
} verify_case;

static void make_tables(verify_case *c)
{
    static const espalier_file_linear_leaf lines[5] = {
        {1.0, 2.0, 0, 1}, {1.0, 2.0, 1, 0}, {1.0, 2.0, 1, 1}, {1.0, 2.0, 2, 1}, {1.0, 2.0, 3, 0}};
    static const double leaves[10] = {7.5, NAN, 0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -1.0, -1.0};
    memset(c, 0, sizeof *c);
    c->parts[0].tree_count = 2;
    c->parts[0].leaf_count = 2;
    c->parts[1].first_tree = 2;
    c->parts[1].tree_count = 2;
    c->parts[1].leaf_offset = 2 * sizeof(double);
    c->parts[1].leaf_count = 5;
    c->trees[0].source_node_count = 9;
    c->trees[1].source_node_count = 9;
    c->trees[2].source_node_count = 5;
    c->trees[3].source_node_count = 3;
    c->trees[4].source_node_count = 99;
    /* The first stage's constant is 0, as if it named the first part; the last is none. */
    c->stages[0] = (espalier_file_stage){.operation = ESPALIER_STAGE_VALUES, .slot_count = 2};
    c->stages[1] =
        (espalier_file_stage){.operation = ESPALIER_STAGE_LINEAR, .slot_count = 2, .table = 2};
    c->stages[2] =
        (espalier_file_stage){.operation = ESPALIER_STAGE_LINEAR, .slot_count = 1, .table = 5};
    c->stages[3] = (espalier_file_stage){.operation = ESPALIER_STAGE_LINEAR, .slot_count = 9};
    c->constants[2] = 1.0;
    c->constants[5] = 1.0;
    memcpy(c->leaves, leaves, sizeof leaves);
    memcpy(c->linear.leaves, lines, sizeof lines);
}

static espalier_error table_error;

/* The rule that verify says is broken, or 0. */
static uint32_t verify_tables(const verify_case *c)
{
    espalier_model *model = NULL;
    memset(&table_error, 0, sizeof table_error);
    assert_int_equal(espalier_model_open_memory(sound.data, sound.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    model->parts = c->parts;
    model->part_count = 2;
    model->trees = c->trees;
    model->stages = c->stages;
    model->stage_count = 3;
    model->constants = c->constants;
    model->leaves = (const uint8_t *)c->leaves;
    model->linear = (const uint8_t *)&c->linear;
    model->linear_leaf_count = 5;
    model->linear_term_count = 3;
    const espalier_verify v = {.model = model, .name = "tables", .error_out = &table_error};
    const espalier_status status = espalier_verify_linear(&v);
    espalier_model_close(model);
    return status == ESPALIER_OK ? 0 : table_error.format_rule;
}

static void test_verify_among_other_tables(void **state)
{
    (void)state;
    verify_case c;
    make_tables(&c);
    assert_int_equal(verify_tables(&c), 0);
    /* The number that the largest tree's last leaf has is the last; trees in either order. */
    c.leaves[6] = 3.0;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_NUMBERS);
    make_tables(&c);
    c.trees[2].source_node_count = 3;
    c.trees[3].source_node_count = 5;
    assert_int_equal(verify_tables(&c), 0);
    /* Each number is looked at: the first, the last. */
    for (size_t i = 2; i < 7; i++) {
        make_tables(&c);
        c.leaves[i] = -1.0;
        assert_int_equal(verify_tables(&c), RULE_LINEAR_NUMBERS);
    }
    /* The stage that reads fewest decides what a term may name, and how many there may be. */
    make_tables(&c);
    c.linear.terms[1].place = 1;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    c.stages[2].slot_count = 2;
    assert_int_equal(verify_tables(&c), 0);
    c.stages[1].slot_count = 1;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    make_tables(&c);
    c.linear.leaves[0].term_count = 2;
    c.linear.leaves[1].first_term = 2;
    c.linear.leaves[2].first_term = 2;
    c.linear.leaves[2].term_count = 0;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    c.stages[2].slot_count = 2;
    assert_int_equal(verify_tables(&c), 0); /* as many as the stage reads */
    make_tables(&c);
    c.stages[0] = c.stages[2]; /* the first stage counts as well */
    c.stages[2] = c.stages[1];
    c.linear.terms[1].place = 1;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    make_tables(&c);
    c.constants[2] = 0.0; /* the first part is linear too, and has no such numbers */
    assert_int_equal(verify_tables(&c), RULE_LINEAR_NUMBERS);
    /* Found before a term behind the last is read. */
    make_tables(&c);
    c.linear.leaves[4].term_count = 1;
    assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    assert_non_null(strstr(table_error.message, "leaf 4: its terms"));
    /* Every leaf of every tree. */
    for (size_t i = 0; i < 5; i++) {
        make_tables(&c);
        c.linear.leaves[i].first_term++;
        assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    }
    for (size_t i = 0; i < 3; i++) {
        make_tables(&c);
        c.linear.terms[i].reserved = 1;
        assert_int_equal(verify_tables(&c), RULE_LINEAR_TERMS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_numbers_of_leaves),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_section_bytes),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_which_parts_are_linear),
        cmocka_unit_test(test_parts_in_files),
        cmocka_unit_test(test_verify_among_other_tables),
        cmocka_unit_test(test_a_stage_behind_the_linear_one),
        cmocka_unit_test(test_a_part_that_two_stages_read),
        cmocka_unit_test(test_a_part_that_is_not_linear),
        cmocka_unit_test(test_linear_before_its_trees),
        cmocka_unit_test(test_work_of_a_file),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
