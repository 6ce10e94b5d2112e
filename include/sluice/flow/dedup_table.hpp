// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dedup_table — the effect of a request with an id happens once, however often the request comes.
///
/// Use it for     retried payments, redelivered messages: the first one does it, a second one waits for the first one's
///                result, a later one gets the stored result
/// Not for        ids that are consecutive numbers (dedup_window needs one bit each)
/// Thread-safety  any thread; of a ticket: one thread at a time
/// Progress       one mutex, never held while a function or a callback runs. run and ticket::wait block
/// Complexity     O(log n); memory for at most `capacity` ids
/// Errors         when all places are taken by ids whose time is not over, a new id is refused (`full`) rather than an old
///                one forgotten, unless when_full says so. A first one that fails lets the next one try: the one who has
///                waited longest, or who comes next; its exception is its own, unless fail() is told to share it.
///                After attempt_ttl another may take over, or the place may go to another id; then the late result of the
///                one before is refused. Until then it counts: the effect has happened. std::bad_alloc and a throwing hash,
///                equality or copy of an id have no effect. Options <= 0: std::invalid_argument
/// Units          times in integer nanoseconds; a `now` from the past counts as the latest one seen
///
///     auto t = seen.begin(request.id);
///     switch (t.status()) {
///         case once_status::first:   t.complete(charge(request)); break;   // destroyed without: the next one tries
///         case once_status::waiting: t.wait(); break;                      // or poll(), or on_change()
///         case once_status::done:    reply(t.value()); break;
///         case once_status::full:    reply(429, t.retry_after()); break; …
///
/// "Once" holds for ttl after completion, and as long as no first one outlives attempt_ttl while another wants the id: an
/// effect begun by one that was taken over can happen twice. Where that must not be, give it a fencing token (lease_table).
/// More about tickets: once_ticket.hpp. The table outlives its tickets.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/once_table.hpp>
#include <sluice/flow/once_result.hpp>
#include <sluice/flow/once_ticket.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace sluice {

enum class dedup_when_full : std::uint8_t {
    refuse,             ///< no new id until one's time is over
    forget_oldest_done  ///< the oldest result goes before its time; attempts under way never do
};

struct dedup_table_options {
    duration        ttl = std::chrono::minutes(10);         ///< how long a result stays; > 0
    duration        attempt_ttl = std::chrono::minutes(1);  ///< after this long another may take over; > 0
    std::size_t     capacity = 65'536;                      ///< most ids at once; > 0
    dedup_when_full when_full = dedup_when_full::refuse;
};

template <class Id, class Result, clock_source Clock = steady_clock, class Hash = std::hash<Id>,
          class Equal = std::equal_to<Id>>
class dedup_table {
    using table = detail::once_table<Id, Result, Clock, Hash, Equal>;

public:
    using result = once_result<Result>;
    using ticket = once_ticket<Id, Result, Clock, Hash, Equal>;

    explicit dedup_table(dedup_table_options options = {}, Clock clock = {}, Hash hash = {}, Equal equal = {})
        : table_(checked(options), std::move(clock), std::move(hash), std::move(equal)) {}

    /// A part in this id: first, waiting, done or full. Never blocks.
    [[nodiscard]] ticket begin(Id const& id) { return ticket(table_, id); }
    [[nodiscard]] ticket begin(Id const& id, time_point now) { return ticket(table_, id, now); }

    /// Calls f if this is the first, otherwise waits for the first one's result. An exception of f goes to this caller,
    /// and the next one tries.
    template <class F>
    result run(Id const& id, F&& f, once_limits const& limits = {}) {
        return detail::once_run(table_, id, f, limits);
    }

    /// The id may happen again. Whether it was known.
    bool forget(Id const& id) { return table_.forget(id); }

    /// Removes what has outlived its time. How many ids.
    std::size_t sweep() { return table_.sweep(table_.clock().now()); }
    std::size_t sweep(time_point now) { return table_.sweep(now); }

    [[nodiscard]] std::size_t size() const { return table_.size(); }
    [[nodiscard]] std::size_t in_flight() const { return table_.in_flight(); }

private:
    static detail::once_table_options checked(dedup_table_options const& o) {
        detail::require_option(o.ttl.count() > 0, "dedup_table: ttl in ns (> 0)", o.ttl.count());
        detail::require_option(o.attempt_ttl.count() > 0, "dedup_table: attempt_ttl in ns (> 0)", o.attempt_ttl.count());
        detail::require_option(o.capacity > 0, "dedup_table: capacity (> 0)", o.capacity);
        return {.attempt_ttl = o.attempt_ttl,
                .keep = o.ttl,
                .capacity = o.capacity,
                .forget_when_full = o.when_full == dedup_when_full::forget_oldest_done,
                .share_failure = false};
    }

    table table_;
};

}  // namespace sluice
