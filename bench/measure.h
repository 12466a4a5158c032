// SPDX-License-Identifier: Apache-2.0
/*
 * What all benchmarks share: a clock, percentiles of calls that were timed one by one, pinning,
 * dropping a file from the page cache, and the description of the machine. Standard headers and
 * POSIX only; never prints.
 */
#ifndef ESPALIER_BENCH_MEASURE_H
#define ESPALIER_BENCH_MEASURE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace espalier_bench
{

// Nanoseconds of a clock that only goes forward.
int64_t now_ns();

// The usual cost of asking now_ns() twice: what every single timing contains.
double clock_cost_ns();

// The value that `share` (0 .. 1) of the times do not exceed. The times are reordered.
double percentile(std::vector<double> &times, double share);

// Runs this process on one CPU. Negative: the last one it may use. Returns the CPU, -1: refused.
int pin_to_cpu(int cpu);

// Writes a file's dirty pages back, so that dropping it from the page cache can work.
void sync_file(const std::string &path);

/*
 * Drops a synced file's pages from the page cache and returns how many stayed (another process may
 * have them mapped). The disk below, or the host of a virtual machine, may still have them cached.
 */
size_t drop_page_cache(const std::string &path);

// Reads a file once, so that it lies in the page cache.
void warm_page_cache(const std::string &path);

uint64_t file_bytes(const std::string &path); // 0: no such file

// The machine and the build, as name and value.
struct fact {
    std::string name;
    std::string value;
};
std::vector<fact> describe_machine();

// The folder this program's file lies in.
std::string program_folder();

} // namespace espalier_bench

#endif
