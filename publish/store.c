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
#include "publish/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What becomes a version. */
typedef struct store_source {
    const char *model_path;
    const char *signature_path; /* NULL: none */
    uint64_t copied_from;
    const espalier_signature_policy *policy;
    bool wants_verity;
} store_source;

/* ---- the new version's folder ---- */

static espalier_status copy_file(const char *source, const char *building, const char *name,
                                 espalier_error *error_out)
{
    int descriptor = -1;
    espalier_status status = espalier_files_open(source, &descriptor, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/%s", building, name);
    status = length > 0 && (size_t)length < sizeof path
                 ? espalier_files_copy(descriptor, source, path, error_out)
                 : espalier_error_system(error_out, ESPALIER_ERROR_OPEN, ENAMETOOLONG,
                                         "%s: cannot create", building);
    (void)close(descriptor);
    return status;
}

/* Verifies the copy itself, by one descriptor. */
static espalier_status verify_copy(const char *path, const store_source *source,
                                   espalier_error *error_out)
{
    int descriptor = -1;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_model *model = NULL;
    espalier_status status = espalier_files_open(path, &descriptor, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (source->policy != NULL) {
        status =
            espalier_signature_verify_fd(descriptor, path, NULL, source->policy, NULL, error_out);
    }
    if (status == ESPALIER_OK) {
        status = espalier_digest_verify_fd(descriptor, path, NULL, error_out);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_open_fd(descriptor, &options, &model, error_out);
        espalier_model_close(model);
    }
    if (status == ESPALIER_OK && source->wants_verity) {
        (void)espalier_verity_enable(descriptor); /* where the file system can */
    }
    (void)close(descriptor);
    return status;
}

static espalier_status fill_building(const espalier_store_work *work, const char *building,
                                     const store_source *source)
{
    char about[256];
    char *const about_path = espalier_files_join(building, "/" ESPALIER_STORE_ABOUT);
    char *const model_path = espalier_files_join(building, "/" ESPALIER_STORE_MODEL);
    espalier_status status = ESPALIER_OK;
    if (about_path == NULL || model_path == NULL) {
        status = espalier_error_set(work->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: out of memory", work->folder);
    }
    if (status == ESPALIER_OK) {
        status = copy_file(source->model_path, building, ESPALIER_STORE_MODEL, work->error_out);
    }
    if (status == ESPALIER_OK && source->signature_path != NULL) {
        status =
            copy_file(source->signature_path, building, ESPALIER_STORE_SIGNATURE, work->error_out);
    }
    if (status == ESPALIER_OK) {
        (void)snprintf(about, sizeof about,
                       "espalier-store 1\nprevious %" PRIu64 "\ncopied_from %" PRIu64 "\n",
                       work->current, source->copied_from);
        status = espalier_files_create(about_path, about, 0444, work->error_out);
    }
    if (status == ESPALIER_OK) {
        status = verify_copy(model_path, source, work->error_out);
    }
    free(about_path);
    free(model_path);
    return status;
}

static espalier_status sync_folder(const char *path, espalier_error *error_out)
{
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     path);
    }
    const espalier_status status = espalier_files_sync(descriptor, path, error_out);
    (void)close(descriptor);
    return status;
}

static espalier_status build_version(const espalier_store_work *work, const char *building,
                                     const store_source *source)
{
    if (mkdir(building, 0755) != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_WRITE, errno,
                                     "%s: cannot make the folder", building);
    }
    const espalier_status status = fill_building(work, building, source);
    return status == ESPALIER_OK ? sync_folder(building, work->error_out) : status;
}

/* ---- its number, and the link ---- */

/* Never replaces: a version that exists is a folder that is not empty, which rename refuses too. */
static espalier_status give_number(const espalier_store_work *work, const char *building,
                                   const char *name)
{
#ifdef RENAME_NOREPLACE
    int result = renameat2(AT_FDCWD, building, work->descriptor, name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
        result = renameat(AT_FDCWD, building, work->descriptor, name);
    }
#else
    const int result = renameat(AT_FDCWD, building, work->descriptor, name);
#endif
    if (result != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_RENAME, errno,
                                     "%s: cannot name the new version %s", work->folder, name);
    }
    return espalier_files_sync(work->descriptor, work->folder, work->error_out);
}

static espalier_status switch_link(const espalier_store_work *work, const char *name)
{
    const char *const temporary = &ESPALIER_STORE_NEW_LINK[1]; /* in the folder */
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
static espalier_status make_current(const espalier_store_work *work, const char *building,
                                    uint64_t version)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64, version);
    espalier_status status = give_number(work, building, name);
    if (status == ESPALIER_OK) {
        status = switch_link(work, name);
    }
    if (status != ESPALIER_OK) {
        (void)renameat(work->descriptor, name, AT_FDCWD, building);
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
    char *const building = espalier_store_name(work, ESPALIER_STORE_BUILDING);
    if (building == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    espalier_status status = build_version(work, building, source);
    if (status == ESPALIER_OK) {
        status = make_current(work, building, version);
    }
    if (status != ESPALIER_OK) {
        (void)espalier_store_remove_folder(building, NULL);
    } else if (version_out != NULL) {
        *version_out = version;
    }
    free(building);
    return status;
}

/* The signature that lies beside a model, malloc'ed; NULL when there is none. Without memory it
 * must not be taken for none. */
static espalier_status find_signature(const char *model_path, char **path_out,
                                      espalier_error *error_out)
{
    char *const path = espalier_files_join(model_path, ESPALIER_SIGNATURE_SUFFIX);
    if (path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", model_path);
    }
    if (access(path, F_OK) == 0) {
        *path_out = path;
        return ESPALIER_OK;
    }
    const int cause = errno;
    const espalier_status status =
        cause == ENOENT ? ESPALIER_OK
                        : espalier_error_system(error_out, ESPALIER_ERROR_OPEN, cause,
                                                "%s: cannot look for it", path);
    free(path);
    *path_out = NULL;
    return status;
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
    char *beside = NULL;
    store_source source = {.model_path = model_path};
    if (options != NULL) {
        source.policy = options->policy;
        source.wants_verity = (options->flags & ESPALIER_STORE_VERITY) != 0;
        source.signature_path = options->signature_path;
    }
    if (source.signature_path == NULL) {
        status = find_signature(model_path, &beside, error_out);
        source.signature_path = beside;
    }
    if (status == ESPALIER_OK) {
        status = publish(&work, &source, version_out);
    }
    free(beside);
    espalier_store_end(&work);
    return status;
}

/* ---- rolling back ---- */

static espalier_status find_old(const espalier_store_work *work, uint64_t version,
                                uint64_t *found_out)
{
    espalier_store_about about = {0, 0};
    const espalier_status status =
        espalier_store_read_about(work->folder, work->current, &about, work->error_out);
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

static espalier_status roll_back(espalier_store_work *work, uint64_t version,
                                 const espalier_store_options *options, uint64_t *version_out)
{
    uint64_t old = 0;
    espalier_status status = find_old(work, version, &old);
    if (status != ESPALIER_OK) {
        return status;
    }
    char *const path = espalier_store_path(work->folder, old, ESPALIER_STORE_MODEL);
    if (path == NULL) {
        return espalier_error_set(work->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", work->folder);
    }
    char *signature = NULL;
    status = find_signature(path, &signature, work->error_out);
    const store_source source = {
        .model_path = path,
        .signature_path = signature,
        .copied_from = old,
        .policy = options != NULL ? options->policy : NULL,
        .wants_verity = options != NULL && (options->flags & ESPALIER_STORE_VERITY) != 0,
    };
    if (status == ESPALIER_OK) {
        status = publish(work, &source, version_out);
    }
    free(signature);
    free(path);
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
static espalier_status remove_version(const espalier_store_work *work, const char *pruning,
                                      uint64_t version)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64, version);
    if (renameat(work->descriptor, name, AT_FDCWD, pruning) != 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_RENAME, errno,
                                     "%s: cannot remove version %s", work->folder, name);
    }
    return espalier_store_remove_folder(pruning, work->error_out);
}

static espalier_status prune(const espalier_store_work *work, uint64_t keep_count,
                             uint64_t *removed_out)
{
    espalier_store_about about = {0, 0};
    espalier_status status =
        espalier_store_read_about(work->folder, work->current, &about, work->error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    char *const pruning = espalier_store_name(work, ESPALIER_STORE_PRUNING);
    if (pruning == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    const size_t count = work->numbers.count;
    const size_t old_count = keep_count < count ? count - (size_t)keep_count : 0;
    uint64_t removed = 0;
    for (size_t i = 0; i < old_count && status == ESPALIER_OK; i++) {
        const uint64_t version = work->numbers.numbers[i];
        if (version == work->current || version == about.previous) {
            continue;
        }
        status = remove_version(work, pruning, version);
        removed += status == ESPALIER_OK;
    }
    if (status == ESPALIER_OK && removed > 0) {
        status = espalier_files_sync(work->descriptor, work->folder, work->error_out);
    }
    if (status == ESPALIER_OK && removed_out != NULL) {
        *removed_out = removed;
    }
    free(pruning);
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
