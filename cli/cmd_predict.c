// SPDX-License-Identifier: Apache-2.0
/*
 * espalier predict: rows in, predictions out. Includes command_line.h, rows.h, results.h,
 * labels.h, workers.h, espalier.h, espalier_inspect.h and libc. Keeps only a chunk of rows and
 * predictions in memory.
 */
#include "command_line.h"
#include "labels.h"
#include "results.h"
#include "rows.h"
#include "workers.h"

#include "espalier_inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help_head[] =
    "Usage: espalier predict MODEL ROWS [options]\n"
    "\n"
    "Predicts for every row of ROWS, an .npy or .csv file, or - for standard input.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "Where the model has feature names, a CSV header must hold just these, in any order.\n"
    "Empty CSV fields are missing values; True and False are 1 and 0. Features whose categories\n"
    "are text have them as text in CSV, and as numbers of categories in .npy.\n"
    "\n"
    "Examples:\n"
    "  espalier predict forest.espalier rows.csv\n"
    "  espalier predict forest.espalier rows.npy --output probability -o out.npy\n"
    "  head -n 3 rows.csv | espalier predict forest.espalier -\n";

typedef struct predict_options {
    const char *model_path;
    const char *rows_path;
    const char *out_path;
    uint32_t kind; /* 0: the trainer's predict */
    espalier_results_format format;
    espalier_header_mode header;
    bool is_unchecked;
    const char *iterations;
    uint64_t thread_count; /* 0: one a CPU */
} predict_options;

/* What one prediction run holds; everything is freed by close_run. */
typedef struct predict_run {
    espalier_model *model;
    espalier_model_info info;
    espalier_workers *workers;
    const char **feature_names;
    espalier_rows_reader *rows;
    espalier_output_info output;
    uint32_t iteration_first; /* what --iterations asks for; count 0: nothing */
    uint32_t iteration_count;
    size_t *columns; /* those of the output's that are written; NULL: all */
    size_t width;    /* columns written */
    espalier_labels labels;
    char **names; /* width CSV column names */
    espalier_results *results;
    unsigned char *items; /* predictions of a chunk */
    size_t items_bytes;
    size_t chunk_rows;
    uint64_t rows_done;
} predict_run;

static bool has_suffix(const char *text, const char *suffix)
{
    const size_t text_length = strlen(text);
    const size_t length = strlen(suffix);
    return text_length >= length && strcmp(text + text_length - length, suffix) == 0;
}

static int check_options(void *arguments, const espalier_operands *operands)
{
    predict_options *const options = arguments;
    if (operands->count != 2) {
        return espalier_usage_fail("predict",
                                   operands->count < 2 ? "a MODEL and ROWS are needed"
                                                       : "too many arguments: '%s'",
                                   operands->count > 2 ? operands->texts[2] : "");
    }
    options->model_path = operands->texts[0];
    options->rows_path = operands->texts[1];
    if (options->out_path == NULL) {
        options->out_path = "-";
    }
    if (options->format == 0) {
        if (has_suffix(options->out_path, ".npy")) {
            options->format = ESPALIER_RESULTS_NPY;
        } else if (has_suffix(options->out_path, ".csv") || strcmp(options->out_path, "-") == 0) {
            options->format = ESPALIER_RESULTS_CSV;
        } else {
            return espalier_usage_fail("predict",
                                       "'%s' ends neither in .npy nor in .csv: say "
                                       "--format npy or --format csv",
                                       options->out_path);
        }
    }
    if (espalier_is_same_file(options->out_path, options->model_path) ||
        espalier_is_same_file(options->out_path, options->rows_path)) {
        return espalier_usage_fail("predict", "'%s' is both input and output", options->out_path);
    }
    return 0;
}

static int take_output(const espalier_given *given, void *place)
{
    *(uint32_t *)place = espalier_kind_from_name(given->value);
    return *(uint32_t *)place != 0
               ? 0
               : espalier_given_fail(given,
                                     "is none of margin, probability, class, value, leaf, score");
}

static int take_format(const espalier_given *given, void *place)
{
    if (strcmp(given->value, "npy") != 0 && strcmp(given->value, "csv") != 0) {
        return espalier_given_fail(given, "is neither npy nor csv");
    }
    *(espalier_results_format *)place =
        given->value[0] == 'n' ? ESPALIER_RESULTS_NPY : ESPALIER_RESULTS_CSV;
    return 0;
}

static int take_header(const espalier_given *given, void *place)
{
    *(espalier_header_mode *)place =
        given->option->name[0] == 'h' ? ESPALIER_HEADER_YES : ESPALIER_HEADER_NO;
    return 0;
}

static const espalier_option known[] = {
    {"output", "KIND",
     "margin, probability, class, value, leaf or score;\n"
     "without it: what the trainer's own predict gives",
     offsetof(predict_options, kind), .take = take_output},
    {"out", "FILE",
     "write to FILE (.npy or .csv) or - (default: CSV on standard\n"
     "output); a file appears only when it is complete",
     offsetof(predict_options, out_path), .take = espalier_take_text, .letter = 'o'},
    {"format", "FORMAT", "npy or csv, whatever FILE is called", offsetof(predict_options, format),
     .take = take_format},
    {"iterations", "A:B",
     "only the trees of iterations A to B - 1, counted from 0;\n"
     "of leaf the columns of these trees",
     offsetof(predict_options, iterations), .take = espalier_take_text},
    {"threads", "N", "predict with N threads (default: one a CPU)",
     offsetof(predict_options, thread_count), .low = 1, .high = ESPALIER_WORKERS_MAX,
     .take = espalier_take_count},
    {"unchecked", NULL, "do not refuse missing values and infinities",
     offsetof(predict_options, is_unchecked), .take = espalier_take_true},
    {"header", NULL, "the first CSV line is a header", offsetof(predict_options, header),
     .take = take_header},
    {"no-header", NULL, "the first CSV line is a row (default: found out)",
     offsetof(predict_options, header), .take = take_header},
};

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .check = check_options,
};

/* "A:B" with either side empty, within the model's iterations; 0 or an exit code. */
static int parse_iterations(const char *text, uint32_t iteration_count,
                            espalier_predictor_options *options)
{
    uint64_t first = 0;
    uint64_t end = iteration_count;
    const char *at = text;
    const bool has_first = *at != ':';
    if (has_first && (!espalier_parse_count(at, &first, &at) || *at != ':')) {
        return espalier_usage_fail("predict", "--iterations '%s' is not A:B", text);
    }
    at++;
    if (*at != '\0' && (!espalier_parse_count(at, &end, &at) || *at != '\0')) {
        return espalier_usage_fail("predict", "--iterations '%s' is not A:B", text);
    }
    if (first >= end) {
        return espalier_usage_fail("predict", "--iterations '%s' is empty", text);
    }
    if (end > iteration_count) {
        espalier_message message;
        espalier_message_set(&message, "--iterations '%s': the model has %" PRIu32 " iterations",
                             text, iteration_count);
        return espalier_fail(message.text);
    }
    options->iteration_first = (uint32_t)first;
    options->iteration_count = (uint32_t)(end - first);
    return 0;
}

/* Opens the model and looks up the output; 0 or an exit code. */
static int open_model(predict_run *run, predict_options *options)
{
    const int code = espalier_open_model(options->model_path, 0, &run->model, &run->info);
    if (code != 0) {
        return code;
    }
    if (options->kind == 0) {
        options->kind = run->info.default_output;
    }
    const espalier_status status =
        espalier_model_output(run->model, (espalier_output_kind)options->kind, &run->output);
    if (status == ESPALIER_ERROR_OUTPUT_KIND) {
        espalier_message message;
        espalier_message_set(&message,
                             "%s: the model has no output '%s' (espalier info lists them)",
                             options->model_path, espalier_kind_name(options->kind));
        return espalier_fail(message.text);
    }
    if (status != ESPALIER_OK) {
        return espalier_fail_status(options->model_path, status, NULL);
    }
    run->width = run->output.width;
    return 0;
}

static int make_workers(predict_run *run, const predict_options *options)
{
    espalier_predictor_options predictor_options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    if (options->is_unchecked) {
        predictor_options.flags |= ESPALIER_PREDICTOR_UNCHECKED;
    }
    if (options->kind == ESPALIER_OUTPUT_LEAF) {
        predictor_options.flags |= ESPALIER_PREDICTOR_LEAF;
    }
    if (options->iterations != NULL) {
        const int code =
            parse_iterations(options->iterations, run->info.iteration_count, &predictor_options);
        if (code != 0) {
            return code;
        }
        run->iteration_first = predictor_options.iteration_first;
        run->iteration_count = predictor_options.iteration_count;
    }
    espalier_message reason;
    espalier_message message;
    const uint32_t thread_count =
        options->thread_count != 0 ? (uint32_t)options->thread_count : espalier_workers_available();
    if (espalier_workers_open(run->model, &predictor_options, thread_count, &run->workers,
                              &reason)) {
        return 0;
    }
    espalier_message_set(&message, "%s: %s", options->model_path, reason.text);
    return espalier_fail(message.text);
}

/* The first tree of the part whose leaves are given: the last part with so many trees, behind those
 * that answer a first guess. */
static uint32_t find_leaf_tree(const predict_run *run)
{
    espalier_tree_info tree = {0};
    uint32_t part_index = 0;
    uint32_t first = run->info.tree_count;
    size_t count = 0; /* trees of the part from `first` on */
    for (uint32_t i = run->info.tree_count; i-- > 0;) {
        (void)espalier_model_tree(run->model, i, &tree);
        if (count > 0 && tree.part_index != part_index) {
            if (count == run->output.width) {
                break;
            }
            count = 0;
        }
        part_index = tree.part_index;
        first = i;
        count++;
    }
    return first;
}

/* LEAF has a column for every tree, whatever the range: the columns of the range's trees are
 * written. 0 or an exit code. */
static int choose_leaves(predict_run *run)
{
    const size_t width = run->output.width;
    const uint32_t first_tree = find_leaf_tree(run);
    run->columns = calloc(width > 0 ? width : 1, sizeof *run->columns);
    if (run->columns == NULL) {
        return espalier_fail("not enough memory for the columns");
    }
    run->width = 0;
    for (size_t i = 0; i < width; i++) {
        espalier_tree_info tree;
        if (espalier_model_tree(run->model, first_tree + (uint32_t)i, &tree) == ESPALIER_OK &&
            tree.iteration - run->iteration_first < run->iteration_count) {
            run->columns[run->width++] = i;
        }
    }
    return 0;
}

/* Moves the columns that are written together, in place. */
static void keep_columns(const predict_run *run, size_t row_count)
{
    int64_t *const items = (int64_t *)(void *)run->items; /* LEAF's */
    size_t kept = 0;
    for (size_t row = 0; run->columns != NULL && row < row_count; row++) {
        for (size_t i = 0; i < run->width; i++) {
            items[kept++] = items[row * run->output.width + run->columns[i]];
        }
    }
}

/* Rows per chunk: rows and predictions together stay within some megabytes. */
static size_t choose_chunk_rows(const predict_run *run)
{
    enum {
        CHUNK_BYTES = 1 << 23,
        ROWS_MAX = 1 << 14
    };
    const size_t row_bytes = (run->info.feature_count + run->output.width) * sizeof(double) + 1;
    const size_t rows = CHUNK_BYTES / row_bytes;
    return rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : rows;
}

static int open_rows(predict_run *run, const predict_options *options)
{
    espalier_message message;
    const uint32_t feature_count = run->info.feature_count;
    espalier_rows_options rows_options = {.feature_count = feature_count,
                                          .model = run->model,
                                          .header = options->header};
    if (espalier_model_feature_name(run->model, 0) != NULL) {
        run->feature_names = calloc(feature_count, sizeof *run->feature_names);
        if (run->feature_names == NULL) {
            return espalier_fail("not enough memory for the feature names");
        }
        for (uint32_t i = 0; i < feature_count; i++) {
            const char *name = espalier_model_feature_name(run->model, i);
            run->feature_names[i] = name != NULL ? name : "";
        }
        rows_options.feature_names = run->feature_names;
    }
    run->chunk_rows = choose_chunk_rows(run);
    rows_options.chunk_rows = run->chunk_rows;
    if (!espalier_rows_open(options->rows_path, &rows_options, &run->rows, &message)) {
        return espalier_fail(message.text);
    }
    return 0;
}

/* The name of CSV column `index`, to be freed. */
static char *make_column_name(const predict_run *run, uint32_t kind, size_t index)
{
    const char *kind_name = espalier_kind_name(kind);
    char *name = NULL;
    int length = 0;
    const bool is_single = run->output.width == 1;
    if (kind == ESPALIER_OUTPUT_PROBABILITY) {
        for (uint32_t group = 0; group < run->labels.output_count; group++) {
            size_t first = 0;
            size_t count = 0;
            if (espalier_model_output_group(run->model, ESPALIER_OUTPUT_PROBABILITY, group, &first,
                                            &count) != ESPALIER_OK ||
                index < first || index - first >= count ||
                index - first >= run->labels.sets[group].count) {
                continue;
            }
            /* One probability of two classes is the second's. */
            const bool is_second = count == 1 && run->labels.sets[group].count == 2;
            const char *label = run->labels.sets[group].texts[is_second ? 1 : index - first];
            if (run->labels.output_count == 1) {
                length = asprintf(&name, "%s_%s", kind_name, label);
            } else {
                length = asprintf(&name, "%s_%" PRIu32 "_%s", kind_name, group, label);
            }
            return length < 0 ? NULL : name;
        }
    }
    /* One leaf number per tree, even if there is only one tree in a forest. */
    if (is_single && kind != ESPALIER_OUTPUT_LEAF) {
        return strdup(kind_name);
    }
    length = asprintf(&name, "%s_%zu", kind_name, index);
    return length < 0 ? NULL : name;
}

/*
 * The shape that apply of the trainer gives, which the converter notes in the metadata: one number
 * a row for a single tree, one per tree for forests even when there is but one, and one per
 * iteration and class for classifiers that boost.
 */
static void shape_leaves(const espalier_model *model, espalier_results_options *options)
{
    const char *text = NULL;
    size_t bytes = 0;
    options->is_flat = false;
    if (espalier_model_metadata(model, &text, &bytes) != ESPALIER_OK) {
        return;
    }
    json_t *metadata = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *outputs = json_object_get(metadata, "outputs");
    const char *shape = json_string_value(json_object_get(outputs, "leaf_shape"));
    const json_int_t classes = json_integer_value(json_object_get(outputs, "leaf_classes"));
    options->is_flat = options->width == 1 && shape != NULL && strcmp(shape, "rows") == 0;
    if (classes > 0 && (uint64_t)classes <= options->width &&
        options->width % (uint64_t)classes == 0) {
        options->depth = (size_t)classes;
    }
    json_decref(metadata);
}

/* Whether the trainer keeps an axis of one output, which the converter notes. */
static bool keeps_axis(const predict_run *run)
{
    const char *text = NULL;
    size_t bytes = 0;
    if (espalier_model_metadata(run->model, &text, &bytes) != ESPALIER_OK) {
        return false;
    }
    json_t *metadata = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const char *shape =
        json_string_value(json_object_get(json_object_get(metadata, "outputs"), "answer_shape"));
    const bool keeps = shape != NULL && strcmp(shape, "rows,outputs") == 0;
    json_decref(metadata);
    return keeps;
}

/* After early stopping apply of some trainers gives the leaves of the iterations that predict uses,
 * which the converter notes. */
static void find_leaf_iterations(predict_run *run)
{
    const char *text = NULL;
    size_t bytes = 0;
    if (espalier_model_metadata(run->model, &text, &bytes) != ESPALIER_OK) {
        return;
    }
    json_t *metadata = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_int_t count = json_integer_value(
        json_object_get(json_object_get(metadata, "outputs"), "leaf_iterations"));
    if (count > 0 && count <= (json_int_t)run->info.iteration_count) {
        run->iteration_first = 0;
        run->iteration_count = (uint32_t)count;
    }
    json_decref(metadata);
}

static int open_results(predict_run *run, const predict_options *options)
{
    espalier_message message;
    if (options->kind == ESPALIER_OUTPUT_LEAF && run->iteration_count == 0) {
        find_leaf_iterations(run);
    }
    if (options->kind == ESPALIER_OUTPUT_LEAF && run->iteration_count != 0) {
        const int code = choose_leaves(run);
        if (code != 0) {
            return code;
        }
    }
    const size_t width = run->width;
    const bool is_class = options->kind == ESPALIER_OUTPUT_CLASS;
    espalier_results_options results_options = {.path = options->out_path,
                                                .format = options->format,
                                                .dtype = run->output.dtype,
                                                .width = width};
    if ((is_class || options->kind == ESPALIER_OUTPUT_PROBABILITY) &&
        !espalier_labels_load(run->model, run->info.output_count, &run->labels, &message)) {
        return espalier_fail(message.text);
    }
    results_options.labels = is_class ? &run->labels : NULL;
    results_options.is_flat =
        width == 1 && options->kind != ESPALIER_OUTPUT_PROBABILITY && !keeps_axis(run);
    if (options->kind == ESPALIER_OUTPUT_LEAF) {
        shape_leaves(run->model, &results_options);
    }

    run->names = calloc(width > 0 ? width : 1, sizeof *run->names);
    for (size_t i = 0; run->names != NULL && i < width; i++) {
        const size_t column = run->columns != NULL ? run->columns[i] : i;
        run->names[i] = make_column_name(run, options->kind, column);
        if (run->names[i] == NULL) {
            return espalier_fail("not enough memory for the column names");
        }
    }
    run->items_bytes = run->chunk_rows * run->output.width * sizeof(double);
    run->items = malloc(run->items_bytes > 0 ? run->items_bytes : 1);
    if (run->names == NULL || run->items == NULL) {
        return espalier_fail("not enough memory for the predictions");
    }
    results_options.names = (const char *const *)run->names;
    if (!espalier_results_open(&results_options, &run->results, &message)) {
        return espalier_fail(message.text);
    }
    return 0;
}

/* Says which row and feature was refused, and why. */
static int fail_refused(const predict_run *run, espalier_status status,
                        const espalier_outputs *outputs)
{
    const uint64_t row = run->rows_done + outputs->refused_row;
    const uint64_t line = espalier_rows_line(run->rows, outputs->refused_row);
    const char *feature_name =
        espalier_model_feature_name(run->model, (uint32_t)outputs->refused_feature);
    char place[64];
    char feature[600];
    espalier_message message;
    if (line > 0) {
        snprintf(place, sizeof place, "line %" PRIu64 " (row %" PRIu64 ")", line, row);
    } else {
        snprintf(place, sizeof place, "row %" PRIu64, row);
    }
    if (feature_name != NULL) {
        snprintf(feature, sizeof feature, "feature %zu \"%.500s\"", outputs->refused_feature,
                 feature_name);
    } else {
        snprintf(feature, sizeof feature, "feature %zu", outputs->refused_feature);
    }
    espalier_message_set(&message, "%s: %s, %s: %s", espalier_rows_name(run->rows), place, feature,
                         status == ESPALIER_ERROR_MISSING
                             ? "a missing value (NaN), which the trainer refuses"
                         : status == ESPALIER_ERROR_CATEGORY
                             ? "none of the categories the trainer knows"
                             : "infinite or beyond float32, which the trainer refuses");
    return espalier_fail(message.text);
}

static int predict_rows(predict_run *run, const predict_options *options)
{
    espalier_message message;
    for (;;) {
        espalier_rows rows;
        const espalier_rows_result result = espalier_rows_next(run->rows, &rows, &message);
        if (result == ESPALIER_ROWS_END) {
            return 0;
        }
        if (result == ESPALIER_ROWS_FAILED) {
            return espalier_fail(message.text);
        }
        espalier_outputs outputs = {.data = run->items, .data_bytes = run->items_bytes};
        const espalier_status status =
            espalier_workers_predict(run->workers, (espalier_output_kind)options->kind, &rows,
                                     &outputs);
        const bool is_refused = status == ESPALIER_ERROR_MISSING ||
                                status == ESPALIER_ERROR_INFINITE ||
                                status == ESPALIER_ERROR_CATEGORY;
        if (status != ESPALIER_OK && !is_refused) {
            return espalier_fail_status(espalier_rows_name(run->rows), status, NULL);
        }
        keep_columns(run, outputs.rows_written);
        if (!espalier_results_write(run->results, run->items, outputs.rows_written, &message)) {
            return espalier_fail(message.text);
        }
        if (is_refused) {
            return fail_refused(run, status, &outputs);
        }
        run->rows_done += rows.row_count;
    }
}

static void close_run(predict_run *run)
{
    if (run->results != NULL) {
        espalier_results_discard(run->results);
    }
    for (size_t i = 0; run->names != NULL && i < run->width; i++) {
        free(run->names[i]);
    }
    free(run->names);
    free(run->columns);
    free(run->items);
    espalier_labels_free(&run->labels);
    espalier_rows_close(run->rows);
    free(run->feature_names);
    espalier_workers_close(run->workers);
    espalier_model_close(run->model);
}

int espalier_command_predict(int argc, char **argv)
{
    predict_options options = {0};
    int code = espalier_options_read(&command_line, argc, argv, &options);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    predict_run run = {0};
    code = open_model(&run, &options);
    if (code == 0) {
        code = make_workers(&run, &options);
    }
    if (code == 0) {
        code = open_rows(&run, &options);
    }
    if (code == 0) {
        code = open_results(&run, &options);
    }
    if (code == 0) {
        code = predict_rows(&run, &options);
    }
    if (code == 0) {
        espalier_message message;
        if (!espalier_results_commit(run.results, &message)) {
            code = espalier_fail(message.text);
        }
        run.results = NULL;
    }
    close_run(&run);
    return code;
}
