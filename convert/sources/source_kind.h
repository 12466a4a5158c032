// SPDX-License-Identifier: Apache-2.0
/*
 * Kinds of saved models other than pickles: a file of such a kind is one model, told by its
 * content. Each kind is one table of functions in its own source; source_kind.c lists them.
 * May include: include/, convert/forest.h. Must never: recognise by a file's name.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SOURCE_KIND_H
#define ESPALIER_CONVERT_SOURCES_SOURCE_KIND_H

#include "convert/forest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_SOURCE_UNSAID INT64_MIN

/* What a model's splits on each feature brought, as the trainer's feature_importances_ adds it. */
typedef struct espalier_source_splits {
    uint32_t feature_count; /* of both arrays; a model of others is refused */
    uint32_t iterations;    /* LightGBM: of the first so many alone; 0: of all */
    double *gains;          /* XGBoost: sums in float32 */
    double *counts;         /* LightGBM: of splits with a gain above 0 */
} espalier_source_splits;

/* What the Python object around a model says. Numbers are ESPALIER_SOURCE_UNSAID if absent. */
typedef struct espalier_source_wrapper {
    bool estimator;         /* of scikit-learn's manner: predicts up to the best iteration */
    bool classifier;        /* an estimator whose predict gives classes */
    bool in_place;          /* XGBoost: predicts from rows as they are, where the version can */
    float missing;          /* what else than NaN its predict takes for missing; NaN: nothing */
    int64_t best_iteration; /* as the estimator has it, counted from 0 */
    int64_t best_tree_limit;
    int64_t booster_best_iteration; /* as its Booster has it beside the model */
    int64_t parallel_count;         /* trees grown at once */
    espalier_source_splits *splits; /* to be filled; NULL: nobody asks */
} espalier_source_wrapper;

/* What the caller says of the columns that pandas had as categories, shared by all models of a
 * source. */
typedef struct espalier_source_categorical {
    const char *columns; /* "pclass,sex"; NULL: nothing */
    bool used;           /* by some model */
} espalier_source_categorical;

/* A model's bytes: a file's, out of its container, or those inside a pickled object. */
typedef struct espalier_source_input {
    const uint8_t *data;
    size_t bytes;
    const char *path;                         /* names the file in messages, and the place in it */
    uint64_t memory_bytes_max;                /* what the forest's arrays and all work may take */
    const espalier_source_wrapper *wrapper;   /* NULL: the file itself */
    espalier_source_categorical *categorical; /* or NULL */
} espalier_source_input;

/* What is shown of the model. */
typedef struct espalier_source_summary {
    char format[48];         /* "XGBoost JSON" */
    char class_name[64];     /* "xgboost.Booster" */
    char version[32];        /* the trainer's, "" when the file does not say */
    uint64_t consumed_bytes; /* up to the end of the model and blank space behind it */
} espalier_source_summary;

typedef struct espalier_source_kind {
    const char *name; /* "XGBoost" */
    /* From the first bytes; must not take what another kind or a pickle may start with. */
    bool (*recognise)(const uint8_t *data, size_t bytes);
    /*
     * Fills *forest (zeroed before; on failure the caller frees it), which is not validated yet,
     * and *summary (zeroed before), this also with SOURCE_UNSUPPORTED. Messages: "PATH: PLACE:
     * cause". Status: SOURCE_SYNTAX, SOURCE_TRUNCATED, SOURCE_UNSUPPORTED, SOURCE_TREE,
     * SOURCE_LIMIT, MEMORY.
     */
    espalier_status (*load)(const espalier_source_input *input, espalier_forest *forest,
                            espalier_source_summary *summary, espalier_error *error_out);
} espalier_source_kind;

/* The kind whose content this is, or NULL: read it as a pickle. */
const espalier_source_kind *espalier_source_recognise(const uint8_t *data, size_t bytes);

#endif
