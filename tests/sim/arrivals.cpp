// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/traffic.hpp>

#include "support/catch.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>
#include <sluice/sim/simulation.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;
using sluice::duration;
using sluice::per_second;
using sluice::time_point;
using test::sentence_of;

namespace {

struct counted {
    std::vector<std::uint64_t> bins;  // arrivals per bin
    std::uint64_t              hash = 0;
};

template <class A>
counted count(A arrivals, duration bin, std::size_t bins, std::uint64_t seed) {
    sluice::xoshiro256ss rng(seed);
    counted              c{std::vector<std::uint64_t>(bins), 0};
    time_point           last{};
    while (auto const t = arrivals.next(rng)) {
        REQUIRE(*t >= last);
        last = *t;
        auto const i = static_cast<std::size_t>(t->time_since_epoch() / bin);
        if (i >= bins) break;
        ++c.bins[i];
        c.hash = sluice::mix64(c.hash ^ static_cast<std::uint64_t>(t->time_since_epoch().count()));
    }
    return c;
}

std::vector<std::int64_t> times_of(std::string const& text, sim::trace_options options = {}) {
    std::istringstream        in(text);
    auto                      trace = sim::trace_arrivals::from_csv(in, options);
    std::vector<std::int64_t> times;
    sluice::xoshiro256ss      rng;
    while (auto const t = trace.next(rng)) times.push_back(t->time_since_epoch().count());
    return times;
}

}  // namespace

TEST_CASE("poisson_arrivals: counts have the mean and the variance of the rate", "[sim][arrivals][property]") {
    struct row {
        sluice::rate rate;
        duration     bin;
        double       mean;
    };
    for (auto const& r : {row{per_second(1000), 10ms, 10}, row{per_second(3'000'000'000), 4ns, 12}, row{sluice::per_hour(1), 12h, 12}}) {
        auto const c = count(sim::poisson_arrivals(r.rate), r.bin, 4000, 11);
        double     mean = 0, variance = 0;
        for (auto const n : c.bins) mean += static_cast<double>(n) / 4000;
        for (auto const n : c.bins) variance += std::pow(static_cast<double>(n) - mean, 2) / 4000;
        INFO(mean << " " << variance);
        CHECK(std::abs(mean - r.mean) < 4.5 * std::sqrt(r.mean / 4000));
        CHECK(std::abs(variance - r.mean) < 4.5 * r.mean * std::sqrt((2 + 1 / r.mean) / 4000));
    }
    CHECK(count(sim::poisson_arrivals(per_second(1000)), 1s, 3, 5).hash == 0x52DC'D71E'D38E'28B0u);  // the same on every machine
}

TEST_CASE("deterministic_arrivals: the k-th is exactly where it belongs", "[sim][arrivals][unit]") {
    sluice::xoshiro256ss        rng;
    sim::deterministic_arrivals a(per_second(3), time_point(5ns));
    CHECK(a.next(rng) == time_point(333'333'339ns));
    CHECK(a.next(rng) == time_point(666'666'672ns));
    CHECK(a.next(rng) == time_point(1'000'000'005ns));
    for (int i = 0; i < 2'997; ++i) REQUIRE(a.next(rng));
    CHECK(a.next(rng) == time_point(1'000'333'333'339ns));
}

TEST_CASE("arrivals: the time line ends them", "[sim][arrivals][unit]") {
    sluice::xoshiro256ss rng(1);
    auto const           late = time_point::max() - 10s;
    auto const           ends = [&](auto a, int least) {
        int n = 0;
        while (a.next(rng)) ++n;
        CHECK(n >= least);
        CHECK(n < 1000);
        CHECK_FALSE(a.next(rng));
    };
    ends(sim::poisson_arrivals(per_second(10), late), 50);
    ends(sim::deterministic_arrivals(per_second(10), late), 98);
    ends(sim::mmpp_arrivals({{per_second(10), 1s}, {{}, 1ms}}, late), 20);
    ends(sim::diurnal_arrivals({.peak = per_second(10), .profile = {1000}}, late), 50);
    ends(sim::poisson_arrivals(sluice::per(1, duration::max())), 0);
}

TEST_CASE("mmpp_arrivals: calm and storm each have their rate", "[sim][arrivals][property]") {
    sim::mmpp_arrivals a({{per_second(100), 1s}, {{}, 2s}, {per_second(1000), 500ms}});
    CHECK(a.mean_per_second() == Approx(600 / 3.5));
    auto const c = count(a, 10ms, 400'000, 3);  // 4000 s: 1140 rounds
    double     total = 0, quiet = 0, product = 0;
    for (std::size_t i = 0; i < c.bins.size(); ++i) {
        total += static_cast<double>(c.bins[i]);
        quiet += c.bins[i] == 0;
        if (i > 0) product += static_cast<double>(c.bins[i]) * static_cast<double>(c.bins[i - 1]) / 400'000;
    }
    // Arrivals of a round: variance over mean² about (2·100² + 2·500²)/600² < 1.5 with the rounds' own; 5 standard errors of 1140
    CHECK(std::abs(total / 4000 - 171.4) < 171.4 * 5 * std::sqrt(1.5 / 1140));
    // Silent for 2 of 3.5 s, and of the calm third e^-1 of the bins
    CHECK(std::abs(quiet / 400'000 - (2 + std::exp(-1.)) / 3.5) < .1);
    double const mean = total / 400'000;
    CHECK(product > 2 * mean * mean);  // neighbours are alike, where those of a Poisson process are not
    CHECK(count(sim::mmpp_arrivals({{per_second(100), 1s}, {{}, 2s}}), 1s, 9, 5).hash == 0x974A'A8D1'DDBE'35C7u);
}

TEST_CASE("diurnal_arrivals: the rate follows the profile", "[sim][arrivals][property]") {
    sim::diurnal_options const day{.peak = per_second(10), .profile = {0, 0, 1000, 500}, .period = 24h};
    sim::diurnal_arrivals      a(day);
    struct row {
        duration at;
        double   share;
    };
    for (auto const& r : {row{0h, 0}, row{3h, 0}, row{6h, 0}, row{9h, .5}, row{12h, 1}, row{15h, .75}, row{18h, .5}, row{21h, .25},
                          row{24h, 0}, row{33h, .5}}) {
        INFO(r.at.count());
        CHECK(static_cast<double>(a.share(time_point(r.at))) * 0x1p-64 == Approx(r.share).margin(1e-12));
    }
    auto const   c = count(a, 6h, 8, 3);
    double const mean[] = {0, 108'000, 162'000, 54'000};
    for (std::size_t i = 0; i < 8; ++i)
        CHECK(std::abs(static_cast<double>(c.bins[i]) - mean[i % 4]) <= 4.5 * std::sqrt(mean[i % 4]));
    CHECK(count(a, 1h, 8, 5).hash == 0xA05D'A73E'53EA'DD4Fu);
    // a period whose product with the steps takes more than 64 bits
    sim::diurnal_arrivals const years({.peak = per_second(1), .profile = {0, 1000, 0, 1000}, .period = duration::max()});
    CHECK(static_cast<double>(years.share(time_point(duration::max() / 8))) * 0x1p-64 == Approx(.5).margin(1e-9));
}

TEST_CASE("trace_arrivals: times of a file, exact to the nanosecond", "[sim][arrivals][unit]") {
    using list = std::vector<std::int64_t>;
    CHECK(times_of("") == list{});
    CHECK(times_of("0\n1.5\n1.5\n2.000000001\n") == list{0, 1'500'000'000, 1'500'000'000, 2'000'000'001});
    CHECK(times_of("time,size\r\n 0.1 ,7\r\n0.3\t,8\r\n", {.heading = true}) == list{100'000'000, 300'000'000});
    CHECK(times_of("a;5\nb;17", {.column = 1, .unit = 1ms, .separator = ';'}) == list{5'000'000, 17'000'000});
    CHECK(times_of("0.333333333333333333333333\n", {.unit = 1min}) == list{19'999'999'999});
    CHECK(times_of("9223372036.854775807") == list{INT64_MAX});
    sim::trace_arrivals two({time_point(1s), time_point(2s)});
    CHECK(two.size() == 2);
}

TEST_CASE("trace_arrivals: a bad line is named by its number", "[sim][arrivals][unit]") {
    auto const refused = [](std::string const& text, sim::trace_options options = {}) {
        return sentence_of([&] { static_cast<void>(times_of(text, options)); });
    };
    std::string const who = "sluice: trace_arrivals: ";
    CHECK(refused("1\n\n2\n") == who + "line 2 is empty where a time belongs");
    CHECK(refused("1\n  ,5\n") == who + "line 2 is empty where a time belongs");
    CHECK(refused("1\n2\nthree\n") == who + "line 3 has 'three', not a time");
    CHECK(refused("time\n1\n") == who + "line 1 has 'time', not a time");
    CHECK(refused("time\n1x\n", {.heading = true}) == who + "line 2 has '1x', not a time");
    CHECK(refused("1\n-2\n") == who + "line 2 has '-2', a negative time");
    CHECK(refused("nan\n") == who + "line 1 has 'nan', not a time");
    CHECK(refused("1e5\n") == who + "line 1 has '1e5', not a time");
    CHECK(refused("1.2.3\n") == who + "line 1 has '1.2.3', not a time");
    CHECK(refused(".\n") == who + "line 1 has '.', not a time");
    CHECK(refused("5\n4\n") == who + "line 2 is before the line before it");
    CHECK(refused("5,1\n6\n", {.column = 1}) == who + "line 2 has no column 1");
    CHECK(refused("9223372036.854775808\n") == who + "line 1 has '9223372036.854775808', beyond the time line");
    CHECK(refused("99999999999999999999\n") == who + "line 1 has '99999999999999999999', beyond the time line");
    CHECK(refused("1\n", {.unit = 0s}) == who + "unit (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::trace_arrivals({time_point(2s), time_point(1s)}); }) == who + "time 1 is before the one before it");
    CHECK(sentence_of([] { sim::trace_arrivals({time_point(-2s)}); }) == who + "time 0 is negative");
}

TEST_CASE("arrivals: impossible parameters are named", "[sim][arrivals][unit]") {
    CHECK(sentence_of([] { sim::poisson_arrivals(per_second(1), time_point(-1ns)); }) ==
          "sluice: poisson_arrivals: start (>= 0 ns) is -1");
    CHECK(sentence_of([] { sim::mmpp_arrivals({}); }) == "sluice: mmpp_arrivals: states with a rate (>= 1) is 0");
    CHECK(sentence_of([] { sim::mmpp_arrivals({{{}, 1s}}); }) == "sluice: mmpp_arrivals: states with a rate (>= 1) is 0");
    CHECK(sentence_of([] { sim::mmpp_arrivals({{per_second(1), 0s}}); }) == "sluice: mmpp_arrivals: mean_time (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::diurnal_arrivals({.peak = per_second(1), .profile = {}}); }) ==
          "sluice: diurnal_arrivals: highest point of the profile (> 0) is 0");
    CHECK(sentence_of([] { sim::diurnal_arrivals({.peak = per_second(1), .profile = {1001}}); }) ==
          "sluice: diurnal_arrivals: profile (0 to 1000) is 1001");
    CHECK(sentence_of([] { sim::diurnal_arrivals({.peak = per_second(1), .profile = {1}, .period = 0h}); }) ==
          "sluice: diurnal_arrivals: period (> 0 ns) is 0");
}

TEST_CASE("arrivals: no process takes a rate that is none", "[sim][arrivals][unit]") {
    for (double const bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 0., -1.}) {
        INFO(bad);
        auto const names_it = [](std::string const& said) { return said.starts_with("sluice: per_second") && said.size() > 20; };
        CHECK(names_it(sentence_of([&] { sim::poisson_arrivals(per_second(bad)); })));
        CHECK(names_it(sentence_of([&] { sim::deterministic_arrivals(per_second(bad)); })));
        CHECK(names_it(sentence_of([&] { sim::mmpp_arrivals({{per_second(bad), 1s}}); })));
        CHECK(names_it(sentence_of([&] { sim::diurnal_arrivals({.peak = per_second(bad), .profile = {1}}); })));
    }
}

TEST_CASE("traffic: one call for each arrival, until it is stopped", "[sim][arrivals][unit]") {
    sim::simulation           s(4);
    std::vector<std::int64_t> seen;
    auto const                note = [&] { seen.push_back(s.now().time_since_epoch().count()); };
    s.run_until(time_point(2ns));
    {
        sim::traffic t(s, sim::trace_arrivals({time_point(1ns), time_point(3ns), time_point(3ns), time_point(9ns)}), s.stream(0), note);
        s.run_until(time_point(5ns));
        CHECK(t.count() == 3);
        CHECK(s.pending() == 1);
    }
    CHECK(s.pending() == 0);
    CHECK(seen == std::vector<std::int64_t>{2, 3, 3});
    int                   n = 0;
    std::function<void()> stop;
    sim::traffic          many(s, sim::poisson_arrivals(per_second(1000)), s.stream(1), [&] {
        if (++n == 5) throw std::runtime_error("five");
        if (n == 10) stop();
    });
    stop = [&] { many.stop(); };
    CHECK(sentence_of([&] { s.run(); }) == "five");
    CHECK(s.run().end == sim::run_end::drained);
    CHECK(n == 10);
}
