// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the LightGBM importer share. Included by lightgbm*.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_LIGHTGBM_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_LIGHTGBM_INTERNAL_H

#include "convert/sources/decimal.h"
#include "convert/sources/lightgbm.h"
#include "convert/sources/text_lines.h"

#define ESPALIER_LIGHTGBM_NO_TREE    UINT32_MAX
#define ESPALIER_LIGHTGBM_NO_FEATURE UINT32_MAX

/* What the header says. A key that is absent has a NULL text. */
typedef struct espalier_lightgbm_header {
    espalier_text_slice version;
    espalier_text_slice num_class;
    espalier_text_slice num_tree_per_iteration;
    espalier_text_slice label_index;
    espalier_text_slice max_feature_idx;
    espalier_text_slice objective;
    espalier_text_slice average_output; /* the bare word */
    espalier_text_slice feature_names;
    espalier_text_slice monotone_constraints;
    espalier_text_slice feature_infos;
    espalier_text_slice tree_sizes;
} espalier_lightgbm_header;

/* The lines of one tree. A key that is absent has a NULL text. */
typedef struct espalier_lightgbm_block {
    uint64_t offset; /* of "Tree=" */
    uint64_t line;
    espalier_text_slice num_leaves;
    espalier_text_slice num_cat;
    espalier_text_slice split_feature;
    espalier_text_slice split_gain;
    espalier_text_slice threshold;
    espalier_text_slice decision_type;
    espalier_text_slice left_child;
    espalier_text_slice right_child;
    espalier_text_slice leaf_value;
    espalier_text_slice leaf_count;
    espalier_text_slice internal_count;
    espalier_text_slice cat_boundaries;
    espalier_text_slice cat_threshold;
    espalier_text_slice is_linear;
    espalier_text_slice leaf_const;
    espalier_text_slice num_features;
    espalier_text_slice leaf_features;
    espalier_text_slice leaf_coeff;
    bool linear;                /* is_linear as a number */
    uint32_t leaf_count_number; /* num_leaves as a number */
    uint32_t cat_count_number;  /* num_cat, 0 where it is absent */
} espalier_lightgbm_block;

/* A key and where its value goes: an offset in one of the two above. */
typedef struct espalier_lightgbm_key {
    const char *name;
    size_t place; /* ESPALIER_LIGHTGBM_UNREAD: known, but of no use here */
} espalier_lightgbm_key;

#define ESPALIER_LIGHTGBM_UNREAD SIZE_MAX

/* One conversion. */
typedef struct espalier_lightgbm_import {
    const espalier_source_input *input;
    espalier_error *error;
    espalier_forest *forest;
    espalier_decimal decimal;
    espalier_text_lines lines;
    uint64_t memory_left;
    espalier_lightgbm_header header;
    espalier_text_lines trees;            /* where the first tree stands */
    uint32_t tree;                        /* being read, or ESPALIER_LIGHTGBM_NO_TREE */
    bool linear;                          /* some tree is */
    uint32_t terms_read;                  /* of linear leaves */
    espalier_text_slice categorical_line; /* of the parameters, if it is there */
} espalier_lightgbm_import;

/* "FILE: line 7, tree 0: cause", with the place of `at` (NULL: of the whole file). */
espalier_status espalier_lightgbm_fail(const espalier_lightgbm_import *import,
                                       const espalier_text_slice *at, espalier_status status,
                                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How much of a text a message repeats, as the precision of %.*s. */
int espalier_lightgbm_shown(const espalier_text_slice *slice);

/* Charges count x bytes against the limit before they are allocated, zeroed, into *out. */
espalier_status espalier_lightgbm_allocate(espalier_lightgbm_import *import, uint64_t count,
                                           uint64_t bytes, void **out);

/* Charges memory for categories that another owner allocates. */
espalier_status espalier_lightgbm_charge(espalier_lightgbm_import *import, uint64_t bytes);

/*
 * Reads a line "key=value" into `record`, where keys[] says. A key that is not listed or was there
 * before is refused.
 */
espalier_status espalier_lightgbm_take_line(const espalier_lightgbm_import *import,
                                            const espalier_text_slice *line,
                                            const espalier_lightgbm_key *keys, void *record);

/* A value that is one integer in [min, max]; `key` names it. */
espalier_status espalier_lightgbm_integer(const espalier_lightgbm_import *import,
                                          const espalier_text_slice *value, const char *key,
                                          int64_t min, int64_t max, int64_t *integer_out);

/* Refuses a value that is absent, or does not have as many words. */
espalier_status espalier_lightgbm_words(const espalier_lightgbm_import *import,
                                        const espalier_text_slice *value, const char *key,
                                        uint64_t count);

/* The next item, number `index`, of an array of float64s, and such an array; infinite only if the
 * trainer could write that. */
espalier_status espalier_lightgbm_real(const espalier_lightgbm_import *import,
                                       espalier_text_slice *rest, const char *key, uint64_t index,
                                       bool infinite_allowed, double *real_out);
espalier_status espalier_lightgbm_reals(const espalier_lightgbm_import *import,
                                        const espalier_text_slice *value, const char *key,
                                        uint64_t count, bool infinite_allowed, double *reals);

/* The next item, number `index`, of an array of integers. */
espalier_status espalier_lightgbm_item(const espalier_lightgbm_import *import,
                                       espalier_text_slice *rest, const char *key, uint64_t index,
                                       int64_t min, int64_t max, int64_t *integer_out);

/* Linear trees. Counting the terms of one; room for all leaves and terms; reading those of a tree,
 * whose leaf values are read, linear or not; and at the end the stages that add them up. */
espalier_status espalier_lightgbm_count_lines(espalier_lightgbm_import *import,
                                              const espalier_lightgbm_block *block);
espalier_status espalier_lightgbm_make_lines(espalier_lightgbm_import *import);
espalier_status espalier_lightgbm_read_lines(espalier_lightgbm_import *import,
                                             const espalier_lightgbm_block *block,
                                             const espalier_forest_tree *tree);
espalier_status espalier_lightgbm_lift_lines(espalier_lightgbm_import *import);

/* What ends a list of trees; LightGBM before 2.2.1 writes no "end of trees". */
bool espalier_lightgbm_ends_trees(const espalier_text_slice *line);

/* The bit fields of categories of one tree. */
typedef struct espalier_lightgbm_fields {
    uint32_t *boundaries; /* [field_count + 1] */
    uint32_t *words;
    uint32_t *members; /* room for the categories of the largest field */
    uint32_t field_count;
    uint32_t word_count;
    uint64_t bytes; /* of all these */
} espalier_lightgbm_fields;

/* Reads them, checks them, and makes forest->set. Close also after a failure. */
espalier_status espalier_lightgbm_open_fields(espalier_lightgbm_import *import,
                                              const espalier_lightgbm_block *block,
                                              espalier_lightgbm_fields *fields);
void espalier_lightgbm_close_fields(espalier_lightgbm_import *import,
                                    espalier_lightgbm_fields *fields);

/* The set of a node, `at` in the forest; the number of its field stands where others have a
 * threshold. */
espalier_status espalier_lightgbm_add_set(espalier_lightgbm_import *import,
                                          const espalier_lightgbm_block *block,
                                          const espalier_lightgbm_fields *fields, uint32_t node,
                                          uint64_t at);

/* Counts the trees behind import->trees, makes the forest's arrays, and fills them. */
espalier_status espalier_lightgbm_read_trees(espalier_lightgbm_import *import);

/* What the header's objective makes of the sums: stages, outputs, labels. */
espalier_status espalier_lightgbm_add_outputs(espalier_lightgbm_import *import);

/* Text of the file as UTF-8, malloc'ed, memory charged; bytes that are none become \xNN. */
espalier_status espalier_lightgbm_copy_text(espalier_lightgbm_import *import,
                                            const espalier_text_slice *slice, char **text_out);

/* The names of all features; their count is checked. */
espalier_status espalier_lightgbm_read_names(espalier_lightgbm_import *import);

/* The block "parameters:" behind the trees, if there is one, as a JSON object. */
espalier_status espalier_lightgbm_read_parameters(espalier_lightgbm_import *import);

/* One list of categories that pandas had, and the features that it may be of. */
typedef struct espalier_lightgbm_list {
    uint32_t size;
    bool numbers;   /* rows have numbers, at least some */
    bool misleads;  /* which are not their own places */
    uint32_t first; /* where this is also the last, the list is this feature's */
    uint32_t last;
} espalier_lightgbm_list;

/* What cannot be told of lists that may be of several features. */
typedef struct espalier_lightgbm_doubts {
    const uint8_t *tested; /* [feature_count] given: not 0 where a tree asks for the feature */
    uint8_t *numbers;      /* [feature_count] becomes 1 where such a list of numbers may belong */
    uint32_t feature;      /* one that is tested and may have a list that misleads, or none */
    bool fits;             /* lists fit the columns in some way; else nothing is known of any */
} espalier_lightgbm_doubts;

/* Sets first and last of each list, in the file's order, as the caller says or else the file.
 * Status: OPTIONS, SOURCE_LIMIT, MEMORY, reported. */
espalier_status espalier_lightgbm_find_columns(espalier_lightgbm_import *import,
                                               espalier_lightgbm_list *lists, uint32_t count,
                                               espalier_lightgbm_doubts *doubts);

/* The line pandas_categorical behind them, if there is one: categories of features, text or
 * numbers. Status: SOURCE_SYNTAX, SOURCE_TRUNCATED, SOURCE_TREE, LIMIT, MEMORY, reported. */
espalier_status espalier_lightgbm_read_pandas(espalier_lightgbm_import *import);

#endif
