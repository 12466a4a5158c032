// SPDX-License-Identifier: Apache-2.0
/*
 * Converts, verifies and predicts the fixtures of a manifest through the libraries, with every
 * level of ISA this machine has, and compares with what the trainers answered (fixture_rule.h).
 * What only the command has is tests/interop/run_fixtures.py's: CSV, .npy shapes, exit codes.
 */
#ifndef TESTS_SUPPORT_FIXTURE_RUN_H
#define TESTS_SUPPORT_FIXTURE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct fixture_options {
    const char *manifest; /* its folder is that of the models */
    const char *glob;     /* only paths that match; NULL: all */
    size_t nth;           /* of those every n-th, at least 1 */
    FILE *out;            /* a line per failure, and the sums */
} fixture_options;

typedef struct fixture_counts {
    size_t passed; /* lines of the manifest */
    size_t failed;
    size_t skipped;
    uint64_t values; /* compared */
} fixture_counts;

/* True when something was compared and all of it agreed. The working directory is another while it
 * runs: what a refused pickle might do there would be seen. */
bool fixtures_run(const fixture_options *options, fixture_counts *counts_out);

#endif
