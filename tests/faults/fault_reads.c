// SPDX-License-Identifier: Apache-2.0
/*
 * Reads and page faults that go on slowly: interrupted, a byte at a time, ending early; and systems
 * that cannot populate a mapping, or not yet. A model opens, or says why it does not.
 *
 * pread and madvise are defined here, so the library's calls come through this program.
 */
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "fault_reads.espalier"

static struct {
    bool on;
    unsigned reads;       /* so far */
    unsigned failing;     /* from this read on: `cause`; 0: none */
    int cause;            /* 0: the file ends */
    bool interrupted;     /* every second read */
    bool bytewise;        /* at most so little at a time */
    int advice;           /* the error of populating; 0: none */
    unsigned advice_left; /* so many times; then none */
    unsigned advised;
} calls;

ssize_t pread(int descriptor, void *data, size_t bytes, off_t offset)
{
    if (calls.on) {
        calls.reads++;
        if (calls.failing != 0 && calls.reads >= calls.failing) {
            errno = calls.cause != 0 ? calls.cause : EINTR; /* which means nothing beside a 0 */
            return calls.cause != 0 ? -1 : 0;
        }
        if (calls.interrupted && calls.reads % 2 != 0) {
            errno = EINTR;
            return -1;
        }
        bytes = calls.bytewise && bytes > 61 ? 61 : bytes;
    }
    return (ssize_t)syscall(SYS_pread64, descriptor, data, bytes, offset);
}

int madvise(void *memory, size_t bytes, int advice)
{
    if (calls.on && calls.advice != 0) {
        calls.advised++;
        if (calls.advised <= calls.advice_left) {
            errno = calls.advice;
            return -1;
        }
        return 0;
    }
    return (int)syscall(SYS_madvise, memory, bytes, advice);
}

static model_bytes bytes;

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 14,
                                       .tree_count = 450, /* tables of more than the first read */
                                       .feature_count = 5,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 8};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    /* A mask layout: such a file can be used where it lies in memory. */
    bytes = model_bytes_of_layout(&forest, 2, ESPALIER_LAYOUT_SELECT);
    espalier_forest_free(&forest);
    model_bytes_write(&bytes, PATH);
    return bytes.bytes > 40000 ? 0 : -1; /* read through in several pieces */
}

static int drop_model(void **state)
{
    (void)state;
    model_bytes_free(&bytes);
    return unlink(PATH);
}

/* Opens by path, or from memory; nothing stays open. */
static espalier_status open_with(uint64_t flags, bool from_memory, espalier_error *error)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = flags;
    espalier_model *model = NULL;
    memset(error, 0, sizeof *error);
    calls.reads = 0;
    calls.advised = 0;
    calls.on = true;
    const espalier_status status =
        from_memory ? espalier_model_open_memory(bytes.data, bytes.bytes, &options, &model, error)
                    : espalier_model_open(PATH, &options, &model, error);
    calls.on = false;
    assert_true((status == ESPALIER_OK) == (model != NULL));
    espalier_model_close(model);
    return status;
}

static int calm(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof calls);
    return 0;
}

static void test_interrupted_and_short_reads(void **state)
{
    (void)state;
    espalier_error error;
    calls.interrupted = true;
    calls.bytewise = true;
    assert_int_equal(open_with(ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY, false, &error),
                     ESPALIER_OK);
    assert_true(calls.reads > bytes.bytes / 61);
}

/* A file that ends, or a disk that fails, at each read; the last one is of the copy. */
static void test_each_read_fails(void **state)
{
    (void)state;
    static const uint64_t flags[] = {ESPALIER_OPEN_COPY, ESPALIER_OPEN_PREFAULT};
    static const int causes[] = {0, EIO};
    espalier_error error;
    for (size_t i = 0; i < 4; i++) {
        calls.advice = EINVAL; /* so that prefaulting reads */
        calls.advice_left = 1000;
        calls.failing = 0;
        assert_int_equal(open_with(flags[i / 2], false, &error), ESPALIER_OK);
        const unsigned reads = calls.reads;
        assert_true(reads >= 2);
        calls.cause = causes[i % 2];
        for (calls.failing = 1; calls.failing <= reads; calls.failing++) {
            const espalier_status status = open_with(flags[i / 2], false, &error);
            assert_int_equal(status,
                             calls.cause != 0 ? ESPALIER_ERROR_READ : ESPALIER_ERROR_TRUNCATED);
            assert_int_equal(error.system_errno, calls.cause);
            assert_non_null(strstr(error.message, PATH));
        }
    }
}

/* Where a file ended is told, of a read that had brought something and began behind another. */
static void test_place_of_an_early_end(void **state)
{
    (void)state;
    espalier_error error;
    calls.bytewise = true;
    calls.failing = 16384 / 61 + 3;
    assert_int_equal(open_with(0, false, &error), ESPALIER_ERROR_TRUNCATED);
    assert_int_equal(error.file_offset, 16384 + 61);
}

/* Linux before 5.14 has no populating: the file is read instead, memory is there anyway. */
static void test_systems_without_populating(void **state)
{
    (void)state;
    static const int causes[] = {EINVAL, ENOSYS};
    espalier_error error;
    for (size_t i = 0; i < 2; i++) {
        calls.advice = causes[i];
        calls.advice_left = 1000;
        assert_int_equal(open_with(0, false, &error), ESPALIER_OK);
        const unsigned reads = calls.reads;
        assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT, false, &error), ESPALIER_OK);
        assert_true(calls.reads > reads);
        assert_int_equal(calls.advised, 1);
        assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT, true, &error), ESPALIER_OK);
        assert_int_equal(calls.advised, 1);
        assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT | ESPALIER_OPEN_COPY, false, &error),
                         ESPALIER_OK);
        assert_int_equal(calls.advised, 0); /* a copy's pages are there */
    }
}

/* What is locked is there, and need not be populated. */
static void test_prefault_and_lock(void **state)
{
    (void)state;
    espalier_error error;
    calls.advice = EFAULT;
    calls.advice_left = 1000;
    const espalier_status status =
        open_with(ESPALIER_OPEN_PREFAULT | ESPALIER_OPEN_LOCK, false, &error);
    assert_int_equal(calls.advised, 0);
    assert_true(status == ESPALIER_OK ||
                (status == ESPALIER_ERROR_MAP && strstr(error.message, "lock") != NULL));
}

/* A file must end where its model does. */
static void test_bytes_behind_a_model_in_a_file(void **state)
{
    (void)state;
    espalier_error error;
    assert_int_equal(truncate(PATH, (off_t)bytes.bytes + 1), 0);
    assert_int_equal(open_with(0, false, &error), ESPALIER_ERROR_VALUE);
    assert_non_null(strstr(error.message, "1 bytes follow the end"));
    assert_int_equal(truncate(PATH, (off_t)bytes.bytes), 0);
    assert_int_equal(open_with(0, false, &error), ESPALIER_OK);
}

static void test_populating_is_interrupted(void **state)
{
    (void)state;
    static const int causes[] = {EINTR, EAGAIN};
    espalier_error error;
    for (size_t i = 0; i < 2; i++) {
        calls.advice = causes[i];
        calls.advice_left = 5;
        assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT, false, &error), ESPALIER_OK);
        assert_int_equal(calls.advised, 6);
        calls.advice_left = 1000000; /* for ever */
        assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT, false, &error), ESPALIER_ERROR_MAP);
        assert_int_equal(error.system_errno, causes[i]);
        assert_in_range(calls.advised, 2, 1000);
    }
    calls.advice = EFAULT; /* a page that cannot be had */
    assert_int_equal(open_with(ESPALIER_OPEN_PREFAULT, false, &error), ESPALIER_ERROR_MAP);
    assert_int_equal(error.system_errno, EFAULT);
    assert_int_equal(calls.advised, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_interrupted_and_short_reads, calm),
        cmocka_unit_test_setup(test_each_read_fails, calm),
        cmocka_unit_test_setup(test_place_of_an_early_end, calm),
        cmocka_unit_test_setup(test_systems_without_populating, calm),
        cmocka_unit_test_setup(test_populating_is_interrupted, calm),
        cmocka_unit_test_setup(test_prefault_and_lock, calm),
        cmocka_unit_test_setup(test_bytes_behind_a_model_in_a_file, calm),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
