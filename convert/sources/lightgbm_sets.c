// SPDX-License-Identifier: Apache-2.0
/*
 * Splits on categories of a LightGBM text model: bit fields (cat_threshold), one behind the other,
 * where each begins (cat_boundaries), and which one a node asks (its threshold). A category whose
 * bit is set goes left; all else, also what is missing, goes right. See lightgbm_internal.h.
 */
#include "convert/sources/lightgbm_internal.h"

#include "convert/sets.h"

#include <inttypes.h>
#include <stdlib.h>

#define WORD_BITS 32u

static espalier_status take(espalier_lightgbm_import *import, espalier_lightgbm_fields *fields,
                            uint64_t count, uint32_t **out)
{
    void *memory = NULL;
    const espalier_status status = espalier_lightgbm_allocate(import, count, sizeof **out, &memory);
    fields->bytes += status == ESPALIER_OK ? count * sizeof **out : 0;
    *out = memory;
    return status;
}

/* Integers from 0 to UINT32_MAX. */
static espalier_status read_words(const espalier_lightgbm_import *import,
                                  const espalier_text_slice *value, const char *key, uint32_t count,
                                  uint32_t *words)
{
    espalier_text_slice rest = *value;
    espalier_text_slice word;
    espalier_status status = espalier_lightgbm_words(import, value, key, count);
    for (uint32_t i = 0; status == ESPALIER_OK && i < count; i++) {
        int64_t number = 0;
        (void)espalier_text_word(&rest, &word);
        status = espalier_lightgbm_integer(import, &word, key, 0, UINT32_MAX, &number);
        words[i] = (uint32_t)number;
    }
    return status;
}

/* Bit fields follow each other from the first word on, and none is longer than all words. */
static espalier_status check_boundaries(const espalier_lightgbm_import *import,
                                        const espalier_lightgbm_block *block,
                                        const espalier_lightgbm_fields *fields)
{
    for (uint32_t i = 0; i <= fields->field_count; i++) {
        const bool in_order = i == 0 ? fields->boundaries[i] == 0
                                     : fields->boundaries[i] >= fields->boundaries[i - 1];
        if (!in_order || fields->boundaries[i] > fields->word_count) {
            return espalier_lightgbm_fail(import, &block->cat_boundaries,
                                          ESPALIER_ERROR_SOURCE_TREE,
                                          "cat_boundaries[%" PRIu32 "] is %" PRIu32
                                          ", out of order or of %" PRIu32 " words",
                                          i, fields->boundaries[i], fields->word_count);
        }
    }
    return ESPALIER_OK;
}

/* The categories of a field; NULL: only counts them. */
static uint64_t list_members(const espalier_lightgbm_fields *fields, uint32_t field,
                             uint32_t *members)
{
    const uint32_t first = fields->boundaries[field];
    uint64_t count = 0;
    for (uint32_t i = first; i < fields->boundaries[field + 1]; i++) {
        for (uint32_t word = fields->words[i]; word != 0; word &= word - 1) {
            if (members != NULL) {
                members[count] = (i - first) * WORD_BITS + (uint32_t)__builtin_ctz(word);
            }
            count++;
        }
    }
    return count;
}

/* forest->set, charged here. */
static espalier_status make_set(espalier_lightgbm_import *import)
{
    espalier_forest *const forest = import->forest;
    if (forest->set != NULL) {
        return ESPALIER_OK;
    }
    const uint64_t bytes = forest->node_count * sizeof *forest->set;
    const espalier_status status = espalier_lightgbm_charge(import, bytes);
    return status != ESPALIER_OK || espalier_forest_reserve_sets(forest)
               ? status
               : espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                        "no memory for %" PRIu64 " bytes", bytes);
}

espalier_status espalier_lightgbm_open_fields(espalier_lightgbm_import *import,
                                              const espalier_lightgbm_block *block,
                                              espalier_lightgbm_fields *fields)
{
    uint64_t members_max = 0;
    const uint64_t word_count = espalier_text_word_count(&block->cat_threshold);
    fields->field_count = block->cat_count_number;
    if (word_count > UINT32_MAX / WORD_BITS / 2) {
        return espalier_lightgbm_fail(import, &block->cat_threshold, ESPALIER_ERROR_SOURCE_LIMIT,
                                      "cat_threshold has %" PRIu64 " words", word_count);
    }
    fields->word_count = (uint32_t)word_count;
    espalier_status status = make_set(import);
    if (status == ESPALIER_OK) {
        status = take(import, fields, (uint64_t)fields->field_count + 1, &fields->boundaries);
    }
    if (status == ESPALIER_OK) {
        status = take(import, fields, word_count, &fields->words);
    }
    if (status == ESPALIER_OK) {
        status = read_words(import, &block->cat_boundaries, "cat_boundaries",
                            fields->field_count + 1, fields->boundaries);
    }
    if (status == ESPALIER_OK) {
        status = read_words(import, &block->cat_threshold, "cat_threshold", fields->word_count,
                            fields->words);
    }
    if (status == ESPALIER_OK) {
        status = check_boundaries(import, block, fields);
    }
    for (uint32_t i = 0; status == ESPALIER_OK && i < fields->field_count; i++) {
        const uint64_t count = list_members(fields, i, NULL);
        members_max = count > members_max ? count : members_max;
    }
    return status == ESPALIER_OK ? take(import, fields, members_max, &fields->members) : status;
}

/* The set of node `at`, which keeps the number of its field where others have a threshold. */
espalier_status espalier_lightgbm_add_set(espalier_lightgbm_import *import,
                                          const espalier_lightgbm_block *block,
                                          const espalier_lightgbm_fields *fields, uint32_t node,
                                          uint64_t at)
{
    espalier_forest *const forest = import->forest;
    const double field = forest->threshold[at];
    if (!(field >= 0.0 && field < (double)fields->field_count)) {
        return espalier_lightgbm_fail(import, &block->threshold, ESPALIER_ERROR_SOURCE_TREE,
                                      "threshold[%" PRIu32 "] is %g, not one of %" PRIu32
                                      " bit fields of categories",
                                      node, field, fields->field_count);
    }
    const uint64_t count = list_members(fields, (uint32_t)field, fields->members);
    const uint64_t bytes = sizeof *forest->sets + count * sizeof *forest->members;
    const espalier_forest_set set = {.feature = forest->feature[at], .members_left = true};
    espalier_status status = espalier_lightgbm_charge(import, bytes + bytes / 2);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_forest_add_set(forest, &set, fields->members, (uint32_t)count);
    if (status != ESPALIER_OK) {
        return espalier_lightgbm_fail(import, NULL, status,
                                      "no memory for %" PRIu32 " sets of categories",
                                      forest->set_count);
    }
    forest->set[at] = forest->set_count - 1;
    forest->threshold[at] = 0.0;
    return ESPALIER_OK;
}

void espalier_lightgbm_close_fields(espalier_lightgbm_import *import,
                                    espalier_lightgbm_fields *fields)
{
    free(fields->boundaries);
    free(fields->words);
    free(fields->members);
    import->memory_left += fields->bytes;
}
