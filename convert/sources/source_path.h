// SPDX-License-Identifier: Apache-2.0
/*
 * Places inside a saved object, as messages print them and as `select` takes them:
 *
 *   ["model"]  ['model']  .model  model   the value under a text key of a dict; with a dot also an
 *                                         attribute of an object
 *   [0]  .0                               the item of a list or tuple; the value under an integer
 *   [#2]                                  the third pair of a dict in its order, whatever its key
 *
 * Steps follow each other: ["models"][0], models.0, .best_estimator_. Quoted text knows the escapes
 * \" \' \\ \n \r \t \xHH (one byte). The empty path is the object itself.
 * May include: include/, format/error.h, convert/sources/pickle.h.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SOURCE_PATH_H
#define ESPALIER_CONVERT_SOURCES_SOURCE_PATH_H

#include "convert/sources/pickle.h"

#define ESPALIER_SOURCE_PATH_BYTES     2048u
#define ESPALIER_SOURCE_PATH_STEPS_MAX 64u

/* A path being built; always NUL-terminated. Zero it to start. */
typedef struct espalier_source_path {
    char text[ESPALIER_SOURCE_PATH_BYTES];
    size_t bytes;
} espalier_source_path;

/*
 * Append a step; what would not fit is replaced by a short form that fits for as many steps as a
 * path may have. Cutting back is setting bytes to an earlier value and calling _cut.
 */
void espalier_source_path_item(espalier_source_path *path, size_t index);
void espalier_source_path_pair(espalier_source_path *path, const espalier_pickle_value *key,
                               size_t index);
void espalier_source_path_attribute(espalier_source_path *path, const char *name);
void espalier_source_path_cut(espalier_source_path *path, size_t bytes);

/*
 * Follows `select` from the pickle's root. `source` names the file in messages.
 * Status: ARGUMENT (the path is malformed), SOURCE_NONE (nothing there), SOURCE_SYNTAX.
 */
espalier_status espalier_source_path_follow(const espalier_pickle *pickle, const char *source,
                                            const char *select,
                                            const espalier_pickle_value **value_out,
                                            espalier_error *error_out);

#endif
