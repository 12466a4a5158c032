// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes that hold anything: no verify, every bit of the nodes, leaves and numbers random or chosen
 * to reach far. The model, the scratch and the outputs lie between inaccessible moats, so a read
 * or write outside of them is a crash. Each row's output must depend on that row alone, so no walk
 * takes a step more than its tree's depth. Walks and masks, at every ISA level of this machine.
 * Rules F-003, F-167, F-171, F-200, F-201, F-227, F-234, F-244.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/answers.h"
#include "engine/predictor.h"
#include "espalier.h"
#include "tests/support/moat.h"
#include "tests/support/model_bytes.h"
#include "tests/support/same_rows.h"
#include "tests/support/synthetic.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 90u /* more than a group, and a tail */

/* Fills nodes with words that are random, far-reaching, or nearly right. */
static void fill_hostile(uint32_t *words, size_t word_count, uint64_t *state)
{
    for (size_t i = 0; i < word_count; i++) {
        const uint64_t random = synthetic_next(state);
        const uint32_t value = (uint32_t)(random >> 32);
        switch (random % 6) {
        case 0:
            words[i] = value;
            break;
        case 1:
            words[i] = UINT32_MAX - value % 3;
            break;
        case 2:
            words[i] = (value & 0xFFFF0000u) | 0xFFFFu; /* the largest child, any column */
            break;
        case 3:
            words[i] = (uint32_t)(random % word_count); /* a child in the tree */
            break;
        case 4:
            words[i] = 0x7FC00000u; /* NaN */
            break;
        default:
            break; /* as it was */
        }
    }
}

/* A predictor whose scratch was moved between moats: its pointers before, and the moats. */
#define MOVED_MAX 13u
typedef struct moated_predictor {
    espalier_predictor *predictor;
    moat moats[MOVED_MAX];
    uint32_t moat_count;
    espalier_cells own_row;
    espalier_cells own_block;
    double *own_slots;
    float *own_sums;
    void *own_places;
    espalier_answers *own_answers;
    uint32_t *own_positions;
} moated_predictor;

/* A copy of `bytes` bytes whose last is in front of a moat; nothing where there is nothing. */
static void *move_between_moats(moated_predictor *m, const void *from, size_t bytes)
{
    if (from == NULL || bytes == 0) {
        return NULL;
    }
    assert_true(m->moat_count < MOVED_MAX);
    moat *const memory = &m->moats[m->moat_count++];
    const size_t lines = (bytes + 63) / 64 * 64; /* codes begin at a cache line */
    *memory = moat_make(lines);
    memcpy(moat_end(memory, lines), from, bytes);
    return moat_end(memory, lines);
}

/* lanes: 1 for a row, else the rows of whole groups. */
static void move_cells(moated_predictor *m, espalier_cells *cells, size_t rows, size_t lanes)
{
    cells->words =
        move_between_moats(m, cells->words, rows * cells->word_stride * sizeof(uint32_t));
    cells->pairs =
        move_between_moats(m, cells->pairs, rows * cells->pair_stride * sizeof(uint32_t));
    cells->bytes = move_between_moats(m, cells->bytes, lanes * cells->byte_columns);
    cells->shorts =
        move_between_moats(m, cells->shorts, lanes * cells->short_columns * sizeof(uint16_t));
}

/* Has blocks of any size share tests, where a kernel can; answers and their table at moats. */
static void share_between_moats(moated_predictor *m)
{
    espalier_predictor *const p = m->predictor;
    const uint32_t count = espalier_answers_count(p->model);
    bool shares = false;
    for (uint32_t i = 0; i < p->model->part_count && count > 0; i++) {
        if (p->parts[i].kernel->answer_cost != 0) {
            p->parts[i].answer_groups_least = 1;
            shares = true;
        }
    }
    if (!shares) {
        return;
    }
    espalier_answers table;
    memset(&table, 0, sizeof table);
    espalier_answers_fill(p->model, &table);
    espalier_answer *const answers = calloc(count, sizeof *answers);
    assert_non_null(answers);
    table.answers = move_between_moats(m, answers, count * sizeof *answers);
    table.sum_slots = p->model->parts[0].slot_count;
    double *const sums = calloc((size_t)table.sum_slots * ESPALIER_ANSWER_ROWS, sizeof *sums);
    assert_non_null(sums);
    table.sums = move_between_moats(m, sums, table.sum_slots * ESPALIER_ANSWER_ROWS * sizeof *sums);
    free(sums);
    p->answers = move_between_moats(m, &table, sizeof table);
    free(answers);
}

static moated_predictor moated_make(const espalier_model *model, uint32_t block_rows, uint32_t isa)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    options.block_rows_max = block_rows;
    options.isa = isa;
    moated_predictor m = {0};
    assert_int_equal(espalier_predictor_create(model, &options, &m.predictor), ESPALIER_OK);
    espalier_predictor *const p = m.predictor;
    const size_t rows = p->room_rows;
    const size_t lanes =
        (rows + ESPALIER_GROUP_ROWS - 1) / ESPALIER_GROUP_ROWS * ESPALIER_GROUP_ROWS;
    m.own_row = p->row;
    m.own_block = p->block;
    m.own_slots = p->slots;
    m.own_sums = p->sums;
    m.own_places = p->places;
    m.own_answers = p->answers;
    m.own_positions = p->positions;
    move_cells(&m, &p->row, 1, 1);
    move_cells(&m, &p->block, rows, lanes);
    p->slots = move_between_moats(&m, p->slots, rows * model->head->slot_count * sizeof *p->slots);
    p->sums = move_between_moats(&m, p->sums, rows * p->float32_slots * sizeof *p->sums);
    p->places =
        move_between_moats(&m, p->places, (size_t)ESPALIER_PLACE_COUNT * ESPALIER_GROUP_ROWS * 2);
    p->positions = move_between_moats(&m, p->positions, model->tree_count * sizeof *p->positions);
    share_between_moats(&m);
    espalier_predictor_bind(p);
    return m;
}

static void moated_free(moated_predictor *m)
{
    m->predictor->row = m->own_row;
    m->predictor->block = m->own_block;
    m->predictor->slots = m->own_slots;
    m->predictor->sums = m->own_sums;
    m->predictor->places = m->own_places;
    m->predictor->answers = m->own_answers;
    m->predictor->positions = m->own_positions;
    espalier_predictor_destroy(m->predictor);
    for (uint32_t i = 0; i < m->moat_count; i++) {
        moat_free(&m->moats[i]);
    }
}

/* Predicts rows into memory that ends at a moat; the caller frees. */
static moat predict_moated(espalier_predictor *predictor, espalier_output_kind kind,
                           const float *values, size_t row_count, size_t *row_bytes_out)
{
    const espalier_model *const model = predictor->model;
    espalier_output_info info;
    assert_int_equal(espalier_model_output(model, kind, &info), ESPALIER_OK);
    const size_t row_bytes =
        info.width *
        (info.dtype == ESPALIER_DTYPE_FLOAT32 || info.dtype == ESPALIER_DTYPE_INT32 ? 4 : 8);
    const size_t rows_bytes = row_count * model->head->feature_count * sizeof *values;
    moat input = moat_make(rows_bytes);
    memcpy(moat_end(&input, rows_bytes), values, rows_bytes);
    const espalier_rows rows =
        espalier_rows_float32((const float *)(const void *)moat_end(&input, rows_bytes), row_count,
                              model->head->feature_count);
    moat memory = moat_make(row_count * row_bytes);
    espalier_outputs outputs = {.data = moat_end(&memory, row_count * row_bytes),
                                .data_bytes = row_count * row_bytes};
    assert_int_equal(espalier_predict(predictor, kind, &rows, &outputs), ESPALIER_OK);
    moat_free(&input);
    *row_bytes_out = row_bytes;
    return memory;
}

/* All rows together, and each one by itself with another predictor: the same bytes. */
static void check_rows_alone(const espalier_model *model, moated_predictor *together,
                             moated_predictor *alone, espalier_output_kind kind,
                             const float *values)
{
    size_t row_bytes = 0;
    espalier_output_info info;
    assert_int_equal(espalier_model_output(model, kind, &info), ESPALIER_OK);
    moat all = predict_moated(together->predictor, kind, values, ROWS, &row_bytes);
    for (size_t r = 0; r < ROWS; r += 5) {
        moat one = predict_moated(alone->predictor, kind, values + r * model->head->feature_count,
                                  1, &row_bytes);
        const uint8_t *const own = moat_end(&one, row_bytes);
        const uint8_t *const among = moat_end(&all, ROWS * row_bytes) + r * row_bytes;
        if (kind == ESPALIER_OUTPUT_LEAF) {
            assert_memory_equal(own, among, row_bytes);
        } else {
            assert_true(rows_are_same(own, among, row_bytes, info.dtype));
        }
        moat_free(&one);
    }
    moat_free(&all);
}

/* The bytes of a model between moats: exactly what the child index bound asks for is readable. */
static moat place_model(const model_bytes *bytes)
{
    const espalier_file_part *const part = model_bytes_data(bytes, ESPALIER_SECTION_PARTS);
    const espalier_file_tree *const trees = model_bytes_data(bytes, ESPALIER_SECTION_TREES);
    const espalier_file_tree *const last = &trees[part->tree_count - 1];
    uint64_t reach = last->node_count;
    if (part->layout == ESPALIER_FILE_WALK) {
        reach = (UINT64_C(1) << part->child_bits) + 1;
    } else if (part->layout == ESPALIER_FILE_SELECT) {
        reach = ESPALIER_SELECT_REACH;
    }
    const uint64_t readable = model_bytes_section(bytes, ESPALIER_SECTION_NODES)->offset +
                              part->node_bytes * (last->first_node + reach);
    moat memory = moat_make(readable > bytes->bytes ? (size_t)readable : bytes->bytes);
    memcpy(memory.data, bytes->data, bytes->bytes);
    return memory;
}

static espalier_output_kind kind_of(const espalier_forest *forest)
{
    return forest->task != ESPALIER_FOREST_TASK_FOREST ? ESPALIER_OUTPUT_MARGIN
           : forest->classifier                        ? ESPALIER_OUTPUT_PROBABILITY
                                                       : ESPALIER_OUTPUT_VALUE;
}

/* Fills all that open does not look at; the model is mapped over `data`. */
static void spoil(const model_bytes *bytes, uint8_t *data, uint64_t *state)
{
    static const uint32_t hostile[] = {ESPALIER_SECTION_NODES, ESPALIER_SECTION_LEAVES,
                                       ESPALIER_SECTION_CUTS};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const espalier_file_section *const section = model_bytes_section(bytes, hostile[i]);
        if (section != NULL) {
            fill_hostile((uint32_t *)(void *)(data + section->offset), section->bytes / 4, state);
        }
    }
    const espalier_file_section *const numbers =
        model_bytes_section(bytes, ESPALIER_SECTION_NODE_NUMBERS);
    if (numbers != NULL) {
        memset(data + numbers->offset, 0xFF, numbers->bytes);
    }
}

/* One round: rows together at a level, and alone with plain C. */
static void attack_level(const espalier_model *model, const espalier_forest *forest, uint32_t isa,
                         uint64_t seed)
{
    moated_predictor together = moated_make(model, 80, isa);
    moated_predictor alone = moated_make(model, 1, seed % 2 == 0 ? isa : ESPALIER_ISA_SCALAR);
    float *const values = model_rows_make(forest, seed, ROWS, 1);
    check_rows_alone(model, &together, &alone, kind_of(forest), values);
    check_rows_alone(model, &together, &alone, ESPALIER_OUTPUT_LEAF, values);
    free(values);
    moated_free(&together);
    moated_free(&alone);
}

static void attack(const synthetic_options *options, uint32_t layout, uint32_t rounds)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    model_bytes bytes = model_bytes_of_layout(&forest, 0, layout);
    moat memory = place_model(&bytes);
    uint64_t state = options->seed;
    for (uint32_t round = 0; round < rounds; round++) {
        espalier_model *model = NULL;
        espalier_error error;
        memcpy(memory.data, bytes.data, bytes.bytes);
        const espalier_status status =
            espalier_model_open_memory(memory.data, memory.bytes, NULL, &model, &error);
        if (status != ESPALIER_OK) {
            fail_msg("open: %s", error.message);
        }
        espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
        assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
        assert_int_equal(info.mapping, ESPALIER_MAPPING_CALLER);
        spoil(&bytes, memory.data, &state);
        for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
            if (espalier_isa_supported((espalier_isa)isa) != 0) {
                attack_level(model, &forest, isa, round);
            }
        }
        assert_int_not_equal(espalier_model_verify(model, &error), ESPALIER_OK);
        espalier_model_close(model);
    }
    moat_free(&memory);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

static void check_masks(uint32_t layout)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const bool bits = layout == ESPALIER_LAYOUT_BITS;
        const uint32_t decisions = bits ? 7 + 2 * (uint32_t)seed : 20 * (uint32_t)seed;
        const uint32_t features = seed == 12 && !bits ? 300 : 1 + (uint32_t)seed;
        const synthetic_options options = {.seed = 100 + seed,
                                           .trainer = (synthetic_trainer)(seed % 3),
                                           .tree_count = 2 + (uint32_t)seed * 3,
                                           .feature_count = features,
                                           .decision_count_max = decisions,
                                           .group_count = 1,
                                           .class_count = (uint32_t)(seed % 4),
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = 1 + (uint32_t)seed % 8,
                                           .missing_allowed = seed % 2 == 0};
        attack(&options, layout, 4);
    }
}

static void check_heap_nodes(void **state)
{
    (void)state;
    check_masks(ESPALIER_LAYOUT_HEAP);
}

static void check_select_nodes(void **state)
{
    (void)state;
    check_masks(ESPALIER_LAYOUT_SELECT);
}

static void check_bits_nodes(void **state)
{
    (void)state;
    check_masks(ESPALIER_LAYOUT_BITS);
}

static void check_narrow_nodes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const synthetic_options options = {.seed = seed,
                                           .tree_count = 3 + (uint32_t)seed * 4,
                                           .feature_count = 2 + (uint32_t)seed % 30,
                                           .decision_count_max = 40,
                                           .group_count = 1,
                                           .class_count = (uint32_t)(seed % 3) * 2,
                                           .shape = (synthetic_shape)(seed % 3),
                                           .missing_allowed = seed % 2 == 0};
        attack(&options, ESPALIER_LAYOUT_WALK, 4);
    }
}

static void check_wide_nodes(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 77,
                                       .tree_count = 20,
                                       .feature_count = 90000,
                                       .decision_count_max = 9000,
                                       .group_count = 1,
                                       .class_count = 2};
    attack(&options, ESPALIER_LAYOUT_WALK, 2);
}

/* Address space in use, and a limit of `more` bytes above it. */
static void limit_address_space(size_t more, struct rlimit *before_out)
{
    unsigned long pages = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, before_out), 0);
    struct rlimit limit = *before_out;
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* A model whose 30 bits of child reach 8 GiB, opened where there is no address space for that. */
typedef struct clamped {
    model_bytes bytes;
    moat memory;    /* the bytes, and not one more */
    int descriptor; /* the same as a file without a name */
    moat want;      /* what the same model with room answers */
    float *values;
} clamped;

static void clamped_make(clamped *c, const espalier_forest *forest)
{
    c->bytes = model_bytes_of(forest, 0);
    c->values = model_rows_make(forest, 6, ROWS, 1);
    espalier_model *plain = NULL;
    assert_int_equal(espalier_model_open_memory(c->bytes.data, c->bytes.bytes, NULL, &plain, NULL),
                     ESPALIER_OK);
    moated_predictor sound = moated_make(plain, 16, ESPALIER_ISA_AUTO);
    size_t row_bytes = 0;
    c->want =
        predict_moated(sound.predictor, ESPALIER_OUTPUT_PROBABILITY, c->values, ROWS, &row_bytes);
    moated_free(&sound);
    espalier_model_close(plain);
    model_bytes_widen_children(&c->bytes, 30);
    model_bytes_seal(&c->bytes);
    c->memory = moat_make(c->bytes.bytes);
    memcpy(c->memory.data, c->bytes.data, c->bytes.bytes);
    char path[] = "/tmp/espalier-test-XXXXXX";
    c->descriptor = mkstemp(path);
    assert_true(c->descriptor >= 0);
    model_bytes_write(&c->bytes, path);
    assert_int_equal(unlink(path), 0);
}

static void clamped_free(clamped *c)
{
    moat_free(&c->want);
    moat_free(&c->memory);
    assert_int_equal(close(c->descriptor), 0);
    free(c->values);
    model_bytes_free(&c->bytes);
}

/* From the file, from memory, or as a copy. */
static espalier_model *open_clamped(const clamped *c, int way)
{
    struct rlimit before;
    espalier_model *model = NULL;
    const espalier_open_options copy = {sizeof copy, ESPALIER_OPEN_COPY, 0, {0}};
    limit_address_space((size_t)1 << 30, &before);
    const espalier_status status =
        way == 1 ? espalier_model_open_memory(c->memory.data, c->bytes.bytes, NULL, &model, NULL)
                 : espalier_model_open_fd(c->descriptor, way == 0 ? NULL : &copy, &model, NULL);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, ESPALIER_OK);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    assert_int_equal(info.mapping, ESPALIER_MAPPING_CLAMPED);
    return model;
}

/* Kernels that clamp: sound nodes give the same answers, hostile ones stay inside. */
static void check_clamping(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 8,
                                       .tree_count = 21,
                                       .feature_count = 3,
                                       .decision_count_max = 40,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    clamped c;
    clamped_make(&c, &forest);
    const espalier_file_section *const nodes =
        model_bytes_section(&c.bytes, ESPALIER_SECTION_NODES);
    for (int way = 0; way < 3; way++) {
        espalier_model *const model = open_clamped(&c, way);
        moated_predictor together = moated_make(model, 16, ESPALIER_ISA_AUTO);
        moated_predictor alone = moated_make(model, 1, ESPALIER_ISA_AUTO);
        assert_string_equal(espalier_predictor_kernel(alone.predictor),
                            "walk, 8-byte nodes, clamping, scalar");
        size_t row_bytes = 0;
        moat got = predict_moated(together.predictor, ESPALIER_OUTPUT_PROBABILITY, c.values, ROWS,
                                  &row_bytes);
        assert_memory_equal(moat_end(&got, ROWS * row_bytes), moat_end(&c.want, ROWS * row_bytes),
                            ROWS * row_bytes);
        moat_free(&got);
        uint64_t random = 3;
        for (int round = 0; way == 1 && round < 20; round++) {
            fill_hostile((uint32_t *)(void *)(c.memory.data + nodes->offset), nodes->bytes / 4,
                         &random);
            check_rows_alone(model, &together, &alone, ESPALIER_OUTPUT_PROBABILITY, c.values);
            check_rows_alone(model, &together, &alone, ESPALIER_OUTPUT_LEAF, c.values);
        }
        moated_free(&together);
        moated_free(&alone);
        espalier_model_close(model);
    }
    clamped_free(&c);
    espalier_forest_free(&forest);
}

/* Another process rewrites what open did not look at while this one predicts from the file. */
static void check_changing_layout(uint32_t layout, synthetic_trainer trainer)
{
    const synthetic_options options = {.seed = 5,
                                       .trainer = trainer,
                                       .tree_count = 33,
                                       .feature_count = 7,
                                       .decision_count_max =
                                           layout == ESPALIER_LAYOUT_BITS ? 31 : 60,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 8};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes bytes = model_bytes_of_layout(&forest, 0, layout);
    char path[] = "/tmp/espalier-test-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    model_bytes_write(&bytes, path);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open(path, NULL, &model, NULL), ESPALIER_OK);
    uint8_t *const shared =
        mmap(NULL, bytes.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    assert_true(shared != MAP_FAILED);
    const pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        uint64_t random = 1;
        for (;;) {
            spoil(&bytes, shared, &random);
        }
    }
    moated_predictor predictor = moated_make(model, 80, ESPALIER_ISA_AUTO);
    for (uint64_t round = 0; round < 500; round++) {
        float *const values = model_rows_make(&forest, round, ROWS, 1);
        size_t row_bytes = 0;
        const espalier_output_kind kind = round % 2 == 0 ? kind_of(&forest) : ESPALIER_OUTPUT_LEAF;
        moat out = predict_moated(predictor.predictor, kind, values, ROWS, &row_bytes);
        moat_free(&out);
        free(values);
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    moated_free(&predictor);
    espalier_model_close(model);
    assert_int_equal(munmap(shared, bytes.bytes), 0);
    assert_int_equal(close(descriptor), 0);
    assert_int_equal(unlink(path), 0);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

static void check_changing_file(void **state)
{
    (void)state;
    check_changing_layout(ESPALIER_LAYOUT_WALK, SYNTHETIC_FOREST);
    check_changing_layout(ESPALIER_LAYOUT_HEAP, SYNTHETIC_XGBOOST);
    check_changing_layout(ESPALIER_LAYOUT_SELECT, SYNTHETIC_LIGHTGBM);
    check_changing_layout(ESPALIER_LAYOUT_BITS, SYNTHETIC_LIGHTGBM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_narrow_nodes),  cmocka_unit_test(check_wide_nodes),
        cmocka_unit_test(check_heap_nodes),    cmocka_unit_test(check_select_nodes),
        cmocka_unit_test(check_bits_nodes),    cmocka_unit_test(check_clamping),
        cmocka_unit_test(check_changing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
