// SPDX-License-Identifier: Apache-2.0
/*
 * UBJSON's grammar for document.c: a marker byte before every value but the items of a typed array;
 * all numbers are big-endian. Every function leaves `at` behind what it read.
 */
#include "convert/sources/document_internal.h"

#include <string.h>

size_t espalier_document_raw_bytes(uint8_t type)
{
    switch (type) {
    case 'i':
    case 'U':
    case 'C':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static uint64_t read_big_endian(const uint8_t *data, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | data[i];
    }
    return value;
}

bool espalier_document_raw_number(uint8_t type, const uint8_t *data,
                                  espalier_document_number *number)
{
    const size_t bytes = espalier_document_raw_bytes(type);
    if (bytes == 0) {
        return false;
    }
    const uint64_t bits = read_big_endian(data, bytes);
    const uint32_t low_bits = (uint32_t)bits;
    float narrow;
    *number = (espalier_document_number){.kind = ESPALIER_DOCUMENT_WHOLE};
    switch (type) {
    case 'i':
        number->integer = bits < 0x80 ? (int64_t)bits : (int64_t)bits - 0x100;
        break;
    case 'U':
    case 'C':
        number->integer = (int64_t)bits;
        break;
    case 'I':
        number->integer = (int16_t)bits;
        break;
    case 'l':
        number->integer = (int32_t)bits;
        break;
    case 'L':
        number->integer = (int64_t)bits;
        break;
    case 'd':
        memcpy(&narrow, &low_bits, sizeof narrow);
        number->real = narrow;
        number->kind = ESPALIER_DOCUMENT_REAL;
        break;
    default:
        memcpy(&number->real, &bits, sizeof bits);
        number->kind = ESPALIER_DOCUMENT_REAL;
        break;
    }
    return true;
}

/* That many bytes must follow. */
static bool need_bytes(espalier_document *document, uint64_t count)
{
    return count <= document->bytes - document->at || espalier_document_truncated(document);
}

static bool fail_marker(espalier_document *document, uint8_t marker, const char *wanted)
{
    return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->at,
                                  "byte 0x%02x where %s belongs", marker, wanted);
}

/* A marker that the items of a typed array leave out. */
static bool is_typed(const espalier_document *document)
{
    return document->depth > 0 && document->frames[document->depth - 1].item_type != 0;
}

/* The type of the value at hand; false: the file ends. */
static bool see_type(espalier_document *document, uint8_t *type)
{
    if (is_typed(document)) {
        *type = document->frames[document->depth - 1].item_type;
        return true;
    }
    if (!need_bytes(document, 1)) {
        return false;
    }
    *type = document->data[document->at];
    return true;
}

static espalier_document_kind ubjson_peek(espalier_document *document)
{
    uint8_t type;
    if (!see_type(document, &type)) {
        return ESPALIER_DOCUMENT_FAILED;
    }
    switch (type) {
    case '{':
        return ESPALIER_DOCUMENT_OBJECT;
    case '[':
        return ESPALIER_DOCUMENT_ARRAY;
    case 'S':
        return ESPALIER_DOCUMENT_TEXT;
    case 'T':
    case 'F':
        return ESPALIER_DOCUMENT_FLAG;
    case 'Z':
        return ESPALIER_DOCUMENT_NULL;
    default:
        break;
    }
    if (espalier_document_raw_bytes(type) != 0) {
        return ESPALIER_DOCUMENT_NUMBER;
    }
    (void)fail_marker(document, type, "a value");
    return ESPALIER_DOCUMENT_FAILED;
}

/* An integer with its marker, at least 0. */
static bool take_count(espalier_document *document, uint64_t *count)
{
    espalier_document_number number;
    if (!need_bytes(document, 1)) {
        return false;
    }
    const uint8_t type = document->data[document->at];
    const size_t bytes = espalier_document_raw_bytes(type);
    if (bytes == 0 || type == 'd' || type == 'D' || type == 'C') {
        return fail_marker(document, type, "a length");
    }
    if (!need_bytes(document, 1 + bytes)) {
        return false;
    }
    (void)espalier_document_raw_number(type, document->data + document->at + 1, &number);
    if (number.integer < 0) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->at,
                                      "a negative length");
    }
    document->at += 1 + bytes;
    *count = (uint64_t)number.integer;
    return true;
}

/* The type and the number of items, where an array says them. */
static bool take_array_head(espalier_document *document, espalier_document_frame *frame)
{
    uint8_t byte = document->data[document->at];
    size_t item_bytes = 1; /* at least its marker */
    if (byte == '$') {
        if (!need_bytes(document, 3)) {
            return false;
        }
        frame->item_type = document->data[document->at + 1];
        item_bytes = espalier_document_raw_bytes(frame->item_type);
        if (item_bytes == 0) {
            return fail_marker(document, frame->item_type, "the type of an array of numbers");
        }
        document->at += 2;
        byte = document->data[document->at];
        if (byte != '#') {
            return fail_marker(document, byte, "the length of a typed array");
        }
    }
    if (byte == '#') {
        document->at++;
        frame->counted = true;
        if (!take_count(document, &frame->left)) {
            return false;
        }
        if (frame->left > (document->bytes - document->at) / item_bytes) {
            return espalier_document_truncated(document);
        }
    }
    return true;
}

static bool ubjson_enter(espalier_document *document, espalier_document_frame *frame)
{
    document->at++;
    if (!need_bytes(document, 1)) {
        return false;
    }
    const uint8_t byte = document->data[document->at];
    if (!frame->is_object) {
        return take_array_head(document, frame);
    }
    return (byte != '$' && byte != '#') || fail_marker(document, byte, "a member");
}

static bool take_text(espalier_document *document, espalier_document_text *text)
{
    uint64_t bytes = 0;
    if (!take_count(document, &bytes) || !need_bytes(document, bytes)) {
        return false;
    }
    *text =
        (espalier_document_text){(const char *)document->data + document->at, (size_t)bytes, false};
    document->at += (size_t)bytes;
    return true;
}

static bool ubjson_member(espalier_document *document, espalier_document_frame *frame)
{
    if (!need_bytes(document, 1)) {
        return false;
    }
    if (document->data[document->at] == '}') {
        document->at++;
        return false;
    }
    document->value_at = document->at;
    return take_text(document, &frame->key);
}

static bool ubjson_item(espalier_document *document, espalier_document_frame *frame)
{
    if (frame->counted) {
        const bool more = frame->left > 0;
        frame->left -= more ? 1 : 0;
        return more;
    }
    if (!need_bytes(document, 1)) {
        return false;
    }
    if (document->data[document->at] == ']') {
        document->at++;
        return false;
    }
    return true;
}

static bool ubjson_text(espalier_document *document, espalier_document_text *text)
{
    document->at++;
    return take_text(document, text);
}

static bool ubjson_number(espalier_document *document, espalier_document_number *number)
{
    uint8_t type;
    if (!see_type(document, &type)) {
        return false;
    }
    const size_t marker_bytes = is_typed(document) ? 0 : 1;
    const size_t bytes = espalier_document_raw_bytes(type);
    if (!need_bytes(document, marker_bytes + bytes)) {
        return false;
    }
    (void)espalier_document_raw_number(type, document->data + document->at + marker_bytes, number);
    document->at += marker_bytes + bytes;
    return true;
}

static bool ubjson_flag(espalier_document *document, bool *value)
{
    *value = document->data[document->at] == 'T';
    document->at++;
    return true;
}

static bool ubjson_null(espalier_document *document)
{
    document->at++;
    return true;
}

static bool ubjson_finish(espalier_document *document)
{
    (void)document;
    return true;
}

const uint8_t *espalier_document_raw_items(espalier_document *document, uint8_t *item_type,
                                           uint64_t *count)
{
    const espalier_document_frame *const frame = espalier_document_top(document);
    if (frame->is_object || frame->item_type == 0) {
        return NULL;
    }
    *item_type = frame->item_type;
    *count = frame->left;
    return document->data + document->at;
}

void espalier_document_raw_end(espalier_document *document)
{
    espalier_document_frame *const frame = espalier_document_top(document);
    document->at += (size_t)frame->left * espalier_document_raw_bytes(frame->item_type);
    frame->left = 0;
}

const espalier_document_grammar espalier_document_ubjson = {
    .peek = ubjson_peek,
    .enter = ubjson_enter,
    .member = ubjson_member,
    .item = ubjson_item,
    .text = ubjson_text,
    .number = ubjson_number,
    .flag = ubjson_flag,
    .null = ubjson_null,
    .finish = ubjson_finish,
};
