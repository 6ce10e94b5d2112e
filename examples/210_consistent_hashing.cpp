// SPDX-License-Identifier: BSL-1.0
// 210 — a fourth cache server: how many keys move? hash % N against a ring.
// Build:  c++ -std=c++20 -Iinclude examples/210_consistent_hashing.cpp
#include <sluice/routing/ring_hash.hpp>
#include <cstdio>
#include <string>
#include <vector>

int main() {
    constexpr int keys = 100'000;
    auto const    name = [](int k) { return "user:" + std::to_string(k); };

    sluice::ring_hash<> ring;  // std::string nodes, 150 points each
    ring.add(std::vector<std::string>{"cache-1", "cache-2", "cache-3"});

    std::vector<std::string> before;
    for (int k = 0; k < keys; ++k) before.push_back(*ring.pick(name(k)));
    auto const fourth = ring.add("cache-4");

    sluice::xxh3 const hash;
    int by_modulo = 0, by_ring = 0, between_old = 0;
    for (int k = 0; k < keys; ++k) {
        auto const h = hash(name(k));
        by_modulo += h % 3 != h % 4;
        auto const now = *ring.pick(name(k));
        by_ring += now != before[static_cast<std::size_t>(k)];
        between_old += now != before[static_cast<std::size_t>(k)] && now != "cache-4";
    }
    std::printf("keys that move when a fourth server comes\n");
    std::printf("  hash %% N  %4.1f %%\n", 100.0 * by_modulo / keys);
    std::printf("  ring      %4.1f %%, between old servers %d\n", 100.0 * by_ring / keys, between_old);
    std::printf("the fourth server's part of the ring is %.1f %%\n", 100 * ring.shares()[fourth]);

    ring.set_weight("cache-4", 2);  // twice the memory: twice the points
    std::printf("with weight 2 it is %.1f %%\n", 100 * ring.shares()[fourth]);

    auto const copies = ring.pick_n("user:42", 2);
    std::printf("user:42 is on %s, its copy on %s\n", copies[0].c_str(), copies[1].c_str());
    ring.remove(copies[0]);
    std::printf("without %s it is on %s\n", copies[0].c_str(), ring.pick("user:42")->c_str());
}
// Expected output:
//   keys that move when a fourth server comes
//     hash % N  75.2 %
//     ring      26.3 %, between old servers 0
//   the fourth server's part of the ring is 26.1 %
//   with weight 2 it is 39.4 %
//   user:42 is on cache-4, its copy on cache-3
//   without cache-4 it is on cache-3
