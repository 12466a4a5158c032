// SPDX-License-Identifier: Apache-2.0
/*
 * See xgboost.h: recognising a file and loading it.
 */
#include "convert/sources/xgboost.h"

#include "convert/sources/xgboost_internal.h"
#include "format/error.h"

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
    FILE_BINARY = 3, /* "binf": the format up to 1.x and 2.x */
    FILE_DUMP = 4    /* what dump_model writes as JSON */
} xgboost_file;

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
    if (head >= 4 && memcmp(data, "binf", 4) == 0) {
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
    (void)snprintf(summary->version, sizeof summary->version, "%" PRId64 ".%" PRId64 ".%" PRId64,
                   import->version[0], import->version[1], import->version[2]);
    summary->consumed_bytes = import->document.at;
}

static espalier_status refuse_file(const espalier_source_input *input, xgboost_file file,
                                   espalier_source_summary *summary, espalier_error *error_out)
{
    const bool binary = file == FILE_BINARY;
    (void)snprintf(summary->format, sizeof summary->format, "%s",
                   binary ? "XGBoost binary" : "XGBoost dump, JSON");
    (void)snprintf(summary->class_name, sizeof summary->class_name, "xgboost.Booster");
    summary->consumed_bytes = input->bytes;
    return espalier_error_set(
        error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0, "%s: %s", input->path,
        binary ? "XGBoost's old binary format; load it in XGBoost 1.0 to 3.0 and save it with "
                 "save_model(\"model.json\")"
               : "a dump of trees without base score and objective; save the model with "
                 "save_model(\"model.json\")");
}

static espalier_status load_xgboost(const espalier_source_input *input, espalier_forest *forest,
                                    espalier_source_summary *summary, espalier_error *error_out)
{
    const xgboost_file file = recognise_file(input->data, input->bytes);
    if (file == FILE_BINARY || file == FILE_DUMP) {
        return refuse_file(input, file, summary, error_out);
    }
    espalier_xgboost_import *const import = calloc(1, sizeof *import);
    if (import == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", input->path);
    }
    init_import(import, forest);
    import->has_vectors = has_vectors(input->data, input->bytes);
    (void)snprintf(summary->format, sizeof summary->format, "XGBoost %s",
                   file == FILE_JSON ? "JSON" : "UBJSON");
    if (espalier_document_open(&import->document, input->path, input->data, input->bytes,
                               file == FILE_JSON ? ESPALIER_DOCUMENT_JSON
                                                 : ESPALIER_DOCUMENT_UBJSON,
                               input->memory_bytes_max, error_out) &&
        espalier_xgboost_read_document(import)) {
        if (import->class_name[0] == '\0') {
            /* Newer wrappers tell only that they are one; XGBModel is what all of them are. */
            (void)snprintf(import->class_name, sizeof import->class_name, "%s",
                           import->wrapped ? "xgboost.XGBModel" : "xgboost.Booster");
        }
        fill_summary(import, summary);
        (void)espalier_xgboost_finish(import);
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
