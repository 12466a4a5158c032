// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the scikit-learn importer share, and those for estimators in its manner.
 * Included by sklearn*.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_INTERNAL_H

#include "convert/sources/sklearn.h"
#include "convert/sources/sklearn_version.h"

/* One conversion of one estimator. */
typedef struct espalier_sklearn_import {
    const espalier_pickle *pickle;
    const char *source;
    espalier_error *error;
    espalier_forest *forest;
    const espalier_pickle_value *estimator;
    const espalier_sklearn_class *class;
    espalier_sklearn_version version;
    uint64_t memory_bytes_max;
    uint64_t memory_left;
    uint32_t class_count_max;  /* last axis of the values */
    bool missing_recorded;     /* every tree's nodes say where missing goes */
    espalier_source_path path; /* of what is being read, for messages */
} espalier_sklearn_import;

/* "FILE: PLACE: cause", with the stream offset of `at` (may be NULL). Returns status. */
espalier_status espalier_sklearn_fail(const espalier_sklearn_import *import,
                                      const espalier_pickle_value *at, espalier_status status,
                                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Charges count x bytes against the limit before they are allocated, zeroed, into *out. */
espalier_status espalier_sklearn_allocate(espalier_sklearn_import *import, uint64_t count,
                                          uint64_t bytes, void **out);

/* An attribute of an object; absent is *value_out NULL, or an error when it is required. */
espalier_status espalier_sklearn_attribute(const espalier_sklearn_import *import,
                                           const espalier_pickle_value *object, const char *name,
                                           bool required, const espalier_pickle_value **value_out);

/* A required integer attribute in [1, max]. */
espalier_status espalier_sklearn_count(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *object, const char *name,
                                       uint32_t max, uint32_t *count_out);

/* The strings of a one-dimensional array of text as malloc'ed UTF-8. False: not text. */
espalier_status espalier_sklearn_text(espalier_sklearn_import *import,
                                      const espalier_pickle_value *at,
                                      const espalier_pickle_array *array, uint64_t index,
                                      const char *what, char **text_out, size_t *bytes_out);

/* Labels of one output from an element of classes_. */
espalier_status espalier_sklearn_read_labels(espalier_sklearn_import *import,
                                             const espalier_pickle_value *classes,
                                             espalier_forest_labels *labels);

/* The `tree_` of a fitted tree, its shapes compared with the forest's. */
typedef struct espalier_sklearn_tree {
    const espalier_pickle_value *object;
    const espalier_pickle_array *nodes;
    const espalier_pickle_array *values;
    uint32_t node_count;
    bool missing_recorded;
} espalier_sklearn_tree;

espalier_status espalier_sklearn_find_tree(const espalier_sklearn_import *import,
                                           const espalier_pickle_value *estimator,
                                           espalier_sklearn_tree *tree);

/* Fills nodes and leaf rows of forest->trees[index], whose ranges are set. */
espalier_status espalier_sklearn_read_tree(const espalier_sklearn_import *import,
                                           const espalier_sklearn_tree *tree, uint32_t index);

#endif
