// SPDX-License-Identifier: Apache-2.0
/*
 * See fixture_rule.h. Includes the public header only.
 */
#include "tests/support/fixture_rule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINKED_ULP_MAX = 2
};

static uint64_t read_little(const uint8_t *item, size_t bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < bytes; i++) {
        bits |= (uint64_t)item[i] << (8 * i);
    }
    return bits;
}

/* The number whose bits, 4 or 8 bytes of them, these are. */
static double read_real(uint64_t bits, size_t bytes)
{
    double real = 0.0;
    float single = 0.0f;
    const uint32_t narrow = (uint32_t)bits;
    memcpy(&real, &bits, sizeof real);
    memcpy(&single, &narrow, sizeof single);
    return bytes == 4 ? (double)single : real;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* How many numbers of the type lie between two, one of them included. */
static uint64_t count_steps(uint64_t one, uint64_t other, size_t bytes)
{
    const uint64_t sign = UINT64_C(1) << (8 * bytes - 1);
    const uint64_t near = one & (sign - 1);
    const uint64_t far = other & (sign - 1);
    if ((one & sign) != (other & sign)) {
        return near + far;
    }
    return near > far ? near - far : far - near;
}

static double read_item(const npy_file *expected, size_t index)
{
    const size_t bytes = expected->item_bytes;
    return read_real(read_little(expected->items + index * bytes, bytes), bytes);
}

static bool is_same_number(const npy_file *expected, uint64_t one, uint64_t other)
{
    const size_t bytes = expected->item_bytes;
    return one == other || (expected->kind == 'f' && isnan(read_real(one, bytes)) &&
                            isnan(read_real(other, bytes)));
}

/* A unit of p where the number is the 1 - p before it, else 0. */
static double find_partner_unit(const npy_file *expected, size_t index)
{
    if ((index + 1) % expected->column_count == 0) {
        return 0.0;
    }
    const double epsilon = expected->item_bytes == 4 ? 0x1p-23 : 0x1p-52;
    const double partner = fabs(read_item(expected, index + 1));
    const double both = read_item(expected, index) + read_item(expected, index + 1);
    return fabs(both - 1.0) <= 4.0 * epsilon * fmax(1.0, partner)
               ? ldexp(epsilon, partner > 0.0 ? ilogb(partner) : -1)
               : 0.0;
}

static bool is_near(const npy_file *expected, espalier_output_kind kind, size_t index, uint64_t got)
{
    const size_t bytes = expected->item_bytes;
    const uint64_t wanted = read_little(expected->items + index * bytes, bytes);
    const double difference = fabs(read_real(wanted, bytes) - read_real(got, bytes));
    if (kind == ESPALIER_OUTPUT_PROBABILITY &&
        difference <= LINKED_ULP_MAX * find_partner_unit(expected, index)) {
        return true;
    }
    return !isnan(difference) && count_steps(wanted, got, bytes) <= LINKED_ULP_MAX;
}

static bool numbers_fit(const npy_file *expected, const fixture_found *found)
{
    switch (found->dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        return expected->kind == 'f' && expected->item_bytes == 4;
    case ESPALIER_DTYPE_FLOAT64:
        return expected->kind == 'f' && expected->item_bytes == 8;
    case ESPALIER_DTYPE_INT64:
        return expected->kind == 'i' && expected->item_bytes == 8;
    default:
        return false;
    }
}

static bool fail_number(const npy_file *expected, size_t index, uint64_t wanted, uint64_t got,
                        fixture_message *message)
{
    const size_t row = index / expected->column_count;
    const size_t column = index % expected->column_count;
    if (expected->kind == 'i') {
        return fixture_fail(message, "row %zu, column %zu: expected %" PRId64 ", found %" PRId64,
                            row, column, (int64_t)wanted, (int64_t)got);
    }
    return fixture_fail(message,
                        "row %zu, column %zu: expected %a (bits %" PRIx64 "), found %a (%" PRIx64
                        ")",
                        row, column, read_real(wanted, expected->item_bytes), wanted,
                        read_real(got, expected->item_bytes), got);
}

static bool check_numbers(const npy_file *expected, const fixture_found *found, bool is_linked,
                          fixture_message *message)
{
    const size_t bytes = expected->item_bytes;
    if (!numbers_fit(expected, found)) {
        return fixture_fail(message, "dtype %" PRIu32 " instead of %c%zu", found->dtype,
                            expected->kind, bytes);
    }
    for (size_t i = 0; i < found->row_count * found->column_count; i++) {
        const uint64_t wanted = read_little(expected->items + i * bytes, bytes);
        const uint64_t got = read_little(found->items + i * bytes, bytes);
        const bool is_good =
            is_same_number(expected, wanted, got) ||
            (is_linked && expected->kind == 'f' && is_near(expected, found->kind, i, got));
        if (!is_good) {
            return fail_number(expected, i, wanted, got, message);
        }
    }
    return true;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* The dtype that the labels of all outputs have together; item_bytes is the widest. */
static bool find_labels(const espalier_model *model, size_t output_count,
                        espalier_label_info *labels_out)
{
    espalier_label_info labels = {0};
    for (uint32_t output = 0; output < output_count; output++) {
        espalier_label_info one;
        if (espalier_model_labels(model, output, &one) != ESPALIER_OK ||
            (output > 0 && one.kind != labels.kind)) {
            return false;
        }
        labels.kind = one.kind;
        if (one.item_bytes > labels.item_bytes) {
            labels.item_bytes = one.item_bytes;
        }
    }
    *labels_out = labels;
    return true;
}

/* The same dtype; integers may also come as int64, floats as float64, text with another width. */
static bool labels_fit(const npy_file *expected, const espalier_label_info *labels)
{
    static const char letters[] = {[ESPALIER_LABEL_INT] = 'i',
                                   [ESPALIER_LABEL_UINT] = 'u',
                                   [ESPALIER_LABEL_FLOAT] = 'f',
                                   [ESPALIER_LABEL_BOOL] = 'b',
                                   [ESPALIER_LABEL_STRING] = 'U'};
    const char kind = labels->kind < sizeof letters ? letters[labels->kind] : '\0';
    if (kind == expected->kind) {
        return kind == 'U' || labels->item_bytes == expected->item_bytes ||
               (labels->item_bytes == 8 && (kind == 'i' || kind == 'f'));
    }
    return expected->kind == 'u' && kind == 'i' && labels->item_bytes == 8;
}

static size_t encode_utf8(uint32_t point, uint8_t *out)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    const size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1;) {
        out[i] = (uint8_t)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (uint8_t)(leads[length] | point);
    return length;
}

/* UCS-4 filled up with zeros against UTF-8; zeros at the end do not count, as in NumPy. */
static bool is_same_text(const uint8_t *item, size_t item_bytes, const espalier_label *label)
{
    uint8_t *const text = malloc(item_bytes > 0 ? item_bytes : 1);
    size_t bytes = 0;
    for (size_t at = 0; text != NULL && at < item_bytes; at += 4) {
        bytes += encode_utf8((uint32_t)read_little(item + at, 4), text + bytes);
    }
    while (text != NULL && bytes > 0 && text[bytes - 1] == 0) {
        bytes--;
    }
    size_t label_bytes = label->text_bytes;
    while (label_bytes > 0 && label->text[label_bytes - 1] == '\0') {
        label_bytes--;
    }
    const bool is_same =
        text != NULL && bytes == label_bytes && memcmp(text, label->text, bytes) == 0;
    free(text);
    return is_same;
}

static bool is_same_real(double left, double right)
{
    return memcmp(&left, &right, sizeof left) == 0;
}

static bool is_same_label(const npy_file *expected, const uint8_t *item,
                          const espalier_label *label)
{
    const size_t bytes = expected->item_bytes;
    const uint64_t bits = bytes <= 8 ? read_little(item, bytes) : 0;
    const uint64_t sign = UINT64_C(1) << ((bytes <= 8 ? 8 * bytes : 64) - 1);
    const uint64_t found = (uint64_t)label->integer;
    switch (expected->kind) {
    case 'U':
        return is_same_text(item, bytes, label);
    case 'f':
        return is_same_real(read_real(bits, bytes), label->real);
    case 'i':
        return ((bits ^ sign) - sign) == found; /* the sign extended to 64 bits */
    default:
        return bits == found && (label->kind == ESPALIER_LABEL_UINT || label->integer >= 0);
    }
}

static bool check_labels(const npy_file *expected, const fixture_found *found,
                         const espalier_model *model, fixture_message *message)
{
    espalier_label_info labels;
    if (found->dtype != ESPALIER_DTYPE_INT32 || !find_labels(model, found->column_count, &labels) ||
        !labels_fit(expected, &labels)) {
        return fixture_fail(message, "labels of another dtype than %c%" PRIu32, expected->kind,
                            expected->item_bytes);
    }
    for (size_t i = 0; i < found->row_count * found->column_count; i++) {
        const size_t output = i % found->column_count;
        int32_t index = -1;
        espalier_label label;
        memcpy(&index, found->items + i * sizeof index, sizeof index);
        if (espalier_model_class_label(model, (uint32_t)output, (uint32_t)index, &label) !=
                ESPALIER_OK ||
            !is_same_label(expected, expected->items + i * expected->item_bytes, &label)) {
            return fixture_fail(message,
                                "row %zu, output %zu: another label than that of class %" PRId32,
                                i / found->column_count, output, index);
        }
    }
    return true;
}

bool fixture_rule_holds(const npy_file *expected, const fixture_found *found,
                        const espalier_model *model, bool is_linked, fixture_message *message)
{
    if (expected->shape[0] != found->row_count || expected->column_count != found->column_count) {
        return fixture_fail(message, "%zu x %zu instead of %zu x %zu", found->row_count,
                            found->column_count, expected->shape[0], expected->column_count);
    }
    return found->kind == ESPALIER_OUTPUT_CLASS
               ? check_labels(expected, found, model, message)
               : check_numbers(expected, found, is_linked, message);
}
