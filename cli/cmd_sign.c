// SPDX-License-Identifier: Apache-2.0
/*
 * espalier keygen and espalier sign. Includes keys.h, espalier_publish.h and libc.
 */
#include "keys.h"

#include <getopt.h>
#include <string.h>

static const char keygen_help[] =
    "Usage: espalier keygen PUBLIC SECRET [--password-file FILE]\n"
    "\n"
    "Makes a key pair for espalier sign, in minisign's format: PUBLIC is for everybody, SECRET\n"
    "for who signs. Files that exist are not replaced.\n"
    "\n"
    "  --password-file FILE  encrypt SECRET by the password in the first line of FILE, or of\n"
    "                        standard input for -; without it SECRET is stored as it is\n"
    "  -h, --help            print this\n"
    "\n"
    "Example:\n"
    "  espalier keygen models.pub models.key\n";

static const char sign_help[] =
    "Usage: espalier sign MODEL --key SECRET [options]\n"
    "\n"
    "Checks the digests of MODEL and writes a signature of all its bytes, and of its digest,\n"
    "size, name and version, to MODEL.minisig. espalier verify --key checks it, and so does\n"
    "minisign -V.\n"
    "\n"
    "  --key SECRET           the secret key's file (needed)\n"
    "  --password-file FILE   its password, as for espalier keygen\n"
    "  --model-name NAME      what the model is for; verify --model-name asks for it\n"
    "  --model-version V      without it, the version in the model's metadata\n"
    "  -o, --out SIGNATURE    where to write\n"
    "  -h, --help             print this\n"
    "\n"
    "Examples:\n"
    "  espalier sign forest.espalier --key models.key --model-name fraud\n"
    "  espalier verify forest.espalier --key models.pub --model-name fraud\n";

enum {
    OPTION_PASSWORD = 256,
    OPTION_KEY,
    OPTION_NAME,
    OPTION_VERSION,
    OPTION_OUT,
    OPTION_HELP
};

/* What both commands take. */
typedef struct sign_arguments {
    const char *key_path;
    const char *password_path;
    const char *model_name;
    const char *model_version;
    const char *signature_path;
    const char *operands[2];
} sign_arguments;

/* Takes the command line with that many operands; false when `code_out` is the end of it. */
static bool take_arguments(int argc, char **argv, const struct option *known, int operand_count,
                           const char *help_text, sign_arguments *arguments, int *code_out)
{
    opterr = 0;
    for (;;) {
        const int option =
            getopt_long(argc, argv, known[0].val == OPTION_KEY ? ":ho:" : ":h", known, NULL);
        if (option == -1) {
            break;
        }
        switch (option) {
        case OPTION_PASSWORD:
            arguments->password_path = optarg;
            break;
        case OPTION_KEY:
            arguments->key_path = optarg;
            break;
        case OPTION_NAME:
            arguments->model_name = optarg;
            break;
        case OPTION_VERSION:
            arguments->model_version = optarg;
            break;
        case 'o':
        case OPTION_OUT:
            arguments->signature_path = optarg;
            break;
        case 'h':
        case OPTION_HELP:
            fputs(help_text, stdout);
            *code_out = espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
            return false;
        default:
            *code_out = espalier_option_fail(argv[0], option, argv);
            return false;
        }
    }
    if (argc - optind != operand_count) {
        *code_out = espalier_usage_fail(argv[0], operand_count == 1
                                                     ? "exactly one MODEL is needed"
                                                     : "a PUBLIC and a SECRET file are needed");
        return false;
    }
    for (int i = 0; i < operand_count; i++) {
        arguments->operands[i] = argv[optind + i];
    }
    return true;
}

int espalier_command_keygen(int argc, char **argv)
{
    static const struct option known[] = {
        {"password-file", required_argument, NULL, OPTION_PASSWORD},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    sign_arguments arguments = {0};
    char password[ESPALIER_PASSWORD_BYTES] = "";
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    int code = ESPALIER_EXIT_DONE;
    if (!take_arguments(argc, argv, known, 2, keygen_help, &arguments, &code)) {
        return code;
    }
    if (arguments.password_path != NULL &&
        !espalier_take_password(arguments.password_path, password)) {
        return ESPALIER_EXIT_INPUT;
    }
    const espalier_status status =
        espalier_key_generate(arguments.operands[0], arguments.operands[1],
                              arguments.password_path != NULL ? password : NULL, &error);
    explicit_bzero(password, sizeof password);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(arguments.operands[1], status, &error);
    }
    espalier_print_text(stdout, arguments.operands[0]);
    fputs(": the public key; give it away\n", stdout);
    espalier_print_text(stdout, arguments.operands[1]);
    fputs(": the secret key; keep it\n", stdout);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}

static bool read_secret(const sign_arguments *arguments, espalier_secret_key *key_out)
{
    char password[ESPALIER_PASSWORD_BYTES] = "";
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    if (arguments->password_path != NULL &&
        !espalier_take_password(arguments->password_path, password)) {
        return false;
    }
    const espalier_status status =
        espalier_secret_key_read(arguments->key_path,
                                 arguments->password_path != NULL ? password : NULL, key_out,
                                 &error);
    explicit_bzero(password, sizeof password);
    if (status != ESPALIER_OK) {
        (void)espalier_fail_status(arguments->key_path, status, &error);
        return false;
    }
    return true;
}

int espalier_command_sign(int argc, char **argv)
{
    static const struct option known[] = {
        {"key", required_argument, NULL, OPTION_KEY},
        {"password-file", required_argument, NULL, OPTION_PASSWORD},
        {"model-name", required_argument, NULL, OPTION_NAME},
        {"model-version", required_argument, NULL, OPTION_VERSION},
        {"out", required_argument, NULL, OPTION_OUT},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    sign_arguments arguments = {0};
    char version[256] = "";
    espalier_secret_key key;
    espalier_error error = {.file_offset = ESPALIER_OFFSET_NONE};
    int code = ESPALIER_EXIT_DONE;
    if (!take_arguments(argc, argv, known, 1, sign_help, &arguments, &code)) {
        return code;
    }
    if (arguments.key_path == NULL) {
        return espalier_usage_fail("sign", "--key SECRET is needed");
    }
    const char *const model_path = arguments.operands[0];
    if (arguments.model_version == NULL) {
        if (!espalier_read_model_version(model_path, version, sizeof version)) {
            return ESPALIER_EXIT_INPUT;
        }
        arguments.model_version = version;
    }
    if (!read_secret(&arguments, &key)) {
        return ESPALIER_EXIT_INPUT;
    }
    const espalier_status status =
        espalier_sign(model_path, &key, arguments.model_name, arguments.model_version,
                      arguments.signature_path, &error);
    espalier_secret_key_wipe(&key);
    if (status != ESPALIER_OK) {
        return espalier_fail_status(model_path, status, &error);
    }
    espalier_print_text(stdout, model_path);
    fputs(": signed\n", stdout);
    return espalier_flush_output() ? ESPALIER_EXIT_DONE : ESPALIER_EXIT_INPUT;
}
