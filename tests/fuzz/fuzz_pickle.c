// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes what reads untrusted source files: containers, the pickle machine, NumPy decoding and
 * every accessor, by walking whatever was parsed. Bounded memory, so that a leak or a bomb shows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "convert/containers/container.h"
#include "convert/sources/pickle.h"

#define VALUES_WALKED_MAX    4096u
#define ELEMENTS_READ_MAX    64u
#define MEMORY_BYTES_MAX     ((uint64_t)16 << 20)
#define EXPANDED_BYTES_MAX   ((uint64_t)4 << 20)
#define DICTIONARY_BYTES_MAX ((uint64_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The result of a check that must hold; aborting is how a fuzzer reports. */
static void require(bool truth)
{
    if (!truth) {
        abort();
    }
}

typedef struct walk_list {
    const espalier_pickle_value *values[VALUES_WALKED_MAX];
    size_t count;
} walk_list;

static void walk_later(walk_list *list, const espalier_pickle_value *value)
{
    if (value != NULL && list->count < VALUES_WALKED_MAX) {
        list->values[list->count] = value;
        list->count++;
    }
}

/* Touches every byte, so that the address sanitizer judges the range. */
static void touch(const void *data, size_t bytes)
{
    const volatile uint8_t *const from = data;
    for (size_t i = 0; i < bytes; i++) {
        (void)from[i];
    }
}

static void read_element(const espalier_pickle_array *array, uint64_t index)
{
    double real;
    int64_t number;
    uint64_t natural;
    char text[8];
    size_t text_bytes = 0;
    (void)espalier_pickle_array_double(array, index, &real);
    (void)espalier_pickle_array_int64(array, index, &number);
    (void)espalier_pickle_array_uint64(array, index, &natural);
    if (espalier_pickle_array_text(array, index, text, sizeof text, &text_bytes) &&
        text_bytes <= sizeof text) {
        touch(text, text_bytes);
    }
}

/* A column's bulk readers must agree with its single elements. */
static void read_view(const espalier_pickle_view *view)
{
    double reals[ELEMENTS_READ_MAX];
    int64_t numbers[ELEMENTS_READ_MAX];
    uint8_t small[ELEMENTS_READ_MAX];
    const uint64_t count = view->count < ELEMENTS_READ_MAX ? view->count : ELEMENTS_READ_MAX;
    const uint64_t first = view->count - count;
    (void)espalier_pickle_view_uint8s(view, first, count, small);
    if (espalier_pickle_view_int64s(view, first, count, numbers)) {
        for (uint64_t i = 0; i < count && view->array->form->dtype == view->dtype; i++) {
            int64_t number = 0;
            require(espalier_pickle_array_int64(view->array, first + i, &number));
            require(number == numbers[i]);
        }
    }
    if (espalier_pickle_view_doubles(view, 0, count, reals)) {
        for (uint64_t i = 0; i < count && view->array->form->dtype == view->dtype; i++) {
            double real = 0;
            require(espalier_pickle_array_double(view->array, i, &real));
            require(memcmp(&real, &reals[i], sizeof real) == 0);
        }
    }
    require(!espalier_pickle_view_doubles(view, view->count, 1, reals));
}

static void read_array(const espalier_pickle_array *array, walk_list *list)
{
    espalier_pickle_view view;
    read_element(array, 0);
    read_element(array, array->form->element_count / 2);
    read_element(array, array->form->element_count - 1);
    read_element(array, array->form->element_count);
    for (uint64_t i = 0; i < array->form->element_count && i < ELEMENTS_READ_MAX; i++) {
        walk_later(list, espalier_pickle_array_item(array, i));
    }
    if (espalier_pickle_view_array(array, &view)) {
        read_view(&view);
    }
    for (uint32_t i = 0; i < array->form->dtype->field_count; i++) {
        const espalier_pickle_slice name = array->form->dtype->fields[i].name;
        char text[64];
        if (name.bytes < sizeof text) {
            memcpy(text, name.data, name.bytes);
            text[name.bytes] = '\0';
            if (espalier_pickle_view_field(array, text, &view)) {
                read_view(&view);
            }
        }
    }
    if (array->data != NULL && array->form->element_count != 0) {
        touch(array->data, 1);
        touch(array->data + array->form->element_count * array->form->dtype->item_bytes - 1, 1);
    }
}

static void read_value(const espalier_pickle *pickle, const espalier_pickle_value *value,
                       walk_list *list)
{
    bool truth;
    int64_t number;
    double real;
    espalier_pickle_slice slice;
    espalier_error error;
    const espalier_pickle_value *found = NULL;
    (void)espalier_pickle_get_bool(value, &truth);
    (void)espalier_pickle_get_int64(value, &number);
    (void)espalier_pickle_get_double(value, &real);
    if (espalier_pickle_get_text(value, &slice) || espalier_pickle_get_bytes(value, &slice)) {
        touch(slice.data, slice.bytes);
    }
    for (size_t i = 0; i < espalier_pickle_item_count(value) && i < ELEMENTS_READ_MAX; i++) {
        walk_later(list, espalier_pickle_item(value, i));
    }
    for (size_t i = 0; i < espalier_pickle_pair_count(value) && i < ELEMENTS_READ_MAX; i++) {
        walk_later(list, espalier_pickle_pair_key(value, i));
        walk_later(list, espalier_pickle_pair_value(value, i));
    }
    (void)espalier_pickle_find(pickle, value, "shape", &found, &error);
    (void)espalier_pickle_attribute(pickle, value, "tree_", &found, &error);
    walk_later(list, espalier_pickle_args(value));
    walk_later(list, espalier_pickle_kwargs(value));
    walk_later(list, espalier_pickle_callable(value));
    walk_later(list, espalier_pickle_state(value));
    require((espalier_pickle_symbol(value) != NULL) ==
            (espalier_pickle_kind_of(value) == ESPALIER_PICKLE_SYMBOL));
    (void)espalier_pickle_get_dtype(value);
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    if (array != NULL) {
        read_array(array, list);
    }
}

static void read_pickle(const espalier_container *container, bool flagged_allowed)
{
    const espalier_pickle_options options = {.source_name = "fuzz",
                                             .flagged_allowed = flagged_allowed,
                                             .memory_bytes_max = MEMORY_BYTES_MAX};
    espalier_pickle *pickle = NULL;
    espalier_error error;
    const espalier_status status =
        espalier_pickle_parse(container->data, (size_t)container->bytes, &options, &pickle, &error);
    if (status != ESPALIER_OK) {
        require(pickle == NULL && error.status == status && error.message[0] != '\0');
        return;
    }
    espalier_pickle_info info;
    espalier_pickle_info_get(pickle, &info);
    require(info.memory_bytes <= MEMORY_BYTES_MAX && info.consumed_bytes <= info.stream_bytes);
    for (size_t i = 0; i < espalier_pickle_name_count(pickle); i++) {
        const espalier_pickle_name *const name = espalier_pickle_name_at(pickle, i);
        touch(name->module.data, name->module.bytes);
        touch(name->name.data, name->name.bytes);
        require(flagged_allowed || name->policy != ESPALIER_NAME_FLAGGED);
        require(name->call_text == NULL || strlen(name->call_text) <= 200);
    }
    walk_list list;
    list.count = 0;
    walk_later(&list, espalier_pickle_root(pickle));
    for (size_t i = 0; i < list.count; i++) {
        read_value(pickle, list.values[i], &list);
    }
    espalier_pickle_free(pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const espalier_container_limits limits = {.expanded_bytes_max = EXPANDED_BYTES_MAX,
                                              .dictionary_bytes_max = DICTIONARY_BYTES_MAX};
    espalier_container container;
    espalier_error error;
    if (data == NULL || espalier_container_open_memory(data, bytes, "fuzz", &limits, &container,
                                                       &error) != ESPALIER_OK) {
        return 0;
    }
    read_pickle(&container, false);
    read_pickle(&container, true);
    espalier_container_close(&container);
    return 0;
}
