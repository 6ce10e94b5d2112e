// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// point_policy, mixed_points, envoy_points — where the points of a node are on a ring, and where a key is.
///
/// Use it for     ring_hash: mixed_points by default; envoy_points and ketama_points to agree with rings of other programs
/// Thread-safety  values; any thread
/// Complexity     mixed_points: one hash for each node and two multiplications for each point. envoy_points: one hash for each point
/// Errors         none; noexcept
/// Units          points and keys are 64-bit numbers; those of 32 bits are their upper halves
/// Source         splitmix64 (mixed_points); Envoy's ring_hash load balancer and gRPC's (envoy_points)
///
/// What a policy gives for the same node and replica never changes: rings on other machines, and older ones, rely on it.

#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/routing/hashed_key.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

/// points_of(hash, node) makes a function from replica (0, 1, …) to point; it is used at once, so it may refer to the node.
/// key(hash, key) is where a key that is not hashed yet stands on the ring.
template <class P, class Hash, class Node>
concept point_policy = std::copyable<P> && requires(P const& points, Hash const& hash, Node const& node, std::uint32_t replica) {
    { points.points_of(hash, node)(replica) } noexcept -> std::same_as<std::uint64_t>;
};

namespace detail {

/// Decimal digits, without a null character.
struct decimal {
    char     text[20];
    unsigned length = 0;

    explicit constexpr decimal(std::uint64_t n) noexcept : text{} {
        char reversed[20]{};
        do {
            reversed[length++] = static_cast<char>('0' + static_cast<int>(n % 10));
            n /= 10;
        } while (n > 0);
        for (unsigned i = 0; i < length; ++i) text[i] = reversed[length - 1 - i];
    }
    [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, length}; }
};

}  // namespace detail

/// The r-th point is the r-th output of splitmix64 whose seed is the node's hash. Names are not put together with numbers,
/// so no two of them can be confused.
struct mixed_points {
    struct stream {
        std::uint64_t seed;
        [[nodiscard]] constexpr std::uint64_t operator()(std::uint32_t replica) const noexcept {
            return mix64(seed + (std::uint64_t{replica} + 1) * 0x9E3779B97F4A7C15u);
        }
    };
    template <class Hash, class Node>
        requires hasher<Hash, Node>
    [[nodiscard]] constexpr stream points_of(Hash const& hash, Node const& node) const noexcept {
        return {hash(node)};
    }
    template <class Hash, class Key>
        requires hasher<Hash, Key>
    [[nodiscard]] constexpr hashed_key key(Hash const& hash, Key const& key) const noexcept {
        return hashed_key(hash(key));
    }
};

/// XXH64 with seed 0 of "name_0", "name_1", …; a key is XXH64 of its text. What the ring's own Hash says is not used.
/// Those programs choose the number of points by their own rules; here it is weight × virtual_nodes.
struct envoy_points {
    class stream {
    public:
        explicit stream(std::string_view name) noexcept { XXH64_reset(&state_, 0), add(name), add("_"); }
        [[nodiscard]] std::uint64_t operator()(std::uint32_t replica) const noexcept {
            stream           whole = *this;
            detail::decimal const number(replica);
            whole.add(number.view());
            return XXH64_digest(&whole.state_);
        }

    private:
        void add(std::string_view text) noexcept { XXH64_update(&state_, text.data(), text.size()); }

        XXH64_state_t state_;
    };
    template <class Hash, std::convertible_to<std::string_view> Node>
    [[nodiscard]] stream points_of(Hash const&, Node const& node) const noexcept {
        return stream(node);
    }
    template <class Hash, std::convertible_to<std::string_view> Key>
    [[nodiscard]] hashed_key key(Hash const&, Key const& key) const noexcept {
        return hashed_key(xxhash64()(std::string_view(key)));
    }
};

}  // namespace sluice
