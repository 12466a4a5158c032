// SPDX-License-Identifier: Apache-2.0
/*
 * See fixture_run.h. Includes the public headers and jansson.
 */
#include "tests/support/fixture_run.h"

#include "espalier_convert.h"
#include "espalier_inspect.h"
#include "tests/support/fixture_lines.h"
#include "tests/support/fixture_rule.h"
#include "tests/support/npy_file.h"
#include "tests/support/remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAF_BYTES = sizeof(int64_t)
};

static const char model_path[] = "model.espalier";

/* One line of the manifest. */
typedef struct line_run {
    const fixture_line *line;
    const char *folder; /* of the manifest */
    FILE *out;
    size_t failures;
    uint64_t values;
    size_t files; /* of rows that were predicted or refused */
} line_run;

/* One output of the model for some rows. */
typedef struct question {
    const espalier_model *model;
    espalier_model_info model_info;
    const espalier_rows *rows;
    const fixture_answer *answer;
    const npy_file *expected;
    espalier_output_info output;
    uint32_t iteration_first; /* of the leaves that are kept; count 0: all */
    uint32_t iteration_count;
    uint8_t *items;
    size_t item_bytes;
} question;

static void report(line_run *run, const char *what, const fixture_message *message)
{
    const fixture_line *const line = run->line;
    (void)fprintf(run->out, "FAIL %s%s%s (%s): %s: %s\n", line->path,
                  line->select != NULL ? " " : "", line->select != NULL ? line->select : "",
                  line->purpose, what, message->text);
    run->failures++;
}

/* Where a file beside the model is; file NULL: the model itself. Too long: "", which is nowhere. */
static void make_path(const line_run *run, const char *file, char path[PATH_MAX])
{
    const char *const model = run->line->path;
    const char *const slash = strrchr(model, '/');
    int length = (int)strlen(model);
    if (file != NULL) {
        length = slash == NULL ? 0 : (int)(slash + 1 - model);
    }
    const int bytes =
        snprintf(path, PATH_MAX, "%s/%.*s%s", run->folder, length, model, file != NULL ? file : "");
    if (bytes < 0 || bytes >= PATH_MAX) {
        path[0] = '\0';
    }
}

static bool read_beside(const line_run *run, const char *file, npy_file *array,
                        fixture_message *message)
{
    char path[PATH_MAX];
    make_path(run, file, path);
    return npy_file_read(path, array, message);
}

static bool read_rows(const line_run *run, const char *file, npy_file *array, espalier_rows *rows,
                      fixture_message *message)
{
    if (!read_beside(run, file, array, message)) {
        return false;
    }
    if (array->kind != 'f' || array->dimension_count != 2 || array->item_bytes < 4) {
        npy_file_free(array);
        return fixture_fail(message, "%s: not rows of float32 or float64", file);
    }
    *rows = (espalier_rows){.data = array->items,
                            .dtype = array->item_bytes == 4 ? ESPALIER_DTYPE_FLOAT32
                                                            : ESPALIER_DTYPE_FLOAT64,
                            .row_count = array->shape[0],
                            .feature_count = array->column_count,
                            .row_stride = (ptrdiff_t)array->column_count,
                            .feature_stride = 1};
    return true;
}

static bool is_csv(const char *file)
{
    const size_t length = strlen(file);
    return length > 4 && strcmp(file + length - 4, ".csv") == 0;
}

/* ---- converting ------------------------------------------------------------------------------ */

static espalier_status convert_line(const line_run *run, espalier_convert_options *options,
                                    espalier_convert_report *done, espalier_error *error)
{
    char path[PATH_MAX];
    make_path(run, NULL, path);
    options->select = run->line->select;
    *error = (espalier_error){0};
    return espalier_convert(path, model_path, options, done, error);
}

/* The answer that the converter compares with too: every output is met by many models. */
static const fixture_answer *choose_answer(const fixture_line *line)
{
    const fixture_answer *chosen[FIXTURE_ANSWERS_MAX];
    size_t count = 0;
    const fixture_case *const first = &line->cases[0];
    for (uint32_t i = 0; i < first->answer_count; i++) {
        if (first->answers[i].iteration_count == 0) {
            chosen[count++] = &first->answers[i];
        }
    }
    return count == 0 || is_csv(first->files[0]) ? NULL : chosen[strlen(line->path) % count];
}

static bool convert_checked(const line_run *run, const fixture_answer *answer,
                            const espalier_rows *rows, const npy_file *expected,
                            fixture_message *message)
{
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    espalier_convert_report done = {0};
    espalier_error error;
    const espalier_array array = {.data = expected->items,
                                  .kind = expected->kind,
                                  .item_bytes = expected->item_bytes,
                                  .row_count = expected->shape[0],
                                  .column_count = expected->column_count};
    options.check_rows = rows;
    options.check_expected = &array;
    const espalier_status status = convert_line(run, &options, &done, &error);
    if (status != ESPALIER_OK) {
        return fixture_fail(message, "%s: %s", espalier_status_name(status), error.message);
    }
    const espalier_proof *const proof = &done.proof;
    if (proof->check_values != array.row_count * array.column_count ||
        (proof->check_differing != 0 && !answer->is_linked)) {
        return fixture_fail(message, "%" PRIu64 " of %" PRIu64 " values differ",
                            proof->check_differing, proof->check_values);
    }
    return true;
}

static bool convert_plain(const line_run *run, fixture_message *message)
{
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    espalier_error error;
    const espalier_status status = convert_line(run, &options, NULL, &error);
    return status == ESPALIER_OK ||
           fixture_fail(message, "%s: %s", espalier_status_name(status), error.message);
}

/* The answer is for the converter to compare with. */
static bool convert_with(const line_run *run, const fixture_answer *answer,
                         fixture_message *message)
{
    npy_file array;
    npy_file expected;
    espalier_rows rows;
    if (!read_rows(run, run->line->cases[0].files[0], &array, &rows, message)) {
        return false;
    }
    bool is_good = read_beside(run, answer->file, &expected, message);
    if (is_good) {
        is_good = convert_checked(run, answer, &rows, &expected, message);
        npy_file_free(&expected);
    }
    npy_file_free(&array);
    return is_good;
}

/* With one of the trainer's answers, where there is one; when that fails, without, so that the
 * predictions can be compared. */
static bool convert_case(line_run *run)
{
    fixture_message message;
    char what[64];
    const fixture_answer *const answer = choose_answer(run->line);
    if (answer != NULL) {
        if (convert_with(run, answer, &message)) {
            return true;
        }
        (void)snprintf(what, sizeof what, "convert, checked with %s", answer->name);
        report(run, what, &message);
    }
    if (convert_plain(run, &message)) {
        return true;
    }
    report(run, "convert", &message);
    return false;
}

/* Names in the working directory, which nothing may be left in. */
static size_t count_names(char name[NAME_MAX + 1])
{
    DIR *const folder = opendir(".");
    size_t count = 0;
    const struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
            count++;
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return count;
}

static bool convert_refused(const line_run *run, fixture_message *message)
{
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    espalier_error error;
    char left[NAME_MAX + 1] = "";
    const char *const slash = strrchr(run->line->path, '/');
    const char *const name = slash == NULL ? run->line->path : slash + 1;
    const espalier_status status = convert_line(run, &options, NULL, &error);
    if (count_names(left) > 0) {
        return fixture_fail(message, "%s was left", left);
    }
    if (status == ESPALIER_OK) {
        return fixture_fail(message, "it is not refused (%s)", run->line->refused);
    }
    if (strstr(error.message, name) == NULL) {
        return fixture_fail(message, "the message does not name the file: %s", error.message);
    }
    return fixture_words_match(run->line->refused, error.message, message);
}

/* ---- predicting ------------------------------------------------------------------------------ */

/* The answer's own range; of leaves else that which the trainer's apply has after early stopping,
 * as the converter notes in the metadata. */
static void find_range(question *asked)
{
    asked->iteration_first = asked->answer->iteration_first;
    asked->iteration_count = asked->answer->iteration_count;
    const char *text = NULL;
    size_t bytes = 0;
    if (asked->output.kind != ESPALIER_OUTPUT_LEAF || asked->iteration_count != 0 ||
        espalier_model_metadata(asked->model, &text, &bytes) != ESPALIER_OK) {
        return;
    }
    json_t *const metadata = json_loadb(text, bytes, JSON_ALLOW_NUL, NULL);
    const json_int_t count = json_integer_value(
        json_object_get(json_object_get(metadata, "outputs"), "leaf_iterations"));
    if (count > 0 && count <= (json_int_t)asked->model_info.iteration_count) {
        asked->iteration_count = (uint32_t)count;
    }
    json_decref(metadata);
}

/* The first tree that LEAF has a column for: of the last part with as many trees as columns, since
 * those of other parts answer a first guess. */
static uint32_t find_first_tree(const question *asked)
{
    uint32_t chosen = 0;
    uint32_t first = 0;
    uint32_t part = 0;
    for (uint32_t i = 0; i < asked->model_info.tree_count; i++) {
        espalier_tree_info tree = {0};
        (void)espalier_model_tree(asked->model, i, &tree);
        if (i == 0 || tree.part_index != part) {
            first = i;
            part = tree.part_index;
        }
        if (i + 1 - first == asked->output.width) {
            chosen = first;
        }
    }
    return chosen;
}

static bool keeps_leaf(const question *asked, uint32_t tree_index)
{
    espalier_tree_info tree;
    return espalier_model_tree(asked->model, tree_index, &tree) == ESPALIER_OK &&
           tree.iteration - asked->iteration_first < asked->iteration_count;
}

/* LEAF has a column for every tree: moves those of the range together; returns how many. */
static size_t keep_leaves(const question *asked)
{
    const size_t width = asked->output.width;
    const size_t row_count = asked->rows->row_count;
    if (asked->output.kind != ESPALIER_OUTPUT_LEAF || asked->iteration_count == 0) {
        return width;
    }
    const uint32_t first = find_first_tree(asked);
    uint8_t *kept = asked->items;
    for (size_t row = 0; row < row_count; row++) {
        for (size_t column = 0; column < width; column++) {
            if (keeps_leaf(asked, first + (uint32_t)column)) {
                memmove(kept, asked->items + LEAF_BYTES * (row * width + column), LEAF_BYTES);
                kept += LEAF_BYTES;
            }
        }
    }
    return row_count == 0 ? 0 : (size_t)(kept - asked->items) / LEAF_BYTES / row_count;
}

static espalier_status make_predictor(const espalier_model *model, uint32_t level,
                                      const fixture_answer *answer,
                                      espalier_predictor **predictor_out)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.isa = level;
    if (answer != NULL) {
        options.flags = answer->kind == ESPALIER_OUTPUT_LEAF ? ESPALIER_PREDICTOR_LEAF : 0;
        options.iteration_first = answer->iteration_first;
        options.iteration_count = answer->iteration_count;
    }
    return espalier_predictor_create(model, &options, predictor_out);
}

static bool ask_level(const question *asked, uint32_t level, fixture_message *message)
{
    espalier_predictor *predictor = NULL;
    espalier_status status = make_predictor(asked->model, level, asked->answer, &predictor);
    espalier_outputs outputs = {.data = asked->items, .data_bytes = asked->item_bytes};
    if (status == ESPALIER_OK) {
        memset(asked->items, 0xA5, asked->item_bytes);
        status = espalier_predict(predictor, asked->answer->kind, asked->rows, &outputs);
    }
    espalier_predictor_destroy(predictor);
    if (status != ESPALIER_OK || outputs.rows_written != asked->rows->row_count) {
        return fixture_fail(message, "%s after %zu rows", espalier_status_name(status),
                            outputs.rows_written);
    }
    const fixture_found found = {.kind = asked->answer->kind,
                                 .dtype = asked->output.dtype,
                                 .row_count = asked->rows->row_count,
                                 .column_count = keep_leaves(asked),
                                 .items = asked->items};
    return fixture_rule_holds(asked->expected, &found, asked->model, asked->answer->is_linked,
                              message);
}

static void ask_levels(line_run *run, const question *asked, const char *file)
{
    for (uint32_t level = ESPALIER_ISA_SCALAR; level < ESPALIER_ISA_COUNT; level++) {
        fixture_message message;
        char what[256];
        if (!espalier_isa_supported((espalier_isa)level)) {
            continue;
        }
        if (!ask_level(asked, level, &message)) {
            (void)snprintf(what, sizeof what, "%s of %s, %s", asked->answer->name, file,
                           espalier_isa_name((espalier_isa)level));
            report(run, what, &message);
        }
        run->values += asked->expected->shape[0] * asked->expected->column_count;
    }
}

static void ask_answer(line_run *run, const espalier_model *model, const espalier_rows *rows,
                       const fixture_answer *answer, const char *file)
{
    fixture_message message;
    npy_file expected;
    question asked = {.model = model,
                      .model_info = ESPALIER_MODEL_INFO_INIT,
                      .rows = rows,
                      .answer = answer,
                      .expected = &expected};
    if (!read_beside(run, answer->file, &expected, &message)) {
        report(run, answer->name, &message);
        return;
    }
    espalier_status status = espalier_model_info_get(model, &asked.model_info);
    if (status == ESPALIER_OK) {
        status = espalier_model_output(model, answer->kind, &asked.output);
    }
    if (status == ESPALIER_OK) {
        const uint32_t dtype = asked.output.dtype;
        const bool is_narrow = dtype == ESPALIER_DTYPE_FLOAT32 || dtype == ESPALIER_DTYPE_INT32;
        asked.item_bytes = rows->row_count * asked.output.width * (is_narrow ? 4 : 8);
        asked.items = malloc(asked.item_bytes > 0 ? asked.item_bytes : 1);
        status = asked.items == NULL ? ESPALIER_ERROR_MEMORY : ESPALIER_OK;
    }
    if (status == ESPALIER_OK) {
        find_range(&asked);
        ask_levels(run, &asked, file);
    } else {
        fixture_fail(&message, "%s", espalier_status_name(status));
        report(run, answer->name, &message);
    }
    free(asked.items);
    npy_file_free(&expected);
}

/* ---- rows that are refused ------------------------------------------------------------------- */

/* What the words of the manifest are looked for in; NULL: no refusal of rows. */
static const char *refusal_text(espalier_status status)
{
    switch (status) {
    case ESPALIER_ERROR_MISSING:
        return "row: a missing value (NaN)";
    case ESPALIER_ERROR_INFINITE:
        return "row: infinite or beyond float32";
    case ESPALIER_ERROR_CATEGORY:
        return "row: none of the categories";
    case ESPALIER_ERROR_FEATURE_COUNT:
        return "another number of features";
    default:
        return NULL;
    }
}

static bool refuse_level(const espalier_model *model, const espalier_rows *rows, uint32_t level,
                         const char *words, fixture_message *message)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_output_info output = {0};
    espalier_predictor *predictor = NULL;
    espalier_outputs outputs = {0};
    espalier_status status = espalier_model_info_get(model, &info);
    const espalier_output_kind kind = (espalier_output_kind)info.default_output;
    if (status == ESPALIER_OK) {
        status = espalier_model_output(model, kind, &output);
    }
    if (status == ESPALIER_OK) {
        status = make_predictor(model, level, NULL, &predictor);
    }
    outputs.data_bytes = (rows->row_count * output.width + 1) * 8;
    outputs.data = malloc(outputs.data_bytes);
    if (status == ESPALIER_OK && outputs.data != NULL) {
        status = espalier_predict(predictor, kind, rows, &outputs);
    }
    free(outputs.data);
    espalier_predictor_destroy(predictor);
    const char *const text = refusal_text(status);
    if (text == NULL) {
        return fixture_fail(message, "%s instead of a refusal (%s)", espalier_status_name(status),
                            words);
    }
    if (status != ESPALIER_ERROR_FEATURE_COUNT &&
        (outputs.refused_row >= rows->row_count || outputs.rows_written != outputs.refused_row)) {
        return fixture_fail(message, "row %zu of %zu is refused, %zu are written",
                            outputs.refused_row, rows->row_count, outputs.rows_written);
    }
    return fixture_words_match(words, text, message);
}

static void refuse_rows(line_run *run, const espalier_model *model, const espalier_rows *rows,
                        const char *words, const char *file)
{
    for (uint32_t level = ESPALIER_ISA_SCALAR; level < ESPALIER_ISA_COUNT; level++) {
        fixture_message message;
        if (espalier_isa_supported((espalier_isa)level) &&
            !refuse_level(model, rows, level, words, &message)) {
            report(run, file, &message);
        }
    }
}

/* ---- a line ---------------------------------------------------------------------------------- */

/* What the trainer's own predict gives must be the output that the model says it is. */
static void check_default(line_run *run, const espalier_model *model, const fixture_case *one)
{
    static const espalier_output_kind boosters[] = {ESPALIER_OUTPUT_VALUE, ESPALIER_OUTPUT_CLASS};
    static const espalier_output_kind others[] = {ESPALIER_OUTPUT_CLASS, ESPALIER_OUTPUT_VALUE};
    const bool is_booster = strncmp(run->line->estimator, "Booster", strlen("Booster")) == 0;
    const espalier_output_kind *const order = is_booster ? boosters : others;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    (void)espalier_model_info_get(model, &info);
    bool has_margin = false;
    for (size_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < one->answer_count; k++) {
            const fixture_answer *const answer = &one->answers[k];
            has_margin = has_margin || answer->kind == ESPALIER_OUTPUT_MARGIN;
            if (answer->kind == order[i] && answer->iteration_count == 0) {
                fixture_message message;
                if (info.default_output != (uint32_t)order[i]) {
                    fixture_fail(&message, "%" PRIu32 " instead of %s", info.default_output,
                                 answer->name);
                    report(run, "default output", &message);
                }
                return;
            }
        }
    }
    if (!has_margin) { /* else what predict gives is not kept for these rows */
        fixture_message message;
        fixture_fail(&message, "no answer of predict is kept");
        report(run, "default output", &message);
    }
}

static void check_file(line_run *run, const espalier_model *model, const fixture_case *one,
                       const char *file)
{
    fixture_message message;
    npy_file array;
    espalier_rows rows;
    if (!read_rows(run, file, &array, &rows, &message)) {
        report(run, file, &message);
        return;
    }
    run->files++;
    if (one->words != NULL) {
        refuse_rows(run, model, &rows, one->words, file);
    }
    for (uint32_t i = 0; i < one->answer_count; i++) {
        ask_answer(run, model, &rows, &one->answers[i], file);
    }
    npy_file_free(&array);
}

static void check_model(line_run *run)
{
    fixture_message message;
    espalier_error error = {0};
    espalier_model *model = NULL;
    espalier_status status = espalier_model_open(model_path, NULL, &model, &error);
    if (status == ESPALIER_OK) {
        status = espalier_model_verify(model, &error);
    }
    if (status != ESPALIER_OK) {
        fixture_fail(&message, "%s", error.message);
        report(run, espalier_status_name(status), &message);
        espalier_model_close(model);
        return;
    }
    for (uint32_t i = 0; i < run->line->case_count; i++) {
        const fixture_case *const one = &run->line->cases[i];
        if (one->words == NULL) {
            check_default(run, model, one);
        }
        for (uint32_t k = 0; k < one->file_count; k++) {
            if (!is_csv(one->files[k])) {
                check_file(run, model, one, one->files[k]);
            }
        }
    }
    espalier_model_close(model);
    if (run->files == 0) {
        fixture_fail(&message, "none that the library can read");
        report(run, "rows", &message);
    }
}

static void check_line(line_run *run)
{
    fixture_message message;
    if (run->line->refused == NULL) {
        if (convert_case(run)) {
            check_model(run);
        }
    } else if (!convert_refused(run, &message)) {
        report(run, "convert", &message);
    }
    (void)unlink(model_path);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void check_lines(const fixture_options *options, const char *folder,
                        const fixture_lines *lines, fixture_counts *counts)
{
    size_t matched = 0;
    for (size_t i = 0; i < lines->count; i++) {
        line_run run = {.line = &lines->lines[i], .folder = folder, .out = options->out};
        const bool is_wanted =
            options->glob == NULL || fnmatch(options->glob, run.line->path, 0) == 0;
        if (!is_wanted || matched++ % options->nth != 0) {
            counts->skipped++;
            continue;
        }
        check_line(&run);
        counts->values += run.values;
        counts->failed += run.failures > 0;
        counts->passed += run.failures == 0;
    }
}

/* Goes to a new folder, under TMPDIR; false when there is none. */
static bool enter_folder(char folder[PATH_MAX])
{
    const char *const parent = getenv("TMPDIR");
    const int bytes =
        snprintf(folder, PATH_MAX, "%s/espalier-XXXXXX", parent != NULL ? parent : "/tmp");
    return bytes < PATH_MAX && mkdtemp(folder) != NULL && chdir(folder) == 0;
}

static bool run_in_folder(const fixture_options *options, const char *folder,
                          const fixture_lines *lines, fixture_counts *counts)
{
    char work[PATH_MAX];
    const int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (before < 0 || !enter_folder(work)) {
        (void)fprintf(options->out, "fixtures: no folder to work in: %s\n", strerror(errno));
        return false;
    }
    check_lines(options, folder, lines, counts);
    const bool is_back = fchdir(before) == 0;
    (void)close(before);
    return remove_tree(work) == 0 && is_back;
}

bool fixtures_run(const fixture_options *options, fixture_counts *counts_out)
{
    fixture_message message;
    fixture_lines lines;
    char folder[PATH_MAX];
    *counts_out = (fixture_counts){0};
    if (realpath(options->manifest, folder) == NULL) {
        (void)fprintf(options->out, "fixtures: %s: %s\n", options->manifest, strerror(errno));
        return false;
    }
    if (!fixture_lines_read(folder, &lines, &message)) {
        (void)fprintf(options->out, "fixtures: %s\n", message.text);
        return false;
    }
    *strrchr(folder, '/') = '\0';
    bool is_good = run_in_folder(options, folder, &lines, counts_out);
    fixture_lines_free(&lines);
    if (counts_out->passed + counts_out->failed == 0) {
        (void)fprintf(options->out, "fixtures: nothing to run\n");
        is_good = false;
    }
    (void)fprintf(options->out,
                  "%zu passed, %zu failed, %zu skipped, %" PRIu64 " values compared\n",
                  counts_out->passed, counts_out->failed, counts_out->skipped, counts_out->values);
    return is_good && counts_out->failed == 0;
}
