// SPDX-License-Identifier: Apache-2.0
/*
 * What converting costs: runs `espalier convert` on the largest standard forest's joblib file, or
 * on a file of the command line, and reports the child's wall time, its largest resident set (the
 * mapped source included) and the sizes, against the project's goals. Public headers and POSIX
 * only.
 */
#include "measure.h"
#include "model_cache.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

using namespace espalier_bench;

constexpr double SECONDS_GOAL = 3.0;
constexpr double MEMORY_GOAL = 3.0;     // times the source's bytes
constexpr double SIZE_GOAL = 1.0 / 8.0; // of the source's bytes

struct cost {
    double seconds;
    double cpu_seconds; // user and system: what a busy machine does not stretch
    uint64_t resident_bytes;
};

cost run_convert(const std::string &program, const std::string &source, const std::string &model)
{
    const int64_t start = now_ns();
    const pid_t process = fork();
    if (process == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO); // our own output may be JSON
        execl(program.c_str(), program.c_str(), "convert", source.c_str(), "-o", model.c_str(),
              static_cast<char *>(nullptr));
        _exit(127);
    }
    int status = 0;
    rusage usage;
    if (process < 0 || wait4(process, &status, 0, &usage) != process || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0) {
        throw std::runtime_error(program + " convert " + source + " failed");
    }
    const auto seconds = [](const timeval &time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return {static_cast<double>(now_ns() - start) * 1e-9,
            seconds(usage.ru_utime) + seconds(usage.ru_stime),
            static_cast<uint64_t>(usage.ru_maxrss) * 1024};
}

const char *say(bool is_held)
{
    return is_held ? "held" : "MISSED";
}

int run(int count, char **arguments)
{
    const bench_settings settings = parse_settings(&count, arguments);
    std::string program = program_folder() + "/espalier";
    std::string source;
    bool is_json = false;
    for (int i = 1; i < count; i++) {
        const std::string name = arguments[i];
        if (name == "--json") {
            is_json = true;
        } else if (name == "--espalier" && i + 1 < count) {
            program = arguments[++i];
        } else if (name[0] != '-' && source.empty()) {
            source = name;
        } else {
            std::printf("usage: bench_convert [SOURCE] [--espalier PROGRAM] [--json] [OPTION]...\n"
                        "%s",
                        SETTINGS_USAGE);
            return name == "--help" ? 0 : 2;
        }
    }
    if (source.empty()) {
        source = prepare_forest(settings, settings.is_small ? "depth8" : "unlimited").source_path;
    }
    warm_page_cache(source);
    const std::string model = settings.folder + "/converted.espalier";
    cost best = {1e9, 1e9, 0};
    for (int round = 0; round < (settings.is_quick ? 1 : 3); round++) {
        const cost each = run_convert(program, source, model);
        best.seconds = std::min(best.seconds, each.seconds);
        best.cpu_seconds = std::min(best.cpu_seconds, each.cpu_seconds);
        best.resident_bytes = std::max(best.resident_bytes, each.resident_bytes);
    }
    const double source_bytes = static_cast<double>(file_bytes(source));
    const double memory = static_cast<double>(best.resident_bytes) / source_bytes;
    const double size = static_cast<double>(file_bytes(model)) / source_bytes;
    const bool is_held = best.seconds <= SECONDS_GOAL && memory <= MEMORY_GOAL && size <= SIZE_GOAL;
    if (is_json) {
        std::printf("{\"source_bytes\": %.0f, \"model_bytes\": %" PRIu64 ", \"seconds\": %.3f, "
                    "\"cpu_seconds\": %.3f, "
                    "\"resident_bytes\": %" PRIu64 "}\n",
                    source_bytes, file_bytes(model), best.seconds, best.cpu_seconds,
                    best.resident_bytes);
    } else {
        std::printf("source %.1f MB; model %.2f MB, 1/%.2f of it (goal 1/8: %s)\n"
                    "time %.2f s, %.2f s of it on the CPU (goal 3 s: %s)\n"
                    "memory %.1f MB, %.2f times the source (goal 3: %s)\n",
                    source_bytes * 1e-6, static_cast<double>(file_bytes(model)) * 1e-6, 1.0 / size,
                    say(size <= SIZE_GOAL), best.seconds, best.cpu_seconds,
                    say(best.seconds <= SECONDS_GOAL),
                    static_cast<double>(best.resident_bytes) * 1e-6, memory,
                    say(memory <= MEMORY_GOAL));
    }
    std::remove(model.c_str());
    return is_held ? 0 : 1;
}

} // namespace

int main(int count, char **arguments)
{
    try {
        return run(count, arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "bench_convert: %s\n", error.what());
        return 1;
    }
}
