// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::pool_counts — what the workers and the threads beside them have counted, added up.
///
/// Thread-safety  every member from any thread
/// Progress       wait-free
/// Complexity     a sum: O(places made)
/// Errors         none
/// Units          tasks: what lies in a queue and is run or dropped once. Forks are not counted here
///
/// `accepted` and `finished` are for idle(): it needs to know when they are equal, so a task that goes through several hands
/// is accepted and finished in each of them. `returned` (given back by somebody who had counted it) and `voided` (counted
/// before it turned out that there was none) say how often. The observers' counts are what is left:
///   completed = finished − returned − voided
///   submitted = submitted from outside + accepted by workers − fetched from the injector − voided
/// An observer reads them one after the other, what is added before what is taken off: a sum may be behind, never ahead.
/// Each answer is at least as large as all before it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <sluice/core/cacheline.hpp>
#include <sluice/executor/detail/roster.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/metrics.hpp>

namespace sluice::detail {

// Ordering
//   (D) count  finished, accepted: store release, of threads from outside fetch_add acq_rel   -> load acquire
//   (H) high   fetch_max by compare_exchange, acq_rel: later answers are not smaller
//   (stat)     relaxed
class pool_counts {
public:
    explicit pool_counts(roster const& all) noexcept : all_(all) {}

    // Threads from outside.
    void accept_outside() noexcept { outside_accepted_.fetch_add(1, std::memory_order_acq_rel); }  // (D)
    void finish_outside() noexcept { outside_finished_.fetch_add(1, std::memory_order_acq_rel); }  // (D)
    void void_outside() noexcept {
        outside_voided_.fetch_add(1, std::memory_order_relaxed);                            // (stat)
        finish_outside();
    }
    void return_outside() noexcept {
        outside_returned_.fetch_add(1, std::memory_order_relaxed);                          // (stat)
        finish_outside();
    }
    void submit_outside() noexcept { outside_submitted_.fetch_add(1, std::memory_order_relaxed); }  // (stat)
    void discard(std::uint64_t n) noexcept { discarded_.fetch_add(n, std::memory_order_relaxed); }  // (stat)
    /// A ticket for a bulk has been dropped, and n items with it: one task of those that submitted() counts.
    void discard_ticket(std::uint64_t n) noexcept {
        discard(n);
        discarded_beside_.fetch_add(n - 1, std::memory_order_relaxed);                      // (stat)
    }
    /// Dropped tasks, each of which is one of those that completed() counts.
    [[nodiscard]] std::uint64_t discarded_tasks() const noexcept {
        return discarded() - discarded_beside_.load(std::memory_order_relaxed);             // (stat)
    }
    [[nodiscard]] std::uint64_t discarded() const noexcept { return discarded_.load(std::memory_order_relaxed); }  // (stat)

    // A worker's own.
    static void take_back(worker& me) noexcept {  // was counted as accepted, and is not there
        worker::add(me.voided, 1);
        worker::count(me.finished, 1);
    }
    static void give_back(worker& me) noexcept {
        worker::add(me.returned, 1);
        worker::count(me.finished, 1);
    }

    // For idle().
    [[nodiscard]] std::uint64_t finished() const noexcept {
        std::uint64_t n = outside_finished_.load(std::memory_order_acquire);                // (D)
        for (auto const& w : all_.made()) n += w->finished.load(std::memory_order_acquire); // (D)
        return n;
    }
    [[nodiscard]] std::uint64_t accepted() const noexcept {
        std::uint64_t n = outside_accepted_.load(std::memory_order_acquire);                // (D)
        for (auto const& w : all_.made()) n += w->accepted.load(std::memory_order_acquire); // (D)
        return n;
    }

    // For observers. `counting`: submissions from outside are counted when they are made, else when a worker takes them.
    [[nodiscard]] std::uint64_t completed() noexcept { return at_least(completed_, completed_now()); }
    [[nodiscard]] std::uint64_t submitted(bool counting) noexcept {
        std::uint64_t const done = completed();
        std::uint64_t const n = submitted_now(counting);
        return at_least(submitted_, n > done ? n : done);
    }
    /// Submitted and not completed.
    [[nodiscard]] std::uint64_t in_flight(bool counting) const noexcept {
        std::uint64_t const done = completed_now();
        std::uint64_t const n = submitted_now(counting);
        return n > done ? n - done : 0;
    }
    [[nodiscard]] std::uint64_t busy_nanoseconds() noexcept {
        std::int64_t n = 0;
        for (auto const& w : all_.made()) n += w->busy_until_now();
        return at_least(busy_, n > 0 ? static_cast<std::uint64_t>(n) : 0);
    }

    /// One worker's part of pool_metrics, at the time t.
    [[nodiscard]] static worker_metrics of(worker const& w, std::int64_t t) {
        worker_metrics x;
        x.tasks = w.ran.load(std::memory_order_relaxed);                                    // (stat)
        x.steals = w.steals.load(std::memory_order_relaxed);                                // (stat)
        x.steals_lost = w.lost.load(std::memory_order_relaxed);                             // (stat)
        x.steals_empty = w.empty.load(std::memory_order_relaxed);                           // (stat)
        x.depth = w.tasks.size_approx() + w.forks.size_approx();
        std::uint64_t const samples = w.depth_samples.load(std::memory_order_relaxed);      // (stat)
        if (samples != 0)
            x.mean_depth = static_cast<double>(w.depth_sum.load(std::memory_order_relaxed)) /  // (stat)
                           static_cast<double>(samples);
        if (w.timed) {
            std::int64_t times[4];
            for (int i = 0; i < 4; ++i) times[i] = w.spent[i].load(std::memory_order_relaxed);  // (stat)
            std::int64_t const open = t - w.since.load(std::memory_order_relaxed);          // (stat)
            if (open > 0) times[w.mode_seen.load(std::memory_order_relaxed)] += open;       // (stat)
            x.busy = std::chrono::nanoseconds(times[worker::busy]);
            x.searching = std::chrono::nanoseconds(times[worker::searching]);
            x.parked = std::chrono::nanoseconds(times[worker::parked]);
            x.absent = std::chrono::nanoseconds(times[worker::absent]);
        }
        return x;
    }

private:
    [[nodiscard]] std::uint64_t completed_now() const noexcept {
        std::uint64_t n = finished();
        n -= outside_returned_.load(std::memory_order_relaxed);                             // (stat)
        n -= outside_voided_.load(std::memory_order_relaxed);                               // (stat)
        for (auto const& w : all_.made()) {
            n -= w->returned.load(std::memory_order_relaxed);                               // (stat)
            n -= w->voided.load(std::memory_order_relaxed);                                 // (stat)
        }
        return static_cast<std::int64_t>(n) > 0 ? n : 0;
    }
    [[nodiscard]] std::uint64_t submitted_now(bool counting) const noexcept {
        std::uint64_t n = 0;
        if (counting) {
            for (auto const& w : all_.made()) n += w->accepted.load(std::memory_order_acquire);  // (D)
            n += outside_submitted_.load(std::memory_order_relaxed);                        // (stat)
            for (auto const& w : all_.made()) n -= w->fetched.load(std::memory_order_relaxed);  // (stat)
        } else {
            n = accepted() - outside_returned_.load(std::memory_order_relaxed) -            // (stat)
                outside_voided_.load(std::memory_order_relaxed);                            // (stat)
            for (auto const& w : all_.made()) n -= w->returned.load(std::memory_order_relaxed);  // (stat)
        }
        for (auto const& w : all_.made()) n -= w->voided.load(std::memory_order_relaxed);   // (stat)
        return static_cast<std::int64_t>(n) > 0 ? n : 0;
    }
    static std::uint64_t at_least(std::atomic<std::uint64_t>& high, std::uint64_t n) noexcept {
        std::uint64_t seen = high.load(std::memory_order_acquire);                          // (H)
        while (seen < n)
            if (high.compare_exchange_weak(seen, n, std::memory_order_acq_rel, std::memory_order_acquire)) return n;  // (H)
        return seen;
    }

    roster const&              all_;
    alignas(cache_line_size) std::atomic<std::uint64_t> outside_finished_{0};
    std::atomic<std::uint64_t> outside_accepted_{0};
    std::atomic<std::uint64_t> outside_returned_{0}, outside_voided_{0}, outside_submitted_{0}, discarded_{0},
        discarded_beside_{0};
    std::atomic<std::uint64_t> completed_{0}, submitted_{0}, busy_{0};  // the largest answers so far
};

}  // namespace sluice::detail
