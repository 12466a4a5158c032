// SPDX-License-Identifier: Apache-2.0
/*
 * Option structs that grow: the caller's struct starts with its own size. One that is larger than
 * this library's is accepted as long as what the library does not know is zero.
 */
#ifndef ESPALIER_FORMAT_OPTIONS_H
#define ESPALIER_FORMAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No option struct will ever be larger; a size beyond it is a mistake and must not be read. */
#define ESPALIER_OPTIONS_BYTES_MAX 4096u

/* True when options can be read as a struct of known_bytes. */
static inline bool espalier_options_known(const void *options, size_t known_bytes)
{
    const size_t bytes = *(const size_t *)options; /* every such struct begins with it */
    if (bytes < known_bytes || bytes > ESPALIER_OPTIONS_BYTES_MAX) {
        return false;
    }
    for (size_t i = known_bytes; i < bytes; i++) {
        if (((const uint8_t *)options)[i] != 0) {
            return false;
        }
    }
    return true;
}

#endif
