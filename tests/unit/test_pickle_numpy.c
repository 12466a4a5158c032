// SPDX-License-Identifier: Apache-2.0
/*
 * NumPy in pickles: dtypes, arrays in every storage, scalars, element access, and the lies that
 * shapes, fields and lengths can tell.
 */
#include "tests/unit/test_pickle.h"

#include <math.h>
#include <stdio.h>

/* A dtype as NumPy writes it: code, byte order, item size and alignment as opcodes. */
#define DTYPE(code, order, size) \
    "cnumpy\ndtype\n" code "\x89\x88\x87R(K\x03\x8c\x01" order "NNN" size size "K\x00tb"
#define PLAIN "J\xff\xff\xff\xff"
#define F8           \
    DTYPE("\x8c\x02" \
          "f8",      \
          "<", PLAIN)
#define I8   DTYPE("\x8c\x02i8", "<", PLAIN)
#define I2BE DTYPE("\x8c\x02i2", ">", PLAIN)
#define U1   DTYPE("\x8c\x02u1", "|", PLAIN)
#define OBJ  DTYPE("\x8c\x02O8", "|", PLAIN)
#define U2CH DTYPE("\x8c\x02U2", "<", "K\x08")
#define S3   DTYPE("\x8c\x02S3", "|", "K\x03")

#define NEW_ARRAY                                                      \
    "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" \
    "C\x01"                                                            \
    "b\x87R"
/* BUILD with (1, shape, dtype, is_fortran, data). */
#define ARRAY(shape, dtype, fortran, data) NEW_ARRAY "(K\x01" shape dtype fortran data "tb"
#define FROMBUFFER(data, dtype, shape, order) \
    "cnumpy._core.numeric\n_frombuffer\n(" data dtype shape order "tR"
#define WRAPPER(shape, order, dtype, more)                             \
    "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(\x8c\x08subclass" \
    "cnumpy\nndarray\n"                                                \
    "\x8c\x05shape" shape "\x8c\x05order\x8c\x01" order "\x8c\x05"     \
    "dtype" dtype "\x8c\x0a"                                           \
    "allow_mmap\x88" more "ub"

static const espalier_pickle_array *array_of(const parsed *result)
{
    const espalier_pickle_value *const root = root_of(result);
    const espalier_pickle_array *const array = espalier_pickle_get_array(root);
    if (array == NULL) {
        fail_msg("no array but a %s", espalier_pickle_kind_name(espalier_pickle_kind_of(root)));
    }
    return array;
}

/* Elements 1, 2, 3, ... in C order. */
static void expect_counting(const char *data, size_t bytes, uint32_t dims, uint64_t count,
                            espalier_pickle_order order)
{
    parsed result = parse_bytes(data, bytes, NULL);
    const espalier_pickle_array *const array = array_of(&result);
    assert_int_equal(array->form->dim_count, dims);
    assert_int_equal(array->form->element_count, count);
    assert_int_equal(array->form->order, order);
    for (uint64_t i = 0; i < count; i++) {
        int64_t number = 0;
        uint64_t natural = 0;
        double real = 0;
        assert_true(espalier_pickle_array_int64(array, i, &number));
        assert_true(espalier_pickle_array_uint64(array, i, &natural));
        assert_true(espalier_pickle_array_double(array, i, &real));
        assert_int_equal(number, i + 1);
        assert_int_equal(natural, i + 1);
        assert_true(real == (double)(i + 1));
    }
    double real = 0;
    assert_false(espalier_pickle_array_double(array, count, &real));
    if (array->items == NULL) {
        espalier_pickle_view view;
        int64_t numbers[16] = {0};
        double reals[16] = {0};
        assert_true(count < 16);
        assert_true(espalier_pickle_view_array(array, &view));
        assert_true(espalier_pickle_view_doubles(&view, 0, count, reals));
        for (uint64_t i = 0; i < count; i++) {
            assert_true(reals[i] == (double)(i + 1));
        }
        if (count > 0) {
            assert_true(espalier_pickle_view_int64s(&view, count / 2, count - count / 2, numbers));
            assert_int_equal(numbers[0], count / 2 + 1);
        }
        assert_false(espalier_pickle_view_doubles(&view, 1, count, reals));
        assert_false(espalier_pickle_view_doubles(&view, count + 1, 0, reals));
        assert_true(espalier_pickle_view_doubles(&view, count, 0, reals));
    }
    free_parsed(&result);
}

#define COUNTING(literal, dims, count, order) \
    expect_counting(literal, sizeof(literal) - 1, dims, count, order)

#define BYTES6  "C\x06\x01\x02\x03\x04\x05\x06"
#define SHAPE23 "K\x02K\x03\x86"

static void test_array_storages(void **state)
{
    (void)state;
    const espalier_pickle_order c = ESPALIER_PICKLE_ORDER_C;
    const espalier_pickle_order f = ESPALIER_PICKLE_ORDER_F;
    COUNTING("\x80\x03" ARRAY(SHAPE23, U1, "\x89", BYTES6) ".", 2, 6, c);
    COUNTING("\x80\x03" ARRAY(SHAPE23, U1, "\x88", "C\x06\x01\x04\x02\x05\x03\x06") ".", 2, 6, f);
    COUNTING("\x80\x03" ARRAY("K\x06\x85", U1, "I01\n", BYTES6) ".", 1, 6, c);
    COUNTING("\x80\x03" ARRAY(")", U1, "\x89", "C\x01\x01") ".", 0, 1, c);
    COUNTING("\x80\x03" ARRAY("K\x00\x85", U1, "\x89", "C\x00") ".", 1, 0, c);
    COUNTING("\x80\x03" ARRAY("K\x00K\x05\x86", U1, "\x88", "C\x00") ".", 2, 0, c);
    COUNTING("\x80\x03" ARRAY("K\x02\x85", I2BE, "\x89", "C\x04\x00\x01\x00\x02") ".", 1, 2, c);
    /* Four parts, without a version. */
    COUNTING("\x80\x03" NEW_ARRAY "(" SHAPE23 U1 "\x89" BYTES6 "tb.", 2, 6, c);
    /* Data as a Python 2 str, and as text behind a codec. */
    COUNTING("\x80\x02" ARRAY("K\x03\x85", U1, "K\x00", "U\x03\x01\x02\x03") ".", 1, 3, c);
    COUNTING(
        "\x80\x02" ARRAY("K\x03\x85", U1, "\x89",
                         "c_codecs\nencode\nX\x03\x00\x00\x00\x01\x02\x03\x8c\x06latin1\x86R") ".",
        1, 3, c);
    /* Protocol 5. */
    COUNTING("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23,
                                   "\x8c\x01"
                                   "C") ".",
             2, 6, c);
    COUNTING("\x80\x05" FROMBUFFER("\x96\x06\x00\x00\x00\x00\x00\x00\x00\x01\x04\x02\x05\x03\x06",
                                   U1, SHAPE23,
                                   "\x8c\x01"
                                   "F") ".",
             2, 6, f);
    /* K: stored as (3, 2), axes exchanged gives (2, 3) in Fortran order. */
    COUNTING("\x80\x05" FROMBUFFER("C\x06\x01\x04\x02\x05\x03\x06", U1, "K\x03K\x02\x86",
                                   "\x8c\x01KK\x01K\x00\x86") ".",
             2, 6, f);
    /* Stored (2, 2, 2) with axes (1, 0, 2): neither C nor F. */
    COUNTING("\x80\x05" FROMBUFFER("C\x08\x01\x02\x05\x06\x03\x04\x07\x08", U1,
                                   "K\x02K\x02K\x02\x87", "\x8c\x01KK\x01K\x00K\x02\x87") ".",
             3, 8, ESPALIER_PICKLE_ORDER_K);
    /* joblib: raw bytes behind the wrapper, with and without padding. */
    COUNTING("\x80\x04" WRAPPER(SHAPE23, "C", U1, "") "\x01\x02\x03\x04\x05\x06.", 2, 6, c);
    COUNTING("\x80\x04" WRAPPER(SHAPE23, "F", U1, "") "\x01\x04\x02\x05\x03\x06.", 2, 6, f);
    COUNTING("\x80\x04" WRAPPER(SHAPE23, "C", U1,
                                "\x8c\x1bnumpy_array_alignment_bytesN") "\x01\x02\x03\x04\x05\x06.",
             2, 6, c);
    COUNTING(
        "\x80\x04" WRAPPER(
            SHAPE23, "C", U1,
            "\x8c\x1bnumpy_array_alignment_bytesK\x10") "\x03\xff\xff\xff\x01\x02\x03\x04\x05\x06.",
        2, 6, c);
    COUNTING("\x80\x04" WRAPPER(")", "C", U1, "") "\x01.", 0, 1, c);
    /* Objects: a list in C order, whatever is_fortran says. */
    COUNTING("\x80\x03" ARRAY(SHAPE23, OBJ, "\x88",
                              "](K\x01K\x02K\x03K\x04K\x05K\x06"
                              "e") ".",
             2, 6, c);
    /* Objects behind a joblib wrapper: a pickle of its own, with a memo of its own. */
    COUNTING("\x80\x04]q\x00"
             "0" WRAPPER("K\x02\x85", "C", OBJ, "") "\x80\x02" ARRAY("K\x02\x85", OBJ, "\x89",
                                                                     "]q\x05(K\x01K\x02"
                                                                     "e") "..",
             1, 2, c);
}

static void test_nested_memo_is_separate(void **state)
{
    (void)state;
    /* Entry 0 of the outer memo is not seen inside ... */
    REFUSED("\x80\x04Nq\x00"
            "0" WRAPPER("K\x01\x85", "C", OBJ, "") "\x80\x02h\x00..",
            ESPALIER_ERROR_SOURCE_SYNTAX, "never written");
    /* ... nor the inner one outside; the inner stack does not reach the outer. */
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", OBJ, "") "\x80\x02Nq\x00.0h\x00.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "never written");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", OBJ, "") "\x80\x02"
                                                          "0N.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "too few");
    REFUSED("\x80\x04(" WRAPPER("K\x01\x85", "C", OBJ, "") "\x80\x02t.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "no mark");
    /* Outer entries survive the inner pickle. */
    parsed result = PARSE("\x80\x04K\x07q\x00"
                          "0" WRAPPER("K\x01\x85", "C", OBJ, "") "\x80\x02Nq\x00."
                                                                 "0h\x00.");
    int64_t number = 0;
    assert_true(espalier_pickle_get_int64(root_of(&result), &number));
    assert_int_equal(number, 7);
    espalier_pickle_info info;
    espalier_pickle_info_get(result.pickle, &info);
    assert_true(info.joblib);
    assert_int_equal(info.protocol, 4);
    free_parsed(&result);
}

static void test_nesting_limit(void **state)
{
    (void)state;
    static const char wrapper[] = WRAPPER("K\x01\x85", "C", OBJ, "");
    char stream[16384];
    for (size_t depth = 8; depth <= 9; depth++) {
        size_t bytes = 0;
        for (size_t i = 0; i < depth; i++) {
            memcpy(stream + bytes, wrapper, sizeof wrapper - 1);
            bytes += sizeof wrapper - 1;
        }
        stream[bytes++] = 'N';
        for (size_t i = 0; i <= depth; i++) {
            stream[bytes++] = '.';
        }
        parsed result = parse_bytes(stream, bytes, NULL);
        assert_int_equal(result.status, depth == 8 ? ESPALIER_OK : ESPALIER_ERROR_SOURCE_LIMIT);
        free_parsed(&result);
    }
}

static void test_array_lies(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    REFUSED("\x80\x03" ARRAY(SHAPE23, U1, "\x89", "C\x05\x01\x02\x03\x04\x05") ".", syntax,
            "6 elements of 1 bytes comes with 5");
    REFUSED("\x80\x03" ARRAY("J\xff\xff\xff\xff\x85", U1, "\x89", "C\x00") ".", syntax, "shape");
    REFUSED("\x80\x03" ARRAY("\x8c\x01x\x85", U1, "\x89", "C\x00") ".", syntax, "shape");
    REFUSED("\x80\x03" ARRAY("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", F8, "\x89",
                             "C\x00") ".",
            syntax, "impossible size");
    REFUSED("\x80\x03" ARRAY("(\x8a\x08\x00\x00\x00\x00\x01\x00\x00\x00"
                             "\x8a\x08\x00\x00\x00\x00\x01\x00\x00\x00t",
                             U1, "\x89", "C\x00") ".",
            syntax, "impossible size");
    /* 2^32 x 2^32 x 0: the product is 0, the strides would overflow. */
    REFUSED("\x80\x03" ARRAY("(\x8a\x08\x00\x00\x00\x00\x01\x00\x00\x00"
                             "\x8a\x08\x00\x00\x00\x00\x01\x00\x00\x00K\x00t",
                             U1, "\x89", "C\x00") ".",
            syntax, "impossible size");
    REFUSED("\x80\x03" ARRAY("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00\x85", U1, "\x89",
                             "C\x00") ".",
            syntax, "shape");
    REFUSED("\x80\x03" ARRAY("K\x01\x85", U1, "N", "C\x01\x01") ".", syntax, "order is no bool");
    REFUSED("\x80\x03" ARRAY("K\x01\x85", U1, "\x89", "K\x01") ".", syntax, "no bytes");
    REFUSED("\x80\x03" ARRAY("K\x02\x85", OBJ, "\x89",
                             "](K\x01"
                             "e") ".",
            syntax, "list");
    REFUSED("\x80\x03" ARRAY("K\x01\x85", OBJ, "\x89",
                             "C\x08"
                             "abcdefgh") ".",
            syntax, "list");
    REFUSED("\x80\x03" ARRAY("K\x05\x85", DTYPE("\x8c\x02V0", "|", "K\x00"), "\x89", "C\x00") ".",
            syntax, "without size");
    REFUSED("\x80\x03" NEW_ARRAY "}b.", syntax, "tuple of five");
    REFUSED("\x80\x03" NEW_ARRAY "(K\x01tb.", syntax, "tuple of five");
}

static void test_buffer_and_wrapper_lies(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    const espalier_status truncated = ESPALIER_ERROR_SOURCE_TRUNCATED;
    REFUSED("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23, "\x8c\x01X") ".", syntax, "order");
    REFUSED("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23, "\x8c\x01K") ".", syntax, "order K");
    REFUSED("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23, "\x8c\x01KK\x00\x85") ".", syntax, "axis");
    REFUSED("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23, "\x8c\x01KK\x01K\x01\x86") ".", syntax,
            "axis");
    REFUSED("\x80\x05" FROMBUFFER(BYTES6, U1, SHAPE23, "\x8c\x01KK\x00K\x02\x86") ".", syntax,
            "axis");
    REFUSED("\x80\x05" FROMBUFFER("C\x08"
                                  "abcdefgh",
                                  OBJ, "K\x01\x85",
                                  "\x8c\x01"
                                  "C") ".",
            syntax, "objects in a buffer");
    REFUSED("\x80\x05"
            "cnumpy._core.numeric\n_frombuffer\n)R.",
            syntax, "four or five");
    REFUSED("\x80\x04" WRAPPER("K\x7f\x85", "C", F8, "") "abc.", truncated,
            "1016 bytes begins where 4");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", U1,
                               "\x8c\x1bnumpy_array_alignment_bytesK\x10") "\x11\xff.",
            syntax, "more padding");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", U1,
                               "\x8c\x1bnumpy_array_alignment_bytesK\x10") "\x0f\xff.",
            truncated, "padding");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", U1, "\x8c\x1bnumpy_array_alignment_bytesK\x10"),
            truncated, "padding");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", U1,
                               "\x8c\x1bnumpy_array_alignment_bytesK\x00") "\x00\x01.",
            syntax, "alignment");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "Q", U1, "") "\x01.", syntax, "order");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", U1, "\x8c\x05shapeK\x02\x85") "\x01.", syntax,
            "twice");
    REFUSED("\x80\x04" WRAPPER("K\x01\x85", "C", "N", "") "\x01.",
            ESPALIER_ERROR_SOURCE_UNSUPPORTED, "not understood");
    REFUSED("\x80\x04"
            "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b.",
            syntax, "without shape");
    REFUSED("\x80\x04"
            "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81Nb.",
            syntax, "small dict");
    REFUSED("\x80\x02"
            "cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81}b.",
            ESPALIER_ERROR_SOURCE_UNSUPPORTED, "before version 0.10");
}

/* V16: a at 0 (<i8), b at 8 (>i2), c at 10 (u1), d at 11 (2 x u1); padding behind. */
#define RECORD_FIELDS                                                                             \
    "(\x8c\x01"                                                                                   \
    "a\x8c\x01"                                                                                   \
    "b\x8c\x01"                                                                                   \
    "c\x8c\x01"                                                                                   \
    "dt}(\x8c\x01"                                                                                \
    "a" I8 "K\x00\x86\x8c\x01"                                                                    \
    "b" I2BE "K\x08\x86\x8c\x01"                                                                  \
    "c" U1 "K\x0a\x86\x8c\x01"                                                                    \
    "d"                                                                                           \
    "cnumpy\ndtype\n\x8c\x02V2\x89\x88\x87R(K\x03\x8c\x01|" U1 "K\x02\x85\x86NNK\x02K\x01K\x00tb" \
    "K\x0b\x86u"
#define RECORD(code, fields, size) \
    "cnumpy\ndtype\n" code "\x89\x88\x87R(K\x03\x8c\x01|N" fields size "K\x08K\x10tb"
#define RECORD16 RECORD("\x8c\x03V16", RECORD_FIELDS, "K\x10")
#define TWO_RECORDS                                                \
    "C\x20\x05\x00\x00\x00\x00\x00\x00\x00\x01\x02\x07\x08\x09___" \
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\x01\x0a\x0b___"

static void test_records(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x03" ARRAY("K\x02\x85", RECORD16, "\x89", TWO_RECORDS) ".");
    const espalier_pickle_array *const array = array_of(&result);
    espalier_pickle_view view;
    int64_t numbers[2];
    double reals[2];
    uint8_t bytes[2];
    assert_int_equal(array->form->dtype->field_count, 4);
    assert_int_equal(array->form->dtype->item_bytes, 16);
    assert_false(espalier_pickle_view_field(array, "e", &view));
    assert_true(espalier_pickle_view_field(array, "a", &view));
    assert_int_equal(view.count, 2);
    assert_true(espalier_pickle_view_int64s(&view, 0, 2, numbers));
    assert_int_equal(numbers[0], 5);
    assert_int_equal(numbers[1], -1);
    assert_true(espalier_pickle_view_int64s(&view, 1, 1, numbers));
    assert_int_equal(numbers[0], -1);
    assert_false(espalier_pickle_view_int64s(&view, 1, 2, numbers));
    assert_false(espalier_pickle_view_int64s(&view, UINT64_MAX, 2, numbers));
    assert_false(espalier_pickle_view_uint8s(&view, 0, 2, bytes));
    assert_true(espalier_pickle_view_field(array, "b", &view));
    assert_true(view.dtype->swapped);
    assert_true(espalier_pickle_view_doubles(&view, 0, 2, reals));
    assert_true(reals[0] == 258.0 && reals[1] == -2.0);
    assert_true(espalier_pickle_view_field(array, "c", &view));
    assert_true(espalier_pickle_view_uint8s(&view, 0, 2, bytes));
    assert_int_equal(bytes[0], 7);
    assert_int_equal(bytes[1], 1);
    assert_true(espalier_pickle_view_field(array, "d", &view));
    assert_int_equal(view.dtype->kind, 'V');
    assert_int_equal(view.dtype->dim_count, 1);
    assert_int_equal(view.dtype->shape[0], 2);
    assert_int_equal(view.dtype->element->item_bytes, 1);
    assert_false(espalier_pickle_view_int64s(&view, 0, 2, numbers));
    assert_false(espalier_pickle_array_double(array, 0, reals));
    free_parsed(&result);
}

static void test_dtype_lies(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    REFUSED("\x80\x03" RECORD("\x8c\x03V12", RECORD_FIELDS, "K\x0c") ".", syntax, "outside");
    REFUSED("\x80\x03" RECORD("\x8c\x03V16", RECORD_FIELDS, "K\x11") ".", syntax, "two item sizes");
    REFUSED("\x80\x03" RECORD("\x8c\x02i8", RECORD_FIELDS, "K\x08") ".", syntax, "plain type");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8",
                              "\x8c\x01"
                              "a\x85}\x8c\x01"
                              "b" I8 "K\x00\x86s",
                              "K\x08") ".",
            syntax, "malformed field");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8",
                              "\x8c\x01"
                              "a\x85}\x8c\x01"
                              "aNs",
                              "K\x08") ".",
            syntax, "malformed field");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8",
                              "\x8c\x01"
                              "a\x85}\x8c\x01"
                              "a" I8 "J\xff\xff\xff\xff\x86s",
                              "K\x08") ".",
            syntax, "malformed field");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8",
                              "\x8c\x01"
                              "a\x8c\x01"
                              "a\x86}\x8c\x01"
                              "a" I8 "K\x00\x86s",
                              "K\x08") ".",
            syntax, "two fields of one name");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8",
                              "\x8c\x01"
                              "a\x85}",
                              "K\x08") ".",
            syntax, "field name");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8", "]}", "K\x08") ".", syntax, "malformed fields");
    REFUSED("\x80\x03" RECORD("\x8c\x02V8", "K\x01\x85}K\x01Ns", "K\x08") ".", syntax,
            "field name");
    REFUSED("\x80\x03" DTYPE("\x8c\x02"
                             "f8",
                             "?", PLAIN) ".",
            syntax, "byte order");
    REFUSED("\x80\x03" DTYPE("\x8c\x02"
                             "f8",
                             "<", "N") ".",
            syntax, "item size");
    REFUSED("\x80\x03" DTYPE("\x8c\x02"
                             "f8",
                             "<", "K\x04") ".",
            syntax, "two item sizes");
    REFUSED("\x80\x03" DTYPE("\x8c\x02U2", "<", "K\x07") ".", syntax, "two item sizes");
    REFUSED("\x80\x03"
            "cnumpy\ndtype\n\x8c\x02V2\x89\x88\x87R(K\x03\x8c\x01|" I8
            "K\x02\x85\x86NNK\x02K\x01K\x00tb.",
            syntax, "not of its size");
    REFUSED("\x80\x03"
            "cnumpy\ndtype\n\x8c\x02V2\x89\x88\x87R(K\x03\x8c\x01|" I8 "\x85NNK\x02K\x01K\x00tb.",
            syntax, "malformed subarray");
    REFUSED("\x80\x03" F8 "(tb.", syntax, "second BUILD");
}

/* A dtype nobody knows makes an opaque object, not an error. */
static void test_opaque_dtypes(void **state)
{
    (void)state;
    static const char *const codes[] = {"\x8c\x02q9",  "\x8c\x02\1463", "\x8c\x01x",
                                        "\x8c\x03i8x", "K\x01",         "cm\nD\n"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char stream[512];
        const int bytes = snprintf(stream, sizeof stream,
                                   "\x80\x03"
                                   "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n)\x86R("
                                   "I1\n)cnumpy\ndtype\n%s\x85RI00\nS'abcdefgh'\ntb.",
                                   codes[i]);
        parsed result = parse_bytes(stream, (size_t)bytes, NULL);
        assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_OBJECT);
        assert_true(espalier_pickle_is(root_of(&result), "numpy.core.multiarray", "_reconstruct"));
        free_parsed(&result);
    }
}

static void test_dtype_accessor(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x03" F8 ".");
    const espalier_pickle_dtype *const dtype = espalier_pickle_get_dtype(root_of(&result));
    assert_non_null(dtype);
    assert_int_equal(dtype->kind, 'f');
    assert_int_equal(dtype->item_bytes, 8);
    assert_false(dtype->swapped);
    free_parsed(&result);
    result = PARSE("N.");
    assert_null(espalier_pickle_get_dtype(root_of(&result)));
    assert_null(espalier_pickle_get_array(root_of(&result)));
    free_parsed(&result);
}

#define SCALAR(dtype, data) \
    "\x80\x03"              \
    "cnumpy.core.multiarray\nscalar\n" dtype data "\x86R."

static void test_scalars(void **state)
{
    (void)state;
    int64_t number = 0;
    double real = 0;
    bool truth = false;
    espalier_pickle_slice text;
    parsed result = PARSE(SCALAR(F8, "C\x08\x00\x00\x00\x00\x00\x00\xf8\x3f"));
    assert_true(espalier_pickle_get_double(root_of(&result), &real));
    assert_true(real == 1.5);
    assert_false(espalier_pickle_get_int64(root_of(&result), &number));
    free_parsed(&result);
    result = PARSE(SCALAR(I2BE, "C\x02\xff\xfe"));
    assert_true(espalier_pickle_get_int64(root_of(&result), &number));
    assert_int_equal(number, -2);
    assert_false(espalier_pickle_get_bool(root_of(&result), &truth));
    free_parsed(&result);
    result = PARSE(SCALAR(DTYPE("\x8c\x02"
                                "b1",
                                "|", PLAIN),
                          "C\x01\x01"));
    assert_true(espalier_pickle_get_bool(root_of(&result), &truth));
    assert_true(truth);
    free_parsed(&result);
    result = PARSE(SCALAR(U2CH, "C\x08\xe9\x00\x00\x00\x00\x00\x00\x00"));
    assert_true(espalier_pickle_get_text(root_of(&result), &text));
    assert_int_equal(text.bytes, 2);
    assert_memory_equal(text.data, "\xc3\xa9", 2);
    assert_true(espalier_pickle_text_equal(root_of(&result), "\xc3\xa9"));
    free_parsed(&result);
    result = PARSE(SCALAR(S3, "C\x03"
                              "ab\0"));
    assert_true(espalier_pickle_get_bytes(root_of(&result), &text));
    assert_int_equal(text.bytes, 2);
    free_parsed(&result);
    result = PARSE(SCALAR(OBJ, "K\x07"));
    assert_true(espalier_pickle_get_int64(root_of(&result), &number));
    assert_int_equal(number, 7);
    free_parsed(&result);
    result = PARSE("\x80\x03" ARRAY(")", I8, "\x89", "C\x08\x09\x00\x00\x00\x00\x00\x00\x00") ".");
    assert_true(espalier_pickle_get_int64(root_of(&result), &number));
    assert_int_equal(number, 9);
    free_parsed(&result);
    REFUSED(SCALAR(F8, "C\x01x"), ESPALIER_ERROR_SOURCE_SYNTAX, "scalar of 8 bytes");
    REFUSED("\x80\x03"
            "cnumpy.core.multiarray\nscalar\n)R.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "without a dtype");
}

static void expect_double(const char *data, size_t bytes, double wanted)
{
    parsed result = parse_bytes(data, bytes, NULL);
    double real = 77;
    assert_true(espalier_pickle_get_double(root_of(&result), &real));
    assert_true(isnan(wanted) ? isnan(real) : real == wanted);
    assert_int_equal(signbit(real), signbit(wanted));
    free_parsed(&result);
}

#define HALF(bits)            \
    SCALAR(DTYPE("\x8c\x02"   \
                 "f2",        \
                 "<", PLAIN), \
           "C\x02" bits)
#define EXPECT_DOUBLE(literal, wanted) expect_double(literal, sizeof(literal) - 1, wanted)

static void test_float_widths(void **state)
{
    (void)state;
    EXPECT_DOUBLE(HALF("\x00\x3c"), 1.0);
    EXPECT_DOUBLE(HALF("\x00\xc0"), -2.0);
    EXPECT_DOUBLE(HALF("\xff\x7b"), 65504.0);
    EXPECT_DOUBLE(HALF("\x01\x00"), 0x1p-24);
    EXPECT_DOUBLE(HALF("\x00\x80"), -0.0);
    EXPECT_DOUBLE(HALF("\x00\x7c"), HUGE_VAL);
    EXPECT_DOUBLE(HALF("\x00\xfc"), -HUGE_VAL);
    EXPECT_DOUBLE(HALF("\x00\x7e"), (double)NAN);
    EXPECT_DOUBLE(SCALAR(DTYPE("\x8c\x02"
                               "f4",
                               "<", PLAIN),
                         "C\x04\x00\x00\xc0\x3f"),
                  1.5);
    EXPECT_DOUBLE(SCALAR(DTYPE("\x8c\x02"
                               "f4",
                               ">", PLAIN),
                         "C\x04\x3f\xc0\x00\x00"),
                  1.5);
    EXPECT_DOUBLE(SCALAR(DTYPE("\x8c\x02u8", "<", PLAIN), "C\x08\xff\xff\xff\xff\xff\xff\xff\xff"),
                  0x1p64);
    /* A long double is kept but cannot be read as a number. */
    parsed result = PARSE(SCALAR(DTYPE("\x8c\x03"
                                       "f16",
                                       "<", PLAIN),
                                 "C\x10"
                                 "0123456789abcdef"));
    double real = 0;
    assert_false(espalier_pickle_get_double(root_of(&result), &real));
    free_parsed(&result);
}

static void test_integer_ranges(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x03" ARRAY("K\x01\x85", DTYPE("\x8c\x02u8", "<", PLAIN), "\x89",
                                           "C\x08\x00\x00\x00\x00\x00\x00\x00\x80") ".");
    int64_t number = 0;
    uint64_t natural = 0;
    espalier_pickle_view view;
    assert_false(espalier_pickle_array_int64(array_of(&result), 0, &number));
    assert_true(espalier_pickle_array_uint64(array_of(&result), 0, &natural));
    assert_true(natural == UINT64_C(0x8000000000000000));
    assert_true(espalier_pickle_view_array(array_of(&result), &view));
    assert_false(espalier_pickle_view_int64s(&view, 0, 1, &number));
    free_parsed(&result);
    result = PARSE("\x80\x03" ARRAY("K\x03\x85", F8, "\x89",
                                    "C\x18\x00\x00\x00\x00\x00\x00\xe0\x43"
                                    "\x00\x00\x00\x00\x00\x00\xe0\xc3"
                                    "\x00\x00\x00\x00\x00\x00\xf8\x3f") ".");
    /* 2^63, -2^63, 1.5 */
    assert_false(espalier_pickle_array_int64(array_of(&result), 0, &number));
    assert_true(espalier_pickle_array_uint64(array_of(&result), 0, &natural));
    assert_true(espalier_pickle_array_int64(array_of(&result), 1, &number));
    assert_true(number == INT64_MIN);
    assert_false(espalier_pickle_array_uint64(array_of(&result), 1, &natural));
    assert_false(espalier_pickle_array_int64(array_of(&result), 2, &number));
    free_parsed(&result);
    result = PARSE(
        "\x80\x03" ARRAY("K\x01\x85", DTYPE("\x8c\x02i1", "|", PLAIN), "\x89", "C\x01\xff") ".");
    uint8_t byte = 0;
    assert_true(espalier_pickle_view_array(array_of(&result), &view));
    assert_false(espalier_pickle_view_uint8s(&view, 0, 1, &byte));
    free_parsed(&result);
}

static void expect_array_text(const espalier_pickle_array *array, uint64_t index,
                              const char *wanted)
{
    char buffer[16];
    size_t bytes = 99;
    assert_true(espalier_pickle_array_text(array, index, buffer, sizeof buffer, &bytes));
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(buffer, wanted, bytes);
    bytes = 99;
    assert_true(espalier_pickle_array_text(array, index, NULL, 0, &bytes));
    assert_int_equal(bytes, strlen(wanted));
}

static void test_array_text(void **state)
{
    (void)state;
    size_t bytes = 0;
    parsed result = PARSE("\x80\x03" ARRAY("K\x03\x85", U2CH, "\x89",
                                           "C\x18"
                                           "a\0\0\0\xac\x20\0\0"
                                           "\0\0\0\0\0\0\0\0"
                                           "\0\xd8\0\0\0\0\0\0") ".");
    expect_array_text(array_of(&result), 0, "a\xe2\x82\xac");
    expect_array_text(array_of(&result), 1, "");
    assert_false(espalier_pickle_array_text(array_of(&result), 2, NULL, 0, &bytes));
    assert_false(espalier_pickle_array_text(array_of(&result), 3, NULL, 0, &bytes));
    free_parsed(&result);
    result = PARSE("\x80\x03" ARRAY("K\x02\x85", S3, "\x89",
                                    "C\x06"
                                    "ab\0\xff\0\0") ".");
    expect_array_text(array_of(&result), 0, "ab");
    assert_false(espalier_pickle_array_text(array_of(&result), 1, NULL, 0, &bytes));
    free_parsed(&result);
    result = PARSE("\x80\x03" ARRAY("K\x02\x85", OBJ, "\x89",
                                    "](\x8c\x02hiK\x01"
                                    "e") ".");
    expect_array_text(array_of(&result), 0, "hi");
    assert_false(espalier_pickle_array_text(array_of(&result), 1, NULL, 0, &bytes));
    assert_non_null(espalier_pickle_array_item(array_of(&result), 1));
    assert_null(espalier_pickle_array_item(array_of(&result), 2));
    free_parsed(&result);
}

/* The list behind an array of objects may grow afterwards, through the memo. */
static void test_object_list_grows(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x03" ARRAY("K\x01\x85", OBJ, "\x89",
                                           "]q\x00K\x05"
                                           "a") "h\x00(K\x06K\x07K\x08"
                                                "e0.");
    int64_t number = 0;
    assert_int_equal(array_of(&result)->form->element_count, 1);
    assert_true(espalier_pickle_array_int64(array_of(&result), 0, &number));
    assert_int_equal(number, 5);
    assert_null(espalier_pickle_array_item(array_of(&result), 1));
    free_parsed(&result);
}

static void test_subclass(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04" WRAPPER("K\x01\x85", "C", U1, "") "\x01.");
    assert_true(espalier_pickle_slice_equal(array_of(&result)->form->subclass->name, "ndarray"));
    free_parsed(&result);
}

/* Every prefix of a joblib stream and of plain ones is refused. */
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    static const char raw[] = "\x80\x04" WRAPPER(
        "K\x02\x85", "C", RECORD16,
        "\x8c\x1bnumpy_array_alignment_bytesK\x10") "\x02\xff\xff"
                                                    "0123456789abcdef0123456789abcdef.";
    static const char built[] = "\x80\x03" ARRAY("K\x02\x85", RECORD16, "\x89", TWO_RECORDS) ".";
    static const char *const streams[] = {raw, built};
    const size_t bytes[] = {sizeof raw - 1, sizeof built - 1};
    for (size_t i = 0; i < 2; i++) {
        for (size_t cut = 0; cut <= bytes[i]; cut++) {
            parsed result = parse_bytes(streams[i], cut, NULL);
            assert_int_equal(result.status == ESPALIER_OK, cut == bytes[i]);
            free_parsed(&result);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_storages),
        cmocka_unit_test(test_nested_memo_is_separate),
        cmocka_unit_test(test_nesting_limit),
        cmocka_unit_test(test_array_lies),
        cmocka_unit_test(test_buffer_and_wrapper_lies),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_dtype_lies),
        cmocka_unit_test(test_opaque_dtypes),
        cmocka_unit_test(test_dtype_accessor),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_float_widths),
        cmocka_unit_test(test_integer_ranges),
        cmocka_unit_test(test_array_text),
        cmocka_unit_test(test_object_list_grows),
        cmocka_unit_test(test_subclass),
        cmocka_unit_test(test_cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
