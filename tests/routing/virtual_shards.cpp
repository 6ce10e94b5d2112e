// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/virtual_shards.hpp>

#include <sluice/routing/shard_splitter.hpp>
#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using sluice::virtual_shards;

static_assert(sluice::placement<virtual_shards<std::string>> && sluice::placement<virtual_shards<int>>);

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

std::vector<double> const& ones(std::uint32_t n) {
    static std::vector<double> loads;
    loads.assign(n, 1.0);
    return loads;
}

template <class Shards>
std::map<node_index, std::uint32_t> counts(Shards const& t) {
    std::map<node_index, std::uint32_t> n;
    for (std::uint32_t s = 0; s < t.shard_count(); ++s) ++n[t.owner(s)];
    for (auto const& [i, c] : n) REQUIRE(t.shards_of(i) == c);
    return n;
}

}  // namespace

TEST_CASE("virtual_shards: 1000 shards on 16 nodes, 62 or 63 each", "[routing][virtual_shards][unit]") {
    virtual_shards<int> t;
    for (int i = 0; i < 16; ++i) t.add(i);
    for (auto const& [_, n] : counts(t)) REQUIRE((n == 62 || n == 63));
    REQUIRE(t.size() == 16);
    REQUIRE(t.epoch() == 16);
    // and a 17th takes 58 or 59 of them, from the others alone, none of which passes one to another
    auto const plan = t.plan_add(16);
    REQUIRE((plan.moves.size() == 58 || plan.moves.size() == 59));
    REQUIRE(plan.moved == Approx(static_cast<double>(plan.moves.size()) / 1000));
    auto const before = t;
    REQUIRE(t.apply(plan));
    for (std::uint32_t s = 0; s < 1000; ++s) REQUIRE((t.owner(s) == before.owner(s) || t.owner(s) == plan.index));
    for (auto const& m : plan.moves) REQUIRE((m.from == before.owner(m.shard) && m.to == t.owner(m.shard)));
    for (auto const& [_, n] : counts(t)) REQUIRE((n == 58 || n == 59));
    REQUIRE_FALSE(t.apply(plan));  // made for the epoch before
    REQUIRE(t.size() == 17);
}

TEST_CASE("virtual_shards: any changes: shares by weight, and the fewest moves that do it", "[routing][virtual_shards][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 20; ++round) {
        virtual_shards<int>   t({.shards = static_cast<std::uint32_t>(1 + sluice::uniform_below(rng, 300))});
        std::map<int, double> weights;
        for (int k = 0; k < 40; ++k) {
            int const                      name = static_cast<int>(sluice::uniform_below(rng, 12));
            double const                   weight = static_cast<double>(1 + sluice::uniform_below(rng, 5)) / 2;
            sluice::shard_plan<int>        plan;
            auto const                     what = sluice::uniform_below(rng, 3);
            if (!weights.contains(name)) plan = t.plan_add(name, weight), weights[name] = weight;
            else if (what == 0 && weights.size() > 1) plan = t.plan_remove(name), weights.erase(name);
            else plan = t.plan_weight(name, weight), weights[name] = weight;
            auto const before = t;
            auto const had = [&](int n) { auto const i = before.index_of(n); return i ? before.shards_of(*i) : 0u; };
            REQUIRE(t.apply(plan));
            REQUIRE(t.size() == weights.size());
            double sum = 0;
            for (auto const& [_, w] : weights) sum += w;
            std::uint32_t total = 0, gained = 0;
            for (auto const& [n, w] : weights) {
                auto const   has = t.shards_of(t.index_of(n).value());
                double const share = w / sum * t.shard_count();
                CAPTURE(n, w, sum, has, share);
                REQUIRE(has >= std::floor(share - 1e-9));
                REQUIRE(has <= std::ceil(share + 1e-9));
                total += has;
                gained += has > had(n) ? has - had(n) : 0;
            }
            REQUIRE(total == t.shard_count());
            REQUIRE(plan.moves.size() == gained);  // what somebody gained, and nothing that somebody passed on
            (void)counts(t);
        }
    }
}

TEST_CASE("virtual_shards: keys go where their shard is", "[routing][virtual_shards][unit]") {
    virtual_shards<std::string> t({.shards = 100});
    REQUIRE_FALSE(t.pick("key"));
    REQUIRE_FALSE(t.locate(hashed_key(1)));
    t.add("a");
    t.add("b");
    REQUIRE(t.shard_of(hashed_key(0)) == 0);
    REQUIRE(t.shard_of(hashed_key(UINT64_MAX)) == 99);
    REQUIRE(t.shard_of(hashed_key(UINT64_MAX / 2)) == 49);
    std::vector<int> per_shard(100);
    for (auto const key : test::keys(100'000, 1)) {
        auto const shard = t.shard_of(hashed_key(key));
        ++per_shard[shard];
        if (t.locate(hashed_key(key)) != t.owner(shard)) REQUIRE(t.locate(hashed_key(key)) == t.owner(shard));
    }
    for (int const n : per_shard) REQUIRE(n == Approx(1000).margin(160));  // five standard deviations
    REQUIRE(t.pick("key") == t.node(t.owner(t.shard_of("key"))));
    REQUIRE(t.pick(17) == t.pick(std::uint64_t{17}));
}

TEST_CASE("virtual_shards: a celebrity with half of the traffic on ten shards is spread to within 20 %", "[routing][virtual_shards][law]") {
    virtual_shards<int>    t({.shards = 10});
    sluice::shard_splitter splitter(10, {.window = std::chrono::seconds(60)});
    sluice::xoshiro256ss   rng(test::seed());
    for (int i = 0; i < 10; ++i) t.add(i);
    hashed_key const celebrity(sluice::mix64(4711));

    auto const minute = [&](int from) {
        std::vector<double> load(10);
        for (int s = 0; s < 60; ++s) {
            for (int k = 0; k < 500; ++k) {
                hashed_key const key = sluice::uniform_below(rng, 2) == 0 ? celebrity : hashed_key(rng());
                splitter.record(t.shard_of(key));
                load[t.locate(key, hashed_key(rng())).value()] += 1;  // the salt: the request's id
            }
            auto const now = sluice::time_point(std::chrono::seconds(from + s));
            for (auto const& change : splitter.evaluate(now)) {
                auto const plan = t.plan_parts(change.shard, change.parts, splitter.loads());
                REQUIRE(plan.moved > 0);
                REQUIRE(t.apply(plan));
            }
        }
        double mean = 0, squares = 0;
        for (double const l : load) mean += l / 10;
        for (double const l : load) squares += (l - mean) * (l - mean) / 10;
        return std::sqrt(squares) / mean;
    };
    REQUIRE(minute(0) > 1);  // before: 50 % and 5.6 %, a deviation of 1.3 means
    (void)minute(60);        // the window is full in its course
    REQUIRE(t.parts(t.shard_of(celebrity)).size() == 16);
    double const after = minute(120);
    CAPTURE(after);
    REQUIRE(after < 0.2);
    // The celebrity is forgotten, and the shard whole again.
    auto const home = t.owner(t.shard_of(celebrity));
    for (int s = 180; s < 400; ++s) {
        for (int k = 0; k < 500; ++k) splitter.record(t.shard_of(hashed_key(rng())));
        for (auto const& change : splitter.evaluate(sluice::time_point(std::chrono::seconds(s))))
            REQUIRE(t.apply(t.plan_parts(change.shard, change.parts, splitter.loads())));
    }
    REQUIRE(t.parts(t.shard_of(celebrity)).empty());
    REQUIRE(t.locate(celebrity) == home);
}

TEST_CASE("virtual_shards: parts of a shard: by key without a salt, all of them used", "[routing][virtual_shards][unit]") {
    virtual_shards<int> t({.shards = 4});
    for (int i = 0; i < 3; ++i) t.add(i);
    auto const before = t;
    auto const plan = t.plan_parts(2, 8, std::vector<double>{1, 1, 10, 1});
    REQUIRE(t.apply(plan));
    REQUIRE(t.parts(2).size() == 8);
    std::map<node_index, int> seen;
    for (auto const key : test::keys(4000, 2)) {
        hashed_key const k(key);
        if (t.shard_of(k) == 2) ++seen[*t.locate(k)];
        else REQUIRE(t.locate(k) == before.locate(k));
        REQUIRE(t.locate(k) == t.locate(k, k));
    }
    REQUIRE(seen.size() == 3);
    // Merged: as if nothing had been.
    REQUIRE(t.apply(t.plan_parts(2, 0, ones(4))));
    for (auto const key : test::keys(400, 3)) REQUIRE(t.locate(hashed_key(key)) == before.locate(hashed_key(key)));
    // Fewer and more parts keep what they can.
    REQUIRE(t.apply(t.plan_parts(1, 4, ones(4))));
    REQUIRE(t.apply(t.plan_parts(3, 2, ones(4))));
    REQUIRE(t.apply(t.plan_parts(1, 16, ones(4))));
    REQUIRE((t.parts(1).size() == 16 && t.parts(3).size() == 2 && t.parts(0).empty()));
}

TEST_CASE("virtual_shards: a node that goes leaves no part behind", "[routing][virtual_shards][unit]") {
    virtual_shards<int> t({.shards = 5});
    for (int i = 0; i < 4; ++i) t.add(i);
    for (std::uint32_t s = 0; s < 5; ++s) REQUIRE(t.apply(t.plan_parts(s, 8, ones(5))));
    for (int const gone : {2, 0, 3}) {
        auto const i = *t.index_of(gone);
        t.remove(gone);
        for (std::uint32_t s = 0; s < 5; ++s) {
            REQUIRE(t.owner(s) != i);
            REQUIRE(std::count(t.parts(s).begin(), t.parts(s).end(), i) == 0);
            REQUIRE(t.parts(s).size() == 8);
        }
        REQUIRE_FALSE(t.contains_index(i));
    }
    for (auto const key : test::keys(200, 4)) REQUIRE(t.pick(hashed_key(key)) == 1);
    REQUIRE(t.add(9) == 0);  // an index is used again
}

TEST_CASE("virtual_shards: moving whole shards by load", "[routing][virtual_shards][unit]") {
    virtual_shards<int> t({.shards = 12});
    for (int i = 0; i < 3; ++i) t.add(i);
    std::vector<double> loads(12, 1);
    for (std::uint32_t s = 0; s < 12; ++s)
        if (t.owner(s) == 0) loads[s] = 4;  // 16, 4, 4
    auto const one = t.plan_by_load(loads, 1);
    REQUIRE(one.moves.size() == 1);
    REQUIRE(one.moved == Approx(4.0 / 24));
    auto const all = t.plan_by_load(loads, 100);
    REQUIRE(all.moves.size() == 2);  // 8, 8, 8
    REQUIRE(t.apply(all));
    REQUIRE(t.plan_by_load(loads, 100).moves.empty());
    std::vector<double> const odd(12, no_number);
    REQUIRE(t.plan_by_load(odd, 100).moves.empty());
    REQUIRE(t.plan_by_load(odd, 100).moved == 0);
    REQUIRE(virtual_shards<int>({.shards = 12}).plan_by_load(loads, 9).moves.empty());
}

TEST_CASE("virtual_shards: what cannot be", "[routing][virtual_shards][unit]") {
    REQUIRE_THROWS_WITH(virtual_shards<int>({.shards = 0}), test::contains("shards (1 to 2^24) is 0"));
    REQUIRE_THROWS_AS(virtual_shards<int>({.shards = (1u << 24) + 1}), std::invalid_argument);
    virtual_shards<std::string> t({.shards = 10});
    REQUIRE_THROWS_WITH(t.remove("a"), test::contains("node (a member) is \"a\""));
    t.add("a");
    REQUIRE_THROWS_WITH(t.add("a"), test::contains("(not a member yet) is \"a\""));
    for (double const bad : {0.0, -1.0, no_number, infinity}) {
        REQUIRE_THROWS_WITH(t.add("b", bad), test::contains("weight (> 0)"));
        REQUIRE_THROWS_AS(t.set_weight("a", bad), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(t.set_weight("b", 1), std::invalid_argument);
    REQUIRE_THROWS_WITH(t.remove("a"), test::contains("not the last one"));
    REQUIRE_THROWS_WITH(t.plan_parts(10, 2, ones(10)), test::contains("shard (below shard_count()) is 10"));
    for (std::uint32_t const bad : {1u, 1025u}) REQUIRE_THROWS_WITH(t.plan_parts(0, bad, ones(10)), test::contains("parts (0, or 2"));
    REQUIRE_THROWS_WITH(t.plan_parts(0, 2, ones(9)), test::contains("loads (one per shard) is 9"));
    REQUIRE(t.size() == 1);
    REQUIRE(t.epoch() == 1);
    // Weights far apart do not overflow, and the small one need not have a shard.
    t.add("huge", 1e308);
    t.add("huge too", 1e308);
    REQUIRE(t.shards_of(*t.index_of("a")) == 0);
    REQUIRE(t.shards_of(*t.index_of("huge")) == 5);
}
