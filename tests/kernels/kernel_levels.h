// SPDX-License-Identifier: Apache-2.0
/*
 * The levels of ISA as tests of kernels see them: their names, their kernels, and whether this
 * machine can run them. Includes the kernels' contract only.
 */
#ifndef TESTS_KERNELS_KERNEL_LEVELS_H
#define TESTS_KERNELS_KERNEL_LEVELS_H

#include "engine/kernels/kernel.h"
#include "espalier.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline const char *levels_name(uint32_t level)
{
    static const char *const names[ESPALIER_ISA_COUNT] = {"auto",   "scalar",      "avx2",
                                                          "avx512", "avx512-vbmi", "neon"};
    return level < ESPALIER_ISA_COUNT ? names[level] : "?";
}

static inline const espalier_kernel_list *levels_kernels(uint32_t level)
{
    switch (level) {
    case ESPALIER_ISA_AVX2:
        return &espalier_kernels__avx2;
    case ESPALIER_ISA_AVX512:
        return &espalier_kernels__avx512;
    case ESPALIER_ISA_AVX512_VBMI:
        return &espalier_kernels__avx512_vbmi;
    case ESPALIER_ISA_NEON:
        return &espalier_kernels__neon;
    default:
        return &espalier_kernels__scalar;
    }
}

/* NULL: the level has none of its own. */
static inline const espalier_ranker *levels_ranker(uint32_t level)
{
    switch (level) {
    case ESPALIER_ISA_SCALAR:
        return espalier_ranker__scalar;
    case ESPALIER_ISA_AVX2:
        return espalier_ranker__avx2;
    case ESPALIER_ISA_AVX512:
        return espalier_ranker__avx512;
    case ESPALIER_ISA_NEON:
        return espalier_ranker__neon;
    default:
        return NULL;
    }
}

static inline bool levels_machine_has(uint32_t level)
{
    switch (level) {
    case ESPALIER_ISA_SCALAR:
        return true;
#if defined(__x86_64__) || defined(__i386__)
    case ESPALIER_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    case ESPALIER_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case ESPALIER_ISA_AVX512_VBMI:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vbmi");
#endif
#if defined(__aarch64__)
    case ESPALIER_ISA_NEON:
        return true;
#endif
    default:
        return false;
    }
}

/* Where time is short, as in emulators, ESPALIER_CHECK_LEVEL names the only level to check. */
static inline bool levels_is_wanted(uint32_t level)
{
    const char *const name = getenv("ESPALIER_CHECK_LEVEL");
    return name == NULL || strcmp(name, levels_name(level)) == 0;
}

/* Whether a level is wanted, was built and can run here; says so if not. */
static inline bool levels_can_run(uint32_t level)
{
    if (!levels_is_wanted(level)) {
        return false;
    }
    if (levels_kernels(level)->count == 0) {
        (void)printf("%s: not built\n", levels_name(level));
        return false;
    }
    if (!levels_machine_has(level)) {
        (void)printf("%s: skipped, this machine lacks it\n", levels_name(level));
        return false;
    }
    return true;
}

#endif
