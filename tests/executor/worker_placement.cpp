// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/worker_placement.hpp>

#include "support/catch.hpp"

#include <sluice/executor/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <vector>

using list = std::vector<unsigned>;
using sluice::cpu_info;
using sluice::cpu_topology;
using sluice::placement_rule;

namespace {

/// Two nodes of two last level caches of two cores of two threads: 0 … 15, threads of a core are 8 apart.
cpu_topology big() {
    cpu_topology t;
    for (unsigned i = 0; i < 16; ++i) {
        unsigned const core = i % 8;
        t.cpus.push_back({.id = i, .core = core, .near_cache = core, .far_cache = core / 2 * 2, .package = core / 4 * 4, .node = core / 4});
    }
    t.distances = {{10, 21}, {21, 10}};
    return t;
}

/// Two fast cores of two threads (0 1, 2 3) and four slow ones that share a level 2 cache (4 … 7); one last level cache.
cpu_topology hybrid() {
    cpu_topology t;
    for (unsigned i = 0; i < 8; ++i) {
        if (i < 4)
            t.cpus.push_back({.id = i, .core = i / 2 * 2, .near_cache = i / 2 * 2});
        else
            t.cpus.push_back({.id = i, .core = i, .near_cache = 4, .capacity = 600});
    }
    return t;
}

list placed(cpu_topology const& t, placement_rule rule, std::size_t n, list cpus = {}) {
    return sluice::place_workers(t, {.rule = rule, .cpus = cpus}, n);
}

/// One round of the worker's thief, grouped by distance of the CPUs.
std::vector<std::set<std::size_t>> ranks(std::shared_ptr<sluice::victim_ranks const> const& r, std::size_t self) {
    std::vector<std::set<std::size_t>> groups(1);
    for (auto const v : r->of(self)) {
        groups.back().insert(v & ~unsigned{sluice::victim_ranks::last});
        if ((v & sluice::victim_ranks::last) != 0) groups.emplace_back();
    }
    groups.pop_back();
    return groups;
}

}  // namespace

TEST_CASE("worker_placement: compact fills what is near, spread what is far", "[executor][worker_placement][unit]") {
    auto const t = big();
    CHECK(placed(t, placement_rule::none, 4).empty());
    CHECK(placed(t, placement_rule::compact, 9) == list{0, 8, 1, 9, 2, 10, 3, 11, 4});
    // nodes, then caches, then cores, then threads
    CHECK(placed(t, placement_rule::spread, 16) == list{0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15});
    CHECK(placed(t, placement_rule::spread, 18)[17] == 4);  // and again
    CHECK(placed(t, placement_rule::list, 5, {3, 11}) == list{3, 11, 3, 11, 3});
    CHECK(placed(t, placement_rule::compact, 0).empty());
    CHECK_THROWS_AS(placed(t, placement_rule::list, 2), std::invalid_argument);
    CHECK_THROWS_WITH(placed(t, placement_rule::list, 2, {1, 16}), Catch::Matchers::Contains("is 16"));
}

TEST_CASE("worker_placement: fast cores come first", "[executor][worker_placement][unit]") {
    auto const t = hybrid();
    CHECK(placed(t, placement_rule::compact, 8) == list{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(placed(t, placement_rule::spread, 8) == list{0, 2, 4, 5, 6, 7, 1, 3});
    auto turned = t;  // the slow ones have the low numbers
    for (auto& c : turned.cpus) c.capacity = c.id < 4 ? 600 : 1024;
    CHECK(placed(turned, placement_rule::compact, 4) == list{4, 5, 6, 7});
    CHECK(placed(turned, placement_rule::spread, 6) == list{4, 5, 6, 7, 0, 2});
    // of cores that share a level 2 cache one each first
    cpu_topology pairs;
    for (unsigned i = 0; i < 6; ++i) pairs.cpus.push_back({.id = i, .core = i, .near_cache = i / 2 * 2});
    CHECK(placed(pairs, placement_rule::spread, 6) == list{0, 2, 4, 1, 3, 5});
}

TEST_CASE("worker_placement: victims by shared core, cache, node", "[executor][worker_placement][unit]") {
    auto const t = big();
    list       identity(16);
    for (unsigned i = 0; i < 16; ++i) identity[i] = i;
    auto const r = sluice::nearest_victims(t, identity);
    using groups = std::vector<std::set<std::size_t>>;
    CHECK(ranks(r, 0) == groups{{8}, {1, 9}, {2, 3, 10, 11}, {4, 5, 6, 7, 12, 13, 14, 15}});
    CHECK(ranks(r, 15) == groups{{7}, {6, 14}, {4, 5, 12, 13}, {0, 1, 2, 3, 8, 9, 10, 11}});
    auto const few = sluice::nearest_victims(t, placed(t, placement_rule::spread, 4));  // 0 4 2 6
    CHECK(ranks(few, 0) == groups{{2}, {1, 3}});
    CHECK(sluice::nearest_victims(t, list{})->workers() == 0);
    CHECK(sluice::nearest_victims(t, list{3})->of(0).empty());
}

TEST_CASE("worker_placement: a pool runs with the ranks", "[executor][worker_placement][unit]") {
    auto const          t = big();
    auto const          few = sluice::nearest_victims(t, placed(t, placement_rule::spread, 4));
    sluice::thread_pool pool({.workers = 4, .victims = {.policy = sluice::victim_policy::nearest, .ranks = few.get()}});
    std::atomic<int> ran{0};
    pool.post_bulk(1000, [&](std::size_t) { ran.fetch_add(1); });
    pool.wait_idle();
    CHECK(ran.load() == 1000);
}
