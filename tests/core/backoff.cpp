// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/backoff.hpp>

#include "support/catch.hpp"

#include <cstdint>

namespace {

/// How many pauses it takes until the limit is reached.
int pauses_until_exhausted(std::uint32_t limit) {
    sluice::backoff wait(limit);
    int pauses = 0;
    while (!wait.exhausted()) {
        wait.pause();
        ++pauses;
        if (pauses > 40) break;
    }
    return pauses;
}

}  // namespace

TEST_CASE("backoff: pauses double until they reach the limit", "[core][backoff][unit]") {
    struct row {
        std::uint32_t limit;
        int pauses;  // of lengths 1, 2, 4, … before the first one of length `limit`
    };
    for (auto const& [limit, pauses] :
         {row{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}, {100, 7}, {1024, 10}}) {
        CAPTURE(limit);
        REQUIRE(pauses_until_exhausted(limit) == pauses);
    }
}

TEST_CASE("backoff: at the limit it stays there until reset", "[core][backoff][unit]") {
    sluice::backoff wait(8);
    REQUIRE_FALSE(wait.exhausted());
    for (int i = 0; i < 3; ++i) wait.pause();
    REQUIRE(wait.exhausted());
    for (int i = 0; i < 100; ++i) wait.pause();
    REQUIRE(wait.exhausted());
    wait.reset();
    REQUIRE_FALSE(wait.exhausted());
}

TEST_CASE("backoff: the largest limit does not overflow", "[core][backoff][unit]") {
    constexpr sluice::backoff wait(UINT32_MAX);
    STATIC_REQUIRE_FALSE(wait.exhausted());
    sluice::backoff started(UINT32_MAX);
    for (int i = 0; i < 10; ++i) started.pause();
    REQUIRE_FALSE(started.exhausted());
}
