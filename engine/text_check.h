// SPDX-License-Identifier: Apache-2.0
/*
 * Is this text UTF-8, is it one JSON object? For verify; checks syntax and builds nothing.
 */
#ifndef ESPALIER_ENGINE_TEXT_CHECK_H
#define ESPALIER_ENGINE_TEXT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Objects and arrays inside each other, at most. */
#define ESPALIER_JSON_DEPTH_MAX 256

/* RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool espalier_text_is_utf8(const char *text, size_t bytes);

/* RFC 8259: the whole text is one object, nested at most ESPALIER_JSON_DEPTH_MAX deep. */
bool espalier_text_is_json_object(const char *text, size_t bytes);

#endif
