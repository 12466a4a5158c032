// SPDX-License-Identifier: Apache-2.0
/*
 * Looking at a store of models, as a reader does and as `espalier store list` does.
 */
#ifndef TESTS_SUPPORT_STORE_LOOK_H
#define TESTS_SUPPORT_STORE_LOOK_H

#include "espalier.h"

#include <stdint.h>

/* The version that readers get, which must be whole: else the running test fails. */
uint64_t store_current(const char *folder);

/* Lists the store and frees the list. */
espalier_status store_list(const char *folder, espalier_error *error);

#endif
