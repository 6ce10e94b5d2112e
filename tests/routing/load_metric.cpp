// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/peak_ewma.hpp>

#include "routing/balancer_laws.hpp"

#include <chrono>
#include <cmath>
#include <limits>

using sluice::load_per_weight;
using sluice::time_point;
using test::server;

static_assert(sluice::load_metric<sluice::in_flight_load, server>);
static_assert(sluice::load_metric<sluice::in_flight_load, server const*>);
static_assert(!sluice::load_metric<int, server>);

TEST_CASE("load_metric: load per weight is compared exactly", "[routing][load_metric][unit]") {
    sluice::in_flight_load const load;
    time_point const             now{};
    REQUIRE(load(server{.weight = 2}, now) < load(server{.weight = 1}, now));                      // 1/2 < 1
    REQUIRE_FALSE(load(server{.weight = 2, .in_flight = 3}, now) < load(server{.in_flight = 1}, now));  // 4/2 = 2/1
    REQUIRE_FALSE(load(server{.in_flight = 1}, now) < load(server{.weight = 2, .in_flight = 3}, now));
    REQUIRE(load(server{.in_flight = UINT32_MAX}, now).load == (std::uint64_t{1} << 32));           // no overflow to 0
    REQUIRE(load_per_weight{UINT64_MAX - 1, UINT32_MAX} < load_per_weight{UINT64_MAX, UINT32_MAX});
    REQUIRE(load_per_weight{UINT64_MAX, UINT32_MAX} < load_per_weight{UINT64_MAX, UINT32_MAX - 1});
    REQUIRE(load_per_weight{3'000'000'007, 3} < load_per_weight{1'000'000'003, 1});
}

TEST_CASE("load_metric: logarithms put waits in the order of their costs", "[routing][load_metric][property]") {
    struct node {
        sluice::peak_ewma<>         latency{time_point{}};
        std::uint32_t               weight = 1, in_flight = 0;
    };
    sluice::latency_load const load;
    sluice::xoshiro256ss       rng(test::seed());
    for (int n = 0; n < 2000; ++n) {
        node a, b;
        for (auto* x : {&a, &b}) {
            x->latency.record(sluice::duration(static_cast<std::int64_t>(1 + (rng() >> (24 + rng() % 38)))), time_point{});
            x->weight = static_cast<std::uint32_t>(1 + rng() % 100);
            x->in_flight = static_cast<std::uint32_t>(rng() % 100);
        }
        auto const cost = [](node const& x) {
            return static_cast<double>(x.latency.cost(time_point{}, x.in_flight)) / x.weight;
        };
        if (cost(a) < cost(b) * (1 - 1e-8) && a.latency.cost(time_point{}, 0) > 100'000'000)
            REQUIRE(load(a, time_point{}) < load(b, time_point{}));
        REQUIRE_FALSE(load(a, time_point{}) < load(a, time_point{}));
    }
    node idle, busy;  // long ago: 1 ns each, and the fewer in flight first
    busy.in_flight = 3;
    auto const late = time_point(std::chrono::hours(5));
    REQUIRE(load(idle, late) < load(busy, late));
}

TEST_CASE("load_metric: utilisation that is not a number is the highest", "[routing][load_metric][unit]") {
    struct field {
        double utilization;
    };
    struct function {
        double               u;
        [[nodiscard]] double utilization() const { return u; }
    };
    sluice::utilization_load const load;
    REQUIRE(load(field{.5}, {}) < load(function{.75}, {}));
    REQUIRE(std::isinf(load(field{std::numeric_limits<double>::quiet_NaN()}, {})));
}
