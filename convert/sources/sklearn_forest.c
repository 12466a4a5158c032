// SPDX-License-Identifier: Apache-2.0
/*
 * Trees and forests: their outputs and labels, and what their version means by its leaf values.
 * See sklearn.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- outputs and labels ---------------------------------------------------------------------- */

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
espalier_status espalier_sklearn_read_classes(espalier_sklearn_import *import)
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
        status = espalier_sklearn_read_classes(import);
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

/* The trees of a forest are of its own sort. */
static const char *find_tree_name(const espalier_sklearn_class *class)
{
    return class->extra        ? class->classifier ? "ExtraTreeClassifier" : "ExtraTreeRegressor"
           : class->classifier ? "DecisionTreeClassifier"
                               : "DecisionTreeRegressor";
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
double espalier_sklearn_sum_pairwise(const double *values, size_t count)
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
            const double sum = espalier_sklearn_sum_pairwise(row, width);
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
            if (!(fabs(espalier_sklearn_sum_pairwise(row, forest->group_width[group]) - 1) <=
                  1e-6)) {
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
    if ((import->class->kind == ESPALIER_SKLEARN_FOREST)) {
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
    if ((import->class->kind == ESPALIER_SKLEARN_FOREST)) {
        (void)espalier_pickle_attribute(import->pickle, tree, "estimators_", &value, NULL);
        tree = espalier_pickle_item(value, 0);
    }
    espalier_sklearn_tree_facts facts = {
        .classifier = import->class->classifier,
        .extra = import->class->extra,
        .in_forest = (import->class->kind == ESPALIER_SKLEARN_FOREST),
        .splitter_best = has_text(import, tree, "splitter", "best"),
        .splitter_random = has_text(import, tree, "splitter", "random")};
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

espalier_status espalier_sklearn_load_forest(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const bool several = import->class->kind == ESPALIER_SKLEARN_FOREST;
    forest->divide = several ? ESPALIER_FOREST_DIVIDE_TREES : ESPALIER_FOREST_DIVIDE_NONE;
    forest->leaf_is_vector = several;
    espalier_sklearn_trees trees = {.count = 1};
    espalier_status status = read_outputs(import);
    if (status == ESPALIER_OK && several) {
        status = espalier_sklearn_list_trees(import, &trees);
    }
    if (status == ESPALIER_OK) {
        import->tree_name = find_tree_name(import->class);
        import->tree_outputs = forest->group_count;
        import->tree_widths = forest->group_width;
        status = espalier_sklearn_read_trees(import, &trees);
    }
    if (status == ESPALIER_OK) {
        settle_leaf_values(import);
        settle_missing(import);
    }
    return status;
}
