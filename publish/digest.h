// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that one reading of a file tells: whether it is the model its root digest names, what
 * fs-verity measures, and the hash that is signed. Nothing outside publish/ includes it.
 */
#ifndef ESPALIER_PUBLISH_DIGEST_H
#define ESPALIER_PUBLISH_DIGEST_H

#include "espalier.h"
#include "publish/verity.h"

#include <stdint.h>

#define ESPALIER_ROOT_DIGEST_BYTES 32u /* BLAKE2b-256 */
#define ESPALIER_FILE_HASH_BYTES   64u /* BLAKE2b-512, which minisign signs */

/* What is wanted of a file. */
enum {
    ESPALIER_DIGEST_ROOT = 1u << 0, /* that it is a model, whose sections have their digests */
    ESPALIER_DIGEST_VERITY = 1u << 1,
    ESPALIER_DIGEST_FILE = 1u << 2
};

typedef struct espalier_digests {
    uint64_t file_bytes;
    uint8_t root[ESPALIER_ROOT_DIGEST_BYTES];
    uint8_t verity[ESPALIER_VERITY_DIGEST_BYTES];
    uint8_t file[ESPALIER_FILE_HASH_BYTES];
} espalier_digests;

/*
 * Reads the file once, from its start to its end, and computes what is wanted of those bytes; the
 * rest of *digests_out is zero. Each byte is read before any of the digests sees it, and all see
 * the same: somebody who writes to the file meanwhile cannot have one thing checked and another
 * signed. Status: OPEN, READ, TRUNCATED, MEMORY; for ROOT also DIGEST, and what opening a model
 * returns for a damaged header.
 */
espalier_status espalier_digests_read(int descriptor, const char *name, unsigned wanted,
                                      espalier_digests *digests_out, espalier_error *error_out);

#endif
