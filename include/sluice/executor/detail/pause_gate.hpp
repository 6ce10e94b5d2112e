// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::pause_gate — how the threads of a pool are kept from beginning tasks, and how to know that all of them are.
///
/// A mark in the pool's word says that it is paused; a worker looks at that word before each task anyway. Who sees the mark
/// comes here and is held until it falls. A thread that is no worker and runs a task of the pool is a guest: it enters
/// before it takes one, and leaves after it. Nothing runs when all threads are held and no guest is inside.
///
/// Use it for     thread_pool::pause
/// Thread-safety  every member from any thread; hold: a worker between two tasks
/// Progress       pause, resume, enter, leave: lock-free. hold and wait_until block
/// Complexity     O(1); nothing on the path of a worker that is not paused
/// Errors         none
/// Units          threads

#include <atomic>
#include <cstdint>
#include <sluice/core/futex.hpp>
#include <sluice/executor/detail/pool_state.hpp>
#include <sluice/queue/event_count.hpp>

namespace sluice::detail {

// Ordering
//   (A) mark    paused set by CAS seq_cst, and only while `ending` is not set, so that whoever ends the pool (sets `ending`,
//               then resumes) is not paused again; taken back by fetch_and release. Sleepers are notified after it
//   (B) held    fetch_add release when a worker begins to be held, then settled_ is notified: a waiter that looked before it
//               looks again, and what the worker did before is seen
//   (C) let go  fetch_sub seq_cst, then a seq_cst load of the mark. Against (D): (A), then a seq_cst load of the count. Not
//               both can miss the other: the waiter does not count the worker, or the worker sees the mark and is held again
//   (D) look    seq_cst loads of the counts, by somebody who knows that the mark was set before
//   (E) guest   fetch_add seq_cst, then a seq_cst load of the mark: as (C), the guest stays outside or is counted. Leaving:
//               fetch_sub seq_cst, then the load of the mark: a waiter that has counted the guest has set the mark before,
//               so the guest sees it and notifies
//   (H) hint    acquire load of the mark: what came before the pause is seen by who sees it
//   (stat)      for observers
// That a worker sees the mark before its next task is not decided here: it looks at the word by a relaxed load, and a look
// just before (A) lets the task go that it has in hand. Who wants to know when that has ended waits for (D).
template <class Parker = default_parker, template <class> class Atom = std::atomic>
class basic_pause_gate {
public:
    explicit basic_pause_gate(Atom<std::uint32_t>& marks) noexcept : marks_(marks), held_(0), guests_(0) {}
    basic_pause_gate(basic_pause_gate const&) = delete;
    basic_pause_gate& operator=(basic_pause_gate const&) = delete;

    /// False, and no effect, if the pool is being ended.
    bool pause() noexcept {
        std::uint32_t marks = marks_.load(std::memory_order_relaxed);                       // (A)
        do {
            if ((marks & pool_state::ending) != 0) return false;
        } while (!marks_.compare_exchange_weak(marks, marks | pool_state::paused, std::memory_order_seq_cst,
                                               std::memory_order_relaxed));                 // (A)
        return true;
    }
    /// True if it was paused.
    bool resume() noexcept {
        if ((marks_.fetch_and(~pool_state::paused, std::memory_order_release) & pool_state::paused) == 0) return false;  // (A)
        holding_.notify_all();
        settled_.notify_all();
        return true;
    }
    [[nodiscard]] bool paused() const noexcept {
        return (marks_.load(std::memory_order_acquire) & pool_state::paused) != 0;          // (H)
    }

    /// A worker between two tasks: returns when the pool is not paused, or when enough() is true, which is looked at again
    /// after each nudge(). True: it is not paused.
    template <class Enough>
    bool hold(Enough enough) noexcept {
        for (;;) {
            held_.fetch_add(1, std::memory_order_release);                                  // (B)
            settled_.notify_all();
            bool over = false;
            for (;;) {
                auto const key = holding_.prepare_wait();
                if (!paused() || (over = enough())) {
                    holding_.cancel_wait();
                    break;
                }
                holding_.commit_wait(key);
            }
            held_.fetch_sub(1, std::memory_order_seq_cst);                                  // (C)
            if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) == 0) return true;  // (C)
            if (over) return false;
        }
    }
    void nudge() noexcept { holding_.notify_all(); }

    /// A guest before it takes a task: false if it must not.
    [[nodiscard]] bool enter() noexcept {
        guests_.fetch_add(1, std::memory_order_seq_cst);                                    // (E)
        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) == 0) return true;  // (E)
        leave();
        return false;
    }
    void leave() noexcept {
        guests_.fetch_sub(1, std::memory_order_seq_cst);                                    // (E)
        if ((marks_.load(std::memory_order_seq_cst) & pool_state::paused) != 0) settled_.notify_all();  // (E)
    }

    /// Whether all of so many threads are held and no guest is inside; while it is paused. The caller keeps the number of
    /// threads from changing meanwhile.
    [[nodiscard]] bool settled(std::uint32_t threads) const noexcept {
        return held_.load(std::memory_order_seq_cst) >= threads && guests_.load(std::memory_order_seq_cst) == 0;  // (D)
    }
    /// Blocks until done(), which is looked at again after each change.
    template <class Done>
    void wait_until(Done done) noexcept {
        while (!done()) {
            auto const key = settled_.prepare_wait();
            if (done()) {
                settled_.cancel_wait();
                return;
            }
            settled_.commit_wait(key);
        }
    }
    /// The number of threads has changed.
    void changed() noexcept { settled_.notify_all(); }

    [[nodiscard]] std::uint32_t held_approx() const noexcept { return held_.load(std::memory_order_relaxed); }  // (stat)

private:
    Atom<std::uint32_t>&            marks_;
    Atom<std::uint32_t>             held_;
    Atom<std::uint32_t>             guests_;
    basic_event_count<Parker, Atom> holding_;
    basic_event_count<Parker, Atom> settled_;
};

using pause_gate = basic_pause_gate<>;

}  // namespace sluice::detail
