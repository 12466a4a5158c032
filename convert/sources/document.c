// SPDX-License-Identifier: Apache-2.0
/*
 * See document.h: moving, places in messages, memory, and arrays of numbers. The grammars are in
 * document_json.c and document_ubjson.c.
 */
#include "convert/sources/document_internal.h"

#include "convert/sources/utf8.h"
#include "format/error.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What of a key is shown in a place. */
#define KEY_BYTES_SHOWN 64u

bool espalier_document_open(espalier_document *document, const char *source, const uint8_t *data,
                            size_t bytes, espalier_document_format format,
                            uint64_t memory_bytes_max, espalier_error *error_out)
{
    *document = (espalier_document){.source = source,
                                    .data = data,
                                    .bytes = bytes,
                                    .format = format,
                                    .memory_bytes_max = memory_bytes_max,
                                    .memory_left = memory_bytes_max,
                                    .error = error_out};
    if (!espalier_decimal_open(&document->decimal)) {
        return espalier_document_fail(document, ESPALIER_ERROR_MEMORY, 0,
                                      "no memory to read numbers");
    }
    return true;
}

void espalier_document_close(espalier_document *document)
{
    espalier_decimal_close(&document->decimal);
}

static const espalier_document_grammar *grammar_of(const espalier_document *document)
{
    return document->format == ESPALIER_DOCUMENT_JSON ? &espalier_document_json
                                                      : &espalier_document_ubjson;
}

/* ---- failure -------------------------------------------------------------------------------- */

void espalier_document_place(const espalier_document *document, char *text, size_t capacity)
{
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < document->depth; i++) {
        const espalier_document_frame *const frame = &document->frames[i];
        char step[KEY_BYTES_SHOWN * 4 + 4] = "";
        if (frame->count == 0) {
            break;
        }
        if (frame->is_object) {
            const size_t shown =
                frame->key.bytes < KEY_BYTES_SHOWN ? frame->key.bytes : KEY_BYTES_SHOWN;
            step[0] = '.';
            espalier_pickle_escape(frame->key.data, shown, step + (i > 0 ? 1 : 0), sizeof step - 1);
        } else {
            (void)snprintf(step, sizeof step, "[%" PRIu64 "]", frame->count - 1);
        }
        const size_t step_bytes = strlen(step);
        if (length + step_bytes >= capacity) {
            break;
        }
        memcpy(text + length, step, step_bytes + 1);
        length += step_bytes;
    }
}

bool espalier_document_fail(espalier_document *document, espalier_status status, uint64_t offset,
                            const char *format, ...)
{
    if (document->status != ESPALIER_OK) {
        return false;
    }
    char place[512];
    char cause[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    espalier_document_place(document, place, sizeof place);
    document->status =
        espalier_error_set(document->error, status, 0, offset, "%s: %s%s%s", document->source,
                           place, *place == '\0' ? "" : ": ", cause);
    return false;
}

bool espalier_document_truncated(espalier_document *document)
{
    return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TRUNCATED, document->bytes,
                                  "the file ends too early");
}

/* ---- memory --------------------------------------------------------------------------------- */

bool espalier_document_charge(espalier_document *document, uint64_t bytes)
{
    if (document->status != ESPALIER_OK) {
        return false;
    }
    if (bytes > document->memory_left) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_LIMIT, document->value_at,
                                      "the model does not fit into %" PRIu64
                                      " bytes of working memory",
                                      document->memory_bytes_max);
    }
    document->memory_left -= bytes;
    return true;
}

bool espalier_document_reserve(espalier_document *document, espalier_document_array *array,
                               uint64_t count, uint64_t item_bytes)
{
    if (count <= array->capacity) {
        return document->status == ESPALIER_OK;
    }
    uint64_t capacity = array->capacity + array->capacity / 2;
    capacity = capacity < count ? count : capacity;
    capacity = capacity < 16 ? 16 : capacity;
    if (capacity > SIZE_MAX / 2 / item_bytes) {
        return espalier_document_charge(document, UINT64_MAX);
    }
    if (!espalier_document_charge(document, (capacity - array->capacity) * item_bytes)) {
        return false;
    }
    void *const items = realloc(array->items, (size_t)(capacity * item_bytes));
    if (items == NULL) {
        return espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                      "no memory for %" PRIu64 " items", capacity);
    }
    array->items = items;
    array->capacity = capacity;
    return true;
}

void espalier_document_array_free(espalier_document_array *array)
{
    free(array->items);
    *array = (espalier_document_array){0};
}

/* ---- moving --------------------------------------------------------------------------------- */

espalier_document_frame *espalier_document_top(espalier_document *document)
{
    assert(document->depth > 0);
    return &document->frames[document->depth - 1];
}

espalier_document_kind espalier_document_peek(espalier_document *document)
{
    return document->status == ESPALIER_OK ? grammar_of(document)->peek(document)
                                           : ESPALIER_DOCUMENT_FAILED;
}

static const char *kind_name(espalier_document_kind kind)
{
    static const char *const names[] = {
        "nothing", "an object", "an array", "a text", "a number", "true or false", "null",
    };
    return names[kind];
}

/* Whether the next value is of this kind; sets value_at. */
static bool expect_kind(espalier_document *document, espalier_document_kind wanted)
{
    const espalier_document_kind kind = espalier_document_peek(document);
    if (kind == ESPALIER_DOCUMENT_FAILED) {
        return false;
    }
    document->value_at = document->at;
    if (kind != wanted) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->at,
                                      "%s where %s belongs", kind_name(kind), kind_name(wanted));
    }
    return true;
}

static bool enter_container(espalier_document *document, espalier_document_kind kind)
{
    if (!expect_kind(document, kind)) {
        return false;
    }
    if (document->depth == ESPALIER_DOCUMENT_DEPTH_MAX) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_LIMIT, document->at,
                                      "nested deeper than %u", ESPALIER_DOCUMENT_DEPTH_MAX);
    }
    espalier_document_frame frame = {.is_object = kind == ESPALIER_DOCUMENT_OBJECT};
    if (!grammar_of(document)->enter(document, &frame)) {
        return false;
    }
    document->frames[document->depth++] = frame;
    return true;
}

bool espalier_document_enter_object(espalier_document *document)
{
    return enter_container(document, ESPALIER_DOCUMENT_OBJECT);
}

bool espalier_document_enter_array(espalier_document *document)
{
    return enter_container(document, ESPALIER_DOCUMENT_ARRAY);
}

/* To the next member or item of the innermost container. */
static bool step_inside(espalier_document *document)
{
    if (document->status != ESPALIER_OK) {
        return false;
    }
    espalier_document_frame *const frame = espalier_document_top(document);
    const espalier_document_grammar *const grammar = grammar_of(document);
    if (frame->is_object ? grammar->member(document, frame) : grammar->item(document, frame)) {
        frame->count++;
        return true;
    }
    if (document->status == ESPALIER_OK) {
        document->depth--;
    }
    return false;
}

bool espalier_document_member(espalier_document *document, espalier_document_text *key_out)
{
    if (!step_inside(document)) {
        return false;
    }
    *key_out = espalier_document_top(document)->key;
    return true;
}

bool espalier_document_item(espalier_document *document)
{
    return step_inside(document);
}

/* Over a value that holds no others. */
static bool skip_scalar(espalier_document *document, espalier_document_kind kind)
{
    const espalier_document_grammar *const grammar = grammar_of(document);
    espalier_document_text text;
    espalier_document_number number;
    bool flag;
    switch (kind) {
    case ESPALIER_DOCUMENT_TEXT:
        return grammar->text(document, &text);
    case ESPALIER_DOCUMENT_NUMBER:
        return grammar->number(document, &number);
    case ESPALIER_DOCUMENT_FLAG:
        return grammar->flag(document, &flag);
    case ESPALIER_DOCUMENT_NULL:
        return grammar->null(document);
    default:
        return false;
    }
}

bool espalier_document_skip(espalier_document *document)
{
    const uint32_t depth = document->depth;
    bool more = true;
    /* Each turn reads a value's beginning; a document has fewer of them than bytes. */
    while (more && document->status == ESPALIER_OK) {
        const espalier_document_kind kind = espalier_document_peek(document);
        if (kind == ESPALIER_DOCUMENT_OBJECT || kind == ESPALIER_DOCUMENT_ARRAY) {
            (void)enter_container(document, kind);
            uint8_t type;
            uint64_t count;
            if (document->status == ESPALIER_OK &&
                espalier_document_raw_items(document, &type, &count) != NULL) {
                espalier_document_raw_end(document);
            }
        } else {
            (void)skip_scalar(document, kind);
        }
        more = false;
        while (!more && document->status == ESPALIER_OK && document->depth > depth) {
            more = step_inside(document);
        }
    }
    return document->status == ESPALIER_OK;
}

bool espalier_document_finish(espalier_document *document)
{
    return document->status == ESPALIER_OK && grammar_of(document)->finish(document);
}

/* ---- values --------------------------------------------------------------------------------- */

bool espalier_document_read_text(espalier_document *document, espalier_document_text *text_out)
{
    return expect_kind(document, ESPALIER_DOCUMENT_TEXT) &&
           grammar_of(document)->text(document, text_out);
}

bool espalier_document_read_flag(espalier_document *document, bool *value_out)
{
    return expect_kind(document, ESPALIER_DOCUMENT_FLAG) &&
           grammar_of(document)->flag(document, value_out);
}

static bool read_number(espalier_document *document, espalier_document_number *number)
{
    return expect_kind(document, ESPALIER_DOCUMENT_NUMBER) &&
           grammar_of(document)->number(document, number);
}

static bool number_to_int64(espalier_document *document, const espalier_document_number *number,
                            int64_t *value_out)
{
    if (number->kind != ESPALIER_DOCUMENT_WHOLE) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "no whole number");
    }
    *value_out = number->integer;
    return true;
}

static bool fail_decimal(espalier_document *document)
{
    return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                  "no number, or one of more than %u characters",
                                  ESPALIER_DECIMAL_BYTES_MAX);
}

static bool number_to_float32(espalier_document *document, const espalier_document_number *number,
                              float *value_out)
{
    switch (number->kind) {
    case ESPALIER_DOCUMENT_WHOLE:
        *value_out = (float)number->integer;
        return true;
    case ESPALIER_DOCUMENT_REAL:
        *value_out = (float)number->real;
        return true;
    default:
        break;
    }
    return espalier_decimal_to_float32(&document->decimal, number->text, number->bytes,
                                       value_out) ||
           fail_decimal(document);
}

bool espalier_document_read_int64(espalier_document *document, int64_t *value_out)
{
    espalier_document_number number;
    return read_number(document, &number) && number_to_int64(document, &number, value_out);
}

bool espalier_document_read_float32(espalier_document *document, float *value_out)
{
    espalier_document_number number;
    return read_number(document, &number) && number_to_float32(document, &number, value_out);
}

/* ---- arrays of numbers ---------------------------------------------------------------------- */

static bool store_float32(espalier_document *document, const espalier_document_number *number,
                          void *items, uint64_t index)
{
    return number_to_float32(document, number, (float *)items + index);
}

static bool store_float64(espalier_document *document, const espalier_document_number *number,
                          void *items, uint64_t index)
{
    double *const value = (double *)items + index;
    if (number->kind == ESPALIER_DOCUMENT_DECIMAL) {
        return espalier_decimal_to_float64(&document->decimal, number->text, number->bytes,
                                           value) ||
               fail_decimal(document);
    }
    *value = number->kind == ESPALIER_DOCUMENT_WHOLE ? (double)number->integer : number->real;
    return true;
}

static bool store_int32(espalier_document *document, const espalier_document_number *number,
                        void *items, uint64_t index)
{
    int64_t value = 0;
    if (!number_to_int64(document, number, &value)) {
        return false;
    }
    if (value < INT32_MIN || value > INT32_MAX) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "%" PRId64 " is beyond 32 bits", value);
    }
    ((int32_t *)items)[index] = (int32_t)value;
    return true;
}

static bool store_flag(espalier_document *document, const espalier_document_number *number,
                       void *items, uint64_t index)
{
    int64_t value = 0;
    if (!number_to_int64(document, number, &value)) {
        return false;
    }
    if (value != 0 && value != 1) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX, document->value_at,
                                      "%" PRId64 " is neither 0 nor 1", value);
    }
    ((uint8_t *)items)[index] = (uint8_t)value;
    return true;
}

typedef bool store_number(espalier_document *document, const espalier_document_number *number,
                          void *items, uint64_t index);

static uint32_t raw_word(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
           (uint32_t)data[3];
}

/* Float32s as float32s, int32s as int32s: what nearly all of a model is. They need no look. */
static bool read_raw_words(void *items, uint8_t type, store_number *store, const uint8_t *raw,
                           uint64_t count)
{
    if (type == 'd' && store == store_float32) {
        for (uint64_t i = 0; i < count; i++) {
            const uint32_t word = raw_word(raw + i * sizeof word);
            memcpy((float *)items + i, &word, sizeof word);
        }
        return true;
    }
    for (uint64_t i = 0; type == 'l' && store == store_int32 && i < count; i++) {
        ((int32_t *)items)[i] = (int32_t)raw_word(raw + i * sizeof(int32_t));
    }
    return type == 'l' && store == store_int32;
}

/* The rest of the innermost array, which is raw. */
static bool read_raw_items(espalier_document *document, espalier_document_array *array,
                           uint64_t item_bytes, store_number *store, const uint8_t *raw,
                           uint8_t type, uint64_t count)
{
    const size_t raw_bytes = espalier_document_raw_bytes(type);
    espalier_document_frame *const frame = espalier_document_top(document);
    const size_t start = document->at;
    if (!espalier_document_reserve(document, array, count, item_bytes)) {
        return false;
    }
    const bool words = read_raw_words(array->items, type, store, raw, count);
    for (uint64_t i = 0; i < count && !words; i++) {
        espalier_document_number number;
        (void)espalier_document_raw_number(type, raw + i * raw_bytes, &number);
        if (!store(document, &number, array->items, i)) {
            return false;
        }
        /* For messages about the next. */
        frame->count = i + 2;
        document->value_at = start + (size_t)(i + 1) * raw_bytes;
    }
    array->count = count;
    espalier_document_raw_end(document);
    return true;
}

static bool read_numbers(espalier_document *document, espalier_document_array *array,
                         uint64_t item_bytes, bool flags, store_number *store)
{
    array->count = 0;
    if (!espalier_document_enter_array(document)) {
        return false;
    }
    uint8_t type = 0;
    uint64_t raw_count = 0;
    const uint8_t *const raw = espalier_document_raw_items(document, &type, &raw_count);
    if (raw != NULL) {
        document->value_at = document->at;
        espalier_document_top(document)->count = 1;
        if (!read_raw_items(document, array, item_bytes, store, raw, type, raw_count)) {
            return false;
        }
    }
    while (espalier_document_item(document)) {
        espalier_document_number number = {.kind = ESPALIER_DOCUMENT_WHOLE};
        bool flag;
        if (flags && espalier_document_peek(document) == ESPALIER_DOCUMENT_FLAG) {
            if (!espalier_document_read_flag(document, &flag)) {
                return false;
            }
            number.integer = flag ? 1 : 0;
        } else if (!read_number(document, &number)) {
            return false;
        }
        if (!espalier_document_reserve(document, array, array->count + 1, item_bytes) ||
            !store(document, &number, array->items, array->count)) {
            return false;
        }
        array->count++;
    }
    return document->status == ESPALIER_OK;
}

bool espalier_document_read_float32s(espalier_document *document, espalier_document_array *array)
{
    return read_numbers(document, array, sizeof(float), false, store_float32);
}

bool espalier_document_read_float64s(espalier_document *document, espalier_document_array *array)
{
    return read_numbers(document, array, sizeof(double), false, store_float64);
}

bool espalier_document_read_int32s(espalier_document *document, espalier_document_array *array)
{
    return read_numbers(document, array, sizeof(int32_t), false, store_int32);
}

bool espalier_document_read_flags(espalier_document *document, espalier_document_array *array)
{
    return read_numbers(document, array, sizeof(uint8_t), true, store_flag);
}
