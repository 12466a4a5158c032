// SPDX-License-Identifier: Apache-2.0
/*
 * Plumbing of the pickle machine: errors, reading from the stream, stack, marks and memo.
 * May include: the reader's own headers, format/error.h. Must never take a count from the stream
 * without comparing it with what is left.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"
#include "format/error.h"

#define MEMO_SLACK 4096u

/* ---- errors ------------------------------------------------------------------------------ */

espalier_status espalier_pickle_stop(espalier_pickle_machine *machine, espalier_status status,
                                     const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return espalier_error_set(machine->error_out, status, 0, machine->op_offset,
                              "%s: byte %llu: %s", machine->pickle->source_name,
                              (unsigned long long)machine->op_offset, text);
}

espalier_status espalier_pickle_no_memory(espalier_pickle_machine *machine)
{
    const espalier_pickle *const pickle = machine->pickle;
    if (!pickle->limit_hit) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                "the objects need more than %llu bytes of memory",
                                (unsigned long long)pickle->memory_bytes_max);
}

espalier_status espalier_pickle_stop_truncated(espalier_pickle_machine *machine)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                "the file ends inside an opcode");
}

espalier_status espalier_pickle_stop_syntax(espalier_pickle_machine *machine, const char *cause)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX, "%s", cause);
}

/* ---- reading ----------------------------------------------------------------------------- */

bool espalier_pickle_has_bytes(const espalier_pickle_machine *machine, uint64_t count)
{
    return count <= machine->bytes - machine->at;
}

/* A little-endian number of 1 to 8 bytes. */
espalier_status espalier_pickle_read_number(espalier_pickle_machine *machine, unsigned bytes,
                                            uint64_t *out)
{
    if (!espalier_pickle_has_bytes(machine, bytes)) {
        return espalier_pickle_stop_truncated(machine);
    }
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++) {
        number |= (uint64_t)machine->data[machine->at + i] << (8 * i);
    }
    machine->at += bytes;
    *out = number;
    return ESPALIER_OK;
}

/* A count of `bytes` bytes, then that many bytes, which stay where they are. */
espalier_status espalier_pickle_read_counted(espalier_pickle_machine *machine, unsigned bytes,
                                             const uint8_t **data, uint64_t *count)
{
    const espalier_status status = espalier_pickle_read_number(machine, bytes, count);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!espalier_pickle_has_bytes(machine, *count)) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                    "a length of %llu bytes where %llu are left in the file",
                                    (unsigned long long)*count,
                                    (unsigned long long)(machine->bytes - machine->at));
    }
    *data = machine->data + machine->at;
    machine->at += *count;
    return ESPALIER_OK;
}

/* Text up to a line end, which is taken but not counted. */
espalier_status espalier_pickle_read_line(espalier_pickle_machine *machine, uint64_t bytes_max,
                                          const uint8_t **line, uint64_t *bytes)
{
    const uint64_t left = machine->bytes - machine->at;
    const uint8_t *const start = machine->data + machine->at;
    const uint64_t searched = bytes_max < left ? bytes_max + 1 : left;
    const uint8_t *const end = searched == 0 ? NULL : memchr(start, '\n', (size_t)searched);
    if (end == NULL) {
        return searched < left || searched > bytes_max
                   ? espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                          "a line of more than %llu bytes",
                                          (unsigned long long)bytes_max)
                   : espalier_pickle_stop_truncated(machine);
    }
    *line = start;
    *bytes = (uint64_t)(end - start);
    machine->at += *bytes + 1;
    return ESPALIER_OK;
}

/* ---- stack, marks, memo ------------------------------------------------------------------ */

espalier_pickle_level *espalier_pickle_level_of(espalier_pickle_machine *machine)
{
    return &machine->levels[machine->level];
}

/* The lowest stack entry that may be popped now. */
size_t espalier_pickle_fence_of(espalier_pickle_machine *machine)
{
    return machine->mark_count > espalier_pickle_level_of(machine)->mark_base
               ? machine->marks[machine->mark_count - 1]
               : espalier_pickle_level_of(machine)->stack_base;
}

espalier_status espalier_pickle_push(espalier_pickle_machine *machine, espalier_pickle_value *value)
{
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    if (machine->stack_count == machine->stack_capacity) {
        if (machine->stack_count >= machine->stack_count_max) {
            return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                        "more than %llu values on the stack",
                                        (unsigned long long)machine->stack_count_max);
        }
        size_t capacity = machine->stack_capacity == 0 ? 256 : machine->stack_capacity * 2;
        capacity = capacity > machine->stack_count_max ? machine->stack_count_max : capacity;
        espalier_pickle_value **const stack =
            espalier_pickle_resize(machine->pickle, machine->stack,
                                   machine->stack_capacity * sizeof *stack,
                                   capacity * sizeof *stack);
        if (stack == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        machine->stack = stack;
        machine->stack_capacity = capacity;
    }
    machine->stack[machine->stack_count] = value;
    machine->stack_count++;
    return ESPALIER_OK;
}

/* Checks that `count` values may be popped. */
espalier_status espalier_pickle_need(espalier_pickle_machine *machine, size_t count)
{
    return machine->stack_count - espalier_pickle_fence_of(machine) < count
               ? espalier_pickle_stop_syntax(machine, "an opcode finds too few values on the stack")
               : ESPALIER_OK;
}

espalier_pickle_value *espalier_pickle_pop(espalier_pickle_machine *machine)
{
    machine->stack_count--;
    return machine->stack[machine->stack_count];
}

espalier_pickle_value *espalier_pickle_top(espalier_pickle_machine *machine)
{
    return machine->stack[machine->stack_count - 1];
}

/* Takes the mark off; *first is the stack index of what stood behind it. */
espalier_status espalier_pickle_pop_mark(espalier_pickle_machine *machine, size_t *first)
{
    if (machine->mark_count == espalier_pickle_level_of(machine)->mark_base) {
        return espalier_pickle_stop_syntax(machine, "an opcode finds no mark on the stack");
    }
    machine->mark_count--;
    *first = machine->marks[machine->mark_count];
    return ESPALIER_OK;
}

espalier_status espalier_pickle_put_memo(espalier_pickle_machine *machine, uint64_t index)
{
    espalier_pickle_level *const level = espalier_pickle_level_of(machine);
    const espalier_status status = espalier_pickle_need(machine, 1);
    if (status != ESPALIER_OK) {
        return status;
    }
    /* Honest writers count 0, 1, 2, ...: a large index would only buy memory. */
    const uint64_t most = MEMO_SLACK + 8 * level->put_count;
    if (index >= most) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "memo index %llu after %llu entries", (unsigned long long)index,
                                    (unsigned long long)level->put_count);
    }
    if (index >= level->memo_capacity) {
        size_t capacity = level->memo_capacity == 0 ? 64 : level->memo_capacity * 2;
        capacity = capacity <= index ? (size_t)index + 1 : capacity;
        espalier_pickle_value **const memo =
            espalier_pickle_resize(machine->pickle, level->memo,
                                   level->memo_capacity * sizeof *memo, capacity * sizeof *memo);
        if (memo == NULL) {
            return espalier_pickle_no_memory(machine);
        }
        level->memo = memo;
        level->memo_capacity = capacity;
    }
    /* Not before they are needed: untouched room takes no memory. */
    for (; level->memo_used <= index; level->memo_used++) {
        level->memo[level->memo_used] = NULL;
    }
    level->entry_count += level->memo[index] == NULL ? 1 : 0;
    level->memo[index] = espalier_pickle_top(machine);
    level->put_count++;
    espalier_pickle_newest *const newest = &machine->newest;
    if (machine->op_offset == newest->end && newest->memo_index == ESPALIER_PICKLE_NOT_IN_MEMO) {
        newest->end = machine->at;
        newest->memo_index = index;
    }
    return ESPALIER_OK;
}

void espalier_pickle_drop_newest(espalier_pickle_machine *machine,
                                 const espalier_pickle_value *tuple)
{
    const espalier_pickle_newest *const newest = &machine->newest;
    /* A chunk that was begun for it is not worth the trouble, and what lies behind it, such as a
     * dtype that was decoded for the array, is in use. */
    if (tuple != newest->tuple || machine->op_offset != newest->end ||
        newest->chunk != machine->pickle->chunks || newest->chunk == NULL ||
        newest->chunk->used != newest->used_after) {
        return;
    }
    if (newest->memo_index != ESPALIER_PICKLE_NOT_IN_MEMO) {
        espalier_pickle_level_of(machine)->memo[newest->memo_index] = &machine->dropped;
    }
    if (newest->equal != NULL) {
        *newest->equal = NULL;
    }
    newest->chunk->used = newest->used;
    machine->newest.tuple = NULL;
}

espalier_status espalier_pickle_get_memo(espalier_pickle_machine *machine, uint64_t index)
{
    const espalier_pickle_level *const level = espalier_pickle_level_of(machine);
    if (index >= level->memo_used || level->memo[index] == NULL) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "memo entry %llu was never written", (unsigned long long)index);
    }
    if (level->memo[index] == &machine->dropped) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                    "memo entry %llu is the state of an array, which only its "
                                    "array may have",
                                    (unsigned long long)index);
    }
    return espalier_pickle_push(machine, level->memo[index]);
}
