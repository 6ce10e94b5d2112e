// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/subset.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

using sluice::node_index;

namespace {

std::vector<std::string> names(std::size_t n) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < n; ++i) all.push_back("10.0.0." + std::to_string(i) + ":80");
    return all;
}
std::span<std::string const> span(std::vector<std::string> const& v) { return v; }

/// The names of a subset.
std::set<std::string> of(std::vector<std::string> const& all, std::vector<node_index> const& chosen) {
    std::set<std::string> s;
    for (auto const i : chosen) s.insert(all[i]);
    REQUIRE(s.size() == chosen.size());
    return s;
}
/// How many of a are not in b.
std::size_t lost(std::set<std::string> const& a, std::set<std::string> const& b) {
    return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](auto const& x) { return b.count(x) == 0; }));
}

}  // namespace

TEST_CASE("subset: deterministic rounds deal every node out once", "[routing][subset][law]") {
    for (auto const& [n, k] : {std::pair<std::size_t, std::size_t>{12, 3}, {13, 3}, {300, 30}, {10, 9}, {5, 1}}) {
        std::size_t const        per_round = n / k;
        std::vector<node_index> previous;
        for (std::uint64_t round = 0; round < 5; ++round) {
            std::set<node_index>    dealt;
            std::vector<node_index> order;
            for (std::uint64_t c = 0; c < per_round; ++c) {
                auto const s = sluice::deterministic_subset(n, k, round * per_round + c);
                REQUIRE(s.size() == k);
                for (auto const i : s) {
                    REQUIRE(i < n);
                    REQUIRE(dealt.insert(i).second);
                    order.push_back(i);
                }
            }
            REQUIRE(dealt.size() == per_round * k);
            if (n >= 12) REQUIRE(order != previous);  // another shuffle in each round
            previous = order;
        }
    }
    REQUIRE(sluice::deterministic_subset(3, 3, 7) == std::vector<node_index>{0, 1, 2});
    REQUIRE(sluice::deterministic_subset(3, 9, 7).size() == 3);
    REQUIRE(sluice::deterministic_subset(0, 9, 7).empty());
    REQUIRE(sluice::deterministic_subset(12, 3, 1, 1) != sluice::deterministic_subset(12, 3, 1, 2));
    REQUIRE(sluice::deterministic_subset(300, 30, UINT64_MAX).size() == 30);
}

TEST_CASE("subset: the deterministic shuffle is even", "[routing][subset][property]") {
    std::array<int, 13> first{};  // how often node i comes first, in 13000 rounds
    for (std::uint64_t round = 0; round < 13'000; ++round) ++first[sluice::deterministic_subset(13, 6, 2 * round, test::seed())[0]];
    for (int const f : first) REQUIRE(f == Approx(1000).margin(140));  // 4.6 deviations of 30.4
}

TEST_CASE("subset: random and rendezvous change one entry per change", "[routing][subset][law]") {
    auto const                       all = names(60);
    std::vector<std::uint32_t> const ones(60, 1);
    auto const small = std::vector<std::string>(all.begin(), all.end() - 1);
    std::size_t changed = 0;
    for (std::uint64_t client = 0; client < 200; ++client) {
        auto const check = [&](auto const& choose) {
            auto const big = of(all, choose(all)), less = of(small, choose(small));
            bool const was_in = big.count(all.back()) > 0;
            REQUIRE(big.size() == 10);
            REQUIRE(lost(big, less) == (was_in ? 1u : 0u));
            REQUIRE(lost(less, big) == (was_in ? 1u : 0u));
            changed += was_in;
        };
        check([&](auto const& list) { return sluice::random_subset(span(list), 10, client); });
        check([&](auto const& list) {
            return sluice::rendezvous_subset(span(list), std::span(ones).first(list.size()), 10, client);
        });
        // The order of the list does not matter.
        auto turned = all;
        std::reverse(turned.begin(), turned.end());
        REQUIRE(of(all, sluice::random_subset(span(all), 10, client)) == of(turned, sluice::random_subset(span(turned), 10, client)));
        // A smaller subset is the beginning of a larger one.
        auto const ten = sluice::random_subset(span(all), 10, client), four = sluice::random_subset(span(all), 4, client);
        REQUIRE(std::equal(four.begin(), four.end(), ten.begin()));
    }
    REQUIRE(changed == Approx(400. / 6).margin(34));  // 4.5 deviations of 7.5
    REQUIRE(sluice::random_subset(span(all), 100, 1).size() == 60);
}

TEST_CASE("subset: random is XXH64 by the client's seed, least first", "[routing][subset][unit]") {
    // XXH64: "a" d24e…, "" ef46…, "abc" 44bc…, "127.0.0.1:90" b6e9… by seed 0; by seed 1: "" d5af…, "a" dec2…, "127.0.0.1:90" 151e…
    std::vector<std::string> const some{"a", "", "abc", "127.0.0.1:90"};
    REQUIRE(sluice::random_subset(span(some), 4, 0) == std::vector<node_index>{2, 3, 0, 1});
    std::vector<std::string> const three{"a", "", "127.0.0.1:90"};
    REQUIRE(sluice::random_subset(span(three), 2, 1) == std::vector<node_index>{2, 1});
}

TEST_CASE("subset: random is even by chance, rendezvous by weights", "[routing][subset][property]") {
    auto const                       all = names(4);
    std::vector<std::uint32_t> const weights{1, 2, 3, 0};
    std::array<int, 4>               even{}, weighted{};
    int const                        clients = 12'000;
    for (int c = 0; c < clients; ++c) {
        ++even[sluice::random_subset(span(all), 1, static_cast<std::uint64_t>(c))[0]];
        ++weighted[sluice::rendezvous_subset(span(all), weights, 1, static_cast<std::uint64_t>(c))[0]];
    }
    for (int const e : even) REQUIRE(e == Approx(clients / 4.).margin(214));  // 4.5 deviations of 47.4
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(weighted[i] == Approx(clients * weights[i] / 6.).margin(247));  // 54.8
    REQUIRE(weighted[3] == 0);
    REQUIRE(sluice::rendezvous_subset(span(all), weights, 9, 1).size() == 3);
    // A changed weight moves that node only: the others keep their order.
    std::vector<std::uint32_t> const more{1, 2, 9, 0};
    for (std::uint64_t c = 0; c < 300; ++c) {
        auto a = sluice::rendezvous_subset(span(all), weights, 3, c), b = sluice::rendezvous_subset(span(all), more, 3, c);
        std::erase(a, 2u);
        std::erase(b, 2u);
        REQUIRE(a == b);
    }
}

TEST_CASE("subset: an aperture's shares are exactly equal over all clients", "[routing][subset][law]") {
    for (std::size_t const nodes : {1u, 2u, 7u, 12u, 30u})
        for (std::uint64_t const clients : {1u, 2u, 3u, 8u, 25u})
            for (std::uint64_t const width : {1u, 3u, 12u, 100u}) {
                CAPTURE(nodes, clients, width);
                std::vector<std::uint64_t> sum(nodes);
                std::uint64_t const        w = std::min<std::uint64_t>(width, nodes);
                for (std::uint64_t c = 0; c < clients; ++c) {
                    auto const    shares = sluice::aperture(nodes, c, clients, width);
                    std::uint64_t all = 0, seen = 0;
                    for (std::size_t i = 0; i < nodes; ++i) {
                        REQUIRE(shares[i] <= clients);
                        sum[i] += shares[i];
                        all += shares[i];
                        seen += shares[i] > 0;
                    }
                    REQUIRE(seen >= w);                    // at least as wide as asked for
                    REQUIRE(all >= w * clients);
                    REQUIRE(all < w * clients + nodes);    // and by less than a client's step wider
                    if (width >= nodes) REQUIRE(std::all_of(shares.begin(), shares.end(), [&](auto s) { return s == clients; }));
                }
                for (auto const s : sum) REQUIRE(s == sum[0]);
            }
    // 3 clients, 4 nodes, at least 1 node wide: one step of 4 parts, nodes of 3 parts.
    REQUIRE(sluice::aperture(4, 1, 3, 1) == std::vector<std::uint32_t>{0, 2, 2, 0});
    REQUIRE(sluice::aperture(4, 2, 3, 2) == std::vector<std::uint32_t>{3, 1, 1, 3});  // two steps, over the ring's end
    REQUIRE(sluice::aperture(0, 0, 3).empty());
}

TEST_CASE("subset: the balancer sees members only, with their shares", "[routing][subset][unit]") {
    sluice::xoshiro256ss       rng(test::seed());
    std::vector<bool>          usable;
    std::vector<std::uint32_t> shown;
    sluice::subset<test::spy>  s(test::spy{&usable, &shown});
    std::vector<test::node>    list{{.weight = 2}, {.weight = 3}, {.available = false}, {.weight = UINT32_MAX}, {}};
    REQUIRE_FALSE(s.choose(list, {}, rng));
    s.assign(std::array<node_index, 3>{3, 1, 2});
    REQUIRE(s.choose(list, {}, rng) == 1u);
    REQUIRE(usable == std::vector<bool>{false, true, false, true, false});
    REQUIRE(shown == std::vector<std::uint32_t>{0, 3, 1, UINT32_MAX, 0});
    s.assign_shares({5, 0, 7, 2});
    std::optional<node_index> chosen;
    {
        test::scarce_memory const none(0);  // the spy's vectors are long enough by now
        chosen = s.choose(list, {}, rng);
        REQUIRE(none.allocations() == 0);
    }
    REQUIRE(chosen == 0u);
    REQUIRE(shown == std::vector<std::uint32_t>{10, 0, 7, UINT32_MAX, 0});
    s.assign({});
    REQUIRE_FALSE(s.choose(list, {}, rng));
    sluice::subset<test::turns> other;
    REQUIRE_FALSE(other.choose(list, {}, rng));
}

TEST_CASE("subset: what cannot work is refused by name", "[routing][subset][unit]") {
    auto const                 all = names(2);
    std::vector<std::uint32_t> weights{1};
    REQUIRE_THROWS_WITH(sluice::deterministic_subset(4, 0, 1), test::contains("k (> 0)"));
    REQUIRE_THROWS_WITH(sluice::random_subset(span(all), 0, 1), test::contains("k (> 0)"));
    REQUIRE_THROWS_WITH(sluice::rendezvous_subset(span(all), weights, 1, 1), test::contains("one for each name"));
    weights.push_back(1'000'001);
    REQUIRE_THROWS_WITH(sluice::rendezvous_subset(span(all), weights, 1, 1), test::contains("weight (<= 10^6) is 1000001"));
    REQUIRE_THROWS_WITH(sluice::rendezvous_subset(span(all), weights, 0, 1), test::contains("k (> 0)"));
    REQUIRE_THROWS_WITH(sluice::aperture(4, 0, 0), test::contains("clients (> 0)"));
    REQUIRE_THROWS_WITH(sluice::aperture(4, 3, 3), test::contains("client (< clients)"));
    REQUIRE_THROWS_WITH(sluice::aperture(4, 0, 3, 0), test::contains("width"));
    REQUIRE_THROWS_WITH(sluice::aperture(4, 0, 1u << 30), test::contains("2^32"));
}
