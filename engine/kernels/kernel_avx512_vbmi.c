// SPDX-License-Identifier: Apache-2.0
/*
 * The level avx512_vbmi: no kernel yet.
 */
#include "engine/kernels/kernel.h"

const espalier_kernel_list espalier_kernels__avx512_vbmi = {NULL, 0};
