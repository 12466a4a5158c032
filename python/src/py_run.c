// SPDX-License-Identifier: Apache-2.0
/*
 * Batches: rows or columns in, a buffer of outputs filled. The rows are cut into one run a thread;
 * the interpreter's lock is let go of meanwhile. Predictors are kept in the model for later calls.
 */
#include "py_core.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX      256u
#define RUN_ROWS_MIN     64u /* fewer rows are not worth a thread */
#define GATHER_BYTES_MAX (256u << 10)

const char espalier_py_run_doc[] =
    "_run(kind, source, order, out, n_threads, flags, first, count)\n--\n\n"
    "Fill `out`, a writable buffer of the output's dtype, with the predictions for `source`: a\n"
    "buffer of float rows, or a Table whose column order[i] is feature i.";

/* What one thread does. */
typedef struct run_job {
    espalier_predictor *predictor;
    espalier_output_kind kind;
    espalier_rows rows; /* the job's own; data is NULL where columns are gathered */
    const espalier_py_column **columns;
    size_t first_row; /* of the batch */
    void *gathered;   /* room for gather_rows rows */
    size_t gather_rows;
    unsigned char *out;
    size_t row_bytes; /* of the output */
    pthread_t thread;
    bool is_started;
    espalier_status status;
    size_t refused_row; /* counted from the job's first */
    size_t refused_feature;
} run_job;

/* One call. */
typedef struct run_call {
    espalier_py_model *self;
    const espalier_output_info *output;
    espalier_py_idle wanted;
    uint32_t thread_count;
    run_job *jobs;
    espalier_rows rows;                 /* of a buffer; for columns counts and dtype only */
    const espalier_py_table *table;     /* NULL: a buffer */
    const espalier_py_column **columns; /* of the batch, one a feature */
    Py_ssize_t *order;                  /* feature -> column */
} run_call;

/* ---- threads ---- */

static uint32_t count_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (uint32_t)count;
}

/* joblib's way to count: -1 is all CPUs, -2 all but one. */
static uint32_t choose_threads(int wanted, size_t row_count)
{
    const int cpus = (int)count_cpus();
    int count = wanted < 0 ? cpus + 1 + wanted : wanted;
    count = count < 1 ? 1 : count > (int)THREADS_MAX ? (int)THREADS_MAX : count;
    const size_t most = row_count / RUN_ROWS_MIN;
    return (size_t)count > most ? (most > 0 ? (uint32_t)most : 1) : (uint32_t)count;
}

static espalier_status predict_rows(run_job *job, const espalier_rows *rows, size_t done)
{
    espalier_outputs outputs = {.data = job->out + done * job->row_bytes,
                                .data_bytes = rows->row_count * job->row_bytes};
    const espalier_status status = espalier_predict(job->predictor, job->kind, rows, &outputs);
    if (status != ESPALIER_OK) {
        job->refused_row = done + outputs.refused_row;
        job->refused_feature = outputs.refused_feature;
    }
    return status;
}

static void *run_one_job(void *context)
{
    run_job *const job = context;
    if (job->columns == NULL) {
        job->status = predict_rows(job, &job->rows, 0);
        return NULL;
    }
    espalier_rows rows = job->rows;
    rows.data = job->gathered;
    for (size_t done = 0; done < job->rows.row_count && job->status == ESPALIER_OK;
         done += job->gather_rows) {
        const size_t left = job->rows.row_count - done;
        rows.row_count = left < job->gather_rows ? left : job->gather_rows;
        espalier_py_gather(job->columns, rows.feature_count, job->first_row + done, rows.row_count,
                           rows.dtype, job->gathered);
        job->status = predict_rows(job, &rows, done);
    }
    return NULL;
}

/* Without the interpreter's lock. A thread that cannot be started is done here. */
static void run_jobs(run_job *jobs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        jobs[i].is_started = pthread_create(&jobs[i].thread, NULL, run_one_job, &jobs[i]) == 0;
    }
    (void)run_one_job(&jobs[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (jobs[i].is_started) {
            (void)pthread_join(jobs[i].thread, NULL);
        } else {
            (void)run_one_job(&jobs[i]);
        }
    }
}

/* ---- predictors ---- */

static bool is_same_kind(const espalier_py_idle *a, const espalier_py_idle *b)
{
    return a->flags == b->flags && a->iteration_first == b->iteration_first &&
           a->iteration_count == b->iteration_count;
}

/* One of those that wait, or a new one; NULL with an exception. */
static espalier_predictor *take_predictor(espalier_py_model *self, const espalier_py_idle *wanted)
{
    for (uint32_t i = self->idle_count; i-- > 0;) {
        if (is_same_kind(&self->idle[i], wanted)) {
            espalier_predictor *const predictor = self->idle[i].predictor;
            self->idle[i] = self->idle[--self->idle_count];
            return predictor;
        }
    }
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = wanted->flags;
    options.iteration_first = wanted->iteration_first;
    options.iteration_count = wanted->iteration_count;
    espalier_predictor *predictor = NULL;
    const espalier_status status = espalier_predictor_create(self->model, &options, &predictor);
    if (status != ESPALIER_OK) {
        (void)espalier_py_raise(status, NULL);
    }
    return predictor;
}

/* The one that waited longest goes when there is no room. */
static void give_predictor(espalier_py_model *self, const espalier_py_idle *wanted,
                           espalier_predictor *predictor)
{
    if (predictor == NULL) {
        return;
    }
    if (self->idle_count == ESPALIER_PY_IDLE) {
        espalier_predictor_destroy(self->idle[0].predictor);
        memmove(&self->idle[0], &self->idle[1], (ESPALIER_PY_IDLE - 1) * sizeof self->idle[0]);
        self->idle_count--;
    }
    self->idle[self->idle_count] = *wanted;
    self->idle[self->idle_count++].predictor = predictor;
}

/* ---- one call ---- */

/* Rows [first, first + count) of a batch whose columns or rows the call holds, from out on. */
static void cut_jobs(run_call *call, size_t first_row, size_t row_count, unsigned char *out,
                     uint32_t job_count)
{
    const size_t item_bytes = call->rows.dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
    /* Runs begin at whole blocks of rows. */
    const size_t share = (row_count / job_count + RUN_ROWS_MIN - 1) / RUN_ROWS_MIN * RUN_ROWS_MIN;
    for (uint32_t i = 0; i < job_count; i++) {
        run_job *const job = &call->jobs[i];
        const size_t begin = share * i < row_count ? share * i : row_count;
        const size_t end =
            i + 1 == job_count || begin + share > row_count ? row_count : begin + share;
        job->rows = call->rows;
        job->rows.row_count = end - begin;
        job->first_row = first_row + begin;
        job->columns = call->table != NULL ? call->columns : NULL;
        if (call->table == NULL) {
            job->rows.data = (const char *)call->rows.data + (ptrdiff_t)(first_row + begin) *
                                                                 call->rows.row_stride *
                                                                 (ptrdiff_t)item_bytes;
        }
        job->out = out + begin * job->row_bytes;
        job->status = ESPALIER_OK;
        job->is_started = false;
    }
}

static PyObject *fail_job(const run_call *call, const run_job *job, size_t row)
{
    if (job->status == ESPALIER_ERROR_MISSING || job->status == ESPALIER_ERROR_INFINITE ||
        job->status == ESPALIER_ERROR_CATEGORY) {
        char text[512];
        espalier_py_describe(call->self, job->status, row, job->refused_feature, text, sizeof text);
        return espalier_py_raise_rows(job->status, text, row, job->refused_feature);
    }
    return espalier_py_raise_rows(job->status, NULL, ESPALIER_PY_NO_ROW, 0);
}

/* A run of rows on all threads; false with an exception. first_of_all: of the whole call. */
static bool run_batch(run_call *call, size_t row_count, unsigned char *out, size_t first_of_all)
{
    const uint32_t job_count = choose_threads((int)call->thread_count, row_count);
    cut_jobs(call, 0, row_count, out, job_count);
    Py_BEGIN_ALLOW_THREADS run_jobs(call->jobs, job_count);
    Py_END_ALLOW_THREADS for (uint32_t i = 0; i < job_count; i++)
    {
        const run_job *const job = &call->jobs[i];
        if (job->status != ESPALIER_OK) {
            (void)fail_job(call, job, first_of_all + job->first_row + job->refused_row);
            return false;
        }
    }
    return true;
}

static bool run_table(run_call *call, unsigned char *out, size_t row_bytes)
{
    size_t done = 0;
    for (size_t batch = 0; batch < call->table->batch_count; batch++) {
        const espalier_py_batch *const rows = &call->table->batches[batch];
        for (size_t i = 0; i < call->rows.feature_count; i++) {
            call->columns[i] = &rows->columns[call->order[i]];
        }
        if (!run_batch(call, rows->row_count, out + done * row_bytes, done)) {
            return false;
        }
        done += rows->row_count;
    }
    return true;
}

/* Jobs with a predictor each, and room to gather; false with an exception. */
static bool make_jobs(run_call *call, size_t row_count, size_t row_bytes)
{
    call->thread_count = choose_threads((int)call->thread_count, row_count);
    call->jobs = calloc(call->thread_count, sizeof *call->jobs);
    if (call->jobs == NULL) {
        PyErr_NoMemory();
        return false;
    }
    const size_t gathered_bytes = call->rows.feature_count * sizeof(double) + 1;
    const size_t gather_rows = GATHER_BYTES_MAX / gathered_bytes + 1;
    for (uint32_t i = 0; i < call->thread_count; i++) {
        run_job *const job = &call->jobs[i];
        job->kind = (espalier_output_kind)call->output->kind;
        job->row_bytes = row_bytes;
        job->predictor = take_predictor(call->self, &call->wanted);
        if (job->predictor == NULL) {
            return false;
        }
        if (call->table != NULL) {
            job->gather_rows = gather_rows;
            job->gathered = malloc(gather_rows * gathered_bytes);
            if (job->gathered == NULL) {
                PyErr_NoMemory();
                return false;
            }
        }
    }
    return true;
}

static void free_jobs(run_call *call)
{
    for (uint32_t i = 0; call->jobs != NULL && i < call->thread_count; i++) {
        give_predictor(call->self, &call->wanted, call->jobs[i].predictor);
        free(call->jobs[i].gathered);
    }
    free(call->jobs);
    free((void *)call->columns);
    free(call->order);
}

/* Which column is which feature: order, a sequence of the table's column numbers. */
static bool take_order(run_call *call, PyObject *order)
{
    const size_t count = call->self->info.feature_count;
    const Py_ssize_t found = PySequence_Size(order);
    if (found < 0 || (size_t)found != count) {
        PyErr_SetString(PyExc_ValueError, "an order has a column for every feature");
        return false;
    }
    call->order = calloc(count + 1, sizeof *call->order);
    call->columns = (const espalier_py_column **)calloc(count + 1, sizeof *call->columns);
    if (call->order == NULL || call->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    bool is_single = true;
    for (size_t i = 0; i < count; i++) {
        PyObject *const item = PySequence_GetItem(order, (Py_ssize_t)i);
        const Py_ssize_t column = item == NULL ? -1 : PyLong_AsSsize_t(item);
        Py_XDECREF(item);
        if (column < 0 || (size_t)column >= call->table->column_count) {
            if (PyErr_Occurred() == NULL) {
                PyErr_SetString(PyExc_ValueError, "an order names a column that is not there");
            }
            return false;
        }
        call->order[i] = column;
        const espalier_py_batch *const batches = call->table->batches;
        for (size_t batch = 0; batch < call->table->batch_count; batch++) {
            if (batches[batch].columns[column].type == 0) {
                PyErr_Format(PyExc_TypeError, "column %zd holds no numbers", column);
                return false;
            }
            is_single = is_single && batches[batch].columns[column].type == ESPALIER_PY_FLOAT32;
        }
    }
    call->rows = (espalier_rows){.dtype = is_single && count > 0 ? ESPALIER_DTYPE_FLOAT32
                                                                 : ESPALIER_DTYPE_FLOAT64,
                                 .row_count = call->table->row_count,
                                 .feature_count = count,
                                 .row_stride = (ptrdiff_t)count,
                                 .feature_stride = 1};
    return true;
}

/* Rows of a buffer. */
static bool take_rows(run_call *call, PyObject *source, Py_buffer *view)
{
    if (PyObject_GetBuffer(source, view, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
        view->obj = NULL;
        return false;
    }
    if (!espalier_py_rows_of(view, &call->rows)) {
        return false;
    }
    if (call->rows.feature_count != call->self->info.feature_count) {
        PyErr_Format(PyExc_ValueError, "rows of %zu features, but the model has %u",
                     call->rows.feature_count, (unsigned)call->self->info.feature_count);
        return false;
    }
    return true;
}

static bool run_call_on(run_call *call, PyObject *source, PyObject *order, const Py_buffer *out)
{
    static const uint8_t item_bytes[] = {0, 4, 8, 4, 8};
    const size_t row_bytes = call->output->width * item_bytes[call->output->dtype];
    Py_buffer view = {.obj = NULL};
    bool ok = false;
    if (order != Py_None) {
        if (!espalier_py_is_table(source)) {
            PyErr_SetString(PyExc_TypeError, "an order needs a Table");
            return false;
        }
        call->table = (const espalier_py_table *)source;
        ok = take_order(call, order);
    } else {
        ok = take_rows(call, source, &view);
    }
    const size_t row_count = call->rows.row_count;
    if (ok && row_bytes != 0 && (size_t)out->len / row_bytes < row_count) {
        PyErr_SetString(PyExc_ValueError, "the buffer of outputs is too small");
        ok = false;
    }
    ok = ok && make_jobs(call, row_count, row_bytes);
    if (ok) {
        call->self->busy_count++;
        ok = call->table != NULL ? run_table(call, out->buf, row_bytes)
                                 : run_batch(call, row_count, out->buf, 0);
        call->self->busy_count--;
    }
    if (view.obj != NULL) {
        PyBuffer_Release(&view);
    }
    return ok;
}

PyObject *espalier_py_run(PyObject *object, PyObject *args)
{
    espalier_py_model *const self = (espalier_py_model *)object;
    unsigned int kind = 0;
    PyObject *source = NULL;
    PyObject *order = NULL;
    PyObject *target = NULL;
    int thread_count = 1;
    unsigned long long flags = 0;
    unsigned int first = 0;
    unsigned int count = 0;
    if (!PyArg_ParseTuple(args, "IOOOiKII:_run", &kind, &source, &order, &target, &thread_count,
                          &flags, &first, &count) ||
        !espalier_py_is_open(self)) {
        return NULL;
    }
    run_call call = {.self = self,
                     .output = espalier_py_output(self, kind),
                     .wanted = {NULL, flags, first, count},
                     .thread_count = (uint32_t)thread_count};
    Py_buffer out;
    if (call.output == NULL ||
        PyObject_GetBuffer(target, &out, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) {
        return NULL;
    }
    const bool ok = run_call_on(&call, source, order, &out);
    free_jobs(&call);
    PyBuffer_Release(&out);
    if (!ok) {
        return NULL;
    }
    Py_RETURN_NONE;
}
