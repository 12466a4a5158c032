// SPDX-License-Identifier: Apache-2.0
/*
 * From the file of a saved model to the forest in memory, whatever its container.
 * May include: include/, convert/forest.h. Must never: execute what a file asks for, keep the
 * source open after the call.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SOURCE_H
#define ESPALIER_CONVERT_SOURCES_SOURCE_H

#include "convert/forest.h"
#include "espalier_convert.h"

/* The options' limit of working memory, or the default for a stream of this size. */
uint64_t espalier_source_memory_limit(const espalier_convert_options *options,
                                      uint64_t stream_bytes);

/* What the source was, for reports and metadata. */
typedef struct espalier_source_facts {
    char format[96];  /* "joblib, protocol 4, zlib, XGBoost UBJSON" */
    char place[2048]; /* where the model is inside: ["model"]; "" for the top */
    uint64_t file_bytes;
    uint64_t expanded_bytes; /* the same for a file that is not compressed */
    uint64_t trailing_bytes; /* behind the object; not looked at */
} espalier_source_facts;

/*
 * Opens the file at path, reads it as data, finds its one model (options->select chooses), fills
 * *forest_out and checks it with espalier_forest_validate. options may be NULL; it is used for
 * select, the limits and ESPALIER_CONVERT_ALLOW_FLAGGED. Free with espalier_forest_free; on failure
 * *forest_out is zero. facts_out may be NULL; it is filled only on success. The source is closed
 * again before the call returns.
 * Messages read "PATH: PLACE: cause"; file_offset counts in the uncompressed stream.
 * Status: ARGUMENT, OPEN, READ, MAP, MEMORY, all of SOURCE_*.
 */
espalier_status espalier_source_load_forest(const char *path,
                                            const espalier_convert_options *options,
                                            espalier_forest *forest_out,
                                            espalier_source_facts *facts_out,
                                            espalier_error *error_out);

/* The same for the bytes of such a file; `name` stands for the path in messages. */
espalier_status espalier_source_load_forest_memory(
    const void *data, size_t data_bytes, const char *name, const espalier_convert_options *options,
    espalier_forest *forest_out, espalier_source_facts *facts_out, espalier_error *error_out);

#endif
