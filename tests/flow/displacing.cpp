// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/detail/displacing.hpp>

#include <sluice/flow/drr.hpp>
#include <sluice/flow/fifo.hpp>

#include "support/catch.hpp"

#include <array>

using sluice::detail::displacing;
using sluice::item_attributes;
using sluice::queue_node;
using sluice::time_point;

namespace {

constexpr time_point at(std::int64_t t) { return time_point(sluice::duration(t)); }

template <class D>
constexpr bool tells_cost = requires(D const& d, item_attributes const& a) { d.cost_ahead(a, time_point{}); };
template <class D>
constexpr bool admits_by_tenant = requires(D& d, item_attributes const& a) { d.admits(a); };

}  // namespace

static_assert(sluice::queue_discipline<displacing<sluice::fifo>> && !sluice::preparing_discipline<displacing<sluice::fifo>>);
static_assert(!tells_cost<displacing<sluice::fifo>> && !admits_by_tenant<displacing<sluice::fifo>>);
static_assert(sluice::preparing_discipline<displacing<sluice::drr<>>>);
static_assert(tells_cost<displacing<sluice::drr<>>> && admits_by_tenant<displacing<sluice::drr<>>>);

TEST_CASE("displacing: gives up the next node, if told, after what the discipline would give up itself",
          "[flow][displacing][unit]") {
    for (bool const told : {true, false}) {
        CAPTURE(told);
        displacing<sluice::fifo>  d(sluice::fifo(), told);
        std::array<queue_node, 3> nodes;
        nodes[0].attributes.deadline = at(5);
        for (auto& n : nodes) d.push(n, at(0));
        REQUIRE(d.make_room({}, at(6)) == &nodes[0]);  // cannot be finished in time: fifo's own choice
        REQUIRE(d.make_room({}, at(6)) == (told ? &nodes[1] : nullptr));
        REQUIRE(d.pop(at(6)).node == (told ? &nodes[2] : &nodes[1]));
        REQUIRE(d.size() == (told ? 0 : 1));
        REQUIRE(d.inner().size() == d.size());
        if (told) REQUIRE(d.make_room({}, at(6)) == nullptr);
    }
}

TEST_CASE("displacing: whatever else the discipline inside can do is asked there", "[flow][displacing][unit]") {
    displacing<sluice::drr<>> d(sluice::drr<>({.quantum = 2, .tenant_capacity = 1}), true);
    queue_node                node, other;
    node.attributes = {.tenant = 7, .cost = 3};
    other.attributes = {.tenant = 8};
    for (auto* const n : {&node, &other}) {
        d.prepare(n->attributes);
        d.push(*n, at(0));
    }
    REQUIRE(!d.admits({.tenant = 7}));
    REQUIRE(d.admits({.tenant = 9}));
    REQUIRE(d.cost_ahead({.tenant = 7}, at(0)) == d.inner().cost_ahead({.tenant = 7}, at(0)));
    REQUIRE(d.make_room({.tenant = 9}, at(0)) == &other);  // whose turn comes first
    REQUIRE(d.pop(at(0)).node == &node);
}
