// SPDX-License-Identifier: Apache-2.0
/*
 * Writes a trained forest as scikit-learn 1.4 with joblib would save it: pickle protocol 4, NumPy
 * arrays as raw bytes behind 16-byte padding, the Tree's node and value arrays as that version has
 * them. scikit-learn 1.4 loads and uses the file. Standard headers only.
 */
#ifndef ESPALIER_BENCH_JOBLIB_FILE_H
#define ESPALIER_BENCH_JOBLIB_FILE_H

#include "training.h"

#include <string>

namespace espalier_bench
{

// Throws std::runtime_error when the file cannot be written.
void write_joblib(const trained_forest &forest, const std::string &path);

} // namespace espalier_bench

#endif
