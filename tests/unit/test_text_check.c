// SPDX-License-Identifier: Apache-2.0
/*
 * engine/text_check: what is UTF-8, at every border of its table of well-formed sequences, and what
 * is a JSON object; both cut short at every byte.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/text_check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From a copy that ends where the text ends, so that a sanitizer sees what reads on. */
static bool ask(bool (*question)(const char *text, size_t bytes), const char *text, size_t bytes)
{
    char *const copy = malloc(bytes + (bytes == 0));
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    const bool answer = question(copy, bytes);
    free(copy);
    return answer;
}

static bool is_utf8(const char *text)
{
    return ask(espalier_text_is_utf8, text, strlen(text));
}

static bool is_object(const char *text)
{
    return ask(espalier_text_is_json_object, text, strlen(text));
}

static void test_utf8_at_its_borders(void **state)
{
    (void)state;
    static const char *const right[] = {"",
                                        "a",
                                        "\x7F",
                                        "\xC2\x80",
                                        "\xDF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xE0\xBF\xBF",
                                        "\xE1\x80\x80",
                                        "\xEC\xBF\xBF",
                                        "\xED\x80\x80",
                                        "\xED\x9F\xBF",
                                        "\xEE\x80\x80",
                                        "\xEF\xBF\xBF",
                                        "\xF0\x90\x80\x80",
                                        "\xF0\xBF\xBF\xBF",
                                        "\xF1\x80\x80\x80",
                                        "\xF3\xBF\xBF\xBF",
                                        "\xF4\x80\x80\x80",
                                        "\xF4\x8F\xBF\xBF"};
    static const char *const wrong[] = {"\x80",
                                        "\xBF",
                                        "\xC0\x80",
                                        "\xC1\xBF",
                                        "\xC2",
                                        "\xC2\x7F",
                                        "\xC2\xC0",
                                        "\xDF\xC0",
                                        "\xE0\x80\x80",
                                        "\xE0\x9F\xBF",
                                        "\xE0\xA0",
                                        "\xE0\xA0\x7F",
                                        "\xE1\x80\xC0",
                                        "\xED\xA0\x80",
                                        "\xED\xBF\xBF",
                                        "\xF0\x80\x80\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF0\x90\x80",
                                        "\xF1\x80\x80\x7F",
                                        "\xF4\x90\x80\x80",
                                        "\xF4\xBF\xBF\xBF",
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "a\xFF"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(is_utf8(right[i]));
        /* Whole characters before and behind change nothing. */
        char text[16];
        (void)snprintf(text, sizeof text, "a%sz", right[i]);
        assert_true(is_utf8(text));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(is_utf8(wrong[i]));
    }
    assert_true(ask(espalier_text_is_utf8, "a\0b", 3));
    assert_false(espalier_text_is_utf8("a\xC3\xA4", 2)); /* though it goes on */
}

/* Every sequence of two bytes, against the rule for two bytes said in another way. */
static void test_utf8_of_two_bytes(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        const unsigned first = pair >> 8;
        const unsigned second = pair & 0xFF;
        const char text[2] = {(char)first, (char)second};
        const bool both_ascii = first < 128 && second < 128;
        const bool one_character = first >= 0xC2 && first <= 0xDF && second >> 6 == 2;
        assert_int_equal(espalier_text_is_utf8(text, 2), both_ascii || one_character);
    }
}

static void test_objects(void **state)
{
    (void)state;
    static const char *const right[] = {
        "{}",
        " \t\r\n{ } \n",
        "{\"a\":1}",
        "{\"a\":0,\"b\":-0,\"c\":10,\"d\":-1.5,\"e\":1e5,\"f\":1E+5,\"g\":1.25e-05,\"h\":0e0}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":[],\"b\":{},\"c\":[1,[2,{\"d\":[]}],\"x\"]}",
        "{ \"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : 3 } }",
        "{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\u0019\\uABCF\\uabcf\\u9aF0\"}",
        "{\"\xC3\xA4\":\"\xF0\x9F\x8C\xB2\"}"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(is_object(right[i]));
        /* Cut short it is none, until only the space behind it is cut. */
        const size_t bytes = (size_t)(strrchr(right[i], '}') - right[i]);
        for (size_t cut = 0; cut <= bytes; cut++) {
            assert_false(ask(espalier_text_is_json_object, right[i], cut));
            assert_false(espalier_text_is_json_object(right[i], cut)); /* though it goes on */
        }
    }
}

/* Space behind the end is not looked at. */
static void test_end_of_an_object(void **state)
{
    (void)state;
    assert_true(espalier_text_is_json_object("{} ", 2));
    assert_true(espalier_text_is_json_object(" {\"a\":1} \n", 9));
}

static void test_what_is_no_object(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", " ", "1", "[]", "\"a\"", "null", "}", "{]", "{}}", "{} x", "{},", "{,}", "{1:2}",
        "{a:1}", "{\"a\"}", "{\"a\" 1}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{:1}",
        "{\"a\":1,:2}", "{\"a\":1,2}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":[}", "{\"a\":[1}",
        "{\"a\":{]}",
        /* numbers */
        "{\"a\":01}", "{\"a\":-}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1.}", "{\"a\":1.e5}",
        "{\"a\":1e}", "{\"a\":1e+}", "{\"a\":1e-}", "{\"a\":1e+-1}", "{\"a\":0x1}", "{\"a\":NaN}",
        "{\"a\":1f}", "{\"a\":--1}",
        /* words */
        "{\"a\":tru}", "{\"a\":tRue}", "{\"a\":fals}", "{\"a\":nul}", "{\"a\":nulls}",
        /* text */
        "{\"a\":\"\x01\"}", "{\"a\":\"\x01}", "{\"a\":\"\\x}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}",
        "{\"a\":\"\\\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u123\"}", "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12G4\"}", "{\"a\":\"\\u/000\"}", "{\"a\":\"\\u:000\"}", "{\"a\":\"\\u@000\"}",
        "{\"a\":\"\\u`000\"}", "{'a':1}", "{\"a\":\"\xFF\"}", "{\"\xED\xA0\x80\":1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (is_object(wrong[i])) {
            fail_msg("taken for an object: %s", wrong[i]);
        }
    }
    /* A NUL is neither space, nor a word's end, nor escaped by anything. */
    assert_false(ask(espalier_text_is_json_object, "{}\0", 3));
    assert_false(ask(espalier_text_is_json_object, "\0{}", 3));
    assert_false(ask(espalier_text_is_json_object, "{\"\\\0\":1}", 9));
    assert_false(ask(espalier_text_is_json_object, "{\"a\":\0}", 7));
}

/* As deep as the limit and no deeper, of lists and of objects. */
static void test_depth(void **state)
{
    (void)state;
    const size_t deepest = ESPALIER_JSON_DEPTH_MAX;
    char *const text = malloc(8 * (deepest + 2));
    assert_non_null(text);
    for (size_t depth = deepest - 1; depth <= deepest + 1; depth++) {
        size_t at = 0;
        for (size_t i = 0; i + 1 < depth; i++) {
            memcpy(text + at, "{\"a\":", 5);
            at += 5;
        }
        text[at++] = '{';
        memset(text + at, '}', depth);
        at += depth;
        assert_int_equal(ask(espalier_text_is_json_object, text, at), depth <= deepest);
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', depth - 1);
        memset(text + 4 + depth, ']', depth - 1);
        text[3 + 2 * depth] = '}';
        assert_int_equal(ask(espalier_text_is_json_object, text, 4 + 2 * depth), depth <= deepest);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_at_its_borders),
        cmocka_unit_test(test_utf8_of_two_bytes),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_end_of_an_object),
        cmocka_unit_test(test_what_is_no_object),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
