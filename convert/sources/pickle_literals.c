// SPDX-License-Identifier: Apache-2.0
/*
 * Opcodes of the pickle machine that push a number, a text or bytes.
 * May include: the reader's own headers. Must never copy what can stay in the stream.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

typedef espalier_pickle_machine machine_state;
typedef espalier_pickle_value machine_value;

/* ---- opcodes: numbers -------------------------------------------------------------------- */

static espalier_status run_none(machine_state *machine)
{
    if (machine->none == NULL) {
        machine->none = espalier_pickle_make(machine, ESPALIER_PICKLE_NONE);
    }
    return espalier_pickle_push(machine, machine->none);
}

static machine_value *shared_bool(machine_state *machine, int truth)
{
    if (machine->booleans[truth] == NULL) {
        machine->booleans[truth] = espalier_pickle_make(machine, ESPALIER_PICKLE_BOOL);
        if (machine->booleans[truth] != NULL) {
            machine->booleans[truth]->as.integer = truth;
        }
    }
    return machine->booleans[truth];
}

static espalier_status run_true(machine_state *machine)
{
    return espalier_pickle_push(machine, shared_bool(machine, 1));
}

static espalier_status run_false(machine_state *machine)
{
    return espalier_pickle_push(machine, shared_bool(machine, 0));
}

static espalier_status push_integer(machine_state *machine, int64_t number)
{
    const bool is_small = number >= 0 && number < 256;
    machine_value *value = is_small ? machine->small_integers[number] : NULL;
    if (value == NULL) {
        value = espalier_pickle_make_number(machine, ESPALIER_PICKLE_INTEGER, (uint64_t)number);
        if (is_small) {
            machine->small_integers[number] = value;
        }
    }
    return espalier_pickle_push(machine, value);
}

static espalier_status run_binint1(machine_state *machine)
{
    uint64_t number = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 1, &number);
    return status == ESPALIER_OK ? push_integer(machine, (int64_t)number) : status;
}

static espalier_status run_binint2(machine_state *machine)
{
    uint64_t number = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 2, &number);
    return status == ESPALIER_OK ? push_integer(machine, (int64_t)number) : status;
}

/* A two's complement number of 32 bits. */
static espalier_status read_int32(machine_state *machine, int64_t *out)
{
    uint64_t bits = 0;
    const espalier_status status = espalier_pickle_read_number(machine, 4, &bits);
    *out = (int64_t)bits - (bits >= 0x80000000u ? INT64_C(0x100000000) : 0);
    return status;
}

static espalier_status run_binint(machine_state *machine)
{
    int64_t number = 0;
    const espalier_status status = read_int32(machine, &number);
    return status == ESPALIER_OK ? push_integer(machine, number) : status;
}

static espalier_status push_long(machine_state *machine, const uint8_t *data, uint64_t bytes)
{
    if (bytes > 8) {
        return espalier_pickle_push(machine,
                                    espalier_pickle_make_slice(machine, ESPALIER_PICKLE_BIG_INTEGER,
                                                               data, bytes));
    }
    uint64_t bits = bytes > 0 && (data[bytes - 1] & 0x80u) != 0 ? UINT64_MAX : 0;
    for (uint64_t i = bytes; i > 0; i--) {
        bits = bits << 8 | data[i - 1];
    }
    int64_t number;
    memcpy(&number, &bits, sizeof number);
    return push_integer(machine, number);
}

static espalier_status run_long1(machine_state *machine)
{
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    const espalier_status status = espalier_pickle_read_counted(machine, 1, &data, &bytes);
    return status == ESPALIER_OK ? push_long(machine, data, bytes) : status;
}

/* Counts that are signed in the stream must not be negative. */
static espalier_status read_signed_counted(machine_state *machine, const uint8_t **data,
                                           uint64_t *bytes)
{
    if (espalier_pickle_has_bytes(machine, 4) && (machine->data[machine->at + 3] & 0x80u) != 0) {
        return espalier_pickle_stop_syntax(machine, "a negative length");
    }
    return espalier_pickle_read_counted(machine, 4, data, bytes);
}

static espalier_status run_long4(machine_state *machine)
{
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    const espalier_status status = read_signed_counted(machine, &data, &bytes);
    return status == ESPALIER_OK ? push_long(machine, data, bytes) : status;
}

static espalier_status run_binfloat(machine_state *machine)
{
    if (!espalier_pickle_has_bytes(machine, 8)) {
        return espalier_pickle_stop_truncated(machine);
    }
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits = bits << 8 | machine->data[machine->at + i];
    }
    machine->at += 8;
    return espalier_pickle_push(machine,
                                espalier_pickle_make_number(machine, ESPALIER_PICKLE_FLOAT, bits));
}

/* ---- opcodes: text and bytes ------------------------------------------------------------- */

static espalier_status push_counted(machine_state *machine, unsigned count_bytes,
                                    espalier_pickle_kind kind, uint8_t flags)
{
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    const bool is_signed = flags == ESPALIER_PICKLE_FLAG_PYTHON2 && count_bytes == 4;
    const espalier_status status =
        is_signed ? read_signed_counted(machine, &data, &bytes)
                  : espalier_pickle_read_counted(machine, count_bytes, &data, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    machine_value *const value = espalier_pickle_make_slice(machine, kind, data, bytes);
    if (value != NULL) {
        value->flags |= flags;
    }
    return espalier_pickle_push(machine, value);
}

static espalier_status run_unicode1(machine_state *machine)
{
    return push_counted(machine, 1, ESPALIER_PICKLE_TEXT, 0);
}

static espalier_status run_unicode4(machine_state *machine)
{
    return push_counted(machine, 4, ESPALIER_PICKLE_TEXT, 0);
}

static espalier_status run_unicode8(machine_state *machine)
{
    return push_counted(machine, 8, ESPALIER_PICKLE_TEXT, 0);
}

static espalier_status run_bytes1(machine_state *machine)
{
    return push_counted(machine, 1, ESPALIER_PICKLE_BYTES, 0);
}

static espalier_status run_bytes4(machine_state *machine)
{
    return push_counted(machine, 4, ESPALIER_PICKLE_BYTES, 0);
}

static espalier_status run_bytes8(machine_state *machine)
{
    return push_counted(machine, 8, ESPALIER_PICKLE_BYTES, 0);
}

static espalier_status run_bytearray8(machine_state *machine)
{
    return push_counted(machine, 8, ESPALIER_PICKLE_BYTES, ESPALIER_PICKLE_FLAG_MUTABLE);
}

static espalier_status run_string1(machine_state *machine)
{
    return push_counted(machine, 1, ESPALIER_PICKLE_TEXT, ESPALIER_PICKLE_FLAG_PYTHON2);
}

static espalier_status run_string4(machine_state *machine)
{
    return push_counted(machine, 4, ESPALIER_PICKLE_TEXT, ESPALIER_PICKLE_FLAG_PYTHON2);
}

/* ---- opcodes: text lines of protocol 0 --------------------------------------------------- */

static espalier_status run_int(machine_state *machine)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    machine_value *value = NULL;
    espalier_status status =
        espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (bytes == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1')) {
        return espalier_pickle_push(machine, shared_bool(machine, line[1] - '0'));
    }
    status = espalier_pickle_text_integer(machine, line, bytes, false, &value);
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_long(machine_state *machine)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    machine_value *value = NULL;
    espalier_status status =
        espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_text_integer(machine, line, bytes, true, &value);
    }
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_float(machine_state *machine)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    machine_value *value = NULL;
    espalier_status status =
        espalier_pickle_read_line(machine, ESPALIER_PICKLE_LINE_BYTES_MAX, &line, &bytes);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_text_float(machine, line, bytes, &value);
    }
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_string(machine_state *machine)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    machine_value *value = NULL;
    espalier_status status = espalier_pickle_read_line(machine, UINT64_MAX, &line, &bytes);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_text_string(machine, line, bytes, &value);
    }
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_status run_unicode(machine_state *machine)
{
    const uint8_t *line = NULL;
    uint64_t bytes = 0;
    machine_value *value = NULL;
    espalier_status status = espalier_pickle_read_line(machine, UINT64_MAX, &line, &bytes);
    if (status == ESPALIER_OK) {
        status = espalier_pickle_text_unicode(machine, line, bytes, &value);
    }
    return status == ESPALIER_OK ? espalier_pickle_push(machine, value) : status;
}

static espalier_pickle_opcode *const literal_table[256] = {
    ['F'] = run_float,     ['I'] = run_int,     ['J'] = run_binint,      ['K'] = run_binint1,
    ['L'] = run_long,      ['M'] = run_binint2, ['N'] = run_none,        ['S'] = run_string,
    ['T'] = run_string4,   ['U'] = run_string1, ['V'] = run_unicode,     ['X'] = run_unicode4,
    ['G'] = run_binfloat,  ['B'] = run_bytes4,  ['C'] = run_bytes1,      [0x88] = run_true,
    [0x89] = run_false,    [0x8a] = run_long1,  [0x8b] = run_long4,      [0x8c] = run_unicode1,
    [0x8d] = run_unicode8, [0x8e] = run_bytes8, [0x96] = run_bytearray8,
};

espalier_pickle_opcode *espalier_pickle_literal(uint8_t opcode)
{
    return literal_table[opcode];
}
