// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// A count that many threads add to and that costs a task next to nothing: one cell per thread, no read-modify-write.
/// It is how a benchmark knows that every task has run exactly once, the same way for every subject.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace bench {

struct alignas(64) tally_cell {
    std::atomic<std::uint64_t> tasks{0}, sum{0};
};

class tally {
public:
    /// Called by a task: adds to the calling thread's cell.
    static void add(std::uint64_t value) noexcept {
        cell* c = mine_;
        if (c == nullptr) c = mine_ = &cells_[next_.fetch_add(1, std::memory_order_relaxed) % cells_.size()];
        c->sum.store(c->sum.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
        c->tasks.store(c->tasks.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // with the sum before it
    }

    struct totals {
        std::uint64_t tasks = 0, sum = 0;
    };

    [[nodiscard]] static totals now() noexcept {
        totals t;
        for (auto const& c : cells_) {
            t.tasks += c.tasks.load(std::memory_order_acquire);
            t.sum += c.sum.load(std::memory_order_relaxed);
        }
        return t;
    }

    /// Sleeps until `n` more tasks than in `before` have run. Looks every 50 to 100 µs; does not take a core from the
    /// workers. Gives up after a minute.
    static bool await(totals before, std::uint64_t n) {
        auto const deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (now().tasks - before.tasks < n) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        }
        return true;
    }

private:
    using cell = tally_cell;
    // Threads come and go with their pools; a cell is shared only if more than this many have ever run tasks.
    static inline std::array<cell, 1024>       cells_;
    static inline std::atomic<std::size_t>     next_{0};
    static inline constinit thread_local cell* mine_ = nullptr;
};

}  // namespace bench
