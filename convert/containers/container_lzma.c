// SPDX-License-Identifier: Apache-2.0
/*
 * Expanding xz (any number of streams, padding between them) and the older lzma "alone" format.
 * May include: lzma. Must never let a header choose how much memory the decoder takes.
 */
#include <lzma.h>
#include <stdbool.h>
#include <string.h>

#include "convert/containers/container_internal.h"

static espalier_status fail_lzma(const espalier_expansion *expansion, lzma_ret code)
{
    switch (code) {
    case LZMA_MEM_ERROR:
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
    case LZMA_MEMLIMIT_ERROR:
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_LIMIT,
                                       "a dictionary larger than the limit");
    case LZMA_BUF_ERROR:
        return espalier_expansion_truncated(expansion);
    case LZMA_OPTIONS_ERROR:
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "options that liblzma does not support");
    default:
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_SYNTAX, "damaged data");
    }
}

/* Every turn takes or gives at least one byte; liblzma reports BUF_ERROR when none can be. */
static espalier_status run_decoder(espalier_expansion *expansion, lzma_stream *stream)
{
    for (;;) {
        const espalier_status status = espalier_expansion_reserve(expansion);
        if (status != ESPALIER_OK) {
            return status;
        }
        stream->next_in = expansion->in + expansion->in_at;
        stream->avail_in = expansion->in_bytes - expansion->in_at;
        stream->next_out = expansion->out + expansion->out_bytes;
        stream->avail_out = expansion->out_capacity - expansion->out_bytes;
        const lzma_ret code = lzma_code(stream, LZMA_FINISH);
        expansion->in_at = expansion->in_bytes - stream->avail_in;
        expansion->out_bytes = expansion->out_capacity - stream->avail_out;
        if (code == LZMA_STREAM_END) {
            return ESPALIER_OK;
        }
        if (code != LZMA_OK) {
            return fail_lzma(expansion, code);
        }
    }
}

/* After an xz stream: zero bytes in fours may follow, and then another stream. */
static bool has_next_stream(espalier_expansion *expansion)
{
    size_t at = expansion->in_at;
    while (expansion->in_bytes - at >= 4 && memcmp(expansion->in + at, "\0\0\0", 4) == 0) {
        at += 4;
    }
    if (at != expansion->in_bytes &&
        espalier_container_recognise(expansion->in + at, expansion->in_bytes - at) !=
            ESPALIER_CONTAINER_XZ) {
        return false;
    }
    expansion->in_at = at;
    return at != expansion->in_bytes;
}

espalier_status espalier_expand_lzma(espalier_expansion *expansion)
{
    const bool is_xz = expansion->kind == ESPALIER_CONTAINER_XZ;
    lzma_stream stream = LZMA_STREAM_INIT;
    espalier_status status = ESPALIER_OK;
    /* A stream is at least 32 bytes long, so the file bounds the loop. */
    do {
        const lzma_ret code = is_xz
                                  ? lzma_stream_decoder(&stream, expansion->dictionary_bytes_max, 0)
                                  : lzma_alone_decoder(&stream, expansion->dictionary_bytes_max);
        status = code == LZMA_OK ? run_decoder(expansion, &stream) : fail_lzma(expansion, code);
    } while (status == ESPALIER_OK && is_xz && has_next_stream(expansion));
    lzma_end(&stream);
    if (status == ESPALIER_OK && expansion->in_at != expansion->in_bytes) {
        status = espalier_expansion_trailing(expansion);
    }
    return status;
}
