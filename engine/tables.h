// SPDX-License-Identifier: Apache-2.0
/*
 * What the files that check a model's tables share: where they report to, and their order. Includes
 * engine/model.h and format/ only; nothing outside engine/tables*.c includes it.
 */
#ifndef ESPALIER_ENGINE_TABLES_H
#define ESPALIER_ENGINE_TABLES_H

#include "engine/model.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a record of a private table lies in the file. */
uint64_t espalier_table_offset(const espalier_model *model, const void *record);

/* Fills the error for record `index` of `table` and returns status. */
espalier_status espalier_table_refuse(const espalier_table_check *check, espalier_status status,
                                      uint32_t rule, uint64_t offset, const char *table,
                                      uint64_t index, const char *what);

/* PREPARATION; sets value_count, which without that section is the number of features. After
 * MODEL. */
espalier_status espalier_model_check_preparation(espalier_model *model,
                                                 const espalier_table_check *check);

/* CATEGORIES. After MODEL. */
espalier_status espalier_model_check_categories(espalier_model *model,
                                                const espalier_table_check *check);

/* A string table of exactly `bytes` bytes, 4-byte aligned, that must hold `count` strings: 0, or
 * the rule it breaks; count_rule where it holds another number. */
uint32_t espalier_strings_find_fault(const uint8_t *data, uint64_t bytes, uint32_t count,
                                     uint32_t count_rule);

/* A string table that was checked. */
espalier_strings espalier_strings_of(const uint8_t *data);

/* Columns, their banks and their cuts; sets model->banks. After PREPARATION. */
espalier_status espalier_model_check_columns(espalier_model *model,
                                             const espalier_table_check *check);

/* Parts and their trees, and what these add up to; sets readable_bytes, depth_max and
 * iteration_count. After the columns. */
espalier_status espalier_model_check_parts(espalier_model *model,
                                           const espalier_table_check *check);

/* Why a stage VALUES numbers features that there are not; NULL if it does not. */
const char *espalier_table_values_fault(const espalier_model *model,
                                        const espalier_file_stage *stage);

/* What is known of a part that LINEAR reads. */
#define LINEAR_PART_KNOWN   1u /* its sums are the numbers of its leaves */
#define LINEAR_PART_WRITTEN 2u /* an earlier step writes them */

/*
 * The same of a stage LINEAR, whose constants exist. known[part_count]: parts that were looked at;
 * work_left: products that linear leaves may still ask for, lessened by this one's.
 */
const char *espalier_table_linear_fault(const espalier_model *model,
                                        const espalier_file_stage *stage, uint8_t *known,
                                        uint64_t *work_left, uint32_t *rule_out);

/* The size of LINEAR; sets linear_leaf_count and linear_term_count. After the stages. */
espalier_status espalier_model_check_linear(espalier_model *model,
                                            const espalier_table_check *check);

/* True when each constant equals a float32 or is NaN. */
bool espalier_constants_are_float32(const double *constants, uint32_t count);

/* True when [first, first + count) lies in [0, total). */
static inline bool espalier_in_range(uint64_t first, uint64_t count, uint64_t total)
{
    return first <= total && count <= total - first;
}

#endif
