// SPDX-License-Identifier: Apache-2.0
/*
 * CATEGORIES: checked at open, then looked up as it lies. See category_lists.h.
 */
#include "engine/category_lists.h"

#include "engine/stages.h"
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below, at or above zero as a sorts before, with or behind b: by bytes, then by length. */
static int compare_texts(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    const size_t least = a_bytes < b_bytes ? a_bytes : b_bytes;
    const int order = least > 0 ? memcmp(a, b, least) : 0;
    return order != 0 ? order : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* The string at a place in a list's sorted order. */
static const char *sorted_text(const espalier_model *model, const espalier_file_category_list *list,
                               uint32_t place, size_t *bytes_out)
{
    const uint32_t number = model->category_order[list->first + place];
    return espalier_strings_at(&model->category_texts, list->first + number, bytes_out);
}

/* ---- checking ---- */

static espalier_status refuse_list(const espalier_table_check *check,
                                   const espalier_file_section *section, uint32_t rule,
                                   uint32_t index, const char *what)
{
    return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule, section->offset, "CATEGORIES",
                                 index, what);
}

/* Sorted and without doubles, so that every number of the list stands in its order once. */
static bool is_sorted(const espalier_model *model, const espalier_file_category_list *list)
{
    size_t before_bytes = 0;
    const char *before = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        if (model->category_order[list->first + i] >= list->count) {
            return false;
        }
        size_t bytes = 0;
        const char *const text = sorted_text(model, list, i, &bytes);
        if (i > 0 && compare_texts(before, before_bytes, text, bytes) >= 0) {
            return false;
        }
        before = text;
        before_bytes = bytes;
    }
    return true;
}

static espalier_status check_lists(const espalier_model *model, const espalier_table_check *check,
                                   const espalier_file_section *section)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < model->category_list_count; i++) {
        const espalier_file_category_list *const list = &model->category_lists[i];
        if (list->feature >= model->head->feature_count ||
            (i > 0 && list->feature <= list[-1].feature)) {
            return refuse_list(check, section, RULE_CATEGORIES_FEATURE, i,
                               "a feature that is not there, or not behind the one before");
        }
        if ((list->flags & ~ESPALIER_CATEGORY_REFUSE_UNKNOWN) != 0) {
            return refuse_list(check, section, RULE_CATEGORIES_FLAGS, i, "unknown flag");
        }
        if (list->first != next || list->count == 0 ||
            list->count > model->category_texts.count - next) {
            return refuse_list(check, section, RULE_CATEGORIES_RANGE, i,
                               "strings that are not there, or another's");
        }
        next += list->count;
        if (!is_sorted(model, list)) {
            return refuse_list(check, section, RULE_CATEGORIES_ORDER, i, "not sorted");
        }
    }
    return next == model->category_texts.count
               ? ESPALIER_OK
               : refuse_list(check, section, RULE_CATEGORIES_RANGE, 0, "strings of no feature");
}

espalier_status espalier_model_check_categories(espalier_model *model,
                                                const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_CATEGORIES);
    espalier_file_categories head = {0, 0};
    if (section == NULL) {
        return ESPALIER_OK;
    }
    const uint8_t *const data = model->file.bytes + section->offset;
    if (section->bytes >= sizeof head) {
        memcpy(&head, data, sizeof head);
    }
    const uint64_t lists_bytes = head.list_count * (uint64_t)sizeof(espalier_file_category_list);
    const uint64_t texts_at =
        sizeof head + lists_bytes + head.string_count * (uint64_t)sizeof(uint32_t);
    if (head.list_count == 0 || section->bytes < texts_at) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_CATEGORIES_BYTES,
                                  section->offset, "%s: section CATEGORIES has another size",
                                  check->name);
    }
    if (head.string_count > ESPALIER_LIMIT_CATEGORIES) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_CATEGORIES_LIMIT,
                                  section->offset, "%s: section CATEGORIES has too many strings",
                                  check->name);
    }
    const uint32_t rule = espalier_strings_find_fault(data + texts_at, section->bytes - texts_at,
                                                      head.string_count, RULE_CATEGORIES_BYTES);
    if (rule != 0) {
        return refuse_list(check, section, rule, 0, "damaged strings");
    }
    model->category_lists = (const void *)(data + sizeof head);
    model->category_list_count = head.list_count;
    model->category_order = (const void *)(data + sizeof head + lists_bytes);
    model->category_texts = espalier_strings_of(data + texts_at);
    return check_lists(model, check, section);
}

/* ---- looking up ---- */

const espalier_file_category_list *espalier_category_list_of(const espalier_model *model,
                                                             uint32_t feature)
{
    uint32_t low = 0;
    uint32_t high = model->category_list_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (model->category_lists[middle].feature < feature) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < model->category_list_count && model->category_lists[low].feature == feature
               ? &model->category_lists[low]
               : NULL;
}

/* ---- what nothing reads ---- */

/* Values that an operation computes come behind the features. */
static void mark_read(espalier_model *model, uint32_t value)
{
    if (value < model->head->feature_count) {
        model->dropped[value / 8] &= (uint8_t) ~(1u << value % 8);
    }
}

/* Models without a pipeline look at every row's features before their trees do. [F-518] */
espalier_status espalier_model_find_dropped(espalier_model *model,
                                            const espalier_table_check *check)
{
    const size_t bytes = (size_t)model->head->feature_count / 8 + 1;
    if (model->operation_count == 0 && (model->head->input_rule & ESPALIER_INPUT_CHOSEN) == 0) {
        return ESPALIER_OK;
    }
    model->dropped = malloc(bytes);
    if (model->dropped == NULL) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", check->name);
    }
    memset(model->dropped, UINT8_MAX, bytes);
    for (uint32_t i = 0; i < model->operation_count; i++) {
        mark_read(model, model->operations[i].input);
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        if (model->columns[i].kind != ESPALIER_COLUMN_LEAF) {
            mark_read(model, model->columns[i].feature);
        }
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        const uint32_t count = espalier_stage_takes_values(stage) ? stage->slot_count : 0;
        for (uint32_t k = 0; k < count; k++) {
            mark_read(model, (uint32_t)model->constants[stage->table + k]);
        }
    }
    return ESPALIER_OK;
}

bool espalier_feature_is_dropped(const espalier_model *model, uint32_t feature)
{
    return model->dropped != NULL && feature < model->head->feature_count &&
           (model->dropped[feature / 8] >> feature % 8 & 1u) != 0;
}

uint32_t espalier_category_find(const espalier_model *model,
                                const espalier_file_category_list *list, const char *text,
                                size_t bytes)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        size_t own_bytes = 0;
        const char *const own = sorted_text(model, list, middle, &own_bytes);
        const int order = compare_texts(own, own_bytes, text, bytes);
        if (order == 0) {
            return model->category_order[list->first + middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return list->count;
}

uint32_t espalier_model_category_count(const espalier_model *model, uint32_t feature_index)
{
    const espalier_file_category_list *const list =
        model != NULL ? espalier_category_list_of(model, feature_index) : NULL;
    return list != NULL ? list->count : 0;
}

const char *espalier_model_category(const espalier_model *model, uint32_t feature_index,
                                    uint32_t category_index, size_t *bytes_out)
{
    const espalier_file_category_list *const list =
        model != NULL ? espalier_category_list_of(model, feature_index) : NULL;
    if (list == NULL || category_index >= list->count || bytes_out == NULL) {
        return NULL;
    }
    return espalier_strings_at(&model->category_texts, list->first + category_index, bytes_out);
}

espalier_status espalier_model_category_number(const espalier_model *model, uint32_t feature_index,
                                               const char *text, size_t text_bytes,
                                               double *number_out)
{
    const espalier_file_category_list *const list =
        model != NULL ? espalier_category_list_of(model, feature_index) : NULL;
    if (model == NULL || (text == NULL && text_bytes > 0) || number_out == NULL ||
        (list == NULL && !espalier_feature_is_dropped(model, feature_index))) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (list == NULL) {
        *number_out = (double)NAN;
        return ESPALIER_OK;
    }
    const uint32_t found = espalier_category_find(model, list, text, text_bytes);
    if (found == list->count && (list->flags & ESPALIER_CATEGORY_REFUSE_UNKNOWN) != 0) {
        return ESPALIER_ERROR_CATEGORY;
    }
    *number_out = found < list->count ? (double)found : list->unknown;
    return ESPALIER_OK;
}
