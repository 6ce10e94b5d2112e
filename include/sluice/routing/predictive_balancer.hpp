// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// predictive_balancer — the node whose load will be least when the work arrives there.
///
/// Use it for     loads that are reported now and then and go up or down steadily, and work that is some time on its way
/// Not for        loads that jump (prequal asks again), or that this client knows itself at every moment
/// Thread-safety  one thread at a time
/// Complexity     choose: O(1) for two choices while most nodes are usable, O(nodes) for all. observe: O(1). No allocation after
///                the construction
/// Errors         constructor: std::invalid_argument names the option, std::bad_alloc. A load that is NaN, negative or above
///                10^100 is no observation; one older than the last of its node counts as of the same moment
/// Units          loads in tasks or any other unit that own_load shares; relative to the node's weight when compared
///
///     c        = 1 - age / stale_after           of the last observation; 0 beyond, and for what was never observed
///     load     = (c · forecast + (1 - c) · usual + own_load · sent) / weight
///
/// The forecast is Holt's, or the level alone, for the time now + delay; never below 0. `usual` is the recent mean over
/// all nodes: what a node is taken to have of which nothing is known. So an old observation fades into ignorance instead
/// of being believed or thrown away at once. `sent` counts the choices since the node's last observation, or for stale_after
/// if none comes: a node that stays silent is not avoided for ever, and not flooded.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/stats/ewma.hpp>
#include <sluice/stats/holt.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

enum class predictive_scan : std::uint8_t {
    two_choices,  ///< the better of two different usable nodes
    all           ///< the best of all, ties at random
};

struct predictive_balancer_options {
    double          alpha = .5;     ///< of the level, per step; in [0, 1]
    double          beta = .3;      ///< of the trend, per step; in [0, 1]
    bool            trend = true;   ///< false: an exponentially weighted mean
    duration        step = std::chrono::milliseconds(100);  ///< time of one step, about that between observations; > 0
    duration        delay{};        ///< until what is sent now arrives; >= 0
    duration        stale_after = std::chrono::seconds(2);  ///< > 0
    double          own_load = 1;   ///< of one choice; in [0, 10^9]
    predictive_scan scan = predictive_scan::two_choices;
};

class predictive_balancer {
public:
    /// Follows so many positions of the list; those behind are never known, and what is sent there is not counted.
    explicit predictive_balancer(std::size_t nodes, predictive_balancer_options o = {})
        : o_(checked(o)), usual_(o.stale_after),
          states_(nodes, state(holt({.alpha = o.alpha, .beta = o.beta, .trend = o.trend}))) {}

    /// A node's load as of `now`.
    void observe(node_index node, double load, time_point now) noexcept {
        if (node >= states_.size() || !(load >= 0 && load <= most)) return;
        auto& s = states_[node];
        if (s.observed && age(s, now) > o_.stale_after) s.model.reset();  // a trend from before the silence means nothing
        double const steps = s.observed ? static_cast<double>(age(s, now).count()) / static_cast<double>(o_.step.count()) : 0;
        s.model.update(load, steps);
        if (!s.observed || now > s.at) s.at = now;
        s.observed = true;
        s.sent = 0;
        s.since = s.at;
        usual_.update(load, now);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        auto const chosen = o_.scan == predictive_scan::all ? of_all(nodes, now, rng) : of_two(nodes, now, rng);
        if (chosen && *chosen < states_.size()) {
            auto& s = states_[*chosen];
            if (sent(s, now) == 0) {
                s.sent = 0;
                s.since = now;
            }
            if (s.sent != UINT32_MAX) ++s.sent;
        }
        return chosen;
    }

    /// The load that a node is expected to have at now + delay, with what was sent there, not yet divided by a weight.
    [[nodiscard]] double expected(node_index node, time_point now) const noexcept {
        double const usual = usual_.value().value_or(0);
        if (node >= states_.size()) return usual;
        auto const&  s = states_[node];
        double const c = confidence(node, now);
        double const own = o_.own_load * sent(s, now);
        return c > 0 ? c * forecast(s, now) + (1 - c) * usual + own : usual + own;
    }

    /// 1: just observed; 0: unknown.
    [[nodiscard]] double confidence(node_index node, time_point now) const noexcept {
        if (node >= states_.size() || !states_[node].observed) return 0;
        return std::max(0.0, 1 - static_cast<double>(age(states_[node], now).count()) / static_cast<double>(o_.stale_after.count()));
    }

    /// The node at this position is another one from now on.
    void forget(node_index node) noexcept {
        if (node >= states_.size()) return;
        states_[node] = state(states_[node].model);
        states_[node].model.reset();
    }

    [[nodiscard]] predictive_balancer_options const& options() const noexcept { return o_; }

private:
    static constexpr double most = 1e100;  // leaves room for products

    struct state {
        holt          model;
        time_point    at{};       // of the last observation
        time_point    since{};    // sent counts from here
        std::uint32_t sent = 0;
        bool          observed = false;
        explicit state(holt const& m) : model(m) {}
    };

    static predictive_balancer_options const& checked(predictive_balancer_options const& o) {
        detail::require_option(o.alpha >= 0 && o.alpha <= 1, "predictive_balancer: alpha (in [0, 1])", o.alpha);
        detail::require_option(o.beta >= 0 && o.beta <= 1, "predictive_balancer: beta (in [0, 1])", o.beta);
        detail::require_option(o.step.count() > 0, "predictive_balancer: step (> 0 ns)", o.step.count());
        detail::require_option(o.delay.count() >= 0, "predictive_balancer: delay (>= 0 ns)", o.delay.count());
        detail::require_option(o.stale_after.count() > 0, "predictive_balancer: stale_after (> 0 ns)", o.stale_after.count());
        detail::require_option(o.own_load >= 0 && o.own_load <= 1e9, "predictive_balancer: own_load (in [0, 10^9])", o.own_load);
        return o;
    }

    [[nodiscard]] static duration age(state const& s, time_point now) noexcept {
        return now > s.at ? saturating_sub(now, s.at) : duration::zero();
    }

    [[nodiscard]] std::uint32_t sent(state const& s, time_point now) const noexcept {
        return now > s.since && saturating_sub(now, s.since) > o_.stale_after ? 0 : s.sent;
    }

    [[nodiscard]] double forecast(state const& s, time_point now) const noexcept {
        auto const ahead = static_cast<double>(saturating_add(age(s, now), o_.delay).count());
        return std::max(0.0, s.model.forecast(ahead / static_cast<double>(o_.step.count())).value_or(s.model.level()));
    }

    template <class List>
    [[nodiscard]] double load(List const& nodes, node_index i, time_point now) const noexcept {
        return expected(i, now) / std::max(node_weight(nodes[i]), 1u);
    }

    template <class List, class Source>
    [[nodiscard]] std::optional<node_index> of_two(List const& nodes, time_point now, Source& rng) const {
        auto const a = any_usable(nodes, rng);
        if (!a) return a;
        auto b = any_usable(nodes, rng);
        for (int tries = 0; tries < 4 && b == a; ++tries) b = any_usable(nodes, rng);
        if (b == a) {
            std::size_t const usable = count_usable(nodes);
            if (usable < 2) return a;
            auto const k = static_cast<std::size_t>(uniform_below(rng, usable - 1));  // of the others
            b = nth_usable(nodes, k);
            if (b && *b >= *a) b = nth_usable(nodes, k + 1);
        }
        return b && load(nodes, *b, now) < load(nodes, *a, now) ? b : a;
    }

    template <class List, class Source>
    [[nodiscard]] std::optional<node_index> of_all(List const& nodes, time_point now, Source& rng) const {
        std::optional<node_index> chosen;
        double                    least = 0;
        std::uint32_t             ties = 0;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            if (!node_usable(nodes[i])) continue;
            auto const   at = static_cast<node_index>(i);
            double const l = load(nodes, at, now);
            if (!chosen || l < least) {
                chosen = at;
                least = l;
                ties = 1;
            } else if (l == least && uniform_below(rng, ++ties) == 0) {
                chosen = at;
            }
        }
        return chosen;
    }

    predictive_balancer_options o_;
    ewma                        usual_;
    std::vector<state>          states_;
};

}  // namespace sluice
