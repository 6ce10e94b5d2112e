// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// slo_aware — sends a request where it is expected to be done before its deadline, and says what it expects.
///
/// Use it for     requests with deadlines on nodes of different speed: slow but cheap ones take what can wait
/// Not for        requests without deadlines; guarantees: an expectation is a guess from the recent past
/// Thread-safety  one thread at a time
/// Complexity     decide, choose: one or two passes over the nodes. observe: two exp. No allocation after the construction
/// Errors         constructor: std::invalid_argument names the option, std::bad_alloc. Observations of a negative latency, or of
///                a node that is not followed, are none. Expectations stop at the longest duration
/// Units          deadlines as time points; latencies as durations
/// Example        examples/270_slo_aware.cpp
///
///     expected = (mean + deviations · mean deviation) · max(1, (in_flight + 1) / concurrency)
///
/// Mean and mean deviation are those of the service time, exponentially weighted with `memory`: an observed latency is divided
/// by the same factor for the in_flight it was sent into. Without in_flight (the node has none) there is no queue.
///
/// Which node, in this order:
///     1  the deadline has come: none (expired)
///     2  with probability `explore`, one whose latency is unknown (never observed, or not for forget_after) and which has less
///        than unknown_in_flight in flight, each of these as likely
///     3  among those expected in time: what `prefer` says, ties at random
///     4  one that is unknown, as in 2
///     5  of those expected late the one of least expected latency (best_chance); or none (refused), with what it would be
///     6  if no latency is known at all: the least loaded
/// So an unknown node is neither a favourite nor forgotten, and not flooded before it has answered.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/stats/ewma.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

/// Among the nodes that are expected in time.
enum class slo_preference : std::uint8_t {
    least_loaded,  ///< in flight for its weight
    cheapest,      ///< node_price; nodes without a price come last, equal prices go to the less loaded
    two_choices    ///< the less loaded of two drawn ones
};

enum class slo_late : std::uint8_t { best_chance, refuse };

struct slo_aware_options {
    duration       slo = std::chrono::milliseconds(100);  ///< choose(): the deadline is so long from now; > 0
    duration       memory = std::chrono::seconds(10);     ///< τ of the means; > 0
    double         deviations = 2;                        ///< added to the mean; in [0, 100]
    std::uint32_t  concurrency = 1;                       ///< tasks that a node works on at once; > 0
    duration       forget_after = std::chrono::seconds(60);  ///< older observations leave a node unknown; > 0
    double         explore = .02;                         ///< in [0, 1]
    std::uint32_t  unknown_in_flight = 1;                 ///< most in flight at an unknown node; > 0
    slo_preference prefer = slo_preference::least_loaded;
    slo_late       late = slo_late::best_chance;
};

enum class slo_reason : std::uint8_t { in_time, explored, best_chance, refused, expired, no_node };

struct slo_answer {
    std::optional<node_index> node{};
    std::optional<duration>   expected{};  ///< of the node; refused: of the best one; empty where nothing is known
    bool                      in_time = false;
    slo_reason                reason = slo_reason::no_node;
};

enum class slo_verdict : std::uint8_t { in_time, late, unknown, unusable };

struct slo_explanation {
    slo_verdict             verdict = slo_verdict::unusable;
    std::optional<duration> expected{};
};

class slo_aware {
public:
    /// Follows the latencies of so many positions of the list; those behind stay unknown.
    explicit slo_aware(std::size_t nodes, slo_aware_options o = {}) : o_(checked(o)), stats_(nodes, stat(o.memory)) {}

    /// A request that was the in_flight-th at the node when it was sent (0 counts as 1) has been answered.
    void observe(node_index node, duration latency, std::uint32_t in_flight, time_point now) noexcept {
        if (node >= stats_.size() || latency.count() < 0) return;
        auto&        s = stats_[node];
        double const service = static_cast<double>(latency.count()) / queue(in_flight);
        auto const   mean = s.mean.value();
        if (mean && s.mean.age(now) > o_.forget_after) s = stat(o_.memory);
        s.deviation.update(s.mean.value() ? std::abs(service - *mean) : service / 2, now);
        s.mean.update(service, now);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] slo_answer decide(List const& nodes, time_point deadline, time_point now, Source& rng) const {
        if (deadline <= now) return {{}, {}, false, slo_reason::expired};
        duration const left = saturating_sub(deadline, now);
        tally          t;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) count(nodes, static_cast<node_index>(i), left, now, rng, t);
        if (t.unknown > 0 && uniform_real(rng) < o_.explore) return explored(nodes, t, now, rng);
        if (t.in_time > 0) {
            node_index const i = o_.prefer == slo_preference::two_choices ? of_two(nodes, t, left, now, rng) : t.preferred.at;
            return {i, expected(nodes, i, now), true, slo_reason::in_time};
        }
        if (t.unknown > 0) return explored(nodes, t, now, rng);
        if (t.soonest.ties > 0) {
            auto const sooner = expected(nodes, t.soonest.at, now);
            if (o_.late == slo_late::refuse) return {{}, sooner, false, slo_reason::refused};
            return {t.soonest.at, sooner, false, slo_reason::best_chance};
        }
        if (t.busy_unknown.ties > 0) return {t.busy_unknown.at, {}, false, slo_reason::explored};
        return {};
    }

    /// decide() with the deadline now + slo.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) const {
        return decide(nodes, saturating_add(now, o_.slo), now, rng).node;
    }

    /// What is thought of each node; fills as much as there is room for and returns how many.
    template <node_list List>
    std::size_t explain(List const& nodes, time_point deadline, time_point now, std::span<slo_explanation> out) const {
        std::size_t const n = std::min<std::size_t>(nodes.size(), out.size());
        for (std::size_t i = 0; i < n; ++i) {
            out[i] = {};
            if (!node_usable(nodes[i])) continue;
            out[i].expected = expected(nodes, static_cast<node_index>(i), now);
            bool const in_time = now < deadline && out[i].expected && *out[i].expected <= saturating_sub(deadline, now);
            out[i].verdict = !out[i].expected ? slo_verdict::unknown : in_time ? slo_verdict::in_time : slo_verdict::late;
        }
        return n;
    }

    /// Of one more request at the node; empty where it is unknown. Requires a position in the list.
    template <node_list List>
    [[nodiscard]] std::optional<duration> expected(List const& nodes, node_index i, time_point now) const {
        if (i >= stats_.size()) return std::nullopt;
        auto const& s = stats_[i];
        auto const  mean = s.mean.value();
        if (!mean || s.mean.age(now) > o_.forget_after) return std::nullopt;
        std::uint32_t const others = node_in_flight(nodes[i]);
        double const ns = (*mean + o_.deviations * s.deviation.value().value_or(0)) * queue(std::uint64_t{others} + 1);
        if (!(ns < 9.2e18)) return duration::max();
        return duration(static_cast<std::int64_t>(ns + .5));
    }

    /// The node at this position is another one from now on.
    void forget(node_index node) noexcept {
        if (node < stats_.size()) stats_[node] = stat(o_.memory);
    }

    [[nodiscard]] slo_aware_options const& options() const noexcept { return o_; }

private:
    struct stat {
        ewma mean, deviation;
        explicit stat(duration memory) : mean(memory), deviation(memory) {}
    };
    struct leader {
        node_index    at = 0;
        std::uint32_t ties = 0;  // 0: there is none
    };
    struct tally {
        std::size_t in_time = 0;
        std::size_t unknown = 0;  // with room
        leader      preferred, soonest, busy_unknown;
        node_index  an_unknown = 0;
        duration    soonest_expected{};
    };

    static slo_aware_options const& checked(slo_aware_options const& o) {
        detail::require_option(o.slo.count() > 0, "slo_aware: slo (> 0 ns)", o.slo.count());
        detail::require_option(o.memory.count() > 0, "slo_aware: memory (> 0 ns)", o.memory.count());
        detail::require_option(o.deviations >= 0 && o.deviations <= 100, "slo_aware: deviations (in [0, 100])", o.deviations);
        detail::require_option(o.concurrency > 0, "slo_aware: concurrency (> 0)", o.concurrency);
        detail::require_option(o.forget_after.count() > 0, "slo_aware: forget_after (> 0 ns)", o.forget_after.count());
        detail::require_option(o.explore >= 0 && o.explore <= 1, "slo_aware: explore (in [0, 1])", o.explore);
        detail::require_option(o.unknown_in_flight > 0, "slo_aware: unknown_in_flight (> 0)", o.unknown_in_flight);
        return o;
    }

    [[nodiscard]] double queue(std::uint64_t in_flight) const noexcept {
        return std::max(1.0, static_cast<double>(in_flight) / o_.concurrency);
    }

    /// One of `comparison` < 0: i is better than the leader; 0: a tie, each of which is as likely to lead in the end.
    template <class Source>
    static void challenge(leader& l, node_index i, int comparison, Source& rng) {
        if (l.ties == 0 || comparison < 0) l = {i, 1};
        else if (comparison == 0 && uniform_below(rng, ++l.ties) == 0) l.at = i;
    }

    template <class List>
    [[nodiscard]] static int by_load(List const& nodes, node_index a, node_index b) {
        return detail::lighter(nodes[a], nodes[b]) ? -1 : detail::lighter(nodes[b], nodes[a]) ? 1 : 0;
    }

    template <class List>
    [[nodiscard]] int by_preference(List const& nodes, node_index a, node_index b) const {
        if (o_.prefer == slo_preference::cheapest) {
            auto const p = node_price(nodes[a]), q = node_price(nodes[b]);
            if (p.has_value() != q.has_value()) return p ? -1 : 1;
            if (p && *p != *q) return *p < *q ? -1 : 1;
        }
        return by_load(nodes, a, b);
    }

    template <class List, class Source>
    void count(List const& nodes, node_index i, duration left, time_point now, Source& rng, tally& t) const {
        if (!node_usable(nodes[i])) return;
        auto const e = expected(nodes, i, now);
        if (!e) {
            if (node_in_flight(nodes[i]) < o_.unknown_in_flight) ++t.unknown, t.an_unknown = i;
            else challenge(t.busy_unknown, i, t.busy_unknown.ties ? by_load(nodes, i, t.busy_unknown.at) : 0, rng);
        } else if (*e <= left) {
            ++t.in_time;
            if (o_.prefer == slo_preference::two_choices) t.preferred.at = i;
            else challenge(t.preferred, i, t.preferred.ties ? by_preference(nodes, i, t.preferred.at) : 0, rng);
        } else {
            int const comparison = *e < t.soonest_expected ? -1 : *e > t.soonest_expected ? 1 : 0;
            challenge(t.soonest, i, comparison, rng);
            if (t.soonest.at == i) t.soonest_expected = *e;
        }
    }

    template <class List, class Source>
    [[nodiscard]] slo_answer explored(List const& nodes, tally const& t, time_point now, Source& rng) const {
        auto k = uniform_below(rng, t.unknown);
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            auto const at = static_cast<node_index>(i);
            if (!node_usable(nodes[i]) || node_in_flight(nodes[i]) >= o_.unknown_in_flight || expected(nodes, at, now)) continue;
            if (k-- == 0) return {at, {}, false, slo_reason::explored};
        }
        return {t.an_unknown, {}, false, slo_reason::explored};  // others finished or began something meanwhile
    }

    template <class List, class Source>
    [[nodiscard]] node_index of_two(List const& nodes, tally const& t, duration left, time_point now, Source& rng) const {
        std::size_t const first = static_cast<std::size_t>(uniform_below(rng, t.in_time));
        std::size_t       second = first;
        if (t.in_time > 1) {
            second = static_cast<std::size_t>(uniform_below(rng, t.in_time - 1));
            if (second >= first) ++second;
        }
        node_index  a = t.preferred.at, b = a;  // where others finish or begin something meanwhile
        std::size_t k = 0;
        for (std::size_t i = 0, n = nodes.size(); i < n && k <= std::max(first, second); ++i) {
            auto const at = static_cast<node_index>(i);
            if (!node_usable(nodes[i])) continue;
            auto const e = expected(nodes, at, now);
            if (!e || *e > left) continue;
            if (k == first) a = at;
            if (k == second) b = at;
            ++k;
        }
        return detail::lighter(nodes[b], nodes[a]) ? b : a;
    }

    slo_aware_options o_;
    std::vector<stat> stats_;
};

}  // namespace sluice
