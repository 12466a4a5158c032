// SPDX-License-Identifier: Apache-2.0
/*
 * The one-row loop of every predictor that has a C interface. Python's own cost per call (one to
 * several microseconds) would drown what is measured, so Python only sets a route up: which
 * function to call, with which objects. Then peer_time_rows calls it row by row and times each call
 * by itself. Espalier and the naive forest are linked; of all others Python passes the address of
 * the function inside the library that the package ships, so that no header of theirs is needed.
 * May include public headers of Espalier, naive.h and the C library; must never print, and must
 * give every route the same treatment: one indirect call per row, nothing else inside the timing.
 */
#include "../naive/naive.h"
#include "espalier.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What other libraries' functions look like; from their public C headers. */
typedef int xgboost_predict(void *forest, const char *values, const char *config, void *proxy,
                            const uint64_t **shape_out, uint64_t *dimension_out,
                            const float **result_out);
typedef int lightgbm_predict(void *config, const void *row, int64_t *count_out, double *result);
typedef void lleaves_predict(const double *rows, double *results, int32_t first, int32_t end);
typedef int treelite_predict(void *model, const void *rows, const char *dtype, uint64_t row_count,
                             void *results, void *config);
typedef void *onnx_run(void *session, const void *options, const char *const *input_names,
                       void *const *inputs, size_t input_count, const char *const *output_names,
                       size_t output_count, void **outputs);
typedef void tl2cgen_predict(void *entries, int is_margin, void *result);

/* A feature as a compiled TL2cgen model takes it, for float32 and float64 models. */
typedef union tl2cgen_entry32 {
    int missing;
    float value;
} tl2cgen_entry32;
typedef union tl2cgen_entry64 {
    int missing;
    double value;
} tl2cgen_entry64;

typedef struct peer_route peer_route;
typedef int peer_call(peer_route *route, const void *row); /* 0: predicted into route->result */

struct peer_route {
    peer_call *call;
    void (*release)(peer_route *route); /* or NULL */
    void (*function)(void);             /* of the peer's library */
    void *object;                       /* the peer's model */
    void *config;                       /* the peer's settings, prepared once */
    char *values_text;                  /* XGBoost: where the row lies, as JSON */
    char *config_text;                  /* XGBoost: what to predict, as JSON; treelite: dtype */
    void *row;                          /* scratch: the row in the form the peer wants */
    void *result;                       /* width values of result_dtype */
    const float *float_result;          /* XGBoost's own result, in place of result */
    size_t feature_count;
    size_t width;
    uint32_t row_dtype;
    uint32_t result_dtype;
    espalier_model *model;
    espalier_predictor *predictor;
    espalier_output_kind kind;
};

static size_t dtype_bytes(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_FLOAT64 || dtype == ESPALIER_DTYPE_INT64 ? 8 : 4;
}

void peer_route_free(peer_route *route)
{
    if (route == NULL) {
        return;
    }
    if (route->release != NULL) {
        route->release(route);
    }
    free(route->values_text);
    free(route->config_text);
    free(route->row);
    free(route->result);
    free(route);
}

/* Two doubles of slack behind row and result, for code that reads or writes whole vectors. */
static peer_route *make_route(peer_call *call, size_t feature_count, size_t width,
                              uint32_t row_dtype, uint32_t result_dtype)
{
    peer_route *route = calloc(1, sizeof *route);
    if (route == NULL) {
        return NULL;
    }
    route->call = call;
    route->feature_count = feature_count;
    route->width = width;
    route->row_dtype = row_dtype;
    route->result_dtype = result_dtype;
    route->row = calloc(feature_count + 2, 8);
    route->result = calloc(width + 2, 8);
    if (route->row == NULL || route->result == NULL) {
        peer_route_free(route);
        return NULL;
    }
    return route;
}

/* ---- an empty call: what the clock and the loop cost --------------------------------------- */

static int call_nothing(peer_route *route, const void *row)
{
    route->object = (void *)(uintptr_t)row;
    return 0;
}

peer_route *peer_route_empty(size_t feature_count, uint32_t row_dtype)
{
    return make_route(call_nothing, feature_count, 1, row_dtype, ESPALIER_DTYPE_FLOAT64);
}

/* ---- Espalier ------------------------------------------------------------------------------ */

static espalier_status predict_rows(peer_route *route, const void *rows, size_t row_count,
                                    void *results)
{
    espalier_rows in = espalier_rows_float32(rows, row_count, route->feature_count);
    in.dtype = route->row_dtype;
    espalier_outputs out = {0};
    out.data = results;
    out.data_bytes = row_count * route->width * dtype_bytes(route->result_dtype);
    return espalier_predict(route->predictor, route->kind, &in, &out);
}

static int call_espalier(peer_route *route, const void *row)
{
    return (int)predict_rows(route, row, 1, route->result);
}

static void release_espalier(peer_route *route)
{
    espalier_predictor_destroy(route->predictor);
    espalier_model_close(route->model);
}

/* NULL on failure, with the library's message. */
peer_route *peer_route_espalier(const char *path, uint32_t kind, uint32_t row_dtype, char *message,
                                size_t message_bytes)
{
    espalier_error error = {0};
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_output_info output;
    peer_route *route = NULL;
    espalier_status status = espalier_model_open(path, NULL, &model, &error);
    if (status == ESPALIER_OK) {
        status = espalier_predictor_create(model, NULL, &predictor);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_info_get(model, &info);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_output(model, (espalier_output_kind)kind, &output);
    }
    if (status == ESPALIER_OK) {
        route =
            make_route(call_espalier, info.feature_count, output.width, row_dtype, output.dtype);
        status = route == NULL ? ESPALIER_ERROR_MEMORY : ESPALIER_OK;
    }
    if (status != ESPALIER_OK) {
        snprintf(message, message_bytes, "%s",
                 error.status == status ? error.message : espalier_status_message(status));
        espalier_predictor_destroy(predictor);
        espalier_model_close(model);
        return NULL;
    }
    route->kind = (espalier_output_kind)kind;
    route->model = model;
    route->predictor = predictor;
    route->release = release_espalier;
    return route;
}

/* All rows in one call; results: [row_count][width] of the route's dtype. 0: done. */
int peer_espalier_batch(peer_route *route, const void *rows, size_t row_count, void *results)
{
    return (int)predict_rows(route, rows, row_count, results);
}

const char *peer_espalier_kernel(const peer_route *route)
{
    return espalier_predictor_kernel(route->predictor);
}

/* ---- the naive forest ---------------------------------------------------------------------- */

static int call_naive(peer_route *route, const void *row)
{
    naive_predict_row(route->object, row, route->result);
    return 0;
}

static void release_naive(peer_route *route)
{
    naive_free(route->object);
}

/* Writes the naive stream of an Espalier model. 0: written. */
int peer_naive_write(const char *model_path, const char *naive_path)
{
    espalier_model *model;
    if (espalier_model_open(model_path, NULL, &model, NULL) != ESPALIER_OK) {
        return 1;
    }
    const int status = naive_write(model, naive_path) ? 0 : 1;
    espalier_model_close(model);
    return status;
}

peer_route *peer_route_naive(const char *path)
{
    naive_forest *forest = naive_load(path);
    if (forest == NULL) {
        return NULL;
    }
    peer_route *route = make_route(call_naive, forest->feature_count, forest->leaf_width,
                                   ESPALIER_DTYPE_FLOAT32, ESPALIER_DTYPE_FLOAT64);
    if (route == NULL) {
        naive_free(forest);
        return NULL;
    }
    route->object = forest;
    route->release = release_naive;
    return route;
}

int peer_naive_batch(peer_route *route, const void *rows, size_t row_count, void *results)
{
    naive_predict_batch(route->object, rows, row_count, results);
    return 0;
}

/* ---- XGBoost: XGBoosterPredictFromDense ---------------------------------------------------- */

/* The row goes to a fixed place, so that the text that says where it lies is made only once. */
static int call_xgboost(peer_route *route, const void *row)
{
    xgboost_predict *predict = (xgboost_predict *)route->function;
    const uint64_t *shape;
    uint64_t dimension;
    memcpy(route->row, row, route->feature_count * sizeof(float));
    return predict(route->object, route->values_text, route->config_text, route->config, &shape,
                   &dimension, &route->float_result);
}

peer_route *peer_route_xgboost(void (*function)(void), void *forest, void *proxy,
                               size_t feature_count, size_t width, const char *config)
{
    static const char FORMAT[] = "{\"data\": [%llu, true], \"shape\": [1, %zu], "
                                 "\"typestr\": \"<f4\", \"version\": 3, \"strides\": null}";
    peer_route *route = make_route(call_xgboost, feature_count, width, ESPALIER_DTYPE_FLOAT32,
                                   ESPALIER_DTYPE_FLOAT32);
    if (route == NULL) {
        return NULL;
    }
    const size_t bytes = sizeof FORMAT + 64;
    route->values_text = malloc(bytes);
    route->config_text = strdup(config);
    if (route->values_text == NULL || route->config_text == NULL) {
        peer_route_free(route);
        return NULL;
    }
    snprintf(route->values_text, bytes, FORMAT, (unsigned long long)(uintptr_t)route->row,
             feature_count);
    route->function = function;
    route->object = forest;
    route->config = proxy;
    return route;
}

/* ---- LightGBM: LGBM_BoosterPredictForMatSingleRowFast -------------------------------------- */

static int call_lightgbm(peer_route *route, const void *row)
{
    int64_t count;
    return ((lightgbm_predict *)route->function)(route->config, row, &count, route->result);
}

/* config: what LGBM_BoosterPredictForMatSingleRowFastInit made for rows of row_dtype. */
peer_route *peer_route_lightgbm(void (*function)(void), void *config, size_t feature_count,
                                size_t width, uint32_t row_dtype)
{
    peer_route *route =
        make_route(call_lightgbm, feature_count, width, row_dtype, ESPALIER_DTYPE_FLOAT64);
    if (route != NULL) {
        route->function = function;
        route->config = config;
    }
    return route;
}

/* ---- lleaves: the compiled function itself -------------------------------------------------- */

/* It adds to what it finds. */
static int call_lleaves(peer_route *route, const void *row)
{
    memset(route->result, 0, route->width * sizeof(double));
    ((lleaves_predict *)route->function)(row, route->result, 0, 1);
    return 0;
}

peer_route *peer_route_lleaves(void (*function)(void), size_t feature_count, size_t width)
{
    peer_route *route = make_route(call_lleaves, feature_count, width, ESPALIER_DTYPE_FLOAT64,
                                   ESPALIER_DTYPE_FLOAT64);
    if (route != NULL) {
        route->function = function;
    }
    return route;
}

/* ---- treelite: TreeliteGTILPredict ---------------------------------------------------------- */

static int call_treelite(peer_route *route, const void *row)
{
    return ((treelite_predict *)route->function)(route->object, row, route->config_text, 1,
                                                 route->result, route->config);
}

peer_route *peer_route_treelite(void (*function)(void), void *model, void *config,
                                size_t feature_count, size_t width, uint32_t row_dtype)
{
    peer_route *route = make_route(call_treelite, feature_count, width, row_dtype, row_dtype);
    if (route == NULL) {
        return NULL;
    }
    route->config_text = strdup(row_dtype == ESPALIER_DTYPE_FLOAT64 ? "float64" : "float32");
    if (route->config_text == NULL) {
        peer_route_free(route);
        return NULL;
    }
    route->function = function;
    route->object = model;
    route->config = config;
    return route;
}

/* ---- ONNX Runtime: Run of its C interface --------------------------------------------------- */

/* What a run takes: the session's names, and tensors over route->row and route->result. */
typedef struct onnx_arguments {
    const char *input_name;
    const char *output_name;
    void *input;
    void *output;
} onnx_arguments;

/* A status that is not NULL is a failure; the process ends soon, so it is not released. */
static int call_onnx(peer_route *route, const void *row)
{
    const onnx_arguments *about = route->config;
    void *output = about->output;
    memcpy(route->row, row, route->feature_count * sizeof(float));
    return ((onnx_run *)route->function)(route->object, NULL, &about->input_name, &about->input, 1,
                                         &about->output_name, 1, &output) != NULL;
}

static void release_onnx(peer_route *route)
{
    free(route->config);
}

/* Tensors are made over peer_route_row and peer_route_result and then set. */
peer_route *peer_route_onnx(void (*function)(void), void *session, size_t feature_count,
                            size_t width, const char *input_name, const char *output_name)
{
    onnx_arguments *about = calloc(1, sizeof *about);
    peer_route *route =
        make_route(call_onnx, feature_count, width, ESPALIER_DTYPE_FLOAT32, ESPALIER_DTYPE_FLOAT32);
    if (about == NULL || route == NULL) {
        free(about);
        peer_route_free(route);
        return NULL;
    }
    about->input_name = input_name;
    about->output_name = output_name;
    route->function = function;
    route->object = session;
    route->config = about;
    route->release = release_onnx;
    return route;
}

void peer_onnx_set_tensors(peer_route *route, void *input, void *output)
{
    onnx_arguments *about = route->config;
    about->input = input;
    about->output = output;
}

void *peer_route_row(const peer_route *route)
{
    return route->row;
}

void *peer_route_result(const peer_route *route)
{
    return route->result;
}

/* ---- TL2cgen: the compiled predict() -------------------------------------------------------- */

/* Filling the entries is part of the call: every user of a compiled model has to do it. */
static int call_tl2cgen32(peer_route *route, const void *row)
{
    const float *values = row;
    tl2cgen_entry32 *entries = route->row;
    for (size_t i = 0; i < route->feature_count; i++) {
        if (isnan(values[i])) {
            entries[i].missing = -1;
        } else {
            entries[i].value = values[i];
        }
    }
    memset(route->result, 0, route->width * sizeof(float));
    ((tl2cgen_predict *)route->function)(entries, 1, route->result);
    return 0;
}

static double feature_value(const peer_route *route, const void *row, size_t feature)
{
    return route->row_dtype == ESPALIER_DTYPE_FLOAT64 ? ((const double *)row)[feature]
                                                      : (double)((const float *)row)[feature];
}

static int call_tl2cgen64(peer_route *route, const void *row)
{
    tl2cgen_entry64 *entries = route->row;
    for (size_t i = 0; i < route->feature_count; i++) {
        const double value = feature_value(route, row, i);
        if (isnan(value)) {
            entries[i].missing = -1;
        } else {
            entries[i].value = value;
        }
    }
    memset(route->result, 0, route->width * sizeof(double));
    ((tl2cgen_predict *)route->function)(entries, 1, route->result);
    return 0;
}

peer_route *peer_route_tl2cgen(void (*function)(void), size_t feature_count, size_t width,
                               uint32_t row_dtype, uint32_t model_dtype)
{
    const int is_wide = model_dtype == ESPALIER_DTYPE_FLOAT64;
    peer_route *route = make_route(is_wide ? call_tl2cgen64 : call_tl2cgen32, feature_count, width,
                                   row_dtype, model_dtype);
    if (route != NULL) {
        route->function = function;
    }
    return route;
}

/* ---- timing --------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/*
 * Predicts `count` rows, one call each, from row `first` on and around; times_out[i] is the time of
 * call i in nanoseconds. warm_count calls before are not timed. 0, or the first call's failure.
 */
int peer_time_rows(peer_route *route, const void *rows, size_t row_count, size_t first,
                   size_t warm_count, size_t count, int64_t *times_out)
{
    const size_t row_bytes = route->feature_count * dtype_bytes(route->row_dtype);
    size_t next = first % row_count;
    for (size_t i = 0; i < warm_count + count; i++) {
        const void *row = (const char *)rows + next * row_bytes;
        const int64_t start = now_ns();
        const int status = route->call(route, row);
        const int64_t end = now_ns();
        if (status != 0) {
            return status;
        }
        if (i >= warm_count) {
            times_out[i - warm_count] = end - start;
        }
        next = next + 1 == row_count ? 0 : next + 1;
    }
    return 0;
}

/* The route's answers for the check of agreement: [row_count][width] as double. 0: done. */
int peer_predict_rows(peer_route *route, const void *rows, size_t row_count, double *results)
{
    const size_t row_bytes = route->feature_count * dtype_bytes(route->row_dtype);
    for (size_t r = 0; r < row_count; r++) {
        const int status = route->call(route, (const char *)rows + r * row_bytes);
        if (status != 0) {
            return status;
        }
        const void *values =
            route->float_result ? (const void *)route->float_result : route->result;
        for (size_t k = 0; k < route->width; k++) {
            results[r * route->width + k] = route->result_dtype == ESPALIER_DTYPE_FLOAT64
                                                ? ((const double *)values)[k]
                                                : (double)((const float *)values)[k];
        }
    }
    return 0;
}

size_t peer_route_width(const peer_route *route)
{
    return route->width;
}

size_t peer_route_features(const peer_route *route)
{
    return route->feature_count;
}

uint32_t peer_route_result_dtype(const peer_route *route)
{
    return route->result_dtype;
}
