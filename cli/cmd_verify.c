// SPDX-License-Identifier: Apache-2.0
/*
 * espalier verify: is this file, byte for byte, what the converter wrote, and does it still answer
 * as it did? Includes cli.h, espalier.h, espalier_publish.h and libc.
 */
#include "cli.h"
#include "espalier_publish.h"

#include <inttypes.h>
#include <string.h>

static const char help_text[] =
    "Usage: espalier verify MODEL [--json]\n"
    "\n"
    "Reads the whole file and checks the BLAKE2b digests of all sections and of the file, the\n"
    "checksums, the padding, every child, column and leaf index and every node number, and\n"
    "predicts the golden rows, whose answers the file holds.\n"
    "\n"
    "  --json             print the result as JSON, a failure too\n"
    "  -h, --help         print this\n"
    "\n"
    "Examples:\n"
    "  espalier verify forest.espalier\n"
    "  espalier verify forest.espalier --json\n";

typedef struct verify_result {
    espalier_model_info info;
    espalier_proof proof;
    uint8_t digest[32];
} verify_result;

static bool check_model(const char *path, verify_result *result, espalier_error *error)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_model *model = NULL;
    options.flags = ESPALIER_OPEN_VERIFY;
    if (espalier_digest_verify(path, result->digest, error) != ESPALIER_OK ||
        espalier_model_open(path, &options, &model, error) != ESPALIER_OK) {
        return false;
    }
    bool ok = espalier_model_info_get(model, &info) == ESPALIER_OK &&
              espalier_model_proof(model, &result->proof) == ESPALIER_OK;
    result->info = info;
    /* The file was opened twice; both times it must have been the same one. */
    if (!ok || memcmp(info.root_digest, result->digest, sizeof result->digest) != 0) {
        ok = false;
        error->status = ESPALIER_ERROR_DIGEST;
        error->file_offset = ESPALIER_OFFSET_NONE;
        snprintf(error->message, sizeof error->message, "%.400s: changed while it was checked",
                 path);
    }
    espalier_model_close(model);
    return ok;
}

static int print_json(const char *path, bool ok, const verify_result *result,
                      const espalier_error *error)
{
    char digest[65];
    json_t *object = json_object();
    json_object_set_new(object, "file", espalier_json_string(path));
    json_object_set_new(object, "ok", json_boolean(ok));
    if (ok) {
        json_object_set_new(object, "digest",
                            json_string(espalier_format_digest(result->digest, digest)));
        json_object_set_new(object, "bytes", espalier_json_count(result->info.file_bytes));
        json_object_set_new(object, "trees", json_integer(result->info.tree_count));
        json_object_set_new(object, "nodes", espalier_json_count(result->info.node_count));
        json_object_set_new(object, "proof", espalier_json_proof(&result->proof));
    } else {
        json_object_set_new(object, "error", espalier_json_error(error));
    }
    return espalier_json_print(object);
}

static int print_text(const char *path, const verify_result *result)
{
    char text[65];
    espalier_print_text(stdout, path);
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
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

int espalier_command_verify(int argc, char **argv)
{
    espalier_operand operand;
    int code = ESPALIER_EXIT_DONE;
    if (!espalier_take_operand(argc, argv, "MODEL", help_text, &operand, &code)) {
        return code;
    }

    verify_result result = {0};
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    const bool ok = check_model(operand.path, &result, &error);
    if (operand.is_json) {
        code = print_json(operand.path, ok, &result, &error);
    } else if (ok) {
        code = print_text(operand.path, &result);
    }
    return ok ? code : espalier_fail_status(operand.path, error.status, &error);
}
