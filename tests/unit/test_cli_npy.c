// SPDX-License-Identifier: Apache-2.0
/*
 * The command's .npy headers and conversions, against bytes as NumPy writes them. Includes the
 * sources under test: the command is a program, not a library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the four above first.
#include <cmocka.h>

#include "cli/message.c"
#include "cli/npy.c"
#include "cli/text.c"

/* Parses a header of the given version with this dict text. */
static bool parse_text(unsigned version, const char *text, espalier_npy *npy,
                       espalier_message *message)
{
    unsigned char bytes[1024] = ESPALIER_NPY_MAGIC;
    const size_t text_bytes = strlen(text);
    const size_t prefix = version == 1 ? 10 : 12;
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)(text_bytes & 255u);
    bytes[9] = (unsigned char)(text_bytes >> 8);
    memcpy(bytes + prefix, text, text_bytes);
    return espalier_npy_parse(bytes, prefix + text_bytes, npy, message);
}

static void test_good_headers(void **state)
{
    (void)state;
    static const struct {
        unsigned version;
        const char *text;
        char kind;
        uint32_t item_bytes;
        bool is_fortran, is_swapped;
        uint32_t dimension_count;
        uint64_t rows, columns;
    } good[] = {
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (10, 3), }\n", 'f', 8, false, false,
         2, 10, 3},
        {2, "{'descr': '>f4', 'fortran_order': True, 'shape': (10, 3), }   \n", 'f', 4, true, true,
         2, 10, 3},
        {3, "{'descr': '<f2', 'fortran_order': False, 'shape': (7,), }\n", 'f', 2, false, false, 1,
         7, 1},
        {1, "{'shape': (3L, 4L), 'fortran_order': False, 'descr': '|b1'}", 'b', 1, false, false, 2,
         3, 4},
        {1, "{\"descr\":\">u2\",\"fortran_order\":False,\"shape\":(0,5)}", 'u', 2, false, true, 2,
         0, 5},
        {1, "{'descr': '<U10', 'fortran_order': False, 'shape': (2,), }\n", 'U', 40, false, false,
         1, 2, 1},
        {1, "{'descr': '|i1', 'fortran_order': False, 'shape': (), }\n", 'i', 1, false, false, 0, 1,
         1},
        {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (4, 5, 3), }\n", 'i', 8, false,
         false, 3, 4, 15},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        espalier_npy npy;
        espalier_message message = {""};
        const bool ok = parse_text(good[i].version, good[i].text, &npy, &message);
        assert_string_equal(message.text, "");
        assert_true(ok);
        assert_int_equal(npy.kind, good[i].kind);
        assert_int_equal(npy.item_bytes, good[i].item_bytes);
        assert_int_equal(npy.is_fortran, good[i].is_fortran);
        assert_int_equal(npy.is_swapped, good[i].is_swapped);
        assert_int_equal(npy.dimension_count, good[i].dimension_count);
        assert_int_equal(npy.shape[0], good[i].rows);
        assert_int_equal(npy.shape[1], good[i].columns);
        assert_int_equal(npy.data_bytes,
                         good[i].rows * good[i].columns * (uint64_t)good[i].item_bytes);
    }
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *word;
    } bad[] = {
        {"", "not a Python dict"},
        {"{", "not a Python dict"},
        {"{}", "lacks"},
        {"{'descr': '<f8', 'fortran_order': False}", "lacks"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,2)} x", "not a Python dict"},
        {"{'descr': '<f8', 'descr': '<f8', 'shape': (1,2)}", "repeated"},
        {"{'descr': '<f8', 'evil': 1, 'shape': (1,2)}", "unknown"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,2)}", "Python objects"},
        {"{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", "structured"},
        {"{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}", "complex"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "'<f16'"},
        {"{'descr': '|S5', 'fortran_order': False, 'shape': (1,)}", "byte strings"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", "'<M8[ns]'"},
        {"{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", "'|V8'"},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "dtype ''"},
        {"{'descr': '<U0', 'fortran_order': False, 'shape': (1,)}", "'<U0'"},
        {"{'descr': '<U9999999999', 'fortran_order': False, 'shape': (1,)}", "not supported"},
        {"{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", "fortran_order"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1)}", "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,2)}", "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,2}", "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296,4294967296)}", "too large"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        espalier_npy npy;
        espalier_message message = {""};
        assert_false(parse_text(1, bad[i].text, &npy, &message));
        if (strstr(message.text, bad[i].word) == NULL) {
            print_error("%s\n  gives: %s\n", bad[i].text, message.text);
        }
        assert_non_null(strstr(message.text, bad[i].word));
    }
}

/* Every way to cut a header must be an error, and read nothing behind the cut. */
static void test_cut_headers(void **state)
{
    (void)state;
    unsigned char header[ESPALIER_NPY_WRITE_BYTES_MAX];
    const size_t bytes = espalier_npy_write_header(header, "<f8", 10, 3, 0);
    for (size_t cut = 0; cut < bytes; cut++) {
        espalier_npy npy;
        espalier_message message;
        unsigned char *copy = test_malloc(cut > 0 ? cut : 1);
        memcpy(copy, header, cut);
        assert_false(espalier_npy_parse(copy, cut, &npy, &message));
        test_free(copy);
    }
}

static void test_prefix(void **state)
{
    (void)state;
    espalier_message message;
    const unsigned char newer[12] = "\x93NUMPY\x04\x00\x76\x00";
    const unsigned char huge[12] = "\x93NUMPY\x02\x00\xff\xff\xff\xff";
    const unsigned char text[12] = "1.0,2.0,3.0";
    assert_int_equal(espalier_npy_header_bytes(newer, &message), 0);
    assert_non_null(strstr(message.text, "4.0"));
    assert_int_equal(espalier_npy_header_bytes(huge, &message), 0);
    assert_non_null(strstr(message.text, "4294967295"));
    assert_int_equal(espalier_npy_header_bytes(text, &message), 0);
}

/* The bytes of np.save for these shapes and dtypes, NumPy 1.21 to 2.5. */
static void test_written_headers(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        uint64_t rows, columns, depth;
        const char *text;
    } cases[] = {
        {"<f8", 10, 3, 0, "{'descr': '<f8', 'fortran_order': False, 'shape': (10, 3), }"},
        {"<f8", 10, 0, 0, "{'descr': '<f8', 'fortran_order': False, 'shape': (10,), }"},
        {"<i8", 123456, 200, 0,
         "{'descr': '<i8', 'fortran_order': False, 'shape': (123456, 200), }"},
        {"<U10", 3, 0, 0, "{'descr': '<U10', 'fortran_order': False, 'shape': (3,), }"},
        {"|b1", 0, 2, 0, "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 2), }"},
        {"<i8", 7, 30, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (7, 30, 1), }"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char header[ESPALIER_NPY_WRITE_BYTES_MAX];
        char expected[128];
        memset(expected, ' ', sizeof expected);
        memcpy(expected, "\x93NUMPY\x01\x00\x76\x00", 10);
        memcpy(expected + 10, cases[i].text, strlen(cases[i].text));
        expected[127] = '\n';
        const size_t bytes = espalier_npy_write_header(header, cases[i].descr, cases[i].rows,
                                                       cases[i].columns, cases[i].depth);
        assert_int_equal(bytes, sizeof expected);
        assert_memory_equal(header, expected, sizeof expected);
        assert_int_equal(espalier_npy_write_header(header, cases[i].descr, UINT64_MAX,
                                                   cases[i].columns, cases[i].depth),
                         bytes);
    }
}

static void test_halves(void **state)
{
    (void)state;
    assert_true(espalier_npy_half(0x0000) == 0.0);
    assert_true(signbit(espalier_npy_half(0x8000)) != 0);
    assert_true(espalier_npy_half(0x0001) == 0x1p-24);
    assert_true(espalier_npy_half(0x03ff) == 0x1.ff8p-15);
    assert_true(espalier_npy_half(0x0400) == 0x1p-14);
    assert_true(espalier_npy_half(0x3c00) == 1.0);
    assert_true(espalier_npy_half(0xc000) == -2.0);
    assert_true(espalier_npy_half(0x7bff) == 65504.0);
    assert_true(espalier_npy_half(0x7c00) == (double)INFINITY);
    assert_true(espalier_npy_half(0xfc00) == -(double)INFINITY);
    assert_true(isnan(espalier_npy_half(0x7e00)));
    /* Finite values grow with their bits. */
    for (uint16_t bits = 1; bits < 0x7c00; bits++) {
        assert_true(espalier_npy_half(bits) > espalier_npy_half((uint16_t)(bits - 1)));
    }
}

static double convert_one(char kind, uint32_t item_bytes, const void *item)
{
    const espalier_npy npy = {.kind = kind, .item_bytes = item_bytes};
    double value = 0;
    espalier_npy_to_float64(&npy, item, 1, &value);
    return value;
}

/* Integers through float64 to float32 must be what a direct cast to float32 gives. */
static void test_wide_integers(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    const int64_t tie = (INT64_C(1) << 60) + (INT64_C(1) << 36) + 1;
    assert_true((float)convert_one('i', 8, &tie) == (float)tie);
    assert_true((float)(double)tie != (float)tie); // why rounding to nearest would not do
    for (unsigned i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const unsigned shift = i % 64;
        /* Close to ties of float32 too. */
        const uint64_t item = (random >> shift & ~(UINT64_C(0xffff) << 20)) + i % 3;
        const int64_t signed_item = (int64_t)item;
        assert_true((float)convert_one('u', 8, &item) == (float)item);
        assert_true((float)convert_one('i', 8, &signed_item) == (float)signed_item);
    }
    const int64_t least = INT64_MIN;
    const uint64_t most = UINT64_MAX;
    const int64_t exact = -(INT64_C(1) << 53);
    assert_true(convert_one('i', 8, &least) == -0x1p63);
    assert_true((float)convert_one('u', 8, &most) == 0x1p64f);
    assert_true(convert_one('i', 8, &exact) == -0x1p53);
}

static void test_conversions(void **state)
{
    (void)state;
    const int8_t narrow = -7;
    const uint16_t wide = 65535;
    const int32_t integer = INT32_MIN;
    const uint8_t truth = 2;
    const float single = 0.1f;
    assert_true(convert_one('i', 1, &narrow) == -7.0);
    assert_true(convert_one('u', 2, &wide) == 65535.0);
    assert_true(convert_one('i', 4, &integer) == -0x1p31);
    assert_true(convert_one('b', 1, &truth) == 1.0);
    assert_true(convert_one('f', 4, &single) == (double)0.1f);

    unsigned char items[] = {0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0};
    const espalier_npy big = {.kind = 'f', .item_bytes = 8, .is_swapped = true};
    double values[2];
    espalier_npy_swap(&big, items, 2);
    espalier_npy_to_float64(&big, items, 2, values);
    assert_true(values[0] == 1.0 && values[1] == -2.0);
    unsigned char text[] = {0, 0, 0, 'a', 0, 0, 0, 'b'};
    const espalier_npy big_text = {.kind = 'U', .item_bytes = 8, .is_swapped = true};
    espalier_npy_swap(&big_text, text, 1);
    assert_memory_equal(text, "a\0\0\0b\0\0", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_headers),    cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_cut_headers),     cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_written_headers), cmocka_unit_test(test_halves),
        cmocka_unit_test(test_wide_integers),   cmocka_unit_test(test_conversions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
