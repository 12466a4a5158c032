// SPDX-License-Identifier: Apache-2.0
/*
 * One model, many threads: every thread has a core, a predictor and its own rows, batches of 1,000
 * or one row at a time. The figure is wall-clock time by all rows of all threads, so two threads on
 * two idle cores should halve it; a loop of arithmetic alone tells what the machine gives. Public
 * headers only.
 */
#include "harness.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <sched.h>
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

// Threads that sleep until a pass begins; the first `running_` of them take part in it.
class crew
{
public:
    using job = std::function<void()>;

    // make_job: called on the thread itself, once it is pinned to its CPU.
    crew(size_t thread_count, const std::function<job(size_t index)> &make_job)
    {
        for (size_t i = 0; i < thread_count; i++) {
            threads_.emplace_back([this, make_job, i] {
                pin_thread(i);
                work(i, make_job(i));
            });
        }
        std::unique_lock<std::mutex> lock(mutex_);
        done_changed_.wait(lock, [&] { return done_ == threads_.size(); });
    }

    ~crew()
    {
        begin(0, nullptr, true);
        for (std::thread &each : threads_) {
            each.join();
        }
    }

    // Nanoseconds from the first start to the last end of the first `count` threads. task: what
    // they do; nullptr: their own jobs.
    double run(size_t count, void (*task)() = nullptr)
    {
        begin(count, task, false);
        std::unique_lock<std::mutex> lock(mutex_);
        done_changed_.wait(lock, [&] { return done_ == count; });
        return static_cast<double>(last_end_ns_ - first_start_ns_);
    }

private:
    void begin(size_t count, void (*task)(), bool is_over)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        running_ = count;
        task_ = task;
        is_over_ = is_over;
        done_ = 0;
        first_start_ns_ = std::numeric_limits<int64_t>::max();
        last_end_ns_ = 0;
        round_++;
        round_changed_.notify_all();
    }

    void work(size_t index, const job &own)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        uint64_t seen = round_;
        done_++;
        done_changed_.notify_one();
        for (;;) {
            round_changed_.wait(lock, [&] { return round_ != seen; });
            seen = round_;
            if (is_over_) {
                return;
            }
            if (index >= running_) {
                continue;
            }
            void (*const task)() = task_;
            lock.unlock();
            const int64_t start = now_ns();
            task != nullptr ? task() : own();
            const int64_t end = now_ns();
            lock.lock();
            first_start_ns_ = std::min(first_start_ns_, start);
            last_end_ns_ = std::max(last_end_ns_, end);
            done_++;
            done_changed_.notify_one();
        }
    }

    std::vector<std::thread> threads_;
    std::mutex mutex_; // all below
    std::condition_variable round_changed_;
    std::condition_variable done_changed_;
    uint64_t round_ = 0;
    size_t running_ = 0;
    void (*task_)() = nullptr;
    size_t done_ = 0;
    int64_t first_start_ns_ = 0;
    int64_t last_end_ns_ = 0;
    bool is_over_ = false;
};

double median(std::vector<double> values)
{
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// Arithmetic of registers alone, as much at a time as a core can do: what two threads of this
// machine can gain. Virtual CPUs that share a core, or have a neighbour on it, gain less than two.
void count_alone()
{
    uint64_t lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < 100 * ROWS_PER_CALL; i++) {
        for (uint64_t &lane : lanes) {
            lane = (lane << 7) ^ (lane + i);
        }
        benchmark::DoNotOptimize(lanes);
    }
}

// How much faster all threads are than one, by passes that are next to each other: what neighbours
// do to cores and caches changes from one second to the next.
class speedup
{
public:
    speedup(crew &all, size_t thread_count, void (*task)())
        : all_(all), thread_count_(thread_count), task_(task)
    {
    }

    void measure()
    {
        ones.push_back(all_.run(1, task_));
        alls.push_back(all_.run(thread_count_, task_));
        ones.push_back(all_.run(1, task_));
        const double one = (ones[ones.size() - 2] + ones.back()) / 2;
        ratios.push_back(static_cast<double>(thread_count_) * one / alls.back());
    }

    std::vector<double> ones;
    std::vector<double> alls;
    std::vector<double> ratios;

private:
    crew &all_;
    size_t thread_count_;
    void (*task_)();
};

void bench_crew(benchmark::State &state, size_t thread_count,
                const std::function<crew::job(size_t)> &make_job)
{
    crew all(thread_count, make_job);
    all.run(thread_count); // warm up
    speedup own(all, thread_count, nullptr);
    speedup control(all, thread_count, count_alone);
    for (auto _ : state) {
        control.measure();
        own.measure();
        state.SetIterationTime(own.alls.back() * 1e-9);
    }
    const double rows = static_cast<double>(ROWS_PER_CALL);
    state.counters["one_thread_p50_ns"] = median(own.ones) / rows;
    state.counters["p50_ns"] = median(own.alls) / (rows * static_cast<double>(thread_count));
    state.counters["speedup"] = median(own.ratios);
    state.counters["speedup_of_arithmetic"] = median(control.ratios);
}

crew::job make_prediction(const bench_model &about, const espalier_model *model, size_t index,
                          size_t count)
{
    const std::shared_ptr<predictor_owner> predictor =
        std::make_shared<predictor_owner>(create_predictor(model, ESPALIER_ISA_AUTO));
    const auto output = std::make_shared<std::vector<double>>(about.width * count);
    return [=, &about] { predict_share(predictor->get(), about, index, count, *output); };
}

void add_model(const bench_model &model, size_t threads, int64_t iterations)
{
    for (const size_t count : {BATCH, size_t{1}}) {
        const std::string name = count == 1 ? "threads_one_row/" : "threads_batch/";
        add_benchmark(name + model.name + "/" + std::to_string(threads), iterations,
                      [&model, threads, count](benchmark::State &state) {
                          const model_owner mapped = open_model(model.model_path);
                          bench_crew(state, threads, [&](size_t index) {
                              return make_prediction(model, mapped.get(), index, count);
                          });
                      });
    }
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(
        count, arguments, true,
        [](const bench_settings &settings, const std::vector<bench_model> &models) {
            const int64_t iterations = settings.is_quick ? 20 : 100;
            const size_t cpus = count_cpus();
            for (size_t threads = 2; threads <= cpus; threads *= 2) {
                for (const bench_model &model : models) {
                    add_model(model, threads, iterations);
                }
            }
            return 0;
        },
        false);
}
