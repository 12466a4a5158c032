// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a model file: made the right size and sealed, so that the checks behind the
 * checksums are reached; then open, predict without verify, verify, and look at everything. Seeds
 * are real models of every layout. A crash, a leak, a hang or a difference between one row and
 * many, or between plain C and the best level of this machine, is a finding.
 */
#include "espalier.h"
#include "format/checksum.h"
#include "format/layout.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROWS         11u
#define FEATURES_MAX 512u
#define WIDTH_MAX    4096u
#define VISITS_MAX   20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Makes checksums right wherever their range lies inside the file. */
static void seal(uint8_t *data, size_t bytes)
{
    espalier_file_header *const header = (void *)data;
    if (bytes < sizeof *header ||
        header->section_count > (bytes - sizeof *header) / sizeof(espalier_file_section)) {
        return;
    }
    header->file_bytes = bytes;
    espalier_file_section *const table = (void *)(data + sizeof *header);
    for (uint32_t i = 0; i < header->section_count; i++) {
        if (table[i].offset <= bytes && table[i].bytes <= bytes - table[i].offset) {
            const espalier_checksum128 checksum =
                espalier_checksum128_of(data + table[i].offset, (size_t)table[i].bytes);
            table[i].checksum_low = checksum.low;
            table[i].checksum_high = checksum.high;
        }
    }
    header->checksum = 0;
    header->checksum =
        espalier_checksum64(data, sizeof *header + header->section_count * sizeof *table);
}

static void fill_rows(float *values, size_t count)
{
    static const float odd[] = {0.0f, -0.0f, 1.0f,  -1.0f,  NAN,      INFINITY, -INFINITY,
                                0.5f, 2.5f,  5.45f, 1e-45f, -3.4e38f, 3.4e38f,  -1e-35f};
    for (size_t i = 0; i < count; i++) {
        values[i] = odd[(i * 7 + i / 13) % (sizeof odd / sizeof odd[0])];
    }
}

/* The same bits, or both NaN: what arithmetic makes of two NaN is open. */
static bool rows_agree(const uint8_t *one, const uint8_t *other, size_t bytes, uint32_t dtype)
{
    const size_t item = dtype == ESPALIER_DTYPE_FLOAT32 ? sizeof(float) : sizeof(double);
    if (memcmp(one, other, bytes) == 0) {
        return true;
    }
    for (size_t at = 0; at + item <= bytes; at += item) {
        double a = 0.0, b = 0.0;
        float c = 0.0f, d = 0.0f;
        if (dtype == ESPALIER_DTYPE_FLOAT64) {
            memcpy(&a, one + at, sizeof a);
            memcpy(&b, other + at, sizeof b);
        } else if (dtype == ESPALIER_DTYPE_FLOAT32) {
            memcpy(&c, one + at, sizeof c);
            memcpy(&d, other + at, sizeof d);
            a = (double)c;
            b = (double)d;
        }
        if (memcmp(one + at, other + at, item) != 0 && !(isnan(a) && isnan(b))) {
            return false;
        }
    }
    return true;
}

/* One kind for all rows at once with one predictor, and for each row alone with another. */
static void predict_kind(espalier_predictor *const predictors[2],
                         const espalier_output_info *output, const float *values,
                         size_t feature_count)
{
    const bool small =
        output->dtype == ESPALIER_DTYPE_INT32 || output->dtype == ESPALIER_DTYPE_FLOAT32;
    const size_t row_bytes = output->width * (small ? 4 : 8);
    uint8_t *const together = malloc(ROWS * row_bytes);
    uint8_t *const alone = malloc(row_bytes);
    if (together == NULL || alone == NULL) {
        abort();
    }
    const espalier_output_kind kind = (espalier_output_kind)output->kind;
    for (size_t which = 0; which < 2; which++) {
        espalier_rows rows = espalier_rows_float32(values, ROWS, feature_count);
        espalier_outputs outputs = {.data = together, .data_bytes = ROWS * row_bytes};
        if (espalier_predict(predictors[which], kind, &rows, &outputs) != ESPALIER_OK) {
            abort();
        }
        for (size_t r = 0; r < ROWS; r++) {
            rows = espalier_rows_float32(values + r * feature_count, 1, feature_count);
            outputs = (espalier_outputs){.data = alone, .data_bytes = row_bytes};
            if (espalier_predict(predictors[1 - which], kind, &rows, &outputs) != ESPALIER_OK ||
                !rows_agree(alone, together + r * row_bytes, row_bytes, output->dtype)) {
                abort();
            }
        }
    }
    free(together);
    free(alone);
}

static void predict_all(const espalier_model *model)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    if (espalier_model_info_get(model, &info) != ESPALIER_OK) {
        abort();
    }
    if (info.feature_count > FEATURES_MAX) {
        return;
    }
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF;
    options.block_rows_max = 16;
    espalier_predictor *predictors[2] = {NULL, NULL};
    bool created = espalier_predictor_create(model, &options, &predictors[0]) == ESPALIER_OK;
    options.isa = ESPALIER_ISA_SCALAR;
    created = created && espalier_predictor_create(model, &options, &predictors[1]) == ESPALIER_OK;
    static float values[ROWS * FEATURES_MAX];
    fill_rows(values, ROWS * FEATURES_MAX);
    for (int kind = ESPALIER_OUTPUT_MARGIN; created && kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kind, &output) == ESPALIER_OK &&
            output.width <= WIDTH_MAX) {
            predict_kind(predictors, &output, values, info.feature_count);
        }
    }
    espalier_predictor_destroy(predictors[0]);
    espalier_predictor_destroy(predictors[1]);
}

/* Touches what can be asked of a model. */
static size_t inspect(const espalier_model *model)
{
    size_t sum = 0;
    const char *text = NULL;
    size_t bytes = 0;
    (void)espalier_model_metadata(model, &text, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        sum += (unsigned char)text[i];
    }
    for (uint32_t i = 0; espalier_model_feature_name(model, i) != NULL; i++) {
        sum += strlen(espalier_model_feature_name(model, i));
    }
    espalier_label label;
    for (uint32_t group = 0; group < 8; group++) {
        for (uint32_t i = 0;
             espalier_model_class_label(model, group, i, &label) == ESPALIER_OK && i < 64; i++) {
            sum += label.text != NULL ? strlen(label.text) : 1;
        }
    }
    espalier_tree_info tree;
    for (uint32_t t = 0; t < 16 && espalier_model_tree(model, t, &tree) == ESPALIER_OK; t++) {
        espalier_node node;
        for (uint32_t p = 0; p < 256 && espalier_model_node(model, t, p, &node) == ESPALIER_OK;
             p++) {
            double leaf[4];
            double cuts[4];
            sum += (size_t)espalier_model_node_left(model, &node, (double)p);
            sum += espalier_model_set_cuts(model, &node, cuts, 4);
            sum += (size_t)espalier_model_leaf(model, tree.part_index, node.leaf_index, leaf, 4);
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *const copy = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data, bytes);
    seal(copy, bytes);
    espalier_model *model = NULL;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.visits_per_row_max = VISITS_MAX;
    if (espalier_model_open_memory(copy, bytes, &options, &model, &error) == ESPALIER_OK) {
        predict_all(model);
        (void)inspect(model);
        (void)espalier_model_verify(model, &error);
        espalier_model_close(model);
    }
    free(copy);
    return 0;
}
