// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/early_refresh.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <limits>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::early_refresh;

namespace {

/// Gives one number again and again.
struct constant {
    using result_type = std::uint64_t;
    std::uint64_t value;
    std::uint64_t operator()() noexcept { return value; }
    static constexpr std::uint64_t min() { return 0; }
    static constexpr std::uint64_t max() { return UINT64_MAX; }
};

}  // namespace

TEST_CASE("early_refresh: the chance is exp(-ttl / (beta delta))", "[flow][early_refresh][law]") {
    for (double const beta : {.5, 1.0, 2.0}) {
        early_refresh const early({.beta = beta});
        for (auto const ttl : {1ms, 50ms, 100ms, 200ms, 300ms, 500ms, 900ms}) {
            auto const exact = std::exp(-static_cast<double>(duration(ttl).count()) / (beta * 1e8));
            REQUIRE(early.probability(ttl, 100ms) == Approx(exact));
            // Every 1/20 000 quantile of U once: the share that refreshes is the probability to within one of them.
            int refreshed = 0;
            for (std::uint64_t i = 0; i < 20'000; ++i) {
                constant u{(2 * i + 1) * (UINT64_MAX / 40'000)};
                refreshed += early.should_refresh(ttl, 100ms, u) ? 1 : 0;
            }
            REQUIRE(std::abs(refreshed / 20'000.0 - exact) < 1.01 / 20'000);
        }
    }
}

TEST_CASE("early_refresh: long before its time nobody refreshes", "[flow][early_refresh][unit]") {
    early_refresh const early;
    REQUIRE(early.probability(1s, 1s) == Approx(.367879));
    REQUIRE(early.probability(3s, 1s) == Approx(.049787));
    REQUIRE(early.probability(5s, 1s) == Approx(.006738));
    REQUIRE(early.probability(25s, 1s) == Approx(1.3888e-11).epsilon(1e-4));  // not 4 %
    sluice::xoshiro256ss random(test::seed());
    int                  n = 0;
    for (int i = 0; i < 100'000; ++i) n += early.should_refresh(25s, 1s, random) ? 1 : 0;
    REQUIRE(n == 0);
}

TEST_CASE("early_refresh: at the ends of its parameters it stays finite", "[flow][early_refresh][unit]") {
    early_refresh const early;
    constant            lowest{0}, highest{UINT64_MAX};
    REQUIRE_FALSE(early.should_refresh(1ns, duration::max(), lowest));   // ln 1: no early refresh at all
    REQUIRE(early.should_refresh(36s, 1s, highest));                     // the least U is 2^-53: 36.7 deltas
    REQUIRE_FALSE(early.should_refresh(37s, 1s, highest));
    REQUIRE(early.should_refresh(0ns, 1s, lowest));                      // its time is over
    REQUIRE(early.should_refresh(-1s, 1s, lowest));
    REQUIRE(early.should_refresh(duration::min(), 0s, lowest));
    REQUIRE_FALSE(early.should_refresh(1ns, 0s, highest));
    REQUIRE_FALSE(early.should_refresh(1ns, -1s, highest));
    REQUIRE(early.should_refresh(duration::max(), duration::max(), highest));
    REQUIRE(early.probability(0ns, 0s) == 1);
    REQUIRE(early.probability(1ns, 0s) == 0);
    REQUIRE(early.probability(1s, -1s) == 0);
    REQUIRE(early.probability(duration::max(), 1ns) == 0);
}

TEST_CASE("early_refresh: a beta that cannot work is refused by name", "[flow][early_refresh][unit]") {
    for (double const beta : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
        REQUIRE_THROWS_WITH(early_refresh({.beta = beta}), test::contains("early_refresh: beta"));
}
