// SPDX-License-Identifier: Apache-2.0
/*
 * Opening and closing models, and what they say about themselves.
 */
#include "engine/model.h"

#include "engine/category_lists.h"
#include "format/error.h"
#include "format/options.h"
#include "format/rules.h"
#include "format/store_link.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every operation rounds once, to its own type. x87 does not: 3 of 60 models gave other bits. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1 && FLT_EVAL_METHOD != 16
#error "floats must not be computed wider; on 32-bit x86 use -msse2 -mfpmath=sse"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math breaks missing values and the order of sums"
#endif

#define OPEN_FLAGS_KNOWN                                                             \
    ((uint64_t)(ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY | ESPALIER_OPEN_PREFAULT | \
                ESPALIER_OPEN_LOCK | ESPALIER_OPEN_HUGE_PAGES))

/* The caller's options in today's form; false when they ask for what this library does not know. */
static bool read_options(const espalier_open_options *options, espalier_open_options *known_out)
{
    const espalier_open_options defaults = ESPALIER_OPEN_OPTIONS_INIT;
    *known_out = defaults;
    known_out->visits_per_row_max = ESPALIER_LIMIT_VISITS_DEFAULT;
    if (options == NULL) {
        return true;
    }
    if (!espalier_options_known(options, sizeof *options) ||
        (options->flags & ~OPEN_FLAGS_KNOWN) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i] != 0) {
            return false;
        }
    }
    known_out->flags = options->flags;
    if (options->visits_per_row_max != 0) {
        known_out->visits_per_row_max = options->visits_per_row_max;
    }
    return true;
}

static const uint8_t *section_of(const espalier_model *model, uint32_t type)
{
    const espalier_file_section *const section = espalier_file_find(&model->file, type);
    return section != NULL ? model->map.base + section->offset : NULL;
}

static espalier_status map_model(espalier_model *model, const espalier_input *input, uint64_t flags,
                                 espalier_error *error_out)
{
    const espalier_map_request request = {
        .file_bytes = model->file.file_bytes,
        .readable_bytes = model->readable_bytes,
        .readable_bytes_least = model->readable_bytes_least,
        .copy = (flags & ESPALIER_OPEN_COPY) != 0,
        .huge_pages = (flags & ESPALIER_OPEN_HUGE_PAGES) != 0,
        .prefault = (flags & ESPALIER_OPEN_PREFAULT) != 0,
        .lock = (flags & ESPALIER_OPEN_LOCK) != 0,
    };
    const espalier_status status = espalier_map_open(input, &request, &model->map, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    model->nodes = section_of(model, ESPALIER_SECTION_NODES);
    model->leaves = section_of(model, ESPALIER_SECTION_LEAVES);
    model->cuts = section_of(model, ESPALIER_SECTION_CUTS);
    model->numbers = section_of(model, ESPALIER_SECTION_NODE_NUMBERS);
    model->sets = section_of(model, ESPALIER_SECTION_SETS);
    model->linear = section_of(model, ESPALIER_SECTION_LINEAR);
    model->clamps = model->map.bytes < model->readable_bytes;
    return ESPALIER_OK;
}

static espalier_status open_input(const espalier_input *input, const espalier_open_options *options,
                                  espalier_model *model, espalier_error *error_out)
{
    espalier_status status = espalier_file_read(input, &model->file, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_table_check check = {input->name, error_out, options->visits_per_row_max};
    status = espalier_model_check_tables(model, &check);
    if (status == ESPALIER_OK) {
        status = espalier_model_find_dropped(model, &check);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    status = map_model(model, input, options->flags, error_out);
    if (status != ESPALIER_OK || (options->flags & ESPALIER_OPEN_VERIFY) == 0) {
        return status;
    }
    return espalier_model_verify_named(model, input->name, error_out);
}

/* Tables are read as this host's structs, so it must store numbers as the file does. */
static bool host_is_supported(void)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4 && sizeof(double) == 8;
}

static espalier_status open_model(const espalier_input *input, const espalier_open_options *options,
                                  espalier_model **model_out, espalier_error *error_out)
{
    espalier_open_options known;
    if (!read_options(options, &known)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "%s: unknown open options", input->name);
    }
    if (!host_is_supported()) {
        return espalier_error_set(error_out, ESPALIER_ERROR_HOST, RULE_HOST_BYTE_ORDER,
                                  ESPALIER_OFFSET_NONE, "%s: this host is not little-endian",
                                  input->name);
    }
    espalier_model *const model = calloc(1, sizeof *model);
    if (model == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", input->name);
    }
    model->cpu = espalier_cpu_detect();
    model->name = strdup(input->name);
    const espalier_status status =
        model->name != NULL
            ? open_input(input, &known, model, error_out)
            : espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                 "%s: out of memory", input->name);
    if (status != ESPALIER_OK) {
        espalier_model_close(model);
        return status;
    }
    *model_out = model;
    return ESPALIER_OK;
}

espalier_status espalier_model_open_named(int descriptor, const char *name,
                                          const espalier_open_options *options,
                                          espalier_model **model_out, espalier_error *error_out)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot stat",
                                     name);
    }
    if (!S_ISREG(facts.st_mode)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPEN, 0, ESPALIER_OFFSET_NONE,
                                  "%s: not a regular file", name);
    }
    const espalier_input input = {name, descriptor, NULL, (uint64_t)facts.st_size};
    return open_model(&input, options, model_out, error_out);
}

espalier_status espalier_model_open(const char *path, const espalier_open_options *options,
                                    espalier_model **model_out, espalier_error *error_out)
{
    if (path == NULL || model_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_open: NULL argument");
    }
    /* O_NONBLOCK: a path that is a FIFO must not hang; it changes nothing for a regular file. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open",
                                     path);
    }
    const espalier_status status =
        espalier_model_open_named(descriptor, path, options, model_out, error_out);
    (void)close(descriptor);
    return status;
}

espalier_status espalier_model_open_store(const char *folder, const espalier_open_options *options,
                                          espalier_model **model_out, uint64_t *version_out,
                                          espalier_error *error_out)
{
    if (folder == NULL || model_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_open_store: NULL argument");
    }
    char *path = NULL;
    int descriptor = -1;
    uint64_t version = 0;
    espalier_status status =
        espalier_store_open_current(folder, &path, &descriptor, &version, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = espalier_model_open_named(descriptor, path, options, model_out, error_out);
    (void)close(descriptor);
    free(path);
    if (status == ESPALIER_OK && version_out != NULL) {
        *version_out = version;
    }
    return status;
}

espalier_status espalier_model_open_fd(int descriptor, const espalier_open_options *options,
                                       espalier_model **model_out, espalier_error *error_out)
{
    if (descriptor < 0 || model_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_open_fd: bad argument");
    }
    return espalier_model_open_named(descriptor, "model", options, model_out, error_out);
}

espalier_status espalier_model_open_memory(const void *data, size_t data_bytes,
                                           const espalier_open_options *options,
                                           espalier_model **model_out, espalier_error *error_out)
{
    if (data == NULL || model_out == NULL || (uintptr_t)data % ESPALIER_ALIGNMENT_MIN != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_model_open_memory: NULL or unaligned memory");
    }
    const espalier_input input = {"model in memory", -1, data, data_bytes};
    return open_model(&input, options, model_out, error_out);
}

void espalier_model_close(espalier_model *model)
{
    if (model == NULL) {
        return;
    }
    espalier_map_close(&model->map);
    espalier_file_free(&model->file);
    free(model->dropped);
    free(model->name);
    free(model);
}

espalier_status espalier_model_info_get(const espalier_model *model, espalier_model_info *info)
{
    if (model == NULL || info == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const size_t info_bytes = info->struct_bytes;
    if (info_bytes < sizeof *info || info_bytes > ESPALIER_OPTIONS_BYTES_MAX) {
        return ESPALIER_ERROR_OPTIONS;
    }
    const espalier_file_header *const header = espalier_file_header_of(&model->file);
    espalier_model_info known = ESPALIER_MODEL_INFO_INIT;
    known.file_bytes = model->file.file_bytes;
    known.mapped_bytes = model->map.bytes;
    known.node_count = model->head->node_count;
    for (uint32_t i = 0; i < model->part_count; i++) {
        known.leaf_count += model->parts[i].leaf_count;
    }
    known.visits_per_row = model->head->visits_per_row;
    known.format_major = header->format_major;
    known.format_minor = header->format_minor;
    known.feature_count = model->head->feature_count;
    known.column_count = model->column_count;
    known.tree_count = model->tree_count;
    known.part_count = model->part_count;
    known.depth_max = model->depth_max;
    known.output_count = model->head->group_count;
    known.default_output = model->head->default_output;
    known.missing_allowed = (model->head->input_rule & ESPALIER_INPUT_MISSING_ALLOWED) != 0;
    known.mapping = model->clamps ? ESPALIER_MAPPING_CLAMPED : model->map.kind;
    known.iteration_count = model->iteration_count;
    known.infinite_allowed = (model->head->input_rule & ESPALIER_INPUT_INFINITE_ALLOWED) != 0;
    known.input_dtype = (model->head->input_rule & ESPALIER_INPUT_FLOAT32) != 0
                            ? ESPALIER_DTYPE_FLOAT32
                            : ESPALIER_DTYPE_FLOAT64;
    known.huge_bytes = model->map.huge_bytes;
    memcpy(known.root_digest, header->root_digest, sizeof known.root_digest);
    /* A newer caller's fields that this library does not know become zero. */
    memset(info, 0, info_bytes);
    known.struct_bytes = info_bytes;
    *info = known;
    return ESPALIER_OK;
}

espalier_status espalier_model_metadata(const espalier_model *model, const char **text_out,
                                        size_t *bytes_out)
{
    if (model == NULL || text_out == NULL || bytes_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_METADATA);
    *text_out = section != NULL ? (const char *)(model->map.base + section->offset) : "";
    *bytes_out = section != NULL ? (size_t)section->bytes : 0;
    return ESPALIER_OK;
}

espalier_status espalier_model_proof(const espalier_model *model, espalier_proof *proof_out)
{
    if (model == NULL || proof_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_PROOF);
    espalier_file_proof stored;
    memset(&stored, 0, sizeof stored);
    if (section != NULL && section->bytes == sizeof stored) {
        memcpy(&stored, model->map.base + section->offset, sizeof stored);
    }
    *proof_out =
        (espalier_proof){stored.rows_compared, stored.values_compared, stored.leaves_compared,
                         stored.check_rows,    stored.check_values,    stored.check_differing,
                         stored.check_ulp_max, stored.check_kind,      stored.check_cause};
    return ESPALIER_OK;
}
