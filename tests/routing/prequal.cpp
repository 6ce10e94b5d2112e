// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/prequal.hpp>

#include <sluice/routing/prequal_server.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::node_index;
using sluice::prequal;
using sluice::prequal_options;
using sluice::time_point;

namespace {

struct server {
    bool          available = true;
    std::uint32_t weight = 1;
};
static_assert(sluice::balancer<prequal, std::span<server const>>);

time_point at(duration d) { return time_point(d); }

struct answer {
    node_index              node;
    std::uint32_t           rif;
    std::optional<duration> latency;
};

/// Probes are used without limit and never removed while there are at most as many nodes as places in the pool.
prequal_options keeping(double quantile = .5) { return {.remove_rate = 0, .hot_quantile = quantile}; }

}  // namespace

TEST_CASE("prequal: cold before hot, the quicker cold one, the emptier hot one", "[routing][prequal][unit]") {
    struct row {
        char const*             what;
        std::vector<std::uint32_t> history;  // answers of node 9, which is not usable
        double                  quantile;
        std::vector<answer>     answers;
        node_index              chosen;
    };
    std::vector<std::uint32_t> const low{2, 2, 2, 2, 2, 2, 2, 2}, high(8, 50), none{};
    std::vector<row> const           table{
        {"all cold: latency decides", high, .5, {{0, 3, 9ms}, {1, 40, 5ms}, {2, 1, 7ms}}, 1},
        {"a hot one is left out, quick or not", low, .5, {{0, 3, 1ms}, {1, 2, 50ms}, {2, 1, 60ms}}, 1},
        {"all hot: rif decides", low, .5, {{0, 9, 1ms}, {1, 7, 50ms}, {2, 8, 2ms}}, 1},
        {"all hot and as full: latency", low, .5, {{0, 7, 9ms}, {1, 7, 5ms}, {2, 8, 1ms}}, 1},
        {"cold and as quick: rif", high, .5, {{0, 7, 5ms}, {1, 6, 5ms}, {2, 8, 5ms}}, 1},
        {"equal in all: the newest", high, .5, {{0, 7, 5ms}, {2, 7, 5ms}, {1, 7, 5ms}}, 1},
        {"on the limit is cold", none, .5, {{0, 4, 9ms}, {1, 3, 8ms}, {2, 9, 1ms}, {3, 2, 9ms}}, 1},
        {"quantile 0: rif alone", high, 0, {{0, 3, 1ms}, {1, 2, 90ms}, {2, 4, 1ms}}, 1},
        {"quantile 0, an idle one", high, 0, {{0, 1, 1ms}, {1, 0, 90ms}, {2, 0, 95ms}}, 1},
        {"quantile 1: latency alone", low, 1, {{0, 3, 9ms}, {1, 4000, 5ms}, {2, 1, 7ms}}, 1},
        {"unknown at rif 0 first", high, .5, {{0, 3, 1ns}, {1, 0, {}}, {2, 0, 1ns}}, 1},
        {"unknown with some in flight last", high, .5, {{0, 3, {}}, {1, 40, 9s}, {2, 1, {}}}, 1},
        {"negative is unknown", high, .5, {{0, 3, -1ns}, {1, 40, 9s}}, 1},
        {"unknown does not make the hot cold", low, .5, {{0, 3, {}}, {1, 2, 9s}}, 1},
    };
    for (auto const& r : table) {
        sluice::xoshiro256ss    rng(1);
        std::array<server, 10>  nodes{};
        nodes[9].available = false;
        prequal p(10, keeping(r.quantile));
        for (auto const rif : r.history) p.probe_result(9, rif, 1ms, at(0s));
        for (auto const& a : r.answers) p.probe_result(a.node, a.rif, a.latency, at(0s));
        INFO(r.what);
        REQUIRE(p.choose(nodes, at(0s), rng) == r.chosen);
        REQUIRE(p.counts().random == 0);
    }
}

TEST_CASE("prequal: the limit is the quantile of the last answers", "[routing][prequal][unit]") {
    prequal p(4, {.hot_quantile = .8, .rif_history = 5});
    REQUIRE(p.rif_limit() == 0);
    struct {
        std::uint32_t rif, limit;
    } const table[] = {{10, 10}, {20, 20}, {30, 30}, {40, 40}, {50, 40},  // rank ceil(.8 · 5) = 4
                       {1, 40},  {1, 40},  {1, 40},  {1, 1},   {1, 1},   {UINT32_MAX, 1}, {UINT32_MAX, UINT32_MAX}};
    for (auto const& row : table) {
        p.probe_result(0, row.rif, 1ms, at(0s));
        REQUIRE(p.rif_limit() == row.limit);
    }
    prequal latency_alone(4, {.hot_quantile = 1}), rif_alone(4, {.hot_quantile = 0});
    latency_alone.probe_result(0, 7, 1ms, at(0s));
    rif_alone.probe_result(0, 7, 1ms, at(0s));
    REQUIRE(latency_alone.rif_limit() == UINT32_MAX);
    REQUIRE(rif_alone.rif_limit() == 0);
}

TEST_CASE("prequal: what it sends itself counts at once", "[routing][prequal][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 3> nodes{};
    prequal               p(3, keeping(0));
    p.probe_result(0, 5, 1ms, at(0s));
    p.probe_result(1, 2, 1ms, at(0s));
    std::array<int, 3> chosen{};
    for (int i = 0; i < 3; ++i) ++chosen[p.choose(nodes, at(0s), rng).value()];
    REQUIRE(chosen == std::array<int, 3>{0, 3, 0});  // now both stand at 5
    for (int i = 0; i < 100; ++i) ++chosen[p.choose(nodes, at(0s), rng).value()];
    REQUIRE(chosen == std::array<int, 3>{50, 53, 0});

    prequal full(3, keeping(0));  // and does not wrap
    full.probe_result(0, UINT32_MAX, 1ms, at(0s));
    full.probe_result(1, UINT32_MAX - 1, 1ms, at(0s));
    for (int i = 0; i < 10; ++i) REQUIRE(full.choose(nodes, at(0s), rng).value() < 2);

    prequal untried(3, keeping(1));  // tried once, then it waits for a latency
    untried.probe_result(0, 0, {}, at(0s));
    untried.probe_result(1, 0, 1s, at(0s));
    REQUIRE(untried.choose(nodes, at(0s), rng) == node_index(0));
    REQUIRE(untried.choose(nodes, at(0s), rng) == node_index(1));
}

TEST_CASE("prequal: the reuse limit is the formula, and none where that has no answer", "[routing][prequal][unit]") {
    double const infinity = std::numeric_limits<double>::infinity();
    struct {
        std::uint32_t m;
        std::size_t   n;
        double        probe, remove, slack, limit;
    } const table[] = {
        {16, 100, 3, 1, 1, 2 / 1.52},                  // (1 - .16) · 3 - 1
        {16, 1'000'000, 3, 1, 1, 2 / (3 - 48e-6 - 1)},
        {16, 32, 3, 1, 1, 4},                          // 1.5 - 1
        {16, 24, 3, 1, 1, infinity},                   // 1 - 1 = 0
        {16, 16, 3, 1, 1, infinity},                   // 0 - 1
        {16, 5, 3, 1, 1, infinity},                    // negative
        {16, 0, 3, 1, 1, infinity},                    // no node at all
        {16, 100, .5, .25, 0, 1 / .17},
        {16, 100, 3, 0, 0, 1},                         // 1 / 2.52 < 1
        {16, 100, 0, 0, 1, infinity},
        {2, 4, 1, 0, 2.5, 7},
    };
    for (auto const& r : table) {
        prequal const p(1, {.pool_size = r.m, .probe_rate = r.probe, .remove_rate = r.remove, .reuse_slack = r.slack});
        if (std::isinf(r.limit)) REQUIRE(p.reuse_limit(r.n) == infinity);
        else REQUIRE(p.reuse_limit(r.n) == Approx(r.limit).epsilon(1e-12));
    }
}

TEST_CASE("prequal: a probe is used up at the limit, fractions in the long run", "[routing][prequal][unit]") {
    // Only nodes 0 … 3 are ever probed; the rest makes n large enough. The picks between "four probes" and "one probe left"
    // are their uses.
    struct {
        double      probe_rate, slack;
        std::size_t n;
    } const table[] = {{1, 0, 64}, {.5, 0, 64}, {1, 1, 50}, {.8, 1, 40}, {3, 1, 40}};
    for (auto const& r : table) {
        prequal p(0, {.pool_size = 8, .probe_rate = r.probe_rate, .remove_rate = 0, .reuse_slack = r.slack, .hot_quantile = 1});
        std::vector<server>  nodes(r.n);
        sluice::xoshiro256ss rng(1);
        double const         limit = p.reuse_limit(r.n);
        int                  uses = 0, fewest = INT32_MAX, most = 0;
        constexpr int        probes = 20'000;
        p.probe_result(3, 0, 1s, at(0s));  // never the quickest
        for (int i = 0; i < probes; ++i) {
            p.probe_result(0, 0, 1ms, at(0s));
            int n = 0;
            while (p.pool_size() == 2) {
                REQUIRE(p.choose(nodes, at(0s), rng) == node_index(0));
                ++n;
            }
            uses += n;
            fewest = std::min(fewest, n);
            most = std::max(most, n);
        }
        REQUIRE(static_cast<double>(uses) / probes == Approx(limit).margin(.001));  // an even sequence: 1/n, not 1/sqrt(n)
        REQUIRE(fewest == static_cast<int>(std::floor(limit)));
        REQUIRE(most == static_cast<int>(std::ceil(limit)));
    }
}

TEST_CASE("prequal: old probes are not used, and a clock that steps back makes none younger", "[routing][prequal][unit]") {
    sluice::xoshiro256ss  rng(3);
    std::array<server, 4> nodes{};
    prequal               p(4, keeping(1));
    p.probe_result(0, 1, 1ms, at(0s));
    p.probe_result(1, 1, 2ms, at(500ms));
    p.probe_result(2, 1, 3ms, at(600ms));
    REQUIRE(p.choose(nodes, at(1s), rng) == node_index(0));  // just old enough
    REQUIRE(p.choose(nodes, at(1s + 1ns), rng) == node_index(1));
    REQUIRE(p.pool_size() == 2);
    REQUIRE(p.choose(nodes, at(0s), rng) == node_index(1));
    p.probe_result(3, 1, 9ms, at(-5s));  // received at 1 s, whatever the clock says
    REQUIRE(p.choose(nodes, at(1700ms), rng));  // node 1's and node 2's are over: one is too few
    REQUIRE(p.counts().random == 1);
    REQUIRE(p.pool_size() == 1);
    p.probe_result(0, 1, 1ms, time_point::max());
    p.probe_result(1, 1, 2ms, time_point::min());
    REQUIRE(p.choose(nodes, at(0s), rng) == node_index(0));
}

TEST_CASE("prequal: one probe is no choice, and nodes that are not usable are never chosen", "[routing][prequal][unit]") {
    sluice::xoshiro256ss rng(5);
    std::vector<server>  nodes(8);
    prequal              p(8, keeping(1));
    p.probe_result(2, 0, 1ms, at(0s));
    std::array<int, 8> chosen{};
    for (int i = 0; i < 8000; ++i) ++chosen[p.choose(nodes, at(0s), rng).value()];
    for (int const n : chosen) REQUIRE(n == Approx(1000).margin(150));  // 5 standard deviations
    REQUIRE(p.counts().random == 8000);

    p.probe_result(3, 0, 2ms, at(0s));
    p.probe_result(4, 0, 3ms, at(0s));
    p.probe_result(99, 0, 1ns, at(0s));  // there is no such node
    nodes[2].available = false;
    nodes[3].weight = 0;
    for (int i = 0; i < 100; ++i) {
        auto const c = p.choose(nodes, at(0s), rng).value();
        REQUIRE((c != 2 && c != 3 && c < 8));
    }
    REQUIRE(p.pool_size() == 1);
    for (auto& n : nodes) n.available = false;
    REQUIRE_FALSE(p.choose(nodes, at(0s), rng));
    REQUIRE_FALSE(p.choose(std::span<server const>(), at(0s), rng));
    REQUIRE(p.probes_due(nodes, at(0s), rng).empty());
    REQUIRE(p.probes_due(std::span<server const>(), at(0s), rng).empty());
}

TEST_CASE("prequal: the oldest and the worst go in turn, never the last two", "[routing][prequal][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 8> nodes{};
    // Limit 3 (rank 6 of 8). Hot: node 7, node 6. Node 2 is the quickest and takes every pick, up to rif 3.
    prequal p(8, {.pool_size = 8, .remove_rate = 1, .hot_quantile = .75});
    for (auto const& a : {answer{0, 1, 9ms}, answer{1, 1, 2ms}, answer{2, 0, 1ms}, answer{3, 3, 8ms}, answer{4, 2, 7ms},
                          answer{5, 1, 3ms}, answer{6, 4, 4ms}, answer{7, 9, 1ns}})
        p.probe_result(a.node, a.rif, a.latency, at(0s));
    REQUIRE(p.rif_limit() == 3);
    auto const content = [&] {
        std::set<node_index> found;
        for (node_index i = 0; i < 8; ++i) {
            prequal               copy = p;
            std::array<server, 8> alone{};
            for (auto& n : alone) n.available = false;
            alone[i].available = true;
            (void)copy.choose(alone, at(0s), rng);
            if (copy.pool_size() == 1) found.insert(i);
        }
        return found;
    };
    struct {
        std::set<node_index> left;
    } const table[] = {
        {{1, 2, 3, 4, 5, 6, 7}},  // the oldest
        {{1, 2, 3, 4, 5, 6}},     // the worst: most rif of the hot
        {{2, 3, 4, 5, 6}},
        {{2, 3, 4, 5}},           // node 2 is hot now, with rif 4 as node 6; less latency is better
        {{3, 4, 5}},
        {{4, 5}},                 // all are cold: most latency
        {{4, 5}},
        {{4, 5}},
    };
    for (auto const& row : table) {
        (void)p.choose(nodes, at(0s), rng);
        REQUIRE(content() == row.left);
        REQUIRE(p.pool_size() == row.left.size());
    }
}

TEST_CASE("prequal: a new probe takes its node's place, or the oldest one's", "[routing][prequal][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 4> nodes{};
    prequal               p(4, {.pool_size = 2, .probe_rate = 0, .remove_rate = 0, .hot_quantile = 1});
    p.probe_result(0, 0, 1ms, at(0s));
    p.probe_result(1, 0, 5ms, at(0s));
    p.probe_result(0, 0, 9ms, at(0s));
    REQUIRE(p.pool_size() == 2);
    REQUIRE(p.choose(nodes, at(0s), rng) == node_index(1));
    p.probe_result(2, 0, 8ms, at(0s));  // node 1's is the oldest, though the best
    REQUIRE(p.pool_size() == 2);
    REQUIRE(p.choose(nodes, at(0s), rng) == node_index(2));
    p.probe_result(3, 0, 10ms, at(0s));  // node 0's
    REQUIRE(p.choose(nodes, at(0s), rng) == node_index(2));
}

TEST_CASE("prequal: fractional rates are exact in the long run", "[routing][prequal][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(40);
    for (double const rate : {0., .1, 1 / 3., .999, 1., 2.5, 3., 7.3}) {
        prequal     p(0, {.probe_rate = rate});
        std::size_t sum = 0;
        for (int i = 1; i <= 3000; ++i) {
            auto const due = p.probes_due(nodes, at(0s), rng);
            sum += due.size();
            REQUIRE(sum == static_cast<std::size_t>(std::floor(std::floor(rate * 1e9 + .5) * i / 1e9)));
            REQUIRE(std::set<node_index>(due.begin(), due.end()).size() == due.size());
        }
    }
}

TEST_CASE("prequal: probes go to different usable nodes, each as likely", "[routing][prequal][unit]") {
    sluice::xoshiro256ss rng(7);
    std::vector<server>  nodes(20);
    for (std::size_t i = 0; i < 20; i += 2) nodes[i].available = false;
    prequal              p(20, {.probe_rate = 3});
    std::array<int, 20>  asked{};
    for (int i = 0; i < 10'000; ++i)
        for (auto const node : p.probes_due(nodes, at(0s), rng)) ++asked[node];
    for (std::size_t i = 0; i < 20; ++i) {
        if (i % 2 == 0) REQUIRE(asked[i] == 0);
        else REQUIRE(asked[i] == Approx(3000).margin(250));  // 5 standard deviations
    }
    for (std::size_t i = 5; i < 20; ++i) nodes[i].available = false;  // two are left for three probes
    for (int i = 0; i < 100; ++i) {
        auto const due = p.probes_due(nodes, at(0s), rng);
        REQUIRE(due.size() == 2);
        REQUIRE(due[0] + due[1] == 4);  // nodes 1 and 3
    }
}

TEST_CASE("prequal: a node that fails at once does not attract work", "[routing][prequal][unit]") {
    // Ten nodes; node 3 answers after 10 µs with an error, the others work for 10 ms. Requests come every millisecond, so that
    // node 3 always looks idle and quick.
    auto const run = [](double limit) {
        sluice::xoshiro256ss rng(11);
        std::vector<server>  nodes(10);
        prequal              p(10, {.failure_limit = limit});
        std::array<std::vector<time_point>, 10> busy;  // until when
        int                                     failed = 0;
        for (int i = 0; i < 10'000; ++i) {
            time_point const now = at(i * 1ms);
            for (auto& b : busy) std::erase_if(b, [&](time_point t) { return t <= now; });
            auto const c = p.choose(nodes, now, rng).value();
            if (c == 3) ++failed;
            else busy[c].push_back(now + 10ms);
            p.outcome(c, c != 3, now);
            for (auto const node : p.probes_due(nodes, now, rng))
                p.probe_result(node, static_cast<std::uint32_t>(busy[node].size()), node == 3 ? 10us : 10ms, now);
        }
        return failed;
    };
    REQUIRE(run(1) > 4000);   // without the aversion it gets several times its share of 1000
    REQUIRE(run(.2) < 50);    // with it: two to be noticed, and one now and then to see whether it has recovered
    REQUIRE(run(.2) >= 3);
}

TEST_CASE("prequal: failures are counted, forgotten and forgiven", "[routing][prequal][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 3> nodes{};
    prequal p(3, {.remove_rate = 0, .hot_quantile = 1, .failure_limit = .2, .failure_weight = .125, .failure_memory = 10s});
    p.outcome(0, false, at(0s));  // .125
    REQUIRE_FALSE(p.shunned(0, at(0s)));
    p.outcome(0, false, at(0s));  // .234375
    auto const fades = duration(static_cast<std::int64_t>(10e9 * std::log(.234375 / .2)));
    REQUIRE(p.shunned(0, at(0s)));
    REQUIRE(p.shunned(0, at(fades - 1us)));
    REQUIRE_FALSE(p.shunned(0, at(fades + 1us)));
    p.probe_result(0, 0, 1ns, at(0s));  // does not enter
    REQUIRE(p.pool_size() == 0);
    REQUIRE(p.rif_limit() == UINT32_MAX);
    p.probe_result(1, 0, 1ms, at(0s));
    p.probe_result(2, 0, 2ms, at(0s));
    p.outcome(1, false, at(0s));
    REQUIRE(p.pool_size() == 2);
    p.outcome(1, false, at(0s));  // leaves the pool
    REQUIRE(p.pool_size() == 1);
    for (int i = 0; i < 200; ++i) {  // random, but not to 0 or 1, but for (2/3)^9 of the draws
        auto const c = p.choose(nodes, at(0s), rng).value();
        if (c != 2) REQUIRE(p.shunned(c, at(0s)));
    }
    p.outcome(1, true, at(0s));  // .205
    REQUIRE(p.shunned(1, at(0s)));
    p.outcome(1, true, at(0s));  // .179
    REQUIRE_FALSE(p.shunned(1, at(0s)));
    p.forget(0);
    REQUIRE_FALSE(p.shunned(0, at(0s)));
    p.probe_result(0, 0, 1ms, at(0s));
    REQUIRE(p.pool_size() == 2);
    p.forget(0);
    REQUIRE(p.pool_size() == 1);
    p.outcome(77, false, at(0s));  // not counted
    REQUIRE_FALSE(p.shunned(77, at(0s)));
    for (node_index i = 0; i < 3; ++i)
        for (int n = 0; n < 100; ++n) p.outcome(i, false, at(1s));
    for (int n = 0; n < 100; ++n) REQUIRE(p.choose(nodes, at(1s), rng));  // all of them fail: any is as good
    p.outcome(0, false, time_point::max());
    p.outcome(0, false, time_point::min());
    REQUIRE(p.probes_due(nodes, at(0s), rng).size() == 3);
}

TEST_CASE("prequal: equals a pool written as a list", "[routing][prequal][property]") {
    struct entry {
        node_index                  node;
        std::uint32_t               rif;
        std::optional<std::int64_t> latency;
        std::int64_t                at;
    };
    for (std::uint64_t round = 0; round < 40; ++round) {
        sluice::xoshiro256ss rng(test::seed() + round);
        auto const below = [&](std::uint64_t n) { return static_cast<std::size_t>(sluice::uniform_below(rng, n)); };
        std::size_t const    pool_size = 2 + below(6), history_size = 1 + below(20), n = 2 + below(5);
        double const         quantile = static_cast<double>(below(5)) / 4;
        std::uint64_t const  remove = below(3);
        // Fewer nodes than places: no reuse limit (tested above).
        prequal p(n, {.pool_size = static_cast<std::uint32_t>(std::max(pool_size, n)), .remove_rate = static_cast<double>(remove) / 2,
                      .hot_quantile = quantile, .rif_history = static_cast<std::uint32_t>(history_size)});
        std::vector<entry>         pool;  // oldest first
        std::vector<std::uint32_t> history;
        std::vector<server>        nodes(n);
        std::int64_t               now = 0;
        std::uint64_t              removals = 0, owed = 0;
        auto const limit = [&]() -> std::uint32_t {
            if (quantile == 0) return 0;
            if (quantile == 1) return UINT32_MAX;
            auto sorted = history;
            std::sort(sorted.begin(), sorted.end());
            if (sorted.empty()) return 0;
            for (std::size_t k = 1;; ++k)
                if (static_cast<double>(k) >= quantile * static_cast<double>(sorted.size())) return sorted[k - 1];
        };
        auto const key = [&](entry const& e) {  // less is better
            double const latency = e.latency ? static_cast<double>(*e.latency) : e.rif == 0 ? -1 : 1e300;
            bool const   cold = e.rif <= limit();
            return std::array<double, 4>{cold ? 0. : 1., cold ? latency : e.rif, cold ? e.rif : latency,
                                         -static_cast<double>(&e - pool.data())};
        };
        auto const by_key = [&](entry const& a, entry const& b) { return key(a) < key(b); };
        for (int step = 0; step < 400; ++step) {
            now += static_cast<std::int64_t>(below(3) * 60'000'000);
            if (below(10) == 0) nodes[below(n)].available = below(2) == 0;
            if (below(2) == 0) {
                entry e{static_cast<node_index>(below(n)), static_cast<std::uint32_t>(below(6)), {}, now};
                if (below(4) != 0) e.latency = static_cast<std::int64_t>(below(5));
                p.probe_result(e.node, e.rif, e.latency ? std::optional(duration(*e.latency)) : std::nullopt, at(duration(now)));
                std::erase_if(pool, [&](entry const& o) { return o.node == e.node; });
                pool.push_back(e);
                history.push_back(e.rif);
                if (history.size() > history_size) history.erase(history.begin());
                REQUIRE(p.rif_limit() == limit());
                continue;
            }
            std::erase_if(pool, [&](entry const& e) { return now - e.at > 1'000'000'000 || !nodes[e.node].available; });
            auto const c = p.choose(nodes, at(duration(now)), rng);
            if (pool.size() >= 2) {
                auto const best = std::min_element(pool.begin(), pool.end(), by_key);
                REQUIRE(c == best->node);
                ++best->rif;
            } else {
                REQUIRE(c.has_value() == (sluice::count_usable(nodes) > 0));
                if (!c) {
                    REQUIRE(p.pool_size() == pool.size());
                    continue;
                }
                if (!pool.empty() && pool[0].node == *c) ++pool[0].rif;
            }
            for (owed += remove; owed >= 2; owed -= 2)
                if (pool.size() > 2) {
                    if (removals++ % 2 == 0) pool.erase(pool.begin());
                    else pool.erase(std::max_element(pool.begin(), pool.end(), by_key));
                }
            REQUIRE(p.pool_size() == pool.size());
        }
    }
}

TEST_CASE("prequal: nothing is allocated after the construction", "[routing][prequal][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(100);
    prequal              p(100);
    auto const           before = test::allocations::total();
    for (int i = 0; i < 5000; ++i) {
        auto const now = at(i * 1ms);
        auto const c = p.choose(nodes, now, rng);
        p.outcome(*c, i % 7 != 0, now);
        for (auto const node : p.probes_due(nodes, now, rng))
            p.probe_result(node, static_cast<std::uint32_t>(i % 13), duration(i), now);
    }
    REQUIRE(test::allocations::total() == before);
    REQUIRE(p.counts().cold + p.counts().hot + p.counts().random == 5000);
    REQUIRE(p.counts().cold > 1000);
}

TEST_CASE("prequal: impossible options are refused", "[routing][prequal][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_AS(prequal(1, {.pool_size = 1}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal(1, {.pool_size = 1025}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal(1, {.probe_age = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal(1, {.rif_history = 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(prequal(1, {.failure_memory = 0s}), std::invalid_argument);
    for (double const bad : {-.1, nan, 1e7}) {
        REQUIRE_THROWS_AS(prequal(1, {.probe_rate = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(prequal(1, {.remove_rate = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(prequal(1, {.reuse_slack = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(prequal(1, {.hot_quantile = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(prequal(1, {.failure_limit = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(prequal(1, {.failure_weight = bad}), std::invalid_argument);
    }
    REQUIRE_NOTHROW(prequal(0));
}
