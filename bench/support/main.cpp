// SPDX-License-Identifier: BSL-1.0
// main() of every benchmark executable: --mode=quick (default) or --mode=full, the rest goes to Google Benchmark.
#include "bench.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace {

bool   quick_mode = true;
char** started_as = nullptr;

struct processor_time {
    double machine = 0;  ///< all cores, all processes, in seconds
    double own     = 0;
    bool   known   = false;
};

processor_time processor_time_now() {
    processor_time t;
#if defined(__linux__)
    rusage own{};
    if (getrusage(RUSAGE_SELF, &own) != 0) return t;
    auto const seconds = [](timeval v) { return static_cast<double>(v.tv_sec) + static_cast<double>(v.tv_usec) / 1e6; };
    t.own              = seconds(own.ru_utime) + seconds(own.ru_stime);
    if (std::FILE* const stat = std::fopen("/proc/stat", "r")) {
        double user = 0, nice = 0, system = 0;
        t.known   = std::fscanf(stat, "cpu %lf %lf %lf", &user, &nice, &system) == 3;
        t.machine = (user + nice + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
        std::fclose(stat);
    }
#endif
    return t;
}

/// For the runner: how much of the machine others have used meanwhile. A result taken beside a busy neighbour is none.
void report_neighbours(processor_time before, processor_time after, double seconds) {
    if (!before.known || !after.known || seconds < 0.1) return;  // /proc/stat counts in steps of 10 ms
    double const cores  = std::max(1u, std::thread::hardware_concurrency());
    double const others = (after.machine - before.machine) - (after.own - before.own);
    std::fprintf(stderr, "others used %.0f %% of the machine\n", std::max(0.0, others) / (seconds * cores) * 100);
}

}  // namespace

bool bench::quick() noexcept { return quick_mode; }

void bench::need_stack([[maybe_unused]] std::size_t bytes) {
#if defined(__linux__)
    rlimit limit{};
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes) return;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < bytes) return;
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_STACK, &limit) == 0) execv("/proc/self/exe", started_as);  // new threads take the new size
    std::fprintf(stderr, "cannot raise the stack limit; deep trees may crash\n");
#endif
}

int main(int argc, char** argv) {
    started_as = argv;
    std::vector<char*> rest;
    for (int i = 0; i < argc; ++i) {
        if (std::strcmp(argv[i], "--mode=full") == 0) quick_mode = false;
        else if (std::strcmp(argv[i], "--mode=quick") == 0) quick_mode = true;
        else rest.push_back(argv[i]);
    }
    bench::register_all();
    int count = static_cast<int>(rest.size());
    rest.push_back(nullptr);
    benchmark::Initialize(&count, rest.data());
    if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 1;
    auto const before = processor_time_now();
    auto const start  = bench::clock::now();
    benchmark::RunSpecifiedBenchmarks();
    report_neighbours(before, processor_time_now(), bench::seconds_since(start));
    benchmark::Shutdown();
    return 0;
}
