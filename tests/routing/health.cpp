// SPDX-License-Identifier: BSL-1.0
// All that stands around a balancer, at once: the order and the rules of routing/health.md.
#include <sluice/routing/balancer_ref.hpp>
#include <sluice/routing/cost_aware.hpp>
#include <sluice/routing/edf.hpp>
#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/nearest.hpp>
#include <sluice/routing/outlier_ejection.hpp>
#include <sluice/routing/panic_threshold.hpp>
#include <sluice/routing/peak_ewma.hpp>
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/routing/priority_failover.hpp>
#include <sluice/routing/retry_exclusion.hpp>
#include <sluice/routing/session_affinity.hpp>
#include <sluice/routing/slow_start.hpp>
#include <sluice/routing/subset.hpp>
#include <sluice/routing/zone_aware.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

using namespace std::chrono_literals;
using sluice::node_index;
using outcome = sluice::outlier_outcome;

namespace {

constexpr std::size_t most_nodes = 12;

template <class Inner>
using zones = sluice::zone_aware<sluice::slow_start<Inner>>;
template <class Inner>
using chain = sluice::retry_exclusion<sluice::outlier_ejection<sluice::panic_threshold<sluice::subset<zones<Inner>>>>>;

template <class Inner>
zones<Inner> make_zones(sluice::slow_start_by by) {
    std::vector<sluice::slow_start<Inner>> inners;
    for (int i = 0; i < 3; ++i) inners.emplace_back(most_nodes, sluice::slow_start_options{.by = by});
    zones<Inner> z({.zones = 2, .min_nodes = 3}, std::move(inners));
    z.set_callers(std::array<std::uint32_t, 2>{1, 1});
    return z;
}

template <class Inner>
chain<Inner> make(sluice::outlier_detector<> const& detector, sluice::slow_start_by by, std::span<node_index const> members) {
    sluice::subset<zones<Inner>> s(make_zones<Inner>(by));
    s.assign(members);
    return chain<Inner>(sluice::last_chance::none, {detector, {{}, std::move(s)}});
}

template <class Inner>
void check_all(sluice::slow_start_by by) {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 300; ++round) {
        std::size_t const n = static_cast<std::size_t>(sluice::uniform_below(rng, most_nodes + 1));
        sluice::outlier_detector<> detector(n, {.max_ejected_percent = 60});
        auto                       list = test::nodes(n);
        for (std::size_t i = 0; i < n; ++i) {
            list[i].available = sluice::uniform_below(rng, 4) > 0;
            list[i].weight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 4));
            list[i].zone = static_cast<std::uint32_t>(sluice::uniform_below(rng, 3));  // 2: of no zone
            if (sluice::uniform_below(rng, 3) == 0)
                for (int e = 0; e < 5; ++e) detector.report(static_cast<node_index>(i), outcome::error, 1ms, test::at(0));
        }
        auto const members = sluice::deterministic_subset(n, std::max<std::size_t>(1, n * 2 / 3), 1);
        auto       router = make<Inner>(detector, by, members);
        for (std::size_t i = 0; i < n; i += 2)
            for (std::size_t z = 0; z < 3; ++z)
                router.inner().inner().inner().inner().inner(z).restart(static_cast<node_index>(i), test::at(0));

        std::size_t with_weight = 0, healthy = 0;
        for (std::size_t i = 0; i < n; ++i) {
            with_weight += list[i].weight > 0;
            healthy += sluice::node_usable(list[i]) && !detector.ejected(i);
        }
        bool const panic = healthy * 2 < with_weight;
        std::set<node_index> may;
        for (auto const i : members)
            if (list[i].weight > 0 && (panic || (list[i].available && !detector.ejected(i)))) may.insert(i);

        // Retries go once through all that may be chosen, and then to nothing.
        std::vector<node_index> tried;
        tried.reserve(n);
        for (;;) {
            std::optional<node_index> chosen;
            {
                test::scarce_memory const none(0);
                chosen = router.choose(list, tried, test::at(3), rng);
                REQUIRE(none.allocations() == 0);
            }
            if (!chosen) break;
            CAPTURE(*chosen, panic);
            REQUIRE(may.count(*chosen) == 1);
            REQUIRE(std::find(tried.begin(), tried.end(), *chosen) == tried.end());
            tried.push_back(*chosen);
        }
        REQUIRE(tried.size() == may.size());
    }
}

}  // namespace

TEST_CASE("health: outlier, panic, subset, zone, slow start, balancer: exactly what may be chosen is", "[routing][health][law]") {
    check_all<test::random_choice>(sluice::slow_start_by::thinning);
    check_all<test::turns>(sluice::slow_start_by::thinning);
    check_all<test::by_weight>(sluice::slow_start_by::weight);
}

TEST_CASE("health: priority levels in place of the panic, all around one balancer", "[routing][health][law]") {
    sluice::xoshiro256ss       rng(test::seed());
    sluice::outlier_detector<> detector(6, {.max_ejected_percent = 50});
    using levels = sluice::priority_failover<sluice::subset<test::random_choice>>;
    sluice::subset<test::random_choice> members;
    members.assign(std::array<node_index, 5>{0, 1, 3, 4, 5});
    sluice::retry_exclusion<sluice::outlier_ejection<levels>> router(sluice::last_chance::none, {detector, {{}, members}});
    auto list = test::nodes(6);
    for (std::size_t i = 3; i < 6; ++i) list[i].priority = 1;
    auto const seen = [&] {
        std::set<node_index> s;
        for (int n = 0; n < 400; ++n) s.insert(router.choose(list, {}, rng).value());
        return s;
    };
    REQUIRE(seen() == std::set<node_index>{0, 1});  // 2 is not in the subset
    for (int e = 0; e < 5; ++e) detector.report(0, outcome::error, 1ms, test::at(0));
    REQUIRE(seen() == std::set<node_index>{1, 3, 4, 5});  // 93 / 7
    std::array<node_index, 1> const tried{1};
    for (int n = 0; n < 50; ++n) REQUIRE(router.choose(list, tried, {}, rng).value() >= 3);
}

TEST_CASE("health: wrappers that change no counts agree in either order", "[routing][health][law]") {
    // Ejection and subset, both only taking nodes away: with one random source the same choices.
    sluice::outlier_detector<> detector(8, {.max_ejected_percent = 50});
    for (node_index const i : {1u, 6u})
        for (int e = 0; e < 5; ++e) detector.report(i, outcome::error, 1ms, test::at(0));
    std::array<node_index, 5> const             members{0, 1, 3, 5, 6};
    sluice::subset<test::random_choice>         inner;
    inner.assign(members);
    sluice::outlier_ejection<sluice::subset<test::random_choice>> one(detector, inner);
    sluice::subset<sluice::outlier_ejection<test::random_choice>> other(sluice::outlier_ejection<test::random_choice>{detector});
    other.assign(members);
    auto const           list = test::nodes(8);
    sluice::xoshiro256ss a(test::seed()), b(test::seed());
    for (int n = 0; n < 500; ++n) {
        auto const i = one.choose(list, {}, a);
        REQUIRE((i && i == other.choose(list, {}, b)));
        REQUIRE((i == 0u || i == 3u || i == 5u));
    }
    // Panic around the subset and inside of it agree while both or neither are in panic.
    sluice::panic_threshold<sluice::subset<test::random_choice>> around({}, inner);
    sluice::subset<sluice::panic_threshold<test::random_choice>> within;
    within.assign(members);
    auto sick = list;
    for (int down = 0; down <= 8; ++down) {
        std::size_t in_subset = 0;
        for (auto const i : members) in_subset += sick[i].available;
        bool const all = (8 - down) * 2 < 8, few = in_subset * 2 < 5;
        for (std::uint64_t seed = 0; all == few && seed < 50; ++seed) {
            sluice::xoshiro256ss c(seed), d(seed);
            REQUIRE(around.choose(sick, {}, c) == within.choose(sick, {}, d));
        }
        if (down < 8) sick[static_cast<std::size_t>(down)].available = false;
    }
}

TEST_CASE("health: sessions over the chain keep to healthy homes", "[routing][health][law]") {
    sluice::xoshiro256ss                      rng(test::seed());
    sluice::outlier_detector<>                detector(4, {.max_ejected_percent = 50});
    using around = sluice::outlier_ejection<sluice::panic_threshold<test::turns>>;
    sluice::session_affinity<around>          sessions(around{detector});
    auto const                                list = test::nodes(4);
    auto const healthy = sluice::detail::only(list, [&](std::size_t i, auto const&) { return !detector.ejected(i); });
    REQUIRE(sessions.route(sluice::hashed_key(1), healthy, test::at(0), rng).node == 0u);
    for (int e = 0; e < 5; ++e) detector.report(0, outcome::error, 1ms, test::at(0));
    auto const moved = sessions.route(sluice::hashed_key(1), healthy, test::at(1), rng);
    REQUIRE((moved.node == 1u && moved.kind == sluice::affinity::moved));
}

namespace {

/// Says all that any balancer asks for.
struct telling_node {
    std::unique_ptr<sluice::peak_ewma<>> answers = std::make_unique<sluice::peak_ewma<>>(test::at(0));
    bool                                 available = true;
    std::uint32_t                        weight = 1;
    std::uint32_t                        in_flight = 0;
    std::uint32_t                        zone = 0;
    std::uint32_t                        capacity = 9;
    double                               utilization = 0;
    double                               price = 0;
    sluice::geo_point                    location{};

    [[nodiscard]] sluice::peak_ewma<> const& latency() const { return *answers; }
};

/// A list of which 8 nodes may be chosen, in the order that whoever goes by one property must keep to; 2 and 5 may not.
std::vector<telling_node> telling_nodes() {
    std::vector<telling_node> list(10);
    for (std::size_t i = 0; i < 10; ++i) {
        auto const worse = static_cast<double>(i);
        list[i].answers->record(sluice::duration(1'000'000 + 1'000'000 * static_cast<std::int64_t>(i)), test::at(1));
        list[i].zone = i < 4 ? 0 : 1;
        list[i].utilization = worse / 10;
        list[i].price = worse;
        list[i].location = sluice::geo_point(0, worse);
    }
    list[2].available = false;
    return list;
}

template <class Balancer, class List>
std::vector<node_index> all_choices(Balancer& balancer, List const& nodes) {
    sluice::outlier_detector<> detector(10);
    for (int e = 0; e < 5; ++e) detector.report(5, outcome::error, 1ms, test::at(1));
    REQUIRE(detector.ejected(5));
    using shared = sluice::balancer_ref<Balancer>;
    using warming = sluice::slow_start<shared>;
    std::vector<warming> inners;
    for (int i = 0; i < 3; ++i)
        inners.emplace_back(10, sluice::slow_start_options{.by = sluice::slow_start_by::thinning}, shared(balancer));
    inners[2].restart(1, test::at(1));
    using zoned = sluice::zone_aware<warming>;
    zoned zones({.zones = 2}, std::move(inners));
    sluice::retry_exclusion<sluice::outlier_ejection<sluice::panic_threshold<zoned>>> router(
        sluice::last_chance::none, {detector, {{}, std::move(zones)}});
    sluice::xoshiro256ss    rng(1);
    std::vector<node_index> tried;
    for (int n = 0; n < 12; ++n) {
        auto const chosen = router.choose(nodes, tried, test::at(1.1), rng);
        if (!chosen) break;
        tried.push_back(*chosen);
    }
    return tried;
}

}  // namespace

TEST_CASE("health: what a balancer goes by is read through every wrapper", "[routing][health][law]") {
    auto const                    nodes = telling_nodes();
    std::vector<node_index> const in_order{0, 1, 3, 4, 6, 7, 8, 9};
    auto const choices = [&](auto balancer) { return all_choices(balancer, nodes); };
    auto const sorted = [&](std::vector<node_index> chosen) { return std::sort(chosen.begin(), chosen.end()), chosen; };
    REQUIRE(choices(sluice::least_loaded<sluice::latency_load>()) == in_order);
    REQUIRE(choices(sluice::least_loaded<sluice::utilization_load>()) == in_order);
    REQUIRE(choices(sluice::nearest()) == in_order);
    REQUIRE(choices(sluice::cost_aware()) == in_order);
    REQUIRE(sorted(choices(sluice::power_of_two_choices<sluice::latency_load>())) == in_order);
    REQUIRE(sorted(choices(sluice::edf())) == in_order);
}
