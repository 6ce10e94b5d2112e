// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/shard_splitter.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::shard_change;
using sluice::shard_splitter;
using sluice::shard_splitter_options;
using sluice::time_point;

namespace {

/// One slice of 15 s with these loads, then the verdict.
std::vector<shard_change> slice(shard_splitter& s, int& t, std::vector<std::uint64_t> const& loads) {
    (void)s.evaluate(time_point(t * 1s));
    for (std::uint32_t i = 0; i < loads.size(); ++i) s.record(i, loads[i]);
    t += 15;
    auto const changes = s.evaluate(time_point(t * 1s));
    return {changes.begin(), changes.end()};
}

std::vector<std::uint64_t> const even(10, 100);
std::vector<std::uint64_t> celebrity() {
    std::vector<std::uint64_t> loads(10, 500 / 9);
    loads[3] = 500;
    return loads;
}

}  // namespace

TEST_CASE("shard_splitter: above twice the mean for the whole window, not a slice less", "[routing][shard_splitter][unit]") {
    shard_splitter s(10);
    int            t = 0;
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, celebrity()).empty());
    auto const changes = slice(s, t, celebrity());
    REQUIRE(changes.size() == 1);
    REQUIRE(changes[0].shard == 3);
    REQUIRE(changes[0].parts == 16);  // five means, ten parts at least, a power of two
    REQUIRE(changes[0].ratio == Approx(5).epsilon(0.01));
    REQUIRE(s.parts(3) == 16);
    REQUIRE(s.loads()[3] == 500);
    for (int k = 0; k < 20; ++k) REQUIRE(slice(s, t, celebrity()).empty());  // it is done
}

TEST_CASE("shard_splitter: one cooler slice, and the window begins anew", "[routing][shard_splitter][unit]") {
    shard_splitter s(10);
    int            t = 0;
    for (int round = 0; round < 5; ++round) {
        for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, celebrity()).empty());
        REQUIRE(slice(s, t, even).empty());
    }
}

TEST_CASE("shard_splitter: twice the mean exactly is not above it", "[routing][shard_splitter][unit]") {
    shard_splitter s(4);
    int            t = 0;
    for (int k = 0; k < 12; ++k) REQUIRE(slice(s, t, {200, 100, 50, 50}).empty());
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, {201, 99, 50, 50}).empty());
    REQUIRE(slice(s, t, {201, 99, 50, 50}).size() == 1);
}

TEST_CASE("shard_splitter: merged after a window near the mean; between the ratios nothing happens", "[routing][shard_splitter][unit]") {
    shard_splitter s(10);
    int            t = 0;
    for (int k = 0; k < 4; ++k) (void)slice(s, t, celebrity());
    REQUIRE(s.parts(3) == 16);
    auto warm = even;
    warm[3] = 160;
    for (int k = 0; k < 20; ++k) REQUIRE(slice(s, t, warm).empty());
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, even).empty());
    REQUIRE(slice(s, t, warm).empty());  // not yet
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, even).empty());
    REQUIRE(slice(s, t, even) == std::vector{shard_change{3, 0, 1.0}});
    REQUIRE(s.parts(3) == 0);
    for (int k = 0; k < 9; ++k) REQUIRE(slice(s, t, even).empty());
}

TEST_CASE("shard_splitter: a split shard that grows is split further", "[routing][shard_splitter][unit]") {
    shard_splitter s(10);
    int            t = 0;
    auto           warm = even;
    warm[3] = 250;  // 250 of 1150: 2.2 means
    for (int k = 0; k < 4; ++k) (void)slice(s, t, warm);
    REQUIRE(s.parts(3) == 8);
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, celebrity()).empty());
    REQUIRE(slice(s, t, celebrity())[0].parts == 16);
    // It keeps its parts when it becomes less hot.
    for (int k = 0; k < 9; ++k) REQUIRE(slice(s, t, warm).empty());
}

TEST_CASE("shard_splitter: a slice with few requests says nothing", "[routing][shard_splitter][unit]") {
    shard_splitter s(10, {.min_requests = 1000});
    int            t = 0;
    auto           loud = celebrity();
    for (auto& load : loud) load *= 2;
    for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, loud).empty());
    for (int k = 0; k < 9; ++k) REQUIRE(slice(s, t, celebrity()).empty());  // 995 requests
    REQUIRE(slice(s, t, loud).size() == 1);
    REQUIRE(slice(s, t, std::vector<std::uint64_t>(10, 0)).empty());
}

TEST_CASE("shard_splitter: a gap and a clock that goes back begin anew", "[routing][shard_splitter][unit]") {
    for (auto const odd : {time_point(10'000s), time_point(0s), time_point::min(), time_point::max()}) {
        shard_splitter s(10);
        int            t = 100;
        for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, celebrity()).empty());
        REQUIRE(s.evaluate(odd).empty());
        REQUIRE(s.due() == sluice::saturating_add(odd, 15s));
        if (odd > time_point(10'000s)) continue;
        t = odd == time_point(10'000s) ? 10'000 : 0;
        for (int k = 0; k < 3; ++k) REQUIRE(slice(s, t, celebrity()).empty());
        REQUIRE(slice(s, t, celebrity()).size() == 1);
    }
}

TEST_CASE("shard_splitter: no more parts than allowed, counts that stay at the largest number", "[routing][shard_splitter][unit]") {
    shard_splitter s(100, {.max_parts = 8});
    int            t = 0;
    for (int k = 0; k < 4; ++k) {
        (void)s.evaluate(time_point(t * 1s));
        s.record(7, UINT64_MAX);
        s.record(7, UINT64_MAX);
        t += 15;
        auto const changes = s.evaluate(time_point(t * 1s));
        REQUIRE(changes.size() == (k == 3 ? 1u : 0u));
    }
    REQUIRE(s.parts(7) == 8);
}

TEST_CASE("shard_splitter: options that cannot work", "[routing][shard_splitter][unit]") {
    auto const refuses = [](shard_splitter_options o, char const* what) {
        REQUIRE_THROWS_WITH(shard_splitter(4, o), test::contains(what));
    };
    REQUIRE_THROWS_WITH(shard_splitter(0), test::contains("shards (> 0) is 0"));
    refuses({.window = 0s}, "window (at least 1 ns a slice) is 0");
    refuses({.window = 3ns}, "window");
    refuses({.slices = 0}, "slices (1 to 1000) is 0");
    refuses({.slices = 1001}, "slices");
    for (double const bad : {1.25, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        refuses({.split_ratio = bad}, "split_ratio (> merge_ratio)");
    for (double const bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) refuses({.merge_ratio = bad}, "merge_ratio (> 0)");
    refuses({.min_requests = 0}, "min_requests (> 0) is 0");
    for (std::uint32_t const bad : {0u, 1u, 3u, 2048u}) refuses({.max_parts = bad}, "max_parts (a power of two");
    shard_splitter s(4);
    REQUIRE_THROWS_WITH(s.record(4), test::contains("shard (below the number of shards) is 4"));
}
