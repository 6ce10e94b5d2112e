// SPDX-License-Identifier: BSL-1.0
// 270 — the cheapest node that makes the deadline, and why the others were not taken.
// Build:  c++ -std=c++20 -Iinclude examples/270_slo_aware.cpp
#include <sluice/routing/slo_aware.hpp>
#include <array>
#include <cstdio>

struct server {
    char const*   name;
    double        price;
    std::uint32_t in_flight = 0;
    bool          available = true;
};

int main() {
    using namespace std::chrono_literals;
    std::array<server, 5> nodes{{{"gpu", 9}, {"large", 3}, {"small", 1, 2}, {"spot", .5}, {"down", 1, 0, false}}};
    sluice::slo_aware balancer(5, {.deviations = 0, .explore = 0, .prefer = sluice::slo_preference::cheapest,
                                   .late = sluice::slo_late::refuse});
    sluice::xoshiro256ss rng(1);
    auto const now = sluice::time_point(1h);
    balancer.observe(0, 4ms, 1, now);  // node, latency, in flight there with it
    balancer.observe(1, 20ms, 1, now);
    balancer.observe(2, 90ms, 3, now);  // 30 ms each
    balancer.observe(3, 400ms, 1, now);

    char const* const reasons[] = {"in time", "explored", "best chance", "refused", "expired", "no node"};
    char const* const verdicts[] = {"in time", "late", "unknown", "unusable"};
    for (auto const left : {1000ms, 200ms, 50ms, 10ms, 2ms, 0ms}) {
        auto const answer = balancer.decide(nodes, now + left, now, rng);
        std::printf("%4d ms left: %-5s (%s)  ", static_cast<int>(left.count()), answer.node ? nodes[*answer.node].name : "none",
                    reasons[static_cast<int>(answer.reason)]);
        std::array<sluice::slo_explanation, 5> why;
        balancer.explain(nodes, now + left, now, why);
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            std::printf("  %s: %s", nodes[i].name, verdicts[static_cast<int>(why[i].verdict)]);
            if (why[i].expected) std::printf(" %d", static_cast<int>(*why[i].expected / 1ms));
        }
        std::printf("\n");
    }
}
// Expected output:
//   1000 ms left: spot  (in time)    gpu: in time 4  large: in time 20  small: in time 90  spot: in time 400  down: unusable
//    200 ms left: small (in time)    gpu: in time 4  large: in time 20  small: in time 90  spot: late 400  down: unusable
//     50 ms left: large (in time)    gpu: in time 4  large: in time 20  small: late 90  spot: late 400  down: unusable
//     10 ms left: gpu   (in time)    gpu: in time 4  large: late 20  small: late 90  spot: late 400  down: unusable
//      2 ms left: none  (refused)    gpu: late 4  large: late 20  small: late 90  spot: late 400  down: unusable
//      0 ms left: none  (expired)    gpu: late 4  large: late 20  small: late 90  spot: late 400  down: unusable
