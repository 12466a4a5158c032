// SPDX-License-Identifier: Apache-2.0
/*
 * Which kernel serves a part: an ordered table, best first; scalar is last and serves everything.
 */
#ifndef ESPALIER_ENGINE_DISPATCH_H
#define ESPALIER_ENGINE_DISPATCH_H

#include "engine/kernels/kernel.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>

/*
 * The level to use: `asked` itself, or for AUTO what ESPALIER_ISA in the environment names, else
 * the best of this machine. Status: ISA for an unknown level or name, or one this machine lacks.
 */
espalier_status espalier_dispatch_level(uint32_t asked, uint32_t *level_out);

/* The best kernel of a level for a part of a checked model; never NULL. clamps: the model's mapping
 * is shorter than its children could reach. */
const espalier_kernel *espalier_dispatch_kernel(uint32_t level, bool clamps,
                                                const espalier_file_part *part);

#endif
