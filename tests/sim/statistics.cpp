// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/batch_means.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/time_integral.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::time_point;
using sluice::sim::batch_means;
using sluice::sim::sample_set;
using sluice::sim::time_integral;
using test::sentence_of;

TEST_CASE("time_integral: a level times how long it lasted", "[sim][time_integral][unit]") {
    time_integral x(time_point(10ns), 2);
    CHECK(x.mean(time_point(10ns)) == 2);
    x.set(5, time_point(13ns));
    x.add(-4, time_point(14ns));
    CHECK(x.level() == 1);
    CHECK(x.total(time_point(20ns)) == time_integral::area{0, 6 + 5 + 6});
    CHECK(x.mean(time_point(20ns)) == Approx(1.7));
    x.set(3, time_point(12ns));  // backward: no time
    CHECK(x.total(time_point(14ns)) == time_integral::area{0, 11});
    x.restart(time_point(16ns));
    CHECK(x.total(time_point(18ns)) == time_integral::area{0, 6});
    CHECK(x.mean(time_point(18ns)) == 3);

    time_integral large(time_point{}, UINT64_MAX);
    large.set(UINT64_MAX, time_point(3ns));
    CHECK(large.total(time_point(5ns)) == time_integral::area{4, UINT64_MAX - 4});  // 5 · (2^64 - 1)
}

TEST_CASE("batch_means: the warm-up is forgotten, the batches double", "[sim][batch_means][unit]") {
    batch_means m({.skip = 3, .batches = 2});
    for (double const x : {1e9, 1e9, 1e9}) m.add(x);
    CHECK(m.count() == 0);
    CHECK(m.mean() == 0);
    CHECK(std::isinf(m.interval().half_width));
    m.add(1);
    CHECK(std::isinf(m.interval().half_width));
    m.add(3);
    CHECK(m.batches() == 2);
    auto const two = m.interval(.95);
    CHECK(two.mean == 2);
    CHECK(two.half_width == Approx(12.7062).epsilon(1e-5));  // t with one degree of freedom, s/sqrt(2) = 1
    CHECK(two.contains(14.7));
    CHECK_FALSE(two.contains(14.8));
    m.add(5);
    m.add(7);  // four: merged to (1 3) (5 7)
    CHECK(m.batch_size() == 2);
    CHECK(m.batches() == 2);
    CHECK(m.interval(.5).half_width == Approx(2));  // t = 1 at one half
    m.add(100);  // counts for the mean, not yet for a batch
    CHECK(m.mean() == Approx(116 / 5.));
    CHECK(m.interval(.5).half_width == Approx(2));
    CHECK(m.interval(.5).mean == Approx(116 / 5.));
}

TEST_CASE("batch_means: intervals of dependent numbers hold what they promise", "[sim][batch_means][property]") {
    // x' = .9 x + noise: the naive standard error would be too small by sqrt(19)
    int const runs = 400;
    int       missed = 0, naive_missed = 0;
    for (int run = 0; run < runs; ++run) {
        sluice::xoshiro256ss rng(test::seed() + static_cast<std::uint64_t>(run));
        batch_means          m({.skip = 100, .batches = 20});
        double               x = 0, squares = 0;
        for (int i = 0; i < 6'500; ++i) {
            x = .9 * x + (sluice::uniform_real(rng) - .5);
            m.add(x + 5);
            squares += x * x;
        }
        missed += !m.interval(.9).contains(5);
        naive_missed += std::abs(m.mean() - 5) > 1.645 * std::sqrt(squares) / 6'500;
    }
    // 40 expected; 4.5 standard deviations are 27, and batches of 160 to 320 are a little alike
    CHECK(missed >= 13);
    CHECK(missed <= 67);
    CHECK(naive_missed > 200);
}

TEST_CASE("batch_means, sample_set: impossible parameters are named", "[sim][batch_means][sample_set][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(sentence_of([] { batch_means({.batches = 1}); }) == "sluice: batch_means: batches (>= 2) is 1");
    auto const begins = [](std::string const& text, std::string const& with) { return text.substr(0, with.size()) == with; };
    for (double const bad : {nan, 0., 1., -1., 2.})
        CHECK(begins(sentence_of([&] { static_cast<void>(batch_means().interval(bad)); }),
                     "sluice: batch_means: confidence (0 to 1, both excluded) is "));
    for (double const bad : {nan, -.1, 1.1})
        CHECK(begins(sentence_of([&] { static_cast<void>(sample_set().quantile(bad)); }), "sluice: sample_set: p (0 to 1) is "));
    batch_means m;
    for (int i = 0; i < 10; ++i) m.add(i == 3 ? nan : 1);
    CHECK(std::isnan(m.mean()));
}

TEST_CASE("sample_set: quantiles by nearest rank", "[sim][sample_set][unit]") {
    sample_set s;
    CHECK_FALSE(s.quantile(.5));
    CHECK_FALSE(s.mean());
    for (int const i : {30, 10, 20, 40}) s.add(duration(i));
    CHECK(s.quantile(0) == 10ns);
    CHECK(s.quantile(.25) == 10ns);
    CHECK(s.quantile(.2501) == 20ns);
    CHECK(s.quantile(.5) == 20ns);
    CHECK(s.quantile(.99) == 40ns);
    CHECK(s.quantile(1) == 40ns);
    CHECK(s.mean() == 25ns);
    s.add(duration(0));
    CHECK(s.quantile(0) == 0ns);
    for (int i = 5; i < 1000; ++i) s.add(duration(1000));
    CHECK(s.size() == 1000);
    CHECK(s.quantile(.005) == 40ns);
    CHECK(s.quantile(.999) == 1000ns);
    sample_set large;
    for (int i = 0; i < 10; ++i) large.add(duration::max());
    CHECK(large.mean() == duration::max());
    for (auto const& [a, b, mean] : {std::array{-3, -4, -4}, {3, -4, -1}, {-3, 4, 0}, {3, 4, 3}}) {  // downward, whatever the signs
        sample_set two;
        two.add(duration(a));
        two.add(duration(b));
        CHECK(two.mean() == duration(mean));
    }
}
