// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing a pickle from start to end: options, the machine's life, what a failure means.
 * May include: the reader's own headers, format/error.h. Must never print.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "convert/sources/pickle_internal.h"
#include "format/error.h"

#define MEMORY_BYTES_MIN    (UINT64_C(64) << 20)
#define MEMORY_PER_STREAM   4u
#define STACK_COUNT_MAX     1000000u
#define MARK_COUNT_MAX      10000u
#define NESTED_COUNT_MAX    8u
#define TEXT_PROBED_BYTES   512u
#define FIELD_WORK_MIN      (UINT64_C(16) << 20)
#define FIELD_WORK_PER_BYTE 4u

static const espalier_pickle_options default_options = {.source_name = "pickle"};

static uint64_t choose_limit(uint64_t wanted, uint64_t otherwise)
{
    return wanted == 0 ? otherwise : wanted;
}

/* Only the order of hash slots hangs on it, nothing that anybody sees. */
static uint64_t choose_seed(const espalier_pickle *pickle)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        seed = (uint64_t)(uintptr_t)pickle;
    }
    return seed;
}

static espalier_status start_machine(espalier_pickle_machine *machine,
                                     const espalier_pickle_options *options)
{
    espalier_pickle *const pickle = machine->pickle;
    machine->stack_count_max = (size_t)choose_limit(options->stack_count_max, STACK_COUNT_MAX);
    machine->mark_count_max = (size_t)choose_limit(options->mark_count_max, MARK_COUNT_MAX);
    machine->nested_count_max = (size_t)choose_limit(options->nested_count_max, NESTED_COUNT_MAX);
    if (machine->nested_count_max > ESPALIER_PICKLE_NESTED_MAX) {
        machine->nested_count_max = ESPALIER_PICKLE_NESTED_MAX;
    }
    const size_t levels = machine->nested_count_max + 1;
    machine->levels = espalier_pickle_resize(pickle, NULL, 0, levels * sizeof *machine->levels);
    if (machine->levels == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    machine->level_capacity = levels;
    memset(machine->levels, 0, levels * sizeof *machine->levels);
    /* A stack from the start, so that an empty range of it has an address. */
    const size_t capacity = machine->stack_count_max < 256 ? machine->stack_count_max : 256;
    machine->stack = espalier_pickle_resize(pickle, NULL, 0, capacity * sizeof *machine->stack);
    if (machine->stack == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    machine->stack_capacity = capacity;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_stop_flagged(espalier_pickle_machine *machine,
                                             const espalier_pickle_entry *entry)
{
    char module[128];
    char name[128];
    espalier_pickle_escape(entry->shown.module.data, entry->shown.module.bytes, module,
                           sizeof module);
    espalier_pickle_escape(entry->shown.name.data, entry->shown.name.bytes, name, sizeof name);
    if (entry->shown.call_text != NULL) {
        machine->op_offset = entry->shown.first_offset;
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_FLAGGED,
                                    "names %s.%s; loaded in Python, this file would run %s", module,
                                    name, entry->shown.call_text);
    }
    machine->op_offset = entry->shown.first_offset;
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_FLAGGED,
                                "names %s.%s, which has no business in a saved model", module,
                                name);
}

/* What a flagged name means for the outcome, whatever the machine itself ended with. */
static espalier_status judge_flagged(espalier_pickle_machine *machine, espalier_status status)
{
    espalier_pickle *const pickle = machine->pickle;
    if (machine->flagged == NULL || status == ESPALIER_ERROR_SOURCE_FLAGGED) {
        return status;
    }
    if (!pickle->flagged_allowed) {
        return espalier_pickle_stop_flagged(machine, machine->flagged);
    }
    /* Listing goes on to the end; a stream that breaks off must not hide what it named before. */
    if (status != ESPALIER_OK && machine->error_out != NULL) {
        char module[64];
        char name[64];
        espalier_error *const error = machine->error_out;
        const espalier_pickle_name *const shown = &machine->flagged->shown;
        espalier_pickle_escape(shown->module.data, shown->module.bytes, module, sizeof module);
        espalier_pickle_escape(shown->name.data, shown->name.bytes, name, sizeof name);
        const size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used,
                 " (before that, at byte %llu, it names %s.%s)",
                 (unsigned long long)shown->first_offset, module, name);
    }
    return status;
}

/* A stream of nothing but text that does not parse was never a pickle. */
static espalier_status judge_text(espalier_pickle_machine *machine, espalier_status status)
{
    if (status != ESPALIER_ERROR_SOURCE_SYNTAX && status != ESPALIER_ERROR_SOURCE_TRUNCATED) {
        return status;
    }
    const uint64_t probed = machine->bytes < TEXT_PROBED_BYTES ? machine->bytes : TEXT_PROBED_BYTES;
    /* Protocol 0 is text too: only a failure in its very first opcodes tells. */
    if (machine->op_offset >= 64) {
        return status;
    }
    for (uint64_t i = 0; i < probed; i++) {
        const uint8_t byte = machine->data[i];
        const bool is_space = byte == '\n' || byte == '\r' || byte == '\t';
        if ((byte < 0x20 && !is_space) || byte == 0x7F) {
            return status;
        }
    }
    if (!espalier_pickle_utf8_valid(machine->data, probed < machine->bytes ? 0 : probed)) {
        return status;
    }
    return espalier_error_set(machine->error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, 0,
                              "%s: a text file, not a saved model; read as a pickle of protocol 0, "
                              "it is malformed at byte %llu",
                              machine->pickle->source_name, (unsigned long long)machine->op_offset);
}

espalier_status espalier_pickle_parse(const void *stream, size_t stream_bytes,
                                      const espalier_pickle_options *options,
                                      espalier_pickle **pickle_out, espalier_error *error_out)
{
    if (stream == NULL || pickle_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a stream and a place for the pickle are needed");
    }
    options = options == NULL ? &default_options : options;
    const char *const source_name =
        options->source_name == NULL ? default_options.source_name : options->source_name;
    if (stream_bytes > ESPALIER_PICKLE_STREAM_BYTES_MAX) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: a pickle of more than 2^40 bytes", source_name);
    }
    espalier_status status =
        espalier_pickle_recognise(stream, stream_bytes, source_name, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_pickle *const pickle = calloc(1, sizeof *pickle);
    if (pickle == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", source_name);
    }
    espalier_pickle_escape(source_name, strlen(source_name), pickle->source_name,
                           sizeof pickle->source_name);
    pickle->flagged_allowed = options->flagged_allowed;
    pickle->stream_bytes = stream_bytes;
    pickle->name_seed = choose_seed(pickle);
    const uint64_t proportional = stream_bytes > (UINT64_MAX - MEMORY_BYTES_MIN) / MEMORY_PER_STREAM
                                      ? UINT64_MAX
                                      : MEMORY_BYTES_MIN + MEMORY_PER_STREAM * stream_bytes;
    pickle->memory_bytes_max = choose_limit(options->memory_bytes_max, proportional);
    espalier_pickle_machine machine = {.pickle = pickle,
                                       .data = stream,
                                       .bytes = stream_bytes,
                                       .field_work_left =
                                           FIELD_WORK_MIN +
                                           FIELD_WORK_PER_BYTE * (uint64_t)stream_bytes,
                                       .error_out = error_out};
    status = start_machine(&machine, options);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_run(&machine);
        status = judge_flagged(&machine, status);
        status = judge_text(&machine, status);
    }
    espalier_pickle_machine_free(&machine);
    if (status != ESPALIER_OK) {
        espalier_pickle_free(pickle);
        return status;
    }
    *pickle_out = pickle;
    return ESPALIER_OK;
}

void espalier_pickle_free(espalier_pickle *pickle)
{
    if (pickle == NULL) {
        return;
    }
    espalier_pickle_free_arena(pickle);
    free(pickle->names);
    free(pickle->name_slots);
    free(pickle);
}
