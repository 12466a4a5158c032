// SPDX-License-Identifier: Apache-2.0
/*
 * espalier bench: every kernel that can serve a model on this machine, side by side. Includes
 * bench.h, command_line.h, workers.h and libc.
 */
#include "bench.h"
#include "command_line.h"
#include "workers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help_head[] =
    "Usage: espalier bench MODEL [options]\n"
    "\n"
    "Runs every kernel that can serve MODEL on this machine, in turn, checks that all give the\n"
    "same bits for single rows, for the batch and with threads, and prints what a row costs.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "A row's visits, cache lines and pages are counted on the nodes it goes through. The floor\n"
    "is what the loads that cannot be avoided take at this machine's best rate; x floor says\n"
    "how far a kernel is from it. The empty loop is timed like single rows, predicting nothing.\n"
    "ESPALIER_ISA=LEVEL in the environment, and the isa option in C, choose a level.\n"
    "\n"
    "Examples:\n"
    "  espalier bench forest.espalier\n"
    "  espalier bench forest.espalier --rows rows.npy --seconds 5 --json\n";

#define ROWS_DEFAULT   10000u
#define ROWS_MAX       1000000u
#define VISITED_ROWS   100u
#define SECONDS_MAX    3600.0
#define CPU_NAME_BYTES 128u

typedef struct bench_arguments {
    const char *model_path;
    const char *rows_path;
    uint64_t row_count;
    uint64_t thread_count;
    espalier_bench_options options;
    bool is_json;
} bench_arguments;

/* What one run found. */
typedef struct bench_results {
    espalier_model *model;
    espalier_model_info info;
    espalier_bench_rows rows;
    espalier_bench_visits visits;
    espalier_bench_machine machine;
    espalier_bench_floor floor;
    espalier_bench bench;
    char cpu[CPU_NAME_BYTES];
} bench_results;

/* ---- arguments ------------------------------------------------------------------------------- */

static int take_output(const espalier_given *given, void *place)
{
    const uint32_t kind = espalier_kind_from_name(given->value);
    if (kind == 0 || kind == ESPALIER_OUTPUT_LEAF) {
        return espalier_given_fail(given, "is none of margin, probability, class, value, score");
    }
    *(espalier_output_kind *)place = (espalier_output_kind)kind;
    return 0;
}

static int take_seconds(const espalier_given *given, void *place)
{
    char *end = NULL;
    const double seconds = strtod(given->value, &end);
    if (end == given->value || *end != '\0' || !(seconds > 0.0) || seconds > SECONDS_MAX) {
        return espalier_given_fail(given, "is not a time up to an hour");
    }
    *(double *)place = seconds;
    return 0;
}

static const espalier_option known[] = {
    {"rows", "FILE",
     "rows to predict, .npy or .csv (default: made from the model's\n"
     "thresholds; your own rows tell more)",
     offsetof(bench_arguments, rows_path), .take = espalier_take_text},
    {"count", "N", "rows at most (default 10000)", offsetof(bench_arguments, row_count), .low = 1,
     .high = ROWS_MAX, .take = espalier_take_count},
    {"output", "KIND", "what to predict (default: what the trainer's own predict gives)",
     offsetof(bench_arguments, options.kind), .take = take_output},
    {"threads", "N", "threads of the last column (default: one a CPU)",
     offsetof(bench_arguments, thread_count), .low = 1, .high = ESPALIER_WORKERS_MAX,
     .take = espalier_take_count},
    {"seconds", "S", "time for each kernel (default 2)", offsetof(bench_arguments, options.seconds),
     .take = take_seconds},
    {"json", NULL, "print the same, complete, as JSON", offsetof(bench_arguments, is_json),
     .take = espalier_take_true},
};

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(bench_arguments, model_path),
};

/* ---- measuring ------------------------------------------------------------------------------- */

/* The CPU's own name, or the machine's architecture where the system does not tell. */
static void find_cpu(char *name)
{
    char line[512];
    FILE *const file = fopen("/proc/cpuinfo", "re");
    (void)snprintf(name, CPU_NAME_BYTES, "unknown CPU");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *const colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            const char *const text = colon + 1 + strspn(colon + 1, " \t");
            (void)snprintf(name, CPU_NAME_BYTES, "%.*s", (int)strcspn(text, "\n"), text);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static int open_all(const bench_arguments *arguments, bench_results *results)
{
    espalier_message reason;
    const int code = espalier_open_model(arguments->model_path, 0, &results->model, &results->info);
    if (code != 0) {
        return code;
    }
    return espalier_bench_rows_open(results->model, arguments->rows_path,
                                    (size_t)arguments->row_count, &results->rows, &reason)
               ? 0
               : espalier_fail(reason.text);
}

static int measure(bench_arguments *arguments, bench_results *results)
{
    espalier_message reason;
    espalier_message message;
    espalier_output_info output;
    if (arguments->options.kind == 0) {
        arguments->options.kind = (espalier_output_kind)results->info.default_output;
    }
    if (espalier_model_output(results->model, arguments->options.kind, &output) != ESPALIER_OK) {
        espalier_message_set(&message,
                             "%s: the model has no output '%s' (espalier info lists them)",
                             arguments->model_path, espalier_kind_name(arguments->options.kind));
        return espalier_fail(message.text);
    }
    find_cpu(results->cpu);
    espalier_bench_machine_measure(&results->machine);
    if (!espalier_bench_visits_count(results->model, &results->rows.rows, VISITED_ROWS,
                                     &results->visits, &reason) ||
        !espalier_bench_run(results->model, &results->rows.rows, &arguments->options,
                            &results->bench, &reason)) {
        espalier_message_set(&message, "%s: %s", arguments->model_path, reason.text);
        return espalier_fail(message.text);
    }
    if (!espalier_bench_floor_find(results->model, &results->visits, &results->machine,
                                   &results->floor)) {
        results->floor = (espalier_bench_floor){0};
    }
    return 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* A time as people say it, eight characters. */
static void print_time(double nanoseconds)
{
    if (nanoseconds < 1e3) {
        printf("  %6.0f ns", nanoseconds);
    } else if (nanoseconds < 1e6) {
        printf("  %6.2f us", nanoseconds / 1e3);
    } else {
        printf("  %6.2f ms", nanoseconds / 1e6);
    }
}

static void print_ratio(double time, double floor)
{
    if (floor > 0.0) {
        printf("  %6.1f", time / floor);
    } else {
        printf("       -");
    }
}

static void print_text(const bench_arguments *arguments, const bench_results *results)
{
    char text[32];
    const espalier_bench_visits *const visits = &results->visits;
    espalier_print_text(stdout, arguments->model_path);
    printf(": %s trees", espalier_format_count(results->info.tree_count, text));
    printf(", %s nodes, ", espalier_format_count(results->info.node_count, text));
    printf("%s\n", espalier_kind_name(arguments->options.kind));
    espalier_print_text(stdout, results->cpu);
    printf("; %" PRIu32 " threads; %s rows ", arguments->options.thread_count,
           espalier_format_count(results->rows.rows.row_count, text));
    if (arguments->rows_path != NULL) {
        espalier_print_text(stdout, arguments->rows_path);
    } else {
        fputs("made from the model's thresholds", stdout);
    }
    printf("\na row visits %.0f nodes, %.0f cache lines, %.0f pages (means of %zu rows)\n",
           visits->visits, visits->lines, visits->pages, visits->row_count);
    fputs("floor of a row:", stdout);
    print_time(results->floor.one_row);
    fputs(" by itself,", stdout);
    print_time(results->floor.batch);
    fputs(" in a batch\n\n", stdout);
    printf("  %-10s  %8s  %8s  %8s  %7s  %8s  %7s  %8s  %s\n", "level", "row p50", "p99", "p99.9",
           "x floor", "batch", "x floor", "threads", "bits");
    for (size_t i = 0; i < results->bench.kernel_count; i++) {
        const espalier_bench_kernel *const kernel = &results->bench.kernels[i];
        printf("%c %-10s", kernel->is_default ? '*' : ' ', espalier_isa_name(kernel->isa));
        print_time(kernel->one_row.p50);
        print_time(kernel->one_row.p99);
        print_time(kernel->one_row.p999);
        print_ratio(kernel->one_row.p50, results->floor.one_row);
        print_time(kernel->batch);
        print_ratio(kernel->batch, results->floor.batch);
        print_time(kernel->threads);
        printf("  %s\n", kernel->agrees ? "equal" : "DIFFER");
    }
    printf("  %-10s", "empty loop");
    print_time(results->bench.empty.p50);
    print_time(results->bench.empty.p99);
    print_time(results->bench.empty.p999);
    puts("\n");
    for (size_t i = 0; i < results->bench.kernel_count; i++) {
        const espalier_bench_kernel *const kernel = &results->bench.kernels[i];
        printf("%c %-10s  %s\n", kernel->is_default ? '*' : ' ', espalier_isa_name(kernel->isa),
               kernel->name);
    }
    puts("* what a predictor uses when nothing is asked for");
}

static json_t *make_quantiles(const espalier_bench_quantiles *quantiles)
{
    json_t *const object = json_object();
    json_object_set_new(object, "p50_ns", json_real(quantiles->p50));
    json_object_set_new(object, "p99_ns", json_real(quantiles->p99));
    json_object_set_new(object, "p999_ns", json_real(quantiles->p999));
    json_object_set_new(object, "count", espalier_json_count(quantiles->count));
    return object;
}

static json_t *make_kernel(const espalier_bench_kernel *kernel)
{
    espalier_predictor_info info = ESPALIER_PREDICTOR_INFO_INIT;
    json_t *const object = json_object();
    json_object_set_new(object, "level", json_string(espalier_isa_name(kernel->isa)));
    json_object_set_new(object, "kernel", json_string(kernel->name));
    json_object_set_new(object, "is_default", json_boolean(kernel->is_default));
    json_object_set_new(object, "bits_equal", json_boolean(kernel->agrees));
    json_object_set_new(object, "one_row", make_quantiles(&kernel->one_row));
    json_object_set_new(object, "batch_ns_per_row", json_real(kernel->batch));
    json_object_set_new(object, "threads_ns_per_row", json_real(kernel->threads));
    json_object_set_new(object, "rounds", espalier_json_count(kernel->round_count));
    if (espalier_predictor_info_get(kernel->predictor, &info) == ESPALIER_OK) {
        json_object_set_new(object, "ranker", json_string(info.ranker));
        json_object_set_new(object, "block_rows", json_integer(info.block_rows));
        json_object_set_new(object, "predictor_bytes", espalier_json_count(info.memory_bytes));
    }
    return object;
}

static int print_json(const bench_arguments *arguments, const bench_results *results)
{
    json_t *const object = json_object();
    json_t *const visits = json_object();
    json_t *const floor = json_object();
    json_t *const kernels = json_array();
    json_object_set_new(object, "file", espalier_json_string(arguments->model_path));
    json_object_set_new(object, "output", json_string(espalier_kind_name(arguments->options.kind)));
    json_object_set_new(object, "cpu", espalier_json_string(results->cpu));
    json_object_set_new(object, "thread_count", json_integer(arguments->options.thread_count));
    json_object_set_new(object, "rows",
                        arguments->rows_path != NULL ? espalier_json_string(arguments->rows_path)
                                                     : json_null());
    json_object_set_new(object, "row_count", espalier_json_count(results->rows.rows.row_count));
    json_object_set_new(object, "tree_count", json_integer(results->info.tree_count));
    json_object_set_new(object, "node_count", espalier_json_count(results->info.node_count));
    json_object_set_new(visits, "rows", espalier_json_count(results->visits.row_count));
    json_object_set_new(visits, "nodes", json_real(results->visits.visits));
    json_object_set_new(visits, "cache_lines", json_real(results->visits.lines));
    json_object_set_new(visits, "pages", json_real(results->visits.pages));
    json_object_set_new(object, "visits_per_row", visits);
    json_object_set_new(floor, "loads_per_ns", json_real(results->machine.loads_per_ns));
    json_object_set_new(floor, "compared_bytes_per_ns", json_real(results->machine.bytes_per_ns));
    json_object_set_new(floor, "one_row_ns", json_real(results->floor.one_row));
    json_object_set_new(floor, "batch_ns_per_row", json_real(results->floor.batch));
    json_object_set_new(object, "floor", floor);
    for (size_t i = 0; i < results->bench.kernel_count; i++) {
        json_array_append_new(kernels, make_kernel(&results->bench.kernels[i]));
    }
    json_object_set_new(object, "kernels", kernels);
    json_object_set_new(object, "empty_loop", make_quantiles(&results->bench.empty));
    return espalier_json_print(object);
}

/* Kernels that do not agree are a defect of this library, told as a failure. */
static int report(const bench_arguments *arguments, const bench_results *results)
{
    int code = ESPALIER_EXIT_DONE;
    if (arguments->is_json) {
        code = print_json(arguments, results);
    } else {
        print_text(arguments, results);
        code = espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
    }
    for (size_t i = 0; i < results->bench.kernel_count; i++) {
        if (!results->bench.kernels[i].agrees) {
            espalier_message message;
            espalier_message_set(&message, "%s: kernels give different bits",
                                 arguments->model_path);
            return espalier_fail(message.text);
        }
    }
    return code;
}

int espalier_command_bench(int argc, char **argv)
{
    bench_arguments arguments = {.row_count = ROWS_DEFAULT,
                                 .thread_count = espalier_workers_available(),
                                 .options = {.seconds = 2.0}};
    int code = espalier_options_read(&command_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    arguments.options.thread_count = (uint32_t)arguments.thread_count;
    bench_results results = {0};
    code = open_all(&arguments, &results);
    if (code == 0) {
        code = measure(&arguments, &results);
    }
    if (code == 0) {
        code = report(&arguments, &results);
    }
    espalier_bench_close(&results.bench);
    espalier_bench_rows_close(&results.rows);
    espalier_model_close(results.model);
    return code;
}
