// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mmck — several servers and a bounded queue: random arrivals, exponential service times, what finds it full is lost.
///
/// Use it for     the price of a bound: how much is lost, how long the rest waits. With capacity = servers, Erlang's loss
/// Thread-safety  values; any thread
/// Complexity     construction O(sqrt(load) + room in the queue), less where the queue is rarely or nearly always full;
///                wait tails O(room), quantiles some sixty of them; the rest O(1). No allocation; construction and the means
///                are constexpr
/// Errors         std::invalid_argument names parameter and value: servers 0, capacity < servers, service_time <= 0, a
///                time NaN, p outside 0 … < 1. There is no saturation: what is too much is lost
/// Units          capacity counts those in service, too. Waits and responses are those of the accepted
/// Source         Kleinrock, Queueing Systems I, 1975

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice {

struct mmck_options {
    rate arrival_rate;
    duration service_time;
    std::uint32_t servers;
    std::uint32_t capacity;  ///< most in the system at once, in service and waiting; >= servers
};

class mmck {
public:
    explicit constexpr mmck(mmck_options o)
        : service_(detail::checked_service_seconds("mmck: service_time (> 0 ns)", o.service_time)),
          arrivals_(o.arrival_rate.to_per_second()),
          servers_(o.servers),
          room_(o.capacity < o.servers ? 0 : o.capacity - o.servers),
          load_(sluice::offered_load(o.arrival_rate, o.service_time)) {
        detail::require_number(o.servers > 0, "mmck: servers (> 0)", o.servers);
        detail::require_number(o.capacity >= o.servers, "mmck: capacity (>= servers)", o.capacity);
        // Weights of the states c … K, in units of the heavier end, so that nothing overflows. p_j/p_(j-1) = ρ beyond c.
        double const ratio = load_ / servers_;
        double const upto = detail::inverse_erlang_b(servers_, load_);  // weight of states 0 … c against state c
        if (!detail::is_finite(upto)) {  // state c is out of reach
            busy_ = load_;
        } else if (ratio < 1) {
            auto const sums = from_heavy_end(ratio, 1, 1);
            double const all = upto + ratio * sums.weights;
            at_servers_ = 1 / all;
            full_ = power(ratio, o.capacity - o.servers) / all;
            queued_ = ratio * sums.queued / all;
            all_busy_ = (1 + ratio * sums.weights) / all;
            busy_ = load_ * (1 - full_);
        } else {
            auto const sums = from_heavy_end(1 / ratio, room_, -1);
            double const base = power(1 / ratio, o.capacity - o.servers);  // of state c
            double const all = upto * base + sums.weights;
            at_servers_ = base / all;
            full_ = (room_ > 0 ? 1 : base) / all;
            queued_ = sums.queued / all;
            all_busy_ = (base + sums.weights) / all;
            busy_ = servers_ * (all_busy_ - at_servers_) + load_ * ((upto - 1) * base / all);  // n·p(n) = a·p(n - 1), n <= c
        }
    }

    [[nodiscard]] constexpr double offered_load() const noexcept { return load_; }
    /// Share of arrivals lost.
    [[nodiscard]] constexpr double probability_blocked() const noexcept { return full_; }
    /// Share of arrivals, lost ones included, that find no free server.
    [[nodiscard]] constexpr double probability_all_busy() const noexcept { return all_busy_; }
    /// Accepted arrivals per second.
    [[nodiscard]] constexpr double throughput_per_second() const noexcept { return arrivals_ * accepted(); }
    [[nodiscard]] constexpr double mean_busy() const noexcept { return busy_; }
    [[nodiscard]] constexpr double utilisation() const noexcept { return mean_busy() / servers_; }
    [[nodiscard]] constexpr double mean_queued() const noexcept { return queued_; }
    [[nodiscard]] constexpr double mean_in_system() const noexcept { return queued_ + mean_busy(); }
    [[nodiscard]] constexpr model_seconds mean_wait() const noexcept {
        return model_seconds(mean_busy() > 0 ? queued_ / mean_busy() * service_ : 0);
    }
    [[nodiscard]] constexpr model_seconds mean_response() const noexcept { return mean_wait() + model_seconds(service_); }

    /// Share of the accepted that wait longer than t.
    [[nodiscard]] double probability_wait_above(model_seconds t) const {
        detail::require_time(t);
        if (t.count() < 0) return 1;
        if (room_ == 0 || !(accepted() > 0)) return 0;
        // Who finds c + j inside, j < room, waits for j + 1 completions: Poisson(x) of them, at most j, means longer than t.
        // Logarithms, because either factor may be too small for a double where the product is not.
        double const x = servers_ * (t.count() / service_);
        if (!detail::is_finite(x)) return 0;
        double const log_x = x > 0 ? std::log(x) : 0;
        double const log_ratio = std::log(load_ / servers_);
        double const log_first = std::log(at_servers_);
        bool const from_full = log_ratio > 0;  // then state c may be out of reach
        double const log_full = std::log(full_);
        double log_poisson = -x;  // of N = j
        double below = 0;
        double sum = 0;
        for (double j = 0; j < room_; ++j) {
            if (j > 0) log_poisson = x > 0 ? log_poisson + log_x - std::log(j) : -HUGE_VAL;
            below = std::min(1.0, below + std::exp(log_poisson));
            double const log_state = from_full ? log_full - (room_ - j) * log_ratio : log_first + j * log_ratio;
            sum += std::exp(log_state) * below;
        }
        return std::clamp(sum / accepted(), 0.0, 1.0);
    }

    /// The wait that a share p of the accepted does not exceed.
    [[nodiscard]] model_seconds wait_quantile(double p) const {
        detail::require_quantile(p);
        if (probability_wait_above(model_seconds(0)) <= 1 - p) return model_seconds(0);
        double low = 0;
        double high = service_;
        while (probability_wait_above(model_seconds(high)) > 1 - p) high *= 2;
        for (int i = 0; i < 100; ++i) {
            double const middle = low + (high - low) / 2;
            if (!(low < middle && middle < high)) break;
            if (probability_wait_above(model_seconds(middle)) > 1 - p) low = middle;
            else high = middle;
        }
        return model_seconds(high);
    }

private:
    struct end_sums {
        double weights = 0;
        double queued = 0;
    };

    /// Of the states in the queue, the heaviest first with weight 1: sums of the weights and of weight × queue length.
    [[nodiscard]] constexpr end_sums from_heavy_end(double ratio, double length, double longer) const noexcept {
        end_sums s;
        double weight = 1;
        for (double j = 1; j <= room_; ++j, weight *= ratio, length += longer) {
            s.weights += weight;
            s.queued += weight * length;
            // What follows is less than two geometric series.
            if (weight * (length * (1 - ratio) + 1) < 1e-18 * s.queued * ((1 - ratio) * (1 - ratio))) break;
        }
        return s;
    }

    [[nodiscard]] static constexpr double power(double base, std::uint32_t exponent) noexcept {
        double result = 1;
        for (; exponent > 0; exponent /= 2, base *= base)
            if (exponent % 2 != 0) result *= base;
        return result;
    }

    [[nodiscard]] constexpr double accepted() const noexcept { return busy_ / load_; }

    double service_;   // seconds
    double arrivals_;  // per second
    double servers_;
    double room_;  // places in the queue
    double load_;
    double at_servers_ = 0;  // probability of exactly c inside
    double full_ = 0;
    double queued_ = 0;
    double all_busy_ = 0;
    double busy_ = 0;
};

}  // namespace sluice
