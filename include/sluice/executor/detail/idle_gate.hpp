// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::idle_gate — where workers sleep, who is looking for work, and whether a submitter has to wake somebody.
///
/// Use it for     the pool. idle_gate.md beside this file is the proof sketch; tests/model/idle_gate.pml is its model
/// Thread-safety  every member from any thread; a worker pairs its calls as the page says
/// Progress       notify: wait-free unless somebody must be called, then lock-free and one system call
/// Complexity     O(1), 8 bytes on Linux
/// Errors         none
/// Units          at most 1023 workers
/// Source         the rules of the Go and Tokio schedulers (a searcher makes wake-ups unnecessary; the last one that finds
///                something calls the next) over the single word of folly's EventCount

#include <atomic>
#include <cstdint>
#include <sluice/core/futex.hpp>

namespace sluice::detail {

// Ordering
//   (A) notify   fetch_add or CAS acq_rel on word_, after the work was made visible
//   (B) announce fetch_add seq_cst on word_, before the worker looks at every queue once more, by seq_cst loads
//   (F) busy     load seq_cst, after a seq_cst operation that made work visible: if it does not see (B), then (B) is later
//                in the single order of seq_cst operations, and so is the second look, which sees the work
//   (C) leave    CAS acq_rel: takes the worker off the count of sleepers, and takes a call if one is open
//   (E) search   fetch_add / fetch_sub acq_rel: a searcher that ends its search looks for more work after it, so a
//                submitter that relied on it is before it in the order of word_ and its work is seen
//   (M) meet     fetch_add of 0, acq_rel: for protocols of the caller that pair with (B)
//   (H) hint     relaxed
// All but (F) and (H) are read-modify-writes of one word, so any two are ordered, and each acquires from all before it (a chain of
// read-modify-writes continues every release sequence).

template <class Parker = default_parker, template <class> class Atom = std::atomic>
class basic_idle_gate {
public:
    static constexpr std::uint32_t most_workers = 1023;

    explicit basic_idle_gate(std::uint32_t most_searchers = 1) noexcept
        : word_(0), most_searchers_(most_searchers == 0 ? 1 : most_searchers) {}
    basic_idle_gate(basic_idle_gate const&) = delete;
    basic_idle_gate& operator=(basic_idle_gate const&) = delete;

    /// Work was made visible: wakes one sleeper, unless somebody is searching already or nobody sleeps.
    void notify() noexcept {
        std::uint64_t const before = word_.fetch_add(one_epoch, std::memory_order_acq_rel);  // (A)
        if (sleepers(before) > calls(before)) call_one(before + one_epoch);
    }

    /// The same after work was made visible by a seq_cst operation: costs a load while nobody sleeps, so that workers who
    /// are all busy do not pass this word around.
    void notify_ordered() noexcept {
        std::uint64_t const word = word_.load(std::memory_order_seq_cst);                   // (F)
        if (sleepers(word) > calls(word)) notify();
    }

    /// Calls one more sleeper, whoever is searching: for callers that have seen work wait for too long.
    void notify_more() noexcept {
        std::uint64_t word = word_.load(std::memory_order_relaxed);                         // (H)
        while (sleepers(word) > calls(word)) {
            if (word_.compare_exchange_weak(word, word + one_epoch + one_call, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {                   // (A)
                parker_.wake(word_, 1);
                return;
            }
        }
    }

    /// Orders the caller with every announce(): one that is later sees what the caller did before, and the caller sees
    /// what was done before one that is earlier.
    void meet() noexcept { word_.fetch_add(0, std::memory_order_acq_rel); }                 // (M)

    /// Wakes everybody: the end.
    void notify_all() noexcept {
        word_.fetch_add(one_epoch, std::memory_order_acq_rel);                              // (A)
        parker_.wake(word_, 0xffff'ffffU);
    }

    /// Makes at least n sleepers look round, or all if there are fewer, without calling one: for a change that is no work.
    void stir(std::uint32_t n) noexcept {
        word_.fetch_add(one_epoch, std::memory_order_acq_rel);                              // (A)
        parker_.wake(word_, n);
    }

    /// From now on at most so many search; those who do go on.
    void limit_searchers(std::uint32_t most) noexcept {
        most_searchers_.store(most == 0 ? 1 : most, std::memory_order_relaxed);             // (H)
    }

    /// Worker: may it search? At most most_searchers do.
    [[nodiscard]] bool try_begin_search() noexcept {
        std::uint64_t word = word_.load(std::memory_order_relaxed);                         // (H)
        while (searchers(word) < most_searchers_.load(std::memory_order_relaxed))           // (H)
            if (word_.compare_exchange_weak(word, word + one_searcher, std::memory_order_acq_rel,
                                            std::memory_order_relaxed))                     // (E)
                return true;
        return false;
    }

    /// Searcher: found something. True: it was the last one and others sleep, so it must look whether there is more work
    /// and then notify.
    [[nodiscard]] bool end_search() noexcept {
        std::uint64_t const before = word_.fetch_sub(one_searcher, std::memory_order_acq_rel);  // (E)
        return searchers(before) == 1 && sleepers(before) > calls(before);
    }

    /// Worker: announces that it is going to sleep (and, if it was one, that it no longer searches). It must look at every
    /// queue once more, then call sleep(key) or leave().
    [[nodiscard]] std::uint32_t announce(bool searching) noexcept {
        return epoch(word_.fetch_add(searching ? one_sleeper - one_searcher : one_sleeper, std::memory_order_seq_cst));  // (B)
    }

    /// Sleeps until something happens after announce() or the deadline (if any) has passed, then leaves. False: it was
    /// the deadline, and nobody called. `called`: as leave().
    template <class TimePoint>
    [[nodiscard]] bool sleep(std::uint32_t key, TimePoint const* deadline, bool& called) noexcept {
        bool in_time = true;
        // An open call ends the sleep too: its wake-up may have hit a thread that announced itself after the call.
        for (std::uint64_t word = word_.load(std::memory_order_relaxed);                    // (H)
             in_time && epoch(word) == key && calls(word) == 0;
             word = word_.load(std::memory_order_relaxed)) {                                // (H)
            parker_.wait(word_, key, deadline);
            in_time = deadline == nullptr || TimePoint::clock::now() < *deadline;
        }
        called = leave();
        return in_time || called;
    }

    /// No longer a sleeper. True: it was called, and is a searcher now.
    [[nodiscard]] bool leave() noexcept {
        std::uint64_t word = word_.load(std::memory_order_relaxed);                         // (H)
        for (;;) {
            bool const          called = calls(word) != 0;
            std::uint64_t const after = called ? word - one_sleeper - one_call + one_searcher : word - one_sleeper;
            if (word_.compare_exchange_weak(word, after, std::memory_order_acq_rel, std::memory_order_relaxed))  // (C)
                return called;
        }
    }

    [[nodiscard]] std::uint32_t sleepers_approx() const noexcept {
        return sleepers(word_.load(std::memory_order_relaxed));                             // (H)
    }
    /// How many search or have been called to.
    [[nodiscard]] std::uint32_t under_way_approx() const noexcept {
        std::uint64_t const word = word_.load(std::memory_order_relaxed);                   // (H)
        return searchers(word) + calls(word);
    }
    /// How many sleep or search.
    [[nodiscard]] std::uint32_t idle_approx() const noexcept {
        std::uint64_t const word = word_.load(std::memory_order_relaxed);                   // (H)
        return sleepers(word) + searchers(word);
    }
    [[nodiscard]] std::uint32_t searchers_approx() const noexcept {
        return searchers(word_.load(std::memory_order_relaxed));                            // (H)
    }

private:
    // epoch:32 | sleepers:11 | calls:11 | searchers:10
    static constexpr std::uint64_t one_searcher = 1;
    static constexpr std::uint64_t one_call = std::uint64_t{1} << 10;
    static constexpr std::uint64_t one_sleeper = std::uint64_t{1} << 21;
    static constexpr std::uint64_t one_epoch = std::uint64_t{1} << 32;
    /// Each so many submissions a sleeper is called although somebody searches: the searcher may have been stopped.
    static constexpr std::uint32_t insist = 16;

    static constexpr std::uint32_t searchers(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w) & 0x3ffU; }
    static constexpr std::uint32_t calls(std::uint64_t w) noexcept { return (static_cast<std::uint32_t>(w) >> 10) & 0x7ffU; }
    static constexpr std::uint32_t sleepers(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w) >> 21; }
    static constexpr std::uint32_t epoch(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w >> 32); }

    void call_one(std::uint64_t word) noexcept {
        for (;;) {
            std::uint32_t const under_way = searchers(word) + calls(word);
            bool const          needed = under_way == 0 || epoch(word) % insist == 0;
            if (!needed || sleepers(word) <= calls(word)) return;
            if (word_.compare_exchange_weak(word, word + one_epoch + one_call, std::memory_order_acq_rel,
                                            std::memory_order_relaxed))                     // (A)
                break;
        }
        parker_.wake(word_, 1);
    }

    Atom<std::uint64_t>          word_;
    Atom<std::uint32_t>          most_searchers_;  // no step of the protocol: any number will do
    [[no_unique_address]] Parker parker_;
};

using idle_gate = basic_idle_gate<>;

}  // namespace sluice::detail
