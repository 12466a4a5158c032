// SPDX-License-Identifier: Apache-2.0
/*
 * Class labels as .npy items and as text; see labels.h. Includes labels.h, npy.h and libc.
 */
#include "labels.h"

#include "npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void espalier_labels_free(espalier_labels *labels)
{
    for (uint32_t output = 0; labels->sets != NULL && output < labels->output_count; output++) {
        espalier_label_set *set = &labels->sets[output];
        for (uint32_t i = 0; set->texts != NULL && i < set->count; i++) {
            free(set->texts[i]);
        }
        free(set->texts);
        free(set->text_bytes);
        free(set->items);
    }
    free(labels->sets);
    *labels = (espalier_labels){0};
}

/* The dtype all outputs have in common: the widest of one kind, as NumPy would choose. */
static bool choose_dtype(const espalier_model *model, espalier_labels *labels)
{
    uint32_t kind = 0;
    uint32_t item_bytes = 0;
    for (uint32_t output = 0; output < labels->output_count; output++) {
        espalier_label_info info;
        if (espalier_model_labels(model, output, &info) != ESPALIER_OK) {
            return false;
        }
        labels->sets[output].count = info.count;
        if (output > 0 && info.kind != kind) {
            kind = UINT32_MAX;
        } else {
            kind = info.kind;
        }
        if (info.item_bytes > item_bytes) {
            item_bytes = info.item_bytes;
        }
    }
    static const char letters[] = {[ESPALIER_LABEL_INT] = 'i',
                                   [ESPALIER_LABEL_UINT] = 'u',
                                   [ESPALIER_LABEL_FLOAT] = 'f',
                                   [ESPALIER_LABEL_BOOL] = 'b',
                                   [ESPALIER_LABEL_STRING] = 'U'};
    labels->item_bytes = item_bytes;
    labels->descr[0] = '\0';
    if (kind == 0 || kind >= sizeof letters) {
        return true;
    }
    const bool is_text = kind == ESPALIER_LABEL_STRING;
    if (is_text ? item_bytes == 0 || item_bytes % 4 != 0
                : item_bytes == 0 || item_bytes > 8 || (item_bytes & (item_bytes - 1)) != 0) {
        return true;
    }
    snprintf(labels->descr, sizeof labels->descr, "%c%c%" PRIu32, item_bytes == 1 ? '|' : '<',
             letters[kind], is_text ? item_bytes / 4 : item_bytes);
    return true;
}

static void put_little(unsigned char *item, uint64_t bits, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        item[i] = (unsigned char)(bits >> (8 * i) & 0xFFu);
    }
}

/* The float16 that has this value; a label of that dtype always has one. */
static uint16_t find_half(double value)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const double candidate = espalier_npy_half((uint16_t)bits);
        if (candidate == value || (candidate != candidate && value != value)) {
            return (uint16_t)bits;
        }
    }
    return 0;
}

static void put_real(unsigned char *item, double value, size_t bytes)
{
    uint64_t bits = 0;
    if (bytes == 8) {
        memcpy(&bits, &value, sizeof value);
    } else if (bytes == 4) {
        const float narrow = (float)value;
        uint32_t narrow_bits = 0;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        bits = narrow_bits;
    } else {
        bits = find_half(value);
    }
    put_little(item, bits, bytes);
}

/* UCS-4, little-endian, filled up with zeros; false when it is longer or not UTF-8. */
static bool put_text(unsigned char *item, const char *text, size_t text_bytes, size_t item_bytes)
{
    size_t out = 0;
    for (size_t at = 0; at < text_bytes;) {
        uint32_t point = 0;
        const size_t length = espalier_utf8_decode(text + at, text_bytes - at, &point);
        if (length == 0 || out + 4 > item_bytes) {
            return false;
        }
        put_little(item + out, point, 4);
        out += 4;
        at += length;
    }
    return true;
}

/* The label as text, to be freed; NULL without memory. */
static char *make_text(const espalier_label *label, uint32_t item_bytes, size_t *bytes_out)
{
    char buffer[64];
    const char *source = buffer;
    size_t bytes = 0;
    if (label->kind == ESPALIER_LABEL_INT) {
        snprintf(buffer, sizeof buffer, "%" PRId64, label->integer);
    } else if (label->kind == ESPALIER_LABEL_UINT) {
        snprintf(buffer, sizeof buffer, "%" PRIu64, (uint64_t)label->integer);
    } else if (label->kind == ESPALIER_LABEL_FLOAT) {
        espalier_format_real(label->real, item_bytes == 4, buffer);
    } else if (label->kind == ESPALIER_LABEL_BOOL) {
        source = label->integer != 0 ? "True" : "False";
    } else {
        source = label->text;
        bytes = label->text_bytes;
    }
    if (label->kind != ESPALIER_LABEL_STRING) {
        bytes = strlen(source);
    }
    char *text = malloc(bytes + 1);
    if (text != NULL) {
        memcpy(text, source, bytes);
        text[bytes] = '\0';
    }
    *bytes_out = bytes;
    return text;
}

static bool load_set(const espalier_model *model, const espalier_labels *labels, uint32_t output,
                     espalier_message *message)
{
    espalier_label_set *set = &labels->sets[output];
    const size_t item_bytes = labels->item_bytes;
    espalier_label_info info;
    if (espalier_model_labels(model, output, &info) != ESPALIER_OK) {
        return espalier_message_set(message, "the labels of output %" PRIu32 " cannot be read",
                                    output);
    }
    set->texts = calloc(set->count > 0 ? set->count : 1, sizeof *set->texts);
    set->text_bytes = calloc(set->count > 0 ? set->count : 1, sizeof *set->text_bytes);
    if (labels->descr[0] != '\0') {
        set->items = calloc(set->count > 0 ? set->count : 1, item_bytes);
    }
    if (set->texts == NULL || set->text_bytes == NULL ||
        (labels->descr[0] != '\0' && set->items == NULL)) {
        return espalier_message_set(message, "not enough memory for the class labels");
    }
    for (uint32_t i = 0; i < set->count; i++) {
        espalier_label label;
        if (espalier_model_class_label(model, output, i, &label) != ESPALIER_OK) {
            return espalier_message_set(message, "class label %" PRIu32 " cannot be read", i);
        }
        set->texts[i] = make_text(&label, info.item_bytes, &set->text_bytes[i]);
        if (set->texts[i] == NULL) {
            return espalier_message_set(message, "not enough memory for the class labels");
        }
        if (set->items == NULL) {
            continue;
        }
        unsigned char *item = set->items + i * item_bytes;
        if (label.kind == ESPALIER_LABEL_FLOAT) {
            put_real(item, label.real, item_bytes);
        } else if (label.kind != ESPALIER_LABEL_STRING) {
            put_little(item, (uint64_t)label.integer, item_bytes);
        } else if (!put_text(item, label.text, label.text_bytes, item_bytes)) {
            return espalier_message_set(message,
                                        "class label %" PRIu32 " of output %" PRIu32
                                        " is longer than its dtype or not UTF-8",
                                        i, output);
        }
    }
    return true;
}

bool espalier_labels_load(const espalier_model *model, uint32_t output_count,
                          espalier_labels *labels_out, espalier_message *message)
{
    espalier_labels labels = {.output_count = output_count};
    labels.sets = calloc(output_count > 0 ? output_count : 1, sizeof *labels.sets);
    bool ok = labels.sets != NULL;
    if (!ok) {
        espalier_message_set(message, "not enough memory for the class labels");
    }
    if (ok && !choose_dtype(model, &labels)) {
        ok = espalier_message_set(message, "the model has no class labels");
    }
    for (uint32_t output = 0; ok && output < output_count; output++) {
        ok = load_set(model, &labels, output, message);
    }
    if (!ok) {
        espalier_labels_free(&labels);
        return false;
    }
    *labels_out = labels;
    return true;
}
