// SPDX-License-Identifier: Apache-2.0
/*
 * The read side of a store: which version is current, and its file. A store is a folder of folders
 * named 1, 2, ..., each with a model and perhaps its signature, complete from the moment it has its
 * name and never changed, and a symbolic link "current" to one of them. publish/ writes it.
 */
#ifndef ESPALIER_FORMAT_STORE_LINK_H
#define ESPALIER_FORMAT_STORE_LINK_H

#include "espalier.h"

#include <stdint.h>

#define ESPALIER_STORE_CURRENT   "current"
#define ESPALIER_STORE_MODEL     "model.espalier"
#define ESPALIER_STORE_SIGNATURE "model.espalier.minisig"

/* The most digits of a version's number. */
#define ESPALIER_STORE_DIGITS_MAX 18u

/* The number of a version's folder, decimal without zeroes in front; 0 for any other name. */
uint64_t espalier_store_number(const char *name);

/*
 * The number that folder/current leads to. Status: OPEN (no such folder, or no access), STORE (no
 * link, or it leads to no version).
 */
espalier_status espalier_store_read_current(const char *folder, uint64_t *version_out,
                                            espalier_error *error_out);

/* The same of an open folder; its path is for messages. */
espalier_status espalier_store_read_current_at(int descriptor, const char *folder,
                                               uint64_t *version_out, espalier_error *error_out);

/*
 * Opens the current version's model for reading; looks again while the link moves. On success
 * *path_out is the model's own path (malloc, the caller frees it).
 * Status: OPEN, STORE, MEMORY.
 */
espalier_status espalier_store_open_current(const char *folder, char **path_out,
                                            int *descriptor_out, uint64_t *version_out,
                                            espalier_error *error_out);

/* Path of a file of a version, malloc'ed, or NULL. */
char *espalier_store_path(const char *folder, uint64_t version, const char *file);

#endif
