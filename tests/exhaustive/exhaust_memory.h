// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of the exhaustive run. Everything the library allocates, the model, the
 * rows and the outputs lie between inaccessible moats wider than any index a node can express; the
 * model and the rows are read-only. With AddressSanitizer what is left of their pages, and what is
 * freed, is poisoned besides. With other sanitizers all of it is plain heap, which they watch.
 */
#ifndef TESTS_EXHAUSTIVE_EXHAUST_MEMORY_H
#define TESTS_EXHAUSTIVE_EXHAUST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reserves the moats; once, before anything else here. */
void exhaust_memory_start(void);

/* Whether moats are used. */
bool exhaust_memory_has_moats(void);

/* From now on malloc and its like give memory between moats, until exhaust_heap_leave. */
void exhaust_heap_enter(void);
/* Returns how many of those blocks are not freed. */
uint32_t exhaust_heap_leave(void);

/* A model's bytes as the library sees them, read-only, and the same bytes to write. */
typedef struct exhaust_file {
    uint8_t *write;
    const uint8_t *read;
    size_t bytes; /* readable, not one more; without AddressSanitizer whole pages */
    int descriptor;
} exhaust_file;

exhaust_file exhaust_file_make(size_t bytes);
/* Poisons what is behind the first `bytes` bytes, where there is AddressSanitizer. */
void exhaust_file_cut(const exhaust_file *file, size_t bytes);
void exhaust_file_free(exhaust_file *file);

/* Memory of which the last byte touches a moat. Its room is whole pages, so grows and shrinks. */
typedef struct exhaust_range {
    uint8_t *base;
    size_t room;
    size_t taken; /* the last bytes of it */
    uint8_t *data;
} exhaust_range;

/* The last `bytes` bytes of the range, made as large as that; contents are not kept. */
uint8_t *exhaust_range_take(exhaust_range *range, size_t bytes);
/* Makes the range read-only, or writable again. */
void exhaust_range_protect(const exhaust_range *range, bool writable);

#endif
