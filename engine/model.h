// SPDX-License-Identifier: Apache-2.0
/*
 * An open model: private, checked tables, and the mapping that nodes and leaves are read from.
 * Immutable after open. What engine/ shares inside itself; not installed.
 */
#ifndef ESPALIER_ENGINE_MODEL_H
#define ESPALIER_ENGINE_MODEL_H

#include "engine/cpu.h"
#include "espalier.h"
#include "format/layout.h"
#include "format/map.h"
#include "format/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A checked string table in private memory. */
typedef struct espalier_strings {
    uint32_t count;
    const uint32_t *ends; /* [count] rising, each behind a NUL */
    const char *text;
} espalier_strings;

/* The columns of one bank, columns[first .. first + count); a node's column counts from `first`. */
typedef struct espalier_bank {
    uint32_t first;
    uint32_t count;
    uint32_t mask; /* 2^k - 1 >= count - 1: bounds any column a node may name; BYTE: 255 */
    bool paired; /* columns 2i and 2i + 1 differ in where NaN goes, RIGHT and LEFT, or not at all */
} espalier_bank;

/* Tables point into file.bytes, which stays for the life of the model. */
struct espalier_model {
    espalier_file file;
    espalier_map map;
    char *name;       /* the file's, for messages of verify */
    espalier_cpu cpu; /* of this machine, asked once for all predictors */

    const espalier_file_model *head;
    const espalier_file_step *steps;
    const espalier_file_part *parts;
    const espalier_file_stage *stages;
    const espalier_file_output *outputs;
    const espalier_file_column *columns;
    const espalier_file_tree *trees;
    const double *constants;
    const uint8_t *labels;                     /* the CLASS_LABELS section, or NULL */
    const espalier_file_operation *operations; /* of PREPARATION; NULL without that */
    const double *prepare_numbers;
    uint32_t operation_count;
    uint32_t prepare_number_count;
    uint32_t value_count; /* what columns may name: features, and what operations write */
    espalier_strings feature_names;
    const espalier_file_category_list *category_lists; /* of CATEGORIES; NULL without that */
    const uint32_t *category_order;
    espalier_strings category_texts;
    uint32_t category_list_count;
    uint8_t *dropped; /* a bit a feature: nothing looks at it; NULL: something does at every one */
    uint32_t step_count;
    uint32_t part_count;
    uint32_t stage_count;
    uint32_t output_count;
    uint32_t column_count;
    uint32_t tree_count;
    uint32_t constant_count;
    uint32_t label_group_count;

    espalier_bank banks[ESPALIER_BANK_SHORT + 1]; /* by ESPALIER_BANK_... */
    bool codes;                                   /* there are CODE or SET columns */
    uint32_t set_first; /* in bank WORD, its first SET column, or its number of columns */
    uint32_t depth_max;
    uint32_t iteration_count; /* the most of any part that follows the caller's range */
    /* The child index bound: what must be readable from the file's start, for all parts, and for
     * those whose kernels never clamp. */
    uint64_t readable_bytes;
    uint64_t readable_bytes_least;
    bool clamps; /* the mapping is shorter than readable_bytes: walk kernels must clamp children */

    const uint8_t *nodes;   /* in the mapping */
    const uint8_t *leaves;  /* in the mapping */
    const uint8_t *cuts;    /* in the mapping, or NULL */
    const uint8_t *numbers; /* in the mapping, or NULL */
    const uint8_t *sets;    /* in the mapping, or NULL */
    const uint8_t *linear;  /* in the mapping, or NULL: linear_leaf_count leaves, then terms */
    uint64_t linear_leaf_count;
    uint32_t linear_term_count;
};

/* Why the tables of a file are refused. */
typedef struct espalier_table_check {
    const char *name; /* the file's, for messages */
    espalier_error *error_out;
    uint64_t visits_per_row_max;
} espalier_table_check;

/*
 * Finds and checks all tables of model->file and sets every field up to readable_bytes.
 * O(sections + trees + columns + slots + names). Status: SECTION_MISSING, SECTION, VALUE, LIMIT,
 * MEMORY.
 */
espalier_status espalier_model_check_tables(espalier_model *model,
                                            const espalier_table_check *check);

/* The label groups of a checked model: record of a group. */
const espalier_file_labels *espalier_model_label_group(const espalier_model *model, uint32_t group);

/* Checks labels and names; part of espalier_model_check_tables, in a file of its own. */
espalier_status espalier_model_check_names(espalier_model *model,
                                           const espalier_table_check *check);

/* The NUL-terminated string i of a table, and its length without the NUL. */
const char *espalier_strings_at(const espalier_strings *strings, uint32_t index, size_t *bytes_out);

/* A node of a walk part as stored, each word loaded once: safe while the file changes. */
typedef struct espalier_walk_node {
    uint32_t threshold; /* 2^32 - 1 less a word; a leaf: its row */
    uint32_t child;     /* below 2^child_bits */
    uint32_t column;    /* at most the mask of bank WORD */
} espalier_walk_node;

/* Position must be at most 2^child_bits of the part, which is a walk part. */
espalier_walk_node espalier_model_load_node(const espalier_model *model,
                                            const espalier_file_part *part,
                                            const espalier_file_tree *tree, uint32_t position);

/* A node of a mask part as stored, loaded likewise. */
typedef struct espalier_mask_node {
    uint32_t column;
    uint32_t threshold;
    uint32_t left; /* SELECT: the children's places, below 256 + ESPALIER_SELECT_REACH */
    uint32_t right;
} espalier_mask_node;

/* HEAP: index below node_count; the root is at 1. */
espalier_mask_node espalier_model_load_heap(const espalier_model *model,
                                            const espalier_file_part *part,
                                            const espalier_file_tree *tree, uint32_t index);
/* SELECT: index below node_count. */
espalier_mask_node espalier_model_load_select(const espalier_model *model,
                                              const espalier_file_part *part,
                                              const espalier_file_tree *tree, uint32_t index);

/* The part that holds a tree of the model. */
uint32_t espalier_model_part_of(const espalier_model *model, uint32_t tree_index);

/* The bytes of a leaf value of a part. */
static inline uint32_t espalier_part_value_bytes(const espalier_file_part *part)
{
    return part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32 ? 4 : 8;
}

/* How many numbers a tree has in NODE_NUMBERS: WALK one a position, else one a leaf. */
static inline uint32_t espalier_tree_number_count(const espalier_file_part *part,
                                                  const espalier_file_tree *tree)
{
    return part->layout == ESPALIER_FILE_WALK ? tree->node_count : tree->leaf_count;
}

/*
 * Number `index` of NODE_NUMBERS, counted over all trees in file order; it must be below their
 * sum.
 */
uint32_t espalier_model_stored_number(const espalier_model *model, uint64_t index);

/*
 * Numbers the positions of a walk part's tree in preorder, left child first: numbers[node_count],
 * 0 where the root does not lead. stack: node_count + 1 entries. Ends after source_node_count nodes
 * whatever the nodes say.
 */
void espalier_model_count_preorder(const espalier_model *model, const espalier_file_part *part,
                                   const espalier_file_tree *tree, uint32_t *numbers,
                                   uint32_t *stack);

/* As espalier_model_open_fd, with the file's name for messages. */
espalier_status espalier_model_open_named(int descriptor, const char *name,
                                          const espalier_open_options *options,
                                          espalier_model **model_out, espalier_error *error_out);

/* Verify, for an open model, with the file's name for messages. */
espalier_status espalier_model_verify_named(const espalier_model *model, const char *name,
                                            espalier_error *error_out);

#endif
