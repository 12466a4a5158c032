// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of categories of forests that become one; see combine.h. May include include/, sets.h and
 * libc.
 */
#include "convert/combine.h"

#include "convert/sets.h"

#include <stdlib.h>
#include <string.h>

/* Whether a feature's codes are other numbers than its categories: those of strings, which the
 * whole has from an INDEX, are the same. */
static bool is_coded(const espalier_forest *forest, uint32_t feature)
{
    bool same = espalier_categories_at(&forest->categories, feature) != NULL;
    if (!espalier_forest_has_codes(forest, feature)) {
        return false;
    }
    const espalier_forest_codes *const codes = &forest->codes[feature];
    for (uint32_t i = 0; i < codes->count && same; i++) {
        same = codes->values[i] == (double)i;
    }
    return !same;
}

/* Whether all sets ask for the places of strings, which the whole has from an INDEX: whole numbers
 * or NaN, that all trainers read alike. */
static bool asks_for_strings(const espalier_forest *forest)
{
    bool strings = forest->preparation == NULL;
    for (uint32_t i = 0; i < forest->set_count && strings; i++) {
        const espalier_category_list *const list =
            espalier_categories_at(&forest->categories, forest->sets[i].feature);
        strings = list != NULL && (list->refuses || list->unknown != -1.0);
    }
    return strings;
}

/*
 * Whether sets and codes of all parts mean the same numbers. Where some parts compare float32 and
 * others float64 the whole compares float64, and nothing is flushed where some part does not: that
 * is what sets of float64 parts see alone (no category is as small as what is flushed), but not
 * those of float32.
 */
static bool reads_alike(espalier_combine *combine, const espalier_forest *forest)
{
    const espalier_forest *const whole = combine->whole;
    const bool rounds = forest->input == ESPALIER_FOREST_INPUT_FLOAT32;
    combine->sets_of_numbers =
        combine->sets_of_numbers || (forest->set_count > 0 && !asks_for_strings(forest));
    if (!combine->sets_of_numbers) {
        return true;
    }
    bool alike =
        whole->set_count == 0 || forest->set_count == 0 || whole->category == forest->category;
    combine->rounds_sets = combine->rounds_sets || (forest->set_count > 0 && rounds);
    for (uint32_t i = 0; i < whole->part_count && combine->rounds_sets; i++) {
        alike = alike && rounds && combine->inputs[i].input == forest->input;
    }
    return alike;
}

/* Whether some set of the whole asks for this feature. */
static bool is_asked(const espalier_forest *whole, uint32_t feature)
{
    bool asked = false;
    for (uint32_t i = 0; i < whole->set_count && !asked; i++) {
        asked = whole->sets[i].feature == feature;
    }
    return asked;
}

/* ---- codes ----------------------------------------------------------------------------------- */

/* Both ascending lists as one; places_a[i] is where a->values[i] is in it. */
static void merge_codes(const espalier_forest_codes *a, const espalier_forest_codes *b,
                        espalier_forest_codes *both, uint32_t *places_a, uint32_t *places_b)
{
    uint32_t i = 0;
    uint32_t k = 0;
    while (i < a->count || k < b->count) {
        const bool takes_a = i < a->count && (k == b->count || a->values[i] <= b->values[k]);
        const double value = takes_a ? a->values[i] : b->values[k];
        if (k < b->count && b->values[k] == value) {
            places_b[k++] = both->count;
        }
        if (takes_a) {
            places_a[i++] = both->count;
        }
        both->values[both->count++] = value;
    }
}

/* The members of the whole's sets of a feature get their new places, which keep their order. */
static void renumber_sets(espalier_forest *whole, uint32_t feature, const uint32_t *places)
{
    for (uint32_t i = 0; i < whole->set_count; i++) {
        const espalier_forest_set *const set = &whole->sets[i];
        for (uint32_t k = 0; set->feature == feature && k < set->member_count; k++) {
            uint32_t *const member = &whole->members[set->first_member + k];
            *member = places[*member];
        }
    }
}

/* Adds a feature's codes to the whole's; places[own->count]: where they are there. */
static espalier_status join_codes(espalier_combine *combine, const espalier_forest_codes *own,
                                  uint32_t feature, uint32_t *places)
{
    espalier_forest *const whole = combine->whole;
    espalier_forest_codes *const codes = &whole->codes[feature];
    const size_t room = (size_t)codes->count + own->count;
    espalier_forest_codes both = {malloc(room * sizeof *both.values), 0};
    uint32_t *const moved = malloc((codes->count + (size_t)1) * sizeof *moved);
    espalier_status status =
        espalier_combine_charge(combine, own->count * (uint64_t)sizeof *both.values);
    if (status == ESPALIER_OK && (both.values == NULL || moved == NULL)) {
        status = ESPALIER_ERROR_MEMORY;
    }
    if (status != ESPALIER_OK) {
        free(both.values);
        free(moved);
        return status;
    }
    merge_codes(codes, own, &both, moved, places);
    if (codes->count > 0 && both.count > codes->count) {
        renumber_sets(whole, feature, moved);
    }
    free(codes->values);
    free(moved);
    *codes = both;
    return ESPALIER_OK;
}

/* Room for the codes of all that nodes of the whole may test by now. */
static bool reserve_codes(espalier_forest *whole)
{
    const uint32_t count = espalier_forest_tested_count(whole);
    if (whole->codes != NULL && whole->code_count >= count) {
        return true;
    }
    espalier_forest_codes *const codes = realloc(whole->codes, count * sizeof *codes);
    if (codes == NULL) {
        return false;
    }
    memset(codes + whole->code_count, 0, (count - whole->code_count) * sizeof *codes);
    whole->codes = codes;
    whole->code_count = count;
    return true;
}

/* Where each code of each feature of the forest is among the whole's: places[] behind each other,
 * that of feature f from firsts[f] on. */
static espalier_status copy_codes(espalier_combine *combine, const espalier_forest *forest,
                                  const espalier_combine_features *features, uint32_t *firsts,
                                  uint32_t *places)
{
    espalier_forest *const whole = combine->whole;
    espalier_status status = ESPALIER_OK;
    uint32_t next = 0;
    if (!reserve_codes(whole)) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < forest->code_count && status == ESPALIER_OK; i++) {
        const uint32_t feature = features != NULL ? features->numbers[i] : i;
        firsts[i] = next;
        if (!is_coded(forest, i)) {
            continue;
        }
        if (whole->codes[feature].count == 0 && is_asked(whole, feature)) {
            return ESPALIER_ERROR_SOURCE_UNSUPPORTED;
        }
        status = join_codes(combine, &forest->codes[i], feature, places + next);
        next += forest->codes[i].count;
    }
    return status;
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* One set, whose members get the places of their codes. */
static espalier_status copy_set(espalier_combine *combine, const espalier_forest *forest,
                                const espalier_combine_features *features,
                                const espalier_forest_set *source, const uint32_t *firsts,
                                const uint32_t *places, uint32_t *scratch)
{
    espalier_forest *const whole = combine->whole;
    espalier_forest_set set = *source;
    if (source->feature >= espalier_forest_tested_count(forest) ||
        source->first_member > forest->member_count ||
        source->member_count > forest->member_count - source->first_member) {
        return ESPALIER_ERROR_SOURCE_TREE;
    }
    const bool coded = is_coded(forest, source->feature);
    set.feature = features != NULL ? features->numbers[source->feature] : source->feature;
    if (!coded && espalier_forest_has_codes(whole, set.feature)) {
        return ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    }
    for (uint32_t k = 0; k < source->member_count; k++) {
        const uint32_t member = forest->members[source->first_member + k];
        if (coded && member >= forest->codes[source->feature].count) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        scratch[k] = coded ? places[firsts[source->feature] + member] : member;
    }
    const espalier_status status =
        espalier_combine_charge(combine, 2 * (sizeof set + source->member_count * sizeof *scratch));
    const espalier_status added =
        status == ESPALIER_OK ? espalier_forest_add_set(whole, &set, scratch, source->member_count)
                              : status;
    return added == ESPALIER_ERROR_LIMIT ? ESPALIER_ERROR_SOURCE_LIMIT : added;
}

/* Nodes name the sets that were added. */
static void link_nodes(espalier_forest *whole, const espalier_forest *forest, uint64_t first_node,
                       uint32_t first_set)
{
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (espalier_forest_has_set(forest, i) && forest->left[i] != ESPALIER_FOREST_LEAF) {
            whole->set[first_node + i] = first_set + forest->set[i];
        }
    }
}

espalier_status espalier_combine_copy_sets(espalier_combine *combine, const espalier_forest *forest,
                                           const espalier_combine_features *features,
                                           uint64_t first_node)
{
    espalier_forest *const whole = combine->whole;
    const bool any = forest->set_count > 0 || whole->set_count > 0;
    if (any && !reads_alike(combine, forest)) {
        return ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    }
    if (forest->set_count == 0) {
        return ESPALIER_OK;
    }
    uint64_t code_count = 0;
    for (uint32_t i = 0; i < forest->code_count; i++) {
        code_count += forest->codes[i].count;
    }
    const uint32_t first_set = whole->set_count;
    uint32_t *const firsts = calloc(forest->code_count + (size_t)1, sizeof *firsts);
    uint32_t *const places = calloc((size_t)code_count + 1, sizeof *places);
    uint32_t *const scratch = malloc((size_t)(forest->member_count + 1) * sizeof *scratch);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (firsts != NULL && places != NULL && scratch != NULL) {
        /* Where they differ they are of strings: the first are of more numbers than the others. */
        whole->category = whole->set_count == 0 || forest->category < whole->category
                              ? forest->category
                              : whole->category;
        status = forest->codes != NULL ? copy_codes(combine, forest, features, firsts, places)
                                       : ESPALIER_OK;
    }
    for (uint32_t i = 0; i < forest->set_count && status == ESPALIER_OK; i++) {
        status = copy_set(combine, forest, features, &forest->sets[i], firsts, places, scratch);
    }
    if (status == ESPALIER_OK) {
        link_nodes(whole, forest, first_node, first_set);
    }
    free(firsts);
    free(places);
    free(scratch);
    return status;
}
