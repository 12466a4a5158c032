// SPDX-License-Identifier: Apache-2.0
/*
 * One forest of several: each that is added becomes a part, with its stages behind it, and what it
 * wrote to slot s then is in slot s + offset. Or its trees join the part before, with leaf rows of
 * the caller's. Forests may compare float32 and float64 features: thresholds are translated, which
 * is exact. What forests prepare becomes one preparation, and the strings of a feature one list.
 * May include public headers and forest.h only.
 */
#ifndef ESPALIER_CONVERT_COMBINE_H
#define ESPALIER_CONVERT_COMBINE_H

#include "convert/forest.h"

/* What a part compares. */
typedef struct espalier_combine_input {
    espalier_forest_input input;
    bool flush_tiny;
} espalier_combine_input;

/* A forest on its way; all zero to begin with, but for `whole`. */
typedef struct espalier_combine {
    espalier_forest *whole; /* freed by its owner, whatever happens */
    uint64_t memory_left;   /* bytes that what is added may still take */
    uint64_t tree_room;
    uint64_t node_room;
    uint64_t value_room;
    uint64_t value_count; /* of leaf_values */
    uint64_t line_room;
    uint64_t term_room;
    uint64_t part_room;
    espalier_combine_input *inputs; /* [part_count] what each part compares */
    uint32_t refuses;               /* ESPALIER_PREPARE_REFUSE_..: what forests without a
                                       preparation, or the whole itself, refuse in a row */
    bool rounds;                    /* after rounding it to float32 */
    bool takes_missing;             /* some forest does */
    bool rounds_sets;               /* some forest with sets compares float32 */
    bool sets_of_numbers;           /* some asks for what is not the place of a string */
} espalier_combine;

/* The features of a forest that sees some of the whole's: [count] their numbers there. */
typedef struct espalier_combine_features {
    const uint32_t *numbers;
    uint32_t count;
} espalier_combine_features;

/*
 * Adds the parts, stages and constants of a forest that need not be validated yet.
 * Status: SOURCE_TREE (a feature that `features` has not), SOURCE_UNSUPPORTED (categories that do
 * not go together), SOURCE_LIMIT, MEMORY.
 */
espalier_status espalier_combine_add(espalier_combine *combine, const espalier_forest *forest,
                                     const espalier_combine_features *features,
                                     uint32_t *slot_offset_out);

/* Opens a part without trees: its width and slots, and what else the caller sets in it. The first
 * slot is found here. Status: SOURCE_LIMIT, MEMORY. */
espalier_status espalier_combine_open(espalier_combine *combine, const espalier_forest_part *part,
                                      espalier_forest_input input);

/*
 * Adds the trees of a forest of one part to the part that was opened last, in `slot` and
 * `iteration`, with leaf_rows[forest->leaf_count][leaf_width of the part]. Status: as add.
 */
espalier_status espalier_combine_join(espalier_combine *combine, const espalier_forest *forest,
                                      const espalier_combine_features *features,
                                      const double *leaf_rows, uint32_t slot, uint32_t iteration);

/* Charges bytes against the limit. Status: SOURCE_LIMIT. */
espalier_status espalier_combine_charge(espalier_combine *combine, uint64_t bytes);

/*
 * Adds the sets of categories of a forest whose nodes, from first_node of the whole on, are copied
 * and test the whole's features already; part of add and join, in a file of its own. A number may
 * stand for other categories in another forest: then it gets a common place. Status: as add, and
 * SOURCE_UNSUPPORTED where the forests read numbers in different ways.
 */
espalier_status espalier_combine_copy_sets(espalier_combine *combine, const espalier_forest *forest,
                                           const espalier_combine_features *features,
                                           uint64_t first_node);

/*
 * Adds what the forest prepares, its features those of the whole that `features` say; part of add
 * and join, in a file of its own. *values_out: malloc'ed, for each number that its nodes may name
 * the whole's; NULL: it prepares nothing. Status: as add.
 */
espalier_status espalier_combine_prepare(espalier_combine *combine, const espalier_forest *forest,
                                         const espalier_combine_features *features,
                                         uint32_t **values_out);

/* Which rows the whole refuses, if it prepares any; part of close. */
espalier_status espalier_combine_close_preparation(espalier_combine *combine);

/* Settles what the whole compares and refuses. Call it once, at the end; then, or after a failure,
 * nothing of *combine but `whole` is left. Status: SOURCE_LIMIT, MEMORY. */
espalier_status espalier_combine_close(espalier_combine *combine);

/* The float64 threshold that decides for every float64 x as `threshold` does for x as float32. */
double espalier_combine_widen(double threshold);

#endif
