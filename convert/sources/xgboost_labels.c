// SPDX-License-Identifier: Apache-2.0
/*
 * The class labels that a scikit-learn wrapper of XGBoost up to 1.5 kept with its label encoder, in
 * the note it saves with the model. See xgboost_internal.h.
 */
#include "convert/sources/xgboost_internal.h"

#include <stdlib.h>
#include <string.h>

#define LABELS_MAX (UINT64_C(1) << 20)

/* How a NumPy array of Python's texts is kept: four bytes for each character of the longest. */
static uint32_t count_characters(const char *text, size_t bytes)
{
    uint32_t characters = 0;
    for (size_t i = 0; i < bytes; i++) {
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return characters;
}

static bool fail_labels(espalier_document *note, const char *cause)
{
    return espalier_document_fail(note, ESPALIER_ERROR_SOURCE_SYNTAX, note->value_at, "%s", cause);
}

/* Room for one more label, and its kind, which all of them have. */
static bool grow_labels(espalier_document *note, espalier_forest_labels *labels,
                        espalier_label_kind kind)
{
    if ((labels->count > 0 && labels->kind != kind) || labels->count >= LABELS_MAX) {
        return fail_labels(note, "class labels of several kinds, or too many");
    }
    labels->kind = kind;
    const size_t count = (size_t)labels->count + 1;
    if (kind != ESPALIER_LABEL_STRING) {
        uint64_t *const numbers = realloc(labels->numbers, count * sizeof *numbers);
        labels->numbers = numbers != NULL ? numbers : labels->numbers;
        return numbers != NULL || fail_labels(note, "no memory for class labels");
    }
    char **const texts = realloc(labels->texts, count * sizeof *texts);
    labels->texts = texts != NULL ? texts : labels->texts;
    size_t *const text_bytes = realloc(labels->text_bytes, count * sizeof *text_bytes);
    labels->text_bytes = text_bytes != NULL ? text_bytes : labels->text_bytes;
    return (texts != NULL && text_bytes != NULL) || fail_labels(note, "no memory for class labels");
}

static bool read_text_label(espalier_document *note, espalier_forest_labels *labels)
{
    espalier_document_text text;
    size_t bytes = 0;
    if (!espalier_document_read_text(note, &text) ||
        !grow_labels(note, labels, ESPALIER_LABEL_STRING)) {
        return false;
    }
    char *const copy = espalier_document_copy_text(note, &text, &bytes);
    if (copy == NULL) {
        return false;
    }
    const uint32_t characters = count_characters(copy, bytes);
    const uint32_t item_bytes = 4 * (characters > 0 ? characters : 1);
    labels->item_bytes = item_bytes > labels->item_bytes ? item_bytes : labels->item_bytes;
    labels->texts[labels->count] = copy;
    labels->text_bytes[labels->count++] = bytes;
    return true;
}

/* A whole number, or one with a point or an exponent, as Python writes what is a float. */
static bool read_number_label(espalier_document *note, espalier_forest_labels *labels)
{
    (void)espalier_document_peek(note); /* over blank space */
    const size_t begin = note->at;
    if (!espalier_document_skip(note)) {
        return false;
    }
    const char *const text = (const char *)note->data + begin;
    const size_t bytes = note->at - begin;
    int64_t integer = 0;
    double real = 0.0;
    const bool whole = espalier_decimal_to_int64(text, bytes, &integer);
    if (!whole && !espalier_decimal_to_float64(&note->decimal, text, bytes, &real)) {
        return fail_labels(note, "a class label that is no number");
    }
    if (!grow_labels(note, labels, whole ? ESPALIER_LABEL_INT : ESPALIER_LABEL_FLOAT)) {
        return false;
    }
    memcpy(&labels->numbers[labels->count++], whole ? (const void *)&integer : (const void *)&real,
           sizeof real);
    labels->item_bytes = 8;
    return true;
}

static bool read_flag_label(espalier_document *note, espalier_forest_labels *labels)
{
    bool flag = false;
    if (!espalier_document_read_flag(note, &flag) ||
        !grow_labels(note, labels, ESPALIER_LABEL_BOOL)) {
        return false;
    }
    labels->numbers[labels->count++] = flag ? 1 : 0;
    labels->item_bytes = 1;
    return true;
}

static bool read_labels(espalier_document *note, espalier_forest_labels *labels)
{
    if (labels->count > 0) {
        return fail_labels(note, "class labels given twice");
    }
    if (!espalier_document_enter_array(note)) {
        return false;
    }
    while (espalier_document_item(note)) {
        const espalier_document_kind kind = espalier_document_peek(note);
        const bool good = kind == ESPALIER_DOCUMENT_TEXT     ? read_text_label(note, labels)
                          : kind == ESPALIER_DOCUMENT_NUMBER ? read_number_label(note, labels)
                          : kind == ESPALIER_DOCUMENT_FLAG
                              ? read_flag_label(note, labels)
                              : fail_labels(note, "a class label of another kind");
        if (!good) {
            return false;
        }
    }
    return note->status == ESPALIER_OK;
}

bool espalier_xgboost_read_encoder(espalier_document *note, espalier_forest_labels *labels)
{
    espalier_document_text key;
    /* The note is opened without memory: what is copied of it is no longer than itself. */
    note->memory_left += note->bytes + LABELS_MAX;
    if (espalier_document_peek(note) != ESPALIER_DOCUMENT_OBJECT) {
        return espalier_document_skip(note);
    }
    if (!espalier_document_enter_object(note)) {
        return false;
    }
    while (espalier_document_member(note, &key)) {
        const bool good = espalier_document_text_is(&key, "classes_") &&
                                  espalier_document_peek(note) == ESPALIER_DOCUMENT_ARRAY
                              ? read_labels(note, labels)
                              : espalier_document_skip(note);
        if (!good) {
            return false;
        }
    }
    return note->status == ESPALIER_OK;
}

void espalier_xgboost_free_labels(espalier_forest_labels *labels)
{
    for (uint32_t i = 0; labels->texts != NULL && i < labels->count; i++) {
        free(labels->texts[i]);
    }
    free(labels->texts);
    free(labels->text_bytes);
    free(labels->numbers);
    *labels = (espalier_forest_labels){.count = 0};
}
