// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/balancer_ref.hpp>
#include <sluice/routing/node_view.hpp>

#include "routing/around.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace {

struct doubled {
    template <class N>
    std::uint32_t weight(std::size_t, N const& n) const {
        return sluice::detail::multiply_weight(sluice::node_weight(n), 2);
    }
};
struct been_at {
    std::size_t place;
    template <class N>
    bool tried(std::size_t i, N const& n) const {
        return i == place || sluice::node_tried(n);
    }
};

template <class List, class Show>
auto shown(List const& list, Show show) {
    return sluice::node_view<List, Show>(list, show);
}

}  // namespace

TEST_CASE("node_view: what a Show lacks stays as it is below", "[routing][node_view][unit]") {
    std::vector<test::node> list{{.weight = 3, .in_flight = 4}, {.available = false, .weight = 5}, {.weight = 0}};
    auto const              twice = shown(list, doubled{});
    REQUIRE(twice.size() == 3);
    REQUIRE((sluice::node_weight(twice[0]) == 6 && sluice::node_in_flight(twice[0]) == 4));
    REQUIRE((sluice::node_available(twice[0]) && !sluice::node_available(twice[1]) && !sluice::node_usable(twice[2])));
    REQUIRE((sluice::node_healthy(twice[0]) && !sluice::node_healthy(twice[1]) && !sluice::node_tried(twice[0])));
    list[0].weight = UINT32_MAX / 2 + 1;  // saturates; and the view is no copy
    REQUIRE(sluice::node_weight(twice[0]) == UINT32_MAX);
}

TEST_CASE("node_view: views of views see through to the node, pointers too", "[routing][node_view][unit]") {
    std::vector<std::shared_ptr<test::node>> list;
    for (std::uint32_t i = 0; i < 4; ++i) list.push_back(std::make_shared<test::node>(test::node{.weight = i + 1, .zone = i}));
    std::span<std::shared_ptr<test::node> const> const span(list);
    auto const once = shown(span, been_at{1});
    auto const two = sluice::detail::only(once, [](std::size_t i, auto const&) { return i != 2; });
    auto const all = shown(two, doubled{});
    for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(&sluice::node_original(all[i]) == list[i].get());
        REQUIRE(sluice::node_weight(all[i]) == 2 * (i + 1));
        REQUIRE(sluice::node_available(all[i]) == (i != 1 && i != 2));
        REQUIRE(sluice::node_healthy(all[i]) == (i != 2));
        REQUIRE(sluice::node_tried(all[i]) == (i == 1));
    }
    REQUIRE(sluice::node_original(17) == 17);
    REQUIRE(sluice::count_usable(all) == 2);
}

TEST_CASE("node_view: balancer_ref shares one balancer", "[routing][node_view][unit]") {
    auto const            list = test::nodes(3);
    sluice::xoshiro256ss  rng(1);
    test::turns           one;
    sluice::balancer_ref  a(one), b(one);
    static_assert(sluice::balancer<decltype(a), std::vector<test::node>>);
    REQUIRE(a.choose(list, {}, rng) == 0u);
    REQUIRE(b.choose(list, {}, rng) == 1u);
    REQUIRE((a.choose(list, {}, rng) == 2u && &a.get() == &one));
}
