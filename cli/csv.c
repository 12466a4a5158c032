// SPDX-License-Identifier: Apache-2.0
/*
 * The CSV reader; see csv.h. Includes csv.h and libc. Memory grows with the longest record, which
 * is limited; fields hold no NUL, so that they are C strings.
 */
#include "csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool espalier_csv_open(espalier_csv *csv, espalier_input *input, espalier_message *message)
{
    *csv = (espalier_csv){.input = input, .next_line = 1};
    csv->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (csv->locale == (locale_t)0) {
        return espalier_message_set(message, "%s: not enough memory", input->name);
    }
    return true;
}

void espalier_csv_close(espalier_csv *csv)
{
    if (csv->locale != (locale_t)0) {
        freelocale(csv->locale);
    }
    free(csv->text);
    free(csv->field_offsets);
    *csv = (espalier_csv){0};
}

static bool fail_line(const espalier_csv *csv, uint64_t line, const char *what,
                      espalier_message *message)
{
    return espalier_message_set(message, "%s: line %" PRIu64 ": %s", csv->input->name, line, what);
}

/* The next byte, or -1 at the end; -2 on a read error. */
static int peek_byte(espalier_csv *csv, espalier_message *message)
{
    espalier_input *input = csv->input;
    if (input->at == input->filled) {
        if (!espalier_input_fill(input, 1, message)) {
            return -2;
        }
        if (input->at == input->filled) {
            return -1;
        }
    }
    return input->buffer[input->at];
}

static bool put_bytes(espalier_csv *csv, const void *bytes, size_t count, espalier_message *message)
{
    if (csv->text_capacity - csv->text_bytes < count) {
        size_t capacity = csv->text_capacity == 0 ? 4096 : csv->text_capacity;
        while (capacity - csv->text_bytes < count && capacity < ESPALIER_CSV_RECORD_BYTES_MAX) {
            capacity *= 2;
        }
        if (capacity - csv->text_bytes < count) {
            return fail_line(csv, csv->line, "longer than 256 MiB", message);
        }
        char *text = realloc(csv->text, capacity);
        if (text == NULL) {
            return fail_line(csv, csv->line, "not enough memory", message);
        }
        csv->text = text;
        csv->text_capacity = capacity;
    }
    memcpy(csv->text + csv->text_bytes, bytes, count);
    csv->text_bytes += count;
    return true;
}

static bool begin_field(espalier_csv *csv, espalier_message *message)
{
    if (csv->field_count == csv->field_capacity) {
        const size_t capacity = csv->field_capacity == 0 ? 256 : csv->field_capacity * 2;
        size_t *offsets = realloc(csv->field_offsets, capacity * sizeof *offsets);
        if (offsets == NULL) {
            return fail_line(csv, csv->line, "not enough memory", message);
        }
        csv->field_offsets = offsets;
        csv->field_capacity = capacity;
    }
    csv->field_offsets[csv->field_count++] = csv->text_bytes;
    return true;
}

/* Copies bytes up to a comma or the end of the line, which stay unread; *stop_out tells which. */
static bool read_plain(espalier_csv *csv, int *stop_out, espalier_message *message)
{
    espalier_input *input = csv->input;
    for (;;) {
        const int byte = peek_byte(csv, message);
        if (byte == -2) {
            return false;
        }
        if (byte == ',' || byte == '\n' || byte == -1) {
            *stop_out = byte;
            break;
        }
        if (byte == 0) {
            return fail_line(csv, csv->next_line, "a NUL byte: this is not a text file", message);
        }
        /* As much as the buffer holds: byte by byte was two thirds of the time. */
        const unsigned char *start = input->buffer + input->at;
        const unsigned char *end = input->buffer + input->filled;
        const unsigned char *at = start;
        while (at < end && *at != ',' && *at != '\n' && *at != 0) {
            at++;
        }
        if (!put_bytes(csv, start, (size_t)(at - start), message)) {
            return false;
        }
        input->at += (size_t)(at - start);
    }
    /* The CR of a CRLF is no part of the field. */
    const size_t start = csv->field_offsets[csv->field_count - 1];
    if (*stop_out != ',' && csv->text_bytes > start && csv->text[csv->text_bytes - 1] == '\r') {
        csv->text_bytes--;
    }
    return true;
}

/* After the opening quote: copies up to the closing one, "" being one quote. */
static bool read_quoted(espalier_csv *csv, int *stop_out, espalier_message *message)
{
    csv->is_quoted = true;
    for (;;) {
        int byte = peek_byte(csv, message);
        if (byte == -2) {
            return false;
        }
        if (byte == -1) {
            return fail_line(csv, csv->line, "a quoted field without its closing quote", message);
        }
        if (byte == 0) {
            return fail_line(csv, csv->next_line, "a NUL byte: this is not a text file", message);
        }
        csv->input->at++;
        if (byte == '\n') {
            csv->next_line++;
        }
        if (byte == '"') {
            byte = peek_byte(csv, message);
            if (byte == -2) {
                return false;
            }
            if (byte != '"') {
                break;
            }
            csv->input->at++;
        }
        const char copied = (char)byte;
        if (!put_bytes(csv, &copied, 1, message)) {
            return false;
        }
    }
    const size_t text_bytes = csv->text_bytes;
    if (!read_plain(csv, stop_out, message)) {
        return false;
    }
    if (csv->text_bytes > text_bytes) {
        return fail_line(csv, csv->next_line, "text after a closing quote", message);
    }
    csv->text_bytes = text_bytes;
    return true;
}

static bool read_field(espalier_csv *csv, int *stop_out, espalier_message *message)
{
    if (!begin_field(csv, message)) {
        return false;
    }
    const int byte = peek_byte(csv, message);
    if (byte == -2) {
        return false;
    }
    if (byte == '"') {
        csv->input->at++;
        if (!read_quoted(csv, stop_out, message)) {
            return false;
        }
    } else if (!read_plain(csv, stop_out, message)) {
        return false;
    }
    return put_bytes(csv, "", 1, message);
}

static bool skip_byte_order_mark(espalier_csv *csv, espalier_message *message)
{
    espalier_input *input = csv->input;
    if (!espalier_input_fill(input, 3, message)) {
        return false;
    }
    if (input->filled - input->at >= 3 &&
        memcmp(input->buffer + input->at, "\xEF\xBB\xBF", 3) == 0) {
        input->at += 3;
    }
    csv->is_started = true;
    return true;
}

espalier_csv_result espalier_csv_next(espalier_csv *csv, espalier_message *message)
{
    uint64_t empty_line = 0;
    if (!csv->is_started && !skip_byte_order_mark(csv, message)) {
        return ESPALIER_CSV_FAILED;
    }
    for (;;) {
        int stop = peek_byte(csv, message);
        if (stop == -2) {
            return ESPALIER_CSV_FAILED;
        }
        if (stop == -1) {
            return ESPALIER_CSV_END;
        }
        csv->line = csv->next_line;
        csv->text_bytes = 0;
        csv->field_count = 0;
        csv->is_quoted = false;
        do {
            if (!read_field(csv, &stop, message)) {
                return ESPALIER_CSV_FAILED;
            }
            if (stop == ',') {
                csv->input->at++;
            }
        } while (stop == ',');
        if (stop == '\n') {
            csv->input->at++;
            csv->next_line++;
        }
        const bool is_empty = csv->field_count == 1 && csv->text[0] == '\0' && !csv->is_quoted;
        if (!is_empty && empty_line != 0) {
            fail_line(csv, empty_line, "empty (a missing value alone is written \"\")", message);
            return ESPALIER_CSV_FAILED;
        }
        if (!is_empty) {
            return ESPALIER_CSV_RECORD;
        }
        if (empty_line == 0) {
            empty_line = csv->line;
        }
    }
}

const char *espalier_csv_field(const espalier_csv *csv, size_t field_index)
{
    return csv->text + csv->field_offsets[field_index];
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

static size_t count_digits(const char *text)
{
    size_t count = 0;
    while (text[count] >= '0' && text[count] <= '9') {
        count++;
    }
    return count;
}

/* The length of a decimal number at text, or 0. strtod alone would take hexadecimal and more. */
static size_t match_decimal(const char *text)
{
    const char *at = text;
    if (*at == '+' || *at == '-') {
        at++;
    }
    const size_t whole = count_digits(at);
    at += whole;
    size_t fraction = 0;
    if (*at == '.') {
        fraction = count_digits(at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) {
        return 0;
    }
    if (*at == 'e' || *at == 'E') {
        const size_t sign = at[1] == '+' || at[1] == '-' ? 1 : 0;
        const size_t digits = count_digits(at + 1 + sign);
        if (digits > 0) {
            at += 1 + sign + digits;
        }
    }
    return (size_t)(at - text);
}

/* The length of nan, inf or infinity in any case, with a sign, or 0. */
static size_t match_special(const char *text)
{
    static const char *const words[] = {"infinity", "inf", "nan"};
    const size_t sign = *text == '+' || *text == '-' ? 1 : 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncasecmp(text + sign, words[i], strlen(words[i])) == 0) {
            return sign + strlen(words[i]);
        }
    }
    return 0;
}

/* As pandas.read_csv spells truth values, without blanks around. */
static bool match_truth(const char *text, double *value_out)
{
    static const char *const words[] = {"False", "FALSE", "false", "True", "TRUE", "true"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value_out = i < 3 ? 0.0 : 1.0;
            return true;
        }
    }
    return false;
}

bool espalier_csv_number(const espalier_csv *csv, const char *field, double *value_out)
{
    const char *start = field;
    while (is_blank(*start)) {
        start++;
    }
    if (*start == '\0') {
        *value_out = (double)NAN;
        return true;
    }
    size_t length = match_decimal(start);
    if (length == 0) {
        length = match_special(start);
    }
    const char *end = start + length;
    while (is_blank(*end)) {
        end++;
    }
    if (length == 0 || *end != '\0') {
        return match_truth(field, value_out);
    }
    *value_out = strtod_l(start, NULL, csv->locale);
    return true;
}
