// SPDX-License-Identifier: Apache-2.0
/*
 * Predicting with several threads: one predictor a thread, one model. Includes cli.h, espalier.h
 * and libc. The library itself starts no threads; this is how a program does it.
 */
#ifndef ESPALIER_CLI_WORKERS_H
#define ESPALIER_CLI_WORKERS_H

#include "cli.h"

typedef struct espalier_workers espalier_workers;

/* Threads at most. */
#define ESPALIER_WORKERS_MAX 1024u

/* Threads this process may run on at once, at least 1. */
uint32_t espalier_workers_available(void);

/*
 * Makes thread_count predictors, each on a thread of its own but the first, which runs on the
 * caller's. The model must outlive the workers. On failure nothing is left running; the message
 * says why.
 */
bool espalier_workers_open(const espalier_model *model, const espalier_predictor_options *options,
                           uint32_t thread_count, espalier_workers **workers_out,
                           espalier_message *message);
void espalier_workers_close(espalier_workers *workers);

/* As espalier_predict: same answers, same refusals, same order. */
espalier_status espalier_workers_predict(espalier_workers *workers, espalier_output_kind kind,
                                         const espalier_rows *rows, espalier_outputs *outputs);

#endif
