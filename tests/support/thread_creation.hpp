// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::thread_creation — lets the n-th start of a thread fail as it does on a system that has no more of them.
///
/// Include it in one file of an executable: it stands in front of the system's pthread_create. In a statically linked one
/// (SLUICE_TEST_STATIC) it cannot, and fail_after has no effect: `possible` says which.

#include <atomic>
#include <cerrno>
#include <dlfcn.h>
#include <filesystem>
#include <iterator>
#include <pthread.h>

namespace test::thread_creation {

#if defined(SLUICE_TEST_STATIC)
inline constexpr bool possible = false;
#else
inline constexpr bool possible = true;
#endif

inline std::atomic<int> until_failure{-1};  // < 0: never

/// The starts after the next n fail.
inline void fail_after(int n) noexcept { until_failure.store(n); }
inline void never_fail() noexcept { until_failure.store(-1); }

/// How many threads this process has beside the calling one; 0 where that cannot be found out.
inline int running() {
    std::error_code error;
    std::filesystem::directory_iterator const tasks("/proc/self/task", error);
    if (error) return 0;
    return static_cast<int>(std::distance(begin(tasks), end(tasks))) - 1;
}

}  // namespace test::thread_creation

#if !defined(SLUICE_TEST_STATIC)
extern "C" int pthread_create(pthread_t* thread, pthread_attr_t const* attributes, void* (*start)(void*), void* argument)
    noexcept {
    using function = int (*)(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);
    static auto const system = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_create"));
    auto& left = test::thread_creation::until_failure;
    if (int const n = left.load(); n >= 0) {
        if (n == 0) return EAGAIN;
        left.store(n - 1);
    }
    return system(thread, attributes, start, argument);
}
#endif
