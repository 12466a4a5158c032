// SPDX-License-Identifier: Apache-2.0
/*
 * Creating predictors: kernels, trees of the iteration range, scratch. Everything that predictions
 * need is decided and allocated here.
 */
#include "engine/predictor.h"

#include "engine/answers.h"
#include "engine/linear.h"
#include "format/options.h"

#include <stdlib.h>
#include <string.h>

#define FLAGS_KNOWN    ((uint64_t)(ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF))
#define BLOCK_ROWS_MAX 4096u
/*
 * The default block: as many rows as amortise a pass over the nodes, in scratch that fits a usual
 * second-level cache. A walk of 512 rows fetches the next tree while it goes through one: a forest
 * of depth 30 takes 5.9 to 6.7 us a row, and 7.2 to 11 with 128 rows; one of depth 10 takes 2.5 and
 * 2.6 (EPYC 7003, 2026-11). Codes of 256 rows of 50 columns are half of a first-level cache. A
 * kernel that asks for more rows gets twice the scratch: half of the megabyte or two that servers
 * with AVX-512 have, all that their smallest relatives have. Trees that share their tests take as
 * many rows as answer together.
 */
#define BLOCK_ROWS_WALK  512u
#define BLOCK_ROWS_MASK  256u
#define BLOCK_ROWS_SHARE (ESPALIER_ANSWER_GROUPS * ESPALIER_GROUP_ROWS)
#define BLOCK_BYTES      ((size_t)256 << 10)
#define BLOCK_BYTES_WIDE ((size_t)512 << 10)
/* The most slots whose sums are brought together: 32 KiB of float32, a first-level cache. More go
 * to and fro as often as they save additions apart. */
#define ANSWER_SLOTS_MAX 16u
/* The most scratch for a block, whatever the caller asked for: a small file may have 2^20 slots. */
#define BLOCK_BYTES_MAX   ((size_t)64 << 20)
#define SCRATCH_ALIGNMENT 64u /* a cache line */

static espalier_status read_options(const espalier_predictor_options *options,
                                    espalier_predictor_options *known_out)
{
    const espalier_predictor_options defaults = ESPALIER_PREDICTOR_OPTIONS_INIT;
    *known_out = defaults;
    if (options == NULL) {
        return ESPALIER_OK;
    }
    if (!espalier_options_known(options, sizeof *options) || (options->flags & ~FLAGS_KNOWN) != 0) {
        return ESPALIER_ERROR_OPTIONS;
    }
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i] != 0) {
            return ESPALIER_ERROR_OPTIONS;
        }
    }
    if (options->block_rows_max > BLOCK_ROWS_MAX ||
        (options->iteration_first != 0 && options->iteration_count == 0)) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    *known_out = *options;
    return ESPALIER_OK;
}

/* count x bytes of zeroed memory, or NULL. calloc, so that pages nobody touches cost nothing: a
 * predictor of single rows never touches its block, but for cells that rest there. */
static void *allocate_zeroed(espalier_predictor *predictor, size_t count, size_t bytes)
{
    void *const memory = calloc(count > 0 ? count : 1, bytes);
    predictor->memory_bytes += memory != NULL ? (uint64_t)count * bytes : 0;
    return memory;
}

/* The same at a cache line, to be freed with the predictor. */
static void *allocate_aligned(espalier_predictor *predictor, size_t count, size_t bytes)
{
    size_t all = 0;
    if (predictor->aligned_count == ESPALIER_ALIGNED_MAX ||
        __builtin_mul_overflow(count, bytes, &all) || all > SIZE_MAX - SCRATCH_ALIGNMENT) {
        return NULL;
    }
    uint8_t *const memory = allocate_zeroed(predictor, all + SCRATCH_ALIGNMENT, 1);
    if (memory == NULL) {
        return NULL;
    }
    predictor->aligned[predictor->aligned_count++] = memory;
    return memory + (SCRATCH_ALIGNMENT - (uintptr_t)memory % SCRATCH_ALIGNMENT);
}

/* ---- parts ---- */

static espalier_kernel_tree kernel_tree(const espalier_model *model, const espalier_file_part *part,
                                        const espalier_file_tree *tree)
{
    const uint8_t *const nodes = model->nodes + tree->first_node * (size_t)part->node_bytes;
    return (espalier_kernel_tree){
        .nodes = nodes,
        .depth = tree->depth,
        .slot = tree->slot,
        .last = tree->node_count > 0 ? tree->node_count - 1 : 0,
        .first_leaf = tree->first_leaf,
        .leaf_count = tree->leaf_count,
    };
}

/* The trees of the iteration range, and with LEAF all of them; returns the end of what was taken
 * from the pool. */
static espalier_kernel_tree *take_trees(const espalier_model *model, espalier_predictor_part *own,
                                        uint32_t first, uint32_t count, bool wants_leaf,
                                        espalier_kernel_tree *pool)
{
    const espalier_file_part *const part = own->part;
    own->iteration_first = first;
    own->iterations_used = count;
    own->trees = pool;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
        if (tree->iteration - first < count) {
            own->trees[own->tree_count++] = kernel_tree(model, part, tree);
        }
    }
    pool += own->tree_count;
    if (!wants_leaf) {
        return pool;
    }
    own->all_trees = pool;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        own->all_trees[i] = kernel_tree(model, part, &model->trees[part->first_tree + i]);
    }
    return pool + part->tree_count;
}

/* What a part's sums start from; open made sure that float32 ones are float32 numbers. */
static void take_starts(const espalier_model *model, espalier_predictor_part *own, double *pool)
{
    const espalier_file_part *const part = own->part;
    own->starts = pool;
    for (uint32_t i = 0; part->start == ESPALIER_START_CONSTANTS && i < part->slot_count; i++) {
        const double constant = model->constants[part->start_index + i];
        if (part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32) {
            const float narrow = (float)constant;
            memcpy((uint8_t *)own->starts + i * sizeof narrow, &narrow, sizeof narrow);
        } else {
            pool[i] = constant;
        }
    }
}

static uint32_t common_multiple(uint32_t a, uint32_t b)
{
    uint32_t x = a, y = b;
    while (y != 0) {
        const uint32_t rest = x % y;
        x = y;
        y = rest;
    }
    return x != 0 ? a / x * b : 1;
}

/* The most levels of a part's trees, and the means of their levels and leaves. */
typedef struct tree_sizes {
    uint32_t depth_most;
    uint32_t depth_mean;
    uint32_t leaves_mean;
} tree_sizes;

static tree_sizes sizes_of(const espalier_model *model, const espalier_file_part *part)
{
    uint32_t depth_most = 1;
    uint64_t depths = 0;
    uint64_t leaves = 0;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
        depth_most = tree->depth > depth_most ? tree->depth : depth_most;
        depths += tree->depth;
        leaves += tree->leaf_count;
    }
    const uint64_t count = part->tree_count > 0 ? part->tree_count : 1;
    return (tree_sizes){depth_most, (uint32_t)(depths / count), (uint32_t)(leaves / count)};
}

/*
 * From how many rows on a block pays.
 *  - HEAP: a block compares every node, 2^levels - 1, a row by itself takes a step a level; kernels
 *    say what holds for six levels. A forest of 8 levels took 14 us a row in a block of 16 and 5.9
 *    one by one (EPYC 7003, 2026-11). Of stumps and of trees of 4 and 5 levels a block of 64 rows
 *    took as long as 9, 6 and 9 rows one by one by AVX-512, 16, 15 and 18 by AVX2, 6, 10 and 18 by
 *    AVX-512 VBMI (Sapphire Rapids class Xeon, 2026-11): half of what six levels take at least. One
 *    row of 1,000 stumps went as a block, in 20 us, not 2.
 *  - Kernels that gather (Sapphire Rapids class Xeon, 2026-11). WALK: they say what holds for trees
 *    of ten levels; the nodes of trees without a limit come from afar once for a block: 7.1 us a
 *    row in one of 64, 4.4 of 128, 3.8 of 160 and one by one. SELECT: they say what holds for 64
 *    leaves; a block of 64 rows took as long as 5, 12 and 38 rows one by one where trees had 16,
 *    63 and 255.
 */
#define DEEP_LEVELS 14u
static uint32_t least_rows(const espalier_predictor_part *own, const espalier_model *model)
{
    const uint32_t least = own->kernel->least_rows;
    const uint32_t layout = own->part->layout;
    const tree_sizes sizes = sizes_of(model, own->part);
    uint32_t scaled = least;
    if (layout == ESPALIER_FILE_HEAP) {
        const uint32_t levels = sizes.depth_most;
        scaled = least * 6 * ((1u << levels) - 1) / (63 * levels);
        scaled = scaled > least / 2 ? scaled : least / 2;
    } else if (layout == ESPALIER_FILE_SELECT && own->kernel->gathers != 0) {
        scaled = least * (32 + sizes.leaves_mean) / 96;
    } else if (own->kernel->gathers != 0) {
        return sizes.depth_mean > DEEP_LEVELS ? least * 5 / 2 : least;
    }
    return scaled < ESPALIER_GROUP_ROWS ? scaled : ESPALIER_GROUP_ROWS;
}

/* Chooses kernels, and the trees of the iteration range. */
static espalier_status prepare_parts(espalier_predictor *predictor,
                                     const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    espalier_kernel_tree *pool = predictor->tree_pool;
    double *starts = predictor->start_pool;
    const uint32_t answer_count = espalier_answers_count(model);
    predictor->flight_rows = 1;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        espalier_predictor_part *const own = &predictor->parts[p];
        uint32_t first = part->default_iteration_first;
        uint32_t count = part->default_iteration_count;
        if (options->iteration_count != 0 && part->range == ESPALIER_RANGE_ASKED) {
            first = options->iteration_first;
            count = options->iteration_count;
        }
        if (first > part->iteration_count || count > part->iteration_count - first) {
            return ESPALIER_ERROR_ARGUMENT;
        }
        own->part = part;
        own->kernel = espalier_dispatch_kernel(&predictor->dispatch, model, part);
        if (own->kernel == NULL) {
            return ESPALIER_ERROR_ISA;
        }
        const uint32_t least = least_rows(own, model);
        predictor->flight_rows = common_multiple(predictor->flight_rows, own->kernel->flight_rows);
        predictor->least_rows = least > predictor->least_rows ? least : predictor->least_rows;
        pool = take_trees(model, own, first, count, (options->flags & ESPALIER_PREDICTOR_LEAF) != 0,
                          pool);
        own->answer_groups_least =
            espalier_answers_least(own->kernel, answer_count, own->trees, own->tree_count);
        take_starts(model, own, starts);
        starts += part->slot_count;
        if (part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32 &&
            part->slot_count > predictor->float32_slots) {
            predictor->float32_slots = part->slot_count;
        }
    }
    return ESPALIER_OK;
}

/* Node numbers for LEAF where the file has none: counted here once. */
static espalier_status count_numbers(espalier_predictor *predictor, uint64_t number_count,
                                     uint32_t node_count_max)
{
    const espalier_model *const model = predictor->model;
    uint32_t *const stack = calloc((size_t)node_count_max + 1, sizeof *stack);
    predictor->preorder =
        number_count <= SIZE_MAX
            ? allocate_zeroed(predictor, (size_t)number_count, sizeof *predictor->preorder)
            : NULL;
    const bool allocated = stack != NULL && predictor->preorder != NULL;
    for (uint32_t p = 0; allocated && p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            uint32_t *const numbers = predictor->preorder + predictor->number_firsts[i];
            if (part->layout == ESPALIER_FILE_WALK) {
                espalier_model_count_preorder(model, part, &model->trees[i], numbers, stack);
                continue;
            }
            for (uint32_t k = 0; k < model->trees[i].leaf_count; k++) {
                numbers[k] = k;
            }
        }
    }
    free(stack);
    return allocated ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

static espalier_status prepare_leaves(espalier_predictor *predictor)
{
    const espalier_model *const model = predictor->model;
    uint64_t number_count = 0;
    uint32_t tree_count_max = 0;
    uint32_t node_count_max = 0;
    predictor->number_firsts = allocate_zeroed(predictor, model->tree_count, sizeof(uint64_t));
    if (predictor->number_firsts == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        tree_count_max = part->tree_count > tree_count_max ? part->tree_count : tree_count_max;
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            const uint32_t node_count = model->trees[i].node_count;
            predictor->number_firsts[i] = number_count;
            number_count += espalier_tree_number_count(part, &model->trees[i]);
            node_count_max = node_count > node_count_max ? node_count : node_count_max;
        }
    }
    predictor->positions = allocate_zeroed(predictor, tree_count_max, sizeof(uint32_t));
    if (predictor->positions == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    return model->numbers != NULL ? ESPALIER_OK
                                  : count_numbers(predictor, number_count, node_count_max);
}

/* Where the leaf records of each tree begin, if there are any. */
static espalier_status prepare_linear(espalier_predictor *predictor)
{
    const espalier_model *const model = predictor->model;
    if (model->linear == NULL) {
        return ESPALIER_OK;
    }
    uint8_t *const marks = calloc(model->part_count, 1);
    predictor->linear_firsts =
        allocate_zeroed(predictor, model->tree_count, sizeof *predictor->linear_firsts);
    const bool allocated = marks != NULL && predictor->linear_firsts != NULL;
    if (allocated) {
        espalier_linear_mark_parts(model, marks);
        espalier_linear_count_firsts(model, marks, predictor->linear_firsts);
    }
    free(marks);
    return allocated ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

/* ---- scratch ---- */

/* Columns of codes that a row or a group of rows has room for: every one that a node may name, of
 * two bytes at least two, and in a block as many again as there are, so that groups do not all
 * begin in the same cache sets. */
static size_t code_room(const espalier_model *model, uint32_t bank, bool in_block)
{
    const espalier_bank *const own = &model->banks[bank];
    const size_t named = (size_t)own->mask + 1;
    const size_t least = bank == ESPALIER_BANK_SHORT ? 2 : 1;
    return (named < least ? least : named) + (in_block ? own->count : 0);
}

static bool has_codes(const espalier_model *model, uint32_t bank)
{
    bool used = model->banks[bank].count > 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        used = used || model->parts[p].bank == bank;
    }
    return used;
}

static size_t row_bytes(const espalier_predictor *predictor)
{
    const espalier_model *const model = predictor->model;
    size_t bytes = model->head->slot_count * sizeof(double) + predictor->float32_slots * 4;
    const espalier_bank *const words = &model->banks[ESPALIER_BANK_WORD];
    bytes += (words->paired ? words->count / 2 : words->count) * sizeof(uint32_t);
    bytes += predictor->preparer.place_count * sizeof(double);
    /* Only what is used is ever touched. */
    return bytes + model->banks[ESPALIER_BANK_BYTE].count +
           (size_t)model->banks[ESPALIER_BANK_SHORT].count * 2;
}

/* The fewest rows of a block for which some part shares its tests. */
static uint32_t least_rows_sharing(const espalier_predictor *predictor)
{
    uint32_t least = ESPALIER_ANSWER_GROUPS + 1;
    for (uint32_t p = 0; p < predictor->model->part_count; p++) {
        const uint32_t own = predictor->parts[p].answer_groups_least;
        least = own < least ? own : least;
    }
    return least <= ESPALIER_ANSWER_GROUPS ? least * ESPALIER_GROUP_ROWS : UINT32_MAX;
}

/* Rows per block: at most what was asked for, or what keeps the scratch within a cache, but where
 * it can be, one flight. */
static void choose_block_rows(espalier_predictor *predictor, uint32_t asked)
{
    const espalier_model *const model = predictor->model;
    bool masks = false;
    uint32_t walked = BLOCK_ROWS_WALK;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const uint32_t own = predictor->parts[p].kernel->block_rows;
        masks = masks || model->parts[p].layout != ESPALIER_FILE_WALK;
        walked = own > walked ? own : walked;
    }
    const size_t bytes = row_bytes(predictor);
    const uint32_t least = least_rows_sharing(predictor);
    const bool shares = least <= BLOCK_ROWS_SHARE && least <= BLOCK_BYTES / bytes;
    const uint32_t usual = shares ? BLOCK_ROWS_SHARE : masks ? BLOCK_ROWS_MASK : walked;
    const size_t usual_bytes = usual > BLOCK_ROWS_WALK ? BLOCK_BYTES_WIDE : BLOCK_BYTES;
    const uint32_t wanted = asked != 0 ? asked : usual;
    const uint32_t flight = predictor->flight_rows;
    size_t rows = (asked != 0 ? BLOCK_BYTES_MAX : usual_bytes) / bytes;
    if (rows < flight) {
        rows = flight <= BLOCK_BYTES_MAX / bytes ? flight : 1;
    }
    predictor->block_rows = rows < wanted ? (uint32_t)rows : wanted;
    if (asked == 0 && predictor->block_rows > flight) {
        predictor->block_rows -= predictor->block_rows % flight;
    }
    predictor->room_rows = (predictor->block_rows + flight - 1) / flight * flight;
    if (predictor->block_rows >= flight && predictor->block_rows < predictor->least_rows) {
        predictor->least_rows = predictor->block_rows; /* whole blocks go together all the same */
    }
    if (predictor->block_rows == 1) {
        predictor->room_rows = 1; /* row by row: no block */
    }
}

/* Codes of `rows` rows: a row, or whole groups. */
static bool allocate_cells(espalier_predictor *predictor, uint32_t rows, bool in_block,
                           espalier_cells *cells)
{
    const espalier_model *const model = predictor->model;
    const size_t groups = (rows + ESPALIER_GROUP_ROWS - 1) / ESPALIER_GROUP_ROWS;
    const size_t lanes = in_block ? groups * ESPALIER_GROUP_ROWS : 1;
    bool allocated = true;
    if (model->banks[ESPALIER_BANK_WORD].count > 0) {
        cells->word_stride = (size_t)model->banks[ESPALIER_BANK_WORD].mask + 1;
        cells->words = allocate_aligned(predictor, rows, cells->word_stride * sizeof(uint32_t));
        allocated = cells->words != NULL;
    }
    if (allocated && predictor->coder.paired) {
        cells->pair_stride = (size_t)model->banks[ESPALIER_BANK_WORD].mask / 2 + 1;
        cells->pairs = allocate_aligned(predictor, rows, cells->pair_stride * sizeof(uint32_t));
        allocated = cells->pairs != NULL;
    }
    if (allocated && has_codes(model, ESPALIER_BANK_BYTE)) {
        cells->byte_columns = code_room(model, ESPALIER_BANK_BYTE, in_block);
        cells->bytes = allocate_aligned(predictor, lanes, cells->byte_columns);
        allocated = cells->bytes != NULL;
    }
    if (allocated && has_codes(model, ESPALIER_BANK_SHORT)) {
        cells->short_columns = code_room(model, ESPALIER_BANK_SHORT, in_block);
        cells->shorts = allocate_aligned(predictor, lanes, cells->short_columns * 2);
        allocated = cells->shorts != NULL;
    }
    return allocated;
}

/* Room for rows that come as columns, in memory that others never touch. */
static bool allocate_numbers(espalier_predictor *predictor)
{
    const size_t bytes = predictor->model->head->feature_count * sizeof(double);
    const size_t rows = BLOCK_BYTES_MAX / bytes;
    predictor->number_rows = rows == 0                      ? 1
                             : rows < predictor->block_rows ? (uint32_t)rows
                                                            : predictor->block_rows;
    predictor->numbers = allocate_zeroed(predictor, predictor->number_rows, bytes);
    return predictor->numbers != NULL;
}

/* The slots whose sums are brought together. */
static uint32_t answer_slots(const espalier_predictor *predictor)
{
    uint32_t most = 0;
    for (uint32_t p = 0; p < predictor->model->part_count; p++) {
        const uint32_t own = predictor->model->parts[p].slot_count;
        most = own <= ANSWER_SLOTS_MAX && own > most ? own : most;
    }
    return most;
}

/* Room for answers, if blocks are so large that tests are shared. */
static bool allocate_answers(espalier_predictor *predictor)
{
    if (predictor->room_rows < least_rows_sharing(predictor)) {
        return true;
    }
    espalier_answers *const answers = allocate_aligned(predictor, 1, sizeof *answers);
    if (answers == NULL) {
        return false;
    }
    espalier_answers_fill(predictor->model, answers);
    answers->answers = allocate_aligned(predictor, espalier_answers_count(predictor->model),
                                        sizeof *answers->answers);
    answers->sum_slots = answer_slots(predictor);
    answers->sums = allocate_aligned(predictor, answers->sum_slots,
                                     (size_t)ESPALIER_ANSWER_ROWS * sizeof *predictor->slots);
    predictor->answers = answers;
    return answers->answers != NULL && answers->sums != NULL;
}

static espalier_status prepare_scratch(espalier_predictor *predictor,
                                       const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    choose_block_rows(predictor, options->block_rows_max);
    const size_t rows = predictor->room_rows;
    if (predictor->preparer.model != NULL &&
        espalier_preparer_reserve(&predictor->preparer, rows) != ESPALIER_OK) {
        return ESPALIER_ERROR_MEMORY;
    }
    if (!allocate_numbers(predictor) || !allocate_cells(predictor, 1, false, &predictor->row) ||
        (rows > 1 && !allocate_cells(predictor, predictor->room_rows, true, &predictor->block))) {
        return ESPALIER_ERROR_MEMORY;
    }
    if (espalier_rest_settle(&predictor->rest, &predictor->row, &predictor->block,
                             rows > 1 ? rows : 0) != ESPALIER_OK) {
        return ESPALIER_ERROR_MEMORY;
    }
    bool selects = false;
    for (uint32_t p = 0; p < model->part_count; p++) {
        selects = selects || model->parts[p].layout == ESPALIER_FILE_SELECT ||
                  model->parts[p].layout == ESPALIER_FILE_BITS;
    }
    predictor->slots =
        allocate_zeroed(predictor, rows, model->head->slot_count * sizeof *predictor->slots);
    if (predictor->slots == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    if (predictor->float32_slots > 0) {
        predictor->sums =
            allocate_zeroed(predictor, rows, predictor->float32_slots * sizeof *predictor->sums);
    }
    if (selects && rows > 1) {
        predictor->places = allocate_aligned(predictor, ESPALIER_PLACE_COUNT,
                                             ESPALIER_GROUP_ROWS * sizeof(uint16_t));
    }
    if (!allocate_answers(predictor)) {
        return ESPALIER_ERROR_MEMORY;
    }
    const bool sums = predictor->float32_slots == 0 || predictor->sums != NULL;
    const bool places = !selects || rows == 1 || predictor->places != NULL;
    return sums && places ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

static void bind_cells(espalier_kernel_arguments *arguments, const espalier_file_part *part,
                       const espalier_cells *cells)
{
    if (part->bank == ESPALIER_BANK_WORD) {
        arguments->cells = cells->words;
        arguments->cell_stride = cells->word_stride;
    } else if (part->bank == ESPALIER_BANK_BYTE) {
        arguments->codes = cells->bytes;
        arguments->code_columns = cells->byte_columns;
    } else {
        arguments->codes = cells->shorts;
        arguments->code_columns = cells->short_columns;
    }
}

/* The same where cells are filled as pairs. */
static espalier_kernel_arguments pairs_of(const espalier_kernel_arguments *arguments,
                                          const espalier_cells *cells)
{
    espalier_kernel_arguments pairs = *arguments;
    pairs.column_shift = 1;
    pairs.column_mask = arguments->column_mask / 2;
    pairs.cells = cells->pairs;
    pairs.cell_stride = cells->pair_stride;
    return pairs;
}

void espalier_predictor_bind(espalier_predictor *predictor)
{
    const espalier_model *const model = predictor->model;
    for (uint32_t p = 0; p < model->part_count; p++) {
        espalier_predictor_part *const own = &predictor->parts[p];
        const espalier_file_part *const part = own->part;
        const bool is_float32 = part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32;
        espalier_kernel_arguments arguments = {
            .trees = own->trees,
            .tree_count = own->tree_count,
            .child_bits = part->child_bits,
            .child_mask = (UINT32_C(1) << part->child_bits) - 1,
            .column_mask = model->banks[part->bank].mask,
            .row_count = 1,
            .leaf_last = part->leaf_count - 1,
            .set_first = model->set_first,
            .places = predictor->places,
            .answers =
                own->answer_groups_least <= ESPALIER_ANSWER_GROUPS ? predictor->answers : NULL,
            .answer_groups_least = own->answer_groups_least,
            .leaf_values = model->leaves + part->leaf_offset,
            .sums = is_float32 ? (void *)predictor->sums
                               : (void *)(predictor->slots + part->first_slot),
            .sum_stride = is_float32 ? part->slot_count : model->head->slot_count,
            .leaf_width = part->leaf_width,
            .positions = predictor->positions,
        };
        own->row = arguments;
        bind_cells(&own->row, part, &predictor->row);
        own->block = arguments;
        bind_cells(&own->block, part, &predictor->block);
        own->row_pairs = pairs_of(&own->row, &predictor->row);
        own->block_pairs = pairs_of(&own->block, &predictor->block);
    }
}

/* ---- creating ---- */

static espalier_status prepare(espalier_predictor *predictor,
                               const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    espalier_status status =
        espalier_dispatch_choose(&model->cpu, options->isa, &predictor->dispatch);
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool wants_leaf = (options->flags & ESPALIER_PREDICTOR_LEAF) != 0;
    predictor->parts = allocate_zeroed(predictor, model->part_count, sizeof *predictor->parts);
    predictor->tree_pool =
        allocate_zeroed(predictor, (size_t)model->tree_count * (wants_leaf ? 2 : 1),
                        sizeof *predictor->tree_pool);
    predictor->start_pool =
        allocate_zeroed(predictor, model->head->slot_count, sizeof *predictor->start_pool);
    if (predictor->parts == NULL || predictor->tree_pool == NULL || predictor->start_pool == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    status = prepare_parts(predictor, options);
    if (status == ESPALIER_OK && model->operation_count > 0) {
        status = espalier_preparer_create(&predictor->preparer, model);
    }
    const espalier_ranker *const ranker = espalier_dispatch_ranker(&predictor->dispatch);
    if (status == ESPALIER_OK && model->operation_count > 0) {
        status = espalier_rest_create(&predictor->rest, model, predictor->preparer.places,
                                      predictor->preparer.resting);
    }
    if (status == ESPALIER_OK) {
        status = espalier_coder_create(&predictor->coder, model, ranker, predictor->preparer.places,
                                       predictor->preparer.resting,
                                       predictor->rest.firsts != NULL ? &predictor->rest : NULL);
    }
    if (status == ESPALIER_OK) {
        status = prepare_linear(predictor);
    }
    if (status == ESPALIER_OK) {
        status = prepare_scratch(predictor, options);
    }
    if (status == ESPALIER_OK && wants_leaf) {
        status = prepare_leaves(predictor);
    }
    if (status == ESPALIER_OK) {
        espalier_predictor_bind(predictor);
    }
    return status;
}

espalier_status espalier_predictor_create(const espalier_model *model,
                                          const espalier_predictor_options *options,
                                          espalier_predictor **predictor_out)
{
    if (model == NULL || predictor_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    espalier_predictor_options known;
    espalier_status status = read_options(options, &known);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_predictor *const predictor = calloc(1, sizeof *predictor);
    if (predictor == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    predictor->model = model;
    predictor->flags = known.flags;
    status = prepare(predictor, &known);
    if (status != ESPALIER_OK) {
        espalier_predictor_destroy(predictor);
        return status;
    }
    *predictor_out = predictor;
    return ESPALIER_OK;
}

void espalier_predictor_destroy(espalier_predictor *predictor)
{
    if (predictor == NULL) {
        return;
    }
    for (uint32_t i = 0; i < predictor->aligned_count; i++) {
        free(predictor->aligned[i]);
    }
    espalier_coder_free(&predictor->coder);
    espalier_preparer_free(&predictor->preparer);
    espalier_rest_free(&predictor->rest);
    free(predictor->slots);
    free(predictor->sums);
    free(predictor->numbers);
    free(predictor->parts);
    free(predictor->tree_pool);
    free(predictor->start_pool);
    free(predictor->positions);
    free(predictor->preorder);
    free(predictor->number_firsts);
    free(predictor->linear_firsts);
    free(predictor);
}

const char *espalier_predictor_kernel(const espalier_predictor *predictor)
{
    return predictor != NULL ? predictor->parts[0].kernel->name : "";
}

const char *espalier_predictor_part_kernel(const espalier_predictor *predictor, uint32_t part_index)
{
    return predictor != NULL && part_index < predictor->model->part_count
               ? predictor->parts[part_index].kernel->name
               : NULL;
}

espalier_status espalier_predictor_info_get(const espalier_predictor *predictor,
                                            espalier_predictor_info *info)
{
    if (predictor == NULL || info == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const size_t info_bytes = info->struct_bytes;
    if (info_bytes < sizeof *info || info_bytes > ESPALIER_OPTIONS_BYTES_MAX) {
        return ESPALIER_ERROR_OPTIONS;
    }
    memset(info, 0, info_bytes);
    info->struct_bytes = info_bytes;
    info->isa = predictor->dispatch.level;
    info->block_rows = predictor->block_rows;
    info->memory_bytes = predictor->memory_bytes + predictor->coder.memory_bytes +
                         predictor->preparer.memory_bytes + predictor->rest.memory_bytes +
                         sizeof *predictor;
    info->ranker = predictor->model->codes ? predictor->coder.ranker->name : "";
    return ESPALIER_OK;
}
