// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a model while the system fails: short writes and interruptions, a full disk at every
 * place, fsync, close and rename that fail, a process that is killed. The old file stays whole, no
 * temporary file stays behind (unless the process was killed), and the error says what failed.
 *
 * write, fsync, close and rename are defined here, so the library's calls come through this
 * program.
 */
#include "espalier.h"
#include "format/layout.h"
#include "format/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "fault_write.XXXXXX";
static char path[64];

/* ---- the system calls, with faults ---- */

static struct {
    bool on;
    uint64_t bytes_left;  /* until write fails */
    size_t bytes_at_once; /* most that one write takes */
    uint32_t interrupt;   /* every n-th call fails with EINTR */
    int write_errno;
    int sync_errno;
    int close_errno;
    int rename_errno;
    uint32_t calls;
    uint32_t syncs;
} fault;

static bool is_interrupted(void)
{
    fault.calls++;
    if (fault.interrupt == 0 || fault.calls % fault.interrupt != 0) {
        return false;
    }
    errno = EINTR;
    return true;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    if (!fault.on) {
        return syscall(SYS_write, descriptor, data, bytes);
    }
    if (is_interrupted()) {
        return -1;
    }
    if (fault.bytes_left == 0) {
        errno = fault.write_errno;
        return -1;
    }
    size_t count = bytes < fault.bytes_at_once ? bytes : fault.bytes_at_once;
    count = count < fault.bytes_left ? count : (size_t)fault.bytes_left;
    fault.bytes_left -= count;
    return syscall(SYS_write, descriptor, data, count);
}

int fsync(int descriptor)
{
    fault.syncs++;
    if (fault.on && is_interrupted()) {
        return -1;
    }
    if (fault.on && fault.sync_errno != 0) {
        errno = fault.sync_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, descriptor);
}

int close(int descriptor)
{
    const int result = (int)syscall(SYS_close, descriptor);
    if (fault.on && fault.close_errno != 0) {
        errno = fault.close_errno;
        return -1;
    }
    return result;
}

int rename(const char *from, const char *to)
{
    if (fault.on && fault.rename_errno != 0) {
        errno = fault.rename_errno;
        return -1;
    }
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to); /* AArch64 has no rename */
}

static void clear_faults(void)
{
    memset(&fault, 0, sizeof fault);
    fault.bytes_left = UINT64_MAX;
    fault.bytes_at_once = SIZE_MAX;
}

/* ---- files ---- */

static uint8_t node_bytes[40000];
static const char old_text[] = "the old model";
static const char proof_text[] = "proof";

static const espalier_writer_section sections[] = {
    {ESPALIER_SECTION_MODEL, 1, old_text, sizeof old_text},
    {ESPALIER_SECTION_NODES, 1, node_bytes, sizeof node_bytes},
    {ESPALIER_SECTION_PROOF, 0, proof_text, sizeof proof_text},
};

/* 40000 bytes from 4096 on, 64 zeroes, the last section. */
#define FILE_BYTES 44166u

static void put_old_file(const char *name)
{
    FILE *const stream = fopen(name, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(old_text, 1, sizeof old_text, stream), sizeof old_text);
    assert_int_equal(fclose(stream), 0);
}

static bool is_old_file(const char *name)
{
    char text[sizeof old_text + 1];
    FILE *const stream = fopen(name, "rb");
    assert_non_null(stream);
    const size_t bytes = fread(text, 1, sizeof text, stream);
    (void)fclose(stream);
    return bytes == sizeof old_text && memcmp(text, old_text, bytes) == 0;
}

static bool is_new_file(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 && status.st_size == FILE_BYTES;
}

static uint32_t count_files(const char *name)
{
    uint32_t count = 0;
    DIR *const list = opendir(name);
    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    (void)closedir(list);
    return count;
}

static void remove_files(const char *name)
{
    DIR *const list = opendir(name);
    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        (void)unlinkat(dirfd(list), entry->d_name, 0);
    }
    (void)closedir(list);
}

static int make_folder(void **state)
{
    (void)state;
    clear_faults();
    for (size_t i = 0; i < sizeof node_bytes; i++) {
        node_bytes[i] = (uint8_t)(i % 251 + 1);
    }
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/model.espalier", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    clear_faults();
    remove_files(folder);
    return rmdir(folder);
}

/* Writes and publishes; whatever fails, nothing stays behind. */
static espalier_status write_model(const char *name, espalier_error *error)
{
    char *temporary = NULL;
    uint64_t bytes = 0;
    espalier_status status = espalier_writer_write(name, sections, 3, &temporary, &bytes, error);
    if (status == ESPALIER_OK) {
        status = espalier_writer_publish(temporary, name, error);
        espalier_writer_discard(temporary);
        free(temporary);
    }
    return status;
}

static void expect_fault(espalier_status expected, int expected_errno)
{
    put_old_file(path);
    espalier_error error;
    memset(&error, 0, sizeof error);
    fault.on = true;
    const espalier_status status = write_model(path, &error);
    clear_faults();
    assert_int_equal(status, expected);
    assert_int_equal(error.status, expected);
    assert_int_equal(error.system_errno, expected_errno);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, strerror(expected_errno)));
    assert_true(is_old_file(path));
    assert_int_equal(count_files(folder), 1);
}

/* ---- tests ---- */

static void test_short_writes_and_interruptions(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 7, 4096, 39999};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_old_file(path);
        espalier_error error;
        fault.on = true;
        fault.bytes_at_once = sizes[i];
        fault.interrupt = 2;
        assert_int_equal(write_model(path, &error), ESPALIER_OK);
        clear_faults();
        assert_true(is_new_file(path));
        assert_int_equal(count_files(folder), 1);
    }
}

static void test_a_full_disk_anywhere(void **state)
{
    (void)state;
    for (uint64_t bytes = 0; bytes < FILE_BYTES; bytes += bytes < 4200 ? 13 : 997) {
        fault.bytes_left = bytes;
        fault.write_errno = ENOSPC;
        expect_fault(ESPALIER_ERROR_WRITE, ENOSPC);
    }
    fault.bytes_left = FILE_BYTES - 1;
    fault.write_errno = EDQUOT;
    expect_fault(ESPALIER_ERROR_WRITE, EDQUOT);
}

static void test_sync_close_and_rename_fail(void **state)
{
    (void)state;
    fault.sync_errno = EIO;
    expect_fault(ESPALIER_ERROR_SYNC, EIO);
    fault.close_errno = EDQUOT;
    expect_fault(ESPALIER_ERROR_WRITE, EDQUOT);
    fault.rename_errno = EXDEV;
    expect_fault(ESPALIER_ERROR_RENAME, EXDEV);
}

static void test_file_and_folder_are_synced(void **state)
{
    (void)state;
    clear_faults();
    espalier_error error;
    assert_int_equal(write_model(path, &error), ESPALIER_OK);
    assert_int_equal(fault.syncs, 2);
}

/* The kernel's own limit, in place of the calls above. */
static void test_file_size_limit(void **state)
{
    (void)state;
    put_old_file(path);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const rlim_t limits[] = {0, 1, 4095, 4096, 40000, FILE_BYTES - 1};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct rlimit limit = {limits[i], old.rlim_max};
        espalier_error error;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        const espalier_status status = write_model(path, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, ESPALIER_ERROR_WRITE);
        assert_int_equal(error.system_errno, EFBIG);
        assert_true(is_old_file(path));
        assert_int_equal(count_files(folder), 1);
    }
    (void)signal(SIGXFSZ, handler);
}

/* In a child with a mount namespace of its own: exit 0 passed, 77 not allowed here. */
static int fill_small_disk(void)
{
    char name[96];
    (void)snprintf(name, sizeof name, "%s/disk", folder);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(name, 0700) != 0 || mount("tmpfs", name, "tmpfs", 0, "size=32k") != 0) {
        return 77;
    }
    (void)snprintf(name, sizeof name, "%s/disk/model.espalier", folder);
    put_old_file(name);
    espalier_error error;
    const espalier_status status = write_model(name, &error);
    (void)snprintf(name, sizeof name, "%s/disk", folder);
    const bool whole = count_files(name) == 1;
    (void)snprintf(name, sizeof name, "%s/disk/model.espalier", folder);
    return status == ESPALIER_ERROR_WRITE && error.system_errno == ENOSPC && whole &&
                   is_old_file(name)
               ? 0
               : 1;
}

static void test_a_small_disk(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(fill_small_disk());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    char name[96];
    (void)snprintf(name, sizeof name, "%s/disk", folder);
    (void)rmdir(name);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* no right to mount */
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void write_forever(void)
{
    espalier_error error;
    fault.on = true;
    fault.bytes_at_once = 512; /* many calls, so that the kill falls between two */
    for (;;) {
        (void)write_model(path, &error);
    }
}

/* How often; ESPALIER_KILL_ROUNDS asks for more. */
static uint32_t kill_rounds(void)
{
    const char *const asked = getenv("ESPALIER_KILL_ROUNDS");
    const unsigned long rounds = asked != NULL ? strtoul(asked, NULL, 10) : 0;
    return rounds > 0 && rounds <= 1000000 ? (uint32_t)rounds : 60;
}

/* [F-282] */
static void test_killed_while_writing(void **state)
{
    (void)state;
    uint32_t left_over = 0;
    const uint32_t rounds = kill_rounds();
    for (uint32_t round = 0; round < rounds; round++) {
        clear_faults();
        remove_files(folder);
        put_old_file(path);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_forever();
        }
        (void)usleep(200 + round % 60 * 150 + round / 60);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(is_old_file(path) || is_new_file(path));
        left_over += count_files(folder) > 1;
    }
    /* The kill did fall into the writing. */
    assert_true(left_over > 0);
    remove_files(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_writes_and_interruptions),
        cmocka_unit_test(test_a_full_disk_anywhere),
        cmocka_unit_test(test_sync_close_and_rename_fail),
        cmocka_unit_test(test_file_and_folder_are_synced),
        cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_a_small_disk),
        cmocka_unit_test(test_killed_while_writing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
