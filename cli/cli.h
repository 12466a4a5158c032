// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the command share: exit codes, messages, text and JSON output. Files here
 * include the public headers, this folder and libc (JSON: jansson), never another folder.
 * Everything in a model, a saved model or a file name is untrusted: it is printed escaped.
 */
#ifndef ESPALIER_CLI_H
#define ESPALIER_CLI_H

#include "espalier.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    ESPALIER_EXIT_DONE = 0,
    ESPALIER_EXIT_INPUT = 1, /* the input, or the machine, is at fault */
    ESPALIER_EXIT_USAGE = 2
};

/* ---- sub-commands: argv[0] is the sub-command's own name; the exit code is returned ---------- */

int espalier_command_bench(int argc, char **argv);
int espalier_command_convert(int argc, char **argv);
int espalier_command_embed(int argc, char **argv);
int espalier_command_info(int argc, char **argv);
int espalier_command_inspect(int argc, char **argv);
int espalier_command_keygen(int argc, char **argv);
int espalier_command_plot(int argc, char **argv);
int espalier_command_predict(int argc, char **argv);
int espalier_command_show(int argc, char **argv);
int espalier_command_sign(int argc, char **argv);
int espalier_command_store(int argc, char **argv);
int espalier_command_verify(int argc, char **argv);

/* ---- messages (message.c) -------------------------------------------------------------------- */

/* Why something failed: one line, still to be escaped. */
typedef struct espalier_message {
    char text[1024];
} espalier_message;

/* Sets the message; returns false, so that a caller can fail in one line. */
bool espalier_message_set(espalier_message *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints "espalier: text" on standard error, escaped; returns ESPALIER_EXIT_INPUT. */
int espalier_fail(const char *text);

/* The same for what a library call on `path` returned: its message, or the status as a sentence. */
int espalier_fail_status(const char *path, espalier_status status, const espalier_error *error);

/* The same for a wrong command line, with a hint at --help; returns ESPALIER_EXIT_USAGE. */
int espalier_usage_fail(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reports what getopt_long (with opterr 0 and a leading ':') returned for a wrong option. */
int espalier_option_fail(const char *command, int result, char **argv);

/* Flushes standard output. False, and reported, when something could not be written. */
bool espalier_flush_output(void);

/* Whether both paths name the same existing file. */
bool espalier_is_same_file(const char *left, const char *right);

/* ---- models (open_model.c) ------------------------------------------------------------------- */

/*
 * Opens the model at `path` with flags of espalier_open_options; info_out may be NULL. 0, and the
 * model is the caller's to close; otherwise an exit code after a message, and *model_out is NULL.
 */
int espalier_open_model(const char *path, uint64_t open_flags, espalier_model **model_out,
                        espalier_model_info *info_out);

/* ---- text (text.c) --------------------------------------------------------------------------- */

/*
 * Decodes one UTF-8 code point at text[0 .. bytes), bytes at least 1. Returns its length, or 0 when
 * the bytes are not UTF-8 (overlong forms and surrogates included).
 */
size_t espalier_utf8_decode(const char *text, size_t bytes, uint32_t *point_out);

/*
 * Prints untrusted text: control characters, invalid UTF-8 and invisible or direction-changing
 * characters come out as \xNN or \uNNNN. Nothing is left that a terminal obeys.
 */
void espalier_print_escaped(FILE *stream, const char *text, size_t bytes);
void espalier_print_text(FILE *stream, const char *text);

/* "1234567" as "1,234,567". The buffer holds 32 bytes; it is returned. */
char *espalier_format_count(uint64_t count, char *buffer);

/* A size as people say it: "96 bytes", "1.2 MB". The buffer holds 32 bytes; it is returned. */
char *espalier_format_bytes(uint64_t bytes, char *buffer);

/* 32 bytes as hexadecimal; the buffer holds 65 bytes; it is returned. */
char *espalier_format_digest(const uint8_t digest[32], char *buffer);

/*
 * The shortest of %.15g, %.16g, %.17g (float32: %.6g to %.9g) that reads back as the same value;
 * "nan", "inf", "-inf". The buffer holds 32 bytes; it is returned.
 */
char *espalier_format_real(double value, bool is_float32, char *buffer);

/* "probability" and so on; "unknown" for another number. */
const char *espalier_kind_name(uint32_t output_kind);

/* The kind of that name; 0 when there is none. */
uint32_t espalier_kind_from_name(const char *name);

/* "float64" and so on. */
const char *espalier_dtype_name(uint32_t dtype);

/* Reads a whole number of at least one digit that ends at *end_out; false on overflow. */
bool espalier_parse_count(const char *text, uint64_t *count_out, const char **end_out);

/* ---- JSON (text.c) --------------------------------------------------------------------------- */

/* A JSON string of untrusted text: bytes that are not UTF-8 become U+FFFD. */
json_t *espalier_json_text(const char *text, size_t bytes);
json_t *espalier_json_string(const char *text);

/* A count: JSON integers end at 2^63 - 1. */
json_t *espalier_json_count(uint64_t count);

json_t *espalier_json_error(const espalier_error *error);

json_t *espalier_json_proof(const espalier_proof *proof);

/* Prints the value, ASCII only, and takes it; returns the exit code. */
int espalier_json_print(json_t *value);

#endif
