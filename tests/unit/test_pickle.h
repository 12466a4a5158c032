// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of the pickle reader share: parsing a literal from memory of exactly its size, so
 * that the address sanitizer sees a read behind the end.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_PICKLE_H
#define ESPALIER_TESTS_UNIT_TEST_PICKLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "convert/sources/pickle.h"

typedef struct parsed {
    uint8_t *stream;
    espalier_pickle *pickle;
    espalier_status status;
    espalier_error error;
} parsed;

static inline parsed parse_bytes(const void *data, size_t bytes,
                                 const espalier_pickle_options *options)
{
    parsed result = {.stream = malloc(bytes == 0 ? 1 : bytes)};
    assert_non_null(result.stream);
    if (bytes != 0) {
        memcpy(result.stream, data, bytes);
    }
    result.status =
        espalier_pickle_parse(result.stream, bytes, options, &result.pickle, &result.error);
    if (result.status != ESPALIER_OK) {
        assert_null(result.pickle);
        assert_int_equal(result.error.status, result.status);
        assert_true(strlen(result.error.message) > 0);
    }
    return result;
}

static inline void free_parsed(parsed *result)
{
    espalier_pickle_free(result->pickle);
    free(result->stream);
}

static inline const espalier_pickle_value *root_of(const parsed *result)
{
    if (result->status != ESPALIER_OK) {
        fail_msg("not parsed: %s", result->error.message);
    }
    return espalier_pickle_root(result->pickle);
}

/* A string literal without its NUL. */
#define PARSE(literal) parse_bytes(literal, sizeof(literal) - 1, NULL)

static inline void expect_refused(const void *data, size_t bytes, espalier_status status,
                                  const char *words)
{
    parsed result = parse_bytes(data, bytes, NULL);
    if (result.status != status || strstr(result.error.message, words) == NULL) {
        fail_msg("expected %s with \"%s\", got %s: %s", espalier_status_name(status), words,
                 espalier_status_name(result.status), result.error.message);
    }
    free_parsed(&result);
}

#define REFUSED(literal, status, words) expect_refused(literal, sizeof(literal) - 1, status, words)

#endif
