// SPDX-License-Identifier: Apache-2.0
/*
 * A text file in memory as lines, and lines as words: slices of the file, nothing is copied, so a
 * line may be as long as the file. Ends of lines are LF or CR LF.
 * May include: libc. Must never: read behind the text it is given.
 */
#ifndef ESPALIER_CONVERT_SOURCES_TEXT_LINES_H
#define ESPALIER_CONVERT_SOURCES_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the file. */
typedef struct espalier_text_slice {
    const char *text; /* not NUL-terminated; may hold any byte but LF */
    size_t bytes;
    uint64_t offset; /* in the file */
    uint64_t line;   /* counted from 1 */
} espalier_text_slice;

/* Where reading stands; zero but for data and bytes to start. A copy is a bookmark. */
typedef struct espalier_text_lines {
    const char *data;
    size_t bytes;
    size_t at;     /* of the next line */
    uint64_t line; /* lines read so far */
    bool complete; /* the last line read was ended, not cut off by the file's end */
} espalier_text_lines;

/* The next line without its end; false at the end of the file. */
bool espalier_text_line(espalier_text_lines *lines, espalier_text_slice *line_out);

/* Whether it is, or begins with, a NUL-terminated text. */
bool espalier_text_is(const espalier_text_slice *slice, const char *text);
bool espalier_text_begins(const espalier_text_slice *slice, const char *text);

/* Parts a line at its first '='; false when there is none. */
bool espalier_text_assignment(const espalier_text_slice *line, espalier_text_slice *key_out,
                              espalier_text_slice *value_out);

/* Takes the next word, bounded by blanks, off *rest; false when only blanks are left. */
bool espalier_text_word(espalier_text_slice *rest, espalier_text_slice *word_out);

/* How many words there are. */
uint64_t espalier_text_word_count(const espalier_text_slice *slice);

#endif
