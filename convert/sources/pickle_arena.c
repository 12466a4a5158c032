// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of the pickle reader: an arena of values, and the account that bounds it and every copy.
 * May include: the reader's own headers, format/error.h. Must never free a single value.
 */
#include <stdlib.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"

#define CHUNK_BYTES_MIN 16384u
#define CHUNK_BYTES_MAX 1048576u

static bool charge_memory(espalier_pickle *pickle, uint64_t bytes)
{
    if (bytes > pickle->memory_bytes_max ||
        pickle->memory_bytes > pickle->memory_bytes_max - bytes) {
        pickle->limit_hit = true;
        return false;
    }
    pickle->memory_bytes += bytes;
    return true;
}

static espalier_pickle_chunk *add_chunk(espalier_pickle *pickle, size_t bytes)
{
    size_t wanted = CHUNK_BYTES_MIN;
    if (pickle->chunks != NULL) {
        wanted = pickle->chunks->bytes * 2;
        wanted = wanted > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : wanted;
    }
    const bool dedicated = bytes > wanted / 4 && pickle->chunks != NULL;
    if (dedicated || bytes > wanted) {
        wanted = bytes;
    }
    const uint64_t whole = (uint64_t)wanted + sizeof(espalier_pickle_chunk);
    if (!charge_memory(pickle, whole)) {
        return NULL;
    }
    espalier_pickle_chunk *const chunk = malloc((size_t)whole);
    if (chunk == NULL) {
        pickle->memory_bytes -= whole;
        return NULL;
    }
    chunk->bytes = wanted;
    chunk->used = 0;
    /* A block of its own goes behind the current chunk, which still has room. */
    if (dedicated) {
        chunk->next = pickle->chunks->next;
        pickle->chunks->next = chunk;
    } else {
        chunk->next = pickle->chunks;
        pickle->chunks = chunk;
    }
    return chunk;
}

void *espalier_pickle_take(espalier_pickle *pickle, uint64_t bytes)
{
    if (bytes > SIZE_MAX / 2 - 64) {
        pickle->limit_hit = true;
        return NULL;
    }
    const size_t rounded = ((size_t)bytes + 7u) & ~(size_t)7u;
    espalier_pickle_chunk *chunk = pickle->chunks;
    if (chunk == NULL || chunk->bytes - chunk->used < rounded) {
        chunk = add_chunk(pickle, rounded);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *const block = (uint8_t *)(chunk + 1) + chunk->used;
    chunk->used += rounded;
    return block;
}

void *espalier_pickle_resize(espalier_pickle *pickle, void *old, uint64_t old_bytes,
                             uint64_t new_bytes)
{
    if (new_bytes > SIZE_MAX / 2) {
        pickle->limit_hit = true;
        return NULL;
    }
    if (!charge_memory(pickle, new_bytes - old_bytes)) {
        return NULL;
    }
    void *const block = realloc(old, (size_t)new_bytes);
    if (block == NULL) {
        pickle->memory_bytes -= new_bytes - old_bytes;
    }
    return block;
}

void espalier_pickle_give_back(espalier_pickle *pickle, void *block, uint64_t bytes)
{
    free(block);
    pickle->memory_bytes -= bytes;
}

void espalier_pickle_free_arena(espalier_pickle *pickle)
{
    espalier_pickle_chunk *chunk = pickle->chunks;
    while (chunk != NULL) {
        espalier_pickle_chunk *const next = chunk->next;
        free(chunk);
        chunk = next;
    }
    pickle->chunks = NULL;
}

espalier_pickle_value *espalier_pickle_make(espalier_pickle_machine *machine,
                                            espalier_pickle_kind kind)
{
    espalier_pickle_value *const value =
        espalier_pickle_take(machine->pickle, sizeof(espalier_pickle_value));
    if (value == NULL) {
        return NULL;
    }
    memset(value, 0, sizeof *value);
    value->kind = (uint8_t)kind;
    value->offset = machine->op_offset;
    machine->pickle->value_count++;
    return value;
}

/* ---- values that cannot change are shared ------------------------------------------------ */

/* As a value of its own counts what is shared: limits of visits are set by the count. */
static espalier_pickle_value *share(espalier_pickle_machine *machine, espalier_pickle_value *value)
{
    machine->pickle->value_count++;
    return value;
}

static espalier_pickle_value **place_of_hash(espalier_pickle_machine *machine, uint64_t hash)
{
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
    return &machine->equals[(hash >> 32) % ESPALIER_PICKLE_EQUALS];
}

espalier_pickle_value *espalier_pickle_make_number(espalier_pickle_machine *machine,
                                                   espalier_pickle_kind kind, uint64_t bits)
{
    espalier_pickle_value **const place = place_of_hash(machine, bits + (uint64_t)kind);
    espalier_pickle_value *value = *place;
    if (value != NULL && value->kind == kind &&
        memcmp(&value->as.integer, &bits, sizeof bits) == 0) {
        return share(machine, value);
    }
    value = espalier_pickle_make(machine, kind);
    if (value != NULL) {
        memcpy(&value->as.integer, &bits, sizeof bits);
        *place = value;
    }
    return value;
}

espalier_pickle_value *espalier_pickle_find_tuple(espalier_pickle_machine *machine,
                                                  espalier_pickle_value *const *items, size_t count,
                                                  espalier_pickle_value ***place_out)
{
    *place_out = NULL;
    if (count > ESPALIER_PICKLE_EQUAL_ITEMS_MAX) {
        return NULL;
    }
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uint64_t)(uintptr_t)items[i]) * UINT64_C(0x9E3779B97F4A7C15);
    }
    espalier_pickle_value **const place = place_of_hash(machine, hash);
    espalier_pickle_value *const found = *place;
    if (found != NULL && found->kind == ESPALIER_PICKLE_TUPLE && found->count == count &&
        (count == 0 || memcmp(found->as.list.items, items, count * sizeof *items) == 0)) {
        return share(machine, found);
    }
    *place_out = place;
    return NULL;
}

espalier_pickle_value *espalier_pickle_make_slice(espalier_pickle_machine *machine,
                                                  espalier_pickle_kind kind, const uint8_t *data,
                                                  uint64_t bytes)
{
    espalier_pickle_value *const value = espalier_pickle_make(machine, kind);
    if (value != NULL) {
        value->as.slice.data = data;
        value->as.slice.bytes = bytes;
        /* Once per text, not once per look: a memoised one may be looked at millions of times. */
        if (kind == ESPALIER_PICKLE_TEXT && bytes <= ESPALIER_PICKLE_TEXT_CHECKED_BYTES &&
            espalier_pickle_utf8_valid(data, bytes)) {
            value->flags |= ESPALIER_PICKLE_FLAG_UTF8;
        }
    }
    return value;
}

espalier_status espalier_pickle_extend(espalier_pickle_machine *machine,
                                       espalier_pickle_value *list,
                                       espalier_pickle_value *const *items, size_t count)
{
    if (count == 0) {
        return ESPALIER_OK;
    }
    if (count > UINT32_MAX - 8 - list->count) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "a container of more than 2^32 items");
    }
    const uint32_t needed = list->count + (uint32_t)count;
    if (needed > list->as.list.capacity) {
        uint64_t capacity = list->count == 0 ? needed : (uint64_t)needed + list->count;
        capacity = capacity > UINT32_MAX ? UINT32_MAX : capacity;
        espalier_pickle_value **const grown =
            espalier_pickle_take(machine->pickle, capacity * sizeof *grown);
        if (grown == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        if (list->count != 0) {
            memcpy(grown, list->as.list.items, list->count * sizeof *grown);
        }
        list->as.list.items = grown;
        list->as.list.capacity = (uint32_t)capacity;
    }
    memcpy(list->as.list.items + list->count, items, count * sizeof *items);
    list->count = needed;
    return ESPALIER_OK;
}
