// SPDX-License-Identifier: Apache-2.0
/*
 * What a number in a small file may cost: the bytes that a conversion takes are counted. A source
 * of a few kilobytes once took 660 MB because it said that it had 2^24 features.
 */
#include "tests/faults/fault_calls.h"

#ifdef HAS_OTHER_ALLOCATOR

int main(void)
{
    return 77;
}

#else

#include "espalier_convert.h"

#include <setjmp.h>

#include <cmocka.h>

#define SOURCE    ESPALIER_TEST_SOURCE_DIR "/fixtures/xgboost-1.7.6/small.json"
#define MODEL     "fault_claims.espalier"
#define CLAIM     "\"num_feature\":\"6\""
#define MEMORY    (INT64_C(64) << 20) /* the converter's own limit, of a small source */
#define LITTLE    (INT64_C(2) << 20)
#define UNTOUCHED (INT64_C(64) << 20) /* the predictor's room for rows that come as columns */
#define TEXT_MAX  65536

/* The source with another number of features. */
static size_t make_text(uint32_t features, char *text)
{
    static char original[TEXT_MAX];
    FILE *const stream = fopen(SOURCE, "rb");
    assert_non_null(stream);
    const size_t bytes = fread(original, 1, sizeof original - 1, stream);
    assert_int_equal(fclose(stream), 0);
    original[bytes] = '\0';
    size_t written = 0;
    uint32_t found = 0;
    for (const char *at = original; *at != '\0';) {
        const char *const next = strstr(at, CLAIM);
        const size_t plain = next != NULL ? (size_t)(next - at) : strlen(at);
        memcpy(text + written, at, plain);
        written += plain;
        at += plain;
        if (next != NULL) {
            written +=
                (size_t)snprintf(text + written, 64, "\"num_feature\":\"%u\"", (unsigned)features);
            at += strlen(CLAIM);
            found++;
        }
    }
    assert_true(found >= 1);
    return written;
}

static espalier_status convert_claim(uint32_t features, uint64_t memory_bytes_max,
                                     espalier_error *error)
{
    static char text[2 * TEXT_MAX];
    const size_t bytes = make_text(features, text);
    espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
    options.memory_bytes_max = memory_bytes_max;
    (void)unlink(MODEL);
    fault_start(0);
    const espalier_status status =
        espalier_convert_memory(text, bytes, "claim.json", MODEL, &options, NULL, error);
    assert_true(fault_stop());
    return status;
}

/* Within the limit it is converted, and what it says costs no more than the limit. */
static void test_features_cost_what_the_limit_allows(void **state)
{
    (void)state;
    espalier_error error;
    assert_int_equal(convert_claim(6, 0, &error), ESPALIER_OK);
    assert_true(fault.most > 0 && fault.most < LITTLE);
    assert_int_equal(convert_claim(1u << 20, 0, &error), ESPALIER_OK);
    assert_true(fault.most > LITTLE && fault.most < MEMORY + UNTOUCHED);
    assert_int_equal(unlink(MODEL), 0);
}

/* Beyond it nothing of the kind is taken, and nothing written; the caller may allow more. */
static void test_more_features_are_refused(void **state)
{
    (void)state;
    espalier_error error;
    assert_int_equal(convert_claim(1u << 24, 0, &error), ESPALIER_ERROR_SOURCE_LIMIT);
    assert_non_null(strstr(error.message, "claim.json: says it has 16777216 features"));
    assert_true(fault.most < LITTLE);
    assert_int_equal(access(MODEL, F_OK), -1);
    assert_int_equal(convert_claim(1u << 12, 1u << 17, &error), ESPALIER_ERROR_SOURCE_LIMIT);
    assert_int_equal(convert_claim(1u << 12, 1u << 20, &error), ESPALIER_OK);
    assert_int_equal(unlink(MODEL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_cost_what_the_limit_allows),
        cmocka_unit_test(test_more_features_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
