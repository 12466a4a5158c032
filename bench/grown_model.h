// SPDX-License-Identifier: Apache-2.0
/*
 * Grows a model file to a wanted size without training: every tree becomes a tree whose ends are
 * copies of it. Trees, columns and outputs stay the same in number, so that only the size differs
 * when two grown files are opened. Written from docs/format.md alone (rule numbers in the code);
 * must not include the library's internal headers.
 */
#ifndef ESPALIER_BENCH_GROWN_MODEL_H
#define ESPALIER_BENCH_GROWN_MODEL_H

#include <cstdint>
#include <string>

namespace espalier_bench
{

/*
 * Reads model_path (one walk part with 8-byte nodes, preorder numbers) and writes grown_path with
 * about `bytes` bytes, complete with checksums and digests; golden rows and proof are left out.
 * Throws std::runtime_error. A gigabyte takes two to three seconds.
 */
void grow_model(const std::string &model_path, const std::string &grown_path, uint64_t bytes);

} // namespace espalier_bench

#endif
