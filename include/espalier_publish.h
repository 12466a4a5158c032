// SPDX-License-Identifier: Apache-2.0
/*
 * Espalier: what happens to a finished file. Conventions as in espalier.h. No parsers here.
 */
#ifndef ESPALIER_PUBLISH_H
#define ESPALIER_PUBLISH_H

#include "espalier.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reads the model file at `path` and checks its identity: every section's BLAKE2b-256 against the
 * section table, and the root digest against header and table. On success digest_out (may be NULL)
 * receives the 32 bytes of the root digest, which name the model. O(file), any thread.
 * Status: ARGUMENT, OPEN, READ, DIGEST (the message names the section), and what opening a model
 * returns for a damaged header.
 */
ESPALIER_API espalier_status espalier_digest_verify(const char *path, uint8_t *digest_out,
                                                    espalier_error *error_out);

#ifdef __cplusplus
}
#endif

#endif
