// SPDX-License-Identifier: Apache-2.0
/*
 * See source_path.h. Must never recurse, or read past the NUL of a path.
 */
#include "convert/sources/source_path.h"

#include "format/error.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Short forms take at most 24 bytes, so as many steps as allowed still fit behind spelt keys. */
#define STEP_BYTES_MAX 24u
#define SPELT_BYTES_MAX \
    (ESPALIER_SOURCE_PATH_BYTES - STEP_BYTES_MAX * ESPALIER_SOURCE_PATH_STEPS_MAX)

/* ---- building ------------------------------------------------------------------------------- */

void espalier_source_path_cut(espalier_source_path *path, size_t bytes)
{
    if (bytes < path->bytes) {
        path->bytes = bytes;
    }
    path->text[path->bytes] = '\0';
}

/* A short form; there is always room for as many as a path may have. */
static void append_short(espalier_source_path *path, const char *step)
{
    const size_t length = strlen(step);
    if (length < sizeof path->text - path->bytes) {
        memcpy(path->text + path->bytes, step, length + 1);
        path->bytes += length;
    }
}

void espalier_source_path_item(espalier_source_path *path, size_t index)
{
    char step[STEP_BYTES_MAX];
    (void)snprintf(step, sizeof step, "[%zu]", index);
    append_short(path, step);
}

/* ["key"] with escapes; false when it would not fit. */
static bool append_key(espalier_source_path *path, espalier_pickle_slice key)
{
    char step[SPELT_BYTES_MAX];
    size_t bytes = 0;
    if (key.bytes > sizeof step / 4 - 4) {
        return false;
    }
    step[bytes++] = '[';
    step[bytes++] = '"';
    for (size_t i = 0; i < key.bytes; i++) {
        const unsigned char byte = (unsigned char)key.data[i];
        if (byte == '"' || byte == '\\') {
            step[bytes++] = '\\';
            step[bytes++] = (char)byte;
        } else if (byte < 0x20 || byte == 0x7F) {
            bytes += (size_t)snprintf(step + bytes, 5, "\\x%02x", byte);
        } else {
            step[bytes++] = (char)byte;
        }
    }
    step[bytes++] = '"';
    step[bytes++] = ']';
    if (path->bytes + bytes >= SPELT_BYTES_MAX) {
        return false;
    }
    memcpy(path->text + path->bytes, step, bytes);
    path->bytes += bytes;
    path->text[path->bytes] = '\0';
    return true;
}

void espalier_source_path_pair(espalier_source_path *path, const espalier_pickle_value *key,
                               size_t index)
{
    espalier_pickle_slice text;
    int64_t number;
    char step[STEP_BYTES_MAX + 8];
    if (espalier_pickle_get_text(key, &text) && append_key(path, text)) {
        return;
    }
    if (espalier_pickle_kind_of(key) == ESPALIER_PICKLE_INTEGER &&
        espalier_pickle_get_int64(key, &number)) {
        (void)snprintf(step, sizeof step, "[%" PRId64 "]", number);
    } else {
        (void)snprintf(step, sizeof step, "[#%zu]", index);
    }
    append_short(path, step);
}

void espalier_source_path_attribute(espalier_source_path *path, const char *name)
{
    const size_t length = strlen(name);
    if (path->bytes + 1 + length >= SPELT_BYTES_MAX) {
        return;
    }
    path->text[path->bytes] = '.';
    memcpy(path->text + path->bytes + 1, name, length + 1);
    path->bytes += 1 + length;
}

/* ---- parsing -------------------------------------------------------------------------------- */

typedef enum step_kind {
    STEP_TEXT = 1,   /* ["key"] */
    STEP_NAME = 2,   /* .name: a key or an attribute */
    STEP_NUMBER = 3, /* [0] */
    STEP_PAIR = 4    /* [#0] */
} step_kind;

typedef struct path_step {
    step_kind kind;
    espalier_pickle_slice text; /* TEXT and NAME: in the buffer of the path's walk */
    int64_t number;
} path_step;

static bool parse_number(const char **at, int64_t *out)
{
    const char *text = *at;
    const bool negative = *text == '-';
    text += negative ? 1 : 0;
    int64_t number = 0;
    const char *const first = text;
    while (isdigit((unsigned char)*text)) {
        const int digit = *text - '0';
        if (number > (INT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
        text++;
    }
    *out = negative ? -number : number;
    *at = text;
    return text != first;
}

static int hex_digit_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *const found = digit == '\0' ? NULL : strchr(digits, tolower((unsigned char)digit));
    return found == NULL ? -1 : (int)(found - digits);
}

/* One escape behind a backslash; -1 when it is none. */
static int parse_escape(const char **at)
{
    static const char names[] = "nrt\"'\\";
    static const char bytes[] = "\n\r\t\"'\\";
    const char name = **at;
    if (name == 'x') {
        const int high = hex_digit_value((*at)[1]);
        const int low = high < 0 ? -1 : hex_digit_value((*at)[2]);
        *at += low < 0 ? 0 : 3;
        return low < 0 ? -1 : high * 16 + low;
    }
    const char *const found = name == '\0' ? NULL : strchr(names, name);
    if (found == NULL) {
        return -1;
    }
    (*at)++;
    return (unsigned char)bytes[found - names];
}

/* Quoted text from its opening quote on, into buffer, which is as long as the whole path. */
static bool parse_quoted(const char **at, char *buffer, espalier_pickle_slice *out)
{
    const char quote = *(*at)++;
    size_t bytes = 0;
    while (**at != '\0' && **at != quote) {
        int byte = (unsigned char)*(*at)++;
        if (byte == '\\') {
            byte = parse_escape(at);
            if (byte < 0) {
                return false;
            }
        }
        buffer[bytes++] = (char)byte;
    }
    if (**at != quote) {
        return false;
    }
    (*at)++;
    *out = (espalier_pickle_slice){buffer, bytes};
    return true;
}

static bool parse_bracket(const char **at, char *buffer, path_step *step)
{
    (*at)++;
    bool good;
    if (**at == '"' || **at == '\'') {
        step->kind = STEP_TEXT;
        good = parse_quoted(at, buffer, &step->text);
    } else {
        step->kind = **at == '#' ? STEP_PAIR : STEP_NUMBER;
        *at += step->kind == STEP_PAIR ? 1 : 0;
        good = parse_number(at, &step->number);
    }
    if (!good || **at != ']') {
        return false;
    }
    (*at)++;
    return true;
}

/* The next step; `first` allows a bare name without its dot. */
static bool parse_step(const char **at, bool first, char *buffer, path_step *step)
{
    if (**at == '[') {
        return parse_bracket(at, buffer, step);
    }
    if (**at == '.') {
        (*at)++;
    } else if (!first) {
        return false;
    }
    const char *const name = *at;
    const size_t bytes = strcspn(name, ".[]\"'\\");
    if (bytes == 0) {
        return false;
    }
    *at += bytes;
    step->kind = STEP_NAME;
    step->text = (espalier_pickle_slice){name, bytes};
    const char *digits = name;
    if (parse_number(&digits, &step->number) && digits == name + bytes) {
        step->kind = STEP_NUMBER;
    }
    return true;
}

/* ---- following ------------------------------------------------------------------------------ */

static bool equals_key(const espalier_pickle_value *key, const path_step *step)
{
    espalier_pickle_slice text;
    int64_t number;
    if (step->kind == STEP_NUMBER) {
        return espalier_pickle_kind_of(key) == ESPALIER_PICKLE_INTEGER &&
               espalier_pickle_get_int64(key, &number) && number == step->number;
    }
    return espalier_pickle_get_text(key, &text) && text.bytes == step->text.bytes &&
           memcmp(text.data, step->text.data, text.bytes) == 0;
}

/* The value under a key that occurs once; NULL when it does not. */
static const espalier_pickle_value *find_pair(const espalier_pickle_value *value,
                                              const path_step *step)
{
    const espalier_pickle_value *found = NULL;
    const size_t count = espalier_pickle_pair_count(value);
    if (step->kind == STEP_PAIR) {
        return step->number >= 0 && (uint64_t)step->number < count
                   ? espalier_pickle_pair_value(value, (size_t)step->number)
                   : NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (equals_key(espalier_pickle_pair_key(value, i), step)) {
            if (found != NULL) {
                return NULL;
            }
            found = espalier_pickle_pair_value(value, i);
        }
    }
    return found;
}

/* Attributes whose names the state's dict holds; a name with a NUL is none. */
static espalier_status find_attribute(const espalier_pickle *pickle,
                                      const espalier_pickle_value *value, const path_step *step,
                                      const espalier_pickle_value **value_out,
                                      espalier_error *error_out)
{
    char name[256];
    *value_out = NULL;
    if (step->text.bytes >= sizeof name || espalier_pickle_state(value) == NULL) {
        return ESPALIER_OK;
    }
    memcpy(name, step->text.data, step->text.bytes);
    name[step->text.bytes] = '\0';
    return espalier_pickle_attribute(pickle, value, name, value_out, error_out);
}

static espalier_status take_step(const espalier_pickle *pickle, const espalier_pickle_value *value,
                                 const path_step *step, const espalier_pickle_value **value_out,
                                 espalier_error *error_out)
{
    *value_out = NULL;
    if (espalier_pickle_pair_count(value) > 0) {
        *value_out = find_pair(value, step);
    } else if (step->kind == STEP_NUMBER && step->number >= 0) {
        *value_out = espalier_pickle_item(value, (size_t)step->number);
        const espalier_pickle_array *const array = espalier_pickle_get_array(value);
        if (*value_out == NULL && array != NULL) {
            *value_out = espalier_pickle_array_item(array, (uint64_t)step->number);
        }
    }
    if (*value_out == NULL && step->kind == STEP_NAME &&
        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_OBJECT) {
        return find_attribute(pickle, value, step, value_out, error_out);
    }
    return ESPALIER_OK;
}

espalier_status espalier_source_path_follow(const espalier_pickle *pickle, const char *source,
                                            const char *select,
                                            const espalier_pickle_value **value_out,
                                            espalier_error *error_out)
{
    char *const buffer = malloc(strlen(select) + 1);
    if (buffer == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to follow a path", source);
    }
    espalier_status status = ESPALIER_OK;
    const espalier_pickle_value *value = espalier_pickle_root(pickle);
    const char *at = select;
    while (*at != '\0' && status == ESPALIER_OK) {
        path_step step = {0};
        if (!parse_step(&at, at == select, buffer, &step)) {
            status =
                espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                   "%s: the path %s is malformed at character %zu; write it as "
                                   "[\"key\"][0].attribute",
                                   source, select, (size_t)(at - select));
            break;
        }
        const espalier_pickle_value *next;
        status = take_step(pickle, value, &step, &next, error_out);
        if (status == ESPALIER_OK && next == NULL) {
            status =
                espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_NONE, 0,
                                   espalier_pickle_offset(value),
                                   "%s: nothing is at %.*s (of %s): the value before it is a %s",
                                   source, (int)(at - select), select, select,
                                   espalier_pickle_kind_name(espalier_pickle_kind_of(value)));
        }
        value = next;
    }
    free(buffer);
    if (status == ESPALIER_OK) {
        *value_out = value;
    }
    return status;
}
