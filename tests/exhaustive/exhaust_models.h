// SPDX-License-Identifier: Apache-2.0
/*
 * The models of the exhaustive run: small ones, which together have every layout, column program,
 * kind of section, stage and output. Whatever is new in the format gets a line in the list; until
 * then exhaust_models_check names it.
 */
#ifndef TESTS_EXHAUSTIVE_EXHAUST_MODELS_H
#define TESTS_EXHAUSTIVE_EXHAUST_MODELS_H

#include "tests/support/model_bytes.h"

#include <stdbool.h>
#include <stdint.h>

uint32_t exhaust_model_count(void);
const char *exhaust_model_name(uint32_t index);

/* The bytes of a model, to be freed with model_bytes_free. Verifies. */
model_bytes exhaust_model_make(uint32_t index);

/* Whether the models have everything that a reader of the format knows; says what they lack. */
bool exhaust_models_check(void);

#endif
