// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the slot share. Nothing outside engine/slot*.c includes it.
 */
#ifndef ESPALIER_ENGINE_SLOT_H
#define ESPALIER_ENGINE_SLOT_H

#include "engine/model.h"
#include "espalier_slot.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Which file this is: when it is the same, its bytes are, as models are never written in place. */
typedef struct espalier_slot_file {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified;
    struct timespec changed;
} espalier_slot_file;

bool espalier_slot_file_equal(const espalier_slot_file *left, const espalier_slot_file *right);

/* A file that may become the current model: open, not yet looked into. */
typedef struct espalier_slot_find {
    char *path; /* malloc'ed */
    int descriptor;
    uint64_t version; /* of a store; 0 for a path */
    espalier_slot_file file;
} espalier_slot_find;

/* Opens what `path`, a store or a file, leads to now. Status: OPEN, STORE, MEMORY. */
espalier_status espalier_slot_find_open(const char *path, espalier_slot_find *find_out,
                                        espalier_error *error_out);
void espalier_slot_find_close(espalier_slot_find *find);

/*
 * Whether a service that was written for `serving` can take `next`: the same features, outputs and
 * classes. Names are compared where both have them; how many trees there are does not matter.
 * Status: DIFFERENT, with what it is.
 */
espalier_status espalier_slot_compare(const espalier_model *serving, const espalier_model *next,
                                      const char *name, espalier_error *error_out);

/* A piece of the mapping. */
typedef void espalier_warm_visit(void *context, const uint8_t *data, size_t bytes);

/*
 * Gives the pieces of the mapping that predictions read, at most bytes_max of them together: cuts
 * and sets of categories, nodes, leaf values, linear leaves. Where not all nodes fit, the beginning
 * of every tree. Returns the sum.
 */
size_t espalier_warm_walk(const espalier_model *model, size_t bytes_max, espalier_warm_visit *visit,
                          void *context);

/* Asks this core to fetch them; waits for none. Returns the sum. */
size_t espalier_warm_fetch(const espalier_model *model, size_t bytes_max);

#endif
