// SPDX-License-Identifier: Apache-2.0
/*
 * NumPy's functions in pickles made by hand, where columns and where targets go through one: under
 * which names they are known. Targets once knew fewer of the ways that ufuncs are made again.
 */
#include "tests/unit/test_sklearn.h"

#include "espalier_convert.h"

#include <unistd.h>

#define MODEL "test_sklearn_functions.espalier"

/* A function: a symbol, or the call of module._ufunc_reconstruct("of", "name"). */
typedef struct fake_function {
    const char *maker; /* NULL: a symbol */
    const char *module;
    const char *name;
} fake_function;

static void put_function(pickle_writer *writer, const char *attribute,
                         const fake_function *function)
{
    open_object(writer, "sklearn.preprocessing._function_transformer", "FunctionTransformer");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.4.2");
    put_text(writer, attribute);
    if (function->maker == NULL) {
        put_global(writer, function->module, function->name);
    } else {
        put_global(writer, function->maker, "_ufunc_reconstruct");
        put_text(writer, function->module);
        put_text(writer, function->name);
        put_bytes(writer, "\x86R", 2);
    }
    close_object(writer);
}

/* TransformedTargetRegressor: what its tree answers goes through the function. */
static void put_target(pickle_writer *writer, const fake_function *function)
{
    open_object(writer, "sklearn.compose._target", "TransformedTargetRegressor");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.4.2");
    put_text(writer, "regressor_");
    put_stump(writer, "1.4.2", 1, 2);
    put_text(writer, "transformer_");
    put_function(writer, "inverse_func", function);
    close_object(writer);
}

/* What is around a step. */
typedef enum fake_wrapping {
    WRAPPING_NONE,
    WRAPPING_FROZEN, /* FrozenEstimator */
    WRAPPING_FROZEN_TWICE,
    WRAPPING_FROZEN_EMPTY, /* with nothing inside; the step is not there */
    WRAPPING_SEARCH,       /* GridSearchCV */
    WRAPPING_SEARCH_EMPTY  /* without a best estimator, as one that was never fitted */
} fake_wrapping;

static void put_step(pickle_writer *writer, const fake_function *function, fake_wrapping wrapping)
{
    const uint32_t depth = wrapping == WRAPPING_FROZEN_TWICE ? 2
                           : wrapping != WRAPPING_NONE       ? 1
                                                             : 0;
    const bool search = wrapping == WRAPPING_SEARCH || wrapping == WRAPPING_SEARCH_EMPTY;
    const bool empty = wrapping == WRAPPING_FROZEN_EMPTY || wrapping == WRAPPING_SEARCH_EMPTY;
    for (uint32_t i = 0; i < depth; i++) {
        open_object(writer, search ? "sklearn.model_selection._search" : "sklearn.frozen._frozen",
                    search ? "GridSearchCV" : "FrozenEstimator");
        if (!empty) {
            put_text(writer, search ? "best_estimator_" : "estimator");
        }
    }
    if (!empty) {
        put_function(writer, "func", function);
    }
    for (uint32_t i = 0; i < depth; i++) {
        close_object(writer);
    }
}

/* Where a step is. */
typedef enum fake_place {
    PLACE_STEP,
    PLACE_UNION,  /* the only part of a FeatureUnion */
    PLACE_COLUMNS /* of a ColumnTransformer */
} fake_place;

static void put_placed(pickle_writer *writer, const fake_function *function, fake_wrapping wrapping,
                       fake_place place)
{
    const bool columns = place == PLACE_COLUMNS;
    if (place == PLACE_STEP) {
        put_step(writer, function, wrapping);
        return;
    }
    open_object(writer, columns ? "sklearn.compose._column_transformer" : "sklearn.pipeline",
                columns ? "ColumnTransformer" : "FeatureUnion");
    put_text(writer, columns ? "transformers_" : "transformer_list");
    put_bytes(writer, "](", 2);
    if (columns) {
        put_opcode(writer, '(');
    }
    put_text(writer, "part");
    put_step(writer, function, wrapping);
    if (columns) {
        put_bytes(writer, "](", 2);
        put_int(writer, 0);
        put_int(writer, 1);
        put_bytes(writer, "et", 2);
    } else {
        put_bytes(writer, "\x86", 1);
    }
    put_bytes(writer, "eub", 3);
}

/* Pipeline: what its tree asks for goes through the function. */
static void put_pipeline(pickle_writer *writer, const fake_function *function,
                         fake_wrapping wrapping, fake_place place)
{
    open_object(writer, "sklearn.pipeline", "Pipeline");
    put_text(writer, "steps");
    put_bytes(writer, "](", 2);
    put_text(writer, "function");
    put_placed(writer, function, wrapping, place);
    put_bytes(writer, "\x86", 1);
    put_text(writer, "tree");
    put_stump(writer, "1.4.2", 1, 2);
    put_bytes(writer,
              "\x86"
              "eub",
              4);
}

static void check_at(bool target, const fake_function *function, fake_wrapping wrapping,
                     fake_place place, bool known)
{
    pickle_writer writer = {0};
    espalier_error error = {0};
    put_start(&writer);
    if (target) {
        put_target(&writer, function);
    } else {
        put_pipeline(&writer, function, wrapping, place);
    }
    put_stop(&writer);
    const espalier_status status =
        espalier_convert_memory(writer.data, writer.bytes, "here.pkl", MODEL, NULL, NULL, &error);
    pickle_writer_free(&writer);
    if (!known) {
        check_refusal(status, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "is not converted", &error);
        assert_int_not_equal(access(MODEL, F_OK), 0);
        return;
    }
    if (status != ESPALIER_OK) {
        fail_msg("%s of %s by %s: %s", function->name, function->module,
                 function->maker != NULL ? function->maker : "itself", error.message);
    }
    assert_int_equal(unlink(MODEL), 0);
}

static void check(bool target, const fake_function *function, fake_wrapping wrapping, bool known)
{
    check_at(target, function, wrapping, PLACE_STEP, known);
}

static void test_names(void **state)
{
    (void)state;
    static const fake_function known[] = {
        {NULL, "numpy", "expm1"},
        {NULL, "numpy.core._multiarray_umath", "expm1"},
        {NULL, "numpy._core._multiarray_umath", "expm1"},
        {"numpy.core", "numpy", "expm1"},
        {"numpy.core", "numpy.core._multiarray_umath", "expm1"},
        {"numpy._core", "numpy._core._multiarray_umath", "expm1"},
    };
    static const fake_function unknown[] = {
        {NULL, "numpy.emath", "sqrt"},
        {NULL, "__main__", "expm1"},
        {NULL, "numpy", "sinh"},
        {"numpy.core", "numpy.emath", "sqrt"},
        {"numpy.core", "__main__", "expm1"},
        {"__main__", "numpy", "expm1"},
        {"numpy.core", "numpy", "sinh"},
    };
    for (size_t i = 0; i < 2 * sizeof known / sizeof known[0]; i++) {
        check(i % 2 != 0, &known[i / 2], WRAPPING_NONE, true);
    }
    for (size_t i = 0; i < 2 * sizeof unknown / sizeof unknown[0]; i++) {
        check(i % 2 != 0, &unknown[i / 2], WRAPPING_NONE, false);
    }
}

/* A frozen step transforms as what is inside it. */
static void test_frozen_steps(void **state)
{
    (void)state;
    static const fake_function known = {NULL, "numpy", "expm1"};
    static const fake_function unknown = {NULL, "numpy", "sinh"};
    check(false, &known, WRAPPING_FROZEN, true);
    check(false, &known, WRAPPING_FROZEN_TWICE, true);
    check(false, &unknown, WRAPPING_FROZEN, false);
    check(false, &known, WRAPPING_FROZEN_EMPTY, false);
}

/* So does a search, by its best estimator, as a step and as a part. */
static void test_searches_as_steps(void **state)
{
    (void)state;
    static const fake_function known = {NULL, "numpy", "expm1"};
    static const fake_function unknown = {NULL, "numpy", "sinh"};
    static const fake_place places[] = {PLACE_STEP, PLACE_UNION, PLACE_COLUMNS};
    for (size_t i = 0; i < 3; i++) {
        check_at(false, &known, WRAPPING_NONE, places[i], true);
        check_at(false, &known, WRAPPING_SEARCH, places[i], true);
        check_at(false, &unknown, WRAPPING_SEARCH, places[i], false);
        check_at(false, &known, WRAPPING_SEARCH_EMPTY, places[i], false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_frozen_steps),
        cmocka_unit_test(test_searches_as_steps),
    };
    return cmocka_run_group_tests_name("functions of NumPy", tests, NULL, NULL);
}
