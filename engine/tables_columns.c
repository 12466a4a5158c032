// SPDX-License-Identifier: Apache-2.0
/*
 * Checking COLUMNS at open: banks, kinds, and that every list of cuts lies inside CUTS. Reads
 * private memory only.
 */
#include "engine/cuts.h"
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

/* What is the same for every column of a kind. */
static const char *find_kind_fault(const espalier_model *model, uint32_t index, uint32_t *rule_out)
{
    const espalier_file_column *const column = &model->columns[index];
    const uint32_t bank_before = index > 0 ? model->columns[index - 1].bank : ESPALIER_BANK_WORD;
    *rule_out = RULE_COLUMN_BANK;
    if (column->bank < bank_before || column->bank > ESPALIER_BANK_SHORT) {
        return "unknown bank, or banks out of order";
    }
    const bool is_leaf = column->bank == ESPALIER_BANK_WORD &&
                         (index == 0 || (index == 1 && column->kind == ESPALIER_COLUMN_LEAF));
    *rule_out = RULE_COLUMN_KIND;
    const bool is_set = column->kind == ESPALIER_COLUMN_SET;
    if (is_leaf != (column->kind == ESPALIER_COLUMN_LEAF) ||
        (!is_leaf && !is_set && column->kind != ESPALIER_COLUMN_CODE &&
         (column->kind != ESPALIER_COLUMN_FEATURE || column->bank != ESPALIER_BANK_WORD))) {
        return "unknown kind, or the leaf column is not the first";
    }
    *rule_out = RULE_SET_PLACE;
    if (is_set ? column->bank != ESPALIER_BANK_WORD || column->missing != 0
               : index > 0 && model->columns[index - 1].kind == ESPALIER_COLUMN_SET &&
                     column->bank == ESPALIER_BANK_WORD) {
        return "sets that are not the last of bank WORD, or with a missing rule";
    }
    *rule_out = RULE_COLUMN_FEATURE;
    if (column->feature >= model->value_count || (is_leaf && column->feature != 0)) {
        return "feature out of range";
    }
    *rule_out = RULE_COLUMN_MISSING;
    if (column->missing > ESPALIER_MISSING_ZERO_LEFT || (is_leaf && column->missing != 0)) {
        return "unknown missing rule";
    }
    *rule_out = RULE_COLUMN_UNUSED;
    if (!is_set && column->kind != ESPALIER_COLUMN_CODE &&
        (column->first_cut != 0 || column->cut_count != 0 || column->segment != 0)) {
        return "cuts of a column that has none";
    }
    *rule_out = RULE_COLUMN_FLOAT32;
    if (column->kind == ESPALIER_COLUMN_FEATURE &&
        (model->head->input_rule & ESPALIER_INPUT_FLOAT32) == 0) {
        return "a feature as float32, where float64 is compared";
    }
    return NULL;
}

/* The cuts of a CODE or SET column. */
static const char *find_cuts_fault(const espalier_model *model, uint32_t index, uint64_t cuts_bytes,
                                   uint32_t *rule_out)
{
    const espalier_file_column *const column = &model->columns[index];
    *rule_out = RULE_COLUMN_CUTS;
    if (column->cut_count == 0 || column->cut_count > ESPALIER_LIMIT_CUTS) {
        return "number of cuts out of range";
    }
    const uint64_t bytes = espalier_cut_list_bytes(column->cut_count, espalier_cut_bytes(model));
    if (column->first_cut % ESPALIER_ALIGNMENT_MIN != 0 ||
        !espalier_in_range(column->first_cut, bytes, cuts_bytes)) {
        return "cuts out of range";
    }
    return NULL;
}

/* The segment of a CODE or SET column. */
static const char *find_segment_fault(const espalier_model *model, uint32_t index,
                                      uint32_t *rule_out)
{
    const espalier_file_column *const column = &model->columns[index];
    const bool is_set = column->kind == ESPALIER_COLUMN_SET;
    *rule_out = is_set ? RULE_SET_LIST : RULE_COLUMN_SEGMENT;
    if (column->segment == 0) {
        return NULL;
    }
    const espalier_file_column *const before = column - 1;
    if (!is_set &&
        (column->bank == ESPALIER_BANK_WORD ||
         column->segment > (column->cut_count - 1) / espalier_bank_code_max(column->bank))) {
        return "segment out of range";
    }
    if (index == 0 || before->kind != column->kind || before->bank != column->bank ||
        before->feature != column->feature || before->missing != column->missing ||
        before->first_cut != column->first_cut || before->cut_count != column->cut_count ||
        before->segment != column->segment - 1) {
        return "the segment before is not in front of it";
    }
    return NULL;
}

/* Finds where sets begin; the matrices of all lists fill SETS. */
static espalier_status check_sets(espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_SETS);
    const uint32_t count = model->banks[ESPALIER_BANK_WORD].count;
    uint64_t bytes = 0;
    model->set_first = count;
    for (uint32_t i = 0; i < count; i++) {
        if (model->columns[i].kind == ESPALIER_COLUMN_SET) {
            model->set_first = i < model->set_first ? i : model->set_first;
            bytes += espalier_set_bytes(model->columns[i].cut_count, 1);
        }
    }
    if (section != NULL && bytes != 0 && bytes != section->bytes) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_SETS_BYTES,
                                  section->offset,
                                  "%s: section SETS is not as long as its columns ask for",
                                  check->name);
    }
    return ESPALIER_OK;
}

/* Whether two neighbours are one but for where NaN goes. */
static bool is_pair(const espalier_file_column *right, const espalier_file_column *left)
{
    if (right->kind == ESPALIER_COLUMN_LEAF) {
        return left->kind == ESPALIER_COLUMN_LEAF;
    }
    return right->kind == left->kind && right->feature == left->feature &&
           right->first_cut == left->first_cut && right->cut_count == left->cut_count &&
           right->missing == ESPALIER_MISSING_RIGHT && left->missing == ESPALIER_MISSING_LEFT;
}

static bool is_paired(const espalier_model *model, const espalier_bank *bank)
{
    bool paired = bank->count % 2 == 0;
    for (uint32_t i = bank->first; paired && i < bank->first + bank->count; i += 2) {
        paired = is_pair(&model->columns[i], &model->columns[i + 1]);
    }
    return paired;
}

/* Counts the columns of every bank; BYTE and SHORT nodes can name no more than this. */
static espalier_status count_banks(espalier_model *model, const espalier_table_check *check)
{
    static const uint32_t count_max[ESPALIER_BANK_SHORT + 1] = {0, ESPALIER_LIMIT_COLUMNS,
                                                                UINT8_MAX + 1, UINT16_MAX + 1};
    uint32_t next = 0;
    for (uint32_t bank = ESPALIER_BANK_WORD; bank <= ESPALIER_BANK_SHORT; bank++) {
        espalier_bank *const own = &model->banks[bank];
        own->first = next;
        while (next < model->column_count && model->columns[next].bank == bank) {
            next++;
        }
        own->count = next - own->first;
        if (own->count > count_max[bank]) {
            return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_COLUMN_LIMIT,
                                      espalier_table_offset(model, &model->columns[own->first]),
                                      "%s: %u columns of codes of %u bytes; the limit is %u",
                                      check->name, (unsigned)own->count,
                                      bank == ESPALIER_BANK_BYTE ? 1u : 2u,
                                      (unsigned)count_max[bank]);
        }
        /* Kernels of byte columns take a node's byte as it is. */
        own->mask = bank == ESPALIER_BANK_BYTE ? UINT8_MAX : 0;
        while (own->count > own->mask && own->mask < own->count - 1) {
            own->mask = own->mask * 2 + 1;
        }
        own->paired = is_paired(model, own);
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_check_columns(espalier_model *model,
                                             const espalier_table_check *check)
{
    const espalier_file_section *const cuts =
        espalier_file_find(&model->file, ESPALIER_SECTION_CUTS);
    const uint64_t cuts_bytes = cuts != NULL ? cuts->bytes : 0;
    for (uint32_t i = 0; i < model->column_count; i++) {
        uint32_t rule = 0;
        const char *fault = find_kind_fault(model, i, &rule);
        if (fault == NULL && (model->columns[i].kind == ESPALIER_COLUMN_CODE ||
                              model->columns[i].kind == ESPALIER_COLUMN_SET)) {
            model->codes = true;
            fault = find_cuts_fault(model, i, cuts_bytes, &rule);
            fault = fault == NULL ? find_segment_fault(model, i, &rule) : fault;
        }
        if (fault != NULL) {
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, &model->columns[i]),
                                         "COLUMNS", i, fault);
        }
    }
    const espalier_status status = count_banks(model, check);
    return status == ESPALIER_OK ? check_sets(model, check) : status;
}
