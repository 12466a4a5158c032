// SPDX-License-Identifier: Apache-2.0
/*
 * What is in a store. Takes no lock: a version that is removed meanwhile is left out. May include
 * the read side of format/ and espalier.h.
 */
#include "publish/store.h"

#include "format/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What opening the model tells. */
static espalier_status describe_model(int descriptor, espalier_store_version *version,
                                      espalier_error *error_out)
{
    espalier_model *model = NULL;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    const espalier_status status = espalier_model_open_fd(descriptor, NULL, &model, error_out);
    if (status == ESPALIER_OK && espalier_model_info_get(model, &info) == ESPALIER_OK) {
        version->is_readable = 1;
        version->file_bytes = info.file_bytes;
        memcpy(version->root_digest, info.root_digest, sizeof version->root_digest);
    }
    espalier_model_close(model);
    return status == ESPALIER_ERROR_MEMORY ? status : ESPALIER_OK;
}

/* A store that is being read, and a version of it that is in work. */
typedef struct listing {
    int descriptor;
    const char *folder;
    uint64_t number;
} listing;

static bool has_file(const listing *list, const char *file)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%" PRIu64 "/%s", list->number, file);
    return faccessat(list->descriptor, name, F_OK, 0) == 0;
}

/* version->version stays 0 when it is not there any more. */
static espalier_status describe(const listing *list, espalier_store_version *version,
                                espalier_error *error_out)
{
    espalier_store_about about = {0, 0};
    char *path = NULL;
    int model = -1;
    memset(version, 0, sizeof *version);
    espalier_status status =
        espalier_store_read_about(list->descriptor, list->folder, list->number, &about, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_store_open_file(list->descriptor, list->folder, list->number,
                                      ESPALIER_STORE_MODEL, &model, &path, error_out);
    free(path);
    if (status == ESPALIER_OK) {
        status = describe_model(model, version, error_out);
        (void)close(model);
    }
    if (status == ESPALIER_ERROR_MEMORY) {
        return status;
    }
    if (version->is_readable != 0 || has_file(list, ESPALIER_STORE_ABOUT)) {
        version->version = list->number;
        version->previous = about.previous;
        version->copied_from = about.copied_from;
        version->has_signature = has_file(list, ESPALIER_STORE_SIGNATURE);
    }
    return ESPALIER_OK;
}

/* Everything that is there, in `versions`, which has room. */
static espalier_status describe_all(listing *list, uint64_t current,
                                    const espalier_store_numbers *numbers,
                                    espalier_store_version *versions, size_t *count_out,
                                    espalier_error *error_out)
{
    espalier_store_about about = {0, 0};
    size_t count = 0;
    espalier_status status =
        espalier_store_read_about(list->descriptor, list->folder, current, &about, error_out);
    for (size_t i = 0; i < numbers->count && status == ESPALIER_OK; i++) {
        espalier_store_version *const version = &versions[count];
        list->number = numbers->numbers[i];
        status = describe(list, version, error_out);
        version->is_current = version->version == current;
        version->is_previous = version->version == about.previous;
        count += version->version != 0;
    }
    *count_out = count;
    return status;
}

static espalier_status read_store(listing *list, espalier_store_version **versions_out,
                                  size_t *count_out, espalier_error *error_out)
{
    uint64_t current = 0;
    espalier_store_numbers numbers = {NULL, 0, 0};
    espalier_status status =
        espalier_store_read_current_at(list->descriptor, list->folder, &current, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_store_read_numbers(list->descriptor, list->folder, &numbers, error_out);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    size_t count = 0;
    espalier_store_version *const versions = calloc(numbers.count + 1, sizeof *versions);
    status = versions != NULL
                 ? describe_all(list, current, &numbers, versions, &count, error_out)
                 : espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                      "%s: out of memory", list->folder);
    free(numbers.numbers);
    if (status != ESPALIER_OK) {
        free(versions);
        return status;
    }
    *versions_out = versions;
    *count_out = count;
    return ESPALIER_OK;
}

espalier_status espalier_store_list(const char *folder, espalier_store_version **versions_out,
                                    size_t *count_out, espalier_error *error_out)
{
    if (folder == NULL || versions_out == NULL || count_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_store_list: NULL argument");
    }
    listing list = {.folder = folder};
    list.descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list.descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     folder);
    }
    const espalier_status status = read_store(&list, versions_out, count_out, error_out);
    (void)close(list.descriptor);
    return status;
}

void espalier_store_free(espalier_store_version *versions)
{
    free(versions);
}
