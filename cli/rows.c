// SPDX-License-Identifier: Apache-2.0
/*
 * Rows, a chunk at a time; see rows.h. Includes rows.h and libc. float32 and float64 items are
 * passed on as they are; everything else becomes float64.
 */
#include "rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct espalier_rows_reader {
    espalier_input input;
    espalier_rows_options options;
    bool is_npy;

    /* .npy */
    espalier_npy npy;
    uint64_t row_count;
    uint64_t next_row;
    unsigned char *items; /* a chunk as in the file; the whole array when held */
    bool is_held;         /* a Fortran-order array from a pipe: read completely */

    /* .csv */
    espalier_csv csv;
    uint32_t *field_features; /* field -> feature, or NULL: by position */
    uint64_t *lines;          /* of the rows of the chunk */
    bool has_record;          /* the first record was read already and is a row */

    double *values; /* a chunk converted */
    bool has_failed;
    espalier_message failure; /* to be reported by the next call */
};

/* ---- .npy ------------------------------------------------------------------------------------ */

static bool fail_npy(const espalier_input *input, espalier_message *message)
{
    espalier_message why = *message;
    return espalier_message_set(message, "%s: %.900s", input->name, why.text);
}

/* Reads prefix and header; the input then stands at the first item. */
static bool read_npy_header(espalier_input *input, uint32_t dimension_count_max, espalier_npy *npy,
                            espalier_message *message)
{
    bool ok = false;
    size_t got = 0;
    unsigned char prefix[ESPALIER_NPY_PREFIX_BYTES];
    unsigned char *header = NULL;
    if (!espalier_input_read(input, prefix, sizeof prefix, &got, message)) {
        return false;
    }
    if (got < sizeof prefix) {
        return espalier_message_set(message, "%s: the .npy header is cut short", input->name);
    }
    const size_t header_bytes = espalier_npy_header_bytes(prefix, message);
    if (header_bytes == 0) {
        return fail_npy(input, message);
    }
    /* A version 1.0 header of "" is shorter than the prefix read; it is malformed anyway. */
    header = malloc(header_bytes > sizeof prefix ? header_bytes : sizeof prefix);
    if (header == NULL) {
        return espalier_message_set(message, "%s: not enough memory", input->name);
    }
    memcpy(header, prefix, sizeof prefix);
    got = sizeof prefix;
    if (header_bytes > sizeof prefix) {
        if (!espalier_input_read(input, header + got, header_bytes - got, &got, message)) {
            goto out;
        }
        got += sizeof prefix;
    }
    ok = espalier_npy_parse(header, got, npy, message) || fail_npy(input, message);
    if (ok && (npy->dimension_count == 0 || npy->dimension_count > dimension_count_max)) {
        ok = espalier_message_set(message, "%s: the array has %u dimensions; it needs two%s",
                                  input->name, npy->dimension_count,
                                  npy->dimension_count == 3
                                      ? " (outputs of one row side by side in one line)"
                                      : "");
    }
    const uint64_t wanted = ok ? npy->data_offset + npy->data_bytes : 0;
    if (ok && input->is_regular && input->size_bytes != wanted) {
        ok = espalier_message_set(message, "%s: has %" PRIu64 " bytes, its header says %" PRIu64,
                                  input->name, input->size_bytes, wanted);
    }
out:
    free(header);
    return ok;
}

/*
 * Reads all items. A header may lie about their number, so from a pipe the memory grows with what
 * really arrives; a regular file was compared with its size before.
 */
static bool read_all_items(espalier_input *input, const espalier_npy *npy,
                           unsigned char **items_out, espalier_message *message)
{
    unsigned char *items = NULL;
    size_t capacity = 0;
    size_t filled = 0;
    size_t got = 1;
    if (npy->data_bytes > SIZE_MAX / 2) {
        return espalier_message_set(message, "%s: too large for this machine", input->name);
    }
    const size_t wanted = (size_t)npy->data_bytes;
    while (filled < wanted && got > 0) {
        if (filled == capacity) {
            capacity = capacity == 0 ? (size_t)1 << 20 : capacity * 2;
            if (input->is_regular || capacity > wanted) {
                capacity = wanted;
            }
            unsigned char *more = realloc(items, capacity);
            if (more == NULL) {
                espalier_message_set(message, "%s: not enough memory for %zu bytes", input->name,
                                     capacity);
                goto fail;
            }
            items = more;
        }
        if (!espalier_input_read(input, items + filled, capacity - filled, &got, message)) {
            goto fail;
        }
        filled += got;
    }
    if (filled < wanted) {
        espalier_message_set(message, "%s: ends after %zu of %zu data bytes", input->name, filled,
                             wanted);
        goto fail;
    }
    *items_out = items;
    return true;
fail:
    free(items);
    return false;
}

static bool check_npy_rows(espalier_rows_reader *reader, espalier_message *message)
{
    const espalier_npy *npy = &reader->npy;
    const char *name = reader->input.name;
    if (npy->kind == 'U') {
        return espalier_message_set(message, "%s: dtype '<U%u' (text) cannot be rows", name,
                                    npy->item_bytes / 4);
    }
    /* One dimension is one row. */
    const uint64_t features = npy->dimension_count == 1 ? npy->shape[0] : npy->shape[1];
    if (features != reader->options.feature_count) {
        return espalier_message_set(message,
                                    "%s: %" PRIu64 " features a row, but the model has %" PRIu32,
                                    name, features, reader->options.feature_count);
    }
    reader->row_count = npy->dimension_count == 1 ? 1 : npy->shape[0];
    return true;
}

static bool open_npy(espalier_rows_reader *reader, espalier_message *message)
{
    if (!read_npy_header(&reader->input, 2, &reader->npy, message) ||
        !check_npy_rows(reader, message)) {
        return false;
    }
    const espalier_npy *npy = &reader->npy;
    const size_t cells = reader->options.chunk_rows * reader->options.feature_count;
    /* Fortran and C order are the same for one row or one feature. */
    if (reader->row_count <= 1 || reader->options.feature_count == 1) {
        reader->npy.is_fortran = false;
    }
    if (npy->is_fortran && !reader->input.is_regular) {
        reader->is_held = true;
        if (!read_all_items(&reader->input, npy, &reader->items, message)) {
            return false;
        }
    } else {
        reader->items = malloc(cells * npy->item_bytes);
    }
    const bool is_direct = npy->kind == 'f' && npy->item_bytes >= 4;
    if (!is_direct) {
        reader->values = malloc(cells * sizeof *reader->values);
    }
    if (reader->items == NULL || (!is_direct && reader->values == NULL)) {
        return espalier_message_set(message, "%s: not enough memory", reader->input.name);
    }
    return true;
}

/* Reads `count` rows from next_row on as [count][features], or [features][count] if Fortran. */
static bool read_npy_items(espalier_rows_reader *reader, size_t count, espalier_message *message)
{
    const espalier_npy *npy = &reader->npy;
    const size_t width = npy->item_bytes;
    const size_t features = reader->options.feature_count;
    size_t got = 0;
    if (!npy->is_fortran) {
        const size_t bytes = count * features * width;
        if (!espalier_input_read(&reader->input, reader->items, bytes, &got, message)) {
            return false;
        }
        if (got < bytes) {
            return espalier_message_set(message,
                                        "%s: ends in row %" PRIu64 " of %" PRIu64 " (0-based)",
                                        reader->input.name,
                                        reader->next_row + got / (features * width),
                                        reader->row_count);
        }
    }
    for (size_t feature = 0; npy->is_fortran && feature < features; feature++) {
        const uint64_t offset =
            npy->data_offset + (feature * reader->row_count + reader->next_row) * width;
        if (!espalier_input_read_at(&reader->input, offset, reader->items + feature * count * width,
                                    count * width, message)) {
            return false;
        }
    }
    espalier_npy_swap(npy, reader->items, count * features);
    return true;
}

/* Items that follow the array: two arrays in one file, or not what the header says. */
static bool check_npy_end(espalier_rows_reader *reader, espalier_message *message)
{
    if (reader->input.is_regular) {
        return true;
    }
    if (!espalier_input_fill(&reader->input, 1, message)) {
        return false;
    }
    if (reader->input.at < reader->input.filled) {
        return espalier_message_set(message, "%s: more bytes follow the array", reader->input.name);
    }
    return true;
}

static espalier_rows_result next_npy(espalier_rows_reader *reader, espalier_rows *rows_out,
                                     espalier_message *message)
{
    const espalier_npy *npy = &reader->npy;
    const size_t features = reader->options.feature_count;
    const uint64_t left = reader->row_count - reader->next_row;
    if (left == 0) {
        return check_npy_end(reader, message) ? ESPALIER_ROWS_END : ESPALIER_ROWS_FAILED;
    }
    const size_t count =
        left < reader->options.chunk_rows ? (size_t)left : reader->options.chunk_rows;
    if (features > 0 && !reader->is_held && !read_npy_items(reader, count, message)) {
        return ESPALIER_ROWS_FAILED;
    }
    if (reader->is_held && reader->next_row == 0) {
        espalier_npy_swap(npy, reader->items, (size_t)npy->item_count);
    }

    espalier_rows rows = {.data = reader->items, .row_count = count, .feature_count = features};
    size_t feature_stride = 1;
    if (npy->is_fortran) {
        feature_stride = reader->is_held ? (size_t)reader->row_count : count;
    }
    rows.row_stride = npy->is_fortran ? 1 : (ptrdiff_t)features;
    rows.feature_stride = (ptrdiff_t)feature_stride;
    if (reader->is_held) {
        rows.data = reader->items + reader->next_row * npy->item_bytes;
    }
    rows.dtype = npy->item_bytes == 4 ? ESPALIER_DTYPE_FLOAT32 : ESPALIER_DTYPE_FLOAT64;
    if (reader->values != NULL) {
        /* Convert feature by feature, or all at once when nothing lies between. */
        const size_t runs = reader->is_held ? features : 1;
        const size_t run_items = reader->is_held ? count : count * features;
        for (size_t run = 0; run < runs; run++) {
            const unsigned char *items =
                (const unsigned char *)rows.data + run * feature_stride * npy->item_bytes;
            espalier_npy_to_float64(npy, items, run_items, reader->values + run * count);
        }
        rows.data = reader->values;
        rows.dtype = ESPALIER_DTYPE_FLOAT64;
        rows.feature_stride = npy->is_fortran ? (ptrdiff_t)count : 1;
    }
    reader->next_row += count;
    *rows_out = rows;
    return ESPALIER_ROWS_CHUNK;
}

/* ---- .csv ------------------------------------------------------------------------------------ */

static bool fail_line(const espalier_rows_reader *reader, espalier_message *message,
                      const char *format, const char *detail, size_t column)
{
    char what[640];
    snprintf(what, sizeof what, format, detail);
    if (column == 0) {
        return espalier_message_set(message, "%s: line %" PRIu64 ": %s", reader->input.name,
                                    reader->csv.line, what);
    }
    return espalier_message_set(message, "%s: line %" PRIu64 ", column %zu: %s", reader->input.name,
                                reader->csv.line, column, what);
}

static bool check_field_count(const espalier_rows_reader *reader, espalier_message *message)
{
    const size_t count = reader->csv.field_count;
    if (count == reader->options.feature_count) {
        return true;
    }
    return espalier_message_set(message,
                                "%s: line %" PRIu64 ": %zu field%s, but the model has %" PRIu32
                                " feature%s",
                                reader->input.name, reader->csv.line, count, count == 1 ? "" : "s",
                                reader->options.feature_count,
                                reader->options.feature_count == 1 ? "" : "s");
}

/* A feature by its name; sorted, so that wide files stay quick. */
typedef struct name_entry {
    const char *name;
    uint32_t feature;
} name_entry;

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const name_entry *)left)->name, ((const name_entry *)right)->name);
}

/* Fills field_features from the header's names. */
static bool match_names(espalier_rows_reader *reader, const name_entry *entries, size_t count,
                        unsigned char *seen, espalier_message *message)
{
    for (size_t i = 0; i < reader->csv.field_count; i++) {
        const name_entry key = {espalier_csv_field(&reader->csv, i), 0};
        const name_entry *entry = bsearch(&key, entries, count, sizeof *entries, compare_names);
        if (entry == NULL) {
            return fail_line(reader, message, "the model has no feature \"%.500s\"", key.name,
                             i + 1);
        }
        if (seen[entry->feature]) {
            return fail_line(reader, message, "feature \"%.500s\" stands twice", key.name, i + 1);
        }
        seen[entry->feature] = 1;
        reader->field_features[i] = entry->feature;
    }
    for (size_t i = 0; i < count; i++) {
        if (!seen[entries[i].feature]) {
            return fail_line(reader, message, "feature \"%.500s\" of the model is missing",
                             entries[i].name, 0);
        }
    }
    return true;
}

static bool map_header(espalier_rows_reader *reader, espalier_message *message)
{
    const size_t count = reader->options.feature_count;
    if (reader->options.feature_names == NULL) {
        return check_field_count(reader, message);
    }
    bool ok = false;
    name_entry *entries = malloc(count * sizeof *entries);
    unsigned char *seen = calloc(count, 1);
    reader->field_features = calloc(reader->csv.field_count, sizeof *reader->field_features);
    if (entries == NULL || seen == NULL || reader->field_features == NULL) {
        espalier_message_set(message, "%s: not enough memory", reader->input.name);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = (name_entry){reader->options.feature_names[i], (uint32_t)i};
    }
    qsort(entries, count, sizeof *entries, compare_names);
    ok = match_names(reader, entries, count, seen, message);
out:
    free(entries);
    free(seen);
    return ok;
}

/* Whether text means something to a feature: it has categories of text, or a pipeline drops it,
 * where any text counts as missing. */
static bool takes_text(const espalier_rows_reader *reader, size_t feature, const char *field,
                       double *value_out)
{
    return reader->options.model != NULL && feature <= UINT32_MAX &&
           espalier_model_category_number(reader->options.model, (uint32_t)feature, field,
                                          strlen(field), value_out) != ESPALIER_ERROR_ARGUMENT;
}

/* Whether a feature's values are text, whose categories the model knows. */
static bool is_text(const espalier_rows_reader *reader, size_t feature)
{
    return reader->options.model != NULL && feature <= UINT32_MAX &&
           espalier_model_category_count(reader->options.model, (uint32_t)feature) > 0;
}

/*
 * Whether the first record is a header: some field is no number and its feature, by its place, is
 * not text, or the fields are the model's names although they look like numbers. Where no names can
 * confirm it, a line with numbers too is more likely a spoilt row, which must not be dropped.
 */
static bool detect_header(espalier_rows_reader *reader, bool *is_header_out,
                          espalier_message *message)
{
    const espalier_csv *csv = &reader->csv;
    const bool has_names = reader->options.feature_names != NULL;
    size_t numbers = 0;
    size_t wrong_field = 0;
    for (size_t i = 0; i < csv->field_count; i++) {
        double value = 0;
        const char *field = espalier_csv_field(csv, i);
        if (is_text(reader, i)) {
            continue;
        }
        if (!espalier_csv_number(csv, field, &value)) {
            if (takes_text(reader, i, field, &value)) {
                continue;
            }
            wrong_field = wrong_field == 0 ? i + 1 : wrong_field;
        } else if (*field != '\0') {
            numbers++;
        }
    }
    *is_header_out = wrong_field != 0;
    if (wrong_field != 0 && numbers > 0 && !has_names) {
        return fail_line(reader, message,
                         "\"%.500s\" is not a number (if this line is a header, say --header)",
                         espalier_csv_field(csv, wrong_field - 1), wrong_field);
    }
    if (wrong_field == 0 && has_names && csv->field_count == reader->options.feature_count) {
        espalier_message ignored;
        *is_header_out = map_header(reader, &ignored);
        free(reader->field_features);
        reader->field_features = NULL;
    }
    return true;
}

static bool open_csv(espalier_rows_reader *reader, espalier_message *message)
{
    const size_t cells = reader->options.chunk_rows * reader->options.feature_count;
    reader->row_count = ESPALIER_ROW_COUNT_UNKNOWN;
    reader->values = malloc(cells * sizeof *reader->values);
    reader->lines = malloc(reader->options.chunk_rows * sizeof *reader->lines);
    if (reader->values == NULL || reader->lines == NULL) {
        return espalier_message_set(message, "%s: not enough memory", reader->input.name);
    }
    if (!espalier_csv_open(&reader->csv, &reader->input, message)) {
        return false;
    }
    const espalier_csv_result result = espalier_csv_next(&reader->csv, message);
    if (result == ESPALIER_CSV_FAILED) {
        return false;
    }
    if (result == ESPALIER_CSV_END) {
        return espalier_message_set(message, "%s: empty: neither .npy nor CSV", reader->input.name);
    }
    bool is_header = reader->options.header == ESPALIER_HEADER_YES;
    if (reader->options.header == ESPALIER_HEADER_DETECT &&
        !detect_header(reader, &is_header, message)) {
        return false;
    }
    reader->has_record = !is_header;
    return !is_header || map_header(reader, message);
}

/* Whether a category is the empty text. */
static bool is_empty_category(const espalier_model *model, uint32_t feature, double number)
{
    size_t bytes = 1;
    const bool there = number >= 0.0 && number < (double)UINT32_MAX &&
                       espalier_model_category(model, feature, (uint32_t)number, &bytes) != NULL;
    return there && bytes == 0;
}

/* A field that is text becomes the number of its category; an empty one is missing, unless that is
 * a category. */
static bool read_text(espalier_rows_reader *reader, size_t index, size_t feature, const char *field,
                      double *value_out, espalier_message *message)
{
    const espalier_model *const model = reader->options.model;
    const size_t bytes = strlen(field);
    const espalier_status status =
        espalier_model_category_number(model, (uint32_t)feature, field, bytes, value_out);
    if (bytes == 0 &&
        !(status == ESPALIER_OK && is_empty_category(model, (uint32_t)feature, *value_out))) {
        *value_out = (double)NAN;
        return true;
    }
    return status == ESPALIER_OK ||
           fail_line(reader, message, "\"%.500s\" is none of the feature's categories", field,
                     index + 1);
}

/* Puts the last record into row `index` of the chunk. */
static bool store_record(espalier_rows_reader *reader, size_t index, espalier_message *message)
{
    if (!check_field_count(reader, message)) {
        return false;
    }
    const size_t features = reader->options.feature_count;
    double *row = reader->values + index * features;
    for (size_t i = 0; i < features; i++) {
        const char *field = espalier_csv_field(&reader->csv, i);
        const size_t feature = reader->field_features == NULL ? i : reader->field_features[i];
        if (is_text(reader, feature)) {
            if (!read_text(reader, i, feature, field, &row[feature], message)) {
                return false;
            }
        } else if (!espalier_csv_number(&reader->csv, field, &row[feature]) &&
                   !takes_text(reader, feature, field, &row[feature])) {
            return fail_line(reader, message, "\"%.500s\" is not a number", field, i + 1);
        }
    }
    reader->lines[index] = reader->csv.line;
    return true;
}

static espalier_rows_result next_csv(espalier_rows_reader *reader, espalier_rows *rows_out,
                                     espalier_message *message)
{
    size_t count = 0;
    if (reader->has_failed) {
        *message = reader->failure;
        return ESPALIER_ROWS_FAILED;
    }
    while (count < reader->options.chunk_rows) {
        espalier_csv_result result = ESPALIER_CSV_RECORD;
        if (!reader->has_record) {
            result = espalier_csv_next(&reader->csv, &reader->failure);
        }
        reader->has_record = false;
        if (result == ESPALIER_CSV_END) {
            break;
        }
        if (result == ESPALIER_CSV_FAILED || !store_record(reader, count, &reader->failure)) {
            reader->has_failed = true;
            break;
        }
        count++;
    }
    if (count == 0 && reader->has_failed) {
        *message = reader->failure;
        return ESPALIER_ROWS_FAILED;
    }
    if (count == 0) {
        return ESPALIER_ROWS_END;
    }
    *rows_out = espalier_rows_float64(reader->values, count, reader->options.feature_count);
    return ESPALIER_ROWS_CHUNK;
}

/* ---- both ------------------------------------------------------------------------------------ */

bool espalier_rows_open(const char *path, const espalier_rows_options *options,
                        espalier_rows_reader **reader_out, espalier_message *message)
{
    espalier_rows_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return espalier_message_set(message, "%s: not enough memory", path);
    }
    reader->options = *options;
    if (!espalier_input_open(&reader->input, path, message)) {
        free(reader);
        return false;
    }
    bool ok = false;
    const size_t length = strlen(path);
    if (!espalier_input_fill(&reader->input, ESPALIER_NPY_MAGIC_BYTES, message)) {
        goto out;
    }
    const size_t ready = reader->input.filled - reader->input.at;
    reader->is_npy = ready >= ESPALIER_NPY_MAGIC_BYTES &&
                     memcmp(reader->input.buffer + reader->input.at, ESPALIER_NPY_MAGIC,
                            ESPALIER_NPY_MAGIC_BYTES) == 0;
    if (!reader->is_npy && length >= 4 && strcmp(path + length - 4, ".npy") == 0) {
        espalier_message_set(message, "%s: not an .npy file (no \\x93NUMPY at its start)", path);
    } else {
        ok = reader->is_npy ? open_npy(reader, message) : open_csv(reader, message);
    }
out:
    if (ok) {
        *reader_out = reader;
    } else {
        espalier_rows_close(reader);
    }
    return ok;
}

void espalier_rows_close(espalier_rows_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    espalier_input_close(&reader->input);
    espalier_csv_close(&reader->csv);
    free(reader->items);
    free(reader->values);
    free(reader->lines);
    free(reader->field_features);
    free(reader);
}

espalier_rows_result espalier_rows_next(espalier_rows_reader *reader, espalier_rows *rows_out,
                                        espalier_message *message)
{
    return reader->is_npy ? next_npy(reader, rows_out, message)
                          : next_csv(reader, rows_out, message);
}

uint64_t espalier_rows_count(const espalier_rows_reader *reader)
{
    return reader->row_count;
}

const char *espalier_rows_name(const espalier_rows_reader *reader)
{
    return reader->input.name;
}

uint64_t espalier_rows_line(const espalier_rows_reader *reader, size_t index)
{
    return reader->lines == NULL ? 0 : reader->lines[index];
}

/* Turns [columns][rows] into [rows][columns]. */
static bool transpose(espalier_npy_array *array, espalier_message *message)
{
    const espalier_npy *npy = &array->npy;
    const size_t rows = (size_t)npy->shape[0];
    const size_t columns = (size_t)npy->shape[1];
    const size_t width = npy->item_bytes;
    if (npy->data_bytes == 0) {
        return true;
    }
    unsigned char *data = malloc((size_t)npy->data_bytes);
    if (data == NULL) {
        return espalier_message_set(message, "not enough memory for %" PRIu64 " bytes",
                                    npy->data_bytes);
    }
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            memcpy(data + (row * columns + column) * width,
                   array->data + (column * rows + row) * width, width);
        }
    }
    free(array->data);
    array->data = data;
    return true;
}

bool espalier_npy_load(const char *path, uint32_t dimension_count_max,
                       espalier_npy_array *array_out, espalier_message *message)
{
    espalier_input input;
    espalier_npy_array array = {.data = NULL};
    if (!espalier_input_open(&input, path, message)) {
        return false;
    }
    bool ok = read_npy_header(&input, dimension_count_max, &array.npy, message) &&
              read_all_items(&input, &array.npy, &array.data, message);
    if (ok) {
        espalier_npy_swap(&array.npy, array.data, (size_t)array.npy.item_count);
        array.npy.is_swapped = false;
        if (array.npy.is_fortran && array.npy.dimension_count == 2) {
            ok = transpose(&array, message);
        } else if (array.npy.is_fortran && array.npy.dimension_count > 2) {
            ok = espalier_message_set(message, "%s: three dimensions in Fortran order", path);
        }
        array.npy.is_fortran = false;
    }
    espalier_input_close(&input);
    if (ok) {
        *array_out = array;
    } else {
        free(array.data);
    }
    return ok;
}
