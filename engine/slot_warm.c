// SPDX-License-Identifier: Apache-2.0
/*
 * What a prediction reads of a model, fetched before one asks for it. See slot.h.
 */
#include "engine/slot.h"

#define LINE_BYTES 64u

/*
 * Rounds over all of it. A line that was fetched once and never touched again is the first to be
 * evicted by caches that tell scans from use; a second round makes it one in use.
 */
#define ROUNDS 2

/* Who is given the pieces, and what may still be given. */
typedef struct warm_walk {
    espalier_warm_visit *visit;
    void *context;
    size_t left;
} warm_walk;

/* The first bytes of `data`, as many of them as there is room for. */
static void give(warm_walk *walk, const uint8_t *data, uint64_t bytes)
{
    const size_t given = bytes < walk->left ? (size_t)bytes : walk->left;
    if (given > 0) {
        walk->left -= given;
        walk->visit(walk->context, data, given);
    }
}

static void give_section(warm_walk *walk, const espalier_model *model, uint32_t type,
                         const uint8_t *data)
{
    const espalier_file_section *const section = espalier_file_find(&model->file, type);
    if (section != NULL) {
        give(walk, data, section->bytes);
    }
}

/* Of too many nodes the beginning of each tree, where its top is. */
static void give_tops(warm_walk *walk, const espalier_model *model)
{
    const size_t share = walk->left / model->tree_count / LINE_BYTES * LINE_BYTES;
    const size_t most = share > 0 ? share : LINE_BYTES;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = 0; i < part->tree_count; i++) {
            const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
            const uint64_t bytes = (uint64_t)tree->node_count * part->node_bytes;
            give(walk, model->nodes + tree->first_node * part->node_bytes,
                 bytes < most ? bytes : most);
        }
    }
}

size_t espalier_warm_walk(const espalier_model *model, size_t bytes_max, espalier_warm_visit *visit,
                          void *context)
{
    warm_walk walk = {visit, context, bytes_max};
    give_section(&walk, model, ESPALIER_SECTION_CUTS, model->cuts);
    give_section(&walk, model, ESPALIER_SECTION_SETS, model->sets);
    const espalier_file_section *const nodes =
        espalier_file_find(&model->file, ESPALIER_SECTION_NODES);
    if (nodes != NULL && nodes->bytes <= walk.left) {
        give(&walk, model->nodes, nodes->bytes);
    } else if (nodes != NULL && model->tree_count > 0) {
        give_tops(&walk, model);
    }
    give_section(&walk, model, ESPALIER_SECTION_LEAVES, model->leaves);
    give_section(&walk, model, ESPALIER_SECTION_LINEAR, model->linear);
    return bytes_max - walk.left;
}

/* Only hints: a page that is not there stays so, one that is lost raises no signal. */
static void fetch(void *context, const uint8_t *data, size_t bytes)
{
    (void)context;
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch(data + at);
    }
}

size_t espalier_warm_fetch(const espalier_model *model, size_t bytes_max)
{
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        bytes = espalier_warm_walk(model, bytes_max, fetch, NULL);
    }
    return bytes;
}
