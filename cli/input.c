// SPDX-License-Identifier: Apache-2.0
/*
 * Buffered reading; see input.h. Includes input.h and libc. Interrupted calls are repeated, other
 * errors reported once with the file's name.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 1 << 18
};

static bool fail_read(const espalier_input *input, espalier_message *message)
{
    return espalier_message_set(message, "%s: %s", input->name, strerror(errno));
}

bool espalier_input_open(espalier_input *input, const char *path, espalier_message *message)
{
    const bool is_standard = strcmp(path, "-") == 0;
    struct stat status;
    *input =
        (espalier_input){.name = is_standard ? "standard input" : path, .is_owned = !is_standard};
    input->descriptor = is_standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->descriptor < 0) {
        return fail_read(input, message);
    }
    input->buffer = malloc(BUFFER_BYTES);
    if (input->buffer == NULL) {
        espalier_message_set(message, "%s: not enough memory", input->name);
        goto fail;
    }
    if (fstat(input->descriptor, &status) != 0) {
        fail_read(input, message);
        goto fail;
    }
    if (S_ISREG(status.st_mode)) {
        const off_t start = lseek(input->descriptor, 0, SEEK_CUR);
        if (start >= 0) {
            input->is_regular = true;
            input->start = (uint64_t)start;
            input->size_bytes = start < status.st_size ? (uint64_t)(status.st_size - start) : 0;
        }
    }
    return true;
fail:
    espalier_input_close(input);
    return false;
}

void espalier_input_close(espalier_input *input)
{
    if (input->is_owned && input->descriptor >= 0) {
        close(input->descriptor);
    }
    free(input->buffer);
    input->descriptor = -1;
    input->buffer = NULL;
}

/* One read call, repeated when interrupted; 0 at the end, -1 on an error. */
static ssize_t read_once(int descriptor, void *data, size_t bytes)
{
    ssize_t count = 0;
    do {
        count = read(descriptor, data, bytes);
    } while (count < 0 && errno == EINTR);
    return count;
}

bool espalier_input_fill(espalier_input *input, size_t wanted, espalier_message *message)
{
    if (input->filled - input->at >= wanted) {
        return true;
    }
    memmove(input->buffer, input->buffer + input->at, input->filled - input->at);
    input->filled -= input->at;
    input->at = 0;
    while (input->filled < wanted && !input->at_end) {
        const ssize_t count = read_once(input->descriptor, input->buffer + input->filled,
                                        BUFFER_BYTES - input->filled);
        if (count < 0) {
            return fail_read(input, message);
        }
        input->at_end = count == 0;
        input->filled += (size_t)count;
    }
    return true;
}

bool espalier_input_read(espalier_input *input, void *data, size_t bytes, size_t *read_out,
                         espalier_message *message)
{
    unsigned char *out = data;
    const size_t ready = input->filled - input->at;
    size_t done = ready < bytes ? ready : bytes;
    if (done > 0) {
        memcpy(out, input->buffer + input->at, done);
    }
    input->at += done;
    while (done < bytes && !input->at_end) {
        const ssize_t count = read_once(input->descriptor, out + done, bytes - done);
        if (count < 0) {
            return fail_read(input, message);
        }
        input->at_end = count == 0;
        done += (size_t)count;
    }
    *read_out = done;
    return true;
}

bool espalier_input_read_at(const espalier_input *input, uint64_t offset, void *data, size_t bytes,
                            espalier_message *message)
{
    unsigned char *out = data;
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = pread(input->descriptor, out + done, bytes - done,
                                    (off_t)(input->start + offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail_read(input, message);
        }
        if (count == 0) {
            return espalier_message_set(message, "%s: became shorter while it was read",
                                        input->name);
        }
        done += (size_t)count;
    }
    return true;
}
