// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/cost_mix.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

using namespace std::chrono_literals;
using sluice::cost_mix;
using sluice::load_period;

namespace {

/// Half of a day 10, a quarter 20, a quarter 40.
std::vector<load_period> const day = {{12h, 10}, {6h, 20}, {6h, 40}};

double part(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// Greedy in another manner: the cheapest of all ways to split the need in one period, by trying all of them.
double cheapest_period(sluice::cost_mix_options const& o, std::uint32_t need, std::uint32_t reserved) {
    double best = std::numeric_limits<double>::infinity();
    auto const left = need > reserved ? need - reserved : 0;
    for (std::uint32_t spot = 0; spot <= std::min(left, o.spot_limit); ++spot) {
        if (static_cast<double>(need - spot) < o.reliable_share * need - 1e-9) break;
        for (std::uint32_t burst = 0; burst + spot <= std::min(left, spot + std::min(left - spot, o.burst_limit)); ++burst) {
            auto const rest = left - spot - burst;
            if (rest > o.on_demand_limit) continue;
            best =
                std::min(best, spot * o.spot_price / o.spot_availability + burst * o.burst_price + rest * o.on_demand_price);
        }
    }
    return best;
}

}  // namespace

TEST_CASE("cost_mix: reserve what is used long enough to pay", "[scaling][cost_mix][unit]") {
    // Reserved at 60 % of on demand: pays where used more than 60 % of the time. 10 are; 20 are used half of it.
    auto const plan = cost_mix({.reserved_price = .6, .on_demand_price = 1}).plan(day);
    REQUIRE(plan.reserved == 10);
    REQUIRE(plan.on_demand_hours == Approx(6 * 10 + 6 * 30));
    REQUIRE(plan.cost == Approx(24 * 10 * .6 + 240));
    REQUIRE(plan.all_on_demand_cost == Approx(480));
    REQUIRE(plan.idle_hours == 0);
    REQUIRE(plan.level == 40);
    REQUIRE((plan.within_budget && plan.within_limits));
    REQUIRE(cost_mix({.reserved_price = .4, .on_demand_price = 1}).plan(day).reserved == 20);
    REQUIRE(cost_mix({.reserved_price = .2, .on_demand_price = 1}).plan(day).reserved == 40);
    REQUIRE(cost_mix({.reserved_price = .2, .on_demand_price = 1}).plan(day).idle_hours == Approx(12 * 30 + 6 * 20));
    REQUIRE(cost_mix({.reserved_price = 1.1, .on_demand_price = 1}).plan(day).reserved == 0);
    REQUIRE(cost_mix({.reserved_price = .2, .on_demand_price = 1, .reserved_limit = 15}).plan(day).reserved == 15);
}

TEST_CASE("cost_mix: spot up to what may be taken away, burst where on demand ends", "[scaling][cost_mix][unit]") {
    sluice::cost_mix_options o{.reserved_price = .6,
                               .on_demand_price = 1,
                               .spot_price = .3,
                               .burst_price = 4,
                               .on_demand_limit = 10,
                               .spot_limit = 1000,
                               .burst_limit = 1000,
                               .reliable_share = .7};
    auto const m = cost_mix(o).mix(40, 10);
    REQUIRE(m.reserved == 10);
    REQUIRE(m.spot == 12);
    REQUIRE(m.on_demand == 10);
    REQUIRE(m.burst == 8);
    REQUIRE(m.served() == 40);
    o.reliable_share = 1;
    REQUIRE(cost_mix(o).mix(40, 10).spot == 0);
    o.reliable_share = 0;
    REQUIRE(cost_mix(o).mix(40, 10).spot == 30);
    o.spot_availability = .25;  // dearer than on demand
    REQUIRE(cost_mix(o).mix(40, 10).on_demand == 10);
    REQUIRE(cost_mix(o).mix(40, 10).spot == 20);
    REQUIRE(cost_mix(o).mix(0, 10).served() == 0);
}

TEST_CASE("cost_mix: no other number of reservations is cheaper", "[scaling][cost_mix][property]") {
    auto const numbers = test::keys(1'500, test::seed());
    for (std::size_t i = 0; i + 15 <= numbers.size(); i += 15) {
        sluice::cost_mix_options const o{.reserved_price = part(numbers[i]),
                                         .on_demand_price = part(numbers[i + 1]) + .2,
                                         .spot_price = part(numbers[i + 2]) * .5,
                                         .burst_price = part(numbers[i + 3]) * 3,
                                         .on_demand_limit = static_cast<std::uint32_t>(numbers[i + 4] % 30),
                                         .spot_limit = static_cast<std::uint32_t>(numbers[i + 5] % 10),
                                         .burst_limit = static_cast<std::uint32_t>(numbers[i + 6] % 10),
                                         .reliable_share = part(numbers[i + 7]),
                                         .spot_availability = .5 + part(numbers[i + 8]) / 2};
        std::vector<load_period> curve;
        std::uint32_t top = 0;
        for (std::size_t j = 9; j < 15; ++j) {
            curve.push_back(
                {std::chrono::minutes(numbers[i + j] % 500 + 1), static_cast<std::uint32_t>(numbers[i + j] >> 59)});
            top = std::max(top, curve.back().instances);
        }
        double best = std::numeric_limits<double>::infinity();
        for (std::uint32_t reserved = 0; reserved <= top; ++reserved) {
            double cost = 0;
            for (auto const& p : curve) {
                double const hours = static_cast<double>(p.length.count()) / 3.6e12;
                cost += hours * (reserved * o.reserved_price + cheapest_period(o, p.instances, reserved));
            }
            best = std::min(best, cost);
        }
        auto const plan = cost_mix(o).plan(curve);
        CAPTURE(i, plan.reserved);
        REQUIRE(plan.within_limits);
        REQUIRE(plan.unserved_hours == 0);
        REQUIRE(plan.cost == Approx(best).margin(1e-12));

        // Half of the money: the plan keeps to it, and one instance more would not.
        auto less = o;
        less.budget = plan.cost / 2;
        auto const cut = cost_mix(less).plan(curve);
        REQUIRE(cut.cost <= less.budget);
        if (plan.cost > 0) {
            REQUIRE_FALSE(cut.within_budget);
            REQUIRE(cut.level < top);
            auto capped = curve;
            for (auto& p : capped) p.instances = std::min(p.instances, cut.level + 1);
            REQUIRE(cost_mix(o).plan(capped).cost > less.budget);
        }
    }
}

TEST_CASE("cost_mix: what limits and budget leave over is reported", "[scaling][cost_mix][unit]") {
    auto const tight =
        cost_mix({.reserved_price = 1, .on_demand_price = 1, .reserved_limit = 5, .on_demand_limit = 25}).plan(day);
    REQUIRE_FALSE(tight.within_limits);
    REQUIRE(tight.within_budget);
    REQUIRE(tight.unserved_hours == Approx(60));
    REQUIRE(tight.reserved == 5);
    auto const broke = cost_mix({.reserved_price = 1, .on_demand_price = 1, .budget = 0}).plan(day);
    REQUIRE(broke.level == 0);
    REQUIRE(broke.cost == 0);
    REQUIRE(broke.unserved_hours == Approx(480));
    REQUIRE_FALSE(broke.within_budget);
    REQUIRE(broke.within_limits);
    REQUIRE(cost_mix({.reserved_price = 0, .on_demand_price = 1, .budget = 0}).plan(day).within_budget);
    std::vector<load_period> const nothing = {{1h, 0}};
    REQUIRE(cost_mix({.reserved_price = 1, .on_demand_price = 1}).plan(nothing).cost == 0);
    std::vector<load_period> const huge = {{1h, UINT32_MAX}, {1h, 0}};
    REQUIRE(cost_mix({.reserved_price = .4, .on_demand_price = 1}).plan(huge).reserved == UINT32_MAX);
}

TEST_CASE("cost_mix: what it cannot work with is refused by name and value", "[scaling][cost_mix][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    for (double bad : {-1., no_number, infinity}) {
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = bad, .on_demand_price = 1}), std::invalid_argument);
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = 1, .spot_price = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = 1, .burst_price = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = 1, .reliable_share = bad}),
                          std::invalid_argument);
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = 1, .spot_availability = bad}),
                          std::invalid_argument);
    }
    for (double bad : {-1., no_number})
        REQUIRE_THROWS_AS(cost_mix({.reserved_price = 1, .on_demand_price = 1, .budget = bad}), std::invalid_argument);
    cost_mix const fine({.reserved_price = 1, .on_demand_price = 1});
    std::vector<load_period> const none;
    std::vector<load_period> const backward = {{-1h, 3}};
    REQUIRE_THROWS_WITH(fine.plan(none), test::contains("cost_mix: periods in the curve (> 0) is 0"));
    REQUIRE_THROWS_WITH(fine.plan(backward), test::contains("cost_mix: length of a period (> 0 ns) is -3.6e+12"));
}
