// SPDX-License-Identifier: Apache-2.0
/*
 * espalier show: a tree in the terminal. Includes command_line.h, tree_view.h, view_rows.h and
 * libc. Colours only where a terminal shows them; every text of the model is escaped.
 */
#include "command_line.h"
#include "espalier_inspect.h"
#include "tree_view.h"
#include "view_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help_head[] =
    "Usage: espalier show MODEL [options]\n"
    "\n"
    "Prints a tree: what each node asks, where yes and no lead, what the leaves hold.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "A row goes to yes when its value is at or below the threshold. Numbers behind # are the\n"
    "trainer's numbers of the leaves.\n"
    "\n"
    "Examples:\n"
    "  espalier show forest.espalier --tree 3\n"
    "  espalier show forest.espalier --tree 3 --rows rows.csv --row 0\n";

enum {
    DEPTH_DEFAULT = 8
};

typedef struct show_options {
    const char *model_path;
    const char *rows_path;
    uint64_t tree;
    uint64_t depth;
    uint64_t row;
    bool has_row;
    bool is_ascii;
    const char *color;
} show_options;

/* How things look; all empty without colours. */
typedef struct show_style {
    const char *test, *yes, *no, *leaf, *dim, *way, *end;
    const char *bar, *branch, *last, *blank;
} show_style;

static const show_style lines = {"", "", "", "", "", "", "", "│  ", "├─ ", "└─ ", "   "};
static const show_style ascii = {"", "", "", "", "", "", "", "|  ", "|- ", "`- ", "   "};

static int take_row_number(const espalier_given *given, void *place)
{
    show_options *const options = place;
    options->has_row = true;
    return espalier_take_count(given, &options->row);
}

static int take_color(const espalier_given *given, void *place)
{
    if (strcmp(given->value, "auto") != 0 && strcmp(given->value, "always") != 0 &&
        strcmp(given->value, "never") != 0) {
        return espalier_given_fail(given, "is none of auto, always, never");
    }
    return espalier_take_text(given, place);
}

static const espalier_option known[] = {
    {"tree", "N", "which tree, counted from 0 (default: 0)", offsetof(show_options, tree),
     .high = UINT32_MAX, .take = espalier_take_count},
    {"depth", "N", "print N levels (default: 8; 0: all)", offsetof(show_options, depth),
     .high = UINT32_MAX, .take = espalier_take_count},
    {"rows", "FILE", "count the rows of an .npy or .csv file that come to each node",
     offsetof(show_options, rows_path), .take = espalier_take_text},
    {"row", "N", "of these rows follow only row N, counted from 0, and mark its way",
     .high = UINT32_MAX, .take = take_row_number},
    {"ascii", NULL, "draw with - | ` instead of lines", offsetof(show_options, is_ascii),
     .take = espalier_take_true},
    {"color", "WHEN",
     "auto, always or never (default: auto, which is never when the\n"
     "output is no terminal or NO_COLOR is set)",
     offsetof(show_options, color), .take = take_color},
};

static int check_options(void *arguments, const espalier_operands *operands)
{
    const show_options *const options = arguments;
    (void)operands;
    return options->has_row && options->rows_path == NULL
               ? espalier_usage_fail("show", "--row needs --rows")
               : 0;
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(show_options, model_path),
    .check = check_options,
};

static show_style choose_style(const show_options *options)
{
    show_style style = options->is_ascii ? ascii : lines;
    const char *const wish = getenv("NO_COLOR");
    const bool automatic = isatty(STDOUT_FILENO) != 0 && (wish == NULL || wish[0] == '\0');
    if (strcmp(options->color, "always") == 0 ||
        (strcmp(options->color, "auto") == 0 && automatic)) {
        style.test = "\033[36m";
        style.yes = "\033[32m";
        style.no = "\033[33m";
        style.leaf = "\033[1m";
        style.dim = "\033[2m";
        style.way = "\033[1;35m";
        style.end = "\033[0m";
    }
    return style;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* The lines down to a node from its ancestors. `follows` has a place for every level. */
static void print_branches(const espalier_tree_view *tree, uint32_t index, const show_style *style,
                           bool *follows)
{
    const espalier_view_node *const node = &tree->nodes[index];
    uint32_t at = index;
    for (uint32_t level = node->depth; level > 0; level--) {
        const uint32_t parent = tree->nodes[at].parent;
        follows[level] = tree->nodes[parent].right != at;
        at = parent;
    }
    fputs(style->dim, stdout);
    for (uint32_t level = 1; level < node->depth; level++) {
        fputs(follows[level] ? style->bar : style->blank, stdout);
    }
    if (node->depth > 0) {
        fputs(follows[node->depth] ? style->branch : style->last, stdout);
    }
    fputs(style->end, stdout);
    if (node->depth > 0) {
        const bool is_yes = follows[node->depth];
        printf("%s%s%s", is_yes ? style->yes : style->no, is_yes ? "yes " : "no  ", style->end);
    }
}

static bool print_node(const espalier_view *view, const espalier_tree_view *tree,
                       const espalier_view_node *node, const show_style *style, bool counted)
{
    char text[32];
    const bool is_leaf = node->node.feature == ESPALIER_FEATURE_NONE;
    char *const words = is_leaf ? espalier_view_leaf(view, tree, &node->node)
                                : espalier_view_test(view, &node->node);
    if (words == NULL) {
        return false;
    }
    fputs(is_leaf ? style->leaf : style->test, stdout);
    espalier_print_text(stdout, words);
    fputs(style->end, stdout);
    free(words);
    const char *const missing = espalier_view_missing(view, &node->node);
    fputs(style->dim, stdout);
    if (is_leaf && node->number != ESPALIER_NUMBER_NONE) {
        printf("  #%" PRIu32, node->number);
    }
    if (missing[0] != '\0') {
        printf("  [%s: %s]", missing, node->node.missing_left != 0 ? "yes" : "no");
    }
    fputs(style->end, stdout);
    if (counted) {
        printf("  %s%s row%s%s", node->cover > 0 ? style->way : style->dim,
               espalier_format_count(node->cover, text), node->cover == 1 ? "" : "s", style->end);
    }
    putchar('\n');
    return true;
}

static bool print_tree(const espalier_view *view, const espalier_tree_view *tree,
                       const show_options *options, const show_style *style)
{
    char text[32];
    bool *const follows = calloc((size_t)tree->info.position_count + 1, sizeof *follows);
    bool ok = follows != NULL;
    for (uint32_t i = 0; ok && i < tree->count; i++) {
        const espalier_view_node *const node = &tree->nodes[i];
        print_branches(tree, i, style, follows);
        if (options->depth == 0 || node->depth < options->depth || node->node_count == 1) {
            ok = print_node(view, tree, node, style, options->rows_path != NULL);
            continue;
        }
        printf("%s... %s nodes", style->dim, espalier_format_count(node->node_count, text));
        printf(", %s leaves (--depth 0: all)%s\n", espalier_format_count(node->leaf_count, text),
               style->end);
        i += node->node_count - 1;
    }
    free(follows);
    return ok;
}

/* ---- running --------------------------------------------------------------------------------- */

typedef struct show_run {
    espalier_view view;
    espalier_tree_view tree;
} show_run;

static bool take_row(void *context, uint64_t row, const double *features, const double *values,
                     espalier_message *message)
{
    show_run *const run = context;
    (void)row;
    (void)features;
    (void)message;
    espalier_tree_view_follow(&run->view, &run->tree, values);
    return true;
}

static bool count_rows(const show_options *options, show_run *run, espalier_message *message)
{
    uint64_t count = 0;
    if (options->rows_path == NULL) {
        return true;
    }
    if (!espalier_view_rows_read(&run->view, options->rows_path, options->row,
                                 options->has_row ? 1 : UINT64_MAX, take_row, run, &count,
                                 message)) {
        return false;
    }
    if (options->has_row && count == 0) {
        return espalier_message_set(message, "%s: there is no row %" PRIu64 ", counted from 0",
                                    options->rows_path, options->row);
    }
    return true;
}

static int show(const show_options *options, show_run *run)
{
    espalier_message message;
    char text[32];
    int code = espalier_view_open(options->model_path, 0, &run->view);
    if (code != 0) {
        return code;
    }
    if (!espalier_tree_view_load(&run->view, (uint32_t)options->tree, &run->tree, &message) ||
        !espalier_tree_view_number(&run->view, &run->tree, &message) ||
        !count_rows(options, run, &message)) {
        espalier_message reason;
        espalier_message_set(&reason, "%s: %.900s", options->model_path, message.text);
        return espalier_fail(reason.text);
    }
    const show_style style = choose_style(options);
    const espalier_tree_view *const tree = &run->tree;
    printf("tree %" PRIu32 " of %s: ", tree->tree_index,
           espalier_format_count(run->view.info.tree_count, text));
    printf("%s nodes, ", espalier_format_count(tree->count, text));
    printf("%s leaves, ", espalier_format_count(tree->nodes[0].leaf_count, text));
    printf("depth %" PRIu32 ", iteration %" PRIu32 "\n\n", tree->info.depth, tree->info.iteration);
    if (!print_tree(&run->view, tree, options, &style)) {
        return espalier_fail("not enough memory");
    }
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

int espalier_command_show(int argc, char **argv)
{
    show_options options = {.depth = DEPTH_DEFAULT, .color = "auto"};
    show_run run = {0};
    int code = espalier_options_read(&command_line, argc, argv, &options);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    code = show(&options, &run);
    espalier_tree_view_free(&run.tree);
    espalier_view_close(&run.view);
    return code;
}
