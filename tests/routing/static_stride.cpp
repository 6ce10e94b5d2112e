// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/static_stride.hpp>

#include "routing/balancer_laws.hpp"
#include "support/threads.hpp"

#include <atomic>

using sluice::node_index;
using sluice::static_stride;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<static_stride<>, std::vector<server>>);
static_assert(sluice::balancer<static_stride<>, test::masked_list>);

TEST_CASE("static_stride: keeps the laws of balancers", "[routing][static_stride][law]") {
    test::balancer_laws([](auto const& nodes) { return std::make_unique<static_stride<>>(nodes); }, test::shares::by_weight);
    test::balancer_laws(
        [](auto const& nodes) { return std::make_unique<static_stride<>>(nodes, sluice::static_stride_options{.start = ~0u}); },
        test::shares::by_weight);
}

TEST_CASE("static_stride: the published rule, step by step", "[routing][static_stride][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 20; ++round) {
        std::vector<server> nodes(1 + static_cast<std::size_t>(rng() % 20));
        for (auto& s : nodes) s.weight = static_cast<std::uint32_t>(1 + rng() % 1000);
        std::uint64_t sequence = round % 2 == 0 ? rng() >> 8 : rng() % 1000;
        static_stride<> b(nodes, {.start = sequence});
        for (int i = 0; i < 500; ++i) {
            for (;; ++sequence) {  // in wide numbers, divided by hand
                auto const backend = sequence % nodes.size(), generation = sequence / nodes.size();
                auto const w = std::uint64_t{b.scaled_weight(static_cast<node_index>(backend))};
                auto const mod = (w * (generation % 65535) + backend * 32767) % 65535;
                if (mod >= 65535 - w) break;
            }
            REQUIRE(b.choose(nodes, time_point{}, rng) == static_cast<node_index>(sequence % nodes.size()));
            ++sequence;
        }
    }
}

TEST_CASE("static_stride: weights are scaled to 16 bits", "[routing][static_stride][unit]") {
    std::uint32_t const raw[] = {0, 1, 100, UINT32_MAX, UINT32_MAX / 2};
    auto const          b = static_stride<>::weights(raw);
    REQUIRE((b.scaled_weight(0) == 0 && b.scaled_weight(1) == 1 && b.scaled_weight(2) == 1 && b.scaled_weight(3) == 65535));
    REQUIRE((b.scaled_weight(4) == 32767 && b.scaled_weight(5) == 0));
    std::uint32_t const reported[] = {10, 0, 30, 0};
    auto const          mean = static_stride<>::weights(reported, {.missing_as_mean = true});
    REQUIRE((mean.scaled_weight(0) == 21845 && mean.scaled_weight(1) == 43690 && mean.scaled_weight(2) == 65535));

    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(4);
    std::uint32_t const  zeros[] = {0, 0, 0, 0};
    auto                 none = static_stride<>::weights(zeros);
    REQUIRE_FALSE(none.choose(nodes, time_point{}, rng));
    auto       equal = static_stride<>::weights(zeros, {.missing_as_mean = true});
    auto const chosen = test::tally(equal, nodes, 400, rng);
    for (auto const c : chosen) REQUIRE(c == 100);
    auto empty = static_stride<>::weights({}, {.missing_as_mean = true});
    REQUIRE_FALSE(empty.choose(nodes, time_point{}, rng));
}

TEST_CASE("static_stride: over 65535 rounds each node comes exactly its scaled weight", "[routing][static_stride][unit]") {
    std::uint32_t const  raw[] = {65535, 30000, 1, 12345};
    auto                 b = static_stride<>::weights(raw);
    std::vector<server>  nodes(4);
    sluice::xoshiro256ss rng(1);
    auto const chosen = test::tally(b, nodes, 65535 + 30000 + 1 + 12345, rng);
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(chosen[i] == raw[i]);
}

TEST_CASE("static_stride: without the heaviest the others share by weight", "[routing][static_stride][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    std::vector<server>  nodes(100, {.weight = 1});
    for (std::size_t i = 0; i < 100; i += 2) nodes[i].weight = 2;
    nodes[0].weight = 60'000;
    static_stride<> b(nodes);
    nodes[0].available = false;
    auto const    chosen = test::tally(b, nodes, 6000, rng);
    std::uint64_t twos = 0;
    for (std::size_t i = 2; i < 100; i += 2) twos += chosen[i];
    REQUIRE(twos == Approx(6000.0 * 98 / 148).margin(170));  // 4.6 standard deviations
    nodes.resize(50);  // fewer than were known, and more
    for (int i = 0; i < 100; ++i) REQUIRE(b.choose(nodes, time_point{}, rng).value() < 50);
    nodes.resize(200);
    for (int i = 0; i < 100; ++i) REQUIRE(b.choose(nodes, time_point{}, rng).value() < 100);
}

TEST_CASE("static_stride: threads together take the shares of one", "[routing][static_stride][unit]") {
    std::vector<server> nodes(3);
    nodes[1].weight = 2, nodes[2].weight = 4;
    static_stride<>  b(nodes);
    std::atomic<int> chosen[3] = {};
    test::run_threads(3, [&](std::size_t) {
        sluice::xoshiro256ss rng(1);
        for (int i = 0; i < 7000; ++i) chosen[*b.choose(nodes, time_point{}, rng)].fetch_add(1);
    });
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(chosen[i].load() == Approx(3000 << i).margin(400));
}
