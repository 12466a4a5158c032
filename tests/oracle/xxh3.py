# SPDX-License-Identifier: Apache-2.0
"""XXH3-64 and XXH3-128 without seed, written from the public text xxhash_spec.md of xxHash.

For tests only: plain integers, a few MB/s. Names and steps follow that text. May use the
standard library alone and must never call another implementation: it is there to check ours.
"""

import struct

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")

PRIME32_1 = 0x9E3779B1
PRIME32_2 = 0x85EBCA77
PRIME32_3 = 0xC2B2AE3D
PRIME64_1 = 0x9E3779B185EBCA87
PRIME64_2 = 0xC2B2AE3D27D4EB4F
PRIME64_3 = 0x165667B19E3779F9
PRIME64_4 = 0x85EBCA77C2B2AE63
PRIME64_5 = 0x27D4EB2F165667C5
PRIME_MX1 = 0x165667919E3779F9
PRIME_MX2 = 0x9FB21C651E98DF25

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF
STRIPE_BYTES = 64
STRIPES_PER_BLOCK = (len(SECRET) - 64) // 8
BLOCK_BYTES = STRIPE_BYTES * STRIPES_PER_BLOCK


def words32(data, start, count):
    return struct.unpack_from(f"<{count}I", data, start)


def words64(data, start, count):
    return struct.unpack_from(f"<{count}Q", data, start)


def swap32(value):
    return int.from_bytes(value.to_bytes(4, "little"), "big")


def swap64(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def rotate(value, by, bits):
    return (value << by | value >> (bits - by)) & ((1 << bits) - 1)


def fold(left, right):
    """The halves of the 128-bit product, combined."""
    product = left * right
    return (product & MASK64) ^ (product >> 64)


def avalanche(value):
    value ^= value >> 37
    value = value * PRIME_MX1 & MASK64
    return value ^ value >> 32


def avalanche_xxh64(value):
    value ^= value >> 33
    value = value * PRIME64_2 & MASK64
    value ^= value >> 29
    value = value * PRIME64_3 & MASK64
    return value ^ value >> 32


# --- Small inputs: 0 to 16 bytes ------------------------------------------------------------------

def combine_1_to_3(data):
    size = len(data)
    return data[-1] | size << 8 | data[0] << 16 | data[size >> 1] << 24


def small64(data):
    size = len(data)
    if size == 0:
        words = words64(SECRET, 56, 2)
        return avalanche_xxh64(words[0] ^ words[1])
    if size <= 3:
        words = words32(SECRET, 0, 2)
        return avalanche_xxh64(words[0] ^ words[1] ^ combine_1_to_3(data))
    if size <= 8:
        words = words64(SECRET, 8, 2)
        first, last = words32(data, 0, 1)[0], words32(data, size - 4, 1)[0]
        value = words[0] ^ words[1] ^ (last | first << 32)
        value ^= rotate(value, 49, 64) ^ rotate(value, 24, 64)
        value = value * PRIME_MX2 & MASK64
        value ^= (value >> 35) + size
        value = value * PRIME_MX2 & MASK64
        return value ^ value >> 28
    words = words64(SECRET, 24, 4)
    low = words[0] ^ words[1] ^ words64(data, 0, 1)[0]
    high = words[2] ^ words[3] ^ words64(data, size - 8, 1)[0]
    return avalanche((size + swap64(low) + high + fold(low, high)) & MASK64)


def small128(data):
    size = len(data)
    if size == 0:
        words = words64(SECRET, 64, 4)
        return avalanche_xxh64(words[0] ^ words[1]), avalanche_xxh64(words[2] ^ words[3])
    if size <= 3:
        words = words32(SECRET, 0, 4)
        combined = combine_1_to_3(data)
        low = words[0] ^ words[1] ^ combined
        high = words[2] ^ words[3] ^ rotate(swap32(combined), 13, 32)
        return avalanche_xxh64(low), avalanche_xxh64(high)
    if size <= 8:
        words = words64(SECRET, 16, 2)
        first, last = words32(data, 0, 1)[0], words32(data, size - 4, 1)[0]
        value = words[0] ^ words[1] ^ (first | last << 32)
        product = value * (PRIME64_1 + (size << 2) & MASK64)
        low, high = product & MASK64, product >> 64
        high = high + (low << 1) & MASK64
        low ^= high >> 3
        low ^= low >> 35
        low = low * PRIME_MX2 & MASK64
        low ^= low >> 28
        return low, avalanche(high)
    words = words64(SECRET, 32, 4)
    first, last = words64(data, 0, 1)[0], words64(data, size - 8, 1)[0]
    value1 = words[0] ^ words[1] ^ first ^ last
    value2 = words[2] ^ words[3] ^ last
    product = value1 * PRIME64_1
    low = (product & MASK64) + (size - 1 << 54) & MASK64
    high = (product >> 64) + (value2 >> 32 << 32) + (value2 & MASK32) * PRIME32_2 & MASK64
    low ^= swap64(high)
    product = low * PRIME64_2
    high = (product >> 64) + high * PRIME64_2 & MASK64
    return avalanche(product & MASK64), avalanche(high)


# --- Medium inputs: 17 to 240 bytes ---------------------------------------------------------------

def mix_step(data, start, secret_start):
    words = words64(data, start, 2)
    secret = words64(SECRET, secret_start, 2)
    return fold(words[0] ^ secret[0], words[1] ^ secret[1])


def medium64(data):
    size = len(data)
    total = size * PRIME64_1
    if size <= 128:
        for i in range((size - 1 >> 5) + 1):
            total += mix_step(data, 16 * i, 32 * i)
            total += mix_step(data, size - 16 * i - 16, 32 * i + 16)
        return avalanche(total & MASK64)
    for i in range(8):
        total += mix_step(data, 16 * i, 16 * i)
    total = avalanche(total & MASK64)
    for i in range(8, size >> 4):
        total += mix_step(data, 16 * i, 16 * (i - 8) + 3)
    total += mix_step(data, size - 16, 119)
    return avalanche(total & MASK64)


def mix_two_chunks(total, data, start1, start2, secret_start):
    words1, words2 = words64(data, start1, 2), words64(data, start2, 2)
    low = total[0] + mix_step(data, start1, secret_start) & MASK64
    high = total[1] + mix_step(data, start2, secret_start + 16) & MASK64
    return low ^ (words2[0] + words2[1] & MASK64), high ^ (words1[0] + words1[1] & MASK64)


def medium128(data):
    size = len(data)
    total = (size * PRIME64_1 & MASK64, 0)
    if size <= 128:
        for i in range(size - 1 >> 5, -1, -1):
            total = mix_two_chunks(total, data, 16 * i, size - 16 * i - 16, 32 * i)
    else:
        for i in range(4):
            total = mix_two_chunks(total, data, 32 * i, 32 * i + 16, 32 * i)
        total = avalanche(total[0]), avalanche(total[1])
        for i in range(4, size >> 5):
            total = mix_two_chunks(total, data, 32 * i, 32 * i + 16, 32 * (i - 4) + 3)
        total = mix_two_chunks(total, data, size - 16, size - 32, 103)
    low = total[0] + total[1] & MASK64
    high = total[0] * PRIME64_1 + total[1] * PRIME64_4 + size * PRIME64_2 & MASK64
    return avalanche(low), -avalanche(high) & MASK64


# --- Large inputs: 241 bytes and more -------------------------------------------------------------

def accumulate(sums, stripe, secret):
    for i in range(8):
        word = stripe[i]
        value = word ^ secret[i]
        sums[i ^ 1] = sums[i ^ 1] + word & MASK64
        sums[i] = sums[i] + (value & MASK32) * (value >> 32) & MASK64


def scramble(sums, secret):
    for i in range(8):
        value = sums[i]
        value ^= value >> 47
        sums[i] = (value ^ secret[i]) * PRIME32_1 & MASK64


def accumulate_all(data):
    sums = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1]
    secrets = [words64(SECRET, 8 * n, 8) for n in range(STRIPES_PER_BLOCK)]
    last_secret = words64(SECRET, len(SECRET) - 64, 8)
    # The last block stays over, even if it is a full one, and so does its last stripe.
    for stripe in range((len(data) - 1) // STRIPE_BYTES):
        place = stripe % STRIPES_PER_BLOCK
        if place == 0 and stripe > 0:
            scramble(sums, last_secret)
        accumulate(sums, words64(data, STRIPE_BYTES * stripe, 8), secrets[place])
    if (len(data) - 1) % BLOCK_BYTES < STRIPE_BYTES:
        # The last block has no full stripe in front of its last one.
        scramble(sums, last_secret)
    accumulate(sums, words64(data, len(data) - 64, 8), words64(SECRET, len(SECRET) - 71, 8))
    return sums


def final_merge(sums, start, secret_start):
    secret = words64(SECRET, secret_start, 8)
    for i in range(0, 8, 2):
        start += fold(sums[i] ^ secret[i], sums[i + 1] ^ secret[i + 1])
    return avalanche(start & MASK64)


def xxh3_64(data):
    if len(data) <= 16:
        return small64(data)
    if len(data) <= 240:
        return medium64(data)
    return final_merge(accumulate_all(data), len(data) * PRIME64_1 & MASK64, 11)


def xxh3_128(data):
    """(low half, high half)."""
    if len(data) <= 16:
        return small128(data)
    if len(data) <= 240:
        return medium128(data)
    sums = accumulate_all(data)
    low = final_merge(sums, len(data) * PRIME64_1 & MASK64, 11)
    high = final_merge(sums, ~(len(data) * PRIME64_2) & MASK64, len(SECRET) - 75)
    return low, high
