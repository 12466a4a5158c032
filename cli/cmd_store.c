// SPDX-License-Identifier: Apache-2.0
/*
 * espalier store: numbered versions of a model in a folder. Includes keys.h, command_line.h,
 * espalier_publish.h and libc.
 */
#include "command_line.h"
#include "espalier_slot.h"
#include "keys.h"

#include <inttypes.h>
#include <string.h>

static const char help_head[] =
    "Usage: espalier store publish DIR MODEL [options]\n"
    "       espalier store list DIR [--json]\n"
    "       espalier store rollback DIR [N] [options]\n"
    "       espalier store prune DIR --keep N\n"
    "\n"
    "A store is a folder of numbered models that never change, and a link, current, to one of\n"
    "them. Services read DIR (espalier_slot_open) and take a new version while they run.\n"
    "\n"
    "  publish   verify MODEL, copy it with its signature, make it the current version\n"
    "  list      the versions; * is current, - the one before\n"
    "  rollback  publish version N, or the one before the current, again under a new number\n"
    "  prune     remove old versions but the newest N; never the current and the one before\n"
    "\n";

static const char help_tail[] = "\n"
                                "Examples:\n"
                                "  espalier store publish models forest.espalier\n"
                                "  espalier store rollback models\n";

typedef struct store_arguments {
    const char *action;
    const char *folder;
    const char *operand; /* MODEL or N; NULL: none */
    const char *key;
    const char *keep;
    espalier_public_key public_key;
    espalier_signature_policy policy;
    espalier_store_options options;
    bool is_json;
} store_arguments;

static bool take_count(const char *text, uint64_t *count_out)
{
    const char *end = NULL;
    return text != NULL && espalier_parse_count(text, count_out, &end) && *end == '\0';
}

static int print_version(const store_arguments *arguments, uint64_t version)
{
    if (arguments->is_json) {
        json_t *object = json_object();
        json_object_set_new(object, "store", espalier_json_string(arguments->folder));
        json_object_set_new(object, "version", espalier_json_count(version));
        return espalier_json_print(object);
    }
    espalier_print_text(stdout, arguments->folder);
    printf(": version %" PRIu64 " is current\n", version);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static int run_publish(const store_arguments *arguments)
{
    uint64_t version = 0;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (arguments->operand == NULL) {
        return espalier_usage_fail("store", "publish needs DIR and MODEL");
    }
    const espalier_status status = espalier_store_publish(arguments->folder, arguments->operand,
                                                          &arguments->options, &version, &error);
    return status == ESPALIER_OK ? print_version(arguments, version)
                                 : espalier_fail_status(arguments->operand, status, &error);
}

static int run_rollback(const store_arguments *arguments)
{
    uint64_t wanted = 0;
    uint64_t version = 0;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (arguments->operand != NULL && (!take_count(arguments->operand, &wanted) || wanted == 0)) {
        return espalier_usage_fail("store", "'%s' is no version's number", arguments->operand);
    }
    const espalier_status status =
        espalier_store_rollback(arguments->folder, wanted, &arguments->options, &version, &error);
    return status == ESPALIER_OK ? print_version(arguments, version)
                                 : espalier_fail_status(arguments->folder, status, &error);
}

static int run_prune(const store_arguments *arguments)
{
    uint64_t keep = 0;
    uint64_t removed = 0;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (!take_count(arguments->keep, &keep) || arguments->operand != NULL) {
        return espalier_usage_fail("store", "prune needs DIR and --keep N");
    }
    const espalier_status status =
        espalier_store_prune(arguments->folder, keep, &arguments->options, &removed, &error);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(arguments->folder, status, &error);
    }
    if (arguments->is_json) {
        json_t *object = json_object();
        json_object_set_new(object, "store", espalier_json_string(arguments->folder));
        json_object_set_new(object, "removed", espalier_json_count(removed));
        return espalier_json_print(object);
    }
    espalier_print_text(stdout, arguments->folder);
    printf(": %" PRIu64 " versions removed\n", removed);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static json_t *make_version(const espalier_store_version *version)
{
    char text[65];
    json_t *object = json_object();
    json_object_set_new(object, "version", espalier_json_count(version->version));
    json_object_set_new(object, "current", json_boolean(version->is_current != 0));
    json_object_set_new(object, "previous_version", espalier_json_count(version->previous));
    json_object_set_new(object, "copied_from", espalier_json_count(version->copied_from));
    json_object_set_new(object, "signature", json_boolean(version->has_signature != 0));
    json_object_set_new(object, "readable", json_boolean(version->is_readable != 0));
    json_object_set_new(object, "bytes", espalier_json_count(version->file_bytes));
    json_object_set_new(object, "digest",
                        json_string(espalier_format_digest(version->root_digest, text)));
    return object;
}

static void print_row(const espalier_store_version *version)
{
    char text[65];
    const char mark = version->is_current != 0 ? '*' : version->is_previous != 0 ? '-' : ' ';
    printf("%c %6" PRIu64 "  ", mark, version->version);
    if (version->is_readable == 0) {
        fputs("does not open", stdout);
    } else {
        printf("%.16s  %s", espalier_format_digest(version->root_digest, text),
               version->has_signature != 0 ? "signed  " : "unsigned");
        printf("  %s", espalier_format_bytes(version->file_bytes, text));
    }
    if (version->copied_from != 0) {
        printf("  (version %" PRIu64 " again)", version->copied_from);
    }
    putchar('\n');
}

static int run_list(const store_arguments *arguments)
{
    espalier_store_version *versions = NULL;
    size_t count = 0;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (arguments->operand != NULL) {
        return espalier_usage_fail("store", "list needs one DIR");
    }
    const espalier_status status =
        espalier_store_list(arguments->folder, &versions, &count, &error);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(arguments->folder, status, &error);
    }
    int code = ESPALIER_EXIT_DONE;
    json_t *list = arguments->is_json ? json_array() : NULL;
    for (size_t i = 0; i < count; i++) {
        if (arguments->is_json) {
            json_array_append_new(list, make_version(&versions[i]));
        } else {
            print_row(&versions[i]);
        }
    }
    espalier_store_free(versions);
    if (arguments->is_json) {
        json_t *object = json_object();
        json_object_set_new(object, "store", espalier_json_string(arguments->folder));
        json_object_set_new(object, "versions", list);
        code = espalier_json_print(object);
    } else if (!espalier_flush_output()) {
        code = ESPALIER_EXIT_INPUT;
    }
    return code;
}

static const espalier_option known[] = {
    {"key", "KEY", "publish only what this public key's owner signed",
     offsetof(store_arguments, key), .take = espalier_take_text},
    {"model-name", "NAME", "and under this name", offsetof(store_arguments, policy.model_name),
     .take = espalier_take_text},
    {"signature", "FILE", "the signature, if it is not MODEL.minisig",
     offsetof(store_arguments, options.signature_path), .take = espalier_take_text},
    {"fs-verity", NULL, "let the file system keep the copy as it is, where it can",
     offsetof(store_arguments, options.flags), .flag = ESPALIER_STORE_VERITY,
     .take = espalier_take_flag},
    {"no-wait", NULL, "fail when somebody else publishes, instead of waiting",
     offsetof(store_arguments, options.flags), .flag = ESPALIER_STORE_NO_WAIT,
     .take = espalier_take_flag},
    {"keep", "N", "for prune: how many of the newest to keep", offsetof(store_arguments, keep),
     .take = espalier_take_text},
    {"json", NULL, "print the result as JSON", offsetof(store_arguments, is_json),
     .take = espalier_take_true},
};

static int check_arguments(void *place, const espalier_operands *operands)
{
    store_arguments *const arguments = place;
    if (operands->count < 2 || operands->count > 3) {
        return espalier_usage_fail("store", "an action (publish, list, rollback, prune) and DIR "
                                            "are needed");
    }
    arguments->action = operands->texts[0];
    arguments->folder = operands->texts[1];
    arguments->operand = operands->count == 3 ? operands->texts[2] : NULL;
    if (arguments->key == NULL && arguments->policy.model_name != NULL) {
        return espalier_usage_fail("store", "--model-name is checked with --key only");
    }
    if (arguments->key != NULL) {
        arguments->options.policy = &arguments->policy;
    }
    return espalier_take_policy_key(arguments->key, &arguments->public_key, &arguments->policy);
}

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 23),
    .check = check_arguments,
};

int espalier_command_store(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const store_arguments *arguments);
    } actions[] = {
        {"publish", run_publish},
        {"list", run_list},
        {"rollback", run_rollback},
        {"prune", run_prune},
    };
    store_arguments arguments = {.policy = ESPALIER_SIGNATURE_POLICY_INIT,
                                 .options = ESPALIER_STORE_OPTIONS_INIT};
    const int code = espalier_options_read(&command_line, argc, argv, &arguments);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (arguments.action != NULL && strcmp(actions[i].name, arguments.action) == 0) {
            return actions[i].run(&arguments);
        }
    }
    return espalier_usage_fail("store", "'%s' is none of publish, list, rollback, prune",
                               arguments.action);
}
