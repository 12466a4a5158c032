// SPDX-License-Identifier: Apache-2.0
/*
 * The O(file) check that a model's bytes are the right ones: what open leaves out because it is
 * safe without. Bounds first all the same: the file may change while it is verified.
 */
#include "engine/verify.h"

#include "engine/text_check.h"
#include "format/checksum.h"
#include "format/error.h"
#include "format/rules.h"

#include <string.h>

espalier_status espalier_verify_no_memory(const espalier_verify *v)
{
    return espalier_error_set(v->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "%s: no memory to verify", v->name);
}

/* Where the zeroes of [at, end) end: files of few trees are mostly padding. */
static uint64_t zeroes_end(const uint8_t *bytes, uint64_t at, uint64_t end)
{
    uint64_t word = 0;
    while (word == 0 && end - at >= sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        at += word == 0 ? sizeof word : 0;
    }
    while (at < end && bytes[at] == 0) {
        at++;
    }
    return at;
}

/* Zero padding and checksums of every section, private ones too: the mapping must agree. */
static espalier_status verify_sections(const espalier_verify *v)
{
    const espalier_file *const file = &v->model->file;
    uint64_t end =
        sizeof(espalier_file_header) + file->section_count * sizeof(espalier_file_section);
    for (uint32_t i = 0; i <= file->section_count; i++) {
        const espalier_file_section *const section =
            i < file->section_count ? espalier_file_section_at(file, i) : NULL;
        const uint64_t offset = section != NULL ? section->offset : file->file_bytes;
        const uint64_t fault = zeroes_end(v->model->map.base, end, offset);
        if (fault != offset) {
            return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_PADDING_ZERO,
                                      fault, "%s: padding before section %u is not zero", v->name,
                                      (unsigned)i);
        }
        if (section == NULL) {
            break;
        }
        const espalier_checksum128 checksum =
            espalier_checksum128_of(espalier_verify_data(v, section), (size_t)section->bytes);
        if (checksum.low != section->checksum_low || checksum.high != section->checksum_high) {
            return espalier_error_set(v->error_out, ESPALIER_ERROR_CHECKSUM, RULE_SECTION_CHECKSUM,
                                      offset, "%s: section %u (%s): checksum differs", v->name,
                                      (unsigned)i, espalier_section_name(section->type));
        }
        end = section->offset + section->bytes;
    }
    return ESPALIER_OK;
}

static espalier_status verify_leaves(const espalier_verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_LEAVES);
    uint64_t end = 0;
    for (uint32_t p = 0; p < v->model->part_count; p++) {
        const espalier_file_part *const part = &v->model->parts[p];
        const uint64_t part_end = part->leaf_offset + (uint64_t)part->leaf_count *
                                                          part->leaf_width *
                                                          espalier_part_value_bytes(part);
        end = part_end > end ? part_end : end;
    }
    if (end != section->bytes) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LEAVES_BYTES,
                                  section->offset, "%s: section LEAVES is not what its parts use",
                                  v->name);
    }
    return ESPALIER_OK;
}

static bool strings_are_utf8(const espalier_strings *strings)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        size_t bytes = 0;
        const char *const text = espalier_strings_at(strings, i, &bytes);
        if (!espalier_text_is_utf8(text, bytes)) {
            return false;
        }
    }
    return true;
}

static espalier_status verify_labels(const espalier_verify *v)
{
    const espalier_model *const model = v->model;
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_CLASS_LABELS);
    uint64_t end = 8 + (uint64_t)model->label_group_count * sizeof(espalier_file_labels);
    for (uint32_t group = 0; group < model->label_group_count; group++) {
        const espalier_file_labels *const labels = espalier_model_label_group(model, group);
        if (labels->offset - end >= 8) {
            return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                      section->offset, "%s: section CLASS_LABELS has a hole",
                                      v->name);
        }
        for (; end < labels->offset; end++) {
            if (model->labels[end] != 0) {
                return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                          section->offset + end,
                                          "%s: padding in section CLASS_LABELS is not zero",
                                          v->name);
            }
        }
        end += labels->bytes;
        for (uint32_t i = 0; labels->kind == ESPALIER_LABEL_STRING && i < labels->count; i++) {
            espalier_label label;
            (void)espalier_model_class_label(model, group, i, &label);
            if (!espalier_text_is_utf8(label.text, label.text_bytes)) {
                return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_STRINGS_UTF8,
                                          section->offset, "%s: a class label is not UTF-8",
                                          v->name);
            }
        }
    }
    if (section != NULL && end != section->bytes) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_LABEL_END,
                                  section->offset, "%s: section CLASS_LABELS ends elsewhere",
                                  v->name);
    }
    if (!strings_are_utf8(&model->category_texts)) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_STRINGS_UTF8,
                                  ESPALIER_OFFSET_NONE, "%s: a category is not UTF-8", v->name);
    }
    if (!strings_are_utf8(&model->feature_names)) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_STRINGS_UTF8,
                                  ESPALIER_OFFSET_NONE, "%s: a feature name is not UTF-8", v->name);
    }
    return ESPALIER_OK;
}

static espalier_status verify_metadata(const espalier_verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_METADATA);
    if (section != NULL &&
        !espalier_text_is_json_object((const char *)espalier_verify_data(v, section),
                                      (size_t)section->bytes)) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_METADATA,
                                  section->offset, "%s: section METADATA is not a JSON object",
                                  v->name);
    }
    return ESPALIER_OK;
}

static espalier_status verify_proof(const espalier_verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_PROOF);
    if (section == NULL) {
        return ESPALIER_OK;
    }
    espalier_file_proof proof;
    if (section->bytes != sizeof proof) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                                  section->offset, "%s: section PROOF is not one record", v->name);
    }
    memcpy(&proof, espalier_verify_data(v, section), sizeof proof);
    const bool none = proof.check_rows == 0;
    const bool empty = proof.check_values == 0 && proof.check_differing == 0 &&
                       proof.check_ulp_max == 0 && proof.check_kind == 0 && proof.check_cause == 0;
    const bool kind_known = proof.check_kind == 0 || (proof.check_kind >= ESPALIER_OUTPUT_MARGIN &&
                                                      proof.check_kind <= ESPALIER_OUTPUT_SCORE);
    if ((none && !empty) || !kind_known || proof.check_cause > ESPALIER_CHECK_UNKNOWN ||
        proof.check_differing > proof.check_values) {
        return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_PROOF, section->offset,
                                  "%s: section PROOF contradicts itself", v->name);
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_verify_named(const espalier_model *model, const char *name,
                                            espalier_error *error_out)
{
    const espalier_verify v = {model, name, error_out};
    espalier_status (*const checks[])(const espalier_verify *) = {
        verify_sections,       verify_leaves,          espalier_verify_preparation,
        espalier_verify_cuts,  espalier_verify_trees,  espalier_verify_linear,
        verify_labels,         verify_metadata,        verify_proof,
        espalier_verify_cover, espalier_verify_golden,
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const espalier_status status = checks[i](&v);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_verify(const espalier_model *model, espalier_error *error_out)
{
    if (model == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_verify: NULL model");
    }
    return espalier_model_verify_named(model, model->name, error_out);
}
