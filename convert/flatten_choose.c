// SPDX-License-Identifier: Apache-2.0
/*
 * Which layout a forest gets, from its shape alone: never from the machine that converts. May
 * include convert/flatten*. Must not write nodes.
 */
#include "convert/flatten_work.h"
#include "format/error.h"

#include <stdio.h>

/* Codes and columns of the narrow banks. */
#define BYTE_CODE_MAX  255u
#define SHORT_CODE_MAX 65535u
#define BYTE_COLUMNS   256u
#define SHORT_COLUMNS  65536u
/* Of a tree that one row goes through by registers: mask_row_avx2.inc holds 65, mask_row_vbmi.inc
 * 64, and the choice depends on no machine. */
#define SELECT_LEAVES_ROW 64u
#define MASK_LEAF_BYTES   ((uint64_t)32 << 20)
/* A walk's block takes so many levels by compares, with AVX-512. */
#define WALK_LEVELS 5u

/* What the choice depends on. */
typedef struct forest_shape {
    uint32_t depth_max;
    uint64_t leaf_max;      /* of the tree with the most */
    uint64_t decisions;     /* of all trees */
    uint64_t heap_nodes;    /* that HEAP would have */
    uint64_t columns_byte;  /* columns with codes of one byte; UINT64_MAX: not counted */
    uint64_t columns_short; /* of two bytes */
    uint32_t cuts_max;      /* of the column with the most; 0: not counted */
    uint64_t cuts;          /* of all columns; 0: not counted */
    uint64_t features;      /* that nodes test; 0: not counted */
    bool has_sets;          /* of categories, which only WALK can hold */
    uint32_t leaf_width;    /* of the part with the widest */
    uint64_t leaf_bytes;    /* of the part whose leaves take the most */
    bool plain;             /* float32 rows, as WALK compares them, and float64 sums */
} forest_shape;

static forest_shape measure_shape(const espalier_forest *forest)
{
    forest_shape shape = {.columns_byte = UINT64_MAX,
                          .columns_short = UINT64_MAX,
                          .leaf_bytes = 1,
                          .has_sets = forest->set_count > 0,
                          .plain = forest->input == ESPALIER_FOREST_INPUT_FLOAT32};
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        const bool narrow = part.accumulator == ESPALIER_FOREST_SUM_FLOAT32;
        const uint64_t bytes = part.leaf_width * (narrow ? sizeof(float) : sizeof(double));
        shape.plain = shape.plain && !narrow;
        shape.leaf_width = part.leaf_width > shape.leaf_width ? part.leaf_width : shape.leaf_width;
        shape.leaf_bytes = bytes > shape.leaf_bytes ? bytes : shape.leaf_bytes;
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[i];
        const uint64_t leaves = ((uint64_t)tree->node_count + 1) / 2;
        const uint32_t levels = tree->depth > 0 ? tree->depth : 1;
        shape.depth_max = tree->depth > shape.depth_max ? tree->depth : shape.depth_max;
        shape.leaf_max = leaves > shape.leaf_max ? leaves : shape.leaf_max;
        shape.decisions += leaves - 1;
        shape.heap_nodes +=
            levels <= ESPALIER_HEAP_LEVELS ? (UINT64_C(1) << levels) - 1 : UINT32_MAX;
    }
    return shape;
}

static bool fits_columns(const forest_shape *shape)
{
    return shape->columns_byte <= BYTE_COLUMNS || shape->columns_short <= SHORT_COLUMNS;
}

static bool fits_bits(const forest_shape *shape)
{
    return shape->leaf_max <= ESPALIER_BITS_LEAVES && shape->columns_byte <= BYTE_COLUMNS;
}

static bool fits_cuts(const forest_shape *shape)
{
    return shape->cuts_max <= ESPALIER_LIMIT_CUTS;
}

/*
 * HEAP, or what holds trees of any shape. A batch takes about 6 units for a node of HEAP, fillers
 * included, and 13 for a decision of the others. One row of a tree takes some 20 instructions in
 * HEAP and 35 in BITS, and in SELECT as many and 9 a level; but SELECT trees of more leaves than
 * registers hold are walked: 1,000 trees of 8 levels and 97 decisions take 12 us then and 5.2 in
 * HEAP, whose batch of 2.9 us a row against 2.5 is worth that; by AVX2 one row takes 11.4 and 6.1
 * us, and a batch loses more, 4.0 us a row against 3.1 (Sapphire Rapids, 2026-11).
 */
static uint32_t choose_mask(const forest_shape *shape)
{
    const bool bits = fits_bits(shape);
    const bool walked = !bits && shape->leaf_max > SELECT_LEAVES_ROW;
    const uint64_t most = shape->decisions * (walked ? 18 : 13);
    if (shape->depth_max <= ESPALIER_HEAP_LEVELS && shape->heap_nodes * 6 <= most) {
        return ESPALIER_FILE_HEAP;
    }
    return bits ? ESPALIER_FILE_BITS : ESPALIER_FILE_SELECT;
}

/*
 * Whether WALK answers sooner than HEAP: trees of scikit-learn whose thresholds are mostly their
 * own (those of a few values a feature HEAP tests once for all trees). HEAP codes rows among them,
 * 4 ns a feature more than WALK takes, and tests every node; without its nodes a tree takes less by
 * tree_gain. All in picoseconds of a row by itself and one of a batch together, from 60 forests
 * (docs/decisions/0034-forests-walk.md). Of fewer levels than blocks take by compares HEAP gains
 * more in batches than WALK does for rows.
 */
static bool walks_sooner(const espalier_forest *forest, const forest_shape *shape)
{
    const uint64_t wide_gain = shape->leaf_width == 2 ? 2300 : 3000;
    const uint64_t tree_gain = shape->leaf_width == 1 ? 4000 : wide_gain;
    return shape->plain && shape->depth_max >= WALK_LEVELS && 4 * shape->cuts >= shape->decisions &&
           30 * shape->heap_nodes + 4000 * shape->features > tree_gain * forest->tree_count;
}

/*
 * What the converter takes by itself. A mask's leaves are not shared, so wide ones grow: above 32
 * MiB they no longer fit the caches that a walk's nodes and shared leaves might.
 */
static uint32_t choose_layout(const espalier_forest *forest, const forest_shape *shape)
{
    const uint32_t mask = choose_mask(shape);
    const uint64_t rows = mask == ESPALIER_FILE_HEAP ? shape->heap_nodes + forest->tree_count
                                                     : shape->decisions + forest->tree_count;
    const bool holds = mask == ESPALIER_FILE_HEAP ? !walks_sooner(forest, shape)
                                                  : shape->leaf_max <= ESPALIER_SELECT_LEAVES;
    return holds && !shape->has_sets && shape->decisions > 0 && fits_columns(shape) &&
                   fits_cuts(shape) && rows <= MASK_LEAF_BYTES / shape->leaf_bytes
               ? mask
               : ESPALIER_FILE_WALK;
}

/* ---- refusing ---- */

static espalier_status refuse(const espalier_flattening *work, const char *layout, const char *what,
                              uint64_t count, uint64_t limit)
{
    return espalier_error_set(work->error, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                              "%s: the %s layout cannot hold it: %llu %s, at most %llu",
                              work->source, layout, (unsigned long long)count, what,
                              (unsigned long long)limit);
}

/* A layout that was asked for; names what is too large. */
static espalier_status check_asked(const espalier_flattening *work, uint32_t layout,
                                   const forest_shape *shape)
{
    const char *const name = layout == ESPALIER_FILE_HEAP   ? "heap"
                             : layout == ESPALIER_FILE_BITS ? "bits"
                                                            : "select";
    if (layout == ESPALIER_FILE_WALK) {
        return ESPALIER_OK;
    }
    if (shape->decisions == 0) {
        return espalier_error_set(work->error, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: the %s layout cannot hold it: no tree decides anything",
                                  work->source, name);
    }
    if (shape->has_sets) {
        return espalier_error_set(work->error, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: the %s layout cannot hold it: it has splits on categories, "
                                  "which the walk layout holds",
                                  work->source, name);
    }
    if (layout == ESPALIER_FILE_HEAP && shape->depth_max > ESPALIER_HEAP_LEVELS) {
        return refuse(work, name, "levels in a tree", shape->depth_max, ESPALIER_HEAP_LEVELS);
    }
    if (layout == ESPALIER_FILE_SELECT && shape->leaf_max > ESPALIER_SELECT_LEAVES) {
        return refuse(work, name, "leaves in a tree", shape->leaf_max, ESPALIER_SELECT_LEAVES);
    }
    if (layout == ESPALIER_FILE_BITS && shape->leaf_max > ESPALIER_BITS_LEAVES) {
        return refuse(work, name, "leaves in a tree", shape->leaf_max, ESPALIER_BITS_LEAVES);
    }
    if (layout == ESPALIER_FILE_BITS && shape->columns_byte > BYTE_COLUMNS) {
        return refuse(work, name, "columns of at most 255 cuts", shape->columns_byte, BYTE_COLUMNS);
    }
    if (!fits_columns(shape)) {
        return refuse(work, name, "columns of at most 65,535 cuts", shape->columns_short,
                      SHORT_COLUMNS);
    }
    if (!fits_cuts(shape)) {
        return refuse(work, name, "cuts in one column", shape->cuts_max, ESPALIER_LIMIT_CUTS);
    }
    return ESPALIER_OK;
}

/* ---- what is needed for the choice ---- */

static bool may_be_mask(const forest_shape *shape)
{
    return shape->decisions > 0 &&
           (shape->depth_max <= ESPALIER_HEAP_LEVELS || shape->leaf_max <= ESPALIER_SELECT_LEAVES);
}

/* Cuts are sorted only for codes: of a float64 trainer, or where a mask may come of it. */
static espalier_status collect_cuts(espalier_flattening *work, uint32_t asked, forest_shape *shape)
{
    const bool wide = work->forest->input == ESPALIER_FOREST_INPUT_FLOAT64;
    const bool mask = asked != ESPALIER_LAYOUT_WALK && !shape->has_sets && may_be_mask(shape);
    if (!wide && !mask) {
        return ESPALIER_OK;
    }
    if (espalier_columns_collect(&work->columns) != ESPALIER_OK) {
        return espalier_flatten_fail_memory(work, "cuts");
    }
    shape->columns_byte = espalier_columns_count(&work->columns, BYTE_CODE_MAX);
    shape->columns_short = espalier_columns_count(&work->columns, SHORT_CODE_MAX);
    shape->cuts_max = espalier_columns_cuts_max(&work->columns);
    shape->cuts = espalier_columns_count(&work->columns, 1);
    shape->features = espalier_columns_features(&work->columns);
    return ESPALIER_OK;
}

/* ---- telling ---- */

static void explain_walk(espalier_flattening *work, uint32_t asked, const forest_shape *shape)
{
    espalier_flat *const flat = work->flat;
    if (asked == ESPALIER_LAYOUT_WALK) {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk, as asked for: serves trees of any depth and width");
    } else if (shape->decisions == 0) {
        (void)snprintf(flat->why, sizeof flat->why, "walk: no tree decides anything");
    } else if (shape->has_sets) {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk: splits on categories, %u words of sets a row",
                       (unsigned)work->columns.sets.column_count);
    } else if (!may_be_mask(shape)) {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk: trees of up to %u levels and %llu leaves; masks hold %u or %u",
                       (unsigned)shape->depth_max, (unsigned long long)shape->leaf_max,
                       ESPALIER_HEAP_LEVELS, ESPALIER_SELECT_LEAVES);
    } else if (!fits_columns(shape)) {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk: %llu columns of two-byte codes; masks hold %u",
                       (unsigned long long)shape->columns_short, SHORT_COLUMNS);
    } else if (!fits_cuts(shape)) {
        (void)snprintf(flat->why, sizeof flat->why, "walk: %u cuts in one column; masks hold %u",
                       (unsigned)shape->cuts_max, ESPALIER_LIMIT_CUTS);
    } else if (choose_mask(shape) == ESPALIER_FILE_HEAP && walks_sooner(work->forest, shape)) {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk: up to %u levels, thresholds mostly asked for once; see --layout mask",
                       (unsigned)shape->depth_max);
    } else {
        (void)snprintf(flat->why, sizeof flat->why,
                       "walk: leaves of %u values take less room where they are shared",
                       (unsigned)shape->leaf_width);
    }
}

static void explain_mask(espalier_flattening *work, uint32_t asked, const forest_shape *shape)
{
    espalier_flat *const flat = work->flat;
    const bool heap = work->form.layout == ESPALIER_FILE_HEAP;
    (void)snprintf(flat->why, sizeof flat->why, "mask, %s%s: at most %llu %s, %u %s columns",
                   heap ? "complete trees" : "trees of any shape",
                   asked != ESPALIER_LAYOUT_ANY ? ", as asked for" : "",
                   (unsigned long long)(heap ? shape->depth_max : shape->leaf_max),
                   heap ? "levels" : "leaves", (unsigned)work->columns.column_count,
                   work->form.bank == ESPALIER_BANK_BYTE ? "byte" : "two-byte");
}

/* ---- choosing ---- */

/* Features are compared as they are where float32 can hold them, else their ranks. */
static espalier_status take_walk(espalier_flattening *work, const forest_shape *shape)
{
    const bool wide = work->forest->input == ESPALIER_FOREST_INPUT_FLOAT64;
    if (wide && !fits_cuts(shape)) {
        return espalier_flatten_fail_limit(work, "cuts in one column", shape->cuts_max,
                                           ESPALIER_LIMIT_CUTS);
    }
    espalier_columns_place(&work->columns, ESPALIER_BANK_WORD, wide ? ESPALIER_LIMIT_CUTS : 0);
    work->form.bank = work->columns.bank;
    work->flat->layout = "walk";
    return ESPALIER_OK;
}

static void take_mask(espalier_flattening *work, const forest_shape *shape)
{
    espalier_file_part *const part = &work->form;
    const bool heap = part->layout == ESPALIER_FILE_HEAP;
    const bool byte = shape->columns_byte <= BYTE_COLUMNS;
    espalier_columns_place(&work->columns, byte ? ESPALIER_BANK_BYTE : ESPALIER_BANK_SHORT,
                           byte ? BYTE_CODE_MAX : SHORT_CODE_MAX);
    part->bank = work->columns.bank;
    const bool bits = part->layout == ESPALIER_FILE_BITS;
    const uint32_t heap_bytes = byte ? 2 : 4;
    part->node_bytes = heap   ? heap_bytes
                       : bits ? ESPALIER_BITS_NODE_BYTES
                              : sizeof(espalier_file_node_select);
    work->flat->layout = heap ? "heap" : bits ? "bits" : "select";
}

espalier_status espalier_flatten_choose(espalier_flattening *work, uint32_t asked)
{
    espalier_file_part *const part = &work->form;
    forest_shape shape = measure_shape(work->forest);
    espalier_status status = collect_cuts(work, asked, &shape);
    if (status != ESPALIER_OK) {
        return status;
    }
    part->layout = asked == ESPALIER_LAYOUT_ANY    ? choose_layout(work->forest, &shape)
                   : asked == ESPALIER_LAYOUT_MASK ? choose_mask(&shape)
                                                   : asked;
    if (asked != ESPALIER_LAYOUT_ANY) {
        status = check_asked(work, part->layout, &shape);
    }
    if (status == ESPALIER_OK && part->layout == ESPALIER_FILE_WALK) {
        status = take_walk(work, &shape);
        explain_walk(work, asked, &shape);
    } else if (status == ESPALIER_OK) {
        take_mask(work, &shape);
        explain_mask(work, asked, &shape);
    }
    return status;
}
