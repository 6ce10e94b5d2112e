// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// key_splitter — a hot key is served by several nodes: which one to read from, which ones to write to.
///
/// Use it for     the few keys that one node cannot serve (hot_keys finds them), over any placement
/// Not for        a whole shard that is hot (shard_splitter)
/// Thread-safety  one thread at a time
/// Complexity     a key that is not split: O(log split keys), nothing while there are none, and the placement's look-up. A
///                split one: a walk to its k-th node. No allocation but in split()
/// Errors         constructor: std::invalid_argument names the option. split() may throw std::bad_alloc and then has no effect
/// Units          nodes; shares of the requests
/// Source         the splits with migration of mcrouter's shard splitter
///
/// A key's nodes are the first k of its own order of preference, so the node that it had without a split comes first and a
/// larger k only adds nodes. There are fewer where the placement has fewer. After a change the nodes that are new have to be
/// filled: for the time of `migration` a growing share of the reads goes to them, while writes go to old and new ones from the
/// beginning, and to those that were given up until everybody else has heard of it.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

enum class split_reads : std::uint8_t {
    round_robin,
    two_choices,  ///< of two of them the one with less load, which the caller tells
};
enum class split_writes : std::uint8_t {
    all,
    primary,  ///< the first; the others fetch from it, or expire
};

struct key_splitter_options {
    split_reads   reads = split_reads::round_robin;
    split_writes  writes = split_writes::all;
    std::uint32_t max_fan_out = 16;        ///< nodes for one key; 2 to 64
    std::size_t   max_keys = 1024;         ///< split at once; > 0
    double        share_per_node = 0.01;   ///< of all requests, that one node should get for one key; in (0, 1]
    duration      migration = std::chrono::seconds(10);  ///< >= 0
};

class key_splitter {
public:
    explicit key_splitter(key_splitter_options o = {}) : o_(o) {
        using detail::require_option;
        require_option(o.max_fan_out >= 2 && o.max_fan_out <= most, "key_splitter: max_fan_out (2 to 64)", o.max_fan_out);
        require_option(o.max_keys > 0, "key_splitter: max_keys (> 0)", o.max_keys);
        require_option(o.share_per_node > 0 && o.share_per_node <= 1, "key_splitter: share_per_node (in (0, 1])", o.share_per_node);
        require_option(o.migration.count() >= 0, "key_splitter: migration (>= 0 ns)", o.migration.count());
    }

    /// How many nodes a key with this share of the requests should have; 1 for one that need not be split, and for NaN.
    [[nodiscard]] std::uint32_t fan_out_for(double share) const noexcept {
        double const nodes = std::ceil(share / o_.share_per_node * (1 - 1e-12));
        return nodes > 1 ? static_cast<std::uint32_t>(std::min<double>(nodes, o_.max_fan_out)) : 1;
    }

    /// From now on the key has k nodes, at most max_fan_out; 1 (or 0) ends the split. False: too many keys are split already.
    bool split(hashed_key key, std::uint32_t k, time_point now) {
        k = std::clamp<std::uint32_t>(k, 1, o_.max_fan_out);
        auto at = lower_bound(key);
        if (at != keys_.end() && at->key == key) {
            if (at->now == k) return true;
            std::uint32_t const served = at->readable(now, o_.migration);
            at->written = at->writable(now, o_.migration);
            at->before = std::min(served, k);
            at->now = k;
            at->written = std::max(at->written, k);
            at->since = now;
            return true;
        }
        if (k == 1) return true;
        if (keys_.size() >= o_.max_keys) {
            std::erase_if(keys_, [&](entry const& e) { return e.now == 1 && e.writable(now, o_.migration) == 1; });
            if (keys_.size() >= o_.max_keys) return false;
            at = lower_bound(key);
        }
        keys_.insert(at, {key, k, 1, k, 0, now});
        return true;
    }

    /// Nodes that the key is meant to have; 1 if it is not split.
    [[nodiscard]] std::uint32_t fan_out(hashed_key key) const noexcept {
        auto const* const e = find(key);
        return e != nullptr ? e->now : 1;
    }

    /// The node to read from, in turn; empty if there is none.
    template <placement P, random_source Source>
    [[nodiscard]] std::optional<node_index> read(P const& p, hashed_key key, time_point now, Source& rng) {
        return read(p, key, now, rng, [](node_index) { return 0; });
    }

    /// The same with two_choices: load(index) is anything that can be compared.
    template <placement P, random_source Source, std::invocable<node_index> Load>
    [[nodiscard]] std::optional<node_index> read(P const& p, hashed_key key, time_point now, Source& rng, Load&& load) {
        entry* const e = find(key);
        if (e == nullptr) return p.locate(key);
        auto nodes = nodes_of(p, key, e->now);
        auto filled = std::min<std::size_t>(nodes.count, e->before);
        // Nodes that are being filled take their share of the reads little by little.
        if (filled < nodes.count && e->progress(now, o_.migration) > uniform_real(rng)) filled = nodes.count;
        nodes.count = filled;
        if (nodes.count < 2) return nodes.first();
        if (o_.reads == split_reads::round_robin) return nodes.index[static_cast<std::size_t>(e->next++ % nodes.count)];
        auto const a = static_cast<std::size_t>(uniform_below(rng, nodes.count));
        auto       b = static_cast<std::size_t>(uniform_below(rng, nodes.count - 1));
        if (b >= a) ++b;
        return load(nodes.index[b]) < load(nodes.index[a]) ? nodes.index[b] : nodes.index[a];
    }

    /// The nodes to write to, the primary first; as many as fit `out`. Returns how many there are.
    template <placement P>
    [[nodiscard]] std::size_t write(P const& p, hashed_key key, time_point now, std::span<node_index> out) const {
        auto const* const e = find(key);
        bool const        one = e == nullptr || o_.writes == split_writes::primary;
        auto const        nodes = nodes_of(p, key, one ? 1 : e->writable(now, o_.migration));
        std::copy_n(nodes.index.begin(), std::min(nodes.count, out.size()), out.begin());
        return nodes.count;
    }

    /// Keys that are split, or were until lately.
    [[nodiscard]] std::size_t                 size() const noexcept { return keys_.size(); }
    [[nodiscard]] key_splitter_options const& options() const noexcept { return o_; }

private:
    static constexpr std::uint32_t most = 64;

    struct entry {
        hashed_key    key;
        std::uint32_t now;      // nodes that it should have
        std::uint32_t before;   // of those, the ones that are filled
        std::uint32_t written;  // nodes that may still be read by somebody
        std::uint64_t next;     // reads so far
        time_point    since;

        [[nodiscard]] double progress(time_point t, duration migration) const noexcept {
            auto const passed = saturating_sub(t, since);
            if (passed >= migration) return 1;
            return passed.count() <= 0 ? 0 : static_cast<double>(passed.count()) / static_cast<double>(migration.count());
        }
        [[nodiscard]] std::uint32_t readable(time_point t, duration migration) const noexcept {
            return progress(t, migration) < 1 ? before : now;
        }
        [[nodiscard]] std::uint32_t writable(time_point t, duration migration) const noexcept {
            return progress(t, migration) < 1 ? written : now;
        }
    };
    struct node_set {
        std::array<node_index, most> index;
        std::size_t                  count = 0;
        [[nodiscard]] std::optional<node_index> first() const noexcept {
            return count != 0 ? std::optional(index[0]) : std::nullopt;
        }
    };

    template <placement P>
    [[nodiscard]] static node_set nodes_of(P const& p, hashed_key key, std::uint32_t k) {
        node_set          nodes;
        std::size_t const wanted = std::min<std::size_t>(k, p.size());
        if (wanted == 0) return nodes;
        walk(p, key, [&](node_index i) {
            auto const end = nodes.index.begin() + static_cast<std::ptrdiff_t>(nodes.count);
            if (std::find(nodes.index.begin(), end, i) == end) nodes.index[nodes.count++] = i;
            return nodes.count < wanted;
        });
        return nodes;
    }

    [[nodiscard]] std::vector<entry>::iterator lower_bound(hashed_key key) noexcept {
        return std::lower_bound(keys_.begin(), keys_.end(), key, [](entry const& e, hashed_key k) { return e.key < k; });
    }
    [[nodiscard]] entry* find(hashed_key key) noexcept {
        auto const at = lower_bound(key);
        return at != keys_.end() && at->key == key ? &*at : nullptr;
    }
    [[nodiscard]] entry const* find(hashed_key key) const noexcept { return const_cast<key_splitter*>(this)->find(key); }

    key_splitter_options o_;
    std::vector<entry>   keys_;  // in order
};

}  // namespace sluice
