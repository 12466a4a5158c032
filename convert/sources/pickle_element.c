// SPDX-License-Identifier: Apache-2.0
/*
 * Elements of arrays: one at a time by flat index, and whole columns into the caller's buffers.
 * May include: the reader's own headers. Must never assume alignment or the host's byte order.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

/* ---- one number in file order ------------------------------------------------------------ */

static uint64_t load_bits(const espalier_pickle_dtype *dtype, const uint8_t *from)
{
    uint64_t bits = 0;
    const uint64_t bytes = dtype->item_bytes;
    for (uint64_t i = 0; i < bytes && i < 8; i++) {
        bits |= (uint64_t)from[dtype->swapped ? bytes - 1 - i : i] << (8 * i);
    }
    return bits;
}

static double half_to_double(uint16_t half)
{
    const uint64_t sign = (uint64_t)(half >> 15) << 63;
    const unsigned exponent = half >> 10 & 0x1Fu;
    uint64_t fraction = half & 0x3FFu;
    double out;
    if (exponent == 0) {
        const double magnitude = (double)fraction * 0x1p-24;
        return sign != 0 ? -magnitude : magnitude;
    }
    const uint64_t wide = exponent == 31 ? 0x7FFu : exponent - 15u + 1023u;
    const uint64_t bits = sign | wide << 52 | fraction << 42;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Sign-extends an integer of `bytes` bytes. */
static int64_t extend_sign(uint64_t bits, uint64_t bytes)
{
    int64_t out;
    if (bytes > 0 && bytes < 8 && (bits >> (8 * bytes - 1) & 1u) != 0) {
        bits |= UINT64_MAX << (8 * bytes);
    }
    memcpy(&out, &bits, sizeof out);
    return out;
}

bool espalier_pickle_load_double(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                 double *out)
{
    const uint64_t bits = load_bits(dtype, from);
    float narrow;
    switch (dtype->kind) {
    case 'f':
        if (dtype->item_bytes == 8) {
            memcpy(out, &bits, sizeof *out);
        } else if (dtype->item_bytes == 4) {
            const uint32_t low = (uint32_t)bits;
            memcpy(&narrow, &low, sizeof narrow);
            *out = (double)narrow;
        } else if (dtype->item_bytes == 2) {
            *out = half_to_double((uint16_t)bits);
        } else {
            return false;
        }
        return true;
    case 'i':
        *out = (double)extend_sign(bits, dtype->item_bytes);
        return true;
    case 'u':
        *out = (double)bits;
        return true;
    case 'b':
        *out = bits != 0 ? 1.0 : 0.0;
        return true;
    default:
        return false;
    }
}

bool espalier_pickle_load_int64(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                int64_t *out)
{
    const uint64_t bits = load_bits(dtype, from);
    double number = 0;
    switch (dtype->kind) {
    case 'i':
        *out = extend_sign(bits, dtype->item_bytes);
        return true;
    case 'u':
        if (bits > (uint64_t)INT64_MAX) {
            return false;
        }
        *out = (int64_t)bits;
        return true;
    case 'b':
        *out = bits != 0;
        return true;
    case 'f':
        if (!espalier_pickle_load_double(dtype, from, &number) ||
            !(number >= -0x1p63 && number < 0x1p63) || (double)(int64_t)number != number) {
            return false;
        }
        *out = (int64_t)number;
        return true;
    default:
        return false;
    }
}

bool espalier_pickle_load_uint64(const espalier_pickle_dtype *dtype, const uint8_t *from,
                                 uint64_t *out)
{
    if (dtype->kind == 'u') {
        *out = load_bits(dtype, from);
        return true;
    }
    double number = 0;
    if (dtype->kind == 'f') {
        if (!espalier_pickle_load_double(dtype, from, &number) ||
            !(number >= 0 && number < 0x1p64) || (double)(uint64_t)number != number) {
            return false;
        }
        *out = (uint64_t)number;
        return true;
    }
    int64_t value = 0;
    if (!espalier_pickle_load_int64(dtype, from, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

bool espalier_pickle_load_text(const espalier_pickle_dtype *dtype, const uint8_t *from,
                               uint8_t *out, uint64_t *bytes_out)
{
    uint64_t count = dtype->item_bytes;
    if (dtype->kind == 'S') {
        while (count > 0 && from[count - 1] == 0) {
            count--;
        }
        *bytes_out = count;
        if (out != NULL && count > 0) {
            memcpy(out, from, (size_t)count);
        }
        return espalier_pickle_utf8_valid(from, count);
    }
    if (dtype->kind != 'U') {
        return false;
    }
    count /= 4;
    while (count > 0 && memcmp(from + 4 * (count - 1), "\0\0\0", 4) == 0) {
        count--;
    }
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *const unit = from + 4 * i;
        const uint32_t code = dtype->swapped ? (uint32_t)unit[0] << 24 | (uint32_t)unit[1] << 16 |
                                                   (uint32_t)unit[2] << 8 | unit[3]
                                             : (uint32_t)unit[3] << 24 | (uint32_t)unit[2] << 16 |
                                                   (uint32_t)unit[1] << 8 | unit[0];
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return false;
        }
        total += espalier_pickle_utf8_put(code, out == NULL ? NULL : out + total);
    }
    *bytes_out = total;
    return true;
}

/* ---- one element by flat index ----------------------------------------------------------- */

const espalier_pickle_array *espalier_pickle_get_array(const espalier_pickle_value *value)
{
    return value != NULL && value->kind == ESPALIER_PICKLE_ARRAY ? value->as.array : NULL;
}

/* Where the element with a flat index in C order is stored; the index is in range. */
static uint64_t place_of(const espalier_pickle_array *array, uint64_t index)
{
    if (array->form->order == ESPALIER_PICKLE_ORDER_C) {
        return index;
    }
    uint64_t place = 0;
    for (uint32_t i = array->form->dim_count; i > 0; i--) {
        place += index % array->form->shape[i - 1] * array->form->strides[i - 1];
        index /= array->form->shape[i - 1];
    }
    return place;
}

static const uint8_t *element_at(const espalier_pickle_array *array, uint64_t index)
{
    return index >= array->form->element_count || array->data == NULL
               ? NULL
               : array->data + place_of(array, index) * array->form->dtype->item_bytes;
}

const espalier_pickle_value *espalier_pickle_array_item(const espalier_pickle_array *array,
                                                        uint64_t index)
{
    /* The list was as long as the array when it was built; it may have grown, never shrunk. */
    return array->items == NULL || index >= array->form->element_count ||
                   index >= espalier_pickle_count(array->items)
               ? NULL
               : espalier_pickle_at(array->items, (uint32_t)index);
}

bool espalier_pickle_array_double(const espalier_pickle_array *array, uint64_t index, double *out)
{
    const espalier_pickle_value *const item = espalier_pickle_array_item(array, index);
    if (item != NULL) {
        return item->kind != ESPALIER_PICKLE_ARRAY && espalier_pickle_get_double(item, out);
    }
    const uint8_t *const from = element_at(array, index);
    return from != NULL && espalier_pickle_load_double(array->form->dtype, from, out);
}

bool espalier_pickle_array_int64(const espalier_pickle_array *array, uint64_t index, int64_t *out)
{
    const espalier_pickle_value *const item = espalier_pickle_array_item(array, index);
    if (item != NULL) {
        return item->kind != ESPALIER_PICKLE_ARRAY && espalier_pickle_get_int64(item, out);
    }
    const uint8_t *const from = element_at(array, index);
    return from != NULL && espalier_pickle_load_int64(array->form->dtype, from, out);
}

bool espalier_pickle_array_uint64(const espalier_pickle_array *array, uint64_t index, uint64_t *out)
{
    const uint8_t *const from = element_at(array, index);
    if (from != NULL) {
        return espalier_pickle_load_uint64(array->form->dtype, from, out);
    }
    int64_t value = 0;
    if (!espalier_pickle_array_int64(array, index, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

bool espalier_pickle_array_text(const espalier_pickle_array *array, uint64_t index, char *buffer,
                                size_t capacity, size_t *bytes_out)
{
    const espalier_pickle_value *const item = espalier_pickle_array_item(array, index);
    if (item != NULL) {
        espalier_pickle_slice text;
        if (item->kind == ESPALIER_PICKLE_ARRAY || !espalier_pickle_get_text(item, &text)) {
            return false;
        }
        *bytes_out = text.bytes;
        if (text.bytes <= capacity && text.bytes > 0) {
            memcpy(buffer, text.data, text.bytes);
        }
        return true;
    }
    const uint8_t *const from = element_at(array, index);
    uint64_t bytes = 0;
    if (from == NULL || !espalier_pickle_load_text(array->form->dtype, from, NULL, &bytes)) {
        return false;
    }
    *bytes_out = (size_t)bytes;
    if (bytes <= capacity && bytes > 0) {
        return espalier_pickle_load_text(array->form->dtype, from, (uint8_t *)buffer, &bytes);
    }
    return true;
}

/* ---- columns ----------------------------------------------------------------------------- */

bool espalier_pickle_view_field(const espalier_pickle_array *array, const char *name,
                                espalier_pickle_view *out)
{
    for (uint32_t i = 0; i < array->form->dtype->field_count; i++) {
        const espalier_pickle_field *const field = &array->form->dtype->fields[i];
        if (espalier_pickle_slice_equal(field->name, name)) {
            out->array = array;
            out->dtype = field->dtype;
            out->offset_bytes = field->offset_bytes;
            out->count = array->form->element_count;
            return true;
        }
    }
    return false;
}

bool espalier_pickle_view_array(const espalier_pickle_array *array, espalier_pickle_view *out)
{
    out->array = array;
    out->dtype = array->form->dtype;
    out->offset_bytes = 0;
    out->count = array->form->element_count;
    return true;
}

/* Steps through stored places in C order of the indices. */
typedef struct element_walk {
    const uint8_t *base;
    uint64_t offset; /* of the current element of the view from base */
    uint64_t step_bytes;
    const espalier_pickle_array *array;
    uint64_t at[ESPALIER_PICKLE_DIMS_MAX]; /* coordinates, if not in C order */
} element_walk;

static bool start_walk(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                       element_walk *walk)
{
    const espalier_pickle_array *const array = view->array;
    if (array->data == NULL || first > view->count || count > view->count - first) {
        return false;
    }
    walk->array = array;
    walk->step_bytes = array->form->dtype->item_bytes;
    walk->base = array->data;
    walk->offset = view->offset_bytes;
    if (first == view->count) {
        return true;
    }
    walk->offset += place_of(array, first) * walk->step_bytes;
    for (uint32_t i = array->form->dim_count; i > 0; i--) {
        walk->at[i - 1] = first % array->form->shape[i - 1];
        first /= array->form->shape[i - 1];
    }
    return true;
}

static void step_walk(element_walk *walk)
{
    const espalier_pickle_array *const array = walk->array;
    if (array->form->order == ESPALIER_PICKLE_ORDER_C) {
        walk->offset += walk->step_bytes;
        return;
    }
    /* An odometer: the last axis runs fastest. */
    for (uint32_t i = array->form->dim_count; i > 0; i--) {
        const uint32_t axis = i - 1;
        walk->at[axis]++;
        if (walk->at[axis] < array->form->shape[axis]) {
            walk->offset += array->form->strides[axis] * walk->step_bytes;
            return;
        }
        walk->at[axis] = 0;
        walk->offset -=
            (array->form->shape[axis] - 1) * array->form->strides[axis] * walk->step_bytes;
    }
}

/* 8-byte little-endian elements in order on a little-endian host: what nearly every file holds. */
static bool is_plain(const espalier_pickle_view *view)
{
    const uint16_t one = 1;
    return view->dtype->item_bytes == 8 && !view->dtype->swapped &&
           view->array->form->order == ESPALIER_PICKLE_ORDER_C && *(const uint8_t *)&one == 1;
}

static void copy_plain(const element_walk *walk, uint64_t count, void *out)
{
    uint8_t *to = out;
    if (count > 0 && walk->step_bytes == 8) {
        memcpy(to, walk->base + walk->offset, (size_t)count * 8);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        memcpy(to + i * 8, walk->base + walk->offset + i * walk->step_bytes, 8);
    }
}

bool espalier_pickle_view_int64s(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                 int64_t *out)
{
    element_walk walk;
    const char kind = view->dtype->kind;
    if ((kind != 'i' && kind != 'u' && kind != 'b') || !start_walk(view, first, count, &walk)) {
        return false;
    }
    if (kind == 'i' && is_plain(view)) {
        copy_plain(&walk, count, out);
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!espalier_pickle_load_int64(view->dtype, walk.base + walk.offset, &out[i])) {
            return false;
        }
        step_walk(&walk);
    }
    return true;
}

bool espalier_pickle_view_doubles(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                  double *out)
{
    element_walk walk;
    const char kind = view->dtype->kind;
    if ((kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') ||
        !start_walk(view, first, count, &walk)) {
        return false;
    }
    if (kind == 'f' && is_plain(view)) {
        copy_plain(&walk, count, out);
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!espalier_pickle_load_double(view->dtype, walk.base + walk.offset, &out[i])) {
            return false;
        }
        step_walk(&walk);
    }
    return true;
}

bool espalier_pickle_view_uint8s(const espalier_pickle_view *view, uint64_t first, uint64_t count,
                                 uint8_t *out)
{
    element_walk walk;
    const char kind = view->dtype->kind;
    if ((kind != 'i' && kind != 'u' && kind != 'b') || view->dtype->item_bytes != 1 ||
        !start_walk(view, first, count, &walk)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t byte = walk.base[walk.offset];
        if (kind == 'i' && byte > 127) {
            return false;
        }
        out[i] = kind == 'b' ? byte != 0 : byte;
        step_walk(&walk);
    }
    return true;
}
