// SPDX-License-Identifier: Apache-2.0
/*
 * Model files in memory for tests: made from a synthetic forest, changed, sealed again, and opened
 * between inaccessible moats. Fails the running test when the system refuses.
 */
#ifndef TESTS_SUPPORT_MODEL_BYTES_H
#define TESTS_SUPPORT_MODEL_BYTES_H

#include "convert/flatten.h"
#include "convert/forest.h"
#include "espalier.h"
#include "format/layout.h"
#include "tests/support/synthetic.h"

#include <stddef.h>
#include <stdint.h>

/* A whole model file; `data` is 64-byte aligned, from malloc's family. */
typedef struct model_bytes {
    uint8_t *data;
    size_t bytes;
} model_bytes;

/*
 * The file of a forest, as flatten and the writer make it, with metadata and, unless golden_count
 * is 0, a proof and that many golden rows from a fixed generator with the reference's answers.
 */
model_bytes model_bytes_of(const espalier_forest *forest, uint32_t golden_count);

/* The same in another layout than WALK: ESPALIER_LAYOUT_..., which must be able to hold it. */
model_bytes model_bytes_of_layout(const espalier_forest *forest, uint32_t golden_count,
                                  uint32_t layout);

/* The same with the flattened model changed before it is written; allocations by malloc's
 * family. */
model_bytes model_bytes_of_changed(const espalier_forest *forest, uint32_t golden_count,
                                   uint32_t layout, void (*change)(espalier_flat *flat));
/* Such a change: codes of two bytes, which a writer makes of more than 256 columns. */
void model_bytes_widen_codes(espalier_flat *flat);

/* The file of a forest that is made up (synthetic.h), with two golden rows. */
model_bytes model_bytes_synthetic(const synthetic_options *options, uint32_t layout);

model_bytes model_bytes_copy(const model_bytes *model);
void model_bytes_free(model_bytes *model);

/* A section of the file; NULL when it has none of this type. */
espalier_file_section *model_bytes_section(const model_bytes *model, uint32_t type);
/* The bytes of a section, which must be there. */
void *model_bytes_data(const model_bytes *model, uint32_t type);

/*
 * Makes every checksum right again whose range lies inside the file; digests stay. `bytes` may be
 * less than the file's: then only what is left of it is sealed.
 */
void model_bytes_seal(model_bytes *model);

/*
 * Makes one section longer, by zero bytes at its end, or shorter, and moves those behind it; the
 * file before is freed. `type` may be none of them. Not sealed.
 */
void model_bytes_resize(model_bytes *model, uint32_t type, int64_t more);

/* Takes the sections of this type and of those behind it away. Not sealed. */
void model_bytes_cut(model_bytes *model, uint32_t first_type);

/*
 * Gives all children of 8-byte nodes `child_bits` bits instead of 16: a file that wants
 * 2^child_bits nodes behind its last tree. At most 2^(32 - child_bits) columns. Not sealed.
 */
void model_bytes_widen_children(model_bytes *model, uint32_t child_bits);

/* The file that the converter makes of a trainer's file. */
model_bytes model_bytes_convert(const char *source);

/* Seals the file and opens it, which the rule forbids; `text` is in the message. Frees the file. */
void model_bytes_expect_refused(model_bytes *model, espalier_status status, uint32_t rule,
                                const char *text);

/* Seals the file and opens it, with ESPALIER_OPEN_... flags. Frees it. */
void model_bytes_expect_opens(model_bytes *model, uint64_t flags);

/* Writes the bytes to a new file named by the caller. */
void model_bytes_write(const model_bytes *model, const char *path);

/*
 * Rows for a forest: float32 [row_count][feature_count], drawn from its thresholds (exactly on
 * them and one step to each side) and from a wide range; NaN, infinities, zeroes of both signs and
 * denormals when `odd`. Freed by the caller.
 */
float *model_rows_make(const espalier_forest *forest, uint64_t seed, size_t row_count, int odd);

/* The same in float64; `odd` ones also beyond float32 and about 1e-35. */
double *model_rows_make_float64(const espalier_forest *forest, uint64_t seed, size_t row_count,
                                int odd);

#endif
