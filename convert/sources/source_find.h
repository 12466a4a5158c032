// SPDX-License-Identifier: Apache-2.0
/*
 * Finding the model in a saved object: the object itself, or one inside its dicts, lists and
 * tuples. Estimators are not looked into: what a pipeline or a search holds is only part of one.
 * May include: include/, format/error.h, the pickle reader and the importers' headers.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SOURCE_FIND_H
#define ESPALIER_CONVERT_SOURCES_SOURCE_FIND_H

#include "convert/sources/pickle.h"
#include "convert/sources/source_path.h"

/* What a value is to the converter. */
typedef enum espalier_source_class {
    ESPALIER_SOURCE_OTHER = 0,       /* no model */
    ESPALIER_SOURCE_SUPPORTED = 1,   /* a fitted model that can be converted */
    ESPALIER_SOURCE_UNFITTED = 2,    /* of a class that can be, but never fitted */
    ESPALIER_SOURCE_UNSUPPORTED = 3, /* a model of another class */
    ESPALIER_SOURCE_TRANSFORMER = 4  /* part of a model: a scaler, an encoder, ... */
} espalier_source_class;

/* Called for every value that is not OTHER, in stream order; `path` is valid during the call. */
typedef espalier_status espalier_source_found(void *context, const espalier_pickle_value *value,
                                              espalier_source_class class, const char *path);

/*
 * Visits what lies in `start`, whose own path is in *path (restored on return). A value that occurs
 * twice is found twice. Status: SOURCE_LIMIT (nested deeper than ESPALIER_SOURCE_PATH_STEPS_MAX, or
 * shares its parts so often that visiting all takes too long), MEMORY, or what `found` returned.
 */
espalier_status espalier_source_find(const espalier_pickle *pickle,
                                     const espalier_pickle_value *start, espalier_source_path *path,
                                     espalier_source_found *found, void *context,
                                     espalier_error *error_out);

/*
 * The one supported model at or below `select` (NULL: the whole object). On success *path is where
 * it is. `source` names the file in messages.
 * Status: ARGUMENT, SOURCE_NONE, SOURCE_UNSUPPORTED, SOURCE_AMBIGUOUS, SOURCE_LIMIT, MEMORY.
 */
espalier_status espalier_source_choose(const espalier_pickle *pickle, const char *source,
                                       const char *select, const espalier_pickle_value **value_out,
                                       espalier_source_path *path, espalier_error *error_out);

#endif
