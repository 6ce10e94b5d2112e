// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The sim family: what an event costs in a simulation of ten thousand nodes.
///
/// A subject has now() in nanoseconds, after(nanoseconds, f) with any f of up to 40 bytes, and run(). Every node has one event
/// waiting: it draws a number, adds to its own count and asks for its next event (the hold model). The sum over all nodes must be
/// what it was with every other subject.

#include <sluice/core/random.hpp>

#include <support/bench.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench::sim {

struct node {
    sluice::xoshiro256ss rng;
    std::uint64_t        sum = 0;
};

template <class Subject>
struct model {
    Subject           subject;
    std::vector<node> nodes;
    std::uint64_t     left;
    std::uint64_t     order = 0;  // depends on which node came when

    explicit model(std::size_t n, std::uint64_t events) : nodes(n), left(events) {
        for (std::size_t i = 0; i < n; ++i) nodes[i].rng = sluice::xoshiro256ss(i);
    }

    void visit(std::uint32_t i, std::uint64_t came_from) {
        auto& self = nodes[i];
        auto const drawn = self.rng();
        self.sum += drawn ^ came_from;
        order = order * 31 + i;
        if (left == 0) return;
        --left;
        subject.after(static_cast<std::int64_t>(drawn >> 34) + 1, [this, i, drawn] { visit(i, drawn); });
    }

    [[nodiscard]] std::uint64_t run() {
        for (std::uint32_t i = 0; i < nodes.size(); ++i) {
            auto const first = nodes[i].rng();
            subject.after(static_cast<std::int64_t>(first >> 34) + 1, [this, i, first] { visit(i, first); });
        }
        subject.run();
        for (auto const& n : nodes) order ^= n.sum;
        return order;
    }
};

template <class Subject>
void register_nodes(std::string const& name, std::size_t n, std::uint64_t quick_answer, std::uint64_t full_answer) {
    add("sim/hold/" + name + "/nodes:" + std::to_string(n), [=](benchmark::State& state) {
        auto const    events = sized<std::uint64_t>(200'000, 5'000'000);
        std::uint64_t answer = 0;
        double const  seconds = measure(state, "ns_per_event", static_cast<double>(events + n), [&] {
            model<Subject> m(n, events);
            answer = m.run();
        }, [&] { return answer == sized(quick_answer, full_answer); });
        if (seconds > 0) state.counters["items_per_second"] = static_cast<double>(events + n) / seconds;
    });
}

template <class Subject>
void register_family(std::string const& name) {
    register_nodes<Subject>(name, 100, 0x6627A151F636ADA8u, 0x170F35921F4EA363u);
    register_nodes<Subject>(name, 10'000, 0x303C202C3B20FC3Du, 0x86E24494870CFBD5u);
    register_nodes<Subject>(name, 100'000, 0x924A5833C1129263u, 0x3403C1A513626069u);
}

}  // namespace bench::sim
