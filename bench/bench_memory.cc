// SPDX-License-Identifier: Apache-2.0
/*
 * What one more process costs that maps the same model and predicts from it: N processes (8) open
 * the model, predict all rows, and stay; the kernel's proportional set size (PSS: private pages,
 * and of shared pages this process's share) is read for all of them. The cost of an extra process
 * is (sum of N - sum of 1) / (N - 1), so that nothing shared is counted as saved twice.
 * Public headers, POSIX and Linux's /proc only. Prints one line per model, or JSON.
 */
#include "measure.h"
#include "model_cache.h"

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace
{

using namespace espalier_bench;

constexpr int PROCESS_COUNT = 8;
constexpr char CHILD_FLAG[] = "--child";
constexpr double GOAL_BYTES = 1e6;

// KiB of PSS: of the whole process, and of the mappings of one file.
struct set_size {
    uint64_t total = 0;
    uint64_t model = 0;
};

set_size read_set_size(pid_t process, const std::string &model_path)
{
    std::ifstream maps("/proc/" + std::to_string(process) + "/smaps");
    std::string line;
    bool is_model = false;
    set_size size;
    while (std::getline(maps, line)) {
        if (line.compare(0, 4, "Pss:") == 0) {
            const uint64_t kib = std::strtoull(line.c_str() + 4, nullptr, 10);
            size.total += kib;
            size.model += is_model ? kib : 0;
        } else if (line.find('-') < line.find(' ')) { // "first-last rwxp ... path"
            is_model =
                line.size() >= model_path.size() &&
                line.compare(line.size() - model_path.size(), std::string::npos, model_path) == 0;
        }
    }
    if (size.total == 0) {
        throw std::runtime_error("/proc/PID/smaps cannot be read");
    }
    return size;
}

// A child: opens, predicts every row, drops the rows, tells that it is ready, waits for its end.
int serve(const std::string &model_path, const std::string &rows_path)
{
    const model_owner model = open_model(model_path);
    const predictor_owner predictor = create_predictor(model.get(), ESPALIER_ISA_AUTO);
    {
        espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
        espalier_output_info output;
        espalier_model_info_get(model.get(), &info);
        const espalier_output_kind kind = static_cast<espalier_output_kind>(info.default_output);
        espalier_model_output(model.get(), kind, &output);
        const float_rows rows = read_npy(rows_path);
        std::vector<double> values(rows.row_count * output.width);
        espalier_rows in =
            espalier_rows_float32(rows.values.data(), rows.row_count, rows.feature_count);
        espalier_outputs out = {};
        out.data = values.data();
        out.data_bytes = values.size() * sizeof(double);
        if (espalier_predict(predictor.get(), kind, &in, &out) != ESPALIER_OK) {
            throw std::runtime_error("a prediction failed");
        }
    }
    if (write(STDOUT_FILENO, "r", 1) != 1) {
        return 1;
    }
    char ignored;
    while (read(STDIN_FILENO, &ignored, 1) > 0) {}
    return 0;
}

// A process that has answered "ready". Its standard input ends when this object does.
class child
{
public:
    child(const std::string &model_path, const std::string &rows_path)
    {
        int to_child[2];
        int from_child[2];
        if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) {
            throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
        }
        process_ = fork();
        if (process_ == 0) {
            dup2(to_child[0], STDIN_FILENO);
            dup2(from_child[1], STDOUT_FILENO);
            execl("/proc/self/exe", "bench_memory", CHILD_FLAG, model_path.c_str(),
                  rows_path.c_str(), static_cast<char *>(nullptr));
            _exit(127);
        }
        close(to_child[0]);
        close(from_child[1]);
        input_ = to_child[1];
        char ready = 0;
        const bool is_ready = process_ > 0 && read(from_child[0], &ready, 1) == 1;
        close(from_child[0]);
        if (!is_ready) {
            throw std::runtime_error("a child did not get ready");
        }
    }
    ~child()
    {
        close(input_);
        waitpid(process_, nullptr, 0);
    }
    child(const child &) = delete;
    child &operator=(const child &) = delete;

    pid_t process() const
    {
        return process_;
    }

private:
    pid_t process_ = -1;
    int input_ = -1;
};

set_size sum_of(const std::vector<std::unique_ptr<child>> &children, const std::string &model_path)
{
    set_size sum;
    for (const auto &each : children) {
        const set_size size = read_set_size(each->process(), model_path);
        sum.total += size.total;
        sum.model += size.model;
    }
    return sum;
}

double extra_bytes(uint64_t kib_of_all, uint64_t kib_of_one)
{
    return (static_cast<double>(kib_of_all) - static_cast<double>(kib_of_one)) * 1024.0 /
           (PROCESS_COUNT - 1);
}

bool measure(const bench_model &model, const std::string &rows_path, bool is_json)
{
    char *const absolute = realpath(model.model_path.c_str(), nullptr);
    const std::string path = absolute != nullptr ? absolute : model.model_path;
    std::free(absolute);
    std::vector<std::unique_ptr<child>> children;
    children.push_back(std::make_unique<child>(path, rows_path));
    const set_size alone = sum_of(children, path);
    for (int i = 1; i < PROCESS_COUNT; i++) {
        children.push_back(std::make_unique<child>(path, rows_path));
    }
    const set_size together = sum_of(children, path);
    const double extra = extra_bytes(together.total, alone.total);
    const double extra_model = extra_bytes(together.model, alone.model);
    if (is_json) {
        std::printf("{\"model\": \"%s\", \"file_bytes\": %" PRIu64 ", \"processes\": %d, "
                    "\"one_bytes\": %" PRIu64 ", \"one_mapping_bytes\": %" PRIu64 ", "
                    "\"extra_bytes\": %.0f, \"extra_mapping_bytes\": %.0f}\n",
                    model.name.c_str(), file_bytes(path), PROCESS_COUNT, alone.total * 1024,
                    alone.model * 1024, extra, extra_model);
    } else {
        std::printf("%s: file %" PRIu64 " bytes; one process %" PRIu64
                    " KiB PSS, of it mapping %" PRIu64
                    "; each of %d more %.0f KiB, of it mapping %.0f (goal: below 1 MB: "
                    "%s)\n",
                    model.name.c_str(), file_bytes(path), alone.total, alone.model,
                    PROCESS_COUNT - 1, extra / 1024, extra_model / 1024,
                    extra < GOAL_BYTES ? "held" : "MISSED");
    }
    return extra < GOAL_BYTES;
}

int run(int count, char **arguments)
{
    const bench_settings settings = parse_settings(&count, arguments);
    const bool is_json = count == 2 && std::strcmp(arguments[1], "--json") == 0;
    if (count > 1 && !is_json) {
        std::printf("usage: bench_memory [OPTION]... [--json]\n%s", SETTINGS_USAGE);
        return std::strcmp(arguments[1], "--help") == 0 ? 0 : 2;
    }
    bool is_held = true;
    for (const bench_model &model : prepare_models(settings, false)) {
        const std::string rows_path = settings.folder + "/" + model.name + ".memory.npy";
        write_npy(rows_path, model.rows);
        is_held = measure(model, rows_path, is_json) && is_held;
        std::fflush(stdout);
        std::remove(rows_path.c_str());
    }
    return is_held ? 0 : 1;
}

} // namespace

int main(int count, char **arguments)
{
    try {
        if (count == 4 && std::strcmp(arguments[1], CHILD_FLAG) == 0) {
            return serve(arguments[2], arguments[3]);
        }
        return run(count, arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "bench_memory: %s\n", error.what());
        return 1;
    }
}
