// SPDX-License-Identifier: Apache-2.0
/*
 * See dispatch.h.
 */
#include "engine/dispatch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const espalier_kernel *const kernels[] = {
    &espalier_traverse_walk8_16__scalar,     &espalier_traverse_walk8__scalar,
    &espalier_traverse_walk16__scalar,       &espalier_traverse_walk8_clamp__scalar,
    &espalier_traverse_walk16_clamp__scalar,
};

static const struct {
    const char *name;
    uint32_t level;
} levels[] = {
    {"auto", ESPALIER_ISA_AUTO},
    {"scalar", ESPALIER_ISA_SCALAR},
};

espalier_status espalier_dispatch_level(uint32_t asked, uint32_t *level_out)
{
    const char *const name = asked == ESPALIER_ISA_AUTO ? getenv("ESPALIER_ISA") : NULL;
    uint32_t level = asked;
    if (name != NULL) {
        size_t i = 0;
        while (i < sizeof levels / sizeof levels[0] && strcmp(levels[i].name, name) != 0) {
            i++;
        }
        if (i == sizeof levels / sizeof levels[0]) {
            return ESPALIER_ERROR_ISA;
        }
        level = levels[i].level;
    }
    if (level > ESPALIER_ISA_SCALAR) {
        return ESPALIER_ERROR_ISA;
    }
    *level_out = level == ESPALIER_ISA_AUTO ? (uint32_t)ESPALIER_ISA_SCALAR : level;
    return ESPALIER_OK;
}

static bool kernel_serves(const espalier_kernel *kernel, uint32_t level, bool clamps,
                          const espalier_file_part *part)
{
    return (kernel->clamps != 0) == clamps && kernel->isa <= level &&
           kernel->layout == part->layout && kernel->node_bytes == part->node_bytes &&
           (kernel->child_bits == 0 || kernel->child_bits == part->child_bits);
}

const espalier_kernel *espalier_dispatch_kernel(uint32_t level, bool clamps,
                                                const espalier_file_part *part)
{
    const size_t last = sizeof kernels / sizeof kernels[0] - 1;
    size_t i = 0;
    while (i < last && !kernel_serves(kernels[i], level, clamps, part)) {
        i++;
    }
    return kernels[i];
}
