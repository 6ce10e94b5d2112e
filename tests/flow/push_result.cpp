// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/push_result.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("push_result: it is true for what was taken, and says what else", "[flow][push_result][unit]") {
    STATIC_REQUIRE(sluice::push_result{}.accepted());
    STATIC_REQUIRE(static_cast<bool>(sluice::push_result{}));
    constexpr sluice::push_result no{sluice::reject_reason::delay, 5ms, sluice::load_level::red};
    STATIC_REQUIRE_FALSE(no.accepted());
    STATIC_REQUIRE_FALSE(static_cast<bool>(no));
    STATIC_REQUIRE(no == no);
    STATIC_REQUIRE(no != sluice::push_result{});
    STATIC_REQUIRE_FALSE(std::is_convertible_v<sluice::push_result, bool>);
}
