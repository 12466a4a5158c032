// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of cuts (docs/format.md, "CUTS"): how long one is, where its levels lie, and single cuts.
 */
#ifndef ESPALIER_ENGINE_CUTS_H
#define ESPALIER_ENGINE_CUTS_H

#include "engine/kernels/kernel.h"
#include "engine/model.h"
#include "format/layout.h"

#include <stdint.h>
#include <string.h>

/* The levels of a list, the one-block level first. */
typedef struct espalier_cut_shape {
    uint64_t offsets[ESPALIER_CUT_LEVELS_MAX]; /* bytes from the list's start */
    uint32_t blocks[ESPALIER_CUT_LEVELS_MAX];
    uint32_t level_count;
    uint64_t bytes; /* of the whole list, a multiple of 64 */
} espalier_cut_shape;

/* The bytes of a cut: 4 where the model compares float32, else 8. */
uint32_t espalier_cut_bytes(const espalier_model *model);

/* The bytes of a whole list, which is all that open asks for; cut_count as below. */
uint64_t espalier_cut_list_bytes(uint32_t cut_count, uint32_t item_bytes);

/* cut_count: 1 to ESPALIER_LIMIT_CUTS. */
espalier_cut_shape espalier_cut_shape_of(uint32_t cut_count, uint32_t item_bytes);

/* The list of a CODE column of a mapped model, for rankers. */
espalier_cut_list espalier_cut_list_of(const espalier_model *model,
                                       const espalier_file_column *column);

/* A cut as it is stored: a float or a double, wherever it lies. */
static inline double espalier_cut_number(const uint8_t *item, uint32_t item_bytes)
{
    if (item_bytes == sizeof(float)) {
        float cut;
        memcpy(&cut, item, sizeof cut);
        return (double)cut;
    }
    double cut;
    memcpy(&cut, item, sizeof cut);
    return cut;
}

/* Cut `index` of a CODE column, bounded by its cut_count; as stored, so it may be anything. */
double espalier_cut_at(const espalier_model *model, const espalier_file_column *column,
                       uint64_t index);

/* The most a code of bank BYTE or SHORT can be: 255 or 65,535. */
uint32_t espalier_bank_code_max(uint32_t bank);

#endif
