// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cost_mix — how many instances to reserve, and what to buy on top, for a load that goes up and down.
///
/// Use it for     a load curve (say, instances needed in each hour of a week) against four price lists, a budget, and a
///                share of the need that must not be taken away
/// Not for        the decision in the moment: this plans with a known curve
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(periods · log(largest need)), times another such logarithm where the budget is too small. No allocation
/// Errors         std::invalid_argument names parameter and value: an empty curve, prices < 0 or NaN, shares outside
///                0 … 1, a period <= 0. What limits or budget leave unserved is reported, not thrown
/// Units          prices per instance and hour. Reserved instances are paid all the time, the others while they are used;
///                spot instances may be taken away at any time and count for `spot_availability` of one while they are paid
///
/// The optimum is exact: with all else bought cheapest first in each period, the cost is convex in the number reserved.

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace sluice {

struct load_period {
    duration length;         ///< > 0
    std::uint32_t instances;  ///< needed throughout it
};

inline constexpr std::uint32_t no_instance_limit = UINT32_MAX;

struct cost_mix_options {
    double reserved_price;
    double on_demand_price;
    double spot_price = 0;   ///< looked at only where spot_limit > 0; likewise burst
    double burst_price = 0;  ///< functions, containers by the second: no start-up, dear
    std::uint32_t reserved_limit = no_instance_limit;
    std::uint32_t on_demand_limit = no_instance_limit;
    std::uint32_t spot_limit = 0;
    std::uint32_t burst_limit = 0;
    double reliable_share = 1;     ///< of each period's need, on anything but spot; 1 buys no spot at all
    double spot_availability = 1;  ///< > 0, <= 1
    double budget = std::numeric_limits<double>::infinity();  ///< for the whole curve; >= 0
};

/// What runs in one period. Serves `served()` of the need.
struct instance_mix {
    std::uint32_t reserved = 0;  ///< in use; what else is reserved stands idle
    std::uint32_t spot = 0;      ///< instances' worth; bought are 1/spot_availability as many in the mean
    std::uint32_t on_demand = 0;
    std::uint32_t burst = 0;

    [[nodiscard]] constexpr std::uint64_t served() const noexcept {
        return std::uint64_t{reserved} + spot + on_demand + burst;
    }
};

struct cost_mix_plan {
    std::uint32_t reserved;        ///< instances, all the time
    std::uint32_t level;           ///< most instances served in any period: the largest need, unless the budget is too small
    double cost;                   ///< of the whole curve
    double all_on_demand_cost;     ///< the same need at the on-demand price alone, for comparison
    double reserved_hours;         ///< paid
    double idle_hours;             ///< of those, not used
    double spot_hours;             ///< instances' worth, as are the next two
    double on_demand_hours;
    double burst_hours;
    double unserved_hours;         ///< needed, but beyond limits or budget
    bool within_limits;            ///< limits and reliable_share left nothing unserved
    bool within_budget;            ///< the budget left nothing unserved
};

class cost_mix {
public:
    explicit constexpr cost_mix(cost_mix_options o) : o_(o) {
        price("cost_mix: reserved_price (>= 0)", o.reserved_price);
        price("cost_mix: on_demand_price (>= 0)", o.on_demand_price);
        price("cost_mix: spot_price (>= 0)", o.spot_price);
        price("cost_mix: burst_price (>= 0)", o.burst_price);
        detail::require_number(o.reliable_share >= 0 && o.reliable_share <= 1, "cost_mix: reliable_share (0 to 1)",
                               o.reliable_share);
        detail::require_number(o.spot_availability > 0 && o.spot_availability <= 1,
                               "cost_mix: spot_availability (> 0, <= 1)", o.spot_availability);
        detail::require_number(detail::is_finite(o.spot_price / o.spot_availability),
                               "cost_mix: spot_availability (> 0, not too small)", o.spot_availability);
        detail::require_number(o.budget >= 0, "cost_mix: budget (>= 0)", o.budget);
    }

    /// The cheapest plan that serves as much as limits and budget allow. Where the budget is too small, the need is cut off
    /// at the highest level that it pays for.
    [[nodiscard]] constexpr cost_mix_plan plan(std::span<load_period const> curve) const {
        detail::require_number(!curve.empty(), "cost_mix: periods in the curve (> 0)", 0);
        std::uint32_t top = 0;
        for (auto const& p : curve) {
            detail::require_number(p.length.count() > 0, "cost_mix: length of a period (> 0 ns)",
                                   static_cast<double>(p.length.count()));
            top = std::max(top, p.instances);
        }
        auto best = cheapest(curve, top);
        best.within_limits = !(best.unserved_hours > 0);
        if (best.cost <= o_.budget) return best;
        std::uint32_t low = 0;  // affordable: serving nothing costs nothing
        std::uint32_t high = top;
        while (high - low > 1) {
            std::uint32_t const middle = low + (high - low) / 2;
            if (cheapest(curve, middle).cost <= o_.budget) low = middle;
            else high = middle;
        }
        auto less = cheapest(curve, low);
        less.within_limits = best.within_limits;
        less.within_budget = false;
        return less;
    }

    /// What serves `need` where `reserved` are there anyway: those first, then the cheapest.
    [[nodiscard]] constexpr instance_mix mix(std::uint32_t need, std::uint32_t reserved) const noexcept {
        instance_mix m;
        std::uint32_t left = need;
        auto const take = [&left](std::uint32_t& kind, std::uint32_t most) {
            kind = std::min(left, most);
            left -= kind;
        };
        take(m.reserved, reserved);
        // At most three kinds, cheapest first; on equal prices the more reliable.
        double const spot = o_.spot_price / o_.spot_availability;
        bool const spot_before_on_demand = spot < o_.on_demand_price;
        bool const spot_before_burst = spot < o_.burst_price;
        bool const burst_before_on_demand = o_.burst_price < o_.on_demand_price;
        std::uint32_t const most_spot = std::min(o_.spot_limit, unreliable(need));
        for (int place = 0; place < 3; ++place) {
            if (place == (spot_before_on_demand ? 0 : 1) + (spot_before_burst ? 0 : 1)) take(m.spot, most_spot);
            if (place == (burst_before_on_demand ? 0 : 1) + (spot_before_burst ? 1 : 0)) take(m.burst, o_.burst_limit);
            if (place == (burst_before_on_demand ? 1 : 0) + (spot_before_on_demand ? 1 : 0))
                take(m.on_demand, o_.on_demand_limit);
        }
        return m;
    }

private:
    static constexpr void price(char const* name_and_range, double value) {
        detail::require_number(value >= 0 && detail::is_finite(value), name_and_range, value);
    }

    /// Instances of a need that may be spot: rounded down, but for what rounding alone took away.
    [[nodiscard]] constexpr std::uint32_t unreliable(std::uint32_t need) const noexcept {
        return static_cast<std::uint32_t>(static_cast<double>(need) * (1 - o_.reliable_share) + 1e-9);
    }

    [[nodiscard]] constexpr cost_mix_plan evaluate(std::span<load_period const> curve, std::uint32_t level,
                                                   std::uint32_t reserved) const noexcept {
        cost_mix_plan p{};
        p.reserved = reserved;
        p.level = level;
        p.within_limits = p.within_budget = true;
        for (auto const& period : curve) {
            double const hours = static_cast<double>(period.length.count()) / 3.6e12;
            std::uint32_t const need = std::min(period.instances, level);
            auto const m = mix(need, reserved);
            p.reserved_hours += hours * reserved;
            p.idle_hours += hours * (reserved - m.reserved);
            p.spot_hours += hours * m.spot;
            p.on_demand_hours += hours * m.on_demand;
            p.burst_hours += hours * m.burst;
            p.unserved_hours += hours * static_cast<double>(period.instances - m.served());
            p.all_on_demand_cost += hours * period.instances * o_.on_demand_price;
        }
        p.cost = p.reserved_hours * o_.reserved_price + p.spot_hours * (o_.spot_price / o_.spot_availability) +
                 p.on_demand_hours * o_.on_demand_price + p.burst_hours * o_.burst_price;
        return p;
    }

    [[nodiscard]] constexpr cost_mix_plan cheapest(std::span<load_period const> curve, std::uint32_t level) const noexcept {
        // At least so many that nothing is unserved which reservations could serve: unserved falls with them.
        std::uint32_t least = 0;
        for (auto const& period : curve) {
            std::uint32_t const need = std::min(period.instances, level);
            auto const others = mix(need, 0).served();
            least = std::max(least, static_cast<std::uint32_t>(need - others));
        }
        least = std::min(least, o_.reserved_limit);
        // The first number from which one more does not save anything.
        std::uint32_t low = least;
        std::uint32_t high = std::max(least, std::min(level, o_.reserved_limit));
        while (low < high) {
            std::uint32_t const middle = low + (high - low) / 2;
            if (evaluate(curve, level, middle + 1).cost < evaluate(curve, level, middle).cost) low = middle + 1;
            else high = middle;
        }
        return evaluate(curve, level, low);
    }

    cost_mix_options o_;
};

}  // namespace sluice
