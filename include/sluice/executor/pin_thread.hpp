// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pin_current_thread — keep a thread on one CPU, or on some.
///
/// Use it for     workers that were placed (worker_placement), threads that own a cache or a memory node
/// Thread-safety  acts on the calling thread only
/// Errors         false: the system has no such call (anything but Linux), there is no such CPU, or the thread may not use it. The
///                thread then runs where it did
/// Units          CPUs as the system numbers them

#include <sluice/executor/detail/cpu_files.hpp>

#include <cstddef>
#include <span>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace sluice {

/// Runs on these only from now on. Those that do not exist are ignored as long as one does. May throw std::bad_alloc.
[[nodiscard]] inline bool pin_current_thread(std::span<unsigned const> cpus) {
#if defined(__linux__)
    constexpr unsigned         bits = sizeof(unsigned long) * 8;
    std::vector<unsigned long> mask(detail::max_cpus / bits);
    bool                       any = false;
    for (unsigned const cpu : cpus)
        if (cpu < detail::max_cpus) mask[cpu / bits] |= 1UL << (cpu % bits), any = true;
    // (sched_setaffinity of 0 is the thread, not the process, and is there where pthread_setaffinity_np is not.)
    return any && sched_setaffinity(0, mask.size() * sizeof(unsigned long), reinterpret_cast<cpu_set_t const*>(mask.data())) == 0;
#else
    static_cast<void>(cpus);
    return false;
#endif
}

[[nodiscard]] inline bool pin_current_thread(unsigned cpu) { return pin_current_thread(std::span<unsigned const>(&cpu, 1)); }

}  // namespace sluice
