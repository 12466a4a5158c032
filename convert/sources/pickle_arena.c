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
    value->offset_low = (uint32_t)machine->op_offset;
    value->offset_high = (uint8_t)(machine->op_offset >> 32);
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

static uint64_t mix(uint64_t hash)
{
    return ((hash ^ (hash >> 29)) * UINT64_C(0xBF58476D1CE4E5B9)) >> 32;
}

static espalier_pickle_value **place_of_hash(espalier_pickle_machine *machine, uint64_t hash)
{
    return &machine->equals[mix(hash) % ESPALIER_PICKLE_EQUALS];
}

/* Of every step-th of `count` values. */
static uint64_t hash_values(espalier_pickle_value *const *values, size_t count, size_t step)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uint64_t)(uintptr_t)values[i * step]) * UINT64_C(0x9E3779B97F4A7C15);
    }
    return hash;
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
    espalier_pickle_value **const place = place_of_hash(machine, hash_values(items, count, 1));
    espalier_pickle_value *const found = *place;
    if (found != NULL && found->kind == ESPALIER_PICKLE_TUPLE &&
        espalier_pickle_count(found) == count &&
        (count == 0 || memcmp(found->as.items->at, items, count * sizeof *items) == 0)) {
        return share(machine, found);
    }
    *place_out = place;
    return NULL;
}

espalier_pickle_rest *espalier_pickle_make_rest(espalier_pickle_machine *machine,
                                                espalier_pickle_object *object)
{
    if (object->rest == NULL) {
        object->rest = espalier_pickle_take(machine->pickle, sizeof *object->rest);
        if (object->rest != NULL) {
            *object->rest = espalier_pickle_no_rest;
        }
    }
    return object->rest;
}

/* ---- bytes ------------------------------------------------------------------------------- */

bool espalier_pickle_set_slice(espalier_pickle_machine *machine, espalier_pickle_value *value,
                               const uint8_t *data, uint64_t bytes)
{
    value->short_bytes = (uint8_t)bytes;
    value->as.data = data;
    if (bytes >= ESPALIER_PICKLE_LONG_SLICE) {
        espalier_pickle_long_slice *const slice =
            espalier_pickle_take(machine->pickle, sizeof *slice);
        if (slice == NULL) {
            value->short_bytes = 0;
            return false;
        }
        *slice = (espalier_pickle_long_slice){data, bytes};
        value->short_bytes = ESPALIER_PICKLE_LONG_SLICE;
        value->as.slice = slice;
    }
    /* Once per text, not once per look: a memoised one may be looked at millions of times. */
    const bool valid = value->kind == ESPALIER_PICKLE_TEXT &&
                       bytes <= ESPALIER_PICKLE_TEXT_CHECKED_BYTES &&
                       espalier_pickle_utf8_valid(data, bytes);
    value->flags &= (uint8_t)~ESPALIER_PICKLE_FLAG_UTF8;
    value->flags |= valid ? ESPALIER_PICKLE_FLAG_UTF8 : 0;
    return true;
}

espalier_pickle_value *espalier_pickle_make_slice(espalier_pickle_machine *machine,
                                                  espalier_pickle_kind kind, const uint8_t *data,
                                                  uint64_t bytes)
{
    espalier_pickle_value *const value = espalier_pickle_make(machine, kind);
    return value != NULL && espalier_pickle_set_slice(machine, value, data, bytes) ? value : NULL;
}

/* ---- containers -------------------------------------------------------------------------- */

/* Room for `more` behind `count`, and for as many again that were there; 0: more than 2^32. */
static uint32_t find_capacity(espalier_pickle_machine *machine, uint32_t count, size_t more)
{
    if (more > UINT32_MAX - 8 - count) {
        (void)espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                   "a container of more than 2^32 items");
        return 0;
    }
    const uint64_t capacity = 2 * (uint64_t)count + more;
    return capacity > UINT32_MAX ? UINT32_MAX : (uint32_t)capacity;
}

static espalier_status extend_list(espalier_pickle_machine *machine, espalier_pickle_value *list,
                                   espalier_pickle_value *const *items, size_t count)
{
    espalier_pickle_items *own = list->as.items;
    const uint32_t old = espalier_pickle_count(list);
    if (own == NULL || count > own->capacity - old) {
        const uint32_t capacity = find_capacity(machine, old, count);
        if (capacity == 0) {
            return ESPALIER_ERROR_SOURCE_LIMIT;
        }
        own = espalier_pickle_take(machine->pickle,
                                   sizeof *own + (uint64_t)capacity * sizeof *own->at);
        if (own == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        own->capacity = capacity;
        if (old != 0) {
            memcpy(own->at, list->as.items->at, old * sizeof *own->at);
        }
        list->as.items = own;
    }
    memcpy(own->at + old, items, count * sizeof *items);
    own->count = old + (uint32_t)count;
    return ESPALIER_OK;
}

/* The first keys of a dict: those of another that are the very same, or a copy. */
static espalier_pickle_value **make_keys(espalier_pickle_machine *machine,
                                         espalier_pickle_value *const *items, uint32_t count)
{
    espalier_pickle_keys *const place =
        &machine->key_lists[mix(hash_values(items, count, 2)) % ESPALIER_PICKLE_LISTS];
    bool equal = place->at != NULL && place->count == count;
    for (uint32_t i = 0; i < count && equal; i++) {
        equal = place->at[i] == items[2 * (size_t)i];
    }
    if (equal) {
        return place->at;
    }
    espalier_pickle_value **const keys =
        espalier_pickle_take(machine->pickle, (uint64_t)count * sizeof *keys);
    for (uint32_t i = 0; keys != NULL && i < count; i++) {
        keys[i] = items[2 * (size_t)i];
    }
    if (keys != NULL && count <= ESPALIER_PICKLE_EQUAL_KEYS_MAX) {
        *place = (espalier_pickle_keys){keys, count};
    }
    return keys;
}

/* Room behind the pairs of a dict; its keys move with them. */
static espalier_status grow_pairs(espalier_pickle_machine *machine, espalier_pickle_value *dict,
                                  espalier_pickle_value *const *items, size_t count)
{
    const uint32_t old = espalier_pickle_pairs_of(dict);
    const uint32_t capacity = find_capacity(machine, old, count);
    if (capacity == 0) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    espalier_pickle_pairs *const pairs =
        espalier_pickle_take(machine->pickle,
                             sizeof *pairs + (uint64_t)capacity * sizeof *pairs->at);
    espalier_pickle_value **const keys =
        old == 0 ? make_keys(machine, items, capacity)
                 : espalier_pickle_take(machine->pickle, (uint64_t)capacity * sizeof *keys);
    if (pairs == NULL || keys == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    if (old != 0) {
        memcpy(keys, dict->as.pairs->keys, old * sizeof *keys);
        memcpy(pairs->at, dict->as.pairs->at, old * sizeof *pairs->at);
    }
    pairs->keys = keys;
    pairs->count = old;
    pairs->capacity = capacity;
    dict->as.pairs = pairs;
    return ESPALIER_OK;
}

static espalier_status extend_dict(espalier_pickle_machine *machine, espalier_pickle_value *dict,
                                   espalier_pickle_value *const *items, size_t count)
{
    const uint32_t old = espalier_pickle_pairs_of(dict);
    if (dict->as.pairs == NULL || count > dict->as.pairs->capacity - old) {
        const espalier_status status = grow_pairs(machine, dict, items, count);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    espalier_pickle_pairs *const pairs = dict->as.pairs;
    for (size_t i = 0; i < count; i++) {
        if (old != 0) { /* else they are there, and perhaps others' as well */
            pairs->keys[old + i] = items[2 * i];
        }
        pairs->at[old + i] = items[2 * i + 1];
    }
    pairs->count = old + (uint32_t)count;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_extend(espalier_pickle_machine *machine,
                                       espalier_pickle_value *list,
                                       espalier_pickle_value *const *items, size_t count)
{
    if (count == 0) {
        return ESPALIER_OK;
    }
    return list->kind == ESPALIER_PICKLE_DICT ? extend_dict(machine, list, items, count / 2)
                                              : extend_list(machine, list, items, count);
}
