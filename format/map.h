// SPDX-License-Identifier: Apache-2.0
/*
 * Bringing a model's bytes into the address space so that no child index can leave them: mapped,
 * mapped into a larger reserved range, copied, or the caller's own. Read side.
 */
#ifndef ESPALIER_FORMAT_MAP_H
#define ESPALIER_FORMAT_MAP_H

#include "espalier.h"
#include "format/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct espalier_map {
    const uint8_t *base;
    size_t bytes; /* readable from base, reservation included */
    espalier_mapping kind;
    uint8_t *range; /* what to unmap: base lies in it; NULL for the caller's memory */
    size_t range_bytes;
    uint64_t huge_bytes; /* of a copy, what the system was asked to keep on huge pages */
} espalier_map;

/* How a model is to be held. */
typedef struct espalier_map_request {
    uint64_t file_bytes;
    uint64_t readable_bytes;       /* wanted from the file's start */
    uint64_t readable_bytes_least; /* not without these: an error where they cannot be had */
    bool copy;
    bool huge_pages; /* a copy on transparent huge pages, where the system grants them */
    bool prefault;   /* all pages of the file are in memory when the call returns */
    bool lock;       /* and stay there; memory of the caller's is copied for it */
} espalier_map_request;

/*
 * Maps file_bytes of the input such that at least readable_bytes from its start are readable: what
 * lies beyond the file reads as zero. Where the system has no address space for that, less is
 * mapped, but all of the file and readable_bytes_least: then map_out->bytes < readable_bytes.
 * Cost: at most three system calls for a plain mapping. Status: MAP, READ, TRUNCATED, LIMIT.
 */
espalier_status espalier_map_open(const espalier_input *input, const espalier_map_request *request,
                                  espalier_map *map_out, espalier_error *error_out);
void espalier_map_close(espalier_map *map);

#endif
