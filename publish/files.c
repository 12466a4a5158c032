// SPDX-License-Identifier: Apache-2.0
/*
 * See files.h.
 */
#include "publish/files.h"

#include "format/error.h"
#include "format/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 20)

espalier_status espalier_files_open(const char *path, int *descriptor_out,
                                    espalier_error *error_out)
{
    if (path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "no path");
    }
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     path);
    }
    *descriptor_out = descriptor;
    return ESPALIER_OK;
}

espalier_status espalier_files_open_at(int folder, const char *name, const char *path,
                                       int *descriptor_out, espalier_error *error_out)
{
    const int descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno,
                                     errno == ELOOP ? "%s: a link: a store has files of its own"
                                                    : "%s: cannot open",
                                     path);
    }
    *descriptor_out = descriptor;
    return ESPALIER_OK;
}

espalier_status espalier_files_size(int descriptor, const char *name, uint64_t *bytes_out,
                                    espalier_error *error_out)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot stat",
                                     name);
    }
    if (!S_ISREG(facts.st_mode)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPEN, 0, ESPALIER_OFFSET_NONE,
                                  "%s: not a regular file", name);
    }
    *bytes_out = (uint64_t)facts.st_size;
    return ESPALIER_OK;
}

espalier_status espalier_files_read_text_fd(int descriptor, const char *path, char *text_out,
                                            size_t capacity, espalier_error *error_out)
{
    espalier_input input = {.name = path, .descriptor = descriptor};
    espalier_status status = espalier_files_size(descriptor, path, &input.bytes, error_out);
    if (status == ESPALIER_OK && input.bytes >= capacity) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_KEY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: too long for a key, a signature or a note", path);
    }
    if (status == ESPALIER_OK) {
        status = espalier_input_fetch(&input, 0, text_out, (size_t)input.bytes, error_out);
    }
    if (status == ESPALIER_OK && memchr(text_out, '\0', (size_t)input.bytes) != NULL) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_KEY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: not a text", path);
    }
    if (status == ESPALIER_OK) {
        text_out[input.bytes] = '\0';
    }
    return status;
}

espalier_status espalier_files_read_text(const char *path, char *text_out, size_t capacity,
                                         espalier_error *error_out)
{
    int descriptor = -1;
    espalier_status status = espalier_files_open(path, &descriptor, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_files_read_text_fd(descriptor, path, text_out, capacity, error_out);
        (void)close(descriptor);
    }
    return status;
}

espalier_status espalier_files_write(int descriptor, const char *name, const void *data,
                                     size_t bytes, espalier_error *error_out)
{
    const uint8_t *next = data;
    for (size_t left = bytes; left > 0;) {
        const ssize_t written = write(descriptor, next, left);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) { /* zero cannot happen for a regular file; never spin on it */
            return espalier_error_system(error_out, ESPALIER_ERROR_WRITE, written < 0 ? errno : EIO,
                                         "%s: cannot write", name);
        }
        next += written;
        left -= (size_t)written;
    }
    return ESPALIER_OK;
}

espalier_status espalier_files_sync(int descriptor, const char *name, espalier_error *error_out)
{
    int result = 0;
    do {
        result = fsync(descriptor);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EINVAL) {
        return espalier_error_system(error_out, ESPALIER_ERROR_SYNC, errno, "%s: cannot sync",
                                     name);
    }
    return ESPALIER_OK;
}

espalier_status espalier_files_sync_parent(const char *path, espalier_error *error_out)
{
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/') { /* "models/" lies where "models" does */
        bytes--;
    }
    while (bytes > 0 && path[bytes - 1] != '/') {
        bytes--;
    }
    char *const folder = bytes == 0 ? strdup(".") : strndup(path, bytes);
    if (folder == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int cause = errno;
    free(folder);
    if (descriptor < 0 && cause == EACCES) {
        return ESPALIER_OK; /* one may write there, and not read: it cannot be synced */
    }
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, cause,
                                     "%s: cannot open its folder", path);
    }
    const espalier_status status = espalier_files_sync(descriptor, path, error_out);
    (void)close(descriptor);
    return status;
}

/* Syncs and closes what was written. */
static espalier_status finish(int descriptor, const char *name, espalier_status status,
                              espalier_error *error_out)
{
    if (status == ESPALIER_OK) {
        status = espalier_files_sync(descriptor, name, error_out);
    }
    if (close(descriptor) != 0 && errno != EINTR && status == ESPALIER_OK) {
        status =
            espalier_error_system(error_out, ESPALIER_ERROR_WRITE, errno, "%s: cannot close", name);
    }
    return status;
}

/* Creates, for writing alone. */
static espalier_status create_file(int folder, const char *name, const char *path, unsigned mode,
                                   int *descriptor_out, espalier_error *error_out)
{
    const int descriptor =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot create",
                                     path);
    }
    *descriptor_out = descriptor;
    return ESPALIER_OK;
}

espalier_status espalier_files_create_at(int folder, const char *name, const char *path,
                                         const char *text, unsigned mode, espalier_error *error_out)
{
    int descriptor = -1;
    espalier_status status = create_file(folder, name, path, mode, &descriptor, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_files_write(descriptor, path, text, strlen(text), error_out);
    status = finish(descriptor, path, status, error_out);
    if (status != ESPALIER_OK) {
        (void)unlinkat(folder, name, 0);
    }
    return status;
}

espalier_status espalier_files_create(const char *path, const char *text, unsigned mode,
                                      espalier_error *error_out)
{
    return espalier_files_create_at(AT_FDCWD, path, path, text, mode, error_out);
}

char *espalier_files_join(const char *left, const char *right)
{
    const size_t bytes = strlen(left) + strlen(right) + 1;
    char *const text = malloc(bytes);
    if (text != NULL) {
        (void)snprintf(text, bytes, "%s%s", left, right);
    }
    return text;
}

espalier_status espalier_files_replace(const char *path, const char *text,
                                       espalier_error *error_out)
{
    char *const temporary = espalier_files_join(path, ".XXXXXX");
    if (temporary == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    espalier_status status = ESPALIER_OK;
    const int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0 || fchmod(descriptor, 0644) != 0) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno,
                                       "%s: cannot create a temporary file beside it", path);
    }
    if (descriptor >= 0) {
        if (status == ESPALIER_OK) {
            status = espalier_files_write(descriptor, path, text, strlen(text), error_out);
        }
        status = finish(descriptor, path, status, error_out);
        if (status == ESPALIER_OK && rename(temporary, path) != 0) {
            status = espalier_error_system(error_out, ESPALIER_ERROR_RENAME, errno,
                                           "%s: cannot rename the new file to it", path);
        }
        if (status != ESPALIER_OK) {
            (void)unlink(temporary);
        } else {
            status = espalier_files_sync_parent(path, error_out);
        }
    }
    free(temporary);
    return status;
}

static espalier_status copy_bytes(const espalier_input *source, int target, const char *path,
                                  espalier_error *error_out)
{
    uint8_t *const buffer = malloc(COPY_BYTES);
    if (buffer == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    espalier_status status = ESPALIER_OK;
    for (uint64_t done = 0; done < source->bytes && status == ESPALIER_OK;) {
        const uint64_t left = source->bytes - done;
        const size_t count = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = espalier_input_fetch(source, done, buffer, count, error_out);
        if (status == ESPALIER_OK) {
            status = espalier_files_write(target, path, buffer, count, error_out);
        }
        done += count;
    }
    free(buffer);
    return status;
}

espalier_status espalier_files_copy(int source, const char *source_path, int folder,
                                    const char *name, const char *path, espalier_error *error_out)
{
    espalier_input input = {.name = source_path, .descriptor = source};
    int target = -1;
    espalier_status status = espalier_files_size(source, source_path, &input.bytes, error_out);
    if (status == ESPALIER_OK) {
        status = create_file(folder, name, path, 0444, &target, error_out);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    status = finish(target, path, copy_bytes(&input, target, path, error_out), error_out);
    if (status != ESPALIER_OK) {
        (void)unlinkat(folder, name, 0);
    }
    return status;
}
