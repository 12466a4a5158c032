// SPDX-License-Identifier: Apache-2.0
/*
 * predict_bytes MODEL ROWS [MODEL ROWS]...: every output of every model for the rows of a file, in
 * hexadecimal, one line an output, so that machines can be compared bit for bit; lines that begin
 * with "#" name the kernels. ROWS holds numbers as they lie in memory, row after row: float64 in a
 * file named *.f64, float32 in any other. The rows are predicted together and one by one, which
 * must give the same bytes. Uses the public interface only; ESPALIER_ISA chooses the level. Leaves
 * with 1 at the first error, 77 when this machine lacks the level.
 */
#include "espalier.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_BYTES_MAX ((size_t)64 << 20)

typedef struct row_file {
    void *data;
    size_t bytes;
    uint32_t dtype;
    size_t item_bytes;
} row_file;

static bool read_rows(const char *path, row_file *rows_out)
{
    const size_t length = strlen(path);
    const bool wide = length > 4 && strcmp(path + length - 4, ".f64") == 0;
    FILE *const file = fopen(path, "rb");
    void *const data = malloc(ROWS_BYTES_MAX);
    const size_t bytes = file != NULL && data != NULL ? fread(data, 1, ROWS_BYTES_MAX, file) : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (bytes == 0 || bytes == ROWS_BYTES_MAX) {
        (void)fprintf(stderr, "%s: cannot be read, empty or too long\n", path);
        free(data);
        return false;
    }
    *rows_out = (row_file){data, bytes, wide ? ESPALIER_DTYPE_FLOAT64 : ESPALIER_DTYPE_FLOAT32,
                           wide ? sizeof(double) : sizeof(float)};
    return true;
}

static size_t item_bytes_of(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_FLOAT32 || dtype == ESPALIER_DTYPE_INT32 ? 4 : 8;
}

/* Predicts rows [first, first + count) into bytes. */
static espalier_status predict_some(espalier_predictor *predictor, espalier_output_kind kind,
                                    const espalier_rows *rows, size_t first, size_t count,
                                    size_t row_bytes, uint8_t *bytes)
{
    espalier_rows some = *rows;
    const size_t item = rows->dtype == ESPALIER_DTYPE_FLOAT64 ? sizeof(double) : sizeof(float);
    some.data = (const uint8_t *)rows->data + first * rows->feature_count * item;
    some.row_count = count;
    espalier_outputs outputs = {.data = bytes + first * row_bytes, .data_bytes = count * row_bytes};
    return espalier_predict(predictor, kind, &some, &outputs);
}

static void print_bytes(const char *label, espalier_output_kind kind,
                        const espalier_output_info *info, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    (void)printf("%s %d %u ", label, (int)kind, (unsigned)info->dtype);
    for (size_t i = 0; i < count; i++) {
        (void)putchar(digits[bytes[i] >> 4]);
        (void)putchar(digits[bytes[i] & 15]);
    }
    (void)putchar('\n');
}

/* All rows together, then one by one. */
static bool show_output(const espalier_model *model, espalier_predictor *predictor,
                        espalier_output_kind kind, const espalier_rows *rows, const char *label)
{
    espalier_output_info info;
    if (espalier_model_output(model, kind, &info) != ESPALIER_OK) {
        return true; /* the model has no such output */
    }
    const size_t row_bytes = info.width * item_bytes_of(info.dtype);
    const size_t bytes = rows->row_count * row_bytes;
    uint8_t *const together = calloc(2, bytes);
    bool right = false;
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (together == NULL) {
        goto out;
    }
    uint8_t *const alone = together + bytes;
    status = predict_some(predictor, kind, rows, 0, rows->row_count, row_bytes, together);
    for (size_t r = 0; r < rows->row_count && status == ESPALIER_OK; r++) {
        status = predict_some(predictor, kind, rows, r, 1, row_bytes, alone);
    }
    right = status == ESPALIER_OK && memcmp(together, alone, bytes) == 0;
    if (right) {
        print_bytes(label, kind, &info, together, bytes);
    }
out:
    if (!right) {
        (void)fprintf(stderr, "%s: output %d: %s\n", label, (int)kind,
                      status == ESPALIER_OK ? "a row by itself differs" : "cannot be predicted");
    }
    free(together);
    return right;
}

static int show_model(const char *model_path, const char *rows_path)
{
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    espalier_error error;
    row_file file = {NULL, 0, 0, 0};
    int code = 1;
    if (espalier_model_open(model_path, NULL, &model, &error) != ESPALIER_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        goto out;
    }
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF;
    const espalier_status status = espalier_predictor_create(model, &options, &predictor);
    if (status == ESPALIER_ERROR_ISA) { /* this machine lacks the level */
        code = 77;
        goto out;
    }
    if (status != ESPALIER_OK || espalier_model_info_get(model, &info) != ESPALIER_OK ||
        info.feature_count == 0 || !read_rows(rows_path, &file)) {
        (void)fprintf(stderr, "%s: no predictor or no rows, status %d\n", model_path, (int)status);
        goto out;
    }
    const size_t row_count = file.bytes / file.item_bytes / info.feature_count;
    const espalier_rows rows = {file.data, file.dtype,         0,
                                row_count, info.feature_count, (ptrdiff_t)info.feature_count,
                                1};
    const char *const slash = strrchr(rows_path, '/');
    (void)printf("# %s: %s\n", model_path, espalier_predictor_kernel(predictor));
    code = 0;
    for (int kind = ESPALIER_OUTPUT_MARGIN; kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        if (!show_output(model, predictor, (espalier_output_kind)kind, &rows,
                         slash != NULL ? slash + 1 : rows_path)) {
            code = 1;
        }
    }
out:
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    free(file.data);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc % 2 == 0) {
        (void)fprintf(stderr, "usage: predict_bytes MODEL ROWS [MODEL ROWS]...\n");
        return 2;
    }
    int code = 0;
    for (int i = 1; i + 1 < argc && code == 0; i += 2) {
        code = show_model(argv[i], argv[i + 1]);
    }
    return code;
}
