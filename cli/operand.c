// SPDX-License-Identifier: Apache-2.0
/*
 * The command line of commands that take one file, --json and --help. Includes cli.h and libc.
 */
#include "cli.h"

#include <getopt.h>

enum {
    OPTION_JSON = 256,
    OPTION_HELP
};

bool espalier_take_operand(int argc, char **argv, const char *operand_name, const char *help_text,
                           espalier_operand *operand_out, int *code_out)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    bool is_json = false;
    opterr = 0;
    for (;;) {
        const int option = getopt_long(argc, argv, ":h", known, NULL);
        if (option == -1) {
            break;
        }
        if (option == 'h' || option == OPTION_HELP) {
            fputs(help_text, stdout);
            *code_out = espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
            return false;
        }
        if (option != OPTION_JSON) {
            *code_out = espalier_option_fail(argv[0], option, argv);
            return false;
        }
        is_json = true;
    }
    if (argc - optind != 1) {
        *code_out = espalier_usage_fail(argv[0], "exactly one %s is needed", operand_name);
        return false;
    }
    *operand_out = (espalier_operand){argv[optind], is_json};
    return true;
}
