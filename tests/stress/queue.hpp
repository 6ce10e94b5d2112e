// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// What the stress tests of queue/ share: the near-empty game, load beside it, and a planted bug.

#include "support/random.hpp"
#include "support/threads.hpp"

#include <sluice/core/backoff.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test {

/// Threads that do nothing but take processor time from the others, while the object lives.
class load {
public:
    explicit load(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i)
            threads_.emplace_back([this] {
                while (!stop_.load(std::memory_order_relaxed)) {}
            });
    }
    ~load() {
        stop_.store(true, std::memory_order_relaxed);
        for (auto& t : threads_) t.join();
    }

private:
    std::atomic<bool>        stop_{false};
    std::vector<std::thread> threads_;
};

/// std::atomic with a bug: exchange shows its value to the others only after the same thread's next load, as a plain store
/// may that waits in a store buffer while a later load is answered. Nothing then stands between pop's announcement and its
/// look at top. (A real store waits for some ns, which takes luck to be caught.)
template <class T>
class without_exchange : public std::atomic<T> {
public:
    using std::atomic<T>::atomic;
    T exchange(T value, std::memory_order) noexcept {
        late = {this, value};
        return std::atomic<T>::load(std::memory_order_relaxed);
    }
    T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
        T const seen = std::atomic<T>::load(order);
        for (int i = 0; i < 20 && late.to != nullptr; ++i) sluice::cpu_relax();
        if (late.to != nullptr) std::exchange(late.to, nullptr)->store(late.value, std::memory_order_release);
        return seen;
    }

private:
    struct waiting {
        std::atomic<T>* to = nullptr;
        T               value{};
    };
    static inline thread_local waiting late{};
};

struct near_empty_options {
    std::uint64_t        items = 0;
    std::size_t          thieves = 1;
    std::chrono::seconds patience{60};  ///< a thief may be off the processor with an item in hand
    std::chrono::seconds enough{3600};  ///< ends earlier
};
struct near_empty_result {
    std::string   wrong;  ///< empty: every item was taken exactly once
    std::uint64_t items = 0;
    std::uint64_t stolen = 0;
};

/// The owner pushes two and pops two, for ever, thieves steal what they can: nearly every step is a race for the last
/// item. Every 2048 items all must have been taken, each once.
template <class Deque>
near_empty_result near_empty(Deque& deque, near_empty_options o) {
    constexpr std::uint64_t window = 2048;
    std::unique_ptr<std::atomic<std::uint32_t>[]> const taken(new std::atomic<std::uint32_t>[window]());
    std::atomic<std::uint64_t> total{0}, stolen{0};
    std::atomic<bool>          stop{false};
    near_empty_result          result;
    bool const crowded = o.thieves + 1 > std::thread::hardware_concurrency();  // otherwise a thief that waits stays hot
    auto const take = [&](std::uint64_t item) {
        taken[item % window].fetch_add(1, std::memory_order_relaxed);
        total.fetch_add(1, std::memory_order_release);
    };
    run_threads(o.thieves + 1, [&](std::size_t index) {
        if (index > 0) {
            std::uint64_t mine = 0;
            unsigned      misses = 0;
            while (!stop.load(std::memory_order_relaxed)) {
                if (auto const r = deque.steal()) {
                    take(*r);
                    ++mine;
                } else if (crowded && ++misses % 64 == 0) {
                    std::this_thread::yield();
                }
            }
            stolen.fetch_add(mine, std::memory_order_relaxed);
            return;
        }
        auto const begin = std::chrono::steady_clock::now();
        std::uint64_t next = 0;
        while (next < o.items && result.wrong.empty()) {
            std::uint64_t const end = next + window;
            while (next < end) {
                deque.push(next++);
                deque.push(next++);
                for (int i = 0; i < 2; ++i)
                    if (auto const item = deque.pop()) take(*item);
            }
            while (auto const item = deque.pop()) take(*item);
            auto const since = std::chrono::steady_clock::now();
            while (total.load(std::memory_order_acquire) < end) {
                if (std::chrono::steady_clock::now() - since > o.patience) {
                    result.wrong = "an item was lost";
                    break;
                }
                std::this_thread::yield();
            }
            for (std::uint64_t i = 0; i < window; ++i)
                if (std::uint32_t const n = taken[i].exchange(0, std::memory_order_relaxed); n != 1 && result.wrong.empty())
                    result.wrong = "item " + std::to_string(end - window + i) + " was taken " + std::to_string(n) + " times";
            if (total.load(std::memory_order_relaxed) != end && result.wrong.empty()) result.wrong = "an item too many";
            if (since - begin > o.enough) break;
        }
        result.items = next;
        stop.store(true, std::memory_order_relaxed);
    });
    result.stolen = stolen.load();
    return result;
}

}  // namespace test
