// SPDX-License-Identifier: Apache-2.0
/*
 * See writer.h. Write side: libsodium for digests, xxHash through checksum.h. The file is complete,
 * digested and synced before its name exists; an error leaves no trace of it.
 */
#include "format/writer.h"

#include "format/checksum.h"
#include "format/error.h"
#include "format/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Linux writes at most 0x7ffff000 bytes in one call. */
#define WRITE_BYTES_MAX ((uint64_t)1 << 30)
/* From this size on a hot section starts on a 64 KiB boundary, so that machines with pages of 4, 16
 * and 64 KiB can all advise or lock it by itself; smaller ones would waste more than they gain. */
#define LARGE_SECTION_BYTES ((uint64_t)1 << 20)
#define SMALL_PAGE_BYTES    4096u
/* A file name has at most 255 bytes; ".", "." and the suffix take eight. */
#define NAME_BYTES_MAX      240u
#define SUFFIX_LETTERS      6u
#define CREATE_ATTEMPTS_MAX 100u

static_assert(crypto_generichash_BYTES == 32, "BLAKE2b-256");

/* A file laid out: header and table as they will be written, and where the sections come from. */
typedef struct file_plan {
    const char *path; /* for messages */
    uint32_t count;
    espalier_file_header header;
    espalier_file_section table[ESPALIER_LIMIT_SECTIONS]; /* directly behind the header */
    espalier_writer_section sections[ESPALIER_LIMIT_SECTIONS];
} file_plan;

static_assert(offsetof(file_plan, table) ==
                  offsetof(file_plan, header) + sizeof(espalier_file_header),
              "header and table are one run of bytes");

static size_t head_bytes(const file_plan *plan)
{
    return sizeof plan->header + plan->count * sizeof plan->table[0];
}

static bool is_hot_section(uint32_t type)
{
    return type >= ESPALIER_SECTION_NODES && type <= ESPALIER_SECTION_CUTS;
}

static uint64_t align_up(uint64_t offset, uint64_t alignment)
{
    return (offset + alignment - 1) & ~(alignment - 1);
}

/* ---- layout ---- */

/* Takes the caller's sections in order of type. Insertion: there are at most 64. */
static espalier_status take_sections(file_plan *plan, const espalier_writer_section *sections,
                                     uint32_t count, espalier_error *error_out)
{
    if (count == 0 || count > ESPALIER_LIMIT_SECTIONS) {
        return espalier_error_set(error_out, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: %u sections; a model has 1 to %u", plan->path,
                                  (unsigned)count, (unsigned)ESPALIER_LIMIT_SECTIONS);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i;
        while (place > 0 && plan->sections[place - 1].type > sections[i].type) {
            plan->sections[place] = plan->sections[place - 1];
            place--;
        }
        plan->sections[place] = sections[i];
        const bool is_twice = place > 0 && plan->sections[place - 1].type == sections[i].type;
        if (is_twice || sections[i].data == NULL || sections[i].bytes == 0) {
            return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                      "%s: section of type %u is %s", plan->path,
                                      (unsigned)sections[i].type,
                                      is_twice ? "given twice" : "empty");
        }
    }
    if (is_hot_section(plan->sections[count - 1].type)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no cold section ends the file", plan->path);
    }
    plan->count = count;
    return ESPALIER_OK;
}

/* Gives every section its place. */
static espalier_status place_sections(file_plan *plan, espalier_error *error_out)
{
    uint64_t end = head_bytes(plan);
    uint64_t private_end = end;
    uint64_t tail_bytes = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const espalier_writer_section *const section = &plan->sections[i];
        const bool is_hot = is_hot_section(section->type);
        espalier_file_section *const entry = &plan->table[i];
        entry->type = section->type;
        entry->encoding = 1;
        entry->flags = section->flags;
        entry->bytes = section->bytes;
        entry->alignment = !is_hot                                 ? ESPALIER_ALIGNMENT_MIN
                           : section->bytes >= LARGE_SECTION_BYTES ? ESPALIER_ALIGNMENT_MAX
                                                                   : SMALL_PAGE_BYTES;
        entry->offset = align_up(end + tail_bytes, entry->alignment);
        if (entry->bytes > ESPALIER_LIMIT_FILE_BYTES - entry->offset) {
            return espalier_error_set(error_out, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                      "%s: more than %llu bytes", plan->path,
                                      (unsigned long long)ESPALIER_LIMIT_FILE_BYTES);
        }
        end = entry->offset + entry->bytes;
        tail_bytes = is_hot ? ESPALIER_HOT_TAIL_BYTES : 0;
        private_end = section->type < ESPALIER_SECTION_NODES ? end : private_end;
    }
    if (private_end > ESPALIER_LIMIT_PRIVATE_BYTES) {
        return espalier_error_set(error_out, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: %llu bytes of tables; a model has at most %llu", plan->path,
                                  (unsigned long long)private_end,
                                  (unsigned long long)ESPALIER_LIMIT_PRIVATE_BYTES);
    }
    plan->header.file_bytes = end;
    plan->header.private_end = private_end;
    return ESPALIER_OK;
}

/* ---- identity ---- */

static void digest_sections(file_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const espalier_writer_section *const section = &plan->sections[i];
        espalier_file_section *const entry = &plan->table[i];
        const espalier_checksum128 checksum =
            espalier_checksum128_of(section->data, (size_t)section->bytes);
        entry->checksum_low = checksum.low;
        entry->checksum_high = checksum.high;
        (void)crypto_generichash(entry->digest, sizeof entry->digest, section->data, section->bytes,
                                 NULL, 0);
    }
}

/* Root digest first, with itself and the checksum zero; then the checksum over both. */
static void seal_header(file_plan *plan)
{
    espalier_file_header *const header = &plan->header;
    memcpy(header->magic, ESPALIER_FILE_MAGIC, ESPALIER_FILE_MAGIC_BYTES);
    header->format_major = ESPALIER_FILE_MAJOR;
    header->format_minor = ESPALIER_FILE_MINOR;
    header->byte_order = ESPALIER_BYTE_ORDER_MARK;
    header->header_bytes = (uint32_t)sizeof *header;
    header->section_count = plan->count;
    header->section_entry_bytes = (uint32_t)sizeof plan->table[0];

    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof header->root_digest);
    (void)crypto_generichash_update(&state, (const uint8_t *)header, sizeof *header);
    (void)crypto_generichash_update(&state, (const uint8_t *)plan->table,
                                    plan->count * sizeof plan->table[0]);
    uint8_t digest[sizeof header->root_digest];
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    memcpy(header->root_digest, digest, sizeof digest);
    header->checksum =
        espalier_checksum64((const uint8_t *)plan + offsetof(file_plan, header), head_bytes(plan));
}

/* ---- the temporary file ---- */

/* Six letters that another writer is unlikely to draw. O_EXCL decides, so weak ones do no harm. */
static void draw_suffix(char *suffix)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
        struct timespec now = {0, 0};
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        bits = (uint64_t)now.tv_nsec * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)getpid();
    }
    for (uint32_t i = 0; i < SUFFIX_LETTERS; i++) {
        suffix[i] = letters[bits % (sizeof letters - 1)];
        bits /= sizeof letters - 1;
    }
}

/* Bytes of the path up to and with its last slash. */
static size_t folder_bytes(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* A rename would replace whatever stands there, devices included. */
static espalier_status check_target(const char *model_path, espalier_error *error_out)
{
    struct stat status;
    if (model_path[folder_bytes(model_path)] == '\0') {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, EISDIR, "%s: cannot write",
                                     model_path);
    }
    if (stat(model_path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPEN, 0, ESPALIER_OFFSET_NONE,
                                  "%s: exists and is no regular file", model_path);
    }
    return ESPALIER_OK;
}

/* Creates .NAME.XXXXXX beside model_path; *temporary_out is malloc'ed. */
static espalier_status create_temporary(const char *model_path, char **temporary_out,
                                        int *descriptor_out, espalier_error *error_out)
{
    const size_t folder = folder_bytes(model_path);
    const size_t name = strnlen(model_path + folder, NAME_BYTES_MAX);
    const size_t bytes = folder + 1 + name + 1 + SUFFIX_LETTERS + 1;
    char *const temporary = malloc(bytes);
    if (temporary == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", model_path);
    }
    (void)snprintf(temporary, bytes, "%.*s.%.*s.XXXXXX", (int)folder, model_path, (int)name,
                   model_path + folder);
    for (uint32_t attempt = 0; attempt < CREATE_ATTEMPTS_MAX; attempt++) {
        draw_suffix(temporary + bytes - 1 - SUFFIX_LETTERS);
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
        const int descriptor = open(temporary, flags, 0644);
        if (descriptor >= 0) {
            *temporary_out = temporary;
            *descriptor_out = descriptor;
            return ESPALIER_OK;
        }
        if (errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    const int cause = errno;
    free(temporary);
    return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, cause,
                                 "%s: cannot create a temporary file beside it", model_path);
}

/* ---- writing ---- */

static espalier_status write_bytes(int descriptor, const char *path, const void *data,
                                   uint64_t bytes, espalier_error *error_out)
{
    const uint8_t *next = data;
    uint64_t left = bytes;
    while (left > 0) {
        const uint64_t chunk = left < WRITE_BYTES_MAX ? left : WRITE_BYTES_MAX;
        const ssize_t written = write(descriptor, next, (size_t)chunk);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) { /* zero cannot happen for a regular file; never spin on it */
            return espalier_error_system(error_out, ESPALIER_ERROR_WRITE, written < 0 ? errno : EIO,
                                         "%s: cannot write the temporary file beside it", path);
        }
        next += written;
        left -= (uint64_t)written;
    }
    return ESPALIER_OK;
}

static espalier_status write_zeros(int descriptor, const char *path, uint64_t bytes,
                                   espalier_error *error_out)
{
    static const uint8_t zeros[SMALL_PAGE_BYTES];
    espalier_status status = ESPALIER_OK;
    for (uint64_t done = 0; done < bytes && status == ESPALIER_OK; done += sizeof zeros) {
        const uint64_t left = bytes - done;
        status = write_bytes(descriptor, path, zeros, left < sizeof zeros ? left : sizeof zeros,
                             error_out);
    }
    return status;
}

static espalier_status write_plan(int descriptor, const file_plan *plan, espalier_error *error_out)
{
    uint64_t end = head_bytes(plan);
    espalier_status status =
        write_bytes(descriptor, plan->path, &plan->header, sizeof plan->header, error_out);
    if (status == ESPALIER_OK) {
        status = write_bytes(descriptor, plan->path, plan->table,
                             plan->count * sizeof plan->table[0], error_out);
    }
    for (uint32_t i = 0; i < plan->count && status == ESPALIER_OK; i++) {
        const espalier_file_section *const entry = &plan->table[i];
        status = write_zeros(descriptor, plan->path, entry->offset - end, error_out);
        if (status == ESPALIER_OK) {
            status = write_bytes(descriptor, plan->path, plan->sections[i].data, entry->bytes,
                                 error_out);
        }
        end = entry->offset + entry->bytes;
    }
    return status;
}

static int sync_descriptor(int descriptor)
{
    int result = 0;
    do {
        result = fsync(descriptor);
    } while (result != 0 && errno == EINTR);
    return result;
}

/* Writes, syncs and closes. */
static espalier_status fill_temporary(int descriptor, const file_plan *plan,
                                      espalier_error *error_out)
{
    espalier_status status = write_plan(descriptor, plan, error_out);
    if (status == ESPALIER_OK && sync_descriptor(descriptor) != 0) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_SYNC, errno,
                                       "%s: cannot sync the temporary file beside it", plan->path);
    }
    /* Linux releases the descriptor whatever close says; a network disk may report a lost write. */
    if (close(descriptor) != 0 && errno != EINTR && status == ESPALIER_OK) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_WRITE, errno,
                                       "%s: cannot close the temporary file beside it", plan->path);
    }
    return status;
}

espalier_status espalier_writer_write(const char *model_path,
                                      const espalier_writer_section *sections,
                                      uint32_t section_count, char **temporary_out,
                                      uint64_t *file_bytes_out, espalier_error *error_out)
{
    file_plan plan;
    memset(&plan, 0, sizeof plan);
    plan.path = model_path;
    espalier_status status = take_sections(&plan, sections, section_count, error_out);
    if (status == ESPALIER_OK) {
        status = place_sections(&plan, error_out);
    }
    if (status == ESPALIER_OK) {
        status = check_target(model_path, error_out);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    digest_sections(&plan);
    seal_header(&plan);

    char *temporary = NULL;
    int descriptor = -1;
    status = create_temporary(model_path, &temporary, &descriptor, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = fill_temporary(descriptor, &plan, error_out);
    if (status != ESPALIER_OK) {
        espalier_writer_discard(temporary);
        free(temporary);
        return status;
    }
    *temporary_out = temporary;
    *file_bytes_out = plan.header.file_bytes;
    return ESPALIER_OK;
}

/* ---- publishing ---- */

/* Opens the folder of a path, before anything is renamed in it. */
static espalier_status open_folder(const char *model_path, int *descriptor_out,
                                   espalier_error *error_out)
{
    const size_t bytes = folder_bytes(model_path);
    char *const folder = bytes == 0 ? strdup(".") : strndup(model_path, bytes);
    if (folder == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", model_path);
    }
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int cause = errno;
    free(folder);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, cause,
                                     "%s: cannot open its folder", model_path);
    }
    *descriptor_out = descriptor;
    return ESPALIER_OK;
}

espalier_status espalier_writer_publish(const char *temporary, const char *model_path,
                                        espalier_error *error_out)
{
    int folder = -1;
    espalier_status status = open_folder(model_path, &folder, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (rename(temporary, model_path) != 0) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_RENAME, errno,
                                       "%s: cannot rename the new model to it", model_path);
    } else if (sync_descriptor(folder) != 0 && errno != EINVAL) {
        /* Makes the new name last. Some file systems cannot sync a folder and say EINVAL. */
        status =
            espalier_error_system(error_out, ESPALIER_ERROR_SYNC, errno,
                                  "%s: published, but its folder cannot be synced", model_path);
    }
    (void)close(folder);
    return status;
}

void espalier_writer_discard(const char *temporary)
{
    (void)unlink(temporary);
}
