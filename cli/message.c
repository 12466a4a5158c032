// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of the command: one line on standard error, always escaped. Includes cli.h and libc.
 * Never exits by itself.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

bool espalier_message_set(espalier_message *message, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message->text, sizeof message->text, format, arguments);
    va_end(arguments);
    return false;
}

int espalier_fail(const char *text)
{
    fputs("espalier: ", stderr);
    espalier_print_text(stderr, text);
    fputc('\n', stderr);
    return ESPALIER_EXIT_INPUT;
}

int espalier_fail_status(const char *path, espalier_status status, const espalier_error *error)
{
    espalier_message message;
    if (error != NULL && error->message[0] != '\0') {
        return espalier_fail(error->message);
    }
    espalier_message_set(&message, "%s: %s", path, espalier_status_message(status));
    return espalier_fail(message.text);
}

int espalier_usage_fail(const char *command, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    const bool has_command = command[0] != '\0';
    fprintf(stderr, "espalier%s%s: ", has_command ? " " : "", command);
    espalier_print_text(stderr, text);
    fprintf(stderr, " (see: espalier%s%s --help)\n", has_command ? " " : "", command);
    return ESPALIER_EXIT_USAGE;
}

int espalier_option_fail(const char *command, int result, char **argv)
{
    /* optopt: the character of a short option, 256 and up of a long one, 0 of an unknown one. */
    const char *argument = optind > 0 ? argv[optind - 1] : "";
    const bool is_long = optopt == 0 || optopt >= 256;
    if (result == ':') {
        if (is_long) {
            return espalier_usage_fail(command, "option %s needs a value", argument);
        }
        return espalier_usage_fail(command, "option -%c needs a value", optopt);
    }
    if (!is_long) {
        return espalier_usage_fail(command, "unknown option -%c", optopt);
    }
    if (optopt != 0) {
        return espalier_usage_fail(command, "option %s takes no value", argument);
    }
    return espalier_usage_fail(command, "unknown or ambiguous option %s", argument);
}

bool espalier_flush_output(void)
{
    const int flushed = fflush(stdout);
    if (flushed == 0 && !ferror(stdout)) {
        return true;
    }
    espalier_message message;
    espalier_message_set(&message, "standard output: %s", strerror(errno != 0 ? errno : EIO));
    espalier_fail(message.text);
    return false;
}

bool espalier_is_same_file(const char *left, const char *right)
{
    struct stat left_status;
    struct stat right_status;
    /* "-" is standard input or output, whatever file of that name there may be. */
    if (strcmp(left, "-") == 0 || strcmp(right, "-") == 0) {
        return false;
    }
    return stat(left, &left_status) == 0 && stat(right, &right_status) == 0 &&
           left_status.st_dev == right_status.st_dev && left_status.st_ino == right_status.st_ino;
}
