// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/hpa_replicas.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

using sluice::hpa_by_average;
using sluice::hpa_by_share;
using sluice::hpa_by_utilisation;
using sluice::hpa_by_value;
using sluice::hpa_worker;

namespace {

using workers = std::vector<hpa_worker>;

/// Workers with a request of 1000 m each.
workers of(std::initializer_list<std::uint64_t> used) {
    workers all;
    for (auto const u : used) all.push_back({.used = u, .requested = 1000});
    return all;
}

workers plus(workers all, std::size_t n, hpa_worker extra) {
    all.insert(all.end(), n, extra);
    return all;
}

hpa_worker const missing{.requested = 1000};
hpa_worker const pending{.requested = 1000, .ready = false};

}  // namespace

TEST_CASE("hpa_replicas: percent of the request", "[scaling][hpa_replicas][unit]") {
    REQUIRE(hpa_by_utilisation(of({300, 500, 700}), 3, 30) == 5);
    auto first_starts = of({300, 500, 700});
    first_starts[0].ready = false;
    REQUIRE(hpa_by_utilisation(first_starts, 3, 30) == 4);
    auto two_start = of({400, 500, 700});
    two_start[1].ready = two_start[2].ready = false;
    REQUIRE(hpa_by_utilisation(two_start, 3, 30) == 3);
    REQUIRE(hpa_by_utilisation(of({100, 300, 500, 250, 250}), 5, 50) == 3);
    // Four that no machine has room for: they start, as far as the rule is concerned.
    REQUIRE(hpa_by_utilisation(plus(of({100}), 4, pending), 5, 50) == 1);
    workers const near{{1010, 900}, {1030, 1000}, {1020, 1100}};
    REQUIRE(hpa_by_utilisation(near, 3, 100) == 3);
    // Upstream gives six metrics for four pods, to show that the two of pods that are gone are not looked at. Which workers
    // there are is the caller's to know here.
    REQUIRE(hpa_by_utilisation(of({4000, 9500, 3000, 7000}), 4, 100) == 24);
    // 50 % against 56 % is beyond the tolerance, against 55 % it is not.
    workers const half(10, hpa_worker{150, 300});
    REQUIRE(hpa_by_utilisation(half, 10, 56) == 9);
    REQUIRE(hpa_by_utilisation(half, 10, 55) == 10);
    REQUIRE(hpa_by_utilisation(half, 10, 55, {.down = 50}) == 10);  // 9.09 is 10
    REQUIRE(hpa_by_utilisation(half, 10, 45, {.up = 100}) == 12);   // 1.11
    REQUIRE(hpa_by_utilisation(half, 10, 45, {.up = 112}) == 10);
}

TEST_CASE("hpa_replicas: who has no metric makes the change smaller", "[scaling][hpa_replicas][unit]") {
    for (std::uint64_t const used : {1000u, 1900u, 600u}) REQUIRE(hpa_by_utilisation(plus(of({used}), 1, missing), 2, 100) == 2);
    // One starts, one has no metric: 100, 100 and a full one of three.
    auto mixed = of({100, 100, 100});
    mixed[0].ready = false;
    REQUIRE(hpa_by_utilisation(plus(mixed, 1, missing), 4, 50) == 3);
    // Full is what the target allows, where that is more than what was requested.
    REQUIRE(hpa_by_utilisation(plus(of({600}), 1, missing), 2, 300) == 2);
    REQUIRE(hpa_by_average(plus(of({30, 30}), 1, missing), 3, 15) == 4);
    REQUIRE(hpa_by_average(plus(of({21, 21}), 2, missing), 4, 10) == 4);  // the second look is within the tolerance
    REQUIRE(hpa_by_average(plus(of({10, 10}), 2, missing), 4, 20) == 3);  // (10 + 10 + 20 + 20) / 4 = 15
}

TEST_CASE("hpa_replicas: mean per worker", "[scaling][hpa_replicas][unit]") {
    REQUIRE(hpa_by_average(of({20, 10, 30}), 3, 15) == 4);
    REQUIRE(hpa_by_average(of({50, 10, 30}), 3, 15) == 6);
    REQUIRE(hpa_by_average(of({20'000, 21'000, 21'000}), 3, 20'000) == 3);
    REQUIRE(hpa_by_average(of({20'000, 21'000, 21'000}), 3, 20'000, {.up = 30}) == 4);
}

TEST_CASE("hpa_replicas: one value for all", "[scaling][hpa_replicas][unit]") {
    REQUIRE(hpa_by_value(20, 15, 3, 3) == 4);
    REQUIRE(hpa_by_value(8600, 4400, 1, 1) == 2);
    REQUIRE(hpa_by_value(8600, 8888, 3, 3) == 3);
    REQUIRE(hpa_by_value(8600, 4400, 0, 0) == 2);  // from zero: the ratio, without a tolerance
    REQUIRE(hpa_by_value(8600, 8600, 0, 0) == 1);
    REQUIRE(hpa_by_value(0, 8600, 0, 0) == 0);
    REQUIRE(hpa_by_share(20, 5, 3) == 4);
    REQUIRE(hpa_by_share(8600, 2150, 3) == 4);
    REQUIRE(hpa_by_share(8600, 2867, 5) == 3);
    REQUIRE(hpa_by_share(8600, 2867, 0) == 3);
}

TEST_CASE("hpa_replicas: exact where doubles are not", "[scaling][hpa_replicas][unit]") {
    REQUIRE(hpa_by_value(88, 80, 100, 100, {.up = 99}) == 110);  // ceil(1.1 × 100) is 111 in doubles
    REQUIRE(hpa_by_value(11, 10, 7, 7) == 7);                    // 1.1 and .9 are both within 100 ‰
    REQUIRE(hpa_by_value(9, 10, 7, 7) == 7);
    for (std::uint64_t target = 1; target <= 60; ++target)
        for (std::uint64_t value = 0; value <= 130; ++value)
            for (std::uint32_t const n : {1u, 3u, 7u, 100u}) {
                auto const up = (value * n + target - 1) / target;
                bool const near = 10 * value <= 11 * target && 10 * value >= 9 * target;
                if (hpa_by_value(value, target, n, n) != (near ? n : up)) {
                    CAPTURE(value, target, n);
                    REQUIRE(hpa_by_value(value, target, n, n) == (near ? n : up));
                }
            }
    STATIC_REQUIRE(hpa_by_value(UINT64_MAX, 1, 1, 1) == UINT32_MAX);
    STATIC_REQUIRE(hpa_by_value(UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX) == UINT32_MAX);
    REQUIRE(hpa_by_average(workers(3, hpa_worker{.used = UINT64_MAX}), 3, UINT64_MAX) == 3);
}

TEST_CASE("hpa_replicas: nothing known is not zero", "[scaling][hpa_replicas][unit]") {
    REQUIRE_FALSE(hpa_by_utilisation({}, 3, 50));
    REQUIRE_FALSE(hpa_by_utilisation(workers(3, missing), 3, 50));
    REQUIRE_FALSE(hpa_by_utilisation(workers(3, pending), 3, 50));
    REQUIRE_FALSE(hpa_by_average({}, 3, 50));
    REQUIRE_FALSE(hpa_by_utilisation(workers(3, hpa_worker{.used = 5, .requested = 0}), 3, 50));
    REQUIRE(hpa_by_utilisation(of({0, 0, 0}), 3, 50) == 0);  // zero is
    REQUIRE_THROWS_AS((void)hpa_by_utilisation(of({1}), 1, 0), std::invalid_argument);
    REQUIRE_THROWS_AS((void)hpa_by_share(1, 0, 1), std::invalid_argument);
    REQUIRE_THROWS_AS((void)hpa_by_value(1, 1, 1, 1, {.down = 1000}), std::invalid_argument);
}
