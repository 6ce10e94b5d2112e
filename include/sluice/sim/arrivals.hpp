// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// poisson_arrivals, deterministic_arrivals, mmpp_arrivals, diurnal_arrivals, trace_arrivals — when work comes.
///
/// Use it for     the traffic of a simulation (traffic.hpp runs it), or of a load test: next(rng) is the time of the next arrival
/// Not for        closed loops, where a client asks again when it has been answered: that is an event of the model
/// Thread-safety  one thread at a time
/// Complexity     O(1); mmpp: one draw more per change of state; diurnal: peak/mean draws in the mean. No allocation by next
/// Errors         std::invalid_argument names parameter and value. trace_arrivals: the line's number and what stands there, for an
///                empty field, text, a negative time, one before its predecessor, one beyond the time line
/// Units          time_points from `start` on; fractions of a nanosecond are carried over, so that no rate is rounded
/// Source         thinning: Lewis, Shedler, 1979, doi:10.1002/nav.3800260304
/// Differs        from std::…_distribution: the same times for a seed on every compiler and machine (integers throughout)
///
/// Times never decrease; several arrivals may share one. A process that ends (a trace, the time line) answers with nothing.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>
#include <sluice/sim/detail/fixed.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::sim {

template <class A>
concept arrival_process = std::move_constructible<A> && requires(A& a, xoshiro256ss& rng) {
    { a.next(rng) } -> std::same_as<std::optional<time_point>>;
};

namespace detail {

/// The mean time between events of a rate, to 63 bits: mantissa · 2^-shift nanoseconds.
struct mean_interval {
    std::uint64_t mantissa = 0;
    unsigned      shift = 0;

    explicit mean_interval(rate r) noexcept {
        auto const period = static_cast<std::uint64_t>(r.period().count());
        for (shift = 63;; --shift) {
            mantissa = sluice::detail::multiply_divide(period, std::uint64_t{1} << shift, static_cast<std::uint64_t>(r.count()),
                                                       sluice::detail::round_to::floor);
            if (mantissa < (std::uint64_t{1} << 63) || shift == 0) return;
        }
    }
};

/// A time with 32 bits behind the point, from `start` on; stops at the end of the time line.
class precise_time {
public:
    explicit precise_time(time_point start) noexcept : whole_(start.time_since_epoch().count()) {}

    /// Later by an exponential time of that mean.
    void advance(mean_interval const& mean, xoshiro256ss& rng) noexcept {
        auto const gap = scale(negative_log(rng()), mean.mantissa, 58 + mean.shift);
        auto const fraction = std::uint64_t{fraction_} + gap.fraction;
        auto const left = static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(std::max<std::int64_t>(whole_, 0));
        if (gap.whole >= left) {
            whole_ = INT64_MAX;
            fraction_ = 0;
            return;
        }
        whole_ += static_cast<std::int64_t>(gap.whole) + static_cast<std::int64_t>(fraction >> 32);
        fraction_ = static_cast<std::uint32_t>(fraction);
    }
    void set(time_point t) noexcept {
        whole_ = t.time_since_epoch().count();
        fraction_ = 0;
    }

    [[nodiscard]] time_point now() const noexcept { return time_point(duration(whole_)); }
    [[nodiscard]] bool at_end() const noexcept { return whole_ == INT64_MAX; }
    [[nodiscard]] std::optional<time_point> answer() const noexcept {
        if (at_end()) return std::nullopt;
        return now();
    }

private:
    std::int64_t  whole_;
    std::uint32_t fraction_ = 0;
};

inline void require_start(char const* name_and_range, time_point start) {
    sluice::detail::require_option(start >= time_point{}, name_and_range, start.time_since_epoch().count());
}

}  // namespace detail

/// Many independent clients: exponential gaps, no memory.
class poisson_arrivals {
public:
    explicit poisson_arrivals(rate arrival_rate, time_point start = {}) : mean_(arrival_rate), at_(start) {
        detail::require_start("poisson_arrivals: start (>= 0 ns)", start);
    }

    [[nodiscard]] std::optional<time_point> next(xoshiro256ss& rng) noexcept {
        at_.advance(mean_, rng);
        return at_.answer();
    }

private:
    detail::mean_interval mean_;
    detail::precise_time  at_;
};

/// Evenly spaced: the k-th at start + k/rate, exactly (rounded up to a nanosecond), the first for k = 1.
class deterministic_arrivals {
public:
    explicit deterministic_arrivals(rate arrival_rate, time_point start = {}) : rate_(arrival_rate), start_(start) {
        detail::require_start("deterministic_arrivals: start (>= 0 ns)", start);
    }

    [[nodiscard]] std::optional<time_point> next(xoshiro256ss&) noexcept {
        auto const t = saturating_add(start_, rate_.time_for(++count_));
        if (t == time_point::max()) return std::nullopt;
        return t;
    }

private:
    rate          rate_;
    time_point    start_;
    std::uint64_t count_ = 0;
};

struct mmpp_state {
    std::optional<rate> arrival_rate;  ///< none: silence
    duration            mean_time;     ///< exponential; > 0
};

/// Markov-modulated: calm and stormy states one after the other, each Poisson. Two states, one of them silent: on and off.
class mmpp_arrivals {
public:
    explicit mmpp_arrivals(std::vector<mmpp_state> states, time_point start = {})
        : states_(checked(std::move(states))), at_(start), change_(start) {
        detail::require_start("mmpp_arrivals: start (>= 0 ns)", start);
    }

    [[nodiscard]] std::optional<time_point> next(xoshiro256ss& rng) noexcept {
        while (!at_.at_end()) {
            if (state_ == states_.size()) enter(0, rng);  // the first
            if (auto const& r = states_[state_].arrival_rate) {
                auto later = at_;
                later.advance(detail::mean_interval(*r), rng);
                if (later.now() < change_.now() || (change_.at_end() && !later.at_end())) {
                    at_ = later;
                    return at_.answer();
                }
            }
            at_ = change_;  // without memory: what had not come by then is drawn anew
            enter((state_ + 1) % states_.size(), rng);
        }
        return std::nullopt;
    }

    /// Arrivals per second in the long run.
    [[nodiscard]] double mean_per_second() const noexcept {
        double arrivals = 0, time = 0;
        for (auto const& s : states_) {
            auto const t = static_cast<double>(s.mean_time.count());
            arrivals += s.arrival_rate ? s.arrival_rate->to_per_second() * t : 0;
            time += t;
        }
        return arrivals / time;
    }

private:
    [[nodiscard]] static std::vector<mmpp_state> checked(std::vector<mmpp_state> states) {
        bool any = false;
        for (auto const& s : states) {
            sluice::detail::require_option(s.mean_time.count() > 0, "mmpp_arrivals: mean_time (> 0 ns)", s.mean_time.count());
            any = any || s.arrival_rate.has_value();
        }
        sluice::detail::require_option(any, "mmpp_arrivals: states with a rate (>= 1)", 0);
        return states;
    }

    void enter(std::size_t state, xoshiro256ss& rng) noexcept {
        state_ = state;
        change_.advance(detail::mean_interval(per(1, states_[state].mean_time)), rng);
    }

    std::vector<mmpp_state> states_;
    std::size_t             state_ = states_.size();
    detail::precise_time    at_;
    detail::precise_time    change_;  // when this state ends
};

struct diurnal_options {
    rate                       peak;            ///< where the profile says 1000
    std::vector<std::uint32_t> profile;         ///< thousandths of the peak at equal steps of the period, 0 to 1000, not all 0
    duration                   period = std::chrono::hours(24);  ///< > 0; the profile begins again after it
};

/// Poisson with a rate that follows a profile round the day: straight lines from point to point, and from the last to the first.
class diurnal_arrivals {
public:
    explicit diurnal_arrivals(diurnal_options options, time_point start = {})
        : options_(checked(std::move(options))), mean_(options_.peak), at_(start) {
        detail::require_start("diurnal_arrivals: start (>= 0 ns)", start);
    }

    [[nodiscard]] std::optional<time_point> next(xoshiro256ss& rng) noexcept {
        do {
            at_.advance(mean_, rng);
            if (at_.at_end()) return std::nullopt;
        } while (rng() >= share(at_.now()));
        return at_.now();
    }

    /// The rate at t as a share of the peak, in Q64 (the whole as 2^64 - 1).
    [[nodiscard]] std::uint64_t share(time_point t) const noexcept {
        auto const period = static_cast<std::uint64_t>(options_.period.count());
        auto const phase = static_cast<std::uint64_t>(t.time_since_epoch().count()) % period;
        auto const n = options_.profile.size();
        auto const scaled = sluice::detail::multiply_wide(phase, n);  // step · period + rest
        auto const step = static_cast<std::size_t>(
            sluice::detail::multiply_divide(phase, n, period, sluice::detail::round_to::floor));
        auto const rest = scaled.low - static_cast<std::uint64_t>(step) * period;  // below the period; modulo 2^64
        auto const from = std::uint64_t{options_.profile[step]} * thousandth;
        auto const to = std::uint64_t{options_.profile[(step + 1) % n]} * thousandth;
        auto const up = [&](std::uint64_t difference) {
            return sluice::detail::multiply_divide(difference, rest, period, sluice::detail::round_to::floor);
        };
        return to >= from ? from + up(to - from) : from - up(from - to);
    }

private:
    static constexpr std::uint64_t thousandth = UINT64_MAX / 1000;

    [[nodiscard]] static diurnal_options checked(diurnal_options o) {
        sluice::detail::require_option(o.period.count() > 0, "diurnal_arrivals: period (> 0 ns)", o.period.count());
        std::uint64_t most = 0;
        for (auto const p : o.profile) {
            sluice::detail::require_option(p <= 1000, "diurnal_arrivals: profile (0 to 1000)", p);
            most = std::max<std::uint64_t>(most, p);
        }
        sluice::detail::require_option(most > 0, "diurnal_arrivals: highest point of the profile (> 0)", most);
        return o;
    }

    diurnal_options       options_;
    detail::mean_interval mean_;
    detail::precise_time  at_;
};

struct trace_options {
    std::size_t column = 0;                     ///< which field of a line is the time, from 0
    duration    unit = std::chrono::seconds(1); ///< of the numbers; > 0
    bool        heading = false;                ///< whether the first line is one
    char        separator = ',';
};

/// What was recorded: the times of a file, one arrival per line, as decimal numbers (12, 12.5, .25).
class trace_arrivals {
public:
    explicit trace_arrivals(std::vector<time_point> times) : times_(std::move(times)) {
        for (std::size_t i = 0; i < times_.size(); ++i) {
            if (times_[i] < time_point{}) refuse("time " + std::to_string(i), "is negative");
            if (i > 0 && times_[i] < times_[i - 1]) refuse("time " + std::to_string(i), "is before the one before it");
        }
    }

    /// Reads all lines. A line that ends in "\r\n" is one, too; an empty file is a trace without arrivals.
    [[nodiscard]] static trace_arrivals from_csv(std::istream& in, trace_options options = {}) {
        sluice::detail::require_option(options.unit.count() > 0, "trace_arrivals: unit (> 0 ns)", options.unit.count());
        std::vector<time_point> times;
        std::string             line;
        for (std::uint64_t number = 1; std::getline(in, line); ++number) {
            if (!line.empty() && line.back() == '\r') line.pop_back();
            if (number == 1 && options.heading) continue;
            auto const where = "line " + std::to_string(number);
            auto const t = time_in(line, options, where);
            if (!times.empty() && t < times.back()) refuse(where, "is before the line before it");
            times.push_back(t);
        }
        if (in.bad()) throw std::runtime_error("sluice: trace_arrivals: the file could not be read to its end");
        return trace_arrivals(std::move(times));
    }

    [[nodiscard]] std::optional<time_point> next(xoshiro256ss&) noexcept {
        if (next_ == times_.size()) return std::nullopt;
        return times_[next_++];
    }
    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }

private:
    [[noreturn]] static void refuse(std::string const& where, std::string const& what) {
        throw std::invalid_argument("sluice: trace_arrivals: " + where + " " + what);
    }

    [[nodiscard]] static time_point time_in(std::string_view line, trace_options const& options, std::string const& where) {
        auto field = line;
        for (std::size_t i = 0;; ++i) {
            auto const end = field.find(options.separator);
            if (i == options.column) {
                field = field.substr(0, end);
                break;
            }
            if (end == std::string_view::npos) refuse(where, "has no column " + std::to_string(options.column));
            field.remove_prefix(end + 1);
        }
        while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
        while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
        if (field.empty()) refuse(where, "is empty where a time belongs");
        auto const said = "has '" + std::string(field.substr(0, 40)) + "', ";
        if (field.front() == '-') refuse(where, said + "a negative time");
        std::uint64_t whole = 0, part = 0, tenths = 1;
        bool          digits = false, point = false;
        for (char const c : field) {
            if (c == '.' && !point) {
                point = true;
                continue;
            }
            if (c < '0' || c > '9') refuse(where, said + "not a time");
            digits = true;
            auto const digit = static_cast<std::uint64_t>(c - '0');
            if (!point) {
                if (whole > (UINT64_MAX - digit) / 10) refuse(where, said + "beyond the time line");
                whole = whole * 10 + digit;
            } else if (tenths < 1'000'000'000'000'000'000u) {  // more decimals than any unit has nanoseconds
                part = part * 10 + digit;
                tenths *= 10;
            }
        }
        if (!digits) refuse(where, said + "not a time");
        auto const unit = static_cast<std::uint64_t>(options.unit.count());
        auto const ns = sluice::detail::multiply_divide(whole, unit, 1, sluice::detail::round_to::floor);
        auto const more = sluice::detail::multiply_divide(part, unit, tenths, sluice::detail::round_to::floor);
        if (ns > static_cast<std::uint64_t>(INT64_MAX) - more) refuse(where, said + "beyond the time line");
        return time_point(duration(static_cast<std::int64_t>(ns + more)));
    }

    std::vector<time_point> times_;
    std::size_t             next_ = 0;
};

static_assert(arrival_process<poisson_arrivals> && arrival_process<trace_arrivals>);

}  // namespace sluice::sim
