// SPDX-License-Identifier: Apache-2.0
/*
 * See moat.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/support/moat.h"

#include <sys/mman.h>
#include <unistd.h>

moat moat_make(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    moat memory = {NULL, NULL, (bytes + page - 1) / page * page};
    memory.base = mmap(NULL, memory.bytes + 2 * MOAT_BYTES, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory.base != MAP_FAILED);
    memory.data = memory.base + MOAT_BYTES;
    assert_int_equal(mprotect(memory.data, memory.bytes, PROT_READ | PROT_WRITE), 0);
    return memory;
}

void moat_free(moat *memory)
{
    assert_int_equal(munmap(memory->base, memory->bytes + 2 * MOAT_BYTES), 0);
    memory->base = NULL;
}

uint8_t *moat_end(const moat *memory, size_t bytes)
{
    return memory->data + memory->bytes - bytes;
}
