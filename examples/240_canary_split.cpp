// SPDX-License-Identifier: BSL-1.0
// 240 — a canary: one user in ten sees the new version, and stays with it while its share grows.
// Build:  c++ -std=c++20 -Iinclude examples/240_canary_split.cpp
#include <sluice/routing/weighted_split.hpp>
#include <cstdio>
#include <string>
#include <vector>

int main() {
    sluice::weighted_split split({sluice::split_arm{"stable", 90}, sluice::split_arm{"canary", 10}});

    std::vector<std::string> users;
    for (int i = 0; i < 100'000; ++i) users.push_back("user-" + std::to_string(i));
    auto const sides = [&] {
        std::vector<sluice::node_index> result;
        for (auto const& u : users) result.push_back(split.pick(u));
        return result;
    };
    auto const tell = [&](char const* when, std::vector<sluice::node_index> const& before) {
        auto const after = sides();
        int        canary = 0, joined = 0, left = 0;
        for (std::size_t i = 0; i < users.size(); ++i) {
            canary += after[i] == 1;
            joined += after[i] == 1 && before[i] == 0;
            left += after[i] == 0 && before[i] == 1;
        }
        // One user in a thousand, more or less, is chance; the sides that change are not.
        std::printf("%-10s canary %3d %%  joined %3d %%  left %3d %%\n", when, (canary + 500) / 1000, (joined + 500) / 1000,
                    (left + 500) / 1000);
        return after;
    };

    auto at = tell("at first", sides());
    at = tell("again", at);  // the same users
    split.set_weights(std::vector<std::uint32_t>{80, 20});
    at = tell("80/20", at);
    split.set_weights(std::vector<std::uint32_t>{0, 100});
    at = tell("all", at);
    split.set_weights(std::vector<std::uint32_t>{90, 10});
    at = tell("roll back", at);

    // Requests without a key: by draw.
    sluice::xoshiro256ss rng(1);
    int                  drawn = 0;
    for (int i = 0; i < 100'000; ++i) drawn += split.draw(rng) == 1;
    std::printf("by draw    %s %3d %%\n", split.name(1).c_str(), (drawn + 500) / 1000);
}
// Expected output:
//   at first   canary  10 %  joined   0 %  left   0 %
//   again      canary  10 %  joined   0 %  left   0 %
//   80/20      canary  20 %  joined  10 %  left   0 %
//   all        canary 100 %  joined  80 %  left   0 %
//   roll back  canary  10 %  joined   0 %  left  90 %
//   by draw    canary  10 %
