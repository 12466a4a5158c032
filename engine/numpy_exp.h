// SPDX-License-Identifier: Apache-2.0
/* The float32 exponential and logarithm of NumPy, which SciPy's softmax of float32 margins and
 * scikit-learn's functions of float32 columns go through. */
#ifndef ESPALIER_ENGINE_NUMPY_EXP_H
#define ESPALIER_ENGINE_NUMPY_EXP_H

/*
 * exp(x) with the bits of np.exp on float32, 1.19 to 2.5, on CPUs with AVX2 and FMA or with
 * AVX-512: up to 2.6 ulp from exp. docs/format.md, [F-259].
 */
float espalier_numpy_exp(float x);

/* log(x) with the bits of np.log there: up to 4 ulp from log. docs/format.md, [F-381]. */
float espalier_numpy_log(float x);

#endif
