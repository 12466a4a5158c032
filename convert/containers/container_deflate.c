// SPDX-License-Identifier: Apache-2.0
/*
 * Expanding zlib (one stream, as joblib writes it) and gzip (any number of members, zero padding
 * between and after them). May include: zlib. Must never believe gzip's size field.
 */
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "convert/containers/container_internal.h"

static espalier_status fail_deflate(const espalier_expansion *expansion, int code,
                                    const z_stream *stream)
{
    if (code == Z_MEM_ERROR) {
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    return espalier_expansion_fail(expansion, ESPALIER_ERROR_SOURCE_SYNTAX,
                                   stream->msg != NULL ? stream->msg : "damaged data");
}

/* One stream or member from in_at to its end. Every turn takes or gives at least one byte. */
static espalier_status expand_member(espalier_expansion *expansion, z_stream *stream)
{
    for (;;) {
        const espalier_status status = espalier_expansion_reserve(expansion);
        if (status != ESPALIER_OK) {
            return status;
        }
        const uInt in = espalier_expansion_step(expansion->in_bytes - expansion->in_at);
        const uInt room = espalier_expansion_step(expansion->out_capacity - expansion->out_bytes);
        stream->next_in = (Bytef *)(uintptr_t)(expansion->in + expansion->in_at);
        stream->avail_in = in;
        stream->next_out = expansion->out + expansion->out_bytes;
        stream->avail_out = room;
        const int code = inflate(stream, Z_NO_FLUSH);
        const bool stuck = stream->avail_in == in && stream->avail_out == room;
        expansion->in_at += in - stream->avail_in;
        expansion->out_bytes += room - stream->avail_out;
        if (code == Z_STREAM_END) {
            return ESPALIER_OK;
        }
        if (code == Z_BUF_ERROR || (code == Z_OK && stuck)) {
            return espalier_expansion_truncated(expansion);
        }
        if (code != Z_OK) {
            return fail_deflate(expansion, code, stream);
        }
    }
}

/* After a gzip member: zero bytes may follow, and then another member. */
static bool has_next_member(espalier_expansion *expansion)
{
    size_t at = expansion->in_at;
    while (at < expansion->in_bytes && expansion->in[at] == 0) {
        at++;
    }
    if (at == expansion->in_bytes) {
        expansion->in_at = at;
        return false;
    }
    if (expansion->in_bytes - at < 2 || memcmp(expansion->in + at, "\x1f\x8b", 2) != 0) {
        return false;
    }
    expansion->in_at = at;
    return true;
}

espalier_status espalier_expand_deflate(espalier_expansion *expansion)
{
    const bool is_gzip = expansion->kind == ESPALIER_CONTAINER_GZIP;
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    /* 15: the largest window; 16 more: a gzip header and nothing else. */
    if (inflateInit2(&stream, is_gzip ? 15 + 16 : 15) != Z_OK) {
        return espalier_expansion_fail(expansion, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    espalier_status status = expand_member(expansion, &stream);
    /* A member is at least 18 bytes long, so the file bounds the loop. */
    while (status == ESPALIER_OK && is_gzip && has_next_member(expansion)) {
        inflateReset(&stream);
        status = expand_member(expansion, &stream);
    }
    inflateEnd(&stream);
    if (status == ESPALIER_OK && expansion->in_at != expansion->in_bytes) {
        status = espalier_expansion_trailing(expansion);
    }
    return status;
}
