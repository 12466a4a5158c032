// SPDX-License-Identifier: Apache-2.0
/*
 * Which kernel serves a part: the levels' ordered lists, the best level first; scalar is last and
 * serves everything. Choices are made when a predictor is created, and kept by it.
 */
#ifndef ESPALIER_ENGINE_DISPATCH_H
#define ESPALIER_ENGINE_DISPATCH_H

#include "engine/cpu.h"
#include "engine/kernels/kernel.h"
#include "engine/model.h"
#include "espalier.h"

#include <stdbool.h>

typedef struct espalier_dispatch {
    uint32_t level;
    bool gathers; /* kernels that gather may serve */
} espalier_dispatch;

/*
 * The level to use on a machine that can run `cpu`: `asked` itself, or for AUTO what ESPALIER_ISA
 * in the environment names, else the best. Status: ISA for an unknown level or name, or one that
 * the machine lacks.
 */
espalier_status espalier_dispatch_choose(const espalier_cpu *cpu, uint32_t asked,
                                         espalier_dispatch *dispatch_out);

/* The best kernel at or below a level for a part of a mapped model; NULL if not even scalar serves,
 * which no checked part brings about. */
const espalier_kernel *espalier_dispatch_kernel(const espalier_dispatch *dispatch,
                                                const espalier_model *model,
                                                const espalier_file_part *part);

const espalier_ranker *espalier_dispatch_ranker(const espalier_dispatch *dispatch);

#endif
