// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::scarce_memory, test::allocations — counts what operator new gives and takes back, and lets an allocation fail:
/// the n-th of this thread, or the n-th of any thread.
///
/// One file of the executable includes allocation_new.hpp, which replaces the global operators.

#include <cstddef>
#include <cstdint>
#include <thread>

namespace test {

/// While it lives, the n-th allocation by this thread through operator new (counted from 0) throws std::bad_alloc, and
/// all others succeed. Sweep n upward until failed() is false: then every allocation has failed once. With UINT64_MAX it only
/// counts.
class scarce_memory {
public:
    explicit scarce_memory(std::uint64_t n) noexcept;
    ~scarce_memory();
    scarce_memory(scarce_memory const&) = delete;
    scarce_memory& operator=(scarce_memory const&) = delete;
    [[nodiscard]] bool          failed() const noexcept;
    [[nodiscard]] std::uint64_t allocations() const noexcept;
};

/// Blocks from operator new that this thread has taken minus those that it has given back.
[[nodiscard]] std::int64_t live_allocations() noexcept;

namespace allocations {

[[nodiscard]] std::int64_t live() noexcept;   ///< blocks of all threads that have not been given back
[[nodiscard]] std::int64_t total() noexcept;  ///< blocks that all threads have taken

/// Lets the allocation after the next n fail, on whatever thread it happens.
void fail_after(std::int64_t n) noexcept;
/// True if the failure has happened.
bool disarm() noexcept;

struct sweep_result {
    int          runs = 0;    ///< the last one had no failure
    std::int64_t leaked = 0;  ///< allocations that were not given back, over all runs
};

/// Runs body(arm, disarm) again and again, each time on a thread of its own, with the failure one allocation later, until
/// a run sees none. Between arm() and disarm() an allocation fails.
template <class Body>
sweep_result sweep(Body body) {
    sweep_result result;
    for (std::int64_t n = 0;; ++n) {
        std::int64_t const before = live();
        bool               failed = false;
        std::thread([&] { body([&] { fail_after(n); }, [&] { failed = disarm(); }); }).join();
        result.leaked += live() - before;
        ++result.runs;
        if (!failed || n > 10'000) return result;
    }
}

}  // namespace allocations

}  // namespace test
