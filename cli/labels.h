// SPDX-License-Identifier: Apache-2.0
/*
 * The class labels of a model, ready to be written: as .npy items in the trainer's dtype and as
 * text. Includes cli.h and libc.
 */
#ifndef ESPALIER_CLI_LABELS_H
#define ESPALIER_CLI_LABELS_H

#include "cli.h"

/* One output's labels. */
typedef struct espalier_label_set {
    uint32_t count;
    char **texts;         /* UTF-8, each with a NUL after it */
    size_t *text_bytes;   /* without that NUL; a label may hold NULs itself */
    unsigned char *items; /* count x item_bytes, as in an .npy file; NULL: has no common dtype */
} espalier_label_set;

typedef struct espalier_labels {
    uint32_t output_count;
    espalier_label_set *sets;
    uint32_t item_bytes;
    char descr[24]; /* "<i8", "<U10"; "" when the outputs have no common dtype */
} espalier_labels;

/* Fills *labels_out; free with espalier_labels_free after success. */
bool espalier_labels_load(const espalier_model *model, uint32_t output_count,
                          espalier_labels *labels_out, espalier_message *message);
void espalier_labels_free(espalier_labels *labels);

#endif
