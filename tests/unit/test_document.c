// SPDX-License-Identifier: Apache-2.0
/*
 * The reader of JSON and UBJSON: values, arrays of numbers, texts, and what it says of bytes that
 * are wrong, missing or too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/sources/document.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (UINT64_C(1) << 20)

#define OPEN_JSON(document, text) \
    open_bytes(document, text, sizeof(text) - 1, ESPALIER_DOCUMENT_JSON)
#define OPEN_UBJSON(document, text) \
    open_bytes(document, text, sizeof(text) - 1, ESPALIER_DOCUMENT_UBJSON)

static espalier_error error;

static void open_bytes(espalier_document *document, const char *text, size_t bytes,
                       espalier_document_format format)
{
    memset(&error, 0, sizeof error);
    assert_true(espalier_document_open(document, "test", (const uint8_t *)text, bytes, format,
                                       MEMORY_MAX, &error));
}

static void assert_float_bits(float found, float expected)
{
    uint32_t bits[2];
    memcpy(&bits[0], &found, sizeof found);
    memcpy(&bits[1], &expected, sizeof expected);
    assert_int_equal(bits[0], bits[1]);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void test_numbers_are_rounded_once(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float value;
    } cases[] = {
        {"0", 0.0F},
        {"-0", 0.0F}, /* an integer, as XGBoost reads it */
        {"-0.0", -0.0F},
        {"-0E0", -0.0F},
        {"5E-1", 0.5F},
        {"1.00000017881393432617187499", 0x1.000002p+0F}, /* by way of float64: 0x1.000004p+0 */
        {"1.00000017881393432617187501", 0x1.000004p+0F},
        {"16777217", 16777216.0F},
        {"9007199791611905", 0x1.000002p+53F}, /* half-way but for the last digit */
        {"-9223372036854775808", -0x1p+63F},
        {"92233720368547758080", 0x1.4p+66F}, /* beyond int64 */
        {"3.4028235e38", 0x1.fffffep+127F},
        {"3.5e38", INFINITY},
        {"-1e99", -INFINITY},
        {"1.4E-45", 0x1p-149F},
        {"1e-50", 0.0F},
        {"Infinity", INFINITY},
        {"-Infinity", -INFINITY},
        {"1.23456789012345678901234567890123456789012345678901234567890e2", 0x1.edd3c0p+6F},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_document document;
        float value = 7.0F;
        open_bytes(&document, cases[i].text, strlen(cases[i].text), ESPALIER_DOCUMENT_JSON);
        assert_true(espalier_document_read_float32(&document, &value));
        assert_true(espalier_document_finish(&document));
        assert_float_bits(value, cases[i].value);
        espalier_document_close(&document);
    }
    espalier_document document;
    float value = 0.0F;
    OPEN_JSON(&document, " NaN ");
    assert_true(espalier_document_read_float32(&document, &value));
    assert_true(isnan(value));
    espalier_document_close(&document);
}

static void test_ubjson_numbers(void **state)
{
    (void)state;
    static const struct {
        char bytes[10];
        size_t count;
        float value;
        bool whole;
        int64_t integer;
    } cases[] = {
        {"i\xFE", 2, -2.0F, true, -2},
        {"U\xFE", 2, 254.0F, true, 254},
        {"CA", 2, 65.0F, true, 65},
        {"I\xFF\x00", 3, -256.0F, true, -256},
        {"l\x80\x00\x00\x00", 5, -0x1p31F, true, INT32_MIN},
        {"L\x00\x00\x00\x01\x00\x00\x00\x00", 9, 0x1p32F, true, INT64_C(1) << 32},
        {"d\x3F\x80\x00\x01", 5, 0x1.000002p0F, false, 0},
        {"D\x3F\xF0\x00\x00\x30\x00\x00\x00", 9, 0x1.000004p0F, false, 0}, /* ties to even */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t bytes = 0; bytes <= cases[i].count; bytes++) {
            espalier_document document;
            float value = 0.0F;
            open_bytes(&document, cases[i].bytes, bytes, ESPALIER_DOCUMENT_UBJSON);
            assert_int_equal(espalier_document_read_float32(&document, &value),
                             bytes == cases[i].count);
            if (bytes == cases[i].count) {
                assert_float_bits(value, cases[i].value);
            } else {
                assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_TRUNCATED);
            }
            espalier_document_close(&document);
        }
        espalier_document document;
        int64_t integer = 0;
        open_bytes(&document, cases[i].bytes, cases[i].count, ESPALIER_DOCUMENT_UBJSON);
        assert_int_equal(espalier_document_read_int64(&document, &integer), cases[i].whole);
        assert_int_equal(integer, cases[i].integer);
        espalier_document_close(&document);
    }
}

/* ---- arrays --------------------------------------------------------------------------------- */

static void read_arrays(espalier_document *document)
{
    espalier_document_array reals = {0};
    espalier_document_array integers = {0};
    espalier_document_array flags = {0};
    assert_true(espalier_document_enter_array(document));
    assert_true(espalier_document_item(document));
    assert_true(espalier_document_read_float32s(document, &reals));
    assert_int_equal(reals.count, 3);
    assert_float_bits(((const float *)reals.items)[0], 0.5F);
    assert_float_bits(((const float *)reals.items)[1], -2.0F);
    assert_float_bits(((const float *)reals.items)[2], 1.0F);
    assert_true(espalier_document_item(document));
    assert_true(espalier_document_read_int32s(document, &integers));
    assert_int_equal(integers.count, 2);
    assert_int_equal(((const int32_t *)integers.items)[0], -1);
    assert_int_equal(((const int32_t *)integers.items)[1], INT32_MAX);
    assert_true(espalier_document_item(document));
    assert_true(espalier_document_read_flags(document, &flags));
    assert_int_equal(flags.count, 2);
    assert_int_equal(((const uint8_t *)flags.items)[0], 1);
    assert_int_equal(((const uint8_t *)flags.items)[1], 0);
    assert_true(espalier_document_item(document));
    assert_true(espalier_document_read_float32s(document, &reals));
    assert_int_equal(reals.count, 0);
    assert_false(espalier_document_item(document));
    assert_true(espalier_document_finish(document));
    assert_int_equal(document->at, document->bytes);
    espalier_document_array_free(&reals);
    espalier_document_array_free(&integers);
    espalier_document_array_free(&flags);
    espalier_document_close(document);
}

static void test_arrays_of_numbers(void **state)
{
    (void)state;
    espalier_document document;
    OPEN_JSON(&document, "[[5E-1,-2,1.0],[-1,2147483647],[true,0],[]]\n");
    read_arrays(&document);
    OPEN_JSON(&document,
              " [ [ 0.5 , -2e0 ,\t1 ] , [ -1 , 2147483647 ] ,\r\n [ 1 , false ] , [ ] ]");
    read_arrays(&document);
    /* Typed, counted, open, typed and empty. */
    OPEN_UBJSON(&document, "[#i\x04"
                           "[$d#i\x03\x3F\x00\x00\x00\xC0\x00\x00\x00\x3F\x80\x00\x00"
                           "[#L\x00\x00\x00\x00\x00\x00\x00\x02i\xFFl\x7F\xFF\xFF\xFF"
                           "[TU\x00]"
                           "[$d#i\x00");
    read_arrays(&document);
    OPEN_UBJSON(&document, "[[d\x3F\x00\x00\x00i\xFE"
                           "D\x3F\xF0\x00\x00\x00\x00\x00\x00]"
                           "[$l#U\x02\xFF\xFF\xFF\xFF\x7F\xFF\xFF\xFF"
                           "[$i#I\x00\x02\x01\x00"
                           "[]]");
    read_arrays(&document);
}

static void test_numbers_out_of_range(void **state)
{
    (void)state;
    espalier_document document;
    espalier_document_array array = {0};
    OPEN_JSON(&document, "{\"a\":[1,2147483648]}");
    espalier_document_text key;
    assert_true(espalier_document_enter_object(&document));
    assert_true(espalier_document_member(&document, &key));
    assert_false(espalier_document_read_int32s(&document, &array));
    assert_string_equal(error.message, "test: a[1]: 2147483648 is beyond 32 bits");
    assert_int_equal(error.file_offset, 8);
    espalier_document_close(&document);
    OPEN_UBJSON(&document, "[$L#i\x02\x00\x00\x00\x00\x00\x00\x00\x07"
                           "\xFF\xFF\xFF\xFF\x00\x00\x00\x00");
    assert_false(espalier_document_read_int32s(&document, &array));
    assert_string_equal(error.message, "test: [1]: -4294967296 is beyond 32 bits");
    assert_int_equal(error.file_offset, 14);
    espalier_document_close(&document);
    OPEN_JSON(&document, "[0,1,2]");
    assert_false(espalier_document_read_flags(&document, &array));
    assert_string_equal(error.message, "test: [2]: 2 is neither 0 nor 1");
    espalier_document_close(&document);
    OPEN_JSON(&document, "[0,1.0]");
    assert_false(espalier_document_read_int32s(&document, &array));
    assert_string_equal(error.message, "test: [1]: no whole number");
    espalier_document_close(&document);
    OPEN_JSON(&document, "[0,true]");
    assert_false(espalier_document_read_int32s(&document, &array));
    assert_string_equal(error.message, "test: [1]: true or false where a number belongs");
    espalier_document_close(&document);
    espalier_document_array_free(&array);
}

/* 300,000 numbers of 4 bytes do not fit into 1 MiB, whichever grammar says so. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    enum {
        COUNT = 300000
    };
    char *const text = malloc(2 * COUNT + 16);
    assert_non_null(text);
    memset(text, 0, 2 * COUNT + 16);
    for (size_t i = 0; i < COUNT; i++) {
        text[1 + 2 * i] = '7';
        text[2 + 2 * i] = ',';
    }
    text[0] = '[';
    text[2 * COUNT] = ']';
    espalier_document document;
    espalier_document_array array = {0};
    open_bytes(&document, text, 2 * COUNT + 1, ESPALIER_DOCUMENT_JSON);
    assert_false(espalier_document_read_float32s(&document, &array));
    assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_LIMIT);
    espalier_document_close(&document);
    espalier_document_array_free(&array);
    memcpy(text, "[$i#l\x00\x04\x93\xE0", 9);
    open_bytes(&document, text, COUNT + 9, ESPALIER_DOCUMENT_UBJSON);
    assert_false(espalier_document_read_float32s(&document, &array));
    assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_LIMIT);
    espalier_document_close(&document);
    espalier_document_array_free(&array);
    /* Skipping takes none. */
    open_bytes(&document, text, COUNT + 9, ESPALIER_DOCUMENT_UBJSON);
    assert_true(espalier_document_skip(&document));
    assert_int_equal(document.at, COUNT + 9);
    espalier_document_close(&document);
    free(text);
}

/* ---- texts ---------------------------------------------------------------------------------- */

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *value; /* NULL: refused */
    } cases[] = {
        {"\"\"", ""},
        {"\"plain \xC3\xA9\"", "plain \xC3\xA9"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "aA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"tab\there\"", "tab\there"}, /* XGBoost up to 1.2 writes it so */
        {"\"\\ud83d\"", NULL},
        {"\"\\ud83dx\\ude00\"", NULL},
        {"\"\\ude00\"", NULL},
        {"\"\\ud83d\\ud83d\"", NULL},
        {"\"\\u0000\"", NULL},
        {"\"\xFF\"", NULL},
        {"\"\xC0\x80\"", NULL},
        {"\"\xED\xA0\x80\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_document document;
        espalier_document_text text;
        open_bytes(&document, cases[i].json, strlen(cases[i].json), ESPALIER_DOCUMENT_JSON);
        assert_true(espalier_document_read_text(&document, &text));
        char *const copy = espalier_document_copy_text(&document, &text, NULL);
        if (cases[i].value == NULL) {
            assert_null(copy);
            assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_SYNTAX);
        } else {
            assert_string_equal(copy, cases[i].value);
        }
        free(copy);
        espalier_document_close(&document);
    }
}

static void test_comparing_texts(void **state)
{
    (void)state;
    const espalier_document_text escaped = {"le\\u0061rner\\n", 14, true};
    const espalier_document_text plain = {"le\\n", 4, false};
    assert_true(espalier_document_text_is(&escaped, "learner\n"));
    assert_false(espalier_document_text_is(&escaped, "learner"));
    assert_false(espalier_document_text_is(&escaped, "learner\nx"));
    assert_false(espalier_document_text_is(&escaped, ""));
    assert_true(espalier_document_text_is(&plain, "le\\n"));
    assert_false(espalier_document_text_is(&plain, "le\n"));
}

/* ---- wrong bytes ---------------------------------------------------------------------------- */

static void test_json_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t offset;
        const char *message;
    } cases[] = {
        {"{\"a\":1,}", 7, "test: a: '}' where a text belongs"},
        {"{\"a\" 1}", 5, "test: '1' where ':' belongs"},
        {"{\"a\":1 \"b\":2}", 7, "test: a: '\"' where ',' or '}' belongs"},
        {"{a:1}", 1, "test: 'a' where a text belongs"},
        {"{\"a\":[1,]}", 8, "test: a[1]: ']' where a value belongs"},
        {"{\"a\":[1 2]}", 8, "test: a[0]: '2' where ',' or ']' belongs"},
        {"[,]", 1, "test: [0]: ',' where a value belongs"},
        {"[01,x]", 4, "test: [1]: 'x' where a value belongs"},
        {"[-]", 2, "test: [0]: ']' where a digit belongs"},
        {"[1.]", 3, "test: [0]: ']' where a digit belongs"},
        {"[1e+]", 4, "test: [0]: ']' where a digit belongs"},
        {"[+1]", 1, "test: [0]: '+' where a value belongs"},
        {"[.5]", 1, "test: [0]: '.' where a value belongs"},
        {"[Nan]", 3, "test: [0]: 'n' where NaN belongs"},
        {"[-NaN]", 2, "test: [0]: 'N' where a digit belongs"},
        {"[Infinite]", 8, "test: [0]: 'e' where Infinity belongs"},
        {"[trve]", 3, "test: [0]: 'v' where true belongs"},
        {"[nul]", 4, "test: [0]: ']' where null belongs"},
        {"[\"a\nb\"]", 3, "test: [0]: byte 0x0a where the rest of a text belongs"},
        {"[\"\\x41\"]", 3, "test: [0]: 'x' where an escape belongs"},
        {"[\"\\u12g4\"]", 6, "test: [0]: 'g' where a hexadecimal digit belongs"},
        {"[{\"k\":[0,{\"deep\":]}]}]", 17, "test: [0].k[1].deep: ']' where a value belongs"},
        {"\xFF", 0, "test: byte 0xff where a value belongs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_document document;
        open_bytes(&document, cases[i].text, strlen(cases[i].text), ESPALIER_DOCUMENT_JSON);
        assert_false(espalier_document_skip(&document));
        assert_int_equal(document.status, ESPALIER_ERROR_SOURCE_SYNTAX);
        assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_SYNTAX);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.file_offset, cases[i].offset);
        espalier_document_close(&document);
    }
}

#define UBJSON_CASE(bytes, offset, status, message)                                        \
    {                                                                                      \
        bytes, sizeof(bytes) - 1, offset, ESPALIER_ERROR_SOURCE_##status, "test: " message \
    }

static void test_ubjson_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        uint64_t offset;
        espalier_status status;
        const char *message;
    } cases[] = {
        UBJSON_CASE("N", 0, SYNTAX, "byte 0x4e where a value belongs"),
        UBJSON_CASE("Hi\x01"
                    "1",
                    0, SYNTAX, "byte 0x48 where a value belongs"),
        UBJSON_CASE("[#i\xFF", 2, SYNTAX, "a negative length"),
        UBJSON_CASE("[#d\x00\x00\x00\x00", 2, SYNTAX, "byte 0x64 where a length belongs"),
        UBJSON_CASE("[#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFi", 12, TRUNCATED,
                    "the file ends too early"),
        UBJSON_CASE("[$d#L\x10\x00\x00\x00\x00\x00\x00\x00i\x00\x00\x00", 17, TRUNCATED,
                    "the file ends too early"),
        UBJSON_CASE("[$Z#L\x10\x00\x00\x00\x00\x00\x00\x00", 1, SYNTAX,
                    "byte 0x5a where the type of an array of numbers belongs"),
        UBJSON_CASE("[$[#i\x01", 1, SYNTAX,
                    "byte 0x5b where the type of an array of numbers belongs"),
        UBJSON_CASE("[$ix\x01", 3, SYNTAX, "byte 0x78 where the length of a typed array belongs"),
        UBJSON_CASE("{#i\x00", 1, SYNTAX, "byte 0x23 where a member belongs"),
        UBJSON_CASE("{S\x01"
                    "a",
                    1, SYNTAX, "byte 0x53 where a length belongs"),
        UBJSON_CASE("{i\x01"
                    "a]",
                    4, SYNTAX, "a: byte 0x5d where a value belongs"),
        UBJSON_CASE("Si\x05"
                    "abc",
                    6, TRUNCATED, "the file ends too early"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_document document;
        open_bytes(&document, cases[i].bytes, cases[i].count, ESPALIER_DOCUMENT_UBJSON);
        assert_false(espalier_document_skip(&document));
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.file_offset, cases[i].offset);
        espalier_document_close(&document);
    }
}

static const char whole_json[] =
    "{\"a\":[1,-2.5e3,NaN,[],{}],\"b\\n\":{\"c\":\"x\\u00e9\",\"d\":null},\"e\":[true,false]}";
static const char whole_ubjson[] = "{i\x01"
                                   "a[i\x01"
                                   "d\x3F\x80\x00\x00"
                                   "[$U#i\x02\x01\x02"
                                   "{}]i\x01"
                                   "b{U\x01"
                                   "cSi\x02xyI\x00\x01"
                                   "dZ}L\x00\x00\x00\x00\x00\x00\x00\x01"
                                   "e[#i\x02TF}";

/* Every beginning is too short, and says so; the whole is not. */
static void check_truncations(const char *text, size_t bytes, espalier_document_format format)
{
    for (size_t i = 0; i <= bytes; i++) {
        char *const part = malloc(i + 1); /* its end is where a sanitizer watches */
        assert_non_null(part);
        memcpy(part, text, i);
        char *const exact = realloc(part, i > 0 ? i : 1);
        assert_non_null(exact);
        espalier_document document;
        open_bytes(&document, exact, i, format);
        assert_int_equal(espalier_document_skip(&document), i == bytes);
        assert_int_equal(document.status,
                         i == bytes ? ESPALIER_OK : ESPALIER_ERROR_SOURCE_TRUNCATED);
        espalier_document_close(&document);
        free(exact);
    }
}

static void check_changes(const char *text, size_t bytes, espalier_document_format format)
{
    char *const changed = malloc(bytes);
    assert_non_null(changed);
    memcpy(changed, text, bytes);
    size_t refused = 0;
    for (size_t i = 0; i < bytes; i++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            espalier_document document;
            changed[i] = (char)byte;
            open_bytes(&document, changed, bytes, format);
            if (!espalier_document_skip(&document)) {
                refused++;
                assert_int_equal(document.status, error.status);
                assert_memory_equal(error.message, "test: ", 6);
                assert_true(error.file_offset <= bytes);
            }
            espalier_document_close(&document);
        }
        changed[i] = text[i];
    }
    assert_true(refused > bytes * 64);
    free(changed);
}

static void test_every_truncation_and_change(void **state)
{
    (void)state;
    check_truncations(whole_json, sizeof whole_json - 1, ESPALIER_DOCUMENT_JSON);
    check_truncations(whole_ubjson, sizeof whole_ubjson - 1, ESPALIER_DOCUMENT_UBJSON);
    check_changes(whole_json, sizeof whole_json - 1, ESPALIER_DOCUMENT_JSON);
    check_changes(whole_ubjson, sizeof whole_ubjson - 1, ESPALIER_DOCUMENT_UBJSON);
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    enum {
        MANY = 1000000
    };
    char *const text = malloc(MANY);
    assert_non_null(text);
    memset(text, '[', MANY);
    espalier_document document;
    for (uint32_t format = 0; format < 2; format++) {
        open_bytes(&document, text, MANY, (espalier_document_format)format);
        assert_false(espalier_document_skip(&document));
        assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_LIMIT);
        assert_int_equal(error.file_offset, ESPALIER_DOCUMENT_DEPTH_MAX);
        espalier_document_close(&document);
    }
    memset(text + ESPALIER_DOCUMENT_DEPTH_MAX, ']', ESPALIER_DOCUMENT_DEPTH_MAX);
    open_bytes(&document, text, (size_t)2 * ESPALIER_DOCUMENT_DEPTH_MAX, ESPALIER_DOCUMENT_JSON);
    assert_true(espalier_document_skip(&document));
    espalier_document_close(&document);
    free(text);
}

/* After a failure nothing moves and the first message stays. */
static void test_failure_is_kept(void **state)
{
    (void)state;
    espalier_document document;
    espalier_document_text key;
    espalier_document_array array = {0};
    int64_t integer = 5;
    float real = 5.0F;
    OPEN_JSON(&document, "{\"a\":true,\"b\":1}");
    assert_true(espalier_document_enter_object(&document));
    assert_true(espalier_document_member(&document, &key));
    assert_false(espalier_document_read_int64(&document, &integer));
    const size_t at = document.at;
    assert_false(espalier_document_member(&document, &key));
    assert_false(espalier_document_item(&document));
    assert_false(espalier_document_skip(&document));
    assert_false(espalier_document_enter_array(&document));
    assert_false(espalier_document_read_float32(&document, &real));
    assert_false(espalier_document_read_float32s(&document, &array));
    assert_false(espalier_document_finish(&document));
    assert_int_equal(espalier_document_peek(&document), ESPALIER_DOCUMENT_FAILED);
    assert_int_equal(document.at, at);
    assert_int_equal(integer, 5);
    assert_float_bits(real, 5.0F);
    assert_string_equal(error.message, "test: a: true or false where a number belongs");
    espalier_document_close(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_rounded_once),
        cmocka_unit_test(test_ubjson_numbers),
        cmocka_unit_test(test_arrays_of_numbers),
        cmocka_unit_test(test_numbers_out_of_range),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_comparing_texts),
        cmocka_unit_test(test_json_that_is_wrong),
        cmocka_unit_test(test_ubjson_that_is_wrong),
        cmocka_unit_test(test_every_truncation_and_change),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_failure_is_kept),
    };
    return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
