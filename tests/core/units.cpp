// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/units.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using namespace sluice::literals;
using sluice::duration;
using sluice::per;
using sluice::per_hour;
using sluice::per_minute;
using sluice::per_second;
using sluice::rate;

static_assert(!std::is_default_constructible_v<rate> && !std::is_constructible_v<rate, double>);
static_assert(!sluice::detail::number<bool>, "per_second(true) is a mistake");

TEST_CASE("rate: it is an exact fraction in lowest terms", "[core][units][unit]") {
    STATIC_REQUIRE(per_second(3).count() == 3);
    STATIC_REQUIRE(per_second(3).period() == 1s);
    STATIC_REQUIRE(per_minute(100).count() == 1);
    STATIC_REQUIRE(per_minute(100).period() == 600ms);
    STATIC_REQUIRE(per_minute(101).count() == 101);
    STATIC_REQUIRE(per_second(1) == per_minute(60));
    STATIC_REQUIRE(per_second(1) == per_hour(3600u));
    STATIC_REQUIRE(per_second(1) == per(1, 1s));
    STATIC_REQUIRE(per(std::uint8_t{7}, 21ns) == per(1L, 3ns));
    STATIC_REQUIRE(per_second(1) != per_second(2));
    REQUIRE(per_second(INT64_MAX).count() == INT64_MAX);
    REQUIRE(per(1, duration::max()).period() == duration::max());
}

TEST_CASE("rate: from a number with decimals it takes up to nine of them", "[core][units][unit]") {
    STATIC_REQUIRE(per_second(2.5) == per(5, 2s));
    STATIC_REQUIRE(per_second(0.1) == per(1, 10s));
    STATIC_REQUIRE(per_second(0.07) == per(7, 100s));
    STATIC_REQUIRE(per_second(0.1f) == per(1, 10s));
    STATIC_REQUIRE(per_second(3.0) == per_second(3));
    STATIC_REQUIRE(per_minute(0.5L) == per(1, 2min));
    STATIC_REQUIRE(per_second(1e-9) == per(1, 1'000'000'000s));
    STATIC_REQUIRE(per_second(1.0 / 3) == per(333'333'333, 1'000'000'000s));
    STATIC_REQUIRE(per_second(1e15) == per_second(1'000'000'000'000'000));
    STATIC_REQUIRE(per_second(0x1p61) == per_second(std::int64_t{1} << 61));
    // A period without room for more decimals takes fewer, to the nearest.
    STATIC_REQUIRE(per(2.75, duration::max()) == per(3, duration::max()));
    STATIC_REQUIRE(per(1.25, 365 * 24h) == per(125, 100 * 365 * 24h));
}

TEST_CASE("rate: what cannot be a rate is refused by name and value", "[core][units][unit]") {
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_AS(per_second(0), std::invalid_argument);
    REQUIRE_THROWS_WITH(per_second(0), test::contains("per_second(n): n = 0, must be > 0"));
    REQUIRE_THROWS_WITH(per_second(-3), test::contains("n = -3"));
    REQUIRE_THROWS_WITH(per_minute(INT64_MIN), test::contains("per_minute(n): n = -9223372036854775808"));
    REQUIRE_THROWS_WITH(per_hour(0u), test::contains("per_hour(n): n = 0"));
    REQUIRE_THROWS_WITH(per_second(UINT64_MAX), test::contains("n = 18446744073709551615, must be below 2^63"));
    REQUIRE_THROWS_WITH(per_second(0.0), test::contains("must be > 0"));
    REQUIRE_THROWS_WITH(per_second(-0.0), test::contains("must be > 0"));
    REQUIRE_THROWS_WITH(per_second(-2.5), test::contains("n = -2.5"));
    REQUIRE_THROWS_WITH(per_second(nan), test::contains("nan, must be > 0"));
    REQUIRE_THROWS_WITH(per_second(infinity), test::contains("n = inf, must be below 2^62"));
    REQUIRE_THROWS_WITH(per_second(-infinity), test::contains("n = -inf, must be > 0"));
    REQUIRE_THROWS_WITH(per_second(0x1p62), test::contains("must be below 2^62"));
    REQUIRE_THROWS_WITH(per_second(4e-10), test::contains("too small"));
    REQUIRE_THROWS_WITH(per_second(std::numeric_limits<double>::denorm_min()), test::contains("too small"));
    REQUIRE_THROWS_WITH(per(1, 0ns), test::contains("period = 0, must be > 0 ns"));
    REQUIRE_THROWS_WITH(per(1, -1s), test::contains("period = -1000000000"));
    REQUIRE_THROWS_WITH(per(0, 1s), test::contains("per(n, period): n = 0"));
}

TEST_CASE("rate: rates are ordered by size, without rounding", "[core][units][unit]") {
    STATIC_REQUIRE(per_second(1) < per_second(2));
    STATIC_REQUIRE(per_minute(61) > per_second(1));
    STATIC_REQUIRE(per_minute(60) <= per_second(1));
    // Cross products beyond 64 bits, and fractions that no double tells apart.
    STATIC_REQUIRE(per(INT64_MAX - 1, duration(INT64_MAX)) < per(1, 1ns));
    STATIC_REQUIRE(per(INT64_MAX - 2, duration(INT64_MAX - 1)) < per(INT64_MAX - 1, duration(INT64_MAX)));
    STATIC_REQUIRE(per(INT64_MAX, 1ns) > per(INT64_MAX, 2ns));
}

TEST_CASE("rate: interval is the time between events, rounded up", "[core][units][unit]") {
    struct row {
        rate r;
        duration interval;
    };
    for (auto const& [r, interval] : {row{per_second(1), 1s},
                                      {per_second(1000), 1ms},
                                      {per_second(3), 333'333'334ns},
                                      {per_minute(100), 600ms},
                                      {per_second(1'000'000'000), 1ns},
                                      {per_second(INT64_MAX), 1ns},
                                      {per(1, duration::max()), duration::max()}}) {
        CAPTURE(r.count(), r.period().count());
        REQUIRE(r.interval() == interval);
    }
}

TEST_CASE("rate: time_for and events_in are exact where intervals would add up an error", "[core][units][unit]") {
    constexpr auto third = per_second(3);
    STATIC_REQUIRE(third.time_for(0) == 0s);
    STATIC_REQUIRE(third.time_for(3) == 1s);
    STATIC_REQUIRE(third.time_for(3'000'000) == 1'000'000s);
    STATIC_REQUIRE(third.time_for(1) == 333'333'334ns);
    STATIC_REQUIRE(third.events_in(1s) == 3);
    STATIC_REQUIRE(third.events_in(1s - 1ns) == 2);
    STATIC_REQUIRE(third.events_in(333'333'333ns) == 0);
    STATIC_REQUIRE(third.events_in(333'333'334ns) == 1);
    STATIC_REQUIRE(third.events_in(0s) == 0);
    STATIC_REQUIRE(third.events_in(-1s) == 0);
    STATIC_REQUIRE(third.events_in(duration::min()) == 0);
    STATIC_REQUIRE(third.events_in(duration::max()) == 27'670'116'110);
    STATIC_REQUIRE(third.time_for(UINT64_MAX) == duration::max());
    STATIC_REQUIRE(per_second(INT64_MAX).events_in(duration::max()) == UINT64_MAX);
    STATIC_REQUIRE(per_second(INT64_MAX).time_for(INT64_MAX) == 1s);
}

TEST_CASE("rate: events_in is the inverse of time_for", "[core][units][property]") {
    auto const numbers = test::keys(3'000, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const r = per((numbers[i] >> 34) + 1, duration(static_cast<std::int64_t>(numbers[i + 1] >> 30) + 1));
        auto const n = numbers[i + 2] >> 45;
        CAPTURE(r.count(), r.period().count(), n);
        auto const t = r.time_for(n);
        if (t == duration::max()) continue;
        REQUIRE(r.events_in(t) >= n);
        if (n > 0) REQUIRE(r.events_in(t - 1ns) < n);
    }
}

TEST_CASE("rate: to_per_second is as close as a double gets", "[core][units][unit]") {
    STATIC_REQUIRE(per_second(250).to_per_second() == 250.0);
    REQUIRE(per_minute(100).to_per_second() == Approx(100.0 / 60).epsilon(1e-15));
    REQUIRE(per_second(0.1).to_per_second() == Approx(0.1).epsilon(1e-15));
    REQUIRE(per(1, duration::max()).to_per_second() > 0.0);
    REQUIRE(std::isfinite(per(INT64_MAX, 1ns).to_per_second()));
}

TEST_CASE("units: literals of bytes", "[core][units][unit]") {
    STATIC_REQUIRE(std::is_same_v<decltype(1_KiB), std::size_t>);
    STATIC_REQUIRE(0_KiB == 0);
    STATIC_REQUIRE(1_KiB == 1024);
    STATIC_REQUIRE(64_KiB == 65'536);
    STATIC_REQUIRE(3_MiB == 3 * 1024 * 1024);
    STATIC_REQUIRE(3_GiB == 3'221'225'472u);
}
