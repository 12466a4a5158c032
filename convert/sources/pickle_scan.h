// SPDX-License-Identifier: Apache-2.0
/*
 * What stands behind espalier_source: an opened saved model, its names and the models inside.
 * May include: include/, convert/. Must never: refuse a flagged name; here they are listed.
 */
#ifndef ESPALIER_CONVERT_SOURCES_PICKLE_SCAN_H
#define ESPALIER_CONVERT_SOURCES_PICKLE_SCAN_H

#include "espalier_convert.h"

#include "convert/sources/pickle.h"

/*
 * Adds a model to the source's list; the strings are copied and escaped. For the importers.
 * Status: MEMORY, SOURCE_LIMIT (4,096 are listed).
 */
espalier_status espalier_source_add_estimator(espalier_source *source, const char *path,
                                              const char *class_name, const char *version,
                                              bool supported);

/* The parsed pickle, to look for models in. */
const espalier_pickle *espalier_source_pickle(const espalier_source *source);

/*
 * Implemented by the scikit-learn importer: finds every model it knows in the source's pickle and
 * calls espalier_source_add_estimator for each. Finding none is ESPALIER_OK.
 * espalier_source_open calls it once.
 */
espalier_status espalier_sklearn_list_estimators(espalier_source *source,
                                                 espalier_error *error_out);

#endif
