// SPDX-License-Identifier: Apache-2.0
/*
 * KBinsDiscretizer of a column with a single edge, as strategy="kmeans" leaves it of equal values:
 * up to scikit-learn 1.0 its bin is -1, later 0. It once was 0 in all versions.
 */
#include "tests/unit/test_sklearn.h"

#include "espalier.h"
#include "espalier_convert.h"

#include <unistd.h>

#define MODEL_FILE "test_sklearn_bins.espalier"

enum {
    ROWS = 3
};

/* A pipeline of bins and a tree that asks whether the bin is at most -0.5. */
static void put_pipeline(pickle_writer *writer, const char *version)
{
    static const fake_node nodes[] = {{1, 2, 0, -0.5, 10, 0},
                                      {-1, -1, -2, -2, 4, 0},
                                      {-1, -1, -2, -2, 6, 0}};
    static const double values[] = {0, 1.5, -2.5};
    static const double edge = 1.0;
    static const int64_t bins = 0;
    const uint64_t one = 1;
    const fake_tree tree = {.nodes = nodes,
                            .node_count = 3,
                            .values = values,
                            .layout =
                                strcmp(version, "1.9.1") == 0 ? FAKE_NODES_64 : FAKE_NODES_56};
    const fake_estimator estimator = {.module = "sklearn.tree._classes",
                                      .name = "DecisionTreeRegressor",
                                      .version = version,
                                      .criterion = "mse",
                                      .features = 1,
                                      .outputs = 1,
                                      .trees = &tree,
                                      .tree_count = 1};
    open_object(writer, "sklearn.pipeline", "Pipeline");
    put_text(writer, "_sklearn_version");
    put_text(writer, version);
    put_text(writer, "steps");
    put_bytes(writer, "](", 2);
    put_text(writer, "bins");
    open_object(writer, "sklearn.preprocessing._discretization", "KBinsDiscretizer");
    put_text(writer, "_sklearn_version");
    put_text(writer, version);
    put_text(writer, "encode");
    put_text(writer, "ordinal");
    put_text(writer, "n_bins_");
    put_array(writer, "i8", '<', &one, 1, false, &bins, sizeof bins);
    put_text(writer, "bin_edges_");
    put_objects_open(writer, 1);
    put_array(writer, "f8", '<', &one, 1, false, &edge, sizeof edge);
    put_objects_close(writer);
    put_bytes(writer, "ub\x86", 3);
    put_text(writer, "tree");
    put_estimator(writer, &estimator);
    put_bytes(writer,
              "\x86"
              "eub",
              4);
}

/* The pipeline answers the same whatever the row. */
static void check_values(const pickle_writer *writer, double expected)
{
    static const double numbers[ROWS] = {0.25, 1.0, 7.0};
    double found[ROWS] = {0.0, 0.0, 0.0};
    espalier_error failure = {0};
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    const espalier_rows rows = espalier_rows_float64(numbers, ROWS, 1);
    espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
    if (espalier_convert_memory(writer->data, writer->bytes, "here.pkl", MODEL_FILE, NULL, NULL,
                                &failure) != ESPALIER_OK) {
        fail_load(&failure);
    }
    assert_int_equal(espalier_model_open(MODEL_FILE, NULL, &model, &failure), ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &rows, &outputs),
                     ESPALIER_OK);
    for (size_t row = 0; row < ROWS; row++) {
        assert_true(found[row] == expected);
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    (void)unlink(MODEL_FILE);
}

static void test_single_edge(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        double value;
    } cases[] = {{"0.22.2", 1.5}, {"1.0.2", 1.5}, {"1.1.3", -2.5}, {"1.9.1", -2.5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pickle_writer writer = {0};
        put_start(&writer);
        put_pipeline(&writer, cases[i].version);
        put_stop(&writer);
        check_values(&writer, cases[i].value);
        pickle_writer_free(&writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_edge),
    };
    return cmocka_run_group_tests_name("bins", tests, NULL, NULL);
}
