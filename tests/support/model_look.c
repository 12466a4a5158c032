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
#include <string.h>

#define ITEMS_MAX     64u
#define POSITIONS_MAX 256u

static size_t look_at_texts(const espalier_model *model, uint32_t feature_count)
{
    const char *text = NULL;
    size_t bytes = 0;
    size_t sum = 0;
    assert_int_equal(espalier_model_metadata(model, &text, &bytes), ESPALIER_OK);
    for (size_t i = 0; i < bytes; i++) {
        sum += (unsigned char)text[i];
    }
    for (uint32_t i = 0; i < feature_count && i < ITEMS_MAX; i++) {
        const char *const name = espalier_model_feature_name(model, i);
        sum += name != NULL ? strlen(name) : 0;
    }
    espalier_label_info labels;
    for (uint32_t i = 0; espalier_model_labels(model, i, &labels) == ESPALIER_OK; i++) {
        espalier_label label;
        for (uint32_t c = 0; c < labels.count && c < ITEMS_MAX; c++) {
            assert_int_equal(espalier_model_class_label(model, i, c, &label), ESPALIER_OK);
            sum += label.text != NULL ? strlen(label.text) : 0;
        }
    }
    return sum;
}

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
        sum += (size_t)espalier_model_set_left(model, &node, (double)p);
        if (node.feature == ESPALIER_FEATURE_NONE && tree.leaf_width <= ITEMS_MAX) {
            assert_int_equal(espalier_model_leaf(model, tree.part_index, node.leaf_index, leaf,
                                                 ITEMS_MAX),
                             ESPALIER_OK);
            sum += look_at_line(model, index, &node);
        }
    }
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
    size_t sum = look_at_texts(model, info.feature_count) + look_at_covers(model);
    for (uint32_t t = 0; t < info.tree_count && t < ITEMS_MAX; t++) {
        sum += look_at_tree(model, t);
    }
    assert_true(sum < SIZE_MAX);
}
