// SPDX-License-Identifier: Apache-2.0
/*
 * tests/fixtures/manifest.tsv, which tests/fixtures/README.md describes: a line per model, with the
 * files of rows and of what the trainer answered to them.
 */
#ifndef TESTS_SUPPORT_FIXTURE_LINES_H
#define TESTS_SUPPORT_FIXTURE_LINES_H

#include "espalier.h"
#include "tests/support/fixture_message.h"

#include <stdint.h>

enum {
    FIXTURE_FILES_MAX = 8,
    FIXTURE_ANSWERS_MAX = 12,
    FIXTURE_CASES_MAX = 8
};

/* OUTPUT=FILE, OUTPUT@A:B=FILE or OUTPUT~=FILE. */
typedef struct fixture_answer {
    const char *name; /* as in the manifest, "leaf@0:5" */
    const char *file;
    espalier_output_kind kind;
    bool is_linked;           /* "~": through exp or log, off by some units in the last place */
    uint32_t iteration_first; /* of a range; count 0: the default */
    uint32_t iteration_count;
} fixture_answer;

/* Files of rows that all have the same answers, or must all be refused with these words. */
typedef struct fixture_case {
    const char *files[FIXTURE_FILES_MAX];
    uint32_t file_count;
    fixture_answer answers[FIXTURE_ANSWERS_MAX];
    uint32_t answer_count;
    const char *words; /* NULL: there are answers */
} fixture_case;

typedef struct fixture_line {
    const char *path; /* from the manifest's folder */
    const char *estimator;
    const char *purpose;
    const char *select;  /* NULL: nothing */
    const char *refused; /* words when converting must be refused; NULL: there are cases */
    fixture_case cases[FIXTURE_CASES_MAX];
    uint32_t case_count;
} fixture_line;

typedef struct fixture_lines {
    char *text; /* what all the strings lie in */
    fixture_line *lines;
    size_t count;
} fixture_lines;

/* False, and the message set, when the manifest cannot be read or a line has neither answers nor a
 * refusal. Free with fixture_lines_free after success. */
bool fixture_lines_read(const char *path, fixture_lines *lines_out, fixture_message *message);
void fixture_lines_free(fixture_lines *lines);

/* Every word of words, which a space separates, is in the text, in any case; a|b asks for one of
 * them, "+" for nothing. */
bool fixture_words_match(const char *words, const char *text, fixture_message *message);

#endif
