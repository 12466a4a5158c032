// SPDX-License-Identifier: Apache-2.0
/*
 * Reading objects by lists of the members they may have, and small values. See xgboost_internal.h.
 */
#include "convert/sources/xgboost_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is kept of free members for the metadata. */
#define KEPT_TEXT_BYTES_MAX 1024u
#define KEPT_MEMBERS_MAX    64u

void espalier_xgboost_refuse(espalier_xgboost_import *import, const char *format, ...)
{
    if (import->unsupported[0] != '\0') {
        return;
    }
    char place[128];
    espalier_document_place(&import->document, place, sizeof place);
    const int start = snprintf(import->unsupported, sizeof import->unsupported, "%s%s", place,
                               *place == '\0' ? "" : ": ");
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(import->unsupported + start, sizeof import->unsupported - (size_t)start, format,
                    arguments);
    va_end(arguments);
    import->unsupported_offset = import->document.value_at;
}

bool espalier_xgboost_is_before(const espalier_xgboost_import *import, int64_t major, int64_t minor)
{
    return import->version[0] < major ||
           (import->version[0] == major && import->version[1] < minor);
}

void espalier_xgboost_version_text(const espalier_xgboost_import *import, char *text,
                                   size_t capacity)
{
    if (import->base_is_margin) {
        (void)snprintf(text, capacity, "before 1.0");
    } else {
        (void)snprintf(text, capacity, "%" PRId64 ".%" PRId64 ".%" PRId64, import->version[0],
                       import->version[1], import->version[2]);
    }
}

/* Skips what is behind the opening of an array or object. */
static bool skip_inside(espalier_document *document, espalier_document_kind kind, bool *empty_out)
{
    espalier_document_text key;
    *empty_out = true;
    while (kind == ESPALIER_DOCUMENT_ARRAY ? espalier_document_item(document)
                                           : espalier_document_member(document, &key)) {
        *empty_out = false;
        if (!espalier_document_skip(document)) {
            return false;
        }
    }
    return document->status == ESPALIER_OK;
}

bool espalier_xgboost_skip_array(espalier_xgboost_import *import, bool *empty_out)
{
    return espalier_document_enter_array(&import->document) &&
           skip_inside(&import->document, ESPALIER_DOCUMENT_ARRAY, empty_out);
}

/* A member that nobody knows: nothing in it is nothing lost. */
static bool read_unknown(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    const size_t offset = document->value_at;
    const espalier_document_kind kind = espalier_document_peek(document);
    bool empty = kind == ESPALIER_DOCUMENT_NULL;
    if (kind == ESPALIER_DOCUMENT_ARRAY) {
        if (!espalier_document_enter_array(document) || !skip_inside(document, kind, &empty)) {
            return false;
        }
    } else if (kind == ESPALIER_DOCUMENT_OBJECT) {
        if (!espalier_document_enter_object(document) || !skip_inside(document, kind, &empty)) {
            return false;
        }
    } else if (!espalier_document_skip(document)) {
        return false;
    }
    if (!empty) {
        document->value_at = offset;
        espalier_xgboost_refuse(import, "not a member that XGBoost up to 3.4 saves; a newer "
                                        "version may mean something by it");
    }
    return true;
}

bool espalier_xgboost_read_object(espalier_xgboost_import *import,
                                  const espalier_xgboost_member *members, size_t count,
                                  espalier_xgboost_others others)
{
    espalier_document *const document = &import->document;
    espalier_document_text key;
    uint32_t seen = 0;
    assert(count <= 32);
    if (!espalier_document_enter_object(document)) {
        return false;
    }
    const size_t start = document->value_at;
    while (espalier_document_member(document, &key)) {
        size_t index = 0;
        while (index < count && !espalier_document_text_is(&key, members[index].key)) {
            index++;
        }
        bool good;
        if (index == count) {
            good = others == ESPALIER_XGBOOST_OTHERS_SKIPPED ? espalier_document_skip(document)
                                                             : read_unknown(import);
        } else if ((seen & (1U << index)) != 0) {
            good = espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                          document->value_at, "given twice");
        } else {
            seen |= 1U << index;
            good = members[index].read != NULL ? members[index].read(import)
                                               : espalier_document_skip(document);
        }
        if (!good) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i].required && (seen & (1U << i)) == 0) {
            return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, start,
                                          "there is no %s", members[i].key);
        }
    }
    return document->status == ESPALIER_OK;
}

bool espalier_xgboost_read_integer(espalier_xgboost_import *import, int64_t *value_out)
{
    espalier_document *const document = &import->document;
    if (espalier_document_peek(document) != ESPALIER_DOCUMENT_TEXT) {
        return espalier_document_read_int64(document, value_out);
    }
    espalier_document_text text;
    if (!espalier_document_read_text(document, &text)) {
        return false;
    }
    if (!espalier_decimal_to_int64(text.data, text.bytes, value_out)) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "a text that is no integer");
    }
    return true;
}

bool espalier_xgboost_read_word(espalier_xgboost_import *import, char *text, size_t capacity)
{
    espalier_document *const document = &import->document;
    espalier_document_text raw;
    if (!espalier_document_read_text(document, &raw)) {
        return false;
    }
    size_t bytes = 0;
    char *const copy = espalier_document_copy_text(document, &raw, &bytes);
    if (copy == NULL) {
        return false;
    }
    const bool fits = bytes < capacity;
    if (fits) {
        memcpy(text, copy, bytes + 1);
    }
    free(copy);
    return fits || espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                          document->value_at, "a text of %zu bytes", bytes);
}

/* The value at hand; *value_out stays NULL for what is not kept. */
static bool read_kept(espalier_document *document, json_t **value_out)
{
    espalier_document_text text;
    char *copy = NULL;
    bool flag = false;
    switch (espalier_document_peek(document)) {
    case ESPALIER_DOCUMENT_TEXT:
        if (!espalier_document_read_text(document, &text)) {
            return false;
        }
        if (text.bytes <= KEPT_TEXT_BYTES_MAX) {
            copy = espalier_document_copy_text(document, &text, NULL);
            *value_out = copy != NULL ? json_string(copy) : NULL;
            free(copy);
            if (*value_out == NULL) {
                return espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                              "no memory for a text");
            }
        }
        return true;
    case ESPALIER_DOCUMENT_FLAG:
        if (!espalier_document_read_flag(document, &flag)) {
            return false;
        }
        *value_out = json_boolean(flag);
        return true;
    default:
        return espalier_document_skip(document);
    }
}

bool espalier_xgboost_keep_object(espalier_xgboost_import *import, json_t **object)
{
    espalier_document *const document = &import->document;
    espalier_document_text key;
    if (!espalier_document_enter_object(document)) {
        return false;
    }
    *object = json_object();
    while (espalier_document_member(document, &key)) {
        json_t *value = NULL;
        char *name = NULL;
        if (!read_kept(document, &value)) {
            return false;
        }
        bool good = true;
        if (value != NULL && key.bytes <= KEPT_TEXT_BYTES_MAX &&
            json_object_size(*object) < KEPT_MEMBERS_MAX) {
            name = espalier_document_copy_text(document, &key, NULL);
            good = name != NULL && json_object_set(*object, name, value) == 0;
        }
        json_decref(value);
        free(name);
        if (!good) {
            return espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                          "no memory for a parameter");
        }
    }
    return document->status == ESPALIER_OK;
}
