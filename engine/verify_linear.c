// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying LINEAR, all of it: the terms of the leaves follow each other and fill the section, they
 * name slots that their stages read, and trees write numbers that their leaves can have.
 */
#include "engine/linear.h"
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static espalier_status refuse_linear(const espalier_verify *v, uint32_t rule, uint64_t leaf,
                                     const char *what)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_LINEAR);
    return espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, rule, section->offset,
                              "%s: section LINEAR: leaf %llu: %s", v->name,
                              (unsigned long long)leaf, what);
}

/* Of every part the fewest slots that a stage LINEAR of it reads; 0: it is not linear. */
static void find_places(const espalier_model *model, uint32_t *places)
{
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        if (stage->operation == ESPALIER_STAGE_LINEAR) {
            uint32_t *const own = &places[(uint32_t)model->constants[stage->table]];
            *own = *own == 0 || stage->slot_count < *own ? stage->slot_count : *own;
        }
    }
}

/* Leaf records [first, end) of one part, whose terms begin at *next. */
static espalier_status verify_terms(const espalier_verify *v, uint64_t first, uint64_t end,
                                    uint32_t places, uint64_t *next)
{
    const espalier_model *const model = v->model;
    for (uint64_t i = first; i < end; i++) {
        const espalier_file_linear_leaf leaf = espalier_linear_load_leaf(model, i);
        if (leaf.first_term != *next || leaf.term_count > places ||
            leaf.term_count > model->linear_term_count - *next) {
            return refuse_linear(v, RULE_LINEAR_TERMS, i, "its terms are not where they should be");
        }
        for (uint32_t k = 0; k < leaf.term_count; k++) {
            const espalier_file_term term = espalier_linear_load_term(model, leaf.first_term + k);
            if (term.place >= places || term.reserved != 0) {
                return refuse_linear(v, RULE_LINEAR_TERMS, i,
                                     "a term of a slot that its stage does not read");
            }
        }
        *next += leaf.term_count;
    }
    return ESPALIER_OK;
}

/* What the leaf table of a part holds are numbers of leaves of its largest tree. */
static bool numbers_are_good(const espalier_model *model, const espalier_file_part *part)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const uint64_t count = espalier_tree_source_leaves(&model->trees[part->first_tree + i]);
        most = count > most ? count : most;
    }
    for (uint32_t i = 0; i < part->leaf_count; i++) {
        double number;
        memcpy(&number, model->leaves + part->leaf_offset + (uint64_t)i * sizeof number,
               sizeof number);
        if (!(number >= 0.0 && number < (double)most && number == floor(number))) {
            return false;
        }
    }
    return true;
}

static espalier_status verify_parts(const espalier_verify *v, const uint32_t *places)
{
    const espalier_model *const model = v->model;
    espalier_status status = ESPALIER_OK;
    uint64_t first = 0;
    uint64_t next = 0;
    for (uint32_t p = 0; p < model->part_count && status == ESPALIER_OK; p++) {
        const espalier_file_part *const part = &model->parts[p];
        if (places[p] == 0) {
            continue;
        }
        uint64_t end = first;
        for (uint32_t i = 0; i < part->tree_count; i++) {
            end += espalier_tree_source_leaves(&model->trees[part->first_tree + i]);
        }
        status = numbers_are_good(model, part)
                     ? verify_terms(v, first, end, places[p], &next)
                     : refuse_linear(v, RULE_LINEAR_NUMBERS, first,
                                     "a tree of its part leads to a number that no leaf has");
        first = end;
    }
    if (status == ESPALIER_OK && next != model->linear_term_count) {
        return refuse_linear(v, RULE_LINEAR_TERMS, first, "there are terms of no leaf");
    }
    return status;
}

espalier_status espalier_verify_linear(const espalier_verify *v)
{
    if (v->model->linear == NULL) {
        return ESPALIER_OK;
    }
    uint32_t *const places = calloc(v->model->part_count, sizeof *places);
    if (places == NULL) {
        return espalier_verify_no_memory(v);
    }
    find_places(v->model, places);
    const espalier_status status = verify_parts(v, places);
    free(places);
    return status;
}
