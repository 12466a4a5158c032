// SPDX-License-Identifier: Apache-2.0
/*
 * See fake_sklearn.h. Memory that cannot be had ends the test program.
 */
#include "tests/support/fake_sklearn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opcodes -------------------------------------------------------------------------------- */

void pickle_writer_free(pickle_writer *writer)
{
    free(writer->data);
    *writer = (pickle_writer){0};
}

void put_bytes(pickle_writer *writer, const void *data, size_t bytes)
{
    if (bytes > writer->capacity - writer->bytes) {
        writer->capacity = (writer->bytes + bytes) * 2;
        writer->data = realloc(writer->data, writer->capacity);
        if (writer->data == NULL) {
            abort();
        }
    }
    if (bytes > 0) {
        memcpy(writer->data + writer->bytes, data, bytes);
    }
    writer->bytes += bytes;
}

void put_opcode(pickle_writer *writer, char opcode)
{
    put_bytes(writer, &opcode, 1);
}

static void put_little(pickle_writer *writer, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));
        put_bytes(writer, &byte, 1);
    }
}

void put_start(pickle_writer *writer)
{
    put_bytes(writer, "\x80\x03", 2);
}

void put_stop(pickle_writer *writer)
{
    put_opcode(writer, '.');
}

void put_none(pickle_writer *writer)
{
    put_opcode(writer, 'N');
}

void put_bool(pickle_writer *writer, bool value)
{
    put_opcode(writer, value ? '\x88' : '\x89');
}

void put_int(pickle_writer *writer, int64_t value)
{
    if (value >= INT32_MIN && value <= INT32_MAX) {
        put_opcode(writer, 'J');
        put_little(writer, (uint64_t)value, 4);
    } else {
        put_bytes(writer, "\x8a\x08", 2);
        put_little(writer, (uint64_t)value, 8);
    }
}

void put_float(pickle_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_opcode(writer, 'G');
    for (size_t i = 0; i < 8; i++) {
        put_little(writer, bits >> (56 - 8 * i), 1);
    }
}

void put_text(pickle_writer *writer, const char *text)
{
    put_opcode(writer, 'X');
    put_little(writer, strlen(text), 4);
    put_bytes(writer, text, strlen(text));
}

void put_raw(pickle_writer *writer, const void *data, size_t bytes)
{
    put_opcode(writer, 'B');
    put_little(writer, bytes, 4);
    put_bytes(writer, data, bytes);
}

void put_global(pickle_writer *writer, const char *module, const char *name)
{
    put_opcode(writer, 'c');
    put_bytes(writer, module, strlen(module));
    put_opcode(writer, '\n');
    put_bytes(writer, name, strlen(name));
    put_opcode(writer, '\n');
}

/* numpy.dtype(code, False, True), still without its state. */
static void put_bare_dtype(pickle_writer *writer, const char *code)
{
    put_global(writer, "numpy", "dtype");
    put_text(writer, code);
    put_bool(writer, false);
    put_bool(writer, true);
    put_bytes(writer, "\x87R", 2);
}

void put_dtype(pickle_writer *writer, const char *code, char order)
{
    const long width = strtol(code + 1, NULL, 10);
    const bool sized = code[0] == 'U' || code[0] == 'S' || code[0] == 'V';
    const char order_text[2] = {order, '\0'};
    put_bare_dtype(writer, code);
    put_opcode(writer, '(');
    put_int(writer, 3);
    put_text(writer, order_text);
    put_none(writer);
    put_none(writer);
    put_none(writer);
    put_int(writer, sized ? width * (code[0] == 'U' ? 4 : 1) : -1);
    put_int(writer, sized ? (code[0] == 'U' ? 4 : 1) : -1);
    put_int(writer, code[0] == 'O' ? 63 : 0);
    put_bytes(writer, "tb", 2);
}

static void put_array_start(pickle_writer *writer)
{
    put_global(writer, "numpy.core.multiarray", "_reconstruct");
    put_global(writer, "numpy", "ndarray");
    put_int(writer, 0);
    put_opcode(writer, '\x85');
    put_raw(writer, "b", 1);
    put_bytes(writer, "\x87R(", 3);
    put_int(writer, 1);
}

void put_array(pickle_writer *writer, const char *code, char order, const uint64_t *shape,
               size_t dim_count, bool fortran, const void *data, size_t bytes)
{
    put_array_start(writer);
    put_opcode(writer, '(');
    for (size_t i = 0; i < dim_count; i++) {
        put_int(writer, (int64_t)shape[i]);
    }
    put_opcode(writer, 't');
    put_dtype(writer, code, order);
    put_bool(writer, fortran);
    put_raw(writer, data, bytes);
    put_bytes(writer, "tb", 2);
}

void put_objects_open(pickle_writer *writer, uint64_t count)
{
    put_object_rows_open(writer, count, 0);
}

void put_object_rows_open(pickle_writer *writer, uint64_t rows, uint64_t columns)
{
    put_array_start(writer);
    put_int(writer, (int64_t)rows);
    if (columns > 0) {
        put_int(writer, (int64_t)columns);
    }
    put_opcode(writer, columns > 0 ? '\x86' : '\x85');
    put_dtype(writer, "O8", '|');
    put_bool(writer, false);
    put_bytes(writer, "](", 2);
}

void put_objects_close(pickle_writer *writer)
{
    put_bytes(writer, "etb", 3);
}

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

static void put_record_dtype(pickle_writer *writer, const fake_record *record)
{
    char code[16];
    (void)snprintf(code, sizeof code, "V%u", record->item_bytes);
    put_bare_dtype(writer, code);
    put_opcode(writer, '(');
    put_int(writer, 3);
    put_text(writer, "|");
    put_none(writer);
    put_opcode(writer, '(');
    for (uint32_t i = 0; i < record->field_count; i++) {
        put_text(writer, record->fields[i].name);
    }
    put_bytes(writer, "t}(", 3);
    for (uint32_t i = 0; i < record->field_count; i++) {
        put_text(writer, record->fields[i].name);
        put_dtype(writer, record->fields[i].code, record->order);
        put_int(writer, record->fields[i].offset);
        put_opcode(writer, '\x86');
    }
    put_opcode(writer, 'u');
    put_int(writer, record->item_bytes);
    put_int(writer, 1);
    put_int(writer, 16);
    put_bytes(writer, "tb", 2);
}

void put_records(pickle_writer *writer, const fake_record *record, uint32_t count, const void *data)
{
    put_array_start(writer);
    put_int(writer, count);
    put_opcode(writer, '\x85');
    put_record_dtype(writer, record);
    put_bool(writer, false);
    put_raw(writer, data, (size_t)count * record->item_bytes);
    put_bytes(writer, "tb", 2);
}

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
    put_bytes(writer, "ub", 2);
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
    put_global(writer, module, name);
    put_bytes(writer, ")\x81}(", 4);
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
    put_bytes(writer, "ub", 2);
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
    put_bytes(writer, "ub", 2);
}

int write_pickle_file(const pickle_writer *writer, const char *path)
{
    (void)unlink(path); /* truncating a file instead makes some file systems sync it on close */
    FILE *const file = fopen(path, "wb");
    if (file == NULL) {
        return -1;
    }
    const bool good = fwrite(writer->data, 1, writer->bytes, file) == writer->bytes;
    return fclose(file) == 0 && good ? 0 : -1;
}
