// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/instances_for.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::instances_for;
using sluice::per;
using sluice::per_second;
using sluice::detail::fraction_of;
using sluice::detail::natural;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("instances_for: exact where doubles are one too many", "[scaling][instances_for][unit]") {
    STATIC_REQUIRE(instances_for(per_second(1000), 100ms, .7) == 143);
    STATIC_REQUIRE(instances_for(per_second(600), 70ms, .7) == 60);
    STATIC_REQUIRE(instances_for(per_second(70), 10ms, .7) == 1);
    STATIC_REQUIRE(instances_for(per_second(3), 100ms, .1) == 3);
    STATIC_REQUIRE(instances_for(per_second(600), 70ms, .7f) == 60);
    STATIC_REQUIRE(instances_for(per_second(600), 70ms, .7L) == 60);
    STATIC_REQUIRE(instances_for(per_second(3), 1s, 1.0 / 3) == 9);
    STATIC_REQUIRE(instances_for(per_second(7), 1s, 1) == 7);
    STATIC_REQUIRE(instances_for(per_second(7), 0s, .5) == 0);
    STATIC_REQUIRE(instances_for(per_second(7), 1s + 1ns, 1.0) == 8);
    STATIC_REQUIRE(instances_for(per(1, 1h), 1ns, 1.0) == 1);
    STATIC_REQUIRE(instances_for(per(INT64_MAX, 1ns), duration::max(), 1e-9) == UINT32_MAX);
    STATIC_REQUIRE(instances_for(per(INT64_MAX, duration::max()), duration(3), 1e-300) == UINT32_MAX);
    STATIC_REQUIRE(instances_for(per(INT64_MAX, duration::max()), duration(UINT32_MAX), 1.0) == UINT32_MAX);
    STATIC_REQUIRE(instances_for(per(INT64_MAX, duration::max()), duration(UINT32_MAX - 1), 1.0) == UINT32_MAX - 1);
    // The rule of 70 % at both ends.
    STATIC_REQUIRE(instances_for(per_second(10), 100ms, .7) == 2);
    STATIC_REQUIRE(instances_for(per_second(10'000), 100ms, .7) == 1429);
}

TEST_CASE("instances_for: every round number comes out as by hand", "[scaling][instances_for][property]") {
    int naive_is_wrong = 0;
    for (std::int64_t arrivals = 10; arrivals <= 1200; arrivals += 10)
        for (std::int64_t milliseconds = 10; milliseconds <= 100; milliseconds += 10)
            for (std::int64_t percent = 10; percent <= 100; percent += 15) {
                std::int64_t const over = arrivals * milliseconds * 100;
                std::int64_t const under = 1000 * percent;
                auto const exact = static_cast<std::uint32_t>((over + under - 1) / under);
                double const utilisation = static_cast<double>(percent) / 100;
                CAPTURE(arrivals, milliseconds, percent);
                REQUIRE(instances_for(per_second(arrivals), std::chrono::milliseconds(milliseconds), utilisation) == exact);
                REQUIRE(instances_for(static_cast<double>(arrivals) * (static_cast<double>(milliseconds) / 1000),
                                      utilisation) == exact);
                double const naive =
                    std::ceil(static_cast<double>(arrivals) * (static_cast<double>(milliseconds) / 1000) / utilisation);
                naive_is_wrong += naive != exact;
            }
    REQUIRE(naive_is_wrong > 100);
}

TEST_CASE("instances_for: it is the least number at or below the utilisation", "[scaling][instances_for][property]") {
    auto const numbers = test::keys(9'000, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const arrivals = per((numbers[i] >> (34 + numbers[i] % 20)) + 1, 1s);
        auto const service = duration(static_cast<std::int64_t>(numbers[i + 1] >> 30));
        std::uint64_t const under = numbers[i + 2] % 999 + 1;
        std::uint64_t const over = (numbers[i + 2] >> 32) % under + 1;
        double const utilisation = static_cast<double>(over) / static_cast<double>(under);
        CAPTURE(arrivals.count(), arrivals.period().count(), service.count(), over, under);
        auto const n = instances_for(arrivals, service, utilisation);
        if (n == UINT32_MAX) continue;
        // n · over/under >= count · service / period
        auto const need =
            natural(static_cast<std::uint64_t>(arrivals.count())) * static_cast<std::uint64_t>(service.count()) * under;
        auto const each = natural(static_cast<std::uint64_t>(arrivals.period().count())) * over;
        REQUIRE_FALSE(each * n < need);
        if (n > 0) REQUIRE(each * (n - 1) < need);
    }
}

TEST_CASE("instances_for: a double stands for the simplest fraction it can be", "[scaling][instances_for][property]") {
    for (std::uint64_t under = 1; under <= 500; ++under)
        for (std::uint64_t over = 1; over <= under; ++over) {
            auto const divisor = std::gcd(over, under);
            auto const f = fraction_of(static_cast<double>(over) / static_cast<double>(under));
            if (f.over != over / divisor || f.under != under / divisor) FAIL(over << "/" << under);
        }
    for (auto [x, over, under] : {std::tuple{.001, 1u, 1000u}, {1e-6, 1u, 1'000'000u}, {.0012, 12u, 10'000u}}) {
        auto const f = fraction_of(x);
        REQUIRE(f.over * under == f.under * over);
    }
    REQUIRE(fraction_of(1e-9).under == 1'000'000'000);
    auto const numbers = test::keys(2'000, test::seed());
    for (auto const bits : numbers) {
        double const x = std::ldexp(static_cast<double>((bits >> 11) + 1), -53 - static_cast<int>(bits % 40));
        auto const f = fraction_of(x);
        CAPTURE(x, f.over, f.under);
        REQUIRE(f.over >= 1);
        double const back = static_cast<double>(f.over) / static_cast<double>(f.under);
        if (x >= 0x1p-9) REQUIRE(back == x);
        else REQUIRE(back == Approx(x).epsilon(1e-6));
    }
}

TEST_CASE("instances_for: from a measured load", "[scaling][instances_for][unit]") {
    STATIC_REQUIRE(instances_for(0.0, .7) == 0);
    STATIC_REQUIRE(instances_for(42.0, .7) == 60);
    STATIC_REQUIRE(instances_for(100.0, .7) == 143);
    STATIC_REQUIRE(instances_for(5.0, 1) == 5);
    STATIC_REQUIRE(instances_for(5.0001, 1) == 6);
    STATIC_REQUIRE(instances_for(1e300, .5) == UINT32_MAX);
    STATIC_REQUIRE(instances_for(1e-300, 1.0) == 1);
    REQUIRE(instances_for(1e300, 1e-300) == UINT32_MAX);
}

TEST_CASE("instances_for: what it cannot work with is refused by name and value", "[scaling][instances_for][unit]") {
    REQUIRE_THROWS_WITH(instances_for(per_second(1), 1s, 0.0),
                        test::contains("instances_for: utilisation (> 0, <= 1) is 0"));
    REQUIRE_THROWS_WITH(instances_for(per_second(1), 1s, 1.5), test::contains("is 1.5"));
    REQUIRE_THROWS_WITH(instances_for(per_second(1), -1ns, .5), test::contains("service_time (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(instances_for(-1.0, .5), test::contains("instances_for: load (>= 0 erlangs) is -1"));
    REQUIRE_THROWS_AS(instances_for(per_second(1), 1s, 2), std::invalid_argument);
    for (double bad : {0., -.5, 1.0000001, no_number, infinity}) {
        REQUIRE_THROWS_AS(instances_for(per_second(1), 1s, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(instances_for(1.0, bad), std::invalid_argument);
    }
    for (double bad : {no_number, infinity}) REQUIRE_THROWS_AS(instances_for(bad, .5), std::invalid_argument);
    REQUIRE_THROWS_AS(instances_for(per_second(0), 1s, .5), std::invalid_argument);
}
