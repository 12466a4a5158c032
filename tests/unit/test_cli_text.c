// SPDX-License-Identifier: Apache-2.0
/*
 * The command's CSV reader and text helpers. Includes the sources under test: the command is a
 * program, not a library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the four above first.
#include <cmocka.h>

#include "cli/csv.c"
#include "cli/input.c"
#include "cli/message.c"
#include "cli/text.c"

/* An input that reads this text from a pipe. */
static void open_text(espalier_input *input, const char *text, size_t bytes)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, bytes), (ssize_t)bytes);
    assert_int_equal(close(ends[1]), 0);
    *input = (espalier_input){.name = "t.csv", .descriptor = ends[0], .is_owned = true};
    input->buffer = malloc(BUFFER_BYTES);
    assert_non_null(input->buffer);
}

/* Renders all records as "field|field/..." and the failure, if any, as "!message". */
static void read_all(const char *text, size_t bytes, char *out, size_t out_bytes)
{
    espalier_input input;
    espalier_csv csv;
    espalier_message message = {""};
    size_t at = 0;
    open_text(&input, text, bytes);
    assert_true(espalier_csv_open(&csv, &input, &message));
    out[0] = '\0';
    for (;;) {
        const espalier_csv_result result = espalier_csv_next(&csv, &message);
        if (result == ESPALIER_CSV_END) {
            break;
        }
        if (result == ESPALIER_CSV_FAILED) {
            snprintf(out + at, out_bytes - at, "!%s", message.text);
            break;
        }
        for (size_t i = 0; i < csv.field_count; i++) {
            at += (size_t)snprintf(out + at, out_bytes - at, "%s%s", i > 0 ? "|" : "",
                                   espalier_csv_field(&csv, i));
        }
        at += (size_t)snprintf(out + at, out_bytes - at, "@%d/", (int)csv.line);
    }
    espalier_csv_close(&csv);
    espalier_input_close(&input);
}

static void test_records(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *records;
    } cases[] = {
        {"", ""},
        {"1,2\n", "1|2@1/"},
        {"1,2", "1|2@1/"},
        {"1,2\r\n3,4\r\n", "1|2@1/3|4@2/"},
        {"\xEF\xBB\xBF"
         "a,b\n",
         "a|b@1/"},
        {"\n\n", ""},
        {"1,2\n\n\r\n", "1|2@1/"},
        {",\n", "|@1/"},
        {"\"\"\n\"\"\n", "@1/@2/"},
        {"\"a,b\",\"c\"\"d\"\n", "a,b|c\"d@1/"},
        {"\"a\nb\",2\n3,4\n", "a\nb|2@1/3|4@3/"},
        {"\"a\"\r\n", "a@1/"},
        {"x\"y,2\n", "x\"y|2@1/"},
        {"1,2\n\n3,4\n", "1|2@1/!t.csv: line 2: empty (a missing value alone is written \"\")"},
        {"1,\"2\n", "!t.csv: line 1: a quoted field without its closing quote"},
        {"1\n\"2\"3\n", "1@1/!t.csv: line 2: text after a closing quote"},
        {"\"2\"\r3\n", "!t.csv: line 1: text after a closing quote"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char records[512];
        read_all(cases[i].text, strlen(cases[i].text), records, sizeof records);
        assert_string_equal(records, cases[i].records);
    }
    char records[512];
    read_all("1,2\n3,\0\n", 8, records, sizeof records);
    assert_string_equal(records, "1|2@1/!t.csv: line 2: a NUL byte: this is not a text file");
}

/* Fields that cross the input's buffer and many columns. */
static void test_long_record(void **state)
{
    (void)state;
    enum {
        FIELDS = 5000
    };
    char *text = test_malloc((size_t)FIELDS * 8);
    size_t bytes = 0;
    for (int i = 0; i < FIELDS; i++) {
        bytes += (size_t)sprintf(text + bytes, "%s%d", i > 0 ? "," : "", i);
    }
    espalier_input input;
    espalier_csv csv;
    espalier_message message;
    open_text(&input, text, bytes);
    assert_true(espalier_csv_open(&csv, &input, &message));
    assert_int_equal(espalier_csv_next(&csv, &message), ESPALIER_CSV_RECORD);
    assert_int_equal(csv.field_count, FIELDS);
    for (int i = 0; i < FIELDS; i++) {
        double value = -1;
        assert_true(espalier_csv_number(&csv, espalier_csv_field(&csv, (size_t)i), &value));
        assert_true(value == i);
    }
    assert_int_equal(espalier_csv_next(&csv, &message), ESPALIER_CSV_END);
    espalier_csv_close(&csv);
    espalier_input_close(&input);
    test_free(text);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1", 1},
        {"-0", -0.0},
        {"+1.5", 1.5},
        {".5", 0.5},
        {"5.", 5},
        {" 2\t", 2},
        {"1e3", 1000},
        {"1E-3", 0.001},
        {"0.1", 0.1},
        {"4.9406564584124654e-324", 0x1p-1074},
        {"2.2250738585072011e-308", 0x1.ffffffffffffep-1023},
        {"1.7976931348623157e308", 0x1.fffffffffffffp+1023},
        {"1e999", (double)INFINITY},
        {"inf", (double)INFINITY},
        {"-Infinity", -(double)INFINITY},
        {"9007199254740993", 9007199254740992.0},
        {"True", 1},
        {"TRUE", 1},
        {"true", 1},
        {"False", 0},
        {"FALSE", 0},
        {"false", 0},
        {"0.30000000000000004440892098500626161694526672363281250001", 0x1.3333333333334p-2},
    };
    static const char *const bad[] = {
        "x",    "1x",    "1 2",   "0x10",  "1e",           "1e+",
        ".",    "-",     "+",     "e5",    "nan(1)",       "infx",
        "1,5",  "1_0",   "--1",   "1..2",  "\xEF\xBC\x91", "NA",
        "None", "tRUE",  " True", "True ", "Truey",        "T",
        "yes",  "fALSE",
    };
    espalier_csv csv = {.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    double value = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(espalier_csv_number(&csv, good[i].text, &value));
        assert_memory_equal(&value, &good[i].value, sizeof value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(espalier_csv_number(&csv, bad[i], &value));
    }
    assert_true(espalier_csv_number(&csv, "", &value) && isnan(value));
    assert_true(espalier_csv_number(&csv, "  ", &value) && isnan(value));
    assert_true(espalier_csv_number(&csv, "NaN", &value) && isnan(value));
    assert_true(espalier_csv_number(&csv, "-nan", &value) && isnan(value));
    freelocale(csv.locale);
}

static void test_escaping(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *escaped;
    } cases[] = {
        {"plain (cm)", "plain (cm)"},
        {"gr\xC3\xB6\xC3\x9F"
         "e",
         "gr\xC3\xB6\xC3\x9F"
         "e"},
        {"a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f"},
        {"\xC2\x9B"
         "2J",
         "\\u009b2J"},
        {"x\xE2\x80\xAEy\xE2\x80\xAC", "x\\u202ey\\u202c"},
        {"\xE2\x81\xA6\xEF\xBB\xBF\xE2\x81\xA9", "\\u2066\\ufeff\\u2069"},
        {"\xF3\xA0\x81\x81", "\\U000e0041"},
        {"\xC0\xAF", "\\xc0\\xaf"},
        {"\xED\xA0\x80", "\\xed\\xa0\\x80"},
        {"\xE2\x82", "\\xe2\\x82"},
        {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xF0\x9F\x8C\xB3", "\xF0\x9F\x8C\xB3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *out = NULL;
        size_t out_bytes = 0;
        FILE *stream = open_memstream(&out, &out_bytes);
        assert_non_null(stream);
        espalier_print_text(stream, cases[i].text);
        assert_int_equal(fclose(stream), 0);
        assert_string_equal(out, cases[i].escaped);
        free(out);
    }
    json_t *text = espalier_json_text("a\xff\0b", 4);
    assert_non_null(text);
    assert_int_equal(json_string_length(text), 6);
    assert_memory_equal(json_string_value(text), "a\xEF\xBF\xBD\0b", 6);
    json_decref(text);
}

static void test_formats(void **state)
{
    (void)state;
    char buffer[32];
    assert_string_equal(espalier_format_count(0, buffer), "0");
    assert_string_equal(espalier_format_count(999, buffer), "999");
    assert_string_equal(espalier_format_count(1234567, buffer), "1,234,567");
    assert_string_equal(espalier_format_count(UINT64_MAX, buffer), "18,446,744,073,709,551,615");
    assert_string_equal(espalier_format_bytes(999, buffer), "999 bytes");
    assert_string_equal(espalier_format_bytes(12345, buffer), "12.3 kB");
    assert_string_equal(espalier_format_bytes(999999, buffer), "1.0 MB");
    assert_string_equal(espalier_format_bytes(UINT64_C(506000000), buffer), "506 MB");
    assert_string_equal(espalier_format_real(0.1, false, buffer), "0.1");
    assert_string_equal(espalier_format_real(0.1 + 0.2, false, buffer), "0.30000000000000004");
    assert_string_equal(espalier_format_real((double)0.1f, true, buffer), "0.1");
    assert_string_equal(espalier_format_real(0x1p-1074, false, buffer), "5e-324");
    assert_string_equal(espalier_format_real(100.0, false, buffer), "100");
    assert_string_equal(espalier_format_real(-0.0, false, buffer), "-0");
    assert_string_equal(espalier_format_real(-(double)INFINITY, false, buffer), "-inf");
    assert_string_equal(espalier_format_real((double)NAN, true, buffer), "nan");
    uint64_t bits = 1;
    for (unsigned i = 0; i < 20000; i++) {
        double value = 0;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        espalier_format_real(value, false, buffer);
        assert_true(isnan(value) || strtod(buffer, NULL) == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records), cmocka_unit_test(test_long_record),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
