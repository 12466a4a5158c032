// SPDX-License-Identifier: Apache-2.0
/*
 * From a forest to the sections of a model file: layout, columns, cuts, leaf table, plan, names and
 * labels. May include format/ and public headers. Reads a validated forest and never changes it;
 * the same forest always gives the same bytes.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_H
#define ESPALIER_CONVERT_FLATTEN_H

#include "convert/forest.h"
#include "espalier.h"
#include "format/layout.h"
#include "format/writer.h"

#include <stdint.h>

/* A section's bytes, malloc'ed; NULL when the model has no such section. */
typedef struct espalier_flat_bytes {
    void *data;
    uint64_t bytes;
} espalier_flat_bytes;

#define ESPALIER_FLAT_WHY_BYTES 160u

/* The sections, each in the form layout.h gives it. */
typedef struct espalier_flat {
    espalier_file_model model;
    espalier_file_part *parts;
    uint32_t part_count;
    espalier_flat_bytes steps;
    espalier_flat_bytes stages;
    espalier_flat_bytes outputs;
    espalier_flat_bytes columns;
    espalier_flat_bytes trees;
    espalier_flat_bytes constants;
    espalier_flat_bytes feature_names;
    espalier_flat_bytes class_labels;
    espalier_flat_bytes preparation;
    espalier_flat_bytes categories;
    espalier_flat_bytes nodes;
    espalier_flat_bytes leaves;
    espalier_flat_bytes cuts;
    espalier_flat_bytes node_numbers;
    espalier_flat_bytes sets;
    espalier_flat_bytes linear;
    espalier_flat_bytes cover;
    const char *layout;                /* "walk", "heap" or "select" */
    char why[ESPALIER_FLAT_WHY_BYTES]; /* the reason, for people */
} espalier_flat;

/*
 * Flattens to the walk layout, which holds every forest. `source` names the file in messages.
 * O(nodes), with codes O(nodes x log nodes); memory: the sections, for the largest tree eight bytes
 * a node, about sixteen bytes for each distinct leaf, with codes eight for each decision. Status:
 * LIMIT, MEMORY.
 */
espalier_status espalier_flatten(const espalier_forest *forest, const char *source,
                                 espalier_flat *flat_out, espalier_error *error_out);

/*
 * The same to another layout: ESPALIER_LAYOUT_... A mask layout that cannot hold the forest is
 * LIMIT, with what is too large; ANY chooses one that can.
 */
espalier_status espalier_flatten_to(const espalier_forest *forest, uint32_t layout,
                                    const char *source, espalier_flat *flat_out,
                                    espalier_error *error_out);

/* Frees everything in *flat and zeroes it. */
void espalier_flat_free(espalier_flat *flat);

#define ESPALIER_FLAT_SECTIONS_MAX 19u

/* Lists the sections for the writer: sections[ESPALIER_FLAT_SECTIONS_MAX]. Returns how many. */
uint32_t espalier_flat_sections(const espalier_flat *flat, espalier_writer_section *sections);

/* The largest float32 not above a threshold: (float)x <= t and (float)x <= rounded(t) agree. */
float espalier_round_threshold(double threshold);

#endif
