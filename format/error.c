// SPDX-License-Identifier: Apache-2.0
/*
 * See error.h.
 */
#include "format/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Untrusted text must not reach a terminal as control codes, nor end in half a character. */
static void clean_message(char *message, size_t capacity)
{
    size_t length = strlen(message);
    if (length + 1 == capacity) {
        while (length > 0 && ((unsigned char)message[length - 1] & 0xC0u) == 0x80u) {
            length--;
        }
        if (length > 0 && ((unsigned char)message[length - 1] & 0x80u) != 0) {
            length--;
        }
        message[length] = '\0';
    }
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = (unsigned char)message[i];
        if (byte < 0x20 || byte == 0x7F) {
            message[i] = '?';
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
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error_out->message, sizeof error_out->message, format, arguments);
    va_end(arguments);
    clean_message(error_out->message, sizeof error_out->message);
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
    const size_t capacity = sizeof error_out->message;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error_out->message, capacity, format, arguments);
    va_end(arguments);
    const size_t length = strlen(error_out->message);
    char text[128];
    (void)snprintf(error_out->message + length, capacity - length, ": %s",
                   errno_text(system_errno, text, sizeof text));
    clean_message(error_out->message, capacity);
    return status;
}
