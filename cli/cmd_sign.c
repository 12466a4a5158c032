// SPDX-License-Identifier: Apache-2.0
/*
 * espalier keygen and espalier sign. Includes keys.h, command_line.h, espalier_publish.h and
 * libc.
 */
#include "command_line.h"
#include "keys.h"

#include <string.h>

static const char keygen_head[] =
    "Usage: espalier keygen PUBLIC SECRET [--password-file FILE]\n"
    "\n"
    "Makes a key pair for espalier sign, in minisign's format: PUBLIC is for everybody, SECRET\n"
    "for who signs. Files that exist are not replaced.\n"
    "\n";

static const char keygen_tail[] = "\n"
                                  "Example:\n"
                                  "  espalier keygen models.pub models.key\n";

static const char sign_head[] =
    "Usage: espalier sign MODEL --key SECRET [options]\n"
    "\n"
    "Checks the digests of MODEL and writes a signature of all its bytes, and of its digest,\n"
    "size, name and version, to MODEL.minisig. espalier verify --key checks it, and so does\n"
    "minisign -V.\n"
    "\n";

static const char sign_tail[] =
    "\n"
    "Examples:\n"
    "  espalier sign forest.espalier --key models.key --model-name fraud\n"
    "  espalier verify forest.espalier --key models.pub --model-name fraud\n";

/* What both commands take. */
typedef struct sign_arguments {
    const char *key_path;
    const char *password_path;
    const char *model_name;
    const char *model_version;
    const char *signature_path;
    const char *model_path;  /* of sign */
    const char *public_path; /* of keygen */
    const char *secret_path;
} sign_arguments;

static const espalier_option keygen_options[] = {
    {"password-file", "FILE",
     "encrypt SECRET by the password in the first line of FILE, or of\n"
     "standard input for -; without it SECRET is stored as it is",
     offsetof(sign_arguments, password_path), .take = espalier_take_text},
};

static int check_keygen(void *place, const espalier_operands *operands)
{
    sign_arguments *const arguments = place;
    if (operands->count != 2) {
        return espalier_usage_fail("keygen", "a PUBLIC and a SECRET file are needed");
    }
    arguments->public_path = operands->texts[0];
    arguments->secret_path = operands->texts[1];
    return 0;
}

static const espalier_command_line keygen_line = {
    ESPALIER_COMMAND(keygen_head, keygen_tail, keygen_options, 24),
    .check = check_keygen,
};

static const espalier_option sign_options[] = {
    {"key", "SECRET", "the secret key's file (needed)", offsetof(sign_arguments, key_path),
     .take = espalier_take_text},
    {"password-file", "FILE", "its password, as for espalier keygen",
     offsetof(sign_arguments, password_path), .take = espalier_take_text},
    {"model-name", "NAME", "what the model is for; verify --model-name asks for it",
     offsetof(sign_arguments, model_name), .take = espalier_take_text},
    {"model-version", "V", "without it, the version in the model's metadata",
     offsetof(sign_arguments, model_version), .take = espalier_take_text},
    {"out", "SIGNATURE", "where to write", offsetof(sign_arguments, signature_path),
     .take = espalier_take_text, .letter = 'o'},
};

static int check_sign(void *place, const espalier_operands *operands)
{
    const sign_arguments *const arguments = place;
    (void)operands;
    return arguments->key_path == NULL ? espalier_usage_fail("sign", "--key SECRET is needed") : 0;
}

static const espalier_command_line sign_line = {
    ESPALIER_COMMAND(sign_head, sign_tail, sign_options, 25),
    .operand = "MODEL",
    .operand_place = offsetof(sign_arguments, model_path),
    .check = check_sign,
};

int espalier_command_keygen(int argc, char **argv)
{
    sign_arguments arguments = {0};
    char password[ESPALIER_PASSWORD_BYTES] = "";
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    const int code = espalier_options_read(&keygen_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    if (arguments.password_path != NULL &&
        !espalier_take_password(arguments.password_path, password)) {
        return ESPALIER_EXIT_INPUT;
    }
    const espalier_status status =
        espalier_key_generate(arguments.public_path, arguments.secret_path,
                              arguments.password_path != NULL ? password : NULL, &error);
    explicit_bzero(password, sizeof password);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(arguments.secret_path, status, &error);
    }
    espalier_print_text(stdout, arguments.public_path);
    fputs(": the public key; give it away\n", stdout);
    espalier_print_text(stdout, arguments.secret_path);
    fputs(": the secret key; keep it\n", stdout);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static bool read_secret(const sign_arguments *arguments, espalier_secret_key *key_out)
{
    char password[ESPALIER_PASSWORD_BYTES] = "";
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (arguments->password_path != NULL &&
        !espalier_take_password(arguments->password_path, password)) {
        return false;
    }
    const espalier_status status =
        espalier_secret_key_read(arguments->key_path,
                                 arguments->password_path != NULL ? password : NULL, key_out,
                                 &error);
    explicit_bzero(password, sizeof password);
    if (status != ESPALIER_OK) {
        (void)espalier_fail_status(arguments->key_path, status, &error);
        return false;
    }
    return true;
}

int espalier_command_sign(int argc, char **argv)
{
    sign_arguments arguments = {0};
    char version[256] = "";
    espalier_secret_key key;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    const int code = espalier_options_read(&sign_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    const char *const model_path = arguments.model_path;
    if (arguments.model_version == NULL) {
        if (!espalier_read_model_version(model_path, version, sizeof version)) {
            return ESPALIER_EXIT_INPUT;
        }
        arguments.model_version = version;
    }
    if (!read_secret(&arguments, &key)) {
        return ESPALIER_EXIT_INPUT;
    }
    const espalier_status status =
        espalier_sign(model_path, &key, arguments.model_name, arguments.model_version,
                      arguments.signature_path, &error);
    espalier_secret_key_wipe(&key);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(model_path, status, &error);
    }
    espalier_print_text(stdout, model_path);
    fputs(": signed\n", stdout);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}
