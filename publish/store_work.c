// SPDX-License-Identifier: Apache-2.0
/*
 * See store.h: who may change a store, and what is in it. May include the read side of format/.
 */
#include "publish/store.h"

#include "format/error.h"
#include "format/options.h"
#include "publish/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS_KNOWN ((uint64_t)(ESPALIER_STORE_NO_WAIT | ESPALIER_STORE_VERITY))
#define ABOUT_BYTES 256u

static espalier_status no_memory(const char *folder, espalier_error *error_out)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "%s: out of memory", folder);
}

/* ---- what is there ---- */

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static bool add_number(espalier_store_numbers *numbers, uint64_t number)
{
    /* Grows by doubling: at 0, 1, 2, 4, ... there is no room. */
    if ((numbers->count & (numbers->count - 1)) == 0) {
        const size_t room = numbers->count != 0 ? 2 * numbers->count : 1;
        uint64_t *const grown = realloc(numbers->numbers, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        numbers->numbers = grown;
    }
    numbers->numbers[numbers->count++] = number;
    return true;
}

/* A stream of an open folder, which stays open. */
static DIR *open_stream(int descriptor)
{
    /* Opened anew: a duplicate would share its place with the caller's. */
    const int own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const stream = own >= 0 ? fdopendir(own) : NULL;
    if (stream == NULL && own >= 0) {
        const int cause = errno;
        (void)close(own);
        errno = cause;
    }
    return stream;
}

espalier_status espalier_store_read_numbers(int descriptor, const char *folder,
                                            espalier_store_numbers *numbers_out,
                                            espalier_error *error_out)
{
    DIR *const stream = open_stream(descriptor);
    if (stream == NULL) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     folder);
    }
    espalier_store_numbers numbers = {NULL, 0, 0};
    espalier_status status = ESPALIER_OK;
    errno = 0;
    for (const struct dirent *entry = readdir(stream); entry != NULL && status == ESPALIER_OK;
         entry = readdir(stream)) {
        const uint64_t number = espalier_store_number(entry->d_name);
        if (number != 0 && !add_number(&numbers, number)) {
            status = no_memory(folder, error_out);
        }
        numbers.other_count += number == 0 && entry->d_name[0] != '.' &&
                               strcmp(entry->d_name, ESPALIER_STORE_CURRENT) != 0;
        errno = 0;
    }
    if (status == ESPALIER_OK && errno != 0) {
        status =
            espalier_error_system(error_out, ESPALIER_ERROR_READ, errno, "%s: cannot read", folder);
    }
    (void)closedir(stream);
    if (status != ESPALIER_OK) {
        free(numbers.numbers);
        return status;
    }
    if (numbers.count > 1) {
        qsort(numbers.numbers, numbers.count, sizeof *numbers.numbers, compare_numbers);
    }
    *numbers_out = numbers;
    return ESPALIER_OK;
}

static uint64_t read_field(const char *text, const char *key)
{
    const char *const at = strstr(text, key);
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

espalier_status espalier_store_open_file(int descriptor, const char *folder, uint64_t version,
                                         const char *file, int *descriptor_out, char **path_out,
                                         espalier_error *error_out)
{
    char *const path = espalier_store_path(folder, version, file);
    *path_out = path;
    if (path == NULL) {
        return no_memory(folder, error_out);
    }
    return espalier_files_open_at(descriptor, path + strlen(folder) + 1, path, descriptor_out,
                                  error_out);
}

espalier_status espalier_store_read_about(int descriptor, const char *folder, uint64_t version,
                                          espalier_store_about *about_out,
                                          espalier_error *error_out)
{
    espalier_error error;
    char text[ABOUT_BYTES];
    char *path = NULL;
    int file = -1;
    *about_out = (espalier_store_about){0, 0};
    espalier_status status = espalier_store_open_file(descriptor, folder, version,
                                                      ESPALIER_STORE_ABOUT, &file, &path, &error);
    if (status == ESPALIER_OK) {
        status = espalier_files_read_text_fd(file, path, text, sizeof text, &error);
        (void)close(file);
    } else if (status == ESPALIER_ERROR_OPEN && error.system_errno == ENOENT) {
        free(path);
        return ESPALIER_OK;
    }
    free(path);
    if (status == ESPALIER_OK) {
        about_out->previous = read_field(text, "\nprevious ");
        about_out->copied_from = read_field(text, "\ncopied_from ");
    } else if (error_out != NULL) {
        *error_out = error;
    }
    return status;
}

/* ---- the lock ---- */

static espalier_status refuse_removal(const espalier_store_work *work, const char *name, int cause,
                                      espalier_error *error_out)
{
    return espalier_error_system(error_out, ESPALIER_ERROR_WRITE, cause, "%s/%s: cannot remove",
                                 work->folder, name);
}

espalier_status espalier_store_remove(const espalier_store_work *work, const char *name,
                                      espalier_error *error_out)
{
    const int descriptor =
        openat(work->descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) {
        const bool is_other = errno == ENOTDIR || errno == ELOOP;
        return errno == ENOENT || (is_other && unlinkat(work->descriptor, name, 0) == 0)
                   ? ESPALIER_OK
                   : refuse_removal(work, name, errno, error_out);
    }
    DIR *const stream = fdopendir(descriptor);
    if (stream == NULL) {
        const int cause = errno;
        (void)close(descriptor);
        return refuse_removal(work, name, cause, error_out);
    }
    for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        (void)unlinkat(descriptor, entry->d_name, 0); /* "." and ".." refuse */
    }
    (void)closedir(stream);
    if (unlinkat(work->descriptor, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return refuse_removal(work, name, errno, error_out);
    }
    return ESPALIER_OK;
}

/* Removes what somebody who was killed left behind. */
static espalier_status clear_away(const espalier_store_work *work)
{
    const espalier_status status =
        espalier_store_remove(work, ESPALIER_STORE_BUILDING, work->error_out);
    return status == ESPALIER_OK
               ? espalier_store_remove(work, ESPALIER_STORE_PRUNING, work->error_out)
               : status;
}

static espalier_status take_lock(espalier_store_work *work, uint64_t flags)
{
    const int operation = LOCK_EX | ((flags & ESPALIER_STORE_NO_WAIT) != 0 ? LOCK_NB : 0);
    work->lock = openat(work->descriptor, ESPALIER_STORE_LOCK,
                        O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (work->lock < 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_OPEN, errno,
                                     "%s/" ESPALIER_STORE_LOCK ": cannot open", work->folder);
    }
    int result = 0;
    do {
        result = flock(work->lock, operation);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return ESPALIER_OK;
    }
    return errno == EWOULDBLOCK
               ? espalier_error_set(work->error_out, ESPALIER_ERROR_BUSY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: somebody else publishes to it", work->folder)
               : espalier_error_system(work->error_out, ESPALIER_ERROR_OPEN, errno,
                                       "%s/" ESPALIER_STORE_LOCK ": cannot lock", work->folder);
}

/* The current version; 0 where there is no link yet. */
static espalier_status read_current(espalier_store_work *work)
{
    struct stat facts;
    if (fstatat(work->descriptor, ESPALIER_STORE_CURRENT, &facts, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT) {
        return ESPALIER_OK;
    }
    return espalier_store_read_current_at(work->descriptor, work->folder, &work->current,
                                          work->error_out);
}

static espalier_status open_folder(espalier_store_work *work, int create)
{
    if (create && mkdir(work->folder, 0755) == 0) {
        const espalier_status made = espalier_files_sync_parent(work->folder, work->error_out);
        if (made != ESPALIER_OK) {
            return made;
        }
    } else if (create && errno != EEXIST) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_OPEN, errno,
                                     "%s: cannot make the folder", work->folder);
    }
    work->descriptor = open(work->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (work->descriptor < 0) {
        return espalier_error_system(work->error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     work->folder);
    }
    /* A folder with other things in it becomes no store by mistake. */
    espalier_status status = read_current(work);
    if (status == ESPALIER_OK) {
        status = espalier_store_read_numbers(work->descriptor, work->folder, &work->numbers,
                                             work->error_out);
    }
    if (status == ESPALIER_OK && work->current == 0 && work->numbers.count == 0 &&
        (work->numbers.other_count > 0 || !create)) {
        status = espalier_error_set(work->error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                                    create ? "%s: not a store, and not empty"
                                           : "%s: not a store, or nothing was published yet",
                                    work->folder);
    }
    return status;
}

static espalier_status check_options(const espalier_store_options *options, uint64_t *flags_out,
                                     espalier_error *error_out)
{
    *flags_out = 0;
    if (options == NULL) {
        return ESPALIER_OK;
    }
    bool is_known =
        espalier_options_known(options, sizeof *options) && (options->flags & ~FLAGS_KNOWN) == 0;
    for (size_t i = 0; is_known && i < sizeof options->reserved / sizeof options->reserved[0];
         i++) {
        is_known = options->reserved[i] == 0;
    }
    if (!is_known) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "unknown store options");
    }
    *flags_out = options->flags;
    return ESPALIER_OK;
}

espalier_status espalier_store_begin(const char *folder, const espalier_store_options *options,
                                     int create, espalier_store_work *work_out,
                                     espalier_error *error_out)
{
    espalier_store_work work = {.folder = folder,
                                .error_out = error_out,
                                .lock = -1,
                                .descriptor = -1};
    uint64_t flags = 0;
    espalier_status status = check_options(options, &flags, error_out);
    if (status == ESPALIER_OK) {
        status = open_folder(&work, create);
    }
    if (status == ESPALIER_OK) {
        status = take_lock(&work, flags);
    }
    if (status == ESPALIER_OK) {
        status = clear_away(&work);
    }
    /* Once more: others published while this one waited. */
    if (status == ESPALIER_OK) {
        status = read_current(&work);
    }
    if (status == ESPALIER_OK) {
        free(work.numbers.numbers);
        work.numbers = (espalier_store_numbers){NULL, 0, 0};
        status = espalier_store_read_numbers(work.descriptor, folder, &work.numbers, error_out);
    }
    if (status != ESPALIER_OK) {
        espalier_store_end(&work);
        return status;
    }
    *work_out = work;
    return ESPALIER_OK;
}

void espalier_store_end(espalier_store_work *work)
{
    free(work->numbers.numbers);
    if (work->descriptor >= 0) {
        (void)close(work->descriptor);
    }
    if (work->lock >= 0) {
        (void)close(work->lock); /* the lock goes with it */
    }
}
