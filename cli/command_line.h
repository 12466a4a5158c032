// SPDX-License-Identifier: Apache-2.0
/*
 * The options of a sub-command as one table, which its command line is read by and its --help is
 * printed from. Includes cli.h and libc. Every command has -h and --help besides.
 */
#ifndef ESPALIER_CLI_COMMAND_LINE_H
#define ESPALIER_CLI_COMMAND_LINE_H

#include "cli.h"

typedef struct espalier_option espalier_option;

/* An option as it stands on the command line. */
typedef struct espalier_given {
    const char *command;
    const espalier_option *option;
    char *value;        /* NULL: it takes none */
    const char *second; /* likewise */
} espalier_given;

/* Puts what was given at `place`. 0, or an exit code after a message. */
typedef int espalier_option_take(const espalier_given *given, void *place);

struct espalier_option {
    const char *name;   /* without the two - */
    const char *value;  /* what --help calls its value; NULL: it takes none */
    const char *help;   /* lines of --help, a \n between */
    size_t place;       /* of what it sets, in the arguments of the command */
    const char *second; /* a second value; NULL: it takes none */
    uint64_t low, high; /* of espalier_take_count */
    uint64_t flag;      /* of espalier_take_flag */
    espalier_option_take *take;
    char letter; /* 'o': -o too; 0: none */
};

/* Takes for options: a bool that becomes true, a text (const char *), a count (uint64_t) from `low`
 * to `high`, a flag (uint64_t) that is set. */
int espalier_take_true(const espalier_given *given, void *place);
int espalier_take_text(const espalier_given *given, void *place);
int espalier_take_count(const espalier_given *given, void *place);
int espalier_take_flag(const espalier_given *given, void *place);

/* What is wrong with a value: "--name 'value' " and `what`. Returns ESPALIER_EXIT_USAGE. */
int espalier_given_fail(const espalier_given *given, const char *what);

/* What stands on a command line beside options. */
typedef struct espalier_operands {
    int count;
    char **texts;
} espalier_operands;

typedef struct espalier_command_line {
    const char *head; /* of --help, in front of the options */
    const char *tail; /* and behind them */
    const espalier_option *options;
    size_t option_count;
    uint32_t column;      /* where the words of --help begin */
    const char *operand;  /* what the one operand is called; NULL: `check` looks at them */
    size_t operand_place; /* where it goes, a const char * */
    /* Looks at what belongs together, when all was taken: 0, or an exit code after a message.
     * NULL: there is nothing to look at. */
    int (*check)(void *arguments, const espalier_operands *operands);
} espalier_command_line;

/* How every command's begins: --help, a table of options, and where the words of --help begin. */
#define ESPALIER_COMMAND(help_head, help_tail, table, words_column) \
    .head = (help_head), .tail = (help_tail), .options = (table),   \
    .option_count = sizeof(table) / sizeof(table)[0], .column = (words_column)

/* The command goes on: what reading a command line returns where it is not the end of it. */
#define ESPALIER_GO_ON (-1)

/*
 * Reads the command line into `arguments`. ESPALIER_GO_ON, or an exit code: --help was printed, or
 * a mistake told.
 */
int espalier_options_read(const espalier_command_line *line, int argc, char **argv,
                          void *arguments);

#endif
