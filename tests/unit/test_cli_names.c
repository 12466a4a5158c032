// SPDX-License-Identifier: Apache-2.0
/*
 * What the command finds behind the numbers of encoders, and how many keys it takes at most: the
 * keys of a file may be few and of many encoders, so memory has a budget. Includes the source under
 * test: the command is a program, not a library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the four above first.
#include <cmocka.h>

#include "cli/view_names.c"
#include "convert/categories.h"
#include "convert/preparation.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#define KEYS     (KEYS_MAX / 64) /* of each encoder: 64 of them are all that is taken */
#define FEATURES 66u             /* each has an encoder, all with the same numbers */

/* Key 0 becomes 7, key 1 becomes 3, and so does every other; feature 65 has no encoder of text. */
static model_bytes make_file(void)
{
    const synthetic_options options = {.seed = 5,
                                       .tree_count = 2,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .trainer = SYNTHETIC_LIGHTGBM};
    espalier_forest forest;
    espalier_prepare_numbers own = {0, 0, 0};
    synthetic_forest_make(&options, &forest);
    espalier_preparation *const p = calloc(1, sizeof *p);
    double *const numbers = calloc(2 * (size_t)KEYS + 1, sizeof *numbers);
    assert_non_null(p);
    assert_non_null(numbers);
    forest.preparation = p;
    p->feature_count = FEATURES;
    p->value_count = FEATURES;
    for (uint32_t i = 0; i < KEYS; i++) {
        numbers[i] = (double)i;
        numbers[KEYS + i] = i == 0 ? 7.0 : 3.0;
    }
    numbers[2 * (size_t)KEYS] = -1.0;
    assert_int_equal(espalier_preparation_add_numbers(p, numbers, 2 * KEYS + 1, 0, &own),
                     ESPALIER_OK);
    for (uint32_t i = 0; i < FEATURES; i++) {
        uint32_t number = 0;
        assert_int_equal(espalier_preparation_add(p, ESPALIER_PREPARE_INDEX, 0, i, 1, &own,
                                                  &number),
                         ESPALIER_OK);
        assert_int_equal(number, FEATURES + i);
        for (uint32_t k = 0; k < 2 && i < FEATURES - 1; k++) {
            assert_int_equal(espalier_categories_add(&forest.categories, i, &"ab"[k], 1, &number),
                             ESPALIER_OK);
        }
    }
    const model_bytes m = model_bytes_of(&forest, 0);
    free(numbers);
    espalier_forest_free(&forest);
    return m;
}

static void test_keys_of_all_encoders(void **state)
{
    (void)state;
    const espalier_view_key *keys = NULL;
    model_bytes m = make_file();
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    espalier_view_names *const names = espalier_view_names_create(model);
    assert_non_null(names);
    assert_int_equal(names->value_count, 2 * FEATURES);
    /* A feature itself, an encoder of numbers, and what there is not, cost nothing. */
    assert_int_equal(espalier_view_names_below(names, 0, 9.0, &keys), 0);
    assert_int_equal(espalier_view_names_below(names, 2 * FEATURES - 1, 9.0, &keys), 0);
    assert_int_equal(espalier_view_names_below(names, 2 * FEATURES, 9.0, &keys), 0);
    assert_int_equal(names->keys_left, KEYS_MAX);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(espalier_view_names_below(names, FEATURES + i, 2.5, &keys), 0);
        assert_int_equal(espalier_view_names_below(names, FEATURES + i, 3.0, &keys), 1);
        assert_int_equal(espalier_view_names_below(names, FEATURES + i, 7.0, &keys), 2);
        assert_non_null(keys);
        assert_int_equal(keys[0].category, 1);
        assert_int_equal(keys[1].category, 0);
    }
    /* All is spent: the last encoder tells none, those before it still do. */
    assert_int_equal(names->keys_left, 0);
    assert_int_equal(espalier_view_names_below(names, FEATURES + 64, 7.0, &keys), 0);
    assert_null(keys);
    assert_int_equal(espalier_view_names_below(names, FEATURES, 7.0, &keys), 2);
    assert_non_null(keys);
    espalier_view_names_destroy(names);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* One key less is left than an encoder has: it tells none, and costs none. */
static void test_one_key_too_many(void **state)
{
    (void)state;
    const espalier_view_key *keys = NULL;
    model_bytes m = make_file();
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    espalier_view_names *const names = espalier_view_names_create(model);
    assert_non_null(names);
    names->keys_left = KEYS - 1;
    assert_int_equal(espalier_view_names_below(names, FEATURES, 7.0, &keys), 0);
    assert_null(keys);
    assert_int_equal(names->keys_left, KEYS - 1);
    names->keys_left = KEYS;
    assert_int_equal(espalier_view_names_below(names, FEATURES + 1, 7.0, &keys), 2);
    assert_int_equal(names->keys_left, 0);
    espalier_view_names_destroy(names);
    espalier_model_close(model);
    model_bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_all_encoders),
        cmocka_unit_test(test_one_key_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
