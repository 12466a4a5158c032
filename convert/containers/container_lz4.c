// SPDX-License-Identifier: Apache-2.0
/*
 * Expanding LZ4 frames, any number one behind the other. May include: lz4frame.
 */
#include <lz4frame.h>
#include <stdbool.h>
#include <string.h>

#include "convert/containers/container_internal.h"

static bool starts_frame(const uint8_t *data, size_t bytes)
{
    /* A frame, or one that is to be skipped (0x184D2A50 to 5F). */
    return bytes >= 4 && (memcmp(data, "\x04\x22\x4d\x18", 4) == 0 ||
                          ((data[0] & 0xF0u) == 0x50u && memcmp(data + 1, "\x2a\x4d\x18", 3) == 0));
}

/* One frame from in_at to its end. Every turn takes or gives at least one byte. */
static espalier_status expand_frame(espalier_expansion *expansion, LZ4F_dctx *context)
{
    for (;;) {
        const espalier_status status = espalier_expansion_reserve(expansion);
        if (status != ESPALIER_OK) {
            return status;
        }
        size_t in = expansion->in_bytes - expansion->in_at;
        size_t out = expansion->out_capacity - expansion->out_bytes;
        const size_t left = LZ4F_decompress(context, expansion->out + expansion->out_bytes, &out,
                                            expansion->in + expansion->in_at, &in, NULL);
        if (LZ4F_isError(left)) {
            return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_SYNTAX,
                                           LZ4F_getErrorName(left));
        }
        expansion->in_at += in;
        expansion->out_bytes += out;
        if (left == 0) {
            return ESPALIER_OK;
        }
        if (in == 0 && out == 0) {
            return espalier_expansion_truncated(expansion);
        }
    }
}

espalier_status espalier_expand_lz4(espalier_expansion *expansion)
{
    LZ4F_dctx *context = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    espalier_status status = ESPALIER_OK;
    /* A frame is at least 7 bytes long, so the file bounds the loop. */
    while (status == ESPALIER_OK && expansion->in_at < expansion->in_bytes) {
        status =
            starts_frame(expansion->in + expansion->in_at, expansion->in_bytes - expansion->in_at)
                ? expand_frame(expansion, context)
                : espalier_expansion_trailing(expansion);
    }
    LZ4F_freeDecompressionContext(context);
    return status;
}
