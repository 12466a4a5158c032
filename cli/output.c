// SPDX-License-Identifier: Apache-2.0
/*
 * See output.h. A signal that ends the command removes the temporary file. Includes output.h and
 * libc.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to remove when a signal ends the command; NULL when nothing is to be removed. */
static char *volatile signal_path;

static void remove_temporary(int signal_number)
{
    char *path = signal_path;
    if (path != NULL) {
        unlink(path);
    }
    /* SA_RESETHAND: the signal now ends the process as if it had never been caught. */
    raise(signal_number);
}

/* Removes the temporary file on the signals that end a command; ignored ones stay ignored. */
static void watch_signals(char *path)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    signal_path = path;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL) {
            continue;
        }
        memset(&action, 0, sizeof action);
        action.sa_handler = remove_temporary;
        action.sa_flags = (int)SA_RESETHAND;
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
}

bool espalier_output_fail(const espalier_output *output, espalier_message *message)
{
    return espalier_message_set(message, "%s: %s", output->name, strerror(errno));
}

/* A new file next to the final one, so that the rename stays within one file system. */
static bool create_temporary(espalier_output *output, espalier_message *message)
{
    enum {
        SUFFIX_BYTES = 40,
        TRIES = 100
    };
    const char *final_path = output->final_path;
    const char *slash = strrchr(final_path, '/');
    const size_t folder_bytes = slash == NULL ? 0 : (size_t)(slash + 1 - final_path);
    const size_t path_bytes = strlen(final_path) + SUFFIX_BYTES;
    output->temporary_path = malloc(path_bytes);
    if (output->temporary_path == NULL) {
        return espalier_output_fail(output, message);
    }
    int descriptor = -1;
    for (unsigned i = 0; i < TRIES && descriptor < 0; i++) {
        snprintf(output->temporary_path, path_bytes, "%.*s.%.180s.%ld-%u.tmp", (int)folder_bytes,
                 final_path, final_path + folder_bytes, (long)getpid(), i);
        descriptor = open(output->temporary_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) {
            break;
        }
    }
    if (descriptor < 0) {
        espalier_output_fail(output, message);
        free(output->temporary_path);
        output->temporary_path = NULL;
        return false;
    }
    watch_signals(output->temporary_path);
    if (output->mode != 0 && fchmod(descriptor, output->mode) != 0) {
        espalier_output_fail(output, message);
        close(descriptor);
        return false;
    }
    output->stream = fdopen(descriptor, "w+");
    if (output->stream == NULL) {
        espalier_output_fail(output, message);
        close(descriptor);
        return false;
    }
    return true;
}

bool espalier_output_open(espalier_output *output, const char *path, espalier_message *message)
{
    struct stat status;
    *output = (espalier_output){.name = path};
    if (strcmp(path, "-") == 0) {
        output->name = "standard output";
        output->stream = stdout;
        return true;
    }
    const bool exists = stat(path, &status) == 0;
    if (exists && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode)) {
            errno = EISDIR;
            return espalier_output_fail(output, message);
        }
        output->stream = fopen(path, "we");
        return output->stream != NULL || espalier_output_fail(output, message);
    }
    /* Through a symbolic link, so that the link stays and its file is replaced. */
    output->mode = exists ? status.st_mode & 0777 : 0;
    output->final_path = exists ? realpath(path, NULL) : strdup(path);
    if (output->final_path == NULL) {
        return espalier_output_fail(output, message);
    }
    return create_temporary(output, message);
}

static bool publish(espalier_output *output, espalier_message *message)
{
    if (fsync(fileno(output->stream)) != 0 ||
        rename(output->temporary_path, output->final_path) != 0) {
        return espalier_output_fail(output, message);
    }
    signal_path = NULL;
    free(output->temporary_path);
    output->temporary_path = NULL;
    return true;
}

static bool close_stream(FILE *stream)
{
    return stream == NULL || stream == stdout || fclose(stream) == 0;
}

bool espalier_output_commit(espalier_output *output, espalier_message *message)
{
    bool ok = true;
    if (fflush(output->stream) != 0 || ferror(output->stream)) {
        ok = espalier_output_fail(output, message);
    }
    if (ok && output->final_path != NULL) {
        ok = publish(output, message);
    }
    if (ok) {
        /* Written through; what closing still finds (a network file system) is an error too. */
        ok = close_stream(output->stream) || espalier_output_fail(output, message);
        output->stream = NULL;
    }
    espalier_output_discard(output);
    return ok;
}

void espalier_output_discard(espalier_output *output)
{
    close_stream(output->stream);
    if (output->temporary_path != NULL) {
        unlink(output->temporary_path);
        signal_path = NULL;
    }
    free(output->temporary_path);
    free(output->final_path);
    *output = (espalier_output){.name = output->name};
}
