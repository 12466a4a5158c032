// SPDX-License-Identifier: Apache-2.0
/*
 * Expanding bzip2, any number of streams one behind the other. May include: bzlib.
 */
#include <bzlib.h>
#include <stdbool.h>
#include <string.h>

#include "convert/containers/container_internal.h"

/* One stream from in_at to its end. Every turn takes or gives at least one byte. */
static espalier_status expand_stream(espalier_expansion *expansion, bz_stream *stream)
{
    for (;;) {
        const espalier_status status = espalier_expansion_reserve(expansion);
        if (status != ESPALIER_OK) {
            return status;
        }
        const unsigned in = espalier_expansion_step(expansion->in_bytes - expansion->in_at);
        const unsigned room =
            espalier_expansion_step(expansion->out_capacity - expansion->out_bytes);
        stream->next_in = (char *)(uintptr_t)(expansion->in + expansion->in_at);
        stream->avail_in = in;
        stream->next_out = (char *)(expansion->out + expansion->out_bytes);
        stream->avail_out = room;
        const int code = BZ2_bzDecompress(stream);
        const bool stuck = stream->avail_in == in && stream->avail_out == room;
        expansion->in_at += in - stream->avail_in;
        expansion->out_bytes += room - stream->avail_out;
        if (code == BZ_STREAM_END) {
            return ESPALIER_OK;
        }
        if (code == BZ_MEM_ERROR) {
            return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
        }
        if (code != BZ_OK) {
            return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_SYNTAX,
                                           code == BZ_DATA_ERROR_MAGIC ? "no bzip2 data here"
                                                                       : "damaged data");
        }
        if (stuck) {
            return espalier_expansion_truncated(expansion);
        }
    }
}

espalier_status espalier_expand_bzip2(espalier_expansion *expansion)
{
    espalier_status status = ESPALIER_OK;
    /* A stream is at least 14 bytes long, so the file bounds the loop. */
    while (status == ESPALIER_OK && expansion->in_at < expansion->in_bytes) {
        if (expansion->in_at != 0 &&
            espalier_container_recognise(expansion->in + expansion->in_at,
                                         expansion->in_bytes - expansion->in_at) !=
                ESPALIER_CONTAINER_BZIP2) {
            return espalier_expansion_trailing(expansion);
        }
        bz_stream stream;
        memset(&stream, 0, sizeof stream);
        if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) {
            return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
        }
        status = expand_stream(expansion, &stream);
        BZ2_bzDecompressEnd(&stream);
    }
    return status;
}
