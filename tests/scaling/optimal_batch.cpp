// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/optimal_batch.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::batch_cost_per_second;
using sluice::duration;
using sluice::optimal_batch;
using sluice::per;
using sluice::per_second;
using sluice::stable_batch;

TEST_CASE("optimal_batch: published optima", "[scaling][optimal_batch][unit]") {
    auto const classic = optimal_batch({.arrival_rate = per_second(10'000), .setup_cost = 100, .holding_cost = 2});
    REQUIRE(classic.size == 1000);
    REQUIRE(classic.whole == 1000);
    REQUIRE(classic.cost_per_second == 2000);
    REQUIRE_FALSE(classic.bound_by_stability);
    REQUIRE(optimal_batch({per_second(1000), 5, .01}).size == Approx(1000));
    REQUIRE(optimal_batch({per_second(1000), 5, .01}).whole == 1000);  // sqrt(setup · holding) would be .22
    REQUIRE(optimal_batch({per_second(100), 2, .5}).size == Approx(28.284271));
    REQUIRE(optimal_batch({per_second(100), 2, .5}).whole == 28);
    REQUIRE(optimal_batch({per_second(10'000), .02, 1}).size == Approx(20));
    REQUIRE(optimal_batch({per_second(10'000), .02, 1}).whole == 20);
}

TEST_CASE("optimal_batch: no neighbour is cheaper", "[scaling][optimal_batch][property]") {
    auto const numbers = test::keys(3'000, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        sluice::batch_costs const costs{per_second(numbers[i] % 10'000 + 1), static_cast<double>(numbers[i + 1] % 1000) / 64,
                                        static_cast<double>(numbers[i + 2] % 1000 + 1) / 64};
        auto const best = optimal_batch(costs);
        auto const size = static_cast<double>(best.whole);
        CAPTURE(costs.arrival_rate.count(), costs.setup_cost, costs.holding_cost, best.whole);
        REQUIRE(best.whole >= 1);
        REQUIRE(best.cost_per_second == Approx(batch_cost_per_second(costs, size)));
        REQUIRE(best.cost_per_second <= batch_cost_per_second(costs, size + 1) * (1 + 1e-15));
        if (best.whole > 1) REQUIRE(best.cost_per_second <= batch_cost_per_second(costs, size - 1) * (1 + 1e-15));
        if (best.size >= 1) REQUIRE(std::abs(size - best.size) <= 1);
    }
}

TEST_CASE("optimal_batch: where something is free", "[scaling][optimal_batch][unit]") {
    REQUIRE(optimal_batch({per_second(10), 0, 1}).whole == 1);
    REQUIRE(optimal_batch({per_second(10), 0, 0}).whole == 1);
    auto const endless = optimal_batch({per_second(10), 1, 0});
    REQUIRE(std::isinf(endless.size));
    REQUIRE(endless.whole == std::uint64_t{1} << 62);
    REQUIRE(endless.cost_per_second < 1e-17);
    REQUIRE(optimal_batch({per_second(10), 1e300, 1e-300}).whole == std::uint64_t{1} << 62);
}

TEST_CASE("optimal_batch: the least batch that keeps up", "[scaling][optimal_batch][unit]") {
    STATIC_REQUIRE(stable_batch(per_second(1000), 0s, 999us) == 1u);
    STATIC_REQUIRE(!stable_batch(per_second(1000), 0s, 1ms));
    STATIC_REQUIRE(!stable_batch(per_second(1000), 5ms, 2ms));
    STATIC_REQUIRE(stable_batch(per_second(1000), 10ms, 500us) == 21u);  // > 10/(1 - .5) = 20
    STATIC_REQUIRE(stable_batch(per_second(1000), 10ms, 0us) == 11u);
    STATIC_REQUIRE(stable_batch(per_second(3), 1s, 333'333'333ns) == 3'000'000'001u);
    STATIC_REQUIRE(stable_batch(per(INT64_MAX, 1ns), duration::max(), 0ns) == UINT64_MAX);

    // The cheapest, 20, would not keep up.
    sluice::batch_costs const costs{per_second(10'000), .02, 1};
    auto const bound = optimal_batch(costs, 5ms, 50us).value();
    REQUIRE(bound.whole == 101);
    REQUIRE(bound.bound_by_stability);
    REQUIRE(bound.cost_per_second == Approx(batch_cost_per_second(costs, 101)));
    REQUIRE(bound.size == Approx(20));
    auto const unbound = optimal_batch(costs, 500us, 50us).value();
    REQUIRE(unbound.whole == 20);
    REQUIRE_FALSE(unbound.bound_by_stability);
    REQUIRE_FALSE(optimal_batch(costs, 5ms, 100us));
}

TEST_CASE("optimal_batch: what it cannot work with is refused by name and value", "[scaling][optimal_batch][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(optimal_batch({per_second(1), -1, 1}), test::contains("batch: setup_cost (>= 0) is -1"));
    REQUIRE_THROWS_WITH(optimal_batch({per_second(1), 1, -2}), test::contains("batch: holding_cost (>= 0) is -2"));
    REQUIRE_THROWS_WITH(stable_batch(per_second(1), -1ns, 0ns), test::contains("stable_batch: setup_time (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(stable_batch(per_second(1), 0ns, -1ns), test::contains("stable_batch: item_time (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(batch_cost_per_second({per_second(1), 1, 1}, 0), test::contains("batch: size (> 0) is 0"));
    for (double bad : {no_number, infinity}) {
        REQUIRE_THROWS_AS(optimal_batch({per_second(1), bad, 1}), std::invalid_argument);
        REQUIRE_THROWS_AS(optimal_batch({per_second(1), 1, bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(batch_cost_per_second({per_second(1), 1, 1}, bad), std::invalid_argument);
    }
}
