// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_source: a saved model opened to be looked into, with its names and models listed.
 * May include: include/, convert/, format/error.h. Must never refuse a flagged name.
 */
#include "convert/sources/pickle_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/containers/container.h"
#include "convert/sources/pickle_internal.h"
#include "convert/sources/source.h"
#include "convert/sources/source_kind.h"
#include "format/error.h"
#include "format/options.h"

/* An escaped byte takes four characters at most. */
#define ESCAPED_PER_BYTE 4u
/* Shared lists name one model under millions of paths: 50 kB of pickle held gigabytes of them. */
#define ESTIMATORS_MAX 4096u

typedef struct listed_name {
    char *module;
    char *name;
    const espalier_pickle_name *shown;
} listed_name;

typedef struct listed_estimator {
    char *path;
    char *class_name;
    char *version;
    bool supported;
} listed_estimator;

struct espalier_source {
    espalier_container container;
    espalier_pickle *pickle; /* NULL: a file that is one model of another kind */
    char format[64];
    uint64_t trailing_bytes;
    listed_name *names;
    size_t name_count;
    listed_estimator *estimators;
    size_t estimator_count;
    size_t estimator_capacity;
};

static char *copy_escaped(const char *text, size_t bytes)
{
    if (bytes > SIZE_MAX / ESCAPED_PER_BYTE - 1) {
        return NULL;
    }
    const size_t capacity = bytes * ESCAPED_PER_BYTE + 1;
    char *const copy = malloc(capacity);
    if (copy != NULL) {
        espalier_pickle_escape(text, bytes, copy, capacity);
    }
    return copy;
}

espalier_status espalier_source_add_estimator(espalier_source *source, const char *path,
                                              const char *class_name, const char *version,
                                              bool supported)
{
    if (source->estimator_count == ESTIMATORS_MAX) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    if (source->estimator_count == source->estimator_capacity) {
        const size_t capacity =
            source->estimator_capacity == 0 ? 8 : source->estimator_capacity * 2;
        listed_estimator *const grown =
            realloc(source->estimators, capacity * sizeof *source->estimators);
        if (grown == NULL) {
            return ESPALIER_ERROR_MEMORY;
        }
        source->estimators = grown;
        source->estimator_capacity = capacity;
    }
    listed_estimator *const added = &source->estimators[source->estimator_count];
    added->path = copy_escaped(path, strlen(path));
    added->class_name = copy_escaped(class_name, strlen(class_name));
    added->version = copy_escaped(version, strlen(version));
    added->supported = supported;
    source->estimator_count++;
    return added->path == NULL || added->class_name == NULL || added->version == NULL
               ? ESPALIER_ERROR_MEMORY
               : ESPALIER_OK;
}

const espalier_pickle *espalier_source_pickle(const espalier_source *source)
{
    return source->pickle;
}

static espalier_status list_names(espalier_source *source)
{
    const size_t count = espalier_pickle_name_count(source->pickle);
    source->names = calloc(count == 0 ? 1 : count, sizeof *source->names);
    if (source->names == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    source->name_count = count;
    for (size_t i = 0; i < count; i++) {
        const espalier_pickle_name *const shown = espalier_pickle_name_at(source->pickle, i);
        listed_name *const name = &source->names[i];
        name->shown = shown;
        name->module = copy_escaped(shown->module.data, shown->module.bytes);
        name->name = copy_escaped(shown->name.data, shown->name.bytes);
        if (name->module == NULL || name->name == NULL) {
            return ESPALIER_ERROR_MEMORY;
        }
    }
    return ESPALIER_OK;
}

static void describe_format(espalier_source *source)
{
    espalier_pickle_info info;
    espalier_pickle_info_get(source->pickle, &info);
    source->trailing_bytes = info.stream_bytes - info.consumed_bytes;
    const char *const compression = espalier_container_name(source->container.kind);
    (void)snprintf(source->format, sizeof source->format, "%s, protocol %" PRIu32 "%s%s",
                   info.joblib ? "joblib" : "pickle", info.protocol,
                   *compression == '\0' ? "" : ", ", compression);
}

/*
 * A file that is one model: no names. It is loaded to see whether it can be converted; only what is
 * no such model at all is refused.
 */
static espalier_status list_kind(espalier_source *source, const espalier_source_kind *kind,
                                 const char *path, const espalier_convert_options *options,
                                 espalier_error *error_out)
{
    const espalier_source_input input = {.data = source->container.data,
                                         .bytes = (size_t)source->container.bytes,
                                         .path = path,
                                         .memory_bytes_max =
                                             espalier_source_memory_limit(options,
                                                                          source->container.bytes)};
    espalier_forest forest = {0};
    espalier_source_summary summary = {0};
    espalier_status status = kind->load(&input, &forest, &summary, error_out);
    espalier_forest_free(&forest);
    const bool supported = status == ESPALIER_OK;
    if (!supported && status != ESPALIER_ERROR_SOURCE_UNSUPPORTED) {
        return status;
    }
    const char *const compression = espalier_container_name(source->container.kind);
    (void)snprintf(source->format, sizeof source->format, "%s%s%s", summary.format,
                   *compression == '\0' ? "" : ", ", compression);
    source->trailing_bytes = source->container.bytes - summary.consumed_bytes;
    status =
        espalier_source_add_estimator(source, "", summary.class_name, summary.version, supported);
    return status == ESPALIER_OK ? ESPALIER_OK
                                 : espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                                      "%s: out of memory", path);
}

static espalier_status fill_source(espalier_source *source, const char *path,
                                   const espalier_convert_options *options,
                                   espalier_error *error_out)
{
    const espalier_container_limits limits = {
        .expanded_bytes_max = options == NULL ? 0 : options->expanded_bytes_max};
    espalier_status status = espalier_container_open(path, &limits, &source->container, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_source_kind *const kind =
        espalier_source_recognise(source->container.data, (size_t)source->container.bytes);
    if (kind != NULL) {
        return list_kind(source, kind, path, options, error_out);
    }
    const espalier_pickle_options pickle_options = {
        .source_name = path,
        .flagged_allowed = true,
        .memory_bytes_max = options == NULL ? 0 : options->memory_bytes_max};
    status = espalier_pickle_parse(source->container.data, (size_t)source->container.bytes,
                                   &pickle_options, &source->pickle, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    describe_format(source);
    status = list_names(source);
    if (status != ESPALIER_OK) {
        return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE, "%s: out of memory",
                                  path);
    }
    return espalier_sklearn_list_estimators(source, error_out);
}

static bool has_nonzero(const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (words[i] != 0) {
            return true;
        }
    }
    return false;
}

espalier_status espalier_source_open(const char *path, const espalier_convert_options *options,
                                     espalier_source **source_out, espalier_error *error_out)
{
    if (path == NULL || source_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a path and a place for the source are needed");
    }
    if (options != NULL &&
        (!espalier_options_known(options, sizeof *options) ||
         (options->flags & ~(uint64_t)ESPALIER_CONVERT_ALLOW_FLAGGED) != 0 ||
         has_nonzero(options->reserved, sizeof options->reserved / sizeof options->reserved[0]))) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "options of unknown size, or with reserved bytes set");
    }
    espalier_source *const source = calloc(1, sizeof *source);
    if (source == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    const espalier_status status = fill_source(source, path, options, error_out);
    if (status != ESPALIER_OK) {
        espalier_source_close(source);
        return status;
    }
    *source_out = source;
    return ESPALIER_OK;
}

void espalier_source_close(espalier_source *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < source->name_count; i++) {
        free(source->names[i].module);
        free(source->names[i].name);
    }
    for (size_t i = 0; i < source->estimator_count; i++) {
        free(source->estimators[i].path);
        free(source->estimators[i].class_name);
        free(source->estimators[i].version);
    }
    free(source->names);
    free(source->estimators);
    espalier_pickle_free(source->pickle);
    espalier_container_close(&source->container);
    free(source);
}

const char *espalier_source_format(const espalier_source *source)
{
    return source == NULL ? "" : source->format;
}

uint64_t espalier_source_bytes(const espalier_source *source)
{
    return source == NULL ? 0 : source->container.file_bytes;
}

uint64_t espalier_source_expanded_bytes(const espalier_source *source)
{
    return source == NULL ? 0 : source->container.bytes;
}

uint64_t espalier_source_trailing_bytes(const espalier_source *source)
{
    return source == NULL ? 0 : source->trailing_bytes;
}

size_t espalier_source_name_count(const espalier_source *source)
{
    return source == NULL ? 0 : source->name_count;
}

espalier_status espalier_source_name_get(const espalier_source *source, size_t index,
                                         espalier_source_name *name_out)
{
    if (source == NULL || name_out == NULL || index >= source->name_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const listed_name *const name = &source->names[index];
    *name_out = (espalier_source_name){.module = name->module,
                                       .name = name->name,
                                       .first_offset = name->shown->first_offset,
                                       .import_count = name->shown->import_count,
                                       .call_count = name->shown->call_count,
                                       .policy = (uint32_t)name->shown->policy,
                                       .call_text = name->shown->call_text};
    return ESPALIER_OK;
}

size_t espalier_source_estimator_count(const espalier_source *source)
{
    return source == NULL ? 0 : source->estimator_count;
}

espalier_status espalier_source_estimator_get(const espalier_source *source, size_t index,
                                              espalier_source_estimator *estimator_out)
{
    if (source == NULL || estimator_out == NULL || index >= source->estimator_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const listed_estimator *const estimator = &source->estimators[index];
    *estimator_out = (espalier_source_estimator){.path = estimator->path,
                                                 .class_name = estimator->class_name,
                                                 .version = estimator->version,
                                                 .supported = estimator->supported ? 1 : 0};
    return ESPALIER_OK;
}
