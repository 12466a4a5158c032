// SPDX-License-Identifier: Apache-2.0
/*
 * A slot: the current model of a path or store and a predictor of it for each reader, replaced as a
 * whole while readers go on. Each reader has a cell that says which pair it holds (a hazard
 * pointer); a pair is closed when it is no longer current and stands in no cell. There are no
 * fences, so thread sanitizers can follow: the cell is exchanged and the current pair looked at
 * again, both sequentially consistent. A reader writes to its own cache line alone.
 *
 * Everything but acquire and release is done by one thread at a time, which sets `busy`: who comes
 * second is told so and waits for nobody.
 */
#include "engine/slot.h"

#include "format/error.h"
#include "format/options.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_BYTES       64 /* a cache line */
#define READERS_DEFAULT  64u
#define READERS_MAX      4096u
#define WARM_BYTES       ((size_t)1 << 20) /* half of what a core of a server has as its own */
#define SLOT_FLAGS_KNOWN ((uint64_t)ESPALIER_SLOT_SEALED)
#define REFRESH_FLAGS_KNOWN \
    ((uint64_t)(ESPALIER_REFRESH_DIFFERENT | ESPALIER_REFRESH_ALWAYS | ESPALIER_REFRESH_OLDER))

/* A model and a predictor of it for each registered reader, by the reader's index. */
typedef struct model_pair model_pair;
struct model_pair {
    espalier_model *model;
    uint64_t version;
    espalier_slot_file file;
    model_pair *next_old;
    espalier_predictor *predictors[]; /* [reader_count_max] */
};

struct espalier_reader {
    _Alignas(CELL_BYTES) _Atomic(model_pair *) held; /* the cell */
    espalier_slot *slot;
    const model_pair *warmed; /* compared alone: it may be gone */
    uint32_t index;
    bool registered;
};

struct espalier_slot {
    _Alignas(CELL_BYTES) _Atomic(model_pair *) current;
    _Alignas(CELL_BYTES) atomic_flag busy;
    char *path;
    uint64_t flags;
    uint64_t version_min;
    espalier_open_options open;
    espalier_predictor_options predictor;
    espalier_slot_check *check;
    void *check_context;
    model_pair *old;
    uint32_t reader_count;
    uint32_t reader_count_max;
    espalier_reader readers[]; /* [reader_count_max] */
};

/* ---- one at a time ---- */

static bool enter(espalier_slot *slot)
{
    return !atomic_flag_test_and_set_explicit(&slot->busy, memory_order_acquire);
}

static void leave(espalier_slot *slot)
{
    atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

static espalier_status busy_error(const espalier_slot *slot, espalier_error *error_out)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_BUSY, 0, ESPALIER_OFFSET_NONE,
                              "%s: another refresh, or a reader's registration, runs", slot->path);
}

/* The pair that serves, for the thread that has entered: only it replaces it. */
static model_pair *current_of(espalier_slot *slot)
{
    return atomic_load_explicit(&slot->current, memory_order_relaxed);
}

/* ---- pairs ---- */

static void free_pair(model_pair *pair, uint32_t reader_count_max)
{
    for (uint32_t i = 0; i < reader_count_max; i++) {
        espalier_predictor_destroy(pair->predictors[i]);
    }
    espalier_model_close(pair->model);
    free(pair);
}

/*
 * One prediction of a row of zeroes, so that the first request after a swap does not pay for the
 * scratch's pages. It may be refused, and memory may be short: nothing depends on it.
 */
static void warm_predictor(const espalier_model *model, espalier_predictor *predictor)
{
    espalier_output_info output;
    const espalier_output_kind kind = (espalier_output_kind)model->head->default_output;
    if (espalier_model_output(model, kind, &output) != ESPALIER_OK ||
        output.width > SIZE_MAX / sizeof(double)) {
        return;
    }
    float *const values = calloc((size_t)model->head->feature_count + 1, sizeof *values);
    double *const results = calloc(output.width + 1, sizeof *results);
    if (values != NULL && results != NULL) {
        const espalier_rows rows = espalier_rows_float32(values, 1, model->head->feature_count);
        espalier_outputs outputs = {.data = results, .data_bytes = output.width * sizeof *results};
        (void)espalier_predict(predictor, kind, &rows, &outputs);
    }
    free(values);
    free(results);
}

static espalier_status add_predictor(const espalier_slot *slot, model_pair *pair, uint32_t index)
{
    const espalier_status status =
        espalier_predictor_create(pair->model, &slot->predictor, &pair->predictors[index]);
    if (status == ESPALIER_OK) {
        warm_predictor(pair->model, pair->predictors[index]);
    }
    return status;
}

/* Closes what is old and stands in no cell; returns how many are left. */
static uint32_t collect_old(espalier_slot *slot)
{
    uint32_t left = 0;
    for (model_pair **link = &slot->old; *link != NULL;) {
        model_pair *const pair = *link;
        bool is_held = false;
        for (uint32_t i = 0; i < slot->reader_count_max && !is_held; i++) {
            is_held = atomic_load_explicit(&slot->readers[i].held, memory_order_seq_cst) == pair;
        }
        if (is_held) {
            left++;
            link = &pair->next_old;
        } else {
            *link = pair->next_old;
            free_pair(pair, slot->reader_count_max);
        }
    }
    return left;
}

/* ---- loading ---- */

static espalier_status check_version(const espalier_slot *slot, const espalier_slot_find *find,
                                     const model_pair *serving, uint64_t flags,
                                     espalier_error *error_out)
{
    const bool may_go_back = (flags & ESPALIER_REFRESH_OLDER) != 0;
    const uint64_t least = serving != NULL && serving->version > slot->version_min && !may_go_back
                               ? serving->version
                               : slot->version_min;
    if (find->version == 0 || find->version >= least) {
        return ESPALIER_OK;
    }
    return espalier_error_set(error_out, ESPALIER_ERROR_OLDER, 0, ESPALIER_OFFSET_NONE,
                              "%s: version %llu is current, at least %llu is wanted", slot->path,
                              (unsigned long long)find->version, (unsigned long long)least);
}

/* Checks and opens the file behind the descriptor, or its sealed copy: the same for both. */
static espalier_status open_checked(const espalier_slot *slot, int descriptor, const char *path,
                                    espalier_model **model_out, espalier_error *error_out)
{
    if (slot->check != NULL) {
        const espalier_status status =
            slot->check(slot->check_context, descriptor, path, error_out);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return espalier_model_open_named(descriptor, path, &slot->open, model_out, error_out);
}

static espalier_status open_found(const espalier_slot *slot, const espalier_slot_find *find,
                                  espalier_model **model_out, espalier_error *error_out)
{
    if ((slot->flags & ESPALIER_SLOT_SEALED) == 0) {
        return open_checked(slot, find->descriptor, find->path, model_out, error_out);
    }
    int sealed = -1;
    espalier_status status = espalier_seal_copy(find->descriptor, &sealed, error_out);
    if (status == ESPALIER_OK) {
        status = open_checked(slot, sealed, find->path, model_out, error_out);
        (void)close(sealed);
    }
    return status;
}

/* A pair of the file that was found, with predictors for all readers. */
static espalier_status load_pair(const espalier_slot *slot, const espalier_slot_find *find,
                                 const model_pair *serving, uint64_t flags, model_pair **pair_out,
                                 espalier_error *error_out)
{
    espalier_status status = check_version(slot, find, serving, flags, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    model_pair *const pair =
        calloc(1, sizeof *pair + slot->reader_count_max * sizeof pair->predictors[0]);
    if (pair == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", find->path);
    }
    pair->file = find->file;
    pair->version = find->version != 0 ? find->version : serving != NULL ? serving->version + 1 : 1;
    status = open_found(slot, find, &pair->model, error_out);
    if (status == ESPALIER_OK && serving != NULL && (flags & ESPALIER_REFRESH_DIFFERENT) == 0) {
        status = espalier_slot_compare(serving->model, pair->model, find->path, error_out);
    }
    for (uint32_t i = 0; i < slot->reader_count_max && status == ESPALIER_OK; i++) {
        if (!slot->readers[i].registered) {
            continue;
        }
        status = add_predictor(slot, pair, i);
        if (status != ESPALIER_OK) {
            (void)espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                     "%s: no predictor for a reader: %s", find->path,
                                     espalier_status_message(status));
        }
    }
    if (status != ESPALIER_OK) {
        free_pair(pair, slot->reader_count_max);
        return status;
    }
    *pair_out = pair;
    return ESPALIER_OK;
}

/* From here on acquire gives the new pair. */
static void publish_pair(espalier_slot *slot, model_pair *pair)
{
    model_pair *const before = atomic_exchange_explicit(&slot->current, pair, memory_order_seq_cst);
    before->next_old = slot->old;
    slot->old = before;
}

static espalier_status refresh(espalier_slot *slot, uint64_t flags, espalier_slot_state *state,
                               espalier_error *error_out)
{
    const model_pair *const serving = current_of(slot);
    espalier_slot_find find;
    espalier_status status = espalier_slot_find_open(slot->path, &find, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool is_same = espalier_slot_file_equal(&find.file, &serving->file) &&
                         (find.version == 0 || find.version == serving->version);
    if (!is_same || (flags & ESPALIER_REFRESH_ALWAYS) != 0) {
        model_pair *pair = NULL;
        status = load_pair(slot, &find, serving, flags, &pair, error_out);
        if (status == ESPALIER_OK) {
            publish_pair(slot, pair);
            state->changed = 1;
        }
    }
    espalier_slot_find_close(&find);
    return status;
}

espalier_status espalier_slot_refresh(espalier_slot *slot, uint64_t flags,
                                      espalier_slot_state *state_out, espalier_error *error_out)
{
    if (slot == NULL || (flags & ~REFRESH_FLAGS_KNOWN) != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_slot_refresh: bad argument");
    }
    if (!enter(slot)) {
        return busy_error(slot, error_out);
    }
    espalier_slot_state state = {0, 0, 0};
    (void)collect_old(slot); /* before the new one needs memory */
    const espalier_status status = refresh(slot, flags, &state, error_out);
    state.held_count = collect_old(slot);
    state.version = current_of(slot)->version;
    leave(slot);
    if (status == ESPALIER_OK && state_out != NULL) {
        *state_out = state;
    }
    return status;
}

espalier_status espalier_slot_collect(espalier_slot *slot, espalier_slot_state *state_out)
{
    if (slot == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (!enter(slot)) {
        return ESPALIER_ERROR_BUSY;
    }
    const espalier_slot_state state = {current_of(slot)->version, 0, collect_old(slot)};
    leave(slot);
    if (state_out != NULL) {
        *state_out = state;
    }
    return ESPALIER_OK;
}

/* ---- opening and closing ---- */

/* The caller's options in today's form, and whether this library knows all they ask for. */
static espalier_status read_options(const espalier_slot_options *options,
                                    espalier_slot_options *known_out,
                                    espalier_open_options *open_out,
                                    espalier_predictor_options *predictor_out)
{
    const espalier_slot_options defaults = ESPALIER_SLOT_OPTIONS_INIT;
    const espalier_open_options open_defaults = ESPALIER_OPEN_OPTIONS_INIT;
    const espalier_predictor_options predictor_defaults = ESPALIER_PREDICTOR_OPTIONS_INIT;
    *known_out = defaults;
    *open_out = open_defaults;
    open_out->flags = ESPALIER_OPEN_PREFAULT;
    *predictor_out = predictor_defaults;
    if (options != NULL) {
        if (!espalier_options_known(options, sizeof *options) ||
            (options->flags & ~SLOT_FLAGS_KNOWN) != 0 || options->reserved0 != 0) {
            return ESPALIER_ERROR_OPTIONS;
        }
        for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
            if (options->reserved[i] != 0) {
                return ESPALIER_ERROR_OPTIONS;
            }
        }
        if (options->reader_count_max > READERS_MAX) {
            return ESPALIER_ERROR_ARGUMENT;
        }
        *known_out = *options;
    }
    known_out->reader_count_max =
        known_out->reader_count_max != 0 ? known_out->reader_count_max : READERS_DEFAULT;
    if (known_out->open != NULL) {
        if (!espalier_options_known(known_out->open, sizeof *open_out)) {
            return ESPALIER_ERROR_OPTIONS;
        }
        *open_out = *known_out->open;
        open_out->struct_bytes = sizeof *open_out;
    }
    if (known_out->predictor != NULL) {
        if (!espalier_options_known(known_out->predictor, sizeof *predictor_out)) {
            return ESPALIER_ERROR_OPTIONS;
        }
        *predictor_out = *known_out->predictor;
        predictor_out->struct_bytes = sizeof *predictor_out;
    }
    return ESPALIER_OK;
}

/* A slot without a model. */
static espalier_slot *make_slot(const char *path, const espalier_slot_options *options)
{
    const size_t bytes =
        sizeof(espalier_slot) + options->reader_count_max * sizeof(espalier_reader);
    espalier_slot *const slot = aligned_alloc(CELL_BYTES, bytes);
    if (slot == NULL) {
        return NULL;
    }
    memset(slot, 0, bytes);
    slot->path = strdup(path);
    if (slot->path == NULL) {
        free(slot);
        return NULL;
    }
    atomic_flag_clear(&slot->busy);
    atomic_init(&slot->current, NULL);
    slot->flags = options->flags;
    slot->version_min = options->version_min;
    slot->check = options->check;
    slot->check_context = options->check_context;
    slot->reader_count_max = options->reader_count_max;
    for (uint32_t i = 0; i < slot->reader_count_max; i++) {
        atomic_init(&slot->readers[i].held, NULL);
        slot->readers[i].slot = slot;
        slot->readers[i].index = i;
    }
    return slot;
}

/* Loads the first model, and makes sure that there can be predictors of it. */
static espalier_status load_first(espalier_slot *slot, espalier_error *error_out)
{
    espalier_slot_find find;
    espalier_status status = espalier_slot_find_open(slot->path, &find, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    model_pair *pair = NULL;
    status = load_pair(slot, &find, NULL, 0, &pair, error_out);
    espalier_slot_find_close(&find);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_predictor *probe = NULL;
    status = espalier_predictor_create(pair->model, &slot->predictor, &probe);
    espalier_predictor_destroy(probe);
    if (status != ESPALIER_OK) {
        free_pair(pair, slot->reader_count_max);
        return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no predictor: %s", slot->path,
                                  espalier_status_message(status));
    }
    atomic_store_explicit(&slot->current, pair, memory_order_seq_cst);
    return ESPALIER_OK;
}

espalier_status espalier_slot_open(const char *path, const espalier_slot_options *options,
                                   espalier_slot **slot_out, espalier_error *error_out)
{
    if (path == NULL || slot_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_slot_open: NULL argument");
    }
    espalier_slot_options known;
    espalier_open_options open;
    espalier_predictor_options predictor;
    espalier_status status = read_options(options, &known, &open, &predictor);
    if (status != ESPALIER_OK) {
        return espalier_error_set(error_out, status, 0, ESPALIER_OFFSET_NONE,
                                  "%s: unknown slot options", path);
    }
    espalier_slot *const slot = make_slot(path, &known);
    if (slot == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    slot->open = open;
    slot->predictor = predictor;
    status = load_first(slot, error_out);
    if (status != ESPALIER_OK) {
        free(slot->path);
        free(slot);
        return status;
    }
    *slot_out = slot;
    return ESPALIER_OK;
}

espalier_status espalier_slot_close(espalier_slot *slot)
{
    if (slot == NULL) {
        return ESPALIER_OK;
    }
    if (!enter(slot)) {
        return ESPALIER_ERROR_BUSY;
    }
    if (slot->reader_count > 0) {
        leave(slot);
        return ESPALIER_ERROR_BUSY;
    }
    (void)collect_old(slot); /* all of them: no reader, no cell */
    free_pair(current_of(slot), slot->reader_count_max);
    free(slot->path);
    free(slot);
    return ESPALIER_OK;
}

/* ---- readers ---- */

static espalier_status register_reader(espalier_slot *slot, espalier_reader **reader_out)
{
    for (uint32_t i = 0; i < slot->reader_count_max; i++) {
        espalier_reader *const reader = &slot->readers[i];
        if (reader->registered) {
            continue;
        }
        const espalier_status status = add_predictor(slot, current_of(slot), i);
        if (status == ESPALIER_OK) {
            reader->registered = true;
            reader->warmed = NULL;
            slot->reader_count++;
            *reader_out = reader;
        }
        return status;
    }
    return ESPALIER_ERROR_LIMIT;
}

espalier_status espalier_slot_register(espalier_slot *slot, espalier_reader **reader_out)
{
    if (slot == NULL || reader_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (!enter(slot)) {
        return ESPALIER_ERROR_BUSY;
    }
    const espalier_status status = register_reader(slot, reader_out);
    leave(slot);
    return status;
}

espalier_status espalier_slot_unregister(espalier_reader *reader)
{
    if (reader == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    espalier_slot *const slot = reader->slot;
    if (!enter(slot)) {
        return ESPALIER_ERROR_BUSY;
    }
    espalier_status status = ESPALIER_ERROR_ARGUMENT;
    if (reader->registered) {
        status = ESPALIER_ERROR_BUSY;
    }
    if (reader->registered && atomic_load_explicit(&reader->held, memory_order_relaxed) == NULL) {
        model_pair *const pair = current_of(slot);
        espalier_predictor_destroy(pair->predictors[reader->index]);
        pair->predictors[reader->index] = NULL;
        reader->registered = false;
        slot->reader_count--;
        status = ESPALIER_OK;
    }
    leave(slot);
    return status;
}

espalier_status espalier_slot_acquire(espalier_reader *reader, espalier_lease *lease_out)
{
    if (reader == NULL || lease_out == NULL ||
        atomic_load_explicit(&reader->held, memory_order_relaxed) != NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    espalier_slot *const slot = reader->slot;
    model_pair *pair = atomic_load_explicit(&slot->current, memory_order_relaxed);
    for (;;) {
        /* Seen here, it stands in the cell before whoever replaces it looks at the cells. Again
         * only when a new pair was published in between. */
        (void)atomic_exchange_explicit(&reader->held, pair, memory_order_seq_cst);
        model_pair *const again = atomic_load_explicit(&slot->current, memory_order_seq_cst);
        if (again == pair) {
            break;
        }
        pair = again;
    }
    *lease_out = (espalier_lease){pair->model, pair->predictors[reader->index], pair->version};
    return ESPALIER_OK;
}

void espalier_slot_release(espalier_reader *reader)
{
    if (reader != NULL) {
        atomic_store_explicit(&reader->held, NULL, memory_order_release);
    }
}

espalier_status espalier_slot_warm(espalier_reader *reader, size_t bytes_max, size_t *bytes_out)
{
    espalier_lease lease;
    size_t bytes = 0;
    if (reader == NULL || atomic_load_explicit(&reader->held, memory_order_relaxed) != NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (atomic_load_explicit(&reader->slot->current, memory_order_relaxed) != reader->warmed) {
        const espalier_status status = espalier_slot_acquire(reader, &lease);
        if (status != ESPALIER_OK) {
            return status;
        }
        reader->warmed = atomic_load_explicit(&reader->held, memory_order_relaxed);
        bytes = espalier_warm_fetch(lease.model, bytes_max != 0 ? bytes_max : WARM_BYTES);
        espalier_slot_release(reader);
    }
    if (bytes_out != NULL) {
        *bytes_out = bytes;
    }
    return ESPALIER_OK;
}
