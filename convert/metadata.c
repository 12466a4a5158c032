// SPDX-License-Identifier: Apache-2.0
/*
 * See metadata.h.
 */
#include "convert/metadata.h"

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

static bool add_source(json_t *root, const espalier_metadata_source *source)
{
    char digest[65];
    (void)sodium_bin2hex(digest, sizeof digest, source->digest, sizeof source->digest);
    const char *const slash = strrchr(source->path, '/');
    json_t *const object = json_object();
    return json_object_set_new(root, "source", object) == 0 &&
           add_text(object, "file_name", slash != NULL ? slash + 1 : source->path) &&
           add_text(object, "format", source->format) && add_text(object, "place", source->place) &&
           add_text(object, "blake2b", digest) &&
           json_object_set_new(object, "bytes", json_integer((json_int_t)source->bytes)) == 0;
}

static bool add_trainer(json_t *root, const espalier_forest *forest)
{
    json_t *const object = json_object();
    if (json_object_set_new(root, "trainer", object) != 0 ||
        !add_text(object, "framework", forest->framework) ||
        !add_text(object, "version", forest->version) ||
        !add_text(object, "class", forest->class_name)) {
        return false;
    }
    if (forest->parameters_json == NULL) {
        return true;
    }
    json_t *const parameters = json_loads(forest->parameters_json, JSON_ALLOW_NUL, NULL);
    return json_object_set_new(object, "parameters", parameters) == 0;
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
    return add_text(root, "created", created)
               ? ESPALIER_OK
               : espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "no memory for metadata");
}

/* What the user adds. */
static espalier_status add_user(json_t *root, const espalier_convert_options *options,
                                espalier_error *error_out)
{
    if (options == NULL) {
        return ESPALIER_OK;
    }
    if (options->model_version != NULL &&
        json_object_set_new(root, "model_version", json_string(options->model_version)) != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "the model version is not UTF-8");
    }
    if (options->meta_count == 0) {
        return ESPALIER_OK;
    }
    json_t *const user = json_object();
    if (json_object_set_new(root, "user", user) != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "no memory for metadata");
    }
    for (size_t i = 0; i < options->meta_count; i++) {
        const espalier_meta *const meta = &options->meta[i];
        if (meta->key == NULL || meta->value == NULL || *meta->key == '\0') {
            return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                      "metadata %zu has no key or no value", i);
        }
        if (json_object_get(user, meta->key) != NULL) {
            return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                      "metadata key given twice: %s", meta->key);
        }
        if (json_object_set_new(user, meta->key, json_string(meta->value)) != 0) {
            return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                      "metadata is not UTF-8: %s", meta->key);
        }
    }
    return ESPALIER_OK;
}

static bool add_all(json_t *root, const espalier_forest *forest,
                    const espalier_metadata_source *source)
{
    json_t *const outputs = json_object();
    json_t *const converter = json_object();
    json_t *const layout = json_object();
    const bool is_set = json_object_set_new(root, "outputs", outputs) == 0 &&
                        json_object_set_new(root, "converter", converter) == 0 &&
                        json_object_set_new(root, "layout", layout) == 0;
    return is_set && add_text(root, "format", "espalier") && add_source(root, source) &&
           add_trainer(root, forest) &&
           add_text(outputs, "leaf_shape", forest->leaf_is_vector ? "rows,trees" : "rows") &&
           add_text(converter, "version", espalier_version()) && add_text(layout, "name", "walk") &&
           add_text(layout, "why", "serves trees of any depth and width");
}

espalier_status espalier_metadata_make(const espalier_forest *forest,
                                       const espalier_metadata_source *source,
                                       const espalier_convert_options *options,
                                       espalier_flat_bytes *section_out, espalier_error *error_out)
{
    json_t *const root = json_object();
    char *text = NULL;
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (root != NULL && add_all(root, forest, source)) {
        status = add_created(root, error_out);
        if (status == ESPALIER_OK) {
            status = add_user(root, options, error_out);
        }
        if (status != ESPALIER_OK) {
            goto out;
        }
        text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    }
    if (text == NULL) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                    "no memory for metadata");
        goto out;
    }
    *section_out = (espalier_flat_bytes){text, strlen(text)};

out:
    json_decref(root);
    return status;
}
