// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a saved model: read as a pickle, looked through for a model, loaded as a forest and
 * checked. Seeds are real files of several versions. A crash, a leak, a hang, a failure without a
 * message, or a forest that passes the check and does not hold in a walk is a finding.
 */
#include "convert/sources/sklearn.h"
#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_pipeline.h"
#include "convert/sources/source_find.h"

#include <stdlib.h>

#define MEMORY_MAX (UINT64_C(8) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Left and right as far as they go: what the check promises, used. */
static void walk_tree(const espalier_forest *forest, const espalier_forest_part *part,
                      const espalier_forest_tree *tree)
{
    const uint32_t tested_count = espalier_forest_tested_count(forest);
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t at = tree->first_node;
        uint32_t steps = 0;
        while (forest->left[at] != ESPALIER_FOREST_LEAF) {
            if (forest->feature[at] >= tested_count || steps++ >= tree->depth) {
                abort();
            }
            at = tree->first_node + (side == 0 ? forest->left[at] : forest->right[at]);
        }
        const uint64_t leaf = tree->first_leaf + forest->right[at];
        const volatile double value =
            forest->leaf_values[part->first_value + leaf * part->leaf_width + part->leaf_width - 1];
        (void)value;
    }
}

/* A model, or a pipeline with one at its end, as source.c does. */
static espalier_status load_model(const espalier_pickle *pickle, const uint8_t *data, size_t bytes,
                                  espalier_source_path *path, const espalier_pickle_value *found,
                                  espalier_forest *forest, espalier_error *error)
{
    espalier_source_summary summary = {0};
    espalier_source_path *const end = malloc(sizeof *end);
    if (end == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    *end = *path;
    const espalier_pickle_value *const model = espalier_sklearn_pipeline_end(pickle, found, end);
    const espalier_sklearn_object object = {.pickle = pickle,
                                            .stream = data,
                                            .stream_bytes = bytes,
                                            .source = "fuzz",
                                            .path = end->text,
                                            .value = model,
                                            .memory_bytes_max = MEMORY_MAX};
    espalier_status status =
        espalier_sklearn_boosted_classify(pickle, model) == ESPALIER_SOURCE_OTHER
            ? espalier_sklearn_load(&object, forest, error)
            : espalier_sklearn_boosted_load(&object, forest, &summary, error);
    if (status == ESPALIER_OK && model != found) {
        uint64_t work_left = ESPALIER_SKLEARN_WORK_MAX;
        status = espalier_sklearn_prepare_forest(pickle, "fuzz", path->text, found, MEMORY_MAX,
                                                 &work_left, forest, error);
    }
    free(end);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const espalier_pickle_options options = {.source_name = "fuzz",
                                             .flagged_allowed = true,
                                             .memory_bytes_max = MEMORY_MAX};
    espalier_error error = {0};
    espalier_pickle *pickle = NULL;
    const espalier_pickle_value *model = NULL;
    espalier_forest forest = {0};
    espalier_source_path *const path = calloc(1, sizeof *path);
    if (path == NULL) {
        return 0;
    }
    espalier_status status = espalier_pickle_parse(data, bytes, &options, &pickle, &error);
    if (status == ESPALIER_OK) {
        status = espalier_source_choose(pickle, "fuzz", NULL, &model, path, &error);
    }
    if (status == ESPALIER_OK) {
        status = load_model(pickle, data, bytes, path, model, &forest, &error);
    }
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(&forest, "fuzz", &error);
    }
    if (status != ESPALIER_OK && error.message[0] == '\0') {
        abort();
    }
    const uint32_t part_count = status == ESPALIER_OK ? espalier_forest_part_count(&forest) : 0;
    for (uint32_t p = 0; p < part_count; p++) {
        const espalier_forest_part part = espalier_forest_part_at(&forest, p);
        for (uint32_t i = 0; i < part.tree_count; i++) {
            walk_tree(&forest, &part, &forest.trees[part.first_tree + i]);
        }
    }
    espalier_forest_free(&forest);
    espalier_pickle_free(pickle);
    free(path);
    return 0;
}
