// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::run_threads — run one function on several threads at once.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace test {

/// Calls f(0) … f(n - 1), each on its own thread, and returns when all have returned. No call begins before every
/// thread is ready. The first exception is rethrown here. Assert afterwards: test macros are not for several threads.
template <std::invocable<std::size_t> F>
void run_threads(std::size_t n, F f) {
    enum : int { wait, go, give_up };
    std::atomic<std::size_t> ready = 0;
    std::atomic<int> start = wait;
    std::mutex mutex;
    std::exception_ptr first;
    std::vector<std::thread> threads;
    threads.reserve(n);

    auto const body = [&](std::size_t index) {
        ready.fetch_add(1);
        while (start.load() == wait) std::this_thread::yield();
        if (start.load() == give_up) return;
        try {
            f(index);
        } catch (...) {
            std::lock_guard const lock(mutex);
            if (!first) first = std::current_exception();
        }
    };
    try {
        for (std::size_t i = 0; i < n; ++i) threads.emplace_back(body, i);
        while (ready.load() != n) std::this_thread::yield();
        start.store(go);
    } catch (...) {  // the system has no more threads
        start.store(give_up);
        for (auto& thread : threads) thread.join();
        throw;
    }
    for (auto& thread : threads) thread.join();
    if (first) std::rethrow_exception(first);
}

}  // namespace test
