// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/bucketed_mean.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;
using sluice::bucket_gaps;
using sluice::bucketed_mean;
using sluice::duration;
using sluice::time_point;

namespace {

time_point at(duration d) { return time_point(1000s + d); }

}  // namespace

TEST_CASE("bucketed_mean: a window that fills and empties", "[scaling][bucketed_mean][unit]") {
    for (auto const gaps : {bucket_gaps::skip, bucket_gaps::zero}) {
        bucketed_mean m({.window = 5s, .bucket = 1s, .gaps = gaps});
        REQUIRE_FALSE(m.mean(at(0s)));
        m.record(1, at(0s));
        REQUIRE(m.mean(at(0s)) == 1);
        for (int k = 2; k <= 5; ++k) m.record(k, at((k - 1) * 1s));
        REQUIRE(m.mean(at(4s)) == 3);
        REQUIRE(m.mean(at(4999ms)) == 3);
        REQUIRE(m.mean(at(6s)) == 4);  // 1 and 2 have left, nothing has come
        REQUIRE(m.mean(at(8s)) == 5);
        REQUIRE_FALSE(m.mean(at(9s)));
        REQUIRE_FALSE(m.mean(at(10s)));
        m.record(91, at(6s));
        REQUIRE(m.mean(at(6s)).value() == Approx(gaps == bucket_gaps::zero ? 20.6 : 25.75));
        m.record(7, at(11s));  // a window and more later: all is new
        REQUIRE(m.mean(at(11s)) == 7);
    }
}

TEST_CASE("bucketed_mean: a bucket counts once, whatever is in it", "[scaling][bucketed_mean][unit]") {
    bucketed_mean m({.window = 10s, .bucket = 2s});
    for (double const x : {1., 2., 3.}) m.record(x, at(1s));
    m.record(8, at(2s));
    REQUIRE(m.mean(at(2s)) == 5);
    m.record(4, at(0s));  // late, and within the window
    REQUIRE(m.mean(at(2s)) == 5.25);
    m.record(1000, at(-8s));  // too late
    REQUIRE(m.mean(at(2s)) == 5.25);
    m.record(1, at(-6s));  // just not
    REQUIRE(m.mean(at(2s)).value() == Approx((2.5 + 8 + 1) / 3));
    m.record(std::numeric_limits<double>::quiet_NaN(), at(2s));
    m.record(std::numeric_limits<double>::infinity(), at(2s));
    REQUIRE(m.mean(at(2s)).value() == Approx((2.5 + 8 + 1) / 3));
}

TEST_CASE("bucketed_mean: as a naive one", "[scaling][bucketed_mean][property]") {
    auto const bits = test::keys(4000, test::seed());
    for (auto const gaps : {bucket_gaps::skip, bucket_gaps::zero}) {
        bucketed_mean m({.window = 1050ms, .bucket = 100ms, .gaps = gaps});  // 11 buckets
        std::map<std::int64_t, std::pair<double, double>> all;               // sum, count
        std::int64_t now = -200;  // in buckets, also before zero
        for (auto const b : bits) {
            now += static_cast<std::int64_t>(b % 4 == 0 ? b / 4 % 30 : b / 4 % 2);
            auto const t = time_point(now * 100ms + duration(static_cast<std::int64_t>(b >> 40)));
            if (b % 3 != 0) {
                auto const x = static_cast<double>(b >> 50);
                if (!all.empty() && now - all.rbegin()->first >= 11) all.clear();
                all[now].first += x;
                all[now].second += 1;
                m.record(x, t);
            }
            double sum = 0, n = 0;
            for (auto const& [i, v] : all)
                if (i > now - 11) sum += v.first / v.second, n += 1;
            if (gaps == bucket_gaps::zero && n > 0)
                n = static_cast<double>(all.rbegin()->first - std::max(all.begin()->first, now - 10) + 1);
            auto const mean = m.mean(t);
            REQUIRE(mean.has_value() == (n > 0));
            if (mean) REQUIRE(*mean == Approx(sum / n));
        }
    }
}

TEST_CASE("bucketed_mean: the ends of time", "[scaling][bucketed_mean][unit]") {
    bucketed_mean m({.window = 5ns, .bucket = 1ns});
    m.record(1, time_point::min());
    REQUIRE(m.mean(time_point::min()) == 1);
    m.record(2, time_point::max());
    REQUIRE(m.mean(time_point::max()) == 2);
    m.record(3, time_point::min());  // back: too old
    REQUIRE(m.mean(time_point::max()) == 2);
    REQUIRE(m.mean(time_point::min()) == 2);
}

TEST_CASE("bucketed_mean: options that cannot work", "[scaling][bucketed_mean][unit]") {
    REQUIRE_THROWS_AS(bucketed_mean({.window = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(bucketed_mean({.window = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(bucketed_mean({.bucket = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(bucketed_mean({.window = 1h, .bucket = 1ms}), std::invalid_argument);
}
