// SPDX-License-Identifier: Apache-2.0
/*
 * espalier convert: a saved model in, an Espalier file out. Includes command_line.h, rows.h,
 * espalier_convert.h and libc. The file is written by the library alone.
 */
#include "command_line.h"
#include "espalier_convert.h"
#include "rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help_head[] =
    "Usage: espalier convert SOURCE -o MODEL [options]\n"
    "\n"
    "Reads a model as data: joblib and pickle files (compressed or not) of scikit-learn,\n"
    "XGBoost and LightGBM; XGBoost's JSON, UBJSON and old binary files; LightGBM's text. No\n"
    "Python; nothing is imported or called. Before MODEL appears, the new file is opened and\n"
    "must give the same bits as a plain evaluation of the source.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "Examples:\n"
    "  espalier convert random_forest_model.pkl -o random_forest_model.espalier\n"
    "  espalier convert model.joblib -o model.espalier --check rows.npy proba.npy \\\n"
    "      --meta training_date=2026-05-04 --meta score.auc=0.93 --model-version 7\n";

typedef struct convert_arguments {
    const char *source_path;
    const char *model_path;
    const char *check_rows_path;
    const char *check_expected_path;
    espalier_meta *meta; /* one slot per argument of the command */
    espalier_convert_options options;
    double missing; /* where options.missing points */
    bool is_json;
} convert_arguments;

/* ---- arguments ------------------------------------------------------------------------------- */

static bool is_utf8(const char *text)
{
    const size_t bytes = strlen(text);
    for (size_t at = 0; at < bytes;) {
        uint32_t point = 0;
        const size_t length = espalier_utf8_decode(text + at, bytes - at, &point);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

/* Cuts "KEY=VALUE" in two, in place; 0 or an exit code. */
static int take_meta(const espalier_given *given, void *place)
{
    convert_arguments *const arguments = place;
    char *const text = given->value;
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return espalier_given_fail(given, "is not KEY=VALUE");
    }
    if (!is_utf8(text)) {
        return espalier_given_fail(given, "is not UTF-8");
    }
    *equals = '\0';
    for (size_t i = 0; i < arguments->options.meta_count; i++) {
        if (strcmp(arguments->meta[i].key, text) == 0) {
            return espalier_given_fail(given, "is given twice");
        }
    }
    arguments->meta[arguments->options.meta_count++] = (espalier_meta){text, equals + 1};
    return 0;
}

/* "512", "64K", "2G": bytes in powers of 1,024. */
static int take_memory(const espalier_given *given, void *place)
{
    espalier_convert_options *const options = place;
    static const char units[] = "KMGT";
    const char *end = NULL;
    uint64_t bytes = 0;
    unsigned shift = 0;
    bool ok = espalier_parse_count(given->value, &bytes, &end);
    if (ok && *end != '\0') {
        const char *unit = strchr(units, *end);
        ok = unit != NULL && end[1] == '\0';
        shift = ok ? 10 * (unsigned)(unit - units + 1) : 0;
    }
    if (!ok || bytes == 0 || bytes > UINT64_MAX >> shift) {
        return espalier_given_fail(given, "is not a number of bytes");
    }
    options->memory_bytes_max = bytes << shift;
    /* A compressed source is expanded into memory too. */
    options->expanded_bytes_max = options->memory_bytes_max;
    return 0;
}

static int take_missing(const espalier_given *given, void *place)
{
    convert_arguments *const arguments = place;
    char *end = NULL;
    arguments->missing = strtod(given->value, &end);
    if (end == given->value || *end != '\0') {
        return espalier_given_fail(given, "is not a number");
    }
    arguments->options.missing = &arguments->missing;
    return 0;
}

static int take_layout(const espalier_given *given, void *place)
{
    static const struct {
        const char *name;
        uint32_t layout;
    } layouts[] = {{"walk", ESPALIER_LAYOUT_WALK},
                   {"mask", ESPALIER_LAYOUT_MASK},
                   {"heap", ESPALIER_LAYOUT_HEAP},
                   {"select", ESPALIER_LAYOUT_SELECT},
                   {"bits", ESPALIER_LAYOUT_BITS}};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (strcmp(layouts[i].name, given->value) == 0) {
            *(uint32_t *)place = layouts[i].layout;
            return 0;
        }
    }
    return espalier_given_fail(given, "is none of walk, mask, heap, select, bits");
}

static int take_model_version(const espalier_given *given, void *place)
{
    if (!is_utf8(given->value)) {
        return espalier_given_fail(given, "is not UTF-8");
    }
    return espalier_take_text(given, place);
}

static int take_check(const espalier_given *given, void *place)
{
    convert_arguments *const arguments = place;
    arguments->check_rows_path = given->value;
    arguments->check_expected_path = given->second;
    return 0;
}

static const espalier_option known[] = {
    {"out", "MODEL", "where to write (needed)", offsetof(convert_arguments, model_path),
     .take = espalier_take_text, .letter = 'o'},
    {"check", "ROWS.npy",
     "compare with the trainer's own predict_proba, predict\n"
     "or apply of these rows",
     .second = "EXPECTED.npy", .take = take_check},
    {"select", "PATH",
     "the model inside a dict, list or tuple: [\"model\"][0]\n"
     "(espalier info SOURCE lists the paths)",
     offsetof(convert_arguments, options.select), .take = espalier_take_text},
    {"meta", "KEY=VALUE",
     "note for the file's metadata; may be repeated. info knows\n"
     "training_date, dataset_hash and score.NAME",
     .take = take_meta},
    {"model-version", "V", "version for the file's metadata",
     offsetof(convert_arguments, options.model_version), .take = take_model_version},
    {"layout", "LAYOUT",
     "how trees lie in the file: walk, mask, heap, select\n"
     "or bits\n"
     "(default: chosen from the model's shape)",
     offsetof(convert_arguments, options.layout), .take = take_layout},
    {"missing", "VALUE",
     "XGBoost: what else than NaN means missing, as in\n"
     "DMatrix(missing=VALUE), which no file keeps",
     .take = take_missing},
    {"categorical", "COLUMNS",
     "LightGBM: the columns that pandas had as categories, by\n"
     "name or number (pclass,sex), where the file leaves\n"
     "open which they are",
     offsetof(convert_arguments, options.categorical), .take = espalier_take_text},
    {"memory-max", "BYTES",
     "working memory, and what a compressed source may expand\n"
     "to, with K, M or G if you like",
     offsetof(convert_arguments, options), .take = take_memory},
    {"allow-flagged", NULL,
     "go on although the source names something that would run\n"
     "code in Python (it is never run here)",
     offsetof(convert_arguments, options.flags), .flag = ESPALIER_CONVERT_ALLOW_FLAGGED,
     .take = espalier_take_flag},
    {"json", NULL, "print the result as JSON", offsetof(convert_arguments, is_json),
     .take = espalier_take_true},
};

static int check_arguments(void *place, const espalier_operands *operands)
{
    convert_arguments *const arguments = place;
    if (operands->count < 1) {
        return espalier_usage_fail("convert", "a SOURCE is needed");
    }
    if (operands->count > 1) {
        return espalier_usage_fail("convert", "too many arguments: '%s'", operands->texts[1]);
    }
    if (arguments->model_path == NULL) {
        return espalier_usage_fail("convert", "where to? -o MODEL is needed");
    }
    arguments->source_path = operands->texts[0];
    if (strcmp(arguments->source_path, "-") == 0 || arguments->source_path[0] == '\0') {
        return espalier_usage_fail("convert", "SOURCE must be a file, not standard input");
    }
    if (strcmp(arguments->model_path, "-") == 0 || arguments->model_path[0] == '\0') {
        return espalier_usage_fail("convert",
                                   "-o MODEL must be a file: it is opened and proved in place");
    }
    const char *inputs[] = {arguments->source_path, arguments->check_rows_path,
                            arguments->check_expected_path};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        if (inputs[i] != NULL && espalier_is_same_file(inputs[i], arguments->model_path)) {
            return espalier_usage_fail("convert", "'%s' is both input and output", inputs[i]);
        }
    }
    return 0;
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 32),
    .check = check_arguments,
};

/* ---- the trainer's answers ------------------------------------------------------------------- */

typedef struct check_data {
    espalier_npy_array rows_array;
    double *values; /* the rows converted, when they are not float32 or float64 */
    espalier_npy_array expected_array;
    espalier_rows rows;
    espalier_array expected;
} check_data;

static bool load_check(const convert_arguments *arguments, check_data *check,
                       espalier_message *message)
{
    if (!espalier_npy_load(arguments->check_rows_path, 2, &check->rows_array, message) ||
        !espalier_npy_load(arguments->check_expected_path, 3, &check->expected_array, message)) {
        return false;
    }
    const espalier_npy *rows = &check->rows_array.npy;
    const espalier_npy *expected = &check->expected_array.npy;
    if (rows->kind == 'U') {
        return espalier_message_set(message, "%s: text cannot be rows", arguments->check_rows_path);
    }
    /* One dimension: a single row of features, but a column of answers. */
    const bool is_one_row = rows->dimension_count == 1;
    const size_t row_count = is_one_row ? 1 : (size_t)rows->shape[0];
    const size_t feature_count = (size_t)(is_one_row ? rows->shape[0] : rows->shape[1]);
    if (expected->shape[0] != row_count) {
        return espalier_message_set(message, "%s: %" PRIu64 " answers for %zu rows",
                                    arguments->check_expected_path, expected->shape[0], row_count);
    }
    if (rows->kind == 'f' && rows->item_bytes == 4) {
        check->rows = espalier_rows_float32((const float *)(const void *)check->rows_array.data,
                                            row_count, feature_count);
    } else {
        const size_t count = (size_t)rows->item_count;
        check->values = malloc(count > 0 ? count * sizeof *check->values : 1);
        if (check->values == NULL) {
            return espalier_message_set(message, "%s: not enough memory",
                                        arguments->check_rows_path);
        }
        espalier_npy_to_float64(rows, check->rows_array.data, count, check->values);
        check->rows = espalier_rows_float64(check->values, row_count, feature_count);
    }
    check->expected = (espalier_array){.data = check->expected_array.data,
                                       .kind = expected->kind,
                                       .item_bytes = expected->item_bytes,
                                       .row_count = row_count,
                                       .column_count = (size_t)expected->shape[1]};
    return true;
}

/* ---- progress and result --------------------------------------------------------------------- */

typedef struct progress_state {
    struct timespec shown;
    bool is_shown;
} progress_state;

/* At most ten times a second, on one line of a terminal. */
static void show_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    progress_state *state = context;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }
    const double seconds = (double)(now.tv_sec - state->shown.tv_sec) +
                           (double)(now.tv_nsec - state->shown.tv_nsec) * 1e-9;
    if (seconds < 0.1) {
        return;
    }
    state->shown = now;
    state->is_shown = true;
    const double percent = total > 0 ? 100.0 * (double)done / (double)total : 0.0;
    fputs("\r\033[K", stderr);
    espalier_print_text(stderr, what);
    fprintf(stderr, " %3.0f%%", percent);
}

static void print_check(const espalier_proof *proof)
{
    char count[32];
    char values[32];
    if (proof->check_rows == 0) {
        return;
    }
    printf("; %s of %s rows checked: ", espalier_kind_name(proof->check_kind),
           espalier_format_count(proof->check_rows, count));
    if (proof->check_differing == 0) {
        printf("all bits as the trainer's");
        return;
    }
    printf("%s of %s values differ, by %" PRIu64 " ulp at most",
           espalier_format_count(proof->check_differing, count),
           espalier_format_count(proof->check_values, values), proof->check_ulp_max);
    if (proof->check_cause == ESPALIER_CHECK_THREADS) {
        printf(" (as when the trainer predicts with several threads)");
    } else if (proof->check_cause != ESPALIER_CHECK_NONE) {
        printf(" (cause not known)");
    }
}

static int print_summary(const convert_arguments *arguments, const espalier_convert_report *report,
                         const espalier_model_info *info)
{
    char before[32];
    char after[32];
    char trees[32];
    char nodes[32];
    char rows[32];
    espalier_print_text(stdout, arguments->model_path);
    printf(": %s -> %s, %s tree%s, %s nodes; %s rows proved bit for bit",
           espalier_format_bytes(report->source_bytes, before),
           espalier_format_bytes(report->model_bytes, after),
           espalier_format_count(info->tree_count, trees), info->tree_count == 1 ? "" : "s",
           espalier_format_count(info->node_count, nodes),
           espalier_format_count(report->proof.rows_compared, rows));
    print_check(&report->proof);
    putchar('\n');
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static int print_json(const convert_arguments *arguments, const espalier_convert_report *report,
                      const espalier_model_info *info)
{
    char digest[65];
    json_t *object = json_object();
    json_object_set_new(object, "source", espalier_json_string(arguments->source_path));
    json_object_set_new(object, "source_bytes", espalier_json_count(report->source_bytes));
    json_object_set_new(object, "model", espalier_json_string(arguments->model_path));
    json_object_set_new(object, "model_bytes", espalier_json_count(report->model_bytes));
    json_object_set_new(object, "digest",
                        json_string(espalier_format_digest(info->root_digest, digest)));
    json_object_set_new(object, "trees", json_integer(info->tree_count));
    json_object_set_new(object, "nodes", espalier_json_count(info->node_count));
    json_object_set_new(object, "features", json_integer(info->feature_count));
    json_object_set_new(object, "proof", espalier_json_proof(&report->proof));
    json_object_set_new(object, "summary", espalier_json_string(report->summary));
    return espalier_json_print(object);
}

static int convert_source(const convert_arguments *arguments)
{
    espalier_convert_options options = arguments->options;
    espalier_convert_report report = {0};
    espalier_error error = {0};
    espalier_model *model = NULL;
    espalier_model_info info;
    progress_state progress = {0};
    clock_gettime(CLOCK_MONOTONIC, &progress.shown);
    if (isatty(STDERR_FILENO)) {
        options.progress = show_progress;
        options.progress_context = &progress;
    }
    const espalier_status status =
        espalier_convert(arguments->source_path, arguments->model_path, &options, &report, &error);
    if (progress.is_shown) {
        fputs("\r\033[K", stderr);
    }
    if (status != ESPALIER_OK) {
        return espalier_fail_status(arguments->source_path, status, &error);
    }
    /* What the new file holds is read from the file itself. */
    const int code = espalier_open_model(arguments->model_path, 0, &model, &info);
    espalier_model_close(model);
    if (code != 0) {
        return code;
    }
    return arguments->is_json ? print_json(arguments, &report, &info)
                              : print_summary(arguments, &report, &info);
}

int espalier_command_convert(int argc, char **argv)
{
    const espalier_convert_options defaults = ESPALIER_CONVERT_OPTIONS_INIT;
    convert_arguments arguments = {.options = defaults};
    check_data check = {.values = NULL};
    espalier_message message;
    arguments.meta = calloc((size_t)argc, sizeof *arguments.meta);
    if (arguments.meta == NULL) {
        return espalier_fail("not enough memory");
    }
    arguments.options.meta = arguments.meta;
    int code = espalier_options_read(&command_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        goto out;
    }
    if (arguments.check_rows_path != NULL) {
        if (!load_check(&arguments, &check, &message)) {
            code = espalier_fail(message.text);
            goto out;
        }
        arguments.options.check_rows = &check.rows;
        arguments.options.check_expected = &check.expected;
    }
    code = convert_source(&arguments);
out:
    free(check.rows_array.data);
    free(check.expected_array.data);
    free(check.values);
    free(arguments.meta);
    return code;
}
