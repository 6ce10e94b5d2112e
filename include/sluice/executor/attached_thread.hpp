// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// attached_thread — as long as it lives, the thread that made it is a worker of a pool.
///
/// Use it for     a thread of your own (the main thread, one with a GL context) that is to help, post cheaply, or run what is
///                posted for it alone (thread_pool::post_on)
/// Not for        helping once: thread_pool::try_run_one
/// Thread-safety  the thread that made it, its destruction included, which is before the pool's
/// Progress       run_until blocks; it sleeps as a worker does. With a predicate it looks at it again after each task and, while it
///                sleeps, every millisecond; with a stop_token a stop wakes it
/// Complexity     making and ending one: a lock, O(max_workers)
/// Errors         made by thread_pool::attach_current_thread, see there. What the predicate throws passes through
///
/// Between the calls of run_one and run_until the thread counts as busy: what it posts is stolen by the others, what is posted
/// for it alone waits. At the end it runs the latter, paused or not, and leaves the rest to the others. The pool's end does
/// not wait for the thread, but for what is posted for it alone. What the thread posts after that is taken on, and run by itself at
/// the end (dropped, if the pool has dropped its work).

#include <chrono>
#include <cstddef>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

class [[nodiscard]] attached_thread {
public:
    attached_thread(attached_thread const&) = delete;
    attached_thread& operator=(attached_thread const&) = delete;
    ~attached_thread() {
        SLUICE_ASSERT(pool_.here() == &me_);
        pool_.detach(me_);
    }

    /// Its number, as thread_pool::this_worker_index.
    [[nodiscard]] std::size_t index() const noexcept { return me_.index; }

    /// Runs one task, its own or a stolen one; false if there is none, or the pool is paused.
    bool run_one() { return pool_.try_run_one(); }

    /// Runs tasks until done() or the pool's end.
    template <class Done>
        requires std::is_invocable_r_v<bool, Done&>
    void run_until(Done done) {
        SLUICE_ASSERT(pool_.here() == &me_);
        pool_.run_until(me_, [&]() -> bool { return done(); }, std::chrono::milliseconds(1));
    }
    /// Runs tasks until a stop is requested or the pool's end.
    void run_until(std::stop_token const& stop) {
        SLUICE_ASSERT(pool_.here() == &me_);
        std::stop_callback const wake(stop, [this] { pool_.wake_all(); });
        pool_.run_until(me_, [&] { return stop.stop_requested(); }, std::chrono::milliseconds(0));
    }

private:
    friend class thread_pool;
    attached_thread(detail::scheduler& pool, detail::worker& me) noexcept : pool_(pool), me_(me) {}

    detail::scheduler& pool_;
    detail::worker&    me_;
};

}  // namespace sluice
