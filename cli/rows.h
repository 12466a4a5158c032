// SPDX-License-Identifier: Apache-2.0
/*
 * Rows to predict, from an .npy or .csv file or standard input, a chunk at a time. Includes csv.h,
 * npy.h and libc. Memory stays within one chunk, except for Fortran-order arrays from a pipe.
 */
#ifndef ESPALIER_CLI_ROWS_H
#define ESPALIER_CLI_ROWS_H

#include "csv.h"
#include "npy.h"

typedef enum espalier_header_mode {
    ESPALIER_HEADER_DETECT = 0,
    ESPALIER_HEADER_YES = 1,
    ESPALIER_HEADER_NO = 2
} espalier_header_mode;

typedef struct espalier_rows_options {
    uint32_t feature_count;
    /* A name per feature, or NULL when the model has none; the caller's. */
    const char *const *feature_names;
    const espalier_model *model; /* whose features may be text in CSV; NULL: none is */
    espalier_header_mode header;
    size_t chunk_rows; /* at least 1 */
} espalier_rows_options;

#define ESPALIER_ROW_COUNT_UNKNOWN UINT64_MAX

typedef struct espalier_rows_reader espalier_rows_reader;

typedef enum espalier_rows_result {
    ESPALIER_ROWS_CHUNK = 1,
    ESPALIER_ROWS_END = 2,
    ESPALIER_ROWS_FAILED = 3
} espalier_rows_result;

/* Opens a path or "-". False, and the message set, when it is no table of feature_count numbers. */
bool espalier_rows_open(const char *path, const espalier_rows_options *options,
                        espalier_rows_reader **reader_out, espalier_message *message);
void espalier_rows_close(espalier_rows_reader *reader);

/*
 * The next rows, valid until the next call. When a row cannot be read, the rows before it come
 * first and the failure with the call after.
 */
espalier_rows_result espalier_rows_next(espalier_rows_reader *reader, espalier_rows *rows_out,
                                        espalier_message *message);

/* Rows in all, ESPALIER_ROW_COUNT_UNKNOWN for CSV. */
uint64_t espalier_rows_count(const espalier_rows_reader *reader);

const char *espalier_rows_name(const espalier_rows_reader *reader);

/* The line in a CSV file of row `index` of the last chunk; 0 for .npy. */
uint64_t espalier_rows_line(const espalier_rows_reader *reader, size_t index);

/* A whole array in memory: C order, this machine's byte order. */
typedef struct espalier_npy_array {
    espalier_npy npy;
    unsigned char *data; /* freed by the caller */
} espalier_npy_array;

/* Reads a whole .npy file of one dimension up to dimension_count_max, which is 2 or 3. */
bool espalier_npy_load(const char *path, uint32_t dimension_count_max,
                       espalier_npy_array *array_out, espalier_message *message);

#endif
