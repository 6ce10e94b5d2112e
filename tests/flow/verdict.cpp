// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/verdict.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using sluice::verdict;
using sluice::verdict_kind;

namespace {

struct always {
    verdict try_acquire(std::uint64_t, sluice::time_point) { return verdict::admit(1); }
    verdict peek(std::uint64_t, sluice::time_point) const { return verdict::admit(1); }
};
struct yes_or_no {
    bool try_acquire(std::uint64_t, sluice::time_point) { return true; }
    bool peek(std::uint64_t, sluice::time_point) const { return true; }
};

static_assert(sluice::limiter<always> && !sluice::limiter<yes_or_no> && !sluice::limiter<int>);

}  // namespace

TEST_CASE("verdict: the three answers are kept apart", "[flow][verdict][unit]") {
    constexpr auto yes = verdict::admit(3);
    STATIC_REQUIRE(yes.kind == verdict_kind::admitted);
    STATIC_REQUIRE((yes && yes.admitted() && yes.remaining == 3 && yes.retry_after == 0ns));

    constexpr auto later = verdict::later(20ms, 1);
    STATIC_REQUIRE(later.kind == verdict_kind::wait);
    STATIC_REQUIRE((!later && !later.admitted() && later.remaining == 1 && later.retry_after == 20ms));

    constexpr auto never = verdict::refuse(5);
    STATIC_REQUIRE(never.kind == verdict_kind::never);
    STATIC_REQUIRE((!never && never.remaining == 5 && never.retry_after == sluice::duration::max()));

    STATIC_REQUIRE(yes == verdict::admit(3));
    STATIC_REQUIRE(yes != verdict::admit(2));
    STATIC_REQUIRE(later != never);
}

TEST_CASE("verdict: nobody's answer admits nothing", "[flow][verdict][unit]") {
    STATIC_REQUIRE(!verdict{});
    STATIC_REQUIRE(verdict{}.kind == verdict_kind::never);
}
