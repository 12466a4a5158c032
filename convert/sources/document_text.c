// SPDX-License-Identifier: Apache-2.0
/*
 * Texts of a document: comparing and copying, with JSON's escapes resolved. The grammar has checked
 * that every escape is whole.
 */
#include "convert/sources/document.h"

#include "convert/sources/utf8.h"

#include <stdlib.h>
#include <string.h>

#define SURROGATE_FIRST     0xD800u
#define SURROGATE_LOW_FIRST 0xDC00u
#define SURROGATE_END       0xE000u

static uint32_t read_hex(const char *digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        const uint32_t digit = (uint32_t)(uint8_t)digits[i];
        value = value << 4 | (digit <= '9' ? digit - '0' : (digit | 0x20u) - 'a' + 10u);
    }
    return value;
}

/* What \b and its like stand for. */
static char plain_escape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/*
 * The character whose escape's letter is at text[*at]; moves behind it. False: half of a surrogate
 * pair.
 */
static bool resolve_escape(const espalier_document_text *text, size_t *at, uint32_t *point)
{
    const char letter = text->data[(*at)++];
    if (letter != 'u') {
        *point = (uint8_t)plain_escape(letter);
        return true;
    }
    *point = read_hex(text->data + *at);
    *at += 4;
    if (*point < SURROGATE_FIRST || *point >= SURROGATE_END) {
        return true;
    }
    if (*point >= SURROGATE_LOW_FIRST || text->bytes - *at < 6 || text->data[*at] != '\\' ||
        text->data[*at + 1] != 'u') {
        return false;
    }
    const uint32_t low = read_hex(text->data + *at + 2);
    if (low < SURROGATE_LOW_FIRST || low >= SURROGATE_END) {
        return false;
    }
    *point = 0x10000u + ((*point - SURROGATE_FIRST) << 10) + (low - SURROGATE_LOW_FIRST);
    *at += 6;
    return true;
}

bool espalier_document_text_is(const espalier_document_text *text, const char *ascii)
{
    const size_t bytes = strlen(ascii);
    if (!text->escaped) {
        return text->bytes == bytes && memcmp(text->data, ascii, bytes) == 0;
    }
    size_t at = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (at == text->bytes) {
            return false;
        }
        uint32_t point = (uint8_t)text->data[at++];
        if (point == '\\' && !resolve_escape(text, &at, &point)) {
            return false;
        }
        if (point != (uint8_t)ascii[i]) {
            return false;
        }
    }
    return at == text->bytes;
}

char *espalier_document_copy_text(espalier_document *document, const espalier_document_text *text,
                                  size_t *bytes_out)
{
    /* Resolving never lengthens: \u and four digits give three bytes at most, two of them four. */
    if (!espalier_document_charge(document, (uint64_t)text->bytes + 1)) {
        return NULL;
    }
    char *const copy = malloc(text->bytes + 1);
    if (copy == NULL) {
        (void)espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                     "no memory for a text of %zu bytes", text->bytes);
        return NULL;
    }
    size_t bytes = 0;
    bool good = true;
    for (size_t at = 0; at < text->bytes && good;) {
        const char byte = text->data[at++];
        uint32_t point;
        if (byte != '\\' || !text->escaped) {
            copy[bytes++] = byte;
        } else {
            good = resolve_escape(text, &at, &point);
            bytes += good ? espalier_pickle_utf8_put(point, (uint8_t *)copy + bytes) : 0;
        }
    }
    copy[bytes] = '\0';
    if (!good || !espalier_pickle_utf8_valid((const uint8_t *)copy, bytes) ||
        memchr(copy, '\0', bytes) != NULL) {
        (void)espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                     "a text that is no UTF-8, or holds a NUL");
        free(copy);
        return NULL;
    }
    if (bytes_out != NULL) {
        *bytes_out = bytes;
    }
    return copy;
}
