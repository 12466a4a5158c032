// SPDX-License-Identifier: Apache-2.0
/*
 * Looking into an open model: its trees, nodes, leaves, parts, compared values and sections, and
 * what one row compares. Part of libespalier; the conventions of espalier.h hold.
 */
#ifndef ESPALIER_INSPECT_H
#define ESPALIER_INSPECT_H

#include "espalier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct espalier_tree_info {
    uint32_t node_count;     /* the trainer's nodes, leaves included */
    uint32_t position_count; /* positions in the file; some may hold no node */
    uint32_t depth;
    uint32_t number; /* the trainer's */
    uint32_t iteration;
    uint32_t part_index;
    uint32_t leaf_width; /* values per leaf */
    uint32_t reserved;
    uint64_t nodes_offset; /* where the tree's nodes lie in the file */
    uint64_t nodes_bytes;
} espalier_tree_info;

/* Status: ARGUMENT when tree_index is not below info.tree_count. O(parts). */
ESPALIER_API espalier_status espalier_model_tree(const espalier_model *model, uint32_t tree_index,
                                                 espalier_tree_info *tree_out);

#define ESPALIER_FEATURE_NONE UINT32_MAX

/* What a node calls missing. */
typedef enum espalier_missing {
    ESPALIER_MISSING_NAN = 0,   /* NaN */
    ESPALIER_MISSING_NEVER = 1, /* nothing: NaN counts as 0 and is compared */
    ESPALIER_MISSING_ZERO =
        2 /* NaN and magnitudes of at most 1e-35f (LightGBM's zero_as_missing) */
} espalier_missing;

/* One node, decoded. A row goes left when its feature's value is <= threshold. */
typedef struct espalier_node {
    double threshold;      /* for float32 input the largest float32 not above the trainer's */
    uint32_t feature;      /* ESPALIER_FEATURE_NONE: a leaf */
    uint32_t missing;      /* espalier_missing */
    uint32_t missing_left; /* 1: missing goes left */
    uint32_t left;         /* positions of the children in the tree; a leaf: its own position */
    uint32_t right;
    uint32_t leaf_index; /* a leaf: its row in the part's leaf values */
    uint32_t is_set;     /* 1: it asks for the feature's category, see espalier_model_set_left; its
                        threshold is a number beside which the side changes, there may be others */
    uint32_t set_column; /* of is_set, for that function */
    uint32_t set_bit;
    uint32_t reserved;
} espalier_node;

/*
 * The node at a position of a tree; the root is at position 0. Follow `left` and `right`; a
 * position that no node leads to holds nothing. Positions are the file's; of the mask layouts first
 * the inner nodes, then the leaves, and a filler counts as the leaf it leads to. In a file that was
 * not verified children may be anything up to 2^30. Status: ARGUMENT. O(parts).
 */
ESPALIER_API espalier_status espalier_model_node(const espalier_model *model, uint32_t tree_index,
                                                 uint32_t position, espalier_node *node_out);

/*
 * Whether a value of its feature goes left (1) or right (0) at a node with is_set; a missing one
 * too. 0 for other nodes and for NULL. O(columns).
 */
ESPALIER_API int espalier_model_set_left(const espalier_model *model, const espalier_node *node,
                                         double value);

/*
 * Whether a value goes left (1) or right (0) at a node, missing ones and sets included: what a row
 * does that has this value for node->feature. The value is converted as a row's is. 0 for leaves
 * and for NULL. O(columns).
 */
ESPALIER_API int espalier_model_node_left(const espalier_model *model, const espalier_node *node,
                                          double value);

/*
 * The numbers beside which a set may change sides, ascending: all values above cut i - 1 and up to
 * cut i go the same way, and so do all above the last. Copies the first cut_count of them (cuts may
 * be NULL when that is 0). Returns how many there are; 0 for nodes without is_set and for NULL.
 */
ESPALIER_API size_t espalier_model_set_cuts(const espalier_model *model, const espalier_node *node,
                                            double *cuts, size_t cut_count);

#define ESPALIER_NUMBER_NONE UINT32_MAX

/*
 * The trainer's numbers of the leaves of a tree, by position: numbers[number_count], number_count
 * at least position_count. NUMBER_NONE for inner nodes and for positions that hold nothing. O(trees
 * + positions), allocates. Status: ARGUMENT, OUTPUT_SIZE, MEMORY.
 */
ESPALIER_API espalier_status espalier_model_leaf_numbers(const espalier_model *model,
                                                         uint32_t tree_index, uint32_t *numbers,
                                                         size_t number_count);

typedef struct espalier_part_info {
    size_t struct_bytes; /* set by the caller (ESPALIER_PART_INFO_INIT) */
    uint32_t layout;     /* espalier_layout */
    uint32_t node_bytes;
    uint32_t code_bytes; /* of what nodes compare: 1 or 2: codes; 4: float32 */
    uint32_t sum_dtype;  /* ESPALIER_DTYPE_FLOAT32 or FLOAT64 */
    uint32_t leaf_width; /* values per leaf */
    uint32_t first_tree;
    uint32_t tree_count;
    uint32_t depth_max;
    uint64_t leaf_count; /* rows of the leaf table */
    uint64_t node_section_bytes;
    uint64_t reserved[4];
} espalier_part_info;

#define ESPALIER_PART_INFO_INIT                                   \
    {                                                             \
        sizeof(espalier_part_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        {                                                         \
            0, 0, 0, 0                                            \
        }                                                         \
    }

/* Status: ARGUMENT when part_index is not below info.part_count, OPTIONS. O(trees of the part). */
ESPALIER_API espalier_status espalier_model_part(const espalier_model *model, uint32_t part_index,
                                                 espalier_part_info *part_out);

/* Copies the leaf_width values of a leaf, float32 ones widened. Status: ARGUMENT (range),
 * OUTPUT_SIZE. */
ESPALIER_API espalier_status espalier_model_leaf(const espalier_model *model, uint32_t part_index,
                                                 uint32_t leaf_index, double *values,
                                                 size_t value_count);

/* A leaf that is a line: the constant, and each term's coefficient times its value. */
typedef struct espalier_linear_leaf {
    double constant;
    double missing_value; /* instead of all, where the value of a term is missing */
    uint32_t term_count;
    uint32_t reserved;
} espalier_linear_leaf;

typedef struct espalier_linear_term {
    double coefficient;
    /* The value it takes, as espalier_node.feature; FEATURE_NONE: not told. A file may have it
     * rounded to float32, or tiny magnitudes taken for 0, before: docs/format.md [F-474]. */
    uint32_t feature;
    uint32_t reserved;
} espalier_linear_term;

/*
 * The line that a leaf of a linear tree (LightGBM's linear_tree) stands for; its leaf value is then
 * no number of the model's. leaf_index: a node's. Copies the first term_room terms, in the order in
 * which they are added; terms may be NULL when that is 0. Returns 1, or 0 and changes nothing when
 * the tree's leaves are plain numbers, an index is out of range or an argument NULL.
 * O(stages x (parts + terms) + trees). Allocates nothing.
 */
ESPALIER_API int espalier_model_linear_leaf(const espalier_model *model, uint32_t tree_index,
                                            uint32_t leaf_index, espalier_linear_leaf *leaf_out,
                                            espalier_linear_term *terms, size_t term_room);

/*
 * What a node's `feature` may name: the features of a row, and behind them what a pipeline makes of
 * them, each from one value with a smaller number (docs/format.md, 12.1).
 */
typedef struct espalier_value_info {
    const char *operation; /* "subtract" and so on, a constant string; "" for a feature */
    uint32_t input;        /* the value it is made of; of a feature its own number */
    uint32_t place;        /* of operations that write several values: which of them */
    uint32_t number_count;
    uint32_t reserved;
    const double *numbers; /* [number_count] for rows of float64, until the model is closed */
} espalier_value_info;

/* How many values there are: info.feature_count and more where rows are prepared; 0 for NULL. */
ESPALIER_API uint32_t espalier_model_value_count(const espalier_model *model);

/* Status: ARGUMENT when value_index is not below the number of values. O(operations). */
ESPALIER_API espalier_status espalier_model_value(const espalier_model *model, uint32_t value_index,
                                                  espalier_value_info *value_out);

/* 1, and *number_out, when the model takes a number for missing beside NaN; else 0. */
ESPALIER_API int espalier_model_missing_number(const espalier_model *model, double *number_out);

/* What covers count. */
typedef enum espalier_cover_unit {
    ESPALIER_COVER_NONE = 0,
    ESPALIER_COVER_ROWS = 1,    /* rows of training */
    ESPALIER_COVER_WEIGHTS = 2, /* their weights, which are 1 unless training was given others */
    ESPALIER_COVER_HESSIANS = 3 /* at rows of training, second derivatives of the loss */
} espalier_cover_unit;

/*
 * The cover of each value, by espalier_node.feature: what the trainer counted at the nodes that
 * test it, all trees added up; 0 where none does. Writes the first cover_count of
 * espalier_model_value_count; covers may be NULL when that is 0. Returns the unit,
 * espalier_cover_unit; NONE, and nothing is written, where the file keeps no covers (the trainer's
 * file had none, or members count in different units) and for NULL. In a file that was not verified
 * they may be any finite numbers. O(columns + values). Allocates nothing.
 */
ESPALIER_API uint32_t espalier_model_covers(const espalier_model *model, double *covers,
                                            size_t cover_count);

/* A section of the file, docs/format.md, 3.2. */
typedef struct espalier_section_info {
    const char *name; /* "NODES"; "unknown" for types of newer versions; a constant string */
    uint32_t type;
    uint32_t is_required;
    uint64_t offset; /* bytes from the file start */
    uint64_t bytes;
    uint64_t alignment;
} espalier_section_info;

/* Status: ARGUMENT past the last section. O(1). */
ESPALIER_API espalier_status espalier_model_section(const espalier_model *model,
                                                    uint32_t section_index,
                                                    espalier_section_info *section_out);

/*
 * What nodes compare for the first row of `rows`: values[value_count], by node->feature, with a
 * value_count of at least espalier_model_value_count. NaN is missing, or mostly a value that no
 * node asks for. With espalier_model_node and espalier_model_node_left the row's way through a tree
 * can be followed.
 * Refuses nothing that a row holds. One thread at a time per predictor. Allocates nothing.
 * Status: ARGUMENT (also without a row), FEATURE_COUNT, DTYPE, STRIDE, OUTPUT_SIZE.
 */
ESPALIER_API espalier_status espalier_predictor_values(espalier_predictor *predictor,
                                                       const espalier_rows *rows, double *values,
                                                       size_t value_count);

#ifdef __cplusplus
}
#endif

#endif
