// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// What the operating system knows about threads: where they may run, what they have used (Linux only; elsewhere the
/// functions say so and the benchmark is skipped), and several of them at once.

#include <support/bench.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

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

/// body(thread) on each of `threads` threads, each on a core of its own; seconds from the common start to the last end.
/// One more thread sleeps meanwhile: while a process has a single thread, glibc's mutex leaves its atomic operations out.
template <class Body>
double together(unsigned threads, Body body) {
    affinity_guard const     guard;
    std::atomic<unsigned>    ready{0};
    std::atomic<bool>        go{false};
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i)
        others.emplace_back([&, i] {
            pin_to(static_cast<int>(i));
            ready.fetch_add(1, std::memory_order_release);
            while (!go.load(std::memory_order_acquire)) {}
            body(i);
        });
    std::mutex              mutex;
    std::condition_variable over;
    bool                    is_over = false;
    std::thread             sleeper([&] {
        std::unique_lock lock(mutex);
        over.wait(lock, [&] { return is_over; });
    });
    pin_to(0);
    while (ready.load(std::memory_order_acquire) + 1 != threads) std::this_thread::yield();
    auto const start = clock::now();
    go.store(true, std::memory_order_release);
    body(0u);
    for (auto& t : others) t.join();
    double const elapsed = seconds_since(start);
    {
        std::lock_guard const lock(mutex);
        is_over = true;
    }
    over.notify_one();
    sleeper.join();
    return elapsed;
}

}  // namespace bench
