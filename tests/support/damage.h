// SPDX-License-Identifier: Apache-2.0
/*
 * Ways to break a sound model file, each with the rule of docs/format.md it breaks.
 */
#ifndef TESTS_SUPPORT_DAMAGE_H
#define TESTS_SUPPORT_DAMAGE_H

#include "espalier.h"
#include "tests/support/model_bytes.h"

#include <stddef.h>
#include <stdint.h>

/* The sound models that cases start from: see test_format_rules.c. */
typedef enum damaged_model {
    CLASSIFIER,
    COUNTS,
    REGRESSOR,
    HEAP,       /* byte codes, float32 */
    SELECT,     /* byte codes in segments, float64 */
    BITS,       /* the same, no tree of more than 31 leaves */
    RANKS,      /* a walk over ranks, float64 */
    LINKED,     /* stages, float64 */
    CATEGORIES, /* sets of categories, float32 */
    MODEL_COUNT
} damaged_model;

/* The stages of LINKED, of one sum. */
enum {
    LINKED_ADD = 0,
    LINKED_SIGMOID = 1,
    LINKED_TWO_CLASSES = 2
};

/* When the damage must be found, and whether checksums are made right before. */
typedef enum found {
    RAW,
    SEALED,
    VERIFY,
    RAW_VERIFY
} found;

typedef struct rule_case {
    const char *rule;
    void (*damage)(model_bytes *m);
    espalier_status status;
    found when;
    damaged_model model;
} rule_case;

extern const rule_case rule_cases_outside[];
extern const rule_case rule_cases_plan[];
extern const rule_case rule_cases_tables[];
extern const rule_case rule_cases_verify[];
extern const rule_case rule_cases_masks[];
extern const rule_case rule_cases_mask_nodes[];
extern const rule_case rule_cases_sets[];
extern const size_t rule_cases_outside_count;
extern const size_t rule_cases_plan_count;
extern const size_t rule_cases_tables_count;
extern const size_t rule_cases_verify_count;
extern const size_t rule_cases_masks_count;
extern const size_t rule_cases_mask_nodes_count;
extern const size_t rule_cases_sets_count;

#define HEADER(m) ((espalier_file_header *)(void *)(m)->data)
#define ENTRY(m, index) \
    ((espalier_file_section *)(void *)((m)->data + sizeof(espalier_file_header)) + (index))
#define SECTION(m, name)      model_bytes_section(m, ESPALIER_SECTION_##name)
#define RECORD(m, name, type) ((type *)model_bytes_data(m, ESPALIER_SECTION_##name))
#define DAMAGE(name)          static inline void damage_##name(model_bytes *m)

static inline espalier_file_labels *labels_of(const model_bytes *m)
{
    return (espalier_file_labels *)(void *)(RECORD(m, CLASS_LABELS, uint8_t) + 8);
}

static inline uint8_t *section_end(const model_bytes *m, uint32_t type)
{
    return (uint8_t *)model_bytes_data(m, type) + model_bytes_section(m, type)->bytes;
}

static inline espalier_file_output *last_output(const model_bytes *m)
{
    return (espalier_file_output *)(void *)section_end(m, ESPALIER_SECTION_OUTPUTS) - 1;
}

/* Gives a section another type; one that no reader knows and none needs is as good as absent. */
static inline void rename_section(model_bytes *m, uint32_t type, uint32_t new_type)
{
    espalier_file_section *const section = model_bytes_section(m, type);
    section->type = new_type;
    section->flags = 0;
}

/* The first node of tree 0 that is a leaf, and the first inner node behind the root. */
static inline espalier_file_node *first_leaf(const model_bytes *m)
{
    espalier_file_node *node = RECORD(m, NODES, espalier_file_node) + 2;
    while (node->word >> 16 != 0) {
        node++;
    }
    return node;
}

static inline espalier_file_node *second_inner(const model_bytes *m)
{
    espalier_file_node *node = RECORD(m, NODES, espalier_file_node) + 2;
    while (node->word >> 16 == 0) {
        node++;
    }
    return node;
}

/* A position of tree 0 that has a parent already: the children of the third inner node's parent. */
static inline uint32_t used_child(const model_bytes *m)
{
    const espalier_file_node *node = second_inner(m) + 1;
    while (node->word >> 16 == 0) {
        node++;
    }
    return node->word & 0xFFFFu;
}

#endif
