// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// What the operating system knows about threads: where they may run, what they have used. Linux only; elsewhere the
/// functions say so and the benchmark is skipped.

#include <cstdint>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif

namespace bench {

/// Binds the calling thread, and the threads it starts from now on, to one core.
inline bool pin_to([[maybe_unused]] int core) noexcept {
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(core), &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
#else
    return false;
#endif
}

/// Remembers where the calling thread may run and restores it.
class affinity_guard {
public:
#if defined(__linux__)
    affinity_guard() noexcept { sched_getaffinity(0, sizeof before_, &before_); }
    ~affinity_guard() { sched_setaffinity(0, sizeof before_, &before_); }
    affinity_guard(affinity_guard const&)            = delete;
    affinity_guard& operator=(affinity_guard const&) = delete;

private:
    cpu_set_t before_{};
#endif
};

struct usage {
    double        cpu_us = 0;  ///< user and system time
    std::uint64_t sleeps = 0;  ///< voluntary context switches: how often a thread went to sleep
    std::uint64_t others = 0;  ///< involuntary ones: pre-empted, or gave way with a yield
    bool          known  = false;
};

/// Everything this process used but for the calling thread.
[[nodiscard]] inline usage used_by_others() noexcept {
    usage result;
#if defined(__linux__)
    rusage all{}, mine{};
    if (getrusage(RUSAGE_SELF, &all) == 0 && getrusage(RUSAGE_THREAD, &mine) == 0) {
        auto const us = [](timeval a, timeval b) {
            return static_cast<double>(a.tv_sec - b.tv_sec) * 1e6 + static_cast<double>(a.tv_usec - b.tv_usec);
        };
        result.cpu_us = us(all.ru_utime, mine.ru_utime) + us(all.ru_stime, mine.ru_stime);
        result.sleeps = static_cast<std::uint64_t>(all.ru_nvcsw - mine.ru_nvcsw);
        result.others = static_cast<std::uint64_t>(all.ru_nivcsw - mine.ru_nivcsw);
        result.known  = true;
    }
#endif
    return result;
}

}  // namespace bench
