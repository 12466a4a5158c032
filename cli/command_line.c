// SPDX-License-Identifier: Apache-2.0
/*
 * See command_line.h. Includes command_line.h and libc.
 */
#include "command_line.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

enum {
    OPTIONS_MAX = 24,
    LONG_FIRST = 256 /* what getopt_long returns for the first option */
};

int espalier_take_true(const espalier_given *given, void *place)
{
    (void)given;
    *(bool *)place = true;
    return 0;
}

int espalier_take_text(const espalier_given *given, void *place)
{
    *(const char **)place = given->value;
    return 0;
}

int espalier_take_count(const espalier_given *given, void *place)
{
    const espalier_option *const option = given->option;
    const char *rest = NULL;
    uint64_t count = 0;
    if (!espalier_parse_count(given->value, &count, &rest) || *rest != '\0' ||
        count < option->low || count > option->high) {
        return espalier_usage_fail(given->command,
                                   "--%s '%s' is not a number from %" PRIu64 " to %" PRIu64,
                                   option->name, given->value, option->low, option->high);
    }
    *(uint64_t *)place = count;
    return 0;
}

int espalier_take_flag(const espalier_given *given, void *place)
{
    *(uint64_t *)place |= given->option->flag;
    return 0;
}

int espalier_given_fail(const espalier_given *given, const char *what)
{
    return espalier_usage_fail(given->command, "--%s '%s' %s", given->option->name, given->value,
                               what);
}

/* ---- --help ---------------------------------------------------------------------------------- */

/* An option's words from a column on, line by line. */
static void print_words(const char *words, int column, int width)
{
    for (;;) {
        const size_t length = strcspn(words, "\n");
        printf("%*s%.*s\n", column > width ? column - width : 1, "", (int)length, words);
        if (words[length] == '\0') {
            return;
        }
        words += length + 1;
        width = 0;
    }
}

static int print_help(const espalier_command_line *line)
{
    const int column = (int)line->column;
    fputs(line->head, stdout);
    for (size_t i = 0; i < line->option_count; i++) {
        const espalier_option *const option = &line->options[i];
        int width = printf("  ");
        if (option->letter != '\0') {
            width += printf("-%c, ", option->letter);
        }
        width += printf("--%s", option->name);
        width += option->value != NULL ? printf(" %s", option->value) : 0;
        width += option->second != NULL ? printf(" %s", option->second) : 0;
        print_words(option->help, column, width);
    }
    print_words("print this", column, printf("  -h, --help"));
    fputs(line->tail, stdout);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The tables of getopt_long, made from ours. */
typedef struct getopt_tables {
    struct option known[OPTIONS_MAX + 2];
    char letters[3 + 2 * OPTIONS_MAX + 1];
    int help; /* what --help returns */
} getopt_tables;

static void make_tables(const espalier_command_line *line, getopt_tables *tables)
{
    char *letter = tables->letters;
    size_t count = 0;
    *letter++ = ':';
    *letter++ = 'h';
    for (; count < line->option_count && count < OPTIONS_MAX; count++) {
        const espalier_option *const option = &line->options[count];
        const int has_value = option->value != NULL ? required_argument : no_argument;
        tables->known[count] =
            (struct option){option->name, has_value, NULL, LONG_FIRST + (int)count};
        if (option->letter != '\0') {
            *letter++ = option->letter;
            *letter = ':';
            letter += option->value != NULL ? 1 : 0;
        }
    }
    *letter = '\0';
    tables->help = LONG_FIRST + (int)count;
    tables->known[count] = (struct option){"help", no_argument, NULL, tables->help};
    tables->known[count + 1] = (struct option){NULL, 0, NULL, 0};
}

static const espalier_option *find_option(const espalier_command_line *line, int result)
{
    for (size_t i = 0; i < line->option_count; i++) {
        if (result == LONG_FIRST + (int)i ||
            (result < LONG_FIRST && line->options[i].letter == (char)result)) {
            return &line->options[i];
        }
    }
    return NULL;
}

/* getopt took the first of two values: takes the second too. */
static int take_second(espalier_given *given, int argc, char **argv)
{
    const espalier_option *const option = given->option;
    if (option->second == NULL) {
        return 0;
    }
    if (optind >= argc || (argv[optind][0] == '-' && argv[optind][1] != '\0')) {
        return espalier_usage_fail(given->command, "--%s needs %s and %s", option->name,
                                   option->value, option->second);
    }
    given->second = argv[optind++];
    return 0;
}

/* The operands, and what belongs together. */
static int finish(const espalier_command_line *line, const char *command,
                  const espalier_operands *operands, void *arguments)
{
    if (line->operand != NULL) {
        if (operands->count != 1) {
            return espalier_usage_fail(command, "exactly one %s is needed", line->operand);
        }
        void *const place = (char *)arguments + line->operand_place;
        *(const char **)place = operands->texts[0];
    }
    const int code = line->check != NULL ? line->check(arguments, operands) : 0;
    return code == 0 ? ESPALIER_GO_ON : code;
}

int espalier_options_read(const espalier_command_line *line, int argc, char **argv, void *arguments)
{
    getopt_tables tables;
    make_tables(line, &tables);
    opterr = 0;
    for (;;) {
        const int result = getopt_long(argc, argv, tables.letters, tables.known, NULL);
        if (result == -1) {
            break;
        }
        if (result == 'h' || result == tables.help) {
            return print_help(line);
        }
        const espalier_option *const option = find_option(line, result);
        if (option == NULL) {
            return espalier_option_fail(argv[0], result, argv);
        }
        espalier_given given = {argv[0], option, option->value != NULL ? optarg : NULL, NULL};
        int code = take_second(&given, argc, argv);
        code = code == 0 ? option->take(&given, (char *)arguments + option->place) : code;
        if (code != 0) {
            return code;
        }
    }
    const espalier_operands operands = {argc - optind, argv + optind};
    return finish(line, argv[0], &operands, arguments);
}
