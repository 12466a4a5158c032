// SPDX-License-Identifier: Apache-2.0
/*
 * publish/store: versions are published, listed, rolled back and pruned; two publishers, and
 * publishers that are killed at any moment, thousands of them, while others read.
 */
#include "espalier_publish.h"
#include "espalier_slot.h"
#include "format/store_link.h"
#include "tests/support/model_bytes.h"
#include "tests/support/remove_tree.h"
#include "tests/support/sanitized.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KILLS (SANITIZED ? 300u : 2000u) /* a process with a sanitizer takes long to begin */

/* Two models, by their paths and digests. */
static char base[64];
static char store[96];
static char paths[2][96];
static uint8_t digests[2][32];

/* A memory disk where there is one: fsync costs nothing there. */
static int make_models(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof base, "%s/test_store.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".");
    assert_non_null(mkdtemp(base));
    (void)snprintf(store, sizeof store, "%s/store", base);
    for (unsigned i = 0; i < 2; i++) {
        const synthetic_options options = {.seed = 61 + i,
                                           .tree_count = 2,
                                           .feature_count = 3,
                                           .decision_count_max = 9,
                                           .group_count = 1,
                                           .class_count = 2};
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        model_bytes bytes = model_bytes_of(&forest, 2);
        espalier_forest_free(&forest);
        espalier_file_header header;
        memcpy(&header, bytes.data, sizeof header);
        memcpy(digests[i], header.root_digest, sizeof digests[i]);
        (void)snprintf(paths[i], sizeof paths[i], "%s/model%u.espalier", base, i);
        model_bytes_write(&bytes, paths[i]);
        model_bytes_free(&bytes);
    }
    return 0;
}

/* Turns the link by hand. */
static void turn_link(const char *target)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/current", store);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(target, path), 0);
}

static int remove_store(void **state)
{
    (void)state;
    return remove_tree(store);
}

static int remove_models(void **state)
{
    (void)state;
    return remove_tree(base);
}

static uint64_t publish(unsigned model)
{
    uint64_t version = 0;
    espalier_error error;
    if (espalier_store_publish(store, paths[model], NULL, &version, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return version;
}

/* Which of the two is current, by its digest; opened as readers do. */
static unsigned current_model(uint64_t *version_out)
{
    espalier_model *model = NULL;
    espalier_error error;
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    if (espalier_model_open_store(store, NULL, &model, version_out, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(espalier_model_info_get(model, &info), ESPALIER_OK);
    espalier_model_close(model);
    const unsigned found = memcmp(info.root_digest, digests[0], sizeof digests[0]) == 0 ? 0 : 1;
    assert_memory_equal(info.root_digest, digests[found], sizeof digests[found]);
    return found;
}

static void assert_current(unsigned model, uint64_t version)
{
    uint64_t current = 0;
    assert_int_equal(current_model(&current), model);
    assert_int_equal(current, version);
}

static void assert_numbers(const uint64_t *expected, size_t expected_count)
{
    espalier_store_version *versions = NULL;
    size_t count = 0;
    assert_int_equal(espalier_store_list(store, &versions, &count, NULL), ESPALIER_OK);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(versions[i].version, expected[i]);
        assert_int_equal(versions[i].is_readable, 1);
    }
    espalier_store_free(versions);
}

static void test_versions_are_numbered_and_listed(void **state)
{
    (void)state;
    assert_int_equal(publish(0), 1);
    assert_current(0, 1);
    assert_int_equal(publish(1), 2);
    assert_current(1, 2);
    uint64_t version = 0;
    assert_int_equal(espalier_store_rollback(store, 0, NULL, &version, NULL), ESPALIER_OK);
    assert_int_equal(version, 3);
    assert_current(0, 3); /* the old bytes, a new number */
    espalier_store_version *versions = NULL;
    size_t count = 0;
    assert_int_equal(espalier_store_list(store, &versions, &count, NULL), ESPALIER_OK);
    assert_int_equal(count, 3);
    assert_int_equal(versions[2].version, 3);
    assert_int_equal(versions[2].is_current, 1);
    assert_int_equal(versions[2].previous, 2);
    assert_int_equal(versions[2].copied_from, 1);
    assert_memory_equal(versions[2].root_digest, digests[0], 32);
    assert_int_equal(versions[1].is_previous, 1);
    assert_int_equal(versions[1].is_current, 0);
    assert_int_equal(versions[1].copied_from, 0);
    assert_int_equal(versions[0].previous, 0);
    assert_int_equal(versions[0].has_signature, 0);
    struct stat facts;
    assert_int_equal(stat(paths[0], &facts), 0);
    assert_int_equal(versions[0].file_bytes, facts.st_size);
    espalier_store_free(versions);
    assert_int_equal(espalier_store_rollback(store, 2, NULL, &version, NULL), ESPALIER_OK);
    assert_current(1, 4);
}

static void test_prune_keeps_current_and_previous(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        publish(i % 2);
    }
    uint64_t removed = 0;
    assert_int_equal(espalier_store_prune(store, 4, NULL, &removed, NULL), ESPALIER_OK);
    assert_int_equal(removed, 2);
    assert_numbers((const uint64_t[]){3, 4, 5, 6}, 4);
    assert_int_equal(espalier_store_prune(store, 0, NULL, &removed, NULL), ESPALIER_OK);
    assert_int_equal(removed, 2);
    assert_numbers((const uint64_t[]){5, 6}, 2);
    assert_int_equal(espalier_store_prune(store, 9, NULL, &removed, NULL), ESPALIER_OK);
    assert_int_equal(removed, 0);
    /* The previous one may be older than others: 6 stays, 7 was never current. */
    assert_int_equal(espalier_store_rollback(store, 5, NULL, NULL, NULL), ESPALIER_OK);
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s/9", store);
    assert_int_equal(mkdir(folder, 0755), 0);
    publish(0);
    assert_current(0, 10);
    assert_int_equal(espalier_store_prune(store, 1, NULL, &removed, NULL), ESPALIER_OK);
    assert_int_equal(removed, 3);
    assert_numbers((const uint64_t[]){7, 10}, 2);
}

static void test_mistakes_are_refused_and_change_nothing(void **state)
{
    (void)state;
    espalier_error error;
    uint64_t version = 77;
    espalier_store_version *versions = NULL;
    size_t count = 0;
    assert_int_equal(espalier_store_list(store, &versions, &count, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_store_rollback(store, 0, NULL, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_store_publish(base, paths[0], NULL, NULL, &error),
                     ESPALIER_ERROR_STORE);
    assert_non_null(strstr(error.message, "not a store, and not empty"));
    assert_int_equal(espalier_store_publish(NULL, paths[0], NULL, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    publish(0);
    assert_int_equal(espalier_store_publish(store, "no such file", NULL, &version, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_store_rollback(store, 0, NULL, &version, &error),
                     ESPALIER_ERROR_STORE);
    assert_int_equal(espalier_store_rollback(store, 1, NULL, &version, &error),
                     ESPALIER_ERROR_STORE);
    assert_int_equal(espalier_store_rollback(store, 5, NULL, &version, &error),
                     ESPALIER_ERROR_STORE);
    assert_non_null(strstr(error.message, "has no version 5"));
    assert_int_equal(version, 77);
    assert_current(0, 1);
    espalier_store_options options = ESPALIER_STORE_OPTIONS_INIT;
    options.flags = 1u << 9;
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error),
                     ESPALIER_ERROR_OPTIONS);
    options.flags = 0;
    options.reserved[0] = 1;
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error),
                     ESPALIER_ERROR_OPTIONS);
}

/* A model whose leaves were changed, sealed again: only verifying finds it. */
static void test_what_does_not_verify_is_not_published(void **state)
{
    (void)state;
    publish(0);
    const synthetic_options options = {.seed = 63,
                                       .tree_count = 2,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    model_bytes bytes = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    ((uint8_t *)model_bytes_data(&bytes, ESPALIER_SECTION_LEAVES))[6] ^= 1;
    model_bytes_seal(&bytes);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/changed", base);
    model_bytes_write(&bytes, path);
    model_bytes_free(&bytes);
    espalier_error error;
    assert_int_equal(espalier_store_publish(store, path, NULL, NULL, &error),
                     ESPALIER_ERROR_DIGEST);
    assert_non_null(strstr(error.message, "section LEAVES"));
    assert_int_equal(unlink(path), 0);
    assert_numbers((const uint64_t[]){1}, 1);
    (void)snprintf(path, sizeof path, "%s/.building", store);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_signed_versions_keep_their_signatures(void **state)
{
    (void)state;
    char public_path[128];
    char secret_path[128];
    char signature_path[128];
    (void)snprintf(public_path, sizeof public_path, "%s/key.pub", base);
    (void)snprintf(secret_path, sizeof secret_path, "%s/key", base);
    (void)snprintf(signature_path, sizeof signature_path, "%s" ESPALIER_SIGNATURE_SUFFIX, paths[0]);
    espalier_public_key key;
    espalier_secret_key secret;
    espalier_error error;
    assert_int_equal(espalier_key_generate(public_path, secret_path, NULL, NULL), ESPALIER_OK);
    assert_int_equal(espalier_public_key_read(public_path, &key, NULL), ESPALIER_OK);
    assert_int_equal(espalier_secret_key_read(secret_path, NULL, &secret, NULL), ESPALIER_OK);
    espalier_signature_policy policy = ESPALIER_SIGNATURE_POLICY_INIT;
    policy.key = &key;
    espalier_store_options options = ESPALIER_STORE_OPTIONS_INIT;
    options.policy = &policy;
    options.flags = ESPALIER_STORE_VERITY; /* where the file system can */
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error),
                     ESPALIER_ERROR_OPEN); /* no signature */
    assert_int_equal(espalier_sign(paths[0], &secret, "iris", "7", NULL, NULL), ESPALIER_OK);
    policy.model_name = "iris";
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error), ESPALIER_OK);
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error), ESPALIER_OK);
    assert_int_equal(espalier_store_rollback(store, 1, &options, NULL, &error), ESPALIER_OK);
    policy.model_name = "other";
    assert_int_equal(espalier_store_publish(store, paths[0], &options, NULL, &error),
                     ESPALIER_ERROR_SIGNATURE);
    policy.model_name = "iris";
    /* A slot that checks each version before it maps it. */
    espalier_slot_options slot_options = ESPALIER_SLOT_OPTIONS_INIT;
    slot_options.check = espalier_signature_slot_check;
    slot_options.check_context = &policy;
    slot_options.version_min = 3;
    espalier_slot *slot = NULL;
    espalier_slot_state now = {0, 0, 0};
    assert_int_equal(espalier_slot_open(store, &slot_options, &slot, &error), ESPALIER_OK);
    assert_int_equal(publish(1), 4); /* nobody signed this one */
    assert_int_equal(espalier_slot_refresh(slot, 0, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_non_null(strstr(error.message, "/4/model.espalier.minisig"));
    assert_int_equal(espalier_store_rollback(store, 3, &options, NULL, &error), ESPALIER_OK);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, &error), ESPALIER_OK);
    assert_int_equal(now.version, 5);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    slot_options.version_min = 6;
    assert_int_equal(espalier_slot_open(store, &slot_options, &slot, &error), ESPALIER_ERROR_OLDER);
    assert_int_equal(unlink(signature_path), 0);
}

static void test_a_slot_does_not_go_back(void **state)
{
    (void)state;
    publish(0);
    publish(1);
    espalier_slot *slot = NULL;
    espalier_slot_state now = {0, 0, 0};
    espalier_error error;
    assert_int_equal(espalier_slot_open(store, NULL, &slot, NULL), ESPALIER_OK);
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.version, 2);
    assert_int_equal(now.changed, 0);
    /* Whoever turns the link back by hand is told. */
    turn_link("1");
    assert_int_equal(espalier_slot_refresh(slot, 0, &now, &error), ESPALIER_ERROR_OLDER);
    assert_non_null(strstr(error.message, "version 1 is current, at least 2 is wanted"));
    assert_int_equal(espalier_slot_refresh(slot, ESPALIER_REFRESH_OLDER, &now, NULL), ESPALIER_OK);
    assert_int_equal(now.version, 1);
    assert_int_equal(espalier_slot_close(slot), ESPALIER_OK);
    /* Links that lead nowhere. */
    turn_link("../store");
    assert_int_equal(espalier_slot_open(store, NULL, &slot, &error), ESPALIER_ERROR_STORE);
    turn_link("8");
    assert_int_equal(espalier_slot_open(store, NULL, &slot, &error), ESPALIER_ERROR_OPEN);
}

static void test_names_of_versions(void **state)
{
    (void)state;
    const char *const wrong[] = {"", "0", "01", "1a", " 1", "-1", "1000000000000000000", "current"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(espalier_store_number(wrong[i]), 0);
    }
    assert_int_equal(espalier_store_number("7"), 7);
    assert_int_equal(espalier_store_number("999999999999999999"), UINT64_C(999999999999999999));
    char *const path = espalier_store_path("folder", UINT64_C(999999999999999999), "file");
    assert_string_equal(path, "folder/999999999999999999/file");
    free(path);
}

/* Links as long as a version's name can be, and longer. */
static void test_long_links(void **state)
{
    (void)state;
    static const char *const none[] = {"1000000000000000000", "99999999999999999999",
                                       "999999999999999999999999999999999999999999999"};
    espalier_error error;
    uint64_t version = 0;
    publish(0);
    turn_link("999999999999999999");
    assert_int_equal(espalier_store_read_current(store, &version, &error), ESPALIER_OK);
    assert_int_equal(version, UINT64_C(999999999999999999));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        turn_link(none[i]);
        assert_int_equal(espalier_store_read_current(store, &version, &error),
                         ESPALIER_ERROR_STORE);
    }
}

/* Nobody waits for who writes to a pipe, or reads what is none. */
static void test_a_store_that_is_a_pipe(void **state)
{
    (void)state;
    espalier_error error;
    uint64_t version = 0;
    assert_int_equal(mkfifo(store, 0644), 0);
    (void)alarm(20);
    assert_int_equal(espalier_store_read_current(store, &version, &error), ESPALIER_ERROR_OPEN);
    (void)alarm(0);
    assert_int_equal(error.system_errno, ENOTDIR);
    assert_int_equal(unlink(store), 0);
}

static void test_who_will_not_wait_is_told(void **state)
{
    (void)state;
    publish(0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.lock", store);
    const int lock = open(path, O_RDWR);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    espalier_store_options options = ESPALIER_STORE_OPTIONS_INIT;
    options.flags = ESPALIER_STORE_NO_WAIT;
    espalier_error error;
    assert_int_equal(espalier_store_publish(store, paths[1], &options, NULL, &error),
                     ESPALIER_ERROR_BUSY);
    assert_int_equal(espalier_store_prune(store, 1, &options, NULL, &error), ESPALIER_ERROR_BUSY);
    assert_int_equal(close(lock), 0);
    assert_int_equal(espalier_store_publish(store, paths[1], &options, NULL, &error), ESPALIER_OK);
}

/*
 * Links in the names that are cleared away led to folders elsewhere, whose files were then removed
 * with the rights of whoever published; and a file with a version's name stopped every publisher.
 */
static void test_links_are_removed_and_not_followed(void **state)
{
    (void)state;
    static const char *const names[] = {".building", ".pruning", "1", "2"};
    char outside[128];
    char kept[160];
    char path[128];
    uint64_t removed = 0;
    (void)snprintf(outside, sizeof outside, "%s/outside", base);
    (void)snprintf(kept, sizeof kept, "%s/kept", outside);
    assert_int_equal(mkdir(outside, 0755), 0);
    const int file = open(kept, O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(mkdir(store, 0755), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", store, names[i]);
        assert_int_equal(symlink(outside, path), 0);
    }
    (void)snprintf(path, sizeof path, "%s/3", store);
    assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)), 0);
    assert_int_equal(publish(0), 4);
    assert_int_equal(publish(0), 5);
    assert_int_equal(espalier_store_prune(store, 1, NULL, &removed, NULL), ESPALIER_OK);
    assert_int_equal(removed, 3);
    assert_numbers((const uint64_t[]){4, 5}, 2);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", store, names[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(remove_tree(outside), 0);
}

/*
 * Readers followed a model that is a link, and a list did not. A version is what its publisher
 * made, so nobody does; who publishes next puts things right.
 */
static void test_a_model_that_is_a_link(void **state)
{
    (void)state;
    char path[128];
    uint64_t version = 0;
    size_t count = 0;
    espalier_model *model = NULL;
    espalier_slot *slot = NULL;
    espalier_store_version *versions = NULL;
    espalier_error error;
    assert_int_equal(publish(0), 1);
    assert_int_equal(publish(1), 2);
    (void)snprintf(path, sizeof path, "%s/2/model.espalier", store);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(paths[1], path), 0);
    assert_int_equal(espalier_model_open_store(store, NULL, &model, &version, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ELOOP);
    assert_non_null(strstr(error.message, "model.espalier: a link"));
    assert_int_equal(espalier_slot_open(store, NULL, &slot, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ELOOP);
    assert_int_equal(espalier_store_list(store, &versions, &count, NULL), ESPALIER_OK);
    assert_int_equal(count, 2);
    assert_int_equal(versions[0].is_readable, 1);
    assert_int_equal(versions[1].is_readable, 0);
    espalier_store_free(versions);
    assert_int_equal(espalier_store_rollback(store, 1, NULL, &version, NULL), ESPALIER_OK);
    assert_int_equal(version, 3);
    assert_int_equal(espalier_model_open_store(store, NULL, &model, &version, NULL), ESPALIER_OK);
    assert_int_equal(version, 3);
    espalier_model_close(model);
    assert_int_equal(espalier_store_rollback(store, 2, NULL, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ELOOP);
}

/* ---- processes ---- */

/* Publishes, rolls back and prunes without end; leaves with 1 when something fails. */
static void publish_for_ever(unsigned first)
{
    for (unsigned i = first;; i++) {
        if (espalier_store_publish(store, paths[i % 2], NULL, NULL, NULL) != ESPALIER_OK ||
            (i % 3 == 0 && espalier_store_rollback(store, 0, NULL, NULL, NULL) != ESPALIER_OK) ||
            (i % 5 == 0 && espalier_store_prune(store, 3, NULL, NULL, NULL) != ESPALIER_OK)) {
            _exit(1);
        }
    }
}

/* Reads without end; leaves with 1 when there is once no whole model, or an older one. */
static void read_for_ever(void)
{
    uint64_t last = 0;
    for (;;) {
        espalier_model *model = NULL;
        uint64_t version = 0;
        if (espalier_model_open_store(store, NULL, &model, &version, NULL) != ESPALIER_OK ||
            version < last || espalier_model_verify(model, NULL) != ESPALIER_OK) {
            _exit(1);
        }
        espalier_model_close(model);
        last = version;
    }
}

static pid_t start(void (*work)(unsigned), unsigned argument)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        work(argument);
        _exit(2);
    }
    return child;
}

static void read_in_child(unsigned unused)
{
    (void)unused;
    read_for_ever();
}

/* Kills a child, which must have been at work until then. */
static void stop(pid_t child)
{
    int status = 0;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_publishers_are_killed_at_any_moment(void **state)
{
    (void)state;
    uint64_t seed = 5;
    uint64_t last = publish(0);
    uint64_t moved = 0;
    const pid_t reader = start(read_in_child, 0);
    for (unsigned i = 0; i < KILLS; i++) {
        const pid_t publisher = start(publish_for_ever, i);
        const struct timespec pause = {0, (long)(synthetic_next(&seed) % 3000000)};
        (void)nanosleep(&pause, NULL);
        stop(publisher);
        uint64_t version = 0;
        (void)current_model(&version);
        assert_true(version >= last);
        moved += version > last;
        last = version;
    }
    stop(reader);
    assert_true(moved > 0);
    print_message("%u publishers killed, %" PRIu64 " versions\n", KILLS, last);
    /* The next one clears away what they left. */
    const uint64_t next = publish(1);
    assert_int_equal(espalier_store_prune(store, 0, NULL, NULL, NULL), ESPALIER_OK);
    assert_numbers((const uint64_t[]){last, next}, 2);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.building", store);
    assert_int_equal(access(path, F_OK), -1);
}

static void count_publish(unsigned model)
{
    for (unsigned i = 0; i < 40; i++) {
        if (espalier_store_publish(store, paths[model], NULL, NULL, NULL) != ESPALIER_OK) {
            _exit(1);
        }
    }
    _exit(0);
}

static void test_two_publishers_lose_nothing(void **state)
{
    (void)state;
    const pid_t children[2] = {start(count_publish, 0), start(count_publish, 1)};
    for (unsigned i = 0; i < 2; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    espalier_store_version *versions = NULL;
    size_t count = 0;
    unsigned of_first = 0;
    assert_int_equal(espalier_store_list(store, &versions, &count, NULL), ESPALIER_OK);
    assert_int_equal(count, 80);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(versions[i].version, i + 1);
        assert_int_equal(versions[i].previous, i);
        of_first += memcmp(versions[i].root_digest, digests[0], sizeof digests[0]) == 0;
    }
    assert_int_equal(of_first, 40);
    espalier_store_free(versions);
    uint64_t version = 0;
    (void)current_model(&version);
    assert_int_equal(version, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_versions_are_numbered_and_listed, remove_store),
        cmocka_unit_test_teardown(test_prune_keeps_current_and_previous, remove_store),
        cmocka_unit_test_teardown(test_mistakes_are_refused_and_change_nothing, remove_store),
        cmocka_unit_test_teardown(test_what_does_not_verify_is_not_published, remove_store),
        cmocka_unit_test_teardown(test_signed_versions_keep_their_signatures, remove_store),
        cmocka_unit_test_teardown(test_a_slot_does_not_go_back, remove_store),
        cmocka_unit_test_teardown(test_who_will_not_wait_is_told, remove_store),
        cmocka_unit_test_teardown(test_links_are_removed_and_not_followed, remove_store),
        cmocka_unit_test_teardown(test_a_model_that_is_a_link, remove_store),
        cmocka_unit_test_teardown(test_two_publishers_lose_nothing, remove_store),
        cmocka_unit_test_teardown(test_publishers_are_killed_at_any_moment, remove_store),
        cmocka_unit_test(test_names_of_versions),
        cmocka_unit_test_teardown(test_long_links, remove_store),
        cmocka_unit_test_teardown(test_a_store_that_is_a_pipe, remove_store),
    };
    return cmocka_run_group_tests(tests, make_models, remove_models);
}
