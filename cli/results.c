// SPDX-License-Identifier: Apache-2.0
/*
 * Predictions as .npy or CSV; see results.h. Includes results.h, npy.h and libc. An .npy header
 * tells the number of rows, which is known at the end only: where the output cannot be rewound the
 * array is collected in an unnamed temporary file first.
 */
#include "results.h"

#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct espalier_results {
    espalier_results_options options;
    const char *name; /* for messages */
    FILE *stream;     /* what is written to while rows come */
    FILE *target;     /* of a collected array: where it goes in the end */
    char *final_path; /* what the temporary file becomes; NULL when written directly */
    char *temporary_path;
    mode_t mode; /* of the file that is replaced; 0: there is none */
    char descr[24];
    uint64_t row_count;
};

/* ---- the temporary file ---------------------------------------------------------------------- */

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

static bool fail_errno(const espalier_results *results, espalier_message *message)
{
    return espalier_message_set(message, "%s: %s", results->name, strerror(errno));
}

/* A new file next to the final one, so that the rename stays within one file system. */
static bool create_temporary(espalier_results *results, espalier_message *message)
{
    enum {
        SUFFIX_BYTES = 40,
        TRIES = 100
    };
    const char *final_path = results->final_path;
    const char *slash = strrchr(final_path, '/');
    const size_t folder_bytes = slash == NULL ? 0 : (size_t)(slash + 1 - final_path);
    const size_t path_bytes = strlen(final_path) + SUFFIX_BYTES;
    results->temporary_path = malloc(path_bytes);
    if (results->temporary_path == NULL) {
        return fail_errno(results, message);
    }
    int descriptor = -1;
    for (unsigned i = 0; i < TRIES && descriptor < 0; i++) {
        snprintf(results->temporary_path, path_bytes, "%.*s.%.180s.%ld-%u.tmp", (int)folder_bytes,
                 final_path, final_path + folder_bytes, (long)getpid(), i);
        descriptor = open(results->temporary_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) {
            break;
        }
    }
    if (descriptor < 0) {
        fail_errno(results, message);
        free(results->temporary_path);
        results->temporary_path = NULL;
        return false;
    }
    watch_signals(results->temporary_path);
    if (results->mode != 0 && fchmod(descriptor, results->mode) != 0) {
        fail_errno(results, message);
        close(descriptor);
        return false;
    }
    results->stream = fdopen(descriptor, "w+");
    if (results->stream == NULL) {
        fail_errno(results, message);
        close(descriptor);
        return false;
    }
    return true;
}

/* Decides between a file to rename and a stream (device, pipe, standard output) to write to. */
static bool open_target(espalier_results *results, espalier_message *message)
{
    const char *path = results->options.path;
    struct stat status;
    if (strcmp(path, "-") == 0) {
        results->name = "standard output";
        results->target = stdout;
        return true;
    }
    results->name = path;
    const bool exists = stat(path, &status) == 0;
    if (exists && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode)) {
            errno = EISDIR;
            return fail_errno(results, message);
        }
        results->target = fopen(path, "we");
        return results->target != NULL || fail_errno(results, message);
    }
    /* Through a symbolic link, so that the link stays and its file is replaced. */
    results->mode = exists ? status.st_mode & 0777 : 0;
    results->final_path = exists ? realpath(path, NULL) : strdup(path);
    if (results->final_path == NULL) {
        return fail_errno(results, message);
    }
    return create_temporary(results, message);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_bytes(espalier_results *results, FILE *stream, const void *data, size_t bytes,
                        espalier_message *message)
{
    return bytes == 0 || fwrite(data, 1, bytes, stream) == bytes || fail_errno(results, message);
}

static bool write_npy_header(espalier_results *results, FILE *stream, espalier_message *message)
{
    unsigned char header[ESPALIER_NPY_WRITE_BYTES_MAX];
    const size_t depth = results->options.depth;
    const size_t columns = results->options.is_flat ? 0 : results->options.width;
    const size_t bytes = espalier_npy_write_header(header, results->descr, results->row_count,
                                                   depth > 0 ? columns / depth : columns, depth);
    return write_bytes(results, stream, header, bytes, message);
}

/* A CSV field, quoted where it must be. */
static void put_field(FILE *stream, const char *text, size_t length)
{
    /* An empty field would read as missing, blanks at the ends get lost with some readers. */
    bool is_plain = length > 0 && text[0] != ' ' && text[length - 1] != ' ';
    for (size_t i = 0; i < length && is_plain; i++) {
        is_plain = text[i] != ',' && text[i] != '"' && text[i] != '\r' && text[i] != '\n';
    }
    if (is_plain) {
        fwrite(text, 1, length, stream);
        return;
    }
    fputc('"', stream);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            fputc('"', stream);
        }
        fputc(text[i], stream);
    }
    fputc('"', stream);
}

static bool write_csv_header(espalier_results *results, espalier_message *message)
{
    for (size_t i = 0; i < results->options.width; i++) {
        if (i > 0) {
            fputc(',', results->stream);
        }
        put_field(results->stream, results->options.names[i], strlen(results->options.names[i]));
    }
    fputc('\n', results->stream);
    return !ferror(results->stream) || fail_errno(results, message);
}

static const char *dtype_descr(uint32_t dtype)
{
    switch (dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        return "<f4";
    case ESPALIER_DTYPE_FLOAT64:
        return "<f8";
    case ESPALIER_DTYPE_INT32:
        return "<i4";
    default:
        return "<i8";
    }
}

bool espalier_results_open(const espalier_results_options *options, espalier_results **results_out,
                           espalier_message *message)
{
    espalier_results *results = calloc(1, sizeof *results);
    if (results == NULL) {
        return espalier_message_set(message, "%s: not enough memory", options->path);
    }
    results->options = *options;
    const bool is_npy = options->format == ESPALIER_RESULTS_NPY;
    const char *descr =
        options->labels != NULL ? options->labels->descr : dtype_descr(options->dtype);
    snprintf(results->descr, sizeof results->descr, "%s", descr);
    bool ok = true;
    if (is_npy && descr[0] == '\0') {
        ok = espalier_message_set(message,
                                  "%s: the outputs' class labels have no common dtype: "
                                  "write CSV instead",
                                  options->path);
    }
    ok = ok && open_target(results, message);
    if (ok && results->stream == NULL && is_npy) {
        results->stream = tmpfile();
        ok = results->stream != NULL ||
             espalier_message_set(message, "temporary file: %s", strerror(errno));
    } else if (ok && results->stream == NULL) {
        results->stream = results->target;
        results->target = NULL;
    }
    /* NumPy leaves room for any number of rows, so the true header has the same length. */
    if (ok) {
        ok = is_npy ? write_npy_header(results, results->stream, message)
                    : write_csv_header(results, message);
    }
    if (!ok) {
        espalier_results_discard(results);
        return false;
    }
    *results_out = results;
    return true;
}

static void put_number(FILE *stream, uint32_t dtype, const unsigned char *item)
{
    char buffer[32];
    int32_t narrow = 0;
    int64_t wide = 0;
    float single = 0;
    double real = 0;
    switch (dtype) {
    case ESPALIER_DTYPE_FLOAT32:
        memcpy(&single, item, sizeof single);
        fputs(espalier_format_real((double)single, true, buffer), stream);
        break;
    case ESPALIER_DTYPE_FLOAT64:
        memcpy(&real, item, sizeof real);
        fputs(espalier_format_real(real, false, buffer), stream);
        break;
    case ESPALIER_DTYPE_INT32:
        memcpy(&narrow, item, sizeof narrow);
        fprintf(stream, "%" PRId32, narrow);
        break;
    default:
        memcpy(&wide, item, sizeof wide);
        fprintf(stream, "%" PRId64, wide);
        break;
    }
}

static size_t dtype_bytes(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_FLOAT32 || dtype == ESPALIER_DTYPE_INT32 ? 4 : 8;
}

/* One class index as its label; false when the model gives an index without a label. */
static bool put_label(espalier_results *results, size_t output, const unsigned char *item,
                      espalier_message *message)
{
    const espalier_labels *labels = results->options.labels;
    int32_t index = 0;
    memcpy(&index, item, sizeof index);
    if (output >= labels->output_count || index < 0 ||
        (uint32_t)index >= labels->sets[output].count) {
        return espalier_message_set(message,
                                    "the model predicts class index %" PRId32
                                    ", which has no label",
                                    index);
    }
    const espalier_label_set *set = &labels->sets[output];
    if (results->options.format == ESPALIER_RESULTS_CSV) {
        put_field(results->stream, set->texts[index], set->text_bytes[index]);
    } else {
        fwrite(set->items + (size_t)index * labels->item_bytes, 1, labels->item_bytes,
               results->stream);
    }
    return true;
}

bool espalier_results_write(espalier_results *results, const void *items, size_t row_count,
                            espalier_message *message)
{
    const espalier_results_options *options = &results->options;
    const bool is_csv = options->format == ESPALIER_RESULTS_CSV;
    const size_t item_bytes = dtype_bytes(options->dtype);
    const unsigned char *item = items;
    if (!is_csv && options->labels == NULL) {
        results->row_count += row_count;
        return write_bytes(results, results->stream, items, row_count * options->width * item_bytes,
                           message);
    }
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < options->width; i++, item += item_bytes) {
            if (is_csv && i > 0) {
                fputc(',', results->stream);
            }
            if (options->labels == NULL) {
                put_number(results->stream, options->dtype, item);
            } else if (!put_label(results, i, item, message)) {
                return false;
            }
        }
        if (is_csv) {
            fputc('\n', results->stream);
        }
    }
    results->row_count += row_count;
    return !ferror(results->stream) || fail_errno(results, message);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Writes the true header over the first one. */
static bool finish_npy(espalier_results *results, espalier_message *message)
{
    if (fseeko(results->stream, 0, SEEK_SET) != 0) {
        return fail_errno(results, message);
    }
    return write_npy_header(results, results->stream, message);
}

/* Copies the collected array to where it goes. */
static bool copy_collected(espalier_results *results, espalier_message *message)
{
    char buffer[1 << 16];
    if (fseeko(results->stream, 0, SEEK_SET) != 0) {
        return fail_errno(results, message);
    }
    for (;;) {
        const size_t bytes = fread(buffer, 1, sizeof buffer, results->stream);
        if (bytes == 0) {
            break;
        }
        if (!write_bytes(results, results->target, buffer, bytes, message)) {
            return false;
        }
    }
    if (ferror(results->stream)) {
        return espalier_message_set(message, "temporary file: %s", strerror(errno));
    }
    return fflush(results->target) == 0 || fail_errno(results, message);
}

static bool publish(espalier_results *results, espalier_message *message)
{
    if (fsync(fileno(results->stream)) != 0) {
        return fail_errno(results, message);
    }
    if (rename(results->temporary_path, results->final_path) != 0) {
        return fail_errno(results, message);
    }
    signal_path = NULL;
    free(results->temporary_path);
    results->temporary_path = NULL;
    return true;
}

static bool close_stream(FILE *stream)
{
    return stream == NULL || stream == stdout || fclose(stream) == 0;
}

bool espalier_results_commit(espalier_results *results, espalier_message *message)
{
    bool ok = true;
    if (results->options.format == ESPALIER_RESULTS_NPY) {
        ok = finish_npy(results, message);
    }
    if (ok && (fflush(results->stream) != 0 || ferror(results->stream))) {
        ok = fail_errno(results, message);
    }
    if (ok && results->target != NULL) {
        ok = copy_collected(results, message);
    }
    if (ok && results->final_path != NULL) {
        ok = publish(results, message);
    }
    if (ok) {
        /* Written through; what closing still finds (a network file system) is an error too. */
        ok = close_stream(results->stream);
        results->stream = NULL;
        ok = close_stream(results->target) && ok;
        results->target = NULL;
        if (!ok) {
            fail_errno(results, message);
        }
    }
    espalier_results_discard(results);
    return ok;
}

void espalier_results_discard(espalier_results *results)
{
    close_stream(results->stream);
    close_stream(results->target);
    if (results->temporary_path != NULL) {
        unlink(results->temporary_path);
        signal_path = NULL;
    }
    free(results->temporary_path);
    free(results->final_path);
    free(results);
}
