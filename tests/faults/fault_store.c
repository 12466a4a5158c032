// SPDX-License-Identifier: Apache-2.0
/*
 * Publishing to a store, rolling back and pruning while each system call that changes something
 * fails in turn, with a full disk or a broken one: the error says so, the store serves the version
 * it served before, or the new one whole, nothing half-made is left, and the next call succeeds.
 *
 * write, fsync, mkdir, mkdirat, the renames and symlinkat are defined here, so the library's calls
 * come through this program. So can a call find that the store's folder was renamed since the last.
 */
#include "espalier_publish.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/remove_tree.h"
#include "tests/support/store_look.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    unsigned calls;
    unsigned failing; /* the call that fails; 0: none */
    unsigned moving;  /* before this call somebody moves the store; 0: never */
    int cause;
} fault;

static void move_store(void);

static bool fails(void)
{
    fault.calls++;
    if (fault.calls == fault.moving) {
        move_store();
    }
    if (fault.calls != fault.failing) {
        return false;
    }
    errno = fault.cause;
    return true;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    return fails() ? -1 : syscall(SYS_write, descriptor, data, bytes);
}

int fsync(int descriptor)
{
    return fails() ? -1 : (int)syscall(SYS_fsync, descriptor);
}

int mkdir(const char *path, mode_t mode)
{
    return fails() ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    return fails() ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

int renameat(int old_folder, const char *from, int new_folder, const char *to)
{
    return fails() ? -1 : (int)syscall(SYS_renameat2, old_folder, from, new_folder, to, 0);
}

int renameat2(int old_folder, const char *from, int new_folder, const char *to, unsigned flags)
{
    return fails() ? -1 : (int)syscall(SYS_renameat2, old_folder, from, new_folder, to, flags);
}

int symlinkat(const char *target, int folder, const char *path)
{
    return fails() ? -1 : (int)syscall(SYS_symlinkat, target, folder, path);
}

/* ---- a store ---- */

#define BASE  "fault_store.folder"
#define STORE BASE "/store"

static const char *const paths[2] = {BASE "/first", BASE "/second"};

/* Where a store goes that is moved, and what then stands in its place. */
#define MOVED BASE "/moved"

/* Puts a folder of folders in the store's place, made to take what is meant for the store. */
static void move_store(void)
{
    static const char *const traps[] = {STORE, STORE "/.building", STORE "/.pruning", STORE "/1"};
    assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, STORE, AT_FDCWD, MOVED, 0), 0);
    for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++) {
        assert_int_equal(syscall(SYS_mkdirat, AT_FDCWD, traps[i], 0755), 0);
    }
}

static int make_models(void **state)
{
    (void)state;
    assert_int_equal(remove_tree(BASE), 0);
    assert_int_equal(mkdir(BASE, 0755), 0);
    for (unsigned i = 0; i < 2; i++) {
        const synthetic_options options = {.seed = 81 + i,
                                           .tree_count = 2,
                                           .feature_count = 3,
                                           .decision_count_max = 9,
                                           .group_count = 1,
                                           .class_count = 2};
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        model_bytes bytes = model_bytes_of(&forest, 2);
        espalier_forest_free(&forest);
        model_bytes_write(&bytes, paths[i]);
        model_bytes_free(&bytes);
    }
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    return remove_tree(BASE);
}

static espalier_status call_publish(espalier_error *error)
{
    return espalier_store_publish(STORE, paths[1], NULL, NULL, error);
}

static espalier_status call_rollback(espalier_error *error)
{
    return espalier_store_rollback(STORE, 0, NULL, NULL, error);
}

static espalier_status call_prune(espalier_error *error)
{
    return espalier_store_prune(STORE, 1, NULL, NULL, error);
}

/* Each call fails once, until a run is through without one that was left to fail. */
static void fail_each(espalier_status (*call)(espalier_error *error), int cause)
{
    unsigned failed = 0;
    for (unsigned n = 1;; n++) {
        espalier_error error;
        assert_int_equal(espalier_store_publish(STORE, paths[0], NULL, NULL, NULL), ESPALIER_OK);
        assert_int_equal(espalier_store_publish(STORE, paths[1], NULL, NULL, NULL), ESPALIER_OK);
        const uint64_t before = store_current(STORE);
        memset(&error, 0, sizeof error);
        fault.calls = 0;
        fault.cause = cause;
        fault.failing = n;
        const espalier_status status = call(&error);
        fault.failing = 0;
        const bool is_through = fault.calls < n;
        const uint64_t after = store_current(STORE);
        assert_true(after == before || after == before + 1);
        if (status != ESPALIER_OK) {
            assert_int_equal(error.system_errno, cause);
            assert_non_null(strstr(error.message, STORE));
            /* Only the very last sync can fail with the new version in its place. */
            assert_true(after == before || status == ESPALIER_ERROR_SYNC);
            assert_int_equal(access(STORE "/.building", F_OK), -1);
            failed++;
        }
        assert_int_equal(call_prune(&error), ESPALIER_OK); /* and clears away */
        assert_int_equal(access(STORE "/.pruning", F_OK), -1);
        if (is_through) {
            break;
        }
    }
    assert_true(failed >= 2);
}

static void test_each_call_fails_once(void **state)
{
    (void)state;
    static const int causes[] = {ENOSPC, EIO, EDQUOT};
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        fail_each(call_publish, causes[i]);
        fail_each(call_rollback, causes[i]);
        fail_each(call_prune, causes[i]);
    }
}

/* The first version of a store that is not there yet. */
static void test_a_first_version_that_fails(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 100; n++) {
        espalier_error error;
        assert_int_equal(remove_tree(STORE), 0);
        fault.calls = 0;
        fault.cause = ENOSPC;
        fault.failing = n;
        const espalier_status status = call_publish(&error);
        fault.failing = 0;
        if (fault.calls < n) {
            assert_int_equal(status, ESPALIER_OK);
            assert_true(n > 5);
            return;
        }
        if (status != ESPALIER_OK) {
            assert_int_equal(call_publish(&error), ESPALIER_OK);
        }
        (void)store_current(STORE);
    }
    fail_msg("it never came through");
}

/* Removes an empty folder; anything in it fails the test. */
static void remove_trap(const char *path)
{
    if (rmdir(path) != 0) {
        fail_msg("%s: %s", path, strerror(errno));
    }
}

/*
 * Whoever may rename the folder that a store lies in could have a publisher write, rename and
 * remove in another one, since each step looked the store's path up again. Now a store is looked up
 * once: everything goes into the folder that was found then, wherever it is by now.
 */
static void move_before_each(espalier_status (*call)(espalier_error *error), uint64_t more)
{
    unsigned moved = 0;
    for (unsigned n = 1;; n++) {
        espalier_error error;
        assert_int_equal(remove_tree(STORE), 0);
        assert_int_equal(espalier_store_publish(STORE, paths[0], NULL, NULL, NULL), ESPALIER_OK);
        assert_int_equal(espalier_store_publish(STORE, paths[1], NULL, NULL, NULL), ESPALIER_OK);
        assert_int_equal(espalier_store_publish(STORE, paths[0], NULL, NULL, NULL), ESPALIER_OK);
        fault.calls = 0;
        fault.moving = n;
        const espalier_status status = call(&error);
        fault.moving = 0;
        if (fault.calls < n) {
            break;
        }
        if (status != ESPALIER_OK) {
            fail_msg("call %u: %s", n, error.message);
        }
        remove_trap(STORE "/.building");
        remove_trap(STORE "/.pruning");
        remove_trap(STORE "/1");
        remove_trap(STORE);
        assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, MOVED, AT_FDCWD, STORE, 0), 0);
        assert_int_equal(store_current(STORE), 3 + more);
        assert_int_equal(access(STORE "/.building", F_OK), -1);
        assert_int_equal(access(STORE "/.pruning", F_OK), -1);
        moved++;
    }
    assert_true(moved >= 2);
}

/* In the first call of publish the folder is made, or is there: only then is it looked up. */
static espalier_status call_publish_found(espalier_error *error)
{
    fault.moving++;
    const espalier_status status = call_publish(error);
    fault.calls--;
    return status;
}

static void test_a_store_that_is_moved(void **state)
{
    (void)state;
    move_before_each(call_publish_found, 1);
    move_before_each(call_rollback, 1);
    move_before_each(call_prune, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails_once),
        cmocka_unit_test(test_a_first_version_that_fails),
        cmocka_unit_test(test_a_store_that_is_moved),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_models, remove_all);
}
