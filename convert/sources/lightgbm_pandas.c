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

static espalier_status add_numbers(espalier_lightgbm_import *import, const json_t *lists,
                                   size_t index, uint32_t feature, espalier_category_values *values)
{
    const json_t *const list = json_array_get(lists, index);
    const size_t count = json_array_size(list);
    void *memory = NULL;
    espalier_status status = espalier_lightgbm_allocate(import, count, sizeof(double), &memory);
    if (status == ESPALIER_OK) { /* what sorting them and the INDEX will take */
        status = espalier_lightgbm_charge(import, (uint64_t)count * 5 * sizeof(double));
    }
    double *const numbers = memory;
    for (size_t i = 0; i < count && status == ESPALIER_OK; i++) {
        numbers[i] = number_of(json_array_get(list, i));
    }
    const espalier_category_numbers own = {feature, (uint32_t)count, numbers, index, 0};
    if (status != ESPALIER_OK) {
        free(numbers);
        return status;
    }
    return espalier_category_values_add(values, &own);
}

/* Of lists of which it is known whose they are; of a feature that nothing asks for any will do. */
static espalier_status add_lists(espalier_lightgbm_import *import, const espalier_text_slice *line,
                                 const json_t *lists, const espalier_lightgbm_list *places,
                                 const uint8_t *tested, espalier_category_values *values)
{
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < json_array_size(lists) && status == ESPALIER_OK; i++) {
        const json_t *const list = json_array_get(lists, i);
        const list_kind kind = kind_of(list);
        const uint32_t feature = places[i].first;
        if (feature != places[i].last) {
            continue;
        }
        if (kind == LIST_MIXED && tested[feature] != 0) {
            status = espalier_lightgbm_fail(
                import, line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "the categories of feature %" PRIu32
                " \"%s\" are neither all text nor all numbers, so that 1 and \"1\" would be two "
                "in a data frame and one in other rows; give it categories of one kind",
                feature, import->forest->feature_names[feature]);
        } else if (kind == LIST_TEXTS) {
            status = add_list(import, line, list, feature);
        } else if (kind == LIST_NUMBERS) {
            status = add_numbers(import, lists, i, feature, values);
        }
    }
    return status;
}

/* The text of item `index` of list `list`: the line is JSON, a list of lists without others. */
static espalier_text_slice find_item(const espalier_text_slice *line, size_t list, size_t index)
{
    size_t lists = 0;
    size_t items = 0;
    size_t depth = 0;
    size_t start = 0;
    bool quoted = false;
    for (size_t at = sizeof prefix - 1; at < line->bytes; at++) {
        const char c = line->text[at];
        if (quoted) {
            at += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '[' || (c == ',' && depth == 1)) {
            depth += c == '[' ? 1 : 0;
            items = 0;
            start = at + 1;
        } else if (c == ',' || c == ']') {
            if (lists == list && items == index) {
                return (espalier_text_slice){line->text + start, at - start, 0, line->line};
            }
            depth -= c == ']' ? 1 : 0;
            lists += c == ']' ? 1 : 0;
            items++;
            start = at + 1;
        } else {
            quoted = c == '"';
            start += start == at && c == ' ' ? 1 : 0;
        }
    }
    return (espalier_text_slice){line->text, 0, 0, line->line};
}

/* Two numbers of a list are one in rows, which have float64; here they are as the file has them. */
static espalier_status fail_values(const espalier_lightgbm_import *import,
                                   const espalier_text_slice *line,
                                   const espalier_category_values *values,
                                   const espalier_category_fault *fault)
{
    if (fault->first == fault->second || fault->list >= values->count || values->features == NULL) {
        return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_TREE,
                                      "a category of feature %" PRIu32 " is not finite",
                                      fault->feature);
    }
    const size_t list = (size_t)values->features[fault->list].at;
    const espalier_text_slice one = find_item(line, list, fault->first);
    const espalier_text_slice other = find_item(line, list, fault->second);
    return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_TREE,
                                  "the categories %.*s and %.*s of feature %" PRIu32
                                  " are one number in float64: a category stands twice",
                                  espalier_lightgbm_shown(&one), one.text,
                                  espalier_lightgbm_shown(&other), other.text, fault->feature);
}

/* Rows have the numbers, trees were grown on their places; what is no category is missing. */
static espalier_status place_lists(espalier_lightgbm_import *import,
                                   const espalier_text_slice *line, const json_t *lists,
                                   const espalier_lightgbm_list *places, const uint8_t *tested)
{
    espalier_category_values values = {0};
    espalier_category_fault fault;
    espalier_status status = add_lists(import, line, lists, places, tested, &values);
    if (status == ESPALIER_OK) {
        status = espalier_category_values_apply(&values, import->forest, false, &fault);
        if (status == ESPALIER_ERROR_SOURCE_TREE) {
            status = fail_values(import, line, &values, &fault);
        } else if (status != ESPALIER_OK) {
            status = espalier_lightgbm_fail(import, line, status,
                                            "more categories than a model has, or memory");
        }
    }
    espalier_category_values_free(&values);
    return status;
}

/* Some numbers are not known to be a column's: rows would have to hold places without a word. */
static espalier_status fail_doubtful(const espalier_lightgbm_import *import,
                                     const espalier_text_slice *line, uint32_t feature)
{
    static const char way_out[] = "name the columns that the data frame had as categories, as "
                                  "convert --categorical a,b";
    return feature == ESPALIER_LIGHTGBM_NO_FEATURE
               ? espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                        "which columns have these categories, numbers among them, "
                                        "is not known: they fit none; %s",
                                        way_out)
               : espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                        "which columns have these categories, numbers among them, "
                                        "is not known: feature %" PRIu32 " \"%.60s\" may be one or "
                                        "not; %s",
                                        feature, import->forest->feature_names[feature], way_out);
}

/* What the file says of the lists, and room for what it does not say of whose they are. */
static bool describe_lists(const json_t *lists, espalier_lightgbm_list *places)
{
    bool misleads = false;
    for (size_t i = 0; i < json_array_size(lists); i++) {
        const json_t *const list = json_array_get(lists, i);
        const list_kind kind = kind_of(list);
        places[i] = (espalier_lightgbm_list){
            .size = (uint32_t)json_array_size(list),
            .numbers = kind == LIST_NUMBERS || kind == LIST_MIXED,
            .misleads = would_mislead(list),
        };
        misleads = misleads || places[i].misleads;
    }
    return misleads;
}

/* Finds whose the lists are, and takes those of which that is known. */
static espalier_status take_lists(espalier_lightgbm_import *import, const espalier_text_slice *line,
                                  const json_t *lists, espalier_lightgbm_list *places)
{
    espalier_forest *const forest = import->forest;
    void *tested = NULL;
    void *numbers = NULL;
    espalier_status status = espalier_lightgbm_allocate(import, forest->feature_count, 1, &tested);
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_allocate(import, forest->feature_count, 1, &numbers);
        forest->category_numbers = numbers;
        forest->category_number_count = numbers != NULL ? forest->feature_count : 0;
    }
    if (status == ESPALIER_OK) {
        const bool misleads = describe_lists(lists, places);
        espalier_lightgbm_doubts doubts = {.tested = tested, .numbers = numbers};
        espalier_forest_mark_tested(forest, forest->feature_count, tested);
        status = espalier_lightgbm_find_columns(import, places, (uint32_t)json_array_size(lists),
                                                &doubts);
        if (status == ESPALIER_OK && !doubts.fits) {
            status = misleads ? fail_doubtful(import, line, doubts.feature) : ESPALIER_OK;
        } else if (status == ESPALIER_OK && doubts.feature != ESPALIER_LIGHTGBM_NO_FEATURE) {
            status = fail_doubtful(import, line, doubts.feature);
        } else if (status == ESPALIER_OK) {
            status = place_lists(import, line, lists, places, tested);
        }
    }
    free(tested);
    return status;
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
    void *places = NULL;
    bool found = false;
    while (!found && espalier_text_line(&import->lines, &line)) {
        found = line.bytes > sizeof prefix - 1 && memcmp(line.text, prefix, sizeof prefix - 1) == 0;
    }
    if (!found) {
        return ESPALIER_OK;
    }
    espalier_status status = parse_lists(import, &line, &lists);
    if (status == ESPALIER_OK && json_array_size(lists) > 0) {
        status = espalier_lightgbm_allocate(import, json_array_size(lists),
                                            sizeof(espalier_lightgbm_list), &places);
        if (status == ESPALIER_OK) {
            status = take_lists(import, &line, lists, places);
        }
    }
    free(places);
    json_decref(lists);
    return status;
}
