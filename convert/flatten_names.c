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
