// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/victim_policy.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <stdexcept>
#include <vector>

using sluice::victim_options;
using sluice::victim_policy;
using sluice::victim_selector;

namespace {

using list = std::vector<std::size_t>;

list a_round(victim_selector& s, list const& depths = {}) {
    s.start_round([&](std::size_t i) { return i < depths.size() ? depths[i] : 0; });
    list seen;
    for (std::size_t i = s.next(); i != victim_selector::none && seen.size() < 100; i = s.next()) seen.push_back(i);
    return seen;
}

constexpr victim_policy every[] = {victim_policy::random, victim_policy::sticky, victim_policy::busiest, victim_policy::history,
                                   victim_policy::nearest};

}  // namespace

TEST_CASE("victim_selector: a round visits each other worker exactly once", "[executor][victim_policy][law]") {
    for (auto const policy : every)
        for (std::size_t workers = 1; workers <= 9; ++workers)
            for (std::size_t self = 0; self < workers; ++self) {
                victim_selector s({.policy = policy}, self, workers, test::seed() + self);
                auto const random = test::keys(200, test::seed());
                for (std::size_t round = 0; round < 50; ++round) {
                    list depths;
                    for (std::size_t i = 0; i < workers; ++i) depths.push_back(static_cast<std::size_t>(random[(round + i) % 200] % 5));
                    list seen = a_round(s, depths);
                    REQUIRE(seen.size() == workers - 1);
                    list sorted = seen;
                    std::sort(sorted.begin(), sorted.end());
                    REQUIRE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
                    REQUIRE(std::find(seen.begin(), seen.end(), self) == seen.end());
                    for (auto v : seen) REQUIRE(v < workers);
                    if (seen.empty()) continue;
                    if (random[round] % 3 == 0)
                        s.failed(seen[0]);
                    else
                        s.succeeded(seen[static_cast<std::size_t>(random[round] % seen.size())]);
                }
            }
}

TEST_CASE("victim_selector: whom each policy asks first", "[executor][victim_policy][unit]") {
    SECTION("busiest") {
        victim_selector s({.policy = victim_policy::busiest}, 1, 4, 7);
        struct row {
            list        depths;
            std::size_t first;
        };
        for (auto const& r : {row{{0, 9, 3, 2}, 2}, row{{5, 9, 3, 2}, 0}, row{{0, 0, 0, 1}, 3}, row{{4, 0, 4, 0}, 0}})
            for (int i = 0; i < 10; ++i) REQUIRE(a_round(s, r.depths)[0] == r.first);
    }
    SECTION("sticky") {
        victim_selector s({.policy = victim_policy::sticky}, 0, 5, 7);
        s.succeeded(3);
        for (int i = 0; i < 10; ++i) REQUIRE(a_round(s)[0] == 3);
        s.failed(2);  // another one
        REQUIRE(a_round(s)[0] == 3);
        s.succeeded(4);
        for (int i = 0; i < 10; ++i) REQUIRE(a_round(s)[0] == 4);
        s.failed(4);
        std::set<std::size_t> firsts;
        for (int i = 0; i < 200; ++i) firsts.insert(a_round(s)[0]);
        REQUIRE(firsts.size() == 4);
    }
    SECTION("history") {
        victim_selector s({.policy = victim_policy::history}, 0, 4, 7);
        s.succeeded(1);
        s.succeeded(2);
        s.succeeded(2);
        REQUIRE(a_round(s)[0] == 2);
        s.failed(2);  // once does not outweigh
        REQUIRE(a_round(s)[0] == 2);
        for (int i = 0; i < 60; ++i) s.failed(2);
        REQUIRE(a_round(s)[0] == 1);
        for (int i = 0; i < 3; ++i) s.succeeded(3);
        REQUIRE(a_round(s)[0] == 3);
        for (int i = 0; i < 10'000; ++i) s.succeeded(1);  // bounded: others can overtake
        for (int i = 0; i < 40; ++i) s.succeeded(2);
        REQUIRE(a_round(s)[0] == 2);
    }
    SECTION("nearest") {
        victim_selector s({.policy = victim_policy::nearest}, 1, 6, 7);
        REQUIRE(a_round(s) == list{2, 0, 3, 5, 4});
        victim_selector five({.policy = victim_policy::nearest}, 0, 5, 7);
        REQUIRE(a_round(five) == list{1, 4, 2, 3});
    }
    SECTION("random") {
        victim_selector s({.policy = victim_policy::random}, 2, 5, 7);
        int first[5] = {};
        for (int i = 0; i < 5000; ++i) ++first[a_round(s)[0]];
        for (std::size_t i = 0; i < 5; ++i) REQUIRE((i == 2 ? first[i] == 0 : first[i] > 500));
    }
}

TEST_CASE("victim_selector: the threshold rule", "[executor][victim_policy][unit]") {
    struct row {
        double      threshold;
        std::size_t victim, own;
        bool        worth;
    };
    for (auto const& r : {row{0, 0, 0, false}, row{0, 1, 0, true}, row{0, 1, 100, true}, row{2, 0, 0, false}, row{2, 1, 0, true},
                          row{2, 2, 1, false}, row{2, 3, 1, true}, row{2, 20, 10, false}, row{2, 21, 10, true}, row{0.5, 1, 2, false},
                          row{0.5, 2, 2, true}}) {
        victim_selector const s({.policy = victim_policy::random, .threshold = r.threshold}, 0, 2, 1);
        CHECK(s.worth(r.victim, r.own) == r.worth);
    }
}

TEST_CASE("victim_selector: nearest by ranks, rank after rank, from different starts", "[executor][victim_policy][law]") {
    auto const distance = [](std::size_t a, std::size_t b) { return a / 4 == b / 4 ? 1 : a / 8 == b / 8 ? 2 : 7; };  // fours in eights
    auto const ranks = std::make_shared<sluice::victim_ranks const>(std::size_t{16}, distance);
    for (std::size_t const workers : {std::size_t{16}, std::size_t{11}, std::size_t{2}, std::size_t{1}})
        for (std::size_t self = 0; self < workers; ++self) {
            victim_selector       s({.policy = victim_policy::nearest, .ranks = ranks.get()}, self, workers, test::seed() + self);
            std::set<std::size_t> firsts;
            for (int round = 0; round < 100; ++round) {
                list const seen = a_round(s);
                REQUIRE(seen.size() == workers - 1);
                REQUIRE(std::set<std::size_t>(seen.begin(), seen.end()).size() == workers - 1);
                for (std::size_t i = 0; i < seen.size(); ++i) {
                    REQUIRE(seen[i] != self);
                    REQUIRE(seen[i] < workers);
                    if (i > 0) REQUIRE(distance(self, seen[i - 1]) <= distance(self, seen[i]));
                }
                if (!seen.empty()) firsts.insert(seen[0]);
                s.succeeded(seen.empty() ? 0 : seen.back());  // makes no difference
            }
            if (workers == 16) CHECK(firsts.size() == 3);
        }
    // ranks for too few: by number, as without
    victim_selector few({.policy = victim_policy::nearest, .ranks = ranks.get()}, 3, 17, 1);
    victim_selector none({.policy = victim_policy::nearest}, 3, 17, 1);
    CHECK(a_round(few) == a_round(none));
    CHECK_THROWS_AS(sluice::victim_ranks(40'000, distance), std::invalid_argument);
    CHECK(sluice::victim_ranks().workers() == 0);
}
