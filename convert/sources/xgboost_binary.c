// SPDX-License-Identifier: Apache-2.0
/*
 * XGBoost's old binary format, in which all versions up to 1.5 saved models, and those up to 1.3
 * pickled them: structs of little-endian numbers one after the other, nothing of it aligned.
 * Versions before 1.0 do not say which they are. See xgboost_internal.h.
 *
 *   ["binf"] parameters of the learner, names of objective and booster, parameters of the booster,
 *   trees {parameters, nodes, statistics}, outputs of the trees, weights of dart, attributes
 *
 * A pickle has "CONFIG-offset:" and the model's length before it, and its configuration behind.
 */
#include "convert/sources/xgboost_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEAD     "binf"
#define SNAPSHOT_HEAD "CONFIG-offset:"

#define HEAD_BYTES(head) (sizeof(head) - 1)

/* Sizes of the structs, with what they keep free. */
#define LEARNER_BYTES    136u
#define BOOSTER_BYTES    160u
#define TREE_BYTES       148u
#define NODE_BYTES       20u
#define STATISTICS_BYTES 16u

/* Names are short; attributes may be long. */
#define NAME_BYTES_MAX     63u
#define ATTRIBUTES_MAX     4096u
#define KEPT_KEY_BYTES_MAX 64u
#define KEPT_BYTES_MAX     1024u

/* A place in the model; `end` bounds it. */
typedef struct binary_reader {
    espalier_xgboost_import *import;
    const uint8_t *data;
    size_t at;
    size_t end;
} binary_reader;

static uint32_t get_u32(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

static int32_t get_i32(const uint8_t *data)
{
    const uint32_t bits = get_u32(data);
    int32_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t get_u64(const uint8_t *data)
{
    return (uint64_t)get_u32(data) | (uint64_t)get_u32(data + 4) << 32;
}

static float get_f32(const uint8_t *data)
{
    const uint32_t bits = get_u32(data);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- moving --------------------------------------------------------------------------------- */

static bool fail_binary(const binary_reader *reader, espalier_status status, const char *cause)
{
    return espalier_document_fail(&reader->import->document, status, reader->at, "%s", cause);
}

/* The next `bytes` bytes, or NULL where the model ends before. */
static const uint8_t *take(binary_reader *reader, uint64_t bytes)
{
    if (bytes > reader->end - reader->at) {
        (void)fail_binary(reader, ESPALIER_ERROR_SOURCE_TRUNCATED,
                          "the model ends too early, or a count in it is wrong");
        return NULL;
    }
    const uint8_t *const taken = reader->data + reader->at;
    reader->at += (size_t)bytes;
    return taken;
}

/* A count of `item_bytes` each, and the items. */
static const uint8_t *take_vector(binary_reader *reader, size_t item_bytes, uint64_t *count_out)
{
    const uint8_t *const head = take(reader, sizeof(uint64_t));
    if (head == NULL) {
        return NULL;
    }
    *count_out = get_u64(head);
    return take(reader,
                *count_out > UINT64_MAX / item_bytes ? UINT64_MAX : *count_out * item_bytes);
}

/* Whether the next is a name of printable characters; it is moved over. */
static bool take_name(const uint8_t *data, size_t bytes, size_t *at, const uint8_t **name_out,
                      size_t *bytes_out)
{
    if (bytes - *at < sizeof(uint64_t)) {
        return false;
    }
    const uint64_t length = get_u64(data + *at);
    if (length > NAME_BYTES_MAX || length > bytes - *at - sizeof(uint64_t)) {
        return false;
    }
    *name_out = data + *at + sizeof(uint64_t);
    *bytes_out = (size_t)length;
    for (size_t i = 0; i < length; i++) {
        if ((*name_out)[i] <= ' ' || (*name_out)[i] > '~') {
            return false;
        }
    }
    *at += sizeof(uint64_t) + (size_t)length;
    return true;
}

static bool starts_with(const uint8_t *data, size_t bytes, const char *head, size_t head_bytes)
{
    return bytes >= head_bytes && memcmp(data, head, head_bytes) == 0;
}

bool espalier_xgboost_is_binary(const uint8_t *data, size_t bytes)
{
    static const char *const boosters[] = {"gbtree", "dart", "gblinear"};
    if (starts_with(data, bytes, FILE_HEAD, HEAD_BYTES(FILE_HEAD)) ||
        starts_with(data, bytes, SNAPSHOT_HEAD, HEAD_BYTES(SNAPSHOT_HEAD))) {
        return true;
    }
    /* Nothing tells but the two names. */
    size_t at = LEARNER_BYTES;
    const uint8_t *name;
    size_t name_bytes;
    if (bytes <= at || !take_name(data, bytes, &at, &name, &name_bytes) ||
        !take_name(data, bytes, &at, &name, &name_bytes)) {
        return false;
    }
    for (size_t i = 0; i < sizeof boosters / sizeof boosters[0]; i++) {
        if (name_bytes == strlen(boosters[i]) && memcmp(name, boosters[i], name_bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the learner ---------------------------------------------------------------------------- */

static bool keep_text(binary_reader *reader, json_t *object, const char *key, const uint8_t *text,
                      size_t bytes)
{
    /* What is no UTF-8 is left out, as jansson refuses it. */
    json_t *const value = json_stringn((const char *)text, bytes);
    if (value != NULL && json_object_set_new(object, key, value) != 0) {
        return fail_binary(reader, ESPALIER_ERROR_MEMORY, "no memory for an attribute");
    }
    return true;
}

static bool keep_number(binary_reader *reader, const char *key, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    return keep_text(reader, reader->import->model_parameters, key, (const uint8_t *)text,
                     strlen(text));
}

/* Before 1.0 the link was applied to the base score when the model was made. */
static bool read_base(binary_reader *reader, float score)
{
    espalier_xgboost_import *const import = reader->import;
    espalier_document *const document = &import->document;
    if (!espalier_document_reserve(document, &import->base_scores, 1, sizeof(float))) {
        return false;
    }
    import->base_is_margin = import->version[0] < 1;
    import->base_margin = score;
    import->base_scores.count = 1;
    *(float *)import->base_scores.items = score;
    return true;
}

static bool read_learner_parameters(binary_reader *reader, bool *attributes_out)
{
    espalier_xgboost_import *const import = reader->import;
    const uint8_t *const head = take(reader, LEARNER_BYTES);
    if (head == NULL) {
        return false;
    }
    import->feature_count = get_u32(head + 4);
    import->class_count = get_i32(head + 8);
    *attributes_out = get_i32(head + 12) != 0;
    import->version[0] = get_u32(head + 20);
    import->version[1] = get_u32(head + 24);
    import->target_count = get_u32(head + 28); /* 0 before 1.6 */
    import->model_parameters = json_object();
    import->objective_parameters = json_object();
    import->attributes = json_object();
    if (import->model_parameters == NULL || import->objective_parameters == NULL ||
        import->attributes == NULL) {
        return fail_binary(reader, ESPALIER_ERROR_MEMORY, "no memory for parameters");
    }
    if (!read_base(reader, get_f32(head))) {
        return false;
    }
    return keep_number(reader, "num_feature", import->feature_count) &&
           keep_number(reader, "num_class", import->class_count);
}

static bool read_name(binary_reader *reader, char *text, size_t capacity)
{
    const uint8_t *name;
    size_t bytes;
    if (!take_name(reader->data, reader->end, &reader->at, &name, &bytes) || bytes >= capacity) {
        return fail_binary(reader, ESPALIER_ERROR_SOURCE_SYNTAX,
                           "no name of an objective or a booster");
    }
    (void)snprintf(text, capacity, "%.*s", (int)bytes, (const char *)name);
    return true;
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool read_attribute(binary_reader *reader)
{
    espalier_xgboost_import *const import = reader->import;
    uint64_t key_bytes = 0;
    uint64_t bytes = 0;
    char key[KEPT_KEY_BYTES_MAX] = "";
    const uint8_t *const name = take_vector(reader, 1, &key_bytes);
    const uint8_t *const value = name != NULL ? take_vector(reader, 1, &bytes) : NULL;
    if (value == NULL) {
        return false;
    }
    if (key_bytes >= sizeof key || memchr(name, '\0', (size_t)key_bytes) != NULL) {
        return true; /* somebody's own */
    }
    memcpy(key, name, (size_t)key_bytes);
    if (strcmp(key, "scikit_learn") == 0) {
        return espalier_xgboost_read_note(import, (const char *)value, (size_t)bytes,
                                          (size_t)(value - reader->data));
    }
    const bool is_iteration = strcmp(key, "best_iteration") == 0;
    const bool is_number = is_iteration || strcmp(key, "best_ntree_limit") == 0;
    int64_t *const number = is_iteration ? &import->best_iteration : &import->best_tree_limit;
    if (is_number && !espalier_decimal_to_int64((const char *)value, (size_t)bytes, number)) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_SYNTAX,
                                      (uint64_t)(value - reader->data), "%s is no integer", key);
    }
    return bytes > KEPT_BYTES_MAX ||
           keep_text(reader, import->attributes, key, value, (size_t)bytes);
}

static bool read_attributes(binary_reader *reader)
{
    const uint8_t *const head = take(reader, sizeof(uint64_t));
    if (head == NULL) {
        return false;
    }
    const uint64_t count = get_u64(head);
    if (count > ATTRIBUTES_MAX) {
        reader->at -= sizeof(uint64_t);
        return fail_binary(reader, ESPALIER_ERROR_SOURCE_LIMIT, "too many attributes");
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_attribute(reader)) {
            return false;
        }
    }
    return true;
}

/* ---- trees ---------------------------------------------------------------------------------- */

static bool reserve_tree(espalier_xgboost_import *import, uint64_t count)
{
    espalier_document *const document = &import->document;
    espalier_xgboost_tree *const tree = &import->tree;
    const struct {
        espalier_document_array *array;
        size_t item_bytes;
    } arrays[] = {
        {&tree->left, sizeof(int32_t)},    {&tree->right, sizeof(int32_t)},
        {&tree->feature, sizeof(int32_t)}, {&tree->condition, sizeof(float)},
        {&tree->cover, sizeof(float)},     {&tree->missing_left, sizeof(uint8_t)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        if (!espalier_document_reserve(document, arrays[i].array, count, arrays[i].item_bytes)) {
            return false;
        }
        arrays[i].array->count = count;
    }
    tree->split_type.count = 0;
    return true;
}

/* From records to the arrays that other formats have. */
static void fill_tree(espalier_xgboost_tree *tree, const uint8_t *nodes, const uint8_t *statistics)
{
    for (uint64_t i = 0; i < (uint64_t)tree->node_count; i++) {
        const uint8_t *const node = nodes + i * NODE_BYTES;
        const uint32_t feature = get_u32(node + 12);
        ((int32_t *)tree->left.items)[i] = get_i32(node + 4);
        ((int32_t *)tree->right.items)[i] = get_i32(node + 8);
        ((int32_t *)tree->feature.items)[i] = (int32_t)(feature & INT32_MAX);
        ((uint8_t *)tree->missing_left.items)[i] = (uint8_t)(feature >> 31);
        ((float *)tree->condition.items)[i] = get_f32(node + 16);
        ((float *)tree->cover.items)[i] = get_f32(statistics + i * STATISTICS_BYTES + 4);
    }
}

static bool read_tree(binary_reader *reader)
{
    espalier_xgboost_import *const import = reader->import;
    espalier_xgboost_tree *const tree = &import->tree;
    const size_t start = reader->at;
    const uint8_t *const head = take(reader, TREE_BYTES);
    if (head == NULL) {
        return false;
    }
    tree->id = ESPALIER_XGBOOST_UNKNOWN;
    tree->node_count = get_i32(head + 4);
    tree->deleted_count = get_i32(head + 8);
    if (tree->node_count < 1) {
        reader->at = start;
        return fail_binary(reader, ESPALIER_ERROR_SOURCE_TREE, "a tree without nodes");
    }
    if (get_i32(head + 20) > 1) {
        espalier_xgboost_refuse(import, "vector leaves are not converted");
    }
    const uint64_t count = (uint64_t)tree->node_count;
    const uint8_t *const nodes = take(reader, count * NODE_BYTES);
    const uint8_t *const statistics = nodes != NULL ? take(reader, count * STATISTICS_BYTES) : NULL;
    if (statistics == NULL || !reserve_tree(import, count)) {
        return false;
    }
    fill_tree(tree, nodes, statistics);
    return espalier_xgboost_add_tree(import, start);
}

static bool read_tree_info(binary_reader *reader)
{
    espalier_document_array *const info = &reader->import->tree_info;
    const uint64_t count = (uint64_t)reader->import->tree_count;
    const uint8_t *const items = take(reader, count * sizeof(int32_t));
    if (items == NULL ||
        !espalier_document_reserve(&reader->import->document, info, count, sizeof(int32_t))) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        ((int32_t *)info->items)[i] = get_i32(items + i * sizeof(int32_t));
    }
    info->count = count;
    return true;
}

static bool read_weights(binary_reader *reader)
{
    espalier_document_array *const weights = &reader->import->weight_drop;
    uint64_t count = 0;
    const uint8_t *const items = take_vector(reader, sizeof(float), &count);
    if (items == NULL ||
        !espalier_document_reserve(&reader->import->document, weights, count, sizeof(float))) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        ((float *)weights->items)[i] = get_f32(items + i * sizeof(float));
    }
    weights->count = count;
    reader->import->has_weights = true;
    return true;
}

static bool read_trees(binary_reader *reader)
{
    espalier_xgboost_import *const import = reader->import;
    const size_t start = reader->at;
    const uint8_t *const head = take(reader, BOOSTER_BYTES);
    if (head == NULL) {
        return false;
    }
    import->tree_count = get_i32(head);
    if (import->tree_count < 0) {
        reader->at = start;
        return fail_binary(reader, ESPALIER_ERROR_SOURCE_TREE, "fewer than no trees");
    }
    if (get_i32(head + 28) > 1) {
        espalier_xgboost_refuse(import, "vector leaves are not converted");
    }
    for (int64_t i = 0; i < import->tree_count && import->unsupported[0] == '\0'; i++) {
        if (!read_tree(reader)) {
            return false;
        }
    }
    if (import->unsupported[0] != '\0' || import->tree_count == 0) {
        return true;
    }
    return read_tree_info(reader) && (strcmp(import->booster, "dart") != 0 || read_weights(reader));
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What is before the model of a pickle: where its configuration begins. */
static bool read_snapshot_head(binary_reader *reader)
{
    reader->at += HEAD_BYTES(SNAPSHOT_HEAD);
    const uint8_t *const head = take(reader, sizeof(uint64_t));
    if (head == NULL) {
        return false;
    }
    const uint64_t bytes = get_u64(head);
    if (bytes > reader->end - reader->at) {
        return fail_binary(reader, ESPALIER_ERROR_SOURCE_TRUNCATED,
                           "the model ends before its configuration");
    }
    reader->end = reader->at + (size_t)bytes;
    return true;
}

/* The JSON behind the model says the whole version. */
static bool read_snapshot_tail(binary_reader *reader)
{
    espalier_document *const document = &reader->import->document;
    document->at = reader->end;
    return espalier_xgboost_read_configuration(reader->import) &&
           espalier_document_finish(document);
}

bool espalier_xgboost_read_binary(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    binary_reader reader = {.import = import, .data = document->data, .end = document->bytes};
    bool has_attributes = false;
    const bool snapshot =
        starts_with(reader.data, reader.end, SNAPSHOT_HEAD, HEAD_BYTES(SNAPSHOT_HEAD));
    if (snapshot && !read_snapshot_head(&reader)) {
        return false;
    }
    if (starts_with(reader.data + reader.at, reader.end - reader.at, FILE_HEAD,
                    HEAD_BYTES(FILE_HEAD))) {
        reader.at += HEAD_BYTES(FILE_HEAD);
    }
    if (!read_learner_parameters(&reader, &has_attributes) ||
        !read_name(&reader, import->objective, sizeof import->objective) ||
        !read_name(&reader, import->booster, sizeof import->booster)) {
        return false;
    }
    const bool trees =
        strcmp(import->booster, "gbtree") == 0 || strcmp(import->booster, "dart") == 0;
    if (trees && (!read_trees(&reader) || (import->unsupported[0] == '\0' && has_attributes &&
                                           !read_attributes(&reader)))) {
        return false;
    }
    if (snapshot) {
        return read_snapshot_tail(&reader);
    }
    document->at = document->bytes; /* versions differ in what they write last, of no use here */
    return true;
}
