// SPDX-License-Identifier: Apache-2.0
/*
 * The strings that a feature's rows may have in place of numbers, while a model is read: a list for
 * each feature that has such, in the order in which they are added; a string's place is its number.
 * May include: include/. Must never: know a source format.
 */
#ifndef ESPALIER_CONVERT_CATEGORIES_H
#define ESPALIER_CONVERT_CATEGORIES_H

#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct espalier_category_list {
    uint32_t feature;
    uint32_t count;
    uint32_t room;
    char **texts; /* [count] UTF-8, each malloc'ed, NUL-terminated */
    size_t *text_bytes;
    uint32_t *order; /* [count] numbers, sorted by their strings' bytes */
    double unknown;  /* the number of a string that is none of them */
    bool refuses;    /* such a string is refused */
} espalier_category_list;

/* Zeroed: no feature has any. */
typedef struct espalier_categories {
    espalier_category_list *lists; /* ascending by feature */
    uint32_t count;
    uint32_t room;
    uint32_t string_count;
    uint64_t moved_bytes; /* what sorting has cost */
} espalier_categories;

/* The list of a feature, made if there is none: unknown strings have the number -1. NULL: no
 * memory. Lists move when one is added. */
espalier_category_list *espalier_categories_of(espalier_categories *categories, uint32_t feature);

/* The list of a feature, or NULL. */
const espalier_category_list *espalier_categories_at(const espalier_categories *categories,
                                                     uint32_t feature);

/* *number_out: the string's, which is added if it is new. Status: LIMIT, MEMORY. */
espalier_status espalier_categories_add(espalier_categories *categories, uint32_t feature,
                                        const char *text, size_t bytes, uint32_t *number_out);

void espalier_categories_free(espalier_categories *categories);

#endif
