// SPDX-License-Identifier: Apache-2.0
/*
 * An .npy file as the fixtures have them: versions 1.0 to 3.0, little-endian, C order, one to three
 * dimensions. Shares no code with the command or the converter.
 */
#ifndef TESTS_SUPPORT_NPY_FILE_H
#define TESTS_SUPPORT_NPY_FILE_H

#include "tests/support/fixture_message.h"

#include <stddef.h>
#include <stdint.h>

enum {
    NPY_FILE_DIMENSIONS_MAX = 3
};

typedef struct npy_file {
    char kind;           /* of NumPy: f, i, u, b, U */
    uint32_t item_bytes; /* 'U': four times the characters */
    uint32_t dimension_count;
    size_t shape[NPY_FILE_DIMENSIONS_MAX]; /* beyond dimension_count: 1 */
    size_t column_count;                   /* items per row, shape[0] being the rows */
    uint8_t *bytes;                        /* the whole file; freed by npy_file_free */
    const uint8_t *items;
} npy_file;

/* Reads the file at path. False, and the message set, when it is no such array. */
bool npy_file_read(const char *path, npy_file *file_out, fixture_message *message);
void npy_file_free(npy_file *file);

#endif
