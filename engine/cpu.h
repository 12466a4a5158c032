// SPDX-License-Identifier: Apache-2.0
/*
 * What this machine can run: ISA levels that its CPU has and its system lets programs use. The same
 * for as long as the process lives, and dear to ask where CPUID traps into a hypervisor, so it is
 * asked once (docs/decisions/0028) and each model keeps it for its predictors.
 */
#ifndef ESPALIER_ENGINE_CPU_H
#define ESPALIER_ENGINE_CPU_H

#include <stdbool.h>
#include <stdint.h>

typedef struct espalier_cpu {
    uint32_t levels;   /* bit i: level i of espalier_isa */
    bool gathers_fast; /* of 64-bit numbers, 8 in a register (docs/decisions/0033) */
} espalier_cpu;

espalier_cpu espalier_cpu_detect(void);

#endif
