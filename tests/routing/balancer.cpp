// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/balancer.hpp>

#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

using sluice::node_index;

namespace {

struct plain {
    unsigned weight = 3;
    unsigned in_flight = 7;
    bool     available = true;
};
struct with_functions {
    [[nodiscard]] std::uint32_t weight() const { return 5; }
    [[nodiscard]] std::uint32_t in_flight() const { return 6; }
    [[nodiscard]] bool          available() const { return false; }
};
struct nothing {};

struct any {
    template <sluice::node_list List, sluice::random_source Source>
    std::optional<node_index> choose(List const& nodes, sluice::time_point, Source& rng) {
        return sluice::any_usable(nodes, rng);
    }
};
static_assert(sluice::balancer<any, std::span<plain const>>);
static_assert(sluice::balancer<any, std::vector<std::shared_ptr<with_functions>>>);
static_assert(!sluice::balancer<any, int> && !sluice::balancer<nothing, std::span<plain const>>);

}  // namespace

TEST_CASE("balancer: what a node has is used, what it lacks has a default", "[routing][balancer][unit]") {
    plain const          p;
    with_functions const f;
    REQUIRE((sluice::node_weight(p) == 3 && sluice::node_in_flight(p) == 7 && sluice::node_available(p)));
    REQUIRE((sluice::node_weight(f) == 5 && sluice::node_in_flight(f) == 6 && !sluice::node_available(f)));
    REQUIRE((sluice::node_weight(&p) == 3 && sluice::node_weight(std::make_shared<with_functions>()) == 5));
    REQUIRE((sluice::node_weight(nothing{}) == 1 && sluice::node_in_flight(nothing{}) == 0));
    REQUIRE(sluice::node_available(nothing{}));
    REQUIRE((sluice::node_weight(17) == 1 && sluice::node_available(0)));
    REQUIRE_FALSE(sluice::node_usable(plain{.weight = 0}));
}

namespace {

template <class Number>
struct counted {
    Number weight{};
    Number in_flight{};
};
template <class Number>
std::uint32_t counts_as(Number x) {
    counted<Number> const n{x, x};
    REQUIRE(sluice::node_weight(n) == sluice::node_in_flight(n));
    return sluice::node_weight(n);
}

}  // namespace

TEST_CASE("balancer: a number of any type counts from 0 to 2^32 - 1", "[routing][balancer][unit]") {
    constexpr std::uint32_t most = UINT32_MAX;
    CHECK(counts_as(-1) == 0);
    CHECK(counts_as(std::numeric_limits<std::int64_t>::min()) == 0);
    CHECK(counts_as(std::int64_t{1} << 32) == most);
    CHECK(counts_as(std::uint64_t{1} << 32) == most);
    CHECK(counts_as(std::uint64_t{most} - 1) == most - 1);
    CHECK(counts_as(static_cast<signed char>(-3)) == 0);
    CHECK(counts_as(std::uint8_t{200}) == 200);
    CHECK(counts_as(true) == 1);
    CHECK(counts_as(2.0) == 2);
    CHECK(counts_as(0.5) == 1);
    CHECK(counts_as(2.5f) == 3);
    CHECK(counts_as(1e-300) == 1);
    CHECK(counts_as(5e-324) == 1);
    CHECK(counts_as(4294967294.5) == most);
    CHECK(counts_as(1e300) == most);
    CHECK(counts_as(-0.5) == 0);
    CHECK(counts_as(std::numeric_limits<double>::quiet_NaN()) == 0);
    CHECK(counts_as(std::numeric_limits<float>::infinity()) == most);
    counted<std::atomic<int>> shared;
    shared.in_flight = -1;  // a count that is taken down before it is up, for a moment
    shared.weight = 4;
    CHECK(sluice::node_in_flight(shared) == 0);
    CHECK(sluice::node_weight(shared) == 4);
    CHECK_FALSE(sluice::node_usable(counted<double>{}));
}

TEST_CASE("balancer: any_usable is even over the usable nodes and never endless", "[routing][balancer][unit]") {
    sluice::xoshiro256ss rng(1);
    std::array<plain, 8> nodes{};
    for (std::size_t i = 0; i < 8; ++i) nodes[i].available = i == 2 || i == 5;
    nodes[6] = {.weight = 0};
    std::array<int, 8> chosen{};
    for (int n = 0; n < 20'000; ++n) ++chosen[sluice::any_usable(nodes, rng).value()];
    REQUIRE(chosen[2] + chosen[5] == 20'000);
    REQUIRE(chosen[2] == Approx(10'000).margin(400));  // 5.7 standard deviations
    for (auto& n : nodes) n.available = false;
    REQUIRE_FALSE(sluice::any_usable(nodes, rng));
    REQUIRE_FALSE(sluice::any_usable(std::span<plain const>(), rng));
    REQUIRE(sluice::count_usable(nodes) == 0);
    REQUIRE_FALSE(sluice::nth_usable(nodes, 0));
}
