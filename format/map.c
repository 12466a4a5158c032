// SPDX-License-Identifier: Apache-2.0
/*
 * See map.h.
 */
#include "format/map.h"

#include "format/error.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* The most one read is asked for; Linux returns at most 2 GiB - 4 KiB. */
#define READ_BYTES_MAX ((uint64_t)1 << 30)

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* How often populating may be interrupted. */
#define POPULATE_TRIES 100

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

static espalier_status map_error(const espalier_input *input, uint64_t bytes,
                                 espalier_error *error_out)
{
    return espalier_error_system(error_out, ESPALIER_ERROR_MAP, errno, "%s: cannot map %llu bytes",
                                 input->name, (unsigned long long)bytes);
}

static espalier_map caller_map(const espalier_input *input)
{
    return (espalier_map){input->memory, (size_t)input->bytes, ESPALIER_MAPPING_CALLER, NULL, 0, 0};
}

/* A range of private pages that only cost memory once written, and base in it at a multiple of
 * 2 MiB if `slack` says so. */
static uint8_t *reserve(size_t bytes, size_t slack, int protection, uint8_t **base_out)
{
    uint8_t *const range =
        mmap(NULL, bytes + slack, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) {
        return NULL;
    }
    const size_t past = (uintptr_t)range % HUGE_PAGE_BYTES;
    *base_out = slack != 0 && past != 0 ? range + (HUGE_PAGE_BYTES - past) : range;
    return range;
}

static espalier_status map_copy(const espalier_input *input, const espalier_map_request *request,
                                size_t bytes, espalier_map *map_out, espalier_error *error_out)
{
    /* The last huge page of the file may reach beyond it. */
    const size_t huge = request->huge_pages ? ((size_t)request->file_bytes + HUGE_PAGE_BYTES - 1) /
                                                  HUGE_PAGE_BYTES * HUGE_PAGE_BYTES
                                            : 0;
    const size_t whole = bytes > huge ? bytes : huge;
    const size_t slack = huge != 0 ? HUGE_PAGE_BYTES : 0;
    uint8_t *base = NULL;
    uint8_t *const range = reserve(whole, slack, PROT_READ | PROT_WRITE, &base);
    if (range == NULL) {
        return map_error(input, whole + slack, error_out);
    }
    /* A system without huge pages says so here; a plain copy serves as well. */
    const bool granted = huge != 0 && madvise(base, huge, MADV_HUGEPAGE) == 0;
    espalier_status status = ESPALIER_OK;
    for (uint64_t done = 0; done < request->file_bytes && status == ESPALIER_OK;) {
        const uint64_t left = request->file_bytes - done;
        const uint64_t chunk = left < READ_BYTES_MAX ? left : READ_BYTES_MAX;
        status = espalier_input_fetch(input, done, base + done, (size_t)chunk, error_out);
        done += chunk;
    }
    if (status == ESPALIER_OK && mprotect(range, whole + slack, PROT_READ) != 0) {
        status = map_error(input, bytes, error_out);
    }
    if (status != ESPALIER_OK) {
        (void)munmap(range, whole + slack);
        return status;
    }
    *map_out = (espalier_map){base,  whole,         ESPALIER_MAPPING_COPY,
                              range, whole + slack, granted ? huge : 0};
    return ESPALIER_OK;
}

/* The rest of the file's last page reads as zero, so the mapping counts in whole pages. */
static espalier_status map_file(const espalier_input *input, size_t file_end, espalier_map *map_out,
                                espalier_error *error_out)
{
    uint8_t *const base = mmap(NULL, file_end, PROT_READ, MAP_SHARED, input->descriptor, 0);
    if (base == MAP_FAILED) {
        return map_error(input, file_end, error_out);
    }
    *map_out = (espalier_map){base, file_end, ESPALIER_MAPPING_FILE, base, file_end, 0};
    return ESPALIER_OK;
}

/*
 * Maps the file at the start of a larger range of private pages, which cost no memory while they
 * are only read: all of them are the one zero page. A large file begins at a multiple of 2 MiB in
 * memory too, so that the kernel can map the page cache's large pieces whole: the first prediction
 * from 1.4 million nodes took 146 page faults without and 13 with it, 258 and 58 us (EPYC 7003,
 * 2026-11).
 */
static espalier_status map_reserved(const espalier_input *input, size_t file_bytes, size_t bytes,
                                    espalier_mapping kind, espalier_map *map_out,
                                    espalier_error *error_out)
{
    const size_t slack = file_bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : 0;
    const size_t range_bytes = bytes + slack;
    uint8_t *base = NULL;
    uint8_t *const range = reserve(bytes, slack, PROT_READ, &base);
    if (range == NULL) {
        return map_error(input, range_bytes, error_out);
    }
    if (mmap(base, file_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, input->descriptor, 0) ==
        MAP_FAILED) {
        const espalier_status status = map_error(input, file_bytes, error_out);
        (void)munmap(range, range_bytes);
        return status;
    }
    *map_out = (espalier_map){base, bytes, kind, range, range_bytes, 0};
    return ESPALIER_OK;
}

/* From memory or as a copy: all that is wanted, or if the address space does not suffice, the
 * least. */
static espalier_status hold_copy(const espalier_input *input, const espalier_map_request *request,
                                 size_t bytes, size_t least, espalier_map *map_out,
                                 espalier_error *error_out)
{
    const bool in_place = input->descriptor < 0 && !request->copy && !request->lock;
    if (in_place && request->readable_bytes <= input->bytes) {
        *map_out = caller_map(input);
        return ESPALIER_OK;
    }
    const espalier_status status = map_copy(input, request, bytes, map_out, error_out);
    if (status != ESPALIER_ERROR_MAP) {
        return status;
    }
    if (in_place && request->readable_bytes_least <= input->bytes) {
        *map_out = caller_map(input);
        return ESPALIER_OK;
    }
    return bytes > least ? map_copy(input, request, least, map_out, error_out) : status;
}

/* The file itself, likewise. */
static espalier_status hold_file(const espalier_input *input, const espalier_map_request *request,
                                 size_t bytes, size_t least, size_t file_end, espalier_map *map_out,
                                 espalier_error *error_out)
{
    const size_t file_bytes = (size_t)request->file_bytes;
    espalier_status status = ESPALIER_ERROR_MAP;
    if (bytes > file_end || file_bytes >= HUGE_PAGE_BYTES) {
        const espalier_mapping kind =
            bytes > file_end ? ESPALIER_MAPPING_RESERVED : ESPALIER_MAPPING_FILE;
        status = map_reserved(input, file_bytes, bytes, kind, map_out, error_out);
    }
    if (status == ESPALIER_OK) {
        return status;
    }
    return least > file_end ? map_reserved(input, file_bytes, least, ESPALIER_MAPPING_RESERVED,
                                           map_out, error_out)
                            : map_file(input, file_end, map_out, error_out);
}

/* Reads the whole file into the page cache: what is left where a system cannot populate a mapping
 * without the danger of a signal. */
static espalier_status read_through(const espalier_input *input, uint64_t file_bytes,
                                    espalier_error *error_out)
{
    uint8_t buffer[16384];
    espalier_status status = ESPALIER_OK;
    for (uint64_t done = 0; done < file_bytes && status == ESPALIER_OK;) {
        const uint64_t left = file_bytes - done;
        const uint64_t chunk = left < sizeof buffer ? left : sizeof buffer;
        status = espalier_input_fetch(input, done, buffer, (size_t)chunk, error_out);
        done += chunk;
    }
    return status;
}

/* Brings the file's pages in, and keeps them. A copy's pages are there since they were written. */
static espalier_status settle(const espalier_input *input, const espalier_map_request *request,
                              size_t page, const espalier_map *map, espalier_error *error_out)
{
    const size_t before = (size_t)((uintptr_t)map->base % page);
    uint8_t *const first = (uint8_t *)(uintptr_t)map->base - before;
    const size_t bytes = ((size_t)request->file_bytes + before + page - 1) / page * page;
    if (request->lock && mlock(first, bytes) != 0) {
        return espalier_error_system(error_out, ESPALIER_ERROR_MAP, errno,
                                     "%s: cannot lock %llu bytes in memory", input->name,
                                     (unsigned long long)bytes);
    }
    if (!request->prefault || request->lock || map->kind == ESPALIER_MAPPING_COPY) {
        return ESPALIER_OK;
    }
    int result = -1;
    errno = EAGAIN;
    for (int i = 0; i < POPULATE_TRIES && result != 0 && (errno == EINTR || errno == EAGAIN); i++) {
        result = madvise(first, bytes, MADV_POPULATE_READ);
    }
    if (result == 0) {
        return ESPALIER_OK;
    }
    if (errno == EINVAL || errno == ENOSYS) { /* Linux before 5.14 */
        return input->descriptor >= 0 ? read_through(input, request->file_bytes, error_out)
                                      : ESPALIER_OK;
    }
    return espalier_error_system(error_out, ESPALIER_ERROR_MAP, errno,
                                 "%s: cannot bring %llu bytes into memory", input->name,
                                 (unsigned long long)bytes);
}

espalier_status espalier_map_open(const espalier_input *input, const espalier_map_request *request,
                                  espalier_map *map_out, espalier_error *error_out)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t file_end = (request->file_bytes + page - 1) / page * page;
    const uint64_t least_needed = (request->readable_bytes_least + page - 1) / page * page;
    const uint64_t needed = (request->readable_bytes + page - 1) / page * page;
    const uint64_t least = least_needed > file_end ? least_needed : file_end;
    const uint64_t bytes = needed > least ? needed : least;
    if (bytes > (uint64_t)PTRDIFF_MAX - 2 * HUGE_PAGE_BYTES) {
        return espalier_error_set(error_out, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                                  "%s: %llu bytes do not fit this host's address space",
                                  input->name, (unsigned long long)bytes);
    }
    espalier_map_request own = *request;
    own.copy = request->copy || request->huge_pages;
    espalier_map map;
    espalier_status status =
        own.copy || input->descriptor < 0
            ? hold_copy(input, &own, (size_t)bytes, (size_t)least, &map, error_out)
            : hold_file(input, &own, (size_t)bytes, (size_t)least, (size_t)file_end, &map,
                        error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (own.prefault || own.lock) {
        status = settle(input, &own, (size_t)page, &map, error_out);
    }
    if (status != ESPALIER_OK) {
        espalier_map_close(&map);
        return status;
    }
    *map_out = map;
    return ESPALIER_OK;
}

void espalier_map_close(espalier_map *map)
{
    if (map->range != NULL) {
        (void)munmap(map->range, map->range_bytes);
    }
    map->base = NULL;
    map->range = NULL;
}
