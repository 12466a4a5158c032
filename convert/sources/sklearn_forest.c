// SPDX-License-Identifier: Apache-2.0
/*
 * From one fitted estimator to the forest: outputs, labels, names, trees, and what its version
 * means by its leaf values. See sklearn.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_internal.h"

#include "convert/sources/params.h"
#include "format/error.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers of all the importer's files ---------------------------------------------------- */

espalier_status espalier_sklearn_fail(const espalier_sklearn_import *import,
                                      const espalier_pickle_value *at, espalier_status status,
                                      const char *format, ...)
{
    char cause[320];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    const uint64_t offset = at == NULL ? ESPALIER_OFFSET_NONE : espalier_pickle_offset(at);
    (void)espalier_error_set(import->error, status, 0, offset, "%s: %s%s%s", import->source,
                             import->path.text, import->path.bytes > 0 ? ": " : "", cause);
    return status;
}

espalier_status espalier_sklearn_allocate(espalier_sklearn_import *import, uint64_t count,
                                          uint64_t bytes, void **out)
{
    *out = NULL;
    if (bytes != 0 && count > import->memory_left / bytes) {
        (void)espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_SOURCE_LIMIT,
                                    "the forest does not fit into %" PRIu64
                                    " bytes of working memory",
                                    import->memory_bytes_max);
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    import->memory_left -= count * bytes;
    *out = calloc(count > 0 ? (size_t)count : 1, (size_t)bytes);
    if (*out == NULL) {
        (void)espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                    "no memory for %" PRIu64 " x %" PRIu64 " bytes", count, bytes);
        return ESPALIER_ERROR_MEMORY;
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_attribute(const espalier_sklearn_import *import,
                                           const espalier_pickle_value *object, const char *name,
                                           bool required, const espalier_pickle_value **value_out)
{
    *value_out = NULL;
    if (espalier_pickle_attribute(import->pickle, object, name, value_out, NULL) != ESPALIER_OK) {
        return espalier_sklearn_fail(import, object, ESPALIER_ERROR_SOURCE_SYNTAX,
                                     "%s cannot be looked up: it occurs twice, or the object's "
                                     "state is no dict",
                                     name);
    }
    if (required && *value_out == NULL) {
        return espalier_sklearn_fail(import, object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "there is no %s", name);
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_count(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *object, const char *name,
                                       uint32_t max, uint32_t *count_out)
{
    const espalier_pickle_value *value;
    const espalier_status status = espalier_sklearn_attribute(import, object, name, true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    int64_t count;
    if (!espalier_pickle_get_int64(value, &count) || count < 1 || count > max) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is no integer from 1 to %" PRIu32, name, max);
    }
    *count_out = (uint32_t)count;
    return ESPALIER_OK;
}

/* ---- shape: features, outputs, labels, names ------------------------------------------------ */

/* n_features_in_ since 0.23, n_features_ before and for a while after. */
static espalier_status read_feature_count(espalier_sklearn_import *import)
{
    const espalier_pickle_value *newer;
    const espalier_pickle_value *older;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "n_features_in_", false, &newer);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_attribute(import, import->estimator, "n_features_", false, &older);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_sklearn_count(import, import->estimator,
                                    newer != NULL ? "n_features_in_" : "n_features_",
                                    ESPALIER_LIMIT_FEATURES, &import->forest->feature_count);
    int64_t count;
    if (status == ESPALIER_OK && newer != NULL && older != NULL &&
        (!espalier_pickle_get_int64(older, &count) || count != import->forest->feature_count)) {
        return espalier_sklearn_fail(import, older, ESPALIER_ERROR_SOURCE_TREE,
                                     "n_features_ differs from n_features_in_");
    }
    return status;
}

/* n_classes_: a number, or one an output in a list or array. Old regressors have one as well. */
static espalier_status check_class_counts(const espalier_sklearn_import *import)
{
    const espalier_forest *const forest = import->forest;
    const espalier_pickle_value *value;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "n_classes_", false, &value);
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    for (uint32_t group = 0; group < forest->group_count; group++) {
        int64_t count = -1;
        bool good;
        if (array != NULL) {
            good = espalier_pickle_array_int64(array, group, &count);
        } else if (espalier_pickle_item_count(value) > 0) {
            const espalier_pickle_value *const item = espalier_pickle_item(value, group);
            good = item != NULL && espalier_pickle_get_int64(item, &count);
        } else {
            good = espalier_pickle_get_int64(value, &count) && forest->group_count == 1;
        }
        if (!good || count != forest->group_width[group]) {
            return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                         "n_classes_ of output %" PRIu32 " is not the %" PRIu32
                                         " of classes_",
                                         group, forest->group_width[group]);
        }
    }
    return ESPALIER_OK;
}

/* classes_: an array, or with several outputs a list of them. */
static espalier_status read_classes(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *value;
    void *labels;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "classes_", true, &value);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, forest->group_count, sizeof *forest->labels, &labels);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->labels = labels;
    const bool several = espalier_pickle_get_array(value) == NULL;
    if (several ? espalier_pickle_item_count(value) != forest->group_count
                : forest->group_count != 1) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "classes_ does not hold the labels of %" PRIu32 " outputs",
                                     forest->group_count);
    }
    const size_t path_bytes = import->path.bytes;
    for (uint32_t group = 0; group < forest->group_count && status == ESPALIER_OK; group++) {
        espalier_source_path_attribute(&import->path, "classes_");
        if (several) {
            espalier_source_path_item(&import->path, group);
        }
        status = espalier_sklearn_read_labels(import,
                                              several ? espalier_pickle_item(value, group) : value,
                                              &forest->labels[group]);
        if (status == ESPALIER_OK) {
            espalier_source_path_cut(&import->path, path_bytes);
            forest->group_width[group] = forest->labels[group].count;
        }
    }
    return status == ESPALIER_OK ? check_class_counts(import) : status;
}

static espalier_status read_outputs(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    void *widths;
    uint32_t group_count = 0;
    espalier_status status = espalier_sklearn_count(import, import->estimator, "n_outputs_",
                                                    ESPALIER_LIMIT_OUTPUTS, &group_count);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, group_count, sizeof *forest->group_width, &widths);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->group_count = group_count;
    forest->group_width = widths;
    forest->classifier = import->class->classifier;
    for (uint32_t group = 0; group < group_count; group++) {
        forest->group_width[group] = 1;
    }
    if (forest->classifier) {
        status = read_classes(import);
    }
    uint64_t width = 0;
    for (uint32_t group = 0; group < group_count; group++) {
        width += forest->group_width[group];
        if (forest->group_width[group] > import->class_count_max) {
            import->class_count_max = forest->group_width[group];
        }
    }
    if (status == ESPALIER_OK && width > ESPALIER_LIMIT_SLOTS) {
        return espalier_sklearn_fail(import, import->estimator, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "%" PRIu64 " classes of all outputs, more than %u", width,
                                     ESPALIER_LIMIT_SLOTS);
    }
    forest->leaf_width = (uint32_t)width;
    return status;
}

static espalier_status read_feature_names(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *value;
    void *names;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "feature_names_in_", false, &value);
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    espalier_source_path_attribute(&import->path, "feature_names_in_");
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    if (array == NULL || array->dim_count != 1 || array->element_count != forest->feature_count) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "no array of %" PRIu32 " names", forest->feature_count);
    }
    status = espalier_sklearn_allocate(import, forest->feature_count, sizeof *forest->feature_names,
                                       &names);
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->feature_names = names;
    for (uint32_t i = 0; i < forest->feature_count && status == ESPALIER_OK; i++) {
        size_t bytes = 0;
        status = espalier_sklearn_text(import, value, array, i, "feature name",
                                       &forest->feature_names[i], &bytes);
        if (status == ESPALIER_OK && memchr(forest->feature_names[i], '\0', bytes) != NULL) {
            status = espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                           "feature name %" PRIu32 " holds a NUL", i);
        }
    }
    return status;
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* The fitted tree number i, with *path at its tree_; its kind is the forest's. */
static espalier_status find_forest_tree(espalier_sklearn_import *import,
                                        const espalier_pickle_value *estimators, uint32_t index,
                                        espalier_sklearn_tree *tree)
{
    const espalier_pickle_value *estimator = import->estimator;
    if (estimators != NULL) {
        estimator = espalier_pickle_item(estimators, index);
        espalier_source_path_attribute(&import->path, "estimators_");
        espalier_source_path_item(&import->path, index);
        const espalier_sklearn_class *const class = espalier_sklearn_class_of(estimator);
        if (class == NULL || class->forest || class->classifier != import->class->classifier ||
            class->extra != import->class->extra) {
            return espalier_sklearn_fail(import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "%s is no tree as a %s holds them",
                                         class == NULL ? "this" : class->name, import->class->name);
        }
    }
    espalier_source_path_attribute(&import->path, "tree_");
    return espalier_sklearn_find_tree(import, estimator, tree);
}

/* Sizes first: one allocation an array, charged before any node is read. */
static espalier_status place_trees(espalier_sklearn_import *import,
                                   const espalier_pickle_value *estimators)
{
    espalier_forest *const forest = import->forest;
    const size_t path_bytes = import->path.bytes;
    const uint64_t node_bytes = sizeof *forest->left + sizeof *forest->right +
                                sizeof *forest->feature + sizeof *forest->threshold +
                                sizeof *forest->cover + sizeof *forest->missing_left;
    const uint64_t node_count_max = import->memory_left / node_bytes;
    const uint64_t row_bytes = sizeof *forest->leaf_values * (uint64_t)forest->leaf_width;
    import->missing_recorded = true;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        espalier_sklearn_tree tree = {0};
        const espalier_status status = find_forest_tree(import, estimators, i, &tree);
        if (status != ESPALIER_OK) {
            return status;
        }
        espalier_source_path_cut(&import->path, path_bytes);
        forest->trees[i] = (espalier_forest_tree){.first_node = forest->node_count,
                                                  .first_leaf = forest->leaf_count,
                                                  .node_count = tree.node_count,
                                                  .leaf_count = (tree.node_count + 1) / 2};
        forest->node_count += tree.node_count;
        forest->leaf_count += forest->trees[i].leaf_count;
        import->missing_recorded = import->missing_recorded && tree.missing_recorded;
        /* Leaf rows too, before the next tree's: one wide tree listed often costs time as well. */
        if (forest->leaf_count > import->memory_left / row_bytes) {
            return espalier_sklearn_fail(import, tree.object, ESPALIER_ERROR_SOURCE_LIMIT,
                                         "leaves of %" PRIu64 " bytes do not fit into %" PRIu64
                                         " bytes of working memory",
                                         row_bytes, import->memory_bytes_max);
        }
        if (forest->node_count > node_count_max) {
            return espalier_sklearn_fail(import, tree.object, ESPALIER_ERROR_SOURCE_LIMIT,
                                         "more than %" PRIu64 " nodes do not fit into %" PRIu64
                                         " bytes of working memory",
                                         node_count_max, import->memory_bytes_max);
        }
    }
    return ESPALIER_OK;
}

static espalier_status allocate_nodes(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const uint64_t count = forest->node_count;
    void *arrays[7] = {NULL};
    const uint64_t sizes[7] = {sizeof *forest->left,       sizeof *forest->right,
                               sizeof *forest->feature,    sizeof *forest->threshold,
                               sizeof *forest->cover,      sizeof *forest->missing_left,
                               sizeof *forest->leaf_values};
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < 6 && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_allocate(import, count, sizes[i], &arrays[i]);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, forest->leaf_count,
                                           sizes[6] * forest->leaf_width, &arrays[6]);
    }
    forest->left = arrays[0];
    forest->right = arrays[1];
    forest->feature = arrays[2];
    forest->threshold = arrays[3];
    forest->cover = arrays[4];
    forest->missing_left = arrays[5];
    forest->leaf_values = arrays[6];
    return status;
}

static espalier_status read_trees(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *estimators = NULL;
    espalier_status status = ESPALIER_OK;
    size_t tree_count = 1;
    if (import->class->forest) {
        status =
            espalier_sklearn_attribute(import, import->estimator, "estimators_", true, &estimators);
        tree_count = estimators == NULL ? 0 : espalier_pickle_item_count(estimators);
        if (status == ESPALIER_OK && (tree_count == 0 || tree_count > ESPALIER_LIMIT_TREES)) {
            status = espalier_sklearn_fail(import, estimators, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                           "estimators_ is no list of 1 to %u trees",
                                           ESPALIER_LIMIT_TREES);
        }
    }
    void *trees = NULL;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, tree_count, sizeof *forest->trees, &trees);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->trees = trees;
    forest->tree_count = (uint32_t)tree_count;
    status = place_trees(import, estimators);
    if (status == ESPALIER_OK) {
        status = allocate_nodes(import);
    }
    const size_t path_bytes = import->path.bytes;
    for (uint32_t i = 0; i < forest->tree_count && status == ESPALIER_OK; i++) {
        espalier_sklearn_tree tree = {0};
        status = find_forest_tree(import, estimators, i, &tree);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_read_tree(import, &tree, i);
        }
        if (status == ESPALIER_OK) {
            espalier_source_path_cut(&import->path, path_bytes);
        }
    }
    return status;
}

/* ---- what the numbers mean ------------------------------------------------------------------ */

/* NumPy's sum of at most 128 contiguous values. */
static double sum_block(const double *values, size_t count)
{
    if (count < 8) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += values[i];
        }
        return sum;
    }
    double r[8];
    memcpy(r, values, sizeof r);
    size_t i = 8;
    for (; i + 8 <= count; i += 8) {
        for (size_t j = 0; j < 8; j++) {
            r[j] += values[i + j];
        }
    }
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

/*
 * NumPy's pairwise sum along a contiguous axis: halves, rounded down to a multiple of eight, until
 * they are at most 128 long. The pending right halves are the stack; each is at most about half as
 * long as the one below it, so 32 entries do for any count below 2^32.
 */
static double sum_pairwise(const double *values, size_t count)
{
    struct {
        const double *values;
        size_t count;
        double left;
        bool left_known;
    } stack[40];
    size_t depth = 0;
    for (;;) {
        while (count > 128) {
            const size_t half = count / 2 - (count / 2) % 8;
            stack[depth].values = values + half;
            stack[depth].count = count - half;
            stack[depth].left_known = false;
            depth++;
            count = half;
        }
        double sum = sum_block(values, count);
        while (depth > 0 && stack[depth - 1].left_known) {
            sum = stack[--depth].left + sum;
        }
        if (depth == 0) {
            return sum;
        }
        stack[depth - 1].left = sum;
        stack[depth - 1].left_known = true;
        values = stack[depth - 1].values;
        count = stack[depth - 1].count;
    }
}

/* Counts to fractions, as predict_proba of a tree did up to 1.3; a sum of zero divides by one. */
static void normalise_leaves(espalier_forest *forest)
{
    double *row = forest->leaf_values;
    for (uint64_t leaf = 0; leaf < forest->leaf_count; leaf++) {
        for (uint32_t group = 0; group < forest->group_count; group++) {
            const uint32_t width = forest->group_width[group];
            const double sum = sum_pairwise(row, width);
            const double divisor = sum == 0 ? 1 : sum;
            for (uint32_t i = 0; i < width; i++) {
                row[i] /= divisor;
            }
            row += width;
        }
    }
}

/* For files that do not say their version: fractions iff every leaf row sums to one. */
static bool are_fractions(const espalier_forest *forest)
{
    const double *row = forest->leaf_values;
    for (uint64_t leaf = 0; leaf < forest->leaf_count; leaf++) {
        for (uint32_t group = 0; group < forest->group_count; group++) {
            if (!(fabs(sum_pairwise(row, forest->group_width[group]) - 1) <= 1e-6)) {
                return false;
            }
            row += forest->group_width[group];
        }
    }
    return true;
}

/* The leaf rows of a classifier: weighted counts up to 1.3, fractions from 1.4 on. */
static void settle_leaf_values(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const bool fractions = import->version.known
                               ? espalier_sklearn_version_from(import->version, 1, 4)
                               : are_fractions(forest);
    if (!forest->classifier || fractions) {
        return;
    }
    if (import->class->forest) {
        normalise_leaves(forest);
    } else {
        forest->normalise = true; /* classes are decided on the counts themselves */
    }
}

static bool has_text(const espalier_sklearn_import *import, const espalier_pickle_value *object,
                     const char *name, const char *text)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(import->pickle, object, name, &value, NULL);
    return value != NULL && espalier_pickle_text_equal(value, text);
}

/* Whether the estimator's predict accepts NaN: a forest asks its first tree. */
static void settle_missing(espalier_sklearn_import *import)
{
    const espalier_pickle_value *tree = import->estimator;
    const espalier_pickle_value *value = NULL;
    if (import->class->forest) {
        (void)espalier_pickle_attribute(import->pickle, tree, "estimators_", &value, NULL);
        tree = espalier_pickle_item(value, 0);
    }
    espalier_sklearn_tree_facts facts = {.classifier = import->class->classifier,
                                         .extra = import->class->extra,
                                         .in_forest = import->class->forest,
                                         .splitter_best =
                                             has_text(import, tree, "splitter", "best"),
                                         .splitter_random =
                                             has_text(import, tree, "splitter", "random")};
    espalier_pickle_slice text;
    value = NULL;
    (void)espalier_pickle_attribute(import->pickle, tree, "criterion", &value, NULL);
    if (value != NULL && espalier_pickle_get_text(value, &text) && text.bytes < 32) {
        char criterion[32];
        memcpy(criterion, text.data, text.bytes);
        criterion[text.bytes] = '\0';
        facts.criterion_missing = espalier_sklearn_criterion_missing(facts.classifier, criterion);
    }
    value = NULL;
    (void)espalier_pickle_attribute(import->pickle, tree, "monotonic_cst", &value, NULL);
    facts.monotonic = value != NULL && espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE;
    espalier_sklearn_version version = import->version;
    if (!version.known && import->missing_recorded) {
        /* The oldest version that writes this: 1.3, or with monotonic_cst 1.4. */
        version = (espalier_sklearn_version){true, 1, value != NULL ? 4 : 3};
    }
    espalier_forest *const forest = import->forest;
    forest->missing_allowed =
        import->missing_recorded && espalier_sklearn_missing_allowed(version, &facts);
    if (!forest->missing_allowed) {
        /* Directions that the trainer records and never uses. */
        memset(forest->missing_left, 0, (size_t)forest->node_count);
    }
}

/* Framework, version, class and hyper-parameters. */
static espalier_status describe_trainer(espalier_sklearn_import *import, const char *version)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_name *const name = espalier_pickle_class(import->estimator);
    const size_t bytes = name->module.bytes + name->name.bytes + 2;
    forest->framework = strdup("scikit-learn");
    forest->version = *version == '\0' ? NULL : strdup(version);
    forest->class_name = malloc(bytes);
    if (forest->framework == NULL || (forest->version == NULL && *version != '\0') ||
        forest->class_name == NULL ||
        espalier_params_json(import->estimator, &forest->parameters_json) != ESPALIER_OK) {
        return espalier_sklearn_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                     "no memory for the metadata");
    }
    (void)snprintf(forest->class_name, bytes, "%.*s.%.*s", (int)name->module.bytes,
                   name->module.data, (int)name->name.bytes, name->name.data);
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_load(const espalier_pickle *pickle, const char *source,
                                      const char *path, const espalier_pickle_value *estimator,
                                      uint64_t memory_bytes_max, espalier_forest *forest,
                                      espalier_error *error_out)
{
    espalier_sklearn_import import = {.pickle = pickle,
                                      .source = source,
                                      .error = error_out,
                                      .forest = forest,
                                      .estimator = estimator,
                                      .class = espalier_sklearn_class_of(estimator),
                                      .memory_bytes_max = memory_bytes_max,
                                      .memory_left = memory_bytes_max};
    (void)snprintf(import.path.text, sizeof import.path.text, "%s", path);
    import.path.bytes = strlen(import.path.text);
    char version[64];
    espalier_sklearn_version_text(pickle, estimator, version, sizeof version);
    import.version = espalier_sklearn_version_parse(version);
    forest->divide =
        import.class->forest ? ESPALIER_FOREST_DIVIDE_TREES : ESPALIER_FOREST_DIVIDE_NONE;
    forest->leaf_is_vector = import.class->forest;
    espalier_status status = read_feature_count(&import);
    if (status == ESPALIER_OK) {
        status = read_outputs(&import);
    }
    if (status == ESPALIER_OK) {
        const size_t path_bytes = import.path.bytes;
        status = read_feature_names(&import);
        espalier_source_path_cut(&import.path, path_bytes);
    }
    if (status == ESPALIER_OK) {
        status = read_trees(&import);
    }
    if (status == ESPALIER_OK) {
        settle_leaf_values(&import);
        settle_missing(&import);
        status = describe_trainer(&import, version);
    }
    return status;
}
