// SPDX-License-Identifier: Apache-2.0
/*
 * Hyper-parameters of an estimator as JSON, for the metadata.
 * May include: include/, the pickle reader, jansson (in params.c).
 */
#ifndef ESPALIER_CONVERT_SOURCES_PARAMS_H
#define ESPALIER_CONVERT_SOURCES_PARAMS_H

#include "convert/sources/pickle.h"

/*
 * A JSON object, keys sorted, of the attributes that a scikit-learn constructor sets: names without
 * an underscore at either end. None, booleans, numbers, text, and lists and tuples of those are
 * themselves; anything else is the name of its type, as are values too long to be worth keeping.
 * On success *json_out is malloc'ed. Status: MEMORY.
 */
espalier_status espalier_params_json(const espalier_pickle_value *estimator, char **json_out);

#endif
