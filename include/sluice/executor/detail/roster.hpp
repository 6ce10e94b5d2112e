// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::roster — the places for a pool's workers: which have a thread, how many threads are wanted, who may leave.
///
/// A place is made when it is first needed and stays until the pool's end: its counts go on, what points to it stays valid, and
/// the next thread that works there finds its queues as the last one left them, empty. A thread that leaves joins the
/// one that left before it, so at most one is waiting to be joined, whatever happens.
///
/// Needed are the threads that are wanted, and one more for each worker that has lent its own (blocking_region), as far as
/// there are places. A thread that such a worker has no more need of is spare: it leaves when it has nothing to do, or is the
/// next one to be lent. A thread of the user's own can be attached to a place: it is neither wanted nor needed.
///
/// Thread-safety  every member from any thread; leave: the worker's own
/// Progress       request, lend, give_back, attach, detach, unless_closed, may_leave, leave take a lock, which is held for as long
///                as it takes to start the threads that are missing, or to hand over what an attached thread has; nobody holds it
///                while a task runs or a thread is joined. What only reads is wait-free
/// Complexity     request, lend, attach: O(places) and O(1) for each thread that is started; nothing is kept of a request but
///                its number
/// Errors         request: what start() throws, and then the number that was wanted before is wanted again;
///                std::length_error if attached threads have the places. lend starts no thread then
/// Units          workers

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/pool_state.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>

namespace sluice::detail {

// Ordering
//   (A) made   made_ store release, the place before it                                       -> load acquire
//   (B) crowd  the word's marks `crowded` and `spare`, changed under the lock: fetch_or release; the sleepers are stirred after it.
//              A worker announces that it will sleep, then looks: one that announces after the stirring sees the mark (they
//              meet on the gate's word). A mark that is seen too long costs a look under the lock
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
            if (n + attached_ > places_)
                throw std::length_error("sluice: attached threads have the places that a thread_pool was to grow into");
            try {
                std::size_t const needed = std::min(n + lent_, places_ - attached_);
                while (staying_ + leaving_ < needed) begin(make, start);
                wanted_.store(n, std::memory_order_relaxed);                                // (stat)
                spare_ = 0;
            } catch (...) {
                error = std::current_exception();
            }
            surplus = mark();
        }
        if (surplus != 0) stir(surplus);
        if (error) std::rethrow_exception(std::move(error));
    }

    /// A worker is going to block: another thread is needed, if there is a place for it. make and start as in request; what
    /// they throw is forgotten, and then there is none.
    template <class Make, class Start>
    void lend(Make make, Start start) noexcept {
        std::lock_guard const lock(mutex_);
        ++lent_;
        try {
            while (!closed_ && staying_ + leaving_ < needed()) begin(make, start);
        } catch (...) {
        }
        mark();
    }
    /// It works again. stir(k) as in request.
    template <class Stir>
    void give_back(Stir stir) noexcept {
        std::size_t surplus;
        {
            std::lock_guard const lock(mutex_);
            --lent_;
            spare_ = staying_ > needed() ? std::min(spare_ + 1, staying_ - needed()) : 0;
            surplus = mark();
        }
        if (surplus != 0) stir(std::size_t{1});
    }

    /// A place for a thread of the user's own: its worker, for which begin(worker&) has been called; or null if there is none.
    template <class Make, class Begin>
    worker* attach(Make make, Begin begin) {
        std::lock_guard const lock(mutex_);
        if (closed_ || staying_ + leaving_ + attached_ >= places_) return nullptr;  // never fewer threads than are wanted
        worker& w = free_place(make);
        begin(w);
        w.present = w.attached = true;
        ++attached_;
        return &w;
    }
    void detach(worker& me) noexcept {
        std::lock_guard const lock(mutex_);
        me.present = me.attached = false;
        --attached_;
    }

    /// A worker between two tasks: true if there is one too many, and ready() agrees. It then empties its queues and calls
    /// leave. `idle`: it has nothing to do.
    template <class Ready>
    [[nodiscard]] bool may_leave(bool idle, Ready ready) noexcept {
        std::lock_guard const lock(mutex_);
        if (closed_ || staying_ <= needed() + (idle ? 0 : spare_) || !ready()) return false;
        --staying_;
        ++leaving_;
        ready_.fetch_sub(1, std::memory_order_relaxed);                                     // (stat)
        mark();
        return true;
    }

    [[nodiscard]] bool may_leave() noexcept {
        return may_leave(false, [] { return true; });
    }

    /// True: the thread has to end, and its place may have another one already. False: it is wanted again; stay() has then
    /// been called, unless the pool ends.
    template <class Stay>
    [[nodiscard]] bool leave(worker& me, Stay stay) noexcept {
        std::thread before;
        {
            std::lock_guard const lock(mutex_);
            --leaving_;
            if (closed_ || staying_ < needed()) {
                ++staying_;
                ready_.fetch_add(1, std::memory_order_relaxed);                             // (stat)
                if (!closed_) stay();
                return false;
            }
            me.present = false;
            before = std::exchange(last_left_, std::move(me.thread));
            provisioned_.store(staying_ + leaving_, std::memory_order_relaxed);             // (stat)
        }
        if (before.joinable()) before.join();
        return true;
    }

    [[nodiscard]] bool leave(worker& me) noexcept {
        return leave(me, [] {});
    }

    /// A thread takes tasks from now on, or no longer because the pool has stopped.
    void began() noexcept { ready_.fetch_add(1, std::memory_order_relaxed); }               // (stat)
    void ended() noexcept { ready_.fetch_sub(1, std::memory_order_relaxed); }               // (stat)

    /// f(k), while the number k of threads does not change.
    template <class F>
    auto with_threads(F f) noexcept {
        std::lock_guard const lock(mutex_);
        return f(staying_ + leaving_);
    }
    /// f(worker&) for each worker that has a thread of the pool's, while none comes or goes.
    template <class F>
    void for_each(F f) {
        std::lock_guard const lock(mutex_);
        for (auto const& w : made())
            if (w->present && !w->attached) f(*w);
    }

    /// f(), which close() will wait for; or false: it has been called.
    template <class F>
    [[nodiscard]] bool unless_closed(F f) noexcept {
        std::lock_guard const lock(mutex_);
        if (!closed_) f();
        return !closed_;
    }
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
    [[nodiscard]] std::size_t needed() const noexcept { return std::min(wanted() + lent_, places_ - attached_); }

    template <class Make>
    worker& free_place(Make& make) {
        std::size_t const made = made_.load(std::memory_order_relaxed);                     // (A)
        std::size_t       i = 0;
        while (i < made && workers_[i]->present) ++i;
        SLUICE_ASSERT(i < places_);
        if (i == made) {
            workers_[i] = make(i);
            made_.store(i + 1, std::memory_order_release);                                  // (A)
        }
        return *workers_[i];
    }

    template <class Make, class Start>
    void begin(Make& make, Start& start) {
        worker& w = free_place(make);
        start(w);
        w.present = true;
        ++staying_;
        provisioned_.store(staying_ + leaving_, std::memory_order_relaxed);                 // (stat)
    }

    /// How many are too many.
    std::size_t mark() noexcept {
        std::size_t const surplus = staying_ > needed() ? staying_ - needed() : 0;
        spare_ = std::min(spare_, surplus);
        mark(pool_state::crowded, surplus > spare_);
        mark(pool_state::spare, spare_ != 0);
        return surplus;
    }
    void mark(std::uint32_t m, bool on) noexcept {
        if (((state_.load(std::memory_order_relaxed) & m) != 0) == on) return;              // (B)
        if (on)
            state_.fetch_or(m, std::memory_order_release);                                  // (B)
        else
            state_.fetch_and(~m, std::memory_order_relaxed);                                // (B)
    }

    std::atomic<std::uint32_t>&                state_;
    std::size_t const                          places_;
    std::unique_ptr<std::unique_ptr<worker>[]> workers_;
    std::atomic<std::size_t>                   made_{0};
    std::atomic<std::size_t>                   wanted_{0}, provisioned_{0}, ready_{0};
    std::mutex                                 mutex_;
    std::size_t                                staying_ = 0;   // threads that have not been allowed to leave
    std::size_t                                leaving_ = 0;   // those that have, and are still here
    std::size_t                                lent_ = 0;      // workers that block and have said so
    std::size_t                                spare_ = 0;     // threads more than needed that may stay while they are busy
    std::size_t                                attached_ = 0;
    bool                                       closed_ = false;
    std::thread                                last_left_;
};

}  // namespace sluice::detail
