// SPDX-License-Identifier: Apache-2.0
/*
 * A reader of JSON and UBJSON documents, one place at a time, without building a tree: objects are
 * entered and their members taken in the file's order, large arrays of numbers go straight into
 * typed arrays. Besides JSON's grammar it takes NaN, Infinity and -Infinity, and in strings control
 * characters other than line ends and NUL; UBJSON is the big-endian draft 12 without counted
 * objects, no-ops and high-precision numbers.
 *
 * Failure is remembered: after it every call returns false and moves nothing, so a caller may check
 * once, after a loop. Messages read "SOURCE: PLACE: cause", as in
 * "m.json: learner.gradient_booster.model.trees[3].split_indices: ...".
 *
 * May include: include/, format/error.h, the decimal reader. Must never: recurse, allocate by a
 * count that the remaining bytes cannot hold, or read numbers by the process's locale.
 */
#ifndef ESPALIER_CONVERT_SOURCES_DOCUMENT_H
#define ESPALIER_CONVERT_SOURCES_DOCUMENT_H

#include "convert/sources/decimal.h"
#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Objects and arrays inside each other. */
#define ESPALIER_DOCUMENT_DEPTH_MAX 64u

typedef enum espalier_document_format {
    ESPALIER_DOCUMENT_JSON = 0,
    ESPALIER_DOCUMENT_UBJSON = 1
} espalier_document_format;

typedef enum espalier_document_kind {
    ESPALIER_DOCUMENT_FAILED = 0, /* the document failed */
    ESPALIER_DOCUMENT_OBJECT = 1,
    ESPALIER_DOCUMENT_ARRAY = 2,
    ESPALIER_DOCUMENT_TEXT = 3,
    ESPALIER_DOCUMENT_NUMBER = 4,
    ESPALIER_DOCUMENT_FLAG = 5, /* true, false */
    ESPALIER_DOCUMENT_NULL = 6
} espalier_document_kind;

/* A string as it stands in the document, without its quotes. */
typedef struct espalier_document_text {
    const char *data; /* not NUL-terminated */
    size_t bytes;
    bool escaped; /* holds JSON's escapes */
} espalier_document_text;

/* One object or array that is being read; for document*.c. */
typedef struct espalier_document_frame {
    bool is_object;
    bool counted;               /* UBJSON: `left` says how many items follow */
    uint8_t item_type;          /* UBJSON: the type of all items, or 0 */
    uint64_t left;              /* UBJSON */
    uint64_t count;             /* items or members begun */
    espalier_document_text key; /* of the member being read */
} espalier_document_frame;

/* An array that grows, within the document's memory. Zero it to start, free it with _array_free. */
typedef struct espalier_document_array {
    void *items;
    uint64_t count;
    uint64_t capacity;
} espalier_document_array;

typedef struct espalier_document {
    const char *source; /* names the file in messages */
    const uint8_t *data;
    size_t bytes;
    espalier_document_format format;
    espalier_decimal decimal;
    uint64_t memory_bytes_max;
    uint64_t memory_left;
    size_t at;
    size_t value_at; /* where the value read last begins */
    espalier_document_frame frames[ESPALIER_DOCUMENT_DEPTH_MAX];
    uint32_t depth;
    espalier_status status;
    espalier_error *error;
} espalier_document;

/* Borrows source and data. Close it also when this fails (no memory). */
bool espalier_document_open(espalier_document *document, const char *source, const uint8_t *data,
                            size_t bytes, espalier_document_format format,
                            uint64_t memory_bytes_max, espalier_error *error_out);
void espalier_document_close(espalier_document *document);

/* ---- moving --------------------------------------------------------------------------------- */

/* What the next value is; moves over blank space only. */
espalier_document_kind espalier_document_peek(espalier_document *document);

/* The next value must be an object or array: into it. */
bool espalier_document_enter_object(espalier_document *document);
bool espalier_document_enter_array(espalier_document *document);

/* To the value of the object's next member; false: that was the last, and the object is left. */
bool espalier_document_member(espalier_document *document, espalier_document_text *key_out);

/* To the array's next item; false: that was the last, and the array is left. */
bool espalier_document_item(espalier_document *document);

/* Over a value, checking its grammar. */
bool espalier_document_skip(espalier_document *document);

/* After the outermost value: over blank space. */
bool espalier_document_finish(espalier_document *document);

/* ---- values --------------------------------------------------------------------------------- */

bool espalier_document_read_text(espalier_document *document, espalier_document_text *text_out);
bool espalier_document_read_flag(espalier_document *document, bool *value_out);

/* A number written without point and exponent, within int64. */
bool espalier_document_read_int64(espalier_document *document, int64_t *value_out);

/* A number rounded to float32 once; a whole one by way of int64, so that "-0" is 0. */
bool espalier_document_read_float32(espalier_document *document, float *value_out);

/* An array of such into float[], double[], int32_t[], uint8_t[] (0, 1, false, true), from its
 * start. */
bool espalier_document_read_float32s(espalier_document *document, espalier_document_array *array);
bool espalier_document_read_float64s(espalier_document *document, espalier_document_array *array);
bool espalier_document_read_int32s(espalier_document *document, espalier_document_array *array);
bool espalier_document_read_flags(espalier_document *document, espalier_document_array *array);

/* ---- texts ---------------------------------------------------------------------------------- */

/* Whether the text, escapes resolved, is this ASCII. */
bool espalier_document_text_is(const espalier_document_text *text, const char *ascii);

/*
 * A malloc'ed, NUL-terminated copy of the text read last, escapes resolved; bytes_out (or NULL)
 * gets its length. Text that is no UTF-8 or holds a NUL fails. NULL: failed.
 */
char *espalier_document_copy_text(espalier_document *document, const espalier_document_text *text,
                                  size_t *bytes_out);

/* ---- memory and failure --------------------------------------------------------------------- */

/* Takes bytes off the document's memory. */
bool espalier_document_charge(espalier_document *document, uint64_t bytes);

/* Room for count items of item_bytes; grows by half at least. */
bool espalier_document_reserve(espalier_document *document, espalier_document_array *array,
                               uint64_t count, uint64_t item_bytes);
void espalier_document_array_free(espalier_document_array *array);

/* Fails at a byte of the document, with the place being read. Returns false. */
bool espalier_document_fail(espalier_document *document, espalier_status status, uint64_t offset,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "learner.trees[3].id", "" at the top, shortened to fit; control characters escaped. */
void espalier_document_place(const espalier_document *document, char *text, size_t capacity);

#endif
