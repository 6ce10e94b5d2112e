// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/timeout_plan.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

using namespace std::chrono_literals;
using sluice::duration;
using sluice::timeout_hop;
using sluice::timeout_plan;

TEST_CASE("timeout_hop: the worst case is every attempt and every wait", "[flow][timeout_plan][unit]") {
    struct row {
        timeout_hop hop;
        duration    worst;
    };
    for (auto const& r : {row{{.timeout = 200ms}, 200ms},
                          row{{.attempts = 3, .timeout = 200ms}, 600ms},
                          row{{.attempts = 3, .timeout = 200ms, .backoff = 100ms}, 900ms},
                          row{{.attempts = 3, .timeout = 200ms, .backoff = 100ms, .multiplier = 1}, 800ms},
                          row{{.attempts = 5, .timeout = 1ms, .backoff = 2ms, .backoff_cap = 15ms},
                                  5ms + 2ms + 4ms + 8ms + 15ms},
                          row{{.attempts = 4, .timeout = 1ms, .backoff = 20ms, .backoff_cap = 15ms}, 4ms + 45ms},
                          row{{.attempts = 4, .timeout = 1ms, .backoff = 20ms, .backoff_cap = 0ms}, 4ms},
                          row{{.attempts = UINT32_MAX, .timeout = 1ns, .backoff = 1ns, .backoff_cap = 2ns},
                              duration(std::int64_t{UINT32_MAX} + 1 + 2 * (std::int64_t{UINT32_MAX} - 2))},
                          row{{.attempts = UINT32_MAX, .timeout = 1h}, duration::max()},
                          row{{.attempts = 100, .timeout = 1ns, .backoff = 1ns}, duration::max()},
                          row{{.attempts = 2, .timeout = duration::max() / 2, .backoff = duration::max()},
                                  duration::max()}}) {
        CAPTURE(r.hop.attempts, r.hop.timeout.count(), r.hop.backoff.count());
        REQUIRE(r.hop.worst_case() == r.worst);
    }
}

TEST_CASE("timeout_plan: a caller must outlast what it calls", "[flow][timeout_plan][unit]") {
    timeout_hop const downstream{.name = "A", .attempts = 3, .timeout = 200ms, .backoff = 100ms};
    REQUIRE_NOTHROW(timeout_plan(900ms + 1ns, {downstream}));
    REQUIRE_NOTHROW(timeout_plan({{.name = "gateway", .timeout = 901ms}, downstream}));
    REQUIRE_THROWS_AS(timeout_plan(900ms, {downstream}), std::invalid_argument);
    REQUIRE_THROWS_WITH(timeout_plan(900ms, {downstream}),
                        test::contains("upstream waits for 900 ms, must be more than 900 ms, which A may take"));
    REQUIRE_THROWS_WITH(timeout_plan({{.name = "gateway", .timeout = 500ms}, downstream}),
                        test::contains("gateway waits for 500 ms, must be more than 900 ms, which A may take"));
    REQUIRE_THROWS_WITH(timeout_plan({{.timeout = 1s}, {.timeout = 999'999us}, {.timeout = 1'000'001ns, .backoff = 0ns},
                                      {.attempts = 2, .timeout = 1ms}}),
                        test::contains("hop 2 waits for 1000001 ns, must be more than 2 ms, which hop 3 may take"));
}

TEST_CASE("timeout_plan: the numbers of a chain", "[flow][timeout_plan][unit]") {
    timeout_plan const plan(10s, {{.attempts = 2, .timeout = 2s}, {.attempts = 3, .timeout = 300ms, .backoff = 100ms},
                                  {.attempts = 1, .timeout = 100ms}});
    REQUIRE(plan.worst_case() == 4s);
    REQUIRE(plan.worst_case(1) == 1200ms);
    REQUIRE(plan.worst_case(2) == 100ms);
    REQUIRE(plan.slack(0) == 800ms);
    REQUIRE(plan.slack(1) == 200ms);
    REQUIRE(plan.slack(2) == 100ms);
    REQUIRE(plan.amplification(0) == 2);
    REQUIRE(plan.amplification(1) == 6);
    REQUIRE(plan.amplification() == 6);
    REQUIRE(plan.hops().size() == 3);
    REQUIRE_THROWS_AS(plan.worst_case(3), std::out_of_range);
    REQUIRE_THROWS_AS(plan.slack(3), std::out_of_range);
    REQUIRE_THROWS_AS(plan.amplification(3), std::out_of_range);

    timeout_plan const nested({.name = "user", .timeout = 5s}, plan);
    REQUIRE(nested.hops().size() == 4);
    REQUIRE(nested.amplification() == 6);
    REQUIRE_THROWS_WITH(timeout_plan({.name = "user", .timeout = 4s}, plan), test::contains("user waits for 4000 ms"));
}

TEST_CASE("timeout_plan: three layers of four attempts make 64", "[flow][timeout_plan][unit]") {
    REQUIRE(timeout_plan({{.attempts = 4, .timeout = 1s}, {.attempts = 4, .timeout = 200ms}, {.attempts = 4,
            .timeout = 10ms}})
                .amplification() == 64);
    REQUIRE(timeout_plan({{.attempts = UINT32_MAX, .timeout = 2'000'000'000ns}, {.attempts = 100'000, .timeout = 10'000ns},
                          {.attempts = 9'999, .timeout = 1ns}}).amplification() == std::uint64_t{UINT32_MAX} * 999'900'000);
    std::vector<timeout_hop> many;
    for (int i = 70; i > 0; --i) many.push_back({.attempts = 2, .timeout = duration(std::int64_t{1} << std::min(61,
            2 * i))});
    many.erase(many.begin(), many.begin() + 40);  // 2^60, 2^58, … : 30 hops
    REQUIRE(timeout_plan(many).amplification() == std::uint64_t{1} << 30);
    std::vector<timeout_hop> huge;
    for (int i = 3; i > 0; --i) huge.push_back({.attempts = 1'000'000, .timeout = duration(1)});
    huge[0].timeout = duration(2'000'000'000'000);
    huge[1].timeout = duration(1'000'001);
    REQUIRE(timeout_plan(huge).amplification() == 1'000'000'000'000'000'000);
}

TEST_CASE("timeout_plan: what cannot work is refused by name", "[flow][timeout_plan][unit]") {
    REQUIRE_THROWS_WITH(timeout_plan(std::vector<timeout_hop>{}), test::contains("hops is empty"));
    REQUIRE_THROWS_WITH(timeout_plan({{.timeout = 1s}, {.attempts = 0, .timeout = 1ms}}),
            test::contains("hop 1: attempts (> 0) is 0"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{}}), test::contains("hop 0: timeout (> 0) is 0 ns"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{.timeout = -1ms}}), test::contains("timeout (> 0) is -1 ms"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{.timeout = 1s, .backoff = -1us}}),
            test::contains("backoff (>= 0) is -1 us"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{.timeout = 1s, .multiplier = 0}}), test::contains("multiplier"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{.timeout = 1s, .backoff_cap = -1ns}}), test::contains("backoff_cap"));
    REQUIRE_THROWS_WITH(timeout_plan({timeout_hop{.attempts = UINT32_MAX, .timeout = 1h}}), test::contains("worst case"));
    REQUIRE_THROWS_AS(timeout_plan(0s, {timeout_hop{.timeout = 1s}}), std::invalid_argument);
}

TEST_CASE("timeout_plan: it agrees with a naive sum", "[flow][timeout_plan][property]") {
    auto const k = test::keys(4'000, test::seed());
    for (std::size_t i = 0; i + 4 <= k.size(); i += 4) {
        timeout_hop const h{.attempts = static_cast<std::uint32_t>(1 + k[i] % 40),
                            .timeout = duration(static_cast<std::int64_t>(1 + k[i + 1] % 1'000'000)),
                            .backoff = duration(static_cast<std::int64_t>(k[i + 2] % 1'000)),
                            .multiplier = static_cast<std::uint32_t>(1 + k[i + 2] % 3),
                            .backoff_cap = duration(static_cast<std::int64_t>(k[i + 3] % 100'000))};
        std::int64_t sum = 0, wait = h.backoff.count();
        for (std::uint32_t a = 0; a < h.attempts; ++a) {
            if (a > 0) {
                sum += std::min(wait, h.backoff_cap.count());
                wait = std::min<std::int64_t>(wait * h.multiplier, 1'000'000'000);
            }
            sum += h.timeout.count();
        }
        REQUIRE(h.worst_case().count() == sum);
        REQUIRE_NOTHROW(timeout_plan(duration(sum + 1), {h}));
        REQUIRE_THROWS_AS(timeout_plan(duration(sum), {h}), std::invalid_argument);
    }
}
