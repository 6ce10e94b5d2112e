// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/prequal_server.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::prequal_load;
using sluice::prequal_server;
using sluice::time_point;

namespace {

time_point at(duration d) { return time_point(d); }

/// One request that found `others` in flight and took so long; it ends at `now`.
void request(prequal_server& s, std::uint32_t others, duration took, time_point now) {
    std::vector<prequal_server::ticket> before;
    while (s.rif() < others) before.push_back(s.start(now));
    auto const t = s.start(now - took);
    s.finish(t, now);
    for (auto const& b : before) s.abandon(b);
}

/// The answer with so many in flight.
std::optional<duration> latency_at(prequal_server s, std::uint32_t rif, time_point now) {
    while (s.rif() < rif) (void)s.start(now);
    REQUIRE(s.load(now).rif == rif);
    return s.load(now).latency;
}

}  // namespace

TEST_CASE("prequal_server: counts what is in flight, and knows no latency at first", "[routing][prequal_server][unit]") {
    prequal_server s;
    REQUIRE(s.load(at(0s)) == prequal_load{});
    auto const a = s.start(at(0s)), b = s.start(at(1ms));
    REQUIRE((a.rif == 0 && b.rif == 1));
    REQUIRE(s.load(at(2ms)) == prequal_load{2, {}});
    s.finish(a, at(10ms));
    REQUIRE(s.load(at(10ms)) == prequal_load{1, 10ms});
    s.abandon(b);  // a failure is no latency
    REQUIRE(s.load(at(10ms)) == prequal_load{0, 10ms});
    s.finish(s.start(at(5s)), at(4s));  // the clock stepped back
    REQUIRE(s.load(at(5s)) == prequal_load{0, 10ms});
}

TEST_CASE("prequal_server: the median at the present number, or near it", "[routing][prequal_server][unit]") {
    prequal_server s({.samples = 3});
    for (auto const took : {1ms, 2ms, 9ms}) request(s, 0, took, at(0s));
    for (auto const took : {30ms, 10ms, 20ms}) request(s, 4, took, at(0s));
    for (auto const took : {500ms, 400ms, 300ms}) request(s, 100, took, at(0s));
    struct {
        std::uint32_t rif;
        duration      latency;
    } const table[] = {{0, 2ms},  {1, 2ms},  {2, 2ms},    {3, 20ms},    {4, 20ms},  // 2: as near to 0 as to 4, the lower first
                       {5, 20ms}, {7, 20ms}, {95, 400ms}, {100, 400ms}, {4000, 400ms}};
    for (auto const& row : table) {
        INFO(row.rif);
        REQUIRE(latency_at(s, row.rif, at(0s)) == row.latency);
    }
    // Too few at a number: the neighbours help out, the nearer ones first, and of an even count the lower middle counts.
    prequal_server few({.samples = 4});
    request(few, 3, 30ms, at(0s));
    request(few, 2, 20ms, at(0s));
    request(few, 5, 50ms, at(0s));
    request(few, 6, 60ms, at(0s));
    request(few, 0, 1ms, at(0s));
    REQUIRE(latency_at(few, 3, at(0s)) == 20ms);  // of 30, 20, 50 and 1: 0 and 6 are as far, the lower first
    REQUIRE(latency_at(few, 5, at(0s)) == 30ms);  // of 50, 60, 30 and 20
}

TEST_CASE("prequal_server: the newest samples count, and old ones do not", "[routing][prequal_server][unit]") {
    prequal_server s({.samples = 3, .sample_age = 10s});
    for (int i = 0; i < 50; ++i) request(s, 0, 1ms, at(0s));
    request(s, 0, 7ms, at(1s));
    request(s, 0, 8ms, at(1s));
    REQUIRE(s.load(at(1s)).latency == 7ms);
    request(s, 0, 9ms, at(1s));
    REQUIRE(s.load(at(1s)).latency == 8ms);
    REQUIRE(s.load(at(11s)).latency == 8ms);
    REQUIRE_FALSE(s.load(at(11s + 1ns)).latency);
    REQUIRE(s.load(at(-100s)).latency == 8ms);  // from the future: as new as can be
    request(s, 0, 3ms, at(20s));
    REQUIRE(s.load(at(20s)).latency == 3ms);
}

TEST_CASE("prequal_server: bad options, and no allocation", "[routing][prequal_server][unit]") {
    REQUIRE_THROWS_AS(prequal_server({.samples = 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal_server({.samples = 33}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal_server({.sample_age = 0s}), std::invalid_argument);
    auto const     before = test::allocations::total();
    prequal_server s({.samples = 32});
    duration       sum{};
    for (int i = 0; i < 1000; ++i) {
        s.finish(s.start(at(i * 1ms)), at((i + i % 5) * 1ms));
        sum += s.load(at(i * 1ms)).latency.value_or(0ms);
    }
    REQUIRE(test::allocations::total() == before);
    REQUIRE(sum > 1s);
}
