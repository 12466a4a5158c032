// SPDX-License-Identifier: Apache-2.0
/*
 * Clock, percentiles, page cache, machine. See measure.h.
 */
#include "measure.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <sched.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace espalier_bench
{

namespace
{

// The rest of the first line that starts with `start`, behind the next `separator`.
std::string find_line(const std::string &path, const std::string &start, char separator)
{
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        const size_t at = line.find(separator);
        if (line.compare(0, start.size(), start) == 0 && at != std::string::npos) {
            const size_t from = line.find_first_not_of(' ', at + 1);
            return from == std::string::npos ? "" : line.substr(from);
        }
    }
    return "";
}

class descriptor
{
public:
    explicit descriptor(const std::string &path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC))
    {
        if (number_ < 0) {
            throw std::runtime_error(path + ": " + std::strerror(errno));
        }
    }
    ~descriptor()
    {
        close(number_);
    }
    descriptor(const descriptor &) = delete;
    descriptor &operator=(const descriptor &) = delete;

    int number() const
    {
        return number_;
    }

private:
    int number_;
};

size_t count_resident_pages(int number, size_t bytes)
{
    void *const mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, number, 0);
    if (mapped == MAP_FAILED) {
        return 0;
    }
    const size_t page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((bytes + page_bytes - 1) / page_bytes);
    size_t count = 0;
    if (mincore(mapped, bytes, pages.data()) == 0) {
        for (const unsigned char page : pages) {
            count += page & 1u;
        }
    }
    munmap(mapped, bytes);
    return count;
}

} // namespace

int64_t now_ns()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

double clock_cost_ns()
{
    std::vector<double> times;
    for (int i = 0; i < 10001; i++) {
        const int64_t start = now_ns();
        times.push_back(static_cast<double>(now_ns() - start));
    }
    return percentile(times, 0.5);
}

double percentile(std::vector<double> &times, double share)
{
    if (times.empty()) {
        return 0.0;
    }
    const double place = share * static_cast<double>(times.size() - 1);
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(place);
    std::nth_element(times.begin(), at, times.end());
    return *at;
}

int pin_to_cpu(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return -1;
    }
    for (int i = CPU_SETSIZE - 1; cpu < 0 && i >= 0; i--) {
        cpu = CPU_ISSET(i, &set) ? i : cpu;
    }
    if (cpu < 0 || cpu >= CPU_SETSIZE) {
        return -1;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? cpu : -1;
}

void sync_file(const std::string &path)
{
    const descriptor file(path);
    if (fsync(file.number()) != 0) {
        throw std::runtime_error(path + ": fsync: " + std::strerror(errno));
    }
}

size_t drop_page_cache(const std::string &path)
{
    const descriptor file(path);
    posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);
    return count_resident_pages(file.number(), file_bytes(path));
}

void warm_page_cache(const std::string &path)
{
    const descriptor file(path);
    std::vector<char> buffer(1 << 20);
    while (read(file.number(), buffer.data(), buffer.size()) > 0) {}
}

uint64_t file_bytes(const std::string &path)
{
    struct stat status;
    return stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

std::string program_folder()
{
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) {
        return ".";
    }
    const std::string program(path, static_cast<size_t>(length));
    return program.substr(0, program.rfind('/'));
}

std::vector<fact> describe_machine()
{
    std::vector<fact> facts;
    std::string cpu = find_line("/proc/cpuinfo", "model name", ':');
    const std::string family = find_line("/proc/cpuinfo", "cpu family", ':');
    const std::string model = find_line("/proc/cpuinfo", "model\t", ':');
    if (!family.empty()) {
        cpu += ", family " + family + " model " + model;
    }
    utsname system;
    facts.push_back({"cpu", cpu});
    facts.push_back({"cpus", std::to_string(sysconf(_SC_NPROCESSORS_ONLN))});
    if (uname(&system) == 0) {
        facts.push_back({"kernel", std::string(system.sysname) + " " + system.release});
        facts.push_back({"machine", system.machine});
    }
#ifdef __clang__
    facts.push_back({"compiler", std::string("clang ") + __clang_version__});
#else
    facts.push_back({"compiler", std::string("gcc ") + __VERSION__});
#endif
    // The build folder is above bin/; its cache has the flags the libraries were compiled with.
    const std::string cache = program_folder() + "/../CMakeCache.txt";
    const std::string type = find_line(cache, "CMAKE_BUILD_TYPE:", '=');
    std::string upper = type;
    for (char &letter : upper) {
        letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
    }
    facts.push_back({"build", type});
    facts.push_back({"flags", find_line(cache, "CMAKE_C_FLAGS_" + upper + ":", '=') + " " +
                                  find_line(cache, "CMAKE_C_FLAGS:", '=')});
    return facts;
}

} // namespace espalier_bench
