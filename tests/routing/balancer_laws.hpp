// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::balancer_laws — what every balancer owes its callers, run on each of them.

#include <sluice/routing/balancer.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace test {

struct server {
    std::uint32_t weight = 1;
    std::uint32_t in_flight = 0;
    bool          available = true;
};

/// What a wrapper hands on: the nodes by value, some of them shown as not available or with another weight.
struct masked_list {
    struct proxy {
        server const* behind;
        bool          hidden;
        [[nodiscard]] std::uint32_t weight() const { return sluice::node_weight(*behind); }
        [[nodiscard]] std::uint32_t in_flight() const { return sluice::node_in_flight(*behind); }
        [[nodiscard]] bool          available() const { return !hidden && sluice::node_available(*behind); }
    };
    std::span<server const> nodes;
    std::vector<bool> const* hidden;
    [[nodiscard]] std::size_t size() const { return nodes.size(); }
    [[nodiscard]] proxy       operator[](std::size_t i) const { return {&nodes[i], (*hidden)[i]}; }
};

enum class shares { even, by_weight, other };

/// How often each node is chosen in so many calls.
template <class Balancer, class List>
std::vector<std::uint64_t> tally(Balancer& b, List const& nodes, std::size_t calls, sluice::xoshiro256ss& rng) {
    std::vector<std::uint64_t> chosen(nodes.size());
    for (std::size_t i = 0; i < calls; ++i) {
        auto const c = b.choose(nodes, sluice::time_point{}, rng);
        REQUIRE(c.has_value());
        ++chosen[*c];
    }
    return chosen;
}

/// make(nodes) gives a new balancer, as a value or a pointer, for these nodes.
template <class Make>
void balancer_laws(Make make, shares promised) {
    using list = std::vector<server>;
    sluice::xoshiro256ss rng(test::seed());
    auto const           now = sluice::time_point{};

    {  // nothing to choose from
        list none;
        auto b = make(none);
        for (int i = 0; i < 3; ++i) REQUIRE_FALSE(b->choose(none, now, rng));
        list down(5, {.available = false}), drained(5, {.weight = 0}), mixed(down);
        mixed[2] = {.weight = 0};
        for (auto const* nodes : {&down, &drained, &mixed}) {
            auto other = make(*nodes);
            for (int i = 0; i < 100; ++i) REQUIRE_FALSE(other->choose(*nodes, now, rng));
        }
    }
    {  // one of many, wherever it is, through pointers as well
        for (std::size_t n : {1u, 2u, 3u, 7u, 64u, 200u})
            for (std::size_t only : {std::size_t{0}, n / 2, n - 1}) {
                list nodes(n, {.weight = 3, .available = false});
                nodes[only].available = true;
                auto                       b = make(nodes);
                std::vector<server const*> pointers;
                for (auto const& s : nodes) pointers.push_back(&s);
                for (int i = 0; i < 20; ++i) {
                    REQUIRE(b->choose(nodes, now, rng) == static_cast<sluice::node_index>(only));
                    REQUIRE(b->choose(pointers, now, rng) == static_cast<sluice::node_index>(only));
                }
            }
    }
    {  // availability that comes and goes, through a list of proxies: never a wrong one, never nothing while there is one
        std::size_t const n = 17;
        list              nodes(n);
        for (std::size_t i = 0; i < n; ++i) nodes[i].weight = static_cast<std::uint32_t>(1 + i % 4);
        std::vector<bool> hidden(n, false);
        auto              b = make(nodes);
        masked_list const masked{nodes, &hidden};
        for (int i = 0; i < 3000; ++i) {
            auto const flip = static_cast<std::size_t>(sluice::uniform_below(rng, n));
            hidden[flip] = !hidden[flip];
            nodes[static_cast<std::size_t>(sluice::uniform_below(rng, n))].in_flight = static_cast<std::uint32_t>(rng() & 3);
            if (i % 100 == 99) hidden.assign(n, i % 200 == 99);
            auto const c = b->choose(masked, now, rng);
            REQUIRE(c.has_value() == (sluice::count_usable(masked) > 0));
            if (c) REQUIRE((*c < n && sluice::node_usable(masked[*c])));
        }
    }
    if (promised != shares::other) {  // shares, with and without a node
        list nodes(8);
        if (promised == shares::by_weight)
            for (std::size_t i = 0; i < 8; ++i) nodes[i].weight = static_cast<std::uint32_t>(1 + i);
        auto b = make(nodes);
        for (int round = 0; round < 2; ++round) {
            double total = 0;
            for (auto const& s : nodes) total += sluice::node_usable(s) ? s.weight : 0;
            double const calls = 36'000;
            auto const   chosen = tally(*b, nodes, static_cast<std::size_t>(calls), rng);
            for (std::size_t i = 0; i < 8; ++i) {
                double const share = nodes[i].available ? nodes[i].weight / total : 0;
                double const band = 4.5 * std::sqrt(calls * share * (1 - share)) + 2;  // 4.5 standard deviations of a draw
                REQUIRE(static_cast<double>(chosen[i]) == Approx(calls * share).margin(band));
            }
            nodes[3].available = false;
        }
    }
    {  // no allocation after construction
        list nodes(33);
        for (std::size_t i = 0; i < 33; ++i) nodes[i].available = i % 3 != 0;
        auto          b = make(nodes);
        scarce_memory memory(UINT64_MAX);
        std::uint64_t chosen = 0;
        for (int i = 0; i < 500; ++i) {
            nodes[static_cast<std::size_t>(i) % 33].available = i % 5 != 0;
            chosen += b->choose(nodes, now, rng).value_or(0);
        }
        auto const allocations = memory.allocations();
        REQUIRE(allocations == 0);
        REQUIRE(chosen > 0);
    }
}

}  // namespace test
