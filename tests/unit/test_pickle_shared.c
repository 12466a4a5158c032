// SPDX-License-Identifier: Apache-2.0
/*
 * What the pickle reader keeps once though the stream says it again and again: equal numbers and
 * tuples, keys of dicts, sizes of arrays; and the states of arrays, which it does not keep.
 */
#include "convert/sources/pickle_internal.h"
#include "tests/unit/test_pickle.h"

#include <math.h>

#define F8                                                        \
    "cnumpy\ndtype\n\x8c\x02"                                     \
    "f8\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff" \
    "\xff\xffK\x00tb"
#define I8                                                                               \
    "cnumpy\ndtype\n\x8c\x02i8\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff" \
    "\xff\xffK\x00tb"
#define NEW_ARRAY                                                      \
    "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" \
    "C\x01"                                                            \
    "b\x87R"
#define NUMBER(first)                    \
    "C\x08" first "\x00\x00\x00\x00\x00" \
    "\xf0\x3f"

static const espalier_pickle_value *item_of(const parsed *result, size_t index)
{
    const espalier_pickle_value *const item = espalier_pickle_item(root_of(result), index);
    assert_non_null(item);
    return item;
}

/* ---- numbers and tuples ---- */

static void test_equal_numbers_are_one(void **state)
{
    (void)state;
    /* 1000, 1000, 1.0, 1.0, 1000 as a LONG, 0.0, -0.0, and the integer whose bits are 1.0's. */
    parsed result = PARSE("\x80\x04(M\xe8\x03M\xe8\x03"
                          "G\x3f\xf0\x00\x00\x00\x00\x00\x00G\x3f\xf0\x00\x00\x00\x00\x00\x00"
                          "\x8a\x02\xe8\x03"
                          "G\x00\x00\x00\x00\x00\x00\x00\x00G\x80\x00\x00\x00\x00\x00\x00\x00"
                          "\x8a\x08\x00\x00\x00\x00\x00\x00\xf0\x3ft.");
    assert_ptr_equal(item_of(&result, 0), item_of(&result, 1));
    assert_ptr_equal(item_of(&result, 2), item_of(&result, 3));
    double number = 1.0;
    assert_true(espalier_pickle_get_double(item_of(&result, 5), &number));
    assert_true(number == 0.0 && !signbit(number));
    assert_true(espalier_pickle_get_double(item_of(&result, 6), &number));
    assert_true(number == 0.0 && signbit(number));
    int64_t integer = 0;
    assert_true(espalier_pickle_get_int64(item_of(&result, 4), &integer));
    assert_int_equal(integer, 1000);
    assert_true(espalier_pickle_get_int64(item_of(&result, 7), &integer));
    assert_int_equal(integer, INT64_C(0x3FF0000000000000));
    assert_int_equal(espalier_pickle_kind_of(item_of(&result, 7)), ESPALIER_PICKLE_INTEGER);
    free_parsed(&result);
}

static void test_equal_tuples_are_one(void **state)
{
    (void)state;
    /* (1, 2) twice, (2, 1), (1, 2, 1), and lists, which may change and are never one. */
    parsed result = PARSE("\x80\x04(K\x01K\x02\x86K\x01K\x02\x86K\x02K\x01\x86K\x01K\x02K\x01\x87"
                          "](K\x01K\x02"
                          "e](K\x01K\x02"
                          "e))t.");
    assert_ptr_equal(item_of(&result, 0), item_of(&result, 1));
    assert_ptr_not_equal(item_of(&result, 0), item_of(&result, 2));
    assert_int_equal(espalier_pickle_item_count(item_of(&result, 3)), 3);
    assert_ptr_not_equal(item_of(&result, 4), item_of(&result, 5));
    assert_ptr_equal(item_of(&result, 6), item_of(&result, 7));
    assert_int_equal(espalier_pickle_item_count(item_of(&result, 6)), 0);
    free_parsed(&result);
}

/* A message about a value that several places share names the first of them. */
static void test_messages_name_the_first_place(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04](M\xe8\x03M\xe8\x03K\x01\x85K\x01\x85"
                          "e.");
    espalier_error error;
    for (size_t i = 0; i < 4; i++) {
        const uint64_t place = i < 2 ? 4 : 12;
        assert_int_equal(espalier_pickle_offset(item_of(&result, i)), place);
        (void)espalier_pickle_fail(result.pickle, item_of(&result, i), ESPALIER_ERROR_SOURCE_SYNTAX,
                                   &error, "odd");
        assert_int_equal(error.file_offset, place);
        assert_string_equal(error.message, i < 2 ? "pickle: byte 4: odd" : "pickle: byte 12: odd");
    }
    free_parsed(&result);
}

static void expect_same(const espalier_pickle_value *a, const espalier_pickle_value *b)
{
    double numbers[2] = {0.0, 0.0};
    assert_int_equal(espalier_pickle_kind_of(a), espalier_pickle_kind_of(b));
    const bool is_number = espalier_pickle_get_double(a, &numbers[0]);
    assert_int_equal(espalier_pickle_get_double(b, &numbers[1]), is_number);
    assert_memory_equal(&numbers[0], &numbers[1], sizeof numbers[0]);
    assert_int_equal(espalier_pickle_item_count(a), espalier_pickle_item_count(b));
}

/* Numbers in text are never shared: two spellings of one object read the same. */
static void test_shared_reads_as_unshared(void **state)
{
    (void)state;
    parsed shared = PARSE("\x80\x04(M\xe8\x03M\xe8\x03G\xbf\xe0\x00\x00\x00\x00\x00\x00"
                          "G\xbf\xe0\x00\x00\x00\x00\x00\x00M\xe8\x03\x85M\xe8\x03\x85K\x07t.");
    parsed unshared = PARSE("(I1000\nI1000\nF-0.5\nF-0.5\n(I1000\nt(I1000\ntI7\nt.");
    assert_ptr_not_equal(item_of(&unshared, 0), item_of(&unshared, 1));
    assert_ptr_not_equal(item_of(&unshared, 4), item_of(&unshared, 5));
    assert_int_equal(espalier_pickle_item_count(root_of(&shared)), 7);
    for (size_t i = 0; i < 7; i++) {
        expect_same(item_of(&shared, i), item_of(&unshared, i));
    }
    expect_same(espalier_pickle_item(item_of(&shared, 5), 0),
                espalier_pickle_item(item_of(&unshared, 5), 0));
    free_parsed(&shared);
    free_parsed(&unshared);
}

/* What is shared counts as what is not: the budget of a walk goes by the count. */
static void test_shared_values_count(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04(M\xe8\x03M\xe8\x03M\xe8\x03t.");
    espalier_pickle_info info;
    root_of(&result);
    espalier_pickle_info_get(result.pickle, &info);
    assert_int_equal(info.value_count, 4);
    free_parsed(&result);
}

/* ---- dicts ---- */

static void expect_pair(const espalier_pickle_value *dict, size_t index, const char *key,
                        int64_t value)
{
    int64_t number = 0;
    assert_true(espalier_pickle_text_equal(espalier_pickle_pair_key(dict, index), key));
    assert_true(espalier_pickle_get_int64(espalier_pickle_pair_value(dict, index), &number));
    assert_int_equal(number, value);
}

/* Three dicts of the keys a and b; the second gets c as well, the third another b and c at once. */
static void test_dicts_of_the_same_keys(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04\x8c\x01"
                          "aq\x00\x8c\x01"
                          "bq\x01\x8c\x01"
                          "cq\x02"
                          "000"
                          "(}(h\x00K\x01h\x01K\x02u"
                          "}(h\x00K\x03h\x01K\x04uh\x02K\x05s"
                          "}(h\x00K\x06h\x01K\x07u(h\x01K\x08h\x02K\x09u"
                          "}(h\x00K\x0ah\x01K\x0bu"
                          "t.");
    static const size_t pairs[] = {2, 3, 4, 2};
    static const char *const keys[4][4] = {{"a", "b"},
                                           {"a", "b", "c"},
                                           {"a", "b", "b", "c"},
                                           {"a", "b"}};
    int64_t value = 1;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(espalier_pickle_pair_count(item_of(&result, i)), pairs[i]);
        for (size_t j = 0; j < pairs[i]; j++) {
            expect_pair(item_of(&result, i), j, keys[i][j], value++);
        }
    }
    /* The first and the last, which did not grow, share one list; the others have their own. */
    espalier_pickle_value **const shared = item_of(&result, 0)->as.pairs->keys;
    assert_ptr_equal(item_of(&result, 3)->as.pairs->keys, shared);
    assert_ptr_not_equal(item_of(&result, 1)->as.pairs->keys, shared);
    assert_ptr_not_equal(item_of(&result, 2)->as.pairs->keys, shared);
    free_parsed(&result);
}

/* One pair at a time, as protocol 0 has them, many more than there is room for at first. */
static void test_dict_that_grows(void **state)
{
    (void)state;
    uint8_t stream[4096] = "\x80\x02}";
    size_t bytes = 3;
    for (uint8_t i = 0; i < 200; i++) {
        const uint8_t pair[] = {'K', i, 'K', (uint8_t)(i ^ 1u), 's'};
        memcpy(stream + bytes, pair, sizeof pair);
        bytes += sizeof pair;
    }
    stream[bytes++] = '.';
    parsed result = parse_bytes(stream, bytes, NULL);
    assert_int_equal(espalier_pickle_pair_count(root_of(&result)), 200);
    for (size_t i = 0; i < 200; i++) {
        int64_t key = 0;
        int64_t value = 0;
        assert_true(espalier_pickle_get_int64(espalier_pickle_pair_key(root_of(&result), i), &key));
        assert_true(
            espalier_pickle_get_int64(espalier_pickle_pair_value(root_of(&result), i), &value));
        assert_int_equal(key, i);
        assert_int_equal(value, (int64_t)i ^ 1);
    }
    free_parsed(&result);
}

/* ---- bytes ---- */

/* A length of 255 and more is kept elsewhere. */
static void test_lengths_around_a_byte(void **state)
{
    (void)state;
    for (size_t length = 253; length < 260; length++) {
        uint8_t stream[600] = "\x80\x03(X";
        uint8_t *at = stream + 4;
        for (int i = 0; i < 2; i++) {
            const uint8_t count[] = {(uint8_t)length, (uint8_t)(length >> 8), 0, 0};
            memcpy(at, count, sizeof count);
            memset(at + 4, 'a' + i, length);
            at += 4 + length;
            *at++ = i == 0 ? 'B' : 't';
        }
        *at++ = '.';
        parsed result = parse_bytes(stream, (size_t)(at - stream), NULL);
        espalier_pickle_slice text;
        espalier_pickle_slice data;
        assert_true(espalier_pickle_get_text(item_of(&result, 0), &text));
        assert_true(espalier_pickle_get_bytes(item_of(&result, 1), &data));
        assert_int_equal(text.bytes, length);
        assert_int_equal(data.bytes, length);
        assert_true(text.data[0] == 'a' && text.data[length - 1] == 'a');
        assert_true(data.data[0] == 'b' && data.data[length - 1] == 'b');
        free_parsed(&result);
    }
}

/* Text of protocol 0 that doubles: 200 bytes above 0x7F are 400 of UTF-8. */
static void test_text_that_becomes_long(void **state)
{
    (void)state;
    uint8_t stream[256] = "V";
    memset(stream + 1, 0xE9, 200);
    memcpy(stream + 201, "\n.", 2);
    parsed result = parse_bytes(stream, 203, NULL);
    espalier_pickle_slice text;
    assert_true(espalier_pickle_get_text(root_of(&result), &text));
    assert_int_equal(text.bytes, 400);
    assert_memory_equal(text.data + 398, "\xc3\xa9", 2);
    free_parsed(&result);
}

/* Places in the stream have five bytes. Nothing of such a stream is read. */
static void test_stream_without_end(void **state)
{
    (void)state;
#if SIZE_MAX > UINT32_MAX
    espalier_pickle *pickle = NULL;
    espalier_error error;
    assert_int_equal(espalier_pickle_parse("\x80\x04N.", ((size_t)1 << 40) + 1, NULL, &pickle,
                                           &error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    assert_null(pickle);
    assert_non_null(strstr(error.message, "2^40 bytes"));
#endif
}

/* ---- arrays ---- */

/* Two of one form, one of another shape, one of another dtype: each has its own data. */
static void test_arrays_of_one_form(void **state)
{
    (void)state;
    parsed result = PARSE(
        "\x80\x03" F8 "q\x00" I8 "q\x01(" NEW_ARRAY
        "(K\x01K\x01\x85h\x00\x89" NUMBER("\x01") "tb" NEW_ARRAY "(K\x01K\x01\x85h\x00\x89" NUMBER(
            "\x02") "tb" NEW_ARRAY
                    "(K\x01K\x01K\x01\x86h\x00\x89" NUMBER(
                        "\x03") "tb" NEW_ARRAY
                                "(K\x01K\x01\x85h\x01\x89" NUMBER("\x04") "tbt\x94"
                                                                          "000h\x02.");
    if (result.status != ESPALIER_OK) {
        fail_msg("%s", result.error.message);
    }
    const espalier_pickle_array *arrays[4];
    for (size_t i = 0; i < 4; i++) {
        arrays[i] = espalier_pickle_get_array(item_of(&result, i));
        assert_non_null(arrays[i]);
        assert_int_equal(arrays[i]->data[0], i + 1);
    }
    assert_ptr_equal(arrays[0]->form, arrays[1]->form);
    assert_int_equal(arrays[2]->form->dim_count, 2);
    assert_int_equal(arrays[0]->form->dim_count, 1);
    assert_int_equal(arrays[0]->form->dtype->kind, 'f');
    assert_int_equal(arrays[3]->form->dtype->kind, 'i');
    free_parsed(&result);
}

#define STATE(first) "(K\x01K\x01\x85" F8 "\x89" NUMBER(first) "t"

/* The state of an array is gone when its array has it: whoever asks the memo for it is told. */
static void test_state_of_an_array_is_not_kept(void **state)
{
    (void)state;
    REFUSED("\x80\x04" NEW_ARRAY STATE("\x01") "\x94"
                                               "bh\x00\x86.",
            ESPALIER_ERROR_SOURCE_UNSUPPORTED, "memo entry 0 is the state of an array");
    REFUSED("\x80\x03" NEW_ARRAY STATE("\x01") "q\x07"
                                               "bh\x07\x86.",
            ESPALIER_ERROR_SOURCE_UNSUPPORTED, "memo entry 7 is the state of an array");
    /* The next MEMOIZE takes the next place all the same, and the place can be written again. */
    parsed result = PARSE("\x80\x04" NEW_ARRAY STATE("\x01") "\x94"
                                                             "bK\x07\x94"
                                                             "0K\x08q\x00"
                                                             "0h\x01h\x00\x86\x86.");
    int64_t number = 0;
    const espalier_pickle_value *const numbers = item_of(&result, 1);
    assert_true(espalier_pickle_get_int64(espalier_pickle_item(numbers, 0), &number));
    assert_int_equal(number, 7);
    assert_true(espalier_pickle_get_int64(espalier_pickle_item(numbers, 1), &number));
    assert_int_equal(number, 8);
    free_parsed(&result);
}

/* One that more than a place of the memo knows stays. */
static void test_state_with_other_owners_stays(void **state)
{
    (void)state;
    static const char twice[] = "\x80\x03" NEW_ARRAY STATE("\x01") "q\x00q\x01"
                                                                   "bh\x01h\x00\x87.";
    static const char first[] = "\x80\x03" STATE("\x01") "q\x00"
                                                         "0" NEW_ARRAY "h\x00"
                                                         "bh\x00h\x00\x87.";
    parsed results[] = {PARSE(twice), PARSE(first)};
    for (size_t i = 0; i < 2; i++) {
        const espalier_pickle_value *const root = root_of(&results[i]);
        for (size_t k = 1; k < 3; k++) {
            const espalier_pickle_value *const kept = espalier_pickle_item(root, k);
            assert_int_equal(espalier_pickle_kind_of(kept), ESPALIER_PICKLE_TUPLE);
            assert_int_equal(espalier_pickle_item_count(kept), 5);
        }
        free_parsed(&results[i]);
    }
}

/* dtype('f8') without BUILD: it is decoded, behind the state, when the array is built. */
#define F8_NOT_BUILT          \
    "cnumpy\ndtype\n\x8c\x02" \
    "f8\x85R"

/* The dtype is not overwritten by what is made in the place of the state. */
static void test_dtype_behind_a_state_stays(void **state)
{
    (void)state;
    parsed results[] = {
        PARSE("\x80\x03" NEW_ARRAY "(K\x01K\x01\x85" F8_NOT_BUILT "\x89" NUMBER("\x01") "tb."),
        PARSE("\x80\x03" NEW_ARRAY "(K\x01)" F8_NOT_BUILT "\x89" NUMBER("\x01") "tb."),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        const espalier_pickle_array *const array = espalier_pickle_get_array(root_of(&results[i]));
        double number = 0.0;
        assert_non_null(array);
        assert_int_equal(array->form->dim_count, 1 - i);
        assert_int_equal(array->form->dtype->kind, 'f');
        assert_int_equal(array->form->dtype->item_bytes, 8);
        assert_true(espalier_pickle_array_double(array, 0, &number));
        assert_true(number > 1.0 && number < 1.001);
        free_parsed(&results[i]);
    }
    /* Sizes and strides of (1, 86) as the dtype: numbers of one byte each. */
    uint8_t stream[256] = "\x80\x03" NEW_ARRAY "(K\x01K\x01KV\x86" F8_NOT_BUILT "\x89"
                          "CV";
    const size_t head = sizeof "\x80\x03" NEW_ARRAY "(K\x01K\x01KV\x86" F8_NOT_BUILT "\x89"
                               "CV" -
                        1;
    const size_t end = head + 86;
    memset(stream + head, 1, 86);
    memcpy(stream + end, "tb.", 3);
    expect_refused(stream, end + 3, ESPALIER_ERROR_SOURCE_SYNTAX,
                   "86 elements of 8 bytes comes with 86 bytes of data");
}

/* A state of which no array can be made stays in its object. */
static void test_state_that_is_not_understood_stays(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04" NEW_ARRAY "(K\x01K\x01\x85N\x89" NUMBER("\x01") "t\x94"
                                                                                     "bh\x00\x86.");
    const espalier_pickle_value *const kept = espalier_pickle_state(item_of(&result, 0));
    assert_ptr_equal(kept, item_of(&result, 1));
    assert_int_equal(espalier_pickle_item_count(kept), 5);
    free_parsed(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_numbers_are_one),
        cmocka_unit_test(test_equal_tuples_are_one),
        cmocka_unit_test(test_messages_name_the_first_place),
        cmocka_unit_test(test_shared_reads_as_unshared),
        cmocka_unit_test(test_shared_values_count),
        cmocka_unit_test(test_dicts_of_the_same_keys),
        cmocka_unit_test(test_dict_that_grows),
        cmocka_unit_test(test_lengths_around_a_byte),
        cmocka_unit_test(test_text_that_becomes_long),
        cmocka_unit_test(test_stream_without_end),
        cmocka_unit_test(test_arrays_of_one_form),
        cmocka_unit_test(test_state_of_an_array_is_not_kept),
        cmocka_unit_test(test_state_with_other_owners_stays),
        cmocka_unit_test(test_dtype_behind_a_state_stays),
        cmocka_unit_test(test_state_that_is_not_understood_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
