// SPDX-License-Identifier: Apache-2.0
/*
 * What a slot costs a reader: acquire and release alone and with two readers at once, and paced
 * predictions on one core while another core swaps the model ten times a second, against the same
 * without swaps. Between requests the reader warms what was published; once more without that.
 * Public headers only. A paced run takes twice a minute, five times over; --quick takes twice four
 * seconds once.
 */
#include "espalier_slot.h"
#include "harness.h"

#include <atomic>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace
{

using namespace espalier_bench;

constexpr int64_t SECOND_NS = 1000000000;
constexpr int64_t PACE_NS = 100000; // a request every 100 us
constexpr int64_t SWAP_NS = SECOND_NS / 10;

struct slot_closer {
    void operator()(espalier_slot *slot) const
    {
        static_cast<void>(espalier_slot_close(slot));
    }
};
using slot_owner = std::unique_ptr<espalier_slot, slot_closer>;

struct reader_unregisterer {
    void operator()(espalier_reader *reader) const
    {
        static_cast<void>(espalier_slot_unregister(reader));
    }
};
using reader_owner = std::unique_ptr<espalier_reader, reader_unregisterer>;

slot_owner open_slot(const std::string &path)
{
    espalier_slot *slot = nullptr;
    espalier_error error;
    if (espalier_slot_open(path.c_str(), nullptr, &slot, &error) != ESPALIER_OK) {
        throw std::runtime_error(error.message);
    }
    return slot_owner(slot);
}

// Several threads may ask at once: then the slot is busy for a moment.
reader_owner register_reader(espalier_slot *slot)
{
    espalier_reader *reader = nullptr;
    espalier_status status = ESPALIER_ERROR_BUSY;
    while (status == ESPALIER_ERROR_BUSY) {
        status = espalier_slot_register(slot, &reader);
    }
    if (status != ESPALIER_OK) {
        throw std::runtime_error("a reader cannot be registered");
    }
    return reader_owner(reader);
}

// Readers of all threads are registered before the first of them is timed.
struct acquire_stage {
    slot_owner slot;
    std::vector<reader_owner> readers;
};

void bench_acquire(benchmark::State &state, const acquire_stage &stage)
{
    espalier_reader *const reader = stage.readers[static_cast<size_t>(state.thread_index())].get();
    pin_to_cpu(state.thread_index());
    espalier_lease lease;
    for (auto _ : state) {
        benchmark::DoNotOptimize(espalier_slot_acquire(reader, &lease));
        benchmark::DoNotOptimize(lease.predictor);
        espalier_slot_release(reader);
    }
}

// Two copies of a model and a path that leads to one of them, replaced by renaming.
class swapped_file
{
public:
    swapped_file(const std::string &model_path, const std::string &name) : path_(name + ".current")
    {
        for (const char *const end : {".a", ".b"}) {
            copies_.push_back(name + end);
            std::ifstream source(model_path, std::ios::binary);
            std::ofstream target(copies_.back(), std::ios::binary | std::ios::trunc);
            target << source.rdbuf();
        }
        swap();
    }

    ~swapped_file()
    {
        for (const std::string &copy : copies_) {
            std::remove(copy.c_str());
        }
        std::remove(path_.c_str());
    }

    swapped_file(const swapped_file &) = delete;
    swapped_file &operator=(const swapped_file &) = delete;

    void swap()
    {
        const std::string next = path_ + ".new";
        std::remove(next.c_str());
        if (link(copies_[count_++ % 2].c_str(), next.c_str()) != 0 ||
            std::rename(next.c_str(), path_.c_str()) != 0) {
            throw std::runtime_error(path_ + ": cannot be replaced");
        }
    }

    const std::string &path() const
    {
        return path_;
    }

private:
    std::string path_;
    std::vector<std::string> copies_;
    size_t count_ = 0;
};

// Swaps until it is told to stop, on a core of its own.
class swapper
{
public:
    swapper(espalier_slot *slot, swapped_file *file, int cpu) : slot_(slot), file_(file)
    {
        thread_ = std::thread([this, cpu] { work(cpu); });
    }

    ~swapper()
    {
        stop();
    }

    uint64_t stop()
    {
        is_over_.store(true);
        if (thread_.joinable()) {
            thread_.join();
        }
        return swaps_;
    }

private:
    void work(int cpu)
    {
        pin_to_cpu(cpu);
        while (!is_over_.load()) {
            const int64_t start = now_ns();
            espalier_slot_state state;
            file_->swap();
            if (espalier_slot_refresh(slot_, 0, &state, nullptr) == ESPALIER_OK) {
                swaps_ += state.changed;
            }
            const int64_t left = start + SWAP_NS - now_ns();
            if (left > 0) {
                std::this_thread::sleep_for(std::chrono::nanoseconds(left));
            }
        }
    }

    espalier_slot *slot_;
    swapped_file *file_;
    std::atomic<bool> is_over_{false};
    uint64_t swaps_ = 0;
    std::thread thread_;
};

// Bytes of memory that are this process's own; pages of the file are not.
double own_bytes()
{
    std::ifstream statm("/proc/self/statm");
    double size = 0;
    double resident = 0;
    double shared = 0;
    statm >> size >> resident >> shared;
    return (resident - shared) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

struct paced_run {
    std::vector<double> times;
    std::vector<double> warm_times; // of models that were new
    uint64_t wrong = 0;
    double grown_bytes = 0;
};

// What is new to the caches, after a request; true: it took until the next one was due.
bool warm(paced_run &run, espalier_reader *reader, int64_t due)
{
    size_t bytes = 0;
    const int64_t start = now_ns();
    if (espalier_slot_warm(reader, 0, &bytes) != ESPALIER_OK || bytes == 0) {
        return false;
    }
    const int64_t end = now_ns();
    run.warm_times.push_back(static_cast<double>(end - start));
    return end > due;
}

// One request every PACE_NS by the clock, timed from acquire to release; one that came while the
// reader warmed, from when it was due.
void run_paced(paced_run &run, const bench_model &about, espalier_reader *reader,
               const std::vector<double> &expected, int64_t length_ns, bool warms)
{
    std::vector<double> output(about.width);
    double before = 0;
    bool is_late = false;
    const int64_t begin = now_ns();
    const int64_t count = length_ns / PACE_NS;
    for (int64_t i = 0; i < count; i++) {
        if (i == count / 10) { // the first swaps are over: what grows now would grow for ever
            before = own_bytes();
        }
        const int64_t due = begin + i * PACE_NS;
        while (now_ns() < due) {}
        const size_t row = static_cast<size_t>(i) % about.rows.row_count;
        const espalier_rows rows =
            espalier_rows_float32(about.rows.row(row), 1, about.rows.feature_count);
        espalier_outputs out = {};
        out.data = output.data();
        out.data_bytes = output.size() * sizeof(double);
        espalier_lease lease;
        const int64_t start = is_late ? due : now_ns();
        espalier_status status = espalier_slot_acquire(reader, &lease);
        if (status == ESPALIER_OK) {
            status = espalier_predict(lease.predictor, about.kind, &rows, &out);
            espalier_slot_release(reader);
        }
        run.times.push_back(static_cast<double>(now_ns() - start));
        run.wrong +=
            status != ESPALIER_OK || std::memcmp(output.data(), expected.data() + row * about.width,
                                                 about.width * sizeof(double)) != 0;
        is_late = warms && warm(run, reader, due + PACE_NS);
    }
    run.grown_bytes = own_bytes() - before;
}

// What the model answers for all rows, one by one, without a slot.
std::vector<double> expected_answers(const bench_model &about)
{
    const model_owner model = open_model(about.model_path);
    const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_AUTO);
    std::vector<double> answers(about.rows.row_count * about.width);
    for (size_t row = 0; row < about.rows.row_count; row++) {
        const espalier_rows rows =
            espalier_rows_float32(about.rows.row(row), 1, about.rows.feature_count);
        espalier_outputs out = {};
        out.data = answers.data() + row * about.width;
        out.data_bytes = about.width * sizeof(double);
        if (espalier_predict(predictor.get(), about.kind, &rows, &out) != ESPALIER_OK) {
            throw std::runtime_error("a prediction failed");
        }
    }
    return answers;
}

struct paced_figures {
    std::vector<double> ratios, plain_p99, swapped_p99, plain_p999, swapped_p999, p50, grown, warm;
    uint64_t wrong = 0;
    uint64_t swaps = 0;
};

void add_figures(paced_figures &all, paced_run &plain, paced_run &swapped)
{
    const double plain_p99 = percentile(plain.times, 0.99);
    const double swapped_p99 = percentile(swapped.times, 0.99);
    all.ratios.push_back(swapped_p99 / plain_p99);
    all.plain_p99.push_back(plain_p99);
    all.swapped_p99.push_back(swapped_p99);
    all.plain_p999.push_back(percentile(plain.times, 0.999));
    all.swapped_p999.push_back(percentile(swapped.times, 0.999));
    all.p50.push_back(percentile(swapped.times, 0.5));
    all.grown.push_back(swapped.grown_bytes);
    if (!swapped.warm_times.empty()) {
        all.warm.push_back(percentile(swapped.warm_times, 0.5));
    }
    all.wrong += plain.wrong + swapped.wrong;
}

// Each iteration is one run without swaps and one with them.
void bench_paced(benchmark::State &state, const bench_model &about, const std::string &folder,
                 int64_t length_ns, bool warms)
{
    const std::vector<double> expected = expected_answers(about);
    swapped_file file(about.model_path, folder + "/bench_slot");
    const slot_owner slot = open_slot(file.path());
    const reader_owner reader = register_reader(slot.get());
    paced_figures all;
    pin_to_cpu(0);
    for (auto _ : state) {
        paced_run plain;
        paced_run swapped;
        plain.times.reserve(static_cast<size_t>(length_ns / PACE_NS));
        swapped.times.reserve(plain.times.capacity());
        // Pages of both are there before anything is timed.
        plain.times.assign(plain.times.capacity(), 0.0);
        swapped.times.assign(swapped.times.capacity(), 0.0);
        plain.times.clear();
        swapped.times.clear();
        run_paced(plain, about, reader.get(), expected, length_ns, warms);
        swapper other(slot.get(), &file, 1);
        run_paced(swapped, about, reader.get(), expected, length_ns, warms);
        all.swaps += other.stop();
        add_figures(all, plain, swapped);
        state.SetIterationTime(static_cast<double>(2 * length_ns) * 1e-9);
    }
    state.counters["p99_ratio"] = percentile(all.ratios, 0.5);
    state.counters["plain_p99_ns"] = percentile(all.plain_p99, 0.5);
    state.counters["swapped_p99_ns"] = percentile(all.swapped_p99, 0.5);
    state.counters["plain_p999_ns"] = percentile(all.plain_p999, 0.5);
    state.counters["swapped_p999_ns"] = percentile(all.swapped_p999, 0.5);
    state.counters["swapped_p50_ns"] = percentile(all.p50, 0.5);
    state.counters["grown_bytes"] = percentile(all.grown, 0.5);
    if (warms) {
        state.counters["warm_ns"] = percentile(all.warm, 0.5);
    }
    state.counters["wrong"] = static_cast<double>(all.wrong);
    state.counters["swaps"] = static_cast<double>(all.swaps);
}

std::unique_ptr<acquire_stage> add_all(const bench_settings &settings,
                                       const std::vector<bench_model> &models)
{
    auto stage = std::make_unique<acquire_stage>();
    const bench_model &about = models.front();
    stage->slot = open_slot(about.model_path);
    for (int i = 0; i < 2; i++) {
        stage->readers.push_back(register_reader(stage->slot.get()));
    }
    const acquire_stage *const shown = stage.get();
    for (const int threads : {1, 2}) {
        benchmark::RegisterBenchmark("slot/acquire_release",
                                     [shown](benchmark::State &s) { bench_acquire(s, *shown); })
            ->Threads(threads)
            ->UseRealTime();
    }
    const int64_t length_ns = (settings.is_small ? 1 : settings.is_quick ? 4 : 60) * SECOND_NS;
    const std::string folder = settings.folder.empty() ? program_folder() : settings.folder;
    for (const bool warms : {true, false}) {
        add_benchmark((warms ? "slot/paced/" : "slot/paced_unwarmed/") + about.name,
                      settings.is_quick || !warms ? 1 : 5,
                      [&about, folder, length_ns, warms](benchmark::State &s) {
                          bench_paced(s, about, folder, length_ns, warms);
                      });
    }
    return stage;
}

} // namespace

int main(int count, char **arguments)
{
    return run_program(count, arguments, false, add_all, false);
}
