// SPDX-License-Identifier: Apache-2.0
/*
 * What XGBoost makes of its trees: sums and where they start, iterations, names, and what is kept
 * of the parameters. See xgboost_internal.h.
 */
#include "convert/sources/xgboost_internal.h"

#include "format/layout.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "margins of base scores are computed in float32, step by step"
#endif

/* Base scores of the logistic objectives are kept this far from 0 and 1 since 3.2. */
#define LOGISTIC_MARGIN 1e-6F
/* XGBoost's kRtEps: how much an expectile is above its softplus. */
#define EXPECTILE_STEP 1e-6F

static bool fail_model(espalier_xgboost_import *import, espalier_status status, const char *cause)
{
    return espalier_document_fail(&import->document, status, ESPALIER_OFFSET_NONE, "%s", cause);
}

/* Zeroed memory for the forest, charged. */
static void *allocate(espalier_xgboost_import *import, uint64_t count, size_t bytes)
{
    if (!espalier_document_charge(&import->document, count * bytes)) {
        return NULL;
    }
    void *const items = calloc(count > 0 ? (size_t)count : 1, bytes);
    if (items == NULL) {
        (void)fail_model(import, ESPALIER_ERROR_MEMORY, "no memory for the forest");
    }
    return items;
}

/* ---- what is supported ---------------------------------------------------------------------- */

/* Up to 1.2 its base score is a probability, whatever it predicts. */
static bool is_old_logitraw(const espalier_xgboost_import *import)
{
    return strcmp(import->objective, "binary:logitraw") == 0 &&
           espalier_xgboost_is_before(import, 1, 3);
}

/* Notes what of the whole model is not converted. */
static void check_support(espalier_xgboost_import *import)
{
    if (strcmp(import->booster, "gblinear") == 0) {
        /* Its model has none of the members of trees, so nothing else was noted. */
        espalier_xgboost_refuse(import,
                                "gblinear is a linear model, not trees; gbtree and dart are "
                                "converted");
    } else if (strcmp(import->booster, "gbtree") != 0 && strcmp(import->booster, "dart") != 0) {
        espalier_xgboost_refuse(import,
                                "the booster %s is not known; gbtree and dart are "
                                "converted",
                                import->booster);
    }
    if ((import->version[0] < 1 && !import->base_is_margin) || import->version[0] > 3) {
        espalier_xgboost_refuse(import,
                                "saved by XGBoost %" PRId64 ".%" PRId64 "; 1.0 to 3.4 are known",
                                import->version[0], import->version[1]);
    }
    if (espalier_xgboost_find_objective(import->objective) == NULL) {
        espalier_xgboost_refuse(import, "the objective %s is not known", import->objective);
    }
}

/* ---- sums ----------------------------------------------------------------------------------- */

/*
 * As XGBoost computes it, in float32. Expectiles are kept as themselves; their margins are the
 * inverse of softplus of how far each is from the one `before`.
 */
static float margin_of(const espalier_xgboost_import *import, espalier_xgboost_base base,
                       float score, const float *before)
{
    if (base == ESPALIER_XGBOOST_BASE_LOGIT) {
        if (!espalier_xgboost_is_before(import, 3, 2)) {
            const float least = score > LOGISTIC_MARGIN ? score : LOGISTIC_MARGIN;
            score = least < 1.0F - LOGISTIC_MARGIN ? least : 1.0F - LOGISTIC_MARGIN;
        }
        return -logf(1.0F / score - 1.0F);
    }
    if (base == ESPALIER_XGBOOST_BASE_EXPECTILES && before != NULL) {
        const float own = score - *before - EXPECTILE_STEP;
        const float further = own > EXPECTILE_STEP ? own : EXPECTILE_STEP; /* no less than that */
        return further + logf(-expm1f(-further));
    }
    return base == ESPALIER_XGBOOST_BASE_LOG ? logf(score) : score;
}

static bool fill_start(espalier_xgboost_import *import, espalier_xgboost_base base)
{
    espalier_forest *const forest = import->forest;
    const espalier_document_array *const scores = &import->base_scores;
    if (scores->count != 1 && scores->count != forest->slot_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "base_score has %" PRIu64 " values for %" PRIu32 " outputs",
                                      scores->count, forest->slot_count);
    }
    forest->start = allocate(import, forest->slot_count, sizeof *forest->start);
    if (forest->start == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < forest->slot_count; i++) {
        const float *const score = (const float *)scores->items + (scores->count == 1 ? 0 : i);
        const float *const before = i == 0 ? NULL : scores->count == 1 ? score : score - 1;
        const float margin =
            import->base_is_margin ? import->base_margin : margin_of(import, base, *score, before);
        if (!isfinite(margin)) {
            return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                          ESPALIER_OFFSET_NONE,
                                          "a base score of %.9g gives no finite margin with %s",
                                          (double)*score, import->objective);
        }
        forest->start[i] = (double)margin;
    }
    return true;
}

/* Several classes are one output of several values, several targets are outputs of one each. */
static bool fill_groups(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    const int64_t classes = import->class_count < 2 ? 1 : import->class_count;
    const int64_t targets = import->target_count < 2 ? 1 : import->target_count;
    if (classes > 1 && targets > 1) {
        return fail_model(import, ESPALIER_ERROR_SOURCE_TREE,
                          "num_class and num_target are both above 1");
    }
    if (classes > ESPALIER_LIMIT_SLOTS || targets > ESPALIER_LIMIT_OUTPUTS) {
        return fail_model(import, ESPALIER_ERROR_SOURCE_LIMIT, "too many classes or targets");
    }
    forest->group_count = (uint32_t)targets;
    forest->group_width = allocate(import, (uint64_t)targets, sizeof *forest->group_width);
    if (forest->group_width == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < forest->group_count; i++) {
        forest->group_width[i] = (uint32_t)classes;
    }
    forest->slot_count = (uint32_t)(classes * targets);
    const int64_t width = import->leaf_width != ESPALIER_XGBOOST_UNKNOWN ? import->leaf_width : 1;
    if (width != 1 && width != (int64_t)forest->slot_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "leaves of %" PRId64 " values for %" PRIu32 " outputs", width,
                                      forest->slot_count);
    }
    forest->leaf_width = (uint32_t)width;
    return true;
}

static bool fill_slots(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    const int32_t *const info = import->tree_info.items;
    if (import->tree_info.count != forest->tree_count ||
        import->tree_count != (int64_t)forest->tree_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "%" PRIu32 " trees, num_trees is %" PRId64
                                      ", tree_info has %" PRIu64 " items",
                                      forest->tree_count, import->tree_count,
                                      import->tree_info.count);
    }
    if (forest->slot_count > forest->leaf_width) {
        forest->tree_slot = allocate(import, forest->tree_count, sizeof *forest->tree_slot);
        if (forest->tree_slot == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        if (info[i] < 0 || (uint32_t)info[i] >= forest->slot_count) {
            return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                          ESPALIER_OFFSET_NONE,
                                          "tree %" PRIu32 " adds to output %" PRId32 " of %" PRIu32,
                                          i, info[i], forest->slot_count);
        }
        if (forest->tree_slot != NULL) {
            forest->tree_slot[i] = (uint32_t)info[i];
        }
    }
    return true;
}

/* Dart: every tree's leaves times its weight, one rounding, as XGBoost does row by row. */
static bool apply_weights(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_document_array *const weights = &import->weight_drop;
    const bool dart = strcmp(import->booster, "dart") == 0;
    if (weights->count == 0 && (!dart || forest->tree_count == 0)) {
        return true;
    }
    if (weights->count != forest->tree_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "weight_drop has %" PRIu64 " items for %" PRIu32 " trees",
                                      weights->count, forest->tree_count);
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const float weight = ((const float *)weights->items)[i];
        const uint64_t width = forest->leaf_width;
        double *const values = forest->leaf_values + forest->trees[i].first_leaf * width;
        for (uint64_t at = 0; at < forest->trees[i].leaf_count * width; at++) {
            const float value = (float)values[at] * weight;
            values[at] = (double)value;
        }
    }
    return true;
}

/* ---- iterations ----------------------------------------------------------------------------- */

/* Since 2.0 the file says where each iteration's trees begin. */
static bool fill_recorded_iterations(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    const int32_t *const starts = import->iteration_start.items;
    const uint64_t count = import->iteration_start.count;
    bool good = starts[0] == 0 && starts[count - 1] == (int64_t)forest->tree_count;
    for (uint64_t i = 1; i < count; i++) {
        good = good && starts[i] > starts[i - 1];
    }
    if (!good) {
        return fail_model(import, ESPALIER_ERROR_SOURCE_TREE,
                          "iteration_indptr does not rise from 0 to the number of trees");
    }
    for (uint64_t i = 1; i < count; i++) {
        for (int32_t tree = starts[i - 1]; tree < starts[i]; tree++) {
            forest->tree_iteration[tree] = (uint32_t)(i - 1);
        }
    }
    forest->iteration_count = (uint32_t)(count - 1);
    return true;
}

/* Before: as many trees each as there are outputs, times the trees grown at once. */
static bool fill_counted_iterations(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    int64_t parallel = import->parallel_count;
    if (parallel < 1) {
        parallel = 1;
        /* Up to 1.3 only the wrapper knows, or early stopping's two ways to count. */
        if (import->wrapped && import->wrapper_parallel_count > 1) {
            parallel = import->wrapper_parallel_count;
        } else if (import->best_iteration >= 0 && import->best_iteration < INT32_MAX &&
                   import->best_tree_limit > 0) {
            parallel = import->best_tree_limit / (import->best_iteration + 1);
        }
    }
    if (parallel < 1 || parallel > forest->tree_count) {
        parallel = 1;
    }
    const uint64_t each = (uint64_t)parallel * (forest->slot_count / forest->leaf_width);
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        forest->tree_iteration[i] = (uint32_t)(i / each);
    }
    forest->iteration_count = (uint32_t)((forest->tree_count + each - 1) / each);
    return true;
}

static bool fill_iterations(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    if (forest->tree_count == 0) {
        return true; /* refused by the check of the forest */
    }
    forest->tree_iteration = allocate(import, forest->tree_count, sizeof *forest->tree_iteration);
    if (forest->tree_iteration == NULL) {
        return false;
    }
    const bool good = import->iteration_start.count > 1 ? fill_recorded_iterations(import)
                                                        : fill_counted_iterations(import);
    if (!good) {
        return false;
    }
    if (forest->iteration_count == forest->tree_count) {
        free(forest->tree_iteration); /* each tree is one */
        forest->tree_iteration = NULL;
    }
    /* The scikit-learn wrapper stops at the best; a bare Booster takes all. */
    if (import->wrapped && import->best_iteration >= 0 &&
        import->best_iteration + 1 < (int64_t)forest->iteration_count) {
        forest->default_iterations = (uint32_t)import->best_iteration + 1;
        /* Up to 1.3 apply of the wrapper takes all. */
        forest->leaf_iterations =
            espalier_xgboost_is_before(import, 1, 4) ? 0 : forest->default_iterations;
    }
    return true;
}

/* ---- inputs and metadata -------------------------------------------------------------------- */

static bool fill_inputs(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    if (import->feature_count < 1 || import->feature_count > ESPALIER_LIMIT_FEATURES) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE, "num_feature is %" PRId64,
                                      import->feature_count);
    }
    forest->input = ESPALIER_FOREST_INPUT_FLOAT32;
    forest->category = ESPALIER_FOREST_CATEGORY_24;
    forest->missing_allowed = true;
    forest->missing_marked = !isnan(import->wrapper_missing);
    forest->missing_number = forest->missing_marked ? (double)import->wrapper_missing : 0.0;
    /* A matrix takes them where it is told that infinity is missing. */
    forest->infinite_allowed = !import->infinite_refused || isinf(import->wrapper_missing);
    forest->feature_count = (uint32_t)import->feature_count;
    const espalier_categories *const categories = &forest->categories;
    if (categories->count > 0 &&
        categories->lists[categories->count - 1].feature >= forest->feature_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "categories of a feature that is not "
                                      "there");
    }
    if (import->names.count == 0) {
        return true;
    }
    if (import->names.count != forest->feature_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "%" PRIu64 " feature names for %" PRIu32 " features",
                                      import->names.count, forest->feature_count);
    }
    forest->feature_names = import->names.items;
    import->names = (espalier_document_array){0};
    return true;
}

/* Takes `value` over, whatever happens. */
static bool put_json(json_t *object, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(object, key, value) == 0;
}

/* What can be known of the hyper-parameters from the model alone. */
static char *dump_parameters(const espalier_xgboost_import *import)
{
    json_t *const root = json_object();
    char *text = NULL;
    if (root != NULL && put_json(root, "booster", json_string(import->booster)) &&
        put_json(root, "num_trees", json_integer(import->forest->tree_count)) &&
        (import->parallel_count < 1 ||
         put_json(root, "num_parallel_tree", json_integer(import->parallel_count))) &&
        put_json(root, "learner_model_param", json_incref(import->model_parameters)) &&
        put_json(root, "objective", json_incref(import->objective_parameters)) &&
        (import->attributes == NULL || json_object_size(import->attributes) == 0 ||
         put_json(root, "attributes", json_incref(import->attributes)))) {
        text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    }
    json_decref(root);
    return text;
}

static bool fill_metadata(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    char version[72];
    espalier_xgboost_version_text(import, version, sizeof version);
    forest->framework = strdup("XGBoost");
    forest->version = strdup(version);
    forest->class_name = strdup(import->class_name);
    forest->objective = strdup(import->objective);
    forest->parameters_json = dump_parameters(import);
    return (forest->framework != NULL && forest->version != NULL && forest->class_name != NULL &&
            forest->objective != NULL && forest->parameters_json != NULL) ||
           fail_model(import, ESPALIER_ERROR_MEMORY, "no memory for metadata");
}

bool espalier_xgboost_finish(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    check_support(import);
    if (import->unsupported[0] != '\0') {
        (void)espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     import->unsupported_offset, "%s", import->unsupported);
        return false;
    }
    const espalier_xgboost_objective *const objective =
        espalier_xgboost_find_objective(import->objective);
    const espalier_xgboost_base base =
        is_old_logitraw(import) ? ESPALIER_XGBOOST_BASE_LOGIT : objective->base;
    forest->accumulator = ESPALIER_FOREST_SUM_FLOAT32;
    forest->cover_unit = ESPALIER_FOREST_COVER_HESSIANS;
    forest->divide = ESPALIER_FOREST_DIVIDE_NONE;
    forest->leaf_is_vector = true;
    forest->classifier = import->classifier;
    return fill_inputs(import) && fill_groups(import) && fill_slots(import) &&
           fill_start(import, base) && apply_weights(import) && fill_iterations(import) &&
           espalier_xgboost_add_outputs(import, objective) && fill_metadata(import) &&
           espalier_xgboost_place_categories(import);
}
