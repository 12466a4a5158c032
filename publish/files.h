// SPDX-License-Identifier: Apache-2.0
/*
 * Files as publish/ needs them: opened, read and written whole, copied, synced. Interrupted calls
 * are repeated. Nothing outside publish/ includes it.
 */
#ifndef ESPALIER_PUBLISH_FILES_H
#define ESPALIER_PUBLISH_FILES_H

#include "espalier.h"

#include <stddef.h>
#include <stdint.h>

/* Opens a path for reading; a FIFO does not hang. Status: ARGUMENT (NULL), OPEN. */
espalier_status espalier_files_open(const char *path, int *descriptor_out,
                                    espalier_error *error_out);

/* The same by a name in an open folder, and no link; path is for messages. */
espalier_status espalier_files_open_at(int folder, const char *name, const char *path,
                                       int *descriptor_out, espalier_error *error_out);

/* The bytes of a regular file. Status: OPEN for anything else. */
espalier_status espalier_files_size(int descriptor, const char *name, uint64_t *bytes_out,
                                    espalier_error *error_out);

/* Reads a small text: at most capacity - 1 bytes, with a NUL behind them. Status: OPEN, READ, KEY
 * when it is longer or has a NUL inside. */
espalier_status espalier_files_read_text(const char *path, char *text_out, size_t capacity,
                                         espalier_error *error_out);

/* The same of an open file. */
espalier_status espalier_files_read_text_fd(int descriptor, const char *path, char *text_out,
                                            size_t capacity, espalier_error *error_out);

/* Writes all bytes. Status: WRITE. */
espalier_status espalier_files_write(int descriptor, const char *name, const void *data,
                                     size_t bytes, espalier_error *error_out);

/* fsync; a folder that its file system cannot sync counts as synced. Status: SYNC. */
espalier_status espalier_files_sync(int descriptor, const char *name, espalier_error *error_out);

/* Syncs the folder that a path lies in, so that its name lasts; one that may not be read counts as
 * synced. Status: OPEN, SYNC, MEMORY. */
espalier_status espalier_files_sync_parent(const char *path, espalier_error *error_out);

/* Writes a new file of the text, synced; EEXIST is an error. Status: OPEN, WRITE, SYNC. */
espalier_status espalier_files_create(const char *path, const char *text, unsigned mode,
                                      espalier_error *error_out);

/* The same by a name in an open folder; path is for messages. */
espalier_status espalier_files_create_at(int folder, const char *name, const char *path,
                                         const char *text, unsigned mode,
                                         espalier_error *error_out);

/* The same under a temporary name that is then renamed to path; its folder is synced too.
 * Status: and RENAME, MEMORY. */
espalier_status espalier_files_replace(const char *path, const char *text,
                                       espalier_error *error_out);

/* Copies a file's bytes from its start to a new file of mode 0444 in an open folder, synced; paths
 * are for messages. Status: OPEN, READ, WRITE, SYNC, TRUNCATED, MEMORY. */
espalier_status espalier_files_copy(int source, const char *source_path, int folder,
                                    const char *name, const char *path, espalier_error *error_out);

/* "left" and "right" joined, malloc'ed, or NULL. */
char *espalier_files_join(const char *left, const char *right);

#endif
