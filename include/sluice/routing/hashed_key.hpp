// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hashed_key, routing_key, hash_of — a key on its way to a node: bytes that are hashed once, or 64 bits that were.
///
/// Use it for     the argument of every pick(): text, bytes and integers as they are, hashed_key{h} for a hash that you have
/// Not for        a counter or an address inside hashed_key: its bits must be spread already (mix64 does that)
/// Thread-safety  values; any thread
/// Complexity     hashed_key: nothing. Otherwise one call of the hasher
/// Errors         none; noexcept
///
/// An integer is a key like any other and is hashed. Only the explicit name says that this has been done: a 64-bit number
/// is never taken for a hash by accident.

#include <sluice/core/hash.hpp>

#include <compare>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace sluice {

/// 64 bits that stand for a key, spread over the whole range.
struct hashed_key {
    std::uint64_t value = 0;

    constexpr hashed_key() noexcept = default;
    explicit constexpr hashed_key(std::uint64_t hash) noexcept : value(hash) {}

    friend constexpr bool operator==(hashed_key const&, hashed_key const&) noexcept = default;
    friend constexpr auto operator<=>(hashed_key const&, hashed_key const&) noexcept = default;
};

/// What Hash can hash, and what is hashed already.
template <class Key, class Hash = xxh3>
concept routing_key = std::same_as<std::remove_cvref_t<Key>, hashed_key> || hasher<Hash, Key>;

template <class Hash, routing_key<Hash> Key>
[[nodiscard]] constexpr hashed_key hash_of(Hash const& hash, Key const& key) noexcept {
    if constexpr (std::same_as<Key, hashed_key>) return key;
    else return hashed_key(hash(key));
}

}  // namespace sluice
