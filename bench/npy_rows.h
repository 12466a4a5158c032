// SPDX-License-Identifier: Apache-2.0
/*
 * Two-dimensional float32 rows in .npy files: what benchmarks predict. Standard headers and POSIX
 * mapping only. Reads version 1 files of '<f4' or '<f8' in C order and refuses everything else.
 */
#ifndef ESPALIER_BENCH_NPY_ROWS_H
#define ESPALIER_BENCH_NPY_ROWS_H

#include <cstddef>
#include <string>
#include <vector>

namespace espalier_bench
{

// Row-major float32 rows.
struct float_rows {
    size_t row_count = 0;
    size_t feature_count = 0;
    std::vector<float> values;

    const float *row(size_t index) const
    {
        return values.data() + index * feature_count;
    }
};

// Both throw std::runtime_error that names the file and the cause. float64 is rounded to float32.
void write_npy(const std::string &path, const float_rows &rows);
float_rows read_npy(const std::string &path);

} // namespace espalier_bench

#endif
