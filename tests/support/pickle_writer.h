// SPDX-License-Identifier: Apache-2.0
/*
 * Pickles written by hand: a small writer of opcodes, on which fake_sklearn.h and fake_boosted.h
 * write models.
 * May include: libc. Must never: use the reader it is meant to test.
 */
#ifndef ESPALIER_TESTS_SUPPORT_PICKLE_WRITER_H
#define ESPALIER_TESTS_SUPPORT_PICKLE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pickle_writer {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
} pickle_writer;

void pickle_writer_free(pickle_writer *writer);
void put_bytes(pickle_writer *writer, const void *data, size_t bytes);
void put_opcode(pickle_writer *writer, char opcode);
void put_start(pickle_writer *writer); /* PROTO 3 */
void put_stop(pickle_writer *writer);
void put_none(pickle_writer *writer);
void put_bool(pickle_writer *writer, bool value);
void put_int(pickle_writer *writer, int64_t value);
void put_float(pickle_writer *writer, double value);
void put_text(pickle_writer *writer, const char *text);
void put_raw(pickle_writer *writer, const void *data, size_t bytes); /* a bytes object */
void put_global(pickle_writer *writer, const char *module, const char *name);
/* An object and its state: between the two come pairs of a text and a value. */
void open_object(pickle_writer *writer, const char *module, const char *name);
void close_object(pickle_writer *writer);
/* REDUCE of name.dtype("code") with its state; the byte order is '<', '>' or '|'. */
void put_dtype(pickle_writer *writer, const char *code, char order);
/* An array of plain elements; data as they lie in the file. */
void put_array(pickle_writer *writer, const char *code, char order, const uint64_t *shape,
               size_t dim_count, bool fortran, const void *data, size_t bytes);
/* A one-dimensional object array: between the two come its `count` items. */
void put_objects_open(pickle_writer *writer, uint64_t count);
void put_objects_close(pickle_writer *writer);
/* The same of two dimensions: between the two come rows x columns items. columns 0: one only. */
void put_object_rows_open(pickle_writer *writer, uint64_t rows, uint64_t columns);

/* A structured array of `count` records that lie packed in data; the order is '<' or '>'. */
typedef struct fake_field {
    const char *name;
    const char *code;
    uint32_t offset;
} fake_field;
typedef struct fake_record {
    const fake_field *fields;
    uint32_t field_count;
    uint32_t item_bytes;
    char order;
} fake_record;
void put_records(pickle_writer *writer, const fake_record *record, uint32_t count,
                 const void *data);

/* A whole file at `path`, made of one writer's bytes. Returns 0, or -1. */
int write_pickle_file(const pickle_writer *writer, const char *path);

#endif
