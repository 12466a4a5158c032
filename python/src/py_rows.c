// SPDX-License-Identifier: Apache-2.0
/*
 * Python's buffers as rows, where they lie. Both extension modules hold this file.
 */
#include "py_core.h"

uint32_t espalier_py_dtype(const Py_buffer *view)
{
    const char *format = view->format;
    if (format == NULL) {
        return 0; /* bytes */
    }
    if (*format == '@' || *format == '=' || *format == '<') {
        format++; /* the library runs on little-endian machines alone */
    }
    if (format[0] == '\0' || format[1] != '\0') {
        return 0;
    }
    return *format == 'f' && view->itemsize == (Py_ssize_t)sizeof(float)    ? ESPALIER_DTYPE_FLOAT32
           : *format == 'd' && view->itemsize == (Py_ssize_t)sizeof(double) ? ESPALIER_DTYPE_FLOAT64
                                                                            : 0;
}

bool espalier_py_rows_of(const Py_buffer *view, espalier_rows *rows_out)
{
    const uint32_t dtype = espalier_py_dtype(view);
    if (dtype == 0 || view->ndim < 1 || view->ndim > 2) {
        PyErr_Format(PyExc_ValueError,
                     "rows are float32 or float64 in two dimensions, not %s in %d",
                     view->format != NULL ? view->format : "bytes", view->ndim);
        return false;
    }
    const Py_ssize_t width = view->itemsize;
    const Py_ssize_t last = view->ndim - 1;
    const Py_ssize_t row_stride = view->ndim == 2 ? view->strides[0] : 0;
    if (view->strides[last] % width != 0 || row_stride % width != 0) {
        PyErr_SetString(PyExc_ValueError, "rows whose strides are no whole items");
        return false;
    }
    *rows_out = (espalier_rows){.data = view->buf,
                                .dtype = dtype,
                                .row_count = view->ndim == 2 ? (size_t)view->shape[0] : 1,
                                .feature_count = (size_t)view->shape[last],
                                .row_stride = row_stride / width,
                                .feature_stride = view->strides[last] / width};
    return true;
}
