// SPDX-License-Identifier: Apache-2.0
/*
 * publish/sign and key: what was signed passes, what differs in one bit does not; keys with and
 * without a password; the measure of fs-verity.
 *
 * pread and ioctl are defined here, so the library's calls come through this program: reads are
 * counted, a file can change between two of them, and a file system can vouch for a file.
 */
#include "espalier_publish.h"
#include "publish/digest.h"
#include "publish/sign.h"
#include "tests/support/model_bytes.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH      "test_sign.espalier"
#define SIGNATURE PATH ESPALIER_SIGNATURE_SUFFIX
#define SECRET    "test_sign.key"
#define PUBLIC    "test_sign.pub"
#define OTHER     "test_sign.other"

static struct {
    uint64_t bytes; /* read so far */
    off_t changing; /* the byte that somebody changes once it was read behind the head; 0: none */
} reads;

ssize_t pread(int descriptor, void *data, size_t bytes, off_t offset)
{
    const ssize_t got = (ssize_t)syscall(SYS_pread64, descriptor, data, bytes, offset);
    reads.bytes += got > 0 ? (uint64_t)got : 0;
    if (reads.changing > 0 && offset > 0 && offset <= reads.changing &&
        reads.changing < offset + got) {
        const uint8_t byte = ((const uint8_t *)data)[reads.changing - offset] ^ 4u;
        const int writable = open(PATH, O_WRONLY);
        assert_true(writable >= 0);
        assert_int_equal(pwrite(writable, &byte, 1, reads.changing), 1);
        assert_int_equal(close(writable), 0);
        reads.changing = 0;
    }
    return got;
}

/* The measure that fs-verity has of every file; NULL: what the system says. */
static const uint8_t *vouched;

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *const argument = va_arg(more, void *);
    va_end(more);
    if (request != (unsigned long)FS_IOC_MEASURE_VERITY || vouched == NULL) {
        return (int)syscall(SYS_ioctl, descriptor, request, argument);
    }
    struct fsverity_digest head;
    memcpy(&head, argument, sizeof head);
    assert_true(head.digest_size >= 32);
    head.digest_algorithm = FS_VERITY_HASH_ALG_SHA256;
    head.digest_size = 32;
    memcpy(argument, &head, sizeof head);
    memcpy((uint8_t *)argument + sizeof head, vouched, 32);
    return 0;
}

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
    const espalier_status status = espalier_signature_verify(PATH, NULL, &policy, claims, error);
    assert_true(status == ESPALIER_OK || error == NULL || error->format_rule == 0);
    return status;
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
    /* Who reads the file can read what it says. */
    char texts[2][1024] = {{0}, {0}};
    read_text(SIGNATURE, texts[0]);
    assert_non_null(strstr(texts[0], " name=fraud%20Z%c3%bcrich%20100%25 version=2026.05\n"));
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
    memset(texts, 0, sizeof texts);
    read_text(SIGNATURE, texts[0]);
    read_text(OTHER, texts[1]);
    assert_string_equal(texts[0], texts[1]);
    /* One that lies elsewhere is found where the caller says. */
    assert_int_equal(unlink(SIGNATURE), 0);
    policy.flags = 0;
    assert_int_equal(espalier_signature_verify(PATH, OTHER, &policy, NULL, &error), ESPALIER_OK);
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(unlink(OTHER), 0);
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

/* The bytes that a call reads of a file of 100 KiB, which is 6 times the first read. */
static void test_a_file_is_read_once(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 72,
                                       .tree_count = 60,
                                       .feature_count = 3,
                                       .decision_count_max = 150,
                                       .group_count = 1,
                                       .class_count = 2};
    espalier_forest forest;
    espalier_error error;
    synthetic_forest_make(&options, &forest);
    model_bytes large = model_bytes_of(&forest, 2);
    espalier_forest_free(&forest);
    assert_true(large.bytes > 100000);
    (void)unlink(PATH);
    model_bytes_write(&large, PATH);
    /* The first read may reach behind the private sections, and a signature is short. */
    const uint64_t most = large.bytes + 16384 + 1024;
    reads.bytes = 0;
    assert_int_equal(espalier_sign(PATH, &secret_key, "m", "1", NULL, &error), ESPALIER_OK);
    assert_in_range(reads.bytes, large.bytes, most);
    espalier_signature_policy policy = policy_of(NULL, NULL);
    for (unsigned i = 0; i < 2; i++) {
        policy.flags = i == 0 ? 0 : ESPALIER_SIGNATURE_DIGESTS;
        reads.bytes = 0;
        assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), ESPALIER_OK);
        assert_in_range(reads.bytes, large.bytes, most);
    }
    reads.bytes = 0;
    assert_int_equal(espalier_digest_verify(PATH, NULL, &error), ESPALIER_OK);
    assert_in_range(reads.bytes, large.bytes, most);
    (void)unlink(PATH);
    model_bytes_write(&original, PATH);
    model_bytes_free(&large);
}

/*
 * The file was read once for its digests, once for fs-verity and once for the signature: who
 * changed it in between had something signed that nobody had checked.
 */
static void test_what_is_signed_was_checked(void **state)
{
    (void)state;
    espalier_error error;
    const off_t place = (off_t)model_bytes_section(&original, ESPALIER_SECTION_LEAVES)->offset;
    reads.changing = place;
    assert_int_equal(espalier_sign(PATH, &secret_key, "m", "1", NULL, &error), ESPALIER_OK);
    assert_int_equal(reads.changing, 0); /* it was changed */
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    change_byte(PATH, place, 4);
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_OK);
}

/* Signs whatever PATH holds, and this trusted comment. */
static void sign_comment(const char *comment)
{
    static uint8_t bytes[1 << 16];
    uint8_t hash[64];
    uint8_t record[74] = {'E', 'D'};
    uint8_t joined[crypto_sign_BYTES + 2048];
    uint8_t global[crypto_sign_BYTES];
    char lines[2][128];
    const size_t length = strlen(comment);
    assert_in_range(length, 0, 2047);
    FILE *stream = fopen(PATH, "rb");
    assert_non_null(stream);
    const size_t count = fread(bytes, 1, sizeof bytes, stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(count, original.bytes);
    (void)crypto_generichash(hash, sizeof hash, bytes, count, NULL, 0);
    memcpy(record + 2, secret_key.id, sizeof secret_key.id);
    (void)crypto_sign_detached(record + 10, NULL, hash, sizeof hash, secret_key.key);
    memcpy(joined, record + 10, crypto_sign_BYTES);
    memcpy(joined + crypto_sign_BYTES, comment, length);
    (void)crypto_sign_detached(global, NULL, joined, crypto_sign_BYTES + length, secret_key.key);
    (void)sodium_bin2base64(lines[0], sizeof lines[0], record, sizeof record,
                            sodium_base64_VARIANT_ORIGINAL);
    (void)sodium_bin2base64(lines[1], sizeof lines[1], global, sizeof global,
                            sodium_base64_VARIANT_ORIGINAL);
    stream = fopen(SIGNATURE, "wb");
    assert_non_null(stream);
    assert_true(fprintf(stream, "untrusted comment: x\n%s\ntrusted comment: %s\n%s\n", lines[0],
                        comment, lines[1]) > 0);
    assert_int_equal(fclose(stream), 0);
}

/* The same as a model with this root digest and these claims, which are escaped. Returns the length
 * of the trusted comment's line. */
static size_t sign_claims(const uint8_t *root, const char *name, const char *version)
{
    char comment[2048];
    char root_text[65];
    const uint8_t zero[32] = {0};
    char zero_text[65];
    (void)sodium_bin2hex(root_text, sizeof root_text, root, 32);
    (void)sodium_bin2hex(zero_text, sizeof zero_text, zero, sizeof zero);
    const int length = snprintf(comment, sizeof comment,
                                "espalier-model-v1 root=%s bytes=%zu verity=%s name=%s version=%s",
                                root_text, original.bytes, zero_text, name, version);
    sign_comment(comment);
    return strlen("trusted comment: ") + (size_t)length;
}

static void sign_by_hand(const uint8_t *root)
{
    (void)sign_claims(root, "m", "1");
}

/* Both ways to ask. */
static void assert_verified(espalier_status plain, espalier_status with_digests, const char *text)
{
    espalier_error error;
    espalier_signature_policy policy = policy_of(NULL, NULL);
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), plain);
    policy.flags = ESPALIER_SIGNATURE_DIGESTS;
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), with_digests);
    if (with_digests != ESPALIER_OK && strstr(error.message, text) == NULL) {
        fail_msg("%s", error.message);
    }
}

/* A key's owner may sign any bytes; only with DIGESTS a signature says that it is a whole model. */
static void test_digests_beside_a_signature(void **state)
{
    (void)state;
    espalier_file_header header;
    uint8_t other[32] = {1};
    memcpy(&header, original.data, sizeof header);
    const off_t leaf = (off_t)model_bytes_section(&original, ESPALIER_SECTION_LEAVES)->offset;
    sign_by_hand(header.root_digest);
    assert_verified(ESPALIER_OK, ESPALIER_OK, "");
    change_byte(PATH, leaf, 1);
    assert_verified(ESPALIER_ERROR_SIGNATURE, ESPALIER_ERROR_SIGNATURE, "byte for byte");
    sign_by_hand(header.root_digest);
    assert_verified(ESPALIER_OK, ESPALIER_ERROR_DIGEST, "section LEAVES");
    change_byte(PATH, leaf, 1);
    assert_verified(ESPALIER_ERROR_SIGNATURE, ESPALIER_ERROR_SIGNATURE, "byte for byte");
    change_byte(PATH, 0, 1);
    sign_by_hand(header.root_digest);
    assert_verified(ESPALIER_OK, ESPALIER_ERROR_NOT_A_MODEL, "not an Espalier file");
    change_byte(PATH, 0, 1);
    sign_by_hand(other);
    assert_verified(ESPALIER_OK, ESPALIER_ERROR_SIGNATURE, "root digest of another model");
}

/* Where the file system vouches for the bytes that were signed, nothing of them is read. */
static void test_a_file_system_that_vouches(void **state)
{
    (void)state;
    espalier_signed claims;
    espalier_error error;
    espalier_signature_policy policy = policy_of(NULL, NULL);
    static const uint8_t other[32] = {9};
    policy.flags = ESPALIER_SIGNATURE_VERITY;
    assert_int_equal(espalier_sign(PATH, &secret_key, "m", "1", NULL, NULL), ESPALIER_OK);
    assert_int_equal(verify(NULL, NULL, &claims, &error), ESPALIER_OK);
    const int file = open(PATH, O_RDONLY);
    espalier_digests digests;
    assert_int_equal(espalier_digests_read(file, PATH, ESPALIER_DIGEST_VERITY, &digests, &error),
                     ESPALIER_OK);
    assert_memory_equal(claims.verity_digest, digests.verity, sizeof claims.verity_digest);
    assert_int_equal(close(file), 0);
    vouched = claims.verity_digest;
    reads.bytes = 0;
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), ESPALIER_OK);
    assert_in_range(reads.bytes, 1, 1024); /* the signature */
    /* Not where digests are wanted as well, or nobody asked for it, or of another measure. */
    for (unsigned i = 0; i < 3; i++) {
        policy.flags = i == 0   ? ESPALIER_SIGNATURE_VERITY | ESPALIER_SIGNATURE_DIGESTS
                       : i == 1 ? 0
                                : ESPALIER_SIGNATURE_VERITY;
        vouched = i < 2 ? claims.verity_digest : other;
        reads.bytes = 0;
        assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), ESPALIER_OK);
        assert_true(reads.bytes > original.bytes);
        change_byte(PATH, 0, 1);
        assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error),
                         ESPALIER_ERROR_SIGNATURE);
        change_byte(PATH, 0, 1);
    }
    vouched = NULL;
}

/* A name and a line are as long as they may be, and one longer. */
static void test_the_longest_claims(void **state)
{
    (void)state;
    static const uint8_t root[32] = {0};
    espalier_signed claims;
    espalier_error error;
    char name[260];
    char escaped[3 * 255 + 1];
    char version[256];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    (void)sign_claims(root, name, "1");
    assert_int_equal(verify(NULL, NULL, &claims, &error), ESPALIER_OK);
    assert_string_equal(claims.model_name, name);
    for (unsigned more = 1; more < 4; more++) {
        memset(name, 'n', sizeof name);
        name[255 + more] = '\0';
        (void)sign_claims(root, name, "1");
        assert_int_equal(verify(NULL, NULL, &claims, &error), ESPALIER_ERROR_SIGNATURE);
        assert_non_null(strstr(error.message, "not as a model of Espalier"));
    }
    for (unsigned i = 0; i < 255; i++) {
        memcpy(escaped + (size_t)3 * i, "%20", 4);
    }
    const size_t shortest = sign_claims(root, escaped, "");
    assert_true(shortest < 1023);
    for (size_t length = 1022; length < 1027; length++) {
        memset(version, 'v', sizeof version);
        version[length - shortest] = '\0';
        assert_int_equal(sign_claims(root, escaped, version), length);
        const espalier_status status = verify(NULL, NULL, &claims, &error);
        assert_int_equal(status, length < 1024 ? ESPALIER_OK : ESPALIER_ERROR_SIGNATURE);
        if (length < 1024) {
            assert_string_equal(claims.model_version, version);
        } else {
            assert_non_null(strstr(error.message, "not a signature"));
        }
    }
}

#define HEX  "0123456789abcdef"
#define ROOT HEX HEX HEX HEX

/* Whoever has the key may sign any comment; what is no model's is refused. One blank behind the
 * last field was not. */
static void test_comments_of_another_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1", /* fit */
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name= version=",   /* fit */
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1 ",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT,
        "espalier-model-v1 root=" ROOT " bytes=%zu",
        "espalier-model-v1 root=" ROOT,
        "espalier-model-v1",
        "",
        "espalier-model-v2 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v10 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1  root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1root=" ROOT " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 boot=" ROOT " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT "0 bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT "00 bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" HEX HEX HEX " bytes=%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" HEX HEX HEX "0123456789abcdeg bytes=%zu verity=" ROOT
        " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes= verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes=+%zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes=%zux verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes=%020zu verity=" ROOT " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes=%019zu verity=" ROOT " name=m version=1", /* fit */
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" HEX " name=m version=1",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=%%00 version=1",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=%%0 version=1",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=%% version=1",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=%%2",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=%%",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " name=m version=%%g0",
        "espalier-model-v1 root=" ROOT " bytes=%zu verity=" ROOT " version=1 name=m",
    };
    espalier_signed claims;
    espalier_error error;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char comment[1024];
        (void)snprintf(comment, sizeof comment, forms[i], original.bytes);
        sign_comment(comment);
        const espalier_status status = verify(NULL, NULL, &claims, &error);
        const bool is_fit = i < 2 || strstr(forms[i], "%019zu") != NULL;
        if (status != (is_fit ? ESPALIER_OK : ESPALIER_ERROR_SIGNATURE) ||
            (!is_fit && strstr(error.message, "not as a model of Espalier") == NULL)) {
            fail_msg("%s: %s", comment, espalier_status_name(status));
        }
        assert_true(!is_fit || claims.root_digest[31] == 0xef);
        assert_true(!is_fit || claims.verity_digest[1] == 0x23);
    }
}

/* What nobody knows yet is refused, and nothing follows a comment's last field. */
static void test_what_nobody_asked_for(void **state)
{
    (void)state;
    static const uint8_t root[32] = {0};
    espalier_error error;
    espalier_signature_policy policy = policy_of(NULL, NULL);
    (void)sign_claims(root, "m", "1%20");
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_OK);
    (void)sign_claims(root, "m", "1 more=2");
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    assert_non_null(strstr(error.message, "not as a model of Espalier"));
    (void)sign_claims(root, "m", "%zz");
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_SIGNATURE);
    sign_by_hand(root);
    policy.flags = ESPALIER_SIGNATURE_DIGESTS << 1;
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_OPTIONS);
    assert_int_equal(error.format_rule, 0);
    policy.flags = 0;
    for (unsigned i = 0; i < 4; i++) {
        policy.reserved[i] = 1;
        assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error),
                         ESPALIER_ERROR_OPTIONS);
        policy.reserved[i] = 0;
    }
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error), ESPALIER_OK);
    policy.key = NULL;
    assert_int_equal(espalier_signature_verify(PATH, NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(error.format_rule, 0);
    assert_int_equal(espalier_signature_verify(PATH, NULL, NULL, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    policy.key = &public_key;
    assert_int_equal(espalier_signature_verify(NULL, NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_signature_verify_fd(0, NULL, SIGNATURE, &policy, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_signature_verify_fd(0, NULL, NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_sign(NULL, &secret_key, "m", "1", NULL, &error),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(error.format_rule, 0);
    /* The store asks with descriptors of its own. */
    const int file = open(PATH, O_RDONLY);
    const int signature = open(SIGNATURE, O_RDONLY);
    assert_int_equal(espalier_signature_check(file, PATH, signature, SIGNATURE, &policy, false,
                                              NULL, &error),
                     ESPALIER_OK);
    policy.flags = ESPALIER_SIGNATURE_DIGESTS << 1;
    assert_int_equal(espalier_signature_check(file, PATH, signature, SIGNATURE, &policy, false,
                                              NULL, &error),
                     ESPALIER_ERROR_OPTIONS);
    assert_int_equal(close(file), 0);
    assert_int_equal(close(signature), 0);
    /* What is said of a file that is not there. */
    assert_int_equal(espalier_sign("test_sign.none", &secret_key, "m", "1", NULL, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ENOENT);
    assert_non_null(strstr(error.message, "test_sign.none: cannot open"));
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
    espalier_error error;
    assert_int_equal(unlink(SIGNATURE), 0);
    assert_int_equal(verify(NULL, NULL, NULL, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ENOENT);
    assert_non_null(strstr(error.message, SIGNATURE ": cannot open"));
    const espalier_signature_policy policy = policy_of(NULL, NULL);
    assert_int_equal(espalier_signature_verify("test_sign.none", NULL, &policy, NULL, &error),
                     ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ENOENT);
    assert_non_null(strstr(error.message, "test_sign.none: cannot open"));
}

/* Of what key it is and of which it should be, as minisign writes their numbers. */
static void write_ids(char *text, size_t capacity, const uint8_t made[8], const uint8_t wanted[8])
{
    uint64_t numbers[2] = {0, 0};
    for (unsigned i = 0; i < 8; i++) {
        numbers[0] |= (uint64_t)made[i] << (8 * i);
        numbers[1] |= (uint64_t)wanted[i] << (8 * i);
    }
    (void)snprintf(text, capacity, "made with key %016llX, not with %016llX",
                   (unsigned long long)numbers[0], (unsigned long long)numbers[1]);
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
    char made[128];
    write_ids(made, sizeof made, other.id, secret_key.id);
    assert_non_null(strstr(error.message, made));
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
        espalier_digests digests;
        char text[65];
        write_file(known[i].bytes);
        const int descriptor = open(OTHER, O_RDONLY);
        assert_int_equal(espalier_digests_read(descriptor, OTHER, ESPALIER_DIGEST_VERITY, &digests,
                                               NULL),
                         ESPALIER_OK);
        (void)sodium_bin2hex(text, sizeof text, digests.verity, sizeof digests.verity);
        assert_string_equal(text, known[i].measure);
        /* What the system measures is the same, where it can. */
        if (espalier_verity_enable(descriptor)) {
            uint8_t measure[32];
            assert_true(espalier_verity_measure(descriptor, measure));
            assert_memory_equal(measure, digests.verity, sizeof measure);
        }
        assert_int_equal(close(descriptor), 0);
        assert_int_equal(unlink(OTHER), 0);
    }
}

/* Pieces of any length make the same measure: those of a byte, and around a block. */
static void test_measures_of_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 4095, 4096, 4097, 9001};
    static uint8_t bytes[20000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 % 251);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        uint8_t digest[32];
        char text[65];
        espalier_verity_tree *const tree = espalier_verity_begin();
        assert_non_null(tree);
        for (size_t at = 0; at < sizeof bytes; at += pieces[i]) {
            const size_t left = sizeof bytes - at;
            espalier_verity_add(tree, bytes + at, left < pieces[i] ? left : pieces[i]);
        }
        espalier_verity_finish(tree, digest);
        free(tree);
        (void)sodium_bin2hex(text, sizeof text, digest, sizeof digest);
        assert_string_equal(text,
                            "c3f5ac9afffa7a3f3fc5ba73116f727a2ca3cc488cde8451eab771e655982d4c");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_signed_passes),
        cmocka_unit_test(test_one_changed_bit_is_refused),
        cmocka_unit_test(test_a_file_is_read_once),
        cmocka_unit_test(test_what_is_signed_was_checked),
        cmocka_unit_test(test_digests_beside_a_signature),
        cmocka_unit_test(test_a_file_system_that_vouches),
        cmocka_unit_test(test_the_longest_claims),
        cmocka_unit_test(test_comments_of_another_form),
        cmocka_unit_test(test_what_nobody_asked_for),
        cmocka_unit_test(test_a_changed_signature_is_refused),
        cmocka_unit_test(test_another_key_and_another_comment_are_refused),
        cmocka_unit_test(test_a_key_of_minisign),
        cmocka_unit_test(test_measures_of_fs_verity),
        cmocka_unit_test(test_measures_of_pieces),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_key_that_asks_for_too_much),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, make_all, free_all);
}
