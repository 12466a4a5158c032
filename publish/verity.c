// SPDX-License-Identifier: Apache-2.0
/*
 * See verity.h. The tree: each block of 4,096 bytes is hashed, the hashes fill blocks of the next
 * level, padded with zeroes, until one is left; its hash and the file's size make a descriptor,
 * whose hash is the measure. May include libsodium.
 */
#include "publish/verity.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <linux/fsverity.h>
#include <sys/ioctl.h>
#endif

#define BLOCK_BYTES 4096u
#define HASH_BYTES  ESPALIER_VERITY_DIGEST_BYTES
#define LEVELS_MAX  8u /* 128^8 blocks are more than a file can have */

/* struct fsverity_descriptor of the kernel's document, version 1. */
typedef struct verity_descriptor {
    uint8_t version;
    uint8_t hash_algorithm; /* 1: SHA-256 */
    uint8_t log_block_bytes;
    uint8_t salt_bytes;
    uint8_t reserved0[4];
    uint8_t data_bytes[8]; /* little-endian */
    uint8_t root_hash[64];
    uint8_t salt[32];
    uint8_t reserved1[144];
} verity_descriptor;

_Static_assert(sizeof(verity_descriptor) == 256, "the descriptor has no padding");

/* A block of each level that is being filled; and of the file, from its last whole block on. */
struct espalier_verity_tree {
    uint64_t bytes; /* of the file so far */
    uint8_t data[BLOCK_BYTES];
    uint8_t blocks[LEVELS_MAX][BLOCK_BYTES];
    size_t filled[LEVELS_MAX];
    uint32_t level_count; /* levels that hold anything */
};

/* Adds a hash to a level; a full block is hashed into the next one. */
static void add_hash(espalier_verity_tree *tree, uint32_t level, const uint8_t *hash)
{
    uint8_t up[HASH_BYTES];
    memcpy(up, hash, sizeof up);
    for (; level < LEVELS_MAX; level++) {
        tree->level_count = level + 1 > tree->level_count ? level + 1 : tree->level_count;
        memcpy(tree->blocks[level] + tree->filled[level], up, sizeof up);
        tree->filled[level] += sizeof up;
        if (tree->filled[level] < BLOCK_BYTES) {
            return;
        }
        (void)crypto_hash_sha256(up, tree->blocks[level], BLOCK_BYTES);
        tree->filled[level] = 0;
    }
}

/* The hash of the last block: what is unfinished is padded and passed up. */
static void finish_tree(espalier_verity_tree *tree, uint8_t *root_out)
{
    for (uint32_t level = 0; level < LEVELS_MAX; level++) {
        const size_t filled = tree->filled[level];
        /* One hash alone on the highest level is the root. */
        if (level + 1 == tree->level_count && filled == HASH_BYTES) {
            memcpy(root_out, tree->blocks[level], HASH_BYTES);
            return;
        }
        if (filled == 0) {
            continue;
        }
        uint8_t hash[HASH_BYTES];
        memset(tree->blocks[level] + filled, 0, BLOCK_BYTES - filled);
        (void)crypto_hash_sha256(hash, tree->blocks[level], BLOCK_BYTES);
        add_hash(tree, level + 1, hash);
    }
}

static void finish_digest(uint64_t bytes, const uint8_t *root, uint8_t *digest_out)
{
    verity_descriptor descriptor;
    memset(&descriptor, 0, sizeof descriptor);
    descriptor.version = 1;
    descriptor.hash_algorithm = 1;
    descriptor.log_block_bytes = 12;
    for (unsigned i = 0; i < sizeof descriptor.data_bytes; i++) {
        descriptor.data_bytes[i] = (uint8_t)(bytes >> (8 * i));
    }
    memcpy(descriptor.root_hash, root, HASH_BYTES);
    (void)crypto_hash_sha256(digest_out, (const uint8_t *)&descriptor, sizeof descriptor);
}

espalier_verity_tree *espalier_verity_begin(void)
{
    return calloc(1, sizeof(espalier_verity_tree));
}

static void add_block(espalier_verity_tree *tree, const uint8_t *block)
{
    uint8_t hash[HASH_BYTES];
    (void)crypto_hash_sha256(hash, block, BLOCK_BYTES);
    add_hash(tree, 0, hash);
}

void espalier_verity_add(espalier_verity_tree *tree, const uint8_t *data, size_t count)
{
    while (count > 0) {
        const size_t filled = (size_t)(tree->bytes % BLOCK_BYTES);
        const size_t room = BLOCK_BYTES - filled;
        const size_t taken = count < room ? count : room;
        memcpy(tree->data + filled, data, taken);
        if (taken == room) {
            add_block(tree, tree->data);
        }
        tree->bytes += taken;
        data += taken;
        count -= taken;
    }
}

void espalier_verity_finish(espalier_verity_tree *tree, uint8_t *digest_out)
{
    const size_t filled = (size_t)(tree->bytes % BLOCK_BYTES);
    if (filled > 0) {
        memset(tree->data + filled, 0, BLOCK_BYTES - filled);
        add_block(tree, tree->data);
    }
    uint8_t root[HASH_BYTES] = {0}; /* of an empty file */
    finish_tree(tree, root);
    finish_digest(tree->bytes, root, digest_out);
}

#ifdef FS_IOC_MEASURE_VERITY

bool espalier_verity_measure(int descriptor, uint8_t *digest_out)
{
    struct fsverity_digest head;
    _Alignas(8) uint8_t measure[sizeof head + 64] = {0};
    memset(&head, 0, sizeof head);
    head.digest_size = sizeof measure - sizeof head;
    memcpy(measure, &head, sizeof head);
    if (ioctl(descriptor, FS_IOC_MEASURE_VERITY, measure) != 0) {
        return false;
    }
    memcpy(&head, measure, sizeof head);
    if (head.digest_algorithm != FS_VERITY_HASH_ALG_SHA256 || head.digest_size != HASH_BYTES) {
        return false;
    }
    memcpy(digest_out, measure + sizeof head, HASH_BYTES);
    return true;
}

bool espalier_verity_enable(int descriptor)
{
    struct fsverity_enable_arg argument;
    memset(&argument, 0, sizeof argument);
    argument.version = 1;
    argument.hash_algorithm = FS_VERITY_HASH_ALG_SHA256;
    argument.block_size = BLOCK_BYTES;
    return ioctl(descriptor, FS_IOC_ENABLE_VERITY, &argument) == 0;
}

#else

bool espalier_verity_measure(int descriptor, uint8_t *digest_out)
{
    (void)descriptor;
    (void)digest_out;
    return false;
}

bool espalier_verity_enable(int descriptor)
{
    (void)descriptor;
    return false;
}

#endif
