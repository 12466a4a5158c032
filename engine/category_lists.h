// SPDX-License-Identifier: Apache-2.0
/*
 * The strings that a feature's rows may have in place of numbers, and their look-up: by halving, in
 * private memory that was checked at open. Allocates nothing but what open does.
 */
#ifndef ESPALIER_ENGINE_CATEGORY_LISTS_H
#define ESPALIER_ENGINE_CATEGORY_LISTS_H

#include "engine/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The list of a feature, or NULL. O(log lists). */
const espalier_file_category_list *espalier_category_list_of(const espalier_model *model,
                                                             uint32_t feature);

/* Sets model->dropped, once the tables are checked. O(columns + operations + numbers of VALUES); a
 * call with columns asks for each of them. Status: MEMORY. */
espalier_status espalier_model_find_dropped(espalier_model *model,
                                            const espalier_table_check *check);

/* Whether nothing of a prediction looks at a feature: a column that a pipeline drops, which may
 * hold any text. */
bool espalier_feature_is_dropped(const espalier_model *model, uint32_t feature);

/* The number of a string of a list; the list's count: it is none. */
uint32_t espalier_category_find(const espalier_model *model,
                                const espalier_file_category_list *list, const char *text,
                                size_t bytes);

#endif
