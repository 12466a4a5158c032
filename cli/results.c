// SPDX-License-Identifier: Apache-2.0
/*
 * Predictions as .npy or CSV; see results.h. Includes results.h, npy.h, output.h and libc. An .npy
 * header tells the number of rows, which is known at the end only: where the output cannot be
 * rewound the array is collected in an unnamed temporary file first.
 */
#include "results.h"

#include "npy.h"
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct espalier_results {
    espalier_results_options options;
    espalier_output output;
    FILE *stream; /* what is written to while rows come: the output's, or a temporary file's */
    char descr[24];
    uint64_t row_count;
};

static bool fail_errno(const espalier_results *results, espalier_message *message)
{
    return espalier_output_fail(&results->output, message);
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
    ok = ok && espalier_output_open(&results->output, options->path, message);
    results->stream = results->output.stream;
    if (ok && is_npy && results->output.final_path == NULL) {
        results->stream = tmpfile();
        ok = results->stream != NULL ||
             espalier_message_set(message, "temporary file: %s", strerror(errno));
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
        if (!write_bytes(results, results->output.stream, buffer, bytes, message)) {
            return false;
        }
    }
    if (ferror(results->stream)) {
        return espalier_message_set(message, "temporary file: %s", strerror(errno));
    }
    return true;
}

/* The array was collected elsewhere. */
static bool is_collected(const espalier_results *results)
{
    return results->stream != results->output.stream;
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
    if (ok && is_collected(results)) {
        ok = copy_collected(results, message);
    }
    if (ok) {
        FILE *const collected = is_collected(results) ? results->stream : NULL;
        ok = espalier_output_commit(&results->output, message);
        results->stream = collected;
    }
    espalier_results_discard(results);
    return ok;
}

void espalier_results_discard(espalier_results *results)
{
    if (results->stream != NULL && is_collected(results)) {
        fclose(results->stream);
    }
    espalier_output_discard(&results->output);
    free(results);
}
