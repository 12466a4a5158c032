// SPDX-License-Identifier: Apache-2.0
/*
 * Memory between inaccessible moats wider than anything a 32-bit index can reach: sanitizers do not
 * see mappings, the hardware does. Fails the running test when the system refuses.
 */
#ifndef TESTS_SUPPORT_MOAT_H
#define TESTS_SUPPORT_MOAT_H

#include <stddef.h>
#include <stdint.h>

/* 2^32 nodes of 16 bytes would be 64 GiB; children have at most 30 bits, columns 32 of 4 bytes. */
#define MOAT_BYTES ((size_t)40 << 30)

typedef struct moat {
    uint8_t *base; /* of the whole reservation */
    uint8_t *data; /* accessible: [data, data + bytes) */
    size_t bytes;  /* whole pages */
} moat;

/* Zeroed, readable and writable memory. */
moat moat_make(size_t bytes);
void moat_free(moat *memory);

/* The last `bytes` of the accessible range, whose end touches the moat. */
uint8_t *moat_end(const moat *memory, size_t bytes);

#endif
