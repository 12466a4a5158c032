// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks that share tests (engine/kernels/heap_share.inc) whatever it costs: predictors do so where
 * it pays, which it never does in models as small as those that are damaged bit by bit.
 */
#ifndef TESTS_SUPPORT_SHARE_TESTS_H
#define TESTS_SUPPORT_SHARE_TESTS_H

#include "espalier.h"

#include <stdbool.h>

/* Has blocks of one group and more share tests wherever a kernel can. What that takes is freed with
 * the predictor. False: no memory; the predictor is as before. */
bool share_tests(espalier_predictor *predictor);

#endif
