// SPDX-License-Identifier: Apache-2.0
/*
 * Espalier: convert a saved model to an Espalier file, and look into saved models, without Python
 * and without executing anything. Conventions as in espalier.h. Every call may use several hundred
 * milliseconds and memory of a few times the source's size; any thread; no call shares state.
 */
#ifndef ESPALIER_CONVERT_H
#define ESPALIER_CONVERT_H

#include "espalier.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A two-dimensional array of the trainer's answers, C order, native byte order. */
typedef struct espalier_array {
    const void *data;
    char kind;           /* 'f' float, 'i' signed, 'u' unsigned, 'b' bool, 'U' UCS-4 text */
    uint32_t item_bytes; /* 'U': 4 x characters */
    size_t row_count;
    size_t column_count;
} espalier_array;

/* Called now and then by long conversions; done never exceeds total. */
typedef void espalier_progress(void *context, const char *what, uint64_t done, uint64_t total);

typedef struct espalier_meta {
    const char *key;
    const char *value; /* UTF-8 text */
} espalier_meta;

/* Flags of espalier_convert_options. */
enum {
    /* Go on when the source names something that would run code in Python; it is never run here. */
    ESPALIER_CONVERT_ALLOW_FLAGGED = 1u << 0
};

typedef struct espalier_convert_options {
    size_t struct_bytes;
    uint64_t flags;
    const char *select;        /* path of the model inside the source, as ["model"][0]; or NULL */
    const espalier_meta *meta; /* added to the metadata under "user" */
    size_t meta_count;
    const char *model_version;       /* stored as metadata "model_version", or NULL */
    uint64_t memory_bytes_max;       /* working memory; 0: 64 MiB + 4 x the uncompressed source */
    uint64_t expanded_bytes_max;     /* decompressed source; 0: 100 x the file, at least
                                        64 MiB and at most 16 GiB */
    const espalier_rows *check_rows; /* with check_expected: compare with the trainer */
    const espalier_array *check_expected; /* predict_proba, predict or apply of those rows */
    espalier_progress *progress;          /* or NULL */
    void *progress_context;
    uint32_t layout; /* espalier_layout; LIMIT when it cannot hold the model */
    uint32_t reserved0;
    const double *missing; /* XGBoost: what else than NaN means missing, as DMatrix(missing=) says
                              and no file keeps; NULL: as the source says */
    const char
        *categorical; /* LightGBM: the columns of the data frame that pandas had as categories,
                                ordered ones too, names or numbers as "pclass,sex", where the file
                                leaves open which they are; or NULL */
    uint64_t reserved[2];
} espalier_convert_options;

#define ESPALIER_CONVERT_OPTIONS_INIT                                                              \
    {                                                                                              \
        sizeof(espalier_convert_options), 0, NULL, NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, 0, \
            0, NULL, NULL,                                                                         \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }

/* What a conversion did. */
typedef struct espalier_convert_report {
    uint64_t source_bytes;
    uint64_t model_bytes;
    espalier_proof proof;
    char summary[256]; /* one line, for people */
} espalier_convert_report;

/*
 * Reads the saved model at source_path and publishes an Espalier file at model_path: written to a
 * temporary file in the same folder, opened again, golden rows compared with a plain evaluation of
 * the source's forest, synced and renamed. On failure model_path is as it was before.
 * options and report_out may be NULL.
 * Status: ARGUMENT, OPTIONS, the system, SOURCE_*, LIMIT, MEMORY, PROOF, CHECK.
 */
ESPALIER_API espalier_status espalier_convert(const char *source_path, const char *model_path,
                                              const espalier_convert_options *options,
                                              espalier_convert_report *report_out,
                                              espalier_error *error_out);

/*
 * The same for the bytes of such a file, source_bytes of them, for example a model that was
 * pickled in memory. They stay the caller's, unchanged, and are read during the call only.
 * source_name stands for the path in messages; the model is the same, byte for byte, as from a
 * file of these bytes.
 */
ESPALIER_API espalier_status espalier_convert_memory(const void *source, size_t source_bytes,
                                                     const char *source_name,
                                                     const char *model_path,
                                                     const espalier_convert_options *options,
                                                     espalier_convert_report *report_out,
                                                     espalier_error *error_out);

/* ---------------------------------------------------------------------------------------------
 * Looking into a saved model
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_source espalier_source;

/* How a name in a pickle is treated. */
typedef enum espalier_name_policy {
    ESPALIER_NAME_INTERPRETED = 1, /* known; read as data */
    ESPALIER_NAME_OPAQUE = 2,      /* unknown; kept as an inert node */
    ESPALIER_NAME_FLAGGED = 3      /* has no business in a model; stops a conversion */
} espalier_name_policy;

/* A name that loading the file in Python would import, and whether it would be called. */
typedef struct espalier_source_name {
    const char *module;
    const char *name;
    uint64_t first_offset; /* bytes from the start of the uncompressed stream */
    uint64_t import_count;
    uint64_t call_count; /* how often it would be called */
    uint32_t policy;     /* espalier_name_policy */
    uint32_t reserved;
    const char *call_text; /* flagged: what the first call would have run; else NULL */
} espalier_source_name;

/* A model found inside. */
typedef struct espalier_source_estimator {
    const char *path;       /* what select takes; "" for the file's own top */
    const char *class_name; /* "sklearn.ensemble._forest.RandomForestClassifier" */
    const char *version;    /* the trainer's, "" when the file does not say */
    uint32_t supported;
    uint32_t reserved;
} espalier_source_estimator;

/*
 * Reads a saved model as data and lists every name it would import or call, without doing so, and
 * the models inside. Flagged names are listed, not refused. Free with espalier_source_close; all
 * strings are valid until then, UTF-8 with control characters escaped.
 * Status: ARGUMENT, OPTIONS, the system, SOURCE_FORMAT/SYNTAX/TRUNCATED/LIMIT, MEMORY.
 */
ESPALIER_API espalier_status espalier_source_open(const char *path,
                                                  const espalier_convert_options *options,
                                                  espalier_source **source_out,
                                                  espalier_error *error_out);
ESPALIER_API void espalier_source_close(espalier_source *source);

/* The kind of file, for example "joblib, protocol 4, zlib". */
ESPALIER_API const char *espalier_source_format(const espalier_source *source);
ESPALIER_API uint64_t espalier_source_bytes(const espalier_source *source);
/* Bytes after decompression, and bytes left after the end of the pickle. */
ESPALIER_API uint64_t espalier_source_expanded_bytes(const espalier_source *source);
ESPALIER_API uint64_t espalier_source_trailing_bytes(const espalier_source *source);

ESPALIER_API size_t espalier_source_name_count(const espalier_source *source);
ESPALIER_API espalier_status espalier_source_name_get(const espalier_source *source, size_t index,
                                                      espalier_source_name *name_out);
ESPALIER_API size_t espalier_source_estimator_count(const espalier_source *source);
ESPALIER_API espalier_status espalier_source_estimator_get(
    const espalier_source *source, size_t index, espalier_source_estimator *estimator_out);

#ifdef __cplusplus
}
#endif

#endif
