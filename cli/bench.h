// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of espalier bench share. Includes cli.h, rows.h, espalier.h and libc. Times are in
 * nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef ESPALIER_CLI_BENCH_H
#define ESPALIER_CLI_BENCH_H

#include "rows.h"

/* ---- rows (bench_rows.c) --------------------------------------------------------------------- */

/* Rows to measure with: a file's, or made from the model's own thresholds. */
typedef struct espalier_bench_rows {
    espalier_rows rows;
    espalier_rows_reader *reader; /* NULL: made */
    void *made;
    const char **feature_names;
} espalier_bench_rows;

/* path: NULL to make row_count rows. The model must outlive the rows. */
bool espalier_bench_rows_open(const espalier_model *model, const char *path, size_t row_count,
                              espalier_bench_rows *rows_out, espalier_message *message);
void espalier_bench_rows_close(espalier_bench_rows *rows);

/* ---- what a row touches (bench_visits.c) ----------------------------------------------------- */

/* Means over rows; a path is the nodes of every tree that one row goes through. */
typedef struct espalier_bench_visits {
    size_t row_count;
    double visits;      /* inner nodes on the paths */
    double lines;       /* 64-byte lines of the nodes section that the paths touch */
    double pages;       /* 4,096-byte pages, likewise */
    double nodes;       /* positions of all trees: what a mask kernel of a block looks at */
    double nodes_bytes; /* of all trees */
} espalier_bench_visits;

bool espalier_bench_visits_count(const espalier_model *model, const espalier_rows *rows,
                                 size_t row_count, espalier_bench_visits *visits_out,
                                 espalier_message *message);

/* ---- floors (bench_floor.c) ------------------------------------------------------------------ */

/* What this machine does at best, measured now on memory in the first cache. */
typedef struct espalier_bench_machine {
    double loads_per_ns; /* independent 8-byte loads */
    double bytes_per_ns; /* bytes compared with a constant, by vectors where the compiler may */
} espalier_bench_machine;

void espalier_bench_machine_measure(espalier_bench_machine *machine_out);

/* The least time of a row, nanoseconds; the sum over the model's parts. */
typedef struct espalier_bench_floor {
    double one_row;
    double batch;
} espalier_bench_floor;

/*
 * From design figures: a walk needs two loads a visit; a mask kernel of a block compares every
 * node's code once a row, or, of complete trees with codes of a byte, takes a bit of its answer; a
 * mask kernel of one row reads every node of complete trees, else takes
 * three loads a visit.
 */
bool espalier_bench_floor_find(const espalier_model *model, const espalier_bench_visits *visits,
                               const espalier_bench_machine *machine,
                               espalier_bench_floor *floor_out);

/* ---- measuring (bench_measure.c) ------------------------------------------------------------- */

typedef struct espalier_bench_quantiles {
    double p50;
    double p99;
    double p999;
    size_t count;
} espalier_bench_quantiles;

/* One ISA level that can serve the model, and what was measured with it. */
typedef struct espalier_bench_kernel {
    espalier_isa isa;
    char *name; /* the kernels of all parts; freed by espalier_bench_close */
    espalier_predictor *predictor;
    bool agrees; /* every bit of one-row, batch and threaded answers as the first kernel's batch */
    bool is_default; /* what a predictor without options uses */
    espalier_bench_quantiles one_row;
    double batch;   /* nanoseconds a row, median over the rounds */
    double threads; /* the same with all threads */
    /* Not for readers: */
    uint32_t *times;
    size_t time_count;
    double *batch_times;
    double *threads_times;
    size_t round_count;
} espalier_bench_kernel;

typedef struct espalier_bench_options {
    espalier_output_kind kind;
    uint32_t thread_count;
    double seconds; /* for each kernel */
} espalier_bench_options;

typedef struct espalier_bench {
    espalier_bench_kernel *kernels;
    size_t kernel_count;
    espalier_bench_quantiles empty; /* a loop that times nothing, on the same thread */
    uint32_t *empty_times;
    size_t empty_count;
} espalier_bench;

/* Measures every kernel, round by round, in turn. Free with espalier_bench_close. */
bool espalier_bench_run(const espalier_model *model, const espalier_rows *rows,
                        const espalier_bench_options *options, espalier_bench *bench_out,
                        espalier_message *message);
void espalier_bench_close(espalier_bench *bench);

#endif
