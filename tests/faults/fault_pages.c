// SPDX-License-Identifier: Apache-2.0
/*
 * A system of 64 KiB pages, as arm64 may have, played by this program: mappings begin at multiples
 * of 64 KiB, what follows a file in its last page reads as zero, and a call with another address or
 * offset fails. Sections lie at multiples of 4 KiB. Models open in every way, and answer alike.
 *
 * sysconf, mmap, mprotect, madvise and mlock are defined here, so the library's calls come through
 * this program. Not with a sanitizer, which has its own.
 */
#include "tests/support/sanitized.h"

#if SANITIZED

#include <stdio.h>

int main(void)
{
    (void)puts("fault_pages: skipped, a sanitizer has a mmap of its own");
    return 77;
}

#else

#include "engine/model.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  ((size_t)65536)
#define SMALL ((size_t)4096)
#define PATH  "fault_pages.espalier"
#define ROWS  70

static bool playing;
static unsigned maps;

static size_t round_up(size_t bytes, size_t page)
{
    return (bytes + page - 1) / page * page;
}

static void *call_mmap(void *address, size_t bytes, int protection, int flags, int descriptor,
                       off_t offset)
{
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset);
}

long sysconf(int name)
{
    return name == _SC_PAGESIZE && playing ? (long)PAGE : name == _SC_PAGESIZE ? (long)SMALL : -1;
}

/* Zeroes at a multiple of 64 KiB, to a multiple of it, or at the address that is asked for. */
static uint8_t *map_zeroes(void *address, size_t bytes, int protection, int flags)
{
    if ((flags & MAP_FIXED) != 0) {
        return call_mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                         0);
    }
    uint8_t *const range = call_mmap(NULL, bytes + PAGE, protection,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) {
        return range;
    }
    const size_t before = (PAGE - (uintptr_t)range % PAGE) % PAGE;
    if (before > 0) {
        (void)munmap(range, before);
    }
    (void)munmap(range + before + bytes, PAGE - before);
    return range + before;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    struct stat facts;
    if (!playing) {
        return call_mmap(address, bytes, protection, flags, descriptor, offset);
    }
    maps++;
    if ((size_t)offset % PAGE != 0 || (uintptr_t)address % PAGE != 0 || bytes == 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    uint8_t *const range = map_zeroes(address, round_up(bytes, PAGE), protection, flags);
    if (range == MAP_FAILED || descriptor < 0) {
        return range;
    }
    const size_t file_bytes = fstat(descriptor, &facts) == 0 ? (size_t)facts.st_size : 0;
    const size_t last = round_up(file_bytes - (size_t)offset, SMALL);
    const size_t wanted = round_up(bytes, PAGE);
    return call_mmap(range, last < wanted ? last : wanted, protection, MAP_SHARED | MAP_FIXED,
                     descriptor, offset);
}

/* A range that starts elsewhere than at a page is refused, as the system does. */
static bool is_refused(const void *address)
{
    if (!playing || (uintptr_t)address % PAGE == 0) {
        return false;
    }
    errno = EINVAL;
    return true;
}

int mprotect(void *address, size_t bytes, int protection)
{
    return is_refused(address)
               ? -1
               : (int)syscall(SYS_mprotect, address, round_up(bytes, SMALL), protection);
}

int madvise(void *address, size_t bytes, int advice)
{
    return is_refused(address) ? -1 : (int)syscall(SYS_madvise, address, bytes, advice);
}

int mlock(const void *address, size_t bytes)
{
    return is_refused(address) ? -1 : (int)syscall(SYS_mlock, address, bytes);
}

/* ---- models ---- */

static espalier_forest forest;
static float *rows;

static int make_forest(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 77,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 60,
                                       .feature_count = 6,
                                       .decision_count_max = 100,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 8};
    synthetic_forest_make(&options, &forest);
    rows = model_rows_make(&forest, 5, ROWS, 1);
    return 0;
}

static int drop_forest(void **state)
{
    (void)state;
    free(rows);
    espalier_forest_free(&forest);
    return 0;
}

static void predict(const espalier_model *model, float values[ROWS])
{
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const espalier_rows given = espalier_rows_float32(rows, ROWS, forest.feature_count);
    espalier_outputs outputs = {.data = values, .data_bytes = ROWS * sizeof *values};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &given, &outputs),
                     ESPALIER_OK);
    espalier_predictor_destroy(predictor);
}

/* That the file's sections lie where 64 KiB pages do not begin is what makes this a test. */
static void check_offsets(const model_bytes *m)
{
    size_t between = 0;
    for (uint32_t type = ESPALIER_SECTION_NODES; type <= ESPALIER_SECTION_CUTS; type++) {
        const espalier_file_section *const section = model_bytes_section(m, type);
        if (section != NULL) {
            assert_int_equal(section->offset % SMALL, 0);
            between += section->offset % PAGE != 0;
        }
    }
    assert_true(between > 0);
    assert_true(m->bytes % PAGE != 0);
}

static void test_every_way_to_open(void **state)
{
    (void)state;
    static const uint64_t flags[] = {0,
                                     ESPALIER_OPEN_VERIFY,
                                     ESPALIER_OPEN_PREFAULT,
                                     ESPALIER_OPEN_LOCK,
                                     ESPALIER_OPEN_COPY | ESPALIER_OPEN_VERIFY,
                                     ESPALIER_OPEN_HUGE_PAGES | ESPALIER_OPEN_PREFAULT};
    for (uint32_t layout = ESPALIER_LAYOUT_WALK; layout <= ESPALIER_LAYOUT_SELECT; layout++) {
        float want[ROWS], got[ROWS];
        espalier_model *model = NULL;
        model_bytes m = model_bytes_of_layout(&forest, 2, layout);
        check_offsets(&m);
        model_bytes_write(&m, PATH);
        assert_int_equal(espalier_model_open(PATH, NULL, &model, NULL), ESPALIER_OK);
        predict(model, want);
        espalier_model_close(model);
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
            espalier_error error;
            options.flags = flags[i];
            playing = true;
            maps = 0;
            const espalier_status status = espalier_model_open(PATH, &options, &model, &error);
            playing = false;
            if (flags[i] == ESPALIER_OPEN_LOCK && status == ESPALIER_ERROR_MAP &&
                error.system_errno != EINVAL) {
                continue; /* no right to lock so much */
            }
            if (status != ESPALIER_OK) {
                fail_msg("layout %u, flags %u: %s", (unsigned)layout, (unsigned)flags[i],
                         error.message);
            }
            assert_true(maps > 0);
            assert_int_equal((uintptr_t)model->map.base % PAGE, 0);
            assert_int_equal(model->map.bytes % PAGE, 0);
            assert_true(model->map.bytes >= model->readable_bytes && !model->clamps);
            /* All that nodes may reach can be read. */
            const volatile uint8_t *const base = model->map.base;
            unsigned sum = 0;
            for (size_t at = 0; at < model->map.bytes; at += SMALL / 2) {
                sum += base[at];
            }
            assert_true(sum > 0);
            predict(model, got);
            assert_memory_equal(want, got, sizeof got);
            espalier_model_close(model);
        }
        model_bytes_free(&m);
        assert_int_equal(unlink(PATH), 0);
    }
}

/* From 2 MiB on a file begins at a multiple of that in memory. */
static void test_a_large_file(void **state)
{
    (void)state;
    const size_t bytes = ((size_t)3 << 20) + 5000;
    FILE *const file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)bytes), 0);
    const espalier_input input = {"large", fileno(file), NULL, bytes};
    for (int far = 0; far < 2; far++) {
        const size_t readable = far != 0 ? bytes + 9 * PAGE : bytes;
        const espalier_map_request request = {.file_bytes = bytes,
                                              .readable_bytes = readable,
                                              .readable_bytes_least = bytes,
                                              .prefault = true};
        espalier_map map;
        espalier_error error;
        playing = true;
        const espalier_status status = espalier_map_open(&input, &request, &map, &error);
        playing = false;
        if (status != ESPALIER_OK) {
            fail_msg("%s", error.message);
        }
        assert_int_equal((uintptr_t)map.base % ((uintptr_t)2 << 20), 0);
        assert_int_equal(map.bytes, round_up(readable, PAGE));
        for (size_t at = 0; at < map.bytes; at += SMALL) {
            assert_int_equal(((const volatile uint8_t *)map.base)[at], 0);
        }
        espalier_map_close(&map);
    }
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_to_open),
        cmocka_unit_test(test_a_large_file),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_forest, drop_forest);
}

#endif
