// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// window_summary, limit_window, limit_algorithm — what an adaptive limit learns from, and what it must be able to do.
///
/// Use it for     feeding a limit algorithm by hand, as a simulator does; concurrency_limiter does it otherwise
/// Not for        reports: it keeps at most 256 round-trip times, evenly spread over the window
/// Thread-safety  one thread at a time
/// Complexity     add: O(1). summarise: O(1), with a quantile O(256). 2 kB, no allocation
/// Errors         none. An empty window has zeros and says so by samples == 0; no minimum is ever left at its start value
/// Units          integer nanoseconds; a round trip takes at least 1 ns

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace sluice {

/// What happened in one window; for a limit that is told of each request, one sample or one drop.
struct window_summary {
    time_point    begin{};                ///< since when
    time_point    end{};                  ///< when the newest ended
    std::uint64_t samples = 0;            ///< requests that succeeded
    std::uint64_t drops = 0;              ///< requests that failed for lack of capacity
    duration      rtt_min{0};             ///< of the samples; zero if there are none
    duration      rtt_mean{0};            ///< likewise
    duration      rtt_max{0};             ///< likewise
    duration      rtt_quantile{0};        ///< likewise; the quantile the algorithm asks for, otherwise the mean
    duration      drop_mean{0};           ///< how long the drops took; zero if there are none
    std::uint32_t inflight_max = 0;       ///< most in flight when one began or ended, drops included

    /// One request alone, as the algorithms that are not windowed were published.
    [[nodiscard]] static constexpr window_summary of(duration rtt, std::uint32_t inflight, bool dropped = false,
                                                     time_point end = {}) noexcept {
        auto const     took = std::max(rtt, duration{1});
        window_summary s{.begin = saturating_add(end, -took), .end = end, .inflight_max = inflight};
        if (dropped) {
            s.drops = 1;
            s.drop_mean = took;
        } else {
            s.samples = 1;
            s.rtt_min = s.rtt_mean = s.rtt_max = s.rtt_quantile = took;
        }
        return s;
    }
    /// Successes per second; 0 where no time has passed.
    [[nodiscard]] constexpr double throughput() const noexcept {
        auto const took = static_cast<double>(saturating_sub(end, begin).count());
        return took > 0 ? static_cast<double>(samples) * 1e9 / took : 0.0;
    }
};

/// Turns windows into a limit, with no time and no threads of its own, so that the same object runs live and simulated.
/// Optional: static bool per_sample (a window of one), static window_samples, quantile() in (0, 1], and epoch(): when it
/// changes, requests that began before do not count as samples any more, as drops they do. Must not throw.
template <class A>
concept limit_algorithm = std::movable<A> && requires(A& a, A const& c, window_summary const& s) {
    { a.update(s) } -> std::convertible_to<double>;
    { c.limit() } -> std::convertible_to<double>;
};

class limit_window {
public:
    static constexpr std::size_t capacity = 256;

    /// Forgets everything; the next window counts from `now`, or from the beginning of its first request.
    void reset(time_point now) noexcept {
        open(now);
        known_begin_ = true;
    }
    void reset() noexcept {
        open(time_point{});
        known_begin_ = false;
    }

    void add(duration rtt, std::uint32_t inflight, bool dropped, time_point now) noexcept {
        rtt = std::max(rtt, duration{1});
        if (!known_begin_) {
            begin_ = saturating_add(now, -rtt);
            known_begin_ = true;
        }
        if (count() == 0) end_ = std::max(begin_, now);
        end_ = std::max(end_, now);
        inflight_max_ = std::max(inflight_max_, inflight);
        if (dropped) {
            ++drops_;
            drop_sum_ += static_cast<double>(rtt.count());
            return;
        }
        if ((samples_ & (stride_ - 1)) == 0) {
            if (kept_ == capacity) {  // keep every second one, and from now on half as many
                for (std::size_t i = 0; i < capacity / 2; ++i) rtts_[i] = rtts_[2 * i];
                kept_ = capacity / 2;
                stride_ *= 2;
            }
            if ((samples_ & (stride_ - 1)) == 0) rtts_[kept_++] = rtt;
        }
        rtt_min_ = samples_ == 0 ? rtt : std::min(rtt_min_, rtt);
        rtt_max_ = std::max(rtt_max_, rtt);
        rtt_sum_ += static_cast<double>(rtt.count());
        ++samples_;
    }

    /// The clock was set back: keeps what it has, and how long that took, as if the newest had ended now.
    void step_back(time_point now) noexcept {
        begin_ = saturating_add(now, -elapsed());
        end_ = now;
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return samples_ + drops_; }
    /// When the newest ended; since when, if there is none.
    [[nodiscard]] time_point end() const noexcept { return count() == 0 ? begin_ : end_; }
    [[nodiscard]] std::uint32_t inflight_max() const noexcept { return inflight_max_; }
    [[nodiscard]] duration elapsed() const noexcept { return count() == 0 ? duration{0} : saturating_sub(end_, begin_); }
    [[nodiscard]] duration rtt_mean() const noexcept { return mean(rtt_sum_, samples_); }

    /// `quantile` in (0, 1], the nearest rank of what was kept; 0 for none: then it is the mean.
    [[nodiscard]] window_summary summarise(double quantile = 0) noexcept {
        window_summary s{.begin = begin_,
                         .end = count() == 0 ? begin_ : end_,
                         .samples = samples_,
                         .drops = drops_,
                         .rtt_min = samples_ == 0 ? duration{0} : rtt_min_,
                         .rtt_mean = rtt_mean(),
                         .rtt_max = rtt_max_,
                         .rtt_quantile = rtt_mean(),
                         .drop_mean = mean(drop_sum_, drops_),
                         .inflight_max = inflight_max_};
        if (quantile > 0 && kept_ > 0) {
            auto const rank = static_cast<std::size_t>(quantile * static_cast<double>(kept_) + (1 - 1e-9));
            auto const at = std::clamp<std::size_t>(rank, 1, kept_) - 1;
            auto const nth = rtts_.begin() + static_cast<std::ptrdiff_t>(at);
            std::nth_element(rtts_.begin(), nth, rtts_.begin() + static_cast<std::ptrdiff_t>(kept_));
            s.rtt_quantile = *nth;
        }
        return s;
    }

private:
    static duration mean(double sum, std::uint64_t n) noexcept {
        if (n == 0) return duration{0};
        double const m = sum / static_cast<double>(n) + 0.5;
        return m < 0x1p63 ? std::max(duration{1}, duration(static_cast<std::int64_t>(m))) : duration::max();
    }
    void open(time_point begin) noexcept {
        samples_ = drops_ = 0;
        rtt_sum_ = drop_sum_ = 0;
        rtt_min_ = rtt_max_ = duration{0};
        inflight_max_ = 0;
        kept_ = 0;
        stride_ = 1;
        begin_ = end_ = begin;
    }

    time_point    begin_{}, end_{};
    bool          known_begin_ = false;
    std::uint32_t inflight_max_ = 0;
    std::uint64_t samples_ = 0, drops_ = 0;
    double        rtt_sum_ = 0, drop_sum_ = 0;
    duration      rtt_min_{0}, rtt_max_{0};
    std::size_t   kept_ = 0;
    std::uint64_t stride_ = 1;  // a power of two
    std::array<duration, capacity> rtts_{};
};

}  // namespace sluice
