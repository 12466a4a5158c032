// SPDX-License-Identifier: Apache-2.0
/*
 * espalier verify: is this file, byte for byte, what the converter wrote, and does it still
 * answer as it did? And with a key: is it what the key's owner signed? The file is opened once.
 * Includes keys.h, command_line.h, espalier.h, espalier_publish.h and libc.
 */
#include "command_line.h"
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char help_head[] =
    "Usage: espalier verify MODEL [options]\n"
    "\n"
    "Reads the whole file and checks the BLAKE2b digests of all sections and of the file, the\n"
    "checksums, the padding, every child, column and leaf index and every node number, and\n"
    "predicts the golden rows, whose answers the file holds. A failure names the section.\n"
    "\n";

static const char help_tail[] =
    "\n"
    "Examples:\n"
    "  espalier verify forest.espalier\n"
    "  espalier verify forest.espalier --key models.pub --model-name fraud\n";

typedef struct verify_arguments {
    const char *path;
    const char *key;
    const char *signature_path;
    espalier_public_key public_key;
    espalier_signature_policy policy;
    bool is_json;
} verify_arguments;

typedef struct verify_result {
    espalier_model_info info;
    espalier_proof proof;
    uint8_t digest[32];
    espalier_signed claims; /* with a key */
} verify_result;

/* Messages about a descriptor say "model": puts the path there. */
static void name_file(const char *path, espalier_error *error)
{
    char message[sizeof error->message];
    if (strncmp(error->message, "model: ", 7) == 0) {
        memcpy(message, error->message, sizeof message);
        snprintf(error->message, sizeof error->message, "%.200s%.280s", path, message + 5);
    }
}

/* The digests, and with a key the signature, of one reading. */
static espalier_status check_bytes(int descriptor, const verify_arguments *arguments,
                                   verify_result *result, espalier_error *error)
{
    if (arguments->key == NULL) {
        return espalier_digest_verify_fd(descriptor, arguments->path, result->digest, error);
    }
    espalier_signature_policy policy = arguments->policy;
    policy.flags |= ESPALIER_SIGNATURE_DIGESTS;
    const espalier_status status =
        espalier_signature_verify_fd(descriptor, arguments->path, arguments->signature_path,
                                     &policy, &result->claims, error);
    memcpy(result->digest, result->claims.root_digest, sizeof result->digest);
    return status;
}

/* All by one descriptor: what is verified is what is opened. */
static bool check_descriptor(int descriptor, const verify_arguments *arguments,
                             verify_result *result, espalier_error *error)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_model *model = NULL;
    options.flags = ESPALIER_OPEN_VERIFY;
    if (check_bytes(descriptor, arguments, result, error) != ESPALIER_OK ||
        espalier_model_open_fd(descriptor, &options, &model, error) != ESPALIER_OK) {
        name_file(arguments->path, error);
        return false;
    }
    bool ok = espalier_model_info_get(model, &info) == ESPALIER_OK &&
              espalier_model_proof(model, &result->proof) == ESPALIER_OK;
    result->info = info;
    /* Somebody may write to the file meanwhile. */
    if (!ok || memcmp(info.root_digest, result->digest, sizeof result->digest) != 0) {
        ok = false;
        error->status = ESPALIER_ERROR_DIGEST;
        error->file_offset = ESPALIER_OFFSET_NONE;
        snprintf(error->message, sizeof error->message, "%.400s: changed while it was checked",
                 arguments->path);
    }
    espalier_model_close(model);
    return ok;
}

static bool check_model(const verify_arguments *arguments, verify_result *result,
                        espalier_error *error)
{
    const int descriptor =
        arguments->path != NULL ? open(arguments->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (descriptor < 0) {
        error->status = ESPALIER_ERROR_OPEN;
        error->system_errno = errno;
        snprintf(error->message, sizeof error->message, "%.400s: cannot open: %s", arguments->path,
                 strerror(errno));
        return false;
    }
    const bool ok = check_descriptor(descriptor, arguments, result, error);
    close(descriptor);
    return ok;
}

static json_t *make_signature(const verify_arguments *arguments, const espalier_signed *claims)
{
    json_t *object = json_object();
    char id[17];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(id + (size_t)2 * i, 3, "%02X", arguments->public_key.id[7 - i]);
    }
    json_object_set_new(object, "key", json_string(id));
    json_object_set_new(object, "model_name", espalier_json_string(claims->model_name));
    json_object_set_new(object, "model_version", espalier_json_string(claims->model_version));
    return object;
}

static int print_json(const verify_arguments *arguments, bool ok, const verify_result *result,
                      const espalier_error *error)
{
    char digest[65];
    json_t *object = json_object();
    json_object_set_new(object, "file", espalier_json_string(arguments->path));
    json_object_set_new(object, "ok", json_boolean(ok));
    if (ok) {
        json_object_set_new(object, "digest",
                            json_string(espalier_format_digest(result->digest, digest)));
        json_object_set_new(object, "bytes", espalier_json_count(result->info.file_bytes));
        json_object_set_new(object, "trees", json_integer(result->info.tree_count));
        json_object_set_new(object, "nodes", espalier_json_count(result->info.node_count));
        json_object_set_new(object, "proof", espalier_json_proof(&result->proof));
        json_object_set_new(object, "signature",
                            arguments->key != NULL ? make_signature(arguments, &result->claims)
                                                   : json_null());
    } else {
        json_object_set_new(object, "error", espalier_json_error(error));
    }
    return espalier_json_print(object);
}

static int print_text(const verify_arguments *arguments, const verify_result *result)
{
    char text[65];
    espalier_print_text(stdout, arguments->path);
    printf(": ok\n  digest      %s\n", espalier_format_digest(result->digest, text));
    printf("  bytes       %s: every section as written, padding zero\n",
           espalier_format_count(result->info.file_bytes, text));
    printf("  nodes       %s", espalier_format_count(result->info.node_count, text));
    printf(" in %s trees: children, columns, leaves and numbers in range\n",
           espalier_format_count(result->info.tree_count, text));
    if (result->proof.rows_compared > 0) {
        printf("  golden rows reproduced; %s rows were proved when it was converted\n",
               espalier_format_count(result->proof.rows_compared, text));
    }
    if (arguments->key != NULL) {
        fputs("  signature   of this key's owner, for model '", stdout);
        espalier_print_text(stdout, result->claims.model_name);
        fputs("', version '", stdout);
        espalier_print_text(stdout, result->claims.model_version);
        fputs("'\n", stdout);
    }
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static const espalier_option known[] = {
    {"key", "KEY", "and check the signature: a public key's file, or its 56 characters",
     offsetof(verify_arguments, key), .take = espalier_take_text},
    {"signature", "FILE", "the signature, if it is not MODEL.minisig",
     offsetof(verify_arguments, signature_path), .take = espalier_take_text},
    {"model-name", "NAME", "refuse a model that was signed under another name",
     offsetof(verify_arguments, policy.model_name), .take = espalier_take_text},
    {"model-version", "V", "or as another version",
     offsetof(verify_arguments, policy.model_version), .take = espalier_take_text},
    {"json", NULL, "print the result as JSON, a failure too", offsetof(verify_arguments, is_json),
     .take = espalier_take_true},
};

static int check_arguments(void *place, const espalier_operands *operands)
{
    verify_arguments *const arguments = place;
    (void)operands;
    if (arguments->key == NULL &&
        (arguments->signature_path != NULL || arguments->policy.model_name != NULL ||
         arguments->policy.model_version != NULL)) {
        return espalier_usage_fail("verify", "signatures are checked with --key only");
    }
    return espalier_take_policy_key(arguments->key, &arguments->public_key, &arguments->policy);
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(verify_arguments, path),
    .check = check_arguments,
};

int espalier_command_verify(int argc, char **argv)
{
    verify_arguments arguments = {.policy = ESPALIER_SIGNATURE_POLICY_INIT};
    int code = espalier_options_read(&command_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    code = ESPALIER_EXIT_DONE;
    verify_result result = {0};
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    const bool ok = check_model(&arguments, &result, &error);
    if (arguments.is_json) {
        code = print_json(&arguments, ok, &result, &error);
    } else if (ok) {
        code = print_text(&arguments, &result);
    }
    return ok ? code : espalier_fail_status(arguments.path, error.status, &error);
}
