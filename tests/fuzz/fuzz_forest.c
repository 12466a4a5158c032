// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a forest: how many trees of what shape and trainer, and then changes of thresholds,
 * leaves and missing rules. What the converter's own check lets pass is flattened to every layout
 * that can hold it, must verify, and must give the reference's bits at every level of ISA this
 * machine has, all rows at once and each alone. Any difference is a finding.
 */
#include "convert/reference.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/same_rows.h"
#include "tests/support/share_tests.h"
#include "tests/support/synthetic.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS       70u /* a block of every kernel, and some */
#define HEAD_BYTES 14u
#define NODES_MAX  4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int fsync(int descriptor);

/* Files are made and read again; nobody cares whether they last. */
int fsync(int descriptor)
{
    (void)descriptor;
    return 0;
}

static void finding(const char *what, uint32_t layout, uint32_t isa)
{
    (void)fprintf(stderr, "fuzz_forest: %s, layout %u, level %s\n", what, (unsigned)layout,
                  espalier_isa_name((espalier_isa)isa));
    abort();
}

static synthetic_options read_options(const uint8_t *head)
{
    synthetic_options options = {.seed = head[0] | (uint64_t)head[1] << 8,
                                 .trainer = (synthetic_trainer)(head[2] % 3),
                                 .tree_count = 1 + head[3] % 24,
                                 .feature_count = 1 + head[4] % 40,
                                 .decision_count_max = 1 + head[5] % 60,
                                 .group_count = 1,
                                 .class_count = head[6] % 4,
                                 .distinct_count = head[7] % 6,
                                 .shape = (synthetic_shape)(head[8] % 3),
                                 .depth_max = 1 + head[9] % 9,
                                 .cut_count = head[10] % 32,
                                 .missing_allowed = head[11] % 2 != 0,
                                 .set_features = head[12] % 4 == 0 ? head[12] / 4 % 3 : 0};
    const uint32_t more = head[13];
    options.averaged = options.trainer == SYNTHETIC_LIGHTGBM && more % 2 != 0;
    options.default_iterations = options.trainer != SYNTHETIC_FOREST ? more / 2 % 2 : 0;
    options.normalise = options.trainer == SYNTHETIC_FOREST && options.tree_count == 1 &&
                        options.class_count > 0 && more / 8 % 2 != 0;
    if (options.set_features > options.feature_count) {
        options.set_features = options.feature_count;
    }
    return options;
}

/* Changes of eight bytes: a place, what, and a number. */
static void change_forest(espalier_forest *forest, const uint8_t *data, size_t bytes)
{
    static const double odd[] = {0.0,       -0.0,     1.0,    -1.0,      0.5,  1e-35,
                                 -1e-35,    INFINITY, 1e-310, 0x1p-149,  3e38, -3e38,
                                 -INFINITY, NAN,      1e300,  16777217.0};
    const bool narrow = forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32;
    for (size_t at = 0; at + 8 <= bytes; at += 8) {
        const uint64_t node = (data[at] | (uint64_t)data[at + 1] << 8) % forest->node_count;
        float raw = 0.0f;
        memcpy(&raw, data + at + 4, sizeof raw);
        const double drawn = data[at + 2] % 2 == 0 ? odd[data[at + 4] % 16] : (double)raw;
        const double number = narrow ? (double)(float)drawn : drawn;
        const uint64_t other = (data[at + 4] | (uint64_t)data[at + 5] << 8) % forest->node_count;
        const bool has_set = forest->set != NULL && (forest->set[node] != ESPALIER_FOREST_NO_SET ||
                                                     forest->set[other] != ESPALIER_FOREST_NO_SET);
        if (data[at + 3] % 3 == 0) {
            forest->leaf_values[node % (forest->leaf_count * forest->leaf_width)] = number;
        } else if (!has_set) {
            forest->threshold[node] = data[at + 3] % 3 == 1 ? number : forest->threshold[other];
        }
    }
}

/* The sums, or what averaging and normalising make of them; the first slots of a forest. */
typedef struct wanted {
    const espalier_forest *forest;
    const double *rows;
    const double *slots;
    uint32_t slot_count;
    uint32_t first_slot;
} wanted;

/* shares: blocks share tests, whatever it costs. */
static void compare(const wanted *want, const espalier_model *model, uint32_t layout, uint32_t isa,
                    bool shares)
{
    const espalier_forest *const forest = want->forest;
    const espalier_output_kind kind = forest->task != ESPALIER_FOREST_TASK_FOREST
                                          ? ESPALIER_OUTPUT_MARGIN
                                      : forest->classifier ? ESPALIER_OUTPUT_PROBABILITY
                                                           : ESPALIER_OUTPUT_VALUE;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    options.isa = isa;
    espalier_predictor *predictor = NULL;
    espalier_output_info info;
    if (espalier_predictor_create(model, &options, &predictor) != ESPALIER_OK ||
        espalier_model_output(model, kind, &info) != ESPALIER_OK) {
        finding("no predictor", layout, isa);
    }
    if (shares && !share_tests(predictor)) {
        abort();
    }
    const size_t item = dtype_bytes(info.dtype);
    uint8_t *const found = malloc(ROWS * info.width * item);
    uint8_t *const right = malloc(ROWS * info.width * item);
    if (found == NULL || right == NULL) {
        abort();
    }
    for (size_t i = 0; i < ROWS * info.width; i++) {
        const double wide =
            want->slots[i / info.width * want->slot_count + want->first_slot + i % info.width];
        const float narrow = (float)wide;
        memcpy(right + i * item, item == 4 ? (const void *)&narrow : (const void *)&wide, item);
    }
    for (size_t step = ROWS; step >= 1; step = step == 1 ? 0 : 1) {
        for (size_t r = 0; r < ROWS; r += step) {
            const espalier_rows rows = espalier_rows_float64(want->rows + r * forest->feature_count,
                                                             step, forest->feature_count);
            espalier_outputs outputs = {.data = found + r * info.width * item,
                                        .data_bytes = step * info.width * item};
            if (espalier_predict(predictor, kind, &rows, &outputs) != ESPALIER_OK) {
                finding("predict refuses", layout, isa);
            }
        }
        if (!rows_are_same(found, right, ROWS * info.width * item, info.dtype)) {
            finding(step == 1 ? "one row differs" : "a block differs", layout, isa);
        }
    }
    free(found);
    free(right);
    espalier_predictor_destroy(predictor);
}

/* In one layout, if it can hold the forest. */
static void check_layout(const wanted *want, uint32_t layout)
{
    espalier_flat flat;
    espalier_error error;
    if (espalier_flatten_to(want->forest, layout, "fuzz", &flat, &error) != ESPALIER_OK) {
        return;
    }
    espalier_flat_free(&flat);
    model_bytes bytes = model_bytes_of_layout(want->forest, 3, layout);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    espalier_model *model = NULL;
    if (espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, &error) !=
        ESPALIER_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        finding("what was written does not verify", layout, ESPALIER_ISA_AUTO);
    }
    for (uint32_t isa = ESPALIER_ISA_AUTO; isa < ESPALIER_ISA_COUNT; isa++) {
        if (espalier_isa_supported((espalier_isa)isa)) {
            compare(want, model, layout, isa, false);
            if (layout == ESPALIER_LAYOUT_HEAP) {
                compare(want, model, layout, isa, true);
            }
        }
    }
    espalier_model_close(model);
    model_bytes_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    espalier_forest forest;
    espalier_error error;
    if (bytes < HEAD_BYTES) {
        return 0;
    }
    const synthetic_options options = read_options(data);
    synthetic_forest_make(&options, &forest);
    change_forest(&forest, data + HEAD_BYTES, bytes - HEAD_BYTES);
    if (forest.node_count > NODES_MAX ||
        espalier_forest_validate(&forest, "fuzz", &error) != ESPALIER_OK) {
        espalier_forest_free(&forest);
        return 0;
    }
    const uint32_t slot_count = espalier_reference_slot_count(&forest);
    double *const rows = model_rows_make_float64(&forest, options.seed, ROWS, 1);
    double *const slots = calloc((size_t)ROWS * slot_count, sizeof *slots);
    if (slots == NULL) {
        abort();
    }
    espalier_reference_evaluate_float64(&forest, rows, ROWS, slots, NULL);
    const wanted want = {&forest, rows, slots, slot_count, forest.normalise ? slot_count / 2 : 0};
    for (uint32_t layout = ESPALIER_LAYOUT_WALK; layout <= ESPALIER_LAYOUT_BITS; layout++) {
        check_layout(&want, layout);
    }
    free(rows);
    free(slots);
    espalier_forest_free(&forest);
    return 0;
}
