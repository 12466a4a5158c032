// SPDX-License-Identifier: Apache-2.0
/*
 * How the tests of the scikit-learn importer load a pickle that they wrote. Included by
 * tests/unit/test_sklearn*.c alone.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_SKLEARN_H
#define ESPALIER_TESTS_UNIT_TEST_SKLEARN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/sklearn.h"
#include "convert/sources/source_find.h"
#include "tests/support/fake_sklearn.h"

#include <stdlib.h>
#include <string.h>

static __attribute__((unused)) espalier_status load_writer(const pickle_writer *writer,
                                                           uint64_t memory_bytes_max,
                                                           espalier_forest *forest,
                                                           espalier_error *error)
{
    *forest = (espalier_forest){0};
    espalier_pickle *pickle = NULL;
    const espalier_pickle_value *model = NULL;
    espalier_source_path *const path = calloc(1, sizeof *path);
    assert_non_null(path);
    espalier_status status =
        espalier_pickle_parse(writer->data, writer->bytes, NULL, &pickle, error);
    if (status == ESPALIER_OK) {
        status = espalier_source_choose(pickle, "here.pkl", NULL, &model, path, error);
    }
    if (status == ESPALIER_OK) {
        const espalier_sklearn_object object = {.pickle = pickle,
                                                .source = "here.pkl",
                                                .path = path->text,
                                                .value = model,
                                                .memory_bytes_max = memory_bytes_max};
        status = espalier_sklearn_load(&object, forest, error);
    }
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(forest, "here.pkl", error);
    }
    espalier_pickle_free(pickle);
    free(path);
    return status;
}

static __attribute__((unused)) void fail_load(const espalier_error *error)
{
    fail_msg("refused: %s", error->message);
    abort(); /* fail_msg does not come back, but is not declared so */
}

static __attribute__((unused)) void check_refusal(espalier_status got, espalier_status status,
                                                  const char *word, const espalier_error *error)
{
    if (got != status || error->status != status || strstr(error->message, word) == NULL ||
        strstr(error->message, "here.pkl") == NULL) {
        fail_msg("status %d, not %d, or no '%s' in: %s", (int)got, (int)status, word,
                 error->message);
    }
}

#endif
