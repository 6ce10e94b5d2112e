// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// once_ticket — one caller's part in one key of a single_flight or dedup_table.
///
/// Use it for     taking part without blocking: an event loop, a coroutine
/// Not for        a thread that may block (run, of the same tables)
/// Thread-safety  one thread at a time, a different ticket on each thread at once; it may move to another thread
/// Progress       wait blocks; nothing else does
/// Complexity     O(1) expected, O(log n) where attempts have a time limit or results stay
/// Errors         complete may throw what the result's constructor throws, or std::bad_alloc; the ticket then is first still.
///                A null exception given to fail counts as a std::logic_error. Callbacks are noexcept
/// Units          times in integer nanoseconds. A `now` from the past counts as the latest one seen
///
/// status() `first`: do it, then complete() or fail(); `waiting`: poll(), or be told by on_change(); `done`: value(). Who
/// waited may turn out `first` later, when the one before gave up or ran out of time. A ticket that is destroyed leaves: the
/// first one abandons, one who waits no longer does. The table outlives its tickets.
///
/// Calls without a `now` take the table's clock. If the ticket was got with a `now`, they take the latest time the
/// table has seen instead, so that a time line of the caller's own is never mixed with the clock's.

#include <sluice/core/clock.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/once_table.hpp>
#include <sluice/flow/once_result.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

namespace sluice {

template <class Key, class Value, clock_source Clock, class Hash, class Equal>
class [[nodiscard]] once_ticket {
    using table = detail::once_table<Key, Value, Clock, Hash, Equal>;

public:
    using stored = typename table::stored;

    /// For the tables: join a key.
    once_ticket(table& home, Key const& key, std::thread::id runner = {})
        : home_(&home), part_(home.enter(key, home.clock().now(), runner)) {}
    once_ticket(table& home, Key const& key, time_point now) : home_(&home), part_(home.enter(key, now)), timed_(false) {}

    once_ticket(once_ticket&& other) noexcept : home_(other.home_), part_(other.give()), timed_(other.timed_) {}
    once_ticket& operator=(once_ticket&& other) noexcept {
        if (this != &other) {
            abandon();
            home_ = other.home_;
            part_ = other.give();
            timed_ = other.timed_;
        }
        return *this;
    }
    ~once_ticket() { abandon(); }

    /// As of the last poll, wait or end.
    [[nodiscard]] once_status status() const noexcept { return part_.status; }
    [[nodiscard]] bool        leads() const noexcept { return status() == once_status::first; }
    [[nodiscard]] bool        ready() const noexcept {
        return status() == once_status::done || status() == once_status::failed;
    }

    /// full: the least time after which there may be room.
    [[nodiscard]] duration retry_after() const noexcept { return part_.retry_after; }

    /// Looks whether the result has come, or the turn to be first.
    once_status poll() { return poll(now()); }
    once_status poll(time_point now) {
        home_->poll(part_, now);
        return status();
    }

    /// Waits until the status is another than `waiting`, or for as long as the limits say. Deadlines count on the table's
    /// clock; on another than steady_clock they are looked at every millisecond.
    once_status wait(once_limits const& limits = {}) {
        home_->wait(part_, limits, timed_);
        return status();
    }

    /// Calls f once, as soon as poll() would tell something new: at once, if it would now; otherwise on the thread that
    /// ends the attempt, without a lock. An attempt that merely runs out of time is noticed by wait, poll, sweep and those
    /// who come later. The latest f counts. It must not destroy this ticket.
    void on_change(unique_function<void() noexcept> f) { home_->on_change(part_, std::move(f)); }

    /// done: the result. failed: throws what the first one threw. Otherwise std::logic_error.
    stored const& value() const { return *checked().value; }
    [[nodiscard]] std::shared_ptr<stored const> share() const { return checked().value; }

    /// The first one's end: the result for all, made of the arguments. False, and it was not taken, if the attempt ran out
    /// of time and another has taken over, or the key has been swept or given up for room.
    template <class... V>
        requires(sizeof...(V) == (std::is_void_v<Value> ? 0 : 1)) && std::constructible_from<stored, V...>
    bool complete(V&&... value) {
        return leads() && home_->finish(part_, std::make_shared<stored const>(std::forward<V>(value)...), now());
    }
    template <class V>
        requires(!std::is_void_v<Value>) && std::constructible_from<stored, V>
    bool complete(V&& value, time_point now) {
        return leads() && home_->finish(part_, std::make_shared<stored const>(std::forward<V>(value)), now);
    }
    bool complete(time_point now)
        requires(std::is_void_v<Value>)
    {
        return leads() && home_->finish(part_, std::make_shared<stored const>(), now);
    }

    /// The same with a result that exists. Requires one.
    bool finish(std::shared_ptr<stored const> value) { return leads() && home_->finish(part_, std::move(value), now()); }

    /// The first one's end: those who wait get this exception, who comes later begins anew. False as for complete.
    bool fail(std::exception_ptr error) { return fail(std::move(error), now()); }
    bool fail(std::exception_ptr error, time_point now) { return leads() && home_->fail(part_, std::move(error), now); }

    /// The first one's end without a result: the one who has waited longest is first now. Another just leaves.
    void abandon() noexcept {
        if (leads() || status() == once_status::waiting) abandon(now());
        part_.status = once_status::ended;
    }
    void abandon(time_point now) noexcept { home_->leave(part_, now); }

    /// Says that this thread does the work: a run() of the same key inside it throws instead of waiting for itself.
    void runs_here() { home_->runs_here(part_); }

private:
    [[nodiscard]] time_point now() const noexcept { return timed_ ? home_->clock().now() : time_point::min(); }

    auto give() noexcept {
        auto part = std::move(part_);
        part_.status = once_status::ended;
        return part;
    }
    auto const& checked() const {
        if (status() == once_status::failed) std::rethrow_exception(part_.entry->error);
        if (status() != once_status::done) throw std::logic_error("sluice::once_ticket: there is no result");
        return *part_.entry;
    }

    table*               home_;
    typename table::part part_;
    bool                 timed_ = true;  ///< on the table's clock
};

namespace detail {

/// Calls f if this caller is first, otherwise waits for the result of who is.
template <class Key, class Value, clock_source Clock, class Hash, class Equal, class F>
once_result<Value> once_run(once_table<Key, Value, Clock, Hash, Equal>& home, Key const& key, F& f,
                            once_limits const& limits) {
    using result = once_result<Value>;
    using stored = typename result::stored;
    using ticket = once_ticket<Key, Value, Clock, Hash, Equal>;
    auto const too_late = [&] { return limits.deadline != time_point::max() && home.clock().now() >= limits.deadline; };

    if (limits.stop.stop_requested()) return result(run_status::cancelled);
    ticket mine(home, key, std::this_thread::get_id());
    while (mine.wait(limits) == once_status::ended)  // its turn came and passed before it looked
        mine = ticket(home, key, std::this_thread::get_id());
    if (mine.status() == once_status::full) return result(run_status::full);
    if (mine.ready()) return result(run_status::shared, mine.share());
    if (limits.stop.stop_requested()) return result(run_status::cancelled);
    if (mine.status() == once_status::waiting || too_late()) return result(run_status::timed_out);

    std::shared_ptr<stored const> value;
    try {
        auto const call = [&]() -> decltype(auto) {
            if constexpr (std::invocable<F&, std::stop_token>)
                return f(limits.stop);
            else
                return f();
        };
        mine.runs_here();
        if constexpr (std::is_void_v<Value>) {
            call();
            value = std::make_shared<stored const>();
        } else {
            value = std::make_shared<stored const>(call());
        }
    } catch (...) {
        if (home.options().share_failure && !limits.stop.stop_requested() && !too_late())
            mine.fail(std::current_exception());
        else
            mine.abandon();
        throw;
    }
    bool const taken = mine.finish(value);
    return result(taken ? run_status::led : run_status::late, std::move(value));
}

}  // namespace detail
}  // namespace sluice
