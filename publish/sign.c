// SPDX-License-Identifier: Apache-2.0
/*
 * Signatures of models, in minisign's files:
 *
 *     untrusted comment: ...
 *     base64 of "ED", the key's id, and the signature of BLAKE2b-512 of the file's bytes
 *     trusted comment: espalier-model-v1 root=... bytes=... verity=... name=... version=...
 *     base64 of the signature of the first signature and the trusted comment
 *
 * The second signature covers what is said of the model, so it can be trusted before the file is
 * read. May include the read side of format/ and libsodium.
 */
#include "publish/sign.h"

#include "format/error.h"
#include "format/options.h"
#include "publish/digest.h"
#include "publish/files.h"
#include "publish/key.h"
#include "publish/verity.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES    74u /* algorithm, id, signature */
#define LABEL_BYTES_MAX 80u /* of a name or version, as in the public header */
#define COMMENT_MARK    "trusted comment: "
#define CONTEXT         "espalier-model-v1"
/* The trusted comment: context, two digests, a size, and two texts with three bytes for each. */
#define COMMENT_BYTES 1024u
#define POLICY_FLAGS  ((uint64_t)(ESPALIER_SIGNATURE_VERITY | ESPALIER_SIGNATURE_DIGESTS))

/* A signature file taken apart. */
typedef struct signature_parts {
    uint8_t id[8];
    uint8_t signature[crypto_sign_BYTES];
    uint8_t comment_signature[crypto_sign_BYTES];
    char comment[COMMENT_BYTES];
    espalier_signed claims;
} signature_parts;

/* ---- the trusted comment ---- */

/* Writes text with %XX for all but plain printable characters; the buffer holds three for each. */
static void escape_label(const char *text, char *escaped)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
        if (*at > ' ' && *at < 0x7F && *at != '%') {
            *escaped++ = (char)*at;
        } else {
            (void)snprintf(escaped, 4, "%%%02x", *at);
            escaped += 3;
        }
    }
    *escaped = '\0';
}

/* The reverse of the `bytes` bytes at text; false for what escape_label does not write. */
static bool unescape_label(const char *text, size_t bytes, char *label_out, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte == '%') {
            if (bytes - i < 3 || sodium_hex2bin(&byte, 1, text + i + 1, 2, NULL, NULL, NULL) != 0 ||
                byte == 0) {
                return false;
            }
            i += 2;
        }
        if (length + 1 >= capacity) {
            return false;
        }
        label_out[length++] = (char)byte;
    }
    label_out[length] = '\0';
    return true;
}

static bool label_is_fit(const char *text)
{
    if (strlen(text) > LABEL_BYTES_MAX) {
        return false;
    }
    for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
        if (*at < 0x20 || *at == 0x7F) {
            return false;
        }
    }
    return true;
}

static void write_comment(const espalier_signed *claims, char comment[COMMENT_BYTES])
{
    char root[65];
    char verity[65];
    char name[3 * LABEL_BYTES_MAX + 1];
    char version[3 * LABEL_BYTES_MAX + 1];
    (void)sodium_bin2hex(root, sizeof root, claims->root_digest, sizeof claims->root_digest);
    (void)sodium_bin2hex(verity, sizeof verity, claims->verity_digest,
                         sizeof claims->verity_digest);
    escape_label(claims->model_name, name);
    escape_label(claims->model_version, version);
    (void)snprintf(comment, COMMENT_BYTES,
                   CONTEXT " root=%s bytes=%" PRIu64 " verity=%s name=%s version=%s", root,
                   claims->file_bytes, verity, name, version);
}

/* Takes "key=" and what follows up to a blank or the end; NULL when something else stands there. */
static const char *take_field(const char **comment, const char *key, size_t *bytes_out)
{
    const size_t length = strlen(key);
    if (strncmp(*comment, key, length) != 0) {
        return NULL;
    }
    const char *const value = *comment + length;
    *bytes_out = strcspn(value, " ");
    *comment = value + *bytes_out + (value[*bytes_out] == ' ');
    return value;
}

static bool take_digest(const char **comment, const char *key, uint8_t *digest_out)
{
    size_t bytes = 0;
    const char *const value = take_field(comment, key, &bytes);
    return value != NULL && bytes == 64 &&
           sodium_hex2bin(digest_out, 32, value, bytes, NULL, NULL, NULL) == 0;
}

static bool read_comment(const char *comment, espalier_signed *claims)
{
    size_t bytes = 0;
    memset(claims, 0, sizeof *claims);
    const char *value = take_field(&comment, CONTEXT, &bytes);
    if (value == NULL || bytes != 0 || !take_digest(&comment, "root=", claims->root_digest)) {
        return false;
    }
    value = take_field(&comment, "bytes=", &bytes);
    if (value == NULL || bytes == 0 || bytes > 19 || strspn(value, "0123456789") != bytes) {
        return false;
    }
    claims->file_bytes = strtoull(value, NULL, 10);
    if (!take_digest(&comment, "verity=", claims->verity_digest)) {
        return false;
    }
    value = take_field(&comment, "name=", &bytes);
    if (value == NULL ||
        !unescape_label(value, bytes, claims->model_name, sizeof claims->model_name)) {
        return false;
    }
    value = take_field(&comment, "version=", &bytes);
    return value != NULL && value[bytes] == '\0' &&
           unescape_label(value, bytes, claims->model_version, sizeof claims->model_version);
}

/* What the second signature covers: the first, and the comment. Returns its length. */
static size_t join_global(const uint8_t *signature, const char *comment, uint8_t *joined)
{
    const size_t length = strlen(comment);
    memcpy(joined, signature, crypto_sign_BYTES);
    memcpy(joined + crypto_sign_BYTES, comment, length);
    return crypto_sign_BYTES + length;
}

/* ---- signing ---- */

/* hash: of the file's bytes, which minisign signs. */
static void write_signature(const espalier_secret_key *key, const uint8_t *hash,
                            const espalier_signed *claims, char *text, size_t capacity)
{
    uint8_t record[RECORD_BYTES];
    uint8_t global[crypto_sign_BYTES];
    uint8_t joined[crypto_sign_BYTES + COMMENT_BYTES];
    char comment[COMMENT_BYTES];
    char record_text[128];
    char global_text[128];
    memcpy(record, "ED", 2);
    memcpy(record + 2, key->id, sizeof key->id);
    (void)crypto_sign_detached(record + 10, NULL, hash, ESPALIER_FILE_HASH_BYTES, key->key);
    write_comment(claims, comment);
    const size_t joined_bytes = join_global(record + 10, comment, joined);
    (void)crypto_sign_detached(global, NULL, joined, joined_bytes, key->key);
    (void)sodium_bin2base64(record_text, sizeof record_text, record, sizeof record,
                            sodium_base64_VARIANT_ORIGINAL);
    (void)sodium_bin2base64(global_text, sizeof global_text, global, sizeof global,
                            sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(text, capacity,
                   "untrusted comment: signature of an Espalier model\n%s\n" COMMENT_MARK
                   "%s\n%s\n",
                   record_text, comment, global_text);
}

/* Everything that is said of the model, and the hash of its bytes: of one reading. */
static espalier_status examine(int descriptor, const char *path, espalier_signed *claims,
                               uint8_t *hash_out, espalier_error *error_out)
{
    espalier_digests digests;
    const espalier_status status =
        espalier_digests_read(descriptor, path,
                              ESPALIER_DIGEST_ROOT | ESPALIER_DIGEST_VERITY | ESPALIER_DIGEST_FILE,
                              &digests, error_out);
    if (status == ESPALIER_OK) {
        claims->file_bytes = digests.file_bytes;
        memcpy(claims->root_digest, digests.root, sizeof claims->root_digest);
        memcpy(claims->verity_digest, digests.verity, sizeof claims->verity_digest);
        memcpy(hash_out, digests.file, sizeof digests.file);
    }
    return status;
}

espalier_status espalier_sign(const char *model_path, const espalier_secret_key *key,
                              const char *model_name, const char *model_version,
                              const char *signature_path, espalier_error *error_out)
{
    const char *const name = model_name != NULL ? model_name : "";
    const char *const version = model_version != NULL ? model_version : "";
    if (model_path == NULL || key == NULL || !label_is_fit(name) || !label_is_fit(version)) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "espalier_sign: NULL argument, or a name or version of more than "
                                  "%u bytes or with control characters",
                                  LABEL_BYTES_MAX);
    }
    espalier_signed claims = {.file_bytes = 0};
    (void)snprintf(claims.model_name, sizeof claims.model_name, "%s", name);
    (void)snprintf(claims.model_version, sizeof claims.model_version, "%s", version);
    int descriptor = -1;
    uint8_t hash[ESPALIER_FILE_HASH_BYTES];
    espalier_status status = espalier_files_open(model_path, &descriptor, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = examine(descriptor, model_path, &claims, hash, error_out);
    (void)close(descriptor);
    if (status != ESPALIER_OK) {
        return status;
    }
    char *const path = signature_path != NULL
                           ? strdup(signature_path)
                           : espalier_files_join(model_path, ESPALIER_SIGNATURE_SUFFIX);
    if (path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", model_path);
    }
    char text[COMMENT_BYTES + 512];
    write_signature(key, hash, &claims, text, sizeof text);
    status = espalier_files_replace(path, text, error_out);
    free(path);
    return status;
}

/* ---- verifying ---- */

static espalier_status refuse(espalier_error *error_out, const char *path, const char *cause)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_SIGNATURE, 0, ESPALIER_OFFSET_NONE,
                              "%s: %s", path, cause);
}

/* Takes the file apart and checks the second signature: afterwards its claims are the signer's. */
static espalier_status read_signature(int descriptor, const char *path,
                                      const espalier_public_key *key, signature_parts *parts,
                                      espalier_error *error_out)
{
    char text[ESPALIER_KEY_TEXT_BYTES];
    uint8_t record[RECORD_BYTES];
    uint8_t joined[crypto_sign_BYTES + COMMENT_BYTES];
    const espalier_status status =
        espalier_files_read_text_fd(descriptor, path, text, sizeof text, error_out);
    if (status != ESPALIER_OK) {
        return status != ESPALIER_ERROR_KEY ? status : refuse(error_out, path, "not a signature");
    }
    char *next = text;
    const char *const untrusted = espalier_key_take_line(&next);
    const char *const record_line = espalier_key_take_line(&next);
    const char *const comment = espalier_key_take_line(&next);
    const char *const global_line = espalier_key_take_line(&next);
    if (untrusted == NULL || record_line == NULL || comment == NULL || global_line == NULL ||
        strncmp(comment, COMMENT_MARK, sizeof COMMENT_MARK - 1) != 0 ||
        strlen(comment) >= sizeof parts->comment ||
        !espalier_key_decode(record_line, record, sizeof record) ||
        !espalier_key_decode(global_line, parts->comment_signature,
                             sizeof parts->comment_signature)) {
        return refuse(error_out, path, "not a signature");
    }
    if (memcmp(record, "ED", 2) != 0) {
        return refuse(error_out, path, "not a prehashed Ed25519 signature");
    }
    memcpy(parts->id, record + 2, sizeof parts->id);
    memcpy(parts->signature, record + 10, sizeof parts->signature);
    (void)snprintf(parts->comment, sizeof parts->comment, "%s", comment + sizeof COMMENT_MARK - 1);
    if (memcmp(parts->id, key->id, sizeof parts->id) != 0) {
        char made[17];
        char wanted[17];
        espalier_key_id_text(parts->id, made);
        espalier_key_id_text(key->id, wanted);
        return espalier_error_set(error_out, ESPALIER_ERROR_SIGNATURE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: made with key %s, not with %s", path, made, wanted);
    }
    const size_t joined_bytes = join_global(parts->signature, parts->comment, joined);
    if (crypto_sign_verify_detached(parts->comment_signature, joined, joined_bytes, key->key) !=
        0) {
        return refuse(error_out, path, "its trusted comment is not what the key's owner signed");
    }
    if (!read_comment(parts->comment, &parts->claims)) {
        return refuse(error_out, path, "signed, but not as a model of Espalier");
    }
    return ESPALIER_OK;
}

/* Whether the claims are about the model that is wanted, as far as that needs no reading. */
static espalier_status check_claims(const signature_parts *parts, const char *path,
                                    const espalier_signature_policy *policy, uint64_t file_bytes,
                                    espalier_error *error_out)
{
    const espalier_signed *const claims = &parts->claims;
    if (claims->file_bytes != file_bytes) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SIGNATURE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: has %" PRIu64 " bytes, %" PRIu64 " were signed", path,
                                  file_bytes, claims->file_bytes);
    }
    if (policy->model_name != NULL && strcmp(policy->model_name, claims->model_name) != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SIGNATURE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: signed as model '%s', '%s' is wanted", path,
                                  claims->model_name, policy->model_name);
    }
    if (policy->model_version != NULL &&
        strcmp(policy->model_version, claims->model_version) != 0) {
        return espalier_error_set(error_out, ESPALIER_ERROR_SIGNATURE, 0, ESPALIER_OFFSET_NONE,
                                  "%s: signed as version '%s', '%s' is wanted", path,
                                  claims->model_version, policy->model_version);
    }
    return ESPALIER_OK;
}

/* Whether the file's bytes are those that were signed. */
static espalier_status check_bytes(int descriptor, const char *path, const signature_parts *parts,
                                   const espalier_signature_policy *policy, bool wants_digests,
                                   espalier_error *error_out)
{
    uint8_t measure[ESPALIER_VERITY_DIGEST_BYTES];
    if ((policy->flags & ESPALIER_SIGNATURE_VERITY) != 0 && !wants_digests &&
        espalier_verity_measure(descriptor, measure) &&
        memcmp(measure, parts->claims.verity_digest, sizeof measure) == 0) {
        return ESPALIER_OK;
    }
    const unsigned wanted = ESPALIER_DIGEST_FILE | (wants_digests ? ESPALIER_DIGEST_ROOT : 0);
    espalier_digests digests;
    espalier_status status = espalier_digests_read(descriptor, path, wanted, &digests, error_out);
    const espalier_status found = status;
    if (status != ESPALIER_OK && wants_digests) {
        /* Its digests do not hold. That somebody changed it, if so, is what has to be said. */
        espalier_error error;
        status = espalier_digests_read(descriptor, path, ESPALIER_DIGEST_FILE, &digests, &error);
    }
    if (status != ESPALIER_OK) {
        return found;
    }
    if (crypto_sign_verify_detached(parts->signature, digests.file, sizeof digests.file,
                                    policy->key->key) != 0) {
        return refuse(error_out, path, "is not, byte for byte, the file that was signed");
    }
    if (found == ESPALIER_OK && wants_digests &&
        memcmp(digests.root, parts->claims.root_digest, sizeof digests.root) != 0) {
        return refuse(error_out, path, "was signed with the root digest of another model");
    }
    return found;
}

static espalier_status check_policy(const espalier_signature_policy *policy, const char *path,
                                    espalier_error *error_out)
{
    bool is_known = policy != NULL && espalier_options_known(policy, sizeof *policy) &&
                    (policy->flags & ~POLICY_FLAGS) == 0;
    for (size_t i = 0; is_known && i < sizeof policy->reserved / sizeof policy->reserved[0]; i++) {
        is_known = policy->reserved[i] == 0;
    }
    if (policy != NULL && !is_known) {
        return espalier_error_set(error_out, ESPALIER_ERROR_OPTIONS, 0, ESPALIER_OFFSET_NONE,
                                  "unknown signature policy");
    }
    if (policy == NULL || policy->key == NULL || path == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_ARGUMENT, 0, ESPALIER_OFFSET_NONE,
                                  "a signature needs a path and a key");
    }
    return ESPALIER_OK;
}

espalier_status espalier_signature_check(int descriptor, const char *path, int signature,
                                         const char *signature_path,
                                         const espalier_signature_policy *policy, bool digests,
                                         espalier_signed *signed_out, espalier_error *error_out)
{
    signature_parts parts;
    uint64_t file_bytes = 0;
    espalier_status status = check_policy(policy, path, error_out);
    if (status == ESPALIER_OK) {
        status = read_signature(signature, signature_path, policy->key, &parts, error_out);
    }
    if (status == ESPALIER_OK) {
        status = espalier_files_size(descriptor, path, &file_bytes, error_out);
    }
    if (status == ESPALIER_OK) {
        status = check_claims(&parts, path, policy, file_bytes, error_out);
    }
    if (status == ESPALIER_OK) {
        digests = digests || (policy->flags & ESPALIER_SIGNATURE_DIGESTS) != 0;
        status = check_bytes(descriptor, path, &parts, policy, digests, error_out);
    }
    if (status == ESPALIER_OK && signed_out != NULL) {
        *signed_out = parts.claims;
    }
    return status;
}

espalier_status espalier_signature_verify_fd(int descriptor, const char *path,
                                             const char *signature_path,
                                             const espalier_signature_policy *policy,
                                             espalier_signed *signed_out, espalier_error *error_out)
{
    espalier_status status = check_policy(policy, path, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    int signature = -1;
    char *const own = signature_path != NULL ? strdup(signature_path)
                                             : espalier_files_join(path, ESPALIER_SIGNATURE_SUFFIX);
    if (own == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", path);
    }
    status = espalier_files_open(own, &signature, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_signature_check(descriptor, path, signature, own, policy, false,
                                          signed_out, error_out);
        (void)close(signature);
    }
    free(own);
    return status;
}

espalier_status espalier_signature_verify(const char *path, const char *signature_path,
                                          const espalier_signature_policy *policy,
                                          espalier_signed *signed_out, espalier_error *error_out)
{
    int descriptor = -1;
    espalier_status status = espalier_files_open(path, &descriptor, error_out);
    if (status == ESPALIER_OK) {
        status = espalier_signature_verify_fd(descriptor, path, signature_path, policy, signed_out,
                                              error_out);
        (void)close(descriptor);
    }
    return status;
}

espalier_status espalier_signature_slot_check(void *policy, int descriptor, const char *path,
                                              espalier_error *error_out)
{
    return espalier_signature_verify_fd(descriptor, path, NULL, policy, NULL, error_out);
}
