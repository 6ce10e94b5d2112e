// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/weighted_split.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

using sluice::hashed_key;
using sluice::node_index;
using sluice::split_arm;
using sluice::weighted_split;

namespace {

std::vector<node_index> picks(weighted_split<> const& s, std::vector<std::uint64_t> const& keys) {
    std::vector<node_index> result;
    for (auto const k : keys) result.push_back(s.pick(hashed_key(k)));
    return result;
}
std::vector<std::uint64_t> counts(weighted_split<> const& s, std::vector<std::uint64_t> const& keys) {
    std::vector<std::uint64_t> result(s.size());
    for (auto const p : picks(s, keys)) ++result[p];
    return result;
}
auto const keys = test::keys(50'000, 5);

}  // namespace

TEST_CASE("weighted_split: a canary of one tenth, by draw and by key", "[routing][weighted_split][unit]") {
    weighted_split       split({split_arm{"stable", 90}, split_arm{"canary", 10}});
    sluice::xoshiro256ss rng(test::seed());
    REQUIRE((split.slots_of(0) == 900'000 && split.slots_of(1) == 100'000 && split.slots_of(2) == 0));
    REQUIRE((split.name(1) == "canary" && split.weight(0) == 90 && split.size() == 2));
    int drawn = 0;
    for (int i = 0; i < 50'000; ++i) drawn += split.draw(rng) == 1 ? 1 : 0;
    REQUIRE(drawn == Approx(5000).margin(300));  // 4.5 standard deviations
    REQUIRE(counts(split, keys)[1] == Approx(5000).margin(300));
    for (std::string key : {"ann", "bob"}) REQUIRE(split.pick(key) == split.pick(key));
    test::scarce_memory memory(UINT64_MAX);
    auto const          n = split.pick(std::uint64_t{7}) + split.pick("text") + split.draw(rng);
    REQUIRE((memory.allocations() == 0 && n <= 3));
}

TEST_CASE("weighted_split: weights change sides only from who shrinks to who grows", "[routing][weighted_split][property]") {
    weighted_split split({split_arm{"stable", 90}, split_arm{"canary", 10}});
    auto const     before = picks(split, keys);
    split.set_weights(std::vector<std::uint32_t>{80, 20});
    auto const after = picks(split, keys);
    int        moved = 0, other = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        moved += after[i] != before[i] ? 1 : 0;
        other += after[i] != before[i] && after[i] != 1 ? 1 : 0;
    }
    REQUIRE(other == 0);
    REQUIRE(moved == Approx(5000).margin(300));
    REQUIRE(after == picks(weighted_split({split_arm{"", 4}, split_arm{"", 1}}), keys));  // no trace of the step
    split.set_weights(std::vector<std::uint32_t>{9, 1});
    REQUIRE(picks(split, keys) == before);
    split.set_weights(std::vector<std::uint32_t>{0, 1});
    REQUIRE(counts(split, keys)[0] == 0);

    // Many arms, many steps: exactly what the shares differ by moves, and the shares are right.
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 6; ++round) {
        std::vector<split_arm> arms(2 + static_cast<std::size_t>(rng() % 5));
        for (auto& a : arms) a.weight = 1 + static_cast<std::uint32_t>(rng() % 20);
        weighted_split many(arms);
        for (int step = 0; step < 6; ++step) {
            std::vector<std::uint32_t> weights, had;
            for (node_index i = 0; i < arms.size(); ++i) had.push_back(many.slots_of(i));
            for (std::size_t i = 0; i < arms.size(); ++i)
                weights.push_back(static_cast<std::uint32_t>(i == 0 ? 1 + rng() % 20 : rng() % 20));
            auto const were = picks(many, keys);
            many.set_weights(weights);
            auto const are = picks(many, keys);
            double     must = 0, did = 0;
            int        wrong = 0;
            for (node_index i = 0; i < arms.size(); ++i)
                must += many.slots_of(i) > had[i] ? (many.slots_of(i) - had[i]) * 0.05 : 0;  // 50 000 keys, 10^6 slots
            std::vector<double> share(arms.size());
            for (std::size_t k = 0; k < keys.size(); ++k) {
                ++share[are[k]];
                if (are[k] == were[k]) continue;
                ++did;
                wrong += many.slots_of(are[k]) > had[are[k]] && many.slots_of(were[k]) < had[were[k]] ? 0 : 1;
            }
            REQUIRE(wrong == 0);
            REQUIRE(did == Approx(must).margin(5 * std::sqrt(must) + 1));
            for (node_index i = 0; i < arms.size(); ++i)
                REQUIRE(share[i] == Approx(many.slots_of(i) * 0.05).margin(600));  // 5 standard deviations
        }
    }
}

TEST_CASE("weighted_split: slots add up, salts are independent, errors name what is wrong", "[routing][weighted_split][unit]") {
    weighted_split thirds({split_arm{}, split_arm{}, split_arm{}, split_arm{"off", 0}});
    REQUIRE(thirds.slots_of(0) + thirds.slots_of(1) + thirds.slots_of(2) == 1'000'000);
    REQUIRE((thirds.slots_of(0) == 333'333 && thirds.slots_of(3) == 0 && counts(thirds, keys)[3] == 0));
    weighted_split huge({split_arm{"a", UINT32_MAX}, split_arm{"b", UINT32_MAX}});
    REQUIRE(huge.slots_of(0) == 500'000);
    weighted_split one({.arms = {{"a", 1}, {"b", 1}}, .salt = 1}), two({.arms = {{"a", 1}, {"b", 1}}, .salt = 2});
    int            both = 0;
    for (auto const k : keys) both += one.pick(hashed_key(k)) == 0 && two.pick(hashed_key(k)) == 0 ? 1 : 0;
    REQUIRE(both == Approx(12'500).margin(450));  // 4.6 standard deviations

    REQUIRE_THROWS_AS(weighted_split(std::vector<split_arm>{}), std::invalid_argument);
    REQUIRE_THROWS_AS(weighted_split({split_arm{"a", 0}, split_arm{"b", 0}}), std::invalid_argument);
    REQUIRE_THROWS_WITH(weighted_split({split_arm{"a", 1}, split_arm{"a", 1}}), test::contains("\"a\""));
    REQUIRE_THROWS_AS(one.set_weights(std::vector<std::uint32_t>{1}), std::invalid_argument);
    REQUIRE_THROWS_AS(one.set_weights(std::vector<std::uint32_t>{0, 0}), std::invalid_argument);
    REQUIRE(one.weight(0) == 1);
}
