// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/retry_share.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

using sluice::permit;
using sluice::retry_share;

TEST_CASE("retry_share: a fifth of the requests in flight, and three in any case", "[flow][retry_share][unit]") {
    retry_share         share;
    std::vector<permit> requests;
    std::vector<permit> retries;
    for (std::uint32_t n = 0; n <= 40; ++n) {
        auto const limit = std::max(3u, n / 5);
        for (auto p = share.try_acquire(); p; p = share.try_acquire()) retries.push_back(std::move(p));
        REQUIRE(share.retries() == limit);
        REQUIRE(share.requests() == n);
        requests.push_back(share.enter());
    }
    auto const denied = share.try_acquire();
    CHECK_FALSE(denied);
    CHECK(denied.why().kind == sluice::verdict_kind::wait);
    requests.clear();  // fewer requests: those that run may end, no new one begins
    CHECK(share.retries() == 8);
    CHECK_FALSE(share.try_acquire());
    retries.resize(3);
    CHECK_FALSE(share.try_acquire());
    retries.back().drop();
    CHECK(share.try_acquire());
    retries.clear();
    CHECK(share.retries() == 0);
}

TEST_CASE("retry_share: decimals are exact, and the minimum may be none", "[flow][retry_share][unit]") {
    retry_share         share({.ratio = .07, .min_retries = 0});
    std::vector<permit> requests;
    CHECK_FALSE(share.try_acquire());
    for (int i = 0; i < 100; ++i) requests.push_back(share.enter());
    std::vector<permit> retries;
    for (auto p = share.try_acquire(); p; p = share.try_acquire()) retries.push_back(std::move(p));
    CHECK(retries.size() == 7);
}

TEST_CASE("retry_share: what cannot work is refused by name", "[flow][retry_share][unit]") {
    for (double ratio : {0.0, -.1, 1.1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        CHECK_THROWS_WITH(retry_share({.ratio = ratio}), test::contains("retry_share: ratio"));
}

TEST_CASE("retry_share: threads never pass the limit", "[flow][retry_share][stress]") {
    retry_share           share({.ratio = .1, .min_retries = 2});
    std::vector<permit>   requests;
    for (int i = 0; i < 30; ++i) requests.push_back(share.enter());
    std::atomic<int>  running{0};
    std::atomic<int>  most{0};
    std::atomic<long> granted{0};
    test::run_threads(6, [&](std::size_t) {
        for (std::uint64_t i = 0; i < 5000 * test::stress_factor(); ++i) {
            auto p = share.try_acquire();
            if (!p) continue;
            auto const n = running.fetch_add(1) + 1;
            for (auto m = most.load(); m < n && !most.compare_exchange_weak(m, n);) {}
            granted.fetch_add(1);
            running.fetch_sub(1);
        }
    });
    REQUIRE(most <= 3);
    REQUIRE(granted > 0);
    REQUIRE(share.retries() == 0);
    REQUIRE(share.requests() == 30);
}
