// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/detail/scaled_time.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cstdint>
#include <numeric>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::per;
using sluice::time_point;
using sluice::detail::divide;
using sluice::detail::multiply_wide;
using sluice::detail::nearest_above;
using sluice::detail::reciprocal;
using sluice::detail::scaled_time;

TEST_CASE("scaled_time: a division by multiplication is a division", "[flow][scaled_time][property]") {
    auto const numbers = test::keys(20'000, test::seed());
    for (std::size_t i = 0; i + 2 <= numbers.size(); i += 2) {
        auto const x = numbers[i] >> (1 + numbers[i] % 60);
        auto const d = 2 + (numbers[i + 1] >> (1 + numbers[i + 1] % 61));
        REQUIRE(divide(x, d, reciprocal(d)) == x / d);
        auto const near = x / d * d;
        REQUIRE(divide(near, d, reciprocal(d)) == near / d);
        if (near > 0) REQUIRE(divide(near - 1, d, reciprocal(d)) == (near - 1) / d);
    }
    for (auto x : numbers) {
        REQUIRE(divide(x, 3, reciprocal(3)) == x / 3);  // any x
        REQUIRE(divide(x | 1, x >> 32 | 1, reciprocal(x >> 32 | 1)) == (x | 1) / (x >> 32 | 1));
    }
    REQUIRE(divide(UINT64_MAX, 1, reciprocal(1)) == UINT64_MAX);
    REQUIRE(divide(UINT64_MAX, UINT64_MAX, reciprocal(UINT64_MAX)) == 1);
    for (std::uint64_t d : {std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{1} << 62, std::uint64_t{1} << 63})
        REQUIRE(divide(std::uint64_t{1} << 63, d, reciprocal(d)) == (std::uint64_t{1} << 63) / d);
}

TEST_CASE("scaled_time: the nearest fraction that is not below", "[flow][scaled_time][property]") {
    auto const numbers = test::keys(600, test::seed());
    for (std::size_t i = 0; i + 2 <= numbers.size(); i += 2) {
        auto const p = 1 + numbers[i] % 5000, q = 1 + numbers[i + 1] % 5000;
        auto const most_w = 1 + numbers[i] / 7919 % 90, most_a = 1 + numbers[i + 1] / 7919 % 90;
        CAPTURE(p, q, most_w, most_a);
        std::uint64_t best_w = 0, best_a = 0;
        for (std::uint64_t a = 1; a <= most_a; ++a) {
            auto const w = (p * a + q - 1) / q;
            if (w <= most_w && (best_a == 0 || w * best_a < best_w * a)) best_w = w, best_a = a;
        }
        auto const f = nearest_above(p, q, most_w, most_a);
        REQUIRE((f.a == 0) == (best_a == 0));
        if (best_a == 0) continue;
        REQUIRE(f.w * best_a == best_w * f.a);
        REQUIRE(f.w <= most_w);
        REQUIRE(f.a <= most_a);
        REQUIRE(f.excess == f.w * q - p * f.a);
    }
}

TEST_CASE("scaled_time: never faster than the rate, and slower by 8 ppm at most", "[flow][scaled_time][property]") {
    auto const numbers = test::keys(6'000, test::seed());
    int        made = 0;
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const r = per((numbers[i] >> (2 + numbers[i] % 61)) + 1,
                           duration(static_cast<std::int64_t>((numbers[i + 1] >> (2 + numbers[i + 1] % 61)) + 1)));
        auto const burst = (numbers[i + 2] >> (1 + numbers[i + 2] % 62)) + 1;
        CAPTURE(r.count(), r.period().count(), burst);
        scaled_time t;
        try {
            t = scaled_time::make(r, burst, "rate", "burst");
        } catch (std::invalid_argument const&) {
            bool const fast = r.count() / r.period().count() >= 1 << 10;
            REQUIRE((fast || burst > std::uint64_t{1} << 40));
            continue;
        }
        ++made;
        REQUIRE(t.full <= scaled_time::most_full);
        REQUIRE(t.full == t.weight * burst);
        REQUIRE((t.scale % 16 == 0 && t.weight % 16 == 0 && t.scale > 0 && t.weight > 0));
        REQUIRE(t.range() >= 9min);
        // weight · count · 2^shift >= scale · period, in long double as a second opinion
        auto const have = static_cast<long double>(t.weight) / static_cast<long double>(t.scale) *
                          static_cast<long double>(std::uint64_t{1} << t.shift);
        auto const want = static_cast<long double>(r.period().count()) / static_cast<long double>(r.count());
        REQUIRE(have >= want * (1 - 1e-15L));
        REQUIRE(have <= want * (1 + 8.1e-6L));
        auto const period = static_cast<std::uint64_t>(r.period().count());
        bool const small = multiply_wide(burst, period) < sluice::detail::wide{0, scaled_time::most_full / 16};
        if (r.count() <= 1 << 17 && small) REQUIRE(t.weight == 16 * period);  // exact
    }
    REQUIRE(made > 500);
}

TEST_CASE("scaled_time: time_after is the least time that is far enough", "[flow][scaled_time][property]") {
    auto const numbers = test::keys(3'000, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        scaled_time t;
        t.scale = 2 * (1 + numbers[i] % 1000);
        t.shift = numbers[i] % 3 == 0 ? numbers[i] / 1024 % 8 : 0;
        auto const start = time_point(duration(static_cast<std::int64_t>(numbers[i + 1]) >> 16));
        auto const ticks = 1 + numbers[i + 2] % 1'000'000'000;
        auto const end = t.time_after(start, ticks);
        REQUIRE(static_cast<std::int64_t>(t.position(end) - t.position(start)) >= static_cast<std::int64_t>(ticks));
        REQUIRE(static_cast<std::int64_t>(t.position(end - 1ns) - t.position(start)) < static_cast<std::int64_t>(ticks));
    }
}
