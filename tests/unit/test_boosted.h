// SPDX-License-Identifier: Apache-2.0
/*
 * Loading pickles of boosted models, from memory of exactly their size, so that the address
 * sanitizer sees a read behind the end. Included by the tests of such pickles alone.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_BOOSTED_H
#define ESPALIER_TESTS_UNIT_TEST_BOOSTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/source_find.h"
#include "tests/support/fake_boosted.h"

#include <stdlib.h>
#include <string.h>

#define BOOSTED_MEMORY_MAX (UINT64_C(1) << 20)

/* What came of the last file. */
typedef struct boosted_result {
    espalier_status status;
    espalier_forest forest;
    espalier_source_summary summary;
    espalier_source_path path;
    espalier_error error;
} boosted_result;

/* A file begun anew. */
static inline void start_file(pickle_writer *file)
{
    memset(file, 0, sizeof *file);
    put_start(file);
}

/* Reads the first `bytes` of it, finds the model and loads it. Free with free_result. */
static inline void load_part(const pickle_writer *file, size_t bytes, const char *select,
                             boosted_result *result)
{
    memset(result, 0, sizeof *result);
    uint8_t *const stream = malloc(bytes == 0 ? 1 : bytes);
    assert_non_null(stream);
    memcpy(stream, file->data, bytes);
    const espalier_pickle_options options = {.source_name = "here.pkl"};
    espalier_pickle *pickle = NULL;
    const espalier_pickle_value *value = NULL;
    result->status = espalier_pickle_parse(stream, bytes, &options, &pickle, &result->error);
    if (result->status == ESPALIER_OK) {
        result->status = espalier_source_choose(pickle, "here.pkl", select, &value, &result->path,
                                                &result->error);
    }
    if (result->status == ESPALIER_OK) {
        const espalier_sklearn_object boosted = {.pickle = pickle,
                                                 .stream = stream,
                                                 .stream_bytes = bytes,
                                                 .source = "here.pkl",
                                                 .path = result->path.text,
                                                 .value = value,
                                                 .memory_bytes_max = BOOSTED_MEMORY_MAX};
        result->status = espalier_sklearn_boosted_load(&boosted, &result->forest, &result->summary,
                                                       &result->error);
    }
    if (result->status == ESPALIER_OK) {
        result->status = espalier_forest_validate(&result->forest, "here.pkl", &result->error);
    }
    if (result->status != ESPALIER_OK) {
        assert_int_equal(result->error.status, result->status);
        assert_true(strncmp(result->error.message, "here.pkl: ", 10) == 0);
    }
    espalier_pickle_free(pickle);
    free(stream);
}

static inline void free_result(boosted_result *result)
{
    espalier_forest_free(&result->forest);
}

/* A whole file that must load. */
static inline void load_file(pickle_writer *file, const char *select, boosted_result *result)
{
    put_stop(file);
    load_part(file, file->bytes, select, result);
    if (result->status != ESPALIER_OK) {
        fail_msg("%s", result->error.message);
    }
    pickle_writer_free(file);
}

/* A whole file that no beginning of loads. */
static inline void refuse_beginnings(pickle_writer *file)
{
    put_stop(file);
    for (size_t bytes = 0; bytes < file->bytes; bytes++) {
        boosted_result result;
        load_part(file, bytes, NULL, &result);
        assert_int_not_equal(result.status, ESPALIER_OK);
        free_result(&result);
    }
    pickle_writer_free(file);
}

/* A whole file that must not load. */
static inline void refuse_file(pickle_writer *file, espalier_status status, const char *words)
{
    boosted_result result;
    put_stop(file);
    load_part(file, file->bytes, NULL, &result);
    if (result.status != status || strstr(result.error.message, words) == NULL) {
        fail_msg("status %d, not %d, or no '%s' in: %s", (int)result.status, (int)status, words,
                 result.error.message);
    }
    free_result(&result);
    pickle_writer_free(file);
}

#endif
