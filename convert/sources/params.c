// SPDX-License-Identifier: Apache-2.0
/*
 * See params.h. Deterministic: the same estimator gives the same text.
 */
#include "convert/sources/params.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAM_TEXT_BYTES_MAX 256u
#define PARAM_ITEMS_MAX      4096u
#define PARAMS_MAX           256u

/* Set by the constructors of forests and trees, but no hyper-parameters. */
static const char *const internal_names[] = {"base_estimator", "estimator", "estimator_params"};

static bool is_parameter_name(espalier_pickle_slice name)
{
    if (name.bytes == 0 || name.bytes > 64 || name.data[0] == '_' ||
        name.data[name.bytes - 1] == '_') {
        return false;
    }
    for (size_t i = 0; i < sizeof internal_names / sizeof internal_names[0]; i++) {
        if (espalier_pickle_slice_equal(name, internal_names[i])) {
            return false;
        }
    }
    return true;
}

/* The type's name as Python would say it, for what is no plain value. */
static json_t *name_type(const espalier_pickle_value *value)
{
    /* How NumPy pickles its generators says nothing to a reader. */
    static const struct {
        const char *function;
        const char *type;
    } constructors[] = {{"__randomstate_ctor", "numpy.random.RandomState"},
                        {"__generator_ctor", "numpy.random.Generator"}};
    const espalier_pickle_name *name = espalier_pickle_class(value);
    if (name == NULL) {
        name = espalier_pickle_symbol(value);
    }
    if (name == NULL) {
        return json_string(espalier_pickle_kind_of(value) == ESPALIER_PICKLE_ARRAY
                               ? "numpy.ndarray"
                               : espalier_pickle_kind_name(espalier_pickle_kind_of(value)));
    }
    for (size_t i = 0; i < sizeof constructors / sizeof constructors[0]; i++) {
        if (espalier_pickle_slice_equal(name->name, constructors[i].function)) {
            return json_string(constructors[i].type);
        }
    }
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s.%.*s", (int)name->module.bytes, name->module.data,
                   (int)name->name.bytes, name->name.data);
    json_t *const type = json_string(text);
    return type != NULL ? type : json_string("object"); /* a name that is not UTF-8 */
}

/* None, a boolean, a number or text; NULL for anything else. */
static json_t *make_plain(const espalier_pickle_value *value)
{
    espalier_pickle_slice text;
    bool truth;
    int64_t integer;
    double real;
    if (espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return json_null();
    }
    if (espalier_pickle_get_text(value, &text)) {
        return text.bytes > PARAM_TEXT_BYTES_MAX ? NULL : json_stringn(text.data, text.bytes);
    }
    if (espalier_pickle_get_bool(value, &truth)) {
        return json_boolean(truth);
    }
    if (espalier_pickle_get_int64(value, &integer)) {
        return json_integer(integer);
    }
    if (espalier_pickle_get_double(value, &real)) {
        if (isfinite(real)) {
            return json_real(real);
        }
        return json_string(isnan(real) ? "nan" : real < 0 ? "-inf" : "inf");
    }
    return NULL;
}

/* A tuple or list of plain values; NULL when it is none. */
static json_t *make_items(const espalier_pickle_value *value)
{
    const espalier_pickle_kind kind = espalier_pickle_kind_of(value);
    const size_t count = espalier_pickle_item_count(value);
    if ((kind != ESPALIER_PICKLE_TUPLE && kind != ESPALIER_PICKLE_LIST) ||
        count > PARAM_ITEMS_MAX) {
        return NULL;
    }
    json_t *const items = json_array();
    for (size_t i = 0; items != NULL && i < count; i++) {
        json_t *const item = make_plain(espalier_pickle_item(value, i));
        if (item == NULL || json_array_append_new(items, item) != 0) {
            json_decref(items);
            return NULL;
        }
    }
    return items;
}

static int set_parameter(json_t *object, espalier_pickle_slice name,
                         const espalier_pickle_value *value)
{
    json_t *item = make_plain(value);
    if (item == NULL) {
        item = make_items(value);
    }
    if (item == NULL) {
        item = name_type(value);
    }
    char key[65];
    memcpy(key, name.data, name.bytes);
    key[name.bytes] = '\0';
    return json_object_set_new(object, key, item);
}

espalier_status espalier_params_json(const espalier_pickle_value *estimator, char **json_out)
{
    const espalier_pickle_value *state = espalier_pickle_state(estimator);
    if (state != NULL && espalier_pickle_kind_of(state) == ESPALIER_PICKLE_TUPLE) {
        state = espalier_pickle_item(state, 0);
    }
    json_t *const object = json_object();
    int failed = object == NULL;
    const size_t count = state == NULL ? 0 : espalier_pickle_pair_count(state);
    for (size_t i = 0; i < count && !failed && json_object_size(object) < PARAMS_MAX; i++) {
        espalier_pickle_slice name;
        if (espalier_pickle_get_text(espalier_pickle_pair_key(state, i), &name) &&
            is_parameter_name(name)) {
            failed = set_parameter(object, name, espalier_pickle_pair_value(state, i));
        }
    }
    char *const text = failed ? NULL : json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    *json_out = text;
    return ESPALIER_OK;
}
