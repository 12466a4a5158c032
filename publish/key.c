// SPDX-License-Identifier: Apache-2.0
/*
 * Keys in minisign's files: a comment line, and a line of base64. The public key is "Ed", the id
 * and 32 bytes; the secret one holds id, key and a checksum, encrypted by a password or not. May
 * include the read side of format/ and libsodium.
 */
#include "publish/key.h"

#include "format/error.h"
#include "publish/files.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC_BYTES 42u /* algorithm, id, key */
#define SCRYPT_OPS   (UINT64_C(1) << 22)
#define SCRYPT_BYTES (UINT64_C(128) << 20)
/* What a secret key's file may ask for; minisign's own: 2^25 and 1 GiB. */
#define SCRYPT_OPS_MAX   (UINT64_C(1) << 25)
#define SCRYPT_BYTES_MAX (UINT64_C(1) << 30)

/* What a secret key file's line holds; bytes only, so there is no padding. */
typedef struct secret_record {
    uint8_t algorithm[2];          /* "Ed" */
    uint8_t kdf[2];                /* "Sc": scrypt; zeroes: not encrypted */
    uint8_t checksum_algorithm[2]; /* "B2" */
    uint8_t salt[32];
    uint8_t operations[8]; /* little-endian */
    uint8_t memory[8];
    struct {
        uint8_t id[8];
        uint8_t key[64];
        uint8_t checksum[32]; /* BLAKE2b-256 of algorithm, id, key */
    } sealed;                 /* XOR what scrypt makes of the password */
} secret_record;

_Static_assert(sizeof(secret_record) == 158, "secret_record has no padding");

static const uint8_t key_algorithm[2] = {'E', 'd'};

static espalier_status key_error(espalier_error *error_out, const char *path, const char *cause)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_KEY, 0, ESPALIER_OFFSET_NONE, "%s: %s",
                              path, cause);
}

char *espalier_key_take_line(char **text)
{
    char *const line = *text;
    if (line == NULL || *line == '\0') {
        return NULL;
    }
    char *const end = strchr(line, '\n');
    *text = end != NULL ? end + 1 : line + strlen(line);
    if (end != NULL) {
        *end = '\0';
    }
    const size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r') {
        line[length - 1] = '\0';
    }
    return line;
}

/* libsodium takes some bytes beyond ASCII for letters, so what was decoded is encoded again. */
bool espalier_key_decode(const char *line, uint8_t *data_out, size_t bytes)
{
    char again[256]; /* of a secret key, perhaps */
    size_t decoded = 0;
    const bool is_fit =
        sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL) <= sizeof again &&
        sodium_base642bin(data_out, bytes, line, strlen(line), NULL, &decoded, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
        decoded == bytes &&
        strcmp(line, sodium_bin2base64(again, sizeof again, data_out, bytes,
                                       sodium_base64_VARIANT_ORIGINAL)) == 0;
    sodium_memzero(again, sizeof again);
    return is_fit;
}

void espalier_key_id_text(const uint8_t id[8], char text_out[17])
{
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(text_out + (size_t)2 * i, 3, "%02X", id[7 - i]);
    }
}

static void store_number(uint8_t *bytes, uint64_t number)
{
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t load_number(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

static void checksum_secret(const secret_record *record, uint8_t *checksum_out)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof record->sealed.checksum);
    (void)crypto_generichash_update(&state, record->algorithm, sizeof record->algorithm);
    (void)crypto_generichash_update(&state, record->sealed.id, sizeof record->sealed.id);
    (void)crypto_generichash_update(&state, record->sealed.key, sizeof record->sealed.key);
    (void)crypto_generichash_final(&state, checksum_out, sizeof record->sealed.checksum);
}

/* Encrypts or decrypts what is sealed. */
static bool apply_password(secret_record *record, const char *password)
{
    uint8_t stream[sizeof record->sealed];
    uint8_t *const sealed = (uint8_t *)&record->sealed;
    if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof stream, password, strlen(password),
                                           record->salt, load_number(record->operations),
                                           (size_t)load_number(record->memory)) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof stream; i++) {
        sealed[i] ^= stream[i];
    }
    sodium_memzero(stream, sizeof stream);
    return true;
}

/* ---- making ---- */

static espalier_status write_public(const char *path, const espalier_public_key *key,
                                    espalier_error *error_out)
{
    uint8_t record[PUBLIC_BYTES];
    char line[64];
    char id[17];
    char text[160];
    memcpy(record, key_algorithm, sizeof key_algorithm);
    memcpy(record + 2, key->id, sizeof key->id);
    memcpy(record + 10, key->key, sizeof key->key);
    (void)sodium_bin2base64(line, sizeof line, record, sizeof record,
                            sodium_base64_VARIANT_ORIGINAL);
    espalier_key_id_text(key->id, id);
    (void)snprintf(text, sizeof text, "untrusted comment: minisign public key %s\n%s\n", id, line);
    return espalier_files_create(path, text, 0644, error_out);
}

static espalier_status write_secret(const char *path, secret_record *record, const char *password,
                                    espalier_error *error_out)
{
    char line[256];
    char text[384];
    memcpy(record->algorithm, key_algorithm, sizeof key_algorithm);
    memcpy(record->checksum_algorithm, "B2", sizeof record->checksum_algorithm);
    checksum_secret(record, record->sealed.checksum);
    if (password != NULL && *password != '\0') {
        memcpy(record->kdf, "Sc", sizeof record->kdf);
        randombytes_buf(record->salt, sizeof record->salt);
        store_number(record->operations, SCRYPT_OPS);
        store_number(record->memory, SCRYPT_BYTES);
        if (!apply_password(record, password)) {
            return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                      "%s: no memory to encrypt the key", path);
        }
    }
    (void)sodium_bin2base64(line, sizeof line, (const uint8_t *)record, sizeof *record,
                            sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(text, sizeof text, "untrusted comment: minisign %s secret key\n%s\n",
                   record->kdf[0] != 0 ? "encrypted" : "unencrypted", line);
    const espalier_status status = espalier_files_create(path, text, 0600, error_out);
    sodium_memzero(line, sizeof line);
    sodium_memzero(text, sizeof text);
    return status;
}

espalier_status espalier_key_generate(const char *public_path, const char *secret_path,
                                      const char *password, espalier_error *error_out)
{
    if (public_path == NULL || secret_path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_key_generate: NULL argument");
    }
    if (sodium_init() < 0) {
        return key_error(error_out, secret_path, "the system has no random numbers");
    }
    espalier_public_key public_key;
    secret_record record;
    memset(&record, 0, sizeof record);
    (void)crypto_sign_keypair(public_key.key, record.sealed.key);
    randombytes_buf(public_key.id, sizeof public_key.id);
    memcpy(record.sealed.id, public_key.id, sizeof public_key.id);
    espalier_status status = write_secret(secret_path, &record, password, error_out);
    sodium_memzero(&record, sizeof record);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = write_public(public_path, &public_key, error_out);
    if (status != ESPALIER_OK) {
        (void)unlink(secret_path); /* this call made it: half a pair is of no use */
        return status;
    }
    status = espalier_files_sync_parent(secret_path, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_files_sync_parent(public_path, error_out);
    }
    if (status != ESPALIER_OK) { /* so that the call can be made again */
        (void)unlink(secret_path);
        (void)unlink(public_path);
    }
    return status;
}

/* ---- reading ---- */

espalier_status espalier_public_key_parse(const char *text, espalier_public_key *key_out)
{
    uint8_t record[PUBLIC_BYTES];
    if (text == NULL || key_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (!espalier_key_decode(text, record, sizeof record) ||
        memcmp(record, key_algorithm, sizeof key_algorithm) != 0) {
        return ESPALIER_ERROR_KEY;
    }
    memcpy(key_out->id, record + 2, sizeof key_out->id);
    memcpy(key_out->key, record + 10, sizeof key_out->key);
    return ESPALIER_OK;
}

/* The second of the file's two lines, in `text`. */
static espalier_status read_line(const char *path, char *text, char **line_out,
                                 espalier_error *error_out)
{
    const espalier_status status =
        espalier_files_read_text(path, text, ESPALIER_KEY_TEXT_BYTES, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    char *next = text;
    const char *const comment = espalier_key_take_line(&next);
    char *const line = espalier_key_take_line(&next);
    if (comment == NULL || line == NULL || strncmp(comment, "untrusted comment:", 18) != 0) {
        return key_error(error_out, path, "not a key: a comment line and a line of base64");
    }
    *line_out = line;
    return ESPALIER_OK;
}

espalier_status espalier_public_key_read(const char *path, espalier_public_key *key_out,
                                         espalier_error *error_out)
{
    char text[ESPALIER_KEY_TEXT_BYTES];
    char *line = NULL;
    if (key_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_public_key_read: NULL argument");
    }
    const espalier_status status = read_line(path, text, &line, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (espalier_public_key_parse(line, key_out) != ESPALIER_OK) {
        return key_error(error_out, path, "not a public key of Ed25519");
    }
    return ESPALIER_OK;
}

/* Decrypts the record and tells whether it is right; NULL when it is. */
static const char *open_record(secret_record *record, const char *password)
{
    static const uint8_t not_encrypted[2] = {0, 0};
    if (memcmp(record->algorithm, key_algorithm, sizeof key_algorithm) != 0 ||
        memcmp(record->checksum_algorithm, "B2", 2) != 0) {
        return "not a secret key of Ed25519";
    }
    if (memcmp(record->kdf, "Sc", 2) == 0) {
        if (password == NULL) {
            return "this key needs its password";
        }
        if (load_number(record->operations) > SCRYPT_OPS_MAX ||
            load_number(record->memory) > SCRYPT_BYTES_MAX) {
            return "this key's password asks for more time or memory than minisign's own";
        }
        if (!apply_password(record, password)) {
            return "no memory to decrypt the key";
        }
    } else if (memcmp(record->kdf, not_encrypted, 2) != 0) {
        return "a secret key that is encrypted in a way that is not known";
    }
    uint8_t checksum[sizeof record->sealed.checksum];
    checksum_secret(record, checksum);
    if (sodium_memcmp(checksum, record->sealed.checksum, sizeof checksum) != 0) {
        return record->kdf[0] != 0 ? "wrong password, or a damaged key" : "a damaged key";
    }
    return NULL;
}

espalier_status espalier_secret_key_read(const char *path, const char *password,
                                         espalier_secret_key *key_out, espalier_error *error_out)
{
    char text[ESPALIER_KEY_TEXT_BYTES];
    char *line = NULL;
    secret_record record;
    if (key_out == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_secret_key_read: NULL argument");
    }
    espalier_status status = read_line(path, text, &line, error_out);
    if (status == ESPALIER_OK) {
        const char *const fault = espalier_key_decode(line, (uint8_t *)&record, sizeof record)
                                      ? open_record(&record, password)
                                      : "not a secret key";
        if (fault != NULL) {
            status = key_error(error_out, path, fault);
        } else {
            memcpy(key_out->id, record.sealed.id, sizeof key_out->id);
            memcpy(key_out->key, record.sealed.key, sizeof key_out->key);
        }
    }
    sodium_memzero(&record, sizeof record);
    sodium_memzero(text, sizeof text);
    return status;
}

void espalier_secret_key_wipe(espalier_secret_key *key)
{
    if (key != NULL) {
        sodium_memzero(key, sizeof *key);
    }
}
