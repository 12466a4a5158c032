// SPDX-License-Identifier: Apache-2.0
/*
 * Feature names and class labels: checked at open in private memory, then handed out as they lie.
 */
#include "engine/model.h"
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

#include <stdbool.h>
#include <string.h>

static espalier_status refuse_section(const espalier_table_check *check,
                                      const espalier_file_section *section, uint32_t rule,
                                      const char *what)
{
    return espalier_error_set(check->error_out, ESPALIER_ERROR_VALUE, rule, section->offset,
                              "%s: section %s: %s", check->name,
                              espalier_section_name(section->type), what);
}

uint32_t espalier_strings_find_fault(const uint8_t *data, uint64_t bytes, uint32_t count,
                                     uint32_t count_rule)
{
    const espalier_file_strings *const header = (const void *)data;
    if (bytes < sizeof *header) {
        return RULE_STRINGS_BYTES;
    }
    if (header->count != count) {
        return count_rule;
    }
    if (bytes != sizeof *header + (uint64_t)count * sizeof(uint32_t) + header->text_bytes) {
        return RULE_STRINGS_BYTES;
    }
    const uint32_t *const ends = (const void *)(data + sizeof *header);
    const char *const text = (const char *)(ends + count);
    uint32_t begin = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ends[i] <= begin || ends[i] > header->text_bytes || text[ends[i] - 1] != '\0') {
            return RULE_STRINGS_ENDS;
        }
        begin = ends[i];
    }
    return begin == header->text_bytes ? 0 : RULE_STRINGS_ENDS;
}

espalier_strings espalier_strings_of(const uint8_t *data)
{
    const espalier_file_strings *const header = (const void *)data;
    const uint32_t *const ends = (const void *)(data + sizeof *header);
    const espalier_strings strings = {header->count, ends, (const char *)(ends + header->count)};
    return strings;
}

const char *espalier_strings_at(const espalier_strings *strings, uint32_t index, size_t *bytes_out)
{
    const uint32_t begin = index > 0 ? strings->ends[index - 1] : 0;
    *bytes_out = strings->ends[index] - begin - 1;
    return strings->text + begin;
}

/* A CLASS_LABELS section: group count, reserved, then the records. */
#define LABELS_HEADER_BYTES 8u

const espalier_file_labels *espalier_model_label_group(const espalier_model *model, uint32_t group)
{
    const void *const records = model->labels + LABELS_HEADER_BYTES;
    return (const espalier_file_labels *)records + group;
}

static bool item_bytes_allowed(const espalier_file_labels *labels)
{
    const uint32_t bytes = labels->item_bytes;
    switch (labels->kind) {
    case ESPALIER_LABEL_INT:
    case ESPALIER_LABEL_UINT:
        return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    case ESPALIER_LABEL_FLOAT:
        return bytes == 2 || bytes == 4 || bytes == 8;
    case ESPALIER_LABEL_BOOL:
        return bytes == 1;
    case ESPALIER_LABEL_STRING:
        return bytes >= 4 && bytes % 4 == 0;
    default:
        return false;
    }
}

/* The rule that one group of labels breaks, or 0. data_begin: where the data before it end. */
static uint32_t find_labels_fault(const uint8_t *section, uint64_t section_bytes,
                                  uint64_t data_begin, const espalier_file_labels *labels)
{
    if (labels->kind < ESPALIER_LABEL_INT || labels->kind > ESPALIER_LABEL_STRING) {
        return RULE_LABEL_KIND;
    }
    if (!item_bytes_allowed(labels)) {
        return RULE_LABEL_ITEM_BYTES;
    }
    if (labels->reserved != 0) {
        return RULE_RESERVED;
    }
    if (labels->count == 0) {
        return RULE_LABEL_COUNT;
    }
    if (labels->offset % 8 != 0 || labels->offset < data_begin || labels->offset > section_bytes ||
        labels->bytes > section_bytes - labels->offset) {
        return RULE_LABEL_OFFSET;
    }
    if (labels->kind == ESPALIER_LABEL_STRING) {
        return espalier_strings_find_fault(section + labels->offset, labels->bytes, labels->count,
                                           RULE_LABEL_BYTES);
    }
    if (labels->bytes != (uint64_t)labels->count * 8) {
        return RULE_LABEL_BYTES;
    }
    const uint64_t *const values = (const void *)(section + labels->offset);
    for (uint32_t i = 0; labels->kind == ESPALIER_LABEL_BOOL && i < labels->count; i++) {
        if (values[i] > 1) {
            return RULE_LABEL_BOOL;
        }
    }
    return 0;
}

/* As many slots as the group has labels; or one that decides between two. */
static bool labels_fit(const espalier_file_output *output, uint32_t label_count)
{
    const bool is_class = output->kind == ESPALIER_OUTPUT_CLASS;
    const bool is_between_two =
        is_class ? output->decision > ESPALIER_DECISION_LAST_MAXIMUM : output->slot_count == 1;
    return is_between_two ? label_count == 2 || (!is_class && label_count == 1)
                          : output->slot_count == label_count;
}

static bool labels_fit_outputs(const espalier_model *model)
{
    bool classes = false, probabilities = false;
    for (uint32_t i = 0; i < model->output_count; i++) {
        const espalier_file_output *const output = &model->outputs[i];
        const bool is_class = output->kind == ESPALIER_OUTPUT_CLASS;
        const bool is_probability = output->kind == ESPALIER_OUTPUT_PROBABILITY;
        classes = classes || is_class;
        probabilities = probabilities || is_probability;
        if ((is_class || is_probability) && model->labels != NULL &&
            !labels_fit(output, espalier_model_label_group(model, output->group)->count)) {
            return false;
        }
    }
    return classes || !probabilities;
}

static espalier_status check_labels(espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_CLASS_LABELS);
    if (section != NULL) {
        const uint8_t *const data = model->file.bytes + section->offset;
        uint32_t head[2] = {0, 0};
        if (section->bytes >= sizeof head) {
            memcpy(head, data, sizeof head);
        }
        uint64_t end = sizeof head + (uint64_t)head[0] * sizeof(espalier_file_labels);
        if (head[0] != model->head->group_count || head[1] != 0 || section->bytes < end) {
            return refuse_section(check, section, RULE_LABEL_GROUPS, "wrong number of groups");
        }
        model->labels = data;
        model->label_group_count = head[0];
        for (uint32_t i = 0; i < head[0]; i++) {
            const espalier_file_labels *const labels = espalier_model_label_group(model, i);
            const uint32_t rule = find_labels_fault(data, section->bytes, end, labels);
            if (rule != 0) {
                return refuse_section(check, section, rule, "damaged labels");
            }
            end = labels->offset + labels->bytes;
        }
    }
    if (!labels_fit_outputs(model)) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_VALUE, RULE_OUTPUT_LABELS,
                                  ESPALIER_OFFSET_NONE,
                                  "%s: outputs and class labels do not fit each other",
                                  check->name);
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_check_names(espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_FEATURE_NAMES);
    if (section != NULL) {
        const uint8_t *const data = model->file.bytes + section->offset;
        const uint32_t rule =
            espalier_strings_find_fault(data, section->bytes, model->head->feature_count,
                                        RULE_FEATURE_NAMES);
        if (rule != 0) {
            return refuse_section(check, section, rule, "damaged names");
        }
        model->feature_names = espalier_strings_of(data);
    }
    return check_labels(model, check);
}

const char *espalier_model_feature_name(const espalier_model *model, uint32_t feature_index)
{
    if (model == NULL || feature_index >= model->feature_names.count) {
        return NULL;
    }
    size_t bytes = 0;
    return espalier_strings_at(&model->feature_names, feature_index, &bytes);
}

static bool is_name(const espalier_model *model, uint32_t feature, const char *name)
{
    size_t bytes = 0;
    const char *const own = espalier_strings_at(&model->feature_names, feature, &bytes);
    /* A name of the file may hold a NUL, and be as long as the file likes: nothing is looked at
     * behind the caller's end, nor the whole of a name that begins otherwise. */
    return name != NULL && strcmp(own, name) == 0 && strlen(own) == bytes;
}

/* From the place behind the last one found on, and around: names mostly come in order. */
static size_t find_name(const espalier_model *model, uint32_t feature, const char *const *names,
                        size_t name_count, size_t start)
{
    for (size_t i = 0; i < name_count; i++) {
        const size_t index = i < name_count - start ? start + i : i - (name_count - start);
        if (is_name(model, feature, names[index])) {
            return index;
        }
    }
    return name_count;
}

espalier_status espalier_model_feature_order(const espalier_model *model, const char *const *names,
                                             size_t name_count, size_t *order_out,
                                             uint32_t *missing_out)
{
    if (model == NULL || names == NULL || order_out == NULL || model->feature_names.count == 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    /* Twice, so that a failure leaves the caller's array as it was. */
    for (int writes = 0; writes < 2; writes++) {
        size_t start = 0;
        for (uint32_t f = 0; f < model->feature_names.count; f++) {
            const size_t index = find_name(model, f, names, name_count, start);
            if (index == name_count) {
                if (missing_out != NULL) {
                    *missing_out = f;
                }
                return ESPALIER_ERROR_FEATURE_COUNT;
            }
            if (writes != 0) {
                order_out[f] = index;
            }
            start = (index + 1) % name_count;
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_labels(const espalier_model *model, uint32_t output_index,
                                      espalier_label_info *labels_out)
{
    if (model == NULL || labels_out == NULL || output_index >= model->label_group_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_labels *const labels = espalier_model_label_group(model, output_index);
    *labels_out = (espalier_label_info){labels->kind, labels->item_bytes, labels->count, 0};
    return ESPALIER_OK;
}

espalier_status espalier_model_class_label(const espalier_model *model, uint32_t output_index,
                                           uint32_t class_index, espalier_label *label_out)
{
    if (model == NULL || label_out == NULL || output_index >= model->label_group_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_labels *const labels = espalier_model_label_group(model, output_index);
    if (class_index >= labels->count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const uint8_t *const data = model->labels + labels->offset;
    espalier_label label = {labels->kind, 0, 0, 0.0, NULL, 0};
    if (labels->kind == ESPALIER_LABEL_STRING) {
        /* Checked at open, in private memory that does not change. */
        const espalier_strings strings = espalier_strings_of(data);
        label.text = espalier_strings_at(&strings, class_index, &label.text_bytes);
    } else if (labels->kind == ESPALIER_LABEL_FLOAT) {
        memcpy(&label.real, data + (size_t)class_index * 8, sizeof label.real);
    } else {
        memcpy(&label.integer, data + (size_t)class_index * 8, sizeof label.integer);
    }
    *label_out = label;
    return ESPALIER_OK;
}
