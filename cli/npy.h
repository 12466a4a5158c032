// SPDX-License-Identifier: Apache-2.0
/*
 * The .npy format: headers of versions 1.0 to 3.0 read, version 1.0 written as NumPy does, items
 * converted to float64. Includes cli.h and libc; does no input or output of its own.
 */
#ifndef ESPALIER_CLI_NPY_H
#define ESPALIER_CLI_NPY_H

#include "cli.h"

#define ESPALIER_NPY_MAGIC "\x93NUMPY"

enum {
    ESPALIER_NPY_MAGIC_BYTES = 6,
    ESPALIER_NPY_PREFIX_BYTES = 12, /* enough to know the length of any version's header */
    ESPALIER_NPY_HEADER_BYTES_MAX = 1 << 20,
    ESPALIER_NPY_WRITE_BYTES_MAX = 512
};

typedef struct espalier_npy {
    char kind;       /* 'b' bool, 'i' signed, 'u' unsigned, 'f' float, 'U' UCS-4 text */
    bool is_swapped; /* the items have the other byte order than this machine */
    bool is_fortran;
    uint32_t item_bytes;
    uint32_t dimension_count;
    uint64_t shape[2]; /* as written, missing dimensions 1; of three the last two as one */
    uint64_t item_count;
    uint64_t data_bytes;
    size_t data_offset;
} espalier_npy;

/*
 * The length of prefix and header from the first ESPALIER_NPY_PREFIX_BYTES; 0, and the message set,
 * when this is no .npy file of a known version or the header is unreasonably long.
 */
size_t espalier_npy_header_bytes(const unsigned char *prefix, espalier_message *message);

/* Reads prefix and header. False, and the message set, when it is malformed or not supported. */
bool espalier_npy_parse(const unsigned char *bytes, size_t byte_count, espalier_npy *npy_out,
                        espalier_message *message);

/*
 * Writes prefix and header of a C-order array to `bytes` (ESPALIER_NPY_WRITE_BYTES_MAX): `descr`
 * like "<f8", column_count 0 for one dimension, depth 0 for two. Returns the length, which does not
 * depend on row_count: NumPy leaves room for any.
 */
size_t espalier_npy_write_header(unsigned char *bytes, const char *descr, uint64_t row_count,
                                 uint64_t column_count, uint64_t depth);

/* Reverses the bytes of each item in place ('U': of each character) when the order differs. */
void espalier_npy_swap(const espalier_npy *npy, unsigned char *items, size_t item_count);

/*
 * Converts items in this machine's byte order, of any kind but 'U', to float64. Integers beyond
 * 2^53 are rounded to odd, not to nearest: the trainers read so far cast integer rows straight to
 * float32, and only so does the later rounding to float32 give the same bits.
 */
void espalier_npy_to_float64(const espalier_npy *npy, const unsigned char *items, size_t item_count,
                             double *values);

/* A float16 by its bits; exact. */
double espalier_npy_half(uint16_t bits);

#endif
