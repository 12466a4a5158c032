// SPDX-License-Identifier: Apache-2.0
/*
 * Real pickles of every importer with one attribute that is exchanged for a value that cannot be,
 * that is missing, or that is there twice: each is refused with a message that names the file and
 * the attribute, and writes no model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/containers/container.h"
#include "espalier_convert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURES ESPALIER_TEST_SOURCE_DIR "/fixtures/"
#define MODEL    "test_refused_pickles.espalier"

enum {
    NAME_MAX_BYTES = 64,
    DEPTH = 1000000,
    FILE_BYTES_MAX = 65536
};

/* Attributes by name, separated by blanks; the first place of each in the file is what changes. */
typedef struct pickled {
    const char *name;
    const char *counts;  /* whole numbers */
    const char *numbers; /* real ones */
    const char *needed;  /* without which there is no model, values of any kind */
    const char *twice;   /* of the outermost object */
} pickled;

static const pickled files[] = {
    {"sklearn-1.9.1/tree_single_class.pkl", "n_features_in_ n_outputs_ node_count", "",
     "n_outputs_ classes_ tree_ node_count nodes values", "n_outputs_"},
    {"sklearn-1.9.1/small_zlib.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "n_outputs_ classes_ estimators_ tree_ nodes values", "n_outputs_"},
    {"boosting-1.9.1/gradient_quantile.joblib", "n_features_in_ node_count", "learning_rate",
     "learning_rate loss init_ constant_ estimators_ tree_ nodes values", "n_features_in_"},
    {"boosting-1.9.1/gradient_binary.joblib", "n_features_in_ n_classes_ node_count",
     "learning_rate", "learning_rate loss classes_ init_ class_prior_ estimators_ tree_",
     "n_classes_"},
    {"boosting-1.9.1/histogram_binary.joblib", "n_features_in_", "",
     "loss classes_ _baseline_prediction _predictors nodes", "n_features_in_"},
    {"boosting-1.9.1/isolation_features.joblib",
     "n_features_in_ _max_samples _max_features node_count", "",
     "_max_samples _max_features estimators_ estimators_features_ offset_ tree_", "_max_samples"},
    {"boosting-1.9.1/isolation_one.joblib", "_max_samples _max_features", "offset_", "offset_",
     "_max_samples"},
    {"ensembles-1.9.1/bagging.joblib", "n_estimators n_classes_ n_outputs_ node_count", "",
     "n_estimators classes_ estimators_ estimators_features_ tree_", "n_estimators"},
    {"ensembles-1.9.1/adaboost.joblib", "n_outputs_ node_count", "",
     "estimators_ classes_ estimator_weights_ tree_", "n_classes_"},
    {"ensembles-1.9.1/adaboost_values.joblib", "n_outputs_ node_count", "",
     "estimators_ estimator_weights_ tree_", "estimators_"},
    {"ensembles-1.9.1/voting_pipelines.joblib", "n_outputs_ node_count", "",
     "estimators_ mean_ scale_ tree_", "estimators_"},
    {"ensembles-1.9.1/isotonic.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "estimator calibrated_classifiers_ calibrators out_of_bounds y_thresholds_", "classes_"},
    {"ensembles-1.9.1/sigmoid.joblib", "n_features_in_ n_classes_ node_count", "",
     "calibrated_classifiers_ calibrators a_ b_", "classes_"},
    {"ensembles-1.9.1/temperature.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "calibrated_classifiers_ calibrators beta_", "classes_"},
    {"ensembles-1.9.1/outputs.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "estimators_ classes_ tree_", "estimators_"},
    {"ensembles-1.9.1/rest.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "label_binarizer_ y_type_ estimators_ classes_", "label_binarizer_"},
    {"ensembles-1.9.1/rest_labels.joblib", "n_features_in_ n_outputs_ n_classes_ node_count", "",
     "label_binarizer_ y_type_ estimators_ y_", "label_binarizer_"},
    {"ensembles-1.9.1/transformed.joblib", "n_outputs_ node_count", "",
     "regressor_ transformer_ estimators_ tree_", "regressor_"},
    {"pipelines-1.9.1/chosen.joblib", "", "", "", "steps"},
    {"pipelines-1.9.1/columns.joblib", "n_outputs_ node_count", "", "transformers_", "steps"},
    {"pipelines-1.9.1/imputed.joblib", "n_outputs_ node_count", "", "statistics_",
     "best_estimator_"},
    {"pipelines-1.9.1/scaled.joblib", "n_outputs_ node_count", "", "mean_ scale_", "steps"},
    {"pipelines-1.9.1/union.joblib", "node_count", "learning_rate", "transformer_list bin_edges_",
     "steps"},
    {"pipelines-1.9.1/kept.joblib", "", "", "variances_ min_ scale_", "steps"},
    {"pipelines-1.9.1/rare.joblib", "n_outputs_ node_count", "", "transformers_ categories_",
     "steps"},
    {"pipelines-1.9.1/boosted.joblib", "", "", "estimator_weights_", "steps"},
    {"pipelines-1.9.1/text.joblib", "n_outputs_ node_count", "",
     "transformers_ statistics_ categories_", "steps"},
    {"boosted-3.4.1-4.7.0/xgb_classes.joblib", "", "n_classes_", "_Booster handle", "_Booster"},
    {"boosted-3.4.1-4.7.0/lgb_classes.joblib", "", "", "_Booster", "_Booster"},
};

static uint8_t original[FILE_BYTES_MAX];
static size_t original_bytes;
static uint8_t *changed;
static size_t changed_bytes;

/* ---- files ---------------------------------------------------------------------------------- */

/* Without its compression. */
static void read_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, FIXTURES "%s", name);
    FILE *const stream = fopen(path, "rb");
    if (stream == NULL) {
        fail_msg("%s: cannot be opened", path);
    }
    const size_t count = fread(original, 1, sizeof original, stream);
    assert_int_equal(fclose(stream), 0);
    const espalier_container_limits limits = {0};
    espalier_container container;
    espalier_error error;
    assert_int_equal(espalier_container_open_memory(original, count, name, &limits, &container,
                                                    &error),
                     ESPALIER_OK);
    assert_true(container.bytes <= sizeof original);
    original_bytes = (size_t)container.bytes;
    uint8_t *const copy = malloc(original_bytes);
    assert_non_null(copy);
    memcpy(copy, container.data, original_bytes);
    espalier_container_close(&container);
    memcpy(original, copy, original_bytes);
    free(copy);
}

static void put(const void *bytes, size_t count)
{
    memcpy(changed + changed_bytes, bytes, count);
    changed_bytes += count;
}

/* Refused, with this in the message; otherwise the test ends. */
static void check_refused(const char *file, const char *attribute, const char *what)
{
    espalier_error error = {0};
    uint8_t *const own = malloc(changed_bytes); /* so that sanitizers see a read behind */
    assert_non_null(own);
    memcpy(own, changed, changed_bytes);
    const espalier_status status =
        espalier_convert_memory(own, changed_bytes, file, MODEL, NULL, NULL, &error);
    free(own);
    if (status == ESPALIER_OK || error.status != status || access(MODEL, F_OK) == 0 ||
        strncmp(error.message, file, strlen(file)) != 0 ||
        strstr(error.message, attribute) == NULL) {
        fail_msg("%s, %s %s: status %d, %s", file, attribute, what, (int)status, error.message);
    }
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* The next of the names, or false. */
static bool next_name(const char **names, char name[NAME_MAX_BYTES])
{
    *names += strspn(*names, " ");
    const size_t bytes = strcspn(*names, " ");
    assert_true(bytes < NAME_MAX_BYTES);
    memcpy(name, *names, bytes);
    name[bytes] = '\0';
    *names += bytes;
    return bytes > 0;
}

/* Where the name's text stands in the file for the first time. */
static size_t find_name(const char *name)
{
    uint8_t key[NAME_MAX_BYTES + 2] = {0x8c, (uint8_t)strlen(name)};
    memcpy(key + 2, name, strlen(name));
    const uint8_t *const at = memmem(original, original_bytes, key, strlen(name) + 2);
    if (at == NULL) {
        fail_msg("there is no attribute %s", name);
    }
    return (size_t)(at - original) + 2;
}

/* Behind the name and where it is remembered. */
static size_t find_value(const char *name)
{
    const size_t at = find_name(name) + strlen(name);
    return at + (original[at] == 0x94 ? 1 : 0);
}

/* How many bytes a value has that is one opcode. */
static size_t value_bytes(size_t at)
{
    switch (original[at]) {
    case 'K':
        return 2;
    case 'M':
        return 3;
    case 'J':
        return 5;
    case 'G':
        return 9;
    case 'N':
        return 1;
    default:
        fail_msg("the value at %zu is no number", at);
        return 0;
    }
}

typedef struct bad_value {
    const char *what;
    const char *bytes;
    size_t count;
} bad_value;

#define BAD(what, bytes)               \
    {                                  \
        what, bytes, sizeof(bytes) - 1 \
    }

static const bad_value bad_values[] = {
    BAD("is text", "X\1\0\0\0"
                   "5"),
    BAD("is a tuple", ")"),
    BAD("is a dict", "}"),
    BAD("is NaN", "G\x7f\xf8\0\0\0\0\0\0"),
    BAD("is infinite", "G\x7f\xf0\0\0\0\0\0\0"),
    BAD("is infinite below", "G\xff\xf0\0\0\0\0\0\0"),
    /* Of counts alone. */
    BAD("is None", "N"),
    BAD("is 1.5", "G\x3f\xf8\0\0\0\0\0\0"),
    BAD("is -1", "J\xff\xff\xff\xff"),
    BAD("is 2^63", "\x8a\x09\0\0\0\0\0\0\0\x80\0"),
    BAD("is -2^63", "\x8a\x08\0\0\0\0\0\0\0\x80"),
    BAD("is 2^64", "\x8a\x09\0\0\0\0\0\0\0\0\1"),
    BAD("is 2^63 as text", "I9223372036854775808\n"),
};
enum {
    BAD_NUMBERS = 6,
    BAD_COUNTS = sizeof bad_values / sizeof bad_values[0]
};

/* The attribute's value is another; no shorter, since frames say how long they are. */
static void exchange(const char *name, const void *value, size_t count)
{
    const size_t at = find_value(name);
    const size_t old = value_bytes(at);
    changed_bytes = 0;
    put(original, at);
    put(value, count);
    for (size_t bytes = count; bytes < old; bytes += 2) {
        put("N0", 2); /* None, and away with it */
    }
    put(original + at + old, original_bytes - at - old);
}

static void check_values(const char *file, const char *names, size_t count)
{
    char name[NAME_MAX_BYTES];
    while (next_name(&names, name)) {
        for (size_t i = 0; i < count; i++) {
            exchange(name, bad_values[i].bytes, bad_values[i].count);
            check_refused(file, name, bad_values[i].what);
        }
    }
}

/* Text of the file itself, with its length, becomes other text, no shorter. */
static void rename_text(const char *from, const char *to)
{
    const size_t old = strlen(from);
    const size_t bytes = strlen(to);
    const size_t at = find_name(from);
    assert_true(bytes >= old && bytes < NAME_MAX_BYTES && original_bytes + bytes <= FILE_BYTES_MAX);
    memmove(original + at + bytes, original + at + old, original_bytes - at - old);
    memcpy(original + at, to, bytes);
    original[at - 1] = (uint8_t)bytes;
    original_bytes += bytes - old;
}

/* The same of the second object that has this number, with its key by reference: the encoder that
 * was fitted, behind its copy that was not. */
static void exchange_fitted(const char *name, const void *value, size_t count)
{
    const size_t first = find_value(name);
    const uint8_t *at = original + first + 2;
    assert_int_equal(original[first], 'K');
    do {
        at = memmem(at + 1, (size_t)(original + original_bytes - at - 1), original + first, 2);
        assert_non_null(at);
    } while (at[-2] != 'h'); /* BINGET of the key */
    const size_t place = (size_t)(at - original);
    changed_bytes = 0;
    put(original, place);
    put(value, count);
    put(original + place + 2, original_bytes - place - 2);
}

/* What is in `changed` is a model. */
static void check_converts(const char *file, const char *what)
{
    espalier_error error = {0};
    if (espalier_convert_memory(changed, changed_bytes, file, MODEL, NULL, NULL, &error) !=
        ESPALIER_OK) {
        fail_msg("%s, %s: %s", file, what, error.message);
    }
    assert_int_equal(unlink(MODEL), 0);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_whole_files_convert(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        espalier_error error = {0};
        read_file(files[i].name);
        if (espalier_convert_memory(original, original_bytes, files[i].name, MODEL, NULL, NULL,
                                    &error) != ESPALIER_OK) {
            fail_msg("%s", error.message);
        }
        assert_int_equal(unlink(MODEL), 0);
    }
}

static void test_other_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        read_file(files[i].name);
        check_values(files[i].name, files[i].counts, BAD_COUNTS);
        check_values(files[i].name, files[i].numbers, BAD_NUMBERS);
    }
}

/* 2^2032 is no number of any machine, neither whole nor real. */
static void test_numbers_that_overflow(void **state)
{
    (void)state;
    uint8_t value[2 + 255] = {0x8a, 255};
    value[2 + 254] = 1;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *names[] = {files[i].counts, files[i].numbers};
        read_file(files[i].name);
        for (size_t k = 0; k < 2; k++) {
            char name[NAME_MAX_BYTES];
            while (next_name(&names[k], name)) {
                exchange(name, value, sizeof value);
                check_refused(files[i].name, name, "is 2^2032");
            }
        }
    }
}

/* By another name of the same length. */
static void test_missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *names = files[i].needed;
        char name[NAME_MAX_BYTES];
        read_file(files[i].name);
        while (next_name(&names, name)) {
            changed_bytes = 0;
            put(original, original_bytes);
            changed[find_name(name)] = 'Z';
            check_refused(files[i].name, name, "is missing");
        }
    }
}

/* The state of the outermost object, which is built last, says it once more. */
static void test_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *const name = files[i].twice;
        const uint8_t key[2] = {0x8c, (uint8_t)strlen(name)};
        read_file(files[i].name);
        assert_memory_equal(original + original_bytes - 3, "ub.", 3);
        (void)find_name(name);
        changed_bytes = 0;
        put(original, original_bytes - 2);
        put(key, sizeof key);
        put(name, strlen(name));
        put("K\2sb.", 5);
        /* A pipeline that has steps twice has none. */
        const bool steps = strcmp(name, "steps") == 0;
        check_refused(files[i].name, steps ? "there is none" : name, "is there twice");
    }
}

/* A list of lists a million deep, where a number belongs. */
static void test_nested_a_million_deep(void **state)
{
    (void)state;
    uint8_t *const value = malloc(2 * (size_t)DEPTH);
    assert_non_null(value);
    memset(value, ']', DEPTH);
    memset(value + DEPTH, 'a', DEPTH - 1);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *names = files[i].counts;
        char name[NAME_MAX_BYTES];
        if (!next_name(&names, name)) {
            continue;
        }
        read_file(files[i].name);
        exchange(name, value, 2 * (size_t)DEPTH - 1);
        check_refused(files[i].name, "", "is a million deep");
    }
    free(value);
}

/* Places that an encoder's dtype does not hold; those that it just holds are converted. */
static void test_places_of_dtypes(void **state)
{
    static const char file[] = "pipelines-1.9.1/bytes.joblib";
    static const struct {
        const char *dtype;
        const char *attribute;
        int32_t place;
        bool fits;
    } places[] = {
        {"int8", "unknown_value", -1, true},
        {"int8", "encoded_missing_value", -128, true},
        {"int8", "unknown_value", -129, false},
        {"int8", "encoded_missing_value", 128, false},
        {"int16", "unknown_value", -1, true},
        {"uint8", "unknown_value", 255, true},
        {"uint8", "unknown_value", -1, false},
        {"uint16", "unknown_value", 65536, false},
        {"uint16", "encoded_missing_value", -1, false},
        {"uint32", "unknown_value", 70000, true},
        {"uint32", "unknown_value", -1, false},
        {"uint32", "encoded_missing_value", -1, false},
        {"uint64", "unknown_value", -1, false},
        {"int64", "unknown_value", -1, true},
        {"int64", "encoded_missing_value", -70000, true},
        {"bool", "unknown_value", 1, false}, /* the third category's place is 2 */
        {"float32", "unknown_value", -1, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint8_t value[5] = {'J'};
        memcpy(value + 1, &places[i].place, 4); /* little-endian, as in the format */
        read_file(file);
        rename_text("int8", places[i].dtype);
        exchange_fitted(places[i].attribute, value, sizeof value);
        if (places[i].fits) {
            check_converts(file, places[i].dtype);
        } else {
            check_refused(file, places[i].dtype, "does not hold a place");
        }
    }
}

/* int8, uint16 and then float32 side by side: of which type they are before scikit-learn 1.7
 * depends on NumPy's version. */
static void test_types_side_by_side(void **state)
{
    static const char file[] = "pipelines-1.9.1/bytes.joblib";
    static const struct {
        const char *version;
        const char *dtype;
        bool known;
    } cases[] = {
        {"1.6.9", "uint8", true},
        {"1.6.9", "uint16", false},
        {"1.7.0", "uint16", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_file(file);
        rename_text("uint8", cases[i].dtype);
        rename_text("1.9.1", cases[i].version);
        changed_bytes = 0;
        put(original, original_bytes);
        if (cases[i].known) {
            check_converts(file, cases[i].version);
        } else {
            check_refused(file, "depends on NumPy's version", cases[i].version);
        }
    }
}

/* with_mean of the target's scaler is what Python takes for true or false, or refused. */
static void test_truth_of_scalers(void **state)
{
    static const char file[] = "ensembles-1.9.1/transformed_scaled.joblib";
    static const char *const truths[] = {"N", "K\0", "K\1"};
    (void)state;
    read_file(file);
    size_t at = find_value("with_mean") + 3;
    while (at + 1 < original_bytes &&
           (original[at] != 0x89 || original[at - 2] != 'h' || original[at + 1] != 'h')) {
        at++; /* False of the scaler that was fitted, with its key by reference */
    }
    assert_true(at + 1 < original_bytes);
    for (size_t i = 0; i < 4; i++) {
        changed_bytes = 0;
        put(original, at);
        put(i < 3 ? truths[i] : "X\1\0\0\0a", i == 0 ? 1 : i < 3 ? 2 : 6);
        put(original + at + 1, original_bytes - at - 1);
        if (i < 3) {
            check_converts(file, "with_mean");
        } else {
            check_refused(file, "with_mean", "is text");
        }
    }
}

static int open_buffer(void **state)
{
    (void)state;
    changed = malloc(FILE_BYTES_MAX + 2 * (size_t)DEPTH);
    (void)unlink(MODEL);
    return changed != NULL ? 0 : -1;
}

static int close_buffer(void **state)
{
    (void)state;
    free(changed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files_convert),
        cmocka_unit_test(test_other_values),
        cmocka_unit_test(test_numbers_that_overflow),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_nested_a_million_deep),
        cmocka_unit_test(test_places_of_dtypes),
        cmocka_unit_test(test_types_side_by_side),
        cmocka_unit_test(test_truth_of_scalers),
    };
    return cmocka_run_group_tests_name("refused pickles", tests, open_buffer, close_buffer);
}
