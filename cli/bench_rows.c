// SPDX-License-Identifier: Apache-2.0
/*
 * Rows for espalier bench. Without a file every feature draws between neighbouring thresholds of
 * the model, so that rows take all kinds of paths. Includes bench.h and libc.
 */
#include "bench.h"
#include "espalier_inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Thresholds kept of a feature, and nodes looked at in all. */
#define KEPT_MAX  256u
#define NODES_MAX (1u << 21)

#define MADE_BYTES_MAX ((size_t)256 << 20)

/* The thresholds of a feature, a fair choice of those seen. */
typedef struct kept {
    double values[KEPT_MAX];
    uint32_t count;
    uint64_t seen;
} kept;

/* xorshift64*, Vigna 2016: the same rows every time. */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static double draw_unit(uint64_t *state)
{
    return (double)(draw(state) >> 11) * 0x1p-53;
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void keep(kept *feature, double threshold, uint64_t *state)
{
    feature->seen++;
    if (feature->count < KEPT_MAX) {
        feature->values[feature->count++] = threshold;
        return;
    }
    const uint64_t at = draw(state) % feature->seen;
    if (at < KEPT_MAX) {
        feature->values[at] = threshold;
    }
}

static void collect_thresholds(const espalier_model *model, const espalier_model_info *info,
                               kept *features, uint64_t *state)
{
    /* Every node of small models, every so many-th of large ones. */
    const uint64_t step = 1 + info->node_count / NODES_MAX;
    for (uint32_t t = 0; t < info->tree_count; t++) {
        espalier_tree_info tree;
        if (espalier_model_tree(model, t, &tree) != ESPALIER_OK) {
            continue;
        }
        for (uint64_t p = draw(state) % step; p < tree.position_count; p += step) {
            espalier_node node;
            if (espalier_model_node(model, t, (uint32_t)p, &node) == ESPALIER_OK &&
                node.feature < info->feature_count && isfinite(node.threshold)) {
                keep(&features[node.feature], node.threshold, state);
            }
        }
    }
    for (uint32_t f = 0; f < info->feature_count; f++) {
        qsort(features[f].values, features[f].count, sizeof features[f].values[0], compare_doubles);
    }
}

/* A value somewhere between two neighbouring thresholds, or beyond the outermost ones. */
static double draw_value(const kept *feature, uint64_t *state)
{
    if (feature->count == 0) {
        return draw_unit(state);
    }
    const uint32_t at = (uint32_t)(draw(state) % (feature->count + UINT64_C(1)));
    const double share = draw_unit(state);
    const double first = feature->values[0];
    const double last = feature->values[feature->count - 1];
    if (at == 0) {
        return first - share * (fabs(first) + 1.0);
    }
    if (at == feature->count) {
        return last + share * (fabs(last) + 1.0);
    }
    return feature->values[at - 1] + share * (feature->values[at] - feature->values[at - 1]);
}

static bool make_rows(const espalier_model *model, size_t row_count, espalier_bench_rows *rows,
                      espalier_message *message)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    if (espalier_model_info_get(model, &info) != ESPALIER_OK) {
        return espalier_message_set(message, "the model's info cannot be read");
    }
    const size_t columns = info.feature_count > 0 ? info.feature_count : 1;
    const bool is_float32 = info.input_dtype != ESPALIER_DTYPE_FLOAT64;
    const size_t item = is_float32 ? sizeof(float) : sizeof(double);
    while (row_count > 1 && row_count > MADE_BYTES_MAX / item / columns) {
        row_count /= 2;
    }
    kept *const features = calloc(columns, sizeof *features);
    rows->made = calloc(row_count * columns, item);
    if (features == NULL || rows->made == NULL) {
        free(features);
        return espalier_message_set(message, "not enough memory for rows to measure with");
    }
    collect_thresholds(model, &info, features, &state);
    for (size_t r = 0; r < row_count; r++) {
        for (size_t f = 0; f < info.feature_count; f++) {
            double value = draw_value(&features[f], &state);
            /* Nothing the trainer would refuse. */
            value = fabs(value) < 1e30 ? value : 0.0;
            if (is_float32) {
                ((float *)rows->made)[r * info.feature_count + f] = (float)value;
            } else {
                ((double *)rows->made)[r * info.feature_count + f] = value;
            }
        }
    }
    free(features);
    rows->rows = is_float32 ? espalier_rows_float32(rows->made, row_count, info.feature_count)
                            : espalier_rows_float64(rows->made, row_count, info.feature_count);
    return true;
}

static bool read_rows(const espalier_model *model, const char *path, size_t row_count,
                      espalier_bench_rows *rows, espalier_message *message)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    if (espalier_model_info_get(model, &info) != ESPALIER_OK) {
        return espalier_message_set(message, "the model's info cannot be read");
    }
    espalier_rows_options options = {.feature_count = info.feature_count,
                                     .model = model,
                                     .chunk_rows = row_count};
    if (espalier_model_feature_name(model, 0) != NULL) {
        rows->feature_names = calloc(info.feature_count, sizeof *rows->feature_names);
        if (rows->feature_names == NULL) {
            return espalier_message_set(message, "not enough memory for the feature names");
        }
        for (uint32_t i = 0; i < info.feature_count; i++) {
            const char *name = espalier_model_feature_name(model, i);
            rows->feature_names[i] = name != NULL ? name : "";
        }
        options.feature_names = rows->feature_names;
    }
    if (!espalier_rows_open(path, &options, &rows->reader, message)) {
        return false;
    }
    switch (espalier_rows_next(rows->reader, &rows->rows, message)) {
    case ESPALIER_ROWS_CHUNK:
        return true;
    case ESPALIER_ROWS_END:
        return espalier_message_set(message, "%s: there are no rows", path);
    default:
        return false;
    }
}

bool espalier_bench_rows_open(const espalier_model *model, const char *path, size_t row_count,
                              espalier_bench_rows *rows_out, espalier_message *message)
{
    *rows_out = (espalier_bench_rows){0};
    const bool is_open = path != NULL ? read_rows(model, path, row_count, rows_out, message)
                                      : make_rows(model, row_count, rows_out, message);
    if (!is_open) {
        espalier_bench_rows_close(rows_out);
    }
    return is_open;
}

void espalier_bench_rows_close(espalier_bench_rows *rows)
{
    espalier_rows_close(rows->reader);
    free(rows->feature_names);
    free(rows->made);
    *rows = (espalier_bench_rows){0};
}
