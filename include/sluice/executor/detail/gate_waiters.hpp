// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::gate_waiters — workers that wait inside a task and sleep at the idle gate, because they may run whatever comes.
///
/// Use it for     detail::scheduler; what such a worker looks for, and runs, is the caller's
/// Thread-safety  every member from any thread
/// Progress       notify_all: wait-free but for the system calls that wake
/// Complexity     O(1); 4 bytes of its own
/// Errors         none
///
/// Two may wake such a sleeper. Who submits work calls it as any worker that sleeps at the gate. Who ends what it waits for, or
/// sends it a letter, does not know who waits where: it notifies the event count of those that may run only some work, which
/// it must do anyway, and stirs the gate if anybody is counted here.

#include <atomic>
#include <cstdint>
#include <sluice/core/futex.hpp>
#include <sluice/executor/detail/idle_gate.hpp>
#include <sluice/queue/event_count.hpp>

namespace sluice::detail {

// Ordering
//   (K) count    relaxed, ordered by the word of joins_: a sleeper counts itself, then calls prepare_wait; a notifier notifies
//                joins_, then looks at the count. Both are read-modify-writes of one word. If the sleeper is first, the notifier
//                has acquired the count and stirs: before the announcement, which is then ordered after the stir, and the look
//                sees what was notified; or after it, and the sleep ends. If the notifier is first, the sleeper has acquired
//                from it, and the look sees what was notified
//   (stat)       relaxed

template <class Parker = default_parker, template <class> class Atom = std::atomic>
class basic_gate_waiters {
public:
    using events = basic_event_count<Parker, Atom>;
    using gate = basic_idle_gate<Parker, Atom>;

    basic_gate_waiters(events& joins, gate& idle) noexcept : asleep_(0), joins_(joins), gate_(idle) {}

    /// What somebody waits for is complete, or there is a letter: those who wait in joins and those who wait here look again.
    void notify_all() noexcept {
        joins_.notify_all();
        if (asleep_.load(std::memory_order_relaxed) != 0) [[unlikely]] gate_.stir(0xffff'ffffU);  // (K)
    }

    /// One sleep. look(), the second one: true if the wait is over or it has found work, which the caller runs afterwards.
    /// Otherwise end(): a pointer to when it is to look again at the latest, or null. more(): whether there is work for anybody.
    template <class Look, class End, class More>
    void sleep(Look look, End end, More more) noexcept {
        asleep_.fetch_add(1, std::memory_order_relaxed);                                    // (K)
        (void)joins_.prepare_wait();                                                        // (K)
        bool       called = false;
        auto const key = gate_.announce(false);
        if (look())
            called = gate_.leave();
        else
            (void)gate_.sleep(key, end(), called);
        joins_.cancel_wait();
        asleep_.fetch_sub(1, std::memory_order_relaxed);                                    // (K)
        if (called) {  // somebody relies on it to look; it may have had enough
            (void)gate_.end_search();
            if (more()) gate_.notify();
        }
    }

    [[nodiscard]] std::uint32_t count_approx() const noexcept { return asleep_.load(std::memory_order_relaxed); }  // (stat)

private:
    Atom<std::uint32_t> asleep_;
    events&             joins_;
    gate&               gate_;
};

using gate_waiters = basic_gate_waiters<>;

}  // namespace sluice::detail
