// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::helping_wait — how a function waits for coroutines: asleep, but a worker runs what its pool has to do.
///
/// Thread-safety  any thread; one waits at a time
/// Progress       a worker runs any task, in a region (executor/isolate.hpp) those from inside it; asleep it is woken for a new task and
///                for the end of what it waits for. Nested more than help_depth times it only waits
/// Errors         none

#include <condition_variable>
#include <mutex>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/worker.hpp>

namespace sluice::detail {

class helping_wait {
public:
    /// Blocks until done(), which is looked at with the lock.
    template <class Done>
    void wait(std::unique_lock<std::mutex>& lock, Done done) {
        worker* const me = this_worker;
        if (me == nullptr) return changed_.wait(lock, done);
        if (done()) return;
        pool_ = &me->owner;
        std::mutex& mutex = *lock.mutex();
        lock.unlock();
        (void)me->owner.wait_helping(
            *me,
            [&] {
                std::lock_guard const look(mutex);
                return done();
            },
            [] { return false; });
        lock.lock();
        pool_ = nullptr;
    }
    /// Under the lock, by who made done() true: afterwards the waiter may be gone, and its pool.
    void notify() noexcept {
        changed_.notify_all();
        if (pool_ != nullptr) pool_->notify_waiters();
    }

private:
    std::condition_variable changed_;
    scheduler*              pool_ = nullptr;  // of a worker that waits
};

}  // namespace sluice::detail
