// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/key_splitter.hpp>

#include <sluice/routing/hot_keys.hpp>
#include <sluice/routing/virtual_shards.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::hashed_key;
using sluice::key_splitter;
using sluice::key_splitter_options;
using sluice::node_index;
using sluice::split_reads;
using sluice::split_writes;
using sluice::time_point;

namespace {

hashed_key const star(sluice::mix64(1)), other(sluice::mix64(2));

sluice::virtual_shards<int> nodes(int n) {
    sluice::virtual_shards<int> t({.shards = 64});
    for (int i = 0; i < n; ++i) t.add(i);
    return t;
}

std::vector<node_index> writes(key_splitter const& s, sluice::virtual_shards<int> const& p, hashed_key key, time_point now) {
    std::array<node_index, 64> out{};
    auto const                 n = s.write(p, key, now, out);
    return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n)};
}

}  // namespace

TEST_CASE("key_splitter: a key that is not split has the node it always had", "[routing][key_splitter][unit]") {
    auto const           p = nodes(8);
    sluice::xoshiro256ss rng(1);
    key_splitter         s;
    s.split(star, 4, time_point{});
    REQUIRE(s.read(p, other, time_point{}, rng) == p.locate(other));
    REQUIRE(writes(s, p, other, time_point{}) == std::vector{p.locate(other).value()});
    REQUIRE((s.fan_out(star) == 4 && s.fan_out(other) == 1));
    REQUIRE(s.split(other, 1, time_point{}));
    REQUIRE(s.size() == 1);
    auto const none = sluice::virtual_shards<int>();
    for (auto const key : {star, other}) {
        REQUIRE_FALSE(s.read(none, key, time_point(1h), rng));
        REQUIRE(writes(s, none, key, time_point(1h)).empty());
    }
}

TEST_CASE("key_splitter: reads go round its nodes, writes to all of them, the first is the one it had", "[routing][key_splitter][unit]") {
    auto const           p = nodes(8);
    sluice::xoshiro256ss rng(1);
    key_splitter         s({.migration = 0s});
    s.split(star, 4, time_point{});
    std::map<node_index, int> reads;
    for (int k = 0; k < 400; ++k) ++reads[s.read(p, star, time_point{}, rng).value()];
    REQUIRE(reads.size() == 4);
    for (auto const& [_, n] : reads) REQUIRE(n == 100);
    auto const to = writes(s, p, star, time_point{});
    REQUIRE(to.size() == 4);
    REQUIRE(to[0] == p.locate(star));
    for (auto const i : to) REQUIRE(reads.contains(i));
    // A larger fan-out adds nodes, a smaller one takes the last away.
    s.split(star, 6, time_point(1s));
    auto const more = writes(s, p, star, time_point(1s));
    REQUIRE(std::equal(to.begin(), to.end(), more.begin()));
    s.split(star, 2, time_point(2s));
    auto const fewer = writes(s, p, star, time_point(2s));
    REQUIRE(fewer == std::vector(to.begin(), to.begin() + 2));
    std::array<node_index, 1> little{};
    REQUIRE(s.write(p, star, time_point(2s), little) == 2);
    REQUIRE(little[0] == to[0]);
}

TEST_CASE("key_splitter: fewer nodes than asked for are all of them", "[routing][key_splitter][unit]") {
    auto const           p = nodes(3);
    sluice::xoshiro256ss rng(1);
    key_splitter         s({.migration = 0s});
    s.split(star, 1000, time_point{});
    REQUIRE(s.fan_out(star) == 16);
    REQUIRE(writes(s, p, star, time_point{}).size() == 3);
    std::set<node_index> reads;
    for (int k = 0; k < 3; ++k) reads.insert(s.read(p, star, time_point{}, rng).value());
    REQUIRE(reads.size() == 3);
}

TEST_CASE("key_splitter: of two choices the one with less load", "[routing][key_splitter][unit]") {
    auto const           p = nodes(8);
    sluice::xoshiro256ss rng(3);
    key_splitter         s({.reads = split_reads::two_choices, .writes = split_writes::primary, .migration = 0s});
    s.split(star, 4, time_point{});
    std::array<int, 8> load{};
    for (int k = 0; k < 4000; ++k) ++load[s.read(p, star, time_point{}, rng, [&](node_index i) { return load[i]; }).value()];
    std::sort(load.begin(), load.end());
    REQUIRE(load[3] == 0);
    REQUIRE(load[7] - load[4] <= 4);  // by chance alone it would be some 60
    REQUIRE(writes(s, p, star, time_point{}) == std::vector{p.locate(star).value()});
}

TEST_CASE("key_splitter: new nodes get their reads little by little, old ones their writes for a while", "[routing][key_splitter][unit]") {
    auto const           p = nodes(8);
    sluice::xoshiro256ss rng(5);
    key_splitter         s({.migration = 10s});
    auto const           home = p.locate(star).value();
    auto const           away = [&](time_point now) {
        int n = 0;
        for (int k = 0; k < 4000; ++k) n += s.read(p, star, now, rng) != home ? 1 : 0;
        return n / 4000.0;
    };
    s.split(star, 4, time_point(100s));
    REQUIRE(writes(s, p, star, time_point(100s)).size() == 4);
    REQUIRE(away(time_point(100s)) == 0);
    REQUIRE(away(time_point(105s)) == Approx(0.375).margin(0.04));  // half of three quarters; five standard deviations
    REQUIRE(away(time_point(110s)) == 0.75);
    REQUIRE(away(time_point(99s)) == 0);  // a clock that goes back
    s.split(star, 1, time_point(200s));
    REQUIRE(away(time_point(200s)) == 0);
    REQUIRE(writes(s, p, star, time_point(205s)).size() == 4);
    REQUIRE(writes(s, p, star, time_point(210s)).size() == 1);
    // Wider while it is still being filled: what was not full before is not now.
    s.split(star, 2, time_point(300s));
    s.split(star, 8, time_point(305s));
    REQUIRE(away(time_point(305s)) == 0);
    s.split(star, 3, time_point(306s));
    REQUIRE(writes(s, p, star, time_point(307s)).size() == 8);
    REQUIRE(writes(s, p, star, time_point(316s)).size() == 3);
}

TEST_CASE("key_splitter: no more keys than allowed; those that are done make room", "[routing][key_splitter][unit]") {
    key_splitter s({.max_keys = 2, .migration = 10s});
    REQUIRE(s.split(hashed_key(1), 4, time_point(0s)));
    REQUIRE(s.split(hashed_key(2), 4, time_point(0s)));
    REQUIRE_FALSE(s.split(hashed_key(3), 4, time_point(0s)));
    REQUIRE(s.fan_out(hashed_key(3)) == 1);
    REQUIRE(s.split(hashed_key(1), 1, time_point(20s)));
    REQUIRE_FALSE(s.split(hashed_key(3), 4, time_point(29s)));  // it is still written to everywhere
    REQUIRE(s.split(hashed_key(3), 4, time_point(30s)));
    REQUIRE(s.size() == 2);
    REQUIRE((s.fan_out(hashed_key(2)) == 4 && s.fan_out(hashed_key(3)) == 4));
}

TEST_CASE("key_splitter: together with hot_keys a celebrity's load is no more than a node can take", "[routing][key_splitter][law]") {
    auto const                      p = nodes(20);
    sluice::xoshiro256ss            rng(7);
    sluice::hot_keys<std::uint64_t> hot({.threshold = 0.05});
    key_splitter                    s({.share_per_node = 0.05, .migration = 1s});
    std::array<int, 20>             load{};
    for (int k = 0; k < 40'000; ++k) {
        time_point const now(k * 1ms);
        auto const       key = hashed_key(sluice::uniform_below(rng, 10) < 4 ? star.value : rng());
        if (hot.record(key.value, now)) s.split(key, s.fan_out_for(hot.share(key.value)), now);
        auto const to = s.read(p, key, now, rng).value();
        if (k >= 20'000) ++load[to];
    }
    // 40 % on one node before; now 8 or 9 nodes with 5 % of it, beside the 3 % that each has anyway.
    REQUIRE(*std::max_element(load.begin(), load.end()) < 0.11 * 20'000);
    REQUIRE(s.size() == 1);
    REQUIRE((s.fan_out(star) >= 8 && s.fan_out(star) <= 9));
}

TEST_CASE("key_splitter: how many nodes for a share", "[routing][key_splitter][unit]") {
    key_splitter const s({.max_fan_out = 10, .share_per_node = 0.1});
    struct row { double share; std::uint32_t nodes; };
    for (auto const [share, n] : {row{0, 1}, {0.1, 1}, {0.100001, 2}, {0.3, 3}, {0.95, 10}, {1e9, 10}, {-1, 1}})
        REQUIRE(s.fan_out_for(share) == n);
    REQUIRE(s.fan_out_for(std::numeric_limits<double>::quiet_NaN()) == 1);
    REQUIRE(s.fan_out_for(std::numeric_limits<double>::infinity()) == 10);
}

TEST_CASE("key_splitter: options that cannot work", "[routing][key_splitter][unit]") {
    auto const refuses = [](key_splitter_options o, char const* what) { REQUIRE_THROWS_WITH(key_splitter(o), test::contains(what)); };
    for (std::uint32_t const bad : {0u, 1u, 65u}) refuses({.max_fan_out = bad}, "max_fan_out (2 to 64)");
    refuses({.max_keys = 0}, "max_keys (> 0)");
    for (double const bad : {0.0, 1.1, std::numeric_limits<double>::quiet_NaN()}) refuses({.share_per_node = bad}, "share_per_node");
    refuses({.migration = -1ns}, "migration (>= 0 ns) is -1");
}
