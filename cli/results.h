// SPDX-License-Identifier: Apache-2.0
/*
 * Where predictions go: .npy or CSV, a file or standard output. A file appears only when it is
 * complete: it is written under a temporary name and renamed. Includes cli.h, labels.h and libc.
 */
#ifndef ESPALIER_CLI_RESULTS_H
#define ESPALIER_CLI_RESULTS_H

#include "labels.h"

typedef enum espalier_results_format {
    ESPALIER_RESULTS_CSV = 1,
    ESPALIER_RESULTS_NPY = 2
} espalier_results_format;

typedef struct espalier_results_options {
    const char *path; /* "-": standard output */
    espalier_results_format format;
    uint32_t dtype;                /* espalier_dtype of the items passed */
    size_t width;                  /* items per row */
    bool is_flat;                  /* .npy shape (rows,) rather than (rows, width); width is 1 */
    size_t depth;                  /* .npy shape (rows, width / depth, depth); 0: as said before */
    const espalier_labels *labels; /* items are int32 class indices of one output each; or NULL */
    const char *const *names;      /* width CSV column names */
} espalier_results_options;

typedef struct espalier_results espalier_results;

/* Options, labels and names are the caller's and must stay until the results are closed. */
bool espalier_results_open(const espalier_results_options *options, espalier_results **results_out,
                           espalier_message *message);

/* Appends rows: C order, without gaps. */
bool espalier_results_write(espalier_results *results, const void *items, size_t row_count,
                            espalier_message *message);

/* Completes and publishes the output. The results are freed whatever comes back. */
bool espalier_results_commit(espalier_results *results, espalier_message *message);

/* Frees without publishing. CSV on standard output keeps what was written, .npy writes nothing. */
void espalier_results_discard(espalier_results *results);

#endif
