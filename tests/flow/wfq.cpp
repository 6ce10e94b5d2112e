// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/wfq.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <vector>

using test::at_ms;
using test::nothing;

TEST_CASE("wfq: the lowest finish tag is next", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d({.weights = {{2, 2}}});
    nodes.push(d, 1, {.tenant = 1, .cost = 100}, at_ms(0));  // 100
    nodes.push(d, 2, {.tenant = 2, .cost = 100}, at_ms(0));  // 50
    nodes.push(d, 3, {.tenant = 2, .cost = 100}, at_ms(0));  // 100, after 1
    nodes.push(d, 4, {.tenant = 3, .cost = 10}, at_ms(0));   // 10
    REQUIRE(test::pop(d, at_ms(0)) == 4);
    nodes.push(d, 5, {.tenant = 3, .cost = 80}, at_ms(0));   // 10 + 80
    REQUIRE(test::id_of(d.peek(at_ms(0))) == 2);
    REQUIRE(test::pop(d, at_ms(0)) == 2);
    REQUIRE(test::pop(d, at_ms(0)) == 5);
    REQUIRE(test::pop(d, at_ms(0)) == 1);
    REQUIRE(test::pop(d, at_ms(0)) == 3);
    REQUIRE(test::pop(d, at_ms(0)) == nothing);
}

TEST_CASE("wfq: it does what a list of items does that are all tagged when they come", "[flow][wfq][property]") {
    // Weights divide 840, so that tags in units of 1/840 are whole. The second run wraps the virtual time around.
    for (std::uint64_t const start : {std::uint64_t{0}, UINT64_MAX - (std::uint64_t{1} << 40)}) {
        std::uint32_t const           weights[] = {1, 2, 3, 5, 8};
        sluice::xoshiro256ss          random(test::seed());
        sluice::wfq                   d({.weights = {{1, 2}, {2, 3}, {3, 5}, {4, 8}}, .first_virtual_time = start});
        std::vector<std::tuple<std::uint64_t, int, std::uint64_t>> model;  // tag, id, tenant
        std::map<std::uint64_t, std::uint64_t> last;
        std::uint64_t                 virtual_time = 0;
        test::entries                 nodes;
        for (int i = 0; i < 15'000; ++i) {
            bool const growing = i / 300 % 2 == 0;
            if (sluice::uniform_below(random, 10) < (growing ? 6u : 4u)) {
                auto const tenant = sluice::uniform_below(random, 5);
                auto const cost = static_cast<std::uint32_t>(1 + sluice::uniform_below(random, 300));
                nodes.push(d, i, {.tenant = tenant, .cost = cost}, at_ms(i));
                last[tenant] = std::max(virtual_time, last[tenant]) + 840ull * cost / weights[static_cast<std::size_t>(tenant)];
                model.emplace_back(last[tenant], i, tenant);
                continue;
            }
            auto const least = std::min_element(model.begin(), model.end());
            if (least == model.end()) {
                REQUIRE(test::pop(d, at_ms(i)) == nothing);
                continue;
            }
            auto const p = d.pop(at_ms(i));
            REQUIRE(p.node != nullptr);
            // Equal tags: a tag of 1/3 is rounded here and there, so that any of those may come; never one with another tag.
            auto const served = std::find_if(model.begin(), model.end(),
                                             [&](auto const& m) { return std::get<1>(m) == test::id_of(p.node); });
            REQUIRE(served != model.end());
            REQUIRE(std::get<0>(*served) == std::get<0>(*least));
            virtual_time = std::get<0>(*served);
            model.erase(served);
            REQUIRE(d.size() == model.size());
        }
        REQUIRE((d.virtual_time() < start) == (start != 0));
    }
}

TEST_CASE("wfq: of equal tags the first pushed is first", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d;
    for (int i = 0; i < 300; ++i) nodes.push(d, i, {.tenant = static_cast<std::uint64_t>(i % 3)}, at_ms(0));
    for (int i = 0; i < 300; ++i) REQUIRE(test::pop(d, at_ms(0)) == i);
}

TEST_CASE("wfq: what a division leaves is carried on", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d({.weights = {{2, 3}}});
    nodes.push(d, 1, {.tenant = 1}, at_ms(0));                                   // 1
    for (int i = 21; i <= 23; ++i) nodes.push(d, i, {.tenant = 2}, at_ms(0));  // 1/3, 2/3, exactly 1
    for (int const expected : {21, 22, 1, 23, nothing}) REQUIRE(test::pop(d, at_ms(0)) == expected);
    REQUIRE(d.cost_ahead({.tenant = 9}, at_ms(0)) == 0);
}

TEST_CASE("wfq: who has something waiting all the time gets its share, to an item of each", "[flow][wfq][law]") {
    sluice::xoshiro256ss               random(test::seed());
    std::array<double, 4> const        weight = {1, 2, 3, 65535};
    std::array<double, 4> const        most = {20, 400, 20, 60'000};
    sluice::wfq                        d({.weights = {{1, 2}, {2, 3}, {3, 65535}}});
    std::array<double, 4>              served{};
    test::entries                      nodes;
    auto const more = [&](std::size_t t) {
        auto const cost = static_cast<std::uint32_t>(1 + sluice::uniform_below(random, static_cast<std::uint64_t>(most[t])));
        nodes.push(d, static_cast<int>(t), {.tenant = t, .cost = cost}, at_ms(0));
    };
    for (std::size_t t = 0; t < 4; ++t) {
        more(t);
        more(t);
    }
    for (int i = 0; i < 20'000; ++i) {
        auto const p = d.pop(at_ms(0));
        auto const t = static_cast<std::size_t>(p.node->attributes.tenant);
        served[t] += p.node->attributes.cost;
        more(t);
        for (std::size_t a = 0; a < 4; ++a)
            for (std::size_t b = 0; b < a; ++b)
                if (!(std::abs(served[a] / weight[a] - served[b] / weight[b]) <=
                      most[a] / weight[a] + most[b] / weight[b] + 1e-3))
                    REQUIRE(i < 0);
    }
    REQUIRE(served[1] > 2000);
}

TEST_CASE("wfq: an idle tenant saves no credit and takes no memory", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d;
    for (int i = 0; i < 100; ++i) nodes.push(d, 1, {.tenant = 1}, at_ms(0));
    for (int i = 0; i < 50; ++i) REQUIRE(test::pop(d, at_ms(0)) == 1);
    for (int i = 0; i < 20; ++i) nodes.push(d, 2, {.tenant = 2}, at_ms(0));
    REQUIRE(d.tenants() == 2);
    int of_two = 0;
    for (int i = 0; i < 20; ++i) of_two += test::pop(d, at_ms(0)) == 2;
    REQUIRE(std::abs(of_two - 10) <= 1);
    while (test::pop(d, at_ms(0)) != nothing) {}
    REQUIRE(d.tenants() == 0);
    for (std::uint64_t t = 0; t < 10'000; ++t) {
        nodes.push(d, 7, {.tenant = t}, at_ms(0));
        REQUIRE(test::pop(d, at_ms(0)) == 7);
        REQUIRE(d.tenants() == 0);
    }
}

TEST_CASE("wfq: the largest costs for ever do not confuse the order", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d({.weights = {{1, 65536}}});
    int served[2] = {};
    for (int i = 0; i < 64; ++i)
        for (std::uint64_t t = 0; t < 2; ++t) nodes.push(d, static_cast<int>(t), {.tenant = t, .cost = UINT32_MAX}, at_ms(0));
    for (int i = 0; i < 5000; ++i) {
        auto const p = test::pop(d, at_ms(0));
        REQUIRE((p == 0 || p == 1));
        ++served[p == 0 ? 0 : 1];
        nodes.push(d, p, {.tenant = static_cast<std::uint64_t>(p), .cost = p == 0 ? UINT32_MAX : 65536u * 65535u}, at_ms(0));
    }
    REQUIRE(served[0] <= 2);
    REQUIRE(served[1] >= 4998);
}

TEST_CASE("wfq: a tenant has its quota, and room is made at the cost of whoever has most", "[flow][wfq][unit]") {
    test::entries nodes;
    sluice::wfq   d({.tenant_capacity = 5});
    for (int i = 0; i < 5; ++i) nodes.push(d, 10 + i, {.tenant = 1, .cost = 2}, at_ms(0));
    nodes.push(d, 20, {.tenant = 2}, at_ms(0));
    REQUIRE_FALSE(d.admits({.tenant = 1}));
    REQUIRE(d.admits({.tenant = 2}));
    REQUIRE(d.cost_ahead({.tenant = 1}, at_ms(0)) == 21);  // 10 of its own, and 11 of the other until its tag of 11
    REQUIRE(d.cost_ahead({.tenant = 2}, at_ms(0)) == 3);
    REQUIRE(d.cost_ahead({.tenant = 3}, at_ms(0)) == 2);
    REQUIRE(d.cost_ahead({.tenant = 3, .cost = 100}, at_ms(0)) == 200);
    REQUIRE(d.make_room({.tenant = 1}, at_ms(0)) == nullptr);
    REQUIRE(test::id_of(d.make_room({.tenant = 2}, at_ms(0))) == 14);
    REQUIRE(test::id_of(d.make_room({.tenant = 2}, at_ms(0))) == 13);
    REQUIRE(test::id_of(d.make_room({.tenant = 2}, at_ms(0))) == 12);
    REQUIRE(d.make_room({.tenant = 2}, at_ms(0)) == nullptr);  // 2 against 1 + 1
    REQUIRE(test::id_of(d.make_room({.tenant = 9}, at_ms(0))) == 11);
    REQUIRE(d.make_room({.tenant = 9}, at_ms(0)) == nullptr);  // one each
    REQUIRE(d.size() == 2);
    REQUIRE(d.cost_ahead({.tenant = 1}, at_ms(0)) == 5);
    REQUIRE(test::pop(d, at_ms(0)) == 20);
    REQUIRE(test::pop(d, at_ms(0)) == 10);
    REQUIRE(test::pop(d, at_ms(0)) == nothing);
    sluice::wfq weighted({.weights = {{3, 4}}});
    for (int i = 0; i < 3; ++i) nodes.push(weighted, 10 + i, {.tenant = 1}, at_ms(0));
    for (int i = 0; i < 9; ++i) nodes.push(weighted, 30 + i, {.tenant = 3}, at_ms(0));
    REQUIRE(test::id_of(weighted.make_room({.tenant = 3}, at_ms(0))) == 12);  // 3 / 1 against 10 / 4
    REQUIRE(weighted.make_room({.tenant = 3}, at_ms(0)) == nullptr);          // 2 / 1 against 10 / 4
    sluice::wfq fixed({.push_out = false});
    for (int i = 0; i < 5; ++i) nodes.push(fixed, i, {.tenant = 1}, at_ms(0));
    REQUIRE(fixed.make_room({.tenant = 2}, at_ms(0)) == nullptr);
}

TEST_CASE("wfq: before an item no more is served than what it says, and an item of each other tenant", "[flow][wfq][property]") {
    sluice::xoshiro256ss random(test::seed());
    for (int round = 0; round < 300; ++round) {
        test::entries nodes;
        sluice::wfq   d({.weights = {{1, 2}, {2, 5}}});
        auto const    any = [&](std::uint64_t n) { return static_cast<std::uint32_t>(1 + sluice::uniform_below(random, n)); };
        std::uint64_t all = 0;
        for (auto n = any(40); n > 0; --n) {
            auto const cost = any(30);
            all += cost;
            nodes.push(d, 0, {.tenant = sluice::uniform_below(random, 4), .cost = cost}, at_ms(0));
        }
        for (auto n = any(10); n > 0; --n)
            if (auto const p = d.pop(at_ms(0)); p.node != nullptr) all -= p.node->attributes.cost;
        sluice::item_attributes const mine{.tenant = sluice::uniform_below(random, 4), .cost = any(30)};
        auto const                    said = std::min(all, d.cost_ahead(mine, at_ms(0)));
        nodes.push(d, 1, mine, at_ms(0));
        std::uint64_t before = 0;
        for (auto p = d.pop(at_ms(0)); test::id_of(p.node) != 1; p = d.pop(at_ms(0))) before += p.node->attributes.cost;
        REQUIRE(before <= said + 3 * 30);  // of each other tenant an item that a fair server would have begun
    }
}

TEST_CASE("wfq: impossible options are refused", "[flow][wfq][unit]") {
    REQUIRE_THROWS_WITH(sluice::wfq({.weights = {{1, 0}}}), test::contains("wfq: weight (1 … 65536) is 0"));
    REQUIRE_THROWS_WITH(sluice::wfq({.tenant_capacity = 0}), test::contains("wfq: tenant_capacity (> 0) is 0"));
}
