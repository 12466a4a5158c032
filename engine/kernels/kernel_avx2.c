// SPDX-License-Identifier: Apache-2.0
/*
 * The level avx2: no kernel yet.
 */
#include "engine/kernels/kernel.h"

const espalier_kernel_list espalier_kernels__avx2 = {NULL, 0};

const espalier_ranker *const espalier_ranker__avx2 = NULL;
