// SPDX-License-Identifier: Apache-2.0
/*
 * Pickles written by hand: a small writer of opcodes, and on top of it trees and forests as
 * scikit-learn saves them, with any of their facts replaced by a lie.
 * May include: libc. Must never: use the reader it is meant to test.
 */
#ifndef ESPALIER_TESTS_SUPPORT_FAKE_SKLEARN_H
#define ESPALIER_TESTS_SUPPORT_FAKE_SKLEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- opcodes -------------------------------------------------------------------------------- */

typedef struct pickle_writer {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
} pickle_writer;

void pickle_writer_free(pickle_writer *writer);
void put_bytes(pickle_writer *writer, const void *data, size_t bytes);
void put_opcode(pickle_writer *writer, char opcode);
void put_start(pickle_writer *writer); /* PROTO 3 */
void put_stop(pickle_writer *writer);
void put_none(pickle_writer *writer);
void put_bool(pickle_writer *writer, bool value);
void put_int(pickle_writer *writer, int64_t value);
void put_float(pickle_writer *writer, double value);
void put_text(pickle_writer *writer, const char *text);
void put_raw(pickle_writer *writer, const void *data, size_t bytes); /* a bytes object */
void put_global(pickle_writer *writer, const char *module, const char *name);
/* REDUCE of name.dtype("code") with its state; the byte order is '<', '>' or '|'. */
void put_dtype(pickle_writer *writer, const char *code, char order);
/* An array of plain elements; data as they lie in the file. */
void put_array(pickle_writer *writer, const char *code, char order, const uint64_t *shape,
               size_t dim_count, bool fortran, const void *data, size_t bytes);
/* A one-dimensional object array: between the two come its `count` items. */
void put_objects_open(pickle_writer *writer, uint64_t count);
void put_objects_close(pickle_writer *writer);
/* The same of two dimensions: between the two come rows x columns items. columns 0: one only. */
void put_object_rows_open(pickle_writer *writer, uint64_t rows, uint64_t columns);

/* A structured array of `count` records that lie packed in data; the order is '<' or '>'. */
typedef struct fake_field {
    const char *name;
    const char *code;
    uint32_t offset;
} fake_field;
typedef struct fake_record {
    const fake_field *fields;
    uint32_t field_count;
    uint32_t item_bytes;
    char order;
} fake_record;
void put_records(pickle_writer *writer, const fake_record *record, uint32_t count,
                 const void *data);

/* ---- estimators ----------------------------------------------------------------------------- */

typedef struct fake_node {
    int64_t left;
    int64_t right;
    int64_t feature;
    double threshold;
    double weight;
    uint8_t missing_left;
} fake_node;

typedef enum fake_layout {
    FAKE_NODES_56 = 0,          /* before 1.3 */
    FAKE_NODES_64 = 1,          /* with missing_go_to_left */
    FAKE_NODES_64_SWAPPED = 2,  /* from a big-endian machine */
    FAKE_NODES_32_BITS = 3,     /* integers of four bytes */
    FAKE_NODES_CATEGORICAL = 4, /* 1.10 */
    FAKE_NODES_UNKNOWN = 5,     /* one field nobody knows */
    FAKE_NODES_SHORT = 6        /* no thresholds */
} fake_layout;

typedef struct fake_tree {
    const fake_node *nodes;
    uint32_t node_count;
    const double *values;       /* [node_count][output_count][class_count_max] */
    int64_t claimed_node_count; /* 0: the truth */
    uint64_t claimed_rows;      /* of values; 0: the truth */
    int64_t claimed_features;   /* 0: the estimator's */
    int64_t claimed_outputs;
    int64_t claimed_classes;
    fake_layout layout;
    bool four_arguments;
    bool fortran_values;
} fake_tree;

/* One output's class labels. */
typedef struct fake_labels {
    const char *code; /* "i8", "U5", "O8", ... */
    const void *data; /* of the array; for "O8": const char *const [count] */
    size_t bytes;
    uint64_t count;
} fake_labels;

typedef struct fake_estimator {
    const char *module;
    const char *name;      /* of a class: a forest when trees are wrapped in estimators_ */
    const char *inner;     /* class of the trees inside; NULL: a single tree */
    const char *version;   /* NULL: none */
    const char *criterion; /* NULL: "gini" */
    const char *splitter;  /* NULL: "best" */
    int64_t features;
    int64_t outputs;
    const fake_labels *labels; /* [outputs]; NULL: a regressor */
    int64_t claimed_classes;   /* n_classes_; 0: the truth */
    const char *const *feature_names;
    uint64_t feature_name_count;
    const fake_tree *trees;
    size_t tree_count;
    bool shared_tree;    /* every tree is the first one, by reference */
    size_t shared_count; /* then: how often */
    bool monotonic;
    bool duplicate_attribute;
    bool unfitted;
} fake_estimator;

/* The estimator as a value inside a stream. */
void put_estimator(pickle_writer *writer, const fake_estimator *estimator);

/* A fitted tree of a class, with what the estimator says of its features and outputs. */
void put_tree_estimator(pickle_writer *writer, const fake_estimator *estimator, const char *module,
                        const char *name, const fake_tree *tree);
void put_labels(pickle_writer *writer, const fake_labels *labels);

/* A whole file at `path`, made of one writer's bytes. Returns 0, or -1. */
int write_pickle_file(const pickle_writer *writer, const char *path);

#endif
