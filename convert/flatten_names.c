// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten_names.h. Sizes are added up first, then one block is filled.
 */
#include "convert/flatten_names.h"

#include <stdlib.h>
#include <string.h>

/* CLASS_LABELS begins with the group count and a reserved word. */
#define LABELS_HEAD_BYTES 8u

/* A list of strings; byte counts NULL: they end at their NUL. */
typedef struct string_list {
    char *const *texts;
    const size_t *text_bytes;
    uint32_t count;
} string_list;

static size_t measure_string(const string_list *list, uint32_t index)
{
    return list->text_bytes != NULL ? list->text_bytes[index] : strlen(list->texts[index]);
}

/* Bytes of the string table, 0 when its text does not fit 32 bits. */
static uint64_t measure_strings(const string_list *list)
{
    uint64_t text_bytes = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        text_bytes += measure_string(list, i) + 1;
        if (text_bytes > UINT32_MAX) {
            return 0;
        }
    }
    return sizeof(espalier_file_strings) + list->count * sizeof(uint32_t) + text_bytes;
}

static void fill_strings(const string_list *list, uint8_t *place, uint64_t bytes)
{
    const uint64_t text_at = sizeof(espalier_file_strings) + list->count * sizeof(uint32_t);
    const espalier_file_strings head = {list->count, (uint32_t)(bytes - text_at)};
    memcpy(place, &head, sizeof head);
    uint32_t end = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const size_t length = measure_string(list, i);
        memcpy(place + text_at + end, list->texts[i], length);
        place[text_at + end + length] = '\0';
        end += (uint32_t)length + 1;
        memcpy(place + sizeof head + i * sizeof end, &end, sizeof end);
    }
}

espalier_status espalier_flatten_feature_names(const espalier_forest *forest,
                                               espalier_flat_bytes *section_out)
{
    if (forest->feature_names == NULL) {
        return ESPALIER_OK;
    }
    const string_list list = {forest->feature_names, NULL, forest->feature_count};
    const uint64_t bytes = measure_strings(&list);
    if (bytes == 0) {
        return ESPALIER_ERROR_LIMIT;
    }
    uint8_t *const data = malloc(bytes);
    if (data == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    fill_strings(&list, data, bytes);
    *section_out = (espalier_flat_bytes){data, bytes};
    return ESPALIER_OK;
}

/* The strings of all features behind each other. */
static espalier_status gather_categories(const espalier_categories *categories, char ***texts_out,
                                         size_t **bytes_out)
{
    char **const texts = malloc((size_t)categories->string_count * sizeof *texts + 1);
    size_t *const bytes = malloc((size_t)categories->string_count * sizeof *bytes + 1);
    uint32_t next = 0;
    if (texts == NULL || bytes == NULL) {
        free(texts);
        free(bytes);
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < categories->count; i++) {
        const espalier_category_list *const list = &categories->lists[i];
        for (uint32_t k = 0; k < list->count; k++) {
            texts[next] = list->texts[k];
            bytes[next++] = list->text_bytes[k];
        }
    }
    *texts_out = texts;
    *bytes_out = bytes;
    return ESPALIER_OK;
}

/* The lists that have strings, and their orders. */
static void fill_lists(const espalier_categories *categories, uint32_t list_count, uint8_t *data)
{
    const espalier_file_categories head = {list_count, categories->string_count};
    uint8_t *place = data + sizeof head;
    uint8_t *order = place + list_count * sizeof(espalier_file_category_list);
    uint32_t first = 0;
    memcpy(data, &head, sizeof head);
    for (uint32_t i = 0; i < categories->count; i++) {
        const espalier_category_list *const list = &categories->lists[i];
        const espalier_file_category_list record = {
            .feature = list->feature,
            .flags = list->refuses ? ESPALIER_CATEGORY_REFUSE_UNKNOWN : 0,
            .first = first,
            .count = list->count,
            .unknown = list->unknown,
        };
        if (list->count == 0) {
            continue;
        }
        memcpy(place, &record, sizeof record);
        memcpy(order, list->order, list->count * sizeof *list->order);
        place += sizeof record;
        order += list->count * sizeof *list->order;
        first += list->count;
    }
}

espalier_status espalier_flatten_categories(const espalier_forest *forest,
                                            espalier_flat_bytes *section_out)
{
    const espalier_categories *const categories = &forest->categories;
    string_list list = {NULL, NULL, categories->string_count};
    char **texts = NULL;
    size_t *text_bytes = NULL;
    uint32_t list_count = 0;
    if (categories->string_count == 0) {
        return ESPALIER_OK;
    }
    espalier_status status = gather_categories(categories, &texts, &text_bytes);
    if (status != ESPALIER_OK) {
        return status;
    }
    list.texts = texts;
    list.text_bytes = text_bytes;
    for (uint32_t i = 0; i < categories->count; i++) {
        list_count += categories->lists[i].count > 0;
    }
    const uint64_t texts_at = sizeof(espalier_file_categories) +
                              list_count * sizeof(espalier_file_category_list) +
                              list.count * sizeof(uint32_t);
    const uint64_t bytes = measure_strings(&list);
    uint8_t *const data = bytes != 0 ? malloc(texts_at + bytes) : NULL;
    if (data != NULL) {
        fill_lists(categories, list_count, data);
        fill_strings(&list, data + texts_at, bytes);
        *section_out = (espalier_flat_bytes){data, texts_at + bytes};
    } else {
        status = bytes == 0 ? ESPALIER_ERROR_LIMIT : ESPALIER_ERROR_MEMORY;
    }
    free(texts);
    free(text_bytes);
    return status;
}

static string_list strings_of(const espalier_forest_labels *labels)
{
    const string_list list = {labels->texts, labels->text_bytes, labels->count};
    return list;
}

/* Bytes of one group's data, 0 when they do not fit. */
static uint64_t measure_labels(const espalier_forest_labels *labels)
{
    if (labels->kind != ESPALIER_LABEL_STRING) {
        return (uint64_t)labels->count * sizeof(uint64_t);
    }
    const string_list list = strings_of(labels);
    return measure_strings(&list);
}

static uint64_t align_labels(uint64_t offset)
{
    return (offset + 7) & ~UINT64_C(7);
}

espalier_status espalier_flatten_labels(const espalier_forest *forest,
                                        espalier_flat_bytes *section_out)
{
    const bool has_classes =
        forest->task == ESPALIER_FOREST_TASK_PLAN
            ? forest->labels != NULL
            : forest->classifier && forest->task == ESPALIER_FOREST_TASK_FOREST;
    if (!has_classes) {
        return ESPALIER_OK;
    }
    const uint64_t records_end =
        LABELS_HEAD_BYTES + forest->group_count * (uint64_t)sizeof(espalier_file_labels);
    uint64_t bytes = records_end;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        const uint64_t data_bytes = measure_labels(&forest->labels[group]);
        bytes = align_labels(bytes) + data_bytes;
        if (data_bytes == 0 || bytes > ESPALIER_LIMIT_PRIVATE_BYTES) {
            return ESPALIER_ERROR_LIMIT;
        }
    }
    uint8_t *const data = calloc(1, bytes);
    if (data == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    memcpy(data, &forest->group_count, sizeof forest->group_count);
    uint64_t end = records_end;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        const espalier_forest_labels *const labels = &forest->labels[group];
        const espalier_file_labels record = {
            .kind = (uint32_t)labels->kind,
            .item_bytes = labels->item_bytes,
            .count = labels->count,
            .offset = align_labels(end),
            .bytes = measure_labels(labels),
        };
        memcpy(data + LABELS_HEAD_BYTES + group * sizeof record, &record, sizeof record);
        if (labels->kind == ESPALIER_LABEL_STRING) {
            const string_list list = strings_of(labels);
            fill_strings(&list, data + record.offset, record.bytes);
        } else {
            memcpy(data + record.offset, labels->numbers, record.bytes);
        }
        end = record.offset + record.bytes;
    }
    *section_out = (espalier_flat_bytes){data, bytes};
    return ESPALIER_OK;
}
