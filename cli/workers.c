// SPDX-License-Identifier: Apache-2.0
/*
 * See workers.h. Rows are cut into one run a thread; a thread sleeps until there is a run for it.
 */
#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Runs begin at multiples of this, so that blocks of rows stay whole. */
#define RUN_ROWS 64u

typedef struct worker {
    espalier_workers *workers;
    espalier_predictor *predictor;
    pthread_t thread;
    espalier_rows rows;
    espalier_outputs outputs;
    espalier_status status;
    bool is_started;
    bool has_work; /* under the mutex */
} worker;

struct espalier_workers {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_cond_t done;
    espalier_output_kind kind;
    const espalier_model *model;
    uint32_t count;
    uint32_t busy; /* under the mutex: workers with work */
    bool is_closing;
    worker workers[];
};

uint32_t espalier_workers_available(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (uint32_t)count;
}

static void run_worker(worker *own)
{
    own->status = espalier_predict(own->predictor, own->workers->kind, &own->rows, &own->outputs);
}

static void *run_thread(void *context)
{
    worker *const own = context;
    espalier_workers *const all = own->workers;
    (void)pthread_mutex_lock(&all->mutex);
    for (;;) {
        while (!own->has_work && !all->is_closing) {
            (void)pthread_cond_wait(&all->work, &all->mutex);
        }
        if (!own->has_work) {
            break;
        }
        (void)pthread_mutex_unlock(&all->mutex);
        run_worker(own);
        (void)pthread_mutex_lock(&all->mutex);
        own->has_work = false;
        all->busy--;
        if (all->busy == 0) {
            (void)pthread_cond_signal(&all->done);
        }
    }
    (void)pthread_mutex_unlock(&all->mutex);
    return NULL;
}

bool espalier_workers_open(const espalier_model *model, const espalier_predictor_options *options,
                           uint32_t thread_count, espalier_workers **workers_out,
                           espalier_message *message)
{
    espalier_workers *const all =
        calloc(1, sizeof *all + (size_t)thread_count * sizeof all->workers[0]);
    if (all == NULL) {
        return espalier_message_set(message, "not enough memory for %u threads", thread_count);
    }
    (void)pthread_mutex_init(&all->mutex, NULL);
    (void)pthread_cond_init(&all->work, NULL);
    (void)pthread_cond_init(&all->done, NULL);
    all->model = model;
    all->count = thread_count;
    for (uint32_t i = 0; i < thread_count; i++) {
        worker *const own = &all->workers[i];
        own->workers = all;
        const espalier_status status = espalier_predictor_create(model, options, &own->predictor);
        if (status != ESPALIER_OK) {
            espalier_message_set(message, "%s", espalier_status_message(status));
            espalier_workers_close(all);
            return false;
        }
        if (i > 0) {
            const int code = pthread_create(&own->thread, NULL, run_thread, own);
            if (code != 0) {
                espalier_message_set(message, "thread %u of %u cannot be started: %s", i + 1,
                                     thread_count, strerror(code));
                espalier_workers_close(all);
                return false;
            }
            own->is_started = true;
        }
    }
    *workers_out = all;
    return true;
}

void espalier_workers_close(espalier_workers *workers)
{
    espalier_workers *const all = workers;
    if (all == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&all->mutex);
    all->is_closing = true;
    (void)pthread_cond_broadcast(&all->work);
    (void)pthread_mutex_unlock(&all->mutex);
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->workers[i].is_started) {
            (void)pthread_join(all->workers[i].thread, NULL);
        }
        espalier_predictor_destroy(all->workers[i].predictor);
    }
    (void)pthread_cond_destroy(&all->done);
    (void)pthread_cond_destroy(&all->work);
    (void)pthread_mutex_destroy(&all->mutex);
    free(all);
}

static size_t item_bytes(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_FLOAT64 || dtype == ESPALIER_DTYPE_INT64 ? 8 : 4;
}

/*
 * Gives every worker its run of rows and place in the outputs. Returns how many got one. Rows that
 * would be refused as a whole (sizes, strides) are refused by the run of the first worker.
 */
static uint32_t share_rows(espalier_workers *all, const espalier_rows *rows,
                           const espalier_outputs *outputs, size_t output_row_bytes)
{
    const size_t rows_each = (rows->row_count / all->count / RUN_ROWS + 1) * RUN_ROWS;
    const size_t row_bytes = item_bytes(rows->dtype);
    uint32_t used = 0;
    for (size_t first = 0; first < rows->row_count || used == 0; first += rows_each) {
        worker *const own = &all->workers[used++];
        const size_t left = rows->row_count - first;
        own->rows = *rows;
        own->rows.row_count = left < rows_each ? left : rows_each;
        if (first > 0) {
            own->rows.data = (const char *)rows->data +
                             (ptrdiff_t)first * rows->row_stride * (ptrdiff_t)row_bytes;
        }
        own->outputs = *outputs;
        own->outputs.data = (char *)outputs->data + first * output_row_bytes;
        own->outputs.data_bytes = outputs->data_bytes - first * output_row_bytes;
    }
    return used;
}

espalier_status espalier_workers_predict(espalier_workers *workers, espalier_output_kind kind,
                                         const espalier_rows *rows, espalier_outputs *outputs)
{
    espalier_workers *const all = workers;
    espalier_output_info info;
    if (all->count == 1 || rows->row_count < (size_t)2 * RUN_ROWS ||
        espalier_model_output(all->model, kind, &info) != ESPALIER_OK) {
        return espalier_predict(all->workers[0].predictor, kind, rows, outputs);
    }
    const size_t stride = outputs->row_stride != 0 ? outputs->row_stride : info.width;
    const size_t output_row_bytes = stride * item_bytes(info.dtype);
    if (outputs->data_bytes / output_row_bytes < rows->row_count) {
        return espalier_predict(all->workers[0].predictor, kind, rows, outputs);
    }
    const uint32_t used = share_rows(all, rows, outputs, output_row_bytes);
    (void)pthread_mutex_lock(&all->mutex);
    all->kind = kind;
    all->busy = used - 1;
    for (uint32_t i = 1; i < used; i++) {
        all->workers[i].has_work = true;
    }
    (void)pthread_cond_broadcast(&all->work);
    (void)pthread_mutex_unlock(&all->mutex);
    run_worker(&all->workers[0]);
    (void)pthread_mutex_lock(&all->mutex);
    while (all->busy > 0) {
        (void)pthread_cond_wait(&all->done, &all->mutex);
    }
    (void)pthread_mutex_unlock(&all->mutex);

    /* The first run that stopped decides; everything before it is whole. */
    size_t first = 0;
    for (uint32_t i = 0; i < used; i++) {
        const worker *const own = &all->workers[i];
        if (own->status != ESPALIER_OK) {
            outputs->rows_written = first + own->outputs.rows_written;
            outputs->refused_row = first + own->outputs.refused_row;
            outputs->refused_feature = own->outputs.refused_feature;
            return own->status;
        }
        first += own->rows.row_count;
    }
    outputs->rows_written = rows->row_count;
    return ESPALIER_OK;
}
