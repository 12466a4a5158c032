// SPDX-License-Identifier: Apache-2.0
/*
 * Slot: the current model of a path or store, swapped while it serves. Part of libespalier; the
 * conventions of espalier.h hold.
 *
 *     espalier_slot_open("models", NULL, &slot, &error); // a store's folder, or a model's path
 *     espalier_slot_register(slot, &reader);             // each thread, once
 *     espalier_slot_acquire(reader, &lease);             // each request
 *     espalier_predict(lease.predictor, kind, &rows, &outputs);
 *     espalier_slot_release(reader);
 *     espalier_slot_warm(reader, 0, NULL);               // when it has answered
 *     espalier_slot_refresh(slot, 0, &state, &error);    // one thread, now and then
 */
#ifndef ESPALIER_SLOT_H
#define ESPALIER_SLOT_H

#include "espalier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct espalier_slot espalier_slot;
typedef struct espalier_reader espalier_reader;

/*
 * Looks at a model file before it is mapped: its descriptor, and the path that it was opened by,
 * beside which its signature lies. What it has read is what will be mapped. Returns ESPALIER_OK, or
 * the status that the refresh then fails with. It may not use the slot. See
 * espalier_signature_slot_check of espalier_publish.h.
 */
typedef espalier_status espalier_slot_check(void *context, int descriptor, const char *path,
                                            espalier_error *error_out);

/* Flags of espalier_slot_options. */
enum {
    /* Copy each model to a sealed memory file first, and check and map that: nobody can change it
     * afterwards. Linux only. Status: MAP where there is none. */
    ESPALIER_SLOT_SEALED = 1u << 0
};

typedef struct espalier_slot_options {
    size_t struct_bytes;
    uint64_t flags;
    uint32_t reader_count_max; /* 0: 64; at most 4096 */
    uint32_t reserved0;
    uint64_t version_min;                        /* of a store: refuse versions below it */
    const espalier_open_options *open;           /* NULL: ESPALIER_OPEN_PREFAULT; copied */
    const espalier_predictor_options *predictor; /* NULL: defaults; copied */
    espalier_slot_check *check;                  /* or NULL */
    void *check_context;
    uint64_t reserved[4];
} espalier_slot_options;

#define ESPALIER_SLOT_OPTIONS_INIT                                         \
    {                                                                      \
        sizeof(espalier_slot_options), 0, 0, 0, 0, NULL, NULL, NULL, NULL, \
        {                                                                  \
            0, 0, 0, 0                                                     \
        }                                                                  \
    }

/*
 * Opens the model of `path`, and keeps a copy of the path to look there again. A folder is a store
 * (espalier_publish.h), whose current version is meant; anything else is a model file. options:
 * NULL for defaults. Free with espalier_slot_close.
 * Status: ARGUMENT, OPTIONS, ISA, STORE, OLDER, what `check` returns, and those of
 * espalier_model_open.
 */
ESPALIER_API espalier_status espalier_slot_open(const char *path,
                                                const espalier_slot_options *options,
                                                espalier_slot **slot_out,
                                                espalier_error *error_out);

/* Closes the models and frees the slot. NULL is allowed. Status: BUSY while readers are registered
 * or another call of refresh, collect, register or unregister runs; then nothing is freed. */
ESPALIER_API espalier_status espalier_slot_close(espalier_slot *slot);

/*
 * A reader with a predictor of its own. It belongs to one thread at a time and is registered once,
 * not for each request; free it with espalier_slot_unregister. Allocates.
 * Status: ARGUMENT, LIMIT (reader_count_max), MEMORY, BUSY (another such call, or a refresh, runs:
 * try again).
 */
ESPALIER_API espalier_status espalier_slot_register(espalier_slot *slot,
                                                    espalier_reader **reader_out);

/* Gives a reader back. Status: ARGUMENT, BUSY (as above, or it has not released its model). */
ESPALIER_API espalier_status espalier_slot_unregister(espalier_reader *reader);

/* What a reader holds between acquire and release. */
typedef struct espalier_lease {
    const espalier_model *model;
    espalier_predictor *predictor; /* the reader's own for this model */
    uint64_t version;              /* of a store its number; of a path 1, 2, ... as it changed */
} espalier_lease;

/*
 * The current model, held until espalier_slot_release: it is not unmapped, whatever is published.
 * Waits for nobody, allocates nothing, makes no system call. Hold it for one request, not for ever:
 * what is held cannot be given back. Status: ARGUMENT (also: it is held already).
 */
ESPALIER_API espalier_status espalier_slot_acquire(espalier_reader *reader,
                                                   espalier_lease *lease_out);
ESPALIER_API void espalier_slot_release(espalier_reader *reader);

/*
 * Between requests: fetches what predictions read of a model that was published since the last call
 * into the caches of this core, where the next requests find it. The reader's thread calls it when
 * it has answered; it costs a few nanoseconds when nothing is new, else some 60 microseconds a
 * mebibyte. bytes_max: at most so much, of larger models the beginnings of all trees; 0: 1 MiB,
 * which is to be less than the core's own caches. bytes_out, which may be NULL: how much was asked
 * for; 0: nothing was new. Waits for nobody, allocates nothing, makes no system call.
 * Status: ARGUMENT (also: the model is held).
 */
ESPALIER_API espalier_status espalier_slot_warm(espalier_reader *reader, size_t bytes_max,
                                                size_t *bytes_out);

/* Flags of espalier_slot_refresh. */
enum {
    /* Accept a model whose features, classes or outputs are not those of the one that serves. */
    ESPALIER_REFRESH_DIFFERENT = 1u << 0,
    /* Open the file again although it is the one that serves. */
    ESPALIER_REFRESH_ALWAYS = 1u << 1,
    /* Accept a version of the store below the one that serves, but none below version_min. */
    ESPALIER_REFRESH_OLDER = 1u << 2
};

/* How a slot stands after refresh or collect. */
typedef struct espalier_slot_state {
    uint64_t version;    /* that serves, as in espalier_lease */
    uint32_t changed;    /* refresh: 1 when it published a model, 0 when the file was the same */
    uint32_t held_count; /* old models that readers still hold */
} espalier_slot_state;

/*
 * Looks at the path again. A new model is checked, opened, and given a predictor for each reader
 * before it is published; from then on acquire returns it. On failure the old model goes on serving
 * and state_out, which may be NULL, is untouched. Closes old models that no reader holds any more.
 * Call it on a thread of the service's own; it waits for no reader. Cost: as espalier_model_open
 * with the slot's options; a few system calls when nothing has changed.
 * Status: ARGUMENT, BUSY (another call of refresh, collect, register or unregister runs),
 * DIFFERENT, OLDER, and those of espalier_slot_open.
 */
ESPALIER_API espalier_status espalier_slot_refresh(espalier_slot *slot, uint64_t flags,
                                                   espalier_slot_state *state_out,
                                                   espalier_error *error_out);

/* Closes the old models that no reader holds any more, as refresh does. Status: ARGUMENT, BUSY. */
ESPALIER_API espalier_status espalier_slot_collect(espalier_slot *slot,
                                                   espalier_slot_state *state_out);

#ifdef __cplusplus
}
#endif

#endif
