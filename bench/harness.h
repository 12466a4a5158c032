// SPDX-License-Identifier: Apache-2.0
/*
 * What the Google Benchmark programs share: their start, the machine's description as context, and
 * percentiles as counters. Header only, so that the helpers build without Google Benchmark. Every
 * call is timed on its own and reported as manual time: set-up, dropping caches and freeing are
 * never inside.
 */
#ifndef ESPALIER_BENCH_HARNESS_H
#define ESPALIER_BENCH_HARNESS_H

#include "measure.h"
#include "model_cache.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace espalier_bench
{

// Times of single calls; becomes the counters p50_ns, p99_ns and best_ns.
class call_times
{
public:
    explicit call_times(benchmark::State &state) : state_(state)
    {
        times_.reserve(static_cast<size_t>(state.max_iterations));
    }

    void add(int64_t start_ns, int64_t end_ns)
    {
        const double time = static_cast<double>(end_ns - start_ns);
        times_.push_back(time);
        state_.SetIterationTime(time * 1e-9);
    }

    // `divisor`: what one call did, for example rows.
    void report(double divisor = 1.0)
    {
        state_.counters["p50_ns"] = percentile(times_, 0.50) / divisor;
        state_.counters["p99_ns"] = percentile(times_, 0.99) / divisor;
        state_.counters["best_ns"] = percentile(times_, 0.0) / divisor;
    }

private:
    benchmark::State &state_;
    std::vector<double> times_;
};

template <typename Function>
void add_benchmark(const std::string &name, int64_t iterations, Function function)
{
    benchmark::RegisterBenchmark(name.c_str(), function)
        ->Iterations(iterations)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
}

// `add` registers the benchmarks; what it returns lives until they have run. `is_fresh`: the
// standard forests are converted anew.
template <typename Adder>
int run_program(int count, char **arguments, bool is_fresh, Adder add, bool is_pinned = true)
{
    try {
        if (count > 1 && std::strcmp(arguments[1], "--help") == 0) {
            std::printf("usage: %s [OPTION]... [--benchmark_OPTION]...\n%s", arguments[0],
                        SETTINGS_USAGE);
            benchmark::Initialize(&count, arguments); // prints its own part and exits
        }
        const bench_settings settings = parse_settings(&count, arguments);
        benchmark::Initialize(&count, arguments);
        if (benchmark::ReportUnrecognizedArguments(count, arguments)) {
            return 2;
        }
        const std::vector<bench_model> models = prepare_models(settings, is_fresh);
        for (const fact &each : describe_machine()) {
            benchmark::AddCustomContext(each.name, each.value);
        }
        for (const bench_model &model : models) {
            benchmark::AddCustomContext("model " + model.name,
                                        std::to_string(model.info.tree_count) + " trees, " +
                                            std::to_string(model.info.node_count) + " nodes, " +
                                            std::to_string(model.info.file_bytes) +
                                            " bytes, kernel " + model.kernel);
        }
        const auto kept = add(settings, models);
        benchmark::AddCustomContext("pinned to cpu", is_pinned
                                                         ? std::to_string(pin_to_cpu(settings.cpu))
                                                         : "a thread each");
        benchmark::AddCustomContext("clock cost ns", std::to_string(clock_cost_ns()));
        benchmark::RunSpecifiedBenchmarks();
        benchmark::Shutdown();
        static_cast<void>(kept);
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
        return 1;
    }
}

} // namespace espalier_bench

#endif
