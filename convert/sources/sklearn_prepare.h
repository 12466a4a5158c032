// SPDX-License-Identifier: Apache-2.0
/*
 * What the files share that read scikit-learn's transformers: the table of numbers that a pipeline
 * passes on, as values of a preparation, and helpers to add operations to it. What each version
 * computes is in docs/semantics.md. Included by sklearn*.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_PREPARE_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_PREPARE_H

#include "convert/preparation.h"
#include "convert/sources/sklearn_internal.h"

/* The NumPy type of a table of numbers. */
typedef enum espalier_sklearn_dtype {
    ESPALIER_SKLEARN_BOOL = 0,
    ESPALIER_SKLEARN_FLOAT32 = 1,
    ESPALIER_SKLEARN_FLOAT64 = 2,
    ESPALIER_SKLEARN_INTEGER = 3,  /* of 4 or 8 bytes */
    ESPALIER_SKLEARN_UNSIGNED = 4, /* the same without a sign */
    ESPALIER_SKLEARN_SMALL = 5,    /* int8, int16: beside float32 they become float32 */
    ESPALIER_SKLEARN_UINT8 = 6,    /* so does it, and beside int8 int16 */
    ESPALIER_SKLEARN_UINT16 = 7    /* so does it, but beside int8 and int16 it becomes int32 */
} espalier_sklearn_dtype;

/* The table that a transformer gets or gives: a value a column, and its type in a pipeline that
 * began with rows of float32, of float64. */
typedef struct espalier_sklearn_table {
    uint32_t *values;
    uint32_t count;
    uint32_t room;
    espalier_sklearn_dtype narrow;
    espalier_sklearn_dtype wide;
    bool sparse;
} espalier_sklearn_table;

/* One preparation being read; `import` names places and holds the limits of memory. */
typedef struct espalier_sklearn_prepare {
    espalier_sklearn_import import;
    espalier_preparation *preparation;
    const espalier_preparation *inner;  /* the model's own, behind all steps; or NULL */
    const espalier_pickle_value *names; /* the feature names at fit, an array; or NULL */
    espalier_sklearn_version version;   /* of the transformer that is being read */
    uint64_t *work_left; /* what may still be gone through and compared, in all pipelines */
    uint8_t *is_number;  /* [feature_count] some step takes it for a number, not for text */
} espalier_sklearn_prepare;

/* Reads a fitted transformer: *out, zeroed before, becomes what it makes of *in. */
typedef espalier_status espalier_sklearn_apply(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *object,
                                               const espalier_sklearn_table *in,
                                               espalier_sklearn_table *out);

espalier_sklearn_apply espalier_sklearn_apply_standard;   /* StandardScaler */
espalier_sklearn_apply espalier_sklearn_apply_range;      /* MinMaxScaler */
espalier_sklearn_apply espalier_sklearn_apply_magnitude;  /* MaxAbsScaler */
espalier_sklearn_apply espalier_sklearn_apply_robust;     /* RobustScaler */
espalier_sklearn_apply espalier_sklearn_apply_binarizer;  /* Binarizer */
espalier_sklearn_apply espalier_sklearn_apply_function;   /* FunctionTransformer */
espalier_sklearn_apply espalier_sklearn_apply_imputer;    /* SimpleImputer */
espalier_sklearn_apply espalier_sklearn_apply_indicator;  /* MissingIndicator */
espalier_sklearn_apply espalier_sklearn_apply_ordinal;    /* OrdinalEncoder */
espalier_sklearn_apply espalier_sklearn_apply_one_hot;    /* OneHotEncoder */
espalier_sklearn_apply espalier_sklearn_apply_bins;       /* KBinsDiscretizer */
espalier_sklearn_apply espalier_sklearn_apply_variance;   /* VarianceThreshold */
espalier_sklearn_apply espalier_sklearn_apply_scores;     /* SelectKBest, SelectPercentile, .. */
espalier_sklearn_apply espalier_sklearn_apply_support;    /* RFE, RFECV, Sequential.. */
espalier_sklearn_apply espalier_sklearn_apply_importance; /* SelectFromModel */

/* Charges work that grows faster than the file. Status: SOURCE_LIMIT, reported. */
espalier_status espalier_sklearn_spend(espalier_sklearn_prepare *prepare, uint64_t work);

/* ---- tables ---- */

/* Appends a column. Status: MEMORY, reported. */
espalier_status espalier_sklearn_table_add(espalier_sklearn_prepare *prepare,
                                           espalier_sklearn_table *table, uint32_t value);
void espalier_sklearn_table_free(espalier_sklearn_table *table);

/* One of several types. */
#define ESPALIER_SKLEARN_TYPE(dtype) (1U << (dtype))

/* The type of all together, as NumPy promotes them from 1.20 on: beside float32 int16 and uint16
 * are float32, though without it they are int32. (uint64 beside int64 is float64 there and an
 * INTEGER here: beside float32 either becomes float64, and places are the same in both.) */
espalier_sklearn_dtype espalier_sklearn_promote(uint32_t types);

/* As check_array with FLOAT_DTYPES leaves it: float32 stays, all others become float64. */
espalier_sklearn_dtype espalier_sklearn_as_float(espalier_sklearn_dtype dtype);

/* The flags that round where the table's numbers are float32. */
uint32_t espalier_sklearn_rounding(const espalier_sklearn_table *table);

/* ---- operations ---- */

/* *value becomes what `operation` with `count` numbers, rounded as `number_flags` say, makes of it.
 * Status: LIMIT, MEMORY, reported. */
espalier_status espalier_sklearn_operate(espalier_sklearn_prepare *prepare, uint32_t operation,
                                         uint32_t flags, const double *numbers, uint32_t count,
                                         uint32_t number_flags, uint32_t *value);

/* All columns of a table are refused where they are NaN, infinite. */
espalier_status espalier_sklearn_refuse_values(espalier_sklearn_prepare *prepare,
                                               const espalier_sklearn_table *table, bool missing,
                                               bool infinite, uint32_t rounding);

/* ---- attributes ---- */

/*
 * A one-dimensional array of numbers, or a scalar, as malloc'ed float64: None and absent give NULL,
 * or are refused if `required`. count: how many there must be; 0: any. Status as reported.
 */
espalier_status espalier_sklearn_numbers(espalier_sklearn_prepare *prepare,
                                         const espalier_pickle_value *object, const char *name,
                                         bool required, uint32_t *count, double **numbers_out);

/* A boolean attribute, or `absent` where there is none. */
espalier_status espalier_sklearn_flag(espalier_sklearn_prepare *prepare,
                                      const espalier_pickle_value *object, const char *name,
                                      bool absent, bool *flag_out);

/* Whether a text attribute has this value. */
bool espalier_sklearn_has_text(const espalier_sklearn_prepare *prepare,
                               const espalier_pickle_value *object, const char *name,
                               const char *text);

/* A `dtype` attribute: a NumPy class, a dtype, or text; None or absent: *dtype is left. */
espalier_status espalier_sklearn_read_dtype(espalier_sklearn_prepare *prepare,
                                            const espalier_pickle_value *object, const char *name,
                                            espalier_sklearn_dtype *dtype);

/* ---- text ---- */

/* Whether the first element is text. */
bool espalier_sklearn_has_texts(const espalier_pickle_array *array);

/* None, or NaN. */
bool espalier_sklearn_is_missing(const espalier_pickle_value *item);

/* The number of a string among the categories of the feature that `value` is made of. Status:
 * LIMIT, MEMORY, SOURCE_UNSUPPORTED, reported. */
espalier_status espalier_sklearn_number_text(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *at, uint32_t value,
                                             const char *text, size_t bytes, double *number_out);
/* The same of an element of an array. */
espalier_status espalier_sklearn_number_item(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *at, uint32_t value,
                                             const espalier_pickle_array *array, uint64_t index,
                                             double *number_out);

/* Sorts count keys and their values; several NaN become one. numbers: as of INDEX. */
espalier_status espalier_sklearn_sort_keys(espalier_sklearn_prepare *prepare,
                                           const espalier_pickle_value *at, double *numbers,
                                           uint32_t *count);

/* Remembers that a step takes the feature of a value for a number. */
void espalier_sklearn_mark_number(espalier_sklearn_prepare *prepare, uint32_t value);

/* Refuses features of text that a step, or the model, which reads `table`, takes for numbers. */
espalier_status espalier_sklearn_check_text(espalier_sklearn_prepare *prepare,
                                            const espalier_sklearn_table *table);

/* ---- SelectFromModel ---- */

/* How far, by its size, a number of float32 may be from ours behind a few steps, generously. */
#define ESPALIER_SKLEARN_DOUBT_FLOAT32 1e-4

/* What is asked of an estimator, a number a column. */
typedef struct espalier_sklearn_scores {
    double *numbers; /* malloc'ed */
    double doubt;    /* nearer, by their size, two may be the other way round; 0: all are exact */
    bool narrow;     /* they are float32, and compared with a threshold in float32 */
} espalier_sklearn_scores;

/*
 * What SelectFromModel `object` asks `estimator` for, into *scores, zeroed before, whose numbers
 * are freed by the caller also after a failure.
 */
espalier_status espalier_sklearn_importances(espalier_sklearn_prepare *prepare,
                                             const espalier_pickle_value *object,
                                             const espalier_pickle_value *estimator, uint32_t count,
                                             espalier_sklearn_scores *scores);

/* How many features the estimator of XGBoost in the selector was given, which its model alone says;
 * 0: there is none. Status as reported. */
espalier_status espalier_sklearn_selector_width(espalier_sklearn_prepare *prepare,
                                                const espalier_pickle_value *selector,
                                                uint32_t *width_out);

#define ESPALIER_SKLEARN_ROUNDS (ESPALIER_PREPARE_ROUND_FLOAT32 | ESPALIER_PREPARE_ROUND_FLOAT64)

#endif
