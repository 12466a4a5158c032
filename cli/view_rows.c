// SPDX-License-Identifier: Apache-2.0
/*
 * See view_rows.h. Includes view_rows.h, rows.h and libc.
 */
#include "view_rows.h"

#include "espalier_inspect.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_ROWS = 256
};

typedef struct row_reading {
    espalier_rows_reader *reader;
    espalier_predictor *predictor;
    const char **names;
    double *features;
    double *values;
    uint32_t value_count;
} row_reading;

static void close_reading(row_reading *r)
{
    espalier_rows_close(r->reader);
    espalier_predictor_destroy(r->predictor);
    free(r->names);
    free(r->features);
    free(r->values);
}

static bool open_reading(const espalier_view *view, const char *path, row_reading *r,
                         espalier_message *message)
{
    const uint32_t feature_count = view->info.feature_count;
    espalier_rows_options options = {.feature_count = feature_count,
                                     .model = view->model,
                                     .chunk_rows = CHUNK_ROWS};
    r->value_count = espalier_model_value_count(view->model);
    r->features = malloc((size_t)feature_count * sizeof *r->features);
    r->values = malloc((size_t)r->value_count * sizeof *r->values);
    r->names = calloc(feature_count, sizeof *r->names);
    if (r->features == NULL || r->values == NULL || r->names == NULL ||
        espalier_predictor_create(view->model, NULL, &r->predictor) != ESPALIER_OK) {
        return espalier_message_set(message, "%s: not enough memory", path);
    }
    if (espalier_model_feature_name(view->model, 0) != NULL) {
        for (uint32_t i = 0; i < feature_count; i++) {
            const char *const name = espalier_model_feature_name(view->model, i);
            r->names[i] = name != NULL ? name : "";
        }
        options.feature_names = r->names;
    }
    return espalier_rows_open(path, &options, &r->reader, message);
}

/* Row `index` of a chunk, as float64. */
static void load_features(const espalier_rows *rows, size_t index, double *features)
{
    for (size_t f = 0; f < rows->feature_count; f++) {
        const ptrdiff_t at =
            (ptrdiff_t)index * rows->row_stride + (ptrdiff_t)f * rows->feature_stride;
        if (rows->dtype == ESPALIER_DTYPE_FLOAT32) {
            features[f] = (double)((const float *)rows->data)[at];
        } else {
            features[f] = ((const double *)rows->data)[at];
        }
    }
}

/* The row alone, of the chunk's own dtype: what a pipeline does depends on it. */
static espalier_rows single_row(const espalier_rows *rows, size_t index)
{
    espalier_rows row = *rows;
    const size_t bytes = rows->dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    row.data = (const char *)rows->data + (ptrdiff_t)index * rows->row_stride * (ptrdiff_t)bytes;
    row.row_count = 1;
    return row;
}

bool espalier_view_rows_read(const espalier_view *view, const char *path, uint64_t first,
                             uint64_t count_max, espalier_view_row_taker take, void *context,
                             uint64_t *count_out, espalier_message *message)
{
    row_reading r = {0};
    uint64_t row = 0;
    uint64_t taken = 0;
    bool ok = open_reading(view, path, &r, message);
    while (ok && taken < count_max) {
        espalier_rows rows;
        const espalier_rows_result result = espalier_rows_next(r.reader, &rows, message);
        if (result == ESPALIER_ROWS_END) {
            break;
        }
        ok = result == ESPALIER_ROWS_CHUNK;
        for (size_t i = 0; ok && i < rows.row_count && taken < count_max; i++, row++) {
            if (row < first) {
                continue;
            }
            const espalier_rows single = single_row(&rows, i);
            load_features(&rows, i, r.features);
            ok = espalier_predictor_values(r.predictor, &single, r.values, r.value_count) ==
                     ESPALIER_OK ||
                 espalier_message_set(message, "%s: these rows cannot be followed", path);
            ok = ok && take(context, row, r.features, r.values, message);
            taken++;
        }
    }
    close_reading(&r);
    *count_out = taken;
    return ok;
}
