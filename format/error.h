// SPDX-License-Identifier: Apache-2.0
/*
 * Filling espalier_error. Includes the public header only. Never prints.
 */
#ifndef ESPALIER_FORMAT_ERROR_H
#define ESPALIER_FORMAT_ERROR_H

#include "espalier.h"

#if defined(__GNUC__)
#define ESPALIER_PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index), cold))
#else
#define ESPALIER_PRINTF(format_index, first_index)
#endif

/*
 * Fills *error_out, if there is one, and returns status. rule is the n of [F-n] or 0; file_offset
 * may be ESPALIER_OFFSET_NONE. Control characters in the message become '?'; a message that is too
 * long loses its middle. system_errno is set to 0.
 */
espalier_status espalier_error_set(espalier_error *error_out, espalier_status status, uint32_t rule,
                                   uint64_t file_offset, const char *format, ...)
    ESPALIER_PRINTF(5, 6);

/* The same for a failed system call: appends ": " and the text of system_errno. */
espalier_status espalier_error_system(espalier_error *error_out, espalier_status status,
                                      int system_errno, const char *format, ...)
    ESPALIER_PRINTF(4, 5);

#endif
