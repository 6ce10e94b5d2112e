// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// client_throttle, accept_rate_throttle — a client that stops sending, in part, what its server refuses anyway.
///
/// Use it for     every caller of a service that may be overloaded: refusing costs the server work, not sending does not
/// Not for        protecting a server from clients that do not cooperate (load_shedder, token_bucket)
/// Thread-safety  any thread; the generator belongs to the caller
/// Progress       a mutex for some ten nanoseconds
/// Complexity     O(1) amortised, O(buckets) after an idle time and to look; allocates when it is made
/// Errors         std::invalid_argument for multiplier < 1, aggression < 1, a probability or share outside (0, 1], window or
///                buckets 0, NaN and infinity
/// Units          probabilities in [0, 1]; the window is exact to one bucket
/// Source         SRE book, ch. 21 (client-side throttling); Envoy's admission control (aggression, floor, cap);
///                Finagle's nack admission filter (accept rate)
/// Differs        from Finagle: samples taken at one instant all count; there, the first does
///
///     sluice::client_throttle throttle;                         // p = max(0, (requests - 2 accepts) / (requests + 1))
///     if (!throttle.try_send(random)) return unavailable;       // counted now, not when the answer comes
///     if (call() != overloaded) throttle.accepted();
///
/// A request counts when it is sent, so a server that hangs is noticed as soon as one that refuses. Accepted is whatever the
/// server worked on, errors of the request included. A stale `now` counts as the newest time seen; so one far ahead keeps
/// counts from growing old until the clock is there, or until clear().

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

struct client_throttle_options {
    double              multiplier = 2;          ///< K: requests per accept that are still sent; >= 1
    double              aggression = 1;          ///< p^(1/aggression); >= 1
    double              max_probability = 1;     ///< never refuse more than this share; (0, 1]
    duration            window = std::chrono::minutes(2);
    std::uint32_t       buckets = 24;            ///< of the window
    std::optional<rate> floor{};                 ///< below this rate of requests everything is sent
    std::uint64_t       min_requests = 0;        ///< and below this number in the window
    bool                count_refused = true;    ///< whether requests that were not sent count as requests

    /// Envoy's: tolerates 1 - threshold failures, at most 80 % refused, counts what was sent.
    [[nodiscard]] static client_throttle_options envoy(double threshold = 0.95, double aggression = 1) {
        return {.multiplier = 1 / threshold, .aggression = aggression, .max_probability = 0.8,
                .window = std::chrono::seconds(30), .buckets = 30, .count_refused = false};
    }
};

/// The probability of not sending the next request: min(max_probability,
/// (max(0, requests - multiplier · accepts) / (requests + 1))^(1 / aggression)).
[[nodiscard]] inline double refusal_probability(std::uint64_t requests, std::uint64_t accepts,
                                                client_throttle_options const& o) noexcept {
    auto const   n = static_cast<double>(requests);
    double const excess = n - o.multiplier * static_cast<double>(accepts);
    if (!(excess > 0)) return 0;
    double const p = excess / (n + 1);
    return std::min(o.aggression > 1 ? std::pow(p, 1 / o.aggression) : p, o.max_probability);
}

namespace detail {

/// Two counts over the last buckets · width of time.
class two_counts {
public:
    two_counts(duration window, std::uint32_t buckets)
        : width_(std::max(window.count() / std::max<std::int64_t>(buckets, 1), std::int64_t{1})),
          ring_(std::max<std::size_t>(buckets, 1)) {}

    void advance(time_point now) noexcept {
        std::int64_t const slot = slot_of(now);
        if (!begun_) {
            begun_ = true;
            newest_ = slot;
        }
        if (slot <= newest_) return;
        auto const steps = static_cast<std::uint64_t>(slot) - static_cast<std::uint64_t>(newest_);
        auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(steps, ring_.size()));
        for (std::size_t i = 0; i < n; ++i) {
            head_ = head_ + 1 == ring_.size() ? 0 : head_ + 1;
            first_ -= ring_[head_].first;
            second_ -= ring_[head_].second;
            ring_[head_] = {};
        }
        newest_ = slot;
        if (first_ == 0) since_.reset();
    }
    void add_first(time_point now) noexcept {
        ++ring_[head_].first;
        ++first_;
        if (!since_) since_ = now;
    }
    void add_second() noexcept {
        ++ring_[head_].second;
        ++second_;
    }
    void clear() noexcept {
        std::fill(ring_.begin(), ring_.end(), bucket{});
        first_ = second_ = 0;
        since_.reset();
        begun_ = false;
    }
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
    [[nodiscard]] std::uint64_t second() const noexcept { return second_; }

    struct bucket {
        std::uint64_t first = 0, second = 0;
    };

    /// The counts as they will be at a time, if nothing is added; changes nothing.
    [[nodiscard]] bucket at(time_point now) const noexcept {
        bucket             sum{first_, second_};
        std::int64_t const slot = slot_of(now);
        if (!begun_ || slot <= newest_) return sum;
        auto const n = std::min<std::uint64_t>(static_cast<std::uint64_t>(slot) - static_cast<std::uint64_t>(newest_),
                                               ring_.size());
        for (std::size_t i = head_, k = 0; k < n; ++k) {
            i = i + 1 == ring_.size() ? 0 : i + 1;
            sum.first -= ring_[i].first;
            sum.second -= ring_[i].second;
        }
        return sum;
    }

    /// Whether a first count is less than r makes in the time since there was something to count, a second at least.
    [[nodiscard]] bool below(std::uint64_t first, rate r, time_point now) const noexcept {
        duration const window(width_ * static_cast<std::int64_t>(ring_.size()));
        duration const elapsed = std::min(since_ ? saturating_sub(now, *since_) : duration{0}, window);
        return first < r.events_in(std::max(elapsed, std::min(duration(1'000'000'000), window)));
    }

private:
    [[nodiscard]] std::int64_t slot_of(time_point now) const noexcept {
        return detail::floor_divide(now.time_since_epoch().count(), width_);
    }

    std::int64_t              width_;
    std::vector<bucket>       ring_;
    std::size_t               head_ = 0;
    std::int64_t              newest_ = 0;
    bool                      begun_ = false;
    std::uint64_t             first_ = 0, second_ = 0;
    std::optional<time_point> since_;
};

inline void require_window(char const* window_name, duration window, char const* buckets_name, std::uint32_t buckets) {
    require_option(buckets > 0, buckets_name, buckets);
    require_option(window.count() >= buckets, window_name, window.count());
}

}  // namespace detail

template <clock_source Clock = steady_clock>
class client_throttle {
public:
    explicit client_throttle(client_throttle_options options = {}, Clock clock = {})
        : options_(checked(options)), clock_(std::move(clock)), counts_(options.window, options.buckets) {}

    /// Whether to send a request, by a throw of the dice; takes one number from the generator. It is counted here.
    template <random_source G>
    [[nodiscard]] bool try_send(G& generator, time_point now) {
        double const          dice = uniform_real(generator);
        std::lock_guard const lock(mutex_);
        counts_.advance(now);
        bool const send = !(dice < probability_of({counts_.first(), counts_.second()}, now));
        if (send || options_.count_refused) counts_.add_first(now);
        return send;
    }
    template <random_source G>
    [[nodiscard]] bool try_send(G& generator) {
        return try_send(generator, clock_.now());
    }

    /// The server has worked on a request that was sent.
    void accepted(time_point now) {
        std::lock_guard const lock(mutex_);
        counts_.advance(now);
        counts_.add_second();
    }
    void accepted() { accepted(clock_.now()); }

    /// With what probability the next request is not sent.
    [[nodiscard]] double probability(time_point now) const {
        std::lock_guard const lock(mutex_);
        return probability_of(counts_.at(now), now);
    }
    [[nodiscard]] double probability() const { return probability(clock_.now()); }

    /// Begins anew: forgets all counts and times, say because it is another server now.
    void clear() {
        std::lock_guard const lock(mutex_);
        counts_.clear();
    }

    struct numbers {
        std::uint64_t requests, accepts;
    };
    /// The counts up to the newest time that was told.
    [[nodiscard]] numbers counted() const {
        std::lock_guard const lock(mutex_);
        return {counts_.first(), counts_.second()};
    }

private:
    [[nodiscard]] static client_throttle_options const& checked(client_throttle_options const& o) {
        using detail::require_option;
        require_option(o.multiplier >= 1 && std::isfinite(o.multiplier), "client_throttle: multiplier (>= 1)", o.multiplier);
        require_option(o.aggression >= 1 && std::isfinite(o.aggression), "client_throttle: aggression (>= 1)", o.aggression);
        require_option(o.max_probability > 0 && o.max_probability <= 1, "client_throttle: max_probability in (0, 1]",
                       o.max_probability);
        detail::require_window("client_throttle: window in ns (>= buckets)", o.window, "client_throttle: buckets (> 0)",
                               o.buckets);
        return o;
    }
    [[nodiscard]] double probability_of(detail::two_counts::bucket sum, time_point now) const noexcept {
        if (sum.first < options_.min_requests) return 0;
        if (options_.floor && counts_.below(sum.first, *options_.floor, now)) return 0;
        return refusal_probability(sum.first, sum.second, options_);
    }

    client_throttle_options     options_;
    [[no_unique_address]] Clock clock_;
    mutable std::mutex          mutex_;
    detail::two_counts          counts_;
};

struct accept_rate_throttle_options {
    double              threshold = 0.5;         ///< the accept rate below which requests are refused; (0, 1]
    double              max_probability = 0.75;  ///< (0, 1]
    duration            window = std::chrono::minutes(2);  ///< a sample's weight falls to 1/e in it
    std::optional<rate> floor = per_second(5);   ///< below this rate of requests everything is sent
};

/// The same from a moving average of the share of accepts: p = 1 - average / threshold. It learns from answers alone, and
/// begins with one accept.
template <clock_source Clock = steady_clock>
class accept_rate_throttle {
public:
    explicit accept_rate_throttle(accept_rate_throttle_options options = {}, Clock clock = {})
        : options_(checked(options)), clock_(std::move(clock)), sent_(std::chrono::seconds(30), 30) {}

    template <random_source G>
    [[nodiscard]] bool try_send(G& generator, time_point now) {
        double const          dice = uniform_real(generator);
        std::lock_guard const lock(mutex_);
        sent_.advance(now);
        sent_.add_first(now);
        if (options_.floor && sent_.below(sent_.first(), *options_.floor, now)) return true;
        return !(dice < refusal_probability(accepts_ / answers_, options_));
    }
    template <random_source G>
    [[nodiscard]] bool try_send(G& generator) {
        return try_send(generator, clock_.now());
    }

    /// The server has worked on the request, or has refused it.
    void answered(bool accepted, time_point now) {
        std::lock_guard const lock(mutex_);
        duration const        d = newest_ ? saturating_sub(now, *newest_) : duration{0};
        if (d.count() > 0) {
            double const weight = std::exp(-static_cast<double>(d.count()) / static_cast<double>(options_.window.count()));
            accepts_ *= weight;
            answers_ *= weight;
        }
        if (!newest_ || d.count() > 0) newest_ = now;
        accepts_ += accepted ? 1 : 0;
        answers_ += 1;
    }
    void answered(bool accepted) { answered(accepted, clock_.now()); }

    /// Begins anew.
    void clear() {
        std::lock_guard const lock(mutex_);
        sent_.clear();
        accepts_ = answers_ = 1;
        newest_.reset();
    }

    [[nodiscard]] double accept_rate() const {
        std::lock_guard const lock(mutex_);
        return accepts_ / answers_;
    }

    /// What an accept rate leads to.
    [[nodiscard]] static double refusal_probability(double accept_rate, accept_rate_throttle_options const& o) noexcept {
        return std::clamp(1 - accept_rate / o.threshold, 0.0, o.max_probability);
    }

private:
    [[nodiscard]] static accept_rate_throttle_options const& checked(accept_rate_throttle_options const& o) {
        using detail::require_option;
        require_option(o.threshold > 0 && o.threshold <= 1, "accept_rate_throttle: threshold in (0, 1]", o.threshold);
        require_option(o.max_probability > 0 && o.max_probability <= 1, "accept_rate_throttle: max_probability in (0, 1]",
                       o.max_probability);
        require_option(o.window.count() > 0, "accept_rate_throttle: window (> 0 ns)", o.window.count());
        return o;
    }

    accept_rate_throttle_options options_;
    [[no_unique_address]] Clock  clock_;
    mutable std::mutex           mutex_;
    detail::two_counts           sent_;
    double                       accepts_ = 1;
    double                       answers_ = 1;
    std::optional<time_point>    newest_;
};

}  // namespace sluice
