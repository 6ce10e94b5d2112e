// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/erlang.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

using sluice::engset;
using sluice::erlang_b;
using sluice::erlang_c;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

/// The recursion as it is printed.
double plain_b(std::uint32_t servers, double load) {
    long double b = 1;
    for (std::uint32_t k = 1; k <= servers; ++k) b = load * b / (k + load * b);
    return static_cast<double>(b);
}

}  // namespace

TEST_CASE("erlang: B and C of a published table", "[scaling][erlang][unit]") {
    struct row {
        std::uint32_t servers;
        double load, b, c;
    };
    for (auto const& [servers, load, b, c] : {row{1, .5, .3333333333, .5},
                                              {2, 5.0 / 7, .1295336788, .1879699248},
                                              {2, 1, .2, .3333333333},
                                              {3, 2, .2105263158, .4444444444},
                                              {8, 6, .12187578, .35698109},
                                              {10, 8, .1216610643, .4091801508},
                                              {10, 9, .1679632263, .6687315241},
                                              {20, 18, .1092128459, .5507690048},
                                              {100, 90, .0269573805, .2169404809},
                                              {143, 100, 9.651780346e-6, 3.20970607e-5},
                                              {196, 180, .0160462828, .1665087},
                                              {200, 180, .0103249952, .0944712182},
                                              {1000, 950, .0036492937, .0682534154}}) {
        CAPTURE(servers, load);
        REQUIRE(erlang_b(servers, load) == Approx(b).epsilon(5e-8));
        REQUIRE(erlang_c(servers, load) == Approx(c).epsilon(5e-8));
    }
    REQUIRE(erlang_b(201, 180) == Approx(.00916).margin(.000005));
    REQUIRE(erlang_c(10, 6) == Approx(.10).margin(.005));
    STATIC_REQUIRE(erlang_b(1, 1) == .5);
    STATIC_REQUIRE(erlang_c(4, 4) == 1);
}

TEST_CASE("erlang: many servers, small and large loads keep their digits", "[scaling][erlang][unit]") {
    // By the recursion in forty decimals.
    REQUIRE(erlang_b(1'000'000, 999'000) == Approx(.0002874213757768).epsilon(1e-11));
    REQUIRE(erlang_c(1'000'000, 999'000) == Approx(.2233033902913440).epsilon(1e-11));
    REQUIRE(erlang_b(100'000, 100'000) == Approx(.002518893423546907).epsilon(1e-12));
    REQUIRE(erlang_b(100'000, 200'000) == Approx(.5000049998000160).epsilon(1e-14));
    REQUIRE(erlang_b(100'000, 90'000) == Approx(1.980034096359060e-236).epsilon(1e-9));
    REQUIRE(erlang_b(3, .001) == Approx(1.665000833055694e-10).epsilon(1e-14));
    REQUIRE(erlang_c(1000, 999.999) == Approx(.9999606973318141).epsilon(1e-9));
    REQUIRE(erlang_b(200, 1) == 0);  // below the smallest double
    REQUIRE(erlang_c(200, 1) == 0);
    // Where a^c / c! is beyond the range.
    REQUIRE(std::isfinite(erlang_b(200, 171)));
    REQUIRE(erlang_b(1000, 950) > 0);
    REQUIRE(erlang_b(UINT32_MAX, 4e9) == 0);
    REQUIRE(erlang_b(UINT32_MAX, 4.294967295e9) == Approx(std::sqrt(2 / (3.14159265358979 * 4.294967295e9))).epsilon(1e-3));
    REQUIRE(erlang_b(5, 1e300) == 1);
    REQUIRE(erlang_b(5, 1e-320) == 0);
}

TEST_CASE("erlang: B is the plain recursion, whatever the arguments", "[scaling][erlang][property]") {
    auto const numbers = test::keys(2'000, test::seed());
    for (std::size_t i = 0; i + 2 <= numbers.size(); i += 2) {
        auto const servers = static_cast<std::uint32_t>(numbers[i] % 700);
        double const load = std::pow(10, static_cast<double>(numbers[i + 1] >> 11) * 0x1p-53 * 7 - 3);
        CAPTURE(servers, load);
        double const plain = plain_b(servers, load);
        if (plain < 1e-290) {
            REQUIRE(erlang_b(servers, load) < 1e-289);
        } else {
            REQUIRE(erlang_b(servers, load) == Approx(plain).epsilon(1e-12));
        }
        double const waits = erlang_c(servers, load);
        REQUIRE((waits >= 0 && waits <= 1));
        REQUIRE(waits >= erlang_b(servers, load) - 1e-300);
        REQUIRE(erlang_c(servers + 1, load) <= waits);
    }
}

TEST_CASE("erlang: nothing arrives, or nobody serves", "[scaling][erlang][unit]") {
    REQUIRE(erlang_b(0, 0) == 1);
    REQUIRE(erlang_b(0, 5) == 1);
    REQUIRE(erlang_b(3, 0) == 0);
    REQUIRE(erlang_c(3, 0) == 0);
    REQUIRE(erlang_c(0, 0) == 1);
    REQUIRE(erlang_c(3, 3) == 1);
    REQUIRE(erlang_c(3, 3000) == 1);
}

TEST_CASE("erlang: loads that lines carry at a given loss", "[scaling][erlang][unit]") {
    std::uint32_t const lines[] = {1, 2, 5, 10, 20, 50, 100};
    double const one_percent[] = {.010101, .152593, 1.360787, 4.461177, 12.030615, 37.901398, 84.064159};
    double const five_percent[] = {.052632, .381316, 2.218472, 6.215707, 15.249257, 44.533053, 95.240375};
    for (int i = 0; i < 7; ++i) {
        CAPTURE(lines[i]);
        REQUIRE(sluice::erlang_b_load(lines[i], .01) == Approx(one_percent[i]).margin(6e-7));
        REQUIRE(sluice::erlang_b_load(lines[i], .05) == Approx(five_percent[i]).margin(6e-7));
        REQUIRE(sluice::erlang_b_servers(one_percent[i] - 1e-6, .01) == lines[i]);
        REQUIRE(sluice::erlang_b_servers(one_percent[i] + 1e-6, .01) == lines[i] + 1);
    }
}

TEST_CASE("erlang: the inverses are the last and the first that will do", "[scaling][erlang][property]") {
    for (double load : {.001, .5, 1., 7.3, 100., 9999.5, 1e6})
        for (double share : {1e-9, .001, .2, .9, 1.}) {
            CAPTURE(load, share);
            auto const lossy = sluice::erlang_b_servers(load, share);
            REQUIRE(erlang_b(lossy, load) <= share);
            if (lossy > 0) REQUIRE(erlang_b(lossy - 1, load) > share);
            auto const waiting = sluice::erlang_c_servers(load, share);
            REQUIRE(erlang_c(waiting, load) <= share);
            REQUIRE(waiting > load);
            if (waiting - 1 > load) REQUIRE(erlang_c(waiting - 1, load) > share);
        }
    for (std::uint32_t servers : {1u, 7u, 400u})
        for (double share : {1e-9, .01, .5, .99}) {
            CAPTURE(servers, share);
            REQUIRE(erlang_b(servers, sluice::erlang_b_load(servers, share)) == Approx(share).epsilon(1e-9));
            REQUIRE(erlang_c(servers, sluice::erlang_c_load(servers, share)) == Approx(share).epsilon(1e-9));
        }
    // One server for a hundred erlangs: wait share at 1000 erlangs from the table of sizes.
    std::uint32_t const sizes[] = {106, 111, 115, 119, 125, 134};
    double const shares[] = {.5, .2, .1, .05, .01, .001};
    for (int i = 0; i < 6; ++i) REQUIRE(sluice::erlang_c_servers(100, shares[i]) == sizes[i]);
    REQUIRE(sluice::erlang_c_servers(0, .5) == 0);
    REQUIRE(sluice::erlang_b_servers(0, .5) == 1);
    REQUIRE(sluice::erlang_c_servers(1e12, .5) == UINT32_MAX);
    REQUIRE(sluice::erlang_b_servers(1e12, .5) == UINT32_MAX);
}

TEST_CASE("erlang: Engset's small populations", "[scaling][erlang][unit]") {
    REQUIRE(engset(3, 2, 5.0 / 7) == Approx(.327510917).epsilon(1e-9));
    REQUIRE(engset(4, 4, 1) == Approx(1.0 / 16));  // each busy half of the time
    REQUIRE(engset(4, 5, 1) == 0);
    REQUIRE(engset(4, 0, 1) == 1);
    REQUIRE(engset(4, 2, 0) == 0);
    // Many sources with little each are a Poisson stream.
    REQUIRE(engset(4'000'000'000u, 10, 8.0 / 4e9) == Approx(erlang_b(10, 8)).epsilon(1e-8));
}

TEST_CASE("erlang: what they cannot work with is refused by name and value", "[scaling][erlang][unit]") {
    REQUIRE_THROWS_WITH(erlang_b(3, -2), test::contains("erlang_b: load (>= 0 erlangs) is -2"));
    for (double bad : {-1., no_number, infinity}) {
        REQUIRE_THROWS_AS(erlang_b(3, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(erlang_c(3, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(engset(3, 2, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_b_servers(bad, .1), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_c_servers(bad, .1), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_b_servers(3, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_c_servers(3, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_b_load(3, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::erlang_c_load(3, bad), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(sluice::erlang_b_servers(3, 0), std::invalid_argument);
    REQUIRE_THROWS_AS(sluice::erlang_b_load(3, 1), std::invalid_argument);
    REQUIRE_THROWS_WITH(sluice::erlang_c_load(0, .5), test::contains("erlang_c_load: servers (> 0) is 0"));
}
