// SPDX-License-Identifier: Apache-2.0
/*
 * One attempt of the exhaustive run: bytes are opened; what opens is verified, looked at, and
 * predicts. Leaves the program with a message when anything promised does not hold.
 */
#ifndef TESTS_EXHAUSTIVE_EXHAUST_TRY_H
#define TESTS_EXHAUSTIVE_EXHAUST_TRY_H

#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct exhaust_counts {
    uint64_t cases;
    uint64_t refused; /* by open */
    uint64_t opened;
    uint64_t verified;  /* of the opened */
    uint64_t no_memory; /* opened, and a predictor wanted more than there is */
    uint64_t predictions;
    uint64_t sharing;       /* predictors whose trees share tests */
    uint64_t statuses[128]; /* of open and of verify */
} exhaust_counts;

/* The levels this machine has; returns how many. */
uint32_t exhaust_levels(const uint32_t **levels_out);

/* What is known of a case's answers. */
typedef enum exhaust_answers {
    EXHAUST_ANY,
    EXHAUST_NOTED, /* the model is sound: its answers are those that others are to give */
    EXHAUST_SAME   /* as noted: only what nothing predicts from is changed */
} exhaust_answers;

/* Which rows, and with which levels an opened model predicts. */
typedef struct exhaust_way {
    bool wide;      /* float64 rows */
    bool brief;     /* the default output alone, and nothing else is asked of the model */
    bool changing;  /* the model changes meanwhile: answers need not agree */
    bool few;       /* rows, one of every odd kind: no block is full */
    uint32_t only;  /* level + 1: this one alone; 0: all, which must agree */
    uint32_t whole; /* level + 1: all but this one predict few rows; 0: none does */
    exhaust_answers answers;
} exhaust_way;

/* Opens `bytes` bytes at `data` and tries the model. Returns open's status. */
espalier_status exhaust_try(const uint8_t *data, size_t bytes, const exhaust_way *way,
                            exhaust_counts *counts);

/* The same with an open model, which is closed. */
void exhaust_try_model(espalier_model *model, const exhaust_way *way, exhaust_counts *counts);

#endif
