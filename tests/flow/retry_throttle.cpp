// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/retry_throttle.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <limits>

using sluice::retry_throttle;

TEST_CASE("retry_throttle: more than half of the tokens, one for a failure, a part for a success",
          "[flow][retry_throttle][unit]") {
    retry_throttle throttle;  // 10 tokens, 0.1 for a success
    for (int failures = 1; failures <= 4; ++failures) CHECK(throttle.on_failure());
    CHECK(throttle.tokens() == 6);
    CHECK(throttle.try_withdraw());
    CHECK_FALSE(throttle.on_failure());  // five: exactly half is not more than half
    CHECK_FALSE(throttle.try_withdraw());
    throttle.on_success();
    CHECK(throttle.tokens() == Approx(5.1));
    CHECK(throttle.try_withdraw());
    for (int i = 0; i < 100; ++i) throttle.on_failure();
    CHECK(throttle.tokens() == 0);
    for (int i = 0; i < 50; ++i) throttle.on_success();
    CHECK_FALSE(throttle.try_withdraw());
    throttle.on_success();
    CHECK(throttle.try_withdraw());
    for (int i = 0; i < 1000; ++i) throttle.on_success();
    CHECK(throttle.tokens() == 10);
}

TEST_CASE("retry_throttle: three decimals, and a failure takes what is left", "[flow][retry_throttle][unit]") {
    retry_throttle throttle({.max_tokens = 1.5, .token_ratio = .0001});
    CHECK_FALSE(throttle.on_failure());
    CHECK(throttle.tokens() == Approx(.5));
    throttle.on_success();
    CHECK(throttle.tokens() == Approx(.501));
    CHECK_FALSE(throttle.on_failure());
    CHECK(throttle.tokens() == 0);
    retry_throttle full({.max_tokens = 1.5, .token_ratio = .7});
    full.on_failure();
    full.on_success();
    full.on_success();
    CHECK(full.tokens() == 1.5);  // never more
}

TEST_CASE("retry_throttle: what cannot work is refused by name", "[flow][retry_throttle][unit]") {
    for (double v : {0.0, -1.0, 1000.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        CHECK_THROWS_WITH(retry_throttle({.max_tokens = v}), test::contains("retry_throttle: max_tokens"));
        CHECK_THROWS_WITH(retry_throttle({.token_ratio = v}), test::contains("retry_throttle: token_ratio"));
    }
}

TEST_CASE("retry_throttle: threads lose no token", "[flow][retry_throttle][stress]") {
    retry_throttle throttle({.max_tokens = 1000, .token_ratio = 1});
    for (int i = 0; i < 500; ++i) throttle.on_failure();
    test::run_threads(4, [&](std::size_t thread) {
        for (int i = 0; i < 1000; ++i) {
            if ((i / 50 + static_cast<int>(thread)) % 2 == 0) throttle.on_failure();
            else throttle.on_success();
        }
    });
    CHECK(throttle.tokens() == 500);
}
