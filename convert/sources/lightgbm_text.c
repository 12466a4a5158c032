// SPDX-License-Identifier: Apache-2.0
/*
 * What a LightGBM text model says for people: names of features, and its parameters.
 */
#include "convert/sources/lightgbm_internal.h"

#include "convert/sources/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of each of a model's parameters; longer ones, as lists of files, are left out. */
#define PARAMETER_BYTES_MAX 256u
#define PARAMETERS_MAX      512u

/* LightGBM writes six; fifteen of any decimal text come back. */
#define REAL_DIGITS 15

/* What malloc adds to a block, for the limit. */
#define BLOCK_OVERHEAD 32u

espalier_status espalier_lightgbm_copy_text(espalier_lightgbm_import *import,
                                            const espalier_text_slice *slice, char **text_out)
{
    /* NUL ends a text; with it, as what is no UTF-8, the text is escaped. */
    const bool plain = espalier_pickle_utf8_valid((const uint8_t *)slice->text, slice->bytes) &&
                       (slice->bytes == 0 || memchr(slice->text, '\0', slice->bytes) == NULL);
    const uint64_t capacity = (uint64_t)slice->bytes * (plain ? 1 : 4) + 1;
    void *text = NULL;
    const espalier_status status = espalier_lightgbm_allocate(import, 1, capacity, &text);
    if (status != ESPALIER_OK) {
        return status;
    }
    import->memory_left -= import->memory_left < BLOCK_OVERHEAD ? import->memory_left
        : BLOCK_OVERHEAD;
    if (plain) {
        memcpy(text, slice->text, slice->bytes);
    } else {
        espalier_pickle_escape(slice->text, slice->bytes, text, (size_t)capacity);
    }
    *text_out = text;
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_read_names(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    espalier_text_slice rest = import->header.feature_names;
    espalier_text_slice word;
    void *names = NULL;
    espalier_status status =
        espalier_lightgbm_words(import, &rest, "feature_names", forest->feature_count);
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, forest->feature_count,
                                            sizeof *forest->feature_names, &names);
        forest->feature_names = names;
    }
    for (uint32_t i = 0; status == ESPALIER_OK && i < forest->feature_count; i++) {
        (void)espalier_text_word(&rest, &word);
        status = espalier_lightgbm_copy_text(import, &word, &forest->feature_names[i]);
    }
    return status;
}

/* A JSON number where the text is one, else the text; NULL: no memory. */
static json_t *make_value(const espalier_decimal *decimal, const espalier_text_slice *value)
{
    int64_t integer;
    double real;
    if (espalier_decimal_to_int64(value->text, value->bytes, &integer)) {
        return json_integer(integer);
    }
    if (espalier_decimal_to_float64(decimal, value->text, value->bytes, &real) && isfinite(real)) {
        return json_real(real);
    }
    return json_stringn(value->text, value->bytes);
}

/* "[learning_rate: 0.1]"; what does not look like that is left out. False: no memory. */
static bool add_parameter(const espalier_decimal *decimal, json_t *object,
                          const espalier_text_slice *line)
{
    static const char separator[] = ": ";
    char key[PARAMETER_BYTES_MAX + 1];
    const size_t bytes = line->bytes;
    if (bytes < 4 || bytes > PARAMETER_BYTES_MAX || line->text[0] != '[' ||
        line->text[bytes - 1] != ']' || json_object_size(object) >= PARAMETERS_MAX ||
        !espalier_pickle_utf8_valid((const uint8_t *)line->text, bytes) ||
        memchr(line->text, '\0', bytes) != NULL) {
        return true;
    }
    memcpy(key, line->text + 1, bytes - 2);
    key[bytes - 2] = '\0';
    char *const colon = strstr(key, separator);
    if (colon == NULL || colon == key) {
        return true;
    }
    *colon = '\0';
    const size_t start = (size_t)(colon - key) + 1 + sizeof separator - 1;
    const espalier_text_slice value = {line->text + start, bytes - 1 - start, line->offset + start,
                                       line->line};
    json_t *const item = make_value(decimal, &value);
    return json_object_set_new(object, key, item) == 0;
}

/* The lines up to "end of parameters". */
static espalier_status read_lines(espalier_lightgbm_import *import, json_t *object)
{
    espalier_text_slice line;
    while (espalier_text_line(&import->lines, &line)) {
        if (espalier_text_is(&line, "end of parameters")) {
            return ESPALIER_OK;
        }
        if (line.bytes > 12 && memcmp(line.text, "[categorical", 12) == 0) {
            import->categorical_line = line;
        }
        if (!add_parameter(&import->decimal, object, &line)) {
            return espalier_lightgbm_fail(import, &line, ESPALIER_ERROR_MEMORY,
                                          "no memory for the parameters");
        }
    }
    return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                  "the file ends inside its parameters");
}

espalier_status espalier_lightgbm_read_parameters(espalier_lightgbm_import *import)
{
    espalier_text_slice line = {0};
    bool found = false;
    while (!found && espalier_text_line(&import->lines, &line)) {
        found = espalier_text_is(&line, "parameters:");
    }
    if (!found) {
        return ESPALIER_OK;
    }
    json_t *const object = json_object();
    espalier_status status = object == NULL
                                 ? espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                                          "no memory for the parameters")
                                 : read_lines(import, object);
    if (status == ESPALIER_OK) {
        import->forest->parameters_json =
            json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
        if (import->forest->parameters_json == NULL) {
            status = espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                            "no memory for the parameters");
        }
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_read_pandas(import);
    }
    json_decref(object);
    return status;
}
