// SPDX-License-Identifier: Apache-2.0
/*
 * Why a check of the fixtures failed, in one line. Includes libc only.
 */
#ifndef TESTS_SUPPORT_FIXTURE_MESSAGE_H
#define TESTS_SUPPORT_FIXTURE_MESSAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct fixture_message {
    char text[1024];
} fixture_message;

/* Sets the text; always false, so that a check may return it. */
__attribute__((format(printf, 2, 3))) static inline bool fixture_fail(fixture_message *message,
                                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message->text, sizeof message->text, format, arguments);
    va_end(arguments);
    return false;
}

#endif
