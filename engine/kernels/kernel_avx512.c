// SPDX-License-Identifier: Apache-2.0
/*
 * The level avx512: no kernel yet.
 */
#include "engine/kernels/kernel.h"

const espalier_kernel_list espalier_kernels__avx512 = {NULL, 0};

const espalier_ranker *const espalier_ranker__avx512 = NULL;
