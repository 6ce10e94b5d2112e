// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/session_affinity.hpp>

#include <sluice/routing/retry_exclusion.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::affinity;
using sluice::hashed_key;
using sluice::node_index;
using sluice::session_affinity;

namespace {

/// A key prefers key % n, then the next ones.
struct in_order {
    using node_type = int;
    node_index n = 0;

    std::size_t               size() const noexcept { return n; }
    std::size_t               index_bound() const noexcept { return n; }
    bool                      contains_index(node_index i) const noexcept { return i < n; }
    std::optional<node_index> locate(hashed_key key) const noexcept {
        return n == 0 ? std::nullopt : std::optional(static_cast<node_index>(key.value % n));
    }
    int                node(node_index i) const { return static_cast<int>(i); }
    std::optional<int> pick(hashed_key key) const {
        auto const i = locate(key);
        return i ? std::optional(node(*i)) : std::nullopt;
    }
    template <class Visit>
    bool walk(hashed_key key, Visit&& visit) const {
        for (node_index k = 0; k < n; ++k)
            if (!visit(static_cast<node_index>((key.value + k) % n))) return false;
        return true;
    }
};
static_assert(sluice::ordered_placement<in_order>);

struct answer {
    std::optional<node_index> node;
    affinity                  kind;
    friend bool operator==(answer const&, answer const&) = default;
};

template <class S, class List>
answer ask(S& s, std::uint64_t key, List const& list, double t) {
    static sluice::xoshiro256ss rng(7);
    auto const                  r = s.route(hashed_key(key), list, test::at(t), rng);
    return {r.node, r.kind};
}

using by_place = session_affinity<in_order>;

}  // namespace

TEST_CASE("session_affinity: home, lent out while overloaded, home again", "[routing][session_affinity][unit]") {
    by_place s({4}, {}, {.limit = 10});
    auto     list = test::nodes(4);
    REQUIRE(ask(s, 6, list, 0) == answer{2u, affinity::started});
    REQUIRE(ask(s, 6, list, 1) == answer{2u, affinity::home});
    list[2].in_flight = 10;
    REQUIRE(ask(s, 6, list, 2) == answer{3u, affinity::spilled});
    list[3].in_flight = 12;
    REQUIRE(ask(s, 6, list, 3) == answer{0u, affinity::spilled});
    REQUIRE(ask(s, 2, list, 3) == answer{0u, affinity::started});  // a new session does not begin at an overloaded node
    list[0].available = false;
    list[1].weight = 0;
    REQUIRE(ask(s, 6, list, 4) == answer{2u, affinity::home});     // all that could help are overloaded, too
    REQUIRE(ask(s, 3, list, 4) == answer{3u, affinity::started});
    list[2].in_flight = 9;
    REQUIRE(ask(s, 6, list, 5) == answer{2u, affinity::home});
    REQUIRE(s.home(hashed_key(6), test::at(5)) == 2u);
}

TEST_CASE("session_affinity: a dead home is replaced, and the new one remembered", "[routing][session_affinity][unit]") {
    by_place s({3}, {});
    auto     list = test::nodes(3);
    REQUIRE(ask(s, 1, list, 0) == answer{1u, affinity::started});
    list[1].available = false;
    REQUIRE(ask(s, 1, list, 1) == answer{2u, affinity::moved});
    REQUIRE(ask(s, 1, list, 2) == answer{2u, affinity::home});
    list[1].available = true;
    REQUIRE(ask(s, 1, list, 3) == answer{2u, affinity::home});
    list.resize(2);  // gone altogether
    REQUIRE(ask(s, 1, list, 4) == answer{1u, affinity::moved});
    for (auto& n : list) n.available = false;
    REQUIRE(ask(s, 1, list, 5) == answer{std::nullopt, affinity::none});
    REQUIRE(ask(s, 9, list, 5) == answer{std::nullopt, affinity::none});
    list[1].available = true;  // it was not forgotten
    REQUIRE(ask(s, 1, list, 6) == answer{1u, affinity::home});
    REQUIRE(ask(s, 1, test::nodes(0), 6) == answer{std::nullopt, affinity::none});
}

TEST_CASE("session_affinity: a drained home keeps its sessions until their time is over", "[routing][session_affinity][unit]") {
    by_place s({3}, {.ttl = 10s});
    auto     list = test::nodes(3);
    REQUIRE(ask(s, 1, list, 0) == answer{1u, affinity::started});
    REQUIRE(ask(s, 1, list, 9) == answer{1u, affinity::home});
    REQUIRE(ask(s, 1, list, 18) == answer{1u, affinity::home});   // each use begins the time anew
    list[1].weight = 0;
    REQUIRE(ask(s, 4, list, 18) == answer{2u, affinity::started});  // nothing new there
    REQUIRE(ask(s, 1, list, 27) == answer{1u, affinity::home});     // but a use after the drain does not
    REQUIRE(s.sessions_at(1, test::at(27)) == 1);
    REQUIRE(s.sessions_at(1, test::at(28)) == 0);
    REQUIRE(ask(s, 1, list, 28) == answer{2u, affinity::started});
    REQUIRE(ask(s, 1, list, 29) == answer{2u, affinity::home});
}

TEST_CASE("session_affinity: times end exactly, and a clock that goes back ends none", "[routing][session_affinity][unit]") {
    by_place s({2}, {.ttl = 10s});
    auto     list = test::nodes(2);
    (void)ask(s, 0, list, 100);
    REQUIRE(s.home(hashed_key(0), test::at(109.999)) == 0u);
    REQUIRE_FALSE(s.home(hashed_key(0), test::at(110)));
    REQUIRE(ask(s, 0, list, 50) == answer{0u, affinity::home});
    REQUIRE(ask(s, 0, list, 109.999) == answer{0u, affinity::home});
    s.end(hashed_key(0));
    REQUIRE_FALSE(s.home(hashed_key(0), test::at(110)));
    REQUIRE(ask(s, 0, list, 110) == answer{0u, affinity::started});
    (void)ask(s, 2, list, 110);
    s.forget_node(0);
    REQUIRE((s.sessions_at(0, test::at(110)) == 0 && !s.home(hashed_key(2), test::at(110))));
    by_place for_ever({2}, {.ttl = sluice::duration::max()});
    sluice::xoshiro256ss rng(1);
    (void)for_ever.route(hashed_key(1), list, test::at(-9e9), rng);
    REQUIRE(for_ever.route(hashed_key(1), list, test::at(0), rng).kind == affinity::home);
}

TEST_CASE("session_affinity: over a balancer, sessions are spread and then stay", "[routing][session_affinity][unit]") {
    session_affinity<test::turns> s({}, {}, {.limit = 5});
    auto                          list = test::nodes(3);
    REQUIRE(ask(s, 10, list, 0) == answer{0u, affinity::started});
    REQUIRE(ask(s, 20, list, 0) == answer{1u, affinity::started});
    REQUIRE(ask(s, 10, list, 1) == answer{0u, affinity::home});
    list[0].in_flight = 5;
    REQUIRE(ask(s, 10, list, 2) == answer{2u, affinity::spilled});
    REQUIRE(ask(s, 10, list, 2) == answer{1u, affinity::spilled});
    list[0].available = false;
    REQUIRE(ask(s, 10, list, 3) == answer{2u, affinity::moved});
    for (auto& n : list) n.in_flight = 5;
    REQUIRE(ask(s, 30, list, 3).kind == affinity::started);
    REQUIRE(ask(s, 20, list, 3) == answer{1u, affinity::home});
}

TEST_CASE("session_affinity: a retry leaves home, and home stays home", "[routing][session_affinity][law]") {
    by_place                        s({3}, {});
    auto                            list = test::nodes(3);
    std::array<node_index, 2> const tried{1, 2};
    (void)ask(s, 1, list, 0);
    auto const retry = sluice::node_view<std::vector<test::node>, sluice::detail::show_tried>(list, {tried});
    REQUIRE(ask(s, 1, retry, 1) == answer{0u, affinity::spilled});
    REQUIRE(ask(s, 1, list, 1) == answer{1u, affinity::home});
    list[0].in_flight = UINT32_MAX;  // overloaded, but the only one left
    REQUIRE(ask(s, 1, retry, 1) == answer{0u, affinity::spilled});
    list[0].available = false;
    REQUIRE(ask(s, 1, retry, 1) == answer{std::nullopt, affinity::none});
}

TEST_CASE("session_affinity: the table is bounded; the one not used for longest goes", "[routing][session_affinity][unit]") {
    by_place s({1}, {.sessions = 8, .ttl = 1000s});
    auto     list = test::nodes(1);
    REQUIRE(s.capacity() == 8);
    for (std::uint64_t k = 0; k < 8; ++k) (void)ask(s, k, list, static_cast<double>(k));
    (void)ask(s, 0, list, 8);
    (void)ask(s, 100, list, 9);
    for (std::uint64_t k = 0; k < 8; ++k) REQUIRE(s.home(hashed_key(k), test::at(9)).has_value() == (k != 1));
    REQUIRE(s.home(hashed_key(100), test::at(9)) == 0u);
    REQUIRE(s.sessions_at(0, test::at(9)) == 8);
    s.end(hashed_key(5));
    (void)ask(s, 101, list, 10);  // takes the free place
    for (std::uint64_t const k : {0u, 2u, 3u, 4u, 6u, 7u}) REQUIRE(s.home(hashed_key(k), test::at(10)));
    REQUIRE(by_place({1}, {.sessions = 9}).capacity() == 16);
}

TEST_CASE("session_affinity: agrees with a naive model, without allocation", "[routing][session_affinity][property]") {
    sluice::xoshiro256ss rng(test::seed());
    struct known {
        node_index home;
        double     used;
    };
    std::map<std::uint64_t, known> model;
    by_place                       s({5}, {.sessions = 20'000, .ttl = 30s}, {.limit = 3});
    auto                           list = test::nodes(5);
    double                         t = 0;
    auto const first = [&](std::uint64_t key, bool spare, std::optional<node_index> but) -> std::optional<node_index> {
        for (std::uint64_t k = 0; k < 5; ++k) {
            auto const i = static_cast<node_index>((key + k) % 5);
            if (i != but && sluice::node_usable(list[i]) && !(spare && list[i].in_flight >= 3)) return i;
        }
        return std::nullopt;
    };
    for (int step = 0; step < 10'000; ++step) {
        t += static_cast<double>(sluice::uniform_below(rng, 3));
        auto& n = list[static_cast<std::size_t>(sluice::uniform_below(rng, 5))];
        n.available = sluice::uniform_below(rng, 4) > 0;
        n.weight = sluice::uniform_below(rng, 4) > 0 ? 1 : 0;
        n.in_flight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 5));
        auto const key = sluice::uniform_below(rng, 40);

        answer expected{std::nullopt, affinity::none};
        if (auto it = model.find(key); it != model.end() && t - it->second.used < 30) {
            auto const& home = list[it->second.home];
            if (home.available) {
                if (home.weight > 0) it->second.used = t;
                expected = {it->second.home, affinity::home};
                if (home.in_flight >= 3)
                    if (auto const other = first(key, true, it->second.home)) expected = {other, affinity::spilled};
            } else {
                auto const next = first(key, true, {}) ? first(key, true, {}) : first(key, false, {});
                if (next) {
                    it->second = {*next, t};
                    expected = {next, affinity::moved};
                }
            }
        } else {
            auto const next = first(key, true, {}) ? first(key, true, {}) : first(key, false, {});
            if (next) {
                model[key] = {*next, t};
                expected = {next, affinity::started};
            }
        }
        std::optional<answer> got;
        {
            test::scarce_memory const none(0);
            got = ask(s, key, list, t);
            REQUIRE(none.allocations() == 0);
        }
        REQUIRE(*got == expected);
    }
}

TEST_CASE("session_affinity: what cannot work is refused by name", "[routing][session_affinity][unit]") {
    REQUIRE_THROWS_WITH(by_place({1}, {.sessions = 0}), test::contains("sessions (> 0)"));
    REQUIRE_THROWS_WITH(by_place({1}, {.ttl = 0s}), test::contains("ttl"));
    test::scarce_memory const scarce(0);
    REQUIRE_THROWS_AS(by_place({1}, {}), std::bad_alloc);
}
