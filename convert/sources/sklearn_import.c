// SPDX-License-Identifier: Apache-2.0
/*
 * What every estimator of scikit-learn has: features, their names, the version and class for the
 * metadata; and the helpers of all the importer's files. See sklearn.h.
 */
#include "convert/sources/sklearn_internal.h"

#include "convert/sources/params.h"
#include "format/error.h"
#include "format/layout.h"

#include <inttypes.h>
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

bool espalier_sklearn_is_set(const espalier_sklearn_import *import,
                             const espalier_pickle_value *object, const char *name)
{
    const espalier_pickle_value *value = NULL;
    (void)espalier_pickle_attribute(import->pickle, object, name, &value, NULL);
    return value != NULL && espalier_pickle_kind_of(value) != ESPALIER_PICKLE_NONE;
}

static bool is_numpy(espalier_pickle_slice module)
{
    return espalier_pickle_slice_equal(module, "numpy") ||
           espalier_pickle_slice_equal(module, "numpy.core._multiarray_umath") ||
           espalier_pickle_slice_equal(module, "numpy._core._multiarray_umath");
}

bool espalier_sklearn_numpy_function(const espalier_pickle_value *value,
                                     espalier_pickle_slice *name_out)
{
    const espalier_pickle_name *const symbol = espalier_pickle_symbol(value);
    if (symbol != NULL) {
        *name_out = symbol->name;
        return is_numpy(symbol->module);
    }
    if (!espalier_pickle_is(value, "numpy.core", "_ufunc_reconstruct") &&
        !espalier_pickle_is(value, "numpy._core", "_ufunc_reconstruct")) {
        return false;
    }
    const espalier_pickle_value *const args = espalier_pickle_args(value);
    espalier_pickle_slice module;
    return espalier_pickle_item_count(args) == 2 &&
           espalier_pickle_get_text(espalier_pickle_item(args, 0), &module) &&
           espalier_pickle_get_text(espalier_pickle_item(args, 1), name_out) && is_numpy(module);
}

/* ---- features ------------------------------------------------------------------------------- */

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
    if (array == NULL || array->form->dim_count != 1 ||
        array->form->element_count != forest->feature_count) {
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

static espalier_status load_kind(espalier_sklearn_import *import)
{
    static espalier_status (*const loaders[])(espalier_sklearn_import *) = {
        [ESPALIER_SKLEARN_TREE] = espalier_sklearn_load_forest,
        [ESPALIER_SKLEARN_FOREST] = espalier_sklearn_load_forest,
        [ESPALIER_SKLEARN_BOOSTING] = espalier_sklearn_load_boosting,
        [ESPALIER_SKLEARN_HISTOGRAM] = espalier_sklearn_load_histogram,
        [ESPALIER_SKLEARN_ISOLATION] = espalier_sklearn_load_isolation,
        [ESPALIER_SKLEARN_BAGGING] = espalier_sklearn_load_bagging,
        [ESPALIER_SKLEARN_ADABOOST] = espalier_sklearn_load_adaboost,
        [ESPALIER_SKLEARN_VOTING] = espalier_sklearn_load_voting,
        [ESPALIER_SKLEARN_CALIBRATED] = espalier_sklearn_load_calibrated,
        [ESPALIER_SKLEARN_MULTI_OUTPUT] = espalier_sklearn_load_multi_output,
        [ESPALIER_SKLEARN_ONE_VS_REST] = espalier_sklearn_load_one_vs_rest,
        [ESPALIER_SKLEARN_TRANSFORMED] = espalier_sklearn_load_transformed,
    };
    return loaders[import->class->kind](import);
}

/* An estimator of others may leave its features to them; then the first member says how many. */
static espalier_status read_features(espalier_sklearn_import *import)
{
    const bool says = espalier_sklearn_is_set(import, import->estimator, "n_features_in_") ||
                      espalier_sklearn_is_set(import, import->estimator, "n_features_");
    if (import->class->kind >= ESPALIER_SKLEARN_BAGGING && !says) {
        return ESPALIER_OK;
    }
    const espalier_status status = read_feature_count(import);
    import->tree_features = import->forest->feature_count;
    return status;
}

espalier_status espalier_sklearn_load(const espalier_sklearn_object *object,
                                      espalier_forest *forest, espalier_error *error_out)
{
    espalier_sklearn_import import = {.object = object,
                                      .pickle = object->pickle,
                                      .source = object->source,
                                      .error = error_out,
                                      .forest = forest,
                                      .estimator = object->value,
                                      .class = espalier_sklearn_class_of(object->value),
                                      .memory_bytes_max = object->memory_bytes_max,
                                      .memory_left = object->memory_bytes_max};
    (void)snprintf(import.path.text, sizeof import.path.text, "%s", object->path);
    import.path.bytes = strlen(import.path.text);
    char version[64];
    espalier_sklearn_version_text(object->pickle, object->value, version, sizeof version);
    import.version = espalier_sklearn_version_parse(version);
    espalier_status status = read_features(&import);
    if (status == ESPALIER_OK) {
        status = load_kind(&import);
    }
    if (status == ESPALIER_OK && object->depth == 0) {
        const size_t path_bytes = import.path.bytes;
        status = read_feature_names(&import);
        espalier_source_path_cut(&import.path, path_bytes);
    }
    if (status == ESPALIER_OK && object->depth == 0) {
        status = describe_trainer(&import, version);
    }
    return status;
}
