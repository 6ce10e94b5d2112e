// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/reservation.hpp>

#include "support/catch.hpp"

#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::receipt;
using sluice::reservation;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;

namespace {

/// Notes what it is asked to undo.
struct noting {
    int        undone = 0;
    receipt    last{};
    time_point when{};

    verdict try_acquire(std::uint64_t, time_point) noexcept { return verdict::admit(0); }
    verdict try_acquire(std::uint64_t, time_point, receipt&) noexcept { return verdict::admit(0); }
    [[nodiscard]] verdict peek(std::uint64_t, time_point) const noexcept { return verdict::admit(0); }
    std::uint64_t undo(receipt const& r, time_point now) noexcept {
        ++undone;
        last = r;
        when = now;
        return r.cost - 1;
    }
};
struct forward_only {
    verdict try_acquire(std::uint64_t, time_point) noexcept { return verdict::admit(0); }
    [[nodiscard]] verdict peek(std::uint64_t, time_point) const noexcept { return verdict::admit(0); }
};

}  // namespace

static_assert(sluice::reversible_limiter<noting> && !sluice::reversible_limiter<forward_only>);
static_assert(!sluice::reserving_limiter<noting>);
static_assert(!std::is_copy_constructible_v<reservation> && std::is_nothrow_move_constructible_v<reservation>);
static_assert(std::is_nothrow_move_assignable_v<reservation>);

TEST_CASE("reservation: a cancel reaches the limiter once, wherever the object went", "[flow][reservation][unit]") {
    noting        l;
    receipt const paper{3, 10, 13, 7};
    auto          r = reservation::made(l, time_point(5s), 2, paper);
    REQUIRE(r.admitted());
    REQUIRE(r.at == time_point(5s));
    REQUIRE(r.remaining == 2);
    REQUIRE(r.wait(time_point(3s)) == 2s);
    REQUIRE(r.wait(time_point(6s)) == 0s);
    REQUIRE(r.wait(time_point::min()) == duration::max());
    auto moved = std::move(r);
    REQUIRE(r.cancel() == 0);
    REQUIRE(l.undone == 0);
    reservation third;
    third = std::move(moved);
    auto& same = third;
    third = std::move(same);  // to itself: nothing is lost
    REQUIRE(third.at == time_point(5s));
    REQUIRE(third.cancel(time_point(4s)) == 2);
    REQUIRE(l.undone == 1);
    REQUIRE(l.last == paper);
    REQUIRE(l.when == time_point(4s));
    REQUIRE(third.cancel() == 0);
    REQUIRE(l.undone == 1);
}

TEST_CASE("reservation: one that is kept is used", "[flow][reservation][unit]") {
    noting l;
    {
        auto r = reservation::made(l, time_point(5s), 0, {1, 0, 0, 0});
        r = reservation::made(l, time_point(6s), 0, {2, 0, 0, 0});
        REQUIRE(l.undone == 0);
        REQUIRE(r.cancel() == 1);
        REQUIRE(l.when == time_point::min());  // no time was given
        r = reservation::made(l, time_point(7s), 0, {1, 0, 0, 0});
    }
    REQUIRE(l.undone == 1);
}

TEST_CASE("reservation: what was not made says why", "[flow][reservation][unit]") {
    auto late = reservation::later(time_point(9s), 4);
    REQUIRE_FALSE(late);
    REQUIRE(late.kind == verdict_kind::wait);
    REQUIRE(late.to_verdict(time_point(7s)) == verdict::later(2s, 4));
    REQUIRE(late.cancel() == 0);
    auto never = reservation::refuse(4);
    REQUIRE(never.kind == verdict_kind::never);
    REQUIRE(never.at == time_point::max());
    REQUIRE(never.to_verdict(time_point(7s)) == verdict::refuse(4));
    REQUIRE(never.cancel(time_point{}) == 0);
    REQUIRE(reservation().kind == verdict_kind::never);
    noting l;
    REQUIRE(reservation::made(l, time_point(9s), 4, {}).to_verdict(time_point(7s)) == verdict::admit(4));
}
