// SPDX-License-Identifier: Apache-2.0
/*
 * UTF-8 of untrusted files, for all readers; implemented beside the pickle reader (pickle_text.c).
 * May include: libc.
 */
#ifndef ESPALIER_CONVERT_SOURCES_UTF8_H
#define ESPALIER_CONVERT_SOURCES_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strict: the shortest form only, no surrogates, nothing above U+10FFFF. */
bool espalier_pickle_utf8_valid(const uint8_t *data, uint64_t bytes);
/* Bytes needed to write a code point, 1 to 4; writes them if out is not NULL. */
size_t espalier_pickle_utf8_put(uint32_t code_point, uint8_t *out);
/* Copies with control characters escaped and invalid UTF-8 as \xNN; always NUL-terminated. */
void espalier_pickle_escape(const char *text, size_t bytes, char *out, size_t capacity);

#endif
