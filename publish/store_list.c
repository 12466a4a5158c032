// SPDX-License-Identifier: Apache-2.0
/*
 * What is in a store. Takes no lock: a version that is removed meanwhile is left out. May include
 * the read side of format/ and espalier.h.
 */
#include "publish/store.h"

#include "format/error.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What opening the model tells. */
static espalier_status describe_model(const char *path, espalier_store_version *version,
                                      espalier_error *error_out)
{
    espalier_model *model = NULL;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    const espalier_status status = espalier_model_open(path, NULL, &model, error_out);
    if (status == ESPALIER_OK && espalier_model_info_get(model, &info) == ESPALIER_OK) {
        version->is_readable = 1;
        version->file_bytes = info.file_bytes;
        memcpy(version->root_digest, info.root_digest, sizeof version->root_digest);
    }
    espalier_model_close(model);
    return status == ESPALIER_ERROR_MEMORY ? status : ESPALIER_OK;
}

/* version->version stays 0 when it is not there any more. */
static espalier_status describe(const char *folder, uint64_t number,
                                espalier_store_version *version, espalier_error *error_out)
{
    espalier_store_about about = {0, 0};
    char *const model_path = espalier_store_path(folder, number, ESPALIER_STORE_MODEL);
    char *const signature_path = espalier_store_path(folder, number, ESPALIER_STORE_SIGNATURE);
    char *const about_path = espalier_store_path(folder, number, ESPALIER_STORE_ABOUT);
    memset(version, 0, sizeof *version);
    espalier_status status =
        model_path != NULL && signature_path != NULL && about_path != NULL
            ? espalier_store_read_about(folder, number, &about, error_out)
            : espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                 "%s: out of memory", folder);
    if (status == ESPALIER_OK) {
        status = describe_model(model_path, version, error_out);
    }
    if (status == ESPALIER_OK && (version->is_readable != 0 || access(about_path, F_OK) == 0)) {
        version->version = number;
        version->previous = about.previous;
        version->copied_from = about.copied_from;
        version->has_signature = access(signature_path, F_OK) == 0;
    }
    free(model_path);
    free(signature_path);
    free(about_path);
    return status;
}

espalier_status espalier_store_list(const char *folder, espalier_store_version **versions_out,
                                    size_t *count_out, espalier_error *error_out)
{
    if (folder == NULL || versions_out == NULL || count_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_store_list: NULL argument");
    }
    uint64_t current = 0;
    espalier_store_numbers numbers = {NULL, 0, 0};
    espalier_status status = espalier_store_read_current(folder, &current, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_store_read_numbers(folder, &numbers, error_out);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_store_version *const versions = calloc(numbers.count + 1, sizeof *versions);
    if (versions == NULL) {
        free(numbers.numbers);
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", folder);
    }
    espalier_store_about about = {0, 0};
    size_t count = 0;
    status = espalier_store_read_about(folder, current, &about, error_out);
    for (size_t i = 0; i < numbers.count && status == ESPALIER_OK; i++) {
        espalier_store_version *const version = &versions[count];
        status = describe(folder, numbers.numbers[i], version, error_out);
        version->is_current = version->version == current;
        version->is_previous = version->version == about.previous;
        count += version->version != 0;
    }
    free(numbers.numbers);
    if (status != ESPALIER_OK) {
        free(versions);
        return status;
    }
    *versions_out = versions;
    *count_out = count;
    return ESPALIER_OK;
}

void espalier_store_free(espalier_store_version *versions)
{
    free(versions);
}
