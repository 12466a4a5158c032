// SPDX-License-Identifier: Apache-2.0
/*
 * The library's version, and status codes as text. Includes the public header only.
 */
#include "espalier.h"

#define TEXT_OF(x)                        #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *espalier_version(void)
{
    return VERSION_TEXT(ESPALIER_VERSION_MAJOR, ESPALIER_VERSION_MINOR, ESPALIER_VERSION_PATCH);
}

typedef struct status_text {
    espalier_status status;
    const char *name;
    const char *message;
} status_text;

#define STATUS(status, message)  \
    {                            \
        status, #status, message \
    }

static const status_text status_texts[] = {
    STATUS(ESPALIER_OK, "success"),
    STATUS(ESPALIER_ERROR_ARGUMENT, "an argument is NULL or outside its domain"),
    STATUS(ESPALIER_ERROR_OPTIONS, "an option struct has an unknown size or reserved bytes set"),
    STATUS(ESPALIER_ERROR_OUTPUT_KIND, "the model has no such output"),
    STATUS(ESPALIER_ERROR_FEATURE_COUNT, "the rows have another number of features than the model"),
    STATUS(ESPALIER_ERROR_DTYPE, "rows of a dtype other than float32 and float64"),
    STATUS(ESPALIER_ERROR_STRIDE, "counts times strides do not fit the address space"),
    STATUS(ESPALIER_ERROR_OUTPUT_SIZE, "the output buffer is too small"),
    STATUS(ESPALIER_ERROR_MISSING, "a NaN where the trainer refuses NaN"),
    STATUS(ESPALIER_ERROR_INFINITE, "an infinity, or a value beyond float32"),
    STATUS(ESPALIER_ERROR_ISA, "an unknown ISA level, or one this machine lacks"),
    STATUS(ESPALIER_ERROR_OPEN, "the file cannot be opened"),
    STATUS(ESPALIER_ERROR_READ, "the file cannot be read"),
    STATUS(ESPALIER_ERROR_MAP, "the file cannot be mapped"),
    STATUS(ESPALIER_ERROR_WRITE, "the file cannot be written"),
    STATUS(ESPALIER_ERROR_SYNC, "the file cannot be synced to its disk"),
    STATUS(ESPALIER_ERROR_RENAME, "the finished file cannot be renamed to its place"),
    STATUS(ESPALIER_ERROR_HOST, "this host cannot read models (not little-endian IEEE 754)"),
    STATUS(ESPALIER_ERROR_CATEGORY, "a value that is none of the categories the trainer knows"),
    STATUS(ESPALIER_ERROR_NOT_A_MODEL, "not an Espalier file"),
    STATUS(ESPALIER_ERROR_BYTE_ORDER, "an Espalier file with its bytes swapped"),
    STATUS(ESPALIER_ERROR_VERSION, "a newer major version of the format"),
    STATUS(ESPALIER_ERROR_REQUIRED_FEATURE, "the file needs a feature this reader does not know"),
    STATUS(ESPALIER_ERROR_TRUNCATED, "the file is shorter than it says"),
    STATUS(ESPALIER_ERROR_CHECKSUM, "a checksum differs: the file is damaged"),
    STATUS(ESPALIER_ERROR_SECTION, "a section's place, size, alignment or order is wrong"),
    STATUS(ESPALIER_ERROR_SECTION_MISSING, "a section that every model needs is missing"),
    STATUS(ESPALIER_ERROR_VALUE, "a table of the file holds a value that the format forbids"),
    STATUS(ESPALIER_ERROR_INDEX, "a child, column or leaf index is out of its range"),
    STATUS(ESPALIER_ERROR_GOLDEN, "a golden row is not reproduced"),
    STATUS(ESPALIER_ERROR_DIGEST, "a BLAKE2b digest differs"),
    STATUS(ESPALIER_ERROR_SIGNATURE, "not signed by this key, or for another model"),
    STATUS(ESPALIER_ERROR_KEY, "not a key, or a wrong password"),
    STATUS(ESPALIER_ERROR_LIMIT, "a limit of the format or of the options is exceeded"),
    STATUS(ESPALIER_ERROR_MEMORY, "out of memory"),
    STATUS(ESPALIER_ERROR_SOURCE_FORMAT, "not a kind of file the converter reads"),
    STATUS(ESPALIER_ERROR_SOURCE_SYNTAX, "the source is malformed"),
    STATUS(ESPALIER_ERROR_SOURCE_TRUNCATED, "the source ends too early"),
    STATUS(ESPALIER_ERROR_SOURCE_FLAGGED, "the source would run code if it were loaded in Python"),
    STATUS(ESPALIER_ERROR_SOURCE_UNSUPPORTED, "the source holds a model that is not supported"),
    STATUS(ESPALIER_ERROR_SOURCE_AMBIGUOUS, "the source holds several models"),
    STATUS(ESPALIER_ERROR_SOURCE_NONE, "no model inside"),
    STATUS(ESPALIER_ERROR_SOURCE_TREE, "a tree of the source is not a tree"),
    STATUS(ESPALIER_ERROR_SOURCE_LIMIT, "the source is too deep, too large or expands too much"),
    STATUS(ESPALIER_ERROR_PROOF, "the written model does not reproduce its source"),
    STATUS(ESPALIER_ERROR_CHECK, "the trainer's own answers differ"),
    STATUS(ESPALIER_ERROR_BUSY, "another call of this kind runs, or readers are registered"),
    STATUS(ESPALIER_ERROR_DIFFERENT, "other features, classes or outputs than the model served"),
    STATUS(ESPALIER_ERROR_OLDER, "an older version than the one served or wanted"),
    STATUS(ESPALIER_ERROR_STORE, "not a store, or it has no such version"),
};

static const status_text *find_status_text(espalier_status status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof status_texts[0]; i++) {
        if (status_texts[i].status == status) {
            return &status_texts[i];
        }
    }
    return NULL;
}

const char *espalier_status_name(espalier_status status)
{
    const status_text *const text = find_status_text(status);
    return text != NULL ? text->name : "ESPALIER_ERROR_UNKNOWN";
}

const char *espalier_status_message(espalier_status status)
{
    const status_text *const text = find_status_text(status);
    return text != NULL ? text->message : "unknown status";
}
