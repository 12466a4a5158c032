// SPDX-License-Identifier: Apache-2.0
/*
 * Predicting from an open model: one row at a time, every call timed and each with another row the
 * forest has not seen; and batches of 1 to 100,000 rows (more than there are: the rows again), per
 * row. Against the naive forest on the same rows. Public headers only.
 */
#include "harness.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>

namespace
{

using namespace espalier_bench;

constexpr size_t BATCH_ROWS_MAX = 100000;
constexpr size_t WARM_UP_ROWS = 1000;
constexpr size_t BATCH_ROWS[] = {1, 2, 4, 8, 16, 32, 64, 100, 1000, 10000, 100000};

// Rows for calls of `count` rows: the model's, repeated where they are fewer.
struct call_rows {
    size_t row_count;
    size_t feature_count;
    const float *data;
    std::vector<float> repeated;

    call_rows(const float_rows &rows, size_t count)
        : row_count(std::max(rows.row_count, count)), feature_count(rows.feature_count),
          data(rows.row(0))
    {
        if (count > rows.row_count) {
            repeated.reserve(count * feature_count);
            for (size_t row = 0; row < count; row++) {
                const float *const from = rows.row(row % rows.row_count);
                repeated.insert(repeated.end(), from, from + feature_count);
            }
            data = repeated.data();
        }
    }

    const float *row(size_t index) const
    {
        return data + index * feature_count;
    }
};

// What a timed call needs, made once per benchmark.
struct open_forest {
    const bench_model *about;
    call_rows rows;
    model_owner model;
    predictor_owner predictor;
    std::vector<double> output;

    open_forest(const bench_model &description, espalier_isa isa, size_t call_count)
        : about(&description), rows(description.rows, call_count),
          model(open_model(description.model_path)), predictor(create_predictor(model.get(), isa)),
          output(rows.row_count * description.width)
    {
    }

    void predict(size_t first, size_t count)
    {
        const espalier_rows called =
            espalier_rows_float32(rows.row(first), count, rows.feature_count);
        espalier_outputs out = {};
        out.data = output.data();
        out.data_bytes = output.size() * sizeof(double);
        if (espalier_predict(predictor.get(), about->kind, &called, &out) != ESPALIER_OK) {
            throw std::runtime_error("a prediction failed");
        }
        benchmark::DoNotOptimize(output.data());
    }
};

struct open_naive {
    const bench_model *about;
    call_rows rows;
    naive_owner forest;
    std::vector<double> output;

    explicit open_naive(const bench_model &description)
        : about(&description), rows(description.rows, BATCH_ROWS_MAX),
          forest(load_naive(description.naive_path)), output(rows.row_count * description.width)
    {
    }

    void predict(size_t first, size_t count)
    {
        if (count == 1) {
            naive_predict_row(forest.get(), rows.row(first), output.data());
        } else {
            naive_predict_batch(forest.get(), rows.row(first), count, output.data());
        }
        benchmark::DoNotOptimize(output.data());
    }
};

// Calls of `count` rows each, going round through all rows.
template <typename Forest> void time_calls(benchmark::State &state, Forest &forest, size_t count)
{
    const size_t row_count = forest.rows.row_count;
    for (size_t row = 0; row + count <= std::min(WARM_UP_ROWS, row_count); row += count) {
        forest.predict(row, count);
    }
    call_times times(state);
    size_t row = 0;
    for (auto _ : state) {
        const int64_t start = now_ns();
        forest.predict(row, count);
        times.add(start, now_ns());
        row = row + 2 * count <= row_count ? row + count : 0;
    }
    times.report(static_cast<double>(count));
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(count));
}

// All rows, one by one, in every iteration: how far the tail of single rows is the machine's (all
// calls, and an empty loop between them) and how far the rows' own (the best call of each row).
void time_rows(benchmark::State &state, open_forest &forest)
{
    const size_t row_count = forest.rows.row_count;
    std::vector<double> all;
    std::vector<double> empty;
    std::vector<double> best(row_count, std::numeric_limits<double>::max());
    all.reserve(row_count * static_cast<size_t>(state.max_iterations));
    empty.reserve(all.capacity());
    for (auto _ : state) {
        for (size_t row = 0; row < row_count; row++) {
            const int64_t start = now_ns();
            forest.predict(row, 1);
            const int64_t end = now_ns();
            empty.push_back(static_cast<double>(now_ns() - end));
            all.push_back(static_cast<double>(end - start));
            best[row] = std::min(best[row], all.back());
        }
        state.SetIterationTime(all.back() * 1e-9);
    }
    state.counters["p50_ns"] = percentile(all, 0.50);
    state.counters["p99_ns"] = percentile(all, 0.99);
    state.counters["p999_ns"] = percentile(all, 0.999);
    state.counters["empty_p999_ns"] = percentile(empty, 0.999);
    state.counters["rows_p50_ns"] = percentile(best, 0.50);
    state.counters["rows_p99_ns"] = percentile(best, 0.99);
}

// The levels that give different kernels for this model, the best one first.
std::vector<espalier_isa> choose_levels(const bench_model &model)
{
    const model_owner opened = open_model(model.model_path);
    const predictor_owner scalar = create_predictor(opened.get(), ESPALIER_ISA_SCALAR);
    if (model.kernel == espalier_predictor_kernel(scalar.get())) {
        return {ESPALIER_ISA_SCALAR};
    }
    return {ESPALIER_ISA_AUTO, ESPALIER_ISA_SCALAR};
}

// Few enough calls for the largest batch, many enough for percentiles of the smallest.
int64_t count_calls(const bench_settings &settings, size_t rows_per_call)
{
    if (settings.is_small) {
        return 1;
    }
    const size_t rows = settings.is_quick ? 10000 : 100000;
    const size_t least = settings.is_quick || rows_per_call >= BATCH_ROWS_MAX ? 3 : 10;
    return static_cast<int64_t>(std::max(least, rows / rows_per_call));
}

int64_t count_rows(const bench_settings &settings, int64_t quick, int64_t full)
{
    return settings.is_small ? quick / 10 : settings.is_quick ? quick : full;
}

void add_level(const bench_settings &settings, const bench_model &model, espalier_isa isa)
{
    const bench_model *const about = &model; // lives until the benchmarks have run
    const std::string level = isa == ESPALIER_ISA_SCALAR ? "scalar/" : "best/";
    add_benchmark("one_row/" + level + model.name, count_rows(settings, 10000, 50000),
                  [=](benchmark::State &state) {
                      open_forest forest(*about, isa, 1);
                      time_calls(state, forest, 1);
                      state.SetLabel(espalier_predictor_kernel(forest.predictor.get()));
                  });
    if (isa == ESPALIER_ISA_AUTO) {
        add_benchmark("one_row_spread/best/" + model.name, count_rows(settings, 20, 20),
                      [=](benchmark::State &state) {
                          open_forest forest(*about, isa, 1);
                          time_rows(state, forest);
                      });
    }
    for (const size_t rows : BATCH_ROWS) {
        add_benchmark("batch/" + level + model.name + "/" + std::to_string(rows),
                      count_calls(settings, rows), [=](benchmark::State &state) {
                          open_forest forest(*about, isa, rows);
                          time_calls(state, forest, rows);
                      });
    }
}

void add_naive(const bench_settings &settings, const bench_model &model)
{
    // One naive forest for all its benchmarks, loaded when the first of them runs.
    const auto shared = std::make_shared<std::unique_ptr<open_naive>>();
    const bench_model *const about = &model;
    const auto forest = [=]() -> open_naive & {
        if (!*shared) {
            *shared = std::make_unique<open_naive>(*about);
        }
        return **shared;
    };
    add_benchmark("one_row/naive/" + model.name, count_rows(settings, 3000, 20000),
                  [=](benchmark::State &state) { time_calls(state, forest(), 1); });
    for (const size_t rows : BATCH_ROWS) {
        if (rows > 1) {
            add_benchmark("batch/naive/" + model.name + "/" + std::to_string(rows),
                          std::max<int64_t>(settings.is_small ? 1 : 3,
                                            count_calls(settings, rows) / 4),
                          [=](benchmark::State &state) { time_calls(state, forest(), rows); });
        }
    }
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(count, arguments, true,
                       [](const bench_settings &settings, const std::vector<bench_model> &models) {
                           for (const bench_model &model : models) {
                               for (const espalier_isa isa : choose_levels(model)) {
                                   add_level(settings, model, isa);
                               }
                               add_naive(settings, model);
                           }
                           return 0;
                       });
}
