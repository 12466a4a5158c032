// SPDX-License-Identifier: Apache-2.0
/*
 * XXH3 as the format uses it: no seed, no secret. xxHash is compiled in; nothing else of it leaks.
 */
#ifndef ESPALIER_FORMAT_CHECKSUM_H
#define ESPALIER_FORMAT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct espalier_checksum128 {
    uint64_t low;
    uint64_t high;
} espalier_checksum128;

uint64_t espalier_checksum64(const void *data, size_t bytes);
espalier_checksum128 espalier_checksum128_of(const void *data, size_t bytes);

#endif
