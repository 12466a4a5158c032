// SPDX-License-Identifier: Apache-2.0
/*
 * See categories.h. Sources mostly give strings in order, so a new one mostly goes to the end of
 * the sorted numbers.
 */
#include "convert/categories.h"

#include "format/layout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What making room in the middle may cost in all; nobody honest comes near. */
#define MOVED_BYTES_MAX (UINT64_C(1) << 36)

/* Where the list of a feature is, or would be. */
static uint32_t find_place(const espalier_categories *categories, uint32_t feature)
{
    uint32_t low = 0;
    uint32_t high = categories->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (categories->lists[middle].feature < feature) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const espalier_category_list *espalier_categories_at(const espalier_categories *categories,
                                                     uint32_t feature)
{
    const uint32_t place = find_place(categories, feature);
    return place < categories->count && categories->lists[place].feature == feature
               ? &categories->lists[place]
               : NULL;
}

espalier_category_list *espalier_categories_of(espalier_categories *categories, uint32_t feature)
{
    const uint32_t place = find_place(categories, feature);
    if (place < categories->count && categories->lists[place].feature == feature) {
        return &categories->lists[place];
    }
    if (categories->count == categories->room) {
        const uint32_t room = categories->room == 0 ? 8 : categories->room * 2;
        espalier_category_list *const lists =
            categories->room < ESPALIER_LIMIT_FEATURES
                ? realloc(categories->lists, (size_t)room * sizeof *lists)
                : NULL;
        if (lists == NULL) {
            return NULL;
        }
        categories->lists = lists;
        categories->room = room;
    }
    memmove(categories->lists + place + 1, categories->lists + place,
            (categories->count - place) * sizeof *categories->lists);
    categories->count++;
    categories->lists[place] = (espalier_category_list){.feature = feature, .unknown = -1.0};
    return &categories->lists[place];
}

/* Where a string stands among the sorted ones, or would; *found_out: it is there. */
static uint32_t find_string(const espalier_category_list *list, const char *text, size_t bytes,
                            bool *found_out)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    *found_out = false;
    while (low < high && !*found_out) {
        const uint32_t middle = low + (high - low) / 2;
        const uint32_t number = list->order[middle];
        const size_t own = list->text_bytes[number];
        const int start = memcmp(list->texts[number], text, own < bytes ? own : bytes);
        const int order = start != 0 ? start : own < bytes ? -1 : own > bytes;
        *found_out = order == 0;
        if (order == 0) {
            low = middle;
        } else if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool make_room(espalier_category_list *list)
{
    if (list->count < list->room) {
        return true;
    }
    const uint32_t room = list->room == 0 ? 16 : list->room * 2;
    char **const texts = realloc(list->texts, room * sizeof *texts);
    list->texts = texts != NULL ? texts : list->texts;
    size_t *const bytes = texts != NULL ? realloc(list->text_bytes, room * sizeof *bytes) : NULL;
    list->text_bytes = bytes != NULL ? bytes : list->text_bytes;
    uint32_t *const order = bytes != NULL ? realloc(list->order, room * sizeof *order) : NULL;
    list->order = order != NULL ? order : list->order;
    list->room = order != NULL ? room : list->room;
    return order != NULL;
}

espalier_status espalier_categories_add(espalier_categories *categories, uint32_t feature,
                                        const char *text, size_t bytes, uint32_t *number_out)
{
    espalier_category_list *const list = espalier_categories_of(categories, feature);
    bool found = false;
    if (list == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    const uint32_t place = find_string(list, text, bytes, &found);
    if (found) {
        assert(list->order != NULL);
        *number_out = list->order[place];
        return ESPALIER_OK;
    }
    const uint64_t moved = (list->count - place) * (uint64_t)sizeof *list->order;
    if (categories->string_count == ESPALIER_LIMIT_CATEGORIES ||
        moved > MOVED_BYTES_MAX - categories->moved_bytes || bytes >= UINT32_MAX) {
        return ESPALIER_ERROR_LIMIT;
    }
    char *const copy = make_room(list) ? malloc(bytes + 1) : NULL;
    if (copy == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    memmove(list->order + place + 1, list->order + place, (size_t)moved);
    list->order[place] = list->count;
    list->texts[list->count] = copy;
    list->text_bytes[list->count] = bytes;
    *number_out = list->count++;
    categories->moved_bytes += moved;
    categories->string_count++;
    return ESPALIER_OK;
}

void espalier_categories_free(espalier_categories *categories)
{
    for (uint32_t i = 0; i < categories->count; i++) {
        espalier_category_list *const list = &categories->lists[i];
        for (uint32_t k = 0; k < list->count; k++) {
            free(list->texts[k]);
        }
        free(list->texts);
        free(list->text_bytes);
        free(list->order);
    }
    free(categories->lists);
    *categories = (espalier_categories){0};
}
