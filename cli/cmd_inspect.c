// SPDX-License-Identifier: Apache-2.0
/*
 * espalier inspect: everything about a model in one page for a browser, without the network.
 * Includes report.h, info.h, markup.h, command_line.h, output.h, view_rows.h and libc. The model
 * is verified first. What comes from the model enters the page as JSON that no script element
 * can end, and is shown as text by the script of cli/report/.
 */
#include "command_line.h"
#include "espalier_inspect.h"
#include "info.h"
#include "markup.h"
#include "output.h"
#include "report.h"
#include "view_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help_head[] =
    "Usage: espalier inspect MODEL -o REPORT.html [options]\n"
    "\n"
    "Verifies a model and writes one page about it: where it comes from and what was proved,\n"
    "metadata, features, trees to unfold, the way of a row, and how the file is laid out. The\n"
    "page needs no network and no server.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "Of large models the page holds the upper levels of each tree, and says what is left out.\n"
    "\n"
    "Examples:\n"
    "  espalier inspect forest.espalier -o report.html\n"
    "  espalier bench forest.espalier --json > bench.json\n"
    "  espalier inspect forest.espalier -o report.html --rows rows.csv --bench bench.json\n";

enum {
    NODES_MAX = 10000000
};

/* Memory for rows that are counted. */
#define ROW_BYTES_MAX (UINT64_C(64) << 20)

/* Nodes that all rows meet together at most; above what one row may visit. */
#define VISITS_MAX (UINT64_C(1) << 32)

typedef struct inspect_options {
    const char *model_path;
    const char *out_path;
    const char *rows_path;
    const char *bench_path;
    espalier_report_options report;
} inspect_options;

typedef struct inspection {
    espalier_view view;
    espalier_residency residency;
    espalier_report_rows rows;
    uint64_t row_max;
    json_t *page;
} inspection;

/* ---- options --------------------------------------------------------------------------------- */

static int take_tree(const espalier_given *given, void *place)
{
    espalier_report_options *const report = place;
    uint64_t tree = 0;
    const int code = espalier_take_count(given, &tree);
    if (code == 0 && report->whole_count == ESPALIER_REPORT_WHOLE_TREES) {
        return espalier_usage_fail("inspect", "--tree stands more than %d times",
                                   (int)ESPALIER_REPORT_WHOLE_TREES);
    }
    if (code == 0) {
        report->whole_trees[report->whole_count++] = (uint32_t)tree;
    }
    return code;
}

static const espalier_option known[] = {
    {"out", "FILE", "where to write, or - for standard output", offsetof(inspect_options, out_path),
     .take = espalier_take_text, .letter = 'o'},
    {"rows", "FILE",
     "rows of an .npy or .csv file: count how many come to each node, and\n"
     "put the first 20 into the page (10,000 are counted)",
     offsetof(inspect_options, rows_path), .take = espalier_take_text},
    {"tree", "N", "put the whole of tree N into the page; up to 16 times",
     offsetof(inspect_options, report), .high = UINT32_MAX, .take = take_tree},
    {"nodes", "N", "nodes of all other trees together (default: 40,000)",
     offsetof(inspect_options, report.node_max), .high = NODES_MAX, .take = espalier_take_count},
    {"bench", "FILE", "what espalier bench --json printed", offsetof(inspect_options, bench_path),
     .take = espalier_take_text},
};

static int check_options(void *arguments, const espalier_operands *operands)
{
    const inspect_options *const options = arguments;
    (void)operands;
    if (options->out_path[0] == '\0') {
        return espalier_usage_fail("inspect", "-o FILE is needed");
    }
    if (espalier_is_same_file(options->out_path, options->model_path)) {
        return espalier_usage_fail("inspect", "'%s' is both input and output", options->out_path);
    }
    return 0;
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(inspect_options, model_path),
    .check = check_options,
};

/* ---- rows ------------------------------------------------------------------------------------ */

static bool take_row(void *context, uint64_t row, const double *features, const double *values,
                     espalier_message *message)
{
    inspection *const run = context;
    espalier_report_rows *const rows = &run->rows;
    const size_t feature_count = run->view.info.feature_count;
    (void)row;
    (void)message;
    if (rows->count == run->row_max) {
        rows->is_cut = true;
        return true;
    }
    if (rows->count < ESPALIER_REPORT_ROWS_SHOWN) {
        memcpy(rows->features + rows->count * feature_count, features,
               feature_count * sizeof *features);
    }
    memcpy(rows->values + rows->count * rows->value_count, values,
           rows->value_count * sizeof *values);
    rows->count++;
    return true;
}

static bool load_rows(const inspect_options *options, inspection *run, espalier_message *message)
{
    espalier_report_rows *const rows = &run->rows;
    uint64_t taken = 0;
    rows->value_count = espalier_model_value_count(run->view.model);
    if (options->rows_path == NULL) {
        return true;
    }
    run->row_max = ROW_BYTES_MAX / (rows->value_count * sizeof *rows->values);
    run->row_max = run->row_max < 1 ? 1 : run->row_max;
    run->row_max = run->row_max < ESPALIER_REPORT_ROWS ? run->row_max : ESPALIER_REPORT_ROWS;
    if (run->view.info.visits_per_row > VISITS_MAX / run->row_max) {
        run->row_max = VISITS_MAX / run->view.info.visits_per_row;
    }
    rows->values = malloc(run->row_max * rows->value_count * sizeof *rows->values);
    rows->features = malloc((size_t)ESPALIER_REPORT_ROWS_SHOWN * run->view.info.feature_count *
                            sizeof *rows->features);
    if (rows->values == NULL || rows->features == NULL) {
        return espalier_message_set(message, "not enough memory for the rows");
    }
    return espalier_view_rows_read(&run->view, options->rows_path, 0, run->row_max + 1, take_row,
                                   run, &taken, message);
}

/* A page that is passed on tells no folders. */
static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Numbers as text: JSON has no NaN. */
static json_t *make_numbers(const inspection *run, const double *numbers, uint32_t count)
{
    json_t *const list = json_array();
    for (uint32_t i = 0; i < count && i < ESPALIER_REPORT_ROW_VALUES; i++) {
        char text[32];
        json_array_append_new(list, json_string(espalier_format_real(numbers[i],
                                                                     run->view.is_float32, text)));
    }
    return list;
}

static json_t *make_rows(const inspect_options *options, const inspection *run)
{
    const espalier_report_rows *const rows = &run->rows;
    const uint32_t feature_count = run->view.info.feature_count;
    if (options->rows_path == NULL) {
        return json_null();
    }
    json_t *const object = json_object();
    json_t *const shown = json_array();
    for (uint64_t r = 0; r < rows->count && r < ESPALIER_REPORT_ROWS_SHOWN; r++) {
        json_t *const row = json_object();
        json_object_set_new(row, "features",
                            make_numbers(run, rows->features + r * feature_count, feature_count));
        json_object_set_new(row, "values",
                            make_numbers(run, rows->values + r * rows->value_count,
                                         rows->value_count));
        json_array_append_new(shown, row);
    }
    const char *const name = base_name(options->rows_path);
    json_object_set_new(object, "file", espalier_report_text(name, strlen(name)));
    json_object_set_new(object, "count", espalier_json_count(rows->count));
    json_object_set_new(object, "is_cut", json_boolean(rows->is_cut));
    json_object_set_new(object, "rows", shown);
    return object;
}

/* ---- the page -------------------------------------------------------------------------------- */

/* A JSON value that may be long: null and the reason, if it is too long for the page. */
static json_t *bounded_json(json_t *value)
{
    if (value == NULL) {
        return json_null();
    }
    if (json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII) <=
        ESPALIER_REPORT_JSON_BYTES) {
        return value;
    }
    json_decref(value);
    return json_string("too long for this page; espalier info shows it");
}

static json_t *make_classes(const inspection *run)
{
    json_t *const outputs = json_array();
    for (uint32_t o = 0; o < run->view.info.output_count && o < ESPALIER_REPORT_PARTS; o++) {
        espalier_label_info labels;
        espalier_label label;
        if (espalier_model_labels(run->view.model, o, &labels) != ESPALIER_OK) {
            break;
        }
        json_t *const list = json_array();
        for (uint32_t i = 0; i < labels.count && i < ESPALIER_REPORT_CLASSES; i++) {
            if (espalier_model_class_label(run->view.model, o, i, &label) != ESPALIER_OK) {
                continue;
            }
            json_array_append_new(list, label.kind == ESPALIER_LABEL_STRING
                                            ? espalier_report_text(label.text, label.text_bytes)
                                            : espalier_info_label_json(&label));
        }
        json_array_append_new(outputs, json_pack("{s:I,s:o}", "count", (json_int_t)labels.count,
                                                 "labels", list));
    }
    return outputs;
}

/* By feature the categories that are text, by number; a name that is too long is null. */
static json_t *make_categories(const inspection *run)
{
    const espalier_model *const model = run->view.model;
    json_t *const features = json_object();
    size_t left = ESPALIER_REPORT_CATEGORIES;
    for (uint32_t f = 0; f < run->view.info.feature_count && left > 0; f++) {
        const uint32_t count = espalier_model_category_count(model, f);
        if (count == 0) {
            continue;
        }
        char key[16];
        json_t *const names = json_array();
        for (uint32_t i = 0; i < count && left > 0; i++, left--) {
            size_t bytes = 0;
            const char *const name = espalier_model_category(model, f, i, &bytes);
            json_array_append_new(names, name != NULL && bytes <= ESPALIER_REPORT_TEXT_BYTES
                                             ? espalier_json_text(name, bytes)
                                             : json_null());
        }
        (void)snprintf(key, sizeof key, "%" PRIu32, f);
        json_object_set_new(features, key,
                            json_pack("{s:I,s:o}", "count", (json_int_t)count, "names", names));
    }
    return features;
}

static bool load_bench(const inspect_options *options, json_t **bench_out,
                       espalier_message *message)
{
    json_error_t error;
    *bench_out = NULL;
    if (options->bench_path == NULL) {
        return true;
    }
    json_t *const bench = json_load_file(options->bench_path, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_array(json_object_get(bench, "kernels"))) {
        json_decref(bench);
        return espalier_message_set(message, "%s: is not what espalier bench --json prints%s%s",
                                    options->bench_path, bench == NULL ? ": " : "",
                                    bench == NULL ? error.text : "");
    }
    *bench_out = bench;
    return true;
}

static bool fill_page(const inspect_options *options, inspection *run, espalier_message *message)
{
    json_t *bench = NULL;
    const espalier_view *const view = &run->view;
    if (!load_bench(options, &bench, message)) {
        return false;
    }
    json_t *const page =
        espalier_info_document(base_name(options->model_path), view->model, &view->info);
    run->page = page;
    json_object_set_new(page, "tool", json_string(espalier_version()));
    json_object_set_new(page, "bench", bounded_json(bench));
    json_object_set_new(page, "metadata", bounded_json(espalier_info_metadata(view->model)));
    json_object_set_new(page, "classes", make_classes(run));
    json_object_set_new(page, "categories", make_categories(run));
    json_object_set_new(page, "parts",
                        espalier_info_parts(view->model,
                                            view->info.part_count < ESPALIER_REPORT_PARTS
                                                ? view->info.part_count
                                                : ESPALIER_REPORT_PARTS));
    json_object_set_new(page, "named",
                        json_boolean(espalier_model_feature_name(view->model, 0) != NULL));
    /* Whether such a model takes tiny numbers for 0, as a node would see it. */
    const espalier_node zero = {.threshold = 0.0};
    json_object_set_new(page, "flush_tiny",
                        json_boolean(espalier_model_node_left(view->model, &zero, 1e-36)));
    double missing = 0.0;
    if (espalier_model_missing_number(view->model, &missing) != 0) {
        json_object_set_new(page, "missing_number", json_real(missing));
    }
    json_object_set_new(page, "rows", make_rows(options, run));
    if (!espalier_report_file(view, &run->residency, page)) {
        return espalier_message_set(message, "not enough memory");
    }
    return espalier_report_trees(view, &options->report, &run->rows, page, message);
}

static bool write_page(const inspect_options *options, const inspection *run,
                       espalier_message *message)
{
    espalier_output output;
    if (!espalier_output_open(&output, options->out_path, message)) {
        espalier_output_discard(&output);
        return false;
    }
    fwrite(espalier_report_head, 1, espalier_report_head_bytes, output.stream);
    if (!espalier_print_script_json(output.stream, run->page)) {
        espalier_output_fail(&output, message);
        espalier_output_discard(&output);
        return false;
    }
    fwrite(espalier_report_tail, 1, espalier_report_tail_bytes, output.stream);
    return espalier_output_commit(&output, message);
}

static int inspect(const inspect_options *options, inspection *run)
{
    espalier_message reason;
    espalier_message message;
    /* Before verifying reads every page. */
    espalier_residency_take(options->model_path, &run->residency);
    const int code = espalier_view_open(options->model_path, ESPALIER_OPEN_VERIFY, &run->view);
    if (code != 0) {
        return code;
    }
    for (uint32_t i = 0; i < options->report.whole_count; i++) {
        if (options->report.whole_trees[i] >= run->view.info.tree_count) {
            espalier_message_set(&message,
                                 "%s: there is no tree %" PRIu32 ": the model has %" PRIu32
                                 ", counted from 0",
                                 options->model_path, options->report.whole_trees[i],
                                 run->view.info.tree_count);
            return espalier_fail(message.text);
        }
    }
    if (!load_rows(options, run, &reason)) {
        return espalier_fail(reason.text);
    }
    if (!fill_page(options, run, &reason)) {
        espalier_message_set(&message, "%s: %.900s", options->model_path, reason.text);
        return espalier_fail(message.text);
    }
    return write_page(options, run, &reason) ? ESPALIER_EXIT_DONE : espalier_fail(reason.text);
}

int espalier_command_inspect(int argc, char **argv)
{
    inspect_options options = {.model_path = "",
                               .out_path = "",
                               .report = {.node_max = ESPALIER_REPORT_NODES}};
    inspection run = {0};
    int code = espalier_options_read(&command_line, argc, argv, &options);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    code = inspect(&options, &run);
    json_decref(run.page);
    espalier_residency_free(&run.residency);
    free(run.rows.values);
    free(run.rows.features);
    espalier_view_close(&run.view);
    return code;
}
