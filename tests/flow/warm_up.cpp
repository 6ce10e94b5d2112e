// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/warm_up.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::manual_clock;
using sluice::per_second;
using sluice::time_point;
using sluice::verdict_kind;
using sluice::warm_up;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

std::vector<double> waits(warm_up<manual_clock>& w, manual_clock& clock, int n) {
    std::vector<double> result;
    for (int i = 0; i < n; ++i) {
        auto const before = clock.now();
        REQUIRE(w.acquire_until(1, time_point::max()).admitted());
        result.push_back(std::chrono::duration<double>(clock.now() - before).count());
    }
    return result;
}

/// Guava's rule, in floating point.
struct model {
    double stable, warm, factor, threshold, most, slope, stored, free = 0;
    model(double rate, double w, double f)
        : stable(1 / rate), warm(w), factor(f), threshold(w / 2 / stable), most(threshold + 2 * w / (stable + f * stable)),
          slope((f * stable - stable) / (most - threshold)), stored(most) {}
    double acquire(double now, double n) {
        if (now > free) {
            stored = std::min(most, stored + (now - free) / (warm / most));
            free = now;
        }
        double const due = free, take = std::min(n, stored);
        double       above = stored - threshold, wait = (n - take) * stable, rest = take;
        if (above > 0) {
            double const part = std::min(above, rest);
            wait += part * (2 * stable + slope * above + slope * (above - part)) / 2;
            rest -= part;
        }
        wait += rest * stable;
        free += wait;
        stored -= take;
        return due;
    }
};

}  // namespace

static_assert(sluice::limiter<warm_up<>> && sluice::reversible_limiter<warm_up<manual_clock>>);
static_assert(sluice::reserving_limiter<warm_up<>>);

TEST_CASE("warm_up: the waits of a cold start", "[flow][warm_up][unit]") {
    struct row {
        double              rate, factor;
        std::vector<double> expected;
    };
    for (auto const& [rate, factor, expected] : {row{2, 3, {0, 1.375, 1.125, .875, .625, .5, .5, .5}},
                                                 {5, 10, {0, 1.7525, 1.2575, .7625, .3002, .2, .2}}}) {
        CAPTURE(rate);
        manual_clock clock;
        warm_up      w({.stable = per_second(rate), .warm_up = 4s, .cold_factor = factor}, clock);
        for (int round = 0; round < 3; ++round) {
            auto const seen = waits(w, clock, static_cast<int>(expected.size()));
            for (std::size_t i = 0; i < seen.size(); ++i) {
                CAPTURE(round, i);
                if (round > 0 && i == 0) continue;
                REQUIRE(seen[i] == Approx(expected[i]).margin(expected[i] == .3002 ? 5e-5 : 2e-9));
            }
            clock.advance(duration(24h) * (round + 1));  // cold again, and no colder
        }
    }
}

TEST_CASE("warm_up: follows the rule in floating point", "[flow][warm_up][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 200; ++round) {
        auto const rate = 1 + static_cast<double>(random() % 1000);
        auto const warm = 1 + static_cast<double>(random() % 10);
        auto const factor = 1 + static_cast<double>(random() % 64) / 8;
        CAPTURE(rate, warm, factor);
        warm_up w({.stable = per_second(rate), .warm_up = duration(static_cast<std::int64_t>(warm * 1e9)),
                   .cold_factor = factor}, manual_clock());
        model   m(rate, warm, factor);
        std::int64_t now = 0;
        for (int i = 0; i < 200; ++i) {
            if (random() % 4 == 0) now += static_cast<std::int64_t>(random() % 3'000'000'000);
            auto const n = 1 + random() % 5;
            auto const r = w.reserve(n, at(duration(now)));
            REQUIRE(static_cast<double>(r.at.time_since_epoch().count()) ==
                    Approx(std::max(m.acquire(static_cast<double>(now) / 1e9, static_cast<double>(n)) * 1e9,
                                    static_cast<double>(now))).margin(1000).epsilon(1e-9));
        }
    }
}

TEST_CASE("warm_up: when warm, no rounding adds up", "[flow][warm_up][unit]") {
    warm_up      w({.stable = per_second(700'000'000), .warm_up = 1us, .cold_factor = 1}, manual_clock());
    time_point   last{};
    for (int i = 0; i <= 100'000; ++i) last = w.reserve(7, at(0s)).at;
    REQUIRE(last == at(1ms));
    warm_up thirds({.stable = per_second(3), .warm_up = 1us, .cold_factor = 1}, manual_clock());
    for (int i = 0; i <= 3'000; ++i) last = thirds.reserve(1, at(0s)).at;
    REQUIRE(last == at(1000s));
}

TEST_CASE("warm_up: refusals take nothing, cancels restore", "[flow][warm_up][unit]") {
    manual_clock clock;
    warm_up      w({.stable = per_second(2), .warm_up = 4s}, clock);
    REQUIRE(w.try_acquire());
    REQUIRE(w.peek().retry_after == 1375ms);
    REQUIRE(w.try_acquire().retry_after == 1375ms);
    REQUIRE(w.acquire_for(1, 1s).kind == verdict_kind::wait);
    REQUIRE(w.reserve(1, at(0s), 1374ms).at == at(1375ms));
    for (int i = 0; i < 3; ++i) {
        auto r = w.reserve(3, at(0s));
        REQUIRE(r.at == at(1375ms));
        REQUIRE(r.cancel() == 3);
    }
    auto behind = w.reserve(1, at(0s));
    auto last = w.reserve(1, at(0s));
    REQUIRE(last.at == at(2500ms));
    REQUIRE(behind.cancel() == 0);
    REQUIRE(last.cancel() == 1);
    REQUIRE(w.peek(1, at(0s)).retry_after == 2500ms);
    REQUIRE(w.try_acquire(0, at(0s)).admitted());
    REQUIRE(w.try_acquire(UINT64_MAX, at(0s)).kind == verdict_kind::never);
    REQUIRE_FALSE(w.try_acquire(1, time_point::min()));
    REQUIRE(w.peek(1, at(2500ms)));
    REQUIRE(w.peek(1, time_point::max() - 24h));
}

TEST_CASE("warm_up: what cannot be is refused by name", "[flow][warm_up][unit]") {
    auto const make = [](duration warm, double factor) {
        return warm_up<>({.stable = per_second(1), .warm_up = warm, .cold_factor = factor}).peek(0, time_point{}).admitted();
    };
    REQUIRE_THROWS_WITH(make(0s, 3), test::contains("warm_up: warm_up in ns (in (0, 2^52]) is 0"));
    REQUIRE_THROWS_WITH(make(-1s, 3), test::contains("is -1000000000"));
    REQUIRE_THROWS_AS(make(duration::max(), 3), std::invalid_argument);
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    for (double f : {0.0, 0.999, -1.0, 1001.0, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()})
        REQUIRE_THROWS_WITH(make(1s, f), test::contains("warm_up: cold_factor (in [1, 1000])"));
    REQUIRE(make(1ns, 1));
    REQUIRE(make(duration(std::int64_t{1} << 52), 1000));
}

TEST_CASE("warm_up: threads share one stream", "[flow][warm_up][stress]") {
    auto const rounds = 1'000 * static_cast<std::int64_t>(test::stress_factor());
    warm_up    w({.stable = sluice::per(1, 10ns), .warm_up = 1us, .cold_factor = 1}, manual_clock());
    std::atomic<std::int64_t> last = 0;
    test::run_threads(4, [&](std::size_t) {
        for (std::int64_t i = 0; i < rounds; ++i) {
            auto const due = w.reserve(1, at(0s)).at.time_since_epoch().count();
            auto       seen = last.load();
            while (seen < due && !last.compare_exchange_weak(seen, due)) {}
        }
    });
    REQUIRE(last.load() == (4 * rounds - 1) * 10);
}
