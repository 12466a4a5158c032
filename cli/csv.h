// SPDX-License-Identifier: Apache-2.0
/*
 * CSV as RFC 4180 has it: commas, double quotes, LF or CRLF; a UTF-8 byte order mark is skipped.
 * Includes input.h and libc. Numbers do not depend on the locale and are correctly rounded.
 */
#ifndef ESPALIER_CLI_CSV_H
#define ESPALIER_CLI_CSV_H

#include "input.h"

#include <locale.h>

enum {
    ESPALIER_CSV_RECORD_BYTES_MAX = 1 << 28
};

typedef enum espalier_csv_result {
    ESPALIER_CSV_RECORD = 1,
    ESPALIER_CSV_END = 2,
    ESPALIER_CSV_FAILED = 3
} espalier_csv_result;

/* A reader with the fields of the last record. */
typedef struct espalier_csv {
    espalier_input *input; /* the caller's */
    locale_t locale;       /* "C" */
    uint64_t line;         /* first line of the last record, from 1 */
    uint64_t next_line;
    char *text; /* the fields, each with a NUL after it */
    size_t text_bytes;
    size_t text_capacity;
    size_t *field_offsets;
    size_t field_count;
    size_t field_capacity;
    bool is_started;
    bool is_quoted; /* the record has a quoted field */
} espalier_csv;

bool espalier_csv_open(espalier_csv *csv, espalier_input *input, espalier_message *message);
void espalier_csv_close(espalier_csv *csv);

/*
 * Reads the next record. Empty lines may only stand at the end: in the middle an empty line could
 * be a row that got lost, so it is an error.
 */
espalier_csv_result espalier_csv_next(espalier_csv *csv, espalier_message *message);

/* A field of the last record, without quotes. Valid until the next record. */
const char *espalier_csv_field(const espalier_csv *csv, size_t field_index);

/*
 * Reads a field as a number: decimal digits with fraction and exponent, "nan", "inf" and
 * "infinity" in any case, blanks around; an empty field is missing (NaN); True, TRUE, true and
 * False, FALSE, false, as pandas reads them, are 1 and 0. False for any other text.
 */
bool espalier_csv_number(const espalier_csv *csv, const char *field, double *value_out);

#endif
