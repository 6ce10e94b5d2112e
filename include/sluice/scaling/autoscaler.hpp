// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// autoscaler — a recommender, and behind it the stages that make a calm pool of its recommendations.
///
/// Use it for     deciding how many workers a pool has, live (autoscale_step, autoscaler_driver) or in a simulation
/// Not for        limits on what a running pool admits (the limiters of flow/)
/// Thread-safety  one thread at a time
/// Complexity     the recommender's, and O(changes remembered, at most 66 per rate rule). No allocation after construction but
///                explain()
/// Errors         constructor: std::invalid_argument names the option. A recommender's exception passes through, and nothing has
///                changed then. What is not known, or what cannot be, has an answer: see below
/// Units          workers; decisions `period` apart, earlier where a stage's answer changes (never below a tenth of it)
/// Example        examples/450_autoscaling_strategies.cpp
///
///   recommender → dead band → stabilisation → rate → cooldown → busy → limits → activation
///
/// The dead band compares real numbers, then they are rounded up, once; min and max come once and last, so that they cannot
/// contradict a stage.
///
///   no opinion              what is there stays, for missing_periods; then the fallback, if one is declared
///   part is missing         the recommender's to judge; they and max_of do not shrink on it
///   `provisioned` unknown   what was asked for last is taken for it
///   0 workers, work queued  at least 1, whatever the rates and pauses say
///   time that goes back     counts as no time
///
/// The last decisions are kept: recent(0) is the latest, and explain() says it in a line.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/scaling/busy_protection.hpp>
#include <sluice/scaling/cooldown.hpp>
#include <sluice/scaling/dead_band.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/round_up.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/pool_sampler.hpp>
#include <sluice/scaling/rate_policy.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/scaling_decision.hpp>
#include <sluice/scaling/size_limits.hpp>
#include <sluice/scaling/stabilisation_window.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

struct autoscaler_options {
    duration                     period = std::chrono::seconds(1);  ///< > 0
    dead_band_options            dead_band{};
    stabilisation_window_options stabilisation{};
    /// A rule's period of 0 stands for the one above.
    rate_policy_options          rates{.up = {.rules = {{rate_kind::percent, 100, {}}, {rate_kind::count, 4, {}}}}};
    cooldown_options             cooldown{};
    busy_protection_options      busy{};
    size_limits_options          size{};
    std::uint32_t                missing_periods = 3;  ///< without an opinion, before the fallback
    std::optional<std::uint32_t> fallback{};           ///< workers; empty: what is there stays
    std::size_t                  history = 16;         ///< decisions that are kept
};

/// A decision, and what it was about.
struct logged_decision {
    time_point       at{};
    std::uint32_t    current = 0;  ///< workers provisioned
    scaling_decision decision{};
};

template <recommender Recommender = feed_forward>
class autoscaler {
public:
    explicit autoscaler(Recommender rule, autoscaler_options o = {})
        : o_(checked(std::move(o))),
          rule_(std::move(rule)),
          dead_band_(o_.dead_band),
          stabilisation_(o_.stabilisation),
          rates_(o_.rates),
          cooldown_(o_.cooldown),
          busy_(o_.busy),
          size_(o_.size) {
        recent_.reserve(o_.history);
    }

    scaling_decision decide(scaling_sample const& sample, time_point now) {
        auto const answer = rule_.recommend(sample, now);
        auto const wanted = known(answer.desired);
        auto const current = sample.provisioned ? *sample.provisioned
                             : asked_           ? *asked_
                                                : size_.limit(wanted ? detail::round_up(*wanted) : 0);
        scaling_decision d{.desired = current, .recommended = wanted, .reason = answer.reason};
        next_ = saturating_add(now, o_.period);
        earliest_ = saturating_add(now, o_.period / 10);
        again(answer.look_again);

        if (wanted) {
            silent_since_.reset();
            if (dead_band_.holds(*wanted, current)) become(d, current, detail::round_up(*wanted), scaling_stage::dead_band);
            else d.desired = detail::round_up(*wanted);
        } else {
            if (!silent_since_ || now < *silent_since_) silent_since_ = now;
            d.limited_by = scaling_stage::missing_data;
            if (o_.fallback && saturating_sub(now, *silent_since_) >= o_.period * std::int64_t{o_.missing_periods}) {
                d.desired = *o_.fallback;
                d.reason = "autoscaler: fallback";
            }
        }
        become(d, stabilisation_.limit(d.desired, current, now), scaling_stage::stabilisation);
        become(d, rates_.limit(d.desired, current, now), scaling_stage::rate);
        become(d, cooldown_.limit(d.desired, current, now), scaling_stage::cooldown);
        become(d, busy_.limit(d.desired, current, sample.busy), d.desired, scaling_stage::busy);
        become(d, size_.limit(d.desired), d.desired, scaling_stage::limits);
        bool const work = sample.queued ? *sample.queued > 0 : known(sample.in_flight).value_or(0) > 0;
        if (d.desired == 0 && work) become(d, 1, 0, scaling_stage::activation);

        rates_.decided(d.desired, current, now);
        cooldown_.decided(d.desired, current, now);
        asked_ = d.desired;
        d.next_evaluation = next_;
        remember({now, current, d});
        return d;
    }

    /// How many decisions can be asked for, and the i-th last of them. Requires i < remembered().
    [[nodiscard]] std::size_t            remembered() const noexcept { return recent_.size(); }
    [[nodiscard]] logged_decision const& recent(std::size_t i = 0) const noexcept {
        SLUICE_ASSERT(i < recent_.size());
        return recent_[(newest_ + recent_.size() - i) % recent_.size()];
    }

    /// One line: when, from how many to how many, who wanted how many and why, which stage made something else of it.
    [[nodiscard]] static std::string explain(logged_decision const& l) {
        char text[128];
        std::snprintf(text, sizeof text, "%.3f s: %lu -> %lu", static_cast<double>(l.at.time_since_epoch().count()) * 1e-9,
                      static_cast<unsigned long>(l.current), static_cast<unsigned long>(l.decision.desired));
        std::string line = text;
        if (l.decision.recommended) {
            std::snprintf(text, sizeof text, ", wanted %.6g", *l.decision.recommended);
            line += text;
        }
        line.append(" (").append(l.decision.reason).append(")");
        if (l.decision.limited_by != scaling_stage::none) line.append(", limited by ").append(to_string(l.decision.limited_by));
        return line;
    }

    /// Makes samples of a pool's counters; autoscale_step uses it.
    [[nodiscard]] pool_sampler&             sampler() noexcept { return sampler_; }
    [[nodiscard]] Recommender const&        rule() const noexcept { return rule_; }
    [[nodiscard]] autoscaler_options const& options() const noexcept { return o_; }

private:
    static autoscaler_options checked(autoscaler_options o) {
        detail::require_number(o.period.count() > 0 && o.period <= std::chrono::hours(24 * 365),
                               "autoscaler: period (> 0 ns, at most a year)", static_cast<double>(o.period.count()));
        detail::require_number(o.missing_periods <= 1000, "autoscaler: missing_periods (<= 1000)", o.missing_periods);
        detail::require_number(o.history >= 1, "autoscaler: history (>= 1)", static_cast<double>(o.history));
        for (auto* direction : {&o.rates.up, &o.rates.down})
            for (auto& rule : direction->rules)
                if (rule.period.count() == 0) rule.period = o.period;
        return o;
    }

    void again(std::optional<time_point> t) noexcept {
        if (t && *t < next_) next_ = std::max(*t, earliest_);
    }

    void become(scaling_decision& d, std::uint32_t workers, std::uint32_t instead_of, scaling_stage stage) noexcept {
        d.desired = workers;
        if (workers != instead_of) d.limited_by = stage;
    }

    void become(scaling_decision& d, scaling_limit limit, scaling_stage stage) noexcept {
        if (limit.workers != d.desired) again(limit.look_again);
        become(d, limit.workers, d.desired, stage);
    }

    void remember(logged_decision const& l) {
        if (recent_.size() < o_.history) {
            recent_.push_back(l);
            newest_ = recent_.size() - 1;
            return;
        }
        newest_ = (newest_ + 1) % recent_.size();
        recent_[newest_] = l;
    }

    autoscaler_options           o_;
    Recommender                  rule_;
    dead_band                    dead_band_;
    stabilisation_window         stabilisation_;
    rate_policy                  rates_;
    cooldown                     cooldown_;
    busy_protection              busy_;
    size_limits                  size_;
    pool_sampler                 sampler_;
    std::vector<logged_decision> recent_;
    std::size_t                  newest_ = 0;
    std::optional<std::uint32_t> asked_;
    std::optional<time_point>    silent_since_;
    time_point                   next_{};  // of the decision being made
    time_point                   earliest_{};
};

}  // namespace sluice
