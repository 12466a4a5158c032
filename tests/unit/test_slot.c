// SPDX-License-Identifier: Apache-2.0
/*
 * engine/slot: the model of a path is replaced while readers hold it; what is refused, what stays,
 * when the old one goes, and what readers see while another thread swaps as fast as it can.
 */
#include "engine/slot.h"
#include "espalier_slot.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH     "test_slot.espalier"
#define NEW_PATH "test_slot.new"
#define FEATURES 5u
#define ROWS     40u
#define CLASSES  3u

static const synthetic_options usual = {.seed = 51,
                                        .tree_count = 6,
                                        .feature_count = FEATURES,
                                        .decision_count_max = 40,
                                        .group_count = 1,
                                        .class_count = CLASSES,
                                        .shape = SYNTHETIC_PREORDER,
                                        .named = true};

/* Two models with the same features and classes, and what they answer for the same rows. */
static struct {
    model_bytes bytes[2];
    double answers[2][ROWS * CLASSES];
    float *rows;
} models;

static espalier_status predict_rows(espalier_predictor *predictor, double *answers)
{
    const espalier_rows rows = espalier_rows_float32(models.rows, ROWS, FEATURES);
    espalier_outputs outputs = {.data = answers, .data_bytes = ROWS * CLASSES * sizeof *answers};
    return espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs);
}

static model_bytes make_bytes(const synthetic_options *options)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    if (models.rows == NULL) {
        models.rows = model_rows_make(&forest, 7, ROWS, 0);
    }
    const model_bytes bytes = model_bytes_of(&forest, 4);
    espalier_forest_free(&forest);
    return bytes;
}

static int make_models(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        synthetic_options options = usual;
        options.seed += i;
        options.tree_count += i; /* how many trees is the model's own affair */
        models.bytes[i] = make_bytes(&options);
        espalier_model *model = NULL;
        espalier_predictor *predictor = NULL;
        assert_int_equal(espalier_model_open_memory(models.bytes[i].data, models.bytes[i].bytes,
                                                    NULL, &model, NULL),
                         ESPALIER_OK);
        assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
        assert_int_equal(predict_rows(predictor, models.answers[i]), ESPALIER_OK);
        espalier_predictor_destroy(predictor);
        espalier_model_close(model);
    }
    assert_memory_not_equal(models.answers[0], models.answers[1], sizeof models.answers[0]);
    return 0;
}

static int free_models(void **state)
{
    (void)state;
    model_bytes_free(&models.bytes[0]);
    model_bytes_free(&models.bytes[1]);
    free(models.rows);
    (void)unlink(PATH);
    (void)unlink(NEW_PATH);
    return 0;
}

/* Replaces the file as everybody should: a new one renamed over it. */
static void put_bytes(const model_bytes *bytes)
{
    (void)unlink(NEW_PATH);
    model_bytes_write(bytes, NEW_PATH);
    assert_int_equal(rename(NEW_PATH, PATH), 0);
}

static espalier_slot *open_slot(const espalier_slot_options *options)
{
    espalier_slot *slot = NULL;
    espalier_error error;
    put_bytes(&models.bytes[0]);
    if (espalier_slot_open(PATH, options, &slot, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return slot;
}

static void assert_answers(espalier_reader *reader, unsigned model, uint64_t version)
{
    espalier_lease lease;
    double answers[ROWS * CLASSES];
    assert_int_equal(espalier_slot_acquire(reader, &lease), ESPALIER_OK);
    assert_int_equal(lease.version, version);
    assert_int_equal(predict_rows(lease.predictor, answers), ESPALIER_OK);
    assert_memory_equal(answers, models.answers[model], sizeof answers);
    espalier_slot_release(reader);
}

static void test_a_new_file_is_served_and_the_old_one_goes(void **state)
{
    (void)state;
    espalier_slot *const slot = open_slot(NULL);
    espalier_reader *first = NULL;
    espalier_reader *second = NULL;
    espalier_slot_state now;
    assert_int_equal(espalier_slot_register(slot, &first), ESPALIER_OK);
    assert_answers(first, 0, 1);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.changed, 0);
    assert_int_equal(now.version, 1);

    espalier_lease held;
    assert_int_equal(espalier_slot_acquire(first, &held), ESPALIER_OK);
    put_bytes(&models.bytes[1]);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.changed, 1);
    assert_int_equal(now.version, 2);
    assert_int_equal(now.held_count, 1);
    assert_int_equal(espalier_slot_register(slot, &second), ESPALIER_OK);
    assert_answers(second, 1, 2);
    /* What is held stays as it was. */
    double answers[ROWS * CLASSES];
    assert_int_equal(predict_rows(held.predictor, answers), ESPALIER_OK);
    assert_memory_equal(answers, models.answers[0], sizeof answers);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    assert_int_equal(espalier_model_info_get(held.model, &info), ESPALIER_OK);
    assert_int_equal(info.tree_count, usual.tree_count);
    espalier_slot_release(first);
    assert_int_equal(espalier_slot_collect(slot, &now), ESPALIER_OK);
    assert_int_equal(now.held_count, 0);
    assert_answers(first, 1, 2);

    assert_int_equal(espalier_slot_refresh(slot, ESPALIER_REFRESH_ALWAYS, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.changed, 1);
    assert_answers(first, 1, 3);
    assert_int_equal(espalier_slot_unregister(first), ESPALIER_OK);
    assert_int_equal(espalier_slot_unregister(second), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
}

/* One change of the usual options, and what the refusal says. */
static void expect_different(synthetic_options options, const char *cause)
{
    espalier_slot *const slot = open_slot(NULL);
    espalier_reader *reader = NULL;
    espalier_error error;
    espalier_slot_state now = {0, 0, 77};
    assert_int_equal(espalier_slot_register(slot, &reader), ESPALIER_OK);
    model_bytes bytes = make_bytes(&options);
    put_bytes(&bytes);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, &error), ESPALIER_ERROR_DIFFERENT);
    if (strstr(error.message, cause) == NULL) {
        fail_msg("'%s' does not say '%s'", error.message, cause);
    }
    assert_int_equal(now.held_count, 77); /* untouched */
    assert_answers(reader, 0, 1);
    assert_int_equal(espalier_slot_refresh(slot, ESPALIER_REFRESH_DIFFERENT, &now, &error),
                     ESPALIER_OK);
    assert_int_equal(now.version, 2);
    assert_int_equal(espalier_slot_unregister(reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    model_bytes_free(&bytes);
}

static void test_other_features_outputs_and_classes_are_refused(void **state)
{
    (void)state;
    synthetic_options options = usual;
    options.feature_count++;
    expect_different(options, "has 6 features, the model that serves has 5");
    options = usual;
    options.class_count++;
    expect_different(options, "other outputs");
    options = usual;
    options.class_count = 0;
    expect_different(options, "other outputs");
    options = usual;
    options.group_count = 2;
    expect_different(options, "other outputs");
    options = usual;
    options.label_kind = ESPALIER_LABEL_STRING;
    expect_different(options, "other classes");
    options = usual;
    options.label_kind = ESPALIER_LABEL_FLOAT;
    expect_different(options, "other classes");
}

/* Changes one byte of a table, in a copy that is sealed again. */
static model_bytes change_byte(uint32_t section, const char *before, char after)
{
    model_bytes changed = model_bytes_copy(&models.bytes[1]);
    uint8_t *const data = model_bytes_data(&changed, section);
    const size_t bytes = model_bytes_section(&changed, section)->bytes;
    uint8_t *const at = memmem(data, bytes, before, strlen(before));
    assert_non_null(at);
    at[0] = (uint8_t)after;
    model_bytes_seal(&changed);
    return changed;
}

static void test_another_name_is_refused(void **state)
{
    (void)state;
    espalier_slot *const slot = open_slot(NULL);
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open(PATH, NULL, &model, NULL), ESPALIER_OK);
    char name[64];
    (void)snprintf(name, sizeof name, "%s", espalier_model_feature_name(model, 3));
    espalier_model_close(model);
    model_bytes renamed = change_byte(ESPALIER_SECTION_FEATURE_NAMES, name, '!');
    put_bytes(&renamed);
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, &error), ESPALIER_ERROR_DIFFERENT);
    assert_non_null(strstr(error.message, "feature 3 has another name"));
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    model_bytes_free(&renamed);
}

static void test_a_failed_refresh_changes_nothing(void **state)
{
    (void)state;
    espalier_slot *const slot = open_slot(NULL);
    espalier_reader *reader = NULL;
    espalier_error error;
    assert_int_equal(espalier_slot_register(slot, &reader), ESPALIER_OK);
    model_bytes damaged = model_bytes_copy(&models.bytes[1]);
    damaged.data[offsetof(espalier_file_header, root_digest)] ^= 1;
    put_bytes(&damaged);
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, &error), ESPALIER_ERROR_CHECKSUM);
    assert_non_null(strstr(error.message, PATH));
    assert_answers(reader, 0, 1);
    assert_int_equal(unlink(PATH), 0);
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_answers(reader, 0, 1);
    put_bytes(&models.bytes[1]);
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, &error), ESPALIER_OK);
    assert_answers(reader, 1, 2);
    assert_int_equal(espalier_slot_unregister(reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    model_bytes_free(&damaged);
}

/* What a check does while the slot that called it is busy. */
typedef struct meddler {
    espalier_slot *slot;
    espalier_reader *reader;
    unsigned calls;
} meddler;

static espalier_status meddle(void *context, int descriptor, const char *path,
                              espalier_error *error_out)
{
    meddler *const m = context;
    espalier_reader *reader = NULL;
    (void)descriptor;
    assert_string_equal(path, PATH);
    m->calls++;
    if (m->slot == NULL) {
        return ESPALIER_OK; /* the first open */
    }
    assert_int_equal(espalier_slot_refresh(m->slot, 0, NULL, error_out), ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_slot_collect(m->slot, NULL), ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_slot_register(m->slot, &reader), ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_slot_unregister(m->reader), ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_slot_close(m->slot), ESPALIER_ERROR_BUSY);
    assert_answers(m->reader, 0, 1); /* readers do not care */
    return m->calls == 2 ? ESPALIER_ERROR_SIGNATURE : ESPALIER_OK;
}

static void test_a_second_refresh_at_the_same_time_is_told_so(void **state)
{
    (void)state;
    meddler m = {NULL, NULL, 0};
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.check = meddle;
    options.check_context = &m;
    espalier_slot *const slot = open_slot(&options);
    assert_int_equal(espalier_slot_register(slot, &m.reader), ESPALIER_OK);
    m.slot = slot;
    put_bytes(&models.bytes[1]);
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, NULL), ESPALIER_ERROR_SIGNATURE);
    assert_answers(m.reader, 0, 1); /* what the check refuses is not served */
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, NULL), ESPALIER_OK);
    assert_int_equal(m.calls, 3);
    assert_answers(m.reader, 1, 2);
    assert_int_equal(espalier_slot_unregister(m.reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
}

static void test_readers_are_counted(void **state)
{
    (void)state;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.reader_count_max = 2;
    espalier_slot *const slot = open_slot(&options);
    espalier_reader *readers[3] = {NULL, NULL, NULL};
    espalier_lease lease;
    assert_int_equal(espalier_slot_register(slot, &readers[0]), ESPALIER_OK);
    assert_int_equal(espalier_slot_register(slot, &readers[1]), ESPALIER_OK);
    assert_int_equal(espalier_slot_register(slot, &readers[2]), ESPALIER_ERROR_LIMIT);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_slot_acquire(readers[0], &lease), ESPALIER_OK);
    assert_int_equal(espalier_slot_acquire(readers[0], &lease), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_unregister(readers[0]), ESPALIER_ERROR_BUSY);
    espalier_slot_release(readers[0]);
    assert_int_equal(espalier_slot_unregister(readers[0]), ESPALIER_OK);
    assert_int_equal(espalier_slot_unregister(readers[0]), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_register(slot, &readers[2]), ESPALIER_OK);
    assert_answers(readers[2], 0, 1);
    assert_int_equal(espalier_slot_unregister(readers[1]), ESPALIER_OK);
    assert_int_equal(espalier_slot_unregister(readers[2]), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
}

static void test_wrong_calls_are_refused(void **state)
{
    (void)state;
    espalier_slot *slot = NULL;
    espalier_reader *reader = NULL;
    espalier_lease lease;
    espalier_error error;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    put_bytes(&models.bytes[0]);
    assert_int_equal(espalier_slot_open(NULL, NULL, &slot, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_open(PATH, NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_open("no such file", NULL, &slot, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_slot_open(".", NULL, &slot, &error), ESPALIER_ERROR_STORE);
    options.flags = 64;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, NULL), ESPALIER_ERROR_OPTIONS);
    options.flags = 0;
    options.reserved[3] = 1;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, NULL), ESPALIER_ERROR_OPTIONS);
    options.reserved[3] = 0;
    options.reader_count_max = 4097;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, NULL), ESPALIER_ERROR_ARGUMENT);
    options.reader_count_max = 0;
    espalier_open_options open = ESPALIER_OPEN_OPTIONS_INIT;
    open.visits_per_row_max = 1;
    options.open = &open;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, NULL), ESPALIER_ERROR_LIMIT);
    open.struct_bytes = 3;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, NULL), ESPALIER_ERROR_OPTIONS);
    options.open = NULL;
    espalier_predictor_options predictor = ESPALIER_PREDICTOR_OPTIONS_INIT;
    predictor.isa = 99;
    options.predictor = &predictor;
    assert_int_equal(espalier_slot_open(PATH, &options, &slot, &error), ESPALIER_ERROR_ISA);
    assert_null(slot);
    assert_int_equal(espalier_slot_refresh(NULL, 0, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_collect(NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_register(NULL, &reader), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_unregister(NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_acquire(NULL, &lease), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_close(NULL), ESPALIER_OK);
    espalier_slot_release(NULL);
}

/* Writes over the file in place, which nobody should do. */
static void overwrite_leaves(void)
{
    const int descriptor = open(PATH, O_WRONLY);
    const espalier_file_section *const leaves =
        model_bytes_section(&models.bytes[0], ESPALIER_SECTION_LEAVES);
    assert_true(descriptor >= 0);
    for (uint64_t i = 0; i < leaves->bytes; i++) {
        assert_int_equal(pwrite(descriptor, "\x3f", 1, (off_t)(leaves->offset + i)), 1);
    }
    assert_int_equal(close(descriptor), 0);
}

static espalier_status expect_seals(void *context, int descriptor, const char *path,
                                    espalier_error *error_out)
{
    (void)path;
    (void)error_out;
    *(int *)context = fcntl(descriptor, F_GET_SEALS);
    assert_int_equal(pwrite(descriptor, "x", 1, 0), -1);
    assert_int_equal(ftruncate(descriptor, 1), -1);
    return ESPALIER_OK;
}

static void test_a_sealed_copy_cannot_be_changed(void **state)
{
    (void)state;
    int seals = 0;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.flags = ESPALIER_SLOT_SEALED;
    options.check = expect_seals;
    options.check_context = &seals;
    espalier_slot *const slot = open_slot(&options);
    espalier_reader *reader = NULL;
    assert_int_equal(seals & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(espalier_slot_register(slot, &reader), ESPALIER_OK);
    overwrite_leaves();
    assert_answers(reader, 0, 1);
    assert_int_equal(truncate(PATH, 100), 0); /* a mapping of it would fault */
    assert_answers(reader, 0, 1);
    assert_int_equal(espalier_slot_unregister(reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    int sealed = -1;
    assert_int_equal(espalier_seal_copy(-1, &sealed, NULL), ESPALIER_ERROR_ARGUMENT);
    const int folder = open(".", O_RDONLY);
    assert_int_equal(espalier_seal_copy(folder, &sealed, NULL), ESPALIER_ERROR_OPEN);
    assert_int_equal(close(folder), 0);
}

static espalier_status replace_path(void *context, int descriptor, const char *path,
                                    espalier_error *error_out)
{
    (void)path;
    (void)error_out;
    /* The header of what is being checked, then another file in its place. */
    assert_int_equal(pread(descriptor, context, sizeof(espalier_file_header), 0),
                     sizeof(espalier_file_header));
    put_bytes(&models.bytes[1]);
    return ESPALIER_OK;
}

static void test_what_was_checked_is_what_is_mapped(void **state)
{
    (void)state;
    espalier_file_header checked;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.check = replace_path;
    options.check_context = &checked;
    for (unsigned i = 0; i < 2; i++) {
        options.flags = i == 0 ? 0 : ESPALIER_SLOT_SEALED;
        espalier_slot *const slot = open_slot(&options);
        espalier_reader *reader = NULL;
        espalier_lease lease;
        espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
        assert_int_equal(espalier_slot_register(slot, &reader), ESPALIER_OK);
        assert_int_equal(espalier_slot_acquire(reader, &lease), ESPALIER_OK);
        assert_int_equal(espalier_model_info_get(lease.model, &info), ESPALIER_OK);
        assert_memory_equal(info.root_digest, checked.root_digest, sizeof info.root_digest);
        espalier_slot_release(reader);
        assert_answers(reader, 0, 1);
        assert_int_equal(espalier_slot_unregister(reader), ESPALIER_OK);
        assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    }
}

/* ---- warming ---- */

/* What a walk over a model gives. */
typedef struct warm_pieces {
    const espalier_model *model;
    size_t bytes;
    size_t roots; /* pieces that begin where a tree does */
    size_t nodes; /* bytes of nodes */
} warm_pieces;

static void count_piece(void *context, const uint8_t *data, size_t bytes)
{
    warm_pieces *const pieces = context;
    const espalier_model *const model = pieces->model;
    const espalier_file_section *const nodes =
        espalier_file_find(&model->file, ESPALIER_SECTION_NODES);
    assert_true(bytes > 0 && data >= model->map.base &&
                data + bytes <= model->map.base + models.bytes[0].bytes);
    pieces->bytes += bytes;
    if (data >= model->nodes && data < model->nodes + nodes->bytes) {
        pieces->nodes += bytes;
        for (uint32_t t = 0; t < model->tree_count; t++) {
            const uint64_t first = model->trees[t].first_node * model->parts[0].node_bytes;
            pieces->roots += data == model->nodes + first;
        }
    }
}

static warm_pieces walk_pieces(const espalier_model *model, size_t bytes_max)
{
    warm_pieces pieces = {model, 0, 0, 0};
    const size_t bytes = espalier_warm_walk(model, bytes_max, count_piece, &pieces);
    assert_int_equal(bytes, pieces.bytes);
    assert_true(pieces.bytes <= bytes_max);
    return pieces;
}

/* All that predictions read, or of every tree the beginning, or as much as there is room for. */
static void test_what_is_warmed(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(models.bytes[0].data, models.bytes[0].bytes, NULL,
                                                &model, NULL),
                     ESPALIER_OK);
    const size_t nodes = espalier_file_find(&model->file, ESPALIER_SECTION_NODES)->bytes;
    const size_t leaves = espalier_file_find(&model->file, ESPALIER_SECTION_LEAVES)->bytes;
    const warm_pieces all = walk_pieces(model, SIZE_MAX);
    assert_int_equal(all.bytes, nodes + leaves);
    assert_int_equal(all.nodes, nodes);
    const warm_pieces no_leaves = walk_pieces(model, nodes);
    assert_int_equal(no_leaves.bytes, nodes);
    const warm_pieces tops = walk_pieces(model, nodes - 1);
    assert_int_equal(tops.roots, model->tree_count);
    assert_true(tops.nodes < nodes && tops.nodes > nodes / 4);
    const warm_pieces two = walk_pieces(model, 100);
    assert_int_equal(two.roots, 2); /* a line of one, the rest of a line of the next */
    assert_int_equal(two.bytes, 100);
    assert_int_equal(walk_pieces(model, 0).bytes, 0);
    espalier_model_close(model);
}

static size_t warm_bytes(espalier_reader *reader)
{
    size_t bytes = 1;
    assert_int_equal(espalier_slot_warm(reader, 0, &bytes), ESPALIER_OK);
    return bytes;
}

/* Once for each model, by each reader; nothing is held afterwards. */
static void test_a_model_is_warmed_once(void **state)
{
    (void)state;
    espalier_slot *const slot = open_slot(NULL);
    espalier_reader *readers[2];
    espalier_lease lease;
    espalier_slot_state now;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(espalier_slot_register(slot, &readers[i]), ESPALIER_OK);
        assert_true(warm_bytes(readers[i]) > 0);
        assert_int_equal(warm_bytes(readers[i]), 0);
    }
    put_bytes(&models.bytes[1]);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.changed, 1);
    size_t bytes = 7;
    assert_int_equal(espalier_slot_acquire(readers[0], &lease), ESPALIER_OK);
    assert_int_equal(espalier_slot_warm(readers[0], 0, &bytes), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_slot_warm(NULL, 0, &bytes), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(bytes, 7);
    espalier_slot_release(readers[0]);
    assert_int_equal(espalier_slot_warm(readers[0], 100, &bytes), ESPALIER_OK);
    assert_int_equal(bytes, 100);
    assert_int_equal(espalier_slot_warm(readers[1], 0, NULL), ESPALIER_OK);
    assert_int_equal(warm_bytes(readers[0]), 0);
    assert_int_equal(warm_bytes(readers[1]), 0);
    assert_answers(readers[0], 1, 2);
    put_bytes(&models.bytes[0]);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.held_count, 0);
    assert_int_equal(truncate(PATH, 100), 0); /* a read would fault */
    assert_true(warm_bytes(readers[1]) > 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(espalier_slot_unregister(readers[i]), ESPALIER_OK);
    }
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
}

/* ---- threads ---- */

enum {
    THREADS = 3,
    SWAPS = 200
};

typedef struct worker {
    espalier_slot *slot;
    atomic_bool *stop;
    atomic_uint *ready; /* workers that answered once, or never will */
    uint64_t answers;
    uint64_t wrong;
    uint64_t versions; /* that it saw */
} worker;

static void *serve(void *argument)
{
    worker *const w = argument;
    espalier_reader *reader = NULL;
    espalier_status status = ESPALIER_ERROR_BUSY;
    while (status == ESPALIER_ERROR_BUSY) { /* others register, the service refreshes */
        status = espalier_slot_register(w->slot, &reader);
    }
    uint64_t last = 0;
    while (status == ESPALIER_OK && !atomic_load(w->stop)) {
        espalier_lease lease;
        double answers[ROWS * CLASSES];
        status = espalier_slot_acquire(reader, &lease);
        if (status == ESPALIER_OK) {
            status = predict_rows(lease.predictor, answers);
            /* Odd versions are model 0. */
            w->wrong +=
                memcmp(answers, models.answers[(lease.version + 1) % 2], sizeof answers) != 0 ||
                lease.version < last;
            w->versions += lease.version != last;
            last = lease.version;
            espalier_slot_release(reader);
            status = espalier_slot_warm(reader, 0, NULL);
        }
        w->answers++;
        if (w->answers == 1) {
            (void)atomic_fetch_add(w->ready, 1);
        }
    }
    if (w->answers == 0) { /* failed: nobody shall wait for it */
        (void)atomic_fetch_add(w->ready, 1);
    }
    w->wrong += status != ESPALIER_OK;
    do {
        status = espalier_slot_unregister(reader);
    } while (status == ESPALIER_ERROR_BUSY);
    w->wrong += status != ESPALIER_OK;
    return NULL;
}

static void test_readers_go_on_while_models_are_swapped(void **state)
{
    (void)state;
    espalier_slot *const slot = open_slot(NULL);
    atomic_bool stop;
    atomic_init(&stop, false);
    atomic_uint ready;
    atomic_init(&ready, 0);
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){slot, &stop, &ready, 0, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &workers[i]), 0);
    }
    while (atomic_load(&ready) < THREADS) { /* on one core all could be swapped before they run */
        (void)sched_yield();
    }
    espalier_slot_state now = {0, 0, 0};
    for (unsigned swap = 1; swap <= SWAPS; swap++) {
        put_bytes(&models.bytes[swap % 2]);
        espalier_status status = ESPALIER_ERROR_BUSY;
        while (status == ESPALIER_ERROR_BUSY) { /* a reader registers */
            status = espalier_slot_refresh(slot, 0, &now, NULL);
        }
        assert_int_equal(status, ESPALIER_OK);
        assert_int_equal(now.changed, 1);
        assert_int_equal(now.version, swap + 1);
        assert_true(now.held_count <= THREADS);
    }
    atomic_store(&stop, true);
    uint64_t answers = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
        answers += workers[i].answers;
    }
    assert_true(answers >= THREADS);
    assert_int_equal(espalier_slot_collect(slot, &now), ESPALIER_OK);
    assert_int_equal(now.held_count, 0);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_file_is_served_and_the_old_one_goes),
        cmocka_unit_test(test_other_features_outputs_and_classes_are_refused),
        cmocka_unit_test(test_another_name_is_refused),
        cmocka_unit_test(test_a_failed_refresh_changes_nothing),
        cmocka_unit_test(test_a_second_refresh_at_the_same_time_is_told_so),
        cmocka_unit_test(test_readers_are_counted),
        cmocka_unit_test(test_wrong_calls_are_refused),
        cmocka_unit_test(test_a_sealed_copy_cannot_be_changed),
        cmocka_unit_test(test_what_was_checked_is_what_is_mapped),
        cmocka_unit_test(test_what_is_warmed),
        cmocka_unit_test(test_a_model_is_warmed_once),
        cmocka_unit_test(test_readers_go_on_while_models_are_swapped),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_models, free_models);
}
