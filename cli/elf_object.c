// SPDX-License-Identifier: Apache-2.0
/*
 * See elf_object.h. Includes elf_object.h and libc. Numbers are written byte by byte, little-endian
 * as the machines are that read models. The order: ELF header, the array, its size, symbols, names,
 * section headers.
 */
#include "elf_object.h"

#include <string.h>

enum {
    HEADER_BYTES = 64,
    SECTION_BYTES = 64,
    SYMBOL_BYTES = 24,
    SECTION_COUNT = 6,
    SYMBOL_COUNT = 3,
    NAMES_INDEX = 5, /* the section of section names */
    TYPE_DATA = 1,
    TYPE_SYMBOLS = 2,
    TYPE_NAMES = 3,
    FLAG_ALLOC = 2,
    GLOBAL_OBJECT = 0x11
};

static const char section_names[] =
    "\0.rodata.espalier\0.note.GNU-stack\0.symtab\0.strtab\0.shstrtab";

/* Where everything lies. */
typedef struct elf_plan {
    uint64_t data_end; /* a multiple of 8: the size stands here */
    uint64_t symbols;
    uint64_t strings;
    uint64_t string_bytes;
    uint64_t names;
    uint64_t sections; /* a multiple of 8 */
} elf_plan;

static uint64_t round_up(uint64_t value)
{
    return (value + 7) / 8 * 8;
}

static elf_plan plan_object(const char *name, uint64_t data_bytes)
{
    elf_plan plan;
    plan.data_end = round_up(ESPALIER_ELF_DATA_OFFSET + data_bytes);
    plan.symbols = plan.data_end + 8;
    plan.strings = plan.symbols + (uint64_t)SYMBOL_COUNT * SYMBOL_BYTES;
    /* "", NAME_data, NAME_data_bytes */
    plan.string_bytes = 1 + 2 * strlen(name) + sizeof "_data" + sizeof "_data_bytes";
    plan.names = plan.strings + plan.string_bytes;
    plan.sections = round_up(plan.names + sizeof section_names);
    return plan;
}

static void put_number(FILE *stream, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        fputc((int)(value >> 8 * i & 0xFF), stream);
    }
}

static void put_zeros(FILE *stream, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        fputc(0, stream);
    }
}

bool espalier_elf_begin(FILE *stream, uint32_t machine, const char *name, uint64_t data_bytes)
{
    static const unsigned char ident[16] = {0x7F, 'E', 'L', 'F', 2, 1, 1};
    const elf_plan plan = plan_object(name, data_bytes);
    fwrite(ident, 1, sizeof ident, stream);
    put_number(stream, 1, 2); /* relocatable */
    put_number(stream, machine, 2);
    put_number(stream, 1, 4); /* version */
    put_zeros(stream, 16);    /* no entry, no program headers */
    put_number(stream, plan.sections, 8);
    put_number(stream, 0, 4); /* flags */
    put_number(stream, HEADER_BYTES, 2);
    put_number(stream, 0, 4);
    put_number(stream, SECTION_BYTES, 2);
    put_number(stream, SECTION_COUNT, 2);
    put_number(stream, NAMES_INDEX, 2);
    put_zeros(stream, ESPALIER_ELF_DATA_OFFSET - HEADER_BYTES);
    return !ferror(stream);
}

static void put_symbol(FILE *stream, uint64_t string, uint64_t value, uint64_t bytes)
{
    put_number(stream, string, 4);
    put_number(stream, string == 0 ? 0 : GLOBAL_OBJECT, 1);
    put_number(stream, 0, 1);
    put_number(stream, string == 0 ? 0 : 1, 2); /* its section */
    put_number(stream, value, 8);
    put_number(stream, bytes, 8);
}

typedef struct elf_section {
    uint32_t name;
    uint32_t type;
    uint64_t flags, offset, bytes;
    uint32_t link, info;
    uint64_t alignment, entry_bytes;
} elf_section;

static void put_section(FILE *stream, const elf_section *section)
{
    put_number(stream, section->name, 4);
    put_number(stream, section->type, 4);
    put_number(stream, section->flags, 8);
    put_number(stream, 0, 8); /* address */
    put_number(stream, section->offset, 8);
    put_number(stream, section->bytes, 8);
    put_number(stream, section->link, 4);
    put_number(stream, section->info, 4);
    put_number(stream, section->alignment, 8);
    put_number(stream, section->entry_bytes, 8);
}

bool espalier_elf_end(FILE *stream, const char *name, uint64_t data_bytes)
{
    const elf_plan plan = plan_object(name, data_bytes);
    const uint64_t end = plan.data_end - ESPALIER_ELF_DATA_OFFSET;
    put_zeros(stream, end - data_bytes);
    put_number(stream, data_bytes, 8);
    put_symbol(stream, 0, 0, 0);
    put_symbol(stream, 1, 0, data_bytes);
    put_symbol(stream, 1 + strlen(name) + sizeof "_data", end, 8);
    fprintf(stream, "%c%s_data%c%s_data_bytes%c", 0, name, 0, name, 0);
    fwrite(section_names, 1, sizeof section_names, stream);
    put_zeros(stream, plan.sections - plan.names - sizeof section_names);
    const elf_section sections[SECTION_COUNT] = {
        {0},
        {1, TYPE_DATA, FLAG_ALLOC, ESPALIER_ELF_DATA_OFFSET, end + 8, 0, 0,
         ESPALIER_ELF_DATA_OFFSET, 0},
        {18, TYPE_DATA, 0, plan.symbols, 0, 0, 0, 1, 0},
        {34, TYPE_SYMBOLS, 0, plan.symbols, (uint64_t)SYMBOL_COUNT * SYMBOL_BYTES, 4, 1, 8,
         SYMBOL_BYTES},
        {42, TYPE_NAMES, 0, plan.strings, plan.string_bytes, 0, 0, 1, 0},
        {50, TYPE_NAMES, 0, plan.names, sizeof section_names, 0, 0, 1, 0},
    };
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        put_section(stream, &sections[i]);
    }
    return !ferror(stream);
}
