// SPDX-License-Identifier: Apache-2.0
/*
 * Categories of pandas, which XGBoost saves from 3.1 on: for each feature offsets into bytes, or
 * numbers. Trees test their places; what is none of them is refused. See xgboost_internal.h.
 */
#include "convert/sources/utf8.h"
#include "convert/sources/xgboost_internal.h"
#include "format/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types of numbers, of XGBoost's list of JSON values (3.1). UBJSON cannot tell the unsigned ones
 * from others; XGBoost itself takes no categories of real numbers. */
enum {
    TYPE_FLOAT32 = 7,
    TYPE_INT8 = 9, /* the first whole one; UINT64 is the last */
    TYPE_UINT16 = 12,
    TYPE_UINT32 = 14,
    TYPE_UINT64 = 16
};

/* One feature's names, as the file has them; reused for the next. */
typedef struct names {
    espalier_document_array offsets; /* int32_t */
    espalier_document_array values;  /* int32_t: bytes, signed or not */
    espalier_document_array numbers; /* double */
    int64_t type;                    /* of numbers, of XGBoost's list of column types */
    uint64_t at;                     /* where these stand */
    bool are_texts;
} names;

/* Numbers have a type instead of offsets; members come sorted. */
static bool read_names(espalier_document *document, names *own)
{
    espalier_document_text key;
    own->are_texts = false;
    own->offsets.count = 0;
    own->values.count = 0;
    own->numbers.count = 0;
    own->type = -1;
    if (!espalier_document_enter_object(document)) {
        return false;
    }
    while (espalier_document_member(document, &key)) {
        bool good = true;
        if (espalier_document_text_is(&key, "offsets")) {
            own->are_texts = true;
            good = espalier_document_read_int32s(document, &own->offsets);
        } else if (espalier_document_text_is(&key, "type")) {
            good = espalier_document_read_int64(document, &own->type);
        } else if (espalier_document_text_is(&key, "values")) {
            own->at = document->at;
            good = own->are_texts ? espalier_document_read_int32s(document, &own->values)
                                  : espalier_document_read_float64s(document, &own->numbers);
        } else {
            good = espalier_document_skip(document);
        }
        if (!good) {
            return false;
        }
    }
    return document->status == ESPALIER_OK;
}

/* Name `index` into text, which has room for all bytes. */
static bool take_name(const names *own, uint64_t index, char *text, size_t *bytes_out)
{
    const int32_t *const offsets = own->offsets.items;
    const int32_t *const values = own->values.items;
    const int32_t begin = offsets[index];
    const int32_t end = offsets[index + 1];
    if (begin < 0 || end < begin || (uint64_t)end > own->values.count ||
        (text == NULL && end > begin)) {
        return false;
    }
    for (int32_t i = begin; i < end; i++) {
        text[i - begin] = (char)(uint8_t)((uint32_t)values[i] & 0xFFu);
    }
    *bytes_out = (size_t)(end - begin);
    return true;
}

static bool add_name(espalier_xgboost_import *import, uint32_t feature, uint64_t index,
                     const char *text, size_t bytes)
{
    espalier_document *const document = &import->document;
    espalier_categories *const categories = &import->forest->categories;
    uint32_t number = 0;
    if (!espalier_pickle_utf8_valid((const uint8_t *)text, bytes)) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      document->value_at, "a category that is no UTF-8");
    }
    const espalier_status status =
        espalier_document_charge(document, (uint64_t)bytes + 64)
            ? espalier_categories_add(categories, feature, text, bytes, &number)
            : document->status;
    if (status != ESPALIER_OK) {
        return espalier_document_fail(document, status, document->value_at,
                                      "more categories than a model has, or memory");
    }
    return number == index || espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE,
                                                     document->value_at, "a category stands twice");
}

/* UBJSON has no unsigned numbers of 16 bits and more: XGBoost writes them as signed ones. */
static void make_unsigned(double *numbers, uint64_t count, int64_t type)
{
    const double beyond = type == TYPE_UINT16   ? 0x1p16
                          : type == TYPE_UINT32 ? 0x1p32
                          : type == TYPE_UINT64 ? 0x1p64
                                                : 0.0;
    for (uint64_t i = 0; i < count; i++) {
        numbers[i] += numbers[i] < 0.0 ? beyond : 0.0;
    }
}

/* Kept until the number of features is known. */
static bool add_numbers(espalier_xgboost_import *import, uint32_t feature, const names *own)
{
    espalier_document *const document = &import->document;
    const size_t bytes = (size_t)own->numbers.count * sizeof(double);
    if (own->numbers.count > ESPALIER_LIMIT_CATEGORIES) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_LIMIT, document->value_at,
                                      "more categories than a model has");
    }
    if (bytes == 0 || !espalier_document_charge(document, (uint64_t)bytes * 6)) {
        return bytes == 0;
    }
    double *const numbers = malloc(bytes);
    const espalier_category_numbers made = {feature, (uint32_t)own->numbers.count, numbers, own->at,
                                            own->type};
    if (numbers != NULL) {
        memcpy(numbers, own->numbers.items, bytes);
        make_unsigned(numbers, own->numbers.count, own->type);
    }
    return (numbers != NULL &&
            espalier_category_values_add(&import->category_values, &made) == ESPALIER_OK) ||
           espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                  "no memory for categories");
}

/* Unknown names are refused, as XGBoost does. */
static bool add_names(espalier_xgboost_import *import, uint32_t feature, const names *own)
{
    espalier_document *const document = &import->document;
    if (!own->are_texts || own->offsets.count < 2) {
        return true;
    }
    if (!espalier_document_charge(document, own->values.count + 1)) {
        return false;
    }
    char *const text = malloc((size_t)own->values.count + 1);
    bool good = text != NULL || espalier_document_fail(document, ESPALIER_ERROR_MEMORY,
                                                       document->value_at, "no memory for names");
    for (uint64_t i = 0; i + 1 < own->offsets.count && good; i++) {
        size_t bytes = 0;
        good = take_name(own, i, text, &bytes)
                   ? add_name(import, feature, i, text, bytes)
                   : espalier_document_fail(document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                            document->value_at, "offsets that leave the values");
    }
    free(text);
    espalier_category_list *const list =
        good ? espalier_categories_of(&import->forest->categories, feature) : NULL;
    if (list != NULL) {
        list->refuses = true;
    }
    return good;
}

static bool read_features(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    names own = {.type = -1};
    uint32_t feature = 0;
    bool good = espalier_document_enter_array(document);
    while (good && espalier_document_item(document)) {
        good = read_names(document, &own) && add_names(import, feature, &own) &&
               add_numbers(import, feature, &own);
        feature++;
    }
    espalier_document_array_free(&own.offsets);
    espalier_document_array_free(&own.values);
    espalier_document_array_free(&own.numbers);
    return good && document->status == ESPALIER_OK;
}

bool espalier_xgboost_read_categories(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"enc", read_features, false},
    };
    if (import->forest->categories.count > 0 || import->category_values.count > 0) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      import->document.value_at, "a second list of categories");
    }
    return espalier_xgboost_read_object(import, members, 1, ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

/* A category as the file has it. */
static int64_t read_category(espalier_document *document, uint64_t at, uint32_t index)
{
    int64_t number = 0;
    document->at = (size_t)at;
    bool good = espalier_document_enter_array(document);
    for (uint32_t i = 0; good && i <= index; i++) {
        good = espalier_document_item(document) && espalier_document_read_int64(document, &number);
    }
    return number;
}

/* Both categories by their type; false: the document does not have what was read of it. */
static bool print_values(espalier_document *document, const espalier_category_numbers *own,
                         const espalier_category_fault *fault, char *text, size_t capacity)
{
    const double number = own->numbers[fault->first];
    if (own->type < TYPE_INT8 || own->type > TYPE_UINT64) {
        const int digits = own->type == TYPE_FLOAT32 ? 9 : 17;
        (void)snprintf(text, capacity, "%.*g and %.*g", digits, number, digits,
                       own->numbers[fault->second]);
        return true;
    }
    /* What is no int64 stands there as one all the same. */
    const int64_t one = read_category(document, own->at, fault->first);
    const int64_t other = read_category(document, own->at, fault->second);
    if (number < 0x1p63) {
        (void)snprintf(text, capacity, "%" PRId64 " and %" PRId64, one, other);
    } else {
        (void)snprintf(text, capacity, "%" PRIu64 " and %" PRIu64, (uint64_t)one, (uint64_t)other);
    }
    return document->status == ESPALIER_OK;
}

static bool fail_values(espalier_xgboost_import *import, const espalier_category_fault *fault)
{
    espalier_document *const document = &import->document;
    const espalier_category_numbers *const own =
        fault->list < import->category_values.count ? &import->category_values.features[fault->list]
                                                    : NULL;
    char text[64];
    if (own == NULL || fault->first == fault->second) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, ESPALIER_OFFSET_NONE,
                                      "a category of feature %" PRIu32
                                      " is not finite, or the feature is not there",
                                      fault->feature);
    }
    return print_values(document, own, fault, text, sizeof text) &&
           espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, own->at,
                                  "the categories %s of feature %" PRIu32
                                  " are one number in float64: a category stands twice",
                                  text, fault->feature);
}

bool espalier_xgboost_place_categories(espalier_xgboost_import *import)
{
    espalier_category_fault fault;
    const espalier_status status =
        espalier_category_values_apply(&import->category_values, import->forest, true, &fault);
    uint32_t feature = 0;
    if (status == ESPALIER_OK && espalier_category_values_clash(import->forest, &feature)) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      ESPALIER_OFFSET_NONE, ESPALIER_CATEGORY_CLASH,
                                      import->forest->missing_number, feature);
    }
    return status == ESPALIER_OK ||
           (status == ESPALIER_ERROR_SOURCE_TREE
                ? fail_values(import, &fault)
                : espalier_document_fail(&import->document, status, ESPALIER_OFFSET_NONE,
                                         "more categories than a model has, or memory"));
}
