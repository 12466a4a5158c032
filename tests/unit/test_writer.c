// SPDX-License-Identifier: Apache-2.0
/*
 * format/writer: what lies where in the bytes it writes, checksums and digests computed here again,
 * and what stays on disk when writing fails.
 */
#include "format/writer.h"

#include "format/layout.h"

#define XXH_INLINE_ALL
#include <dirent.h>
#include <errno.h>
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
#include <xxhash.h>

#include <cmocka.h>

static char folder[] = "test_writer.XXXXXX";
static char model_path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(model_path, sizeof model_path, "%s/model.espalier", folder);
    return 0;
}

/* Files in the folder, those that are not hidden and those that are. */
static void count_files(int *visible, int *hidden)
{
    *visible = 0;
    *hidden = 0;
    DIR *const list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            *(entry->d_name[0] == '.' ? hidden : visible) += 1;
        }
    }
    (void)closedir(list);
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(model_path);
    return rmdir(folder); /* fails when something was left behind */
}

/* ---- reading back ---- */

typedef struct file_bytes {
    uint8_t *data;
    size_t bytes;
} file_bytes;

static file_bytes read_file(const char *path)
{
    file_bytes file = {NULL, 0};
    FILE *const stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    file.bytes = (size_t)ftell(stream);
    rewind(stream);
    file.data = malloc(file.bytes);
    assert_non_null(file.data);
    assert_int_equal(fread(file.data, 1, file.bytes, stream), file.bytes);
    (void)fclose(stream);
    return file;
}

static file_bytes write_and_read(const espalier_writer_section *sections, uint32_t count)
{
    espalier_error error;
    char *temporary = NULL;
    uint64_t bytes = 0;
    if (espalier_writer_write(model_path, sections, count, &temporary, &bytes, &error) !=
            ESPALIER_OK ||
        espalier_writer_publish(temporary, model_path, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    free(temporary);
    const file_bytes file = read_file(model_path);
    assert_int_equal(file.bytes, bytes);
    return file;
}

/* Six sections, out of order; NODES large enough for a 64 KiB boundary. */
#define NODES_BYTES ((1u << 20) + 24u)

static uint8_t nodes[NODES_BYTES];
static const char model_text[] = "model";
static const char columns_text[] = "columns, a little longer";
static const double leaves[] = {1.0, 2.0, 3.0};
static const char metadata_text[] = "{}";

static const espalier_writer_section six_sections[] = {
    {ESPALIER_SECTION_PROOF, 0, model_text, 3},
    {ESPALIER_SECTION_NODES, 1, nodes, NODES_BYTES},
    {ESPALIER_SECTION_MODEL, 1, model_text, sizeof model_text},
    {ESPALIER_SECTION_LEAVES, 1, leaves, sizeof leaves},
    {ESPALIER_SECTION_COLUMNS, 1, columns_text, sizeof columns_text},
    {ESPALIER_SECTION_METADATA, 0, metadata_text, 2},
};

static espalier_file_section section_at(const file_bytes *file, uint32_t index)
{
    espalier_file_section section;
    memcpy(&section, file->data + 128 + index * sizeof section, sizeof section);
    return section;
}

/* [F-041], [F-049]: alignments and the first offset that the rules allow. */
static void test_places(void **state)
{
    (void)state;
    const file_bytes file = write_and_read(six_sections, 6);
    const struct {
        uint32_t type;
        uint64_t offset;
        uint64_t bytes;
        uint64_t alignment;
    } expected[] = {
        {ESPALIER_SECTION_MODEL, 704, 6, 64}, /* 128 + 6 * 96 = 704 */
        {ESPALIER_SECTION_COLUMNS, 768, 25, 64},
        {ESPALIER_SECTION_NODES, 65536, NODES_BYTES, 65536},
        /* 64 zero bytes behind the nodes, then the next page */
        {ESPALIER_SECTION_LEAVES, 65536 + (1 << 20) + 4096, 24, 4096},
        {ESPALIER_SECTION_METADATA, 65536 + (1 << 20) + 4096 + 128, 2, 64},
        {ESPALIER_SECTION_PROOF, 65536 + (1 << 20) + 4096 + 192, 3, 64},
    };
    uint8_t *const covered = calloc(file.bytes, 1);
    assert_non_null(covered);
    memset(covered, 1, 704);
    for (uint32_t i = 0; i < 6; i++) {
        const espalier_file_section section = section_at(&file, i);
        assert_int_equal(section.type, expected[i].type);
        assert_int_equal(section.offset, expected[i].offset);
        assert_int_equal(section.bytes, expected[i].bytes);
        assert_int_equal(section.alignment, expected[i].alignment);
        assert_int_equal(section.encoding, 1);
        assert_int_equal(section.flags, section.type < ESPALIER_SECTION_METADATA);
        memset(covered + section.offset, 1, section.bytes);
    }
    for (size_t i = 0; i < file.bytes; i++) {
        assert_true(covered[i] == 1 || file.data[i] == 0);
    }
    assert_int_equal(expected[5].offset + 3, file.bytes);
    assert_memory_equal(file.data + 65536, nodes, NODES_BYTES);
    assert_memory_equal(file.data + expected[3].offset, leaves, sizeof leaves);
    free(covered);
    free(file.data);
}

/* [F-050]: lowest minor version, every unused bit zero. */
static void test_header(void **state)
{
    (void)state;
    const file_bytes file = write_and_read(six_sections, 6);
    espalier_file_header header;
    memcpy(&header, file.data, sizeof header);
    assert_memory_equal(header.magic,
                        "\x89"
                        "ESP\r\n\x1a\n",
                        8);
    assert_int_equal(header.format_major, 1);
    assert_int_equal(header.format_minor, 0);
    assert_int_equal(header.required_features, 0);
    assert_int_equal(header.optional_features, 0);
    assert_int_equal(header.byte_order, 0x0A0B0C0D);
    assert_int_equal(header.file_bytes, file.bytes);
    assert_int_equal(header.section_count, 6);
    assert_int_equal(header.section_entry_bytes, 96);
    assert_int_equal(header.header_bytes, 128);
    assert_int_equal(header.private_end, 768 + 25);
    free(file.data);
}

static void digest_of(const void *data, size_t bytes, uint8_t *digest)
{
    assert_int_equal(crypto_generichash(digest, 32, data, bytes, NULL, 0), 0);
}

static void test_checksums_and_digests(void **state)
{
    (void)state;
    const file_bytes file = write_and_read(six_sections, 6);
    uint8_t digest[32];
    for (uint32_t i = 0; i < 6; i++) {
        const espalier_file_section section = section_at(&file, i);
        const XXH128_hash_t hash = XXH3_128bits(file.data + section.offset, section.bytes);
        assert_int_equal(section.checksum_low, hash.low64);
        assert_int_equal(section.checksum_high, hash.high64);
        digest_of(file.data + section.offset, section.bytes, digest);
        assert_memory_equal(section.digest, digest, sizeof digest);
    }
    espalier_file_header header;
    memcpy(&header, file.data, sizeof header);
    /* The checksum with itself as zero; the root digest with both as zero. */
    memset(file.data + offsetof(espalier_file_header, checksum), 0, 8);
    assert_int_equal(header.checksum, XXH3_64bits(file.data, 128 + 6 * 96));
    memset(file.data + offsetof(espalier_file_header, root_digest), 0, 32);
    digest_of(file.data, 128 + 6 * 96, digest);
    assert_memory_equal(header.root_digest, digest, sizeof digest);
    free(file.data);
}

/* [F-280] */
static void test_order_given_does_not_matter(void **state)
{
    (void)state;
    espalier_writer_section reversed[6];
    for (uint32_t i = 0; i < 6; i++) {
        reversed[i] = six_sections[5 - i];
    }
    const file_bytes first = write_and_read(six_sections, 6);
    const file_bytes second = write_and_read(reversed, 6);
    assert_int_equal(first.bytes, second.bytes);
    assert_memory_equal(first.data, second.data, first.bytes);
    free(first.data);
    free(second.data);
}

static void test_mode_follows_umask(void **state)
{
    (void)state;
    const mode_t old = umask(027);
    const file_bytes file = write_and_read(six_sections, 6);
    (void)umask(old);
    struct stat status;
    assert_int_equal(stat(model_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    free(file.data);
}

/* ---- refusals ---- */

static espalier_status try_write(const char *path, const espalier_writer_section *sections,
                                 uint32_t count, espalier_error *error)
{
    char *temporary = NULL;
    uint64_t bytes = 0;
    const espalier_status status =
        espalier_writer_write(path, sections, count, &temporary, &bytes, error);
    assert_true((status == ESPALIER_OK) == (temporary != NULL));
    if (temporary != NULL) {
        espalier_writer_discard(temporary);
        free(temporary);
    }
    return status;
}

static void test_bad_sections_are_refused(void **state)
{
    (void)state;
    espalier_error error;
    espalier_writer_section sections[65];
    assert_int_equal(try_write(model_path, six_sections, 0, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(try_write(model_path, sections, 65, &error), ESPALIER_ERROR_LIMIT);
    memcpy(sections, six_sections, sizeof six_sections);
    sections[6] = sections[2];
    assert_int_equal(try_write(model_path, sections, 7, &error), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "given twice"));
    sections[2].bytes = 0;
    assert_int_equal(try_write(model_path, sections, 6, &error), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "empty"));
    assert_int_equal(try_write(model_path, &six_sections[1], 1, &error), ESPALIER_ERROR_ARGUMENT);
    /* More than 2^46 bytes, and more than 2^31 bytes of tables; nothing of them is read. */
    sections[2] = six_sections[2];
    sections[0].bytes = UINT64_C(1) << 46;
    assert_int_equal(try_write(model_path, sections, 6, &error), ESPALIER_ERROR_LIMIT);
    sections[0] = six_sections[0];
    sections[4].bytes = UINT64_C(1) << 31;
    assert_int_equal(try_write(model_path, sections, 6, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "bytes of tables"));
}

static void test_bad_targets_are_refused(void **state)
{
    (void)state;
    espalier_error error;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/none/model", folder);
    assert_int_equal(try_write(path, six_sections, 6, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(error.system_errno, ENOENT);
    assert_non_null(strstr(error.message, path));
    (void)snprintf(path, sizeof path, "%s/", folder);
    assert_int_equal(try_write(path, six_sections, 6, &error), ESPALIER_ERROR_OPEN);
    /* A rename would replace these. */
    assert_int_equal(try_write(folder, six_sections, 6, &error), ESPALIER_ERROR_OPEN);
    assert_int_equal(try_write("/dev/null", six_sections, 6, &error), ESPALIER_ERROR_OPEN);
    assert_non_null(strstr(error.message, "no regular file"));
    /* A name so long that the temporary file's would be longer than a name may be. */
    char name[300];
    memset(name, 'n', sizeof name);
    (void)snprintf(path, sizeof path, "%s/", folder);
    const size_t length = strlen(path);
    memcpy(name, path, length);
    name[length + 255] = '\0';
    assert_int_equal(try_write(name, six_sections, 6, &error), ESPALIER_OK);
}

/* [F-282] */
static void test_publishing_replaces_whole_files(void **state)
{
    (void)state;
    espalier_error error;
    file_bytes file = write_and_read(six_sections, 6);
    char *temporary = NULL;
    uint64_t bytes = 0;
    const espalier_writer_section one = {ESPALIER_SECTION_PROOF, 0, model_text, 3};
    assert_int_equal(espalier_writer_write(model_path, &one, 1, &temporary, &bytes, &error),
                     ESPALIER_OK);
    int visible = 0;
    int hidden = 0;
    count_files(&visible, &hidden);
    assert_int_equal(visible, 1);
    assert_int_equal(hidden, 1);
    /* The old file stands until the rename. */
    const file_bytes before = read_file(model_path);
    assert_int_equal(before.bytes, file.bytes);
    assert_memory_equal(before.data, file.data, file.bytes);
    assert_int_equal(espalier_writer_publish(temporary, model_path, &error), ESPALIER_OK);
    const file_bytes after = read_file(model_path);
    assert_int_equal(after.bytes, bytes);
    count_files(&visible, &hidden);
    assert_int_equal(visible, 1);
    assert_int_equal(hidden, 0);
    assert_int_equal(espalier_writer_publish(temporary, model_path, &error), ESPALIER_ERROR_RENAME);
    assert_int_equal(error.system_errno, ENOENT);
    free(temporary);
    free(before.data);
    free(after.data);
    free(file.data);
}

int main(void)
{
    for (size_t i = 0; i < sizeof nodes; i++) {
        nodes[i] = (uint8_t)(i * 7 + 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_checksums_and_digests),
        cmocka_unit_test(test_order_given_does_not_matter),
        cmocka_unit_test(test_mode_follows_umask),
        cmocka_unit_test(test_bad_sections_are_refused),
        cmocka_unit_test(test_bad_targets_are_refused),
        cmocka_unit_test(test_publishing_replaces_whole_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
