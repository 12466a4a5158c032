// SPDX-License-Identifier: Apache-2.0
/*
 * What is in an Espalier file. Includes info.h, labels.h, espalier.h and libc. Names, labels and
 * metadata come from the file and are printed escaped; the text form shows the first few of each.
 */
#include "espalier_inspect.h"
#include "info.h"
#include "labels.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_MAX = 12
};

static const uint32_t kinds[] = {
    ESPALIER_OUTPUT_CLASS,  ESPALIER_OUTPUT_PROBABILITY, ESPALIER_OUTPUT_VALUE,
    ESPALIER_OUTPUT_MARGIN, ESPALIER_OUTPUT_LEAF,        ESPALIER_OUTPUT_SCORE,
};

static const char *mapping_text(uint32_t mapping)
{
    switch (mapping) {
    case ESPALIER_MAPPING_FILE:
        return "the file";
    case ESPALIER_MAPPING_RESERVED:
        return "the file in a larger reserved range";
    case ESPALIER_MAPPING_COPY:
        return "a private copy";
    case ESPALIER_MAPPING_CLAMPED:
        return "the file, children clamped for want of address space";
    default:
        return "memory of the caller";
    }
}

static const char *mapping_name(uint32_t mapping)
{
    static const char *const names[] = {"unknown", "file", "reserved", "copy", "caller", "clamped"};
    return names[mapping < sizeof names / sizeof names[0] ? mapping : 0];
}

static const char *label_kind_name(uint32_t kind)
{
    static const char *const names[] = {"unknown", "int", "uint", "float", "bool", "str"};
    return names[kind < sizeof names / sizeof names[0] ? kind : 0];
}

json_t *espalier_info_metadata(const espalier_model *model)
{
    const char *text = NULL;
    size_t bytes = 0;
    if (espalier_model_metadata(model, &text, &bytes) != ESPALIER_OK) {
        return NULL;
    }
    json_t *metadata = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(metadata)) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Prints JSON text line by line, so that everything but line ends is escaped. */
static void print_metadata(const json_t *metadata)
{
    if (metadata == NULL) {
        espalier_info_label("metadata");
        puts("not a JSON object (espalier verify says more)");
        return;
    }
    puts("\n  metadata");
    char *text = json_dumps(metadata, JSON_INDENT(2));
    for (const char *line = text; line != NULL && *line != '\0';) {
        const size_t length = strcspn(line, "\n");
        fputs("  ", stdout);
        espalier_print_escaped(stdout, line, length);
        putchar('\n');
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    free(text);
}

static void print_trainer(const json_t *metadata)
{
    const json_t *trainer = json_object_get(metadata, "trainer");
    const char *framework = json_string_value(json_object_get(trainer, "framework"));
    const char *version = json_string_value(json_object_get(trainer, "version"));
    const char *class_name = json_string_value(json_object_get(trainer, "class"));
    const char *model_version = json_string_value(json_object_get(metadata, "model_version"));
    if (class_name != NULL) {
        espalier_info_label("trainer");
        espalier_print_text(stdout, class_name);
        if (framework != NULL) {
            fputs(", ", stdout);
            espalier_print_text(stdout, framework);
        }
        if (version != NULL) {
            putchar(' ');
            espalier_print_text(stdout, version);
        }
        putchar('\n');
    }
    if (model_version != NULL) {
        espalier_info_label("version");
        espalier_print_text(stdout, model_version);
        putchar('\n');
    }
}

static void print_features(const espalier_model *model, const espalier_model_info *info)
{
    char text[32];
    espalier_info_label("features");
    fputs(espalier_format_count(info->feature_count, text), stdout);
    const bool has_names = espalier_model_feature_name(model, 0) != NULL;
    for (uint32_t i = 0; has_names && i < info->feature_count && i < SHOWN_MAX; i++) {
        const char *name = espalier_model_feature_name(model, i);
        fputs(i == 0 ? ": " : ", ", stdout);
        espalier_print_text(stdout, name != NULL ? name : "");
    }
    if (has_names && info->feature_count > SHOWN_MAX) {
        fputs(", ...", stdout);
    }
    printf("\n");
    espalier_info_label("missing");
    puts(info->missing_allowed ? "allowed" : "refused, as the trainer does");
}

static void print_classes(const espalier_model *model, const espalier_model_info *info)
{
    espalier_labels labels;
    espalier_message message;
    char text[32];
    if (!espalier_labels_load(model, info->output_count, &labels, &message)) {
        return;
    }
    for (uint32_t output = 0; output < labels.output_count && output < SHOWN_MAX; output++) {
        const espalier_label_set *set = &labels.sets[output];
        espalier_info_label(output == 0 ? "classes" : "");
        printf("%s", espalier_format_count(set->count, text));
        for (uint32_t i = 0; i < set->count && i < SHOWN_MAX; i++) {
            fputs(i == 0 ? ": " : ", ", stdout);
            espalier_print_escaped(stdout, set->texts[i], set->text_bytes[i]);
        }
        puts(set->count > SHOWN_MAX ? ", ..." : "");
    }
    if (labels.output_count > SHOWN_MAX) {
        espalier_info_label("");
        puts("...");
    }
    espalier_labels_free(&labels);
}

static void print_outputs(const espalier_model *model, const espalier_model_info *info)
{
    bool is_first = true;
    espalier_info_label("outputs");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kinds[i], &output) != ESPALIER_OK) {
            continue;
        }
        printf("%s%s", is_first ? "" : ", ", espalier_kind_name(kinds[i]));
        printf(" (%zu%s)", output.width,
               kinds[i] == info->default_output ? ", what predict gives" : "");
        is_first = false;
    }
    putchar('\n');
}

static const char *layout_name(uint32_t layout)
{
    static const char *const names[] = {"unknown", "walk", "heap", "select", "bits"};
    return names[layout < sizeof names / sizeof names[0] ? layout : 0];
}

/* How the trees lie, and why the converter chose that. */
static void print_layout(const espalier_model *model, const espalier_model_info *info,
                         const json_t *metadata)
{
    const json_t *layout = json_object_get(metadata, "layout");
    const char *why = json_string_value(json_object_get(layout, "why"));
    char text[32];
    for (uint32_t p = 0; p < info->part_count && p < SHOWN_MAX; p++) {
        espalier_part_info part = ESPALIER_PART_INFO_INIT;
        if (espalier_model_part(model, p, &part) != ESPALIER_OK) {
            continue;
        }
        espalier_info_label(p == 0 ? "layout" : "");
        printf("%s, %" PRIu32 "-byte nodes, ", layout_name(part.layout), part.node_bytes);
        printf("%s, %s sums, ",
               part.code_bytes == 1   ? "1-byte codes"
               : part.code_bytes == 2 ? "2-byte codes"
                                      : "float32 columns",
               espalier_dtype_name(part.sum_dtype));
        printf("%s of nodes\n", espalier_format_bytes(part.node_section_bytes, text));
    }
    if (why != NULL) {
        espalier_info_label("");
        espalier_print_text(stdout, why);
        putchar('\n');
    }
}

static void print_trees(const espalier_model_info *info)
{
    char text[32];
    espalier_info_label("trees");
    printf("%s", espalier_format_count(info->tree_count, text));
    printf(", %s nodes", espalier_format_count(info->node_count, text));
    printf(", depth up to %s", espalier_format_count(info->depth_max, text));
    printf(", up to %s visits a row\n", espalier_format_count(info->visits_per_row, text));
    espalier_info_label("leaf values");
    printf("%s distinct\n", espalier_format_count(info->leaf_count, text));
    espalier_info_label("mapping");
    printf("%s, %s bytes\n", mapping_text(info->mapping),
           espalier_format_count(info->mapped_bytes, text));
}

static void print_proof(const espalier_model *model)
{
    espalier_proof proof;
    char text[32];
    if (espalier_model_proof(model, &proof) != ESPALIER_OK) {
        return;
    }
    espalier_info_label("proof");
    if (proof.rows_compared == 0) {
        puts("none");
        return;
    }
    printf("%s rows", espalier_format_count(proof.rows_compared, text));
    printf(", %s values", espalier_format_count(proof.values_compared, text));
    printf(" and %s leaves as a plain evaluation of the source: all bits equal\n",
           espalier_format_count(proof.leaves_compared, text));
    if (proof.check_rows == 0) {
        return;
    }
    espalier_info_label("check");
    printf("%s of %s rows against the trainer: ", espalier_kind_name(proof.check_kind),
           espalier_format_count(proof.check_rows, text));
    if (proof.check_differing == 0) {
        puts("all bits equal");
        return;
    }
    printf("%s values differ, by %" PRIu64 " ulp at most%s\n",
           espalier_format_count(proof.check_differing, text), proof.check_ulp_max,
           proof.check_cause == ESPALIER_CHECK_THREADS
               ? ", as when the trainer predicts with several threads"
               : "");
}

static void print_text(const char *path, const espalier_model *model,
                       const espalier_model_info *info)
{
    char text[65];
    json_t *metadata = espalier_info_metadata(model);
    espalier_print_text(stdout, path);
    putchar('\n');
    espalier_info_label("format");
    printf("Espalier %" PRIu32 ".%" PRIu32 "\n", info->format_major, info->format_minor);
    espalier_info_label("digest");
    puts(espalier_format_digest(info->root_digest, text));
    espalier_info_label("size");
    printf("%s bytes\n", espalier_format_count(info->file_bytes, text));
    print_trainer(metadata);
    espalier_info_print_provenance(metadata);
    print_features(model, info);
    espalier_info_print_prepared(model, info);
    print_classes(model, info);
    print_outputs(model, info);
    print_trees(info);
    print_layout(model, info, metadata);
    print_proof(model);
    print_metadata(metadata);
    json_decref(metadata);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *make_features(const espalier_model *model, const espalier_model_info *info)
{
    if (espalier_model_feature_name(model, 0) == NULL) {
        return json_null();
    }
    json_t *names = json_array();
    for (uint32_t i = 0; i < info->feature_count; i++) {
        json_array_append_new(names, espalier_json_string(espalier_model_feature_name(model, i)));
    }
    return names;
}

json_t *espalier_info_label_json(const espalier_label *label)
{
    switch (label->kind) {
    case ESPALIER_LABEL_INT:
        return json_integer(label->integer);
    case ESPALIER_LABEL_UINT:
        return espalier_json_count((uint64_t)label->integer);
    case ESPALIER_LABEL_FLOAT: {
        /* JSON has no infinities and no NaN. */
        json_t *number = json_real(label->real);
        char text[32];
        return number != NULL ? number
                              : json_string(espalier_format_real(label->real, false, text));
    }
    case ESPALIER_LABEL_BOOL:
        return json_boolean(label->integer != 0);
    default:
        return espalier_json_text(label->text, label->text_bytes);
    }
}

/* One entry per output; null for a regressor. */
static json_t *make_classes(const espalier_model *model, const espalier_model_info *info)
{
    json_t *classes = json_array();
    for (uint32_t output = 0; output < info->output_count; output++) {
        espalier_label_info label_info;
        if (espalier_model_labels(model, output, &label_info) != ESPALIER_OK) {
            json_decref(classes);
            return json_null();
        }
        json_t *labels = json_array();
        for (uint32_t i = 0; i < label_info.count; i++) {
            espalier_label label;
            if (espalier_model_class_label(model, output, i, &label) == ESPALIER_OK) {
                json_array_append_new(labels, espalier_info_label_json(&label));
            }
        }
        json_t *object = json_object();
        json_object_set_new(object, "kind", json_string(label_kind_name(label_info.kind)));
        json_object_set_new(object, "item_bytes", json_integer(label_info.item_bytes));
        json_object_set_new(object, "labels", labels);
        json_array_append_new(classes, object);
    }
    return classes;
}

json_t *espalier_info_parts(const espalier_model *model, uint32_t count_max)
{
    json_t *parts = json_array();
    for (uint32_t p = 0; p < count_max; p++) {
        espalier_part_info part = ESPALIER_PART_INFO_INIT;
        if (espalier_model_part(model, p, &part) != ESPALIER_OK) {
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "layout", json_string(layout_name(part.layout)));
        json_object_set_new(object, "node_bytes", json_integer(part.node_bytes));
        json_object_set_new(object, "code_bytes", json_integer(part.code_bytes));
        json_object_set_new(object, "sum_dtype", json_string(espalier_dtype_name(part.sum_dtype)));
        json_object_set_new(object, "leaf_width", json_integer(part.leaf_width));
        json_object_set_new(object, "tree_count", json_integer(part.tree_count));
        json_object_set_new(object, "depth_max", json_integer(part.depth_max));
        json_object_set_new(object, "leaf_count", espalier_json_count(part.leaf_count));
        json_object_set_new(object, "nodes_bytes", espalier_json_count(part.node_section_bytes));
        json_array_append_new(parts, object);
    }
    return parts;
}

static json_t *make_outputs(const espalier_model *model)
{
    json_t *outputs = json_object();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        espalier_output_info output;
        if (espalier_model_output(model, (espalier_output_kind)kinds[i], &output) != ESPALIER_OK) {
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "dtype", json_string(espalier_dtype_name(output.dtype)));
        json_object_set_new(object, "width", espalier_json_count(output.width));
        json_object_set_new(outputs, espalier_kind_name(kinds[i]), object);
    }
    return outputs;
}

static void add_numbers(json_t *object, const espalier_model_info *info)
{
    json_object_set_new(object, "bytes", espalier_json_count(info->file_bytes));
    json_object_set_new(object, "mapped_bytes", espalier_json_count(info->mapped_bytes));
    json_object_set_new(object, "mapping", json_string(mapping_name(info->mapping)));
    json_object_set_new(object, "feature_count", json_integer(info->feature_count));
    json_object_set_new(object, "column_count", json_integer(info->column_count));
    json_object_set_new(object, "output_count", json_integer(info->output_count));
    json_object_set_new(object, "tree_count", json_integer(info->tree_count));
    json_object_set_new(object, "part_count", json_integer(info->part_count));
    json_object_set_new(object, "iteration_count", json_integer(info->iteration_count));
    json_object_set_new(object, "node_count", espalier_json_count(info->node_count));
    json_object_set_new(object, "leaf_count", espalier_json_count(info->leaf_count));
    json_object_set_new(object, "depth_max", json_integer(info->depth_max));
    json_object_set_new(object, "visits_per_row", espalier_json_count(info->visits_per_row));
    json_object_set_new(object, "input_dtype", json_string(espalier_dtype_name(info->input_dtype)));
    json_object_set_new(object, "infinite_allowed", json_boolean(info->infinite_allowed));
    json_object_set_new(object, "missing_allowed", json_boolean(info->missing_allowed));
    json_object_set_new(object, "predict_output",
                        json_string(espalier_kind_name(info->default_output)));
}

json_t *espalier_info_document(const char *path, const espalier_model *model,
                               const espalier_model_info *info)
{
    char text[65];
    espalier_proof proof;
    json_t *object = json_object();
    snprintf(text, sizeof text, "%" PRIu32 ".%" PRIu32, info->format_major, info->format_minor);
    json_object_set_new(object, "file", espalier_json_string(path));
    json_object_set_new(object, "kind", json_string("model"));
    json_object_set_new(object, "format", json_string(text));
    json_object_set_new(object, "digest",
                        json_string(espalier_format_digest(info->root_digest, text)));
    add_numbers(object, info);
    json_object_set_new(object, "outputs", make_outputs(model));
    if (espalier_model_proof(model, &proof) == ESPALIER_OK) {
        json_object_set_new(object, "proof", espalier_json_proof(&proof));
    }
    return object;
}

static int print_json(const char *path, const espalier_model *model,
                      const espalier_model_info *info)
{
    json_t *object = espalier_info_document(path, model, info);
    json_t *metadata = espalier_info_metadata(model);
    json_object_set_new(object, "feature_names", make_features(model, info));
    json_object_set_new(object, "prepared", espalier_info_prepared(model, info));
    json_object_set_new(object, "classes", make_classes(model, info));
    json_object_set_new(object, "parts", espalier_info_parts(model, info->part_count));
    json_object_set_new(object, "cover", espalier_info_cover(model));
    json_object_set_new(object, "provenance", espalier_info_provenance(metadata));
    json_object_set_new(object, "metadata", metadata != NULL ? metadata : json_null());
    return espalier_json_print(object);
}

int espalier_info_model(const char *path, bool is_json)
{
    espalier_model *model = NULL;
    espalier_model_info info;
    int code = espalier_open_model(path, 0, &model, &info);
    if (code != 0) {
        return code;
    }
    if (is_json) {
        code = print_json(path, model, &info);
    } else {
        print_text(path, model, &info);
        if (!espalier_flush_output()) {
            code = ESPALIER_EXIT_INPUT;
        }
    }
    espalier_model_close(model);
    return code;
}
