// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::worker — what belongs to one thread of a pool: its two deques, its counts and its clock.
///
/// Thread-safety  the owner, but for what is marked as read by anyone; thieves use the deques' own rules
/// Complexity     count, add: a load and a store of the owner's own line. clock_in: one clock read, nothing when not timed
/// Units          nanoseconds of std::chrono::steady_clock

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/inbox.hpp>
#include <sluice/executor/detail/scheduler_observer.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/idle_policy.hpp>
#include <sluice/executor/victim_policy.hpp>
#include <sluice/queue/chase_lev_deque.hpp>
#include <sluice/queue/split_deque.hpp>
#include <thread>
#include <utility>

namespace sluice::detail {

class work_queues;
class isolation;

// Ordering
//   (D) count    finished, accepted: written by their worker only; store release   -> load acquire by scheduler::idle()
//   (stat)       metrics and error counts: relaxed

/// What becomes of exceptions that no waiter gets. Shared with futures, which may outlive their pool.
struct error_sink {
    unique_function<void(std::exception_ptr)> handler;
    std::atomic<std::uint64_t> handled{0};
    std::atomic<std::uint64_t> dropped{0};

    void handle(std::exception_ptr e) noexcept {  // a handler that throws ends the program, as documented
        handled.fetch_add(1, std::memory_order_relaxed);                                    // (stat)
        if (!handler) std::terminate();
        handler(std::move(e));
    }
    void drop() noexcept { dropped.fetch_add(1, std::memory_order_relaxed); }               // (stat)
};

struct scheduler_options {
    std::size_t    workers;
    std::size_t    fewest_workers;
    std::size_t    most_workers;
    victim_options victims;
    idle_policy    idle;
    std::uint32_t  fetch;
    std::uint32_t  fairness;
    std::uint32_t  help_depth;
    bool           metrics;
    scheduler_observer const* observer = nullptr;
};

/// A piece of work that has been taken out of a queue. A letter is a task for this worker only.
struct work {
    enum kind : std::uintptr_t { nothing, one_task, one_letter, one_fork } what = nothing;  // a whole register
    union {
        detail::task* task = nullptr;
        detail::fork* fork;
    };
    explicit operator bool() const noexcept { return what != nothing; }
    static work of(detail::task* t) noexcept {
        work w;
        w.what = one_task;
        w.task = t;
        return w;
    }
    static work letter(detail::task* t) noexcept {
        work w;
        w.what = one_letter;
        w.task = t;
        return w;
    }
    static work of(detail::fork* f) noexcept {
        work w;
        w.what = one_fork;
        w.fork = f;
        return w;
    }
};

struct alignas(cache_line_size) worker {
    using clock = std::chrono::steady_clock;
    enum mode : std::uint8_t { busy, searching, parked, absent };

    /// `born`: the pool's; until its first thread starts the worker is absent.
    worker(scheduler& s, work_queues const& q, std::size_t i, scheduler_options const& o, std::int64_t born)
        : owner(s), plain(&q), index(i), tasks(256), victims(o.victims, i, o.most_workers, i + 1), timed(o.metrics), queues(q),
          since(born) {}

    // The owner's part.
    scheduler&                      owner;
    work_queues const*              plain;              // the pool's, null while the worker is in a region (isolation.hpp)
    std::size_t const               index;
    split_deque<fork*>              forks;
    chase_lev_deque<std::uintptr_t> tasks;
    victim_selector                 victims;
    std::uint32_t                   until_injector = 0;
    bool                            oldest_is_due = true;
    std::uint32_t                   help_depth = 0;
    bool const                      timed;
    mode                            now = absent;
    std::thread                     thread;             // this and the next two: under the roster's lock
    bool                            present = false;
    bool                            attached = false;   // its thread is the user's; its own thread may look, too
    std::uint32_t                   blocking = 0;       // regions around what runs here
    task*                           letters = nullptr;  // what it has taken out of the inbox, oldest first
    std::uint64_t const*            lineage = nullptr;  // of the task that runs here, if it is a group's
    std::uint64_t                   groups = 0;         // how many were made here
    work_queues const&              queues;             // the pool's
    detail::isolation*              isolated = nullptr; // the region of what runs here

    // Written by the owner, read by anyone.
    alignas(cache_line_size) detail::inbox<task> inbox;
    std::atomic<bool>          exiting{false};  // the thread that left runs its exit hook
    alignas(cache_line_size) std::atomic<std::uint64_t> finished{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> ran{0}, steals{0}, lost{0}, empty{0}, depth_sum{0}, depth_samples{0};
    std::atomic<std::uint64_t> fetched{0}, returned{0}, voided{0};  // see pool_counts
    std::atomic<std::int64_t>  spent[4]{};
    std::atomic<std::int64_t>  since;
    std::atomic<std::uint8_t>  mode_seen{absent};
    std::atomic<std::int64_t>  busy_clock{0};  // twice the busy time up to now less, while busy, now; plus 1 while busy

    void isolate(detail::isolation* region) noexcept {
        isolated = region;
        plain = region == nullptr ? &queues : nullptr;
    }
    static void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // (stat)
    }
    static void count(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_release);  // (D)
    }
    static std::int64_t ticks() noexcept {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count();
    }
    /// Books the time since the last call under what the worker has been doing, and begins `next`.
    void clock_in(mode next) noexcept {
        if (!timed) return;
        std::int64_t const t = ticks();
        auto& sum = spent[now];
        sum.store(sum.load(std::memory_order_relaxed) + t - since.load(std::memory_order_relaxed),
                  std::memory_order_relaxed);                                               // (stat)
        since.store(t, std::memory_order_relaxed);                                          // (stat)
        if ((now == busy) != (next == busy)) {
            std::int64_t const b = busy_clock.load(std::memory_order_relaxed) >> 1;         // (stat)
            busy_clock.store(next == busy ? 2 * (b - t) + 1 : 2 * (b + t), std::memory_order_relaxed);  // (stat)
        }
        now = next;
        mode_seen.store(next, std::memory_order_relaxed);                                   // (stat)
    }
    /// Any thread: busy time, the open interval included, as one word tells it.
    [[nodiscard]] std::int64_t busy_until_now() const noexcept {
        std::int64_t const b = busy_clock.load(std::memory_order_relaxed);                  // (stat)
        return (b & 1) != 0 ? (b >> 1) + ticks() : b >> 1;
    }
    void sample_depth() noexcept {
        if (!timed) return;
        add(depth_sum, tasks.size_approx() + forks.size_approx());
        add(depth_samples, 1);
    }
};

inline constinit thread_local worker* this_worker = nullptr;

/// The region of what runs here, on a worker; null where there is none.
[[nodiscard]] inline isolation* region_here() noexcept { return this_worker != nullptr ? this_worker->isolated : nullptr; }
/// The pool whose task this thread runs by try_run_one, being no worker of it.
inline constinit thread_local work_queues* guest_of = nullptr;

}  // namespace sluice::detail
