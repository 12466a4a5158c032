// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of an Espalier file, format version 1: records, numbers and limits. The normative text
 * is docs/format.md; this header repeats it for the compiler. Includes only C standard headers.
 * Nothing here may depend on the host: fixed-width little-endian fields, no padding, no pointers.
 *
 *   header | section table | private tables ... | hot sections ... | cold sections ...
 *
 * "Private" sections are small: a reader copies them to its own memory, checks them there, and uses
 * only the copy. Hot sections (nodes, leaves) are used in the mapping; a node can change at any
 * moment without doing harm.
 */
#ifndef ESPALIER_FORMAT_LAYOUT_H
#define ESPALIER_FORMAT_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_FILE_MAGIC \
    "\x89"                  \
    "ESP\r\n\x1a\n"
#define ESPALIER_FILE_MAGIC_BYTES 8
#define ESPALIER_FILE_MAJOR       1
#define ESPALIER_FILE_MINOR       0
#define ESPALIER_BYTE_ORDER_MARK  UINT32_C(0x0A0B0C0D)

/* Feature bits known to this reader. Unknown required bits: refuse; unknown optional bits:
 * ignore. */
#define ESPALIER_REQUIRED_FEATURES_KNOWN UINT64_C(0)

typedef struct espalier_file_header {
    uint8_t magic[8];
    uint16_t format_major;
    uint16_t format_minor;
    uint32_t byte_order; /* ESPALIER_BYTE_ORDER_MARK, little-endian as all numbers */
    uint64_t file_bytes;
    uint64_t required_features;
    uint64_t optional_features;
    uint32_t header_bytes; /* sizeof(espalier_file_header); the section table follows at once */
    uint32_t section_count;
    uint32_t section_entry_bytes;
    uint32_t reserved0;
    uint64_t private_end;    /* end of the last private section: one read fetches them all */
    uint8_t root_digest[32]; /* BLAKE2b-256 of header and table, this field and checksum zero */
    uint64_t checksum;       /* XXH3-64 of header and table, this field zero */
    uint8_t reserved1[24];
} espalier_file_header;

enum {
    ESPALIER_SECTION_MODEL = 1,
    ESPALIER_SECTION_STEPS = 2,
    ESPALIER_SECTION_PARTS = 3,
    ESPALIER_SECTION_STAGES = 4,
    ESPALIER_SECTION_OUTPUTS = 5,
    ESPALIER_SECTION_COLUMNS = 6,
    ESPALIER_SECTION_TREES = 7,
    ESPALIER_SECTION_CONSTANTS = 8,
    ESPALIER_SECTION_FEATURE_NAMES = 9,
    ESPALIER_SECTION_CLASS_LABELS = 10,
    ESPALIER_SECTION_CATEGORIES = 11,
    ESPALIER_SECTION_PREPARATION = 12,
    /* Hot. */
    ESPALIER_SECTION_NODES = 16,
    ESPALIER_SECTION_LEAVES = 17,
    ESPALIER_SECTION_CUTS = 18,
    /* Cold. */
    ESPALIER_SECTION_NODE_NUMBERS = 24,
    ESPALIER_SECTION_GOLDEN = 25,
    ESPALIER_SECTION_METADATA = 26,
    ESPALIER_SECTION_PROOF = 27,
    ESPALIER_SECTION_SETS = 40,   /* read in the mapping, for every row */
    ESPALIER_SECTION_LINEAR = 72, /* likewise */
    ESPALIER_SECTION_COVER = 84   /* for people: no prediction reads it */
};

/* Flags of a section. */
#define ESPALIER_SECTION_REQUIRED UINT16_C(1) /* a reader that does not know the type refuses */

typedef struct espalier_file_section {
    uint32_t type;
    uint16_t encoding; /* version of the section's own encoding: 1 */
    uint16_t flags;
    uint64_t offset;
    uint64_t bytes;        /* without the padding that follows */
    uint64_t alignment;    /* a power of two, 64 .. 65,536; divides offset */
    uint64_t checksum_low; /* XXH3-128 of the section's bytes */
    uint64_t checksum_high;
    uint8_t digest[32]; /* BLAKE2b-256 of the section's bytes */
    uint8_t reserved[16];
} espalier_file_section;

/* MODEL: one record. */
typedef struct espalier_file_model {
    uint32_t feature_count;
    uint32_t slot_count;     /* float64 per row that steps pass on */
    uint32_t input_rule;     /* ESPALIER_INPUT_... */
    uint32_t default_output; /* output kind of the trainer's own predict */
    uint32_t group_count;    /* the trainer's outputs */
    uint32_t number_bytes;   /* of NODE_NUMBERS: 1, 2 or 4; 0: numbers are the preorder count */
    uint64_t visits_per_row; /* sum of the depths of all trees */
    uint64_t node_count;     /* sum of the trainer's nodes of all trees */
    double missing_number;   /* MISSING_NUMBER: counts as NaN; else 0 */
    uint8_t reserved[16];
} espalier_file_model;

/* Bits of input_rule. */
#define ESPALIER_INPUT_FLOAT32 \
    UINT32_C(1)                                      /* features are rounded to float32, to nearest,
                                                       ties to even; else kept as float64 */
#define ESPALIER_INPUT_MISSING_ALLOWED  UINT32_C(2)  /* NaN is not refused */
#define ESPALIER_INPUT_INFINITE_ALLOWED UINT32_C(4)  /* infinity is not refused */
#define ESPALIER_INPUT_FLUSH_TINY       UINT32_C(8)  /* magnitudes up to ESPALIER_TINY become 0 */
#define ESPALIER_INPUT_MISSING_NUMBER   UINT32_C(16) /* missing_number is read as NaN */
#define ESPALIER_INPUT_CHOSEN           UINT32_C(32) /* nothing looks at what nothing reads */
#define ESPALIER_INPUT_KNOWN            UINT32_C(63)

#define ESPALIER_TINY 1e-35f /* LightGBM's kZeroThreshold: a float32, widened where needed */

/* STEPS: what to do for a row, in order. */
enum {
    ESPALIER_STEP_COLUMNS = 1,
    ESPALIER_STEP_TREES = 2,
    ESPALIER_STEP_STAGES = 3
};

typedef struct espalier_file_step {
    uint32_t kind;
    uint32_t first; /* column, part or stage */
    uint32_t count; /* TREES: 1 */
    uint32_t reserved;
} espalier_file_step;

/* PARTS: a run of trees of one layout. */
enum {
    ESPALIER_FILE_WALK = 1,   /* nodes that name their children; trees of any depth */
    ESPALIER_FILE_HEAP = 2,   /* mask: complete trees of 1 to 8 levels, by levels */
    ESPALIER_FILE_SELECT = 3, /* mask: trees of any shape with up to 256 leaves */
    ESPALIER_FILE_BITS = 4    /* mask: trees of any shape with up to 32 leaves, bank BYTE */
};
enum {
    ESPALIER_ACCUMULATOR_FLOAT64 = 1,
    ESPALIER_ACCUMULATOR_FLOAT32 = 2
};
enum {
    ESPALIER_AGGREGATE_SUM = 1
};
enum {
    ESPALIER_START_ZERO = 0,
    ESPALIER_START_CONSTANTS = 1,
    ESPALIER_START_SLOTS = 2 /* what earlier steps wrote; float64 sums */
};
enum {
    ESPALIER_DIVISOR_NONE = 0,
    ESPALIER_DIVISOR_CONSTANTS = 1,
    ESPALIER_DIVISOR_ITERATIONS = 2 /* by the number of iterations used */
};
enum {
    ESPALIER_RANGE_ASKED = 0,  /* the iterations that the caller asks for */
    ESPALIER_RANGE_DEFAULT = 1 /* the default range, whatever the caller asks for */
};

typedef struct espalier_file_part {
    uint32_t layout;
    uint32_t node_bytes; /* WALK 8 or 16; HEAP 2 or 4; SELECT 8; BITS 6 */
    uint32_t child_bits; /* WALK 16 .. 30: a child is a number below 2^child_bits; else 0 */
    uint32_t accumulator;
    uint32_t aggregate;
    uint32_t leaf_width; /* values per leaf, of the accumulator's type */
    uint32_t first_slot; /* sums go to slots [first_slot, first_slot + slot_count) */
    uint32_t slot_count;
    uint32_t first_tree;
    uint32_t tree_count;
    uint64_t leaf_offset; /* bytes from the start of LEAVES, a multiple of 8 */
    uint32_t leaf_count;  /* rows of leaf_width values */
    uint32_t start;       /* ESPALIER_START_... */
    uint32_t start_index; /* first of slot_count constants, or slots */
    uint32_t divisor;     /* ESPALIER_DIVISOR_... */
    uint32_t divisor_index;
    uint32_t iteration_count;
    uint32_t default_iteration_first;
    uint32_t default_iteration_count;
    uint32_t bank;  /* of the columns its nodes test: WALK: WORD; HEAP, SELECT: BYTE or SHORT;
                      BITS: BYTE */
    uint32_t range; /* ESPALIER_RANGE_... */
    uint8_t reserved[40];
} espalier_file_part;

/*
 * STAGES: arithmetic on slots, n = slot_count. x: the inputs, y: the outputs, c: the constants from
 * `table` on. An operation reads n slots and writes n, has no constants and is in float64 unless
 * its comment says otherwise; docs/format.md, 18.4, has the formulas.
 */
enum {
    ESPALIER_STAGE_NORMALISE = 1,         /* x by the sum of all x; a sum of zero divides by one */
    ESPALIER_STAGE_ADD = 2,               /* x + c; n constants; either type */
    ESPALIER_STAGE_MULTIPLY = 3,          /* x c; n constants; either type */
    ESPALIER_STAGE_DIVIDE = 4,            /* x / c; n constants; either type */
    ESPALIER_STAGE_DIVIDE_ITERATIONS = 5, /* x by the iterations used of part `table` */
    ESPALIER_STAGE_SIGMOID = 6,           /* 1 / (1 + exp(-x)); either type */
    ESPALIER_STAGE_SOFTMAX = 7,           /* exp(x - max) by their sum; either type */
    ESPALIER_STAGE_SOFTMAX_LOG = 8,       /* exp(x - (log(sum of exp(x - max)) + max)) */
    ESPALIER_STAGE_EXP = 9,               /* either type */
    ESPALIER_STAGE_LOG1P_EXP = 10,        /* log1p(exp(x)) */
    ESPALIER_STAGE_SIGNED_SQUARE = 11,    /* sign(x) x x */
    ESPALIER_STAGE_NEGATIVE_POWER = 12,   /* -(2^-x) */
    ESPALIER_STAGE_TWO_CLASSES = 13,      /* 1 - x and x: writes 2 n; either type */
    ESPALIER_STAGE_STEP = 14,             /* 1 if x > 0, else 0; either type */
    ESPALIER_STAGE_INDEX = 15,            /* of the first maximum: writes 1; either type */
    ESPALIER_STAGE_SORT = 16,             /* ascending; either type */
    ESPALIER_STAGE_SPREAD = 17,           /* x[0] c: reads 1; n constants */
    ESPALIER_STAGE_PRODUCTS = 18,         /* the sum of x c: writes 1; n constants */
    ESPALIER_STAGE_CONSTANTS = 19,        /* c: reads nothing; n constants; either type */
    ESPALIER_STAGE_EXPECTILES = 20,       /* running sums of softplus; float32 */
    /* For models of several forests. */
    ESPALIER_STAGE_PICK = 32,            /* the slots whose numbers are c; -1: 0. Reads those */
    ESPALIER_STAGE_ADD_SLOTS = 33,       /* x + the slots from `table` on */
    ESPALIER_STAGE_CHOOSE = 34,          /* of a number x: c[0] at place x, c[1] elsewhere */
    ESPALIER_STAGE_ISOTONIC = 35,        /* of one x: on the line through n knots: writes 1; 2 n
                                            constants; either type */
    ESPALIER_STAGE_NORMALISE_EVEN = 36,  /* x by their sum; a sum of zero: 1 / n each */
    ESPALIER_STAGE_CUT_ONE = 37,         /* 1 if x is above 1 by at most 1e-5, else x */
    ESPALIER_STAGE_WEIGHTED_MEDIAN = 38, /* of x with the weights c; zeroes follow it */
    ESPALIER_STAGE_EXPM1 = 39,           /* either type, and so to 44 */
    ESPALIER_STAGE_EXP2 = 40,
    ESPALIER_STAGE_SQUARE = 41,
    ESPALIER_STAGE_SQRT = 42,
    ESPALIER_STAGE_LOG = 43,
    ESPALIER_STAGE_LOG1P = 44,
    /* For leaves that are lines. */
    ESPALIER_STAGE_VALUES = 64, /* what the row has of the features that c number: reads nothing;
                                   n constants */
    ESPALIER_STAGE_LINEAR = 65, /* the sum of linear leaves: reads x, and the leaf numbers of part
                                   c[0], of every c[1]th tree from c[2] on; writes 1 */
    /* For sums that start from what another model gives. */
    ESPALIER_STAGE_CLAMP = 72,       /* x, at least c[0] and at most c[1]; 2 constants */
    ESPALIER_STAGE_LOG_ODDS = 73,    /* log(x / (1 - x)) */
    ESPALIER_STAGE_LOGIT = 74,       /* the same, exact near one half, as SciPy computes it */
    ESPALIER_STAGE_LOG_CENTRED = 75, /* log of x by the geometric mean of all x */
    /* For leaves that are lines beside other models. */
    ESPALIER_STAGE_FLUSHED_VALUES = 76, /* VALUES, magnitudes of at most 1e-35f as 0; either
                                           type */
    /* Of float32, as NumPy, SciPy and scikit-learn compute what an estimator of XGBoost gives. */
    ESPALIER_STAGE_ROUND = 77,          /* x of either type as float32 */
    ESPALIER_STAGE_EXPIT = 78,          /* 1 / (1 + exp(-x)), its exponent not bounded */
    ESPALIER_STAGE_NUMPY_EXP = 79,      /* exp with NumPy's bits */
    ESPALIER_STAGE_ISOTONIC_SHARES = 80 /* ISOTONIC by each knot's share of the way between two */
};
#define ESPALIER_STAGE_LAST       80u
#define ESPALIER_LINEAR_CONSTANTS 3u
/* In which order values are added: NORMALISE, NORMALISE_EVEN, SOFTMAX, SOFTMAX_LOG, LOG_CENTRED; of
 * others 0. */
enum {
    ESPALIER_ORDER_SEQUENTIAL = 1,
    ESPALIER_ORDER_PAIRWISE = 2
};
enum {
    ESPALIER_ARITHMETIC_FLOAT64 = 0,
    ESPALIER_ARITHMETIC_FLOAT32 = 1 /* inputs, constants and every result are float32 numbers */
};

typedef struct espalier_file_stage {
    uint32_t operation;
    uint32_t input_slot;
    uint32_t output_slot;
    uint32_t slot_count;
    uint32_t order;
    uint32_t arithmetic; /* ESPALIER_ARITHMETIC_... */
    uint32_t table;      /* first constant, the part, or a slot; else 0 */
    uint32_t reserved;
} espalier_file_stage;

/* OUTPUTS: sorted by kind, then group. Numbers of kind and dtype are those of espalier.h. */
enum {
    ESPALIER_DECISION_NONE = 0,
    ESPALIER_DECISION_FIRST_MAXIMUM = 1,
    ESPALIER_DECISION_LAST_MAXIMUM = 2,
    /* Of one slot, between two classes: class 1 if it is ... */
    ESPALIER_DECISION_ABOVE_ZERO = 3,    /* > 0 */
    ESPALIER_DECISION_AT_LEAST_ZERO = 4, /* >= 0 */
    ESPALIER_DECISION_ABOVE_HALF = 5     /* > 0.5 */
};

typedef struct espalier_file_output {
    uint32_t kind;
    uint32_t group; /* which of the trainer's outputs, from 0; VALUE, LEAF and SCORE: 0 */
    uint32_t dtype;
    uint32_t first_slot; /* LEAF: 0 */
    uint32_t slot_count; /* LEAF: 0 */
    uint32_t decision;
    uint32_t part; /* LEAF: whose trees; else 0 */
    uint32_t reserved;
} espalier_file_output;

/*
 * COLUMNS: what nodes test, sorted by bank. A node's column number counts within its part's bank.
 * The first column of bank WORD, if there is any, is a leaf column; the second may be one too.
 */
enum {
    ESPALIER_COLUMN_LEAF = 1,    /* word 0, at or below every threshold */
    ESPALIER_COLUMN_FEATURE = 2, /* the feature as the word of a float32 */
    ESPALIER_COLUMN_CODE = 3,    /* the rank of the feature among a list of cuts */
    ESPALIER_COLUMN_SET = 8      /* 32 bits, one a set: whether the feature's category goes right */
};
/* What a missing value becomes: of a FEATURE, or of a CODE. */
enum {
    ESPALIER_MISSING_RIGHT = 0,      /* NaN goes right: the highest word or rank */
    ESPALIER_MISSING_LEFT = 1,       /* NaN goes left: word 0 or rank 0 */
    ESPALIER_MISSING_AS_ZERO = 2,    /* NaN counts as 0 */
    ESPALIER_MISSING_ZERO_RIGHT = 3, /* NaN and magnitudes up to ESPALIER_TINY go right */
    ESPALIER_MISSING_ZERO_LEFT = 4   /* the same go left */
};
/* Where a column's value is kept. */
enum {
    ESPALIER_BANK_WORD = 1, /* a word: of the feature, or a rank up to 2^24 */
    ESPALIER_BANK_BYTE = 2, /* a code of 0 to 255 */
    ESPALIER_BANK_SHORT = 3 /* a code of 0 to 65,535 */
};

/*
 * A CODE column: with rank = how many of its cuts lie strictly below x, x <= cut[j] is rank <= j.
 * In banks BYTE and SHORT, with W = 255 or 65,535, column segment s holds clamp(rank - s W, 0, W);
 * x <= cut[s W + j] is code <= j for j < W. The segments of one list are neighbours, from 0.
 */
typedef struct espalier_file_column {
    uint32_t kind;
    uint32_t feature;
    uint32_t missing;
    uint32_t bank;
    uint64_t first_cut; /* CODE: bytes from the start of CUTS, a multiple of 64 */
    uint32_t cut_count; /* CODE: of the whole list, at least 1 */
    uint32_t segment;   /* CODE: s; bank WORD: 0 */
} espalier_file_column;

/*
 * CUTS: lists of sorted cuts, float32 with ESPALIER_INPUT_FLOAT32, else float64, as search trees of
 * blocks of ESPALIER_CUT_BLOCK. The last level is the cuts themselves, padded with plus infinity to
 * whole blocks; the level above holds the last item of each of those blocks, padded likewise, and
 * so on until a level has one block. Levels follow each other, the one-block level first.
 */
#define ESPALIER_CUT_BLOCK 16u

/*
 * SETS: the bits of SET columns. Those of one list of cuts, segments 0 to w - 1, are a matrix of
 * cut_count + 2 rows of w words of 32 bits: a row for each rank, the last one for a missing value.
 * Segment s holds word s of the feature's row. Matrices follow each other in the order of the
 * lists. A node that tests bit 31 - s of a SET column has ESPALIER_SET_TEST + s as its threshold:
 * the word moved up by s bits carries where the bit is set, and the row goes right.
 */
#define ESPALIER_SET_BITS 32u
#define ESPALIER_SET_TEST UINT32_C(0x80000000)

/* The bytes of a matrix. */
static inline uint64_t espalier_set_bytes(uint32_t cut_count, uint32_t word_count)
{
    return ((uint64_t)cut_count + 2) * word_count * 4;
}

/* TREES: parts and trees in file order tile the nodes section without gaps. */
typedef struct espalier_file_tree {
    uint64_t first_node;        /* in nodes of the part's size, from the start of NODES */
    uint32_t node_count;        /* positions. WALK: a multiple of 8, the unused ones filler leaves;
                                   HEAP: max(32, 2^depth); SELECT: inner nodes, at least 1, to a
                                   multiple of 8; BITS: 32 */
    uint32_t source_node_count; /* the trainer's nodes; WALK: at most node_count */
    uint32_t depth;             /* most steps from the root to a leaf; HEAP: levels, 1 to 8 */
    uint32_t slot;              /* leaf values go to slots first_slot + slot + [0, leaf_width) */
    uint32_t number;            /* the trainer's */
    uint32_t iteration;
    uint32_t first_leaf; /* masks: the row of the part's leaf table of its leaf 0 */
    uint32_t leaf_count; /* HEAP: 2^depth; SELECT: 1 to 256, BITS: 1 to 32, inner nodes + 1;
                            WALK: 0 */
} espalier_file_tree;

/*
 * NODES of a walk part: siblings are neighbours (child, child + 1), the root is at position 0. A
 * threshold is stored as 2^32 - 1 less the largest word that goes to child; a row whose word added
 * to it carries goes to child + 1. A leaf is its own child, tests the leaf column, and keeps its
 * leaf's row number in the threshold.
 */
typedef struct espalier_file_node {
    uint32_t threshold;
    uint32_t word; /* child in the low child_bits, column above them */
} espalier_file_node;

typedef struct espalier_file_node_wide {
    uint32_t threshold;
    uint32_t child;
    uint32_t column;
    uint32_t reserved;
} espalier_file_node_wide;

/*
 * NODES of a HEAP tree: node_count columns, then node_count thresholds, each of the bank's width
 * (1 or 2 bytes). Node 1 is the root, node h has the children 2 h and 2 h + 1; entry 0 and entries
 * from 2^depth on are zero. A row goes right when code > threshold. A node at level `depth` is leaf
 * h - 2^depth. Where the trainer's tree is shallower, a filler node (column 0, threshold all ones:
 * nothing goes right) takes the place of a leaf, and all leaves below it repeat that leaf.
 *
 * NODES of a SELECT tree: inner node i of n = leaf_count - 1 sits at place 256 - n + i, the root
 * first, parents before children; leaf k sits at place 256 + k. A child's field holds how far
 * behind the place after its parent it sits, below ESPALIER_SELECT_REACH: a child is always further
 * on. A place above the leaves counts as leaf 0. A row goes right when code > threshold.
 */
typedef struct espalier_file_node_select {
    uint16_t column;
    uint16_t threshold;
    uint16_t left;
    uint16_t right;
} espalier_file_node_select;

#define ESPALIER_SELECT_LEAVES  256u  /* most leaves of a SELECT tree; the place of leaf 0 */
#define ESPALIER_SELECT_REACH   1024u /* a power of two; child fields are taken modulo this */
#define ESPALIER_HEAP_LEVELS    8u    /* most levels of a HEAP tree */
#define ESPALIER_HEAP_NODES     32u   /* fewest positions of a HEAP tree */
#define ESPALIER_HEAP_NODES_MAX 256u  /* most */

/*
 * NODES of a BITS tree: 32 columns, 32 thresholds, one byte each, then 32 words of 32 bits. A node
 * clears the bits of its word where code > threshold: those of the leaves on its left, which the
 * row can no longer reach. The row's leaf is the lowest bit that no node has cleared; bit 31 is
 * never cleared. Inner nodes are in preorder, left first, leaves from left to right; nodes behind
 * the last have column 0, threshold 255 and an empty word. The word of node i stands at
 * espalier_bits_word(i): so a byte that decides node i moves to its word's lane within 16 bytes.
 */
#define ESPALIER_BITS_LEAVES     32u /* most leaves of a BITS tree, and its nodes */
#define ESPALIER_BITS_NODE_BYTES 6u

static inline uint32_t espalier_bits_word(uint32_t node)
{
    return node % 4 * 8 + node / 4;
}

/*
 * CATEGORIES: the strings that rows may have in place of numbers. This, then lists[list_count],
 * then order[string_count], then a string table. A string's place in its feature's list is its
 * number; order has a list's numbers sorted by their strings.
 */
typedef struct espalier_file_categories {
    uint32_t list_count;
    uint32_t string_count;
} espalier_file_categories;

#define ESPALIER_CATEGORY_REFUSE_UNKNOWN UINT32_C(1) /* a string of no category is refused */

typedef struct espalier_file_category_list {
    uint32_t feature;
    uint32_t flags;
    uint32_t first; /* string, and place in `order` */
    uint32_t count;
    double unknown; /* the number of a string that is no category */
} espalier_file_category_list;

/*
 * PREPARATION: what a pipeline makes of a row's features before the trees see them. This, then
 * operations[operation_count], then float64 numbers[number_count]. Values are numbered: the row's
 * features first, then what the operations write, in their order; each is computed from one value
 * with a smaller number.
 */
typedef struct espalier_file_preparation {
    uint32_t value_count; /* features and all that operations write */
    uint32_t operation_count;
    uint32_t number_count;
    uint32_t reserved;
} espalier_file_preparation;

/* x: what is read; c: the operation's numbers. */
enum {
    ESPALIER_PREPARE_COPY = 1,
    ESPALIER_PREPARE_SUBTRACT = 2,
    ESPALIER_PREPARE_ADD = 3,
    ESPALIER_PREPARE_MULTIPLY = 4,
    ESPALIER_PREPARE_DIVIDE = 5,
    ESPALIER_PREPARE_CLIP = 6,       /* between c[0] and c[1]; NaN stays */
    ESPALIER_PREPARE_FILL = 7,       /* c[0] where x is c[1] (NaN is NaN), else x */
    ESPALIER_PREPARE_IS_MISSING = 8, /* 1 where x is c[0], else 0 */
    ESPALIER_PREPARE_ABOVE = 9,      /* 1 where x > c[0], else 0 */
    ESPALIER_PREPARE_RANK = 10,      /* how many of c are <= x */
    ESPALIER_PREPARE_INDEX = 11,     /* n keys, n values, and the value for what is no key */
    ESPALIER_PREPARE_ONE_HOT = 12,   /* writes `count` values: 1 at place x, else 0 */
    ESPALIER_PREPARE_LOG1P = 13,
    ESPALIER_PREPARE_EXPM1 = 14,
    ESPALIER_PREPARE_LOG = 15, /* it and EXP, rounded to float32: NumPy's own */
    ESPALIER_PREPARE_EXP = 16,
    ESPALIER_PREPARE_SQRT = 17,
    ESPALIER_PREPARE_ABS = 18,
    ESPALIER_PREPARE_CHECK = 19, /* writes nothing; refuses rows */
    ESPALIER_PREPARE_NUDGE = 20  /* x + (c[0] + c[1] |x|), every step rounded as the result is */
};

/* Flags of an operation: results are rounded to float32 for rows of float32, of float64; a row is
 * refused where the (rounded) value read is NaN, is infinite, or is no key of INDEX. */
#define ESPALIER_PREPARE_ROUND_FLOAT32   UINT32_C(1)
#define ESPALIER_PREPARE_ROUND_FLOAT64   UINT32_C(2)
#define ESPALIER_PREPARE_REFUSE_NAN      UINT32_C(4)
#define ESPALIER_PREPARE_REFUSE_INFINITE UINT32_C(8)
#define ESPALIER_PREPARE_REFUSE_UNKNOWN  UINT32_C(16)
#define ESPALIER_PREPARE_FLAGS_KNOWN     UINT32_C(31)

typedef struct espalier_file_operation {
    uint32_t operation;
    uint32_t flags;
    uint32_t input;        /* the value read */
    uint32_t output;       /* the first value written; CHECK: 0 */
    uint32_t count;        /* values written; CHECK: 0 */
    uint32_t number_count; /* c */
    uint32_t numbers32;    /* where c begins, for rows of float32 */
    uint32_t numbers64;    /* and for rows of float64 */
} espalier_file_operation;

/*
 * LINEAR: the leaves of the trees of all linear parts (those that a stage LINEAR names), tree by
 * tree in file order, each tree's by the number that its leaf table has for them; then terms.
 */
typedef struct espalier_file_linear_leaf {
    double constant;
    double missing_value; /* instead of all, where a number that is asked for is missing */
    uint32_t first_term;
    uint32_t term_count; /* at most as many as the stage reads */
} espalier_file_linear_leaf;

typedef struct espalier_file_term {
    double coefficient;
    uint32_t place; /* which of the slots that the stage reads */
    uint32_t reserved;
} espalier_file_term;

/* COVER: this, then a float64 for each value that columns hold, ascending. */
typedef struct espalier_file_cover {
    uint32_t unit; /* ESPALIER_FILE_COVER_... */
    uint32_t reserved;
} espalier_file_cover;

enum {
    ESPALIER_FILE_COVER_ROWS = 1,
    ESPALIER_FILE_COVER_WEIGHTS = 2,
    ESPALIER_FILE_COVER_HESSIANS = 3
};

/* The leaves of the trainer's tree. */
static inline uint64_t espalier_tree_source_leaves(const espalier_file_tree *tree)
{
    return ((uint64_t)tree->source_node_count + 1) / 2;
}

/* FEATURE_NAMES, and the strings of CLASS_LABELS: a string table. */
typedef struct espalier_file_strings {
    uint32_t count;
    uint32_t text_bytes;
    /* uint32_t ends[count]: end of string i in text, its NUL included; text: char[text_bytes] */
} espalier_file_strings;

/* CLASS_LABELS: uint32 group_count, uint32 reserved, then group_count of these, then the data. */
typedef struct espalier_file_labels {
    uint32_t kind;       /* espalier_label_kind */
    uint32_t item_bytes; /* in the trainer */
    uint32_t count;
    uint32_t reserved;
    uint64_t offset; /* from the section's start: 8-byte values, or a string table; 8-aligned */
    uint64_t bytes;
} espalier_file_labels;

/* GOLDEN: this, float64 rows[row_count][feature_count], float64 slots[row_count][slot_count],
 * uint32 leaf numbers[row_count][tree_count] of all trees in file order. */
typedef struct espalier_file_golden {
    uint32_t row_count;
    uint32_t feature_count;
    uint32_t slot_count;
    uint32_t tree_count;
} espalier_file_golden;

/* PROOF: one record, the fields of espalier_proof. */
typedef struct espalier_file_proof {
    uint64_t rows_compared;
    uint64_t values_compared;
    uint64_t leaves_compared;
    uint64_t check_rows;
    uint64_t check_values;
    uint64_t check_differing;
    uint64_t check_ulp_max;
    uint32_t check_kind;
    uint32_t check_cause;
} espalier_file_proof;

/* Limits of the format, checked by writer and reader. */
#define ESPALIER_LIMIT_SECTIONS            64u
#define ESPALIER_LIMIT_FEATURES            (1u << 24)
#define ESPALIER_LIMIT_COLUMNS             (1u << 24)
#define ESPALIER_LIMIT_SLOTS               (1u << 20)
#define ESPALIER_LIMIT_TREES               (1u << 24)
#define ESPALIER_LIMIT_PARTS               (1u << 16)
#define ESPALIER_LIMIT_STEPS               (1u << 18)
#define ESPALIER_LIMIT_STAGES              (1u << 18)
#define ESPALIER_LIMIT_OUTPUTS             (1u << 20)
#define ESPALIER_LIMIT_STAGE_SLOTS         (1u << 22) /* slot_count of all stages, added up */
#define ESPALIER_LIMIT_OPERATIONS          (1u << 20) /* of PREPARATION */
#define ESPALIER_LIMIT_PREPARED            (1u << 24) /* values of PREPARATION */
#define ESPALIER_LIMIT_CATEGORIES          (1u << 24) /* strings of CATEGORIES */
#define ESPALIER_LIMIT_CHILD_BITS_MIN      16u
#define ESPALIER_LIMIT_CHILD_BITS_MAX      30u
#define ESPALIER_LIMIT_LEAVES              0x7F000000u /* biased, still below infinity */
#define ESPALIER_LIMIT_CUTS                (1u << 24)  /* of one column: exact as float32 */
#define ESPALIER_LIMIT_ADDITIONS_PER_VISIT 64u
#define ESPALIER_LIMIT_GOLDEN_WORK         (UINT64_C(1) << 32) /* rows x (visits + additions) */
#define ESPALIER_LIMIT_VISITS_DEFAULT      (UINT64_C(1) << 22)
#define ESPALIER_LIMIT_FILE_BYTES          (UINT64_C(1) << 46)
#define ESPALIER_LIMIT_PRIVATE_BYTES       (UINT64_C(1) << 31)
#define ESPALIER_ALIGNMENT_MIN             64u
#define ESPALIER_ALIGNMENT_MAX             65536u
#define ESPALIER_ALIGNMENT_HOT             4096u /* the least of a hot section */
#define ESPALIER_HOT_TAIL_BYTES            64u   /* zero bytes after each hot section */

static_assert(sizeof(espalier_file_header) == 128, "header is 128 bytes");
static_assert(offsetof(espalier_file_header, file_bytes) == 16, "file_bytes at 16");
static_assert(offsetof(espalier_file_header, header_bytes) == 40, "header_bytes at 40");
static_assert(offsetof(espalier_file_header, private_end) == 56, "private_end at 56");
static_assert(offsetof(espalier_file_header, root_digest) == 64, "root_digest at 64");
static_assert(offsetof(espalier_file_header, checksum) == 96, "checksum at 96");
static_assert(sizeof(espalier_file_section) == 96, "a section entry is 96 bytes");
static_assert(offsetof(espalier_file_section, digest) == 48, "digest at 48");
static_assert(sizeof(espalier_file_model) == 64, "model record");
static_assert(sizeof(espalier_file_step) == 16, "step record");
static_assert(sizeof(espalier_file_part) == 128, "part record");
static_assert(offsetof(espalier_file_part, leaf_offset) == 40, "leaf_offset at 40");
static_assert(sizeof(espalier_file_stage) == 32, "stage record");
static_assert(sizeof(espalier_file_output) == 32, "output record");
static_assert(sizeof(espalier_file_column) == 32, "column record");
static_assert(sizeof(espalier_file_tree) == 40, "tree record");
static_assert(sizeof(espalier_file_node_select) == 8, "select node");
static_assert(sizeof(espalier_file_node) == 8, "node");
static_assert(sizeof(espalier_file_node_wide) == 16, "wide node");
static_assert(sizeof(espalier_file_labels) == 32, "label record");
static_assert(sizeof(espalier_file_preparation) == 16, "head of a preparation");
static_assert(sizeof(espalier_file_operation) == 32, "operation record");
static_assert(sizeof(espalier_file_linear_leaf) == 24, "linear leaf record");
static_assert(sizeof(espalier_file_term) == 16, "term record");
static_assert(sizeof(espalier_file_cover) == 8, "head of covers");
static_assert(sizeof(espalier_file_categories) == 8, "head of categories");
static_assert(sizeof(espalier_file_category_list) == 24, "record of a feature's categories");
static_assert(sizeof(espalier_file_golden) == 16, "golden record");
static_assert(sizeof(espalier_file_proof) == 64, "proof record");

#endif
