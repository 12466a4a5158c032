// SPDX-License-Identifier: Apache-2.0
/*
 * The trees of the page, and what is counted over all of them. Includes report.h, info.h and libc.
 * Every tree is decoded once and forgotten; of each the page gets the levels that its share of the
 * nodes has room for.
 */
#include "espalier_inspect.h"
#include "info.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARE_MIN = 7 /* nodes of a tree that is worth drawing */
};

/* What is counted of a value that nodes test. */
typedef struct value_count {
    uint32_t value;
    uint32_t last_tree; /* plus 1 */
    uint64_t splits;
    uint64_t trees;
    uint64_t rows; /* of those that were given */
    double cover;  /* of the rows of training, as the file says */
    double reach;  /* visits a row, if it went either way as often */
    double least, most;
} value_count;

typedef struct tree_pass {
    const espalier_view *view;
    const espalier_report_options *options;
    const espalier_report_rows *rows;
    value_count *values; /* [value_count] */
    uint32_t value_total;
    uint64_t tree_depths[ESPALIER_REPORT_DEPTHS]; /* the last one: this deep or deeper */
    uint64_t leaf_depths[ESPALIER_REPORT_DEPTHS];
    uint64_t tree_leaves[34]; /* by powers of two: trees of up to 2^i leaves */
    uint64_t leaf_total;
    uint64_t node_total;
    uint64_t nodes_left; /* of the page's budget */
    uint64_t cuts_left;
    uint64_t trees_shown, trees_whole, nodes_shown;
    json_t *trees;
    json_t *row_leaves; /* of each row shown, the leaf of every tree shown */
} tree_pass;

json_t *espalier_report_text(const char *text, size_t bytes)
{
    size_t kept = bytes;
    if (bytes > ESPALIER_REPORT_TEXT_BYTES) {
        kept = ESPALIER_REPORT_TEXT_BYTES;
        while (kept > 0 && ((unsigned char)text[kept] & 0xC0u) == 0x80u) {
            kept--;
        }
    }
    json_t *const whole = espalier_json_text(text, kept);
    if (kept == bytes || whole == NULL) {
        return whole;
    }
    json_t *const cut = json_pack("s++", json_string_value(whole), "...", "");
    json_decref(whole);
    return cut;
}

static json_t *taken_text(char *text)
{
    json_t *const value = text != NULL ? espalier_report_text(text, strlen(text)) : NULL;
    free(text);
    return value;
}

/* ---- counting -------------------------------------------------------------------------------- */

static uint32_t depth_bin(uint32_t depth)
{
    return depth < ESPALIER_REPORT_DEPTHS ? depth : ESPALIER_REPORT_DEPTHS - 1;
}

static void count_tree(tree_pass *pass, const espalier_tree_view *tree)
{
    uint32_t power = 0;
    while ((UINT64_C(1) << power) < tree->nodes[0].leaf_count) {
        power++;
    }
    pass->tree_leaves[power]++;
    pass->tree_depths[depth_bin(tree->info.depth)]++;
    pass->leaf_total += tree->nodes[0].leaf_count;
    pass->node_total += tree->count;
    for (uint32_t i = 0; i < tree->count; i++) {
        const espalier_view_node *const node = &tree->nodes[i];
        if (node->node.feature == ESPALIER_FEATURE_NONE) {
            pass->leaf_depths[depth_bin(node->depth)]++;
            continue;
        }
        value_count *const value = &pass->values[node->node.feature];
        value->splits++;
        value->rows += node->cover;
        value->reach += ldexp(1.0, -(int)node->depth);
        if (value->last_tree != tree->tree_index + 1) {
            value->last_tree = tree->tree_index + 1;
            value->trees++;
        }
        if (node->node.is_set == 0) {
            value->least = fmin(value->least, node->node.threshold);
            value->most = fmax(value->most, node->node.threshold);
        }
    }
}

/* ---- one tree -------------------------------------------------------------------------------- */

/* How many levels fit into so many nodes: nodes at that depth stand for what is below them. */
static uint32_t depth_that_fits(const espalier_tree_view *tree, uint64_t node_max)
{
    uint32_t depth = 0;
    if (tree->count <= node_max) {
        return UINT32_MAX;
    }
    uint64_t *const counts = calloc((size_t)tree->count + 1, sizeof *counts);
    if (counts == NULL) {
        return 1;
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        counts[tree->nodes[i].depth]++;
    }
    uint64_t sum = counts[0];
    while (depth + 1 < tree->count && sum + counts[depth + 1] <= node_max) {
        sum += counts[++depth];
    }
    free(counts);
    return depth > 0 ? depth : 1;
}

/* Where a row goes at a set: [cuts, "01..."], a letter for each interval; null: no room for it. */
static json_t *make_set(tree_pass *pass, const espalier_node *node)
{
    const size_t count = espalier_model_set_cuts(pass->view->model, node, NULL, 0);
    if (count > pass->cuts_left) {
        return json_null();
    }
    double *const cuts = malloc((count + 1) * sizeof *cuts);
    char *const sides = malloc(count + 2);
    json_t *const list = json_array();
    if (cuts == NULL || sides == NULL) {
        free(cuts);
        free(sides);
        json_decref(list);
        return json_null();
    }
    pass->cuts_left -= count;
    espalier_model_set_cuts(pass->view->model, node, cuts, count);
    for (size_t i = 0; i <= count; i++) {
        const double value = i < count ? cuts[i] : (double)INFINITY;
        char text[32];
        sides[i] = espalier_model_set_left(pass->view->model, node, value) != 0 ? '1' : '0';
        if (i < count) {
            json_array_append_new(list,
                                  json_string(
                                      espalier_format_real(cuts[i], pass->view->is_float32, text)));
        }
    }
    sides[count + 1] = '\0';
    json_t *const set = json_pack("[o,s]", list, sides);
    free(cuts);
    free(sides);
    return set;
}

/* The columns of a tree's table, by node in preorder. */
typedef struct tree_table {
    json_t *features; /* a value; -1: a leaf; -2: stands for what is below it */
    json_t *texts;    /* threshold or set; what a leaf holds */
    json_t *rights;   /* the place of the right child */
    json_t *missing;  /* 0: nothing is missing here; 1: goes to yes; 2: to no; 4 more: zero too;
                         8 more: what is in the set goes to no */
    json_t *numbers;  /* a leaf's number, -1: none; of a node that stands for others their number */
    json_t *covers;
    json_t *sets; /* by place: see make_set */
} tree_table;

static int missing_flags(const espalier_view *view, const espalier_node *node, bool is_not)
{
    const char *const missing = espalier_view_missing(view, node);
    int flags = is_not ? 8 : 0;
    if (missing[0] != '\0') {
        flags += node->missing_left != 0 ? 1 : 2;
        flags += node->missing == ESPALIER_MISSING_ZERO ? 4 : 0;
    }
    return flags;
}

static void add_node(tree_pass *pass, tree_table *table, const espalier_tree_view *tree,
                     uint32_t index, bool is_cut, uint32_t right)
{
    const espalier_view *const view = pass->view;
    const espalier_view_node *const node = &tree->nodes[index];
    const bool is_leaf = node->node.feature == ESPALIER_FEATURE_NONE;
    bool is_not = false;
    json_t *text = json_string("");
    json_int_t number = 0;
    if (is_cut) {
        number = node->node_count;
    } else if (is_leaf) {
        json_decref(text);
        text = taken_text(espalier_view_leaf(view, tree, &node->node));
        number = node->number == ESPALIER_NUMBER_NONE ? -1 : (json_int_t)node->number;
    } else {
        json_decref(text);
        text = taken_text(espalier_view_bound(view, &node->node, &is_not));
    }
    if (!is_cut && !is_leaf && node->node.is_set != 0) {
        char place[16];
        (void)snprintf(place, sizeof place, "%zu", json_array_size(table->features));
        json_object_set_new(table->sets, place, make_set(pass, &node->node));
    }
    json_array_append_new(table->features,
                          json_integer(is_cut    ? -2
                                       : is_leaf ? -1
                                                 : (json_int_t)node->node.feature));
    json_array_append_new(table->texts, text);
    json_array_append_new(table->rights, json_integer(right));
    json_array_append_new(table->missing, json_integer(missing_flags(view, &node->node, is_not)));
    json_array_append_new(table->numbers, json_integer(number));
    if (pass->rows->count > 0) {
        json_array_append_new(table->covers, espalier_json_count(node->cover));
    }
}

/* The table down to a depth. `places` has room for every node: where it stands in the table. */
static json_t *make_table(tree_pass *pass, const espalier_tree_view *tree, uint32_t depth,
                          uint32_t *places)
{
    uint32_t count = 0;
    tree_table table = {json_array(), json_array(), json_array(), json_array(),
                        json_array(), json_array(), json_object()};
    for (uint32_t i = 0; i < tree->count; i++) {
        const bool is_cut = tree->nodes[i].depth >= depth && tree->nodes[i].node_count > 1;
        places[i] = count++;
        i += is_cut ? tree->nodes[i].node_count - 1 : 0;
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        const espalier_view_node *const node = &tree->nodes[i];
        const bool is_cut = node->depth >= depth && node->node_count > 1;
        const bool has_right = !is_cut && node->right != ESPALIER_VIEW_NONE;
        add_node(pass, &table, tree, i, is_cut, has_right ? places[node->right] : 0);
        i += is_cut ? node->node_count - 1 : 0;
    }
    pass->nodes_shown += count;
    pass->trees_whole += count == tree->count ? 1 : 0;
    json_t *const object = json_object();
    json_object_set_new(object, "f", table.features);
    json_object_set_new(object, "t", table.texts);
    json_object_set_new(object, "r", table.rights);
    json_object_set_new(object, "m", table.missing);
    json_object_set_new(object, "x", table.numbers);
    json_object_set_new(object, "c", table.covers);
    json_object_set_new(object, "s", table.sets);
    return object;
}

static bool is_whole(const tree_pass *pass, uint32_t tree_index)
{
    for (uint32_t i = 0; i < pass->options->whole_count; i++) {
        if (pass->options->whole_trees[i] == tree_index) {
            return true;
        }
    }
    return false;
}

static bool show_tree(tree_pass *pass, const espalier_tree_view *tree, uint64_t share)
{
    const bool whole = is_whole(pass, tree->tree_index);
    const uint64_t node_max = whole ? ESPALIER_REPORT_WHOLE_NODES : share;
    if (!whole && (share < SHARE_MIN || pass->trees_shown >= ESPALIER_REPORT_TREES)) {
        return true;
    }
    uint32_t *const places = malloc((size_t)tree->count * sizeof *places);
    if (places == NULL) {
        return false;
    }
    const uint64_t before = pass->nodes_shown;
    json_t *const object = make_table(pass, tree, depth_that_fits(tree, node_max), places);
    free(places);
    const uint64_t shown = pass->nodes_shown - before;
    if (!whole) {
        pass->nodes_left -= shown < pass->nodes_left ? shown : pass->nodes_left;
    }
    pass->trees_shown++;
    json_object_set_new(object, "i", json_integer(tree->tree_index));
    json_object_set_new(object, "n", json_integer(tree->count));
    json_object_set_new(object, "l", json_integer(tree->nodes[0].leaf_count));
    json_object_set_new(object, "d", json_integer(tree->info.depth));
    json_object_set_new(object, "k", json_integer(tree->info.number));
    json_object_set_new(object, "it", json_integer(tree->info.iteration));
    json_object_set_new(object, "p", json_integer(tree->info.part_index));
    return json_array_append_new(pass->trees, object) == 0;
}

/* ---- all trees ------------------------------------------------------------------------------- */

static void follow_rows(tree_pass *pass, espalier_tree_view *tree, json_t *leaves)
{
    for (uint64_t r = 0; r < pass->rows->count; r++) {
        const uint32_t leaf =
            espalier_tree_view_follow(pass->view, tree,
                                      pass->rows->values + r * pass->rows->value_count);
        if (r < ESPALIER_REPORT_ROWS_SHOWN) {
            const uint32_t number = tree->nodes[leaf].number;
            json_array_append_new(leaves, json_integer(number == ESPALIER_NUMBER_NONE
                                                           ? -1
                                                           : (json_int_t)number));
        }
    }
}

static bool pass_tree(tree_pass *pass, uint32_t tree_index, espalier_message *message)
{
    espalier_tree_view tree;
    bool ok = espalier_tree_view_load(pass->view, tree_index, &tree, message);
    for (uint32_t i = 0; ok && i < tree.count; i++) {
        const uint32_t feature = tree.nodes[i].node.feature;
        if (feature != ESPALIER_FEATURE_NONE && feature >= pass->value_total) {
            ok = espalier_message_set(message, "tree %" PRIu32 " asks for no value", tree_index);
        }
    }
    if (ok && pass->trees_shown < ESPALIER_REPORT_TREES) {
        ok = espalier_tree_view_number(pass->view, &tree, message);
    }
    if (ok) {
        const uint64_t trees_left = pass->view->info.tree_count - tree_index;
        const uint64_t before = pass->trees_shown;
        json_t *const leaves = json_array();
        follow_rows(pass, &tree, leaves);
        count_tree(pass, &tree);
        ok = show_tree(pass, &tree, pass->nodes_left / trees_left) ||
             espalier_message_set(message, "not enough memory");
        if (pass->trees_shown > before) {
            json_array_append(pass->row_leaves, leaves);
        }
        json_decref(leaves);
    }
    espalier_tree_view_free(&tree);
    return ok;
}

/* Most splits first. */
static int compare_values(const void *left, const void *right)
{
    const value_count *const a = left;
    const value_count *const b = right;
    if (a->splits != b->splits) {
        return a->splits < b->splits ? 1 : -1;
    }
    return (a->value > b->value) - (a->value < b->value);
}

static json_t *make_real(const tree_pass *pass, double value)
{
    char text[32];
    return json_string(espalier_format_real(value, pass->view->is_float32, text));
}

static json_t *make_features(tree_pass *pass, uint64_t *used_out)
{
    json_t *const features = json_array();
    uint64_t used = 0;
    qsort(pass->values, pass->value_total, sizeof *pass->values, compare_values);
    while (used < pass->value_total && pass->values[used].splits > 0) {
        const value_count *const value = &pass->values[used++];
        if (used > ESPALIER_REPORT_FEATURES) {
            continue;
        }
        json_t *const object = json_object();
        json_object_set_new(object, "v", json_integer(value->value));
        json_object_set_new(object, "name",
                            taken_text(espalier_view_value_name(pass->view, value->value)));
        json_object_set_new(object, "splits", espalier_json_count(value->splits));
        json_object_set_new(object, "trees", espalier_json_count(value->trees));
        json_object_set_new(object, "rows", espalier_json_count(value->rows));
        json_object_set_new(object, "cover", json_real(value->cover));
        json_object_set_new(object, "reach", json_real(isfinite(value->reach) ? value->reach : 0));
        if (value->least <= value->most) {
            json_object_set_new(object, "least", make_real(pass, value->least));
            json_object_set_new(object, "most", make_real(pass, value->most));
        }
        json_array_append_new(features, object);
    }
    *used_out = used;
    return features;
}

static json_t *make_counts(const uint64_t *counts, size_t count)
{
    json_t *const list = json_array();
    while (count > 1 && counts[count - 1] == 0) {
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, espalier_json_count(counts[i]));
    }
    return list;
}

static void add_results(tree_pass *pass, json_t *page)
{
    uint64_t used = 0;
    json_t *const shape = json_object();
    json_t *const left_out = json_object();
    const uint64_t tree_total = pass->view->info.tree_count;
    json_object_set_new(page, "features", make_features(pass, &used));
    json_object_set_new(shape, "tree_depths",
                        make_counts(pass->tree_depths, ESPALIER_REPORT_DEPTHS));
    json_object_set_new(shape, "leaf_depths",
                        make_counts(pass->leaf_depths, ESPALIER_REPORT_DEPTHS));
    json_object_set_new(shape, "tree_leaves", make_counts(pass->tree_leaves, 34));
    json_object_set_new(shape, "leaf_total", espalier_json_count(pass->leaf_total));
    json_object_set_new(shape, "value_total", espalier_json_count(pass->value_total));
    json_object_set_new(shape, "values_used", espalier_json_count(used));
    json_object_set_new(page, "shape", shape);
    json_object_set_new(left_out, "features",
                        espalier_json_count(
                            used > ESPALIER_REPORT_FEATURES ? used - ESPALIER_REPORT_FEATURES : 0));
    json_object_set_new(left_out, "trees", espalier_json_count(tree_total - pass->trees_shown));
    json_object_set_new(left_out, "trees_cut",
                        espalier_json_count(pass->trees_shown - pass->trees_whole));
    json_object_set_new(left_out, "nodes",
                        espalier_json_count(pass->node_total - pass->nodes_shown));
    json_object_set_new(left_out, "nodes_shown", espalier_json_count(pass->nodes_shown));
    json_object_set_new(page, "left_out", left_out);
    json_object_set(page, "trees", pass->trees);
    json_object_set(page, "row_leaves", pass->row_leaves);
}

/* Nothing counted yet, and the covers that the file keeps; adds their "cover_unit" to the page. */
static bool prepare_values(const espalier_view *view, value_count *values, uint32_t value_total,
                           json_t *page, espalier_message *message)
{
    double *const covers = calloc(value_total, sizeof *covers);
    if (covers == NULL) {
        return espalier_message_set(message, "not enough memory");
    }
    const char *const unit =
        espalier_info_cover_unit(espalier_model_covers(view->model, covers, value_total));
    for (uint32_t i = 0; i < value_total; i++) {
        values[i] = (value_count){.value = i,
                                  .cover = covers[i],
                                  .least = (double)INFINITY,
                                  .most = -(double)INFINITY};
    }
    free(covers);
    json_object_set_new(page, "cover_unit", unit != NULL ? json_string(unit) : json_null());
    return true;
}

bool espalier_report_trees(const espalier_view *view, const espalier_report_options *options,
                           const espalier_report_rows *rows, json_t *page,
                           espalier_message *message)
{
    tree_pass *const pass = calloc(1, sizeof *pass);
    const uint32_t value_total = espalier_model_value_count(view->model);
    value_count *const values = calloc(value_total, sizeof *values);
    bool ok = pass != NULL && values != NULL;
    if (!ok) {
        espalier_message_set(message, "not enough memory");
    } else {
        *pass = (tree_pass){.view = view,
                            .options = options,
                            .rows = rows,
                            .values = values,
                            .value_total = value_total,
                            .nodes_left = options->node_max,
                            .cuts_left = ESPALIER_REPORT_SET_CUTS,
                            .trees = json_array(),
                            .row_leaves = json_array()};
    }
    ok = ok && prepare_values(view, values, value_total, page, message);
    for (uint32_t i = 0; ok && i < view->info.tree_count; i++) {
        ok = pass_tree(pass, i, message);
    }
    if (ok) {
        add_results(pass, page);
    }
    if (pass != NULL) {
        json_decref(pass->trees);
        json_decref(pass->row_leaves);
    }
    free(pass);
    free(values);
    return ok;
}
