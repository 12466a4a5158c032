// SPDX-License-Identifier: Apache-2.0
/*
 * Text and JSON for people and programs: escaping of untrusted text, numbers, names. Includes
 * cli.h, jansson and libc. Never passes a byte of a file to a terminal unescaped.
 */
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t espalier_utf8_decode(const char *text, size_t bytes, uint32_t *point_out)
{
    const unsigned char first = (unsigned char)text[0];
    if (first < 0x80) {
        *point_out = first;
        return 1;
    }
    size_t length = 0;
    uint32_t point = 0;
    uint32_t point_min = 0;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
        point = first & 0x1Fu;
        point_min = 0x80;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        point = first & 0x0Fu;
        point_min = 0x800;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        point = first & 0x07u;
        point_min = 0x10000;
    }
    if (length == 0 || length > bytes) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        const unsigned char next = (unsigned char)text[i];
        if ((next & 0xC0u) != 0x80u) {
            return 0;
        }
        point = point << 6 | (next & 0x3Fu);
    }
    if (point < point_min || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
        return 0;
    }
    *point_out = point;
    return length;
}

/* Control characters, and those that are invisible or change the direction of the text. */
static bool must_escape(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},
        {0x180E, 0x180E}, {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
        {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

void espalier_print_escaped(FILE *stream, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t point = 0;
        const size_t length = espalier_utf8_decode(text + at, bytes - at, &point);
        if (length == 0) {
            fprintf(stream, "\\x%02x", (unsigned)(unsigned char)text[at]);
            at++;
            continue;
        }
        if (!must_escape(point)) {
            fwrite(text + at, 1, length, stream);
        } else if (point < 0x80) {
            fprintf(stream, "\\x%02x", (unsigned)point);
        } else if (point < 0x10000) {
            fprintf(stream, "\\u%04x", (unsigned)point);
        } else {
            fprintf(stream, "\\U%08x", (unsigned)point);
        }
        at += length;
    }
}

void espalier_print_text(FILE *stream, const char *text)
{
    espalier_print_escaped(stream, text, strlen(text));
}

char *espalier_format_count(uint64_t count, char *buffer)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t out = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            buffer[out++] = ',';
        }
        buffer[out++] = digits[i];
    }
    buffer[out] = '\0';
    return buffer;
}

char *espalier_format_bytes(uint64_t bytes, char *buffer)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    if (bytes < 1000) {
        snprintf(buffer, 32, "%" PRIu64 " bytes", bytes);
        return buffer;
    }
    double amount = (double)bytes / 1000.0;
    size_t unit = 0;
    while (amount >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        amount /= 1000.0;
        unit++;
    }
    snprintf(buffer, 32, amount < 99.95 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return buffer;
}

char *espalier_format_digest(const uint8_t digest[32], char *buffer)
{
    static const char hexadecimal[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        buffer[2 * i] = hexadecimal[digest[i] >> 4];
        buffer[2 * i + 1] = hexadecimal[digest[i] & 15u];
    }
    buffer[64] = '\0';
    return buffer;
}

char *espalier_format_real(double value, bool is_float32, char *buffer)
{
    if (isnan(value)) {
        snprintf(buffer, 32, "nan");
        return buffer;
    }
    if (isinf(value)) {
        snprintf(buffer, 32, value < 0 ? "-inf" : "inf");
        return buffer;
    }
    /* Below the normal range fewer digits may do, so the search starts at one there. */
    const bool is_tiny = fabs(value) < (is_float32 ? 1.17549435e-38 : 2.2250738585072014e-308);
    const int digits_max = is_float32 ? 9 : 17;
    for (int digits = is_tiny ? 1 : (is_float32 ? 6 : 15); digits <= digits_max; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        const bool same =
            is_float32 ? strtof(buffer, NULL) == (float)value : strtod(buffer, NULL) == value;
        if (same) {
            break;
        }
    }
    return buffer;
}

static const char *const kind_names[] = {
    NULL, "margin", "probability", "class", "value", "leaf", "score",
};

const char *espalier_kind_name(uint32_t output_kind)
{
    if (output_kind == 0 || output_kind >= sizeof kind_names / sizeof kind_names[0]) {
        return "unknown";
    }
    return kind_names[output_kind];
}

uint32_t espalier_kind_from_name(const char *name)
{
    for (uint32_t kind = 1; kind < sizeof kind_names / sizeof kind_names[0]; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            return kind;
        }
    }
    return 0;
}

const char *espalier_dtype_name(uint32_t dtype)
{
    switch (dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        return "float32";
    case ESPALIER_DTYPE_FLOAT64:
        return "float64";
    case ESPALIER_DTYPE_INT32:
        return "int32";
    case ESPALIER_DTYPE_INT64:
        return "int64";
    default:
        return "unknown";
    }
}

bool espalier_parse_count(const char *text, uint64_t *count_out, const char **end_out)
{
    uint64_t count = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (count > (UINT64_MAX - digit) / 10) {
            return false;
        }
        count = count * 10 + digit;
    }
    if (at == text) {
        return false;
    }
    *count_out = count;
    *end_out = at;
    return true;
}

json_t *espalier_json_text(const char *text, size_t bytes)
{
    json_t *string = json_stringn(text, bytes);
    if (string != NULL || bytes > SIZE_MAX / 3) {
        return string;
    }
    /* Not UTF-8: each wrong byte becomes the three bytes of U+FFFD. */
    char *clean = malloc(bytes * 3 + 1);
    if (clean == NULL) {
        return NULL;
    }
    size_t out = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t point = 0;
        const size_t length = espalier_utf8_decode(text + at, bytes - at, &point);
        memcpy(clean + out, length == 0 ? "\xEF\xBF\xBD" : text + at, length == 0 ? 3 : length);
        out += length == 0 ? 3 : length;
        at += length == 0 ? 1 : length;
    }
    string = json_stringn(clean, out);
    free(clean);
    return string;
}

json_t *espalier_json_string(const char *text)
{
    return text == NULL ? json_null() : espalier_json_text(text, strlen(text));
}

json_t *espalier_json_count(uint64_t count)
{
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *espalier_json_error(const espalier_error *error)
{
    json_t *object = json_object();
    json_object_set_new(object, "status", json_string(espalier_status_name(error->status)));
    json_object_set_new(object, "message", espalier_json_string(error->message));
    if (error->file_offset != ESPALIER_OFFSET_NONE) {
        json_object_set_new(object, "file_offset", espalier_json_count(error->file_offset));
    }
    if (error->format_rule != 0) {
        json_object_set_new(object, "format_rule", json_integer(error->format_rule));
    }
    if (error->system_errno != 0) {
        json_object_set_new(object, "errno", json_integer(error->system_errno));
    }
    return object;
}

json_t *espalier_json_proof(const espalier_proof *proof)
{
    static const char *const causes[] = {"none", "threads", "unknown"};
    json_t *object = json_object();
    json_object_set_new(object, "rows_compared", espalier_json_count(proof->rows_compared));
    json_object_set_new(object, "values_compared", espalier_json_count(proof->values_compared));
    json_object_set_new(object, "leaves_compared", espalier_json_count(proof->leaves_compared));
    if (proof->check_rows == 0) {
        json_object_set_new(object, "check", json_null());
        return object;
    }
    json_t *check = json_object();
    json_object_set_new(check, "output", json_string(espalier_kind_name(proof->check_kind)));
    json_object_set_new(check, "rows", espalier_json_count(proof->check_rows));
    json_object_set_new(check, "values", espalier_json_count(proof->check_values));
    json_object_set_new(check, "differing", espalier_json_count(proof->check_differing));
    json_object_set_new(check, "ulp_max", espalier_json_count(proof->check_ulp_max));
    const uint32_t cause = proof->check_cause < 3 ? proof->check_cause : ESPALIER_CHECK_UNKNOWN;
    json_object_set_new(check, "cause", json_string(causes[cause]));
    json_object_set_new(object, "check", check);
    return object;
}

int espalier_json_print(json_t *value)
{
    int code = ESPALIER_EXIT_DONE;
    if (value == NULL) {
        return espalier_fail("not enough memory for the JSON text");
    }
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    if (text == NULL) {
        code = espalier_fail("not enough memory for the JSON text");
    } else {
        puts(text);
        if (!espalier_flush_output()) {
            code = ESPALIER_EXIT_INPUT;
        }
    }
    free(text);
    json_decref(value);
    return code;
}
