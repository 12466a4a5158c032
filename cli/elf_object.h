// SPDX-License-Identifier: Apache-2.0
/*
 * A relocatable ELF64 object with one read-only array and its size, byte by byte: no assembler and
 * no compiler needed. Includes cli.h and libc.
 */
#ifndef ESPALIER_CLI_ELF_OBJECT_H
#define ESPALIER_CLI_ELF_OBJECT_H

#include "cli.h"

enum {
    ESPALIER_ELF_X86_64 = 62,
    ESPALIER_ELF_AARCH64 = 183,
    ESPALIER_ELF_DATA_OFFSET = 4096 /* where the array begins in the object; its alignment too */
};

/*
 * Writes what stands before the array (so many bytes that it lies at ESPALIER_ELF_DATA_OFFSET), or
 * what stands behind it. name: a C identifier; the symbols are NAME_data and NAME_data_bytes, which
 * is a uint64_t that counts data_bytes. False when the stream failed.
 */
bool espalier_elf_begin(FILE *stream, uint32_t machine, const char *name, uint64_t data_bytes);
bool espalier_elf_end(FILE *stream, const char *name, uint64_t data_bytes);

#endif
