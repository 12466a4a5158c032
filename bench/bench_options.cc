// SPDX-License-Identifier: Apache-2.0
/*
 * What the ways to hold a model in memory cost and gain: mapped as it is, faulted in, locked, a
 * private copy, a private copy on huge pages. Open, the first 100 rows after it, and then one row
 * and a batch. Public headers only.
 */
#include "harness.h"

#include <algorithm>
#include <stdexcept>
#include <sys/resource.h>

namespace
{

using namespace espalier_bench;

constexpr size_t FIRST_ROWS = 100;
constexpr size_t BATCH = 10000;

struct way {
    const char *name;
    uint64_t flags;
};

constexpr way WAYS[] = {{"mapped", 0},
                        {"prefault", ESPALIER_OPEN_PREFAULT},
                        {"lock", ESPALIER_OPEN_LOCK},
                        {"copy", ESPALIER_OPEN_COPY},
                        {"huge_pages", ESPALIER_OPEN_HUGE_PAGES}};

int64_t count_faults()
{
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

void predict(espalier_predictor *predictor, const bench_model &about, size_t first, size_t count,
             std::vector<double> &output)
{
    const espalier_rows rows =
        espalier_rows_float32(about.rows.row(first), count, about.rows.feature_count);
    espalier_outputs out = {};
    out.data = output.data();
    out.data_bytes = output.size() * sizeof(double);
    if (espalier_predict(predictor, about.kind, &rows, &out) != ESPALIER_OK) {
        throw std::runtime_error("a prediction failed");
    }
    benchmark::DoNotOptimize(output.data());
}

void bench_open_first(benchmark::State &state, const bench_model &about, uint64_t flags)
{
    call_times times(state);
    std::vector<double> output(about.width);
    std::vector<double> row_times;
    double faults = 0;
    for (auto _ : state) {
        const int64_t start = now_ns();
        const model_owner model = open_model(about.model_path, flags);
        times.add(start, now_ns());
        const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_AUTO);
        const int64_t faults_before = count_faults();
        const int64_t rows_start = now_ns();
        for (size_t row = 0; row < std::min(FIRST_ROWS, about.rows.row_count); row++) {
            predict(predictor.get(), about, row, 1, output);
        }
        row_times.push_back(static_cast<double>(now_ns() - rows_start));
        faults += static_cast<double>(count_faults() - faults_before);
    }
    times.report();
    state.counters["first_100_rows_ns"] = percentile(row_times, 0.50);
    state.counters["first_100_rows_faults"] = faults / static_cast<double>(state.iterations());
}

void bench_calls(benchmark::State &state, const bench_model &about, uint64_t flags, size_t count)
{
    call_times times(state);
    count = std::min(count, about.rows.row_count);
    std::vector<double> output(about.width * count);
    const model_owner model = open_model(about.model_path, flags);
    const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_AUTO);
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_model_info_get(model.get(), &info);
    for (size_t row = 0; row + count <= about.rows.row_count; row += count) {
        predict(predictor.get(), about, row, count, output);
    }
    size_t row = 0;
    for (auto _ : state) {
        const int64_t start = now_ns();
        predict(predictor.get(), about, row, count, output);
        times.add(start, now_ns());
        row = row + 2 * count <= about.rows.row_count ? row + count : 0;
    }
    times.report(static_cast<double>(count));
    state.counters["huge_bytes"] = static_cast<double>(info.huge_bytes);
}

void add_model(const bench_settings &settings, const bench_model &model)
{
    const bench_model *const about = &model; // lives until the benchmarks have run
    warm_page_cache(model.model_path);
    for (const way &each : WAYS) {
        const std::string name = std::string(each.name) + "/" + model.name;
        const uint64_t flags = each.flags;
        add_benchmark("options_open/" + name, settings.is_quick ? 20 : 200,
                      [=](benchmark::State &s) { bench_open_first(s, *about, flags); });
        add_benchmark("options_one_row/" + name, settings.is_quick ? 5000 : 50000,
                      [=](benchmark::State &s) { bench_calls(s, *about, flags, 1); });
        add_benchmark("options_batch/" + name, settings.is_quick ? 3 : 10,
                      [=](benchmark::State &s) { bench_calls(s, *about, flags, BATCH); });
    }
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(count, arguments, true,
                       [](const bench_settings &settings, const std::vector<bench_model> &models) {
                           for (const bench_model &model : models) {
                               add_model(settings, model);
                           }
                           return 0;
                       });
}
