// SPDX-License-Identifier: Apache-2.0
/*
 * SelectFromModel of pickles made by hand: coef_ of many rows is summed as NumPy sums it, row by row
 * in C order and in pairs in Fortran order, which was refused. Both sums of column 1 differ.
 */
#include "tests/unit/test_sklearn.h"

#include "espalier_convert.h"

#include <math.h>
#include <unistd.h>

#define MODEL "test_sklearn_selectors.espalier"

enum {
    ROW_COUNT = 9,
    COLUMN_COUNT = 2
};

typedef struct fake_selector {
    uint64_t row_count;
    bool fortran;
    double norm_order;
    double threshold;
} fake_selector;

/* Column 0 is too little throughout; column 1 is 1 and below it halves of the last bit of 1, which
 * row by row get lost. */
static void put_coefficients(pickle_writer *writer, const fake_selector *selector)
{
    const uint64_t shape[] = {selector->row_count, COLUMN_COUNT};
    const size_t count = (size_t)selector->row_count * COLUMN_COUNT;
    double *const numbers = calloc(count, sizeof *numbers);
    assert_non_null(numbers);
    for (size_t i = 0; i < selector->row_count; i++) {
        const size_t at = selector->fortran ? selector->row_count + i : COLUMN_COUNT * i + 1;
        numbers[at] = i == 0                        ? -1.0
                      : selector->norm_order == 2.0 ? 0x1p-26 / 0x1.6a09e667f3bcdp0
                                                    : 0x1p-53;
    }
    put_array(writer, "f8", '<', shape, 2, selector->fortran, numbers, count * sizeof *numbers);
    free(numbers);
}

static void put_selector(pickle_writer *writer, const fake_selector *selector)
{
    put_global(writer, "sklearn.feature_selection._from_model", "SelectFromModel");
    put_bytes(writer, ")\x81}(", 4);
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.9.1");
    put_text(writer, "n_features_in_");
    put_int(writer, COLUMN_COUNT);
    put_text(writer, "norm_order");
    put_float(writer, selector->norm_order);
    put_text(writer, "threshold");
    put_float(writer, selector->threshold);
    put_text(writer, "estimator");
    put_none(writer);
    put_text(writer, "estimator_");
    put_global(writer, "sklearn.linear_model._logistic", "LogisticRegression");
    put_bytes(writer, ")\x81}(", 4);
    put_text(writer, "coef_");
    put_coefficients(writer, selector);
    put_bytes(writer, "ubub", 4);
}

/* Behind it is a tree of one feature: converts if the selector keeps column 1. */
static espalier_status convert(const fake_selector *selector, espalier_error *error)
{
    static const fake_node nodes[] = {{1, 2, 0, 0.5, 10, 0},
                                      {-1, -1, -2, -2, 4, 0},
                                      {-1, -1, -2, -2, 6, 0}};
    static const double values[] = {0, 1.5, -2.5};
    static const fake_tree tree = {.nodes = nodes,
                                   .node_count = 3,
                                   .values = values,
                                   .layout = FAKE_NODES_64};
    static const fake_estimator estimator = {.module = "sklearn.tree._classes",
                                             .name = "DecisionTreeRegressor",
                                             .version = "1.9.1",
                                             .criterion = "squared_error",
                                             .features = 1,
                                             .outputs = 1,
                                             .trees = &tree,
                                             .tree_count = 1};
    pickle_writer writer = {0};
    put_start(&writer);
    put_global(&writer, "sklearn.pipeline", "Pipeline");
    put_bytes(&writer, ")\x81}(", 4);
    put_text(&writer, "steps");
    put_bytes(&writer, "](", 2);
    put_text(&writer, "selector");
    put_selector(&writer, selector);
    put_bytes(&writer, "\x86", 1);
    put_text(&writer, "tree");
    put_estimator(&writer, &estimator);
    put_bytes(&writer, "\x86", 1);
    put_bytes(&writer, "eub", 3);
    put_stop(&writer);
    const espalier_status status =
        espalier_convert_memory(writer.data, writer.bytes, "here.pkl", MODEL, NULL, NULL, error);
    pickle_writer_free(&writer);
    return status;
}

static void test_orders_of_sums(void **state)
{
    (void)state;
    static const double infinite = (double)INFINITY;
    static const struct {
        fake_selector selector;
        bool kept;
    } cases[] = {
        {{ROW_COUNT, false, 1.0, 1.0}, true},
        {{ROW_COUNT, false, 1.0, 0x1.0000000000001p0}, false},
        {{ROW_COUNT, true, 1.0, 0x1.0000000000004p0}, true},
        {{ROW_COUNT, true, 1.0, 0x1.0000000000005p0}, false},
        {{ROW_COUNT, false, 2.0, 0x1.0000000000001p0}, false},
        {{ROW_COUNT, true, 2.0, 0x1.0000000000001p0}, true},
        {{ROW_COUNT, true, 2.0, 0x1.0000000000002p0}, false},
        {{ROW_COUNT, true, infinite, 1.0}, true},
        {{ROW_COUNT, true, infinite, 0x1.0000000000001p0}, false},
        {{8193, true, infinite, 1.0}, true},
        {{8193, false, 1.0, 1.0}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_error error = {0};
        const espalier_status status = convert(&cases[i].selector, &error);
        if (cases[i].kept != (status == ESPALIER_OK)) {
            fail_msg("case %zu: %d, %s", i, (int)status, error.message);
        }
        if (status != ESPALIER_OK) {
            assert_non_null(strstr(error.message, "the selector keeps no feature"));
        }
        (void)unlink(MODEL);
    }
}

/* NumPy 1.19 sums 8,192 at a time, NumPy 2.5 all. */
static void test_too_many_rows(void **state)
{
    (void)state;
    espalier_error error = {0};
    const fake_selector selector = {8193, true, 1.0, 1.0};
    check_refusal(convert(&selector, &error), ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                  "more than 8192 rows of coef_ in Fortran order", &error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_of_sums),
        cmocka_unit_test(test_too_many_rows),
    };
    return cmocka_run_group_tests_name("selectors", tests, NULL, NULL);
}
