// SPDX-License-Identifier: Apache-2.0
/*
 * Fetching the next trees' nodes while rows of a block walk through the present ones. Includes the
 * kernels' contract only. It fetches what is readable and changes nothing.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_AHEAD_H
#define ESPALIER_ENGINE_KERNELS_WALK_AHEAD_H

#include "engine/kernels/kernel.h"

#define WALK_LINE 64u

/* Fetch a tree only where so many rows share it: a few rows visit few of its lines. Trees of 900
 * lines: 16 rows 20.6 us a row against 14.7 without, 64 rows 11.3 against 17.8 (EPYC 7003,
 * 2026-11). */
#define WALK_LINES_PER_ROW 14u

/* What is left to fetch, so many lines at a time: spread evenly over the flights. In one burst a
 * quarter of the gain is lost. */
typedef struct walk_ahead {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t lines;
} walk_ahead;

/* Of tree t, where there is one. */
static inline walk_ahead walk_ahead_of(const espalier_kernel_arguments *a, uint32_t t,
                                       uint32_t node_bytes)
{
    if (t >= a->tree_count) {
        return (walk_ahead){NULL, NULL, 0};
    }
    const espalier_kernel_tree *const tree = &a->trees[t];
    const size_t bytes = ((size_t)tree->last + 1) * node_bytes;
    const size_t lines = bytes / WALK_LINE;
    if (lines > (size_t)WALK_LINES_PER_ROW * a->row_count) {
        return (walk_ahead){NULL, NULL, 0};
    }
    const uint32_t flights = a->row_count / ESPALIER_FLIGHT_ROWS;
    return (walk_ahead){tree->nodes, tree->nodes + bytes, (uint32_t)lines / flights + 1};
}

static inline void walk_ahead_fetch(walk_ahead *ahead)
{
    for (uint32_t i = 0; i < ahead->lines && ahead->next < ahead->end; i++) {
        __builtin_prefetch(ahead->next, 0, 2);
        ahead->next += WALK_LINE;
    }
}

#endif
