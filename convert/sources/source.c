// SPDX-License-Identifier: Apache-2.0
/*
 * See source.h; and the list of models that espalier_source_open gives.
 */
#include "convert/sources/source.h"

#include "convert/containers/container.h"
#include "convert/sources/pickle.h"
#include "convert/sources/pickle_scan.h"
#include "convert/sources/sklearn.h"
#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_pipeline.h"
#include "convert/sources/source_find.h"
#include "convert/sources/source_kind.h"
#include "format/error.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Working memory when the caller does not say: small files need some, large ones a multiple. */
#define MEMORY_BYTES_MIN  (UINT64_C(64) << 20)
#define MEMORY_PER_STREAM 4u
/* What a feature costs though no tree tests it: a place in the rows that prove the model, its range
 * there, what the predictor keeps. */
#define FEATURE_BYTES 64u

static_assert(sizeof((espalier_source_facts *)NULL)->place >= ESPALIER_SOURCE_PATH_BYTES,
              "a path fits into the facts");

uint64_t espalier_source_memory_limit(const espalier_convert_options *options,
                                      uint64_t stream_bytes)
{
    if (options != NULL && options->memory_bytes_max != 0) {
        return options->memory_bytes_max;
    }
    if (stream_bytes > (UINT64_MAX - MEMORY_BYTES_MIN) / MEMORY_PER_STREAM) {
        return UINT64_MAX;
    }
    return MEMORY_BYTES_MIN + MEMORY_PER_STREAM * stream_bytes;
}

/* form: of what is inside, "" if the pickle is all. */
static void fill_facts(const espalier_container *container, const espalier_pickle *pickle,
                       const espalier_source_path *place, const char *form,
                       espalier_source_facts *facts)
{
    espalier_pickle_info info;
    espalier_pickle_info_get(pickle, &info);
    const char *const compression = espalier_container_name(container->kind);
    *facts = (espalier_source_facts){.file_bytes = container->file_bytes,
                                     .expanded_bytes = container->bytes,
                                     .trailing_bytes = info.stream_bytes - info.consumed_bytes};
    (void)snprintf(facts->format, sizeof facts->format, "%s, protocol %" PRIu32 "%s%s%s%s",
                   info.joblib ? "joblib" : "pickle", info.protocol,
                   *compression == '\0' ? "" : ", ", compression, *form == '\0' ? "" : ", ", form);
    (void)snprintf(facts->place, sizeof facts->place, "%s", place->text);
}

/* The model's place in front of what validation says. */
static espalier_status validate_forest(espalier_forest *forest, const char *path,
                                       const espalier_source_path *place, espalier_error *error_out)
{
    const size_t capacity = strlen(path) + place->bytes + 3;
    char *const name = malloc(capacity);
    if (name == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to check the forest", path);
    }
    (void)snprintf(name, capacity, "%s%s%s", path, place->bytes > 0 ? ": " : "", place->text);
    const espalier_status status = espalier_forest_validate(forest, name, error_out);
    free(name);
    return status;
}

/* A number in a few bytes must not cost gigabytes: working memory pays for features. */
static espalier_status check_features(const espalier_forest *forest, const char *path,
                                      uint64_t memory_bytes_max, espalier_error *error_out)
{
    const uint64_t bytes = forest->feature_count * (uint64_t)FEATURE_BYTES;
    if (bytes <= memory_bytes_max) {
        return ESPALIER_OK;
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_LIMIT, 0, ESPALIER_OFFSET_NONE,
                              "%s: says it has %" PRIu32 " features, which take %" PRIu64
                              " bytes of working memory; the limit is %" PRIu64,
                              path, forest->feature_count, bytes, memory_bytes_max);
}

/* A file that is one model: nothing to choose. */
static espalier_status load_kind(const espalier_source_kind *kind,
                                 const espalier_container *container, const char *path,
                                 const espalier_convert_options *options,
                                 espalier_source_categorical *categorical, espalier_forest *forest,
                                 espalier_source_facts *facts_out, espalier_error *error_out)
{
    if (options != NULL && options->select != NULL && *options->select != '\0') {
        return espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_NONE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: a model of %s is the whole file; there is nothing at %s",
                                  path, kind->name, options->select);
    }
    const espalier_source_input input = {.data = container->data,
                                         .bytes = (size_t)container->bytes,
                                         .path = path,
                                         .memory_bytes_max =
                                             espalier_source_memory_limit(options,
                                                                          container->bytes),
                                         .categorical = categorical};
    espalier_source_summary summary = {0};
    espalier_status status = kind->load(&input, forest, &summary, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(forest, path, error_out);
    }
    if (status == ESPALIER_OK) {
        status = check_features(forest, path, input.memory_bytes_max, error_out);
    }
    if (status == ESPALIER_OK && facts_out != NULL) {
        const char *const compression = espalier_container_name(container->kind);
        *facts_out =
            (espalier_source_facts){.file_bytes = container->file_bytes,
                                    .expanded_bytes = container->bytes,
                                    .trailing_bytes = container->bytes - summary.consumed_bytes};
        (void)snprintf(facts_out->format, sizeof facts_out->format, "%s%s%s", summary.format,
                       *compression == '\0' ? "" : ", ", compression);
    }
    return status;
}

/* A model by the importer of its library. */
static espalier_status load_model(const espalier_sklearn_object *object, espalier_forest *forest,
                                  espalier_source_summary *summary, espalier_error *error_out)
{
    return espalier_sklearn_boosted_classify(object->pickle, object->value) == ESPALIER_SOURCE_OTHER
               ? espalier_sklearn_load(object, forest, error_out)
               : espalier_sklearn_boosted_load(object, forest, summary, error_out);
}

/* The estimator that was chosen: a model, or a pipeline with one at its end. given: all but what it
 * is and where. */
static espalier_status load_estimator(const espalier_sklearn_object *given,
                                      const espalier_source_path *place,
                                      const espalier_pickle_value *estimator,
                                      espalier_forest *forest, espalier_source_summary *summary,
                                      espalier_error *error_out)
{
    espalier_source_path *const end_place = malloc(sizeof *end_place);
    if (end_place == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to look for a model", given->source);
    }
    *end_place = *place;
    uint64_t work_left = ESPALIER_SKLEARN_WORK_MAX;
    espalier_sklearn_object object = *given;
    object.value = espalier_sklearn_pipeline_end(given->pickle, estimator, end_place);
    object.path = end_place->text;
    object.work_left = &work_left;
    espalier_status status = load_model(&object, forest, summary, error_out);
    if (status == ESPALIER_OK && object.value != estimator) {
        status =
            espalier_sklearn_prepare_forest(given->pickle, given->source, place->text, estimator,
                                            given->memory_bytes_max, &work_left, forest, error_out);
    }
    free(end_place);
    return status;
}

/* A pickle behind its container. */
static espalier_status load_stream(const espalier_container *container, const char *path,
                                   const espalier_convert_options *options,
                                   espalier_source_categorical *categorical,
                                   espalier_forest *forest, espalier_source_facts *facts_out,
                                   espalier_error *error_out)
{
    const uint64_t memory_bytes_max = espalier_source_memory_limit(options, container->bytes);
    const espalier_pickle_options pickle_options = {.source_name = path,
                                                    .flagged_allowed =
                                                        options != NULL &&
                                                        (options->flags &
                                                         ESPALIER_CONVERT_ALLOW_FLAGGED) != 0,
                                                    .memory_bytes_max = memory_bytes_max};
    espalier_pickle *pickle = NULL;
    espalier_source_path *place = NULL;
    const espalier_pickle_value *estimator = NULL;
    espalier_pickle_info info;
    espalier_source_summary summary = {0};
    espalier_status status = espalier_pickle_parse(container->data, (size_t)container->bytes,
                                                   &pickle_options, &pickle, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    place = calloc(1, sizeof *place);
    if (place == NULL) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: no memory to look for a model", path);
        goto out;
    }
    status = espalier_source_choose(pickle, path, options == NULL ? NULL : options->select,
                                    &estimator, place, error_out);
    if (status != ESPALIER_OK) {
        goto out;
    }
    espalier_pickle_info_get(pickle, &info);
    const espalier_sklearn_object given = {.pickle = pickle,
                                           .stream = container->data,
                                           .stream_bytes = (size_t)container->bytes,
                                           .source = path,
                                           .memory_bytes_max =
                                               info.memory_bytes < memory_bytes_max
                                                   ? memory_bytes_max - info.memory_bytes
                                                   : 0,
                                           .categorical = categorical};
    status = load_estimator(&given, place, estimator, forest, &summary, error_out);
    if (status == ESPALIER_OK) {
        status = validate_forest(forest, path, place, error_out);
    }
    if (status == ESPALIER_OK) {
        status = check_features(forest, path, memory_bytes_max, error_out);
    }
    if (status == ESPALIER_OK && facts_out != NULL) {
        fill_facts(container, pickle, place, summary.format, facts_out);
    }
out:
    free(place);
    espalier_pickle_free(pickle);
    return status;
}

/* Closes the container, whatever becomes of it. */
static espalier_status load_container(espalier_container *container, const char *path,
                                      const espalier_convert_options *options,
                                      espalier_forest *forest, espalier_source_facts *facts_out,
                                      espalier_error *error_out)
{
    const espalier_source_kind *const kind =
        espalier_source_recognise(container->data, (size_t)container->bytes);
    espalier_source_categorical categorical = {options == NULL ? NULL : options->categorical,
                                               false};
    espalier_status status =
        kind != NULL
            ? load_kind(kind, container, path, options, &categorical, forest, facts_out, error_out)
            : load_stream(container, path, options, &categorical, forest, facts_out, error_out);
    espalier_container_close(container);
    if (status == ESPALIER_OK && categorical.columns != NULL && !categorical.used) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                    "%s: columns of categories are named, but no model of LightGBM "
                                    "in it has lists of categories",
                                    path);
    }
    if (status != ESPALIER_OK) {
        espalier_forest_free(forest);
    }
    return status;
}

static espalier_container_limits find_limits(const espalier_convert_options *options)
{
    return (espalier_container_limits){.expanded_bytes_max =
                                           options == NULL ? 0 : options->expanded_bytes_max};
}

espalier_status espalier_source_load_forest(const char *path,
                                            const espalier_convert_options *options,
                                            espalier_forest *forest_out,
                                            espalier_source_facts *facts_out,
                                            espalier_error *error_out)
{
    if (path == NULL || forest_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a path and a forest are needed to load a source");
    }
    *forest_out = (espalier_forest){0};
    const espalier_container_limits limits = find_limits(options);
    espalier_container container;
    const espalier_status status = espalier_container_open(path, &limits, &container, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    return load_container(&container, path, options, forest_out, facts_out, error_out);
}

espalier_status espalier_source_load_forest_memory(
    const void *data, size_t data_bytes, const char *name, const espalier_convert_options *options,
    espalier_forest *forest_out, espalier_source_facts *facts_out, espalier_error *error_out)
{
    if (forest_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a forest is needed to load a source");
    }
    *forest_out = (espalier_forest){0};
    const espalier_container_limits limits = find_limits(options);
    espalier_container container;
    const espalier_status status =
        espalier_container_open_memory(data, data_bytes, name, &limits, &container, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    return load_container(&container, name, options, forest_out, facts_out, error_out);
}

/* ---- listing -------------------------------------------------------------------------------- */

typedef struct model_list {
    espalier_source *source;
    const espalier_pickle *pickle;
} model_list;

static espalier_status list_model(void *context, const espalier_pickle_value *value,
                                  espalier_source_class class, const char *path)
{
    const model_list *const list = context;
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (class == ESPALIER_SOURCE_TRANSFORMER || name == NULL) {
        return ESPALIER_OK;
    }
    char class_name[512];
    char version[64];
    (void)snprintf(class_name, sizeof class_name, "%.*s.%.*s", (int)name->module.bytes,
                   name->module.data, (int)name->name.bytes, name->name.data);
    espalier_sklearn_version_text(list->pickle, value, version, sizeof version);
    return espalier_source_add_estimator(list->source, path, class_name, version,
                                         class == ESPALIER_SOURCE_SUPPORTED);
}

espalier_status espalier_sklearn_list_estimators(espalier_source *source, espalier_error *error_out)
{
    model_list list = {source, espalier_source_pickle(source)};
    espalier_source_path *const path = calloc(1, sizeof *path);
    if (path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "no memory to look for models");
    }
    const espalier_status status =
        espalier_source_find(list.pickle, espalier_pickle_root(list.pickle), path, list_model,
                             &list, error_out);
    free(path);
    /* A file that nests or shares too much still has names to show, and the models found so far. */
    return status == ESPALIER_ERROR_SOURCE_LIMIT ? ESPALIER_OK : status;
}
