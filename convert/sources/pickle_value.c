// SPDX-License-Identifier: Apache-2.0
/*
 * Looking at the values of a parsed pickle.
 * May include: the reader's own headers, format/error.h. Must never change a value.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "convert/sources/pickle_internal.h"
#include "format/error.h"

const espalier_pickle_rest espalier_pickle_no_rest;

const espalier_pickle_value *espalier_pickle_root(const espalier_pickle *pickle)
{
    return pickle->root;
}

void espalier_pickle_info_get(const espalier_pickle *pickle, espalier_pickle_info *info_out)
{
    info_out->protocol = pickle->protocol;
    info_out->joblib = pickle->joblib;
    info_out->stream_bytes = pickle->stream_bytes;
    info_out->consumed_bytes = pickle->consumed_bytes;
    info_out->memory_bytes = pickle->memory_bytes;
    info_out->value_count = pickle->value_count;
}

espalier_pickle_kind espalier_pickle_kind_of(const espalier_pickle_value *value)
{
    return value != NULL ? (espalier_pickle_kind)value->kind : (espalier_pickle_kind)0;
}

const char *espalier_pickle_kind_name(espalier_pickle_kind kind)
{
    static const char *const names[] = {
        "nothing", "None",  "bool", "int", "int",    "float",  "str",   "bytes",
        "list",    "tuple", "dict", "set", "global", "object", "array",
    };
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : names[0];
}

uint64_t espalier_pickle_offset(const espalier_pickle_value *value)
{
    return espalier_pickle_place(value);
}

/* A NumPy scalar's dtype and bytes. A 0-d array has the same two. */
static bool find_scalar(const espalier_pickle_value *value, const espalier_pickle_dtype **dtype,
                        const uint8_t **data)
{
    if (value == NULL) {
        return false;
    }
    if (value->kind == ESPALIER_PICKLE_ARRAY) {
        const espalier_pickle_array *const array = value->as.array;
        *dtype = array->form->dtype;
        *data = array->data;
        return array->form->dim_count == 0 && array->data != NULL;
    }
    if (value->kind != ESPALIER_PICKLE_OBJECT) {
        return false;
    }
    const espalier_pickle_rest *const rest = espalier_pickle_rest_of(value->as.object);
    if (rest->scalar == NULL || rest->scalar_is_value) {
        return false;
    }
    *dtype = rest->dtype;
    *data = espalier_pickle_data(rest->scalar);
    return true;
}

const espalier_pickle_dtype *espalier_pickle_scalar_dtype(const espalier_pickle_value *value)
{
    const espalier_pickle_dtype *dtype = NULL;
    const uint8_t *data = NULL;
    return find_scalar(value, &dtype, &data) ? dtype : NULL;
}

/* A NumPy scalar of text or of an object, and a 0-d array of an object, stand for their content. */
static const espalier_pickle_value *look_through(const espalier_pickle_value *value)
{
    static const espalier_pickle_value nothing = {.kind = ESPALIER_PICKLE_NONE};
    if (value == NULL) {
        return &nothing;
    }
    if (value->kind == ESPALIER_PICKLE_OBJECT) {
        const espalier_pickle_rest *const rest = espalier_pickle_rest_of(value->as.object);
        return rest->scalar_is_value ? rest->scalar : value;
    }
    if (value->kind == ESPALIER_PICKLE_ARRAY && value->as.array->form->dim_count == 0) {
        const espalier_pickle_value *const item = espalier_pickle_array_item(value->as.array, 0);
        return item != NULL ? item : value;
    }
    return value;
}

bool espalier_pickle_get_bool(const espalier_pickle_value *value, bool *out)
{
    const espalier_pickle_dtype *dtype = NULL;
    const uint8_t *data = NULL;
    value = look_through(value);
    if (value->kind == ESPALIER_PICKLE_BOOL) {
        *out = value->as.integer != 0;
        return true;
    }
    if (find_scalar(value, &dtype, &data) && dtype->kind == 'b') {
        *out = *data != 0;
        return true;
    }
    return false;
}

bool espalier_pickle_get_int64(const espalier_pickle_value *value, int64_t *out)
{
    const espalier_pickle_dtype *dtype = NULL;
    const uint8_t *data = NULL;
    value = look_through(value);
    if (value->kind == ESPALIER_PICKLE_INTEGER || value->kind == ESPALIER_PICKLE_BOOL) {
        *out = value->as.integer;
        return true;
    }
    return find_scalar(value, &dtype, &data) && dtype->kind != 'f' &&
           espalier_pickle_load_int64(dtype, data, out);
}

bool espalier_pickle_get_double(const espalier_pickle_value *value, double *out)
{
    const espalier_pickle_dtype *dtype = NULL;
    const uint8_t *data = NULL;
    value = look_through(value);
    if (value->kind == ESPALIER_PICKLE_FLOAT) {
        *out = value->as.real;
        return true;
    }
    if (value->kind == ESPALIER_PICKLE_INTEGER || value->kind == ESPALIER_PICKLE_BOOL) {
        *out = (double)value->as.integer;
        return true;
    }
    return find_scalar(value, &dtype, &data) && espalier_pickle_load_double(dtype, data, out);
}

bool espalier_pickle_get_text(const espalier_pickle_value *value, espalier_pickle_slice *out)
{
    value = look_through(value);
    if (value->kind != ESPALIER_PICKLE_TEXT) {
        return false;
    }
    const uint64_t bytes = espalier_pickle_bytes(value);
    if ((value->flags & ESPALIER_PICKLE_FLAG_UTF8) == 0 &&
        (bytes <= ESPALIER_PICKLE_TEXT_CHECKED_BYTES ||
         !espalier_pickle_utf8_valid(espalier_pickle_data(value), bytes))) {
        return false;
    }
    out->data = (const char *)espalier_pickle_data(value);
    out->bytes = (size_t)bytes;
    return true;
}

bool espalier_pickle_get_bytes(const espalier_pickle_value *value, espalier_pickle_slice *out)
{
    const espalier_pickle_dtype *dtype = NULL;
    const uint8_t *data = NULL;
    value = look_through(value);
    if (value->kind == ESPALIER_PICKLE_BYTES ||
        (value->kind == ESPALIER_PICKLE_TEXT &&
         (value->flags & ESPALIER_PICKLE_FLAG_PYTHON2) != 0)) {
        out->data = (const char *)espalier_pickle_data(value);
        out->bytes = (size_t)espalier_pickle_bytes(value);
        return true;
    }
    if (find_scalar(value, &dtype, &data) && dtype->kind == 'S') {
        size_t bytes = (size_t)dtype->item_bytes;
        while (bytes > 0 && data[bytes - 1] == 0) {
            bytes--;
        }
        out->data = (const char *)data;
        out->bytes = bytes;
        return true;
    }
    return false;
}

bool espalier_pickle_text_equal(const espalier_pickle_value *value, const char *text)
{
    value = look_through(value);
    const size_t bytes = strlen(text);
    return value->kind == ESPALIER_PICKLE_TEXT && espalier_pickle_bytes(value) == bytes &&
           (bytes == 0 || memcmp(espalier_pickle_data(value), text, bytes) == 0);
}

/* ---- containers -------------------------------------------------------------------------- */

static const espalier_pickle_value *sequence_of(const espalier_pickle_value *value)
{
    if (value == NULL) {
        return NULL;
    }
    if (value->kind == ESPALIER_PICKLE_OBJECT) {
        return espalier_pickle_rest_of(value->as.object)->list;
    }
    return value->kind == ESPALIER_PICKLE_LIST || value->kind == ESPALIER_PICKLE_TUPLE ||
                   value->kind == ESPALIER_PICKLE_SET
               ? value
               : NULL;
}

static const espalier_pickle_value *mapping_of(const espalier_pickle_value *value)
{
    if (value == NULL) {
        return NULL;
    }
    if (value->kind == ESPALIER_PICKLE_OBJECT) {
        return espalier_pickle_rest_of(value->as.object)->dict;
    }
    return value->kind == ESPALIER_PICKLE_DICT ? value : NULL;
}

size_t espalier_pickle_item_count(const espalier_pickle_value *value)
{
    const espalier_pickle_value *const list = sequence_of(value);
    return list == NULL ? 0 : espalier_pickle_count(list);
}

const espalier_pickle_value *espalier_pickle_item(const espalier_pickle_value *value, size_t index)
{
    const espalier_pickle_value *const list = sequence_of(value);
    return list == NULL || index >= espalier_pickle_count(list)
               ? NULL
               : espalier_pickle_at(list, (uint32_t)index);
}

size_t espalier_pickle_pair_count(const espalier_pickle_value *value)
{
    const espalier_pickle_value *const dict = mapping_of(value);
    return dict == NULL ? 0 : espalier_pickle_pairs_of(dict);
}

const espalier_pickle_value *espalier_pickle_pair_key(const espalier_pickle_value *value,
                                                      size_t index)
{
    const espalier_pickle_value *const dict = mapping_of(value);
    return dict == NULL || index >= espalier_pickle_pairs_of(dict)
               ? NULL
               : espalier_pickle_key_at(dict, (uint32_t)index);
}

const espalier_pickle_value *espalier_pickle_pair_value(const espalier_pickle_value *value,
                                                        size_t index)
{
    const espalier_pickle_value *const dict = mapping_of(value);
    return dict == NULL || index >= espalier_pickle_pairs_of(dict)
               ? NULL
               : espalier_pickle_value_at(dict, (uint32_t)index);
}

/* Adds to *found, which keeps the value; false when the key is there twice. */
static bool search_pairs(const espalier_pickle_value *dict, const char *key,
                         const espalier_pickle_value **found)
{
    const uint32_t count = espalier_pickle_pairs_of(dict);
    for (uint32_t i = 0; i < count; i++) {
        const espalier_pickle_value *const name = espalier_pickle_key_at(dict, i);
        if (name->kind == ESPALIER_PICKLE_TEXT && espalier_pickle_text_equal(name, key)) {
            if (*found != NULL) {
                return false;
            }
            *found = espalier_pickle_value_at(dict, i);
        }
    }
    return true;
}

espalier_status espalier_pickle_find(const espalier_pickle *pickle,
                                     const espalier_pickle_value *dict, const char *key,
                                     const espalier_pickle_value **value_out,
                                     espalier_error *error_out)
{
    const espalier_pickle_value *const mapping = mapping_of(dict);
    const espalier_pickle_value *found = NULL;
    if (mapping == NULL && dict->kind != ESPALIER_PICKLE_OBJECT) {
        return espalier_pickle_fail(pickle, dict, ESPALIER_ERROR_SOURCE_SYNTAX, error_out,
                                    "\"%s\" is looked up in a value that is no dict but a %s", key,
                                    espalier_pickle_kind_name(espalier_pickle_kind_of(dict)));
    }
    if (mapping != NULL && !search_pairs(mapping, key, &found)) {
        return espalier_pickle_fail(pickle, dict, ESPALIER_ERROR_SOURCE_SYNTAX, error_out,
                                    "a dict holds the key \"%s\" twice", key);
    }
    *value_out = found;
    return ESPALIER_OK;
}

const espalier_pickle_name *espalier_pickle_symbol(const espalier_pickle_value *value)
{
    return value != NULL && value->kind == ESPALIER_PICKLE_SYMBOL ? value->as.name : NULL;
}

/* ---- objects ----------------------------------------------------------------------------- */

static const espalier_pickle_object *object_of(const espalier_pickle_value *value)
{
    return value != NULL && value->kind == ESPALIER_PICKLE_OBJECT ? value->as.object : NULL;
}

const espalier_pickle_name *espalier_pickle_class(const espalier_pickle_value *value)
{
    const espalier_pickle_object *const object = object_of(value);
    return object == NULL ? NULL : object->name;
}

bool espalier_pickle_is(const espalier_pickle_value *value, const char *module, const char *name)
{
    const espalier_pickle_name *const made = espalier_pickle_class(value);
    return made != NULL && espalier_pickle_slice_equal(made->module, module) &&
           espalier_pickle_slice_equal(made->name, name);
}

espalier_pickle_how espalier_pickle_object_how(const espalier_pickle_value *value)
{
    return object_of(value) == NULL ? (espalier_pickle_how)0 : (espalier_pickle_how)value->how;
}

const espalier_pickle_value *espalier_pickle_callable(const espalier_pickle_value *value)
{
    const espalier_pickle_object *const object = object_of(value);
    return object == NULL ? NULL : object->callable;
}

const espalier_pickle_value *espalier_pickle_args(const espalier_pickle_value *value)
{
    const espalier_pickle_object *const object = object_of(value);
    return object == NULL ? NULL : object->args;
}

const espalier_pickle_value *espalier_pickle_kwargs(const espalier_pickle_value *value)
{
    const espalier_pickle_object *const object = object_of(value);
    return object == NULL ? NULL : espalier_pickle_rest_of(object)->kwargs;
}

const espalier_pickle_value *espalier_pickle_state(const espalier_pickle_value *value)
{
    const espalier_pickle_object *const object = object_of(value);
    return object == NULL ? NULL : object->state;
}

/* "module.name" of an object for messages, escaped. */
static void describe_object(const espalier_pickle_value *value, char *out, size_t capacity)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (name == NULL) {
        snprintf(out, capacity, "%s", espalier_pickle_kind_name(espalier_pickle_kind_of(value)));
        return;
    }
    espalier_pickle_escape(name->module.data, name->module.bytes, out, capacity - 1);
    const size_t used = strlen(out);
    out[used] = '.';
    espalier_pickle_escape(name->name.data, name->name.bytes, out + used + 1, capacity - used - 1);
}

/* The dicts of a state: one, or the instance's and the slots' of a pair; false on other shapes. */
static bool split_state(const espalier_pickle_value *state, const espalier_pickle_value *dicts[2])
{
    dicts[0] = NULL;
    dicts[1] = NULL;
    if (state == NULL || state->kind == ESPALIER_PICKLE_NONE) {
        return true;
    }
    if (state->kind == ESPALIER_PICKLE_DICT) {
        dicts[0] = state;
        return true;
    }
    if (state->kind != ESPALIER_PICKLE_TUPLE || espalier_pickle_count(state) != 2) {
        return false;
    }
    for (uint32_t i = 0; i < 2; i++) {
        const espalier_pickle_value *const part = espalier_pickle_at(state, i);
        if (part->kind == ESPALIER_PICKLE_DICT) {
            dicts[i] = part;
        } else if (part->kind != ESPALIER_PICKLE_NONE) {
            return false;
        }
    }
    return true;
}

/* "module.name" and what is wrong with its attribute. */
static espalier_status fail_attribute(const espalier_pickle *pickle,
                                      const espalier_pickle_value *object, espalier_status status,
                                      const char *name, const char *cause,
                                      espalier_error *error_out)
{
    char text[160];
    describe_object(object, text, sizeof text);
    (void)espalier_pickle_fail(pickle, object, status, error_out, "%s %s \"%s\"", text, cause,
                               name);
    return status;
}

espalier_status espalier_pickle_attribute(const espalier_pickle *pickle,
                                          const espalier_pickle_value *object, const char *name,
                                          const espalier_pickle_value **value_out,
                                          espalier_error *error_out)
{
    const espalier_pickle_value *dicts[2];
    const espalier_pickle_value *found = NULL;
    if (object_of(object) == NULL) {
        return fail_attribute(pickle, object, ESPALIER_ERROR_SOURCE_SYNTAX, name,
                              "is no object with an attribute", error_out);
    }
    if (!split_state(object->as.object->state, dicts)) {
        return fail_attribute(pickle, object, ESPALIER_ERROR_SOURCE_SYNTAX, name,
                              "has a state that is no dict with an attribute", error_out);
    }
    for (size_t i = 0; i < 2; i++) {
        if (dicts[i] == NULL) {
            continue;
        }
        if (espalier_pickle_pairs_of(dicts[i]) > ESPALIER_PICKLE_ATTRIBUTES_MAX) {
            return fail_attribute(pickle, object, ESPALIER_ERROR_SOURCE_LIMIT, name,
                                  "has too many attributes to look for", error_out);
        }
        if (!search_pairs(dicts[i], name, &found)) {
            return fail_attribute(pickle, object, ESPALIER_ERROR_SOURCE_SYNTAX, name,
                                  "has twice the attribute", error_out);
        }
    }
    *value_out = found;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_attribute_required(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *object,
                                                   const char *name,
                                                   const espalier_pickle_value **value_out,
                                                   espalier_error *error_out)
{
    const espalier_pickle_value *found = NULL;
    const espalier_status status =
        espalier_pickle_attribute(pickle, object, name, &found, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (found == NULL) {
        return fail_attribute(pickle, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED, name,
                              "has no attribute", error_out);
    }
    *value_out = found;
    return ESPALIER_OK;
}

espalier_status espalier_pickle_fail(const espalier_pickle *pickle, const espalier_pickle_value *at,
                                     espalier_status status, espalier_error *error_out,
                                     const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (at == NULL) {
        return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE, "%s: %s",
                                  pickle->source_name, text);
    }
    const uint64_t place = espalier_pickle_place(at);
    return espalier_error_set(error_out, status, 0, place, "%s: byte %llu: %s", pickle->source_name,
                              (unsigned long long)place, text);
}

/* ---- visiting ---------------------------------------------------------------------------- */

void espalier_pickle_visit_start(const espalier_pickle *pickle, uint32_t depth_max,
                                 espalier_pickle_visit *visit_out)
{
    visit_out->visits_left = 1024 + 8 * pickle->value_count;
    visit_out->depth = 0;
    visit_out->depth_max = depth_max == 0 ? 64 : depth_max;
}

espalier_status espalier_pickle_visit_enter(const espalier_pickle *pickle,
                                            espalier_pickle_visit *visit,
                                            const espalier_pickle_value *value,
                                            espalier_error *error_out)
{
    if (visit->depth >= visit->depth_max) {
        return espalier_pickle_fail(pickle, value, ESPALIER_ERROR_SOURCE_LIMIT, error_out,
                                    "objects are nested more than %u deep", visit->depth_max);
    }
    if (visit->visits_left == 0) {
        return espalier_pickle_fail(pickle, value, ESPALIER_ERROR_SOURCE_LIMIT, error_out,
                                    "objects refer to each other so often that the content expands "
                                    "far beyond the file");
    }
    visit->depth++;
    visit->visits_left--;
    return ESPALIER_OK;
}

void espalier_pickle_visit_leave(espalier_pickle_visit *visit)
{
    if (visit->depth > 0) {
        visit->depth--;
    }
}
