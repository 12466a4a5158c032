// SPDX-License-Identifier: Apache-2.0
/*
 * See cpu.h. A level counts only if the system saves its registers (XCR0), and an AVX-512 level
 * only with all of the extensions its kernels are compiled for.
 *
 * Slow gathers:
 *  - AMD before Zen 4 (families below 19h; 19h's models 00h to 0Fh and 20h to 5Fh), and Hygon's
 *    18h: a gather is microcode of several operations a load. From Zen 4 on it takes about as long
 *    as plain loads.
 *  - Intel whose microcode mitigates Gather Data Sampling (Downfall, August 2023): Skylake to Tiger
 *    Lake and Rocket Lake; a gather then waits for the ones before it. A CPU says that it is not
 *    affected by IA32_ARCH_CAPABILITIES, which programs cannot read, so the affected models are
 *    listed; an old microcode, or a system started with gather_data_sampling=off, is not told apart
 *    and loses the gather kernels for nothing. Force a level to have them.
 */
#include "engine/cpu.h"

#include "espalier.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <stdatomic.h>
#include <string.h>

typedef struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
} cpuid_leaf;

/* What the CPU says of itself: three times the instruction, which a hypervisor traps. */
typedef struct cpuid_answers {
    cpuid_leaf leaf0, leaf1, leaf7;
} cpuid_answers;

static cpuid_answers ask(void)
{
    cpuid_answers answers;
    memset(&answers, 0, sizeof answers);
    cpuid_leaf *leaf = &answers.leaf0;
    __cpuid(0, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
    const uint32_t highest = leaf->eax;
    if (highest >= 1) {
        leaf = &answers.leaf1;
        __cpuid(1, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
    }
    if (highest >= 7) {
        leaf = &answers.leaf7;
        __cpuid_count(7, 0, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
    }
    return answers;
}

/* Which registers the system saves; only with OSXSAVE. */
static uint32_t saved_registers(void)
{
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

#define LEAF1_ECX_OSXSAVE  (1u << 27)
#define LEAF1_ECX_AVX      (1u << 28)
#define LEAF1_ECX_POPCNT   (1u << 23)
#define LEAF7_EBX_BMI1     (1u << 3)
#define LEAF7_EBX_AVX2     (1u << 5)
#define LEAF7_EBX_BMI2     (1u << 8)
#define LEAF7_EBX_AVX512F  (1u << 16)
#define LEAF7_EBX_AVX512DQ (1u << 17)
#define LEAF7_EBX_AVX512BW (1u << 30)
#define LEAF7_EBX_AVX512VL (1u << 31)
#define LEAF7_ECX_VBMI     (1u << 1)
#define XCR0_AVX           0x06u /* XMM, YMM */
#define XCR0_AVX512        0xE6u /* and opmask, ZMM */

static bool has_all(uint32_t word, uint32_t bits)
{
    return (word & bits) == bits;
}

static uint32_t find_levels(const cpuid_answers *answers)
{
    uint32_t levels = 1u << ESPALIER_ISA_SCALAR;
    const cpuid_leaf leaf1 = answers->leaf1;
    const cpuid_leaf leaf7 = answers->leaf7;
    const uint32_t saved = (leaf1.ecx & LEAF1_ECX_OSXSAVE) != 0 ? saved_registers() : 0;
    if (!has_all(leaf1.ecx, LEAF1_ECX_AVX | LEAF1_ECX_POPCNT) || !has_all(saved, XCR0_AVX) ||
        !has_all(leaf7.ebx, LEAF7_EBX_AVX2 | LEAF7_EBX_BMI1 | LEAF7_EBX_BMI2)) {
        return levels;
    }
    levels |= 1u << ESPALIER_ISA_AVX2;
    if (!has_all(saved, XCR0_AVX512) ||
        !has_all(leaf7.ebx, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW |
                                LEAF7_EBX_AVX512VL)) {
        return levels;
    }
    levels |= 1u << ESPALIER_ISA_AVX512;
    if (has_all(leaf7.ecx, LEAF7_ECX_VBMI)) {
        levels |= 1u << ESPALIER_ISA_AVX512_VBMI;
    }
    return levels;
}

/* Skylake (client, server), Cannon Lake, Ice Lake, Kaby and Comet Lake, Tiger Lake, Rocket Lake. */
static bool intel_gathers_are_slow(uint32_t model)
{
    static const uint8_t affected[] = {0x4E, 0x5E, 0x55, 0x66, 0x6A, 0x6C, 0x7D, 0x7E,
                                       0x8C, 0x8D, 0x8E, 0x9E, 0xA5, 0xA6, 0xA7};
    bool found = false;
    for (uint32_t i = 0; i < sizeof affected; i++) {
        found = found || affected[i] == model;
    }
    return found;
}

/* Family 19h is Zen 3 and Zen 4: the latter has models 10h to 1Fh and 60h to AFh. */
static bool amd_gathers_are_slow(uint32_t family, uint32_t model)
{
    const bool is_zen4 = (model >= 0x10 && model <= 0x1F) || (model >= 0x60 && model <= 0xAF);
    return family < 0x19 || (family == 0x19 && !is_zen4);
}

static bool gathers_are_slow(const cpuid_answers *answers)
{
    const cpuid_leaf leaf0 = answers->leaf0;
    const uint32_t version = answers->leaf1.eax;
    uint32_t family = version >> 8 & 0xF;
    uint32_t model = version >> 4 & 0xF;
    if (family == 0x6 || family == 0xF) {
        model |= (version >> 16 & 0xF) << 4;
    }
    family += family == 0xF ? version >> 20 & 0xFF : 0;
    char vendor[13] = {0};
    memcpy(vendor, &leaf0.ebx, 4);
    memcpy(vendor + 4, &leaf0.edx, 4);
    memcpy(vendor + 8, &leaf0.ecx, 4);
    if (strcmp(vendor, "GenuineIntel") == 0) {
        return family == 6 && intel_gathers_are_slow(model);
    }
    if (strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0) {
        return amd_gathers_are_slow(family, model);
    }
    return true; /* unknown: plain loads are never far behind */
}

/*
 * The answer, once somebody has asked: a hypervisor traps each cpuid, and 3 us are an eighth of an
 * open. Threads that ask at once find the same and write the same, so no order is needed.
 */
static _Atomic uint32_t known;
#define KNOWN_ASKED        (1u << 31)
#define KNOWN_SLOW_GATHERS (1u << 30)

espalier_cpu espalier_cpu_detect(void)
{
    uint32_t word = atomic_load_explicit(&known, memory_order_relaxed);
    if (word == 0) {
        const cpuid_answers answers = ask();
        word = KNOWN_ASKED | find_levels(&answers) |
               (gathers_are_slow(&answers) ? KNOWN_SLOW_GATHERS : 0);
        atomic_store_explicit(&known, word, memory_order_relaxed);
    }
    return (espalier_cpu){word & (KNOWN_SLOW_GATHERS - 1), (word & KNOWN_SLOW_GATHERS) != 0};
}

#elif defined(__aarch64__)

/* NEON is part of AArch64; it has no gathers. */
espalier_cpu espalier_cpu_detect(void)
{
    return (espalier_cpu){1u << ESPALIER_ISA_SCALAR | 1u << ESPALIER_ISA_NEON, true};
}

#else

espalier_cpu espalier_cpu_detect(void)
{
    return (espalier_cpu){1u << ESPALIER_ISA_SCALAR, true};
}

#endif
