// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/dns_record_set.hpp>

#include "routing/balancer_laws.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::dns_cache;
using sluice::dns_record_set;
using sluice::dns_rotation;
using sluice::node_index;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<dns_cache, std::vector<server>>);

namespace {

time_point at(sluice::duration d) { return time_point(d); }
std::vector<node_index> first(std::size_t n) {
    std::vector<node_index> records(n);
    std::iota(records.begin(), records.end(), node_index{0});
    return records;
}
struct resolver {
    dns_record_set set;
    dns_cache      cache{set};
    resolver(std::size_t n, dns_rotation r) : set(first(n), {.rotation = r}) {}
    template <class List, class Source>
    auto choose(List const& nodes, time_point now, Source& rng) {
        return cache.choose(nodes, now, rng);
    }
};

}  // namespace

TEST_CASE("dns_cache: keeps the laws of balancers", "[routing][dns_record_set][law]") {
    for (auto const r : {dns_rotation::cyclic, dns_rotation::random})
        test::balancer_laws([=](auto const& nodes) { return std::make_unique<resolver>(nodes.size(), r); }, test::shares::other);
}

TEST_CASE("dns_record_set: answers rotate, or are in any order", "[routing][dns_record_set][unit]") {
    sluice::xoshiro256ss    rng(test::seed());
    dns_record_set          cyclic({7, 8, 9});
    std::vector<node_index> a;
    for (auto const& expected : {std::vector<node_index>{7, 8, 9}, {8, 9, 7}, {9, 7, 8}, {7, 8, 9}}) {
        cyclic.answer(a, rng);
        REQUIRE(a == expected);
    }
    dns_record_set   random(first(4), {.rotation = dns_rotation::random, .answer_size = 2});
    std::vector<int> seen(16);
    for (int i = 0; i < 12'000; ++i) {
        random.answer(a, rng);
        REQUIRE((a.size() == 2 && a[0] != a[1]));
        ++seen[a[0] * 4 + a[1]];
    }
    for (std::size_t k = 0; k < 16; ++k) REQUIRE(seen[k] == Approx(k / 4 == k % 4 ? 0 : 1000).margin(140));  // 4.6 deviations
    dns_record_set none({});
    none.answer(a, rng);
    REQUIRE(a.empty());
    REQUIRE_THROWS_AS(dns_record_set({}, {.ttl = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(dns_record_set({}, {.answer_size = 0}), std::invalid_argument);
}

TEST_CASE("dns_cache: an answer holds until it expires, whatever the server knows by then", "[routing][dns_record_set][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(4);
    dns_record_set       set({0, 1, 2}, {.ttl = 30s});
    dns_cache            early(set), late(set);
    REQUIRE(early.choose(nodes, at(0s), rng) == 0u);
    REQUIRE(late.choose(nodes, at(20s), rng) == 1u);
    set.assign({3});
    REQUIRE(early.choose(nodes, at(30s - 1ns), rng) == 0u);  // gone from the set, and still used
    nodes[0].available = false;
    REQUIRE(early.choose(nodes, at(30s - 1ns), rng) == 1u);  // does not connect: the next record
    REQUIRE(early.choose(nodes, at(30s), rng) == 3u);
    REQUIRE(late.choose(nodes, at(49s), rng) == 1u);
    REQUIRE(late.choose(nodes, at(50s), rng) == 3u);
    nodes.resize(2);
    REQUIRE_FALSE(late.choose(nodes, at(51s), rng));  // a record of a node that is not in the list
    set.assign({1});
    REQUIRE_FALSE(late.choose(nodes, at(79s), rng));
    REQUIRE(late.choose(nodes, at(10s), rng) == 1u);  // the clock was set back: asked anew
}

TEST_CASE("dns_cache: clients of different weight make the load uneven", "[routing][dns_record_set][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(4);
    dns_record_set       set(first(4), {.ttl = 60s});
    std::vector<dns_cache> clients(8, dns_cache(set));
    std::vector<int>       load(4);
    for (int second = 0; second < 60; ++second)
        for (std::size_t c = 0; c < 8; ++c)
            for (int request = 0; request < (c == 0 ? 100 : 1); ++request) ++load[*clients[c].choose(nodes, at(1s * second), rng)];
    REQUIRE(*std::max_element(load.begin(), load.end()) == 60 * 101);
    REQUIRE(*std::min_element(load.begin(), load.end()) == 60 * 2);
}
