// SPDX-License-Identifier: Apache-2.0
/*
 * See text_lines.h.
 */
#include "convert/sources/text_lines.h"

#include <string.h>

/* Words in so many bytes fit into one. */
#define COUNT_BYTES 255u

/* The slice without its first `count` bytes. */
static espalier_text_slice drop_bytes(const espalier_text_slice *slice, size_t count)
{
    return (espalier_text_slice){slice->text + count, slice->bytes - count, slice->offset + count,
                                 slice->line};
}

bool espalier_text_line(espalier_text_lines *lines, espalier_text_slice *line_out)
{
    if (lines->at >= lines->bytes) {
        return false;
    }
    const char *const start = lines->data + lines->at;
    const size_t left = lines->bytes - lines->at;
    const char *const end = memchr(start, '\n', left);
    size_t bytes = end != NULL ? (size_t)(end - start) : left;
    *line_out = (espalier_text_slice){start, bytes, lines->at, ++lines->line};
    lines->complete = end != NULL;
    lines->at += bytes + (end != NULL ? 1 : 0);
    if (end != NULL && bytes > 0 && start[bytes - 1] == '\r') {
        line_out->bytes--;
    }
    return true;
}

bool espalier_text_begins(const espalier_text_slice *slice, const char *text)
{
    const size_t bytes = strlen(text);
    return slice->bytes >= bytes && memcmp(slice->text, text, bytes) == 0;
}

bool espalier_text_is(const espalier_text_slice *slice, const char *text)
{
    return slice->bytes == strlen(text) && espalier_text_begins(slice, text);
}

bool espalier_text_assignment(const espalier_text_slice *line, espalier_text_slice *key_out,
                              espalier_text_slice *value_out)
{
    const char *const equals = line->bytes > 0 ? memchr(line->text, '=', line->bytes) : NULL;
    if (equals == NULL) {
        return false;
    }
    const size_t key_bytes = (size_t)(equals - line->text);
    *value_out = drop_bytes(line, key_bytes + 1);
    *key_out = *line;
    key_out->bytes = key_bytes;
    return true;
}

bool espalier_text_word(espalier_text_slice *rest, espalier_text_slice *word_out)
{
    size_t start = 0;
    while (start < rest->bytes && rest->text[start] == ' ') {
        start++;
    }
    size_t end = start;
    while (end < rest->bytes && rest->text[end] != ' ') {
        end++;
    }
    *word_out = drop_bytes(rest, start);
    word_out->bytes = end - start;
    *rest = drop_bytes(rest, end);
    return end > start;
}

uint64_t espalier_text_word_count(const espalier_text_slice *slice)
{
    const char *const text = slice->text;
    uint64_t count = slice->bytes > 0 && text[0] != ' ' ? 1 : 0;
    /* A byte is enough for each run, and lets a compiler compare many at once. */
    for (size_t first = 1; first < slice->bytes; first += COUNT_BYTES) {
        const size_t left = slice->bytes - first;
        const size_t end = first + (left < COUNT_BYTES ? left : COUNT_BYTES);
        uint8_t some = 0;
        for (size_t i = first; i < end; i++) {
            some = (uint8_t)(some + ((text[i] != ' ') & (text[i - 1] == ' ')));
        }
        count += some;
    }
    return count;
}
