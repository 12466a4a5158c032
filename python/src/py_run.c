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

#define THREADS_MAX  256u
#define RUN_ROWS_MIN 64u /* fewer rows are not worth a thread */

const char espalier_py_run_doc[] =
    "_run($self, kind, source, order, out, n_threads, flags, first, count, /)\n--\n\n"
    "Fill `out`, a writable buffer of the output's dtype, with the predictions for `source`: a\n"
    "buffer of float rows, or a Table whose column order[i] is feature i.";

/* What one thread does. */
typedef struct run_job {
    espalier_predictor *predictor;
    espalier_output_kind kind;
    size_t first_row;                  /* of the batch */
    espalier_rows rows;                /* the job's own, unless columns are */
    espalier_feature_columns columns;  /* columns.columns is NULL where rows are */
    espalier_feature_column *features; /* room for the job's columns, [feature_count], or NULL */
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
    int thread_count;
    run_job *jobs;
    uint32_t job_count;
    espalier_rows rows;             /* of a buffer; of a table the number of rows alone */
    const espalier_py_table *table; /* NULL: a buffer */
    size_t *order;                  /* feature -> column of the table */
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

static void *run_one_job(void *context)
{
    run_job *const job = context;
    const bool is_table = job->columns.columns != NULL;
    const size_t row_count = is_table ? job->columns.row_count : job->rows.row_count;
    espalier_outputs outputs = {.data = job->out, .data_bytes = row_count * job->row_bytes};
    job->status = is_table
                      ? espalier_predict_columns(job->predictor, job->kind, &job->columns, &outputs)
                      : espalier_predict(job->predictor, job->kind, &job->rows, &outputs);
    job->refused_row = outputs.refused_row;
    job->refused_feature = outputs.refused_feature;
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

/* The rows of a column from one on. */
static espalier_feature_column skip_rows(const espalier_feature_column *column, size_t first)
{
    static const uint8_t item_bytes[] = {
        [ESPALIER_DTYPE_FLOAT32] = 4,  [ESPALIER_DTYPE_FLOAT64] = 8, [ESPALIER_DTYPE_INT32] = 4,
        [ESPALIER_DTYPE_INT64] = 8,    [ESPALIER_DTYPE_INT8] = 1,    [ESPALIER_DTYPE_INT16] = 2,
        [ESPALIER_DTYPE_UINT8] = 1,    [ESPALIER_DTYPE_UINT16] = 2,  [ESPALIER_DTYPE_UINT32] = 4,
        [ESPALIER_DTYPE_UINT64] = 8,   [ESPALIER_DTYPE_BOOL] = 1,    [ESPALIER_DTYPE_BOOL_BIT] = 0,
        [ESPALIER_DTYPE_STRING32] = 4, [ESPALIER_DTYPE_STRING64] = 8};
    espalier_feature_column skipped = *column;
    if (column->data != NULL) {
        skipped.data = (const char *)column->data +
                       (ptrdiff_t)first * column->stride * (ptrdiff_t)item_bytes[column->dtype];
    }
    skipped.bit_offset += first;
    return skipped;
}

/* The job's rows of the call's buffer or of a batch of its table. */
static void take_run(const run_call *call, run_job *job, const espalier_py_batch *batch,
                     size_t row_count)
{
    if (batch != NULL) {
        job->columns = (espalier_feature_columns){.columns = job->features,
                                                  .feature_count = call->rows.feature_count,
                                                  .row_count = row_count,
                                                  .dtype = call->table->dtype};
        for (size_t i = 0; i < call->rows.feature_count; i++) {
            job->features[i] = skip_rows(&batch->columns[call->order[i]], job->first_row);
        }
        return;
    }
    const ptrdiff_t item_bytes = call->rows.dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
    job->rows = call->rows;
    job->rows.row_count = row_count;
    job->rows.data = (const char *)call->rows.data +
                     (ptrdiff_t)job->first_row * call->rows.row_stride * item_bytes;
}

/* One run of rows a job; runs begin at whole blocks of rows. batch: NULL for a buffer. */
static void cut_jobs(const run_call *call, const espalier_py_batch *batch, size_t row_count,
                     unsigned char *out, uint32_t job_count)
{
    const size_t share = (row_count / job_count + RUN_ROWS_MIN - 1) / RUN_ROWS_MIN * RUN_ROWS_MIN;
    for (uint32_t i = 0; i < job_count; i++) {
        run_job *const job = &call->jobs[i];
        const size_t begin = share * i < row_count ? share * i : row_count;
        const bool is_last = i + 1 == job_count || row_count - begin < share;
        job->first_row = begin;
        job->out = out + begin * job->row_bytes;
        job->is_started = false;
        take_run(call, job, batch, is_last ? row_count - begin : share);
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
    if (call->table != NULL && job->refused_feature < call->rows.feature_count &&
        (job->status == ESPALIER_ERROR_DTYPE || job->status == ESPALIER_ERROR_ARGUMENT)) {
        char text[512];
        espalier_py_describe(call->self, job->status, ESPALIER_PY_NO_ROW, job->refused_feature,
                             text, sizeof text);
        return espalier_py_raise_rows(job->status, text, ESPALIER_PY_NO_ROW, 0);
    }
    return espalier_py_raise_rows(job->status, NULL, ESPALIER_PY_NO_ROW, 0);
}

/* Rows on all threads; false with an exception. done: the rows of the call in front of them. */
static bool run_batch(const run_call *call, const espalier_py_batch *batch, size_t row_count,
                      unsigned char *out, size_t done)
{
    const uint32_t most = choose_threads((int)call->job_count, row_count);
    const uint32_t job_count = most < call->job_count ? most : call->job_count;
    cut_jobs(call, batch, row_count, out, job_count);
    Py_BEGIN_ALLOW_THREADS run_jobs(call->jobs, job_count);
    Py_END_ALLOW_THREADS for (uint32_t i = 0; i < job_count; i++)
    {
        const run_job *const job = &call->jobs[i];
        if (job->status != ESPALIER_OK) {
            (void)fail_job(call, job, done + job->first_row + job->refused_row);
            return false;
        }
    }
    return true;
}

static bool run_table(const run_call *call, unsigned char *out, size_t row_bytes)
{
    size_t done = 0;
    for (size_t i = 0; i < call->table->batch_count; i++) {
        const espalier_py_batch *const batch = &call->table->batches[i];
        if (!run_batch(call, batch, batch->row_count, out + done * row_bytes, done)) {
            return false;
        }
        done += batch->row_count;
    }
    return true;
}

/* Jobs with a predictor each, and room for their columns; false with an exception. */
static bool make_jobs(run_call *call, size_t row_count, size_t row_bytes)
{
    const uint32_t job_count = choose_threads(call->thread_count, row_count);
    call->jobs = calloc(job_count, sizeof *call->jobs);
    if (call->jobs == NULL) {
        PyErr_NoMemory();
        return false;
    }
    call->job_count = job_count;
    for (uint32_t i = 0; i < job_count; i++) {
        run_job *const job = &call->jobs[i];
        job->kind = (espalier_output_kind)call->output->kind;
        job->row_bytes = row_bytes;
        job->predictor = take_predictor(call->self, &call->wanted);
        if (job->predictor == NULL) {
            return false;
        }
        if (call->table != NULL) {
            job->features = calloc(call->rows.feature_count + 1, sizeof *job->features);
            if (job->features == NULL) {
                PyErr_NoMemory();
                return false;
            }
        }
    }
    return true;
}

static void free_jobs(run_call *call)
{
    for (uint32_t i = 0; i < call->job_count; i++) {
        give_predictor(call->self, &call->wanted, call->jobs[i].predictor);
        free(call->jobs[i].features);
    }
    free(call->jobs);
    free(call->order);
}

/* A column of the table by its number; false with an exception, also when it is not taken. */
static bool take_column_number(const run_call *call, PyObject *item, size_t *column_out)
{
    const Py_ssize_t column = PyLong_AsSsize_t(item);
    if (column < 0 || (size_t)column >= call->table->column_count) {
        if (PyErr_Occurred() == NULL) {
            PyErr_SetString(PyExc_ValueError, "an order names a column that is not there");
        }
        return false;
    }
    for (size_t i = 0; i < call->table->batch_count; i++) {
        if (call->table->batches[i].columns[column].dtype == 0) {
            PyErr_Format(PyExc_TypeError, "column %zd holds no numbers and no text", column);
            return false;
        }
    }
    *column_out = (size_t)column;
    return true;
}

/* Which column is which feature: order, a sequence of the table's column numbers. */
static bool take_order(run_call *call, PyObject *order)
{
    const size_t count = call->self->info.feature_count;
    const Py_ssize_t found = PySequence_Size(order);
    if (found < 0 || (size_t)found != count) {
        if (PyErr_Occurred() == NULL) {
            PyErr_SetString(PyExc_ValueError, "an order has a column for every feature");
        }
        return false;
    }
    call->order = calloc(count + 1, sizeof *call->order);
    if (call->order == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *const item = PySequence_GetItem(order, (Py_ssize_t)i);
        const bool ok = item != NULL && take_column_number(call, item, &call->order[i]);
        Py_XDECREF(item);
        if (!ok) {
            return false;
        }
    }
    call->rows = (espalier_rows){.row_count = call->table->row_count, .feature_count = count};
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
        ok = call->table != NULL ? run_table(call, out->buf, row_bytes)
                                 : run_batch(call, NULL, row_count, out->buf, 0);
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
        !espalier_py_hold(self)) {
        return NULL;
    }
    run_call call = {.self = self,
                     .output = espalier_py_output(self, kind),
                     .wanted = {NULL, flags, first, count},
                     .thread_count = thread_count};
    Py_buffer out;
    bool ok = false;
    if (call.output != NULL &&
        PyObject_GetBuffer(target, &out, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) == 0) {
        ok = run_call_on(&call, source, order, &out);
        free_jobs(&call); /* predictors go back before the model may be closed */
        PyBuffer_Release(&out);
    }
    espalier_py_release(self);
    if (!ok) {
        return NULL;
    }
    Py_RETURN_NONE;
}
