// SPDX-License-Identifier: Apache-2.0
/*
 * From a file to an answer: opening, and opening plus the first prediction, with the page cache
 * warm and dropped, against loading the same forest naively. Also whether a model of 1 GiB opens as
 * fast as one of 1 MiB. Public headers only.
 *
 * Three states of the page cache, since the kernel maps what it holds in large pieces much faster:
 *  - warm: the converter has just written the file and nothing was dropped since (a model of the
 *    command line: as it was found, read once);
 *  - reread: dropped, then read once from beginning to end;
 *  - dropped: the file was synced, then posix_fadvise(POSIX_FADV_DONTNEED) before every call; the
 *    counter resident_pages says how many pages stayed. What lies below the page cache (the disk's
 *    own cache, a virtual machine's host) is out of reach and may still answer fast.
 */
#include "harness.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace
{

using namespace espalier_bench;

enum class cache {
    warm,
    reread,
    dropped
};

// One shape of model at sizes from 1 MiB to 1 GiB. The largest naive forest takes 6 GB of memory.
constexpr uint64_t MEBIBYTE = UINT64_C(1) << 20;
constexpr uint64_t SIZES[] = {MEBIBYTE, 8 * MEBIBYTE, 64 * MEBIBYTE, 1024 * MEBIBYTE};
constexpr uint64_t NAIVE_BYTES_MAX = 1024 * MEBIBYTE;
constexpr uint64_t NAIVE_BYTES_QUICK = 8 * MEBIBYTE;
constexpr uint64_t BYTES_SMALL = 8 * MEBIBYTE;

// Brings a file's pages into the wanted state; returns how many pages are in memory if dropped.
size_t prepare_cache(const std::string &path, cache state)
{
    return state == cache::dropped ? drop_page_cache(path) : 0;
}

void finish(benchmark::State &state, call_times &times, cache wanted, size_t resident_most)
{
    times.report();
    if (wanted == cache::dropped) {
        state.counters["resident_pages"] = static_cast<double>(resident_most);
    }
}

void bench_open(benchmark::State &state, const std::string &path, cache wanted, uint64_t flags)
{
    call_times times(state);
    size_t resident_most = 0;
    for (auto _ : state) {
        resident_most = std::max(resident_most, prepare_cache(path, wanted));
        const int64_t start = now_ns();
        const model_owner model = open_model(path, flags);
        times.add(start, now_ns());
    }
    finish(state, times, wanted, resident_most);
}

// One row's outputs from a model just opened.
void predict_first(const espalier_model *model, const bench_model &about, size_t row,
                   std::vector<double> &output)
{
    const predictor_owner predictor = create_predictor(model, ESPALIER_ISA_AUTO);
    const espalier_rows rows =
        espalier_rows_float32(about.rows.row(row), 1, about.rows.feature_count);
    espalier_outputs out = {};
    out.data = output.data();
    out.data_bytes = output.size() * sizeof(double);
    if (espalier_predict(predictor.get(), about.kind, &rows, &out) != ESPALIER_OK) {
        throw std::runtime_error("the first prediction failed");
    }
}

void bench_first(benchmark::State &state, const bench_model &about, const std::string &path,
                 cache wanted)
{
    call_times times(state);
    std::vector<double> output(about.width);
    size_t resident_most = 0;
    size_t row = 0;
    if (wanted == cache::reread) {
        drop_page_cache(path);
        warm_page_cache(path);
    }
    for (auto _ : state) {
        resident_most = std::max(resident_most, prepare_cache(path, wanted));
        const int64_t start = now_ns();
        const model_owner model = open_model(path);
        predict_first(model.get(), about, row, output);
        times.add(start, now_ns());
        benchmark::DoNotOptimize(output.data());
        row = (row + 1) % about.rows.row_count;
    }
    finish(state, times, wanted, resident_most);
}

void bench_naive_first(benchmark::State &state, const bench_model &about, cache wanted)
{
    call_times times(state);
    std::vector<double> output(about.width);
    size_t resident_most = 0;
    size_t row = 0;
    for (auto _ : state) {
        resident_most = std::max(resident_most, prepare_cache(about.naive_path, wanted));
        const int64_t start = now_ns();
        const naive_owner naive = load_naive(about.naive_path);
        naive_predict_row(naive.get(), about.rows.row(row), output.data());
        times.add(start, now_ns());
        benchmark::DoNotOptimize(output.data());
        row = (row + 1) % about.rows.row_count;
    }
    finish(state, times, wanted, resident_most);
}

void add_model(const bench_settings &settings, const bench_model &model)
{
    const int64_t many = settings.is_quick ? 2000 : 20000;
    const int64_t some = settings.is_quick ? 20 : 200;
    const int64_t few = settings.is_quick ? 3 : 15;
    for (const std::string &path : {model.model_path, model.naive_path}) {
        sync_file(path);
        warm_page_cache(path);
    }
    const std::string &path = model.model_path;
    const bench_model *const about = &model; // lives until the benchmarks have run
    add_benchmark("open/warm/" + model.name, many,
                  [path](benchmark::State &s) { bench_open(s, path, cache::warm, 0); });
    add_benchmark("open_first/warm/" + model.name, some * 10,
                  [=](benchmark::State &s) { bench_first(s, *about, path, cache::warm); });
    add_benchmark("open_verified/warm/" + model.name, few, [path](benchmark::State &s) {
        bench_open(s, path, cache::warm, ESPALIER_OPEN_VERIFY);
    });
    add_benchmark("naive_load_first/warm/" + model.name, few,
                  [=](benchmark::State &s) { bench_naive_first(s, *about, cache::warm); });
    add_benchmark("open_first/reread/" + model.name, some * 10,
                  [=](benchmark::State &s) { bench_first(s, *about, path, cache::reread); });
    add_benchmark("open/dropped/" + model.name, some,
                  [path](benchmark::State &s) { bench_open(s, path, cache::dropped, 0); });
    add_benchmark("open_first/dropped/" + model.name, some,
                  [=](benchmark::State &s) { bench_first(s, *about, path, cache::dropped); });
    add_benchmark("naive_load_first/dropped/" + model.name, few,
                  [=](benchmark::State &s) { bench_naive_first(s, *about, cache::dropped); });
}

// Models alike in all but size: the same trees, grown.
struct size_range {
    bench_model seed;
    std::vector<std::unique_ptr<grown_file>> files;
};

std::string size_name(uint64_t bytes)
{
    return bytes >= 1024 * MEBIBYTE ? std::to_string(bytes / (1024 * MEBIBYTE)) + "GiB"
                                    : std::to_string(bytes / MEBIBYTE) + "MiB";
}

void bench_row(benchmark::State &state, const bench_model &about, const std::string &path)
{
    call_times times(state);
    std::vector<double> output(about.width);
    const model_owner model = open_model(path);
    const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_AUTO);
    size_t row = 0;
    for (auto _ : state) {
        const espalier_rows rows =
            espalier_rows_float32(about.rows.row(row), 1, about.rows.feature_count);
        espalier_outputs out = {};
        out.data = output.data();
        out.data_bytes = output.size() * sizeof(double);
        const int64_t start = now_ns();
        const espalier_status status = espalier_predict(predictor.get(), about.kind, &rows, &out);
        times.add(start, now_ns());
        if (status != ESPALIER_OK) {
            throw std::runtime_error("a prediction failed");
        }
        row = (row + 1) % about.rows.row_count;
    }
    times.report();
}

// Load, first prediction, and then one row at a time, of the same naive forest.
void bench_naive_size(benchmark::State &state, const bench_model &about, const std::string &path)
{
    call_times times(state);
    std::vector<double> output(about.width);
    std::vector<double> row_times;
    for (auto _ : state) {
        const int64_t start = now_ns();
        const naive_owner naive = load_naive(path);
        naive_predict_row(naive.get(), about.rows.row(0), output.data());
        times.add(start, now_ns());
        for (size_t row = 1; row < about.rows.row_count; row++) {
            const int64_t before = now_ns();
            naive_predict_row(naive.get(), about.rows.row(row), output.data());
            row_times.push_back(static_cast<double>(now_ns() - before));
        }
    }
    times.report();
    state.counters["one_row_p50_ns"] = percentile(row_times, 0.50);
    state.counters["one_row_p99_ns"] = percentile(row_times, 0.99);
}

std::unique_ptr<size_range> add_sizes(const bench_settings &settings)
{
    auto range = std::make_unique<size_range>();
    const bench_model *const seed = &range->seed;
    range->seed = prepare_forest(settings, "depth8");
    for (const uint64_t bytes : SIZES) {
        if (settings.is_small && bytes > BYTES_SMALL) {
            break;
        }
        range->files.push_back(std::make_unique<grown_file>(settings, range->seed, bytes));
        const grown_file *const file = range->files.back().get();
        const std::string path = file->path();
        const std::string name = size_name(bytes);
        sync_file(path);
        warm_page_cache(path);
        add_benchmark("open/warm/" + name, settings.is_quick ? 2000 : 20000,
                      [path](benchmark::State &s) {
                          bench_open(s, path, cache::warm, 0);
                          s.counters["file_bytes"] = static_cast<double>(file_bytes(path));
                      });
        add_benchmark("open_first/warm/" + name, settings.is_quick ? 200 : 2000,
                      [=](benchmark::State &s) { bench_first(s, *seed, path, cache::warm); });
        add_benchmark("one_row/best/" + name, settings.is_quick ? 2000 : 20000,
                      [=](benchmark::State &s) { bench_row(s, *seed, path); });
        if (bytes <= (settings.is_quick ? NAIVE_BYTES_QUICK : NAIVE_BYTES_MAX)) {
            add_benchmark("naive_load_first/warm/" + name, bytes > 64 * MEBIBYTE ? 1 : 3,
                          [=](benchmark::State &s) {
                              const std::string naive = file->write_naive();
                              warm_page_cache(naive);
                              bench_naive_size(s, *seed, naive);
                              std::remove(naive.c_str());
                          });
        }
    }
    return range;
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(count, arguments, true,
                       [](const bench_settings &settings, const std::vector<bench_model> &models) {
                           std::unique_ptr<size_range> sizes;
                           if (settings.models.empty()) {
                               sizes = add_sizes(settings);
                           }
                           for (const bench_model &model : models) {
                               add_model(settings, model);
                           }
                           return sizes;
                       });
}
