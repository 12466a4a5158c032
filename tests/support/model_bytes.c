// SPDX-License-Identifier: Apache-2.0
/*
 * See model_bytes.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/support/model_bytes.h"

#include "convert/reference.h"
#include "espalier_convert.h"
#include "format/checksum.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define METADATA "{\"format\":\"espalier\",\"trainer\":{\"framework\":\"synthetic\"}}"

static void *aligned_zeroed(size_t bytes)
{
    const size_t rounded = (bytes + 63) / 64 * 64;
    void *const memory = aligned_alloc(64, rounded > 0 ? rounded : 64);
    assert_non_null(memory);
    memset(memory, 0, rounded > 0 ? rounded : 64);
    return memory;
}

float *model_rows_make(const espalier_forest *forest, uint64_t seed, size_t row_count, int odd)
{
    static const float odd_values[] = {NAN,    INFINITY, -INFINITY,     -0.0f,         0.0f,
                                       1e-45f, -1e-45f,  3.4028235e38f, -3.4028235e38f};
    uint64_t state = seed;
    float *const rows = malloc(row_count * forest->feature_count * sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < row_count * forest->feature_count; i++) {
        const uint64_t choice = synthetic_next(&state);
        const uint64_t node = synthetic_next(&state) % forest->node_count;
        const float near = (float)forest->threshold[node];
        float value = (float)((int64_t)synthetic_next(&state) % 2000) / 500.0f;
        if (forest->left[node] != ESPALIER_FOREST_LEAF && isfinite(near)) {
            value = choice % 8 == 0   ? near
                    : choice % 8 == 1 ? nextafterf(near, INFINITY)
                    : choice % 8 == 2 ? nextafterf(near, -INFINITY)
                                      : value;
        }
        if (odd && choice % 8 == 3) {
            value = odd_values[choice / 8 % (sizeof odd_values / sizeof odd_values[0])];
        }
        rows[i] = isfinite(value) || odd ? value : 1.0f;
    }
    return rows;
}

double *model_rows_make_float64(const espalier_forest *forest, uint64_t seed, size_t row_count,
                                int odd)
{
    static const double odd_values[] = {NAN,     INFINITY, -INFINITY, -0.0,          0.0,    5e-324,
                                        -5e-324, 1e-35,    -1e-35,    1.1e-35,       -9e-36, 1e300,
                                        -1e300,  1e-45,    3.5e38,    (double)1e-35f};
    uint64_t state = seed;
    double *const rows = malloc(row_count * forest->feature_count * sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < row_count * forest->feature_count; i++) {
        const uint64_t choice = synthetic_next(&state);
        const uint64_t node = synthetic_next(&state) % forest->node_count;
        const double near = forest->threshold[node];
        double value = (double)((int64_t)synthetic_next(&state) % 2000) / 500.0;
        if (forest->left[node] != ESPALIER_FOREST_LEAF && isfinite(near)) {
            value = choice % 8 == 0   ? near
                    : choice % 8 == 1 ? nextafter(near, INFINITY)
                    : choice % 8 == 2 ? nextafter(near, -INFINITY)
                                      : value;
        }
        if (odd && choice % 8 == 3) {
            value = odd_values[choice / 8 % (sizeof odd_values / sizeof odd_values[0])];
        }
        rows[i] = isfinite(value) || odd ? value : 1.0;
    }
    return rows;
}

/* The GOLDEN section with the reference's answers. */
static void *make_golden(const espalier_forest *forest, uint32_t row_count, uint64_t *bytes_out)
{
    const uint32_t slot_count = espalier_reference_slot_count(forest);
    const size_t features = (size_t)row_count * forest->feature_count;
    const espalier_file_golden head = {row_count, forest->feature_count, slot_count,
                                       forest->tree_count};
    *bytes_out = sizeof head + features * 8 + (size_t)row_count * slot_count * 8 +
                 (size_t)row_count * forest->tree_count * 4;
    uint8_t *const data = aligned_zeroed((size_t)*bytes_out);
    double *const rows = model_rows_make_float64(forest, 99, row_count, 1);
    double *const slots = (double *)(void *)(data + sizeof head) + features;
    memcpy(data, &head, sizeof head);
    memcpy(data + sizeof head, rows, features * sizeof *rows);
    espalier_reference_evaluate_float64(forest, rows, row_count, slots,
                                        (uint32_t *)(void *)(slots +
                                                             (size_t)row_count * slot_count));
    free(rows);
    return data;
}

static model_bytes read_file(const char *path, uint64_t bytes)
{
    model_bytes model = {aligned_zeroed((size_t)bytes), (size_t)bytes};
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(model.data, 1, model.bytes, file), model.bytes);
    assert_int_equal(fclose(file), 0);
    return model;
}

model_bytes model_bytes_of(const espalier_forest *forest, uint32_t golden_count)
{
    return model_bytes_of_changed(forest, golden_count, ESPALIER_LAYOUT_WALK, NULL);
}

model_bytes model_bytes_of_layout(const espalier_forest *forest, uint32_t golden_count,
                                  uint32_t layout)
{
    return model_bytes_of_changed(forest, golden_count, layout, NULL);
}

model_bytes model_bytes_of_changed(const espalier_forest *forest, uint32_t golden_count,
                                   uint32_t layout, void (*change)(espalier_flat *flat))
{
    espalier_flat flat;
    espalier_error error;
    const espalier_status flattened = espalier_flatten_to(forest, layout, "test", &flat, &error);
    if (flattened != ESPALIER_OK) {
        fail_msg("flatten: %s", error.message);
    }
    if (change != NULL) {
        change(&flat);
    }
    espalier_writer_section sections[ESPALIER_FLAT_SECTIONS_MAX + 3];
    uint32_t count = espalier_flat_sections(&flat, sections);
    sections[count++] =
        (espalier_writer_section){ESPALIER_SECTION_METADATA, 0, METADATA, sizeof METADATA - 1};
    void *golden = NULL;
    espalier_file_proof proof;
    memset(&proof, 0, sizeof proof);
    if (golden_count != 0) {
        uint64_t golden_bytes = 0;
        golden = make_golden(forest, golden_count, &golden_bytes);
        proof.rows_compared = golden_count;
        sections[count++] =
            (espalier_writer_section){ESPALIER_SECTION_GOLDEN, 0, golden, golden_bytes};
        sections[count++] =
            (espalier_writer_section){ESPALIER_SECTION_PROOF, 0, &proof, sizeof proof};
    }
    char directory[] = "/tmp/espalier-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char path[64];
    (void)snprintf(path, sizeof path, "%s/model", directory);
    char *temporary = NULL;
    uint64_t bytes = 0;
    const espalier_status written =
        espalier_writer_write(path, sections, count, &temporary, &bytes, &error);
    assert_int_equal(written, ESPALIER_OK);
    const model_bytes model = read_file(temporary, bytes);
    espalier_writer_discard(temporary);
    assert_int_equal(rmdir(directory), 0);
    free(temporary);
    free(golden);
    espalier_flat_free(&flat);
    return model;
}

void model_bytes_widen_codes(espalier_flat *flat)
{
    espalier_file_column *const columns = flat->columns.data;
    for (uint64_t i = 0; i < flat->columns.bytes / sizeof *columns; i++) {
        assert_int_equal(columns[i].segment, 0);
        columns[i].bank = ESPALIER_BANK_SHORT;
    }
    flat->parts[0].bank = ESPALIER_BANK_SHORT;
    if (flat->parts[0].layout != ESPALIER_FILE_HEAP) {
        return;
    }
    const uint64_t count = flat->nodes.bytes;
    const uint8_t *const narrow = flat->nodes.data;
    const espalier_file_tree *const trees = flat->trees.data;
    uint16_t *const wide = calloc(count, sizeof *wide);
    assert_non_null(wide);
    for (uint64_t t = 0; t < flat->trees.bytes / sizeof *trees; t++) {
        const uint64_t first = trees[t].first_node * 2;
        for (uint64_t i = 0; i < 2 * (uint64_t)trees[t].node_count; i++) {
            const bool is_filler = i >= trees[t].node_count && narrow[first + i] == UINT8_MAX;
            wide[first + i] = is_filler ? UINT16_MAX : narrow[first + i];
        }
    }
    free(flat->nodes.data);
    flat->nodes = (espalier_flat_bytes){wide, count * sizeof *wide};
    flat->parts[0].node_bytes = 4;
}

model_bytes model_bytes_synthetic(const synthetic_options *options, uint32_t layout)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    const model_bytes model = model_bytes_of_layout(&forest, 2, layout);
    espalier_forest_free(&forest);
    return model;
}

model_bytes model_bytes_copy(const model_bytes *model)
{
    const model_bytes copy = {aligned_zeroed(model->bytes), model->bytes};
    memcpy(copy.data, model->data, model->bytes);
    return copy;
}

void model_bytes_free(model_bytes *model)
{
    free(model->data);
    model->data = NULL;
}

espalier_file_section *model_bytes_section(const model_bytes *model, uint32_t type)
{
    const espalier_file_header *const header = (const void *)model->data;
    espalier_file_section *const table = (void *)(model->data + sizeof *header);
    for (uint32_t i = 0; i < header->section_count; i++) {
        if (table[i].type == type) {
            return &table[i];
        }
    }
    return NULL;
}

void *model_bytes_data(const model_bytes *model, uint32_t type)
{
    const espalier_file_section *const section = model_bytes_section(model, type);
    assert_non_null(section);
    return model->data + section->offset;
}

void model_bytes_seal(model_bytes *model)
{
    espalier_file_header *const header = (void *)model->data;
    if (model->bytes < sizeof *header) {
        return;
    }
    const uint64_t entries_max = (model->bytes - sizeof *header) / sizeof(espalier_file_section);
    if (header->section_count > entries_max) {
        return;
    }
    espalier_file_section *const table = (void *)(model->data + sizeof *header);
    for (uint32_t i = 0; i < header->section_count; i++) {
        if (table[i].offset > model->bytes || table[i].bytes > model->bytes - table[i].offset) {
            continue;
        }
        const espalier_checksum128 checksum =
            espalier_checksum128_of(model->data + table[i].offset, (size_t)table[i].bytes);
        table[i].checksum_low = checksum.low;
        table[i].checksum_high = checksum.high;
    }
    header->checksum = 0;
    header->checksum =
        espalier_checksum64(model->data,
                            sizeof *header + header->section_count * sizeof(espalier_file_section));
}

/* Whether 64 bytes must follow a section. */
static bool has_tail(uint32_t type)
{
    return type >= ESPALIER_SECTION_NODES && type <= ESPALIER_SECTION_CUTS;
}

/* With section `type` longer by `more`, and without those of types from sections_end on. */
static void rebuild(model_bytes *model, uint32_t type, int64_t more, uint32_t sections_end)
{
    const espalier_file_header *const old = (const void *)model->data;
    const espalier_file_section *const table = (const void *)(model->data + sizeof *old);
    uint32_t count = 0;
    while (count < old->section_count && table[count].type < sections_end) {
        count++;
    }
    const size_t room = model->bytes + (more > 0 ? (size_t)more : 0) +
                        count * ((size_t)ESPALIER_ALIGNMENT_HOT + ESPALIER_HOT_TAIL_BYTES);
    model_bytes larger = {aligned_zeroed(room), 0};
    espalier_file_header *const header = (void *)larger.data;
    espalier_file_section *const entries = (void *)(larger.data + sizeof *header);
    *header = *old;
    header->section_count = count;
    uint64_t end = sizeof *header + count * sizeof *entries;
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = table[i];
        end = (end + table[i].alignment - 1) / table[i].alignment * table[i].alignment;
        entries[i].offset = end;
        entries[i].bytes += table[i].type == type ? (uint64_t)more : 0;
        const uint64_t kept = entries[i].bytes < table[i].bytes ? entries[i].bytes : table[i].bytes;
        memcpy(larger.data + end, model->data + table[i].offset, (size_t)kept);
        end += entries[i].bytes;
        header->private_end = table[i].type < ESPALIER_SECTION_NODES ? end : header->private_end;
        end += has_tail(table[i].type) ? ESPALIER_HOT_TAIL_BYTES : 0;
    }
    header->file_bytes = end;
    larger.bytes = (size_t)end;
    assert_true(larger.bytes <= room);
    model_bytes_free(model);
    *model = larger;
}

void model_bytes_resize(model_bytes *model, uint32_t type, int64_t more)
{
    rebuild(model, type, more, UINT32_MAX);
}

void model_bytes_cut(model_bytes *model, uint32_t first_type)
{
    rebuild(model, 0, 0, first_type);
}

void model_bytes_widen_children(model_bytes *model, uint32_t child_bits)
{
    espalier_file_part *const part = model_bytes_data(model, ESPALIER_SECTION_PARTS);
    espalier_file_node *const nodes = model_bytes_data(model, ESPALIER_SECTION_NODES);
    const uint64_t bytes = model_bytes_section(model, ESPALIER_SECTION_NODES)->bytes;
    assert_int_equal(part->child_bits, 16);
    assert_int_equal(part->node_bytes, 8);
    part->child_bits = child_bits;
    for (uint64_t i = 0; i < bytes / sizeof *nodes; i++) {
        nodes[i].word = (nodes[i].word & 0xFFFFu) | (nodes[i].word >> 16) << child_bits;
    }
}

void model_bytes_write(const model_bytes *model, const char *path)
{
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(model->data, 1, model->bytes, file), model->bytes);
    assert_int_equal(fclose(file), 0);
}

model_bytes model_bytes_convert(const char *source)
{
    char path[] = "/tmp/espalier-test-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
    espalier_error error;
    if (espalier_convert(source, path, NULL, NULL, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long bytes = ftell(file);
    assert_true(bytes > 0);
    rewind(file);
    model_bytes model = {aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64), (size_t)bytes};
    assert_non_null(model.data);
    assert_int_equal(fread(model.data, 1, model.bytes, file), model.bytes);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(path), 0);
    return model;
}

void model_bytes_expect_refused(model_bytes *model, espalier_status status, uint32_t rule,
                                const char *text)
{
    espalier_model *opened = NULL;
    espalier_error error;
    memset(&error, 0, sizeof error);
    model_bytes_seal(model);
    const espalier_status answer =
        espalier_model_open_memory(model->data, model->bytes, NULL, &opened, &error);
    if (answer != status || error.format_rule != rule || strstr(error.message, text) == NULL) {
        fail_msg("%s, F-%u instead of F-%u: %s", espalier_status_name(answer),
                 (unsigned)error.format_rule, (unsigned)rule, error.message);
    }
    model_bytes_free(model);
}

void model_bytes_expect_opens(model_bytes *model, uint64_t flags)
{
    espalier_model *opened = NULL;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = flags;
    model_bytes_seal(model);
    if (espalier_model_open_memory(model->data, model->bytes, &options, &opened, &error) !=
        ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    espalier_model_close(opened);
    model_bytes_free(model);
}
