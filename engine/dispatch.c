// SPDX-License-Identifier: Apache-2.0
/*
 * See dispatch.h.
 */
#include "engine/dispatch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* By number; the level below is what serves where a level has no kernel. */
static const struct {
    const char *name;
    uint32_t below;
} levels[ESPALIER_ISA_COUNT] = {
    [ESPALIER_ISA_AUTO] = {"auto", ESPALIER_ISA_AUTO},
    [ESPALIER_ISA_SCALAR] = {"scalar", ESPALIER_ISA_AUTO},
    [ESPALIER_ISA_AVX2] = {"avx2", ESPALIER_ISA_SCALAR},
    [ESPALIER_ISA_AVX512] = {"avx512", ESPALIER_ISA_AVX2},
    [ESPALIER_ISA_AVX512_VBMI] = {"avx512vbmi", ESPALIER_ISA_AVX512},
    [ESPALIER_ISA_NEON] = {"neon", ESPALIER_ISA_SCALAR},
};

static const espalier_kernel_list *kernels_of(uint32_t level)
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

static const espalier_ranker *ranker_of(uint32_t level)
{
    switch (level) {
    case ESPALIER_ISA_AVX2:
        return espalier_ranker__avx2;
    case ESPALIER_ISA_AVX512:
        return espalier_ranker__avx512;
    case ESPALIER_ISA_NEON:
        return espalier_ranker__neon;
    case ESPALIER_ISA_SCALAR:
        return espalier_ranker__scalar;
    default:
        return NULL;
    }
}

const char *espalier_isa_name(espalier_isa isa)
{
    return (uint32_t)isa < ESPALIER_ISA_COUNT ? levels[isa].name : NULL;
}

espalier_status espalier_isa_from_name(const char *name, espalier_isa *isa_out)
{
    if (name == NULL || isa_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    for (uint32_t i = 0; i < ESPALIER_ISA_COUNT; i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *isa_out = (espalier_isa)i;
            return ESPALIER_OK;
        }
    }
    return ESPALIER_ERROR_ISA;
}

/* A level that was not built has no kernels, and is as good as absent. */
static bool is_supported(const espalier_cpu *cpu, uint32_t level)
{
    return level > ESPALIER_ISA_AUTO && level < ESPALIER_ISA_COUNT &&
           (cpu->levels >> level & 1u) != 0 && kernels_of(level)->count > 0;
}

int espalier_isa_supported(espalier_isa isa)
{
    const espalier_cpu cpu = espalier_cpu_detect();
    return isa == ESPALIER_ISA_AUTO || is_supported(&cpu, (uint32_t)isa);
}

static uint32_t best_level(const espalier_cpu *cpu)
{
    static const uint32_t order[] = {ESPALIER_ISA_AVX512_VBMI, ESPALIER_ISA_AVX512,
                                     ESPALIER_ISA_AVX2, ESPALIER_ISA_NEON, ESPALIER_ISA_SCALAR};
    uint32_t i = 0;
    while (order[i] != ESPALIER_ISA_SCALAR && !is_supported(cpu, order[i])) {
        i++;
    }
    return order[i];
}

espalier_status espalier_dispatch_choose(const espalier_cpu *cpu, uint32_t asked,
                                         espalier_dispatch *dispatch_out)
{
    const char *const name = asked == ESPALIER_ISA_AUTO ? getenv("ESPALIER_ISA") : NULL;
    espalier_isa level = ESPALIER_ISA_AUTO;
    if (asked >= ESPALIER_ISA_COUNT ||
        (name != NULL && espalier_isa_from_name(name, &level) != ESPALIER_OK)) {
        return ESPALIER_ERROR_ISA;
    }
    const uint32_t wanted = asked != ESPALIER_ISA_AUTO ? asked : (uint32_t)level;
    if (wanted == ESPALIER_ISA_AUTO) {
        *dispatch_out = (espalier_dispatch){best_level(cpu), cpu->gathers_fast};
        return ESPALIER_OK;
    }
    if (!is_supported(cpu, wanted)) {
        return ESPALIER_ERROR_ISA;
    }
    *dispatch_out = (espalier_dispatch){wanted, cpu->gathers_fast};
    return ESPALIER_OK;
}

static bool kernel_serves(const espalier_kernel *kernel, const espalier_dispatch *dispatch,
                          const espalier_model *model, const espalier_file_part *part)
{
    if (kernel->gathers != 0 && (!dispatch->gathers || model->readable_bytes > UINT32_MAX)) {
        return false;
    }
    const bool clamps = model->clamps && part->layout == ESPALIER_FILE_WALK;
    const bool sets = model->set_first < model->banks[ESPALIER_BANK_WORD].count &&
                      part->layout == ESPALIER_FILE_WALK;
    return (kernel->clamps != 0) == clamps && (kernel->sets != 0) == sets &&
           kernel->layout == part->layout && kernel->bank == part->bank &&
           kernel->accumulator == part->accumulator && kernel->node_bytes == part->node_bytes &&
           (kernel->column_count_max == 0 ||
            kernel->column_count_max >= model->banks[part->bank].count);
}

const espalier_kernel *espalier_dispatch_kernel(const espalier_dispatch *dispatch,
                                                const espalier_model *model,
                                                const espalier_file_part *part)
{
    for (uint32_t level = dispatch->level; level != ESPALIER_ISA_AUTO;
         level = levels[level].below) {
        const espalier_kernel_list *const list = kernels_of(level);
        for (size_t i = 0; i < list->count; i++) {
            if (kernel_serves(&list->kernels[i], dispatch, model, part)) {
                return &list->kernels[i];
            }
        }
    }
    return NULL;
}

const espalier_ranker *espalier_dispatch_ranker(const espalier_dispatch *dispatch)
{
    uint32_t level = dispatch->level;
    while (level != ESPALIER_ISA_SCALAR && ranker_of(level) == NULL) {
        level = levels[level].below;
    }
    return ranker_of(level);
}
