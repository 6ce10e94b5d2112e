// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::team — the calling thread and some invited workers that share a set of items, which grows as it is worked off.
///
/// crew is for loops, whose pieces are known; team is for pipelines and graphs, whose items become ready one by one. Whoever
/// waits works. Workers are invited when an item is pushed, and go when they find none: nobody is held for work that may come.
///
/// Thread-safety  push, hold, wait: any thread, also from items
/// Progress       a waiter runs ready items and sleeps only while others run theirs, so waiting cannot deadlock: with one worker
///                either, and if the pool has been closed
/// Complexity     one lock for each chain of items; two allocations for a team, none later. An invitation is one queued task; it
///                outlives the run that made it, and at most pool.max_workers() - 1 of them lie in the pool's queues
/// Errors         make: std::bad_alloc; the rest is noexcept. An invitation that cannot be queued is done without

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <utility>

namespace sluice::detail {

class team;

/// run does its work and returns an item that became ready by it and may go on here, or null. It is not touched afterwards.
struct team_item {
    using function = team_item* (*)(team_item*) noexcept;
    explicit team_item(function f) noexcept : run(f) {}
    function   run;
    team_item* next = nullptr;  // while it is ready
};

// Ordering
//   (A) hints  ready_ and left_ are written under the lock; a waiter loads them acquire between prepare_wait and its sleep.
//              It has counted itself in waiters_ under the lock before. A change under a later lock sees the waiter and
//              wakes it, one under an earlier lock is seen by the waiter
//   (B) refs   fetch_sub acq_rel: the last one frees. fetch_add relaxed: whoever adds has one
class team {
public:
    struct leave {
        void operator()(team* t) const noexcept { t->release(); }
    };
    using handle = std::unique_ptr<team, leave>;

    [[nodiscard]] static handle make(thread_pool& pool) { return handle(new team(pool)); }

    [[nodiscard]] bool is_for(thread_pool& pool) const noexcept { return &scheduler_ == &pool.internals(); }
    [[nodiscard]] scheduler& pool() const noexcept { return scheduler_; }

    /// One more item that wait() is to wait for; it will be pushed later.
    void hold() noexcept {
        std::lock_guard const lock(mutex_);
        left_.store(left_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // (A)
    }

    /// The item can run. `held`: it has been counted by hold(). `invite`: another worker may be called for it.
    void push(team_item* item, bool invite = true, bool held = false) noexcept {
        invitation* to_send = nullptr;
        bool        wake;
        {
            std::lock_guard const lock(mutex_);
            item->next = ready_.load(std::memory_order_relaxed);                            // (A)
            ready_.store(item, std::memory_order_release);                                  // (A)
            if (!held) left_.store(left_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // (A)
            wake = waiters_ != 0;
            if (invite && idle_ != nullptr && invited_ + 1 < scheduler_.size()) {
                to_send = std::exchange(idle_, idle_->next_idle);
                ++invited_;
                refs_.fetch_add(1, std::memory_order_relaxed);                              // (B)
            }
        }
        if (to_send != nullptr) send(to_send);
        if (wake) scheduler_.notify_waiters();
    }

    /// Works, and returns when every item that was pushed or held has been run.
    void wait() noexcept {
        for (;;) {
            work(nullptr);
            {
                std::lock_guard const lock(mutex_);
                if (over()) return;
                if (ready_.load(std::memory_order_relaxed) != nullptr) continue;            // (A)
                ++waiters_;
            }
            scheduler_.wait_until(
                [this] {
                    return ready_.load(std::memory_order_acquire) != nullptr || left_.load(std::memory_order_acquire) == 0;  // (A)
                },
                [] { return false; });
            std::lock_guard const lock(mutex_);
            --waiters_;
            if (over()) return;
        }
    }

private:
    struct invitation final : task {
        invitation() noexcept : task(&take_part) {}
        team*       to = nullptr;
        invitation* next_idle = nullptr;
    };

    explicit team(thread_pool& pool)
        : scheduler_(pool.internals()), invitations_(std::make_unique<invitation[]>(pool.max_workers() - 1)) {
        for (std::size_t i = 0; i + 1 < pool.max_workers(); ++i) {
            invitations_[i].to = this;
            invitations_[i].next_idle = std::exchange(idle_, &invitations_[i]);
        }
    }
    ~team() = default;

    [[nodiscard]] bool over() const noexcept { return left_.load(std::memory_order_relaxed) == 0; }  // (A) under the lock

    void send(invitation* i) noexcept {
        bool accepted = false;
        try {
            accepted = scheduler_.submit(i);
        } catch (...) {  // no memory
        }
        if (accepted) return;
        {
            std::lock_guard const lock(mutex_);
            put_back(i);
        }
        release();
    }

    void put_back(invitation* i) noexcept {
        i->next_idle = std::exchange(idle_, i);
        --invited_;
    }

    static void take_part(task* t, scheduler&, task_action a) noexcept {
        auto* const i = static_cast<invitation*>(t);
        team* const me = i->to;
        if (a == task_action::run) {
            me->work(i);
        } else {
            std::lock_guard const lock(me->mutex_);
            me->put_back(i);
        }
        me->release();
    }

    /// Runs items until none is ready. `mine` is given back under the same lock: a push that comes later can send it again.
    void work(invitation* mine) noexcept {
        for (std::uint64_t ended = 0;; ended = 1) {
            team_item* item;
            bool       wake = false;
            {
                std::lock_guard const lock(mutex_);
                if (ended != 0) {
                    std::uint64_t const left = left_.load(std::memory_order_relaxed) - 1;   // (A)
                    left_.store(left, std::memory_order_release);                           // (A)
                    wake = left == 0 && waiters_ != 0;
                }
                item = ready_.load(std::memory_order_relaxed);                              // (A)
                if (item != nullptr)
                    ready_.store(item->next, std::memory_order_release);                    // (A)
                else if (mine != nullptr)
                    put_back(mine);
            }
            if (wake) scheduler_.notify_waiters();
            if (item == nullptr) return;
            do {
                item = item->run(item);
            } while (item != nullptr);
        }
    }

    void release() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;                // (B)
    }

    scheduler&                    scheduler_;
    std::unique_ptr<invitation[]> invitations_;
    std::mutex                    mutex_;  // the rest
    std::atomic<team_item*>       ready_{nullptr};
    std::atomic<std::uint64_t>    left_{0};
    invitation*                   idle_ = nullptr;
    std::size_t                   invited_ = 0;
    std::size_t                   waiters_ = 0;
    std::atomic<std::uint32_t>    refs_{1};
};

}  // namespace sluice::detail
