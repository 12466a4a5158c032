// SPDX-License-Identifier: Apache-2.0
/*
 * JSON texts as UBJSON, for the tests of its readers. May include: the reader of documents.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_UBJSON_H
#define ESPALIER_TESTS_UNIT_TEST_UBJSON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/document.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct ubjson_writer {
    char bytes[8192];
    size_t count;
} ubjson_writer;

static inline void ubjson_put_byte(ubjson_writer *writer, char byte)
{
    assert_true(writer->count < sizeof writer->bytes);
    writer->bytes[writer->count++] = byte;
}

static inline void ubjson_put_number(ubjson_writer *writer, uint64_t bits, uint32_t byte_count)
{
    for (uint32_t i = byte_count; i > 0; i--) {
        ubjson_put_byte(writer, (char)(bits >> (8 * (i - 1))));
    }
}

static inline void ubjson_put_text(ubjson_writer *writer, const char *text)
{
    ubjson_put_byte(writer, 'L');
    ubjson_put_number(writer, strlen(text), 8);
    for (size_t i = 0; text[i] != '\0'; i++) {
        ubjson_put_byte(writer, text[i]);
    }
}

/* One value that holds no others. */
static inline void ubjson_put_scalar(ubjson_writer *writer, espalier_document *document)
{
    espalier_document_text text;
    const char *const at = (const char *)document->data + document->at;
    const bool whole_number = strcspn(at, ",]}") <= strcspn(at, ".eEIN");
    int64_t integer = 0;
    float real = 0;
    uint32_t bits;
    bool flag = false;
    switch (espalier_document_peek(document)) {
    case ESPALIER_DOCUMENT_TEXT:
        assert_true(espalier_document_read_text(document, &text));
        char *const copy = espalier_document_copy_text(document, &text, NULL);
        ubjson_put_byte(writer, 'S');
        ubjson_put_text(writer, copy);
        free(copy);
        break;
    case ESPALIER_DOCUMENT_NUMBER:
        if (whole_number) {
            assert_true(espalier_document_read_int64(document, &integer));
            ubjson_put_byte(writer, 'L');
            ubjson_put_number(writer, (uint64_t)integer, 8);
        } else {
            assert_true(espalier_document_read_float32(document, &real));
            memcpy(&bits, &real, sizeof bits);
            ubjson_put_byte(writer, 'd');
            ubjson_put_number(writer, bits, 4);
        }
        break;
    case ESPALIER_DOCUMENT_FLAG:
        assert_true(espalier_document_read_flag(document, &flag));
        ubjson_put_byte(writer, flag ? 'T' : 'F');
        break;
    default:
        assert_true(espalier_document_skip(document));
        ubjson_put_byte(writer, 'Z');
        break;
    }
}

/* The JSON text as UBJSON; arrays are open ones. */
static inline void ubjson_put_document(ubjson_writer *writer, const char *json)
{
    espalier_document document;
    espalier_error failure = {0};
    writer->count = 0;
    assert_true(espalier_document_open(&document, "json", (const uint8_t *)json, strlen(json),
                                       ESPALIER_DOCUMENT_JSON, UINT64_C(1) << 20, &failure));
    do {
        const espalier_document_kind kind = espalier_document_peek(&document);
        if (kind == ESPALIER_DOCUMENT_OBJECT) {
            assert_true(espalier_document_enter_object(&document));
            ubjson_put_byte(writer, '{');
        } else if (kind == ESPALIER_DOCUMENT_ARRAY) {
            assert_true(espalier_document_enter_array(&document));
            ubjson_put_byte(writer, '[');
        } else {
            ubjson_put_scalar(writer, &document);
        }
        for (bool found = false; !found && document.depth > 0;) {
            espalier_document_text key;
            const bool is_object = document.frames[document.depth - 1].is_object;
            found = is_object ? espalier_document_member(&document, &key)
                              : espalier_document_item(&document);
            if (!found) {
                ubjson_put_byte(writer, is_object ? '}' : ']');
            } else if (is_object) {
                char *const copy = espalier_document_copy_text(&document, &key, NULL);
                ubjson_put_text(writer, copy);
                free(copy);
            }
        }
    } while (document.depth > 0);
    assert_int_equal(document.status, ESPALIER_OK);
    espalier_document_close(&document);
}

#endif
