// SPDX-License-Identifier: Apache-2.0
/*
 * fs-verity: a file system that keeps a file as it is and checks every block it reads of it.
 * Nothing outside publish/ includes it.
 */
#ifndef ESPALIER_PUBLISH_VERITY_H
#define ESPALIER_PUBLISH_VERITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_VERITY_DIGEST_BYTES 32u

/*
 * What fs-verity measures of a file whose bytes are given piece by piece: SHA-256, blocks of 4,096
 * bytes, no salt. begin: from malloc, NULL without memory, to be freed by free. Finishing ends it.
 */
typedef struct espalier_verity_tree espalier_verity_tree;
espalier_verity_tree *espalier_verity_begin(void);
void espalier_verity_add(espalier_verity_tree *tree, const uint8_t *data, size_t count);
void espalier_verity_finish(espalier_verity_tree *tree, uint8_t *digest_out);

/* The measure of a file that fs-verity keeps; false when it does not. O(1). */
bool espalier_verity_measure(int descriptor, uint8_t *digest_out);

/* Asks fs-verity to keep a file from now on; false where the file system cannot. Nobody may have it
 * open for writing. */
bool espalier_verity_enable(int descriptor);

#endif
