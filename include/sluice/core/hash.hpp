// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hasher, xxhash64, xxh3 — from a key to 64 bits, the same ones on every machine.
///
/// Use it for     routing keys and sharding, where two machines must agree; tables and sketches
/// Not for        input chosen by an attacker unless the seed is secret; signatures
/// Thread-safety  any thread: a hasher is a constant
/// Complexity     O(bytes); an integer counts as 8 bytes
/// Errors         none; noexcept
/// Units          64-bit results
/// Source         Y. Collet, xxHash (algorithms XXH64 and XXH3); needs its header <xxhash.h>, nothing to link
/// Differs        std::hash is not a hasher: its result depends on the library, and may be the key itself
///
/// An integer or enumeration is widened to 64 bits (with its sign) and hashed as those 8 bytes, least significant
/// first: 5, 5u and std::size_t(5) are one key, on 32 and 64 bits, little and big endian. A char or wchar_t, which has a
/// sign on some machines, is widened without. Text, and any row of bytes (std::byte, unsigned char, char8_t …), is hashed as it is.

#include <sluice/core/mix64.hpp>

#if !__has_include(<xxhash.h>)
#error "sluice/core/hash.hpp needs <xxhash.h> (package libxxhash-dev or xxhash); the other headers do not"
#endif

// Compiles the functions it uses into this translation unit, so that nothing is to be linked.
#if !defined(XXH_INLINE_ALL)
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

namespace sluice {

/// A function from keys to 64 bits, equal for equal keys. Results should be spread over the whole range.
template <class H, class Key>
concept hasher = std::copyable<H> && requires(H const& hash, Key const& key) {
    { hash(key) } noexcept -> std::same_as<std::uint64_t>;
};

namespace detail {

template <class T>
concept integer_key = (std::integral<T> || std::is_enum_v<T>) && sizeof(T) <= sizeof(std::uint64_t);

template <integer_key T>
[[nodiscard]] constexpr std::uint64_t widened(T key) noexcept {
    if constexpr (std::is_enum_v<T>)
        return widened(static_cast<std::underlying_type_t<T>>(key));
    else if constexpr (std::same_as<T, char> || std::same_as<T, wchar_t>)
        return static_cast<std::make_unsigned_t<T>>(key);
    else
        return static_cast<std::uint64_t>(key);
}

/// Bytes by another name: a vector of unsigned char, 16 bytes of a UUID, text in char8_t. Not a literal u8"…", which would have
/// its final null among them.
template <class R>
concept row_of_bytes =
    !std::convertible_to<R const&, std::string_view> && !std::convertible_to<R const&, std::span<std::byte const>> &&
    (std::convertible_to<R const&, std::span<unsigned char const>> || std::convertible_to<R const&, std::span<char const>> ||
     std::convertible_to<R const&, std::span<signed char const>> ||
     (std::convertible_to<R const&, std::span<char8_t const>> && !std::is_array_v<R>));

template <row_of_bytes R>
[[nodiscard]] std::string_view as_text(R const& bytes) noexcept {
    return {reinterpret_cast<char const*>(std::data(bytes)), std::size(bytes)};
}

struct little_endian_bytes {
    unsigned char bytes[8];

    explicit constexpr little_endian_bytes(std::uint64_t value) noexcept : bytes{} {
        for (auto& byte : bytes) {
            byte = static_cast<unsigned char>(value & 0xFFu);
            value >>= 8;
        }
    }
};

}  // namespace detail

/// XXH64: the older algorithm, which many other programs know too.
class xxhash64 {
public:
    constexpr xxhash64() noexcept = default;
    explicit constexpr xxhash64(std::uint64_t seed) noexcept : seed_(seed) {}

    template <detail::integer_key Key>
    [[nodiscard]] std::uint64_t operator()(Key key) const noexcept {
        detail::little_endian_bytes const bytes(detail::widened(key));
        return XXH64(bytes.bytes, sizeof bytes.bytes, seed_);
    }
    [[nodiscard]] std::uint64_t operator()(std::string_view text) const noexcept {
        return XXH64(text.data(), text.size(), seed_);
    }
    [[nodiscard]] std::uint64_t operator()(std::span<std::byte const> bytes) const noexcept {
        return XXH64(bytes.data(), bytes.size(), seed_);
    }
    template <detail::row_of_bytes Bytes>
    [[nodiscard]] std::uint64_t operator()(Bytes const& bytes) const noexcept {
        return (*this)(detail::as_text(bytes));
    }
    std::uint64_t operator()(std::nullptr_t) const = delete;  // would be a text of no address

    [[nodiscard]] constexpr std::uint64_t seed() const noexcept { return seed_; }

private:
    std::uint64_t seed_ = 0;
};

/// XXH3 with 64 bits: faster, above all for short keys and for long ones.
class xxh3 {
public:
    constexpr xxh3() noexcept = default;
    explicit constexpr xxh3(std::uint64_t seed) noexcept : seed_(seed) {}

    template <detail::integer_key Key>
    [[nodiscard]] std::uint64_t operator()(Key key) const noexcept {
        detail::little_endian_bytes const bytes(detail::widened(key));
        return XXH3_64bits_withSeed(bytes.bytes, sizeof bytes.bytes, seed_);
    }
    [[nodiscard]] std::uint64_t operator()(std::string_view text) const noexcept {
        return XXH3_64bits_withSeed(text.data(), text.size(), seed_);
    }
    [[nodiscard]] std::uint64_t operator()(std::span<std::byte const> bytes) const noexcept {
        return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed_);
    }
    template <detail::row_of_bytes Bytes>
    [[nodiscard]] std::uint64_t operator()(Bytes const& bytes) const noexcept {
        return (*this)(detail::as_text(bytes));
    }
    std::uint64_t operator()(std::nullptr_t) const = delete;  // would be a text of no address

    [[nodiscard]] constexpr std::uint64_t seed() const noexcept { return seed_; }

private:
    std::uint64_t seed_ = 0;
};

}  // namespace sluice
