// SPDX-License-Identifier: Apache-2.0
/*
 * See columns.h. Rows need not be aligned, so elements are copied out; compilers make loads of
 * that.
 */
#include "engine/columns.h"

#include "engine/cuts.h"
#include "engine/quads.h"
#include "engine/rest.h"
#include "engine/stages.h"
#include "format/word.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Values looked at together while a row is checked. */
#define CHECK_VALUES 64u

/* The caller's rows in bytes. */
typedef struct row_view {
    const uint8_t *data;
    ptrdiff_t row_step;
    ptrdiff_t feature_step; /* a single feature's stride is never used and may be anything: 0 */
    bool is_float32;
} row_view;

static row_view view_of(const espalier_rows *rows)
{
    const bool is_float32 = rows->dtype == ESPALIER_DTYPE_FLOAT32;
    const ptrdiff_t bytes = is_float32 ? (ptrdiff_t)sizeof(float) : (ptrdiff_t)sizeof(double);
    return (row_view){rows->data, rows->row_count > 1 ? rows->row_stride * bytes : 0,
                      rows->feature_count > 1 ? rows->feature_stride * bytes : 0, is_float32};
}

static inline void rank_row_of_float32(const espalier_ranker *ranker,
                                       const espalier_cut_list *lists, const float *values,
                                       uint32_t count, uint32_t *ranks)
{
    ranker->rank_row_float32(lists, values, count, ranks);
}

static inline void rank_row_of_float64(const espalier_ranker *ranker,
                                       const espalier_cut_list *lists, const double *values,
                                       uint32_t count, uint32_t *ranks)
{
    ranker->rank_row_float64(lists, values, count, ranks);
}

static inline void rank_block_of_float32(const espalier_ranker *ranker,
                                         const espalier_cut_list *list, const float *values,
                                         uint32_t count, uint32_t *ranks)
{
    ranker->rank_block_float32(list, values, count, ranks);
}

static inline void rank_block_of_float64(const espalier_ranker *ranker,
                                         const espalier_cut_list *list, const double *values,
                                         uint32_t count, uint32_t *ranks)
{
    ranker->rank_block_float64(list, values, count, ranks);
}

#define RANK_ROW     rank_row_of
#define RANK_BLOCK   rank_block_of
#define JOIN(a, b)   a##_##b
#define PASTE(a, b)  JOIN(a, b)
#define VALUE        float
#define NAME(suffix) PASTE(suffix, float32)
#include "engine/columns_values.inc"
#undef VALUE
#undef NAME
#define VALUE        double
#define NAME(suffix) PASTE(suffix, float64)
#include "engine/columns_values.inc"
#undef VALUE
#undef NAME

/* ---- refusals ---- */

static bool values_are_taken(const espalier_coder *coder, const row_view *view, const uint8_t *data,
                             ptrdiff_t step, size_t count)
{
    return coder->is_float32 ? values_are_taken_float32(coder, data, step, view->is_float32, count)
                             : values_are_taken_float64(coder, data, step, view->is_float32, count);
}

/* Feature by feature, where the values of one lie closer together than those of a row. */
static bool tile_is_taken(const espalier_coder *coder, const row_view *view, size_t first,
                          size_t count, size_t feature_count)
{
    const uint8_t *const data = view->data + (ptrdiff_t)first * view->row_step;
    bool taken = true;
    for (size_t f = 0; f < feature_count; f++) {
        const uint8_t *const feature = data + (ptrdiff_t)f * view->feature_step;
        taken = taken && values_are_taken(coder, view, feature, view->row_step, count);
    }
    return taken;
}

static bool is_column_major(const row_view *view)
{
    return labs((long)view->row_step) < labs((long)view->feature_step);
}

size_t espalier_coder_check(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                            size_t count, espalier_refusal *refusal_out)
{
    if (!coder->missing_refused && isinf(coder->range)) {
        return count;
    }
    const row_view view = view_of(rows);
    const size_t feature_count = rows->feature_count;
    for (size_t r = 0; r < count; r++) {
        const size_t left = count - r;
        const size_t tile = left < ESPALIER_GROUP_ROWS ? left : ESPALIER_GROUP_ROWS;
        if (r % ESPALIER_GROUP_ROWS == 0 && tile > 1 && is_column_major(&view) &&
            tile_is_taken(coder, &view, first + r, tile, feature_count)) {
            r += tile - 1;
            continue;
        }
        const uint8_t *const row = view.data + (ptrdiff_t)(first + r) * view.row_step;
        if (values_are_taken(coder, &view, row, view.feature_step, feature_count)) {
            continue;
        }
        if (coder->is_float32
                ? find_refusal_float32(coder, &view, row, feature_count, refusal_out)
                : find_refusal_float64(coder, &view, row, feature_count, refusal_out)) {
            refusal_out->row = first + r;
            return r;
        }
    }
    return count;
}

/* ---- FEATURE columns ---- */

static void make_words(const float *restrict values, uint32_t count, uint32_t *restrict words)
{
    for (uint32_t i = 0; i < count; i++) {
        words[i] = espalier_word_of(values[i]);
    }
}

/* One row's words as pairs; false, and nothing that counts, if there is a NaN. */
static bool fill_pairs(const espalier_coder *coder, const row_view *view, const uint8_t *row,
                       uint32_t *words)
{
    const espalier_gather *const pairs = &coder->pairs;
    float *const values = coder->values;
    words[0] = 0;
    if (pairs->count == 0) {
        return true;
    }
    gather_row_float32(view, row, pairs, values);
    if (coder->marks_missing) {
        mark_missing_float32((float)coder->missing_number, values, pairs->count);
    }
    if (any_nan_float32(values, pairs->count)) {
        return false;
    }
    if (pairs->always_odd) {
        settle_row_float32(pairs, (float)coder->flush_bound, values);
    }
    make_words(values, pairs->count, words + 1);
    return true;
}

/* One row's words. */
static void fill_words(const espalier_coder *coder, const row_view *view, const uint8_t *row,
                       uint32_t *words)
{
    const espalier_gather *const features = &coder->features;
    float *const values = coder->values;
    memset(words, 0, coder->leaf_columns * sizeof *words);
    if (features->count == 0) {
        return;
    }
    gather_row_float32(view, row, features, values);
    if (coder->marks_missing) {
        mark_missing_float32((float)coder->missing_number, values, features->count);
    }
    if (features->always_odd || any_nan_float32(values, features->count)) {
        settle_row_float32(features, (float)coder->flush_bound, values);
    }
    if (!coder->features_scattered) {
        make_words(values, features->count, words + coder->feature_columns[0]);
        return;
    }
    for (uint32_t i = 0; i < features->count; i++) {
        words[coder->feature_columns[i]] = espalier_word_of(values[i]);
    }
}

/* The first cell of a row of a block that has so many cells to a row. */
static inline uint32_t *flight_cell(uint32_t *cells, size_t stride, size_t row)
{
    const size_t lane = row % ESPALIER_FLIGHT_ROWS;
    return cells + (row - lane) * stride + lane;
}

/* A row of a block, by way of a row of its own. False: there is a NaN, so no pairs. */
static bool fill_words_of_row(const espalier_coder *coder, const row_view *view,
                              const uint8_t *data, size_t row, bool paired,
                              const espalier_cells *cells)
{
    uint32_t *const own = coder->row_words;
    if (paired) {
        if (!fill_pairs(coder, view, data, own)) {
            return false;
        }
        uint32_t *const to = flight_cell(cells->pairs, cells->pair_stride, row);
        for (uint32_t i = 0; i <= coder->pairs.count; i++) {
            to[(size_t)i * ESPALIER_FLIGHT_ROWS] = own[i];
        }
        return true;
    }
    uint32_t *const to = flight_cell(cells->words, cells->word_stride, row);
    fill_words(coder, view, data, own);
    for (uint32_t i = 0; i < coder->leaf_columns; i++) {
        to[(size_t)i * ESPALIER_FLIGHT_ROWS] = 0;
    }
    for (uint32_t i = 0; i < coder->features.count; i++) {
        const size_t column = coder->feature_columns[i];
        to[column * ESPALIER_FLIGHT_ROWS] = own[column];
    }
    return true;
}

/* Whether rows can be taken four at a time: float32 values side by side whose words are, too. */
static bool rows_go_by_four(const espalier_coder *coder, const row_view *view,
                            const espalier_gather *gather, bool paired)
{
    return view->is_float32 && view->feature_step == (ptrdiff_t)sizeof(float) && gather->in_order &&
           gather->count >= ESPALIER_QUAD && !gather->always_odd && !coder->marks_missing &&
           (paired || !coder->features_scattered);
}

/* Rows [row, row + 4) of a block, of which the first is at `data`. False: there is a NaN, and what
 * was written does not count. */
static bool fill_words_of_four(const espalier_coder *coder, const row_view *view,
                               const uint8_t *data, size_t row, bool paired,
                               const espalier_cells *cells)
{
    const espalier_gather *const gather = paired ? &coder->pairs : &coder->features;
    const uint32_t first = paired ? 1 : coder->feature_columns[0];
    uint32_t *const to = paired ? flight_cell(cells->pairs, cells->pair_stride, row)
                                : flight_cell(cells->words, cells->word_stride, row);
    for (size_t i = 0; i < (paired ? 1 : coder->leaf_columns); i++) {
        memset(to + i * ESPALIER_FLIGHT_ROWS, 0, ESPALIER_QUAD * sizeof *to);
    }
    return espalier_quads_fill(data + gather->features[0] * sizeof(float), view->row_step,
                               gather->count, to + (size_t)first * ESPALIER_FLIGHT_ROWS,
                               ESPALIER_FLIGHT_ROWS);
}

/* Puts one column's words of rows [first, first + count) of a block in their places. */
static void put_column(uint32_t *cells, size_t stride, size_t column, size_t first, uint32_t count,
                       const uint32_t *words)
{
    for (uint32_t r = 0; r < count; r++) {
        flight_cell(cells, stride, first + r)[column * ESPALIER_FLIGHT_ROWS] = words[r];
    }
}

/* The words of a group of column-major rows, from row `to` of the block on: one feature after the
 * other. False: there is a NaN, so no pairs. */
static bool fill_words_by_column(const espalier_coder *coder, const row_view *view, size_t first,
                                 uint32_t count, bool paired, const espalier_cells *cells,
                                 size_t to)
{
    const espalier_gather *const features = paired ? &coder->pairs : &coder->features;
    const uint8_t *const data = view->data + (ptrdiff_t)first * view->row_step;
    uint32_t *const to_cells = paired ? cells->pairs : cells->words;
    const size_t stride = paired ? cells->pair_stride : cells->word_stride;
    float values[ESPALIER_GROUP_ROWS];
    uint32_t words[ESPALIER_GROUP_ROWS] = {0};
    for (uint32_t i = 0; i < (paired ? 1 : coder->leaf_columns); i++) {
        put_column(to_cells, stride, i, to, count, words);
    }
    for (uint32_t i = 0; i < features->count; i++) {
        load_values_float32(data + (ptrdiff_t)features->features[i] * view->feature_step,
                            view->row_step, view->is_float32, count, values);
        if (coder->marks_missing) {
            mark_missing_float32((float)coder->missing_number, values, count);
        }
        const bool odd = any_nan_float32(values, count);
        if (paired && odd) {
            return false;
        }
        if (features->always_odd || odd) {
            settle_values_float32(features, i, (float)coder->flush_bound, values, count);
        }
        make_words(values, count, words);
        put_column(to_cells, stride, paired ? i + 1 : coder->feature_columns[i], to, count, words);
    }
    return true;
}

/* The FEATURE columns of a block's rows. False: there is a NaN, so no pairs. */
static bool fill_features(const espalier_coder *coder, const row_view *view, size_t first,
                          size_t count, bool paired, const espalier_cells *cells)
{
    const bool by_column = is_column_major(view);
    const bool by_four =
        rows_go_by_four(coder, view, paired ? &coder->pairs : &coder->features, paired);
    for (size_t done = 0; done < count; done += ESPALIER_GROUP_ROWS) {
        const size_t left = count - done;
        const uint32_t some = left < ESPALIER_GROUP_ROWS ? (uint32_t)left : ESPALIER_GROUP_ROWS;
        if (by_column &&
            !fill_words_by_column(coder, view, first + done, some, paired, cells, done)) {
            return false;
        }
        for (uint32_t r = 0; !by_column && r < some; r++) {
            const uint8_t *const row = view->data + (ptrdiff_t)(first + done + r) * view->row_step;
            if (by_four && r % ESPALIER_QUAD == 0 && r + ESPALIER_QUAD <= some &&
                fill_words_of_four(coder, view, row, done + r, paired, cells)) {
                r += ESPALIER_QUAD - 1;
                continue;
            }
            if (!fill_words_of_row(coder, view, row, done + r, paired, cells)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- CODE columns ---- */

static inline uint32_t segment_code(uint32_t rank, uint32_t base, uint32_t code_max)
{
    const uint32_t above = rank > base ? rank - base : 0;
    return above < code_max ? above : code_max;
}

/* The codes of a row; left: the ranks of twins. */
static void emit_row_bytes(const espalier_coder *coder, const uint32_t *left,
                           const espalier_cells *cells)
{
    const uint32_t first = coder->list_firsts[ESPALIER_BANK_BYTE];
    const uint32_t end = coder->list_firsts[ESPALIER_BANK_BYTE + 1];
    const uint32_t *const ranks = coder->ranks;
    uint8_t *restrict const bytes = cells->bytes;
    if (coder->whole[ESPALIER_BANK_BYTE]) {
        for (uint32_t i = 0; i < end - first; i++) {
            bytes[i] = (uint8_t)ranks[first + i];
        }
        return;
    }
    if (coder->twins[ESPALIER_BANK_BYTE]) {
        for (uint32_t i = 0; i < end - first; i++) {
            bytes[2 * (size_t)i] = (uint8_t)ranks[first + i];
            bytes[2 * (size_t)i + 1] = (uint8_t)left[first + i];
        }
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        const espalier_column_list *const list = &coder->list_facts[i];
        uint8_t *const own = bytes + list->first_column;
        for (uint32_t s = 0; s < list->segment_count; s++) {
            own[s] = (uint8_t)segment_code(ranks[i], s * UINT8_MAX, UINT8_MAX);
        }
        for (uint32_t s = 0; s < list->twin_count; s++) {
            own[list->segment_count + s] = (uint8_t)segment_code(left[i], s * UINT8_MAX, UINT8_MAX);
        }
    }
}

static void emit_row_shorts(const espalier_coder *coder, const uint32_t *left,
                            const espalier_cells *cells)
{
    const uint32_t first = coder->list_firsts[ESPALIER_BANK_SHORT];
    const uint32_t end = coder->list_firsts[ESPALIER_BANK_SHORT + 1];
    const uint32_t *const ranks = coder->ranks;
    uint16_t *restrict const shorts = cells->shorts;
    if (coder->whole[ESPALIER_BANK_SHORT]) {
        for (uint32_t i = 0; i < end - first; i++) {
            shorts[i] = (uint16_t)ranks[first + i];
        }
        return;
    }
    if (coder->twins[ESPALIER_BANK_SHORT]) {
        for (uint32_t i = 0; i < end - first; i++) {
            shorts[2 * (size_t)i] = (uint16_t)ranks[first + i];
            shorts[2 * (size_t)i + 1] = (uint16_t)left[first + i];
        }
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        const espalier_column_list *const list = &coder->list_facts[i];
        uint16_t *const own = shorts + list->first_column;
        for (uint32_t s = 0; s < list->segment_count; s++) {
            own[s] = (uint16_t)segment_code(ranks[i], s * UINT16_MAX, UINT16_MAX);
        }
        for (uint32_t s = 0; s < list->twin_count; s++) {
            own[list->segment_count + s] =
                (uint16_t)segment_code(left[i], s * UINT16_MAX, UINT16_MAX);
        }
    }
}

/* All of a group, also behind the last row: a fixed count is a few vectors. */
static void emit_group_bytes(const espalier_column_list *list, const uint32_t *ranks, uint32_t base,
                             uint8_t *restrict codes)
{
    if (list->whole) {
        for (uint32_t r = 0; r < ESPALIER_GROUP_ROWS; r++) {
            codes[r] = (uint8_t)ranks[r];
        }
        return;
    }
    for (uint32_t r = 0; r < ESPALIER_GROUP_ROWS; r++) {
        codes[r] = (uint8_t)segment_code(ranks[r], base, UINT8_MAX);
    }
}

static void emit_group_shorts(const espalier_column_list *list, const uint32_t *ranks,
                              uint32_t base, uint16_t *restrict codes)
{
    if (list->whole) {
        for (uint32_t r = 0; r < ESPALIER_GROUP_ROWS; r++) {
            codes[r] = (uint16_t)ranks[r];
        }
        return;
    }
    for (uint32_t r = 0; r < ESPALIER_GROUP_ROWS; r++) {
        codes[r] = (uint16_t)segment_code(ranks[r], base, UINT16_MAX);
    }
}

/* ---- SET columns ---- */

/* The words of a rank, which is at most cut_count + 1: the row of a missing value. */
static inline const uint8_t *set_row(const espalier_column_list *list, uint32_t rank)
{
    return list->matrix + (size_t)rank * list->segment_count * sizeof(uint32_t);
}

/* A group's words in their places. */
static void emit_group_sets(const espalier_column_list *list, const uint32_t *ranks, size_t first,
                            uint32_t count, const espalier_cells *cells)
{
    for (uint32_t r = 0; r < count; r++) {
        const uint8_t *const row = set_row(list, ranks[r]);
        uint32_t *const to = flight_cell(cells->words, cells->word_stride, first + r) +
                             (size_t)list->first_column * ESPALIER_FLIGHT_ROWS;
        for (size_t word = 0; word < list->segment_count; word++) {
            memcpy(to + word * ESPALIER_FLIGHT_ROWS, row + word * sizeof *to, sizeof *to);
        }
    }
}

/* Lists of bank WORD, of one row: ranks, or the words of sets; left: the ranks of twins. */
static void emit_row_words(const espalier_coder *coder, const uint32_t *left,
                           const espalier_cells *cells)
{
    for (uint32_t i = 0; i < coder->list_firsts[ESPALIER_BANK_BYTE]; i++) {
        const espalier_column_list *const list = &coder->list_facts[i];
        if (list->matrix != NULL) {
            memcpy(cells->words + list->first_column, set_row(list, coder->ranks[i]),
                   list->segment_count * sizeof *cells->words);
            continue;
        }
        cells->words[list->first_column] = coder->ranks[i];
        if (list->twin_count != 0) {
            cells->words[list->first_column + 1] = left[i];
        }
    }
}

/* The ranks of a group of rows among a list become codes or cells: `segments` columns from `first`
 * on. */
static void emit_group(const espalier_coder *coder, const espalier_column_list *list,
                       uint32_t first, uint32_t segments, size_t group, uint32_t count,
                       const espalier_cells *cells)
{
    const uint32_t *const ranks = coder->ranks;
    if (list->matrix != NULL) {
        emit_group_sets(list, ranks, group * ESPALIER_GROUP_ROWS, count, cells);
        return;
    }
    if (list->bank == ESPALIER_BANK_WORD) {
        put_column(cells->words, cells->word_stride, first, group * ESPALIER_GROUP_ROWS, count,
                   ranks);
        return;
    }
    for (uint32_t s = 0; s < segments; s++) {
        const size_t column = first + s;
        if (list->bank == ESPALIER_BANK_BYTE) {
            emit_group_bytes(list, ranks, s * UINT8_MAX,
                             cells->bytes +
                                 (group * cells->byte_columns + column) * ESPALIER_GROUP_ROWS);
        } else {
            emit_group_shorts(list, ranks, s * UINT16_MAX,
                              cells->shorts +
                                  (group * cells->short_columns + column) * ESPALIER_GROUP_ROWS);
        }
    }
}

/* ---- filling ---- */

bool espalier_coder_fill_row(const espalier_coder *coder, const espalier_rows *rows, size_t row,
                             const espalier_cells *cells)
{
    const row_view view = view_of(rows);
    const uint8_t *const data = view.data + (ptrdiff_t)row * view.row_step;
    const bool paired =
        cells->pairs != NULL && coder->paired && fill_pairs(coder, &view, data, cells->pairs);
    if (cells->words != NULL && !paired) {
        fill_words(coder, &view, data, cells->words);
    }
    if (coder->rest != NULL) {
        espalier_rest_fill_row(coder->rest, rows, row, cells);
    }
    if (coder->lists.count == 0) {
        return paired;
    }
    const uint32_t *const left = coder->is_float32 ? rank_row_float32(coder, &view, data)
                                                   : rank_row_float64(coder, &view, data);
    if (cells->words != NULL) {
        emit_row_words(coder, left, cells);
    }
    if (cells->bytes != NULL) {
        emit_row_bytes(coder, left, cells);
    }
    if (cells->shorts != NULL) {
        emit_row_shorts(coder, left, cells);
    }
    return paired;
}

bool espalier_coder_fill_block(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                               size_t count, const espalier_cells *cells)
{
    const row_view view = view_of(rows);
    const bool paired = cells->pairs != NULL && coder->paired &&
                        fill_features(coder, &view, first, count, true, cells);
    if (cells->words != NULL && !paired) {
        (void)fill_features(coder, &view, first, count, false, cells);
    }
    if (coder->rest != NULL) {
        espalier_rest_fill_block(coder->rest, rows, first, count, cells);
    }
    for (size_t done = 0; done < count && coder->lists.count > 0; done += ESPALIER_GROUP_ROWS) {
        const size_t left = count - done;
        const uint32_t some = left < ESPALIER_GROUP_ROWS ? (uint32_t)left : ESPALIER_GROUP_ROWS;
        for (uint32_t i = 0; i < coder->lists.count; i++) {
            const size_t group = done / ESPALIER_GROUP_ROWS;
            const espalier_column_list *const list = &coder->list_facts[i];
            const bool odd = coder->is_float32
                                 ? rank_group_float32(coder, &view, first + done, some, i)
                                 : rank_group_float64(coder, &view, first + done, some, i);
            emit_group(coder, list, list->first_column, list->segment_count, group, some, cells);
            for (uint32_t r = 0; odd && r < some; r++) {
                coder->ranks[r] = coder->left_ranks[r];
            }
            if (list->twin_count != 0) {
                emit_group(coder, list, list->first_column + list->segment_count, list->twin_count,
                           group, some, cells);
            }
        }
    }
    return paired;
}

/* ---- stages VALUES ---- */

/* What a stage of values makes of them. */
enum {
    VALUE_ROUNDS = 1, /* to float32 */
    VALUE_FLUSHES = 2
};

static double rule_value(uint8_t rule, double value)
{
    value = (rule & VALUE_ROUNDS) != 0 ? (double)(float)value : value;
    return (rule & VALUE_FLUSHES) != 0 && fabs(value) <= (double)ESPALIER_TINY ? 0.0 : value;
}

/* A value as nodes would compare it; what is missing is one and the same NaN. */
static double slot_value(const espalier_coder *coder, const uint8_t *element, bool is_float32)
{
    double value;
    if (coder->is_float32) {
        value =
            (double)(is_float32 ? load_float32_float32(element) : load_float64_float32(element));
    } else {
        value = is_float32 ? load_float32_float64(element) : load_float64_float64(element);
    }
    if (isnan(value) || (coder->marks_missing && value == coder->missing_number)) {
        return (double)NAN;
    }
    return fabs(value) <= coder->flush_bound ? 0.0 : value;
}

void espalier_coder_fill_slots(const espalier_coder *coder, const espalier_rows *rows, size_t first,
                               size_t count, double *slots)
{
    const row_view view = view_of(rows);
    const size_t stride = coder->model->head->slot_count;
    for (uint32_t i = 0; i < coder->slot_value_count; i++) {
        const uint8_t *const data = view.data + (ptrdiff_t)first * view.row_step +
                                    (ptrdiff_t)coder->slot_features[i] * view.feature_step;
        double *const own = slots + coder->value_slots[i];
        for (size_t r = 0; r < count; r++) {
            own[r * stride] =
                rule_value(coder->value_rules[i],
                           slot_value(coder, data + (ptrdiff_t)r * view.row_step, view.is_float32));
        }
    }
}

/* ---- making a program ---- */

/* Room for `count` items and at least one, zeroed. */
static void *take_memory(espalier_coder *coder, size_t count, size_t item_bytes)
{
    const size_t room = count > 0 ? count : 1;
    coder->memory_bytes += (uint64_t)room * item_bytes;
    return calloc(room, item_bytes);
}

static bool gather_init(espalier_coder *coder, espalier_gather *gather, uint32_t count)
{
    gather->features = take_memory(coder, count, sizeof *gather->features);
    gather->bounds = take_memory(coder, count, sizeof *gather->bounds);
    gather->missings = take_memory(coder, count, sizeof *gather->missings);
    return gather->features != NULL && gather->bounds != NULL && gather->missings != NULL;
}

static void gather_free(espalier_gather *gather)
{
    free(gather->features);
    free(gather->bounds);
    free(gather->missings);
}

/* Adds what a column asks of its feature. A rank is fixed after the search: there it stays NaN. */
static void gather_add(const espalier_coder *coder, espalier_gather *gather,
                       const espalier_file_column *column)
{
    const uint32_t i = gather->count++;
    const bool is_code = column->kind != ESPALIER_COLUMN_FEATURE;
    const bool with_zero = column->missing == ESPALIER_MISSING_ZERO_RIGHT ||
                           column->missing == ESPALIER_MISSING_ZERO_LEFT;
    const bool left =
        column->missing == ESPALIER_MISSING_LEFT || column->missing == ESPALIER_MISSING_ZERO_LEFT;
    gather->features[i] = coder->places != NULL ? coder->places[column->feature] : column->feature;
    gather->bounds[i] = with_zero ? (double)ESPALIER_TINY : -1.0;
    gather->missings[i] = column->missing == ESPALIER_MISSING_AS_ZERO ? 0.0
                          : left && !is_code                          ? (double)-INFINITY
                                                                      : NAN;
    gather->in_order =
        i == 0 || (gather->in_order && gather->features[i] == gather->features[i - 1] + 1);
    gather->always_odd = gather->always_odd || with_zero;
}

/* Whether a column's list is the one before it once more, for NaN left instead of right. */
static bool is_twin(const espalier_coder *coder, const espalier_file_column *column)
{
    const espalier_model *const model = coder->model;
    if (coder->lists.count == coder->list_firsts[column->bank]) {
        return false;
    }
    const espalier_column_list *const before = &coder->list_facts[coder->lists.count - 1];
    const espalier_file_column *const other =
        &model->columns[model->banks[column->bank].first + before->first_column];
    return before->twin_count == 0 && other + before->segment_count == column &&
           other->feature == column->feature && other->first_cut == column->first_cut &&
           other->cut_count == column->cut_count && other->missing == ESPALIER_MISSING_RIGHT &&
           column->missing == ESPALIER_MISSING_LEFT;
}

static void add_list(espalier_coder *coder, uint32_t index)
{
    const espalier_model *const model = coder->model;
    const espalier_file_column *const column = &model->columns[index];
    const uint32_t bank = column->bank;
    if (is_twin(coder, column)) {
        coder->list_facts[coder->lists.count - 1].twin_count = 1;
        coder->whole[bank] = false;
        return;
    }
    const bool left =
        column->missing == ESPALIER_MISSING_LEFT || column->missing == ESPALIER_MISSING_ZERO_LEFT;
    const uint32_t number = coder->lists.count - coder->list_firsts[bank];
    espalier_column_list *const list = &coder->list_facts[coder->lists.count];
    list->bank = bank;
    list->first_column = index - model->banks[bank].first;
    list->segment_count = 1;
    list->missing_rank = left ? 0 : column->cut_count;
    coder->cut_lists[coder->lists.count] = espalier_cut_list_of(model, column);
    list->whole = column->cut_count <= espalier_bank_code_max(bank);
    coder->whole[bank] = coder->whole[bank] && list->whole && list->first_column == number;
    coder->twins[bank] = coder->twins[bank] && list->whole && list->first_column == 2 * number;
    gather_add(coder, &coder->lists, column);
}

/* The list of a feature's sets, whose matrix begins at *offset. A missing value has a row. */
static void add_set_list(espalier_coder *coder, uint32_t index, uint64_t *offset)
{
    const espalier_model *const model = coder->model;
    const espalier_file_column *const column = &model->columns[index];
    const uint32_t end = model->banks[ESPALIER_BANK_WORD].count;
    espalier_column_list *const list = &coder->list_facts[coder->lists.count];
    add_list(coder, index);
    while (index + list->segment_count < end &&
           model->columns[index + list->segment_count].segment == list->segment_count) {
        list->segment_count++;
    }
    list->missing_rank = column->cut_count + 1;
    list->matrix = model->sets + *offset;
    *offset += espalier_set_bytes(column->cut_count, list->segment_count);
}

/* Whether the column is none of the coder's. */
static bool is_left_out(const espalier_coder *coder, const espalier_file_column *column)
{
    return coder->resting != NULL && column->kind != ESPALIER_COLUMN_LEAF &&
           coder->resting[column->feature] != 0;
}

/* Sorts the model's columns into features and lists; they come sorted by bank. */
static void add_columns(espalier_coder *coder)
{
    const espalier_model *const model = coder->model;
    uint64_t sets_offset = 0;
    for (uint32_t bank = ESPALIER_BANK_WORD; bank <= ESPALIER_BANK_SHORT; bank++) {
        const uint32_t first = model->banks[bank].first;
        coder->list_firsts[bank] = coder->lists.count;
        coder->whole[bank] = true;
        coder->twins[bank] = true;
        for (uint32_t i = first; i < first + model->banks[bank].count; i++) {
            const espalier_file_column *const column = &model->columns[i];
            if (is_left_out(coder, column)) {
                coder->twins[bank] = false;
                continue;
            }
            if (column->kind == ESPALIER_COLUMN_FEATURE) {
                const uint32_t count = coder->features.count;
                coder->feature_columns[count] = i;
                coder->features_scattered =
                    coder->features_scattered || i != coder->feature_columns[0] + count;
                gather_add(coder, &coder->features, column);
                if (count % 2 == 0) {
                    gather_add(coder, &coder->pairs, column);
                }
            } else if (column->kind == ESPALIER_COLUMN_CODE && column->segment == 0) {
                add_list(coder, i);
            } else if (column->kind == ESPALIER_COLUMN_SET && column->segment == 0) {
                add_set_list(coder, i, &sets_offset);
            } else if (column->kind == ESPALIER_COLUMN_CODE) {
                espalier_column_list *const list = &coder->list_facts[coder->lists.count - 1];
                list->segment_count += list->twin_count == 0;
                list->twin_count += list->twin_count != 0;
                coder->whole[bank] = false;
                coder->twins[bank] = false;
            }
        }
        const uint32_t own = coder->lists.count - coder->list_firsts[bank];
        coder->twins[bank] = coder->twins[bank] && model->banks[bank].count == 2 * own;
    }
    coder->list_firsts[ESPALIER_BANK_SHORT + 1] = coder->lists.count;
    const espalier_bank *const bank = &model->banks[ESPALIER_BANK_WORD];
    while (coder->leaf_columns < bank->count &&
           model->columns[bank->first + coder->leaf_columns].kind == ESPALIER_COLUMN_LEAF) {
        coder->leaf_columns++;
    }
    coder->paired = bank->count > 0 && bank->paired &&
                    bank->count == coder->leaf_columns + coder->features.count;
}

/* The features of all stages VALUES, and the slots that they go to. */
static bool add_slot_values(espalier_coder *coder)
{
    const espalier_model *const model = coder->model;
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->stage_count; i++) {
        count += espalier_stage_takes_values(&model->stages[i]) ? model->stages[i].slot_count : 0;
    }
    coder->slot_features = take_memory(coder, count, sizeof *coder->slot_features);
    coder->value_slots = take_memory(coder, count, sizeof *coder->value_slots);
    coder->value_rules = take_memory(coder, count, sizeof *coder->value_rules);
    if (coder->slot_features == NULL || coder->value_slots == NULL || coder->value_rules == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        const bool rounds = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
        const bool flushes = stage->operation == ESPALIER_STAGE_FLUSHED_VALUES;
        for (uint32_t k = 0; espalier_stage_takes_values(stage) && k < stage->slot_count; k++) {
            const uint32_t value = (uint32_t)model->constants[stage->table + k];
            const uint32_t at = coder->slot_value_count++;
            coder->slot_features[at] = coder->places != NULL ? coder->places[value] : value;
            coder->value_slots[at] = stage->output_slot + k;
            coder->value_rules[at] =
                (uint8_t)((rounds ? VALUE_ROUNDS : 0) | (flushes ? VALUE_FLUSHES : 0));
        }
    }
    return true;
}

static void set_input_rule(espalier_coder *coder, const espalier_file_model *head)
{
    const uint32_t rule = head->input_rule;
    coder->marks_missing = (rule & ESPALIER_INPUT_MISSING_NUMBER) != 0;
    coder->missing_number = head->missing_number;
    coder->is_float32 = (rule & ESPALIER_INPUT_FLOAT32) != 0;
    coder->missing_refused = (rule & ESPALIER_INPUT_MISSING_ALLOWED) == 0;
    coder->range = (rule & ESPALIER_INPUT_INFINITE_ALLOWED) != 0 ? INFINITY
                   : coder->is_float32                           ? (double)FLT_MAX
                                                                 : DBL_MAX;
    coder->flush_bound = -1.0;
    if ((rule & ESPALIER_INPUT_FLUSH_TINY) != 0) {
        coder->flush_bound = (double)ESPALIER_TINY;
        coder->features.always_odd = true;
        coder->pairs.always_odd = true;
        coder->lists.always_odd = true;
    }
}

espalier_status espalier_coder_create(espalier_coder *coder, const espalier_model *model,
                                      const espalier_ranker *ranker, const uint32_t *places,
                                      const uint8_t *resting, const espalier_rest *rest)
{
    memset(coder, 0, sizeof *coder);
    coder->model = model;
    coder->places = places;
    coder->resting = resting;
    coder->rest = rest;
    coder->ranker = ranker;
    uint32_t feature_count = 0;
    uint32_t list_count = 0;
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        feature_count += column->kind == ESPALIER_COLUMN_FEATURE;
        list_count +=
            (column->kind == ESPALIER_COLUMN_CODE || column->kind == ESPALIER_COLUMN_SET) &&
            column->segment == 0;
    }
    const bool gathers = gather_init(coder, &coder->features, feature_count) &&
                         gather_init(coder, &coder->pairs, feature_count / 2 + 1) &&
                         gather_init(coder, &coder->lists, list_count);
    const uint32_t most = list_count > feature_count ? list_count : feature_count;
    const size_t room = most > ESPALIER_GROUP_ROWS ? most : ESPALIER_GROUP_ROWS;
    const size_t cells = model->banks[ESPALIER_BANK_WORD].count;
    coder->feature_columns = take_memory(coder, feature_count, sizeof *coder->feature_columns);
    coder->list_facts = take_memory(coder, list_count, sizeof *coder->list_facts);
    coder->cut_lists = take_memory(coder, list_count, sizeof *coder->cut_lists);
    coder->values = take_memory(coder, room, sizeof(double));
    coder->ranks = take_memory(coder, room, sizeof *coder->ranks);
    coder->left_ranks = take_memory(coder, room, sizeof *coder->left_ranks);
    coder->row_words = take_memory(coder, cells, sizeof *coder->row_words);
    if (!gathers || coder->feature_columns == NULL || coder->list_facts == NULL ||
        coder->cut_lists == NULL || coder->values == NULL || coder->ranks == NULL ||
        coder->left_ranks == NULL || coder->row_words == NULL || !add_slot_values(coder)) {
        return ESPALIER_ERROR_MEMORY;
    }
    set_input_rule(coder, model->head);
    add_columns(coder);
    return ESPALIER_OK;
}

void espalier_coder_free(espalier_coder *coder)
{
    gather_free(&coder->features);
    gather_free(&coder->pairs);
    gather_free(&coder->lists);
    free(coder->slot_features);
    free(coder->value_slots);
    free(coder->value_rules);
    free(coder->feature_columns);
    free(coder->list_facts);
    free(coder->cut_lists);
    free(coder->values);
    free(coder->ranks);
    free(coder->left_ranks);
    free(coder->row_words);
    memset(coder, 0, sizeof *coder);
}
