// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a model file: made the right size and sealed, so that the checks behind the
 * checksums are reached; then open, predict without verify, verify, and look at everything. Seeds
 * are real models of every layout; half of the changes are made to a word of a section, each
 * section as often as another, to a record of CATEGORIES or LINEAR, or to names and labels. A
 * crash, a leak, a hang, an answer that cannot be (model_look), or a difference between one row and
 * many, between plain C and the level of this machine whose turn it is, or between strings and the
 * numbers that stand for them, is a finding.
 */
#include "espalier_inspect.h"
#include "format/checksum.h"
#include "format/layout.h"
#include "tests/support/model_look.h"
#include "tests/support/same_rows.h"
#include "tests/support/share_tests.h"

#include <stdlib.h>

#define ROWS         80u /* the most kernels take together by other ways than fewer */
#define ROWS_ALONE   11u
#define FEATURES_MAX 512u
#define WIDTH_MAX    4096u
#define VISITS_MAX   20000u
#define VALUES_MAX   65536u
#define LEAST        24u /* bytes of a table of strings with something in it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t bytes_max);

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

/* One kind for all rows at once with one predictor, and for some rows alone with another. */
static void predict_kind(espalier_predictor *const predictors[2],
                         const espalier_output_info *output, const float *values,
                         size_t feature_count)
{
    const size_t row_bytes = output->width * dtype_bytes(output->dtype);
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
        for (size_t r = 0; r < ROWS; r += ROWS / ROWS_ALONE) {
            rows = espalier_rows_float32(values + r * feature_count, 1, feature_count);
            outputs = (espalier_outputs){.data = alone, .data_bytes = row_bytes};
            if (espalier_predict(predictors[1 - which], kind, &rows, &outputs) != ESPALIER_OK ||
                !rows_are_same(alone, together + r * row_bytes, row_bytes, output->dtype)) {
                abort();
            }
        }
    }
    free(together);
    free(alone);
}

/* One row of strings where the model has categories, and the same row as numbers. */
static void predict_strings(const espalier_model *model, espalier_predictor *predictor,
                            const espalier_output_info *output, uint32_t feature_count)
{
    static espalier_feature_column columns[FEATURES_MAX];
    static int64_t offsets[FEATURES_MAX][2];
    static double numbers[FEATURES_MAX];
    const espalier_feature_column init = ESPALIER_FEATURE_COLUMN_INIT;
    const size_t bytes = output->width * dtype_bytes(output->dtype);
    uint8_t *const found = malloc(2 * bytes);
    if (found == NULL) {
        abort();
    }
    for (uint32_t f = 0; f < feature_count; f++) {
        const uint32_t count = espalier_model_category_count(model, f);
        size_t text_bytes = 0;
        numbers[f] = count > 0 ? (double)(f % count) : 0.5;
        columns[f] = init;
        columns[f].data = &numbers[f];
        columns[f].dtype = ESPALIER_DTYPE_FLOAT64;
        if (count > 0) {
            columns[f].text = espalier_model_category(model, f, f % count, &text_bytes);
            offsets[f][1] = (int64_t)text_bytes;
            columns[f].data = offsets[f];
            columns[f].text_bytes = text_bytes;
            columns[f].dtype = ESPALIER_DTYPE_STRING64;
        }
    }
    const espalier_feature_columns all = {columns, feature_count, 1, 0, 0};
    const espalier_rows rows = espalier_rows_float64(numbers, 1, feature_count);
    espalier_outputs outputs = {.data = found, .data_bytes = bytes};
    const espalier_output_kind kind = (espalier_output_kind)output->kind;
    const espalier_status status = espalier_predict_columns(predictor, kind, &all, &outputs);
    outputs.data = found + bytes;
    if (status != espalier_predict(predictor, kind, &rows, &outputs) ||
        (status == ESPALIER_OK && !rows_are_same(found, found + bytes, bytes, output->dtype))) {
        abort();
    }
    free(found);
}

/* What nodes compare for a row of either width, in memory that just holds it. */
static void take_values(const espalier_model *model, espalier_predictor *predictor,
                        const float *narrow, uint32_t feature_count)
{
    static double wide[FEATURES_MAX];
    const uint32_t count = espalier_model_value_count(model);
    double *const values = count <= VALUES_MAX ? malloc(count * sizeof *values) : NULL;
    for (uint32_t f = 0; f < feature_count; f++) {
        wide[f] = (double)narrow[f] * 1e10;
    }
    const espalier_rows rows[] = {espalier_rows_float32(narrow, 1, feature_count),
                                  espalier_rows_float64(wide, 1, feature_count)};
    for (size_t i = 0; values != NULL && i < 2; i++) {
        if (espalier_predictor_values(predictor, &rows[i], values, count) != ESPALIER_OK) {
            abort();
        }
    }
    free(values);
}

/* A level of this machine, by the file: all have their turn. */
static uint32_t level_of(const uint8_t *data)
{
    espalier_file_header header;
    memcpy(&header, data, sizeof header);
    const uint32_t isa = (uint32_t)(header.checksum % ESPALIER_ISA_COUNT);
    return espalier_isa_supported((espalier_isa)isa) ? isa : ESPALIER_ISA_AUTO;
}

/* Whether blocks share tests, by the file: half of them do. */
static bool shares_of(const uint8_t *data)
{
    espalier_file_header header;
    memcpy(&header, data, sizeof header);
    return (header.checksum >> 32 & 1) != 0;
}

/* shares: blocks share tests, if they can. */
static void predict_all(const espalier_model *model, uint32_t level, bool shares)
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
    options.block_rows_max = ROWS;
    options.isa = level;
    espalier_predictor *predictors[2] = {NULL, NULL};
    bool created = espalier_predictor_create(model, &options, &predictors[0]) == ESPALIER_OK;
    options.isa = ESPALIER_ISA_SCALAR;
    created = created && espalier_predictor_create(model, &options, &predictors[1]) == ESPALIER_OK;
    created = created && (!shares || share_tests(predictors[0]));
    static float values[ROWS * FEATURES_MAX];
    fill_rows(values, ROWS * FEATURES_MAX);
    for (int kind = ESPALIER_OUTPUT_MARGIN; created && kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kind, &output) == ESPALIER_OK &&
            output.width <= WIDTH_MAX) {
            predict_kind(predictors, &output, values, info.feature_count);
            predict_strings(model, predictors[0], &output, info.feature_count);
        }
    }
    for (size_t i = 0; created && i < 2; i++) {
        take_values(model, predictors[i], values, info.feature_count);
    }
    espalier_predictor_destroy(predictors[0]);
    espalier_predictor_destroy(predictors[1]);
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
        predict_all(model, level_of(copy), shares_of(copy));
        model_look(model);
        (void)espalier_model_verify(model, &error);
        espalier_model_close(model);
    }
    free(copy);
    return 0;
}

/* ---- changes ---- */

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

/* A place in the header and table, or in a section that lies inside the file; false: none does. */
static bool draw_range(const uint8_t *data, size_t bytes, uint64_t *state, size_t *first_out,
                       size_t *bytes_out)
{
    const espalier_file_header *const header = (const void *)data;
    if (bytes < sizeof *header || header->section_count == 0 ||
        header->section_count > (bytes - sizeof *header) / sizeof(espalier_file_section)) {
        return false;
    }
    espalier_file_section section;
    const uint32_t index = draw(state) % (header->section_count + 1);
    const size_t head = sizeof *header + header->section_count * sizeof section;
    if (index == header->section_count) {
        *first_out = 0;
        *bytes_out = head;
        return true;
    }
    memcpy(&section, data + sizeof *header + index * sizeof section, sizeof section);
    *first_out = (size_t)section.offset;
    *bytes_out = (size_t)section.bytes;
    return section.offset < bytes && section.bytes <= bytes - section.offset && section.bytes >= 4;
}

/* A word becomes one that is hardly right, another of its section, or itself and a bit. */
static void change_word(uint8_t *range, size_t bytes, uint64_t *state)
{
    static const uint32_t odd[] = {0,          1,          UINT32_MAX, 0x7FFFFFFFu, 0x80000000u,
                                   0x7FC00000, 0x7F800000, 0xFF800000, 255,         256,
                                   65535,      65536,      1u << 24,   1u << 30};
    uint32_t word = 0, other = 0;
    uint8_t *const place = range + draw(state) % (bytes / 4) * 4;
    memcpy(&word, place, sizeof word);
    memcpy(&other, range + draw(state) % (bytes / 4) * 4, sizeof other);
    switch (draw(state) % 6) {
    case 0:
        word = odd[draw(state) % (sizeof odd / sizeof odd[0])];
        break;
    case 1:
        word = other;
        break;
    case 2:
        word += draw(state) % 2 == 0 ? 1u : UINT32_MAX;
        break;
    case 3:
        word ^= 1u << draw(state) % 32;
        break;
    case 4:
        word = draw(state) % 300;
        break;
    default:
        word = draw(state);
        break;
    }
    memcpy(place, &word, sizeof word);
}

/* A section of a type, inside the file, of at least so many bytes; false: there is none. */
static bool find_range(const uint8_t *data, size_t bytes, uint32_t type, size_t least,
                       size_t *first_out, size_t *bytes_out)
{
    const espalier_file_header *const header = (const void *)data;
    if (bytes < sizeof *header ||
        header->section_count > (bytes - sizeof *header) / sizeof(espalier_file_section)) {
        return false;
    }
    for (uint32_t i = 0; i < header->section_count; i++) {
        espalier_file_section section;
        memcpy(&section, data + sizeof *header + i * sizeof section, sizeof section);
        if (section.type == type && section.offset < bytes &&
            section.bytes <= bytes - section.offset && section.bytes >= least) {
            *first_out = (size_t)section.offset;
            *bytes_out = (size_t)section.bytes;
            return true;
        }
    }
    return false;
}

/* A number of a record: a little more or less, of another record, at a border, or any. */
static void change_field(uint8_t *field, const uint8_t *other, uint64_t *state)
{
    static const uint32_t borders[] = {0, 1, UINT32_MAX, UINT32_MAX - 1, 0x80000000u};
    uint32_t number = 0;
    memcpy(&number, field, sizeof number);
    switch (draw(state) % 4) {
    case 0:
        number += draw(state) % 2 == 0 ? 1u : UINT32_MAX;
        break;
    case 1:
        memcpy(&number, other, sizeof number);
        break;
    case 2:
        number = borders[draw(state) % (sizeof borders / sizeof borders[0])];
        break;
    default:
        number = draw(state) % 64;
        break;
    }
    memcpy(field, &number, sizeof number);
}

/* Where a leaf's terms are, or which slot a term reads: leaves count from the front, terms from the
 * end. */
static void change_linear(uint8_t *range, size_t bytes, uint64_t *state)
{
    const size_t leaf = sizeof(espalier_file_linear_leaf);
    const size_t term = sizeof(espalier_file_term);
    if (draw(state) % 2 == 0) {
        const size_t field = offsetof(espalier_file_linear_leaf, first_term) + draw(state) % 2 * 4;
        change_field(range + draw(state) % (bytes / leaf) * leaf + field,
                     range + draw(state) % (bytes / leaf) * leaf + field, state);
    } else {
        uint8_t *const end = range + bytes;
        const size_t field = offsetof(espalier_file_term, place);
        change_field(end - (1 + draw(state) % (bytes / term)) * term + field,
                     end - (1 + draw(state) % (bytes / term)) * term + field, state);
    }
}

/* A list, the order of its strings, where a string ends, or a byte of one. */
static void change_categories(uint8_t *range, size_t bytes, uint64_t *state)
{
    espalier_file_categories head;
    memcpy(&head, range, sizeof head);
    const size_t lists = sizeof head;
    const size_t record = sizeof(espalier_file_category_list);
    if (head.list_count == 0 || head.string_count == 0 ||
        head.list_count > (bytes - lists) / record ||
        head.string_count > (bytes - lists - head.list_count * record) / 12) {
        change_word(range, bytes, state);
        return;
    }
    const size_t order = lists + head.list_count * record;
    const size_t ends = order + head.string_count * sizeof(uint32_t) + 8;
    const size_t text = ends + head.string_count * sizeof(uint32_t);
    uint8_t *const one = range + draw(state) % head.string_count * sizeof(uint32_t);
    uint8_t *const other = range + draw(state) % head.string_count * sizeof(uint32_t);
    switch (draw(state) % 4) {
    case 0: {
        const size_t field = draw(state) % 4 * 4;
        change_field(range + lists + draw(state) % head.list_count * record + field,
                     range + lists + draw(state) % head.list_count * record + field, state);
        break;
    }
    case 1: {
        uint8_t kept[sizeof(uint32_t)];
        memcpy(kept, one + order, sizeof kept);
        memmove(one + order, other + order, sizeof kept);
        memcpy(other + order, kept, sizeof kept);
        break;
    }
    case 2:
        change_field(one + ends, other + ends, state);
        break;
    default:
        if (text < bytes) {
            range[text + draw(state) % (bytes - text)] = (uint8_t)(draw(state) % 3 * 97);
        }
        break;
    }
}

/* How many strings a table claims, where one ends, or a byte of one, so that it may hold a NUL. */
static void change_strings(uint8_t *range, size_t bytes, uint64_t *state)
{
    espalier_file_strings head;
    memcpy(&head, range, sizeof head);
    if (head.count == 0 || head.count > (bytes - sizeof head - 8) / sizeof(uint32_t)) {
        change_word(range, bytes, state);
        return;
    }
    uint8_t *const ends = range + sizeof head;
    const size_t text = sizeof head + head.count * sizeof(uint32_t);
    switch (draw(state) % 4) {
    case 0:
        change_field(range + draw(state) % 2 * 4, range + draw(state) % 2 * 4, state);
        break;
    case 1:
        change_field(ends + draw(state) % head.count * sizeof(uint32_t),
                     ends + draw(state) % head.count * sizeof(uint32_t), state);
        break;
    default:
        range[text + draw(state) % (bytes - text)] = (uint8_t)(draw(state) % 3 * 97);
        break;
    }
}

/* The strings of a group of labels, or a word of any group. */
static void change_labels(uint8_t *range, size_t bytes, uint64_t *state)
{
    espalier_file_labels labels;
    uint32_t group_count = 0;
    memcpy(&group_count, range, sizeof group_count);
    if (group_count > 0 && group_count <= (bytes - 8) / sizeof labels) {
        memcpy(&labels, range + 8 + draw(state) % group_count * sizeof labels, sizeof labels);
        if (labels.kind == ESPALIER_LABEL_STRING && labels.offset < bytes &&
            labels.bytes <= bytes - labels.offset && labels.bytes >= LEAST) {
            change_strings(range + labels.offset, (size_t)labels.bytes, state);
            return;
        }
    }
    change_word(range, bytes, state);
}

/* False: the file has neither names nor labels. */
static bool change_text(uint8_t *data, size_t bytes, uint64_t *state)
{
    size_t first = 0, range = 0;
    const bool named =
        find_range(data, bytes, ESPALIER_SECTION_FEATURE_NAMES, LEAST, &first, &range);
    if (named && draw(state) % 2 == 0) {
        change_strings(data + first, range, state);
        return true;
    }
    if (find_range(data, bytes, ESPALIER_SECTION_CLASS_LABELS, LEAST, &first, &range)) {
        change_labels(data + first, range, state);
        return true;
    }
    return false;
}

/* False: the file has no section whose records hang together. */
static bool change_record(uint8_t *data, size_t bytes, uint64_t *state)
{
    size_t first = 0, range = 0;
    const bool linear = find_range(data, bytes, ESPALIER_SECTION_LINEAR, 64, &first, &range);
    if (linear && draw(state) % 2 == 0) {
        change_linear(data + first, range, state);
        return true;
    }
    if (find_range(data, bytes, ESPALIER_SECTION_CATEGORIES, 64, &first, &range)) {
        change_categories(data + first, range, state);
        return true;
    }
    return false;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    uint64_t state = seed;
    size_t first = 0, range = 0;
    if (draw(&state) % 4 == 0 && change_record(data, bytes, &state)) {
        return bytes;
    }
    if (draw(&state) % 4 == 0 && change_text(data, bytes, &state)) {
        return bytes;
    }
    if (draw(&state) % 2 == 0 || !draw_range(data, bytes, &state, &first, &range)) {
        return LLVMFuzzerMutate(data, bytes, bytes_max);
    }
    for (uint32_t i = draw(&state) % 3 + 1; i > 0; i--) {
        change_word(data + first, range, &state);
    }
    return bytes;
}
