// SPDX-License-Identifier: Apache-2.0
/*
 * Files that are no pickle, told apart by their first bytes, so that the refusal can name them.
 * May include: the reader's own headers, format/error.h. Must never look further than it must.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"
#include "format/error.h"

#define ZIP_TAIL_BYTES 65536u

typedef struct known_start {
    const char *bytes;
    size_t count;
    espalier_status status;
    const char *what;
} known_start;

#define START(text, status, what)            \
    {                                        \
        text, sizeof(text) - 1, status, what \
    }

/* Bytes with which no pickle starts. */
static const known_start known_starts[] = {
    START("\x89"
          "ESP\r\n\x1a\n",
          ESPALIER_ERROR_SOURCE_FORMAT, "already an Espalier model, nothing to convert"),
    START("CBM1", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a CatBoost model, not supported yet"),
    START("binf", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
          "an XGBoost model in the old binary form, not supported; save it as JSON"),
    START("bs64", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
          "an XGBoost model in the old base64 form, not supported; save it as JSON"),
    START("CONFIG-offset:", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
          "an XGBoost memory snapshot, not supported; save the model as JSON"),
    START("{L\0\0\0\0", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
          "an XGBoost model in UBJSON, not supported yet"),
    START("tree\n", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a LightGBM model, not supported yet"),
    START("tree\r\n", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a LightGBM model, not supported yet"),
    START("\x93NUMPY", ESPALIER_ERROR_SOURCE_FORMAT, "a NumPy array file, not a saved model"),
    START("\x89HDF\r\n\x1a\n", ESPALIER_ERROR_SOURCE_FORMAT, "an HDF5 file, not a saved model"),
    START("PAR1", ESPALIER_ERROR_SOURCE_FORMAT, "a Parquet file, not a saved model"),
    START("\x7f"
          "ELF",
          ESPALIER_ERROR_SOURCE_FORMAT, "a program, not a saved model"),
    START("%PDF-", ESPALIER_ERROR_SOURCE_FORMAT, "a PDF document, not a saved model"),
    START("Rar!", ESPALIER_ERROR_SOURCE_FORMAT, "a RAR archive, not a saved model"),
    START("7z\xbc\xaf", ESPALIER_ERROR_SOURCE_FORMAT, "a 7-Zip archive, not a saved model"),
    START("version https://git-lfs", ESPALIER_ERROR_SOURCE_FORMAT,
          "a Git LFS pointer; fetch the file itself with git lfs pull"),
};

static bool contains(const uint8_t *data, size_t bytes, const char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at + length <= bytes; at++) {
        const uint8_t *const found = memchr(data + at, text[0], bytes - length + 1 - at);
        if (found == NULL) {
            return false;
        }
        at = (size_t)(found - data);
        if (memcmp(found, text, length) == 0) {
            return true;
        }
    }
    return false;
}

/* The names of a zip's members stand in its tail. */
static espalier_status refuse_zip(const uint8_t *data, size_t bytes, const char *source_name,
                                  espalier_error *error_out)
{
    const size_t tail = bytes < ZIP_TAIL_BYTES ? bytes : ZIP_TAIL_BYTES;
    if (contains(data + (bytes - tail), tail, "schema.json")) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                                  "%s: a skops file, not supported yet", source_name);
    }
    const bool is_torch = contains(data + (bytes - tail), tail, "data.pkl");
    const bool is_npz = contains(data + (bytes - tail), tail, ".npy");
    return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, 0,
                              "%s: a zip archive (%s), not a model that the converter reads",
                              source_name,
                              is_torch ? "of PyTorch"
                              : is_npz ? "of NumPy arrays"
                                       : "neither skops nor NumPy");
}

/* JSON of the boosting libraries, or of somebody else. */
static espalier_status refuse_json(const uint8_t *data, size_t bytes, const char *source_name,
                                   espalier_error *error_out)
{
    const size_t probed = bytes < ZIP_TAIL_BYTES ? bytes : ZIP_TAIL_BYTES;
    const char *what = NULL;
    if (contains(data, probed, "\"learner\"")) {
        what = "an XGBoost model in JSON, not supported yet";
    } else if (contains(data, probed, "\"tree_info\"")) {
        what = "a LightGBM dump in JSON, not supported; use save_model";
    } else if (contains(data, probed, "\"oblivious_trees\"") ||
               contains(data, probed, "\"features_info\"")) {
        what = "a CatBoost model in JSON, not supported yet";
    }
    return espalier_error_set(error_out,
                              what != NULL ? ESPALIER_ERROR_SOURCE_UNSUPPORTED
                                           : ESPALIER_ERROR_SOURCE_FORMAT,
                              0, 0, "%s: %s", source_name,
                              what != NULL ? what : "JSON, but not of a model that is known");
}

/* ModelProto: field 1 (ir_version) as a small varint, then a field of text or a message. */
static bool is_onnx(const uint8_t *data, size_t bytes)
{
    return bytes > 3 && data[0] == 0x08 && data[1] < 0x80 &&
           memchr("\x12\x1a\x22\x2a\x32\x3a\x42", data[2], 7) != NULL;
}

static bool is_treelite(const uint8_t *data, size_t bytes)
{
    return bytes >= 12 &&
           (memcmp(data, "\x04\0\0\0", 4) == 0 || memcmp(data, "\x03\0\0\0\x09\0\0\0", 8) == 0);
}

espalier_status espalier_pickle_recognise(const uint8_t *data, size_t bytes,
                                          const char *source_name, espalier_error *error_out)
{
    if (bytes == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_FORMAT, 0, 0,
                                  "%s: empty, so not a saved model", source_name);
    }
    for (size_t i = 0; i < sizeof known_starts / sizeof known_starts[0]; i++) {
        const known_start *const start = &known_starts[i];
        if (bytes >= start->count && memcmp(data, start->bytes, start->count) == 0) {
            return espalier_error_set(error_out, start->status, 0, 0, "%s: %s", source_name,
                                      start->what);
        }
    }
    if (bytes >= 4 && memcmp(data, "PK\x03\x04", 4) == 0) {
        return refuse_zip(data, bytes, source_name, error_out);
    }
    if (data[0] == '{') {
        return refuse_json(data, bytes, source_name, error_out);
    }
    if (is_onnx(data, bytes)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                                  "%s: an ONNX model, not supported yet", source_name);
    }
    if (is_treelite(data, bytes)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0, 0,
                                  "%s: a treelite checkpoint, not supported yet", source_name);
    }
    return ESPALIER_OK;
}
