// SPDX-License-Identifier: Apache-2.0
/*
 * See store_link.h.
 */
#include "format/store_link.h"

#include "format/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A reader that meets so many moves in a row meets something else. */
#define MOVES_MAX 1000

uint64_t espalier_store_number(const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > ESPALIER_STORE_DIGITS_MAX || name[digits] != '\0' ||
        name[0] == '0') {
        return 0;
    }
    return strtoull(name, NULL, 10);
}

char *espalier_store_path(const char *folder, uint64_t version, const char *file)
{
    const size_t bytes = strlen(folder) + ESPALIER_STORE_DIGITS_MAX + strlen(file) + sizeof "//";
    char *const path = malloc(bytes);
    if (path != NULL) {
        (void)snprintf(path, bytes, "%s/%" PRIu64 "/%s", folder, version, file);
    }
    return path;
}

espalier_status espalier_store_read_current_at(int descriptor, const char *folder,
                                               uint64_t *version_out, espalier_error *error_out)
{
    char target[ESPALIER_STORE_DIGITS_MAX + 2];
    const ssize_t bytes = readlinkat(descriptor, ESPALIER_STORE_CURRENT, target, sizeof target - 1);
    if (bytes < 0 && errno != ENOENT && errno != EINVAL) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno,
                                     "%s: cannot read its link " ESPALIER_STORE_CURRENT, folder);
    }
    target[bytes < 0 ? 0 : bytes] = '\0';
    const uint64_t version = espalier_store_number(target);
    if (version == 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                                  bytes < 0 ? "%s: has no link " ESPALIER_STORE_CURRENT
                                              ": not a store, or nothing was published yet"
                                            : "%s: its link " ESPALIER_STORE_CURRENT
                                              " leads to no version",
                                  folder);
    }
    *version_out = version;
    return ESPALIER_OK;
}

espalier_status espalier_store_read_current(const char *folder, uint64_t *version_out,
                                            espalier_error *error_out)
{
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     folder);
    }
    const espalier_status status =
        espalier_store_read_current_at(descriptor, folder, version_out, error_out);
    (void)close(descriptor);
    return status;
}

espalier_status espalier_store_open_current(const char *folder, char **path_out,
                                            int *descriptor_out, uint64_t *version_out,
                                            espalier_error *error_out)
{
    uint64_t tried = 0;
    for (int i = 0; i < MOVES_MAX; i++) {
        uint64_t version = 0;
        const espalier_status status = espalier_store_read_current(folder, &version, error_out);
        if (status != ESPALIER_OK) {
            return status;
        }
        char *const path = espalier_store_path(folder, version, ESPALIER_STORE_MODEL);
        if (path == NULL) {
            return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                      "%s: out of memory", folder);
        }
        /* The version's own file, as its publisher made it: what a link leads to may change. */
        const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (descriptor >= 0) {
            *path_out = path;
            *descriptor_out = descriptor;
            *version_out = version;
            return ESPALIER_OK;
        }
        /* Pruned between the two looks: the link leads elsewhere by now. */
        const int cause = errno;
        if (cause != ENOENT || version == tried) {
            const espalier_status failed =
                espalier_error_system(error_out, ESPALIER_ERROR_OPEN, cause,
                                      cause == ELOOP ? "%s: a link: a store has files of its own"
                                                     : "%s: cannot open",
                                      path);
            free(path);
            return failed;
        }
        free(path);
        tried = version;
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_STORE, 0, ESPALIER_OFFSET_NONE,
                              "%s: its link " ESPALIER_STORE_CURRENT " does not come to rest",
                              folder);
}
