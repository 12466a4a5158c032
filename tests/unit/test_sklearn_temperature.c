// SPDX-License-Identifier: Apache-2.0
/*
 * A temperature over two classes: the trainer keeps the second's probability p and takes 1 - p for
 * the first's, which is not the member's own in the last bit. It once was the member's own.
 */
#include "convert/reference.h"
#include "tests/unit/test_sklearn.h"

#include <math.h>

#define BETA 8.0

/* The member: one leaf that says 2/3 and 1/3, and 1 - 1/3 is the double after 2/3. */
static const double chances[2] = {2.0 / 3.0, 1.0 / 3.0};

static void put_calibrated(pickle_writer *writer)
{
    static const fake_node leaf[] = {{-1, -1, -2, -2, 1, 0}};
    static const int64_t classes[] = {0, 1};
    const uint64_t two = 2;
    const fake_tree tree = {.nodes = leaf, .node_count = 1, .values = chances};
    const fake_labels labels[] = {{"i8", classes, sizeof classes, 2}};
    const fake_estimator member = {.module = "sklearn.tree._classes",
                                   .name = "DecisionTreeClassifier",
                                   .version = "1.9.1",
                                   .features = 1,
                                   .outputs = 1,
                                   .labels = labels,
                                   .trees = &tree,
                                   .tree_count = 1};
    open_object(writer, "sklearn.calibration", "CalibratedClassifierCV");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.9.1");
    put_text(writer, "classes_");
    put_array(writer, "i8", '<', &two, 1, false, classes, sizeof classes);
    put_text(writer, "calibrated_classifiers_");
    put_bytes(writer, "](", 2);
    open_object(writer, "sklearn.calibration", "_CalibratedClassifier");
    put_text(writer, "estimator");
    put_estimator(writer, &member);
    put_text(writer, "calibrators");
    put_bytes(writer, "](", 2);
    open_object(writer, "sklearn.calibration", "_TemperatureScaling");
    put_text(writer, "beta_");
    put_float(writer, BETA);
    put_bytes(writer, "ubeubeub", 8);
}

/* The second class's probability, of the first's. */
static double soften(double first)
{
    const double low = BETA * log(first + 1e-12);
    const double high = BETA * log(chances[1] + 1e-12);
    const double most = low > high ? low : high;
    return exp(high - most) / (exp(low - most) + exp(high - most));
}

static void test_first_is_the_complement(void **state)
{
    (void)state;
    const double row[1] = {0.0};
    double slots[64];
    pickle_writer writer = {0};
    espalier_forest forest;
    espalier_error refusal = {0};
    put_start(&writer);
    put_calibrated(&writer);
    put_stop(&writer);
    if (load_writer(&writer, 1u << 20, &forest, &refusal) != ESPALIER_OK) {
        fail_load(&refusal);
    }
    assert_true(espalier_reference_slot_count(&forest) <= 64);
    espalier_reference_evaluate_float64(&forest, row, 1, slots, NULL);
    assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_int_equal(forest.outputs[0].slot_count, 2);
    const double second = slots[forest.outputs[0].first_slot + 1];
    assert_true(second == soften(1.0 - chances[1]));
    assert_true(second != soften(chances[0])); /* or the test would notice nothing */
    espalier_forest_free(&forest);
    pickle_writer_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_is_the_complement),
    };
    return cmocka_run_group_tests_name("temperature", tests, NULL, NULL);
}
