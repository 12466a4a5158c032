// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and passwords as options name them. Includes cli.h and espalier_publish.h.
 */
#ifndef ESPALIER_CLI_KEYS_H
#define ESPALIER_CLI_KEYS_H

#include "cli.h"
#include "espalier_publish.h"

/* A public key: its 56 characters, or the file that holds it. False, and reported, when neither. */
bool espalier_take_public_key(const char *text, espalier_public_key *key_out);

/* The same for the policy that signatures are checked by; text NULL: there is none. 0, or an exit
 * code. */
int espalier_take_policy_key(const char *text, espalier_public_key *key,
                             espalier_signature_policy *policy);

enum {
    ESPALIER_PASSWORD_BYTES = 1024
};

/* The first line of a file; "-" is standard input. False, and reported, when it cannot be read. */
bool espalier_take_password(const char *path, char password[ESPALIER_PASSWORD_BYTES]);

/* Metadata "model_version" of a model's file, "" when it says none; false, and reported, when the
 * model does not open. */
bool espalier_read_model_version(const char *path, char *version, size_t capacity);

#endif
