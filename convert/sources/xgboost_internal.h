// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the XGBoost importer share. Included by xgboost*.c alone.
 *
 * A document is read in its own order (trees mostly come before the parameters that explain them),
 * so every member leaves its facts here, and espalier_xgboost_finish makes outputs of them at the
 * end. What cannot be converted is noted and reading goes on: the version comes last in the file.
 */
#ifndef ESPALIER_CONVERT_SOURCES_XGBOOST_INTERNAL_H
#define ESPALIER_CONVERT_SOURCES_XGBOOST_INTERNAL_H

#include "convert/category_values.h"
#include "convert/forest.h"
#include "convert/sources/document.h"
#include "convert/sources/source_kind.h"

#include <jansson.h>

#define ESPALIER_XGBOOST_UNKNOWN ESPALIER_SOURCE_UNSAID

/* One tree's arrays, as the file has them; reused for the next. */
typedef struct espalier_xgboost_tree {
    espalier_document_array left;      /* int32_t */
    espalier_document_array right;     /* int32_t */
    espalier_document_array feature;   /* int32_t */
    espalier_document_array condition; /* float: threshold, or value of a leaf */
    espalier_document_array missing_left;
    espalier_document_array split_type; /* 1: categorical */
    espalier_document_array categories; /* int32_t: those of all splits on categories, which are */
    espalier_document_array category_nodes;    /* int32_t: at these nodes, */
    espalier_document_array category_segments; /* int32_t: from here on, */
    espalier_document_array category_sizes;    /* int32_t: so many */
    espalier_document_array category_lists; /* uint32_t: of each node 1 + which of these; 0: none */
    espalier_document_array cover;          /* float */
    espalier_document_array gain;           /* float: loss_changes, where somebody asks */
    espalier_document_array weights;        /* float: of vector leaves, see weights_by_leaf */
    espalier_document_array place;          /* uint32_t: the new number of each node */
    espalier_document_array order;          /* uint32_t: the old number of each node */
    int64_t id;
    int64_t node_count;
    int64_t deleted_count;
    int64_t leaf_width;
    bool weights_by_leaf; /* one row for each leaf (since 3.2), not for each node */
} espalier_xgboost_tree;

typedef struct espalier_xgboost_import {
    espalier_document document;
    espalier_forest *forest;
    espalier_xgboost_tree tree;
    uint64_t node_capacity;
    uint64_t leaf_capacity;
    uint64_t tree_capacity;
    bool renumbered;    /* forest->number has entries */
    bool has_sets;      /* forest->set has */
    bool has_vectors;   /* the document speaks of leaves of several values */
    int64_t leaf_width; /* values of a leaf, of all trees; ESPALIER_XGBOOST_UNKNOWN before one */

    /* Why it cannot be converted, found first; "" if it can. */
    char unsupported[400];
    uint64_t unsupported_offset;

    /* Facts. Numbers are ESPALIER_XGBOOST_UNKNOWN until read. */
    int64_t version[3];
    char booster[32];
    char objective[64];
    int64_t feature_count;
    int64_t class_count;
    int64_t target_count;
    int64_t tree_count;
    int64_t parallel_count;
    int64_t best_iteration;
    int64_t best_tree_limit;
    espalier_document_array base_scores;     /* float, in the objective's output space */
    espalier_document_array tree_info;       /* int32_t */
    espalier_document_array iteration_start; /* int32_t; count 0: not said */
    espalier_document_array weight_drop;     /* float; count 0: none */
    bool model_read;
    bool has_weights; /* there is a weight_drop */

    /* Of the old binary format. */
    bool base_is_margin; /* before 1.0: what was saved is not the base score but base_margin */
    float base_margin;

    bool base_last;     /* the base score is added to the sum of the leaves: old versions */
    uint32_t sums_slot; /* where the margins are */

    /* Of the scikit-learn wrapper's note, or of the wrapper itself. */
    bool wrapped;
    bool classifier;
    bool infinite_refused;
    bool wrapper_by_matrix; /* a predictor is named: not predicted in place */
    int64_t wrapper_parallel_count;
    float wrapper_missing; /* what its predict takes for missing, NaN by default */
    char class_name[48];
    espalier_forest_labels encoder; /* count 0: classes are 0, 1, ... */
    espalier_source_splits *splits; /* NULL: nobody asks */

    espalier_document_array names; /* char *: feature names */
    espalier_category_values category_values;

    /* For the metadata. */
    json_t *model_parameters;
    json_t *objective_parameters;
    json_t *attributes;
} espalier_xgboost_import;

/* ---- xgboost_members.c ---------------------------------------------------------------------- */

/* Reads one member's value. */
typedef bool espalier_xgboost_reader(espalier_xgboost_import *import);

typedef struct espalier_xgboost_member {
    const char *key;
    espalier_xgboost_reader *read; /* NULL: skip */
    bool required;
} espalier_xgboost_member;

/* What a member that is not in the list means. */
typedef enum espalier_xgboost_others {
    ESPALIER_XGBOOST_OTHERS_SKIPPED = 0,
    ESPALIER_XGBOOST_OTHERS_UNSUPPORTED = 1 /* unless it is an empty array or object, or null */
} espalier_xgboost_others;

/* Reads an object: each member at most once, all required ones. At most 32 members. */
bool espalier_xgboost_read_object(espalier_xgboost_import *import,
                                  const espalier_xgboost_member *members, size_t count,
                                  espalier_xgboost_others others);

/* Notes why the model cannot be converted, with the place and offset being read. */
void espalier_xgboost_refuse(espalier_xgboost_import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An integer, or a text that is one. */
bool espalier_xgboost_read_integer(espalier_xgboost_import *import, int64_t *value_out);

/* A text into text[capacity]; one that is too long fails. */
bool espalier_xgboost_read_word(espalier_xgboost_import *import, char *text, size_t capacity);

/* Whether an older version than this wrote it; 0.0 where it does not say, as before 1.0. */
bool espalier_xgboost_is_before(const espalier_xgboost_import *import, int64_t major,
                                int64_t minor);

/* "3.0.5"; files from before 1.0 do not say. */
void espalier_xgboost_version_text(const espalier_xgboost_import *import, char *text,
                                   size_t capacity);

/* Skips an array; *empty_out is whether it had no items. */
bool espalier_xgboost_skip_array(espalier_xgboost_import *import, bool *empty_out);

/* Reads a flat object into *object (created), long values and nested ones left out. */
bool espalier_xgboost_keep_object(espalier_xgboost_import *import, json_t **object);

/* ---- xgboost_learner.c ---------------------------------------------------------------------- */

/* Reads the whole document: a saved model, or one with its configuration, as a pickle has it. */
bool espalier_xgboost_read_document(espalier_xgboost_import *import);

/* Reads the configuration that a pickle has beside a model: the version, trees grown at once. */
bool espalier_xgboost_read_configuration(espalier_xgboost_import *import);

/* Reads the note of a scikit-learn wrapper, a JSON object; it is read from the place `offset`. */
bool espalier_xgboost_read_note(espalier_xgboost_import *import, const char *note, size_t bytes,
                                size_t offset);

/* ---- xgboost_categories.c ------------------------------------------------------------------- */

/* Reads the names of categories into the forest's, numbers into import->category_values. */
bool espalier_xgboost_read_categories(espalier_xgboost_import *import);

/* Makes places of these numbers in front of the forest, whose trees and stages are complete. */
bool espalier_xgboost_place_categories(espalier_xgboost_import *import);

/* ---- xgboost_tree.c ------------------------------------------------------------------------- */

/* Reads an array of trees into the forest; leaf values and thresholds are final but for dart. */
bool espalier_xgboost_read_trees(espalier_xgboost_import *import);
/* Adds import->tree, whose arrays are filled; `offset` is where it stands. */
bool espalier_xgboost_add_tree(espalier_xgboost_import *import, size_t offset);
void espalier_xgboost_free_tree(espalier_xgboost_tree *tree);

/* ---- xgboost_binary.c ----------------------------------------------------------------------- */

/* Whether the bytes begin as a model of the old binary format does, with "binf" or without. */
bool espalier_xgboost_is_binary(const uint8_t *data, size_t bytes);

/* The same facts from the old binary format; the document's bytes are its model. */
bool espalier_xgboost_read_binary(espalier_xgboost_import *import);

/* ---- xgboost_labels.c ----------------------------------------------------------------------- */

/* Reads a wrapper's label encoder; what it does not know of one is skipped. */
bool espalier_xgboost_read_encoder(espalier_document *note, espalier_forest_labels *labels);
void espalier_xgboost_free_labels(espalier_forest_labels *labels);

/* ---- xgboost_links.c ------------------------------------------------------------------------ */

/* From a base score, which is what an objective predicts, back to the margin. */
typedef enum espalier_xgboost_base {
    ESPALIER_XGBOOST_BASE_MARGIN = 0, /* it is one */
    ESPALIER_XGBOOST_BASE_LOGIT = 1,
    ESPALIER_XGBOOST_BASE_LOG = 2,
    ESPALIER_XGBOOST_BASE_EXPECTILES = 3
} espalier_xgboost_base;

/* What Booster.predict makes of the margins. */
typedef enum espalier_xgboost_value {
    ESPALIER_XGBOOST_VALUE_MARGIN = 0,
    ESPALIER_XGBOOST_VALUE_SIGMOID = 1,
    ESPALIER_XGBOOST_VALUE_EXP = 2,
    ESPALIER_XGBOOST_VALUE_STEP = 3,    /* 1 above 0, else 0 */
    ESPALIER_XGBOOST_VALUE_SOFTMAX = 4, /* the probability of each class */
    ESPALIER_XGBOOST_VALUE_INDEX = 5,   /* of the largest, as a number */
    ESPALIER_XGBOOST_VALUE_QUANTILES = 6,
    ESPALIER_XGBOOST_VALUE_EXPECTILES = 7
} espalier_xgboost_value;

typedef struct espalier_xgboost_objective {
    const char *name;
    espalier_xgboost_base base;
    espalier_xgboost_value value;
} espalier_xgboost_objective;

/* NULL when there is none of the name. */
const espalier_xgboost_objective *espalier_xgboost_find_objective(const char *name);

/* Stages and outputs; the forest knows its sums, groups and whether it classifies. */
bool espalier_xgboost_add_outputs(espalier_xgboost_import *import,
                                  const espalier_xgboost_objective *objective);

/* ---- xgboost_outputs.c ---------------------------------------------------------------------- */

/* From the facts to outputs, start, iterations, names and metadata. */
bool espalier_xgboost_finish(espalier_xgboost_import *import);

#endif
