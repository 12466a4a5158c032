// SPDX-License-Identifier: Apache-2.0
/*
 * Pipelines, FeatureUnions and ColumnTransformers: transformers behind each other and side by side,
 * to any depth up to a bound. See sklearn_compose.h. Must never recurse.
 */
#include "convert/sources/sklearn_compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Transformers inside each other; nobody honest goes deeper. */
#define DEPTH_MAX 12u

typedef enum frame_kind {
    FRAME_CHAIN = 1, /* Pipeline: each gets what the one before gave */
    FRAME_UNION,     /* FeatureUnion: each gets all */
    FRAME_COLUMNS    /* ColumnTransformer: each gets its columns */
} frame_kind;

/* A transformer of transformers on its way. */
typedef struct frame {
    frame_kind kind;
    const espalier_pickle_value *object;
    const espalier_pickle_value *entries; /* steps, transformer_list, transformers_ */
    size_t next;
    size_t path_bytes;
    size_t entry;              /* the one whose result is awaited */
    espalier_sklearn_table in; /* CHAIN: what the last step gave */
    espalier_sklearn_table out;
    uint32_t narrow_types; /* UNION, COLUMNS: of all parts, where rows are float32, */
    uint32_t wide_types;   /* float64 */
} frame;

typedef struct transformer_class {
    const char *name;
    const char *modules[2];
    espalier_sklearn_apply *apply;
} transformer_class;

static const transformer_class classes[] = {
#define DATA "sklearn.preprocessing._data", "sklearn.preprocessing.data"
    {"StandardScaler", {DATA}, espalier_sklearn_apply_standard},
    {"MinMaxScaler", {DATA}, espalier_sklearn_apply_range},
    {"MaxAbsScaler", {DATA}, espalier_sklearn_apply_magnitude},
    {"RobustScaler", {DATA}, espalier_sklearn_apply_robust},
    {"Binarizer", {DATA}, espalier_sklearn_apply_binarizer},
#undef DATA
    {"FunctionTransformer",
     {"sklearn.preprocessing._function_transformer", ""},
     espalier_sklearn_apply_function},
    {"SimpleImputer", {"sklearn.impute._base", "sklearn.impute"}, espalier_sklearn_apply_imputer},
    {"MissingIndicator",
     {"sklearn.impute._base", "sklearn.impute"},
     espalier_sklearn_apply_indicator},
    {"OrdinalEncoder", {"sklearn.preprocessing._encoders", ""}, espalier_sklearn_apply_ordinal},
    {"OneHotEncoder", {"sklearn.preprocessing._encoders", ""}, espalier_sklearn_apply_one_hot},
    {"KBinsDiscretizer",
     {"sklearn.preprocessing._discretization", ""},
     espalier_sklearn_apply_bins},
#define SELECTION(file) "sklearn.feature_selection._" file, "sklearn.feature_selection." file
    {"VarianceThreshold", {SELECTION("variance_threshold")}, espalier_sklearn_apply_variance},
    {"SelectKBest", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"SelectPercentile", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"SelectFpr", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"SelectFdr", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"SelectFwe", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"GenericUnivariateSelect", {SELECTION("univariate_selection")}, espalier_sklearn_apply_scores},
    {"RFE", {SELECTION("rfe")}, espalier_sklearn_apply_support},
    {"RFECV", {SELECTION("rfe")}, espalier_sklearn_apply_support},
    {"SequentialFeatureSelector", {SELECTION("sequential")}, espalier_sklearn_apply_support},
    {"SelectFromModel", {SELECTION("from_model")}, espalier_sklearn_apply_importance},
#undef SELECTION
};

static const espalier_pickle_value *peek(const espalier_pickle *pickle,
                                         const espalier_pickle_value *object, const char *name)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(pickle, object, name, &value, NULL);
    return value != NULL && espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE ? value : NULL;
}

static bool is_of(const espalier_pickle_value *value, const char *module, const char *name)
{
    return espalier_pickle_kind_of(value) == ESPALIER_PICKLE_OBJECT &&
           espalier_pickle_is(value, module, name);
}

/* What holds transformers; 0: a transformer by itself. */
static frame_kind kind_of(const espalier_pickle_value *value, const char **entries_out)
{
    if (is_of(value, "sklearn.pipeline", "Pipeline")) {
        *entries_out = "steps";
        return FRAME_CHAIN;
    }
    if (is_of(value, "sklearn.pipeline", "FeatureUnion")) {
        *entries_out = "transformer_list";
        return FRAME_UNION;
    }
    *entries_out = "transformers_";
    return is_of(value, "sklearn.compose._column_transformer", "ColumnTransformer") ? FRAME_COLUMNS
                                                                                    : (frame_kind)0;
}

/* ---- one transformer ------------------------------------------------------------------------ */

static bool passes_through(const espalier_pickle_value *value)
{
    return value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE ||
           espalier_pickle_text_equal(value, "passthrough");
}

/* What a frozen transformer, or a search over some, transforms with; the value itself where that is
 * missing, to be refused by its name. */
static const espalier_pickle_value *find_inner(espalier_sklearn_prepare *prepare,
                                               const espalier_pickle_value *value)
{
    const espalier_pickle_value *const inner =
        espalier_sklearn_best_of(prepare->import.pickle, value, &prepare->import.path);
    return inner != NULL ? inner : value;
}

/* What a step costs beside its columns: a pickle may name one step a million times. */
#define STEP_WORK 64u

static espalier_status copy_table(espalier_sklearn_prepare *prepare,
                                  const espalier_sklearn_table *from, espalier_sklearn_table *to)
{
    espalier_status status = espalier_sklearn_spend(prepare, STEP_WORK + from->count);
    to->narrow = from->narrow;
    to->wide = from->wide;
    to->sparse = from->sparse;
    for (uint32_t i = 0; i < from->count && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_table_add(prepare, to, from->values[i]);
    }
    return status;
}

static espalier_status refuse_transformer(const espalier_sklearn_prepare *prepare,
                                          const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    const char *const others =
        "; converted are StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, SimpleImputer, "
        "MissingIndicator, OrdinalEncoder, OneHotEncoder, KBinsDiscretizer, Binarizer, "
        "FunctionTransformer and the fitted selectors of features";
    if (name == NULL) {
        return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "this is no transformer%s", others);
    }
    return espalier_sklearn_fail(&prepare->import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "%.*s is not converted%s", (int)name->name.bytes, name->name.data,
                                 others);
}

static espalier_status apply_one(espalier_sklearn_prepare *prepare,
                                 const espalier_pickle_value *value,
                                 const espalier_sklearn_table *in, espalier_sklearn_table *out)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    for (size_t i = 0; name != NULL && i < sizeof classes / sizeof classes[0]; i++) {
        if (espalier_pickle_slice_equal(name->name, classes[i].name) &&
            (espalier_pickle_slice_equal(name->module, classes[i].modules[0]) ||
             espalier_pickle_slice_equal(name->module, classes[i].modules[1]))) {
            char version[64];
            espalier_sklearn_version_text(prepare->import.pickle, value, version, sizeof version);
            prepare->version = espalier_sklearn_version_parse(version);
            const espalier_status status = espalier_sklearn_spend(prepare, STEP_WORK + in->count);
            return status == ESPALIER_OK ? classes[i].apply(prepare, value, in, out) : status;
        }
    }
    return refuse_transformer(prepare, value);
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Begins a transformer of transformers; *in is taken over. */
static espalier_status open_frame(espalier_sklearn_prepare *prepare,
                                  const espalier_pickle_value *object, frame_kind kind,
                                  const char *entries, espalier_sklearn_table *in, frame *opened)
{
    *opened = (frame){.kind = kind,
                      .object = object,
                      .path_bytes = prepare->import.path.bytes,
                      .in = *in};
    *in = (espalier_sklearn_table){0};
    const espalier_status status =
        espalier_sklearn_attribute(&prepare->import, object, entries, true, &opened->entries);
    if (status == ESPALIER_OK) {
        espalier_source_path_attribute(&prepare->import.path, entries);
        opened->path_bytes = prepare->import.path.bytes;
    }
    return status;
}

/* What a union's parts are multiplied by, or 1. */
static double find_weight(const espalier_sklearn_prepare *prepare, const frame *own)
{
    const espalier_pickle_value *const weights =
        peek(prepare->import.pickle, own->object, "transformer_weights");
    espalier_pickle_slice name;
    double weight = 1.0;
    const espalier_pickle_value *const entry = espalier_pickle_item(own->entries, own->entry);
    if (weights == NULL || !espalier_pickle_get_text(espalier_pickle_item(entry, 0), &name)) {
        return weight;
    }
    for (size_t i = 0; i < espalier_pickle_pair_count(weights); i++) {
        espalier_pickle_slice key;
        if (espalier_pickle_get_text(espalier_pickle_pair_key(weights, i), &key) &&
            key.bytes == name.bytes && memcmp(key.data, name.data, key.bytes) == 0) {
            (void)espalier_pickle_get_double(espalier_pickle_pair_value(weights, i), &weight);
        }
    }
    return weight;
}

/* NumPy before 1.20, with which scikit-learn before 1.7 may run, promotes in the columns' order:
 * int16, uint16, float32 to float64, of which 1.20 makes float32. */
static bool depends_on_numpy(const espalier_sklearn_prepare *prepare, uint32_t types,
                             espalier_sklearn_dtype next)
{
    const uint32_t mixed = ESPALIER_SKLEARN_TYPE(ESPALIER_SKLEARN_SMALL) |
                           ESPALIER_SKLEARN_TYPE(ESPALIER_SKLEARN_UINT16);
    return next == ESPALIER_SKLEARN_FLOAT32 && (types & mixed) == mixed &&
           espalier_sklearn_promote(types) == ESPALIER_SKLEARN_INTEGER &&
           !espalier_sklearn_version_from(prepare->version, 1, 7);
}

/* Appends a part's columns to a union. */
static espalier_status join_part(espalier_sklearn_prepare *prepare, frame *own,
                                 espalier_sklearn_table *part)
{
    const double weight = find_weight(prepare, own);
    espalier_status status = ESPALIER_OK;
    if (weight != 1.0) {
        part->narrow =
            part->narrow == ESPALIER_SKLEARN_FLOAT32 ? part->narrow : ESPALIER_SKLEARN_FLOAT64;
        part->wide = part->wide == ESPALIER_SKLEARN_FLOAT32 ? part->wide : ESPALIER_SKLEARN_FLOAT64;
    }
    if (depends_on_numpy(prepare, own->narrow_types, part->narrow) ||
        depends_on_numpy(prepare, own->wide_types, part->wide)) {
        return espalier_sklearn_fail(&prepare->import, own->object,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "columns of float32 behind some of int16 and uint16 are not "
                                     "converted: their type depends on NumPy's version; in front "
                                     "of these they are");
    }
    const uint32_t rounding = espalier_sklearn_rounding(part);
    for (uint32_t i = 0; i < part->count && status == ESPALIER_OK; i++) {
        if (weight != 1.0) {
            status = espalier_sklearn_operate(prepare, ESPALIER_PREPARE_MULTIPLY, rounding, &weight,
                                              1, rounding, &part->values[i]);
        }
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_table_add(prepare, &own->out, part->values[i]);
        }
    }
    own->narrow_types |= ESPALIER_SKLEARN_TYPE(part->narrow);
    own->wide_types |= ESPALIER_SKLEARN_TYPE(part->wide);
    own->out.narrow = espalier_sklearn_promote(own->narrow_types);
    own->out.wide = espalier_sklearn_promote(own->wide_types);
    own->out.sparse = own->out.sparse || part->sparse;
    return status;
}

/* The result of the entry that was awaited; *result is taken over. */
static espalier_status deliver(espalier_sklearn_prepare *prepare, frame *own,
                               espalier_sklearn_table *result)
{
    espalier_status status = ESPALIER_OK;
    if (own->kind == FRAME_CHAIN) {
        espalier_sklearn_table_free(&own->in);
        own->in = *result;
        *result = (espalier_sklearn_table){0};
    } else {
        status = join_part(prepare, own, result);
        espalier_sklearn_table_free(result);
    }
    espalier_source_path_cut(&prepare->import.path, own->path_bytes);
    return status;
}

/* The next entry's transformer, NULL for one that passes on what it gets, and what it gets: *in,
 * zeroed before. *skips_out: it gives nothing. */
static espalier_status next_entry(espalier_sklearn_prepare *prepare, frame *own,
                                  const espalier_pickle_value **transformer_out, bool *skips_out,
                                  espalier_sklearn_table *in)
{
    own->entry = own->next++;
    const espalier_pickle_value *const entry = espalier_pickle_item(own->entries, own->entry);
    const espalier_pickle_value *const value = espalier_pickle_item(entry, 1);
    espalier_source_path_item(&prepare->import.path, own->entry);
    *skips_out = false;
    *transformer_out = passes_through(value) ? NULL : value;
    const bool drops = espalier_pickle_text_equal(value, "drop") ||
                       (own->kind == FRAME_UNION && value != NULL &&
                        espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE);
    if (drops) {
        *skips_out = true;
        return ESPALIER_OK;
    }
    if (own->kind != FRAME_COLUMNS) {
        espalier_source_path_item(&prepare->import.path, 1);
        return copy_table(prepare, &own->in, in);
    }
    espalier_source_path_item(&prepare->import.path, 2);
    const espalier_status status =
        espalier_sklearn_choose_columns(prepare, own->object, entry, &own->in, in);
    espalier_source_path_cut(&prepare->import.path, own->path_bytes);
    espalier_source_path_item(&prepare->import.path, own->entry);
    espalier_source_path_item(&prepare->import.path, 1);
    *skips_out = in->count == 0;
    return status;
}

/* What a frame gives that has no more entries. */
static espalier_sklearn_table close_frame(const espalier_sklearn_prepare *prepare, frame *own)
{
    espalier_sklearn_table result = own->kind == FRAME_CHAIN ? own->in : own->out;
    if (own->kind == FRAME_CHAIN) {
        own->in = (espalier_sklearn_table){0};
    }
    own->out = own->kind == FRAME_CHAIN ? own->out : (espalier_sklearn_table){0};
    if (own->kind == FRAME_COLUMNS) {
        const espalier_pickle_value *const sparse =
            peek(prepare->import.pickle, own->object, "sparse_output_");
        bool is_sparse = false;
        result.sparse = sparse != NULL && espalier_pickle_get_bool(sparse, &is_sparse) && is_sparse;
    }
    espalier_sklearn_table_free(&own->in);
    espalier_sklearn_table_free(&own->out);
    return result;
}

/* One step of the walk: an entry of the topmost frame, or its end. *result: what ended last. */
static espalier_status walk_frame(espalier_sklearn_prepare *prepare, frame *frames, uint32_t *depth,
                                  espalier_sklearn_table *result)
{
    frame *const own = &frames[*depth - 1];
    if (own->next == espalier_pickle_item_count(own->entries)) {
        *result = close_frame(prepare, own);
        (*depth)--;
        return *depth > 0 ? deliver(prepare, &frames[*depth - 1], result) : ESPALIER_OK;
    }
    const espalier_pickle_value *transformer = NULL;
    const char *entries = NULL;
    bool skips = false;
    espalier_sklearn_table in = {0};
    espalier_sklearn_table out = {0};
    espalier_status status = next_entry(prepare, own, &transformer, &skips, &in);
    if (status != ESPALIER_OK || skips) {
        espalier_sklearn_table_free(&in);
        espalier_source_path_cut(&prepare->import.path, status == ESPALIER_OK
                                                            ? own->path_bytes
                                                            : prepare->import.path.bytes);
        return status;
    }
    transformer = transformer != NULL ? find_inner(prepare, transformer) : NULL;
    const frame_kind kind = transformer != NULL ? kind_of(transformer, &entries) : (frame_kind)0;
    if (kind != 0) {
        if (*depth == DEPTH_MAX) {
            espalier_sklearn_table_free(&in);
            return espalier_sklearn_fail(&prepare->import, transformer, ESPALIER_ERROR_SOURCE_LIMIT,
                                         "transformers are nested deeper than %u", DEPTH_MAX);
        }
        return open_frame(prepare, transformer, kind, entries, &in, &frames[(*depth)++]);
    }
    status = transformer == NULL ? copy_table(prepare, &in, &out)
                                 : apply_one(prepare, transformer, &in, &out);
    espalier_sklearn_table_free(&in);
    if (status == ESPALIER_OK) {
        return deliver(prepare, own, &out);
    }
    espalier_sklearn_table_free(&out);
    return status;
}

espalier_status espalier_sklearn_apply_transformer(espalier_sklearn_prepare *prepare,
                                                   const espalier_pickle_value *transformer,
                                                   const espalier_sklearn_table *in,
                                                   espalier_sklearn_table *out)
{
    frame frames[DEPTH_MAX];
    uint32_t depth = 0;
    const char *entries = NULL;
    transformer = passes_through(transformer) ? transformer : find_inner(prepare, transformer);
    const frame_kind kind =
        passes_through(transformer) ? (frame_kind)0 : kind_of(transformer, &entries);
    if (kind == 0) {
        return passes_through(transformer) ? copy_table(prepare, in, out)
                                           : apply_one(prepare, transformer, in, out);
    }
    espalier_sklearn_table copy = {0};
    espalier_status status = copy_table(prepare, in, &copy);
    if (status == ESPALIER_OK) {
        status = open_frame(prepare, transformer, kind, entries, &copy, &frames[depth++]);
    }
    espalier_sklearn_table_free(&copy);
    while (depth > 0 && status == ESPALIER_OK) {
        status = walk_frame(prepare, frames, &depth, out);
    }
    for (uint32_t i = 0; i < depth; i++) {
        espalier_sklearn_table_free(&frames[i].in);
        espalier_sklearn_table_free(&frames[i].out);
    }
    return status;
}

/* ---- what was given ------------------------------------------------------------------------- */

/* The first transformer of a chain or union that says anything. */
static const espalier_pickle_value *first_of(const espalier_pickle *pickle,
                                             const espalier_pickle_value *chain,
                                             const char *entries)
{
    const espalier_pickle_value *const steps = peek(pickle, chain, entries);
    for (size_t i = 0; i < espalier_pickle_item_count(steps); i++) {
        const espalier_pickle_value *const step =
            espalier_pickle_item(espalier_pickle_item(steps, i), 1);
        if (!passes_through(step) && !espalier_pickle_text_equal(step, "drop")) {
            return step;
        }
    }
    return NULL;
}

const espalier_pickle_value *espalier_sklearn_first_transformer(
    const espalier_pickle *pickle, const espalier_pickle_value *transformer)
{
    for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
        const char *entries = NULL;
        transformer = espalier_sklearn_best_of(pickle, transformer, NULL);
        const frame_kind kind =
            transformer != NULL ? kind_of(transformer, &entries) : (frame_kind)0;
        if (kind != FRAME_CHAIN && kind != FRAME_UNION) {
            break;
        }
        transformer = first_of(pickle, transformer, entries);
    }
    return transformer;
}

/* One of an object's counts that says how many features it was trained on; 0: none does. */
static uint32_t said_width(const espalier_pickle *pickle, const espalier_pickle_value *object,
                           const char *name)
{
    const espalier_pickle_value *const value = peek(pickle, object, name);
    int64_t count = 0;
    return value != NULL && espalier_pickle_get_int64(value, &count) && count > 0 &&
                   count <= ESPALIER_LIMIT_FEATURES
               ? (uint32_t)count
               : 0;
}

/* In 0.22 neither selectors nor linear models say their features, and of AdaBoost only its trees
 * do: as many as coef_ has columns, or the first tree. */
static uint32_t asked_width(const espalier_pickle *pickle, const espalier_pickle_value *estimator)
{
    const espalier_pickle_value *const coefficients = peek(pickle, estimator, "coef_");
    const espalier_pickle_array *const array =
        coefficients != NULL ? espalier_pickle_get_array(coefficients) : NULL;
    if (array != NULL) {
        const uint64_t count =
            array->form->dim_count > 0 ? array->form->shape[array->form->dim_count - 1] : 0;
        return count <= ESPALIER_LIMIT_FEATURES ? (uint32_t)count : 0;
    }
    const espalier_pickle_value *const trees = peek(pickle, estimator, "estimators_");
    const espalier_pickle_value *const tree = trees != NULL && espalier_pickle_item_count(trees) > 0
                                                  ? espalier_pickle_item(trees, 0)
                                                  : NULL;
    const uint32_t count = tree != NULL ? said_width(pickle, tree, "n_features_in_") : 0;
    return tree != NULL && count == 0 ? said_width(pickle, tree, "n_features_") : count;
}

uint32_t espalier_sklearn_transformer_width(const espalier_pickle *pickle,
                                            const espalier_pickle_value *transformer,
                                            const espalier_pickle_value **names_out)
{
    static const char *const counts[] = {"n_features_in_", "_n_features", "n_features_",
                                         "_n_features_in"};
    static const char *const arrays[] = {"scale_",      "mean_",      "center_",
                                         "statistics_", "variances_", "scores_",
                                         "categories_", "n_bins_",    "support_"};
    transformer = espalier_sklearn_first_transformer(pickle, transformer);
    *names_out = NULL;
    if (transformer == NULL || espalier_pickle_kind_of(transformer) != ESPALIER_PICKLE_OBJECT) {
        return 0;
    }
    *names_out = peek(pickle, transformer, "feature_names_in_");
    *names_out = *names_out != NULL ? *names_out : peek(pickle, transformer, "_feature_names_in");
    /* RFE's n_features_, and its estimator, are of the features that it leaves. */
    const bool eliminates = peek(pickle, transformer, "support_") != NULL;
    const espalier_pickle_value *const inner =
        eliminates ? NULL : peek(pickle, transformer, "estimator_");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t count = eliminates && i == 2 ? 0 : said_width(pickle, transformer, counts[i]);
        count =
            count == 0 && inner != NULL && i != 1 ? said_width(pickle, inner, counts[i]) : count;
        if (count != 0) {
            return count;
        }
    }
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        const espalier_pickle_value *const value = peek(pickle, transformer, arrays[i]);
        const espalier_pickle_array *const array =
            value != NULL ? espalier_pickle_get_array(value) : NULL;
        const uint64_t count =
            array != NULL ? array->form->element_count : espalier_pickle_item_count(value);
        if (count > 0 && count <= ESPALIER_LIMIT_FEATURES) {
            return (uint32_t)count;
        }
    }
    return inner != NULL ? asked_width(pickle, inner) : 0;
}
