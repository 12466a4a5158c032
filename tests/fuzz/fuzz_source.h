// SPDX-License-Identifier: Apache-2.0
/*
 * One input of the fuzzers of sources that are no pickles: loaded as a forest and checked.
 */
#ifndef ESPALIER_TESTS_FUZZ_FUZZ_SOURCE_H
#define ESPALIER_TESTS_FUZZ_FUZZ_SOURCE_H

#include "convert/sources/source_kind.h"

#include <stdlib.h>

#define FUZZ_MEMORY_MAX (UINT64_C(8) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A failure without a message, or one that says nothing of the source, is a finding. */
static inline int fuzz_source(const espalier_source_kind *kind, const uint8_t *data, size_t bytes,
                              void (*evaluate)(const espalier_forest *forest))
{
    const espalier_source_input input = {data, bytes, "fuzz", FUZZ_MEMORY_MAX, NULL, NULL};
    espalier_error error = {0};
    espalier_forest forest = {0};
    espalier_source_summary summary = {0};
    espalier_status status = kind->load(&input, &forest, &summary, &error);
    if (status == ESPALIER_OK) {
        status = espalier_forest_validate(&forest, "fuzz", &error);
    }
    if ((status != ESPALIER_OK && (error.message[0] == '\0' || error.status != status)) ||
        summary.consumed_bytes > bytes || summary.format[0] == '\0') {
        abort();
    }
    if (status == ESPALIER_OK) {
        evaluate(&forest);
    }
    espalier_forest_free(&forest);
    return 0;
}

#endif
