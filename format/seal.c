// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_seal_copy: a file's bytes where nobody can change them any more. Read side; libc only.
 */
#include "espalier.h"

#include "format/error.h"
#include "format/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 18)

#ifdef MFD_ALLOW_SEALING

static espalier_status write_all(int descriptor, const uint8_t *data, size_t bytes,
                                 espalier_error *error_out)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t written = write(descriptor, data + done, bytes - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return espalier_error_system(error_out, ESPALIER_ERROR_WRITE, written < 0 ? errno : EIO,
                                         "model: cannot fill its sealed copy");
        }
        done += (size_t)written;
    }
    return ESPALIER_OK;
}

static espalier_status copy_bytes(const espalier_input *input, int target,
                                  espalier_error *error_out)
{
    uint8_t *const buffer = malloc(COPY_BYTES);
    if (buffer == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "model: out of memory");
    }
    espalier_status status = ESPALIER_OK;
    for (uint64_t done = 0; done < input->bytes && status == ESPALIER_OK;) {
        const uint64_t left = input->bytes - done;
        const size_t count = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = espalier_input_fetch(input, done, buffer, count, error_out);
        if (status == ESPALIER_OK) {
            status = write_all(target, buffer, count, error_out);
        }
        done += count;
    }
    free(buffer);
    return status;
}

espalier_status espalier_seal_copy(int descriptor, int *sealed_out, espalier_error *error_out)
{
    struct stat facts;
    if (descriptor < 0 || sealed_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_seal_copy: bad argument");
    }
    if (fstat(descriptor, &facts) != 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "model: cannot stat");
    }
    if (!S_ISREG(facts.st_mode)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPEN, 0, ESPALIER_OFFSET_NONE,
                                  "model: not a regular file");
    }
    const int sealed = memfd_create("espalier", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (sealed < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_MAP, errno,
                                     "model: cannot make a memory file");
    }
    const espalier_input input = {"model", descriptor, NULL, (uint64_t)facts.st_size};
    espalier_status status = copy_bytes(&input, sealed, error_out);
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (status == ESPALIER_OK && fcntl(sealed, F_ADD_SEALS, seals) != 0) {
        status = espalier_error_system(error_out, ESPALIER_ERROR_MAP, errno,
                                       "model: cannot seal a memory file");
    }
    if (status != ESPALIER_OK) {
        (void)close(sealed);
        return status;
    }
    *sealed_out = sealed;
    return ESPALIER_OK;
}

#else

espalier_status espalier_seal_copy(int descriptor, int *sealed_out, espalier_error *error_out)
{
    (void)descriptor;
    (void)sealed_out;
    return espalier_error_set(error_out, ESPALIER_ERROR_MAP, 0, ESPALIER_OFFSET_NONE,
                              "model: this system has no memory files that can be sealed");
}

#endif
