// SPDX-License-Identifier: Apache-2.0
/*
 * A small service: threads answer requests from the current model of a store, while the main thread
 * looks for a new version ten times a second. Nobody waits for the other. Includes the public
 * header and libc only.
 *
 *     espalier store publish models forest.espalier
 *     hot_swap_service models 5 &
 *     espalier store publish models better.espalier      (taken within a tenth of a second)
 *
 *     cc hot_swap_service.c -lespalier -pthread
 */
#include <espalier.h>
#include <espalier_slot.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    THREADS = 2,
    LOOKS_PER_SECOND = 10,
    FEATURES_MAX = 4096,
    RESULTS_MAX = 4096
};

typedef struct worker {
    espalier_reader *reader;
    atomic_bool *stop;
    unsigned long answers;
    unsigned long failures;
    uint64_t version; /* that gave the last answer */
} worker;

/* One request. A real one brings its own row; this one, of FEATURES_MAX values, is made up. */
static int answer(worker *self, float *row, double *result, size_t result_bytes)
{
    espalier_lease lease;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    if (espalier_slot_acquire(self->reader, &lease) != ESPALIER_OK) {
        return 0;
    }
    espalier_outputs outputs = {.data = result, .data_bytes = result_bytes};
    int good = espalier_model_info_get(lease.model, &info) == ESPALIER_OK &&
               info.feature_count <= FEATURES_MAX;
    if (good) {
        const espalier_rows rows = espalier_rows_float32(row, 1, info.feature_count);
        good = espalier_predict(lease.predictor, (espalier_output_kind)info.default_output, &rows,
                                &outputs) == ESPALIER_OK;
    }
    self->version = lease.version;
    espalier_slot_release(self->reader);
    return good;
}

static void *serve(void *argument)
{
    worker *const self = argument;
    static const struct timespec pause = {0, 1000000};
    float *const row = calloc(FEATURES_MAX, sizeof *row);
    double *const result = calloc(RESULTS_MAX, sizeof *result);
    while (row != NULL && result != NULL && !atomic_load(self->stop)) {
        row[0] = (float)(self->answers % 10);
        if (answer(self, row, result, RESULTS_MAX * sizeof *result)) {
            self->answers++;
        } else {
            self->failures++;
        }
        (void)espalier_slot_warm(self->reader, 0, NULL); /* what is new, before it is asked for */
        (void)nanosleep(&pause, NULL);                   /* the next request */
    }
    free(row);
    free(result);
    return NULL;
}

/* Looks for new versions until the time is over; what cannot be taken is told and left. */
static unsigned refresh(espalier_slot *slot, unsigned seconds)
{
    static const struct timespec pause = {0, 1000000000 / LOOKS_PER_SECOND};
    unsigned swaps = 0;
    for (unsigned i = 0; i < seconds * LOOKS_PER_SECOND; i++) {
        espalier_error error;
        espalier_slot_state now;
        if (espalier_slot_refresh(slot, 0, &now, &error) != ESPALIER_OK) {
            (void)fprintf(stderr, "keeping the old model: %s\n", error.message);
        } else if (now.changed) {
            printf("version %llu serves\n", (unsigned long long)now.version);
            (void)fflush(stdout);
            swaps++;
        }
        (void)nanosleep(&pause, NULL);
    }
    return swaps;
}

int main(int argc, char **argv)
{
    espalier_slot *slot = NULL;
    espalier_error error;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    espalier_open_options open = ESPALIER_OPEN_OPTIONS_INIT;
    open.flags = ESPALIER_OPEN_VERIFY | ESPALIER_OPEN_PREFAULT; /* before it serves */
    options.open = &open;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s STORE_OR_MODEL SECONDS\n", argv[0]);
        return 2;
    }
    if (espalier_slot_open(argv[1], &options, &slot, &error) != ESPALIER_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    atomic_bool stop;
    atomic_init(&stop, false);
    worker workers[THREADS] = {{.stop = &stop}, {.stop = &stop}};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (espalier_slot_register(slot, &workers[i].reader) != ESPALIER_OK ||
            pthread_create(&threads[i], NULL, serve, &workers[i]) != 0) {
            (void)fprintf(stderr, "no thread\n");
            return 1;
        }
    }
    const unsigned swaps = refresh(slot, (unsigned)strtoul(argv[2], NULL, 10));
    atomic_store(&stop, true);
    unsigned long answers = 0;
    unsigned long failures = 0;
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        (void)espalier_slot_unregister(workers[i].reader);
        answers += workers[i].answers;
        failures += workers[i].failures;
    }
    printf("%lu answers, %lu failures, %u swaps\n", answers, failures, swaps);
    return espalier_slot_close(slot) == ESPALIER_OK && failures == 0 ? 0 : 1;
}
