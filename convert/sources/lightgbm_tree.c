// SPDX-License-Identifier: Apache-2.0
/*
 * The trees of a LightGBM text model. They are gone through twice: to count nodes and leaves, so
 * that the forest's arrays are made once and no larger than the text can fill, and to read them.
 *
 * The n - 1 inner nodes of a tree of n leaves keep their numbers here; leaf k is node n - 1 + k.
 */
#include "convert/sources/lightgbm_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Bits of a decision type. */
#define DECISION_CATEGORICAL   1
#define DECISION_DEFAULT_LEFT  2
#define DECISION_MISSING_SHIFT 2
#define DECISION_MAX           15

/* In missing_left, of a node whose set is still to be read. */
#define SET_MARK 2

#define TREE_KEY(member)                                   \
    {                                                      \
#member, offsetof(espalier_lightgbm_block, member) \
    }
#define UNREAD_KEY(member)                \
    {                                     \
#member, ESPALIER_LIGHTGBM_UNREAD \
    }

static const espalier_lightgbm_key tree_keys[] = {
    TREE_KEY(num_leaves),
    TREE_KEY(num_cat),
    TREE_KEY(split_feature),
    TREE_KEY(split_gain),
    TREE_KEY(threshold),
    TREE_KEY(decision_type),
    TREE_KEY(left_child),
    TREE_KEY(right_child),
    UNREAD_KEY(leaf_parent),
    TREE_KEY(leaf_value),
    UNREAD_KEY(leaf_weight),
    TREE_KEY(leaf_count),
    UNREAD_KEY(internal_value),
    UNREAD_KEY(internal_weight),
    TREE_KEY(internal_count),
    TREE_KEY(cat_boundaries),
    TREE_KEY(cat_threshold),
    TREE_KEY(is_linear),
    TREE_KEY(leaf_const),
    TREE_KEY(num_features),
    TREE_KEY(leaf_features),
    TREE_KEY(leaf_coeff),
    UNREAD_KEY(shrinkage), /* applied already; one-leaf trees of 2.x hold anything here */
    {NULL, 0},
};

bool espalier_lightgbm_ends_trees(const espalier_text_slice *line)
{
    return espalier_text_is(line, "end of trees") ||
           espalier_text_is(line, "feature importances:") ||
           espalier_text_is(line, "feature_importances:");
}

/* ---- one block of lines --------------------------------------------------------------------- */

/* The next line that is not empty, which stays unread unless it belongs to a tree. */
static espalier_status peek_line(espalier_lightgbm_import *import, espalier_text_slice *line_out)
{
    espalier_text_lines after = import->lines;
    do {
        import->lines = after;
        if (!espalier_text_line(&after, line_out)) {
            *line_out = (espalier_text_slice){NULL, 0, import->lines.bytes, import->lines.line};
            break;
        }
    } while (line_out->bytes == 0);
    /* Without a line end a number may have been cut in two. */
    if (line_out->text == NULL || (!after.complete && !espalier_lightgbm_ends_trees(line_out))) {
        return espalier_lightgbm_fail(import, line_out, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                      "the file ends before its trees do");
    }
    return ESPALIER_OK;
}

/* num_leaves, and that the text has room for as many. */
static espalier_status read_size(const espalier_lightgbm_import *import,
                                 espalier_lightgbm_block *block)
{
    int64_t leaf_count = 0;
    const espalier_status status =
        espalier_lightgbm_integer(import, &block->num_leaves, "num_leaves", 1, INT32_MAX,
                                  &leaf_count);
    if (status != ESPALIER_OK) {
        return status;
    }
    block->leaf_count_number = (uint32_t)leaf_count;
    return espalier_lightgbm_words(import, &block->leaf_value, "leaf_value", (uint64_t)leaf_count);
}

/* How many bit fields of categories there are, and whether leaves are lines. */
static espalier_status read_kinds(const espalier_lightgbm_import *import,
                                  espalier_lightgbm_block *block)
{
    int64_t number = 0;
    espalier_status status = ESPALIER_OK;
    if (block->num_cat.text != NULL) {
        status =
            espalier_lightgbm_integer(import, &block->num_cat, "num_cat", 0, INT32_MAX, &number);
        block->cat_count_number = (uint32_t)number;
    }
    if (status == ESPALIER_OK && block->is_linear.text != NULL) {
        status = espalier_lightgbm_integer(import, &block->is_linear, "is_linear", 0, 1, &number);
        block->linear = status == ESPALIER_OK && number != 0;
    }
    return status;
}

/* The lines from "Tree=" to the next tree or the end of all. */
static espalier_status read_block(espalier_lightgbm_import *import, espalier_lightgbm_block *block)
{
    espalier_text_slice line;
    espalier_text_slice key;
    espalier_text_slice value;
    int64_t number = 0;
    *block = (espalier_lightgbm_block){0};
    (void)espalier_text_line(&import->lines, &line);
    (void)espalier_text_assignment(&line, &key, &value);
    block->offset = line.offset;
    block->line = line.line;
    if (!espalier_decimal_to_int64(value.text, value.bytes, &number) || number != import->tree) {
        return espalier_lightgbm_fail(import, &line, ESPALIER_ERROR_SOURCE_TREE,
                                      "%.*s stands where tree %" PRIu32 " should",
                                      espalier_lightgbm_shown(&line), line.text, import->tree);
    }
    espalier_status status = ESPALIER_OK;
    while (status == ESPALIER_OK) {
        status = peek_line(import, &line);
        if (status != ESPALIER_OK || espalier_text_begins(&line, "Tree=") ||
            espalier_lightgbm_ends_trees(&line)) {
            break;
        }
        (void)espalier_text_line(&import->lines, &line);
        status = espalier_lightgbm_take_line(import, &line, tree_keys, block);
    }
    if (status == ESPALIER_OK) {
        status = read_size(import, block);
    }
    return status == ESPALIER_OK ? read_kinds(import, block) : status;
}

/* ---- counting ------------------------------------------------------------------------------- */

/*
 * The next word of tree_sizes against the bytes from a tree to the next. A carriage return at the
 * end of a line was added by whoever copied the file, and does not count.
 */
static espalier_status check_size(const espalier_lightgbm_import *import,
                                  espalier_text_slice *sizes, const espalier_lightgbm_block *block,
                                  bool last)
{
    espalier_text_slice word;
    int64_t size = 0;
    if (sizes->text == NULL) {
        return ESPALIER_OK;
    }
    if (!espalier_text_word(sizes, &word)) {
        return espalier_lightgbm_fail(import, sizes, ESPALIER_ERROR_SOURCE_TREE,
                                      "tree_sizes ends before the trees do");
    }
    const espalier_status status =
        espalier_lightgbm_integer(import, &word, "an item of tree_sizes", 0, INT64_MAX, &size);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint64_t bytes = import->lines.at - block->offset;
    if (bytes >= 2 && import->lines.at >= 2 && import->lines.data[import->lines.at - 2] == '\r') {
        bytes -= import->lines.line + 1 - block->line;
    }
    /* Behind the last tree there may be one more empty line. */
    if ((uint64_t)size != bytes && !(last && (uint64_t)size + 1 == bytes)) {
        return espalier_lightgbm_fail(import, &word, ESPALIER_ERROR_SOURCE_TREE,
                                      "tree_sizes says %" PRId64 " bytes, but it has %" PRIu64,
                                      size, bytes);
    }
    return ESPALIER_OK;
}

/* Counts trees, nodes and leaves, and checks where trees lie. */
static espalier_status count_trees(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    espalier_text_slice sizes = import->header.tree_sizes;
    espalier_text_slice line;
    espalier_text_slice word;
    import->lines = import->trees;
    espalier_status status = peek_line(import, &line);
    while (status == ESPALIER_OK && !espalier_lightgbm_ends_trees(&line)) {
        espalier_lightgbm_block block;
        if (forest->tree_count == ESPALIER_LIMIT_TREES) {
            return espalier_lightgbm_fail(import, &line, ESPALIER_ERROR_SOURCE_LIMIT,
                                          "there are more than %u trees", ESPALIER_LIMIT_TREES);
        }
        import->tree = forest->tree_count++;
        status = read_block(import, &block);
        if (status == ESPALIER_OK) {
            status = peek_line(import, &line);
        }
        if (status == ESPALIER_OK) {
            status = check_size(import, &sizes, &block, espalier_lightgbm_ends_trees(&line));
        }
        if (status == ESPALIER_OK && block.linear) {
            status = espalier_lightgbm_count_lines(import, &block);
        }
        forest->leaf_count += block.leaf_count_number;
        forest->node_count += (uint64_t)block.leaf_count_number * 2 - 1;
    }
    import->tree = ESPALIER_LIGHTGBM_NO_TREE;
    if (status == ESPALIER_OK && sizes.text != NULL && espalier_text_word(&sizes, &word)) {
        return espalier_lightgbm_fail(import, &word, ESPALIER_ERROR_SOURCE_TREE,
                                      "tree_sizes has more items than there are trees, %" PRIu32,
                                      forest->tree_count);
    }
    if (status == ESPALIER_OK && forest->tree_count % forest->slot_count != 0) {
        return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_TREE,
                                      "%" PRIu32 " trees are not whole iterations of %" PRIu32,
                                      forest->tree_count, forest->slot_count);
    }
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* One array of the forest. */
typedef struct array_plan {
    void **place;
    uint64_t count;
    uint64_t bytes;
} array_plan;

static espalier_status make_arrays(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    const uint64_t nodes = forest->node_count;
    const uint64_t trees = forest->tree_count;
    const uint64_t grouped = forest->slot_count > 1 ? trees : 0;
    void *made[12] = {NULL};
    const array_plan plans[] = {
        {&made[0], trees, sizeof *forest->trees},
        {&made[1], nodes, sizeof *forest->left},
        {&made[2], nodes, sizeof *forest->right},
        {&made[3], nodes, sizeof *forest->feature},
        {&made[4], nodes, sizeof *forest->threshold},
        {&made[5], nodes, sizeof *forest->cover},
        {&made[6], nodes, sizeof *forest->missing_left},
        {&made[7], nodes, sizeof *forest->missing_rule},
        {&made[8], nodes, sizeof *forest->number},
        {&made[9], forest->leaf_count, sizeof *forest->leaf_values},
        {&made[10], grouped, sizeof *forest->tree_slot},
        {&made[11], grouped, sizeof *forest->tree_iteration},
    };
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0] && status == ESPALIER_OK; i++) {
        if (i < 10 || grouped > 0) {
            status =
                espalier_lightgbm_allocate(import, plans[i].count, plans[i].bytes, plans[i].place);
        }
    }
    forest->trees = made[0];
    forest->left = made[1];
    forest->right = made[2];
    forest->feature = made[3];
    forest->threshold = made[4];
    forest->cover = made[5];
    forest->missing_left = made[6];
    forest->missing_rule = made[7];
    forest->number = made[8];
    forest->leaf_values = made[9];
    forest->tree_slot = made[10];
    forest->tree_iteration = made[11];
    return status == ESPALIER_OK && import->linear ? espalier_lightgbm_make_lines(import) : status;
}

static espalier_status fail_item(const espalier_lightgbm_import *import,
                                 const espalier_text_slice *word, const char *key, uint64_t index,
                                 const char *cause)
{
    return espalier_lightgbm_fail(import, word, ESPALIER_ERROR_SOURCE_SYNTAX,
                                  "%s[%" PRIu64 "] is '%.*s', %s", key, index,
                                  espalier_lightgbm_shown(word), word->text, cause);
}

espalier_status espalier_lightgbm_real(const espalier_lightgbm_import *import,
                                       espalier_text_slice *rest, const char *key, uint64_t index,
                                       bool infinite_allowed, double *real_out)
{
    espalier_text_slice word;
    if (!espalier_text_word(rest, &word) ||
        !espalier_decimal_to_float64(&import->decimal, word.text, word.bytes, real_out)) {
        return fail_item(import, &word, key, index, "no decimal number");
    }
    if (isnan(*real_out) || (!infinite_allowed && isinf(*real_out))) {
        return fail_item(import, &word, key, index, "not a finite number");
    }
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_reals(const espalier_lightgbm_import *import,
                                        const espalier_text_slice *value, const char *key,
                                        uint64_t count, bool infinite_allowed, double *reals)
{
    espalier_text_slice rest = *value;
    espalier_status status = espalier_lightgbm_words(import, value, key, count);
    for (uint64_t i = 0; status == ESPALIER_OK && i < count; i++) {
        status = espalier_lightgbm_real(import, &rest, key, i, infinite_allowed, &reals[i]);
    }
    return status;
}

espalier_status espalier_lightgbm_item(const espalier_lightgbm_import *import,
                                       espalier_text_slice *rest, const char *key, uint64_t index,
                                       int64_t min, int64_t max, int64_t *integer_out)
{
    espalier_text_slice word;
    if (!espalier_text_word(rest, &word) ||
        !espalier_decimal_to_int64(word.text, word.bytes, integer_out)) {
        return fail_item(import, &word, key, index, "no integer");
    }
    if (*integer_out < min || *integer_out > max) {
        return espalier_lightgbm_fail(import, &word, ESPALIER_ERROR_SOURCE_TREE,
                                      "%s[%" PRIu64 "] is %.*s, not within %" PRId64 " to %" PRId64,
                                      key, index, espalier_lightgbm_shown(&word), word.text, min,
                                      max);
    }
    return ESPALIER_OK;
}

/* Child c >= 0 is inner node c, c < 0 is leaf ~c. */
static espalier_status read_children(const espalier_lightgbm_import *import,
                                     const espalier_text_slice *value, const char *key,
                                     uint32_t inner_count, uint32_t *children)
{
    espalier_text_slice rest = *value;
    int64_t child = 0;
    espalier_status status = espalier_lightgbm_words(import, value, key, inner_count);
    for (uint32_t i = 0; status == ESPALIER_OK && i < inner_count; i++) {
        status = espalier_lightgbm_item(import, &rest, key, i, -(int64_t)inner_count - 1,
                                        (int64_t)inner_count - 1, &child);
        children[i] = child >= 0 ? (uint32_t)child : inner_count + (uint32_t)(-child - 1);
    }
    return status;
}

static espalier_status read_features(const espalier_lightgbm_import *import,
                                     const espalier_text_slice *value, uint32_t inner_count,
                                     uint32_t *features)
{
    espalier_text_slice rest = *value;
    int64_t feature = 0;
    espalier_status status = espalier_lightgbm_words(import, value, "split_feature", inner_count);
    for (uint32_t i = 0; status == ESPALIER_OK && i < inner_count; i++) {
        status = espalier_lightgbm_item(import, &rest, "split_feature", i, 0,
                                        (int64_t)import->forest->feature_count - 1, &feature);
        features[i] = (uint32_t)feature;
    }
    return status;
}

/* What the splits gained, where somebody asks: float32 in LightGBM, added up in float64. */
static espalier_status add_gains(const espalier_lightgbm_import *import,
                                 const espalier_lightgbm_block *block, uint32_t inner_count,
                                 const uint32_t *features)
{
    espalier_source_splits *const splits =
        import->input->wrapper != NULL ? import->input->wrapper->splits : NULL;
    if (splits == NULL || (splits->iterations > 0 &&
                           import->tree / import->forest->slot_count >= splits->iterations)) {
        return ESPALIER_OK;
    }
    espalier_text_slice rest = block->split_gain;
    espalier_status status =
        espalier_lightgbm_words(import, &block->split_gain, "split_gain", inner_count);
    for (uint32_t i = 0; status == ESPALIER_OK && i < inner_count; i++) {
        double gain = 0.0;
        status = espalier_lightgbm_real(import, &rest, "split_gain", i, false, &gain);
        if (status == ESPALIER_OK && features[i] < splits->feature_count && (float)gain > 0.0F) {
            splits->counts[features[i]] += 1.0;
            splits->gains[features[i]] += (double)(float)gain;
        }
    }
    return status;
}

/* What is missing at a node, and where it goes. A node that asks for a category has its mark in
 * missing_left until its set is read. */
static espalier_status read_decisions(const espalier_lightgbm_import *import,
                                      const espalier_lightgbm_block *block, uint32_t inner_count,
                                      uint64_t first_node)
{
    static const espalier_forest_missing rules[] = {ESPALIER_FOREST_MISSING_NEVER,
                                                    ESPALIER_FOREST_MISSING_ZERO,
                                                    ESPALIER_FOREST_MISSING_NAN};
    espalier_forest *const forest = import->forest;
    espalier_text_slice rest = block->decision_type;
    int64_t decision = 0;
    espalier_status status =
        espalier_lightgbm_words(import, &block->decision_type, "decision_type", inner_count);
    for (uint32_t i = 0; status == ESPALIER_OK && i < inner_count; i++) {
        status =
            espalier_lightgbm_item(import, &rest, "decision_type", i, 0, DECISION_MAX, &decision);
        if (status != ESPALIER_OK) {
            return status;
        }
        const size_t rule = (size_t)decision >> DECISION_MISSING_SHIFT;
        const bool is_set = (decision & DECISION_CATEGORICAL) != 0;
        if ((is_set && block->cat_count_number == 0) || rule >= sizeof rules / sizeof rules[0]) {
            return espalier_lightgbm_fail(import, &rest, ESPALIER_ERROR_SOURCE_TREE,
                                          "decision_type[%" PRIu32 "] is %" PRId64 ", %s", i,
                                          decision,
                                          is_set && rule < sizeof rules / sizeof rules[0]
                                              ? "a categorical split, where num_cat is 0"
                                              : "which has no known missing type");
        }
        if (is_set) {
            forest->missing_rule[first_node + i] = ESPALIER_FOREST_MISSING_NAN;
            forest->missing_left[first_node + i] = SET_MARK;
            continue;
        }
        forest->missing_rule[first_node + i] = (uint8_t)rules[rule];
        /* A direction that is never taken would only make columns look different. */
        forest->missing_left[first_node + i] =
            rules[rule] != ESPALIER_FOREST_MISSING_NEVER && (decision & DECISION_DEFAULT_LEFT) != 0;
    }
    return status;
}

/* Training rows per node. One-leaf trees, and files that others write, may not say. */
static espalier_status read_covers(const espalier_lightgbm_import *import,
                                   const espalier_text_slice *value, const char *key,
                                   uint32_t count, double *covers)
{
    if (value->text == NULL || (count == 1 && espalier_text_word_count(value) == 0)) {
        return ESPALIER_OK;
    }
    return espalier_lightgbm_reals(import, value, key, count, false, covers);
}

/* The sets of the nodes that ask for a category. */
static espalier_status read_sets(espalier_lightgbm_import *import,
                                 const espalier_lightgbm_block *block, uint32_t inner_count,
                                 uint64_t first_node)
{
    espalier_forest *const forest = import->forest;
    espalier_lightgbm_fields fields = {0};
    espalier_status status = espalier_lightgbm_open_fields(import, block, &fields);
    for (uint32_t i = 0; status == ESPALIER_OK && i < inner_count; i++) {
        if (forest->missing_left[first_node + i] == SET_MARK) {
            forest->missing_left[first_node + i] = 0;
            status = espalier_lightgbm_add_set(import, block, &fields, i, first_node + i);
        }
    }
    espalier_lightgbm_close_fields(import, &fields);
    return status;
}

static espalier_status read_tree(espalier_lightgbm_import *import,
                                 const espalier_lightgbm_block *block,
                                 const espalier_forest_tree *tree)
{
    espalier_forest *const forest = import->forest;
    const uint64_t first = tree->first_node;
    const uint32_t inner = tree->leaf_count - 1;
    espalier_status status =
        espalier_lightgbm_reals(import, &block->leaf_value, "leaf_value", tree->leaf_count, false,
                                forest->leaf_values + tree->first_leaf);
    if (status == ESPALIER_OK) {
        status = read_covers(import, &block->leaf_count, "leaf_count", tree->leaf_count,
                             forest->cover + first + inner);
    }
    if (status == ESPALIER_OK && import->linear) {
        status = espalier_lightgbm_read_lines(import, block, tree);
    }
    for (uint32_t leaf = 0; leaf < tree->leaf_count; leaf++) {
        const uint64_t at = first + inner + leaf;
        forest->left[at] = ESPALIER_FOREST_LEAF;
        forest->right[at] = leaf;
        forest->number[at] = leaf;
    }
    if (status != ESPALIER_OK || inner == 0) {
        return status;
    }
    status = read_features(import, &block->split_feature, inner, forest->feature + first);
    if (status == ESPALIER_OK) {
        status = add_gains(import, block, inner, forest->feature + first);
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_reals(import, &block->threshold, "threshold", inner, true,
                                         forest->threshold + first);
    }
    if (status == ESPALIER_OK) {
        status = read_decisions(import, block, inner, first);
    }
    if (status == ESPALIER_OK && block->cat_count_number > 0) {
        status = read_sets(import, block, inner, first);
    }
    if (status == ESPALIER_OK) {
        status =
            read_children(import, &block->left_child, "left_child", inner, forest->left + first);
    }
    if (status == ESPALIER_OK) {
        status =
            read_children(import, &block->right_child, "right_child", inner, forest->right + first);
    }
    return status == ESPALIER_OK ? read_covers(import, &block->internal_count, "internal_count",
                                               inner, forest->cover + first)
                                 : status;
}

espalier_status espalier_lightgbm_read_trees(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    uint64_t next_node = 0;
    uint64_t next_leaf = 0;
    espalier_status status = count_trees(import);
    if (status == ESPALIER_OK) {
        status = make_arrays(import);
    }
    import->lines = import->trees;
    for (uint32_t i = 0; status == ESPALIER_OK && i < forest->tree_count; i++) {
        espalier_lightgbm_block block;
        espalier_text_slice line;
        espalier_forest_tree *const tree = &forest->trees[i];
        import->tree = i;
        (void)peek_line(import, &line); /* counted already */
        status = read_block(import, &block);
        if (status != ESPALIER_OK) {
            break;
        }
        *tree = (espalier_forest_tree){.first_node = next_node,
                                       .first_leaf = next_leaf,
                                       .node_count = block.leaf_count_number * 2 - 1,
                                       .leaf_count = block.leaf_count_number};
        next_node += tree->node_count;
        next_leaf += tree->leaf_count;
        if (forest->tree_slot != NULL) {
            forest->tree_slot[i] = i % forest->slot_count;
            forest->tree_iteration[i] = i / forest->slot_count;
        }
        status = read_tree(import, &block, tree);
    }
    import->tree = ESPALIER_LIGHTGBM_NO_TREE;
    /* As pred_leaf in 4.6; in 4.0 and before, the leaves of a single tree have one axis. */
    forest->leaf_is_vector = true;
    forest->iteration_count = forest->tree_count / forest->slot_count;
    return status == ESPALIER_OK && import->linear ? espalier_lightgbm_lift_lines(import) : status;
}
