// SPDX-License-Identifier: Apache-2.0
/*
 * classes_ of a classifier: labels of any plain NumPy dtype, or of Python objects of one sort.
 */
#include "convert/sources/sklearn_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

espalier_status espalier_sklearn_text(espalier_sklearn_import *import,
                                      const espalier_pickle_value *at,
                                      const espalier_pickle_array *array, uint64_t index,
                                      const char *what, char **text_out, size_t *bytes_out)
{
    size_t bytes = 0;
    if (!espalier_pickle_array_text(array, index, NULL, 0, &bytes)) {
        return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s %" PRIu64 " is no valid text", what, index);
    }
    void *text = NULL;
    const espalier_status status = espalier_sklearn_allocate(import, 1, (uint64_t)bytes + 1, &text);
    if (status != ESPALIER_OK) {
        return status;
    }
    (void)espalier_pickle_array_text(array, index, text, bytes, &bytes);
    *text_out = text;
    *bytes_out = bytes;
    return ESPALIER_OK;
}

/* How the elements of an object array are read: one sort for all, or none. */
static bool find_object_kind(const espalier_pickle_value *value, espalier_label_kind *kind_out)
{
    espalier_pickle_slice text;
    bool truth;
    int64_t integer;
    double real;
    if (value == NULL) {
        return false;
    }
    if (espalier_pickle_get_text(value, &text)) {
        *kind_out = ESPALIER_LABEL_STRING;
    } else if (espalier_pickle_get_bool(value, &truth)) {
        *kind_out = ESPALIER_LABEL_BOOL;
    } else if (espalier_pickle_get_int64(value, &integer)) {
        *kind_out = ESPALIER_LABEL_INT;
    } else if (espalier_pickle_get_double(value, &real)) {
        *kind_out = ESPALIER_LABEL_FLOAT;
    } else {
        return false;
    }
    return true;
}

static espalier_status find_objects_kind(const espalier_sklearn_import *import,
                                         const espalier_pickle_value *classes,
                                         const espalier_pickle_array *array,
                                         espalier_label_kind *kind_out)
{
    for (uint64_t i = 0; i < array->form->element_count; i++) {
        const espalier_pickle_value *const item = espalier_pickle_array_item(array, i);
        espalier_label_kind kind;
        if (!find_object_kind(item, &kind)) {
            return espalier_sklearn_fail(
                import, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "class label %" PRIu64
                " is a %s; text, integers, floats and booleans are converted",
                i,
                item == NULL ? "nothing"
                             : espalier_pickle_kind_name(espalier_pickle_kind_of(item)));
        }
        if (i > 0 && kind != *kind_out) {
            return espalier_sklearn_fail(import, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "class labels are Python objects of mixed kinds");
        }
        *kind_out = kind;
    }
    return ESPALIER_OK;
}

static espalier_status find_label_kind(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *classes,
                                       const espalier_pickle_array *array,
                                       espalier_forest_labels *labels)
{
    const espalier_pickle_dtype *const dtype = array->form->dtype;
    labels->item_bytes = (uint32_t)dtype->item_bytes;
    switch (dtype->kind) {
    case 'b':
        labels->kind = ESPALIER_LABEL_BOOL;
        return ESPALIER_OK;
    case 'i':
        labels->kind = ESPALIER_LABEL_INT;
        return ESPALIER_OK;
    case 'u':
        labels->kind = ESPALIER_LABEL_UINT;
        return ESPALIER_OK;
    case 'U':
        labels->kind = ESPALIER_LABEL_STRING;
        return ESPALIER_OK;
    case 'S':
        labels->kind = ESPALIER_LABEL_STRING;
        labels->item_bytes *= 4;
        return ESPALIER_OK;
    case 'f':
        if (dtype->item_bytes <= 8) {
            labels->kind = ESPALIER_LABEL_FLOAT;
            return ESPALIER_OK;
        }
        break;
    case 'O': {
        const espalier_status status = find_objects_kind(import, classes, array, &labels->kind);
        labels->item_bytes = labels->kind == ESPALIER_LABEL_BOOL ? 1 : 8;
        return status;
    }
    default:
        break;
    }
    return espalier_sklearn_fail(import, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "class labels of NumPy dtype %c%" PRIu64 " are not converted",
                                 dtype->kind, dtype->item_bytes);
}

static uint32_t count_characters(const char *text, size_t bytes)
{
    uint32_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += ((unsigned char)text[i] & 0xC0u) != 0x80u;
    }
    return count;
}

static espalier_status read_texts(espalier_sklearn_import *import,
                                  const espalier_pickle_value *classes,
                                  const espalier_pickle_array *array,
                                  espalier_forest_labels *labels)
{
    void *texts = NULL;
    void *bytes = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, labels->count, sizeof *labels->texts, &texts);
    labels->texts = texts;
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, labels->count, sizeof *labels->text_bytes, &bytes);
        labels->text_bytes = bytes;
    }
    uint32_t longest = 1;
    for (uint32_t i = 0; i < labels->count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_text(import, classes, array, i, "class label", &labels->texts[i],
                                       &labels->text_bytes[i]);
        if (status == ESPALIER_OK) {
            const uint32_t count = count_characters(labels->texts[i], labels->text_bytes[i]);
            longest = count > longest ? count : longest;
        }
    }
    /* Python strings have no width of their own. An array of width 0 cannot hold anything. */
    if (array->form->dtype->kind == 'O' || labels->item_bytes < 4) {
        labels->item_bytes = 4 * longest;
    }
    return status;
}

static bool read_number(const espalier_pickle_array *array, uint32_t index,
                        espalier_label_kind kind, uint64_t *out)
{
    int64_t integer = 0;
    double real = 0;
    if (kind == ESPALIER_LABEL_UINT) {
        return espalier_pickle_array_uint64(array, index, out);
    }
    if (kind == ESPALIER_LABEL_FLOAT) {
        const bool good = espalier_pickle_array_double(array, index, &real);
        memcpy(out, &real, sizeof real);
        return good;
    }
    const bool good = espalier_pickle_array_int64(array, index, &integer);
    *out = (uint64_t)integer;
    return good && (kind != ESPALIER_LABEL_BOOL || integer == 0 || integer == 1);
}

static espalier_status read_numbers(espalier_sklearn_import *import,
                                    const espalier_pickle_value *classes,
                                    const espalier_pickle_array *array,
                                    espalier_forest_labels *labels)
{
    void *numbers = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(import, labels->count, sizeof *labels->numbers, &numbers);
    labels->numbers = numbers;
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint32_t i = 0; i < labels->count; i++) {
        if (!read_number(array, i, labels->kind, &labels->numbers[i])) {
            return espalier_sklearn_fail(import, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "class label %" PRIu32 " cannot be read as its dtype", i);
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_read_labels(espalier_sklearn_import *import,
                                             const espalier_pickle_value *classes,
                                             espalier_forest_labels *labels)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(classes);
    if (array == NULL || array->form->dim_count != 1 || array->form->element_count == 0 ||
        array->form->element_count > UINT32_MAX ||
        array->form->dtype->item_bytes > UINT32_MAX / 8) {
        return espalier_sklearn_fail(import, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "the class labels are no one-dimensional array");
    }
    espalier_status status = find_label_kind(import, classes, array, labels);
    if (status != ESPALIER_OK) {
        return status;
    }
    labels->count = (uint32_t)array->form->element_count;
    if (labels->kind == ESPALIER_LABEL_STRING) {
        return read_texts(import, classes, array, labels);
    }
    return read_numbers(import, classes, array, labels);
}
