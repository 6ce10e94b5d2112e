// SPDX-License-Identifier: BSL-1.0
// 230 — a fixed number of shards on a changing number of nodes: what moves is known before it does; a hot shard is cut up
// Build:  c++ -std=c++20 -Iinclude examples/230_virtual_shards.cpp
#include <sluice/routing/shard_splitter.hpp>
#include <sluice/routing/virtual_shards.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

int main() {
    using namespace std::chrono_literals;
    sluice::virtual_shards<std::string> shards({.shards = 10});
    for (char const* name : {"a", "b", "c", "d"}) shards.add(name);
    for (sluice::node_index i = 0; i < 4; ++i) std::printf("%s has %u shards\n", shards.node(i).c_str(), shards.shards_of(i));

    auto const plan = shards.plan_add("e");
    std::printf("with e %zu shards move, %.0f %% of the data:\n", plan.moves.size(), 100 * plan.moved);
    for (auto const& m : plan.moves)
        std::printf("  shard %u from %s to %s\n", m.shard, shards.node(*m.from).c_str(), plan.node->c_str());
    if (!shards.apply(plan)) return 1;  // somebody else was faster

    // Half of all requests are for one key. Four slices of 15 s above twice the mean, and its shard is cut into parts.
    std::string const      star = "celebrity";
    sluice::shard_splitter splitter(shards.shard_count(), {.window = 60s});
    for (auto t = sluice::time_point{}; t <= sluice::time_point(60s); t += 15s) {
        for (auto const& change : splitter.evaluate(t)) {
            std::printf("after %lld s: shard of %s has %.0f times the mean, %u parts\n",
                        static_cast<long long>(t.time_since_epoch() / 1s), star.c_str(), change.ratio, change.parts);
            if (!shards.apply(shards.plan_parts(change.shard, change.parts, splitter.loads()))) return 1;
        }
        for (std::uint32_t k = 0; k < 900; ++k) splitter.record(k % 2 == 0 ? shards.shard_of(star) : k / 2 % 10);
    }
    int requests[5] = {};
    for (std::uint64_t id = 0; id < 1000; ++id) {  // the request's id says which part answers
        auto const name = shards.pick(star, sluice::hashed_key(sluice::mix64(id)));
        ++requests[(*name)[0] - 'a'];
    }
    std::printf("of its next 1000 requests a to e get");
    for (int const n : requests) std::printf(" %d", n);
    std::printf("\n");
}
// Expected output:
//   a has 3 shards
//   b has 3 shards
//   c has 2 shards
//   d has 2 shards
//   with e 2 shards move, 20 % of the data:
//     shard 7 from b to e
//     shard 2 from a to e
//   after 60 s: shard of celebrity has 6 times the mean, 16 parts
//   of its next 1000 requests a to e get 183 295 171 171 180
