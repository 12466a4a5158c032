// SPDX-License-Identifier: Apache-2.0
/*
 * Lines, assignments and words of a text in memory: line ends of both kinds and none, empty lines,
 * any bytes, offsets and numbers of lines, and no byte behind the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the four above first.
#include <cmocka.h>

#include "convert/sources/text_lines.h"

#include <stdlib.h>

/* A copy without a NUL, so that sanitizers see a read behind it. */
static char *copy_text(const char *text, size_t bytes)
{
    char *const copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    return copy;
}

static void check_slice(const espalier_text_slice *slice, const char *text, uint64_t offset,
                        uint64_t line)
{
    assert_true(espalier_text_is(slice, text));
    assert_int_equal(slice->offset, offset);
    assert_int_equal(slice->line, line);
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\r\n\r\nthr\ree\r\r\nlast\r";
    static const struct {
        const char *line;
        uint64_t offset;
        bool complete;
    } expected[] = {{"one", 0, true}, {"", 4, true},           {"two", 5, true},
                    {"", 10, true},   {"thr\ree\r", 12, true}, {"last\r", 21, false}};
    char *const copy = copy_text(text, sizeof text - 1);
    espalier_text_lines lines = {.data = copy, .bytes = sizeof text - 1};
    espalier_text_slice line;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(espalier_text_line(&lines, &line));
        check_slice(&line, expected[i].line, expected[i].offset, i + 1);
        assert_int_equal(lines.complete, expected[i].complete);
    }
    assert_false(espalier_text_line(&lines, &line));
    assert_false(espalier_text_line(&lines, &line));
    free(copy);
    espalier_text_lines none = {.data = text, .bytes = 0};
    assert_false(espalier_text_line(&none, &line));
}

static void test_assignments(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *key;
        const char *value;
    } good[] = {{"a=b", "a", "b"},
                {"a=b=c", "a", "b=c"},
                {"=", "", ""},
                {"key=", "key", ""},
                {" k = v ", " k ", " v "}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const size_t bytes = strlen(good[i].line);
        char *const copy = copy_text(good[i].line, bytes);
        const espalier_text_slice line = {copy, bytes, 100, 7};
        espalier_text_slice key;
        espalier_text_slice value;
        assert_true(espalier_text_assignment(&line, &key, &value));
        check_slice(&key, good[i].key, 100, 7);
        check_slice(&value, good[i].value, 101 + strlen(good[i].key), 7);
        free(copy);
    }
    espalier_text_slice key;
    espalier_text_slice value;
    const espalier_text_slice bare = {"word", 4, 0, 1};
    const espalier_text_slice empty = {NULL, 0, 0, 1};
    assert_false(espalier_text_assignment(&bare, &key, &value));
    assert_false(espalier_text_assignment(&empty, &key, &value));
    assert_true(espalier_text_begins(&bare, "wor") && espalier_text_begins(&bare, ""));
    assert_false(espalier_text_begins(&bare, "words") || espalier_text_is(&bare, "wor"));
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t count;
        const char *words[3];
        uint64_t offsets[3];
    } cases[] = {{"a bc d", 3, {"a", "bc", "d"}, {50, 52, 55}},
                 {"  a   bc ", 2, {"a", "bc", NULL}, {52, 56, 0}},
                 {"one", 1, {"one", NULL, NULL}, {50, 0, 0}},
                 {"a\tb c", 2, {"a\tb", "c", NULL}, {50, 54, 0}},
                 {"   ", 0, {NULL, NULL, NULL}, {0, 0, 0}},
                 {"", 0, {NULL, NULL, NULL}, {0, 0, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t bytes = strlen(cases[i].text);
        char *const copy = copy_text(cases[i].text, bytes);
        espalier_text_slice rest = {copy, bytes, 50, 3};
        espalier_text_slice word;
        assert_int_equal(espalier_text_word_count(&rest), cases[i].count);
        for (uint64_t j = 0; j < cases[i].count; j++) {
            assert_true(espalier_text_word(&rest, &word));
            check_slice(&word, cases[i].words[j], cases[i].offsets[j], 3);
        }
        assert_false(espalier_text_word(&rest, &word));
        assert_int_equal(word.bytes, 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_assignments),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
