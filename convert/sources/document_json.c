// SPDX-License-Identifier: Apache-2.0
/*
 * JSON's grammar for document.c. Every function leaves `at` behind what it read.
 */
#include "convert/sources/document_internal.h"

#include <string.h>

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte)
{
    return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

/* Over blank space to a byte that must be there. */
static bool reach_byte(espalier_document *document)
{
    while (document->at < document->bytes && is_blank(document->data[document->at])) {
        document->at++;
    }
    return document->at < document->bytes || espalier_document_truncated(document);
}

static bool fail_byte(espalier_document *document, const char *wanted)
{
    const uint8_t byte = document->data[document->at];
    if (byte > 0x20 && byte < 0x7F) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->at,
                                      "'%c' where %s belongs", byte, wanted);
    }
    return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->at,
                                  "byte 0x%02x where %s belongs", byte, wanted);
}

/* Over this punctuation. */
static bool take_byte(espalier_document *document, uint8_t byte, const char *wanted)
{
    if (!reach_byte(document)) {
        return false;
    }
    if (document->data[document->at] != byte) {
        return fail_byte(document, wanted);
    }
    document->at++;
    return true;
}

static bool take_word(espalier_document *document, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (document->at == document->bytes) {
            return espalier_document_truncated(document);
        }
        if (document->data[document->at] != (uint8_t)word[i]) {
            return fail_byte(document, word);
        }
        document->at++;
    }
    return true;
}

static espalier_document_kind json_peek(espalier_document *document)
{
    if (!reach_byte(document)) {
        return ESPALIER_DOCUMENT_FAILED;
    }
    const uint8_t byte = document->data[document->at];
    switch (byte) {
    case '{':
        return ESPALIER_DOCUMENT_OBJECT;
    case '[':
        return ESPALIER_DOCUMENT_ARRAY;
    case '"':
        return ESPALIER_DOCUMENT_TEXT;
    case 't':
    case 'f':
        return ESPALIER_DOCUMENT_FLAG;
    case 'n':
        return ESPALIER_DOCUMENT_NULL;
    case '-':
    case 'N':
    case 'I':
        return ESPALIER_DOCUMENT_NUMBER;
    default:
        break;
    }
    if (is_digit(byte)) {
        return ESPALIER_DOCUMENT_NUMBER;
    }
    (void)fail_byte(document, "a value");
    return ESPALIER_DOCUMENT_FAILED;
}

static bool json_enter(espalier_document *document, espalier_document_frame *frame)
{
    (void)frame;
    document->at++;
    return true;
}

/* Behind a backslash. */
static bool take_escape(espalier_document *document)
{
    if (document->at == document->bytes) {
        return espalier_document_truncated(document);
    }
    const uint8_t byte = document->data[document->at];
    if (byte == 0 || strchr("\"\\/bfnrtu", byte) == NULL) {
        return fail_byte(document, "an escape");
    }
    document->at++;
    for (uint32_t i = 0; byte == 'u' && i < 4; i++) {
        if (document->at == document->bytes) {
            return espalier_document_truncated(document);
        }
        if (!is_hex(document->data[document->at])) {
            return fail_byte(document, "a hexadecimal digit");
        }
        document->at++;
    }
    return true;
}

static bool json_text(espalier_document *document, espalier_document_text *text)
{
    if (!take_byte(document, '"', "a text")) {
        return false;
    }
    const size_t start = document->at;
    bool escaped = false;
    while (document->at < document->bytes) {
        const uint8_t byte = document->data[document->at];
        if (byte == '"') {
            *text = (espalier_document_text){(const char *)document->data + start,
                                             document->at - start, escaped};
            document->at++;
            return true;
        }
        if (byte == '\n' || byte == '\r' || byte == '\0') {
            return fail_byte(document, "the rest of a text");
        }
        document->at++;
        if (byte == '\\') {
            escaped = true;
            if (!take_escape(document)) {
                return false;
            }
        }
    }
    return espalier_document_truncated(document);
}

static bool json_member(espalier_document *document, espalier_document_frame *frame)
{
    if (!reach_byte(document)) {
        return false;
    }
    if (document->data[document->at] == '}') {
        document->at++;
        return false;
    }
    if (frame->count > 0 && !take_byte(document, ',', "',' or '}'")) {
        return false;
    }
    if (!reach_byte(document)) {
        return false;
    }
    document->value_at = document->at;
    return json_text(document, &frame->key) && take_byte(document, ':', "':'");
}

static bool json_item(espalier_document *document, espalier_document_frame *frame)
{
    if (!reach_byte(document)) {
        return false;
    }
    if (document->data[document->at] == ']') {
        document->at++;
        return false;
    }
    return frame->count == 0 || take_byte(document, ',', "',' or ']'");
}

static size_t count_digits(const espalier_document *document)
{
    size_t count = 0;
    while (document->at + count < document->bytes &&
           is_digit(document->data[document->at + count])) {
        count++;
    }
    return count;
}

/* Over at least one digit. */
static bool take_digits(espalier_document *document)
{
    const size_t count = count_digits(document);
    if (count == 0) {
        return document->at == document->bytes ? espalier_document_truncated(document)
                                               : fail_byte(document, "a digit");
    }
    document->at += count;
    return true;
}

/* Over the byte if it comes next. */
static bool skip_byte(espalier_document *document, uint8_t byte, uint8_t other)
{
    if (document->at < document->bytes &&
        (document->data[document->at] == byte || document->data[document->at] == other)) {
        document->at++;
        return true;
    }
    return false;
}

static bool json_number(espalier_document *document, espalier_document_number *number)
{
    const size_t start = document->at;
    *number = (espalier_document_number){.text = (const char *)document->data + start};
    const bool negative = skip_byte(document, '-', '-');
    const uint8_t byte = document->at < document->bytes ? document->data[document->at] : 0;
    bool whole = false;
    if (byte == 'I' || (byte == 'N' && !negative)) {
        if (!take_word(document, byte == 'I' ? "Infinity" : "NaN")) {
            return false;
        }
    } else {
        if (!take_digits(document)) {
            return false;
        }
        whole = true;
        if (skip_byte(document, '.', '.')) {
            whole = false;
            if (!take_digits(document)) {
                return false;
            }
        }
        if (skip_byte(document, 'e', 'E')) {
            whole = false;
            (void)skip_byte(document, '-', '+');
            if (!take_digits(document)) {
                return false;
            }
        }
    }
    number->bytes = document->at - start;
    if (whole && espalier_decimal_to_int64(number->text, number->bytes, &number->integer)) {
        number->kind = ESPALIER_DOCUMENT_WHOLE;
    }
    return true;
}

static bool json_flag(espalier_document *document, bool *value)
{
    *value = document->data[document->at] == 't';
    return take_word(document, *value ? "true" : "false");
}

static bool json_null(espalier_document *document)
{
    return take_word(document, "null");
}

static bool json_finish(espalier_document *document)
{
    while (document->at < document->bytes && is_blank(document->data[document->at])) {
        document->at++;
    }
    return true;
}

const espalier_document_grammar espalier_document_json = {
    .peek = json_peek,
    .enter = json_enter,
    .member = json_member,
    .item = json_item,
    .text = json_text,
    .number = json_number,
    .flag = json_flag,
    .null = json_null,
    .finish = json_finish,
};
