// SPDX-License-Identifier: Apache-2.0
/*
 * What the pickle reader refuses: unknown and forbidden opcodes, confused stacks, and streams built
 * to exhaust memory, stack or time.
 */
#include "tests/unit/test_pickle.h"

#include <stdio.h>
#include <time.h>

/* A stream under construction. */
typedef struct growing {
    char *data;
    size_t bytes;
    size_t capacity;
} growing;

static void add(growing *stream, const void *data, size_t bytes)
{
    if (stream->bytes + bytes > stream->capacity) {
        stream->capacity = (stream->bytes + bytes) * 2;
        stream->data = realloc(stream->data, stream->capacity);
        assert_non_null(stream->data);
    }
    memcpy(stream->data + stream->bytes, data, bytes);
    stream->bytes += bytes;
}

#define ADD(stream, literal) add(stream, literal, sizeof(literal) - 1)

static void expect_stream(growing *stream, espalier_status status, const char *words)
{
    expect_refused(stream->data, stream->bytes, status, words);
    free(stream->data);
}

static void test_forbidden_opcodes(void **state)
{
    (void)state;
    const espalier_status unsupported = ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    REFUSED("\x80\x02(im\nC\n.", unsupported, "old-style class");
    REFUSED("\x80\x02(cm\nC\no.", unsupported, "old-style class");
    REFUSED("\x80\x02(o.", ESPALIER_ERROR_SOURCE_SYNTAX, "without a class");
    REFUSED("\x80\x02Pid\n.", unsupported, "persistent id");
    REFUSED("\x80\x02NQ.", unsupported, "persistent id");
    REFUSED("\x80\x02\x82\x01.", unsupported, "extension code");
    REFUSED("\x80\x02\x83\x01\x00.", unsupported, "extension code");
    REFUSED("\x80\x02\x84\x01\x00\x00\x00.", unsupported, "extension code");
    REFUSED("\x80\x05\x97.", unsupported, "out-of-band");
    REFUSED("\x80\x05\x98.", unsupported, "out-of-band");
    REFUSED("\x80\x06N.", unsupported, "protocol 6");
}

static void test_unknown_opcodes(void **state)
{
    (void)state;
    static const char known[] = "(.012FIJKLMNPQRSTUVXabcd}eghijl]opqrst)uGBC";
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if ((opcode >= 0x80 && opcode <= 0x98) || (opcode != 0 && strchr(known, (int)opcode))) {
            continue;
        }
        const char stream[] = {'\x80', '\x02', (char)opcode, '.'};
        char words[32];
        snprintf(words, sizeof words, "0x%02x is no pickle opcode", opcode);
        expect_refused(stream, sizeof stream, ESPALIER_ERROR_SOURCE_SYNTAX, words);
    }
}

static void test_confused_stack(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    static const char *const too_few[] = {
        "\x80\x02"
        "0.",
        "\x80\x02"
        "2.",
        "\x80\x02"
        "a.",
        "\x80\x02]a.",
        "\x80\x02}K\x01s.",
        "\x80\x02R.",
        "\x80\x02)R.",
        "\x80\x02\x81.",
        "\x80\x02\x92.",
        "\x80\x02\x93.",
        "\x80\x02\x85.",
        "\x80\x02N\x86.",
        "\x80\x02NN\x87.",
        "\x80\x02"
        "b.",
        "\x80\x02Nb.",
        "\x80\x02q\x07.",
        "\x80\x02\x94.",
        /* Behind a mark everything below it is out of reach. */
        "\x80\x02]N(a.",
        "\x80\x02N(\x85.",
        "\x80\x02"
        "cm\nf\n)(R.",
    };
    for (size_t i = 0; i < sizeof too_few / sizeof too_few[0]; i++) {
        expect_refused(too_few[i], strlen(too_few[i]), syntax, "too few values");
    }
    static const char *const no_mark[] = {"\x80\x02t.",
                                          "\x80\x02l.",
                                          "\x80\x02"
                                          "d.",
                                          "\x80\x02]e.",
                                          "\x80\x02}u.",
                                          "\x80\x02\x8f\x90.",
                                          "\x80\x02\x91.",
                                          "\x80\x02"
                                          "1.",
                                          "\x80\x02io\no\n."};
    for (size_t i = 0; i < sizeof no_mark / sizeof no_mark[0]; i++) {
        expect_refused(no_mark[i], strlen(no_mark[i]), syntax, "no mark");
    }
    REFUSED("\x80\x02(K\x01"
            "e.",
            syntax, "no container");
    REFUSED("\x80\x02(.", syntax, "mark left");
    REFUSED("\x80\x02.", syntax, "0 values");
    REFUSED("\x80\x02NN.", syntax, "2 values");
}

static void test_wrong_operands(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    REFUSED("\x80\x02K\x01K\x02"
            "a.",
            syntax, "added to a int");
    REFUSED("\x80\x02)K\x02"
            "a.",
            syntax, "added to a tuple");
    REFUSED("\x80\x02]K\x01K\x02s.", syntax, "added to a list");
    REFUSED("\x80\x02(\x91(K\x01\x90.", syntax, "frozenset");
    REFUSED("\x80\x02](K\x01\x90.", syntax, "added to a list");
    REFUSED("\x80\x02}(K\x01u.", syntax, "without a value");
    REFUSED("\x80\x02(K\x01"
            "d.",
            syntax, "without a value");
    REFUSED("\x80\x02}]K\x01s.", syntax, "hashed");
    REFUSED("\x80\x02}}K\x01s.", syntax, "hashed");
    REFUSED("\x80\x02}\x8fK\x01s.", syntax, "hashed");
    REFUSED("\x80\x02K\x01)R.", syntax, "cannot be called");
    REFUSED("\x80\x02"
            "cm\nf\n]R.",
            syntax, "no tuple");
    REFUSED("\x80\x02"
            "cm\nf\n]\x81.",
            syntax, "no tuple");
    REFUSED("\x80\x02"
            "cm\nf\n))\x92.",
            syntax, "no dict");
    REFUSED("\x80\x02NN\x93.", syntax, "no text");
    REFUSED("\x80\x02K\x01}b.", syntax, "BUILD on a value");
    REFUSED("\x80\x02}}b.", syntax, "BUILD on a value");
    REFUSED("\x80\x02"
            "cm\nf\n}b.",
            syntax, "BUILD on a value");
    REFUSED("\x80\x02"
            "cm\nf\n)\x81}b}b.",
            syntax, "second BUILD");
    REFUSED("\x80\x02I\n.", syntax, "no digits");
    REFUSED("\x80\x02I-\n.", syntax, "no digits");
    REFUSED("\x80\x02I1x\n.", syntax, "digits");
    REFUSED("\x80\x02I0x10\n.", syntax, "digits");
    REFUSED("\x80\x02L1 \n.", syntax, "digits");
    REFUSED("\x80\x02\x8b\xff\xff\xff\xff.", syntax, "negative length");
}

/* Lengths of up to 2^63 and beyond must be refused before anything is taken. */
static void test_huge_lengths(void **state)
{
    (void)state;
    const espalier_status truncated = ESPALIER_ERROR_SOURCE_TRUNCATED;
    REFUSED("\x80\x04\x8e\x00\x00\x00\x00\x00\x00\x00\x80"
            "abc.",
            truncated, "9223372036854775808 bytes");
    REFUSED("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\xff"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04"
            "B\xff\xff\xff\xff"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04X\xff\xff\xff\xff"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04\x8b\xff\xff\xff\x7f"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04T\xff\xff\xff\x7f"
            "abc.",
            truncated, "length of");
    REFUSED("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", truncated, "frame of");
}

static void test_long_lines(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02I");
    for (size_t i = 0; i < 4301; i++) {
        ADD(&stream, "1");
    }
    ADD(&stream, "\n.");
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "4300 digits");
    stream = (growing){0};
    ADD(&stream, "\x80\x02"
                 "cm");
    for (size_t i = 0; i < 70000; i++) {
        ADD(&stream, "m");
    }
    ADD(&stream, "\nf\n.");
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "line of more than 65536");
    stream = (growing){0};
    ADD(&stream, "\x80\x02"
                 "cm");
    for (size_t i = 0; i < 1024; i++) {
        ADD(&stream, "m");
    }
    ADD(&stream, "\nf\n.");
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "name of more than 1024");
    /* A text of any length is data, not a name. */
    stream = (growing){0};
    ADD(&stream, "\x80\x02V");
    for (size_t i = 0; i < 70000; i++) {
        ADD(&stream, "m");
    }
    ADD(&stream, "\n.");
    parsed result = parse_bytes(stream.data, stream.bytes, NULL);
    espalier_pickle_slice text = {NULL, 0};
    assert_true(espalier_pickle_get_text(root_of(&result), &text));
    assert_int_equal(text.bytes, 70000);
    free_parsed(&result);
    free(stream.data);
}

/* A million levels parse (nothing recurses), and a visitor with a depth limit stops. */
static void test_nested_a_million_deep(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02)");
    for (size_t i = 0; i < 1000000; i++) {
        ADD(&stream, "\x85");
    }
    ADD(&stream, ".");
    parsed result = parse_bytes(stream.data, stream.bytes, NULL);
    espalier_pickle_visit visit;
    const espalier_pickle_value *value = root_of(&result);
    espalier_pickle_visit_start(result.pickle, 0, &visit);
    espalier_status status = ESPALIER_OK;
    size_t depth = 0;
    while (status == ESPALIER_OK) {
        status = espalier_pickle_visit_enter(result.pickle, &visit, value, &result.error);
        value = espalier_pickle_item(value, 0);
        depth++;
    }
    assert_int_equal(status, ESPALIER_ERROR_SOURCE_LIMIT);
    assert_int_equal(depth, 65);
    assert_non_null(strstr(result.error.message, "64 deep"));
    free_parsed(&result);
    free(stream.data);

    /* Marks have their own limit, the stack too. */
    stream = (growing){0};
    ADD(&stream, "\x80\x02");
    for (size_t i = 0; i < 1000000; i++) {
        ADD(&stream, "(");
    }
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "10000 marks");
    stream = (growing){0};
    ADD(&stream, "\x80\x02");
    for (size_t i = 0; i < 1000001; i++) {
        ADD(&stream, "N");
    }
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "1000000 values on the stack");
}

/* Thirty lists, each holding the one before twice: 2^30 items if somebody walks them all. */
static void test_memo_bomb(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02]q\x00"
                 "0");
    for (char i = 0; i < 30; i++) {
        const char level[] = {']', '(', 'h', i, 'h', i, 'e', 'q', (char)(i + 1), '0'};
        add(&stream, level, sizeof level);
    }
    ADD(&stream, "h\x1e.");
    parsed result = parse_bytes(stream.data, stream.bytes, NULL);
    const espalier_pickle_value *list = root_of(&result);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(espalier_pickle_item_count(list), 2);
        assert_ptr_equal(espalier_pickle_item(list, 0), espalier_pickle_item(list, 1));
        list = espalier_pickle_item(list, 1);
    }
    assert_int_equal(espalier_pickle_item_count(list), 0);
    espalier_pickle_visit visit;
    espalier_pickle_visit_start(result.pickle, 0, &visit);
    size_t visits = 0;
    while (espalier_pickle_visit_enter(result.pickle, &visit, list, &result.error) == ESPALIER_OK) {
        espalier_pickle_visit_leave(&visit);
        visits++;
    }
    assert_true(visits < 2048);
    assert_non_null(strstr(result.error.message, "expands"));
    free_parsed(&result);
    free(stream.data);
}

static void test_self_reference(void **state)
{
    (void)state;
    parsed result = PARSE("]q\x00h\x00"
                          "a.");
    assert_ptr_equal(espalier_pickle_item(root_of(&result), 0), root_of(&result));
    free_parsed(&result);
    /* An object that is its own state. */
    result = PARSE("\x80\x02"
                   "cm\nC\n)\x81q\x00h\x00"
                   "b.");
    const espalier_pickle_value *found = NULL;
    assert_int_equal(espalier_pickle_attribute(result.pickle, root_of(&result), "x", &found,
                                               &result.error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
    free_parsed(&result);
    /* A flagged call whose argument holds itself is still rendered. */
    REFUSED("\x80\x02"
            "cos\nsystem\n]q\x00h\x00"
            "a\x85R.",
            ESPALIER_ERROR_SOURCE_FLAGGED, "os.system([[[");
}

/* Values that cost more than the stream that made them end at the limit. */
static void test_memory_limit(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02(");
    for (size_t i = 0; i < 400000; i++) {
        ADD(&stream, "]0");
    }
    ADD(&stream, "t.");
    espalier_pickle_options options = {.memory_bytes_max = 4 << 20};
    parsed result = parse_bytes(stream.data, stream.bytes, &options);
    assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_LIMIT);
    assert_non_null(strstr(result.error.message, "4194304 bytes of memory"));
    free_parsed(&result);
    options.memory_bytes_max = 0;
    result = parse_bytes(stream.data, stream.bytes, &options);
    assert_int_equal(espalier_pickle_item_count(root_of(&result)), 0);
    free_parsed(&result);
    free(stream.data);
    /* Too little for even the machine itself. */
    options.memory_bytes_max = 100;
    result = parse_bytes("N.", 2, &options);
    assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_LIMIT);
    free_parsed(&result);
}

/* One text, decoded from latin-1 a million times: copies count, ASCII is scanned once. */
static void test_repeated_decoding(void **state)
{
    (void)state;
    for (int ascii = 0; ascii < 2; ascii++) {
        growing stream = {0};
        ADD(&stream, "\x80\x02"
                     "c_codecs\nencode\nq\x00X\x00\x00\x08\x00");
        for (size_t i = 0; i < 0x80000 / 2; i++) {
            add(&stream, ascii ? "aa" : "\xc3\xa9", 2);
        }
        ADD(&stream, "\x8c\x06latin1\x86q\x01"
                     "0"
                     "0");
        for (size_t i = 0; i < 100000; i++) {
            ADD(&stream, "h\x00h\x01R0");
        }
        ADD(&stream, "N.");
        const clock_t start = clock();
        parsed result = parse_bytes(stream.data, stream.bytes, NULL);
        assert_int_equal(result.status, ascii ? ESPALIER_OK : ESPALIER_ERROR_SOURCE_LIMIT);
        assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
        free_parsed(&result);
        free(stream.data);
    }
}

static void test_too_many_names(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02");
    for (unsigned i = 0; i < 16385; i++) {
        char name[32];
        const int bytes = snprintf(name, sizeof name, "cm\nf%u\n0", i);
        add(&stream, name, (size_t)bytes);
    }
    ADD(&stream, "N.");
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "16384 distinct names");
}

/* One state of 64 fields, in the order that costs most, built into dtypes without end. */
static void test_too_many_dtypes(void **state)
{
    (void)state;
    growing stream = {0};
    char text[64];
    ADD(&stream, "\x80\x04(");
    for (unsigned i = 0; i < 64; i++) {
        const int bytes = snprintf(text, sizeof text, "\x8c\x02%02u", i);
        add(&stream, text, (size_t)bytes);
    }
    ADD(&stream, "tq\x00"
                 "0}(");
    for (unsigned i = 64; i > 0; i--) {
        const int bytes = snprintf(text, sizeof text,
                                   "\x8c\x02%02u"
                                   "cnumpy\ndtype\n\x8c\x02i8\x85RI0\n\x86",
                                   i - 1);
        add(&stream, text, (size_t)bytes);
    }
    ADD(&stream, "uq\x01"
                 "0cnumpy\ndtype\nq\x02"
                 "0\x8c\x02V8\x85q\x03"
                 "0(K\x03\x8c\x01|Nh\x00h\x01K\x08K\x08K\x10tq\x04"
                 "0");
    for (size_t i = 0; i < 3000; i++) {
        ADD(&stream, "h\x02h\x03Rh\x04"
                     "b0");
    }
    ADD(&stream, "N.");
    expect_stream(&stream, ESPALIER_ERROR_SOURCE_LIMIT, "more dtypes with fields");
}

static void test_too_many_attributes(void **state)
{
    (void)state;
    growing stream = {0};
    ADD(&stream, "\x80\x02"
                 "cm\nC\n)\x81}(");
    for (unsigned i = 0; i < 513; i++) {
        char name[16];
        const int bytes = snprintf(name, sizeof name, "I%u\nN", i);
        add(&stream, name, (size_t)bytes);
    }
    ADD(&stream, "ub.");
    parsed result = parse_bytes(stream.data, stream.bytes, NULL);
    const espalier_pickle_value *found = NULL;
    assert_int_equal(espalier_pickle_attribute(result.pickle, root_of(&result), "x", &found,
                                               &result.error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    free_parsed(&result);
    free(stream.data);
}

/* Files of other kinds are named, not parsed. */
static void test_other_kinds(void **state)
{
    (void)state;
    const espalier_status format = ESPALIER_ERROR_SOURCE_FORMAT;
    const espalier_status unsupported = ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    expect_refused("", 0, format, "empty");
    REFUSED("Hello, this is a letter.\n", format, "text file");
    REFUSED("col_a,col_b\n1,2\n", format, "text file");
    REFUSED("PK\x03\x04....schema.json....", unsupported, "skops");
    REFUSED("PK\x03\x04....archive/data.pkl....", format, "PyTorch");
    REFUSED("PK\x03\x04....x.npy....", format, "NumPy arrays");
    REFUSED("PK\x03\x04....", format, "zip archive");
    REFUSED("{\"learner\":{}}", unsupported, "XGBoost");
    REFUSED("{L\0\0\0\0\0\0\0\x07learner{", unsupported, "UBJSON");
    REFUSED("binf\0\0\0\0", unsupported, "XGBoost");
    REFUSED("bs64 AAAA", unsupported, "XGBoost");
    REFUSED("CONFIG-offset:\0\0", unsupported, "XGBoost");
    REFUSED("tree\nversion=v4\n", unsupported, "LightGBM");
    REFUSED("tree\r\nversion=v4\r\n", unsupported, "LightGBM");
    REFUSED("{\"name\":\"tree\",\"tree_info\":[]}", unsupported, "LightGBM dump");
    REFUSED("CBM1\0\0\0\0", unsupported, "CatBoost");
    REFUSED("{\"features_info\":{}}", unsupported, "CatBoost");
    REFUSED("{\"a\":1}", format, "JSON");
    REFUSED("\x08\x08\x12\x07skl2onnx", unsupported, "ONNX");
    REFUSED("\x04\0\0\0\x03\0\0\0\0\0\0\0\x02\x02", unsupported, "treelite");
    REFUSED("\x93NUMPY\x01\x00", format, "NumPy array file");
    REFUSED("\x89"
            "ESP\r\n\x1a\n....",
            format, "already an Espalier model");
    REFUSED("\x89HDF\r\n\x1a\n", format, "HDF5");
    REFUSED("version https://git-lfs.github.com/spec/v1\n", format, "Git LFS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden_opcodes),     cmocka_unit_test(test_unknown_opcodes),
        cmocka_unit_test(test_confused_stack),        cmocka_unit_test(test_wrong_operands),
        cmocka_unit_test(test_huge_lengths),          cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_nested_a_million_deep), cmocka_unit_test(test_memo_bomb),
        cmocka_unit_test(test_self_reference),        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_repeated_decoding),     cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_too_many_dtypes),       cmocka_unit_test(test_too_many_attributes),
        cmocka_unit_test(test_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
