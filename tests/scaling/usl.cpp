// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/usl.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

using sluice::usl;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

usl const textbook({.contention = .05, .coherency = .001});
usl const cisco({.contention = .0267159450357, .coherency = .00076909392061, .unit_throughput = 995.648785929});

double part(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

TEST_CASE("usl: the figures of α = .05, β = .001", "[scaling][usl][unit]") {
    struct row {
        double workers, speedup;
    };
    for (auto const& [workers, speedup] : {row{0, 0},
                                           {1, 1},
                                           {10, 6.4935064935},
                                           {30, 9.0361445783},
                                           {31, 9.0379008746},
                                           {32, 9.0344438171},
                                           {50, 8.4745762712},
                                           {100, 6.3091482650},
                                           {200, 3.9408866995}}) {
        CAPTURE(workers);
        REQUIRE(textbook.throughput(workers) == Approx(speedup).epsilon(1e-10));
        REQUIRE(textbook.speedup(workers) == textbook.throughput(workers));
        if (workers > 0) REQUIRE(textbook.efficiency(workers) == Approx(speedup / workers).epsilon(1e-10));
    }
    STATIC_REQUIRE(usl({.contention = 0, .coherency = 0, .unit_throughput = 7}).throughput(3) == 21);
}

TEST_CASE("usl: the peak, real and whole", "[scaling][usl][unit]") {
    auto const peak = textbook.peak().value();
    REQUIRE(peak.workers == Approx(30.8220700148).epsilon(1e-11));
    REQUIRE(peak.throughput == Approx(9.0379842957).epsilon(1e-10));
    REQUIRE(peak.whole_workers == 31);
    REQUIRE(peak.whole_throughput == textbook.throughput(31));

    usl const wide({.contention = .01, .coherency = .00007});
    REQUIRE(wide.throughput(100) == Approx(37.2717107715).epsilon(1e-10));
    REQUIRE(wide.peak()->workers == Approx(118.9237450758).epsilon(1e-11));
    REQUIRE(wide.peak()->throughput == Approx(37.6232288041).epsilon(1e-10));

    REQUIRE(usl({.contention = .001, .coherency = .00001}).peak()->workers == Approx(316.0696).epsilon(1e-7));
    // The better neighbour, not the lower one.
    REQUIRE(cisco.peak()->whole_workers == 36);
    REQUIRE(cisco.peak()->whole_throughput == Approx(12342.26).epsilon(1e-6));
    REQUIRE(cisco.peak()->whole_throughput > cisco.throughput(35));
}

TEST_CASE("usl: a second worker that harms, and throughput without end", "[scaling][usl][unit]") {
    REQUIRE_FALSE(usl({}).peak());
    REQUIRE_FALSE(usl({.contention = .5}).peak());
    REQUIRE_FALSE(usl({.contention = .5, .coherency = -1e-6}).peak());
    for (double contention : {1., 3.}) {
        auto const peak = usl({.contention = contention, .coherency = .1, .unit_throughput = 8}).peak().value();
        REQUIRE(peak.workers == 1);
        REQUIRE(peak.whole_workers == 1);
        REQUIRE(peak.throughput == 8);
    }
    auto const early = usl({.contention = .5, .coherency = 2}).peak().value();
    REQUIRE(early.workers == .5);
    REQUIRE(early.whole_workers == 1);
    REQUIRE(usl({.contention = .25, .unit_throughput = 8}).contention_limit() == 32.);
    REQUIRE_FALSE(usl({.contention = -.25}).contention_limit());
}

TEST_CASE("usl: a published table of throughputs", "[scaling][usl][unit]") {
    usl const linear({.contention = .05, .coherency = .02, .unit_throughput = 1800});
    double const published[] = {1800, 3303, 4426, 5180, 5625, 5837.8, 5888, 5830, 5704, 5538};
    for (int n = 1; n <= 10; ++n) {
        CAPTURE(n);
        REQUIRE(std::abs(linear.throughput(n) - published[n - 1]) <= .52);
    }
}

TEST_CASE("usl: a measured machine, forward and inverse", "[scaling][usl][unit]") {
    REQUIRE(cisco.throughput(1) == Approx(995.6488).epsilon(1e-7));
    REQUIRE(cisco.throughput(20) == Approx(11063.6331).epsilon(1e-7));
    REQUIRE(cisco.throughput(35) == Approx(12341.7457).epsilon(1e-7));
    REQUIRE(cisco.latency(20) == Approx(.00180772180).epsilon(5e-6));
    REQUIRE(cisco.latency(35) == Approx(.00283591355).epsilon(5e-6));
    REQUIRE(cisco.workers_for_throughput(11048).value() == Approx(19.92).epsilon(1e-3));  // 15.35 where κ is forgotten
}

TEST_CASE("usl: inverses by latency and throughput", "[scaling][usl][unit]") {
    usl const even({.contention = .06, .coherency = .06, .unit_throughput = 40});
    REQUIRE(even.throughput_at_latency(.03).value() == Approx(69.38886664887109).epsilon(1e-13));
    REQUIRE(even.throughput_at_latency(.04).value() == Approx(82.91561975888501).epsilon(1e-13));
    REQUIRE(even.throughput_at_latency(.05).value() == Approx(84.06346808612327).epsilon(1e-13));
    REQUIRE(even.peak()->throughput == Approx(84.2151921067));
    REQUIRE_FALSE(even.latency_at_throughput(400));
    REQUIRE_FALSE(even.workers_for_throughput(even.peak()->throughput * (1 + 1e-9)));
    REQUIRE(even.workers_for_throughput(even.peak()->throughput).value() == Approx(even.peak()->workers).epsilon(1e-7));
    REQUIRE(even.workers_for_throughput(0) == 0.);
    REQUIRE_FALSE(even.workers_for_latency(.0001));  // faster than any load
    // Amdahl: an asymptote.
    usl const amdahl({.contention = .1, .unit_throughput = 50});
    REQUIRE_FALSE(amdahl.workers_for_throughput(500));
    REQUIRE(amdahl.workers_for_throughput(50 * sluice::amdahl(.1, 9)).value() == Approx(9));
    REQUIRE(amdahl.workers_for_latency(amdahl.latency(9)).value() == Approx(9));
    // Linear: latency does not depend on N.
    REQUIRE_FALSE(usl({}).workers_for_latency(1));
    REQUIRE(usl({}).workers_for_throughput(12).value() == Approx(12));
}

TEST_CASE("usl: every inverse leads back", "[scaling][usl][property]") {
    auto const numbers = test::keys(4'000, test::seed());
    for (std::size_t i = 0; i + 4 <= numbers.size(); i += 4) {
        usl const model({.contention = part(numbers[i]) * .9,
                         .coherency = std::pow(10, -6 * part(numbers[i + 1])),
                         .unit_throughput = std::pow(10, 8 * part(numbers[i + 2]) - 4)});
        auto const peak = model.peak().value();
        double const n = peak.workers * (.999 * part(numbers[i + 3]) + 1e-6);
        CAPTURE(model.contention(), model.coherency(), model.unit_throughput(), n);
        REQUIRE(model.workers_for_throughput(model.throughput(n)).value() == Approx(n).epsilon(1e-9));
        REQUIRE(model.latency_at_throughput(model.throughput(n)).value() == Approx(model.latency(n)).epsilon(1e-9));
        REQUIRE_FALSE(model.workers_for_throughput(peak.throughput * 1.0000001));
        double const m = 1 + 3 * n;  // latency grows with N from N = 1/2 on, also beyond the peak
        REQUIRE(model.workers_for_latency(model.latency(m)).value() == Approx(m).epsilon(1e-9));
        REQUIRE(model.throughput_at_latency(model.latency(m)).value() == Approx(model.throughput(m)).epsilon(1e-9));
        // No neighbour of the whole peak is better.
        auto const whole = static_cast<double>(peak.whole_workers);
        REQUIRE(model.throughput(whole) >= model.throughput(whole + 1));
        if (whole > 1) REQUIRE(model.throughput(whole) >= model.throughput(whole - 1));
        REQUIRE(peak.throughput >= model.throughput(whole) * (1 - 1e-15));
    }
}

TEST_CASE("usl: inverses of models with an end, and of those that only fall", "[scaling][usl][unit]") {
    usl const ends({.contention = .05, .coherency = -1e-4});  // denominator 0 a little beyond N = 525
    for (double n : {1., 10., 100., 200.}) {
        CAPTURE(n);
        REQUIRE(ends.workers_for_throughput(ends.throughput(n)).value() == Approx(n));
        REQUIRE(ends.workers_for_latency(ends.latency(n)).value() == Approx(n));
    }
    REQUIRE(ends.throughput(600) == infinity);
    REQUIRE(ends.latency(600) == 0);
    usl const both({.contention = 1.5, .coherency = -.01});  // falls, then rises: the fewer workers of two
    auto const n = both.workers_for_throughput(both.throughput(2)).value();
    REQUIRE(n == Approx(2));
    usl const falls({.contention = 1.5, .coherency = .1});
    for (double workers : {1., 2., 50.})
        REQUIRE(falls.workers_for_throughput(falls.throughput(workers)).value() == Approx(workers));
    usl const flat({.contention = 1, .coherency = .1});
    REQUIRE(flat.workers_for_throughput(flat.throughput(7)).value() == Approx(7));
}

TEST_CASE("usl: never NaN, whatever the parameters", "[scaling][usl][property]") {
    double const values[] = {0,    1e-320, 1e-300, 1e-20, .5,    1,      1 + 1e-15, 2,     1e20, 1e300, 1.7e308,
                             -1e-320, -1e-20, -.5,   -1,    -1e300, -1.7e308};
    for (double contention : values)
        for (double coherency : values)
            for (double unit : values) {
                if (!(unit > 0)) continue;
                usl const model({contention, coherency, unit});
                for (double x : values) {
                    if (!(x >= 0)) continue;
                    CAPTURE(contention, coherency, unit, x);
                    REQUIRE_FALSE(std::isnan(model.throughput(x)));
                    REQUIRE_FALSE(std::isnan(model.latency(x)));
                    REQUIRE_FALSE(std::isnan(model.efficiency(x)));
                    REQUIRE_FALSE(std::isnan(model.workers_for_throughput(x).value_or(0)));
                    if (x == 0) continue;
                    REQUIRE_FALSE(std::isnan(model.workers_for_latency(x).value_or(0)));
                    REQUIRE_FALSE(std::isnan(model.latency_at_throughput(x).value_or(0)));
                    REQUIRE_FALSE(std::isnan(model.throughput_at_latency(x).value_or(0)));
                }
                auto const peak = model.peak();
                if (peak) REQUIRE_FALSE(std::isnan(peak->workers + peak->throughput + peak->whole_throughput));
            }
}

TEST_CASE("usl: what it cannot work with is refused by name and value", "[scaling][usl][unit]") {
    for (double bad : {no_number, infinity, -infinity}) {
        REQUIRE_THROWS_AS(usl({.contention = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(usl({.coherency = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(usl({.unit_throughput = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(textbook.throughput(bad), std::invalid_argument);
        REQUIRE_THROWS_AS(textbook.workers_for_throughput(bad), std::invalid_argument);
        REQUIRE_THROWS_AS(textbook.workers_for_latency(bad), std::invalid_argument);
    }
    REQUIRE_THROWS_WITH(usl({.unit_throughput = 0}), test::contains("usl: unit_throughput (> 0) is 0"));
    REQUIRE_THROWS_WITH(textbook.throughput(-1), test::contains("usl: workers (>= 0) is -1"));
    REQUIRE_THROWS_WITH(textbook.workers_for_latency(0), test::contains("usl: latency (> 0) is 0"));
    REQUIRE_THROWS_WITH(textbook.latency_at_throughput(0), test::contains("usl: throughput (> 0) is 0"));
}
