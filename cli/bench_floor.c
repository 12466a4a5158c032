// SPDX-License-Identifier: Apache-2.0
/*
 * The least a row can take on this machine: what a kernel must load, at the rate this machine loads
 * from its first cache. Includes bench.h and libc.
 */
#include "bench.h"
#include "espalier_inspect.h"

#include <string.h>
#include <time.h>

#define BUFFER_BYTES 8192u /* well inside any first cache */
#define PASSES       4000u
#define ROUNDS       7u

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Keeps the compiler from knowing what is in memory, or that a value is not used. */
static void hide(void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* Eight loads at a time, which do not wait for each other. */
static uint64_t load_all(const uint64_t *words)
{
    uint64_t a = 0;
    uint64_t b = 0;
    uint64_t c = 0;
    uint64_t d = 0;
    for (size_t i = 0; i < BUFFER_BYTES / sizeof *words; i += 8) {
        a ^= *(const volatile uint64_t *)&words[i];
        b ^= *(const volatile uint64_t *)&words[i + 1];
        c ^= *(const volatile uint64_t *)&words[i + 2];
        d ^= *(const volatile uint64_t *)&words[i + 3];
        a ^= *(const volatile uint64_t *)&words[i + 4];
        b ^= *(const volatile uint64_t *)&words[i + 5];
        c ^= *(const volatile uint64_t *)&words[i + 6];
        d ^= *(const volatile uint64_t *)&words[i + 7];
    }
    return a ^ b ^ c ^ d;
}

/*
 * Compares every byte with a constant and keeps what came out: the least of a mask kernel. GCC's
 * and clang's vector extension; a macro, since a vector wider than the registers of the function it
 * is written in is taken apart byte by byte.
 */
#define DEFINE_COMPARE(name, vector_bytes, target)                                         \
    static target uint8_t name(const uint8_t *bytes, uint8_t threshold)                    \
    {                                                                                      \
        typedef uint8_t byte_vector __attribute__((vector_size(vector_bytes), may_alias)); \
        const byte_vector *const vectors = (const byte_vector *)(const void *)bytes;       \
        byte_vector found[2] = {{0}, {0}};                                                 \
        byte_vector limit = {0};                                                           \
        limit += threshold;                                                                \
        for (size_t i = 0; i < BUFFER_BYTES / (vector_bytes); i += 2) {                    \
            found[0] |= (byte_vector)(vectors[i] > limit);                                 \
            found[1] |= (byte_vector)(vectors[i + 1] > limit);                             \
        }                                                                                  \
        found[0] |= found[1];                                                              \
        return found[0][0];                                                                \
    }

DEFINE_COMPARE(compare_plain, 16, )
#if defined(__x86_64__)
DEFINE_COMPARE(compare_avx2, 32, __attribute__((target("avx2"))))
DEFINE_COMPARE(compare_avx512, 64, __attribute__((target("avx512bw"))))
#endif

typedef uint8_t compare_function(const uint8_t *bytes, uint8_t threshold);

static compare_function *choose_compare(void)
{
#if defined(__x86_64__)
    if (espalier_isa_supported(ESPALIER_ISA_AVX512)) {
        return compare_avx512;
    }
    if (espalier_isa_supported(ESPALIER_ISA_AVX2)) {
        return compare_avx2;
    }
#endif
    return compare_plain;
}

void espalier_bench_machine_measure(espalier_bench_machine *machine_out)
{
    static _Alignas(64) uint64_t words[BUFFER_BYTES / sizeof(uint64_t)];
    double load_time = 1e300;
    double compare_time = 1e300;
    compare_function *const compare_all = choose_compare();
    memset(words, 0x5A, sizeof words);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const double start = now();
        for (uint32_t pass = 0; pass < PASSES; pass++) {
            uint64_t sum = load_all(words);
            hide(&sum);
        }
        const double middle = now();
        for (uint32_t pass = 0; pass < PASSES; pass++) {
            uint8_t any = compare_all((const uint8_t *)words, (uint8_t)pass);
            hide(&any);
        }
        const double end = now();
        load_time = middle - start < load_time ? middle - start : load_time;
        compare_time = end - middle < compare_time ? end - middle : compare_time;
    }
    const size_t word_count = sizeof words / sizeof words[0];
    machine_out->loads_per_ns = (double)PASSES * (double)word_count / load_time;
    machine_out->bytes_per_ns = (double)PASSES * (double)sizeof words / compare_time;
}

bool espalier_bench_floor_find(const espalier_model *model, const espalier_bench_visits *visits,
                               const espalier_bench_machine *machine,
                               espalier_bench_floor *floor_out)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    *floor_out = (espalier_bench_floor){0};
    if (espalier_model_info_get(model, &info) != ESPALIER_OK || info.visits_per_row == 0) {
        return false;
    }
    for (uint32_t p = 0; p < info.part_count; p++) {
        espalier_part_info part = ESPALIER_PART_INFO_INIT;
        if (espalier_model_part(model, p, &part) != ESPALIER_OK) {
            return false;
        }
        /* Of several parts each has its share of the visits, by its trees. */
        const double share = (double)part.tree_count / (double)info.tree_count;
        const bool is_walk = part.layout == ESPALIER_LAYOUT_WALK;
        const double walked =
            visits->visits * share * (is_walk ? 2.0 : 3.0) / machine->loads_per_ns;
        if (is_walk) {
            floor_out->one_row += walked;
            floor_out->batch += walked;
            continue;
        }
        const bool is_heap = part.layout == ESPALIER_LAYOUT_HEAP;
        const double node_bytes = (double)part.node_section_bytes;
        const double nodes = node_bytes / (double)part.node_bytes;
        const double streamed = node_bytes / machine->bytes_per_ns;
        floor_out->one_row += is_heap && streamed < walked ? streamed : walked;
        /* Blocks of complete trees may share the answers to tests: a bit of each node's is left. */
        const double looked = is_heap && part.code_bytes == 1 ? 1.0 / 8.0 : (double)part.code_bytes;
        floor_out->batch += nodes * looked / machine->bytes_per_ns;
    }
    return true;
}
