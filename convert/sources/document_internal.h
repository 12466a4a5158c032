// SPDX-License-Identifier: Apache-2.0
/*
 * What the two grammars give to document.c. Included by document*.c alone.
 *
 * Every function is called where a value, a member or an item may begin, on a document that has not
 * failed, and fails it at the byte that is wrong.
 */
#ifndef ESPALIER_CONVERT_SOURCES_DOCUMENT_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_DOCUMENT_INTERNAL_H

#include "convert/sources/document.h"

/* A number as its grammar has it. */
typedef enum espalier_document_number_kind {
    ESPALIER_DOCUMENT_DECIMAL = 0, /* text with a point, an exponent, or no digits at all */
    ESPALIER_DOCUMENT_WHOLE = 1,   /* integer */
    ESPALIER_DOCUMENT_REAL = 2     /* real */
} espalier_document_number_kind;

typedef struct espalier_document_number {
    espalier_document_number_kind kind;
    const char *text; /* DECIMAL */
    size_t bytes;
    int64_t integer;
    double real; /* a float32 or a float64 */
} espalier_document_number;

/* One grammar. */
typedef struct espalier_document_grammar {
    espalier_document_kind (*peek)(espalier_document *document);
    /* Over the opening of the object or array that peek found; *frame is zero but for is_object. */
    bool (*enter)(espalier_document *document, espalier_document_frame *frame);
    /* True: a member or item begins, its key in the frame. False: the end was read, or failed. */
    bool (*member)(espalier_document *document, espalier_document_frame *frame);
    bool (*item)(espalier_document *document, espalier_document_frame *frame);
    bool (*text)(espalier_document *document, espalier_document_text *text);
    bool (*number)(espalier_document *document, espalier_document_number *number);
    bool (*flag)(espalier_document *document, bool *value);
    bool (*null)(espalier_document *document);
    bool (*finish)(espalier_document *document);
} espalier_document_grammar;

extern const espalier_document_grammar espalier_document_json;
extern const espalier_document_grammar espalier_document_ubjson;

/*
 * UBJSON: the items not yet read of the innermost array lie here as raw big-endian numbers of
 * *item_type. The caller reads them and then calls _raw_end. NULL: they do not.
 */
const uint8_t *espalier_document_raw_items(espalier_document *document, uint8_t *item_type,
                                           uint64_t *count);
void espalier_document_raw_end(espalier_document *document);

/* The number of UBJSON type `type` at data. False: no such type. */
bool espalier_document_raw_number(uint8_t type, const uint8_t *data,
                                  espalier_document_number *number);
/* Bytes of a number of that type, 0: no such type. */
size_t espalier_document_raw_bytes(uint8_t type);

/* Ends too early. Returns false. */
bool espalier_document_truncated(espalier_document *document);

/* The innermost object or array. */
espalier_document_frame *espalier_document_top(espalier_document *document);

#endif
