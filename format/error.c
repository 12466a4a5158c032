// SPDX-License-Identifier: Apache-2.0
/*
 * See error.h.
 */
#include "format/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What is formatted whole: a path of 4,096 bytes and a sentence. */
#define TEXT_BYTES_MAX 4608u
/* What stays of the front of a longer message. */
#define FRONT_BYTES 160u

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xC0u) == 0x80u;
}

/*
 * Takes text over as the message. Of a long one the middle is cut, at characters: the file is named
 * in front, the cause at the end. Untrusted text must not reach a terminal as control codes.
 */
static void set_message(espalier_error *error, const char *text)
{
    const size_t capacity = sizeof error->message;
    const size_t length = strlen(text);
    if (length < capacity) {
        memcpy(error->message, text, length + 1);
    } else {
        size_t front = FRONT_BYTES;
        size_t end = length - (capacity - FRONT_BYTES - sizeof "...");
        while (front > 0 && continues_character(text[front])) {
            front--;
        }
        while (end < length && continues_character(text[end])) {
            end++;
        }
        (void)snprintf(error->message, capacity, "%.*s...%s", (int)front, text, text + end);
    }
    for (size_t i = 0; error->message[i] != '\0'; i++) {
        const unsigned char byte = (unsigned char)error->message[i];
        if (byte < 0x20 || byte == 0x7F) {
            error->message[i] = '?';
        }
    }
}

static void fill_error(espalier_error *error, espalier_status status, int system_errno,
                       uint32_t rule, uint64_t file_offset)
{
    error->status = status;
    error->system_errno = system_errno;
    error->file_offset = file_offset;
    error->format_rule = rule;
    error->reserved = 0;
    error->message[0] = '\0';
}

espalier_status espalier_error_set(espalier_error *error_out, espalier_status status, uint32_t rule,
                                   uint64_t file_offset, const char *format, ...)
{
    if (error_out == NULL) {
        return status;
    }
    fill_error(error_out, status, 0, rule, file_offset);
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    set_message(error_out, text);
    return status;
}

/* strerror_r in the form the C library has it (GNU returns the text, POSIX fills the buffer). */
static const char *errno_text(int system_errno, char *buffer, size_t capacity)
{
    buffer[0] = '\0';
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    return strerror_r(system_errno, buffer, capacity);
#else
    if (strerror_r(system_errno, buffer, capacity) != 0) {
        (void)snprintf(buffer, capacity, "error %d", system_errno);
    }
    return buffer;
#endif
}

espalier_status espalier_error_system(espalier_error *error_out, espalier_status status,
                                      int system_errno, const char *format, ...)
{
    if (error_out == NULL) {
        return status;
    }
    fill_error(error_out, status, system_errno, 0, ESPALIER_OFFSET_NONE);
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t length = strlen(text);
    char cause[128];
    (void)snprintf(text + length, sizeof text - length, ": %s",
                   errno_text(system_errno, cause, sizeof cause));
    set_message(error_out, text);
    return status;
}
