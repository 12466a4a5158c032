// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_digest_verify: is this file, byte for byte, the model its root digest names? May include
 * the read side of format/ and libsodium. Needs no model: nothing is predicted.
 */
#include "espalier_publish.h"

#include "format/error.h"
#include "format/layout.h"
#include "format/reader.h"
#include "publish/files.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIGEST_BYTES 32u
#define READ_BYTES   ((size_t)1 << 18)

/* The file being read, in pieces. */
typedef struct digesting {
    espalier_input input;
    espalier_file file;
    espalier_error *error;
    uint8_t *buffer; /* READ_BYTES */
} digesting;

static espalier_status open_input(digesting *work)
{
    const char *const path = work->input.name;
    const espalier_status status =
        espalier_files_size(work->input.descriptor, path, &work->input.bytes, work->error);
    if (status != ESPALIER_OK) {
        return status;
    }
    work->buffer = malloc(READ_BYTES);
    if (work->buffer == NULL) {
        return espalier_error_set(work->error, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    return espalier_file_read(&work->input, &work->file, work->error);
}

/* Padding is in no digest: that it is zero makes the digest name every byte. */
static espalier_status check_padding(const digesting *work, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to;) {
        const size_t count = to - at < READ_BYTES ? (size_t)(to - at) : READ_BYTES;
        const espalier_status status =
            espalier_input_fetch(&work->input, at, work->buffer, count, work->error);
        if (status != ESPALIER_OK) {
            return status;
        }
        if (!espalier_bytes_are_zero(work->buffer, count)) {
            return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0, at,
                                      "%s: bytes between or behind sections are not zero",
                                      work->input.name);
        }
        at += count;
    }
    return ESPALIER_OK;
}

static espalier_status check_section(const digesting *work, const espalier_file_section *section)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    const uint64_t end = section->offset + section->bytes;
    for (uint64_t at = section->offset; at < end;) {
        const size_t count = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
        const espalier_status status =
            espalier_input_fetch(&work->input, at, work->buffer, count, work->error);
        if (status != ESPALIER_OK) {
            return status;
        }
        (void)crypto_generichash_update(&state, work->buffer, count);
        at += count;
    }
    uint8_t digest[DIGEST_BYTES];
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    if (memcmp(digest, section->digest, sizeof digest) == 0) {
        return ESPALIER_OK;
    }
    return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0, section->offset,
                              "%s: section %s (type %u): digest differs", work->input.name,
                              espalier_section_name(section->type), (unsigned)section->type);
}

static espalier_status check_sections(const digesting *work)
{
    uint64_t end = sizeof(espalier_file_header) +
                   work->file.section_count * (uint64_t)sizeof(espalier_file_section);
    for (uint32_t i = 0; i < work->file.section_count; i++) {
        const espalier_file_section *const section = espalier_file_section_at(&work->file, i);
        espalier_status status = check_padding(work, end, section->offset);
        if (status == ESPALIER_OK) {
            status = check_section(work, section);
        }
        if (status != ESPALIER_OK) {
            return status;
        }
        end = section->offset + section->bytes;
    }
    return check_padding(work, end, work->file.file_bytes); /* behind a hot section */
}

/* Over header and table, the digest itself and the checksum as zero. */
static espalier_status check_root(const digesting *work)
{
    espalier_file_header header = *espalier_file_header_of(&work->file);
    memset(header.root_digest, 0, sizeof header.root_digest);
    header.checksum = 0;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)&header, sizeof header);
    (void)crypto_generichash_update(&state, work->file.bytes + sizeof header,
                                    work->file.section_count *
                                        (uint64_t)sizeof(espalier_file_section));
    uint8_t digest[DIGEST_BYTES];
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    if (memcmp(digest, espalier_file_header_of(&work->file)->root_digest, sizeof digest) == 0) {
        return ESPALIER_OK;
    }
    return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0,
                              offsetof(espalier_file_header, root_digest),
                              "%s: the root digest of header and section table differs",
                              work->input.name);
}

espalier_status espalier_digest_verify_fd(int descriptor, const char *name, uint8_t *digest_out,
                                          espalier_error *error_out)
{
    if (descriptor < 0 || name == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_digest_verify_fd: bad argument");
    }
    digesting work = {.input = {.name = name, .descriptor = descriptor}, .error = error_out};
    espalier_status status = open_input(&work);
    /* Sections first: who repairs the checksums of a changed one changes the root as well. */
    if (status == ESPALIER_OK) {
        status = check_sections(&work);
    }
    if (status == ESPALIER_OK) {
        status = check_root(&work);
    }
    if (status == ESPALIER_OK && digest_out != NULL) {
        memcpy(digest_out, espalier_file_header_of(&work.file)->root_digest, DIGEST_BYTES);
    }
    espalier_file_free(&work.file);
    free(work.buffer);
    return status;
}

espalier_status espalier_digest_verify(const char *path, uint8_t *digest_out,
                                       espalier_error *error_out)
{
    int descriptor = -1;
    espalier_status status = espalier_files_open(path, &descriptor, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_digest_verify_fd(descriptor, path, digest_out, error_out);
        (void)close(descriptor);
    }
    return status;
}
