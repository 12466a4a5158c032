// SPDX-License-Identifier: Apache-2.0
/*
 * The header of a LightGBM text model and what it means for the forest. See lightgbm.h.
 */
#include "convert/sources/lightgbm_internal.h"

#include "convert/sources/utf8.h"
#include "format/error.h"
#include "format/layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "tree"

/* Of what a file says, in messages. */
#define SHOWN_BYTES_MAX 40

#define HEADER_KEY(member)                                  \
    {                                                       \
#member, offsetof(espalier_lightgbm_header, member) \
    }

static const espalier_lightgbm_key header_keys[] = {
    HEADER_KEY(version),         HEADER_KEY(num_class),
    HEADER_KEY(label_index),     HEADER_KEY(num_tree_per_iteration),
    HEADER_KEY(max_feature_idx), HEADER_KEY(objective),
    HEADER_KEY(average_output),  HEADER_KEY(feature_names),
    HEADER_KEY(feature_infos),   HEADER_KEY(monotone_constraints),
    HEADER_KEY(tree_sizes),      {NULL, 0},
};

/* ---- helpers of all the importer's files ---------------------------------------------------- */

espalier_status espalier_lightgbm_fail(const espalier_lightgbm_import *import,
                                       const espalier_text_slice *at, espalier_status status,
                                       const char *format, ...)
{
    char raw[320];
    char cause[sizeof raw * 2]; /* the file's own bytes may be anything */
    char line[32] = "";
    char tree[32] = "";
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    espalier_pickle_escape(raw, strlen(raw), cause, sizeof cause);
    if (at != NULL) {
        (void)snprintf(line, sizeof line, "line %" PRIu64, at->line);
    }
    if (import->tree != ESPALIER_LIGHTGBM_NO_TREE) {
        (void)snprintf(tree, sizeof tree, "tree %" PRIu32, import->tree);
    }
    const bool both = *line != '\0' && *tree != '\0';
    (void)espalier_error_set(import->error, status, 0,
                             at != NULL ? at->offset : ESPALIER_OFFSET_NONE, "%s: %s%s%s%s%s",
                             import->input->path, line, both ? ", " : "", tree,
                             *line != '\0' || *tree != '\0' ? ": " : "", cause);
    return status;
}

espalier_status espalier_lightgbm_allocate(espalier_lightgbm_import *import, uint64_t count,
                                           uint64_t bytes, void **out)
{
    *out = NULL;
    if (bytes != 0 && count > import->memory_left / bytes) {
        (void)espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "the forest does not fit into %" PRIu64
                                     " bytes of working memory",
                                     import->input->memory_bytes_max);
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    import->memory_left -= count * bytes;
    *out = calloc(count > 0 ? (size_t)count : 1, (size_t)bytes);
    if (*out == NULL) {
        (void)espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_MEMORY,
                                     "no memory for %" PRIu64 " x %" PRIu64 " bytes", count, bytes);
        return ESPALIER_ERROR_MEMORY;
    }
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_charge(espalier_lightgbm_import *import, uint64_t bytes)
{
    if (bytes > import->memory_left) {
        return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_LIMIT,
                                      "the categories do not fit into %" PRIu64
                                      " bytes of working memory",
                                      import->input->memory_bytes_max);
    }
    import->memory_left -= bytes;
    return ESPALIER_OK;
}

int espalier_lightgbm_shown(const espalier_text_slice *slice)
{
    return slice->bytes < SHOWN_BYTES_MAX ? (int)slice->bytes : SHOWN_BYTES_MAX;
}

espalier_status espalier_lightgbm_take_line(const espalier_lightgbm_import *import,
                                            const espalier_text_slice *line,
                                            const espalier_lightgbm_key *keys, void *record)
{
    espalier_text_slice key;
    espalier_text_slice value;
    if (!espalier_text_assignment(line, &key, &value)) {
        /* A bare word is a flag. */
        key = *line;
        value = (espalier_text_slice){line->text + line->bytes, 0, line->offset + line->bytes,
                                      line->line};
    }
    while (keys->name != NULL && !espalier_text_is(&key, keys->name)) {
        keys++;
    }
    if (keys->name == NULL) {
        return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "the key '%.*s' is not known", espalier_lightgbm_shown(&key),
                                      key.text);
    }
    if (keys->place == ESPALIER_LIGHTGBM_UNREAD) {
        return ESPALIER_OK;
    }
    espalier_text_slice *const place = (espalier_text_slice *)((char *)record + keys->place);
    if (place->text != NULL) {
        return espalier_lightgbm_fail(import, line, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "%s is there twice, first in line %" PRIu64, keys->name,
                                      place->line);
    }
    *place = value;
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_integer(const espalier_lightgbm_import *import,
                                          const espalier_text_slice *value, const char *key,
                                          int64_t min, int64_t max, int64_t *integer_out)
{
    if (value->text == NULL) {
        return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_SYNTAX, "there is no %s",
                                      key);
    }
    int64_t integer;
    if (!espalier_decimal_to_int64(value->text, value->bytes, &integer) || integer < min ||
        integer > max) {
        return espalier_lightgbm_fail(import, value, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      "%s is '%.*s', no integer from %" PRId64 " to %" PRId64, key,
                                      espalier_lightgbm_shown(value), value->text, min, max);
    }
    *integer_out = integer;
    return ESPALIER_OK;
}

espalier_status espalier_lightgbm_words(const espalier_lightgbm_import *import,
                                        const espalier_text_slice *value, const char *key,
                                        uint64_t count)
{
    if (value->text == NULL) {
        return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_SYNTAX, "there is no %s",
                                      key);
    }
    const uint64_t found = espalier_text_word_count(value);
    if (found != count) {
        return espalier_lightgbm_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                      "%s has %" PRIu64 " values, not %" PRIu64, key, found, count);
    }
    return ESPALIER_OK;
}

/* ---- the header ------------------------------------------------------------------------------ */

/* Lines up to the first tree, or to where trees would end. */
static espalier_status read_header(espalier_lightgbm_import *import)
{
    espalier_text_slice line = {0};
    (void)espalier_text_line(&import->lines, &line); /* "tree" */
    for (;;) {
        const espalier_text_lines before = import->lines;
        if (!espalier_text_line(&import->lines, &line) || !import->lines.complete) {
            return espalier_lightgbm_fail(import, &line, ESPALIER_ERROR_SOURCE_TRUNCATED,
                                          "the file ends inside its header");
        }
        if (espalier_text_begins(&line, "Tree=") || espalier_lightgbm_ends_trees(&line)) {
            import->lines = before;
            import->trees = before;
            return ESPALIER_OK;
        }
        if (line.bytes == 0) {
            continue;
        }
        const espalier_status status =
            espalier_lightgbm_take_line(import, &line, header_keys, &import->header);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
}

/* The versions whose trees are read. */
static espalier_status read_version(const espalier_lightgbm_import *import,
                                    espalier_source_summary *summary)
{
    static const char *const versions[] = {"v2", "v3", "v4"};
    const espalier_text_slice *const version = &import->header.version;
    if (version->text == NULL) {
        return espalier_lightgbm_fail(import, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "the header has no version; LightGBM text models from "
                                      "version=v2 on are converted");
    }
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (espalier_text_is(version, versions[i])) {
            (void)snprintf(summary->format, sizeof summary->format, "LightGBM text %s",
                           versions[i]);
            return ESPALIER_OK;
        }
    }
    return espalier_lightgbm_fail(import, version, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                  "version is '%.*s'; v2, v3 and v4 are converted",
                                  espalier_lightgbm_shown(version), version->text);
}

/* How many sums a row has, and how many features. */
static espalier_status read_shape(espalier_lightgbm_import *import)
{
    const espalier_lightgbm_header *const header = &import->header;
    espalier_forest *const forest = import->forest;
    int64_t class_count = 0;
    int64_t trees_per_iteration = 0;
    int64_t last_feature = 0;
    espalier_status status = espalier_lightgbm_integer(import, &header->num_class, "num_class", 1,
                                                       ESPALIER_LIMIT_SLOTS, &class_count);
    trees_per_iteration = class_count;
    if (status == ESPALIER_OK && header->num_tree_per_iteration.text != NULL) {
        status = espalier_lightgbm_integer(import, &header->num_tree_per_iteration,
                                           "num_tree_per_iteration", 1, ESPALIER_LIMIT_SLOTS,
                                           &trees_per_iteration);
    }
    if (status == ESPALIER_OK && trees_per_iteration != class_count) {
        return espalier_lightgbm_fail(import, &header->num_tree_per_iteration,
                                      ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                      "num_tree_per_iteration is %" PRId64
                                      ", but num_class is %" PRId64,
                                      trees_per_iteration, class_count);
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_integer(import, &header->max_feature_idx, "max_feature_idx", 0,
                                           ESPALIER_LIMIT_FEATURES - 1, &last_feature);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->slot_count = (uint32_t)trees_per_iteration;
    forest->feature_count = (uint32_t)last_feature + 1;
    status = espalier_lightgbm_words(import, &header->feature_infos, "feature_infos",
                                     forest->feature_count);
    return status == ESPALIER_OK ? espalier_lightgbm_read_names(import) : status;
}

static espalier_status describe_forest(espalier_lightgbm_import *import)
{
    static const char framework[] = "LightGBM";
    static const char class_name[] = "lightgbm.Booster";
    espalier_forest *const forest = import->forest;
    const espalier_text_slice names[] = {{framework, sizeof framework - 1, 0, 0},
                                         {class_name, sizeof class_name - 1, 0, 0}};
    void *group_width = NULL;
    forest->leaf_width = 1;
    forest->accumulator = ESPALIER_FOREST_SUM_FLOAT64;
    forest->cover_unit = ESPALIER_FOREST_COVER_ROWS;
    forest->input = ESPALIER_FOREST_INPUT_FLOAT64;
    forest->flush_tiny = true;
    forest->missing_allowed = true;
    forest->infinite_allowed = true;
    forest->divide = ESPALIER_FOREST_DIVIDE_NONE; /* an average is behind the margins */
    espalier_status status =
        espalier_lightgbm_allocate(import, 1, sizeof *forest->group_width, &group_width);
    if (status == ESPALIER_OK) {
        forest->group_width = group_width;
        forest->group_count = 1;
        forest->group_width[0] = forest->slot_count;
        status = espalier_lightgbm_add_outputs(import);
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_copy_text(import, &names[0], &forest->framework);
    }
    return status == ESPALIER_OK
               ? espalier_lightgbm_copy_text(import, &names[1], &forest->class_name)
               : status;
}

/* ---- the kind -------------------------------------------------------------------------------- */

static bool recognise_lightgbm(const uint8_t *data, size_t bytes)
{
    espalier_text_lines lines = {.data = (const char *)data, .bytes = bytes};
    espalier_text_slice line;
    return bytes >= sizeof FIRST_LINE && memcmp(data, FIRST_LINE, sizeof FIRST_LINE - 1) == 0 &&
           espalier_text_line(&lines, &line) && lines.complete &&
           espalier_text_is(&line, FIRST_LINE);
}

static espalier_status load_lightgbm(const espalier_source_input *input, espalier_forest *forest,
                                     espalier_source_summary *summary, espalier_error *error_out)
{
    espalier_lightgbm_import import = {.input = input,
                                       .error = error_out,
                                       .forest = forest,
                                       .lines = {.data = (const char *)input->data,
                                                 .bytes = input->bytes},
                                       .memory_left = input->memory_bytes_max,
                                       .tree = ESPALIER_LIGHTGBM_NO_TREE};
    if (!espalier_decimal_open(&import.decimal)) {
        return espalier_lightgbm_fail(&import, NULL, ESPALIER_ERROR_MEMORY, "no C locale");
    }
    (void)snprintf(summary->format, sizeof summary->format, "LightGBM text");
    (void)snprintf(summary->class_name, sizeof summary->class_name, "lightgbm.Booster");
    summary->consumed_bytes = input->bytes;
    espalier_status status = read_header(&import);
    if (status == ESPALIER_OK) {
        status = read_version(&import, summary);
    }
    if (status == ESPALIER_OK) {
        status = read_shape(&import);
    }
    if (status == ESPALIER_OK) {
        status = describe_forest(&import);
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_read_trees(&import);
    }
    if (status == ESPALIER_OK) {
        status = espalier_lightgbm_read_parameters(&import);
    }
    espalier_decimal_close(&import.decimal);
    return status;
}

const espalier_source_kind espalier_lightgbm_kind = {"LightGBM", recognise_lightgbm, load_lightgbm};
