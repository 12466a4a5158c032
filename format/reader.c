// SPDX-License-Identifier: Apache-2.0
/*
 * See reader.h. Every value from the file is compared before it is used in arithmetic.
 */
#include "format/reader.h"

#include "format/checksum.h"
#include "format/error.h"
#include "format/rules.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough for a forest of 300 trees in one system call. */
#define FIRST_READ_BYTES 16384u

espalier_status espalier_input_fetch(const espalier_input *input, uint64_t offset, void *data_out,
                                     size_t bytes, espalier_error *error_out)
{
    if (offset > input->bytes || bytes > input->bytes - offset) {
        return espalier_error_set(error_out, ESPALIER_ERROR_TRUNCATED, RULE_FILE_BYTES,
                                  input->bytes, "%s: ends at byte %llu, inside the model",
                                  input->name, (unsigned long long)input->bytes);
    }
    if (input->descriptor < 0) {
        memcpy(data_out, input->memory + offset, bytes);
        return ESPALIER_OK;
    }
    size_t done = 0;
    while (done < bytes) {
        const ssize_t got = pread(input->descriptor, (uint8_t *)data_out + done, bytes - done,
                                  (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return espalier_error_system(error_out, ESPALIER_ERROR_READ, errno, "%s: cannot read",
                                         input->name);
        }
        if (got == 0) {
            return espalier_error_set(error_out, ESPALIER_ERROR_TRUNCATED, RULE_FILE_BYTES,
                                      offset + done, "%s: became shorter while it was read",
                                      input->name);
        }
        done += (size_t)got;
    }
    return ESPALIER_OK;
}

const espalier_file_header *espalier_file_header_of(const espalier_file *file)
{
    return (const espalier_file_header *)(const void *)file->bytes;
}

const espalier_file_section *espalier_file_section_at(const espalier_file *file, uint32_t index)
{
    const uint8_t *const table = file->bytes + sizeof(espalier_file_header);
    return (const espalier_file_section *)(const void *)table + index;
}

const espalier_file_section *espalier_file_find(const espalier_file *file, uint32_t type)
{
    for (uint32_t i = 0; i < file->section_count; i++) {
        const espalier_file_section *const section = espalier_file_section_at(file, i);
        if (section->type == type && section->encoding == 1) {
            return section;
        }
    }
    return NULL;
}

const char *espalier_section_name(uint32_t type)
{
    switch (type) {
    case ESPALIER_SECTION_MODEL:
        return "MODEL";
    case ESPALIER_SECTION_STEPS:
        return "STEPS";
    case ESPALIER_SECTION_PARTS:
        return "PARTS";
    case ESPALIER_SECTION_STAGES:
        return "STAGES";
    case ESPALIER_SECTION_OUTPUTS:
        return "OUTPUTS";
    case ESPALIER_SECTION_COLUMNS:
        return "COLUMNS";
    case ESPALIER_SECTION_TREES:
        return "TREES";
    case ESPALIER_SECTION_CONSTANTS:
        return "CONSTANTS";
    case ESPALIER_SECTION_FEATURE_NAMES:
        return "FEATURE_NAMES";
    case ESPALIER_SECTION_CLASS_LABELS:
        return "CLASS_LABELS";
    case ESPALIER_SECTION_PREPARATION:
        return "PREPARATION";
    case ESPALIER_SECTION_CATEGORIES:
        return "CATEGORIES";
    case ESPALIER_SECTION_NODES:
        return "NODES";
    case ESPALIER_SECTION_LEAVES:
        return "LEAVES";
    case ESPALIER_SECTION_CUTS:
        return "CUTS";
    case ESPALIER_SECTION_NODE_NUMBERS:
        return "NODE_NUMBERS";
    case ESPALIER_SECTION_GOLDEN:
        return "GOLDEN";
    case ESPALIER_SECTION_METADATA:
        return "METADATA";
    case ESPALIER_SECTION_PROOF:
        return "PROOF";
    case ESPALIER_SECTION_SETS:
        return "SETS";
    case ESPALIER_SECTION_LINEAR:
        return "LINEAR";
    case ESPALIER_SECTION_COVER:
        return "COVER";
    default:
        return "unknown";
    }
}

static bool is_hot(uint32_t type)
{
    return type >= ESPALIER_SECTION_NODES && type <= ESPALIER_SECTION_CUTS;
}

static bool is_known(uint32_t type)
{
    return strcmp(espalier_section_name(type), "unknown") != 0;
}

/* A section that this reader can use. */
static bool is_understood(const espalier_file_section *section)
{
    return is_known(section->type) && section->encoding == 1;
}

bool espalier_bytes_are_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* What can be judged before anything else of the header is believed. */
static espalier_status check_identity(const espalier_input *input,
                                      const espalier_file_header *header, espalier_error *error_out)
{
    if (header->byte_order == __builtin_bswap32(ESPALIER_BYTE_ORDER_MARK)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_BYTE_ORDER, RULE_BYTE_ORDER,
                                  offsetof(espalier_file_header, byte_order),
                                  "%s: byte-swapped model: written big-endian", input->name);
    }
    if (header->byte_order != ESPALIER_BYTE_ORDER_MARK) {
        return espalier_error_set(error_out, ESPALIER_ERROR_VALUE, RULE_BYTE_ORDER,
                                  offsetof(espalier_file_header, byte_order),
                                  "%s: header: damaged byte-order mark 0x%08x", input->name,
                                  (unsigned)header->byte_order);
    }
    if (header->format_major != ESPALIER_FILE_MAJOR) {
        return espalier_error_set(error_out,
                                  header->format_major > ESPALIER_FILE_MAJOR
                                      ? ESPALIER_ERROR_VERSION
                                      : ESPALIER_ERROR_VALUE,
                                  RULE_FORMAT_MAJOR, offsetof(espalier_file_header, format_major),
                                  "%s: format version %u.%u; this library reads version %d",
                                  input->name, (unsigned)header->format_major,
                                  (unsigned)header->format_minor, ESPALIER_FILE_MAJOR);
    }
    if (header->file_bytes > input->bytes) {
        return espalier_error_set(error_out, ESPALIER_ERROR_TRUNCATED, RULE_FILE_BYTES,
                                  input->bytes, "%s: has %llu bytes of the %llu it says it has",
                                  input->name, (unsigned long long)input->bytes,
                                  (unsigned long long)header->file_bytes);
    }
    if (header->file_bytes < input->bytes && input->descriptor >= 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_VALUE, RULE_FILE_BYTES,
                                  header->file_bytes, "%s: %llu bytes follow the end of the model",
                                  input->name,
                                  (unsigned long long)(input->bytes - header->file_bytes));
    }
    return ESPALIER_OK;
}

static espalier_status check_header(const espalier_input *input, const espalier_file_header *header,
                                    espalier_error *error_out)
{
    const char *what = NULL;
    uint32_t rule = 0;
    size_t offset = 0;
    if (header->header_bytes != sizeof(espalier_file_header)) {
        what = "header size", rule = RULE_HEADER_BYTES;
        offset = offsetof(espalier_file_header, header_bytes);
    } else if (header->section_entry_bytes != sizeof(espalier_file_section)) {
        what = "section entry size", rule = RULE_SECTION_ENTRY_BYTES;
        offset = offsetof(espalier_file_header, section_entry_bytes);
    } else if (header->section_count == 0 || header->section_count > ESPALIER_LIMIT_SECTIONS) {
        what = "section count", rule = RULE_SECTION_COUNT;
        offset = offsetof(espalier_file_header, section_count);
    } else if (header->file_bytes > ESPALIER_LIMIT_FILE_BYTES) {
        what = "file size", rule = RULE_LIMITS;
        offset = offsetof(espalier_file_header, file_bytes);
    } else if (header->reserved0 != 0 ||
               !espalier_bytes_are_zero(header->reserved1, sizeof header->reserved1)) {
        what = "reserved bytes", rule = RULE_HEADER_RESERVED;
        offset = offsetof(espalier_file_header, reserved0);
    } else if (header->private_end > header->file_bytes ||
               header->private_end > ESPALIER_LIMIT_PRIVATE_BYTES ||
               header->private_end < sizeof *header + (uint64_t)header->section_count *
                                                          sizeof(espalier_file_section)) {
        what = "end of the private sections", rule = RULE_PRIVATE_END;
        offset = offsetof(espalier_file_header, private_end);
    }
    if (what == NULL) {
        return ESPALIER_OK;
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_VALUE, rule, offset,
                              "%s: header: %s out of range", input->name, what);
}

/* Reads at least the header into *file. */
static espalier_status read_first(const espalier_input *input, espalier_file *file,
                                  espalier_error *error_out)
{
    const size_t magic_bytes = ESPALIER_FILE_MAGIC_BYTES;
    const size_t first =
        input->bytes < FIRST_READ_BYTES ? (size_t)input->bytes : (size_t)FIRST_READ_BYTES;
    file->bytes = malloc(FIRST_READ_BYTES);
    if (file->bytes == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", input->name);
    }
    file->private_bytes = first;
    const espalier_status status = espalier_input_fetch(input, 0, file->bytes, first, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (memcmp(file->bytes, ESPALIER_FILE_MAGIC, first < magic_bytes ? first : magic_bytes) != 0 ||
        first == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_NOT_A_MODEL, RULE_MAGIC, 0,
                                  first == 0 ? "%s: empty file" : "%s: not an Espalier file",
                                  input->name);
    }
    if (first < sizeof(espalier_file_header)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_TRUNCATED, RULE_FILE_BYTES_MIN, first,
                                  "%s: ends inside the header, at byte %zu", input->name, first);
    }
    return ESPALIER_OK;
}

/* Brings private_bytes to the end of the private sections, never beyond what the file has. */
static espalier_status read_rest(const espalier_input *input, espalier_file *file,
                                 espalier_error *error_out)
{
    const uint64_t end = espalier_file_header_of(file)->private_end;
    if (end <= file->private_bytes) {
        file->private_bytes = end;
        return ESPALIER_OK;
    }
    uint8_t *const larger = realloc(file->bytes, (size_t)end);
    if (larger == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory for %llu bytes of tables", input->name,
                                  (unsigned long long)end);
    }
    file->bytes = larger;
    const uint64_t have = file->private_bytes;
    file->private_bytes = end;
    return espalier_input_fetch(input, have, file->bytes + have, (size_t)(end - have), error_out);
}

/* XXH3-64 of header and table as the format defines it: the checksum field counts as zero. */
static bool header_checksum_holds(espalier_file *file)
{
    espalier_file_header *const header = (espalier_file_header *)(void *)file->bytes;
    const uint64_t stored = header->checksum;
    header->checksum = 0;
    const uint64_t computed =
        espalier_checksum64(file->bytes,
                            sizeof *header + file->section_count * sizeof(espalier_file_section));
    header->checksum = stored;
    return computed == stored;
}

/* A fault of one section entry by itself: NULL when there is none. */
static const char *find_entry_fault(const espalier_file *file, const espalier_file_section *section,
                                    uint32_t *rule_out)
{
    *rule_out = RULE_SECTION_FLAGS;
    if ((section->flags & ~ESPALIER_SECTION_REQUIRED) != 0) {
        return "unknown flags";
    }
    *rule_out = RULE_SECTION_RESERVED;
    if (!espalier_bytes_are_zero(section->reserved, sizeof section->reserved)) {
        return "reserved bytes set";
    }
    const uint64_t alignment = section->alignment;
    *rule_out = RULE_SECTION_ALIGNMENT;
    if (alignment < ESPALIER_ALIGNMENT_MIN || alignment > ESPALIER_ALIGNMENT_MAX ||
        (alignment & (alignment - 1)) != 0) {
        return "wrong alignment";
    }
    *rule_out = RULE_HOT_ALIGNMENT;
    if (is_hot(section->type) && alignment < ESPALIER_ALIGNMENT_HOT) {
        return "not on a page boundary of its own";
    }
    *rule_out = RULE_SECTION_OFFSET;
    if (section->offset % alignment != 0) {
        return "offset is not aligned";
    }
    *rule_out = RULE_SECTION_BYTES;
    if (section->bytes == 0 || section->offset > file->file_bytes ||
        section->bytes > file->file_bytes - section->offset) {
        return "empty, or reaches beyond the end of the file";
    }
    return NULL;
}

/* A fault of an entry beside the one before it, which ends at previous_end and must be followed by
 * tail zero bytes. */
static const char *find_place_fault(const espalier_file *file, uint32_t index,
                                    uint64_t previous_end, uint32_t tail, uint32_t *rule_out)
{
    const espalier_file_section *const section = espalier_file_section_at(file, index);
    *rule_out = RULE_SECTION_ORDER;
    if (section->type <= (index > 0 ? espalier_file_section_at(file, index - 1)->type : 0)) {
        return "out of order";
    }
    *rule_out = RULE_SECTION_OVERLAP;
    if (section->offset < previous_end) {
        return "overlaps what is before it";
    }
    *rule_out = RULE_HOT_TAIL;
    if (section->offset - previous_end < tail) {
        return "fewer than 64 bytes behind a hot section";
    }
    *rule_out = RULE_SECTION_GAP;
    if (section->offset - previous_end >= section->alignment + ESPALIER_HOT_TAIL_BYTES) {
        return "leaves a hole after what is before it";
    }
    *rule_out = RULE_PRIVATE_END;
    if (section->type < ESPALIER_SECTION_NODES &&
        section->offset + section->bytes > file->private_bytes) {
        return "is private and ends after the private end";
    }
    return NULL;
}

static espalier_status check_sections(const espalier_input *input, const espalier_file *file,
                                      espalier_error *error_out)
{
    uint64_t end =
        sizeof(espalier_file_header) + file->section_count * sizeof(espalier_file_section);
    uint64_t private_end = end;
    uint32_t tail = 0;
    for (uint32_t i = 0; i < file->section_count; i++) {
        const espalier_file_section *const section = espalier_file_section_at(file, i);
        const uint64_t entry =
            sizeof(espalier_file_header) + i * (uint64_t)sizeof(espalier_file_section);
        uint32_t rule = 0;
        if (!is_understood(section) && (section->flags & ESPALIER_SECTION_REQUIRED) != 0) {
            return espalier_error_set(
                error_out, ESPALIER_ERROR_REQUIRED_FEATURE,
                is_known(section->type) ? RULE_SECTION_ENCODING : RULE_SECTION_UNKNOWN, entry,
                "%s: section %u of type %u, encoding %u, is required and not known", input->name,
                (unsigned)i, (unsigned)section->type, (unsigned)section->encoding);
        }
        const char *fault = find_entry_fault(file, section, &rule);
        if (fault == NULL) {
            fault = find_place_fault(file, i, end, tail, &rule);
        }
        if (fault != NULL) {
            return espalier_error_set(error_out, ESPALIER_ERROR_SECTION, rule, entry,
                                      "%s: section %u (%s): %s", input->name, (unsigned)i,
                                      espalier_section_name(section->type), fault);
        }
        end = section->offset + section->bytes;
        private_end = section->type < ESPALIER_SECTION_NODES ? end : private_end;
        tail = is_hot(section->type) ? ESPALIER_HOT_TAIL_BYTES : 0;
    }
    if (file->file_bytes - end != tail) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SECTION, RULE_SECTION_END, end,
                                  "%s: the last section does not end the file", input->name);
    }
    if (private_end != file->private_bytes) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SECTION, RULE_PRIVATE_END,
                                  offsetof(espalier_file_header, private_end),
                                  "%s: header: private sections end elsewhere", input->name);
    }
    return ESPALIER_OK;
}

/* Checksums of the private sections, and zero bytes between them. */
static espalier_status check_private(const espalier_input *input, const espalier_file *file,
                                     espalier_error *error_out)
{
    uint64_t end =
        sizeof(espalier_file_header) + file->section_count * sizeof(espalier_file_section);
    for (uint32_t i = 0; i < file->section_count; i++) {
        const espalier_file_section *const section = espalier_file_section_at(file, i);
        if (section->type >= ESPALIER_SECTION_NODES) {
            break;
        }
        if (!espalier_bytes_are_zero(file->bytes + end, (size_t)(section->offset - end))) {
            return espalier_error_set(error_out, ESPALIER_ERROR_SECTION, RULE_PADDING_ZERO, end,
                                      "%s: padding before section %u (%s) is not zero", input->name,
                                      (unsigned)i, espalier_section_name(section->type));
        }
        const espalier_checksum128 checksum =
            espalier_checksum128_of(file->bytes + section->offset, (size_t)section->bytes);
        if (checksum.low != section->checksum_low || checksum.high != section->checksum_high) {
            return espalier_error_set(error_out, ESPALIER_ERROR_CHECKSUM, RULE_SECTION_CHECKSUM,
                                      section->offset, "%s: section %u (%s): checksum differs",
                                      input->name, (unsigned)i,
                                      espalier_section_name(section->type));
        }
        end = section->offset + section->bytes;
    }
    return ESPALIER_OK;
}

static espalier_status read_and_check(const espalier_input *input, espalier_file *file,
                                      espalier_error *error_out)
{
    espalier_status status = read_first(input, file, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = check_identity(input, espalier_file_header_of(file), error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = check_header(input, espalier_file_header_of(file), error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    file->file_bytes = espalier_file_header_of(file)->file_bytes;
    file->section_count = espalier_file_header_of(file)->section_count;
    status = read_rest(input, file, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!header_checksum_holds(file)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_CHECKSUM, RULE_HEADER_CHECKSUM,
                                  offsetof(espalier_file_header, checksum),
                                  "%s: checksum of header and section table differs", input->name);
    }
    const uint64_t unknown =
        espalier_file_header_of(file)->required_features & ~ESPALIER_REQUIRED_FEATURES_KNOWN;
    if (unknown != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_REQUIRED_FEATURE,
                                  RULE_REQUIRED_FEATURES,
                                  offsetof(espalier_file_header, required_features),
                                  "%s: needs feature bit %d, which this library does not know",
                                  input->name, __builtin_ctzll(unknown));
    }
    status = check_sections(input, file, error_out);
    return status != ESPALIER_OK ? status : check_private(input, file, error_out);
}

espalier_status espalier_file_read(const espalier_input *input, espalier_file *file_out,
                                   espalier_error *error_out)
{
    espalier_file file = {NULL, 0, 0, 0};
    const espalier_status status = read_and_check(input, &file, error_out);
    if (status != ESPALIER_OK) {
        espalier_file_free(&file);
        return status;
    }
    *file_out = file;
    return ESPALIER_OK;
}

void espalier_file_free(espalier_file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}
