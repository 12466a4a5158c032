// SPDX-License-Identifier: Apache-2.0
/*
 * See dispatch.h.
 */
#include "engine/dispatch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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

static bool kernel_serves(const espalier_kernel *kernel, bool clamps,
                          const espalier_file_part *part)
{
    return (kernel->clamps != 0) == clamps && kernel->layout == part->layout &&
           kernel->bank == part->bank && kernel->accumulator == part->accumulator &&
           kernel->node_bytes == part->node_bytes &&
           (kernel->child_bits == 0 || kernel->child_bits == part->child_bits);
}

const espalier_kernel *espalier_dispatch_kernel(uint32_t level, bool clamps,
                                                const espalier_file_part *part)
{
    (void)level;
    const espalier_kernel_list *const list = &espalier_kernels__scalar;
    size_t i = 0;
    while (i + 1 < list->count && !kernel_serves(&list->kernels[i], clamps, part)) {
        i++;
    }
    return &list->kernels[i];
}
