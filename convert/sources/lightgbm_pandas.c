// SPDX-License-Identifier: Apache-2.0
/*
 * The line pandas_categorical of a LightGBM model: the categories of the columns that pandas called
 * categories at fit. Rows have their places as numbers, so text gets these. See lightgbm.h.
 */
#include "convert/sources/lightgbm_internal.h"

#include <jansson.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "pandas_categorical:";

/* The features that the parameters call categories, "1,4,5", to be freed. */
static espalier_status copy_features(espalier_lightgbm_import *import, char **features_out)
{
    static const char *const keys[] = {"[categorical_feature: ", "[categorical_column: "};
    const espalier_text_slice *const line = &import->categorical_line;
    for (size_t i = 0; i < 2; i++) {
        const size_t start = strlen(keys[i]);
        if (line->bytes > start && memcmp(line->text, keys[i], start) == 0) {
            const espalier_text_slice value = {line->text + start, line->bytes - start - 1,
                                               line->offset + start, line->line};
            return espalier_lightgbm_copy_text(import, &value, features_out);
        }
    }
    return ESPALIER_OK;
}

/* The next number of such a list; false: there is none. */
static bool next_feature(const char **rest, uint32_t feature_count, uint32_t *feature_out)
{
    char *end = NULL;
    if (**rest < '0' || **rest > '9') {
        return false;
    }
    const unsigned long long number = strtoull(*rest, &end, 10);
    *rest = *end == ',' ? end + 1 : end;
    *feature_out = (uint32_t)number;
    return number < feature_count;
}

/* Whether there are as many features as lists, each of them once, in order. */
static bool lists_fit(const json_t *lists, const char *features, uint32_t feature_count)
{
    const char *rest = features;
    uint32_t feature = 0;
    uint32_t least = 0;
    size_t count = 0;
    while (next_feature(&rest, feature_count, &feature) && feature >= least) {
        least = feature + 1;
        count++;
    }
    return *rest == '\0' && count == json_array_size(lists);
}

static bool are_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return false;
        }
    }
    return json_array_size(list) > 0;
}

static espalier_status add_list(espalier_lightgbm_import *import, const espalier_text_slice *line,
                                const json_t *list, uint32_t feature)
{
    espalier_categories *const categories = &import->forest->categories;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const item = json_array_get(list, i);
        uint32_t number = 0;
        const espalier_status status =
            espalier_categories_add(categories, feature, json_string_value(item),
                                    json_string_length(item), &number);
        if (status != ESPALIER_OK) {
            return espalier_lightgbm_fail(import, line, status,
                                          "more categories of text than a model has, or memory");
        }
        if (number != i) {
            return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_TREE,
                                          "a category stands twice");
        }
    }
    espalier_category_list *const own = espalier_categories_of(categories, feature);
    if (own != NULL) {
        own->unknown = (double)NAN; /* what pandas knows no category for is missing */
    }
    return ESPALIER_OK;
}

/* Lists that are numbers stay with the caller, who has them as pandas' codes. */
static espalier_status add_lists(espalier_lightgbm_import *import, const espalier_text_slice *line,
                                 const json_t *lists, const char *features)
{
    const uint32_t feature_count = import->forest->feature_count;
    espalier_status status = ESPALIER_OK;
    uint32_t feature = 0;
    for (size_t i = 0; i < json_array_size(lists) && status == ESPALIER_OK; i++) {
        const json_t *const list = json_array_get(lists, i);
        if (next_feature(&features, feature_count, &feature) && are_texts(list)) {
            status = add_list(import, line, list, feature);
        }
    }
    return status;
}

espalier_status espalier_lightgbm_read_pandas(espalier_lightgbm_import *import)
{
    espalier_text_slice line = {0};
    const size_t start = sizeof prefix - 1;
    char *features = NULL;
    bool found = false;
    while (!found && espalier_text_line(&import->lines, &line)) {
        found = line.bytes > start && memcmp(line.text, prefix, start) == 0;
    }
    if (!found) {
        return ESPALIER_OK;
    }
    json_error_t error;
    json_t *const lists =
        json_loadb(line.text + start, line.bytes - start, JSON_DECODE_ANY, &error);
    /* Where jansson says nothing of a failure it had no memory. */
    if (lists == NULL &&
        (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory)) {
        return espalier_lightgbm_fail(import, &line, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    if (lists == NULL) {
        const bool ends = import->lines.at == import->lines.bytes;
        return espalier_lightgbm_fail(import, &line,
                                      ends ? ESPALIER_ERROR_SOURCE_TRUNCATED
                                           : ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "pandas_categorical is not JSON%s",
                                      ends ? ", or the file ends inside it" : "");
    }
    espalier_status status = copy_features(import, &features);
    if (status == ESPALIER_OK && json_is_array(lists) && features != NULL &&
        lists_fit(lists, features, import->forest->feature_count)) {
        status = add_lists(import, &line, lists, features);
    }
    free(features);
    json_decref(lists);
    return status;
}
