// SPDX-License-Identifier: Apache-2.0
/*
 * See text_check.h. One pass, no recursion.
 */
#include "engine/text_check.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the character at text[0], or 0 when it is no UTF-8. */
static size_t character_bytes(const uint8_t *text, size_t bytes)
{
    const uint8_t first = text[0];
    if (first < 0x80) {
        return 1;
    }
    const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || length > bytes) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0u) != 0x80u) {
            return 0;
        }
    }
    const bool overlong = (first == 0xE0 && text[1] < 0xA0) || (first == 0xF0 && text[1] < 0x90);
    const bool surrogate = first == 0xED && text[1] > 0x9F;
    const bool beyond = first == 0xF4 && text[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : length;
}

bool espalier_text_is_utf8(const char *text, size_t bytes)
{
    const uint8_t *const data = (const uint8_t *)text;
    for (size_t i = 0; i < bytes;) {
        const size_t length = character_bytes(data + i, bytes - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

typedef struct json_cursor {
    const char *text;
    size_t bytes;
    size_t at;
} json_cursor;

static char peek_byte(const json_cursor *cursor)
{
    return cursor->at < cursor->bytes ? cursor->text[cursor->at] : '\0';
}

static void skip_space(json_cursor *cursor)
{
    while (cursor->at < cursor->bytes && strchr(" \t\r\n", cursor->text[cursor->at]) != NULL &&
           cursor->text[cursor->at] != '\0') {
        cursor->at++;
    }
}

static bool take_byte(json_cursor *cursor, char wanted)
{
    if (cursor->at >= cursor->bytes || cursor->text[cursor->at] != wanted) {
        return false;
    }
    cursor->at++;
    return true;
}

static bool take_word(json_cursor *cursor, const char *word)
{
    const size_t length = strlen(word);
    if (cursor->bytes - cursor->at < length ||
        memcmp(cursor->text + cursor->at, word, length) != 0) {
        return false;
    }
    cursor->at += length;
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex_digit(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool take_digits(json_cursor *cursor)
{
    const size_t begin = cursor->at;
    while (is_digit(peek_byte(cursor))) {
        cursor->at++;
    }
    return cursor->at > begin;
}

static bool take_number(json_cursor *cursor)
{
    (void)take_byte(cursor, '-');
    if (!take_byte(cursor, '0') && !take_digits(cursor)) {
        return false;
    }
    if (take_byte(cursor, '.') && !take_digits(cursor)) {
        return false;
    }
    if (take_byte(cursor, 'e') || take_byte(cursor, 'E')) {
        if (!take_byte(cursor, '+')) {
            (void)take_byte(cursor, '-');
        }
        return take_digits(cursor);
    }
    return true;
}

static bool take_escape(json_cursor *cursor)
{
    const char byte = peek_byte(cursor);
    cursor->at++;
    if (byte != 'u') {
        return byte != '\0' && strchr("\"\\/bfnrt", byte) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        if (!is_hex_digit(peek_byte(cursor))) {
            return false;
        }
        cursor->at++;
    }
    return true;
}

static bool take_string(json_cursor *cursor)
{
    if (!take_byte(cursor, '"')) {
        return false;
    }
    while (cursor->at < cursor->bytes) {
        const unsigned char byte = (unsigned char)cursor->text[cursor->at++];
        if (byte == '"') {
            return true;
        }
        if (byte < 0x20 || (byte == '\\' && !take_escape(cursor))) {
            return false;
        }
    }
    return false;
}

static bool take_scalar(json_cursor *cursor)
{
    switch (peek_byte(cursor)) {
    case '"':
        return take_string(cursor);
    case 't':
        return take_word(cursor, "true");
    case 'f':
        return take_word(cursor, "false");
    case 'n':
        return take_word(cursor, "null");
    default:
        return take_number(cursor);
    }
}

static bool take_key(json_cursor *cursor)
{
    skip_space(cursor);
    if (!take_string(cursor)) {
        return false;
    }
    skip_space(cursor);
    return take_byte(cursor, ':');
}

/* Behind a value: closes what ends here. Sets *more when another value must follow. */
static bool take_ends(json_cursor *cursor, const char *open, size_t *depth, bool *more)
{
    while (*depth > 0) {
        skip_space(cursor);
        const bool in_object = open[*depth - 1] == '{';
        if (take_byte(cursor, ',')) {
            *more = true;
            return !in_object || take_key(cursor);
        }
        if (!take_byte(cursor, in_object ? '}' : ']')) {
            return false;
        }
        *depth -= 1;
    }
    *more = false;
    return true;
}

bool espalier_text_is_json_object(const char *text, size_t bytes)
{
    json_cursor cursor = {text, bytes, 0};
    char open[ESPALIER_JSON_DEPTH_MAX];
    size_t depth = 0;
    bool more = true;
    skip_space(&cursor);
    if (peek_byte(&cursor) != '{' || !espalier_text_is_utf8(text, bytes)) {
        return false;
    }
    while (more) {
        skip_space(&cursor);
        const char byte = peek_byte(&cursor);
        bool complete = true;
        if (byte == '{' || byte == '[') {
            if (depth == ESPALIER_JSON_DEPTH_MAX) {
                return false;
            }
            open[depth++] = byte;
            cursor.at++;
            skip_space(&cursor);
            /* An empty one is closed by take_ends; otherwise its first value comes next. */
            complete = peek_byte(&cursor) == (byte == '{' ? '}' : ']');
            if (!complete && byte == '{' && !take_key(&cursor)) {
                return false;
            }
        } else if (!take_scalar(&cursor)) {
            return false;
        }
        if (complete && !take_ends(&cursor, open, &depth, &more)) {
            return false;
        }
    }
    skip_space(&cursor);
    return cursor.at == bytes;
}
