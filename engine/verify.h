// SPDX-License-Identifier: Apache-2.0
/*
 * What the files that verify a model share. Nothing outside engine/verify*.c includes it.
 */
#ifndef ESPALIER_ENGINE_VERIFY_H
#define ESPALIER_ENGINE_VERIFY_H

#include "engine/model.h"

typedef struct espalier_verify {
    const espalier_model *model;
    const char *name; /* the file's, for messages */
    espalier_error *error_out;
} espalier_verify;

static inline const uint8_t *espalier_verify_data(const espalier_verify *v,
                                                  const espalier_file_section *section)
{
    return v->model->map.base + section->offset;
}

espalier_status espalier_verify_no_memory(const espalier_verify *v);

/* Lists of cuts: sorted, padded, and their upper levels right. O(CUTS). */
espalier_status espalier_verify_cuts(const espalier_verify *v);

/* Nodes of all trees and their numbers. O(NODES). */
espalier_status espalier_verify_trees(const espalier_verify *v);

/* Numbers that PREPARATION searches are sorted. O(PREPARATION). */
espalier_status espalier_verify_preparation(const espalier_verify *v);

/* The leaves that are lines. O(LINEAR). */
espalier_status espalier_verify_linear(const espalier_verify *v);

/* The covers of values. O(COVER + columns). */
espalier_status espalier_verify_cover(const espalier_verify *v);

espalier_status espalier_verify_golden(const espalier_verify *v);

#endif
