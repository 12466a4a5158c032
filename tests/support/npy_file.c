// SPDX-License-Identifier: Apache-2.0
/*
 * See npy_file.h. Includes libc only.
 */
#include "tests/support/npy_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX_BYTES = 12,
    HEADER_BYTES_MAX = 1 << 16,
    ITEM_BYTES_MAX = 1 << 12,
    FILE_BYTES_MAX = 1 << 26
};

static uint8_t *read_bytes(const char *path, size_t *bytes_out, fixture_message *message)
{
    FILE *const stream = fopen(path, "rb");
    if (stream == NULL) {
        fixture_fail(message, "%s: %s", path, strerror(errno));
        return NULL;
    }
    uint8_t *bytes = NULL;
    long length = -1;
    if (fseek(stream, 0, SEEK_END) == 0) {
        length = ftell(stream);
    }
    if (length > 0 && length <= FILE_BYTES_MAX && fseek(stream, 0, SEEK_SET) == 0) {
        bytes = malloc((size_t)length);
    }
    if (bytes != NULL && fread(bytes, 1, (size_t)length, stream) != (size_t)length) {
        free(bytes);
        bytes = NULL;
    }
    (void)fclose(stream);
    if (bytes == NULL) {
        fixture_fail(message, "%s: cannot be read as a whole", path);
        return NULL;
    }
    *bytes_out = (size_t)length;
    return bytes;
}

/* What follows the key in the header's dictionary; NULL: not there. */
static const char *find_value(const char *header, const char *key)
{
    const char *const at = strstr(header, key);
    return at == NULL ? NULL : at + strlen(key);
}

static bool parse_descr(const char *header, npy_file *file)
{
    const char *const descr = find_value(header, "'descr': '");
    char *end = NULL;
    if (descr == NULL || (descr[0] != '<' && descr[0] != '|') || descr[1] == '\0' ||
        strchr("fiubU", descr[1]) == NULL) {
        return false;
    }
    const unsigned long size = strtoul(descr + 2, &end, 10);
    if (size == 0 || size > ITEM_BYTES_MAX || *end != '\'') {
        return false;
    }
    file->kind = descr[1];
    file->item_bytes = (uint32_t)(descr[1] == 'U' ? 4 * size : size);
    return true;
}

static bool parse_shape(const char *header, npy_file *file)
{
    const char *at = find_value(header, "'shape': (");
    for (size_t i = 0; i < NPY_FILE_DIMENSIONS_MAX; i++) {
        file->shape[i] = 1;
    }
    while (at != NULL && *at != ')') {
        char *end = NULL;
        const unsigned long size = strtoul(at, &end, 10);
        if (end == at || size > FILE_BYTES_MAX ||
            file->dimension_count == NPY_FILE_DIMENSIONS_MAX) {
            return false;
        }
        file->shape[file->dimension_count++] = size;
        at = end + strspn(end, ", ");
    }
    file->column_count = file->shape[1] * file->shape[2];
    return file->dimension_count > 0;
}

/* Where the items begin, from the prefix and the header behind it; 0: not such a file. */
static size_t parse_header(const uint8_t *bytes, size_t byte_count, npy_file *file)
{
    if (byte_count < PREFIX_BYTES || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        return 0;
    }
    const bool is_wide = bytes[6] >= 2;
    const size_t start = is_wide ? 12 : 10;
    size_t length = (size_t)bytes[8] + 256 * (size_t)bytes[9];
    if (is_wide) {
        length += 65536 * ((size_t)bytes[10] + 256 * (size_t)bytes[11]);
    }
    if (length > HEADER_BYTES_MAX || length > byte_count - start) {
        return 0;
    }
    char *const header = malloc(length + 1);
    if (header == NULL) {
        return 0;
    }
    memcpy(header, bytes + start, length);
    header[length] = '\0';
    const bool is_good =
        parse_descr(header, file) && parse_shape(header, file) &&
        (file->dimension_count == 1 || find_value(header, "'fortran_order': False") != NULL);
    free(header);
    return is_good ? start + length : 0;
}

bool npy_file_read(const char *path, npy_file *file_out, fixture_message *message)
{
    npy_file file = {0};
    size_t byte_count = 0;
    file.bytes = read_bytes(path, &byte_count, message);
    if (file.bytes == NULL) {
        return false;
    }
    const size_t start = parse_header(file.bytes, byte_count, &file);
    if (start == 0 || byte_count - start != file.shape[0] * file.column_count * file.item_bytes) {
        npy_file_free(&file);
        return fixture_fail(message, "%s: not an .npy file, of a kind not known, or cut", path);
    }
    file.items = file.bytes + start;
    *file_out = file;
    return true;
}

void npy_file_free(npy_file *file)
{
    free(file->bytes);
    *file = (npy_file){0};
}
