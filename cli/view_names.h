// SPDX-License-Identifier: Apache-2.0
/*
 * Which categories of text stand behind the numbers of an encoder, in the order of these numbers:
 * found once for each encoder of a model, asked for each node. Includes espalier_inspect.h, libc.
 */
#ifndef ESPALIER_CLI_VIEW_NAMES_H
#define ESPALIER_CLI_VIEW_NAMES_H

#include "espalier_inspect.h"

#include <stdint.h>

typedef struct espalier_view_names espalier_view_names;

/* What an encoder makes of a category. */
typedef struct espalier_view_key {
    double number;
    uint32_t category;
} espalier_view_key;

/* For a model that stays open. NULL: no memory. */
espalier_view_names *espalier_view_names_create(const espalier_model *model);
void espalier_view_names_destroy(espalier_view_names *names);

/*
 * The keys of value_index whose numbers are at most `number`, ascending, and how many there are.
 * *keys_out is NULL where they are not told: the value is no encoder's number of text, memory runs
 * out, or the encoders asked for have more than 2^22 keys together. Valid until the names are
 * destroyed. O(log keys), the first time of a value O(keys log keys).
 */
uint32_t espalier_view_names_below(espalier_view_names *names, uint32_t value_index, double number,
                                   const espalier_view_key **keys_out);

#endif
