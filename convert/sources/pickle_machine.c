// SPDX-License-Identifier: Apache-2.0
/*
 * The pickle machine: one loop over opcodes, and those that move, gather, name and build. A level
 * is the outer pickle or one nested behind a joblib wrapper.
 * May include: the reader's own headers. Must never recurse.
 */
#include <locale.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"

typedef espalier_pickle_machine machine_state;
typedef espalier_pickle_value machine_value;

/* ---- opcodes: stream structure ----------------------------------------------------------- */

static espalier_status run_proto(machine_state *machine)
{
    uint64_t protocol = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 1, &protocol);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (protocol > ESPALIER_PICKLE_PROTOCOL_MAX) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                    "pickle protocol %u; the newest known is %u",
                                    (unsigned)protocol, ESPALIER_PICKLE_PROTOCOL_MAX);
    }
    if (machine->level == 0 && protocol > machine->pickle->protocol) {
        machine->pickle->protocol = (uint32_t)protocol;
    }
    return ESPALIER_OK;
}

static espalier_status run_frame(machine_state *machine)
{
    uint64_t bytes = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 8, &bytes);
    if (status == ESPALIER_OK && !espalier_pickle_has_bytes(machine, bytes)) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                    "a frame of %llu bytes where %llu are left in the file",
                                    (unsigned long long)bytes,
                                    (unsigned long long)(machine->bytes - machine->at));
    }
    return status;
}

static espalier_status run_stop(machine_state *machine)
{
    espalier_pickle_level *const level = espalier_pickle_level_of(machine);
    if (machine->mark_count != level->mark_base) {
        return espalier_pickle_stop_syntax(machine,
                                           "the pickle ends with a mark left on the stack");
    }
    if (machine->stack_count - level->stack_base != 1) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "the pickle ends with %llu values on the stack, not one",
                                    (unsigned long long)(machine->stack_count - level->stack_base));
    }
    machine_value *const result = espalier_pickle_pop(machine);
    if (machine->level == 0) {
        machine->pickle->root = result;
        machine->pickle->consumed_bytes = machine->at;
        machine->done = true;
        return ESPALIER_OK;
    }
    /* A nested pickle: what it gives takes the wrapper's place. The memo's memory is kept. */
    if (level->memo_used != 0) {
        memset(level->memo, 0, level->memo_used * sizeof(machine_value *));
    }
    level->memo_used = 0;
    level->put_count = 0;
    level->entry_count = 0;
    machine->level--;
    machine->stack[machine->stack_count - 1] = result;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_descend(espalier_pickle_machine *machine)
{
    if (machine->level >= machine->nested_count_max) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "pickles nested more than %llu deep",
                                    (unsigned long long)machine->nested_count_max);
    }
    machine->level++;
    espalier_pickle_level *const level = espalier_pickle_level_of(machine);
    level->stack_base = machine->stack_count;
    level->mark_base = machine->mark_count;
    return ESPALIER_OK;
}

static espalier_status run_mark(machine_state *machine)
{
    if (machine->mark_count == machine->mark_capacity) {
        if (machine->mark_count >= machine->mark_count_max) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                        "more than %llu marks on the stack",
                                        (unsigned long long)machine->mark_count_max);
        }
        size_t capacity = machine->mark_capacity == 0 ? 64 : machine->mark_capacity * 2;
        capacity = capacity > machine->mark_count_max ? machine->mark_count_max : capacity;
        size_t *const marks = espalier_pickle_resize(machine->pickle, machine->marks,
                                                     machine->mark_capacity * sizeof *marks,
                                                     capacity * sizeof *marks);
        if (marks == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        machine->marks = marks;
        machine->mark_capacity = capacity;
    }
    machine->marks[machine->mark_count] = machine->stack_count;
    machine->mark_count++;
    return ESPALIER_OK;
}

static espalier_status run_pop(machine_state *machine)
{
    size_t first = 0;
    /* As Python: POP right behind a mark takes the mark off. */
    if (machine->mark_count > espalier_pickle_level_of(machine)->mark_base &&
        machine->stack_count == espalier_pickle_fence_of(machine)) {
        return espalier_pickle_pop_mark(machine, &first);
    }
    const espalier_status status = espalier_pickle_need(machine, 1);
    if (status == ESPALIER_OK) {
        espalier_pickle_pop(machine);
    }
    return status;
}

static espalier_status run_pop_mark(machine_state *machine)
{
    size_t first = 0;
    const espalier_status status = espalier_pickle_pop_mark(machine, &first);
    if (status == ESPALIER_OK) {
        machine->stack_count = first;
    }
    return status;
}

static espalier_status run_dup(machine_state *machine)
{
    const espalier_status status = espalier_pickle_need(machine, 1);
    return status == ESPALIER_OK ? espalier_pickle_push(machine, espalier_pickle_top(machine))
                                 : status;
}

/* ---- opcodes: memo ----------------------------------------------------------------------- */

/* A memo index in decimal. */
static espalier_status read_index_line(machine_state *machine, uint64_t *index)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    const espalier_status status =
        espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint64_t number = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        if (line[i] < '0' || line[i] > '9' || i >= 18) {
            return espalier_pickle_stop_syntax(machine, "a malformed memo index");
        }
        number = number * 10 + (uint64_t)(line[i] - '0');
    }
    *index = number;
    return bytes == 0 ? espalier_pickle_stop_syntax(machine, "a malformed memo index")
                      : ESPALIER_OK;
}

static espalier_status run_put(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = read_index_line(machine, &index);
    return status == ESPALIER_OK ? espalier_pickle_put_memo(machine, index) : status;
}

static espalier_status run_get(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = read_index_line(machine, &index);
    return status == ESPALIER_OK ? espalier_pickle_get_memo(machine, index) : status;
}

static espalier_status run_binput(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 1, &index);
    return status == ESPALIER_OK ? espalier_pickle_put_memo(machine, index) : status;
}

static espalier_status run_long_binput(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 4, &index);
    return status == ESPALIER_OK ? espalier_pickle_put_memo(machine, index) : status;
}

static espalier_status run_memoize(machine_state *machine)
{
    /* The implicit index is the number of entries, which a repeated PUT does not raise. */
    return espalier_pickle_put_memo(machine, espalier_pickle_level_of(machine)->entry_count);
}

static espalier_status run_binget(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 1, &index);
    return status == ESPALIER_OK ? espalier_pickle_get_memo(machine, index) : status;
}

static espalier_status run_long_binget(machine_state *machine)
{
    uint64_t index = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 4, &index);
    return status == ESPALIER_OK ? espalier_pickle_get_memo(machine, index) : status;
}

/* ---- opcodes: containers ----------------------------------------------------------------- */

/* A container of the stack's values from index `first` up. */
static espalier_status gather(machine_state *machine, espalier_pickle_kind kind, size_t first)
{
    machine_value *const *const items = machine->stack + first;
    const size_t count = machine->stack_count - first;
    machine_value **place = NULL;
    machine_value *value = kind == ESPALIER_PICKLE_TUPLE
                               ? espalier_pickle_find_tuple(machine, items, count, &place)
                               : NULL;
    if (value == NULL) {
        espalier_pickle_chunk *const chunk = machine->pickle->chunks;
        const size_t used = chunk != NULL ? chunk->used : 0;
        value = espalier_pickle_make(machine, kind);
        if (value == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        const espalier_status status = espalier_pickle_extend(machine, value, items, count);
        if (status != ESPALIER_OK) {
            return status;
        }
        if (kind == ESPALIER_PICKLE_TUPLE) {
            machine->newest = (espalier_pickle_newest){value,
                                                       place,
                                                       machine->at,
                                                       ESPALIER_PICKLE_NOT_IN_MEMO,
                                                       chunk,
                                                       used,
                                                       chunk != NULL ? chunk->used : 0};
        }
        if (place != NULL) {
            *place = value;
        }
    }
    machine->stack_count = first;
    return espalier_pickle_push(machine, value);
}

static espalier_status run_empty_list(machine_state *machine)
{
    return espalier_pickle_push(machine, espalier_pickle_make(machine, ESPALIER_PICKLE_LIST));
}

static espalier_status run_empty_dict(machine_state *machine)
{
    return espalier_pickle_push(machine, espalier_pickle_make(machine, ESPALIER_PICKLE_DICT));
}

static espalier_status run_empty_tuple(machine_state *machine)
{
    return gather(machine, ESPALIER_PICKLE_TUPLE, machine->stack_count);
}

static espalier_status run_empty_set(machine_state *machine)
{
    machine_value *const set = espalier_pickle_make(machine, ESPALIER_PICKLE_SET);
    if (set != NULL) {
        set->flags = ESPALIER_PICKLE_FLAG_MUTABLE;
    }
    return espalier_pickle_push(machine, set);
}

static espalier_status gather_from_mark(machine_state *machine, espalier_pickle_kind kind)
{
    size_t first = 0;
    const espalier_status status = espalier_pickle_pop_mark(machine, &first);
    return status == ESPALIER_OK ? gather(machine, kind, first) : status;
}

static espalier_status run_tuple(machine_state *machine)
{
    return gather_from_mark(machine, ESPALIER_PICKLE_TUPLE);
}

static espalier_status run_list(machine_state *machine)
{
    return gather_from_mark(machine, ESPALIER_PICKLE_LIST);
}

static espalier_status run_frozenset(machine_state *machine)
{
    return gather_from_mark(machine, ESPALIER_PICKLE_SET);
}

static espalier_status gather_tuple(machine_state *machine, size_t count)
{
    const espalier_status status = espalier_pickle_need(machine, count);
    return status == ESPALIER_OK
               ? gather(machine, ESPALIER_PICKLE_TUPLE, machine->stack_count - count)
               : status;
}

static espalier_status run_tuple1(machine_state *machine)
{
    return gather_tuple(machine, 1);
}

static espalier_status run_tuple2(machine_state *machine)
{
    return gather_tuple(machine, 2);
}

static espalier_status run_tuple3(machine_state *machine)
{
    return gather_tuple(machine, 3);
}

/* Keys that Python cannot hash would have stopped it. */
static espalier_status check_keys(machine_state *machine, size_t first)
{
    if ((machine->stack_count - first) % 2 != 0) {
        return espalier_pickle_stop_syntax(machine, "a dict item without a value");
    }
    for (size_t i = first; i < machine->stack_count; i += 2) {
        const machine_value *const key = machine->stack[i];
        if (key->kind == ESPALIER_PICKLE_LIST || key->kind == ESPALIER_PICKLE_DICT ||
            (key->kind == ESPALIER_PICKLE_SET &&
             (key->flags & ESPALIER_PICKLE_FLAG_MUTABLE) != 0)) {
            return espalier_pickle_stop_syntax(machine, "a dict key that cannot be hashed");
        }
    }
    return ESPALIER_OK;
}

static espalier_status run_dict(machine_state *machine)
{
    size_t first = 0;
    espalier_status status = espalier_pickle_pop_mark(machine, &first);
    if (status == ESPALIER_OK) {
        status = check_keys(machine, first);
    }
    return status == ESPALIER_OK ? gather(machine, ESPALIER_PICKLE_DICT, first) : status;
}

/* Moves the values from index `first` up into the container under them; objects take items too. */
static espalier_status add_items(machine_state *machine, size_t first, espalier_pickle_kind kind)
{
    if (first <= espalier_pickle_fence_of(machine)) {
        return espalier_pickle_stop_syntax(machine, "an opcode finds no container on the stack");
    }
    machine_value *container = machine->stack[first - 1];
    espalier_status status = ESPALIER_OK;
    if (container->kind == ESPALIER_PICKLE_OBJECT) {
        kind = kind == ESPALIER_PICKLE_SET ? ESPALIER_PICKLE_LIST : kind;
        espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, container->as.object);
        if (rest == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        machine_value **const part = kind == ESPALIER_PICKLE_LIST ? &rest->list : &rest->dict;
        if (*part == NULL) {
            *part = espalier_pickle_make(machine, kind);
            if (*part == NULL) {
                return espalier_pickle_no_memory(machine);
            }
        }
        container = *part;
    }
    if (container->kind != kind) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "items for a %s are added to a %s",
                                    espalier_pickle_kind_name(kind),
                                    espalier_pickle_kind_name(espalier_pickle_kind_of(container)));
    }
    if (kind == ESPALIER_PICKLE_DICT) {
        status = check_keys(machine, first);
    }
    if (kind == ESPALIER_PICKLE_SET && (container->flags & ESPALIER_PICKLE_FLAG_MUTABLE) == 0) {
        status = espalier_pickle_stop_syntax(machine, "items are added to a frozenset");
    }
    if (status == ESPALIER_OK) {
        status = espalier_pickle_extend(machine, container, machine->stack + first,
                                        machine->stack_count - first);
    }
    if (status == ESPALIER_OK) {
        machine->stack_count = first;
    }
    return status;
}

static espalier_status run_append(machine_state *machine)
{
    const espalier_status status = espalier_pickle_need(machine, 2);
    return status == ESPALIER_OK
               ? add_items(machine, machine->stack_count - 1, ESPALIER_PICKLE_LIST)
               : status;
}

static espalier_status run_setitem(machine_state *machine)
{
    const espalier_status status = espalier_pickle_need(machine, 3);
    return status == ESPALIER_OK
               ? add_items(machine, machine->stack_count - 2, ESPALIER_PICKLE_DICT)
               : status;
}

static espalier_status add_items_from_mark(machine_state *machine, espalier_pickle_kind kind)
{
    size_t first = 0;
    const espalier_status status = espalier_pickle_pop_mark(machine, &first);
    return status == ESPALIER_OK ? add_items(machine, first, kind) : status;
}

static espalier_status run_appends(machine_state *machine)
{
    return add_items_from_mark(machine, ESPALIER_PICKLE_LIST);
}

static espalier_status run_setitems(machine_state *machine)
{
    return add_items_from_mark(machine, ESPALIER_PICKLE_DICT);
}

static espalier_status run_additems(machine_state *machine)
{
    return add_items_from_mark(machine, ESPALIER_PICKLE_SET);
}

/* ---- opcodes: names and objects ---------------------------------------------------------- */

static espalier_status push_symbol(machine_state *machine, espalier_pickle_slice module,
                                   espalier_pickle_slice name)
{
    espalier_pickle_entry *entry = NULL;
    const espalier_status status = espalier_pickle_intern(machine, module, name, &entry);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const value = espalier_pickle_make(machine, ESPALIER_PICKLE_SYMBOL);
    if (value != NULL) {
        value->as.name = &entry->shown;
    }
    return espalier_pickle_push(machine, value);
}

/* Two lines: module and name. */
static espalier_status read_global(machine_state *machine, espalier_pickle_slice *module,
                                   espalier_pickle_slice *name)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    espalier_status status =
        espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    module->data = (const char *)line;
    module->bytes = (size_t)bytes;
    status = espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    name->data = (const char *)line;
    name->bytes = (size_t)bytes;
    return status;
}

static espalier_status run_global(machine_state *machine)
{
    espalier_pickle_slice module = {NULL, 0};
    espalier_pickle_slice name = {NULL, 0};
    const espalier_status status = read_global(machine, &module, &name);
    return status == ESPALIER_OK ? push_symbol(machine, module, name) : status;
}

static espalier_status run_stack_global(machine_state *machine)
{
    const espalier_status status = espalier_pickle_need(machine, 2);
    if (status != ESPALIER_OK) {
        return status;
    }
    const machine_value *const name = espalier_pickle_pop(machine);
    const machine_value *const module = espalier_pickle_pop(machine);
    if (name->kind != ESPALIER_PICKLE_TEXT || module->kind != ESPALIER_PICKLE_TEXT) {
        return espalier_pickle_stop_syntax(machine, "a global whose module or name is no text");
    }
    const espalier_pickle_slice module_text = {(const char *)espalier_pickle_data(module),
                                               (size_t)espalier_pickle_bytes(module)};
    const espalier_pickle_slice name_text = {(const char *)espalier_pickle_data(name),
                                             (size_t)espalier_pickle_bytes(name)};
    return push_symbol(machine, module_text, name_text);
}

static espalier_status run_reduce(machine_state *machine)
{
    machine_value *value = NULL;
    espalier_status status = espalier_pickle_need(machine, 2);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const args = espalier_pickle_pop(machine);
    machine_value *const callable = espalier_pickle_pop(machine);
    status = espalier_pickle_reduce(machine, callable, args, &value);
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_newobj(machine_state *machine)
{
    machine_value *value = NULL;
    espalier_status status = espalier_pickle_need(machine, 2);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const args = espalier_pickle_pop(machine);
    machine_value *const class_value = espalier_pickle_pop(machine);
    status = espalier_pickle_newobj(machine, class_value, args, NULL, &value);
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_newobj_ex(machine_state *machine)
{
    machine_value *value = NULL;
    espalier_status status = espalier_pickle_need(machine, 3);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const kwargs = espalier_pickle_pop(machine);
    machine_value *const args = espalier_pickle_pop(machine);
    machine_value *const class_value = espalier_pickle_pop(machine);
    status = espalier_pickle_newobj(machine, class_value, args, kwargs, &value);
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_build(machine_state *machine)
{
    const espalier_status status = espalier_pickle_need(machine, 2);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const state = espalier_pickle_pop(machine);
    return espalier_pickle_build(machine, espalier_pickle_top(machine), state);
}

/* ---- opcodes: refused -------------------------------------------------------------------- */

static espalier_status stop_old_class(machine_state *machine)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                "an instance of an old-style class (INST or OBJ)");
}

/* INST and OBJ call their class: what they would run is worth more than "not supported". */
static espalier_status run_inst(machine_state *machine)
{
    espalier_pickle_slice module = {NULL, 0};
    espalier_pickle_slice name = {NULL, 0};
    espalier_status status = read_global(machine, &module, &name);
    if (status == ESPALIER_OK) {
        status = gather_from_mark(machine, ESPALIER_PICKLE_TUPLE);
    }
    if (status == ESPALIER_OK) {
        status = push_symbol(machine, module, name);
    }
    if (status == ESPALIER_OK) {
        status = espalier_pickle_note_call(machine, espalier_pickle_top(machine),
                                           machine->stack[machine->stack_count - 2]);
    }
    return status == ESPALIER_OK ? stop_old_class(machine) : status;
}

static espalier_status run_obj(machine_state *machine)
{
    espalier_status status = gather_from_mark(machine, ESPALIER_PICKLE_TUPLE);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const parts = espalier_pickle_top(machine);
    const uint32_t count = espalier_pickle_count(parts);
    if (count == 0) {
        return espalier_pickle_stop_syntax(machine, "an instance without a class");
    }
    machine_value *const args = espalier_pickle_make(machine, ESPALIER_PICKLE_TUPLE);
    if (args == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    status = espalier_pickle_extend(machine, args, parts->as.items->at + 1, count - 1);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_note_call(machine, espalier_pickle_at(parts, 0), args);
    }
    return status == ESPALIER_OK ? stop_old_class(machine) : status;
}

static espalier_status run_persid(machine_state *machine)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                "a persistent id: part of the object lies outside the file");
}

static espalier_status run_ext(machine_state *machine)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                "an extension code: its meaning lies outside the file");
}

static espalier_status run_buffer(machine_state *machine)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                "an out-of-band buffer: its data lies outside the file");
}

/* ---- the loop ---------------------------------------------------------------------------- */

static espalier_pickle_opcode *const opcode_table[256] = {
    ['('] = run_mark,       ['.'] = run_stop,          ['0'] = run_pop,
    ['1'] = run_pop_mark,   ['2'] = run_dup,           ['P'] = run_persid,
    ['Q'] = run_persid,     ['R'] = run_reduce,        ['a'] = run_append,
    ['b'] = run_build,      ['c'] = run_global,        ['d'] = run_dict,
    ['}'] = run_empty_dict, ['e'] = run_appends,       ['g'] = run_get,
    ['h'] = run_binget,     ['i'] = run_inst,          ['j'] = run_long_binget,
    ['l'] = run_list,       [']'] = run_empty_list,    ['o'] = run_obj,
    ['p'] = run_put,        ['q'] = run_binput,        ['r'] = run_long_binput,
    ['s'] = run_setitem,    ['t'] = run_tuple,         [')'] = run_empty_tuple,
    ['u'] = run_setitems,   [0x80] = run_proto,        [0x81] = run_newobj,
    [0x82] = run_ext,       [0x83] = run_ext,          [0x84] = run_ext,
    [0x85] = run_tuple1,    [0x86] = run_tuple2,       [0x87] = run_tuple3,
    [0x8f] = run_empty_set, [0x90] = run_additems,     [0x91] = run_frozenset,
    [0x92] = run_newobj_ex, [0x93] = run_stack_global, [0x94] = run_memoize,
    [0x95] = run_frame,     [0x97] = run_buffer,       [0x98] = run_buffer,
};

espalier_status espalier_pickle_run(espalier_pickle_machine *machine)
{
    /* Every turn takes at least one byte, so the stream bounds the loop. */
    while (!machine->done) {
        machine->op_offset = machine->at;
        if (machine->at == machine->bytes) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                        "the file ends before the pickle does");
        }
        const uint8_t opcode = machine->data[machine->at];
        machine->at++;
        espalier_pickle_opcode *const run =
            opcode_table[opcode] != NULL ? opcode_table[opcode] : espalier_pickle_literal(opcode);
        if (run == NULL) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                        "0x%02x is no pickle opcode", opcode);
        }
        const espalier_status status = run(machine);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return ESPALIER_OK;
}

void espalier_pickle_machine_free(espalier_pickle_machine *machine)
{
    espalier_pickle *const pickle = machine->pickle;
    espalier_pickle_give_back(pickle, machine->stack,
                              machine->stack_capacity * sizeof *machine->stack);
    espalier_pickle_give_back(pickle, machine->marks,
                              machine->mark_capacity * sizeof *machine->marks);
    for (size_t i = 0; i < machine->level_capacity; i++) {
        espalier_pickle_give_back(pickle, machine->levels[i].memo,
                                  machine->levels[i].memo_capacity * sizeof(machine_value *));
    }
    espalier_pickle_give_back(pickle, machine->levels,
                              machine->level_capacity * sizeof *machine->levels);
    if (machine->locale != NULL) {
        freelocale((locale_t)machine->locale);
    }
}
