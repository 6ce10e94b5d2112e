// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::placement_laws — what every placement promises, whatever its algorithm: one suite, run on each type by its own test.
///
/// Nodes come through add(name) or, where the algorithm numbers them itself, through add(); both are told apart here.

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>
#include <sluice/routing/placement.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

using sluice::hashed_key;
using sluice::node_index;

struct law_options {
    bool   only_last = false;        ///< buckets go in the reverse order of their coming (jump)
    bool   order_is_state = false;   ///< indices and owners depend on the sequence of changes (anchor, memento)
    bool   undoes = true;            ///< with state in the order: each add gives back what was removed last (not dx)
    double share_deviation = 0;      ///< relative standard deviation of a node's share, besides that of the sample
    double moved_between_old = 0;    ///< most keys that may move between old nodes, as a share of all (maglev)
    int    nodes = 20;
    std::size_t keys = 4000;
};

inline std::string node_name(int i) { return "node-" + std::to_string(i); }

/// The index of the new node.
template <class P>
node_index add_node(P& p, int i) {
    if constexpr (requires { p.add(); }) {
        return p.add();
    } else {
        p.add(node_name(i));
        for (node_index k = 0; k < p.index_bound(); ++k)
            if (p.contains_index(k) && p.node(k) == node_name(i)) return k;
        FAIL("the added node has no index");
        return 0;
    }
}
template <class P>
void remove_node(P& p, node_index i) {
    if constexpr (std::same_as<typename P::node_type, node_index>) p.remove(i);
    else p.remove(typename P::node_type(p.node(i)));
}

template <class P>
std::vector<std::optional<node_index>> owners(P const& p, std::vector<std::uint64_t> const& keys) {
    std::vector<std::optional<node_index>> result;
    result.reserve(keys.size());
    for (auto const key : keys) result.push_back(p.locate(hashed_key(key)));
    return result;
}

template <class P>
std::size_t count_indices(P const& p) {
    std::size_t n = 0;
    for (node_index i = 0; i < p.index_bound(); ++i) n += p.contains_index(i) ? 1u : 0u;
    return n;
}

/// Pearson's statistic of the owners' counts against equal shares.
template <class P>
double chi_square(P const& p, std::vector<std::uint64_t> const& keys) {
    std::vector<std::size_t> count(p.index_bound());
    for (auto const key : keys) ++count[*p.locate(hashed_key(key))];
    double const expected = static_cast<double>(keys.size()) / static_cast<double>(p.size());
    double       sum = 0;
    for (node_index i = 0; i < p.index_bound(); ++i) {
        if (!p.contains_index(i)) REQUIRE(count[i] == 0);
        else sum += std::pow(static_cast<double>(count[i]) - expected, 2) / expected;
    }
    return sum;
}
/// 5 standard deviations above the mean of chi-square with n - 1 degrees of freedom.
inline double chi_square_limit(std::size_t n) {
    double const dof = static_cast<double>(n - 1);
    return dof + 5 * std::sqrt(2 * dof);
}

/// Most nodes' largest share over the mean.
template <class P>
double peak_to_mean(P const& p, std::vector<std::uint64_t> const& keys) {
    std::vector<std::size_t> count(p.index_bound());
    std::size_t              most = 0;
    for (auto const key : keys) most = std::max(most, ++count[*p.locate(hashed_key(key))]);
    return static_cast<double>(most) * static_cast<double>(p.size()) / static_cast<double>(keys.size());
}

namespace laws {

template <class Make>
void emptiness(Make make, law_options options) {
    auto p = make();
    for (int round = 0; round < 2; ++round) {
        REQUIRE(p.size() == 0);
        REQUIRE(count_indices(p) == 0);
        REQUIRE_FALSE(p.contains_index(0));
        REQUIRE_FALSE(p.contains_index(UINT32_MAX));
        REQUIRE_FALSE(p.locate(hashed_key(42)).has_value());
        REQUIRE_FALSE(p.pick(hashed_key(42)).has_value());
        std::vector<node_index> in;
        for (int i = 0; i < 3; ++i) in.push_back(add_node(p, i));
        REQUIRE(p.size() == 3);
        if (options.only_last) std::swap(in[0], in[2]);
        for (std::size_t i = 0; i < 3; ++i) {
            REQUIRE(p.locate(hashed_key(42)).has_value());
            remove_node(p, in[i]);
        }
    }
}

/// Keys move only to a node that comes and from one that goes, and about as many as its share. Indices stay.
template <class Make>
void minimal_moves(Make make, law_options options) {
    auto                      p = make();
    auto const                ks = keys(options.keys, seed());
    sluice::xoshiro256ss      rng(7);
    std::map<node_index, int> members;
    int                       next = 0;
    auto                      before = owners(p, ks);
    auto const check = [&](node_index changed, bool came) {
        auto const  after = owners(p, ks);
        std::size_t moved = 0, between = 0;
        for (std::size_t i = 0; i < ks.size(); ++i) {
            if (before[i] != after[i]) {
                ++moved;
                bool const honest = came ? after[i] == changed : before[i] == changed;
                between += honest ? 0u : 1u;
            } else {
                REQUIRE((came || after[i] != changed));
            }
            if (after[i]) {
                REQUIRE(p.contains_index(*after[i]));
                REQUIRE(members.count(*after[i]) == 1);
            }
        }
        double const n = static_cast<double>(came ? p.size() : p.size() + 1), keys_n = static_cast<double>(ks.size());
        REQUIRE(static_cast<double>(between) <= options.moved_between_old * keys_n);
        double const share = 1 / n;
        double const sampled = std::sqrt(keys_n * share * (1 - share)), own = options.share_deviation * share * keys_n;
        double const necessary = static_cast<double>(moved - between) - keys_n * share;
        REQUIRE(std::abs(necessary) <= 5 * std::sqrt(sampled * sampled + own * own));
        before = after;
        REQUIRE(p.size() == members.size());
        REQUIRE(count_indices(p) == members.size());
        for (auto const& [index, name] : members) {
            REQUIRE(p.contains_index(index));
            if constexpr (std::same_as<typename std::decay_t<decltype(p)>::node_type, node_index>) REQUIRE(p.node(index) == index);
            else REQUIRE(p.node(index) == node_name(name));
        }
    };
    auto const come = [&] {
        auto const index = add_node(p, next);
        REQUIRE(members.emplace(index, next).second);  // nobody else's index
        ++next;
        check(index, true);
    };
    auto const go = [&] {
        auto victim = options.only_last ? std::prev(members.end())
                                        : std::next(members.begin(), static_cast<std::ptrdiff_t>(
                                                                         sluice::uniform_below(rng, members.size())));
        auto const index = victim->first;
        members.erase(victim);
        remove_node(p, index);
        check(index, false);
    };
    while (static_cast<int>(members.size()) < options.nodes) come();
    for (int i = 0; i < options.nodes; ++i) {
        if (members.size() < 2 || sluice::uniform_below(rng, 5) < 2) come();
        else go();
    }
    while (!members.empty()) go();
    come();
}

/// The same members have the same keys, in whatever order they came. With state in the order: what is undone in reverse
/// leaves no trace.
template <class Make>
void same_members_same_owners(Make make, law_options options) {
    auto const ks = keys(options.keys / 4, seed() + 1);
    auto       p = make();
    if (options.order_is_state || options.only_last) {
        if (!options.undoes) return;
        std::vector<std::vector<std::optional<node_index>>> history;
        std::vector<node_index>                             gone;
        for (int i = 0; i < options.nodes; ++i) add_node(p, i);
        for (int i = 0; i < options.nodes; ++i) {
            history.push_back(owners(p, ks));
            auto victim = static_cast<node_index>(options.nodes - 1 - i);
            if (!options.only_last)
                for (victim = static_cast<node_index>((i * 7) % options.nodes); !p.contains_index(victim);)
                    victim = (victim + 1) % static_cast<node_index>(options.nodes);
            gone.push_back(victim);
            remove_node(p, victim);
        }
        for (int i = options.nodes; i-- > 0;) {
            REQUIRE(add_node(p, i) == gone.back());
            gone.pop_back();
            REQUIRE(owners(p, ks) == history.back());
            history.pop_back();
        }
    } else {
        auto q = make();
        auto same = [&] {
            for (auto const key : ks) REQUIRE(p.pick(hashed_key(key)) == q.pick(hashed_key(key)));
        };
        for (int i = 0; i < options.nodes; ++i) add_node(p, i);
        for (int i = options.nodes; i-- > 0;) add_node(q, i);
        same();
        std::vector<std::pair<int, typename std::decay_t<decltype(p)>::node_type>> gone;
        for (int i = 0; i < options.nodes; i += 3) {
            for (auto* x : {&p, &q}) {
                if constexpr (std::same_as<typename std::decay_t<decltype(p)>::node_type, node_index>)
                    x->remove(static_cast<node_index>(i));
                else x->remove(node_name(i));
            }
        }
        same();
        for (int i = 0; i < options.nodes; i += 3) add_node(p, i);
        auto const fresh = [&] {
            auto r = make();
            for (int i = 0; i < options.nodes; ++i) add_node(r, i);
            return r;
        }();
        for (auto const key : ks) REQUIRE(p.pick(hashed_key(key)) == fresh.pick(hashed_key(key)));
    }
}

/// A copy answers alike and is its own.
template <class Make>
void values(Make make, law_options options) {
    auto const ks = keys(200, seed() + 2);
    auto       p = make();
    for (int i = 0; i < options.nodes; ++i) add_node(p, i);
    auto       copy = p;
    auto const before = owners(p, ks);
    REQUIRE(owners(copy, ks) == before);
    remove_node(copy, static_cast<node_index>(options.nodes - 1));
    REQUIRE(owners(p, ks) == before);
    REQUIRE(copy.size() + 1 == p.size());
    copy = p;
    REQUIRE(owners(copy, ks) == before);
    for (auto const key : ks) {
        auto const i = p.locate(hashed_key(key));
        REQUIRE(p.pick(hashed_key(key)) == std::optional<typename std::decay_t<decltype(p)>::node_type>(p.node(*i)));
    }
    REQUIRE(p.pick(std::uint64_t{5}).has_value());
    REQUIRE(p.pick(std::uint64_t{5}) == p.pick(5));  // an integer is a key of any width
}

/// The keys of equal nodes are spread as by independent draws (the placements with exactly equal shares).
template <class Make>
void balance(Make make, law_options options) {
    for (int const n : {2, 3, options.nodes, 2 * options.nodes}) {
        auto p = make();
        for (int i = 0; i < n; ++i) add_node(p, i);
        REQUIRE(chi_square(p, keys(50'000, seed() + 3)) < chi_square_limit(p.size()));
    }
}

/// Look-ups do not allocate; a change that finds no memory changes nothing.
template <class Make>
void scarcity(Make make, law_options options) {
    auto const ks = keys(100, seed() + 4);
    auto       p = make();
    for (int i = 0; i < options.nodes; ++i) add_node(p, i);
    {
        scarce_memory const none(0);
        for (auto const key : ks) static_cast<void>(p.locate(hashed_key(key)));
        REQUIRE_FALSE(none.failed());
    }
    auto const unchanged = [&](auto const& q, auto const& before) {
        REQUIRE(owners(q, ks) == before);
        REQUIRE(q.size() == p.size());
        REQUIRE(count_indices(q) == p.size());
    };
    auto const before = owners(p, ks);
    for (std::uint64_t n = 0;; ++n) {
        auto q = p;
        bool failed = false;
        try {
            scarce_memory const scarce(n);
            if constexpr (requires { q.add(); }) q.add();
            else q.add(node_name(1'000'000'000));
            failed = scarce.failed();
        } catch (std::bad_alloc const&) {
            failed = true;
            unchanged(q, before);
        }
        if (!failed) {
            REQUIRE(q.size() == p.size() + 1);
            break;
        }
    }
    for (std::uint64_t n = 0;; ++n) {
        auto q = p;
        bool failed = false;
        auto const victim = static_cast<node_index>(options.only_last ? options.nodes - 1 : options.nodes / 2);
        typename decltype(q)::node_type const node = q.node(victim);
        try {
            scarce_memory const scarce(n);
            q.remove(node);
            failed = scarce.failed();
        } catch (std::bad_alloc const&) {
            failed = true;
            unchanged(q, before);
        }
        if (!failed) {
            REQUIRE(q.size() + 1 == p.size());
            break;
        }
    }
}

}  // namespace laws

/// make() gives a placement without nodes, with room for 2 * options.nodes.
template <class Make>
void placement_laws(Make make, law_options options = {}) {
    static_assert(sluice::placement<std::decay_t<decltype(make())>>);
    SECTION("no node, no answer") { laws::emptiness(make, options); }
    SECTION("keys move only to what comes and from what goes") { laws::minimal_moves(make, options); }
    SECTION("the same members have the same keys") { laws::same_members_same_owners(make, options); }
    SECTION("copies are values") { laws::values(make, options); }
    SECTION("no memory for look-ups, no half change without it") { laws::scarcity(make, options); }
    if (options.share_deviation == 0) {
        SECTION("shares are equal") { laws::balance(make, options); }
    }
}

}  // namespace test
