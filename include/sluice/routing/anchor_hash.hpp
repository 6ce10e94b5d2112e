// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// anchor_hash — numbered buckets of which any may go and come back, in a fixed space of bucket numbers; fast and even.
///
/// Use it for     the fastest look-ups among nodes that fail anywhere, with a known most number of them
/// Not for        no limit (memento_hash); parties that may see the changes in different orders (dx_hash, rendezvous_hash);
///                names (named_buckets); weights
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: 1 + ln(capacity / size) hashes expected; add, remove: O(1), without allocation. 20 bytes per bucket
///                of the capacity. restore: O(capacity)
/// Errors         std::invalid_argument for a capacity of 0, more working buckets than it, a bucket removed that does not work,
///                a state that cannot be. add() of a full one: std::length_error. Look-ups are noexcept; with no bucket the
///                answer is empty
/// Units          buckets are 0 … capacity − 1
/// Source         Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda: AnchorHash, ToN 2020, arXiv:1812.09674
/// Differs        64-bit hashes reduced by multiplication instead of 32-bit ones by %; no bucket and a full one are defined
///
/// add() gives back the bucket that was removed last. The order of the removals is part of the state: two parties that
/// agree on the set of working buckets but not on that order send keys to different buckets. state() is all there is to
/// know; what is undone in reverse order leaves no trace.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/detail/bucket_draws.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

struct anchor_hash_options {
    std::uint32_t capacity;     ///< most buckets ever; > 0
    std::uint32_t working = 0;  ///< of these the first work at once; <= capacity
};

/// The whole of an anchor_hash but for its hash.
struct anchor_hash_state {
    std::uint32_t           capacity = 0;
    std::vector<node_index> removed = {};  ///< the buckets that do not work, in the order in which they went

    friend bool operator==(anchor_hash_state const&, anchor_hash_state const&) = default;
};

/// The paper's arrays at one bucket, for comparison with other implementations.
struct anchor_hash_bucket {
    std::uint32_t A, K, W, L;

    friend bool operator==(anchor_hash_bucket const&, anchor_hash_bucket const&) = default;
};

/// Draws is made from a hashed_key and gives first(bound), then next(bucket, bound) for each bucket met that is gone.
template <class Hash = xxh3, class Draws = detail::bucket_draws>
class anchor_hash {
public:
    using node_type = node_index;

    explicit anchor_hash(anchor_hash_options options, Hash hash = {}) : hash_(std::move(hash)), working_(options.capacity) {
        detail::require_option(options.capacity > 0, "anchor_hash: capacity (> 0)", options.capacity);
        detail::require_option(options.working <= options.capacity, "anchor_hash: working (<= capacity)", options.working);
        place_.resize(options.capacity);
        order_.resize(options.capacity);
        removed_.resize(options.capacity);
        for (std::uint32_t b = 0; b < options.capacity; ++b) {
            place_[b] = {0, b};
            order_[b] = {b, b};
        }
        for (std::uint32_t b = options.capacity; b-- > options.working;) take(b);
    }

    [[nodiscard]] static anchor_hash restore(anchor_hash_state const& state, Hash hash = {}) {
        anchor_hash result({.capacity = state.capacity, .working = state.capacity}, std::move(hash));
        for (auto const b : state.removed) {
            detail::require_option(result.contains_index(b), "anchor_hash: state: removed (each a working bucket, once)", b);
            result.take(b);
        }
        return result;
    }
    [[nodiscard]] anchor_hash_state state() const {
        auto const end = removed_.begin() + static_cast<std::ptrdiff_t>(removed_.size() - working_);
        return {static_cast<std::uint32_t>(place_.size()), std::vector<node_index>(removed_.begin(), end)};
    }

    /// The bucket that works now: the one that was removed last.
    node_index add() {
        if (working_ == place_.size())
            throw std::length_error("sluice: anchor_hash: all " + std::to_string(place_.size()) + " buckets work already");
        auto const b = removed_[removed_.size() - working_ - 1];
        auto const other = order_[working_].bucket;  // what took b's position
        order_[other].position = working_;
        order_[order_[b].position].bucket = b;
        place_[b] = {0, b};
        ++working_;
        return b;
    }
    void remove(node_index b) {
        detail::require_option(contains_index(b), "anchor_hash: bucket to remove (a working one)", b);
        take(b);
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return place_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return working_; }
    [[nodiscard]] std::size_t index_bound() const noexcept { return place_.size(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept {
        return working_ > 0 && i < place_.size() && place_[i].left == 0;
    }
    [[nodiscard]] node_index node(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return i;
    }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        if (working_ == 0) return std::nullopt;
        Draws         draws(key);
        auto          b = draws.first(static_cast<std::uint32_t>(place_.size()));
        std::uint32_t left = place_[b].left;
        while (left != 0) {
            // Uniform among the positions that were left when b went; then to what holds the position since.
            auto h = draws.next(b, left);
            while (place_[h].left >= left) h = place_[h].successor;
            b = h;
            left = place_[b].left;
        }
        return b;
    }
    /// The owners of many keys, faster than one by one where a good part of the buckets is gone: a processor cannot guess which keys
    /// need how many draws, and here it need not. False, and nothing written, if no bucket works. Requires out.size() >= keys.size().
    [[nodiscard]] bool locate_each(std::span<hashed_key const> keys, std::span<node_index> out) const noexcept
        requires std::same_as<Draws, detail::bucket_draws>
    {
        SLUICE_ASSERT(out.size() >= keys.size());
        if (working_ == 0) return false;
        struct on_its_way {
            std::uint32_t key, at, left;
        };
        constexpr std::size_t             block = 128;
        std::array<on_its_way, block + 1> rest;  // of a block: those that are not there yet, and one that may be overwritten
        for (std::size_t begin = 0; begin < keys.size(); begin += block) {
            std::size_t const n = keys.size() - begin < block ? keys.size() - begin : block;
            std::size_t       waiting = 0;
            for (std::size_t i = 0; i < n; ++i) {
                Draws const draws(keys[begin + i]);
                auto const  b = draws.first(static_cast<std::uint32_t>(place_.size()));
                auto const  left = place_[b].left;
                out[begin + i] = b;
                rest[waiting] = {static_cast<std::uint32_t>(i), draws.next(b, left), left};  // of no bucket it is 0
                waiting += left != 0 ? 1 : 0;
            }
            while (waiting != 0) {  // each goes on by one place: a step along what holds a position since, or the next draw
                std::size_t kept = 0;
                for (std::size_t j = 0; j < waiting; ++j) {
                    auto const w = rest[j];
                    auto const here = place_[w.at];
                    bool const follow = here.left >= w.left;
                    auto const drawn = Draws(keys[begin + w.key]).next(w.at, here.left);
                    out[begin + w.key] = w.at;
                    rest[kept] = {w.key, follow ? here.successor : drawn, follow ? w.left : here.left};
                    kept += follow || here.left != 0 ? 1 : 0;
                }
                waiting = kept;
            }
        }
        return true;
    }
    /// Its 64 bits, for what takes no other key.
    template <routing_key<Hash> Key>
    [[nodiscard]] constexpr hashed_key key(Key const& key) const noexcept {
        return hash_of(hash_, key);
    }
    template <routing_key<Hash> Key>
    [[nodiscard]] std::optional<node_index> pick(Key const& key) const noexcept {
        return locate(hash_of(hash_, key));
    }

    /// Requires i < capacity().
    [[nodiscard]] anchor_hash_bucket arrays(node_index i) const noexcept {
        SLUICE_ASSERT(i < place_.size());
        return {place_[i].left, place_[i].successor, order_[i].bucket, order_[i].position};
    }

private:
    struct place {
        std::uint32_t left;       // A: buckets that were left when it went; 0 if it works, or if it went last of all
        std::uint32_t successor;  // K: what took its position
    };
    struct order {
        std::uint32_t bucket;    // W: at this position of the working ones
        std::uint32_t position;  // L: of this bucket
    };

    void take(node_index b) noexcept {
        removed_[removed_.size() - working_] = b;
        --working_;
        auto const last = order_[working_].bucket;
        place_[b] = {working_, last};
        order_[order_[b].position].bucket = last;
        order_[last].position = order_[b].position;
    }

    [[no_unique_address]] Hash hash_;
    detail::emptied<std::uint32_t> working_;
    std::vector<place>         place_;
    std::vector<order>         order_;
    std::vector<node_index>    removed_;  // a stack that grows from 0; capacity − working of it are in use
};

}  // namespace sluice
