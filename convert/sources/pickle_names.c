// SPDX-License-Identifier: Apache-2.0
/*
 * The table of names that a stream would import, and what is known about calls of them.
 * May include: the reader's own headers. Must never import or call anything.
 */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "convert/sources/pickle_internal.h"

#define ARGS_SCANNED_MAX 16u

bool espalier_pickle_slice_equal(espalier_pickle_slice slice, const char *text)
{
    return strlen(text) == slice.bytes && memcmp(slice.data, text, slice.bytes) == 0;
}

static espalier_pickle_slice slice_of(const char *text)
{
    const espalier_pickle_slice slice = {text, strlen(text)};
    return slice;
}

/* Python's own table for files of protocols 0 to 2, as far as models or attacks can meet it. */
static espalier_pickle_slice modernise_module(espalier_pickle_slice module)
{
    static const char *const renamed[][2] = {
        {"__builtin__", "builtins"},
        {"copy_reg", "copyreg"},
        {"exceptions", "builtins"},
        {"commands", "subprocess"},
        {"cPickle", "pickle"},
        {"UserDict", "collections"},
        {"UserList", "collections"},
        {"UserString", "collections"},
        {"cStringIO", "io"},
        {"StringIO", "io"},
        {"_abcoll", "collections.abc"},
        {"dummy_thread", "_thread"},
        {"thread", "_thread"},
        {"urllib2", "urllib.request"},
        {"httplib", "http.client"},
        {"SocketServer", "socketserver"},
        {"xmlrpclib", "xmlrpc.client"},
        {"test.test_support", "test.support"},
    };
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (espalier_pickle_slice_equal(module, renamed[i][0])) {
            return slice_of(renamed[i][1]);
        }
    }
    return module;
}

/* The few built-ins that also moved or changed their names. */
static void modernise_name(espalier_pickle_slice *module, espalier_pickle_slice *name)
{
    static const char *const renamed[][3] = {
        {"unicode", "builtins", "str"},    {"long", "builtins", "int"},
        {"unichr", "builtins", "chr"},     {"xrange", "builtins", "range"},
        {"reduce", "functools", "reduce"}, {"intern", "sys", "intern"},
    };
    if (!espalier_pickle_slice_equal(*module, "builtins")) {
        return;
    }
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (espalier_pickle_slice_equal(*name, renamed[i][0])) {
            *module = slice_of(renamed[i][1]);
            *name = slice_of(renamed[i][2]);
            return;
        }
    }
}

/* Seeded per pickle: names chosen to collide would otherwise make every look-up a long walk. */
static uint64_t hash_name(const espalier_pickle *pickle, espalier_pickle_slice module,
                          espalier_pickle_slice name)
{
    const uint64_t seed = XXH3_64bits_withSeed(module.data, module.bytes, pickle->name_seed);
    return XXH3_64bits_withSeed(name.data, name.bytes, seed);
}

static bool slices_equal(espalier_pickle_slice a, espalier_pickle_slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

/* Doubles the slots; they are never more than half full. */
static bool grow_slots(espalier_pickle *pickle)
{
    const size_t old_count = pickle->name_slot_count;
    const size_t count = old_count == 0 ? 64 : old_count * 2;
    uint32_t *const slots = espalier_pickle_resize(pickle, NULL, 0, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    memset(slots, 0, count * sizeof *slots);
    for (size_t i = 0; i < pickle->name_count; i++) {
        size_t slot = (size_t)pickle->names[i]->hash & (count - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (count - 1);
        }
        slots[slot] = (uint32_t)(i + 1);
    }
    espalier_pickle_give_back(pickle, pickle->name_slots, old_count * sizeof *slots);
    pickle->name_slots = slots;
    pickle->name_slot_count = count;
    return true;
}

static bool grow_names(espalier_pickle *pickle)
{
    if (pickle->name_count == pickle->name_capacity) {
        const size_t capacity = pickle->name_capacity == 0 ? 32 : pickle->name_capacity * 2;
        espalier_pickle_entry **const names =
            espalier_pickle_resize(pickle, pickle->names, pickle->name_capacity * sizeof *names,
                                   capacity * sizeof *names);
        if (names == NULL) {
            return false;
        }
        pickle->names = names;
        pickle->name_capacity = capacity;
    }
    return (pickle->name_count + 1) * 2 <= pickle->name_slot_count || grow_slots(pickle);
}

static espalier_status add_name(espalier_pickle_machine *machine, espalier_pickle_slice module,
                                espalier_pickle_slice name, uint64_t hash,
                                espalier_pickle_entry **out)
{
    espalier_pickle *const pickle = machine->pickle;
    if (pickle->name_count == ESPALIER_PICKLE_NAMES_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "more than %u distinct names", ESPALIER_PICKLE_NAMES_MAX);
    }
    espalier_pickle_entry *const entry = espalier_pickle_take(pickle, sizeof *entry);
    if (entry == NULL || !grow_names(pickle)) {
        return espalier_pickle_no_memory(machine);
    }
    memset(entry, 0, sizeof *entry);
    entry->shown.module = module;
    entry->shown.name = name;
    entry->shown.first_offset = machine->op_offset;
    entry->shown.policy = espalier_pickle_name_policy(module, name);
    entry->special = espalier_pickle_special_of(module, name);
    entry->hash = hash;
    size_t slot = (size_t)hash & (pickle->name_slot_count - 1);
    while (pickle->name_slots[slot] != 0) {
        slot = (slot + 1) & (pickle->name_slot_count - 1);
    }
    pickle->names[pickle->name_count] = entry;
    pickle->name_count++;
    pickle->name_slots[slot] = (uint32_t)pickle->name_count;
    *out = entry;
    return ESPALIER_OK;
}

void espalier_pickle_flag(espalier_pickle_machine *machine, espalier_pickle_entry *entry)
{
    entry->shown.policy = ESPALIER_NAME_FLAGGED;
    if (machine->flagged == NULL) {
        machine->flagged = entry;
    }
}

espalier_status espalier_pickle_intern(espalier_pickle_machine *machine,
                                       espalier_pickle_slice module, espalier_pickle_slice name,
                                       espalier_pickle_entry **out)
{
    espalier_pickle *const pickle = machine->pickle;
    if (module.bytes > ESPALIER_PICKLE_NAME_BYTES_MAX ||
        name.bytes > ESPALIER_PICKLE_NAME_BYTES_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "a name of more than %u bytes", ESPALIER_PICKLE_NAME_BYTES_MAX);
    }
    module = modernise_module(module);
    modernise_name(&module, &name);
    const uint64_t hash = hash_name(pickle, module, name);
    espalier_pickle_entry *entry = NULL;
    if (pickle->name_slot_count != 0) {
        size_t slot = (size_t)hash & (pickle->name_slot_count - 1);
        while (pickle->name_slots[slot] != 0 && entry == NULL) {
            espalier_pickle_entry *const seen = pickle->names[pickle->name_slots[slot] - 1];
            if (seen->hash == hash && slices_equal(seen->shown.module, module) &&
                slices_equal(seen->shown.name, name)) {
                entry = seen;
            }
            slot = (slot + 1) & (pickle->name_slot_count - 1);
        }
    }
    if (entry == NULL) {
        const espalier_status status = add_name(machine, module, name, hash, &entry);
        if (entry == NULL) {
            return status;
        }
    }
    entry->shown.import_count++;
    if (entry->shown.policy == ESPALIER_NAME_FLAGGED) {
        espalier_pickle_flag(machine, entry);
    }
    *out = entry;
    return ESPALIER_OK;
}

espalier_pickle_entry *espalier_pickle_reached(const espalier_pickle_value *value)
{
    if (value != NULL && value->kind == ESPALIER_PICKLE_SYMBOL) {
        return (espalier_pickle_entry *)value->as.name;
    }
    if (value != NULL && value->kind == ESPALIER_PICKLE_OBJECT) {
        return (espalier_pickle_entry *)espalier_pickle_rest_of(value->as.object)->derived;
    }
    return NULL;
}

static bool is_flagged(const espalier_pickle_entry *entry)
{
    return entry != NULL && entry->shown.policy == ESPALIER_NAME_FLAGGED;
}

/* reduce(getattr, ["__globals__"], f): good files call getattr, and never hand it on. */
static void flag_passed_getattr(espalier_pickle_machine *machine, const espalier_pickle_value *args)
{
    const uint32_t count = args == NULL ? 0 : espalier_pickle_count(args);
    for (uint32_t i = 0; i < count && i < ARGS_SCANNED_MAX; i++) {
        espalier_pickle_entry *const passed = espalier_pickle_reached(espalier_pickle_at(args, i));
        if (passed != NULL && passed->special == ESPALIER_PICKLE_GETATTR) {
            espalier_pickle_flag(machine, passed);
        }
    }
}

espalier_status espalier_pickle_note_call(espalier_pickle_machine *machine,
                                          const espalier_pickle_value *callable,
                                          const espalier_pickle_value *args)
{
    espalier_pickle_entry *const called = espalier_pickle_reached(callable);
    if (called != NULL) {
        called->shown.call_count++;
        if (called->special == ESPALIER_PICKLE_NEVER_CALLED) {
            espalier_pickle_flag(machine, called);
        }
    }
    flag_passed_getattr(machine, args);
    if (machine->flagged == NULL) {
        return ESPALIER_OK;
    }
    /* map(os.system, [...]) runs it as much as a call of its own. */
    espalier_pickle_entry *guilty = is_flagged(called) ? called : NULL;
    const uint32_t count = args == NULL ? 0 : espalier_pickle_count(args);
    for (uint32_t i = 0; i < count && i < ARGS_SCANNED_MAX && guilty == NULL; i++) {
        espalier_pickle_entry *const passed = espalier_pickle_reached(espalier_pickle_at(args, i));
        guilty = is_flagged(passed) ? passed : NULL;
    }
    if (guilty == NULL || (guilty->shown.call_text != NULL && machine->pickle->flagged_allowed)) {
        return ESPALIER_OK;
    }
    char *const text = espalier_pickle_take(machine->pickle, ESPALIER_PICKLE_CALL_TEXT_BYTES + 1);
    if (text == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    espalier_pickle_render_call(callable, args, text, ESPALIER_PICKLE_CALL_TEXT_BYTES + 1);
    guilty->shown.call_text = text;
    if (machine->pickle->flagged_allowed) {
        return ESPALIER_OK;
    }
    return espalier_pickle_stop_flagged(machine, guilty);
}

size_t espalier_pickle_name_count(const espalier_pickle *pickle)
{
    return pickle->name_count;
}

const espalier_pickle_name *espalier_pickle_name_at(const espalier_pickle *pickle, size_t index)
{
    return index < pickle->name_count ? &pickle->names[index]->shown : NULL;
}
