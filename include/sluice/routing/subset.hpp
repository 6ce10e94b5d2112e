// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// subset, deterministic_subset, random_subset, rendezvous_subset, aperture — each client speaks to a few of the nodes only.
///
/// Use it for     many clients and many nodes, where connections of all to all cost too much: inside of panic_threshold
/// Not for        few nodes, or clients so few that chance would load the nodes unevenly
/// Thread-safety  choose: that of the inner balancer; assign never during choose. The functions: of their arguments
/// Complexity     deterministic O(n), random O(n log n), rendezvous O(n log n + sum of weights), aperture O(n). choose: the inner
///                balancer's, without allocation; the functions and assign allocate, once per change of the members
/// Errors         std::invalid_argument names the argument; std::bad_alloc
/// Units          positions in the list; an aperture's shares in parts of clients · nodes
/// Source         Beyer et al., Site Reliability Engineering, chapter 20; gRPC A68; Finagle (deterministic aperture)
/// Differs        own shuffle, the same on every machine; the aperture in whole numbers: all nodes get exactly equal shares
///
///                  even over clients        one node more or less
///     deterministic  exactly, in each round  changes most of each subset
///     random         by chance: about 1 ± 1 / sqrt(clients · k / n)  changes one entry of a subset, at most
///     rendezvous     as random, in proportion to weights             the same; a changed weight moves that node only
///     aperture       exactly, by shares      moves all edges a little, and the nodes' order must be agreed upon

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

namespace detail {

struct ranked_node {
    std::uint64_t hash;
    std::size_t   position;
};

/// The positions of the k least hashes. Equal ones: the lesser name.
template <class Name>
[[nodiscard]] std::vector<node_index> first_by_hash(std::vector<ranked_node> ranks, std::span<Name const> names, std::size_t k) {
    std::sort(ranks.begin(), ranks.end(), [&](ranked_node const& a, ranked_node const& b) {
        if (a.hash != b.hash) return a.hash < b.hash;
        if (names[a.position] != names[b.position]) return names[a.position] < names[b.position];
        return a.position < b.position;
    });
    std::vector<node_index> chosen;
    chosen.reserve(std::min(k, ranks.size()));
    for (std::size_t i = 0; i < k && i < ranks.size(); ++i) chosen.push_back(static_cast<node_index>(ranks[i].position));
    return chosen;
}

}  // namespace detail

/// The SRE book's: clients with numbers 0, 1, … in rounds of n / k; each round shuffles the nodes by its number and deals them
/// out, k to a client. What n / k leaves over has no client in that round. All nodes, if k >= n. k > 0.
[[nodiscard]] inline std::vector<node_index> deterministic_subset(std::size_t n, std::size_t k, std::uint64_t client,
                                                                  std::uint64_t seed = 0) {
    detail::require_option(k > 0, "deterministic_subset: k (> 0)", k);
    detail::require_option(n <= std::numeric_limits<node_index>::max(), "deterministic_subset: n (< 2^32)", n);
    std::vector<node_index> nodes(n);
    for (std::size_t i = 0; i < n; ++i) nodes[i] = static_cast<node_index>(i);
    if (k >= n) return nodes;
    std::uint64_t const subsets = n / k;
    xoshiro256ss        random(mix64(seed) + client / subsets);
    for (std::size_t i = n; i > 1; --i) std::swap(nodes[i - 1], nodes[static_cast<std::size_t>(uniform_below(random, i))]);
    auto const begin = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(client % subsets) * k);
    return {nodes.begin() + begin, nodes.begin() + begin + static_cast<std::ptrdiff_t>(k)};
}

/// gRPC A68: the k names with the least XXH64 by the client's seed, in this order. All, if k >= their number. Names must differ.
template <class Name>
    requires hasher<xxhash64, Name>
[[nodiscard]] std::vector<node_index> random_subset(std::span<Name const> names, std::size_t k, std::uint64_t client_seed) {
    detail::require_option(k > 0, "random_subset: k (> 0)", k);
    xxhash64 const                   hash(client_seed);
    std::vector<detail::ranked_node> ranks;
    ranks.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) ranks.push_back({hash(names[i]), i});
    return detail::first_by_hash(std::move(ranks), names, k);
}

/// The k names that the client prefers, a node of weight w as often as w nodes of weight 1 (its hash is the least of w); weight 0
/// is never in. weights: as many as names, at most 10^6 each. The first of k is the one of a subset of k - 1, and so on.
template <class Name, class Hash = xxh3>
    requires hasher<Hash, Name>
[[nodiscard]] std::vector<node_index> rendezvous_subset(std::span<Name const> names, std::span<std::uint32_t const> weights,
                                                        std::size_t k, std::uint64_t client, Hash const& hash = {}) {
    detail::require_option(k > 0, "rendezvous_subset: k (> 0)", k);
    detail::require_option(weights.size() == names.size(), "rendezvous_subset: weights (one for each name)", weights.size());
    std::vector<detail::ranked_node> ranks;
    ranks.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        detail::require_option(weights[i] <= 1'000'000, "rendezvous_subset: weight (<= 10^6)", weights[i]);
        if (weights[i] == 0) continue;
        splitmix64 draws(hash(names[i]) ^ mix64(client + 0x9E3779B97F4A7C15u));
        auto       least = std::numeric_limits<std::uint64_t>::max();
        for (std::uint32_t w = 0; w < weights[i]; ++w) least = std::min(least, draws());
        ranks.push_back({least, i});
    }
    return detail::first_by_hash(std::move(ranks), names, k);
}

/// A deterministic aperture: nodes and clients lie evenly on a ring of clients · nodes parts; client number c sees from its own
/// beginning as far as `width` nodes, rounded up to whole clients' steps, so that each point is seen by equally many clients. The
/// shares are the parts that it sees of each node: weights that, summed over all clients, are the same for every node.
/// client < clients, 1 <= width; clients · nodes < 2^32. All nodes equally, if width >= nodes.
[[nodiscard]] inline std::vector<std::uint32_t> aperture(std::size_t nodes, std::uint64_t client, std::uint64_t clients,
                                                         std::uint64_t width = 12) {
    detail::require_option(clients > 0, "aperture: clients (> 0)", clients);
    detail::require_option(client < clients, "aperture: client (< clients)", client);
    detail::require_option(width > 0, "aperture: width (> 0)", width);
    std::uint64_t const n = nodes;
    detail::require_option(n == 0 || clients <= std::numeric_limits<std::uint32_t>::max() / n,
                           "aperture: clients (clients · nodes < 2^32)", clients);
    std::vector<std::uint32_t> shares(nodes);
    if (n == 0) return shares;
    std::uint64_t const w = std::min(width, n);
    std::uint64_t const steps = (w * clients + n - 1) / n;  // of a client's part of the ring; w and clients are below 2^32
    std::uint64_t const begin = client * n, end = begin + steps * n, round = clients * n;
    // Node i covers [i · clients, (i + 1) · clients), and the same one round later.
    for (std::uint64_t i = 0; i < n; ++i)
        for (std::uint64_t const from : {i * clients, i * clients + round}) {
            auto const first = std::max(begin, from), last = std::min(end, from + clients);
            if (first < last) shares[static_cast<std::size_t>(i)] += static_cast<std::uint32_t>(last - first);
        }
    return shares;
}

/// Any balancer over the nodes of a subset: weights are multiplied by the node's share, 0 outside. Before assign, and at
/// positions that no share was given for: not in the subset.
template <class Inner>
class subset {
public:
    subset()
        requires std::default_initializable<Inner>
    = default;
    explicit subset(Inner inner) : inner_(std::move(inner)) {}

    /// These positions, each with share 1.
    void assign(std::span<node_index const> members) {
        std::size_t bound = 0;
        for (auto const i : members) bound = std::max<std::size_t>(bound, std::size_t{i} + 1);
        std::vector<std::uint32_t> shares(bound);
        for (auto const i : members) shares[i] = 1;
        shares_ = std::move(shares);
    }
    /// Shares by position, as aperture() says them; weights beyond 2^32 - 1 stay there.
    void assign_shares(std::vector<std::uint32_t> shares) noexcept { shares_ = std::move(shares); }

    [[nodiscard]] std::uint32_t share(std::size_t position) const noexcept {
        return position < shares_.size() ? shares_[position] : 0;
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        return inner_.choose(node_view<List, show>(nodes, {this}), now, rng);
    }

    [[nodiscard]] Inner&       inner() noexcept { return inner_; }
    [[nodiscard]] Inner const& inner() const noexcept { return inner_; }

private:
    struct show {
        subset const* self;

        template <class N>
        [[nodiscard]] std::uint32_t weight(std::size_t i, N const& n) const noexcept {
            return detail::multiply_weight(node_weight(n), self->share(i));
        }
    };

    std::vector<std::uint32_t> shares_;
    Inner                      inner_{};
};

}  // namespace sluice
