// SPDX-License-Identifier: Apache-2.0
/*
 * A conversion in which the n-th call to the system fails, of allocations, mappings and files
 * alike: the status is an error and the old file is whole, or the new one is there; no temporary
 * file, descriptor, mapping or block is left. Only allocations, of more sources: fault_memory.c.
 */
#include "tests/faults/fault_calls.h"

#ifdef HAS_OTHER_ALLOCATOR

int main(void)
{
    return 77;
}

#else

#include "espalier_convert.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIXTURES    ESPALIER_TEST_SOURCE_DIR "/fixtures/"
/* Every call of the first and last so many fails once, those between by strides: their places
 * repeat. ESPALIER_FAULT_DENSE asks for more. */
#define DENSE_CALLS 200u

static const char *const sources[] = {
    FIXTURES "sklearn-1.4.2/forest_binary.joblib",
    FIXTURES "xgboost-3.4.1/names.ubj",
    FIXTURES "lightgbm-4.7.0/multiclass.txt",
    FIXTURES "ensembles-1.9.1/bagging.joblib", /* no memory for a member: no message */
    FIXTURES "ensembles-1.9.1/isotonic.joblib",
    FIXTURES "ensembles-1.9.1/adaboost.joblib",
    FIXTURES "pipelines-1.9.1/imputed.joblib", /* the same for a pipeline's operations */
};

static char folder[] = "fault_convert.XXXXXX";
static char path[64];
static const char old_text[] = "the old model";

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/model.espalier", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void put_old_file(void)
{
    FILE *const stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(old_text, 1, sizeof old_text, stream), sizeof old_text);
    assert_int_equal(fclose(stream), 0);
}

static bool is_old_file(void)
{
    struct stat facts;
    return stat(path, &facts) == 0 && facts.st_size == sizeof old_text;
}

static bool is_new_file(void)
{
    espalier_model *model = NULL;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    const bool opens = espalier_model_open(path, &options, &model, NULL) == ESPALIER_OK;
    espalier_model_close(model);
    return opens;
}

static uint32_t count_files(void)
{
    uint32_t count = 0;
    DIR *const list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    }
    (void)closedir(list);
    return count;
}

static espalier_status convert(const char *source, uint64_t failing, espalier_error *error)
{
    memset(error, 0, sizeof *error);
    fault_start(failing);
    return espalier_convert(source, path, NULL, NULL, error);
}

static uint64_t dense_calls(void)
{
    const char *const asked = getenv("ESPALIER_FAULT_DENSE");
    const unsigned long long calls = asked != NULL ? strtoull(asked, NULL, 10) : 0;
    return calls > 0 ? calls : DENSE_CALLS;
}

static uint64_t next_call(uint64_t n, uint64_t total)
{
    const uint64_t dense = dense_calls();
    return n + (n < dense || total - n < dense ? 1 : total / dense + 1);
}

static void fail_each_call(const char *source)
{
    espalier_error error;
    put_old_file();
    if (convert(source, 0, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(fault_stop());
    const uint64_t total = fault.calls;
    assert_true(total > 100);
    uint64_t told = 0;
    for (uint64_t n = 1; n <= total; n = next_call(n, total)) {
        put_old_file();
        const espalier_status status = convert(source, n, &error);
        const bool clean = fault_stop() && count_files() == 1;
        const bool fine = status == ESPALIER_OK && is_new_file();
        /* What fails behind the rename leaves the new model: syncing the folder. */
        const bool is_told = status != ESPALIER_OK && error.status == status &&
                             error.message[0] != '\0' && (is_old_file() || is_new_file());
        if (!clean || !(fine || is_told)) {
            fail_msg("%s, call %llu, %s: status %s, %lld blocks, %lld files, %lld maps, %u in the "
                     "folder: %s",
                     source, (unsigned long long)n, fault.failed != NULL ? fault.failed : "none",
                     espalier_status_name(status), (long long)fault.blocks,
                     (long long)fault.descriptors, (long long)fault.maps, (unsigned)count_files(),
                     error.message);
        }
        told += status != ESPALIER_OK;
    }
    assert_true(told > 50);
}

static void test_every_call_of_a_conversion_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        fail_each_call(sources[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_of_a_conversion_fails),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

#endif
