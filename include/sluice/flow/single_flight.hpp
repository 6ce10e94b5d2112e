// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// single_flight — many callers want the same thing at the same time: one of them does it for all.
///
/// Use it for     cache misses, look-ups and renewals that would otherwise come as a stampede
/// Not for        work with an effect of its own per call; effects that must happen once over a longer time (dedup_table)
/// Thread-safety  any thread; of a ticket: one thread at a time
/// Progress       one mutex, held for a look-up and never while a function or a callback runs. run waits for the one who
///                leads, until its own deadline or stop; join never waits
/// Complexity     O(1) expected, O(log n) with a ttl; one allocation per flight, one per waiting caller, one per result
/// Errors         an exception of the function goes to all who waited, as the same object; whoever comes later begins
///                anew. If the leader's own stop or deadline has come when its function throws, the exception is the
///                leader's alone, and the one who has waited longest leads: nobody fails because another gave up.
///                A function that runs its own key again on the same thread: std::logic_error. std::bad_alloc and a
///                throwing hash, equality or copy of a key have no effect. std::invalid_argument for a negative ttl
/// Units          times in integer nanoseconds
/// Source         golang.org/x/sync/singleflight. Differs: per-caller deadlines and stops, election, results that may stay
/// Example        examples/360_single_flight.cpp
///
///     sluice::single_flight<std::string, page> flights;
///     auto const shared = flights.run("/front", [] { return render(); });      // *shared is the page
///
/// The result goes to those who arrived before it was there, and for `ttl` after that to those who come later. At most
/// one caller per key is at it at any moment, unless the key is forgotten meanwhile. Cycles over several keys (the
/// function of A waits for B, that of B for A) are not noticed: give a deadline.
///
/// Without blocking: join() gives a ticket (once_ticket.hpp). The table outlives its tickets; destroying it while a run is
/// under way or waits is not allowed.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/once_table.hpp>
#include <sluice/flow/once_result.hpp>
#include <sluice/flow/once_ticket.hpp>

#include <cstddef>
#include <functional>
#include <utility>

namespace sluice {

struct single_flight_options {
    duration    ttl{0};           ///< how long a result stays for later callers; >= 0
    std::size_t max_kept = 1024;  ///< most results that stay at once; the oldest goes first
};

template <class Key, class Value, clock_source Clock = steady_clock, class Hash = std::hash<Key>,
          class Equal = std::equal_to<Key>>
class single_flight {
    using table = detail::once_table<Key, Value, Clock, Hash, Equal>;

public:
    using result = once_result<Value>;
    using ticket = once_ticket<Key, Value, Clock, Hash, Equal>;

    explicit single_flight(single_flight_options options = {}, Clock clock = {}, Hash hash = {}, Equal equal = {})
        : table_(checked(options), std::move(clock), std::move(hash), std::move(equal)) {}

    /// The result of f, which takes nothing or this caller's stop_token: run by this caller or by who came before.
    template <class F>
    result run(Key const& key, F&& f, once_limits const& limits = {}) {
        return detail::once_run(table_, key, f, limits);
    }

    /// The same without waiting.
    [[nodiscard]] ticket join(Key const& key) { return ticket(table_, key); }
    [[nodiscard]] ticket join(Key const& key, time_point now) { return ticket(table_, key, now); }

    /// Whoever comes later begins anew; a flight that is under way goes on. Whether there was something to forget.
    bool forget(Key const& key) { return table_.forget(key); }

    /// Removes the results whose ttl is over; they go by themselves only when their key is asked for, or by max_kept.
    std::size_t sweep() { return table_.sweep(table_.clock().now()); }
    std::size_t sweep(time_point now) { return table_.sweep(now); }

    [[nodiscard]] std::size_t in_flight() const { return table_.in_flight(); }
    [[nodiscard]] std::size_t kept() const { return table_.kept(); }

private:
    static detail::once_table_options checked(single_flight_options const& o) {
        detail::require_option(o.ttl.count() >= 0, "single_flight: ttl in ns (>= 0)", o.ttl.count());
        return {.keep = o.ttl, .max_kept = o.max_kept};
    }

    table table_;
};

}  // namespace sluice
