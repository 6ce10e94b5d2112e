// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::roster — the places for a pool's workers: which have a thread, how many threads are wanted, who may leave.
///
/// A place is made when it is first needed and stays until the pool's end: its counts go on, what points to it stays valid, and
/// the next thread that works there finds its queues as the last one left them, empty. A thread that leaves joins the
/// one that left before it, so at most one is waiting to be joined, whatever happens.
///
/// Thread-safety  every member from any thread; leave: the worker's own
/// Progress       request, may_leave, leave take a lock, which is held for as long as it takes to start the threads that are
///                missing; nobody holds it while a task runs or a thread is joined. What only reads is wait-free
/// Complexity     request: O(places) and O(1) for each thread that it starts; nothing is kept of a request but its number
/// Errors         request: what start() throws, and then the number that was wanted before is wanted again
/// Units          workers

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <span>
#include <thread>
#include <utility>

namespace sluice::detail {

/// The pool's word: its phase, which only goes up, and marks that say where the plain way is not enough.
struct pool_state {
    enum : std::uint32_t { running = 0, draining = 1, discarding = 2, stopped = 3, phase = 3 };
    static constexpr std::uint32_t crowded = 4;   ///< more threads than wanted: whoever can leave should
    static constexpr std::uint32_t counting = 8;  ///< submissions from outside are counted
    static constexpr std::uint32_t sampling = 16; ///< depths are measured before each task
};

// Ordering
//   (A) made   made_ store release, the place before it                                       -> load acquire
//   (B) crowd  the word's mark `crowded`, changed under the lock: fetch_or release; the sleepers are stirred after it. A worker
//              announces that it will sleep, then looks: one that announces after the stirring sees the mark (they meet on the
//              gate's word). A mark that is seen too long costs a look under the lock
//   (stat)     what observers read
class roster {
public:
    roster(std::atomic<std::uint32_t>& state, std::size_t places)
        : state_(state), places_(places), workers_(std::make_unique<std::unique_ptr<worker>[]>(places)) {}

    [[nodiscard]] std::size_t places() const noexcept { return places_; }
    [[nodiscard]] std::size_t wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }            // (stat)
    [[nodiscard]] std::size_t provisioned() const noexcept { return provisioned_.load(std::memory_order_relaxed); }  // (stat)
    [[nodiscard]] std::size_t ready() const noexcept { return ready_.load(std::memory_order_relaxed); }              // (stat)

    /// The places that have been made. A place that has been made stays.
    [[nodiscard]] std::span<std::unique_ptr<worker> const> made() const noexcept {
        return {workers_.get(), made_.load(std::memory_order_acquire)};                     // (A)
    }
    /// Requires that place i has been made, and that the caller knows it by some order of its own.
    [[nodiscard]] worker& operator[](std::size_t i) const noexcept { return *workers_[i]; }

    /// From now on n workers are wanted. make(i) gives the worker of a place, start(worker&) its thread; stir(k) wakes k
    /// sleepers so that they may leave. Leavers that have not left yet are kept before threads are started.
    template <class Make, class Start, class Stir>
    void request(std::size_t n, Make make, Start start, Stir stir) {
        std::exception_ptr error;
        std::size_t        surplus;
        {
            std::lock_guard const lock(mutex_);
            if (closed_) return;
            try {
                while (staying_ + leaving_ < n) begin(make, start);
                wanted_.store(n, std::memory_order_relaxed);                                // (stat)
            } catch (...) {
                error = std::current_exception();
            }
            surplus = mark();
        }
        if (surplus != 0) stir(surplus);
        if (error) std::rethrow_exception(std::move(error));
    }

    /// A worker between two tasks: true if there is one too many. It then empties its queues and calls leave.
    [[nodiscard]] bool may_leave() noexcept {
        std::lock_guard const lock(mutex_);
        if (closed_ || staying_ <= wanted()) return false;
        --staying_;
        ++leaving_;
        ready_.fetch_sub(1, std::memory_order_relaxed);                                     // (stat)
        mark();
        return true;
    }

    /// True: the thread has to end, and its place may have another one already. False: it is wanted again.
    [[nodiscard]] bool leave(worker& me) noexcept {
        std::thread before;
        {
            std::lock_guard const lock(mutex_);
            --leaving_;
            if (closed_ || staying_ < wanted()) {
                ++staying_;
                ready_.fetch_add(1, std::memory_order_relaxed);                             // (stat)
                return false;
            }
            me.present = false;
            before = std::exchange(last_left_, std::move(me.thread));
            provisioned_.store(staying_ + leaving_, std::memory_order_relaxed);             // (stat)
        }
        if (before.joinable()) before.join();
        return true;
    }

    /// A thread takes tasks from now on, or no longer because the pool has stopped.
    void began() noexcept { ready_.fetch_add(1, std::memory_order_relaxed); }               // (stat)
    void ended() noexcept { ready_.fetch_sub(1, std::memory_order_relaxed); }               // (stat)

    /// From now on nobody leaves and nobody begins.
    void close() noexcept {
        std::lock_guard const lock(mutex_);
        closed_ = true;
    }
    /// After close: returns when every thread has ended.
    void join() noexcept {
        for (auto const& w : made())
            if (w->thread.joinable()) w->thread.join();
        if (last_left_.joinable()) last_left_.join();
        provisioned_.store(0, std::memory_order_relaxed);                                   // (stat)
    }

private:
    template <class Make, class Start>
    void begin(Make& make, Start& start) {
        std::size_t const made = made_.load(std::memory_order_relaxed);                     // (A)
        std::size_t       i = 0;
        while (i < made && workers_[i]->present) ++i;
        SLUICE_ASSERT(i < places_);
        if (i == made) {
            workers_[i] = make(i);
            made_.store(i + 1, std::memory_order_release);                                  // (A)
        }
        start(*workers_[i]);
        workers_[i]->present = true;
        ++staying_;
        provisioned_.store(staying_ + leaving_, std::memory_order_relaxed);                 // (stat)
    }

    /// How many are too many.
    std::size_t mark() noexcept {
        std::size_t const surplus = staying_ > wanted() ? staying_ - wanted() : 0;
        if (surplus != 0)
            state_.fetch_or(pool_state::crowded, std::memory_order_release);                // (B)
        else if ((state_.load(std::memory_order_relaxed) & pool_state::crowded) != 0)       // (B)
            state_.fetch_and(~pool_state::crowded, std::memory_order_relaxed);              // (B)
        return surplus;
    }

    std::atomic<std::uint32_t>&                state_;
    std::size_t const                          places_;
    std::unique_ptr<std::unique_ptr<worker>[]> workers_;
    std::atomic<std::size_t>                   made_{0};
    std::atomic<std::size_t>                   wanted_{0}, provisioned_{0}, ready_{0};
    std::mutex                                 mutex_;
    std::size_t                                staying_ = 0;  // threads that have not been allowed to leave
    std::size_t                                leaving_ = 0;  // those that have, and are still here
    bool                                       closed_ = false;
    std::thread                                last_left_;
};

}  // namespace sluice::detail
