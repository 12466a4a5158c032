// SPDX-License-Identifier: Apache-2.0
/*
 * See checksum.h. The only file of the read side that includes xxHash.
 */
#include "format/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t espalier_checksum64(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

espalier_checksum128 espalier_checksum128_of(const void *data, size_t bytes)
{
    const XXH128_hash_t hash = XXH3_128bits(data, bytes);
    const espalier_checksum128 checksum = {hash.low64, hash.high64};
    return checksum;
}
