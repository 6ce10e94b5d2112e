// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/drr.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/lifo.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <vector>

using namespace std::chrono_literals;
using test::at_ms;
using test::nothing;

static_assert(sluice::queue_discipline<sluice::drr<sluice::codel>> && sluice::queue_discipline<sluice::drr<sluice::lifo>>);

TEST_CASE("drr: a quantum of 500 among four flows of packets", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.quantum = 500});
    std::vector<std::vector<std::uint32_t>> const flows = {{200, 750, 20}, {500, 500}, {600, 100, 400}, {50, 700, 180}};
    for (std::size_t f = 0; f < flows.size(); ++f)
        for (auto const size : flows[f])
            nodes.push(d, static_cast<int>(f * 1000 + 1000 + size), {.tenant = f + 1, .cost = size}, at_ms(0));
    struct row {
        int                          served;
        std::array<std::uint64_t, 4> deficits;
    };
    row const rows[] = {
        {1200, {300, 0, 0, 0}},    // flow 1: 300 left, 750 does not fit
        {2500, {300, 0, 0, 0}},    // flow 2: 0 left
        {4050, {300, 0, 500, 450}},  // flow 3: 500, 600 does not fit; flow 4: 450 left
        {1750, {50, 0, 500, 450}},
        {1020, {0, 0, 500, 450}},  // empty: loses 30
        {2500, {0, 0, 500, 450}},
        {3600, {0, 0, 400, 450}},
        {3100, {0, 0, 300, 450}},
        {4700, {0, 0, 300, 250}},
        {4180, {0, 0, 300, 0}},    // empty: loses 70
        {3400, {0, 0, 0, 0}},      // empty: loses 400
    };
    for (auto const& r : rows) {
        REQUIRE(test::pop(d, at_ms(0)) == r.served);
        for (std::size_t f = 0; f < 4; ++f) REQUIRE(d.deficit(f + 1) == r.deficits[f]);
    }
    REQUIRE(test::pop(d, at_ms(0)) == nothing);
    REQUIRE(d.tenants() == 0);
}

TEST_CASE("drr: turns go by weight", "[flow][drr][unit]") {
    auto const run = [](sluice::drr<> d, std::uint32_t cost, int each, std::vector<int> const& expected, std::size_t tenants) {
        test::entries nodes;
        for (int i = 0; i < each; ++i)
            for (std::size_t t = 1; t <= tenants; ++t)
                nodes.push(d, static_cast<int>(t), {.tenant = t, .cost = cost}, at_ms(0));
        for (int const e : expected) REQUIRE(test::pop(d, at_ms(0)) == e);
    };
    run(sluice::drr<>({.weights = {{1, 2}}}), 1, 6, {1, 1, 2, 3, 1, 1, 2, 3, 1, 1, 2, 3}, 3);
    run(sluice::drr<>({.quantum = 100, .weights = {{1, 2}}}), 100, 6, {1, 1, 2, 1, 1, 2, 1, 1, 2, 2, 2, 2}, 2);
}

namespace {

/// The rounds of the paper, one visit after the other, with lists.
struct naive_drr {
    struct flow {
        std::deque<std::pair<int, std::uint64_t>> items;
        std::uint64_t                             deficit = 0;
    };
    std::map<std::uint64_t, flow> flows;
    std::deque<std::uint64_t>     active;
    std::uint64_t                 quantum;
    std::uint64_t (*weight)(std::uint64_t);
    bool in_turn = false;

    void push(int id, std::uint64_t tenant, std::uint64_t cost) {
        auto& f = flows[tenant];
        if (f.items.empty()) active.push_back(tenant);
        f.items.emplace_back(id, cost);
    }
    int pop() {
        while (!active.empty()) {
            auto const tenant = active.front();
            auto&      f = flows[tenant];
            if (!in_turn) f.deficit += quantum * weight(tenant);
            in_turn = true;
            auto const [id, cost] = f.items.front();
            if (cost <= f.deficit) {
                f.items.pop_front();
                f.deficit -= cost;
                if (f.items.empty()) {
                    active.pop_front();
                    flows.erase(tenant);
                    in_turn = false;
                }
                return id;
            }
            active.pop_front();
            active.push_back(tenant);
            in_turn = false;
        }
        return nothing;
    }
};

}  // namespace

TEST_CASE("drr: it does what rounds over lists do, also with a quantum that is far too small", "[flow][drr][property]") {
    for (std::uint32_t const quantum : {1u, 7u, 100u, 1000u}) {
        sluice::xoshiro256ss random(test::seed() + quantum);
        sluice::drr<>        d({.quantum = quantum, .weights = {{3, 2}, {5, 7}, {6, 3}}});
        naive_drr            model{{}, {}, quantum, [](std::uint64_t t) -> std::uint64_t {
                             return t == 3 ? 2 : t == 5 ? 7 : t == 6 ? 3 : 1;
                         }};
        test::entries        nodes;
        for (int i = 0; i < 4000; ++i) {
            bool const growing = i / 300 % 2 == 0;
            if (sluice::uniform_below(random, 10) < (growing ? 6u : 4u)) {
                auto const tenant = sluice::uniform_below(random, 9);
                auto const cost = static_cast<std::uint32_t>(1 + sluice::uniform_below(random, 300));
                nodes.push(d, i, {.tenant = tenant, .cost = cost}, at_ms(i));
                model.push(i, tenant, cost);
            } else {
                REQUIRE(test::pop(d, at_ms(i)) == model.pop());
            }
            REQUIRE(d.tenants() == model.active.size());
            for (auto const& [tenant, f] : model.flows) REQUIRE(d.deficit(tenant) == f.deficit);
        }
    }
}

TEST_CASE("drr: the largest cost with the smallest quantum takes no time", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.quantum = 1, .weights = {{2, 65536}}});
    for (int i = 0; i < 100; ++i) nodes.push(d, 1, {.tenant = 1, .cost = UINT32_MAX}, at_ms(0));
    nodes.push(d, 2, {.tenant = 2, .cost = UINT32_MAX}, at_ms(0));
    REQUIRE(test::pop(d, at_ms(0)) == 2);
    for (int i = 0; i < 100; ++i) REQUIRE(test::pop(d, at_ms(0)) == 1);
    REQUIRE(test::pop(d, at_ms(0)) == nothing);
}

TEST_CASE("drr: who has something waiting all the time gets its share, to a quantum and two items", "[flow][drr][law]") {
    sluice::xoshiro256ss                random(test::seed());
    constexpr std::uint32_t             quantum = 150, most = 400;
    std::array<std::uint64_t, 4> const  weight = {1, 2, 3, 5};
    sluice::drr<>                       d({.quantum = quantum, .weights = {{1, 2}, {2, 3}, {3, 5}}});
    std::array<double, 4>               served{};
    test::entries                       nodes;
    auto const more = [&](std::uint64_t t) {
        auto const small = t % 2 == 0;
        auto const cost = static_cast<std::uint32_t>(1 + sluice::uniform_below(random, small ? 20 : most));
        nodes.push(d, static_cast<int>(t), {.tenant = t, .cost = cost}, at_ms(0));
    };
    for (std::uint64_t t = 0; t < 4; ++t) {
        more(t);
        more(t);
    }
    for (int i = 0; i < 5000; ++i) {
        auto const p = d.pop(at_ms(0));
        auto const t = static_cast<std::size_t>(p.node->attributes.tenant);
        served[t] += p.node->attributes.cost;
        more(t);
        for (std::size_t a = 0; a < 4; ++a) {
            for (std::size_t b = 0; b < a; ++b) {
                auto const apart = served[a] / static_cast<double>(weight[a]) - served[b] / static_cast<double>(weight[b]);
                REQUIRE(std::abs(apart) <= quantum + 2.0 * most);
            }
        }
    }
}

TEST_CASE("drr: demands of 10, 60 and 60 on a server of 100 get 10, 45 and 45", "[flow][drr][law]") {
    test::entries             nodes;
    sluice::drr<>             d;
    std::array<int, 3>        served{};
    std::array<int, 3> const  demand = {10, 60, 60};
    for (int round = 0; round < 100; ++round) {
        for (std::size_t t = 0; t < 3; ++t)
            for (int i = 0; i < demand[t]; ++i) nodes.push(d, static_cast<int>(t), {.tenant = t}, at_ms(round));
        for (int i = 0; i < 100; ++i) ++served[static_cast<std::size_t>(test::pop(d, at_ms(round)))];
    }
    REQUIRE(served[0] == 1000);
    REQUIRE(std::abs(served[1] - 4500) <= 10);
    REQUIRE(served[1] + served[2] == 9000);
}

TEST_CASE("drr: a tenant that comes back has saved nothing", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.quantum = 100});
    nodes.push(d, 1, {.tenant = 1, .cost = 1}, at_ms(0));
    REQUIRE(test::pop(d, at_ms(0)) == 1);
    REQUIRE(d.deficit(1) == 0);
    REQUIRE(d.tenants() == 0);
    nodes.push(d, 2, {.tenant = 1, .cost = 150}, at_ms(0));
    nodes.push(d, 3, {.tenant = 2, .cost = 100}, at_ms(0));
    REQUIRE(test::pop(d, at_ms(0)) == 3);  // 99 left over would have put 2 first
    REQUIRE(test::pop(d, at_ms(0)) == 2);
}

TEST_CASE("drr: tenants that have nothing waiting take no memory", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d;
    for (std::uint64_t t = 0; t < 20'000; ++t) {
        nodes.push(d, 1, {.tenant = t}, at_ms(0));
        REQUIRE(d.tenants() <= 3);
        if (t >= 2) REQUIRE(test::pop(d, at_ms(0)) == 1);
    }
}

TEST_CASE("drr: items that cost nothing do not let their tenant keep the turn", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d;
    for (int i = 0; i < 10; ++i) nodes.push(d, 1, {.tenant = 1, .cost = 0}, at_ms(0));
    nodes.push(d, 2, {.tenant = 2}, at_ms(0));
    REQUIRE(test::pop(d, at_ms(0)) == 1);
    REQUIRE(test::pop(d, at_ms(0)) == 2);
}

TEST_CASE("drr: a tenant has its quota, and room is made at the cost of whoever has most", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.weights = {{3, 4}}, .tenant_capacity = 5});
    for (int i = 0; i < 5; ++i) nodes.push(d, 10 + i, {.tenant = 1}, at_ms(0));
    for (int i = 0; i < 3; ++i) nodes.push(d, 20 + i, {.tenant = 2}, at_ms(0));
    REQUIRE_FALSE(d.admits({.tenant = 1}));
    REQUIRE(d.admits({.tenant = 2}));
    REQUIRE(d.admits({.tenant = 9}));
    REQUIRE(d.make_room({.tenant = 1}, at_ms(0)) == nullptr);                // it has most itself
    REQUIRE(test::id_of(d.make_room({.tenant = 2}, at_ms(0))) == 14);       // 5 against 3 + 1
    REQUIRE(d.make_room({.tenant = 2}, at_ms(0)) == nullptr);                // 4 against 4
    REQUIRE(test::id_of(d.make_room({.tenant = 7}, at_ms(0))) == 13);
    REQUIRE(d.make_room({.tenant = 7}, at_ms(0)) != nullptr);                // 3 and 3: either
    REQUIRE(d.size() == 5);
    REQUIRE(d.admits({.tenant = 1}));
    for (int i = 0; i < 5; ++i) nodes.push(d, 30 + i, {.tenant = 3}, at_ms(0));
    REQUIRE(d.size(3) == 5);
    auto const* const loser = d.make_room({.tenant = 3}, at_ms(0));          // 3 / 1 against 6 / 4
    REQUIRE(test::id_of(loser) / 10 != 3);
    REQUIRE(d.size() == 9);
    int popped = 0;
    while (test::pop(d, at_ms(0)) != nothing) ++popped;
    REQUIRE(popped == 9);
    sluice::drr<> fixed({.push_out = false});
    for (int i = 0; i < 5; ++i) nodes.push(fixed, i, {.tenant = 1}, at_ms(0));
    REQUIRE(fixed.make_room({.tenant = 2}, at_ms(0)) == nullptr);
}

TEST_CASE("drr: ahead of an item is its tenant's own work in its share, and a turn of the others", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.quantum = 10, .weights = {{1, 3}}});
    REQUIRE(d.cost_ahead({.tenant = 1}, at_ms(0)) == 0);
    for (int i = 0; i < 6; ++i) nodes.push(d, 1, {.tenant = 1, .cost = 10}, at_ms(0));
    REQUIRE(d.cost_ahead({.tenant = 1}, at_ms(0)) == 60);
    REQUIRE(d.cost_ahead({.tenant = 2}, at_ms(0)) == 30);
    nodes.push(d, 2, {.tenant = 2, .cost = 10}, at_ms(0));
    REQUIRE(d.cost_ahead({.tenant = 1}, at_ms(0)) == 90);
    REQUIRE(d.cost_ahead({.tenant = 2}, at_ms(0)) == 70);
    while (test::pop(d, at_ms(0)) != nothing) {}
    REQUIRE(d.cost_ahead({.tenant = 9}, at_ms(0)) == 0);
}

namespace {

/// Sheds what has priority 1.
struct picky : sluice::fifo {
    using fifo::fifo;
    sluice::popped_node pop(sluice::time_point now) noexcept {
        auto const p = fifo::pop(now);
        return {p.node, p.node != nullptr && p.node->attributes.priority == 1};
    }
};

}  // namespace

TEST_CASE("drr: what is shed costs its tenant nothing", "[flow][drr][unit]") {
    test::entries      nodes;
    sluice::drr<picky> d({.quantum = 2});
    nodes.push(d, 10, {.tenant = 1, .priority = 1}, at_ms(0));
    for (int i = 11; i <= 13; ++i) nodes.push(d, i, {.tenant = 1}, at_ms(0));
    nodes.push(d, 20, {.tenant = 2}, at_ms(0));
    for (int const expected : {-11, 11, 12, 20, 13, nothing}) REQUIRE(test::pop(d, at_ms(0)) == expected);
}

TEST_CASE("drr: room is never made by a tenant's only item", "[flow][drr][unit]") {
    test::entries nodes;
    sluice::drr<> d({.weights = {{2, 4}, {3, 4}}});
    nodes.push(d, 10, {.tenant = 1}, at_ms(0));
    for (int i = 20; i <= 21; ++i) nodes.push(d, i, {.tenant = 2}, at_ms(0));
    REQUIRE(test::id_of(d.make_room({.tenant = 3}, at_ms(0))) == 21);  // 2 / 4, though another has 1 / 1
    REQUIRE(d.make_room({.tenant = 3}, at_ms(0)) == nullptr);
}

TEST_CASE("drr of codel: each tenant's own delay decides what it loses", "[flow][drr][unit]") {
    test::entries               nodes;
    sluice::drr<sluice::codel>  d({.quantum = 1}, {.target = 5ms, .interval = 100ms});
    // Tenant 1 sends four items a millisecond, tenant 2 one in four milliseconds; the server takes one a millisecond.
    int served[3] = {}, shed[3] = {};
    for (int ms = 0; ms < 2000; ++ms) {
        for (int i = 0; i < 4; ++i) nodes.push(d, 1, {.tenant = 1}, at_ms(ms));
        if (ms % 4 == 0) nodes.push(d, 2, {.tenant = 2}, at_ms(ms));
        for (;;) {
            auto const p = d.pop(at_ms(ms));
            REQUIRE(p.node != nullptr);
            auto const t = p.node->attributes.tenant;
            if (!p.shed) {
                ++served[t];
                break;
            }
            ++shed[t];
        }
    }
    REQUIRE(served[2] >= 499);
    REQUIRE(shed[2] == 0);
    REQUIRE(served[1] >= 1490);
    REQUIRE(shed[1] > 4000);
    REQUIRE(d.size() < 600);
}

TEST_CASE("drr: impossible options are refused, also those of the inner discipline", "[flow][drr][unit]") {
    REQUIRE_THROWS_WITH(sluice::drr<>({.quantum = 0}), test::contains("drr: quantum (> 0) is 0"));
    REQUIRE_THROWS_WITH(sluice::drr<>({.tenant_capacity = 0}), test::contains("drr: tenant_capacity (> 0) is 0"));
    REQUIRE_THROWS_WITH(sluice::drr<>({.weights = {{1, 1}, {2, 0}}}), test::contains("drr: weight (1 … 65536) is 0"));
    REQUIRE_THROWS_WITH(sluice::drr<>({.weights = {{1, 65537}}}), test::contains("is 65537"));
    REQUIRE_THROWS_WITH(sluice::drr<>({.weights = {{7, 1}, {2, 2}, {7, 2}}}), test::contains("tenant (named once) is 7"));
    REQUIRE_THROWS_WITH(sluice::drr<sluice::codel>({}, {.target = 0ns}), test::contains("codel: target"));
}
