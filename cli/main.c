// SPDX-License-Identifier: Apache-2.0
/*
 * The command espalier: picks the sub-command. Includes cli.h and libc. Sets no locale: numbers are
 * read and written in the "C" locale everywhere.
 */
#include "cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char help_text[] =
    "Usage: espalier COMMAND [arguments]\n"
    "\n"
    "Predicts with tree ensembles straight from a memory-mapped file.\n"
    "\n"
    "  convert SOURCE -o MODEL   turn a model that scikit-learn, XGBoost or LightGBM saved\n"
    "                            into an Espalier file; no Python, nothing is executed\n"
    "  info MODEL_OR_PICKLE      what is in a model, or in a pickle before trusting it\n"
    "  predict MODEL ROWS        predict for the rows of an .npy or .csv file\n"
    "  verify MODEL              check every byte of a model and its stored answers\n"
    "  sign MODEL --key SECRET   sign a model; verify --key checks it (keygen makes keys)\n"
    "  store ACTION DIR ...      publish numbered versions, list, roll back, prune\n"
    "  bench MODEL               time every kernel that can serve a model on this machine\n"
    "  show MODEL                a tree of a model, in the terminal\n"
    "  plot MODEL -o FILE        a tree of a model as SVG or for Graphviz\n"
    "  inspect MODEL -o REPORT   everything about a model in one page for a browser\n"
    "  embed MODEL -o OBJECT     a model as an object file or C source, to link with a program\n"
    "\n"
    "  espalier COMMAND --help   options and examples of a command\n"
    "  espalier --version        the version\n"
    "\n"
    "Exit status: 0 done, 1 the input is at fault, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  espalier convert random_forest_model.pkl -o random_forest_model.espalier\n"
    "  espalier predict random_forest_model.espalier rows.csv\n";

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} command;

/*
 * Makes sure that descriptors 0 to 2 are open, so that no file gets their number and no message
 * ends up in it. Writing to a descriptor opened so fails.
 */
static void open_standard_descriptors(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (fcntl(descriptor, F_GETFD) != -1) {
            continue;
        }
        if (open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) != descriptor) {
            return;
        }
    }
}

static int finish(void)
{
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

int main(int argc, char **argv)
{
    static const command commands[] = {
        {"bench", espalier_command_bench},     {"convert", espalier_command_convert},
        {"embed", espalier_command_embed},     {"info", espalier_command_info},
        {"inspect", espalier_command_inspect}, {"keygen", espalier_command_keygen},
        {"plot", espalier_command_plot},       {"predict", espalier_command_predict},
        {"show", espalier_command_show},       {"sign", espalier_command_sign},
        {"store", espalier_command_store},     {"verify", espalier_command_verify},
    };
    open_standard_descriptors();
    if (argc < 2) {
        return espalier_usage_fail("", "a command is needed: convert, info, predict, verify, sign, "
                                       "store, bench, show, plot, inspect or embed");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        fputs(help_text, stdout);
        return finish();
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("espalier %s (file format %d.%d)\n", espalier_version(), ESPALIER_FORMAT_MAJOR,
               ESPALIER_FORMAT_MINOR);
        return finish();
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return espalier_usage_fail("", name[0] == '-' ? "unknown option '%s'" : "unknown command '%s'",
                               name);
}
