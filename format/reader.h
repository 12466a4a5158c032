// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the outside of a model file: header, section table and the private sections, copied to
 * private memory and checked there. Knows sections, not their meaning. Read side.
 */
#ifndef ESPALIER_FORMAT_READER_H
#define ESPALIER_FORMAT_READER_H

#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a model's bytes come from: a descriptor, or memory when it is negative. Borrowed. */
typedef struct espalier_input {
    const char *name; /* for messages */
    int descriptor;
    const uint8_t *memory;
    uint64_t bytes;
} espalier_input;

/* A private copy of the first private_bytes of a file, checked; frees with espalier_file_free. */
typedef struct espalier_file {
    uint8_t *bytes; /* header at 0, the section table behind it, then the private sections */
    uint64_t private_bytes;
    uint64_t file_bytes;
    uint32_t section_count;
} espalier_file;

/* Copies bytes [offset, offset + bytes) of the input. Status: READ, TRUNCATED. */
espalier_status espalier_input_fetch(const espalier_input *input, uint64_t offset, void *data_out,
                                     size_t bytes, espalier_error *error_out);

/*
 * Reads and checks header, section table and private sections (place, reserved bytes, checksums).
 * O(sections + private bytes). Status: READ, MEMORY, LIMIT, and those of "the model file" but
 * INDEX, GOLDEN and DIGEST.
 */
espalier_status espalier_file_read(const espalier_input *input, espalier_file *file_out,
                                   espalier_error *error_out);
void espalier_file_free(espalier_file *file);

const espalier_file_header *espalier_file_header_of(const espalier_file *file);
const espalier_file_section *espalier_file_section_at(const espalier_file *file, uint32_t index);

/* The section of a type, or NULL. O(sections). */
const espalier_file_section *espalier_file_find(const espalier_file *file, uint32_t type);

/* True when all bytes are zero: reserved fields and padding. */
bool espalier_bytes_are_zero(const uint8_t *bytes, size_t count);

/* The name of a section type for messages: "NODES"; "unknown" for others. */
const char *espalier_section_name(uint32_t type);

#endif
