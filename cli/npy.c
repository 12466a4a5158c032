// SPDX-License-Identifier: Apache-2.0
/*
 * The .npy format; see npy.h. The header is a Python dict literal; only the three keys NumPy writes
 * are known, everything else is refused. Includes npy.h and libc. Trusts no number of the file.
 */
#include "npy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What is left of the header's text. */
typedef struct literal {
    const char *at;
    const char *end;
} literal;

size_t espalier_npy_header_bytes(const unsigned char *prefix, espalier_message *message)
{
    if (memcmp(prefix, ESPALIER_NPY_MAGIC, ESPALIER_NPY_MAGIC_BYTES) != 0) {
        espalier_message_set(message, "not an .npy file (no \\x93NUMPY at its start)");
        return 0;
    }
    const unsigned major = prefix[6];
    const unsigned minor = prefix[7];
    if (major < 1 || major > 3 || minor != 0) {
        espalier_message_set(message, ".npy format version %u.%u is not known (1.0 to 3.0 are)",
                             major, minor);
        return 0;
    }
    size_t bytes = (size_t)prefix[8] | (size_t)prefix[9] << 8;
    if (major > 1) {
        bytes |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
    }
    if (bytes > ESPALIER_NPY_HEADER_BYTES_MAX) {
        espalier_message_set(message, "the .npy header claims %zu bytes, more than %d", bytes,
                             ESPALIER_NPY_HEADER_BYTES_MAX);
        return 0;
    }
    return bytes + (major > 1 ? 12u : 10u);
}

static void skip_blanks(literal *text)
{
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r')) {
        text->at++;
    }
}

/* Skips blanks and takes `wanted` if it is next. */
static bool take_character(literal *text, char wanted)
{
    skip_blanks(text);
    if (text->at == text->end || *text->at != wanted) {
        return false;
    }
    text->at++;
    return true;
}

/* A string literal without escapes: its inside. */
static bool take_string(literal *text, const char **string_out, size_t *bytes_out)
{
    skip_blanks(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"')) {
        return false;
    }
    const char quote = *text->at;
    const char *start = text->at + 1;
    const char *stop = start;
    while (stop < text->end && *stop != quote && *stop != '\\') {
        stop++;
    }
    if (stop == text->end || *stop != quote) {
        return false;
    }
    *string_out = start;
    *bytes_out = (size_t)(stop - start);
    text->at = stop + 1;
    return true;
}

static bool take_word(literal *text, const char *word)
{
    skip_blanks(text);
    const size_t length = strlen(word);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0) {
        return false;
    }
    text->at += length;
    return true;
}

/* A whole number; Python 2 wrote an L after it. */
static bool take_size(literal *text, uint64_t *size_out)
{
    skip_blanks(text);
    uint64_t size = 0;
    const char *start = text->at;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        const uint64_t digit = (uint64_t)(*text->at - '0');
        if (size > (INT64_MAX - digit) / 10) {
            return false;
        }
        size = size * 10 + digit;
    }
    if (text->at == start) {
        return false;
    }
    if (text->at < text->end && *text->at == 'L') {
        text->at++;
    }
    *size_out = size;
    return true;
}

static bool take_shape(literal *text, espalier_npy *npy)
{
    if (!take_character(text, '(')) {
        return false;
    }
    npy->dimension_count = 0;
    npy->shape[0] = 1;
    npy->shape[1] = 1;
    while (!take_character(text, ')')) {
        uint64_t size = 0;
        if (npy->dimension_count == 64 || !take_size(text, &size)) {
            return false;
        }
        if (npy->dimension_count < 2) {
            npy->shape[npy->dimension_count] = size;
        } else if (npy->dimension_count == 2) {
            const bool fits = size == 0 || npy->shape[1] <= UINT64_MAX / size;
            npy->shape[1] = fits ? npy->shape[1] * size : UINT64_MAX;
        }
        npy->dimension_count++;
        if (take_character(text, ',')) {
            continue;
        }
        /* One dimension without a comma would be a number in parentheses, not a tuple. */
        return npy->dimension_count > 1 && take_character(text, ')');
    }
    return true;
}

/* What people call a dtype that is not supported. */
static const char *dtype_kind_name(char kind)
{
    switch (kind) {
    case 'O':
        return "Python objects";
    case 'V':
        return "raw or structured items";
    case 'S':
    case 'a':
        return "byte strings";
    case 'c':
        return "complex numbers";
    case 'M':
        return "dates";
    case 'm':
        return "time differences";
    case 'f':
        return "floats of this size";
    default:
        return "items of this kind";
    }
}

static bool parse_dtype(const char *descr, size_t bytes, espalier_npy *npy,
                        espalier_message *message)
{
    const int shown = bytes < 64 ? (int)bytes : 64;
    uint64_t size = 0;
    literal rest = {descr + (bytes < 2 ? bytes : 2), descr + bytes};
    if (bytes >= 2 && descr[1] == 'O') {
        return espalier_message_set(message, "dtype '%.*s' (%s) is not supported", shown, descr,
                                    dtype_kind_name('O'));
    }
    if (bytes < 3 || strchr("<>|=", descr[0]) == NULL || descr[0] == '\0' ||
        !take_size(&rest, &size) || rest.at != rest.end) {
        return espalier_message_set(message, "dtype '%.*s' is not supported", shown, descr);
    }

    npy->kind = descr[1];
    bool is_known = false;
    switch (npy->kind) {
    case 'b':
        is_known = size == 1;
        break;
    case 'i':
    case 'u':
        is_known = size == 1 || size == 2 || size == 4 || size == 8;
        break;
    case 'f':
        is_known = size == 2 || size == 4 || size == 8;
        break;
    case 'U':
        is_known = size >= 1 && size <= UINT32_MAX / 4;
        size *= 4;
        break;
    default:
        break;
    }
    if (!is_known) {
        return espalier_message_set(message, "dtype '%.*s' (%s) is not supported", shown, descr,
                                    dtype_kind_name(npy->kind));
    }
    npy->item_bytes = (uint32_t)size;
    const uint16_t one = 1;
    unsigned char first = 0;
    memcpy(&first, &one, 1);
    const char other_order = first == 1 ? '>' : '<';
    npy->is_swapped = size > 1 && descr[0] == other_order;
    return true;
}

/* One value of the dict, by its key. */
static bool take_value(literal *text, const char *key, size_t key_bytes, unsigned *seen,
                       espalier_npy *npy, espalier_message *message)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned which = 0;
    while (which < 3 &&
           (strlen(keys[which]) != key_bytes || memcmp(keys[which], key, key_bytes) != 0)) {
        which++;
    }
    if (which == 3 || (*seen & 1u << which) != 0) {
        return espalier_message_set(message, "the .npy header has an unknown or repeated key");
    }
    *seen |= 1u << which;

    const char *descr = NULL;
    size_t descr_bytes = 0;
    if (which == 0) {
        skip_blanks(text);
        if (text->at < text->end && (*text->at == '[' || *text->at == '(')) {
            return espalier_message_set(message, "structured dtypes are not supported");
        }
        if (take_string(text, &descr, &descr_bytes)) {
            return parse_dtype(descr, descr_bytes, npy, message);
        }
    } else if (which == 1) {
        npy->is_fortran = take_word(text, "True");
        if (npy->is_fortran || take_word(text, "False")) {
            return true;
        }
    } else if (take_shape(text, npy)) {
        return true;
    }
    return espalier_message_set(message, "the .npy header's '%s' is malformed", keys[which]);
}

static bool parse_dict(literal *text, espalier_npy *npy, espalier_message *message)
{
    unsigned seen = 0;
    bool is_open = take_character(text, '{');
    while (is_open && !take_character(text, '}')) {
        const char *key = NULL;
        size_t key_bytes = 0;
        is_open = take_string(text, &key, &key_bytes) && take_character(text, ':');
        if (!is_open) {
            break;
        }
        if (!take_value(text, key, key_bytes, &seen, npy, message)) {
            return false;
        }
        if (!take_character(text, ',')) {
            is_open = take_character(text, '}');
            break;
        }
    }
    skip_blanks(text);
    if (!is_open || text->at != text->end) {
        return espalier_message_set(message, "the .npy header is not a Python dict");
    }
    if (seen != 7) {
        return espalier_message_set(message,
                                    "the .npy header lacks 'descr', 'fortran_order' or 'shape'");
    }
    return true;
}

bool espalier_npy_parse(const unsigned char *bytes, size_t byte_count, espalier_npy *npy_out,
                        espalier_message *message)
{
    if (byte_count < 10 || (bytes[6] != 1 && byte_count < ESPALIER_NPY_PREFIX_BYTES)) {
        return espalier_message_set(message, "the .npy header is cut short");
    }
    const size_t header_bytes = espalier_npy_header_bytes(bytes, message);
    if (header_bytes == 0) {
        return false;
    }
    if (header_bytes > byte_count) {
        return espalier_message_set(message, "the .npy header is cut short");
    }

    espalier_npy npy = {0};
    const size_t text_offset = bytes[6] == 1 ? 10 : 12;
    literal text = {(const char *)bytes + text_offset, (const char *)bytes + header_bytes};
    if (!parse_dict(&text, &npy, message)) {
        return false;
    }
    npy.data_offset = header_bytes;

    const uint64_t rows = npy.shape[0];
    const uint64_t columns = npy.shape[1];
    if (columns != 0 && rows > (uint64_t)INT64_MAX / columns / npy.item_bytes) {
        return espalier_message_set(message,
                                    "an array of %" PRIu64 " x %" PRIu64
                                    " items of %u bytes is too large",
                                    rows, columns, npy.item_bytes);
    }
    npy.item_count = rows * columns;
    npy.data_bytes = npy.item_count * npy.item_bytes;
    *npy_out = npy;
    return true;
}

size_t espalier_npy_write_header(unsigned char *bytes, const char *descr, uint64_t row_count,
                                 uint64_t column_count, uint64_t depth)
{
    enum {
        ALIGNMENT = 64,
        ROW_DIGITS_MAX = 21,
        PREFIX = 10
    };
    char shape[96];
    char rows[24];
    const int row_digits = snprintf(rows, sizeof rows, "%" PRIu64, row_count);
    if (column_count == 0) {
        snprintf(shape, sizeof shape, "(%s,)", rows);
    } else if (depth == 0) {
        snprintf(shape, sizeof shape, "(%s, %" PRIu64 ")", rows, column_count);
    } else {
        snprintf(shape, sizeof shape, "(%s, %" PRIu64 ", %" PRIu64 ")", rows, column_count, depth);
    }

    /* NumPy leaves room so that the number of rows can grow in place. */
    char text[ESPALIER_NPY_WRITE_BYTES_MAX - 128];
    const int length =
        snprintf(text, sizeof text, "{'descr': '%.64s', 'fortran_order': False, 'shape': %s, }%*s",
                 descr, shape, ROW_DIGITS_MAX - row_digits, "");
    const size_t text_bytes = (size_t)length;
    const size_t padding = ALIGNMENT - (PREFIX + text_bytes + 1) % ALIGNMENT;
    const size_t header_bytes = text_bytes + padding + 1;

    memcpy(bytes, ESPALIER_NPY_MAGIC "\x01\x00", 8);
    bytes[8] = (unsigned char)(header_bytes & 0xFFu);
    bytes[9] = (unsigned char)(header_bytes >> 8);
    memcpy(bytes + PREFIX, text, text_bytes);
    memset(bytes + PREFIX + text_bytes, ' ', padding);
    bytes[PREFIX + text_bytes + padding] = '\n';
    return PREFIX + header_bytes;
}

void espalier_npy_swap(const espalier_npy *npy, unsigned char *items, size_t item_count)
{
    if (!npy->is_swapped) {
        return;
    }
    const size_t unit = npy->kind == 'U' ? 4 : npy->item_bytes;
    const size_t unit_count = item_count * (npy->item_bytes / unit);
    for (size_t i = 0; i < unit_count; i++) {
        unsigned char *item = items + i * unit;
        for (size_t low = 0, high = unit - 1; low < high; low++, high--) {
            const unsigned char byte = item[low];
            item[low] = item[high];
            item[high] = byte;
        }
    }
}

double espalier_npy_half(uint16_t bits)
{
    const unsigned exponent = bits >> 10 & 31u;
    const unsigned fraction = bits & 1023u;
    double value = 0;
    if (exponent == 31) {
        value = fraction == 0 ? (double)INFINITY : (double)NAN;
    } else if (exponent == 0) {
        value = ldexp(fraction, -24);
    } else {
        value = ldexp(fraction + 1024.0, (int)exponent - 25);
    }
    return (bits & 0x8000u) != 0 ? -value : value;
}

/* Rounds an integer to 53 bits, to odd: any bit that is lost is kept in the last one. */
static double round_to_odd(uint64_t magnitude)
{
    uint64_t rounded = magnitude;
    unsigned shift = 0;
    while (rounded >> 53 != 0) {
        rounded = rounded >> 1 | (rounded & 1u);
        shift++;
    }
    return ldexp((double)rounded, (int)shift);
}

static double signed_to_float64(int64_t value)
{
    return value < 0 ? -round_to_odd(UINT64_C(0) - (uint64_t)value) : round_to_odd((uint64_t)value);
}

/* Converts all items with one expression of the item, `item`, of the given type. */
#define CONVERT_ITEMS(type, expression)                      \
    for (size_t i = 0; i < item_count; i++) {                \
        type item;                                           \
        memcpy(&item, items + i * sizeof item, sizeof item); \
        values[i] = (expression);                            \
    }                                                        \
    break

void espalier_npy_to_float64(const espalier_npy *npy, const unsigned char *items, size_t item_count,
                             double *values)
{
    const unsigned width = npy->item_bytes;
    switch (npy->kind) {
    case 'b':
        CONVERT_ITEMS(uint8_t, item != 0 ? 1.0 : 0.0);
    case 'i':
        switch (width) {
        case 1:
            CONVERT_ITEMS(int8_t, (double)item);
        case 2:
            CONVERT_ITEMS(int16_t, (double)item);
        case 4:
            CONVERT_ITEMS(int32_t, (double)item);
        default:
            CONVERT_ITEMS(int64_t, signed_to_float64(item));
        }
        break;
    case 'u':
        switch (width) {
        case 1:
            CONVERT_ITEMS(uint8_t, (double)item);
        case 2:
            CONVERT_ITEMS(uint16_t, (double)item);
        case 4:
            CONVERT_ITEMS(uint32_t, (double)item);
        default:
            CONVERT_ITEMS(uint64_t, round_to_odd(item));
        }
        break;
    default:
        switch (width) {
        case 2:
            CONVERT_ITEMS(uint16_t, espalier_npy_half(item));
        case 4:
            CONVERT_ITEMS(float, (double)item);
        default:
            CONVERT_ITEMS(double, item);
        }
        break;
    }
}
