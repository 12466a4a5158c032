// SPDX-License-Identifier: Apache-2.0
/*
 * espalier plot: a tree as SVG or for Graphviz. Includes tree_view.h, markup.h, command_line.h,
 * output.h and libc.
 */
#include "command_line.h"
#include "espalier_inspect.h"
#include "markup.h"
#include "output.h"
#include "tree_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help_head[] =
    "Usage: espalier plot MODEL -o FILE [options]\n"
    "\n"
    "Draws a tree, from the root on the left to the leaves on the right. Up is yes.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "A drawing holds up to 20,000 nodes; a larger tree needs --depth.\n"
    "\n"
    "Examples:\n"
    "  espalier plot forest.espalier --tree 3 -o tree.svg\n"
    "  espalier plot forest.espalier --tree 3 -o tree.dot && dot -Tpdf tree.dot -o tree.pdf\n";

enum {
    DEPTH_DEFAULT = 6,
    DRAWN_MAX = 20000,
    COLUMNS_MAX = 46, /* of a label; the whole text is in its tooltip */
    NAME_COLUMNS_MIN = 8
};

/* Sizes of the drawing, in CSS pixels. */
#define CHARACTER   7.25
#define BOX_HEIGHT  26.0
#define ROW_HEIGHT  36.0
#define LEVEL_GAP   92.0
#define BOX_PADDING 22.0
#define MARGIN      18.0
#define TITLE       34.0

typedef struct plot_options {
    const char *model_path;
    const char *out_path;
    uint64_t tree;
    uint64_t depth;
    const char *format;
} plot_options;

/* A node that is drawn. */
typedef struct plot_box {
    uint32_t index;  /* in the tree view */
    uint32_t parent; /* another box; ESPALIER_VIEW_NONE: the root */
    bool is_yes;
    bool is_cut; /* stands for all nodes below it */
    char *text;  /* visible */
    char *label; /* the same, cut */
    double row;
} plot_box;

typedef struct plot {
    espalier_view view;
    espalier_tree_view tree;
    plot_box *boxes;
    uint32_t count;
    double *level_x; /* [levels] where a level begins */
    double *level_width;
    uint32_t levels;
    double row_count;
} plot;

/* ---- options --------------------------------------------------------------------------------- */

static const espalier_option known[] = {
    {"out", "FILE", "write to FILE, .svg (a picture) or .dot (for Graphviz), or -",
     offsetof(plot_options, out_path), .take = espalier_take_text, .letter = 'o'},
    {"format", "FORMAT", "svg or dot, whatever FILE is called", offsetof(plot_options, format),
     .take = espalier_take_text},
    {"tree", "N", "which tree, counted from 0 (default: 0)", offsetof(plot_options, tree),
     .high = UINT32_MAX, .take = espalier_take_count},
    {"depth", "N", "draw N levels (default: 6; 0: all)", offsetof(plot_options, depth),
     .high = UINT32_MAX, .take = espalier_take_count},
};

static int check_options(void *arguments, const espalier_operands *operands)
{
    plot_options *const options = arguments;
    (void)operands;
    if (options->out_path[0] == '\0') {
        return espalier_usage_fail("plot", "-o FILE is needed");
    }
    const char *const dot = strrchr(options->out_path, '.');
    if (options->format[0] == '\0' && dot != NULL) {
        options->format = dot + 1;
    }
    if (strcmp(options->format, "svg") != 0 && strcmp(options->format, "dot") != 0) {
        return espalier_usage_fail("plot", "'%s': say --format svg or --format dot",
                                   options->format[0] != '\0' ? options->format
                                                              : options->out_path);
    }
    if (espalier_is_same_file(options->out_path, options->model_path)) {
        return espalier_usage_fail("plot", "'%s' is both input and output", options->out_path);
    }
    return 0;
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(plot_options, model_path),
    .check = check_options,
};

/* ---- boxes ----------------------------------------------------------------------------------- */

/* What stands in a box; NULL: no memory. */
static char *box_text(const plot *p, const plot_box *box)
{
    const espalier_view_node *const node = &p->tree.nodes[box->index];
    char count[32];
    char cut[96];
    char *words = NULL;
    if (box->is_cut) {
        (void)snprintf(cut, sizeof cut, "... %s nodes",
                       espalier_format_count(node->node_count, count));
        words = strdup(cut);
    } else if (node->node.feature == ESPALIER_FEATURE_NONE) {
        words = espalier_view_leaf(&p->view, &p->tree, &node->node);
    } else {
        words = espalier_view_test(&p->view, &node->node);
    }
    char *const text = words != NULL ? espalier_visible_text(words, strlen(words)) : NULL;
    free(words);
    return text;
}

/* Cuts what is too long: of a test the name, since its threshold stands nowhere else. */
static void cut_label(char *label)
{
    char *tail = NULL;
    for (char *at = strstr(label, " <= "); at != NULL; at = strstr(at + 1, " <= ")) {
        tail = at;
    }
    const size_t tail_columns = tail != NULL ? espalier_visible_columns(tail) : COLUMNS_MAX;
    if (tail_columns + NAME_COLUMNS_MIN > COLUMNS_MAX ||
        espalier_visible_columns(label) <= COLUMNS_MAX) {
        espalier_visible_cut(label, COLUMNS_MAX);
        return;
    }
    *tail = '\0';
    espalier_visible_cut(label, COLUMNS_MAX - tail_columns);
    *tail = ' ';
    memmove(label + strlen(label), tail, strlen(tail) + 1);
}

/* Chooses the boxes, in preorder. `box_of` has a place for each node of the tree. */
static bool choose_boxes(plot *p, uint64_t depth, uint32_t *box_of, espalier_message *message)
{
    const espalier_tree_view *const tree = &p->tree;
    for (uint32_t i = 0; i < tree->count; i++) {
        const espalier_view_node *const node = &tree->nodes[i];
        if (p->count == DRAWN_MAX) {
            return espalier_message_set(message,
                                        "tree %" PRIu32 " is too large to draw: say --depth "
                                        "(it has %" PRIu32 " nodes, depth %" PRIu32 ")",
                                        tree->tree_index, tree->count, tree->info.depth);
        }
        const bool is_root = node->parent == ESPALIER_VIEW_NONE;
        plot_box *const box = &p->boxes[p->count];
        *box = (plot_box){.index = i,
                          .parent = is_root ? ESPALIER_VIEW_NONE : box_of[node->parent],
                          .is_yes = !is_root && node->parent + 1 == i,
                          .is_cut = depth > 0 && node->depth >= depth && node->node_count > 1};
        box_of[i] = p->count++;
        box->text = box_text(p, box);
        box->label = box->text != NULL ? strdup(box->text) : NULL;
        if (box->label == NULL) {
            return espalier_message_set(message, "not enough memory");
        }
        cut_label(box->label);
        p->levels = node->depth + 1 > p->levels ? node->depth + 1 : p->levels;
        if (box->is_cut) {
            i += node->node_count - 1;
        }
    }
    return true;
}

static bool is_inner(const plot *p, const plot_box *box)
{
    return !box->is_cut && p->tree.nodes[box->index].node.feature != ESPALIER_FEATURE_NONE;
}

/* Ends stand one below the other, inner nodes between their two children; levels are as wide as
 * their widest box. */
static bool place_boxes(plot *p, espalier_message *message)
{
    double *const sums = calloc(p->count, sizeof *sums);
    p->level_x = calloc(p->levels, sizeof *p->level_x);
    p->level_width = calloc(p->levels, sizeof *p->level_width);
    if (sums == NULL || p->level_x == NULL || p->level_width == NULL) {
        free(sums);
        return espalier_message_set(message, "not enough memory");
    }
    for (uint32_t i = 0; i < p->count; i++) {
        plot_box *const box = &p->boxes[i];
        const double width = (double)espalier_visible_columns(box->label) * CHARACTER + BOX_PADDING;
        double *const level = &p->level_width[p->tree.nodes[box->index].depth];
        *level = width > *level ? width : *level;
        if (!is_inner(p, box)) {
            box->row = p->row_count;
            p->row_count += 1.0;
        }
    }
    for (uint32_t i = p->count; i-- > 0;) {
        plot_box *const box = &p->boxes[i];
        if (is_inner(p, box)) {
            box->row = sums[i] / 2.0;
        }
        if (box->parent != ESPALIER_VIEW_NONE) {
            sums[box->parent] += box->row;
        }
    }
    double x = MARGIN;
    for (uint32_t level = 0; level < p->levels; level++) {
        p->level_x[level] = x;
        x += p->level_width[level] + LEVEL_GAP;
    }
    free(sums);
    return true;
}

/* "yes", and "missing" where a missing value goes the same way. */
static void edge_text(const plot *p, const plot_box *box, char text[64])
{
    const espalier_node *const parent = &p->tree.nodes[p->boxes[box->parent].index].node;
    const char *const missing = espalier_view_missing(&p->view, parent);
    const bool takes = missing[0] != '\0' && (parent->missing_left != 0) == box->is_yes;
    (void)snprintf(text, 64, "%s%s%s", box->is_yes ? "yes" : "no", takes ? ", " : "",
                   takes ? missing : "");
}

/* ---- SVG ------------------------------------------------------------------------------------- */

static const char svg_style[] =
    "<style>\n"
    "  svg { background: #fbfaf7; color: #22261f; }\n"
    "  text { font: 12px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;"
    " fill: currentColor; }\n"
    "  .title { font-weight: 600; font-size: 13px; }\n"
    "  .edge { font-size: 10px; fill: #6d7468; stroke: #fbfaf7; stroke-width: 4px;"
    " stroke-linejoin: round; paint-order: stroke; }\n"
    "  path { fill: none; stroke-width: 1.5; }\n"
    "  .yes { stroke: #2f7d4f; } .no { stroke: #b4622d; stroke-dasharray: 5 3; }\n"
    "  rect { fill: #ffffff; stroke: #b9bfb0; rx: 6px; }\n"
    "  .leaf rect { fill: #e4f0e2; stroke: #8db38b; rx: 13px; }\n"
    "  .cut rect { fill: none; stroke-dasharray: 3 3; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    svg { background: #171a16; color: #e6e9e0; }\n"
    "    .edge { fill: #9aa392; stroke: #171a16; }\n"
    "    .yes { stroke: #6cc08b; } .no { stroke: #e39a63; }\n"
    "    rect { fill: #22261f; stroke: #4c5446; } .leaf rect { fill: #22382a; stroke: #4f7a5b; }\n"
    "  }\n"
    "</style>\n";

static double box_y(const plot_box *box)
{
    return TITLE + MARGIN + box->row * ROW_HEIGHT;
}

static double box_width(const plot_box *box)
{
    return (double)espalier_visible_columns(box->label) * CHARACTER + BOX_PADDING;
}

static void print_svg_edge(const plot *p, const plot_box *box, FILE *stream)
{
    const plot_box *const parent = &p->boxes[box->parent];
    const uint32_t level = p->tree.nodes[box->index].depth;
    const double x0 = p->level_x[level - 1] + box_width(parent);
    const double y0 = box_y(parent) + BOX_HEIGHT / 2;
    const double x1 = p->level_x[level];
    const double y1 = box_y(box) + BOX_HEIGHT / 2;
    fprintf(stream, "<path class=\"%s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n",
            box->is_yes ? "yes" : "no", x0, y0, x1 - LEVEL_GAP / 2, y0, x1 - LEVEL_GAP / 2, y1, x1,
            y1);
}

/* Behind all edges, so that none goes through it. */
static void print_svg_word(const plot *p, const plot_box *box, FILE *stream)
{
    char text[64];
    const double x1 = p->level_x[p->tree.nodes[box->index].depth];
    const double y1 = box_y(box) + BOX_HEIGHT / 2;
    edge_text(p, box, text);
    fprintf(stream, "<text class=\"edge\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
            x1 - 6, y1 - 4, text);
}

static void print_svg_box(const plot *p, const plot_box *box, FILE *stream)
{
    const espalier_view_node *const node = &p->tree.nodes[box->index];
    const bool is_leaf = node->node.feature == ESPALIER_FEATURE_NONE;
    const double x = p->level_x[node->depth];
    fprintf(stream, "<g class=\"%s\"><title>", box->is_cut ? "cut" : is_leaf ? "leaf" : "node");
    espalier_print_xml(stream, box->text);
    if (node->number != ESPALIER_NUMBER_NONE) {
        fprintf(stream, " (leaf %" PRIu32 ")", node->number);
    }
    fprintf(stream,
            "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\">",
            x, box_y(box), box_width(box), BOX_HEIGHT, x + BOX_PADDING / 2, box_y(box) + 17);
    espalier_print_xml(stream, box->label);
    fputs("</text></g>\n", stream);
}

static void print_svg(const plot *p, FILE *stream)
{
    char nodes[32];
    char leaves[32];
    char title[160];
    const uint32_t last = p->levels - 1;
    const double title_width = 560.0;
    const double drawn = p->level_x[last] + p->level_width[last] + MARGIN;
    const double width = drawn > title_width ? drawn : title_width;
    const double height = TITLE + 2 * MARGIN + p->row_count * ROW_HEIGHT;
    (void)snprintf(title, sizeof title, "Tree %" PRIu32 ": %s nodes, %s leaves, depth %" PRIu32,
                   p->tree.tree_index, espalier_format_count(p->tree.count, nodes),
                   espalier_format_count(p->tree.nodes[0].leaf_count, leaves), p->tree.info.depth);
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\""
            " viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"title\">\n"
            "<title id=\"title\">%s</title>\n",
            width, height, width, height, title);
    fputs(svg_style, stream);
    fprintf(stream, "<text class=\"title\" x=\"%.1f\" y=\"26\">%s</text>\n", MARGIN, title);
    for (uint32_t i = 1; i < p->count; i++) {
        print_svg_edge(p, &p->boxes[i], stream);
    }
    for (uint32_t i = 1; i < p->count; i++) {
        print_svg_word(p, &p->boxes[i], stream);
    }
    for (uint32_t i = 0; i < p->count; i++) {
        print_svg_box(p, &p->boxes[i], stream);
    }
    fputs("</svg>\n", stream);
}

/* ---- Graphviz -------------------------------------------------------------------------------- */

static void print_dot_file(const plot *p, FILE *stream)
{
    char text[64];
    fputs("digraph tree {\n"
          "  rankdir=LR;\n"
          "  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=10];\n"
          "  edge [fontname=\"monospace\", fontsize=9];\n",
          stream);
    for (uint32_t i = 0; i < p->count; i++) {
        const plot_box *const box = &p->boxes[i];
        const bool is_leaf =
            p->tree.nodes[box->index].node.feature == ESPALIER_FEATURE_NONE && !box->is_cut;
        fprintf(stream, "  n%" PRIu32 " [label=\"", box->index);
        espalier_print_dot(stream, box->text);
        fprintf(stream, "\"%s];\n",
                is_leaf       ? ", style=\"rounded,filled\", fillcolor=\"#e4f0e2\""
                : box->is_cut ? ", style=\"rounded,dashed\""
                              : "");
    }
    for (uint32_t i = 1; i < p->count; i++) {
        const plot_box *const box = &p->boxes[i];
        edge_text(p, box, text);
        fprintf(stream, "  n%" PRIu32 " -> n%" PRIu32 " [label=\"%s\"%s];\n",
                p->boxes[box->parent].index, box->index, text, box->is_yes ? "" : ", style=dashed");
    }
    fputs("}\n", stream);
}

/* ---- running --------------------------------------------------------------------------------- */

static bool lay_out(plot *p, const plot_options *options, espalier_message *message)
{
    if (!espalier_tree_view_load(&p->view, (uint32_t)options->tree, &p->tree, message) ||
        !espalier_tree_view_number(&p->view, &p->tree, message)) {
        return false;
    }
    const uint32_t room = p->tree.count < DRAWN_MAX ? p->tree.count : DRAWN_MAX;
    uint32_t *const box_of = calloc(p->tree.count, sizeof *box_of);
    p->boxes = calloc(room, sizeof *p->boxes);
    bool ok = box_of != NULL && p->boxes != NULL;
    if (!ok) {
        espalier_message_set(message, "not enough memory");
    }
    ok = ok && choose_boxes(p, options->depth, box_of, message) && place_boxes(p, message);
    free(box_of);
    return ok;
}

static bool write_plot(const plot *p, const plot_options *options, espalier_message *message)
{
    espalier_output output;
    if (!espalier_output_open(&output, options->out_path, message)) {
        espalier_output_discard(&output);
        return false;
    }
    if (options->format[0] == 's') {
        print_svg(p, output.stream);
    } else {
        print_dot_file(p, output.stream);
    }
    return espalier_output_commit(&output, message);
}

static void free_plot(plot *p)
{
    for (uint32_t i = 0; p->boxes != NULL && i < p->count; i++) {
        free(p->boxes[i].text);
        free(p->boxes[i].label);
    }
    free(p->boxes);
    free(p->level_x);
    free(p->level_width);
    espalier_tree_view_free(&p->tree);
    espalier_view_close(&p->view);
}

int espalier_command_plot(int argc, char **argv)
{
    plot_options options = {.model_path = "", .out_path = "", .format = "", .depth = DEPTH_DEFAULT};
    plot p = {0};
    espalier_message reason;
    espalier_message message;
    int code = espalier_options_read(&command_line, argc, argv, &options);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    code = espalier_view_open(options.model_path, 0, &p.view);
    if (code == 0 && !lay_out(&p, &options, &reason)) {
        espalier_message_set(&message, "%s: %.900s", options.model_path, reason.text);
        code = espalier_fail(message.text);
    } else if (code == 0 && !write_plot(&p, &options, &reason)) {
        code = espalier_fail(reason.text);
    }
    free_plot(&p);
    return code;
}
