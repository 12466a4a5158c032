// SPDX-License-Identifier: Apache-2.0
/*
 * See fake_sklearn.h. Memory that cannot be had ends the test program.
 */
#include "tests/support/fake_sklearn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- node records --------------------------------------------------------------------------- */

static const fake_field fields_64[] = {{"left_child", "i8", 0},
                                       {"right_child", "i8", 8},
                                       {"feature", "i8", 16},
                                       {"threshold", "f8", 24},
                                       {"impurity", "f8", 32},
                                       {"n_node_samples", "i8", 40},
                                       {"weighted_n_node_samples", "f8", 48},
                                       {"missing_go_to_left", "u1", 56}};
static const fake_field fields_32_bits[] = {{"left_child", "i4", 0},
                                            {"right_child", "i4", 4},
                                            {"feature", "i4", 8},
                                            {"threshold", "f8", 16},
                                            {"impurity", "f8", 24},
                                            {"n_node_samples", "i4", 32},
                                            {"weighted_n_node_samples", "f8", 40}};
static const fake_field fields_categorical[] = {
    {"left_child", "i8", 0},         {"right_child", "i8", 8},
    {"feature", "i8", 16},           {"threshold", "f8", 24},
    {"left_cat_bitset", "V32", 32},  {"impurity", "f8", 64},
    {"n_node_samples", "i8", 72},    {"weighted_n_node_samples", "f8", 80},
    {"missing_go_to_left", "u1", 88}};
static const fake_field fields_unknown[] = {{"left_child", "i8", 0},
                                            {"right_child", "i8", 8},
                                            {"feature", "i8", 16},
                                            {"threshold", "f8", 24},
                                            {"impurity", "f8", 32},
                                            {"n_node_samples", "i8", 40},
                                            {"weighted_n_node_samples", "f8", 48},
                                            {"linear_slope", "f8", 56}};
static const fake_field fields_short[] = {{"left_child", "i8", 0},
                                          {"right_child", "i8", 8},
                                          {"feature", "i8", 16}};

static const fake_record records[] = {
    [FAKE_NODES_56] = {fields_64, 7, 56, '<'},
    [FAKE_NODES_64] = {fields_64, 8, 64, '<'},
    [FAKE_NODES_64_SWAPPED] = {fields_64, 8, 64, '>'},
    [FAKE_NODES_32_BITS] = {fields_32_bits, 7, 48, '<'},
    [FAKE_NODES_CATEGORICAL] = {fields_categorical, 9, 96, '<'},
    [FAKE_NODES_UNKNOWN] = {fields_unknown, 8, 64, '<'},
    [FAKE_NODES_SHORT] = {fields_short, 3, 24, '<'},
};

static void store_field(uint8_t *at, const fake_field *field, const fake_node *node, bool swapped)
{
    int64_t integer = 0;
    double real = node->weight;
    if (strcmp(field->name, "left_child") == 0) {
        integer = node->left;
    } else if (strcmp(field->name, "right_child") == 0) {
        integer = node->right;
    } else if (strcmp(field->name, "feature") == 0) {
        integer = node->feature;
    } else if (strcmp(field->name, "threshold") == 0) {
        real = node->threshold;
    } else if (strcmp(field->name, "missing_go_to_left") == 0) {
        integer = node->missing_left;
    } else {
        integer = 10;
    }
    uint64_t bits = (uint64_t)integer;
    if (field->code[0] == 'f') {
        memcpy(&bits, &real, sizeof bits);
    }
    const size_t bytes = (size_t)strtol(field->code + 1, NULL, 10);
    for (size_t i = 0; i < bytes && i < 8; i++) {
        at[swapped ? bytes - 1 - i : i] = (uint8_t)(bits >> (8 * i));
    }
}

static void put_nodes(pickle_writer *writer, const fake_tree *tree)
{
    const fake_record *const record = &records[tree->layout];
    const size_t bytes = (size_t)tree->node_count * record->item_bytes;
    uint8_t *const data = malloc(bytes + 1);
    if (data == NULL) {
        abort();
    }
    memset(data, 0xA5, bytes); /* padding is never zero in real files */
    for (uint32_t i = 0; i < tree->node_count; i++) {
        for (uint32_t k = 0; k < record->field_count; k++) {
            store_field(data + (size_t)i * record->item_bytes + record->fields[k].offset,
                        &record->fields[k], &tree->nodes[i], record->order == '>');
        }
    }
    put_records(writer, record, tree->node_count, data);
    free(data);
}

/* ---- estimators ----------------------------------------------------------------------------- */

static uint64_t find_class_count_max(const fake_estimator *estimator)
{
    uint64_t count = 1;
    for (int64_t i = 0; estimator->labels != NULL && i < estimator->outputs; i++) {
        if (estimator->labels[i].count > count) {
            count = estimator->labels[i].count;
        }
    }
    return count;
}

static void put_values(pickle_writer *writer, const fake_estimator *estimator,
                       const fake_tree *tree)
{
    const uint64_t rows = tree->claimed_rows != 0 ? tree->claimed_rows : tree->node_count;
    const uint64_t shape[3] = {rows, (uint64_t)estimator->outputs, find_class_count_max(estimator)};
    const size_t count = (size_t)(shape[0] * shape[1] * shape[2]);
    double *const data = calloc(count, sizeof *data);
    if (data == NULL) {
        abort();
    }
    for (size_t i = 0; i < count && rows <= tree->node_count; i++) {
        const size_t inner = (size_t)(shape[1] * shape[2]);
        const size_t row = i / inner;
        const size_t at = i % inner / shape[2] + i % inner % shape[2] * shape[1];
        data[tree->fortran_values ? row + at * (size_t)rows : i] = tree->values[i];
    }
    put_array(writer, "f8", '<', shape, 3, tree->fortran_values, data, count * sizeof *data);
    free(data);
}

static void put_tree(pickle_writer *writer, const fake_estimator *estimator, const fake_tree *tree)
{
    int64_t widths[16] = {0};
    for (int64_t i = 0; i < estimator->outputs && i < 16; i++) {
        widths[i] = estimator->labels == NULL ? 1 : (int64_t)estimator->labels[i].count;
    }
    if (tree->claimed_classes != 0) {
        widths[0] = tree->claimed_classes;
    }
    const uint64_t shape[1] = {(uint64_t)estimator->outputs};
    put_global(writer, "sklearn.tree._tree", "Tree");
    put_opcode(writer, '(');
    put_int(writer, tree->claimed_features != 0 ? tree->claimed_features : estimator->features);
    put_array(writer, "i8", '<', shape, 1, false, widths,
              (size_t)estimator->outputs * sizeof widths[0]);
    put_int(writer, tree->claimed_outputs != 0 ? tree->claimed_outputs : estimator->outputs);
    if (tree->four_arguments) {
        put_array(writer, "i8", '<', shape, 1, false, widths, sizeof widths[0]);
    }
    put_bytes(writer, "tR}(", 4);
    put_text(writer, "max_depth");
    put_int(writer, 3);
    put_text(writer, "node_count");
    put_int(writer, tree->claimed_node_count != 0 ? tree->claimed_node_count : tree->node_count);
    put_text(writer, "nodes");
    put_nodes(writer, tree);
    put_text(writer, "values");
    put_values(writer, estimator, tree);
    close_object(writer);
}

static void put_parameters(pickle_writer *writer, const fake_estimator *estimator)
{
    const bool classifier = estimator->labels != NULL;
    put_text(writer, "criterion");
    put_text(writer, estimator->criterion != NULL ? estimator->criterion
                     : classifier                 ? "gini"
                                                  : "squared_error");
    put_text(writer, "max_depth");
    put_none(writer);
    put_text(writer, "min_weight_fraction_leaf");
    put_float(writer, 0.125);
    put_text(writer, "random_state");
    put_int(writer, 42);
    if (estimator->monotonic) {
        put_text(writer, "monotonic_cst");
        put_bytes(writer, "](", 2);
        put_int(writer, 1);
        put_int(writer, -1);
        put_opcode(writer, 'e');
    }
}

void put_labels(pickle_writer *writer, const fake_labels *labels)
{
    const uint64_t shape[1] = {labels->count};
    if (labels->code[0] != 'O') {
        const bool sized = labels->code[1] == '1' && labels->code[2] == '\0';
        put_array(writer, labels->code, sized ? '|' : '<', shape, 1, false, labels->data,
                  labels->bytes);
        return;
    }
    const char *const *const texts = labels->data;
    put_objects_open(writer, labels->count);
    for (uint64_t i = 0; i < labels->count; i++) {
        if (texts[i] != NULL) {
            put_text(writer, texts[i]);
        } else {
            put_int(writer, (int64_t)i);
        }
    }
    put_objects_close(writer);
}

static void put_outputs(pickle_writer *writer, const fake_estimator *estimator)
{
    put_text(writer, "n_outputs_");
    put_int(writer, estimator->outputs);
    put_text(writer, "n_features_in_");
    put_int(writer, estimator->features);
    if (estimator->feature_names != NULL) {
        put_text(writer, "feature_names_in_");
        put_objects_open(writer, estimator->feature_name_count);
        for (uint64_t i = 0; i < estimator->feature_name_count; i++) {
            put_text(writer, estimator->feature_names[i]);
        }
        put_objects_close(writer);
    }
    if (estimator->labels == NULL) {
        return;
    }
    const bool several = estimator->outputs > 1;
    put_text(writer, "n_classes_");
    put_bytes(writer, "](", several ? 2 : 0);
    for (int64_t i = 0; i < estimator->outputs; i++) {
        put_int(writer, estimator->claimed_classes != 0 ? estimator->claimed_classes
                                                        : (int64_t)estimator->labels[i].count);
    }
    put_bytes(writer, "e", several ? 1 : 0);
    put_text(writer, "classes_");
    put_bytes(writer, "](", several ? 2 : 0);
    for (int64_t i = 0; i < estimator->outputs; i++) {
        put_labels(writer, &estimator->labels[i]);
    }
    put_bytes(writer, "e", several ? 1 : 0);
}

/* cls.__new__(cls), and its state up to what makes it fitted. */
static void open_estimator(pickle_writer *writer, const fake_estimator *estimator,
                           const char *module, const char *name)
{
    open_object(writer, module, name);
    put_parameters(writer, estimator);
    if (estimator->version != NULL) {
        put_text(writer, "_sklearn_version");
        put_text(writer, estimator->version);
    }
}

void put_tree_estimator(pickle_writer *writer, const fake_estimator *estimator, const char *module,
                        const char *name, const fake_tree *tree)
{
    open_estimator(writer, estimator, module, name);
    put_text(writer, "splitter");
    put_text(writer, estimator->splitter != NULL ? estimator->splitter : "best");
    put_outputs(writer, estimator);
    if (!estimator->unfitted) {
        put_text(writer, "tree_");
        put_tree(writer, estimator, tree);
    }
    if (estimator->duplicate_attribute) {
        put_text(writer, "tree_");
        put_none(writer);
    }
    close_object(writer);
}

void put_estimator(pickle_writer *writer, const fake_estimator *estimator)
{
    if (estimator->inner == NULL) {
        put_tree_estimator(writer, estimator, estimator->module, estimator->name,
                           &estimator->trees[0]);
        return;
    }
    open_estimator(writer, estimator, estimator->module, estimator->name);
    put_outputs(writer, estimator);
    if (!estimator->unfitted) {
        put_text(writer, "estimators_");
        put_bytes(writer, "](", 2);
        for (size_t i = 0; i < estimator->tree_count; i++) {
            put_tree_estimator(writer, estimator, "sklearn.tree._classes", estimator->inner,
                               &estimator->trees[i]);
        }
        if (estimator->shared_tree) {
            put_bytes(writer, "q\x07", 2);
        }
        for (size_t i = 0; estimator->shared_tree && i < estimator->shared_count; i++) {
            put_bytes(writer, "h\x07", 2);
        }
        put_opcode(writer, 'e');
    }
    close_object(writer);
}

/* ---- a tree of one split -------------------------------------------------------------------- */

static const fake_node stump_nodes[2][3] = {
    {{1, 2, 0, 0.5, 10, 0}, {-1, -1, -2, -2, 4, 0}, {-1, -1, -2, -2, 6, 0}},
    {{1, 2, 1, 0.5, 10, 0}, {-1, -1, -2, -2, 4, 0}, {-1, -1, -2, -2, 6, 0}},
};
static const double stump_values[3] = {0, 1.5, -2.5};

const fake_tree fake_stumps[2] = {
    {.nodes = stump_nodes[0], .node_count = 3, .values = stump_values, .layout = FAKE_NODES_64},
    {.nodes = stump_nodes[1], .node_count = 3, .values = stump_values, .layout = FAKE_NODES_64},
};

void put_stump(pickle_writer *writer, const char *version, uint32_t feature, int64_t features)
{
    const fake_estimator estimator = {.module = "sklearn.tree._classes",
                                      .name = "DecisionTreeRegressor",
                                      .version = version,
                                      .criterion = "squared_error",
                                      .features = features,
                                      .outputs = 1,
                                      .trees = &fake_stumps[feature],
                                      .tree_count = 1};
    put_estimator(writer, &estimator);
}
