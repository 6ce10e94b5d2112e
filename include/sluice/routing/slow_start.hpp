// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// slow_start, slow_start_factor — a node that has just come, or come back, gets its share little by little.
///
/// Use it for     nodes with caches to fill or code to compile, and what returns from an ejection: round any balancer
/// Not for        a flood of work on few nodes (panic_threshold, priority_failover)
/// Thread-safety  choose: as the inner balancer's. restart, settle, warming: any thread, also during choose
/// Complexity     choose: the inner balancer's, and one power for each look at a node that is still warming (none with
///                aggression 1); by thinning up to `tries` of the inner balancer. No allocation after construction
/// Errors         constructor: std::invalid_argument names the option (NaN, infinity, 0), std::bad_alloc
/// Units          nanoseconds; factors in (0, 1]; shown weights are weight · resolution, rounded
/// Source         Envoy (slow_start_config); HAProxy (slowstart), which does not begin it at its own start
/// Differs        works round every balancer, not only round those that know weights
///
/// The factor at time t after restart(): max(least, (t / window)^(1 / aggression)); 1 after the window. Nodes are warm until
/// restart(position, now) is called for them: when a node joins, or is told to return from an ejection. So nothing is slow at
/// the balancer's own start, when all nodes are equally new. A time before the restart counts as t = 0.
///
///     by_weight   shows weight · resolution · factor, at least 1, to an inner balancer that heeds weights. All weights are
///                 multiplied alike; beyond 2^32 - 1 they stay there, so weights up to (2^32 - 1) / resolution keep their ratios
///     thinning    for one that ignores weights: what it chooses is taken with a probability of the factor, otherwise it chooses
///                 again; the last of the tries is taken whatever it is. So when most nodes are warming (or with turns, where
///                 the refused turn goes to the next in the row) their share is larger than the factor, and never nothing
///
/// A node has the same position as long as it is in the list. Positions that the constructor was not told of are warm.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

enum class slow_start_by : std::uint8_t { weight, thinning };

struct slow_start_options {
    duration      window = std::chrono::seconds(60);  ///< until a node has its whole share; > 0
    double        aggression = 1;     ///< 1: linear; > 1: more in the beginning; finite, > 0
    double        least = .1;         ///< the smallest factor; in (0, 1]
    slow_start_by by = slow_start_by::weight;
    std::uint32_t resolution = 1000;  ///< by weight: shown for a weight of 1; from 1 to 10^6
    std::uint32_t tries = 8;          ///< thinning: choices of the inner balancer, at most; > 0
};

/// The share of its weight that a node gets t after it came. Requires options that slow_start accepts.
[[nodiscard]] inline double slow_start_factor(duration t, slow_start_options const& o) noexcept {
    if (t.count() <= 0) return o.least;
    if (t >= o.window) return 1;
    double const part = static_cast<double>(t.count()) / static_cast<double>(o.window.count());
    return std::max(o.least, o.aggression == 1 ? part : std::pow(part, 1 / o.aggression));
}

// Ordering
//   (A) since    relaxed: a word that stands for itself; a choice made meanwhile sees the old or the new time

template <class Inner, template <class> class Atom = std::atomic>
class slow_start {
public:
    /// For positions below `nodes`.
    explicit slow_start(std::size_t nodes, slow_start_options options = {})
        requires std::default_initializable<Inner>
        : options_(checked(options)), since_(nodes), inner_() {}
    slow_start(std::size_t nodes, slow_start_options options, Inner inner)
        : options_(checked(options)), since_(nodes), inner_(std::move(inner)) {}

    /// The node at this position is new, or has returned. Requires position < nodes.
    void restart(node_index position, time_point now) noexcept {
        SLUICE_ASSERT(position < since_.size());
        auto const at = std::max(now.time_since_epoch().count(), warm + 1);
        since_[position].at.store(at, std::memory_order_relaxed);                  // (A)
    }
    /// It gets its whole share from now on. Requires position < nodes.
    void settle(node_index position) noexcept {
        SLUICE_ASSERT(position < since_.size());
        since_[position].at.store(warm, std::memory_order_relaxed);                // (A)
    }

    [[nodiscard]] double factor(std::size_t position, time_point now) const noexcept {
        if (position >= since_.size()) return 1;
        auto const at = since_[position].at.load(std::memory_order_relaxed);       // (A)
        return at == warm ? 1 : slow_start_factor(saturating_sub(now, time_point(duration(at))), options_);
    }
    [[nodiscard]] bool warming(std::size_t position, time_point now) const noexcept { return factor(position, now) < 1; }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        if (options_.by == slow_start_by::weight) return inner_.choose(node_view<List, show>(nodes, {this, now}), now, rng);
        for (std::uint32_t tries = options_.tries;;) {
            auto const chosen = inner_.choose(nodes, now, rng);
            if (!chosen || --tries == 0) return chosen;
            double const share = factor(*chosen, now);
            if (share >= 1 || uniform_real(rng) < share) return chosen;
        }
    }

    [[nodiscard]] Inner&       inner() noexcept { return inner_; }
    [[nodiscard]] Inner const& inner() const noexcept { return inner_; }

private:
    static constexpr std::int64_t warm = std::numeric_limits<std::int64_t>::min();

    struct start {
        Atom<std::int64_t> at{warm};
    };
    struct show {
        slow_start const* self;
        time_point        now;

        template <class N>
        [[nodiscard]] std::uint32_t weight(std::size_t i, N const& n) const noexcept {
            auto const   whole = detail::multiply_weight(node_weight(n), self->options_.resolution);
            double const share = self->factor(i, now);
            if (share >= 1 || whole == 0) return whole;
            return std::max(1u, static_cast<std::uint32_t>(static_cast<double>(whole) * share + .5));
        }
    };

    static slow_start_options checked(slow_start_options o) {
        detail::require_option(o.window.count() > 0, "slow_start: window (> 0 ns)", o.window.count());
        detail::require_option(o.aggression > 0 && o.aggression <= std::numeric_limits<double>::max(),
                               "slow_start: aggression (finite, > 0)", o.aggression);
        detail::require_option(o.least > 0 && o.least <= 1, "slow_start: least (in (0, 1])", o.least);
        detail::require_option(o.resolution > 0 && o.resolution <= 1'000'000, "slow_start: resolution (1 to 10^6)", o.resolution);
        detail::require_option(o.tries > 0, "slow_start: tries (> 0)", o.tries);
        return o;
    }

    slow_start_options options_;
    std::vector<start> since_;
    Inner              inner_;
};

}  // namespace sluice
