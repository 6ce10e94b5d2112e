// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// overload_signal, shed_by_level — who says how full something is, and an admission policy that listens to it.
///
/// Use it for     telling producers to slow down at high water and to go on at low water: load_gauge, the gauge() of a
///                bounded_queue or a queued_executor, or a signal of your own
/// Not for        deciding by a latency or a rate (the limiters)
/// Thread-safety  a signal: any thread. shed_by_level: any thread; the signal must outlive it
/// Progress       shed_by_level: that of the signal's level(), one load for a load_gauge
/// Complexity     O(1), no allocation
/// Errors         none
/// Units          priorities: 0 is the most urgent
///
///   s.level()                the present one
///   s.on_edge(f)             f(load_edge const&) at each change, for the signal's life
///   s.when_below(level, f)   f() once, as soon as it is below: an upstream that has stopped goes on

#include <sluice/core/unique_function.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <concepts>
#include <cstdint>
#include <utility>

namespace sluice {

template <class S>
concept overload_signal = requires(S& s, S const& seen, unique_function<void(load_edge const&)> edge, unique_function<void()> f) {
    { seen.level() } -> std::same_as<load_level>;
    s.on_edge(std::move(edge));
    s.when_below(load_level::red, std::move(f));
};

/// The most urgent work is never refused here; the less urgent, the lower the level from which on it is.
struct shed_by_level_options {
    std::uint32_t yellow = 3;  ///< from yellow on, priorities of this and more are refused
    std::uint32_t red = 2;     ///< from red on
    std::uint32_t black = 1;   ///< in black
};

template <overload_signal Signal>
class shed_by_level {
public:
    explicit shed_by_level(Signal const& signal, shed_by_level_options options = {}) noexcept
        : signal_(&signal), options_(options) {}

    /// An admission_policy whose admissions hold nothing.
    class admission {
    public:
        explicit admission(verdict const& v) noexcept : verdict_(v) {}
        [[nodiscard]] explicit operator bool() const noexcept { return verdict_.admitted(); }
        [[nodiscard]] verdict  why() const noexcept { return verdict_; }
        void                   finish(outcome, time_point) noexcept {}

    private:
        verdict verdict_;
    };
    [[nodiscard]] admission admit(task_attributes const& a, time_point) const noexcept {
        auto const level = signal_->level();
        bool const refused = (level >= load_level::yellow && a.priority >= options_.yellow) ||
                             (level >= load_level::red && a.priority >= options_.red) ||
                             (level >= load_level::black && a.priority >= options_.black);
        return admission(refused ? verdict::later(duration{0}, 0) : verdict::admit(0));
    }

private:
    Signal const*         signal_;
    shed_by_level_options options_;
};

}  // namespace sluice
