// SPDX-License-Identifier: Apache-2.0
/*
 * The n-th call fails, of all that allocate, map, open, read or write: for one program, which has
 * them in place of libc's, so that the calls of all libraries come through it. Counts what is open.
 * Not with a sanitizer, which has its own; HAS_OTHER_ALLOCATOR says so.
 */
#ifndef TESTS_FAULTS_FAULT_CALLS_H
#define TESTS_FAULTS_FAULT_CALLS_H

#include "tests/support/sanitized.h"

#ifndef HAS_OTHER_ALLOCATOR

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Visible, so that shared libraries call these too. */
#define REPLACED __attribute__((visibility("default")))

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

typedef struct fault_calls {
    bool on;
    uint64_t calls;
    uint64_t failing;   /* the call that fails; 0: none */
    const char *failed; /* its name; NULL: none failed */
    int64_t blocks;     /* taken and not given back while on */
    int64_t bytes;      /* of these blocks, */
    int64_t most;       /* and the most at any time */
    int64_t descriptors;
    int64_t maps;
    uint64_t inherited; /* descriptors that a program started meanwhile would get */
} fault_calls;

static fault_calls fault;

static void fault_start(uint64_t failing)
{
    memset(&fault, 0, sizeof fault);
    fault.failing = failing;
    fault.on = true;
}

/* True: nothing that was opened meanwhile is left. */
static bool fault_stop(void)
{
    fault.on = false;
    return fault.blocks == 0 && fault.descriptors == 0 && fault.maps == 0;
}

static bool fails(const char *name, int error)
{
    if (!fault.on) {
        return false;
    }
    fault.calls++;
    if (fault.calls != fault.failing) {
        return false;
    }
    fault.failed = name;
    errno = error;
    return true;
}

/* ---- memory ---- */

static void count_bytes(int64_t bytes)
{
    fault.bytes += fault.on ? bytes : 0;
    fault.most = fault.bytes > fault.most ? fault.bytes : fault.most;
}

static void *count_block(void *memory)
{
    fault.blocks += fault.on && memory != NULL;
    count_bytes((int64_t)malloc_usable_size(memory));
    return memory;
}

REPLACED void *malloc(size_t bytes)
{
    return fails("malloc", ENOMEM) ? NULL : count_block(__libc_malloc(bytes));
}

REPLACED void *calloc(size_t count, size_t bytes)
{
    return fails("calloc", ENOMEM) ? NULL : count_block(__libc_calloc(count, bytes));
}

REPLACED void *realloc(void *memory, size_t bytes)
{
    if (fails("realloc", ENOMEM)) {
        return NULL;
    }
    const int64_t before = (int64_t)malloc_usable_size(memory);
    void *const moved = __libc_realloc(memory, bytes);
    fault.blocks += fault.on && memory == NULL && moved != NULL;
    count_bytes(moved != NULL ? (int64_t)malloc_usable_size(moved) - before : 0);
    return moved;
}

REPLACED void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails("aligned_alloc", ENOMEM) ? NULL : count_block(__libc_memalign(alignment, bytes));
}

REPLACED void free(void *memory)
{
    fault.blocks -= fault.on && memory != NULL;
    count_bytes(-(int64_t)malloc_usable_size(memory));
    __libc_free(memory);
}

/* ---- mappings ---- */

REPLACED void *mmap(void *place, size_t bytes, int protection, int flags, int descriptor,
                    off_t offset)
{
    if (fails("mmap", ENOMEM)) {
        return MAP_FAILED;
    }
    void *const got =
        (void *)syscall(SYS_mmap, place, bytes, protection, flags, descriptor, offset);
    fault.maps += fault.on && got != MAP_FAILED && (flags & MAP_FIXED) == 0;
    return got;
}

REPLACED int munmap(void *place, size_t bytes)
{
    fault.maps -= fault.on;
    return (int)syscall(SYS_munmap, place, bytes);
}

REPLACED int mprotect(void *place, size_t bytes, int protection)
{
    return fails("mprotect", ENOMEM) ? -1 : (int)syscall(SYS_mprotect, place, bytes, protection);
}

REPLACED int madvise(void *place, size_t bytes, int advice)
{
    return fails("madvise", EFAULT) ? -1 : (int)syscall(SYS_madvise, place, bytes, advice);
}

REPLACED int mlock(const void *place, size_t bytes)
{
    return fails("mlock", ENOMEM) ? -1 : (int)syscall(SYS_mlock, place, bytes);
}

/* ---- files ---- */

REPLACED int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    const int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
    va_end(more);
    if (fails("open", EMFILE)) {
        return -1;
    }
    fault.inherited += fault.on && (flags & O_CLOEXEC) == 0;
    const int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    fault.descriptors += fault.on && descriptor >= 0;
    return descriptor;
}

REPLACED int close(int descriptor)
{
    fault.descriptors -= fault.on;
    const int result = (int)syscall(SYS_close, descriptor);
    return fails("close", EIO) ? -1 : result; /* closed all the same, as Linux does */
}

REPLACED int fstat(int descriptor, struct stat *facts)
{
    return fails("fstat", EIO) ? -1 : fstatat(descriptor, "", facts, AT_EMPTY_PATH);
}

REPLACED ssize_t read(int descriptor, void *data, size_t bytes)
{
    return fails("read", EIO) ? -1 : syscall(SYS_read, descriptor, data, bytes);
}

REPLACED ssize_t pread(int descriptor, void *data, size_t bytes, off_t offset)
{
    return fails("pread", EIO) ? -1 : syscall(SYS_pread64, descriptor, data, bytes, offset);
}

REPLACED ssize_t write(int descriptor, const void *data, size_t bytes)
{
    return fails("write", ENOSPC) ? -1 : syscall(SYS_write, descriptor, data, bytes);
}

REPLACED int fsync(int descriptor)
{
    return fails("fsync", EIO) ? -1 : (int)syscall(SYS_fsync, descriptor);
}

REPLACED int rename(const char *from, const char *to)
{
    return fails("rename", EACCES) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

#endif
#endif
