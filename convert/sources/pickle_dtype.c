// SPDX-License-Identifier: Apache-2.0
/*
 * numpy.dtype objects: from constructor arguments and state to an espalier_pickle_dtype.
 * What is not understood stays opaque (NULL) as long as nobody needs it; what contradicts itself is
 * an error.
 * May include: the reader's own headers.
 */
#include <string.h>

#include "convert/sources/pickle_internal.h"

/* Where in the state tuple (version, byte order, ...) the parts stand. */
enum {
    STATE_ORDER = 1,
    STATE_SUBARRAY = 2,
    STATE_NAMES = 3,
    STATE_FIELDS = 4,
    STATE_ITEM_BYTES = 5,
    STATE_COUNT_MIN = 7
};

static espalier_status stop_dtype(espalier_pickle_machine *machine, const char *cause)
{
    return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_SYNTAX, "a NumPy dtype %s", cause);
}

/* "f8", "U12", "V64", "?": kind and item size; false when it is something else. */
static bool parse_code(const espalier_pickle_value *code, char *kind, uint64_t *item_bytes)
{
    if (code->kind == ESPALIER_PICKLE_SYMBOL) {
        /* numpy.record and numpy.void: the size follows in the state. */
        const espalier_pickle_name *const name = code->as.name;
        *kind = 'V';
        *item_bytes = 0;
        return espalier_pickle_slice_equal(name->module, "numpy") &&
               (espalier_pickle_slice_equal(name->name, "record") ||
                espalier_pickle_slice_equal(name->name, "void"));
    }
    const uint64_t bytes = code->kind == ESPALIER_PICKLE_TEXT ? espalier_pickle_bytes(code) : 0;
    if (bytes < 1 || bytes > 12) {
        return false;
    }
    const uint8_t *const text = espalier_pickle_data(code);
    uint64_t size = 0;
    for (uint64_t i = 1; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        size = size * 10 + (uint64_t)(text[i] - '0');
    }
    *kind = (char)text[0];
    switch (*kind) {
    case '?':
        *kind = 'b';
        *item_bytes = 1;
        return size == 0;
    case 'b':
        *item_bytes = size;
        return size == 1;
    case 'i':
    case 'u':
        *item_bytes = size;
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f':
        *item_bytes = size;
        return size == 2 || size == 4 || size == 8 || size == 12 || size == 16;
    case 'c':
        *item_bytes = size;
        return size == 8 || size == 16 || size == 24 || size == 32;
    case 'M':
    case 'm':
        *item_bytes = size;
        return size == 8;
    case 'O':
        *item_bytes = 8;
        return size == 8 || size == 4 || size == 0;
    case 'a':
        *kind = 'S';
        *item_bytes = size;
        return true;
    case 'S':
    case 'V':
        *item_bytes = size;
        return true;
    case 'U':
        *item_bytes = size * 4;
        return true;
    default:
        return false;
    }
}

/* A dtype from the constructor's arguments alone; *out NULL when they are not understood. */
static espalier_status decode_code(espalier_pickle_machine *machine,
                                   const espalier_pickle_object *object,
                                   espalier_pickle_dtype **out)
{
    const espalier_pickle_value *const args = object->args;
    char kind = 0;
    uint64_t item_bytes = 0;
    *out = NULL;
    if (args == NULL || args->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(args) == 0 ||
        !parse_code(espalier_pickle_at(args, 0), &kind, &item_bytes)) {
        return ESPALIER_OK;
    }
    espalier_pickle_dtype *const dtype = espalier_pickle_take(machine->pickle, sizeof *dtype);
    if (dtype == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    memset(dtype, 0, sizeof *dtype);
    dtype->kind = kind;
    dtype->item_bytes = item_bytes;
    dtype->has_objects = kind == 'O';
    *out = dtype;
    return ESPALIER_OK;
}

static espalier_status keep_dtype(espalier_pickle_machine *machine, espalier_pickle_object *object,
                                  espalier_pickle_dtype *dtype)
{
    espalier_pickle_rest *const rest = espalier_pickle_make_rest(machine, object);
    if (rest == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    rest->dtype = dtype;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_dtype_of(espalier_pickle_machine *machine,
                                         espalier_pickle_value *value, espalier_pickle_dtype **out)
{
    *out = NULL;
    if (value->kind != ESPALIER_PICKLE_OBJECT || value->as.object->name == NULL ||
        ((const espalier_pickle_entry *)value->as.object->name)->special != ESPALIER_PICKLE_DTYPE) {
        return ESPALIER_OK;
    }
    espalier_pickle_object *const object = value->as.object;
    /* One that had no BUILD; those that had are decoded already. */
    *out = espalier_pickle_rest_of(object)->dtype;
    if (*out != NULL || object->state != NULL) {
        return ESPALIER_OK;
    }
    const espalier_status status = decode_code(machine, object, out);
    return status == ESPALIER_OK && *out != NULL ? keep_dtype(machine, object, *out) : status;
}

/* A tuple of sizes, or one size; false when it is neither, negative or too long. */
static bool read_shape(const espalier_pickle_value *value, uint64_t *shape, uint32_t *dim_count)
{
    const bool is_tuple =
        value->kind == ESPALIER_PICKLE_TUPLE || value->kind == ESPALIER_PICKLE_LIST;
    const uint32_t count = is_tuple ? espalier_pickle_count(value) : 1;
    if (count > ESPALIER_PICKLE_DIMS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t size = -1;
        if (!espalier_pickle_get_int64(is_tuple ? espalier_pickle_at(value, i) : value, &size) ||
            size < 0) {
            return false;
        }
        shape[i] = (uint64_t)size;
    }
    *dim_count = count;
    return true;
}

/* (element dtype, shape) of a subarray. */
static espalier_status read_subarray(espalier_pickle_machine *machine,
                                     const espalier_pickle_value *pair,
                                     espalier_pickle_dtype *dtype, bool *opaque)
{
    espalier_pickle_dtype *element = NULL;
    uint64_t shape[ESPALIER_PICKLE_DIMS_MAX];
    if (pair->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(pair) != 2 ||
        !read_shape(espalier_pickle_at(pair, 1), shape, &dtype->dim_count)) {
        return stop_dtype(machine, "with a malformed subarray");
    }
    const espalier_status status =
        espalier_pickle_dtype_of(machine, espalier_pickle_at(pair, 0), &element);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (element == NULL || element->depth >= ESPALIER_PICKLE_DTYPE_DEPTH_MAX) {
        *opaque = true;
        return ESPALIER_OK;
    }
    uint64_t bytes = element->item_bytes;
    for (uint32_t i = 0; i < dtype->dim_count; i++) {
        if (shape[i] != 0 && bytes > UINT64_MAX / 2 / shape[i]) {
            return stop_dtype(machine, "with a subarray of impossible size");
        }
        bytes *= shape[i];
    }
    if (bytes != dtype->item_bytes) {
        return stop_dtype(machine, "whose subarray is not of its size");
    }
    uint64_t *const kept =
        espalier_pickle_take(machine->pickle, (uint64_t)dtype->dim_count * sizeof *kept + 8);
    if (kept == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    memcpy(kept, shape, dtype->dim_count * sizeof *kept);
    dtype->shape = kept;
    dtype->element = element;
    dtype->has_objects = element->has_objects;
    dtype->depth = (uint8_t)(element->depth + 1);
    return ESPALIER_OK;
}

/* The entry of a field in the dict; writers keep the order, so the guess is nearly always right. */
static const espalier_pickle_value *find_field(const espalier_pickle_value *fields,
                                               const espalier_pickle_value *name, uint32_t guess)
{
    const uint32_t pairs = espalier_pickle_pairs_of(fields);
    const uint64_t bytes = espalier_pickle_bytes(name);
    for (uint32_t i = 0; i < pairs; i++) {
        const uint32_t at = (guess + i) % pairs;
        const espalier_pickle_value *const key = espalier_pickle_key_at(fields, at);
        if (key == name ||
            (key->kind == ESPALIER_PICKLE_TEXT && espalier_pickle_bytes(key) == bytes &&
             (bytes == 0 ||
              memcmp(espalier_pickle_data(key), espalier_pickle_data(name), (size_t)bytes) == 0))) {
            return espalier_pickle_value_at(fields, at);
        }
    }
    return NULL;
}

static espalier_status read_field(espalier_pickle_machine *machine,
                                  const espalier_pickle_value *name,
                                  const espalier_pickle_value *entry, espalier_pickle_dtype *dtype,
                                  espalier_pickle_field *field, bool *opaque)
{
    espalier_pickle_dtype *inner = NULL;
    int64_t offset = -1;
    if (entry == NULL || entry->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(entry) < 2 ||
        !espalier_pickle_get_int64(espalier_pickle_at(entry, 1), &offset) || offset < 0) {
        return stop_dtype(machine, "with a malformed field");
    }
    const espalier_status status =
        espalier_pickle_dtype_of(machine, espalier_pickle_at(entry, 0), &inner);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (inner == NULL || inner->depth >= ESPALIER_PICKLE_DTYPE_DEPTH_MAX) {
        *opaque = true;
        return ESPALIER_OK;
    }
    if (inner->item_bytes > dtype->item_bytes ||
        (uint64_t)offset > dtype->item_bytes - inner->item_bytes) {
        return stop_dtype(machine, "with a field outside its record");
    }
    field->name.data = (const char *)espalier_pickle_data(name);
    field->name.bytes = (size_t)espalier_pickle_bytes(name);
    field->dtype = inner;
    field->offset_bytes = (uint64_t)offset;
    dtype->has_objects = dtype->has_objects || inner->has_objects;
    dtype->depth = inner->depth + 1 > dtype->depth ? (uint8_t)(inner->depth + 1) : dtype->depth;
    return ESPALIER_OK;
}

/* names: a tuple of texts; fields: name -> (dtype, offset[, title]). */
static espalier_status read_fields(espalier_pickle_machine *machine,
                                   const espalier_pickle_value *names,
                                   const espalier_pickle_value *fields,
                                   espalier_pickle_dtype *dtype, bool *opaque)
{
    if (names->kind != ESPALIER_PICKLE_TUPLE || fields->kind != ESPALIER_PICKLE_DICT) {
        return stop_dtype(machine, "with malformed fields");
    }
    /* Titles may double the entries. */
    const uint32_t count = espalier_pickle_count(names);
    const uint32_t pairs = espalier_pickle_pairs_of(fields);
    if (count > ESPALIER_PICKLE_FIELDS_MAX || pairs > 2 * ESPALIER_PICKLE_FIELDS_MAX) {
        *opaque = true;
        return ESPALIER_OK;
    }
    /* One small state can be built into dtypes again and again: what they cost has an end. */
    const uint64_t work = (uint64_t)count * (count + pairs);
    if (work > machine->field_work_left) {
        return espalier_pickle_stop(machine, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "more dtypes with fields than the file has room for");
    }
    machine->field_work_left -= work;
    espalier_pickle_field *const list =
        espalier_pickle_take(machine->pickle, count * sizeof *list + 8);
    if (list == NULL) {
        return espalier_pickle_no_memory(machine);
    }
    for (uint32_t i = 0; i < count && !*opaque; i++) {
        const espalier_pickle_value *const name = espalier_pickle_at(names, i);
        if (name->kind != ESPALIER_PICKLE_TEXT || pairs == 0) {
            return stop_dtype(machine, "with a malformed field name");
        }
        const espalier_pickle_value *const entry = find_field(fields, name, i);
        const espalier_status status = read_field(machine, name, entry, dtype, &list[i], opaque);
        if (status != ESPALIER_OK) {
            return status;
        }
        for (uint32_t j = 0; j < i && !*opaque; j++) {
            if (list[j].name.bytes == list[i].name.bytes &&
                (list[i].name.bytes == 0 ||
                 memcmp(list[j].name.data, list[i].name.data, list[i].name.bytes) == 0)) {
                return stop_dtype(machine, "with two fields of one name");
            }
        }
    }
    dtype->fields = list;
    dtype->field_count = count;
    return ESPALIER_OK;
}

/* Size and byte order from the state, checked against the code. */
static espalier_status read_plain_state(espalier_pickle_machine *machine,
                                        const espalier_pickle_value *state, bool size_known,
                                        espalier_pickle_dtype *dtype)
{
    const espalier_pickle_value *const order = espalier_pickle_at(state, STATE_ORDER);
    int64_t item_bytes = -1;
    if (order->kind != ESPALIER_PICKLE_TEXT || espalier_pickle_bytes(order) != 1 ||
        memchr("<>|=", espalier_pickle_data(order)[0], 4) == NULL) {
        return stop_dtype(machine, "of unknown byte order");
    }
    dtype->swapped =
        espalier_pickle_data(order)[0] == '>' && memchr("iufcUMm", dtype->kind, 7) != NULL;
    if (!espalier_pickle_get_int64(espalier_pickle_at(state, STATE_ITEM_BYTES), &item_bytes) ||
        item_bytes < -1) {
        return stop_dtype(machine, "of malformed item size");
    }
    if (item_bytes >= 0) {
        const bool flexible = dtype->kind == 'S' || dtype->kind == 'U' || dtype->kind == 'V';
        if ((size_known && (uint64_t)item_bytes != dtype->item_bytes && dtype->kind != 'O') ||
            (!size_known && !flexible) || (dtype->kind == 'U' && item_bytes % 4 != 0)) {
            return stop_dtype(machine, "that states two item sizes");
        }
        dtype->item_bytes = dtype->kind == 'O' ? 8 : (uint64_t)item_bytes;
    }
    return ESPALIER_OK;
}

static espalier_status read_state(espalier_pickle_machine *machine,
                                  const espalier_pickle_value *state, bool size_known,
                                  espalier_pickle_dtype *dtype, bool *opaque)
{
    if (state->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(state) < STATE_COUNT_MIN) {
        *opaque = true;
        return ESPALIER_OK;
    }
    espalier_status status = read_plain_state(machine, state, size_known, dtype);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_value *const subarray = espalier_pickle_at(state, STATE_SUBARRAY);
    const espalier_pickle_value *const names = espalier_pickle_at(state, STATE_NAMES);
    const espalier_pickle_value *const fields = espalier_pickle_at(state, STATE_FIELDS);
    const bool has_subarray = subarray->kind != ESPALIER_PICKLE_NONE;
    const bool has_fields = names->kind != ESPALIER_PICKLE_NONE;
    if ((has_subarray || has_fields) && (dtype->kind != 'V' || (has_subarray && has_fields))) {
        return stop_dtype(machine, "with fields or a subarray in a plain type");
    }
    if (has_subarray) {
        return read_subarray(machine, subarray, dtype, opaque);
    }
    return has_fields ? read_fields(machine, names, fields, dtype, opaque) : ESPALIER_OK;
}

espalier_status espalier_pickle_decode_dtype(espalier_pickle_machine *machine,
                                             espalier_pickle_object *object)
{
    espalier_pickle_dtype *dtype = NULL;
    bool opaque = false;
    /* A size in the code must be the state's, unless the code is a class such as numpy.record. */
    espalier_status status = decode_code(machine, object, &dtype);
    if (object->rest != NULL) {
        object->rest->dtype = NULL;
    }
    if (status != ESPALIER_OK || dtype == NULL) {
        return status;
    }
    const bool size_known = dtype->item_bytes != 0 &&
                            espalier_pickle_at(object->args, 0)->kind != ESPALIER_PICKLE_SYMBOL;
    status = read_state(machine, object->state, size_known, dtype, &opaque);
    if (status != ESPALIER_OK || opaque) {
        return status;
    }
    return keep_dtype(machine, object, dtype);
}

const espalier_pickle_dtype *espalier_pickle_get_dtype(const espalier_pickle_value *value)
{
    return value != NULL && value->kind == ESPALIER_PICKLE_OBJECT &&
                   value->as.object->name != NULL &&
                   ((const espalier_pickle_entry *)value->as.object->name)->special ==
                       ESPALIER_PICKLE_DTYPE
               ? espalier_pickle_rest_of(value->as.object)->dtype
               : NULL;
}
