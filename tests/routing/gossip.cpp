// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/gossip.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::gossip_options;
using sluice::member_state;
using sluice::time_point;

namespace {

using node = sluice::gossip<std::uint32_t>;
using message = node::message;
using entry = node::entry;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Nodes 0 … n-1 and a network that delivers what was sent before the next round, or loses it.
struct network {
    std::vector<node>                                   nodes;
    std::deque<std::pair<std::uint32_t, message>>       under_way;
    sluice::xoshiro256ss                                rng{7};
    std::vector<bool>                                   up;
    std::function<bool(std::uint32_t, std::uint32_t)>   passes = [](auto, auto) { return true; };
    double                                              loss = 0;
    std::uint64_t                                       sent = 0;

    network(std::uint32_t n, gossip_options o, std::uint32_t first_seeds = 1) : up(n, true) {
        for (std::uint32_t i = 0; i < n; ++i) {
            nodes.emplace_back(i, 1, o);
            for (std::uint32_t s = 0; s < first_seeds && i != 0; ++s) nodes[i].join(s == 0 ? 0 : (i + s) % n, time_point{});
        }
    }
    auto sender(std::uint32_t from) {
        return [this, from](std::uint32_t to, message const& m) {
            ++sent;
            if (to >= nodes.size() || !passes(from, to) || sluice::uniform_real(rng) < loss) return;
            under_way.emplace_back(to, m);
        };
    }
    void deliver(time_point now) {
        while (!under_way.empty()) {
            auto const [to, m] = std::move(under_way.front());
            under_way.pop_front();
            if (up[to]) nodes[to].receive(m, now, sender(to));
        }
    }
    void round(time_point now) {
        for (std::uint32_t i = 0; i < nodes.size(); ++i)
            if (up[i]) nodes[i].tick(now, rng, sender(i));
        deliver(now);
    }
    std::size_t knowing(std::uint32_t about, double load) const {
        std::size_t n = 0;
        for (std::uint32_t i = 0; i < nodes.size(); ++i) {
            auto const* const e = nodes[i].find(about);
            n += up[i] && e != nullptr && e->load == load ? 1u : 0u;
        }
        return n;
    }
};

void drop(std::uint32_t, message const&) {}

}  // namespace

TEST_CASE("gossip: one new load reaches ten thousand nodes in a few rounds", "[routing][gossip][law]") {
    // Each node knows the names of node 0 and of 31 others, and 14 = ⌈log₂ n⌉ of them hear from it in a round, and it from them.
    constexpr std::uint32_t n = 10'000;
    network net(n, {.heartbeat = 1h, .suspect_after = 1h, .dead_after = 1h, .forget_after = 2h, .fan_out = 14, .max_entries = 33,
                    .max_members = 33});
    for (std::uint32_t i = 0; i < n; ++i)
        while (net.nodes[i].size() < 33)
            net.nodes[i].join(static_cast<std::uint32_t>(sluice::uniform_below(net.rng, n)), time_point{});
    net.nodes[0].set_load(42);
    int rounds = 0;
    for (; net.knowing(0, 42) < n && rounds < 20; ++rounds) net.round(time_point(rounds * 1s));
    CAPTURE(rounds);
    REQUIRE(rounds <= 5);
    REQUIRE(rounds > 1);  // nobody but node 0 knew it, and 14 of 33 ask a given one
    REQUIRE(net.sent <= static_cast<std::uint64_t>(rounds) * n * 14 * 2);
}

TEST_CASE("gossip: everybody learns of everybody, from one seed, though messages are lost", "[routing][gossip][law]") {
    for (double const loss : {0.0, 0.3}) {
        network net(60, {});
        net.loss = loss;
        for (std::uint32_t i = 0; i < 60; ++i) net.nodes[i].set_load(i + 1);
        for (int t = 0; t < 20; ++t) net.round(time_point(t * 1s));
        for (std::uint32_t about = 0; about < 60; ++about) REQUIRE(net.knowing(about, about + 1) == 60);
        for (auto const& g : net.nodes) REQUIRE(g.count(member_state::alive, time_point(19s)) == 60);
    }
}

TEST_CASE("gossip: the fan-out is the logarithm of the members, rounded up", "[routing][gossip][unit]") {
    for (auto const& [members, out] : {std::pair{1u, 1u}, {2u, 1u}, {3u, 2u}, {4u, 2u}, {5u, 3u}, {1000u, 10u}, {1024u, 10u},
                                      {1025u, 11u}}) {
        node g(0, 1);
        for (std::uint32_t i = 1; i < members; ++i) g.join(i, time_point{});
        REQUIRE(g.fan_out() == out);
        std::vector<std::uint32_t> told;
        sluice::xoshiro256ss       rng(3);
        g.tick(time_point{}, rng, [&](std::uint32_t to, message const& m) {
            told.push_back(to);
            REQUIRE(m.from == 0);
            REQUIRE(m.entries.size() == 1);  // of the others only the names are known
        });
        std::sort(told.begin(), told.end());
        REQUIRE(std::adjacent_find(told.begin(), told.end()) == told.end());
        REQUIRE(told.size() == std::min<std::size_t>(out, members - 1));
        REQUIRE(std::count(told.begin(), told.end(), 0u) == 0);
    }
}

TEST_CASE("gossip: a node that stops is suspect, dead, forgotten, and no echo revives it", "[routing][gossip][unit]") {
    network net(20, {.heartbeat = 1s, .suspect_after = 5s, .dead_after = 10s, .forget_after = 30s}, 3);
    int     t = 0;
    for (; t < 10; ++t) net.round(time_point(t * 1s));
    net.up[7] = false;  // its last news is from t = 9
    auto const state = [&] { return net.nodes[3].state(7, time_point((t - 1) * 1s)); };
    bool seen_suspect = false, seen_dead = false;
    for (; t < 100; ++t) {
        net.round(time_point(t * 1s));
        auto const now = state();
        int const  since = t - 1 - 9;
        CAPTURE(since);
        if (since < 4) REQUIRE(now == member_state::alive);
        // News may be some rounds on its way: between the limits it is one or the other.
        if (since > 16 && since < 28) REQUIRE(now == member_state::dead);
        seen_suspect |= now == member_state::suspect;
        seen_dead |= now == member_state::dead;
        if (since > 36) REQUIRE_FALSE(now.has_value());
    }
    REQUIRE((seen_suspect && seen_dead));
    for (std::uint32_t i = 0; i < 20; ++i)
        if (i != 7) REQUIRE(net.nodes[i].size() == 19);
    // It comes back, with a larger incarnation, and knows one node.
    net.nodes[7] = node(7, 2, net.nodes[3].options());
    net.nodes[7].join(0, time_point(t * 1s));
    net.up[7] = true;
    for (int const end = t + 10; t < end; ++t) net.round(time_point(t * 1s));
    for (auto const& g : net.nodes) REQUIRE(g.state(7, time_point((t - 1) * 1s)) == member_state::alive);
}

TEST_CASE("gossip: a node that leaves is not waited for", "[routing][gossip][unit]") {
    network net(10, {}, 2);
    int     t = 0;
    for (; t < 10; ++t) net.round(time_point(t * 1s));
    net.nodes[4].leave();
    net.round(time_point(t++ * 1s));
    net.up[4] = false;
    for (int const end = t + 3; t < end; ++t) net.round(time_point(t * 1s));
    for (std::uint32_t i = 0; i < 10; ++i)
        if (i != 4) REQUIRE(net.nodes[i].state(4, time_point((t - 1) * 1s)) == member_state::left);
    for (int const end = t + 70; t < end; ++t) net.round(time_point(t * 1s));
    REQUIRE_FALSE(net.nodes[0].state(4, time_point(t * 1s)));
}

TEST_CASE("gossip: halves that were apart longer than it takes to be dead find each other again", "[routing][gossip][unit]") {
    network net(16, {.heartbeat = 1s, .suspect_after = 3s, .dead_after = 6s, .forget_after = 120s}, 2);
    int     t = 0;
    for (; t < 10; ++t) net.round(time_point(t * 1s));
    net.passes = [](std::uint32_t a, std::uint32_t b) { return a / 8 == b / 8; };
    for (; t < 40; ++t) net.round(time_point(t * 1s));
    REQUIRE(net.nodes[0].count(member_state::alive, time_point(39s)) == 8);
    REQUIRE(net.nodes[0].count(member_state::dead, time_point(39s)) == 8);
    net.passes = [](auto, auto) { return true; };
    for (; t < 50; ++t) net.round(time_point(t * 1s));
    for (auto const& g : net.nodes) REQUIRE(g.count(member_state::alive, time_point(49s)) == 16);
}

TEST_CASE("gossip: the later incarnation wins, then the later version; the older one is corrected", "[routing][gossip][unit]") {
    node                 g(0, 1);
    std::vector<message> sent;
    auto const           send = [&](std::uint32_t, message const& m) { sent.push_back(m); };
    auto const           say = [&](entry e) {
        sent.clear();
        return g.receive({5, false, {e}}, time_point{}, send);
    };
    REQUIRE(say({5, 3, 10, 1.0, false}) == 1);
    REQUIRE(say({5, 3, 10, 9.0, false}) == 0);  // the same version twice: the first one counts
    REQUIRE(say({5, 3, 11, 2.0, false}) == 1);
    REQUIRE(say({5, 2, 99, 3.0, false}) == 0);
    REQUIRE(g.find(5)->load == 2.0);
    REQUIRE(sent.size() == 1);
    REQUIRE(sent[0].reply);
    REQUIRE(sent[0].entries.front() == entry{5, 3, 11, 2.0, false});  // the sender was behind and hears it
    REQUIRE(say({5, 4, 0, 4.0, false}) == 1);
    REQUIRE(g.find(5)->load == 4.0);
    REQUIRE(say({5, 4, 0, 4.0, true}) == 1);  // good-bye
    REQUIRE(say({5, 4, 0, 4.0, false}) == 0);
    REQUIRE(g.state(5, time_point{}) == member_state::left);
    REQUIRE(say({5, 5, 0, 0.0, false}) == 1);  // and welcome back
    REQUIRE(g.state(5, time_point{}) == member_state::alive);
    // An answer is not answered.
    sent.clear();
    REQUIRE(g.receive({5, true, {{6, 1, 1, 1, false}}}, time_point{}, send) == 1);
    REQUIRE(sent.empty());
}

TEST_CASE("gossip: a node that hears of a later life of its own begins one later still", "[routing][gossip][unit]") {
    node g(0, 5);
    REQUIRE(g.receive({1, true, {{0, 9, 3, 7.0, false}}}, time_point{}, drop) == 1);
    REQUIRE(g.incarnation() == 10);
    REQUIRE(g.find(0)->load == 0.0);
    REQUIRE(g.receive({1, true, {{0, 10, g.find(0)->version, 0.0, true}}}, time_point{}, drop) == 1);  // "you left"
    REQUIRE(g.incarnation() == 11);
    REQUIRE_FALSE(g.find(0)->left);
    REQUIRE(g.receive({1, true, {{0, 4, 99, 0.0, false}}}, time_point{}, drop) == 0);
    REQUIRE(g.incarnation() == 11);
    REQUIRE(g.receive({1, true, {{0, UINT64_MAX, 1, 0.0, false}}}, time_point{}, drop) == 1);  // nothing is later than that
    REQUIRE(g.incarnation() == 11);
}

TEST_CASE("gossip: a message holds max_entries, and in turn everybody is told about", "[routing][gossip][unit]") {
    node g(0, 1, {.fan_out = 1, .max_entries = 8});
    for (std::uint32_t i = 1; i <= 100; ++i) (void)g.receive({i, true, {{i, 1, 1, double(i), false}}}, time_point{}, drop);
    sluice::xoshiro256ss     rng(1);
    std::vector<std::size_t> told(101);
    for (int t = 0; t < 15; ++t)
        g.tick(time_point{}, rng, [&](std::uint32_t, message const& m) {
            REQUIRE(m.entries.size() == 8);
            REQUIRE(m.entries[0].id == 0);
            for (auto const& e : m.entries) ++told[e.id];
        });
    REQUIRE(std::count(told.begin() + 1, told.end(), 0u) == 0);  // 15 · 7 = 105 places
    // All of it is told often enough for it to be no news any more; then the turn goes round.
    for (int t = 0; t < 400; ++t) g.tick(time_point{}, rng, drop);
    told.assign(101, 0);
    for (int t = 0; t < 100; ++t)
        g.tick(time_point{}, rng, [&](std::uint32_t, message const& m) {
            for (auto const& e : m.entries) ++told[e.id];
        });
    for (std::uint32_t i = 1; i <= 100; ++i) REQUIRE(told[i] == 7);
}

TEST_CASE("gossip: work moves where the load is less than two thirds, half the difference of it", "[routing][gossip][unit]") {
    sluice::xoshiro256ss rng(1);
    node                 g(0, 1);
    auto const           peer = [&](std::uint32_t id, std::uint64_t version, double load) {
        (void)g.receive({id, true, {{id, 1, version, load, false}}}, time_point{}, drop);
    };
    g.set_load(15);
    REQUIRE_FALSE(g.transfer(time_point{}, rng));  // nobody there
    peer(1, 1, 10);
    REQUIRE_FALSE(g.transfer(time_point{}, rng));  // 15 is not above 1.5 · 10
    g.set_load(16);
    auto const first = g.transfer(time_point{}, rng);
    REQUIRE(first);
    REQUIRE((first->to == 1 && first->amount == 3));
    REQUIRE_FALSE(g.transfer(time_point{}, rng));  // it is taken to have 13 now
    peer(1, 2, 10);                                // but says 10
    REQUIRE(g.transfer(time_point{}, rng)->amount == 3);
    // Of two the less loaded; not one that is suspect or has left, or of which only the name is known.
    peer(2, 1, 4);
    g.join(3, time_point{});
    peer(4, 1, 0);
    (void)g.receive({4, true, {{4, 1, 1, 0, true}}}, time_point{}, drop);
    REQUIRE(g.transfer(time_point{}, rng)->to == 2);
    REQUIRE_FALSE(g.transfer(time_point(6s), rng));  // both without news for too long
    g.set_load(0);
    REQUIRE_FALSE(g.transfer(time_point{}, rng));
}

TEST_CASE("gossip: loads even out", "[routing][gossip][law]") {
    network net(32, {}, 3);
    std::vector<double> load(32, 0);
    for (int t = 0; t < 5; ++t) net.round(time_point(t * 1s));
    load[5] = 3200;  // all of it at one node
    double most = 0;
    for (int t = 5; t < 45; ++t) {
        for (std::uint32_t i = 0; i < 32; ++i) net.nodes[i].set_load(load[i]);
        net.round(time_point(t * 1s));
        for (std::uint32_t i = 0; i < 32; ++i)
            if (auto const move = net.nodes[i].transfer(time_point(t * 1s), net.rng)) {
                load[i] -= move->amount;
                load[move->to] += move->amount;
            }
        most = 0;
        for (double const l : load) most = std::max(most, l);
    }
    CAPTURE(most);
    REQUIRE(most < 200);  // mean 100; below one and a half times the other's nobody moves anything
}

TEST_CASE("gossip: what can be no load, and what there is no room for", "[routing][gossip][unit]") {
    node g(0, 1, {.max_members = 3});
    g.set_load(2);
    for (double const bad : {-1.0, std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        REQUIRE_FALSE(g.set_load(bad));
        REQUIRE(g.receive({1, true, {{1, 1, 1, bad, false}}}, time_point{}, drop) == 0);
    }
    REQUIRE(g.find(0)->load == 2);
    REQUIRE(g.size() == 1);
    for (std::uint32_t i = 1; i < 10; ++i) (void)g.receive({i, true, {{i, 1, 1, 1, false}}}, time_point{}, drop);
    g.join(77, time_point{});
    REQUIRE(g.size() == 3);
    REQUIRE(g.find(77) == nullptr);
    REQUIRE_FALSE(g.state(77, time_point{}));
}

TEST_CASE("gossip: a clock that steps back makes nobody older", "[routing][gossip][unit]") {
    sluice::xoshiro256ss rng(1);
    node                 g(0, 1);
    (void)g.receive({1, true, {{1, 1, 1, 1, false}}}, time_point(1h), drop);
    for (auto const t : {time_point(0s), time_point::min(), time_point(1h)}) {
        g.tick(t, rng, drop);
        REQUIRE(g.state(1, t) == member_state::alive);
    }
    g.tick(time_point::max(), rng, drop);
    REQUIRE(g.size() == 1);
    g.tick(time_point::min(), rng, drop);
}

TEST_CASE("gossip: names may be text, and a throwing transport leaves it whole", "[routing][gossip][unit]") {
    sluice::gossip<std::string> g("a", 1);
    sluice::xoshiro256ss        rng(1);
    g.join("b", time_point{});
    g.join("b", time_point{});
    REQUIRE(g.size() == 2);
    REQUIRE_THROWS_AS(g.tick(time_point{}, rng, [](std::string const&, auto const&) { throw std::runtime_error("down"); }),
                      std::runtime_error);
    std::string told;
    g.tick(time_point{}, rng, [&](std::string const& to, auto const&) { told = to; });
    REQUIRE(told == "b");
}

TEST_CASE("gossip: options that cannot work", "[routing][gossip][unit]") {
    auto const refuses = [](gossip_options o, char const* what) { REQUIRE_THROWS_WITH(node(0, 1, o), test::contains(what)); };
    refuses({.heartbeat = 0s}, "heartbeat (> 0 ns) is 0");
    refuses({.heartbeat = 2s, .suspect_after = 1s}, "suspect_after (>= heartbeat) is 1000000000");
    refuses({.suspect_after = 5s, .dead_after = 4s}, "dead_after");
    refuses({.dead_after = 40s}, "forget_after (>= 2 * dead_after)");
    refuses({.max_entries = 1}, "max_entries (> 1) is 1");
    refuses({.max_members = 1}, "max_members (> 1) is 1");
    refuses({.times_told = 0}, "times_told (> 0) is 0");
    for (double const bad : {0.9, std::numeric_limits<double>::quiet_NaN(), infinity}) refuses({.transfer_ratio = bad}, "transfer_ratio");
}
