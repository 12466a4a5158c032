// SPDX-License-Identifier: Apache-2.0
/*
 * The METADATA section: what people want to know about a model, as JSON. Deterministic: keys are
 * sorted, nothing is read from the clock; only SOURCE_DATE_EPOCH, when set, gives a time.
 */
#ifndef ESPALIER_CONVERT_METADATA_H
#define ESPALIER_CONVERT_METADATA_H

#include "convert/flatten.h"
#include "convert/forest.h"
#include "espalier_convert.h"

#include <stdint.h>

/* Where a model came from. */
typedef struct espalier_metadata_source {
    const char *format; /* "joblib, protocol 4" */
    const char *place;  /* of the model inside the source; "" is left out */
    uint64_t bytes;
    uint8_t digest[32]; /* BLAKE2b-256 of the file */
} espalier_metadata_source;

/* The BLAKE2b-256 of a file's bytes. Status: OPEN, READ. */
espalier_status espalier_metadata_digest(const char *path, uint8_t *digest_out,
                                         espalier_error *error_out);

/* The same of bytes in memory. */
void espalier_metadata_digest_memory(const void *data, size_t data_bytes, uint8_t *digest_out);

/*
 * Makes the section's text; of *flat only the layout and the reason for it. Status: ARGUMENT for a
 * user key or value that is no UTF-8, a key given twice, or a SOURCE_DATE_EPOCH that is no time;
 * MEMORY.
 */
espalier_status espalier_metadata_make(const espalier_forest *forest, const espalier_flat *flat,
                                       const espalier_metadata_source *source,
                                       const espalier_convert_options *options,
                                       espalier_flat_bytes *section_out, espalier_error *error_out);

#endif
