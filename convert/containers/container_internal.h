// SPDX-License-Identifier: Apache-2.0
/*
 * What the expanders share: the input, the growing output and its cap, errors.
 * May include: include/. Must never be included outside convert/containers.
 */
#ifndef ESPALIER_CONVERT_CONTAINERS_CONTAINER_INTERNAL_H
#define ESPALIER_CONVERT_CONTAINERS_CONTAINER_INTERNAL_H

#include "convert/containers/container.h"

/* Libraries that count in 32 bits are fed and drained in steps of this. */
#define ESPALIER_EXPANSION_STEP_BYTES (UINT32_C(1) << 30)

typedef struct espalier_expansion {
    const char *source_name;
    espalier_container_kind kind;
    const uint8_t *in;
    size_t in_bytes;
    size_t in_at; /* compressed bytes taken so far */
    uint8_t *out; /* malloc'ed */
    size_t out_bytes;
    size_t out_capacity;
    uint64_t out_bytes_max;
    uint64_t dictionary_bytes_max;
    espalier_error *error_out;
} espalier_expansion;

static inline uint32_t espalier_expansion_step(size_t bytes)
{
    return bytes > ESPALIER_EXPANSION_STEP_BYTES ? ESPALIER_EXPANSION_STEP_BYTES : (uint32_t)bytes;
}

/* Makes room for at least one more byte; LIMIT once more than out_bytes_max came out. */
espalier_status espalier_expansion_reserve(espalier_expansion *expansion);
/* "NAME: gzip: compressed byte N: cause". */
espalier_status espalier_expansion_fail(const espalier_expansion *expansion, espalier_status status,
                                        const char *cause);
espalier_status espalier_expansion_truncated(const espalier_expansion *expansion);
espalier_status espalier_expansion_trailing(const espalier_expansion *expansion);

espalier_status espalier_expand_deflate(espalier_expansion *expansion); /* zlib and gzip */
espalier_status espalier_expand_bzip2(espalier_expansion *expansion);
espalier_status espalier_expand_lzma(espalier_expansion *expansion); /* lzma alone and xz */
espalier_status espalier_expand_lz4(espalier_expansion *expansion);

#endif
