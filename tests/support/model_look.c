// SPDX-License-Identifier: Apache-2.0
/*
 * See model_look.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/support/model_look.h"

#include "espalier_inspect.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX     64u
#define POSITIONS_MAX 256u
#define NUMBERS_MAX   4096u

/* ---- names, labels, categories ---- */

/* Binds names in memory of their own size, so that a sanitizer notices whoever reads behind one. A
 * name that is found is the feature's. cut: without their last byte. */
static size_t bind_names(const espalier_model *model, uint32_t count, bool cut)
{
    char *names[ITEMS_MAX] = {NULL};
    size_t order[ITEMS_MAX] = {0};
    uint32_t missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *const name = espalier_model_feature_name(model, count - 1 - i);
        assert_non_null(name);
        const size_t bytes = strlen(name);
        names[i] = strndup(name, bytes > 0 && cut ? bytes - 1 : bytes);
        assert_non_null(names[i]);
    }
    const espalier_status status =
        espalier_model_feature_order(model, (const char *const *)names, count, order, &missing);
    if (status != ESPALIER_OK) {
        assert_int_equal(status, ESPALIER_ERROR_FEATURE_COUNT);
        assert_true(missing < count);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_true(order[i] < count);
        assert_true(status != ESPALIER_OK ||
                    strcmp(names[order[i]], espalier_model_feature_name(model, i)) == 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        free(names[i]);
    }
    return missing;
}

static size_t look_at_names(const espalier_model *model, uint32_t feature_count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < feature_count && i < ITEMS_MAX; i++) {
        const char *const name = espalier_model_feature_name(model, i);
        sum += name != NULL ? strlen(name) : 0;
    }
    assert_null(espalier_model_feature_name(model, feature_count));
    if (feature_count <= ITEMS_MAX && espalier_model_feature_name(model, 0) != NULL) {
        sum += bind_names(model, feature_count, false) + bind_names(model, feature_count, true);
    }
    return sum;
}

static size_t look_at_texts(const espalier_model *model)
{
    const char *text = NULL;
    size_t bytes = 0;
    size_t sum = 0;
    assert_int_equal(espalier_model_metadata(model, &text, &bytes), ESPALIER_OK);
    for (size_t i = 0; i < bytes; i++) {
        sum += (unsigned char)text[i];
    }
    espalier_label_info labels;
    for (uint32_t i = 0; espalier_model_labels(model, i, &labels) == ESPALIER_OK; i++) {
        espalier_label label;
        for (uint32_t c = 0; c < labels.count && c < ITEMS_MAX; c++) {
            assert_int_equal(espalier_model_class_label(model, i, c, &label), ESPALIER_OK);
            sum += label.text != NULL ? strlen(label.text) : 0;
        }
        assert_int_equal(espalier_model_class_label(model, i, labels.count, &label),
                         ESPALIER_ERROR_ARGUMENT);
    }
    return sum;
}

/* Every category, and strings that may be none: what is found is a category's own number. */
static size_t look_at_categories(const espalier_model *model, uint32_t feature)
{
    static const char *const others[] = {"", "a", "zz", "\xFF\xFF", "\x01"};
    const uint32_t count = espalier_model_category_count(model, feature);
    double number = 0.0;
    size_t bytes = 0;
    size_t sum = 0;
    for (uint32_t i = 0; i < count && i < ITEMS_MAX; i++) {
        const char *const text = espalier_model_category(model, feature, i, &bytes);
        assert_non_null(text);
        assert_int_equal(text[bytes], '\0');
        assert_int_equal(espalier_model_category_number(model, feature, text, bytes, &number),
                         ESPALIER_OK);
        assert_true(number == (double)i);
        sum += strlen(text);
    }
    assert_null(espalier_model_category(model, feature, count, &bytes));
    for (size_t i = 0; count > 0 && i < sizeof others / sizeof others[0]; i++) {
        sum += espalier_model_category_number(model, feature, others[i], strlen(others[i]),
                                              &number) == ESPALIER_OK;
    }
    return sum;
}

/* ---- tables ---- */

/* A value is made of an earlier one, or is a feature; its numbers can be read. */
static size_t look_at_value(const espalier_model *model, uint32_t index, uint32_t feature_count)
{
    espalier_value_info value;
    assert_int_equal(espalier_model_value(model, index, &value), ESPALIER_OK);
    assert_true(index < feature_count ? value.input == index : value.input < index);
    size_t sum = strlen(value.operation);
    for (uint32_t k = 0; k < value.number_count && k < NUMBERS_MAX; k++) {
        sum += value.numbers[k] > 0.0;
    }
    return sum;
}

/* Of features, which a few bytes make millions, the first; and the first that are made of them. */
static size_t look_at_values(const espalier_model *model, uint32_t feature_count)
{
    const uint32_t count = espalier_model_value_count(model);
    double number = 0.0;
    size_t sum = (size_t)espalier_model_missing_number(model, &number);
    espalier_value_info value;
    assert_true(count >= feature_count);
    for (uint32_t i = 0; i < feature_count && i < ITEMS_MAX; i++) {
        sum += look_at_value(model, i, feature_count);
    }
    for (uint32_t i = 0; i < count - feature_count && i < ITEMS_MAX; i++) {
        sum += look_at_value(model, feature_count + i, feature_count);
    }
    assert_int_equal(espalier_model_value(model, count, &value), ESPALIER_ERROR_ARGUMENT);
    return sum;
}

/* Groups of outputs follow each other and fill a row. */
static size_t look_at_outputs(const espalier_model *model)
{
    size_t sum = 0;
    for (int kind = ESPALIER_OUTPUT_MARGIN; kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kind, &output) != ESPALIER_OK) {
            continue;
        }
        size_t end = 0;
        for (uint32_t group = 0; group < output.group_count; group++) {
            size_t first = 0;
            size_t count = 0;
            assert_int_equal(espalier_model_output_group(model, (espalier_output_kind)kind, group,
                                                         &first, &count),
                             ESPALIER_OK);
            assert_int_equal(first, end);
            end = first + count;
        }
        assert_int_equal(end, output.width);
        sum += end;
    }
    return sum;
}

static size_t look_at_sections(const espalier_model *model, const espalier_model_info *info)
{
    espalier_section_info section;
    espalier_part_info part = ESPALIER_PART_INFO_INIT;
    espalier_proof proof;
    size_t sum = 0;
    for (uint32_t i = 0; espalier_model_section(model, i, &section) == ESPALIER_OK; i++) {
        assert_true(section.offset <= info->file_bytes &&
                    section.bytes <= info->file_bytes - section.offset);
        sum += strlen(section.name);
    }
    for (uint32_t i = 0; espalier_model_part(model, i, &part) == ESPALIER_OK; i++) {
        assert_true(part.first_tree + part.tree_count <= info->tree_count);
        sum += part.depth_max;
    }
    assert_int_equal(espalier_model_proof(model, &proof), ESPALIER_OK);
    return sum;
}

/* ---- trees ---- */

static size_t look_at_line(const espalier_model *model, uint32_t index, const espalier_node *node)
{
    espalier_linear_leaf line;
    espalier_linear_term terms[ITEMS_MAX];
    size_t sum = 0;
    if (espalier_model_linear_leaf(model, index, node->leaf_index, &line, terms, ITEMS_MAX) != 0) {
        for (uint32_t i = 0; i < line.term_count && i < ITEMS_MAX; i++) {
            assert_true(terms[i].feature == ESPALIER_FEATURE_NONE ||
                        terms[i].feature < espalier_model_value_count(model));
            sum += terms[i].coefficient > 0.0;
        }
    }
    return sum;
}

static size_t look_at_tree(const espalier_model *model, uint32_t index)
{
    size_t sum = 0;
    espalier_tree_info tree;
    assert_int_equal(espalier_model_tree(model, index, &tree), ESPALIER_OK);
    double leaf[ITEMS_MAX];
    for (uint32_t p = 0; p < tree.position_count && p < POSITIONS_MAX; p++) {
        espalier_node node;
        assert_int_equal(espalier_model_node(model, index, p, &node), ESPALIER_OK);
        double cuts[4];
        sum += (size_t)espalier_model_set_left(model, &node, (double)p);
        sum += (size_t)espalier_model_node_left(model, &node, p % 2 == 0 ? (double)p : (double)NAN);
        sum += espalier_model_set_cuts(model, &node, cuts, 4);
        if (node.feature == ESPALIER_FEATURE_NONE && tree.leaf_width <= ITEMS_MAX) {
            assert_int_equal(espalier_model_leaf(model, tree.part_index, node.leaf_index, leaf,
                                                 ITEMS_MAX),
                             ESPALIER_OK);
            sum += look_at_line(model, index, &node);
        }
    }
    uint32_t numbers[POSITIONS_MAX];
    const espalier_status status =
        espalier_model_leaf_numbers(model, index, numbers, POSITIONS_MAX);
    assert_true(status == ESPALIER_OK || tree.position_count > POSITIONS_MAX);
    return sum;
}

static size_t look_at_covers(const espalier_model *model)
{
    double covers[ITEMS_MAX];
    const uint32_t count = espalier_model_value_count(model);
    const uint32_t unit = espalier_model_covers(model, covers, ITEMS_MAX);
    assert_true(unit <= ESPALIER_COVER_HESSIANS);
    for (uint32_t i = 0; unit != ESPALIER_COVER_NONE && i < count && i < ITEMS_MAX; i++) {
        assert_true(isfinite(covers[i]));
    }
    return unit;
}

void model_look(const espalier_model *model)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    size_t sum = look_at_names(model, info.feature_count) + look_at_texts(model) +
                 look_at_values(model, info.feature_count) + look_at_outputs(model) +
                 look_at_sections(model, &info) + look_at_covers(model);
    for (uint32_t i = 0; i < info.feature_count && i < ITEMS_MAX; i++) {
        sum += look_at_categories(model, i);
    }
    for (uint32_t t = 0; t < info.tree_count && t < ITEMS_MAX; t++) {
        sum += look_at_tree(model, t);
    }
    assert_true(sum < SIZE_MAX);
}
