// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a call that a stream would have made, for reports: ASCII, escaped, bounded.
 * May include: the reader's own headers. Must never recurse or follow more than fits the text.
 */
#include <stdio.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"

#define RENDER_DEPTH_MAX 8u

typedef struct render_text {
    char *out;
    size_t used;
    size_t capacity; /* with the NUL */
    bool full;
} render_text;

/* A container half written. */
typedef struct render_frame {
    const espalier_pickle_value *value;
    const char *closing;
    uint32_t next;
} render_frame;

/* A piece is written whole or not at all, so an escape is never cut. */
static void put_piece(render_text *text, const char *piece)
{
    const size_t bytes = strlen(piece);
    if (text->full || text->capacity - text->used <= bytes + 3) {
        text->full = true;
        return;
    }
    memcpy(text->out + text->used, piece, bytes);
    text->used += bytes;
    text->out[text->used] = '\0';
}

static void put_bytes(render_text *text, const uint8_t *data, uint64_t bytes, bool quoted)
{
    for (uint64_t i = 0; i < bytes && !text->full; i++) {
        char piece[8];
        if (data[i] < 0x20 || data[i] >= 0x7F) {
            snprintf(piece, sizeof piece, "\\x%02x", data[i]);
        } else if (quoted && (data[i] == '"' || data[i] == '\\')) {
            snprintf(piece, sizeof piece, "\\%c", data[i]);
        } else {
            snprintf(piece, sizeof piece, "%c", data[i]);
        }
        put_piece(text, piece);
    }
}

static void put_name(render_text *text, const espalier_pickle_name *name)
{
    put_bytes(text, (const uint8_t *)name->module.data, name->module.bytes, false);
    put_piece(text, name->module.bytes == 0 ? "" : ".");
    put_bytes(text, (const uint8_t *)name->name.data, name->name.bytes, false);
}

static void put_number(render_text *text, const espalier_pickle_value *value)
{
    char piece[48];
    if (value->kind == ESPALIER_PICKLE_INTEGER) {
        snprintf(piece, sizeof piece, "%lld", (long long)value->as.integer);
    } else {
        snprintf(piece, sizeof piece, "%.17g", value->as.real);
    }
    put_piece(text, piece);
}

static void put_quoted(render_text *text, const espalier_pickle_value *value)
{
    put_piece(text, value->kind == ESPALIER_PICKLE_BYTES ? "b\"" : "\"");
    put_bytes(text, espalier_pickle_data(value), espalier_pickle_bytes(value), true);
    put_piece(text, "\"");
}

/* Anything that has no items; true if it was one. */
static bool put_plain(render_text *text, const espalier_pickle_value *value)
{
    switch (value->kind) {
    case ESPALIER_PICKLE_NONE:
        put_piece(text, "None");
        return true;
    case ESPALIER_PICKLE_BOOL:
        put_piece(text, value->as.integer != 0 ? "True" : "False");
        return true;
    case ESPALIER_PICKLE_INTEGER:
    case ESPALIER_PICKLE_FLOAT:
        put_number(text, value);
        return true;
    case ESPALIER_PICKLE_TEXT:
    case ESPALIER_PICKLE_BYTES:
        put_quoted(text, value);
        return true;
    case ESPALIER_PICKLE_SYMBOL:
        put_name(text, value->as.name);
        return true;
    case ESPALIER_PICKLE_BIG_INTEGER:
        put_piece(text, "<integer>");
        return true;
    case ESPALIER_PICKLE_ARRAY:
        put_piece(text, "<array>");
        return true;
    default:
        return false;
    }
}

/* Items, and of a dict key, value, key, value ... */
static uint64_t count_parts(const espalier_pickle_value *value)
{
    return value->kind == ESPALIER_PICKLE_DICT ? 2 * (uint64_t)espalier_pickle_pairs_of(value)
                                               : espalier_pickle_count(value);
}

static const espalier_pickle_value *part_at(const espalier_pickle_value *value, uint64_t index)
{
    const uint32_t pair = (uint32_t)(index / 2);
    if (value->kind != ESPALIER_PICKLE_DICT) {
        return espalier_pickle_at(value, (uint32_t)index);
    }
    return index % 2 == 0 ? espalier_pickle_key_at(value, pair)
                          : espalier_pickle_value_at(value, pair);
}

static const char *opening_of(const espalier_pickle_value *value)
{
    switch (value->kind) {
    case ESPALIER_PICKLE_LIST:
        return "[";
    case ESPALIER_PICKLE_DICT:
    case ESPALIER_PICKLE_SET:
        return "{";
    default:
        return "(";
    }
}

static const char *closing_of(const espalier_pickle_value *value)
{
    switch (value->kind) {
    case ESPALIER_PICKLE_LIST:
        return "]";
    case ESPALIER_PICKLE_DICT:
    case ESPALIER_PICKLE_SET:
        return "}";
    default:
        return value->kind == ESPALIER_PICKLE_TUPLE && espalier_pickle_count(value) == 1 ? ",)"
                                                                                         : ")";
    }
}

/* What may be called, without its arguments: chains of getattr come out as dotted names. */
static void put_callable(render_text *text, const espalier_pickle_value *callable)
{
    const espalier_pickle_entry *const reached = espalier_pickle_reached(callable);
    if (reached != NULL) {
        put_name(text, &reached->shown);
    } else if (callable->kind == ESPALIER_PICKLE_OBJECT && callable->as.object->name != NULL) {
        put_name(text, callable->as.object->name);
        put_piece(text, "(...)");
    } else {
        put_piece(text, "<object>");
    }
}

/* Starts a value: plain ones are done at once, the others become a frame. */
static void start_value(render_text *text, const espalier_pickle_value *value, render_frame *frames,
                        size_t *depth)
{
    if (put_plain(text, value)) {
        return;
    }
    const bool is_call = value->kind == ESPALIER_PICKLE_OBJECT;
    if (is_call) {
        if (espalier_pickle_reached(value) != NULL) {
            put_callable(text, value);
            return;
        }
        put_callable(text, value->as.object->callable);
        value = value->as.object->args;
        if (value == NULL) {
            return;
        }
    }
    if (*depth == RENDER_DEPTH_MAX) {
        put_piece(text, "...");
        return;
    }
    put_piece(text, opening_of(value));
    frames[*depth].value = value;
    frames[*depth].closing = is_call ? ")" : closing_of(value);
    frames[*depth].next = 0;
    (*depth)++;
}

void espalier_pickle_render_call(const espalier_pickle_value *callable,
                                 const espalier_pickle_value *args, char *out, size_t capacity)
{
    render_text text = {out, 0, capacity, false};
    render_frame frames[RENDER_DEPTH_MAX];
    size_t depth = 0;
    out[0] = '\0';
    put_callable(&text, callable);
    if (args == NULL) {
        put_piece(&text, "(...)");
    } else {
        put_piece(&text, "(");
        frames[0].value = args;
        frames[0].closing = ")";
        frames[0].next = 0;
        depth = 1;
    }
    /* Every step writes at least one character or closes a frame, so the text bounds the loop. */
    while (depth > 0 && !text.full) {
        render_frame *const frame = &frames[depth - 1];
        if (frame->next >= count_parts(frame->value)) {
            put_piece(&text, frame->closing);
            depth--;
            continue;
        }
        if (frame->next > 0) {
            const bool pair = frame->value->kind == ESPALIER_PICKLE_DICT && frame->next % 2 == 1;
            put_piece(&text, pair ? ": " : ", ");
        }
        const espalier_pickle_value *const item = part_at(frame->value, frame->next);
        frame->next++;
        start_value(&text, item, frames, &depth);
    }
    if (text.full) {
        memcpy(out + text.used, "...", 4);
    }
}
