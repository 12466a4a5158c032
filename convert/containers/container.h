// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a saved model, whatever container they lie in: a plain file is mapped, a compressed
 * one expanded into private memory under limits. Recognition is by the first bytes, as joblib does
 * it; a file name's extension means nothing.
 * May include: include/, libc, the compression libraries (in the .c files).
 * Must never: trust a size that the file states, write a temporary file, or look into the content.
 */
#ifndef ESPALIER_CONVERT_CONTAINERS_CONTAINER_H
#define ESPALIER_CONVERT_CONTAINERS_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#include "espalier.h"

typedef enum espalier_container_kind {
    ESPALIER_CONTAINER_RAW = 0, /* none: the file's own bytes */
    ESPALIER_CONTAINER_ZLIB = 1,
    ESPALIER_CONTAINER_GZIP = 2,
    ESPALIER_CONTAINER_BZIP2 = 3,
    ESPALIER_CONTAINER_LZMA = 4, /* the "alone" format */
    ESPALIER_CONTAINER_XZ = 5,
    ESPALIER_CONTAINER_LZ4 = 6 /* the frame format */
} espalier_container_kind;

/* Every field: 0 takes the default. */
typedef struct espalier_container_limits {
    uint64_t expanded_bytes_max;   /* default 16 GiB, whatever the ratio says */
    uint64_t expanded_ratio_max;   /* default 100 x the file, at least 64 MiB; none when
                                      expanded_bytes_max is given */
    uint64_t dictionary_bytes_max; /* default 256 MiB: working memory of an xz or lzma decoder */
} espalier_container_limits;

typedef struct espalier_container {
    const uint8_t *data; /* readable until espalier_container_close; NULL when bytes is 0 */
    uint64_t bytes;      /* after expansion */
    uint64_t file_bytes; /* as stored */
    espalier_container_kind kind;
    int owns; /* internal: how data was obtained */
} espalier_container;

/*
 * Opens `path` and expands it if it is compressed. On failure nothing stays open, *out is zero.
 * The message names the path, the container and the compressed offset.
 * limits may be NULL. A raw file that another process shortens while it is mapped faults on touch.
 * Status: ARGUMENT, OPEN, READ, MAP, MEMORY, SOURCE_FORMAT (empty file, not a regular file),
 * SOURCE_UNSUPPORTED (joblib's "ZF" files from before 0.10, zstd), SOURCE_SYNTAX, SOURCE_TRUNCATED,
 * SOURCE_LIMIT.
 */
espalier_status espalier_container_open(const char *path, const espalier_container_limits *limits,
                                        espalier_container *out, espalier_error *error_out);

/* The same for bytes in memory, which a raw container borrows. `name` stands for the path. */
espalier_status espalier_container_open_memory(const void *data, size_t bytes, const char *name,
                                               const espalier_container_limits *limits,
                                               espalier_container *out, espalier_error *error_out);

void espalier_container_close(espalier_container *container);

/* What the first bytes say, without opening anything. */
espalier_container_kind espalier_container_recognise(const uint8_t *data, size_t bytes);

/* "zlib", "gzip", ... ; "" for raw. */
const char *espalier_container_name(espalier_container_kind kind);

#endif
