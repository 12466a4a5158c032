// SPDX-License-Identifier: Apache-2.0
/*
 * NumPy arrays and scalars in every form that writers use: _reconstruct with BUILD (protocols 0 to
 * 4), _frombuffer (protocol 5), joblib's raw bytes behind a wrapper. Array data stays in place.
 * May include: the reader's own headers. Must never trust a shape before it is multiplied out.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

#define WRAPPER_ATTRIBUTES_MAX 16u

/* A shape read and multiplied out. */
typedef struct array_shape {
    uint32_t dim_count;
    uint64_t dims[ESPALIER_PICKLE_DIMS_MAX];
    uint64_t strides[ESPALIER_PICKLE_DIMS_MAX];
    uint64_t element_count;
} array_shape;

static espalier_status stop_array(espalier_pickle_machine *machine, const char *cause)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX, "an array %s", cause);
}

static espalier_status read_array_shape(espalier_pickle_machine *machine,
                                        const espalier_pickle_value *value, array_shape *out,
                                        bool *opaque)
{
    const bool is_tuple = value->kind == ESPALIER_PICKLE_TUPLE;
    const uint32_t count = is_tuple ? espalier_pickle_count(value) : 1;
    if (count > ESPALIER_PICKLE_DIMS_MAX) {
        *opaque = true;
        return ESPALIER_OK;
    }
    out->dim_count = count;
    out->element_count = 1;
    uint64_t extent = 1; /* as if empty dimensions were one, so that strides cannot overflow */
    for (uint32_t i = 0; i < out->dim_count; i++) {
        int64_t size = -1;
        if (!espalier_pickle_get_int64(is_tuple ? espalier_pickle_at(value, i) : value, &size) ||
            size < 0) {
            return stop_array(machine, "whose shape is no tuple of sizes");
        }
        out->dims[i] = (uint64_t)size;
        const uint64_t factor = size == 0 ? 1 : (uint64_t)size;
        if (extent > (uint64_t)INT64_MAX / factor) {
            return stop_array(machine, "of impossible size");
        }
        extent *= factor;
        out->element_count *= (uint64_t)size;
    }
    return ESPALIER_OK;
}

/* Element strides for storage in C order, or in Fortran order. */
static void set_strides(array_shape *shape, bool fortran)
{
    uint64_t stride = 1;
    for (uint32_t i = 0; i < shape->dim_count; i++) {
        const uint32_t axis = fortran ? i : shape->dim_count - 1 - i;
        shape->strides[axis] = stride;
        stride *= shape->dims[axis] == 0 ? 1 : shape->dims[axis];
    }
}

/* Storage in C order of the shape before its axes were permuted: result axis i is old axis[i]. */
static espalier_status permute_axes(espalier_pickle_machine *machine,
                                    const espalier_pickle_value *axes, array_shape *shape)
{
    const array_shape old = *shape;
    bool seen[ESPALIER_PICKLE_DIMS_MAX] = {false};
    if (axes->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(axes) != old.dim_count) {
        return stop_array(machine, "with a malformed axis order");
    }
    for (uint32_t i = 0; i < old.dim_count; i++) {
        int64_t axis = -1;
        if (!espalier_pickle_get_int64(espalier_pickle_at(axes, i), &axis) || axis < 0 ||
            axis >= (int64_t)old.dim_count || seen[axis]) {
            return stop_array(machine, "with a malformed axis order");
        }
        seen[axis] = true;
        shape->dims[i] = old.dims[axis];
        shape->strides[i] = old.strides[axis];
    }
    return ESPALIER_OK;
}

/* C, F or neither, from the strides; C wins where both hold. */
static espalier_pickle_order order_of(const array_shape *shape)
{
    array_shape other = *shape;
    bool is_c = true;
    bool is_fortran = true;
    set_strides(&other, false);
    for (uint32_t i = 0; i < shape->dim_count; i++) {
        is_c = is_c && (shape->dims[i] <= 1 || other.strides[i] == shape->strides[i]);
    }
    set_strides(&other, true);
    for (uint32_t i = 0; i < shape->dim_count; i++) {
        is_fortran = is_fortran && (shape->dims[i] <= 1 || other.strides[i] == shape->strides[i]);
    }
    if (is_c || shape->element_count <= 1) {
        return ESPALIER_PICKLE_ORDER_C;
    }
    return is_fortran ? ESPALIER_PICKLE_ORDER_F : ESPALIER_PICKLE_ORDER_K;
}

/* Bytes of the data; SYNTAX when they overflow or elements have no size. */
static espalier_status measure_data(espalier_pickle_machine *machine,
                                    const espalier_pickle_dtype *dtype, const array_shape *shape,
                                    uint64_t *bytes_out)
{
    if (dtype->item_bytes == 0 && shape->element_count != 0) {
        return stop_array(machine, "of elements without size");
    }
    if (dtype->item_bytes != 0 && shape->element_count > (uint64_t)INT64_MAX / dtype->item_bytes) {
        return stop_array(machine, "of impossible size");
    }
    *bytes_out = shape->element_count * dtype->item_bytes;
    return ESPALIER_OK;
}

/* The form of the last array like it, or a new one. */
static const espalier_pickle_form *make_form(espalier_pickle_machine *machine,
                                             const espalier_pickle_form *form)
{
    const size_t bytes = form->dim_count * sizeof *form->shape;
    uint64_t hash = (uint64_t)(uintptr_t)form->dtype + form->dim_count;
    for (uint32_t i = 0; i < form->dim_count; i++) {
        hash = hash * UINT64_C(0x9E3779B97F4A7C15) + form->shape[i];
    }
    const espalier_pickle_form **const place =
        &machine->forms[(hash >> 32 ^ hash) % ESPALIER_PICKLE_LISTS];
    const espalier_pickle_form *const old = *place;
    if (old != NULL && old->dtype == form->dtype && old->subclass == form->subclass &&
        old->dim_count == form->dim_count && memcmp(old->shape, form->shape, bytes) == 0 &&
        memcmp(old->strides, form->strides, bytes) == 0) {
        return old;
    }
    espalier_pickle_form *const made = espalier_pickle_take(machine->pickle, sizeof *made);
    uint64_t *const sizes = espalier_pickle_take(machine->pickle, 2 * bytes);
    if (made == NULL || sizes == NULL) {
        return NULL;
    }
    memcpy(sizes, form->shape, bytes);
    memcpy(sizes + form->dim_count, form->strides, bytes);
    *made = *form;
    made->shape = sizes;
    made->strides = sizes + form->dim_count;
    *place = made;
    return made;
}

/* subclass: a symbol, or anything else, or NULL. */
static espalier_pickle_array *make_array(espalier_pickle_machine *machine,
                                         const espalier_pickle_dtype *dtype,
                                         const array_shape *shape,
                                         const espalier_pickle_value *subclass)
{
    const espalier_pickle_form form = {
        .dtype = dtype,
        .subclass = espalier_pickle_symbol(subclass),
        .element_count = shape->element_count,
        .shape = shape->dims,
        .strides = shape->strides,
        .dim_count = shape->dim_count,
        .order = order_of(shape),
    };
    const espalier_pickle_form *const kept = make_form(machine, &form);
    espalier_pickle_array *const array =
        kept != NULL ? espalier_pickle_take(machine->pickle, sizeof *array) : NULL;
    if (array != NULL) {
        *array = (espalier_pickle_array){.form = kept};
    }
    return array;
}

/* bytes, bytearray, a Python 2 str, or latin-1 text; false when it is none of them. */
static espalier_status data_bytes_of(espalier_pickle_machine *machine, espalier_pickle_value *value,
                                     const uint8_t **data, uint64_t *bytes)
{
    if (value->kind == ESPALIER_PICKLE_TEXT) {
        return espalier_pickle_latin1(machine, value, data, bytes);
    }
    if (value->kind != ESPALIER_PICKLE_BYTES) {
        return stop_array(machine, "whose data is no bytes");
    }
    *data = espalier_pickle_data(value);
    *bytes = espalier_pickle_bytes(value);
    return ESPALIER_OK;
}

/* Hangs data, or a list of objects, on the array. */
static espalier_status attach_data(espalier_pickle_machine *machine, espalier_pickle_array *array,
                                   const array_shape *shape, espalier_pickle_value *value)
{
    if (array->form->dtype->has_objects) {
        if (value->kind != ESPALIER_PICKLE_LIST ||
            espalier_pickle_count(value) != array->form->element_count) {
            return stop_array(machine, "of objects whose list does not fit its shape");
        }
        array->items = value;
        return ESPALIER_OK;
    }
    uint64_t wanted = 0;
    uint64_t bytes = 0;
    espalier_status status = measure_data(machine, array->form->dtype, shape, &wanted);
    if (status == ESPALIER_OK) {
        status = data_bytes_of(machine, value, &array->data, &bytes);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (bytes != wanted) {
        return espalier_pickle_stop(
            machine, ESPALIER_ERROR_SOURCE_SYNTAX,
            "an array of %llu elements of %llu bytes comes with %llu bytes of data",
            (unsigned long long)array->form->element_count,
            (unsigned long long)array->form->dtype->item_bytes, (unsigned long long)bytes);
    }
    return ESPALIER_OK;
}

/* is_fortran of an array's state: a bool or an int. */
static bool read_fortran(const espalier_pickle_value *value, bool *out)
{
    int64_t number = 0;
    const bool ok = espalier_pickle_get_int64(value, &number);
    *out = number != 0;
    return ok;
}

espalier_status espalier_pickle_array_build(espalier_pickle_machine *machine,
                                            espalier_pickle_value *value,
                                            espalier_pickle_value *state)
{
    /* (version, shape, dtype, is_fortran, data); the oldest writers leave the version out. */
    const uint32_t count = state->kind == ESPALIER_PICKLE_TUPLE ? espalier_pickle_count(state) : 0;
    if (count != 5 && count != 4) {
        return stop_array(machine, "whose state is no tuple of five");
    }
    espalier_pickle_value *parts[4];
    memcpy(parts, state->as.items->at + (count - 4), sizeof parts);
    espalier_pickle_dtype *dtype = NULL;
    array_shape shape;
    bool opaque = false;
    bool fortran = false;
    espalier_status status = espalier_pickle_dtype_of(machine, parts[1], &dtype);
    if (status == ESPALIER_OK) {
        status = read_array_shape(machine, parts[0], &shape, &opaque);
    }
    if (status != ESPALIER_OK || dtype == NULL || opaque) {
        return status;
    }
    if (!read_fortran(parts[2], &fortran)) {
        return stop_array(machine, "whose order is no bool");
    }
    set_strides(&shape, fortran && !dtype->has_objects);
    espalier_pickle_drop_newest(machine, state);
    const espalier_pickle_value *const args = value->as.object->args;
    espalier_pickle_array *const array =
        make_array(machine, dtype, &shape,
                   espalier_pickle_count(args) > 0 ? espalier_pickle_at(args, 0) : NULL);
    if (array == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    status = attach_data(machine, array, &shape, parts[3]);
    if (status != ESPALIER_OK) {
        return status;
    }
    /* In place: what the memo holds becomes the array too. Only the value knew the object. */
    value->as.object->next_spare = machine->spare_objects;
    machine->spare_objects = value->as.object;
    value->kind = ESPALIER_PICKLE_ARRAY;
    value->how = 0;
    value->as.array = array;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_array_frombuffer(espalier_pickle_machine *machine,
                                                 espalier_pickle_value *args,
                                                 espalier_pickle_value **out)
{
    const uint32_t count = espalier_pickle_count(args);
    if (count != 4 && count != 5) {
        return stop_array(machine, "from a buffer without four or five arguments");
    }
    espalier_pickle_value *const *const parts = args->as.items->at;
    espalier_pickle_dtype *dtype = NULL;
    array_shape shape;
    bool opaque = false;
    espalier_status status = espalier_pickle_dtype_of(machine, parts[1], &dtype);
    if (status == ESPALIER_OK) {
        status = read_array_shape(machine, parts[2], &shape, &opaque);
    }
    if (status != ESPALIER_OK || dtype == NULL || opaque) {
        return status;
    }
    if (dtype->has_objects) {
        return stop_array(machine, "of objects in a buffer");
    }
    const bool fortran = espalier_pickle_text_equal(parts[3], "F");
    const bool permuted = espalier_pickle_text_equal(parts[3], "K");
    if (!fortran && !permuted && !espalier_pickle_text_equal(parts[3], "C")) {
        return stop_array(machine, "of unknown order");
    }
    set_strides(&shape, fortran);
    if (permuted) {
        if (count != 5) {
            return stop_array(machine, "of order K without its axes");
        }
        status = permute_axes(machine, parts[4], &shape);
    }
    espalier_pickle_array *const array =
        status == ESPALIER_OK ? make_array(machine, dtype, &shape, NULL) : NULL;
    espalier_pickle_value *const value =
        array == NULL ? NULL : espalier_pickle_make(machine, ESPALIER_PICKLE_ARRAY);
    if (value == NULL) {
        return status != ESPALIER_OK ? status : espalier_pickle_no_memory(machine);
    }
    value->as.array = array;
    *out = value;
    return attach_data(machine, array, &shape, parts[0]);
}

/* The attribute of a wrapper; NULL when absent, SYNTAX when twice or when there is no dict. */
static espalier_status wrapper_attribute(espalier_pickle_machine *machine,
                                         const espalier_pickle_value *wrapper, const char *name,
                                         espalier_pickle_value **out)
{
    const espalier_pickle_value *found = NULL;
    const espalier_status status =
        espalier_pickle_attribute(machine->pickle, wrapper, name, &found, machine->error_out);
    *out = NULL;
    const espalier_pickle_value *const state = wrapper->as.object->state;
    const uint32_t count = found != NULL ? espalier_pickle_pairs_of(state) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (espalier_pickle_value_at(state, i) == found) {
            *out = espalier_pickle_value_at(state, i);
        }
    }
    return status;
}

/* One byte p, then p bytes that are skipped, so that the data is aligned in the stream. */
static espalier_status skip_padding(espalier_pickle_machine *machine,
                                    const espalier_pickle_value *alignment)
{
    int64_t alignment_bytes = 0;
    if (alignment == NULL || alignment->kind == ESPALIER_PICKLE_NONE) {
        return ESPALIER_OK;
    }
    if (!espalier_pickle_get_int64(alignment, &alignment_bytes) || alignment_bytes < 1 ||
        alignment_bytes > 255) {
        return stop_array(machine, "whose alignment is no small number");
    }
    if (machine->at == machine->bytes) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                    "the file ends before an array's padding");
    }
    const uint64_t padding = machine->data[machine->at];
    if (padding > (uint64_t)alignment_bytes) {
        return stop_array(machine, "with more padding than its alignment");
    }
    machine->at++;
    if (padding > machine->bytes - machine->at) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                    "the file ends inside an array's padding");
    }
    machine->at += padding;
    return ESPALIER_OK;
}

/* The raw bytes after a wrapper become an array in the wrapper's place on the stack. */
static espalier_status read_raw_array(espalier_pickle_machine *machine,
                                      const espalier_pickle_dtype *dtype, const array_shape *shape,
                                      const espalier_pickle_value *subclass)
{
    uint64_t bytes = 0;
    const espalier_status status = measure_data(machine, dtype, shape, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (bytes > machine->bytes - machine->at) {
        return espalier_pickle_stop(
            machine, ESPALIER_ERROR_SOURCE_TRUNCATED,
            "an array of %llu bytes begins where %llu bytes are left in the file",
            (unsigned long long)bytes, (unsigned long long)(machine->bytes - machine->at));
    }
    espalier_pickle_array *const array = make_array(machine, dtype, shape, subclass);
    espalier_pickle_value *const value =
        array == NULL ? NULL : espalier_pickle_make(machine, ESPALIER_PICKLE_ARRAY);
    if (value == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    array->data = machine->data + machine->at;
    value->as.array = array;
    machine->at += bytes;
    machine->stack[machine->stack_count - 1] = value;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_array_wrapper(espalier_pickle_machine *machine,
                                              espalier_pickle_value *wrapper)
{
    static const char *const names[] = {"shape", "order", "dtype", "subclass",
                                        "numpy_array_alignment_bytes"};
    espalier_pickle_value *parts[5];
    espalier_status status = ESPALIER_OK;
    const espalier_pickle_value *const state = wrapper->as.object->state;
    /* Six at most in real files; a shared dict of thousands would be searched again and again. */
    if (state->kind != ESPALIER_PICKLE_DICT ||
        espalier_pickle_pairs_of(state) > WRAPPER_ATTRIBUTES_MAX) {
        return stop_array(machine, "wrapper whose state is no small dict");
    }
    for (size_t i = 0; i < 5 && status == ESPALIER_OK; i++) {
        status = wrapper_attribute(machine, wrapper, names[i], &parts[i]);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (parts[0] == NULL || parts[1] == NULL || parts[2] == NULL) {
        return stop_array(machine, "wrapper without shape, order and dtype");
    }
    machine->pickle->joblib = true;
    espalier_pickle_dtype *dtype = NULL;
    array_shape shape;
    bool opaque = false;
    status = espalier_pickle_dtype_of(machine, parts[2], &dtype);
    if (status == ESPALIER_OK && dtype != NULL && dtype->has_objects) {
        return espalier_pickle_descend(machine);
    }
    if (status == ESPALIER_OK) {
        status = read_array_shape(machine, parts[0], &shape, &opaque);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (dtype == NULL || opaque) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                    "a raw array of a dtype that is not understood");
    }
    const bool fortran = espalier_pickle_text_equal(parts[1], "F");
    if (!fortran && !espalier_pickle_text_equal(parts[1], "C")) {
        return stop_array(machine, "of unknown order");
    }
    set_strides(&shape, fortran);
    status = skip_padding(machine, parts[4]);
    return status == ESPALIER_OK ? read_raw_array(machine, dtype, &shape, parts[3]) : status;
}

espalier_status espalier_pickle_scalar(espalier_pickle_machine *machine,
                                       espalier_pickle_object *object)
{
    const espalier_pickle_value *const args = object->args;
    const uint32_t count = espalier_pickle_count(args);
    if (count == 0) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a NumPy scalar without a dtype");
    }
    espalier_pickle_dtype *dtype = NULL;
    espalier_status status = espalier_pickle_dtype_of(machine, espalier_pickle_at(args, 0), &dtype);
    if (status != ESPALIER_OK || dtype == NULL || count < 2) {
        return status;
    }
    espalier_pickle_value *const content = espalier_pickle_at(args, 1);
    espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, object);
    if (rest == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    rest->dtype = dtype;
    if (dtype->has_objects) {
        rest->scalar = content;
        rest->scalar_is_value = true;
        return ESPALIER_OK;
    }
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    status = data_bytes_of(machine, content, &data, &bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (bytes != dtype->item_bytes) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX,
                                    "a NumPy scalar of %llu bytes comes with %llu",
                                    (unsigned long long)dtype->item_bytes,
                                    (unsigned long long)bytes);
    }
    if (dtype->kind != 'U') {
        rest->scalar =
            content->kind == ESPALIER_PICKLE_BYTES
                ? content
                : espalier_pickle_make_slice(machine, ESPALIER_PICKLE_BYTES, data, bytes);
        return rest->scalar == NULL ? espalier_pickle_no_memory(machine) : ESPALIER_OK;
    }
    uint64_t text_bytes = 0;
    if (!espalier_pickle_load_text(dtype, data, NULL, &text_bytes)) {
        return ESPALIER_OK;
    }
    uint8_t *const text = espalier_pickle_take(machine->pickle, text_bytes + 1);
    if (text == NULL || !espalier_pickle_load_text(dtype, data, text, &text_bytes)) {
        return espalier_pickle_no_memory(machine);
    }
    rest->scalar = espalier_pickle_make_slice(machine, ESPALIER_PICKLE_TEXT, text, text_bytes);
    if (rest->scalar == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    rest->scalar_is_value = true;
    return ESPALIER_OK;
}
