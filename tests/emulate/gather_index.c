// SPDX-License-Identifier: Apache-2.0
/*
 * Whether this CPU, or who emulates it, gathers by every index register. In an address without
 * vectors, SIB index 4 means that there is no index; in a gather's, it is xmm4 or ymm4 as any other
 * (Intel's manual, volume 2, "Vector SIB memory addressing"). qemu before 9.0.3 and 9.1 takes it
 * for no index there too, so that every lane loads the same element. Leaves with 1, naming the
 * registers, when lanes hold other than their elements; 77 without AVX2. Stands alone.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)

#define LANES 8

typedef struct probe {
    const char *index_name;
    float loaded[LANES];
} probe;

static const float table[LANES] = {0.0F, 1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F};
static const int wanted[LANES] = {7, 3, 0, 5, 1, 6, 2, 4};

/* Gathers all lanes by ymm`index`; `to` and `mask` are two other registers. */
#define GATHER_BY(probe, index, to, mask)                                                        \
    do {                                                                                         \
        __asm__ volatile("vpcmpeqd %%ymm" #mask ", %%ymm" #mask ", %%ymm" #mask "\n\t"           \
                         "vmovdqu %1, %%ymm" #index "\n\t"                                       \
                         "vgatherdps %%ymm" #mask ", (%2, %%ymm" #index ", 4), %%ymm" #to "\n\t" \
                         "vmovups %%ymm" #to ", %0\n\t"                                          \
                         "vzeroupper"                                                            \
                         : "=m"((probe)->loaded)                                                 \
                         : "m"(wanted), "r"(table), "m"(table)                                   \
                         : "xmm" #index, "xmm" #to, "xmm" #mask);                                \
        (probe)->index_name = "ymm" #index;                                                      \
    } while (0)

static bool is_right(const probe *got)
{
    bool right = true;
    for (int lane = 0; lane < LANES; lane++) {
        right = right && memcmp(&got->loaded[lane], &table[wanted[lane]], sizeof(float)) == 0;
    }
    return right;
}

static int probe_all(void)
{
    probe probes[16];
    GATHER_BY(&probes[0], 0, 1, 2);
    GATHER_BY(&probes[1], 1, 2, 3);
    GATHER_BY(&probes[2], 2, 3, 4);
    GATHER_BY(&probes[3], 3, 4, 5);
    GATHER_BY(&probes[4], 4, 5, 6);
    GATHER_BY(&probes[5], 5, 6, 7);
    GATHER_BY(&probes[6], 6, 7, 8);
    GATHER_BY(&probes[7], 7, 8, 9);
    GATHER_BY(&probes[8], 8, 9, 10);
    GATHER_BY(&probes[9], 9, 10, 11);
    GATHER_BY(&probes[10], 10, 11, 12);
    GATHER_BY(&probes[11], 11, 12, 13);
    GATHER_BY(&probes[12], 12, 13, 14);
    GATHER_BY(&probes[13], 13, 14, 15);
    GATHER_BY(&probes[14], 14, 15, 0);
    GATHER_BY(&probes[15], 15, 0, 1);
    int wrong = 0;
    for (int i = 0; i < 16; i++) {
        if (!is_right(&probes[i])) {
            (void)printf("gathers by %s load other elements\n", probes[i].index_name);
            wrong++;
        }
    }
    return wrong;
}

int main(void)
{
    if (!__builtin_cpu_supports("avx2")) {
        return 77;
    }
    return probe_all() == 0 ? 0 : 1;
}

#else

int main(void)
{
    return 77;
}

#endif
