// SPDX-License-Identifier: Apache-2.0
/*
 * publish/sign and key: what was signed passes, what differs in one bit does not; keys with and
 * without a password; the measure of fs-verity.
 */
#include "espalier_publish.h"
#include "publish/verity.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH      "test_sign.espalier"
#define SIGNATURE PATH ESPALIER_SIGNATURE_SUFFIX
#define SECRET    "test_sign.key"
#define PUBLIC    "test_sign.pub"
#define OTHER     "test_sign.other"

static model_bytes original;
static espalier_public_key public_key;
static espalier_secret_key secret_key;

static void remove_files(void)
{
    (void)unlink(PATH);
    (void)unlink(SIGNATURE);
    (void)unlink(SECRET);
    (void)unlink(PUBLIC);
    (void)unlink(OTHER);
}

static int make_all(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 71,
                                       .tree_count = 2,
                                       .feature_count = 3,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    original = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    remove_files();
    model_bytes_write(&original, PATH);
    assert_int_equal(espalier_key_generate(PUBLIC, SECRET, NULL, NULL), ESPALIER_OK);
    assert_int_equal(espalier_public_key_read(PUBLIC, &public_key, NULL), ESPALIER_OK);
    assert_int_equal(espalier_secret_key_read(SECRET, NULL, &secret_key, NULL), ESPALIER_OK);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    model_bytes_free(&original);
    espalier_secret_key_wipe(&secret_key);
    remove_files();
    return 0;
}

static espalier_signature_policy policy_of(const char *name, const char *version)
{
    espalier_signature_policy policy = ESPALIER_SIGNATURE_POLICY_INIT;
    policy.key = &public_key;
    policy.model_name = name;
    policy.model_version = version;
    return policy;
}

static espalier_status verify(const char *name, const char *version, espalier_signed *claims,
                              espalier_error *error)
{
    const espalier_signature_policy policy = policy_of(name, version);
    return espalier_signature_verify(PATH, NULL, &policy, claims, error);
}

static void read_text(const char *path, char text[1024])
{
    FILE *const stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_true(fread(text, 1, 1023, stream) > 0);
    assert_int_equal(fclose(stream), 0);
}

static void test_what_was_signed_passes(void **state)
{
    (void)state;
    espalier_signed claims;
    espalier_error error;
    assert_int_equal(espalier_sign(PATH, &secret_key, "fraud Z\xc3\xbcrich 100%", "2026.05", NULL,
                                   &error),
                     ESPALIER_OK);
    assert_int_equal(verify(NULL, NULL, &claims, &error), ESPALIER_OK);
    espalier_file_header header;
    memcpy(&header, original.data, sizeof header);
    assert_memory_equal(claims.root_digest, header.root_digest, sizeof claims.root_digest);
    assert_int_equal(claims.file_bytes, original.bytes);
    assert_string_equal(claims.model_name, "fraud Z\xc3\xbcrich 100%");
    assert_string_equal(claims.model_version, "2026.05");
    assert_int_equal(verify("fraud Z\xc3\xbcrich 100%", "2026.05", NULL, &error), ESPALIER_OK);
    assert_int_equal(verify("fraud", NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    assert_non_null(strstr(error.message, "'fraud' is wanted"));
    assert_int_equal(verify(NULL, "2026.06", NULL, &error), ESPALIER_ERROR_SIGNATURE);
    assert_non_null(strstr(error.message, "'2026.06' is wanted"));
    /* Where fs-verity does not vouch for the file, it is read. */
    espalier_signature_policy policy = policy_of(NULL, NULL);
    policy.flags = ESPALIER_SIGNATURE_VERITY;
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), ESPALIER_OK);
    /* Deterministic: Ed25519 needs no random numbers. */
    assert_int_equal(espalier_sign(PATH, &secret_key, NULL, NULL, NULL, &error), ESPALIER_OK);
    assert_int_equal(espalier_sign(PATH, &secret_key, NULL, NULL, OTHER, &error), ESPALIER_OK);
    char texts[2][1024] = {{0}, {0}};
    read_text(SIGNATURE, texts[0]);
    read_text(OTHER, texts[1]);
    assert_string_equal(texts[0], texts[1]);
}

/* Changes the byte of a file by `flip`. */
static void change_byte(const char *path, off_t place, uint8_t flip)
{
    uint8_t byte = 0;
    const int descriptor = open(path, O_RDWR);
    assert_true(descriptor >= 0);
    assert_int_equal(pread(descriptor, &byte, 1, place), 1);
    byte ^= flip;
    assert_int_equal(pwrite(descriptor, &byte, 1, place), 1);
    assert_int_equal(close(descriptor), 0);
}

static void test_one_changed_bit_is_refused(void **state)
{
    (void)state;
    espalier_error error;
    assert_int_equal(espalier_sign(PATH, &secret_key, "m", "1", NULL, NULL), ESPALIER_OK);
    /* Header and table whole; behind them, where all bytes are alike to a hash, every third. */
    for (size_t i = 0; i < original.bytes; i += i < 2048 ? 1 : 3) {
        const uint8_t flip = (uint8_t)(1u << (i % 8));
        change_byte(PATH, (off_t)i, flip);
        if (verify(NULL, NULL, NULL, &error) != ESPALIER_ERROR_SIGNATURE) {
            fail_msg("byte %zu", i);
        }
        change_byte(PATH, (off_t)i, flip);
    }
    assert_int_equal(verify(NULL, NULL, NULL, NULL), ESPALIER_OK);
    assert_int_equal(truncate(PATH, (off_t)original.bytes - 1), 0);
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    assert_non_null(strstr(error.message, "were signed"));
    (void)unlink(PATH);
    model_bytes_write(&original, PATH);
}

static void test_a_changed_signature_is_refused(void **state)
{
    (void)state;
    struct stat facts;
    assert_int_equal(espalier_sign(PATH, &secret_key, "m", "1", NULL, NULL), ESPALIER_OK);
    assert_int_equal(stat(SIGNATURE, &facts), 0);
    const off_t comment_end = (off_t)strlen("untrusted comment: signature of an Espalier model");
    for (off_t i = 0; i < facts.st_size; i++) {
        for (unsigned bit = 0; bit < 8; bit += i % 2 == 0 ? 1 : 7) { /* each, or both ends */
            change_byte(SIGNATURE, i, (uint8_t)(1u << bit));
            const espalier_status status = verify(NULL, NULL, NULL, NULL);
            /* The untrusted comment is just that, unless it becomes a line's end or no text. */
            if (status != ESPALIER_ERROR_SIGNATURE && (status != ESPALIER_OK || i >= comment_end)) {
                fail_msg("byte %ld, bit %u: %s", (long)i, bit, espalier_status_name(status));
            }
            change_byte(SIGNATURE, i, (uint8_t)(1u << bit));
        }
    }
    assert_int_equal(truncate(SIGNATURE, facts.st_size / 2), 0);
    assert_int_equal(verify(NULL, NULL, NULL, NULL), ESPALIER_ERROR_SIGNATURE);
    assert_int_equal(unlink(SIGNATURE), 0);
    assert_int_equal(verify(NULL, NULL, NULL, NULL), ESPALIER_ERROR_OPEN);
}

/* A signature that minisign could have made of any file says nothing of a model. */
static void test_another_key_and_another_comment_are_refused(void **state)
{
    (void)state;
    espalier_error error;
    espalier_secret_key other = secret_key;
    (void)crypto_sign_keypair((uint8_t[32]){0}, other.key);
    assert_int_equal(espalier_sign(PATH, &other, "m", "1", NULL, NULL), ESPALIER_OK);
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    other = secret_key;
    other.id[0] ^= 1;
    assert_int_equal(espalier_sign(PATH, &other, "m", "1", NULL, NULL), ESPALIER_OK);
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    assert_non_null(strstr(error.message, "made with key"));
    assert_int_equal(espalier_sign(PATH, &secret_key, "a\nb", "1", NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_sign(PATH, NULL, "a", "1", NULL, &error), ESPALIER_ERROR_ARGUMENT);
    char name[82];
    memset(name, 'n', 81);
    name[81] = '\0';
    assert_int_equal(espalier_sign(PATH, &secret_key, name, "1", NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_sign(PATH, &secret_key, name + 1, name + 1, NULL, &error),
                     ESPALIER_OK);
    assert_int_equal(verify(name + 1, name + 1, NULL, &error), ESPALIER_OK);
    memset(name, ' ', 81); /* the longest when escaped */
    assert_int_equal(espalier_sign(PATH, &secret_key, name + 1, name + 1, NULL, &error),
                     ESPALIER_OK);
    assert_int_equal(verify(name + 1, name + 1, NULL, &error), ESPALIER_OK);
}

static void test_keys(void **state)
{
    (void)state;
    espalier_error error;
    espalier_secret_key secret;
    espalier_public_key key;
    struct stat facts;
    assert_int_equal(stat(SECRET, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    /* Files that are there stay. */
    assert_int_equal(espalier_key_generate(PUBLIC, SECRET, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_key_generate(PUBLIC, OTHER, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(access(OTHER, F_OK), unlink(OTHER)); /* half a pair is taken back */
    assert_int_equal(unlink(SECRET), 0);
    assert_int_equal(unlink(PUBLIC), 0);
    assert_int_equal(espalier_key_generate(PUBLIC, SECRET, "open sesame", &error), ESPALIER_OK);
    assert_int_equal(espalier_secret_key_read(SECRET, NULL, &secret, &error), ESPALIER_ERROR_KEY);
    assert_non_null(strstr(error.message, "needs its password"));
    assert_int_equal(espalier_secret_key_read(SECRET, "sesame", &secret, &error),
                     ESPALIER_ERROR_KEY);
    assert_non_null(strstr(error.message, "wrong password"));
    assert_int_equal(espalier_secret_key_read(SECRET, "open sesame", &secret, &error), ESPALIER_OK);
    assert_int_equal(espalier_public_key_read(PUBLIC, &key, &error), ESPALIER_OK);
    assert_memory_equal(secret.id, key.id, sizeof key.id);
    assert_memory_equal(secret.key + 32, key.key, sizeof key.key); /* libsodium's second half */
    espalier_secret_key_wipe(&secret);
    assert_int_equal(espalier_public_key_read(SECRET, &key, &error), ESPALIER_ERROR_KEY);
    assert_int_equal(espalier_secret_key_read(PUBLIC, NULL, &secret, &error), ESPALIER_ERROR_KEY);
    assert_int_equal(espalier_public_key_read(PATH, &key, &error), ESPALIER_ERROR_KEY);
    assert_int_equal(espalier_public_key_read(".", &key, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(espalier_public_key_parse("RW", &key), ESPALIER_ERROR_KEY);
    assert_int_equal(espalier_public_key_parse(NULL, &key), ESPALIER_ERROR_ARGUMENT);
}

/* A file with the key's record where two numbers say what its password costs. */
static void write_costs(const char *text, uint64_t operations, uint64_t memory)
{
    uint8_t record[158];
    char line[256];
    size_t bytes = 0;
    const char *const second = strchr(text, '\n') + 1;
    assert_int_equal(sodium_base642bin(record, sizeof record, second, strcspn(second, "\n"), NULL,
                                       &bytes, NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(bytes, sizeof record);
    for (unsigned i = 0; i < 8; i++) {
        record[38 + i] = (uint8_t)(operations >> (8 * i));
        record[46 + i] = (uint8_t)(memory >> (8 * i));
    }
    (void)sodium_bin2base64(line, sizeof line, record, sizeof record,
                            sodium_base64_VARIANT_ORIGINAL);
    FILE *const stream = fopen(OTHER, "wb");
    assert_non_null(stream);
    assert_true(fprintf(stream, "untrusted comment: key\n%s\n", line) > 0);
    assert_int_equal(fclose(stream), 0);
}

/* Whoever wrote the file decides what trying a password costs; up to what minisign itself asks. */
static void test_a_key_that_asks_for_too_much(void **state)
{
    (void)state;
    static const uint64_t costs[][2] = {{(UINT64_C(1) << 25) + 1, 1 << 24},
                                        {UINT64_MAX, 1 << 24},
                                        {1 << 15, (UINT64_C(1) << 30) + 1},
                                        {1 << 15, UINT64_MAX}};
    char text[1024] = {0};
    espalier_error error;
    espalier_secret_key secret;
    assert_int_equal(unlink(SECRET), 0);
    assert_int_equal(unlink(PUBLIC), 0);
    assert_int_equal(espalier_key_generate(PUBLIC, SECRET, "open sesame", &error), ESPALIER_OK);
    read_text(SECRET, text);
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        write_costs(text, costs[i][0], costs[i][1]);
        assert_int_equal(espalier_secret_key_read(OTHER, "open sesame", &secret, &error),
                         ESPALIER_ERROR_KEY);
        assert_non_null(strstr(error.message, "more time or memory"));
    }
    write_costs(text, 1 << 15, 1 << 24); /* little is allowed; it is another key then */
    assert_int_equal(espalier_secret_key_read(OTHER, "open sesame", &secret, &error),
                     ESPALIER_ERROR_KEY);
    assert_non_null(strstr(error.message, "wrong password"));
    assert_int_equal(unlink(OTHER), 0);
}

/* A key that minisign 0.11 made, of the text on its page. */
static void test_a_key_of_minisign(void **state)
{
    (void)state;
    espalier_public_key key;
    assert_int_equal(
        espalier_public_key_parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", &key),
        ESPALIER_OK);
    assert_int_equal(key.id[0], 0x1f);
    assert_int_equal(key.id[7], 0xe7);
}

static void write_file(size_t bytes)
{
    FILE *const stream = fopen(OTHER, "wb");
    assert_non_null(stream);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(fputc((int)(i * 7 % 251), stream), (int)(i * 7 % 251));
    }
    assert_int_equal(fclose(stream), 0);
}

/* The measures that fsverity-utils 1.5 gives for these files. */
static void test_measures_of_fs_verity(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        const char *measure;
    } known[] = {
        {0, "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"},
        {1, "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551"},
        {4096, "258b680fa93e3bfc1586d9b439d29a2172bd0db550fe7da1272fd8120d801182"},
        {4097, "0328cc6ed983dc0df3103b9651098ab305e4adfae46a1a5814b6602b0630293d"},
        {20000, "c3f5ac9afffa7a3f3fc5ba73116f727a2ca3cc488cde8451eab771e655982d4c"},
        {524288, "e1389416027616e5a91f01961c0d159871f5c6afaf577d6e3b9d815f916fbde0"},
        {524289, "00023924223dbf3c1f1095d9f0fb02546dc2d8ea7032445ad216eab168faa3bb"},
        {1585152, "ba648ea011fefeeb087b5e7d2151e3f03b3d40bfaf2d95891f6ebf5398d8fcd5"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint8_t digest[32];
        char text[65];
        write_file(known[i].bytes);
        const int descriptor = open(OTHER, O_RDONLY);
        assert_int_equal(espalier_verity_digest(descriptor, OTHER, digest, NULL), ESPALIER_OK);
        (void)sodium_bin2hex(text, sizeof text, digest, sizeof digest);
        assert_string_equal(text, known[i].measure);
        /* What the system measures is the same, where it can. */
        if (espalier_verity_enable(descriptor)) {
            uint8_t measure[32];
            assert_true(espalier_verity_measure(descriptor, measure));
            assert_memory_equal(measure, digest, sizeof digest);
        }
        assert_int_equal(close(descriptor), 0);
        assert_int_equal(unlink(OTHER), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_signed_passes),
        cmocka_unit_test(test_one_changed_bit_is_refused),
        cmocka_unit_test(test_a_changed_signature_is_refused),
        cmocka_unit_test(test_another_key_and_another_comment_are_refused),
        cmocka_unit_test(test_a_key_of_minisign),
        cmocka_unit_test(test_measures_of_fs_verity),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_key_that_asks_for_too_much),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
