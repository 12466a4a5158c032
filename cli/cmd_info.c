// SPDX-License-Identifier: Apache-2.0
/*
 * espalier info: looks at the first bytes and hands over. Includes info.h, input.h,
 * command_line.h and libc.
 */
#include "command_line.h"
#include "info.h"
#include "input.h"

#include <string.h>
#include <sys/stat.h>

static const char help_head[] =
    "Usage: espalier info MODEL_OR_PICKLE [--json]\n"
    "\n"
    "For an Espalier file: digest, sizes, features, classes, outputs, trees, metadata and what\n"
    "was proved when it was converted.\n"
    "\n"
    "For a pickle or joblib file: its kind and sizes, the models inside with the path that\n"
    "convert --select takes, and every name that loading it in Python would import or call.\n"
    "Nothing is imported or called here. A * marks names that have no business in a model,\n"
    "with what would have run.\n"
    "\n";

static const char help_tail[] = "\n"
                                "Examples:\n"
                                "  espalier info forest.espalier\n"
                                "  espalier info downloaded.pkl\n"
                                "  espalier info forest.espalier --json\n";

void espalier_info_label(const char *name)
{
    printf("  %-12s ", name);
}

/* The first eight bytes of every Espalier file, [F-011] of docs/format.md. */
static const unsigned char model_magic[8] = {0x89, 'E', 'S', 'P', '\r', '\n', 0x1A, '\n'};

static int show_info(const char *path, bool is_json)
{
    espalier_message message;
    espalier_input input;
    unsigned char first[sizeof model_magic];
    size_t got = 0;
    struct stat facts;
    if (strcmp(path, "-") == 0) {
        return espalier_usage_fail("info", "a file is needed; standard input cannot be mapped");
    }
    /* Refused there by name; opening a pipe here would wait for its writer. */
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) {
        return espalier_info_source(path, is_json);
    }
    if (!espalier_input_open(&input, path, &message)) {
        return espalier_fail(message.text);
    }
    const bool is_read = espalier_input_read(&input, first, sizeof first, &got, &message);
    espalier_input_close(&input);
    if (!is_read) {
        return espalier_fail(message.text);
    }
    const bool is_model = got >= 4 && memcmp(first, model_magic, 4) == 0;
    return is_model ? espalier_info_model(path, is_json) : espalier_info_source(path, is_json);
}

typedef struct info_arguments {
    const char *path;
    bool is_json;
} info_arguments;

static const espalier_option known[] = {
    {"json", NULL, "print the same, complete, as JSON", offsetof(info_arguments, is_json),
     .take = espalier_take_true},
};

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL_OR_PICKLE",
    .operand_place = offsetof(info_arguments, path),
};

int espalier_command_info(int argc, char **argv)
{
    info_arguments arguments = {0};
    const int code = espalier_options_read(&command_line, argc, argv, &arguments);
    return code == ESPALIER_GO_ON ? show_info(arguments.path, arguments.is_json) : code;
}
