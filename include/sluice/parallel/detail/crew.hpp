// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::crew — the calling thread and some invited workers that share a loop.
///
/// The caller works too, and closes the crew when the iterations are used up; whoever comes later goes away again. So a
/// loop never waits for a worker that has not begun, and loops inside loops cannot deadlock, with one worker either.
///
/// Thread-safety  one caller; invitations run anywhere
/// Progress       the caller waits only for pieces that others are running
/// Complexity     one allocation, one queued task for each invited worker
/// Errors         the first exception ends the loop: what has not begun is dropped; others that throw are counted
/// Units          iterations; `stride` of them are run between two looks at the stop token and at others' exceptions

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/detail/isolation.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/partitioner.hpp>
#include <stop_token>

namespace sluice::detail {

// Ordering
//   (A) enter   inside_ fetch_add acquire; whoever finds `closed` in it leaves at once
//   (B) leave   inside_ fetch_sub acq_rel, after the last piece   -> the caller: load acquire
//   (C) close   inside_ fetch_or acq_rel by the caller: an (A) before it is waited for, one after it sees it
//   (D) await   inside_ fetch_or acq_rel by the caller before it sleeps: a (B) after it wakes the caller
//   (E) refs    fetch_sub acq_rel: the last one frees
//   (F) error   failed_ exchange acq_rel: the first writes error_, which (B) publishes
//   (G) end     failed_ load, next_ store relaxed: hints to stop
template <class Partitioner, class Body>
class crew {
public:
    /// Runs body(begin, end) for pieces of [0, n) on this thread and workers of the pool.
    static void run(thread_pool& pool, std::uint64_t n, Partitioner const& p, Body& body, std::stop_token const& stop,
                    std::uint64_t stride) {
        std::uint64_t const pieces = (n - 1) / p.smallest() + 1;
        std::size_t const   all = pool.size();  // once: it may change
        std::size_t const   hands = pieces < all ? static_cast<std::size_t>(pieces) : all;
        if (hands < 2) {
            std::atomic<std::uint64_t> next{0};
            auto const stopped = [&] { return stop.stop_requested(); };
            for (piece x = p.next_piece(next, n, 1); !x.empty(); x = p.next_piece(next, n, 1))
                if (!run_piece(x, stride, body, stopped)) return;
            return;
        }
        auto* const c = new crew(n, p, body, stop, stride, hands);
        c->invite(pool.internals());
        c->work(pool.internals());
        c->close(pool.internals());
        c->withdraw(pool.internals());
        std::exception_ptr const error = std::move(c->error_);
        c->release(1);
        if (error) std::rethrow_exception(error);
    }

private:
    static constexpr std::uint32_t closed = 1, awaited = 2, one = 4;

    struct invitation final : task {
        invitation() noexcept : task(&take_part) {}
        crew* to = nullptr;
    };

    crew(std::uint64_t n, Partitioner const& p, Body& body, std::stop_token const& stop, std::uint64_t stride,
         std::size_t hands)
        : n_(n), hands_(hands), stride_(stride), partitioner_(p), body_(body), stop_(stop), refs_(static_cast<std::uint32_t>(hands)),
          invitations_(std::make_unique<invitation[]>(hands - 1)) {}

    void invite(scheduler& pool) noexcept {
        for (std::size_t i = 0; i + 1 < hands_; ++i) {
            invitations_[i].to = this;
            bool accepted = false;
            try {
                accepted = pool.submit(&invitations_[i]);
            } catch (...) {
            }
            if (!accepted) {  // no memory, or a closed pool: those who are here do it all
                refs_.fetch_sub(static_cast<std::uint32_t>(hands_ - 1 - i), std::memory_order_acq_rel);  // (E)
                return;
            }
        }
    }

    static void take_part(task* t, scheduler& pool, task_action a) noexcept {
        crew* const c = static_cast<invitation*>(t)->to;
        if (a == task_action::run) {
            if ((c->inside_.fetch_add(one, std::memory_order_acquire) & closed) == 0) c->work(pool);  // (A)
            std::uint32_t const before = c->inside_.fetch_sub(one, std::memory_order_acq_rel);  // (B)
            if (before == (one | closed | awaited)) pool.notify_waiters();
        }
        c->release(1);
    }

    /// Takes those invitations off the caller's own deque again that nobody has accepted: a long task with many loops
    /// must not collect them.
    void withdraw(scheduler& pool) noexcept {
        worker* const me = pool.here();
        if (me == nullptr) return;
        auto const ours = [this](task* t) {
            t = task_inside(t);
            return t->act == &take_part && static_cast<invitation*>(t)->to == this;
        };
        while (task* const t = pool.pop_if_wanted(*me, ours)) {
            pool.forget(*me, t);
            release(1);
        }
    }

    /// False: it has been told to stop.
    template <class Stopped>
    static bool run_piece(piece x, std::uint64_t stride, Body& body, Stopped const& stopped) {
        while (x.begin < x.end) {
            if (stopped()) return false;
            std::uint64_t const end = x.end - x.begin < stride ? x.end : x.begin + stride;
            body(x.begin, end);
            x.begin = end;
        }
        return true;
    }

    void work(scheduler& pool) noexcept {
        try {
            auto const stopped = [this] { return stop_.stop_requested() || failed_.load(std::memory_order_relaxed); };  // (G)
            for (piece x = partitioner_.next_piece(next_, n_, hands_); !x.empty();
                 x = partitioner_.next_piece(next_, n_, hands_))
                if (!run_piece(x, stride_, body_, stopped)) break;
        } catch (...) {
            next_.store(n_, std::memory_order_relaxed);                                     // (G)
            if (failed_.exchange(true, std::memory_order_acq_rel))                          // (F)
                pool.errors().drop();
            else
                error_ = std::current_exception();
        }
    }

    void close(scheduler& pool) noexcept {
        if (inside_.fetch_or(closed, std::memory_order_acq_rel) < one) return;              // (C)
        pool.wait_until(
            [this] {
                std::uint32_t now = inside_.load(std::memory_order_acquire);                // (B)
                if (now >= one && (now & awaited) == 0)
                    now = inside_.fetch_or(awaited, std::memory_order_acq_rel);             // (D)
                return now < one;
            },
            [] { return false; });
    }

    void release(std::uint32_t n) noexcept {
        if (refs_.fetch_sub(n, std::memory_order_acq_rel) == n) delete this;                // (E)
    }

    std::uint64_t const           n_;
    std::size_t const             hands_;
    std::uint64_t const           stride_;
    Partitioner const             partitioner_;
    Body&                         body_;  // used only between enter and leave
    std::stop_token const         stop_;
    alignas(cache_line_size) std::atomic<std::uint64_t> next_{0};
    alignas(cache_line_size) std::atomic<std::uint32_t> inside_{0};
    std::atomic<std::uint32_t>    refs_;
    std::atomic<bool>             failed_{false};
    std::exception_ptr            error_;
    std::unique_ptr<invitation[]> invitations_;
};

/// Runs pieces on the calling thread until they have taken long enough to tell whether others would help; returns where
/// it stopped. 20 µs of expected rest is what waking a worker costs.
template <class Body>
std::uint64_t probe(std::uint64_t n, Body& body, std::stop_token const& stop) {
    using clock = std::chrono::steady_clock;
    constexpr std::chrono::nanoseconds enough{1'000}, gain{20'000};
    constexpr std::uint64_t            largest = 256;
    auto const    start = clock::now();
    std::uint64_t done = 0;
    for (std::uint64_t size = 1; done < n; size = size < largest ? size * 2 : largest) {
        if (stop.stop_requested()) return n;
        std::uint64_t const end = n - done < size ? n : done + size;
        body(done, end);
        done = end;
        auto const spent = clock::now() - start;
        if (spent < enough) continue;
        if (static_cast<double>(spent.count()) / static_cast<double>(done) * static_cast<double>(n - done) >
            static_cast<double>(gain.count()))
            return done;
    }
    return n;
}

}  // namespace sluice::detail
