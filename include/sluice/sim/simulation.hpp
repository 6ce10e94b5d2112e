// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// simulation — a clock that jumps from one event to the next: hours of ten thousand nodes in a second, and every run the same.
///
/// Use it for     running production policies (limiters, balancers, autoscalers, queues) in virtual time: they get clock(), or now()
/// Not for        code that blocks or sleeps: nothing waits here, what happens later is an event
/// Thread-safety  one thread per simulation; different simulations are independent. A sim_clock may be read by any thread
/// Complexity     at, after: O(log n) for n events that wait, less inside an event. No allocation once as many events have waited
///                before. cancel: O(1); what is left of cancelled events is removed when it is more than half. every: one
///                allocation per series
/// Errors         std::invalid_argument: an event or a horizon in the past, a period <= 0, an impossible option; names both times.
///                std::logic_error: run from inside an event. at, after, every: what the callable's copy or the allocation throws,
///                no effect then. An event's exception leaves run; the event counts as run, the simulation can go on
/// Units          integer nanoseconds from time_point{} on. Priority: smaller first. A time beyond the time line is its last
///                nanosecond; a series ends there
/// Source         the heap's degree: LaMarca, Ladner, JEA 1996, doi:10.1145/235141.235145; ties in shuffled order: ns-3
/// Example        examples/710_first_simulation.cpp
///
///     sluice::sim::simulation sim(42);
///     sluice::token_bucket bucket({.refill = sluice::per_second(100)}, sim.clock());   // production code, virtual time
///     sim.every(1ms, [&] { admitted += bucket.try_acquire().admitted() ? 1 : 0; });
///     auto const result = sim.run_until(sluice::time_point(1h));                       // horizon: the series would go on
///
/// Events of one time run by priority, then in the order in which they were asked for; each tick of a series is asked for when the
/// one before it has run. A model that must not depend on that order is run with tie_order::shuffled and several seeds: events of
/// equal time and priority then come in any order, the same for a seed.
///
/// A model that asks for more and more events stops at the horizon of run_until, or at options.end. One whose time stands still (an
/// event with delay 0 that asks for the next one) never gets there: it stops after max_events of one run, and run_end says which.
/// The default is half a minute of such work and more; give what the model may need. A callable that does not return is not stopped.
///
/// The events of a seed are the same on every compiler and machine, as long as the model itself takes no detour through
/// floating-point numbers: arrivals and service times of this folder are integers from beginning to end.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/prefetch.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/sim/detail/event_heap.hpp>
#include <sluice/sim/detail/event_store.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice::sim {

/// The time of a simulation; a clock_source. Copies share it, and it stands still when the simulation is gone.
class sim_clock {
public:
    [[nodiscard]] time_point now() const noexcept { return clock_.now(); }

private:
    friend class simulation;
    explicit sim_clock(manual_clock const& clock) noexcept : clock_(clock) {}

    manual_clock clock_;
};

static_assert(clock_source<sim_clock>);

enum class tie_order : std::uint8_t { in_order, shuffled };

struct simulation_options {
    tie_order     ties = tie_order::in_order;
    std::uint64_t max_events = 1'000'000'000;  ///< most events of one run; > 0
    time_point    end = time_point::max();     ///< no event later than this is run; >= time_point{}
};

/// Why a run came back.
enum class run_end : std::uint8_t {
    drained,      ///< no event is left
    horizon,      ///< the next one is later than the horizon, or than options.end
    event_limit,  ///< max_events have run: a simulation that does not end, or one that needs more
    stopped,      ///< stop() was called
};

struct run_result {
    run_end       end;
    std::uint64_t events;  ///< that this run ran
};

/// An event that may be cancelled. Values; a default one means no event.
class event_handle {
public:
    event_handle() noexcept = default;
    friend bool operator==(event_handle const&, event_handle const&) noexcept = default;

private:
    friend class simulation;
    event_handle(std::uint32_t place, std::uint32_t generation) noexcept : place_(place), generation_(generation) {}

    std::uint32_t place_ = UINT32_MAX;
    std::uint32_t generation_ = 0;
};

class simulation {
public:
    explicit simulation(std::uint64_t seed = 0, simulation_options options = {}) : seed_(seed), options_(options) {
        sluice::detail::require_option(options.max_events > 0, "simulation: max_events (> 0)", options.max_events);
        sluice::detail::require_option(options.end >= time_point{}, "simulation: end (>= 0 ns)",
                                       options.end.time_since_epoch().count());
        tie_salt_ = mix64(seed ^ 0x7469'6573u) & sequence_mask;
    }
    simulation(simulation const&) = delete;
    simulation& operator=(simulation const&) = delete;

    /// What waits is destroyed without being run.
    ~simulation() {
        while (!heap_.empty()) {  // a callable's destructor may cancel events, or ask for some
            auto const left = std::exchange(heap_, detail::event_heap{});
            dead_ = 0;
            left.for_each([this](detail::event_entry const& e) {
                auto& p = store_[e.place];
                if (p.kind == cancelled) return;
                store_.expire(e.place);
                p.kind = cancelled;
                p.operation(p.storage, false);
            });
        }
    }

    [[nodiscard]] time_point now() const noexcept { return time_point(duration(static_cast<std::int64_t>(now_))); }
    [[nodiscard]] sim_clock clock() const noexcept { return sim_clock(clock_); }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

    /// Events that wait; a series counts as one.
    [[nodiscard]] std::size_t pending() const noexcept { return heap_.size() - dead_ - (hole_ ? 1 : 0); }
    /// All events that have run, in every run.
    [[nodiscard]] std::uint64_t events_run() const noexcept { return events_run_; }

    /// Runs f() once, at time t >= now().
    template <class F>
    event_handle at(time_point t, F&& f, std::int8_t priority = 0) {
        using callable = std::decay_t<F>;
        static_assert(std::invocable<callable&>, "simulation: an event is called without arguments");
        static_assert(sizeof(callable) <= detail::event_bytes,
                      "simulation: an event's callable has 48 bytes at most; capture a reference to what is larger");
        static_assert(alignof(callable) <= alignof(std::max_align_t), "simulation: the event's callable is over-aligned");
        require_future("at: time", t);
        return add(t, priority, [&](place& p) {
            ::new (static_cast<void*>(p.storage)) callable(std::forward<F>(f));
            p.operation = &run_once<callable>;
            p.kind = one_shot;
        });
    }

    /// The same, in d >= 0 from now.
    template <class F>
    event_handle after(duration d, F&& f, std::int8_t priority = 0) {
        if (d.count() < 0) refuse_past("after: delay", d.count());
        return at(saturating_add(now(), d), std::forward<F>(f), priority);
    }

    /// Runs f() in `period` > 0 from now and again after each period, until it is cancelled, also by itself.
    template <class F>
    event_handle every(duration period, F&& f, std::int8_t priority = 0) {
        return every_from(saturating_add(now(), period), period, std::forward<F>(f), priority);
    }

    /// The same, the first time at `first` >= now().
    template <class F>
    event_handle every_from(time_point first, duration period, F&& f, std::int8_t priority = 0) {
        static_assert(std::invocable<std::decay_t<F>&>, "simulation: an event is called without arguments");
        sluice::detail::require_option(period.count() > 0, "simulation::every: period (> 0 ns)", period.count());
        require_future("every_from: first", first);
        auto s = std::make_unique<series>(std::forward<F>(f), period, priority);
        return add(first, priority, [&](place& p) {
            auto* const raw = s.release();
            std::memcpy(p.storage, &raw, sizeof raw);
            p.operation = &end_series;
            p.kind = ticking;
        });
    }

    /// The event will not run, or the series will not go on; its callable is destroyed at once, or when it returns. False if it
    /// has run, is running (not a series) or was cancelled before.
    bool cancel(event_handle h) {
        if (!store_.is_current(h.place_, h.generation_)) return false;
        store_.expire(h.place_);
        auto& p = store_[h.place_];
        p.kind = cancelled;
        if (h.place_ == running_place_) return true;  // the series inside which we are: it sees this when it returns
        ++dead_;
        p.operation(p.storage, false);
        if (dead_ > 64 && dead_ * 2 > heap_.size()) purge();
        return true;
    }

    /// Lets the run that is under way come back after this event.
    void stop() noexcept { stop_ = true; }

    /// Runs all events up to and with time `horizon`; then it is that time (or options.end, where that is earlier), unless
    /// the run was stopped or ran into its limit.
    run_result run_until(time_point horizon) {
        require_future("run_until: horizon", horizon);
        horizon = std::min(horizon, options_.end);
        auto const result = run_events(horizon);
        if (result.end == run_end::drained || result.end == run_end::horizon) set_now(nanoseconds(horizon));
        return result;
    }
    /// The same, for d >= 0 from now.
    run_result run_for(duration d) {
        if (d.count() < 0) refuse_past("run_for: time", d.count());
        return run_until(saturating_add(now(), d));
    }
    /// Runs until no event is left, or none before options.end; the time stays that of the last event that ran.
    run_result run() { return run_events(options_.end); }

    /// A random source of its own for each entity and purpose: one more node, or one more number drawn somewhere, changes no other.
    [[nodiscard]] xoshiro256ss stream(std::uint64_t entity, std::uint64_t purpose = 0) const noexcept {
        auto const a = mix64(seed_ + 0x9E3779B97F4A7C15u);
        auto const b = mix64((a ^ entity) + 0xD1B54A32D192ED03u);
        return xoshiro256ss(mix64((b ^ purpose) + 0x8CB92BA72F3D8DD7u));
    }
    [[nodiscard]] xoshiro256ss stream(std::uint64_t entity, std::string_view purpose) const noexcept {
        std::uint64_t h = 0xCBF29CE484222325u;  // FNV-1a
        for (char const c : purpose) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
        return stream(entity, mix64(h) | 1);
    }

private:
    using store_type = detail::event_store<std::uint32_t>;
    using place = store_type::place;

    enum : std::uint32_t { one_shot, ticking, cancelled };

    struct series {
        template <class F>
        series(F&& f, duration every, std::int8_t p) : call(std::forward<F>(f)), period(every), priority(p) {}
        unique_function<void()> call;
        duration                period;
        std::int8_t             priority;
    };

    // A key: the priority, 55 bits of sequence or of its shuffled place, and a one.
    static constexpr std::uint64_t sequence_mask = (std::uint64_t{1} << 55) - 1;

    template <class F>
    static void run_once(void* storage, bool run) {
        struct last {
            F& f;
            ~last() { f.~F(); }
        } const guard{*std::launder(static_cast<F*>(storage))};
        if (run) static_cast<void>(guard.f());
    }

    [[nodiscard]] static series* series_in(void const* storage) noexcept {
        series* s;
        std::memcpy(&s, storage, sizeof s);
        return s;
    }
    static void end_series(void* storage, bool) { delete series_in(storage); }

    [[nodiscard]] static std::uint64_t nanoseconds(time_point t) noexcept {
        return static_cast<std::uint64_t>(t.time_since_epoch().count());
    }

    void require_future(char const* what, time_point t) const {
        if (t < now()) refuse_past(what, t.time_since_epoch().count());
    }
    [[noreturn]] void refuse_past(char const* what, std::int64_t value) const {
        throw std::invalid_argument("sluice: simulation::" + std::string(what) + " is " + std::to_string(value) +
                                    " ns: in the past, it is " + std::to_string(now_) + " ns already");
    }

    /// No two are equal: shuffling is a bijection on 55 bits.
    [[nodiscard]] std::uint64_t next_key(std::int8_t priority) noexcept {
        auto s = ++sequence_ & sequence_mask;
        if (options_.ties == tie_order::shuffled) {
            s ^= tie_salt_;
            for (auto const odd : {0xBF58476D1CE4E5B9u, 0x94D049BB133111EBu}) {
                s = (s * odd) & sequence_mask;
                s ^= s >> 28;
            }
            s = (s * 0x9E3779B97F4A7C15u) & sequence_mask;
        }
        return (static_cast<std::uint64_t>(static_cast<std::uint8_t>(priority + 128)) << 56) | (s << 1) | 1;
    }

    template <class Make>
    event_handle add(time_point t, std::int8_t priority, Make make) {
        auto const index = store_.acquire();
        auto&      p = store_[index];
        try {
            heap_.reserve(2, store_.size());  // one for this event, one for the next tick of the series that runs
            make(p);
        } catch (...) {
            store_.release(index);
            throw;
        }
        push({nanoseconds(t), index}, next_key(priority));
        return event_handle(index, p.generation);
    }

    /// The first push of a running event takes its place at the top.
    void push(detail::event_entry const& e, std::uint64_t key) noexcept {
        if (hole_) {
            hole_ = false;
            heap_.replace_top(e, key);
        } else {
            heap_.push(e, key);
        }
    }

    void close_hole() noexcept {
        if (!hole_) return;
        hole_ = false;
        heap_.pop();
    }

    void purge() noexcept {  // (a hole stays on top: the event that runs is the least of all)
        heap_.rebuild([this](detail::event_entry const& e) {
            bool const lives = store_[e.place].kind != cancelled;
            if (!lives) store_.release(e.place);
            return lives;
        });
        dead_ = 0;
    }

    void set_now(std::uint64_t t) noexcept {
        if (t == now_) return;
        now_ = t;
        clock_.set(now());
    }

    run_result run_events(time_point horizon) {
        if (running_) sluice::detail::throw_logic_error("sluice: simulation: run is called from inside an event");
        struct run_guard {
            simulation& sim;
            ~run_guard() { sim.running_ = false; }
        } const guard{*this};
        running_ = true;
        stop_ = false;
        auto const    last = nanoseconds(horizon);
        std::uint64_t events = 0;
        for (;;) {
            if (heap_.empty()) return {run_end::drained, events};
            auto const e = heap_.top();
            auto& p = store_[e.place];
            if (p.kind == cancelled) {
                heap_.pop();
                store_.release(e.place);
                --dead_;
                continue;
            }
            if (e.time > last) return {run_end::horizon, events};
            if (events == options_.max_events) return {run_end::event_limit, events};
            ++events;
            ++events_run_;
            set_now(e.time);
            hole_ = true;
            if (heap_.has_second()) sluice::detail::prefetch_for_write(&store_[heap_.second().place]);
            if (p.kind == one_shot)
                run_one_shot(e.place);
            else
                run_tick(e.place);
            if (stop_) return {run_end::stopped, events};
        }
    }

    void run_one_shot(std::uint32_t index) {
        struct after {
            simulation&   sim;
            std::uint32_t index;
            ~after() {
                sim.store_.release(index);
                sim.close_hole();
            }
        } const guard{*this, index};
        auto& p = store_[index];
        store_.expire(index);
        p.operation(p.storage, true);
    }

    void run_tick(std::uint32_t index) {
        struct after {
            simulation&   sim;
            std::uint32_t index;
            series*       s;
            ~after() {
                sim.running_place_ = UINT32_MAX;
                auto& p = sim.store_[index];
                auto const next = saturating_add(sim.now(), s->period);
                if (p.kind == ticking && next < time_point::max()) {
                    sim.push({nanoseconds(next), index}, sim.next_key(s->priority));
                    return;
                }
                if (p.kind == ticking) sim.store_.expire(index);
                p.kind = cancelled;
                delete s;
                sim.store_.release(index);
                sim.close_hole();
            }
        } const guard{*this, index, series_in(store_[index].storage)};
        running_place_ = index;
        guard.s->call();
    }

    store_type         store_;
    detail::event_heap heap_;
    std::uint64_t      now_ = 0;
    std::uint64_t      sequence_ = 0;
    std::uint64_t      events_run_ = 0;
    std::size_t        dead_ = 0;  // entries of cancelled events
    std::uint32_t      running_place_ = UINT32_MAX;  // of the series that runs
    bool               hole_ = false;  // the top is the event that runs, and nothing has taken its place
    bool               running_ = false;
    bool               stop_ = false;
    std::uint64_t      tie_salt_ = 0;
    std::uint64_t      seed_;
    simulation_options options_;
    manual_clock       clock_;
};

}  // namespace sluice::sim
