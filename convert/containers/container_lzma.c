// SPDX-License-Identifier: Apache-2.0
/*
 * Expanding xz (any number of streams, padding between them) and the older lzma "alone" format.
 * May include: lzma. Must never let a header choose how much memory the decoder takes.
 */
#include <lzma.h>
#include <stdbool.h>

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

espalier_status espalier_expand_lzma(espalier_expansion *expansion)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    const uint64_t memory = expansion->dictionary_bytes_max;
    const lzma_ret code = expansion->kind == ESPALIER_CONTAINER_XZ
                              ? lzma_stream_decoder(&stream, memory, LZMA_CONCATENATED)
                              : lzma_alone_decoder(&stream, memory);
    espalier_status status =
        code == LZMA_OK ? run_decoder(expansion, &stream) : fail_lzma(expansion, code);
    lzma_end(&stream);
    if (status == ESPALIER_OK && expansion->in_at != expansion->in_bytes) {
        status = espalier_expansion_trailing(expansion);
    }
    return status;
}
