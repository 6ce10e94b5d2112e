// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/edf.hpp>

#include "routing/balancer_laws.hpp"

#include <algorithm>
#include <set>
#include <string>

using sluice::edf;
using sluice::edf_ties;
using sluice::node_index;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<edf, std::vector<server>>);
static_assert(sluice::balancer<edf, test::masked_list>);

namespace {

std::vector<server> weighing(std::vector<std::uint32_t> const& weights) {
    std::vector<server> nodes;
    for (auto const w : weights) nodes.push_back({.weight = w});
    return nodes;
}
std::string turns(edf& b, std::vector<server> const& nodes, int n) {
    sluice::xoshiro256ss rng(1);
    std::string          s;
    for (int i = 0; i < n; ++i) s += static_cast<char>('a' + b.choose(nodes, time_point{}, rng).value());
    return s;
}

/// Whether one sequence lies within the other, in linear time (Knuth, Morris, Pratt): periods of like weights repeat themselves.
bool lies_in(std::vector<node_index> const& part, std::vector<node_index> const& whole) {
    std::vector<std::size_t> back(part.size());
    auto const               next = [&](std::size_t k, node_index i) {
        while (k > 0 && part[k] != i) k = back[k - 1];
        return part[k] == i ? k + 1 : k;
    };
    for (std::size_t k = 1; k < part.size(); ++k) back[k] = next(back[k - 1], part[k]);
    std::size_t matched = 0;
    for (auto const i : whole)
        if ((matched = next(matched, i)) == part.size()) return true;
    return false;
}

}  // namespace

TEST_CASE("edf: keeps the laws of balancers", "[routing][edf][law]") {
    for (auto const ties : {edf_ties::re_added, edf_ties::first_index})
        test::balancer_laws([=](auto const& nodes) { return std::make_unique<edf>(sluice::edf_options{ties, nodes.size()}); },
                            test::shares::by_weight);
    test::balancer_laws([](auto const& nodes) { return std::make_unique<edf>(sluice::edf_options{.nodes = nodes.size(), .start = 9}); },
                        test::shares::by_weight);
}

TEST_CASE("edf: the known sequences in exact arithmetic, period after period", "[routing][edf][unit]") {
    struct row {
        std::vector<std::uint32_t> weights;
        std::string                re_added, first_index;
    };
    for (auto const& [weights, re_added, first_index] :
         {row{{5, 1, 1}, "aaaabca", "aaaaabc"}, row{{3, 2, 1}, "abacba", "abaabc"}, row{{1, 2, 3}, "cbcabc", "cbcabc"},
          row{{11, 3}, "aaabaaaabaaaba", "aaabaaaabaaaab"}, row{{1, 1}, "ab", "ab"}, row{{2, 2, 2}, "abcabc", "abcabc"}}) {
        edf one, other({.ties = edf_ties::first_index});
        for (int p = 0; p < 3; ++p) {
            REQUIRE(turns(one, weighing(weights), static_cast<int>(re_added.size())) == re_added);
            REQUIRE(turns(other, weighing(weights), static_cast<int>(first_index.size())) == first_index);
        }
    }
}

TEST_CASE("edf: any period gives each node its weight, in the order of exact deadlines", "[routing][edf][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 30; ++round) {
        std::vector<server> nodes(1 + static_cast<std::size_t>(rng() % 15));
        std::uint64_t       sum = 0;
        for (auto& s : nodes) sum += s.weight = static_cast<std::uint32_t>(1 + rng() % 60);
        auto const ties = round % 2 == 0 ? edf_ties::re_added : edf_ties::first_index;
        edf        b({.ties = ties});
        // The model: all deadlines of one period, sorted.
        struct turn {
            std::uint64_t part, weight;
            node_index    index;
        };
        std::vector<turn> model;
        for (node_index i = 0; i < nodes.size(); ++i)
            for (std::uint64_t k = 1; k <= nodes[i].weight; ++k) model.push_back({k, nodes[i].weight, i});
        std::sort(model.begin(), model.end(), [&](turn const& x, turn const& y) {
            if (x.part * y.weight != y.part * x.weight) return x.part * y.weight < y.part * x.weight;
            if (ties == edf_ties::re_added && x.weight != y.weight) return x.weight < y.weight;
            return x.index < y.index;
        });
        for (int period = 0; period < 3; ++period)
            for (auto const& t : model) REQUIRE(b.choose(nodes, time_point{}, rng) == t.index);
        // From the middle of a period on, too.
        for (std::uint64_t skip = 0; skip < sum / 2; ++skip) (void)b.choose(nodes, time_point{}, rng);
        auto const chosen = test::tally(b, nodes, static_cast<std::size_t>(sum), rng);
        for (std::size_t i = 0; i < nodes.size(); ++i) REQUIRE(chosen[i] == nodes[i].weight);
    }
}

TEST_CASE("edf: deadlines that differ in the 60th bit are told apart", "[routing][edf][unit]") {
    // 1 / w of neighbouring weights: equal in their first 32 bits.
    edf                  b({.ties = edf_ties::first_index});
    auto const           nodes = weighing({UINT32_MAX - 1, UINT32_MAX, UINT32_MAX - 2});
    REQUIRE(turns(b, nodes, 9) == "bacbacbac");
}

TEST_CASE("edf: many clients with a start of their own do not walk in step", "[routing][edf][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    auto                 nodes = weighing({1, 1, 1, 1, 4});
    std::vector<int>     first(5);
    std::set<std::string> orders;
    for (int client = 0; client < 2000; ++client) {
        edf        b({.start = rng()});
        auto const period = turns(b, nodes, 8);
        ++first[static_cast<std::size_t>(period[0] - 'a')];
        orders.insert(period);
        for (char c = 'a'; c < 'f'; ++c) REQUIRE(std::count(period.begin(), period.end(), c) == (c == 'e' ? 4 : 1));
        REQUIRE(turns(b, nodes, 8) == period);
    }
    REQUIRE(orders.size() > 24);
    nodes[4].weight = 1;
    std::vector<int> equal(5);
    for (int client = 0; client < 2000; ++client) {
        edf b({.start = rng()});
        ++equal[static_cast<std::size_t>(turns(b, nodes, 1)[0] - 'a')];
    }
    for (auto const e : equal) REQUIRE(e == Approx(400).margin(80));  // 4.5 standard deviations
}

TEST_CASE("edf: weights that change and nodes that come and go give neither burst nor gap", "[routing][edf][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    edf                  b;
    auto                 nodes = weighing({10, 10, 10, 1});
    (void)turns(b, nodes, 40);
    nodes[3].weight = 10;  // seen within four calls, its turn within one tenth of a period
    auto const now_equal = turns(b, nodes, 16);
    REQUIRE(std::count(now_equal.begin(), now_equal.end(), 'd') >= 2);
    REQUIRE(now_equal.find("dd") == std::string::npos);
    nodes[0].weight = 1;  // ten times lighter: within one period
    auto const lighter = turns(b, nodes, 62);
    REQUIRE(std::count(lighter.begin(), lighter.end(), 'a') == Approx(2).margin(1));
    // Coming and going gains nothing: the node that is there half of the time has at most its full share.
    nodes = weighing({4, 4, 4, 4});
    std::vector<int> chosen(4);
    for (int t = 0; t < 4000; ++t) {
        auto const i = b.choose(nodes, time_point{}, rng).value();
        ++chosen[i];
        nodes[2].available = rng() % 2 != 0;
    }
    REQUIRE(chosen[2] <= 1002);
    REQUIRE(chosen[2] > 400);
    REQUIRE(chosen[0] == Approx(chosen[1]).margin(4));
    // The list shrinks and grows.
    nodes.resize(2);
    auto const two = turns(b, nodes, 8);
    REQUIRE(std::count(two.begin(), two.end(), 'a') == 4);
    nodes.resize(5, {.weight = 4});
    auto const five = turns(b, nodes, 40);
    for (char c = 'a'; c < 'f'; ++c) REQUIRE(std::count(five.begin(), five.end(), c) == Approx(8).margin(1));
    // A thousand that are out do not delay the one that is not.
    nodes.assign(1001, {.weight = 1000, .available = false});
    nodes[1000] = {.weight = 1};
    for (int i = 0; i < 5; ++i) REQUIRE(b.choose(nodes, time_point{}, rng) == 1000u);
}

TEST_CASE("edf: those who come back after all were away are seen at once", "[routing][edf][unit]") {
    for (auto const ties : {edf_ties::re_added, edf_ties::first_index}) {
        auto                 nodes = weighing({3, 1, 2, 1, 3, 2});
        edf                  b({.ties = ties});
        sluice::xoshiro256ss rng(1);
        for (int n = 0; n < 5; ++n) REQUIRE(b.choose(nodes, time_point{}, rng));
        for (int round = 0; round < 3; ++round) {
            for (auto& n : nodes) n.available = false;
            for (int n = 0; n < 4; ++n) REQUIRE_FALSE(b.choose(nodes, time_point{}, rng));
            for (auto& n : nodes) n.available = true;
            auto period = turns(b, nodes, 12);
            std::sort(period.begin(), period.end());
            REQUIRE(period == "aaabccdeeeff");
        }
    }
}

TEST_CASE("edf: after any disturbance a period is again in the order of exact deadlines", "[routing][edf][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 24; ++round) {
        bool const               large = round == 5;  // once with weights that 32 bits of a fraction cannot tell apart
        auto const               ties = round % 2 == 0 ? edf_ties::re_added : edf_ties::first_index;
        edf                      b({.ties = ties});
        std::vector<server>      nodes;
        auto const               weight = [&] { return static_cast<std::uint32_t>(large ? 65'530 + rng() % 12 : 1 + rng() % 20); };
        for (int step = 0; step < 300; ++step) {
            if (step % 20 == 0) nodes.resize(1 + static_cast<std::size_t>(rng() % (large ? 3 : 12)), {.weight = weight()});
            auto& one = nodes[static_cast<std::size_t>(rng() % nodes.size())];
            if (rng() % 4 == 0) one.available = !one.available;
            if (rng() % 4 == 0) one.weight = rng() % 8 == 0 ? 0 : weight();
            auto const c = b.choose(nodes, time_point{}, rng);
            REQUIRE(c.has_value() == (sluice::count_usable(nodes) > 0));
            if (c) REQUIRE(sluice::node_usable(nodes[*c]));
        }
        if (sluice::count_usable(nodes) == 0) nodes[0] = {.weight = 1};
        struct turn {
            std::uint64_t part, weight;
            node_index    index;
        };
        std::vector<turn> model;
        for (node_index i = 0; i < nodes.size(); ++i)
            for (std::uint64_t k = 1; nodes[i].available && k <= nodes[i].weight; ++k) model.push_back({k, nodes[i].weight, i});
        std::sort(model.begin(), model.end(), [&](turn const& x, turn const& y) {
            if (x.part * y.weight != y.part * x.weight) return x.part * y.weight < y.part * x.weight;
            if (ties == edf_ties::re_added && x.weight != y.weight) return x.weight < y.weight;
            return x.index < y.index;
        });
        std::vector<node_index> period, seen;
        for (auto const& t : model) period.push_back(t.index);
        // Time enough for every node to be looked at, and for the next period to begin.
        for (std::size_t k = 0; k < period.size() + 2 * nodes.size(); ++k) (void)b.choose(nodes, time_point{}, rng);
        for (std::size_t k = 0; k < 2 * period.size(); ++k) seen.push_back(b.choose(nodes, time_point{}, rng).value());
        REQUIRE(lies_in(period, seen));
    }
}
