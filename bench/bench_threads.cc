// SPDX-License-Identifier: Apache-2.0
/*
 * One model, many threads: every thread has a predictor and its own rows, batches of 1,000 or one
 * row at a time. The figure is wall-clock time by all rows of all threads, so two threads on two
 * idle cores should halve it. Public headers only; not pinned.
 */
#include "harness.h"

#include <algorithm>
#include <atomic>
#include <sched.h>
#include <stdexcept>
#include <thread>

namespace
{

using namespace espalier_bench;

constexpr size_t BATCH = 1000;
constexpr size_t ROWS_PER_CALL = 10000; // of every thread, between two looks at the clock

size_t count_cpus()
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    return static_cast<size_t>(CPU_COUNT(&set));
}

// The n-th CPU this process may use.
void pin_thread(size_t index)
{
    cpu_set_t allowed;
    cpu_set_t one;
    CPU_ZERO(&allowed);
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && index-- == 0) {
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

// Rows of one thread, ROWS_PER_CALL in calls of `count`, starting at a place of its own.
void predict_share(espalier_predictor *predictor, const bench_model &about, size_t thread,
                   size_t count, std::vector<double> &output)
{
    count = std::min(count, about.rows.row_count);
    size_t row = thread * 4099 % (about.rows.row_count - count + 1);
    for (size_t done = 0; done < ROWS_PER_CALL; done += count) {
        const espalier_rows rows =
            espalier_rows_float32(about.rows.row(row), count, about.rows.feature_count);
        espalier_outputs out = {};
        out.data = output.data();
        out.data_bytes = output.size() * sizeof(double);
        if (espalier_predict(predictor, about.kind, &rows, &out) != ESPALIER_OK) {
            std::abort(); // agreement was checked: cannot happen
        }
        row = row + 2 * count <= about.rows.row_count ? row + count : 0;
    }
    benchmark::DoNotOptimize(output.data());
}

// Threads that wait at a gate, run once, and come back.
class crew
{
public:
    crew(const bench_model &about, const espalier_model *model, size_t thread_count, size_t count)
        : about_(about), count_(count)
    {
        for (size_t i = 0; i < thread_count; i++) {
            threads_.emplace_back([this, model, i] { work(model, i); });
        }
        while (ready_.load() < thread_count) {
            std::this_thread::yield();
        }
    }

    ~crew()
    {
        is_over_.store(true);
        round_.fetch_add(1);
        for (std::thread &each : threads_) {
            each.join();
        }
    }

    int64_t run()
    {
        done_.store(0);
        const int64_t start = now_ns();
        round_.fetch_add(1);
        while (done_.load() < threads_.size()) {
            // The main thread must not take a core from a worker.
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        return last_ns_.load() - start;
    }

private:
    void work(const espalier_model *model, size_t index)
    {
        pin_thread(index);
        const predictor_owner predictor = create_predictor(model, ESPALIER_ISA_AUTO);
        std::vector<double> output(about_.width * count_);
        uint64_t seen = round_.load();
        ready_.fetch_add(1);
        for (;;) {
            while (round_.load(std::memory_order_acquire) == seen) {
                std::this_thread::yield();
            }
            seen++;
            if (is_over_.load()) {
                return;
            }
            predict_share(predictor.get(), about_, index, count_, output);
            const int64_t end = now_ns();
            int64_t last = last_ns_.load();
            while (last < end && !last_ns_.compare_exchange_weak(last, end)) {}
            done_.fetch_add(1);
        }
    }

    const bench_model &about_;
    size_t count_;
    std::vector<std::thread> threads_;
    std::atomic<uint64_t> round_{0};
    std::atomic<size_t> ready_{0};
    std::atomic<size_t> done_{0};
    std::atomic<int64_t> last_ns_{0};
    std::atomic<bool> is_over_{false};
};

void bench_crew(benchmark::State &state, const bench_model &about, size_t thread_count,
                size_t count)
{
    call_times times(state);
    const model_owner model = open_model(about.model_path);
    crew all(about, model.get(), thread_count, count);
    all.run(); // warm up
    for (auto _ : state) {
        const int64_t taken = all.run();
        times.add(0, taken);
    }
    times.report(static_cast<double>(thread_count * ROWS_PER_CALL));
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(
        count, arguments, true,
        [](const bench_settings &settings, const std::vector<bench_model> &models) {
            const size_t cpus = count_cpus();
            for (const bench_model &model : models) {
                const bench_model *const about = &model;
                for (const size_t rows : {BATCH, size_t{1}}) {
                    for (size_t threads = 1; threads <= cpus; threads *= 2) {
                        const std::string name = rows == 1 ? "threads_one_row/" : "threads_batch/";
                        add_benchmark(name + model.name + "/" + std::to_string(threads),
                                      settings.is_quick ? 5 : 30, [=](benchmark::State &s) {
                                          bench_crew(s, *about, threads, rows);
                                      });
                    }
                }
            }
            return 0;
        },
        false);
}
