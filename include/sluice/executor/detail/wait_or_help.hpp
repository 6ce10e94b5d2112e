// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::wait_or_help — how a function waits for coroutines: asleep, but a worker runs what its pool has to do.
///
/// Thread-safety  any thread
/// Progress       a worker looks for work once a millisecond, because nothing tells it that there is some; nested more than
///                help_depth times it only waits
/// Errors         none

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/worker.hpp>

namespace sluice::detail {

/// Blocks until done(), which is looked at with the lock; whoever makes it true notifies with the lock.
template <class Done>
void wait_or_help(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Done done) {
    worker* const me = this_worker;
    if (me == nullptr) return changed.wait(lock, done);
    while (!done()) {
        bool helped = false;
        if (me->help_depth < me->owner.help_depth_limit()) {
            lock.unlock();
            ++me->help_depth;
            helped = me->owner.try_run_one();
            --me->help_depth;
            lock.lock();
        }
        if (!helped) changed.wait_for(lock, std::chrono::milliseconds(1), done);
    }
}

}  // namespace sluice::detail
