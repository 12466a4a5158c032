// SPDX-License-Identifier: Apache-2.0
/*
 * Espalier: predict with tree ensembles straight from a memory-mapped file.
 *
 *     espalier_model *model;
 *     espalier_predictor *predictor;
 *     espalier_error error;
 *     if (espalier_model_open("forest.espalier", NULL, &model, &error) != ESPALIER_OK)
 *         return fail(error.message);
 *     if (espalier_predictor_create(model, NULL, &predictor) != ESPALIER_OK)
 *         return fail("no predictor");
 *     float x[4] = {5.1f, 3.5f, 1.4f, 0.2f};
 *     double probability[3];
 *     espalier_rows rows = espalier_rows_float32(x, 1, 4);
 *     espalier_outputs outputs = {.data = probability, .data_bytes = sizeof probability};
 *     status = espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs);
 *     espalier_predictor_destroy(predictor);
 *     espalier_model_close(model);
 *
 * Conventions, said once:
 *  - Every function that can fail returns an espalier_status; 0 is success. On failure the `_out`
 *    pointers are untouched and nothing is left open, unless a comment says otherwise.
 *  - `error_out` may be NULL everywhere and means something only after a failure. Nothing is
 *    printed; there is no hidden last error; the library starts no threads, installs no signal
 *    handlers and writes no globals, but for a word that remembers what the CPU can do.
 *  - A model is immutable: any number of threads may use one. A predictor belongs to one thread at
 *    a time. Close a model after its predictors.
 *  - espalier_predict never allocates, locks or makes a system call; pages of the model and of the
 *    predictor that are touched for the first time are faulted in.
 *  - Option structs start with their own size: initialise them with the macros below, so that an
 *    older caller keeps working with a newer library. Reserved bytes must be zero.
 *  - `_count` counts elements, `_bytes` bytes, `_index` starts at zero, `_stride` is in elements.
 *
 * Caveats of a mapped file:
 *  - A process that truncates the file while it is mapped, or a disk or network file system that
 *    fails, makes the next touch of a lost page fault (SIGBUS). Replace a model by renaming a new
 *    file over it, as the converter does; never write to it in place. ESPALIER_OPEN_COPY keeps a
 *    private copy instead.
 *  - mlockall(MCL_FUTURE) wants MCL_ONFAULT: an open may reserve address space it never touches.
 *  - Flush-to-zero, denormals-are-zero or unmasked floating-point traps in the calling thread void
 *    the promise of bit-exact answers.
 */
#ifndef ESPALIER_H
#define ESPALIER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(ESPALIER_STATIC) || !defined(__GNUC__)
#define ESPALIER_API
#else
#define ESPALIER_API __attribute__((visibility("default")))
#endif

/* ---------------------------------------------------------------------------------------------
 * Version
 * ------------------------------------------------------------------------------------------- */

#define ESPALIER_VERSION_MAJOR 0
#define ESPALIER_VERSION_MINOR 1
#define ESPALIER_VERSION_PATCH 0

/* The newest file format this header's library reads; see docs/format.md. */
#define ESPALIER_FORMAT_MAJOR 1
#define ESPALIER_FORMAT_MINOR 0

/* The version of the linked library as "major.minor.patch", a constant string. */
ESPALIER_API const char *espalier_version(void);

/* ---------------------------------------------------------------------------------------------
 * Status and error
 * ------------------------------------------------------------------------------------------- */

/* One value per cause that a caller may treat differently. Numbers are never reused. */
typedef enum espalier_status {
    ESPALIER_OK = 0,

    /* The call. */
    ESPALIER_ERROR_ARGUMENT = 10,      /* NULL or a value outside its domain */
    ESPALIER_ERROR_OPTIONS = 11,       /* option struct of unknown size, or reserved bytes set */
    ESPALIER_ERROR_OUTPUT_KIND = 12,   /* the model has no such output */
    ESPALIER_ERROR_FEATURE_COUNT = 13, /* rows have another number of features than the model */
    ESPALIER_ERROR_DTYPE = 14,         /* rows or outputs of a dtype this call does not take */
    ESPALIER_ERROR_STRIDE = 15,        /* counts times strides do not fit the address space */
    ESPALIER_ERROR_OUTPUT_SIZE = 16,   /* the output buffer is too small */
    ESPALIER_ERROR_MISSING = 17,       /* a NaN where the trainer refuses NaN */
    ESPALIER_ERROR_INFINITE = 18, /* infinity, or beyond float32 where the trainer casts to it */
    ESPALIER_ERROR_ISA = 19,      /* unknown ISA level, or one this machine lacks */

    /* The system. */
    ESPALIER_ERROR_OPEN = 20,
    ESPALIER_ERROR_READ = 21,
    ESPALIER_ERROR_MAP = 22,
    ESPALIER_ERROR_WRITE = 23,
    ESPALIER_ERROR_SYNC = 24,
    ESPALIER_ERROR_RENAME = 25,
    ESPALIER_ERROR_HOST = 26, /* this host cannot read models: big-endian, or not IEEE 754 */

    /* The caller's rows, continued. */
    ESPALIER_ERROR_CATEGORY = 30, /* a value that is none of the categories the trainer knows */

    /* The model file. */
    ESPALIER_ERROR_NOT_A_MODEL = 40,
    ESPALIER_ERROR_BYTE_ORDER = 41,
    ESPALIER_ERROR_VERSION = 42,
    ESPALIER_ERROR_REQUIRED_FEATURE = 43,
    ESPALIER_ERROR_TRUNCATED = 44,
    ESPALIER_ERROR_CHECKSUM = 45,
    ESPALIER_ERROR_SECTION = 46, /* a section's place, size, alignment or order is wrong */
    ESPALIER_ERROR_SECTION_MISSING = 47,
    ESPALIER_ERROR_VALUE = 48,     /* a field of a table holds a value the format forbids */
    ESPALIER_ERROR_INDEX = 49,     /* verify: a child, column or leaf index out of its range */
    ESPALIER_ERROR_GOLDEN = 50,    /* verify: a golden row is not reproduced */
    ESPALIER_ERROR_DIGEST = 51,    /* publish: a BLAKE2b digest differs */
    ESPALIER_ERROR_SIGNATURE = 52, /* publish: not signed by this key, or for another model */
    ESPALIER_ERROR_KEY = 53,       /* publish: not a key, or a wrong password */

    /* Limits and memory. */
    ESPALIER_ERROR_LIMIT = 60,
    ESPALIER_ERROR_MEMORY = 70,

    /* The source of a conversion. */
    ESPALIER_ERROR_SOURCE_FORMAT = 80,      /* not a kind of file the converter reads */
    ESPALIER_ERROR_SOURCE_SYNTAX = 81,      /* malformed */
    ESPALIER_ERROR_SOURCE_TRUNCATED = 82,   /* ends too early */
    ESPALIER_ERROR_SOURCE_FLAGGED = 83,     /* would run code if it were loaded in Python */
    ESPALIER_ERROR_SOURCE_UNSUPPORTED = 84, /* a model of a kind that is not supported */
    ESPALIER_ERROR_SOURCE_AMBIGUOUS = 85,   /* several models: choose one with select */
    ESPALIER_ERROR_SOURCE_NONE = 86,        /* no model inside, or none at the selected path */
    ESPALIER_ERROR_SOURCE_TREE = 87,        /* a tree that is not a tree, or its numbers lie */
    ESPALIER_ERROR_SOURCE_LIMIT = 88,       /* too deep, too large, or expands too much */
    ESPALIER_ERROR_PROOF = 89,              /* the written model does not reproduce its forest */
    ESPALIER_ERROR_CHECK = 90,              /* the trainer's own answers differ */

    /* Slots and stores. */
    ESPALIER_ERROR_BUSY = 100,      /* another call of this kind runs, or readers are registered */
    ESPALIER_ERROR_DIFFERENT = 101, /* other features, classes or outputs than the model served */
    ESPALIER_ERROR_OLDER = 102,     /* a version below the one served, or below the least wanted */
    ESPALIER_ERROR_STORE = 103      /* not a store, or it has no such version */
} espalier_status;

#define ESPALIER_OFFSET_NONE UINT64_MAX

/*
 * What went wrong, filled by calls that read files. The message is one line without a line end
 * that names the file, the place and the cause, in UTF-8 if the file's name is. Control characters
 * become question marks; a message that is too long loses its middle.
 */
typedef struct espalier_error {
    espalier_status status;
    int system_errno;     /* errno of the failed system call, or 0 */
    uint64_t file_offset; /* bytes from the file start, or ESPALIER_OFFSET_NONE */
    uint32_t format_rule; /* n of rule [F-n] in docs/format.md, or 0 */
    uint32_t reserved;
    char message[496];
} espalier_error;

/* The status as its enum name ("ESPALIER_ERROR_TRUNCATED"); "ESPALIER_ERROR_UNKNOWN" if unknown. */
ESPALIER_API const char *espalier_status_name(espalier_status status);

/* The status as a sentence in English; a constant string, never NULL. */
ESPALIER_API const char *espalier_status_message(espalier_status status);

/* ---------------------------------------------------------------------------------------------
 * Model
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_model espalier_model;

/* Flags of espalier_open_options. */
enum {
    ESPALIER_OPEN_COPY = 1u << 0,   /* read the file into private memory instead of mapping it */
    ESPALIER_OPEN_VERIFY = 1u << 1, /* as espalier_model_verify before the call returns */
    /* Fault all pages in before the call returns; a page that cannot be read is an error here
     * instead of a signal later. O(file). Status: MAP. */
    ESPALIER_OPEN_PREFAULT = 1u << 2,
    /* Fault all pages in and lock them in memory (RLIMIT_MEMLOCK applies). Status: MAP. */
    ESPALIER_OPEN_LOCK = 1u << 3,
    /* A private copy on transparent huge pages, where the kernel grants them; implies COPY. */
    ESPALIER_OPEN_HUGE_PAGES = 1u << 4
};

typedef struct espalier_open_options {
    size_t struct_bytes;
    uint64_t flags;
    uint64_t visits_per_row_max; /* refuse models whose tree depths add up to more; 0: 2^22 */
    uint64_t reserved[5];
} espalier_open_options;

#define ESPALIER_OPEN_OPTIONS_INIT           \
    {                                        \
        sizeof(espalier_open_options), 0, 0, \
        {                                    \
            0, 0, 0, 0, 0                    \
        }                                    \
    }

/*
 * Opens the model file at `path` (a NUL-terminated file name) by mapping it.
 * options: NULL for defaults. On success *model_out is a model to be freed with
 * espalier_model_close. Safe for any bytes in the file: either a precise error, or predictions from
 * the model stay inside it. Cost: a few system calls, independent of the number of nodes.
 * Status: ARGUMENT, OPTIONS, OPEN, READ, MAP, HOST, LIMIT, MEMORY, all of "the model file" but
 * DIGEST; INDEX and GOLDEN need ESPALIER_OPEN_VERIFY.
 */
ESPALIER_API espalier_status espalier_model_open(const char *path,
                                                 const espalier_open_options *options,
                                                 espalier_model **model_out,
                                                 espalier_error *error_out);

/*
 * The same for an open file descriptor of a regular file or a sealed memfd: what was verified is
 * what is mapped. The descriptor stays the caller's and may be closed once the call returns.
 */
ESPALIER_API espalier_status espalier_model_open_fd(int descriptor,
                                                    const espalier_open_options *options,
                                                    espalier_model **model_out,
                                                    espalier_error *error_out);

/*
 * The same for a model in memory (embedded in a binary, for example). `data` is 64-byte aligned and
 * must stay readable until the model is closed; what lies behind the model, up to data_bytes, is
 * its padding: a model that was not verified may lead there. If data_bytes is not long enough to
 * bound every child index (docs/format.md, "The child index bound"), or ESPALIER_OPEN_COPY is set,
 * the bytes are copied to private memory once.
 */
ESPALIER_API espalier_status espalier_model_open_memory(const void *data, size_t data_bytes,
                                                        const espalier_open_options *options,
                                                        espalier_model **model_out,
                                                        espalier_error *error_out);

/*
 * The same for the current version of a store, the folder that `espalier store` publishes to
 * (espalier_publish.h). *version_out (may be NULL) is its number. Looks again when the version is
 * replaced and removed meanwhile. Status: as espalier_model_open, and STORE.
 */
ESPALIER_API espalier_status espalier_model_open_store(const char *folder,
                                                       const espalier_open_options *options,
                                                       espalier_model **model_out,
                                                       uint64_t *version_out,
                                                       espalier_error *error_out);

/*
 * Copies the file behind a descriptor to a new memory file that nobody can change, shorten or
 * extend any more (a sealed memfd), to be verified and then opened with espalier_model_open_fd.
 * The caller closes both. Linux only. O(file). Status: ARGUMENT, OPEN, READ, TRUNCATED, WRITE, MAP
 * (the system has none).
 */
ESPALIER_API espalier_status espalier_seal_copy(int descriptor, int *sealed_out,
                                                espalier_error *error_out);

/* Unmaps and frees. NULL is allowed. Every predictor of the model must be destroyed before. */
ESPALIER_API void espalier_model_close(espalier_model *model);

/*
 * Reads the whole file and checks that its bytes are the right ones: section checksums, padding,
 * every child, column and leaf index, node numbers, and that the golden rows are reproduced; no
 * digests, see espalier_publish.h. Allocates scratch. O(file), and a prediction per golden row,
 * which in a file made for it can be far more. Any thread.
 * Status: CHECKSUM, SECTION, VALUE, INDEX, GOLDEN, MEMORY.
 */
ESPALIER_API espalier_status espalier_model_verify(const espalier_model *model,
                                                   espalier_error *error_out);

typedef enum espalier_output_kind {
    ESPALIER_OUTPUT_MARGIN = 1,      /* decision function, before the link */
    ESPALIER_OUTPUT_PROBABILITY = 2, /* predict_proba: one per class; of a label that is there or
                                        not, one */
    ESPALIER_OUTPUT_CLASS = 3, /* predict of a classifier: int32 index into the class labels */
    ESPALIER_OUTPUT_VALUE = 4, /* predict of a regressor, and of a Booster of any kind */
    ESPALIER_OUTPUT_LEAF = 5,  /* apply: int64, the trainer's node number; every tree, whatever
                                        the iteration range */
    ESPALIER_OUTPUT_SCORE = 6  /* anomaly score */
} espalier_output_kind;

typedef enum espalier_dtype {
    ESPALIER_DTYPE_FLOAT32 = 1,
    ESPALIER_DTYPE_FLOAT64 = 2,
    ESPALIER_DTYPE_INT32 = 3,
    ESPALIER_DTYPE_INT64 = 4,
    /* Only of what espalier_predict_columns reads. */
    ESPALIER_DTYPE_INT8 = 5,
    ESPALIER_DTYPE_INT16 = 6,
    ESPALIER_DTYPE_UINT8 = 7,
    ESPALIER_DTYPE_UINT16 = 8,
    ESPALIER_DTYPE_UINT32 = 9,
    ESPALIER_DTYPE_UINT64 = 10,
    ESPALIER_DTYPE_BOOL = 11,     /* a byte each, false where it is 0 */
    ESPALIER_DTYPE_BOOL_BIT = 12, /* a bit each, least significant first (Arrow's boolean) */
    ESPALIER_DTYPE_STRING32 = 13, /* UTF-8, int32 offsets (Arrow's utf8) */
    ESPALIER_DTYPE_STRING64 = 14  /* UTF-8, int64 offsets (Arrow's large_utf8) */
} espalier_dtype;

/* How the model's bytes are held. */
typedef enum espalier_mapping {
    ESPALIER_MAPPING_FILE = 1,     /* the file mapped, long enough by itself */
    ESPALIER_MAPPING_RESERVED = 2, /* the file mapped at the start of a larger reserved range */
    ESPALIER_MAPPING_COPY = 3,     /* a private copy */
    ESPALIER_MAPPING_CALLER = 4,   /* the caller's memory */
    ESPALIER_MAPPING_CLAMPED = 5   /* no address space for more: slower kernels bound every child */
} espalier_mapping;

/* How the trees of a part lie in the file, docs/format.md. */
typedef enum espalier_layout {
    ESPALIER_LAYOUT_ANY = 0, /* options: the converter chooses */
    ESPALIER_LAYOUT_WALK = 1,
    ESPALIER_LAYOUT_HEAP = 2,   /* mask, complete trees */
    ESPALIER_LAYOUT_SELECT = 3, /* mask, trees of any shape */
    ESPALIER_LAYOUT_BITS = 4,   /* mask, trees of any shape with up to 32 leaves */
    ESPALIER_LAYOUT_MASK = 255  /* options: HEAP, SELECT or BITS, whichever fits */
} espalier_layout;

typedef struct espalier_model_info {
    size_t struct_bytes; /* set by the caller (ESPALIER_MODEL_INFO_INIT) */
    uint64_t file_bytes;
    uint64_t mapped_bytes;   /* address space, reservation included */
    uint64_t node_count;     /* the trainer's nodes, leaves included */
    uint64_t leaf_count;     /* rows of the parts' leaf tables */
    uint64_t visits_per_row; /* sum of the trees' depths: the most nodes one row can visit */
    uint32_t format_major;
    uint32_t format_minor;
    uint32_t feature_count;
    uint32_t column_count; /* what nodes test, computed from features; the leaf column included */
    uint32_t tree_count;
    uint32_t part_count;
    uint32_t depth_max;
    uint32_t output_count;     /* the trainer's outputs (n_outputs_) */
    uint32_t default_output;   /* espalier_output_kind of the trainer's own predict */
    uint32_t missing_allowed;  /* 1: NaN means missing; 0: the trainer refuses NaN, and so do we */
    uint32_t mapping;          /* espalier_mapping */
    uint32_t iteration_count;  /* for iteration ranges; a forest counts each tree as one */
    uint32_t infinite_allowed; /* 1: infinity is a number like others; 0: refused */
    uint32_t input_dtype;      /* espalier_dtype that thresholds are compared in */
    uint64_t huge_bytes;       /* of the copy, what the kernel was asked to keep on huge pages */
    uint8_t root_digest[32];   /* what the file says its digest is: a name only for a file that
                                 espalier_digest_verify (espalier_publish.h) has checked */
} espalier_model_info;

#define ESPALIER_MODEL_INFO_INIT                                                                 \
    {                                                                                            \
        sizeof(espalier_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        {                                                                                        \
            0                                                                                    \
        }                                                                                        \
    }

/* Fills *info up to info->struct_bytes. Status: ARGUMENT, OPTIONS. Any thread, O(1). */
ESPALIER_API espalier_status espalier_model_info_get(const espalier_model *model,
                                                     espalier_model_info *info);

/* One kind of output: C-order [row_count][width] of dtype. */
typedef struct espalier_output_info {
    uint32_t kind;        /* espalier_output_kind */
    uint32_t dtype;       /* espalier_dtype */
    size_t width;         /* elements per row */
    uint32_t group_count; /* probability of several outputs: groups side by side, else 1 */
    uint32_t reserved;
} espalier_output_info;

/* Status: ARGUMENT, OUTPUT_KIND when the model has no such output. Any thread, O(outputs). */
ESPALIER_API espalier_status espalier_model_output(const espalier_model *model,
                                                   espalier_output_kind kind,
                                                   espalier_output_info *output_out);

/* The first element and the number of elements of one group of an output's row. */
ESPALIER_API espalier_status espalier_model_output_group(const espalier_model *model,
                                                         espalier_output_kind kind,
                                                         uint32_t group_index, size_t *first_out,
                                                         size_t *count_out);

/*
 * The name of a feature, NUL-terminated, valid until the model is closed; NULL when the model has
 * no names or the index is out of range. Names and labels are UTF-8 in every file that verifies;
 * in others they may be any bytes.
 */
ESPALIER_API const char *espalier_model_feature_name(const espalier_model *model,
                                                     uint32_t feature_index);

typedef enum espalier_label_kind {
    ESPALIER_LABEL_INT = 1,
    ESPALIER_LABEL_UINT = 2,
    ESPALIER_LABEL_FLOAT = 3,
    ESPALIER_LABEL_BOOL = 4,
    ESPALIER_LABEL_STRING = 5
} espalier_label_kind;

/* The class labels of one output. */
typedef struct espalier_label_info {
    uint32_t kind;       /* espalier_label_kind */
    uint32_t item_bytes; /* in the trainer: 1, 2, 4, 8; strings: 4 x the characters of its dtype */
    uint32_t count;
    uint32_t reserved;
} espalier_label_info;

typedef struct espalier_label {
    uint32_t kind; /* espalier_label_kind: which of the next fields holds the label */
    uint32_t reserved;
    int64_t integer;   /* INT; BOOL as 0 or 1; UINT as its bits */
    double real;       /* FLOAT */
    const char *text;  /* STRING: UTF-8, NUL-terminated, valid until the model is closed */
    size_t text_bytes; /* without the NUL */
} espalier_label;

/* Status: ARGUMENT when there is no such output or class, or the model is no classifier. */
ESPALIER_API espalier_status espalier_model_labels(const espalier_model *model,
                                                   uint32_t output_index,
                                                   espalier_label_info *labels_out);
ESPALIER_API espalier_status espalier_model_class_label(const espalier_model *model,
                                                        uint32_t output_index, uint32_t class_index,
                                                        espalier_label *label_out);

/*
 * The metadata as JSON text: not NUL-terminated, valid until the model is closed; it lies in the
 * mapping, and only espalier_model_verify checks that it is JSON. Status: ARGUMENT.
 */
ESPALIER_API espalier_status espalier_model_metadata(const espalier_model *model,
                                                     const char **text_out, size_t *bytes_out);

/* What the converter proved before it published the file. Zero where nothing was compared. */
typedef struct espalier_proof {
    uint64_t rows_compared; /* against the reference evaluator: all bits equal, or no file */
    uint64_t values_compared;
    uint64_t leaves_compared;
    uint64_t check_rows; /* against the trainer's own answers */
    uint64_t check_values;
    uint64_t check_differing; /* values that differ in any bit */
    uint64_t check_ulp_max;   /* the worst difference, in units in the last place */
    uint32_t check_kind;      /* espalier_output_kind, or 0 */
    uint32_t check_cause;     /* espalier_check_cause */
} espalier_proof;

typedef enum espalier_check_cause {
    ESPALIER_CHECK_NONE = 0,    /* no difference */
    ESPALIER_CHECK_THREADS = 1, /* as when the trainer predicted with several threads */
    ESPALIER_CHECK_UNKNOWN = 2
} espalier_check_cause;

/* Status: ARGUMENT. All zero when the file holds no proof. */
ESPALIER_API espalier_status espalier_model_proof(const espalier_model *model,
                                                  espalier_proof *proof_out);

/* ---------------------------------------------------------------------------------------------
 * Predictor
 * ------------------------------------------------------------------------------------------- */

typedef struct espalier_predictor espalier_predictor;

/* Levels are few; numbers are never reused. */
typedef enum espalier_isa {
    ESPALIER_ISA_AUTO =
        0, /* the best this machine has, or what ESPALIER_ISA in the environment says */
    ESPALIER_ISA_SCALAR = 1,
    ESPALIER_ISA_AVX2 = 2,
    ESPALIER_ISA_AVX512 = 3,      /* F, BW, DQ, VL */
    ESPALIER_ISA_AVX512_VBMI = 4, /* and VBMI */
    ESPALIER_ISA_NEON = 5         /* AArch64 */
} espalier_isa;

#define ESPALIER_ISA_COUNT 6 /* numbers below this are levels */

/* "auto", "scalar", "avx2", "avx512", "avx512vbmi", "neon"; NULL for anything else. */
ESPALIER_API const char *espalier_isa_name(espalier_isa isa);

/* The level of a name, ESPALIER_OK, or ESPALIER_ERROR_ISA. */
ESPALIER_API espalier_status espalier_isa_from_name(const char *name, espalier_isa *isa_out);

/* 1 when this library has kernels of the level and this machine's CPU and system can run them. */
ESPALIER_API int espalier_isa_supported(espalier_isa isa);

/* Flags of espalier_predictor_options. */
enum {
    /* Do not look for values the trainer would refuse. NaN then goes right, unless its node says
     * otherwise; a float64 beyond float32 becomes infinity. See docs/semantics.md. */
    ESPALIER_PREDICTOR_UNCHECKED = 1u << 0,
    /* Prepare for ESPALIER_OUTPUT_LEAF; without it that output is refused. */
    ESPALIER_PREDICTOR_LEAF = 1u << 1
};

typedef struct espalier_predictor_options {
    size_t struct_bytes;
    uint64_t flags;
    uint32_t isa;             /* espalier_isa */
    uint32_t block_rows_max;  /* rows walked together at most, fewer where they would need more than
                                 64 MiB of scratch or go faster one by one; 0: chosen from the
                                 model; at most 4096 */
    uint32_t iteration_first; /* iterations [first, first + count); count 0: the default range */
    uint32_t iteration_count;
    uint64_t reserved[4];
} espalier_predictor_options;

#define ESPALIER_PREDICTOR_OPTIONS_INIT                    \
    {                                                      \
        sizeof(espalier_predictor_options), 0, 0, 0, 0, 0, \
        {                                                  \
            0, 0, 0, 0                                     \
        }                                                  \
    }

/*
 * Allocates all the memory that predictions need. options: NULL for defaults. The model must
 * outlive the predictor. Free with espalier_predictor_destroy.
 * Status: ARGUMENT (also an iteration range beyond the model's), OPTIONS, ISA, MEMORY.
 */
ESPALIER_API espalier_status espalier_predictor_create(const espalier_model *model,
                                                       const espalier_predictor_options *options,
                                                       espalier_predictor **predictor_out);
ESPALIER_API void espalier_predictor_destroy(espalier_predictor *predictor);

/* The kernel of the first part, for example "walk, 8-byte nodes, scalar"; a constant string. */
ESPALIER_API const char *espalier_predictor_kernel(const espalier_predictor *predictor);

typedef struct espalier_predictor_info {
    size_t struct_bytes; /* set by the caller (ESPALIER_PREDICTOR_INFO_INIT) */
    uint32_t isa;        /* espalier_isa: the level that was chosen or forced */
    uint32_t block_rows;
    uint64_t memory_bytes; /* what was allocated; most of a block's is never touched by one row */
    const char *ranker;    /* what computes codes, "" where nothing is coded */
    uint64_t reserved[4];
} espalier_predictor_info;

#define ESPALIER_PREDICTOR_INFO_INIT                    \
    {                                                   \
        sizeof(espalier_predictor_info), 0, 0, 0, NULL, \
        {                                               \
            0, 0, 0, 0                                  \
        }                                               \
    }

/* Status: ARGUMENT, OPTIONS. */
ESPALIER_API espalier_status espalier_predictor_info_get(const espalier_predictor *predictor,
                                                         espalier_predictor_info *info);

/* The kernel of a part, a constant string; NULL when there is no such part. */
ESPALIER_API const char *espalier_predictor_part_kernel(const espalier_predictor *predictor,
                                                        uint32_t part_index);

/*
 * Rows: element (r, f) is at data + r * row_stride + f * feature_stride elements of dtype. Strides
 * may be zero or negative; data need not be aligned.
 */
typedef struct espalier_rows {
    const void *data; /* may be NULL when row_count is 0 */
    uint32_t dtype;   /* ESPALIER_DTYPE_FLOAT32 or ESPALIER_DTYPE_FLOAT64 */
    uint32_t reserved;
    size_t row_count;
    size_t feature_count;
    ptrdiff_t row_stride;
    ptrdiff_t feature_stride;
} espalier_rows;

/* Row-major rows without gaps. For column-major rows set row_stride 1, feature_stride row_count. */
static inline espalier_rows espalier_rows_float32(const float *data, size_t row_count,
                                                  size_t feature_count)
{
    espalier_rows rows;
    rows.data = data;
    rows.dtype = ESPALIER_DTYPE_FLOAT32;
    rows.reserved = 0;
    rows.row_count = row_count;
    rows.feature_count = feature_count;
    rows.row_stride = (ptrdiff_t)feature_count;
    rows.feature_stride = 1;
    return rows;
}

static inline espalier_rows espalier_rows_float64(const double *data, size_t row_count,
                                                  size_t feature_count)
{
    espalier_rows rows;
    rows.data = data;
    rows.dtype = ESPALIER_DTYPE_FLOAT64;
    rows.reserved = 0;
    rows.row_count = row_count;
    rows.feature_count = feature_count;
    rows.row_stride = (ptrdiff_t)feature_count;
    rows.feature_stride = 1;
    return rows;
}

/* Where predictions go: [row_count][width] of the output's dtype, row_stride elements apart. */
typedef struct espalier_outputs {
    void *data;        /* aligned for its dtype; must not overlap the rows */
    size_t data_bytes; /* what may be written */
    size_t row_stride; /* elements between rows; 0: the output's width */

    size_t rows_written;    /* out, set on success and when a row is refused */
    size_t refused_row;     /* out, for MISSING, INFINITE and CATEGORY */
    size_t refused_feature; /* out, for MISSING, INFINITE and CATEGORY; of columns see below */
} espalier_outputs;

/*
 * Predicts `kind` for every row. When a row is refused (MISSING, INFINITE, CATEGORY), the rows
 * before it are written and later ones untouched; on any other failure nothing is written.
 * Never allocates, locks or makes a system call. One thread at a time per predictor.
 * Status: ARGUMENT, OUTPUT_KIND, FEATURE_COUNT, DTYPE, STRIDE, OUTPUT_SIZE, MISSING, INFINITE,
 * CATEGORY.
 */
ESPALIER_API espalier_status espalier_predict(espalier_predictor *predictor,
                                              espalier_output_kind kind, const espalier_rows *rows,
                                              espalier_outputs *outputs);

/*
 * The values of one feature in all rows, as data frames keep them. Row r is element r * stride of
 * data; of strings it is the bytes text[o[r * stride]] up to text[o[r * stride + 1]], o being data
 * as offsets. Data need not be aligned.
 *
 * Missing, as NaN is: rows whose bit of validity is 0; with a dictionary also numbers outside
 * [0, dictionary_count), such as the -1 of pandas, and entries that are missing there.
 */
typedef struct espalier_feature_column {
    const void *data;        /* may be NULL when there are no rows */
    const char *text;        /* of strings; may be NULL when text_bytes is 0 */
    size_t text_bytes;       /* what offsets may reach */
    const uint8_t *validity; /* bits, least significant first, or NULL: nothing is missing */
    size_t bit_offset;       /* row r has bit bit_offset + r of validity, and of BOOL_BIT data */
    ptrdiff_t stride;        /* elements of data between rows; BOOL_BIT: 1; 0 repeats the first */
    uint32_t dtype;          /* espalier_dtype */
    uint32_t reserved;
    /* Strings or numbers that the data, integers, number from zero (Arrow's dictionary arrays, the
     * categories of pandas); without a dictionary of its own; stride 1. NULL: data are values. */
    const struct espalier_feature_column *dictionary;
    size_t dictionary_count;
} espalier_feature_column;

#define ESPALIER_FEATURE_COLUMN_INIT             \
    {                                            \
        NULL, NULL, 0, NULL, 0, 1, 0, 0, NULL, 0 \
    }

/* Rows as columns, one for each feature, in the model's order: espalier_model_feature_order. */
typedef struct espalier_feature_columns {
    const espalier_feature_column *columns; /* [feature_count] */
    size_t feature_count;
    size_t row_count;
    /* FLOAT32 or FLOAT64: of the rows that these stand for, as if the caller had made one array of
     * them. 0: what NumPy makes of such columns: FLOAT32 where one is FLOAT32 and all others are,
     * or strings, BOOL, or integers of up to 16 bits; else FLOAT64. */
    uint32_t dtype;
    uint32_t reserved;
} espalier_feature_columns;

/*
 * As espalier_predict for the rows that the columns hold, with the same bits: integers become the
 * nearest number of the rows' dtype, BOOL 0 or 1, missing values NaN, and strings the number of
 * their category (espalier_model_category), or what the trainer takes others for: a number of its
 * own, missing, or refused (CATEGORY). Features without categories of text take no strings: DTYPE;
 * but those that a pipeline drops take any.
 * Numbers for features that have such categories are numbers of categories.
 * Never allocates, locks or makes a system call. One thread at a time per predictor.
 * Status: as espalier_predict; ARGUMENT also for offsets that descend or leave the text; where
 * status is DTYPE or ARGUMENT, refused_feature says which feature is at fault, or feature_count.
 */
ESPALIER_API espalier_status espalier_predict_columns(espalier_predictor *predictor,
                                                      espalier_output_kind kind,
                                                      const espalier_feature_columns *columns,
                                                      espalier_outputs *outputs);

/* How many categories of text a feature has; 0: it takes numbers only, or is not there. Any thread,
 * O(log features). */
ESPALIER_API uint32_t espalier_model_category_count(const espalier_model *model,
                                                    uint32_t feature_index);

/* The category with a number: *bytes_out bytes of UTF-8 and a NUL, valid until the model is closed;
 * NULL when there is none. O(log features). */
ESPALIER_API const char *espalier_model_category(const espalier_model *model,
                                                 uint32_t feature_index, uint32_t category_index,
                                                 size_t *bytes_out);

/*
 * The number that espalier_predict takes in a row for a string: its category's, or what the trainer
 * takes all others for; NaN of a feature that a pipeline drops. Any thread, O(log categories), of a
 * feature without categories O(columns).
 * Status: ARGUMENT (also a feature without categories of text), CATEGORY (the trainer refuses it).
 */
ESPALIER_API espalier_status espalier_model_category_number(const espalier_model *model,
                                                            uint32_t feature_index,
                                                            const char *text, size_t text_bytes,
                                                            double *number_out);

/*
 * Binds a caller's columns by name: order_out[f], for each feature f of the model, becomes the
 * index of one of the name_count names that is the feature's; other names are left over.
 * When a feature has no column, it is *missing_out (unless NULL), and order_out is untouched. A
 * feature whose name holds a NUL, which C cannot say, has none.
 * Any thread; fast where the order is nearly the model's, else O(features x names).
 * Status: ARGUMENT (NULL, or the model has no names), FEATURE_COUNT (a feature has no column).
 */
ESPALIER_API espalier_status espalier_model_feature_order(const espalier_model *model,
                                                          const char *const *names,
                                                          size_t name_count, size_t *order_out,
                                                          uint32_t *missing_out);

#ifdef __cplusplus
}
#endif

#endif
