// SPDX-License-Identifier: Apache-2.0
/*
 * See container.h: opening, recognising, the output buffer and its caps.
 * May include: format/error.h, libc. Must never look into the content.
 */
#include "convert/containers/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/containers/container_internal.h"
#include "format/error.h"

#define EXPANDED_BYTES_MAX   (UINT64_C(16) << 30)
#define EXPANDED_RATIO_MAX   100u
#define EXPANDED_BYTES_FLOOR (UINT64_C(64) << 20)
#define DICTIONARY_BYTES_MAX (UINT64_C(256) << 20)
#define OUT_BYTES_FIRST      65536u

/* How espalier_container.data is held. */
enum {
    HELD_BORROWED = 0,
    HELD_MAPPED = 1,
    HELD_ALLOCATED = 2
};

espalier_container_kind espalier_container_recognise(const uint8_t *data, size_t bytes)
{
    if (bytes >= 2 && data[0] == 0x78 && ((unsigned)data[0] << 8 | data[1]) % 31 == 0) {
        return ESPALIER_CONTAINER_ZLIB;
    }
    if (bytes >= 2 && memcmp(data, "\x1f\x8b", 2) == 0) {
        return ESPALIER_CONTAINER_GZIP;
    }
    if (bytes >= 3 && memcmp(data, "BZh", 3) == 0) {
        return ESPALIER_CONTAINER_BZIP2;
    }
    if (bytes >= 3 && memcmp(data, "\x5d\x00\x00", 3) == 0) {
        return ESPALIER_CONTAINER_LZMA;
    }
    if (bytes >= 6 && memcmp(data,
                             "\xfd"
                             "7zXZ\0",
                             6) == 0) {
        return ESPALIER_CONTAINER_XZ;
    }
    if (bytes >= 4 && memcmp(data, "\x04\x22\x4d\x18", 4) == 0) {
        return ESPALIER_CONTAINER_LZ4;
    }
    return ESPALIER_CONTAINER_RAW;
}

const char *espalier_container_name(espalier_container_kind kind)
{
    static const char *const names[] = {"", "zlib", "gzip", "bzip2", "lzma", "xz", "lz4"};
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "";
}

/* Containers that are known by name only. */
static espalier_status refuse_container(const uint8_t *data, size_t bytes, const char *name,
                                        espalier_error *error_out)
{
    if (bytes >= 2 && memcmp(data, "ZF", 2) == 0) {
        return espalier_error_set(
            error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
            "%s: a compressed joblib file from before version 0.10; load it once with the old "
            "version and dump it again with a newer one",
            name);
    }
    if (bytes >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                                  "%s: compressed with zstd, not supported; decompress it first",
                                  name);
    }
    return ESPALIER_OK;
}

/* ---- the output buffer ------------------------------------------------------------------- */

espalier_status espalier_expansion_fail(const espalier_expansion *expansion, espalier_status status,
                                        const char *cause)
{
    return espalier_error_set(expansion->error_out, status, 0, expansion->in_at,
                              "%s: %s: compressed byte %llu: %s", expansion->source_name,
                              espalier_container_name(expansion->kind),
                              (unsigned long long)expansion->in_at, cause);
}

espalier_status espalier_expansion_truncated(const espalier_expansion *expansion)
{
    return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                   "the file ends before the compressed data does");
}

espalier_status espalier_expansion_trailing(const espalier_expansion *expansion)
{
    return espalier_error_set(expansion->error_out, ESPALIER_ERROR_SOURCE_SYNTAX, 0,
                              expansion->in_at,
                              "%s: %s: compressed byte %llu: the data ends here, but the file has "
                              "%llu bytes more",
                              expansion->source_name, espalier_container_name(expansion->kind),
                              (unsigned long long)expansion->in_at,
                              (unsigned long long)(expansion->in_bytes - expansion->in_at));
}

espalier_status espalier_expansion_reserve(espalier_expansion *expansion)
{
    if (expansion->out_bytes > expansion->out_bytes_max) {
        return espalier_error_set(
            expansion->error_out, ESPALIER_ERROR_SOURCE_LIMIT, 0, expansion->in_at,
            "%s: %s: compressed byte %llu: %llu bytes expand to more than %llu",
            expansion->source_name, espalier_container_name(expansion->kind),
            (unsigned long long)expansion->in_at, (unsigned long long)expansion->in_bytes,
            (unsigned long long)expansion->out_bytes_max);
    }
    if (expansion->out_bytes < expansion->out_capacity) {
        return ESPALIER_OK;
    }
    /* One byte beyond the cap, so that "exactly the cap" and "more" can be told apart. */
    uint64_t capacity = (uint64_t)expansion->out_capacity * 2;
    capacity = capacity < OUT_BYTES_FIRST ? OUT_BYTES_FIRST : capacity;
    capacity = capacity > expansion->out_bytes_max ? expansion->out_bytes_max + 1 : capacity;
    uint8_t *const grown =
        capacity > SIZE_MAX / 2 ? NULL : realloc(expansion->out, (size_t)capacity);
    if (grown == NULL) {
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY,
                                       "no memory for the expanded data");
    }
    expansion->out = grown;
    expansion->out_capacity = (size_t)capacity;
    return ESPALIER_OK;
}

static uint64_t choose_out_max(const espalier_container_limits *limits, size_t in_bytes)
{
    const uint64_t absolute = limits != NULL && limits->expanded_bytes_max != 0
                                  ? limits->expanded_bytes_max
                                  : EXPANDED_BYTES_MAX;
    const uint64_t asked_ratio = limits != NULL ? limits->expanded_ratio_max : 0;
    const uint64_t ratio = asked_ratio != 0 ? asked_ratio : EXPANDED_RATIO_MAX;
    uint64_t most = (uint64_t)in_bytes > UINT64_MAX / ratio ? UINT64_MAX : in_bytes * ratio;
    if (asked_ratio == 0) {
        /* Small files may expand freely, and a limit that was asked for stands alone. */
        most = most < EXPANDED_BYTES_FLOOR ? EXPANDED_BYTES_FLOOR : most;
        most = limits != NULL && limits->expanded_bytes_max != 0 ? absolute : most;
    }
    most = most < absolute ? most : absolute;
    return most < SIZE_MAX / 2 ? most : SIZE_MAX / 2 - 1;
}

static espalier_status expand(const uint8_t *data, size_t bytes, const char *name,
                              const espalier_container_limits *limits, espalier_container *out,
                              espalier_error *error_out)
{
    espalier_expansion expansion = {.source_name = name,
                                    .kind = out->kind,
                                    .in = data,
                                    .in_bytes = bytes,
                                    .out_bytes_max = choose_out_max(limits, bytes),
                                    .dictionary_bytes_max =
                                        limits != NULL && limits->dictionary_bytes_max != 0
                                            ? limits->dictionary_bytes_max
                                            : DICTIONARY_BYTES_MAX,
                                    .error_out = error_out};
    espalier_status status = ESPALIER_OK;
    switch (out->kind) {
    case ESPALIER_CONTAINER_BZIP2:
        status = espalier_expand_bzip2(&expansion);
        break;
    case ESPALIER_CONTAINER_LZMA:
    case ESPALIER_CONTAINER_XZ:
        status = espalier_expand_lzma(&expansion);
        break;
    case ESPALIER_CONTAINER_LZ4:
        status = espalier_expand_lz4(&expansion);
        break;
    default:
        status = espalier_expand_deflate(&expansion);
        break;
    }
    if (status == ESPALIER_OK && expansion.out_bytes > expansion.out_bytes_max) {
        status = espalier_expansion_reserve(&expansion);
    }
    if (status == ESPALIER_OK && expansion.out_bytes == 0) {
        status = espalier_expansion_fail(&expansion, ESPALIER_ERROR_SOURCE_FORMAT,
                                         "expands to nothing, so not a saved model");
    }
    if (status != ESPALIER_OK) {
        free(expansion.out);
        return status;
    }
    out->data = expansion.out;
    out->bytes = expansion.out_bytes;
    out->owns = HELD_ALLOCATED;
    return ESPALIER_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

espalier_status espalier_container_open_memory(const void *data, size_t bytes, const char *name,
                                               const espalier_container_limits *limits,
                                               espalier_container *out, espalier_error *error_out)
{
    if (data == NULL || name == NULL || out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "bytes, a name and a place for the container are needed");
    }
    memset(out, 0, sizeof *out);
    if (bytes == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, 0,
                                  "%s: empty, so not a saved model", name);
    }
    espalier_status status = refuse_container(data, bytes, name, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_container opened = {.data = data, .bytes = bytes, .file_bytes = bytes};
    opened.kind = espalier_container_recognise(data, bytes);
    if (opened.kind != ESPALIER_CONTAINER_RAW) {
        status = expand(data, bytes, name, limits, &opened, error_out);
    }
    if (status == ESPALIER_OK) {
        *out = opened;
    }
    return status;
}

/* Reads a file that cannot be mapped. NULL with errno set on failure; EINVAL: it became shorter. */
static uint8_t *read_whole(int descriptor, size_t bytes)
{
    uint8_t *const data = malloc(bytes);
    size_t done = 0;
    while (data != NULL && done < bytes) {
        const ssize_t got = pread(descriptor, data + done, bytes - done, (off_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            const int cause = got == 0 ? EINVAL : errno;
            free(data);
            errno = cause;
            return NULL;
        }
        done += (size_t)got;
    }
    return data;
}

static espalier_status get_file_bytes(int descriptor, const char *path, size_t *bytes_out,
                                      espalier_error *error_out)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_READ, errno, "%s: stat", path);
    }
    if (!S_ISREG(facts.st_mode)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: %s, not a regular file", path,
                                  S_ISDIR(facts.st_mode) ? "a folder" : "a device or pipe");
    }
    if (facts.st_size == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, 0,
                                  "%s: empty, so not a saved model", path);
    }
    if ((uint64_t)facts.st_size > SIZE_MAX / 2) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MAP, 0, ESPALIER_OFFSET_NONE,
                                  "%s: larger than the address space", path);
    }
    *bytes_out = (size_t)facts.st_size;
    return ESPALIER_OK;
}

static espalier_status open_descriptor(int descriptor, const char *path,
                                       const espalier_container_limits *limits,
                                       espalier_container *out, espalier_error *error_out)
{
    size_t bytes = 0;
    espalier_status status = get_file_bytes(descriptor, path, &bytes, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    int held = HELD_MAPPED;
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
        held = HELD_ALLOCATED;
        data = read_whole(descriptor, bytes);
    }
    if (data == NULL) {
        return espalier_error_system(error_out,
                                     errno == ENOMEM ? ESPALIER_ERROR_MEMORY : ESPALIER_ERROR_READ,
                                     errno, "%s: read", path);
    }
    espalier_container file = {.data = data, .bytes = bytes, .file_bytes = bytes, .owns = held};
    status = espalier_container_open_memory(data, bytes, path, limits, out, error_out);
    if (status == ESPALIER_OK && out->owns == HELD_BORROWED) {
        *out = file;
        return ESPALIER_OK;
    }
    espalier_container_close(&file);
    return status;
}

espalier_status espalier_container_open(const char *path, const espalier_container_limits *limits,
                                        espalier_container *out, espalier_error *error_out)
{
    if (path == NULL || out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a path and a place for the container are needed");
    }
    memset(out, 0, sizeof *out);
    /* Without blocking: opening a pipe by mistake must not wait for its writer. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: open", path);
    }
    const espalier_status status = open_descriptor(descriptor, path, limits, out, error_out);
    close(descriptor);
    return status;
}

void espalier_container_close(espalier_container *container)
{
    if (container == NULL) {
        return;
    }
    if (container->owns == HELD_MAPPED) {
        munmap((void *)(uintptr_t)container->data, (size_t)container->bytes);
    } else if (container->owns == HELD_ALLOCATED) {
        free((void *)(uintptr_t)container->data);
    }
    memset(container, 0, sizeof *container);
}
