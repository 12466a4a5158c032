// SPDX-License-Identifier: Apache-2.0
/*
 * The pickle machine, opcode by opcode: what each gives, and that no stream cut short is accepted.
 */
#include "tests/unit/test_pickle.h"

#include <locale.h>
#include <math.h>

static void expect_int(const char *data, size_t bytes, int64_t wanted)
{
    parsed result = parse_bytes(data, bytes, NULL);
    const espalier_pickle_value *const value = root_of(&result);
    int64_t number = wanted == 0;
    assert_int_equal(espalier_pickle_kind_of(value), ESPALIER_PICKLE_INTEGER);
    assert_true(espalier_pickle_get_int64(value, &number));
    assert_true(number == wanted);
    free_parsed(&result);
}

#define EXPECT_INT(literal, wanted) expect_int(literal, sizeof(literal) - 1, wanted)

static void test_integers(void **state)
{
    (void)state;
    EXPECT_INT("K\xff.", 255);
    EXPECT_INT("M\x01\x80.", 32769);
    EXPECT_INT("J\xfe\xff\xff\xff.", -2);
    EXPECT_INT("J\xff\xff\xff\x7f.", 2147483647);
    EXPECT_INT("\x8a\x00.", 0);
    EXPECT_INT("\x8a\x01\xff.", -1);
    EXPECT_INT("\x8a\x02\xff\x00.", 255);
    EXPECT_INT("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", INT64_MIN);
    EXPECT_INT("\x8b\x02\x00\x00\x00\x34\x12.", 0x1234);
    EXPECT_INT("I-12\n.", -12);
    EXPECT_INT("I+7\n.", 7);
    EXPECT_INT("L9223372036854775807L\n.", INT64_MAX);
    EXPECT_INT("L-9223372036854775808\n.", INT64_MIN);
}

static void test_big_integers(void **state)
{
    (void)state;
    static const char *const streams[] = {"L9223372036854775808L\n.", "I-9223372036854775809\n.",
                                          "\x8a\x09zzzzzzzzz."};
    for (size_t i = 0; i < 3; i++) {
        parsed result = parse_bytes(streams[i], strlen(streams[i]), NULL);
        int64_t number = 5;
        assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_BIG_INTEGER);
        assert_false(espalier_pickle_get_int64(root_of(&result), &number));
        assert_int_equal(number, 5);
        free_parsed(&result);
    }
}

static void test_booleans_and_none(void **state)
{
    (void)state;
    static const char *const streams[] = {"\x89.", "\x88.", "I00\n.", "I01\n."};
    for (size_t i = 0; i < 4; i++) {
        parsed result = parse_bytes(streams[i], strlen(streams[i]), NULL);
        bool truth = i % 2 == 0;
        assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_BOOL);
        assert_true(espalier_pickle_get_bool(root_of(&result), &truth));
        assert_int_equal(truth, i % 2);
        free_parsed(&result);
    }
    parsed result = PARSE("N.");
    assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_NONE);
    free_parsed(&result);
}

static void expect_double(const char *data, size_t bytes, double wanted)
{
    parsed result = parse_bytes(data, bytes, NULL);
    double number = 0;
    assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_FLOAT);
    assert_true(espalier_pickle_get_double(root_of(&result), &number));
    assert_memory_equal(&number, &wanted, sizeof number);
    free_parsed(&result);
}

#define EXPECT_DOUBLE(literal, wanted) expect_double(literal, sizeof(literal) - 1, wanted)

static void test_floats(void **state)
{
    (void)state;
    EXPECT_DOUBLE("G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5);
    EXPECT_DOUBLE("G\x80\x00\x00\x00\x00\x00\x00\x00.", -0.0);
    EXPECT_DOUBLE("F0.1\n.", 0.1);
    EXPECT_DOUBLE("F-1e-324\n.", -0.0);
    EXPECT_DOUBLE("F5e-324\n.", 5e-324);
    EXPECT_DOUBLE("F1.7976931348623157e+308\n.", 1.7976931348623157e+308);
    EXPECT_DOUBLE("Finf\n.", HUGE_VAL);
    EXPECT_DOUBLE("F-inf\n.", -HUGE_VAL);
    parsed result = PARSE("Fnan\n.");
    double number = 0;
    assert_true(espalier_pickle_get_double(root_of(&result), &number));
    assert_true(isnan(number));
    free_parsed(&result);
    REFUSED("\x80\x02"
            "F0x1p3\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "malformed number");
    REFUSED("\x80\x02"
            "F 1\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "malformed number");
    REFUSED("\x80\x02"
            "F1\0\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "malformed number");
    REFUSED("\x80\x02"
            "F1e\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "malformed number");
    REFUSED("\x80\x02"
            "F1,5\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "malformed number");
    REFUSED("\x80\x02"
            "F\n.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "0 characters");
}

/* Any locale with a decimal comma would do; without one installed the test still checks "C". */
static void test_floats_ignore_locale(void **state)
{
    (void)state;
    (void)setlocale(LC_NUMERIC, "de_DE.UTF-8");
    EXPECT_DOUBLE("F2.5\n.", 2.5);
    (void)setlocale(LC_NUMERIC, "C");
}

static void expect_text(const char *data, size_t bytes, const char *wanted, size_t wanted_bytes)
{
    parsed result = parse_bytes(data, bytes, NULL);
    espalier_pickle_slice text = {NULL, 0};
    assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_TEXT);
    assert_true(espalier_pickle_get_text(root_of(&result), &text));
    assert_int_equal(text.bytes, wanted_bytes);
    assert_memory_equal(text.data, wanted, wanted_bytes);
    free_parsed(&result);
}

#define EXPECT_TEXT(literal, wanted) \
    expect_text(literal, sizeof(literal) - 1, wanted, sizeof(wanted) - 1)

static void test_text(void **state)
{
    (void)state;
    EXPECT_TEXT("\x8c\x02hi.", "hi");
    EXPECT_TEXT("X\x02\x00\x00\x00hi.", "hi");
    EXPECT_TEXT("\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi.", "hi");
    EXPECT_TEXT("U\x02hi.", "hi");
    EXPECT_TEXT("T\x02\x00\x00\x00hi.", "hi");
    EXPECT_TEXT("X\x03\x00\x00\x00"
                "a\0b.",
                "a\0b");
    EXPECT_TEXT("S'it\\'s \\x41\\n\\101\\\\'\n.", "it's A\nA\\");
    EXPECT_TEXT("S\"\"\n.", "");
    EXPECT_TEXT("Vplain\n.", "plain");
    EXPECT_TEXT("V\xe9\\u20ac\\U0001f600\\q\\\\u0041\n.",
                "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\q\\\\u0041");
    REFUSED("\x80\x02Sno quotes\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "quotes");
    REFUSED("\x80\x02S'\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "quotes");
    REFUSED("\x80\x02S'\\xg0'\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "escape");
    REFUSED("\x80\x02S'\\'\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "escape");
    REFUSED("\x80\x02V\\u12\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "escape");
    REFUSED("\x80\x02V\\U00110000\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "escape");
    REFUSED("\x80\x02T\xff\xff\xff\xff"
            "abcd.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "negative length");
}

static void test_bad_utf8_is_kept_but_not_text(void **state)
{
    (void)state;
    static const char *const streams[] = {
        "\x8c\x01\x80.",     "\x8c\x02\xc0\x80.",         "\x8c\x03\xed\xa0\x80.",
        "\x8c\x02\xe2\x82.", "\x8c\x04\xf4\x90\x80\x80.", "\x8c\x03\xe0\x80\x80.",
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        parsed result = parse_bytes(streams[i], strlen(streams[i]), NULL);
        espalier_pickle_slice text = {NULL, 0};
        assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_TEXT);
        assert_false(espalier_pickle_get_text(root_of(&result), &text));
        assert_false(espalier_pickle_get_bytes(root_of(&result), &text));
        free_parsed(&result);
    }
}

static void expect_bytes(const char *data, size_t bytes, const char *wanted, size_t wanted_bytes)
{
    parsed result = parse_bytes(data, bytes, NULL);
    espalier_pickle_slice slice = {NULL, 0};
    assert_int_equal(espalier_pickle_kind_of(root_of(&result)), ESPALIER_PICKLE_BYTES);
    assert_true(espalier_pickle_get_bytes(root_of(&result), &slice));
    assert_int_equal(slice.bytes, wanted_bytes);
    assert_memory_equal(slice.data, wanted, wanted_bytes);
    free_parsed(&result);
}

#define EXPECT_BYTES(literal, wanted) \
    expect_bytes(literal, sizeof(literal) - 1, wanted, sizeof(wanted) - 1)

static void test_bytes(void **state)
{
    (void)state;
    EXPECT_BYTES("C\x02\xff\x00.", "\xff\x00");
    EXPECT_BYTES("B\x02\x00\x00\x00hi.", "hi");
    EXPECT_BYTES("\x8e\x02\x00\x00\x00\x00\x00\x00\x00hi.", "hi");
    EXPECT_BYTES("\x96\x02\x00\x00\x00\x00\x00\x00\x00hi.", "hi");
    EXPECT_BYTES("c_codecs\nencode\nX\x05\x00\x00\x00"
                 "a\xc2\x80\xc3\xbf"
                 "\x8c\x06latin1\x86R.",
                 "a\x80\xff");
    EXPECT_BYTES("c_codecs\nencode\n\x8c\x03"
                 "abc\x8c\x06latin1\x86R.",
                 "abc");
    EXPECT_BYTES("c__builtin__\nbytes\n)R.", "");
    EXPECT_BYTES("cbuiltins\nbytearray\nC\x02hi\x85R.", "hi");
    EXPECT_BYTES("c__builtin__\nbytearray\nX\x02\x00\x00\x00\xc3\xa9\x8c\x07latin-1\x86R.", "\xe9");
    REFUSED("\x80\x02"
            "c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xac\x8c\x06latin1\x86R.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "U+00FF");
    REFUSED("\x80\x02"
            "c_codecs\nencode\nX\x01\x00\x00\x00\xc3\x8c\x06latin1\x86R.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "U+00FF");
}

static void expect_sequence(const char *data, size_t bytes, espalier_pickle_kind kind, size_t count)
{
    parsed result = parse_bytes(data, bytes, NULL);
    const espalier_pickle_value *const value = root_of(&result);
    assert_int_equal(espalier_pickle_kind_of(value), kind);
    assert_int_equal(espalier_pickle_item_count(value), count);
    for (size_t i = 0; i < count; i++) {
        int64_t number = -1;
        assert_true(espalier_pickle_get_int64(espalier_pickle_item(value, i), &number));
        assert_int_equal(number, i + 1);
    }
    assert_null(espalier_pickle_item(value, count));
    free_parsed(&result);
}

#define EXPECT_SEQUENCE(literal, kind, count) \
    expect_sequence(literal, sizeof(literal) - 1, kind, count)

static void test_sequences(void **state)
{
    (void)state;
    EXPECT_SEQUENCE("].", ESPALIER_PICKLE_LIST, 0);
    EXPECT_SEQUENCE("]K\x01"
                    "aK\x02"
                    "a.",
                    ESPALIER_PICKLE_LIST, 2);
    EXPECT_SEQUENCE("](K\x01K\x02K\x03"
                    "e.",
                    ESPALIER_PICKLE_LIST, 3);
    EXPECT_SEQUENCE("](e.", ESPALIER_PICKLE_LIST, 0);
    EXPECT_SEQUENCE("(K\x01K\x02l.", ESPALIER_PICKLE_LIST, 2);
    EXPECT_SEQUENCE("(l.", ESPALIER_PICKLE_LIST, 0);
    EXPECT_SEQUENCE(").", ESPALIER_PICKLE_TUPLE, 0);
    EXPECT_SEQUENCE("(t.", ESPALIER_PICKLE_TUPLE, 0);
    EXPECT_SEQUENCE("(K\x01K\x02K\x03K\x04t.", ESPALIER_PICKLE_TUPLE, 4);
    EXPECT_SEQUENCE("K\x01\x85.", ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01K\x02\x86.", ESPALIER_PICKLE_TUPLE, 2);
    EXPECT_SEQUENCE("K\x01K\x02K\x03\x87.", ESPALIER_PICKLE_TUPLE, 3);
    EXPECT_SEQUENCE("\x8f(K\x01K\x02\x90.", ESPALIER_PICKLE_SET, 2);
    EXPECT_SEQUENCE("(K\x01\x91.", ESPALIER_PICKLE_SET, 1);
    EXPECT_SEQUENCE("c__builtin__\nset\n](K\x01K\x02"
                    "e\x85R.",
                    ESPALIER_PICKLE_SET, 2);
    EXPECT_SEQUENCE("cbuiltins\nfrozenset\n)R.", ESPALIER_PICKLE_SET, 0);
    /* POP, POP_MARK, DUP and a POP that takes a mark off. */
    EXPECT_SEQUENCE("K\x01K\x02"
                    "0\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01(K\x07K\x08"
                    "1\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01(0\x85.", ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("]2K\x01"
                    "a0.",
                    ESPALIER_PICKLE_LIST, 1);
}

static void test_dicts(void **state)
{
    (void)state;
    static const char *const streams[] = {
        "(\x8c\x01"
        "aK\x01\x8c\x01"
        "bK\x02"
        "d.",
        "}(\x8c\x01"
        "aK\x01\x8c\x01"
        "bK\x02u.",
        "}\x8c\x01"
        "aK\x01s\x8c\x01"
        "bK\x02s.",
        /* A dict subclass. */
        "ccollections\nOrderedDict\n)R(\x8c\x01"
        "aK\x01\x8c\x01"
        "bK\x02u.",
        "ccopy_reg\n_reconstructor\n(cm\nBunch\nc__builtin__\ndict\n}\x8c\x01"
        "aK\x01stR"
        "\x8c\x01"
        "bK\x02s.",
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        parsed result = parse_bytes(streams[i], strlen(streams[i]), NULL);
        const espalier_pickle_value *const dict = root_of(&result);
        const espalier_pickle_value *found = NULL;
        int64_t number = 0;
        assert_int_equal(espalier_pickle_pair_count(dict), 2);
        assert_true(espalier_pickle_text_equal(espalier_pickle_pair_key(dict, 1), "b"));
        assert_null(espalier_pickle_pair_key(dict, 2));
        assert_null(espalier_pickle_pair_value(dict, 2));
        assert_int_equal(espalier_pickle_find(result.pickle, dict, "b", &found, NULL), ESPALIER_OK);
        assert_true(espalier_pickle_get_int64(found, &number));
        assert_int_equal(number, 2);
        assert_int_equal(espalier_pickle_find(result.pickle, dict, "c", &found, NULL), ESPALIER_OK);
        assert_null(found);
        free_parsed(&result);
    }
}

static void test_duplicate_key(void **state)
{
    (void)state;
    parsed result = PARSE("}(\x8c\x01"
                          "aK\x01\x8c\x01"
                          "aK\x02u.");
    const espalier_pickle_value *found = NULL;
    espalier_error error;
    assert_int_equal(espalier_pickle_find(result.pickle, root_of(&result), "a", &found, &error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
    assert_non_null(strstr(error.message, "\"a\" twice"));
    assert_null(found);
    free_parsed(&result);
    result = PARSE("].");
    assert_int_equal(espalier_pickle_find(result.pickle, root_of(&result), "a", &found, &error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
    free_parsed(&result);
}

static void test_memo(void **state)
{
    (void)state;
    EXPECT_SEQUENCE("K\x01q\x05"
                    "0h\x05\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01r\x05\x00\x00\x00"
                    "0j\x05\x00\x00\x00\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01p5\n0g5\n\x85.", ESPALIER_PICKLE_TUPLE, 1);
    EXPECT_SEQUENCE("K\x01\x94"
                    "0h\x00\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    /* By reference: what is added later is seen through the memo. */
    EXPECT_SEQUENCE("]q\x00K\x01"
                    "a0h\x00.",
                    ESPALIER_PICKLE_LIST, 1);
    /* A repeated PUT makes no new entry, so MEMOIZE takes index 1. */
    EXPECT_SEQUENCE("K\x07q\x00q\x00"
                    "0K\x01\x94"
                    "0h\x01\x85.",
                    ESPALIER_PICKLE_TUPLE, 1);
    REFUSED("h\x00.", ESPALIER_ERROR_SOURCE_SYNTAX, "never written");
    REFUSED("K\x01q\x00j\xff\xff\xff\xff.", ESPALIER_ERROR_SOURCE_SYNTAX, "never written");
    REFUSED("K\x01r\xff\xff\xff\xff.", ESPALIER_ERROR_SOURCE_LIMIT, "memo index");
    REFUSED("K\x01p99999999999999999999\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "memo index");
    REFUSED("K\x01p-1\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "memo index");
    REFUSED("K\x01p\n.", ESPALIER_ERROR_SOURCE_SYNTAX, "memo index");
}

static void test_objects(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04\x8c\x01m\x8c\x01"
                          "C\x93K\x01\x85\x81}\x8c\x01xK\x07sb.");
    const espalier_pickle_value *const object = root_of(&result);
    const espalier_pickle_value *found = NULL;
    int64_t number = 0;
    assert_true(espalier_pickle_is(object, "m", "C"));
    assert_false(espalier_pickle_is(object, "m", "D"));
    assert_int_equal(espalier_pickle_object_how(object), ESPALIER_PICKLE_NEWOBJ);
    assert_int_equal(espalier_pickle_item_count(espalier_pickle_args(object)), 1);
    assert_null(espalier_pickle_kwargs(object));
    assert_non_null(espalier_pickle_symbol(espalier_pickle_callable(object)));
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, object, "x", &found, NULL),
                     ESPALIER_OK);
    assert_true(espalier_pickle_get_int64(found, &number));
    assert_int_equal(number, 7);
    assert_int_equal(espalier_pickle_attribute(result.pickle, object, "y", &found, NULL),
                     ESPALIER_OK);
    assert_null(found);
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, object, "y", &found,
                                                        &result.error),
                     ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    assert_non_null(strstr(result.error.message, "m.C has no attribute \"y\""));
    free_parsed(&result);

    result = PARSE("\x8c\x01m\x8c\x01"
                   "C\x93)}\x8c\x01kK\x01s\x92.");
    assert_int_equal(espalier_pickle_object_how(root_of(&result)), ESPALIER_PICKLE_NEWOBJ_EX);
    assert_int_equal(espalier_pickle_pair_count(espalier_pickle_kwargs(root_of(&result))), 1);
    free_parsed(&result);

    result = PARSE("cm\nf\nK\x01\x85R](K\x01K\x02"
                   "e\x85.");
    free_parsed(&result);
    REFUSED("\x80\x02"
            "cm\nf\nK\x01\x85RK\x01.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "2 values");
}

static void expect_class(const char *data, size_t bytes, espalier_pickle_how how, size_t args)
{
    parsed result = parse_bytes(data, bytes, NULL);
    assert_true(espalier_pickle_is(root_of(&result), "m", "C"));
    assert_int_equal(espalier_pickle_object_how(root_of(&result)), how);
    assert_int_equal(espalier_pickle_item_count(espalier_pickle_args(root_of(&result))), args);
    free_parsed(&result);
}

#define EXPECT_CLASS(literal, how, args) expect_class(literal, sizeof(literal) - 1, how, args)

static void test_copyreg_spellings(void **state)
{
    (void)state;
    EXPECT_CLASS("ccopy_reg\n_reconstructor\n(cm\nC\nc__builtin__\nobject\nNtR.",
                 ESPALIER_PICKLE_REDUCE, 3);
    EXPECT_CLASS("ccopyreg\n__newobj__\ncm\nC\nK\x01\x86R.", ESPALIER_PICKLE_NEWOBJ, 1);
    EXPECT_CLASS("ccopyreg\n__newobj_ex__\n(cm\nC\nK\x01\x85}tR.", ESPALIER_PICKLE_NEWOBJ_EX, 1);
    REFUSED("\x80\x02"
            "ccopyreg\n__newobj__\n)R.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "without a class");
    REFUSED("\x80\x02"
            "ccopyreg\n__newobj_ex__\ncm\nC\n\x85R.",
            ESPALIER_ERROR_SOURCE_SYNTAX, "instead of 3");
}

static void test_list_subclass(void **state)
{
    (void)state;
    parsed result = PARSE("cm\nL\n)\x81(K\x01K\x02"
                          "eK\x03"
                          "a}\x8c\x01xK\x09sb.");
    assert_int_equal(espalier_pickle_item_count(root_of(&result)), 3);
    const espalier_pickle_value *found = NULL;
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, root_of(&result), "x",
                                                        &found, NULL),
                     ESPALIER_OK);
    free_parsed(&result);
}

static void test_slots_state(void **state)
{
    (void)state;
    const espalier_pickle_value *found = NULL;
    parsed result = PARSE("cm\nC\n)\x81}\x8c\x01xK\x01s}\x8c\x01yK\x02s\x86"
                          "b.");
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, root_of(&result), "x",
                                                        &found, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, root_of(&result), "y",
                                                        &found, NULL),
                     ESPALIER_OK);
    free_parsed(&result);
    result = PARSE("cm\nC\n)\x81N}\x8c\x01yK\x02s\x86"
                   "b.");
    assert_int_equal(espalier_pickle_attribute_required(result.pickle, root_of(&result), "y",
                                                        &found, NULL),
                     ESPALIER_OK);
    free_parsed(&result);
    /* The same name in both is a duplicate. */
    result = PARSE("cm\nC\n)\x81}\x8c\x01xK\x01s}\x8c\x01xK\x02s\x86"
                   "b.");
    assert_int_equal(espalier_pickle_attribute(result.pickle, root_of(&result), "x", &found,
                                               &result.error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
    free_parsed(&result);
    result = PARSE("cm\nC\n)\x81K\x05"
                   "b.");
    assert_int_equal(espalier_pickle_attribute(result.pickle, root_of(&result), "x", &found,
                                               &result.error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
    assert_non_null(strstr(result.error.message, "state that is no dict"));
    free_parsed(&result);
}

static void test_info_and_trailing(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x03N.more");
    espalier_pickle_info info;
    root_of(&result);
    espalier_pickle_info_get(result.pickle, &info);
    assert_int_equal(info.protocol, 3);
    assert_int_equal(info.consumed_bytes, 4);
    assert_int_equal(info.stream_bytes, 8);
    assert_false(info.joblib);
    assert_int_equal(info.value_count, 1);
    assert_true(info.memory_bytes > 0);
    free_parsed(&result);
}

static void test_offsets(void **state)
{
    (void)state;
    parsed result = PARSE("\x80\x04](\x8c\x01"
                          "aG\x00\x00\x00\x00\x00\x00\x00\x00"
                          "e.");
    assert_int_equal(espalier_pickle_offset(root_of(&result)), 2);
    assert_int_equal(espalier_pickle_offset(espalier_pickle_item(root_of(&result), 0)), 4);
    assert_int_equal(espalier_pickle_offset(espalier_pickle_item(root_of(&result), 1)), 7);
    free_parsed(&result);
}

static void test_frames(void **state)
{
    (void)state;
    EXPECT_INT("\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x05.", 5);
    REFUSED("\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x05.", ESPALIER_ERROR_SOURCE_TRUNCATED,
            "frame of 4 bytes");
}

/* Every opcode once, so that each is also cut in its middle. */
static const char everything[] =
    "\x80\x05\x95\x0a\x00\x00\x00\x00\x00\x00\x00"
    "(NI1\nL2L\nF1.5\nS'a'\nVb\nJ\x01\x00\x00\x00K\x01M\x01\x00\x8a\x01\x01"
    "\x8b\x01\x00\x00\x00\x01G\x00\x00\x00\x00\x00\x00\x00\x00U\x01"
    "aT\x01\x00\x00\x00"
    "a"
    "X\x01\x00\x00\x00"
    "a\x8c\x01"
    "a\x8d\x01\x00\x00\x00\x00\x00\x00\x00"
    "a"
    "C\x01"
    "aB\x01\x00\x00\x00"
    "a\x8e\x01\x00\x00\x00\x00\x00\x00\x00"
    "a"
    "\x96\x01\x00\x00\x00\x00\x00\x00\x00"
    "a\x88\x89q\x00r\x01\x00\x00\x00p2\n\x94h\x00"
    "j\x01\x00\x00\x00g2\n20(1(t(l(d)]}\x8f(\x91"
    "K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87]K\x01"
    "a](e}K\x01K\x02s}(u\x8f(\x90"
    "cm\nf\n)R\x8c\x01m\x8c\x01"
    "C\x93)\x81}b\x8c\x01m\x8c\x01"
    "C\x93)}\x92t.";

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    const size_t bytes = sizeof everything - 1;
    parsed result = parse_bytes(everything, bytes, NULL);
    assert_true(espalier_pickle_item_count(root_of(&result)) > 30);
    free_parsed(&result);
    for (size_t cut = 0; cut < bytes; cut++) {
        result = parse_bytes(everything, cut, NULL);
        assert_int_not_equal(result.status, ESPALIER_OK);
        if (cut >= 64) {
            assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_TRUNCATED);
        }
        free_parsed(&result);
    }
}

/* Each byte in turn set to each value: an answer or an error, under sanitizers nothing else. */
static void test_change_every_byte(void **state)
{
    (void)state;
    char changed[sizeof everything];
    size_t refused = 0;
    for (size_t at = 0; at < sizeof everything - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(changed, everything, sizeof everything);
            changed[at] = (char)value;
            parsed result = parse_bytes(changed, sizeof everything - 1, NULL);
            refused += result.status != ESPALIER_OK ? 1 : 0;
            free_parsed(&result);
        }
    }
    assert_true(refused > sizeof everything * 100);
}

static void test_arguments(void **state)
{
    (void)state;
    espalier_pickle *pickle = NULL;
    assert_int_equal(espalier_pickle_parse(NULL, 1, NULL, &pickle, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_pickle_parse("N.", 2, NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_pickle_parse("N", 1, NULL, &pickle, NULL),
                     ESPALIER_ERROR_SOURCE_FORMAT);
    espalier_pickle_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_big_integers),
        cmocka_unit_test(test_booleans_and_none),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_floats_ignore_locale),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_utf8_is_kept_but_not_text),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_dicts),
        cmocka_unit_test(test_duplicate_key),
        cmocka_unit_test(test_memo),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_copyreg_spellings),
        cmocka_unit_test(test_list_subclass),
        cmocka_unit_test(test_slots_state),
        cmocka_unit_test(test_info_and_trailing),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_change_every_byte),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
