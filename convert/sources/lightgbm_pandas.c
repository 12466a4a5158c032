// SPDX-License-Identifier: Apache-2.0
/*
 * The line pandas_categorical of a LightGBM model: the categories of the columns that pandas called
 * categories at fit. Trees test their places: text is numbered so, and numbers become places.
 * See lightgbm.h.
 */
#include "convert/category_values.h"
#include "convert/sources/lightgbm_internal.h"

#include <jansson.h>

#include <inttypes.h>
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

/* The features that the parameters name, as many as lists, ascending. */
static bool take_named(const char *rest, uint32_t feature_count, size_t count, uint32_t *features)
{
    uint32_t least = 0;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = next_feature(&rest, feature_count, &features[i]) && features[i] >= least;
        least = features[i] + 1;
    }
    return good && *rest == '\0';
}

/* Whether a word of feature_infos is a list of categories, "2:0:1"; *largest_out is the largest of
 * them. Ranges are "[0:1]", constant features "none". */
static bool lists_categories(const espalier_text_slice *word, int64_t *largest_out)
{
    *largest_out = -1;
    for (size_t at = 0; at < word->bytes;) {
        const size_t start = at;
        int64_t category = 0;
        while (at < word->bytes && word->text[at] != ':') {
            at++;
        }
        if (!espalier_decimal_to_int64(word->text + start, at - start, &category)) {
            return false;
        }
        *largest_out = category > *largest_out ? category : *largest_out;
        at++;
    }
    return word->bytes > 0;
}

/* What a list holds; MIXED also where some item is neither. */
typedef enum list_kind {
    LIST_EMPTY,
    LIST_TEXTS,
    LIST_NUMBERS,
    LIST_MIXED
} list_kind;

static list_kind kind_of(const json_t *list)
{
    list_kind kind = LIST_EMPTY;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const item = json_array_get(list, i);
        const list_kind own = json_is_string(item)                            ? LIST_TEXTS
                              : json_is_number(item) || json_is_boolean(item) ? LIST_NUMBERS
                                                                              : LIST_MIXED;
        kind = kind == LIST_EMPTY || kind == own ? own : LIST_MIXED;
    }
    return json_is_array(list) ? kind : LIST_MIXED;
}

/* Truth values are 0 and 1, as in rows. */
static double number_of(const json_t *item)
{
    return json_is_boolean(item) ? (json_is_true(item) ? 1.0 : 0.0) : json_number_value(item);
}

/* Numbers that are not their own places, or stand beside something else, would be taken for these
 * without a word. */
static bool would_mislead(const json_t *list)
{
    const list_kind kind = kind_of(list);
    bool misleads = kind == LIST_MIXED;
    for (size_t i = 0; kind == LIST_NUMBERS && i < json_array_size(list); i++) {
        misleads = misleads || number_of(json_array_get(list, i)) != (double)i;
    }
    return misleads;
}

static int compare_sizes(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* sizes: [lists], becomes the lengths of lists that would mislead, ascending; returns how many. */
static size_t sort_misleading(const json_t *lists, uint32_t *sizes)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(lists); i++) {
        const json_t *const list = json_array_get(lists, i);
        if (would_mislead(list)) {
            sizes[count++] = (uint32_t)json_array_size(list);
        }
    }
    qsort(sizes, count, sizeof *sizes, compare_sizes);
    return count;
}

/* Whether a word of feature_infos, "[0:3]", is what the places of one of the lists look like that
 * would mislead: its column may be the one that pandas called categories. */
static bool could_be_places(const espalier_text_slice *word, const uint32_t *sizes,
                            size_t size_count)
{
    int64_t largest = 0;
    if (size_count == 0 || word->bytes < 5 || memcmp(word->text, "[0:", 3) != 0 ||
        !espalier_decimal_to_int64(word->text + 3, word->bytes - 4, &largest) || largest < 0 ||
        largest >= UINT32_MAX) {
        return false;
    }
    const uint32_t size = (uint32_t)largest + 1;
    return bsearch(&size, sizes, size_count, sizeof *sizes, compare_sizes) != NULL;
}

/* Goes through feature_infos: without `named`, the features with categories, if they are as many as
 * lists; whether no feature has a category that its list has not, and with `named` no other feature
 * looks like the one that a list is of. misleading: as sort_misleading leaves it. */
static bool take_listed(const espalier_lightgbm_import *import, const json_t *lists, bool named,
                        const uint32_t *misleading, size_t misleading_count, uint32_t *features)
{
    espalier_text_slice rest = import->header.feature_infos;
    espalier_text_slice word;
    const size_t count = json_array_size(lists);
    size_t found = 0;
    for (uint32_t i = 0; espalier_text_word(&rest, &word); i++) {
        int64_t largest = 0;
        const bool wanted = !named || (found < count && features[found] == i);
        const bool has = lists_categories(&word, &largest);
        if (!wanted && could_be_places(&word, misleading, misleading_count)) {
            return false;
        }
        if (!wanted || (!named && !has)) {
            continue;
        }
        if (found == count ||
            (has && largest >= (int64_t)json_array_size(json_array_get(lists, found)))) {
            return false;
        }
        features[found++] = i;
    }
    return found == count;
}

/* Which feature each list is of: those that the parameters name (from LightGBM 3.0 on), else those
 * with categories. NULL: these are not as many (ordered categories are none to LightGBM, and its
 * caller may name more columns). */
static espalier_status find_features(espalier_lightgbm_import *import, const json_t *lists,
                                     uint32_t **features_out)
{
    const size_t count = json_array_size(lists);
    char *named = NULL;
    void *memory = NULL;
    espalier_status status = copy_features(import, &named);
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, (uint64_t)count * 2, sizeof(uint32_t), &memory);
    }
    uint32_t *const features = memory;
    if (status == ESPALIER_OK) {
        uint32_t *const sizes = features + count;
        const size_t size_count = sort_misleading(lists, sizes);
        const bool is_named = named != NULL && *named != '\0';
        const bool good =
            (!is_named || take_named(named, import->forest->feature_count, count, features)) &&
            take_listed(import, lists, is_named, sizes, size_count, features);
        *features_out = good ? features : NULL;
    }
    if (*features_out == NULL) {
        free(features);
    }
    free(named);
    return status;
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

static espalier_status add_numbers(espalier_lightgbm_import *import, const json_t *list,
                                   uint32_t feature, espalier_category_values *values)
{
    void *memory = NULL;
    const size_t count = json_array_size(list);
    espalier_status status =
        espalier_lightgbm_allocate(import, (uint64_t)count * 6, sizeof(double), &memory);
    double *const numbers = memory;
    for (size_t i = 0; i < count && status == ESPALIER_OK; i++) {
        numbers[i] = number_of(json_array_get(list, i));
    }
    const espalier_category_numbers own = {feature, (uint32_t)count, numbers};
    return status == ESPALIER_OK ? espalier_category_values_add(values, &own) : status;
}

static espalier_status add_lists(espalier_lightgbm_import *import, const espalier_text_slice *line,
                                 const json_t *lists, const uint32_t *features,
                                 espalier_category_values *values)
{
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < json_array_size(lists) && status == ESPALIER_OK; i++) {
        const json_t *const list = json_array_get(lists, i);
        const list_kind kind = kind_of(list);
        if (kind == LIST_MIXED) {
            status = espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                            "the categories of feature %" PRIu32
                                            " are neither all text nor all numbers",
                                            features[i]);
        } else if (kind == LIST_TEXTS) {
            status = add_list(import, line, list, features[i]);
        } else if (kind == LIST_NUMBERS) {
            status = add_numbers(import, list, features[i], values);
        }
    }
    return status;
}

/* Rows have the numbers, trees were grown on their places; what is no category is missing. */
static espalier_status place_lists(espalier_lightgbm_import *import,
                                   const espalier_text_slice *line, const json_t *lists,
                                   const uint32_t *features)
{
    espalier_category_values values = {0};
    uint32_t feature = 0;
    espalier_status status = add_lists(import, line, lists, features, &values);
    if (status == ESPALIER_OK) {
        const espalier_status applied =
            espalier_category_values_apply(&values, import->forest, false, &feature);
        status = applied == ESPALIER_OK ? ESPALIER_OK
                 : applied == ESPALIER_ERROR_SOURCE_TREE
                     ? espalier_lightgbm_fail(import, line, applied,
                                              "a category of feature %" PRIu32
                                              " stands twice, or is not finite",
                                              feature)
                     : espalier_lightgbm_fail(import, line, applied,
                                              "more categories than a model has, or memory");
    }
    espalier_category_values_free(&values);
    return status;
}

static bool has_misleading(const json_t *lists)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(lists) && !found; i++) {
        found = would_mislead(json_array_get(lists, i));
    }
    return found;
}

/* The line's JSON. */
static espalier_status parse_lists(espalier_lightgbm_import *import,
                                   const espalier_text_slice *line, json_t **lists_out)
{
    const size_t start = sizeof prefix - 1;
    json_error_t error;
    *lists_out = json_loadb(line->text + start, line->bytes - start,
                            JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    /* Where jansson says nothing of a failure it had no memory. */
    if (*lists_out == NULL &&
        (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory)) {
        return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_MEMORY, "out of memory");
    }
    if (*lists_out == NULL) {
        const bool ends = import->lines.at == import->lines.bytes;
        return espalier_lightgbm_fail(import, line,
                                      ends ? ESPALIER_ERROR_SOURCE_TRUNCATED
                                           : ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "pandas_categorical is not JSON%s",
                                      ends ? ", or the file ends inside it" : "");
    }
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_read_pandas(espalier_lightgbm_import *import)
{
    espalier_text_slice line = {0};
    json_t *lists = NULL;
    uint32_t *features = NULL;
    bool found = false;
    while (!found && espalier_text_line(&import->lines, &line)) {
        found = line.bytes > sizeof prefix - 1 && memcmp(line.text, prefix, sizeof prefix - 1) == 0;
    }
    if (!found) {
        return ESPALIER_OK;
    }
    espalier_status status = parse_lists(import, &line, &lists);
    if (status == ESPALIER_OK && json_array_size(lists) > 0) {
        status = find_features(import, lists, &features);
        if (status == ESPALIER_OK && features != NULL) {
            status = place_lists(import, &line, lists, features);
        } else if (status == ESPALIER_OK && has_misleading(lists)) {
            status = espalier_lightgbm_fail(
                import, &line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "which columns have these categories, numbers among them, is not known: some are "
                "ordered, or were named at training; save the model as text without this line, "
                "and rows have the places in it");
        }
    }
    free(features);
    json_decref(lists);
    return status;
}
