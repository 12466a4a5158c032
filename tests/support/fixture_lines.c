// SPDX-License-Identifier: Apache-2.0
/*
 * See fixture_lines.h. The text is split in place. Includes libc only.
 */
#include "tests/support/fixture_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIELD_COUNT = 7,
    TEXT_BYTES_MAX = 1 << 24
};

static const char columns[] = "path\tversion\testimator\tpurpose\tselect\tcases\trefused";

/* ---- a line ---------------------------------------------------------------------------------- */

/* What comes before the separator; *rest becomes what comes after it, NULL at the end. */
static char *cut_before(char **rest, const char *separator)
{
    char *const start = *rest;
    char *const end = strstr(start, separator);
    *rest = NULL;
    if (end != NULL) {
        *end = '\0';
        *rest = end + strlen(separator);
    }
    return start;
}

/* The kind of an output whose name has this many letters; 0: there is none. */
static uint32_t find_kind(const char *name, size_t length)
{
    static const char *const names[] = {
        [ESPALIER_OUTPUT_MARGIN] = "margin", [ESPALIER_OUTPUT_PROBABILITY] = "probability",
        [ESPALIER_OUTPUT_CLASS] = "class",   [ESPALIER_OUTPUT_VALUE] = "value",
        [ESPALIER_OUTPUT_LEAF] = "leaf",     [ESPALIER_OUTPUT_SCORE] = "score"};
    for (uint32_t kind = 1; kind < sizeof names / sizeof names[0]; kind++) {
        if (strlen(names[kind]) == length && memcmp(names[kind], name, length) == 0) {
            return kind;
        }
    }
    return 0;
}

/* "A:B", iterations A up to B. */
static bool parse_range(const char *text, fixture_answer *answer)
{
    char *end = NULL;
    const unsigned long first = strtoul(text, &end, 10);
    if (end == text || *end != ':') {
        return false;
    }
    const char *const behind = end + 1;
    const unsigned long last = strtoul(behind, &end, 10);
    if (end == behind || *end != '\0' || last <= first || last > UINT32_MAX) {
        return false;
    }
    answer->iteration_first = (uint32_t)first;
    answer->iteration_count = (uint32_t)(last - first);
    return true;
}

static bool parse_answer(char *text, fixture_answer *answer)
{
    char *file = text;
    answer->name = cut_before(&file, "=");
    answer->file = file;
    const size_t length = strcspn(answer->name, "@~");
    const char *const tail = answer->name + length;
    answer->kind = (espalier_output_kind)find_kind(answer->name, length);
    answer->is_linked = strcmp(tail, "~") == 0;
    const bool has_range = tail[0] == '@' && parse_range(tail + 1, answer);
    return file != NULL && *file != '\0' && answer->kind != 0 &&
           (tail[0] == '\0' || answer->is_linked || has_range);
}

static bool parse_case(char *text, fixture_case *one)
{
    char *rest = text;
    char *files = cut_before(&rest, " ");
    while (files != NULL) {
        const char *const file = cut_before(&files, ",");
        if (one->file_count == FIXTURE_FILES_MAX || *file == '\0') {
            return false;
        }
        one->files[one->file_count++] = file;
    }
    if (rest != NULL && rest[0] == '!') {
        one->words = rest + 1;
        return rest[1] != '\0';
    }
    while (rest != NULL) {
        if (one->answer_count == FIXTURE_ANSWERS_MAX ||
            !parse_answer(cut_before(&rest, " "), &one->answers[one->answer_count])) {
            return false;
        }
        one->answer_count++;
    }
    return one->answer_count > 0;
}

static bool parse_line(char *text, fixture_line *line, fixture_message *message)
{
    char *fields[FIELD_COUNT];
    char *rest = text;
    size_t count = 0;
    while (rest != NULL && count < FIELD_COUNT) {
        fields[count++] = cut_before(&rest, "\t");
    }
    if (rest != NULL || count != FIELD_COUNT) {
        return fixture_fail(message, "%s: not %d fields", text, FIELD_COUNT);
    }
    *line = (fixture_line){.path = fields[0], .estimator = fields[2], .purpose = fields[3]};
    line->select = strcmp(fields[4], "-") == 0 ? NULL : fields[4];
    if (strcmp(fields[6], "-") != 0) {
        line->refused = fields[6];
        return true;
    }
    rest = fields[5];
    while (rest != NULL) {
        if (line->case_count == FIXTURE_CASES_MAX ||
            !parse_case(cut_before(&rest, "; "), &line->cases[line->case_count])) {
            return fixture_fail(message, "%s (%s): case %u has no answers that can be read",
                                line->path, line->purpose, line->case_count + 1);
        }
        line->case_count++;
    }
    return true;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The whole file with a NUL behind it; NULL, and the message set, when it cannot be read. */
static char *read_text(const char *path, fixture_message *message)
{
    FILE *const stream = fopen(path, "rb");
    if (stream == NULL) {
        fixture_fail(message, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *const text = calloc(1, TEXT_BYTES_MAX);
    const size_t length = text == NULL ? 0 : fread(text, 1, TEXT_BYTES_MAX - 1, stream);
    const bool is_whole = text != NULL && !ferror(stream) && length < TEXT_BYTES_MAX - 1;
    (void)fclose(stream);
    if (!is_whole) {
        free(text);
        fixture_fail(message, "%s: cannot be read as a whole", path);
        return NULL;
    }
    return text;
}

static size_t count_ends(const char *text)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++) {
        count += *at == '\n';
    }
    return count;
}

bool fixture_lines_read(const char *path, fixture_lines *lines_out, fixture_message *message)
{
    fixture_lines lines = {.text = read_text(path, message)};
    if (lines.text == NULL) {
        return false;
    }
    lines.lines = calloc(count_ends(lines.text), sizeof *lines.lines);
    bool is_good = lines.lines != NULL || fixture_fail(message, "%s: not enough memory", path);
    char *rest = lines.text;
    if (is_good && strcmp(cut_before(&rest, "\n"), columns) != 0) {
        is_good = fixture_fail(message, "%s: does not start with the names of its columns", path);
    }
    while (is_good && rest != NULL) {
        char *const text = cut_before(&rest, "\n");
        if (*text != '\0') {
            is_good = parse_line(text, &lines.lines[lines.count], message);
            lines.count++;
        }
    }
    if (!is_good) {
        fixture_lines_free(&lines);
        return false;
    }
    *lines_out = lines;
    return true;
}

void fixture_lines_free(fixture_lines *lines)
{
    free(lines->lines);
    free(lines->text);
    *lines = (fixture_lines){0};
}

/* ---- words ----------------------------------------------------------------------------------- */

/* One of the alternatives of a word is in the text. */
static bool is_said(char *word, const char *text)
{
    char *rest = word;
    while (rest != NULL) {
        const char *const one = cut_before(&rest, "|");
        if (strcmp(one, "+") == 0 || strcasestr(text, one) != NULL) {
            return true;
        }
    }
    return false;
}

bool fixture_words_match(const char *words, const char *text, fixture_message *message)
{
    char *const copy = strdup(words);
    char *rest = copy;
    bool is_good = copy != NULL || fixture_fail(message, "not enough memory");
    while (is_good && rest != NULL) {
        is_good = is_said(cut_before(&rest, " "), text) ||
                  fixture_fail(message, "the message does not say all of \"%s\": %s", words, text);
    }
    free(copy);
    return is_good;
}
