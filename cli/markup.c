// SPDX-License-Identifier: Apache-2.0
/*
 * See markup.h. Includes markup.h, jansson and libc.
 */
#include "markup.h"

#include <stdlib.h>
#include <string.h>

char *espalier_visible_text(const char *text, size_t bytes)
{
    char *visible = NULL;
    size_t visible_bytes = 0;
    FILE *const stream = open_memstream(&visible, &visible_bytes);
    if (stream == NULL) {
        return NULL;
    }
    espalier_print_escaped(stream, text, bytes);
    if (fclose(stream) != 0) {
        free(visible);
        return NULL;
    }
    return visible;
}

static size_t point_columns(uint32_t point)
{
    return point >= 0x1100 ? 2 : 1;
}

size_t espalier_visible_columns(const char *text)
{
    const size_t bytes = strlen(text);
    size_t columns = 0;
    uint32_t point = 0;
    for (size_t at = 0; at < bytes;) {
        const size_t length = espalier_utf8_decode(text + at, bytes - at, &point);
        columns += point_columns(point);
        at += length > 0 ? length : 1;
    }
    return columns;
}

void espalier_visible_cut(char *text, size_t columns_max)
{
    const size_t bytes = strlen(text);
    size_t columns = 0;
    size_t room = 0; /* where three points still fit */
    uint32_t point = 0;
    for (size_t at = 0; at < bytes;) {
        const size_t length = espalier_utf8_decode(text + at, bytes - at, &point);
        if (columns + 3 <= columns_max) {
            room = at;
        }
        columns += point_columns(point);
        if (columns > columns_max) {
            /* At least one more character is cut than the points take the place of. */
            memcpy(text + room, "...", bytes - room < 3 ? bytes - room : 3);
            text[bytes - room < 3 ? bytes : room + 3] = '\0';
            return;
        }
        at += length > 0 ? length : 1;
    }
}

void espalier_print_xml(FILE *stream, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        switch (*at) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        case '\'':
            fputs("&#39;", stream);
            break;
        default:
            fputc(*at, stream);
            break;
        }
    }
}

void espalier_print_dot(FILE *stream, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            fputc('\\', stream);
        }
        fputc(*at, stream);
    }
}

/* Of a JSON text <, > and & can only be part of a string. */
static int put_json(const char *text, size_t bytes, void *context)
{
    FILE *const stream = context;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '<' || text[i] == '>' || text[i] == '&') {
            fprintf(stream, "\\u%04x", (unsigned)(unsigned char)text[i]);
        } else {
            fputc(text[i], stream);
        }
    }
    return ferror(stream) ? -1 : 0;
}

bool espalier_print_script_json(FILE *stream, const json_t *value)
{
    return json_dump_callback(value, put_json, stream, JSON_COMPACT | JSON_ENSURE_ASCII) == 0;
}
