// SPDX-License-Identifier: Apache-2.0
/*
 * See exhaust_memory.h. malloc, calloc, realloc and free are defined here, so the library's calls
 * come through this program; with AddressSanitizer, whose own they would replace, the linker leads
 * what this program and the library call to here (--wrap). This file itself is not instrumented.
 */
#include "tests/exhaustive/exhaust_memory.h"

#include "tests/support/moat.h"
#include "tests/support/sanitized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef EXHAUST_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#elif defined(HAS_OTHER_ALLOCATOR)
#define HAS_PLAIN_HEAP 1
#endif

/* The largest block or range; more is refused, as a system does that has no more. */
#define ROOM_MAX  ((size_t)256 << 20)
#define SPAN      (MOAT_BYTES + ROOM_MAX)
#define BLOCKS    256u /* of predictors of every level at once */
#define ALIGNMENT 16u
/* Blocks above this are given back to the system, so that they are zero when taken again. */
#define LARGE ((size_t)1 << 20)

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

#ifdef HAS_PLAIN_HEAP

void exhaust_memory_start(void) {}

bool exhaust_memory_has_moats(void)
{
    return false;
}

void exhaust_heap_enter(void) {}

uint32_t exhaust_heap_leave(void)
{
    return 0; /* the sanitizer counts */
}

exhaust_file exhaust_file_make(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0) {
        fail("memory");
    }
    memset(memory, 0, bytes);
    return (exhaust_file){memory, memory, bytes, -1};
}

void exhaust_file_cut(const exhaust_file *file, size_t bytes)
{
    (void)file;
    (void)bytes;
}

void exhaust_file_free(exhaust_file *file)
{
    free(file->write);
}

uint8_t *exhaust_range_take(exhaust_range *range, size_t bytes)
{
    if (range->data == NULL || range->room != bytes) {
        free(range->data);
        range->data = calloc(bytes > 0 ? bytes : 1, 1);
        range->room = bytes;
    }
    if (range->data == NULL) {
        fail("memory");
    }
    return range->data;
}

void exhaust_range_protect(const exhaust_range *range, bool writable)
{
    (void)range;
    (void)writable;
}

#else

static size_t page_bytes;

static size_t whole_pages(size_t bytes)
{
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

static uint8_t *reserve(size_t bytes)
{
    uint8_t *const base =
        mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        fail("reserving moats");
    }
    return base;
}

/* Pages are as coarse as the hardware sees; a sanitizer sees bytes. */
static void poison(const void *data, size_t bytes)
{
#ifdef EXHAUST_UNDER_ASAN
    __asan_poison_memory_region(data, bytes);
#else
    (void)data;
    (void)bytes;
#endif
}

static void unpoison(const void *data, size_t bytes)
{
#ifdef EXHAUST_UNDER_ASAN
    __asan_unpoison_memory_region(data, bytes);
#else
    (void)data;
    (void)bytes;
#endif
}

/* Makes exactly [data, data + bytes) accessible, of which `room` bytes are. Both whole pages. */
static void resize(uint8_t *data, size_t room, size_t bytes)
{
    if (bytes > room && mprotect(data + room, bytes - room, PROT_READ | PROT_WRITE) != 0) {
        fail("mprotect");
    }
    if (bytes < room && (madvise(data + bytes, room - bytes, MADV_DONTNEED) != 0 ||
                         mprotect(data + bytes, room - bytes, PROT_NONE) != 0)) {
        fail("mprotect");
    }
}

#ifdef EXHAUST_UNDER_ASAN
#define EXACT        true /* a file ends with its last byte, not with its last page */
#define OTHERS(name) __real_##name
#define OURS(name)   __wrap_##name
#define REPLACED
REPLACED void *OURS(malloc)(size_t bytes);
REPLACED void *OURS(calloc)(size_t count, size_t bytes);
REPLACED void *OURS(realloc)(void *memory, size_t bytes);
REPLACED void OURS(free)(void *memory);
#else
#define EXACT        false
#define OTHERS(name) __libc_##name
#define OURS(name)   name
/* Visible, so that shared libraries call these too. */
#define REPLACED     __attribute__((visibility("default")))
#endif

void *OTHERS(malloc)(size_t bytes);
void *OTHERS(calloc)(size_t count, size_t bytes);
void *OTHERS(realloc)(void *memory, size_t bytes);
void OTHERS(free)(void *memory);

static struct {
    uint8_t *base;
    bool on;
    uint32_t live;
    uint64_t entered;
    size_t room[BLOCKS];    /* accessible */
    size_t bytes[BLOCKS];   /* given; 0: free */
    uint64_t freed[BLOCKS]; /* in which entering */
} heap;

void exhaust_memory_start(void)
{
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    heap.base = reserve(BLOCKS * SPAN + MOAT_BYTES);
}

bool exhaust_memory_has_moats(void)
{
    return true;
}

void exhaust_heap_enter(void)
{
    heap.on = true;
    heap.live = 0;
    heap.entered++;
}

uint32_t exhaust_heap_leave(void)
{
    heap.on = false;
    return heap.live;
}

static uint8_t *block_data(uint32_t index)
{
    return heap.base + index * SPAN + MOAT_BYTES;
}

static bool is_block(const void *memory)
{
    const uintptr_t at = (uintptr_t)memory;
    const uintptr_t base = (uintptr_t)heap.base;
    return heap.base != NULL && at >= base && at < base + BLOCKS * SPAN;
}

static uint32_t block_of(const void *memory)
{
    return (uint32_t)(((uintptr_t)memory - (uintptr_t)heap.base) / SPAN);
}

/* A block that is poisoned since it was freed in this case: who still reads it is to be seen. */
static bool is_resting(uint32_t index)
{
#ifdef EXHAUST_UNDER_ASAN
    return heap.freed[index] == heap.entered;
#else
    (void)index;
    return false;
#endif
}

/* The first free block whose pages are as many already, so that most calls cost no system call and
 * no new pages; else one without pages; else any. */
static uint32_t find_block(size_t room)
{
    uint32_t found = BLOCKS;
    uint32_t resting = BLOCKS;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (heap.bytes[i] != 0) {
            continue;
        }
        if (is_resting(i)) {
            resting = i;
            continue;
        }
        if (heap.room[i] == room) {
            return i;
        }
        const bool better = found == BLOCKS || (heap.room[found] != 0 && heap.room[i] == 0);
        found = better ? i : found;
    }
    found = found == BLOCKS ? resting : found;
    if (found == BLOCKS) { /* refusing would leave out what was to be tried */
        static const char text[] = "exhaust: more blocks at once than there are\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        _exit(2);
    }
    return found;
}

static void *take_block(size_t bytes, bool zeroed)
{
    if (bytes > ROOM_MAX - page_bytes) {
        return NULL;
    }
    const size_t room = whole_pages(bytes > 0 ? bytes : 1);
    const uint32_t index = find_block(room);
    if (bytes > LARGE) {
        resize(block_data(index), heap.room[index], 0);
        heap.room[index] = 0;
    }
    if (heap.room[index] != room) {
        resize(block_data(index), heap.room[index], room);
        poison(block_data(index), room);
        heap.room[index] = room;
    }
    heap.bytes[index] = bytes > 0 ? bytes : 1;
    heap.live++;
    uint8_t *const data = block_data(index) + (room - heap.bytes[index]) / ALIGNMENT * ALIGNMENT;
    unpoison(data, bytes);
    if (zeroed && bytes <= LARGE) {
        memset(data, 0, bytes);
    }
    return data;
}

static void give_block(const void *memory)
{
    const uint32_t index = block_of(memory);
    if (heap.bytes[index] == 0) {
        static const char text[] = "exhaust: freed twice\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        abort();
    }
    poison(memory, heap.bytes[index]);
    if (heap.bytes[index] > LARGE) {
        resize(block_data(index), heap.room[index], 0);
        heap.room[index] = 0;
    }
    heap.bytes[index] = 0;
    heap.freed[index] = heap.entered;
    heap.live--;
}

REPLACED void *OURS(malloc)(size_t bytes)
{
    return heap.on ? take_block(bytes, false) : OTHERS(malloc)(bytes);
}

REPLACED void *OURS(calloc)(size_t count, size_t bytes)
{
    size_t all = 0;
    if (!heap.on) {
        return OTHERS(calloc)(count, bytes);
    }
    return __builtin_mul_overflow(count, bytes, &all) ? NULL : take_block(all, true);
}

REPLACED void OURS(free)(void *memory)
{
    if (is_block(memory)) {
        give_block(memory);
    } else {
        OTHERS(free)(memory);
    }
}

REPLACED void *OURS(realloc)(void *memory, size_t bytes)
{
    if (memory == NULL) {
        return OURS(malloc)(bytes);
    }
    if (!is_block(memory)) {
        return OTHERS(realloc)(memory, bytes);
    }
    void *const moved = take_block(bytes, false);
    if (moved != NULL) {
        const size_t had = heap.bytes[block_of(memory)];
        memcpy(moved, memory, had < bytes ? had : bytes);
        give_block(memory);
    }
    return moved;
}

exhaust_file exhaust_file_make(size_t bytes)
{
    const size_t room = whole_pages(bytes);
    exhaust_file file = {NULL, NULL, EXACT ? bytes : room, memfd_create("exhaust", 0)};
    if (file.descriptor < 0 || ftruncate(file.descriptor, (off_t)room) != 0) {
        fail("memfd");
    }
    file.write = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
    uint8_t *const data = reserve(room + 2 * MOAT_BYTES) + MOAT_BYTES;
    if (file.write == MAP_FAILED ||
        mmap(data, room, PROT_READ, MAP_SHARED | MAP_FIXED, file.descriptor, 0) == MAP_FAILED) {
        fail("mmap");
    }
    file.read = data;
    exhaust_file_cut(&file, bytes);
    return file;
}

void exhaust_file_cut(const exhaust_file *file, size_t bytes)
{
    unpoison(file->read, bytes);
    poison(file->read + bytes, whole_pages(file->bytes) - bytes);
}

void exhaust_file_free(exhaust_file *file)
{
    const size_t room = whole_pages(file->bytes);
    (void)munmap((uint8_t *)(uintptr_t)file->read - MOAT_BYTES, room + 2 * MOAT_BYTES);
    (void)munmap(file->write, room);
    (void)close(file->descriptor);
}

uint8_t *exhaust_range_take(exhaust_range *range, size_t bytes)
{
    const size_t room = whole_pages(bytes);
    if (range->base == NULL) {
        range->base = reserve(SPAN + MOAT_BYTES);
        range->data = range->base + MOAT_BYTES;
    }
    if (room > ROOM_MAX) {
        (void)fprintf(stderr, "exhaust: a range of %zu bytes\n", bytes);
        exit(2);
    }
    resize(range->data, range->room, room);
    range->room = room;
    uint8_t *const data = range->data + (room - bytes);
    if (bytes != range->taken) {
        poison(range->data, room);
        unpoison(data, bytes);
        range->taken = bytes;
    }
    return data;
}

void exhaust_range_protect(const exhaust_range *range, bool writable)
{
    if (mprotect(range->data, range->room, writable ? PROT_READ | PROT_WRITE : PROT_READ) != 0) {
        fail("mprotect");
    }
}

#endif
