// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::thread_number — a number for each thread that asks, never given to another one.
///
/// Use it for     a place of the thread's own in a table; std::thread::id may come again after a thread has ended
/// Thread-safety  any thread
/// Complexity     O(1)

#include <atomic>
#include <cstdint>

namespace sluice::detail {

/// The calling thread's number, from 1; no two threads of a process ever have the same.
[[nodiscard]] inline std::uint64_t thread_number() noexcept {
    static constinit std::atomic<std::uint64_t> last{0};
    thread_local std::uint64_t const            mine = last.fetch_add(1, std::memory_order_relaxed) + 1;  // (stat)
    return mine;
}

}  // namespace sluice::detail
