// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/ewma.hpp>

#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::ewma;
using sluice::time_point;

namespace {

time_point at(duration d) { return time_point(d); }

}  // namespace

TEST_CASE("ewma: worked values, tau 10 s", "[stats][ewma][unit]") {
    ewma e(10s);
    REQUIRE_FALSE(e.value());
    REQUIRE_FALSE(e.decayed(at(5s)));
    REQUIRE(e.age(at(5s)) == duration::max());
    e.update(100, at(0s));
    REQUIRE(e.value() == 100.0);
    e.update(50, at(1s));
    REQUIRE(e.value().value() == Approx(95.241870901798).epsilon(1e-12));
    e.update(50, at(2s));
    REQUIRE(e.value().value() == Approx(90.936537653899).epsilon(1e-12));
    e.update(10, at(12s));
    REQUIRE(e.value().value() == Approx(10 + (90.936537653899 - 10) * std::exp(-1.0)).epsilon(1e-12));
}

TEST_CASE("ewma: reading decays nothing but the answer", "[stats][ewma][unit]") {
    ewma e(1s);
    e.update(10, at(0s));
    for (int i = 0; i < 3; ++i) {
        REQUIRE(e.decayed(at(100ms)).value() == Approx(9.0483741803596).epsilon(1e-12));
        REQUIRE(e.decayed(at(200ms)).value() == Approx(8.1873075307798).epsilon(1e-12));
    }
    REQUIRE(e.decayed(at(-5s)) == 10.0);
    REQUIRE(e.value() == 10.0);
    REQUIRE(e.age(at(200ms)) == 200ms);
    REQUIRE(e.age(at(-1s)) == 0s);
    e.update(20, at(1s));  // weighs 1 - 1/e since the last sample, not since the last read
    REQUIRE(e.value().value() == Approx(20 - 10 * std::exp(-1.0)));
}

TEST_CASE("ewma: samples of one moment are their mean", "[stats][ewma][unit]") {
    ewma e(10s), once(10s);
    e.update(100, at(0s));
    once.update(100, at(0s));
    for (double const y : {10.0, 20.0, 60.0}) e.update(y, at(3s));
    once.update(30, at(3s));
    REQUIRE(e.value().value() == Approx(once.value().value()).epsilon(1e-14));
    ewma first(10s);
    first.update(1, at(0s));
    first.update(3, at(0s));
    REQUIRE(first.value() == 2.0);
    first.update(8, at(-1s));  // a step backward is the same moment
    REQUIRE(first.value().value() == Approx(4));
    REQUIRE(first.age(at(0s)) == 0s);
}

TEST_CASE("ewma: what is no number is no sample", "[stats][ewma][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    double const huge = std::numeric_limits<double>::max();
    ewma e(1s);
    for (double const y : {nan, inf, -inf}) e.update(y, at(0s));
    REQUIRE_FALSE(e.value());
    e.update(5, at(1s));
    for (double const y : {nan, inf, -inf}) e.update(y, at(100s));
    REQUIRE(e.value() == 5.0);
    REQUIRE(e.age(at(1s)) == 0s);
    for (int i = 2; i < 100; ++i) {
        e.update(i % 2 == 0 ? huge : -huge, at(i * 1s));
        e.update(huge, at(i * 1s));
        REQUIRE(std::isfinite(e.value().value()));
    }
    e.update(7, time_point::max());
    REQUIRE(e.value() == 7.0);
    ewma ends(1s);
    ends.update(3, time_point::min());
    ends.update(4, time_point::max());
    REQUIRE(ends.value() == 4.0);
    REQUIRE(ends.decayed(time_point::max()) == 4.0);
    e.reset();
    REQUIRE_FALSE(e.value());
    e.update(9, at(0s));
    REQUIRE(e.value() == 9.0);
    REQUIRE_THROWS_AS(ewma(0s), std::invalid_argument);
    REQUIRE_THROWS_AS(ewma(-1ns), std::invalid_argument);
}

TEST_CASE("ewma: equals the weighted sum over all moments", "[stats][ewma][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 50; ++round) {
        struct moment {
            double t, sum;
            int    n;
        };
        ewma                e(2s);
        std::vector<moment> seen;
        time_point          now{};
        for (int i = 0; i < 60; ++i) {
            if (i > 0) now += duration(static_cast<std::int64_t>(sluice::uniform_below(rng, 3) * 400'000'000));
            double const y = sluice::uniform_real(rng) * 100;
            double const t = std::chrono::duration<double>(now.time_since_epoch()).count();
            if (seen.empty() || seen.back().t < t) seen.push_back({t, y, 1});
            else seen.back().sum += y, ++seen.back().n;
            e.update(y, now);
            double expected = 0, share = 1;  // from the newest back
            for (std::size_t k = seen.size(); k-- > 0;) {
                double const keep = k == 0 ? 0 : std::exp(-(seen[k].t - seen[k - 1].t) / 2);
                expected += share * (1 - keep) * seen[k].sum / seen[k].n;
                share *= keep;
            }
            REQUIRE(e.value().value() == Approx(expected).epsilon(1e-9));
        }
    }
}
