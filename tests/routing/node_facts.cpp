// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/node_facts.hpp>

#include "support/catch.hpp"

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;

namespace {

struct members {
    double                       price = 2.5;
    duration                     latency = 3ms;
    std::uint32_t                capacity = 4;
    unsigned                     zone = 5;
    std::optional<std::uint32_t> failure_domain{6};
    std::vector<double>          resources{7, 8};
};
struct functions {
    double values[2] = {1, 2};
    [[nodiscard]] int                          price() const { return -3; }
    [[nodiscard]] std::optional<duration>      latency() const { return 1us; }
    [[nodiscard]] std::optional<std::uint32_t> capacity() const { return std::nullopt; }
    [[nodiscard]] std::uint32_t                zone() const { return 9; }
    [[nodiscard]] std::uint32_t                failure_domain() const { return 10; }
    [[nodiscard]] std::span<double const>      resources() const { return values; }
};
struct nothing {};

}  // namespace

TEST_CASE("node_facts: what a node has, what it lacks", "[routing][node_facts][unit]") {
    members const m;
    REQUIRE((sluice::node_price(m) == 2.5 && sluice::node_latency(m) == 3ms && sluice::node_capacity(m) == 4u));
    REQUIRE((sluice::node_zone(m) == 5u && sluice::node_failure_domain(m) == 6u && sluice::node_resources(m).size() == 2));
    REQUIRE(sluice::node_resources(&m)[1] == 8);
    auto const f = std::make_shared<functions>();
    REQUIRE((sluice::node_price(f) == -3.0 && sluice::node_latency(f) == 1us && !sluice::node_capacity(f)));
    REQUIRE((sluice::node_zone(f) == 9u && sluice::node_failure_domain(f) == 10u && sluice::node_resources(f)[1] == 2));
    nothing const n;
    REQUIRE((!sluice::node_price(n) && !sluice::node_latency(n) && !sluice::node_capacity(n) && !sluice::node_zone(n)));
    REQUIRE((!sluice::node_failure_domain(n) && sluice::node_resources(n).empty()));
}

TEST_CASE("node_facts: what makes no sense is no data", "[routing][node_facts][unit]") {
    members m;
    for (double const price : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        m.price = price;
        REQUIRE_FALSE(sluice::node_price(m));
    }
    m.latency = -1ns;
    REQUIRE_FALSE(sluice::node_latency(m));
    m.latency = 0ns;
    REQUIRE(sluice::node_latency(m) == 0ns);
}
