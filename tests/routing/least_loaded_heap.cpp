// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/least_loaded_heap.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

using sluice::least_loaded_heap;
using sluice::node_index;
using sluice::time_point;

namespace {

struct server {
    std::uint32_t weight = 1;
    bool          available = true;
};
static_assert(sluice::balancer<least_loaded_heap, std::vector<server>>);

}  // namespace

TEST_CASE("least_loaded_heap: whatever changes, a node that can be chosen, counts that are right",
          "[routing][least_loaded_heap][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (std::size_t const n : {1u, 2u, 3u, 7u, 40u}) {
        std::vector<server>        nodes(n);
        std::vector<std::uint64_t> flying(n);
        least_loaded_heap          heap(n);
        for (int k = 0; k < 4000; ++k) {
            auto const i = static_cast<std::size_t>(sluice::uniform_below(rng, n));
            switch (sluice::uniform_below(rng, 8)) {
            case 0: nodes[i].available = !nodes[i].available; break;
            case 1: nodes[i].weight = static_cast<std::uint32_t>(sluice::uniform_below(rng, 4)); break;
            case 2:
            case 3:
                flying[i] -= flying[i] > 0 ? 1u : 0u;
                heap.finished(static_cast<node_index>(i));
                break;
            default: break;
            }
            auto const c = heap.choose(nodes, time_point{}, rng);
            REQUIRE(c.has_value() == (sluice::count_usable(nodes) > 0));
            if (!c) continue;
            REQUIRE(sluice::node_usable(nodes[*c]));
            REQUIRE(heap.in_flight(*c) == flying[*c]);
            heap.started(*c);
            ++flying[*c];
        }
    }
}

TEST_CASE("least_loaded_heap: with steady weights no scan finds a lesser one", "[routing][least_loaded_heap][property]") {
    sluice::xoshiro256ss rng(test::seed() + 1);
    for (std::size_t const n : {1u, 2u, 5u, 64u}) {
        std::vector<server>        nodes(n);
        std::vector<std::uint64_t> flying(n);
        for (auto& s : nodes) s.weight = 1 + static_cast<std::uint32_t>(sluice::uniform_below(rng, 4));
        least_loaded_heap heap(n);
        for (std::size_t m = 0; m < 4 * n; ++m) (void)heap.choose(nodes, time_point{}, rng);  // it learns the weights
        std::multiset<node_index> running;
        for (int k = 0; k < 3000; ++k) {
            if (!running.empty() && sluice::uniform_below(rng, 3) == 0) {
                auto at = running.begin();
                std::advance(at, static_cast<std::ptrdiff_t>(sluice::uniform_below(rng, running.size())));
                --flying[*at];
                heap.finished(*at);
                running.erase(at);
            }
            auto const i = static_cast<std::size_t>(sluice::uniform_below(rng, n));
            if (sluice::uniform_below(rng, 10) == 0) nodes[i].available = !nodes[i].available;
            auto const c = heap.choose(nodes, time_point{}, rng);
            if (!c) continue;
            for (std::size_t m = 0; m < n; ++m) {
                bool const less = nodes[m].available && (flying[m] + 1) * nodes[*c].weight < (flying[*c] + 1) * nodes[m].weight;
                if (k > 500 && less) REQUIRE_FALSE(less);
            }
            heap.started(*c);
            ++flying[*c];
            running.insert(*c);
        }
    }
}

TEST_CASE("least_loaded_heap: an idle fleet in turn, heavy nodes more often", "[routing][least_loaded_heap][unit]") {
    sluice::xoshiro256ss      rng(1);
    std::vector<server> const even(8);
    least_loaded_heap         heap(8);
    std::set<node_index>      seen;
    for (int k = 0; k < 8; ++k) {
        auto const c = heap.choose(even, time_point{}, rng).value();
        heap.started(c);
        seen.insert(c);
    }
    REQUIRE(seen.size() == 8);
    std::vector<server> const    uneven{{1}, {3}};
    least_loaded_heap            two(2);
    std::map<node_index, int>    given;
    for (int k = 0; k < 400; ++k) {
        auto const c = two.choose(uneven, time_point{}, rng).value();
        two.started(c);
        ++given[c];
    }
    REQUIRE(given[0] == Approx(100).margin(1));
}

TEST_CASE("least_loaded_heap: nobody to choose, and back again", "[routing][least_loaded_heap][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(3, {.available = false});
    least_loaded_heap    heap(3);
    for (int k = 0; k < 3; ++k) REQUIRE_FALSE(heap.choose(nodes, time_point{}, rng));
    heap.started(1);  // also while it is aside
    nodes[1].available = true;
    REQUIRE(heap.choose(nodes, time_point{}, rng) == 1);
    nodes[2].available = true;
    REQUIRE(heap.choose(nodes, time_point{}, rng) == 2);
    nodes[2].weight = 0;
    REQUIRE(heap.choose(nodes, time_point{}, rng) == 1);
    heap.finished(1);
    heap.finished(1);  // one too many
    REQUIRE(heap.in_flight(1) == 0);
    // Whoever comes back comes with the weight that it has then: 3 / 100 is less than 1.
    for (auto& s : nodes) s.available = false;
    REQUIRE_FALSE(heap.choose(nodes, time_point{}, rng));
    heap.started(0);
    heap.started(0);
    nodes[0] = {.weight = 100};
    nodes[1].available = true;
    REQUIRE(heap.choose(nodes, time_point{}, rng) == 0);
    REQUIRE_FALSE(least_loaded_heap().choose(std::vector<server>(), time_point{}, rng));
}

TEST_CASE("least_loaded_heap: another size keeps what it knows", "[routing][least_loaded_heap][unit]") {
    sluice::xoshiro256ss rng(1);
    least_loaded_heap    heap(2);
    heap.started(0);
    heap.started(1);
    heap.resize(3);
    REQUIRE(heap.size() == 3);
    REQUIRE(heap.choose(std::vector<server>(3), time_point{}, rng) == 2);
    heap.resize(1);
    REQUIRE(heap.in_flight(0) == 1);
    REQUIRE(heap.choose(std::vector<server>(1), time_point{}, rng) == 0);
    if constexpr (sizeof(std::size_t) > 4)
        REQUIRE_THROWS_WITH(heap.resize((std::size_t{1} << 31) + 1), test::contains("nodes (at most 2^31)"));
}

TEST_CASE("least_loaded_heap: choosing and counting allocate nothing", "[routing][least_loaded_heap][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(50);
    least_loaded_heap    heap(50);
    auto const           before = test::allocations::total();
    for (int k = 0; k < 2000; ++k) {
        nodes[static_cast<std::size_t>(k) % 50].available = k % 3 != 0;
        if (auto const c = heap.choose(nodes, time_point{}, rng)) heap.started(*c);
        heap.finished(static_cast<node_index>(k % 50));
    }
    REQUIRE(test::allocations::total() == before);
}
