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

/* False when the version is not there any more. */
static bool describe(const char *folder, uint64_t number, espalier_store_version *version)
{
    char *const model_path = espalier_store_path(folder, number, ESPALIER_STORE_MODEL);
    char *const signature_path = espalier_store_path(folder, number, ESPALIER_STORE_SIGNATURE);
    char *const about_path = espalier_store_path(folder, number, ESPALIER_STORE_ABOUT);
    const espalier_store_about about = espalier_store_read_about(folder, number);
    espalier_model *model = NULL;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    memset(version, 0, sizeof *version);
    version->version = number;
    version->previous = about.previous;
    version->copied_from = about.copied_from;
    version->has_signature = signature_path != NULL && access(signature_path, F_OK) == 0;
    if (model_path != NULL && espalier_model_open(model_path, NULL, &model, NULL) == ESPALIER_OK &&
        espalier_model_info_get(model, &info) == ESPALIER_OK) {
        version->is_readable = 1;
        version->file_bytes = info.file_bytes;
        memcpy(version->root_digest, info.root_digest, sizeof version->root_digest);
    }
    espalier_model_close(model);
    const bool is_there =
        version->is_readable != 0 || (about_path != NULL && access(about_path, F_OK) == 0);
    free(model_path);
    free(signature_path);
    free(about_path);
    return is_there;
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
    const uint64_t previous = espalier_store_read_about(folder, current).previous;
    size_t count = 0;
    for (size_t i = 0; i < numbers.count; i++) {
        espalier_store_version *const version = &versions[count];
        if (describe(folder, numbers.numbers[i], version)) {
            version->is_current = version->version == current;
            version->is_previous = version->version == previous;
            count++;
        }
    }
    free(numbers.numbers);
    *versions_out = versions;
    *count_out = count;
    return ESPALIER_OK;
}

void espalier_store_free(espalier_store_version *versions)
{
    free(versions);
}
