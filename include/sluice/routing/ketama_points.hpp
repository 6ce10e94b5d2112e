// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// ketama_points, ketama_weights — the ring of libketama, to agree with clients that use it.
///
/// Use it for     ring_hash<std::string, xxh3, ketama_points> with virtual_nodes = 160, beside other programs' memcached clients
/// Not for        new rings: MD5 for each key is slow, and 32-bit points meet
/// Thread-safety  values; any thread
/// Complexity     one MD5 for four points; one for each key
/// Errors         ketama_weights: std::invalid_argument for a memory of 0 or a sum of 2^64; std::bad_alloc
/// Units          points are the upper 32 bits of the ring's 64; 160 of them for an average server
/// Source         R. Jones, libketama; checked with the digest of its own test's million keys
/// Differs        with equal points libketama's order is undefined; here the smaller node comes first. Some clients write the
///                port differently or make 100 points: what is hashed here is the node's text as it is, "-", and a number

#include <sluice/core/detail/invalid.hpp>
#include <sluice/routing/detail/md5.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/point_policy.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sluice {

struct ketama_points {
    class stream {
    public:
        explicit constexpr stream(std::string_view name) noexcept { name_.add(name).add("-"); }
        /// Word r mod 4 of MD5("name-" r/4).
        [[nodiscard]] constexpr std::uint64_t operator()(std::uint32_t replica) noexcept {
            if (replica / 4 != group_) {
                group_ = replica / 4;
                detail::md5 whole = name_;
                words_ = whole.add(detail::decimal(group_).view()).finish();
            }
            return std::uint64_t{words_[replica % 4]} << 32;
        }

    private:
        detail::md5         name_;
        detail::md5::digest words_{};
        std::uint32_t       group_ = UINT32_MAX;
    };

    template <class Hash, std::convertible_to<std::string_view> Node>
    [[nodiscard]] constexpr stream points_of(Hash const&, Node const& node) const noexcept {
        return stream(node);
    }
    template <class Hash, std::convertible_to<std::string_view> Key>
    [[nodiscard]] constexpr hashed_key key(Hash const&, Key const& key) const noexcept {
        return hashed_key(std::uint64_t{detail::md5::of(key)[0]} << 32);
    }
};

/// libketama's own rule for servers with so much memory each, as weights for add(node, weight) with virtual_nodes = 160. They
/// depend on each other: a change of one server changes the points of all, so all are to be set anew. In single precision,
/// as there. A server with less than 1/40 of the average would have no point; here it has one.
[[nodiscard]] inline std::vector<double> ketama_weights(std::span<std::uint64_t const> memory) {
    std::uint64_t total = 0;
    for (auto const m : memory) {
        detail::require_option(m > 0, "ketama_weights: memory (> 0)", m);
        detail::require_option(m <= UINT64_MAX - total, "ketama_weights: sum of memory (< 2^64), with", m);
        total += m;
    }
    std::vector<double> weights;
    weights.reserve(memory.size());
    for (auto const m : memory) {
        float const  part = static_cast<float>(m) / static_cast<float>(total);
        double const digests = static_cast<double>(part) * 40.0 * static_cast<double>(memory.size());
        weights.push_back(static_cast<double>(std::floor(static_cast<float>(digests))) * 4 / 160);
        if (!(weights.back() > 0)) weights.back() = 1.0 / 160;
    }
    return weights;
}

}  // namespace sluice
