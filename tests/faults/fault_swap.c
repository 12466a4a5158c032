// SPDX-License-Identifier: Apache-2.0
/*
 * Signing, publishing, rolling back, pruning, listing, opening a slot and refreshing it, while the
 * n-th call to the system fails, whatever it is, for n from the first to the last. An error says
 * so, or nothing is lost; the store serves the version of before or the next one whole, the slot
 * serves on, the signature is the old one or the new one, nothing is left open or mapped, and
 * afterwards the same call succeeds.
 */
#include "tests/faults/fault_calls.h"

#ifdef HAS_OTHER_ALLOCATOR

int main(void)
{
    return 77;
}

#else

#include "espalier_publish.h"
#include "espalier_slot.h"
#include "format/store_link.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/remove_tree.h"
#include "tests/support/store_look.h"
#include "tests/support/synthetic.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/file.h>

#include <cmocka.h>

/* ---- calls that fault_calls.h has not ---- */

int openat(int folder, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    const int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
    va_end(more);
    fault.inherited += fault.on && (flags & O_CLOEXEC) == 0;
    return fails("openat", EMFILE) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

int fstatat(int folder, const char *restrict path, struct stat *restrict facts, int flags)
{
    return fails("fstatat", EIO) ? -1 : (int)syscall(SYS_newfstatat, folder, path, facts, flags);
}

/* Looks at a link that leads to another version each time, none of which is there; 0: it rests. */
static unsigned restless;

/* Where the next look at a link leads, though the link is another one since; NULL: as it is. */
static const char *stale_link;

/* The room that the last look at a link had. A look that fails leaves digits there. */
static size_t link_room;

ssize_t readlinkat(int folder, const char *restrict path, char *restrict target, size_t bytes)
{
    link_room = bytes;
    if (restless > 0) {
        const int length = snprintf(target, bytes, "%u", 1000000 + restless++);
        return length;
    }
    if (stale_link != NULL) {
        const ssize_t length = snprintf(target, bytes, "%s", stale_link);
        stale_link = NULL;
        return length;
    }
    const ssize_t length =
        fails("readlinkat", EIO) ? -1 : syscall(SYS_readlinkat, folder, path, target, bytes);
    if (length < 0) {
        memset(target, '7', bytes);
    }
    return length;
}

int memfd_create(const char *name, unsigned flags)
{
    fault.inherited += fault.on && (flags & MFD_CLOEXEC) == 0;
    return fails("memfd_create", EMFILE) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int fcntl(int descriptor, int operation, ...)
{
    va_list more;
    va_start(more, operation);
    const long argument = va_arg(more, long);
    va_end(more);
    return fails("fcntl", EPERM) ? -1 : (int)syscall(SYS_fcntl, descriptor, operation, argument);
}

int flock(int descriptor, int operation)
{
    return fails("flock", ENOLCK) ? -1 : (int)syscall(SYS_flock, descriptor, operation);
}

int mkdir(const char *path, mode_t mode)
{
    return fails("mkdir", ENOSPC) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    return fails("mkdirat", ENOSPC) ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

int unlinkat(int folder, const char *path, int flags)
{
    return fails("unlinkat", EIO) ? -1 : (int)syscall(SYS_unlinkat, folder, path, flags);
}

int symlinkat(const char *target, int folder, const char *path)
{
    return fails("symlinkat", ENOSPC) ? -1 : (int)syscall(SYS_symlinkat, target, folder, path);
}

int renameat2(int old_folder, const char *from, int new_folder, const char *to, unsigned flags)
{
    return fails("renameat2", EIO)
               ? -1
               : (int)syscall(SYS_renameat2, old_folder, from, new_folder, to, flags);
}

int renameat(int old_folder, const char *from, int new_folder, const char *to)
{
    return renameat2(old_folder, from, new_folder, to, 0);
}

/* ---- what is called ---- */

#define BASE  "fault_swap.folder"
#define STORE BASE "/store"
#define MODEL BASE "/model"

static espalier_slot *kept_slot;
static espalier_reader *kept_reader;
static espalier_public_key public_key;
static espalier_secret_key secret_key;
static espalier_signature_policy policy = ESPALIER_SIGNATURE_POLICY_INIT;

static espalier_status call_sign(espalier_error *error)
{
    return espalier_sign(MODEL, &secret_key, "m", "1", NULL, error);
}

static espalier_status call_publish(espalier_error *error)
{
    espalier_store_options options = ESPALIER_STORE_OPTIONS_INIT;
    options.policy = &policy;
    return espalier_store_publish(STORE, MODEL, &options, NULL, error);
}

static espalier_status call_rollback(espalier_error *error)
{
    return espalier_store_rollback(STORE, 0, NULL, NULL, error);
}

static espalier_status call_prune(espalier_error *error)
{
    return espalier_store_prune(STORE, 1, NULL, NULL, error);
}

static espalier_status call_list(espalier_error *error)
{
    return store_list(STORE, error);
}

static espalier_status open_slot(const char *path, uint64_t flags, espalier_error *error)
{
    espalier_slot *slot = NULL;
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    options.flags = flags;
    options.check = espalier_signature_slot_check;
    options.check_context = &policy;
    const espalier_status status = espalier_slot_open(path, &options, &slot, error);
    if (status == ESPALIER_OK) {
        (void)espalier_slot_close(slot);
    }
    return status;
}

static espalier_status call_open_store(espalier_error *error)
{
    return open_slot(STORE, 0, error);
}

static espalier_status call_open_file(espalier_error *error)
{
    return open_slot(MODEL, 0, error);
}

static espalier_status call_open_sealed(espalier_error *error)
{
    return open_slot(STORE, ESPALIER_SLOT_SEALED, error);
}

/* A refresh that succeeds closes the model before, which nobody holds. */
static espalier_status call_refresh(espalier_error *error)
{
    return espalier_slot_refresh(kept_slot, ESPALIER_REFRESH_ALWAYS, NULL, error);
}

/* ---- what must hold afterwards ---- */

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *const folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

/* The version that readers get, which must be whole, as its signature must be. */
static uint64_t current_version(void)
{
    const uint64_t version = store_current(STORE);
    assert_int_equal(espalier_signature_verify(MODEL, NULL, &policy, NULL, NULL), ESPALIER_OK);
    return version;
}

static void check_slot_serves(void)
{
    espalier_lease lease;
    float row[3] = {0.0F, 1.0F, 2.0F};
    double answer[2] = {-1.0, -1.0};
    assert_int_equal(espalier_slot_acquire(kept_reader, &lease), ESPALIER_OK);
    const espalier_rows rows = espalier_rows_float32(row, 1, 3);
    espalier_outputs outputs = {.data = answer, .data_bytes = sizeof answer};
    assert_int_equal(espalier_predict(lease.predictor, ESPALIER_OUTPUT_PROBABILITY, &rows,
                                      &outputs),
                     ESPALIER_OK);
    espalier_slot_release(kept_reader);
    assert_true(answer[0] >= 0.0 && answer[1] >= 0.0);
}

typedef struct swap_call {
    const char *name;
    espalier_status (*call)(espalier_error *error);
    bool publishes; /* a version more, if it succeeds */
} swap_call;

/* What the system did, and no file's or caller's fault. */
static bool is_systems(espalier_status status)
{
    static const espalier_status systems[] = {ESPALIER_ERROR_MEMORY, ESPALIER_ERROR_MAP,
                                              ESPALIER_ERROR_OPEN,   ESPALIER_ERROR_READ,
                                              ESPALIER_ERROR_WRITE,  ESPALIER_ERROR_SYNC,
                                              ESPALIER_ERROR_RENAME};
    bool found = false;
    for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++) {
        found = found || status == systems[i];
    }
    return found;
}

/* Where memory ran out, that is what is said. */
static bool is_cause(const char *failed, const espalier_error *error)
{
    const bool allocates = strstr(failed, "alloc") != NULL;
    const bool is_memory = error->status == ESPALIER_ERROR_MEMORY && error->format_rule == 0;
    return !allocates || is_memory || error->system_errno == ENOMEM;
}

/* False: the call went through without the one that was to fail. */
static bool fail_one(const swap_call *tried, uint64_t n, uint64_t *told)
{
    espalier_error error;
    memset(&error, 0, sizeof error);
    const uint64_t before = current_version();
    const size_t descriptors = count_descriptors();
    fault_start(n);
    const espalier_status status = tried->call(&error);
    (void)fault_stop(); /* descriptors are counted here, for libc closes some itself */
    const bool failed = fault.failed != NULL;
    const char *const which = failed ? fault.failed : "none";
    const uint64_t after = current_version();
    const bool kept = fault.blocks == 0 && fault.maps == 0 && fault.inherited == 0 &&
                      count_descriptors() == descriptors;
    const bool is_next = after == before + 1 && tried->publishes;
    const bool right = status == ESPALIER_OK           ? is_next || !tried->publishes
                       : status == ESPALIER_ERROR_SYNC ? is_next || after == before
                                                       : after == before;
    const bool says =
        status == ESPALIER_OK || (failed && is_systems(status) && is_cause(which, &error) &&
                                  error.status == status && error.message[0] != '\0');
    if (!kept || !right || !says) {
        fail_msg("%s, call %llu, %s: %s, version %llu after %llu, %lld blocks, %lld maps, %zu "
                 "files: %s",
                 tried->name, (unsigned long long)n, which, espalier_status_name(status),
                 (unsigned long long)after, (unsigned long long)before, (long long)fault.blocks,
                 (long long)fault.maps, count_descriptors() - descriptors, error.message);
    }
    check_slot_serves();
    *told += status != ESPALIER_OK;
    return failed;
}

static void fail_each(void)
{
    static const swap_call calls[] = {
        {"sign", call_sign, false},
        {"publish", call_publish, true},
        {"rollback", call_rollback, true},
        {"prune", call_prune, false},
        {"list", call_list, false},
        {"open a store", call_open_store, false},
        {"open a file", call_open_file, false},
        {"open sealed", call_open_sealed, false},
        {"refresh", call_refresh, false},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        uint64_t n = 1, told = 0;
        while (n < 1000) {
            if (calls[i].call == call_prune) { /* something to remove */
                assert_int_equal(call_publish(NULL), ESPALIER_OK);
            }
            if (!fail_one(&calls[i], n, &told)) {
                break;
            }
            n++;
        }
        assert_in_range(n, 10, 999);
        assert_true(told >= 5);
        assert_int_equal(call_prune(NULL), ESPALIER_OK);
    }
}

static void test_every_call_fails(void **state)
{
    (void)state;
    fail_each();
}

/* A daemon may have closed it: then 0 is a descriptor like others, to use and to give back. */
static void test_without_standard_input(void **state)
{
    (void)state;
    const int kept = dup(STDIN_FILENO);
    (void)close(STDIN_FILENO);
    fail_each();
    if (kept >= 0) {
        assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
        assert_int_equal(close(kept), 0);
    }
}

static void test_a_link_that_does_not_rest(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    uint64_t version = 0;
    espalier_error error;
    restless = 1;
    assert_int_equal(espalier_model_open_store(STORE, NULL, &model, &version, &error),
                     ESPALIER_ERROR_STORE);
    const unsigned looks = restless - 1;
    restless = 0;
    assert_int_equal(looks, 1000);
    /* One digit more than a number has, which is seen to be too long, and its end has room. */
    assert_int_equal(link_room, ESPALIER_STORE_DIGITS_MAX + 1);
    assert_non_null(strstr(error.message, "does not come to rest"));
    assert_int_equal(error.format_rule, 0);
}

/* What nobody wrote there is no version. */
static void test_a_folder_without_a_link(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    uint64_t version = 0;
    espalier_error error;
    assert_int_equal(espalier_model_open_store(BASE, NULL, &model, &version, &error),
                     ESPALIER_ERROR_STORE);
    assert_non_null(strstr(error.message, "has no link"));
    assert_int_equal(error.format_rule, 0);
}

/* A reader that was told of the first version looks again when it is gone. */
static void test_a_version_that_is_pruned_meanwhile(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    uint64_t version = 0;
    assert_int_equal(call_publish(NULL), ESPALIER_OK);
    assert_int_equal(call_prune(NULL), ESPALIER_OK);
    assert_int_equal(access(STORE "/1", F_OK), -1);
    stale_link = "1";
    fault_start(0);
    const espalier_status status = espalier_model_open_store(STORE, NULL, &model, &version, NULL);
    espalier_model_close(model);
    assert_true(fault_stop());
    assert_int_equal(status, ESPALIER_OK);
    assert_null(stale_link);
    assert_int_equal(version, store_current(STORE));
}

/* ---- the group ---- */

static int make_all(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 91,
                                       .tree_count = 2,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    assert_int_equal(remove_tree(BASE), 0);
    assert_int_equal(mkdir(BASE, 0755), 0);
    synthetic_forest_make(&options, &forest);
    model_bytes bytes = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    model_bytes_write(&bytes, MODEL);
    model_bytes_free(&bytes);
    assert_int_equal(espalier_key_generate(MODEL ".pub", MODEL ".key", NULL, NULL), ESPALIER_OK);
    assert_int_equal(espalier_public_key_read(MODEL ".pub", &public_key, NULL), ESPALIER_OK);
    assert_int_equal(espalier_secret_key_read(MODEL ".key", NULL, &secret_key, NULL), ESPALIER_OK);
    policy.key = &public_key;
    policy.model_name = "m";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(call_sign(NULL), ESPALIER_OK);
        assert_int_equal(call_publish(NULL), ESPALIER_OK);
    }
    espalier_slot_options slot = ESPALIER_SLOT_OPTIONS_INIT;
    slot.flags = ESPALIER_SLOT_SEALED;
    slot.check = espalier_signature_slot_check;
    slot.check_context = &policy;
    assert_int_equal(espalier_slot_open(STORE, &slot, &kept_slot, NULL), ESPALIER_OK);
    assert_int_equal(espalier_slot_register(kept_slot, &kept_reader), ESPALIER_OK);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    assert_int_equal(espalier_slot_unregister(kept_reader), ESPALIER_OK);
    assert_int_equal(espalier_slot_close(kept_slot), ESPALIER_OK);
    espalier_secret_key_wipe(&secret_key);
    return remove_tree(BASE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_without_standard_input),
        cmocka_unit_test(test_a_link_that_does_not_rest),
        cmocka_unit_test(test_a_folder_without_a_link),
        cmocka_unit_test(test_a_version_that_is_pruned_meanwhile),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_all, free_all);
}

#endif
