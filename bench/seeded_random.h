// SPDX-License-Identifier: Apache-2.0
/*
 * A small seeded generator (xoshiro256**, seeded by splitmix64) whose numbers are the same with
 * every compiler and library: integer steps and exact scalings only, no libm, no <random>.
 * Includes the standard headers only; never reads a clock or the system's entropy.
 */
#ifndef ESPALIER_BENCH_SEEDED_RANDOM_H
#define ESPALIER_BENCH_SEEDED_RANDOM_H

#include <cstdint>

namespace espalier_bench
{

class seeded_random
{
public:
    // Streams of one seed are independent: a tree's numbers do not depend on who grows it when.
    explicit seeded_random(uint64_t seed, uint64_t stream = 0)
    {
        uint64_t mixer =
            seed ^ (stream * UINT64_C(0xD1342543DE82EF95) + UINT64_C(0x2545F4914F6CDD1D));
        for (uint64_t &word : state_) {
            word = split_mix(mixer);
        }
    }

    uint64_t next()
    {
        const uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // In [0, limit), limit at least 1. The bias is below limit / 2^32, of no matter here.
    uint32_t below(uint32_t limit)
    {
        return static_cast<uint32_t>(((next() >> 32) * limit) >> 32);
    }

    // In [0, 1), a multiple of 2^-53.
    double uniform()
    {
        return static_cast<double>(next() >> 11) * 0x1p-53;
    }

    // Close to a standard normal: the sum of twelve uniform numbers, so that no libm is needed.
    double normal()
    {
        double sum = -6.0;
        for (int i = 0; i < 12; i++) {
            sum += uniform();
        }
        return sum;
    }

private:
    static uint64_t rotate(uint64_t value, int bits)
    {
        return (value << bits) | (value >> (64 - bits));
    }

    static uint64_t split_mix(uint64_t &mixer)
    {
        mixer += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = mixer;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
    }

    uint64_t state_[4];
};

} // namespace espalier_bench

#endif
