// SPDX-License-Identifier: Apache-2.0
/*
 * Columns at rest in every layout: a pipeline with OneHotEncoder is converted to each, and the
 * converter compares every way to hand rows over with a plain evaluation. In masks a row's codes
 * once overwrote the columns between its own, which were at rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "espalier_convert.h"

#include <unistd.h>

#define SOURCE ESPALIER_TEST_SOURCE_DIR "/fixtures/pipelines-1.9.1/columns.joblib"
#define MODEL  "test_rest.espalier"

static void test_every_layout(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_HEAP,
                                       ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_BITS};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        espalier_convert_options options = ESPALIER_CONVERT_OPTIONS_INIT;
        espalier_convert_report report;
        espalier_error error;
        options.layout = layouts[i];
        if (espalier_convert(SOURCE, MODEL, &options, &report, &error) != ESPALIER_OK) {
            fail_msg("layout %u: %s", (unsigned)layouts[i], error.message);
        }
        assert_true(report.proof.rows_compared > 1000);
    }
    assert_int_equal(unlink(MODEL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layout),
    };
    return cmocka_run_group_tests_name("columns at rest", tests, NULL, NULL);
}
