// SPDX-License-Identifier: Apache-2.0
/*
 * See metadata.h.
 */
#include "convert/metadata.h"

#include "convert/preparation.h"
#include "format/error.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 18)
/* The last second of the year 9999; later ones have no four-digit year. */
#define EPOCH_MAX UINT64_C(253402300799)
/* Stands for the parameters until the text is made. */
#define PARAMETERS_MARK "@"

espalier_status espalier_metadata_digest(const char *path, uint8_t *digest_out,
                                         espalier_error *error_out)
{
    uint8_t *const buffer = malloc(READ_BYTES);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    espalier_status status = ESPALIER_OK;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, 32);
    if (buffer == NULL) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "%s: out of memory", path);
    } else if (descriptor < 0) {
        status =
            espalier_error_system(error_out, ESPALIER_ERROR_OPEN, errno, "%s: cannot open", path);
    }
    for (bool more = true; more && status == ESPALIER_OK;) {
        const ssize_t got = read(descriptor, buffer, READ_BYTES);
        if (got > 0) {
            (void)crypto_generichash_update(&state, buffer, (uint64_t)got);
        } else if (got == 0) {
            more = false;
        } else if (errno != EINTR) {
            status = espalier_error_system(error_out, ESPALIER_ERROR_READ, errno, "%s: cannot read",
                                           path);
        }
    }
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    free(buffer);
    if (status == ESPALIER_OK) {
        (void)crypto_generichash_final(&state, digest_out, 32);
    }
    return status;
}

void espalier_metadata_digest_memory(const void *data, size_t data_bytes, uint8_t *digest_out)
{
    (void)crypto_generichash(digest_out, 32, data, data_bytes, NULL, 0);
}

/* Text of a file's name or a model's own strings: bytes that are no UTF-8 become \xNN. */
static json_t *make_text(const char *text)
{
    json_t *const plain = json_string(text);
    if (plain != NULL) {
        return plain;
    }
    char *const escaped = malloc(strlen(text) * 4 + 1);
    if (escaped == NULL) {
        return NULL;
    }
    size_t length = 0;
    for (const unsigned char *byte = (const unsigned char *)text; *byte != 0; byte++) {
        if (*byte < 0x80) {
            escaped[length++] = (char)*byte;
        } else {
            (void)snprintf(escaped + length, 5, "\\x%02x", *byte);
            length += 4;
        }
    }
    escaped[length] = '\0';
    json_t *const value = json_string(escaped);
    free(escaped);
    return value;
}

/* Adds text under a key; nothing when it is NULL or empty. */
static bool add_text(json_t *object, const char *key, const char *text)
{
    return text == NULL || *text == '\0' || json_object_set_new(object, key, make_text(text)) == 0;
}

/* A new object under a key, or NULL. The root owns it. */
static json_t *add_object(json_t *root, const char *key)
{
    json_t *const object = json_object();
    return json_object_set_new(root, key, object) == 0 ? object : NULL;
}

static bool add_source(json_t *root, const espalier_metadata_source *source)
{
    char digest[65];
    (void)sodium_bin2hex(digest, sizeof digest, source->digest, sizeof source->digest);
    json_t *const object = add_object(root, "source");
    return object != NULL && add_text(object, "format", source->format) &&
           add_text(object, "place", source->place) && add_text(object, "blake2b", digest) &&
           json_object_set_new(object, "bytes", json_integer((json_int_t)source->bytes)) == 0;
}

/* Of LightGBM and XGBoost, whose own trees test places: the features whose rows have numbers of
 * categories instead. */
static bool add_category_numbers(json_t *trainer, const espalier_forest *forest)
{
    if (forest->category_number_count == 0 || forest->framework == NULL ||
        strcmp(forest->framework, "scikit-learn") == 0) {
        return true;
    }
    json_t *const features = json_array();
    bool good = features != NULL;
    for (uint32_t i = 0; i < forest->category_number_count && good; i++) {
        good = forest->category_numbers[i] == 0 ||
               json_array_append_new(features, json_integer((json_int_t)i)) == 0;
    }
    if (good && json_array_size(features) > 0) {
        good = json_object_set(trainer, "category_numbers", features) == 0;
    }
    json_decref(features);
    return good;
}

static bool add_trainer(json_t *root, const espalier_forest *forest)
{
    json_t *const object = add_object(root, "trainer");
    if (object == NULL || !add_text(object, "framework", forest->framework) ||
        !add_text(object, "version", forest->version) ||
        !add_text(object, "class", forest->class_name) ||
        !add_text(object, "objective", forest->objective) ||
        !add_category_numbers(object, forest)) {
        return false;
    }
    return forest->parameters_json == NULL || add_text(object, "parameters", PARAMETERS_MARK);
}

/*
 * Puts the parameters' own JSON where their mark stands. It is not parsed: jansson 2.14's parser
 * reads past its buffer when memory runs out. A quote inside a string is escaped, so the mark's
 * text with its quotes stands nowhere before the trainer's member. Returns malloc'ed text or NULL.
 */
static char *splice_parameters(const char *text, const char *parameters)
{
    static const char mark[] = "\"parameters\":\"" PARAMETERS_MARK "\"";
    static const char key[] = "\"parameters\":";
    const char *const at = parameters != NULL ? strstr(text, mark) : NULL;
    if (at == NULL) {
        return strdup(text);
    }
    const size_t bytes = strlen(text) + strlen(parameters) + sizeof key;
    char *const result = malloc(bytes);
    if (result != NULL) {
        (void)snprintf(result, bytes, "%.*s%s%s%s", (int)(at - text), text, key, parameters,
                       at + sizeof mark - 1);
    }
    return result;
}

static espalier_status fail_metadata(espalier_error *error_out)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "no memory for metadata");
}

/* The time that a reproducible build is told to have, as in "2024-01-31T12:00:00Z". */
static espalier_status add_created(json_t *root, espalier_error *error_out)
{
    const char *const text = getenv("SOURCE_DATE_EPOCH");
    if (text == NULL || *text == '\0') {
        return ESPALIER_OK;
    }
    char *end = NULL;
    errno = 0;
    const unsigned long long seconds = strtoull(text, &end, 10);
    struct tm parts;
    const time_t when = (time_t)seconds;
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || seconds > EPOCH_MAX ||
        gmtime_r(&when, &parts) == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "SOURCE_DATE_EPOCH is no time in seconds: %s", text);
    }
    char created[32];
    (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return add_text(root, "created", created) ? ESPALIER_OK : fail_metadata(error_out);
}

/* Strict: the shortest form only, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != 0) {
        const uint32_t length = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t point = length == 1 ? *at : *at & (0x7FU >> length);
        if ((*at >= 0x80 && *at < 0xC2) || *at > 0xF4) {
            return false;
        }
        for (uint32_t i = 1; i < length; i++) {
            if ((at[i] & 0xC0) != 0x80) {
                return false; /* the final NUL too */
            }
            point = point << 6 | (at[i] & 0x3F);
        }
        if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
            return false;
        }
        at += length;
    }
    return true;
}

static espalier_status refuse_meta(espalier_error *error_out, const char *what, const char *key)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                              "metadata %s: %s", what, key);
}

/* What the user asked of the conversion; nothing where it was left to itself. */
static bool add_options(json_t *root, const espalier_convert_options *options)
{
    static const struct {
        uint32_t layout;
        const char *name;
    } layouts[] = {{ESPALIER_LAYOUT_WALK, "walk"},
                   {ESPALIER_LAYOUT_MASK, "mask"},
                   {ESPALIER_LAYOUT_HEAP, "heap"},
                   {ESPALIER_LAYOUT_SELECT, "select"},
                   {ESPALIER_LAYOUT_BITS, "bits"}};
    const bool flagged = (options->flags & ESPALIER_CONVERT_ALLOW_FLAGGED) != 0;
    if (options->select == NULL && options->layout == ESPALIER_LAYOUT_ANY &&
        options->missing == NULL && options->categorical == NULL && !flagged) {
        return true;
    }
    json_t *const object = add_object(root, "options");
    bool good = object != NULL;
    if (good && options->select != NULL) {
        good = json_object_set_new(object, "select", make_text(options->select)) == 0;
    }
    for (size_t i = 0; good && i < sizeof layouts / sizeof layouts[0]; i++) {
        good = layouts[i].layout != options->layout || add_text(object, "layout", layouts[i].name);
    }
    if (good && options->missing != NULL) {
        char number[32];
        (void)snprintf(number, sizeof number, "%.17g", *options->missing); /* NaN is no JSON */
        good = add_text(object, "missing", number);
    }
    if (good && options->categorical != NULL) {
        good = json_object_set_new(object, "categorical", make_text(options->categorical)) == 0;
    }
    return good && (!flagged || json_object_set_new(object, "allow_flagged", json_true()) == 0);
}

/* What the user adds. */
static espalier_status add_user(json_t *root, const espalier_convert_options *options,
                                espalier_error *error_out)
{
    if (options == NULL) {
        return ESPALIER_OK;
    }
    if (options->model_version != NULL && !is_utf8(options->model_version)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "the model version is not UTF-8");
    }
    if (!add_options(root, options) || !add_text(root, "model_version", options->model_version)) {
        return fail_metadata(error_out);
    }
    json_t *const user = options->meta_count != 0 ? add_object(root, "user") : NULL;
    if (user == NULL && options->meta_count != 0) {
        return fail_metadata(error_out);
    }
    for (size_t i = 0; i < options->meta_count; i++) {
        const espalier_meta *const meta = &options->meta[i];
        if (meta->key == NULL || meta->value == NULL || *meta->key == '\0') {
            return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                      "metadata %zu has no key or no value", i);
        }
        if (!is_utf8(meta->key) || !is_utf8(meta->value)) {
            return refuse_meta(error_out, "is not UTF-8", meta->key);
        }
        if (json_object_get(user, meta->key) != NULL) {
            return refuse_meta(error_out, "key given twice", meta->key);
        }
        if (json_object_set_new(user, meta->key, json_string(meta->value)) != 0) {
            return fail_metadata(error_out);
        }
    }
    return ESPALIER_OK;
}

/* The shape of what the trainer's apply gives, and of which iterations. */
static bool add_leaf_shape(json_t *outputs, const espalier_forest *forest)
{
    if (forest->leaf_hidden) {
        return true;
    }
    if (forest->leaf_iterations != 0 &&
        json_object_set_new(outputs, "leaf_iterations", json_integer(forest->leaf_iterations)) !=
            0) {
        return false;
    }
    if (forest->leaf_classes == 0) {
        return add_text(outputs, "leaf_shape", forest->leaf_is_vector ? "rows,trees" : "rows");
    }
    return add_text(outputs, "leaf_shape", "rows,iterations,classes") &&
           json_object_set_new(outputs, "leaf_classes", json_integer(forest->leaf_classes)) == 0;
}

/* Where the trainer's predict keeps an axis of outputs of which there is but one. */
static bool add_answer_shape(json_t *outputs, const espalier_forest *forest)
{
    return !forest->keeps_axis || add_text(outputs, "answer_shape", "rows,outputs");
}

static bool add_all(json_t *root, const espalier_forest *forest,
                    const espalier_metadata_source *source, const espalier_flat *flat)
{
    json_t *const outputs = add_object(root, "outputs");
    json_t *const converter = add_object(root, "converter");
    json_t *const layout = add_object(root, "layout");
    return outputs != NULL && converter != NULL && layout != NULL &&
           add_text(root, "format", "espalier") && add_source(root, source) &&
           add_trainer(root, forest) && add_leaf_shape(outputs, forest) &&
           add_answer_shape(outputs, forest) &&
           add_text(converter, "version", espalier_version()) &&
           add_text(layout, "chosen", flat->layout) && add_text(layout, "why", flat->why);
}

espalier_status espalier_metadata_make(const espalier_forest *forest, const espalier_flat *flat,
                                       const espalier_metadata_source *source,
                                       const espalier_convert_options *options,
                                       espalier_flat_bytes *section_out, espalier_error *error_out)
{
    json_t *const root = json_object();
    char *dumped = NULL;
    char *text = NULL;
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (root != NULL && add_all(root, forest, source, flat)) {
        status = add_created(root, error_out);
        if (status == ESPALIER_OK) {
            status = add_user(root, options, error_out);
        }
        if (status != ESPALIER_OK) {
            goto out;
        }
        dumped = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
        text = dumped != NULL ? splice_parameters(dumped, forest->parameters_json) : NULL;
    }
    if (text == NULL) {
        status = fail_metadata(error_out);
        goto out;
    }
    *section_out = (espalier_flat_bytes){text, strlen(text)};

out:
    free(dumped);
    json_decref(root);
    return status;
}
