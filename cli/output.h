// SPDX-License-Identifier: Apache-2.0
/*
 * Where a command's output goes: standard output, a device or pipe, or a file that appears only
 * when it is complete: it is written under a temporary name beside the final one, synced and
 * renamed. Includes cli.h and libc.
 */
#ifndef ESPALIER_CLI_OUTPUT_H
#define ESPALIER_CLI_OUTPUT_H

#include "cli.h"

#include <sys/types.h>

typedef struct espalier_output {
    const char *name; /* for messages */
    FILE *stream;     /* to write to; of a file it can be read and rewound */
    char *final_path; /* what the temporary file becomes; NULL when written directly */
    char *temporary_path;
    mode_t mode; /* of the file that is replaced; 0: there is none */
} espalier_output;

/* "-" is standard output. The path is the caller's; discard in any case. */
bool espalier_output_open(espalier_output *output, const char *path, espalier_message *message);

/* "name: what errno says"; false. */
bool espalier_output_fail(const espalier_output *output, espalier_message *message);

/* Completes and publishes the output; afterwards it is closed whatever comes back. */
bool espalier_output_commit(espalier_output *output, espalier_message *message);

/* Closes without publishing. What was written to standard output stays written. */
void espalier_output_discard(espalier_output *output);

#endif
