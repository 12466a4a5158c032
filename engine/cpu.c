// SPDX-License-Identifier: Apache-2.0
/*
 * See cpu.h. A level counts only if the system saves its registers (XCR0), and an AVX-512 level
 * only with all of the extensions its kernels are compiled for.
 */
#include "engine/cpu.h"

#include "espalier.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

typedef struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
} cpuid_leaf;

/* What the CPU says of itself: three times the instruction, which a hypervisor traps. */
typedef struct cpuid_answers {
    bool is_intel;
    cpuid_leaf leaf1, leaf7;
} cpuid_answers;

static cpuid_answers ask(void)
{
    cpuid_answers answers;
    memset(&answers, 0, sizeof answers);
    cpuid_leaf leaf0;
    __cpuid(0, leaf0.eax, leaf0.ebx, leaf0.ecx, leaf0.edx);
    answers.is_intel = leaf0.ebx == signature_INTEL_ebx && leaf0.ecx == signature_INTEL_ecx &&
                       leaf0.edx == signature_INTEL_edx;
    if (leaf0.eax >= 1) {
        cpuid_leaf *const leaf = &answers.leaf1;
        __cpuid(1, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
    }
    if (leaf0.eax >= 7) {
        cpuid_leaf *const leaf = &answers.leaf7;
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
#define LEAF7_EDX_FP16     (1u << 23)
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

/*
 * Intel's since Sapphire Rapids, the first with AVX512_FP16. Those before it gather slowly where
 * their microcode answers Downfall (CVE-2022-40982); on those of others it was not measured.
 */
static bool gathers_fast(const cpuid_answers *answers)
{
    return answers->is_intel && has_all(answers->leaf7.edx, LEAF7_EDX_FP16);
}

/*
 * The answer, once somebody has asked: a hypervisor traps each cpuid, and 3 us are an eighth of an
 * open. Threads that ask at once find the same and write the same, so no order is needed.
 */
static _Atomic uint32_t known;
#define KNOWN_ASKED   (1u << 31)
#define KNOWN_GATHERS (1u << 30)

espalier_cpu espalier_cpu_detect(void)
{
    uint32_t word = atomic_load_explicit(&known, memory_order_relaxed);
    if (word == 0) {
        const cpuid_answers answers = ask();
        word = KNOWN_ASKED | find_levels(&answers) | (gathers_fast(&answers) ? KNOWN_GATHERS : 0);
        atomic_store_explicit(&known, word, memory_order_relaxed);
    }
    return (espalier_cpu){word & ~(KNOWN_ASKED | KNOWN_GATHERS), (word & KNOWN_GATHERS) != 0};
}

#elif defined(__aarch64__)

/* NEON is part of AArch64. */
espalier_cpu espalier_cpu_detect(void)
{
    return (espalier_cpu){1u << ESPALIER_ISA_SCALAR | 1u << ESPALIER_ISA_NEON, false};
}

#else

espalier_cpu espalier_cpu_detect(void)
{
    return (espalier_cpu){1u << ESPALIER_ISA_SCALAR, false};
}

#endif
