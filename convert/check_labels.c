// SPDX-License-Identifier: Apache-2.0
/*
 * See check_labels.h.
 */
#include "convert/check_labels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint8_t *find_item(const espalier_array *array, size_t row, size_t column)
{
    const size_t index = row * array->column_count + column;
    return (const uint8_t *)array->data + index * array->item_bytes;
}

/* The low bytes of an integer item; native byte order, which is little-endian. */
static uint64_t read_bits(const espalier_array *array, size_t row, size_t column)
{
    uint64_t bits = 0;
    memcpy(&bits, find_item(array, row, column), array->item_bytes);
    return bits;
}

static bool is_integer_size(uint32_t bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

bool espalier_check_integer(const espalier_array *array, size_t row, size_t column, int64_t *out)
{
    const uint64_t bits = read_bits(array, row, column);
    const uint32_t unused = 64 - 8 * array->item_bytes;
    if (array->kind == 'i') {
        const uint64_t sign = UINT64_C(1) << (63 - unused);
        *out = (int64_t)((bits ^ sign) - sign);
        return true;
    }
    *out = (int64_t)bits;
    return bits <= (uint64_t)INT64_MAX;
}

double espalier_check_real(const espalier_array *array, size_t row, size_t column)
{
    const uint8_t *const item = find_item(array, row, column);
    if (array->item_bytes == sizeof(float)) {
        float value = 0.0F;
        memcpy(&value, item, sizeof value);
        return (double)value;
    }
    double value = 0.0;
    memcpy(&value, item, sizeof value);
    return value;
}

bool espalier_check_labels_fit(const espalier_array *array, const espalier_forest_labels *labels)
{
    switch (labels->kind) {
    case ESPALIER_LABEL_INT:
    case ESPALIER_LABEL_UINT:
        return (array->kind == 'i' || array->kind == 'u') && is_integer_size(array->item_bytes);
    case ESPALIER_LABEL_FLOAT:
        return array->kind == 'f' && (array->item_bytes == 4 || array->item_bytes == 8);
    case ESPALIER_LABEL_BOOL:
        return array->kind == 'b' && array->item_bytes == 1;
    case ESPALIER_LABEL_STRING:
        return array->kind == 'U' && array->item_bytes % 4 == 0;
    default:
        return false;
    }
}

/* UCS-4 text against UTF-8 text: encodes code point by code point and compares. */
static bool is_text(const uint8_t *item, uint32_t item_bytes, const char *text, size_t text_bytes)
{
    size_t at = 0;
    for (uint32_t i = 0; i + 4 <= item_bytes; i += 4) {
        uint32_t point = 0;
        memcpy(&point, item + i, sizeof point);
        if (at == text_bytes) {
            if (point != 0) { /* the rest of a fixed-width string is NUL */
                return false;
            }
            continue;
        }
        const uint32_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
        uint8_t bytes[4];
        for (uint32_t j = length - 1; j > 0; j--) {
            bytes[j] = (uint8_t)(0x80 | (point & 0x3F));
            point >>= 6;
        }
        bytes[0] = (uint8_t)(leads[length] | point);
        if (length > text_bytes - at || memcmp(text + at, bytes, length) != 0) {
            return false;
        }
        at += length;
    }
    return at == text_bytes;
}

bool espalier_check_is_label(const espalier_array *array, size_t row, size_t column,
                             const espalier_forest_labels *labels, uint32_t label)
{
    if (labels->kind == ESPALIER_LABEL_STRING) {
        return is_text(find_item(array, row, column), array->item_bytes, labels->texts[label],
                       labels->text_bytes[label]);
    }
    if (labels->kind == ESPALIER_LABEL_FLOAT) {
        double value = 0.0;
        memcpy(&value, &labels->numbers[label], sizeof value);
        const double item = espalier_check_real(array, row, column);
        return item == value || (isnan(item) && isnan(value));
    }
    /* Signed and unsigned numbers are equal when their bits are, unless one of them is negative. */
    int64_t item = 0;
    const bool fits = espalier_check_integer(array, row, column, &item);
    const bool item_is_large = !fits; /* unsigned, above INT64_MAX */
    const bool label_is_large =
        labels->kind == ESPALIER_LABEL_UINT && labels->numbers[label] > (uint64_t)INT64_MAX;
    return item_is_large == label_is_large && (uint64_t)item == labels->numbers[label];
}

/* Printable ASCII as it is, the rest as '?'. */
static void print_points(const uint8_t *item, uint32_t item_bytes, char *text, size_t text_bytes)
{
    size_t length = 0;
    for (uint32_t i = 0; i + 4 <= item_bytes && length + 1 < text_bytes; i += 4) {
        uint32_t point = 0;
        memcpy(&point, item + i, sizeof point);
        if (point == 0) {
            break;
        }
        text[length++] = (char)(point >= 0x20 && point < 0x7F ? point : '?');
    }
    text[length] = '\0';
}

void espalier_check_print_item(const espalier_array *array, size_t row, size_t column, char *text,
                               size_t text_bytes)
{
    int64_t number = 0;
    if (array->kind == 'U') {
        print_points(find_item(array, row, column), array->item_bytes, text, text_bytes);
    } else if (array->kind == 'f') {
        (void)snprintf(text, text_bytes, "%.17g", espalier_check_real(array, row, column));
    } else if (espalier_check_integer(array, row, column, &number)) {
        (void)snprintf(text, text_bytes, "%" PRId64, number);
    } else {
        (void)snprintf(text, text_bytes, "%" PRIu64, (uint64_t)number);
    }
}

void espalier_check_print_label(const espalier_forest_labels *labels, uint32_t label, char *text,
                                size_t text_bytes)
{
    if (labels->kind == ESPALIER_LABEL_STRING) {
        (void)snprintf(text, text_bytes, "%s", labels->texts[label]);
    } else if (labels->kind == ESPALIER_LABEL_FLOAT) {
        double value = 0.0;
        memcpy(&value, &labels->numbers[label], sizeof value);
        (void)snprintf(text, text_bytes, "%.17g", value);
    } else if (labels->kind == ESPALIER_LABEL_UINT) {
        (void)snprintf(text, text_bytes, "%" PRIu64, labels->numbers[label]);
    } else {
        (void)snprintf(text, text_bytes, "%" PRId64, (int64_t)labels->numbers[label]);
    }
}
