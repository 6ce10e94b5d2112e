// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scaling_rule, scaling_rules — "queue above 100 for 2 min: 5 more", as one would say it.
///
/// Use it for     thresholds that somebody has agreed on, and steps; a pool that hardly ever changes
/// Not for        finding the right size: a rule knows a direction, not an amount (feed_forward, target_tracking)
/// Thread-safety  one thread at a time
/// Complexity     O(rules); allocates in the constructor
/// Errors         constructor: std::invalid_argument: no rule, a threshold that is not finite, a time < 0, no change or several.
///                If no rule's metric is known, or the number of workers is not, there is no opinion
/// Units          metrics as in scaling_sample; latency_p99 and backlog_age in seconds
///
/// A rule fires when its condition has held without interruption for its time, and then counts from the beginning again. A
/// sample without its metric interrupts a rule that shrinks; one that grows goes on, but does not fire on it. If several fire,
/// growth wins over shrinking and the largest size over the rest. If none does, the answer is what is provisioned.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sluice {

enum class scaling_metric : std::uint8_t {
    queued,               ///< tasks
    tasks,                ///< queued and in hand; below 1 is idle
    in_flight,            ///< mean of the same
    arrivals_per_second,
    utilisation,
    latency_p99,  ///< seconds
    backlog_age,  ///< seconds
};

enum class threshold : std::uint8_t { above, below };

/// Exactly one of add, add_percent, remove, remove_percent, set.
struct scaling_rule {
    scaling_metric               metric = scaling_metric::queued;
    threshold                    side = threshold::above;
    double                       value = 0;        ///< finite
    duration                     lasting{};        ///< so long without interruption; >= 0
    std::uint32_t                add = 0;          ///< workers
    std::uint32_t                add_percent = 0;  ///< of the provisioned, rounded up
    std::uint32_t                remove = 0;
    std::uint32_t                remove_percent = 0;  ///< rounded up; <= 100
    std::optional<std::uint32_t> set{};               ///< workers
};

class scaling_rules {
public:
    explicit scaling_rules(std::vector<scaling_rule> rules) : rules_(std::move(rules)) {
        if (rules_.empty()) throw std::invalid_argument("sluice: scaling_rules: rules (at least one) is 0");
        for (auto const& r : rules_) {
            int const changes = (r.add > 0) + (r.add_percent > 0) + (r.remove > 0) + (r.remove_percent > 0) + r.set.has_value();
            detail::require_number(detail::is_finite(r.value), "scaling_rules: value (finite)", r.value);
            detail::require_number(r.lasting.count() >= 0, "scaling_rules: lasting (>= 0 ns)",
                                   static_cast<double>(r.lasting.count()));
            detail::require_number(changes == 1, "scaling_rules: changes (one of add, …, set)", changes);
            detail::require_number(r.remove_percent <= 100, "scaling_rules: remove_percent (<= 100)", r.remove_percent);
        }
        since_.resize(rules_.size());
    }
    scaling_rules(std::initializer_list<scaling_rule> rules) : scaling_rules(std::vector<scaling_rule>(rules)) {}

    recommendation recommend(scaling_sample const& sample, time_point now) noexcept {
        if (!sample.provisioned) return {{}, "scaling_rules: workers not known", {}};
        auto const                   n = *sample.provisioned;
        bool                         anything = false;
        std::optional<std::uint32_t> up, down;
        std::optional<time_point>    next;
        for (std::size_t i = 0; i < rules_.size(); ++i) {
            auto const& rule = rules_[i];
            auto&       since = since_[i];
            auto const  wanted = change(rule, n);
            auto const  metric = value_of(rule.metric, sample);
            if (!metric) {
                if (wanted < n) since.reset();
                continue;
            }
            anything = true;
            if (rule.side == threshold::above ? !(*metric > rule.value) : !(*metric < rule.value)) {
                since.reset();
                continue;
            }
            if (!since || now < *since) since = now;
            auto const due = saturating_add(*since, rule.lasting);
            if (now < due) {
                next = next ? std::min(*next, due) : due;
                continue;
            }
            since = now;
            if (wanted > n) up = std::max(up.value_or(0), wanted);
            else if (wanted < n) down = std::max(down.value_or(0), wanted);
        }
        if (!anything) return {{}, "scaling_rules: no metric known", {}};
        if (up) return {static_cast<double>(*up), "scaling_rules: a rule that grows", next};
        if (down) return {static_cast<double>(*down), "scaling_rules: a rule that shrinks", next};
        return {static_cast<double>(n), "scaling_rules: none applies", next};
    }

    [[nodiscard]] std::vector<scaling_rule> const& rules() const noexcept { return rules_; }

private:
    [[nodiscard]] static std::uint32_t change(scaling_rule const& r, std::uint32_t n) noexcept {
        auto const percent = [&](std::uint64_t p) { return (n * p + 99) / 100; };
        if (r.set) return *r.set;
        if (r.remove > 0) return n - std::min(n, r.remove);
        if (r.remove_percent > 0) return n - static_cast<std::uint32_t>(percent(r.remove_percent));
        auto const more = std::max<std::uint64_t>(1, r.add > 0 ? r.add : percent(r.add_percent));
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(UINT32_MAX, n + more));
    }

    [[nodiscard]] static std::optional<double> value_of(scaling_metric m, scaling_sample const& s) noexcept {
        auto const seconds = [](std::optional<duration> d) -> std::optional<double> {
            d = known(d);
            if (!d) return std::nullopt;
            return static_cast<double>(d->count()) * 1e-9;
        };
        switch (m) {
        case scaling_metric::queued:
            if (!s.queued) return std::nullopt;
            return static_cast<double>(*s.queued);
        case scaling_metric::tasks:
            if (!s.queued || !s.busy) return std::nullopt;
            return static_cast<double>(*s.queued) + *s.busy;
        case scaling_metric::in_flight: return known(s.in_flight);
        case scaling_metric::arrivals_per_second: return known(s.arrivals_per_second);
        case scaling_metric::utilisation: return known(s.utilisation);
        case scaling_metric::latency_p99: return seconds(s.latency_p99);
        case scaling_metric::backlog_age: return seconds(s.backlog_age);
        }
        return std::nullopt;
    }

    std::vector<scaling_rule>              rules_;
    std::vector<std::optional<time_point>> since_;  // when each rule's condition began to hold
};

}  // namespace sluice
