// SPDX-License-Identifier: Apache-2.0
/*
 * Every lie about a LightGBM text, told by a pickled estimator and by a pickled Booster. Each is
 * refused in the words that a file of text is refused in.
 */
#include "tests/unit/test_boosted.h"
#include "tests/unit/test_lightgbm_lies.h"

/* An LGBMRegressor around a Booster with this text, or the Booster alone. */
static void put_model(pickle_writer *file, bool estimator, const char *text)
{
    start_file(file);
    if (estimator) {
        open_lightgbm(file, "LGBMRegressor", "_handle", text, -1);
    } else {
        open_lightgbm_booster(file, "handle", text);
    }
    close_object(file);
}

static void test_carriers_are_read(void **state)
{
    (void)state;
    for (int estimator = 0; estimator < 2; estimator++) {
        pickle_writer file;
        boosted_result result;
        put_model(&file, estimator != 0, good_text);
        load_file(&file, NULL, &result);
        assert_int_equal(result.forest.tree_count, 2);
        free_result(&result);
    }
}

static void check_lies(const refusal *lies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *const text = replace_text(good_text, lies[i].from, lies[i].to);
        for (int estimator = 0; estimator < 2; estimator++) {
            pickle_writer file;
            put_model(&file, estimator != 0, text);
            refuse_file(&file, lies[i].status, lies[i].words);
        }
        free(text);
    }
}

static void test_bad_headers(void **state)
{
    (void)state;
    check_lies(bad_headers, sizeof bad_headers / sizeof bad_headers[0]);
}

static void test_bad_trees(void **state)
{
    (void)state;
    check_lies(bad_trees, sizeof bad_trees / sizeof bad_trees[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carriers_are_read),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_trees),
    };
    return cmocka_run_group_tests_name("lightgbm carriers", tests, NULL, NULL);
}
