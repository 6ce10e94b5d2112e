// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// feed_forward — workers for what arrives, and more for what has piled up: rate × time / utilisation + backlog × time / drain.
///
/// Use it for     the default. Arrivals and backlog are not clipped at a full pool as its utilisation is, so the answer to a
///                step is the right size at once, and the error of a wrong service time shows as a backlog and is made good
/// Not for        workers that take longer to start than the load takes to change: add predictive or scheduled by max_of
/// Thread-safety  one thread at a time
/// Complexity     O(1) and up to 32 orders under way; no allocation
/// Errors         constructor: std::invalid_argument names the option. See below for what is not known
/// Units          drain: time in which a backlog is to be gone, once the workers for it are there
/// Source         feed-forward of a measured disturbance with proportional feedback of its integral, the backlog. The gain
///                period / drain has the limit of n' = n + g (need - n_delayed), which does not oscillate for
///                g <= d^d / (d + 1)^(d + 1). The projection is a Smith predictor, Chem. Eng. Progress 53(5), 1957
///
/// Workers ordered now work after start_delay, so the backlog that counts is the one of then: what is ready and what was
/// ordered before works on it meanwhile. So a backlog that is being dealt with is not dealt with twice; nor are those that are
/// to deal with it dismissed, as long as the largest backlog from now to then needs them. `drain` is at least one period; with
/// drain_from::present, which looks at the backlog of now and cannot know, it is at least period × (d + 1)^(d + 1) / d^d for a
/// delay of d periods: 1, 4, 6.75, 9.5 periods for d = 0, 1, 2, 3.
///
/// Unknown      arrival rate, service time: busy workers / target, which is all that they can show
///              queue length: never fewer than are provisioned, unless drain is empty

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice {

enum class drain_from : std::uint8_t {
    projected,  ///< the backlog when workers ordered now begin
    present,    ///< the backlog now
};

struct feed_forward_options {
    double                  target = .7;                      ///< utilisation; in (0, 1]
    std::optional<duration> service_time{};                   ///< > 0; empty: from the samples
    double                  weight = .2;                      ///< of the latest service time in their mean; in (0, 1]
    std::optional<duration> drain = std::chrono::seconds(5);  ///< > 0; longer where it has to be. Empty: backlogs do not count
    drain_from              backlog = drain_from::projected;
    duration                start_delay{};                    ///< from the order of a worker to its first task; >= 0
    duration                period = std::chrono::seconds(1); ///< between decisions; > 0
};

class feed_forward {
public:
    explicit feed_forward(feed_forward_options o) : o_(o) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.target > 0 && o.target <= 1, "feed_forward: target (in (0, 1])", o.target);
        detail::require_number(!o.service_time || o.service_time->count() > 0, "feed_forward: service_time (> 0 ns)",
                               o.service_time ? ns(*o.service_time) : 0);
        detail::require_number(o.weight > 0 && o.weight <= 1, "feed_forward: weight (in (0, 1])", o.weight);
        detail::require_number(!o.drain || o.drain->count() > 0, "feed_forward: drain (> 0 ns)", o.drain ? ns(*o.drain) : 0);
        detail::require_number(o.start_delay.count() >= 0, "feed_forward: start_delay (>= 0 ns)", ns(o.start_delay));
        detail::require_number(o.period.count() > 0, "feed_forward: period (> 0 ns)", ns(o.period));
        if (o.service_time) service_ = ns(*o.service_time) * 1e-9;
        if (o.drain) drain_ = std::max(ns(*o.drain) * 1e-9, shortest_drain(o));
    }

    recommendation recommend(scaling_sample const& sample, time_point now) noexcept {
        learn(sample.service_time);
        follow_orders(sample.provisioned, now);
        auto const            rate = known(sample.arrivals_per_second);
        std::optional<double> load;  // in erlangs
        if (rate && (service_ || *rate == 0)) load = *rate * service_.value_or(0);
        bool const shown = !load;
        if (shown) load = busy_workers(sample);
        if (!load) return {{}, "feed_forward: neither load nor busy workers known", {}};

        double const flow = std::min(*load, most) / o_.target;
        if (!o_.drain) return {flow, shown ? "feed_forward: busy workers" : "feed_forward: arrivals", {}};
        if (!sample.queued)
            return {std::max(flow, static_cast<double>(sample.provisioned.value_or(0))),
                    "feed_forward: queue length not known, not fewer", {}};
        auto const   backlog = service_ ? ahead(sample, *load / *service_, now) : backlogs{};
        double const each = service_.value_or(0) / drain_;
        double const more = flow + backlog.then * each;
        double const kept = std::min(static_cast<double>(sample.provisioned.value_or(0)), flow + backlog.most * each);
        double const desired = std::min(std::max(more, kept), most);
        if (desired == flow) return {flow, shown ? "feed_forward: busy workers" : "feed_forward: arrivals", {}};
        return {desired, "feed_forward: arrivals and backlog", {}};
    }

    /// Time in which a backlog is worked off: the option, or as long as it takes to be stable.
    [[nodiscard]] std::chrono::duration<double> drain() const noexcept { return std::chrono::duration<double>(drain_); }
    /// As measured or told; empty while nothing is known.
    [[nodiscard]] std::optional<std::chrono::duration<double>> service_time() const noexcept {
        if (!service_) return std::nullopt;
        return std::chrono::duration<double>(*service_);
    }
    [[nodiscard]] feed_forward_options const& options() const noexcept { return o_; }

private:
    struct order {
        double     workers;
        time_point at;
    };

    struct backlogs {
        double then = 0;  ///< when workers ordered now begin
        double most = 0;  ///< the largest until then
    };

    static constexpr double most = 1e18;  // finite, and more than anybody has

    [[nodiscard]] static double shortest_drain(feed_forward_options const& o) noexcept {
        double const period = static_cast<double>(o.period.count()) * 1e-9;
        if (o.backlog == drain_from::projected) return period;
        double const d = std::ceil(static_cast<double>(o.start_delay.count()) / static_cast<double>(o.period.count()));
        return d == 0 ? period : period * (d + 1) * std::pow(1 + 1 / d, d);
    }

    void learn(std::optional<duration> measured) noexcept {
        if (o_.service_time) return;
        auto const latest = known(measured);
        if (!latest || latest->count() == 0) return;
        double const seconds = static_cast<double>(latest->count()) * 1e-9;
        service_ = service_ ? *service_ + o_.weight * (seconds - *service_) : seconds;
    }

    [[nodiscard]] static std::optional<double> busy_workers(scaling_sample const& s) noexcept {
        auto const share = known(s.utilisation);
        if (share && s.ready) return std::min(*share, 1.0) * *s.ready;
        if (s.busy) return static_cast<double>(*s.busy);
        return std::nullopt;
    }

    /// What there is more of now than at the last call was ordered then.
    void follow_orders(std::optional<std::uint32_t> provisioned, time_point now) noexcept {
        if (o_.start_delay.count() == 0 || !provisioned) return;
        if (seen_ && now < last_) return;
        double const n = *provisioned;
        if (seen_ && n > *seen_) {
            if (orders_count_ == orders_.size()) {  // the two oldest become one, as late as the later
                orders_[1].workers += orders_[0].workers;
                std::copy(orders_.begin() + 1, orders_.end(), orders_.begin());
                --orders_count_;
            }
            orders_[orders_count_++] = {n - *seen_, last_};
        }
        for (double gone = seen_ ? *seen_ - n : 0; gone > 0 && orders_count_ > 0;) {  // the youngest go first
            auto&        youngest = orders_[orders_count_ - 1];
            double const some = std::min(gone, youngest.workers);
            youngest.workers -= some;
            gone -= some;
            if (youngest.workers == 0) --orders_count_;
        }
        std::size_t old = 0;  // they had a period longer to appear among the ready
        auto const  longest = saturating_add(o_.start_delay, o_.period);
        while (old < orders_count_ && saturating_sub(now, orders_[old].at) >= longest) ++old;
        std::copy(orders_.begin() + static_cast<std::ptrdiff_t>(old), orders_.begin() + static_cast<std::ptrdiff_t>(orders_count_),
                  orders_.begin());
        orders_count_ -= old;
        seen_ = n;
        last_ = now;
    }

    /// How the backlog goes on, if nothing is ordered now.
    [[nodiscard]] backlogs ahead(scaling_sample const& s, double rate, time_point now) const noexcept {
        backlogs b{static_cast<double>(*s.queued), static_cast<double>(*s.queued)};
        if (o_.backlog == drain_from::present || o_.start_delay.count() == 0 || !s.ready) return b;
        double       ready = *s.ready;
        double const all = std::max(ready, static_cast<double>(s.provisioned.value_or(*s.ready)));
        duration     at{};  // after now
        auto const   pass = [&](duration until) {
            double const seconds = static_cast<double>((until - at).count()) * 1e-9;
            b.then = std::max(0., b.then + (rate - ready / *service_) * seconds);
            b.most = std::max(b.most, b.then);
            at = until;
        };
        double due = 0, later = 0;
        for (std::size_t i = 0; i < orders_count_; ++i)
            (saturating_sub(now, orders_[i].at) >= o_.start_delay ? due : later) += orders_[i].workers;
        ready += std::clamp(all - ready - later, 0., due);  // this moment
        for (std::size_t i = 0; i < orders_count_; ++i) {
            if (saturating_sub(now, orders_[i].at) >= o_.start_delay) continue;
            pass(std::clamp(saturating_sub(saturating_add(orders_[i].at, o_.start_delay), now), at, o_.start_delay));
            ready = std::min(all, ready + orders_[i].workers);
        }
        pass(o_.start_delay);
        return b;
    }

    feed_forward_options  o_;
    double                drain_ = 0;  // seconds
    std::optional<double> service_;    // seconds
    std::array<order, 32> orders_{};   // of workers that still start, oldest first
    std::size_t           orders_count_ = 0;
    std::optional<double> seen_;  // provisioned, at the last call
    time_point            last_{};
};

}  // namespace sluice
