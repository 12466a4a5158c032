// SPDX-License-Identifier: Apache-2.0
/*
 * Where a model comes from, by the named keys of its metadata: source, trainer, what the user said
 * of training, data and scores. Includes info.h and libc. All of it is untrusted text.
 */
#include "info.h"

#include <inttypes.h>
#include <string.h>

/* Keys of `--meta` that have a meaning of their own; "score." begins the name of a score. */
#define KEY_TRAINING_DATE "training_date"
#define KEY_DATASET_HASH  "dataset_hash"
#define KEY_SCORE         "score."

/* A copy of a member, or null: every key is there in every model. */
static void copy_member(json_t *target, const char *key, const json_t *source, const char *member)
{
    json_t *value = json_object_get(source, member);
    json_object_set(target, key, value != NULL ? value : json_null());
}

json_t *espalier_info_provenance(const json_t *metadata)
{
    const json_t *source = json_object_get(metadata, "source");
    const json_t *trainer = json_object_get(metadata, "trainer");
    const json_t *user = json_object_get(metadata, "user");
    json_t *object = json_object();
    json_t *scores = json_object();
    copy_member(object, "source_format", source, "format");
    copy_member(object, "source_place", source, "place");
    copy_member(object, "source_digest", source, "blake2b");
    copy_member(object, "source_bytes", source, "bytes");
    copy_member(object, "trainer", trainer, "framework");
    copy_member(object, "trainer_version", trainer, "version");
    copy_member(object, "model_class", trainer, "class");
    copy_member(object, "hyper_parameters", trainer, "parameters");
    copy_member(object, "model_version", metadata, "model_version");
    copy_member(object, "converter_version", json_object_get(metadata, "converter"), "version");
    copy_member(object, "convert_options", metadata, "options");
    copy_member(object, "created", metadata, "created");
    copy_member(object, KEY_TRAINING_DATE, user, KEY_TRAINING_DATE);
    copy_member(object, KEY_DATASET_HASH, user, KEY_DATASET_HASH);
    for (void *at = json_object_iter((json_t *)(uintptr_t)user); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)user, at)) {
        const char *key = json_object_iter_key(at);
        if (strncmp(key, KEY_SCORE, sizeof KEY_SCORE - 1) == 0) {
            json_object_set(scores, key + sizeof KEY_SCORE - 1, json_object_iter_value(at));
        }
    }
    json_object_set_new(object, "scores", scores);
    return object;
}

static void print_line(const char *label, const char *value)
{
    if (value != NULL) {
        espalier_info_label(label);
        espalier_print_text(stdout, value);
        putchar('\n');
    }
}

void espalier_info_print_provenance(const json_t *metadata)
{
    json_t *object = espalier_info_provenance(metadata);
    const char *format = json_string_value(json_object_get(object, "source_format"));
    const char *digest = json_string_value(json_object_get(object, "source_digest"));
    if (format != NULL) {
        espalier_info_label("source");
        espalier_print_text(stdout, format);
        if (digest != NULL) {
            fputs(", BLAKE2b ", stdout);
            espalier_print_text(stdout, digest);
        }
        putchar('\n');
    }
    print_line("trained", json_string_value(json_object_get(object, KEY_TRAINING_DATE)));
    print_line("data", json_string_value(json_object_get(object, KEY_DATASET_HASH)));
    const char *key = NULL;
    json_t *value = NULL;
    bool is_first = true;
    json_object_foreach(json_object_get(object, "scores"), key, value)
    {
        if (json_string_value(value) != NULL) {
            espalier_info_label(is_first ? "scores" : "");
            espalier_print_text(stdout, key);
            putchar(' ');
            espalier_print_text(stdout, json_string_value(value));
            putchar('\n');
            is_first = false;
        }
    }
    json_decref(object);
}
