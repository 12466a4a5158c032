// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of kernels draw and write into: a fixed generator, and memory that ends where an
 * inaccessible page begins. Includes libc only.
 */
#ifndef TESTS_KERNELS_KERNEL_MEMORY_H
#define TESTS_KERNELS_KERNEL_MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* `bytes` in whole pages. */
static inline size_t whole_pages(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* The end of whole pages for `bytes`, an inaccessible page behind it; kept for the life of the
 * program. */
static inline uint8_t *guarded_end(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t rounded = whole_pages(bytes);
    uint8_t *const pages =
        mmap(NULL, rounded + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + rounded, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(1);
    }
    return pages + rounded;
}

static uint64_t random_state = 1;

static inline uint32_t random_next(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33);
}

static inline uint32_t random_below(uint32_t limit)
{
    return random_next() % limit;
}

#endif
