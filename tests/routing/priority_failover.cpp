// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/priority_failover.hpp>
#include <sluice/routing/balancer_ref.hpp>
#include <sluice/routing/retry_exclusion.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

using sluice::node_health;
using sluice::node_index;
using sluice::priority_failover;

namespace {

std::vector<std::uint32_t> loads(std::vector<node_health> const& levels, std::uint32_t factor = 140) {
    std::vector<std::uint32_t> result(levels.size());
    sluice::priority_loads(levels, factor, result);
    return result;
}

/// For each level: nodes, how many of them healthy.
std::vector<test::node> site(std::vector<node_health> const& levels) {
    std::vector<test::node> list;
    for (std::uint32_t p = 0; p < levels.size(); ++p)
        for (std::size_t i = 0; i < levels[p].nodes; ++i)
            list.push_back({.available = i < levels[p].healthy, .priority = p});
    return list;
}

}  // namespace

TEST_CASE("priority_failover: loads spill over gradually, in whole numbers", "[routing][priority_failover][unit]") {
    struct row {
        std::vector<std::size_t>   healthy;  // percent
        std::vector<std::uint32_t> loads;
    };
    for (auto const& r : {row{{72, 100}, {100, 0}}, row{{71, 100}, {99, 1}}, row{{50, 100}, {70, 30}}, row{{25, 100}, {35, 65}},
                          row{{0, 100}, {0, 100}}, row{{25, 25, 100}, {35, 35, 30}}, row{{25, 25, 20}, {37, 35, 28}},
                          row{{10, 10, 10}, {34, 33, 33}}, row{{20, 0}, {100, 0}}, row{{100, 100}, {100, 0}},
                          row{{0, 0}, {100, 0}}, row{{0, 0, 1}, {0, 0, 100}}, row{{0, 30, 11}, {0, 74, 26}}, row{{1}, {100}}}) {
        std::vector<node_health> levels;
        for (auto const h : r.healthy) levels.push_back({.healthy = h, .nodes = 100});
        CAPTURE(r.healthy);
        REQUIRE(loads(levels) == r.loads);
    }
    using list = std::vector<std::uint32_t>;
    REQUIRE(loads({{5, 7}, {1, 1}}) == list{100, 0});  // 140 · 5 / 7 is exactly 100
    REQUIRE(loads({{4, 7}, {1, 1}}) == list{80, 20});
    REQUIRE(loads({{1, 2}, {1, 1}}, 100) == list{50, 50});
    REQUIRE(loads({{0, 0}, {0, 3}}) == list{0, 100});  // a level without nodes is passed over
    REQUIRE(loads({{0, 0}, {0, 0}}) == list{0, 0});
    REQUIRE(loads({}) == list{});
}

TEST_CASE("priority_failover: loads add up to 100 and no level gets more than it can carry", "[routing][priority_failover][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 5'000; ++round) {
        std::vector<node_health> levels(1 + static_cast<std::size_t>(sluice::uniform_below(rng, 5)));
        std::uint64_t            sum = 0;
        for (auto& l : levels) {
            l.nodes = 1 + static_cast<std::size_t>(sluice::uniform_below(rng, 30));
            l.healthy = static_cast<std::size_t>(sluice::uniform_below(rng, l.nodes + 1));
            sum += sluice::priority_health(l, 140);
        }
        auto const result = loads(levels);
        REQUIRE(std::accumulate(result.begin(), result.end(), 0u) == 100);
        if (sum >= 100)
            for (std::size_t i = 0; i < levels.size(); ++i) REQUIRE(result[i] <= sluice::priority_health(levels[i], 140));
    }
}

TEST_CASE("priority_failover: nodes are chosen as the loads say", "[routing][priority_failover][property]") {
    sluice::xoshiro256ss                    rng(test::seed());
    priority_failover<test::random_choice>  b;
    auto const                              list = site({{2, 4}, {3, 3}});  // 70 / 30
    std::array<int, 7>                      chosen{};
    int const                               draws = 40'000;
    for (int n = 0; n < draws; ++n) ++chosen[b.choose(list, {}, rng).value()];
    auto const close = [&](double p) { return Approx(draws * p).margin(4.5 * std::sqrt(draws * p * (1 - p))); };  // 4.5 deviations
    REQUIRE((chosen[2] == 0 && chosen[3] == 0));
    for (std::size_t const i : {0u, 1u}) REQUIRE(chosen[i] == close(.35));
    for (std::size_t const i : {4u, 5u, 6u}) REQUIRE(chosen[i] == close(.1));
}

TEST_CASE("priority_failover: panics level by level, and only when all together are too weak", "[routing][priority_failover][unit]") {
    priority_failover<test::random_choice> const b({.levels = 3});
    auto const panics = [&](std::vector<node_health> const& levels) {
        auto const p = b.plan_of(site(levels)).panics;
        return std::vector<bool>{p[0], p[1], p[2]};
    };
    using bits = std::vector<bool>;
    REQUIRE(panics({{1, 10}, {10, 10}, {0, 10}}) == bits{false, false, false});
    REQUIRE(panics({{1, 10}, {5, 10}, {1, 10}}) == bits{true, false, true});  // 14 + 70 + 14
    REQUIRE(panics({{4, 10}, {4, 10}, {0, 10}}) == bits{false, false, false});
    REQUIRE(panics({{4, 10}, {0, 0}, {0, 10}}) == bits{true, false, true});
    REQUIRE(panics({{0, 2}, {0, 2}, {0, 2}}) == bits{true, true, true});

    sluice::xoshiro256ss                   rng(1);
    std::array<int, 4>                     chosen{};
    priority_failover<test::random_choice> two;
    for (int n = 0; n < 400; ++n) ++chosen[two.choose(site({{1, 4}}), {}, rng).value()];
    for (int const c : chosen) REQUIRE(c > 0);
    REQUIRE(two.choose(site({{0, 0}, {0, 1}}), {}, rng) == 0u);  // all down ends with what there is
    priority_failover<test::random_choice> calm({.panic_percent = 0});
    for (int n = 0; n < 100; ++n) REQUIRE(calm.choose(site({{1, 4}, {0, 4}}), {}, rng) == 0u);
    REQUIRE_FALSE(calm.choose(site({{0, 4}, {0, 4}}), {}, rng));
    REQUIRE_FALSE(calm.choose(test::nodes(0), {}, rng));
    auto drained = site({{1, 4}, {2, 4}});
    for (auto& n : drained) n.weight = 0;
    REQUIRE_FALSE(two.choose(drained, {}, rng));
}

TEST_CASE("priority_failover: each level has its own turns, or shares", "[routing][priority_failover][unit]") {
    sluice::xoshiro256ss           rng(test::seed());
    auto const                     list = site({{2, 4}, {4, 4}});
    priority_failover<test::turns> b;
    std::array<int, 8>             chosen{};
    for (int n = 0; n < 10'000; ++n) ++chosen[b.choose(list, {}, rng).value()];
    REQUIRE(std::abs(chosen[0] - chosen[1]) <= 1);
    auto const [least, most] = std::minmax_element(chosen.begin() + 4, chosen.end());
    REQUIRE(*most - *least <= 1);

    test::turns                                          one;
    priority_failover<sluice::balancer_ref<test::turns>> shared({}, sluice::balancer_ref(one));
    REQUIRE(shared.choose(list, {}, rng));
    REQUIRE(&shared.inner(0).get() == &shared.inner(1).get());
    REQUIRE_THROWS_WITH(priority_failover<test::turns>({}, std::vector<test::turns>(3)), test::contains("one for each level"));
}

TEST_CASE("priority_failover: a retry that tried a whole level goes to another", "[routing][priority_failover][law]") {
    sluice::xoshiro256ss                                             rng(test::seed());
    sluice::retry_exclusion<priority_failover<test::random_choice>> r(sluice::last_chance::none);
    auto const                      list = site({{2, 2}, {1, 1}});
    std::array<node_index, 2> const tried{0, 1};
    for (int n = 0; n < 50; ++n) {
        REQUIRE(r.choose(list, {}, rng) != 2u);  // loads are 100 / 0, also while it has tried one
        REQUIRE(r.choose(list, std::span(tried).first(1), {}, rng) == 1u);
        REQUIRE(r.choose(list, tried, {}, rng) == 2u);
    }
}

TEST_CASE("priority_failover: never a node that cannot work, without allocation", "[routing][priority_failover][property]") {
    sluice::xoshiro256ss                   rng(test::seed());
    priority_failover<test::random_choice> b({.levels = 3, .panic_percent = 0}), with_panic({.levels = 3});
    for (int round = 0; round < 2'000; ++round) {
        auto list = test::nodes(static_cast<std::size_t>(sluice::uniform_below(rng, 9)));
        bool any = false, some = false;
        for (auto& n : list) {
            n.available = sluice::uniform_below(rng, 2) == 0;
            n.weight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 3));
            n.priority = static_cast<std::uint32_t>(sluice::uniform_below(rng, 5));  // 3 and 4 count as the last, 2
            any |= n.weight > 0;
            some |= n.weight > 0 && n.available;
        }
        test::scarce_memory const none(0);
        auto const                chosen = b.choose(list, {}, rng);
        auto const                panicky = with_panic.choose(list, {}, rng);
        REQUIRE(none.allocations() == 0);
        REQUIRE(chosen.has_value() == some);
        if (chosen) REQUIRE(sluice::node_usable(list[*chosen]));
        REQUIRE(panicky.has_value() == any);
        if (panicky) REQUIRE(list[*panicky].weight > 0);
    }
}

TEST_CASE("priority_failover: what cannot work is refused by name", "[routing][priority_failover][unit]") {
    using p = priority_failover<test::turns>;
    REQUIRE_THROWS_WITH(p({.levels = 0}), test::contains("levels"));
    REQUIRE_THROWS_WITH(p({.levels = 17}), test::contains("levels (1 to 16) is 17"));
    REQUIRE_THROWS_WITH(p({.overprovisioning = 99}), test::contains("overprovisioning"));
    REQUIRE_THROWS_WITH(p({.panic_percent = 101}), test::contains("panic_percent"));
}
