// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/zone_aware.hpp>

#include <sluice/routing/panic_threshold.hpp>
#include <sluice/routing/retry_exclusion.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <cmath>
#include <optional>
#include <vector>

using sluice::node_index;
using sluice::zone_aware;
using sluice::zone_state;

namespace {

using counts = std::vector<std::uint64_t>;

/// So many nodes in each zone.
std::vector<test::node> site(counts const& zones) {
    std::vector<test::node> list;
    for (std::uint32_t z = 0; z < zones.size(); ++z)
        for (std::uint64_t i = 0; i < zones[z]; ++i) list.push_back({.zone = z});
    return list;
}

template <class Inner>
zone_aware<Inner> router(std::vector<std::uint32_t> const& callers, std::size_t min_nodes = 0, std::uint32_t local = 0) {
    zone_aware<Inner> z({.zones = callers.size(), .local = local, .min_nodes = min_nodes});
    z.set_callers(callers);
    return z;
}

}  // namespace

TEST_CASE("zone_aware: shares and what is left over, in ten-thousandths", "[routing][zone_aware][unit]") {
    struct row {
        counts                     callers, nodes;
        std::size_t                home;
        std::uint32_t              stay;
        std::vector<std::uint32_t> residual;
    };
    for (auto const& r : {row{{4, 4, 2}, {1, 2, 1}, 0, 6250, {0, 1000, 1500}}, row{{3, 1}, {1, 3}, 0, 3333, {0, 5000}},
                          row{{2, 2, 2}, {2, 2, 2}, 0, 10'000, {}}, row{{3, 1}, {1, 3}, 1, 10'000, {}},
                          row{{4, 4, 2}, {2, 1, 1}, 1, 6250, {1000, 1000, 1500}}, row{{1, 1, 2}, {1, 1, 0}, 2, 0, {2500, 5000, 5000}},
                          row{{1}, {1}, 0, 10'000, {}}, row{{5, 0, 0}, {1, 1, 1}, 0, 3333, {0, 3333, 6666}}}) {
        CAPTURE(r.callers, r.nodes, r.home);
        auto const plan = sluice::zone_split(r.callers, r.nodes, r.home);
        REQUIRE(plan.local == r.stay);
        REQUIRE((plan.state == zone_state::all_local) == (r.stay == 10'000));
        for (std::size_t z = 0; z < r.residual.size(); ++z) REQUIRE(plan.residual[z] == r.residual[z]);
    }
    // no overflow, however many
    REQUIRE(sluice::zone_split(counts{UINT32_MAX, UINT32_MAX}, counts{1u << 30, 3u << 30}, 0).local == 5000);
}

TEST_CASE("zone_aware: says why it is off, and then chooses from all", "[routing][zone_aware][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    struct row {
        std::vector<std::uint32_t> callers;
        counts                     nodes;
        std::size_t                min_nodes, min_local;
        zone_state                 state;
    };
    for (auto const& r : {row{{1, 1}, {3, 3}, 6, 1, zone_state::all_local}, row{{1, 1}, {3, 2}, 6, 1, zone_state::few_nodes},
                          row{{0, 0}, {3, 3}, 6, 1, zone_state::no_callers}, row{{0, 1}, {3, 3}, 6, 1, zone_state::no_callers},
                          row{{1, 1}, {6, 0}, 6, 1, zone_state::few_zones}, row{{1, 1}, {0, 6}, 6, 1, zone_state::few_zones},
                          row{{1, 1, 1}, {0, 3, 3}, 6, 1, zone_state::few_local_nodes}, row{{1, 0}, {3, 5}, 6, 3, zone_state::spilling},
                          row{{1, 0}, {3, 5}, 6, 4, zone_state::few_local_nodes}, row{{1, 1}, {0, 0}, 0, 1, zone_state::few_zones}}) {
        CAPTURE(r.callers, r.nodes);
        zone_aware<test::random_choice> z({.zones = r.callers.size(), .min_nodes = r.min_nodes, .min_local_nodes = r.min_local});
        z.set_callers(r.callers);
        auto const list = site(r.nodes);
        auto const plan = z.plan_of(list);
        REQUIRE(plan.state == r.state);
        REQUIRE(plan.on() == (r.state == zone_state::all_local || r.state == zone_state::spilling));
        std::vector<int> chosen(list.size());
        if (list.empty()) REQUIRE_FALSE(z.choose(list, {}, rng));
        else
            for (int n = 0; n < 400; ++n) ++chosen[z.choose(list, {}, rng).value()];
        for (std::size_t i = 0; i < list.size(); ++i) REQUIRE((chosen[i] > 0) == (list[i].zone == 0 || r.state != zone_state::all_local));
    }
    zone_aware<test::turns> const fresh;
    REQUIRE(fresh.plan_of(site({4, 4})).state == zone_state::no_callers);
}

TEST_CASE("zone_aware: chosen as planned, and every node equally loaded by all zones together", "[routing][zone_aware][property]") {
    sluice::xoshiro256ss             rng(test::seed());
    std::vector<std::uint32_t> const callers{4, 4, 2};
    auto const                       list = site({1, 2, 1});
    std::array<double, 4>            load{};
    int const                        draws = 30'000;
    for (std::uint32_t home = 0; home < 3; ++home) {
        auto z = router<test::random_choice>(callers, 0, home);
        for (int n = 0; n < draws; ++n) load[z.choose(list, {}, rng).value()] += callers[home];
    }
    for (double const l : load) REQUIRE(l / (10. * draws) == Approx(.25).margin(.006));  // > 4.5 deviations of .0013
    auto               z = router<test::random_choice>(callers);
    std::array<int, 3> zone{};
    for (int n = 0; n < draws; ++n) ++zone[list[z.choose(list, {}, rng).value()].zone];
    REQUIRE(zone[0] == Approx(.625 * draws).margin(380));                  // 4.5 deviations of 84
    REQUIRE(zone[1] == Approx(.375 * 2 / 3 * draws).margin(340));          // of 75
}

TEST_CASE("zone_aware: where rounding leaves no residual, the rest is spread by nodes", "[routing][zone_aware][unit]") {
    // Callers 5001 : 4999 of 10^4, nodes 1 : 1 with a third zone too small for a ten-thousandth: has > wants nowhere.
    sluice::xoshiro256ss rng(test::seed());
    sluice::zone_plan const plan = sluice::zone_split(counts{20'001, 19'998, 1}, counts{20'000, 19'999, 1}, 0);
    REQUIRE(plan.local == 10'000);  // equal after rounding: all stays
    sluice::zone_plan const none = sluice::zone_split(counts{50'010, 49'980, 10}, counts{50'000, 49'989, 11}, 0);
    REQUIRE((none.local == 9998 && none.residual[2] == 0));
    zone_aware<test::random_choice> z({.zones = 3, .min_nodes = 0, .basis = sluice::zone_basis::weights});
    z.set_callers(std::array<std::uint32_t, 3>{50'010, 49'980, 10});
    std::vector<test::node> const list{{.weight = 50'000}, {.weight = 49'989, .zone = 1}, {.weight = 11, .zone = 2}};
    REQUIRE(z.plan_of(list).local == 9998);
    std::array<int, 3> chosen{};
    for (int n = 0; n < 60'000; ++n) ++chosen[z.choose(list, {}, rng).value()];
    REQUIRE((chosen[1] > 0 && chosen[2] > 0 && chosen[1] + chosen[2] < 40));  // 12 expected; 8 deviations
}

TEST_CASE("zone_aware: weights may be what counts", "[routing][zone_aware][unit]") {
    std::vector<test::node> const list{{.weight = 1}, {.weight = 3, .zone = 1}};
    zone_aware<test::turns>       nodes({.min_nodes = 0}), weights({.min_nodes = 0, .basis = sluice::zone_basis::weights});
    std::array<std::uint32_t, 2> const callers{1, 1};
    nodes.set_callers(callers);
    weights.set_callers(callers);
    REQUIRE(nodes.plan_of(list).local == 10'000);
    REQUIRE(weights.plan_of(list).local == 5000);
}

TEST_CASE("zone_aware: retries leave a zone that they have tried, and panic does not depend on zones", "[routing][zone_aware][law]") {
    sluice::xoshiro256ss rng(test::seed());
    auto const           list = site({2, 4});
    sluice::retry_exclusion<zone_aware<test::random_choice>> r(sluice::last_chance::none, router<test::random_choice>({1, 2}));
    std::array<node_index, 2> const                          tried{0, 1};
    for (int n = 0; n < 50; ++n) {
        REQUIRE(r.choose(list, std::span(tried).first(1), {}, rng) == 1u);
        REQUIRE(list[r.choose(list, tried, {}, rng).value()].zone == 1);
    }
    // 1 of 6 healthy: the panic outside shows the zones whole, and the routing stays on.
    auto sick = list;
    for (std::size_t i = 1; i < 6; ++i) sick[i].available = false;
    sluice::panic_threshold<zone_aware<test::random_choice>> p({}, router<test::random_choice>({1, 2}, 6));
    sluice::panic_threshold<zone_aware<test::random_choice>> f({.mode = sluice::panic_mode::fail},
                                                               router<test::random_choice>({1, 2}, 6));
    std::array<int, 6>                                       chosen{};
    for (int n = 0; n < 200; ++n) ++chosen[p.choose(sick, {}, rng).value()];
    REQUIRE((chosen[0] > 0 && chosen[1] > 0 && chosen[0] + chosen[1] == 200));
    REQUIRE_FALSE(f.choose(sick, {}, rng));
}

TEST_CASE("zone_aware: each zone has its own turns", "[routing][zone_aware][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    auto                 z = router<test::turns>({3, 1});
    auto const           list = site({1, 3});
    std::array<int, 4>   chosen{};
    for (int n = 0; n < 9'000; ++n) ++chosen[z.choose(list, {}, rng).value()];
    REQUIRE((std::abs(chosen[1] - chosen[2]) <= 1 && std::abs(chosen[2] - chosen[3]) <= 1));
}

TEST_CASE("zone_aware: never a node that cannot work, without allocation", "[routing][zone_aware][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 2'000; ++round) {
        std::vector<std::uint32_t> callers(3);
        for (auto& c : callers) c = static_cast<std::uint32_t>(sluice::uniform_below(rng, 4));
        auto z = router<test::random_choice>(callers, static_cast<std::size_t>(sluice::uniform_below(rng, 4)),
                                             static_cast<std::uint32_t>(sluice::uniform_below(rng, 3)));
        auto list = test::nodes(static_cast<std::size_t>(sluice::uniform_below(rng, 9)));
        bool any = false;
        for (auto& n : list) {
            n.available = sluice::uniform_below(rng, 2) == 0;
            n.weight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 3));
            n.zone = static_cast<std::uint32_t>(sluice::uniform_below(rng, 4));  // 3: of no zone
            any |= sluice::node_usable(n);
        }
        test::scarce_memory const none(0);
        auto const                chosen = z.choose(list, {}, rng);
        REQUIRE(none.allocations() == 0);
        REQUIRE(chosen.has_value() == any);
        if (chosen) REQUIRE(sluice::node_usable(list[*chosen]));
    }
}

TEST_CASE("zone_aware: what cannot work is refused by name", "[routing][zone_aware][unit]") {
    using z = zone_aware<test::turns>;
    REQUIRE_THROWS_WITH(z({.zones = 0}), test::contains("zones"));
    REQUIRE_THROWS_WITH(z({.zones = 65}), test::contains("zones (1 to 64) is 65"));
    REQUIRE_THROWS_WITH(z({.zones = 2, .local = 2}), test::contains("local"));
    REQUIRE_THROWS_WITH(z({.min_local_nodes = 0}), test::contains("min_local_nodes"));
    REQUIRE_THROWS_WITH(z({}, std::vector<test::turns>(2)), test::contains("zones + 1"));
    z router;
    REQUIRE_THROWS_WITH(router.set_callers(std::array<std::uint32_t, 3>{}), test::contains("callers"));
}
