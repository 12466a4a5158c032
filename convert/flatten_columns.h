// SPDX-License-Identifier: Apache-2.0
/*
 * Columns and cuts: which features nodes test, how missing values are treated, and where a
 * threshold stands among its column's cuts. Inside convert/flatten*.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_COLUMNS_H
#define ESPALIER_CONVERT_FLATTEN_COLUMNS_H

#include "convert/flatten.h"
#include "convert/flatten_sets.h"
#include "convert/forest.h"

#include <stdbool.h>
#include <stdint.h>

/* Features tested under one missing rule, and the cuts of those tests. */
typedef struct espalier_column_key {
    uint32_t feature;
    uint32_t missing;      /* ESPALIER_MISSING_... */
    uint32_t first_column; /* in its bank, of segment 0 */
    uint32_t cut_count;
    bool shares;         /* the cuts of the key before, which differs in where NaN goes */
    uint64_t test_count; /* nodes; afterwards where its cuts begin in `cuts` */
    uint64_t first_top;  /* where its tops begin */
} espalier_column_key;

typedef struct espalier_columns {
    const espalier_forest *forest;
    uint32_t *key_of; /* [feature x rules + missing] 1 + index in keys; 0: no such test */
    espalier_column_key *keys;
    uint32_t key_count;
    double *cuts; /* ascending per key; NULL: not collected */
    double *tops; /* every 64th of these, to begin a search with; NULL: there are none */
    uint32_t bank;
    uint32_t code_max;         /* codes 0 to this one; 0: no codes, the feature itself */
    uint32_t column_count;     /* of the bank, leaf columns and those of sets included */
    bool paired;               /* two columns for every feature, NaN right and NaN left */
    espalier_set_columns sets; /* behind all others, in bank WORD */
} espalier_columns;

/* Finds the keys. Status: LIMIT (columns, in *count_out), MEMORY. Free also after a failure. `sets`
 * are made by espalier_set_columns_init. */
espalier_status espalier_columns_init(espalier_columns *columns, const espalier_forest *forest,
                                      uint64_t *count_out);
void espalier_columns_free(espalier_columns *columns);

/* Collects the cuts of every key. Status: MEMORY. */
espalier_status espalier_columns_collect(espalier_columns *columns);

/* How many features nodes test. */
uint32_t espalier_columns_features(const espalier_columns *columns);

/* How many columns it takes when codes end at code_max, and the most cuts of one key. */
uint64_t espalier_columns_count(const espalier_columns *columns, uint32_t code_max);
uint32_t espalier_columns_cuts_max(const espalier_columns *columns);

/* Gives every key its columns in a bank; code_max 0: features themselves, else ranks. */
void espalier_columns_place(espalier_columns *columns, uint32_t bank, uint32_t code_max);

/* What a node tests: the column, and its threshold as it is stored: a code, or in bank WORD
 * 2^32 - 1 less a word. */
typedef struct espalier_column_test {
    uint32_t column;
    uint32_t threshold;
} espalier_column_test;
espalier_column_test espalier_columns_test(const espalier_columns *columns, uint64_t node);

/* The sections COLUMNS, CUTS and SETS. Status: MEMORY. */
espalier_status espalier_columns_sections(const espalier_columns *columns, espalier_flat *flat);

#endif
