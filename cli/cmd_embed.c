// SPDX-License-Identifier: Apache-2.0
/*
 * espalier embed: a model as an object file or C source, and a header with the one function that
 * opens it. Includes elf_object.h, command_line.h, output.h, espalier.h and libc. The model is
 * verified first; what was verified is what is copied.
 */
#include "command_line.h"
#include "elf_object.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help_head[] =
    "Usage: espalier embed MODEL -o FILE [options]\n"
    "\n"
    "Turns a model into an object file (.o) or C source (.c) to link with a program, and writes\n"
    "a header of the same name beside it, with the function that opens the model: NAME_open.\n"
    "Nothing is copied when it is opened; the program's own pages are predicted from.\n"
    "\n";

static const char help_tail[] = "\n"
                                "Examples:\n"
                                "  espalier embed forest.espalier -o forest.o\n"
                                "  cc main.c forest.o $(pkg-config --cflags --libs espalier)\n";

enum {
    NAME_BYTES = 128,
    COPY_BYTES = 1 << 16
};

/* Where a program that is linked as usual reaches its data: with a reserve below 2 GiB. */
#define DATA_BYTES_MAX UINT64_C(2000000000)

typedef struct embed_options {
    const char *model_path;
    const char *out_path;
    const char *machine_name;
    char name[NAME_BYTES];
    uint32_t machine;
    bool is_object;
} embed_options;

/* ---- options --------------------------------------------------------------------------------- */

static bool is_name_letter(char letter, bool is_first)
{
    return letter == '_' || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (!is_first && letter >= '0' && letter <= '9');
}

static int take_name(const espalier_given *given, void *place)
{
    const char *const name = given->value;
    size_t length = 0;
    while (is_name_letter(name[length], length == 0)) {
        length++;
    }
    if (length == 0 || name[length] != '\0' || length >= NAME_BYTES) {
        return espalier_given_fail(given, "is no name of C");
    }
    memcpy(place, name, length + 1);
    return 0;
}

/* The name of the file without folder and ending, what is no name of C as underscores. */
static void derive_name(embed_options *options)
{
    const char *const slash = strrchr(options->out_path, '/');
    const char *const base = slash != NULL ? slash + 1 : options->out_path;
    size_t length = strlen(base) - 2;
    length = length < NAME_BYTES - 2 ? length : NAME_BYTES - 2;
    for (size_t i = 0; i < length; i++) {
        options->name[i] = '_';
        if (is_name_letter(base[i], i == 0)) {
            options->name[i] = base[i];
        }
    }
    options->name[length] = '\0';
}

static int find_machine(embed_options *options)
{
    const char *name = options->machine_name;
#if defined(__x86_64__)
    name = name != NULL ? name : "x86-64";
#elif defined(__aarch64__)
    name = name != NULL ? name : "aarch64";
#endif
    if (name != NULL && strcmp(name, "x86-64") == 0) {
        options->machine = ESPALIER_ELF_X86_64;
    } else if (name != NULL && strcmp(name, "aarch64") == 0) {
        options->machine = ESPALIER_ELF_AARCH64;
    } else {
        return espalier_usage_fail("embed",
                                   "--machine '%s' is neither x86-64 nor aarch64: "
                                   "write C source instead",
                                   name != NULL ? name : "");
    }
    return 0;
}

/* Beside the object or source, with the ending .h; to be freed. NULL: no memory. */
static char *header_path(const embed_options *options)
{
    char *const path = strdup(options->out_path);
    if (path != NULL) {
        path[strlen(path) - 1] = 'h';
    }
    return path;
}

/* A file that is written is not the model. */
static int check_written(const embed_options *options, const char *path)
{
    return espalier_is_same_file(path, options->model_path)
               ? espalier_usage_fail("embed", "'%s' is both input and output", path)
               : 0;
}

static int check_options(void *arguments, const espalier_operands *operands)
{
    embed_options *const options = arguments;
    (void)operands;
    if (options->out_path[0] == '\0') {
        return espalier_usage_fail("embed", "-o FILE is needed");
    }
    const char *const slash = strrchr(options->out_path, '/');
    const char *const base = slash != NULL ? slash + 1 : options->out_path;
    const size_t length = strlen(base);
    const bool has_ending = length > 2 && base[length - 2] == '.';
    if (!has_ending || (base[length - 1] != 'o' && base[length - 1] != 'c')) {
        return espalier_usage_fail("embed", "'%s' ends neither in .o nor in .c", options->out_path);
    }
    options->is_object = base[length - 1] == 'o';
    if (options->name[0] == '\0') {
        derive_name(options);
    }
    const int code = check_written(options, options->out_path);
    if (code != 0) {
        return code;
    }
    char *const header = header_path(options);
    if (header == NULL) {
        return espalier_fail("not enough memory");
    }
    const int header_code = check_written(options, header);
    free(header);
    if (header_code != 0) {
        return header_code;
    }
    return options->is_object ? find_machine(options) : 0;
}

static const espalier_option known[] = {
    {"out", "FILE", "where to write: .o is an ELF object, .c is C source",
     offsetof(embed_options, out_path), .take = espalier_take_text, .letter = 'o'},
    {"name", "NAME", "what the function and the data are called (default: from FILE)",
     offsetof(embed_options, name), .take = take_name},
    {"machine", "NAME", "of .o: x86-64 or aarch64 (default: this machine)",
     offsetof(embed_options, machine_name), .take = espalier_take_text},
};

static const espalier_command_line command_line = {
    ESPALIER_COMMAND(help_head, help_tail, known, 21),
    .operand = "MODEL",
    .operand_place = offsetof(embed_options, model_path),
    .check = check_options,
};

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct embed_source {
    int descriptor;
    uint64_t file_bytes;
    uint64_t data_bytes; /* with the padding that bounds every child index: never copied */
    uint8_t digest[32];
} embed_source;

/* The next bytes of the model, zeros behind its end. */
static bool read_data(const embed_source *source, uint64_t offset, unsigned char *bytes,
                      size_t count, espalier_message *message)
{
    size_t filled = 0;
    memset(bytes, 0, count);
    while (filled < count && offset + filled < source->file_bytes) {
        const ssize_t got =
            pread(source->descriptor, bytes + filled, count - filled, (off_t)(offset + filled));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return espalier_message_set(message, "the model became shorter: %s",
                                        got < 0 ? strerror(errno) : "end of file");
        }
        filled += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_object(const embed_options *options, const embed_source *source, FILE *stream,
                         espalier_message *message)
{
    unsigned char bytes[COPY_BYTES];
    espalier_elf_begin(stream, options->machine, options->name, source->data_bytes);
    for (uint64_t at = 0; at < source->data_bytes; at += sizeof bytes) {
        const uint64_t left = source->data_bytes - at;
        const size_t count = left < sizeof bytes ? (size_t)left : sizeof bytes;
        if (!read_data(source, at, bytes, count, message)) {
            return false;
        }
        fwrite(bytes, 1, count, stream);
    }
    espalier_elf_end(stream, options->name, source->data_bytes);
    return true;
}

/* Words, which compilers read several times faster than bytes; behind the file all is zero. */
static bool write_source(const embed_options *options, const embed_source *source, FILE *stream,
                         espalier_message *message)
{
    unsigned char bytes[COPY_BYTES];
    fprintf(stream,
            "/* Made by espalier embed. */\n"
            "#include <stdint.h>\n\n"
            "_Alignas(4096) const uint64_t %s_data[%" PRIu64 "] = {\n",
            options->name, (source->data_bytes + 7) / 8);
    for (uint64_t at = 0; at < source->file_bytes; at += sizeof bytes) {
        const uint64_t left = source->file_bytes - at;
        const size_t count = left < sizeof bytes ? (size_t)left : sizeof bytes;
        if (!read_data(source, at, bytes, sizeof bytes, message)) {
            return false;
        }
        for (size_t i = 0; i < count; i += 8) {
            uint64_t word = 0;
            for (size_t k = 8; k-- > 0;) {
                word = word << 8 | bytes[i + k];
            }
            fprintf(stream, "0x%" PRIx64 "u,%s", word, i / 8 % 5 == 4 ? "\n" : "");
        }
    }
    fprintf(stream, "\n};\nconst uint64_t %s_data_bytes = %" PRIu64 ";\n", options->name,
            source->data_bytes);
    return true;
}

static void write_header(const embed_options *options, const embed_source *source, FILE *stream)
{
    char digest[65];
    const char *const name = options->name;
    espalier_format_digest(source->digest, digest);
    fprintf(stream,
            "/* Made by espalier embed: a model of %" PRIu64 " bytes, digest\n * %s. */\n"
            "#ifndef ESPALIER_EMBEDDED_%s_H\n#define ESPALIER_EMBEDDED_%s_H\n\n"
            "#include <espalier.h>\n\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
            "extern const uint64_t %s_data[];\n"
            "extern const uint64_t %s_data_bytes;\n\n",
            source->file_bytes, digest, name, name, name, name);
    fprintf(stream,
            "/* As espalier_model_open_memory, which says what the arguments and results are. */\n"
            "static inline espalier_status %s_open(const espalier_open_options *options,\n"
            "                                      espalier_model **model_out,\n"
            "                                      espalier_error *error_out)\n"
            "{\n"
            "    return espalier_model_open_memory(%s_data, (size_t)%s_data_bytes, options,\n"
            "                                      model_out, error_out);\n"
            "}\n\n"
            "#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
            name, name, name);
}

typedef bool (*embed_writer)(const embed_options *options, const embed_source *source, FILE *stream,
                             espalier_message *message);

static bool header_writer(const embed_options *options, const embed_source *source, FILE *stream,
                          espalier_message *message)
{
    (void)message;
    write_header(options, source, stream);
    return true;
}

static bool write_file(const char *path, embed_writer write, const embed_options *options,
                       const embed_source *source, espalier_message *message)
{
    espalier_output output;
    if (!espalier_output_open(&output, path, message) ||
        !write(options, source, output.stream, message)) {
        espalier_output_discard(&output);
        return false;
    }
    return espalier_output_commit(&output, message);
}

static bool write_all(const embed_options *options, const embed_source *source,
                      espalier_message *message)
{
    char *const header = header_path(options);
    if (header == NULL) {
        return espalier_message_set(message, "not enough memory");
    }
    const bool ok = write_file(header, header_writer, options, source, message) &&
                    write_file(options->out_path, options->is_object ? write_object : write_source,
                               options, source, message);
    free(header);
    return ok;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Opens and verifies; what is read later comes from the same descriptor. */
static int open_source(const embed_options *options, embed_source *source)
{
    espalier_message message;
    espalier_error error = {0};
    espalier_model *model = NULL;
    espalier_open_options open_options = ESPALIER_OPEN_OPTIONS_INIT;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    open_options.flags = ESPALIER_OPEN_VERIFY;
    source->descriptor = open(options->model_path, O_RDONLY | O_CLOEXEC);
    if (source->descriptor < 0) {
        espalier_message_set(&message, "%s: %s", options->model_path, strerror(errno));
        return espalier_fail(message.text);
    }
    const espalier_status status =
        espalier_model_open_fd(source->descriptor, &open_options, &model, &error);
    if (status != ESPALIER_OK) {
        espalier_message_set(&message, "%s: %.900s", options->model_path, error.message);
        return espalier_fail(error.message[0] != '\0' ? message.text
                                                      : espalier_status_message(status));
    }
    espalier_model_info_get(model, &info);
    espalier_model_close(model);
    source->file_bytes = info.file_bytes;
    source->data_bytes = info.mapped_bytes > info.file_bytes ? info.mapped_bytes : info.file_bytes;
    memcpy(source->digest, info.root_digest, sizeof source->digest);
    if (source->data_bytes > DATA_BYTES_MAX) {
        espalier_message_set(&message,
                             "%s: has %" PRIu64 " bytes with its padding; programs hold "
                             "up to %" PRIu64,
                             options->model_path, source->data_bytes, DATA_BYTES_MAX);
        return espalier_fail(message.text);
    }
    return 0;
}

int espalier_command_embed(int argc, char **argv)
{
    embed_options options = {.model_path = "", .out_path = ""};
    embed_source source = {.descriptor = -1};
    espalier_message message;
    int code = espalier_options_read(&command_line, argc, argv, &options);
    if (code != ESPALIER_GO_ON) {
        return code;
    }
    code = open_source(&options, &source);
    if (code == 0 && !write_all(&options, &source, &message)) {
        code = espalier_fail(message.text);
    }
    if (source.descriptor >= 0) {
        close(source.descriptor);
    }
    return code;
}
