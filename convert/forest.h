// SPDX-License-Identifier: Apache-2.0
/*
 * The forest in memory that every source fills and that flattening, the reference evaluator and
 * proofs read: the trainer's trees in its own numbering, its exact thresholds and leaf values.
 * May include public headers and categories.h only. Knows no file format.
 *
 * A row in the trainer, after its preparation if there is one: with input FLOAT32 each feature x is
 * cast to float32 (to nearest even);
 * with flush_tiny, a magnitude of at most 1e-35f becomes 0. At node i, what its missing rule calls
 * missing goes left iff missing_left[i]; otherwise the row goes left iff (double)x <= threshold[i].
 * A node with a set asks for x's category instead: see espalier_forest_set.
 * A trainer that asks x < t on float32 is x <= the float32 below t. Every leaf value is added to
 * the values of the tree's slot, in the order of the trees, in the accumulator's type, from
 * `start`.
 */
#ifndef ESPALIER_CONVERT_FOREST_H
#define ESPALIER_CONVERT_FOREST_H

#include "convert/categories.h"
#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_FOREST_LEAF UINT32_MAX

/* One tree: node_count nodes from first_node in the forest's arrays; children are relative. */
typedef struct espalier_forest_tree {
    uint64_t first_node;
    uint64_t first_leaf; /* row, among those of its part, of this tree's leaf 0 */
    uint32_t node_count;
    uint32_t leaf_count;
    uint32_t depth; /* set by espalier_forest_validate */
    bool preorder;  /* set by espalier_forest_validate: node numbers are the preorder count */
} espalier_forest_tree;

/* What the trainer does with the sum of the leaves. */
typedef enum espalier_forest_divide {
    ESPALIER_FOREST_DIVIDE_NONE = 0, /* a single tree */
    ESPALIER_FOREST_DIVIDE_TREES = 1 /* one division by the number of iterations used; of a forest,
                                        each tree is one */
} espalier_forest_divide;

/* What the trainer compares. */
typedef enum espalier_forest_input {
    ESPALIER_FOREST_INPUT_FLOAT32 = 0, /* x rounded to float32 */
    ESPALIER_FOREST_INPUT_FLOAT64 = 1  /* x as it is; float32 rows are widened */
} espalier_forest_input;

/* What a node calls missing. */
typedef enum espalier_forest_missing {
    ESPALIER_FOREST_MISSING_NAN = 0,   /* NaN */
    ESPALIER_FOREST_MISSING_NEVER = 1, /* nothing: NaN counts as 0 and is compared */
    ESPALIER_FOREST_MISSING_ZERO = 2   /* NaN and any magnitude of at most 1e-35f */
} espalier_forest_missing;

/*
 * Which category a number is. `x` is without its fraction; what is no category is in no set. With
 * espalier_forest_codes the number says nothing of this: its place among the feature's is the
 * category.
 */
typedef enum espalier_forest_category {
    ESPALIER_FOREST_CATEGORY_INT32 = 0, /* LightGBM: above -1 and below 2^31 */
    ESPALIER_FOREST_CATEGORY_24 = 1,    /* XGBoost: from 0 on and below 2^24 */
    ESPALIER_FOREST_CATEGORY_8 = 2,     /* HistGradientBoosting: from 0 on and below 256; */
    ESPALIER_FOREST_CATEGORY_UINT8 = 3  /* before 1.2: above -1 and below 256 */
} espalier_forest_category;

#define ESPALIER_FOREST_NO_SET UINT32_MAX

/*
 * What a node asks of a category. A missing value goes where missing_left says, a member of the set
 * to the one side and all else, known or not, to the other.
 */
typedef struct espalier_forest_set {
    uint64_t first_member; /* in `members`, from there on strictly ascending */
    uint32_t member_count;
    uint32_t feature;
    bool members_left; /* members go left; false: right, and all else left */
    bool missing_left;
} espalier_forest_set;

/* The numbers that stand for the categories 0, 1, ... of a feature, ascending; none: count 0. */
typedef struct espalier_forest_codes {
    double *values;
    uint32_t count;
} espalier_forest_codes;

/* What the trainer counted at its nodes. */
typedef enum espalier_forest_cover {
    ESPALIER_FOREST_COVER_NONE = 0,    /* nothing that could be added up */
    ESPALIER_FOREST_COVER_ROWS = 1,    /* rows of training */
    ESPALIER_FOREST_COVER_WEIGHTS = 2, /* their weights */
    ESPALIER_FOREST_COVER_HESSIANS = 3 /* second derivatives of the loss at them */
} espalier_forest_cover;

/* The type sums are kept and rounded in. */
typedef enum espalier_forest_accumulator {
    ESPALIER_FOREST_SUM_FLOAT64 = 0,
    ESPALIER_FOREST_SUM_FLOAT32 = 1 /* every leaf value and start value is a float32 */
} espalier_forest_accumulator;

/* What the model answers. */
typedef enum espalier_forest_task {
    ESPALIER_FOREST_TASK_FOREST = 0, /* scikit-learn: PROBABILITY and CLASS, or VALUE */
    ESPALIER_FOREST_TASK_MARGIN = 1, /* sums only: MARGIN; the link is not known or not supported */
    ESPALIER_FOREST_TASK_VALUE = 2,  /* MARGIN, and the same numbers as VALUE: an identity link */
    ESPALIER_FOREST_TASK_PLAN = 3    /* `outputs`, of sums and of what `stages` make of them */
} espalier_forest_task;

/*
 * Arithmetic between sums and outputs; the formulas are docs/format.md's, 18.4. x: the slots that
 * are read, n of them and as many written where nothing else is said; c: n constants.
 */
typedef enum espalier_forest_operation {
    ESPALIER_FOREST_NORMALISE = 1,         /* x by their sum; a sum of zero divides by one */
    ESPALIER_FOREST_ADD = 2,               /* x + c */
    ESPALIER_FOREST_MULTIPLY = 3,          /* x c */
    ESPALIER_FOREST_DIVIDE = 4,            /* x / c */
    ESPALIER_FOREST_DIVIDE_ITERATIONS = 5, /* x by the number of iterations used */
    ESPALIER_FOREST_SIGMOID = 6,           /* 1 / (1 + exp(-x)) */
    ESPALIER_FOREST_SOFTMAX = 7,           /* exp(x - max) by their sum */
    ESPALIER_FOREST_SOFTMAX_LOG = 8,       /* exp(x - (log(sum of exp(x - max)) + max)) */
    ESPALIER_FOREST_EXP = 9,
    ESPALIER_FOREST_LOG1P_EXP = 10,       /* log1p(exp(x)) */
    ESPALIER_FOREST_SIGNED_SQUARE = 11,   /* sign(x) x x */
    ESPALIER_FOREST_NEGATIVE_POWER = 12,  /* -(2^-x) */
    ESPALIER_FOREST_TWO_CLASSES = 13,     /* 1 - x and x for each x: writes 2 n */
    ESPALIER_FOREST_STEP = 14,            /* 1 if x > 0, else 0 */
    ESPALIER_FOREST_INDEX = 15,           /* of the first maximum: writes 1 */
    ESPALIER_FOREST_SORT = 16,            /* ascending */
    ESPALIER_FOREST_SPREAD = 17,          /* one x by each c: reads 1 */
    ESPALIER_FOREST_PRODUCTS = 18,        /* the sum of all x c: writes 1 */
    ESPALIER_FOREST_CONSTANTS = 19,       /* c: reads nothing */
    ESPALIER_FOREST_EXPECTILES = 20,      /* XGBoost's: running sums of softplus */
    ESPALIER_FOREST_PICK = 32,            /* the slots whose numbers are c; -1: 0. Reads those */
    ESPALIER_FOREST_ADD_SLOTS = 33,       /* x + the slots from other_slot on */
    ESPALIER_FOREST_CHOOSE = 34,          /* of a number x: c[0] at place x, c[1] elsewhere */
    ESPALIER_FOREST_ISOTONIC = 35,        /* of one x: on the line through n knots: writes 1 */
    ESPALIER_FOREST_NORMALISE_EVEN = 36,  /* x by their sum; a sum of zero: 1 / n each */
    ESPALIER_FOREST_CUT_ONE = 37,         /* 1 if x is above 1 by at most 1e-5, else x */
    ESPALIER_FOREST_WEIGHTED_MEDIAN = 38, /* of x with the weights c; zeroes follow it */
    ESPALIER_FOREST_EXPM1 = 39,
    ESPALIER_FOREST_EXP2 = 40,
    ESPALIER_FOREST_SQUARE = 41,
    ESPALIER_FOREST_SQRT = 42,
    ESPALIER_FOREST_LOG = 43,
    ESPALIER_FOREST_LOG1P = 44,
    ESPALIER_FOREST_VALUES = 64,   /* the features that c number: reads nothing */
    ESPALIER_FOREST_LINEAR = 65,   /* the sum of linear leaves of every c[1]th tree from c[2] on, of
                                    part c[0]: writes 1 */
    ESPALIER_FOREST_CLAMP = 72,    /* x, at least c[0] and at most c[1] */
    ESPALIER_FOREST_LOG_ODDS = 73, /* log(x / (1 - x)) */
    ESPALIER_FOREST_LOGIT = 74,    /* the same, exact near one half */
    ESPALIER_FOREST_LOG_CENTRED = 75,    /* log of x by the geometric mean of all x */
    ESPALIER_FOREST_FLUSHED_VALUES = 76, /* VALUES, magnitudes of at most 1e-35f as 0 */
    ESPALIER_FOREST_ROUND = 77,          /* x as float32, and the rest of float32 only */
    ESPALIER_FOREST_EXPIT = 78,     /* 1 / (1 + exp(-x)) as SciPy has it and XGBoost up to 1.5 */
    ESPALIER_FOREST_NUMPY_EXP = 79, /* exp as NumPy has it, EXP XGBoost */
    ESPALIER_FOREST_ISOTONIC_SHARES = 80 /* ISOTONIC as SciPy has it from 1.18 on */
} espalier_forest_operation;

/* Slots 0 to slot_count - 1 are the sums; what stages write follows, in their order, without
 * gaps: espalier_plan_add_stage (plan.h) sees to that. With several parts their sums stand between
 * what stages write. */
typedef struct espalier_forest_stage {
    espalier_forest_operation operation;
    uint32_t input_slot;
    uint32_t output_slot;
    uint32_t count;          /* n */
    bool narrow;             /* float32: inputs (ROUND: of either type), constants and every
                                result; else float64 */
    bool pairwise;           /* NORMALISE, SOFTMAX, LOG_CENTRED: adds as NumPy does; else one after
                                another */
    uint32_t first_constant; /* in `constants` */
    uint32_t part;           /* DIVIDE_ITERATIONS: whose; VALUES: one that reads rows likewise */
    uint32_t other_slot;     /* ADD_SLOTS: of the second summands */
} espalier_forest_stage;

/* How classes are found. */
typedef enum espalier_forest_decision {
    ESPALIER_FOREST_NO_DECISION = 0, /* not CLASS */
    ESPALIER_FOREST_FIRST_MAXIMUM = 1,
    ESPALIER_FOREST_LAST_MAXIMUM = 2,
    ESPALIER_FOREST_ABOVE_ZERO = 3,    /* of one slot, between two classes: > 0 is the second */
    ESPALIER_FOREST_AT_LEAST_ZERO = 4, /* >= 0 is */
    ESPALIER_FOREST_ABOVE_HALF = 5     /* > 0.5 is */
} espalier_forest_decision;

/*
 * What can be asked for. MARGIN, PROBABILITY and CLASS: one for each group, in their order, or
 * none; VALUE and SCORE: at most one. LEAF is there unless leaf_hidden, and is not listed. A
 * PROBABILITY has as many slots as its group labels, or one: the second's of two.
 */
typedef struct espalier_forest_output {
    espalier_output_kind kind;
    uint32_t group;
    uint32_t first_slot;
    uint32_t slot_count;
    espalier_forest_decision decision;
    bool narrow; /* float32, as all its slots are; CLASS: false */
} espalier_forest_output;

/* The class labels of one of the trainer's outputs; item i in the field its kind names. */
typedef struct espalier_forest_labels {
    espalier_label_kind kind;
    uint32_t item_bytes;
    uint32_t count;
    uint64_t *numbers;  /* INT, UINT, BOOL: 64-bit two's complement; FLOAT: bits of a float64 */
    char **texts;       /* STRING: UTF-8, each malloc'ed, NUL-terminated */
    size_t *text_bytes; /* STRING: without the NUL (a label may hold NULs) */
} espalier_forest_labels;

/*
 * A run of trees whose leaves add up by themselves: what a forest inside a model of several is. It
 * says for its trees what the fields of the same names say for a forest that is one part.
 */
typedef struct espalier_forest_part {
    uint32_t first_tree;
    uint32_t tree_count;
    uint32_t leaf_width;
    uint32_t first_slot; /* of its sums; tree_slot counts from here */
    uint32_t slot_count;
    uint64_t first_value; /* in leaf_values, of its leaf row 0 */
    uint64_t leaf_count;
    bool linear;         /* its leaves are lines: */
    uint64_t first_line; /* in linear_leaves, of its first tree's first leaf */
    double *start;       /* [slot_count] or NULL */
    bool from_slots;     /* starts from the slots from start_slot on, which come before its own */
    bool all_iterations; /* uses the default iterations, whatever a caller asks for */
    uint32_t start_slot;
    espalier_forest_accumulator accumulator;
    espalier_forest_divide divide;
    bool as_it_is; /* a single tree's answer is its leaf: -0.0 stays -0.0 */
    uint32_t iteration_count;
    uint32_t default_iterations;
} espalier_forest_part;

/*
 * Leaves that are lines (linear_leaves.h): the constant, to which coefficient times value is added
 * term after term; or one number alone where one of those values is NaN. The values are what a
 * stage VALUES wrote, numbered from 0.
 */
typedef struct espalier_forest_term {
    double coefficient;
    uint32_t place;
} espalier_forest_term;

typedef struct espalier_forest_linear_leaf {
    double constant;
    double missing_value;
    uint32_t first_term; /* those of the leaf before end here */
    uint32_t term_count;
} espalier_forest_linear_leaf;

typedef struct espalier_forest {
    /* Trees, in the trainer's order. */
    espalier_forest_tree *trees;
    uint32_t tree_count;
    uint64_t node_count;
    uint64_t leaf_count;   /* rows of leaf_values */
    uint32_t *left;        /* [node_count] ESPALIER_FOREST_LEAF for a leaf */
    uint32_t *right;       /* [node_count] a leaf: its row, from the tree's first_leaf */
    uint32_t *feature;     /* [node_count] */
    double *threshold;     /* [node_count] finite, or infinite where the trainer writes that */
    double *cover;         /* [node_count] what cover_unit says; 0 where it is not known */
    uint8_t *missing_left; /* [node_count] 0 or 1 */
    uint8_t *missing_rule; /* [node_count] espalier_forest_missing, or NULL: NAN everywhere */
    uint32_t *set;         /* [node_count] index in `sets`: such a node has no threshold, and its
                              missing_left and missing_rule are 0; NO_SET: it has one; leaves:
                              anything; NULL: no node has a set */
    uint32_t *number;      /* [node_count] the trainer's number of a leaf, what LEAF gives; inner
                              nodes: anything; NULL: the node's index in its tree */
    double *leaf_values; /* [leaf_count][leaf_width], what is summed (normalised if the trainer does
                              that per tree) */
    uint32_t leaf_width; /* values per leaf; slot_count, or 1 with tree_slot */
    uint32_t slot_count; /* sums per row: the sum of group_width; 0: leaf_width */
    uint32_t *tree_slot; /* [tree_count] the first slot a tree adds to, or NULL: 0 */
    double *start;       /* [slot_count] what sums start from, or NULL: 0 */
    espalier_forest_accumulator accumulator;
    espalier_forest_cover cover_unit;
    /* Several parts (combine.h makes them), one run of trees behind the other; NULL: the forest is
     * one. With parts the fields above and below that a part has mean nothing here, the task is
     * PLAN, and tree_slot and tree_iteration are there. */
    espalier_forest_part *parts;
    uint32_t part_count;
    uint32_t part_slots; /* sums of all parts */

    /* Sets of categories, filled through sets.h. */
    espalier_forest_set *sets;
    uint32_t set_count;
    uint32_t *members;
    uint64_t member_count;
    espalier_forest_category category;
    espalier_forest_codes *codes; /* [code_count], or NULL */
    uint32_t code_count;          /* as many as nodes may test, or fewer */

    /* Linear leaves: what is summed is then a tree's leaf's number in its tree, each tree's in a
     * slot of its own, and stages make the sums. Of several parts, those that are linear have
     * some. */
    espalier_forest_linear_leaf *linear_leaves; /* [line_count], or NULL */
    uint64_t line_count;                        /* of one part: leaf_count */
    espalier_forest_term *terms;
    uint32_t term_count;

    /* Iterations: what an iteration range counts. */
    uint32_t iteration_count;    /* 0: tree_count */
    uint32_t *tree_iteration;    /* [tree_count] rising, or NULL: each tree is an iteration */
    uint32_t default_iterations; /* the trainer's predict uses the first so many; 0: all */

    /* Outputs. */
    espalier_forest_task task;
    bool classifier; /* FOREST: PROBABILITY and CLASS; else: the trainer's estimator classifies */
    /* NumPy keeps the probabilities (and what a classifier decides by) of each class side by side,
     * not those of each row, which whoever adds up a row's classes adds in another order. */
    bool probability_by_class;
    uint32_t group_count;  /* the trainer's outputs */
    uint32_t *group_width; /* [group_count] sums of the output; FOREST: its classes, or 1 */
    espalier_forest_labels *labels; /* [group_count], NULL without classes */
    espalier_forest_divide divide;
    bool normalise; /* a single tree that stores counts: classes are decided on the stored
                             row, probabilities are row / sum per group (pairwise; 0: by 1) */
    /* PLAN, filled through plan.h; all NULL and 0 otherwise. */
    espalier_forest_stage *stages;
    uint32_t stage_count;
    double *constants;
    uint32_t constant_count;
    espalier_forest_output *outputs; /* sorted by kind, then group */
    uint32_t output_count;
    uint32_t stage_slots;                /* written by all stages */
    espalier_output_kind default_output; /* what the trainer's own predict gives */

    bool keeps_axis;          /* one value or class a row is (rows, 1) in the trainer */
    bool leaf_hidden;         /* the trainer has no apply for the model: no LEAF */
    uint32_t leaf_part;       /* whose leaves it gives, where there are parts */
    bool leaf_is_vector;      /* apply gives one column per tree; false: a single number per row */
    uint32_t leaf_iterations; /* apply gives the trees of the first so many; 0: of all */
    uint32_t leaf_classes; /* apply gives an axis of iterations and one of so many trees; 0: no */

    /* Inputs. */
    espalier_forest_input input;
    bool flush_tiny; /* magnitudes of at most 1e-35f count as 0 */
    uint32_t feature_count;
    char **feature_names;                     /* [feature_count] UTF-8, or NULL */
    struct espalier_preparation *preparation; /* (preparation.h) what is made of a row first: nodes
                                                 then test its values, and it alone refuses rows;
                                                 NULL: nodes test features */
    bool chosen; /* a pipeline without operations drops features, which the trainer looks not at */
    espalier_categories categories; /* the strings that stand for numbers of features */
    uint8_t *category_numbers; /* [category_number_count] 1: of this feature rows have, or may have,
                                  numbers of categories, whose places the trainer's trees test */
    uint32_t category_number_count; /* the features that the trainer's own rows have, or 0 */
    bool missing_allowed; /* the trainer's predict accepts NaN; else missing_left means nothing */
    bool missing_marked;  /* missing_number, which is no NaN, is read as NaN */
    double missing_number;
    bool infinite_allowed; /* and infinity; with FLOAT32 also what the cast makes infinite */

    /* For the metadata, all malloc'ed UTF-8, may be NULL. */
    char *framework;       /* "scikit-learn", "XGBoost", "LightGBM" */
    char *version;         /* of the framework */
    char *class_name;      /* full name */
    char *parameters_json; /* a JSON object of hyper-parameters */
    char *objective;       /* of a boosted model: "binary:logistic"; else NULL */
} espalier_forest;

/*
 * Checks that every tree is a tree (each node but the root has exactly one parent, children after
 * parents, all reached), indices are in range, thresholds are no NaN, leaf values finite or as the
 * trainer allows; sets depth and preorder. `source` names the file in messages.
 * Status: SOURCE_TREE, LIMIT, MEMORY.
 */
espalier_status espalier_forest_validate(espalier_forest *forest, const char *source,
                                         espalier_error *error_out);

/* slot_count, iteration_count and default_iterations with what their 0 stands for. */
uint32_t espalier_forest_slots(const espalier_forest *forest);

/* The parts, of which every forest has one at least. */
uint32_t espalier_forest_part_count(const espalier_forest *forest);
espalier_forest_part espalier_forest_part_at(const espalier_forest *forest, uint32_t index);

/* The sums and all that is made of them. */
uint64_t espalier_forest_all_slots(const espalier_forest *forest);
uint32_t espalier_forest_iterations(const espalier_forest *forest);
uint32_t espalier_forest_iterations_used(const espalier_forest *forest);

/* How many numbers nodes may name: features, or values of the preparation. */
uint32_t espalier_forest_tested_count(const espalier_forest *forest);

/* Sets marks[f] of each f below `count` that a node or a linear leaf asks for. */
void espalier_forest_mark_tested(const espalier_forest *forest, uint32_t count, uint8_t *marks);

/* Nodes, but those whose feature is not below `count`, and linear leaves ask for numbers[f] instead
 * of f; sets stay as they are. */
void espalier_forest_rename_tested(espalier_forest *forest, const uint32_t *numbers,
                                   uint32_t count);

/* The iteration that a tree belongs to, and the first slot it adds to. */
uint32_t espalier_forest_iteration_of(const espalier_forest *forest, uint32_t tree_index);
uint32_t espalier_forest_slot_of(const espalier_forest *forest, uint32_t tree_index);

/* Frees everything in *forest (not the struct itself) and zeroes it. Accepts a zeroed forest. */
void espalier_forest_free(espalier_forest *forest);

#endif
