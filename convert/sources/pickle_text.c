// SPDX-License-Identifier: Apache-2.0
/*
 * Text in pickles: UTF-8, latin-1, the escapes and numbers of protocol 0, escaping for messages.
 * May include: the reader's own headers. Must never depend on the process's locale.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"

#define FLOAT_BYTES_MAX 512u

/* Length of the well-formed UTF-8 character at data, 0 if none; surrogates only if asked. */
static size_t measure_character(const uint8_t *data, uint64_t left, bool surrogates,
                                uint32_t *code_out)
{
    const uint8_t lead = data[0];
    if (lead < 0x80) {
        *code_out = lead;
        return 1;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < length) {
        return 0;
    }
    uint32_t code = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xC0u) != 0x80u) {
            return 0;
        }
        code = code << 6 | (data[i] & 0x3Fu);
    }
    const uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    if (code < least || code > 0x10FFFF || (!surrogates && code >= 0xD800 && code <= 0xDFFF)) {
        return 0;
    }
    *code_out = code;
    return length;
}

/* How many bytes from the start are below 0x80, eight at a time. */
static uint64_t count_ascii(const uint8_t *data, uint64_t bytes)
{
    uint64_t at = 0;
    while (bytes - at >= 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        if ((word & 0x8080808080808080u) != 0) {
            break;
        }
        at += 8;
    }
    while (at < bytes && data[at] < 0x80) {
        at++;
    }
    return at;
}

/* A plain loop that compilers turn into vectors. */
static uint64_t count_high(const uint8_t *data, uint64_t bytes)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        count += data[i] >> 7;
    }
    return count;
}

bool espalier_pickle_utf8_valid(const uint8_t *data, uint64_t bytes)
{
    uint64_t at = count_ascii(data, bytes);
    while (at < bytes) {
        uint32_t code;
        const size_t length = measure_character(data + at, bytes - at, false, &code);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

size_t espalier_pickle_utf8_put(uint32_t code_point, uint8_t *out)
{
    uint8_t bytes[4];
    size_t length;
    if (code_point < 0x80) {
        bytes[0] = (uint8_t)code_point;
        length = 1;
    } else if (code_point < 0x800) {
        bytes[0] = (uint8_t)(0xC0u | code_point >> 6);
        bytes[1] = (uint8_t)(0x80u | (code_point & 0x3Fu));
        length = 2;
    } else if (code_point < 0x10000) {
        bytes[0] = (uint8_t)(0xE0u | code_point >> 12);
        bytes[1] = (uint8_t)(0x80u | (code_point >> 6 & 0x3Fu));
        bytes[2] = (uint8_t)(0x80u | (code_point & 0x3Fu));
        length = 3;
    } else {
        bytes[0] = (uint8_t)(0xF0u | (code_point >> 18 & 0x07u));
        bytes[1] = (uint8_t)(0x80u | (code_point >> 12 & 0x3Fu));
        bytes[2] = (uint8_t)(0x80u | (code_point >> 6 & 0x3Fu));
        bytes[3] = (uint8_t)(0x80u | (code_point & 0x3Fu));
        length = 4;
    }
    if (out != NULL) {
        memcpy(out, bytes, length);
    }
    return length;
}

espalier_status espalier_pickle_latin1(espalier_pickle_machine *machine,
                                       espalier_pickle_value *text, const uint8_t **data_out,
                                       uint64_t *bytes_out)
{
    const uint8_t *const data = espalier_pickle_data(text);
    const uint64_t bytes = espalier_pickle_bytes(text);
    uint64_t plain = bytes;
    /* Scanned once per text: a memoised one may come back millions of times. */
    if ((text->flags & (ESPALIER_PICKLE_FLAG_ASCII | ESPALIER_PICKLE_FLAG_PYTHON2)) == 0) {
        plain = count_ascii(data, bytes);
        if (plain == bytes) {
            text->flags |= ESPALIER_PICKLE_FLAG_ASCII;
        }
    }
    if (plain == bytes) {
        *data_out = data;
        *bytes_out = bytes;
        return ESPALIER_OK;
    }
    /* Every byte above 0x7F leads or follows in a pair that becomes one. */
    uint8_t *const copy =
        espalier_pickle_take(machine->pickle, bytes - count_high(data, bytes) / 2 + 1);
    if (copy == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    memcpy(copy, data, plain);
    uint64_t from = plain;
    uint64_t to = plain;
    unsigned bad = 0;
    /* Without branches: in array data every byte is a coin toss, 4 times slower guessed. */
    while (bytes - from >= 2) {
        const unsigned lead = data[from];
        const unsigned next = data[from + 1];
        const unsigned wide = lead >> 7;
        bad |= wide & (unsigned)((lead & 0xFEu) != 0xC2u || (next & 0xC0u) != 0x80u);
        copy[to++] = (uint8_t)(wide != 0 ? (lead << 6 | (next & 0x3Fu)) : lead);
        from += 1 + wide;
    }
    if (from < bytes) {
        bad |= data[from] >> 7;
        copy[to++] = data[from];
    }
    if (bad != 0) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "text that should be bytes holds a character above U+00FF");
    }
    *data_out = copy;
    *bytes_out = to;
    return ESPALIER_OK;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

espalier_status espalier_pickle_text_integer(espalier_pickle_machine *machine, const uint8_t *line,
                                             uint64_t bytes, bool is_long,
                                             espalier_pickle_value **out)
{
    uint64_t end = bytes;
    if (is_long && end > 0 && line[end - 1] == 'L') {
        end--;
    }
    uint64_t at = end > 0 && (line[0] == '-' || line[0] == '+') ? 1 : 0;
    const bool negative = at == 1 && line[0] == '-';
    if (at == end) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "an integer of no digits");
    }
    if (end - at > ESPALIER_PICKLE_DIGITS_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "an integer of more than %u digits",
                                    ESPALIER_PICKLE_DIGITS_MAX);
    }
    const uint64_t most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    uint64_t magnitude = 0;
    bool fits = true;
    for (; at < end; at++) {
        if (!is_digit(line[at])) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                        "an integer holds something else than digits");
        }
        const uint64_t digit = (uint64_t)(line[at] - '0');
        fits = fits && magnitude <= (most - digit) / 10;
        magnitude = fits ? magnitude * 10 + digit : 0;
    }
    espalier_pickle_value *const value =
        fits ? espalier_pickle_make(machine, ESPALIER_PICKLE_INTEGER)
             : espalier_pickle_make_slice(machine, ESPALIER_PICKLE_BIG_INTEGER, line, end);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    if (fits) {
        const uint64_t bits = negative ? 0 - magnitude : magnitude;
        memcpy(&value->as.integer, &bits, sizeof bits);
    }
    *out = value;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_text_float(espalier_pickle_machine *machine, const uint8_t *line,
                                           uint64_t bytes, espalier_pickle_value **out)
{
    char text[FLOAT_BYTES_MAX + 1];
    if (bytes == 0 || bytes > FLOAT_BYTES_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a number of %llu characters", (unsigned long long)bytes);
    }
    /* What repr() writes and nothing else: no hexadecimal, no spaces, no nan(...). */
    const uint64_t sign = line[0] == '-' || line[0] == '+' ? 1 : 0;
    const bool named = (bytes - sign == 3 &&
                        (memcmp(line + sign, "inf", 3) == 0 || memcmp(line + sign, "nan", 3) == 0));
    for (uint64_t i = 0; i < bytes; i++) {
        if (!named && !is_digit(line[i]) && memchr("+-.eE", line[i], 5) == NULL) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                        "a malformed number");
        }
    }
    memcpy(text, line, (size_t)bytes);
    text[bytes] = '\0';
    if (machine->locale == NULL) {
        machine->locale = (void *)newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
        if (machine->locale == NULL) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_MEMORY, "no C locale");
        }
    }
    char *end = NULL;
    const double number = strtod_l(text, &end, (locale_t)machine->locale);
    if (end != text + bytes) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX, "a malformed number");
    }
    espalier_pickle_value *const value = espalier_pickle_make(machine, ESPALIER_PICKLE_FLOAT);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    value->as.real = number;
    *out = value;
    return ESPALIER_OK;
}

static int hex_digit(uint8_t byte)
{
    if (is_digit(byte)) {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* Exactly `count` hexadecimal digits; false when there are fewer. */
static bool read_hex(const uint8_t *data, uint64_t left, size_t count, uint32_t *out)
{
    if (left < count) {
        return false;
    }
    uint32_t code = 0;
    for (size_t i = 0; i < count; i++) {
        const int digit = hex_digit(data[i]);
        if (digit < 0) {
            return false;
        }
        code = code << 4 | (uint32_t)digit;
    }
    *out = code;
    return true;
}

/* One escape of a Python 2 string after its backslash: the bytes it takes, 0 if malformed. */
static size_t read_string_escape(const uint8_t *data, uint64_t left, uint8_t *out, size_t *put)
{
    static const char letters[] = "\\'\"abfnrtv";
    static const char meanings[] = "\\'\"\a\b\f\n\r\t\v";
    *put = 1;
    const char *const letter = data[0] == 0 ? NULL : strchr(letters, data[0]);
    if (letter != NULL) {
        *out = (uint8_t)meanings[letter - letters];
        return 1;
    }
    uint32_t code = 0;
    if (data[0] == 'x') {
        if (!read_hex(data + 1, left - 1, 2, &code)) {
            return 0;
        }
        *out = (uint8_t)code;
        return 3;
    }
    size_t digits = 0;
    while (digits < 3 && digits < left && data[digits] >= '0' && data[digits] <= '7') {
        code = code * 8 + (uint32_t)(data[digits] - '0');
        digits++;
    }
    *out = (uint8_t)code;
    return digits;
}

/* What the line meant, in place of the line. */
static espalier_status set_text(espalier_pickle_machine *machine, espalier_pickle_value *value,
                                const uint8_t *data, uint64_t bytes)
{
    return espalier_pickle_set_slice(machine, value, data, bytes)
               ? ESPALIER_OK
               : espalier_pickle_no_memory(machine);
}

espalier_status espalier_pickle_text_string(espalier_pickle_machine *machine, const uint8_t *line,
                                            uint64_t bytes, espalier_pickle_value **out)
{
    /* The writer's repr(): one kind of quote at both ends. */
    if (bytes < 2 || (line[0] != '\'' && line[0] != '"') || line[bytes - 1] != line[0]) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a string without its quotes");
    }
    const uint8_t *const data = line + 1;
    const uint64_t length = bytes - 2;
    espalier_pickle_value *const value =
        espalier_pickle_make_slice(machine, ESPALIER_PICKLE_TEXT, data, length);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    value->flags |= ESPALIER_PICKLE_FLAG_PYTHON2;
    *out = value;
    if (length == 0 || memchr(data, '\\', (size_t)length) == NULL) {
        return ESPALIER_OK;
    }
    uint8_t *const copy = espalier_pickle_take(machine->pickle, length);
    if (copy == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    uint64_t to = 0;
    for (uint64_t from = 0; from < length;) {
        if (data[from] != '\\') {
            copy[to++] = data[from++];
            continue;
        }
        size_t put = 0;
        const size_t taken =
            length - from < 2
                ? 0
                : read_string_escape(data + from + 1, length - from - 1, copy + to, &put);
        if (taken == 0) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                        "a string with a malformed escape");
        }
        to += put;
        from += 1 + taken;
    }
    return set_text(machine, value, copy, to);
}

espalier_status espalier_pickle_text_unicode(espalier_pickle_machine *machine, const uint8_t *line,
                                             uint64_t bytes, espalier_pickle_value **out)
{
    espalier_pickle_value *const value =
        espalier_pickle_make_slice(machine, ESPALIER_PICKLE_TEXT, line, bytes);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    *out = value;
    if (bytes == 0 ||
        (memchr(line, '\\', (size_t)bytes) == NULL && count_ascii(line, bytes) == bytes)) {
        return ESPALIER_OK;
    }
    /* raw-unicode-escape: latin-1, so bytes above 0x7F double, but for \uXXXX and \UXXXXXXXX, which
     * shrink. */
    uint8_t *const copy = espalier_pickle_take(machine->pickle, bytes + count_high(line, bytes));
    if (copy == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    uint64_t to = 0;
    for (uint64_t from = 0; from < bytes;) {
        uint32_t code = line[from];
        size_t taken = 1;
        if (code == '\\' && bytes - from >= 2) {
            const size_t digits = line[from + 1] == 'u' ? 4 : line[from + 1] == 'U' ? 8 : 0;
            if (digits != 0) {
                if (!read_hex(line + from + 2, bytes - from - 2, digits, &code) ||
                    code > 0x10FFFF) {
                    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                                "text with a malformed escape");
                }
                taken = 2 + digits;
            } else {
                copy[to++] = '\\';
                code = line[from + 1];
                taken = 2;
            }
        }
        to += espalier_pickle_utf8_put(code, copy + to);
        from += taken;
    }
    return set_text(machine, value, copy, to);
}

/* Characters that could deceive a reader of a message: controls, bidi and zero-width marks. */
static bool is_deceptive(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xAD || code == 0x61C ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || code >= 0xE0000;
}

void espalier_pickle_escape(const char *text, size_t bytes, char *out, size_t capacity)
{
    const uint8_t *const data = (const uint8_t *)text;
    size_t to = 0;
    for (size_t from = 0; from < bytes;) {
        uint32_t code = data[from];
        size_t length = measure_character(data + from, bytes - from, false, &code);
        char piece[16];
        if (length == 0) {
            length = 1;
            snprintf(piece, sizeof piece, "\\x%02x", data[from]);
        } else if (is_deceptive(code)) {
            snprintf(piece, sizeof piece, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
        } else {
            memcpy(piece, data + from, length);
            piece[length] = '\0';
        }
        const size_t piece_bytes = strlen(piece);
        if (capacity - to <= piece_bytes) {
            break;
        }
        memcpy(out + to, piece, piece_bytes);
        to += piece_bytes;
        from += length;
    }
    out[to] = '\0';
}
