// SPDX-License-Identifier: Apache-2.0
/*
 * What this machine can run: ISA levels that its CPU has and its system lets programs use. The same
 * for as long as the process lives, and dear to ask where CPUID traps into a hypervisor, so it is
 * asked once (docs/decisions/0028) and each model keeps it for its predictors.
 */
#ifndef ESPALIER_ENGINE_CPU_H
#define ESPALIER_ENGINE_CPU_H

#include <stdint.h>

typedef struct espalier_cpu {
    uint32_t levels; /* bit i: level i of espalier_isa */
} espalier_cpu;

espalier_cpu espalier_cpu_detect(void);

#endif
