// SPDX-License-Identifier: Apache-2.0
/*
 * What compares the fixtures with the trainers' answers (tests/support/fixture_run.c) says no when
 * one number is another one, an answer or a file is missing, something is not refused that should
 * be, or there is nothing to compare.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/support/fixture_lines.h"
#include "tests/support/fixture_rule.h"
#include "tests/support/fixture_run.h"
#include "tests/support/remove_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMNS "path\tversion\testimator\tpurpose\tselect\tcases\trefused\n"
#define FOREST  "small.joblib\t1.6.1\tRandomForestClassifier\ta forest\t-\t"
#define BOOSTED "early.json\t3.0.5\tXGBClassifier\tboosted\t-\t"

static const char fixtures[] = ESPALIER_TEST_SOURCE_DIR "/fixtures";
static const char sound[] = COLUMNS FOREST
    "small.rows64.npy,small.rows32.npy probability=small.probability.npy class=small.class.npy "
    "leaf=small.leaf.npy\t-\n" BOOSTED "early.rows64.npy class=early.class.npy "
    "leaf@0:5=early.leaf_0_5.npy margin=early.margin.npy probability~=early.probability.npy\t-\n";

/* ---- a folder of fixtures ------------------------------------------------------------------- */

static char folder[] = "test_fixtures.XXXXXX";

static void copy_file(const char *from, const char *name)
{
    char path[512];
    char buffer[8192];
    (void)snprintf(path, sizeof path, "%s/%s/%s", fixtures, from, name);
    FILE *const source = fopen(path, "rb");
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const copy = fopen(path, "wb");
    assert_non_null(source);
    assert_non_null(copy);
    const size_t bytes = fread(buffer, 1, sizeof buffer, source);
    assert_true(bytes > 0 && bytes < sizeof buffer);
    assert_int_equal(fwrite(buffer, 1, bytes, copy), bytes);
    assert_int_equal(fclose(copy), 0);
    assert_int_equal(fclose(source), 0);
}

static void write_manifest(const char *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/manifest.tsv", folder);
    FILE *const manifest = fopen(path, "wb");
    assert_non_null(manifest);
    assert_true(fputs(text, manifest) >= 0);
    assert_int_equal(fclose(manifest), 0);
}

static int make_folder(void **state)
{
    (void)state;
    static const char *const forest[] = {"small.joblib",     "small.rows64.npy",
                                         "small.rows32.npy", "small.probability.npy",
                                         "small.class.npy",  "small.leaf.npy"};
    static const char *const boosted[] = {"early.json",       "early.rows64.npy",
                                          "early.class.npy",  "early.leaf_0_5.npy",
                                          "early.margin.npy", "early.probability.npy"};
    (void)snprintf(folder, sizeof folder, "test_fixtures.XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < sizeof forest / sizeof forest[0]; i++) {
        copy_file("sklearn-1.6.1", forest[i]);
        copy_file("xgboost-3.0.5", boosted[i]);
    }
    write_manifest(sound);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return remove_tree(folder);
}

/* Changes the lowest bit of the last item, of item_bytes, of an array. */
static void change_item(const char *name, long item_bytes)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -item_bytes, SEEK_END), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, -item_bytes, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

/* Whether all agree; said_out: what was written, to be freed. */
static bool run_some(const char *glob, size_t nth, fixture_counts *counts, char **said_out)
{
    char path[64];
    size_t bytes = 0;
    FILE *const out = open_memstream(said_out, &bytes);
    assert_non_null(out);
    (void)snprintf(path, sizeof path, "%s/manifest.tsv", folder);
    const fixture_options options = {.manifest = path, .glob = glob, .nth = nth, .out = out};
    const bool is_good = fixtures_run(&options, counts);
    assert_int_equal(fclose(out), 0);
    return is_good;
}

/* The whole manifest fails, and this is said. */
static void assert_fails(const char *words)
{
    fixture_counts counts;
    char *said = NULL;
    const bool is_good = run_some(NULL, 1, &counts, &said);
    if (is_good || strstr(said, words) == NULL) {
        print_error("\"%s\" is not in: %s\n", words, said);
    }
    assert_false(is_good);
    assert_non_null(strstr(said, words));
    free(said);
}

static void assert_manifest_fails(const char *manifest, const char *words)
{
    write_manifest(manifest);
    assert_fails(words);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_sound(void **state)
{
    (void)state;
    fixture_counts counts;
    char *said = NULL;
    assert_true(run_some(NULL, 1, &counts, &said));
    assert_int_equal(counts.passed, 2);
    assert_true(counts.values > 0);
    assert_null(strstr(said, "FAIL"));
    free(said);
    assert_true(run_some(NULL, 2, &counts, &said));
    assert_int_equal(counts.passed, 1);
    assert_int_equal(counts.skipped, 1);
    free(said);
    assert_true(run_some("early*", 1, &counts, &said));
    assert_int_equal(counts.passed, 1);
    free(said);
}

/* Every level is compared: what is wrong is said of the last one too. */
static void test_levels(void **state)
{
    (void)state;
    char words[64];
    uint32_t last = ESPALIER_ISA_SCALAR;
    for (uint32_t level = last; level < ESPALIER_ISA_COUNT; level++) {
        last = espalier_isa_supported((espalier_isa)level) ? level : last;
    }
    (void)snprintf(words, sizeof words, "early.rows64.npy, %s: row",
                   espalier_isa_name((espalier_isa)last));
    change_item("early.margin.npy", 4);
    assert_fails("margin of early.rows64.npy, scalar: row");
    assert_fails(words);
}

static void test_changed_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long item_bytes;
        const char *words;
    } cases[] = {{"small.probability.npy", 8, "probability of small.rows32.npy"},
                 {"small.leaf.npy", 8, "leaf of small.rows64.npy"},
                 {"small.class.npy", 4, "class of small.rows64.npy"},
                 {"early.class.npy", 8, "class of early.rows64.npy"},
                 {"early.leaf_0_5.npy", 8, "leaf@0:5 of early.rows64.npy"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        change_item(cases[i].name, cases[i].item_bytes);
        assert_fails(cases[i].words);
        change_item(cases[i].name, cases[i].item_bytes);
    }
    fixture_counts counts;
    char *said = NULL;
    assert_true(run_some(NULL, 1, &counts, &said));
    free(said);
}

/* The first answers are also given to the converter, the one that the path's length chooses. */
static void test_changed_check(void **state)
{
    (void)state;
    change_item("small.class.npy", 20);
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy class=small.class.npy\t-\n",
                          "convert, checked with class: ");
}

static void test_missing_answers(void **state)
{
    (void)state;
    char path[64];
    assert_manifest_fails(COLUMNS FOREST "-\t-\n", "case 1 has no answers");
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy\t-\n", "case 1 has no answers");
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy class=\t-\n", "case 1 has no answers");
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy klass=small.class.npy\t-\n",
                          "case 1 has no answers");
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy leaf=small.leaf.npy\t-\n",
                          "no answer of predict is kept");
    assert_manifest_fails(COLUMNS FOREST "small.csv class=small.class.npy\t-\n",
                          "none that the library can read");
    write_manifest(sound);
    (void)snprintf(path, sizeof path, "%s/small.leaf.npy", folder);
    assert_int_equal(unlink(path), 0);
    assert_fails("small.leaf.npy: No such file");
}

static void test_nothing_to_run(void **state)
{
    (void)state;
    fixture_counts counts;
    char *said = NULL;
    assert_manifest_fails(COLUMNS, "nothing to run");
    assert_manifest_fails("", "names of its columns");
    assert_manifest_fails(COLUMNS "small.joblib\n", "not 7 fields");
    write_manifest(sound);
    assert_false(run_some("late*", 1, &counts, &said));
    assert_non_null(strstr(said, "nothing to run"));
    free(said);
}

static void test_not_refused(void **state)
{
    (void)state;
    assert_manifest_fails(COLUMNS FOREST "-\tlinear\n", "was left");
    assert_manifest_fails(COLUMNS FOREST "small.rows64.npy !row\t-\n", "instead of a refusal");
    /* Two probabilities are no row of four features: refused, in other words. */
    assert_manifest_fails(COLUMNS FOREST "small.probability.npy !row\t-\n", "does not say all of");
    write_manifest(COLUMNS FOREST "small.probability.npy !feature\t-\n");
    fixture_counts counts;
    char *said = NULL;
    assert_true(run_some(NULL, 1, &counts, &said));
    free(said);
    /* Rows are no model: refused, in other words. */
    assert_manifest_fails(COLUMNS "small.leaf.npy\t1\tNone\trows\t-\t-\tnonsense\n",
                          "does not say all of");
}

/* A classifier's predict gives classes; a Booster's, values. */
static void test_other_default(void **state)
{
    (void)state;
    assert_manifest_fails(COLUMNS "small.joblib\t1\tRegressor\tother\t-\tsmall.rows64.npy "
                                  "value=small.probability.npy\t-\n",
                          "default output: 3 instead of value");
}

/* Of one row of so many columns. */
static bool row_holds(espalier_output_kind kind, const double *expected, const double *found,
                      size_t column_count, bool is_linked)
{
    fixture_message message;
    uint8_t items[2 * sizeof(double)];
    memcpy(items, expected, column_count * sizeof(double));
    const npy_file file = {.kind = 'f',
                           .item_bytes = 8,
                           .dimension_count = 2,
                           .shape = {1, column_count, 1},
                           .column_count = column_count,
                           .items = items};
    const fixture_found one = {.kind = kind,
                               .dtype = ESPALIER_DTYPE_FLOAT64,
                               .row_count = 1,
                               .column_count = column_count,
                               .items = (const uint8_t *)found};
    return fixture_rule_holds(&file, &one, NULL, is_linked, &message);
}

static bool holds(espalier_output_kind kind, double expected, double found, bool is_linked)
{
    return row_holds(kind, &expected, &found, 1, is_linked);
}

/* 1 - p and p where `moved` is what is found of one of the two. */
static bool pair_holds(double p, size_t column, double moved)
{
    const double expected[2] = {1.0 - p, p};
    double found[2] = {1.0 - p, p};
    found[column] = moved;
    return row_holds(ESPALIER_OUTPUT_PROBABILITY, expected, found, 2, true);
}

static void test_rule(void **state)
{
    (void)state;
    const espalier_output_kind value = ESPALIER_OUTPUT_VALUE;
    const double one = 0x1p-30;
    assert_true(holds(value, one, one, false));
    assert_false(holds(value, one, one + 0x1p-82, false));
    assert_true(holds(value, one, one + 2 * 0x1p-82, true));
    assert_false(holds(value, one, one + 3 * 0x1p-82, true));
    /* So has a probability; all once had the units of 1, where only 1 - p has those of p. */
    assert_true(holds(ESPALIER_OUTPUT_PROBABILITY, one, one + 2 * 0x1p-82, true));
    assert_false(holds(ESPALIER_OUTPUT_PROBABILITY, one, one + 3 * 0x1p-82, true));
    assert_true(pair_holds(1.0 - one, 0, one + 0x1p-52));
    assert_false(pair_holds(1.0 - one, 0, one + 0x1p-51));
    assert_true(pair_holds(one, 1, one + 2 * 0x1p-82));
    assert_false(pair_holds(one, 1, one + 3 * 0x1p-82));
    /* Zeros are apart in bits, next to each other in steps; NaN is near nothing else, and
     * any NaN is any other. */
    assert_false(holds(value, 0.0, -0.0, false));
    assert_true(holds(value, 0.0, -0.0, true));
    assert_true(holds(value, 0x1p-1074, -0x1p-1074, true));
    assert_false(holds(value, 0x1p-1074, -0x1p-1073, true));
    assert_false(holds(value, (double)NAN, 1.0, true));
    assert_true(holds(value, (double)NAN, (double)NAN, false));
    assert_true(holds(value, (double)NAN, copysign((double)NAN, -1.0), false));
}

static void test_words(void **state)
{
    (void)state;
    fixture_message message;
    assert_true(fixture_words_match("nan|missing row", "Row 3: NaN", &message));
    assert_true(fixture_words_match("+", "anything", &message));
    assert_false(fixture_words_match("nan|missing line", "row 3: NaN", &message));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_sound),           IN_FOLDER(test_levels),
        IN_FOLDER(test_changed_numbers), IN_FOLDER(test_changed_check),
        IN_FOLDER(test_missing_answers), IN_FOLDER(test_nothing_to_run),
        IN_FOLDER(test_not_refused),     IN_FOLDER(test_other_default),
        cmocka_unit_test(test_rule),     cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
