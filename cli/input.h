// SPDX-License-Identifier: Apache-2.0
/*
 * Buffered reading of a file or of standard input. Includes cli.h and libc. Reads, never maps: a
 * file cut short meanwhile is an error message, not a signal.
 */
#ifndef ESPALIER_CLI_INPUT_H
#define ESPALIER_CLI_INPUT_H

#include "cli.h"

typedef struct espalier_input {
    const char *name; /* for messages; the caller's */
    int descriptor;
    bool is_owned;
    bool is_regular;
    bool at_end;
    uint64_t start;      /* where reading began, for regular files */
    uint64_t size_bytes; /* from there to the end, for regular files */
    unsigned char *buffer;
    size_t at; /* unread bytes are buffer[at .. filled) */
    size_t filled;
} espalier_input;

/* Opens a path, or standard input for "-". The input must be closed after success only. */
bool espalier_input_open(espalier_input *input, const char *path, espalier_message *message);
void espalier_input_close(espalier_input *input);

/*
 * Makes at least `wanted` bytes unread in the buffer, fewer only at the end of the file; wanted is
 * at most 64 KiB. False on a read error.
 */
bool espalier_input_fill(espalier_input *input, size_t wanted, espalier_message *message);

/* Reads up to `bytes`, fewer only at the end of the file; false on a read error. */
bool espalier_input_read(espalier_input *input, void *data, size_t bytes, size_t *read_out,
                         espalier_message *message);

/* Reads exactly `bytes` at an offset from where reading began; regular files only. */
bool espalier_input_read_at(const espalier_input *input, uint64_t offset, void *data, size_t bytes,
                            espalier_message *message);

#endif
