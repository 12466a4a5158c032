// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the scikit-learn importer share, and those for estimators in its manner.
 * Included by sklearn*.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_INTERNAL_H

#include "convert/combine.h"
#include "convert/plan.h"
#include "convert/sources/sklearn.h"
#include "convert/sources/sklearn_version.h"

/* One conversion of one estimator. */
typedef struct espalier_sklearn_import {
    const espalier_sklearn_object *object; /* NULL for an estimator of another library */
    const espalier_pickle *pickle;
    const char *source;
    espalier_error *error;
    espalier_forest *forest;
    const espalier_pickle_value *estimator;
    const espalier_sklearn_class *class;
    espalier_sklearn_version version;
    uint64_t memory_bytes_max;
    uint64_t memory_left;
    const char *tree_name;       /* class of the trees inside: "DecisionTreeRegressor" */
    uint32_t tree_features;      /* what each tree has to say of itself: features, */
    uint32_t tree_outputs;       /* outputs, */
    const uint32_t *tree_widths; /* [tree_outputs] and their classes; 1: a regression */
    uint32_t class_count_max;    /* the most of them: last axis of the values */
    bool missing_recorded;       /* every tree's nodes say where missing goes */
    espalier_source_path path;   /* of what is being read, for messages */
    espalier_combine combine;    /* of an estimator of others: its members so far */
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

/* The estimator's classes_ as labels and widths of forest->group_count outputs. */
espalier_status espalier_sklearn_read_classes(espalier_sklearn_import *import);

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

/* The fitted trees of an estimator. */
typedef struct espalier_sklearn_trees {
    const espalier_pickle_value
        *estimators; /* estimators_, a list or an object array of trees; NULL:
                                                the estimator is the tree */
    uint32_t count;
    uint32_t columns;                     /* of a two-dimensional array; else 0 */
    const espalier_pickle_value *subsets; /* the features of each tree, or NULL: all */
} espalier_sklearn_trees;

/* Tree number `index`, whose tree_ *path is then at; the caller cuts the path. */
espalier_status espalier_sklearn_tree_at(espalier_sklearn_import *import,
                                         const espalier_sklearn_trees *trees, uint32_t index,
                                         espalier_sklearn_tree *tree);

/* estimators_ as a list of trees. */
espalier_status espalier_sklearn_list_trees(espalier_sklearn_import *import,
                                            espalier_sklearn_trees *trees);

/* Reads all of them into the forest; leaf_width and what import says of trees are set before. */
espalier_status espalier_sklearn_read_trees(espalier_sklearn_import *import,
                                            const espalier_sklearn_trees *trees);

/* forest->trees, zeroed; then the place of each in turn, within the limit of memory. */
espalier_status espalier_sklearn_allocate_trees(espalier_sklearn_import *import, uint32_t count);
espalier_status espalier_sklearn_place_tree(const espalier_sklearn_import *import,
                                            const espalier_pickle_value *at, uint32_t index,
                                            uint32_t node_count);

/* Arrays of nodes and leaves for the counts that the forest already holds. */
espalier_status espalier_sklearn_allocate_nodes(espalier_sklearn_import *import);

/* An attribute that is None, or absent, counts as not there. */
bool espalier_sklearn_is_set(const espalier_sklearn_import *import,
                             const espalier_pickle_value *object, const char *name);

/* Whether it is a function of NumPy itself, and its name, that of another function too if it has
 * one: a symbol, or the call that makes a ufunc again. Others of NumPy's modules have the same
 * names and other answers: numpy.emath.sqrt(-1) is 1j. */
bool espalier_sklearn_numpy_function(const espalier_pickle_value *value,
                                     espalier_pickle_slice *name_out);

/* NumPy's sum along a contiguous axis: pairwise. */
double espalier_sklearn_sum_pairwise(const double *values, size_t count);

/* Of both kinds of boosting: the classes, one group, and the loss, one of a list that ends with
 * NULL. */
espalier_status espalier_sklearn_open_boosting(espalier_sklearn_import *import,
                                               const char *const *losses);

/* Slots and iterations of trees that lie iteration after iteration, `columns` in each; the one
 * group is as wide. */
espalier_status espalier_sklearn_number_stages(espalier_sklearn_import *import, uint32_t columns);

/* forest->start from init_ of a GradientBoosting model. *fitted_out: an estimator that answers row
 * by row, which is then not read yet; else NULL. */
espalier_status espalier_sklearn_read_first_guess(espalier_sklearn_import *import,
                                                  const espalier_pickle_value **fitted_out);

/* Makes two parts or more of the forest: the estimator `init`, and the trees that are there, whose
 * sums start from what it answers. *sums_out: the first slot of these. */
espalier_status espalier_sklearn_start_from(espalier_sklearn_import *import,
                                            const espalier_pickle_value *init, uint32_t *sums_out);

/* One more stage in float64; the first slot it writes. A slot that is not there gives none. */
uint32_t espalier_sklearn_add_stage(const espalier_sklearn_import *import,
                                    espalier_forest_operation operation, uint32_t slot,
                                    uint32_t count, const double *constants);

/* One more output of the only group; false when its slot is not there or memory runs out. */
bool espalier_sklearn_add_output(const espalier_sklearn_import *import, espalier_output_kind kind,
                                 uint32_t slot, uint32_t count, espalier_forest_decision decision);

/* The status of a plan that is complete or not. */
espalier_status espalier_sklearn_finish_plan(const espalier_sklearn_import *import, bool good);

/* Outputs and default output of both kinds of boosting; `sums`: the first slot of the sums. */
espalier_status espalier_sklearn_link_boosting(const espalier_sklearn_import *import,
                                               uint32_t sums);

/* By the kind of the class; the features, their names and the version are read before. */
espalier_status espalier_sklearn_load_forest(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_boosting(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_histogram(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_isolation(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_bagging(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_adaboost(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_voting(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_calibrated(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_multi_output(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_one_vs_rest(espalier_sklearn_import *import);
espalier_status espalier_sklearn_load_transformed(espalier_sklearn_import *import);

#endif
