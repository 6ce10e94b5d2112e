// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// jump_hash, jump_bucket — the one of n numbered buckets that a key belongs to, computed from nothing but n.
///
/// Use it for     shards and replicas that only come and go at the end of the list; no memory, no state to agree on
/// Not for        buckets that fail anywhere (anchor_hash, memento_hash, dx_hash); names (named_buckets); weights
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     O(ln n) expected: about 7 divisions for 1000 buckets. No memory
/// Errors         remove() with no bucket, or of another bucket than the last: std::invalid_argument. add() beyond 2^32 − 1:
///                std::length_error. Look-ups are noexcept; with no bucket the answer is empty
/// Units          buckets are 0 … size() − 1
/// Source         Lamping, Veach, 2014, arXiv:1406.2294
/// Differs        divides integers, where the paper rounds two doubles: the same on every machine, at compile time too. The
///                paper's form may be one less where the quotient is a whole number: about one step in 2^30
///
/// A new bucket takes 1/(n + 1) of the keys, the same from all, and no key moves between old ones.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace sluice {

/// The bucket of 0 … buckets − 1. Requires buckets > 0.
[[nodiscard]] constexpr node_index jump_bucket(hashed_key key, std::uint32_t buckets) noexcept {
    SLUICE_ASSERT(buckets > 0);
    std::uint64_t state = key.value;
    std::uint64_t bucket = 0, next = 0;
    do {
        bucket = next;
        state = state * 2862933555777941757u + 1;
        next = ((bucket + 1) << 31) / ((state >> 33) + 1);  // < 2^63, as bucket < 2^32
    } while (next < buckets);
    return static_cast<node_index>(bucket);
}

/// jump_bucket with a number of buckets and a hash: jump_hash(10).pick("a key").
template <class Hash = xxh3>
class jump_hash {
public:
    using node_type = node_index;

    explicit constexpr jump_hash(std::uint32_t buckets = 0, Hash hash = {}) noexcept
        : hash_(std::move(hash)), size_(buckets) {}

    /// The new bucket: the number of buckets before.
    constexpr node_index add() {
        if (size_ == UINT32_MAX) throw std::length_error("sluice: jump_hash has 2^32 - 1 buckets, the most there can be");
        return size_++;
    }
    /// Takes the last bucket away.
    constexpr void remove() {
        if (size_ == 0) throw std::invalid_argument("sluice: jump_hash: there is no bucket to remove");
        --size_;
    }
    /// Only the last may go: without any other one, keys would have to move between those that stay.
    constexpr void remove(node_index bucket) {
        if (size_ == 0 || bucket != size_ - 1) refuse(bucket);
        --size_;
    }

    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr std::size_t index_bound() const noexcept { return size_; }
    [[nodiscard]] constexpr bool        contains_index(node_index i) const noexcept { return i < size_; }
    [[nodiscard]] constexpr node_index  node(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return i;
    }

    [[nodiscard]] constexpr std::optional<node_index> locate(hashed_key key) const noexcept {
        if (size_ == 0) return std::nullopt;
        return jump_bucket(key, size_);
    }
    /// Its 64 bits, for what takes no other key.
    template <routing_key<Hash> Key>
    [[nodiscard]] constexpr hashed_key key(Key const& key) const noexcept {
        return hash_of(hash_, key);
    }
    template <routing_key<Hash> Key>
    [[nodiscard]] constexpr std::optional<node_index> pick(Key const& key) const noexcept {
        return locate(hash_of(hash_, key));
    }

private:
    [[noreturn]] void refuse(node_index bucket) const {
        if (size_ == 0) detail::throw_invalid("jump_hash: bucket to remove (there is none)", bucket);
        throw std::invalid_argument("sluice: jump_hash: bucket to remove (only the last can go, which is " +
                                    std::to_string(size_ - 1) + ") is " + std::to_string(bucket));
    }

    [[no_unique_address]] Hash hash_;
    detail::emptied<std::uint32_t> size_;
};

}  // namespace sluice
