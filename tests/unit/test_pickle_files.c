// SPDX-License-Identifier: Apache-2.0
/*
 * Real files: one forest, saved by several versions of scikit-learn in every protocol, by joblib,
 * compressed and with foreign byte order, must read as the same numbers; cut short, never at all.
 */
#include "tests/unit/test_pickle.h"

#include <stdio.h>
#include <unistd.h>

#include "convert/containers/container.h"

#define NODES_MAX 4096u

static const char *const versions[] = {
    "sklearn-0.22.2.post1", "sklearn-0.24.2", "sklearn-1.0.2", "sklearn-1.2.2",
    "sklearn-1.3.2",        "sklearn-1.4.2",  "sklearn-1.6.1",
};
static const char *const variants[] = {
    "small_p0.pkl",
    "small_p1.pkl",
    "small_p2.pkl",
    "small_p3.pkl",
    "small_p4.pkl",
    "small_p5.pkl",
    "small.joblib",
    "small_p0.joblib",
    "small_p2.joblib",
    "small_p5.joblib",
    "small_big_endian.joblib",
    "small_big_endian_p2.pkl",
    "small_big_endian_p4.pkl",
    "small_zlib.joblib",
    "small_trailing.pkl",
    "small_default.pkl",
};
#define VERSION_COUNT (sizeof versions / sizeof versions[0])
#define VARIANT_COUNT (sizeof variants / sizeof variants[0])

/* What is compared: every tree's columns, one behind the other. */
typedef struct forest_numbers {
    size_t node_count;
    size_t value_count;
    int64_t left[NODES_MAX];
    int64_t feature[NODES_MAX];
    double threshold[NODES_MAX];
    double values[NODES_MAX * 4];
} forest_numbers;

static const espalier_pickle_value *attribute_of(const espalier_pickle *pickle,
                                                 const espalier_pickle_value *object,
                                                 const char *name)
{
    const espalier_pickle_value *value = NULL;
    espalier_error error;
    if (espalier_pickle_attribute_required(pickle, object, name, &value, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return value;
}

static void read_tree(const espalier_pickle *pickle, const espalier_pickle_value *tree,
                      forest_numbers *out)
{
    espalier_pickle_view view;
    const espalier_pickle_array *const nodes =
        espalier_pickle_get_array(attribute_of(pickle, tree, "nodes"));
    const espalier_pickle_array *const values =
        espalier_pickle_get_array(attribute_of(pickle, tree, "values"));
    assert_true(espalier_pickle_is(tree, "sklearn.tree._tree", "Tree"));
    assert_non_null(nodes);
    assert_non_null(values);
    const uint64_t count = nodes->form->element_count;
    assert_true(out->node_count + count <= NODES_MAX);
    assert_true(out->value_count + values->form->element_count <= (uint64_t)NODES_MAX * 4);
    assert_true(espalier_pickle_view_field(nodes, "left_child", &view));
    assert_true(espalier_pickle_view_int64s(&view, 0, count, out->left + out->node_count));
    assert_true(espalier_pickle_view_field(nodes, "feature", &view));
    assert_true(espalier_pickle_view_int64s(&view, 0, count, out->feature + out->node_count));
    assert_true(espalier_pickle_view_field(nodes, "threshold", &view));
    assert_true(espalier_pickle_view_doubles(&view, 0, count, out->threshold + out->node_count));
    assert_true(espalier_pickle_view_array(values, &view));
    assert_true(espalier_pickle_view_doubles(&view, 0, values->form->element_count,
                                             out->values + out->value_count));
    out->node_count += (size_t)count;
    out->value_count += (size_t)values->form->element_count;
}

static void read_forest(const espalier_pickle *pickle, forest_numbers *out)
{
    const espalier_pickle_value *const root = espalier_pickle_root(pickle);
    const espalier_pickle_value *const trees = attribute_of(pickle, root, "estimators_");
    memset(out, 0, sizeof *out);
    assert_int_equal(espalier_pickle_kind_of(trees), ESPALIER_PICKLE_LIST);
    assert_true(espalier_pickle_item_count(trees) > 0);
    for (size_t i = 0; i < espalier_pickle_item_count(trees); i++) {
        read_tree(pickle, attribute_of(pickle, espalier_pickle_item(trees, i), "tree_"), out);
    }
    assert_true(out->node_count > 1);
}

static bool is_there(const char *version, const char *variant, char *path, size_t capacity)
{
    const int bytes =
        snprintf(path, capacity, "%s/fixtures/%s/%s", ESPALIER_TEST_SOURCE_DIR, version, variant);
    assert_true(bytes > 0 && (size_t)bytes < capacity);
    return access(path, R_OK) == 0;
}

static bool load_forest(const char *version, const char *variant, forest_numbers *out)
{
    char path[512];
    espalier_container container;
    espalier_pickle *pickle = NULL;
    espalier_error error;
    if (!is_there(version, variant, path, sizeof path)) {
        return false;
    }
    if (espalier_container_open(path, NULL, &container, &error) != ESPALIER_OK ||
        espalier_pickle_parse(container.data, (size_t)container.bytes, NULL, &pickle, &error) !=
            ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    read_forest(pickle, out);
    espalier_pickle_free(pickle);
    espalier_container_close(&container);
    return true;
}

static void test_variants_agree(void **state)
{
    (void)state;
    forest_numbers *const first = malloc(sizeof *first);
    forest_numbers *const other = malloc(sizeof *other);
    assert_non_null(first);
    assert_non_null(other);
    size_t compared = 0;
    for (size_t v = 0; v < VERSION_COUNT; v++) {
        if (!load_forest(versions[v], "small_p4.pkl", first)) {
            continue;
        }
        for (size_t i = 0; i < VARIANT_COUNT; i++) {
            if (load_forest(versions[v], variants[i], other)) {
                assert_memory_equal(first, other, sizeof *first);
                compared++;
            }
        }
    }
    free(first);
    free(other);
    /* All of them are in the repository; a missing folder must not pass for success. */
    assert_true(compared >= 60);
}

/* Real joblib and pickle files cut at every byte. */
static void test_cut_real_files(void **state)
{
    (void)state;
    static const char *const names[] = {"small.joblib", "small_p2.pkl", "small_p4.pkl",
                                        "small_p5.joblib"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        espalier_container container;
        assert_true(is_there("sklearn-1.6.1", names[i], path, sizeof path));
        assert_int_equal(espalier_container_open(path, NULL, &container, NULL), ESPALIER_OK);
        for (size_t cut = 0; cut < container.bytes; cut++) {
            parsed result = parse_bytes(container.data, cut, NULL);
            assert_int_not_equal(result.status, ESPALIER_OK);
            free_parsed(&result);
        }
        espalier_container_close(&container);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_agree),
        cmocka_unit_test(test_cut_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
