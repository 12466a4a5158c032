// SPDX-License-Identifier: Apache-2.0
/*
 * What the files share that put transformers together. Included by sklearn_pipeline.c,
 * sklearn_compose.c and sklearn_columns.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_COMPOSE_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_COMPOSE_H

#include "convert/sources/sklearn_prepare.h"

/*
 * *out, zeroed before, gets the columns of *in that entry (name, transformer, columns) of a
 * ColumnTransformer's transformers_ names.
 */
espalier_status espalier_sklearn_choose_columns(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *object,
                                                const espalier_pickle_value *entry,
                                                const espalier_sklearn_table *in,
                                                espalier_sklearn_table *out);

/*
 * What `transformer` makes of *in: *out, zeroed before. Goes through pipelines, unions and column
 * transformers inside each other with a stack of its own. import->path is the transformer's.
 */
espalier_status espalier_sklearn_apply_transformer(espalier_sklearn_prepare *prepare,
                                                   const espalier_pickle_value *transformer,
                                                   const espalier_sklearn_table *in,
                                                   espalier_sklearn_table *out);

/* The first transformer of pipelines and unions inside each other, which gets the rows; or NULL. */
const espalier_pickle_value *espalier_sklearn_first_transformer(
    const espalier_pickle *pickle, const espalier_pickle_value *transformer);

/* How many features a fitted transformer was given, 0: it does not say; and their names, or
 * NULL. */
uint32_t espalier_sklearn_transformer_width(const espalier_pickle *pickle,
                                            const espalier_pickle_value *transformer,
                                            const espalier_pickle_value **names_out);

#endif
