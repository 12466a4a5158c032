// SPDX-License-Identifier: Apache-2.0
/*
 * See digest.h; and espalier_digest_verify: is this file, byte for byte, the model its root digest
 * names? May include the read side of format/ and libsodium. Needs no model: nothing is predicted.
 */
#include "publish/digest.h"

#include "espalier_publish.h"
#include "format/error.h"
#include "format/layout.h"
#include "format/reader.h"
#include "publish/files.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 18)

/* A file that is being read, and how far each of its digests is. */
typedef struct digesting {
    espalier_input input;
    espalier_error *error;
    unsigned wanted;
    espalier_file file;     /* ROOT: header and tables */
    uint32_t section_index; /* the section that is next, or in work */
    crypto_generichash_state section;
    crypto_generichash_state whole;
    espalier_verity_tree *verity;
    uint8_t *buffer; /* READ_BYTES */
} digesting;

static void begin_section(digesting *work)
{
    (void)crypto_generichash_init(&work->section, NULL, 0, ESPALIER_ROOT_DIGEST_BYTES);
}

/* Padding is in no digest: that it is zero makes the digest name every byte. */
static espalier_status check_padding(const digesting *work, uint64_t at, const uint8_t *data,
                                     size_t count)
{
    if (espalier_bytes_are_zero(data, count)) {
        return ESPALIER_OK;
    }
    return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0, at,
                              "%s: bytes between or behind sections are not zero",
                              work->input.name);
}

static espalier_status finish_section(digesting *work, const espalier_file_section *section)
{
    uint8_t digest[ESPALIER_ROOT_DIGEST_BYTES];
    (void)crypto_generichash_final(&work->section, digest, sizeof digest);
    if (memcmp(digest, section->digest, sizeof digest) != 0) {
        return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0, section->offset,
                                  "%s: section %s (type %u): digest differs", work->input.name,
                                  espalier_section_name(section->type), (unsigned)section->type);
    }
    work->section_index++;
    begin_section(work);
    return ESPALIER_OK;
}

static uint64_t table_end(const digesting *work)
{
    return sizeof(espalier_file_header) +
           work->file.section_count * (uint64_t)sizeof(espalier_file_section);
}

/* Passes the bytes from `at` on, behind the table, to the sections they belong to. */
static espalier_status add_to_sections(digesting *work, uint64_t at, const uint8_t *data,
                                       size_t count)
{
    espalier_status status = ESPALIER_OK;
    while (count > 0 && status == ESPALIER_OK) {
        const espalier_file_section *const section =
            work->section_index < work->file.section_count
                ? espalier_file_section_at(&work->file, work->section_index)
                : NULL;
        size_t taken = count;
        if (section == NULL || at < section->offset) {
            if (section != NULL && section->offset - at < taken) {
                taken = (size_t)(section->offset - at);
            }
            status = check_padding(work, at, data, taken);
        } else { /* the reader has refused empty sections: some of it is left */
            const uint64_t left = section->offset + section->bytes - at;
            taken = left < count ? (size_t)left : count;
            (void)crypto_generichash_update(&work->section, data, taken);
            status = taken == left ? finish_section(work, section) : ESPALIER_OK;
        }
        at += taken;
        data += taken;
        count -= taken;
    }
    return status;
}

/* Over header and table, the digest itself and the checksum as zero. */
static espalier_status check_root(const digesting *work, uint8_t *root_out)
{
    espalier_file_header header = *espalier_file_header_of(&work->file);
    memset(header.root_digest, 0, sizeof header.root_digest);
    header.checksum = 0;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, ESPALIER_ROOT_DIGEST_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)&header, sizeof header);
    (void)crypto_generichash_update(&state, work->file.bytes + sizeof header,
                                    table_end(work) - sizeof header);
    uint8_t digest[ESPALIER_ROOT_DIGEST_BYTES];
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    if (memcmp(digest, espalier_file_header_of(&work->file)->root_digest, sizeof digest) != 0) {
        return espalier_error_set(work->error, ESPALIER_ERROR_DIGEST, 0,
                                  offsetof(espalier_file_header, root_digest),
                                  "%s: the root digest of header and section table differs",
                                  work->input.name);
    }
    memcpy(root_out, digest, sizeof digest);
    return ESPALIER_OK;
}

/* Passes bytes of the file, which follow those before, to everything that is wanted. */
static espalier_status add_bytes(digesting *work, uint64_t at, const uint8_t *data, size_t count)
{
    if ((work->wanted & ESPALIER_DIGEST_FILE) != 0) {
        (void)crypto_generichash_update(&work->whole, data, count);
    }
    if (work->verity != NULL) {
        espalier_verity_add(work->verity, data, count);
    }
    if ((work->wanted & ESPALIER_DIGEST_ROOT) == 0) {
        return ESPALIER_OK;
    }
    /* Header and table are the root's. They come in one piece, from the private copy. */
    const uint64_t skipped = at == 0 ? table_end(work) : 0;
    return add_to_sections(work, at + skipped, data + skipped, count - (size_t)skipped);
}

static espalier_status begin(digesting *work, int descriptor)
{
    const char *const name = work->input.name;
    const espalier_status status =
        espalier_files_size(descriptor, name, &work->input.bytes, work->error);
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool measures = (work->wanted & ESPALIER_DIGEST_VERITY) != 0;
    work->buffer = malloc(READ_BYTES);
    work->verity = measures ? espalier_verity_begin() : NULL;
    if (work->buffer == NULL || (measures && work->verity == NULL)) {
        return espalier_error_set(work->error, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", name);
    }
    (void)crypto_generichash_init(&work->whole, NULL, 0, ESPALIER_FILE_HASH_BYTES);
    begin_section(work);
    return (work->wanted & ESPALIER_DIGEST_ROOT) != 0
               ? espalier_file_read(&work->input, &work->file, work->error)
               : ESPALIER_OK;
}

/* The private sections have been read to be checked; what follows them is read now. */
static espalier_status read_all(digesting *work)
{
    uint64_t at = work->file.private_bytes;
    espalier_status status =
        at > 0 ? add_bytes(work, 0, work->file.bytes, (size_t)at) : ESPALIER_OK;
    while (at < work->input.bytes && status == ESPALIER_OK) {
        const uint64_t left = work->input.bytes - at;
        const size_t count = left < READ_BYTES ? (size_t)left : READ_BYTES;
        status = espalier_input_fetch(&work->input, at, work->buffer, count, work->error);
        if (status == ESPALIER_OK) {
            status = add_bytes(work, at, work->buffer, count);
        }
        at += count;
    }
    return status;
}

espalier_status espalier_digests_read(int descriptor, const char *name, unsigned wanted,
                                      espalier_digests *digests_out, espalier_error *error_out)
{
    digesting work = {.input = {.name = name, .descriptor = descriptor},
                      .error = error_out,
                      .wanted = wanted};
    espalier_digests digests = {.file_bytes = 0};
    espalier_status status = begin(&work, descriptor);
    if (status == ESPALIER_OK) {
        status = read_all(&work);
    }
    /* Sections first: who repairs the checksums of a changed one changes the root as well. */
    if (status == ESPALIER_OK && (wanted & ESPALIER_DIGEST_ROOT) != 0) {
        status = check_root(&work, digests.root);
    }
    if (status == ESPALIER_OK) {
        digests.file_bytes = work.input.bytes;
        if (work.verity != NULL) {
            espalier_verity_finish(work.verity, digests.verity);
        }
        if ((wanted & ESPALIER_DIGEST_FILE) != 0) {
            (void)crypto_generichash_final(&work.whole, digests.file, sizeof digests.file);
        }
        *digests_out = digests;
    }
    espalier_file_free(&work.file);
    free(work.verity);
    free(work.buffer);
    return status;
}

espalier_status espalier_digest_verify_fd(int descriptor, const char *name, uint8_t *digest_out,
                                          espalier_error *error_out)
{
    if (descriptor < 0 || name == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_digest_verify_fd: bad argument");
    }
    espalier_digests digests;
    const espalier_status status =
        espalier_digests_read(descriptor, name, ESPALIER_DIGEST_ROOT, &digests, error_out);
    if (status == ESPALIER_OK && digest_out != NULL) {
        memcpy(digest_out, digests.root, sizeof digests.root);
    }
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
