// SPDX-License-Identifier: Apache-2.0
/*
 * Containers: each kind there and back, cut at every byte, with bytes behind it, damaged, and as a
 * bomb; and the files that are no container at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bzlib.h>
#include <fcntl.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "convert/containers/container.h"

/* Room for the worst case of the largest content below; only what is used is touched. */
#define PACKED_BYTES_MAX ((size_t)20 << 20)

typedef struct packed {
    uint8_t *data;
    size_t bytes;
} packed;

/* ---- packing, with the libraries' own one-call functions ------------------------------------ */

static size_t pack_deflate(const uint8_t *data, size_t bytes, uint8_t *out, int window_bits)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)bytes;
    stream.next_out = out;
    stream.avail_out = (uInt)PACKED_BYTES_MAX;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    const size_t packed_bytes = PACKED_BYTES_MAX - stream.avail_out;
    deflateEnd(&stream);
    return packed_bytes;
}

static size_t pack_lzma(const uint8_t *data, size_t bytes, uint8_t *out, bool alone,
                        uint32_t dictionary_bytes)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    assert_false(lzma_lzma_preset(&options, 0));
    options.dict_size = dictionary_bytes;
    lzma_filter filters[] = {{.id = LZMA_FILTER_LZMA2, .options = &options},
                             {.id = LZMA_VLI_UNKNOWN, .options = NULL}};
    assert_int_equal(alone ? lzma_alone_encoder(&stream, &options)
                           : lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC64),
                     LZMA_OK);
    stream.next_in = data;
    stream.avail_in = bytes;
    stream.next_out = out;
    stream.avail_out = PACKED_BYTES_MAX;
    assert_int_equal(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    const size_t packed_bytes = PACKED_BYTES_MAX - stream.avail_out;
    lzma_end(&stream);
    return packed_bytes;
}

static packed pack(espalier_container_kind kind, const void *data, size_t bytes)
{
    packed result = {malloc(PACKED_BYTES_MAX), 0};
    unsigned bzip2_bytes = (unsigned)PACKED_BYTES_MAX;
    assert_non_null(result.data);
    switch (kind) {
    case ESPALIER_CONTAINER_ZLIB:
        result.bytes = pack_deflate(data, bytes, result.data, 15);
        break;
    case ESPALIER_CONTAINER_GZIP:
        result.bytes = pack_deflate(data, bytes, result.data, 15 + 16);
        break;
    case ESPALIER_CONTAINER_BZIP2:
        assert_int_equal(BZ2_bzBuffToBuffCompress((char *)result.data, &bzip2_bytes,
                                                  (char *)(uintptr_t)data, (unsigned)bytes, 9, 0,
                                                  0),
                         BZ_OK);
        result.bytes = bzip2_bytes;
        break;
    case ESPALIER_CONTAINER_LZMA:
    case ESPALIER_CONTAINER_XZ:
        result.bytes =
            pack_lzma(data, bytes, result.data, kind == ESPALIER_CONTAINER_LZMA, UINT32_C(1) << 20);
        break;
    default:
        result.bytes = LZ4F_compressFrame(result.data, PACKED_BYTES_MAX, data, bytes, NULL);
        assert_false(LZ4F_isError(result.bytes));
        break;
    }
    return result;
}

/* ---- checks --------------------------------------------------------------------------------- */

static const espalier_container_kind all_kinds[] = {
    ESPALIER_CONTAINER_ZLIB, ESPALIER_CONTAINER_GZIP, ESPALIER_CONTAINER_BZIP2,
    ESPALIER_CONTAINER_LZMA, ESPALIER_CONTAINER_XZ,   ESPALIER_CONTAINER_LZ4,
};
#define KIND_COUNT (sizeof all_kinds / sizeof all_kinds[0])

/* From memory of exactly its size. */
static espalier_status open_bytes(const void *data, size_t bytes,
                                  const espalier_container_limits *limits, espalier_container *out,
                                  espalier_error *error)
{
    uint8_t *const copy = malloc(bytes == 0 ? 1 : bytes);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    const espalier_status status =
        espalier_container_open_memory(copy, bytes, "here", limits, out, error);
    /* Expanded data is the container's own; nothing here keeps a raw one. */
    free(copy);
    if (status != ESPALIER_OK) {
        assert_null(out->data);
        assert_int_equal(out->bytes, 0);
        assert_int_equal(error->status, status);
        assert_non_null(strstr(error->message, "here: "));
    }
    return status;
}

static void expect_status(const void *data, size_t bytes, const espalier_container_limits *limits,
                          espalier_status wanted, const char *words)
{
    espalier_container container;
    espalier_error error;
    const espalier_status status = open_bytes(data, bytes, limits, &container, &error);
    if (status != wanted || strstr(error.message, words) == NULL) {
        fail_msg("expected %s with \"%s\", got %s: %s", espalier_status_name(wanted), words,
                 espalier_status_name(status), status == ESPALIER_OK ? "" : error.message);
    }
}

static uint8_t *make_content(size_t bytes)
{
    uint8_t *const content = malloc(bytes);
    assert_non_null(content);
    uint32_t noise = 12345;
    for (size_t i = 0; i < bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        content[i] = (uint8_t)(i % 3 == 0 ? noise >> 24 : i);
    }
    return content;
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 65535, 65536, 65537, 500000};
    for (size_t k = 0; k < KIND_COUNT; k++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            uint8_t *const content = make_content(sizes[s]);
            packed file = pack(all_kinds[k], content, sizes[s]);
            espalier_container container;
            espalier_error error;
            assert_int_equal(espalier_container_recognise(file.data, file.bytes), all_kinds[k]);
            if (open_bytes(file.data, file.bytes, NULL, &container, &error) != ESPALIER_OK) {
                fail_msg("%s", error.message);
            }
            assert_int_equal(container.kind, all_kinds[k]);
            assert_int_equal(container.file_bytes, file.bytes);
            assert_int_equal(container.bytes, sizes[s]);
            assert_memory_equal(container.data, content, sizes[s]);
            espalier_container_close(&container);
            assert_null(container.data);
            free(file.data);
            free(content);
        }
    }
}

/* Two files one behind the other are one, but for zlib and lzma, which have no such rule. */
static void test_members(void **state)
{
    (void)state;
    uint8_t *const content = make_content(5000);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed first = pack(all_kinds[k], content, 3000);
        packed second = pack(all_kinds[k], content + 3000, 2000);
        memcpy(first.data + first.bytes, second.data, second.bytes);
        const size_t bytes = first.bytes + second.bytes;
        espalier_container container;
        espalier_error error;
        if (all_kinds[k] == ESPALIER_CONTAINER_ZLIB || all_kinds[k] == ESPALIER_CONTAINER_LZMA) {
            expect_status(first.data, bytes, NULL, ESPALIER_ERROR_SOURCE_SYNTAX, "bytes more");
        } else {
            assert_int_equal(open_bytes(first.data, bytes, NULL, &container, &error), ESPALIER_OK);
            assert_int_equal(container.bytes, 5000);
            assert_memory_equal(container.data, content, 5000);
            espalier_container_close(&container);
        }
        free(first.data);
        free(second.data);
    }
    free(content);
}

static void test_trailing_bytes(void **state)
{
    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed file = pack(all_kinds[k], "content", 7);
        memcpy(file.data + file.bytes, "junk", 4);
        expect_status(file.data, file.bytes + 4, NULL, ESPALIER_ERROR_SOURCE_SYNTAX,
                      "4 bytes more");
        free(file.data);
    }
    /* gzip and xz may be padded with zeros. */
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed file = pack(all_kinds[k], "content", 7);
        espalier_container container;
        espalier_error error;
        memset(file.data + file.bytes, 0, 12);
        if (all_kinds[k] == ESPALIER_CONTAINER_GZIP || all_kinds[k] == ESPALIER_CONTAINER_XZ) {
            assert_int_equal(open_bytes(file.data, file.bytes + 12, NULL, &container, &error),
                             ESPALIER_OK);
            assert_int_equal(container.bytes, 7);
            espalier_container_close(&container);
        } else {
            expect_status(file.data, file.bytes + 12, NULL, ESPALIER_ERROR_SOURCE_SYNTAX,
                          "12 bytes more");
        }
        free(file.data);
    }
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    uint8_t *const content = make_content(700);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed file = pack(all_kinds[k], content, 700);
        for (size_t cut = 18; cut < file.bytes; cut++) {
            espalier_container container;
            espalier_error error;
            const espalier_status status = open_bytes(file.data, cut, NULL, &container, &error);
            if (status != ESPALIER_ERROR_SOURCE_TRUNCATED) {
                fail_msg("%s cut to %zu of %zu bytes: %s", espalier_container_name(all_kinds[k]),
                         cut, file.bytes, espalier_status_name(status));
            }
            assert_true(error.file_offset <= cut);
            assert_non_null(strstr(error.message, espalier_container_name(all_kinds[k])));
            assert_non_null(strstr(error.message, "compressed byte"));
        }
        free(file.data);
    }
    free(content);
}

/* Each byte changed: an error, or (where no checksum covers it) some content, and no more. */
static void test_change_every_byte(void **state)
{
    (void)state;
    uint8_t *const content = make_content(300);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed file = pack(all_kinds[k], content, 300);
        size_t refused = 0;
        for (size_t at = 0; at < file.bytes; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                espalier_container container;
                espalier_error error;
                file.data[at] ^= (uint8_t)(1u << bit);
                if (espalier_container_recognise(file.data, file.bytes) != ESPALIER_CONTAINER_RAW) {
                    if (open_bytes(file.data, file.bytes, NULL, &container, &error) ==
                        ESPALIER_OK) {
                        espalier_container_close(&container);
                    } else {
                        refused++;
                    }
                }
                file.data[at] ^= (uint8_t)(1u << bit);
            }
        }
        assert_true(refused > 0);
        free(file.data);
    }
    free(content);
}

static void test_bombs(void **state)
{
    (void)state;
    const size_t bytes = (size_t)16 << 20;
    uint8_t *const zeros = calloc(1, bytes);
    assert_non_null(zeros);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        packed file = pack(all_kinds[k], zeros, bytes);
        espalier_container_limits limits = {.expanded_bytes_max = 3 << 20,
                                            .expanded_ratio_max = 1000000};
        expect_status(file.data, file.bytes, &limits, ESPALIER_ERROR_SOURCE_LIMIT,
                      "expand to more than 3145728");
        /* lz4 never gains more than 255. */
        limits = (espalier_container_limits){.expanded_ratio_max = 20};
        const uint64_t most = file.bytes * 20;
        char words[64];
        snprintf(words, sizeof words, "expand to more than %llu", (unsigned long long)most);
        expect_status(file.data, file.bytes, &limits, ESPALIER_ERROR_SOURCE_LIMIT, words);
        /* Exactly the content is allowed, one byte less is not. */
        limits =
            (espalier_container_limits){.expanded_bytes_max = bytes, .expanded_ratio_max = 1000000};
        espalier_container container;
        espalier_error error;
        assert_int_equal(open_bytes(file.data, file.bytes, &limits, &container, &error),
                         ESPALIER_OK);
        assert_int_equal(container.bytes, bytes);
        espalier_container_close(&container);
        limits.expanded_bytes_max = bytes - 1;
        expect_status(file.data, file.bytes, &limits, ESPALIER_ERROR_SOURCE_LIMIT, "expand");
        free(file.data);
    }
    free(zeros);
}

/* By default 64 MiB or a hundredfold are the end; a limit that is asked for stands instead. */
static void test_default_ratio(void **state)
{
    (void)state;
    const size_t bytes = (size_t)65 << 20;
    uint8_t *const zeros = calloc(1, bytes);
    assert_non_null(zeros);
    packed file = pack(ESPALIER_CONTAINER_BZIP2, zeros, bytes);
    const espalier_container_limits limits = {.expanded_bytes_max = bytes};
    espalier_container container;
    assert_int_equal(open_bytes(file.data, file.bytes, &limits, &container, NULL), ESPALIER_OK);
    espalier_container_close(&container);
    expect_status(file.data, file.bytes, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "expand to more than");
    free(file.data);
    file = pack(ESPALIER_CONTAINER_XZ, zeros, bytes);
    expect_status(file.data, file.bytes, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "expand to more than");
    free(file.data);
    free(zeros);
}

static void test_dictionary_limit(void **state)
{
    (void)state;
    uint8_t *const out = malloc(PACKED_BYTES_MAX);
    const espalier_container_limits limits = {.dictionary_bytes_max = 1 << 20};
    assert_non_null(out);
    for (int alone = 0; alone < 2; alone++) {
        const size_t bytes =
            pack_lzma((const uint8_t *)"content", 7, out, alone == 1, UINT32_C(8) << 20);
        expect_status(out, bytes, &limits, ESPALIER_ERROR_SOURCE_LIMIT, "dictionary");
    }
    /* A header alone can ask for 4 GiB. */
    static const uint8_t greedy[] = {0x5d, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    expect_status(greedy, sizeof greedy, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "dictionary");
    static const uint8_t large[] = {0x5d, 0x00, 0x00, 0x00, 0x80, 0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    expect_status(large, sizeof large, NULL, ESPALIER_ERROR_SOURCE_LIMIT, "dictionary");
    free(out);
}

static void test_known_by_name(void **state)
{
    (void)state;
    expect_status("", 0, NULL, ESPALIER_ERROR_SOURCE_FORMAT, "empty");
    expect_status("ZF0x1a2b             ", 20, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                  "before version 0.10");
    expect_status("\x28\xb5\x2f\xfd....", 8, NULL, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "zstd");
    packed file = pack(ESPALIER_CONTAINER_ZLIB, "", 0);
    expect_status(file.data, file.bytes, NULL, ESPALIER_ERROR_SOURCE_FORMAT, "nothing");
    free(file.data);
    assert_string_equal(espalier_container_name(ESPALIER_CONTAINER_RAW), "");
    assert_string_equal(espalier_container_name(ESPALIER_CONTAINER_LZ4), "lz4");
    assert_string_equal(espalier_container_name((espalier_container_kind)99), "");
    /* "x" that is no zlib header. */
    assert_int_equal(espalier_container_recognise((const uint8_t *)"xy", 2),
                     ESPALIER_CONTAINER_RAW);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "test_container.XXXXXX";
    espalier_container container;
    espalier_error error;
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error),
                     ESPALIER_ERROR_SOURCE_FORMAT);
    assert_non_null(strstr(error.message, "empty"));
    /* A plain file is mapped as it is. */
    write_file(path, "\x80\x02N.", 4);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error), ESPALIER_OK);
    assert_int_equal(container.kind, ESPALIER_CONTAINER_RAW);
    assert_int_equal(container.bytes, 4);
    assert_int_equal((uintptr_t)container.data % 4096, 0);
    assert_memory_equal(container.data, "\x80\x02N.", 4);
    espalier_container_close(&container);
    packed file = pack(ESPALIER_CONTAINER_XZ, "content", 7);
    write_file(path, file.data, file.bytes);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error), ESPALIER_OK);
    assert_int_equal(container.file_bytes, file.bytes);
    assert_memory_equal(container.data, "content", 7);
    espalier_container_close(&container);
    write_file(path, file.data, file.bytes / 2);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error),
                     ESPALIER_ERROR_SOURCE_TRUNCATED);
    assert_non_null(strstr(error.message, path));
    free(file.data);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, 2);
    assert_int_equal(espalier_container_open(".", NULL, &container, &error),
                     ESPALIER_ERROR_SOURCE_FORMAT);
    assert_non_null(strstr(error.message, "folder"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(espalier_container_open(path, NULL, &container, &error),
                     ESPALIER_ERROR_SOURCE_FORMAT);
    assert_non_null(strstr(error.message, "device or pipe"));
    assert_int_equal(unlink(path), 0);
}

static void test_arguments(void **state)
{
    (void)state;
    espalier_container container;
    assert_int_equal(espalier_container_open(NULL, NULL, &container, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_container_open("x", NULL, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_container_open_memory(NULL, 1, "x", NULL, &container, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_container_open_memory("x", 1, NULL, NULL, &container, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_container_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),    cmocka_unit_test(test_members),
        cmocka_unit_test(test_trailing_bytes),    cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_change_every_byte), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_default_ratio),     cmocka_unit_test(test_dictionary_limit),
        cmocka_unit_test(test_known_by_name),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
