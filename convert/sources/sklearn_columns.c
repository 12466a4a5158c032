// SPDX-License-Identifier: Apache-2.0
/*
 * Which columns a ColumnTransformer gives to which of its transformers: by number, name, slice or
 * mask, or as the versions from 1.0 on have resolved it. See sklearn_prepare.h.
 */
#include "convert/sources/sklearn_compose.h"

#include <inttypes.h>
#include <string.h>

/* The number of a column by its name at fit. */
static bool find_name(espalier_sklearn_prepare *prepare, espalier_pickle_slice name,
                      uint32_t *column_out)
{
    const espalier_pickle_array *const array = espalier_pickle_get_array(prepare->names);
    if (array == NULL ||
        espalier_sklearn_spend(prepare, array->form->element_count) != ESPALIER_OK) {
        return false;
    }
    for (uint64_t i = 0; i < array->form->element_count; i++) {
        char own[512];
        size_t bytes = 0;
        if (espalier_pickle_array_text(array, i, own, sizeof own, &bytes) && bytes == name.bytes &&
            bytes <= sizeof own && memcmp(own, name.data, bytes) == 0) {
            *column_out = (uint32_t)i;
            return true;
        }
    }
    return false;
}

static espalier_status fail_columns(espalier_sklearn_prepare *prepare,
                                    const espalier_pickle_value *at)
{
    return espalier_sklearn_fail(&prepare->import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "columns are none of numbers, names, a slice or a mask of columns "
                                 "that are there");
}

/* Adds column `number`, which may count from the end. */
static espalier_status add_number(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *at, const espalier_sklearn_table *in,
                                  int64_t number, espalier_sklearn_table *out)
{
    number += number < 0 ? (int64_t)in->count : 0;
    return number < 0 || number >= in->count
               ? fail_columns(prepare, at)
               : espalier_sklearn_table_add(prepare, out, in->values[number]);
}

static espalier_status add_item(espalier_sklearn_prepare *prepare, const espalier_pickle_value *at,
                                const espalier_sklearn_table *in, const espalier_pickle_value *item,
                                espalier_sklearn_table *out)
{
    int64_t number = 0;
    uint32_t named = 0;
    espalier_pickle_slice name;
    if (espalier_pickle_get_text(item, &name)) {
        return find_name(prepare, name, &named) ? add_number(prepare, at, in, named, out)
                                                : fail_columns(prepare, at);
    }
    return espalier_pickle_get_int64(item, &number) ? add_number(prepare, at, in, number, out)
                                                    : fail_columns(prepare, at);
}

/* One bound of a slice: None, a number, or a name, whose column `last` bounds include. */
static bool read_bound(espalier_sklearn_prepare *prepare, const espalier_pickle_value *value,
                       int64_t absent, uint32_t count, bool last, int64_t *bound_out)
{
    espalier_pickle_slice name;
    uint32_t named = 0;
    *bound_out = absent;
    if (value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return true;
    }
    if (espalier_pickle_get_text(value, &name)) {
        const bool found = find_name(prepare, name, &named);
        *bound_out = (int64_t)named + (last ? 1 : 0);
        return found;
    }
    if (!espalier_pickle_get_int64(value, bound_out)) {
        return false;
    }
    *bound_out += *bound_out < 0 ? (int64_t)count : 0;
    *bound_out = *bound_out < 0 ? 0 : *bound_out > count ? count : *bound_out;
    return true;
}

static espalier_status add_slice(espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *slice,
                                 const espalier_sklearn_table *in, espalier_sklearn_table *out)
{
    const espalier_pickle_value *const args = espalier_pickle_args(slice);
    int64_t first = 0;
    int64_t end = 0;
    int64_t step = 1;
    const espalier_pickle_value *const stride = espalier_pickle_item(args, 2);
    if (espalier_pickle_item_count(args) != 3 ||
        !read_bound(prepare, espalier_pickle_item(args, 0), 0, in->count, false, &first) ||
        !read_bound(prepare, espalier_pickle_item(args, 1), in->count, in->count, true, &end) ||
        (espalier_pickle_kind_of(stride) != ESPALIER_PICKLE_NONE &&
         (!espalier_pickle_get_int64(stride, &step) || step < 1))) {
        return fail_columns(prepare, slice);
    }
    espalier_status status = ESPALIER_OK;
    for (int64_t i = first; i < end && status == ESPALIER_OK; i += step) {
        status = add_number(prepare, slice, in, i, out);
    }
    return status;
}

/* An array of numbers, of booleans that mask columns, or of names. */
static espalier_status add_array(espalier_sklearn_prepare *prepare, const espalier_pickle_value *at,
                                 const espalier_pickle_array *array,
                                 const espalier_sklearn_table *in, espalier_sklearn_table *out)
{
    const bool mask = array->form->dtype->kind == 'b';
    espalier_status status = ESPALIER_OK;
    for (uint64_t i = 0; i < array->form->element_count && status == ESPALIER_OK; i++) {
        const espalier_pickle_value *const item = espalier_pickle_array_item(array, i);
        char own[512];
        size_t bytes = 0;
        uint32_t named = 0;
        int64_t number = 0;
        if (item != NULL) {
            status = add_item(prepare, at, in, item, out);
        } else if (espalier_pickle_array_int64(array, i, &number)) {
            const int64_t column = mask ? (int64_t)i : number;
            status = mask && number == 0 ? status : add_number(prepare, at, in, column, out);
        } else {
            const bool read = espalier_pickle_array_text(array, i, own, sizeof own, &bytes) &&
                              bytes <= sizeof own;
            const espalier_pickle_slice name = {own, bytes};
            status = read && find_name(prepare, name, &named)
                         ? add_number(prepare, at, in, named, out)
                         : fail_columns(prepare, at);
        }
    }
    return status;
}

static espalier_status add_list(espalier_sklearn_prepare *prepare,
                                const espalier_pickle_value *list, const espalier_sklearn_table *in,
                                espalier_sklearn_table *out)
{
    const size_t count = espalier_pickle_item_count(list);
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < count && status == ESPALIER_OK; i++) {
        const espalier_pickle_value *const item = espalier_pickle_item(list, i);
        bool keeps = false;
        if (espalier_pickle_kind_of(item) != ESPALIER_PICKLE_BOOL) {
            status = add_item(prepare, list, in, item, out);
        } else if (espalier_pickle_get_bool(item, &keeps) && keeps) {
            status = add_number(prepare, list, in, (int64_t)i, out);
        }
    }
    return status;
}

/* The columns that 1.0 and later have found for a transformer, or NULL. */
static const espalier_pickle_value *find_resolved(const espalier_sklearn_prepare *prepare,
                                                  const espalier_pickle_value *object,
                                                  espalier_pickle_slice name)
{
    const espalier_pickle_value *found = NULL;
    (void)espalier_pickle_attribute(prepare->import.pickle, object, "_transformer_to_input_indices",
                                    &found, NULL);
    for (size_t i = 0; i < espalier_pickle_pair_count(found); i++) {
        espalier_pickle_slice key;
        if (espalier_pickle_get_text(espalier_pickle_pair_key(found, i), &key) &&
            key.bytes == name.bytes && memcmp(key.data, name.data, key.bytes) == 0) {
            return espalier_pickle_pair_value(found, i);
        }
    }
    return NULL;
}

espalier_status espalier_sklearn_choose_columns(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *object,
                                                const espalier_pickle_value *entry,
                                                const espalier_sklearn_table *in,
                                                espalier_sklearn_table *out)
{
    const espalier_pickle_value *columns = espalier_pickle_item(entry, 2);
    espalier_pickle_slice name = {"", 0};
    (void)espalier_pickle_get_text(espalier_pickle_item(entry, 0), &name);
    const espalier_pickle_value *const resolved = find_resolved(prepare, object, name);
    columns = resolved != NULL ? resolved : columns;
    out->narrow = in->narrow;
    out->wide = in->wide;
    out->sparse = in->sparse;
    if (columns == NULL || espalier_pickle_kind_of(columns) == ESPALIER_PICKLE_NONE) {
        return ESPALIER_OK; /* a remainder of nothing */
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(columns);
    if (array != NULL) {
        return add_array(prepare, columns, array, in, out);
    }
    if (espalier_pickle_is(columns, "builtins", "slice") ||
        espalier_pickle_is(columns, "__builtin__", "slice")) {
        return add_slice(prepare, columns, in, out);
    }
    const espalier_pickle_kind kind = espalier_pickle_kind_of(columns);
    return kind == ESPALIER_PICKLE_LIST || kind == ESPALIER_PICKLE_TUPLE
               ? add_list(prepare, columns, in, out)
               : add_item(prepare, columns, in, columns, out);
}
