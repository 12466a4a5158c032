// SPDX-License-Identifier: Apache-2.0
/*
 * See view_names.h.
 */
#include "view_names.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Keys of all encoders together, 64 MiB: a file pays once for keys that many values may use. */
#define KEYS_MAX (UINT32_C(1) << 22)

typedef struct key_list {
    espalier_view_key *keys;
    uint32_t count;
    bool is_made;
} key_list;

struct espalier_view_names {
    const espalier_model *model;
    key_list *lists; /* [value_count], each made when it is asked for */
    uint32_t value_count;
    uint32_t keys_left;
};

espalier_view_names *espalier_view_names_create(const espalier_model *model)
{
    espalier_view_names *const names = calloc(1, sizeof *names);
    if (names == NULL) {
        return NULL;
    }
    names->model = model;
    names->value_count = espalier_model_value_count(model);
    names->keys_left = KEYS_MAX;
    names->lists = calloc(names->value_count, sizeof *names->lists);
    if (names->lists == NULL) {
        free(names);
        return NULL;
    }
    return names;
}

void espalier_view_names_destroy(espalier_view_names *names)
{
    for (uint32_t i = 0; names != NULL && i < names->value_count; i++) {
        free(names->lists[i].keys);
    }
    if (names != NULL) {
        free(names->lists);
    }
    free(names);
}

/* By number, then by category: which of two comes first does not depend on the sort. */
static int compare_keys(const void *left, const void *right)
{
    const espalier_view_key *const a = left;
    const espalier_view_key *const b = right;
    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    return (a->category > b->category) - (a->category < b->category);
}

static void make_list(espalier_view_names *names, uint32_t value_index, key_list *list)
{
    espalier_value_info value;
    list->is_made = true;
    if (espalier_model_value(names->model, value_index, &value) != ESPALIER_OK ||
        strcmp(value.operation, "index") != 0) {
        return;
    }
    const uint32_t category_count = espalier_model_category_count(names->model, value.input);
    const uint32_t key_count = category_count > 0 ? value.number_count / 2 : 0;
    uint32_t count = 0;
    if (key_count > names->keys_left) {
        return;
    }
    names->keys_left -= key_count;
    espalier_view_key *const keys = calloc((size_t)key_count + 1, sizeof *keys);
    for (uint32_t i = 0; keys != NULL && i < key_count; i++) {
        const double key = value.numbers[i];
        const double number = value.numbers[key_count + i];
        if (key >= 0.0 && key < (double)category_count && key == floor(key) && !isnan(number)) {
            keys[count++] = (espalier_view_key){number, (uint32_t)key};
        }
    }
    if (count > 1) {
        qsort(keys, count, sizeof *keys, compare_keys);
    }
    list->keys = keys;
    list->count = count;
}

uint32_t espalier_view_names_below(espalier_view_names *names, uint32_t value_index, double number,
                                   const espalier_view_key **keys_out)
{
    *keys_out = NULL;
    if (value_index >= names->value_count) {
        return 0;
    }
    key_list *const list = &names->lists[value_index];
    if (!list->is_made) {
        make_list(names, value_index, list);
    }
    uint32_t first = 0;
    uint32_t end = list->count;
    while (first < end) {
        const uint32_t middle = first + (end - first) / 2;
        if (list->keys[middle].number <= number) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    *keys_out = list->keys;
    return first;
}
