// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/permit.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::outcome;
using sluice::permit;
using sluice::permits;
using sluice::time_point;
using sluice::verdict;

static_assert(!std::is_copy_constructible_v<permit> && !std::is_copy_assignable_v<permit>);
static_assert(std::is_nothrow_move_constructible_v<permit> && std::is_nothrow_move_assignable_v<permit>);
static_assert(std::is_nothrow_destructible_v<permit>);

namespace {

/// Gives `left` permits and writes down how each one ended.
struct source {
    struct end {
        outcome       how;
        std::uint64_t generation;
        bool          timed;
        time_point    when;
    };
    int              left = 1;
    std::uint64_t    generation = 7;
    std::vector<end> ends{};
    std::vector<int>* order = nullptr;
    int              id = 0;

    permit try_acquire(time_point now) {
        if (left == 0) return permit::denied(verdict::later(5ms, 0));
        --left;
        return permit(this, &finish, {now, generation, 1});
    }
    static void finish(void* self, sluice::permit_ticket const& t, outcome how, time_point const* now) noexcept {
        auto& s = *static_cast<source*>(self);
        s.ends.push_back({how, t.generation, now != nullptr, now != nullptr ? *now : time_point{}});
        if (s.order != nullptr) s.order->push_back(s.id);
        ++s.left;
    }
};
static_assert(sluice::permit_source<source>);

constexpr time_point start{10ms};

}  // namespace

TEST_CASE("permit: it ends once, whatever comes after", "[flow][permit][unit]") {
    source s;
    {
        auto p = s.try_acquire(start);
        REQUIRE(p);
        REQUIRE(p.why());
        REQUIRE(p.start() == start);
        s.generation = 8;  // the issuer moves on; the permit remembers
        p.success(start + 3ms);
        REQUIRE_FALSE(p);
        p.drop();
        p.ignore(start);
        p.success();
    }
    REQUIRE(s.ends.size() == 1);
    REQUIRE(s.ends[0].how == outcome::success);
    REQUIRE(s.ends[0].generation == 7);
    REQUIRE(s.ends[0].timed);
    REQUIRE(s.ends[0].when == start + 3ms);
    REQUIRE(s.left == 1);
}

TEST_CASE("permit: each end says what it is, with a time or without", "[flow][permit][unit]") {
    source s;
    s.try_acquire(start).success();
    s.try_acquire(start).ignore();
    s.try_acquire(start).drop();
    s.try_acquire(start).ignore(start);
    s.try_acquire(start).drop(start + 1ns);
    s.try_acquire(start).finish(outcome::dropped);
    s.try_acquire(start).finish(outcome::success, start);
    std::vector<outcome> how;
    std::vector<bool>    timed;
    for (auto const& e : s.ends) how.push_back(e.how), timed.push_back(e.timed);
    REQUIRE(how == std::vector{outcome::success, outcome::ignored, outcome::dropped, outcome::ignored, outcome::dropped,
                               outcome::dropped, outcome::success});
    REQUIRE(timed == std::vector<bool>{false, false, false, true, true, false, true});
}

TEST_CASE("permit: whoever forgets it, or throws, has ignored it", "[flow][permit][unit]") {
    source s;
    { auto const p = s.try_acquire(start); }
    try {
        auto const p = s.try_acquire(start);
        throw std::runtime_error("the work failed");
    } catch (std::runtime_error const&) {
    }
    REQUIRE(s.ends.size() == 2);
    REQUIRE(s.ends[0].how == outcome::ignored);
    REQUIRE(s.ends[1].how == outcome::ignored);
}

TEST_CASE("permit: moving it moves the duty to end it", "[flow][permit][unit]") {
    source s;
    s.left = 2;
    auto a = s.try_acquire(start);
    auto b = std::move(a);
    REQUIRE_FALSE(a);  // NOLINT: what a moved-from permit is, is the question
    a.success();
    REQUIRE(s.ends.empty());

    auto c = s.try_acquire(start + 1ms);
    c = std::move(b);  // what c held is ignored
    REQUIRE(s.ends.size() == 1);
    REQUIRE(s.ends[0].how == outcome::ignored);
    REQUIRE(c.start() == start);

    auto& same = c;
    c = std::move(same);
    REQUIRE(c);
    c.drop();
    REQUIRE(s.ends.size() == 2);
    REQUIRE(s.left == 2);
}

TEST_CASE("permit: a denial is empty and says why", "[flow][permit][unit]") {
    source s;
    s.left = 0;
    auto p = s.try_acquire(start);
    REQUIRE_FALSE(p);
    REQUIRE(p.why() == verdict::later(5ms, 0));
    p.success();
    auto q = std::move(p);
    REQUIRE_FALSE(q);
    REQUIRE(s.ends.empty());
    REQUIRE(permit().why().kind == sluice::verdict_kind::never);
    REQUIRE_FALSE(permit().why());
    REQUIRE(permit::denied(verdict::refuse(4)).why() == verdict::refuse(4));
}

TEST_CASE("permits: all sources or none", "[flow][permit][unit]") {
    std::vector<int> order;
    source           a{.order = &order, .id = 1}, b{.order = &order, .id = 2}, c{.order = &order, .id = 3};

    SECTION("all give: they end together, the last first") {
        auto all = sluice::try_acquire_all(start, a, b, c);
        REQUIRE(all);
        REQUIRE(all.why());
        REQUIRE(a.left + b.left + c.left == 0);
        all.success(start + 1ms);
        all.drop();
        REQUIRE(order == std::vector{3, 2, 1});
        REQUIRE_FALSE(all);
        for (auto* s : {&a, &b, &c}) {
            REQUIRE(s->ends.size() == 1);
            REQUIRE(s->ends[0].how == outcome::success);
        }
    }
    SECTION("one denies: the others have theirs back, and it is not their fault") {
        c.left = 0;
        auto all = sluice::try_acquire_all(start, a, b, c);
        REQUIRE_FALSE(all);
        REQUIRE(all.why() == verdict::later(5ms, 0));
        REQUIRE(a.left == 1);
        REQUIRE(b.left == 1);
        REQUIRE(a.ends[0].how == outcome::ignored);
        REQUIRE(order == std::vector{2, 1});
    }
    SECTION("the first denies: the others are not asked") {
        a.left = 0;
        REQUIRE_FALSE(sluice::try_acquire_all(start, a, b, c));
        REQUIRE(order.empty());
    }
    SECTION("forgotten: all ignored") {
        { auto const all = sluice::try_acquire_all(start, a, b, c); }
        REQUIRE(order.size() == 3);
        REQUIRE(b.ends[0].how == outcome::ignored);
    }
}
