// SPDX-License-Identifier: Apache-2.0
/*
 * See xgboost.h: recognising a file and loading it.
 */
#include "convert/sources/xgboost.h"

#include "convert/sources/xgboost_internal.h"
#include "format/error.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the first key must be. */
#define HEAD_BYTES 4096u
/* Between a key and its number: quotes, a colon and blanks, or a type and a length. */
#define NOTE_BYTES 24u

/* What a file is, by its first bytes. */
typedef enum xgboost_file {
    FILE_OTHER = 0,
    FILE_JSON = 1,
    FILE_UBJSON = 2,
    FILE_BINARY = 3, /* the format up to 1.x and 2.x */
    FILE_DUMP = 4    /* what dump_model writes as JSON */
} xgboost_file;

static const char *const form_names[] = {"model", "JSON", "UBJSON", "binary", "dump"};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool has_text(const uint8_t *data, size_t bytes, const char *text)
{
    return memmem(data, bytes, text, strlen(text)) != NULL;
}

/* An opening brace and the key "learner" soon after; no pickle begins with a brace or a bracket. */
static xgboost_file recognise_file(const uint8_t *data, size_t bytes)
{
    const size_t head = bytes < HEAD_BYTES ? bytes : HEAD_BYTES;
    size_t at = 0;
    if (espalier_xgboost_is_binary(data, bytes)) {
        return FILE_BINARY;
    }
    while (at < head && is_blank(data[at])) {
        at++;
    }
    if (at + 1 >= head) {
        return FILE_OTHER;
    }
    if (data[at] == '[') {
        return has_text(data, head, "\"nodeid\"") ? FILE_DUMP : FILE_OTHER;
    }
    if (data[at] != '{') {
        return FILE_OTHER;
    }
    const uint8_t next = data[at + 1];
    if (at == 0 && next != 0 && strchr("iUIlL", next) != NULL) {
        return has_text(data, head, "learner") ? FILE_UBJSON : FILE_OTHER;
    }
    return has_text(data, head, "\"learner\"") ? FILE_JSON : FILE_OTHER;
}

static bool recognise_xgboost(const uint8_t *data, size_t bytes)
{
    return recognise_file(data, bytes) != FILE_OTHER;
}

/*
 * Whether a tree says that its leaves have several values. It says so behind the values themselves,
 * which other trees have no use for, so the first one's note is looked for beforehand.
 */
static bool has_vectors(const uint8_t *data, size_t bytes)
{
    static const char key[] = "size_leaf_vector";
    const uint8_t *const found = memmem(data, bytes, key, sizeof key - 1);
    if (found == NULL) {
        return false;
    }
    const uint8_t *at = found + sizeof key - 1;
    const uint8_t *const end =
        at + ((size_t)(data + bytes - at) < NOTE_BYTES ? (size_t)(data + bytes - at) : NOTE_BYTES);
    while (at < end && (*at < '0' || *at > '9')) {
        at++;
    }
    return at < end && (*at > '1' || (*at == '1' && at + 1 < end && at[1] >= '0' && at[1] <= '9'));
}

static void init_import(espalier_xgboost_import *import, espalier_forest *forest)
{
    import->forest = forest;
    import->feature_count = ESPALIER_XGBOOST_UNKNOWN;
    import->class_count = ESPALIER_XGBOOST_UNKNOWN;
    import->target_count = ESPALIER_XGBOOST_UNKNOWN;
    import->tree_count = ESPALIER_XGBOOST_UNKNOWN;
    import->parallel_count = ESPALIER_XGBOOST_UNKNOWN;
    import->best_iteration = ESPALIER_XGBOOST_UNKNOWN;
    import->best_tree_limit = ESPALIER_XGBOOST_UNKNOWN;
    import->wrapper_parallel_count = ESPALIER_XGBOOST_UNKNOWN;
    import->wrapper_missing = NAN;
    import->leaf_width = ESPALIER_XGBOOST_UNKNOWN;
}

static void free_import(espalier_xgboost_import *import)
{
    espalier_xgboost_free_tree(&import->tree);
    espalier_document_array_free(&import->base_scores);
    espalier_document_array_free(&import->tree_info);
    espalier_document_array_free(&import->iteration_start);
    espalier_document_array_free(&import->weight_drop);
    for (uint64_t i = 0; i < import->names.count; i++) {
        free(((char **)import->names.items)[i]);
    }
    espalier_document_array_free(&import->names);
    espalier_xgboost_free_labels(&import->encoder);
    espalier_category_values_free(&import->category_values);
    json_decref(import->model_parameters);
    json_decref(import->objective_parameters);
    json_decref(import->attributes);
    espalier_document_close(&import->document);
    free(import);
}

/* What is shown, also of a model that is refused. */
static void fill_summary(const espalier_xgboost_import *import, espalier_source_summary *summary)
{
    (void)snprintf(summary->class_name, sizeof summary->class_name, "%s", import->class_name);
    espalier_xgboost_version_text(import, summary->version, sizeof summary->version);
    summary->consumed_bytes = import->document.at;
}

/* A list of trees, to be looked at: nobody can predict with it. */
static espalier_status refuse_dump(const espalier_source_input *input,
                                   espalier_source_summary *summary, espalier_error *error_out)
{
    (void)snprintf(summary->format, sizeof summary->format, "XGBoost dump, JSON");
    (void)snprintf(summary->class_name, sizeof summary->class_name, "xgboost.Booster");
    summary->consumed_bytes = input->bytes;
    return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                              "%s: a dump of trees without base score and objective; save the "
                              "model with save_model(\"model.json\")",
                              input->path);
}

/*
 * What the estimator around the model says. Its predict stops where early stopping left it a mark:
 * up to 1.3 with the estimator, up to 1.7 with its Booster, since 2.0 in the model.
 */
static void take_wrapper(espalier_xgboost_import *import, const espalier_source_wrapper *wrapper)
{
    espalier_xgboost_free_labels(&import->encoder);
    import->wrapped = wrapper->estimator;
    import->classifier = wrapper->classifier;
    import->wrapper_missing = wrapper->missing;
    import->wrapper_parallel_count = wrapper->parallel_count;
    if (espalier_xgboost_is_before(import, 1, 4)) {
        import->best_iteration = wrapper->best_iteration;
        import->best_tree_limit = wrapper->best_tree_limit;
    } else if (espalier_xgboost_is_before(import, 2, 0)) {
        import->best_iteration = wrapper->booster_best_iteration;
    }
}

/* From 1.4 to 3.2 dart predicted in place, as estimators do, also those that were loaded from a
 * file of theirs, sees a tree's leaf only within a sum. */
static bool sees_sums(const espalier_xgboost_import *import, const espalier_source_wrapper *wrapper)
{
    const bool in_place =
        wrapper != NULL ? wrapper->in_place : import->wrapped && !import->wrapper_by_matrix;
    return in_place && import->has_weights && !espalier_xgboost_is_before(import, 1, 4) &&
           espalier_xgboost_is_before(import, 3, 3);
}

/* Whether who predicts makes a matrix of the rows, which from 1.4 on takes no infinities: a pickled
 * Booster, an estimator that names a predictor. Who loads a file may be an estimator. */
static bool asks_a_matrix(const espalier_xgboost_import *import,
                          const espalier_source_wrapper *wrapper)
{
    const bool by_matrix =
        wrapper != NULL ? !wrapper->in_place : import->wrapped && import->wrapper_by_matrix;
    return by_matrix && !espalier_xgboost_is_before(import, 1, 4);
}

/* Leaves are to come out of the outputs as they are. */
static bool set_weights_aside(espalier_xgboost_import *import, espalier_document_array *aside)
{
    espalier_document_array *const weights = &import->weight_drop;
    if (!espalier_document_reserve(&import->document, aside, weights->count, sizeof(float))) {
        return false;
    }
    aside->count = weights->count;
    for (uint64_t i = 0; i < weights->count; i++) {
        ((float *)aside->items)[i] = ((const float *)weights->items)[i];
        ((float *)weights->items)[i] = 1.0F;
    }
    return true;
}

/* The tree alone on top of the base score, less the base score, times the weight. */
static void weigh_sums(const espalier_xgboost_import *import,
                       const espalier_document_array *weights)
{
    espalier_forest *const forest = import->forest;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const double *const start = forest->start + espalier_forest_slot_of(forest, i);
        const float weight = ((const float *)weights->items)[i];
        const uint64_t width = forest->leaf_width;
        double *const values = forest->leaf_values + forest->trees[i].first_leaf * width;
        for (uint64_t at = 0; at < forest->trees[i].leaf_count * width; at++) {
            const float base = (float)start[at % width];
            const float sum = base + (float)values[at];
            const float difference = sum - base;
            const float weighed = difference * weight;
            values[at] = (double)weighed;
        }
    }
}

/* The outputs of dart that is predicted in place. */
static bool finish_sums(espalier_xgboost_import *import)
{
    espalier_document_array weights = {0};
    const bool good = set_weights_aside(import, &weights) && espalier_xgboost_finish(import);
    if (good) {
        weigh_sums(import, &weights);
    }
    espalier_document_array_free(&weights);
    return good;
}

#if FLT_EVAL_METHOD != 0
#error "weights are applied in float32, step by step"
#endif

/* From the facts to the forest. */
static bool finish_import(espalier_xgboost_import *import, const espalier_source_input *input,
                          espalier_source_summary *summary)
{
    if (input->wrapper != NULL) {
        take_wrapper(import, input->wrapper);
    }
    import->infinite_refused = asks_a_matrix(import, input->wrapper);
    /* What the version that saved it did, which later ones do not when they load it. */
    import->base_last =
        espalier_xgboost_is_before(import, 1, 3) ||
        (strcmp(import->booster, "dart") == 0 && espalier_xgboost_is_before(import, 1, 4));
    if (import->class_name[0] == '\0') {
        /* Newer wrappers tell only that they are one; XGBModel is what all of them are. */
        (void)snprintf(import->class_name, sizeof import->class_name, "%s",
                       import->wrapped ? "xgboost.XGBModel" : "xgboost.Booster");
    }
    fill_summary(import, summary);
    if (import->splits != NULL && espalier_xgboost_is_before(import, 1, 7)) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      ESPALIER_OFFSET_NONE,
                                      "feature_importances_ of XGBoost before 1.7 is not computed");
    }
    return sees_sums(import, input->wrapper) ? finish_sums(import)
                                             : espalier_xgboost_finish(import);
}

static espalier_status load_xgboost(const espalier_source_input *input, espalier_forest *forest,
                                    espalier_source_summary *summary, espalier_error *error_out)
{
    const xgboost_file file = recognise_file(input->data, input->bytes);
    if (file == FILE_DUMP) {
        return refuse_dump(input, summary, error_out);
    }
    (void)snprintf(summary->format, sizeof summary->format, "XGBoost %s", form_names[file]);
    if (file == FILE_OTHER) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                                  "%s: no model in a form of XGBoost that is known; load it in the "
                                  "version that saved it, and save_model(\"model.json\")",
                                  input->path);
    }
    espalier_xgboost_import *const import = calloc(1, sizeof *import);
    if (import == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", input->path);
    }
    init_import(import, forest);
    import->splits = input->wrapper != NULL ? input->wrapper->splits : NULL;
    import->has_vectors = file != FILE_BINARY && has_vectors(input->data, input->bytes);
    if (espalier_document_open(&import->document, input->path, input->data, input->bytes,
                               file == FILE_UBJSON ? ESPALIER_DOCUMENT_UBJSON
                                                   : ESPALIER_DOCUMENT_JSON,
                               input->memory_bytes_max, error_out) &&
        (file == FILE_BINARY ? espalier_xgboost_read_binary(import)
                             : espalier_xgboost_read_document(import))) {
        (void)finish_import(import, input, summary);
    }
    const espalier_status status = import->document.status;
    free_import(import);
    return status;
}

const espalier_source_kind espalier_xgboost_kind = {
    .name = "XGBoost",
    .recognise = recognise_xgboost,
    .load = load_xgboost,
};
