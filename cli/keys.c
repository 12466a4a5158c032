// SPDX-License-Identifier: Apache-2.0
/*
 * See keys.h. Includes keys.h, input.h and libc.
 */
#include "keys.h"
#include "input.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_CHARACTERS = 56
};

bool espalier_take_public_key(const char *text, espalier_public_key *key_out)
{
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (strlen(text) == KEY_CHARACTERS && espalier_public_key_parse(text, key_out) == ESPALIER_OK) {
        return true;
    }
    const espalier_status status = espalier_public_key_read(text, key_out, &error);
    if (status != ESPALIER_OK) {
        (void)espalier_fail_status(text, status, &error);
        return false;
    }
    return true;
}

int espalier_take_policy_key(const char *text, espalier_public_key *key,
                             espalier_signature_policy *policy)
{
    if (text == NULL) {
        return 0;
    }
    policy->key = key;
    return espalier_take_public_key(text, key) ? 0 : ESPALIER_EXIT_INPUT;
}

bool espalier_take_password(const char *path, char password[ESPALIER_PASSWORD_BYTES])
{
    espalier_input input;
    espalier_message message;
    size_t bytes = 0;
    if (!espalier_input_open(&input, path, &message)) {
        (void)espalier_fail(message.text);
        return false;
    }
    const bool ok =
        espalier_input_read(&input, password, ESPALIER_PASSWORD_BYTES, &bytes, &message);
    espalier_input_close(&input);
    if (!ok) {
        (void)espalier_fail(message.text);
        return false;
    }
    if (bytes == ESPALIER_PASSWORD_BYTES) {
        (void)espalier_fail("the password is too long");
        return false;
    }
    password[bytes] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
    if (password[0] == '\0') {
        (void)espalier_fail("the password is empty");
        return false;
    }
    return true;
}

bool espalier_read_model_version(const char *path, char *version, size_t capacity)
{
    espalier_model *model = NULL;
    const char *text = NULL;
    size_t bytes = 0;
    if (espalier_open_model(path, 0, &model, NULL) != 0) {
        return false;
    }
    version[0] = '\0';
    if (espalier_model_metadata(model, &text, &bytes) == ESPALIER_OK) {
        json_t *metadata = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        const char *value = json_string_value(json_object_get(metadata, "model_version"));
        snprintf(version, capacity, "%s", value != NULL ? value : "");
        json_decref(metadata);
    }
    espalier_model_close(model);
    return true;
}
