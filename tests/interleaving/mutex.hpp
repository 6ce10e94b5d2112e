// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::sim::mutex — for clients of headers that take a mutex on their slow path.

#include "support/interleave.hpp"

#include <atomic>
#include <cstdint>

namespace test::sim {

/// A mutex whose waiters sleep, so that a search of every order ends.
class mutex {
public:
    void lock() noexcept {
        for (std::uint64_t open = 0; !word_.compare_exchange_strong(open, locked, std::memory_order_acquire,
                                                                    std::memory_order_relaxed);
             open = 0)
            parker_.wait(word_, 1, nullptr);
    }
    void unlock() noexcept {
        (void)word_.exchange(0, std::memory_order_release);
        parker_.wake(word_, 4);
    }

private:
    static constexpr std::uint64_t locked = std::uint64_t{1} << 32;
    atomic<std::uint64_t>          word_{0};
    parker                         parker_;
};

}  // namespace test::sim
