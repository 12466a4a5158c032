// SPDX-License-Identifier: Apache-2.0
/*
 * See pickle_writer.h. Memory that cannot be had ends the test program.
 */
#include "tests/support/pickle_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pickle_writer_free(pickle_writer *writer)
{
    free(writer->data);
    *writer = (pickle_writer){0};
}

void put_bytes(pickle_writer *writer, const void *data, size_t bytes)
{
    if (bytes > writer->capacity - writer->bytes) {
        writer->capacity = (writer->bytes + bytes) * 2;
        writer->data = realloc(writer->data, writer->capacity);
        if (writer->data == NULL) {
            abort();
        }
    }
    if (bytes > 0) {
        memcpy(writer->data + writer->bytes, data, bytes);
    }
    writer->bytes += bytes;
}

void put_opcode(pickle_writer *writer, char opcode)
{
    put_bytes(writer, &opcode, 1);
}

static void put_little(pickle_writer *writer, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));
        put_bytes(writer, &byte, 1);
    }
}

void put_start(pickle_writer *writer)
{
    put_bytes(writer, "\x80\x03", 2);
}

void put_stop(pickle_writer *writer)
{
    put_opcode(writer, '.');
}

void put_none(pickle_writer *writer)
{
    put_opcode(writer, 'N');
}

void put_bool(pickle_writer *writer, bool value)
{
    put_opcode(writer, value ? '\x88' : '\x89');
}

void put_int(pickle_writer *writer, int64_t value)
{
    if (value >= INT32_MIN && value <= INT32_MAX) {
        put_opcode(writer, 'J');
        put_little(writer, (uint64_t)value, 4);
    } else {
        put_bytes(writer, "\x8a\x08", 2);
        put_little(writer, (uint64_t)value, 8);
    }
}

void put_float(pickle_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_opcode(writer, 'G');
    for (size_t i = 0; i < 8; i++) {
        put_little(writer, bits >> (56 - 8 * i), 1);
    }
}

void put_text(pickle_writer *writer, const char *text)
{
    put_opcode(writer, 'X');
    put_little(writer, strlen(text), 4);
    put_bytes(writer, text, strlen(text));
}

void put_raw(pickle_writer *writer, const void *data, size_t bytes)
{
    put_opcode(writer, 'B');
    put_little(writer, bytes, 4);
    put_bytes(writer, data, bytes);
}

void put_global(pickle_writer *writer, const char *module, const char *name)
{
    put_opcode(writer, 'c');
    put_bytes(writer, module, strlen(module));
    put_opcode(writer, '\n');
    put_bytes(writer, name, strlen(name));
    put_opcode(writer, '\n');
}

void open_object(pickle_writer *writer, const char *module, const char *name)
{
    put_global(writer, module, name);
    put_bytes(writer, ")\x81}(", 4);
}

void close_object(pickle_writer *writer)
{
    put_bytes(writer, "ub", 2);
}

/* numpy.dtype(code, False, True), still without its state. */
static void put_bare_dtype(pickle_writer *writer, const char *code)
{
    put_global(writer, "numpy", "dtype");
    put_text(writer, code);
    put_bool(writer, false);
    put_bool(writer, true);
    put_bytes(writer, "\x87R", 2);
}

void put_dtype(pickle_writer *writer, const char *code, char order)
{
    const long width = strtol(code + 1, NULL, 10);
    const bool sized = code[0] == 'U' || code[0] == 'S' || code[0] == 'V';
    const char order_text[2] = {order, '\0'};
    put_bare_dtype(writer, code);
    put_opcode(writer, '(');
    put_int(writer, 3);
    put_text(writer, order_text);
    put_none(writer);
    put_none(writer);
    put_none(writer);
    put_int(writer, sized ? width * (code[0] == 'U' ? 4 : 1) : -1);
    put_int(writer, sized ? (code[0] == 'U' ? 4 : 1) : -1);
    put_int(writer, code[0] == 'O' ? 63 : 0);
    put_bytes(writer, "tb", 2);
}

static void put_array_start(pickle_writer *writer)
{
    put_global(writer, "numpy.core.multiarray", "_reconstruct");
    put_global(writer, "numpy", "ndarray");
    put_int(writer, 0);
    put_opcode(writer, '\x85');
    put_raw(writer, "b", 1);
    put_bytes(writer, "\x87R(", 3);
    put_int(writer, 1);
}

void put_array(pickle_writer *writer, const char *code, char order, const uint64_t *shape,
               size_t dim_count, bool fortran, const void *data, size_t bytes)
{
    put_array_start(writer);
    put_opcode(writer, '(');
    for (size_t i = 0; i < dim_count; i++) {
        put_int(writer, (int64_t)shape[i]);
    }
    put_opcode(writer, 't');
    put_dtype(writer, code, order);
    put_bool(writer, fortran);
    put_raw(writer, data, bytes);
    put_bytes(writer, "tb", 2);
}

void put_objects_open(pickle_writer *writer, uint64_t count)
{
    put_object_rows_open(writer, count, 0);
}

void put_object_rows_open(pickle_writer *writer, uint64_t rows, uint64_t columns)
{
    put_array_start(writer);
    put_int(writer, (int64_t)rows);
    if (columns > 0) {
        put_int(writer, (int64_t)columns);
    }
    put_opcode(writer, columns > 0 ? '\x86' : '\x85');
    put_dtype(writer, "O8", '|');
    put_bool(writer, false);
    put_bytes(writer, "](", 2);
}

void put_objects_close(pickle_writer *writer)
{
    put_bytes(writer, "etb", 3);
}

static void put_record_dtype(pickle_writer *writer, const fake_record *record)
{
    char code[16];
    (void)snprintf(code, sizeof code, "V%u", record->item_bytes);
    put_bare_dtype(writer, code);
    put_opcode(writer, '(');
    put_int(writer, 3);
    put_text(writer, "|");
    put_none(writer);
    put_opcode(writer, '(');
    for (uint32_t i = 0; i < record->field_count; i++) {
        put_text(writer, record->fields[i].name);
    }
    put_bytes(writer, "t}(", 3);
    for (uint32_t i = 0; i < record->field_count; i++) {
        put_text(writer, record->fields[i].name);
        put_dtype(writer, record->fields[i].code, record->order);
        put_int(writer, record->fields[i].offset);
        put_opcode(writer, '\x86');
    }
    put_opcode(writer, 'u');
    put_int(writer, record->item_bytes);
    put_int(writer, 1);
    put_int(writer, 16);
    put_bytes(writer, "tb", 2);
}

void put_records(pickle_writer *writer, const fake_record *record, uint32_t count, const void *data)
{
    put_array_start(writer);
    put_int(writer, count);
    put_opcode(writer, '\x85');
    put_record_dtype(writer, record);
    put_bool(writer, false);
    put_raw(writer, data, (size_t)count * record->item_bytes);
    put_bytes(writer, "tb", 2);
}

int write_pickle_file(const pickle_writer *writer, const char *path)
{
    (void)unlink(path); /* truncating a file instead makes some file systems sync it on close */
    FILE *const file = fopen(path, "wb");
    if (file == NULL) {
        return -1;
    }
    const bool good = fwrite(writer->data, 1, writer->bytes, file) == writer->bytes;
    return fclose(file) == 0 && good ? 0 : -1;
}
