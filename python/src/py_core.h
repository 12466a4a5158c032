// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the extension espalier._core share. It predicts; it links libespalier alone.
 * May include: Python.h (limited API of 3.11), espalier.h, libc, pthreads. Must never: include
 * NumPy, read a file by itself, or touch Python objects without the interpreter's lock.
 */
#ifndef ESPALIER_PYTHON_PY_CORE_H
#define ESPALIER_PYTHON_PY_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_PY_KINDS     7u /* output kinds are below this */
#define ESPALIER_PY_IDLE      16u
#define ESPALIER_PY_ONE       4u
#define ESPALIER_PY_NO_ROW    SIZE_MAX
#define ESPALIER_PY_MODEL     "espalier._core.Model"
#define ESPALIER_PY_TABLE     "espalier._core.Table"
#define ESPALIER_PY_NAME_TEXT 200u /* bytes of a name in a message */

/* A type's and a module's slots hold functions as void *, which ISO C has no conversion to. */
#define ESPALIER_PY_SLOT(function) ((void *)(uintptr_t)(function))

/* Frees a heap type's object, and lets go of the type. */
#define ESPALIER_PY_FREE(object, type)                                       \
    do {                                                                     \
        ((freefunc)(uintptr_t)PyType_GetSlot((type), Py_tp_free))((object)); \
        Py_DECREF(type);                                                     \
    } while (0)

/* ---- errors: py_error.c ---- */

/* Raises the exception of a failed call that reads files; always NULL. */
PyObject *espalier_py_raise(espalier_status status, const espalier_error *error);

/* Raises the exception of a failed prediction; row and feature where a row was refused. */
PyObject *espalier_py_raise_rows(espalier_status status, const char *message, size_t row,
                                 size_t feature);

/* ---- buffers: py_rows.c ---- */

/* A view of float32 or float64 items as rows, one row if it has one dimension; false with an
 * exception. */
bool espalier_py_rows_of(const Py_buffer *view, espalier_rows *rows_out);

/* ESPALIER_DTYPE_* of a buffer's format, or 0. */
uint32_t espalier_py_dtype(const Py_buffer *view);

/* ---- models: py_model.c ---- */

/* Predictors are kept for the next call that wants the same. */
typedef struct espalier_py_idle {
    espalier_predictor *predictor;
    uint64_t flags;
    uint32_t iteration_first;
    uint32_t iteration_count;
} espalier_py_idle;

typedef struct espalier_py_model {
    PyObject_HEAD espalier_model *model; /* NULL before _open and once closed */
    bool was_opened;                     /* or is being opened */
    espalier_model_info info;
    uint64_t flags;      /* espalier_predictor_options.flags of every prediction */
    uint32_t busy_count; /* calls that hold the model: meanwhile it is not closed */
    uint32_t fork_count; /* of the process, when busy_count was counted */
    bool was_busy;       /* at a fork: what those calls used stays mapped when it is closed */
    uint32_t idle_count;
    espalier_py_idle idle[ESPALIER_PY_IDLE];
    espalier_predictor *one[ESPALIER_PY_ONE];        /* of single rows, see py_one.c */
    espalier_output_info outputs[ESPALIER_PY_KINDS]; /* kind 0: the model has no such output */
    PyObject *labels; /* tuple of a tuple per output; NULL until asked for */
    PyObject *names;  /* tuple of str or None; NULL until asked for */
} espalier_py_model;

PyObject *espalier_py_model_type(PyObject *module);

/* Called when a module is made: from then on children know that they were forked. False with an
 * exception. */
bool espalier_py_watch_forks(void);

/* False, with an exception, when the model is closed. */
bool espalier_py_is_open(const espalier_py_model *self);

/*
 * Whatever Python runs between hold and release (another thread while the interpreter's lock is
 * let go of, a finalizer, a buffer's own code), the model stays open. False, with an exception and
 * nothing held, when it is closed.
 */
bool espalier_py_hold(espalier_py_model *self);
void espalier_py_release(espalier_py_model *self);

/* Tuples as in the struct, borrowed; NULL with an exception. */
PyObject *espalier_py_labels(espalier_py_model *self);
PyObject *espalier_py_names(espalier_py_model *self);

/* The output's place in self->outputs; NULL with an exception. */
const espalier_output_info *espalier_py_output(const espalier_py_model *self, unsigned long kind);

/* The text of a refusal: the feature's name where the model has names; row may be none. */
void espalier_py_describe(const espalier_py_model *self, espalier_status status, size_t row,
                          size_t feature, char *text, size_t text_bytes);

/* ---- single rows: py_one.c ---- */

/* Called once, when the module is made: whether floats may be read where they lie. */
void espalier_py_one_prepare(void);

extern const char espalier_py_predict_one_doc[];
/* _category_number(feature, text): what predict_one takes the text for. */
PyObject *espalier_py_category_number(PyObject *self, PyObject *args);
PyObject *espalier_py_predict_one(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords);

/* ---- batches: py_run.c ---- */

extern const char espalier_py_run_doc[];
PyObject *espalier_py_run(PyObject *object, PyObject *args);

/* ---- columns: py_table.c, py_text.c, py_arrow.c ---- */

/* The bytes of an Arrow batch or of a caller's buffer, and how to let go of them. */
typedef struct espalier_py_batch {
    size_t row_count;
    espalier_feature_column *columns; /* [column_count]; dtype 0: of a type that is not taken */
    espalier_feature_column *dictionaries; /* [column_count], to which columns point */
} espalier_py_batch;

typedef struct espalier_py_table {
    PyObject_HEAD size_t row_count;
    size_t column_count;
    size_t batch_count;
    espalier_py_batch *batches;
    uint32_t dtype;    /* of the rows that the columns stand for, or 0: espalier_feature_columns */
    PyObject *names;   /* tuple of str, or None */
    PyObject *formats; /* tuple of str: Arrow's or the buffer's */
    void *arrays;      /* struct ArrowArray[batch_count], or NULL */
    Py_buffer *views;  /* [view_count], or NULL */
    size_t view_count;
    void **kept; /* [kept_count], what was copied */
    size_t kept_count;
} espalier_py_table;

PyObject *espalier_py_table_type(PyObject *module);

/* Whether the object is a Table. */
bool espalier_py_is_table(PyObject *object);

/* An empty table with room for batches; NULL with an exception. */
espalier_py_table *espalier_py_table_new(PyObject *type, size_t batch_count, size_t column_count);

/* Whether one of `count` bits from `first` on is 0; without bits, none is. */
bool espalier_py_lacks(const uint8_t *bits, size_t first, size_t count);

/* Zeroed memory that the table frees; NULL with an exception. */
void *espalier_py_table_keep(espalier_py_table *self, size_t bytes);

/* A column of str and missing values (None, NaN), copied out of a list; false with an exception,
 * which names column `index`. */
bool espalier_py_take_text(espalier_py_table *self, size_t index, PyObject *list,
                           espalier_feature_column *column, size_t *count_out);

/* METH_O and METH_VARARGS functions of the module; the type is the module's state. */
PyObject *espalier_py_table_from_stream(PyObject *module, PyObject *capsule);
PyObject *espalier_py_table_from_array(PyObject *module, PyObject *args);
PyObject *espalier_py_table_from_columns(PyObject *module, PyObject *args);
void espalier_py_arrays_release(void *arrays, size_t count);

typedef struct espalier_py_state {
    PyObject *table_type;
} espalier_py_state;

#endif
