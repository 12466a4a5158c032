// SPDX-License-Identifier: Apache-2.0
/*
 * Espalier: what happens to a finished file. Conventions as in espalier.h. No parsers here.
 */
#ifndef ESPALIER_PUBLISH_H
#define ESPALIER_PUBLISH_H

#include "espalier.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reads the model file at `path` and checks its identity: every section's BLAKE2b-256 against the
 * section table, and the root digest against header and table. On success digest_out (may be NULL)
 * receives the 32 bytes of the root digest, which name the model. O(file), any thread.
 * Status: ARGUMENT, OPEN, READ, DIGEST (the message names the section), and what opening a model
 * returns for a damaged header.
 */
ESPALIER_API espalier_status espalier_digest_verify(const char *path, uint8_t *digest_out,
                                                    espalier_error *error_out);

/* The same for an open descriptor; `name` is for messages. */
ESPALIER_API espalier_status espalier_digest_verify_fd(int descriptor, const char *name,
                                                       uint8_t *digest_out,
                                                       espalier_error *error_out);

/* ---------------------------------------------------------------------------------------------
 * Signatures: Ed25519, detached, in the files of minisign, which can verify them too
 * ------------------------------------------------------------------------------------------- */

/* Appended to a model's path: where its signature lies. */
#define ESPALIER_SIGNATURE_SUFFIX ".minisig"

typedef struct espalier_public_key {
    uint8_t id[8];
    uint8_t key[32];
} espalier_public_key;

/* Wipe it when it has served: espalier_secret_key_wipe. */
typedef struct espalier_secret_key {
    uint8_t id[8];
    uint8_t key[64];
} espalier_secret_key;

/*
 * Makes a key pair and writes it to two new files, the secret one readable by its owner alone;
 * files that exist are refused, not replaced. password: encrypts the secret key (scrypt, which
 * takes 128 MiB of memory and some tenths of a second), NULL or "": it is stored as it is.
 * Status: ARGUMENT, OPEN, WRITE, SYNC, MEMORY, KEY.
 */
ESPALIER_API espalier_status espalier_key_generate(const char *public_path, const char *secret_path,
                                                   const char *password, espalier_error *error_out);

/* Reads minisign's key files. password: NULL for a key that has none. Status: ARGUMENT, OPEN, READ,
 * MEMORY, KEY. */
ESPALIER_API espalier_status espalier_public_key_read(const char *path,
                                                      espalier_public_key *key_out,
                                                      espalier_error *error_out);
ESPALIER_API espalier_status espalier_secret_key_read(const char *path, const char *password,
                                                      espalier_secret_key *key_out,
                                                      espalier_error *error_out);
ESPALIER_API void espalier_secret_key_wipe(espalier_secret_key *key);

/* The key of its 56 characters of base64, as the second line of its file. Status: ARGUMENT, KEY. */
ESPALIER_API espalier_status espalier_public_key_parse(const char *text,
                                                       espalier_public_key *key_out);

/* What a signature says of a model. */
typedef struct espalier_signed {
    uint8_t root_digest[32];
    uint8_t
        verity_digest[32]; /* what fs-verity measures: SHA-256, blocks of 4,096 bytes, no salt */
    uint64_t file_bytes;
    char model_name[256]; /* as given to espalier_sign; "" */
    char model_version[256];
} espalier_signed;

/*
 * Checks the model's digests and signs all bytes of the file, and with them a comment of its root
 * digest, size, name and version. The file is read once: what is signed is what was checked, also
 * if somebody writes to the file meanwhile. model_name and model_version: UTF-8 of at most 80 bytes
 * without control characters, NULL or "" for none. signature_path: NULL for model_path with
 * ESPALIER_SIGNATURE_SUFFIX; a file of that name is replaced as a whole. O(file).
 * Status: ARGUMENT, WRITE, SYNC, RENAME, MEMORY, and those of espalier_digest_verify.
 */
ESPALIER_API espalier_status espalier_sign(const char *model_path, const espalier_secret_key *key,
                                           const char *model_name, const char *model_version,
                                           const char *signature_path, espalier_error *error_out);

/* Flags of espalier_signature_policy. */
enum {
    /* Where the file system itself vouches for the file's bytes (fs-verity) and the signature holds
     * that measure, do not read the file: O(1). Otherwise it is read, as without this flag. */
    ESPALIER_SIGNATURE_VERITY = 1u << 0,
    /* Check the model's digests in the same reading, as espalier_digest_verify does, and that the
     * root digest is the signed one; VERITY then changes nothing. Status: and DIGEST, and what
     * opening a model returns for a damaged header. */
    ESPALIER_SIGNATURE_DIGESTS = 1u << 1
};

/* What a signature must be. */
typedef struct espalier_signature_policy {
    size_t struct_bytes;
    uint64_t flags;
    const espalier_public_key *key;
    const char *model_name; /* NULL: any. Without it another model signed by the same key passes */
    const char *model_version; /* NULL: any */
    uint64_t reserved[4];
} espalier_signature_policy;

#define ESPALIER_SIGNATURE_POLICY_INIT                          \
    {                                                           \
        sizeof(espalier_signature_policy), 0, NULL, NULL, NULL, \
        {                                                       \
            0, 0, 0, 0                                          \
        }                                                       \
    }

/*
 * Whether the file behind a descriptor, or at a path, is byte for byte what the key's owner signed.
 * Open the same descriptor with espalier_model_open_fd afterwards: a path may lead elsewhere by
 * then. path: for messages, and where signature_path is NULL, with ESPALIER_SIGNATURE_SUFFIX the
 * signature's. signed_out may be NULL. O(file), any thread; says nothing of the model's safety or
 * worth. Status: ARGUMENT, OPTIONS, OPEN (also: no signature), READ, MEMORY, SIGNATURE.
 */
ESPALIER_API espalier_status espalier_signature_verify_fd(int descriptor, const char *path,
                                                          const char *signature_path,
                                                          const espalier_signature_policy *policy,
                                                          espalier_signed *signed_out,
                                                          espalier_error *error_out);
ESPALIER_API espalier_status espalier_signature_verify(const char *path, const char *signature_path,
                                                       const espalier_signature_policy *policy,
                                                       espalier_signed *signed_out,
                                                       espalier_error *error_out);

/* An espalier_slot_check: `policy` is an espalier_signature_policy that outlives the slot. */
ESPALIER_API espalier_status espalier_signature_slot_check(void *policy, int descriptor,
                                                           const char *path,
                                                           espalier_error *error_out);

/* ---------------------------------------------------------------------------------------------
 * Store: a folder of numbered models that are never changed, and a link to the current one
 *
 *     models/1/model.espalier     models/1/model.espalier.minisig     models/1/about
 *     models/2/...                models/current -> 2
 *
 * Readers need the link and the model alone: espalier_slot_open, espalier_model_open_store.
 * One who publishes waits for the other; what a killed one left is cleared away by the next.
 * ------------------------------------------------------------------------------------------- */

/* Flags of espalier_store_options. */
enum {
    ESPALIER_STORE_NO_WAIT = 1u << 0, /* BUSY when somebody else publishes, instead of waiting */
    /* Ask the file system to keep the model as it is (fs-verity), where it can. */
    ESPALIER_STORE_VERITY = 1u << 1
};

typedef struct espalier_store_options {
    size_t struct_bytes;
    uint64_t flags;
    const char
        *signature_path; /* NULL: the model's path with ESPALIER_SIGNATURE_SUFFIX, if there */
    const espalier_signature_policy
        *policy; /* publish nothing that it does not hold for; or NULL */
    uint64_t reserved[4];
} espalier_store_options;

#define ESPALIER_STORE_OPTIONS_INIT                    \
    {                                                  \
        sizeof(espalier_store_options), 0, NULL, NULL, \
        {                                              \
            0, 0, 0, 0                                 \
        }                                              \
    }

/*
 * Copies the model, and its signature, into the store as its next version and makes that current.
 * The copy is verified (digests, every node, golden rows, the signature if a policy is given) and
 * synced before it has a number; then the link is replaced in one step. The folder is made if it is
 * missing. *version_out (may be NULL) is the number. On failure the store is as it was before;
 * after SYNC the version may be there. O(file).
 * Status: ARGUMENT, OPTIONS, BUSY, OPEN, READ, WRITE, SYNC, RENAME, MEMORY, STORE,
 * LIMIT (no number is left), and those of espalier_digest_verify, espalier_model_verify and
 * espalier_signature_verify.
 */
ESPALIER_API espalier_status espalier_store_publish(const char *folder, const char *model_path,
                                                    const espalier_store_options *options,
                                                    uint64_t *version_out,
                                                    espalier_error *error_out);

/*
 * Publishes the bytes of an old version again, under a new number: numbers only grow, so a reader's
 * least version still holds. version: 0 for the one before the current. Status: as above; STORE
 * when there is no such version.
 */
ESPALIER_API espalier_status espalier_store_rollback(const char *folder, uint64_t version,
                                                     const espalier_store_options *options,
                                                     uint64_t *version_out,
                                                     espalier_error *error_out);

/*
 * Removes old versions but the newest keep_count; never the current one and the one before it.
 * Mapped models stay whole until they are closed. *removed_out may be NULL. Status: ARGUMENT,
 * OPTIONS, BUSY, OPEN, READ, WRITE, SYNC, RENAME, MEMORY, STORE, KEY (a damaged `about`).
 */
ESPALIER_API espalier_status espalier_store_prune(const char *folder, uint64_t keep_count,
                                                  const espalier_store_options *options,
                                                  uint64_t *removed_out, espalier_error *error_out);

typedef struct espalier_store_version {
    uint64_t version;
    uint64_t file_bytes;
    uint64_t previous;    /* the version that was current before it; 0: none */
    uint64_t copied_from; /* by rollback; 0: published from a file */
    uint8_t root_digest[32];
    uint32_t is_current;
    uint32_t is_previous; /* the one that rollback returns to */
    uint32_t has_signature;
    uint32_t is_readable; /* 0: its model does not open; digest and size are zero then */
} espalier_store_version;

/*
 * The versions of a store, rising: *versions_out is malloc'ed for *count_out of them, to be freed
 * with espalier_store_free. Waits for nobody. Status: ARGUMENT, OPEN, READ, MEMORY, STORE,
 * KEY (a damaged `about`).
 */
ESPALIER_API espalier_status espalier_store_list(const char *folder,
                                                 espalier_store_version **versions_out,
                                                 size_t *count_out, espalier_error *error_out);
ESPALIER_API void espalier_store_free(espalier_store_version *versions);

#ifdef __cplusplus
}
#endif

#endif
