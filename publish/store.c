// SPDX-License-Identifier: Apache-2.0
/*
 * Publishing to a store, rolling back and pruning. A version is made beside the others, verified,
 * synced, and then gets its number by one rename; after that the link is replaced by another. So
 * whoever is killed, at any moment, leaves the old version current or the new one, whole. May
 * include the read side of format/ and espalier.h.
 */
#include "publish/store.h"

#include "format/error.h"
#include "publish/files.h"
#include "publish/sign.h"
#include "publish/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What becomes a version: open files, and their paths for messages. */
typedef struct store_source {
    int model;
    int signature; /* -1: none */
    char *model_path;
    char *signature_path;
    uint64_t copied_from;
    const espalier_signature_policy *policy;
    bool wants_verity;
} store_source;

static void close_source(store_source *source)
{
    if (source->model >= 0) {
        (void)close(source->model);
    }
    if (source->signature >= 0) {
        (void)close(source->signature);
    }
    free(source->model_path);
    free(source->signature_path);
}

/* ---- the new version's folder ---- */

/* The folder that is being filled. Its path and those in it are for messages. */
typedef struct store_building {
    const espalier_store_work *work;
    int descriptor;
    char *model_path;
    char *signature_path;
    char *about_path;
} store_building;

/* Verifies the copy itself, by one descriptor. */
static espalier_status verify_copy(const store_building *building, int copy,
                                   const espalier_signature_policy *policy)
{
    espalier_error *const error_out = building->work->error_out;
    if (policy == NULL) {
        return espalier_digest_verify_fd(copy, building->model_path, NULL, error_out);
    }
    int signature = -1;
    espalier_status status =
        espalier_files_open_at(building->descriptor, ESPALIER_STORE_SIGNATURE,
                               building->signature_path, &signature, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_signature_check(copy, building->model_path, signature,
                                      building->signature_path, policy, true, NULL, error_out);
    (void)close(signature);
    return status;
}

static espalier_status open_copy(const store_building *building, const store_source *source)
{
    int copy = -1;
    espalier_error *const error_out = building->work->error_out;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_model *model = NULL;
    espalier_status status = espalier_files_open_at(building->descriptor, ESPALIER_STORE_MODEL,
                                                    building->model_path, &copy, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = verify_copy(building, copy, source->policy);
    if (status == ESPALIER_OK) {
        status = espalier_model_open_fd(copy, &options, &model, error_out);
        espalier_model_close(model);
    }
    if (status == ESPALIER_OK && source->wants_verity) {
        (void)espalier_verity_enable(copy); /* where the file system can */
    }
    (void)close(copy);
    return status;
}

static espalier_status fill_building(const store_building *building, const store_source *source)
{
    const espalier_store_work *const work = building->work;
    char about[256];
    espalier_status status =
        espalier_files_copy(source->model, source->model_path, building->descriptor,
                            ESPALIER_STORE_MODEL, building->model_path, work->error_out);
    if (status == ESPALIER_OK && source->signature >= 0) {
        status = espalier_files_copy(source->signature, source->signature_path,
                                     building->descriptor, ESPALIER_STORE_SIGNATURE,
                                     building->signature_path, work->error_out);
    }
    if (status == ESPALIER_OK) {
        (void)snprintf(about, sizeof about,
                       "espalier-store 1\nprevious %" PRIu64 "\ncopied_from %" PRIu64 "\n",
                       work->current, source->copied_from);
        status = espalier_files_create_at(building->descriptor, ESPALIER_STORE_ABOUT,
                                          building->about_path, about, 0444, work->error_out);
    }
    if (status == ESPALIER_OK) {
        status = open_copy(building, source);
    }
    return status == ESPALIER_OK
               ? espalier_files_sync(building->descriptor, work->folder, work->error_out)
               : status;
}

static espalier_status build_version(const espalier_store_work *work, const store_source *source)
{
    if (mkdirat(work->descriptor, ESPALIER_STORE_BUILDING, 0755) != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_WRITE, errno,
                                     "%s/" ESPALIER_STORE_BUILDING ": cannot make the folder",
                                     work->folder);
    }
    store_building building = {
        .work = work,
        .descriptor = openat(work->descriptor, ESPALIER_STORE_BUILDING,
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
    };
    if (building.descriptor < 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_OPEN, errno,
                                     "%s/" ESPALIER_STORE_BUILDING ": cannot open", work->folder);
    }
    const char *const folder = work->folder;
    building.model_path =
        espalier_files_join(folder, "/" ESPALIER_STORE_BUILDING "/" ESPALIER_STORE_MODEL);
    building.signature_path =
        espalier_files_join(folder, "/" ESPALIER_STORE_BUILDING "/" ESPALIER_STORE_SIGNATURE);
    building.about_path =
        espalier_files_join(folder, "/" ESPALIER_STORE_BUILDING "/" ESPALIER_STORE_ABOUT);
    const espalier_status status =
        building.model_path != NULL && building.signature_path != NULL &&
                building.about_path != NULL
            ? fill_building(&building, source)
            : espalier_error_set(work->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                 "%s: out of memory", folder);
    free(building.model_path);
    free(building.signature_path);
    free(building.about_path);
    (void)close(building.descriptor);
    return status;
}

/* ---- its number, and the link ---- */

/* Never replaces: a version that exists is a folder that is not empty, which rename refuses too. */
static espalier_status give_number(const espalier_store_work *work, const char *name)
{
    const int folder = work->descriptor;
#ifdef RENAME_NOREPLACE
    int result = renameat2(folder, ESPALIER_STORE_BUILDING, folder, name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
        result = renameat(folder, ESPALIER_STORE_BUILDING, folder, name);
    }
#else
    const int result = renameat(folder, ESPALIER_STORE_BUILDING, folder, name);
#endif
    if (result != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_RENAME, errno,
                                     "%s: cannot name the new version %s", work->folder, name);
    }
    return espalier_files_sync(work->descriptor, work->folder, work->error_out);
}

static espalier_status switch_link(const espalier_store_work *work, const char *name)
{
    const char *const temporary = ESPALIER_STORE_NEW_LINK;
    if (unlinkat(work->descriptor, temporary, 0) != 0 && errno != ENOENT) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_WRITE, errno,
                                     "%s: cannot remove an old %s", work->folder, temporary);
    }
    if (symlinkat(name, work->descriptor, temporary) != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_WRITE, errno,
                                     "%s: cannot make a link", work->folder);
    }
    if (renameat(work->descriptor, temporary, work->descriptor, ESPALIER_STORE_CURRENT) != 0) {
        const int cause = errno;
        (void)unlinkat(work->descriptor, temporary, 0);
        return espalier_error_system(work->error_out, ESPALIER_ERROR_RENAME, cause,
                                     "%s: cannot replace its link " ESPALIER_STORE_CURRENT,
                                     work->folder);
    }
    return ESPALIER_OK;
}

/* Makes the version current; takes its number back when that cannot be done. */
static espalier_status make_current(const espalier_store_work *work, uint64_t version)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64, version);
    espalier_status status = give_number(work, name);
    if (status == ESPALIER_OK) {
        status = switch_link(work, name);
    }
    if (status != ESPALIER_OK) {
        (void)renameat(work->descriptor, name, work->descriptor, ESPALIER_STORE_BUILDING);
        return status;
    }
    return espalier_files_sync(work->descriptor, work->folder, work->error_out);
}

static espalier_status publish(espalier_store_work *work, const store_source *source,
                               uint64_t *version_out)
{
    const uint64_t newest =
        work->numbers.count != 0 ? work->numbers.numbers[work->numbers.count - 1] : 0;
    const uint64_t version = (newest > work->current ? newest : work->current) + 1;
    if (version > ESPALIER_STORE_VERSION_MAX) {
        return espalier_error_set(work->error_out, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no number is left for a version", work->folder);
    }
    espalier_status status = build_version(work, source);
    if (status == ESPALIER_OK) {
        status = make_current(work, version);
    }
    if (status != ESPALIER_OK) {
        (void)espalier_store_remove(work, ESPALIER_STORE_BUILDING, NULL);
    } else if (version_out != NULL) {
        *version_out = version;
    }
    return status;
}

/* Opens the model and its signature, which is beside it unless the caller says where. */
static espalier_status open_source(const char *model_path, const espalier_store_options *options,
                                   store_source *source, espalier_error *error_out)
{
    const char *const given = options != NULL ? options->signature_path : NULL;
    source->model_path = espalier_files_join(model_path, "");
    source->signature_path = given != NULL
                                 ? espalier_files_join(given, "")
                                 : espalier_files_join(model_path, ESPALIER_SIGNATURE_SUFFIX);
    if (source->model_path == NULL || source->signature_path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", model_path);
    }
    espalier_status status = espalier_files_open(model_path, &source->model, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_error error;
    status = espalier_files_open(source->signature_path, &source->signature, &error);
    if (status == ESPALIER_OK || (given == NULL && error.system_errno == ENOENT)) {
        return ESPALIER_OK;
    }
    if (error_out != NULL) {
        *error_out = error;
    }
    return status;
}

static store_source source_of_options(const espalier_store_options *options)
{
    store_source source = {.model = -1, .signature = -1};
    if (options != NULL) {
        source.policy = options->policy;
        source.wants_verity = (options->flags & ESPALIER_STORE_VERITY) != 0;
    }
    return source;
}

espalier_status espalier_store_publish(const char *folder, const char *model_path,
                                       const espalier_store_options *options, uint64_t *version_out,
                                       espalier_error *error_out)
{
    if (folder == NULL || model_path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_store_publish: NULL argument");
    }
    espalier_store_work work;
    espalier_status status = espalier_store_begin(folder, options, 1, &work, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    store_source source = source_of_options(options);
    status = open_source(model_path, options, &source, error_out);
    if (status == ESPALIER_OK) {
        status = publish(&work, &source, version_out);
    }
    close_source(&source);
    espalier_store_end(&work);
    return status;
}

/* ---- rolling back ---- */

static espalier_status find_old(const espalier_store_work *work, uint64_t version,
                                uint64_t *found_out)
{
    espalier_store_about about = {0, 0};
    const espalier_status status =
        espalier_store_read_about(work->descriptor, work->folder, work->current, &about,
                                  work->error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const uint64_t wanted = version != 0 ? version : about.previous;
    if (wanted == 0) {
        return espalier_error_set(work->error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: there is no version before the current one", work->folder);
    }
    if (wanted == work->current) {
        return espalier_error_set(work->error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: version %" PRIu64 " is current", work->folder, wanted);
    }
    for (size_t i = 0; i < work->numbers.count; i++) {
        if (work->numbers.numbers[i] == wanted) {
            *found_out = wanted;
            return ESPALIER_OK;
        }
    }
    return espalier_error_set(work->error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                              "%s: has no version %" PRIu64, work->folder, wanted);
}

/* Opens an old version's model and its signature, if it has one. */
static espalier_status open_old(const espalier_store_work *work, uint64_t old, store_source *source)
{
    espalier_status status =
        espalier_store_open_file(work->descriptor, work->folder, old, ESPALIER_STORE_MODEL,
                                 &source->model, &source->model_path, work->error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_error error;
    status = espalier_store_open_file(work->descriptor, work->folder, old, ESPALIER_STORE_SIGNATURE,
                                      &source->signature, &source->signature_path, &error);
    if (status == ESPALIER_OK || (status == ESPALIER_ERROR_OPEN && error.system_errno == ENOENT)) {
        return ESPALIER_OK;
    }
    if (work->error_out != NULL) {
        *work->error_out = error;
    }
    return status;
}

static espalier_status roll_back(espalier_store_work *work, uint64_t version,
                                 const espalier_store_options *options, uint64_t *version_out)
{
    store_source source = source_of_options(options);
    espalier_status status = find_old(work, version, &source.copied_from);
    if (status == ESPALIER_OK) {
        status = open_old(work, source.copied_from, &source);
    }
    if (status == ESPALIER_OK) {
        status = publish(work, &source, version_out);
    }
    close_source(&source);
    return status;
}

espalier_status espalier_store_rollback(const char *folder, uint64_t version,
                                        const espalier_store_options *options,
                                        uint64_t *version_out, espalier_error *error_out)
{
    if (folder == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_store_rollback: NULL argument");
    }
    espalier_store_work work;
    espalier_status status = espalier_store_begin(folder, options, 0, &work, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = roll_back(&work, version, options, version_out);
    espalier_store_end(&work);
    return status;
}

/* ---- pruning ---- */

/* Out of its number by one rename, so that a version is whole as long as it has one. */
static espalier_status remove_version(const espalier_store_work *work, uint64_t version)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64, version);
    if (renameat(work->descriptor, name, work->descriptor, ESPALIER_STORE_PRUNING) != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_RENAME, errno,
                                     "%s: cannot remove version %s", work->folder, name);
    }
    return espalier_store_remove(work, ESPALIER_STORE_PRUNING, work->error_out);
}

static espalier_status prune(const espalier_store_work *work, uint64_t keep_count,
                             uint64_t *removed_out)
{
    espalier_store_about about = {0, 0};
    espalier_status status = espalier_store_read_about(work->descriptor, work->folder,
                                                       work->current, &about, work->error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const size_t count = work->numbers.count;
    const size_t old_count = keep_count < count ? count - (size_t)keep_count : 0;
    uint64_t removed = 0;
    for (size_t i = 0; i < old_count && status == ESPALIER_OK; i++) {
        const uint64_t version = work->numbers.numbers[i];
        if (version == work->current || version == about.previous) {
            continue;
        }
        status = remove_version(work, version);
        removed += status == ESPALIER_OK;
    }
    if (status == ESPALIER_OK && removed > 0) {
        status = espalier_files_sync(work->descriptor, work->folder, work->error_out);
    }
    if (status == ESPALIER_OK && removed_out != NULL) {
        *removed_out = removed;
    }
    return status;
}

espalier_status espalier_store_prune(const char *folder, uint64_t keep_count,
                                     const espalier_store_options *options, uint64_t *removed_out,
                                     espalier_error *error_out)
{
    if (folder == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_store_prune: NULL argument");
    }
    espalier_store_work work;
    espalier_status status = espalier_store_begin(folder, options, 0, &work, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = prune(&work, keep_count, removed_out);
    espalier_store_end(&work);
    return status;
}
